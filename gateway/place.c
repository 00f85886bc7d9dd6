/* What an instance is given: WASI over streams, the host interfaces, and the functions behind
 * them.  These come from the guest's thread, which has lent the token out: each takes hold of it
 * first (pin), and nothing in between waits. */
#include <stdlib.h>
#include <string.h>

#include "cli/natives.h"
#include "gateway/answer.h"
#include "gateway/calls_local.h"
#include "gateway/worker_state.h"

/* ---- Standard streams ---- */

static fnvm_error *read_input(void *env, fnvm_caller *caller, void *to, size_t size, size_t *done)
{
    Invocation *i = ((Place *)env)->user;
    Runner *r = i->runner;
    if (size == 0) return NULL; /* whether it would have to wait: it is told when it reads */
    if (i->function->settings->protocol == PROTOCOL_FAASM)
        return NULL; /* it has its input already */
    runner_pin(r);
    fnvm_error *error = invocation_read(i, caller, to, size, done);
    runner_unpin(r);
    return error;
}

static fnvm_error *write_output(void *env, fnvm_caller *caller, const void *from, size_t size,
                                size_t *done)
{
    Invocation *i = ((Place *)env)->user;
    Runner *r = i->runner;
    if (size == 0) return NULL;
    runner_pin(r);
    fnvm_error *error = invocation_write(i, caller, from, size, done);
    runner_unpin(r);
    return error;
}

static fnvm_error *write_log(void *env, fnvm_caller *caller, const void *from, size_t size,
                             size_t *done)
{
    (void)caller;
    Invocation *i = ((Place *)env)->user;
    Runner *r = i->runner;
    runner_pin(r);
    invocation_log(i, from, size);
    runner_unpin(r);
    *done = size;
    return NULL;
}

static fnvm_error *at_sleep(void *env, fnvm_caller *caller, uint64_t deadline_ns)
{
    Invocation *i = ((Place *)env)->user;
    Runner *r = i->runner;
    if (deadline_ns == 0) return NULL; /* sched_yield: it would ask for ever */
    runner_pin(r);
    fnvm_error *waits = fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
    if (fnvm_error_code(waits) == FNVM_E_SUSPENDED && deadline_ns != UINT64_MAX)
        timer_set(&i->worker->timers, &i->sleep, deadline_ns);
    runner_unpin(r);
    return waits;
}

/* ---- fnvm:log ---- */

static void log_line(void *env, fnvm_log_level level, const char *text, size_t len,
                     const char *fields, size_t fields_len)
{
    static const char *const levels[] = {"debug: ", "info: ", "warning: ", "error: "};
    Invocation *i = ((Place *)env)->user;
    Runner *r = i->runner;
    char line[TUNE_LOG_LINE];
    size_t at = strlen(levels[level]);
    memcpy(line, levels[level], at);
    const size_t room = sizeof line - at - 1;
    if (len > room) len = room;
    memcpy(line + at, text, len);
    at += len;
    if (fields_len && fields_len < sizeof line - at) {
        line[at++] = ' ';
        memcpy(line + at, fields, fields_len);
        at += fields_len;
    }
    runner_pin(r);
    invocation_log_line(i, line, at);
    runner_unpin(r);
}

/* ---- fnvm:request ---- */

static bool pick(HttpText text, const char **at, size_t *len)
{
    *at = text.at ? text.at : "";
    *len = text.len;
    return text.at != NULL;
}

static HttpText field_named(const Head *h, const char *name, size_t len)
{
    for (size_t i = 0; i < h->nfields; i++)
        if (h->fields[i].name.len == len && strncasecmp(h->fields[i].name.at, name, len) == 0)
            return h->fields[i].value;
    const HttpText asked = {name, len};
    if (text_is(asked, "x-call-id")) return text_of(h->call_id);
    if (text_is(asked, "traceparent")) return text_of(h->traceparent);
    return (HttpText){NULL, 0};
}

static HttpText all_fields(Invocation *i)
{
    if (!i->told.len) head_fields_text(&i->head, &i->told);
    return i->told.failed ? (HttpText){NULL, 0} : (HttpText){i->told.at, i->told.len};
}

