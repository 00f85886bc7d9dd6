/* Where the parts of an instance's region lie: the same for all instances of a module that were
 * made with the same limits; and regions whose contents come from an image. */
#ifndef FNVM_VM_REGION_H
#define FNVM_VM_REGION_H

#include "vm/image/format.h"
#include "vm/instance.h"

/* Displacements from the Instance, in bytes, so that compiled code needs no pointers. */
typedef struct RegionOffsets {
    uint32_t memories;         /* MemoryRef[module->nmemories] */
    uint32_t tables;           /* TableRef[module->ntables] */
    uint32_t imported_globals; /* GlobalRef[] */
    uint32_t imported_funcs;   /* FuncRef[] */
    uint32_t tags;             /* TagRef[] */
    uint32_t globals;          /* own ones: two slots each */
    uint32_t memory_states;    /* MemoryState of own memories */
    uint32_t table_states;     /* TableState of own tables */
} RegionOffsets;

void region_offsets(const Module *, RegionOffsets *out);

/* What a region is laid out by besides its module. */
typedef struct RegionLimits {
    uint64_t max_memory_bytes, max_table_elements, max_stack_bytes;
} RegionLimits;
RegionLimits region_limits(const fnvm_config *);
/* Those of all regions of a store: its engine's, or those of the image it was restored from. */
RegionLimits store_region_limits(const Store *);

/* Reserves and lays out the region of `m`; all sizes checked, nothing initialised but sizes and
 * the references to own memories, tables and tags.  The instance retains the module. */
fnvm_error *region_create(Store *, Module *m, const RegionLimits *, Instance **out);
void region_destroy(Instance *); /* releases the module and the linker state too */

/* Makes the instance's poll page readable, or not: then compiled code stops at its next poll.
 * False if the system has no room for one mapping more. */
bool region_set_polls(const Instance *, bool readable);

static inline uint8_t *region_base(const Instance *inst)
{
    return (uint8_t *)(uintptr_t)inst - IMAGE_PAGE;
}

/* ---- Regions and images ---- */

/* The parts of a region that a guest can change, as ranges of whole pages from the region's start,
 * ascending: context and all behind it to the end of the stack (without what of tables was not made
 * writable), then memories as far as they have grown. */
typedef struct RegionRange RegionRange;
struct RegionRange { uint64_t at, size; };
uint32_t region_nranges(const Instance *);
void region_ranges(const Instance *, RegionRange *out);

/* What a region starts from: pages of a file, zero where there are none, with the sizes that its
 * memories and tables have there.  `map` is the same file in memory, for copying back. */
typedef struct RegionSource {
    int fd;
    const uint8_t *map;
    const ImageStretch *stretches; uint32_t nstretches;
    const ImageMemory *memories;  /* of own ones */
    const ImageTable *tables;
    uint64_t region_size;         /* as it was when the image was written: FNVM_E_INVALID if the
                                   * layout has become another */
} RegionSource;

/* region_create with contents: the stretches are mapped copy-on-write (I1).  Nothing of them is
 * read or written.  FNVM_E_MALFORMED for stretches outside of what a guest can change, and sizes
 * above the maximum; the rest of the source was checked.  FNVM_E_UNSUPPORTED where the system's
 * pages are not IMAGE_PAGE bytes. */
fnvm_error *region_map(Store *, Module *m, const RegionLimits *, const RegionSource *,
                       Instance **out);

/* Makes the region's contents, and the writable sizes of memories and tables, what the source says,
 * as if it had been mapped anew: copies back pages that were written, or drops all where these are
 * many (TUNE_RESET_KEEP_BYTES).  Pages swapped out count as written.  `quiet`: nobody has had a page
 * fault on the region since it was reset last, so only pages can have been written that were found
 * then, and the kernel is not asked.  No mapping changes unless a memory or table has grown.  `pagemap` is pagemap_open's; where the kernel cannot be asked which
 * pages were written, all are dropped.  False: the system refused; the region is not to be used
 * again. */
bool region_reset(Instance *, const RegionSource *, int pagemap, bool quiet);

/* What the context says of an own memory or table that is as its type begins it. */
MemoryState region_memory_state(const Module *, const RegionLimits *, uint32_t memory);
TableState region_table_state(const Module *, const RegionLimits *, uint32_t table);

uint32_t region_stack_size(const RegionLimits *); /* bytes, as in Stack.size */

#endif
