/* fnvm run: a module is instantiated and its `_start` called, or the function that --invoke names;
 * an image is restored and goes on from where it was frozen. */
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/interrupt.h"
#include "cli/keys.h"
#include "cli/session.h"
#include "cli/target.h"
#include "cli/train.h"
#include "cli/values.h"

enum { VALUES_MAX = 1000 }; /* the standard's limit on parameters, appendix A.1 */

typedef struct Run {
    Session session;
    const char *invoke;
    /* Of images. */
    Pairs trusted, modules; /* files, as names */
    bool require_signature;
} Run;

/* ---- Options of its own ---- */

enum { OPTION_TRUST = OPTION_OWN, OPTION_REQUIRE, OPTION_MODULE, OPTION_NARROW };

static int set_option(void *env, Options *options, int option, char *text)
{
    Run *r = env;
    (void)options;
    switch (option) {
    case 'f': r->invoke = text; return -1;
    case OPTION_TRUST: return pairs_add(&r->trusted, text, NULL);
    case OPTION_NARROW: return options_narrow("run", text, &r->session.narrow);
    case OPTION_MODULE: return pairs_add(&r->modules, text, NULL);
    default: r->require_signature = true; return -1;
    }
}

static int parse(Run *r, int argc, char **argv)
{
    static const struct option names[] = {
        {"invoke", required_argument, NULL, 'f'},
        {"trust-key", required_argument, NULL, OPTION_TRUST},
        {"require-signature", no_argument, NULL, OPTION_REQUIRE},
        {"module", required_argument, NULL, OPTION_MODULE},
        {"narrow", required_argument, NULL, OPTION_NARROW},
        {NULL, 0, NULL, 0}};
    OwnOptions own = {names, "f:", set_option, r};
    int status = options_parse(&r->session.options, &own, argc, argv);
    if (status < 0 && !r->session.options.file) status = error_usage("run", "which file?");
    return status;
}

/* ---- Calling one function ---- */

/* Reads the arguments of --invoke by the function's type; the error is the user's. */
static int read_arguments(Run *r, const fnvm_valtype *types, size_t n, fnvm_val *values)
{
    const Options *o = &r->session.options;
    if ((size_t)o->nargs != n)
        return error_usage("run", "`%s` takes %zu argument%s, %d given", r->invoke, n,
                           n == 1 ? "" : "s", o->nargs);
    for (size_t i = 0; i < n; i++) {
        fnvm_kind kind = fnvm_valtype_kind(types[i]);
        if (kind == FNVM_V128 || kind == FNVM_REF)
            return error_usage("run",
                               "argument %zu of `%s` is a %s: those cannot be written on "
                               "the command line",
                               i + 1, r->invoke, kind == FNVM_V128 ? "vector" : "reference");
        if (!value_parse(o->args[i], kind, &values[i]))
            return error_usage("run", "argument %zu of `%s`: `%s` is not an %s", i + 1, r->invoke,
                               o->args[i], kind_name(kind));
    }
    return -1;
}

typedef struct Call {
    fnvm_valtype types[VALUES_MAX];
    fnvm_val args[VALUES_MAX], results[VALUES_MAX];
} Call;

static int invoke_typed(Run *r, fnvm_extern func, Call *call, fnvm_error **error)
{
    fnvm_store *store = r->session.store;
    size_t nargs = fnvm_func_params(store, func, call->types, VALUES_MAX);
    if (nargs > VALUES_MAX) return error_usage("run", "`%s` has too many parameters", r->invoke);
    int status = read_arguments(r, call->types, nargs, call->args);
    if (status >= 0) return status;
    size_t nresults = fnvm_func_results(store, func, call->types, VALUES_MAX);
    if (nresults > VALUES_MAX) return error_usage("run", "`%s` has too many results", r->invoke);
    *error = fnvm_func_call(store, func, call->args, nargs, call->results, nresults);
    if (*error) {
        *error = fnvm_error_wrap(*error, "failed to invoke `%s`", r->invoke);
        return -1;
    }
    for (size_t i = 0; i < nresults; i++) {
        value_print(stdout, store, &call->results[i]);
        putchar('\n');
    }
    return -1;
}

