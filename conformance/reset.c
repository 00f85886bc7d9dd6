/* Proof that a reset leaves nothing: stores are restored from images, anything is done to them that
 * a guest or an embedder can do, and then they are reset.  The hash of all state must be what it
 * was right after restoring, and every byte of the regions what a fresh copy has, but for
 * references to objects, whose contents are in the hash.
 *
 *   reset [--seed S] [--count N] [--rounds N] [--swap FILE]
 *
 * --count: as many generated modules, besides those below.  --swap (as root): the file becomes swap
 * space meanwhile, so that some of the pages are swapped out before a reset.
 *
 * Ends with "N passed, N failed, N skipped", where passed counts resets. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "conformance/generate/generate.h"
#include "conformance/generate/values.h"
#include "conformance/reset_subjects.h"
#include "conformance/reset_swap.h"
#include "vm/image/objects.h"
#include "vm/image/state_hash.h"

enum {
    MAX_VALUES = 64,
    FUEL = 20000,
    LONG_FUEL = 20000000, /* until an interrupt comes */
    INTERRUPT_US = 3000,
    STACK_BYTES = 128 << 10,
    MEMORY_BYTES = 8 << 20,
    HEAP_BYTES = 8 << 20,
    STEPS = 150
};

typedef struct Tally { uint64_t passed, failed, skipped, calls; } Tally;

/* A store, by itself or from the image. */
typedef struct Place {
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *main;
} Place;

typedef struct Test {
    const char *name;
    const char *path;         /* of the image */
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_image *image;
    Random random;
    Place made;               /* what was frozen */
    Place used, fresh;        /* restored: this is disturbed and reset, that is only looked at */
    bool frozen;              /* in the midst of a call */
    bool swap;
    ImageHash hash;           /* of `used`, right after it was restored */
    Tally *tally;
} Test;

/* ---- Imports ---- */

static bool random_value(Test *t, fnvm_store *store, fnvm_valtype type, fnvm_val *out)
{
    *out = (fnvm_val){.kind = fnvm_valtype_kind(type)};
    if (out->kind == FNVM_REF) {
        HeapType heap = type_heap(type);
        if ((heap == HEAP_EXTERN || heap == HEAP_ANY) && random_below(&t->random, 3))
            fnvm_error_free(fnvm_ref_from_host(store, random_below(&t->random, 100), &out->of.ref));
        return type_is_nullable(type) || out->of.ref;
    }
    Bits b = edge_value(out->kind, random_below(&t->random, (uint32_t)edge_count(out->kind)));
    if (random_below(&t->random, 2)) b.i64 = random_next(&t->random) % 1000;
    memcpy(&out->of, &b, sizeof out->of);
    return true;
}

typedef struct HostImport { Test *test; const Type *type; } HostImport;

/* A function of the host: any values, now and then a trap. */
static fnvm_error *host_function(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    const HostImport *import = env;
    Test *t = import->test;
    if (random_below(&t->random, 20) == 0)
        return fnvm_error_trap_new(FNVM_TRAP_HOST, "the host function gives up");
    for (uint32_t i = 0; i < import->type->nresults; i++) {
        const fnvm_valtype type = import->type->results[i];
        fnvm_val v;
        if (!random_value(t, fnvm_caller_store(caller), type, &v))
            return fnvm_error_trap_new(FNVM_TRAP_HOST, "nothing to give back");
        if (v.kind == FNVM_REF) {
            fnvm_error *error = fnvm_slot_from_ref(caller, v.of.ref, type, slots);
            if (error) return error;
        } else memcpy(slots, &v.of, v.kind == FNVM_V128 ? 16 : 8);
        slots += type_slots(type);
    }
    return NULL;
}

/* host.freeze: its first call makes the image. */
static fnvm_error *freeze_within(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    Test *t = env;
    slots[0].i32 = 0;
    if (t->frozen || fnvm_caller_store(caller) != t->made.store) return NULL;
    fnvm_freeze how = {.path = t->path, .main = t->made.main, .linker = t->made.linker,
                       .no_sync = true, .wake = FNVM_WAKE_RETURN, .value = 1};
    t->frozen = true;
    return fnvm_caller_freeze(caller, &how);
}

