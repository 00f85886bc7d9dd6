/* A request's head is looked through once: its fields are noted where they lie, and those that
 * concern the gateway (a call's id, a trace, a preference) are picked out. */
#include "gateway/arrivals.h"

#include <stdio.h>
#include <string.h>

#include "gateway/answer.h"
#include "gateway/worker_state.h"

/* ---- Its head ---- */

typedef struct Wishes {
    HttpText call_id, trace;
    bool async;
} Wishes;

/* RFC 7240: a list of preferences, each perhaps with a value and parameters. */
static bool prefers_async(HttpText value)
{
    for (size_t at = 0; at < value.len;) {
        const char *comma = memchr(value.at + at, ',', value.len - at);
        size_t end = comma ? (size_t)(comma - value.at) : value.len;
        const size_t next = end + 1;
        const char *semicolon = memchr(value.at + at, ';', end - at);
        if (semicolon) end = (size_t)(semicolon - value.at);
        while (at < end && (value.at[at] == ' ' || value.at[at] == '\t')) at++;
        while (end > at && (value.at[end - 1] == ' ' || value.at[end - 1] == '\t')) end--;
        if (text_is((HttpText){value.at + at, end - at}, "respond-async")) return true;
        at = next;
    }
    return false;
}

static void look_at(HttpText name, HttpText value, Wishes *w)
{
    if (name.len == 9 && text_is(name, "x-call-id") && !w->call_id.at) w->call_id = value;
    if (name.len == 11 && text_is(name, "traceparent") && !w->trace.at) w->trace = value;
    if (name.len == 6 && text_is(name, "prefer") && prefers_async(value)) w->async = true;
}

static bool read_fields(Invocation *i, Wishes *wishes)
{
    HttpField field;
    size_t n = 0;
    for (; http_field(i->request, n, &field.name, &field.value); n++) {
        if (n == TUNE_FIELDS) return false;
        text_add(&i->fields, (const char *)&field, sizeof field);
        look_at(field.name, field.value, wishes);
    }
    i->head.fields = (const HttpField *)(const void *)i->fields.at;
    i->head.nfields = n;
    return !i->fields.failed;
}

/* False: there are too many fields. */
static bool read_head(Invocation *i, bool *async)
{
    HttpRequest *r = i->request;
    Head *h = &i->head;
    Wishes wishes = {0};
    const bool fits = read_fields(i, &wishes);
    h->method = http_method(r);
    h->target = http_target(r);
    h->path = h->rest = http_path(r);
    h->query = http_query(r);
    h->host = http_host(r);
    h->has_length = http_body_length(r, &h->length);
    head_set_peer(h, http_peer(r));
    h->call_id = i->call_id;
    h->traceparent = i->traceparent;
    if (wishes.call_id.at && call_id_ok(wishes.call_id)) {
        memcpy(i->call_id, wishes.call_id.at, CALL_ID_BYTES - 1);
        i->call_id[CALL_ID_BYTES - 1] = 0;
    } else {
        call_id_new(i->call_id);
    }
    trace_next(&i->worker->traces, wishes.trace, i->traceparent);
    *async = wishes.async;
    return fits;
}

/* ---- Its function ---- */

static void refuse(Invocation *i, Outcome outcome, unsigned status, const char *why)
{
    invocation_refuse(i, outcome, status, why);
    invocation_end(i);
}

/* 405, with the methods that there are. */
static void refuse_method(Invocation *i, const Config *config)
{
    HttpText rest;
    Text allowed = {0};
    for (size_t n = 0; n < config->nroutes; n++) {
        const Route *route = &config->routes[n];
        if (!route->method) continue;
        const HttpText method = text_of(route->method);
        if (config_route(config, method, i->head.host, i->head.path, &rest) != route) continue;
        if (allowed.len) text_put(&allowed, ", ");
        text_put(&allowed, route->method);
    }
    const HttpField fields[] = {{text_of("Content-Type"), text_of("text/plain; charset=utf-8")},
                                {text_of("Allow"), {allowed.at, allowed.len}}};
    char why[128];
    const int len = snprintf(
        why, sizeof why, "405: there is nothing at this path for this method (call %s)\n", i->call_id);
    invocation_answer(i, 405, fields, allowed.len ? 2 : 1, why, (size_t)len);
    text_free(&allowed);
    invocation_end(i);
}

void arrivals_route(Invocation *i, bool async)
{
    Worker *w = i->worker;
    Head *h = &i->head;
    const Config *config = w->table->config->config;
    const Route *route = config_route(config, h->method, h->host, h->path, &h->rest);
    if (!route && config_other_method(config, h->host, h->path)) {
        refuse_method(i, config);
        return;
    }
    if (!route) {
        refuse(i, OUTCOME_OK, 404, "there is nothing at this path");
        return;
    }
    invocation_bind(i, w->table, route->function);
    if (!i->function || w->stopping) {
        refuse(i, OUTCOME_SHED, 503,
               i->function ? "the server is going down" : "the function is not installed yet");
        return;
    }
    const Function *f = i->function->settings;
    h->route = text_of(route->path);
    h->script = (HttpText){h->path.at, h->path.len - h->rest.len};
    if (h->has_length && h->length > f->body_bytes) {
        refuse(i, OUTCOME_SHED, 413, "the body is too large");
        return;
    }
    http_limit_body(i->request, f->body_bytes);
    invocation_set_deadline(i, i->arrived_ns + f->timeout_ms * 1000000);
    if (async) {
        async_start(i);
        return;
    }
    i->collects = f->protocol == PROTOCOL_FAASM;
    invocation_submit(i);
}

/* ---- From the server ---- */

static void arrived(void *env, HttpRequest *r)
{
    Worker *w = env;
    Invocation *i = invocation_new(w);
    http_set_env(r, i);
    if (!i) {
        http_answer(r, 503, NULL, 0, NULL, 0);
        return;
    }
    i->request = r;
    bool async;
    if (!read_head(i, &async)) refuse(i, OUTCOME_OK, 431, "there are too many header fields");
    else if (i->head.path.len >= 3 && memcmp(i->head.path.at, "/_/", 3) == 0) builtin_answer(i);
    else arrivals_route(i, async);
}

static void ready(void *env, HttpRequest *r)
{
    (void)env;
    Invocation *i = http_env(r);
    if (!i) return;
    if (i->phase == PHASE_COLLECTING) async_collect(i);
    else invocation_wake(i);
}

static void gone(void *env, HttpRequest *r, bool cut)
{
    (void)env;
    Invocation *i = http_env(r);
    if (i) invocation_gone(i, cut);
}

HttpHandlers arrivals_handlers(Worker *w)
{
    return (HttpHandlers){.env = w, .arrived = arrived, .ready = ready, .gone = gone};
}
