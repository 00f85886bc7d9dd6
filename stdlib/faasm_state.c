/* faasm_state.c - state in the manner of Faasm, on top of fnvm:kv: an instance has a copy of
 * each value that it uses, which it pulls from the store and pushes back.
 *
 * A copy is the host's, until the guest asks for a pointer: from then on it is the guest's
 * memory, in pages that were added for it; it counts all the same.  What was written is pushed when
 * the guest says so, when it chains a call, and when it has ended well (fnvm_services_output); what
 * was appended goes to the store at once, in a value of its own, each element with its length
 * before it.
 *
 * Each function asks the store once, before it changes anything: it may be called again for the
 * answer.  Only pushing everything asks several times, and remembers how far it came. */
#include "stdlib/services.h"

#include <stdlib.h>

#include "vm/error.h"

struct FaasmState {
    char *key;
    size_t key_len;
    char *copy;  /* the host's; NULL: it is the guest's, or not there yet */
    uint32_t at; /* the guest's; 0: it is not */
    uint32_t len, counted; /* counted: in states_bytes */
    bool there; /* one of the two is */
    bool dirty; /* the host's was written */
};

/* ---- Copies ---- */

static FaasmState *find(const Services *s, const char *key, size_t len)
{
    for (uint32_t i = 0; i < s->nstates; i++)
        if (s->states[i].key_len == len && memcmp(s->states[i].key, key, len) == 0)
            return &s->states[i];
    return NULL;
}

static int find_or_make(Services *s, const char *key, size_t len, FaasmState **out)
{
    *out = find(s, key, len);
    if (*out) return FNVM_SERVICE_OK;
    if (!s->states) s->states = calloc(FAASM_STATES, sizeof *s->states);
    if (!s->states) return FNVM_SERVICE_UNAVAILABLE;
    if (s->nstates == FAASM_STATES) return FNVM_SERVICE_LIMIT;
    char *copy = malloc(len + 1);
    if (!copy) return FNVM_SERVICE_UNAVAILABLE;
    memcpy(copy, key, len);
    *out = &s->states[s->nstates++];
    **out = (FaasmState){.key = copy, .key_len = len};
    return FNVM_SERVICE_OK;
}

static void forget_copy(Services *s, FaasmState *st)
{
    if (st->copy) s->states_bytes -= st->counted;
    if (st->copy) st->counted = 0;
    free(st->copy);
    st->copy = NULL;
    st->there = st->dirty = false;
    st->len = 0;
}

/* The host's copy, of `len` bytes that are zero; what was there is gone. */
static int make_copy(Services *s, FaasmState *st, uint32_t len)
{
    forget_copy(s, st);
    if (len > FNVM_KV_VALUE_BYTES) return FNVM_SERVICE_TOO_LARGE;
    if (len > FAASM_STATE_BYTES - s->states_bytes) return FNVM_SERVICE_LIMIT;
    st->copy = calloc(1, len + (size_t)1);
    if (!st->copy) return FNVM_SERVICE_UNAVAILABLE;
    s->states_bytes += len;
    st->len = st->counted = len;
    st->there = true;
    return FNVM_SERVICE_OK;
}

/* Where it is now; NULL: a guest's memory does not hold it (it was of another module's). */
static uint8_t *bytes_of(const ServiceCall *call, const FaasmState *st)
{
    return st->at ? service_bytes(call, st->at, st->len) : (uint8_t *)st->copy;
}

static int take_value(const ServiceCall *call, FaasmState *st, uint32_t len, const char *value,
                      size_t value_len)
{
    int status = FNVM_SERVICE_OK;
    if (!st->at) status = make_copy(call->services, st, len ? len : (uint32_t)value_len);
    if (status) return status;
    uint8_t *to = bytes_of(call, st);
    if (!to) return FNVM_SERVICE_FAULT;
    const size_t n = value_len < st->len ? value_len : st->len;
    if (n) memcpy(to, value, n);
    if (st->len > n) memset(to + n, 0, st->len - n);
    return FNVM_SERVICE_OK;
}

