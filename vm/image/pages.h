/* From the memory of a region to the pages of a file: which pages have something in them, and how
 * they are grouped into stretches. */
#ifndef FNVM_VM_IMAGE_PAGES_H
#define FNVM_VM_IMAGE_PAGES_H

#include "vm/image/file.h"
#include "vm/region.h"

typedef struct PageSource {
    const uint8_t *region;    /* its start */
    RegionRange range;
    const ImageStretch *stretches; /* of the file that the region is mapped from, if any: pages in */
    uint32_t nstretches;           /* them may have contents although the process has not touched them */
    uint64_t skip_from, skip_to; /* from the region's start: as if zero, and not looked at */
    bool extend;              /* the stretches may go on to the ends of the range */
    /* Changes a copy of the region's [at, at + size) on its way to the file; called with ascending
     * places. */
    void (*patch)(void *env, uint8_t *bytes, uint64_t at, uint64_t size);
    void *env;
} PageSource;

/* Appends the stretches of a range, and their pages; says which they are. */
fnvm_error *pages_write(ImageWriter *, const PageSource *, uint64_t *first, uint32_t *n);

#endif
