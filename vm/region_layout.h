/* The layout of regions, for the files that make, map and reset them.  Everybody else sees
 * vm/region.h. */
#ifndef FNVM_VM_REGION_LAYOUT_H
#define FNVM_VM_REGION_LAYOUT_H

#include "vm/region.h"

/* Offsets from the start of the region, in bytes. */
typedef struct Layout {
    size_t instance;
    size_t memory_refs, table_refs, imported_globals, imported_funcs, tags, elem_values;
    size_t context, globals, elem_refs, memory_states, table_states, dropped;
    size_t tables, stack, stack_size, memories;
    size_t end;
    size_t nelem_refs;
    bool overflow;
} Layout;

/* FNVM_E_LIMIT if the module's own minimums are above the limits, or there are not enough
 * addresses. */
fnvm_error *layout_make(const Module *, const RegionLimits *, Layout *out);

/* Where an own table or memory lies; asked for in the order of their indices, with `end` the
 * Layout's `tables` or `memories` at first. */
size_t layout_table(const Module *, const RegionLimits *, uint32_t i, size_t *end);
size_t layout_memory(const Module *, const RegionLimits *, uint32_t i, size_t *end);

/* Fills in elem_values: where in elem_refs the items of each segment are. */
void layout_elem_values(const Module *, Instance *);

/* Bytes of a table that are writable when it has `size` elements. */
size_t table_committed(uint64_t size, uint64_t max_size);

size_t os_page(void);
static inline size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

/* Reserves a region, makes it writable where it is at first, maps what the source (may be NULL) has
 * of it, and fills in the host part.  The context is as the source has it, or zero. */
fnvm_error *region_reserve(Store *, Module *, const RegionLimits *, const RegionSource *,
                           Instance **out);

/* Maps the source's stretches from `*next` on that lie in the writable range [from, to), of which
 * the guest's part begins at `context`. */
fnvm_error *region_map_stretches(uint8_t *base, const RegionSource *, size_t context, size_t from,
                                 size_t to, uint32_t *next);

/* Calls `fn` for each of region_ranges, until it says false; false then. */
bool region_each_range(const Instance *, bool (*fn)(void *env, RegionRange), void *env);

/* For system calls that fail with ENOMEM. */
fnvm_error *region_no_memory(void);

#endif
