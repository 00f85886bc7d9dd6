/* Runs functions written for Faasm, in the smallest embedder that can: a call runs at once, in a
 * store of its own, and its output is kept until it is asked for.
 *
 *     faasm STORE NAME=FILE... NAME [INPUT]     calls NAME's _start; prints its output
 *
 * STORE is a file for keys and values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fnvm.h"

enum { FUNCTIONS = 8, CALLS = 64 };

typedef struct Host Host;
typedef struct Function {
    Host *host;
    const char *name;
    fnvm_module *module;
} Function;
typedef struct Call {
    int status;
    char *output;
    size_t len;
} Call;
struct Host {
    fnvm_engine *engine;
    fnvm_kv *kv;
    Function functions[FUNCTIONS];
    size_t nfunctions;
    Call calls[CALLS];
    size_t ncalls;
};

static void report(fnvm_error *error)
{
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        fprintf(stderr, "%s\n", fnvm_error_message(e));
    fnvm_error_free(error);
}

/* ---- Running one ---- */

typedef struct Run {
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_wasi *wasi;
    fnvm_services *services;
    fnvm_instance *instance;
} Run;

static int64_t on_start(void *env, fnvm_caller *, const char *name, size_t name_len,
                        const void *input, size_t len);

static bool on_poll(void *env, fnvm_caller *caller, int64_t id, bool wait, uint64_t deadline_ns,
                    int *status, const void **answer, size_t *len, fnvm_error **error)
{
    const Call *call = &((Function *)env)->host->calls[id - 1];
    (void)caller, (void)wait, (void)deadline_ns, (void)error;
    *status = call->status;
    *answer = call->output;
    *len = call->len;
    return true;
}

static void on_drop(void *env, int64_t id) { (void)env, (void)id; } /* kept until the end */

static fnvm_error *prepare(Function *f, Run *r)
{
    const fnvm_task_backend backend = {f, on_start, on_poll, on_drop};
    fnvm_error *error = fnvm_store_new(f->host->engine, &r->store);
    if (!error) error = fnvm_linker_new(r->store, &r->linker);
    if (!error) error = fnvm_wasi_new(&r->wasi);
    if (!error) error = fnvm_wasi_inherit_stdio(r->wasi);
    if (!error) error = fnvm_linker_define_wasi(r->linker, r->wasi);
    if (!error) error = fnvm_services_new(&r->services);
    if (!error) error = fnvm_services_kv(r->services, f->host->kv, "state/");
    if (error) return error;
    fnvm_services_calls(r->services, &backend);
    error = fnvm_linker_define_services(r->linker, r->services);
    return error ? error : fnvm_linker_instantiate(r->linker, f->module, &r->instance);
}

/* The export _start, or what "#N" stands for. */
static fnvm_error *enter(const Run *r, const char *name, size_t len, int *status)
{
    fnvm_extern func;
    fnvm_val result = {FNVM_I32, {.i32 = 0}};
    fnvm_error *error = NULL;
    if (len && name[0] == '#') {
        error = fnvm_services_chained(r->instance, name, len, &func);
        if (!error) error = fnvm_func_call(r->store, func, NULL, 0, &result, 1);
    } else if (!fnvm_instance_export(r->instance, "_start", 6, &func)) {
        return fnvm_error_new(FNVM_E_LINK, "no _start");
    } else {
        error = fnvm_func_call(r->store, func, NULL, 0, NULL, 0);
        if (error && fnvm_error_code(error) == FNVM_E_EXIT) {
            result.of.i32 = fnvm_error_exit_status(error);
            fnvm_error_free(error);
            error = NULL;
        }
    }
    *status = error || result.of.i32 ? FNVM_SERVICE_FAILED : FNVM_SERVICE_OK;
    return error;
}

static void run(Function *f, const char *name, size_t name_len, const void *input, size_t len,
                Call *out)
{
    Run r = {0};
    const void *output = NULL;
    *out = (Call){.status = FNVM_SERVICE_FAILED};
    fnvm_error *error = prepare(f, &r);
    if (!error) {
        fnvm_services_input(r.services, input, len);
        error = enter(&r, name, name_len, &out->status);
    }
    if (!error && out->status == FNVM_SERVICE_OK) {
        error = fnvm_services_output(r.services, &output, &out->len);
        if (error) out->status = FNVM_SERVICE_FAILED;
    }
    if (error) report(error);
    out->output = malloc(out->len + 1);
    if (!out->output) out->status = FNVM_SERVICE_FAILED;
    else if (out->len) memcpy(out->output, output, out->len);
    fnvm_linker_free(r.linker);
    fnvm_store_free(r.store);
    fnvm_services_free(r.services);
    fnvm_wasi_free(r.wasi);
}

static Function *find(Host *h, const char *name, size_t len)
{
    for (size_t i = 0; i < h->nfunctions; i++)
        if (strlen(h->functions[i].name) == len && memcmp(h->functions[i].name, name, len) == 0)
            return &h->functions[i];
    return NULL;
}

static int64_t on_start(void *env, fnvm_caller *caller, const char *name, size_t name_len,
                        const void *input, size_t len)
{
    Function *me = env, *f = name[0] == '#' ? me : find(me->host, name, name_len);
    (void)caller;
    if (!f) return FNVM_SERVICE_NOT_FOUND;
    if (me->host->ncalls == CALLS) return FNVM_SERVICE_LIMIT;
    Call call;
    run(f, name, name_len, input, len, &call); /* it may call others, which take places first */
    if (me->host->ncalls == CALLS) {
        free(call.output);
        return FNVM_SERVICE_LIMIT;
    }
    me->host->calls[me->host->ncalls] = call;
    return (int64_t)++me->host->ncalls;
}

/* ---- The program ---- */

static fnvm_error *load(Host *h, int argc, char **argv, int *at)
{
    fnvm_error *error = fnvm_engine_new(NULL, &h->engine);
    if (!error) error = fnvm_kv_open(argv[1], &h->kv);
    for (*at = 2; !error && *at < argc && strchr(argv[*at], '=') && h->nfunctions < FUNCTIONS;
         ++*at) {
        char *file = strchr(argv[*at], '=');
        *file++ = '\0';
        Function *f = &h->functions[h->nfunctions];
        error = fnvm_module_load(h->engine, file, &f->module);
        if (error) break;
        f->host = h;
        f->name = argv[*at];
        h->nfunctions++;
    }
    return error;
}

int main(int argc, char **argv)
{
    Host *h = calloc(1, sizeof *h);
    int at = 2, status = 1;
    if (!h || argc < 4) {
        fprintf(stderr, "usage: faasm STORE NAME=FILE... NAME [INPUT]\n");
        free(h);
        return 2;
    }
    fnvm_error *error = load(h, argc, argv, &at);
    Function *f = !error && at < argc ? find(h, argv[at], strlen(argv[at])) : NULL;
    if (error) report(error);
    if (f) {
        const char *input = at + 1 < argc ? argv[at + 1] : "";
        Call call;
        run(f, "", 0, input, strlen(input), &call);
        status = call.status != FNVM_SERVICE_OK;
        if (call.output) fwrite(call.output, 1, call.len, stdout);
        free(call.output);
    }
    for (size_t i = 0; i < h->ncalls; i++) free(h->calls[i].output);
    for (size_t i = 0; i < h->nfunctions; i++) fnvm_module_release(h->functions[i].module);
    fnvm_kv_release(h->kv);
    fnvm_engine_free(h->engine);
    free(h);
    return status;
}
