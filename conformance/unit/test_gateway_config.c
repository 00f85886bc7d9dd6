/* test_gateway_config.c - the gateway's YAML: what is read, what is refused and where, what is
 * printed for workers, and which function a request goes to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/config.h"
#include "verifier/policy/manifest.h"

static char folder[] = "/tmp/fnvm-config-XXXXXX";

static HttpText text(const char *t) { return (HttpText){t, strlen(t)}; }

/* In our folder, below which `name` may be in another. */
static void write_file(const char *name, const char *contents)
{
    char path[200], *slash;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(contents, file);
    fclose(file);
}

static Config *parsed(const char *yaml)
{
    Config *c = NULL;
    fnvm_error *error = config_parse("g.yaml", yaml, strlen(yaml), &c);
    if (error) fail_msg("%s", fnvm_error_message(error));
    return c;
}

static Config *loaded(const char *yaml)
{
    char path[200];
    Config *c = NULL;
    write_file("g.yaml", yaml);
    snprintf(path, sizeof path, "%s/g.yaml", folder);
    fnvm_error *error = config_load(path, &c);
    if (error) fail_msg("%s", fnvm_error_message(error));
    return c;
}

static void refused(const char *yaml, const char *expected)
{
    Config *c = NULL;
    fnvm_error *error = config_parse("g.yaml", yaml, strlen(yaml), &c);
    if (!error) fail_msg("accepted: %s", yaml);
    if (!strstr(fnvm_error_message(error), expected))
        fail_msg("expected: %s\n found: %s", expected, fnvm_error_message(error));
    fnvm_error_free(error);
}

/* ---- Reading ---- */

static void has_defaults(void **state)
{
    (void)state;
    Config *c = parsed("functions: [{module: bin/hello.wasm}]\n");
    assert_string_equal(c->listen, "127.0.0.1:8080");
    assert_null(c->status);
    assert_null(c->state);
    assert_true(c->workers >= 1);
    assert_int_equal(c->grace_ms, 30000);
    assert_int_equal(c->narrow, NARROW_AUTO);
    assert_int_equal(c->http.connections, 0);
    assert_int_equal(c->http.head_bytes, 16384);
    assert_int_equal(c->nfunctions, 1);
    const Function *f = &c->functions[0];
    assert_string_equal(f->name, "hello");
    assert_null(f->version);
    assert_string_equal(f->tenant, "default");
    assert_int_equal(f->protocol, PROTOCOL_CGI);
    assert_int_equal(f->timeout_ms, 30000);
    assert_int_equal(f->concurrency, 64);
    assert_null(f->kv_prefix);
    assert_int_equal(c->nroutes, 1);
    assert_string_equal(c->routes[0].path, "/hello/*");
    config_free(c);
}

static void reads_everything(void **state)
{
    (void)state;
    Config *c = loaded(
        "listen: unix:web\nstatus: '[::1]:0'\nadmin: a.sock\nstate: /var/x\nworkers: 3\n"
        "grace: 2s\nnarrow: no\naccess_log: '-'\nkv: redis://localhost:6379/1\n"
        "redis: {user: u, password: {file: p}, ca: ca.pem, certificate: c.pem, key: /k.pem}\n"
        "limits: {connections: 7, connections_per_address: 2, head: 8k, body: 1M, buffer: 64k,"
        " head_time: 1s, body_time: 2s, idle_time: 1500ms}\n"
        "tenants: {acme: {concurrency: 5, memory: 1G}, b: {}}\n"
        "functions:\n  - {module: m.wat, name: f, version: 1.2, routes: [GET a.org/x, /y/*],"
        " protocol: handler, tenant: acme, timeout: 1s, concurrency: 1, queue: 0, ready: 2,"
        " body: 1k, answer: 2k, log: 3k, memory: 64M, environment: {A: b},"
        " secrets: {KEY: {file: key}}, calls: ['*'], http: ['https://e.org/*'], kv: true}\n");
    char path[200];
    snprintf(path, sizeof path, "unix:%s/web", folder);
    assert_string_equal(c->listen, path);
    snprintf(path, sizeof path, "%s/a.sock", folder);
    assert_string_equal(c->admin, path);
    snprintf(path, sizeof path, "%s/p", folder);
    assert_string_equal(c->redis.password_file, path);
    snprintf(path, sizeof path, "%s/ca.pem", folder);
    assert_string_equal(c->redis.ca, path);
    assert_string_equal(c->redis.key, "/k.pem");
    assert_string_equal(c->state, "/var/x");
    assert_string_equal(c->access_log, "-");
    assert_int_equal(c->narrow, NARROW_NO);
    assert_int_equal(c->http.idle_ms, 1500);
    assert_int_equal(c->tenants[0].concurrency, 5);
    assert_int_equal(c->tenants[0].memory_bytes, 1 << 30);
    assert_int_equal(c->tenants[1].concurrency, UINT32_MAX);
    const Function *f = config_function(c, "f", 1);
    assert_non_null(f);
    assert_string_equal(f->version, "1.2");
    assert_int_equal(f->protocol, PROTOCOL_HANDLER);
    assert_string_equal(f->kv_prefix, "f");
    assert_string_equal(f->env[0].value, "b");
    snprintf(path, sizeof path, "%s/key", folder);
    assert_string_equal(f->secrets[0].value, path);
    assert_int_equal(c->nroutes, 2);
    assert_null(config_function(c, "ff", 2));
    config_free(c);
}