/* host.back: calls the guest's export "back", and passes on whatever comes of it. */
static fnvm_error *call_back(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)env, (void)slots;
    fnvm_instance *instance = fnvm_caller_instance(caller);
    fnvm_extern func;
    if (!instance || !fnvm_instance_export(instance, "back", 4, &func)) return NULL;
    return fnvm_func_call(fnvm_caller_store(caller), func, NULL, 0, NULL, 0);
}

static const char *text_of(const Module *m, Name n) { return (const char *)m->bytes + n.start; }

static fnvm_error *make_import(Test *t, Place *p, const Import *import, HostImport *host,
                               fnvm_extern *out)
{
    const Module *m = t->module;
    switch (import->kind) {
    case FNVM_EXTERN_FUNC:
        *host = (HostImport){t, module_func_type(m, import->index)};
        *out = (fnvm_extern){.kind = FNVM_EXTERN_FUNC};
        return store_add_host_func(p->store, m->funcs[import->index], host_function, host, NULL,
                                   &out->of[0]);
    case FNVM_EXTERN_GLOBAL: {
        GlobalType g = m->globals[import->index].type;
        fnvm_val value = {.kind = fnvm_valtype_kind(g.type)};
        return fnvm_global_new(p->store, g.type, g.is_mutable, &value, out);
    }
    case FNVM_EXTERN_MEMORY: {
        const Limits *l = &m->memories[import->index].limits;
        return fnvm_memory_new(p->store, l->min, l->max, l->is64, out);
    }
    case FNVM_EXTERN_TABLE: {
        const TableType *type = &m->tables[import->index].type;
        return fnvm_table_new(p->store, type->elem, type->limits.min, type->limits.max,
                              type->limits.is64, out);
    }
    default: return fnvm_error_new(FNVM_E_UNSUPPORTED, "an import that is not made here");
    }
}

/* All imports of a store that is to be frozen, the functions of one that is to be restored. */
static fnvm_error *make_imports(Test *t, Place *p, HostImport *hosts, bool all)
{
    const Module *m = t->module;
    fnvm_error *error = fnvm_linker_define_func(p->linker, "host", "freeze", "-> i32",
                                                freeze_within, t);
    if (!error) error = fnvm_linker_define_func(p->linker, "host", "back", "->", call_back, t);
    for (uint32_t i = 0; i < m->nimports && !error; i++) {
        const Import *import = &m->imports[i];
        fnvm_extern made = {0};
        if (!all && import->kind != FNVM_EXTERN_FUNC) continue;
        if (import->module.len == 4 && memcmp(text_of(m, import->module), "host", 4) == 0) continue;
        error = make_import(t, p, import, &hosts[i], &made);
        if (!error)
            error = fnvm_linker_define(p->linker, text_of(m, import->module), import->module.len,
                                       text_of(m, import->name), import->name.len, made);
    }
    return error;
}

/* ---- Places ---- */

static fnvm_error *place_open(Test *t, Place *p, HostImport *hosts, bool all)
{
    fnvm_error *error = fnvm_store_new(t->engine, &p->store);
    if (!error) fnvm_store_set_fuel(p->store, FUEL);
    if (!error) error = fnvm_linker_new(p->store, &p->linker);
    return error ? error : make_imports(t, p, hosts, all);
}

static void place_close(Place *p)
{
    if (p->linker) fnvm_linker_free(p->linker);
    if (p->store) fnvm_store_free(p->store);
    *p = (Place){0};
}

static fnvm_error *restore(Test *t, Place *p, HostImport *hosts)
{
    fnvm_error *error = place_open(t, p, hosts, false);
    return error ? error : fnvm_image_restore(t->image, p->linker, NULL, &p->main);
}

static fnvm_error *freeze_at_rest(Test *t)
{
    fnvm_freeze how = {.path = t->path, .main = t->made.main, .linker = t->made.linker,
                       .no_sync = true};
    return fnvm_store_freeze(t->made.store, &how);
}

/* ---- Disturbing ---- */

/* So that every call may go on for as long: the generator's counter. */
static void allow_steps(Test *t, const Place *p)
{
    fnvm_extern e;
    fnvm_val v = {.kind = FNVM_I32, .of.i32 = (int32_t)random_below(&t->random, STEPS)};
    if (fnvm_instance_export(p->main, "hang", 4, &e) && e.kind == FNVM_EXTERN_GLOBAL)
        fnvm_error_free(fnvm_global_set(p->store, e, &v));
}

