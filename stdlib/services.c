/* services.c - the `fnvm:*` interfaces: construction, linking, and what their functions share.
 *
 * Each interface is a table of host functions in a file of its own; the linker makes those that
 * a guest imports when it asks for them, so a guest without any pays for none. */
#include "stdlib/services.h"

#include <stdlib.h>
#include <time.h>

#include "loader/linker.h"
#include "stdlib/wasi.h"
#include "vm/error.h"

/* ---- Linking ---- */

static const struct {
    const char *name;
    const ServiceFunc *functions;
} modules[SERVICE_MODULES] = {{"fnvm:log", service_log},         {"fnvm:kv", service_kv},
                              {"fnvm:call", service_call},       {"fnvm:http", service_http},
                              {"fnvm:random", service_random},   {"fnvm:time", service_time},
                              {"fnvm:request", service_request}, {"env", service_faasm}};

static LinkerAnswer find_function(void *env, const char *name, size_t len, LinkerFunc *out)
{
    const ServiceModule *module = env;
    for (const ServiceFunc *f = module->functions; f->name; f++) {
        if (strncmp(f->name, name, len) != 0 || f->name[len]) continue;
        *out = (LinkerFunc){f->type, f->fn, module->services};
        return LINKER_FOUND;
    }
    return LINKER_UNKNOWN;
}

fnvm_error *fnvm_linker_define_services(fnvm_linker *linker, fnvm_services *s)
{
    fnvm_error *error = NULL;
    for (size_t i = 0; i < SERVICE_MODULES && !error; i++)
        error = linker_define_funcs(linker, modules[i].name, find_function, &s->modules[i]);
    return error;
}

/* ---- Life ---- */

fnvm_error *fnvm_services_new(fnvm_services **out)
{
    Services *s = *out = calloc(1, sizeof *s);
    if (!s) return error_no_memory();
    for (size_t i = 0; i < SERVICE_MODULES; i++)
        s->modules[i] = (ServiceModule){modules[i].functions, s};
    return NULL;
}

void fnvm_services_reset(fnvm_services *s)
{
    tasks_drop_all(&s->calls);
    tasks_drop_all(&s->requests);
    service_kv_forget(s);
    random_forget(s);
    faasm_reset(s);
}

static void free_rules(Services *s)
{
    for (size_t i = 0; i < s->nallow; i++) url_rule_free(&s->allow[i]);
    free(s->allow);
    s->allow = NULL;
    s->nallow = 0;
}

void fnvm_services_free(fnvm_services *s)
{
    if (!s) return;
    fnvm_services_reset(s);
    free(s->calls.open);
    free(s->requests.open);
    free(s->states);
    free_rules(s);
    random_free(s);
    fnvm_kv_release(s->kv);
    free(s);
}

/* ---- What the embedder gives ---- */

void fnvm_services_log(fnvm_services *s,
                       void (*fn)(void *env, fnvm_log_level, const char *text, size_t len,
                                  const char *fields, size_t fields_len),
                       void *env)
{
    s->log = fn;
    s->log_env = env;
}

static fnvm_error *set_prefix(fnvm_services *s, const char *prefix)
{
    const size_t len = strlen(prefix);
    if (len > FNVM_KV_PREFIX_BYTES)
        return fnvm_error_new(FNVM_E_USAGE,
                              "the prefix of a guest's keys has %zu bytes; at most %d are "
                              "possible",
                              len, FNVM_KV_PREFIX_BYTES);
    memcpy(s->prefix, prefix, len + 1);
    s->prefix_len = len;
    return NULL;
}

static void set_store(fnvm_services *s, fnvm_kv *kv, const fnvm_kv_tasks *far)
{
    service_kv_forget(s);
    if (kv) fnvm_kv_retain(kv);
    fnvm_kv_release(s->kv);
    s->kv = kv;
    s->far_kv = far ? *far : (fnvm_kv_tasks){0};
}

fnvm_error *fnvm_services_kv(fnvm_services *s, fnvm_kv *kv, const char *prefix)
{
    fnvm_error *error = set_prefix(s, prefix);
    if (!error) set_store(s, kv, NULL);
    return error;
}

