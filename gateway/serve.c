/* fnvm serve: reads what is to be served and where the state is, and hands over to the master. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/options.h"
#include "gateway/master.h"
#include "gateway/status.h"
#include "verifier/policy/manifest.h"

typedef struct Serve {
    Source source;
    bool check;
    Config *config;
    State *directory;
} Serve;

/* ---- The command line ---- */

static int set_workers(Serve *s, const char *text)
{
    uint64_t n;
    const char *rest;
    if (!parse_decimal(text, &n, &rest) || *rest || n < 1 || n > CONFIG_WORKERS)
        return error_usage("serve", "--workers: expected a number from 1 to %d, found `%s`",
                           CONFIG_WORKERS, text);
    s->source.workers = (uint32_t)n;
    return -1;
}

static int set_address(const char **to, const char *option, const char *text)
{
    *to = text;
    if (serve_address_ok(text)) return -1;
    return error_usage("serve", "%s: expected an address: 127.0.0.1:8080, [::1]:8080 or unix:PATH, "
                       "found `%s`", option, text);
}

/* What other servers call things. */
static int unknown_option(int found, char *text)
{
    static const struct {
        const char *theirs, *ours;
    } foreign[] = {{"--port", "--listen 127.0.0.1:PORT"}, {"-p", "--listen 127.0.0.1:PORT"},
                   {"--addr", "--listen ADDRESS"},        {"--bind", "--listen ADDRESS"},
                   {"--host", "--listen ADDRESS"},        {"--config", "fnvm serve FILE.yaml"},
                   {"-c", "fnvm serve FILE.yaml"},        {"--metrics", "--status ADDRESS"}};
    if (found == '?') text[strcspn(text, "=")] = '\0';
    for (size_t i = 0; found == '?' && i < sizeof foreign / sizeof *foreign; i++)
        if (strcmp(text, foreign[i].theirs) == 0)
            return error_usage("serve", "there is no option `%s`; did you mean `%s`?", text,
                               foreign[i].ours);
    return error_option("serve", found, text);
}

static int set_option(Serve *s, int option, char **argv)
{
    switch (option) {
    case 'l': return set_address(&s->source.listen, "--listen", optarg);
    case 's': return set_address(&s->source.status, "--status", optarg);
    case 'a': s->source.admin = optarg; return -1;
    case 'S': s->source.state = optarg; return -1;
    case 'd': s->source.depot = optarg; return -1;
    case 'w': return set_workers(s, optarg);
    case 'n': s->source.narrow_given = true; return options_narrow("serve", optarg, &s->source.narrow);
    case 'c': s->check = true; return -1;
    case 'h': return help_print("serve");
    default: return unknown_option(option, argv[optind - 1]);
    }
}

static int parse(Serve *s, int argc, char **argv)
{
    static const struct option names[] = {
        {"listen", required_argument, NULL, 'l'},  {"status", required_argument, NULL, 's'},
        {"admin", required_argument, NULL, 'a'},   {"state", required_argument, NULL, 'S'},
        {"depot", required_argument, NULL, 'd'},   {"workers", required_argument, NULL, 'w'},
        {"narrow", required_argument, NULL, 'n'},  {"check", no_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    int status = -1, option;
    opterr = 0;
    optind = 1;
    while (status < 0 && (option = getopt_long(argc, argv, ":h", names, NULL)) != -1)
        status = set_option(s, option, argv);
    if (status >= 0) return status;
    if (optind >= argc)
        return error_usage("serve", "what is to be served? A YAML file, a directory or a module");
    if (optind + 1 < argc)
        return error_usage("serve", "`%s` is one word too many", argv[optind + 1]);
    s->source.file = argv[optind];
    return -1;
}

/* ---- Serving ---- */

/* What would be found when it is installed, but is quickly seen. */
static fnvm_error *check_file(const ServeFunction *f, const char *what, const char *file)
{
    if (access(file, R_OK) == 0) return NULL;
    return fnvm_error_new(FNVM_E_NOT_FOUND,
                          "%s:%u: the function `%s`: there is no %s `%s` that can be read", f->file,
                          f->line, f->name, what, file);
}

static fnvm_error *check_files(const Config *c)
{
    fnvm_error *error = NULL;
    for (size_t i = 0; i < c->nfunctions && !error; i++) {
        const ServeFunction *f = &c->source->functions[i];
        const Function *made = &c->functions[i];
        error = check_file(f, "file", f->module ? f->module : f->image);
        for (size_t k = 0; k < made->nsecrets && !error; k++)
            error = check_file(f, "secret", made->secrets[k].value);
        for (size_t k = 0; k < made->nmounts && !error; k++)
            error = check_file(f, "directory", made->mounts[k].host);
    }
    return error;
}

/* Whether it is a module at all, and within its policy; its functions are verified when it is
 * installed. */
static fnvm_error *check_module(const ServeFunction *f)
{
    fnvm_engine *engine = NULL;
    fnvm_module *module = NULL;
    fnvm_policy *policy = NULL;
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = FNVM_ENGINE_INTERPRETER;
    fnvm_error *error = f->policy ? fnvm_policy_load(f->policy, &policy) : NULL;
    config.policy = policy ? policy : f->manifest ? f->manifest->policy : NULL;
    if (!error) error = fnvm_engine_new(&config, &engine);
    if (!error) error = fnvm_module_load(engine, f->module, &module);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    fnvm_policy_release(policy);
    if (!error) return NULL;
    return fnvm_error_wrap(error, "%s:%u: the function `%s`", f->file, f->line, f->name);
}

static fnvm_error *check_modules(const Config *c)
{
    fnvm_error *error = NULL;
    for (size_t i = 0; i < c->nfunctions && !error; i++)
        if (c->source->functions[i].module) error = check_module(&c->source->functions[i]);
    return error;
}

static int read_source(Serve *s)
{
    fnvm_error *error = source_read(&s->source, &s->config);
    if (!error) error = check_files(s->config);
    if (!error && s->check) error = check_modules(s->config);
    if (error) return error_report(error, "cannot serve `%s`", s->source.file);
    if (!s->check) return -1;
    printf("%s: good, with %zu function%s and %zu route%s\n", s->source.file, s->config->nfunctions,
           s->config->nfunctions == 1 ? "" : "s", s->config->nroutes,
           s->config->nroutes == 1 ? "" : "s");
    return STATUS_OK;
}

static int serve(Serve *s)
{
    fnvm_error *error = state_open(s->config->state, &s->directory);
    if (error) return error_report(error, "the gateway cannot start");
    if (state_is_temporary(s->directory))
        fprintf(stderr,
                "fnvm serve: no --state: what is kept is in %s, which is removed at the end\n",
                state_dir(s->directory));
    const MasterStart start = {.source = &s->source, .config = s->config, .state = s->directory,
                               .worker = worker_main, .status = status_main, .out = stdout};
    return master_main(&start);
}

int command_serve(int argc, char **argv)
{
    Serve s = {0};
    int status = parse(&s, argc, argv);
    if (status < 0) status = read_source(&s);
    if (status < 0) status = serve(&s);
    state_close(s.directory);
    config_free(s.config);
    return status;
}
