/* A loop around an Http server.  Each request is answered at once from what is in memory; the
 * mapping of the numbers is made read-only first, so nothing that is wrong here changes what
 * workers go by.
 *
 * The page may run the one script that is in it, named by its hash, and ask this server; a browser
 * that was brought here by a name which a stranger's DNS gives for a loopback address is refused
 * what has guests' text. */
#include "gateway/status.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "gateway/http.h"
#include "gateway/status_process.h"

extern const char status_page[]; /* page.S; ends with a NUL */

enum { POLICY_BYTES = 512 };

typedef struct Status {
    Metrics *metrics;
    char policy[POLICY_BYTES]; /* Content-Security-Policy of the page */
} Status;

static HttpText text_of(const char *at) { return (HttpText){at, strlen(at)}; }
static bool is(HttpText t, const char *what)
{
    return t.len == strlen(what) && memcmp(t.at, what, t.len) == 0;
}

/* ---- Answers ---- */

static void answer(HttpRequest *r, unsigned status, const char *type, const char *policy,
                   const void *body, size_t len)
{
    const HttpField fields[] = {
        {text_of("Content-Type"), text_of(type)},
        {text_of("Cache-Control"), text_of("no-store")},
        {text_of("X-Content-Type-Options"), text_of("nosniff")},
        {text_of("Referrer-Policy"), text_of("no-referrer")},
        {text_of("Cross-Origin-Resource-Policy"), text_of("same-origin")},
        {text_of("Content-Security-Policy"),
         text_of(policy ? policy : "default-src 'none'; frame-ancestors 'none'")},
        {text_of("Allow"), text_of("GET, HEAD")},
    };
    const size_t n = sizeof fields / sizeof *fields;
    http_answer(r, status, fields, status == 405 ? n : n - 1, body, len);
}

static void answer_text(HttpRequest *r, unsigned status, const char *text)
{
    answer(r, status, "text/plain; charset=utf-8", NULL, text, strlen(text));
}

/* Takes the text; NULL: there was no memory for it. */
static void answer_made(HttpRequest *r, const char *type, char *text, size_t len)
{
    if (text) answer(r, 200, type, NULL, text, len);
    else answer_text(r, 503, "no memory\n");
    free(text);
}

static const char json_type[] = "application/json";

/* ---- What is asked for ---- */

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of `name` in a query, decoded; false: there is none, or it does not fit. */
static bool query_value(HttpText query, const char *name, char *out, size_t size, size_t *len)
{
    const size_t name_len = strlen(name);
    for (const char *at = query.at, *end = at + query.len; at < end;) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        if (!next) next = end;
        if ((size_t)(next - at) > name_len && memcmp(at, name, name_len) == 0 &&
            at[name_len] == '=') {
            *len = 0;
            for (at += name_len + 1; at < next && *len < size; at++) {
                char c = *at == '+' ? ' ' : *at;
                if (c == '%' && next - at > 2 && digit(at[1]) >= 0 && digit(at[2]) >= 0) {
                    c = (char)(digit(at[1]) * 16 + digit(at[2]));
                    at += 2;
                }
                out[(*len)++] = c;
            }
            return at == next;
        }
        at = next + 1;
    }
    return false;
}

static bool asked_function(const Status *s, HttpRequest *r, uint32_t *slot)
{
    char name[METRICS_NAME];
    size_t len;
    if (query_value(http_query(r), "function", name, sizeof name, &len) &&
        metrics_find(s->metrics, name, len, slot))
        return true;
    answer_text(r, 404, "no such function\n");
    return false;
}

/* ---- The addresses ---- */

static void give_prometheus(const Status *s, HttpRequest *r)
{
    char *numbers, *text = NULL;
    size_t numbers_len, len = 0;
    metrics_prometheus(s->metrics, &numbers, &numbers_len);
    FILE *out = numbers ? open_memstream(&text, &len) : NULL;
    if (out) {
        fwrite(numbers, 1, numbers_len, out);
        processes_prometheus(s->metrics, out);
        fclose(out);
    }
    free(numbers);
    answer_made(r, "text/plain; version=0.0.4; charset=utf-8", text, len);
}

static void give_status(const Status *s, HttpRequest *r)
{
    char *numbers, *text = NULL;
    size_t numbers_len, len = 0;
    if (http_query(r).len > 0) {
        uint32_t slot;
        if (!asked_function(s, r, &slot)) return;
        metrics_json_function(s->metrics, slot, &text, &len);
        answer_made(r, json_type, text, len);
        return;
    }
    metrics_json(s->metrics, &numbers, &numbers_len);
    FILE *out = numbers ? open_memstream(&text, &len) : NULL;
    if (out) {
        fputs("{\"processes\": ", out);
        processes_json(s->metrics, out);
        fputs(", \"numbers\": ", out);
        fwrite(numbers, 1, numbers_len, out);
        fputs("}\n", out);
        fclose(out);
    }
    free(numbers);
    answer_made(r, json_type, text, len);
}

static void give_logs(const Status *s, HttpRequest *r)
{
    uint32_t slot;
    char number[21], *text;
    size_t len;
    uint64_t from = 0;
    if (query_value(http_query(r), "from", number, sizeof number - 1, &len)) {
        number[len] = '\0';
        char *end;
        errno = 0;
        from = strtoull(number, &end, 10);
        if (len == 0 || digit(number[0]) < 0 || *end != '\0' || errno != 0) {
            answer_text(r, 400, "`from` is a sequence number\n");
            return;
        }
    }
    if (!asked_function(s, r, &slot)) return;
    metrics_logs(s->metrics, slot, &from, &text, &len);
    answer_made(r, json_type, text, len);
}

