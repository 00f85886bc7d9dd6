/* The host interfaces through a guest's eyes: log, kv, call, request, random and time, and
 * hostile numbers. */
#include "conformance/unit/services_world.h"

#include <poll.h>
#include <sys/wait.h>

#include "stdlib/log_fields.h"

/* ---- A backend of calls: "echo" ends at once, "slow" at the fourth poll, "bad" fails ---- */

typedef struct Fake {
    char name[64];
    char *input;
    size_t len;
    int polls;
    bool used, dropped;
} Fake;
typedef struct Fakes {
    Fake at[600];
    size_t n;
    bool suspends;
    size_t drops;
} Fakes;

static int64_t fake_start(void *env, fnvm_caller *caller, const char *name, size_t name_len,
                          const void *input, size_t len)
{
    Fakes *fakes = env;
    (void)caller;
    if (name_len == 5 && memcmp(name, "never", 5) == 0) return FNVM_SERVICE_DENIED;
    if (name_len >= sizeof fakes->at->name) return FNVM_SERVICE_NOT_FOUND;
    assert_true(fakes->n < 600);
    Fake *f = &fakes->at[fakes->n];
    *f = (Fake){.used = true, .len = len, .input = malloc(len + 1)};
    memcpy(f->name, name, name_len);
    if (len) memcpy(f->input, input, len);
    return (int64_t)++fakes->n;
}

static bool fake_poll(void *env, fnvm_caller *caller, int64_t id, bool wait, uint64_t deadline_ns,
                      int *status, const void **answer, size_t *len, fnvm_error **error)
{
    Fakes *fakes = env;
    Fake *f = &fakes->at[id - 1];
    (void)deadline_ns;
    assert_true(f->used && !f->dropped);
    if (strcmp(f->name, "slow") == 0 && f->polls++ < 3) {
        if (wait && fakes->suspends) *error = fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
        return false;
    }
    if (strcmp(f->name, "bad") == 0) {
        *status = FNVM_SERVICE_FAILED;
        return true;
    }
    *status = FNVM_SERVICE_OK;
    *answer = f->input;
    *len = f->len;
    return true;
}

static void fake_drop(void *env, int64_t id)
{
    Fakes *fakes = env;
    Fake *f = &fakes->at[id - 1];
    assert_true(f->used && !f->dropped);
    f->dropped = true;
    fakes->drops++;
    free(f->input);
}

static void give_calls(World *w, Fakes *fakes)
{
    const fnvm_task_backend backend = {fakes, fake_start, fake_poll, fake_drop};
    fnvm_services_calls(w->services, &backend);
}

/* ---- fnvm:call ---- */

static void calls_go_and_come(void **state)
{
    (void)state;
    World w = {0};
    Fakes *fakes = calloc(1, sizeof *fakes);
    world_start(&w);
    assert_int_equal(call(&w, "fnvm:call.start", TEXT(&w, 0, "echo"), 0, 0),
                     FNVM_SERVICE_UNAVAILABLE);
    give_calls(&w, fakes);
    const int64_t h = call(&w, "fnvm:call.start", TEXT(&w, 0, "echo"), TEXT(&w, 16, "hello"));
    assert_true(h > 0);
    assert_int_equal(call(&w, "fnvm:call.output", h, 0, 100, 10, 200), FNVM_SERVICE_TIMEOUT);
    assert_int_equal(call(&w, "fnvm:call.await", h, -1), 0);
    assert_int_equal(call(&w, "fnvm:call.output", h, 1, 100, 3, 200), 0);
    assert_memory_equal(w.memory + 100, "ell\0", 4);
    assert_int_equal(word(&w, 200), 5);
    assert_int_equal(call(&w, "fnvm:call.output", h, 99, 100, 3, 200), 0); /* behind it: nothing */
    assert_int_equal(call(&w, "fnvm:call.output", h, 0, PAGE - 1, 3, 200), FNVM_SERVICE_FAULT);
    assert_int_equal(call(&w, "fnvm:call.drop", h), 0);
    assert_int_equal(call(&w, "fnvm:call.drop", h), FNVM_SERVICE_INVALID);
    assert_int_equal(call(&w, "fnvm:call.await", h, 0), FNVM_SERVICE_INVALID);
    assert_int_equal(call(&w, "fnvm:call.start", TEXT(&w, 0, "never"), 0, 0), FNVM_SERVICE_DENIED);
    assert_int_equal(call(&w, "fnvm:call.start", TEXT(&w, 0, "#3"), 0, 0), FNVM_SERVICE_INVALID);
    assert_int_equal(call(&w, "fnvm:call.start", 0, 0, 0, 0), FNVM_SERVICE_INVALID);
    assert_int_equal(call(&w, "fnvm:call.start", 100, 1000, 0, 0), FNVM_SERVICE_TOO_LARGE);
    const int64_t bad = call(&w, "fnvm:call.start", TEXT(&w, 0, "bad"), 0, 0);
    assert_int_equal(call(&w, "fnvm:call.await", bad, -1), FNVM_SERVICE_FAILED);
    assert_int_equal(call(&w, "fnvm:call.output", bad, 0, 0, 0, 200), FNVM_SERVICE_FAILED);
    world_end(&w);
    assert_int_equal(fakes->drops, fakes->n);
    free(fakes);
}

