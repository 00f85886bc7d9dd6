/* kv.c - the module fnvm:kv: a guest's keys and values.
 *
 * A guest's keys are those of a store that begin with its prefix, which is put before every key
 * here and taken off again: no name that it can write reaches outside.  A value is fetched whole
 * when it is read from its beginning, and kept, so that reading on in pieces gives pieces of one
 * value, whatever others do to it. */
#include "stdlib/services.h"

#include <stdlib.h>

/* ---- Keys with the prefix ---- */

typedef struct FullKey {
    char at[FNVM_KV_PREFIX_BYTES + FNVM_KV_KEY_BYTES];
    size_t len;
} FullKey;

/* NUL is refused: lists separate keys by it. */
static int full_key(const Services *s, const char *key, size_t len, bool may_be_empty, FullKey *out)
{
    if (!s->kv) return FNVM_SERVICE_UNAVAILABLE;
    if (len > FNVM_KV_KEY_BYTES) return FNVM_SERVICE_TOO_LARGE;
    if ((len == 0 && !may_be_empty) || memchr(key, '\0', len)) return FNVM_SERVICE_INVALID;
    memcpy(out->at, s->prefix, s->prefix_len);
    if (len) memcpy(out->at + s->prefix_len, key, len);
    out->len = s->prefix_len + len;
    return FNVM_SERVICE_OK;
}

/* What a backend says, as guests see it. */
static int status_of(int status)
{
    return status <= FNVM_SERVICE_OK ? status : FNVM_SERVICE_UNAVAILABLE;
}

int service_kv_get(Services *s, const char *key, size_t key_len, char **value, size_t *len)
{
    FullKey k;
    *value = NULL;
    *len = 0;
    int status = full_key(s, key, key_len, false, &k);
    if (status) return status;
    const fnvm_kv_backend *b = kv_backend(s->kv);
    status = status_of(b->get(b->env, k.at, k.len, value, len));
    if (status == FNVM_SERVICE_OK && *len <= FNVM_KV_VALUE_BYTES) return status;
    free(*value);
    *value = NULL;
    return status ? status : FNVM_SERVICE_TOO_LARGE;
}

int service_kv_set(Services *s, const char *key, size_t key_len, const char *value, size_t len)
{
    FullKey k;
    const int status = full_key(s, key, key_len, false, &k);
    if (status) return status;
    if (len > FNVM_KV_VALUE_BYTES) return FNVM_SERVICE_TOO_LARGE;
    const fnvm_kv_backend *b = kv_backend(s->kv);
    return status_of(b->set(b->env, k.at, k.len, value, len));
}

int service_kv_append(Services *s, const char *key, size_t key_len, const char *value, size_t len)
{
    FullKey k;
    const int status = full_key(s, key, key_len, false, &k);
    if (status) return status;
    if (len > FNVM_KV_VALUE_BYTES) return FNVM_SERVICE_TOO_LARGE;
    const fnvm_kv_backend *b = kv_backend(s->kv);
    return status_of(b->append(b->env, k.at, k.len, value, len));
}

int service_kv_remove(Services *s, const char *key, size_t key_len)
{
    FullKey k;
    const int status = full_key(s, key, key_len, false, &k);
    if (status) return status;
    const fnvm_kv_backend *b = kv_backend(s->kv);
    return status_of(b->remove(b->env, k.at, k.len));
}

/* ---- The value fetched last ---- */

void service_kv_forget(Services *s)
{
    free(s->fetched.key);
    free(s->fetched.value);
    memset(&s->fetched, 0, sizeof s->fetched);
}

static bool is_fetched(const Services *s, const char *key, size_t len)
{
    return s->fetched.key && s->fetched.key_len == len && memcmp(s->fetched.key, key, len) == 0;
}

