/* Installing has two halves.  In the first, which may take long and fail at any point, files are put
 * where they will stay: the module among the objects, the rest in a folder versions/ID that nobody
 * else knows.  They belong to nothing yet, and `pending` keeps them from being collected.  The second
 * is one transaction, which makes them the current version and the old one no longer.  Whoever is
 * killed in the first half leaves orphans; whoever is killed after it has installed. */
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "verifier/approval/installed.h"
#include "verifier/approval/objects.h"
#include "verifier/policy/manifest.h"
#include "vm/error.h"

enum { ID_BYTES = 15 };          /* 30 digits: never the same twice */

typedef struct Fresh {           /* a version that is being put together */
    Install install;
    Approval approval;           /* name, version, measurement and policy are set */
    Object object;
    char *folder, *image, *code, *manifest; /* paths */
    int pending;
} Fresh;

static void fresh_free(Fresh *f)
{
    object_free(&f->object);
    free(f->install.origin);
    free(f->folder);
    free(f->image);
    free(f->code);
    free(f->manifest);
    if (f->pending >= 0) close(f->pending);
    f->pending = -1;
}

/* ---- Whether it may be ---- */

static bool is_same(const Installed *old, const Fresh *f)
{
    return strcmp(old->approval.version, f->approval.version) == 0 &&
           old->approval.state == APPROVAL_APPROVED &&
           memcmp(old->install.object, f->install.object, 32) == 0 &&
           memcmp(old->approval.policy, f->approval.policy, 32) == 0 &&
           old->install.manifest.is_there == f->install.manifest.is_there &&
           memcmp(old->install.manifest.hash, f->install.manifest.hash, 32) == 0;
}

/* *same: it is installed, exactly as it is wanted. */
static fnvm_error *check_current(const InstallRequest *r, const Fresh *f, const Installed *old,
                                 bool *same)
{
    const char *name = r->approval.name;
    *same = old && is_same(old, f);
    if (*same) return NULL;
    if (r->update && !old)
        return fnvm_error_new(FNVM_E_NOT_FOUND, "no function `%s` is installed: `fnvm install` "
                              "brings the first version of one", name);
    if (!r->update && old)
        return fnvm_error_new(FNVM_E_INVALID, "`%s` is installed already, in version %s: `fnvm "
                              "update %s` replaces it", name, old->approval.version, name);
    if (old && strcmp(old->approval.version, r->approval.version) == 0 &&
        old->approval.state == APPROVAL_APPROVED)
        return fnvm_error_new(FNVM_E_INVALID, "version %s of `%s` is installed, and is not the same: "
                              "an update needs a version of its own", r->approval.version, name);
    return NULL;
}

/* A name that the database has room for, too. */
static bool name_fits(const char *name)
{
    return name && strlen(name) < sizeof((Approval *)0)->name && manifest_name_ok(name);
}

static fnvm_error *check_names(const InstallRequest *r)
{
    const char *const name = r->approval.name, *const version = r->approval.version;
    if (name_fits(name) && name_fits(version)) return NULL;
    const bool is_name = !name_fits(name);
    return fnvm_error_new(FNVM_E_USAGE, "`%s` is no %s: letters and digits, and after the first of "
                          "them `.`, `_` and `-`, 64 at most",
                          is_name ? (name ? name : "") : (version ? version : ""),
                          is_name ? "name for a function" : "version");
}

/* Before the work, so that nobody waits in vain; what counts is asked again in the transaction. */
static fnvm_error *check_early(Depot *d, const InstallRequest *r, const Fresh *f, bool *same)
{
    InstalledList list;
    fnvm_error *error = depot_read(d);
    if (error) return error;
    error = installed_list(d->database, &list);
    depot_abandon(d);
    if (error) return error;
    error = check_current(r, f, installed_current(&list, r->approval.name), same);
    installed_free(&list);
    return error;
}

/* ---- The files ---- */

