/* fnvm install, update, uninstall, repair and installed: functions in a depot.
 *
 * A manifest is installed as a copy that is complete: with absolute paths, and with its policy in a
 * file of the depot. */
#include <getopt.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/depot.h"
#include "cli/errors.h"
#include "cli/install.h"
#include "cli/keys.h"
#include "verifier/approval/installed.h"
#include "verifier/approval/objects.h"

typedef struct Order {         /* what is to be installed */
    const char *command;
    const char *file, *name, *version, *policy_file, *sign, *depot_dir;
    bool update;
    Depot *depot;
    Manifest *manifest;        /* NULL: FILE is a module */
    fnvm_policy *policy;
    char *folder;              /* the function.yaml of a FILE that is a folder, or NULL */
    char *yaml; size_t yaml_len;     /* of the policy */
    char *text; size_t text_len;     /* of the manifest, as it is installed */
    unsigned char key[KEY_SECRET_BYTES];
} Order;

/* ---- The command line ---- */

enum { TAKES_NAME = 1, TAKES_FILE = 2, TAKES_WHAT = 4 };

typedef struct CommandShape { const char *name; unsigned takes; const char *missing; } CommandShape;

static int set_option(Order *o, int option, const CommandShape *shape, char **argv)
{
    if (option != 'd' && option != 'h' && option != ':' && option != '?' &&
        !(shape->takes & TAKES_WHAT))
        return error_usage(shape->name, "%s: it takes no such option", argv[optind - 1]);
    switch (option) {
    case 'n': o->name = optarg; return -1;
    case 'v': o->version = optarg; return -1;
    case 'p': o->policy_file = optarg; return -1;
    case 's': o->sign = optarg; return -1;
    case 'd': o->depot_dir = optarg; return -1;
    case 'h': return help_print(shape->name);
    default: return error_option(shape->name, option, argv[optind - 1]);
    }
}

static int take_words(Order *o, const CommandShape *shape, int argc, char **argv)
{
    int at = optind;
    if (shape->takes & TAKES_NAME && at < argc) o->name = argv[at++];
    else if (shape->takes & TAKES_NAME) return error_usage(shape->name, "%s", shape->missing);
    if (shape->takes & TAKES_FILE && at < argc) o->file = argv[at++];
    else if (shape->takes & TAKES_FILE) return error_usage(shape->name, "%s", shape->missing);
    if (at < argc) return error_usage(shape->name, "`%s` is one word too many", argv[at]);
    return -1;
}