static void gateway_overrides_the_manifest(void **state)
{
    (void)state;
    write_file("one/function.yaml",
               "name: one\nversion: 7\nmodule: m.wasm\nargs: [a]\nenvironment: {A: '1', B: '2'}\n"
               "mounts: [{host: files, guest: /files}]\n"
               "serve: {routes: [/one], timeout: 5s, concurrency: 3, secrets: {S: {file: s}}}\n");
    Config *c = loaded("functions: [{folder: one, timeout: 9s, environment: {B: three}}]\n");
    const Function *f = config_function(c, "one", 3);
    assert_non_null(f);
    assert_string_equal(f->version, "7");
    assert_int_equal(f->timeout_ms, 9000);
    assert_int_equal(f->concurrency, 3);
    assert_string_equal(c->routes[0].path, "/one");
    assert_int_equal(f->nenv, 2);
    assert_string_equal(f->env[0].value, "1");
    assert_string_equal(f->env[1].value, "three");
    assert_int_equal(f->nmounts, 1);
    assert_true(f->mounts[0].read_only);
    char path[200];
    snprintf(path, sizeof path, "%s/one/s", folder); /* where it is said */
    assert_string_equal(f->secrets[0].value, path);
    config_free(c);
}

static void takes_a_folder_of_functions(void **state)
{
    (void)state;
    write_file("all/b/function.yaml", "name: b\nmodule: m.wasm\n");
    write_file("all/a/function.yaml", "name: a\nmodule: m.wasm\n");
    write_file("all/none/readme", "");
    Config *c = loaded("functions: all\n");
    assert_int_equal(c->nfunctions, 2);
    assert_string_equal(c->functions[0].name, "a");
    config_free(c);
}

