/* test_yaml.c - YAML as a bounded tree: what is in it, what is refused, and where that is. */
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

#include "verifier/policy/yaml.h"

static YamlDocument *parsed(const char *text)
{
    YamlDocument *doc = NULL;
    fnvm_error *error = yamldoc_parse("t.yaml", text, strlen(text), &doc);
    if (error) fail_msg("%s", fnvm_error_message(error));
    return doc;
}

/* Refused, with a message that is `expected` (or begins so, if that ends with "..."). */
static void refused_bytes(const char *text, size_t len, const char *expected)
{
    YamlDocument *doc = NULL;
    fnvm_error *error = yamldoc_parse("t.yaml", text, len, &doc);
    assert_non_null(error);
    assert_int_equal(fnvm_error_code(error), FNVM_E_MALFORMED);
    const char *message = fnvm_error_message(error);
    size_t n = strlen(expected);
    if (n > 3 && strcmp(expected + n - 3, "...") == 0) {
        if (strncmp(message, expected, n - 3) != 0) fail_msg("%s, not %s", message, expected);
    } else {
        assert_string_equal(message, expected);
    }
    fnvm_error_free(error);
}

static void refused(const char *text, const char *expected)
{
    refused_bytes(text, strlen(text), expected);
}

/* `n` times the same, owned by the caller. */
static char *repeated(const char *before, const char *text, size_t n, const char *after)
{
    size_t len = strlen(text), a = strlen(before), b = strlen(after);
    char *all = malloc(a + n * len + b + 1);
    assert_non_null(all);
    memcpy(all, before, a);
    for (size_t i = 0; i < n; i++) memcpy(all + a + i * len, text, len);
    memcpy(all + a + n * len, after, b + 1);
    return all;
}

static void nodes_know_where_they_are(void **state)
{
    (void)state;
    YamlDocument *doc = parsed("# first\na: 1\nlist:\n  - x\n  - \"2\"\n  - {k: v}\n");
    const YamlNode *root = yamldoc_root(doc);
    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->n, 4);
    assert_int_equal(root->line, 2);
    assert_string_equal(root->items[1]->text, "1");
    assert_int_equal(root->items[1]->column, 4);
    assert_true(root->items[1]->plain);
    const YamlNode *list = root->items[3];
    assert_int_equal(list->kind, YAML_LIST);
    assert_int_equal(list->n, 3);
    assert_int_equal(list->items[1]->line, 5);
    assert_int_equal(list->items[1]->column, 5);
    assert_false(list->items[1]->plain);
    assert_int_equal(list->items[2]->kind, YAML_MAP);
    fnvm_error *error = yamldoc_error(doc, list->items[2], "bad %d", 3);
    assert_string_equal(fnvm_error_message(error), "t.yaml:6:5: bad 3");
    fnvm_error_free(error);
    yamldoc_free(doc);
}

static void nothing_is_null(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n\n", "# only this\n", "---\n", "--- # x\n...\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        YamlDocument *doc = parsed(texts[i]);
        assert_int_equal(yamldoc_root(doc)->kind, YAML_SCALAR);
        assert_true(yamldoc_root(doc)->plain);
        assert_int_equal(yamldoc_root(doc)->len, 0);
        yamldoc_free(doc);
    }
}

