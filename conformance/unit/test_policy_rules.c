/* Modules against policies: for each rule a module that is just allowed and one that is just
 * not; where and how that is said, when (at load, or at a function's first call), under both
 * engines, and what `explain` makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verifier/policy/check.h"

#define POLICY "rules.yaml" /* its name in messages */

/* ---- The rules ---- */

/* A module's bytes that are searched for, with a place in them. */
#define AT(bytes, skew) bytes, sizeof(bytes) - 1, skew, 0
#define OFFSET(n) NULL, 0, 0, n

typedef struct Rule {
    const char *yaml;              /* of the policy; the rule is in line 2, or in `line` */
    const char *allowed, *refused; /* text; NULL: there is none to show it */
    bool in_function;              /* found when function "f" is verified */
    const char *rule;
    const char *bytes;
    size_t nbytes, skew;
    uint64_t offset;
    const char *message; /* without its offset */
    uint32_t line;       /* 0: 2 */
} Rule;

#define F "(func (export \"f\")"
#define NEEDS(what, feature) \
    what " needs the feature `" feature "`; " POLICY ":2: features does not allow it"
#define ONLY(feature) "# only these\nfeatures: [" feature "]\n"

static const Rule rules[] = {
    /* Ceilings, in the order of ceilings.def. */
    {"limits:\n  module: 13", "(module (memory 1))", "(module (memory 1 1))", false,
     "limits.module", OFFSET(13), "a module of 14 bytes; " POLICY ":2: limits.module allows 13", 0},
    {"limits:\n  types: 1", "(module (type (func)))",
     "(module (type (func)) (type (func (param i32))))", false, "limits.types",
     AT("\x60\x01\x7f\x00", 0), "2 types; " POLICY ":2: limits.types allows 1", 0},
    {"limits:\n  types: 1", NULL, "(module (rec (type (func)) (type (func (param i32)))))", false,
     "limits.types", AT("\x60\x01\x7f\x00", 0), "2 types; " POLICY ":2: limits.types allows 1", 0},
    {"limits:\n  subtyping: 1", "(module (type $a (sub (struct))) (type $b (sub $a (struct))))",
     "(module (type $a (sub (struct))) (type $b (sub $a (struct))) (type $c (sub $b (struct))))",
     false, "limits.subtyping", AT("\x50\x01\x01\x5f", 1),
     "2 supertypes above a type; " POLICY ":2: limits.subtyping allows 1", 0},
    {"limits:\n  subtyping: 1", NULL,
     "(module (type $a (sub (struct)))"
     " (rec (type $b (sub $a (struct))) (type $c (sub $b (struct)))))",
     false, "limits.subtyping", AT("\x50\x01\x01\x5f", 1),
     "2 supertypes above a type; " POLICY ":2: limits.subtyping allows 1", 0},
    {"limits:\n  imports: 1", "(module (import \"a\" \"b\" (func)))",
     "(module (import \"a\" \"b\" (func)) (import \"a\" \"c\" (func)))", false, "limits.imports",
     AT("\1a\1c", 3), "2 imports; " POLICY ":2: limits.imports allows 1", 0},
    {"limits:\n  exports: 1", "(module " F "))", "(module " F ") (export \"g\" (func 0)))", false,
     "limits.exports", AT("\1g", 0), "2 exports; " POLICY ":2: limits.exports allows 1", 0},
    {"limits:\n  functions: 1", "(module " F "))", "(module " F ") (func))", false,
     "limits.functions", AT("\x03\x03\x02\0\0", 4),
     "2 functions; " POLICY ":2: limits.functions allows 1", 0},
    {"limits:\n  functions: 1", NULL, "(module (import \"a\" \"b\" (func)) (func) (func))", false,
     "limits.functions", AT("\x03\x03\x02\0\0", 3),
     "3 functions; " POLICY ":2: limits.functions allows 1", 0},
    {"limits:\n  tables: 1", "(module (table 1 funcref))",
     "(module (table 1 funcref) (table 2 funcref))", false, "limits.tables", AT("\x70\0\x02", 0),
     "2 tables; " POLICY ":2: limits.tables allows 1", 0},
    {"limits:\n  table-elements: 7", "(module (table 7 funcref))", "(module (table 8 funcref))",
     false, "limits.table-elements", AT("\x70\0\x08", 1),
     "a table of 8 elements; " POLICY ":2: limits.table-elements allows 7", 0},
    {"limits:\n  memories: 1", "(module (memory 1))", "(module (memory 1) (memory 2) (memory 3))",
     false, "limits.memories", AT("\0\x02\0\x03", 0),
     "3 memories; " POLICY ":2: limits.memories allows 1", 0},
    {"limits:\n  memories: 1", NULL, "(module (import \"a\" \"b\" (memory 1)) (memory 2))", false,
     "limits.memories", AT("\x01\0\x02", 1), "2 memories; " POLICY ":2: limits.memories allows 1",
     0},
    {"limits:\n  memory: 128KiB", "(module (memory 2))", "(module (memory 3))", false,
     "limits.memory", AT("\0\x03", 0),
     "a memory of 196608 bytes; " POLICY ":2: limits.memory allows 128KiB", 0},
    {"limits:\n  memory: 128KiB", NULL, "(module (memory i64 0x1000000000000))", false,
     "limits.memory", AT("\x01\x04\x80", 1),
     "a memory of 18446744073709551615 bytes; " POLICY ":2: limits.memory allows 128KiB", 0},
    {"limits:\n  globals: 1", "(module (global i32 (i32.const 1)))",
     "(module (global i32 (i32.const 1)) (global i64 (i64.const 1)))", false, "limits.globals",
     AT("\x7e\0\x42", 0), "2 globals; " POLICY ":2: limits.globals allows 1", 0},
    {"limits:\n  tags: 1", "(module (tag))", "(module (tag) (tag (param i32)))", false,
     "limits.tags", AT("\x02\0\0\0\x01", 3), "2 tags; " POLICY ":2: limits.tags allows 1", 0},
    {"limits:\n  element-segments: 1", "(module (elem func))", "(module (elem func) (elem func))",
     false, "limits.element-segments", AT("\x01\0\0\x01\0\0", 3),
     "2 element segments; " POLICY ":2: limits.element-segments allows 1", 0},
    {"limits:\n  elements: 3", "(module (func $f) (elem func $f $f) (elem func $f))",
     "(module (func $f) (elem func $f $f) (elem func $f $f))", false, "limits.elements",
     AT("\x01\0\x02\0\0\x01\0\x02", 7),
     "4 elements in segments; " POLICY ":2: limits.elements allows 3", 0},
    {"limits:\n  data-segments: 1", "(module (data \"x\"))", "(module (data \"x\") (data \"y\"))",
     false, "limits.data-segments", AT("\x01\x01y", 0),
     "2 data segments; " POLICY ":2: limits.data-segments allows 1", 0},
    {"limits:\n  data: 4", "(module (data \"xx\") (data \"yy\"))",
     "(module (data \"xx\") (data \"yyy\"))", false, "limits.data", AT("\x01\x03yyy", 1),
     "5 bytes in data segments; " POLICY ":2: limits.data allows 4", 0},
    {"limits:\n  parameters: 1", "(module (type (func (param i32))))",
     "(module (type (func (param i32 f32))))", false, "limits.parameters", AT("\x60\x02\x7f", 1),
     "2 parameters; " POLICY ":2: limits.parameters allows 1", 0},
    {"limits:\n  results: 1", "(module (type (func (result i32))))",
     "(module (type (func (result i32 f32))))", false, "limits.results", AT("\x60\0\x02", 2),
     "2 results; " POLICY ":2: limits.results allows 1", 0},
    {"limits:\n  locals: 3", "(module " F " (local i32 i32 i64)))",
     "(module " F " (local i32 i32 i64 i64 f32)))", true, "limits.locals",
     AT("\x02\x7f\x02\x7e\x01\x7d", 2),
     "function 0: 5 locals; " POLICY ":2: limits.locals allows 3", 0},
    {"limits:\n  locals: 1", NULL, "(module (func (param i32 i32)) " F "))", false, "limits.locals",
     AT("\x02\x02\0\x0b", 2), "function 0: 2 locals; " POLICY ":2: limits.locals allows 1", 0},
    {"limits:\n  body: 3", "(module " F " nop))", "(module " F " nop nop))", false, "limits.body",
     AT("\x04\0\x01\x01\x0b", 0), "a body of 4 bytes; " POLICY ":2: limits.body allows 3", 0},
    {"limits:\n  nesting: 2", "(module " F " (block (loop)) (block)))",
     "(module " F " (block (loop (block (block)))) (block)))", true, "limits.nesting",
     AT("\x03\x40\x02\x40\x02", 2),
     "function 0: 4 blocks open at a time; " POLICY ":2: limits.nesting allows 2", 0},
    {"limits:\n  frame: 24",
     "(module " F " (local i32) (drop (i32.add (i32.const 1) (i32.const 2)))))",
     "(module " F
     " (local i32) (drop (i32.add (i32.const 1) (i32.add (i32.const 2) (i32.const 3))))))",
     true, "limits.frame", AT("\x01\x01\x7f\x41", 0),
     "function 0: a frame of 32 bytes; " POLICY ":2: limits.frame allows 24", 0},
    {"limits:\n  frame: 8", "(module " F " (drop (i32.const 1))))",
     "(module " F " (drop (v128.const i64x2 1 2))))", true, "limits.frame", AT("\0\xfd\x0c", 0),
     "function 0: a frame of 16 bytes; " POLICY ":2: limits.frame allows 8", 0},

    /* Features: where sections have them, and where functions do. */
    {ONLY("multi-value"), "(module (memory 1))", "(module (memory 1) (memory 1))", false,
     "features", AT("\x05\x05\x02\0\x01", 2), NEEDS("a second memory", "multi-memory"), 0},
    {ONLY("reference-types"), "(module (type (func (result i32))))",
     "(module (type (func (result i32 i32))))", false, "features", AT("\x60\0\x02\x7f", 0),
     NEEDS("several results", "multi-value"), 0},
    {ONLY("reference-types"), "(module (global f64 (f64.const 0)))",
     "(module (import \"a\" \"b\" (global v128)))", false, "features", AT("\x03\x7b\0", 1),
     NEEDS("v128", "simd"), 0},
    {ONLY("reference-types"), "(module (type (func)))", "(module (type (struct)))", false,
     "features", AT("\x5f\0", 0), NEEDS("a structure or array type", "gc"), 0},
    {ONLY("reference-types"), "(module (memory 1))", "(module (memory i64 1))", false, "features",
     AT("\x01\x04\x01", 1), NEEDS("64-bit limits", "memory64"), 0},
    {ONLY("reference-types"), "(module (global i32 (i32.const 3)))",
     "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))", false, "features",
     AT("\x02\x6a", 1), NEEDS("i32.add", "extended-const"), 0},
    {ONLY("reference-types"),
     "(module (import \"a\" \"b\" (global i32)) (global i32 (global.get 0)))",
     "(module (global i32 (i32.const 1)) (global i32 (global.get 0)))", false, "features",
     AT("\x23\0\x0b", 0), NEEDS("a constant expression that reads an own global", "gc"), 0},
    {"\nfeatures: none", "(module (memory 1))", "(module (memory 1 (pagesize 1)))", false,
     "features", AT("\x01\x08\x01\0", 1), NEEDS("a page size of its own", "custom-page-sizes"), 0},
    {"\nfeatures: none", "(module " F " (drop (i32.const 1))))",
     "(module " F " (drop (i32.extend8_s (i32.const 1))) (drop (i32.extend16_s (i32.const 1)))))",
     true, "features", AT("\x41\x01\xc0", 2),
     "function 0: " NEEDS("i32.extend8_s", "sign-extension"), 0},
    {ONLY("multi-value"), "(module " F "))",
     "(module " F " (drop (v128.const i64x2 1 2)) (drop (v128.const i64x2 1 2))))", true,
     "features", AT("\0\xfd\x0c", 1), "function 0: " NEEDS("v128.const", "simd"), 0},
    {ONLY("simd"), "(module " F "))", "(module " F " (i32.const 1) (block (param i32) (drop))))",
     true, "features", AT("\x41\x01\x02", 2),
     "function 0: " NEEDS("a block with a type index", "multi-value"), 0},
    {ONLY("simd"), "(module (memory 1) " F " (drop (i32.load (i32.const 0)))))",
     "(module (memory 1) " F " (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))", true,
     "features", AT("\xfc\x0b\0", 0), "function 0: " NEEDS("memory.fill", "bulk-memory"), 0},
    {ONLY("simd"), "(module " F " (local i32)))", "(module " F " (local funcref externref)))", true,
     "features", AT("\x01\x6f", 1), "function 0: " NEEDS("a reference type", "reference-types"), 0},
    {ONLY("simd"), "(module " F "))", "(module " F " (return_call 0)))", true, "features",
     AT("\x12\0", 0), "function 0: " NEEDS("return_call", "tail-call"), 0},
    {ONLY("all"), NULL,
     "(module " F
     " (i64.add128 (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)) drop drop))",
     true, "features", AT("\xfc\x13", 0), "function 0: " NEEDS("i64.add128", "wide-arithmetic"), 0},

    /* Imports. */
    {"\nimports: []", "(module)", "(module (import \"env\" \"log\" (func (param i32))))", false,
     "imports", AT("\x03log", 1),
     "the import `env` `log` (func (param i32)); " POLICY ":2: imports does not have it", 0},
    {"imports:\n  - env.l*", "(module (import \"env\" \"log\" (func (param i32))))",
     "(module (import \"env\" \"log\" (func)) (import \"env\" \"exit\" (func)))", false, "imports",
     AT("\x04"
        "exit",
        1),
     "the import `env` `exit` (func); " POLICY ":1: imports does not have it", 1},
    {"imports:\n  - env.?", NULL, "(module (import \"env2\" \"f\" (func)))", false, "imports",
     AT("\x01"
        "f",
        1),
     "the import `env2` `f` (func); " POLICY ":1: imports does not have it", 1},
    {"imports:\n  - {module: env, name: log, type: \"(func  (param i32   i64 )(result f32) )\"}",
     "(module (import \"env\" \"log\" (func (param i32 i64) (result f32))))",
     "(module (import \"env\" \"log\" (func (param i32 i64))))", false, "imports", AT("\x03log", 1),
     "the import `env` `log` is (func (param i32 i64)); " POLICY
     ":2: imports allows (func  (param i32   i64 )(result f32) )",
     0},
    {"imports:\n  - {module: env, name: m, type: \"(memory 1 2)\"}\n"
     "  - {module: env, name: \"*\", type: \"(func)\"}",
     "(module (import \"env\" \"m\" (memory 1 2)) (import \"env\" \"m\" (func)))",
     "(module (import \"env\" \"m\" (memory 1 3)))", false, "imports", AT("\x01m\x02", 1),
     "the import `env` `m` is (memory 1 3); " POLICY ":2: imports allows (memory 1 2)", 0},

    /* Names in messages: nothing in them ends a line, drives a terminal or hides the rest. */
    {"\nimports: []", NULL, "(module (import \"a\\0ab\" \"c\\00d\\1b[m\\c2\\85\\e2\\80\\ae\" (func)))",
     false, "imports", AT("c\0d", 0),
     "the import `a\\x0ab` `c\\x00d\\x1b[m\\xc2\\x85\\xe2\\x80\\xae` (func); " POLICY
     ":2: imports does not have it", 0},

    /* Calls of WASI. */
    {"wasi:\n  calls: [fd_read]", NULL,
     "(module (import \"wasi_snapshot_preview1\" \"fd_read\\00\\0a\" (func)))", false, "wasi.calls",
     AT("fd_read", 0),
     "the call `fd_read\\x00\\x0a` of WASI; " POLICY ":2: wasi.calls does not have it", 0},
    {"wasi:\n  calls: [fd_read]",
     "(module (import \"wasi_snapshot_preview1\" \"fd_read\" (func))"
     " (import \"env\" \"fd_write\" (func)))",
     "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func)))", false, "wasi.calls",
     AT("fd_write", 0), "the call `fd_write` of WASI; " POLICY ":2: wasi.calls does not have it",
     0},
    {"wasi:\n  calls: []", "(module)", "(module (import \"wasi_unstable\" \"fd_read\" (func)))",
     false, "wasi.calls", AT("fd_read", 0),
     "the call `fd_read` of WASI; " POLICY ":2: wasi.calls does not have it", 0},

    /* Exports. */
    {"exports:\n  - f", "(module " F "))", "(module (func (export \"g\")))", false, "exports",
     OFFSET(UINT64_MAX), "there is no export `f`; " POLICY ":2: exports wants it", 0},
    {"exports:\n  - {name: f, type: \"(func )\"}", "(module " F "))",
     "(module (func (export \"f\") (param i32)))", false, "exports", AT("\1f", 1),
     "the export `f` is (func (param i32)); " POLICY ":2: exports wants (func )", 0},
    {"exports:\n  - {name: f, type: \"(memory 1)\"}", "(module (memory (export \"f\") 1))",
     "(module " F "))", false, "exports", AT("\1f", 1),
     "the export `f` is (func); " POLICY ":2: exports wants (memory 1)", 0},
};
enum { RULES = sizeof rules / sizeof *rules };

