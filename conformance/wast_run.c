/* A script is a list of commands over a growing set of modules and instances.  Each command gives
 * a verdict, and a reason where it did not pass.  A module that fails leaves its instance lost, so
 * that what follows is skipped by name instead of running against the wrong instance.
 *
 * Modules and instances are known by number, so that the store may be exchanged between commands
 * for one restored from an image of it. */
#include "conformance/wast_run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conformance/spectest.h"
#include "conformance/wast_roundtrip.h"
#include "conformance/wast_values.h"

typedef enum Verdict { PASSED, FAILED, SKIPPED } Verdict;

/* A "$name" of the script, or one that is registered; names may be taken again, the latest counts.
 * `number` is 0 where the module failed. */
typedef struct Named { WastString name; size_t number; } Named;
typedef struct Names { Named *items; size_t n, cap; } Names;

typedef struct Script {
    const char *path;
    const WastOptions *options;
    fnvm_engine *engine;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_module **held; /* all modules by number - 1, released at the end */
    size_t nheld, held_cap;
    Names modules, instances, registered;
    size_t module, instance; /* the most recent ones; 0: none, or it failed */
    bool module_lost, instance_lost;
    char reason[1000];
} Script;

/* ---- Reasons ---- */

__attribute__((format(printf, 2, 3))) static Verdict failed(Script *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->reason, sizeof s->reason, format, args);
    va_end(args);
    return FAILED;
}

static Verdict skipped(Script *s, const char *why)
{
    snprintf(s->reason, sizeof s->reason, "%s", why);
    return SKIPPED;
}

/* An error with all its causes on one line. */
typedef struct ErrorText { char text[600]; } ErrorText;

static ErrorText error_text(const fnvm_error *e)
{
    ErrorText t = {"success"};
    size_t len = 0;
    for (; e && len < sizeof t.text; e = fnvm_error_cause(e)) {
        int n = snprintf(t.text + len, sizeof t.text - len, "%s%s", len ? ": " : "",
                         fnvm_error_message(e));
        len += n > 0 ? (size_t)n : 0;
    }
    for (char *at = t.text; *at; at++)
        if (*at == '\n') *at = ' ';
    return t;
}

static const char *code_name(fnvm_code code)
{
    static const char *const names[] = {
        [FNVM_OK] = "no error", [FNVM_E_MALFORMED] = "malformed", [FNVM_E_INVALID] = "invalid",
        [FNVM_E_LINK] = "unlinkable", [FNVM_E_TRAP] = "a trap", [FNVM_E_EXCEPTION] = "an exception",
        [FNVM_E_EXIT] = "an exit", [FNVM_E_UNSUPPORTED] = "unsupported",
        [FNVM_E_LIMIT] = "a limit", [FNVM_E_NOT_FOUND] = "not found",
        [FNVM_E_IO] = "an I/O error", [FNVM_E_MEMORY] = "no memory", [FNVM_E_USAGE] = "wrong use"};
    return (size_t)code < sizeof names / sizeof *names ? names[code] : "unknown";
}

/* Frees the error and fails with "expected WHAT, got CLASS: TEXT". */
static Verdict unexpected(Script *s, const char *what, fnvm_error *e)
{
    Verdict v = failed(s, "expected %s, got %s: %s", what, code_name(fnvm_error_code(e)),
                       error_text(e).text);
    fnvm_error_free(e);
    return v;
}

/* ---- Names ---- */

static bool same(WastString a, WastString b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}

/* Never NULL: an empty string may have no bytes at all. */
static const char *start_of(WastString s) { return s.len ? s.bytes : ""; }

static bool grow(void **items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) return true;
    size_t more = *cap ? 2 * *cap : 16;
    void *bigger = realloc(*items, more * size);
    if (!bigger) return false;
    *items = bigger;
    *cap = more;
    return true;
}

/* Out of memory a name is lost, and what uses it fails. */
static void names_add(Names *names, WastString name, size_t number)
{
    if (!grow((void **)&names->items, names->n, &names->cap, sizeof(Named))) return;
    names->items[names->n++] = (Named){name, number};
}

static void names_set(Names *names, WastString name, size_t number)
{
    if (name.len) names_add(names, name, number);
}

