/* Keys and values in Redis: a server of our own on a Unix socket; skipped where there is none
 * installed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/kv_redis.h"
#include "stdlib/services.h"

enum { MOST_TRIES = 6000 }; /* ten milliseconds apart, for a server to start */

typedef struct Server {
    char dir[32], path[64], address[96];
    pid_t pid;
} Server;

static void spawn(Server *s)
{
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid) return;
    if (!freopen("/dev/null", "w", stdout)) _exit(127);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", s->path, "--save", "",
           "--dir", s->dir, "--appendonly", "no", (char *)NULL);
    _exit(127);
}

static void stop(Server *s)
{
    int status;
    kill(s->pid, SIGKILL);
    waitpid(s->pid, &status, 0);
    unlink(s->path);
}

/* ---- A store over the tasks, whose caller waits ---- */

static int run(void *env, const fnvm_kv_command *c, char **value, size_t *len)
{
    fnvm_kv_tasks t;
    const void *answer = NULL;
    size_t n = 0;
    int status;
    fnvm_error *error = NULL;
    kv_redis_tasks(env, &t);
    const int64_t id = t.start(t.env, NULL, c);
    assert_true(id > 0);
    assert_true(t.poll(t.env, NULL, id, &status, &answer, &n, &error));
    assert_null(error);
    if (!status && value) {
        *value = malloc(n + 1);
        if (n) memcpy(*value, answer, n);
        *len = n;
    }
    t.drop(t.env, id);
    return status;
}

static int get(void *env, const char *key, size_t key_len, char **value, size_t *len)
{
    const fnvm_kv_command c = {.verb = FNVM_KV_GET, .key = key, .key_len = key_len};
    return run(env, &c, value, len);
}

static int set(void *env, const char *key, size_t key_len, const char *value, size_t len)
{
    const fnvm_kv_command c = {
        .verb = FNVM_KV_SET, .key = key, .key_len = key_len, .value = value, .len = len};
    return run(env, &c, NULL, NULL);
}

static int remove_key(void *env, const char *key, size_t key_len)
{
    const fnvm_kv_command c = {.verb = FNVM_KV_REMOVE, .key = key, .key_len = key_len};
    return run(env, &c, NULL, NULL);
}

static int swap(void *env, const char *key, size_t key_len, const char *was, size_t was_len,
                const char *value, size_t len)
{
    const fnvm_kv_command c = {.verb = FNVM_KV_SWAP,
                               .key = key,
                               .key_len = key_len,
                               .was = was,
                               .was_len = was_len,
                               .value = value,
                               .len = len};
    return run(env, &c, NULL, NULL);
}

static int append(void *env, const char *key, size_t key_len, const char *value, size_t len)
{
    const fnvm_kv_command c = {
        .verb = FNVM_KV_APPEND, .key = key, .key_len = key_len, .value = value, .len = len};
    return run(env, &c, NULL, NULL);
}

static int list(void *env, const char *prefix, size_t prefix_len, const char *after,
                size_t after_len, size_t most, char **keys, size_t *len)
{
    const fnvm_kv_command c = {.verb = FNVM_KV_LIST,
                               .key = prefix,
                               .key_len = prefix_len,
                               .was = after,
                               .was_len = after_len,
                               .most = most};
    return run(env, &c, keys, len);
}

static void close_redis(void *env) { kv_redis_free(env); }

static fnvm_error *open_redis(const char *address, fnvm_kv **kv)
{
    const KvRedisOptions options = {.address = address};
    KvRedis *redis;
    fnvm_error *error = kv_redis_new(&options, &redis);
    const fnvm_kv_backend backend = {redis, get, set, remove_key, swap, append, list, close_redis};
    return error ? error : fnvm_kv_new(&backend, kv);
}

