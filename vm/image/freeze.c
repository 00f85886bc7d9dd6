/* Writing a store to a file.
 *
 * First everything that could refuse: the suspended call, the objects, the names of host functions.
 * Then region by region the pages with something in them, patched on their way where they hold what
 * is no part of the state (addresses of objects, slots above the stack's top); then the parts.
 *
 * Pages are found without touching those that were never written, since that would make them exist.
 * Runs of them with small gaps between become one stretch: a mapping costs more than a hole. */
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jit/code_file.h"
#include "jit/return_points.h"
#include "loader/source.h"
#include "vm/image/hosts.h"
#include "vm/image/image.h"
#include "vm/image/objects.h"
#include "vm/image/pages.h"
#include "vm/image/restore.h"

enum { RETURNS_MOST = 1000 }; /* of a module: a stack deeper than that is a recursion */

typedef struct Freezer {
    Store *store;
    const Freeze *f;
    ImageWriter *w;
    StackCapture stack;
    ObjectsFrozen objects;
    uint64_t next_root;       /* in objects.roots: those before were patched */
    Module **modules; uint32_t nmodules;
    ImageModule *entries;     /* of the modules */
    fnvm_error *error;        /* of callbacks */
} Freezer;

/* ---- Modules ---- */

static void write_provider(void *env, const char *name, size_t len, const Instance *inst)
{
    Freezer *z = env;
    ImageProvider p = {.instance = inst->id};
    if (z->error) return;
    z->error = image_writer_text(z->w, name, len, &p.name);
    if (!z->error) z->error = image_writer_part(z->w, IMAGE_PROVIDERS, &p, 1, NULL);
}

/* A module that is a file as it stands there is found again by its path; what was text, came from
 * memory, or was made by the host goes into the image. */
static fnvm_error *module_place(Freezer *z, const Module *m, ImageModule *out)
{
    char *path = m->path && m->source == SOURCE_MAPPED ? realpath(m->path, NULL) : NULL;
    if (path) {
        fnvm_error *error = image_writer_text(z->w, path, strlen(path), &out->path);
        free(path);
        return error;
    }
    uint64_t at = 0;
    fnvm_error *error = image_writer_part(z->w, IMAGE_EMBEDDED, m->bytes, m->len, &at);
    out->embedded = at + 1;
    return error;
}

/* PATH with another ending, for module `i`: the first has no number. */
static char *code_path(const char *path, uint32_t i)
{
    size_t len = strlen(path);
    if (len > 6 && strcmp(path + len - 6, ".fnvmi") == 0) len -= 6;
    char *out = NULL;
    int n = i ? asprintf(&out, "%.*s.%u.fnvmc", (int)len, path, i)
              : asprintf(&out, "%.*s.fnvmc", (int)len, path);
    return n < 0 ? NULL : out;
}

/* ---- Code ---- */

typedef struct Returns { CodeReturn *at; uint32_t n; } Returns;

static int by_place(const void *a, const void *b)
{
    const CodeReturn *x = a, *y = b;
    if (x->func != y->func) return x->func < y->func ? -1 : 1;
    return (x->pc > y->pc) - (x->pc < y->pc);
}

/* Where the suspended frames of a module's functions go on, each place once; those that have no
 * compiled code are left out. */
static fnvm_error *find_returns(const Freezer *z, const Module *m, Returns *out)
{
    out->at = calloc(z->stack.nframes + (size_t)1, sizeof *out->at);
    if (!out->at) return error_no_memory();
    fnvm_error *error = NULL;
    for (uint32_t i = 0; i < z->stack.nframes && !error; i++) {
        const ImageFrame *f = &z->stack.frames[i];
        const Instance *inst = z->store->instances[f->instance];
        const CodeReturn want = {.func = f->func, .pc = f->pc};
        ReturnPoint point;
        bool seen = false;
        for (uint32_t k = 0; k < out->n; k++) seen |= by_place(&out->at[k], &want) == 0;
        if (inst->module != m || seen || out->n == RETURNS_MOST ||
            !return_points_find(inst, f->func, &f->pc, 1, &point, &error))
            continue;
        out->at[out->n++] = (CodeReturn){f->func, f->pc, point.native, point.slots};
    }
    qsort(out->at, out->n, sizeof *out->at, by_place);
    return error;
}

