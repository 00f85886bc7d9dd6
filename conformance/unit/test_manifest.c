/* test_manifest.c - reading function.yaml: its keys, its policy, and what that lets it hand over. */
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

#include "verifier/policy/manifest.h"

static char folder[] = "/tmp/fnvm-manifest-XXXXXX";

/* In our folder; the text with its length. */
static void write_file(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static fnvm_error *load(const char *yaml, Manifest **m)
{
    char path[200];
    write_file("function.yaml", yaml);
    snprintf(path, sizeof path, "%s/function.yaml", folder);
    return manifest_load(path, m);
}

static Manifest *loaded(const char *yaml)
{
    Manifest *m = NULL;
    fnvm_error *error = load(yaml, &m);
    if (error) fail_msg("%s", fnvm_error_message(error));
    return m;
}

/* Where FOLDER/ is left out, and causes follow after " <- ". */
static void refused(const char *yaml, fnvm_code code, const char *expected)
{
    Manifest *m = NULL;
    fnvm_error *error = load(yaml, &m);
    if (!error) fail_msg("accepted: %s", yaml);
    char all[1000] = "", *at = all;
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e)) {
        const char *text = fnvm_error_message(e);
        if (e != error) at += sprintf(at, " <- ");
        for (; *text && at < all + 900; text++) {
            if (strncmp(text, folder, strlen(folder)) == 0) text += strlen(folder) + 1;
            *at++ = *text;
        }
        *at = '\0';
    }
    if (strncmp(all, expected, strlen(expected)) != 0)
        fail_msg("%s\nfound    %s\nexpected %s", yaml, all, expected);
    assert_int_equal(fnvm_error_code(error), code);
    fnvm_error_free(error);
}

static void the_least(void **state)
{
    (void)state;
    char path[200];
    Manifest *m = loaded("name: f\nmodule: app.wasm\n");
    assert_string_equal(m->name, "f");
    assert_null(m->version);
    snprintf(path, sizeof path, "%s/app.wasm", folder);
    assert_string_equal(m->module, path);
    assert_int_equal(m->module_line, 2);
    snprintf(path, sizeof path, "%s/function.yaml", folder);
    assert_string_equal(m->path, path);
    assert_null(m->policy);
    assert_null(m->entry);
    assert_int_equal(m->init, INIT_NONE);
    assert_false(m->image);
    assert_int_equal(m->nargs + m->nmounts + m->nenv, 0);
    manifest_free(m);
    manifest_free(NULL);
}

static void every_key(void **state)
{
    (void)state;
    char path[200];
    Manifest *m = loaded("name: thumbnail\n"
                         "version: 1.20\n"
                         "module: /opt/app.wasm\n"
                         "policy:\n"
                         "  limits:\n"
                         "    locals: 5\n"
                         "init: {call: setup}\n"
                         "image: true\n"
                         "entry: main\n"
                         "args: [--fast, 3, \"\"]\n"
                         "mounts:\n"
                         "  - {host: ./site, guest: /data, access: rw}\n"
                         "  - host: /srv\n"
                         "    guest: .\n"
                         "environment:\n"
                         "  LANG: C\n"
                         "  HOME: null\n"
                         "  PORT: 80\n"
                         "  EMPTY: \"\"\n"
                         "  NULLS: \"null\"\n");
    assert_string_equal(m->version, "1.20"); /* the text, not the number 1.2 */
    assert_string_equal(m->module, "/opt/app.wasm");
    assert_non_null(m->policy);
    assert_int_equal(m->policy->ceilings[CEILING_LOCALS].most, 5);
    assert_int_equal(m->policy->ceilings[CEILING_LOCALS].line, 6); /* the manifest's line */
    assert_string_equal(m->policy->name, m->path);
    assert_int_equal(m->init, INIT_CALL);
    assert_string_equal(m->init_call, "setup");
    assert_true(m->image);
    assert_string_equal(m->entry, "main");
    assert_int_equal(m->nargs, 3);
    assert_string_equal(m->args[1], "3");
    assert_string_equal(m->args[2], "");
    assert_int_equal(m->nmounts, 2);
    snprintf(path, sizeof path, "%s/./site", folder);
    assert_string_equal(m->mounts[0].host, path);
    assert_false(m->mounts[0].read_only);
    assert_true(m->mounts[1].read_only);
    assert_int_equal(m->mounts[1].line, 13);
    assert_int_equal(m->nenv, 5);
    assert_string_equal(m->env[0].value, "C");
    assert_null(m->env[1].value);
    assert_int_equal(m->env[1].line, 17);
    assert_string_equal(m->env[2].value, "80");
    assert_string_equal(m->env[3].value, "");
    assert_string_equal(m->env[4].value, "null");
    manifest_free(m);
}