static void give_health(const Status *s, HttpRequest *r)
{
    for (unsigned i = 0; i < METRICS_WORKERS; i++)
        if (metrics_worker_pid(s->metrics, i) > 0) {
            answer_text(r, 200, "ok\n");
            return;
        }
    answer_text(r, 503, "no worker lives\n");
}

static void give_page(const Status *s, HttpRequest *r)
{
    answer(r, 200, "text/html; charset=utf-8", s->policy, status_page, strlen(status_page));
}

/* Addresses and `localhost`; a browser sends no name but the one it was given. */
static bool is_address(HttpText host)
{
    char text[INET6_ADDRSTRLEN + 2];
    unsigned char bytes[16];
    if (host.len == 0 || is(host, "localhost")) return true;
    if (host.at[0] == '[' && host.len > 2 && host.at[host.len - 1] == ']')
        host = (HttpText){host.at + 1, host.len - 2};
    if (host.len >= sizeof text) return false;
    memcpy(text, host.at, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static void arrived(void *env, HttpRequest *r)
{
    static const struct {
        const char *path;
        void (*give)(const Status *, HttpRequest *);
        bool any_host; /* nothing of guests is in it */
    } pages[] = {{"/", give_page, false},
                 {"/status.json", give_status, false},
                 {"/logs", give_logs, false},
                 {"/metrics", give_prometheus, true},
                 {"/_/health", give_health, true}};
    http_limit_body(r, 0);
    if (http_answered(r)) return;
    if (!is(http_method(r), "GET") && !is(http_method(r), "HEAD")) {
        answer_text(r, 405, "this is read with GET\n");
        return;
    }
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (!is(http_path(r), pages[i].path)) continue;
        if (pages[i].any_host || is_address(http_host(r))) pages[i].give(env, r);
        else answer_text(r, 421, "ask for this by address or as localhost, not by name\n");
        return;
    }
    answer_text(r, 404, "there are /, /metrics, /status.json, /logs and /_/health\n");
}

static void ready(void *env, HttpRequest *r) { (void)env, (void)r; }
static void gone(void *env, HttpRequest *r, bool cut) { (void)env, (void)r, (void)cut; }

/* ---- The process ---- */

/* The hash of what is between two tags of the page, as a source in its policy. */
static void policy_hash(const char *open, const char *close, char out[64])
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char text[sodium_base64_ENCODED_LEN(sizeof hash, sodium_base64_VARIANT_ORIGINAL)];
    const char *from = strstr(status_page, open);
    from = from ? from + strlen(open) : status_page;
    const char *to = strstr(from, close);
    crypto_hash_sha256(hash, (const unsigned char *)from, to ? (size_t)(to - from) : 0);
    sodium_bin2base64(text, sizeof text, hash, sizeof hash, sodium_base64_VARIANT_ORIGINAL);
    snprintf(out, 64, "sha256-%s", text);
}

static void policy_make(Status *s)
{
    char script[64], style[64];
    policy_hash("<script>", "</script>", script);
    policy_hash("<style>", "</style>", style);
    snprintf(
        s->policy, sizeof s->policy,
        "default-src 'none'; script-src '%s'; style-src '%s'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        script, style);
}

static int signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* of the terminal: it is for the master, who tells the others */
    return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC) : -1;
}

static bool has_ended(int control)
{
    char nothing[64];
    const ssize_t n = recv(control, nothing, sizeof nothing, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void serve(Http *http, int control, int ended)
{
    struct pollfd wait[] = {{http_fd(http), POLLIN, 0}, {control, POLLIN, 0}, {ended, POLLIN, 0}};
    for (;;) {
        if (poll(wait, 3, http_timeout_ms(http)) < 0 && errno != EINTR) return;
        if (wait[2].revents != 0 || (wait[1].revents != 0 && has_ended(control))) return;
        http_run(http);
    }
}

static int end_with(fnvm_error *error)
{
    fprintf(stderr, "fnvm: the status page ends: %s\n", fnvm_error_message(error));
    fnvm_error_free(error);
    return 1;
}

/* What processes cost is read from /proc, which goes on with other processes than there are now. */
static fnvm_error *narrow(NarrowMode mode)
{
    static const NarrowPath paths[] = {{"/proc", NARROW_READ}};
    const NarrowNeeds needs = {.paths = paths, .npaths = 1, .serves = true};
    return narrow_process(&needs, mode);
}

int status_main(int listener, Metrics *metrics, int control, NarrowMode mode)
{
    static const HttpLimits limits = {.connections = 200,
                                      .connections_per_address = 0,
                                      .head_bytes = 8192,
                                      .body_bytes = 0,
                                      .buffer_bytes = 1 << 16,
                                      .head_ms = 5000,
                                      .body_ms = 5000,
                                      .idle_ms = 30000};
    Status s = {.metrics = metrics};
    const HttpHandlers handlers = {&s, arrived, ready, gone};
    const int ended = signals();
    Http *http = NULL;
    prctl(PR_SET_NAME, "fnvm-status");
    if (ended < 0 || sodium_init() < 0 || !metrics_read_only(metrics))
        return end_with(fnvm_error_new(FNVM_E_IO, "cannot start: %s", strerror(errno)));
    policy_make(&s);
    fnvm_error *error = http_new(listener, &limits, &handlers, &http);
    if (!error) error = narrow(mode);
    if (error) return end_with(error);
    serve(http, control, ended);
    http_free(http);
    close(ended);
    return 0;
}
