/* The buffer that code is assembled in: kept from function to function. */
#include "jit/x86_64/assembler.h"

#include <stdlib.h>

enum {
    FIRST_BYTES = 16 * 1024, /* a module with compiled code keeps it */
    /* A body has 7.6 MB at most; what expands beyond this is left to the interpreter. */
    LIMIT_BYTES = 1 << 28
};

bool asm_start(Assembler *a)
{
    if (!a->bytes) {
        a->bytes = malloc(FIRST_BYTES);
        if (!a->bytes) return false;
        a->end = a->bytes + FIRST_BYTES;
    }
    a->at = a->bytes;
    a->failed = false;
    return true;
}

void asm_free(Assembler *a) { free(a->bytes); }

/* When there is no room to be had, what was emitted is overwritten: it is void. */
void asm_grow(Assembler *a, size_t bytes)
{
    size_t used = (size_t)(a->at - a->bytes), size = (size_t)(a->end - a->bytes);
    size_t wanted = size * 2 > used + bytes ? size * 2 : used + bytes;
    uint8_t *bigger = wanted <= LIMIT_BYTES ? realloc(a->bytes, wanted) : NULL;
    if (!bigger) {
        a->failed = true;
        a->at = a->bytes;
        return;
    }
    a->bytes = bigger;
    a->at = bigger + used;
    a->end = bigger + wanted;
}