static void an_await_can_be_repeated(void **state)
{
    (void)state;
    World w = {0};
    Fakes *fakes = calloc(1, sizeof *fakes);
    fakes->suspends = true;
    world_start(&w);
    give_calls(&w, fakes);
    const int64_t h = call(&w, "fnvm:call.start", TEXT(&w, 0, "slow"), TEXT(&w, 16, "x"));
    assert_int_equal(call(&w, "fnvm:call.await", h, 0), FNVM_SERVICE_TIMEOUT); /* does not wait */
    const int64_t again[] = {h, 60000};
    int64_t result;
    fnvm_error *error = try_call(&w, "fnvm:call.await", again, &result);
    assert_int_equal(fnvm_error_code(error), FNVM_E_SUSPENDED);
    fnvm_error_free(error);
    fnvm_val value;
    error = fnvm_store_resume(w.store, &value, 1); /* too early: it waits on */
    assert_int_equal(fnvm_error_code(error), FNVM_E_SUSPENDED);
    must(fnvm_store_resume(w.store, &value, 1));
    assert_int_equal(value.of.i32, 0);

    /* From when it began, however often it is repeated.  Where a thread does not run for so long, the
     * time is over before it would wait: then a longer one. */
    int64_t ms = 5;
    for (;; ms *= 10) {
        const int64_t briefly[] = {call(&w, "fnvm:call.start", TEXT(&w, 0, "slow"), 0, 0), ms};
        error = try_call(&w, "fnvm:call.await", briefly, &result);
        if (error) break;
        assert_int_equal(result, FNVM_SERVICE_TIMEOUT);
        assert_true(ms < 50000);
    }
    assert_int_equal(fnvm_error_code(error), FNVM_E_SUSPENDED);
    poll(NULL, 0, (int)ms + 1);
    must(fnvm_store_resume(w.store, &value, 1));
    assert_int_equal(value.of.i32, FNVM_SERVICE_TIMEOUT);
    world_end(&w);
    free(fakes);
}

static void several_at_once(void **state)
{
    (void)state;
    World w = {0};
    Fakes *fakes = calloc(1, sizeof *fakes);
    world_start(&w);
    give_calls(&w, fakes);
    put(&w, 0, "echoslowbad");
    const uint32_t texts[4][4] = {{0, 4, 0, 4}, {4, 4, 4, 4}, {8, 3, 0, 0}, {0, 4, PAGE, 1}};
    memcpy(w.memory + 100, texts, sizeof texts);
    assert_int_equal(call(&w, "fnvm:call.start_all", 100, 4, 300), 3);
    assert_int_equal(word(&w, 312), (uint32_t)FNVM_SERVICE_FAULT);
    assert_int_equal(call(&w, "fnvm:call.await_all", 300, 4, 0, 400), FNVM_SERVICE_TIMEOUT);
    assert_int_equal(word(&w, 400), 0);
    assert_int_equal(word(&w, 404), (uint32_t)FNVM_SERVICE_TIMEOUT);
    assert_int_equal(word(&w, 408), (uint32_t)FNVM_SERVICE_FAILED);
    assert_int_equal(word(&w, 412), (uint32_t)FNVM_SERVICE_INVALID);
    for (int i = 0; i < 2; i++)
        assert_int_equal(call(&w, "fnvm:call.await_all", 300, 4, 0, 400), FNVM_SERVICE_TIMEOUT);
    assert_int_equal(call(&w, "fnvm:call.await_all", 300, 4, 1000, 400), 0);
    assert_int_equal(call(&w, "fnvm:call.start_all", 100, 257, 300), FNVM_SERVICE_INVALID);
    assert_int_equal(call(&w, "fnvm:call.await_all", PAGE - 4, 2, 0, 400), FNVM_SERVICE_FAULT);
    for (int i = 0; i < 253; i++) /* with the three */
        assert_true(call(&w, "fnvm:call.start", TEXT(&w, 0, "echo"), 0, 0) > 0);
    assert_int_equal(call(&w, "fnvm:call.start", TEXT(&w, 0, "echo"), 0, 0), FNVM_SERVICE_LIMIT);
    fnvm_services_reset(w.services); /* between requests: nothing is left open */
    assert_int_equal(fakes->drops, fakes->n);
    assert_int_equal(call(&w, "fnvm:call.await", word(&w, 300), 0), FNVM_SERVICE_INVALID);
    world_end(&w);
    free(fakes);
}

