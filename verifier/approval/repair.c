/* Every file of every version is hashed.  A module that is not what it was is read again from where it
 * came from, a manifest and a policy are written again from the database, an image and its code are
 * made again.  Then, in one change, the identities that starts are allowed by are set to what was
 * found.  Until then a start of what was damaged is refused; killed on the way, the next repair goes
 * on. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "verifier/approval/installed.h"
#include "verifier/approval/objects.h"
#include "vm/error.h"

typedef struct Repair {
    Depot *depot;
    const RepairMeans *means;
    size_t broken;
    Installed *version;        /* the one that is looked at */
    bool module_is_good;
} Repair;

/* ---- Telling ---- */

static const char *what_is_wrong(FileState state)
{
    return state == FILE_MISSING ? "is missing" : "does not have the hash it was installed with";
}

/* `why` is why it could not be repaired, and freed; it goes into what is reported as wrong. */
static void tell(Repair *r, const char *file, const char *wrong, const char *done, fnvm_error *why)
{
    char *text = NULL;
    if (why && asprintf(&text, "%s; %s", wrong, fnvm_error_message(why)) < 0) text = NULL;
    const RepairReport report = {.name = r->version->approval.name,
                                 .version = r->version->approval.version,
                                 .file = file, .wrong = text ? text : wrong, .done = done};
    if (!done) r->broken++;
    if (r->means->report) r->means->report(r->means->env, &report);
    free(text);
    fnvm_error_free(why);
}

/* The same file with another identity: copied back, or its mode was changed. */
static void tell_touched(Repair *r, const char *file)
{
    tell(r, file, "was touched, and has the hash it was installed with", "noted again", NULL);
}

/* Whether the identity is another one; it is set. */
static bool renew(Repair *r, StandingKey *identity, const struct stat *st)
{
    const StandingKey now = standing_identity(st);
    if (memcmp(&now, identity, sizeof now) == 0) return false;
    *identity = now;
    r->version->changed = true;
    return true;
}

/* ---- The module ---- */

/* Reads the origin, and writes the object if the bytes are the same as ever. */
static fnvm_error *fetch(Repair *r, Object *out)
{
    const Install *i = &r->version->install;
    uint8_t *bytes = NULL, hash[32];
    size_t len = 0;
    fnvm_error *error = object_read(i->origin, &bytes, &len);
    if (error) return error;
    object_hash(bytes, len, hash);
    if (memcmp(hash, i->object, sizeof hash) == 0)
        error = object_add(r->depot->dir, bytes, len, out);
    else
        error = fnvm_error_new(FNVM_E_INVALID, "`%s`, where it came from, is another module now",
                               i->origin);
    free(bytes);
    return error;
}

static fnvm_error *fetch_and_tell(Repair *r, const char *path, FileState state)
{
    Object object = {0};
    fnvm_error *error = fetch(r, &object);
    if (error && fnvm_error_code(error) == FNVM_E_MEMORY) return error;
    r->module_is_good = !error;
    if (error) {
        tell(r, path, what_is_wrong(state), NULL, error);
        return NULL;
    }
    renew(r, &r->version->install.module_identity, &object.stat);
    object_free(&object);
    char *done = NULL;
    if (asprintf(&done, "fetched again from %s", r->version->install.origin) < 0) done = NULL;
    tell(r, path, what_is_wrong(state), done ? done : "fetched again", NULL);
    free(done);
    return NULL;
}

static fnvm_error *repair_module(Repair *r, const char *path)
{
    Install *i = &r->version->install;
    FileState state;
    struct stat st;
    fnvm_error *error = file_compare(path, i->object, &state, &st);
    if (error) return error;
    if (state != FILE_WHOLE) return fetch_and_tell(r, path, state);
    r->module_is_good = true;
    if (renew(r, &i->module_identity, &st)) tell_touched(r, path);
    return NULL;
}

/* ---- Texts: the database has them ---- */

static fnvm_error *repair_text(Repair *r, const char *path, const uint8_t hash[32],
                               StandingKey *identity)
{
    FileState state;
    struct stat st;
    fnvm_error *error = file_compare(path, hash, &state, &st);
    if (error) return error;
    if (state == FILE_WHOLE) {
        if (identity && renew(r, identity, &st)) tell_touched(r, path);
        return NULL;
    }
    char *text = NULL;
    size_t len = 0;
    error = depot_read(r->depot);
    if (error) return error;
    error = database_policy(r->depot->database, hash, &text, &len);
    depot_abandon(r->depot);
    if (!error) error = file_put(path, text, len, &st);
    free(text);
    if (!error && identity) renew(r, identity, &st);
    tell(r, path, what_is_wrong(state), error ? NULL : "written again from the database", error);
    return NULL;
}

