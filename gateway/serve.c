/* fnvm serve: reads what is to be served and where the state is, and hands over to the master. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "gateway/master.h"
#include "gateway/status.h"

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
    if (!parse_decimal(text, &n, &rest) || *rest || n < 1 || n > METRICS_WORKERS)
        return error_usage("serve", "--workers: expected a number from 1 to %d, found `%s`",
                           METRICS_WORKERS, text);
    s->source.workers = (uint32_t)n;
    return -1;
}

static int set_option(Serve *s, int option, char **argv)
{
    switch (option) {
    case 'l': s->source.listen = optarg; return -1;
    case 's': s->source.status = optarg; return -1;
    case 'a': s->source.admin = optarg; return -1;
    case 'S': s->source.state = optarg; return -1;
    case 'd': s->source.depot = optarg; return -1;
    case 'w': return set_workers(s, optarg);
    case 'c': s->check = true; return -1;
    case 'h': return help_print("serve");
    default: return error_option("serve", option, argv[optind - 1]);
    }
}

static int parse(Serve *s, int argc, char **argv)
{
    static const struct option names[] = {
        {"listen", required_argument, NULL, 'l'},  {"status", required_argument, NULL, 's'},
        {"admin", required_argument, NULL, 'a'},   {"state", required_argument, NULL, 'S'},
        {"depot", required_argument, NULL, 'd'},   {"workers", required_argument, NULL, 'w'},
        {"check", no_argument, NULL, 'c'},         {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0}};
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
static fnvm_error *check_files(const Config *c)
{
    for (size_t i = 0; i < c->nfunctions; i++) {
        const ServeFunction *f = &c->source->functions[i];
        const char *file = f->module ? f->module : f->image;
        if (access(file, R_OK) != 0)
            return fnvm_error_new(
                FNVM_E_NOT_FOUND,
                "%s:%u: the function `%s`: there is no file `%s` that can be read", f->file,
                f->line, f->name, file);
    }
    return NULL;
}

static int read_source(Serve *s)
{
    fnvm_error *error = source_read(&s->source, &s->config);
    if (!error) error = check_files(s->config);
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
