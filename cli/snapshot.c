/* fnvm snapshot: lets a program start up, freezes it into an image, and says what came of it.
 *
 * Where it is frozen: between two calls, before the first or after an initializer has returned;
 * in the midst of `_start`, where the guest asks for it; or there, where it is about to read its
 * standard input for the first time.  The last two are in a host function: the image goes on
 * from within it. */
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/keys.h"
#include "cli/session.h"
#include "cli/target.h"
#include "cli/train.h"

typedef enum SnapshotAt {
    AT_DEFAULT,
    AT_AUTO,
    AT_START,
    AT_INIT,
    AT_CHECKPOINT,
    AT_STDIN
} SnapshotAt;

typedef struct Snapshot {
    Session session;
    SnapshotAt at;
    const char *path;        /* of the image */
    char *own_path;          /* the same, where -o does not say it */
    const char *initializer; /* an export */
    const char *start;       /* what running the image calls; NULL: _start */
    const char *train, *sign;
    bool compile_rest;       /* before freezing */
    bool strict, no_code, quiet;
    unsigned char key[KEY_SECRET_BYTES];
    bool frozen;             /* the image is written */
    bool ended;              /* the guest ended as it wanted to */
    char *draws;             /* what the guest had drawn by then */
} Snapshot;

/* ---- Options of its own ---- */

enum {
    OPTION_AT = OPTION_OWN,
    OPTION_STRICT,
    OPTION_TRAIN,
    OPTION_SIGN,
    OPTION_NO_CODE
};

static int set_at(Snapshot *p, const char *text)
{
    static const char *const names[] = {[AT_AUTO] = "auto",
                                        [AT_START] = "start",
                                        [AT_INIT] = "init",
                                        [AT_CHECKPOINT] = "checkpoint",
                                        [AT_STDIN] = "stdin"};
    for (SnapshotAt at = AT_AUTO; at <= AT_STDIN; at++)
        if (strcmp(text, names[at]) == 0) return p->at = at, -1;
    return error_usage("snapshot",
                       "--at: expected `auto`, `start`, `init`, `checkpoint` or `stdin`, "
                       "found `%s`",
                       text);
}

/* -r DST=SRC, which others use to give an export another function. */
static int set_start(Snapshot *p, char *text)
{
    char *source = strchr(text, '=');
    if (!source || source == text || !source[1])
        return error_usage("snapshot", "-r: expected _start=NAME, found `%s`", text);
    *source++ = '\0';
    if (strcmp(text, "_start") != 0)
        return error_usage("snapshot", "-r %s=%s: only _start can be another function, which "
                           "`fnvm run` calls then; all other exports are the module's own, and an "
                           "image does not change the module", text, source);
    p->start = source;
    return -1;
}

static int set_option(void *env, Options *options, int option, char *text)
{
    Snapshot *p = env;
    (void)options;
    switch (option) {
    case 'o': p->path = text; return -1;
    case 'f': p->initializer = text; return -1;
    case 'r': return set_start(p, text);
    case 'q': p->quiet = true; return -1;
    case OPTION_AT: return set_at(p, text);
    case OPTION_STRICT: p->strict = true; return -1;
    case OPTION_TRAIN: p->train = text; return -1;
    case OPTION_SIGN: p->sign = text; return -1;
    default: p->no_code = true; return -1;
    }
}

/* What does not go together. */
static int check_options(const Snapshot *p)
{
    if (!p->session.options.file) return error_usage("snapshot", "which file?");
    if (p->session.options.approved || p->session.options.depot)
        return error_usage("snapshot",
                           "it asks no depot: --approved and --depot are for `fnvm run`; "
                           "`fnvm install` takes images of what it approves");
    if (!p->path && strcmp(p->session.options.file, "-") == 0)
        return error_usage("snapshot", "a module from standard input needs -o FILE");
    bool midway = p->at == AT_CHECKPOINT || p->at == AT_STDIN;
    if ((midway || p->at == AT_START) && p->initializer)
        return error_usage("snapshot",
                           "-f is for --at=init: with the others no initializer is called");
    if (midway && p->start)
        return error_usage("snapshot",
                           "-r is for --at=init and --at=start: with the others the image "
                           "goes on in the midst of `_start`");
    return -1;
}