static fnvm_error *repair_manifest(Repair *r)
{
    Install *i = &r->version->install;
    if (!i->manifest.is_there) return NULL;
    char *path = version_path(r->depot, i->id, VERSION_MANIFEST);
    if (!path) return error_no_memory();
    fnvm_error *error = repair_text(r, path, i->manifest.hash, &i->manifest.identity);
    free(path);
    return error;
}

static fnvm_error *repair_policy(Repair *r)
{
    const uint8_t *digest = r->version->approval.policy;
    if (sodium_is_zero(digest, 32)) return NULL;
    char *folder = depot_path(r->depot, "policies", NULL), *path = policy_path(r->depot, digest);
    fnvm_error *error = folder && path ? directory_make(folder) : error_no_memory();
    if (!error) error = repair_text(r, path, digest, NULL);
    free(folder);
    free(path);
    return error;
}

/* Those of what is approved and not installed. */
static fnvm_error *add_approved(void *env, const Approval *approval)
{
    InstalledList *list = env;
    if (approval->state != APPROVAL_APPROVED || sodium_is_zero(approval->policy, 32)) return NULL;
    Installed *at = reallocarray(list->at, list->n + 1, sizeof *at);
    if (!at) return error_no_memory();
    list->at = at;
    list->at[list->n++] = (Installed){.approval = *approval};
    return NULL;
}

static fnvm_error *repair_other_policies(Repair *r)
{
    InstalledList approved = {0};
    fnvm_error *error = depot_read(r->depot);
    if (error) return error;
    error = database_each_approval(r->depot->database, NULL, add_approved, &approved);
    depot_abandon(r->depot);
    for (size_t i = 0; i < approved.n && !error; i++) {
        r->version = &approved.at[i];
        error = repair_policy(r);
    }
    installed_free(&approved);
    return error;
}

/* ---- The image and its code: made again, both or none ---- */

static fnvm_error *look_at(Repair *r, const char *path, bool is_there, const uint8_t hash[32],
                           StandingKey *identity, FileState *state)
{
    struct stat st;
    *state = FILE_WHOLE;
    fnvm_error *error = is_there ? file_compare(path, hash, state, &st) : NULL;
    if (!error && is_there && *state == FILE_WHOLE && renew(r, identity, &st))
        tell_touched(r, path);
    return error;
}

static fnvm_error *rebuild(Repair *r, const char *module, const char *image, const char *code)
{
    Install *i = &r->version->install;
    fnvm_error *error = NULL;
    if (!r->module_is_good)
        error = fnvm_error_new(FNVM_E_INVALID, "and without its module it cannot be made again");
    else if (!r->means->prepare)
        error = fnvm_error_new(FNVM_E_UNSUPPORTED, "and nobody is here who could make it again");
    if (!error) error = r->means->prepare(r->means->env, module, image);
    if (!error)
        error = installed_note(image, &i->image.is_there, i->image.hash, &i->image.identity);
    if (!error && !i->image.is_there)
        error = fnvm_error_new(FNVM_E_NOT_FOUND, "and making it again made no image");
    if (!error) error = installed_note(code, &i->code.is_there, i->code.hash, &i->code.identity);
    return error;
}

/* What is whole, but was made by another engine, or for another processor. */
static fnvm_error *repair_misfit(Repair *r, const char *module, const char *image, const char *code)
{
    fnvm_error *why = r->means->misfit(r->means->env, image);
    if (!why) return NULL;
    Install *i = &r->version->install;
    const Install before = *i;
    fnvm_error *error = rebuild(r, module, image, code);
    if (error) *i = before;
    else r->version->changed = true;
    tell(r, image, fnvm_error_message(why), error ? NULL : "rebuilt", error);
    fnvm_error_free(why);
    return NULL;
}

static fnvm_error *repair_both(Repair *r, const char *module, const char *image, const char *code)
{
    Install *i = &r->version->install;
    FileState image_state, code_state;
    fnvm_error *error = look_at(r, image, i->image.is_there, i->image.hash, &i->image.identity,
                                &image_state);
    if (!error)
        error = look_at(r, code, i->code.is_there, i->code.hash, &i->code.identity, &code_state);
    if (error) return error;
    if (image_state == FILE_WHOLE && code_state == FILE_WHOLE)
        return r->means->misfit ? repair_misfit(r, module, image, code) : NULL;
    const Install before = *i;
    error = rebuild(r, module, image, code);
    if (error && fnvm_error_code(error) == FNVM_E_MEMORY) return error;
    if (error) *i = before;
    if (!error) r->version->changed = true;
    const bool is_image = image_state != FILE_WHOLE;
    tell(r, is_image ? image : code, what_is_wrong(is_image ? image_state : code_state),
         error ? NULL : "rebuilt", error);
    return NULL;
}

