/* Skipping over code without understanding it: for constant expressions, whose end must be found
 * before they are checked, and for anything that walks code in order. */
#ifndef FNVM_LOADER_SKIP_H
#define FNVM_LOADER_SKIP_H

#include "loader/instruction.h"
#include "loader/reader.h"

/* Reads one instruction with its immediates; *op is what it was.  False at a failure, which the
 * reader holds.  Checks the grammar only: indices, types and features are whatever they are. */
bool reader_skip_instruction(Reader *, Op *op);

/* Skips an expression with its final `end`.  Calls `seen` (may be NULL) for each instruction, with
 * the offset of its first immediate. */
bool reader_skip_expression(Reader *, void (*seen)(void *env, Op op, uint32_t immediate),
                            void *env);

/* Recognises `i32.const n end` in the bytes [start, limit) and nothing else, without checks left to
 * do: the offsets of a program's data segments, tens of thousands of them in large ones.  Returns
 * the offset after `end`, or 0 if the expression is another one (or a padded one), which then takes
 * the long way. */
static inline uint32_t literal_i32(const uint8_t *bytes, uint32_t start, uint32_t limit,
                                   uint32_t *value)
{
    enum { I32_CONST = 0x41, END = 0x0B, MAX_BYTES = 6 }; /* of four bytes no bit is stray */
    if (limit - start < MAX_BYTES || bytes[start] != I32_CONST) return 0;
    const uint8_t *at = bytes + start + 1;
    uint32_t bits = 0;
    unsigned shift = 0;
    while (*at & 0x80 && shift < 21) {
        bits |= (uint32_t)(*at++ & 0x7F) << shift;
        shift += 7;
    }
    if (*at & 0x80 || at[1] != END) return 0;
    bits |= (uint32_t)*at << shift;
    if (*at & 0x40) bits |= UINT32_MAX << (shift + 7);
    *value = bits;
    return (uint32_t)(at + 2 - bytes);
}

#endif
