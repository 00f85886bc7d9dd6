/* test_gateway_cgi.c - answers of programs read, requests written for programs, traces, timers: with hostile bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/answer.h"
#include "gateway/head.h"
#include "gateway/timers.h"
#include "gateway/trace.h"

/* ---- Answers ---- */

static AnswerHead head;

/* What is wrong with it, or NULL; the body is behind *end. */
static const char *parse(const char *text, bool status_line, size_t *end)
{
    size_t seen = 0;
    *end = answer_head_end(text, strlen(text), &seen);
    assert_true(*end > 0);
    return answer_head_parse(text, *end, status_line, &head);
}

static void good(const char *text, bool status_line, unsigned status, size_t nfields, const char *body)
{
    size_t end;
    const char *wrong = parse(text, status_line, &end);
    if (wrong) fail_msg("%s: %s", text, wrong);
    assert_int_equal(head.status, status);
    assert_int_equal(head.nfields, nfields);
    assert_string_equal(text + end, body);
}

static void bad(const char *text, bool status_line, const char *why)
{
    size_t end;
    const char *wrong = parse(text, status_line, &end);
    if (!wrong) fail_msg("accepted: %s", text);
    if (!strstr(wrong, why)) fail_msg("%s: %s", text, wrong);
}

static void answers_are_read(void **state)
{
    (void)state;
    good("Content-Type: text/plain\n\nhi", false, 200, 1, "hi");
    good("Content-Type: text/plain\r\n\r\nhi", false, 200, 1, "hi");
    good("Content-Type:a\r\nX-Y: \t b \t \n\n\nbody", false, 200, 2, "\nbody");
    assert_int_equal(head.fields[1].value.len, 1);
    good("Status: 404 Not Found\n\n", false, 404, 0, "");
    good("status:  204\n\n", false, 204, 0, "");
    good("Location: /x\n\n", false, 302, 1, "");
    good("Status: 301\nLocation: /x\n\n", false, 301, 1, "");
    good("HTTP/1.1 203 Seen\r\nA: b\r\n\r\n", true, 203, 1, "");
    good("HTTP/1.0 200\n\nx", true, 200, 0, "x");
    good("Content-Type: a\n\n", true, 200, 1, "");
    good("Content-Type: a\nContent-Length: 12\nConnection: close\nTransfer-Encoding: chunked\nDate: x\n\n", false,
         200, 1, "");
    assert_int_equal(head.length, 12);
}

static void wrong_answers_are_refused(void **state)
{
    (void)state;
    bad("\n", false, "no Content-Type");
    bad("\r\nbody", false, "no Content-Type");
    bad("X-Y: z\n\n", false, "no Content-Type");
    bad("Content-Type text\n\n", false, "no colon");
    bad(": x\nContent-Type: a\n\n", false, "proper name");
    bad("Content-Type : a\n\n", false, "proper name");
    bad(" Content-Type: a\n\n", false, "proper name");
    bad("Content-Type: a\n folded\n\n", false, "no colon");
    bad("Content-Type: a\rSet-Cookie: b\n\n", false, "control characters");
    bad("Content-Type: a\x01\n\n", false, "control characters");
    bad("Content-Type: a\x7f\n\n", false, "control characters");
    bad("X\x80: a\nContent-Type: a\n\n", false, "proper name");
    bad("Status: 99\n\n", false, "status");
    bad("Status: 100\n\n", false, "status");
    bad("Status: 600\n\n", false, "status");
    bad("Status: 2000\n\n", false, "status");
    bad("Status: +20\n\n", false, "status");
    bad("Status: 200\nStatus: 200\n\n", false, "two statuses");
    bad("Content-Length: 1\nContent-Length: 2\nContent-Type: a\n\n", false, "two lengths");
    bad("Content-Length: -1\n\n", false, "no number");
    bad("Content-Length: 99999999999999999999\n\n", false, "no number");
    bad("Content-Length:\n\n", false, "no number");
    bad("HTTP/1.1 200 OK\n\n", false, "no colon");
    bad("HTTP/1.1\nA: b\n\n", true, "status line");
    bad("HTTP/1.1 20\nA: b\n\n", true, "status line");
    bad("HTTP/1.1 101 Switching\n\n", true, "status line");
    bad("HTTP/1.1 200 OK\nStatus: 200\n\n", true, "two statuses");
}

static void an_end_is_found_piece_by_piece(void **state)
{
    (void)state;
    static const char *const texts[] = {"A: b\n\nx", "A: b\r\n\r\nx", "A: b\nC: d\r\n\nx", "\nx", "\r\nx"};
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
        const size_t len = strlen(texts[t]);
        size_t seen = 0, end = 0;
        for (size_t n = 1; n <= len && !end; n++) end = answer_head_end(texts[t], n, &seen);
        assert_int_equal(end, len - 1);
        seen = 0;
        assert_int_equal(answer_head_end(texts[t], len, &seen), len - 1);
    }
    size_t seen = 0;
    assert_int_equal(answer_head_end("A: b\r", 5, &seen), 0);
    assert_int_equal(answer_head_end("A: b\n\rx\n", 8, &seen), 0);
}

