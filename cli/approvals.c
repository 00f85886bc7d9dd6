/* fnvm approvals: what the depot's database has, as text or JSON, and whether its log is whole. */
#include <getopt.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/depot.h"
#include "cli/errors.h"
#include "cli/json.h"
#include "verifier/approval/depot.h"

typedef struct View {
    fnvm_depot *depot;
    Json json;
    bool as_json, details, new_log;
    const char *version;       /* only this one; NULL: all */
    size_t shown;
} View;

typedef struct Hex { char text[65]; } Hex;

static Hex hex_of(const uint8_t bytes[32])
{
    Hex hex;
    sodium_bin2hex(hex.text, sizeof hex.text, bytes, 32);
    return hex;
}

static void json_member(Json *j, const char *key, const char *text)
{
    json_key(j, key);
    json_text(j, text, strlen(text));
}

/* ---- list, show ---- */

static const char *signature_state(const Approval *a)
{
    return !a->is_signed ? "no" : approval_is_genuine(a) ? "yes" : "forged";
}

static void json_approval(Json *j, const Approval *a)
{
    json_open(j, '{');
    json_member(j, "name", a->name);
    json_member(j, "version", a->version);
    json_member(j, "state", approval_states[a->state]);
    json_member(j, "measurement", hex_of(a->measurement.bytes).text);
    if (!sodium_is_zero(a->policy, sizeof a->policy))
        json_member(j, "policy", hex_of(a->policy).text);
    json_member(j, "signed", signature_state(a));
    if (a->is_signed) json_member(j, "signer", hex_of(a->signer).text);
    json_member(j, "time", a->time);
    json_member(j, "changed", a->changed);
    json_member(j, "reason", a->reason);
    json_close(j, '}');
}

static void print_line(View *v, const Approval *a)
{
    if (v->shown == 0)
        puts("state       signed  measurement       changed                   name and version");
    printf("%-10s  %-6s  %.16s  %s  %s %s\n", approval_states[a->state], signature_state(a),
           hex_of(a->measurement.bytes).text, a->changed, a->name, a->version);
}

static void print_details(const View *v, const Approval *a)
{
    if (v->shown > 0) putchar('\n');
    printf("%s %s: %s\n", a->name, a->version, approval_states[a->state]);
    printf("  measurement  %s\n", hex_of(a->measurement.bytes).text);
    if (sodium_is_zero(a->policy, sizeof a->policy))
        puts("  policy       none");
    else
        printf("  policy       %s/policies/%s.yaml\n", v->depot->dir, hex_of(a->policy).text);
    if (!a->is_signed)
        puts("  signer       none");
    else
        printf("  signer       %s%s\n", hex_of(a->signer).text,
               approval_is_genuine(a) ? "" : " (the signature is forged)");
    printf("  approved     %s\n  changed      %s", a->time, a->changed);
    if (*a->reason) {
        fputs(": ", stdout);
        print_escaped(stdout, a->reason, strlen(a->reason));
    }
    putchar('\n');
}

static fnvm_error *show_approval(void *env, const Approval *a)
{
    View *v = env;
    if (v->version && strcmp(v->version, a->version) != 0) return NULL;
    if (v->as_json) json_approval(&v->json, a);
    else if (v->details) print_details(v, a);
    else print_line(v, a);
    v->shown++;
    return NULL;
}

/* ---- history ---- */

static fnvm_error *show_event(void *env, const Event *e, const char *time)
{
    View *v = env;
    v->shown++;
    if (v->as_json) {
        json_open(&v->json, '{');
        json_key(&v->json, "event");
        json_number(&v->json, (uint64_t)e->id);
        json_member(&v->json, "time", time);
        json_member(&v->json, "what", e->what);
        json_member(&v->json, "name", e->name);
        json_member(&v->json, "version", e->version);
        if (e->has_measurement)
            json_member(&v->json, "measurement", hex_of(e->measurement.bytes).text);
        json_member(&v->json, "reason", e->reason);
        json_close(&v->json, '}');
        return NULL;
    }
    printf("%s  %-10s  %s %s", time, e->what, e->name, e->version);
    if (*e->reason) {
        fputs(": ", stdout);
        print_escaped(stdout, e->reason, strlen(e->reason));
    }
    putchar('\n');
    return NULL;
}

/* ---- audit ---- */