/* ---- Policies and modules ---- */

static void must(fnvm_error *error)
{
    if (!error) return;
    for (const fnvm_error *e = error; e; e = fnvm_error_cause(e))
        print_error("%s\n", fnvm_error_message(e));
    fail();
}

static bool says(const fnvm_error *error, const char *text)
{
    for (; error; error = fnvm_error_cause(error))
        if (strstr(fnvm_error_message(error), text)) return true;
    return false;
}

static fnvm_policy *parse(const char *yaml)
{
    fnvm_policy *policy;
    must(fnvm_policy_parse(POLICY, yaml, strlen(yaml), &policy));
    return policy;
}

static uint32_t rule_line(const Rule *rule) { return rule->line ? rule->line : 2; }

/* The only place where the bytes are. */
static uint64_t rule_offset(const Rule *rule)
{
    uint8_t *wasm;
    size_t len;
    if (!rule->bytes) return rule->offset;
    must(fnvm_wat_to_wasm(rule->refused, strlen(rule->refused), &wasm, &len));
    const uint8_t *at = memmem(wasm, len, rule->bytes, rule->nbytes);
    if (!at || memmem(at + 1, len - (size_t)(at + 1 - wasm), rule->bytes, rule->nbytes))
        fail_msg("%s once in %s", at ? "more than" : "not", rule->refused);
    const uint64_t offset = (uint64_t)(at - wasm) + rule->skew;
    free(wasm);
    return offset;
}

