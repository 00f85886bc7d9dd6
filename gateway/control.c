/* Orders come one at a time and are answered in order.  A new table is opened without the token
 * and swapped in with it; the one before is closed here when its last request has ended, which
 * the loop says through an eventfd. */
#include "gateway/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/worker_state.h"

enum {
    TABLE_TEXT_BYTES = 64 << 20, /* a thousand functions take one */
    LOOK_MS = 5000 /* for whether the master lives: its end of the socket may be open elsewhere */
};

/* ---- Messages ---- */

/* Whether it is worth another try; the socket may be nonblocking. */
static bool wait_for(int control, short what)
{
    struct pollfd fd = {.fd = control, .events = what};
    const int why = errno;
    if (why == EAGAIN) poll(&fd, 1, -1);
    return why == EAGAIN || why == EINTR;
}

/* False: the master is gone.  *file is -1 or a descriptor. */
static bool receive(int control, WorkerMessage *message, int *file)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } room;
    struct iovec piece = {.iov_base = message, .iov_len = sizeof *message};
    struct msghdr m = {.msg_iov = &piece,
                       .msg_iovlen = 1,
                       .msg_control = room.bytes,
                       .msg_controllen = sizeof room.bytes};
    *file = -1;
    *message = (WorkerMessage){0};
    ssize_t got;
    do got = recvmsg(control, &m, MSG_CMSG_CLOEXEC);
    while (got < 0 && wait_for(control, POLLIN));
    if (got <= 0) return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && *file < 0)
            memcpy(file, CMSG_DATA(c), sizeof *file);
    if (got == sizeof *message) return true;
    if (*file >= 0) close(*file);
    return false; /* another program than ours */
}

static void send_answer(const Worker *w, const WorkerAnswer *answer)
{
    ssize_t sent;
    do sent = send(w->start.control, answer, sizeof *answer, MSG_NOSIGNAL);
    while (sent < 0 && wait_for(w->start.control, POLLOUT));
}

void control_answer(const Worker *w, uint64_t generation, const fnvm_error *error)
{
    WorkerAnswer answer = {.generation = generation,
                           .says = error ? WORKER_REFUSES : WORKER_SERVES};
    size_t at = 0;
    for (const fnvm_error *e = error; e && at < sizeof answer.text - 1; e = fnvm_error_cause(e)) {
        const int n = snprintf(answer.text + at, sizeof answer.text - at, "%s%s", at ? ": " : "",
                               fnvm_error_message(e));
        if (n > 0) at += (size_t)n;
    }
    send_answer(w, &answer);
}

void control_tell_depot(const Worker *w, uint32_t slot)
{
    const WorkerAnswer answer = {.says = WORKER_TELLS_DEPOT, .slot = slot};
    const ssize_t sent =
        send(w->start.control, &answer, sizeof answer, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
}

static fnvm_error *read_table(int file, uint64_t generation, Config **out)
{
    *out = NULL;
    struct stat st;
    if (file < 0 || fstat(file, &st) != 0 || st.st_size <= 0 || st.st_size > TABLE_TEXT_BYTES)
        return fnvm_error_new(FNVM_E_USAGE, "the order to serve came without a table");
    const size_t size = (size_t)st.st_size;
    char *text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (text == MAP_FAILED)
        return fnvm_error_new(FNVM_E_IO, "the table cannot be mapped: %s", strerror(errno));
    fnvm_error *error = config_parse("table", text, size, out);
    munmap(text, size);
    if (!error) (*out)->generation = generation;
    return error;
}

/* ---- Tables ---- */

ControlEvent control_first(Worker *w, Table **out)
{
    WorkerMessage message;
    int file;
    while (receive(w->start.control, &message, &file)) {
        fnvm_error *error = NULL;
        Config *config = NULL;
        *out = NULL;
        if (message.order == WORKER_SERVE) error = read_table(file, message.generation, &config);
        if (config) error = table_open(w, config, NULL, out);
        if (file >= 0) close(file);
        if (message.order == WORKER_DRAIN) return CONTROL_DRAIN;
        if (!error) return CONTROL_TABLE;
        control_answer(w, message.generation, error);
        fnvm_error_free(error);
    }
    return CONTROL_CLOSED;
}

static void swap_table(Worker *w, Table *table)
{
    worker_lock(w);
    Table *before = w->table;
    w->table = table;
    w->old_tables++;
    table_drop(w, before);
    worker_unlock(w);
}

static void serve(Worker *w, int file, uint64_t generation)
{
    Table *table = NULL;
    Config *config = NULL;
    WorkerAnswer outgrown = {.generation = generation, .says = WORKER_OUTGROWN};
    fnvm_error *error = read_table(file, generation, &config);
    if (!error && !worker_narrow_covers(w, config, outgrown.text, sizeof outgrown.text)) {
        config_free(config);
        send_answer(w, &outgrown);
        return;
    }
    if (!error) error = table_open(w, config, w->table, &table);
    else config_free(config);
    if (!error) swap_table(w, table);
    control_answer(w, generation, error);
    fnvm_error_free(error);
}

void control_close_dead(Worker *w)
{
    for (;;) {
        worker_lock(w);
        Table *table = w->dead_tables;
        if (table) w->dead_tables = table->next_dead;
        Opened *function = table ? NULL : w->dead_functions;
        if (function) w->dead_functions = function->next_dead;
        worker_unlock(w);
        if (!table && !function) return;
        function_close(function);
        if (!table) continue;
        table_close(table);
        worker_lock(w);
        const bool drained = --w->old_tables == 0;
        const uint64_t generation = w->table->config->config->generation;
        worker_unlock(w);
        const WorkerAnswer answer = {.generation = generation, .says = WORKER_DRAINED};
        if (drained) send_answer(w, &answer);
    }
}

static void drain(Worker *w)
{
    worker_lock(w);
    worker_drain(w);
    worker_unlock(w);
}

void control_run(Worker *w)
{
    struct pollfd fds[] = {{.fd = w->start.control, .events = POLLIN},
                           {.fd = w->control_wake, .events = POLLIN}};
    const pid_t master = getppid();
    for (;;) {
        const int n = poll(fds, 2, LOOK_MS);
        if (n < 0 && errno != EINTR) return;
        if (getppid() != master) drain(w);
        if (n <= 0) continue;
        if (fds[1].revents) {
            uint64_t times;
            if (read(w->control_wake, &times, sizeof times) < 0 && errno != EAGAIN) return;
            control_close_dead(w);
            worker_lock(w);
            const bool stopped = w->stopped;
            worker_unlock(w);
            if (stopped) return;
        }
        if (!fds[0].revents) continue;
        WorkerMessage message;
        int file;
        if (!receive(w->start.control, &message, &file)) {
            drain(w); /* the master is gone */
            fds[0].fd = -1;
        } else if (message.order == WORKER_DRAIN) {
            drain(w);
        } else if (message.order == WORKER_SERVE) {
            serve(w, file, message.generation);
        }
        if (file >= 0) close(file);
    }
}
