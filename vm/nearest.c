/* Edit distance, with bounded words: what is longer than any word of ours is no misspelling of one. */
#include "vm/nearest.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { WORD_MAX = 40 };

static char folded(char c) { return c == '_' ? '-' : (char)(c >= 'A' && c <= 'Z' ? c + 32 : c); }

/* Edits (insert, delete, replace, swap neighbours) between two short words; '_' is '-'. */
static size_t word_distance(const char *a, const char *b)
{
    size_t m = strlen(a), n = strlen(b);
    if (m > WORD_MAX || n > WORD_MAX) return SIZE_MAX;
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= n; j++) before[j] = last[j] = j;
    for (size_t i = 1; i <= m; i++) {
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = last[j - 1] + (folded(a[i - 1]) != folded(b[j - 1]));
            if (last[j] + 1 < best) best = last[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < best) best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *oldest = before;
        before = last, last = row, row = oldest;
    }
    return last[n];
}

const char *closest_word(const char *word, const char *(*next)(const void *table, size_t i),
                         const void *table)
{
    size_t limit = strlen(word) / 3 + 1, best = limit + 1;
    const char *found = NULL;
    for (size_t i = 0; next(table, i); i++) {
        const char *candidate = next(table, i);
        size_t distance = word_distance(word, candidate), typed = strlen(word);
        if (typed > 2 && strncmp(word, candidate, typed) == 0) distance = 1; /* cut short */
        if (distance < best) best = distance, found = candidate;
    }
    return found;
}