static void rule_message(const Rule *rule, char *text, size_t size)
{
    const uint64_t offset = rule_offset(rule);
    if (offset == UINT64_MAX) snprintf(text, size, "%s", rule->message);
    else snprintf(text, size, "0x%" PRIx64 ": %s", offset, rule->message);
}

/* ---- One look ---- */

enum { SEEN_MOST = 8 };
typedef struct Seen {
    fnvm_violation items[SEEN_MOST];
    char messages[SEEN_MOST][400];
    size_t n;
} Seen;

static void see(void *env, const fnvm_violation *violation)
{
    Seen *seen = env;
    if (seen->n < SEEN_MOST) {
        seen->items[seen->n] = *violation;
        snprintf(seen->messages[seen->n], sizeof *seen->messages, "%s", violation->message);
    }
    seen->n++;
}

static size_t look(fnvm_policy *policy, const char *text, Seen *seen)
{
    size_t n = 1234;
    seen->n = 0;
    must(fnvm_policy_check(policy, text, strlen(text), see, seen, &n));
    return n;
}

static void check_finds_each(void **state)
{
    (void)state;
    for (size_t i = 0; i < RULES; i++) {
        const Rule *rule = &rules[i];
        fnvm_policy *policy = parse(rule->yaml);
        char message[500];
        Seen seen;
        rule_message(rule, message, sizeof message);
        if (rule->allowed && look(policy, rule->allowed, &seen) != 0)
            fail_msg("rule %zu: %s: %s", i, rule->allowed, seen.messages[0]);
        if (look(policy, rule->refused, &seen) != 1 || seen.n != 1 ||
            strcmp(seen.messages[0], message) != 0)
            fail_msg("rule %zu: %zu violations, the first: %s; expected: %s", i, seen.n,
                     seen.n ? seen.messages[0] : "", message);
        assert_string_equal(seen.items[0].rule, rule->rule);
        assert_int_equal(seen.items[0].line, rule_line(rule));
        assert_true(seen.items[0].offset == rule_offset(rule));
        fnvm_policy_release(policy);
    }
}