static void fields_have_a_limit(void **state)
{
    (void)state;
    Text text = {0};
    text_put(&text, "Content-Type: a\n");
    for (int i = 0; i < TUNE_ANSWER_FIELDS - 1; i++) text_put(&text, "X: y\n");
    const size_t fits = text.len;
    text_put(&text, "\n");
    assert_null(answer_head_parse(text.at, text.len, false, &head));
    text.len = fits;
    text_put(&text, "X: y\n\n");
    assert_non_null(answer_head_parse(text.at, text.len, false, &head));
    text_free(&text);
}

/* ---- Requests ---- */

#define TEXT(literal) {literal, sizeof literal - 1}

static Head request(const HttpField *fields, size_t n)
{
    Head h = {.method = TEXT("GET"), .target = TEXT("/a%2Fb/c?d=e"), .path = TEXT("/a/b/c"),
              .query = TEXT("d=e"), .host = TEXT("h"), .script = TEXT("/a"), .rest = TEXT("/b/c"),
              .route = TEXT("/a/*"), .fields = fields, .nfields = n, .has_length = true,
              .peer = "192.0.2.1", .peer_port = 99, .call_id = "ID", .traceparent = "TRACE"};
    return h;
}

static const char *find(const Text *t, const char *name) /* a variable's value, or NULL */
{
    const char *found = NULL;
    const size_t len = strlen(name);
    for (const char *at = t->at; at < t->at + t->len; at += strlen(at) + 1) {
        assert_non_null(strchr(at, '='));
        if (strncmp(at, name, len) != 0 || at[len] != '=') continue;
        assert_null(found); /* only once */
        found = at + len + 1;
    }
    return found;
}

static void variables_are_made(void **state)
{
    (void)state;
    static const HttpField fields[] = {
        {TEXT("Content-Type"), TEXT("text/x")}, {TEXT("Proxy"), TEXT("evil")}, {TEXT("PROXY"), TEXT("evil")},
        {TEXT("x-a"), TEXT("1")},    {TEXT("X_A"), TEXT("2")},     {TEXT("X-A"), TEXT("3")},
        {TEXT("Cookie"), TEXT("a")}, {TEXT("cookie"), TEXT("b")},  {TEXT("X-B!"), TEXT("no")},
        {TEXT("X=C"), TEXT("no")},   {TEXT("Content-Length"), TEXT("7")},
        {TEXT("Connection"), TEXT("x")}, {TEXT("X-Call-Id"), TEXT("other")}, {TEXT("Traceparent"), TEXT("other")}};
    Head h = request(fields, sizeof fields / sizeof fields[0]);
    h.length = 7;
    const CgiServer server = {.port = TEXT("8080")};
    Text t = {0};
    cgi_variables(&h, &server, &t);
    assert_false(t.failed);
    static const char *const expected[][2] = {
        {"REQUEST_METHOD", "GET"}, {"SCRIPT_NAME", "/a"}, {"PATH_INFO", "/b/c"}, {"QUERY_STRING", "d=e"},
        {"X_RAW_PATH_INFO", "%2Fb/c"}, {"X_MATCHED_ROUTE", "/a/*"}, {"SERVER_PORT", "8080"},
        {"X_FULL_URL", "http://h:8080/a%2Fb/c?d=e"}, {"CONTENT_TYPE", "text/x"}, {"CONTENT_LENGTH", "7"},
        {"HTTP_X_A", "1, 3"}, {"HTTP_COOKIE", "a; b"}, {"HTTP_X_CALL_ID", "ID"}, {"HTTP_TRACEPARENT", "TRACE"},
        {"REMOTE_ADDR", "192.0.2.1"}, {"REMOTE_PORT", "99"}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const char *value = find(&t, expected[i][0]);
        if (!value) fail_msg("no %s", expected[i][0]);
        assert_string_equal(value, expected[i][1]);
    }
    static const char *const absent[] = {"HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_X_B!",
                                         "HTTP_X=C", "HTTP_CONNECTION"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) assert_null(find(&t, absent[i]));
    text_free(&t);
}

static void a_head_is_written(void **state)
{
    (void)state;
    static const HttpField fields[] = {
        {TEXT("Host"), TEXT("h")}, {TEXT("Transfer-Encoding"), TEXT("chunked")}, {TEXT("TE"), TEXT("x")},
        {TEXT("X-Y"), TEXT("z")},  {TEXT("Expect"), TEXT("100-continue")}, {TEXT("x-call-id"), TEXT("no")}};
    Head h = request(fields, sizeof fields / sizeof fields[0]);
    h.has_length = false;
    Text t = {0};
    http_head_text(&h, &t);
    text_char(&t, 0);
    assert_string_equal(t.at, "GET /a%2Fb/c?d=e HTTP/1.1\r\nHost: h\r\nX-Y: z\r\nX-Call-Id: ID\r\n"
                              "Traceparent: TRACE\r\n\r\n");
    text_free(&t);
}