static const Named *names_find(const Names *names, WastString name)
{
    for (size_t i = names->n; i-- > 0;)
        if (same(names->items[i].name, name)) return &names->items[i];
    return NULL;
}

/* The named one, or the most recent.  PASSED: *out is set. */
static Verdict find(Script *s, const Names *names, WastString name, size_t recent, bool recent_lost,
                    const char *what, size_t *out)
{
    const Named *named = name.len ? names_find(names, name) : NULL;
    *out = name.len ? (named ? named->number : 0) : recent;
    if (*out) return PASSED;
    if (name.len && !named)
        return failed(s, "no %s is called %.*s", what, (int)name.len, name.bytes);
    if (!name.len && !recent_lost) return failed(s, "there is no %s yet", what);
    return skipped(s, "the module it needs failed");
}

static Verdict find_instance(Script *s, WastString name, fnvm_instance **out)
{
    size_t number;
    Verdict v = find(s, &s->instances, name, s->instance, s->instance_lost, "instance", &number);
    *out = v == PASSED ? fnvm_store_instance(s->store, number - 1) : NULL;
    return v;
}

/* ---- Modules ---- */

static fnvm_error *module_hold(Script *s, fnvm_module *m)
{
    if (!grow((void **)&s->held, s->nheld, &s->held_cap, sizeof *s->held)) {
        fnvm_module_release(m);
        return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    }
    s->held[s->nheld++] = m;
    return NULL;
}

static fnvm_error *module_load(Script *s, const WastModule *text, fnvm_module **out)
{
    uint8_t *bytes;
    size_t len;
    *out = NULL;
    fnvm_error *error = wast_module_bytes(text, &bytes, &len);
    if (error) return error;
    error = fnvm_module_new(s->engine, bytes, len, out);
    free(bytes);
    if (!error) error = module_hold(s, *out);
    return error;
}

/* 0 if the store does not have it. */
static size_t instance_number(const fnvm_store *store, const fnvm_instance *instance)
{
    size_t n = fnvm_store_instances(store);
    while (n > 0 && fnvm_store_instance(store, n - 1) != instance) n--;
    return n;
}

static void set_instance(Script *s, WastString name, size_t number)
{
    s->instance = number;
    s->instance_lost = !number;
    names_set(&s->instances, name, number);
}

static Verdict instantiate(Script *s, fnvm_module *m, WastString name)
{
    fnvm_instance *instance;
    fnvm_error *error = fnvm_linker_instantiate(s->linker, m, &instance);
    set_instance(s, name, error ? 0 : instance_number(s->store, instance));
    return error ? unexpected(s, "an instance", error) : PASSED;
}

static Verdict run_module(Script *s, const WastCommand *c)
{
    fnvm_module *m;
    fnvm_error *error = module_load(s, &c->module, &m);
    s->module = error ? 0 : s->nheld;
    s->module_lost = error;
    names_set(&s->modules, c->module.id, s->module);
    if (!error && c->module.is_definition) return PASSED;
    if (!error) return instantiate(s, m, c->module.id);
    if (!c->module.is_definition) set_instance(s, c->module.id, 0);
    return unexpected(s, "a module", error);
}

static Verdict run_instance(Script *s, const WastCommand *c)
{
    size_t number;
    Verdict v = find(s, &s->modules, c->definition, s->module, s->module_lost, "module", &number);
    if (v == PASSED) return instantiate(s, s->held[number - 1], c->id);
    set_instance(s, c->id, 0);
    return v;
}

static Verdict run_register(Script *s, const WastCommand *c)
{
    fnvm_instance *instance;
    Verdict v = find_instance(s, c->id, &instance);
    if (v != PASSED) return v;
    fnvm_error *error =
        fnvm_linker_define_instance(s->linker, start_of(c->name), c->name.len, instance);
    if (error) return unexpected(s, "a registered name", error);
    names_add(&s->registered, c->name, instance_number(s->store, instance));
    return PASSED;
}

/* ---- Actions ---- */

typedef struct Results { fnvm_val *values; size_t n; } Results;