/* Two guests of one image, frozen with a handle: it must be nobody's in the other. */
static void handles_are_not_guessed(void **state)
{
    (void)state;
    Fakes *fakes = calloc(2, sizeof *fakes);
    int64_t first[2];
    for (int i = 0; i < 2; i++) {
        World w = {0};
        world_start(&w);
        give_calls(&w, &fakes[i]);
        first[i] = call(&w, "fnvm:call.start", TEXT(&w, 0, "echo"), 0, 0);
        if (i) assert_int_equal(call(&w, "fnvm:call.await", first[0], 0), FNVM_SERVICE_INVALID);
        world_end(&w);
    }
    assert_int_not_equal(first[0], first[1]);
    free(fakes);
}

/* ---- fnvm:log ---- */

typedef struct Line {
    fnvm_log_level level;
    char text[LOG_TEXT_BYTES + 1], fields[256];
    size_t len;
    int n;
} Line;

static void keep(void *env, fnvm_log_level level, const char *text, size_t len, const char *fields,
                 size_t fields_len)
{
    Line *line = env;
    line->level = level;
    line->len = len;
    memcpy(line->text, text, len);
    line->text[len] = '\0';
    memcpy(line->fields, fields, fields_len);
    line->fields[fields_len] = '\0';
    line->n++;
}

static void lines_of_log(void **state)
{
    (void)state;
    World w = {0};
    Line *line = calloc(1, sizeof *line);
    world_start(&w);
    fnvm_services_log(w.services, keep, line);
    assert_int_equal(call(&w, "fnvm:log.write", 2, TEXT(&w, 0, "warm"), TEXT(&w, 8, "{\"a\":1}")),
                     0);
    assert_int_equal(line->level, FNVM_LOG_WARN);
    assert_string_equal(line->text, "warm");
    assert_string_equal(line->fields, "{\"a\":1}");
    assert_int_equal(call(&w, "fnvm:log.write", 4, 0, 0, 0, 0), FNVM_SERVICE_INVALID);
    assert_int_equal(call(&w, "fnvm:log.write", 1, 0, 1, TEXT(&w, 8, "[1]")), FNVM_SERVICE_INVALID);
    assert_int_equal(call(&w, "fnvm:log.write", 1, 0, 1, 0, 8193), FNVM_SERVICE_TOO_LARGE);
    assert_int_equal(call(&w, "fnvm:log.write", 1, 1, PAGE, 0, 0), FNVM_SERVICE_FAULT);
    for (int i = 0; i < 5000; i++) memcpy(w.memory + 2 * i, "\xC3\xA9", 2);
    assert_int_equal(call(&w, "fnvm:log.write", 1, 1, 9000, 0, 0),
                     0);                             /* begins within a character */
    assert_int_equal(line->len, LOG_TEXT_BYTES - 1); /* and ends with a whole one */
    assert_int_equal(line->n, 2);
    world_end(&w);
    free(line);
}

static bool valid(const char *json)
{
    return log_fields_valid(json, strlen(json), LOG_FIELDS_DEPTH);
}

static void fields_are_json(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}", " { \"a\" : [ ] , \"b\" : { } } ", "{\"a\":[1,-0.5e+3,true,false,null]}",
        "{\"\\u00e9\\n\":\"\xC3\xA9\"}", "{\"a\":{\"b\":[[{}],2]},\"c\":0}"};
    static const char *const bad[] = {"",
                                      "[]",
                                      "1",
                                      "{",
                                      "}",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{\"a\":01}",
                                      "{\"a\":1}}",
                                      "{\"a\":1} x",
                                      "{a:1}",
                                      "{\"a\":\"\n\"}",
                                      "{\"a\":\"\\x\"}",
                                      "{\"a\":[1,]}",
                                      "{\"a\":[1}",
                                      "{\"a\":1]",
                                      "{\"a\":+1}",
                                      "{\"a\":.5}",
                                      "{\"a\":1.}",
                                      "{\"a\":\"\xFF\"}",
                                      "{\"a\":tru}",
                                      "{\"a\" 1}",
                                      "{,}",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\":\"\\u12g4\"}",
                                      "{\"a\":[,1]}",
                                      "{\"a\":-}",
                                      "{\"a\":1e}",
                                      "{\"a\":\"\\"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!valid(good[i])) fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (valid(bad[i])) fail_msg("taken: %s", bad[i]);
    char deep[64] = "";
    for (int i = 0; i < 8; i++) strcat(deep, "{\"a\":[");
    assert_false(log_fields_valid(deep, strlen(deep), 16)); /* never closed */
    assert_true(log_fields_valid("{\"a\":[{\"a\":[]}]}", 16, 4));
    assert_false(log_fields_valid("{\"a\":[{\"a\":[]}]}", 16, 3));
}

/* ---- fnvm:kv ---- */

static void new_path(char path[64])
{
    char dir[] = "/tmp/fnvm-kv-XXXXXX";
    assert_non_null(mkdtemp(dir));
    snprintf(path, 64, "%s/kv.db", dir);
}