/* Without an image its code is in the cache, unless that was cleared, or is of another engine. */
static fnvm_error *compile_again(Repair *r, const char *module, const char *image)
{
    if (!r->module_is_good || !r->means->prepare) return NULL;
    fnvm_error *error = r->means->prepare(r->means->env, module, image);
    if (error) tell(r, module, "cannot be made ready", NULL, error);
    return NULL;
}

static fnvm_error *repair_image(Repair *r, const char *module)
{
    const Install *i = &r->version->install;
    char *image = version_path(r->depot, i->id, VERSION_IMAGE);
    char *code = version_path(r->depot, i->id, VERSION_CODE);
    fnvm_error *error = !image || !code      ? error_no_memory()
                        : i->image.is_there ? repair_both(r, module, image, code)
                                            : compile_again(r, module, image);
    free(image);
    free(code);
    return error;
}

/* ---- All of them ---- */

/* Its folder may be gone, or something else have its name: that is told of its files, one by one. */
static fnvm_error *make_folder(Repair *r)
{
    char *parent = depot_path(r->depot, "versions", NULL);
    char *folder = depot_path(r->depot, "versions", r->version->install.id);
    fnvm_error *error = parent && folder ? NULL : error_no_memory();
    if (!error) fnvm_error_free(directory_make(parent));
    if (!error) fnvm_error_free(directory_make(folder));
    free(parent);
    free(folder);
    return error;
}

static fnvm_error *repair_version(Repair *r)
{
    char *module = object_path(r->depot->dir, r->version->install.object);
    fnvm_error *error = module ? make_folder(r) : error_no_memory();
    r->module_is_good = false;
    if (!error) error = repair_module(r, module);
    if (!error) error = repair_policy(r);
    if (!error) error = repair_manifest(r);
    if (!error) error = repair_image(r, module);
    free(module);
    return error;
}

/* Sets what was found.  A version that is gone meanwhile stays so, and one that was replaced meanwhile
 * stays replaced. */
static fnvm_error *enter(Depot *d, const InstalledList *found)
{
    InstalledList now;
    fnvm_error *error = installed_list(d->database, &now);
    if (error) return error;
    for (size_t i = 0; i < now.n && !error; i++) {
        const Installed *was = NULL;
        for (size_t j = 0; j < found->n && !was; j++)
            if (strcmp(found->at[j].install.id, now.at[i].install.id) == 0) was = &found->at[j];
        if (!was || !was->changed) continue;
        Install row = was->install;
        row.state = now.at[i].install.state;
        error = database_set_install(d->database, &row);
        if (!error && row.state == INSTALL_CURRENT)
            error = installed_event(d->database, "repair", &was->approval, "");
    }
    installed_free(&now);
    return error;
}

static fnvm_error *repair_all(Repair *r, InstalledList *list)
{
    Depot *d = r->depot;
    fnvm_error *error = depot_read(d); /* recovers */
    if (error) return error;
    error = installed_list(d->database, list);
    depot_abandon(d);
    for (size_t i = 0; i < list->n && !error; i++) {
        /* What only waits for its last instance to end is not repaired: nothing starts from it. */
        if (list->at[i].install.state != INSTALL_CURRENT) continue;
        r->version = &list->at[i];
        error = repair_version(r);
    }
    if (!error) error = repair_other_policies(r);
    bool changed = false;
    for (size_t i = 0; i < list->n; i++) changed |= list->at[i].changed;
    if (error || !changed) return error;
    error = depot_begin(d);
    if (error) return error;
    error = enter(d, list);
    if (!error) return depot_commit(d);
    depot_abandon(d);
    return error;
}

fnvm_error *depot_repair(Depot *d, const RepairMeans *means, size_t *broken)
{
    Repair r = {.depot = d, .means = means};
    InstalledList list = {0};
    int alone = -1, pending = -1;
    *broken = 0;
    /* Of two who make an image again, one would note what the other replaces. */
    fnvm_error *error = depot_flock(d, "repair", LOCK_EX, &alone);
    if (!error) error = depot_flock(d, "pending", LOCK_SH, &pending);
    if (!error) error = repair_all(&r, &list);
    if (pending >= 0) close(pending);
    if (alone >= 0) close(alone);
    installed_free(&list);
    *broken = r.broken;
    fnvm_error *collected = depot_collect(d);
    if (error) fnvm_error_free(collected);
    else error = collected;
    return error;
}