static int invoke(Run *r, fnvm_error **error)
{
    fnvm_extern func;
    if (!session_func(&r->session, r->invoke, &func)) {
        *error = session_no_function(&r->session, r->invoke);
        return -1;
    }
    Call *call = calloc(1, sizeof *call);
    if (!call) {
        *error = fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
        return -1;
    }
    int status = invoke_typed(r, func, call, error);
    free(call);
    return status;
}

/* ---- Modules ---- */

/* What the manifest has called first, and then its entry; without one: `_start`. */
static fnvm_error *start(Session *s)
{
    const Manifest *m = s->manifest;
    const char *init = m && m->init == INIT_CALL ? m->init_call : NULL;
    const char *entry = m && m->entry ? m->entry : "_start";
    fnvm_extern func;
    fnvm_error *error = NULL;
    if (init && !session_func(s, init, &func)) return session_no_function(s, init);
    if (init) error = session_call(s, init, func);
    if (error) return error;
    if (session_func(s, entry, &func)) return session_call(s, entry, func);
    return session_no_function(s, m && m->entry ? entry : NULL);
}

static int run_module(void *env, fnvm_error **error)
{
    Run *r = env;
    Session *s = &r->session;
    fnvm_extern func;
    *error = fnvm_linker_instantiate(s->linker, s->module, &s->instance);
    if (*error) return -1;
    if (!r->invoke) {
        *error = start(s);
        return -1;
    }
    /* A reactor is initialised before anything else of it is called (WASI application ABI). */
    if (session_func(s, "_initialize", &func)) *error = session_call(s, "_initialize", func);
    return *error ? -1 : invoke(r, error);
}

/* Not a status to end with: see command_run. */
enum { STATUS_OVERTAKEN = 1000 };

/* What a file was refused with, unless it is an installed function's, which was replaced since it was
 * found. */
static int report_refusal(const Session *s, fnvm_error *error, const char *doing)
{
    if (!error) return -1;
    if (!s->is_installed || fnvm_error_code(error) != FNVM_E_POLICY ||
        depot_generation(s->depot) == s->function.generation)
        return error_report(error, "failed to %s `%s`", doing, s->options.file);
    fnvm_error_free(error);
    return STATUS_OVERTAKEN;
}

static int open_module(Session *s)
{
    static const char doing[] = "run main module";
    if (!s->is_installed) return module_open(s->engine, s->options.file, doing, &s->module);
    fnvm_error *error = fnvm_module_load(s->engine, s->options.file, &s->module);
    return interrupt_caused(error) ? interrupt_report(error, doing, s->options.file)
                                   : report_refusal(s, error, doing);
}

static int start_module(Run *r)
{
    Session *s = &r->session;
    if (!s->options.approved && (r->trusted.n || r->modules.n || r->require_signature))
        return error_usage("run", "--trust-key, --require-signature and --module are for images and "
                           "for --approved, and `%s` is no image", s->options.file);
    int status = session_engine(s);
    if (status < 0) status = open_module(s);
    if (status < 0) status = session_link(s);
    return status < 0 ? session_run(s, run_module, r, "run main module") : status;
}

/* ---- Images ---- */

/* What suspended calls and start functions leave behind if they end as they should. */
static fnvm_error *resume(Run *r)
{
    if (r->invoke)
        return fnvm_error_new(FNVM_E_USAGE, "--invoke: the image was frozen in the midst of a call "
                              "and goes on with that; it cannot be asked for another");
    fnvm_error *error = fnvm_store_resume(r->session.store, NULL, 0);
    if (!error || fnvm_error_code(error) == FNVM_E_EXIT) return error;
    return fnvm_error_wrap(error, "failed to go on from where it was frozen");
}

static int run_image(void *env, fnvm_error **error)
{
    Run *r = env;
    Session *s = &r->session;
    fnvm_extern func;
    *error = fnvm_image_restore(s->image, s->linker, s->wasi, &s->instance);
    if (*error) return -1;
    interrupt_store(s->store);
    train_watch(s->store);
    fnvm_store_prefault(s->store);
    if (s->options.config.fuel) fnvm_store_set_fuel(s->store, s->options.fuel);
    const char *start = fnvm_image_start(s->image);
    if (fnvm_image_suspended(s->image)) *error = resume(r);
    else if (r->invoke) return invoke(r, error);
    else if (session_func(s, start, &func)) *error = session_call(s, start, func);
    else *error = session_no_function(s, strcmp(start, "_start") == 0 ? NULL : start);
    fnvm_error *noted = train_note(s->store);
    if (*error) fnvm_error_free(noted);
    else *error = noted;
    return -1;
}

