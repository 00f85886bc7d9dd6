/* A Config as the YAML that it could have been read from.  Quantities are written as they are,
 * and everything is said, so that a default that changes between two versions changes nothing
 * for who reads it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config.h"
#include "verifier/policy/manifest.h"
#include "verifier/policy/yaml.h"

typedef struct Print { FILE *out; bool ok; } Print;

/* `key` with its indentation. */
static void put_text(Print *p, const char *key, const char *text)
{
    if (!text) return;
    fprintf(p->out, "%s: ", key);
    p->ok &= yamldoc_print_text(p->out, text);
    fputc('\n', p->out);
}

static void put_number(Print *p, const char *key, uint64_t number)
{
    fprintf(p->out, "%s: %" PRIu64 "\n", key, number);
}

static void put_ms(Print *p, const char *key, uint64_t number)
{
    fprintf(p->out, "%s: %" PRIu64 "ms\n", key, number);
}

static void put_list(Print *p, const char *key, char *const *texts, size_t n)
{
    fprintf(p->out, "    %s: [", key);
    for (size_t i = 0; i < n; i++) {
        if (i) fputs(", ", p->out);
        p->ok &= yamldoc_print_text(p->out, texts[i]);
    }
    fputs("]\n", p->out);
}

/* {NAME: VALUE, ...}, or {NAME: {file: VALUE}, ...}. */
static void put_pairs(Print *p, const char *key, const ConfigPair *pairs, size_t n, bool files)
{
    fprintf(p->out, "    %s: {", key);
    for (size_t i = 0; i < n; i++) {
        if (i) fputs(", ", p->out);
        p->ok &= yamldoc_print_text(p->out, pairs[i].name);
        fputs(files ? ": {file: " : ": ", p->out);
        p->ok &= yamldoc_print_text(p->out, pairs[i].value);
        if (files) fputc('}', p->out);
    }
    fputs("}\n", p->out);
}

static void put_mounts(Print *p, const Function *f)
{
    fputs(f->nmounts ? "    mounts:\n" : "    mounts: []\n", p->out);
    for (size_t i = 0; i < f->nmounts; i++) {
        const ConfigMount *m = &f->mounts[i];
        fputs("      - {host: ", p->out);
        p->ok &= yamldoc_print_text(p->out, m->host);
        fputs(", guest: ", p->out);
        p->ok &= yamldoc_print_text(p->out, m->guest);
        fprintf(p->out, ", access: %s}\n", m->read_only ? "ro" : "rw");
    }
}

static void put_library(Print *p, const ManifestLibrary *l)
{
    fputs("      - {library: ", p->out);
    p->ok &= yamldoc_print_text(p->out, l->library);
    fputs(", module: ", p->out);
    p->ok &= yamldoc_print_text(p->out, l->module);
    fputs(", functions: {", p->out);
    for (size_t i = 0; i < l->nfunctions; i++) {
        if (i) fputs(", ", p->out);
        p->ok &= yamldoc_print_text(p->out, l->functions[i].name);
        fputs(": ", p->out);
        p->ok &= yamldoc_print_text(p->out, l->functions[i].signature);
    }
    fputs("}}\n", p->out);
}

static void put_native(Print *p, const Function *f)
{
    fputs(f->nnative ? "    native:\n" : "    native: []\n", p->out);
    for (size_t i = 0; i < f->nnative; i++) put_library(p, &f->native[i]);
}

static void put_routes(Print *p, const Config *c, size_t function)
{
    fputs("    routes:", p->out);
    bool any = false;
    for (size_t i = 0; i < c->nroutes; i++) {
        const Route *r = &c->routes[i];
        char *text = NULL;
        if (r->function != function) continue;
        fputs("\n      - ", p->out);
        any = true;
        if (asprintf(&text, "%s%s%s%s", r->method ? r->method : "", r->method ? " " : "",
                     r->host ? r->host : "", r->path) < 0) {
            p->ok = false;
            return;
        }
        p->ok &= yamldoc_print_text(p->out, text);
        free(text);
    }
    fputs(any ? "\n" : " []\n", p->out);
}

