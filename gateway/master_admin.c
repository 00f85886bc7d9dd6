/* Who asks sends one packet: a word and its arguments, each with a NUL behind it.  The answer is
 * packets of text, each with a letter before it: `o` some text, `x` the end, with the exit
 * status as its next byte.  Nothing here waits for a client: what it has not taken is kept, up
 * to a ceiling, beyond which it is cut off. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/errors.h"
#include "gateway/admin.h"
#include "gateway/master_state.h"
#include "verifier/policy/manifest.h"

/* Who has asked nothing for so long gives way to others. */
#define SILENT_NS UINT64_C(5000000000)
enum { OUT_MAX = 1 << 20, WORDS_MAX = 4, PIECE = ADMIN_PACKET - 1 };

/* ---- Clients ---- */

void admin_close(Master *m, Client *c)
{
    (void)m;
    close(c->fd);
    free(c->out);
    *c = (Client){.fd = -1};
}

void admin_accept(Master *m)
{
    int fd = accept4(m->admin, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const uint64_t now = master_now();
    for (size_t i = 0; i < MASTER_CLIENTS; i++) {
        Client *c = &m->clients[i];
        if (c->id && c->since_ns && now - c->since_ns > SILENT_NS) admin_close(m, c);
        if (c->id) continue;
        *c = (Client){.id = ++m->client_ids, .fd = fd, .since_ns = now};
        return;
    }
    close(fd); /* it sees an end without an answer */
}

/* Sends what can be sent; false: there is nobody any more. */
static bool flush(Client *c)
{
    char packet[ADMIN_PACKET];
    while (c->len > 0) {
        const size_t n = c->len < PIECE ? c->len : PIECE;
        packet[0] = ADMIN_TEXT;
        memcpy(packet + 1, c->out, n);
        if (send(c->fd, packet, n + 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            return errno == EAGAIN || errno == EINTR;
        memmove(c->out, c->out + n, c->len -= n);
    }
    if (!c->ended) return true;
    const char end[2] = {ADMIN_END, (char)c->status};
    if (send(c->fd, end, sizeof end, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
        (errno == EAGAIN || errno == EINTR))
        return true;
    return false; /* that was all */
}

static bool add(Client *c, const char *text, size_t len)
{
    char *out = len <= OUT_MAX - c->len ? realloc(c->out, c->len + len + 1) : NULL;
    if (!out) return false;
    memcpy(out + c->len, text, len);
    c->out = out;
    c->len += len;
    return true;
}

static void answer(Master *m, Client *c, int status, const char *text)
{
    c->ended = true;
    c->status = status;
    if (!add(c, text, strlen(text)) || !flush(c)) admin_close(m, c);
}

void admin_answer(Master *m, uint64_t client, int status, const char *text)
{
    for (size_t i = 0; i < MASTER_CLIENTS; i++)
        if (client && m->clients[i].id == client) answer(m, &m->clients[i], status, text);
}

static void refuse(Master *m, Client *c, fnvm_error *error)
{
    char *text = NULL;
    const bool usage = fnvm_error_code(error) == FNVM_E_USAGE;
    if (asprintf(&text, "Error: %s\n", fnvm_error_message(error)) < 0) text = NULL;
    fnvm_error_free(error);
    answer(m, c, usage ? STATUS_USAGE : STATUS_FAILED,
           text ? text : "Error: the host is out of memory\n");
    free(text);
}

/* ---- What can be asked ---- */

static void change(Master *m, Client *c, const Change *wanted)
{
    fnvm_error *error = changes_add(m, wanted, c->id);
    if (error) refuse(m, c, error);
}

static void ask_deploy(Master *m, Client *c, char **words)
{
    Change wanted = {.kind = CHANGE_DEPLOY};
    if (words[1][0] != '/' || strlen(words[1]) >= sizeof wanted.path) {
        refuse(m, c, fnvm_error_new(FNVM_E_USAGE, "deploy: the folder's path is to be absolute"));
        return;
    }
    strcpy(wanted.path, words[1]);
    change(m, c, &wanted);
}

static void ask_named(Master *m, Client *c, ChangeKind kind, const char *name)
{
    Change wanted = {.kind = kind};
    if (!manifest_name_ok(name)) {
        refuse(m, c, fnvm_error_new(FNVM_E_USAGE, "`%s` is no name of a function", name));
        return;
    }
    snprintf(wanted.name, sizeof wanted.name, "%s", name);
    change(m, c, &wanted);
}

static void ask_rollback(Master *m, Client *c, char **words)
{
    ask_named(m, c, CHANGE_ROLLBACK, words[1]);
}
static void ask_remove(Master *m, Client *c, char **words)
{
    ask_named(m, c, CHANGE_REMOVE, words[1]);
}
static void ask_reload(Master *m, Client *c, char **words)
{
    (void)words;
    change(m, c, &(Change){.kind = CHANGE_RELOAD});
}

static void ask_drain(Master *m, Client *c, char **words)
{
    if (words[1]) {
        ask_named(m, c, CHANGE_DRAIN, words[1]);
        return;
    }
    answer(m, c, STATUS_OK, "the gateway ends when the requests that are at work have ended\n");
    m->ending = true;
}

/* "GET example.org/a, ..." */
static void print_routes(FILE *out, const Config *c, size_t function)
{
    const char *joint = "";
    for (size_t i = 0; i < c->nroutes; i++) {
        const Route *r = &c->routes[i];
        if (r->function != function) continue;
        fprintf(out, "%s%s%s%s%s", joint, r->method ? r->method : "", r->method ? " " : "",
                r->host ? r->host : "", r->path);
        joint = ", ";
    }
    fputs(*joint ? "\n" : "no route\n", out);
}

static void print_list(const Master *m, FILE *out)
{
    const Config *c = m->table ? m->table->config : NULL;
    int name = 4, version = 7;
    for (size_t i = 0; c && i < c->nfunctions; i++) {
        const int a = (int)strlen(c->functions[i].name), b = (int)strlen(c->functions[i].version);
        name = a > name ? a : name;
        version = b > version ? b : version;
    }
    if (!c || !c->nfunctions) {
        fputs("no function is served\n", out);
        return;
    }
    fprintf(out, "%-*s  %-*s  routes\n", name, "name", version, "version");
    for (size_t i = 0; i < c->nfunctions; i++) {
        fprintf(out, "%-*s  %-*s  ", name, c->functions[i].name, version, c->functions[i].version);
        print_routes(out, c, i);
    }
}

static void print_status(const Master *m, FILE *out)
{
    static const char *const phases[] = {
        [PHASE_IDLE] = "none", [PHASE_MAKING] = "installing", [PHASE_SWITCHING] = "switching over"};
    fprintf(out, "master      %d\nlistening   %s\n", (int)getpid(), m->url);
    if (m->status_url) fprintf(out, "status      %s\n", m->status_url);
    fprintf(out, "state       %s\n", state_dir(m->start.state));
    fprintf(out, "functions   %zu\n", m->table ? m->table->config->nfunctions : 0);
    fprintf(out, "generation  %" PRIu64 "\n", m->table ? m->table->generation : 0);
    fprintf(out, "change      %s, %zu waiting\n", phases[m->phase], m->queued);
    fputs("workers    ", out);
    for (unsigned i = 0; i < METRICS_WORKERS; i++) {
        const WorkerProcess *p = &m->workers[i];
        if (p->pid && p->duty != DUTY_NONE)
            fprintf(out, p->duty == DUTY_LEAVES ? " (%d)" : " %d", (int)p->pid);
        else if (p->duty == DUTY_SERVES) fputs(" -", out);
    }
    fputc('\n', out);
}

static void print_answer(Master *m, Client *c, void (*print)(const Master *, FILE *))
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out) print(m, out);
    const bool written = out && fclose(out) == 0;
    if (written) answer(m, c, STATUS_OK, text);
    else answer(m, c, STATUS_FAILED, "Error: the host is out of memory\n");
    free(text);
}

static void ask_list(Master *m, Client *c, char **words)
{
    (void)words, print_answer(m, c, print_list);
}
static void ask_status(Master *m, Client *c, char **words)
{
    (void)words, print_answer(m, c, print_status);
}

/* ---- Lines of log ---- */

static void send_logs(Master *m, Client *c)
{
    char *text = NULL;
    size_t len = 0;
    metrics_log_text(m->metrics, c->slot, &c->from, &text, &len);
    const bool good = text && add(c, text, len);
    free(text);
    if (!good || !flush(c)) admin_close(m, c);
}

static void ask_logs(Master *m, Client *c, char **words)
{
    if (!metrics_find(m->metrics, words[1], strlen(words[1]), &c->slot)) {
        refuse(m, c,
               fnvm_error_new(FNVM_E_NOT_FOUND,
                              "no function `%s` was ever served: `fnvm gateway list` has those "
                              "that are",
                              words[1]));
        return;
    }
    c->ended = !(words[2] && strcmp(words[2], "follow") == 0);
    send_logs(m, c);
    if (c->id && !c->ended) c->follows = true;
}

void admin_tick(Master *m)
{
    for (size_t i = 0; i < MASTER_CLIENTS; i++)
        if (m->clients[i].id && m->clients[i].follows) send_logs(m, &m->clients[i]);
}

bool admin_follows(const Master *m)
{
    for (size_t i = 0; i < MASTER_CLIENTS; i++)
        if (m->clients[i].id && m->clients[i].follows) return true;
    return false;
}

/* ---- Packets ---- */

typedef struct Ask {
    const char *word;
    size_t least, most;                            /* arguments */
    void (*run)(Master *, Client *, char **words); /* NULL behind the last */
} Ask;
static const Ask asks[] = {{"deploy", 1, 1, ask_deploy}, {"rollback", 1, 1, ask_rollback},
                           {"remove", 1, 1, ask_remove}, {"drain", 0, 1, ask_drain},
                           {"reload", 0, 0, ask_reload}, {"list", 0, 0, ask_list},
                           {"status", 0, 0, ask_status}, {"logs", 1, 2, ask_logs}};

static void take_packet(Master *m, Client *c, char *packet, size_t len)
{
    char *words[WORDS_MAX + 1] = {NULL};
    size_t n = 0;
    c->since_ns = 0;
    for (char *at = packet; at < packet + len && n < WORDS_MAX; at += strlen(at) + 1)
        words[n++] = at;
    for (size_t i = 0; n > 0 && i < sizeof asks / sizeof *asks; i++) {
        if (strcmp(asks[i].word, words[0]) != 0 || n - 1 < asks[i].least || n - 1 > asks[i].most)
            continue;
        asks[i].run(m, c, words);
        return;
    }
    refuse(m, c,
           fnvm_error_new(FNVM_E_USAGE,
                          "the gateway does not understand: it may be of another version"));
}

static void take(Master *m, Client *c)
{
    char packet[ADMIN_PACKET + 1];
    ssize_t n = recv(c->fd, packet, sizeof packet, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    /* A second word is not waited for. */
    const bool busy = c->ended || c->follows || (m->phase != PHASE_IDLE && m->now.client == c->id);
    if (n <= 0 || n == (ssize_t)sizeof packet || busy || packet[n - 1] != '\0') admin_close(m, c);
    else take_packet(m, c, packet, (size_t)n);
}

void admin_poll(Master *m, Client *c, struct pollfd *out)
{
    (void)m;
    *out = (struct pollfd){.fd = c->id ? c->fd : -1, .events = POLLIN};
    if (c->id && (c->len > 0 || c->ended)) out->events |= POLLOUT;
}

void admin_ready(Master *m, Client *c, short events)
{
    if (c->id && events & POLLOUT && !flush(c)) {
        admin_close(m, c);
        return;
    }
    if (c->id && events & (POLLIN | POLLHUP | POLLERR)) take(m, c);
}
