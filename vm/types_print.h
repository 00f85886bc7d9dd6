/* Spelling of types in the text format's words, with defined types named as the reader knows them:
 * by a module's type index where there is a module, by canonical id otherwise. */
#ifndef FNVM_VM_TYPES_PRINT_H
#define FNVM_VM_TYPES_PRINT_H

#include "vm/types.h"

/* Text that is cut to `size`, with its closing NUL; `len` counts on, like snprintf. */
typedef struct TypePrinter {
    const TypeRegistry *registry;
    const TypeId *indices; /* a module's types: print their index; NULL: print the id */
    uint32_t nindices;
    char *text;
    size_t size, len;
} TypePrinter;

void printer_text(TypePrinter *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void printer_valtype(TypePrinter *, ValType);
void printer_func(TypePrinter *, TypeId); /* "(param i32) (result i64)"; nothing if neither */

#endif
