/* fnvm:http: which URLs there are, which a list allows, what is sent, and how an answer is taken
 * apart. */
#include "conformance/unit/services_world.h"

/* ---- URLs ---- */

static Url url; /* 16 KiB */

static const char *printed(const char *text)
{
    static char out[2 * URL_BYTES];
    if (!url_parse(text, strlen(text), &url)) return "refused";
    url_print(&url, out, sizeof out);
    return out;
}

static void urls_have_one_spelling(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"https://Example.ORG", "https://example.org:443/"},
        {"HTTP://a.b:8080/x?y=1/../z", "http://a.b:8080/x?y=1/../z"},
        {"http://a.b?q", "http://a.b:80/?q"},
        {"http://127.0.0.1/a%20b", "http://127.0.0.1:80/a%20b"},
        {"http://[2001:DB8::0:1]:99/", "http://[2001:db8::1]:99/"},
        {"https://h/a..b/...", "https://h:443/a..b/..."}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(printed(rows[i][0]), rows[i][1]);
}

static void urls_that_two_could_read_differently(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "example.org",
                                      "ftp://h/",
                                      "file:///etc/passwd",
                                      "https://",
                                      "https:///x",
                                      "https://user@h/",
                                      "https://h@evil/",
                                      "https://h:443:1/",
                                      "https://h:/",
                                      "https://h:0/",
                                      "https://h:65536/",
                                      "https://h:x/",
                                      "https://h/#f",
                                      "https://h/a b",
                                      "https://h/a\tb",
                                      "https://h/\xC3\xA9",
                                      "https://h\\@evil/",
                                      "https://h/a\\b",
                                      "https://h/../x",
                                      "https://h/a/..",
                                      "https://h/./x",
                                      "https://h/%2e%2e/x",
                                      "https://h/%2E./x",
                                      "https://h/a%2f..%2fx",
                                      "https://h/a%5c..%5cx",
                                      "https://h/%252e%252e/x",
                                      "https://h/%252e%252e/%2500", /* not all the way */
                                      "https://h/%252e%252e/%25zz",
                                      "https://h/%252e%252e%2500",
                                      "https://h/..;a/x",
                                      "https://h/%zz",
                                      "https://h/%0d%0ax",
                                      "https://h/%00",
                                      "https://127.1/",
                                      "https://0x7f.0.0.1/",
                                      "https://0x7f000001/",
                                      "https://2130706433/",
                                      "https://127.0.0.01/",
                                      "https://1.2.3.4.5/",
                                      "https://h./",
                                      "https://.h/",
                                      "https://a..b/",
                                      "https://h.1/",
                                      "https://[::1/",
                                      "https://[::1]x/",
                                      "https://[fe80::1%25eth0]/",
                                      "https://[127.0.0.1]/",
                                      "https://%6c/",
                                      "https://h?#",
                                      "https://h/{x}",
                                      "https://-\x7f/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (url_parse(bad[i], strlen(bad[i]), &url)) fail_msg("taken: %s", bad[i]);
    static char longest[URL_BYTES + 8];
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "http://h/", 9);
    assert_true(url_parse(longest, URL_BYTES, &url));
    assert_false(url_parse(longest, URL_BYTES + 1, &url));
    assert_false(url_parse("http://h\0.evil/", 15, &url));
}

static bool allows(const char *rule, const char *text)
{
    UrlRule r;
    must(url_rule_parse(rule, &r));
    assert_true(url_parse(text, strlen(text), &url));
    const bool result = url_rule_allows(&r, &url);
    url_rule_free(&r);
    return result;
}

