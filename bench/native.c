/* What a call of a native function costs: a guest's loop calls it, calls a host function that does
 * the same, and calls nothing; and C calls it.  ns of processor time per call, the guest's loop
 * taken off; the least of several runs.
 *
 *   build/bench/native [CALLS] */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fnvm.h"

enum { RUNS = 7 };

/* The program's own, for dlsym. */
__attribute__((visibility("default"), noinline)) double bench_f64(double x) { return x + 1; }
__attribute__((visibility("default"), noinline)) int32_t bench_i32(int32_t a, int32_t b)
{
    return a + b;
}
__attribute__((visibility("default"), noinline)) int32_t bench_bytes(const uint8_t *at, size_t n)
{
    return at[0] + at[n - 1];
}
/* Seven integers: one more than there are registers, so that libffi is called. */
__attribute__((visibility("default"), noinline)) int32_t
bench_seven(int32_t a, int32_t b, int32_t c, int32_t d, int32_t e, int32_t f, int32_t g)
{
    return a + b + c + d + e + f + g;
}

static fnvm_error *host_f64(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env;
    slots[0].f64 = bench_f64(slots[0].f64);
    return NULL;
}

static fnvm_error *host_i32(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env;
    slots[0].i32 = (uint32_t)bench_i32((int32_t)slots[0].i32, (int32_t)slots[1].i32);
    return NULL;
}

static fnvm_error *host_bytes(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    uint8_t *base;
    uint64_t size;
    (void)env;
    const uint64_t at = slots[0].i32, n = slots[1].i32;
    if (!fnvm_caller_memory(caller, &base, &size) || at > size || n > size - at)
        return fnvm_error_trap_new(FNVM_TRAP_MEMORY_OUT_OF_BOUNDS, "out of bounds");
    slots[0].i32 = (uint32_t)bench_bytes(base + at, n);
    return NULL;
}

static fnvm_error *host_seven(fnvm_caller *caller, void *env, fnvm_slot *s)
{
    (void)caller, (void)env;
    s[0].i32 = (uint32_t)bench_seven((int32_t)s[0].i32, (int32_t)s[1].i32, (int32_t)s[2].i32,
                                     (int32_t)s[3].i32, (int32_t)s[4].i32, (int32_t)s[5].i32,
                                     (int32_t)s[6].i32);
    return NULL;
}

/* ---- The guest ---- */

typedef struct Row {
    const char *symbol, *signature, *type; /* C's, and the guest's */
    const char *text;                      /* the guest's call, with its arguments */
    fnvm_host_fn host;
} Row;

static const Row rows[] = {{"bench_f64", "f64(f64)", "(param f64) (result f64)",
                            "(local.set $x (call $f (local.get $x)))", host_f64},
                           {"bench_i32", "i32(i32, i32)", "(param i32 i32) (result i32)",
                            "(local.set $i (call $f (local.get $i) (i32.const 0)))", host_i32},
                           {"bench_bytes", "i32(bytes)", "(param i32 i32) (result i32)",
                            "(drop (call $f (i32.const 8) (i32.const 64)))", host_bytes},
                           {"bench_seven", "i32(i32, i32, i32, i32, i32, i32, i32)",
                            "(param i32 i32 i32 i32 i32 i32 i32) (result i32)",
                            "(drop (call $f (local.get $i) (i32.const 1) (i32.const 2) (i32.const "
                            "3) (i32.const 4) (i32.const 5)"
                            " (i32.const 6)))",
                            host_seven}};
enum { ROWS = sizeof rows / sizeof *rows };

static void must(fnvm_error *error)
{
    if (!error) return;
    fprintf(stderr, "native: %s\n", fnvm_error_message(error));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The least time of a loop of `n` in ns per round; `text` is what a round does. */
static double time_guest(fnvm_engine *engine, fnvm_native *native, const Row *row, bool by_host,
                         const char *text, int32_t n)
{
    char module[1000];
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_module *m;
    fnvm_instance *instance;
    fnvm_extern run;
    snprintf(module, sizeof module,
             "(module (import \"env\" \"f\" (func $f %s)) (memory (export \"memory\") 1)"
             " (func (export \"run\") (param $n i32) (local $i i32) (local $x f64)"
             "  (loop $l %s (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br_if $l "
             "(local.get $n)))))",
             row->type, text);
    must(fnvm_store_new(engine, &store));
    must(fnvm_linker_new(store, &linker));
    const char *type = row->host == host_f64     ? "f64 -> f64"
                       : row->host == host_seven ? "i32 i32 i32 i32 i32 i32 i32 -> i32"
                                                 : "i32 i32 -> i32";
    must(by_host
             ? fnvm_linker_define_func(linker, "env", "f", type, row->host, NULL)
             : fnvm_linker_define_native(linker, "env", "f", native, row->symbol, row->signature));
    must(fnvm_module_new(engine, module, strlen(module), &m));
    must(fnvm_linker_instantiate(linker, m, &instance));
    if (!fnvm_instance_export(instance, "run", 3, &run)) exit(1);
    const fnvm_val arg = {.kind = FNVM_I32, .of.i32 = n};
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < RUNS; i++) {
        const uint64_t before = now_ns();
        must(fnvm_func_call(store, run, &arg, 1, NULL, 0));
        const uint64_t took = now_ns() - before;
        if (took < least) least = took;
    }
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_module_release(m);
    return (double)least / n;
}

/* ---- C ---- */

static double (*volatile c_f64)(double) = bench_f64;
static int32_t (*volatile c_i32)(int32_t, int32_t) = bench_i32;
static int32_t (*volatile c_bytes)(const uint8_t *, size_t) = bench_bytes;
static int32_t (*volatile c_seven)(int32_t, int32_t, int32_t, int32_t, int32_t, int32_t,
                                   int32_t) = bench_seven;

static void c_round(size_t row, int32_t n)
{
    static const uint8_t bytes[64];
    double x = 0;
    int32_t i = 0;
    for (; n > 0; n--) switch (row) {
        case 0: x = c_f64(x); break;
        case 1: i = c_i32(i, 0); break;
        case 2: c_bytes(bytes, sizeof bytes); break;
        default: c_seven(i, 1, 2, 3, 4, 5, 6); break;
        }
}

static double time_c(size_t row, int32_t n)
{
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < RUNS; i++) {
        const uint64_t before = now_ns();
        c_round(row, n);
        const uint64_t took = now_ns() - before;
        if (took < least) least = took;
    }
    return (double)least / n;
}

int main(int argc, char **argv)
{
    const int32_t n = argc > 1 ? atoi(argv[1]) : 3000000;
    fnvm_engine *engine;
    fnvm_native *native;
    if (n <= 0) return 2;
    must(fnvm_engine_new(NULL, &engine));
    must(fnvm_native_open(engine, NULL, &native));
    printf("| ns per call | native function | host function | from C |\n|---|---|---|---|\n");
    for (size_t i = 0; i < ROWS; i++) {
        const double loop = time_guest(engine, native, &rows[i], true, "", n);
        const double by_native = time_guest(engine, native, &rows[i], false, rows[i].text, n);
        const double by_host = time_guest(engine, native, &rows[i], true, rows[i].text, n);
        printf("| `%s` | %.1f | %.1f | %.1f |\n", rows[i].signature, by_native - loop,
               by_host - loop, time_c(i, n));
    }
    fnvm_native_close(native);
    fnvm_engine_free(engine);
    return 0;
}
