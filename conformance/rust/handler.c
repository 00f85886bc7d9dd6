/* A handler that uses what there is, and says what it got: handler.rs does the same in Rust, and the
 * answers of both are compared.  The body is an input or a URL, as the path has it. */
#include <fnvm/call.h>
#include <fnvm/http.h>
#include <fnvm/kv.h>
#include <fnvm/log.h>
#include <fnvm/random.h>
#include <fnvm/request.h>
#include <fnvm/snapshot.h>
#include <fnvm/time.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char body[3 << 20], output[1 << 20];
static uint32_t body_len;

static void say(const char *what, int32_t number)
{
    char line[100];
    snprintf(line, sizeof line, "%s %d\n", what, (int)number);
    fnvm_answer_print(line);
}

static void read_body(void)
{
    uint32_t n = 0;
    while (fnvm_request_read(body + body_len, sizeof body - body_len, &n) == FNVM_OK && n)
        body_len += n;
}

static void parts(void)
{
    char text[4096];
    for (int32_t part = FNVM_PART_METHOD; part <= FNVM_PART_FIELDS; part++) {
        if (part == FNVM_PART_PEER) continue;
        fnvm_request_text(part, "", text, sizeof text);
        fnvm_answer_print(text);
        fnvm_answer_print("\n");
    }
    if (fnvm_request_field("x-QUESTION", text, sizeof text) >= 0) fnvm_answer_print(text);
    if (fnvm_request_secret("KEY", text, sizeof text) >= 0) fnvm_answer_print(text);
    say(" other", fnvm_request_field("X-Other", text, sizeof text));
    say("peer", fnvm_request_text(FNVM_PART_PEER, "", text, sizeof text) > 0);
    say("id", fnvm_request_id(text, sizeof text));
}

static void status(uint32_t number) { say("bad status", fnvm_answer_status(number)); }

static void fields(void)
{
    fnvm_answer_status(418);
    fnvm_answer_field("X-Own", "yes");
    const int32_t bad = fnvm_answer_field("X-Bad", "a\r\nb");
    memset(output, 'a', 9000);
    const int32_t large = fnvm_answer_field_bytes("X-Large", 7, output, 9000);
    say("bad", bad);
    say("large", large);
    say("too late", fnvm_answer_status(200));
}

static void echo(void)
{
    read_body();
    fnvm_answer_write(body, body_len);
}

/* The first asks itself to echo, the second is nobody, the third may not be asked. */
static void calls(const char *self)
{
    read_body();
    int32_t handle = fnvm_call_start(self, (uint32_t)strlen(self), body, body_len);
    uint32_t len = 0;
    say("await", fnvm_call_await(handle, -1));
    say("output", fnvm_call_output(handle, 0, output, sizeof output, &len));
    fnvm_answer_write(output, len);
    say("drop", fnvm_call_drop(handle));
    const fnvm_call_text three[] = {
        {self, (uint32_t)strlen(self), "one", 3}, {"nobody", 6, "", 0}, {"wrong", 5, "", 0}};
    int32_t handles[3], statuses[2];
    say("started", fnvm_call_start_all(three, 3, handles));
    say("nobody", handles[1]);
    say("wrong", handles[2]);
    handles[1] = fnvm_call_start("fails", 5, "", 0);
    say("all", fnvm_call_await_all(handles, 2, 20000, statuses));
    say("first", statuses[0]);
    say("second", statuses[1]);
    say("no output", fnvm_call_output(handles[1], 0, output, 1, &len));
    handle = fnvm_call_start("slow", 4, "", 0);
    say("slow", fnvm_call_await(handle, 0));
    say("not yet", fnvm_call_output(handle, 0, output, 1, &len));
    static char large[9 << 20];
    say("too large", fnvm_call_start(self, (uint32_t)strlen(self), large, sizeof large));
}