/* ---- Loading and running ---- */

static fnvm_engine *open_engine(fnvm_policy *policy, fnvm_engine_kind kind, fnvm_verify verify)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.policy = policy;
    config.engine = kind;
    config.verify = verify;
    config.features |= FNVM_FEATURE_WIDE_ARITHMETIC | FNVM_FEATURE_CUSTOM_PAGE_SIZES;
    fnvm_engine *engine;
    must(fnvm_engine_new(&config, &engine));
    return engine;
}

/* Instantiates the module, which imports nothing, and calls "f". */
static fnvm_error *run(fnvm_module *module, fnvm_engine *engine)
{
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_extern f;
    must(fnvm_store_new(engine, &store));
    must(fnvm_linker_new(store, &linker));
    must(fnvm_linker_instantiate(linker, module, &instance));
    assert_true(fnvm_instance_export(instance, "f", 1, &f));
    fnvm_error *error = fnvm_func_call(store, f, NULL, 0, NULL, 0);
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    return error;
}

static void refuses(const Rule *rule, fnvm_engine *engine, bool at_load)
{
    char message[500];
    fnvm_module *module = NULL;
    rule_message(rule, message, sizeof message);
    fnvm_error *error = fnvm_module_new(engine, rule->refused, strlen(rule->refused), &module);
    if (at_load) {
        assert_non_null(error);
        assert_int_equal(fnvm_error_code(error), FNVM_E_POLICY);
    } else {
        must(error);
        error = run(module, engine);
        fnvm_module_release(module);
        assert_non_null(error);
        assert_int_equal(fnvm_error_trap(error), FNVM_TRAP_VERIFY);
        assert_int_equal(fnvm_error_code(fnvm_error_cause(error)), FNVM_E_POLICY);
    }
    if (!says(error, message)) fail_msg("%s: %s", message, fnvm_error_message(error));
    fnvm_error_free(error);
}