static fnvm_error *write_code(Freezer *z, uint32_t i, ImageModule *out)
{
    if (!z->f->code || out->embedded) return NULL;
    char *path = code_path(z->f->path, i);
    if (!path) return error_no_memory();
    bool written = false;
    Returns returns = {0};
    fnvm_error *error = find_returns(z, z->modules[i], &returns);
    if (!error)
        error = code_file_write(z->modules[i], &out->hash, path, returns.at, returns.n, &z->f->seal,
                                &written);
    free(returns.at);
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (!error && written) error = image_writer_text(z->w, name, strlen(name), &out->code);
    free(path);
    return error;
}

static fnvm_error *write_module(Freezer *z, uint32_t i)
{
    const Module *m = z->modules[i];
    ImageModule *out = &z->entries[i];
    *out = (ImageModule){.size = m->len, .value_type = m->host_value};
    module_measure(m, &out->hash);
    fnvm_error *error = module_place(z, m, out);
    if (!error) error = write_code(z, i, out);
    if (!error) error = image_writer_part(z->w, IMAGE_MODULES, out, 1, NULL);
    return error;
}

static uint32_t module_number(const Freezer *z, const Module *m)
{
    uint32_t i = 0;
    while (i < z->nmodules && z->modules[i] != m) i++;
    return i;
}

/* The main instance's module comes first, so that its files have the plain names. */
static fnvm_error *number_modules(Freezer *z)
{
    const Store *s = z->store;
    z->modules = calloc(s->ninstances, sizeof(Module *));
    z->entries = calloc(s->ninstances, sizeof *z->entries);
    if (!z->modules || !z->entries) return error_no_memory();
    z->modules[z->nmodules++] = s->instances[z->f->main]->module;
    for (uint32_t i = 1; i < s->ninstances; i++)
        if (module_number(z, s->instances[i]->module) == z->nmodules)
            z->modules[z->nmodules++] = s->instances[i]->module;
    return NULL;
}

static fnvm_error *write_modules(Freezer *z)
{
    fnvm_error *error = NULL;
    for (uint32_t i = 0; i < z->nmodules && !error; i++) error = write_module(z, i);
    return error;
}

/* ---- Pages ---- */

/* What is to be zero, or something else, in the pages of the instance being written. */
typedef struct PagePatches {
    Freezer *z;
    const Instance *inst;
    uint64_t stack_top, stack_end; /* from the region's start: what is between is no state */
    Stack stack;              /* the registers, as if nothing ran */
} PagePatches;

static void zero_part(uint8_t *bytes, uint64_t at, uint64_t size, uint64_t from, uint64_t to)
{
    if (from < at) from = at;
    if (to > at + size) to = at + size;
    if (from < to) memset(bytes + (from - at), 0, (size_t)(to - from));
}

/* `bytes` are a copy of the region's [at, at + size); pages come in ascending order. */
static void patch_pages(void *env, uint8_t *bytes, uint64_t at, uint64_t size)
{
    PagePatches *p = env;
    const uint8_t *start = region_base(p->inst);
    zero_part(bytes, at, size, p->stack_top, p->stack_end);
    uint64_t registers = (uint64_t)((const uint8_t *)&p->inst->context->stack - start);
    if (registers >= at && registers < at + size) /* a page holds all of them */
        memcpy(bytes + (registers - at), &p->stack, sizeof p->stack);
    const ObjectsFrozen *o = &p->z->objects;
    for (; p->z->next_root < o->nroots; p->z->next_root++) {
        const ObjectRoot *r = &o->roots[p->z->next_root];
        if (r->instance > p->inst->id || (r->instance == p->inst->id && r->at >= at + size)) break;
        if (r->instance == p->inst->id && r->at >= at)
            memset(bytes + (r->at - at), 0, sizeof(uint64_t));
    }
}

static PagePatches patches_of(Freezer *z, const Instance *inst)
{
    const Stack *s = &inst->context->stack;
    const uint64_t base = (uint64_t)(inst->stack_base - region_base(inst));
    const bool suspended = z->stack.call.owner == inst->id;
    PagePatches p = {.z = z, .inst = inst, .stack_end = base + s->size};
    p.stack_top = base + (suspended ? (uint64_t)z->stack.top * sizeof(Slot) : 0);
    p.stack = (Stack){.size = s->size, .frames = s->size};
    return p;
}

