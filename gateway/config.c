/* A Config is made of what serve.h has read: numbers get the sizes that the gateway counts in,
 * routes are sorted, and what contradicts itself is refused.  Strings stay where they were read. */
#include "gateway/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/route.h"
#include "verifier/policy/manifest.h"

_Static_assert((int)PROTOCOL_CGI == SERVE_CGI && (int)PROTOCOL_HTTP == SERVE_HTTP &&
                   (int)PROTOCOL_HANDLER == SERVE_HANDLER &&
                   (int)PROTOCOL_FAASM == SERVE_FAASM,
               "protocols have the same numbers");

static fnvm_error *no_memory(void)
{
    return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
}

/* calloc that gives something for nothing, too. */
static void *array(size_t n, size_t size) { return calloc(n ? n : 1, size); }

static uint64_t ms(uint64_t ns) { return (ns + 999999) / 1000000; }
static uint32_t short_ms(uint64_t ns) { return (uint32_t)ms(ns); } /* a day at most */

/* ---- Functions ---- */

static bool copy_given(Function *f, const ServeFunction *from)
{
    f->args = from->args, f->nargs = from->nargs;
    f->native = from->native, f->nnative = from->nnative;
    f->nmounts = from->nmounts;
    f->nsecrets = from->settings.nsecrets;
    f->mounts = array(f->nmounts, sizeof *f->mounts);
    f->env = array(from->nenv, sizeof *f->env);
    f->secrets = array(f->nsecrets, sizeof *f->secrets);
    if (!f->mounts || !f->env || !f->secrets) return false;
    for (size_t i = 0; i < f->nmounts; i++)
        f->mounts[i] =
            (ConfigMount){from->mounts[i].host, from->mounts[i].guest, from->mounts[i].read_only};
    f->nenv = 0;
    for (size_t i = 0; i < from->nenv; i++) { /* null is the value that we have, if any */
        char *value = from->env[i].value ? from->env[i].value : getenv(from->env[i].name);
        if (value) f->env[f->nenv++] = (ConfigPair){from->env[i].name, value};
    }
    for (size_t i = 0; i < f->nsecrets; i++)
        f->secrets[i] =
            (ConfigPair){from->settings.secrets[i].name, from->settings.secrets[i].file};
    return true;
}

static bool make_function(Function *f, const ServeFunction *from)
{
    const ServeSettings *s = &from->settings;
    *f = (Function){.name = from->name,
                    .version = from->version,
                    .slot = (uint32_t)from->slot,
                    .protocol = (Protocol)s->protocol,
                    .image = from->image,
                    .policy = from->policy,
                    .measurement = from->measurement,
                    .tenant = s->tenant,
                    .tenant_slot = (uint32_t)from->tenant_slot,
                    .timeout_ms = ms(s->timeout),
                    .body_bytes = s->body,
                    .answer_bytes = s->answer,
                    .log_bytes = s->log,
                    .memory_bytes = s->memory,
                    .concurrency = (uint32_t)s->concurrency,
                    .queue = (uint32_t)s->queue,
                    .ready = (uint32_t)s->ready,
                    .calls = s->calls,
                    .ncalls = s->ncalls,
                    .http_allow = s->http,
                    .nhttp_allow = s->nhttp,
                    .kv_prefix = s->kv && !*s->kv ? from->name : s->kv};
    return copy_given(f, from);
}

static void free_functions(Config *c)
{
    for (size_t i = 0; c->functions && i < c->nfunctions; i++) {
        free(c->functions[i].mounts);
        free(c->functions[i].env);
        free(c->functions[i].secrets);
    }
    free(c->functions);
}

static fnvm_error *make_functions(Config *c, ServeGateway *g)
{
    c->functions = array(g->nfunctions, sizeof *c->functions);
    if (!c->functions) return no_memory();
    c->nfunctions = g->nfunctions;
    for (size_t i = 0; i < g->nfunctions; i++) {
        const ServeFunction *f = &g->functions[i];
        for (size_t k = 0; k < i; k++) {
            const ServeFunction *other = &g->functions[k];
            if (strcmp(f->name, other->name) == 0)
                return fnvm_error_new(FNVM_E_INVALID,
                                      "%s:%u: there is a function `%s` already, in %s:%u", f->file,
                                      f->line, f->name, other->file, other->line);
        }
        if (!make_function(&c->functions[i], f)) return no_memory();
    }
    return NULL;
}