fnvm_error *fnvm_services_kv_tasks(fnvm_services *s, const fnvm_kv_tasks *tasks, const char *prefix)
{
    fnvm_error *error = set_prefix(s, prefix);
    if (!error) set_store(s, NULL, tasks);
    return error;
}

static void set_backend(Tasks *tasks, const fnvm_task_backend *backend)
{
    tasks_drop_all(tasks);
    tasks->backend = backend ? *backend : (fnvm_task_backend){0};
}

void fnvm_services_calls(fnvm_services *s, const fnvm_task_backend *backend)
{
    set_backend(&s->calls, backend);
}

fnvm_error *fnvm_services_http(fnvm_services *s, const fnvm_task_backend *backend,
                               const char *const *allow, size_t n)
{
    UrlRule *rules = calloc(n + 1, sizeof *rules);
    fnvm_error *error = rules ? NULL : error_no_memory();
    size_t made = 0;
    for (; made < n && !error; made++) error = url_rule_parse(allow[made], &rules[made]);
    if (error) {
        if (rules)
            for (size_t i = 0; i < made; i++) url_rule_free(&rules[i]);
        free(rules);
        return error;
    }
    set_backend(&s->requests, backend);
    free_rules(s);
    s->allow = rules;
    s->nallow = n;
    return NULL;
}

void fnvm_services_request(fnvm_services *s, const fnvm_request_backend *backend)
{
    s->request = backend ? *backend : (fnvm_request_backend){0};
}

void fnvm_services_at_sleep(fnvm_services *s,
                            fnvm_error *(*fn)(void *env, fnvm_caller *, uint64_t deadline_ns),
                            void *env)
{
    s->at_sleep = fn;
    s->at_sleep_env = env;
}

void fnvm_services_note_draws(fnvm_services *s, fnvm_wasi *wasi) { s->draws = wasi; }

void fnvm_services_input(fnvm_services *s, const void *bytes, size_t len)
{
    s->input = bytes;
    s->input_len = len;
}

/* ---- Guest memory and clocks ---- */

ServiceCall service_enter(fnvm_caller *caller, void *env)
{
    static uint8_t no_memory[1];
    ServiceCall call = {.caller = caller, .services = env, .memory = no_memory};
    const MemoryRef *memory = caller_memory(caller);
    if (memory && memory->base) {
        call.memory = memory->base;
        call.memory_size = memory->state->size;
    }
    return call;
}

int service_piece(const ServiceCall *call, const void *bytes, size_t len, uint32_t offset,
                  uint32_t to, uint32_t size, uint32_t len_at)
{
    uint8_t *place = service_bytes(call, to, size), *len_place = service_bytes(call, len_at, 4);
    if (!place || !len_place) return FNVM_SERVICE_FAULT;
    if (len > UINT32_MAX) return FNVM_SERVICE_TOO_LARGE;
    const uint32_t whole = (uint32_t)len;
    const uint32_t left = offset < whole ? whole - offset : 0;
    const uint32_t n = left < size ? left : size;
    if (n) memcpy(place, (const char *)bytes + offset, n);
    memcpy(len_place, &whole, sizeof whole);
    return FNVM_SERVICE_OK;
}

uint64_t service_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail: the clock exists */
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t service_deadline(int64_t timeout_ms)
{
    uint64_t ns, deadline;
    if (timeout_ms < 0 || __builtin_mul_overflow((uint64_t)timeout_ms, UINT64_C(1000000), &ns) ||
        __builtin_add_overflow(ns, service_now(), &deadline))
        return UINT64_MAX;
    return deadline;
}

/* ---- What an image would share ---- */

fnvm_error *service_note(const ServiceCall *call, DrawKind kind)
{
    if (!call->services->draws || !call->services->draws->notes_draws) return NULL;
    WasiCall wasi = {.caller = call->caller, .wasi = call->services->draws};
    wasi_note_draw(&wasi, kind);
    return wasi.error;
}