static void refuses(void **state)
{
    (void)state;
    static const struct { const char *yaml, *expected;
    } rows[] = {
        {"lisen: x\n", "g.yaml:1:1: there is no key `lisen`; did you mean `listen`?"},
        {"workers: 65\n", "g.yaml:1:10: workers: expected a number up to 64, found `65`"},
        {"listen: 8080\n", "g.yaml:1:9: listen: expected an address"},
        {"listen: a:65536\n", "g.yaml:1:9: listen: expected an address"},
        {"\nlimits: {head: 100}\n", "g.yaml:2:16: limits.head: expected bytes from 512 to 1MiB"},
        {"redis: {user: u}\n", "`redis` is for a `kv` that is in Redis"},
        {"kv: redis://h\nredis: {password: secret}\n", "a map: {file: FILE}"},
        {"kv: memcached\n", "g.yaml:1:5: kv: expected file, redis:"},
        {"tenants: {x y: {}}\n", "g.yaml:1:11: tenants: expected"},
        {"tenants: {a: {concurency: 1}}\n", "tenants: there is no key `concurency`"},
        {"functions: [{name: x}]\n", "one of folder, manifest, module and image"},
        {"functions: [{module: a.wasm, image: b, folder: c}]\n", "one of folder, manifest"},
        {"functions: [{module: 'a b.wasm'}]\n", "expected `name`"},
        {"functions: [{module: a.wasm, routes: [x]}]\n",
         "g.yaml:1:39: functions.routes: expected a route"},
        {"functions: [{module: a.wasm, routes: [get /x]}]\n", "expected a route"},
        {"functions: [{module: a.wasm, routes: [/x*]}]\n", "expected a route"},
        {"functions: [{module: a.wasm, routes: [/a/../b]}]\n", "expected a route"},
        {"functions: [{module: a.wasm, routes: ['/a?b']}]\n", "expected a route"},
        {"functions: [{module: a.wasm, routes: [a.*.org/x]}]\n", "expected a route"},
        {"functions: [{module: a.wasm, timeout: 0}]\n", "expected a time from 1ms to 24h"},
        {"functions: [{module: a.wasm, concurrency: 0}]\n", "expected a number from 1 to 1000000"},
        {"functions: [{module: a.wasm, secrets: {A: b}}]\n",
         "secrets: expected a map: {file: FILE}"},
        {"functions: [{module: a.wasm, http: [example.org]}]\n",
         "expected an address such as https"},
        {"functions: [{module: a.wasm, environment: {A: x}, secrets: {A: {file: f}}}]\n",
         "has the variable A as a secret, and in its environment"},
        {"functions:\n  - module: a.wasm\n  - module: b/a.wasm\n",
         "g.yaml:3: there is a function `a` already, in g.yaml:2"},
        {"functions:\n  - {module: a.wasm, routes: [/x, GET h/y]}\n  - module: b.wasm\n    "
         "routes:\n      - GET h/y\n",
         "g.yaml:5: the route `GET h/y` of `b` is in g.yaml:2 already, of `a`"},
        {"functions: [{module: a.wasm, native: {library: libm.so.6, functions: {cos: f64(f64)}}}]\n",
         "native: [libm.so.6]`, and there is none"},
        {"functions: none\n", "g.yaml:1:12: functions"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) refused(rows[i].yaml, rows[i].expected);
}

/* What processes tell each other is no business of who misspells a key. */
static void names_no_internal_keys(void **state)
{
    (void)state;
    Config *c = NULL;
    const char *yaml = "functions: [{module: a.wasm, qqq: 1}]\n";
    fnvm_error *error = config_parse("g.yaml", yaml, strlen(yaml), &c);
    assert_non_null(error);
    assert_non_null(strstr(fnvm_error_message(error), "http, kv, start_time"));
    assert_null(strstr(fnvm_error_message(error), "slot"));
    assert_null(strstr(fnvm_error_message(error), "measurement"));
    fnvm_error_free(error);
}

/* ---- The manual's defaults ---- */

/* All numbers and choices that a configuration of one function comes to. */
static size_t print_numbers(const Config *c, char *to, size_t size)
{
    const HttpLimits *l = &c->http;
    const Function *f = &c->functions[0];
    return (size_t)snprintf(
        to, size, "%s %u %d %ld %s| %u %u %ld %ld %ld %ld %ld %ld| %d %s %ld %ld %ld %ld %ld %u %u %u %ld %s "
                  "%zu %zu %zu %zu %zu",
        c->listen, c->workers, c->narrow, (long)c->grace_ms, c->kv ? c->kv : "file", l->connections,
        l->connections_per_address, (long)l->head_bytes, (long)l->body_bytes, (long)l->buffer_bytes,
        (long)l->head_ms, (long)l->body_ms, (long)l->idle_ms, f->protocol, f->tenant,
        (long)f->timeout_ms, (long)f->body_bytes, (long)f->answer_bytes, (long)f->log_bytes,
        (long)f->memory_bytes, f->concurrency, f->queue, f->ready,
        (long)c->source->functions[0].settings.start_time, f->kv_prefix ? f->kv_prefix : "none",
        f->nsecrets, f->ncalls, f->nhttp_allow, f->nenv, c->ntenants);
}

/* A row of docs/gateway.md, as YAML that says what it calls the default; false if it is none. */
static bool row_as_yaml(char *line, char *yaml, size_t size)
{
    static const char *const words[] = {"", "none", "temporary", "STATE/admin", "STATE/depot",
                                        "the manifest's", "/NAME and below"};
    static const char *const top[] = {"listen", "workers", "narrow", "grace", "kv", "tenants",
                                      "limits"};
    char key[64], value[64] = "";
    if (sscanf(line, "| `%63[a-z_.]` | %63[^|]", key, value) < 1) return false;
    for (char *end = value + strlen(value); end > value && end[-1] == ' ';) *--end = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(value, words[i]) == 0) return false;
    if (strcmp(key, "functions") == 0) return false;
    if (strncmp(key, "redis", 5) == 0) return false; /* for a `kv` that is not the default */
    char *below = strchr(key, '.');
    bool outer = below != NULL;
    for (size_t i = 0; i < sizeof top / sizeof *top; i++) outer = outer || strcmp(key, top[i]) == 0;
    if (strcmp(key, "kv") == 0 && strcmp(value, "false") == 0) outer = false;
    if (below) *below++ = '\0';
    const char *start = "functions: [{module: a.wasm";
    if (below) snprintf(yaml, size, "%s: {%s: %s}\n%s}]\n", key, below, value, start);
    else if (outer) snprintf(yaml, size, "%s: %s\n%s}]\n", key, value, start);
    else snprintf(yaml, size, "%s, %s: %s}]\n", start, key, value);
    return true;
}

