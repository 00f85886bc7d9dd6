/* From an image to instances: regions mapped, links taken from the parts, objects made again.
 *
 * What an image holds was checked when it was installed or opened (check.c), so nothing is checked
 * here again: restoring costs a few system calls per instance, and what objects there are. */
#include "vm/image/restore.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "jit/enter.h"
#include "vm/coredump.h"
#include "vm/heap.h"
#include "vm/limits.h"
#include "vm/image/hosts.h"
#include "vm/image/objects.h"

/* ---- Instances ---- */

static const ImageInstance *instance_entry(const Image *image, uint32_t id)
{
    return (const ImageInstance *)image_part(image, IMAGE_INSTANCES) + (id - 1);
}

RegionSource restore_source(const Image *image, uint32_t id)
{
    const ImageInstance *e = instance_entry(image, id);
    return (RegionSource){
        .fd = image->file.fd,
        .map = image->file.map,
        .stretches = (const ImageStretch *)image_part(image, IMAGE_STRETCHES) + e->first_stretch,
        .nstretches = e->nstretches,
        .memories = (const ImageMemory *)image_part(image, IMAGE_MEMORIES) + e->first_memory,
        .tables = (const ImageTable *)image_part(image, IMAGE_TABLES) + e->first_table,
        .region_size = e->region_size};
}

fnvm_extern restore_link(const Image *image, const Store *s, const ImageInstance *e, uint32_t i,
                         fnvm_externkind kind)
{
    const ImageLink *link = (const ImageLink *)image_part(image, IMAGE_LINKS) + e->first_link + i;
    return (fnvm_extern){kind, {(uintptr_t)s->instances[link->instance], link->index}};
}

/* Also after a reset: functions that were linked since are to be linked again. */
static void restore_funcs(const Image *image, const ImageInstance *e, Instance *inst)
{
    const uint64_t *funcs = (const uint64_t *)image_part(image, IMAGE_FUNCS) + e->first_func;
    memcpy(inst->imported_funcs, funcs, inst->module->n_imported_funcs * sizeof *funcs);
}

/* The region, in the store; `inst->id` is the next one. */
fnvm_error *restore_region(Image *image, Store *s, uint32_t id, Instance **out)
{
    const ImageInstance *e = instance_entry(image, id);
    const RegionSource source = restore_source(image, id);
    Module *m = image->modules[e->module];
    fnvm_error *error = jit_module_open(m);
    if (!error) error = region_map(s, m, &image->limits, &source, out);
    if (error) return error;
    error = store_add_instance(s, *out);
    if (error) region_destroy(*out);
    return error;
}

static fnvm_error *restore_instance(Image *image, fnvm_linker *l, uint32_t id)
{
    Store *s = linker_store(l);
    Instance *inst;
    fnvm_error *error = restore_region(image, s, id, &inst);
    if (error) return error;
    const ImageInstance *e = instance_entry(image, id);
    const Module *m = inst->module;
    for (uint32_t i = 0, link = 0; i < m->nimports; i++) {
        if (m->imports[i].kind == FNVM_EXTERN_FUNC) continue;
        fnvm_externkind kind = (fnvm_externkind)m->imports[i].kind;
        instance_link(inst, &m->imports[i], restore_link(image, s, e, link++, kind));
    }
    restore_funcs(image, e, inst);
    instance_finish_links(inst);
    inst->elem_refs_ready = (e->flags & IMAGE_ELEM_REFS_READY) != 0;
    inst->failed = (e->flags & IMAGE_FAILED) != 0;
    if (e->flags & IMAGE_LATER_LINKS) inst->linker_state = linker_state(l);
    jit_link_instance(inst);
    return NULL;
}

static fnvm_error *restore_providers(const Image *image, fnvm_linker *l)
{
    const ImageProvider *p = image_part(image, IMAGE_PROVIDERS);
    const char *strings = image_part(image, IMAGE_STRINGS);
    fnvm_error *error = NULL;
    for (uint64_t i = 0; i < image_count(image, IMAGE_PROVIDERS) && !error; i++)
        error = linker_set_provider(l, strings + p[i].name.start, p[i].name.len,
                                    linker_store(l)->instances[p[i].instance]);
    return error;
}

/* What is the store's own and not in a region. */
static fnvm_error *restore_store(const Image *image, Store *s)
{
    const ImageHead *h = image->file.head;
    if (h->counts_fuel && image->engine->config.fuel) fnvm_store_set_fuel(s, h->fuel);
    s->resumable = h->call.owner != 0;
    s->generation = 1;
    const uint64_t size = image_count(image, IMAGE_OBJECTS);
    return size ? objects_thaw(s, image_part(image, IMAGE_OBJECTS), size) : NULL;
}