static void warn(void *env, const char *message)
{
    (void)env;
    error_warn(message);
}

static int read_keys(const Pairs *files, unsigned char (*keys)[KEY_PUBLIC_BYTES])
{
    for (size_t i = 0; i < files->n; i++) {
        fnvm_error *error = key_read(files->items[i].name, keys[i], KEY_PUBLIC_BYTES);
        if (error) {
            error_report(error, "failed to read the key of --trust-key");
            return STATUS_FAILED; /* also where there is no such file: that is not FILE */
        }
    }
    return -1;
}

static int open_image(Run *r)
{
    Session *s = &r->session;
    unsigned char(*keys)[KEY_PUBLIC_BYTES] = calloc(r->trusted.n + 1, sizeof *keys);
    const char **files = calloc(r->modules.n + 1, sizeof *files);
    fnvm_error *error = NULL;
    int status = -1;
    if (!keys || !files) status = error_report(NULL, "the host is out of memory");
    else status = read_keys(&r->trusted, keys);
    if (status < 0) {
        for (size_t i = 0; i < r->modules.n; i++) files[i] = r->modules.items[i].name;
        fnvm_image_options options = {.files = files, .nfiles = r->modules.n,
                                      .keys = (const unsigned char(*)[KEY_PUBLIC_BYTES])keys,
                                      .nkeys = r->trusted.n,
                                      .require_signature =
                                          r->require_signature && !s->options.approved,
                                      .warn = warn};
        error = fnvm_image_open(s->engine, s->options.file, &options, &s->image);
    }
    free(keys);
    free(files);
    if (interrupt_caused(error))
        status = interrupt_report(error, "open the image", s->options.file);
    else if (error)
        status = report_refusal(s, error, "open the image");
    /* The image was there a moment ago: what is missing is a module of it. */
    return status == STATUS_NOT_FOUND ? STATUS_FAILED : status;
}

static int start_image(Run *r)
{
    int status = session_engine(&r->session);
    if (status < 0) status = open_image(r);
    if (status < 0) status = session_link(&r->session);
    return status < 0 ? session_run(&r->session, run_image, r, "run the image") : status;
}

/* With --approved it is the approval that must be signed: the image is one that the depot made. */
static int require_signature(Run *r)
{
    if (!r->require_signature || !r->session.options.approved) return -1;
    unsigned char(*keys)[KEY_PUBLIC_BYTES] = calloc(r->trusted.n + 1, sizeof *keys);
    if (!keys) return error_report(NULL, "the host is out of memory");
    int status = read_keys(&r->trusted, keys);
    fnvm_error *error = NULL;
    if (status < 0)
        error = fnvm_depot_require_signature(r->session.depot,
                                             (const unsigned char(*)[KEY_PUBLIC_BYTES])keys,
                                             r->trusted.n);
    free(keys);
    return error ? error_report(error, "--require-signature wants --trust-key") : status;
}

/* ---- The command ---- */

/* `words` are the same, as they were given. */
static int run(int argc, char **argv, char **words)
{
    Run r = {.session = {.narrow = NARROW_AUTO, .words = words, .nwords = argc}};
    options_init(&r.session.options, "run");
    int status = parse(&r, argc, argv);
    if (status < 0) status = target_resolve(&r.session);
    if (status < 0) status = require_signature(&r);
    if (status < 0)
        status = file_is_image(r.session.options.file) ? start_image(&r) : start_module(&r);
    session_free(&r.session);
    free(r.trusted.items);
    free(r.modules.items);
    return status;
}

/* An installed function that was updated just when it was to start is looked up again. */
int command_run(int argc, char **argv)
{
    enum { TRIES = 100 };
    int status = STATUS_OVERTAKEN;
    for (int i = 0; i < TRIES && status == STATUS_OVERTAKEN; i++) {
        char **words = words_copy(argc, argv); /* options are cut in place */
        status = words ? run(argc, words, argv) : error_report(NULL, "the host is out of memory");
        words_free(argc, words);
    }
    return status == STATUS_OVERTAKEN ? error_report(NULL, "the depot does not stop changing") : status;
}
