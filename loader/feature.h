/* Proposals by name: the bits of fnvm_config.features and the words that switch them. */
#ifndef FNVM_LOADER_FEATURE_H
#define FNVM_LOADER_FEATURE_H

#include "loader/reader.h"

/* "multi-memory" of FNVM_FEATURE_MULTI_MEMORY; "mvp" of 0. */
const char *feature_name(uint32_t bit);
uint32_t feature_by_name(const char *name, size_t len); /* 0: no such feature */

/* Fails (FNVM_E_UNSUPPORTED, naming the switch) unless `features` has the bit.  If it has, the
 * use is held against the reader's policy. */
bool reader_need_feature(Reader *, uint32_t features, uint32_t bit, uint32_t offset,
                         const char *what);

#endif
