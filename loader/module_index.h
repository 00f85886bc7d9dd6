/* A decoded module's arrays as bytes, so that another process need not decode it again.
 *
 * All that module_decode finds out is offsets into the module's bytes, but for types, which have
 * the engine's numbers.  In the index they have the numbers that an engine would give them that
 * knows no others: those hold in the usual case, where the module is the first that is loaded.
 * Hashes of names are keyed with the engine's secret, so they are not in the index. */
#ifndef FNVM_LOADER_MODULE_INDEX_H
#define FNVM_LOADER_MODULE_INDEX_H

#include "loader/module.h"

/* The index of a decoded module: malloc'd, a multiple of 8 bytes, the same for the same module. */
fnvm_error *module_index_write(const Module *, uint8_t **bytes, size_t *size);

/* Makes the module what module_decode would.  It has bytes, len and engine set and all else zero;
 * the index was written of the same bytes with the same features, and whoever says so is believed:
 * only its size is checked (FNVM_E_MALFORMED).  It is aligned to 8 bytes, and used where it lies
 * until the module is freed. */
fnvm_error *module_index_read(Module *, const uint8_t *bytes, size_t size);

/* Frees the decoded arrays, but those that lie in the index. */
void module_index_free(Module *);

#endif