static void the_manual_has_the_defaults(void **state)
{
    (void)state;
    FILE *page = fopen("docs/gateway.md", "r");
    if (!page) skip(); /* not started in the project's folder */
    char line[1024], yaml[256], usual[1024], said[1024];
    Config *c = parsed("functions: [{module: a.wasm}]\n");
    print_numbers(c, usual, sizeof usual);
    config_free(c);
    unsigned rows = 0;
    while (fgets(line, sizeof line, page)) {
        if (!row_as_yaml(line, yaml, sizeof yaml)) continue;
        rows++;
        c = parsed(yaml);
        print_numbers(c, said, sizeof said);
        config_free(c);
        if (strcmp(said, usual) != 0) fail_msg("docs/gateway.md: %s%s\n%s", line, said, usual);
    }
    fclose(page);
    assert_true(rows >= 25);
}

/* ---- Printing ---- */

static void prints_what_it_reads(void **state)
{
    (void)state;
    Config *c = parsed(
        "listen: 'unix:/a b'\nstate: /s\ndepot: /d\nstatus: '[::1]:99'\nworkers: 2\n"
        "kv: redis://h\nredis: {user: 'a b', password: {file: /p}, certificate: /c, key: /k}\n"
        "generation: 41\ntenants: {t: {memory: 5}, u: {}}\nfunctions:\n"
        "  - {image: /i, name: one, version: 1, slot: 9, routes: [/a, GET /a, '*.b.org/*'],"
        " args: ['a\"b', \"\\u00e9\"], environment: {A: \"x\\ny\"}, secrets: {K: {file: /k}},"
        " mounts: [{host: /h, guest: /g, access: rw}], kv: shared, calls: [one],"
        " http: ['http://x/*'], timeout: 1234ms}\n"
        "  - {image: /j, name: two, policy: /p, protocol: faasm, routes: [], native: [{library: libm.so.6, module: 'a b',"
        " functions: {cos: f64(f64), power: 'f64 pow(f64, f64)'}}]}\n");
    char *first = NULL, *second = NULL;
    size_t len, again;
    assert_null(config_print(c, &first, &len));
    Config *d = parsed(first);
    assert_null(config_print(d, &second, &again));
    assert_int_equal(len, again);
    assert_string_equal(first, second);
    assert_int_equal(d->generation, 41);
    assert_string_equal(d->redis.user, "a b");
    assert_string_equal(d->redis.password_file, "/p");
    assert_string_equal(d->redis.certificate, "/c");
    assert_string_equal(d->redis.key, "/k");
    assert_null(d->redis.ca);
    assert_int_equal(d->functions[0].slot, 9);
    assert_int_equal(d->functions[0].timeout_ms, 1234);
    assert_string_equal(d->functions[0].env[0].value, "x\ny");
    assert_false(d->functions[0].mounts[0].read_only);
    assert_int_equal(d->nroutes, 3);
    assert_int_equal(d->tenants[1].memory_bytes, UINT64_MAX);
    assert_string_equal(d->functions[1].policy, "/p");
    assert_int_equal(d->functions[1].protocol, PROTOCOL_FAASM);
    assert_int_equal(d->functions[0].nnative, 0);
    assert_int_equal(d->functions[1].nnative, 1);
    assert_string_equal(d->functions[1].native[0].module, "a b");
    assert_string_equal(d->functions[1].native[0].functions[1].signature, "f64 pow(f64, f64)");
    free(first);
    free(second);
    config_free(c);
    config_free(d);
}

