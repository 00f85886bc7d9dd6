/* Values at the edges of the number types: what arguments and constants are drawn from. */
#ifndef FNVM_GENERATE_VALUES_H
#define FNVM_GENERATE_VALUES_H

#include "fnvm.h"

typedef union Bits { uint8_t bytes[16]; uint32_t i32; uint64_t i64; uint64_t halves[2]; } Bits;

/* The values of a kind are numbered from 0; FNVM_REF has none. */
size_t edge_count(fnvm_kind);
Bits edge_value(fnvm_kind, size_t i);

#endif