static void loading_refuses_each(void **state)
{
    (void)state;
    static const fnvm_engine_kind kinds[] = {FNVM_ENGINE_INTERPRETER, FNVM_ENGINE_JIT};
    for (size_t i = 0; i < 4 * RULES; i++) {
        const Rule *rule = &rules[i / 4];
        fnvm_policy *policy = parse(rule->yaml);
        const fnvm_verify verify = i & 1 ? FNVM_VERIFY_EAGER : FNVM_VERIFY_LAZY;
        fnvm_engine *engine = open_engine(policy, kinds[i / 2 % 2], verify);
        fnvm_policy_release(policy); /* the engine has it */
        fnvm_module *module;
        if (rule->allowed) {
            must(fnvm_module_new(engine, rule->allowed, strlen(rule->allowed), &module));
            if (rule->in_function) must(run(module, engine));
            fnvm_module_release(module);
        }
        if (verify == FNVM_VERIFY_EAGER || strncmp(rule->message, "function", 8) != 0)
            refuses(rule, engine, true);
        else if (rule->in_function) refuses(rule, engine, false);
        fnvm_engine_free(engine);
    }
}

/* Compiling all at once verifies first: what is refused has no code, and is refused when it is
 * called. */
static void eager_compilation_is_no_way_around(void **state)
{
    (void)state;
    fnvm_policy *policy = parse("run: {compile: eager, engine: jit}\nlimits: {nesting: 1}");
    fnvm_engine *engine = open_engine(policy, FNVM_ENGINE_AUTO, FNVM_VERIFY_LAZY);
    const char *text = "(module (func $deep (block (block))) " F " (call $deep)))";
    fnvm_module *module;
    must(fnvm_module_new(engine, text, strlen(text), &module));
    must(fnvm_module_compile(module));
    fnvm_error *error = run(module, engine);
    assert_int_equal(fnvm_error_trap(error), FNVM_TRAP_VERIFY);
    assert_true(says(error, "function 0: 2 blocks open at a time"));
    fnvm_error_free(error);
    size_t bad;
    must(fnvm_module_verify(module, NULL, NULL, &bad));
    assert_int_equal(bad, 1);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    fnvm_policy_release(policy);
}

/* ---- All of them, in order ---- */

static void all_are_found_in_order(void **state)
{
    (void)state;
    static const char text[] = "(module (import \"env\" \"g\" (func)) (memory 1) (memory 9)"
                               " (func (local i32)) (func) (func (local i32 i32) (block)))";
    static const char *const expected[] = {
        "`env` `g`",           "a second memory",      "a memory of 589824 bytes",
        "2 memories",          "function 1: 1 locals", "function 3: 2 locals",
        "function 3: 1 blocks"};
    fnvm_policy *policy = parse("imports: []\nfeatures: none\n"
                                "limits: {memories: 1, memory: 64KiB, locals: 0, nesting: 0}");
    Seen seen;
    assert_int_equal(look(policy, text, &seen), 7);
    for (size_t i = 0; i < 7; i++)
        if (!strstr(seen.messages[i], expected[i])) fail_msg("%zu: %s", i, seen.messages[i]);

    /* Loading says those of sections, and with the functions verified then, theirs as well. */
    fnvm_module *module;
    fnvm_engine *engine = open_engine(policy, FNVM_ENGINE_INTERPRETER, FNVM_VERIFY_EAGER);
    fnvm_error *error = fnvm_module_new(engine, text, sizeof text - 1, &module);
    assert_true(says(error, "the module violates the policy " POLICY " in 7 places:\n  0x"));
    for (size_t i = 0; i < 7; i++) assert_true(says(error, expected[i]));
    fnvm_error_free(error);
    fnvm_engine_free(engine);
    fnvm_policy_release(policy);
}

static void many_are_counted(void **state)
{
    (void)state;
    enum { MANY = 1500 };
    char *text = malloc(MANY * 40 + 40), *end = text;
    end += sprintf(end, "(module ");
    for (int i = 0; i < MANY; i++) end += sprintf(end, "(import \"a\" \"b%d\" (func))", i);
    sprintf(end, ")");
    fnvm_policy *policy = parse("imports: []");
    Seen seen;
    assert_int_equal(look(policy, text, &seen), MANY);
    assert_int_equal(seen.n, VIOLATIONS_MAX);
    fnvm_engine *engine = open_engine(policy, FNVM_ENGINE_INTERPRETER, FNVM_VERIFY_LAZY);
    fnvm_module *module;
    fnvm_error *error = fnvm_module_new(engine, text, strlen(text), &module);
    assert_true(says(error, "in 1500 places"));
    assert_true(says(error, "`b19`"));
    assert_false(says(error, "`b20`"));
    assert_true(says(error, "\n  and 1480 more"));
    fnvm_error_free(error);
    fnvm_engine_free(engine);
    fnvm_policy_release(policy);
    free(text);
}