/* ---- Routes ---- */

typedef struct Ask { const char *method, *host, *path, *function, *rest; } Ask;

static void ask(const Config *c, const Ask *a)
{
    HttpText rest;
    const Route *r = config_route(c, text(a->method), text(a->host), text(a->path), &rest);
    if (!a->function) {
        if (r) fail_msg("%s %s%s fits %s", a->method, a->host, a->path, r->path);
        return;
    }
    if (!r) fail_msg("%s %s%s fits nothing", a->method, a->host, a->path);
    assert_string_equal(c->functions[r->function].name, a->function);
    assert_int_equal(rest.len, strlen(a->rest));
    assert_memory_equal(rest.at, a->rest, rest.len);
}

static void finds_the_narrowest(void **state)
{
    (void)state;
    Config *c = parsed("functions:\n"
                       "  - {image: /i, name: all, routes: [/*]}\n"
                       "  - {image: /i, name: a, routes: [/a/*]}\n"
                       "  - {image: /i, name: ab, routes: [/a/b]}\n"
                       "  - {image: /i, name: abc, routes: [GET /a/b/c/*]}\n"
                       "  - {image: /i, name: any, routes: ['*.org/*']}\n"
                       "  - {image: /i, name: ending, routes: ['*.x.org/*']}\n"
                       "  - {image: /i, name: host, routes: [w.x.org/*]}\n");
    static const Ask asks[] = {
        {"GET", "h", "/", "all", "/"},           {"GET", "", "/b", "all", "/b"},
        {"GET", "h", "/ab", "all", "/ab"},       {"GET", "h", "/a", "a", ""},
        {"GET", "h", "/a/", "a", "/"},           {"PUT", "h", "/a/x/y", "a", "/x/y"},
        {"GET", "h", "/a/b", "ab", ""},          {"GET", "h", "/a/b/", "a", "/b/"},
        {"GET", "h", "/a/b/c", "abc", ""},       {"PUT", "h", "/a/b/c", "a", "/b/c"},
        {"GET", "q.org", "/a/b", "any", "/a/b"}, {"GET", "org", "/a/b", "ab", ""},
        {"GET", "v.x.org", "/", "ending", "/"},  {"GET", "W.X.ORG", "/", "host", "/"},
        {"GET", "x.org", "/", "any", "/"},
    };
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) ask(c, &asks[i]);
    config_free(c);
}

static void knows_other_methods(void **state)
{
    (void)state;
    Config *c = parsed("functions: [{image: /i, name: f, routes: [GET /a, POST h/a]}]\n");
    ask(c, &(Ask){"GET", "x", "/a", "f", ""});
    ask(c, &(Ask){"POST", "x", "/a", NULL, NULL});
    assert_true(config_other_method(c, text("x"), text("/a")));
    assert_false(config_other_method(c, text("x"), text("/b")));
    ask(c, &(Ask){"POST", "h", "/a", "f", ""});
    ask(c, &(Ask){"GET", "h", "", NULL, NULL});
    config_free(c);
}

static int make_folder(void **state) { return (void)state, mkdtemp(folder) ? 0 : -1; }

