/* Signal handlers that interrupt the engine and the store, which is allowed there.  The timeout is a
 * SIGALRM like the others: no thread, and a call of the system that waits is woken by it.  State is
 * process-wide because signals are; this is the command, not the library. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

#include "cli/errors.h"

static fnvm_engine *volatile loading;
static fnvm_store *volatile running;
static volatile sig_atomic_t caught;
static uint64_t timeout;
static const char *timeout_of;

static void on_signal(int signal)
{
    fnvm_engine *engine = loading;
    fnvm_store *store = running;
    caught = signal;
    if (engine) fnvm_engine_interrupt(engine);
    if (store) fnvm_store_interrupt(store);
}

static void handle(int signal, int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    struct sigaction before;
    /* A command started with SIGINT ignored (`nohup`, a job in the background) keeps it so. */
    if (flags && sigaction(signal, NULL, &before) == 0 && before.sa_handler == SIG_IGN) return;
    sigaction(signal, &action, NULL);
}

void interrupt_install(fnvm_engine *engine, uint64_t timeout_ns, const char *whose)
{
    loading = engine;
    timeout = timeout_ns;
    timeout_of = whose ? whose : "-W timeout";
    handle(SIGINT, (int)SA_RESETHAND);
    handle(SIGTERM, (int)SA_RESETHAND);
    if (timeout_ns == 0) return;
    handle(SIGALRM, 0);
    uint64_t us = timeout_ns / 1000 + (timeout_ns % 1000 > 0);
    struct itimerval timer = {
        .it_value = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

void interrupt_store(fnvm_store *store)
{
    running = store;
    if (caught) fnvm_store_interrupt(store); /* it came before */
}

void interrupt_remove(void)
{
    if (!loading) return;
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    signal(SIGALRM, SIG_IGN);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    running = NULL;
    loading = NULL;
}

bool interrupt_signalled(void) { return caught && caught != SIGALRM; }

bool interrupt_caused(const fnvm_error *error)
{
    if (!error || !caught) return false;
    if (fnvm_error_trap(error) == FNVM_TRAP_INTERRUPTED) return true;
    fnvm_code code = fnvm_error_code(error);
    return code == FNVM_E_LIMIT || code == FNVM_E_IO;
}

/* What was stopped before anything ran ends as a guest does that was stopped. */
static fnvm_error *as_trap(fnvm_error *error)
{
    if (fnvm_error_trap(error) == FNVM_TRAP_INTERRUPTED) return error;
    const fnvm_error *first = error;
    while (fnvm_error_cause(first)) first = fnvm_error_cause(first);
    fnvm_error *trap = fnvm_error_trap_new(FNVM_TRAP_INTERRUPTED, "%s", fnvm_error_message(first));
    fnvm_error_free(error);
    return trap;
}

int interrupt_report(fnvm_error *error, const char *doing, const char *file)
{
    if (interrupt_signalled()) {
        fputs("interrupted\n", stderr);
        fnvm_error_free(error);
        return STATUS_SIGNAL + caught;
    }
    error = fnvm_error_wrap(as_trap(error), "the timeout of %gs was hit (%s)",
                            (double)timeout / 1e9, timeout_of);
    return error_report(error, "failed to %s `%s`", doing, file);
}
