/* fnvm verify: loads modules and checks every function, reporting every bad one. */
#include <getopt.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/interrupt.h"

typedef struct Report {
    const char *file;
    size_t shown;
} Report;

static void report_function(void *env, const fnvm_error *error)
{
    Report *report = env;
    report->shown++;
    fprintf(stderr, "Error: ");
    print_escaped(stderr, report->file, strlen(report->file));
    const char *joint = ": ";
    for (; error; error = fnvm_error_cause(error), joint = ": ") {
        const char *message = fnvm_error_message(error);
        fputs(joint, stderr);
        print_escaped(stderr, message, strlen(message));
    }
    fputc('\n', stderr);
}

static int verify_file(fnvm_engine *engine, const char *file, bool quiet)
{
    fnvm_module *module = NULL;
    int status = module_open(engine, file, "verify", &module);
    if (status >= 0) return status;
    Report report = {file, 0};
    size_t bad = 0;
    fnvm_error *error = fnvm_module_verify(module, report_function, &report, &bad);
    fnvm_module_release(module);
    if (interrupt_caused(error)) return interrupt_report(error, "verify", file);
    if (bad > 0) {
        fnvm_error_free(error);
        fprintf(stderr, "%s: %zu bad function%s\n", file, bad, bad == 1 ? "" : "s");
        return STATUS_FAILED;
    }
    if (error) return error_report(error, "failed to verify `%s`", file);
    if (!quiet) printf("%s: every function verified\n", file);
    return STATUS_OK;
}

static int verify_files(const Options *options, int nfiles, char **files, bool quiet)
{
    fnvm_engine *engine;
    fnvm_error *error = fnvm_engine_new(&options->config, &engine);
    if (error) return error_report(error, "failed to set up the engine");
    int worst = STATUS_OK;
    interrupt_install(engine, options->timeout_ns, NULL);
    for (int i = 0; i < nfiles; i++) {
        int status = verify_file(engine, files[i], quiet);
        if (worst == STATUS_OK) worst = status;
    }
    interrupt_remove();
    fnvm_engine_free(engine);
    return worst;
}

int command_verify(int argc, char **argv)
{
    static const struct option long_options[] = {{"wasm", required_argument, NULL, 'W'},
                                                 {"quiet", no_argument, NULL, 'q'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    Options options;
    options_init(&options, "verify");
    /* Types and structure at once; functions below, so that every bad one is heard of. */
    options.config.verify = FNVM_VERIFY_LAZY;
    bool quiet = false;
    int status = -1, option;
    opterr = 0;
    optind = 1;
    while (status < 0 && (option = getopt_long(argc, argv, "+:W:qh", long_options, NULL)) != -1) {
        switch (option) {
        case 'W': status = options_group(&options, 'W', optarg); break;
        case 'q': quiet = true; break;
        case 'h': status = help_print("verify"); break;
        default: status = error_option("verify", option, argv[optind - 1]);
        }
    }
    if (status < 0 && optind >= argc) status = error_usage("verify", "which file?");
    if (status < 0) status = verify_files(&options, argc - optind, argv + optind, quiet);
    options_free(&options);
    return status;
}