static void a_head_can_be_kept(void **state)
{
    (void)state;
    char name[] = "X-Y", value[] = "z";
    HttpField *fields = malloc(sizeof *fields);
    assert_non_null(fields);
    fields[0] = (HttpField){{name, 3}, {value, 1}};
    Head h = request(fields, 1);
    Text copies = {0}, kept = {0};
    assert_true(head_own(&h, &copies, &kept));
    free(fields);
    memset(name, '?', sizeof name);
    memset(value, '?', sizeof value);
    assert_memory_equal(h.fields[0].name.at, "X-Y", 3);
    assert_memory_equal(h.fields[0].value.at, "z", 1);
    assert_memory_equal(h.target.at, "/a%2Fb/c?d=e", 12);
    text_free(&copies);
    text_free(&kept);
}

static void addresses_are_printed(void **state)
{
    (void)state;
    Head h;
    const struct sockaddr_storage none = {0};
    struct sockaddr_storage peer = {.ss_family = AF_INET};
    memcpy((char *)&peer + 2, "\x1f\x90\xff\x00\x0a\x63", 6);
    head_set_peer(&h, &peer);
    assert_string_equal(h.peer, "255.0.10.99");
    assert_int_equal(h.peer_port, 8080);
    head_set_peer(&h, &none);
    assert_string_equal(h.peer, "");
}

static void json_is_escaped(void **state)
{
    (void)state;
    static const char in[] = "a\"b\\\n\x1f\x7f\xc3\xa9\xff\xed\xa0\x80\xf4\x90\x80\x80z\xc3";
    Text t = {0};
    text_json(&t, (HttpText){in, sizeof in - 1});
    text_char(&t, 0);
    assert_string_equal(t.at, "\"a\\\"b\\\\\\u000a\\u001f\\u007f\xc3\xa9\\ufffd\\ufffd\\ufffd\\ufffd"
                              "\\ufffd\\ufffd\\ufffd\\ufffdz\\ufffd\"");
    text_free(&t);
}

/* ---- Traces ---- */

static void traces_go_on(void **state)
{
    (void)state;
    static const char good_one[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    static const char *const wrong[] = {
        "", "00", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x"};
    TraceSource source;
    char out[TRACE_PARENT_LEN + 1], again[TRACE_PARENT_LEN + 1];
    assert_true(trace_source_new(&source));
    trace_next(&source, (HttpText)TEXT(good_one), out);
    assert_memory_equal(out, good_one, 36);
    assert_memory_not_equal(out + 36, good_one + 36, 16);
    assert_string_equal(out + 52, "-01");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        trace_next(&source, text_of(wrong[i]), out);
        assert_memory_not_equal(out + 3, good_one + 3, 32);
        assert_string_equal(out + 52, "-00");
        trace_next(&source, text_of(out), again); /* what is made is well-formed */
        assert_memory_equal(again, out, 36);
    }
}

/* ---- Timers ---- */

static uint64_t fired_at;
static size_t fired;

static void note(Timer *t)
{
    assert_true(t->at_ns >= fired_at); /* in order */
    fired_at = t->at_ns;
    fired++;
}

static void timers_fire_in_order(void **state)
{
    (void)state;
    enum { N = 500 };
    static Timer all[N];
    Timers timers = {0};
    uint64_t random = 1;
    size_t set = 0;
    assert_true(timers_reserve(&timers, N));
    assert_true(timers_next(&timers) == UINT64_MAX);
    for (int step = 0; step < 20000; step++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        Timer *t = &all[(random >> 33) % N];
        t->fire = note;
        set -= t->place != 0;
        if (random >> 63) timer_clear(&timers, t);
        else timer_set(&timers, t, (random >> 20) % 1000 + 1);
        set += t->place != 0;
        assert_int_equal(timers.n, set);
    }
    for (uint64_t now = 0; now <= 1000; now += 10) {
        timers_fire(&timers, now);
        assert_true(timers_next(&timers) > now);
    }
    assert_int_equal(fired, set);
    timers_free(&timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test(wrong_answers_are_refused),
        cmocka_unit_test(an_end_is_found_piece_by_piece),
        cmocka_unit_test(fields_have_a_limit),
        cmocka_unit_test(variables_are_made),
        cmocka_unit_test(a_head_is_written),
        cmocka_unit_test(a_head_can_be_kept),
        cmocka_unit_test(addresses_are_printed),
        cmocka_unit_test(json_is_escaped),
        cmocka_unit_test(traces_go_on),
        cmocka_unit_test(timers_fire_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
