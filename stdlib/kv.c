/* kv.c - the module fnvm:kv: a guest's keys and values.
 *
 * A guest's keys are those of a store that begin with its prefix, which is put before every key
 * here and taken off again: no name that it can write reaches outside.  A value is fetched whole
 * when it is read from its beginning, and kept, so that reading on in pieces gives pieces of one
 * value, whatever others do to it.
 *
 * A guest that waits for a store far away comes here again, from the beginning of its host function,
 * with the same command: the task is noted, and asked about instead of being started. */
#include "stdlib/services.h"

#include <stdlib.h>

#include "vm/error.h"

/* ---- Keys with the prefix ---- */

typedef struct FullKey {
    char at[FNVM_KV_PREFIX_BYTES + FNVM_KV_KEY_BYTES];
    size_t len;
} FullKey;

/* NUL is refused: lists separate keys by it. */
static int full_key(const Services *s, const char *key, size_t len, bool may_be_empty, FullKey *out)
{
    if (len > FNVM_KV_KEY_BYTES) return FNVM_SERVICE_TOO_LARGE;
    if ((len == 0 && !may_be_empty) || memchr(key, '\0', len)) return FNVM_SERVICE_INVALID;
    memcpy(out->at, s->prefix, s->prefix_len);
    if (len) memcpy(out->at + s->prefix_len, key, len);
    out->len = s->prefix_len + len;
    return FNVM_SERVICE_OK;
}

typedef struct FullCommand {
    fnvm_kv_command command;
    FullKey key, after;
} FullCommand;

static int full_command(const Services *s, const fnvm_kv_command *c, FullCommand *out)
{
    const bool lists = c->verb == FNVM_KV_LIST;
    if (!service_kv_there(s)) return FNVM_SERVICE_UNAVAILABLE;
    int status = full_key(s, c->key, c->key_len, lists, &out->key);
    if (!status && lists) status = full_key(s, c->was, c->was_len, true, &out->after);
    if (status) return status;
    if (c->len > FNVM_KV_VALUE_BYTES || (!lists && c->was_len > FNVM_KV_VALUE_BYTES))
        return FNVM_SERVICE_TOO_LARGE;
    out->command = *c;
    out->command.key = out->key.at;
    out->command.key_len = out->key.len;
    if (lists) {
        out->command.was = out->after.at;
        out->command.was_len = c->was_len ? out->after.len : 0;
    }
    return FNVM_SERVICE_OK;
}

/* ---- Asking a store ---- */

bool service_kv_there(const Services *s) { return s->kv || s->far_kv.start; }

/* What a backend says, as guests see it. */
static int status_of(int status)
{
    return status <= FNVM_SERVICE_OK ? status : FNVM_SERVICE_UNAVAILABLE;
}

static int ask_near(const fnvm_kv *kv, const fnvm_kv_command *c, char **value, size_t *len)
{
    const fnvm_kv_backend *b = kv_backend(kv);
    switch (c->verb) {
    case FNVM_KV_GET: return b->get(b->env, c->key, c->key_len, value, len);
    case FNVM_KV_SET: return b->set(b->env, c->key, c->key_len, c->value, c->len);
    case FNVM_KV_REMOVE: return b->remove(b->env, c->key, c->key_len);
    case FNVM_KV_APPEND: return b->append(b->env, c->key, c->key_len, c->value, c->len);
    case FNVM_KV_SWAP:
        return b->swap(b->env, c->key, c->key_len, c->was, c->was_len, c->value, c->len);
    case FNVM_KV_LIST:
        return b->list(b->env, c->key, c->key_len, c->was, c->was_len, c->most, value, len);
    }
    return FNVM_SERVICE_INVALID;
}

static void drop_task(Services *s)
{
    if (s->kv_task) s->far_kv.drop(s->far_kv.env, s->kv_task);
    s->kv_task = 0;
}

/* One that is left of a call that was broken off is not this one, whatever it asks. */
static bool goes_on(const Services *s, const fnvm_caller *caller, const fnvm_kv_command *c)
{
    const bool repeats = !caller || caller->store->repeating;
    return s->kv_task && repeats && s->kv_verb == c->verb;
}

static int take_answer(const void *answer, size_t answer_len, char **value, size_t *len)
{
    *value = malloc(answer_len + 1);
    if (!*value) return FNVM_SERVICE_UNAVAILABLE;
    if (answer_len) memcpy(*value, answer, answer_len);
    *len = answer_len;
    return FNVM_SERVICE_OK;
}