/* Fetches the value: `len` bytes, or as many as there are if that is 0.  What is missing is
 * zero.  Errors as service_kv_ask's. */
static fnvm_error *pull(const ServiceCall *call, FaasmState *st, uint32_t len, int *status)
{
    const fnvm_kv_command c = {.verb = FNVM_KV_GET, .key = st->key, .key_len = st->key_len};
    char *value;
    size_t value_len;
    fnvm_error *error =
        service_kv_ask(call->services, call->caller, &c, &value, &value_len, status);
    if (error || (*status && *status != FNVM_SERVICE_NOT_FOUND)) return error;
    *status = take_value(call, st, len, value, value_len);
    free(value);
    return NULL;
}

/* The copy, made longer. */
static int lengthen(Services *s, FaasmState *st, uint32_t len)
{
    char *before = st->copy;
    const uint32_t n = st->len;
    const bool dirty = st->dirty;
    s->states_bytes -= st->counted;
    st->copy = NULL;
    const int status = make_copy(s, st, len);
    if (!status) {
        memcpy(st->copy, before, n);
        st->dirty = dirty;
    }
    free(before);
    return status;
}

/* A copy of at least `len` bytes. */
static fnvm_error *ensure(const ServiceCall *call, FaasmState *st, uint32_t len, int *status)
{
    if (!st->there) return pull(call, st, len, status);
    if (st->at || st->len >= len)
        *status = st->len >= len ? FNVM_SERVICE_OK : FNVM_SERVICE_INVALID;
    else *status = lengthen(call->services, st, len);
    return NULL;
}

static fnvm_error *store(Services *s, fnvm_caller *caller, FaasmState *st, const void *bytes,
                         int *status)
{
    const fnvm_kv_command c = {.verb = FNVM_KV_SET,
                               .key = st->key,
                               .key_len = st->key_len,
                               .value = bytes,
                               .len = st->len};
    fnvm_error *error = service_kv_ask(s, caller, &c, NULL, NULL, status);
    if (!error && !*status) st->dirty = false;
    return error;
}

static fnvm_error *push(const ServiceCall *call, FaasmState *st, int *status)
{
    *status = FNVM_SERVICE_OK;
    if (!st->there || (!st->at && !st->dirty)) return NULL;
    const uint8_t *bytes = bytes_of(call, st);
    if (bytes) return store(call->services, call->caller, st, bytes, status);
    *status = FNVM_SERVICE_FAULT;
    return NULL;
}

fnvm_error *faasm_state_push_all(ServiceCall *call, int *status)
{
    Services *s = call->services;
    fnvm_error *error = NULL;
    *status = FNVM_SERVICE_OK;
    if (!call->caller->store->repeating) s->states_pushed = 0;
    for (; s->states_pushed < s->nstates && !error && !*status; s->states_pushed++) {
        error = push(call, &s->states[s->states_pushed], status);
        if (error) return error; /* the same one is next */
    }
    s->states_pushed = 0;
    return NULL;
}

void faasm_state_forget_clean(Services *s)
{
    for (uint32_t i = 0; i < s->nstates; i++)
        if (!s->states[i].at && !s->states[i].dirty) forget_copy(s, &s->states[i]);
}

static fnvm_error *not_stored(const FaasmState *st, int status)
{
    const int len = st->key_len < 200 ? (int)st->key_len : 200;
    return fnvm_error_new(status == FNVM_SERVICE_LIMIT ? FNVM_E_LIMIT : FNVM_E_IO,
                          "its state `%.*s` was not stored: %s", len, st->key,
                          status == FNVM_SERVICE_LIMIT         ? "the store is full"
                          : status == FNVM_SERVICE_UNAVAILABLE ? "the store does not answer"
                                                               : "the store does not take it");
}

/* What a guest that has ended well wrote.  Its memory is not looked at any more: pointers were
 * pushed by __faasm_push_state, or not at all. */
