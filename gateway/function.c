/* The library's pool has the stores; what belongs to a store besides (Place) is found by its
 * address.  A pool makes a store within fnvm_pool_take: `fresh` is what was made for it
 * meanwhile.
 *
 * Used instances are not reset at once: the answer goes out first, and they are reset while the
 * client reads. */
#include "gateway/function.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/natives.h"
#include "gateway/control.h"
#include "gateway/worker_state.h"

/* ---- Places by their stores ---- */

static size_t place_slot(const Opened *o, const fnvm_store *store)
{
    const uint64_t hash = (uint64_t)(uintptr_t)store * UINT64_C(0x9e3779b97f4a7c15);
    size_t slot = (size_t)(hash >> 20) & (o->room - 1);
    while (o->places[slot] && o->places[slot]->store != store) slot = (slot + 1) & (o->room - 1);
    return slot;
}

/* Room for one more, half of it empty. */
static bool places_grow(Opened *o)
{
    if (o->nplaces + 1 <= o->room / 2) return true;
    const size_t room = o->room ? o->room * 2 : 16;
    Place **old = o->places, **places = calloc(room, sizeof *places);
    if (!places) return false;
    const size_t old_room = o->room;
    o->places = places;
    o->room = room;
    for (size_t i = 0; i < old_room; i++)
        if (old[i]) places[place_slot(o, old[i]->store)] = old[i];
    free(old);
    return true;
}

static void place_free(Place *p)
{
    if (!p) return;
    fnvm_services_free(p->services);
    free(p);
}

/* Its store is no more. */
static void place_remove(Opened *o, Place *p)
{
    size_t hole = place_slot(o, p->store);
    o->places[hole] = NULL;
    o->nplaces--;
    for (size_t i = (hole + 1) & (o->room - 1); o->places[i]; i = (i + 1) & (o->room - 1)) {
        Place *moved = o->places[i];
        o->places[i] = NULL;
        o->places[place_slot(o, moved->store)] = moved;
    }
    place_free(p);
}

/* ---- Instances ---- */

/* fnvm_pool_options.define */
static fnvm_error *define(void *env, fnvm_linker *linker, fnvm_wasi **wasi)
{
    Opened *o = env;
    Place *p = places_grow(o) ? calloc(1, sizeof *p) : NULL;
    if (!p) return fnvm_error_new(FNVM_E_MEMORY, "no memory for an instance");
    o->fresh = p;
    p->function = o;
    fnvm_error *error = fnvm_wasi_new(wasi);
    p->wasi = *wasi;
    if (!error) error = fnvm_services_new(&p->services);
    return error ? error : place_define(p, linker);
}

static const char *start_name(const Opened *o)
{
    return o->settings->protocol == PROTOCOL_HANDLER ? "fnvm_handle" : fnvm_image_start(o->image);
}

static fnvm_error *no_start(const Opened *o, fnvm_instance *main, const char *name)
{
    fnvm_extern handle;
    const bool handler = o->settings->protocol != PROTOCOL_HANDLER &&
                         fnvm_instance_export(main, "fnvm_handle", 11, &handle);
    return fnvm_error_new(FNVM_E_NOT_FOUND, "it has no function `%s` among its exports%s", name,
                          handler ? ", but `fnvm_handle`: it wants `protocol: handler`" : "");
}

static fnvm_error *find_exports(Opened *o, Place *p, fnvm_instance *main)
{
    p->has_memory =
        fnvm_instance_export(main, "memory", 6, &p->memory) && p->memory.kind == FNVM_EXTERN_MEMORY;
    if (o->suspended) return NULL;
    const char *name = start_name(o);
    if (!fnvm_instance_export(main, name, strlen(name), &p->start) ||
        p->start.kind != FNVM_EXTERN_FUNC)
        return no_start(o, main, name);
    fnvm_valtype result;
    const size_t nparams = fnvm_func_params(p->store, p->start, NULL, 0);
    p->nresults = fnvm_func_results(p->store, p->start, &result, 1);
    if (nparams || p->nresults > 1 || (p->nresults && fnvm_valtype_kind(result) != FNVM_I32))
        return fnvm_error_new(FNVM_E_LINK,
                              "its function `%s` has to take nothing, and to return nothing or "
                              "an i32",
                              name);
    return NULL;
}

