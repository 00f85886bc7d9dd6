/* One worker of the gateway with the least of a master, for conformance/gateway_worker: a listener on a port that the
 * system chooses, numbers, and a table.
 *
 *   worker_drive TABLE.yaml...
 *
 * It prints the port and serves the first table.  Then it reads commands, one per line.  What it says of each, and of
 * the first table, ends with a line that is `.`:
 *   serve        the next table: "ok", or "failed: " and why
 *   drained      waits until nothing of an older table is left: "drained"
 *   drain        tells the worker to end and waits for that: "ended STATUS"
 *   work NAME    how many of a function's requests are at work and how many wait: "2 at work, 0 wait"
 *   logs NAME    a function's lines of log, as JSON
 *   hang         closes the socket to the worker, as if the master had died: "ended STATUS"
 * The access log goes to the file named by ACCESS_LOG. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/worker.h"

static char **tables;
static int control;
static Metrics *metrics;
static uint64_t generation;
static pid_t worker;
static bool is_drained = true;

static void die(const char *what)
{
    fprintf(stderr, "worker_drive: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void check(fnvm_error *error)
{
    if (!error) return;
    fprintf(stderr, "worker_drive: %s\n", fnvm_error_message(error));
    exit(1);
}

static int make_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1024)) die("listener");
    if (getsockname(fd, (struct sockaddr *)&address, &size)) die("listener");
    printf("%u\n", ntohs(address.sin_port));
    return fd;
}

/* What the master does with a table before it goes to workers. */
static int table_file(const char *path)
{
    Config *config;
    char *text;
    size_t len;
    check(config_load(path, &config));
    for (size_t i = 0; i < config->nfunctions; i++) {
        Function *f = &config->functions[i];
        if (!metrics_slot(metrics, f->name, &f->slot)) die("slots");
        const MetricsFunction facts = {.version = f->version, .protocol = "", .tenant = f->tenant,
                                       .concurrency = f->concurrency, .queue = f->queue};
        metrics_function(metrics, f->slot, &facts);
    }
    check(config_print(config, &text, &len));
    config_free(config);
    const int file = memfd_create("table", MFD_CLOEXEC);
    if (file < 0 || write(file, text, len) != (ssize_t)len) die("table");
    free(text);
    return file;
}

static void send_order(WorkerOrder order, int file)
{
    union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } room = {0};
    WorkerMessage message = {.order = order, .generation = ++generation};
    struct iovec piece = {.iov_base = &message, .iov_len = sizeof message};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1};
    if (file >= 0) {
        m.msg_control = room.bytes;
        m.msg_controllen = sizeof room.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof file);
        memcpy(CMSG_DATA(c), &file, sizeof file);
    }
    if (sendmsg(control, &m, MSG_NOSIGNAL) != sizeof message) die("order");
    if (file >= 0) close(file);
}

static bool receive(WorkerAnswer *answer)
{
    return recv(control, answer, sizeof *answer, 0) == sizeof *answer;
}

static void serve(void)
{
    WorkerAnswer answer;
    if (!*tables) {
        puts("failed: no table is left");
        return;
    }
    is_drained = generation == 0;
    send_order(WORKER_SERVE, table_file(*tables++));
    do {
        if (!receive(&answer)) {
            puts("failed: the worker has ended");
            return;
        }
        is_drained |= answer.says == WORKER_DRAINED;
    } while (answer.says == WORKER_DRAINED);
    if (answer.says != WORKER_SERVES) is_drained = true;
    printf(answer.says == WORKER_SERVES ? "ok\n" : "failed: %s\n", answer.text);
}

static void wait_drained(void)
{
    WorkerAnswer answer;
    while (!is_drained && receive(&answer)) is_drained = answer.says == WORKER_DRAINED;
    puts(is_drained ? "drained" : "failed: the worker has ended");
}

static void wait_end(void)
{
    int status;
    if (waitpid(worker, &status, 0) != worker) die("waitpid");
    if (WIFSIGNALED(status)) printf("killed by %d\n", WTERMSIG(status));
    else printf("ended %d\n", WEXITSTATUS(status));
}

static void print_logs(const char *name)
{
    uint32_t slot;
    uint64_t from = 0;
    size_t len;
    char *text = NULL;
    if (metrics_find(metrics, name, strlen(name), &slot)) metrics_logs(metrics, slot, &from, &text, &len);
    puts(text ? text : "none");
    free(text);
}

static int number(const char *json, const char *key)
{
    const char *at = strstr(json, key);
    at = at ? strchr(at, ':') : NULL;
    return at ? atoi(at + 1) : -1;
}

static void print_work(const char *name)
{
    uint32_t slot;
    size_t len;
    char *text = NULL;
    if (metrics_find(metrics, name, strlen(name), &slot)) metrics_json_function(metrics, slot, &text, &len);
    if (text) printf("%d at work, %d wait\n", number(text, "\"in_flight\""), number(text, "\"queued\""));
    else puts("none");
    free(text);
}

/* False: that was the last. */
static bool obey(char *line)
{
    line[strcspn(line, "\n")] = 0;
    if (strcmp(line, "serve") == 0) serve();
    else if (strcmp(line, "drained") == 0) wait_drained();
    else if (strncmp(line, "work ", 5) == 0) print_work(line + 5);
    else if (strncmp(line, "logs ", 5) == 0) print_logs(line + 5);
    else if (strcmp(line, "drain") == 0) send_order(WORKER_DRAIN, -1);
    else if (strcmp(line, "hang") == 0) close(control);
    else printf("what is `%s`?\n", line);
    const bool ends = strcmp(line, "drain") == 0 || strcmp(line, "hang") == 0;
    if (ends) wait_end();
    puts(".");
    fflush(stdout);
    return !ends;
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    tables = argv + 1;
    check(metrics_new(&metrics));
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) die("socketpair");
    const int listener = make_listener();
    const char *log = getenv("ACCESS_LOG");
    const int access_log = log ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    fflush(stdout);
    worker = fork();
    if (worker < 0) die("fork");
    if (worker == 0) {
        close(pair[0]);
        const WorkerStart start = {.number = 0, .listener = listener, .control = pair[1],
                                   .metrics = metrics, .access_log = access_log};
        exit(worker_main(&start));
    }
    close(pair[1]);
    close(listener);
    control = pair[0];
    metrics_worker_born(metrics, 0, worker);
    serve();
    puts(".");
    fflush(stdout);
    char line[256];
    while (fgets(line, sizeof line, stdin) && obey(line)) {}
    metrics_free(metrics);
    return 0;
}