static fnvm_error *invoke(Script *s, const WastAction *a, fnvm_extern func, Results *results)
{
    size_t nresults = fnvm_func_results(s->store, func, NULL, 0);
    fnvm_val *args = calloc(a->nargs ? a->nargs : 1, sizeof *args);
    results->values = calloc(nresults ? nresults : 1, sizeof *results->values);
    fnvm_error *error = NULL;
    if (!args || !results->values)
        error = fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    for (size_t i = 0; !error && i < a->nargs; i++)
        error = wast_value(s->store, &a->args[i], &args[i]);
    if (!error)
        error = fnvm_func_call(s->store, func, args, a->nargs, results->values, nresults);
    if (!error) results->n = nresults;
    free(args);
    return error;
}

/* PASSED: the action was tried; *error is how it ended, and the results are to be freed. */
static Verdict act(Script *s, const WastAction *a, fnvm_error **error, Results *results)
{
    *error = NULL;
    *results = (Results){0};
    fnvm_instance *instance;
    fnvm_extern item;
    Verdict v = find_instance(s, a->module, &instance);
    if (v != PASSED) return v;
    fnvm_externkind want = a->kind == WAST_INVOKE ? FNVM_EXTERN_FUNC : FNVM_EXTERN_GLOBAL;
    if (!fnvm_instance_export(instance, start_of(a->name), a->name.len, &item) || item.kind != want)
        return failed(s, "no %s is exported as \"%.*s\"",
                      want == FNVM_EXTERN_FUNC ? "function" : "global", (int)a->name.len,
                      a->name.bytes);
    if (want == FNVM_EXTERN_FUNC) {
        *error = invoke(s, a, item, results);
        return PASSED;
    }
    results->values = calloc(1, sizeof *results->values);
    if (!results->values) return failed(s, "the host is out of memory");
    *error = fnvm_global_get(s->store, item, results->values);
    results->n = 1;
    return PASSED;
}

static Verdict run_action(Script *s, const WastCommand *c)
{
    fnvm_error *error;
    Results results;
    Verdict v = act(s, &c->action, &error, &results);
    free(results.values);
    return v == PASSED && error ? unexpected(s, "a return", error) : v;
}

static Verdict compare_results(Script *s, const WastCommand *c, const Results *results)
{
    if (results->n != c->nresults)
        return failed(s, "expected %zu results, got %zu", c->nresults, results->n);
    for (size_t i = 0; i < results->n; i++) {
        if (wast_value_matches(s->store, &c->results[i], &results->values[i])) continue;
        char want[300], got[300];
        wast_pattern_print(&c->results[i], want, sizeof want);
        wast_value_print(s->store, &results->values[i], got, sizeof got);
        return failed(s, "result %zu: expected %s, got %s", i, want, got);
    }
    return PASSED;
}

static Verdict assert_return(Script *s, const WastCommand *c)
{
    fnvm_error *error;
    Results results;
    Verdict v = act(s, &c->action, &error, &results);
    if (v == PASSED && error) v = unexpected(s, "a return", error);
    else if (v == PASSED) v = compare_results(s, c, &results);
    free(results.values);
    return v;
}

/* ---- Assertions that something fails ---- */

static bool starts_with(const char *text, size_t len, const char *start, size_t start_len)
{
    return len >= start_len && memcmp(text, start, start_len) == 0;
}

/* The suite says more or less than the standard: "uninitialized element 7", "unreachable". */
static bool says_trap(WastString expected, fnvm_trap trap)
{
    const char *text = fnvm_trap_text(trap);
    size_t len = strlen(text);
    return starts_with(text, len, expected.bytes, expected.len) ||
           starts_with(expected.bytes, expected.len, text, len);
}

/* How the action ended, or the module's instantiation. */
static Verdict provoke(Script *s, const WastCommand *c, fnvm_error **error)
{
    if (!c->has_module) {
        Results results;
        Verdict v = act(s, &c->action, error, &results);
        free(results.values);
        return v;
    }
    fnvm_module *m;
    fnvm_instance *instance;
    *error = module_load(s, &c->module, &m);
    if (*error) return unexpected(s, "a module", *error);
    *error = fnvm_linker_instantiate(s->linker, m, &instance);
    return PASSED;
}

