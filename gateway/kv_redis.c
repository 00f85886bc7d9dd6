/* Commands are written in Redis' form by whoever asks, and handed to a thread in a list; it sends
 * them one behind the other without waiting for replies, which come in the same order.  A command
 * whose reply does not come is not sent again, since it may have been carried out: when the
 * connection breaks, or its oldest command is too old, all that are under way have failed.
 *
 * A command is freed when both the thread and the guest have let go of it. */
#include "gateway/kv_redis.h"

#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "gateway/names.h"
#include "gateway/redis_keys.h"
#include "gateway/redis_link.h"
#include "gateway/text.h"

enum {
    BUCKETS = 1024,
    COMMAND_MS = 2000, /* for a reply */
    LIST_MS = 5000,    /* for a list, which takes many commands */
    BACKOFF_LEAST_MS = 100,
    BACKOFF_MOST_MS = 3000,
    SEND_BYTES = 4 << 20, /* what is handed to the connection at once */
    TOLD = 64             /* commands that are told of in one go */
};
#define LOOK_NS UINT64_C(50000000) /* between two looks at the interrupt of a guest whose thread waits */

typedef struct Command Command;
struct Command {
    Command *next;  /* in the bucket of its id */
    Command *queue; /* among the new ones, or those under way */
    int64_t id;
    fnvm_kv_verb verb;
    char *bytes;      /* in Redis' form; NULL once they were handed on */
    size_t bytes_len;
    KeyScan *scan;
    uint64_t began_ns, sent_ns; /* of CLOCK_MONOTONIC */
    /* With the lock: */
    bool ended, dropped;
    int status;
    char *answer;
    size_t len;
};

typedef struct Queue {
    Command *first, **last;
} Queue;

