/* The gateway's numbers: exact over processes, also when these die; readable while written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/metrics_memory.h"

static int set_up(void **state)
{
    Metrics *m = NULL;
    fnvm_error *error = metrics_new(&m);
    fnvm_error_free(error);
    *state = m;
    return m == NULL;
}

static int tear_down(void **state)
{
    metrics_free(*state);
    return 0;
}

static void wait_for(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static size_t pages_in_use(const Metrics *m)
{
    const size_t pages = sizeof *m / 4096;
    unsigned char *in = malloc(pages);
    size_t n = 0;
    assert_int_equal(mincore((void *)(uintptr_t)m, pages * 4096, in), 0);
    for (size_t i = 0; i < pages; i++) n += in[i] & 1;
    free(in);
    return n;
}

/* ---- Slots ---- */

static void test_slots(void **state)
{
    Metrics *m = *state;
    uint32_t a, b = 0, again;
    assert_true(metrics_slot(m, "one", &a) && metrics_slot(m, "two", &b) &&
                metrics_slot(m, "one", &again));
    assert_true(a != b && a == again);
    assert_true(metrics_find(m, "two!", 3, &again) && again == b);
    assert_false(metrics_find(m, "tw", 2, &again));
    char name[METRICS_NAME + 1];
    memset(name, 'n', sizeof name - 1);
    name[METRICS_NAME] = '\0';
    assert_false(metrics_slot(m, name, &again));
    for (unsigned i = 2; i < METRICS_FUNCTIONS; i++) {
        snprintf(name, sizeof name, "f%u", i);
        assert_true(metrics_slot(m, name, &again) && again == i);
    }
    assert_false(metrics_slot(m, "one too many", &again));
    for (unsigned i = 0; i < METRICS_TENANTS; i++) {
        snprintf(name, sizeof name, "t%u", i);
        assert_true(metrics_tenant(m, name, &again) && again == i);
    }
    assert_false(metrics_tenant(m, "one too many", &again));
    assert_true(metrics_tenant(m, "t7", &again) && again == 7);
}

/* ---- Counting ---- */

static void test_buckets(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        const uint64_t from = histogram_from(i), to = histogram_from(i + 1);
        assert_int_equal(histogram_bucket(from), i);
        if (i + 1 == HISTOGRAM_BUCKETS) break;
        assert_int_equal(histogram_bucket(to - 1), i);
        if (i > 0) assert_true((to - from) * 10 <= from + 10); /* half of it is 5% */
    }
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void test_quantiles(void **state)
{
    Metrics *m = *state;
    uint32_t slot;
    assert_true(metrics_slot(m, "f", &slot));
    for (unsigned i = 1; i <= 10000; i++)
        metrics_count(m, i % 3,
                      &(MetricsRequest){.slot = slot,
                                        .start = START_REUSED,
                                        .status = 200,
                                        .start_ns = 500,
                                        .total_ns = i * 1000});
    CellSum *sum = malloc(sizeof *sum);
    metrics_sum(m, slot, sum);
    static const struct {
        double part;
        uint64_t ns;
    } expected[] = {{0.5, 5000000}, {0.9, 9000000}, {0.99, 9900000}};
    for (size_t i = 0; i < 3; i++) {
        const uint64_t ns = histogram_quantile(&sum->total[START_REUSED], expected[i].part);
        assert_in_range(ns, expected[i].ns * 94 / 100, expected[i].ns * 106 / 100);
    }
    assert_int_equal(sum->total[START_REUSED].count, 10000);
    assert_int_equal(sum->total[START_REUSED].sum_ns, 10000ull * 10001 / 2 * 1000);
    assert_int_equal(sum->outcomes[OUTCOME_OK], 10000);
    assert_int_equal(sum->total[START_COLD].count, 0);
    free(sum);
}

/* A guest can answer with a thousand statuses: they are counted, but do not become as many series. */
static void test_statuses_of_guests(void **state)
{
    Metrics *m = *state;
    uint32_t slot;
    assert_true(metrics_slot(m, "f", &slot));
    for (unsigned i = 0; i < 3000; i++)
        metrics_count(m, 0, &(MetricsRequest){.slot = slot, .status = 100 + i % 900});
    CellSum *sum = malloc(sizeof *sum);
    metrics_sum(m, slot, sum);
    uint64_t all = 0;
    for (size_t i = 0; i < sum->ncodes; i++) all += sum->codes[i].count;
    assert_int_equal(all, 3000);
    assert_in_range(sum->ncodes, 2, CODES);
    free(sum);
}