static void remove_files(const char *path)
{
    char name[80];
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
    snprintf(name, sizeof name, "%s", path);
    *strrchr(name, '/') = '\0';
    rmdir(name);
}

static void give_kv(World *w, const char *path, const char *prefix)
{
    fnvm_kv *kv;
    must(fnvm_kv_open(path, &kv));
    must(fnvm_services_kv(w->services, kv, prefix));
    fnvm_kv_release(kv);
}

static void keys_and_values(void **state)
{
    (void)state;
    World w = {0};
    char path[64];
    new_path(path);
    world_start(&w);
    assert_int_equal(call(&w, "fnvm:kv.delete", TEXT(&w, 0, "k")), FNVM_SERVICE_UNAVAILABLE);
    give_kv(&w, path, "a/");
    assert_int_equal(call(&w, "fnvm:kv.get", TEXT(&w, 0, "k"), 0, 100, 10, 96),
                     FNVM_SERVICE_NOT_FOUND);
    assert_int_equal(call(&w, "fnvm:kv.set", TEXT(&w, 0, "k"), TEXT(&w, 8, "0123456789")), 0);
    assert_int_equal(call(&w, "fnvm:kv.get", TEXT(&w, 0, "k"), 0, 100, 4, 96), 0);
    assert_int_equal(word(&w, 96), 10);
    assert_int_equal(call(&w, "fnvm:kv.set", TEXT(&w, 0, "k"), TEXT(&w, 8, "x")), 0);
    assert_int_equal(call(&w, "fnvm:kv.get", TEXT(&w, 0, "k"), 4, 104, 6, 96),
                     0); /* of the same value */
    assert_memory_equal(w.memory + 100, "0123456789", 10);
    assert_int_equal(call(&w, "fnvm:kv.get", TEXT(&w, 0, "k"), 0, 100, 4, 96), 0);
    assert_int_equal(word(&w, 96), 1);

    assert_int_equal(
        call(&w, "fnvm:kv.swap", TEXT(&w, 0, "k"), TEXT(&w, 8, "y"), TEXT(&w, 16, "z")),
        FNVM_SERVICE_CHANGED);
    assert_int_equal(call(&w, "fnvm:kv.swap", TEXT(&w, 0, "k"), TEXT(&w, 8, "x"), TEXT(&w, 16, "")),
                     0);
    assert_int_equal(call(&w, "fnvm:kv.swap", TEXT(&w, 0, "k"), 0, -1, TEXT(&w, 16, "z")),
                     FNVM_SERVICE_CHANGED);
    assert_int_equal(call(&w, "fnvm:kv.swap", TEXT(&w, 0, "k"), 0, 0, TEXT(&w, 16, "z")),
                     0); /* empty */
    assert_int_equal(call(&w, "fnvm:kv.swap", TEXT(&w, 0, "new"), 0, -1, TEXT(&w, 16, "z")), 0);

    memcpy(w.memory + 32, "a\0b", 3); /* values may hold anything */
    for (int i = 0; i < 2; i++)
        assert_int_equal(call(&w, "fnvm:kv.append", TEXT(&w, 0, "app"), 32, 3), 0);
    assert_int_equal(call(&w, "fnvm:kv.get", TEXT(&w, 0, "app"), 0, 100, 10, 96), 0);
    assert_int_equal(word(&w, 96), 6);
    assert_memory_equal(w.memory + 100, "a\0ba\0b", 6);
    assert_int_equal(call(&w, "fnvm:kv.set", TEXT(&w, 0, "big"), 0, PAGE), 0);
    int appended = 1;
    while (call(&w, "fnvm:kv.append", TEXT(&w, 0, "big"), 0, PAGE) == 0) appended++;
    assert_int_equal(appended, FNVM_KV_VALUE_BYTES / PAGE);
    world_end(&w);
    remove_files(path);
}