/* A default has no line. */
/* A module of many imports, all the same, of a function with many parameters. */
static uint8_t *many_imports(uint32_t n, uint32_t params, size_t *len)
{
    static const uint8_t header[] = {0, 'a', 's', 'm', 1, 0, 0, 0}, import[] = {1, 'a', 1, 'b', 0, 0};
    enum { LEB = 5, HEAD = 64 };
    uint8_t *bytes = malloc(HEAD + params + n * sizeof import), *to = bytes;
    assert_non_null(bytes);
    const struct { uint32_t value; uint8_t before, with_before; } numbers[] = {
        {params + 1 + 1 + LEB + 1, 1, 1}, {1, 0, 0}, {params, 0x60, 1},
        {n * (uint32_t)sizeof import + LEB, 2, 1}, {n, 0, 0}};
    memcpy(to, header, sizeof header);
    to += sizeof header;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (numbers[i].with_before) *to++ = numbers[i].before;
        if (i == 1) {
            *to++ = 1; /* one type */
            continue;
        }
        for (unsigned k = 0; k < LEB; k++)
            *to++ = (uint8_t)((numbers[i].value >> (7 * k) & 0x7F) | (k + 1 < LEB ? 0x80 : 0));
        if (i != 2) continue;
        memset(to, 0x7F, params);
        to += params;
        *to++ = 0; /* no results */
    }
    for (uint32_t i = 0; i < n; i++, to += sizeof import) memcpy(to, import, sizeof import);
    *len = (size_t)(to - bytes);
    return bytes;
}

/* "imports:", n entries that nothing fits, and then one more. */
static fnvm_policy *many_patterns(size_t n, const char *last)
{
    char *yaml = NULL;
    size_t size;
    FILE *out = open_memstream(&yaml, &size);
    assert_non_null(out);
    fputs("imports:\n", out);
    for (size_t i = 0; i < n; i++) fprintf(out, "- a.c%zu\n", i);
    fputs(last, out);
    fclose(out);
    fnvm_policy *policy = parse(yaml);
    free(yaml);
    return policy;
}

/* The work that a module can make of comparing has an end, and is not done where nobody needs it.
 * Without that, each of these would take minutes. */
static void comparing_has_an_end(void **state)
{
    (void)state;
    const struct { uint32_t imports, params; size_t patterns; const char *last, *message; } rows[] = {
        {1000000, 0, 9999, "- \"a.*\"\n", "comparing more of them with the policy's 10000 patterns"},
        {1000000, 1000, 0, "- {module: a, type: (memory 1)}\n", "the import `a` `b` is (func (param"},
        {1000000, 1000, 0, "- b.*\n", "the import `a` `b` (func (param"},
        {1000000, 1000, 0, "- a.*\n", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fnvm_policy *policy = many_patterns(rows[i].patterns, rows[i].last);
        size_t len, n;
        uint8_t *bytes = many_imports(rows[i].imports, rows[i].params, &len);
        Seen seen = {.n = 0};
        must(fnvm_policy_check(policy, bytes, len, see, &seen, &n));
        assert_int_equal(n > 0, rows[i].message != NULL);
        if (rows[i].message && !strstr(seen.messages[0], rows[i].message))
            fail_msg("%s", seen.messages[0]);
        free(bytes);
        fnvm_policy_release(policy);
    }
}

static void *interrupt(void *engine)
{
    usleep(50000);
    fnvm_engine_interrupt(engine);
    return NULL;
}

/* Refused for that, whenever it comes; the flag may be there before, too. */
static void comparing_is_interrupted(void **state)
{
    (void)state;
    size_t len;
    uint8_t *bytes = many_imports(4000, 0, &len);
    for (int early = 0; early < 2; early++) {
        fnvm_policy *policy = many_patterns(9999, "- \"a.*\"\n");
        fnvm_engine *engine = open_engine(policy, FNVM_ENGINE_INTERPRETER, FNVM_VERIFY_LAZY);
        fnvm_module *module = NULL;
        pthread_t thread;
        if (early) fnvm_engine_interrupt(engine);
        else assert_int_equal(pthread_create(&thread, NULL, interrupt, engine), 0);
        fnvm_error *error = fnvm_module_new(engine, bytes, len, &module);
        if (!early) pthread_join(thread, NULL);
        if (error) { /* a fast machine may be done before */
            assert_int_equal(fnvm_error_code(error), FNVM_E_LIMIT);
            assert_true(says(error, "interrupted while"));
        } else {
            assert_false(early);
            fnvm_module_release(module);
        }
        fnvm_error_free(error);
        fnvm_engine_clear_interrupt(engine);
        must(fnvm_module_new(engine, bytes, len, &module));
        fnvm_module_release(module);
        fnvm_engine_free(engine);
        fnvm_policy_release(policy);
    }
    free(bytes);
}

static void defaults_hold(void **state)
{
    (void)state;
    char *text = malloc(4000), *end = text;
    end += sprintf(end, "(module ");
    for (int i = 0; i < 101; i++) end += sprintf(end, "(table 0 funcref)");
    sprintf(end, ")");
    fnvm_policy *policy = parse("features: all");
    Seen seen;
    assert_int_equal(look(policy, text, &seen), 1);
    assert_int_equal(seen.items[0].line, 0);
    assert_non_null(strstr(seen.messages[0], "101 tables; " POLICY ": limits.tables allows 100"));
    fnvm_policy_release(policy);
    free(text);
}

static void no_module_is_an_error(void **state)
{
    (void)state;
    fnvm_policy *policy = parse("limits: {functions: 0}");
    static const char *const bad[] = {"nonsense", "(module (func (i32.add)))",
                                      "(module (export \"a\" (func 3)))"};
    for (size_t i = 0; i < 3; i++) {
        size_t n;
        fnvm_error *error = fnvm_policy_check(policy, bad[i], strlen(bad[i]), NULL, NULL, &n);
        assert_non_null(error);
        assert_int_not_equal(fnvm_error_code(error), FNVM_E_POLICY);
        fnvm_error_free(error);
        char *yaml;
        error = fnvm_policy_explain(bad[i], strlen(bad[i]), &yaml);
        assert_non_null(error);
        fnvm_error_free(error);
    }
    fnvm_policy_release(policy);
}

/* What the host makes for itself is made of modules, too. */
static void the_host_is_free(void **state)
{
    (void)state;
    fnvm_policy *policy = parse("exports: [_start]\nlimits: {memories: 0, tables: 0, globals: 0}");
    fnvm_engine *engine = open_engine(policy, FNVM_ENGINE_INTERPRETER, FNVM_VERIFY_LAZY);
    fnvm_store *store;
    fnvm_extern made;
    must(fnvm_store_new(engine, &store));
    must(fnvm_memory_new(store, 1, 2, false, &made));
    must(fnvm_global_new(store, FNVM_I32, true, &(fnvm_val){.kind = FNVM_I32}, &made));
    fnvm_store_free(store);
    fnvm_engine_free(engine);
    fnvm_policy_release(policy);
}

/* ---- Code that was compiled under another policy ---- */

static void remove_directory(const char *path)
{
    char file[400];
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && unlink(file) != 0) remove_directory(file);
    }
    if (dir) closedir(dir);
    rmdir(path);
}

