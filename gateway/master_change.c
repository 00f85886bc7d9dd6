/* The process that makes a table writes a head and then the table's text, or the error's, into a
 * file in memory, and what verifying and freezing have to say into another.  Nothing of it is
 * looked at before the process has ended. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/errors.h"
#include "gateway/master_state.h"

#define SECOND UINT64_C(1000000000)
/* Guests have limits of their own on starting up; this is for what else may hang. */
enum { MAKING_SECONDS = 600, SWITCHING_SECONDS = 30, SAID_BYTES = 8192, MADE_BYTES = 16 << 20 };

typedef struct Head {
    bool failed;
    Kept kept;
} Head; /* the text follows */

/* ---- The process ---- */

static bool write_all(int fd, const void *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes = (const char *)bytes + n;
        len -= (size_t)n;
    }
    return true;
}

/* Where the copy of a folder is deployed is nothing to who deploys it: he has given `given`. */
static void write_message(int fd, const char *text, const char *copy, const char *given)
{
    const char *at;
    while (*copy && (at = strstr(text, copy)) != NULL) {
        write_all(fd, text, (size_t)(at - text));
        write_all(fd, given, strlen(given));
        text = at + strlen(copy);
    }
    write_all(fd, text, strlen(text));
}

/* An error and its causes on one line. */
static void write_error(const Master *m, const Kept *kept, const fnvm_error *error)
{
    const bool deploys = m->now.change.kind == CHANGE_DEPLOY && kept->records;
    char copy[2 * PATH_MAX] = "";
    if (deploys)
        snprintf(copy, sizeof copy, "%s/deployed/%s/%s", state_dir(m->start.state),
                 kept->record.name, kept->record.now);
    const char *joint = "";
    for (; error; error = fnvm_error_cause(error), joint = ": ") {
        write_all(m->made, joint, strlen(joint));
        write_message(m->made, fnvm_error_message(error), copy, m->now.change.path);
    }
}

static int make(const Master *m)
{
    Head head = {0};
    Config *config = NULL;
    char *text = NULL;
    size_t len = 0;
    /* Not those whom systemd, or who started us, waits for. */
    unsetenv("NOTIFY_SOCKET");
    if (dup2(m->said, 2) < 0) return STATUS_FAILED;
    fnvm_error *error = change_make(m->start.source, m->start.state, &m->now.change, &m->drained,
                                    &config, &head.kept);
    if (!error) error = config_print(config, &text, &len);
    head.failed = error != NULL;
    bool written = write_all(m->made, &head, sizeof head);
    if (error) write_error(m, &head.kept, error);
    else written = written && write_all(m->made, text, len);
    fflush(stderr);
    return written ? STATUS_OK : STATUS_FAILED;
}

static void close_made(Master *m)
{
    if (m->made >= 0) close(m->made);
    if (m->said >= 0) close(m->said);
    m->made = m->said = -1;
}

static fnvm_error *start_making(Master *m)
{
    m->made = memfd_create("fnvm made", MFD_CLOEXEC);
    m->said = memfd_create("fnvm said", MFD_CLOEXEC);
    const int keep[] = {m->made, m->said};
    pid_t pid = m->made < 0 || m->said < 0 ? -1 : master_fork(keep, 2);
    if (pid == 0) _exit(make(m));
    if (pid > 0) {
        m->maker = pid;
        m->phase = PHASE_MAKING;
        m->deadline_ns = master_now() + MAKING_SECONDS * SECOND;
        return NULL;
    }
    fnvm_error *error =
        fnvm_error_new(FNVM_E_IO, "cannot start a process: %s", strerrordesc_np(errno));
    close_made(m);
    return error;
}

/* ---- The end of a change ---- */

static void start_next(Master *m);

/* For whoever reads the gateway's own log, whoever has asked.  The first table tells of itself. */
static void log_change(const Master *m, int status, const char *said, const char *message)
{
    static const char *const asked[] = {[CHANGE_RELOAD] = "reload", [CHANGE_DEPLOY] = "deploy",
                                        [CHANGE_ROLLBACK] = "rollback",
                                        [CHANGE_REMOVE] = "remove", [CHANGE_DRAIN] = "drain"};
    fputs(said, stderr);
    if (status == STATUS_OK) master_say("%s", message);
    else master_say("%s failed: %s", asked[m->now.change.kind], message);
}

/* `said` goes before the message, on lines of its own. */
static void end_change(Master *m, int status, const char *said, const char *message)
{
    char *text = NULL;
    const uint64_t client = m->now.client;
    m->phase = PHASE_IDLE;
    m->next = NULL;
    if (asprintf(&text, "%s%s%s\n", said, status == STATUS_OK ? "" : "Error: ", message) < 0)
        text = NULL;
    if (client) admin_answer(m, client, status, text ? text : "Error: the host is out of memory\n");
    if (m->announced) log_change(m, status, said, message);
    else if (status != STATUS_OK && text) fputs(text, stderr);
    if (status != STATUS_OK && !m->table) { /* nothing can be served */
        m->ending = true;
        m->exit_status = status;
    }
    free(text);
    start_next(m);
}

/* Nothing has changed, unless `said` says otherwise. */
static void fail(Master *m, const char *said, fnvm_error *error, bool unchanged)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    const char *joint = "";
    for (const fnvm_error *e = error; e && out; e = fnvm_error_cause(e), joint = ": ") {
        fputs(joint, out);
        fputs(fnvm_error_message(e), out);
    }
    if (out && unchanged && m->table) fputs("; what was served before is served on", out);
    const bool written = out && fclose(out) == 0;
    end_change(m, STATUS_FAILED, said, written ? text : "the host is out of memory");
    fnvm_error_free(error);
    free(text);
}

