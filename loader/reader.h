/* A bounded reader over module bytes: every read is checked, the first failure sticks.
 *
 * After a failure all reads return 0 and `error` holds the reason, so that a decoder may read a
 * whole construct and check once, as long as it never loops or allocates on an unchecked count. */
#ifndef FNVM_LOADER_READER_H
#define FNVM_LOADER_READER_H

#include "vm/error.h"

typedef struct Reader {
    const uint8_t *bytes; /* of the whole module: offsets in errors count from here */
    uint32_t pos, end;
    fnvm_error *error;    /* first failure, owned; NULL while all is well */
    struct PolicyCheck *check; /* what a policy says to what is read; NULL: there is none */
} Reader;

uint8_t read_byte(Reader *, const char *expected);
uint32_t read_u32(Reader *, const char *expected); /* LEB128, at most 5 bytes, no stray bits */
uint64_t read_u64(Reader *, const char *expected);
int32_t read_s32(Reader *, const char *expected);
int64_t read_s33(Reader *, const char *expected);
int64_t read_s64(Reader *, const char *expected);
const uint8_t *read_bytes(Reader *, uint32_t len, const char *expected); /* NULL on failure */
/* A length and so many bytes of UTF-8 (5.2.4); NULL on failure. */
const uint8_t *read_name(Reader *, uint32_t *len, const char *expected);

/* Records a failure at `offset`, unless one is there already. */
void reader_fail(Reader *, fnvm_code, uint32_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
