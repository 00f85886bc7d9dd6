/* Every number that somebody chose, with the reason: limits of the implementation (standard,
 * appendix 7.1) and the defaults of the configuration.
 *
 * The first block follows the list of the WebAssembly JavaScript interface, which all browsers
 * agreed on: a module that loads there loads here.  What exceeds one is refused with
 * FNVM_E_LIMIT (function bodies: when they are verified). */
#ifndef FNVM_VM_TUNABLES_H
#define FNVM_VM_TUNABLES_H

#include <stdint.h>

/* ---- Limits of one module ---- */

enum {
    LIMIT_MODULE_BYTES = 1 << 30, /* 1 GiB: offsets fit 32 bits, their differences 31 */
    LIMIT_TYPES = 1000000,
    LIMIT_FUNCTIONS = 1000000,
    LIMIT_IMPORTS = 1000000,
    LIMIT_EXPORTS = 1000000,
    LIMIT_GLOBALS = 1000000,
    LIMIT_TAGS = 1000000,
    LIMIT_TABLES = 100000,
    LIMIT_MEMORIES = 100,         /* each reserves addresses in its instance's region */
    LIMIT_ELEMENT_SEGMENTS = 10000000,
    LIMIT_DATA_SEGMENTS = 100000,
    LIMIT_SEGMENT_ELEMENTS = 10000000, /* of one element segment: as many as a table holds */
    LIMIT_PARAMS = 1000,
    LIMIT_RESULTS = 1000,
    LIMIT_LOCALS = 50000,         /* with the parameters */
    LIMIT_WIDE_LOCALS = 256,      /* and one per byte of code: with vectors each costs 4 bytes for
                                   * good; without, a function of more is interpreted */
    LIMIT_CUSTOM_SECTIONS = 1000000, /* three bytes each, and 28 of ours */
    LIMIT_TEXT_TOKENS = 1 << 24,  /* of one text: 16 bytes each while it is read, 256 MiB */
    LIMIT_FRAME_SLOTS = 1 << 20,  /* 8 MiB: as much as a guest stack has by default */
    LIMIT_NESTING = 1 << 20,      /* open blocks, 56 bytes each while a function is verified */
    LIMIT_FIELDS = 10000,         /* of a struct; also operands of array.new_fixed */
    LIMIT_SUBTYPE_DEPTH = 63,     /* supertypes above a type: bounds its display */
    LIMIT_BODY_BYTES = 8388607    /* side-table distances have 24 bits, one the sign */
};

/* ---- Defaults of fnvm_config ---- */

#define DEFAULT_MAX_MEMORY_BYTES (UINT64_C(4) << 30) /* all that a 32-bit memory can have */
#define DEFAULT_MAX_TABLE_ELEMENTS UINT64_C(10000000) /* as in the JavaScript interface */
#define DEFAULT_MAX_STACK_BYTES (UINT64_C(8) << 20)  /* a native thread's usual stack */
#define DEFAULT_MAX_HEAP_BYTES (UINT64_C(256) << 20) /* a function's usual share of a host */
#define DEFAULT_MAX_INSTANCES 10000                  /* of one store: stops runaway linking */

/* ---- Sizes of our own structures ---- */

enum {
    /* A collection that leaves less than 1/16 of the heap's limit free means it is exhausted:
     * else a guest near its limit would buy a collection with every few bytes. */
    HEAP_HEADROOM = 16,
    /* A store with less than this left takes objects one by one: what the collector gives at a time
     * is a page of it. */
    HEAP_LIST_BYTES = 8192,
    HEAP_CLEARED_STACK = 4096, /* more than the collector's frames take until it marks */
    /* Host-to-guest calls nested in one another: each takes about a kilobyte of the host's stack,
     * which guests must not be able to exhaust. */
    TUNE_HOST_CALL_DEPTH = 200,
    /* Bytes that a bulk operation moves between two looks at the interrupt: 0.1 to 0.5 ms, most of
     * it page faults.  Looking costs nothing that could be measured from some 100 KiB on. */
    TUNE_PIECE_BYTES = 1 << 20,
    TUNE_LOOK_EVERY = 1024, /* items, segments, ... between two looks: some 50 us */
    TUNE_BACKTRACE_FRAMES = 64, /* innermost frames of a backtrace: more is not read */
    /* Code that is read to find where the instructions of interpreted frames begin: a few
     * milliseconds.  A frame that is not reached says the last byte of its instruction. */
    TUNE_BACKTRACE_CODE_BYTES = 1 << 20,
    /* Of a name in a backtrace: C++ names are long, but a guest may have one of 100 MB. */
    TUNE_BACKTRACE_NAME_BYTES = 1000,
    /* Innermost frames in a core dump: a runaway recursion has a million, all alike. */
    TUNE_COREDUMP_FRAMES = 4096,
    /* Arguments and results that calls in a function may have, per byte of its code and beyond that,
     * for it to be compiled: usual code has less than two, and each takes 3 ns. */
    TUNE_CALL_VALUES = 16,
    TUNE_CALL_VALUES_SPARE = 1 << 20,
    /* A text that a guest hands to a native function: looking for its end takes some 30 us then. */
    TUNE_NATIVE_STRING_BYTES = 1 << 20,
    /* Pointers of native functions that a guest has open at once: looking for one takes 2 us then. */
    TUNE_NATIVE_HANDLES = 4096,
    TYPE_BUCKETS_FIRST = 64, /* hash buckets of a new registry: a C program has ~50 types */
    /* The code cache: one module's code (what is compiled behind it is not kept), all files, and
     * how many: looking at each when one is written takes about 2 us. */
    CACHE_FILE_BYTES = 64 << 20,
    CACHE_TOTAL_BYTES = 256 << 20,
    CACHE_FILES = 1024,
    CACHE_USE_SECONDS = 3600, /* how exactly a file knows its last use: less would be writing more */
    /* What a reset copies back, and so leaves to an instance that waits for its next run.  Copying a
     * page takes 0.1 us, dropping it 0.2 us and the fault it then costs 1 to 4 us; so this is about
     * memory: a thousand instances waiting keep 4 GiB at most. */
    TUNE_RESET_KEEP_BYTES = 4 << 20,
    SOURCE_READ_BYTES = 1 << 16 /* first buffer for input that cannot be mapped (a pipe) */
};

#endif