static void fetch(void)
{
    read_body();
    static const char lines[] = "X-Question: why\r\nX-Other: so\r\n";
    int32_t both[2], statuses[2];
    uint32_t len = 0;
    both[0] = fnvm_http_send("POST", 4, body, body_len, lines, sizeof lines - 1, "asked", 5);
    say("await", fnvm_http_await(both[0], 20000));
    say("status", fnvm_http_status(both[0]));
    say("body", fnvm_http_body(both[0], 0, output, sizeof output, &len));
    fnvm_answer_write(output, len);
    say("field", fnvm_http_field(both[0], "CONTENT-type", 12, 0, output, sizeof output, &len));
    fnvm_answer_write(output, len);
    say(" no second", fnvm_http_field(both[0], "content-type", 12, 1, output, sizeof output, &len));
    fnvm_http_fields(both[0], 0, output, sizeof output - 1, &len);
    output[len] = '\0';
    say("fields", strstr(output, "Content-Type: text/plain\r\n") != NULL);
    both[1] = fnvm_http_send("GET", 3, body, body_len, "", 0, "", 0);
    say("all", fnvm_http_await_all(both, 2, 20000, statuses));
    say("first", statuses[0]);
    say("second", statuses[1]);
    say("dropped", fnvm_http_drop(both[0]));
    say("dropped", fnvm_http_drop(both[1]));
    say("denied", fnvm_http_send("GET", 3, "http://127.0.0.2/", 17, "", 0, "", 0));
    say("invalid", fnvm_http_send("GET", 3, "http://a@b/", 11, "", 0, "", 0));
    say("field", fnvm_http_send("GET", 3, body, body_len, "Host: x\r\n", 9, "", 0));
}

static void keys(void)
{
    char all[100];
    uint32_t len = 0;
    say("delete", fnvm_kv_delete("k", 1));
    say("none", fnvm_kv_get("k", 1, 0, all, sizeof all, &len));
    say("swap", fnvm_kv_swap("k", 1, "", FNVM_KV_ABSENT, "one", 3));
    say("again", fnvm_kv_swap("k", 1, "", FNVM_KV_ABSENT, "one", 3));
    say("append", fnvm_kv_append("k", 1, " two", 4));
    say("set", fnvm_kv_set("l\n", 2, "", 0));
    say("empty", fnvm_kv_set("", 0, "", 0));
    memset(body, 'k', 2000);
    say("long", fnvm_kv_set(body, 2000, "", 0));
    say("zero", fnvm_kv_set("a\0b", 3, "", 0));
    say("large", fnvm_kv_set("k", 1, output, sizeof output));
    say("larger", fnvm_kv_append("k", 1, "x", 1));
    fnvm_kv_get("k", 1, 0, output, sizeof output, &len);
    say("value", (int32_t)len);
    say("list", fnvm_kv_list("", 0, "", 0, 100, all, sizeof all, &len));
    say("bytes", (int32_t)len);
}

static void others(void)
{
    const uint64_t begin = fnvm_time_monotonic();
    say("sleep", fnvm_time_sleep_until(begin + 1000000));
    say("slept",
        fnvm_time_monotonic() >= begin + 1000000 && fnvm_time_realtime() > 1600000000000000000u);
    say("random", fnvm_random_fill(output, 100) == 0 && fnvm_random_u64() != fnvm_random_u64());
    say("fields", fnvm_log_fields(FNVM_LOG_WARN, "it is cold", "{\"degrees\": -3}"));
    say("none", fnvm_log_fields(FNVM_LOG_INFO, "", "[]"));
    say("woken", fnvm_generation() > 1 && fnvm_generation() == fnvm_generation());
    say("checkpoint", fnvm_checkpoint());
}

FNVM_HANDLER
{
    char path[128] = "", query[128] = "";
    fnvm_request_path(path, sizeof path);
    fnvm_request_query(query, sizeof query);
    if (strcmp(path, "/parts") == 0) parts();
    else if (strcmp(path, "/status") == 0) status((uint32_t)atoi(query));
    else if (strcmp(path, "/fields") == 0) fields();
    else if (strcmp(path, "/calls") == 0) calls(query);
    else if (strcmp(path, "/fetch") == 0) fetch();
    else if (strcmp(path, "/keys") == 0) keys();
    else if (strcmp(path, "/others") == 0) others();
    else if (strcmp(path, "/fails") == 0) __builtin_trap();
    else {
        fnvm_answer_field("Content-Type", "text/plain");
        echo();
    }
}
