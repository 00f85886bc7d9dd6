/* A few connections, each behind a mutex: a call takes one that is free.  A connection that
 * broke is made anew by the next call that takes it.  Before each use it is asked whether the
 * server has closed it, so that a restart of the server costs no call; a command whose answer
 * does not come is not sent again, since it may have been carried out. */
#include "gateway/kv_redis.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    CONNECTIONS = 4,
    CONNECT_MS = 1000,
    COMMAND_MS = 2000,
    LIST_MS = 5000,   /* for a list, which takes many commands */
    SCAN_COUNT = 1000 /* keys that Redis looks at in one of them */
};

typedef struct Connection {
    pthread_mutex_t mutex;
    redisContext *redis;
} Connection;

typedef struct Redis {
    char *host, *user, *password; /* host: a path if port is 0; the others NULL: none */
    int port, database;
    atomic_uint next;
    Connection connections[CONNECTIONS];
} Redis;

/* ---- Connections ---- */

static struct timeval milliseconds(int ms) { return (struct timeval){ms / 1000, ms % 1000 * 1000}; }

static fnvm_error *server_error(const Redis *r, const char *why)
{
    return fnvm_error_new(FNVM_E_IO, "cannot use the Redis server at %s%s%.0d: %s", r->host,
                          r->port ? ":" : "", r->port, why);
}

/* A command without arguments of the guest's; its reply is only good or bad. */
static fnvm_error *say(const Redis *r, redisContext *c, int argc, const char **argv)
{
    redisReply *reply = redisCommandArgv(c, argc, argv, NULL);
    fnvm_error *error = !reply                             ? server_error(r, c->errstr)
                        : reply->type == REDIS_REPLY_ERROR ? server_error(r, reply->str)
                                                           : NULL;
    if (reply) freeReplyObject(reply);
    return error;
}

static fnvm_error *greet(const Redis *r, redisContext *c)
{
    char database[16];
    fnvm_error *error = NULL;
    if (redisSetTimeout(c, milliseconds(COMMAND_MS)) != REDIS_OK) return server_error(r, c->errstr);
    if (r->password && r->user)
        error = say(r, c, 3, (const char *[]){"AUTH", r->user, r->password});
    else if (r->password) error = say(r, c, 2, (const char *[]){"AUTH", r->password});
    if (!error && r->database) {
        snprintf(database, sizeof database, "%d", r->database);
        error = say(r, c, 2, (const char *[]){"SELECT", database});
    }
    return error ? error : say(r, c, 1, (const char *[]){"PING"});
}

static fnvm_error *join(const Redis *r, redisContext **out)
{
    redisContext *c = r->port ? redisConnectWithTimeout(r->host, r->port, milliseconds(CONNECT_MS))
                              : redisConnectUnixWithTimeout(r->host, milliseconds(CONNECT_MS));
    *out = NULL;
    if (!c) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    fnvm_error *error = c->err ? server_error(r, c->errstr) : greet(r, c);
    if (error) redisFree(c);
    else *out = c;
    return error;
}

/* The server closed it, or sent what nobody asked for. */
static bool is_stale(const redisContext *c)
{
    struct pollfd fd = {.fd = c->fd, .events = POLLIN};
    return c->err || poll(&fd, 1, 0) != 0;
}

/* A connection that is this thread's until put(); its `redis` is NULL if there is no server. */
static Connection *take(Redis *r)
{
    const unsigned first = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed);
    Connection *c = NULL;
    for (unsigned i = 0; i < CONNECTIONS && !c; i++) {
        Connection *one = &r->connections[(first + i) % CONNECTIONS];
        if (pthread_mutex_trylock(&one->mutex) == 0) c = one;
    }
    if (!c) {
        c = &r->connections[first % CONNECTIONS];
        pthread_mutex_lock(&c->mutex);
    }
    if (c->redis && is_stale(c->redis)) {
        redisFree(c->redis);
        c->redis = NULL;
    }
    if (!c->redis) fnvm_error_free(join(r, &c->redis));
    return c;
}

static void put(Connection *c) { pthread_mutex_unlock(&c->mutex); }

/* ---- Commands ---- */

typedef struct Bytes {
    const char *at;
    size_t len;
} Bytes;

static Bytes text(const char *t) { return (Bytes){t, strlen(t)}; }

