/* faasm_state.c - state in the manner of Faasm, on top of fnvm:kv: an instance has a copy of
 * each value that it uses, which it pulls from the store and pushes back.
 *
 * A copy is the host's, until the guest asks for a pointer: from then on it is the guest's
 * memory, in pages that were added for it.  What was written is pushed when the guest says so,
 * when it chains a call, and when it has ended well (fnvm_services_output); what was appended
 * goes to the store at once, in a value of its own, each element with its length before it. */
#include "stdlib/services.h"

#include <stdlib.h>

#include "vm/error.h"

struct FaasmState {
    char *key;
    size_t key_len;
    char *copy;  /* the host's; NULL: it is the guest's, or not there yet */
    uint32_t at; /* the guest's; 0: it is not */
    uint32_t len;
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
    if (st->copy) s->states_bytes -= st->len;
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
    st->len = len;
    st->there = true;
    return FNVM_SERVICE_OK;
}

/* Where it is now; NULL: a guest's memory does not hold it (it was of another module's). */
static uint8_t *bytes_of(const ServiceCall *call, const FaasmState *st)
{
    return st->at ? service_bytes(call, st->at, st->len) : (uint8_t *)st->copy;
}

/* Fetches the value: `len` bytes, or as many as there are if that is 0.  What is missing is
 * zero. */
static int pull(ServiceCall *call, FaasmState *st, uint32_t len)
{
    char *value;
    size_t value_len;
    int status = service_kv_get(call->services, st->key, st->key_len, &value, &value_len);
    if (status && status != FNVM_SERVICE_NOT_FOUND) return status;
    if (st->at) len = st->len;
    else status = make_copy(call->services, st, len ? len : (uint32_t)value_len);
    uint8_t *to = st->at || st->there ? bytes_of(call, st) : NULL;
    if (to) {
        const size_t n = value_len < st->len ? value_len : st->len;
        if (n) memcpy(to, value, n);
        if (st->len > n) memset(to + n, 0, st->len - n);
        status = FNVM_SERVICE_OK;
    } else if (!status || status == FNVM_SERVICE_NOT_FOUND) {
        status = FNVM_SERVICE_FAULT;
    }
    free(value);
    return status;
}

/* A copy of at least `len` bytes. */
static int ensure(ServiceCall *call, FaasmState *st, uint32_t len)
{
    if (st->there && (st->at || st->len >= len))
        return st->len >= len ? FNVM_SERVICE_OK : FNVM_SERVICE_INVALID;
    if (!st->there) return pull(call, st, len);
    char *before = st->copy; /* longer than it was */
    const uint32_t n = st->len;
    const bool dirty = st->dirty;
    call->services->states_bytes -= n;
    st->copy = NULL;
    const int status = make_copy(call->services, st, len);
    if (!status) {
        memcpy(st->copy, before, n);
        st->dirty = dirty;
    }
    free(before);
    return status;
}

static int push(const ServiceCall *call, FaasmState *st)
{
    if (!st->there || (!st->at && !st->dirty)) return FNVM_SERVICE_OK;
    const uint8_t *bytes = bytes_of(call, st);
    if (!bytes) return FNVM_SERVICE_FAULT;
    const int status =
        service_kv_set(call->services, st->key, st->key_len, (const char *)bytes, st->len);
    if (!status) st->dirty = false;
    return status;
}

int faasm_state_push_all(ServiceCall *call)
{
    int status = FNVM_SERVICE_OK;
    for (uint32_t i = 0; i < call->services->nstates && !status; i++)
        status = push(call, &call->services->states[i]);
    return status;
}

void faasm_state_forget_clean(Services *s)
{
    for (uint32_t i = 0; i < s->nstates; i++)
        if (!s->states[i].at && !s->states[i].dirty) forget_copy(s, &s->states[i]);
}

/* What a guest that has ended well wrote.  Its memory is not looked at any more: pointers were
 * pushed by __faasm_push_state, or not at all. */
void fnvm_services_output(fnvm_services *s, const void **bytes, size_t *len)
{
    for (uint32_t i = 0; i < s->nstates; i++) {
        FaasmState *st = &s->states[i];
        if (st->there && !st->at && st->dirty &&
            service_kv_set(s, st->key, st->key_len, st->copy, st->len) == FNVM_SERVICE_OK)
            st->dirty = false;
    }
    *bytes = s->output_len ? s->output : "";
    *len = s->output_len;
}

void faasm_reset(Services *s)
{
    for (uint32_t i = 0; i < s->nstates; i++) {
        free(s->states[i].key);
        free(s->states[i].copy);
    }
    s->nstates = 0;
    s->states_bytes = 0;
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
    if (!out->call.services->kv) return faasm_failed(me, FNVM_SERVICE_UNAVAILABLE);
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
    int status = c.state->there ? FNVM_SERVICE_OK : pull(&c.call, c.state, 0);
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
static int give_pointer(ServiceCall *call, FaasmState *st, uint32_t total)
{
    int status = ensure(call, st, total);
    if (status || st->at) return status;
    const uint32_t at = faasm_pages(call, st->len);
    uint8_t *to = at ? service_bytes(call, at, st->len) : NULL;
    if (!to) return FNVM_SERVICE_LIMIT;
    const uint32_t len = st->len;
    if (len) memcpy(to, st->copy, len);
    forget_copy(call->services, st);
    st->at = at;
    st->len = len;
    st->there = true;
    return FNVM_SERVICE_OK;
}

fnvm_error *faasm_read_state_ptr(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    static const char me[] = "read_state_ptr";
    StateCall c;
    fnvm_error *error = enter(caller, env, slots, me, true, &c);
    if (error) return error;
    const int status = give_pointer(&c.call, c.state, slots[1].i32);
    if (status) return faasm_failed(me, status);
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
    const int status = give_pointer(&c.call, c.state, total);
    if (status) return faasm_failed(me, status);
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
    const int status = ensure(&c.call, c.state, total);
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
    const int status = c.state ? push(&c.call, c.state) : FNVM_SERVICE_OK;
    return status ? faasm_failed("push_state", status) : NULL;
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
    const int status = pull(&c.call, c.state, slots[1].i32);
    return status ? faasm_failed("pull_state", status) : NULL;
}

/* ---- What is appended: elements of four bytes of length, and bytes ---- */

static const char appended[] = "\x1f"
                               "appended"; /* behind the key */
typedef struct AppendedKey {
    char at[FAASM_NAME_BYTES + sizeof appended];
    size_t len;
} AppendedKey;

static AppendedKey appended_key(const StateCall *c)
{
    AppendedKey k;
    memcpy(k.at, c->key, c->key_len);
    memcpy(k.at + c->key_len, appended, sizeof appended - 1);
    k.len = c->key_len + sizeof appended - 1;
    return k;
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
    const AppendedKey k = appended_key(&c);
    const int status = service_kv_append(c.call.services, k.at, k.len, element, len + sizeof len);
    free(element);
    return status ? faasm_failed(me, status) : NULL;
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
    const AppendedKey k = appended_key(&c);
    const int status = service_kv_get(c.call.services, k.at, k.len, &value, &left);
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
    const AppendedKey k = appended_key(&c);
    const int status = service_kv_remove(c.call.services, k.at, k.len);
    return status && status != FNVM_SERVICE_NOT_FOUND ? faasm_failed("clear_appended_state", status)
                                                      : NULL;
}
