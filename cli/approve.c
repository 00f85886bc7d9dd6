/* fnvm approve and fnvm revoke.  What is approved has been verified to its last function, under
 * the policy that it is to run under. */
#include <getopt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/depot.h"
#include "cli/errors.h"
#include "cli/keys.h"
#include "loader/module.h"
#include "verifier/approval/depot.h"
#include "verifier/policy/policy.h"

/* ---- fnvm approve ---- */

typedef struct Approve {
    const char *depot, *file, *policy_file, *key_file;
    ApprovalRequest request;
    char *yaml;
    fnvm_policy *policy;
    unsigned char key[KEY_SECRET_BYTES];
} Approve;

static fnvm_error *read_policy(Approve *a)
{
    if (!a->policy_file) return NULL;
    size_t len = 0;
    fnvm_error *error = file_read(a->policy_file, &a->yaml, &len);
    if (!error) error = fnvm_policy_parse(a->policy_file, a->yaml, len, &a->policy);
    if (!error) error = policy_check_movable(a->policy);
    a->request.yaml = a->yaml;
    a->request.yaml_len = len;
    return error;
}

static void report_function(void *env, const fnvm_error *error)
{
    const char *file = env;
    fputs("Error: ", stderr);
    print_escaped(stderr, file, strlen(file));
    for (; error; error = fnvm_error_cause(error)) {
        const char *message = fnvm_error_message(error);
        fputs(": ", stderr);
        print_escaped(stderr, message, strlen(message));
    }
    fputc('\n', stderr);
}

/* Loads, verifies and measures it; -1, or the status to end with. */
static int examine(Approve *a, fnvm_engine *engine)
{
    fnvm_module *module = NULL;
    size_t bad = 0;
    int status = module_open(engine, a->file, "approve", &module);
    if (status >= 0) return status;
    char *name = strdup(a->file);
    fnvm_error *error = name ? fnvm_module_verify(module, report_function, name, &bad)
                             : fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    free(name);
    if (!error)
        error = fnvm_measure(module->bytes, module->len, NULL, NULL, a->request.measurement.bytes);
    fnvm_module_release(module);
    if (error) return error_report(error, "failed to approve `%s`", a->file);
    return bad ? error_report(NULL, "`%s` is not approved: it has %zu bad function%s", a->file, bad,
                              bad == 1 ? "" : "s") : -1;
}

static int verify_module(Approve *a)
{
    fnvm_config config;
    fnvm_engine *engine = NULL;
    fnvm_config_default(&config);
    /* Types and structure at once; functions after that, so that every bad one is heard of. */
    config.verify = FNVM_VERIFY_LAZY;
    config.policy = a->policy;
    fnvm_error *error = fnvm_engine_new(&config, &engine);
    if (error) return error_report(error, "failed to set up the engine");
    int status = examine(a, engine);
    fnvm_engine_free(engine);
    return status;
}

static int store_approval(Approve *a)
{
    fnvm_depot *depot = NULL;
    int status = depot_choose(a->depot, true, &depot);
    if (status >= 0) return status;
    fnvm_error *error = depot_approve(depot, &a->request);
    fnvm_depot_close(depot);
    if (error) return error_report(error, "failed to approve `%s`", a->file);
    char hex[65];
    sodium_bin2hex(hex, sizeof hex, a->request.measurement.bytes, 32);
    printf("approved %s %s: %s\n", a->request.name, a->request.version, hex);
    return STATUS_OK;
}

static int approve(Approve *a)
{
    fnvm_error *error = read_policy(a);
    if (error) return error_report(error, "failed to read the policy `%s`", a->policy_file);
    if (a->key_file) {
        error = key_read(a->key_file, a->key, sizeof a->key);
        if (error) return error_report(error, "failed to read the key");
        a->request.sign_key = a->key;
    }
    int status = verify_module(a);
    return status >= 0 ? status : store_approval(a);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static int check_arguments(const Approve *a)
{
    if (!a->file) return error_usage("approve", "which file?");
    if (!a->request.name) return error_usage("approve", "under which name?  Give --name NAME");
    if (!a->request.version)
        return error_usage("approve", "as which version?  Give --version VERSION");
    if (ends_with(a->file, ".yaml") || ends_with(a->file, ".yml"))
        return error_usage("approve", "`%s` is no module; a manifest is approved by `fnvm install`",
                           a->file);
    if (file_is_image(a->file))
        return error_usage("approve",
                           "`%s` is an image; images are approved with their function, by "
                           "`fnvm install`",
                           a->file);
    return -1;
}

int command_approve(int argc, char **argv)
{
    enum { REINSTATE = 256 };
    static const struct option long_options[] = {
        {"depot", required_argument, NULL, 'd'},   {"name", required_argument, NULL, 'n'},
        {"version", required_argument, NULL, 'v'}, {"policy", required_argument, NULL, 'p'},
        {"sign", required_argument, NULL, 's'},    {"reinstate", no_argument, NULL, REINSTATE},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    Approve a = {.depot = NULL};
    int option, status;
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        switch (option) {
        case 'd': a.depot = optarg; break;
        case 'n': a.request.name = optarg; break;
        case 'v': a.request.version = optarg; break;
        case 'p': a.policy_file = optarg; break;
        case 's': a.key_file = optarg; break;
        case REINSTATE: a.request.reinstate = true; break;
        case 'h': return help_print("approve");
        default: return error_option("approve", option, argv[optind - 1]);
        }
    }
    if (argc - optind > 1)
        return error_usage("approve", "one file at a time: `%s`?", argv[optind + 1]);
    a.file = optind < argc ? argv[optind] : NULL;
    status = check_arguments(&a);
    if (status < 0) status = approve(&a);
    sodium_memzero(a.key, sizeof a.key);
    fnvm_policy_release(a.policy);
    free(a.yaml);
    return status;
}

/* ---- fnvm revoke ---- */

/* NAME[@VERSION]: neither has an @ in it. */
static int revoke(const char *depot_option, char *what, const char *reason)
{
    fnvm_depot *depot = NULL;
    int status = depot_choose(depot_option, false, &depot);
    if (status >= 0) return status;
    char *at = strchr(what, '@');
    if (at) *at = '\0';
    fnvm_error *error = depot_revoke(depot, what, at ? at + 1 : NULL, reason);
    fnvm_depot_close(depot);
    if (at) *at = '@';
    if (error) return error_report(error, "failed to revoke `%s`", what);
    printf("revoked %s\n", what);
    return STATUS_OK;
}

int command_revoke(int argc, char **argv)
{
    static const struct option long_options[] = {{"depot", required_argument, NULL, 'd'},
                                                 {"reason", required_argument, NULL, 'r'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    const char *depot = NULL, *reason = NULL;
    int option;
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        switch (option) {
        case 'd': depot = optarg; break;
        case 'r': reason = optarg; break;
        case 'h': return help_print("revoke");
        default: return error_option("revoke", option, argv[optind - 1]);
        }
    }
    if (argc - optind != 1) return error_usage("revoke", "give one NAME or NAME@VERSION");
    return revoke(depot, argv[optind], reason);
}
