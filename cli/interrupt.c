/* Signal handlers that set a flag and interrupt the store, which is allowed there.  The timeout is
 * a SIGALRM like the others: no thread, and a host call that waits is woken by it.  State is
 * process-wide because signals are; this is the command, not the library. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <sys/time.h>

static fnvm_store *volatile running;
static volatile sig_atomic_t caught;

static void on_signal(int signal)
{
    fnvm_store *store = running;
    caught = signal;
    if (store) fnvm_store_interrupt(store);
}

static void handle(int signal)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    struct sigaction before;
    /* A command started with SIGINT ignored (`nohup`, a job in the background) keeps it so. */
    if (sigaction(signal, NULL, &before) == 0 && before.sa_handler == SIG_IGN) return;
    sigaction(signal, &action, NULL);
}

void interrupt_install(fnvm_store *store, uint64_t timeout_ns)
{
    running = store;
    handle(SIGINT);
    handle(SIGTERM);
    if (timeout_ns == 0) return;
    signal(SIGALRM, on_signal);
    uint64_t us = (timeout_ns + 999) / 1000;
    struct itimerval timer = {
        .it_value = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

void interrupt_remove(void)
{
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    signal(SIGALRM, SIG_IGN);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    running = NULL;
}

int interrupt_signal(void) { return caught == SIGALRM ? 0 : caught; }
bool interrupt_timed_out(void) { return caught == SIGALRM; }
