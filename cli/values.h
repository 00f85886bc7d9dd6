/* Typed values as the command line spells them. */
#ifndef FNVM_CLI_VALUES_H
#define FNVM_CLI_VALUES_H

#include "fnvm.h"

/* Integers in decimal or 0x hexadecimal, signed or unsigned, that fit the type; floats as C spells
 * them, with inf and nan.  False: `text` is no such value (vectors and references never are). */
bool value_parse(const char *text, fnvm_kind, fnvm_val *out);

/* One line without its end: the shortest text that reads back as the same value. */
void value_print(FILE *, fnvm_store *, const fnvm_val *);

const char *kind_name(fnvm_kind);

#endif