/* NULL: none could be started. */
static fnvm_kv *start(Server *s)
{
    strcpy(s->dir, "/tmp/fnvm-redis-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->path, sizeof s->path, "%s/s", s->dir);
    snprintf(s->address, sizeof s->address, "redis+unix:%s", s->path);
    spawn(s);
    for (int i = 0; i < MOST_TRIES; i++) {
        fnvm_kv *kv;
        int status;
        fnvm_error *error = open_redis(s->address, &kv);
        if (!error) return kv;
        assert_int_equal(fnvm_error_code(error), FNVM_E_IO);
        fnvm_error_free(error);
        if (waitpid(s->pid, &status, WNOHANG) == s->pid) return NULL;
        usleep(10000);
    }
    stop(s);
    fail_msg("%s does not answer", s->address);
    return NULL;
}

static void end(Server *s, fnvm_kv *kv)
{
    fnvm_kv_release(kv);
    stop(s);
    rmdir(s->dir);
}

#define KEY(text) text, strlen(text)

static void all_of_it(void **state)
{
    (void)state;
    Server s;
    fnvm_kv *kv = start(&s);
    if (!kv) {
        rmdir(s.dir);
        skip();
    }
    const fnvm_kv_backend *b = kv_backend(kv);
    char *value;
    size_t len;
    assert_int_equal(b->get(b->env, KEY("k"), &value, &len), FNVM_SERVICE_NOT_FOUND);
    assert_int_equal(b->set(b->env, KEY("k"), "a\0b", 3), 0);
    assert_int_equal(b->get(b->env, KEY("k"), &value, &len), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(value, "a\0b", 3);
    free(value);
    assert_int_equal(b->swap(b->env, KEY("k"), "a", 1, "new", 3), FNVM_SERVICE_CHANGED);
    assert_int_equal(b->swap(b->env, KEY("k"), "a\0b", 3, "new", 3), 0);
    assert_int_equal(b->swap(b->env, KEY("k"), NULL, 0, "x", 1), FNVM_SERVICE_CHANGED);
    assert_int_equal(b->swap(b->env, KEY("none"), "x", 1, "y", 1), FNVM_SERVICE_CHANGED);
    assert_int_equal(b->swap(b->env, KEY("fresh"), NULL, 0, "x", 1), 0);
    assert_int_equal(b->remove(b->env, KEY("fresh")), 0);
    assert_int_equal(b->remove(b->env, KEY("fresh")), FNVM_SERVICE_NOT_FOUND);
    assert_int_equal(b->append(b->env, KEY("k"), "+", 1), 0);
    char *big = calloc(1, FNVM_KV_VALUE_BYTES);
    assert_int_equal(b->append(b->env, KEY("k"), big, FNVM_KV_VALUE_BYTES - 3),
                     FNVM_SERVICE_TOO_LARGE);
    assert_int_equal(b->append(b->env, KEY("k"), big, FNVM_KV_VALUE_BYTES - 4), 0);
    assert_int_equal(b->get(b->env, KEY("k"), &value, &len), 0);
    assert_int_equal(len, FNVM_KV_VALUE_BYTES);
    free(value);
    free(big);
    end(&s, kv);
}

static void lists_are_in_order(void **state)
{
    (void)state;
    Server s;
    fnvm_kv *kv = start(&s);
    if (!kv) {
        rmdir(s.dir);
        skip();
    }
    const fnvm_kv_backend *b = kv_backend(kv);
    char key[32], *keys;
    size_t len;
    for (int i = 0; i < 3000; i++) {
        snprintf(key, sizeof key, "p*/%04d", i * 7 % 3000);
        assert_int_equal(b->set(b->env, KEY(key), "", 0), 0);
    }
    assert_int_equal(b->set(b->env, KEY("px/0000"), "", 0), 0); /* '*' is no wildcard */
    int seen = 0;
    char after[32] = "";
    for (;;) {
        assert_int_equal(b->list(b->env, KEY("p*/"), KEY(after), 700, &keys, &len), 0);
        for (size_t at = 0; at < len; at += strlen(keys + at) + 1, seen++) {
            snprintf(key, sizeof key, "p*/%04d", seen);
            assert_string_equal(keys + at, key);
            strcpy(after, key);
        }
        free(keys);
        if (len == 0) break;
    }
    assert_int_equal(seen, 3000);
    end(&s, kv);
}

typedef struct Adder {
    const fnvm_kv_backend *b;
    int failed;
} Adder;

static void *add(void *env)
{
    Adder *a = env;
    for (int done = 0; done < 100 && !a->failed;) {
        char *value = NULL, next[16], was[16] = "0";
        size_t len = 0;
        int status = a->b->get(a->b->env, "n", 1, &value, &len);
        if (status && status != FNVM_SERVICE_NOT_FOUND) a->failed = status;
        if (value && len < sizeof was) memcpy(was, value, len), was[len] = '\0';
        const int n = snprintf(next, sizeof next, "%d", atoi(was) + 1);
        status = a->b->swap(a->b->env, "n", 1, value, len, next, (size_t)n);
        free(value);
        if (status == FNVM_SERVICE_OK) done++;
        else if (status != FNVM_SERVICE_CHANGED) a->failed = status;
    }
    return NULL;
}

static void several_threads(void **state)
{
    (void)state;
    enum { THREADS = 6 };
    Server s;
    fnvm_kv *kv = start(&s);
    if (!kv) {
        rmdir(s.dir);
        skip();
    }
    pthread_t threads[THREADS];
    Adder adders[THREADS];
    for (int i = 0; i < THREADS; i++) {
        adders[i] = (Adder){kv_backend(kv), 0};
        assert_int_equal(pthread_create(&threads[i], NULL, add, &adders[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    char *value;
    size_t len;
    assert_int_equal(kv_backend(kv)->get(kv_backend(kv)->env, "n", 1, &value, &len), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(value, "600", 3);
    free(value);
    end(&s, kv);
}

static void a_server_that_goes_and_comes(void **state)
{
    (void)state;
    Server s;
    fnvm_kv *kv = start(&s);
    if (!kv) {
        rmdir(s.dir);
        skip();
    }
    const fnvm_kv_backend *b = kv_backend(kv);
    assert_int_equal(b->set(b->env, KEY("k"), "v", 1), 0);
    stop(&s);
    assert_int_equal(b->set(b->env, KEY("k"), "v", 1), FNVM_SERVICE_UNAVAILABLE);
    spawn(&s);
    int status = FNVM_SERVICE_UNAVAILABLE;
    for (int i = 0; i < MOST_TRIES && status; i++, usleep(10000))
        status = b->set(b->env, KEY("k"), "v", 1);
    assert_int_equal(status, 0);
    end(&s, kv);
}

/* One connection, and nobody waits for anybody. */
static void thousands_at_once(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    static int64_t ids[MANY];
    Server s;
    fnvm_kv *kv = start(&s);
    if (!kv) {
        rmdir(s.dir);
        skip();
    }
    fnvm_kv_tasks t;
    kv_redis_tasks(kv_backend(kv)->env, &t);
    for (int i = 0; i < MANY; i++) {
        const fnvm_kv_command c = {
            .verb = FNVM_KV_APPEND, .key = "k", .key_len = 1, .value = "x", .len = 1};
        ids[i] = t.start(t.env, NULL, &c);
        assert_true(ids[i] > 0);
    }
    for (int i = 0; i < MANY; i++) {
        int status = 1;
        const void *answer;
        size_t len;
        fnvm_error *error = NULL;
        if (i % 2) assert_true(t.poll(t.env, NULL, ids[i], &status, &answer, &len, &error));
        if (i % 2) assert_int_equal(status, 0);
        t.drop(t.env, ids[i]); /* ended or not */
    }
    char *value;
    size_t len;
    assert_int_equal(get(t.env, "k", 1, &value, &len), 0);
    assert_int_equal(len, MANY); /* all in order, so those that were dropped, too */
    free(value);
    end(&s, kv);
}

static void a_server_that_does_not_answer(void **state)
{
    (void)state;
    Server s;
    fnvm_kv *kv = start(&s);
    if (!kv) {
        rmdir(s.dir);
        skip();
    }
    const fnvm_kv_backend *b = kv_backend(kv);
    kill(s.pid, SIGSTOP);
    assert_int_equal(b->set(b->env, KEY("k"), "v", 1), FNVM_SERVICE_UNAVAILABLE);
    assert_int_equal(b->set(b->env, KEY("k"), "v", 1), FNVM_SERVICE_UNAVAILABLE);
    kill(s.pid, SIGCONT);
    int status = FNVM_SERVICE_UNAVAILABLE;
    for (int i = 0; i < 3000 && status; i++, usleep(10000))
        status = b->set(b->env, KEY("k"), "v", 1);
    assert_int_equal(status, 0);
    kill(s.pid, SIGSTOP);
    fnvm_kv_tasks t;
    const fnvm_kv_command c = {.verb = FNVM_KV_GET, .key = "k", .key_len = 1};
    kv_redis_tasks(b->env, &t);
    assert_true(t.start(t.env, NULL, &c) > 0);
    fnvm_kv_release(kv); /* with one that is under way */
    kill(s.pid, SIGCONT);
    stop(&s);
    rmdir(s.dir);
}

static void addresses(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "redis://",
                                      "redis://h:0",
                                      "redis://h:x",
                                      "redis://h:99999",
                                      "redis://h/x",
                                      "redis://[::1",
                                      "redis+unix:",
                                      "rediss://",
                                      "redis://a b",
                                      "redis://h@",
                                      "redis://user@h",
                                      "redis://[::1]x"};
    fnvm_kv *kv;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fnvm_error *error = open_redis(bad[i], &kv);
        if (!error || fnvm_error_code(error) != FNVM_E_USAGE) fail_msg("taken: %s", bad[i]);
        fnvm_error_free(error);
    }
    fnvm_error *error = open_redis("redis+unix:/nowhere/s", &kv);
    assert_int_equal(fnvm_error_code(error), FNVM_E_IO);
    fnvm_error_free(error);
    const KvRedisOptions wrong[] = {{.address = "redis://h", .ca = "ca"},
                                    {.address = "rediss://h", .key = "key"},
                                    {.address = "redis://h", .user = "u"},
                                    {.address = "redis://:p@h", .password_file = "/dev/null"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        KvRedis *redis;
        error = kv_redis_new(&wrong[i], &redis);
        if (!error || fnvm_error_code(error) != FNVM_E_USAGE) fail_msg("taken: %zu", i);
        fnvm_error_free(error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it), cmocka_unit_test(lists_are_in_order),
        cmocka_unit_test(several_threads), cmocka_unit_test(a_server_that_goes_and_comes),
        cmocka_unit_test(thousands_at_once), cmocka_unit_test(a_server_that_does_not_answer),
        cmocka_unit_test(addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
