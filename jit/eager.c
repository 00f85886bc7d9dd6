/* Compiling a whole module at once.  Threads take functions in turns, each with a compiler of its own;
 * only adding code to the segment is one at a time, and that in large parts. */
#include <pthread.h>
#include <signal.h>

#include "jit/compile.h"
#include "jit/enter.h"

enum { BATCH_LEAST = 16, BATCH_MOST = 512, BATCHES_PER_THREAD = 4, THREADS_MOST = 64 };

typedef struct Work {
    Module *m;
    _Atomic uint32_t next; /* the first function that nobody has taken */
    uint32_t batch;        /* functions that a thread takes at once */
    _Atomic(fnvm_error *) refused; /* why some function's code was */
} Work;

/* One kind of work for many functions, then the other: the processor keeps more of it at hand. */
static void compile_batch(Work *w, Compiler *c, uint32_t from, uint32_t n)
{
    Module *m = w->m;
    uint32_t funcs[BATCH_MOST], wanted = 0;
    const FuncCode *codes[BATCH_MOST];
    for (uint32_t func = from; func < from + n; func++)
        if (jit_wants(m, func) && !segment_code(m->segment, func)) funcs[wanted++] = func;
    if (wanted == 0) return;
    verifier_some(m, wanted, funcs, codes);
    for (uint32_t i = 0; i < wanted; i++) {
        fnvm_error *refused = NULL;
        if (codes[i]) jit_compile_with(m, c, codes[i], &refused);
        if (refused) fnvm_error_free(atomic_exchange(&w->refused, refused));
    }
}

static void *compile_some(void *arg)
{
    Work *w = arg;
    Compiler *c = compiler_new(w->m);
    while (c) {
        if (engine_interrupted(w->m->engine)) {
            fnvm_error_free(atomic_exchange(&w->refused, stop_error("compiling a module")));
            break;
        }
        uint32_t from = atomic_fetch_add(&w->next, w->batch);
        if (from >= w->m->nfuncs) break;
        uint32_t rest = w->m->nfuncs - from, n = rest < w->batch ? rest : w->batch;
        compile_batch(w, c, from, n);
    }
    compiler_free(c);
    return NULL;
}

/* Large, but so that all threads have some, and none is left with the last. */
static uint32_t batch_size(const Module *m, uint32_t threads)
{
    uint32_t n = (m->nfuncs - m->n_imported_funcs) / ((threads ? threads : 1) * BATCHES_PER_THREAD);
    return n < BATCH_LEAST ? BATCH_LEAST : n > BATCH_MOST ? BATCH_MOST : n;
}

/* Signals are for the host's own threads. */
static bool start_thread(pthread_t *thread, Work *w)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return false;
    bool started = pthread_create(thread, NULL, compile_some, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static void hold(Module *m, bool on)
{
    segment_lock(m->segment);
    segment_hold(m->segment, on);
    segment_unlock(m->segment);
}

fnvm_error *jit_compile_all(Module *m)
{
    pthread_t threads[THREADS_MOST];
    Work w = {.m = m, .next = m->n_imported_funcs,
              .batch = batch_size(m, m->engine->config.compile_threads)};
    uint32_t wanted = m->engine->config.compile_threads, n = 0;
    hold(m, true);
    while (n + 1 < wanted && n < THREADS_MOST && start_thread(&threads[n], &w)) n++;
    compile_some(&w);
    for (uint32_t i = 0; i < n; i++) pthread_join(threads[i], NULL);
    hold(m, false);
    return atomic_load(&w.refused);
}