/* An exported function with random arguments; how it ends does not matter. */
static void call_any(Test *t, const Place *p)
{
    fnvm_export e;
    fnvm_extern func;
    fnvm_valtype types[MAX_VALUES];
    fnvm_val args[MAX_VALUES], results[MAX_VALUES];
    const size_t n = fnvm_module_exports(t->module);
    if (n == 0) return;
    fnvm_module_export(t->module, random_below(&t->random, (uint32_t)n), &e);
    if (e.kind != FNVM_EXTERN_FUNC || !fnvm_instance_export(p->main, e.name, e.name_len, &func))
        return;
    const size_t nargs = fnvm_func_params(p->store, func, types, MAX_VALUES);
    const size_t nresults = fnvm_func_results(p->store, func, NULL, 0);
    if (nargs > MAX_VALUES || nresults > MAX_VALUES) return;
    for (size_t i = 0; i < nargs; i++)
        if (!random_value(t, p->store, types[i], &args[i])) return;
    allow_steps(t, p);
    t->tally->calls++;
    fnvm_error_free(fnvm_func_call(p->store, func, args, nargs, results, nresults));
}

static void call_some(Test *t, const Place *p)
{
    for (uint32_t n = 1 + random_below(&t->random, 6); n > 0; n--) {
        fnvm_store_set_fuel(p->store, random_below(&t->random, 4) ? FUEL
                                                                  : random_below(&t->random, 200));
        call_any(t, p);
    }
}

typedef struct Interrupter { fnvm_store *store; uint32_t microseconds; } Interrupter;

static void *interrupt_later(void *arg)
{
    const Interrupter *in = arg;
    const struct timespec later = {.tv_nsec = 1000L * in->microseconds};
    nanosleep(&later, NULL);
    fnvm_store_interrupt(in->store);
    return NULL;
}

static void call_and_interrupt(Test *t, const Place *p)
{
    pthread_t thread;
    Interrupter in = {p->store, random_below(&t->random, INTERRUPT_US)};
    if (pthread_create(&thread, NULL, interrupt_later, &in) != 0) return;
    fnvm_store_set_fuel(p->store, LONG_FUEL);
    for (int i = 0; i < 4; i++) call_any(t, p);
    pthread_join(thread, NULL);
}

static void resume(Test *t, const Place *p)
{
    fnvm_val results[MAX_VALUES];
    const Type *type = p->store->resumable
                           ? store_func_type(p->store, t->image->file.head->call.entry)
                           : NULL;
    if (!type || type->nresults > MAX_VALUES) return;
    fnvm_store_set_fuel(p->store, random_below(&t->random, 2) ? FUEL
                                                              : random_below(&t->random, 300));
    allow_steps(t, p);
    fnvm_error_free(fnvm_store_resume(p->store, results, type->nresults));
}

/* What an embedder may do: write to memory, grow it, set globals, hold on to objects. */
static void meddle(Test *t, const Place *p)
{
    const Store *s = p->store;
    fnvm_ref ref;
    for (uint32_t id = 1; id < s->ninstances; id++) {
        const Module *m = s->instances[id]->module;
        for (uint32_t i = m->n_imported_memories; i < m->nmemories; i++) {
            MemoryRef *memory = &s->instances[id]->memories[i];
            uint64_t old;
            if (random_below(&t->random, 4) == 0)
                memory_grow(memory, random_below(&t->random, 4), &old);
            for (int k = 0; k < 20 && memory->state->size; k++)
                memory->base[random_next(&t->random) % memory->state->size] ^= 0x5A;
        }
        for (uint32_t i = m->n_imported_tables; i < m->ntables; i++) {
            uint64_t old;
            table_grow(&s->instances[id]->tables[i], random_below(&t->random, 3000), 0, &old);
        }
    }
    fnvm_error_free(fnvm_ref_from_host(p->store, 1, &ref));
}

/* A part of each region goes to the swap space; where there is none, the kernel does nothing. */
static void page_out(Test *t, const Place *p)
{
    const Store *s = p->store;
    for (uint32_t id = 1; id < s->ninstances; id++) {
        const Instance *inst = s->instances[id];
        const uint32_t n = region_nranges(inst);
        RegionRange *ranges = calloc(n, sizeof *ranges);
        if (!ranges) return;
        region_ranges(inst, ranges);
        for (uint32_t i = 0; i < n; i++)
            if (random_below(&t->random, 3))
                madvise(region_base(inst) + ranges[i].at, ranges[i].size, MADV_PAGEOUT);
        free(ranges);
    }
}