/* `fnvm snapshot app.wasm -o app.fnvmi` is what other tools take: here the guest gets -o. */
static void warn_of_late_option(const Options *o)
{
    const char *first = o->nargs > 0 ? o->args[0] : "";
    if (strcmp(first, "-o") == 0 || strncmp(first, "--output", 8) == 0)
        fprintf(stderr, "Warning: `%s` comes after FILE, so it is the guest's: options of `fnvm snapshot` "
                "come before FILE\n", first);
}

static int parse(Snapshot *p, int argc, char **argv)
{
    static const struct option names[] = {
        {"output", required_argument, NULL, 'o'},
        {"init-func", required_argument, NULL, 'f'},
        {"rename-func", required_argument, NULL, 'r'},
        {"quiet", no_argument, NULL, 'q'},
        {"at", required_argument, NULL, OPTION_AT},
        {"strict", no_argument, NULL, OPTION_STRICT},
        {"train", required_argument, NULL, OPTION_TRAIN},
        {"sign", required_argument, NULL, OPTION_SIGN},
        {"no-code", no_argument, NULL, OPTION_NO_CODE},
        {NULL, 0, NULL, 0}};
    OwnOptions own = {names, "o:f:r:q", set_option, p};
    int status = options_parse(&p->session.options, &own, argc, argv);
    if (status >= 0) return status;
    warn_of_late_option(&p->session.options);
    return check_options(p);
}

/* app.wasm becomes app.fnvmi, beside it. */
static int choose_path(Snapshot *p)
{
    if (p->path) return -1;
    const char *file = p->session.options.file;
    size_t len = strlen(file);
    if (len > 5 && strcmp(file + len - 5, ".wasm") == 0) len -= 5;
    else if (len > 4 && strcmp(file + len - 4, ".wat") == 0) len -= 4;
    if (asprintf(&p->own_path, "%.*s.fnvmi", (int)len, file) < 0) {
        p->own_path = NULL;
        return error_report(NULL, "the host is out of memory");
    }
    p->path = p->own_path;
    return -1;
}

/* ---- Freezing ---- */

/* All functions that have no code yet: what is missing in the image, every instance has to make.
 * What was compiled before, as it was called, is what instances need first, and lies together. */
static fnvm_error *compile_rest(const Session *s)
{
    fnvm_error *error = NULL;
    for (size_t i = 0; i < fnvm_store_instances(s->store) && !error; i++)
        error = fnvm_module_compile(fnvm_instance_module(fnvm_store_instance(s->store, i)));
    return error;
}

/* In the host function `caller` if that is not NULL. */
static fnvm_error *freeze(Snapshot *p, fnvm_caller *caller, fnvm_wake wake, uint64_t value)
{
    Session *s = &p->session;
    fnvm_error *failed = p->compile_rest && !p->no_code ? compile_rest(s) : NULL;
    if (failed) return failed;
    fnvm_freeze how = {.path = p->path, .main = s->instance, .start = p->start,
                       .linker = s->linker, .wasi = s->wasi, .code = !p->no_code,
                       .strict = p->strict, .sign_key = p->sign ? p->key : NULL,
                       .wake = wake, .value = value};
    fnvm_error *error =
        caller ? fnvm_caller_freeze(caller, &how) : fnvm_store_freeze(s->store, &how);
    if (error) return error;
    p->frozen = true;
    p->draws = strdup(fnvm_wasi_draws(s->wasi)); /* now: a guest that goes on may draw more */
    return p->draws ? NULL : fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
}

static fnvm_error *at_checkpoint(void *env, fnvm_caller *caller, int32_t *result)
{
    Snapshot *p = env;
    *result = -1;
    if (!p->session.instance)
        return fnvm_error_new(FNVM_E_USAGE, "the guest called checkpoint() in its start function, "
                              "where it is not a whole instance yet; `_start` may");
    if (p->at == AT_INIT)
        return fnvm_error_new(FNVM_E_USAGE,
                              "the initializer called checkpoint(): the snapshot is taken after it "
                              "returns; use --at=checkpoint to have it taken there, from `_start`");
    if (p->at != AT_CHECKPOINT || p->frozen) return NULL;
    fnvm_error *error = freeze(p, caller, FNVM_WAKE_RETURN, 1);
    if (!error) *result = 0;
    return error;
}

static fnvm_error *at_stdin(void *env, fnvm_caller *caller)
{
    fnvm_error *error = freeze(env, caller, FNVM_WAKE_REPEAT, 0);
    return error ? error : fnvm_error_exit(STATUS_OK); /* who runs the image reads on */
}

