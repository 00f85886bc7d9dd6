/* Modules made to be slow or large.  Each kind is made in memory, at its full size, and loaded,
 * verified, compiled, instantiated and called in a process of its own, by each engine, lazily and
 * eagerly.  It has to be accepted, or refused by the limit that is named here, without a crash and
 * with no more than 512 MiB of memory.
 *
 *   bombs [--times] [--size=PERCENT] [NAME...]
 *
 * --times prints a table: megabytes of the module, and seconds of the processor and peak MiB in each
 * configuration; with --size=50 at half the size.  The time that the documentation promises is 2
 * seconds; the test itself only fails what takes longer than MOST_SECONDS, since a timing says as much
 * about the machine.  Under the sanitizers sizes are a tenth, and neither time nor memory is looked at.
 * Ends with "N passed, N failed, N skipped".  What they are is in conformance/bombs/. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance/bombs/bombs.h"
#include "fnvm.h"

enum { MOST_SECONDS = 10, MEMORY_MIB = 512, MESSAGE_BYTES = 1000 };

#if defined __SANITIZE_ADDRESS__ || defined FNVM_CHECK
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static const Bomb *const subjects[] = {control_bombs, local_bombs, code_bombs,
                                       type_bombs, definition_bombs, segment_bombs,
                                       section_bombs, text_bombs, guest_bombs};
enum { NSUBJECTS = sizeof subjects / sizeof *subjects };

/* ---- Setting one off ---- */

typedef struct Way {
    const char *name;
    fnvm_engine_kind engine;
    bool eager;
} Way;

static const Way ways[] = {
    {"interpreted", FNVM_ENGINE_INTERPRETER, false},
    {"interpreted, eager", FNVM_ENGINE_INTERPRETER, true},
    {"compiled", FNVM_ENGINE_JIT, false},
    {"compiled, eager", FNVM_ENGINE_JIT, true},
};
enum { NWAYS = sizeof ways / sizeof *ways };

static fnvm_error *run(fnvm_engine *engine, const char *path)
{
    fnvm_module *module;
    fnvm_error *error = fnvm_module_load(engine, path, &module);
    if (error) return error;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_extern f;
    if ((error = fnvm_store_new(engine, &store)) != NULL) return error;
    if ((error = fnvm_linker_new(store, &linker)) != NULL) return error;
    fnvm_linker_unknown_imports_trap(linker, true);
    error = fnvm_linker_instantiate(linker, module, &instance);
    if (!error && fnvm_instance_export(instance, "f", 1, &f) && f.kind == FNVM_EXTERN_FUNC)
        error = fnvm_func_call(store, f, NULL, 0, NULL, 0);
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_module_release(module);
    return error;
}

/* In the child: what happened goes to `out`, nothing if all went well. */
static void set_off(const Way *way, const char *path, int out)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = way->engine;
    config.verify = way->eager ? FNVM_VERIFY_EAGER : FNVM_VERIFY_LAZY;
    config.compile = way->eager ? FNVM_COMPILE_EAGER : FNVM_COMPILE_LAZY;
    fnvm_engine *engine;
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    if (!error) error = run(engine, path);
    char message[MESSAGE_BYTES] = "";
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e)) {
        size_t len = strlen(message);
        snprintf(message + len, sizeof message - len, "%s%s", len ? ": " : "",
                 fnvm_error_message(e));
    }
    if (write(out, message, strlen(message)) < 0) _exit(2);
    fnvm_error_free(error);
    _exit(0);
}

typedef struct Result {
    char message[MESSAGE_BYTES + 1];
    int status;
    double seconds; /* of the processor */
    long mib;
} Result;

