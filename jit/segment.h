/* Segments: where compiled code lies, and what is known of it.
 *
 * The engine reserves one range of addresses for code; a module's segment is a part of it:
 *
 *   entries   8 bytes per own function, writable: the address to call, at first the lazy stub's
 *   code      mapped read-execute: perhaps a file (segment_map), then a memory file; that is
 *             written through its descriptor, so that no page is ever mapped writable and
 *             executable, nor writable at all
 *
 * Code reaches its entries relative to itself.  Each function is one blob: head, code, points,
 * pads, marks.  Blobs are appended under the segment's lock and published by a release store of the
 * entry; everything published may be read by any thread. */
#ifndef FNVM_JIT_SEGMENT_H
#define FNVM_JIT_SEGMENT_H

#include "jit/jit.h"
#include "jit/points.h"

/* Code of large modules begins at a multiple of this, in memory as in files: where the system keeps
 * such a file in large pages, it maps it by them. */
enum { SEGMENT_ALIGN = 2 << 20 };

typedef struct CodeSpace CodeSpace; /* the engine's range; owned by the engine */
typedef struct Segment Segment;     /* owned by its module: Module.segment */

/* What compiling a function made; the arrays are the compiler's, copied by segment_add. */
typedef struct Compiled {
    uint32_t func;            /* module index */
    const uint8_t *code;      /* position-independent but for its distance to the entries */
    uint32_t code_size;
    uint32_t base;            /* segment_next_code as it was when this was compiled */
    const uint32_t *fixups;   /* 32-bit distances in the code that shrink as it lies higher */
    uint32_t nfixups;
    const uint8_t *points;    /* see points.h; offsets count from FuncCode.start */
    uint32_t points_size;
    const uint32_t *pads;     /* landing pads of catch clauses, offsets in the code */
    uint32_t npads;
} Compiled;

typedef struct BlobHead {     /* before the code, which is aligned to 32 bytes */
    uint32_t func, code_size, points_size, npads;
    uint32_t first_pc;        /* FuncCode.start, from the start of the function's body */
    uint32_t unused[3];       /* zero */
} BlobHead;
enum { BLOB_ALIGN = 32 };

/* Bytes of a blob from its head to the next one's.  Pads, and the marks of the points behind them,
 * are aligned to 4 bytes. */
static inline uint64_t blob_pads_at(const BlobHead *h)
{
    return (sizeof *h + (uint64_t)h->code_size + h->points_size + 3) & ~UINT64_C(3);
}
static inline uint64_t blob_marks_at(const BlobHead *h)
{
    return blob_pads_at(h) + (uint64_t)h->npads * sizeof(uint32_t);
}
static inline uint64_t blob_size(const BlobHead *h)
{
    uint64_t end = blob_marks_at(h) + (uint64_t)points_marks(h->points_size) * sizeof(PointMark);
    return (end + BLOB_ALIGN - 1) & ~(uint64_t)(BLOB_ALIGN - 1);
}

/* Reserves the range; an error where the system has no room for us.  It is freed after all of its
 * segments. */
fnvm_error *code_space_new(CodeSpace **out);
/* Whether the system lets us execute what we write, by trying, once. */
fnvm_error *code_space_try(CodeSpace *);
void code_space_free(CodeSpace *);
/* Whether `address` lies in any segment's code: for the fault handler, so no locks. */
bool code_space_contains(const CodeSpace *, const void *address);

/* A segment in the engine's range for the module, which it does not retain; all of its entries are
 * `lazy_stub`. */
fnvm_error *segment_new(Module *, const void *lazy_stub, Segment **out);
void segment_free(Segment *); /* its range is used again: nobody may be in its code any more */

void *const *segment_entries(const Segment *);
/* For adding: one thread at a time. */
void segment_lock(Segment *);
void segment_unlock(Segment *);
/* Where the next blob's code will start, from the entries' start, unless others add before. */
uint32_t segment_next_code(const Segment *);
/* Offset from the entries' start of a function's code, or 0 if it has none; code added later may go
 * straight there. */
