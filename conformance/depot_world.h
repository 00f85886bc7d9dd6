/* A depot that is disturbed, and what must be so in it whatever happened: versions of functions that
 * were approved, installed, replaced or revoked, each with what a decision on it has to be. */
#ifndef FNVM_CONFORMANCE_DEPOT_WORLD_H
#define FNVM_CONFORMANCE_DEPOT_WORLD_H

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verifier/approval/installed.h"
#include "verifier/approval/objects.h"

enum { VERSIONS_MAX = 4096, PATH_BYTES = 512 };

typedef struct Version {       /* of a function: a binary of its own */
    char name[32], version[32];
    char file[PATH_BYTES];     /* the module */
    uint8_t object[32];
    Measurement measurement;
    bool allowed;              /* what a decision on it has to be */
} Version;

typedef struct World {
    char folder[256];          /* everything is below it */
    char depot[PATH_BYTES];
    const char *fnvm;          /* the program */
    Version versions[VERSIONS_MAX];
    size_t n;
    uint64_t random;
    uint64_t checks, failed;
    char doing[200];           /* for messages */
} World;

static inline void world_fail(World *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void world_fail(World *w, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    printf("FAILED: %s: ", w->doing);
    vprintf(format, list);
    putchar('\n');
    va_end(list);
    w->failed++;
}

/* True if there is none; it is freed. */
static inline bool world_good(World *w, fnvm_error *error, const char *what)
{
    if (!error) return true;
    const fnvm_error *cause = fnvm_error_cause(error);
    world_fail(w, "%s: %s%s%s", what, fnvm_error_message(error), cause ? ": " : "",
               cause ? fnvm_error_message(cause) : "");
    fnvm_error_free(error);
    return false;
}

/* splitmix64. */
static inline uint64_t world_random(World *w, uint64_t below)
{
    uint64_t z = w->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

static inline bool world_write(const char *path, const void *bytes, size_t len)
{
    FILE *out = fopen(path, "wb");
    if (!out) return false;
    bool ok = fwrite(bytes, 1, len, out) == len;
    return (fclose(out) == 0) && ok;
}

/* A module that no other is equal to, in a file; NULL when there is no room. */
static inline Version *world_new_version(World *w, const char *name)
{
    if (w->n == VERSIONS_MAX) return NULL;
    Version *v = &w->versions[w->n];
    *v = (Version){0};
    snprintf(v->name, sizeof v->name, "%s", name);
    snprintf(v->version, sizeof v->version, "%zu", w->n);
    char path[PATH_BYTES], text[400];
    snprintf(path, sizeof path, "%s/%zu.wasm", w->folder, w->n);
    memcpy(v->file, path, sizeof path);
    snprintf(text, sizeof text,
             "(module (memory (export \"memory\") 1) (global $g (mut i32) (i32.const 0))"
             " (func (export \"prepare\") (global.set $g (i32.const %zu)))"
             " (func (export \"_start\"))"
             " (func (export \"get\") (result i32) (i32.add (global.get $g) (i32.const %zu))))",
             w->n, w->n);
    uint8_t *bytes;
    size_t len;
    if (!world_good(w, fnvm_wat_to_wasm(text, strlen(text), &bytes, &len), "a module")) return NULL;
    object_hash(bytes, len, v->object);
    bool ok = world_good(w, fnvm_measure(bytes, len, NULL, NULL, v->measurement.bytes), "measure") &&
              world_write(v->file, bytes, len);
    free(bytes);
    w->n += ok;
    return ok ? v : NULL;
}

static inline Depot *world_open(World *w)
{
    fnvm_depot *d = NULL;
    return world_good(w, fnvm_depot_open(w->depot, true, &d), "open the depot") ? d : NULL;
}

/* ---- Decisions ---- */

static inline fnvm_error *version_measure(void *env, Measurement *out)
{
    *out = ((const Version *)env)->measurement;
    return NULL;
}

typedef enum Decision { ALLOWED, REFUSED, NEITHER } Decision;

static inline Decision decision_of(World *w, fnvm_error *error)
{
    if (!error) return ALLOWED;
    if (fnvm_error_code(error) != FNVM_E_POLICY) {
        world_good(w, error, "decide");
        return NEITHER;
    }
    fnvm_error_free(error);
    return REFUSED;
}

/* By its bytes. */
static inline Decision world_decide(World *w, Depot *d, Version *v)
{
    uint64_t generation;
    const Subject subject = {.what = "module", .file = v->file, .measure = version_measure,
                             .env = v};
    return decision_of(w, depot_decide(d, &subject, &generation));
}

static inline fnvm_error *file_measure_module(void *env, Measurement *out)
{
    uint8_t *bytes;
    size_t len;
    fnvm_error *error = object_read(env, &bytes, &len);
    if (error) return error;
    error = fnvm_measure(bytes, len, NULL, NULL, out->bytes);
    free(bytes);
    return error;
}

/* By what the file is, as starts of installed versions are.  What is no module any more is refused. */
static inline Decision world_decide_file(World *w, Depot *d, const char *what, char *path)
{
    struct stat st;
    uint64_t generation;
    if (stat(path, &st) != 0) return REFUSED;
    const Subject subject = {.what = what, .file = path, .stat = &st,
                             .measure = strcmp(what, "module") == 0 ? file_measure_module : NULL,
                             .env = path};
    fnvm_error *error = depot_decide(d, &subject, &generation);
    const fnvm_code code = error ? fnvm_error_code(error) : FNVM_E_POLICY;
    if (code != FNVM_E_MALFORMED && code != FNVM_E_INVALID) return decision_of(w, error);
    fnvm_error_free(error);
    return REFUSED;
}

/* ---- What must be so ---- */

static inline void check_decision(World *w, Depot *d, Version *v)
{
    w->checks++;
    const Decision decision = world_decide(w, d, v);
    if (decision == NEITHER || (decision == ALLOWED) == v->allowed) return;
    world_fail(w, "%s %s is %s", v->name, v->version,
               v->allowed ? "refused, and was approved" : "allowed, and should not be");
}

/* The last versions, and some of those before. */
static inline void check_decisions(World *w, Depot *d)
{
    const size_t recent = w->n > 8 ? w->n - 8 : 0;
    for (size_t i = recent; i < w->n; i++) check_decision(w, d, &w->versions[i]);
    for (int i = 0; i < 4 && recent > 0; i++)
        check_decision(w, d, &w->versions[world_random(w, recent)]);
}

/* A file of the current version: what its row says, and a start from it is allowed. */
static inline void check_file(World *w, const char *path, const uint8_t hash[32])
{
    FileState state;
    struct stat st;
    w->checks++;
    if (world_good(w, file_compare(path, hash, &state, &st), path) && state != FILE_WHOLE)
        world_fail(w, "%s is %s", path, state == FILE_MISSING ? "missing" : "damaged");
}

static inline void check_version_file(World *w, Depot *d, const Install *i, const char *name,
                               bool is_there, const uint8_t hash[32])
{
    char *path = is_there ? version_path(d, i->id, name) : NULL;
    if (path) check_file(w, path, hash);
    free(path);
}

static inline Version *world_find(World *w, const char *name, const char *version)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->versions[i].name, name) == 0 &&
            strcmp(w->versions[i].version, version) == 0)
            return &w->versions[i];
    return NULL;
}