static void bad_keys(void **state)
{
    (void)state;
    World w = {0};
    char path[64];
    new_path(path);
    world_start(&w);
    give_kv(&w, path, "a/");
    memset(w.memory, 'k', 4096);
    assert_int_equal(call(&w, "fnvm:kv.set", 0, 0, 0, 1), FNVM_SERVICE_INVALID);
    assert_int_equal(call(&w, "fnvm:kv.set", 0, 1024, 0, 1), 0);
    assert_int_equal(call(&w, "fnvm:kv.set", 0, 1025, 0, 1), FNVM_SERVICE_TOO_LARGE);
    assert_int_equal(call(&w, "fnvm:kv.set", 4090, 10, 0, 1),
                     FNVM_SERVICE_INVALID); /* it has a NUL */
    assert_int_equal(call(&w, "fnvm:kv.set", 0, 1, 1, PAGE), FNVM_SERVICE_FAULT);
    assert_int_equal(call(&w, "fnvm:kv.set", -1, 2, 1, 1), FNVM_SERVICE_FAULT);
    assert_int_equal(call(&w, "fnvm:kv.get", 0, 1, 0, PAGE - 4, 8, 0), FNVM_SERVICE_FAULT);
    assert_int_equal(call(&w, "fnvm:kv.list", 0, 0, 0, 0, 0, 0, 0, 100), FNVM_SERVICE_INVALID);
    char prefix[FNVM_KV_PREFIX_BYTES + 2];
    memset(prefix, 'p', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = '\0';
    fnvm_error *error = fnvm_services_kv(w.services, NULL, prefix);
    assert_int_equal(fnvm_error_code(error), FNVM_E_USAGE);
    fnvm_error_free(error);
    world_end(&w);
    remove_files(path);
}

/* ---- A store that is far away ---- */

typedef struct Far {
    int starts, drops;
    fnvm_kv_verb verb;
    char key[32], value[32];
    bool ended;
    int status;
} Far;

static int64_t far_start(void *env, fnvm_caller *caller, const fnvm_kv_command *c)
{
    Far *f = env;
    assert_non_null(caller);
    assert_int_equal(f->starts, f->drops); /* one after the other */
    f->verb = c->verb;
    f->ended = false;
    snprintf(f->key, sizeof f->key, "%.*s", (int)c->key_len, c->key);
    if (c->value) snprintf(f->value, sizeof f->value, "%.*s", (int)c->len, c->value);
    return ++f->starts;
}

static bool far_poll(void *env, fnvm_caller *caller, int64_t id, int *status, const void **answer,
                     size_t *len, fnvm_error **error)
{
    Far *f = env;
    assert_int_equal(id, f->starts);
    if (!f->ended) {
        *error = fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
        return false;
    }
    *status = f->status;
    *answer = f->value;
    *len = strlen(f->value);
    return true;
}

static void far_drop(void *env, int64_t id)
{
    Far *f = env;
    assert_int_equal(id, f->starts);
    f->drops++;
}

static void suspends(World *w, const char *name, const int64_t *numbers)
{
    int64_t result;
    fnvm_error *error = try_call(w, name, numbers, &result);
    assert_int_equal(fnvm_error_code(error), FNVM_E_SUSPENDED);
    fnvm_error_free(error);
}

static void a_far_store(void **state)
{
    (void)state;
    World w = {0};
    Far f = {0};
    fnvm_val value;
    const fnvm_kv_tasks tasks = {&f, far_start, far_poll, far_drop};
    world_start(&w);
    must(fnvm_services_kv_tasks(w.services, &tasks, "a/"));
    assert_int_equal(call(&w, "fnvm:kv.set", 0, 0, 0, 1), FNVM_SERVICE_INVALID);
    const int64_t set[] = {TEXT(&w, 0, "k"), TEXT(&w, 8, "v")};
    suspends(&w, "fnvm:kv.set", set);
    fnvm_error *error = fnvm_store_resume(w.store, &value, 1); /* too early: it waits on */
    assert_int_equal(fnvm_error_code(error), FNVM_E_SUSPENDED);
    fnvm_error_free(error);
    f.ended = true;
    f.status = FNVM_SERVICE_LIMIT;
    must(fnvm_store_resume(w.store, &value, 1));
    assert_int_equal(value.of.i32, FNVM_SERVICE_LIMIT);
    assert_int_equal(f.starts, 1);
    assert_int_equal(f.drops, 1);
    assert_string_equal(f.key, "a/k");
    assert_string_equal(f.value, "v");

    const int64_t get[] = {TEXT(&w, 0, "k"), 0, 100, 10, 96};
    f.status = 0;
    suspends(&w, "fnvm:kv.get", get);
    f.ended = true;
    must(fnvm_store_resume(w.store, &value, 1));
    assert_int_equal(value.of.i32, 0);
    assert_int_equal(word(&w, 96), 1);
    assert_int_equal(w.memory[100], 'v');

    /* One that was given up is nobody's answer. */
    suspends(&w, "fnvm:kv.set", set);
    f.ended = true;
    fnvm_store_abandon(w.store);
    const int64_t other[] = {TEXT(&w, 0, "other"), TEXT(&w, 8, "w")};
    suspends(&w, "fnvm:kv.set", other);
    assert_string_equal(f.key, "a/other");
    assert_int_equal(f.drops, 3);
    fnvm_services_reset(w.services);
    assert_int_equal(f.drops, 4);
    world_end(&w);
    assert_int_equal(f.drops, f.starts);
}

/* Neither names nor lists reach what is under another prefix. */
static void a_guest_stays_under_its_prefix(void **state)
{
    (void)state;
    World one = {0}, two = {0};
    char path[64];
    new_path(path);
    world_start(&one);
    world_start(&two);
    give_kv(&one, path, "a/");
    give_kv(&two, path, "b/");
    assert_int_equal(call(&one, "fnvm:kv.set", TEXT(&one, 0, "k"), TEXT(&one, 8, "1")), 0);
    assert_int_equal(call(&one, "fnvm:kv.set", TEXT(&one, 0, "\xFF\xFF"), TEXT(&one, 8, "1")), 0);
    assert_int_equal(call(&two, "fnvm:kv.set", TEXT(&two, 0, "k"), TEXT(&two, 8, "2")), 0);
    assert_int_equal(call(&two, "fnvm:kv.get", TEXT(&two, 0, "../a/k"), 0, 100, 4, 96),
                     FNVM_SERVICE_NOT_FOUND);
    assert_int_equal(call(&one, "fnvm:kv.list", 0, 0, 0, 0, 10, 200, 100, 96), 2);
    assert_int_equal(word(&one, 96), 5);
    assert_memory_equal(one.memory + 200, "k\0\xFF\xFF\0", 5);
    assert_int_equal(call(&one, "fnvm:kv.list", TEXT(&one, 0, "\xFF"), 0, 0, 10, 200, 100, 96), 1);
    assert_int_equal(call(&two, "fnvm:kv.list", 0, 0, TEXT(&two, 0, "k"), 10, 200, 100, 96), 0);
    assert_int_equal(call(&two, "fnvm:kv.list", 0, 0, 0, 0, 10, 200, 1, 96),
                     FNVM_SERVICE_TOO_LARGE);
    assert_int_equal(word(&two, 96), 2);
    fnvm_services_kv(two.services, NULL, "");
    assert_int_equal(call(&two, "fnvm:kv.delete", TEXT(&two, 0, "k")), FNVM_SERVICE_UNAVAILABLE);
    world_end(&one);
    world_end(&two);
    remove_files(path);
}

/* Each process adds to one number by compare-and-swap, with a store of its own. */
static void several_processes_at_once(void **state)
{
    (void)state;
    enum { PROCESSES = 4, TIMES = 50 };
    char path[64];
    new_path(path);
    pid_t children[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i]) continue;
        fnvm_kv *kv;
        if (fnvm_kv_open(path, &kv)) _exit(1);
        const fnvm_kv_backend *b = kv_backend(kv);
        for (int done = 0; done < TIMES;) {
            char *value = NULL, next[16];
            size_t len = 0;
            int status = b->get(b->env, "n", 1, &value, &len);
            if (status && status != FNVM_SERVICE_NOT_FOUND) _exit(2);
            const int n = snprintf(next, sizeof next, "%d",
                                   value ? (int)strtol(strndupa(value, len), NULL, 10) + 1 : 1);
            status = b->swap(b->env, "n", 1, value, len, next, (size_t)n);
            free(value);
            if (status == FNVM_SERVICE_OK) done++;
            else if (status != FNVM_SERVICE_CHANGED) _exit(3);
        }
        _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    fnvm_kv *kv;
    char *value;
    size_t len;
    must(fnvm_kv_open(path, &kv));
    assert_int_equal(kv_backend(kv)->get(kv_backend(kv)->env, "n", 1, &value, &len), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(value, "200", 3);
    free(value);
    fnvm_kv_release(kv);
    remove_files(path);
}

static void files_that_are_no_store(void **state)
{
    (void)state;
    char path[64];
    fnvm_kv *kv;
    new_path(path);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++) fputs("not a database ", f);
    fclose(f);
    fnvm_error *error = fnvm_kv_open(path, &kv);
    assert_int_equal(fnvm_error_code(error), FNVM_E_INVALID);
    fnvm_error_free(error);
    error = fnvm_kv_open("/nowhere/kv.db", &kv);
    assert_int_equal(fnvm_error_code(error), FNVM_E_NOT_FOUND);
    fnvm_error_free(error);
    remove_files(path);
}