/* A variable that is both given and secret would be one of the two by chance. */
static fnvm_error *check_secrets(const Config *c, const ServeGateway *g)
{
    for (size_t i = 0; i < c->nfunctions; i++) {
        const Function *f = &c->functions[i];
        for (size_t k = 0; k < f->nsecrets; k++)
            for (size_t n = 0; n < f->nenv; n++)
                if (strcmp(f->secrets[k].name, f->env[n].name) == 0)
                    return fnvm_error_new(FNVM_E_INVALID,
                                          "%s:%u: `%s` has the variable %s as a secret, and "
                                          "in its environment",
                                          g->functions[i].file, g->functions[i].line, f->name,
                                          f->env[n].name);
    }
    return NULL;
}

/* An engine without a policy would let them be had. */
static fnvm_error *check_natives(const ServeGateway *g)
{
    for (size_t i = 0; i < g->nfunctions; i++) {
        const ServeFunction *f = &g->functions[i];
        if (!f->nnative || f->policy || (f->manifest && f->manifest->policy)) continue;
        return fnvm_error_new(FNVM_E_POLICY,
                              "%s:%u: `%s` has `native` functions, which are called only under a "
                              "policy that has `native: [%s]`, and there is none",
                              f->file, f->line, f->name, f->native[0].library);
    }
    return NULL;
}

/* ---- Routes ---- */

typedef struct Placed {
    Route route;
    const char *file;
    uint32_t line;
} Placed; /* where it was read */

static int compare_placed(const void *a, const void *b)
{
    const Placed *one = a, *two = b;
    const int order = route_compare(&one->route, &two->route);
    return order ? order
                 : (one->route.function > two->route.function) -
                       (one->route.function < two->route.function);
}

/* The default: all below /NAME. */
static fnvm_error *add_default(ServeGateway *g, const ServeFunction *f, Placed *out)
{
    char path[80];
    snprintf(path, sizeof path, "/%s/*", f->name);
    out->route.path = serve_text(g, path);
    out->line = f->line;
    return out->route.path ? NULL : no_memory();
}

static fnvm_error *list_routes(ServeGateway *g, Placed *out, size_t *n)
{
    for (size_t i = 0; i < g->nfunctions; i++) {
        const ServeFunction *f = &g->functions[i];
        const ServeSettings *s = &f->settings;
        for (size_t k = 0; k < s->nroutes || (k == 0 && s->default_routes); k++) {
            Placed *p = &out[(*n)++];
            *p = (Placed){.route = {.function = (uint32_t)i}, .file = f->file};
            if (s->default_routes) {
                fnvm_error *error = add_default(g, f, p);
                if (error) return error;
            } else {
                const ServeRoute *r = &s->routes[k];
                p->route.method = r->method, p->route.host = r->host, p->route.path = r->path;
                p->line = r->line;
            }
            route_measure(&p->route);
        }
    }
    return NULL;
}

static fnvm_error *check_routes(const ServeGateway *g, const Placed *all, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        const Placed *a = &all[i - 1], *b = &all[i];
        if (route_compare(&a->route, &b->route) != 0) continue;
        return fnvm_error_new(
            FNVM_E_INVALID, "%s:%u: the route `%s%s%s%s` of `%s` is in %s:%u already, of `%s`",
            b->file, b->line, b->route.method ? b->route.method : "", b->route.method ? " " : "",
            b->route.host ? b->route.host : "", b->route.path, g->functions[b->route.function].name,
            a->file, a->line, g->functions[a->route.function].name);
    }
    return NULL;
}

static fnvm_error *make_routes(Config *c, ServeGateway *g)
{
    size_t most = 0, n = 0;
    for (size_t i = 0; i < g->nfunctions; i++) most += g->functions[i].settings.nroutes + 1;
    Placed *all = array(most, sizeof *all);
    c->routes = array(most, sizeof *c->routes);
    fnvm_error *error = all && c->routes ? list_routes(g, all, &n) : no_memory();
    if (!error) {
        qsort(all, n, sizeof *all, compare_placed);
        error = check_routes(g, all, n);
        for (size_t i = 0; i < n; i++) c->routes[i] = all[i].route;
        c->nroutes = n;
    }
    free(all);
    return error;
}