static void test_counting_in_processes(void **state)
{
    Metrics *m = *state;
    enum { PROCESSES = 4, REQUESTS = 20000 };
    uint32_t slot;
    assert_true(metrics_slot(m, "f", &slot));
    pid_t pids[PROCESSES];
    for (unsigned p = 0; p < PROCESSES; p++) {
        if ((pids[p] = fork()) != 0) continue;
        for (unsigned i = 0; i < REQUESTS;
             i++) /* two of them have one number: as threads of a worker */
            metrics_count(m, p / 2,
                          &(MetricsRequest){.slot = slot,
                                            .start = START_RESTORED,
                                            .total_ns = 5000,
                                            .bytes_in = 3,
                                            .memory_bytes = p * 65536});
        _exit(0);
    }
    for (unsigned p = 0; p < PROCESSES; p++) wait_for(pids[p]);
    CellSum *sum = malloc(sizeof *sum);
    metrics_sum(m, slot, sum);
    assert_int_equal(sum->total[START_RESTORED].count, PROCESSES * REQUESTS);
    assert_int_equal(sum->bytes_in, PROCESSES * REQUESTS * 3);
    assert_int_equal(sum->memory_most, (PROCESSES - 1) * 65536);
    free(sum);
}

static void test_out_of_range(void **state)
{
    Metrics *m = *state;
    metrics_count(m, METRICS_WORKERS, &(MetricsRequest){.slot = 0});
    metrics_count(m, 0, &(MetricsRequest){.slot = METRICS_FUNCTIONS});
    metrics_count(m, 0, &(MetricsRequest){.outcome = OUTCOMES});
    assert_false(metrics_enter(m, METRICS_WORKERS, 0, 1));
    assert_false(metrics_enter(m, 0, METRICS_FUNCTIONS, 1));
    assert_false(metrics_queue(m, 0, UINT32_MAX, 1));
    assert_false(metrics_tenant_enter(m, 0, METRICS_TENANTS, 1, 0, UINT64_MAX));
    metrics_leave(m, 0, 0); /* nothing is held */
    assert_int_equal(place_count(m, PLACE_WORK), 0);
    metrics_log(m, 0, METRICS_FUNCTIONS, NULL, "x", 1);
    metrics_worker_gone(m, METRICS_WORKERS);
}

/* One that dies is counted, one that another replaced is not. */
static void test_left(void **state)
{
    Metrics *m = *state;
    char *text;
    size_t len;
    metrics_worker_born(m, 3, 1);
    metrics_worker_gone(m, 3);
    metrics_worker_born(m, 3, 1);
    metrics_worker_left(m, 3);
    metrics_worker_born(m, 3, 1);
    metrics_worker_left(m, METRICS_WORKERS);
    metrics_prometheus(m, &text, &len);
    assert_non_null(strstr(text, "\nfnvm_worker_restarts_total 1\n"));
    assert_non_null(strstr(text, "\nfnvm_workers 1\n"));
    free(text);
}

/* What is read has pages as well as what is written, so reading keeps to what was written. */
static void test_sparse(void **state)
{
    Metrics *m = *state;
    uint32_t slot;
    char name[16], *text;
    size_t len;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "f%u", i);
        assert_true(metrics_slot(m, name, &slot));
    }
    metrics_count(m, 63, &(MetricsRequest){.slot = 50, .total_ns = 1000000});
    assert_true(metrics_enter(m, 63, 50, 1));
    metrics_prometheus(m, &text, &len);
    free(text);
    metrics_json(m, &text, &len);
    free(text);
    metrics_worker_gone(m, 63);
    metrics_worker_gone(m, 62);
    assert_int_equal(place_count(m, PLACE_WORK + 50), 0);
    assert_in_range(pages_in_use(m), 1, 400);
}

static void test_cost(void **state)
{
    Metrics *m = *state;
    enum { ROUNDS = 200000 };
    uint32_t slot;
    struct timespec from, to;
    assert_true(metrics_slot(m, "f", &slot));
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned i = 0; i < ROUNDS; i++)
        metrics_count(m, 0,
                      &(MetricsRequest){.slot = slot,
                                        .start = START_REUSED,
                                        .status = 200,
                                        .start_ns = 900,
                                        .guest_ns = 3000,
                                        .total_ns = 20000 + i,
                                        .bytes_in = 10,
                                        .bytes_out = 100,
                                        .memory_bytes = 1 << 20});
    clock_gettime(CLOCK_MONOTONIC, &to);
    double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    print_message("metrics_count: %.0f ns\n", ns / ROUNDS);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_true(metrics_enter(m, 0, slot, 10));
        metrics_leave(m, 0, slot);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    print_message("metrics_enter and _leave: %.0f ns\n", ns / ROUNDS);
}