static fnvm_error *run_cached(const char *directory, fnvm_policy *policy, const char *text)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.policy = policy;
    config.engine = FNVM_ENGINE_JIT;
    config.code_cache = directory;
    fnvm_engine *engine;
    fnvm_module *module;
    must(fnvm_engine_new(&config, &engine));
    must(fnvm_module_new(engine, text, strlen(text), &module));
    fnvm_error *error = run(module, engine);
    fnvm_module_release(module); /* writes what was compiled */
    fnvm_engine_free(engine);
    return error;
}

static void the_cache_knows_the_policy(void **state)
{
    (void)state;
    static const char text[] = "(module " F " (block (block (nop)))))";
    char directory[] = "/tmp/fnvm-rules-XXXXXX";
    assert_non_null(mkdtemp(directory));
    fnvm_policy *strict = parse("limits: {nesting: 1}"), *fitting = parse("limits: {nesting: 2}");
    must(run_cached(directory, NULL, text));
    must(run_cached(directory, fitting, text));
    must(run_cached(directory, fitting, text));
    fnvm_error *error = run_cached(directory, strict, text);
    assert_non_null(error);
    assert_int_equal(fnvm_error_trap(error), FNVM_TRAP_VERIFY);
    assert_true(says(error, "limits.nesting allows 1"));
    fnvm_error_free(error);
    fnvm_policy_release(strict);
    fnvm_policy_release(fitting);
    remove_directory(directory);
}

