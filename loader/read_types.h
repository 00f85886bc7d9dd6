/* Value and heap types from the binary format (standard, 5.3), as types of a module: indices
 * become canonical ids.  Used by the decoder for sections and by the verifier for code. */
#ifndef FNVM_LOADER_READ_TYPES_H
#define FNVM_LOADER_READ_TYPES_H

#include "loader/module.h"
#include "loader/reader.h"

/* `group` is how many types from m->ntypes on are being defined: they are read as HEAP_REC +
 * member; 0 where none are.  Unknown type indices are FNVM_E_INVALID.  After a failure the result
 * is any type. */
HeapType read_heaptype(Reader *, const Module *m, uint32_t group);
ValType read_valtype(Reader *, const Module *m, uint32_t group);
ValType read_reftype(Reader *, const Module *m, uint32_t group);

/* A type index as a heap type: a canonical id, or HEAP_REC + member. */
HeapType read_type_index(Reader *, const Module *m, uint32_t group);

#endif