static fnvm_error *ask_far(Services *s, fnvm_caller *caller, const fnvm_kv_command *c, char **value,
                           size_t *len, int *status)
{
    const fnvm_kv_tasks *far = &s->far_kv;
    if (!goes_on(s, caller, c)) {
        drop_task(s);
        const int64_t id = far->start(far->env, caller, c);
        *status = id < INT32_MIN || id == 0 ? FNVM_SERVICE_UNAVAILABLE : (int)(id < 0 ? id : 0);
        if (id <= 0) return NULL;
        s->kv_task = id;
        s->kv_verb = c->verb;
    }
    const void *answer = NULL;
    size_t answer_len = 0;
    fnvm_error *error = NULL;
    if (!far->poll(far->env, caller, s->kv_task, status, &answer, &answer_len, &error)) {
        if (!error && !caller) return error_suspended();
        if (error && fnvm_error_code(error) == FNVM_E_SUSPENDED) return error;
        *status = FNVM_SERVICE_UNAVAILABLE;
    } else if (*status == FNVM_SERVICE_OK && (c->verb == FNVM_KV_GET || c->verb == FNVM_KV_LIST)) {
        *status = take_answer(answer, answer_len, value, len);
    }
    drop_task(s);
    return error;
}

fnvm_error *service_kv_ask(Services *s, fnvm_caller *caller, const fnvm_kv_command *command,
                       char **value, size_t *len, int *status)
{
    FullCommand full;
    char *none = NULL;
    size_t no_len = 0;
    if (!value) value = &none, len = &no_len;
    *value = NULL;
    *len = 0;
    *status = full_command(s, command, &full);
    if (*status) return NULL;
    fnvm_error *error = NULL;
    if (s->kv) *status = ask_near(s->kv, &full.command, value, len);
    else error = ask_far(s, caller, &full.command, value, len, status);
    if (error) return error;
    *status = status_of(*status);
    if (*status == FNVM_SERVICE_OK && command->verb == FNVM_KV_GET && *len > FNVM_KV_VALUE_BYTES)
        *status = FNVM_SERVICE_TOO_LARGE;
    if (*status == FNVM_SERVICE_OK) return NULL;
    free(*value);
    *value = NULL;
    return NULL;
}

/* ---- The value fetched last ---- */

static void forget_fetched(Services *s)
{
    free(s->fetched.key);
    free(s->fetched.value);
    memset(&s->fetched, 0, sizeof s->fetched);
}

void service_kv_forget(Services *s)
{
    forget_fetched(s);
    drop_task(s);
}

static bool is_fetched(const Services *s, const char *key, size_t len)
{
    return s->fetched.key && s->fetched.key_len == len && memcmp(s->fetched.key, key, len) == 0;
}

static fnvm_error *fetch(const ServiceCall *call, const char *key, size_t key_len, int *status)
{
    Services *s = call->services;
    const fnvm_kv_command c = {.verb = FNVM_KV_GET, .key = key, .key_len = key_len};
    forget_fetched(s);
    fnvm_error *error =
        service_kv_ask(s, call->caller, &c, &s->fetched.value, &s->fetched.len, status);
    if (error || *status) return error;
    s->fetched.key = malloc(key_len + 1);
    if (!s->fetched.key) {
        forget_fetched(s);
        *status = FNVM_SERVICE_UNAVAILABLE;
        return NULL;
    }
    memcpy(s->fetched.key, key, key_len);
    s->fetched.key_len = key_len;
    return NULL;
}

/* ---- The guest's functions ---- */

typedef struct Bytes {
    const char *at;
    uint32_t len;
} Bytes; /* at NULL: outside of the memory */

static Bytes bytes_of(const ServiceCall *call, const fnvm_slot *slots)
{
    return (Bytes){(const char *)service_bytes(call, slots[0].i32, slots[1].i32), slots[1].i32};
}

/* slots: key, its length, offset, buffer, its size, where the length goes. */
static fnvm_error *get(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    Services *s = call.services;
    const Bytes key = bytes_of(&call, slots);
    const uint32_t offset = slots[2].i32, to = slots[3].i32, size = slots[4].i32,
                   len_at = slots[5].i32;
    if (!key.at || !service_bytes(&call, to, size) || !service_bytes(&call, len_at, 4))
        return service_answer(slots, FNVM_SERVICE_FAULT);
    int status = FNVM_SERVICE_OK;
    if (offset == 0 || !is_fetched(s, key.at, key.len)) {
        fnvm_error *error = fetch(&call, key.at, key.len, &status);
        if (error) return error;
    }
    if (status) return service_answer(slots, status);
    status = service_piece(&call, s->fetched.value, s->fetched.len, offset, to, size, len_at);
    if (s->fetched.len <= (uint64_t)offset + size) forget_fetched(s); /* that was all */
    return service_answer(slots, status);
}

/* A command whose answer is its status. */
static fnvm_error *tell(const ServiceCall *call, const fnvm_kv_command *c, fnvm_slot *slots)
{
    int status;
    fnvm_error *error = service_kv_ask(call->services, call->caller, c, NULL, NULL, &status);
    return error ? error : service_answer(slots, status);
}

/* slots: key, its length, value, its length. */
static fnvm_error *put(fnvm_caller *caller, void *env, fnvm_slot *slots, fnvm_kv_verb verb)
{
    ServiceCall call = service_enter(caller, env);
    const Bytes key = bytes_of(&call, slots), value = bytes_of(&call, slots + 2);
    if (!key.at || !value.at) return service_answer(slots, FNVM_SERVICE_FAULT);
    const fnvm_kv_command c = {
        .verb = verb, .key = key.at, .key_len = key.len, .value = value.at, .len = value.len};
    return tell(&call, &c, slots);
}