/* ---- fnvm:request ---- */

typedef struct Asked {
    unsigned status;
    char field[64], answer[64];
    size_t written, read;
} Asked;

static bool asked_part(void *env, fnvm_request_part part, const char *name, size_t name_len,
                       const char **at, size_t *len)
{
    (void)env;
    if (part == FNVM_REQUEST_FIELD && (name_len != 6 || memcmp(name, "Accept", 6) != 0))
        return false;
    *at = part == FNVM_REQUEST_METHOD ? "GET" : part == FNVM_REQUEST_FIELD ? "text/plain" : "";
    *len = strlen(*at);
    return part != FNVM_REQUEST_SECRET;
}

static fnvm_error *asked_read(void *env, fnvm_caller *caller, void *to, size_t size, size_t *done)
{
    Asked *a = env;
    (void)caller;
    static const char body[] = "the body";
    const size_t left = sizeof body - 1 - a->read;
    *done = left < size ? left : size;
    memcpy(to, body + a->read, *done);
    a->read += *done;
    return NULL;
}

static int asked_status(void *env, unsigned status)
{
    ((Asked *)env)->status = status;
    return FNVM_SERVICE_OK;
}

static int asked_field(void *env, const char *name, size_t name_len, const char *value,
                       size_t value_len)
{
    snprintf(((Asked *)env)->field, 64, "%.*s=%.*s", (int)name_len, name, (int)value_len, value);
    return FNVM_SERVICE_OK;
}