fnvm_error *fnvm_services_output(fnvm_services *s, const void **bytes, size_t *len)
{
    *bytes = "";
    *len = 0;
    for (uint32_t i = 0; i < s->nstates; i++) {
        FaasmState *st = &s->states[i];
        if (!st->there || st->at || !st->dirty) continue;
        int status;
        fnvm_error *error = store(s, NULL, st, st->copy, &status);
        if (error) return error;
        if (status) return not_stored(st, status);
    }
    if (s->output_len) *bytes = s->output;
    *len = s->output_len;
    return NULL;
}

void faasm_reset(Services *s)
{
    for (uint32_t i = 0; i < s->nstates; i++) {
        free(s->states[i].key);
        free(s->states[i].copy);
    }
    s->nstates = 0;
    s->states_bytes = 0;
    s->states_pushed = 0;
    free(s->output);
    s->output = NULL;
    s->output_len = 0;
    s->input = NULL;
    s->input_len = 0;
}

/* ---- The guest's functions: the key is always the first argument ---- */

typedef struct StateCall {
    ServiceCall call;
    FaasmState *state;
    const char *key;
    size_t key_len;
} StateCall;

static fnvm_error *enter(fnvm_caller *caller, void *env, const fnvm_slot *slots, const char *me,
                         bool makes, StateCall *out)
{
    out->call = service_enter(caller, env);
    out->state = NULL;
    out->key = faasm_text(&out->call, slots[0].i32, &out->key_len);
    if (!out->key) return faasm_failed(me, FNVM_SERVICE_FAULT);
    if (!service_kv_there(out->call.services)) return faasm_failed(me, FNVM_SERVICE_UNAVAILABLE);
    int status = out->key_len ? FNVM_SERVICE_OK : FNVM_SERVICE_INVALID;
    if (!status && makes)
        status = find_or_make(out->call.services, out->key, out->key_len, &out->state);
    if (!makes) out->state = find(out->call.services, out->key, out->key_len);
    return status ? faasm_failed(me, status) : NULL;
}

/* slots: key, buffer, its size; 0: how long it is. */
fnvm_error *faasm_read_state(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    static const char me[] = "read_state";
    StateCall c;
    fnvm_error *error = enter(caller, env, slots, me, true, &c);
    if (error) return error;
    const uint32_t size = slots[2].i32;
    uint8_t *to = service_bytes(&c.call, slots[1].i32, size);
    if (size && !to) return faasm_failed(me, FNVM_SERVICE_FAULT);
    int status = FNVM_SERVICE_OK;
    if (!c.state->there) error = pull(&c.call, c.state, 0, &status);
    if (error) return error;
    const uint8_t *from = status ? NULL : bytes_of(&c.call, c.state);
    if (!from) return faasm_failed(me, status ? status : FNVM_SERVICE_FAULT);
    const uint32_t len = c.state->len;
    if (size == 0) {
        if (!c.state->at && !c.state->dirty)
            forget_copy(c.call.services, c.state); /* its length may change */
        return service_answer(slots, (int)len);
    }
    const uint32_t n = len < size ? len : size;
    memmove(to, from, n);
    if (size > n) memset(to + n, 0, size - n);
    return service_answer(slots, (int)size);
}

/* Moves a copy of `total` bytes into the guest's memory. */
static fnvm_error *give_pointer(ServiceCall *call, FaasmState *st, uint32_t total, int *status)
{
    fnvm_error *error = ensure(call, st, total, status);
    if (error || *status || st->at) return error;
    const uint32_t at = faasm_pages(call, st->len), len = st->len;
    uint8_t *to = at ? service_bytes(call, at, len) : NULL;
    if (!to) {
        *status = FNVM_SERVICE_LIMIT;
        return NULL;
    }
    if (len) memcpy(to, st->copy, len);
    free(st->copy); /* it counts on */
    st->copy = NULL;
    st->dirty = false;
    st->at = at;
    return NULL;
}

