/* How the shared numbers lie in memory; for the files metrics*.c only.
 *
 * A worker has one Cell per function and a row of Held, all behind one another, so two workers
 * share no cache line but those of Place (which is what they agree on) and a ring's head.  The
 * mapping is sparse, and zero means "none yet" for everything here.  Shared memory gets a page even
 * when it is only read, so readers go by WorkerEntry's bits and RingHeads, and leave alone what
 * nobody wrote.
 *
 * Everything but names is atomic.  Readers take nothing on trust: an index that was read is
 * checked, and text has its length from its place. */
#ifndef FNVM_GATEWAY_METRICS_MEMORY_H
#define FNVM_GATEWAY_METRICS_MEMORY_H

#include <stdalign.h>
#include <stdatomic.h>

#include "gateway/metrics.h"

typedef _Atomic uint64_t Count; /* relaxed: a number is read by itself */

/* ---- Histograms: ten buckets to every power of two of nanoseconds: 5% from one's middle ---- */

enum {
    HISTOGRAM_FIRST_BIT = 10,   /* below 1,024 ns: the first bucket */
    HISTOGRAM_LAST_BIT = 36,    /* from 2^36 ns, 68.7 s: the last */
    HISTOGRAM_OCTAVES = HISTOGRAM_LAST_BIT - HISTOGRAM_FIRST_BIT,
    HISTOGRAM_PARTS = 10,       /* of an octave, of equal width */
    HISTOGRAM_BUCKETS = HISTOGRAM_OCTAVES * HISTOGRAM_PARTS + 2
};

typedef struct Histogram { Count sum_ns, buckets[HISTOGRAM_BUCKETS]; } Histogram;

static inline unsigned histogram_bucket(uint64_t ns)
{
    if (ns < 1u << HISTOGRAM_FIRST_BIT) return 0;
    const unsigned bit = 63 - (unsigned)__builtin_clzll(ns);
    if (bit >= HISTOGRAM_LAST_BIT) return HISTOGRAM_BUCKETS - 1;
    const uint64_t fraction = ns << (63 - bit) << 1; /* what follows the highest bit, of 2^64 */
    return 1 + (bit - HISTOGRAM_FIRST_BIT) * HISTOGRAM_PARTS +
           (unsigned)((unsigned __int128)fraction * HISTOGRAM_PARTS >> 64);
}

/* The lowest duration that is in bucket i; for HISTOGRAM_BUCKETS too, where none is. */
static inline uint64_t histogram_from(unsigned i)
{
    if (i == 0) return 0;
    const uint64_t octave = (uint64_t)1 << (HISTOGRAM_FIRST_BIT + (i - 1) / HISTOGRAM_PARTS);
    return octave + (octave * ((i - 1) % HISTOGRAM_PARTS) + HISTOGRAM_PARTS - 1) / HISTOGRAM_PARTS;
}

/* ---- What one worker counted of one function ---- */

enum {
    CODES = 28,                 /* pairs of outcome and status; guests choose statuses, so the last */
    CODE_OTHER = CODES - 1,     /* is for all that found no place */
    MEMORY_BUCKETS = 10         /* 64 KiB, four times that, ... 4 GiB; more */
};

typedef struct Code {
    _Atomic uint32_t key;       /* code_key(), set once; 0: free */
    Count count;
} Code;

static inline uint32_t code_key(Outcome outcome, unsigned status)
{
    return ((uint32_t)outcome + 1) << 16 | (status & 0xffff);
}

typedef struct Cell {
    alignas(64) Code codes[CODES];
    Count bytes_in, bytes_out, guest_ns, errors, log_lines, log_dropped;
    Count memory_sum, memory_most, memory[MEMORY_BUCKETS];
    _Atomic uint32_t ready;
    Histogram start[START_KINDS], total[START_KINDS];
} Cell;

static inline unsigned memory_bucket(uint64_t bytes)
{
    unsigned i = 0;
    for (uint64_t most = 65536; i < MEMORY_BUCKETS - 1 && bytes > most; i++) most *= 4;
    return i;
}

/* ---- Places: metrics_places.c ---- */

/* Version, count and bytes in one word, so that one compare-and-swap decides about all. */
typedef struct Place { alignas(64) _Atomic uint64_t word; } Place;

/* What one worker has of a place.  begun is counted before the word changes and ended after `held`
 * followed, so that where they are equal `held` is exact. */
typedef struct Held { _Atomic uint64_t held; _Atomic uint32_t begun, ended; } Held;

enum {
    PLACE_WORK = 0, PLACE_QUEUE = METRICS_FUNCTIONS, PLACE_TENANT = 2 * METRICS_FUNCTIONS,
    PLACES = PLACE_TENANT + METRICS_TENANTS
};

uint32_t place_count(const Metrics *, size_t place);
uint64_t place_bytes(const Metrics *, size_t place);
void places_worker_gone(Metrics *, unsigned worker);

/* ---- Rings: metrics_ring.c ---- */

enum {
    LOG_RECORDS = 128, LOG_WORDS = 64 - 2, ERROR_RECORDS = 16, ERROR_WORDS = 256 - 2,
    RECORD_CALL_ID = 40
};

