/* The handler runs on the thread that faulted, on its alternate stack if it has one, else below the
 * guest's control stack (JIT_RED_ZONE).  It only reads what the thread itself may have changed, and
 * compiled code changes none of it; so no locks, and nothing that is not async-signal-safe. */
#include "jit/fault.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "jit/segment.h"

#if defined(__x86_64__)
#include "jit/x86_64/fault_context.h"
#else
#error "compiled code needs a fault_context.h for this processor"
#endif

extern const uint8_t stub_fault[]; /* stubs.S: leaves compiled code with JIT_TRAP */

/* A 32-bit address and a 32-bit offset reach less than this far; behind it, and behind any other
 * memory, lies a guard. */
static const uint64_t MEMORY32_REACH = UINT64_C(8) << 30;
enum { GUARD_BYTES = 64 * 1024, WASM_PAGE_LOG2 = 16 };

/* In the thread's fixed block, so that reading it allocates nothing. */
static _Thread_local Store *running __attribute__((tls_model("initial-exec")));

/* The actions before ours; written once, before ours is in place. */
enum { SEGV, BUS, SIGNALS };
static const int numbers[SIGNALS] = {SIGSEGV, SIGBUS};
static struct sigaction before_us[SIGNALS];

Store *fault_run_begin(Store *store)
{
    Store *before = running;
    running = store;
    return before;
}

void fault_run_end(Store *before) { running = before; }

/* ---- Our faults ---- */

static bool within(uintptr_t address, const void *start, uint64_t bytes)
{
    return address - (uintptr_t)start < bytes;
}

/* Bytes of addresses that belong to a memory, its guard included. */
static uint64_t memory_reach(const MemoryState *m)
{
    uint64_t bytes = !m->is64 && m->page_log2 == WASM_PAGE_LOG2 ? MEMORY32_REACH : m->max_size;
    return bytes + GUARD_BYTES;
}

/* Why a fault of the instance's code on `address` is the guest's doing; FNVM_TRAP_NONE: it is not,
 * but ours. */
static fnvm_trap trap_of(const Instance *inst, uintptr_t address)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (within(address, (const uint8_t *)inst - page, page)) return FNVM_TRAP_INTERRUPTED;
    for (uint32_t i = 0; i < inst->module->nmemories; i++) {
        const MemoryRef *m = &inst->memories[i];
        if (within(address, m->base, memory_reach(m->state))) return FNVM_TRAP_MEMORY_OUT_OF_BOUNDS;
    }
    return FNVM_TRAP_NONE;
}

/* Whether the processor refused an access to the address it reports: not a signal that somebody
 * sent, not an address that is none, not memory that broke. */
static bool is_access(int signal, const siginfo_t *info)
{
    return signal == SIGSEGV ? info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR
                             : info->si_code == BUS_ADRERR;
}

/* The instance whose compiled code faulted at `pc`, where it may. */
static const Instance *faulting_instance(const Store *store, const ucontext_t *u)
{
    const void *pc = context_pc(u);
    const CodeSpace *space = store->engine->code_space;
    if (!space || !code_space_contains(space, pc)) return NULL;
    const Instance *inst = context_instance(u);
    if (inst->id >= store->ninstances || store->instances[inst->id] != inst) return NULL;
    CodePoint point;
    const Segment *segment = inst->module->segment;
    return segment && segment_find(segment, pc, &point) ? inst : NULL;
}

static bool handled(int signal, const siginfo_t *info, ucontext_t *u)
{
    Store *store = running;
    if (!store || !is_access(signal, info)) return false;
    const Instance *inst = faulting_instance(store, u);
    fnvm_trap trap = inst ? trap_of(inst, (uintptr_t)info->si_addr) : FNVM_TRAP_NONE;
    if (!trap) return false;
    store->cpu.trap = trap;
    context_call(u, &store->cpu, stub_fault);
    return true;
}

/* ---- Everybody else's ---- */

/* Lets the signal do what it does by itself: a fault is raised again by returning to it. */
static void act_by_default(int signal, const siginfo_t *info)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigaction(signal, &by_default, NULL);
    if (info->si_code <= 0) raise(signal); /* somebody sent it */
}

/* Calls the handler of `a` as the system would have. */
static void call_handler(const struct sigaction *a, int signal, siginfo_t *info, void *context)
{
    if (a->sa_flags & (int)SA_RESETHAND) {
        const struct sigaction by_default = {.sa_handler = SIG_DFL};
        sigaction(signal, &by_default, NULL);
    }
    sigset_t blocked = a->sa_mask, mask;
    if (!(a->sa_flags & SA_NODEFER)) sigaddset(&blocked, signal);
    pthread_sigmask(SIG_BLOCK, &blocked, &mask);
    if (a->sa_flags & SA_SIGINFO)
        a->sa_sigaction(signal, info, context);
    else
        a->sa_handler(signal);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    if (handled(signal, info, context)) return;
    const struct sigaction *a = &before_us[signal == SIGSEGV ? SEGV : BUS];
    const bool plain = !(a->sa_flags & SA_SIGINFO);
    if (plain && a->sa_handler == SIG_IGN && info->si_code <= 0) return;
    if (plain && (a->sa_handler == SIG_DFL || a->sa_handler == SIG_IGN))
        act_by_default(signal, info);
    else
        call_handler(a, signal, info, context);
}

/* ---- Installing ---- */

static bool same_handler(const struct sigaction *a, const struct sigaction *b)
{
    const bool informed = a->sa_flags & SA_SIGINFO;
    if (informed != !!(b->sa_flags & SA_SIGINFO)) return false;
    return informed ? a->sa_sigaction == b->sa_sigaction : a->sa_handler == b->sa_handler;
}

/* Puts our handler before the one that was there first, again if need be (test frameworks put back
 * what they found).  Any other is one that came on top of ours: it may pass faults on to us, and
 * would get them back if we came before it. */
static bool install(int which, bool first)
{
    struct sigaction ours = {.sa_sigaction = on_fault,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER}, now;
    sigemptyset(&ours.sa_mask);
    if (sigaction(numbers[which], NULL, &now) != 0) return false;
    if (first) before_us[which] = now;
    return !same_handler(&now, &before_us[which]) || sigaction(numbers[which], &ours, NULL) == 0;
}

fnvm_error *fault_handler_install(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool known[SIGNALS]; /* before_us is set */
    bool ok = true;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SIGNALS && ok; i++) {
        ok = install(i, !known[i]);
        known[i] |= ok;
    }
    pthread_mutex_unlock(&lock);
    if (ok) return NULL;
    return fnvm_error_new(FNVM_E_IO, "cannot handle the faults of compiled code: %s; use the "
                          "interpreter instead", strerror(errno));
}