struct KvRedis {
    KvRedisOptions options; /* only its functions */
    RedisServer *server;
    pthread_t thread;
    int wake; /* an eventfd */
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    /* With the lock: */
    Command *buckets[BUCKETS];
    Queue fresh;
    int64_t last_id;
    bool started; /* the thread */
    bool asleep, stop;
    /* The thread's: */
    RedisLink *link; /* NULL: there is none */
    uint64_t retry_ns, backoff_ms;
    Queue sent;
    Text out; /* what is to be sent, from out_at on */
    size_t out_at;
    int64_t told[TOLD];
    size_t ntold;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void queue_clear(Queue *q) { *q = (Queue){.last = &q->first}; }

static void queue_add(Queue *q, Command *c)
{
    c->queue = NULL;
    *q->last = c;
    q->last = &c->queue;
}

static Command *queue_take(Queue *q)
{
    Command *c = q->first;
    if (!c) return NULL;
    q->first = c->queue;
    if (!q->first) q->last = &q->first;
    return c;
}

/* ---- Commands in Redis' form ---- */

static void command_free(Command *c)
{
    if (!c) return;
    redisFreeCommand(c->bytes);
    key_scan_free(c->scan);
    free(c->answer);
    free(c);
}

typedef struct Words {
    const char *at[8];
    size_t len[8];
    int n;
} Words;

static void add_word(Words *w, const char *at, size_t len)
{
    w->at[w->n] = at;
    w->len[w->n++] = len;
}

static void add_text(Words *w, const char *text) { add_word(w, text, strlen(text)); }

static const char swap_script[] = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
                                  "redis.call('SET', KEYS[1], ARGV[2]) return 1";
static const char append_script[] =
    "if redis.call('STRLEN', KEYS[1]) + #ARGV[1] > tonumber(ARGV[2]) then return 0 end "
    "redis.call('APPEND', KEYS[1], ARGV[1]) return 1";

static void add_script(Words *w, const char *script, const fnvm_kv_command *c)
{
    add_text(w, "EVAL");
    add_text(w, script);
    add_text(w, "1");
    add_word(w, c->key, c->key_len);
}

static void print_words(const fnvm_kv_command *c, Words *w, char most[16])
{
    static const char *const names[] = {
        [FNVM_KV_GET] = "GET", [FNVM_KV_SET] = "SET", [FNVM_KV_REMOVE] = "DEL"};
    switch (c->verb) {
    case FNVM_KV_APPEND:
        snprintf(most, 16, "%d", FNVM_KV_VALUE_BYTES);
        add_script(w, append_script, c);
        add_word(w, c->value, c->len);
        add_text(w, most);
        return;
    case FNVM_KV_SWAP:
        if (c->was) {
            add_script(w, swap_script, c);
            add_word(w, c->was, c->was_len);
        } else {
            add_text(w, "SETNX");
            add_word(w, c->key, c->key_len);
        }
        add_word(w, c->value, c->len);
        return;
    default:
        add_text(w, names[c->verb]);
        add_word(w, c->key, c->key_len);
        if (c->verb == FNVM_KV_SET) add_word(w, c->value, c->len);
    }
}

static bool take_bytes(Command *c, char *bytes, int len)
{
    c->bytes = len < 0 ? NULL : bytes;
    c->bytes_len = len < 0 ? 0 : (size_t)len;
    return len >= 0;
}

static Command *command_new(const fnvm_kv_command *asked)
{
    Command *c = calloc(1, sizeof *c);
    char *bytes = NULL, most[16];
    Words w = {.n = 0};
    int len = -1;
    if (!c) return NULL;
    c->verb = asked->verb;
    c->began_ns = now_ns();
    if (c->verb == FNVM_KV_LIST) {
        c->scan = key_scan_new(asked);
        if (c->scan) len = key_scan_command(c->scan, &bytes);
    } else {
        print_words(asked, &w, most);
        len = redisFormatCommandArgv(&bytes, w.n, w.at, w.len);
    }
    if (take_bytes(c, bytes, len)) return c;
    command_free(c);
    return NULL;
}

/* ---- Replies ---- */

static int take_value(Command *c, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_NIL) return FNVM_SERVICE_NOT_FOUND;
    if (reply->type != REDIS_REPLY_STRING) return FNVM_SERVICE_UNAVAILABLE;
    if ((size_t)reply->len > FNVM_KV_VALUE_BYTES) return FNVM_SERVICE_TOO_LARGE;
    c->answer = malloc((size_t)reply->len + 1);
    if (!c->answer) return FNVM_SERVICE_UNAVAILABLE;
    c->len = (size_t)reply->len;
    memcpy(c->answer, reply->str, c->len);
    return FNVM_SERVICE_OK;
}

static int is_one(const redisReply *reply, int otherwise)
{
    return reply->type == REDIS_REPLY_INTEGER && reply->integer == 1 ? FNVM_SERVICE_OK : otherwise;
}

static int status_of(Command *c, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR)
        return strncmp(reply->str, "OOM", 3) == 0 ? FNVM_SERVICE_LIMIT : FNVM_SERVICE_UNAVAILABLE;
    switch (c->verb) {
    case FNVM_KV_GET: return take_value(c, reply);
    case FNVM_KV_SET: return FNVM_SERVICE_OK;
    case FNVM_KV_REMOVE: return is_one(reply, FNVM_SERVICE_NOT_FOUND);
    case FNVM_KV_SWAP: return is_one(reply, FNVM_SERVICE_CHANGED);
    case FNVM_KV_APPEND: return is_one(reply, FNVM_SERVICE_TOO_LARGE);
    case FNVM_KV_LIST: break;
    }
    return FNVM_SERVICE_UNAVAILABLE;
}

/* ---- The thread: ends ---- */

static Command **find(KvRedis *k, int64_t id)
{
    Command **at = &k->buckets[(uint64_t)id % BUCKETS];
    while (*at && (*at)->id != id) at = &(*at)->next;
    return at;
}

static void tell(KvRedis *k)
{
    if (k->ntold && k->options.done) k->options.done(k->options.done_env, k->told, k->ntold);
    k->ntold = 0;
}