static fnvm_error *choose_folder(Depot *d, Fresh *f)
{
    unsigned char random[ID_BYTES];
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(f->install.id, sizeof f->install.id, random, sizeof random);
    f->folder = depot_path(d, "versions", f->install.id);
    f->image = version_path(d, f->install.id, VERSION_IMAGE);
    f->code = version_path(d, f->install.id, VERSION_CODE);
    f->manifest = version_path(d, f->install.id, VERSION_MANIFEST);
    char *parent = depot_path(d, "versions", NULL);
    fnvm_error *error = parent && f->folder && f->image && f->code && f->manifest
                            ? directory_make(parent) : error_no_memory();
    free(parent);
    return error ? error : directory_make(f->folder);
}

/* The module's bytes: what they are, and whether they are installed.  The copy comes later. */
static fnvm_error *read_module(const InstallRequest *r, Fresh *f, uint8_t **bytes, size_t *len)
{
    fnvm_error *error = object_read(r->module, bytes, len);
    if (error) return error;
    error = fnvm_measure(*bytes, *len, NULL, NULL, f->approval.measurement.bytes);
    if (error) return fnvm_error_wrap(error, "`%s` is no module", r->module);
    object_hash(*bytes, *len, f->install.object);
    if (r->approval.yaml)
        object_hash(r->approval.yaml, r->approval.yaml_len, f->approval.policy);
    f->install.manifest.is_there = r->manifest != NULL;
    if (r->manifest) object_hash(r->manifest, r->manifest_len, f->install.manifest.hash);
    char path[PATH_MAX];
    f->install.origin = strdup(realpath(r->module, path) ? path : r->module);
    return f->install.origin ? NULL : error_no_memory();
}

static fnvm_error *put_manifest(const InstallRequest *r, Fresh *f)
{
    if (!r->manifest) return NULL;
    struct stat st;
    fnvm_error *error = file_put(f->manifest, r->manifest, r->manifest_len, &st);
    if (!error) f->install.manifest.identity = standing_identity(&st);
    return error;
}

/* What is in a folder is durable before the database tells of it. */
static fnvm_error *sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return ok ? NULL : fnvm_error_new(FNVM_E_IO, "cannot make `%s` durable", path);
}

static fnvm_error *put_files(Depot *d, const InstallRequest *r, Fresh *f, const uint8_t *bytes,
                             size_t len)
{
    Install *i = &f->install;
    fnvm_error *error = object_add(d->dir, bytes, len, &f->object);
    if (!error && r->approval.yaml)
        error = policy_put(d, f->approval.policy, r->approval.yaml, r->approval.yaml_len);
    if (!error) error = choose_folder(d, f);
    if (!error) error = put_manifest(r, f);
    if (!error && r->prepare) error = r->prepare(r->env, f->object.path, f->image);
    if (!error)
        error = installed_note(f->image, &i->image.is_there, i->image.hash, &i->image.identity);
    if (!error)
        error = installed_note(f->code, &i->code.is_there, i->code.hash, &i->code.identity);
    char *parent = error ? NULL : depot_path(d, "versions", NULL);
    if (!error && !parent) error = error_no_memory();
    if (!error) error = sync_folder(f->folder);
    if (!error) error = sync_folder(parent);
    free(parent);
    if (!error) i->module_identity = standing_identity(&f->object.stat);
    audit_time(i->time);
    return error;
}

/* ---- The transaction ---- */

/* A damaged object that was replaced has another identity now, for all who share it. */
static fnvm_error *share_object(Depot *d, InstalledList *list, const Install *fresh)
{
    fnvm_error *error = NULL;
    for (size_t i = 0; i < list->n && !error; i++) {
        Install *other = &list->at[i].install;
        if (memcmp(other->object, fresh->object, 32) != 0 ||
            memcmp(&other->module_identity, &fresh->module_identity, sizeof(StandingKey)) == 0)
            continue;
        other->module_identity = fresh->module_identity;
        error = database_set_install(d->database, other);
    }
    return error;
}

static fnvm_error *retire(Depot *d, Installed *old, ApprovalState state, const char *reason)
{
    old->install.state = INSTALL_DRAINING;
    fnvm_error *error = database_set_install(d->database, &old->install);
    /* What was revoked stays so. */
    if (!error && old->approval.state == APPROVAL_APPROVED)
        error = database_set_approval(d->database, old->approval.id, state, reason);
    return error;
}

