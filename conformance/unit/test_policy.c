/* test_policy.c - reading policies: what each key becomes, what is refused and where, patterns, and
 * what a policy makes of a configuration. */
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

#include "loader/feature.h"
#include "verifier/policy/manifest.h"

static fnvm_policy *parsed(const char *yaml)
{
    fnvm_policy *policy = NULL;
    fnvm_error *error = fnvm_policy_parse("p.yaml", yaml, strlen(yaml), &policy);
    if (error) fail_msg("%s", fnvm_error_message(error));
    return policy;
}

/* Refused with a message that has `part` in it, after "p.yaml:". */
static void refused(const char *yaml, const char *part)
{
    fnvm_policy *policy = NULL;
    fnvm_error *error = fnvm_policy_parse("p.yaml", yaml, strlen(yaml), &policy);
    if (!error) fail_msg("accepted: %s", yaml);
    assert_int_equal(fnvm_error_code(error), FNVM_E_MALFORMED);
    const char *message = fnvm_error_message(error);
    if (strncmp(message, "p.yaml:", 7) != 0 || strncmp(message + 7, part, strlen(part)) != 0)
        fail_msg("%s\nfound    %s\nexpected p.yaml:%s", yaml, message, part);
    fnvm_error_free(error);
}

static void a_policy_that_says_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "# x\n", "{}", "limits:\nwasi:\nrun:\n", "~"};
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        fnvm_policy *p = parsed(texts[t]);
        for (size_t i = 0; i < CEILINGS; i++) {
            assert_int_equal(p->ceilings[i].most, policy_ceilings[i].most);
            assert_int_equal(p->ceilings[i].line, 0);
        }
        assert_int_equal(p->features, FNVM_FEATURES_3_0);
        assert_true(p->any_import && p->any_call && p->any_dir && p->any_env);
        assert_false(p->network);
        assert_int_equal(p->nexports, 0);
        assert_int_equal(p->engine_line + p->verify_line + p->compile_line + p->features_line, 0);
        fnvm_policy_release(p);
    }
}

static void every_key(void **state)
{
    (void)state;
    fnvm_policy *p = parsed("features: [simd, gc]\n"
                            "imports:\n"
                            "  - wasi_snapshot_preview1.*\n"
                            "  - {module: \"fnvm:snapshot\", name: a.b, type: \"(func)\"}\n"
                            "  - {module: env}\n"
                            "exports:\n"
                            "  - _start\n"
                            "  - {name: memory, type: \"(memory 1)\"}\n"
                            "limits:\n"
                            "  memory: 64MiB\n"
                            "  locals: 1000\n"
                            "  time: 100ms\n"
                            "  output: 0\n"
                            "wasi:\n"
                            "  calls: [fd_read,\n"
                            "          proc_exit]\n"
                            "  directories: [{host: /srv/site, access: rw}, /data, sub]\n"
                            "  environment: [LANG, \"APP_*\"]\n"
                            "  network: true\n"
                            "run: {engine: interp, verify: eager, compile: eager}\n");
    assert_int_equal(p->features, FNVM_FEATURE_SIMD | FNVM_FEATURE_GC);
    assert_int_equal(p->features_line, 1);
    assert_false(p->any_import || p->any_call || p->any_dir || p->any_env);
    assert_int_equal(p->nimports, 3);
    assert_int_equal(p->imports_line, 2);
    assert_string_equal(p->imports[0].module, "wasi_snapshot_preview1");
    assert_string_equal(p->imports[0].name, "*");
    assert_null(p->imports[0].type);
    assert_int_equal(p->imports[0].line, 3);
    assert_string_equal(p->imports[1].module, "fnvm:snapshot");
    assert_string_equal(p->imports[1].name, "a.b");
    assert_string_equal(p->imports[1].type, "(func)");
    assert_string_equal(p->imports[2].name, "*");
    assert_int_equal(p->imports[2].line, 5);
    assert_int_equal(p->nexports, 2);
    assert_string_equal(p->exports[1].type, "(memory 1)");
    assert_int_equal(p->exports[1].line, 8);
    assert_int_equal(p->ceilings[CEILING_MEMORY].most, 64 << 20);
    assert_int_equal(p->ceilings[CEILING_MEMORY].line, 10);
    assert_int_equal(p->ceilings[CEILING_LOCALS].most, 1000);
    assert_int_equal(p->ceilings[CEILING_TIME].most, 100000000);
    assert_int_equal(p->ceilings[CEILING_OUTPUT].most, 0);
    assert_int_equal(p->ncalls, 2);
    assert_string_equal(p->calls[1].text, "proc_exit");
    assert_int_equal(p->calls[1].line, 16);
    assert_int_equal(p->calls_line, 15);
    assert_int_equal(p->ndirs, 3);
    assert_false(p->dirs[0].read_only);
    assert_true(p->dirs[1].read_only);
    char *here = realpath(".", NULL), below[4200];
    snprintf(below, sizeof below, "%s/sub", here);
    assert_string_equal(p->dirs[2].host, below);
    free(here);
    assert_null(p->dirs[1].relative);
    fnvm_error *error = policy_check_movable(p);
    assert_non_null(error);
    assert_non_null(strstr(fnvm_error_message(error), ":17: wasi.directories: `sub` is relative"));
    assert_non_null(strstr(fnvm_error_message(error), below));
    fnvm_error_free(error);
    assert_int_equal(p->nenv, 2);
    assert_true(p->network);
    assert_int_equal(p->network_line, 19);
    assert_int_equal(p->engine, FNVM_ENGINE_INTERPRETER);
    assert_int_equal(p->verify, FNVM_VERIFY_EAGER);
    assert_int_equal(p->compile, FNVM_COMPILE_EAGER);
    assert_int_equal(p->compile_line, 20);
    assert_ptr_equal(fnvm_policy_retain(p), p);
    fnvm_policy_release(p);
    fnvm_policy_release(p);
    fnvm_policy_release(NULL);
}