static int status_of(const redisReply *reply)
{
    if (!reply) return FNVM_SERVICE_UNAVAILABLE;
    if (reply->type != REDIS_REPLY_ERROR) return FNVM_SERVICE_OK;
    return strncmp(reply->str, "OOM", 3) == 0 ? FNVM_SERVICE_LIMIT : FNVM_SERVICE_UNAVAILABLE;
}

/* On a connection that was taken.  *reply is to be freed if the status is good. */
static int ask(Connection *c, const Bytes *words, int n, redisReply **reply)
{
    const char *argv[8];
    size_t lens[8];
    *reply = NULL;
    if (!c->redis) return FNVM_SERVICE_UNAVAILABLE;
    for (int i = 0; i < n; i++) {
        argv[i] = words[i].at;
        lens[i] = words[i].len;
    }
    redisReply *got = redisCommandArgv(c->redis, n, argv, lens);
    const int status = status_of(got);
    if (!got) { /* its answer could still come, and would be taken for another's */
        redisFree(c->redis);
        c->redis = NULL;
    } else if (status) {
        freeReplyObject(got);
    } else {
        *reply = got;
    }
    return status;
}

static int command(Redis *r, const Bytes *words, int n, redisReply **reply)
{
    Connection *c = take(r);
    const int status = ask(c, words, n, reply);
    put(c);
    return status;
}

/* One whose answer is a number, compared with 1. */
static int command_one(Redis *r, const Bytes *words, int n, int otherwise)
{
    redisReply *reply;
    int status = command(r, words, n, &reply);
    if (status) return status;
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer != 1) status = otherwise;
    freeReplyObject(reply);
    return status;
}

static int get(void *env, const char *key, size_t key_len, char **value, size_t *len)
{
    redisReply *reply;
    int status = command(env, (const Bytes[]){text("GET"), {key, key_len}}, 2, &reply);
    if (status) return status;
    if (reply->type == REDIS_REPLY_NIL) status = FNVM_SERVICE_NOT_FOUND;
    else if (reply->type != REDIS_REPLY_STRING) status = FNVM_SERVICE_UNAVAILABLE;
    else if ((size_t)reply->len > FNVM_KV_VALUE_BYTES) status = FNVM_SERVICE_TOO_LARGE;
    else if (!(*value = malloc((size_t)reply->len + 1))) status = FNVM_SERVICE_UNAVAILABLE;
    else {
        *len = (size_t)reply->len;
        memcpy(*value, reply->str, *len);
    }
    freeReplyObject(reply);
    return status;
}

static int set(void *env, const char *key, size_t key_len, const char *value, size_t len)
{
    redisReply *reply;
    const int status =
        command(env, (const Bytes[]){text("SET"), {key, key_len}, {value, len}}, 3, &reply);
    if (!status) freeReplyObject(reply);
    return status;
}

static int remove_key(void *env, const char *key, size_t key_len)
{
    return command_one(env, (const Bytes[]){text("DEL"), {key, key_len}}, 2,
                       FNVM_SERVICE_NOT_FOUND);
}

