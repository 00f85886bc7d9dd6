/* The audit log: whatever is done to a line shows, and what a crash leaves does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "verifier/approval/standing.h"

enum { LINES = 6 };

typedef struct World {
    char dir[40];
    int at, log;               /* the directory, and audit.log in it */
    AuditHead head;
} World;

static int set_up(void **state)
{
    World *w = calloc(1, sizeof *w);
    strcpy(w->dir, "/tmp/fnvm-audit-XXXXXX");
    if (sodium_init() < 0 || !mkdtemp(w->dir)) return -1;
    w->at = open(w->dir, O_RDONLY | O_DIRECTORY);
    w->log = openat(w->at, "audit.log", O_RDWR | O_APPEND | O_CREAT, 0600);
    *state = w;
    return w->log < 0;
}

static int tear_down(void **state)
{
    World *w = *state;
    unlinkat(w->at, "audit.log", 0);
    unlinkat(w->at, "standing", 0);
    close(w->log);
    close(w->at);
    rmdir(w->dir);
    free(w);
    return 0;
}

static void append(World *w, const char *reason)
{
    static const uint8_t measurement[32] = {1, 2, 3};
    const AuditEvent event = {.what = "module", .is_decision = true, .allowed = true, .name = "app",
                              .version = "1", .measurement = measurement, .reason = reason};
    assert_null(audit_append(w->log, &w->head, &event));
}

static void fill(World *w)
{
    static const char *const reasons[LINES] = {"zero", "one", "two", "three", "four", "five"};
    for (int i = 0; i < LINES; i++) append(w, reasons[i]);
}

static char *read_log(const World *w, size_t *size)
{
    struct stat st;
    assert_int_equal(fstat(w->log, &st), 0);
    char *text = calloc(1, (size_t)st.st_size + 1);
    assert_int_equal(pread(w->log, text, (size_t)st.st_size, 0), st.st_size);
    *size = (size_t)st.st_size;
    return text;
}

static void write_log(const World *w, const char *text, size_t size)
{
    assert_int_equal(ftruncate(w->log, 0), 0);
    assert_int_equal(write(w->log, text, size), size);
}

static void expect_whole(const World *w, uint64_t lines)
{
    AuditHead end;
    fnvm_error *error = audit_verify(w->log, &(AuditHead){0}, NULL, NULL, &end);
    if (error) fail_msg("%s", fnvm_error_message(error));
    assert_int_equal(end.count, lines);
}

/* ---- Lines ---- */

static void test_escapes(void **state)
{
    World *w = *state;
    size_t size;
    append(w, "a\"b\\c\n\x7f \xc3\xa9 \xff \xe2\x82\xac \xed\xa0\x80 \xc3");
    char *text = read_log(w, &size);
    assert_non_null(strstr(text,
                           "\"reason\":\"a\\\"b\\\\c\\u000a\\u007f \xc3\xa9 \\ufffd \xe2\x82\xac "
                           "\\ufffd\\ufffd\\ufffd \\ufffd\","));
    free(text);
    expect_whole(w, 1);
}

