/* fnvm policy: looks at policies, holds modules against them, and writes them. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "verifier/policy/manifest.h"
#include "verifier/policy/schema.h"

/* ---- check ---- */

/* A policy, or the one of a manifest: NULL with success if that has none. */
static fnvm_error *load(const char *file, fnvm_policy **policy, Manifest **manifest)
{
    const char *name = strrchr(file, '/');
    name = name ? name + 1 : file;
    if (strncmp(name, "function.", 9) != 0) return fnvm_policy_load(file, policy);
    fnvm_error *error = manifest_load(file, manifest);
    if (!error && (*manifest)->policy) *policy = fnvm_policy_retain((*manifest)->policy);
    return error;
}

static void print_file(FILE *out, const char *file)
{
    print_escaped(out, file, strlen(file));
}

static void print_violation(void *env, const fnvm_violation *violation)
{
    const char *file = env;
    fputs("Error: ", stderr);
    print_file(stderr, file);
    fputs(": ", stderr);
    print_escaped(stderr, violation->message, strlen(violation->message));
    fputc('\n', stderr);
}

static int check_module(fnvm_policy *policy, const char *file)
{
    char *bytes = NULL;
    size_t len = 0, violations = 0;
    fnvm_error *error = file_read(file, &bytes, &len);
    if (!error)
        error = fnvm_policy_check(policy, bytes, len, print_violation, (void *)(uintptr_t)file,
                                  &violations);
    free(bytes);
    if (error) return error_report(error, "failed to check `%s`", file);
    if (violations == 0) {
        print_file(stdout, file);
        puts(": allowed");
        return STATUS_OK;
    }
    print_file(stderr, file);
    fprintf(stderr, ": %zu violation%s\n", violations, violations == 1 ? "" : "s");
    return STATUS_REFUSED;
}

static int check(int n, char **args)
{
    if (n < 1) return error_usage("policy", "which policy?");
    fnvm_policy *policy = NULL;
    Manifest *manifest = NULL;
    fnvm_error *error = load(args[0], &policy, &manifest);
    int worst = STATUS_OK;
    if (error) {
        worst = error_report(error, "`%s` cannot be used", args[0]);
    } else if (n == 1 && manifest && policy) {
        worst = check_module(policy, manifest->module);
    } else if (n == 1) {
        printf("%s: a good %s\n", args[0], manifest ? "manifest, without a policy" : "policy");
    } else if (!policy) {
        worst = error_usage("policy", "`%s` has no policy to check modules by", args[0]);
    }
    for (int i = 1; i < n && policy; i++) {
        int status = check_module(policy, args[i]);
        if (worst == STATUS_OK || (worst == STATUS_REFUSED && status != STATUS_OK)) worst = status;
    }
    manifest_free(manifest);
    fnvm_policy_release(policy);
    return worst;
}

/* ---- explain, schema, defaults ---- */

static int explain(int n, char **args)
{
    if (n != 1) return error_usage("policy", "explain: one module, please");
    char *bytes = NULL, *yaml = NULL;
    size_t len = 0;
    fnvm_error *error = file_read(args[0], &bytes, &len);
    if (!error) error = fnvm_policy_explain(bytes, len, &yaml);
    free(bytes);
    if (error) return error_report(error, "failed to explain `%s`", args[0]);
    fputs(yaml, stdout);
    free(yaml);
    return STATUS_OK;
}

static int schema(int n, char **args)
{
    const char *what = n > 0 ? args[0] : "policy";
    if (n > 1) return error_usage("policy", "schema: `%s` is too much", args[1]);
    if (strcmp(what, "policy") == 0) policy_schema_print(stdout);
    else if (strcmp(what, "function") == 0) manifest_schema_print(stdout);
    else if (strcmp(what, "gateway") == 0) gateway_schema_print(stdout);
    else return error_usage("policy", "schema: of `policy`, `function` or `gateway`?");
    return STATUS_OK;
}

static int defaults(int n, char **args)
{
    if (n != 0) return error_usage("policy", "defaults: `%s` is too much", args[0]);
    policy_defaults_print(stdout);
    return STATUS_OK;
}

/* ---- The command ---- */

typedef struct Word { const char *name; int (*run)(int n, char **args); } Word;
static const Word words[] = {{"check", check}, {"explain", explain}, {"schema", schema},
                             {"defaults", defaults}, {NULL, NULL}};

static const char *word_name(const void *table, size_t i) { return ((const Word *)table)[i].name; }

int command_policy(int argc, char **argv)
{
    static const struct option long_options[] = {{"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    int option;
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, "+:h", long_options, NULL)) != -1) {
        if (option == 'h') return help_print("policy");
        return error_option("policy", option, argv[optind - 1]);
    }
    if (optind >= argc) return error_usage("policy", "check, explain, schema or defaults?");
    if (optind + 1 < argc && strcmp(argv[optind + 1], "--help") == 0) return help_print("policy");
    for (const Word *word = words; word->name; word++)
        if (strcmp(argv[optind], word->name) == 0)
            return word->run(argc - optind - 1, argv + optind + 1);
    const char *close = closest_word(argv[optind], word_name, words);
    if (close)
        return error_usage("policy", "there is no `policy %s`; did you mean `%s`?", argv[optind],
                           close);
    return error_usage("policy", "there is no `policy %s`", argv[optind]);
}