uint32_t segment_code(const Segment *, uint32_t func);

/* Appends and publishes the code of a verified function, with the lock held; one that has code
 * keeps it.  False: the segment is full, the host out of memory, or this is a fork of the process
 * that the segment is from (code there stays what it was; both would write to one file).  Nothing
 * changed then. */
bool segment_add(Segment *, const Compiled *);
/* While on, what is added is held and written in large parts; it can be called once it is off again
 * or enough has come together.  With the lock held; false: what was held is lost, and nothing can
 * be added any more. */
bool segment_hold(Segment *, bool on);

/* Calls `fn` for every function compiled so far, in the order of the addresses, until it says
 * false; returns false then.  A BlobHead lies before each code. */
bool segment_each(const Segment *, bool (*fn)(void *env, uint32_t func, const uint8_t *code,
                                              uint32_t size), void *env);

/* All blobs that are published, from the code range's start on, one behind the other but for a gap
 * behind those of segment_map; valid until the segment is freed. */
typedef struct SegmentImage {
    const uint8_t *bytes;
    uint32_t size, adopted; /* the first of them came by segment_adopt or segment_map */
} SegmentImage;
SegmentImage segment_image(const Segment *);

/* Taking over the image of another segment, compiled for this very module, engine and machine, in
 * two steps with the lock held.  First `size` bytes from where the file stands are copied to the
 * start of this segment, which must be empty; nobody can change them there.  NULL: they cannot.
 * Then its functions are published.  All that the engine itself reads of the blobs is checked
 * before; if anything is wrong nothing is published, and the segment is as empty as it was.  The
 * code cannot be checked: that it is ours is for the caller to know. */
const uint8_t *segment_fetch(Segment *, int fd, uint32_t size);
fnvm_error *segment_adopt(Segment *, uint32_t size);

/* Code of another segment, compiled for this very module, engine and machine, in a file. */
typedef struct SegmentFile {
    int fd;
    uint64_t offset;          /* of the code: a multiple of the page */
    uint32_t size;            /* bytes */
    uint32_t start;           /* of the code there, from the entries' start: segment_code_start */
    const uint32_t *places;   /* offsets in the code of its blobs, ascending */
    const uint32_t *funcs;    /* and the functions that they are of */
    uint32_t nblobs;
} SegmentFile;
/* Maps the file at the start of this segment, which must be empty, and publishes its functions,
 * with the lock held.  Nothing of the code is read; all of the SegmentFile must have been checked,
 * and `places` stays until the segment is freed.  False, and nothing changed: the system refused,
 * or the segment has less room. */
bool segment_map(Segment *, const SegmentFile *);
uint32_t segment_code_start(const Module *); /* of its segment, from the entries' start */
/* What is wrong with the blob, of which `room` bytes are there; NULL if nothing is.  `seen` has a
 * bit for each own function of the module, for those that came before. */
const char *segment_check_blob(const Module *, const BlobHead *, uint32_t room, uint64_t *seen);

/* Where in a module compiled code is. */
typedef struct CodePoint {
    uint32_t func;      /* module index */
    uint32_t pc;        /* offset of the instruction's opcode in the module's bytes */
    uint32_t slots;     /* K: slots from the frame's first to the callee's first; 0 but at calls */
} CodePoint;
/* What is known of a return address or of the address of an instruction that can fault; false if
 * it is not exactly one of those.  Async-signal-safe. */
bool segment_find(const Segment *, const void *address, CodePoint *out);

/* The point of a blob of the module's at this offset in its code; false if there is none. */
bool segment_blob_point(const Module *, const BlobHead *, uint32_t native, Point *out);

/* The function in whose code the address lies.  Async-signal-safe. */
bool segment_function_at(const Segment *, const void *address, uint32_t *func);

/* The address of landing pad `clause` (index in FuncCode.clauses) of a compiled function; NULL if
 * it has no such pad.  Code goes on there as after the clause's branch: what that carries (payload,
 * exnref) is in the home slots where the target label wants it. */
const void *segment_pad(const Segment *, uint32_t func, uint32_t clause);

#endif