/* A byte order mark is no column; CR LF is one line's end; the digest sees all bytes. */
static void marks_and_line_ends(void **state)
{
    (void)state;
    const char text[] = "\xEF\xBB\xBF" "a: 1\r\nb: 2\r\n";
    YamlDocument *doc = parsed(text);
    assert_int_equal(yamldoc_root(doc)->items[0]->column, 1);
    assert_string_equal(yamldoc_root(doc)->items[0]->text, "a");
    assert_int_equal(yamldoc_root(doc)->items[2]->line, 2);
    size_t len;
    assert_memory_equal(yamldoc_text(doc, &len), text, sizeof text - 1);
    assert_int_equal(len, sizeof text - 1);
    yamldoc_free(doc);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct { const char *text, *message; } rows[] = {
        {"a: &x 1\n", "t.yaml:1:4: anchors are not read here"},
        {"a: &x [1]\n", "t.yaml:1:4: anchors are not read here"},
        {"&x a: 1\n", "t.yaml:1:1: anchors are not read here"},
        {"a: 1\nb: *x\n",
         "t.yaml:2:4: aliases are not read here; text that begins with `*` is written in quotes"},
        {"- *.log\n", "t.yaml:1:4: text that begins with `*` or `&` is written in quotes"},
        {"a: !!str 1\n", "t.yaml:1:4: tags are not read here"},
        {"a: ! 1\n", "t.yaml:1:4: tags are not read here"},
        {"a: !x {}\n", "t.yaml:1:4: tags are not read here"},
        {"%YAML 1.1\n--- {}\n",
         "t.yaml:1:1: directives (lines that begin with %) are not read here"},
        {"a: 1\n...\n%TAG ! x\n",
         "t.yaml:3:1: directives (lines that begin with %) are not read here"},
        {"a: 1\r%TAG ! x\r", "t.yaml:1:1: directives ..."},
        {"a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document"},
        {"a: 1\nb: 2\na: 3\n", "t.yaml:3:1: the key `a` is in line 1 already"},
        {"x: {a: 1, \"a\": 3}\n", "t.yaml:1:11: the key `a` is in line 1 already"},
        {"? [a]\n: b\n", "t.yaml:1:3: expected a key, found a list"},
        {"{{a: b}: c}\n", "t.yaml:1:2: expected a key, found a map"},
        {"a: \"\\0\"\n", "t.yaml:1:4: a NUL character"},
        {"a:\n\tb: 1\n", "t.yaml:2:1: a tab: lines are indented with spaces"},
        {"a: [1, 2\nb: 3\n", "t.yaml:2:2: did not find expected ',' or ']', while parsing a flow "
                             "sequence that began in line 1"},
        {"a: \"x\n", "t.yaml:2:1: found unexpected end of stream, while scanning a quoted scalar "
                     "that began in line 1"},
        {"a: b: c\n", "t.yaml:1:5: mapping values are not allowed in this context"},
        {"a: 1\nb: \xff\n", "t.yaml:2:4: invalid leading UTF-8 octet (0xff)"},
        {"\xEF\xBB\xBF" "a: 1\nb: \xC3(\n", "t.yaml:2:5: invalid trailing UTF-8 octet ..."},
        {"a: \xED\xA0\x80\n", "t.yaml:1:4: invalid Unicode character ..."},
        {"a: \x01\n", "t.yaml:1:4: control characters are not allowed (0x01)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) refused(rows[i].text, rows[i].message);
    refused_bytes("a: \0", 4, "t.yaml:1:4: control characters are not allowed (0x00)");
    refused_bytes("\xFF\xFE" "a\0", 4, "t.yaml:1:1: invalid leading UTF-8 octet (0xff)"); /* UTF-16 */
}

/* Each would cost a parser without limits dearly. */
static void limits_hold(void **state)
{
    (void)state;
    static const struct { const char *before, *text; size_t n; const char *after, *message; } rows[] = {
        {"", "[", 1000000, "", "t.yaml:1:17: more than 16 lists and maps in one another"},
        {"", "{a: ", 200000, "", "t.yaml:1:65: more than 16 lists and maps in one another"},
        {"", "- ", 500000, "x", "t.yaml:1:33: more than 16 lists and maps in one another"},
        {"", "? ", 500000, "x", "t.yaml:1:3: expected a key, found a map"},
        {"[", "a,", 500000, "]", "t.yaml:1:40000: more than 20000 values"},
        {"", "[],", 1, "", "t.yaml:1:3: ..."},
        {"a: ", "x", YAML_BYTES_MAX, "", "t.yaml:1:1: the file has more than 1048576 bytes"},
        {"", "%TAG !a! tag:x\n", 60000, "--- {}\n", "t.yaml:1:1: directives ..."},
        {"a: 1\n...\n", "%TAG !a! tag:x\n", 60000, "--- {}\n", "t.yaml:3:1: directives ..."},
        {"", "---\n", 200000, "", "t.yaml:2:1: a second document"},
        {"&", "a", 1000000, " x", "t.yaml:1:1: anchors are not read here"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = repeated(rows[i].before, rows[i].text, rows[i].n, rows[i].after);
        refused(text, rows[i].message);
        free(text);
    }
}

static void the_most_that_may_be(void **state)
{
    (void)state;
    char *deep = repeated("", "[", YAML_DEPTH_MAX, "x]]]]]]]]]]]]]]]]");
    char *many = repeated("[", "a,", YAML_NODES_MAX - 1, "]");
    char *large = repeated("a: ", "x", YAML_BYTES_MAX - 3, "");
    yamldoc_free(parsed(deep));
    YamlDocument *doc = parsed(many);
    assert_int_equal(yamldoc_root(doc)->n, YAML_NODES_MAX - 1);
    yamldoc_free(doc);
    doc = parsed(large);
    assert_int_equal(yamldoc_root(doc)->items[1]->len, YAML_BYTES_MAX - 3);
    yamldoc_free(doc);
    free(deep);
    free(many);
    free(large);
}

/* Ten thousand keys, and one twice. */
static void keys_are_unique_among_many(void **state)
{
    (void)state;
    char *text = malloc(9000 * 8 + 16), *at = text;
    assert_non_null(text);
    for (int i = 0; i < 9000; i++) at += sprintf(at, "k%d:\n", i);
    yamldoc_free(parsed(text));
    strcpy(at, "k17:\n");
    refused(text, "t.yaml:9001:1: the key `k17` is in line 18 already");
    free(text);
}

static fnvm_code load_code(const char *path, char *message, size_t size)
{
    YamlDocument *doc = NULL;
    fnvm_error *error = yamldoc_load(path, &doc);
    fnvm_code code = error ? fnvm_error_code(error) : FNVM_OK;
    snprintf(message, size, "%s", error ? fnvm_error_message(error) : "");
    fnvm_error_free(error);
    yamldoc_free(doc);
    return code;
}

static void files(void **state)
{
    (void)state;
    char path[] = "/tmp/fnvm-yaml-XXXXXX", message[200];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(load_code(path, message, sizeof message), FNVM_OK);
    assert_int_equal(ftruncate(fd, 100 << 20), 0); /* 100 MB, refused unread */
    assert_int_equal(load_code(path, message, sizeof message), FNVM_E_MALFORMED);
    assert_non_null(strstr(message, ":1:1: the file has more than 1048576 bytes"));
    close(fd);
    unlink(path);
    assert_int_equal(load_code(path, message, sizeof message), FNVM_E_NOT_FOUND);
    assert_int_equal(load_code("/tmp", message, sizeof message), FNVM_E_IO);
    assert_int_equal(load_code("/dev/zero", message, sizeof message), FNVM_E_MALFORMED);
    assert_non_null(strstr(message, "more than 1048576 bytes"));
    assert_int_equal(load_code("/dev/null", message, sizeof message), FNVM_OK);
}

/* What is written can be read: what UTF-8 excludes is no text. */
static void prints_no_bad_text(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80",
                                      "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xFF"};
    FILE *out = tmpfile();
    assert_non_null(out);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(yamldoc_print_text(out, bad[i]));
    assert_true(yamldoc_print_text(out, "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_know_where_they_are),
        cmocka_unit_test(nothing_is_null),
        cmocka_unit_test(marks_and_line_ends),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(the_most_that_may_be),
        cmocka_unit_test(keys_are_unique_among_many),
        cmocka_unit_test(prints_no_bad_text),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