static void end(KvRedis *k, Command *c, int status)
{
    const int64_t id = c->id;
    pthread_mutex_lock(&k->mutex);
    c->status = status;
    c->ended = true;
    const bool dropped = c->dropped;
    if (dropped) *find(k, id) = c->next;
    pthread_cond_broadcast(&k->ended);
    pthread_mutex_unlock(&k->mutex);
    if (dropped) {
        command_free(c);
        return;
    }
    k->told[k->ntold++] = id;
    if (k->ntold == TOLD) tell(k);
}

static void end_all(KvRedis *k, Queue *q, int status)
{
    for (Command *c; (c = queue_take(q));) end(k, c, status);
}

/* What is under way has failed, one way or the other. */
static void disconnect(KvRedis *k)
{
    redis_link_close(k->link);
    k->link = NULL;
    text_clear(&k->out);
    k->out_at = 0;
    end_all(k, &k->sent, FNVM_SERVICE_UNAVAILABLE);
}

/* ---- The thread: sending and receiving ---- */

static void send_command(KvRedis *k, Command *c)
{
    if (k->out_at == k->out.len) text_clear(&k->out), k->out_at = 0;
    const size_t before = k->out.len;
    text_add(&k->out, c->bytes, c->bytes_len);
    if (k->out.failed) {
        k->out.len = before;
        k->out.failed = false;
        end(k, c, FNVM_SERVICE_UNAVAILABLE);
        return;
    }
    redisFreeCommand(c->bytes);
    c->bytes = NULL;
    c->sent_ns = now_ns();
    queue_add(&k->sent, c);
}

static bool is_dropped(KvRedis *k, const Command *c)
{
    pthread_mutex_lock(&k->mutex);
    const bool dropped = c->dropped;
    pthread_mutex_unlock(&k->mutex);
    return dropped;
}

/* The next step of a list, or its end. */
static void go_on(KvRedis *k, Command *c, const redisReply *reply)
{
    bool last = true;
    char *bytes = NULL;
    int status = reply->type == REDIS_REPLY_ERROR ? FNVM_SERVICE_UNAVAILABLE
                                                  : key_scan_take(c->scan, reply, &last);
    if (!status && !last && now_ns() - c->began_ns > LIST_MS * UINT64_C(1000000))
        status = FNVM_SERVICE_TIMEOUT;
    if (!status && !last) {
        const int len = key_scan_command(c->scan, &bytes);
        if (take_bytes(c, bytes, len)) {
            send_command(k, c);
            return;
        }
        status = FNVM_SERVICE_UNAVAILABLE;
    }
    if (!status) status = key_scan_answer(c->scan, &c->answer, &c->len);
    end(k, c, status);
}

static bool take_replies(KvRedis *k)
{
    for (;;) {
        redisReply *reply;
        if (!redis_link_reply(k->link, &reply)) return false;
        if (!reply) return true;
        Command *c = queue_take(&k->sent);
        if (c && c->scan && !is_dropped(k, c)) go_on(k, c, reply);
        else if (c) end(k, c, status_of(c, reply));
        freeReplyObject(reply);
        if (!c) return false; /* what nobody asked for */
    }
}

static bool is_late(const KvRedis *k)
{
    return k->sent.first && now_ns() - k->sent.first->sent_ns > COMMAND_MS * UINT64_C(1000000);
}

static void exchange(KvRedis *k)
{
    size_t sent = 0;
    if (!k->link) return;
    bool open = redis_link_send(k->link, k->out.at ? k->out.at + k->out_at : "",
                                k->out.len - k->out_at, &sent);
    k->out_at += sent;
    open = redis_link_receive(k->link) && open;
    open = take_replies(k) && open;
    if (!open || is_late(k)) disconnect(k);
}

/* False: there is no server now. */
static bool have_link(KvRedis *k)
{
    if (k->link) return true;
    if (now_ns() < k->retry_ns) return false;
    fnvm_error *error = redis_link_open(k->server, &k->link);
    if (!error) {
        k->backoff_ms = 0;
        return true;
    }
    fnvm_error_free(error);
    k->backoff_ms = k->backoff_ms ? 2 * k->backoff_ms : BACKOFF_LEAST_MS;
    if (k->backoff_ms > BACKOFF_MOST_MS) k->backoff_ms = BACKOFF_MOST_MS;
    k->retry_ns = now_ns() + k->backoff_ms * 1000000;
    return false;
}

