/* Whether bytes are one JSON object (RFC 8259), as whoever takes a line of log may rely on. */
#ifndef FNVM_STDLIB_LOG_FIELDS_H
#define FNVM_STDLIB_LOG_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

/* UTF-8, nested at most `depth` deep.  Takes time in proportion to `len`. */
bool log_fields_valid(const char *bytes, size_t len, unsigned depth);

#endif