static int parse(Order *o, const CommandShape *shape, int argc, char **argv)
{
    static const struct option names[] = {{"name", required_argument, NULL, 'n'},
                                          {"version", required_argument, NULL, 'v'},
                                          {"policy", required_argument, NULL, 'p'},
                                          {"sign", required_argument, NULL, 's'},
                                          {"depot", required_argument, NULL, 'd'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int status = -1, option;
    o->command = shape->name;
    opterr = 0;
    optind = 1;
    while (status < 0 && (option = getopt_long(argc, argv, ":h", names, NULL)) != -1)
        status = set_option(o, option, shape, argv);
    return status < 0 ? take_words(o, shape, argc, argv) : status;
}

static int end(Order *o, int status)
{
    fnvm_depot_close(o->depot);
    manifest_free(o->manifest);
    fnvm_policy_release(o->policy);
    free(o->folder);
    free(o->yaml);
    free(o->text);
    sodium_memzero(o->key, sizeof o->key);
    return status;
}

/* ---- What is to be installed ---- */

static bool is_yaml(const char *file)
{
    const char *dot = strrchr(file, '.');
    return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

/* Name and version: what the command line says is what the manifest says, or it says nothing. */
static int settle_names(Order *o)
{
    const Manifest *m = o->manifest;
    if (m && o->name && strcmp(o->name, m->name) != 0)
        return error_usage(o->command, "`%s` is the manifest of `%s`, not of `%s`", o->file, m->name,
                           o->name);
    if (m && o->version && m->version && strcmp(o->version, m->version) != 0)
        return error_usage(o->command, "`%s` says that it is version %s, not %s", o->file, m->version,
                           o->version);
    if (m) o->name = m->name;
    if (m && !o->version) o->version = m->version;
    if (!o->name)
        return error_usage(o->command, "`%s` is no manifest (.yaml) and no folder with a function.yaml, "
                           "so the function needs a name: --name NAME", o->file);
    if (!o->version)
        return error_usage(o->command, "which version of `%s` is it? %s--version V", o->name,
                           m ? "`version: V` in the manifest, or " : "");
    for (int i = 0; i < 2; i++) {
        const char *word = i ? o->version : o->name;
        if (!manifest_name_ok(word))
            return error_usage(o->command, "`%s` is no %s: letters and digits, and after the first of "
                               "them `.`, `_` and `-`, 64 at most", word, i ? "version" : "name");
    }
    return -1;
}

/* --policy comes before the manifest's: who installs has the last word. */
static fnvm_error *read_policy(Order *o)
{
    fnvm_error *error = NULL;
    if (o->policy_file) error = file_read(o->policy_file, &o->yaml, &o->yaml_len);
    else if (o->manifest) error = manifest_policy_text(o->file, false, &o->yaml, &o->yaml_len);
    if (error || !o->yaml) return error;
    return fnvm_policy_parse(o->policy_file ? o->policy_file : o->file, o->yaml, o->yaml_len,
                             &o->policy);
}

/* Now, rather than when it runs. */
static fnvm_error *check_given(const Order *o)
{
    const Manifest *m = o->manifest;
    fnvm_error *error = o->policy ? policy_check_movable(o->policy) : NULL;
    if (m && !error) error = manifest_check_native(m, o->policy);
    if (!m || !o->policy) return error;
    for (size_t i = 0; i < m->nmounts && !error; i++)
        error = policy_check_dir(o->policy, m->mounts[i].host, m->mounts[i].read_only);
    for (size_t i = 0; i < m->nenv && !error; i++)
        error = policy_check_env(o->policy, m->env[i].name);
    return error;
}

static fnvm_error *print_manifest(Order *o)
{
    if (!o->manifest) return NULL;
    char *policy = o->policy ? policy_path(o->depot, o->policy->digest) : NULL;
    if (o->policy && !policy) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    fnvm_error *error = manifest_print(o->manifest, o->name, o->version, o->manifest->module, policy,
                                       &o->text, &o->text_len);
    free(policy);
    return error;
}

static int read_order(Order *o)
{
    o->folder = folder_manifest(o->file);
    if (o->folder) o->file = o->folder;
    fnvm_error *error = is_yaml(o->file) ? manifest_load(o->file, &o->manifest) : NULL;
    if (error) return error_report(error, "failed to read the manifest `%s`", o->file);
    int status = settle_names(o);
    if (status >= 0) return status;
    error = o->sign ? key_read(o->sign, o->key, sizeof o->key) : NULL;
    if (error) {
        error_report(error, "failed to read the key of --sign");
        return STATUS_FAILED;
    }
    error = read_policy(o);
    if (!error) error = check_given(o);
    return error ? error_report(error, "failed to read the policy of `%s`", o->name) : -1;
}

/* ---- Installing ---- */

static fnvm_error *prepare(void *env, const char *module, const char *image)
{
    const Order *o = env;
    return install_prepare(o->depot, o->policy, NULL, module, image);
}

static int install(Order *o)
{
    int status = read_order(o);
    if (status < 0) status = depot_choose(o->depot_dir, !o->update, &o->depot);
    if (status >= 0) return status;
    fnvm_error *error = print_manifest(o);
    const InstallRequest request = {
        .approval = {.name = o->name, .version = o->version, .yaml = o->yaml,
                     .yaml_len = o->yaml_len, .sign_key = o->sign ? o->key : NULL},
        .module = o->manifest ? o->manifest->module : o->file,
        .manifest = o->text, .manifest_len = o->text_len,
        .update = o->update, .prepare = prepare, .env = o};
    if (!error) error = depot_install(o->depot, &request);
    if (error)
        return error_report(error, "failed to %s `%s`, version %s", o->command, o->name, o->version);
    printf("%s %s is installed\n", o->name, o->version);
    return STATUS_OK;
}

int command_install(int argc, char **argv)
{
    static const CommandShape shape = {"install", TAKES_FILE | TAKES_WHAT,
                                       "which function? A function.yaml, or a module with --name and "
                                       "--version"};
    Order o = {0};
    int status = parse(&o, &shape, argc, argv);
    return end(&o, status < 0 ? install(&o) : status);
}

int command_update(int argc, char **argv)
{
    static const CommandShape shape = {"update", TAKES_NAME | TAKES_FILE | TAKES_WHAT,
                                       "which function, and what is its new version? NAME, and a "
                                       "function.yaml or a module with --version"};
    Order o = {.update = true};
    int status = parse(&o, &shape, argc, argv);
    return end(&o, status < 0 ? install(&o) : status);
}

/* ---- Uninstalling ---- */

static int uninstall(Order *o)
{
    int status = depot_choose(o->depot_dir, false, &o->depot);
    if (status >= 0) return status;
    fnvm_error *error = depot_uninstall(o->depot, o->name);
    if (error) return error_report(error, "failed to uninstall `%s`", o->name);
    printf("%s is uninstalled\n", o->name);
    return STATUS_OK;
}

int command_uninstall(int argc, char **argv)
{
    static const CommandShape shape = {"uninstall", TAKES_NAME, "which function?"};
    Order o = {0};
    int status = parse(&o, &shape, argc, argv);
    return end(&o, status < 0 ? uninstall(&o) : status);
}

/* ---- Repairing ---- */

typedef struct Repairing { Depot *depot; size_t files; } Repairing;

static fnvm_error *prepare_again(void *env, const char *module, const char *image)
{
    return install_prepare(((const Repairing *)env)->depot, NULL, NULL, module, image);
}

static fnvm_error *misfit(void *env, const char *image)
{
    return install_misfit(((const Repairing *)env)->depot, image);
}

static void print_repaired(void *env, const RepairReport *r)
{
    ((Repairing *)env)->files++;
    printf("%s %s: %s %s: ", r->name, r->version, r->file, r->wrong);
    puts(r->done ? r->done : "not repaired");
}

static int repair(Order *o)
{
    int status = depot_choose(o->depot_dir, false, &o->depot);
    if (status >= 0) return status;
    Repairing repairing = {.depot = o->depot};
    size_t broken;
    const RepairMeans means = {&repairing, prepare_again, misfit, print_repaired};
    fnvm_error *error = depot_repair(o->depot, &means, &broken);
    if (error) return error_report(error, "failed to repair the depot");
    if (broken) {
        printf("%zu file%s could not be repaired: `fnvm update` brings another version\n", broken,
               broken == 1 ? "" : "s");
        return STATUS_FAILED;
    }
    if (repairing.files == 0) puts("every file is what it should be");
    return STATUS_OK;
}

int command_repair(int argc, char **argv)
{
    static const CommandShape shape = {"repair", 0, NULL};
    Order o = {0};
    int status = parse(&o, &shape, argc, argv);
    return end(&o, status < 0 ? repair(&o) : status);
}

/* ---- Listing ---- */

static void print_installed(const Installed *at, int name, int version)
{
    const bool draining = at->install.state == INSTALL_DRAINING;
    printf("%-*s  %-*s  %-9s  %.19s  ", name, at->approval.name, version, at->approval.version,
           draining ? "draining"
           : at->approval.state == APPROVAL_APPROVED ? "current" : approval_states[at->approval.state],
           at->install.time);
    print_escaped(stdout, at->install.origin, strlen(at->install.origin));
    putchar('\n');
}

static int list(Order *o)
{
    InstalledList installed;
    int status = depot_choose(o->depot_dir, false, &o->depot);
    if (status >= 0) return status;
    fnvm_error *error = depot_read(o->depot);
    if (!error) {
        error = installed_list(o->depot->database, &installed);
        depot_abandon(o->depot);
    }
    if (error) return error_report(error, "failed to list what is installed");
    int name = 4, version = 7;
    for (size_t i = 0; i < installed.n; i++) {
        const Approval *a = &installed.at[i].approval;
        if ((int)strlen(a->name) > name) name = (int)strlen(a->name);
        if ((int)strlen(a->version) > version) version = (int)strlen(a->version);
    }
    if (installed.n)
        printf("%-*s  %-*s  state      installed (UTC)      from\n", name, "name", version, "version");
    for (size_t i = 0; i < installed.n; i++) print_installed(&installed.at[i], name, version);
    if (!installed.n) puts("nothing is installed");
    installed_free(&installed);
    return STATUS_OK;
}

int command_installed(int argc, char **argv)
{
    static const CommandShape shape = {"installed", 0, NULL};
    Order o = {0};
    int status = parse(&o, &shape, argc, argv);
    return end(&o, status < 0 ? list(&o) : status);
}