static fnvm_error *replace_current(Depot *d, Installed *old, const Fresh *f)
{
    char reason[200];
    if (old->approval.id == f->install.approval) { /* the same version once more: approved anew */
        old->install.state = INSTALL_DRAINING;
        return database_set_install(d->database, &old->install);
    }
    snprintf(reason, sizeof reason, "updated to version %s", f->approval.version);
    return retire(d, old, APPROVAL_SUPERSEDED, reason);
}

static fnvm_error *enter(Depot *d, const InstallRequest *r, Fresh *f, InstalledList *list,
                         bool *same)
{
    Installed *old = installed_current(list, r->approval.name);
    fnvm_error *error = check_current(r, f, old, same);
    if (error || *same) return error;
    ApprovalRequest approval = r->approval;
    approval.measurement = f->approval.measurement;
    error = share_object(d, list, &f->install);
    if (!error) error = depot_approve_within(d, &approval, &f->install.approval);
    if (!error && old) error = replace_current(d, old, f);
    /* Kept here, too, so that it can be repaired. */
    if (!error && r->manifest)
        error = database_add_policy(d->database, f->install.manifest.hash, r->manifest,
                                    r->manifest_len);
    if (!error) error = database_add_install(d->database, &f->install);
    char reason[200] = "";
    if (old) snprintf(reason, sizeof reason, "instead of version %s", old->approval.version);
    return error ? error
                 : installed_event(d->database, old ? "update" : "install", &f->approval, reason);
}

/* Under the lock, and as of now. */
static fnvm_error *commit(Depot *d, const InstallRequest *r, Fresh *f)
{
    InstalledList list = {0};
    bool same = false;
    fnvm_error *error = depot_begin(d);
    if (error) return error;
    error = installed_list(d->database, &list);
    if (!error) error = enter(d, r, f, &list, &same);
    installed_free(&list);
    if (!error && !same) return depot_commit(d);
    depot_abandon(d);
    return error;
}

fnvm_error *depot_install(Depot *d, const InstallRequest *r)
{
    Fresh f = {.pending = -1};
    uint8_t *bytes = NULL;
    size_t len = 0;
    bool same = false;
    fnvm_error *error = check_names(r);
    if (error) return error;
    snprintf(f.approval.name, sizeof f.approval.name, "%s", r->approval.name);
    snprintf(f.approval.version, sizeof f.approval.version, "%s", r->approval.version);
    error = read_module(r, &f, &bytes, &len);
    if (!error) error = check_early(d, r, &f, &same);
    if (!error && !same) {
        error = depot_flock(d, "pending", LOCK_SH, &f.pending);
        if (!error) error = put_files(d, r, &f, bytes, len);
        if (!error) error = commit(d, r, &f);
    }
    free(bytes);
    fresh_free(&f);
    /* The old version, or what a failure has left.  That a file could not be removed now is no
     * failure of installing. */
    if (!same) fnvm_error_free(depot_collect(d));
    return error;
}

/* ---- Uninstalling ---- */

static fnvm_error *leave(Depot *d, const char *name, InstalledList *list)
{
    Installed *old = installed_current(list, name);
    if (!old)
        return fnvm_error_new(FNVM_E_NOT_FOUND, "no function `%s` is installed: `fnvm installed` "
                              "lists those that are", name);
    fnvm_error *error = retire(d, old, APPROVAL_REMOVED, "uninstalled");
    return error ? error : installed_event(d->database, "uninstall", &old->approval, "");
}

fnvm_error *depot_uninstall(Depot *d, const char *name)
{
    InstalledList list = {0};
    fnvm_error *error = depot_begin(d);
    if (error) return error;
    error = installed_list(d->database, &list);
    if (!error) error = leave(d, name, &list);
    installed_free(&list);
    if (error) {
        depot_abandon(d);
        return error;
    }
    error = depot_commit(d);
    if (!error) fnvm_error_free(depot_collect(d));
    return error;
}