/* ---- Places ---- */

static void test_places(void **state)
{
    Metrics *m = *state;
    assert_true(metrics_enter(m, 0, 5, 2) && metrics_enter(m, 1, 5, 2));
    assert_false(metrics_enter(m, 2, 5, 2));
    assert_true(metrics_enter(m, 2, 6, 1)); /* another function */
    assert_true(metrics_queue(m, 2, 5, 1)); /* another kind */
    assert_false(metrics_queue(m, 0, 5, 0));
    metrics_leave(m, 1, 5);
    assert_true(metrics_enter(m, 2, 5, 2));
    metrics_worker_gone(m, 2);
    assert_int_equal(place_count(m, PLACE_WORK + 5), 1);
    assert_int_equal(place_count(m, PLACE_WORK + 6), 0);
    assert_int_equal(place_count(m, PLACE_QUEUE + 5), 0);
    metrics_worker_gone(m, 2); /* nothing a second time */
    assert_int_equal(place_count(m, PLACE_WORK + 5), 1);
}

static void test_tenants(void **state)
{
    Metrics *m = *state;
    const uint64_t mib = 1 << 20;
    assert_true(metrics_tenant_enter(m, 0, 3, 10, 6 * mib, 10 * mib));
    assert_false(metrics_tenant_enter(m, 1, 3, 10, 5 * mib, 10 * mib));
    assert_true(metrics_tenant_enter(m, 1, 3, 10, 4 * mib, 10 * mib));
    assert_false(metrics_tenant_enter(m, 1, 3, 10, 1, 10 * mib)); /* rounded up, never down */
    assert_true(metrics_tenant_enter(m, 1, 3, UINT32_MAX, 1, UINT64_MAX));
    assert_false(metrics_tenant_enter(m, 1, 3, 3, 0, UINT64_MAX));
    metrics_tenant_leave(m, 1, 3, 1);
    assert_int_equal(place_bytes(m, PLACE_TENANT + 3), 10 * mib);
    metrics_worker_gone(m, 1);
    assert_int_equal(place_bytes(m, PLACE_TENANT + 3), 6 * mib);
    assert_int_equal(place_count(m, PLACE_TENANT + 3), 1);
}

/* Workers that take and give without end. */
static void churn(Metrics *m, unsigned worker, _Atomic int *inside, int most, _Atomic int *wrong,
                  unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        if (!metrics_enter(m, worker, 0, (uint32_t)most)) continue;
        if (inside) {
            if (atomic_fetch_add(inside, 1) >= most) atomic_store(wrong, 1);
            atomic_fetch_sub(inside, 1);
        }
        metrics_leave(m, worker, 0);
    }
}

static void test_places_are_exact(void **state)
{
    Metrics *m = *state;
    enum { PROCESSES = 4, MOST = 2, ROUNDS = 200000 };
    _Atomic int *shared =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    pid_t pids[PROCESSES];
    for (unsigned p = 0; p < PROCESSES; p++) {
        if ((pids[p] = fork()) != 0) continue;
        churn(m, p, &shared[0], MOST, &shared[1], ROUNDS);
        _exit(0);
    }
    for (unsigned p = 0; p < PROCESSES; p++) wait_for(pids[p]);
    assert_int_equal(shared[1], 0);
    assert_int_equal(place_count(m, PLACE_WORK), 0);
    munmap(shared, 4096);
}

/* Killed anywhere, between the two steps too, while another one goes on: nothing stays taken. */
static void test_places_of_the_killed(void **state)
{
    Metrics *m = *state;
    enum { KILLS = 300 };
    const pid_t other = fork();
    if (other == 0) {
        for (;;) churn(m, 1, NULL, 1000, NULL, 1000);
    }
    unsigned between = 0;
    for (unsigned i = 0; i < KILLS; i++) {
        const pid_t pid = fork();
        if (pid == 0)
            for (;;) churn(m, 0, NULL, 1000, NULL, 1000);
        const struct timespec nap = {0, 20000 + (i * 7919 % 400) * 1000};
        nanosleep(&nap, NULL);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        const Held *h = &m->parts[0].held[PLACE_WORK];
        between += h->begun != h->ended;
        metrics_worker_gone(m, 0);
    }
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    metrics_worker_gone(m, 1);
    assert_int_equal(place_count(m, PLACE_WORK), 0);
    print_message("%u of %d were killed between the steps\n", between, KILLS);
}

