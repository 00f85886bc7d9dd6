/* A growing buffer of bytes with the encodings of the binary format, and the random numbers that
 * decide what is written to it.  Equal seeds give equal numbers on every machine. */
#ifndef FNVM_GENERATE_BYTES_H
#define FNVM_GENERATE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty buffer.  After a failed allocation writes do nothing and `failed` is set,
 * so that a writer checks once. */
typedef struct Bytes { uint8_t *at; size_t len, cap; bool failed; } Bytes;

void bytes_put(Bytes *, unsigned byte);
void bytes_raw(Bytes *, const void *from, size_t len);
void bytes_unsigned(Bytes *, uint64_t);              /* LEB128 */
void bytes_signed(Bytes *, int64_t);
void bytes_name(Bytes *, const char *text);          /* with its length before it */
void bytes_sized(Bytes *, const Bytes *content);     /* likewise */
void bytes_section(Bytes *, unsigned id, const Bytes *content);
void bytes_clear(Bytes *);                           /* keeps the memory */
void bytes_free(Bytes *);

typedef struct Random { uint64_t state[4]; } Random; /* xoshiro256** */

void random_seed(Random *, uint64_t seed);
uint64_t random_next(Random *);
uint32_t random_below(Random *, uint32_t n);         /* 0 if n is 0 */

#endif