/* What a record's words say; `text` reaches to its end. */
typedef struct RecordHead {
    uint64_t time_ms;           /* since 1970 */
    uint32_t worker, len;       /* len: of the text */
    char call_id[RECORD_CALL_ID];
} RecordHead;

enum {
    LOG_TEXT = LOG_WORDS * 8 - sizeof(RecordHead),
    ERROR_TEXT = ERROR_WORDS * 8 - sizeof(RecordHead)
};

/* stamp: 2n+1 while record number n is written, 2n+2 when it is complete. */
typedef struct LogRecord { _Atomic uint64_t stamp, sum, words[LOG_WORDS]; } LogRecord;
typedef struct ErrorRecord { _Atomic uint64_t stamp, sum, words[ERROR_WORDS]; } ErrorRecord;

typedef struct RingHeads { alignas(64) _Atomic uint64_t log_next, error_next; } RingHeads;
typedef struct Rings {
    ErrorRecord errors[ERROR_RECORDS];
    alignas(4096) LogRecord logs[LOG_RECORDS];
} Rings;

typedef struct RingText { RecordHead head; char text[ERROR_TEXT]; } RingText; /* fits both kinds */
/* Record number n; false: not there any more, not yet, or never completed. */
bool ring_log(const Metrics *, uint32_t slot, uint64_t n, RingText *);
bool ring_error(const Metrics *, uint32_t slot, uint64_t n, RingText *);

/* ---- All of it ---- */

/* A function's description, replaced as a whole: `stamp` is odd meanwhile. */
typedef struct FunctionText {
    char version[METRICS_NAME], protocol[16], tenant[METRICS_NAME];
    uint32_t concurrency, queue, served, unused;
} FunctionText;
enum { FUNCTION_WORDS = sizeof(FunctionText) / 8 };

typedef struct FunctionEntry {
    char name[METRICS_NAME];    /* never changes once the number of functions includes it */
    _Atomic uint64_t stamp, words[FUNCTION_WORDS];
} FunctionEntry;

typedef struct WorkerEntry {
    alignas(64) _Atomic int pid; /* 0: none */
    _Atomic uint32_t born;      /* since another one left */
    _Atomic uint32_t restarts;  /* of those before */
    _Atomic bool held;          /* something of WorkerPart.held was written */
    alignas(64) _Atomic uint64_t cells[METRICS_FUNCTIONS / 64]; /* a bit: this cell was written */
} WorkerEntry;

typedef struct WorkerPart {
    alignas(4096) Held held[PLACES];
    alignas(4096) Cell cells[METRICS_FUNCTIONS];
} WorkerPart;

struct Metrics {
    _Atomic uint32_t nfunctions, ntenants; /* the master's; a release makes the names visible */
    uint64_t made_ms;           /* since 1970 */
    WorkerEntry workers[METRICS_WORKERS];
    FunctionEntry functions[METRICS_FUNCTIONS];
    char tenants[METRICS_TENANTS][METRICS_NAME];
    _Atomic bool place_unsure[PLACES]; /* the master's: see places_worker_gone */
    Place places[PLACES];
    RingHeads ring_heads[METRICS_FUNCTIONS];
    alignas(4096) Rings rings[METRICS_FUNCTIONS];
    WorkerPart parts[METRICS_WORKERS];
};

uint64_t metrics_now_ms(void); /* since 1970 */
Cell *metrics_cell(Metrics *, unsigned worker, uint32_t slot); /* to be written; NULL: out of range */
bool metrics_cell_used(const Metrics *, unsigned worker, uint32_t slot);
uint32_t metrics_functions(const Metrics *); /* slots that are given, never more than there are */
void metrics_function_text(const Metrics *, uint32_t slot, FunctionText *); /* always terminated */
/* Guests' bytes as UTF-8 without controls but tab and newline: others become \xNN, what is no UTF-8
 * U+FFFD. Returns the length; what does not fit is left out.  Three bytes for each are enough but
 * for controls. */
size_t text_clean(const char *text, size_t len, char *out, size_t size);
void words_store(_Atomic uint64_t *to, const void *from, size_t words);
void words_load(void *to, const _Atomic uint64_t *from, size_t words);

/* ---- Added up over workers: metrics_sum.c ---- */

typedef struct HistogramSum { uint64_t count, sum_ns, buckets[HISTOGRAM_BUCKETS]; } HistogramSum;
typedef struct CodeSum {
    Outcome outcome;
    unsigned status;            /* 0: all the others */
    uint64_t count;
} CodeSum;

typedef struct CellSum {
    CodeSum codes[METRICS_WORKERS * CODES];
    size_t ncodes;              /* in the order of outcome and status */
    uint64_t outcomes[OUTCOMES], bytes_in, bytes_out, guest_ns, errors, log_lines, log_dropped;
    uint64_t memory_sum, memory_most, memory[MEMORY_BUCKETS], ready;
    HistogramSum start[START_KINDS], total[START_KINDS];
} CellSum;

void metrics_sum(const Metrics *, uint32_t slot, CellSum *);
/* Nanoseconds below which `part` (0 to 1) of it lies, from a bucket's middle; 0 of none. */
uint64_t histogram_quantile(const HistogramSum *, double part);

#endif