/* What a kill leaves at each point, made by hand, beside a worker that holds two. */
static void test_each_step(void **state)
{
    Metrics *m = *state;
    Held *h = &m->parts[7].held[PLACE_WORK];
    for (unsigned step = 0; step < 4; step++) {
        assert_true(metrics_enter(m, 1, 0, 10) && metrics_enter(m, 1, 0, 10) &&
                    metrics_enter(m, 7, 0, 10));
        if (step == 1) { /* taken, and not noted */
            assert_true(metrics_enter(m, 7, 0, 10));
            h->held = h->held / 2;
            h->ended--;
        } else if (step == 2)
            h->ended--; /* noted, and not ended; or given and not taken off the note */
        else if (step == 3) h->begun++; /* begun only */
        metrics_worker_gone(m, 7);
        assert_int_equal(place_count(m, PLACE_WORK), 2);
        assert_int_equal(h->held | h->begun | h->ended, 0);
        metrics_leave(m, 1, 0);
        metrics_leave(m, 1, 0);
        assert_int_equal(place_count(m, PLACE_WORK), 0);
    }
}

/* ---- Rings ---- */

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (; text && (text = strstr(text, what)) != NULL; text += strlen(what)) n++;
    return n;
}

static void test_log(void **state)
{
    Metrics *m = *state;
    uint32_t slot;
    char line[40], *text;
    size_t len;
    uint64_t from = 0;
    assert_true(metrics_slot(m, "f", &slot));
    metrics_logs(m, slot, &from, &text, &len);
    assert_int_equal(from, 0);
    free(text);
    for (unsigned i = 0; i < 300; i++)
        metrics_log(m, 0, slot, "id", line, (size_t)snprintf(line, sizeof line, "line %u", i));
    metrics_logs(m, slot, &from, &text, &len);
    assert_int_equal(from, 300);
    assert_int_equal(count_of(text, "\"line "), LOG_RECORDS);
    assert_non_null(strstr(text, "\"line 299\""));
    assert_null(strstr(text, "\"line 171\""));
    free(text);
    metrics_log(m, 0, slot, "id", "one more", 8);
    metrics_logs(m, slot, &from, &text, &len);
    assert_int_equal(count_of(text, "\"text\""), 1);
    free(text);
    from = UINT64_MAX; /* whoever asks may ask for anything */
    metrics_logs(m, slot, &from, &text, &len);
    assert_int_equal(from, 301);
    free(text);
}

/* Bytes that would break JSON, a terminal or a page. */
static void test_hostile_text(void **state)
{
    Metrics *m = *state;
    uint32_t slot;
    char *text;
    size_t len;
    uint64_t from = 0;
    static const char hostile[] =
        "a\"b\\c\x1b[31m\xff\xc0\xaf\xed\xa0\x80\xf5 \xc2\x9b \xe2\x82\xac\0z</script>";
    assert_true(metrics_slot(m, "f\"\\\n\xff", &slot));
    metrics_log(m, 0, slot, "\"<id>", hostile, sizeof hostile - 1);
    metrics_logs(m, slot, &from, &text, &len);
    assert_non_null(strstr(text, "a\\\"b\\\\c\\\\x1b[31m"));
    assert_non_null(strstr(text, "\xe2\x82\xac\\\\x00z</script>"));
    assert_null(strchr(text, '\xff'));
    assert_null(strchr(text, '\x1b'));
    free(text);
    metrics_prometheus(m, &text, &len);
    assert_non_null(strstr(text, "fnvm_in_flight{function=\"f\\\"\\\\\\n\xEF\xBF\xBD\"} 0\n"));
    free(text);
    char *long_line = malloc(100000);
    memset(long_line, '\x01', 100000);
    metrics_log(m, 0, slot, NULL, long_line, 100000);
    metrics_logs(m, slot, &from, &text, &len);
    assert_int_equal(count_of(text, "\\\\x01"), LOG_TEXT);
    free(text);
    free(long_line);
}

