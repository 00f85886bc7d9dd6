/* The handler only stores an address: into an array that is reserved beforehand and gets its memory
 * page by page.  Which functions the addresses are in is found out at the end, when all code still
 * lies where it was. */
#include "jit/sample.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "jit/listen.h"

#if defined(__x86_64__)
#include "jit/x86_64/fault_context.h"
#else
#error "compiled code needs a fault_context.h for this processor"
#endif

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

extern const uint8_t stubs_start[], stubs_end[]; /* stubs.S */

enum {
    INTERVAL_NS = 1000000,
    MOST_SAMPLES = 8 << 20, /* two hours and more of them */
    SHOWN = 40,             /* functions */
    SYMBOL_BYTES = 200
};

/* Where a sample was taken.  IN_CODE and BY_CODE have an address in compiled code. */
typedef enum Place { IN_CODE, BY_CODE, IN_STUBS, IN_INTERPRETER, ELSEWHERE, PLACES } Place;

typedef struct Sample {
    uintptr_t address;
    uint32_t place;
    uint32_t weight;        /* intervals since the one before */
} Sample;

struct Sampler {
    Store *store;
    timer_t timer;
    bool running;
    struct sigaction before;
    Sample *samples;        /* MOST_SAMPLES */
    volatile uint32_t nsamples, nlost;
};

/* In the thread's fixed block, so that reading it allocates nothing. */
static _Thread_local Sampler *sampling __attribute__((tls_model("initial-exec")));

/* ---- In the handler ---- */

static bool in_code(const Store *store, uintptr_t address)
{
    const CodeSpace *space = store->engine->code_space;
    return space && code_space_contains(space, (const void *)address);
}

static Sample take_sample(const Store *store, uintptr_t pc)
{
    if (in_code(store, pc)) return (Sample){pc, IN_CODE, 0};
    if (pc - (uintptr_t)stubs_start < (uintptr_t)(stubs_end - stubs_start))
        return (Sample){0, IN_STUBS, 0};
    const Instance *owner = store->stack_owner;
    if (!owner) return (Sample){0, ELSEWHERE, 0};
    if (!owner->context->stack.compiled) return (Sample){0, IN_INTERPRETER, 0};
    uintptr_t back; /* the innermost word of the control stack */
    memcpy(&back, store->cpu.sp, sizeof back);
    return in_code(store, back) ? (Sample){back, BY_CODE, 0} : (Sample){0, ELSEWHERE, 0};
}

static void on_tick(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    Sampler *s = sampling;
    if (!s) return;
    if (s->nsamples == MOST_SAMPLES) {
        s->nlost++;
        return;
    }
    const int reason = errno;
    Sample sample = take_sample(s->store, (uintptr_t)context_pc(context));
    sample.weight = 1 + (info->si_code == SI_TIMER ? (uint32_t)info->si_overrun : 0);
    s->samples[s->nsamples] = sample;
    s->nsamples++;
    errno = reason;
}

/* ---- Starting and stopping ---- */

static fnvm_error *refused(const char *what)
{
    return fnvm_error_new(FNVM_E_IO, "cannot take samples: %s: %s", what, strerror(errno));
}

static fnvm_error *start_timer(Sampler *s)
{
    struct sigaction ours = {.sa_sigaction = on_tick,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigemptyset(&ours.sa_mask);
    if (sigaction(SIGPROF, &ours, &s->before) != 0) return refused("no handler for SIGPROF");
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &s->timer) != 0) {
        fnvm_error *error = refused("no timer");
        sigaction(SIGPROF, &s->before, NULL);
        return error;
    }
    s->running = true;
    sampling = s;
    const struct itimerspec every = {{0, INTERVAL_NS}, {0, INTERVAL_NS}};
    if (timer_settime(s->timer, 0, &every, NULL) == 0) return NULL;
    fnvm_error *error = refused("the timer does not start");
    sampler_stop(s);
    return error;
}

