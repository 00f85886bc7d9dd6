/* The text format of WebAssembly 3.0 (standard, chapter 6) to the binary format.
 *
 * fnvm_wat_to_wasm() of fnvm.h takes a whole file; this is the same for a module that lies
 * somewhere in a larger text, and for one whose text is quoted in strings. */
#ifndef FNVM_LOADER_TEXT_WAT_H
#define FNVM_LOADER_TEXT_WAT_H

#include "loader/text/lexer.h"

typedef struct WatInput {
    const char *text;
    size_t len;
    uint32_t line, column; /* of the text's first byte in its file, both from 1 */
    Stop stop;             /* FNVM_E_LIMIT once a flag of it is set */
} WatInput;

/* On success *bytes is freed with free().  Errors: FNVM_E_MALFORMED with "line:column: ...",
 * FNVM_E_INVALID for an annotation that is well-formed but means nothing where it stands, and
 * FNVM_E_MEMORY, FNVM_E_LIMIT. */
fnvm_error *wat_to_wasm(WatInput, uint8_t **bytes, size_t *len);

#endif
