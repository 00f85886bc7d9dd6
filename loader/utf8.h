/* UTF-8 as the standard's names must be written (5.2.4): no overlong forms, no surrogates, nothing
 * above U+10FFFF. */
#ifndef FNVM_LOADER_UTF8_H
#define FNVM_LOADER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes from the start are well-formed: `len` if all are. */
size_t utf8_valid_prefix(const uint8_t *bytes, size_t len);

#endif
