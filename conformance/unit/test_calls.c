/* Asynchronous calls: found from every process, limited, and lost with the worker they were at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/calls.h"

typedef struct World {
    char dir[64];
    Calls *calls;
} World;

static const CallsLimits roomy = {
    .keep_ms = 60000, .bytes = 1 << 20, .pending = 100, .results = 100};

static Calls *opened(const char *dir, CallsLimits limits)
{
    Calls *c = NULL;
    assert_null(calls_open(dir, &limits, &c));
    return c;
}

static int set_up(void **state)
{
    World *w = calloc(1, sizeof *w);
    strcpy(w->dir, "/tmp/fnvm-calls-XXXXXX");
    if (!mkdtemp(w->dir)) return -1;
    w->calls = opened(w->dir, roomy);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    World *w = *state;
    calls_close(w->calls);
    DIR *dir = opendir(w->dir);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) unlinkat(dirfd(dir), e->d_name, 0);
    if (dir) closedir(dir);
    rmdir(w->dir);
    free(w);
    return 0;
}

static void reopen(World *w, CallsLimits limits)
{
    calls_close(w->calls);
    w->calls = opened(w->dir, limits);
}

static CallState state_of(Calls *c, const char *id)
{
    CallResult r;
    assert_null(calls_find(c, id, &r));
    const CallState state = r.state;
    call_result_free(&r);
    return state;
}

static void expect_error(fnvm_error *error, fnvm_code code)
{
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), code);
    fnvm_error_free(error);
}

static void begin(Calls *c, char *id)
{
    call_id_new(id);
    assert_null(calls_begin(c, id));
}

/* ---- Ids ---- */

static int compare_ids(const void *a, const void *b) { return memcmp(a, b, CALL_ID_BYTES); }

static void test_ids(void **state)
{
    (void)state;
    enum { IDS = 1000 };
    static char ids[2 * IDS][CALL_ID_BYTES];
    int pipes[2];
    call_id_new(ids[0]); /* random bytes are ahead now: a fork must not go on with them */
    assert_int_equal(pipe(pipes), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        for (size_t i = 0; i < IDS; i++) {
            call_id_new(ids[i]);
            if (write(pipes[1], ids[i], CALL_ID_BYTES) != CALL_ID_BYTES) _exit(1);
        }
        _exit(0);
    }
    for (size_t i = 0; i < IDS; i++) call_id_new(ids[i]);
    for (size_t i = 0; i < IDS; i++)
        assert_int_equal(read(pipes[0], ids[IDS + i], CALL_ID_BYTES), CALL_ID_BYTES);
    close(pipes[0]);
    close(pipes[1]);
    waitpid(pid, NULL, 0);
    qsort(ids, 2 * IDS, CALL_ID_BYTES, compare_ids);
    for (size_t i = 0; i < 2 * IDS; i++) {
        assert_true(call_id_ok((HttpText){ids[i], strlen(ids[i])}));
        assert_int_equal(ids[i][14], '4');
        assert_non_null(strchr("89ab", ids[i][19]));
        if (i > 0) assert_string_not_equal(ids[i - 1], ids[i]);
    }
}

/* An id becomes a file's name. */
static void test_hostile_ids(void **state)
{
    World *w = *state;
    static const char *const hostile[] = {"",
                                          "../../../../../../../../../etc/passwd",
                                          "0b6f1d5c-7a53-4f0e-9d55-0123456789a",
                                          "numbers",
                                          "0b6f1d5c-7a53-4f0e-9d55-0123456789abc",
                                          "0B6F1D5C-7a53-4f0e-9d55-0123456789ab",
                                          "0b6f1d5c/7a53-4f0e-9d55-0123456789ab",
                                          "0b6f1d5c-7a53-4f0e-9d55-01234567.9ab"};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        CallResult r;
        assert_false(call_id_ok((HttpText){hostile[i], strlen(hostile[i])}));
        expect_error(calls_begin(w->calls, hostile[i]), FNVM_E_USAGE);
        expect_error(calls_find(w->calls, hostile[i], &r), FNVM_E_USAGE);
        expect_error(calls_finish(w->calls, hostile[i], 200, NULL, 0, "", 0), FNVM_E_USAGE);
    }
}

/* ---- Results ---- */

static HttpText text(const char *at) { return (HttpText){at, strlen(at)}; }
static bool same(HttpText a, const char *b)
{
    return a.len == strlen(b) && memcmp(a.at, b, a.len) == 0;
}