static fnvm_error *asked_write(void *env, fnvm_caller *caller, const void *from, size_t size,
                               size_t *done)
{
    Asked *a = env;
    (void)caller;
    *done = size < 3 ? size : 3; /* a client that reads slowly */
    memcpy(a->answer + a->written, from, *done);
    a->written += *done;
    return NULL;
}

static void a_request_and_its_answer(void **state)
{
    (void)state;
    World w = {0};
    Asked a = {0};
    world_start(&w);
    assert_int_equal(call(&w, "fnvm:request.status", 200), FNVM_SERVICE_UNAVAILABLE);
    const fnvm_request_backend backend = {&a,           asked_part,  asked_read,
                                          asked_status, asked_field, asked_write};
    fnvm_services_request(w.services, &backend);
    assert_int_equal(call(&w, "fnvm:request.part", FNVM_REQUEST_METHOD, 0, 0, 0, 100, 10, 96), 0);
    assert_memory_equal(w.memory + 100, "GET", 3);
    assert_int_equal(
        call(&w, "fnvm:request.part", FNVM_REQUEST_FIELD, TEXT(&w, 0, "Accept"), 5, 100, 10, 96),
        0);
    assert_int_equal(word(&w, 96), 10);
    assert_memory_equal(w.memory + 100, "plain", 5);
    assert_int_equal(
        call(&w, "fnvm:request.part", FNVM_REQUEST_FIELD, TEXT(&w, 0, "Other"), 0, 100, 10, 96),
        FNVM_SERVICE_NOT_FOUND);
    assert_int_equal(call(&w, "fnvm:request.part", 10, 0, 0, 0, 100, 10, 96), FNVM_SERVICE_INVALID);
    assert_int_equal(call(&w, "fnvm:request.read", 100, 5, 96), 0);
    assert_int_equal(word(&w, 96), 5);
    assert_int_equal(call(&w, "fnvm:request.read", 105, 500, 96), 0);
    assert_memory_equal(w.memory + 100, "the body", 8);
    assert_int_equal(call(&w, "fnvm:request.read", 105, 500, 96), 0);
    assert_int_equal(word(&w, 96), 0);
    assert_int_equal(call(&w, "fnvm:request.status", 404), 0);
    assert_int_equal(a.status, 404);
    assert_int_equal(call(&w, "fnvm:request.status", 99), FNVM_SERVICE_INVALID);
    assert_int_equal(call(&w, "fnvm:request.field", TEXT(&w, 0, "X-A"), TEXT(&w, 16, "1\t2")), 0);
    assert_string_equal(a.field, "X-A=1\t2");
    assert_int_equal(
        call(&w, "fnvm:request.field", TEXT(&w, 0, "X-A"), TEXT(&w, 16, "1\r\nSet-Cookie: x")),
        FNVM_SERVICE_INVALID);
    assert_int_equal(call(&w, "fnvm:request.field", TEXT(&w, 0, "X A"), TEXT(&w, 16, "1")),
                     FNVM_SERVICE_INVALID);
    assert_int_equal(call(&w, "fnvm:request.write", TEXT(&w, 0, "answer"), 96), 0);
    assert_int_equal(word(&w, 96), 3);
    assert_string_equal(a.answer, "ans");
    world_end(&w);
}

/* ---- fnvm:random and time ---- */

static void numbers_differ(void **state)
{
    (void)state;
    World w = {0};
    world_start(&w);
    uint64_t seen[300];
    for (size_t i = 0; i < 300; i++) {
        if (i % 100 == 99) fnvm_services_reset(w.services);
        seen[i] = (uint64_t)call(&w, "fnvm:random.u64", 0);
        for (size_t k = 0; k < i; k++) assert_true(seen[k] != seen[i]);
    }
    assert_int_equal(call(&w, "fnvm:random.fill", 0, PAGE), 0);
    size_t counts[256] = {0};
    for (size_t i = 0; i < PAGE; i++) counts[w.memory[i]]++;
    for (size_t i = 0; i < 256; i++)
        assert_true(counts[i] > 100 && counts[i] < 500); /* 256 are expected */
    assert_int_equal(call(&w, "fnvm:random.fill", 1, PAGE), FNVM_SERVICE_FAULT);
    world_end(&w);
}

/* Parent and child have the same generator, and must not draw the same from it. */
static void a_forked_process_draws_its_own(void **state)
{
    (void)state;
    World w = {0};
    int ends[2];
    world_start(&w);
    call(&w, "fnvm:random.u64", 0);
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    const uint64_t drawn = (uint64_t)call(&w, "fnvm:random.u64", 0);
    if (child == 0) _exit(write(ends[1], &drawn, sizeof drawn) != sizeof drawn);
    uint64_t others = drawn;
    int status;
    assert_int_equal(read(ends[0], &others, sizeof others), sizeof others);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(drawn != others);
    close(ends[0]);
    close(ends[1]);
    world_end(&w);
}