static void native_functions(void **state)
{
    (void)state;
    char path[200];
    Manifest *m = loaded("name: f\nmodule: m\n"
                         "policy: {native: [libm.so.6, ./own.so]}\n"
                         "native:\n"
                         "  - library: libm.so.6\n"
                         "    functions:\n"
                         "      cos: f64(f64)\n"
                         "      power: \"f64 pow(f64, f64)\"\n"
                         "  - {library: libm.so.6, module: math, functions: {}}\n");
    assert_int_equal(m->nnative, 2);
    assert_string_equal(m->native[0].library, "libm.so.6");
    assert_string_equal(m->native[0].module, "env");
    assert_int_equal(m->native[0].line, 5);
    assert_int_equal(m->native[0].nfunctions, 2);
    assert_string_equal(m->native[0].functions[1].name, "power");
    assert_string_equal(m->native[0].functions[1].signature, "f64 pow(f64, f64)");
    assert_int_equal(m->native[0].functions[1].line, 8);
    assert_string_equal(m->native[1].module, "math");
    assert_int_equal(m->native[1].nfunctions, 0);
    manifest_free(m);

    m = loaded("name: f\nmodule: m\nnative: {library: ./own.so, functions: {f: void()}}\n");
    assert_int_equal(m->nnative, 1);
    snprintf(path, sizeof path, "%s/./own.so", folder);
    assert_string_equal(m->native[0].library, path);
    fnvm_error *error = manifest_check_native(m, NULL); /* whoever has a policy asks again */
    assert_int_equal(fnvm_error_code(error), FNVM_E_POLICY);
    fnvm_error_free(error);
    manifest_free(m);
}

static void how_it_starts(void **state)
{
    (void)state;
    static const struct { const char *yaml; ManifestInit init; } rows[] = {
        {"none", INIT_NONE}, {"call", INIT_CALL}, {"stdin", INIT_STDIN},
        {"checkpoint", INIT_CHECKPOINT}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char yaml[100];
        snprintf(yaml, sizeof yaml, "name: f\nmodule: m\ninit: %s\n", rows[i].yaml);
        Manifest *m = loaded(yaml);
        assert_int_equal(m->init, rows[i].init);
        assert_null(m->init_call);
        manifest_free(m);
    }
}