static void test_longest(void **state)
{
    World *w = *state;
    static const uint8_t measurement[32] = {0};
    char text[1000];
    memset(text, '\x01', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    const AuditEvent event = {.what = text, .is_decision = true, .name = text, .version = text,
                              .measurement = measurement, .file = text, .reason = text,
                              .event = UINT64_MAX};
    for (int i = 0; i < 5; i++) assert_null(audit_append(w->log, &w->head, &event));
    expect_whole(w, 5);
    assert_true(w->head.bytes < 5 * AUDIT_LINE_MAX);
}

/* A reason that looks like a member of the line is none. */
static void test_event_number(void **state)
{
    World *w = *state;
    size_t size;
    const AuditEvent event = {.what = "approve", .reason = "x\",\"event\":99,\"y\":\"", .event = 7};
    assert_null(audit_append(w->log, &w->head, &event));
    char *text = read_log(w, &size);
    assert_int_equal(audit_line_event(text, size), 7);
    free(text);
}

/* ---- What is done to them ---- */

static char *line_at(char *text, int n)
{
    while (n-- > 0) text = strchr(text, '\n') + 1;
    return text;
}

/* Each gives another text of the log, of *size. */
static void remove_line(char *text, size_t *size)
{
    char *at = line_at(text, 2), *next = line_at(text, 3);
    memmove(at, next, *size - (size_t)(next - text) + 1);
    *size -= (size_t)(next - at);
}
static void remove_first(char *text, size_t *size)
{
    char *next = line_at(text, 1);
    *size -= (size_t)(next - text);
    memmove(text, next, *size + 1);
}
static void change_line(char *text, size_t *size)
{
    (void)size;
    memcpy(strstr(text, "\"three\""), "\"thr33\"", 7);
}
static void change_hash(char *text, size_t *size)
{
    (void)size;
    char *digit = strstr(line_at(text, 3), "\"hash\":\"") + 8;
    *digit = *digit == '0' ? '1' : '0';
}
static void change_last_hash(char *text, size_t *size) /* nothing follows from it */
{
    char *digit = text + *size - 10;
    *digit = (char)(*digit ^ 1);
}
static void swap_lines(char *text, size_t *size)
{
    (void)size;
    char *a = line_at(text, 2), *b = line_at(text, 3), *end = line_at(text, 4);
    char copy[2000];
    const size_t na = (size_t)(b - a), nb = (size_t)(end - b);
    memcpy(copy, a, na);
    memmove(a, b, nb);
    memcpy(a + nb, copy, na);
}
static void insert_line(char *text, size_t *size) /* the first, once more; there is room */
{
    char *at = line_at(text, 3), copy[2000];
    const size_t n = (size_t)(line_at(text, 1) - text);
    memcpy(copy, text, n);
    memmove(at + n, at, *size - (size_t)(at - text));
    memcpy(at, copy, n);
    *size += n;
}
static void insert_empty(char *text, size_t *size)
{
    char *at = line_at(text, 3);
    memmove(at + 1, at, *size - (size_t)(at - text));
    *at = '\n';
    *size += 1;
}

static void test_changes_show(void **state)
{
    static void (*const changes[])(char *text, size_t *size) = {
        remove_line,      remove_first, change_line, change_hash,
        change_last_hash, swap_lines,   insert_line, insert_empty};
    World *w = *state;
    size_t size;
    fill(w);
    expect_whole(w, LINES);
    char *good = read_log(w, &size);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *text = calloc(1, size * 2);
        size_t changed = size;
        AuditHead end;
        memcpy(text, good, size);
        changes[i](text, &changed);
        write_log(w, text, changed);
        fnvm_error *error = audit_verify(w->log, &(AuditHead){0}, NULL, NULL, &end);
        if (!error) fail_msg("change %zu does not show", i);
        assert_int_equal(fnvm_error_code(error), FNVM_E_INVALID);
        fnvm_error_free(error);
        free(text);
    }
    write_log(w, good, size);
    expect_whole(w, LINES);
    free(good);
}

/* Each byte that is another one shows, or is the newline of the last line, which is then half a
 * line. */
static void test_every_byte_shows(void **state)
{
    World *w = *state;
    size_t size;
    append(w, "one"), append(w, "two");
    char *text = read_log(w, &size);
    for (size_t i = 0; i < 2 * (size - 1); i++) {
        const size_t at = i / 2;
        const char flip = i % 2 ? 0x20 : 4; /* 0x20: a digit of the hash in upper case */
        AuditHead end;
        text[at] ^= flip;
        write_log(w, text, size);
        fnvm_error *error = audit_verify(w->log, &(AuditHead){0}, NULL, NULL, &end);
        if (!error) fail_msg("byte %zu may be another", at);
        fnvm_error_free(error);
        text[at] ^= flip;
    }
    free(text);
}

/* Without the head it would be a good log of fewer lines. */
static void test_missing_at_the_end(void **state)
{
    World *w = *state;
    size_t size;
    fill(w);
    char *text = read_log(w, &size);
    write_log(w, text, (size_t)(line_at(text, LINES - 1) - text));
    expect_whole(w, LINES - 1);
    AuditHead end, head = w->head;
    fnvm_error *error = audit_verify(w->log, &head, NULL, NULL, &end);
    assert_int_equal(fnvm_error_code(error), FNVM_E_INVALID);
    fnvm_error_free(error);
    error = audit_append(w->log, &head, &(AuditEvent){.what = "module"});
    assert_int_equal(fnvm_error_code(error), FNVM_E_INVALID);
    fnvm_error_free(error);
    assert_int_equal(head.count, w->head.count);
    expect_whole(w, LINES - 1);
    free(text);
}