static void disturb(Test *t, const Place *p)
{
    if (random_below(&t->random, 2)) resume(t, p);
    switch (random_below(&t->random, 8)) {
    case 0: break;
    case 1: meddle(t, p); break;
    case 2: call_and_interrupt(t, p); break;
    case 3:
        meddle(t, p);
        call_some(t, p);
        break;
    default: call_some(t, p); break;
    }
    if (t->swap) page_out(t, p);
}

/* ---- Comparing ---- */

static void print_about(const Test *t, const char *what, const fnvm_error *error)
{
    printf("%s: %s", t->name, what);
    for (; error; error = fnvm_error_cause(error)) printf(": %s", fnvm_error_message(error));
    printf("\n");
}

static void report(Test *t, const char *what, const fnvm_error *error)
{
    print_about(t, what, error);
    t->tally->failed++;
}

/* Where references to objects are: their addresses differ. */
static fnvm_error *find_roots(const Test *t, ObjectsFrozen *out)
{
    Store *s = t->fresh.store;
    const ImageCall *call = &t->image->file.head->call;
    StackRef *refs = NULL;
    uint32_t n = 0;
    fnvm_error *error = NULL;
    if (call->owner)
        error = stack_refs(s, call, image_part(t->image, IMAGE_FRAMES),
                           (uint32_t)image_count(t->image, IMAGE_FRAMES), &refs, &n);
    if (!error)
        error = objects_freeze(s, call->owner ? s->instances[call->owner] : NULL, refs, n, out);
    free(refs);
    return error;
}

static bool is_root(const ObjectsFrozen *o, uint32_t instance, uint64_t at)
{
    uint64_t low = 0, high = o->nroots;
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        const ObjectRoot *r = &o->roots[middle];
        if (r->instance < instance || (r->instance == instance && r->at < at)) low = middle + 1;
        else high = middle;
    }
    return low < o->nroots && o->roots[low].instance == instance && o->roots[low].at == at;
}

/* The first place in a range where they differ, UINT64_MAX if there is none. */
static uint64_t differ_at(const Instance *a, const Instance *b, RegionRange r,
                          const ObjectsFrozen *roots)
{
    for (uint64_t at = r.at; at < r.at + r.size; at += IMAGE_PAGE) {
        const uint8_t *x = region_base(a) + at, *y = region_base(b) + at;
        if (memcmp(x, y, IMAGE_PAGE) == 0) continue;
        for (uint64_t i = 0; i < IMAGE_PAGE; i += sizeof(uint64_t))
            if (memcmp(x + i, y + i, sizeof(uint64_t)) != 0 && !is_root(roots, a->id, at + i))
                return at + i;
    }
    return UINT64_MAX;
}

static bool same_regions(const Instance *a, const Instance *b, const ObjectsFrozen *roots)
{
    const uint32_t n = region_nranges(a);
    RegionRange *x = calloc(n, sizeof *x), *y = calloc(n, sizeof *y);
    bool same = x && y && region_nranges(b) == n;
    if (same) {
        region_ranges(a, x);
        region_ranges(b, y);
        same = memcmp(x, y, n * sizeof *x) == 0;
        if (!same) printf("instance %u has other ranges\n", a->id);
    }
    for (uint32_t i = 0; i < n && same; i++) {
        const uint64_t at = differ_at(a, b, x[i], roots);
        same = at == UINT64_MAX;
        if (!same) printf("instance %u differs 0x%" PRIx64 " bytes into its region\n", a->id, at);
    }
    free(x);
    free(y);
    return same;
}

/* Every byte of `used` against `fresh`. */
static bool same_bytes(Test *t)
{
    const Store *a = t->used.store, *b = t->fresh.store;
    ObjectsFrozen roots = {0};
    fnvm_error *error = find_roots(t, &roots);
    bool same = !error && a->ninstances == b->ninstances;
    for (uint32_t id = 1; id < b->ninstances && same; id++)
        same = same_regions(a->instances[id], b->instances[id], &roots);
    objects_frozen_free(&roots);
    fnvm_error_free(error);
    return same;
}

/* Memories grown to their limit: what is there is zero, whatever was there before. */
static bool zero_beyond(const Store *s)
{
    for (uint32_t id = 1; id < s->ninstances; id++) {
        const Module *m = s->instances[id]->module;
        for (uint32_t i = m->n_imported_memories; i < m->nmemories; i++) {
            MemoryRef *memory = &s->instances[id]->memories[i];
            uint64_t at = memory->state->size, old;
            if (!memory_grow(memory, (memory->state->max_size - at) >> memory->state->page_log2,
                             &old))
                continue;
            for (; at < memory->state->size; at++)
                if (memory->base[at]) return false;
        }
    }
    return true;
}