/* The modules of an image are held against the policy when it is opened, those of the host are not. */
static void images_are_no_way_around(void **state)
{
    (void)state;
    static const char text[] = "(module (import \"host\" \"memory\" (memory 1)) " F " (block)))";
    char directory[] = "/tmp/fnvm-rules-XXXXXX", path[sizeof directory + 8];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/image", directory);
    fnvm_engine *engine = open_engine(NULL, FNVM_ENGINE_INTERPRETER, FNVM_VERIFY_LAZY);
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_extern memory;
    must(fnvm_module_new(engine, text, sizeof text - 1, &module));
    must(fnvm_store_new(engine, &store));
    must(fnvm_linker_new(store, &linker));
    must(fnvm_memory_new(store, 1, 2, false, &memory));
    must(fnvm_linker_define(linker, "host", 4, "memory", 6, memory));
    must(fnvm_linker_instantiate(linker, module, &instance));
    must(fnvm_store_freeze(
        store, &(fnvm_freeze){.path = path, .main = instance, .linker = linker, .no_sync = true}));
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_module_release(module);
    fnvm_engine_free(engine);

    static const struct {
        const char *yaml, *refused;
    } cases[] = {
        {"exports: [f]\nlimits: {memories: 1}", NULL},
        {"exports: [g]", "there is no export `g`"},
        {"limits: {nesting: 0}\nrun: {verify: eager}", "function 0: 1 blocks open at a time"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fnvm_policy *policy = parse(cases[i].yaml);
        engine = open_engine(policy, FNVM_ENGINE_INTERPRETER, FNVM_VERIFY_LAZY);
        fnvm_image *image = NULL;
        fnvm_error *error = fnvm_image_open(engine, path, NULL, &image);
        if (!cases[i].refused) must(error);
        else assert_true(fnvm_error_code(error) == FNVM_E_POLICY && says(error, cases[i].refused));
        fnvm_error_free(error);
        fnvm_image_release(image);
        fnvm_engine_free(engine);
        fnvm_policy_release(policy);
    }
    remove_directory(directory);
}

/* ---- Explaining ---- */

/* What explain says allows the module; any number one lower refuses it, for that number. */
static void explained(const char *text)
{
    char *yaml;
    Seen seen;
    must(fnvm_policy_explain(text, strlen(text), &yaml));
    fnvm_policy *policy = parse(yaml);
    if (look(policy, text, &seen) != 0) fail_msg("%s\n%s\n%s", text, yaml, seen.messages[0]);
    for (unsigned which = 0; which < CEILING_STACK; which++) {
        Ceiling *ceiling = &policy->ceilings[which];
        char rule[60];
        snprintf(rule, sizeof rule, "limits.%s", policy_ceilings[which].key);
        assert_true(ceiling->line > 0);
        if (ceiling->most == 0 || (which == CEILING_MODULE && ceiling->most == 8)) continue;
        ceiling->most--;
        if (look(policy, text, &seen) == 0) fail_msg("%s: too much for %s", rule, text);
        for (size_t i = 0; i < seen.n && i < SEEN_MOST; i++) {
            assert_string_equal(seen.items[i].rule, rule);
            assert_int_equal(seen.items[i].line, ceiling->line);
        }
        ceiling->most++;
    }
    for (uint32_t left = policy->features; left; left &= left - 1) {
        policy->features &= ~(left & -left);
        assert_true(look(policy, text, &seen) > 0);
        assert_string_equal(seen.items[0].rule, "features");
        policy->features |= left & -left;
    }
    fnvm_policy_release(policy);
    free(yaml);
}

static void explanations_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < RULES; i++) {
        if (rules[i].allowed) explained(rules[i].allowed);
        explained(rules[i].refused);
    }
    /* Names that YAML has no plain way for, or that are patterns; calls that WASI does not have. */
    explained("(module (import \"\" \"\" (func)) (import \"a\\00b\\n\\\"\" \"\\\\ # : {x}\" (func))"
              " (import \"*.?\" \"\\c2\\85\\ef\\bb\\bf\\e2\\80\\a8\\e6\\97\\a5\" (func)))");
    explained("(module (import \"wasi_unstable\" \"what: is, this\" (func)))");
    explained(
        "(module (rec (type $t (struct (field (ref null $t)))))"
        " (import \"a\" \"b\" (func (param (ref null $t)))) (global (ref null $t) (ref.null $t)))");
}

static void explanations_of_many_imports_fit(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    char *text = malloc(MANY * 700 + 40);
    /* Too many, too long, and from too many modules. */
    const struct {
        int n, len, modules;
    } cases[] = {{MANY, 1, 2}, {1500, 600, 1}, {MANY, 1, 300}};
    for (size_t c = 0; c < 3; c++) {
        char *end = text + sprintf(text, "(module ");
        for (int i = 0; i < cases[c].n; i++)
            end += sprintf(end, "(import \"m%d\" \"%0*d\" (func))", i % cases[c].modules,
                           cases[c].len, i);
        sprintf(end, ")");
        char *yaml;
        Seen seen;
        must(fnvm_policy_explain(text, strlen(text), &yaml));
        fnvm_policy *policy = parse(yaml);
        assert_int_equal(look(policy, text, &seen), 0);
        fnvm_policy_release(policy);
        free(yaml);
    }
    free(text);
}

static void explanation_reads_well(void **state)
{
    (void)state;
    static const char text[] =
        "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i32 i32 i32 i32) "
        "(result i32)))"
        " (import \"env\" \"log\" (func (param i32)))"
        " (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32)))"
        " (memory (export \"memory\") 2) (func (export \"_start\") (drop (i32.extend8_s (i32.const "
        "1)))))";
    static const char *const lines[] = {
        "features: [sign-extension]\n",
        "imports:\n  - {module: \"wasi_snapshot_preview1\", name: \"fd_write\", "
        "type: \"(func (param i32 i32 i32 i32) (result i32))\"}\n"
        "  - {module: \"wasi_snapshot_preview1\", name: \"proc_exit\", type: \"(func (param "
        "i32))\"}\n"
        "  - {module: \"env\", name: \"log\", type: \"(func (param i32))\"}\n",
        "#   - {name: \"_start\", type: \"(func)\"}\n",
        "  memory: 131072 ",
        "  functions: 4 ",
        "  calls: [fd_write, proc_exit]\n"};
    char *yaml;
    must(fnvm_policy_explain(text, sizeof text - 1, &yaml));
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (!strstr(yaml, lines[i])) fail_msg("no %s in\n%s", lines[i], yaml);
    free(yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_finds_each),
        cmocka_unit_test(loading_refuses_each),
        cmocka_unit_test(eager_compilation_is_no_way_around),
        cmocka_unit_test(all_are_found_in_order),
        cmocka_unit_test(many_are_counted),
        cmocka_unit_test(comparing_has_an_end),
        cmocka_unit_test(comparing_is_interrupted),
        cmocka_unit_test(defaults_hold),
        cmocka_unit_test(no_module_is_an_error),
        cmocka_unit_test(the_host_is_free),
        cmocka_unit_test(the_cache_knows_the_policy),
        cmocka_unit_test(images_are_no_way_around),
        cmocka_unit_test(explanations_fit),
        cmocka_unit_test(explanations_of_many_imports_fit),
        cmocka_unit_test(explanation_reads_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