/* What it returns has to stay when the request goes while the guest runs. */
static bool part_of(Invocation *i, fnvm_request_part part, const char *name, size_t name_len,
                    const char **at, size_t *len)
{
    const Head *h = &i->head;
    const Secret *secret;
    invocation_own_head(i);
    switch (part) {
    case FNVM_REQUEST_METHOD: return pick(h->method, at, len);
    case FNVM_REQUEST_TARGET: return pick(h->target, at, len);
    case FNVM_REQUEST_PATH: return pick(h->rest, at, len);
    case FNVM_REQUEST_QUERY: return pick(h->query, at, len);
    case FNVM_REQUEST_HOST: return pick(h->host, at, len);
    case FNVM_REQUEST_PEER: return pick(text_of(h->peer), at, len);
    case FNVM_REQUEST_ID: return pick(text_of(i->call_id), at, len);
    case FNVM_REQUEST_FIELDS: return pick(all_fields(i), at, len);
    case FNVM_REQUEST_FIELD: return pick(field_named(h, name, name_len), at, len);
    case FNVM_REQUEST_SECRET:
        secret = secrets_find(&i->function->secrets, name, name_len);
        return secret && pick((HttpText){secret->value, secret->len}, at, len);
    }
    return false;
}

static bool request_part(void *env, fnvm_request_part part, const char *name, size_t name_len,
                         const char **at, size_t *len)
{
    Invocation *i = ((Place *)env)->user;
    Runner *r = i->runner;
    runner_pin(r);
    const bool found = part_of(i, part, name, name_len, at, len);
    runner_unpin(r);
    return found;
}

static bool may_say(const Invocation *i)
{
    return i->function->settings->protocol == PROTOCOL_HANDLER && !i->begun && !i->out.len;
}

static int request_status(void *env, unsigned status)
{
    Invocation *i = ((Place *)env)->user;
    Runner *r = i->runner;
    runner_pin(r);
    const bool may = may_say(i) && status >= 200 && status <= 599;
    if (may) i->status = status;
    runner_unpin(r);
    return may ? FNVM_SERVICE_OK : FNVM_SERVICE_INVALID;
}

static int add_field(Invocation *i, HttpText name, HttpText value)
{
    if (!may_say(i) || !field_name_ok(name) || !field_value_ok(value)) return FNVM_SERVICE_INVALID;
    if (field_is_hop_by_hop(name) || text_is(name, "content-length") || text_is(name, "x-call-id"))
        return FNVM_SERVICE_INVALID;
    if (i->nanswer_fields == TUNE_ANSWER_FIELDS ||
        i->answer_fields.len + name.len + value.len > TUNE_ANSWER_BYTES)
        return FNVM_SERVICE_TOO_LARGE;
    Text *t = &i->answer_fields;
    const size_t before = t->len;
    text_add(t, name.at, name.len);
    text_char(t, 0);
    text_add(t, value.at, value.len);
    text_char(t, 0);
    if (t->failed) {
        t->len = before;
        t->failed = false;
        return FNVM_SERVICE_LIMIT;
    }
    i->nanswer_fields++;
    return FNVM_SERVICE_OK;
}

static int request_field(void *env, const char *name, size_t name_len, const char *value,
                         size_t value_len)
{
    Invocation *i = ((Place *)env)->user;
    Runner *r = i->runner;
    runner_pin(r);
    const int status = add_field(i, (HttpText){name, name_len}, (HttpText){value, value_len});
    runner_unpin(r);
    return status;
}

/* In the other protocols the answer is what comes on standard output. */
static fnvm_error *request_write(void *env, fnvm_caller *caller, const void *from, size_t size,
                                 size_t *done)
{
    const Invocation *i = ((Place *)env)->user;
    if (i->function->settings->protocol != PROTOCOL_HANDLER) return NULL;
    return write_output(env, caller, from, size, done);
}

/* ---- Making one ---- */

static fnvm_error *define_streams(Place *p)
{
    const Protocol protocol = p->function->settings->protocol;
    const bool answers = protocol == PROTOCOL_CGI || protocol == PROTOCOL_HTTP;
    const fnvm_stream in = {.env = p, .read = read_input},
                      out = {.env = p, .write = answers ? write_output : write_log},
                      err = {.env = p, .write = write_log};
    fnvm_error *error = fnvm_wasi_stream(p->wasi, 0, &in);
    if (!error) error = fnvm_wasi_stream(p->wasi, 1, &out);
    if (!error) error = fnvm_wasi_stream(p->wasi, 2, &err);
    fnvm_wasi_at_sleep(p->wasi, at_sleep, p);
    return error;
}