static bool same_hash(Test *t, const ImageHash *want, fnvm_error **error)
{
    ImageHash hash;
    *error = store_state_hash(t->used.store, &hash);
    return !*error && memcmp(&hash, want, sizeof hash) == 0;
}

/* ---- Rounds ---- */

/* One reset, after which everything is as at first; false if the store is of no more use. */
static bool reset_once(Test *t)
{
    fnvm_error *error = fnvm_store_reset(t->used.store);
    const char *what = NULL;
    if (error) what = "not reset";
    else if (!same_hash(t, &t->hash, &error)) what = "another hash after a reset";
    else if (store_interrupted(t->used.store)) what = "still interrupted after a reset";
    else if (random_below(&t->random, 4) == 0 && !same_bytes(t)) what = "other bytes after a reset";
    if (what) report(t, what, error);
    else t->tally->passed++;
    fnvm_error_free(error);
    return !what;
}

static void run_rounds(Test *t, uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        disturb(t, &t->used);
        if (!reset_once(t)) return;
        if (random_below(&t->random, 4) || zero_beyond(t->used.store)) continue;
        report(t, "a memory that grows after a reset is not zero", NULL);
        return;
    }
}

/* Makes the image: of a store at rest after some calls, or where `setup` asks for it. */
static fnvm_error *prepare(Test *t, HostImport *hosts)
{
    fnvm_extern setup;
    fnvm_error *error = place_open(t, &t->made, hosts, true);
    if (!error) error = fnvm_linker_instantiate(t->made.linker, t->module, &t->made.main);
    if (error) return error;
    if (fnvm_instance_export(t->made.main, "setup", 5, &setup))
        fnvm_error_free(fnvm_func_call(t->made.store, setup, NULL, 0, NULL, 0));
    if (!t->frozen) call_some(t, &t->made);
    fnvm_store_set_fuel(t->made.store, FUEL);
    error = t->frozen ? NULL : freeze_at_rest(t);
    if (error) return error;
    fnvm_image_options options = {.modules = &t->module, .nmodules = 1};
    return fnvm_image_open(t->engine, t->path, &options, &t->image);
}

static fnvm_error *restore_both(Test *t, HostImport *hosts)
{
    ImageHash made, restored;
    fnvm_error *error = restore(t, &t->used, hosts);
    if (!error) error = restore(t, &t->fresh, hosts + t->module->nimports);
    if (!error) error = store_state_hash(t->used.store, &t->hash);
    if (error || t->frozen) return error;
    error = store_visible_hash(t->made.store, &made);
    if (!error) error = store_visible_hash(t->used.store, &restored);
    if (!error && memcmp(&made, &restored, sizeof made) != 0)
        error = fnvm_error_new(FNVM_E_INVALID, "what was restored is not what was frozen");
    return error;
}

/* A generated module need not start, nor be one that can be frozen. */
static bool is_no_failure(const fnvm_error *error, bool generated)
{
    const fnvm_code code = fnvm_error_code(error);
    return generated && (code == FNVM_E_TRAP || code == FNVM_E_EXCEPTION || code == FNVM_E_LIMIT ||
                         code == FNVM_E_UNSUPPORTED || code == FNVM_E_LINK);
}

static void run_module(Test *t, uint64_t rounds, bool generated)
{
    HostImport *hosts = calloc(3 * (size_t)t->module->nimports + 1, sizeof *hosts);
    if (!hosts) return;
    fnvm_error *error = prepare(t, hosts);
    if (error && is_no_failure(error, generated)) {
        print_about(t, "skipped", error);
        t->tally->skipped++;
        fnvm_error_free(error);
    } else {
        if (!error) error = restore_both(t, hosts + t->module->nimports);
        if (error) report(t, "no image to test with", error);
        else run_rounds(t, rounds);
        fnvm_error_free(error);
    }
    place_close(&t->made);
    place_close(&t->used);
    place_close(&t->fresh);
    if (t->image) fnvm_image_release(t->image);
    free(hosts);
}

typedef struct Options {
    uint64_t seed, count, rounds;
    const char *swap;
    const char *path;
} Options;