fnvm_error *image_restore(Image *image, fnvm_linker *l, Instance **main)
{
    Store *s = linker_store(l);
    if (s->engine != image->engine)
        return fnvm_error_new(FNVM_E_USAGE, "the image and the store are of different engines");
    if (s->ninstances > 1 || s->image)
        return fnvm_error_new(FNVM_E_USAGE, "an image is restored into a new store, in which "
                              "nothing has been instantiated");
    const uint32_t most = image->engine->config.max_instances;
    if (image_count(image, IMAGE_INSTANCES) > most) {
        char limit[LIMIT_TEXT];
        limit_print(image->engine, CONFIG_INSTANCES, most, limit, sizeof limit);
        return fnvm_error_new(FNVM_E_LIMIT, "the image has %" PRIu64 " instances, and one store "
                              "must not have more than %s", image_count(image, IMAGE_INSTANCES),
                              limit);
    }
    fnvm_error *error = gate_image_again(&image->gate, image->engine);
    if (!error) error = hosts_restore(image, l, false);
    if (error) return error;
    s->image = fnvm_image_retain(image);
    for (uint32_t id = 1; id <= image_count(image, IMAGE_INSTANCES) && !error; id++)
        error = restore_instance(image, l, id);
    if (!error) error = restore_providers(image, l);
    if (!error) error = restore_store(image, s);
    if (!error) *main = s->instances[image->file.head->main];
    s->fuel_restored = s->fuel;
    return error;
}

/* ---- Reset ---- */

/* Page faults of this thread so far.  No page of a region becomes its own without one, whether the
 * guest or a system call writes to it. */
static CleanMark mark_clean(void)
{
    struct rusage r;
    if (getrusage(RUSAGE_THREAD, &r) != 0) return (CleanMark){0};
    return (CleanMark){pthread_self(), (uint64_t)r.ru_minflt + (uint64_t)r.ru_majflt, true};
}

static bool has_been_quiet(const Store *s, const CleanMark *now)
{
    const CleanMark *then = &s->clean;
    return then->valid && now->valid && !s->memory_exposed &&
           pthread_equal(then->thread, now->thread) && then->faults == now->faults;
}

/* What the host keeps on behalf of the guest.  Interrupts change mappings, so nothing is done about
 * one that is not there. */
static void forget_run(Store *s)
{
    if (atomic_load(&s->interrupt)) fnvm_store_clear_interrupt(s);
    fnvm_store_drop_refs(s);
    coredump_forget(s);
    s->exception = 0;
    s->entry = 0;
    s->host_call = (HostCall){0};
    s->waiting = (Waiting){0}; /* its stack is in a region */
    memset(s->cpu.ints, 0, sizeof s->cpu.ints);
    memset(s->cpu.floats, 0, sizeof s->cpu.floats);
    s->cpu.exception = 0;
    s->cpu.top = 0; /* it may have waited in compiled code */
    s->constant_slots = 0;
    s->fuel = s->fuel_restored;
    heap_store_free(s);
}

static fnvm_error *reset_instance(Image *image, Instance *inst, int pagemap, bool quiet)
{
    const ImageInstance *e = instance_entry(image, inst->id);
    const RegionSource source = restore_source(image, inst->id);
    inst->cursor = (ElemCursor){0};
    inst->elem_refs_ready = (e->flags & IMAGE_ELEM_REFS_READY) != 0;
    if (e->flags & IMAGE_LATER_LINKS) restore_funcs(image, e, inst);
    if (region_reset(inst, &source, pagemap, quiet)) return NULL;
    return fnvm_error_new(FNVM_E_IO, "the system refused to give pages of an instance back");
}

fnvm_error *store_check_reset(const Store *s)
{
    if (!s->image)
        return fnvm_error_new(FNVM_E_USAGE, "only a store that was restored from an image can be "
                              "reset");
    if (s->host_depth)
        return fnvm_error_new(FNVM_E_USAGE, "a store cannot be reset while its guest runs");
    return NULL;
}

fnvm_error *store_reset(Store *s)
{
    Image *image = s->image;
    fnvm_error *error = gate_image_again(&image->gate, image->engine);
    if (error) return error;
    const uint64_t n = image_count(image, IMAGE_INSTANCES);
    if (s->ninstances != n + 1)
        return fnvm_error_new(FNVM_E_UNSUPPORTED, "modules were instantiated since the image was "
                              "restored: free the store and restore again");
    const int pagemap = image_pagemap(image);
    const CleanMark now = pagemap >= 0 && s->clean.valid ? mark_clean() : (CleanMark){0};
    const bool quiet = has_been_quiet(s, &now); /* a fork counts its faults anew */
    s->clean.valid = false;
    forget_run(s);
    for (uint32_t id = 1; id <= n && !error; id++)
        error = reset_instance(image, s->instances[id], pagemap, quiet);
    if (error) return error;
    /* Before objects are written into regions: that may fault, too.  A quiet reset writes to pages
     * that are there; should it fault all the same, the next one is not quiet. */
    s->clean = quiet ? now : mark_clean();
    return restore_store(image, s);
}
