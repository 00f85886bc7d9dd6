/* http.c - the module fnvm:http: requests to other servers.
 *
 * Here it is decided whether a request may be sent at all: the URL is parsed and held against
 * the list, the method and the fields are checked, and the backend is given what was checked,
 * printed anew.  Nobody follows redirects: a guest that wants to sends another request, which is
 * checked again. */
#include "stdlib/services.h"

#include <stdlib.h>
#include <strings.h>

/* ---- Sending ---- */

typedef struct Sent {
    const char *method, *url, *fields, *body;
    uint32_t method_len, url_len, fields_len, body_len;
} Sent;

/* Those that say how a message is framed, who is spoken to, or how the connection is used: the
 * backend's. */
static bool is_reserved(const char *name, size_t len)
{
    static const char *const names[] = {"connection",        "content-length", "expect", "host",
                                        "http2-settings",    "keep-alive",     "te",     "trailer",
                                        "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == len && strncasecmp(names[i], name, len) == 0) return true;
    return len >= 6 && strncasecmp(name, "proxy-", 6) == 0;
}

/* Lines "name: value\r\n", nothing else. */
static bool fields_valid(const char *at, size_t len)
{
    while (len) {
        const char *end = memchr(at, '\r', len), *colon;
        if (!end || (size_t)(end - at) + 2 > len || end[1] != '\n') return false;
        colon = memchr(at, ':', (size_t)(end - at));
        if (!colon || is_reserved(at, (size_t)(colon - at)) ||
            !http_field_valid(at, (size_t)(colon - at), colon + 1, (size_t)(end - colon - 1)))
            return false;
        len -= (size_t)(end - at) + 2;
        at = end + 2;
    }
    return true;
}

static int may_send(const Services *s, const Sent *r, Url *url)
{
    if (r->method_len > HTTP_METHOD_BYTES || r->url_len > URL_BYTES ||
        r->fields_len > HTTP_FIELDS_BYTES || r->body_len > HTTP_BODY_BYTES)
        return FNVM_SERVICE_TOO_LARGE;
    if (!http_token_valid(r->method, r->method_len) || !fields_valid(r->fields, r->fields_len))
        return FNVM_SERVICE_INVALID;
    if ((r->method_len == 7 && strncasecmp(r->method, "CONNECT", 7) == 0) ||
        (r->method_len == 5 && strncasecmp(r->method, "TRACE", 5) == 0))
        return FNVM_SERVICE_DENIED;
    if (!url_parse(r->url, r->url_len, url)) return FNVM_SERVICE_INVALID;
    for (size_t i = 0; i < s->nallow; i++)
        if (url_rule_allows(&s->allow[i], url)) return FNVM_SERVICE_OK;
    return FNVM_SERVICE_DENIED;
}

enum { NAME_BYTES = HTTP_METHOD_BYTES + 1 + URL_BYTES + URL_HOST_BYTES + 16 };

/* "METHOD URL", and fields and body with an empty line between. */
static int32_t send_checked(ServiceCall *call, const Sent *r, const Url *url, char name[NAME_BYTES])
{
    memcpy(name, r->method, r->method_len);
    name[r->method_len] = ' ';
    const size_t skip = r->method_len + (size_t)1;
    const size_t name_len = skip + url_print(url, name + skip, NAME_BYTES - skip);
    const size_t len = (size_t)r->fields_len + 2 + r->body_len;
    char *input = name_len < NAME_BYTES ? malloc(len) : NULL;
    if (!input) return FNVM_SERVICE_UNAVAILABLE;
    memcpy(input, r->fields, r->fields_len);
    memcpy(input + r->fields_len, "\r\n", 2);
    memcpy(input + r->fields_len + 2, r->body, r->body_len);
    const int32_t handle = tasks_start(call, &call->services->requests, name, name_len, input, len);
    free(input);
    return handle;
}

typedef struct Room {
    Url url;
    char name[NAME_BYTES];
} Room; /* too much for the stack */

/* slots: method, URL, fields, body, each an address and a length. */
static fnvm_error *send_request(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const Sent r = {.method = (const char *)service_bytes(&call, slots[0].i32, slots[1].i32),
                    .url = (const char *)service_bytes(&call, slots[2].i32, slots[3].i32),
                    .fields = (const char *)service_bytes(&call, slots[4].i32, slots[5].i32),
                    .body = (const char *)service_bytes(&call, slots[6].i32, slots[7].i32),
                    .method_len = slots[1].i32,
                    .url_len = slots[3].i32,
                    .fields_len = slots[5].i32,
                    .body_len = slots[7].i32};
    if (!r.method || !r.url || !r.fields || !r.body)
        return service_answer(slots, FNVM_SERVICE_FAULT);
    if (!call.services->requests.backend.start)
        return service_answer(slots, FNVM_SERVICE_UNAVAILABLE);
    Room *room = malloc(sizeof *room);
    if (!room) return service_answer(slots, FNVM_SERVICE_UNAVAILABLE);
    int32_t handle = may_send(call.services, &r, &room->url);
    if (handle == FNVM_SERVICE_OK) handle = send_checked(&call, &r, &room->url, room->name);
    free(room);
    return service_answer(slots, handle);
}

/* ---- Answers ---- */

typedef struct Answer {
    int status;
    const char *fields, *body;
    size_t fields_len, body_len;
} Answer;

/* "HTTP 200\r\n", fields, an empty line, the body; false: the backend sent something else. */
static bool split(const Task *task, Answer *out)
{
    const char *at = task->answer;
    if (task->len < 12 || memcmp(at, "HTTP ", 5) != 0 || memcmp(at + 8, "\r\n", 2) != 0)
        return false;
    out->status = 0;
    for (int i = 5; i < 8; i++) {
        if (at[i] < '0' || at[i] > '9') return false;
        out->status = out->status * 10 + (at[i] - '0');
    }
    out->fields = at + 10;
    const char *end = memmem(at + 8, task->len - 8, "\r\n\r\n", 4);
    if (!end) return false;
    out->fields_len = end + 2 > out->fields ? (size_t)(end + 2 - out->fields) : 0;
    out->body = end + 4;
    out->body_len = task->len - (size_t)(out->body - at);
    return true;
}

static int answer_of(ServiceCall *call, uint32_t handle, Answer *out)
{
    int status;
    const Task *task = tasks_answer(&call->services->requests, handle, &status);
    return !task ? status : split(task, out) ? FNVM_SERVICE_OK : FNVM_SERVICE_FAILED;
}

static fnvm_error *status_of(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    Answer a;
    const int failed = answer_of(&call, slots[0].i32, &a);
    return service_answer(slots, failed ? failed : a.status);
}

static fnvm_error *fields(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    Answer a;
    int status = answer_of(&call, slots[0].i32, &a);
    if (!status)
        status = service_piece(&call, a.fields, a.fields_len, slots[1].i32, slots[2].i32,
                               slots[3].i32, slots[4].i32);
    return service_answer(slots, status);
}

static fnvm_error *body(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    Answer a;
    int status = answer_of(&call, slots[0].i32, &a);
    if (!status)
        status = service_piece(&call, a.body, a.body_len, slots[1].i32, slots[2].i32, slots[3].i32,
                               slots[4].i32);
    return service_answer(slots, status);
}

/* The value of the nth field of that name, without blanks around it; NULL: there is none. */
static const char *find_field(const Answer *a, const char *name, size_t name_len, uint32_t nth,
                              size_t *len)
{
    const char *at = a->fields, *const end = a->fields + a->fields_len;
    while (at < end) {
        const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (!stop) return NULL;
        const char *colon = memchr(at, ':', (size_t)(stop - at));
        if (colon && (size_t)(colon - at) == name_len && strncasecmp(at, name, name_len) == 0 &&
            nth-- == 0) {
            const char *value = colon + 1, *value_end = stop;
            while (value < value_end && (*value == ' ' || *value == '\t')) value++;
            while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t'))
                value_end--;
            *len = (size_t)(value_end - value);
            return value;
        }
        at = stop + 2;
    }
    return NULL;
}

/* slots: handle, name, its length, which of them, buffer, its size, where the length goes. */
static fnvm_error *field(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    Answer a;
    const char *name = (const char *)service_bytes(&call, slots[1].i32, slots[2].i32);
    if (!name) return service_answer(slots, FNVM_SERVICE_FAULT);
    int status = answer_of(&call, slots[0].i32, &a);
    if (status) return service_answer(slots, status);
    size_t len;
    const char *value = find_field(&a, name, slots[2].i32, slots[3].i32, &len);
    status = value ? service_piece(&call, value, len, 0, slots[4].i32, slots[5].i32, slots[6].i32)
                   : FNVM_SERVICE_NOT_FOUND;
    return service_answer(slots, status);
}

/* ---- Waiting ---- */

static fnvm_error *await(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    return tasks_await_slots(&call, &call.services->requests, slots);
}

static fnvm_error *await_all(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    return tasks_await_all_slots(&call, &call.services->requests, slots);
}

static fnvm_error *drop(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    return service_answer(slots, tasks_drop(&call.services->requests, slots[0].i32));
}

const ServiceFunc service_http[] = {
    {"send", "i32 i32 i32 i32 i32 i32 i32 i32 -> i32", send_request},
    {"await", "i32 i64 -> i32", await},
    {"await_all", "i32 i32 i64 i32 -> i32", await_all},
    {"status", "i32 -> i32", status_of},
    {"fields", "i32 i32 i32 i32 i32 -> i32", fields},
    {"field", "i32 i32 i32 i32 i32 i32 i32 -> i32", field},
    {"body", "i32 i32 i32 i32 i32 -> i32", body},
    {"drop", "i32 -> i32", drop},
    {NULL, NULL, NULL}};
