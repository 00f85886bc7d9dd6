/* A file of code segments as it lies on disk.  Numbers are as the machine has them: the code is for
 * this machine only.
 *
 *   head     CODE_HEAD_BYTES, below, zeros behind
 *   index    of the module (loader/module_index.h)
 *   places   offset in the code of each blob, ascending
 *   funcs    the functions that the blobs are of
 *   returns  where calls return to that an image waits in (CodeReturn), by function and place
 *   code     from a page's start to the end of the file, as it lies in a segment
 *
 * The parts are aligned to 8 bytes. */
#ifndef FNVM_JIT_CODE_FILE_FORMAT_H
#define FNVM_JIT_CODE_FILE_FORMAT_H

#include "jit/library_id.h"
#include "verifier/policy/check.h"
#include "vm/image/format.h"

enum { CODE_FORMAT = 2, CODE_HEAD_BYTES = 4096, CODE_PART_ALIGN = 8, CODE_VERSION_BYTES = 16 };
#define CODE_MAGIC "fnvmseg" /* with its NUL */

typedef struct CodeHead {
    char magic[8];
    uint32_t format;
    uint32_t page;            /* bytes: code reaches the entries over pages */
    char version[CODE_VERSION_BYTES]; /* of the engine, for people; zeros behind */
    uint8_t library[LIBRARY_ID_BYTES];
    uint64_t processor;       /* compiler_cpu_features: what the code may need */
    uint32_t features;        /* of the configuration */
    uint32_t fuel;            /* likewise: 1: it is counted */
    uint8_t policy[POLICY_DIGEST_BYTES]; /* that all in it was held against; zeros: none */
    ImageHash module;         /* of all its bytes */
    uint64_t module_size;
    uint64_t file_size;
    uint64_t index_size;      /* it begins behind the head */
    uint64_t places, funcs, returns; /* where they begin */
    uint64_t code_offset, code_size;
    uint64_t nreturns;
    uint32_t nblobs;
    uint32_t code_start;      /* segment_code_start of the module */
    ImageHash contents;       /* of all behind the head */
    ImageHash hash;           /* of the head before it */
    uint8_t signer[32];       /* an Ed25519 key, or zeros */
    uint8_t signature[64];    /* of `hash` */
} CodeHead;
_Static_assert(sizeof(CodeHead) <= CODE_HEAD_BYTES && sizeof(CodeHead) % 8 == 0, "no padding");

#endif