static inline void check_installed(World *w, Depot *d, const Installed *at)
{
    const Install *i = &at->install;
    char *module = object_path(d->dir, i->object), *image = version_path(d, i->id, VERSION_IMAGE);
    Version *v = world_find(w, at->approval.name, at->approval.version);
    check_file(w, module, i->object);
    check_version_file(w, d, i, VERSION_MANIFEST, i->manifest.is_there, i->manifest.hash);
    check_version_file(w, d, i, VERSION_IMAGE, i->image.is_there, i->image.hash);
    check_version_file(w, d, i, VERSION_CODE, i->code.is_there, i->code.hash);
    w->checks++;
    if (v && world_decide_file(w, d, "module", module) != ALLOWED)
        world_fail(w, "the module of %s %s is installed, and refused", v->name, v->version);
    if (v && i->image.is_there && world_decide_file(w, d, "image", image) != ALLOWED)
        world_fail(w, "the image of %s %s is installed, and refused", v->name, v->version);
    free(module);
    free(image);
}

/* How many of each name, what starts get, and whether the files are those of the rows. */
static inline void check_versions(World *w, Depot *d)
{
    InstalledList list = {0};
    if (!world_good(w, depot_read(d), "read the depot")) return;
    bool ok = world_good(w, installed_list(d->database, &list), "list what is installed");
    depot_abandon(d);
    for (size_t i = 0; ok && i < list.n; i++) {
        if (list.at[i].install.state != INSTALL_CURRENT) continue;
        const Approval *a = &list.at[i].approval;
        if (installed_current(&list, a->name) != &list.at[i])
            world_fail(w, "%s has two current versions", a->name);
        check_installed(w, d, &list.at[i]);
        DepotFunction found;
        w->checks++;
        if (!world_good(w, depot_find(d, a->name, &found), a->name)) continue;
        if (strcmp(found.version, a->version) != 0)
            world_fail(w, "%s: version %s is current, and %s is found", a->name, a->version,
                       found.version);
        depot_release(d, &found);
    }
    installed_free(&list);
}

