/* The instruction table made concrete.
 *
 * Everything here is built by the compiler from instructions.def: the rows, one lookup array per
 * opcode page, and one fingerprint byte per keyword.  A keyword is found by a memchr over the
 * fingerprints, which leaves three or four rows to compare, so no index is ever built at run time
 * and a new instruction stays one row of the table. */
#include "loader/instruction.h"

#include <string.h>

#include "fnvm.h"

#define INSTR(page, code, ident, text, imm, sig, align, feature) \
    [op_##ident] = {text, #sig, FNVM_FEATURE_##feature, code, PAGE_##page, IMM_##imm, align},
const Instr instructions[OP_COUNT] = {
#include "loader/instructions.def"
};

/* One array serves all pages: a page's codes start at its base.  Entries hold op + 1, so that the
 * holes, which the compiler fills with zero, mean "no such instruction". */
enum {
    BASE_CODES = 256,
    BASE_START = 0,
    GC_START = BASE_START + BASE_CODES,
    MISC_START = GC_START + GC_CODES,
    SIMD_START = MISC_START + MISC_CODES,
    ALL_CODES = SIMD_START + SIMD_CODES
};

#define INSTR(page, code, ident, text, imm, sig, align, feature) \
    [page##_START + (code)] = op_##ident + 1,
const uint16_t instruction_ops[ALL_CODES] = {
#include "loader/instructions.def"
};

#define INSTR(page, code, ident, text, imm, sig, align, feature) \
    _Static_assert((code) < page##_CODES, "code of " text " is outside its page");
#include "loader/instructions.def"

Op instruction_decode(uint8_t page, uint32_t code)
{
    size_t start, codes;
    switch (page) {
    case PAGE_BASE: start = BASE_START, codes = BASE_CODES; break;
    case PAGE_GC: start = GC_START, codes = GC_CODES; break;
    case PAGE_MISC: start = MISC_START, codes = MISC_CODES; break;
    case PAGE_SIMD: start = SIMD_START, codes = SIMD_CODES; break;
    default: return OP_NONE;
    }
    if (code >= codes || instruction_ops[start + code] == 0) return OP_NONE;
    return (Op)(instruction_ops[start + code] - 1);
}

const char *instruction_elsewhere(uint8_t code)
{
    switch (code) {
    case 0x06: /* try */
    case 0x07: /* catch */
    case 0x09: /* rethrow */
    case 0x18: /* delegate */
    case 0x19: /* catch_all */
        return ": it is of the legacy exceptions, which are not supported; compile for those of 3.0, "
               "or without exceptions";
    case 0xFE:
        return ": atomic instructions are for threads, which are not supported; compile without them";
    default: return "";
    }
}

/* Five features of a keyword, weighted so that the keywords spread over the byte's values (the
 * weights come from a random search; any would be correct). */
#define FINGERPRINT(text, n)                                                              \
    ((uint8_t)((n)*51u + (uint8_t)(text)[(n) / 2] * 174u + (uint8_t)(text)[(n)-1] * 96u + \
               (uint8_t)(text)[(n) / 3] * 87u + (uint8_t)(text)[3 * (n) / 4] * 151u))

#define INSTR(page, code, ident, text, imm, sig, align, feature) \
    [op_##ident] = FINGERPRINT(text, sizeof(text) - 1),
static const uint8_t fingerprints[OP_COUNT] = {
#include "loader/instructions.def"
};

Op instruction_by_text(const char *text, size_t len)
{
    if (len == 0) return OP_NONE;
    uint8_t wanted = FINGERPRINT(text, len);
    for (size_t op = 0; op < OP_COUNT; op++) {
        const uint8_t *hit = memchr(fingerprints + op, wanted, OP_COUNT - op);
        if (hit == NULL) return OP_NONE;
        op = (size_t)(hit - fingerprints);
        const char *keyword = instructions[op].text;
        if (strlen(keyword) == len && memcmp(keyword, text, len) == 0) return (Op)op;
    }
    return OP_NONE;
}