static fnvm_error *engine_open(fnvm_engine_kind kind, fnvm_engine **out)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = kind;
    config.features |= FNVM_FEATURE_WIDE_ARITHMETIC | FNVM_FEATURE_CUSTOM_PAGE_SIZES;
    config.fuel = true;
    config.max_stack_bytes = STACK_BYTES;
    config.max_memory_bytes = MEMORY_BYTES;
    config.max_heap_bytes = HEAP_BYTES;
    return fnvm_engine_new(&config, out);
}

static void run_one(const Options *o, const char *name, fnvm_engine_kind kind, const void *bytes,
                    size_t len, uint64_t seed, uint64_t rounds, Tally *tally)
{
    char full[128];
    snprintf(full, sizeof full, "%s, %s, seed %" PRIu64, name,
             kind == FNVM_ENGINE_JIT ? "compiled" : "interpreted", seed);
    Test t = {.name = full, .path = o->path, .swap = o->swap, .tally = tally};
    random_seed(&t.random, seed);
    fnvm_error *error = engine_open(kind, &t.engine);
    const bool no_compiler =
        error && kind == FNVM_ENGINE_JIT && fnvm_error_code(error) == FNVM_E_USAGE;
    if (!error) error = fnvm_module_new(t.engine, bytes, len, &t.module);
    if (no_compiler) tally->skipped++;
    else if (error) report(&t, "not loaded", error);
    else {
        run_module(&t, rounds, strcmp(name, "generated") == 0);
        fnvm_module_release(t.module);
    }
    fnvm_error_free(error);
    if (t.engine) fnvm_engine_free(t.engine);
}

static void run_all(const Options *o, Tally *tally)
{
    static const fnvm_engine_kind kinds[] = {FNVM_ENGINE_INTERPRETER, FNVM_ENGINE_JIT};
    for (size_t i = 0; i < sizeof reset_subjects / sizeof *reset_subjects; i++) {
        const ResetSubject *s = &reset_subjects[i];
        for (int k = 0; k < 2; k++)
            run_one(o, s->name, kinds[k], s->text, strlen(s->text), o->seed, o->rounds, tally);
    }
    Bytes bytes = {0};
    for (uint64_t i = 0; i < o->count; i++) {
        bytes_clear(&bytes);
        generate_module(o->seed + i, GENERATE_SIZE, &bytes, NULL);
        for (int k = 0; k < 2 && !bytes.failed; k++)
            run_one(o, "generated", kinds[k], bytes.at, bytes.len, o->seed + i, o->rounds / 8,
                    tally);
    }
    bytes_free(&bytes);
}

/* ---- The command ---- */

static bool parse(int argc, char **argv, Options *o)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const struct { const char *name; uint64_t *number; } numbers[] = {
            {"--seed", &o->seed}, {"--count", &o->count}, {"--rounds", &o->rounds}};
        bool known = strcmp(argv[i], "--swap") == 0;
        if (known) o->swap = argv[i + 1];
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            if (strcmp(argv[i], numbers[k].name) == 0) {
                *numbers[k].number = strtoull(argv[i + 1], NULL, 0);
                known = true;
            }
        if (!known) return false;
    }
    return argc % 2 == 1;
}

int main(int argc, char **argv)
{
    Options o = {.seed = 1, .rounds = 80};
    Tally tally = {0};
    char dir[] = "/tmp/fnvm-reset-XXXXXX", path[sizeof dir + 16];
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: reset [--seed S] [--count N] [--rounds N] [--swap FILE]\n");
        return 2;
    }
    if (!mkdtemp(dir)) {
        fprintf(stderr, "reset: %s: %s\n", dir, strerror(errno));
        return 1;
    }
    snprintf(path, sizeof path, "%s/image.fnvmi", dir);
    o.path = path;
    if (o.swap && !swap_open(o.swap)) {
        printf("skipped: swapped pages: %s: %s\n", o.swap, strerror(errno));
        tally.skipped++;
        o.swap = NULL;
    }
    run_all(&o, &tally);
    if (o.swap) swap_close(o.swap);
    unlink(path);
    rmdir(dir);
    printf("%" PRIu64 " calls\n", tally.calls);
    printf("%" PRIu64 " passed, %" PRIu64 " failed, %" PRIu64 " skipped\n", tally.passed,
           tally.failed, tally.skipped);
    return tally.failed ? 1 : 0;
}