static Command *take_fresh(KvRedis *k)
{
    pthread_mutex_lock(&k->mutex);
    Command *c = queue_take(&k->fresh);
    pthread_mutex_unlock(&k->mutex);
    return c;
}

static void send_fresh(KvRedis *k)
{
    while (k->out.len - k->out_at < SEND_BYTES) {
        Command *c = take_fresh(k);
        if (!c) return;
        if (is_dropped(k, c)) end(k, c, FNVM_SERVICE_UNAVAILABLE);
        else if (have_link(k)) send_command(k, c);
        else end(k, c, FNVM_SERVICE_UNAVAILABLE);
    }
}

/* ---- The thread: waiting ---- */

static int wait_ms(const KvRedis *k)
{
    if (!k->sent.first) return -1;
    const uint64_t until = k->sent.first->sent_ns + COMMAND_MS * UINT64_C(1000000), now = now_ns();
    return until > now ? (int)((until - now) / 1000000) + 1 : 0;
}

static void wait_for_events(KvRedis *k)
{
    const bool sends = k->out_at < k->out.len;
    struct pollfd fds[] = {
        {.fd = k->wake, .events = POLLIN},
        {.fd = k->link ? redis_link_fd(k->link) : -1,
         .events = (short)(sends ? POLLIN | POLLOUT : POLLIN)}};
    pthread_mutex_lock(&k->mutex);
    k->asleep = !k->stop && (!k->fresh.first || sends);
    const bool asleep = k->asleep;
    pthread_mutex_unlock(&k->mutex);
    poll(fds, 2, asleep ? wait_ms(k) : 0);
    pthread_mutex_lock(&k->mutex);
    k->asleep = false;
    pthread_mutex_unlock(&k->mutex);
    uint64_t times;
    if (fds[0].revents && read(k->wake, &times, sizeof times) < 0 && errno != EAGAIN) return;
}

static void *work(void *env)
{
    KvRedis *k = env;
    for (;;) {
        pthread_mutex_lock(&k->mutex);
        const bool stop = k->stop;
        pthread_mutex_unlock(&k->mutex);
        if (stop) return NULL;
        send_fresh(k);
        exchange(k);
        tell(k);
        wait_for_events(k);
    }
}

static void wake(const KvRedis *k)
{
    const uint64_t one = 1;
    const ssize_t written = write(k->wake, &one, sizeof one); /* full: it is awake already */
    (void)written;
}

/* ---- The tasks ---- */

/* With the lock.  The first who asks starts the thread, which so may do what he may. */
static bool has_thread(KvRedis *k)
{
    if (!k->started && !k->stop) k->started = pthread_create(&k->thread, NULL, work, k) == 0;
    return k->started;
}

static int64_t start(void *env, fnvm_caller *caller, const fnvm_kv_command *asked)
{
    KvRedis *k = env;
    (void)caller;
    Command *c = command_new(asked);
    if (!c) return FNVM_SERVICE_UNAVAILABLE;
    pthread_mutex_lock(&k->mutex);
    if (!has_thread(k)) {
        pthread_mutex_unlock(&k->mutex);
        command_free(c);
        return FNVM_SERVICE_UNAVAILABLE;
    }
    const int64_t id = c->id = ++k->last_id;
    Command **bucket = &k->buckets[(uint64_t)id % BUCKETS];
    c->next = *bucket;
    *bucket = c;
    queue_add(&k->fresh, c);
    const bool asleep = k->asleep;
    k->asleep = false;
    pthread_mutex_unlock(&k->mutex);
    if (asleep) wake(k);
    return id;
}

/* With the lock; until it has ended or the guest is interrupted. */
static void wait_here(KvRedis *k, const Command *c, fnvm_caller *caller)
{
    while (!c->ended && !(caller && fnvm_caller_interrupted(caller))) {
        const uint64_t until = now_ns() + LOOK_NS;
        const struct timespec t = {(time_t)(until / 1000000000), (long)(until % 1000000000)};
        pthread_cond_timedwait(&k->ended, &k->mutex, &t);
    }
}

