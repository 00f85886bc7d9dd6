/* A heap image as it lies in a file; docs/image-format.md says the same in words.
 *
 *   head    the first 4096 bytes: what it is, what it belongs to, where the parts are, signature
 *   pages   contents of regions, in whole pages; pages of zeros are holes
 *   parts   arrays of the structures below, one after the other, each aligned to 16 bytes
 *
 * Numbers are little-endian; offsets and sizes are bytes, and offsets count from the start of the
 * file unless they say otherwise.  Everything is used where it lies: opening an image parses
 * nothing.  So all of it is checked before its first use (vm/image/check.h), by whoever installs it. */
#ifndef FNVM_VM_IMAGE_FORMAT_H
#define FNVM_VM_IMAGE_FORMAT_H

#include <stdint.h>

enum {
    IMAGE_FORMAT = 2,
    IMAGE_PAGE = 4096,
    IMAGE_CHUNK = 1 << 20,    /* bytes of pages that are hashed together */
    IMAGE_HASH_BYTES = 32     /* BLAKE2b */
};
#define IMAGE_MAGIC "fnvmimg" /* with its NUL */

typedef struct ImageHash { uint8_t bytes[IMAGE_HASH_BYTES]; } ImageHash;
typedef struct ImageText { uint32_t start, len; } ImageText; /* in the part STRINGS; no NUL */

/* A module of the store.  It is found by its path, or lies in the image, and must have the hash. */
typedef struct ImageModule {
    ImageHash hash;           /* of all its bytes */
    uint64_t size;
    uint64_t embedded;        /* where it begins in the part EMBEDDED, plus 1; 0: it is a file */
    ImageText path;           /* absolute; a hint */
    ImageText code;           /* its code segment's file, beside the image; len 0: none */
    uint32_t value_type;      /* of a table or global made by the host: an abstract type, or 0 */
    uint32_t unused;
} ImageModule;

/* Instances in the order of their ids, from 1.  The first_* are where its entries begin in the
 * parts; how many it has follows from the module. */
typedef struct ImageInstance {
    uint32_t module;
    uint32_t flags;           /* IMAGE_* */
    uint64_t region_size;
    uint32_t first_stretch, nstretches;
    uint32_t first_memory, first_table; /* own ones */
    uint32_t first_link;      /* imports but functions, in the order of the imports */
    uint32_t first_func;      /* imported functions */
} ImageInstance;
enum {
    IMAGE_ELEM_REFS_READY = 1,
    IMAGE_LATER_LINKS = 2,    /* some imported functions are not linked yet */
    IMAGE_FAILED = 4          /* its initialisation failed: globals of types without null may have it */
};

/* Pages of a region that come from the file; what no stretch covers is zero.  Ascending. */
typedef struct ImageStretch {
    uint64_t at;              /* from the start of the region */
    uint64_t offset;
    uint64_t size;
} ImageStretch;

typedef struct ImageMemory { uint64_t size; } ImageMemory;   /* bytes; also in the context */
typedef struct ImageTable { uint64_t size; } ImageTable;     /* elements; also in the context */
typedef struct ImageLink { uint32_t instance, index; } ImageLink; /* in the owner's index space */

/* A function of the host, by what restoring must provide.  Function references count on the order.
 * Its type is plain, that is parameters and results and nothing else; or one of a module's own, with
 * a recursion group or supertypes, and then there are no numbers but those of module and type. */
typedef struct ImageHost {
    ImageText module, name;   /* as the linker defines it */
    uint32_t first_type;      /* of a plain type: parameters, then results, in the part TYPES */
    uint32_t nparams, nresults;
    uint32_t flags;           /* IMAGE_HOST_* */
    uint32_t type_module;     /* plus 1: the type is one of this module; 0: it is plain */
    uint32_t type_index;      /* among the module's types */
} ImageHost;
enum {
    IMAGE_HOST_USED = 1,      /* some instance imports it: it must be there */
    IMAGE_HOST_TRAPS = 2      /* nobody provided it; calling it traps */
};

/* A name that modules are imported by, and the instance that was made for it. */
typedef struct ImageProvider { ImageText name; uint32_t instance, unused; } ImageProvider;

