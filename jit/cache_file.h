/* Files of the code cache: NAME.code, NAME being the key in hexadecimal.
 *
 *   head    512 bytes, below; numbers as the machine has them
 *   image   blobs, exactly as they lie in the segment (jit/segment.h)
 *
 * The key measures what code of this module may depend on wherever it is: the engine to its last
 * byte (jit/library_id.h), the processor's features, the configuration, where each section of the
 * module lies, and the contents of all but three kinds: code, data and custom sections.  On the
 * contents of data and custom sections no code depends.  On those of the code section each function
 * depends with its own body only, so the bodies of the functions in the image are measured too,
 * when it is written and when it is read: neither takes longer than the functions are worth.
 *
 * Measuring is BLAKE2b; a module can be made so as to collide with another only where BLAKE2b is
 * broken.  The sums are XXH3 and find damage, not intent: a file counts as ours by its owner and
 * mode. */
#ifndef FNVM_JIT_CACHE_FILE_H
#define FNVM_JIT_CACHE_FILE_H

#include <sys/stat.h>
#include <sys/uio.h>

#include "jit/cache.h"

enum {
    CACHE_KEY_BYTES = 32,
    CACHE_NAME_BYTES = 2 * CACHE_KEY_BYTES + sizeof ".code",
    CACHE_PATH_BYTES = 376,
    CACHE_FORMAT = 1
};

typedef struct CacheHead {
    char magic[8];                   /* CACHE_MAGIC, without its NUL */
    uint32_t format;                 /* CACHE_FORMAT */
    uint32_t nfuncs;                 /* blobs in the image */
    uint32_t image_size;
    uint32_t unused;                 /* zero */
    uint64_t image_sum;
    uint8_t key[CACHE_KEY_BYTES];
    uint8_t engine[CACHE_KEY_BYTES]; /* the part of the key's input that is not the module's */
    uint8_t bodies[CACHE_KEY_BYTES]; /* the functions in the image */
    char path[CACHE_PATH_BYTES];     /* for people; its end if it is longer; zeros behind */
    uint64_t head_sum;               /* of all before it */
} CacheHead;
#define CACHE_MAGIC "fnvmcode"
_Static_assert(sizeof(CacheHead) == 512, "no padding, and the image is aligned in the file");

struct CodeCache { int fd; };        /* of the directory */

/* ---- Measuring: cache_key.c ---- */

/* What the engine is, and the machine. */
void cache_measure_engine(uint8_t out[CACHE_KEY_BYTES]);
void cache_measure_module(const Module *, const uint8_t engine[CACHE_KEY_BYTES],
                          uint8_t out[CACHE_KEY_BYTES]);
/* The functions in an image, and how many they are: 0 if they are none, or not the module's. */
uint32_t cache_measure_bodies(const Module *, const uint8_t *image, uint32_t size,
                              uint8_t out[CACHE_KEY_BYTES]);
void cache_name(const uint8_t key[CACHE_KEY_BYTES], char name[CACHE_NAME_BYTES]);

/* ---- Files: cache_directory.c, and cache.c for what is in them ---- */

/* Opens a file for reading if it is one that only the user could have written; -1 if not. */
int cache_open_file(const CodeCache *, const char *name, struct stat *);
/* For what is removed first; to the hour. */
void cache_note_use(int fd, const struct stat *);
/* Replaces NAME by what `parts` are, with nobody waiting: not if another process is writing. */
void cache_replace_file(const CodeCache *, const char *name, struct iovec *parts, int nparts);
/* Reads the head of an open file of `size` bytes; false if it is not whole. */
bool cache_read_head(int fd, uint64_t size, CacheHead *);

#endif
