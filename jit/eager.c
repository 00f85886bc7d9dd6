/* Compiling a whole module at once.  Threads take functions in turns, each with a compiler of its own;
 * only adding code to the segment is one at a time, and that in large parts. */
#include <pthread.h>
#include <signal.h>

#include "jit/compile.h"
#include "jit/enter.h"

enum { FUNCS_AT_ONCE = 16, THREADS_MOST = 64 };

typedef struct Work {
    Module *m;
    _Atomic uint32_t next; /* the first function that nobody has taken */
    _Atomic(fnvm_error *) refused; /* why some function's code was */
} Work;

static void compile_one(Work *w, Compiler *c, uint32_t func)
{
    Module *m = w->m;
    const FuncCode *code = NULL;
    fnvm_error *refused = NULL;
    if (!jit_wants(m, func) || segment_code(m->segment, func)) return;
    fnvm_error *error = verifier_function(m, func, &code);
    if (!error) jit_compile_with(m, c, code, &refused);
    fnvm_error_free(error);
    if (refused) fnvm_error_free(atomic_exchange(&w->refused, refused));
}

static void *compile_some(void *arg)
{
    Work *w = arg;
    Compiler *c = compiler_new(w->m);
    while (c) {
        uint32_t from = atomic_fetch_add(&w->next, FUNCS_AT_ONCE);
        if (from >= w->m->nfuncs) break;
        uint32_t rest = w->m->nfuncs - from, n = rest < FUNCS_AT_ONCE ? rest : FUNCS_AT_ONCE;
        for (uint32_t i = 0; i < n; i++) compile_one(w, c, from + i);
    }
    compiler_free(c);
    return NULL;
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
    Work w = {.m = m, .next = m->n_imported_funcs};
    uint32_t wanted = m->engine->config.compile_threads, n = 0;
    hold(m, true);
    while (n + 1 < wanted && n < THREADS_MOST && start_thread(&threads[n], &w)) n++;
    compile_some(&w);
    for (uint32_t i = 0; i < n; i++) pthread_join(threads[i], NULL);
    hold(m, false);
    return atomic_load(&w.refused);
}