/* A function on the stack of a suspended call, outermost first.  No machine state: at a call all
 * that lives is in the frame's slots. */
typedef struct ImageFrame {
    uint32_t instance;
    uint32_t func;
    uint32_t pc;              /* offset in the module of the instruction after the call */
    uint32_t fp;              /* slot of its first local */
} ImageFrame;

/* Pages of a region. */
typedef struct ImageRun {
    uint32_t instance;
    uint32_t count;           /* pages */
    uint64_t at;              /* from the start of the region */
} ImageRun;

/* The call that was suspended in a host function; owner 0: none, the store was at rest. */
typedef struct ImageCall {
    uint32_t owner;           /* instance whose stack it is on */
    uint32_t caller;          /* instance that called the host function */
    uint64_t host;            /* FuncRef of the host function */
    uint64_t entry;           /* FuncRef of what the embedder had called */
    uint32_t args;            /* slot of the host function's arguments, and of its results */
    uint32_t wake;            /* fnvm_wake */
    uint64_t value;           /* with FNVM_WAKE_RETURN: its result, if it has one */
} ImageCall;

/* X(part, type of an element) */
#define IMAGE_PARTS(X)                                                                            \
    X(MODULES, ImageModule)                                                                       \
    X(INSTANCES, ImageInstance)                                                                   \
    X(STRETCHES, ImageStretch)                                                                    \
    X(MEMORIES, ImageMemory)                                                                      \
    X(TABLES, ImageTable)                                                                         \
    X(LINKS, ImageLink)                                                                           \
    X(FUNCS, uint64_t)          /* FuncRef, 0: not linked yet */                                  \
    X(HOSTS, ImageHost)                                                                           \
    X(TYPES, uint32_t)          /* value types: numbers and abstract references, as in fnvm.h */  \
    X(PROVIDERS, ImageProvider)                                                                   \
    X(FRAMES, ImageFrame)                                                                         \
    X(OBJECTS, uint8_t)         /* vm/image/objects.h */                                          \
    X(SYSTEM, uint8_t)          /* WASI's state: stdlib/wasi_image.h */                           \
    X(DRAWS, char)              /* lines: who read a clock or drew random bytes before */         \
    X(WORKING_SET, uint64_t)    /* vm/image/working_set.h */                                      \
    X(WRITTEN, ImageRun)        /* likewise */                                                    \
    X(EMBEDDED, uint8_t)                                                                          \
    X(STRINGS, char)                                                                              \
    X(CHUNKS, ImageHash)        /* of the pages, IMAGE_CHUNK bytes each */

typedef enum ImagePartKind {
#define X(name, type) IMAGE_##name,
    IMAGE_PARTS(X)
#undef X
    IMAGE_PART_COUNT
} ImagePartKind;

typedef struct ImagePart { uint64_t offset, count; } ImagePart;

typedef struct ImageHead {
    char magic[8];
    uint32_t format;
    uint32_t unused;
    ImageHash engine;         /* what regions and frames look like: image_measure_engine */
    uint64_t file_size;
    uint64_t pages_size;      /* they begin at IMAGE_PAGE */
    uint64_t parts_offset;    /* parts_offset == IMAGE_PAGE + pages_size; to the end of the file */
    ImageHash parts_hash;     /* of everything from parts_offset on, so of the chunks' hashes too */
    ImagePart parts[IMAGE_PART_COUNT];
    /* The limits that regions were laid out with. */
    uint64_t max_memory_bytes, max_table_elements, max_stack_bytes;
    uint64_t fuel;            /* left */
    uint32_t counts_fuel;     /* 1: it was counted */
    uint32_t main;            /* instance id */
    ImageText start;          /* the export that running the image calls; len 0: _start */
    ImageCall call;
    ImageHash hash;           /* of all of the head before it: the image's measurement */
    uint8_t signer[32];       /* an Ed25519 key, or zeros */
    uint8_t signature[64];    /* of `hash` */
} ImageHead;
_Static_assert(sizeof(ImageHead) <= IMAGE_PAGE, "the head is a page");

#endif