static fnvm_error *write_pages(Freezer *z, const Instance *inst, ImageInstance *out)
{
    PagePatches patches = patches_of(z, inst);
    const uint32_t nranges = region_nranges(inst);
    const Image *from = z->store->image;
    const bool restored = from && inst->id <= image_count(from, IMAGE_INSTANCES);
    const RegionSource before = restored ? restore_source(from, inst->id) : (RegionSource){0};
    RegionRange *ranges = calloc(nranges, sizeof *ranges);
    if (!ranges) return error_no_memory();
    region_ranges(inst, ranges);
    fnvm_error *error = NULL;
    for (uint32_t i = 0; i < nranges && !error; i++) {
        PageSource source = {.region = region_base(inst), .range = ranges[i],
                             .stretches = before.stretches, .nstretches = before.nstretches,
                             .skip_from = patches.stack_top, .skip_to = patches.stack_end,
                             .extend = ranges[i].at >= patches.stack_end,
                             .patch = patch_pages, .env = &patches};
        uint64_t first = 0;
        uint32_t n = 0;
        error = pages_write(z->w, &source, &first, &n);
        if (i == 0 || !out->nstretches) out->first_stretch = (uint32_t)first;
        out->nstretches += n;
    }
    free(ranges);
    return error;
}

/* ---- Instances ---- */

static ImageLink link_of(const Instance *inst, const Import *import)
{
    const uint32_t i = import->index;
    switch ((fnvm_externkind)import->kind) {
    case FNVM_EXTERN_TABLE:
        return (ImageLink){inst->tables[i].owner->id, inst->tables[i].index};
    case FNVM_EXTERN_MEMORY:
        return (ImageLink){inst->memories[i].owner->id, inst->memories[i].index};
    case FNVM_EXTERN_GLOBAL:
        return (ImageLink){inst->imported_globals[i].owner->id, inst->imported_globals[i].index};
    default: return (ImageLink){inst->tags[i].owner->id, inst->tags[i].index};
    }
}

static fnvm_error *write_links(Freezer *z, const Instance *inst, ImageInstance *out)
{
    const Module *m = inst->module;
    uint64_t first = 0;
    fnvm_error *error = image_writer_part(z->w, IMAGE_LINKS, NULL, 0, &first);
    out->first_link = (uint32_t)first;
    for (uint32_t i = 0; i < m->nimports && !error; i++) {
        if (m->imports[i].kind == FNVM_EXTERN_FUNC) continue;
        ImageLink link = link_of(inst, &m->imports[i]);
        error = image_writer_part(z->w, IMAGE_LINKS, &link, 1, NULL);
    }
    if (!error) error = image_writer_part(z->w, IMAGE_FUNCS, inst->imported_funcs,
                                          m->n_imported_funcs, &first);
    out->first_func = (uint32_t)first;
    for (uint32_t i = 0; i < m->n_imported_funcs; i++)
        if (!inst->imported_funcs[i]) out->flags |= IMAGE_LATER_LINKS;
    return error;
}

static fnvm_error *write_sizes(Freezer *z, const Instance *inst, ImageInstance *out)
{
    const Module *m = inst->module;
    uint64_t first_memory = 0, first_table = 0;
    fnvm_error *error = image_writer_part(z->w, IMAGE_MEMORIES, NULL, 0, &first_memory);
    if (!error) error = image_writer_part(z->w, IMAGE_TABLES, NULL, 0, &first_table);
    out->first_memory = (uint32_t)first_memory;
    out->first_table = (uint32_t)first_table;
    for (uint32_t i = m->n_imported_memories; i < m->nmemories && !error; i++) {
        ImageMemory memory = {inst->memories[i].state->size};
        error = image_writer_part(z->w, IMAGE_MEMORIES, &memory, 1, NULL);
    }
    for (uint32_t i = m->n_imported_tables; i < m->ntables && !error; i++) {
        ImageTable table = {inst->tables[i].state->size};
        error = image_writer_part(z->w, IMAGE_TABLES, &table, 1, NULL);
    }
    return error;
}