static void a_list_allows_what_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *url;
        bool allowed;
    } rows[] = {{"https://h.org", "https://h.org/any/thing?x", true},
                {"https://h.org", "http://h.org/", false},
                {"https://h.org", "https://h.org:444/", false},
                {"https://h.org:444", "https://h.org:444/", true},
                {"https://h.org/", "https://h.org/", true},
                {"https://h.org/", "https://h.org/x", false},
                {"https://h.org/v1/*", "https://h.org/v1/x", true},
                {"https://h.org/v1/*", "https://h.org/v1", false},
                {"https://h.org/v1/*", "https://h.org/v10/x", false},
                {"https://h.org/v1/*", "https://h.org/%761/x", false}, /* as written, too */
                {"https://h.org/v1/*", "https://h.org/v1%2fx", false},
                {"https://h.org/v1", "https://h.org/v1?a=b", true},
                {"https://*.h.org", "https://a.h.org/", true},
                {"https://*.h.org", "https://a.b.h.org/", true},
                {"https://*.h.org", "https://h.org/", false},
                {"https://*.h.org", "https://evilh.org/", false},
                {"https://*", "https://any.where/", true},
                {"https://*", "https://127.0.0.1/", false},
                {"https://*", "https://localhost/", false},
                {"https://*", "https://a.localhost/", false},
                {"https://*:8443/x*", "https://any.where:8443/xy", true},
                {"http://127.0.0.1:8080", "http://127.0.0.1:8080/", true},
                {"http://localhost", "http://localhost/", true},
                {"http://[0:0::1]", "http://[::1]/", true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (allows(rows[i].rule, rows[i].url) != rows[i].allowed)
            fail_msg("%s and %s", rows[i].rule, rows[i].url);
}

static void rules_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "*",
                                      "h.org",
                                      "https://",
                                      "https://*x.org",
                                      "https://a.*.org",
                                      "https://h.org/*/x",
                                      "https://h.org/x?y",
                                      "https://h.org/../x",
                                      "https://h.org/a%20b",
                                      "https://*.127.0.0.1",
                                      "https://*.localhost",
                                      "ftp://h/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        UrlRule r;
        fnvm_error *error = url_rule_parse(bad[i], &r);
        if (!error) fail_msg("taken: %s", bad[i]);
        fnvm_error_free(error);
    }
}

/* ---- Requests ---- */

typedef struct Server {
    char name[256], input[256];
    const char *answer;
    int started;
} Server;

static int64_t on_start(void *env, fnvm_caller *caller, const char *name, size_t name_len,
                        const void *input, size_t len)
{
    Server *s = env;
    (void)caller;
    snprintf(s->name, sizeof s->name, "%.*s", (int)name_len, name);
    snprintf(s->input, sizeof s->input, "%.*s", (int)len, (const char *)input);
    return ++s->started;
}

static bool on_poll(void *env, fnvm_caller *caller, int64_t id, bool wait, uint64_t deadline_ns,
                    int *status, const void **answer, size_t *len, fnvm_error **error)
{
    const Server *s = env;
    (void)caller, (void)id, (void)wait, (void)deadline_ns, (void)error;
    *status = FNVM_SERVICE_OK;
    *answer = s->answer;
    *len = strlen(s->answer);
    return true;
}

static void on_drop(void *env, int64_t id) { (void)env, (void)id; }

static int64_t ask(World *w, const char *method, const char *address, const char *fields,
                   const char *body)
{
    return call(w, "fnvm:http.send", TEXT(w, 0, method), TEXT(w, 100, address),
                TEXT(w, 1000, fields), TEXT(w, 2000, body));
}

static void start(World *w, Server *server)
{
    static const char *const allow[] = {"https://h.org/v1/*", "http://localhost:99"};
    const fnvm_task_backend backend = {server, on_start, on_poll, on_drop};
    world_start(w);
    must(fnvm_services_http(w->services, &backend, allow, 2));
}

