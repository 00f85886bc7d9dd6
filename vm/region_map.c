/* A region whose contents come from a file: the same reservation as for a new one, with the file's
 * pages mapped over what a guest can change.  No page is read or written but the host part's, so
 * what it costs does not depend on how much there is.
 *
 * One process may have ten thousand such regions, and Linux allows it 65,530 mappings.  A region
 * with one memory and tables that do not grow has six: host part, context to value stack (the
 * file's), rest of the stack, guard, memory (the file's), and what memory may grow into. */
#include <inttypes.h>
#include <sys/mman.h>

#include "vm/region_layout.h"

static fnvm_error *bad_stretch(const ImageStretch *s)
{
    return fnvm_error_new(FNVM_E_MALFORMED, "%" PRIu64 " bytes of pages at %" PRIu64 " in an "
                          "instance: that is not what it can write", s->size, s->at);
}

fnvm_error *region_map_stretches(uint8_t *base, const RegionSource *source, size_t context,
                                 size_t from, size_t to, uint32_t *next)
{
    if (from < context) from = context;
    for (; *next < source->nstretches; ++*next) {
        const ImageStretch *s = &source->stretches[*next];
        if (s->at >= to) return NULL;
        if (s->at < from || s->size > to - s->at || s->size == 0 || s->offset > INT64_MAX ||
            (s->at | s->size | s->offset) % IMAGE_PAGE != 0)
            return bad_stretch(s);
        if (mmap(base + s->at, s->size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, source->fd, (off_t)s->offset) ==
            MAP_FAILED)
            return region_no_memory();
        from = (size_t)(s->at + s->size);
    }
    return NULL;
}

fnvm_error *region_map(Store *store, Module *m, const RegionLimits *limits,
                       const RegionSource *source, Instance **out)
{
    if (os_page() != IMAGE_PAGE) {
        return fnvm_error_new(FNVM_E_UNSUPPORTED, "images need pages of %d bytes, this system has "
                              "%zu", IMAGE_PAGE, os_page());
    }
    return region_reserve(store, m, limits, source, out);
}
