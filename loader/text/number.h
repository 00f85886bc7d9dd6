/* Number literals of the text format (standard, 6.3.1 and 6.3.2). */
#ifndef FNVM_LOADER_TEXT_NUMBER_H
#define FNVM_LOADER_TEXT_NUMBER_H

#include "loader/text/lexer.h"

typedef enum NumberResult {
    NUMBER_OK,
    NUMBER_MALFORMED,
    NUMBER_RANGE /* well spelled, but outside of the type */
} NumberResult;

/* Without a sign, at most `max`. */
NumberResult number_unsigned(Str, uint64_t max, uint64_t *out);

/* An integer of 8 to 64 bits: -2^(bits-1) .. 2^bits - 1, in two's complement, upper bits zero. */
NumberResult number_integer(Str, unsigned bits, uint64_t *out);

/* A float of 32 or 64 bits as its bit pattern, rounded to nearest, ties to even. */
NumberResult number_float(Str, unsigned bits, Arena *, uint64_t *out);

#endif