static double seconds_of(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static void attempt(const Way *way, const char *path, Result *r)
{
    int ends[2];
    fflush(stdout);
    if (pipe(ends) != 0) abort();
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        if (!SANITIZED) setrlimit(RLIMIT_CPU, &(struct rlimit){MOST_SECONDS, MOST_SECONDS});
        set_off(way, path, ends[1]);
    }
    close(ends[1]);
    size_t len = 0;
    ssize_t n;
    while (len < MESSAGE_BYTES && (n = read(ends[0], r->message + len, MESSAGE_BYTES - len)) > 0)
        len += (size_t)n;
    r->message[len] = '\0';
    close(ends[0]);
    struct rusage usage;
    wait4(child, &r->status, 0, &usage);
    r->seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    r->mib = usage.ru_maxrss / 1024;
}

/* Linux counts pages per processor, and adds up what is more than a batch of them. */
static long uncounted_mib(void)
{
    const long n = sysconf(_SC_NPROCESSORS_CONF), batch = n > 32 ? 2 * n : 64; /* pages */
    return 1 + n * batch * sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* Why it is not as it has to be; NULL: it is. */
static const char *judge(const Bomb *bomb, const Result *r, bool full)
{
    if (WIFSIGNALED(r->status)) {
        int signal = WTERMSIG(r->status);
        return signal == SIGXCPU || signal == SIGKILL ? "it takes too long" : "it crashes";
    }
    if (WEXITSTATUS(r->status) != 0) return "it ends the process";
    if (!SANITIZED && r->mib > MEMORY_MIB + uncounted_mib()) return "it takes too much memory";
    if (!full) return NULL;
    if (bomb->refused ? !strstr(r->message, bomb->refused) : r->message[0] != '\0')
        return bomb->refused ? "it is not refused as expected" : "it is refused";
    return NULL;
}

/* A file in memory with the module in it. */
static int make_file(const Bomb *bomb, size_t n, size_t *len)
{
    Buf b = {0};
    bomb->make(&b, n);
    int fd = memfd_create("bomb", 0);
    for (size_t at = 0; at < b.len;) {
        ssize_t done = fd < 0 ? -1 : write(fd, b.bytes + at, b.len - at);
        if (done <= 0) abort();
        at += (size_t)done;
    }
    *len = b.len;
    free(b.bytes);
    return fd;
}

static unsigned passed, failed, skipped;

static void try_bomb(const Bomb *bomb, unsigned percent, bool times)
{
    size_t len, n = bomb->n * percent / 100;
    if (n == 0) n = 1;
    int fd = make_file(bomb, n, &len);
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (times) printf("%-36s %6.1f", bomb->name, (double)len / 1e6);
    for (int w = 0; w < NWAYS; w++) {
        Result r;
        attempt(&ways[w], path, &r);
        if (strstr(r.message, "needs a processor") || strstr(r.message, "no compiler")) {
            skipped++;
            continue;
        }
        const char *wrong = judge(bomb, &r, percent == 100);
        if (times) printf("  %5.2f %4ld", r.seconds, r.mib);
        if (!wrong) passed++;
        else {
            failed++;
            printf("%sFAILED %s, %s: %s (%.1f s, %ld MiB): %s\n", times ? "\n" : "", bomb->name,
                   ways[w].name, wrong, r.seconds, r.mib, r.message);
        }
    }
    if (times) printf("\n");
    close(fd);
}

static bool is_wanted(const Bomb *bomb, char **wanted, int n)
{
    for (int i = 0; i < n; i++)
        if (strstr(bomb->name, wanted[i])) return true;
    return n == 0;
}

int main(int argc, char **argv)
{
    bool times = false;
    unsigned percent = SANITIZED ? 10 : 100;
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--times") == 0) times = true;
        else if (strncmp(argv[i], "--size=", 7) == 0) percent = (unsigned)atoi(argv[i] + 7);
        else return fprintf(stderr, "usage: bombs [--times] [--size=PERCENT] [NAME...]\n"), 2;
    }
    for (int s = 0; s < NSUBJECTS; s++)
        for (const Bomb *bomb = subjects[s]; bomb->name; bomb++)
            if (is_wanted(bomb, argv + i, argc - i)) try_bomb(bomb, percent, times);
    printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return failed != 0;
}
