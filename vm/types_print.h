/* Spelling of types in the text format's words, with defined types named as the reader knows them:
 * by a module's type index where there is a module, by canonical id otherwise. */
#ifndef FNVM_VM_TYPES_PRINT_H
#define FNVM_VM_TYPES_PRINT_H

#include "vm/types.h"

/* Where ids are first among a module's types: an open hash of index + 1, 0 where it is empty.  A
 * type may name a thousand others, and a module may have a million, so nobody searches. */
typedef struct TypeIndices { const TypeId *types; uint32_t mask, slots[]; } TypeIndices;

/* Of `n` types, which outlive it; to be freed.  NULL: out of memory. */
TypeIndices *type_indices_new(const TypeId *types, uint32_t n);

/* Text that is cut to `size`, with its closing NUL; `len` counts on, like snprintf. */
typedef struct TypePrinter {
    const TypeRegistry *registry;
    const TypeIndices *indices; /* a module's types: print their index; NULL: print the id */
    char *text;
    size_t size, len;
} TypePrinter;

void printer_text(TypePrinter *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void printer_valtype(TypePrinter *, ValType);
void printer_func(TypePrinter *, TypeId); /* "(param i32) (result i64)"; nothing if neither */

#endif