static void what_is_refused(void **state)
{
    (void)state;
#define FUNCTION "name: f\nmodule: m\n"
    static const struct { const char *yaml, *message; } rows[] = {
        {"", "function.yaml:1:1: the key `name` is missing: the function's name"},
        {"name: f\n", "function.yaml:1:1: the key `module` is missing: the module's file"},
        {"name: .f\nmodule: m\n", "function.yaml:1:7: name: expected a name: a letter or digit, then"},
        {"name: a/b\nmodule: m\n", "function.yaml:1:7: name: expected a name"},
        {"name: null\nmodule: m\n", "function.yaml:1:7: name: expected a name"},
        {"name: f\nmodule: \"\"\n", "function.yaml:2:9: module: expected a file, found nothing"},
        {FUNCTION "version: \"1 2\"\n", "function.yaml:3:10: version: expected a version"},
        {FUNCTION "modul: x\n", "function.yaml:3:1: there is no key `modul`; did you mean `module`?"},
        {FUNCTION "init: stdout\n", "function.yaml:3:7: init: there is no `stdout`; did you mean `st"},
        {FUNCTION "init:\n", "function.yaml:3:6: init: expected none, start, call, checkpoint"},
        {FUNCTION "init: {}\n", "function.yaml:3:7: init: the key `call` is missing"},
        {FUNCTION "init: {call: \"\"}\n", "function.yaml:3:14: init.call: expected the name of an ex"},
        {FUNCTION "serve: {route: [/]}\n", "function.yaml:3:9: serve: there is no key `route`; did you"},
        {FUNCTION "serve: {timeout: 0}\n", "function.yaml:3:18: serve.timeout: expected a time from 1ms"},
        {FUNCTION "image: 1\n", "function.yaml:3:8: image: expected true or false, found `1`"},
        {FUNCTION "args: -x\n", "function.yaml:3:7: args: expected a list of arguments, found `-x`"},
        {FUNCTION "args: [[x]]\n", "function.yaml:3:8: args: expected a text, found a list"},
        {FUNCTION "mounts: [./x]\n", "function.yaml:3:10: mounts: expected a map of host, guest"},
        {FUNCTION "mounts: [{host: x}]\n", "function.yaml:3:10: mounts: the key `guest` is missing"},
        {FUNCTION "environment: [A]\n", "function.yaml:3:14: environment: expected a map of variabl"},
        {FUNCTION "environment: {A: [b]}\n", "function.yaml:3:18: environment: expected a text, or n"},
        {FUNCTION "environment: {A=: b}\n", "function.yaml:3:15: environment: expected a variable's"},
        {FUNCTION "environment: {A: b, A: c}\n", "function.yaml:3:21: the key `A` is in line 3"},
        {FUNCTION "native: libm.so.6\n",
         "function.yaml:3:9: native: expected a map of library, module and"},
        {FUNCTION "native: {library: libm.so.6}\n",
         "function.yaml:3:9: native: the key `functions` is missing"},
        {FUNCTION "native: [{functions: {}}]\n",
         "function.yaml:3:10: native: the key `library` is missing"},
        {FUNCTION "native: {library: libm, functions: {}}\n",
         "function.yaml:3:19: native.library: expected a library, such as libm.so.6 or ./libimage.so"},
        {FUNCTION "native: {library: a.so, module: \"\", functions: {}}\n",
         "function.yaml:3:33: native.module: exp"},
        {FUNCTION "native: {library: a.so, functions: [f]}\n",
         "function.yaml:3:36: native.functions: expected a map"},
        {FUNCTION "native: {library: a.so, functions: {f: f64(f65)}}\n",
         "function.yaml:3:40: native: functions: the signature `f64(f65)`, column 5: expected the type of a para"},
        {FUNCTION "native: {library: a.so, functions: {f: }}\n",
         "function.yaml:3:40: native: expected a signature"},
        {FUNCTION "policy: [x]\n", "function.yaml:3:9: policy: expected a file, or a map of a policy"},
        {FUNCTION "policy:\n", "function.yaml:3:8: policy: expected a file, or a map"},
        {FUNCTION "policy: {limit: 3}\n", "function.yaml:3:10: there is no key `limit`; did you mean "},
        {FUNCTION "policy: bad.yaml\n", "function.yaml:3:9: policy <- bad.yaml:2:3: limits: there is"},
        {FUNCTION "policy: &p {}\n", "function.yaml:3:9: anchors are not read here"},
    };
    write_file("bad.yaml", "limits:\n  memroy: 3\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused(rows[i].yaml, FNVM_E_MALFORMED, rows[i].message);
    refused(FUNCTION "policy: none.yaml\n", FNVM_E_NOT_FOUND,
            "function.yaml:3:9: policy <- none.yaml: No such file");
}

/* Each row is a mount or a variable against the policy below. */
static void what_the_policy_lets_in(void **state)
{
    (void)state;
    static const struct { const char *yaml, *message; } rows[] = {
        {"mounts: [{host: site, guest: /}]", NULL},
        {"mounts: [{host: site/sub, guest: /}]", NULL},
        {"mounts: [{host: site/../site/./sub/, guest: /}]", NULL},
        {"mounts: [{host: data, guest: /, access: rw}]", NULL},
        {"mounts: [{host: site/data, guest: /, access: rw}]", NULL},
        {"mounts: [{host: site, guest: /, access: rw}]",
         "function.yaml:4: mounts <- policy.yaml:3: wasi.directories lets `site` be read only, and `site"
         "` is to be written"},
        {"mounts: [{host: site2, guest: /}]",
         "function.yaml:4: mounts <- policy.yaml:2: wasi.directories does not have `site2`, nor a"},
        {"mounts: [{host: ., guest: /}]", "function.yaml:4: mounts <- policy.yaml:2: wasi.directories"},
        {"mounts: [{host: site/.., guest: /}]", "function.yaml:4: mounts <- policy.yaml:2: "},
        {"mounts: [{host: site/out, guest: /}]",
         "function.yaml:4: mounts <- policy.yaml:2: wasi.directories does not have `site2`"},
        {"mounts: [{host: gone, guest: /}]", "function.yaml:4: mounts <- policy.yaml:2: "},
        {"environment: {LANG: C}", NULL},
        {"environment: {APP_X: C, APP_: D}", NULL},
        {"environment: {PATH: C}",
         "function.yaml:4: environment <- policy.yaml:6: wasi.environment does not have `PATH`"},
        {"native: {library: libm.so.6, functions: {}}", NULL},
        {"native: {library: libz.so.1, functions: {}}",
         "function.yaml:4: native <- policy.yaml:7: native does not have `libz.so.1`"},
        {"native: [{library: libm.so.6, functions: {}},\n  {library: /lib/libm.so.6, functions: {}}]",
         "function.yaml:5: native <- policy.yaml:7: native does not have `/lib/libm.so.6`"},
    };
    write_file("policy.yaml", "wasi:\n"
                              "  directories:\n"
                              "    - site\n"
                              "    - {host: data, access: rw}\n"
                              "    - gone\n"
                              "  environment: [LANG, \"APP_*\"]\n"
                              "native: [libm.so.6]\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char yaml[300];
        snprintf(yaml, sizeof yaml, FUNCTION "policy: policy.yaml\n%s\n", rows[i].yaml);
        if (!rows[i].message) manifest_free(loaded(yaml));
        else if (strstr(rows[i].yaml, "gone"))
            refused(yaml, FNVM_E_NOT_FOUND, "function.yaml:4: mounts <- directory `");
        else refused(yaml, FNVM_E_POLICY, rows[i].message);
    }
    /* In place: both lines are the manifest's. */
    refused(FUNCTION "policy:\n  wasi:\n    environment: [A]\nenvironment:\n  B: 1\n", FNVM_E_POLICY,
            "function.yaml:7: environment <- function.yaml:5: wasi.environment does not have `B`");
}

static void names(void **state)
{
    (void)state;
    char longest[66];
    memset(longest, 'a', sizeof longest);
    longest[64] = '\0';
    assert_true(manifest_name_ok(longest));
    longest[64] = 'a', longest[65] = '\0';
    assert_false(manifest_name_ok(longest));
    static const char *const good[] = {"a", "0", "A.b_c-9", "1.2.3"};
    static const char *const bad[] = {"", ".a", "-a", "_a", "a/b", "a b", "a\n", "\xC3\xA4", "..", "a@1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(manifest_name_ok(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(manifest_name_ok(bad[i]));
}

static int make_folder(void **state)
{
    (void)state;
    char command[400];
    if (!mkdtemp(folder)) return -1;
    snprintf(command, sizeof command,
             "cd %s && mkdir -p site/sub site2 data && ln -s ../data site/data && "
             "ln -s ../site2 site/out", folder);
    return system(command);
}

static int remove_folder(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least),
        cmocka_unit_test(every_key),
        cmocka_unit_test(native_functions),
        cmocka_unit_test(how_it_starts),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(what_the_policy_lets_in),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