static fnvm_error *at_sleep(void *env, fnvm_caller *caller, uint64_t deadline_ns)
{
    *(uint64_t *)env = deadline_ns;
    return fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
}

static void waiting(void **state)
{
    (void)state;
    World w = {0};
    world_start(&w);
    const int64_t begin = call(&w, "fnvm:time.monotonic", 0);
    assert_int_equal(call(&w, "fnvm:time.sleep_until", begin + 3000000), 0);
    assert_true(call(&w, "fnvm:time.monotonic", 0) >= begin + 3000000);
    uint64_t asked = 0;
    int64_t result;
    fnvm_services_at_sleep(w.services, at_sleep, &asked);
    const int64_t far[] = {INT64_MAX};
    fnvm_error *error = try_call(&w, "fnvm:time.sleep_until", far, &result);
    assert_int_equal(fnvm_error_code(error), FNVM_E_SUSPENDED);
    assert_true(asked == INT64_MAX);
    fnvm_error_free(error);
    fnvm_store_abandon(w.store);
    fnvm_store_interrupt(w.store); /* one that waits on its thread comes back */
    fnvm_services_at_sleep(w.services, NULL, NULL);
    error = try_call(&w, "fnvm:time.sleep_until", far, &result);
    fnvm_error_free(error);
    world_end(&w);
}

/* ---- Hostile numbers ---- */

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    return *seed ^= *seed << 17;
}

/* Every function, with numbers near edges: a status or a trap, and the sanitizers have nothing
 * to say. */
static void any_numbers(void **state)
{
    (void)state;
    static const int64_t edges[] = {0,       1,         2,         4,         100,  1024,
                                    1025,    PAGE - 5,  PAGE - 4,  PAGE - 1,  PAGE, PAGE + 1,
                                    -1,      -4,        INT32_MAX, INT32_MIN, 8192, 8193,
                                    1 << 20, INT64_MAX, INT64_MIN, 3,         5,    256};
    World w = {0};
    Fakes *fakes = calloc(1, sizeof *fakes);
    Asked a = {0};
    char path[64], name[128];
    uint64_t seed = 88172645463325252;
    new_path(path);
    world_start(&w);
    give_kv(&w, path, "p/");
    give_calls(&w, fakes);
    Line *line = calloc(1, sizeof *line);
    fnvm_services_log(w.services, keep, line);
    fnvm_request_backend backend = {&a, asked_part, asked_read, asked_status, asked_field, NULL};
    fnvm_services_request(w.services, &backend);
    for (int round = 0; round < 6000; round++) {
        const size_t k = next(&seed) % ALL_SERVICES;
        size_t n = 0;
        while (all_services[k].functions[n].name) n++;
        const ServiceFunc *f = &all_services[k].functions[next(&seed) % n];
        if (strcmp(f->name, "sleep_until") == 0) continue;
        if (round % 64 == 0) {
            for (size_t i = 0; i < PAGE; i++)
                w.memory[i] = (uint8_t)(next(&seed) % 3 ? 'a' + i % 26 : next(&seed));
            fnvm_services_reset(w.services);
            fakes->n = fakes->drops = 0;
        }
        int64_t numbers[16], result;
        for (size_t i = 0; i < 16; i++)
            numbers[i] = edges[next(&seed) % (sizeof edges / sizeof *edges)];
        if (strcmp(f->name, "await") == 0 || strcmp(f->name, "await_all") == 0) numbers[1] %= 2;
        snprintf(name, sizeof name, "%s.%s", all_services[k].module, f->name);
        fnvm_error *error = try_call(&w, name, numbers, &result);
        if (error) assert_int_equal(fnvm_error_code(error), FNVM_E_TRAP);
        fnvm_error_free(error);
    }
    world_end(&w);
    free(line);
    free(fakes);
    remove_files(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(calls_go_and_come),
                                       cmocka_unit_test(an_await_can_be_repeated),
                                       cmocka_unit_test(several_at_once),
                                       cmocka_unit_test(handles_are_not_guessed),
                                       cmocka_unit_test(lines_of_log),
                                       cmocka_unit_test(fields_are_json),
                                       cmocka_unit_test(keys_and_values),
                                       cmocka_unit_test(bad_keys), cmocka_unit_test(a_far_store),
                                       cmocka_unit_test(a_guest_stays_under_its_prefix),
                                       cmocka_unit_test(several_processes_at_once),
                                       cmocka_unit_test(files_that_are_no_store),
                                       cmocka_unit_test(a_request_and_its_answer),
                                       cmocka_unit_test(numbers_differ),
                                       cmocka_unit_test(a_forked_process_draws_its_own),
                                       cmocka_unit_test(waiting),
                                       cmocka_unit_test(any_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