static fnvm_error *adopt(Opened *o, fnvm_store *store, fnvm_instance *main, Place **out)
{
    Place *p = o->fresh;
    o->fresh = NULL;
    p->store = store;
    p->main = main;
    o->places[place_slot(o, store)] = p;
    o->nplaces++;
    *out = p;
    fnvm_error *error = find_exports(o, p, main);
    if (!error) return NULL;
    if (!fnvm_pool_give(o->pool, store)) place_remove(o, p);
    return error;
}

static fnvm_error *take(Opened *o, Place **out, StartKind *kind)
{
    if (o->dirty) function_settle(o);
    fnvm_store *store;
    fnvm_instance *main;
    o->fresh = NULL;
    fnvm_error *error = fnvm_pool_take(o->pool, &store, &main);
    if (error) {
        place_free(o->fresh);
        o->fresh = NULL;
        return error;
    }
    if (o->fresh) {
        *kind = START_RESTORED;
        return adopt(o, store, main, out);
    }
    *out = o->places[place_slot(o, store)];
    *kind = (*out)->used ? START_REUSED : START_RESTORED;
    return NULL;
}

static void tell_depot(void *opened)
{
    const Opened *o = opened;
    control_tell_depot(o->worker, o->settings->slot);
}

fnvm_error *function_take(Opened *o, Place **out, StartKind *kind)
{
    if (!revocation_stands(&o->revocation)) {
        fnvm_error *error =
            revocation_ask(&o->revocation, loop_now(o->worker->loop), tell_depot, o);
        if (error) return error;
    }
    return take(o, out, kind);
}

void function_give(Place *p)
{
    Opened *o = p->function;
    place_clear(p);
    p->used = true;
    p->next_dirty = o->dirty;
    worker_note_dirty(o->worker, o);
    o->dirty = p;
}

void function_settle(Opened *o)
{
    while (o->dirty) {
        Place *p = o->dirty;
        o->dirty = p->next_dirty;
        if (p->interrupted) fnvm_store_clear_interrupt(p->store); /* a system call */
        p->interrupted = false;
        if (!fnvm_pool_give(o->pool, p->store)) place_remove(o, p);
    }
}

/* ---- Opening ---- */

static FileIdentity identify(const char *path)
{
    struct stat st;
    if (!path || stat(path, &st) != 0) return (FileIdentity){0};
    return (FileIdentity){
        .dev = st.st_dev, .ino = st.st_ino, .changed = st.st_ctim, .size = st.st_size};
}

static bool same_file(const FileIdentity *was, const char *path)
{
    const FileIdentity is = identify(path);
    return was->dev == is.dev && was->ino == is.ino && was->size == is.size &&
           was->changed.tv_sec == is.changed.tv_sec && was->changed.tv_nsec == is.changed.tv_nsec;
}

static fnvm_error *open_engine(Opened *o)
{
    const Function *f = o->settings;
    fnvm_config config;
    fnvm_config_default(&config);
    char cache[4096];
    if (o->config->config->depot &&
        snprintf(cache, sizeof cache, "%s/cache", o->config->config->depot) < (int)sizeof cache)
        config.code_cache = cache;
    if (f->memory_bytes && f->memory_bytes < config.max_memory_bytes)
        config.max_memory_bytes = f->memory_bytes;
    fnvm_error *error = NULL;
    if (f->policy) error = fnvm_policy_load(f->policy, &config.policy);
    if (!error) error = fnvm_engine_new(&config, &o->engine);
    fnvm_policy_release(config.policy);
    return error;
}

static fnvm_error *open_natives(Opened *o)
{
    const Function *f = o->settings;
    return f->nnative ? natives_open(o->engine, NULL, f->native, f->nnative, &o->natives) : NULL;
}

static fnvm_error *open_pool(Opened *o)
{
    enum { MOST = 1 << 16 };
    const Function *f = o->settings;
    const fnvm_pool_options options = {
        .most = f->concurrency && f->concurrency < MOST ? f->concurrency : MOST,
        .define = define,
        .env = o};
    return fnvm_pool_new(o->image, &options, &o->pool);
}

