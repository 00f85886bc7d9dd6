/* Asking the kernel what the pages of a range are (PAGEMAP_SCAN, Linux 6.7). */
#ifndef FNVM_VM_IMAGE_PAGEMAP_H
#define FNVM_VM_IMAGE_PAGEMAP_H

#include <stdbool.h>
#include <stdint.h>

/* A descriptor to ask with, or -1 where the kernel cannot be asked; for one process. */
int pagemap_open(void);
void pagemap_close(int pagemap); /* below zero is fine */

typedef enum PagemapWhich {
    PAGEMAP_TOUCHED, /* in memory or swapped out, but not the shared page of zeros */
    PAGEMAP_WRITTEN  /* of these, the process's own: written since it was mapped privately */
} PagemapWhich;

/* Calls `fn` for the runs of such pages in [from, to), ascending, until it says false; false then,
 * or if the kernel refused. */
bool pagemap_each(int pagemap, uintptr_t from, uintptr_t to, PagemapWhich,
                  bool (*fn)(void *env, uintptr_t from, uintptr_t to), void *env);

#endif