static fnvm_error *define_environment(const Opened *o, fnvm_wasi *wasi)
{
    const Function *f = o->settings;
    fnvm_error *error = NULL;
    for (size_t i = 0; i < f->nenv && !error; i++)
        error = fnvm_wasi_env(wasi, f->env[i].name, f->env[i].value);
    for (size_t i = 0; i < o->secrets.n && !error; i++)
        error = fnvm_wasi_env(wasi, o->secrets.at[i].name, o->secrets.at[i].value);
    return error;
}

static fnvm_error *define_files(const Opened *o, fnvm_wasi *wasi)
{
    const Function *f = o->settings;
    fnvm_error *error = fnvm_wasi_arg(wasi, f->name);
    for (size_t i = 0; i < f->nargs && !error; i++) error = fnvm_wasi_arg(wasi, f->args[i]);
    for (size_t i = 0; i < f->nmounts && !error; i++)
        error = fnvm_wasi_preopen_dir(wasi, f->mounts[i].host, f->mounts[i].guest,
                                      f->mounts[i].read_only ? FNVM_DIR_READ_ONLY
                                                             : FNVM_DIR_READ_WRITE);
    return error;
}

static fnvm_error *define_outbound(Place *p)
{
    const Function *f = p->function->settings;
    const fnvm_task_backend backend = outbound_backend(p);
    return fnvm_services_http(p->services, &backend, (const char *const *)f->http_allow,
                              f->nhttp_allow);
}

static fnvm_error *define_services(Place *p)
{
    const Opened *o = p->function;
    const Function *f = o->settings;
    const fnvm_request_backend request = {.env = p,
                                          .part = request_part,
                                          .read = read_input,
                                          .status = request_status,
                                          .field = request_field,
                                          .write = request_write};
    const fnvm_task_backend calls = calls_backend(p);
    fnvm_services_log(p->services, log_line, p);
    fnvm_services_request(p->services, &request);
    fnvm_services_calls(p->services, &calls);
    fnvm_services_at_sleep(p->services, at_sleep, p);
    fnvm_error *error = f->nhttp_allow ? define_outbound(p) : NULL;
    if (!error && f->kv_prefix && o->worker->store) error = store_give(o->worker->store, p);
    return error;
}

fnvm_error *place_define(Place *p, fnvm_linker *linker)
{
    const Opened *o = p->function;
    fnvm_error *error = define_streams(p);
    if (!error) error = define_files(o, p->wasi);
    if (!error && o->settings->protocol != PROTOCOL_CGI) error = define_environment(o, p->wasi);
    if (!error) error = fnvm_linker_define_wasi(linker, p->wasi);
    if (!error) error = define_services(p);
    if (!error) error = fnvm_linker_define_services(linker, p->services);
    if (!error) error = fnvm_linker_define_snapshot(linker, NULL, NULL);
    if (!error && o->natives) error = natives_define(o->natives, linker);
    return error;
}

/* ---- One request ---- */

static fnvm_error *give_variables(Place *p, Invocation *i)
{
    Text *t = &i->scratch;
    fnvm_error *error = define_environment(p->function, p->wasi);
    text_clear(t);
    cgi_variables(&i->head, &i->worker->server, t);
    if (t->failed) return fnvm_error_new(FNVM_E_MEMORY, "no memory for the variables of a request");
    return error ? error : fnvm_wasi_env_block(p->wasi, t->at, t->len);
}

fnvm_error *place_prepare(Place *p, Invocation *i)
{
    p->user = i;
    switch (p->function->settings->protocol) {
    case PROTOCOL_CGI: return give_variables(p, i);
    case PROTOCOL_HTTP:
        text_clear(&i->scratch);
        http_head_text(&i->head, &i->scratch);
        if (i->scratch.failed)
            return fnvm_error_new(FNVM_E_MEMORY, "no memory for the head of a request");
        i->input = i->scratch.at;
        i->input_left = i->scratch.len;
        return NULL;
    case PROTOCOL_HANDLER: return NULL;
    case PROTOCOL_FAASM:
        fnvm_services_input(p->services, i->body.at, i->body.len);
        if (i->asker != ASKED_BY_HTTP) i->bytes_in = i->body.len;
        return NULL;
    }
    return NULL;
}

fnvm_error *place_finish(Place *p)
{
    return fnvm_services_output(p->services, &p->output, &p->output_len);
}

void place_clear(Place *p)
{
    p->user = NULL;
    fnvm_services_reset(p->services);
    if (p->function->settings->protocol == PROTOCOL_CGI) fnvm_wasi_clear_env(p->wasi);
}
