/* Workers are forked from the master as it is, so that what they share costs nothing; of its
 * descriptors they keep those that they are given.  One that dies is replaced at once, unless it
 * has just been born: then the next one waits, longer each time.
 *
 * One that is narrowed may have given up what a new table needs.  Then another is begun beside
 * it, which opens that table and no other; when the table is kept, the old one drains. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/master_state.h"
#include "gateway/tunables.h"

#define MS UINT64_C(1000000)
enum { KEPT_MAX = 8, QUICK_MS = 2000, WAIT_MS = 100, WAIT_DOUBLINGS = 7 /* 12.8 s */ };

/* ---- Forking ---- */

static int by_number(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static void close_others(const int *keep, size_t n)
{
    int kept[KEPT_MAX], count = 0, from = 3;
    for (size_t i = 0; i < n && count < KEPT_MAX; i++)
        if (keep[i] >= from) kept[count++] = keep[i];
    qsort(kept, (size_t)count, sizeof *kept, by_number);
    for (int i = 0; i < count; i++) {
        if (kept[i] > from) close_range((unsigned)from, (unsigned)kept[i] - 1, 0);
        from = kept[i] + 1;
    }
    close_range((unsigned)from, ~0u, 0);
}

pid_t master_fork(const int *keep, size_t n)
{
    const pid_t parent = getpid();
    fflush(NULL); /* or it would be printed twice */
    pid_t pid = fork();
    if (pid != 0) return pid;
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0); /* the terminal's SIGINT is the master's to pass on */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    close_others(keep, n);
    return 0;
}

static fnvm_error *make_pair(int type, int pair[2])
{
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) == 0) return NULL;
    return fnvm_error_new(FNVM_E_IO, "cannot make a socket for a process: %s",
                          strerrordesc_np(errno));
}

static void forget(WorkerProcess *p)
{
    if (p->control >= 0) close(p->control);
    p->control = -1;
    p->pid = 0;
}

static void fork_later(WorkerProcess *p, fnvm_error *error)
{
    master_say("%s", error ? fnvm_error_message(error) : strerrordesc_np(errno));
    fnvm_error_free(error);
    p->again_ns = master_now() + 1000 * MS;
}

static void born(WorkerProcess *p, pid_t pid, int control)
{
    p->pid = pid;
    p->control = control;
    p->born_ns = master_now();
    p->serving = p->drained = 0;
}

/* ---- Giving tables ---- */

/* A description of its own, so that workers that read do not share a place in it. */
static int reopen(int fd)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static bool send_table(int control, const WorkerMessage *message, int fd)
{
    union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } with = {{0}};
    struct iovec part = {(void *)message, sizeof *message};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = with.bytes,
                            .msg_controllen = sizeof with.bytes};
    struct cmsghdr *c = CMSG_FIRSTHDR(&packet);
    *c = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(control, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof *message;
}

/* A worker that does not take it reads no messages any more: another is better. */
static void serve(WorkerProcess *p, const Table *t)
{
    const WorkerMessage message = {.order = WORKER_SERVE, .generation = t->generation};
    if (!p->pid || p->control < 0) return;
    int fd = reopen(t->fd);
    if (fd < 0 || !send_table(p->control, &message, fd)) {
        master_say("process %d takes no table: it is replaced", (int)p->pid);
        kill(p->pid, SIGKILL);
    }
    if (fd >= 0) close(fd);
}

void workers_serve(Master *m, Table *t)
{
    t->generation = ++m->generation;
    for (unsigned i = 0; i < METRICS_WORKERS; i++)
        if (m->workers[i].duty == DUTY_SERVES) serve(&m->workers[i], t);
}

/* Whether the change waits for it, while it lives. */
static bool is_awaited(const WorkerProcess *p)
{
    return p->pid && !p->successor && (p->duty == DUTY_SERVES || p->duty == DUTY_SUCCEEDS);
}

bool workers_all_serve(const Master *m, uint64_t generation)
{
    bool any = false;
    for (unsigned i = 0; i < METRICS_WORKERS; i++) {
        if (!is_awaited(&m->workers[i])) continue;
        if (m->workers[i].serving < generation) return false;
        any = true;
    }
    return any;
}

/* ---- Spawning ---- */

static void spawn_worker(Master *m, unsigned i)
{
    int pair[2];
    WorkerProcess *p = &m->workers[i];
    fnvm_error *error = make_pair(SOCK_SEQPACKET, pair);
    if (error) {
        fork_later(p, error);
        return;
    }
    const WorkerStart start = {.number = i,
                               .listener = m->listener,
                               .control = pair[1],
                               .metrics = m->metrics,
                               .access_log = m->access_log,
                               .narrow = m->start.config->narrow};
    const int keep[] = {m->listener, pair[1], m->access_log};
    pid_t pid = master_fork(keep, sizeof keep / sizeof *keep);
    if (pid == 0) _exit(m->start.worker(&start));
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        fork_later(p, NULL);
        return;
    }
    born(p, pid, pair[0]);
    metrics_worker_born(m->metrics, i, pid);
    if (m->table && p->duty == DUTY_SERVES) serve(p, m->table);
    if (m->phase == PHASE_SWITCHING) serve(p, m->next);
}