static int remove_folder(void **state)
{
    char command[200];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* ---- What is printed ---- */

static Config *printed_and_read(const Config *c)
{
    char *text;
    size_t len;
    Config *again = NULL;
    fnvm_error *error = config_print(c, &text, &len);
    if (!error) {
        error = config_parse("the table", text, len, &again);
        free(text);
    }
    if (error) fail_msg("%s", fnvm_error_message(error));
    return again;
}

/* As many functions as a gateway may have, in a file that leaves out all that it can. */
static void prints_as_many_as_it_reads(void **state)
{
    (void)state;
    char *yaml = NULL;
    size_t len;
    FILE *out = open_memstream(&yaml, &len);
    fputs("functions:\n", out);
    for (int i = 0; i < 500; i++) fprintf(out, "- {image: f%d.fnvmi}\n", i);
    fclose(out);
    Config *c = loaded(yaml), *again = printed_and_read(c);
    assert_int_equal(again->nfunctions, 500);
    assert_string_equal(again->functions[499].name, "f499");
    config_free(again);
    config_free(c);
    free(yaml);
}

/* Texts that would be something else in YAML if they were not written with care. */
static void prints_texts_as_texts(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\\\"}\\n  - name: evil",  "x: y # z", "- a", "null", "~", "true", "*a", "&a", "!!int 5",
        "{a: b}", "[a, b]", "\\u0001\\u0085\\u2028\\uFEFF\\U0001F600", "---", "%TAG", " ", "a\\tb", "\\\\",
        "'", "\\r\\nX: 1", "?"};
    enum { N = sizeof texts / sizeof *texts };
    char *yaml = NULL;
    size_t len;
    FILE *out = open_memstream(&yaml, &len);
    fputs("functions:\n- {image: m.fnvmi, args: [", out);
    for (int i = 0; i < N; i++) fprintf(out, "\"%s\", ", texts[i]);
    fputs("], environment: {", out);
    for (int i = 0; i < N; i++) fprintf(out, "V%d: \"%s\", ", i, texts[i]);
    fputs("}}\n", out);
    fclose(out);
    Config *c = loaded(yaml), *again = printed_and_read(c);
    const Function *f = &c->functions[0], *g = &again->functions[0];
    assert_int_equal(again->nfunctions, 1);
    assert_int_equal(g->nargs, N);
    assert_int_equal(g->nenv, N);
    for (int i = 0; i < N; i++) {
        assert_string_equal(f->args[i], g->args[i]);
        assert_string_equal(f->env[i].value, g->env[i].value);
    }
    config_free(again);
    config_free(c);
    free(yaml);
}

/* ---- Keys and values ---- */

static void keeps_keys_apart(void **state)
{
    (void)state;
    Config *c = parsed("functions: [{module: a.wasm, kv: true}, {module: ab.wasm, kv: true},"
                       " {module: b.wasm, kv: ab}]\n");
    char *a = config_keys(&c->functions[0]), *ab = config_keys(&c->functions[1]),
         *shared = config_keys(&c->functions[2]);
    assert_int_not_equal(strncmp(a, ab, strlen(a)), 0); /* its keys would be among a's */
    assert_string_equal(ab, shared);
    free(a);
    free(ab);
    free(shared);
    config_free(c);
    refused("functions: [{module: a.wasm, kv: a/b}]\n", "a name");
    config_free(parsed("kv: redis+unix:/run/redis.sock\n"));
    config_free(parsed("kv: rediss://h\nredis: {ca: ca.pem}\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(has_defaults),
                                       cmocka_unit_test(reads_everything),
                                       cmocka_unit_test(gateway_overrides_the_manifest),
                                       cmocka_unit_test(takes_a_folder_of_functions),
                                       cmocka_unit_test(refuses),
                                       cmocka_unit_test(names_no_internal_keys),
                                       cmocka_unit_test(the_manual_has_the_defaults),
                                       cmocka_unit_test(prints_what_it_reads),
                                       cmocka_unit_test(prints_as_many_as_it_reads),
                                       cmocka_unit_test(prints_texts_as_texts),
                                       cmocka_unit_test(keeps_keys_apart),
                                       cmocka_unit_test(finds_the_narrowest),
                                       cmocka_unit_test(knows_other_methods)};
    return cmocka_run_group_tests_name("gateway config", tests, make_folder, remove_folder);
}
