/* Who waits is noted as in outbound.c: with the token, when a command is begun. */
#include "gateway/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/kv_redis.h"
#include "gateway/waiters.h"
#include "gateway/worker_state.h"

struct Store {
    Worker *worker;
    fnvm_kv *file; /* or NULL */
    KvRedis *redis; /* or NULL */
    Waiters waiters; /* with the token */
};

/* ---- Waking and waiting ---- */

/* From the thread that has the connection. */
static void done(void *env, const int64_t *ids, size_t n)
{
    Store *s = env;
    worker_lock(s->worker);
    for (size_t i = 0; i < n; i++) waiters_wake(&s->waiters, ids[i]);
    worker_unlock(s->worker);
}

static fnvm_error *wait(void *env, fnvm_caller *caller)
{
    (void)env;
    return fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
}

/* ---- The tasks: the guest's thread has lent the token out ---- */

static Store *store_of(const Place *p) { return p->function->worker->store; }

static fnvm_kv_tasks redis_of(const Place *p)
{
    fnvm_kv_tasks t;
    kv_redis_tasks(store_of(p)->redis, &t);
    return t;
}

static int64_t start(void *env, fnvm_caller *caller, const fnvm_kv_command *command)
{
    Place *p = env;
    const fnvm_kv_tasks t = redis_of(p);
    Runner *r = p->user->runner;
    const int64_t id = t.start(t.env, caller, command);
    if (id <= 0) return id;
    runner_pin(r);
    const bool noted = waiters_note(&store_of(p)->waiters, id, p->user);
    runner_unpin(r);
    if (noted) return id;
    t.drop(t.env, id);
    return FNVM_SERVICE_UNAVAILABLE;
}

static bool poll(void *env, fnvm_caller *caller, int64_t id, int *status, const void **answer,
                 size_t *len, fnvm_error **error)
{
    const fnvm_kv_tasks t = redis_of(env);
    return t.poll(t.env, caller, id, status, answer, len, error);
}

/* Also when its request has ended, with the token. */
static void drop(void *env, int64_t id)
{
    Place *p = env;
    const fnvm_kv_tasks t = redis_of(p);
    Runner *r = p->user ? p->user->runner : NULL;
    if (r) runner_pin(r);
    waiters_forget(&store_of(p)->waiters, id);
    if (r) runner_unpin(r);
    t.drop(t.env, id);
}

fnvm_error *store_give(Store *s, Place *p)
{
    char *prefix = config_keys(p->function->settings);
    if (!prefix) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    const fnvm_kv_tasks tasks = {p, start, poll, drop};
    fnvm_error *error = s->redis ? fnvm_services_kv_tasks(p->services, &tasks, prefix)
                                 : fnvm_services_kv(p->services, s->file, prefix);
    free(prefix);
    return error;
}

/* ---- Life ---- */

static fnvm_error *open_file(const Config *config, fnvm_kv **out)
{
    char path[4096];
    if (!config->state || snprintf(path, sizeof path, "%s/kv", config->state) >= (int)sizeof path)
        return fnvm_error_new(FNVM_E_USAGE, "there is no directory for keys and values, or its name is "
                              "too long: `state`");
    return fnvm_kv_open(path, out);
}

fnvm_error *store_open(Worker *w, const Config *config, Store **out)
{
    *out = NULL;
    Store *s = calloc(1, sizeof *s);
    if (!s) return fnvm_error_new(FNVM_E_MEMORY, "no memory for keys and values");
    s->worker = w;
    const ConfigRedis *r = &config->redis;
    const KvRedisOptions options = {.address = config->kv,
                                    .user = r->user,
                                    .password_file = r->password_file,
                                    .ca = r->ca,
                                    .certificate = r->certificate,
                                    .key = r->key,
                                    .done = done,
                                    .done_env = s,
                                    .wait = wait};
    fnvm_error *error =
        config->kv ? kv_redis_new(&options, &s->redis) : open_file(config, &s->file);
    if (error) free(s);
    else *out = s;
    return error;
}

void store_stop(Store *s)
{
    if (s) kv_redis_stop(s->redis);
}

void store_close(Store *s)
{
    if (!s) return;
    kv_redis_free(s->redis);
    fnvm_kv_release(s->file);
    waiters_free(&s->waiters);
    free(s);
}