static int fetch(Services *s, const char *key, size_t key_len)
{
    service_kv_forget(s);
    int status = service_kv_get(s, key, key_len, &s->fetched.value, &s->fetched.len);
    if (status) return status;
    s->fetched.key = malloc(key_len + 1);
    if (!s->fetched.key) {
        service_kv_forget(s);
        return FNVM_SERVICE_UNAVAILABLE;
    }
    memcpy(s->fetched.key, key, key_len);
    s->fetched.key_len = key_len;
    return FNVM_SERVICE_OK;
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
    if (offset == 0 || !is_fetched(s, key.at, key.len)) status = fetch(s, key.at, key.len);
    if (status) return service_answer(slots, status);
    status = service_piece(&call, s->fetched.value, s->fetched.len, offset, to, size, len_at);
    if (s->fetched.len <= (uint64_t)offset + size) service_kv_forget(s); /* that was all */
    return service_answer(slots, status);
}

static fnvm_error *set(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const Bytes key = bytes_of(&call, slots), value = bytes_of(&call, slots + 2);
    if (!key.at || !value.at) return service_answer(slots, FNVM_SERVICE_FAULT);
    return service_answer(slots,
                          service_kv_set(call.services, key.at, key.len, value.at, value.len));
}

static fnvm_error *append(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const Bytes key = bytes_of(&call, slots), value = bytes_of(&call, slots + 2);
    if (!key.at || !value.at) return service_answer(slots, FNVM_SERVICE_FAULT);
    return service_answer(slots,
                          service_kv_append(call.services, key.at, key.len, value.at, value.len));
}

static fnvm_error *remove_key(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const Bytes key = bytes_of(&call, slots);
    if (!key.at) return service_answer(slots, FNVM_SERVICE_FAULT);
    return service_answer(slots, service_kv_remove(call.services, key.at, key.len));
}

/* slots: key, length, what it was, its length (-1: it must not exist), what it becomes, its
 * length. */
static fnvm_error *swap(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    Services *s = call.services;
    const bool absent = slots[3].i32 == UINT32_MAX;
    const Bytes key = bytes_of(&call, slots), value = bytes_of(&call, slots + 4);
    const Bytes was = absent ? (Bytes){"", 0} : bytes_of(&call, slots + 2);
    if (!key.at || !was.at || !value.at) return service_answer(slots, FNVM_SERVICE_FAULT);
    FullKey k;
    int status = full_key(s, key.at, key.len, false, &k);
    if (!status && (value.len > FNVM_KV_VALUE_BYTES || was.len > FNVM_KV_VALUE_BYTES))
        status = FNVM_SERVICE_TOO_LARGE;
    if (!status) {
        const fnvm_kv_backend *b = kv_backend(s->kv);
        status = status_of(
            b->swap(b->env, k.at, k.len, absent ? NULL : was.at, was.len, value.at, value.len));
    }
    return service_answer(slots, status);
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

static int list_keys(Services *s, const ListCall *l)
{
    FullKey prefix, after;
    int status = full_key(s, l->prefix.at, l->prefix.len, true, &prefix);
    if (!status) status = full_key(s, l->after.at, l->after.len, true, &after);
    if (status) return status;
    if (l->most == 0) return FNVM_SERVICE_INVALID;
    char *keys = NULL;
    size_t len = 0;
    const fnvm_kv_backend *b = kv_backend(s->kv);
    const size_t most = l->most < FNVM_KV_LIST_KEYS ? l->most : FNVM_KV_LIST_KEYS;
    status = status_of(b->list(b->env, prefix.at, prefix.len, after.at,
                               l->after.len ? after.len : 0, most, &keys, &len));
    if (status == FNVM_SERVICE_OK) status = give_keys(s, l, keys, len);
    free(keys);
    return status;
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
    return service_answer(slots, list_keys(call.services, &l));
}

const ServiceFunc service_kv[] = {{"get", "i32 i32 i32 i32 i32 i32 -> i32", get},
                                  {"set", "i32 i32 i32 i32 -> i32", set},
                                  {"delete", "i32 i32 -> i32", remove_key},
                                  {"swap", "i32 i32 i32 i32 i32 i32 -> i32", swap},
                                  {"append", "i32 i32 i32 i32 -> i32", append},
                                  {"list", "i32 i32 i32 i32 i32 i32 i32 i32 -> i32", list},
                                  {NULL, NULL, NULL}};