static void spawn_status(Master *m)
{
    int pair[2];
    fnvm_error *error = make_pair(SOCK_STREAM, pair);
    if (error) {
        fork_later(&m->status, error);
        return;
    }
    const int keep[] = {m->status_listener, pair[1]};
    pid_t pid = master_fork(keep, sizeof keep / sizeof *keep);
    if (pid == 0)
        _exit(m->start.status(m->status_listener, m->metrics, pair[1], m->start.config->narrow));
    close(pair[1]);
    if (pid > 0) {
        born(&m->status, pid, pair[0]);
        return;
    }
    close(pair[0]);
    fork_later(&m->status, NULL);
}

static bool is_missing(const WorkerProcess *p) { return p->duty == DUTY_SERVES && !p->pid; }
static bool is_leaving(const WorkerProcess *p) { return p->duty == DUTY_LEAVES && p->pid; }

void workers_spawn(Master *m)
{
    const uint64_t now = master_now();
    if (m->ending) return;
    if (m->status_listener >= 0 && m->start.status && !m->status.pid && m->status.again_ns <= now)
        spawn_status(m);
    for (unsigned i = 0; i < METRICS_WORKERS; i++)
        if (is_missing(&m->workers[i]) && m->workers[i].again_ns <= now) spawn_worker(m, i);
    for (unsigned i = 0; i < METRICS_WORKERS; i++) {
        WorkerProcess *p = &m->workers[i];
        if (!is_leaving(p) || p->again_ns > now) continue;
        kill(p->pid, SIGKILL);
        p->again_ns = UINT64_MAX;
    }
}

uint64_t workers_next_ns(const Master *m)
{
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; i < METRICS_WORKERS && !m->ending; i++)
        if ((is_missing(&m->workers[i]) || is_leaving(&m->workers[i])) && m->workers[i].again_ns < next)
            next = m->workers[i].again_ns;
    if (m->status_listener >= 0 && m->start.status && !m->status.pid && !m->ending &&
        m->status.again_ns < next)
        next = m->status.again_ns;
    return next;
}

/* ---- One in another's place ---- */