/* ---- The whole ---- */

static fnvm_error *make_tenants(Config *c, const ServeGateway *g)
{
    c->tenants = array(g->ntenants, sizeof *c->tenants);
    if (!c->tenants) return no_memory();
    c->ntenants = g->ntenants;
    for (size_t i = 0; i < g->ntenants; i++)
        c->tenants[i] =
            (Tenant){g->tenants[i].name, (uint32_t)g->tenants[i].concurrency, g->tenants[i].memory};
    return NULL;
}

static uint32_t processors(void)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > CONFIG_WORKERS ? CONFIG_WORKERS : (uint32_t)n;
}

static fnvm_error *fill(Config *c, ServeGateway *g)
{
    const ServeLimits *l = &g->limits;
    c->listen = g->listen, c->status = g->status, c->admin = g->admin, c->state = g->state;
    c->depot = g->depot, c->access_log = g->access_log;
    c->kv = g->kv && strcmp(g->kv, "file") != 0 ? g->kv : NULL;
    c->redis = (ConfigRedis){g->redis.user, g->redis.password.file, g->redis.ca,
                             g->redis.certificate, g->redis.key};
    c->workers = g->workers ? (uint32_t)g->workers : processors();
    c->grace_ms = short_ms(g->grace);
    c->generation = g->generation;
    c->narrow = g->narrow == SERVE_NARROW_NO        ? NARROW_NO
                : g->narrow == SERVE_NARROW_REQUIRE ? NARROW_REQUIRE
                                                    : NARROW_AUTO;
    c->http = (HttpLimits){
        .connections = (uint32_t)l->connections,
        .connections_per_address = (uint32_t)l->connections_per_address, .head_bytes = l->head,
        .body_bytes = l->body, .buffer_bytes = l->buffer, .head_ms = short_ms(l->head_time),
        .body_ms = short_ms(l->body_time), .idle_ms = short_ms(l->idle_time)};
    const ConfigRedis *r = &c->redis;
    if ((r->user || r->password_file || r->ca || r->certificate || r->key) && !c->kv)
        return fnvm_error_new(FNVM_E_INVALID, "%s: `redis` is for a `kv` that is in Redis: "
                              "redis://HOST", g->path);
    fnvm_error *error = make_tenants(c, g);
    if (!error) error = make_functions(c, g);
    if (!error) error = check_secrets(c, g);
    if (!error) error = check_natives(g);
    return error ? error : make_routes(c, g);
}

fnvm_error *config_make(ServeGateway *g, Config **out)
{
    Config *c = calloc(1, sizeof *c);
    if (!c) {
        serve_free(g);
        return no_memory();
    }
    c->source = g;
    fnvm_error *error = fill(c, g);
    if (error) config_free(c);
    else *out = c;
    return error;
}

fnvm_error *config_load(const char *path, Config **out)
{
    ServeGateway *g;
    fnvm_error *error = serve_load(path, &g);
    return error ? error : config_make(g, out);
}

fnvm_error *config_parse(const char *name, const char *yaml, size_t len, Config **out)
{
    ServeGateway *g;
    fnvm_error *error = serve_parse(name, yaml, len, &g);
    return error ? error : config_make(g, out);
}

void config_free(Config *c)
{
    if (!c) return;
    free_functions(c);
    free(c->tenants);
    free(c->routes);
    serve_free(c->source);
    free(c);
}

const Function *config_function(const Config *c, const char *name, size_t len)
{
    for (size_t i = 0; i < c->nfunctions; i++)
        if (strlen(c->functions[i].name) == len && memcmp(c->functions[i].name, name, len) == 0)
            return &c->functions[i];
    return NULL;
}

char *config_keys(const Function *f)
{
    char *prefix = NULL;
    return asprintf(&prefix, "%s/", f->kv_prefix) < 0 ? NULL : prefix;
}