static fnvm_error *set(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    return put(caller, env, slots, FNVM_KV_SET);
}

static fnvm_error *append(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    return put(caller, env, slots, FNVM_KV_APPEND);
}

static fnvm_error *remove_key(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const Bytes key = bytes_of(&call, slots);
    if (!key.at) return service_answer(slots, FNVM_SERVICE_FAULT);
    const fnvm_kv_command c = {.verb = FNVM_KV_REMOVE, .key = key.at, .key_len = key.len};
    return tell(&call, &c, slots);
}

/* slots: key, length, what it was, its length (-1: it must not exist), what it becomes, its
 * length. */
static fnvm_error *swap(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const bool absent = slots[3].i32 == UINT32_MAX;
    const Bytes key = bytes_of(&call, slots), value = bytes_of(&call, slots + 4);
    const Bytes was = absent ? (Bytes){"", 0} : bytes_of(&call, slots + 2);
    if (!key.at || !was.at || !value.at) return service_answer(slots, FNVM_SERVICE_FAULT);
    const fnvm_kv_command c = {.verb = FNVM_KV_SWAP,
                               .key = key.at,
                               .key_len = key.len,
                               .was = absent ? NULL : was.at,
                               .was_len = was.len,
                               .value = value.at,
                               .len = value.len};
    return tell(&call, &c, slots);
}

/* ---- Lists ---- */

typedef struct ListCall {
    Bytes prefix, after;
    uint32_t most, size;
    uint8_t *to, *used_at;
} ListCall;

/* Gives the guest as many whole keys as there is room for: how many, or a status. */
static int give_keys(const Services *s, const ListCall *l, const char *keys, size_t len)
{
    uint32_t used = 0;
    int count = 0;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(keys + at, '\0', len - at);
        if (!end || (size_t)(end - keys) < at + s->prefix_len ||
            memcmp(keys + at, s->prefix, s->prefix_len) != 0)
            return FNVM_SERVICE_UNAVAILABLE; /* not what was asked for */
        const char *own = keys + at + s->prefix_len;
        const size_t bytes = (size_t)(end - own) + 1;
        if (bytes > FNVM_KV_KEY_BYTES + 1) return FNVM_SERVICE_UNAVAILABLE;
        if (bytes > l->size - used || (uint32_t)count == l->most) {
            if (count) break;
            used = (uint32_t)bytes; /* not even one */
            memcpy(l->used_at, &used, sizeof used);
            return FNVM_SERVICE_TOO_LARGE;
        }
        memcpy(l->to + used, own, bytes);
        used += (uint32_t)bytes;
        count++;
        at = (size_t)(end - keys) + 1;
    }
    memcpy(l->used_at, &used, sizeof used);
    return count;
}

static fnvm_error *list_keys(const ServiceCall *call, const ListCall *l, fnvm_slot *slots)
{
    const fnvm_kv_command c = {
        .verb = FNVM_KV_LIST,
        .key = l->prefix.at,
        .key_len = l->prefix.len,
        .was = l->after.at,
        .was_len = l->after.len,
        .most = l->most < FNVM_KV_LIST_KEYS ? l->most : FNVM_KV_LIST_KEYS};
    char *keys;
    size_t len;
    int status;
    if (l->most == 0) return service_answer(slots, FNVM_SERVICE_INVALID);
    fnvm_error *error = service_kv_ask(call->services, call->caller, &c, &keys, &len, &status);
    if (error) return error;
    if (status == FNVM_SERVICE_OK) status = give_keys(call->services, l, keys, len);
    free(keys);
    return service_answer(slots, status);
}

/* slots: prefix, length, after, length, most, buffer, its size, where goes how much of it is
 * used. */
static fnvm_error *list(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const ListCall l = {.prefix = bytes_of(&call, slots),
                        .after = bytes_of(&call, slots + 2),
                        .most = slots[4].i32,
                        .size = slots[6].i32,
                        .to = service_bytes(&call, slots[5].i32, slots[6].i32),
                        .used_at = service_bytes(&call, slots[7].i32, 4)};
    if (!l.prefix.at || !l.after.at || !l.to || !l.used_at)
        return service_answer(slots, FNVM_SERVICE_FAULT);
    return list_keys(&call, &l, slots);
}

const ServiceFunc service_kv[] = {{"get", "i32 i32 i32 i32 i32 i32 -> i32", get},
                                  {"set", "i32 i32 i32 i32 -> i32", set},
                                  {"delete", "i32 i32 -> i32", remove_key},
                                  {"swap", "i32 i32 i32 i32 i32 i32 -> i32", swap},
                                  {"append", "i32 i32 i32 i32 -> i32", append},
                                  {"list", "i32 i32 i32 i32 i32 i32 i32 i32 -> i32", list},
                                  {NULL, NULL, NULL}};