/* ---- The four ways ---- */

static const char *const initializers[] = {"wizer-initialize", "wizer.initialize", "_faasm_zygote",
                                           "_initialize"};
enum { INITIALIZERS = sizeof initializers / sizeof *initializers };

static bool is_name(const char *text, size_t len, const char *name)
{
    return len == strlen(name) && memcmp(text, name, len) == 0;
}

static bool exports_func(const fnvm_module *m, const char *name)
{
    for (size_t i = 0; i < fnvm_module_exports(m); i++) {
        fnvm_export export;
        fnvm_module_export(m, i, &export);
        if (export.kind == FNVM_EXTERN_FUNC && is_name(export.name, export.name_len, name))
            return true;
    }
    return false;
}

static bool imports_checkpoint(const fnvm_module *m)
{
    for (size_t i = 0; i < fnvm_module_imports(m); i++) {
        fnvm_import import;
        fnvm_module_import(m, i, &import);
        if (is_name(import.module, import.module_len, "fnvm:snapshot") &&
            is_name(import.name, import.name_len, "checkpoint"))
            return true;
    }
    return false;
}

static int nothing_to_go_by(const Snapshot *p)
{
    return error_report(NULL,
                        "when is the snapshot of `%s` to be taken? It has no initializer "
                        "(wizer-initialize, wizer.initialize, _faasm_zygote, _initialize) and does "
                        "not import fnvm:snapshot checkpoint. Name an initializer with -f, use "
                        "--at=stdin for a program that starts up and then reads its standard "
                        "input, or --at=start for one that is to start up in every instance",
                        p->session.options.file);
}

/* Settles the way, and the initializer if that is it. */
static int choose_way(Snapshot *p)
{
    const fnvm_module *m = p->session.module;
    if (p->at == AT_START || p->at == AT_CHECKPOINT || p->at == AT_STDIN) return -1;
    for (size_t i = 0; !p->initializer && i < INITIALIZERS; i++)
        if (exports_func(m, initializers[i])) p->initializer = initializers[i];
    if (p->initializer) p->at = AT_INIT;
    else if (p->at != AT_INIT && imports_checkpoint(m)) p->at = AT_CHECKPOINT;
    else if (p->at == AT_AUTO) p->at = AT_START;
    else return nothing_to_go_by(p);
    if (p->at == AT_CHECKPOINT && p->start)
        return error_usage("snapshot", "-r: the snapshot is taken at checkpoint(), and the image "
                           "goes on from there");
    return -1;
}

static fnvm_error *call_export(Session *s, const char *name)
{
    fnvm_extern func;
    return session_func(s, name, &func) ? session_call(s, name, func)
                                        : session_no_function(s, name);
}

/* Nothing is called, so `_start`, or what stands for it, does all that it would have done. */
static fnvm_error *instantiated(Snapshot *p)
{
    fnvm_extern func;
    if (p->start && !session_func(&p->session, p->start, &func))
        return session_no_function(&p->session, p->start);
    return freeze(p, NULL, FNVM_WAKE_RETURN, 0);
}

static fnvm_error *initialize(Snapshot *p)
{
    Session *s = &p->session;
    fnvm_extern func;
    if (p->start && !session_func(s, p->start, &func)) return session_no_function(s, p->start);
    fnvm_error *error = NULL;
    /* A reactor is initialised before anything else of it is called (WASI application ABI). */
    if (strcmp(p->initializer, "_initialize") != 0 && session_func(s, "_initialize", &func))
        error = session_call(s, "_initialize", func);
    if (!error) error = call_export(s, p->initializer);
    if (error && fnvm_error_code(error) == FNVM_E_EXIT) {
        int status = fnvm_error_exit_status(error);
        fnvm_error_free(error);
        return fnvm_error_new(FNVM_E_USAGE, "the initializer ended the program with status %d",
                              status);
    }
    return error ? error : freeze(p, NULL, FNVM_WAKE_RETURN, 0);
}

static int start_up(void *env, fnvm_error **error)
{
    Snapshot *p = env;
    Session *s = &p->session;
    *error = fnvm_linker_instantiate(s->linker, s->module, &s->instance);
    if (*error) return -1;
    *error = p->at == AT_START  ? instantiated(p)
             : p->at == AT_INIT ? initialize(p)
                                : call_export(s, "_start");
    p->ended = !*error || fnvm_error_code(*error) == FNVM_E_EXIT;
    return -1;
}