static void test_result(void **state)
{
    World *w = *state;
    char id[CALL_ID_BYTES];
    begin(w->calls, id);
    assert_int_equal(state_of(w->calls, id), CALL_PENDING);
    const HttpField fields[] = {{text("Content-Type"), text("text/plain")},
                                {text("X-Empty"), text("")}};
    assert_null(calls_finish(w->calls, id, 201, fields, 2, "a\0b", 3));
    reopen(w, roomy); /* as after a restart */
    CallResult r;
    assert_null(calls_find(w->calls, id, &r));
    assert_int_equal(r.state, CALL_DONE);
    assert_int_equal(r.status, 201);
    assert_int_equal(r.nfields, 2);
    assert_true(same(r.fields[0].name, "Content-Type") && same(r.fields[0].value, "text/plain"));
    assert_true(same(r.fields[1].name, "X-Empty") && same(r.fields[1].value, ""));
    assert_int_equal(r.body.len, 3);
    assert_memory_equal(r.body.at, "a\0b", 3);
    call_result_free(&r);
    expect_error(calls_finish(w->calls, id, 200, NULL, 0, "", 0), FNVM_E_USAGE); /* a second time */
    assert_int_equal(state_of(w->calls, id), CALL_DONE);
    call_id_new(id);
    assert_int_equal(state_of(w->calls, id), CALL_UNKNOWN);
    begin(w->calls, id);
    assert_null(calls_finish(w->calls, id, 204, NULL, 0, NULL, 0));
    assert_int_equal(state_of(w->calls, id), CALL_DONE);
}

/* Cut at every length, and with every byte changed: an error or another answer, never a crash. */
static void test_damaged(void **state)
{
    World *w = *state;
    char id[CALL_ID_BYTES], path[128], bytes[256];
    begin(w->calls, id);
    const HttpField field = {text("name"), text("value")};
    assert_null(calls_finish(w->calls, id, 200, &field, 1, "body", 4));
    snprintf(path, sizeof path, "%s/%s.done", w->dir, id);
    int fd = open(path, O_RDWR);
    const ssize_t len = read(fd, bytes, sizeof bytes);
    assert_in_range(len, 40, sizeof bytes - 1);
    for (ssize_t i = 0; i < 2 * len; i++) {
        char changed[256];
        memcpy(changed, bytes, (size_t)len);
        if (i >= len) changed[i - len] = (char)(changed[i - len] ^ 0x81);
        assert_int_equal(pwrite(fd, changed, (size_t)len, 0), len);
        assert_int_equal(ftruncate(fd, i < len ? i : len), 0);
        CallResult r;
        fnvm_error *error = calls_find(w->calls, id, &r);
        if (i < len) assert_non_null(error);
        if (error) assert_int_equal(fnvm_error_code(error), FNVM_E_MALFORMED);
        fnvm_error_free(error);
        call_result_free(&r);
    }
    close(fd);
}

/* ---- Limits ---- */

static void test_limits(void **state)
{
    World *w = *state;
    char id[6][CALL_ID_BYTES];
    reopen(w, (CallsLimits){.keep_ms = 60000, .bytes = 1000, .pending = 2, .results = 4});
    begin(w->calls, id[0]);
    begin(w->calls, id[1]);
    call_id_new(id[2]);
    expect_error(calls_begin(w->calls, id[2]), FNVM_E_LIMIT);
    assert_null(calls_finish(w->calls, id[0], 200, NULL, 0, "x", 1));
    assert_null(calls_finish(w->calls, id[1], 200, NULL, 0, "x", 1));
    begin(w->calls, id[2]);
    begin(w->calls, id[3]);
    char body[1000] = "";
    expect_error(calls_finish(w->calls, id[2], 200, NULL, 0, body, sizeof body), FNVM_E_LIMIT);
    assert_int_equal(state_of(w->calls, id[2]), CALL_LOST);
    assert_null(calls_finish(w->calls, id[3], 200, NULL, 0, body, 10));
    call_id_new(id[4]);
    expect_error(calls_begin(w->calls, id[4]), FNVM_E_LIMIT); /* four are kept */
    HttpField fields[1001] = {0};
    reopen(w, roomy);
    begin(w->calls, id[5]);
    expect_error(calls_finish(w->calls, id[5], 200, fields, 1001, "", 0), FNVM_E_LIMIT);
}