static Verdict assert_trap(Script *s, const WastCommand *c)
{
    fnvm_error *error;
    Verdict v = provoke(s, c, &error);
    if (v != PASSED) return v;
    char what[200];
    snprintf(what, sizeof what, "the trap \"%.*s\"", (int)c->message.len, c->message.bytes);
    if (fnvm_error_code(error) != FNVM_E_TRAP || !says_trap(c->message, fnvm_error_trap(error)))
        return unexpected(s, what, error);
    fnvm_error_free(error);
    return PASSED;
}

static Verdict assert_exception(Script *s, const WastCommand *c)
{
    fnvm_error *error;
    Verdict v = provoke(s, c, &error);
    if (v != PASSED) return v;
    if (fnvm_error_code(error) != FNVM_E_EXCEPTION) return unexpected(s, "an exception", error);
    fnvm_error_free(error);
    return PASSED;
}

/* The first bad function, as an error of our own: the one reported is not ours to keep. */
static void keep_first(void *env, const fnvm_error *e)
{
    fnvm_error **first = env;
    if (!*first) *first = fnvm_error_new(fnvm_error_code(e), "%s", error_text(e).text);
}

/* Lazy verification defers function bodies: the verdict on the module waits for them. */
static fnvm_error *load_and_verify(Script *s, const WastModule *text)
{
    fnvm_module *m;
    size_t bad = 0;
    fnvm_error *error = module_load(s, text, &m), *first = NULL;
    if (!error) error = fnvm_module_verify(m, keep_first, &first, &bad);
    if (!error) return first;
    fnvm_error_free(first);
    return error;
}

static Verdict assert_refused(Script *s, const WastCommand *c, fnvm_code code)
{
    fnvm_error *error = load_and_verify(s, &c->module);
    char what[200];
    snprintf(what, sizeof what, "%s \"%.*s\"", code_name(code), (int)c->message.len,
             c->message.bytes);
    if (fnvm_error_code(error) != code) return unexpected(s, what, error);
    fnvm_error_free(error);
    return PASSED;
}

static bool chain_says(const fnvm_error *e, WastString expected)
{
    for (; e; e = fnvm_error_cause(e)) {
        const char *text = fnvm_error_message(e);
        if (memmem(text, strlen(text), expected.bytes, expected.len)) return true;
    }
    return false;
}

static Verdict assert_unlinkable(Script *s, const WastCommand *c)
{
    fnvm_error *error;
    Verdict v = provoke(s, c, &error);
    if (v != PASSED) return v;
    char what[200];
    snprintf(what, sizeof what, "unlinkable \"%.*s\"", (int)c->message.len, c->message.bytes);
    if (fnvm_error_code(error) != FNVM_E_LINK || !chain_says(error, c->message))
        return unexpected(s, what, error);
    fnvm_error_free(error);
    return PASSED;
}

/* ---- Round trips ---- */

/* Whether something runs, so that it matters what is in the store. */
static bool needs_store(const WastCommand *c)
{
    switch (c->kind) {
    case WAST_ACTION:
    case WAST_ASSERT_RETURN:
    case WAST_ASSERT_TRAP:
    case WAST_ASSERT_EXHAUSTION:
    case WAST_ASSERT_EXCEPTION:
    case WAST_ASSERT_UNLINKABLE: return true;
    default: return false;
    }
}

/* Exchanges the store for one that is restored from an image of it. */
static Verdict go_through_image(Script *s)
{
    WastPlace place = {.engine = s->engine, .modules = s->held, .nmodules = s->nheld,
                       .verbose = s->options->verbose, .path = s->options->image,
                       .store = s->store, .linker = s->linker};
    fnvm_error *error = wast_roundtrip(&place);
    s->store = place.store;
    s->linker = place.linker;
    for (size_t i = 0; i < s->registered.n && !error; i++) {
        const Named *r = &s->registered.items[i];
        error = fnvm_linker_define_instance(s->linker, start_of(r->name), r->name.len,
                                            fnvm_store_instance(s->store, r->number - 1));
    }
    return error ? unexpected(s, "to go on from an image", error) : PASSED;
}

/* ---- Commands ---- */