/* With the lock: what is left waiting is woken behind it.  NULL: it has waited. */
static fnvm_error *wait(KvRedis *k, const Command *c, fnvm_caller *caller)
{
    if (k->options.wait && !caller) return NULL;
    if (k->options.wait) {
        fnvm_error *error = k->options.wait(k->options.wait_env, caller);
        if (error && fnvm_error_code(error) == FNVM_E_SUSPENDED) return error;
        fnvm_error_free(error);
    }
    wait_here(k, c, caller);
    return NULL;
}

static bool poll_one(void *env, fnvm_caller *caller, int64_t id, int *status, const void **answer,
                     size_t *len, fnvm_error **error)
{
    KvRedis *k = env;
    pthread_mutex_lock(&k->mutex);
    const Command *c = *find(k, id);
    if (c && !c->ended) *error = wait(k, c, caller);
    const bool ended = !c || c->ended;
    if (ended) {
        *status = c ? c->status : FNVM_SERVICE_INVALID;
        *answer = c ? c->answer : NULL;
        *len = c ? c->len : 0;
    }
    pthread_mutex_unlock(&k->mutex);
    return ended;
}

static void drop(void *env, int64_t id)
{
    KvRedis *k = env;
    pthread_mutex_lock(&k->mutex);
    Command **at = find(k, id), *c = *at;
    const bool ended = c && c->ended;
    if (ended) *at = c->next;
    else if (c) c->dropped = true;
    pthread_mutex_unlock(&k->mutex);
    if (ended) command_free(c);
}

void kv_redis_tasks(KvRedis *k, fnvm_kv_tasks *out)
{
    *out = (fnvm_kv_tasks){k, start, poll_one, drop};
}

/* ---- Life ---- */

static void destroy(KvRedis *k)
{
    redis_link_close(k->link);
    redis_server_free(k->server);
    text_free(&k->out);
    if (k->wake >= 0) close(k->wake);
    pthread_cond_destroy(&k->ended);
    pthread_mutex_destroy(&k->mutex);
    free(k);
    names_end();
}

fnvm_error *kv_redis_new(const KvRedisOptions *options, KvRedis **out)
{
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return fnvm_error_new(FNVM_E_IO, "libcurl cannot be started");
    KvRedis *k = names_begin() ? calloc(1, sizeof *k) : NULL;
    pthread_condattr_t clock;
    if (!k) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    k->options = (KvRedisOptions){.done = options->done,
                                  .done_env = options->done_env,
                                  .wait = options->wait,
                                  .wait_env = options->wait_env};
    k->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    queue_clear(&k->fresh);
    queue_clear(&k->sent);
    pthread_condattr_init(&clock); /* none of these can fail on Linux */
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&k->mutex, NULL);
    pthread_cond_init(&k->ended, &clock);
    pthread_condattr_destroy(&clock);
    fnvm_error *error = NULL;
    if (k->wake < 0) error = fnvm_error_new(FNVM_E_IO, "no eventfd for Redis: %s", strerror(errno));
    if (!error) error = redis_server_new(options, &k->server);
    if (!error) error = redis_link_open(k->server, &k->link);
    if (error) destroy(k);
    else *out = k;
    return error;
}

void kv_redis_stop(KvRedis *k)
{
    if (!k) return;
    pthread_mutex_lock(&k->mutex);
    const bool ends = k->started && !k->stop;
    k->stop = true;
    pthread_mutex_unlock(&k->mutex);
    if (!ends) return;
    wake(k);
    pthread_join(k->thread, NULL);
}

void kv_redis_free(KvRedis *k)
{
    if (!k) return;
    kv_redis_stop(k);
    for (size_t i = 0; i < BUCKETS; i++)
        for (Command *c = k->buckets[i], *next; c; c = next) {
            next = c->next;
            command_free(c);
        }
    destroy(k);
}
