/* Making a region what it was mapped as, in time that depends on what was written only.
 *
 * The kernel's page tables know which pages those are: private ones that are neither the file's nor
 * the shared page of zeros, and those swapped out.  So they are found whoever wrote them, guest or
 * system call, and nothing has to be set up before.  They are copied back from the file and stay:
 * the next run writes them without a fault, and the next reset finds them again, written or not.
 * Dropping a page takes longer than copying it, and costs a fault later besides.  Only where a run
 * has written so much that an idle instance should not keep it, all pages are dropped.
 *
 * The kernel looks at every page that is there, which takes longer than the copying.  But a page
 * becomes the instance's own by a fault only: after a run without one, what was found the last time
 * is all there is. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vm/image/pagemap.h"
#include "vm/region_layout.h"
#include "vm/tunables.h"

/* ---- Sizes ---- */

/* What is dropped first is zero again should it ever be made writable. */
static bool take_away(uint8_t *at, size_t from, size_t to)
{
    return from >= to || (madvise(at + from, to - from, MADV_DONTNEED) == 0 &&
                          mprotect(at + from, to - from, PROT_NONE) == 0);
}

/* Takes away what memories and tables have grown by.  Their sizes are in the context still, which
 * is a page like others. */
static bool shrink(const Instance *inst, const RegionSource *source)
{
    const Module *m = inst->module;
    bool ok = true;
    for (uint32_t i = m->n_imported_tables; i < m->ntables && ok; i++) {
        const TableState *s = inst->tables[i].state;
        const uint64_t size = source->tables[i - m->n_imported_tables].size;
        if (s->size == size) continue;
        ok = take_away((uint8_t *)inst->tables[i].elems, table_committed(size, s->max_size),
                       table_committed(s->size, s->max_size));
    }
    for (uint32_t i = m->n_imported_memories; i < m->nmemories && ok; i++) {
        const MemoryState *s = inst->memories[i].state;
        const uint64_t size = source->memories[i - m->n_imported_memories].size;
        ok = take_away(inst->memories[i].base, round_up((size_t)size, IMAGE_PAGE),
                       round_up((size_t)s->size, IMAGE_PAGE));
    }
    return ok;
}

/* ---- Pages ---- */

typedef struct CopyBack {
    Instance *inst;
    uint8_t *region;
    const RegionSource *source;
    uint32_t next;            /* the first stretch that may reach to where we are */
    uint64_t bytes;           /* so far */
} CopyBack;

/* Copies [at, end) from the file, and zeros where that has nothing. */
static void copy_range(CopyBack *c, uint64_t at, uint64_t end)
{
    const RegionSource *source = c->source;
    while (at < end) {
        const ImageStretch *s = source->stretches + c->next;
        if (c->next < source->nstretches && s->at + s->size <= at) {
            c->next++;
            continue;
        }
        uint64_t to = end;
        if (c->next < source->nstretches && s->at <= at) {
            if (s->at + s->size < to) to = s->at + s->size;
            memcpy(c->region + at, source->map + s->offset + (at - s->at), (size_t)(to - at));
        } else {
            if (c->next < source->nstretches && s->at < to) to = s->at;
            memset(c->region + at, 0, (size_t)(to - at));
        }
        at = to;
    }
}

/* Without memory for the list, the kernel is asked each time. */
static void note_written(Instance *inst, RegionRange range)
{
    if (inst->nwritten == inst->written_cap) {
        uint32_t cap = inst->written_cap ? 2 * inst->written_cap : 16;
        RegionRange *bigger = realloc(inst->written, cap * sizeof *bigger);
        if (!bigger) {
            inst->written_known = false;
            return;
        }
        inst->written = bigger;
        inst->written_cap = cap;
    }
    inst->written[inst->nwritten++] = range;
}

static bool copy_run(void *env, uintptr_t from, uintptr_t to)
{
    CopyBack *c = env;
    const uintptr_t region = (uintptr_t)c->region;
    c->bytes += to - from;
    if (c->bytes > TUNE_RESET_KEEP_BYTES) return false;
    copy_range(c, from - region, to - region);
    if (c->inst->written_known) note_written(c->inst, (RegionRange){from - region, to - from});
    return true;
}

static bool drop_range(void *env, RegionRange range)
{
    uint8_t *region = env;
    return madvise(region + range.at, (size_t)range.size, MADV_DONTNEED) == 0;
}

static bool last_end(void *env, RegionRange range)
{
    *(uint64_t *)env = range.at + range.size;
    return true;
}

/* One question for all ranges: between them nothing was ever written. */
static bool copy_back(Instance *inst, const RegionSource *source, int pagemap)
{
    CopyBack c = {.inst = inst, .region = region_base(inst), .source = source};
    uint64_t end = 0;
    region_each_range(inst, last_end, &end);
    inst->nwritten = 0;
    inst->written_known = true;
    return pagemap_each(pagemap, (uintptr_t)inst->context, (uintptr_t)c.region + end,
                        PAGEMAP_WRITTEN, copy_run, &c);
}

static void copy_known(Instance *inst, const RegionSource *source)
{
    CopyBack c = {.inst = inst, .region = region_base(inst), .source = source};
    for (uint32_t i = 0; i < inst->nwritten; i++)
        copy_range(&c, inst->written[i].at, inst->written[i].at + inst->written[i].size);
}

/* The sizes in the context change with its page, which may be at any time from the second step on;
 * whichever they are, all that may have been written lies within. */
bool region_reset(Instance *inst, const RegionSource *source, int pagemap, bool quiet)
{
    if (!shrink(inst, source)) return false;
    if (quiet && inst->written_known) {
        copy_known(inst, source);
        return true;
    }
    if (pagemap >= 0 && copy_back(inst, source, pagemap)) return true;
    inst->written_known = false;
    return region_each_range(inst, drop_range, region_base(inst));
}