/* At least one instance is made and given back: what cannot be linked is found out now. */
static fnvm_error *make_ready(Opened *o)
{
    const uint32_t most = o->settings->concurrency ? o->settings->concurrency : 1;
    uint32_t n = o->settings->ready ? o->settings->ready : 1;
    if (n > most) n = most;
    Place **taken = calloc(n, sizeof(Place *));
    if (!taken) return fnvm_error_new(FNVM_E_MEMORY, "no memory for %u instances", n);
    fnvm_error *error = NULL;
    uint32_t made = 0;
    StartKind kind;
    while (made < n && !error) {
        error = take(o, &taken[made], &kind);
        if (!error) made++;
    }
    while (made > 0) {
        Place *p = taken[--made];
        if (!fnvm_pool_give(o->pool, p->store)) place_remove(o, p);
    }
    free(taken);
    return error;
}

static fnvm_error *check_image(Opened *o)
{
    o->suspended = fnvm_image_suspended(o->image);
    if (o->suspended && o->settings->protocol == PROTOCOL_HANDLER)
        return fnvm_error_new(FNVM_E_USAGE,
                              "its image was taken in the midst of a call, and so cannot be "
                              "called; freeze it after an initializer");
    return NULL;
}

/* One that was made elsewhere has been given other limits. */
static fnvm_error *open_image(Opened *o, const Function *f)
{
    fnvm_error *error = fnvm_image_open(o->engine, f->image, NULL, &o->image);
    if (!error || fnvm_error_code(error) != FNVM_E_LIMIT) return error;
    return fnvm_error_wrap(error, "the limit is the function's `memory`");
}

fnvm_error *function_open(Worker *w, SharedConfig *config, const Function *f, Opened **out)
{
    *out = NULL;
    Opened *o = calloc(1, sizeof *o);
    if (!o) return fnvm_error_new(FNVM_E_MEMORY, "no memory for the function `%s`", f->name);
    *o = (Opened){.worker = w,
                  .config = config,
                  .settings = f,
                  .last = &o->first,
                  .image_file = identify(f->image),
                  .policy_file = identify(f->policy)};
    config->uses++;
    for (size_t i = 0; i < config->config->ntenants; i++)
        if (strcmp(config->config->tenants[i].name, f->tenant) == 0)
            o->tenant = &config->config->tenants[i];
    fnvm_error *error = NULL;
    if (!metrics_tenant(w->start.metrics, f->tenant, &o->tenant_number))
        error = fnvm_error_new(FNVM_E_LIMIT, "there are more tenants than %d", METRICS_TENANTS);
    if (!error) error = secrets_read(f->secrets, f->nsecrets, &o->secrets);
    if (!error) error = open_engine(o);
    if (!error) error = open_natives(o);
    if (!error && f->nhttp_allow) error = outbound_open(w->outbound, &o->sender);
    if (!error) error = open_image(o, f);
    if (!error) error = check_image(o);
    if (!error) error = open_pool(o);
    if (!error) error = make_ready(o);
    revocation_begin(&o->revocation, w->depot, f->measurement);
    if (error) {
        function_close(o);
        return fnvm_error_wrap(error, "the function `%s` cannot be served", f->name);
    }
    metrics_ready(w->start.metrics, w->start.number, f->slot, (uint32_t)o->nplaces);
    *out = o;
    return NULL;
}

void function_close(Opened *o)
{
    if (!o) return;
    if (o->pool) function_settle(o);
    fnvm_pool_free(o->pool);
    for (size_t i = 0; i < o->room; i++) place_free(o->places[i]);
    free(o->places);
    fnvm_image_release(o->image);
    outbound_close(o->sender);
    natives_close(o->natives);
    fnvm_engine_free(o->engine);
    secrets_forget(&o->secrets);
    shared_config_drop(o->config);
    free(o);
}