static void start_next(Master *m)
{
    while (m->phase == PHASE_IDLE && m->queued > 0 && !m->ending) {
        m->now = m->queue[0];
        memmove(m->queue, m->queue + 1, --m->queued * sizeof *m->queue);
        fnvm_error *error = start_making(m);
        if (error) fail(m, "", error, true);
    }
}

fnvm_error *changes_add(Master *m, const Change *change, uint64_t client)
{
    if (m->ending) return fnvm_error_new(FNVM_E_INVALID, "the gateway is ending");
    if (m->queued == MASTER_QUEUE)
        return fnvm_error_new(FNVM_E_LIMIT, "%d changes wait already for the one that goes on",
                              MASTER_QUEUE);
    m->queue[m->queued++] = (Waiting){*change, client};
    start_next(m);
    return NULL;
}

void changes_abandon(Master *m)
{
    if (m->phase == PHASE_MAKING) kill(m->maker, SIGKILL);
    if (m->phase == PHASE_SWITCHING) table_free(m->next);
    m->next = NULL;
    const bool asked = m->phase != PHASE_IDLE;
    m->phase = PHASE_IDLE;
    if (asked && m->now.client)
        admin_answer(m, m->now.client, STATUS_FAILED, "Error: the gateway is ending\n");
    for (size_t i = 0; i < m->queued; i++)
        admin_answer(m, m->queue[i].client, STATUS_FAILED, "Error: the gateway is ending\n");
    m->queued = 0;
    close_made(m);
}

/* ---- What was made ---- */

/* All of a file in memory, with a NUL; its end, if there is more than `most`. */
static char *read_end(int fd, size_t most, size_t *len)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size < 0) return NULL;
    const size_t size = (size_t)st.st_size, n = size < most ? size : most;
    char *bytes = malloc(n + 1);
    if (!bytes) return NULL;
    for (size_t at = 0; at < n;) {
        ssize_t got = pread(fd, bytes + at, n - at, (off_t)(size - n + at));
        if (got <= 0) {
            free(bytes);
            return NULL;
        }
        at += (size_t)got;
    }
    bytes[n] = '\0';
    *len = n;
    return bytes;
}

static fnvm_error *ended_badly(int status)
{
    if (WIFSIGNALED(status))
        return fnvm_error_new(FNVM_E_INVALID,
                              "the process that installs was ended by signal %d (%s)",
                              WTERMSIG(status), sigdescr_np(WTERMSIG(status)));
    return fnvm_error_new(FNVM_E_INVALID, "the process that installs ended with status %d",
                          WEXITSTATUS(status));
}

static fnvm_error *take_table(Master *m, int status)
{
    size_t len = 0;
    Config *config = NULL;
    char *bytes = read_end(m->made, MADE_BYTES, &len);
    fnvm_error *error = NULL;
    if (!bytes) error = fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || len < sizeof(Head))
        error = ended_badly(status);
    Head head;
    if (!error) {
        memcpy(&head, bytes, sizeof head);
        if (head.failed) error = fnvm_error_new(FNVM_E_INVALID, "%s", bytes + sizeof head);
    }
    if (!error) error = config_parse("the table", bytes + sizeof head, len - sizeof head, &config);
    free(bytes);
    if (error) return error;
    m->kept = head.kept;
    return table_new(m, config, &m->next);
}

bool changes_gone(Master *m, pid_t pid, int status)
{
    size_t len = 0;
    if (m->phase != PHASE_MAKING || pid != m->maker) return false;
    m->phase = PHASE_IDLE;
    char *said = read_end(m->said, SAID_BYTES, &len);
    fnvm_error *error = take_table(m, status);
    close_made(m);
    if (error) {
        fail(m, said ? said : "", error, true);
    } else {
        if (said && *said) fputs(said, stderr);
        m->phase = PHASE_SWITCHING;
        m->deadline_ns = master_now() + SWITCHING_SECONDS * SECOND;
        workers_serve(m, m->next);
        workers_spawn(m);
    }
    free(said);
    return true;
}

/* ---- Switching over ---- */

/* Serving comes first: who is killed in between has served what the record does not say, and
 * nobody was told that it is deployed. */
static void keep(Master *m)
{
    Table *next = m->next;
    fnvm_error *error = m->kept.records ? state_keep(m->start.state, &m->kept.record) : NULL;
    m->next = NULL;
    m->phase = PHASE_IDLE;
    workers_succeed(m);
    table_use(m, next);
    m->drained = m->kept.drained;
    if (error)
        fail(m, "The new version is served, but after the next start it will not be:\n", error,
             false);
    else end_change(m, STATUS_OK, "", m->kept.said);
}

void changes_served(Master *m)
{
    if (m->phase == PHASE_SWITCHING && workers_all_serve(m, m->next->generation)) keep(m);
}

void changes_refused(Master *m, const char *why)
{
    Table *refused = m->next;
    m->next = NULL;
    m->phase = PHASE_IDLE;
    workers_stay(m);
    if (m->table) workers_serve(m, m->table); /* those that have switched over go back */
    table_free(refused);
    fail(m, "", fnvm_error_new(FNVM_E_INVALID, "%s", why), true);
}

void changes_tick(Master *m)
{
    if (m->phase == PHASE_IDLE || master_now() < m->deadline_ns) return;
    if (m->phase == PHASE_MAKING) {
        kill(m->maker, SIGKILL); /* and with it the guest's process; its end is told as any other */
        m->deadline_ns = UINT64_MAX;
        return;
    }
    changes_refused(m, "a worker did not say in time that it serves the new table");
}
