/* Kills a process at its n-th system call: ptrace stops it on entry to and on return from each, in all
 * of its threads and children, and SIGKILL comes at the stop that was asked for.  A change to a file is
 * a system call, or a store to a mapping between two of them, so every state that a kill can leave on
 * the disk is left by one of these. */
#ifndef FNVM_CONFORMANCE_KILL_AT_H
#define FNVM_CONFORMANCE_KILL_AT_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Traced {
    long stops;    /* that it came to */
    bool killed;
    int status;    /* exit status, or 128 and the signal's number */
} Traced;

/* Where to go on after a stop: a signal of its own to deliver, or 0. */
static inline int traced_signal(int status, bool *is_call)
{
    const int signal = WSTOPSIG(status);
    *is_call = signal == (SIGTRAP | 0x80);
    /* Stops of ptrace itself: events, new children, exec. */
    if (*is_call || status >> 16 || signal == SIGTRAP || signal == SIGSTOP) return 0;
    return signal;
}

/* Until it and all that it started has ended. */
static inline void traced_follow(pid_t root, long kill_at, Traced *out)
{
    int status;
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) return;
        if (!WIFSTOPPED(status)) {
            if (pid == root)
                out->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        bool is_call;
        const int signal = traced_signal(status, &is_call);
        out->stops += is_call;
        if (is_call && out->stops == kill_at) {
            kill(root, SIGKILL);
            out->killed = true;
        }
        /* It fails for what was killed; others go on until they notice. */
        ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)signal);
    }
}

/* Runs `body` in a process of its own, which it ends by _exit or exec, with no other child around.
 * kill_at 0: it is not killed.  False: the system does not let us. */
static inline bool kill_at(long stop, void (*body)(void *env), void *env, Traced *out)
{
    *out = (Traced){0};
    pid_t pid = fork();
    if (pid < 0) return false;
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(125);
        raise(SIGSTOP);
        body(env);
        _exit(124);
    }
    int status;
    while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR) continue;
    if (!WIFSTOPPED(status)) return false;
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK |
                         PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
    if (ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)options) != 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, __WALL);
        return false;
    }
    ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
    traced_follow(pid, stop, out);
    return true;
}

#endif