static void put_function(Print *p, const Config *c, size_t i)
{
    static const char *const protocols[] = {
        [PROTOCOL_CGI] = "cgi", [PROTOCOL_HTTP] = "http", [PROTOCOL_HANDLER] = "handler",
        [PROTOCOL_FAASM] = "faasm"};
    const Function *f = &c->functions[i];
    put_text(p, "  - name", f->name);
    put_text(p, "    version", f->version);
    put_text(p, "    image", f->image);
    put_text(p, "    policy", f->policy);
    put_text(p, "    measurement", f->measurement);
    put_number(p, "    slot", f->slot);
    fprintf(p->out, "    protocol: %s\n", protocols[f->protocol]);
    put_text(p, "    tenant", f->tenant);
    put_number(p, "    tenant_slot", f->tenant_slot);
    put_routes(p, c, i);
    put_ms(p, "    timeout", f->timeout_ms);
    put_number(p, "    body", f->body_bytes);
    put_number(p, "    answer", f->answer_bytes);
    put_number(p, "    log", f->log_bytes);
    put_number(p, "    memory", f->memory_bytes);
    put_number(p, "    concurrency", f->concurrency);
    put_number(p, "    queue", f->queue);
    put_number(p, "    ready", f->ready);
    put_text(p, "    kv", f->kv_prefix);
    put_list(p, "args", f->args, f->nargs);
    put_list(p, "calls", f->calls, f->ncalls);
    put_list(p, "http", f->http_allow, f->nhttp_allow);
    put_mounts(p, f);
    put_native(p, f);
    put_pairs(p, "environment", f->env, f->nenv, false);
    put_pairs(p, "secrets", f->secrets, f->nsecrets, true);
}

static void put_tenants(Print *p, const Config *c)
{
    if (c->ntenants) fputs("tenants:\n", p->out);
    for (size_t i = 0; i < c->ntenants; i++) {
        const Tenant *t = &c->tenants[i];
        fprintf(p->out, "  %s: {", t->name); /* needs no quotes */
        if (t->concurrency != UINT32_MAX)
            fprintf(p->out, "concurrency: %" PRIu32 ", ", t->concurrency);
        if (t->memory_bytes != UINT64_MAX) fprintf(p->out, "memory: %" PRIu64, t->memory_bytes);
        fputs("}\n", p->out);
    }
}

static void put_limits(Print *p, const HttpLimits *l)
{
    fputs("limits:\n", p->out);
    put_number(p, "  connections", l->connections);
    put_number(p, "  connections_per_address", l->connections_per_address);
    put_number(p, "  head", l->head_bytes);
    put_number(p, "  body", l->body_bytes);
    put_number(p, "  buffer", l->buffer_bytes);
    put_ms(p, "  head_time", l->head_ms);
    put_ms(p, "  body_time", l->body_ms);
    put_ms(p, "  idle_time", l->idle_ms);
}

static void put_redis(Print *p, const ConfigRedis *r)
{
    if (!r->user && !r->password_file && !r->ca && !r->certificate && !r->key) return;
    fputs("redis:\n", p->out);
    put_text(p, "  user", r->user);
    if (r->password_file) fputs("  password:\n", p->out);
    put_text(p, "    file", r->password_file);
    put_text(p, "  ca", r->ca);
    put_text(p, "  certificate", r->certificate);
    put_text(p, "  key", r->key);
}

static void put_all(Print *p, const Config *c)
{
    static const char *const modes[] = {
        [NARROW_NO] = "no", [NARROW_AUTO] = "auto", [NARROW_REQUIRE] = "require"};
    put_number(p, "generation", c->generation);
    put_text(p, "listen", c->listen);
    put_text(p, "status", c->status);
    put_text(p, "admin", c->admin);
    put_text(p, "state", c->state);
    put_text(p, "depot", c->depot);
    put_text(p, "access_log", c->access_log);
    put_text(p, "kv", c->kv);
    put_redis(p, &c->redis);
    put_number(p, "workers", c->workers);
    put_ms(p, "grace", c->grace_ms);
    put_text(p, "narrow", modes[c->narrow]);
    put_limits(p, &c->http);
    put_tenants(p, c);
    fputs(c->nfunctions ? "functions:\n" : "functions: []\n", p->out);
    for (size_t i = 0; i < c->nfunctions; i++) put_function(p, c, i);
}

fnvm_error *config_print(const Config *c, char **text, size_t *len)
{
    *text = NULL;
    Print p = {.out = open_memstream(text, len), .ok = true};
    if (!p.out) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    put_all(&p, c);
    const bool written = !ferror(p.out);
    if (fclose(p.out) == 0 && written && p.ok) return NULL;
    free(*text);
    *text = NULL;
    return written ? fnvm_error_new(FNVM_E_UNSUPPORTED,
                                    "a path or a value in the configuration is no UTF-8")
                   : fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
}