/* An empty list allows nothing; it is not the key left out. */
static void empty_lists(void **state)
{
    (void)state;
    fnvm_policy *p = parsed("features: []\nimports: []\n"
                            "wasi: {calls: [], directories: [], environment: []}\n");
    assert_int_equal(p->features, 0);
    assert_false(p->any_import || p->any_call || p->any_dir || p->any_env);
    assert_int_equal(p->nimports + p->ncalls + p->ndirs + p->nenv, 0);
    fnvm_error *error = policy_check_env(p, "X");
    assert_int_equal(fnvm_error_code(error), FNVM_E_POLICY);
    fnvm_error_free(error);
    fnvm_policy_release(p);
}

static void features_by_the_loaders_names(void **state)
{
    (void)state;
    for (uint32_t bit = 1; bit <= FNVM_FEATURE_CUSTOM_PAGE_SIZES; bit <<= 1) {
        char yaml[80];
        snprintf(yaml, sizeof yaml, "features: [%s]", feature_name(bit));
        fnvm_policy *p = parsed(yaml);
        assert_int_equal(p->features, bit);
        fnvm_policy_release(p);
    }
    fnvm_policy *p = parsed("features: [all, wide-arithmetic]");
    assert_int_equal(p->features, FNVM_FEATURES_3_0 | FNVM_FEATURE_WIDE_ARITHMETIC);
    fnvm_policy_release(p);
    p = parsed("features: none");
    assert_int_equal(p->features, 0);
    fnvm_policy_release(p);
}