fnvm_error *faasm_read_state_ptr(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    static const char me[] = "read_state_ptr";
    StateCall c;
    fnvm_error *error = enter(caller, env, slots, me, true, &c);
    if (error) return error;
    int status;
    error = give_pointer(&c.call, c.state, slots[1].i32, &status);
    if (error || status) return error ? error : faasm_failed(me, status);
    slots[0].i32 = c.state->at;
    return NULL;
}

/* slots: key, whole length, offset, length. */
fnvm_error *faasm_read_state_offset_ptr(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    static const char me[] = "read_state_offset_ptr";
    StateCall c;
    fnvm_error *error = enter(caller, env, slots, me, true, &c);
    if (error) return error;
    const uint32_t total = slots[1].i32, offset = slots[2].i32, len = slots[3].i32;
    if (offset > total || len > total - offset) return faasm_failed(me, FNVM_SERVICE_INVALID);
    int status;
    error = give_pointer(&c.call, c.state, total, &status);
    if (error || status) return error ? error : faasm_failed(me, status);
    slots[0].i32 = c.state->at + offset;
    return NULL;
}

/* slots: key, whole length, offset, the guest's bytes, how many; between them and the copy. */
static fnvm_error *move_part(fnvm_caller *caller, void *env, fnvm_slot *slots, const char *me,
                             bool writes)
{
    StateCall c;
    fnvm_error *error = enter(caller, env, slots, me, true, &c);
    if (error) return error;
    const uint32_t total = slots[1].i32, offset = slots[2].i32, len = slots[4].i32;
    uint8_t *guest = service_bytes(&c.call, slots[3].i32, len);
    if (!guest) return faasm_failed(me, FNVM_SERVICE_FAULT);
    if (offset > total || len > total - offset) return faasm_failed(me, FNVM_SERVICE_INVALID);
    int status;
    error = ensure(&c.call, c.state, total, &status);
    if (error) return error;
    uint8_t *copy = status ? NULL : bytes_of(&c.call, c.state);
    if (!copy) return faasm_failed(me, status ? status : FNVM_SERVICE_FAULT);
    if (writes) memmove(copy + offset, guest, len);
    else memmove(guest, copy + offset, len);
    c.state->dirty |= writes;
    return NULL;
}

fnvm_error *faasm_read_state_offset(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    return move_part(caller, env, slots, "read_state_offset", false);
}

fnvm_error *faasm_write_state_offset(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    return move_part(caller, env, slots, "write_state_offset", true);
}

/* slots: key, bytes, how many: the whole value. */
fnvm_error *faasm_write_state(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    static const char me[] = "write_state";
    StateCall c;
    fnvm_error *error = enter(caller, env, slots, me, true, &c);
    if (error) return error;
    const uint32_t len = slots[2].i32;
    const uint8_t *from = service_bytes(&c.call, slots[1].i32, len);
    if (!from) return faasm_failed(me, FNVM_SERVICE_FAULT);
    int status = c.state->at ? (len <= c.state->len ? FNVM_SERVICE_OK : FNVM_SERVICE_INVALID)
                             : make_copy(c.call.services, c.state, len);
    if (!status && c.state->at) c.state->len = len;
    uint8_t *to = status ? NULL : bytes_of(&c.call, c.state);
    if (!to) return faasm_failed(me, status ? status : FNVM_SERVICE_FAULT);
    memmove(to, from, len);
    c.state->dirty = true;
    return NULL;
}

fnvm_error *faasm_flag_state_dirty(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    StateCall c;
    fnvm_error *error = enter(caller, env, slots, "flag_state_dirty", false, &c);
    if (!error && c.state && c.state->there) c.state->dirty = true;
    return error;
}

fnvm_error *faasm_flag_state_offset_dirty(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    return faasm_flag_state_dirty(caller, env, slots);
}