static int swap(void *env, const char *key, size_t key_len, const char *was, size_t was_len,
                const char *value, size_t len)
{
    static const char script[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
                                 "redis.call('SET', KEYS[1], ARGV[2]) return 1";
    if (was)
        return command_one(env,
                           (const Bytes[]){text("EVAL"),
                                           text(script),
                                           text("1"),
                                           {key, key_len},
                                           {was, was_len},
                                           {value, len}},
                           6, FNVM_SERVICE_CHANGED);
    return command_one(env, (const Bytes[]){text("SETNX"), {key, key_len}, {value, len}}, 3,
                       FNVM_SERVICE_CHANGED);
}

static int append(void *env, const char *key, size_t key_len, const char *value, size_t len)
{
    static const char script[] =
        "if redis.call('STRLEN', KEYS[1]) + #ARGV[1] > tonumber(ARGV[2]) then return 0 end "
        "redis.call('APPEND', KEYS[1], ARGV[1]) return 1";
    char most[16];
    snprintf(most, sizeof most, "%d", FNVM_KV_VALUE_BYTES);
    return command_one(
        env,
        (const Bytes[]){
            text("EVAL"), text(script), text("1"), {key, key_len}, {value, len}, text(most)},
        6, FNVM_SERVICE_TOO_LARGE);
}

/* ---- Lists ---- */

typedef struct Keys {
    Bytes *at;
    size_t n, cap;
} Keys; /* each malloc'd, with a NUL behind it */

static int compare(const void *a, const void *b)
{
    const Bytes *x = a, *y = b;
    const size_t n = x->len < y->len ? x->len : y->len;
    const int order = n ? memcmp(x->at, y->at, n) : 0;
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* In order, once each (SCAN may give one twice), and no more than are wanted. */
static void keep_first(Keys *keys, size_t most)
{
    size_t kept = 0;
    if (keys->n) qsort(keys->at, keys->n, sizeof *keys->at, compare);
    for (size_t i = 0; i < keys->n; i++) {
        if (kept < most && (kept == 0 || compare(&keys->at[kept - 1], &keys->at[i]) != 0))
            keys->at[kept++] = keys->at[i];
        else free((char *)keys->at[i].at);
    }
    keys->n = kept;
}

static bool add_key(Keys *keys, const char *at, size_t len)
{
    if (keys->n == keys->cap) {
        const size_t cap = keys->cap ? keys->cap * 2 : 64;
        Bytes *more = realloc(keys->at, cap * sizeof *more);
        if (!more) return false;
        keys->at = more;
        keys->cap = cap;
    }
    char *copy = malloc(len + 1);
    if (!copy) return false;
    memcpy(copy, at, len);
    copy[len] = '\0';
    keys->at[keys->n++] = (Bytes){copy, len};
    return true;
}

/* "prefix*", where nothing of the prefix is a wildcard. */
static size_t print_pattern(const char *prefix, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (strchr("*?[]\\^-", prefix[i]) && prefix[i]) out[n++] = '\\';
        out[n++] = prefix[i];
    }
    out[n++] = '*';
    return n;
}

typedef struct Wanted {
    Bytes prefix, after;
    size_t most;
} Wanted;

static bool is_wanted(const Wanted *w, const redisReply *key)
{
    if (key->type != REDIS_REPLY_STRING || memchr(key->str, '\0', (size_t)key->len)) return false;
    const Bytes k = {key->str, (size_t)key->len};
    return k.len >= w->prefix.len && memcmp(k.at, w->prefix.at, w->prefix.len) == 0 &&
           (w->after.len == 0 || compare(&k, &w->after) > 0);
}

/* One step of the scan; `cursor` is "0" after the last. */
static int scan(Connection *c, const Wanted *w, Bytes pattern, char cursor[32], Keys *keys)
{
    char count[16];
    redisReply *reply;
    snprintf(count, sizeof count, "%d", SCAN_COUNT);
    int status = ask(c,
                     (const Bytes[]){text("SCAN"), text(cursor), text("MATCH"), pattern,
                                     text("COUNT"), text(count)},
                     6, &reply);
    if (status) return status;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING || reply->element[0]->len >= 32 ||
        reply->element[1]->type != REDIS_REPLY_ARRAY)
        status = FNVM_SERVICE_UNAVAILABLE;
    for (size_t i = 0; !status && i < reply->element[1]->elements; i++) {
        const redisReply *key = reply->element[1]->element[i];
        if (is_wanted(w, key) && !add_key(keys, key->str, (size_t)key->len))
            status = FNVM_SERVICE_UNAVAILABLE;
    }
    if (!status) strcpy(cursor, reply->element[0]->str);
    freeReplyObject(reply);
    if (keys->n > 2 * w->most) keep_first(keys, w->most);
    return status;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int back_to_back(const Keys *keys, char **out, size_t *len)
{
    size_t bytes = 0;
    for (size_t i = 0; i < keys->n; i++) bytes += keys->at[i].len + 1;
    *out = malloc(bytes + 1);
    if (!*out) return FNVM_SERVICE_UNAVAILABLE;
    *len = 0;
    for (size_t i = 0; i < keys->n; i++) {
        memcpy(*out + *len, keys->at[i].at, keys->at[i].len + 1);
        *len += keys->at[i].len + 1;
    }
    return FNVM_SERVICE_OK;
}

static int list(void *env, const char *prefix, size_t prefix_len, const char *after,
                size_t after_len, size_t most, char **out, size_t *len)
{
    const Wanted w = {{prefix, prefix_len}, {after, after_len}, most};
    const int64_t until = now_ms() + LIST_MS;
    Keys keys = {0};
    char cursor[32] = "0", *pattern = malloc(2 * prefix_len + 1);
    *out = NULL;
    *len = 0;
    if (!pattern) return FNVM_SERVICE_UNAVAILABLE;
    const Bytes matched = {pattern, print_pattern(prefix, prefix_len, pattern)};
    Connection *c = take(env);
    int status;
    do status = scan(c, &w, matched, cursor, &keys);
    while (!status && strcmp(cursor, "0") != 0 && now_ms() < until);
    put(c);
    if (!status && strcmp(cursor, "0") != 0) status = FNVM_SERVICE_TIMEOUT;
    keep_first(&keys, most);
    if (!status) status = back_to_back(&keys, out, len);
    for (size_t i = 0; i < keys.n; i++) free((char *)keys.at[i].at);
    free(keys.at);
    free(pattern);
    return status;
}

/* ---- Opening ---- */

static void close_all(void *env)
{
    Redis *r = env;
    for (int i = 0; i < CONNECTIONS; i++) {
        if (r->connections[i].redis) redisFree(r->connections[i].redis);
        pthread_mutex_destroy(&r->connections[i].mutex);
    }
    free(r->host);
    free(r->user);
    free(r->password);
    free(r);
}

static const char tcp[] = "redis://", unix_socket[] = "redis+unix:";

bool kv_redis_is(const char *address)
{
    return strncmp(address, tcp, sizeof tcp - 1) == 0 ||
           strncmp(address, unix_socket, sizeof unix_socket - 1) == 0;
}

static bool take_number(const char *t, size_t len, int most, int *out)
{
    int n = 0;
    if (len == 0 || len > 5) return false;
    for (size_t i = 0; i < len; i++) {
        if (t[i] < '0' || t[i] > '9') return false;
        n = n * 10 + (t[i] - '0');
    }
    *out = n;
    return n <= most;
}

/* "user:password@". */
static bool take_login(Redis *r, const char *t, size_t len)
{
    const char *colon = memchr(t, ':', len);
    if (!colon) return false;
    if (colon > t) r->user = strndup(t, (size_t)(colon - t));
    r->password = strndup(colon + 1, len - (size_t)(colon - t) - 1);
    return r->password && (colon == t || r->user);
}

static bool take_address(Redis *r, const char *address)
{
    if (strncmp(address, unix_socket, sizeof unix_socket - 1) == 0) {
        r->host = strdup(address + sizeof unix_socket - 1);
        return r->host && *r->host;
    }
    const char *t = address + sizeof tcp - 1, *end = t + strcspn(t, "/");
    if (*end && end[1] && !take_number(end + 1, strlen(end + 1), INT16_MAX, &r->database))
        return false;
    const char *at = memrchr(t, '@', (size_t)(end - t));
    if (at && !take_login(r, t, (size_t)(at - t))) return false;
    if (at) t = at + 1;
    const char *bracket = *t == '[' ? memchr(t, ']', (size_t)(end - t)) : NULL;
    const char *host_end = bracket ? bracket + 1 : memchr(t, ':', (size_t)(end - t));
    if (!host_end) host_end = end;
    r->port = 6379;
    if (host_end < end &&
        (*host_end != ':' ||
         !take_number(host_end + 1, (size_t)(end - host_end - 1), UINT16_MAX, &r->port) ||
         r->port == 0))
        return false;
    r->host =
        bracket ? strndup(t + 1, (size_t)(bracket - t - 1)) : strndup(t, (size_t)(host_end - t));
    return r->host && *r->host;
}

fnvm_error *kv_redis_open(const char *address, fnvm_kv **out)
{
    *out = NULL;
    Redis *r = calloc(1, sizeof *r);
    if (!r) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    for (int i = 0; i < CONNECTIONS; i++) pthread_mutex_init(&r->connections[i].mutex, NULL);
    fnvm_error *error = NULL;
    if (!kv_redis_is(address) || !take_address(r, address))
        error = fnvm_error_new(
            FNVM_E_USAGE, "this is no address of a Redis server; expected "
                          "redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE] or redis+unix:PATH");
    if (!error) error = join(r, &r->connections[0].redis);
    const fnvm_kv_backend backend = {r, get, set, remove_key, swap, append, list, close_all};
    if (!error) error = fnvm_kv_new(&backend, out);
    if (error) close_all(r);
    return error;
}