static void what_is_refused(void **state)
{
    (void)state;
#define NUMBER "1:18: limits.locals: expected a whole number that fits 64 bits, found "
    static const struct { const char *yaml, *message; } rows[] = {
        {"limitz: {}", "1:1: there is no key `limitz`; did you mean `limits`? The keys are features,"},
        {"qqqqqqqqqqqqq: 1", "1:1: there is no key `qqqqqqqqqqqqq`; the keys are features, imports"},
        {"limits:\n  memroy: 3", "2:3: limits: there is no key `memroy`; did you mean `memory`? The"},
        {"wasi: {call: []}", "1:8: wasi: there is no key `call`; did you mean `calls`? The keys are "
                             "calls, directories, environment, network"},
        {"imports:\n - {modul: x}", "2:5: imports: there is no key `modul`; did you mean `module`?"},
        {"imports:\n - {name: x}", "2:4: imports: the key `module` is missing: the module it"},
        {"[]", "1:1: expected a policy: a map of features, imports"},
        {"x", "1:1: expected a policy: "},
        {"limits: []", "1:9: limits: expected a map of limits, found a list"},
        {"limits: 3", "1:9: limits: expected a map of limits, found `3`"},
        {"imports:", "1:9: imports: expected a list of imports ([] for none), found nothing"},
        {"imports: {a: b}", "1:10: imports: expected a list of imports ([] for none), found a map"},
        {"imports: env.log", "1:10: imports: expected a list of imports"},
        {"imports: [[x]]", "1:11: imports: expected MODULE.NAME, or a map of module, name and type, "
                           "found a list"},
        {"imports: [env]", "1:11: imports: expected MODULE.NAME, such as env.log or \"env.*\", found"},
        {"imports: [.x]", "1:11: imports: expected MODULE.NAME"},
        {"imports: [x.]", "1:11: imports: expected MODULE.NAME"},
        {"imports: [a.b.c]", "1:11: imports: expected one dot: which belongs to the names, {module: "},
        {"imports: [{module: a, type: func}]", "1:29: imports.type: expected a type as the text for"},
        {"imports: [{module: a, type: \"(fun)\"}]", "1:29: imports.type: expected a type"},
        {"imports: [{module: a, type: \"(func\"}]", "1:29: imports.type: expected a type"},
        {"imports: [{module: a, type: \"(func))\"}]", "1:29: imports.type: expected a type"},
        {"imports: [{module: \"\"}]", "1:20: imports.module: expected a name of at most 255 bytes"},
        {"exports: [\"\"]", "1:11: exports: expected a name, found nothing"},
        {"exports: [{type: \"(func)\"}]", "1:11: exports: the key `name` is missing: its name"},
        {"features: [simd, gx]", "1:18: features: there is no `gx`; did you mean `gc`? Expected one"},
        {"features: [[simd]]", "1:12: features: expected a list of features, `all` or `none`, found"},
        {"features: {}", "1:11: features: expected a list of features"},
        {"wasi: {calls: [fd_raed]}", "1:16: wasi.calls: there is no `fd_raed`; did you mean `fd_read`"},
        {"wasi: {calls: [frobnicate_it]}", "1:16: wasi.calls: expected one of args_get, "},
        {"wasi: {calls: all}", "1:15: wasi.calls: expected a list of functions of WASI"},
        {"wasi: {network: yes}", "1:17: wasi.network: expected true or false, found `yes`"},
        {"wasi: {network: \"true\"}", "1:17: wasi.network: expected true or false, found `true`"},
        {"wasi: {environment: [\"A=B\"]}", "1:22: wasi.environment: expected a variable's name"},
        {"wasi: {directories: [{host: x, access: r}]}", "1:40: wasi.directories.access: "},
        {"wasi: {directories: [{access: ro}]}", "1:22: wasi.directories: the key `host` is missing"},
        {"wasi: {directories: [\"\"]}", "1:22: wasi.directories: expected a directory, found nothing"},
        {"run: {engine: llvm}", "1:15: run.engine: expected one of auto, jit, interp, found `llvm`"},
        {"run: {verify: [eager]}", "1:15: run.verify: expected lazy or eager, found a list"},
        {"limits: {locals: 1k}", NUMBER},
        {"limits: {locals: -1}", NUMBER},
        {"limits: {locals: 1.5}", NUMBER},
        {"limits: {locals: 1e3}", NUMBER},
        {"limits: {locals: \"5\"}", NUMBER},
        {"limits: {locals: }", "1:18: limits.locals: expected a whole number"},
        {"limits: {locals: 18446744073709551616}", NUMBER},
        {"limits: {locals: [1]}", NUMBER},
        {"limits: {memory: 3X}", "1:18: limits.memory: expected bytes, such as 65536, 64k, 10MiB"},
        {"limits: {memory: 99999999T}", "1:18: limits.memory: expected bytes"},
        {"limits: {memory: -1}", "1:18: limits.memory: expected bytes"},
        {"limits: {time: 2parsecs}", "1:16: limits.time: expected a time, such as 100ms, 2s or 5m"},
        {"limits: {time: 0}", "1:16: limits.time: expected more than nothing, found `0`"},
        {"limits: {stack: 4095}", "1:17: limits.stack: expected 4KiB at least, found `4095`"},
        {"limits: {instances: 0}", "1:21: limits.instances: expected 1 at least, found `0`"},
        {"limits: {module: 7}", "1:18: limits.module: expected 8 bytes at least"},
        {"limits: {locals: 1, locals: 2}", "1:21: the key `locals` is in line 1 already"},
        {"a: &a [*a]", "1:4: anchors are not read here"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) refused(rows[i].yaml, rows[i].message);
}

/* A text of a megabyte does not come back whole. */
static void messages_are_short(void **state)
{
    (void)state;
    char *yaml = malloc(600000);
    assert_non_null(yaml);
    memset(yaml, 'x', 600000);
    memcpy(yaml, "limits: {time: \"\xC3\xA4", 18);
    memcpy(yaml + 600000 - 3, "\"}", 3);
    fnvm_policy *policy;
    fnvm_error *error = fnvm_policy_parse("p.yaml", yaml, strlen(yaml), &policy);
    assert_non_null(error);
    assert_true(strlen(fnvm_error_message(error)) < 200);
    fnvm_error_free(error);
    free(yaml);
}

static void each_ceiling_by_its_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < CEILINGS; i++) {
        char yaml[80], text[120], expected[80];
        snprintf(yaml, sizeof yaml, "limits:\n\n  %s: %s", policy_ceilings[i].key,
                 policy_ceilings[i].unit == UNIT_TIME ? "9999ns" : "9999");
        fnvm_policy *p = parsed(yaml);
        assert_int_equal(p->ceilings[i].most, 9999);
        assert_int_equal(p->ceilings[i].line, 3);
        policy_print_ceiling(p, (PolicyCeiling)i, text, sizeof text);
        snprintf(expected, sizeof expected, "p.yaml:3: limits.%s allows 9999%s",
                 policy_ceilings[i].key, policy_ceilings[i].unit == UNIT_TIME ? "ns" : "");
        assert_string_equal(text, expected);
        fnvm_policy_release(p);
    }
    fnvm_policy *p = parsed("");
    char text[120];
    policy_print_ceiling(p, CEILING_HEAP, text, sizeof text);
    assert_string_equal(text, "p.yaml: limits.heap allows 256MiB, the default");
    policy_print_ceiling(p, CEILING_HEAP, text, 10);
    assert_string_equal(text, "p.yaml: l");
    fnvm_policy_release(p);
}