static int new_log(View *v)
{
    char *kept = NULL;
    fnvm_error *error = depot_new_log(v->depot, &kept);
    if (error) return error_report(error, "failed to begin another audit log");
    printf("the log is kept as %s/%s; another one has begun\n", v->depot->dir, kept);
    free(kept);
    return STATUS_OK;
}

static int audit(View *v)
{
    uint64_t lines = 0;
    fnvm_error *error = depot_audit(v->depot, NULL, NULL, &lines);
    if (v->as_json) {
        json_open(&v->json, '{');
        json_key(&v->json, "whole");
        json_bool(&v->json, !error);
        json_key(&v->json, "lines");
        json_number(&v->json, lines);
        json_close(&v->json, '}');
    } else if (!error) {
        printf("%" PRIu64 " line%s: the log is whole, and tells of every change\n", lines,
               lines == 1 ? "" : "s");
    }
    return error ? error_report(error, "%" PRIu64 " good line%s, then the log is not whole", lines,
                                lines == 1 ? "" : "s") : STATUS_OK;
}

/* ---- The command ---- */

static int show(View *v, bool events, char *name)
{
    char *at = name ? strchr(name, '@') : NULL;
    if (at) *at = '\0', v->version = at + 1;
    fnvm_error *error = depot_lock(v->depot); /* it can be read whatever became of the log */
    if (error) return error_report(error, "failed to read the depot");
    Database *database = v->depot->database;
    if (v->as_json) json_open(&v->json, '[');
    error = events ? database_each_event(database, name, show_event, v)
                   : database_each_approval(database, name, show_approval, v);
    depot_abandon(v->depot);
    if (v->as_json) json_close(&v->json, ']');
    if (error) return error_report(error, "failed to read the depot");
    if (v->shown == 0 && name)
        return error_report(fnvm_error_new(FNVM_E_NOT_FOUND, "the depot knows no such name"),
                            "there is nothing about `%s%s%s`", name, at ? "@" : "",
                            at ? at + 1 : "");
    if (v->shown == 0 && !v->as_json) puts("nothing yet");
    return STATUS_OK;
}

static int act(View *v, const char *what, char *name)
{
    if (strcmp(what, "list") == 0 && !name) return show(v, false, NULL);
    if (strcmp(what, "show") == 0 && name) {
        v->details = true;
        return show(v, false, name);
    }
    if (strcmp(what, "history") == 0) return show(v, true, name);
    return v->new_log ? new_log(v) : audit(v);
}

static int check_words(int n, char **words)
{
    const char *what = n > 0 ? words[0] : "list";
    const bool is_known = strcmp(what, "list") == 0 || strcmp(what, "show") == 0 ||
                          strcmp(what, "history") == 0 || strcmp(what, "audit") == 0;
    if (!is_known)
        return error_usage("approvals", "expected `list`, `show`, `history` or `audit`, found `%s`",
                           what);
    if (strcmp(what, "show") == 0 && n < 2) return error_usage("approvals", "show which name?");
    const int most = strcmp(what, "show") == 0 || strcmp(what, "history") == 0 ? 2 : 1;
    if (n > most) return error_usage("approvals", "`%s` is one word too many", words[most]);
    return -1;
}

int command_approvals(int argc, char **argv)
{
    enum { NEW_LOG = 256 };
    static const struct option long_options[] = {{"depot", required_argument, NULL, 'd'},
                                                 {"json", no_argument, NULL, 'j'},
                                                 {"new-log", no_argument, NULL, NEW_LOG},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    View v = {.json = {.out = stdout}};
    const char *depot = NULL;
    int option;
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        switch (option) {
        case 'd': depot = optarg; break;
        case 'j': v.as_json = true; break;
        case NEW_LOG: v.new_log = true; break;
        case 'h': return help_print("approvals");
        default: return error_option("approvals", option, argv[optind - 1]);
        }
    }
    const int n = argc - optind;
    int status = check_words(n, argv + optind);
    const char *what = n > 0 ? argv[optind] : "list";
    if (status < 0 && v.new_log && strcmp(what, "audit") != 0)
        status = error_usage("approvals", "--new-log belongs to `audit`");
    if (status < 0) status = depot_choose(depot, false, &v.depot);
    if (status >= 0) return status;
    status = act(&v, what, n > 1 ? argv[optind + 1] : NULL);
    fnvm_depot_close(v.depot);
    return status;
}
