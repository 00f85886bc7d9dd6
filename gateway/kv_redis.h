/* Keys and values in a Redis server, for fnvm_services_kv_tasks: several machines share them, and a
 * guest that asks waits without a thread.
 *
 * Addresses: redis[s]://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], with TLS if there is an s, or
 * redis+unix:PATH.  IPv6 hosts in brackets.  Values are strings of Redis, under the keys as they
 * are.  Compare-and-swap and append with its bound are scripts, and so atomic.  Listing keys goes
 * over all that the database has (SCAN): Redis keeps them in no order. */
#ifndef FNVM_GATEWAY_KV_REDIS_H
#define FNVM_GATEWAY_KV_REDIS_H

#include "fnvm.h"

typedef struct KvRedis KvRedis;

typedef struct KvRedisOptions { /* copied; all but the address may be NULL */
    const char *address;
    const char *user, *password_file; /* in place of the address's */
    const char *ca;                   /* in place of the system's certificates; rediss only */
    const char *certificate, *key;    /* the client's own; rediss only */
    /* From its thread, when commands have ended.  It must not call back here. */
    void (*done)(void *env, const int64_t *ids, size_t n);
    void *done_env;
    /* What a guest does that waits: fnvm_caller_suspend.  If that is not possible its thread waits.
     * `done` of the same command comes afterwards.  It must not call back here.  NULL: threads
     * wait, also those without a guest. */
    fnvm_error *(*wait)(void *env, fnvm_caller *);
    void *wait_env;
} KvRedisOptions;

bool kv_redis_is(const char *address); /* one for kv_redis_new, as far as its beginning goes */
/* The port of one; 0: a Unix socket, or no address at all. */
uint16_t kv_redis_port(const char *address);

/* Connects once, so that what is wrong is said now: FNVM_E_USAGE for the options, FNVM_E_IO with
 * the server's words.  One thread, which the first command starts, has one connection, over which
 * all commands go.  While there is none everything is FNVM_SERVICE_UNAVAILABLE, after a few seconds
 * at most; it is made anew for the next command, less and less often while that fails.  Not before
 * a fork(). */
fnvm_error *kv_redis_new(const KvRedisOptions *, KvRedis **out);
/* Ends its thread: `done` is not called any more, and what is open never ends. */
void kv_redis_stop(KvRedis *); /* NULL is fine */
void kv_redis_free(KvRedis *); /* after the stores that use it; NULL is fine */
/* Its functions may be called from any thread. */
void kv_redis_tasks(KvRedis *, fnvm_kv_tasks *out);

#endif
