/* Quantities as people write them, in options and in YAML, and as they are written back. */
#ifndef FNVM_VM_QUANTITY_H
#define FNVM_VM_QUANTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decimal number that fits, and what follows it. */
bool parse_decimal(const char *text, uint64_t *number, const char **rest);
/* "64k", "10M", "2GiB": bytes.  "2s", "100ms", "3": nanoseconds.  False: not such a text. */
bool parse_size(const char *text, uint64_t *bytes);
bool parse_duration(const char *text, uint64_t *ns);

/* The shortest spelling that reads back as the same: "64MiB", "100ms". */
enum { QUANTITY_TEXT = 32 };
void spell_size(uint64_t bytes, char text[QUANTITY_TEXT]);
void spell_duration(uint64_t ns, char text[QUANTITY_TEXT]);

#endif