static fnvm_error *write_instance(Freezer *z, const Instance *inst)
{
    ImageInstance out = {.module = module_number(z, inst->module),
                         .region_size = inst->region_size};
    if (inst->elem_refs_ready) out.flags |= IMAGE_ELEM_REFS_READY;
    if (inst->failed) out.flags |= IMAGE_FAILED;
    fnvm_error *error = write_pages(z, inst, &out);
    if (!error) error = write_links(z, inst, &out);
    if (!error) error = write_sizes(z, inst, &out);
    if (!error) error = image_writer_part(z->w, IMAGE_INSTANCES, &out, 1, NULL);
    return error;
}

/* ---- The file ---- */

static fnvm_error *write_head(Freezer *z)
{
    const Freeze *f = z->f;
    const RegionLimits limits = store_region_limits(z->store);
    ImageHead head = {.format = IMAGE_FORMAT, .main = f->main};
    memcpy(head.magic, IMAGE_MAGIC, sizeof head.magic);
    image_measure_engine(&head.engine);
    head.max_memory_bytes = limits.max_memory_bytes;
    head.max_table_elements = limits.max_table_elements;
    head.max_stack_bytes = limits.max_stack_bytes;
    head.fuel = fnvm_store_fuel(z->store);
    head.counts_fuel = z->store->engine->config.fuel;
    head.call = z->stack.call;
    fnvm_error *error = NULL;
    if (f->start) error = image_writer_text(z->w, f->start, strlen(f->start), &head.start);
    if (error) return error;
    error = image_writer_finish(z->w, &head, &f->seal);
    z->w = NULL;
    return error;
}

static fnvm_error *write_rest(Freezer *z)
{
    const Freeze *f = z->f;
    fnvm_error *error = image_writer_part(z->w, IMAGE_FRAMES, z->stack.frames, z->stack.nframes,
                                          NULL);
    if (!error) error = image_writer_part(z->w, IMAGE_OBJECTS, z->objects.bytes, z->objects.size,
                                          NULL);
    if (!error) error = image_writer_part(z->w, IMAGE_SYSTEM, f->system, f->system_size, NULL);
    if (!error) error = image_writer_part(z->w, IMAGE_DRAWS, f->draws, f->draws_size, NULL);
    if (!error) linker_each_provider(f->linker, write_provider, z);
    return error ? error : z->error;
}

static fnvm_error *freeze(Freezer *z)
{
    Store *s = z->store;
    const StackCapture *stack = &z->stack;
    fnvm_error *error = stack_capture(s, &z->stack);
    if (error) return error;
    if (stack->call.owner) {
        z->stack.call.wake = z->f->wake;
        z->stack.call.value = z->f->wake == FNVM_WAKE_RETURN ? z->f->value : 0;
        if (!stack_can_wake(s, &stack->call))
            return fnvm_error_new(FNVM_E_USAGE, "the host function that freezes its caller must "
                                  "return a number or nothing, or be called again");
    }
    const Instance *owner = stack->call.owner ? s->instances[stack->call.owner] : NULL;
    error = objects_freeze(s, owner, stack->refs, stack->nrefs, &z->objects);
    if (!error) error = image_writer_open(z->f->path, &z->w);
    if (!error) error = number_modules(z);
    if (!error) error = hosts_write(s, z->f->linker, z->modules, z->nmodules, z->w);
    if (!error) error = write_modules(z);
    for (uint32_t i = 1; i < s->ninstances && !error; i++)
        error = write_instance(z, s->instances[i]);
    if (!error) error = write_rest(z);
    if (!error) error = write_head(z);
    return error;
}

fnvm_error *store_freeze(Store *store, const Freeze *f)
{
    if (f->main == 0 || f->main >= store->ninstances)
        return fnvm_error_new(FNVM_E_USAGE, "an image needs an instance whose exports are its own");
    if (sysconf(_SC_PAGESIZE) != IMAGE_PAGE)
        return fnvm_error_new(FNVM_E_UNSUPPORTED, "images need a system with pages of %d bytes",
                              IMAGE_PAGE);
    if (linker_store(f->linker) != store)
        return fnvm_error_new(FNVM_E_USAGE, "the linker is of another store");
    Freezer z = {.store = store, .f = f};
    fnvm_error *error = freeze(&z);
    image_writer_abandon(z.w);
    stack_capture_free(&z.stack);
    objects_frozen_free(&z.objects);
    free(z.modules);
    free(z.entries);
    return error ? fnvm_error_wrap(error, "cannot freeze to `%s`", f->path) : NULL;
}
