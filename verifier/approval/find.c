/* A version is held by a shared lock on its folder, which whoever collects it would have to take for
 * himself.  Between looking it up and locking it, it may have been replaced and collected: so it counts
 * only if what stands is still valid when the lock is had. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verifier/approval/installed.h"
#include "verifier/approval/objects.h"
#include "vm/error.h"

enum { FIND_TRIES = 1000 };    /* updates that may overtake one start */

/* What stands now; FNVM_E_NOT_FOUND. */
static fnvm_error *look_up(Depot *d, const char *name, StandingEntry *out, uint64_t *generation)
{
    const StandingKey key = standing_name_key(name, NULL);
    fnvm_error *error = depot_lock_standing(d);
    if (error) return error;
    const StandingEntry *found = standing_find(&d->standing, STANDING_NAME, &key);
    if (found) {
        *out = *found;
        *generation = depot_generation_of(d, d->standing.head);
    }
    depot_unlock_standing(d);
    return found ? NULL
                 : fnvm_error_new(FNVM_E_NOT_FOUND, "no function `%s` is installed in `%s`", name,
                                  d->dir);
}

/* -1 with errno set. */
static int hold_folder(const Depot *d, const char *id)
{
    char *path = depot_path(d, "versions", id);
    if (!path) return -1;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    free(path);
    if (fd >= 0 && !flock_wait(fd, LOCK_SH)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The manifest says what the function is given: as with its other files, it is the one that was
 * installed, or there is no start. */
static fnvm_error *find_manifest(const Depot *d, const StandingEntry *e, DepotFunction *out)
{
    struct stat st;
    if (sodium_is_zero(e->manifest.bytes, sizeof e->manifest)) return NULL;
    const bool is_there =
        fstatat(out->hold, VERSION_MANIFEST, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
    const StandingKey found = is_there ? standing_identity(&st) : (StandingKey){{0}};
    if (memcmp(&found, &e->manifest, sizeof found) != 0)
        return fnvm_error_new(FNVM_E_POLICY, "the function, %s %s, may not run: its file versions/%s/"
                              VERSION_MANIFEST " %s; `fnvm repair` writes it again", e->name,
                              e->version, e->install,
                              is_there ? "is not as it was installed" : "is missing");
    out->manifest = version_path(d, e->install, VERSION_MANIFEST);
    return out->manifest ? NULL : error_no_memory();
}

static fnvm_error *fill(const Depot *d, const StandingEntry *e, DepotFunction *out)
{
    memcpy(out->name, e->name, sizeof out->name);
    memcpy(out->version, e->version, sizeof out->version);
    fnvm_error *error = find_manifest(d, e, out);
    if (error) return error;
    out->module = object_path(d->dir, e->object);
    if (!out->module) return error_no_memory();
    if (e->flags & STANDING_HAS_IMAGE) {
        out->image = version_path(d, e->install, VERSION_IMAGE);
        if (!out->image) return error_no_memory();
    }
    if (sodium_is_zero(e->policy, sizeof e->policy)) return NULL;
    out->policy = policy_path(d, e->policy);
    return out->policy ? NULL : error_no_memory();
}

static void release(DepotFunction *f)
{
    if (f->hold >= 0) close(f->hold);
    free(f->module);
    free(f->image);
    free(f->manifest);
    free(f->policy);
    *f = (DepotFunction){.hold = -1};
}

fnvm_error *depot_find(Depot *d, const char *name, DepotFunction *out)
{
    *out = (DepotFunction){.hold = -1};
    for (int i = 0; i < FIND_TRIES; i++) {
        StandingEntry entry;
        fnvm_error *error = look_up(d, name, &entry, &out->generation);
        if (error) return error;
        out->hold = hold_folder(d, entry.install);
        const int number = errno;
        if (depot_generation(d) != out->generation) { /* it has changed meanwhile */
            release(out);
            continue;
        }
        if (out->hold < 0) {
            const char *reason = strerrordesc_np(number);
            return fnvm_error_new(FNVM_E_IO, "cannot open the folder versions/%s of `%s`, version %s: "
                                  "%s; `fnvm repair` may help", entry.install, entry.name,
                                  entry.version, reason ? reason : "unknown error");
        }
        error = fill(d, &entry, out);
        if (error) release(out);
        return error;
    }
    return fnvm_error_new(FNVM_E_IO, "the depot `%s` does not stop changing", d->dir);
}

fnvm_error *depot_policy_of(Depot *d, const Measurement *m, char **path)
{
    StandingKey key;
    memcpy(key.bytes, m->bytes, sizeof key.bytes);
    *path = NULL;
    fnvm_error *error = depot_lock_standing(d);
    if (error) return error;
    const StandingEntry *e = standing_find(&d->standing, STANDING_MEASUREMENT, &key);
    /* Approved without one, too, it needs none. */
    const StandingEntry *with = NULL;
    for (bool none = false; e && !none; e = standing_next(&d->standing, e)) {
        none = sodium_is_zero(e->policy, sizeof e->policy);
        with = none ? NULL : e;
    }
    if (with && !(*path = policy_path(d, with->policy))) error = error_no_memory();
    depot_unlock_standing(d);
    return error;
}

void depot_release(Depot *d, DepotFunction *f)
{
    const bool changed = f->hold >= 0 && depot_generation(d) != f->generation;
    release(f);
    if (changed) fnvm_error_free(depot_collect(d));
}