static void what_is_sent(void **state)
{
    (void)state;
    World w = {0};
    Server s = {.answer = ""};
    start(&w, &s);
    assert_true(ask(&w, "POST", "https://H.org/v1/x?y", "A: b\r\nC:\r\n", "body") > 0);
    assert_string_equal(s.name, "POST https://h.org:443/v1/x?y");
    assert_string_equal(s.input, "A: b\r\nC:\r\n\r\nbody");
    assert_true(ask(&w, "GET", "http://localhost:99/", "", "") > 0);
    assert_string_equal(s.input, "\r\n");
    s.started = 0;
    assert_int_equal(ask(&w, "GET", "https://h.org/v2/", "", ""), FNVM_SERVICE_DENIED);
    assert_int_equal(ask(&w, "GET", "https://h.org/v1/../v2", "", ""), FNVM_SERVICE_INVALID);
    assert_int_equal(ask(&w, "CONNECT", "https://h.org/v1/", "", ""), FNVM_SERVICE_DENIED);
    assert_int_equal(ask(&w, "GE T", "https://h.org/v1/", "", ""), FNVM_SERVICE_INVALID);
    assert_int_equal(ask(&w, "", "https://h.org/v1/", "", ""), FNVM_SERVICE_INVALID);
    static const char *const fields[] = {"Host: x\r\n",
                                         "content-length: 5\r\n",
                                         "Transfer-Encoding: chunked\r\n",
                                         "A: b\n",
                                         "A: b",
                                         "A b\r\n",
                                         "A: b\r\n\r\nGET / HTTP/1.1\r\n",
                                         ": b\r\n",
                                         "A: \x01\r\n",
                                         "Proxy-Authorization: x\r\n",
                                         " A: b\r\n",
                                         "A : b\r\n",
                                         "\r\n"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (ask(&w, "GET", "https://h.org/v1/", fields[i], "") != FNVM_SERVICE_INVALID)
            fail_msg("taken: %s", fields[i]);
    assert_int_equal(s.started, 0);
    const char *bad = "nonsense";
    fnvm_error *error = fnvm_services_http(w.services, NULL, &bad, 1);
    assert_int_equal(fnvm_error_code(error), FNVM_E_USAGE);
    fnvm_error_free(error);
    world_end(&w);
}

static void answers_are_taken_apart(void **state)
{
    (void)state;
    World w = {0};
    Server s = {.answer = "HTTP 404\r\nA: one\r\na:  two \r\nB:\r\n\r\nnot\r\n\r\nhere"};
    start(&w, &s);
    const int64_t h = ask(&w, "GET", "https://h.org/v1/", "", "");
    assert_int_equal(call(&w, "fnvm:http.status", h), FNVM_SERVICE_TIMEOUT);
    assert_int_equal(call(&w, "fnvm:http.await", h, -1), 0);
    assert_int_equal(call(&w, "fnvm:http.status", h), 404);
    assert_int_equal(call(&w, "fnvm:http.body", h, 0, 3000, 100, 96), 0);
    assert_int_equal(word(&w, 96), 11);
    assert_memory_equal(w.memory + 3000, "not\r\n\r\nhere", 11);
    assert_int_equal(call(&w, "fnvm:http.field", h, TEXT(&w, 0, "A"), 1, 3000, 100, 96), 0);
    assert_int_equal(word(&w, 96), 3);
    assert_memory_equal(w.memory + 3000, "two", 3);
    assert_int_equal(call(&w, "fnvm:http.field", h, TEXT(&w, 0, "b"), 0, 3000, 100, 96), 0);
    assert_int_equal(word(&w, 96), 0);
    assert_int_equal(call(&w, "fnvm:http.field", h, TEXT(&w, 0, "A"), 2, 3000, 100, 96),
                     FNVM_SERVICE_NOT_FOUND);
    assert_int_equal(call(&w, "fnvm:http.fields", h, 0, 3000, 100, 96), 0);
    assert_int_equal(word(&w, 96), 22);
    assert_int_equal(call(&w, "fnvm:http.drop", h), 0);
    static const char *const odd[] = {"", "HTTP 20", "HTTP 2x0\r\n\r\n", "HTTP 200\r\nA: b",
                                      "HTTP 200\r\n"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        s.answer = odd[i];
        const int64_t k = ask(&w, "GET", "https://h.org/v1/", "", "");
        call(&w, "fnvm:http.await", k, -1);
        assert_int_equal(call(&w, "fnvm:http.body", k, 0, 3000, 100, 96), FNVM_SERVICE_FAILED);
    }
    s.answer = "HTTP 204\r\n\r\n";
    const int64_t k = ask(&w, "GET", "https://h.org/v1/", "", "");
    call(&w, "fnvm:http.await", k, -1);
    assert_int_equal(call(&w, "fnvm:http.status", k), 204);
    assert_int_equal(call(&w, "fnvm:http.fields", k, 0, 3000, 100, 96), 0);
    assert_int_equal(word(&w, 96), 0);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(urls_have_one_spelling),
                                       cmocka_unit_test(urls_that_two_could_read_differently),
                                       cmocka_unit_test(a_list_allows_what_it_says),
                                       cmocka_unit_test(rules_that_are_none),
                                       cmocka_unit_test(what_is_sent),
                                       cmocka_unit_test(answers_are_taken_apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