static void patterns(void **state)
{
    (void)state;
    static const struct { const char *pattern, *text; bool fits; } rows[] = {
        {"", "", true}, {"", "a", false}, {"a", "a", true}, {"a", "ab", false}, {"ab", "a", false},
        {"*", "", true}, {"*", "abc", true}, {"a*", "a", true}, {"a*", "ba", false},
        {"*a", "ba", true}, {"*a", "ab", false}, {"a*a", "a", false}, {"a*a", "aa", true},
        {"*b*", "abc", true}, {"*b*", "ac", false}, {"**", "x", true}, {"a**b", "ab", true},
        {"?", "", false}, {"?", "a", true}, {"?", "\xC3\xA4", true}, {"??", "\xC3\xA4", false},
        {"*?", "\xE2\x82\xAC", true}, {"*??", "\xE2\x82\xAC", false}, {"*?x*", "ax", true},
        {"*?x*", "x", false}, {"*?x*y?", "axbyyz", true}, {"log_*", "log_", true},
        {"*aab", "aaaab", true}, {"*ab*ab", "ab", false}, {"*ab*ab", "abxab", true},
        {"a?c*e?g", "abcdefg", true}, {"A", "a", false}, {"[a]", "a", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (pattern_matches(rows[i].pattern, rows[i].text, strlen(rows[i].text)) != rows[i].fits)
            fail_msg("`%s` and `%s`", rows[i].pattern, rows[i].text);
    assert_true(pattern_matches("a*", "abc\0d", 5)); /* lengths count, not NULs */
    assert_false(pattern_matches("abc", "abc\0", 4));
}

/* Many stars would take a matcher that goes back and forth for ever. */
static void patterns_do_not_explode(void **state)
{
    (void)state;
    char pattern[255], *text = malloc(1 << 20);
    assert_non_null(text);
    memset(text, 'a', 1 << 20);
    for (size_t i = 0; i + 1 < sizeof pattern; i++) pattern[i] = i % 2 ? 'a' : '*';
    pattern[253] = 'b', pattern[254] = '\0';
    assert_false(pattern_matches(pattern, text, 1 << 20));
    free(text);
}

static void equal_texts_have_equal_digests(void **state)
{
    (void)state;
    fnvm_policy *a = parsed("limits: {}"), *b = parsed("limits: {}"), *c = parsed("limits: {} ");
    assert_memory_equal(a->digest, b->digest, sizeof a->digest);
    assert_memory_not_equal(a->digest, c->digest, sizeof a->digest);
    fnvm_policy_release(a);
    fnvm_policy_release(b);
    fnvm_policy_release(c);
}

static void narrowing(void **state)
{
    (void)state;
    fnvm_config config, before;
    fnvm_config_default(&config);
    config.max_stack_bytes = 1 << 20;
    before = config;
    fnvm_policy *p = parsed("features: none\nlimits: {memory: 1M, stack: 2M, instances: 3}");
    policy_narrow(p, &config);
    assert_int_equal(config.max_memory_bytes, 1 << 20);
    assert_int_equal(config.max_stack_bytes, 1 << 20); /* never raised */
    assert_int_equal(config.max_instances, 3);
    assert_int_equal(config.max_heap_bytes, before.max_heap_bytes);
    assert_int_equal(config.max_table_elements, before.max_table_elements);
    assert_int_equal(config.features, before.features); /* a violation, not another language */
    assert_int_equal(config.verify, before.verify);
    assert_false(config.fuel);
    fnvm_policy_release(p);
    p = parsed("limits: {fuel: 5, heap: 1k, table-elements: 7}\n"
               "run: {engine: interp, verify: eager, compile: eager}");
    policy_narrow(p, &config);
    assert_true(config.fuel);
    assert_int_equal(config.max_heap_bytes, 1024);
    assert_int_equal(config.max_table_elements, 7);
    assert_int_equal(config.engine, FNVM_ENGINE_INTERPRETER);
    assert_int_equal(config.verify, FNVM_VERIFY_EAGER);
    assert_int_equal(config.compile, FNVM_COMPILE_EAGER);
    fnvm_policy_release(p);
}

/* The engine keeps the policy, and narrows its own copy of the configuration alone. */
static void engines_keep_their_policy(void **state)
{
    (void)state;
    fnvm_config config;
    fnvm_config_default(&config);
    config.policy = parsed("limits: {memory: 64k}");
    fnvm_engine *engine = NULL;
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    assert_null(error);
    fnvm_policy_release(config.policy);
    assert_int_equal(config.max_memory_bytes, (uint64_t)4 << 30);
    fnvm_store *store = NULL;
    assert_null(fnvm_store_new(engine, &store));
    fnvm_extern memory;
    error = fnvm_memory_new(store, 2, 2, false, &memory);
    assert_non_null(error);
    fnvm_error_free(error);
    assert_null(fnvm_memory_new(store, 1, 1, false, &memory));
    fnvm_store_free(store);
    fnvm_engine_free(engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_that_says_nothing),
        cmocka_unit_test(every_key),
        cmocka_unit_test(empty_lists),
        cmocka_unit_test(features_by_the_loaders_names),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(messages_are_short),
        cmocka_unit_test(each_ceiling_by_its_key),
        cmocka_unit_test(patterns),
        cmocka_unit_test(patterns_do_not_explode),
        cmocka_unit_test(equal_texts_have_equal_digests),
        cmocka_unit_test(narrowing),
        cmocka_unit_test(engines_keep_their_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