/* ---- What came of it ---- */

/* There is no image.  Of traps, signals and mistakes the user knows. */
static int not_frozen(const Snapshot *p, int status)
{
    if (!p->ended) return status;
    error_report(NULL, "no snapshot of `%s`: it ended with status %d %s", p->session.options.file,
                 status, p->at == AT_STDIN ? "before it read its standard input"
                                           : "without a call of checkpoint()");
    return STATUS_FAILED;
}

/* One warning per line of fnvm_wasi_draws. */
static void warn_of_draws(const char *draws)
{
    while (*draws) {
        size_t len = strcspn(draws, "\n");
        bool is_random = strncmp(draws, "random_get", 10) == 0;
        char *text = NULL;
        if (asprintf(&text, "the guest %s before the snapshot (%.*s): every instance starts with "
                     "the same %s", is_random ? "drew random bytes" : "read a clock", (int)len,
                     draws, is_random ? "ones" : "time") >= 0) {
            error_warn(text);
            free(text);
        }
        draws += len + (draws[len] == '\n');
    }
}

static int train(Snapshot *p)
{
    ImageSeal seal = {.sign_key = p->sign ? p->key : NULL, .records = p->session.cache};
    return p->train ? train_image(p->path, p->train, &seal) : -1;
}

/* `status` is what the guest ended with. */
static int finish(Snapshot *p, int status)
{
    if (!p->frozen) return not_frozen(p, status);
    if (p->draws) warn_of_draws(p->draws);
    int trained = train(p);
    if (!p->quiet && trained < 0) image_summary(p->path, p->session.cache);
    return trained < 0 ? status : trained;
}

static int read_signing_key(Snapshot *p)
{
    fnvm_error *error = p->sign ? key_read(p->sign, p->key, sizeof p->key) : NULL;
    if (!error) return -1;
    error_report(error, "failed to read the key of --sign");
    return STATUS_FAILED; /* also where there is no such file: that is not FILE */
}

/* What the manifest says of starting up, where the command line does not. */
static void take_init(Snapshot *p)
{
    static const SnapshotAt ats[] = {[INIT_NONE] = AT_DEFAULT,
                                     [INIT_START] = AT_START,
                                     [INIT_CALL] = AT_INIT,
                                     [INIT_CHECKPOINT] = AT_CHECKPOINT,
                                     [INIT_STDIN] = AT_STDIN};
    const Manifest *m = p->session.manifest;
    if (!m || p->at != AT_DEFAULT || p->initializer) return;
    p->at = ats[m->init];
    p->initializer = m->init_call;
    if (!p->start && (m->init == INIT_CALL || m->init == INIT_START)) p->start = m->entry;
}

static int take(Snapshot *p)
{
    static const char doing[] = "take a snapshot of";
    Session *s = &p->session;
    int status = target_resolve(s);
    if (status < 0) take_init(p);
    if (status < 0) status = choose_path(p);
    s->checkpoint = at_checkpoint;
    s->checkpoint_env = p;
    if (status < 0) status = read_signing_key(p);
    if (status < 0) status = session_engine(s);
    if (status < 0) status = module_open(s->engine, s->options.file, doing, &s->module);
    if (status < 0) status = choose_way(p);
    if (status < 0) status = session_link(s);
    if (status >= 0) return status;
    fnvm_wasi_note_draws(s->wasi);
    if (p->at == AT_STDIN) fnvm_wasi_at_stdin(s->wasi, at_stdin, p);
    return finish(p, session_run(s, start_up, p, doing));
}

int command_snapshot(int argc, char **argv)
{
    Snapshot p = {0};
    options_init(&p.session.options, "snapshot");
    options_compile(&p.session.options, "eager"); /* unless it is asked for otherwise */
    char **words = words_copy(argc, argv); /* options are cut in place */
    if (!words) return error_report(NULL, "the host is out of memory");
    p.session.words = argv;
    p.session.nwords = argc;
    int status = parse(&p, argc, words);
    p.compile_rest = p.session.options.config.compile == FNVM_COMPILE_EAGER;
    p.session.options.config.compile = FNVM_COMPILE_LAZY;
    if (status < 0) status = take(&p);
    sodium_memzero(p.key, sizeof p.key);
    session_free(&p.session);
    free(p.draws);
    free(p.own_path);
    words_free(argc, words);
    return status;
}
