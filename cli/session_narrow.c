/* What a guest's process needs once everything is loaded and open: what the guest was given, and
 * the few files that fnvm itself opens later on. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/session.h"
#include "cli/train.h"

enum { KV_FILES = 3, OWN_PATHS = 4 + KV_FILES }; /* besides directories and module paths */

/* The file and those beside it, which are there while it is open; *names is to be freed. */
static fnvm_error *add_kv(const char *file, NarrowPath *paths, size_t *n, char **names)
{
    static const char *const endings[KV_FILES] = {"", "-wal", "-shm"};
    const size_t room = strlen(file) + sizeof "-wal";
    *names = malloc(KV_FILES * room);
    if (!*names) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    for (size_t i = 0; i < KV_FILES; i++) {
        char *name = *names + i * room;
        snprintf(name, room, "%s%s", file, endings[i]);
        paths[(*n)++] = (NarrowPath){name, NARROW_WRITE};
    }
    return NULL;
}

/* A core dump is written over what is there, or made in its directory; *folder is to be freed. */
static fnvm_error *add_coredump(const char *file, NarrowPath *paths, size_t *n, char **folder)
{
    if (access(file, F_OK) == 0) {
        paths[(*n)++] = (NarrowPath){file, NARROW_WRITE};
        return NULL;
    }
    const char *slash = strrchr(file, '/');
    *folder = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup(".");
    if (!*folder) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    paths[(*n)++] = (NarrowPath){*folder, NARROW_CREATE};
    return NULL;
}

static size_t add_paths(const Session *s, NarrowPath *paths)
{
    const Options *o = &s->options;
    size_t n = 0;
    for (size_t i = 0; i < o->ndirs; i++)
        paths[n++] = (NarrowPath){o->dirs[i].host, o->dirs[i].access == FNVM_DIR_READ_ONLY
                                                       ? NARROW_READ : NARROW_WRITE};
    for (size_t i = 0; i < o->module_paths.n; i++)
        paths[n++] = (NarrowPath){o->module_paths.items[i].name, NARROW_READ};
    if (s->cache && o->config.engine != FNVM_ENGINE_INTERPRETER)
        paths[n++] = (NarrowPath){s->cache, s->is_installed ? NARROW_READ /* it is the depot's */
                                                            : NARROW_WRITE};
    if (train_notes()) {
        paths[n++] = (NarrowPath){train_notes(), NARROW_WRITE};
        paths[n++] = (NarrowPath){"/proc/self/pagemap", NARROW_READ};
    }
    return n;
}

fnvm_error *session_narrow(const Session *s)
{
    const Options *o = &s->options;
    if (s->narrow == NARROW_NO) return NULL;
    /* Modules of the module path are decided on as they are found. */
    fnvm_error *kept = s->depot && !o->module_paths.n ? depot_give_up(s->depot) : NULL;
    if (kept) return kept;
    NarrowPath *paths = calloc(o->ndirs + o->module_paths.n + OWN_PATHS, sizeof *paths);
    if (!paths) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    char *folder = NULL, *kv_names = NULL;
    size_t n = add_paths(s, paths);
    fnvm_error *error = o->coredump ? add_coredump(o->coredump, paths, &n, &folder) : NULL;
    if (!error && o->kv) error = add_kv(o->kv, paths, &n, &kv_names);
    const NarrowNeeds needs = {.paths = paths, .npaths = n,
                               .compiles = o->config.engine != FNVM_ENGINE_INTERPRETER,
                               .threads = o->config.compile == FNVM_COMPILE_EAGER,
                               .locks = o->kv != NULL};
    if (!error) error = narrow_process(&needs, s->narrow);
    free(folder);
    free(kv_names);
    free(paths);
    return error;
}