fnvm_error *sampler_start(Store *store, Sampler **out)
{
    Sampler *s = calloc(1, sizeof *s);
    if (!s) return error_no_memory();
    s->store = store;
    void *room = mmap(NULL, MOST_SAMPLES * sizeof *s->samples, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    s->samples = room == MAP_FAILED ? NULL : room;
    fnvm_error *error = s->samples ? start_timer(s) : error_no_memory();
    if (error) sampler_free(s);
    else *out = s;
    return error;
}

/* A signal that is on its way must not arrive after the handler is gone: by default it kills. */
void sampler_stop(Sampler *s)
{
    if (!s->running) return;
    const struct timespec now = {0, 0};
    sigset_t profile, mask;
    sigemptyset(&profile);
    sigaddset(&profile, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &profile, &mask);
    timer_delete(s->timer);
    while (sigtimedwait(&profile, NULL, &now) == SIGPROF) continue;
    sigaction(SIGPROF, &s->before, NULL);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    sampling = NULL;
    s->running = false;
}

void sampler_free(Sampler *s)
{
    if (!s) return;
    sampler_stop(s);
    if (s->samples) munmap(s->samples, MOST_SAMPLES * sizeof *s->samples);
    free(s);
}

/* ---- The report ---- */

typedef struct Count {
    const Module *module;
    uint32_t func;
    uint64_t self, host; /* in its code; in the host on its behalf */
} Count;

typedef struct Report {
    Count *counts;        /* one per compiled function of every module, in the modules' order */
    size_t ncounts;
    uint64_t places[PLACES], total;
} Report;

static bool first_of_module(const Store *store, uint32_t id)
{
    for (uint32_t i = 1; i < id; i++) {
        const Instance *other = store->instances[i];
        if (other && other->module == store->instances[id]->module) return false;
    }
    return store->instances[id]->module->segment != NULL;
}

/* Makes the counts of all functions that are compiled: adding them up, then filling them in. */
static bool note_function(void *env, uint32_t func, const uint8_t *code, uint32_t size)
{
    (void)code, (void)size;
    Report *r = env;
    if (r->counts) r->counts[r->ncounts].func = func;
    r->ncounts++;
    return true;
}

static bool make_counts(const Store *store, Report *r)
{
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1) {
            r->counts = calloc(r->ncounts + 1, sizeof *r->counts);
            if (!r->counts) return false;
            r->ncounts = 0;
        }
        for (uint32_t i = 1; i < store->ninstances; i++) {
            if (!store->instances[i] || !first_of_module(store, i)) continue;
            size_t first = r->ncounts;
            segment_each(store->instances[i]->module->segment, note_function, r);
            for (; pass == 1 && first < r->ncounts; first++)
                r->counts[first].module = store->instances[i]->module;
        }
    }
    return true;
}

static int by_function(const void *a, const void *b)
{
    const Count *x = a, *y = b;
    if (x->module != y->module) return (uintptr_t)x->module < (uintptr_t)y->module ? -1 : 1;
    return x->func < y->func ? -1 : x->func > y->func;
}

static int by_samples(const void *a, const void *b)
{
    const Count *x = a, *y = b;
    uint64_t n = x->self + x->host, o = y->self + y->host;
    return n != o ? (n > o ? -1 : 1) : by_function(a, b);
}

static Count *count_of(const Sampler *s, Report *r, uintptr_t address)
{
    const Store *store = s->store;
    for (uint32_t i = 1; i < store->ninstances; i++) {
        if (!store->instances[i]) continue;
        const Module *m = store->instances[i]->module;
        Count key = {.module = m};
        if (m->segment && segment_function_at(m->segment, (const void *)address, &key.func))
            return bsearch(&key, r->counts, r->ncounts, sizeof key, by_function);
    }
    return NULL;
}

static void add_up(const Sampler *s, Report *r)
{
    for (uint32_t i = 0; i < s->nsamples; i++) {
        const Sample *sample = &s->samples[i];
        bool has_function = sample->place == IN_CODE || sample->place == BY_CODE;
        Count *c = has_function ? count_of(s, r, sample->address) : NULL;
        r->total += sample->weight;
        if (!c) r->places[has_function ? ELSEWHERE : sample->place] += sample->weight;
        else if (sample->place == IN_CODE) c->self += sample->weight;
        else c->host += sample->weight;
    }
}

static double percent(const Report *r, uint64_t n)
{
    return r->total ? 100.0 * (double)n / (double)r->total : 0;
}

static void print_places(const Report *r, FILE *out)
{
    static const char *const names[PLACES] = {
        [IN_STUBS] = "[between compiled code and the host]",
        [IN_INTERPRETER] = "[interpreter, and what it calls]",
        [ELSEWHERE] = "[loading, linking, starting]"};
    for (Place p = IN_STUBS; p < PLACES; p++)
        if (r->places[p])
            fprintf(out, "%6.1f  %8llu %8s  %s\n", percent(r, r->places[p]),
                    (unsigned long long)r->places[p], "", names[p]);
}

static void print_counts(Report *r, FILE *out)
{
    qsort(r->counts, r->ncounts, sizeof *r->counts, by_samples);
    size_t shown = 0, more = 0;
    for (; shown < r->ncounts && r->counts[shown].self + r->counts[shown].host; shown++) {
        const Count *c = &r->counts[shown];
        if (shown >= SHOWN) {
            more++;
            continue;
        }
        char symbol[SYMBOL_BYTES];
        code_symbol(c->module, c->func, symbol, sizeof symbol);
        fprintf(out, "%6.1f  %8llu %8llu  %s (%u)\n", percent(r, c->self + c->host),
                (unsigned long long)c->self, (unsigned long long)c->host, symbol, c->func);
    }
    if (more) fprintf(out, "        and %zu more functions\n", more);
}

fnvm_error *sampler_print(Sampler *s, FILE *out)
{
    Report r = {0};
    sampler_stop(s);
    if (!make_counts(s->store, &r)) return error_no_memory();
    qsort(r.counts, r.ncounts, sizeof *r.counts, by_function);
    add_up(s, &r);
    fprintf(out, "%llu ms of processor time\n     %%      code     host  function (index)\n",
            (unsigned long long)(r.total * INTERVAL_NS / 1000000));
    print_counts(&r, out);
    print_places(&r, out);
    if (s->nlost) fprintf(out, "        %u samples too many were dropped\n", s->nlost);
    free(r.counts);
    if (ferror(out)) return fnvm_error_new(FNVM_E_IO, "cannot write the profile");
    return NULL;
}