static inline size_t count_entries(const char *depot, const char *folder)
{
    char path[PATH_BYTES + 16];
    snprintf(path, sizeof path, "%s/%s", depot, folder);
    DIR *dir = opendir(path);
    size_t n = 0;
    for (const struct dirent *e; dir && (e = readdir(dir)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (dir) closedir(dir);
    return n;
}

/* After collecting, nothing is left but what rows tell of.  Every version has a module of its own. */
static inline void check_no_orphans(World *w, Depot *d)
{
    InstalledList list = {0};
    if (!world_good(w, depot_collect(d), "collect") ||
        !world_good(w, depot_read(d), "read the depot"))
        return;
    bool ok = world_good(w, installed_list(d->database, &list), "list what is installed");
    depot_abandon(d);
    w->checks++;
    if (ok && count_entries(w->depot, "versions") != list.n)
        world_fail(w, "%zu versions, %zu folders", list.n, count_entries(w->depot, "versions"));
    if (ok && count_entries(w->depot, "objects") != list.n)
        world_fail(w, "%zu versions, %zu modules", list.n, count_entries(w->depot, "objects"));
    installed_free(&list);
}

static inline void check_audit(World *w, Depot *d)
{
    uint64_t lines;
    w->checks++;
    world_good(w, depot_audit(d, NULL, NULL, &lines), "the audit log");
}

/* ---- A trial: one thing that is done, and what has become of it ---- */

typedef struct Trial {
    World *w;
    const char *name;          /* of the function */
    Version *old;              /* that is current when it begins, or NULL */
    Version *fresh;            /* that it is about */
    char *damaged;             /* a file that was, or NULL */
} Trial;

static inline fnvm_error *approve(Depot *d, const Version *v)
{
    return depot_approve(d, &(ApprovalRequest){.name = v->name, .version = v->version,
                                               .measurement = v->measurement});
}

static inline fnvm_error *install_here(Depot *d, const Version *v)
{
    return depot_install(d, &(InstallRequest){.approval = {.name = v->name, .version = v->version},
                                              .module = v->file});
}

/* A start, without the run. */
static inline fnvm_error *start(Depot *d, const char *name, bool *allowed)
{
    DepotFunction found;
    struct stat st;
    uint64_t generation;
    fnvm_error *error = depot_find(d, name, &found);
    if (error) return error;
    const Subject subject = {.what = "module", .file = found.module,
                             .stat = stat(found.module, &st) == 0 ? &st : NULL};
    error = subject.stat ? depot_decide(d, &subject, &generation)
                         : fnvm_error_new(FNVM_E_NOT_FOUND, "no module");
    *allowed = !error;
    depot_release(d, &found);
    return error;
}

static inline bool has_approval(Trial *t, Depot *d, ApprovalState wanted)
{
    Approval a;
    bool found = false;
    if (!world_good(t->w, depot_read(d), "read")) return false;
    bool ok = world_good(t->w, database_find_approval(d->database, t->fresh->name,
                                                      t->fresh->version, &a, &found),
                         "the approval");
    depot_abandon(d);
    return ok && found && a.state == wanted;
}

static inline bool is_approved(Trial *t, Depot *d)
{
    return t->fresh->allowed = has_approval(t, d, APPROVAL_APPROVED);
}

static inline bool is_revoked(Trial *t, Depot *d)
{
    const bool revoked = has_approval(t, d, APPROVAL_REVOKED);
    t->fresh->allowed = !revoked;
    return revoked;
}

/* The version that is current; "" if none is. */
static inline void current_version(Trial *t, Depot *d, char out[DEPOT_NAME_SIZE])
{
    InstalledList list = {0};
    *out = '\0';
    if (!world_good(t->w, depot_read(d), "read")) return;
    world_good(t->w, installed_list(d->database, &list), "list");
    depot_abandon(d);
    const Installed *current = installed_current(&list, t->name);
    if (current) memcpy(out, current->approval.version, sizeof current->approval.version);
    installed_free(&list);
}

#endif