fnvm_error *faasm_push_state(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    StateCall c;
    fnvm_error *error = enter(caller, env, slots, "push_state", false, &c);
    if (error) return error;
    int status = FNVM_SERVICE_OK;
    if (c.state) error = push(&c.call, c.state, &status);
    return status && !error ? faasm_failed("push_state", status) : error;
}

fnvm_error *faasm_push_state_partial(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    return faasm_push_state(caller, env, slots);
}

fnvm_error *faasm_pull_state(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    StateCall c;
    fnvm_error *error = enter(caller, env, slots, "pull_state", true, &c);
    if (error) return error;
    int status;
    error = pull(&c.call, c.state, slots[1].i32, &status);
    return status && !error ? faasm_failed("pull_state", status) : error;
}

/* ---- What is appended: elements of four bytes of length, and bytes ---- */

static const char appended[] = "\x1f"
                               "appended"; /* behind the key */
/* A command about what is appended to the state that the call is about. */
static fnvm_error *ask_appended(const StateCall *c, fnvm_kv_command command, char **value,
                                size_t *len, int *status)
{
    char key[FAASM_NAME_BYTES + sizeof appended];
    memcpy(key, c->key, c->key_len);
    memcpy(key + c->key_len, appended, sizeof appended - 1);
    command.key = key;
    command.key_len = c->key_len + sizeof appended - 1;
    return service_kv_ask(c->call.services, c->call.caller, &command, value, len, status);
}

fnvm_error *faasm_append_state(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    static const char me[] = "append_state";
    StateCall c;
    fnvm_error *error = enter(caller, env, slots, me, false, &c);
    if (error) return error;
    const uint32_t len = slots[2].i32;
    const uint8_t *from = service_bytes(&c.call, slots[1].i32, len);
    if (!from) return faasm_failed(me, FNVM_SERVICE_FAULT);
    if (len > FNVM_KV_VALUE_BYTES - sizeof len) return faasm_failed(me, FNVM_SERVICE_TOO_LARGE);
    char *element = malloc(len + sizeof len);
    if (!element) return error_no_memory();
    memcpy(element, &len, sizeof len);
    memcpy(element + sizeof len, from, len);
    const fnvm_kv_command command = {
        .verb = FNVM_KV_APPEND, .value = element, .len = len + sizeof len};
    int status;
    error = ask_appended(&c, command, NULL, NULL, &status);
    free(element);
    return status && !error ? faasm_failed(me, status) : error;
}

/* slots: key, buffer, its size, how many elements, which come one behind the other. */
fnvm_error *faasm_read_appended_state(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    static const char me[] = "read_appended_state";
    StateCall c;
    fnvm_error *error = enter(caller, env, slots, me, false, &c);
    if (error) return error;
    uint32_t room = slots[2].i32, wanted = slots[3].i32, len;
    uint8_t *to = service_bytes(&c.call, slots[1].i32, room);
    if (!to) return faasm_failed(me, FNVM_SERVICE_FAULT);
    char *value;
    size_t left;
    int status;
    error = ask_appended(&c, (fnvm_kv_command){.verb = FNVM_KV_GET}, &value, &left, &status);
    if (error) return error;
    if (status && status != FNVM_SERVICE_NOT_FOUND) return faasm_failed(me, status);
    for (const char *at = value; wanted-- && left >= sizeof len; at += len) {
        memcpy(&len, at, sizeof len);
        at += sizeof len;
        left -= sizeof len;
        if (len > left || len > room) break;
        memcpy(to, at, len);
        to += len;
        room -= len;
        left -= len;
    }
    free(value);
    return NULL;
}

fnvm_error *faasm_clear_appended_state(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    StateCall c;
    fnvm_error *error = enter(caller, env, slots, "clear_appended_state", false, &c);
    if (error) return error;
    int status;
    error = ask_appended(&c, (fnvm_kv_command){.verb = FNVM_KV_REMOVE}, NULL, NULL, &status);
    if (error || !status || status == FNVM_SERVICE_NOT_FOUND) return error;
    return faasm_failed("clear_appended_state", status);
}
