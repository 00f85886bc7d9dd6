/* A function that is called once per request, for conformance/gateway_worker. */
#include <fnvm/call.h>
#include <fnvm/http.h>
#include <fnvm/kv.h>
#include <fnvm/log.h>
#include <fnvm/request.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int served; /* 0 in every request, unless something of the one before is left */

static void say(const char *what, int32_t number)
{
    char line[100];
    snprintf(line, sizeof line, "%s%d\n", what, (int)number);
    fnvm_answer_print(line);
}

static void parts(void)
{
    static const char *const names[] = {"method", "target", "path", "query", "host", "peer", "id"};
    char text[512];
    for (int32_t part = 0; part < 7; part++) {
        fnvm_request_text(part, "", text, sizeof text);
        fnvm_answer_print(names[part]);
        fnvm_answer_print("=");
        fnvm_answer_print(text);
        fnvm_answer_print("\n");
    }
    if (fnvm_request_field("X-Question", text, sizeof text) >= 0) fnvm_answer_print(text);
    say(" other=", fnvm_request_field("X-Other", text, sizeof text));
}

static void echo(void)
{
    static char block[10000];
    uint32_t n;
    while (fnvm_request_read(block, sizeof block, &n) == FNVM_OK && n) fnvm_answer_write(block, n);
}

/* Calls the function that the query names with its own body, and answers with what that answers. */
static void call(const char *name)
{
    static char input[1 << 16], output[1 << 16];
    uint32_t n, len = 0;
    while (len < sizeof input && fnvm_request_read(input + len, sizeof input - len, &n) == FNVM_OK && n) len += n;
    const int32_t handle = fnvm_call_start(name, (uint32_t)strlen(name), input, len);
    if (handle <= 0) {
        say("start ", handle);
        return;
    }
    const int32_t status = fnvm_call_await(handle, 20000);
    n = 0;
    if (status == FNVM_OK) fnvm_call_output(handle, 0, output, sizeof output, &n);
    else say("await ", status);
    fnvm_answer_write(output, n);
}

static void call_many(int n)
{
    int32_t handles[64], statuses[64];
    if (n > 64) n = 64;
    for (int i = 0; i < n; i++) handles[i] = fnvm_call_start("cgi", 3, "", 0);
    say("all ", fnvm_call_await_all(handles, (uint32_t)n, 20000, statuses));
    int failed = 0;
    for (int i = 0; i < n; i++) failed += statuses[i] != FNVM_OK;
    say("failed ", failed);
}

/* Calls a function until it may not, and keeps all answers. */
static void hoard(const char *name)
{
    static char input[8 << 20];
    int n = 0;
    for (; n < 100; n++) {
        const int32_t handle = fnvm_call_start(name, (uint32_t)strlen(name), input, sizeof input);
        const int32_t status = handle > 0 ? fnvm_call_await(handle, -1) : handle;
        if (status == FNVM_OK) continue;
        say("stopped by ", status);
        break;
    }
    say("answers ", n);
}

static void count(void)
{
    char value[16] = "";
    uint32_t len = 0;
    const int32_t found = fnvm_kv_get("count", 5, 0, value, sizeof value - 1, &len);
    const int n = found == FNVM_OK ? atoi(value) + 1 : 1;
    snprintf(value, sizeof value, "%d", n);
    say("set ", fnvm_kv_set("count", 5, value, (uint32_t)strlen(value)));
    say("count ", n);
}

/* Asks for the URL in its body. */
static void fetch(int64_t timeout_ms)
{
    static char url[1024], body[4096];
    uint32_t len = 0;
    fnvm_request_read(url, sizeof url, &len);
    const int32_t r = fnvm_http_send("GET", 3, url, len, "", 0, "", 0);
    if (r <= 0) {
        say("send ", r);
        return;
    }
    say("await ", fnvm_http_await(r, timeout_ms));
    say("status ", fnvm_http_status(r));
    if (fnvm_http_body(r, 0, body, sizeof body, &len) == FNVM_OK) fnvm_answer_write(body, len);
}

FNVM_HANDLER
{
    char path[128] = "", query[128] = "";
    fnvm_request_path(path, sizeof path);
    fnvm_request_query(query, sizeof query);
    if (served++) fnvm_answer_print("served before\n");
    if (strcmp(path, "/parts") == 0) parts();
    else if (strcmp(path, "/echo") == 0) echo();
    else if (strcmp(path, "/call") == 0) call(query);
    else if (strcmp(path, "/calls") == 0) call_many(atoi(query));
    else if (strcmp(path, "/kv") == 0) count();
    else if (strcmp(path, "/hoard") == 0) hoard(query);
    else if (strcmp(path, "/") == 0) echo();
    else if (strcmp(path, "/fetch") == 0) fetch(atoi(query));
    else if (strcmp(path, "/status") == 0) {
        fnvm_answer_status((uint32_t)atoi(query));
        fnvm_answer_field("X-Own", "yes");
        say("bad field ", fnvm_answer_field("X-Bad", "a\r\nb"));
        say("too late ", fnvm_answer_status(200));
    } else if (strcmp(path, "/secret") == 0) {
        if (fnvm_request_secret("KEY", query, sizeof query) >= 0) fnvm_answer_print(query);
    } else if (strcmp(path, "/log") == 0) {
        fnvm_log_fields(FNVM_LOG_WARN, "it is cold", "{\"degrees\": -3}");
        printf("printed\n");
        fflush(stdout);
    } else if (strcmp(path, "/trap") == 0) __builtin_trap();
    else if (strcmp(path, "/spin") == 0) for (;;) served++;
}
