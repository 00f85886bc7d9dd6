/* One module on many threads: what was verified and compiled is shared, and each thread has a store
 * of its own.
 *
 *     cc threads.c $(pkg-config --cflags --libs --static fnvm) && ./a.out */
#include <fnvm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many primes there are in [from, to). */
static const char guest[] =
    "(module (func $is_prime (param $n i32) (result i32) (local $d i32)"
    "    (if (i32.lt_u (local.get $n) (i32.const 2)) (then (return (i32.const 0))))"
    "    (local.set $d (i32.const 2))"
    "    (loop $next"
    "      (if (i32.gt_u (i32.mul (local.get $d) (local.get $d)) (local.get $n))"
    "        (then (return (i32.const 1))))"
    "      (if (i32.eqz (i32.rem_u (local.get $n) (local.get $d))) (then (return (i32.const 0))))"
    "      (local.set $d (i32.add (local.get $d) (i32.const 1))) (br $next)) (unreachable))"
    "  (func (export \"primes\") (param $from i32) (param $to i32) (result i32) (local $sum i32)"
    "    (loop $next (local.set $sum (i32.add (local.get $sum) (call $is_prime (local.get $from))))"
    "      (local.set $from (i32.add (local.get $from) (i32.const 1)))"
    "      (br_if $next (i32.lt_u (local.get $from) (local.get $to))))"
    "    (local.get $sum)))";

enum { THREADS = 4, EACH = 25000 };

typedef struct Work {
    fnvm_engine *engine;      /* any number of threads may use these two at once */
    fnvm_module *module;
    uint32_t from, primes;
    fnvm_error *error;
} Work;

static fnvm_error *count(Work *w, fnvm_store *store, fnvm_linker *linker)
{
    fnvm_instance *instance;
    fnvm_extern primes;
    fnvm_slot slots[2] = {{.i32 = w->from}, {.i32 = w->from + EACH}};
    fnvm_error *e = fnvm_linker_instantiate(linker, w->module, &instance);
    if (e) return e;
    if (!fnvm_instance_export(instance, "primes", strlen("primes"), &primes))
        return fnvm_error_new(FNVM_E_NOT_FOUND, "no export `primes`");
    e = fnvm_func_call_slots(store, primes, slots);
    w->primes = slots[0].i32;
    return e;
}

static void *run(void *env)
{
    Work *w = env;
    fnvm_store *store = NULL;
    fnvm_linker *linker = NULL;
    w->error = fnvm_store_new(w->engine, &store);
    if (!w->error) w->error = fnvm_linker_new(store, &linker);
    if (!w->error) w->error = count(w, store, linker);
    if (linker) fnvm_linker_free(linker);
    fnvm_store_free(store);
    return NULL;
}

static void must(fnvm_error *e)
{
    if (!e) return;
    fprintf(stderr, "%s\n", fnvm_error_message(e));
    exit(1);
}

int main(void)
{
    fnvm_engine *engine;
    fnvm_module *module;
    pthread_t threads[THREADS];
    Work work[THREADS];
    uint32_t sum = 0;

    must(fnvm_engine_new(NULL, &engine));
    must(fnvm_module_new(engine, guest, strlen(guest), &module));
    for (uint32_t i = 0; i < THREADS; i++) {
        work[i] = (Work){.engine = engine, .module = module, .from = i * EACH};
        if (pthread_create(&threads[i], NULL, run, &work[i]) != 0) return 1;
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        must(work[i].error);
        printf("from %6u: %4u primes\n", (unsigned)work[i].from, (unsigned)work[i].primes);
        sum += work[i].primes;
    }
    printf("together:    %u\n", (unsigned)sum);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    return 0;
}
