/* The word that somebody meant: for "did you mean". */
#ifndef FNVM_VM_NEAREST_H
#define FNVM_VM_NEAREST_H

#include <stddef.h>

/* The candidate that `word` is most likely a misspelling of, or NULL.  `next` yields candidates
 * until it returns NULL. */
const char *closest_word(const char *word, const char *(*next)(const void *table, size_t i),
                         const void *table);

#endif