static void test_sweep(void **state)
{
    World *w = *state;
    char id[3][CALL_ID_BYTES], path[128];
    begin(w->calls, id[0]);
    assert_null(calls_finish(w->calls, id[0], 200, NULL, 0, "x", 1));
    begin(w->calls, id[1]);
    snprintf(path, sizeof path, "%s/%s.done", w->dir, id[0]);
    const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    calls_sweep(w->calls);
    assert_int_equal(state_of(w->calls, id[0]), CALL_DONE);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    snprintf(path, sizeof path, "%s/%s.call", w->dir, id[1]);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    calls_sweep(w->calls);
    assert_int_equal(state_of(w->calls, id[0]), CALL_UNKNOWN);
    assert_int_equal(state_of(w->calls, id[1]), CALL_PENDING); /* at work, however long */
    /* Numbers that a crash left wrong are made right. */
    snprintf(path, sizeof path, "%s/numbers", w->dir);
    const int fd = open(path, O_WRONLY);
    const uint64_t wrong[3] = {100, 99999, 1 << 30};
    assert_int_equal(pwrite(fd, wrong, sizeof wrong, 0), sizeof wrong);
    close(fd);
    call_id_new(id[2]);
    expect_error(calls_begin(w->calls, id[2]), FNVM_E_LIMIT);
    calls_sweep(w->calls);
    assert_null(calls_begin(w->calls, id[2]));
}

/* ---- Processes ---- */

/* A worker begins a call, says so, and is killed. */
static void test_lost(void **state)
{
    World *w = *state;
    char id[2][CALL_ID_BYTES], byte;
    int pipes[2];
    call_id_new(id[0]);
    call_id_new(id[1]);
    assert_int_equal(pipe(pipes), 0);
    begin(w->calls, id[1]); /* ours stays */
    const pid_t pid = fork();
    if (pid == 0) {
        Calls *c = opened(w->dir, roomy);
        if (calls_begin(c, id[0]) != NULL || write(pipes[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    close(pipes[0]);
    close(pipes[1]);
    assert_int_equal(state_of(w->calls, id[0]), CALL_PENDING);
    calls_sweep(w->calls);
    assert_int_equal(state_of(w->calls, id[0]), CALL_PENDING);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(state_of(w->calls, id[0]), CALL_LOST);
    assert_int_equal(state_of(w->calls, id[1]), CALL_PENDING);
    calls_sweep(w->calls);
    assert_int_equal(state_of(w->calls, id[0]), CALL_LOST);
    assert_int_equal(state_of(w->calls, id[1]), CALL_PENDING);
}

/* Opened before the fork, as the master may: each process owns what it begins. */
static void test_fork(void **state)
{
    World *w = *state;
    char mine[CALL_ID_BYTES], its[CALL_ID_BYTES];
    begin(w->calls, mine);
    call_id_new(its);
    const pid_t pid = fork();
    if (pid == 0) _exit(calls_begin(w->calls, its) != NULL);
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(state_of(w->calls, its), CALL_LOST);
    assert_int_equal(state_of(w->calls, mine), CALL_PENDING);
}

/* Whoever asks meanwhile sees a call pending or all of its result. */
static void test_asking_meanwhile(void **state)
{
    World *w = *state;
    enum { CALLS = 100, SIZE = 8192 };
    static char ids[CALLS][CALL_ID_BYTES], body[SIZE];
    for (unsigned i = 0; i < CALLS; i++) begin(w->calls, ids[i]);
    const pid_t pid = fork();
    if (pid == 0) {
        Calls *c = opened(w->dir, roomy);
        for (unsigned i = 0; i < CALLS; i++)
            for (CallState s = CALL_PENDING; s != CALL_DONE;) {
                CallResult r;
                if (calls_find(c, ids[i], &r) != NULL) _exit(1);
                s = r.state;
                if (s != CALL_DONE && s != CALL_PENDING) _exit(2);
                if (s == CALL_DONE && r.body.len != SIZE) _exit(3);
                call_result_free(&r);
            }
        _exit(0);
    }
    for (unsigned i = 0; i < CALLS; i++)
        assert_null(calls_finish(w->calls, ids[i], 200, NULL, 0, body, SIZE));
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* No room on the disk, or for the user: the system's word for it is in the message. */
static void test_no_room(void **state)
{
    const World *w = *state;
    char dir[80];
    snprintf(dir, sizeof dir, "%s/full", w->dir);
    struct rlimit usual;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, usual.rlim_max}), 0);
    Calls *c = NULL;
    fnvm_error *error = calls_open(dir, &roomy, &c);
    setrlimit(RLIMIT_FSIZE, &usual);
    signal(SIGXFSZ, handler);
    assert_non_null(error);
    assert_non_null(strstr(fnvm_error_message(fnvm_error_cause(error)), "File too large"));
    fnvm_error_free(error);
    char path[100];
    static const char *const left[] = {"numbers", "owners", ""};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, left[i]);
        remove(path);
    }
}

#define WITH_CALLS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids), WITH_CALLS(test_no_room), WITH_CALLS(test_hostile_ids),
        WITH_CALLS(test_result),    WITH_CALLS(test_damaged), WITH_CALLS(test_limits),
        WITH_CALLS(test_sweep),     WITH_CALLS(test_lost),    WITH_CALLS(test_fork),
        WITH_CALLS(test_asking_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