/* ---- Crashes ---- */

static void test_torn_tail(void **state)
{
    World *w = *state;
    size_t size;
    fill(w);
    char *text = read_log(w, &size);
    for (size_t n = 1; n < 200; n += 13) {
        const AuditHead before = w->head;
        assert_int_equal(write(w->log, text, n), n);
        expect_whole(w, before.count);
        append(w, "after a crash");
        assert_int_equal(w->head.count, before.count + 1);
        expect_whole(w, before.count + 1);
    }
    free(text);
}

static void test_ahead_of_its_head(void **state)
{
    World *w = *state;
    fill(w);
    const AuditHead old = w->head;
    append(w, "not noted"), append(w, "nor this");
    assert_int_equal(write(w->log, "{\"n\":9", 6), 6);
    w->head = old;
    append(w, "next");
    assert_int_equal(w->head.count, LINES + 3);
    expect_whole(w, LINES + 3);
}

static void test_removed_file(void **state)
{
    World *w = *state;
    fill(w);
    assert_int_equal(unlinkat(w->at, "audit.log", 0), 0);
    fnvm_error *error = audit_append(w->log, &w->head, &(AuditEvent){.what = "module"});
    assert_int_equal(fnvm_error_code(error), FNVM_E_INVALID);
    fnvm_error_free(error);
}

/* A disk that is full in the middle of a line. */
static void test_full(void **state)
{
    World *w = *state;
    fill(w);
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit limit = {w->head.bytes + 50, w->head.bytes + 50};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        fnvm_error *error = audit_append(w->log, &w->head, &(AuditEvent){.what = "module"});
        const bool ok = error && fnvm_error_code(error) == FNVM_E_IO && w->head.count == LINES;
        fnvm_error_free(error);
        _exit(ok ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    append(w, "there is room again");
    expect_whole(w, LINES + 1);
}

/* ---- Several processes ---- */

/* As decisions are logged: the head is in a file that all have mapped. */
static void append_shared(const World *w, uint64_t n)
{
    Standing s;
    int log = openat(w->at, "audit.log", O_RDWR | O_APPEND);
    if (log < 0 || standing_map(w->at, true, &s) || !s.head) _exit(2);
    for (uint64_t i = 0; i < n; i++) {
        flock(log, LOCK_EX);
        AuditHead head = standing_audit(&s);
        if (audit_append(log, &head, &(AuditEvent){.what = "module", .is_decision = true}))
            _exit(3);
        standing_set_audit(&s, &head);
        flock(log, LOCK_UN);
    }
    _exit(0);
}

static pid_t start(const World *w, uint64_t n)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) append_shared(w, n);
    return child;
}

static void test_two_processes(void **state)
{
    enum { EACH = 10000 };
    World *w = *state;
    assert_null(standing_write(w->at, NULL, 0, 1, &w->head));
    const pid_t children[2] = {start(w, EACH), start(w, EACH)};
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    expect_whole(w, 2 * EACH);
}

static void test_killed(void **state)
{
    World *w = *state;
    assert_null(standing_write(w->at, NULL, 0, 1, &w->head));
    for (unsigned i = 0; i < 60; i++) {
        const pid_t children[2] = {start(w, UINT64_MAX), start(w, UINT64_MAX)};
        usleep(500 + i * 97 % 3000);
        for (int k = 0; k < 2; k++) {
            int status;
            kill(children[k], SIGKILL);
            assert_int_equal(waitpid(children[k], &status, 0), children[k]);
            assert_true(WIFSIGNALED(status)); /* and not because of an error */
        }
    }
    Standing s;
    AuditHead end;
    assert_null(standing_map(w->at, true, &s));
    const AuditHead head = standing_audit(&s);
    assert_null(audit_verify(w->log, &head, NULL, NULL, &end));
    assert_true(end.count >= head.count && end.count <= head.count + 2);
    expect_whole(w, end.count);
    standing_unmap(&s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_escapes),        TEST(test_longest),       TEST(test_event_number),
        TEST(test_changes_show),   TEST(test_every_byte_shows), TEST(test_missing_at_the_end),
        TEST(test_torn_tail),      TEST(test_ahead_of_its_head), TEST(test_removed_file),
        TEST(test_full),           TEST(test_two_processes), TEST(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