/* Tells it to end.  Who does not listen loses what he has at work. */
static void drain(const WorkerProcess *p)
{
    const WorkerMessage message = {.order = WORKER_DRAIN};
    if (p->pid && (p->control < 0 ||
                   send(p->control, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0))
        kill(p->pid, SIGKILL);
}

static void leave(const Master *m, WorkerProcess *p)
{
    p->duty = p->pid ? DUTY_LEAVES : DUTY_NONE;
    p->successor = 0;
    p->again_ns = workers_end_ns(m);
    drain(p);
}

static unsigned free_place(const Master *m)
{
    unsigned i = 0;
    while (i < METRICS_WORKERS && m->workers[i].duty != DUTY_NONE) i++;
    return i;
}

/* A worker has given up what a table wants.  If it is the one that is served already, files have
 * changed under their names since.  Others were refused by somebody else before this was said. */
static void take_outgrown(Master *m, unsigned worker, const WorkerAnswer *a)
{
    WorkerProcess *p = &m->workers[worker];
    const bool next = m->phase == PHASE_SWITCHING && a->generation == m->next->generation;
    const bool now = m->table && a->generation == m->table->generation;
    const unsigned place = free_place(m);
    if (p->duty != DUTY_SERVES || p->successor || (!next && !now)) return;
    if (place == METRICS_WORKERS) {
        if (next) changes_refused(m, "too many workers still end: try again when they have");
        return;
    }
    master_say("worker %u has given up %s, which is needed now: worker %u takes its place", worker,
               a->text, place);
    m->workers[place] = (WorkerProcess){.duty = next ? DUTY_SUCCEEDS : DUTY_SERVES, .control = -1};
    if (next) p->successor = place + 1;
    else leave(m, p);
    spawn_worker(m, place);
    if (next && !m->workers[place].pid) changes_refused(m, "no worker could be started for it");
}

void workers_succeed(Master *m)
{
    for (unsigned i = 0; i < METRICS_WORKERS; i++) {
        WorkerProcess *p = &m->workers[i];
        if (p->duty == DUTY_SUCCEEDS) p->duty = DUTY_SERVES;
        if (p->successor) leave(m, p);
    }
}

void workers_stay(Master *m)
{
    for (unsigned i = 0; i < METRICS_WORKERS; i++) {
        WorkerProcess *p = &m->workers[i];
        p->successor = 0;
        if (p->duty != DUTY_SUCCEEDS) continue;
        if (p->pid && !p->serving) kill(p->pid, SIGKILL); /* it may never come to listen */
        leave(m, p);
    }
}

/* ---- What they say ---- */

static void take_refusal(Master *m, const WorkerProcess *p, const WorkerAnswer *a)
{
    if (m->phase == PHASE_SWITCHING && a->generation == m->next->generation)
        changes_refused(m, a->text);
    else if (m->table && a->generation == m->table->generation) /* not what was refused already */
        master_say("process %d cannot serve: %s", (int)p->pid, a->text);
}

static void take_answer(Master *m, unsigned worker, WorkerAnswer *a)
{
    WorkerProcess *p = &m->workers[worker];
    a->text[sizeof a->text - 1] = '\0';
    switch ((WorkerSays)a->says) {
    case WORKER_REFUSES: take_refusal(m, p, a); return;
    case WORKER_OUTGROWN: take_outgrown(m, worker, a); return;
    case WORKER_DRAINED:
        if (a->generation > p->drained) p->drained = a->generation;
        table_sweep(m);
        return;
    case WORKER_SERVES:
        if (a->generation > p->serving) p->serving = a->generation;
        if (!p->drained) p->drained = a->generation; /* it has had no other */
        changes_served(m);
        return;
    case WORKER_TELLS_DEPOT: notes_add(m, a->slot);
    }
}

void workers_readable(Master *m, unsigned worker)
{
    WorkerProcess *p = &m->workers[worker];
    for (int i = 0; i < 64 && p->control >= 0; i++) {
        WorkerAnswer answer;
        ssize_t n = recv(p->control, &answer, sizeof answer, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n != (ssize_t)sizeof answer) { /* its end: SIGCHLD will tell the rest */
            close(p->control);
            p->control = -1;
            return;
        }
        take_answer(m, worker, &answer);
    }
}

/* ---- Their ends ---- */

static void say_end(const char *what, pid_t pid, int status)
{
    if (WIFSIGNALED(status))
        master_say("%s (process %d) was ended by signal %d, %s%s", what, (int)pid,
                   WTERMSIG(status), sigdescr_np(WTERMSIG(status)),
                   WTERMSIG(status) == SIGSYS ? ": it called what it had given up (`narrow`)" : "");
    else master_say("%s (process %d) ended with status %d", what, (int)pid, WEXITSTATUS(status));
}

static void plan_next(WorkerProcess *p)
{
    const uint64_t now = master_now();
    const bool quick = now - p->born_ns < QUICK_MS * MS;
    p->quick = quick ? p->quick + 1 : 0;
    const unsigned doublings = p->quick > WAIT_DOUBLINGS ? WAIT_DOUBLINGS : p->quick;
    p->again_ns = p->quick > 1 ? now + (WAIT_MS * MS << doublings) : now;
}

static void worker_gone(Master *m, unsigned worker, int status)
{
    WorkerProcess *p = &m->workers[worker];
    char what[32], why[128];
    snprintf(what, sizeof what, "worker %u", worker);
    workers_readable(m, worker); /* its last words */
    const bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!m->killed && (!well || (!m->ending && p->duty != DUTY_LEAVES)))
        say_end(what, p->pid, status);
    const bool at_work = m->phase == PHASE_SWITCHING && is_awaited(p) &&
                         (p->duty == DUTY_SUCCEEDS || p->serving < m->next->generation);
    forget(p);
    if (p->duty == DUTY_SERVES) {
        plan_next(p);
        metrics_worker_gone(m->metrics, worker);
    } else {
        p->duty = DUTY_NONE;
        metrics_worker_left(m->metrics, worker);
    }
    table_sweep(m);
    snprintf(why, sizeof why, "a worker ended while it opened the new table (%s %d)",
             WIFSIGNALED(status) ? "signal" : "status",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (at_work) changes_refused(m, why);
}

bool workers_gone(Master *m, pid_t pid, int status)
{
    if (m->status.pid == pid) {
        if (!m->ending) say_end("the status process", pid, status);
        forget(&m->status);
        plan_next(&m->status);
        return true;
    }
    for (unsigned i = 0; i < METRICS_WORKERS; i++)
        if (m->workers[i].pid == pid) {
            worker_gone(m, i, status);
            return true;
        }
    return false;
}

uint64_t workers_end_ns(const Master *m)
{
    enum { LATE_MS = TUNE_LAST_GRACE_NS / 1000000 + 500 }; /* to end by themselves after that */
    return master_now() + (m->start.config->grace_ms + LATE_MS) * MS;
}

void workers_drain(Master *m)
{
    for (unsigned i = 0; i < METRICS_WORKERS; i++) drain(&m->workers[i]);
}

void workers_kill(Master *m, const char *why)
{
    if (!m->killed && workers_any(m)) master_say("it ends now, requests at work or not: %s", why);
    m->killed = true;
    for (unsigned i = 0; i < METRICS_WORKERS; i++)
        if (m->workers[i].pid) kill(m->workers[i].pid, SIGKILL);
}

bool workers_any(const Master *m)
{
    for (unsigned i = 0; i < METRICS_WORKERS; i++)
        if (m->workers[i].pid) return true;
    return false;
}