static void test_errors(void **state)
{
    Metrics *m = *state;
    uint32_t slot;
    char *text;
    size_t len;
    assert_true(metrics_slot(m, "f", &slot));
    fnvm_error *error =
        fnvm_error_wrap(fnvm_error_new(FNVM_E_IO, "the reason"), "the function failed");
    metrics_error(m, 3, slot, "id-1", error);
    fnvm_error_free(error);
    for (unsigned i = 0; i < 3; i++) { /* longer than fits */
        char *long_text = calloc(1, 100001);
        memset(long_text, 'x', 100000);
        error = fnvm_error_new(FNVM_E_IO, "%s", long_text);
        for (unsigned w = 0; w < 40; w++) error = fnvm_error_wrap(error, "%.600s", long_text);
        metrics_error(m, 3, slot, NULL, error);
        fnvm_error_free(error);
        free(long_text);
    }
    metrics_json_function(m, slot, &text, &len);
    assert_non_null(strstr(text, "\"the function failed\\u000acaused by: the reason\\u000a\""));
    assert_non_null(strstr(text, "\"id-1\""));
    assert_int_equal(count_of(text, "\"number\""), 4);
    free(text);
}

/* Lines and errors as one text, and again from where the last ended. */
static void test_text(void **state)
{
    Metrics *m = *state;
    uint32_t slot;
    char *text;
    size_t len;
    MetricsPlace from = {0};
    assert_true(metrics_slot(m, "f", &slot));
    fnvm_error *error = fnvm_error_wrap(fnvm_error_new(FNVM_E_IO, "the \x1breason"), "it failed");
    metrics_log(m, 0, slot, "id", "before", 6);
    metrics_log_text(m, slot, &from, &text, &len);
    assert_int_equal(count_of(text, "\n"), 1);
    free(text);
    metrics_error(m, 3, slot, "id", error);
    usleep(3000); /* the order is that of their milliseconds */
    metrics_log(m, 0, slot, NULL, "after", 5);
    metrics_log_text(m, slot, &from, &text, &len);
    assert_null(strstr(text, "before"));
    assert_non_null(strstr(text, "Z id error: it failed\n    caused by: the \\x1Breason\n20"));
    assert_non_null(strstr(text, "Z - after\n"));
    free(text);
    metrics_log_text(m, slot, &from, &text, &len);
    assert_int_equal(len, 0);
    free(text);
    for (int i = 0; i < 100; i++) metrics_error(m, 3, slot, NULL, error);
    fnvm_error_free(error);
    from = (MetricsPlace){UINT64_MAX, UINT64_MAX};
    metrics_log_text(m, slot, &from, &text, &len);
    assert_int_equal(count_of(text, " error: "), ERROR_RECORDS);
    assert_int_equal(from.errors, 101);
    assert_int_equal(from.lines, 2);
    free(text);
}

/* A guest's trap, with its frames and the names in its module. */
static void test_backtrace(void **state)
{
    static const char wat[] =
        "(module $app (func $inner unreachable) (func $outer (export \"run\") call $inner))";
    Metrics *m = *state;
    uint32_t slot;
    uint8_t *wasm;
    size_t len;
    char *text;
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_extern run;
    assert_true(metrics_slot(m, "f", &slot));
    assert_null(fnvm_wat_to_wasm(wat, sizeof wat - 1, &wasm, &len));
    assert_null(fnvm_engine_new(NULL, &engine));
    assert_null(fnvm_module_new(engine, wasm, len, &module));
    assert_null(fnvm_store_new(engine, &store));
    assert_null(fnvm_linker_new(store, &linker));
    assert_null(fnvm_linker_instantiate(linker, module, &instance));
    assert_true(fnvm_instance_export(instance, "run", 3, &run));
    fnvm_error *error = fnvm_func_call(store, run, NULL, 0, NULL, 0);
    assert_non_null(error);
    metrics_error(m, 0, slot, NULL, error);
    metrics_json_function(m, slot, &text, &len);
    assert_non_null(strstr(text, "  0: 0x"));
    assert_non_null(strstr(text, " - app!inner\\u000a  1: 0x"));
    assert_non_null(strstr(text, " - app!outer\\u000a"));
    free(text);
    fnvm_error_free(error);
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    free(wasm);
}

typedef struct Writer {
    Metrics *m;
    uint32_t slot;
    unsigned worker;
    _Atomic bool *stop;
} Writer;

static void *write_lines(void *arg)
{
    const Writer *w = arg;
    char line[300];
    memset(line, 'a' + (int)w->worker, sizeof line);
    for (size_t i = 0; !*w->stop; i++)
        metrics_log(w->m, w->worker, w->slot, "x", line, i % sizeof line);
    return NULL;
}