/* ---- Comparing ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_pairs(const ConfigPair *a, size_t na, const ConfigPair *b, size_t nb)
{
    if (na != nb) return false;
    for (size_t i = 0; i < na; i++)
        if (!same_text(a[i].name, b[i].name) || !same_text(a[i].value, b[i].value)) return false;
    return true;
}

static bool same_list(char *const *a, size_t na, char *const *b, size_t nb)
{
    if (na != nb) return false;
    for (size_t i = 0; i < na; i++)
        if (!same_text(a[i], b[i])) return false;
    return true;
}

static bool same_mounts(const Function *a, const Function *b)
{
    if (a->nmounts != b->nmounts) return false;
    for (size_t i = 0; i < a->nmounts; i++)
        if (!same_text(a->mounts[i].host, b->mounts[i].host) ||
            !same_text(a->mounts[i].guest, b->mounts[i].guest) ||
            a->mounts[i].read_only != b->mounts[i].read_only)
            return false;
    return true;
}

static bool same_library(const ManifestLibrary *a, const ManifestLibrary *b)
{
    if (!same_text(a->library, b->library) || !same_text(a->module, b->module) ||
        a->nfunctions != b->nfunctions)
        return false;
    for (size_t i = 0; i < a->nfunctions; i++)
        if (!same_text(a->functions[i].name, b->functions[i].name) ||
            !same_text(a->functions[i].signature, b->functions[i].signature))
            return false;
    return true;
}

/* A library whose file has changed is the same: the loader knows it by its name while it is
 * loaded. */
static bool same_natives(const Function *a, const Function *b)
{
    if (a->nnative != b->nnative) return false;
    for (size_t i = 0; i < a->nnative; i++)
        if (!same_library(&a->native[i], &b->native[i])) return false;
    return true;
}

static bool same_numbers(const Function *a, const Function *b)
{
    return a->slot == b->slot && a->protocol == b->protocol && a->timeout_ms == b->timeout_ms &&
           a->body_bytes == b->body_bytes && a->answer_bytes == b->answer_bytes &&
           a->log_bytes == b->log_bytes && a->memory_bytes == b->memory_bytes &&
           a->concurrency == b->concurrency && a->queue == b->queue && a->ready == b->ready;
}

static bool same_tenant(const Opened *o, const Config *config, const Function *f)
{
    const Tenant *tenant = NULL;
    for (size_t i = 0; i < config->ntenants; i++)
        if (strcmp(config->tenants[i].name, f->tenant) == 0)
            tenant = &config->tenants[i];
    if (!o->tenant || !tenant) return o->tenant == tenant;
    return o->tenant->concurrency == tenant->concurrency &&
           o->tenant->memory_bytes == tenant->memory_bytes;
}

bool function_same(const Opened *o, const Config *config, const Function *f)
{
    const Function *is = o->settings;
    /* A secret's file may have other contents, which only reading it would tell. */
    return is->nsecrets == 0 && f->nsecrets == 0 && same_text(is->name, f->name) &&
           same_text(is->version, f->version) && same_text(is->image, f->image) &&
           same_text(is->policy, f->policy) && same_text(is->measurement, f->measurement) &&
           same_text(is->tenant, f->tenant) && same_text(is->kv_prefix, f->kv_prefix) &&
           same_numbers(is, f) && same_mounts(is, f) && same_natives(is, f) &&
           same_list(is->args, is->nargs, f->args, f->nargs) &&
           same_list(is->calls, is->ncalls, f->calls, f->ncalls) &&
           same_list(is->http_allow, is->nhttp_allow, f->http_allow, f->nhttp_allow) &&
           same_pairs(is->env, is->nenv, f->env, f->nenv) && same_tenant(o, config, f) &&
           same_text(o->config->config->kv, config->kv) &&
           same_file(&o->image_file, f->image) && same_file(&o->policy_file, f->policy);
}

SharedConfig *shared_config_new(Config *config)
{
    SharedConfig *shared = malloc(sizeof *shared);
    if (!shared) config_free(config);
    else *shared = (SharedConfig){.config = config, .uses = 1};
    return shared;
}

void shared_config_drop(SharedConfig *shared)
{
    if (--shared->uses) return;
    config_free(shared->config);
    free(shared);
}