static Verdict run_command(Script *s, const WastCommand *c)
{
    switch (c->kind) {
    case WAST_MODULE: return run_module(s, c);
    case WAST_INSTANCE: return run_instance(s, c);
    case WAST_REGISTER: return run_register(s, c);
    case WAST_ACTION: return run_action(s, c);
    case WAST_ASSERT_RETURN: return assert_return(s, c);
    case WAST_ASSERT_TRAP:
    case WAST_ASSERT_EXHAUSTION: return assert_trap(s, c);
    case WAST_ASSERT_EXCEPTION: return assert_exception(s, c);
    case WAST_ASSERT_INVALID:
    case WAST_ASSERT_INVALID_CUSTOM: return assert_refused(s, c, FNVM_E_INVALID);
    case WAST_ASSERT_MALFORMED:
    case WAST_ASSERT_MALFORMED_CUSTOM: return assert_refused(s, c, FNVM_E_MALFORMED);
    case WAST_ASSERT_UNLINKABLE: return assert_unlinkable(s, c);
    }
    return skipped(s, "unknown command");
}

static void run_commands(Script *s, const WastScript *script, WastTally *tally)
{
    size_t n;
    const WastCommand *commands = wast_commands(script, &n);
    for (size_t i = 0; i < n; i++) {
        bool through_image = s->options->image && needs_store(&commands[i]);
        Verdict v = through_image ? go_through_image(s) : PASSED;
        if (through_image && v == PASSED) tally->roundtrips++;
        if (v == PASSED) v = run_command(s, &commands[i]);
        fnvm_store_drop_refs(s->store);
        if (v == PASSED) tally->passed++;
        else if (v == FAILED) tally->failed++;
        else tally->skipped++;
        if (v != PASSED)
            printf("%s:%u: %s%s: %s\n", s->path, commands[i].line, v == SKIPPED ? "skipped " : "",
                   wast_command_name(commands[i].kind), s->reason);
    }
}

static fnvm_error *script_open(Script *s)
{
    fnvm_error *error = fnvm_engine_new(s->options->config, &s->engine);
    if (!error) error = fnvm_store_new(s->engine, &s->store);
    if (!error) error = fnvm_linker_new(s->store, &s->linker);
    if (!error) error = spectest_define(s->store, s->linker, s->options->verbose);
    return error;
}

static void script_close(Script *s)
{
    if (s->linker) fnvm_linker_free(s->linker);
    if (s->store) fnvm_store_free(s->store);
    for (size_t i = 0; i < s->nheld; i++) fnvm_module_release(s->held[i]);
    if (s->engine) fnvm_engine_free(s->engine);
    free(s->held);
    free(s->modules.items);
    free(s->instances.items);
    free(s->registered.items);
}

static void run_text(const char *path, const char *text, size_t len, const WastOptions *options,
                     WastTally *tally)
{
    WastScript *script = NULL;
    Script s = {.path = path, .options = options};
    fnvm_error *error = wast_parse(text, len, &script);
    if (!error) error = script_open(&s);
    if (error) {
        printf("%s: the script cannot be run: %s\n", path, error_text(error).text);
        fnvm_error_free(error);
        tally->failed++;
    } else run_commands(&s, script, tally);
    script_close(&s);
    wast_free(script);
}

static char *read_all(const char *path, size_t *len)
{
    FILE *in = fopen(path, "rb");
    if (!in) return NULL;
    char *text = NULL;
    size_t cap = 0, got = 1;
    for (*len = 0; got > 0; *len += got) {
        if (!grow((void **)&text, *len, &cap, 1)) break;
        got = fread(text + *len, 1, cap - *len, in);
    }
    bool whole = got == 0 && !ferror(in);
    fclose(in);
    if (whole) return text;
    free(text);
    return NULL;
}

void wast_run_file(const char *path, const WastOptions *options, WastTally *tally)
{
    size_t len;
    char *text = read_all(path, &len);
    if (!text) {
        printf("%s: the script cannot be read: %s\n", path, strerror(errno));
        tally->failed++;
        return;
    }
    WastTally own = {0};
    run_text(path, text, len, options, &own);
    free(text);
    if (options->verbose)
        printf("%s: %zu passed, %zu failed, %zu skipped\n", path, own.passed, own.failed,
               own.skipped);
    tally->passed += own.passed;
    tally->failed += own.failed;
    tally->skipped += own.skipped;
    tally->roundtrips += own.roundtrips;
}