/* Every line that is read is one that was written: all of one letter. */
static void test_reading_meanwhile(void **state)
{
    Metrics *m = *state;
    enum { WRITERS = 4 };
    Writer writers[WRITERS];
    pthread_t threads[WRITERS];
    _Atomic bool stop = false;
    uint32_t slot;
    assert_true(metrics_slot(m, "f", &slot));
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (Writer){m, slot, i, &stop};
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &writers[i]), 0);
    }
    bool mixed = false;
    size_t seen = 0;
    for (unsigned round = 0; round < 300 || seen < 1000; round++)
        for (unsigned i = 0; i < LOG_RECORDS; i++) {
            RingText r;
            const uint64_t next = m->ring_heads[slot].log_next;
            if (next < i + 1 || !ring_log(m, slot, next - 1 - i, &r)) continue;
            seen++;
            for (uint32_t b = 0; b < r.head.len; b++)
                mixed = mixed || r.text[b] != 'a' + (int)r.head.worker;
        }
    stop = true;
    for (unsigned i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
    assert_false(mixed);
}

/* A worker that died while it wrote holds up nobody; memory that it damaged misleads nobody. */
static void test_damaged_records(void **state)
{
    Metrics *m = *state;
    uint32_t slot;
    char *text;
    size_t len;
    uint64_t from = 0;
    assert_true(metrics_slot(m, "f", &slot));
    for (unsigned i = 0; i < 6; i++) metrics_log(m, 0, slot, "x", "line", 4);
    LogRecord *logs = m->rings[slot].logs;
    logs[1].stamp--;                        /* not completed */
    logs[2].words[1] |= 0xffffffff00000000; /* a length beyond everything */
    logs[3].words[7] ^= 1;                  /* text of another */
    metrics_logs(m, slot, &from, &text, &len);
    assert_int_equal(count_of(text, "\"text\""), 3);
    assert_int_equal(from, 6);
    free(text);
    logs[5].stamp--;
    from = 5;
    metrics_logs(m, slot, &from, &text, &len);
    assert_int_equal(from, 5); /* it may still come */
    free(text);
    m->nfunctions = UINT32_MAX;
    assert_int_equal(metrics_functions(m), METRICS_FUNCTIONS);
}

static void test_workers(void **state)
{
    Metrics *m = *state;
    uint32_t slot;
    char *text;
    size_t len;
    assert_true(metrics_slot(m, "f", &slot));
    metrics_worker_born(m, 0, 100);
    metrics_worker_born(m, 1, 101);
    metrics_ready(m, 0, slot, 3);
    metrics_ready(m, 1, slot, 4);
    metrics_worker_gone(m, 1);
    assert_int_equal(metrics_worker_pid(m, 1), 0);
    metrics_worker_born(m, 1, 102);
    metrics_function(m, slot, &(MetricsFunction){"1.2", "cgi", "acme", 10, 20});
    metrics_prometheus(m, &text, &len);
    assert_non_null(strstr(text, "\nfnvm_worker_restarts_total 1\n"));
    assert_non_null(strstr(text, "\nfnvm_workers 2\n"));
    assert_non_null(strstr(text, "\nfnvm_ready_instances{function=\"f\"} 3\n"));
    assert_non_null(strstr(
        text,
        "fnvm_function_info{function=\"f\",version=\"1.2\",protocol=\"cgi\",tenant=\"acme\"} 1\n"));
    free(text);
    metrics_function(m, slot, &(MetricsFunction){0});
    metrics_prometheus(m, &text, &len);
    assert_null(strstr(text, "fnvm_function_info{"));
    free(text);
}

#define WITH_METRICS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_METRICS(test_slots),
        cmocka_unit_test(test_buckets),
        WITH_METRICS(test_quantiles),
        WITH_METRICS(test_statuses_of_guests),
        WITH_METRICS(test_counting_in_processes),
        WITH_METRICS(test_left),
        WITH_METRICS(test_out_of_range),
        WITH_METRICS(test_sparse),
        WITH_METRICS(test_cost),
        WITH_METRICS(test_places),
        WITH_METRICS(test_tenants),
        WITH_METRICS(test_places_are_exact),
        WITH_METRICS(test_places_of_the_killed),
        WITH_METRICS(test_each_step),
        WITH_METRICS(test_log),
        WITH_METRICS(test_hostile_text),
        WITH_METRICS(test_errors),
        WITH_METRICS(test_text),
        WITH_METRICS(test_backtrace),
        WITH_METRICS(test_reading_meanwhile),
        WITH_METRICS(test_damaged_records),
        WITH_METRICS(test_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
