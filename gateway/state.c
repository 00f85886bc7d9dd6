/* Directories are gone through by descriptors, so that no link leads a copy elsewhere.  A copy
 * is made under a name of its own, hashed on the way, and gets its ID as its name when it is
 * whole. */
#include "gateway/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verifier/policy/manifest.h"

enum { COPY_FILES = 10000, COPY_DEPTH = 32, RECORD_BYTES = 128, DESCRIPTORS = 16 };
static const uint64_t COPY_BYTES = UINT64_C(1) << 30;

struct State {
    char *dir;
    int lock;
    bool temporary;
    pid_t owner; /* who removes it */
};

static fnvm_error *no_memory(void)
{
    return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
}

static fnvm_error *system_error(const char *what, const char *path)
{
    return fnvm_error_new(FNVM_E_IO, "%s `%s`: %s", what, path, strerrordesc_np(errno));
}

/* ---- Removing ---- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    remove(path); /* what stays makes the directory above stay, too */
    return 0;
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

/* ---- The directory ---- */

char *state_path(const State *s, const char *name)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", s->dir, name) < 0 ? NULL : path;
}

const char *state_dir(const State *s) { return s->dir; }
bool state_is_temporary(const State *s) { return s->temporary; }

static fnvm_error *make_temporary(State *s)
{
    const char *parent = getenv("TMPDIR");
    if (!parent || parent[0] != '/') parent = "/tmp";
    if (asprintf(&s->dir, "%s/fnvm-gateway-XXXXXX", parent) < 0) {
        s->dir = NULL;
        return no_memory();
    }
    if (mkdtemp(s->dir)) {
        s->temporary = true;
        return NULL;
    }
    return system_error("cannot make a temporary directory in", parent);
}

static fnvm_error *make_named(State *s, const char *dir)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return system_error("cannot make the directory", dir);
    s->dir = realpath(dir, NULL);
    return s->dir ? NULL : system_error("cannot use the directory", dir);
}

static fnvm_error *lock_it(State *s)
{
    char *path = state_path(s, "lock");
    if (!path) return no_memory();
    s->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    fnvm_error *error = s->lock < 0 ? system_error("cannot open", path) : NULL;
    if (!error && flock(s->lock, LOCK_EX | LOCK_NB) != 0)
        error = errno == EWOULDBLOCK
                    ? fnvm_error_new(FNVM_E_INVALID,
                                     "another gateway uses the directory `%s`: give each its "
                                     "own, by --state",
                                     s->dir)
                    : system_error("cannot lock", path);
    free(path);
    return error;
}

fnvm_error *state_open(const char *dir, State **out)
{
    State *s = calloc(1, sizeof *s);
    if (!s) return no_memory();
    s->lock = -1;
    s->owner = getpid();
    fnvm_error *error = dir ? make_named(s, dir) : make_temporary(s);
    if (!error) error = lock_it(s);
    char *deployed = error ? NULL : state_path(s, "deployed");
    if (!error && !deployed) error = no_memory();
    if (!error && mkdir(deployed, 0700) != 0 && errno != EEXIST)
        error = system_error("cannot make the directory", deployed);
    free(deployed);
    if (error) state_close(s);
    else *out = s;
    return error;
}

void state_close(State *s)
{
    if (!s) return;
    if (s->temporary && s->owner == getpid()) remove_tree(s->dir);
    if (s->lock >= 0) close(s->lock);
    free(s->dir);
    free(s);
}

/* ---- Copying a folder ---- */

typedef struct Copy {
    const char *from; /* for messages */
    crypto_generichash_state hash;
    uint64_t bytes, files;
    unsigned depth;
} Copy;

static fnvm_error *copy_error(const Copy *c, const char *name, const char *what)
{
    return fnvm_error_new(FNVM_E_IO, "cannot %s `%s` in `%s`: %s", what, name, c->from,
                          strerrordesc_np(errno));
}

/* Texts with their ends, so that no two folders are hashed as the same bytes. */
static void note(Copy *c, const void *bytes, size_t len)
{
    const uint64_t size = len;
    crypto_generichash_update(&c->hash, (const void *)&size, sizeof size);
    crypto_generichash_update(&c->hash, bytes, len);
}

static bool write_all(int fd, const unsigned char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static fnvm_error *copy_bytes(Copy *c, const char *name, int from, int to)
{
    unsigned char piece[65536];
    for (;;) {
        ssize_t n = read(from, piece, sizeof piece);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return copy_error(c, name, "read");
        note(c, piece, (size_t)n);
        if (n == 0) break;
        if ((c->bytes += (uint64_t)n) > COPY_BYTES)
            return fnvm_error_new(FNVM_E_LIMIT, "`%s` has more than 1 GiB in its files", c->from);
        if (!write_all(to, piece, (size_t)n)) return copy_error(c, name, "copy");
    }
    return fsync(to) == 0 ? NULL : copy_error(c, name, "copy");
}

static fnvm_error *copy_file(Copy *c, const char *name, int from_dir, int to_dir)
{
    int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (from < 0) return copy_error(c, name, "open");
    int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    fnvm_error *error = to < 0 ? copy_error(c, name, "copy") : copy_bytes(c, name, from, to);
    if (to >= 0) close(to);
    close(from);
    return error;
}

static fnvm_error *copy_folder(Copy *c, int from, int to);

static fnvm_error *copy_below(Copy *c, const char *name, int from_dir, int to_dir)
{
    if (++c->depth > COPY_DEPTH)
        return fnvm_error_new(FNVM_E_LIMIT, "`%s` has folders in folders, more than %d deep",
                              c->from, COPY_DEPTH);
    if (mkdirat(to_dir, name, 0700) != 0) return copy_error(c, name, "copy");
    int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    fnvm_error *error = from < 0 || to < 0 ? copy_error(c, name, "open") : copy_folder(c, from, to);
    if (from >= 0) close(from);
    if (to >= 0) close(to);
    c->depth--;
    return error;
}

static fnvm_error *copy_entry(Copy *c, const char *name, int from, int to)
{
    struct stat st;
    if (++c->files > COPY_FILES)
        return fnvm_error_new(FNVM_E_LIMIT, "`%s` has more than %d files", c->from, COPY_FILES);
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return copy_error(c, name, "look at");
    note(c, name, strlen(name));
    const bool is_dir = S_ISDIR(st.st_mode);
    note(c, is_dir ? "/" : "", 1);
    if (is_dir) return copy_below(c, name, from, to);
    if (S_ISREG(st.st_mode)) return copy_file(c, name, from, to);
    return fnvm_error_new(
        FNVM_E_INVALID, "`%s` in `%s` is no file and no folder, and only these can be deployed%s",
        name, c->from, S_ISLNK(st.st_mode) ? ": put what the link leads to in its place" : "");
}

static int by_letters(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* not by the locale */
}

static int no_dots(const struct dirent *e)
{
    return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static fnvm_error *copy_folder(Copy *c, int from, int to)
{
    struct dirent **names = NULL;
    const int n = scandirat(from, ".", &names, no_dots, by_letters);
    fnvm_error *error = n < 0 ? copy_error(c, ".", "list") : NULL;
    for (int i = 0; i < n; i++) {
        if (!error) error = copy_entry(c, names[i]->d_name, from, to);
        free(names[i]);
    }
    free(names);
    note(c, "", 0);
    if (!error && fsync(to) != 0) error = copy_error(c, ".", "copy");
    return error;
}

static fnvm_error *copy_all(const char *folder, const char *to, char id[STATE_ID])
{
    unsigned char hash[16];
    Copy c = {.from = folder};
    crypto_generichash_init(&c.hash, NULL, 0, sizeof hash);
    if (mkdir(to, 0700) != 0) return system_error("cannot make the directory", to);
    int in = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        out = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fnvm_error *error = in < 0    ? system_error("cannot open the folder", folder)
                        : out < 0 ? system_error("cannot open the folder", to)
                                  : copy_folder(&c, in, out);
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    crypto_generichash_final(&c.hash, hash, sizeof hash);
    sodium_bin2hex(id, STATE_ID, hash, sizeof hash);
    return error;
}

/* ---- Taking one ---- */

static char *join(const State *s, const char *name, const char *rest)
{
    char *path = NULL;
    return asprintf(&path, "%s/deployed/%s/%s", s->dir, name, rest) < 0 ? NULL : path;
}

/* To open what is no file could take forever. */
static fnvm_error *load_manifest(const char *path, Manifest **out)
{
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return fnvm_error_new(FNVM_E_INVALID, "`%s` is no file, and only files can be deployed",
                              path);
    return manifest_load(path, out);
}

static fnvm_error *name_of(const char *folder, char name[STATE_NAME])
{
    Manifest *m = NULL;
    char *path = NULL;
    if (asprintf(&path, "%s/function.yaml", folder) < 0) return no_memory();
    fnvm_error *error = load_manifest(path, &m);
    free(path);
    if (error) return error;
    snprintf(name, STATE_NAME, "%s", m->name); /* 64 bytes at most */
    manifest_free(m);
    return NULL;
}

/* What is kept under a name has that name, whatever happened while it was copied. */
static fnvm_error *check_copy(const char *copy, const char *folder, const char *name)
{
    char is[STATE_NAME];
    fnvm_error *error = name_of(copy, is);
    if (error || strcmp(is, name) == 0) return error;
    return fnvm_error_new(FNVM_E_INVALID, "`%s` was changed while it was copied", folder);
}

/* It may be there already, from before: then it is the same. */
static fnvm_error *name_copy(const char *fresh, const char *final)
{
    if (rename(fresh, final) == 0) return NULL;
    if (errno == EEXIST || errno == ENOTEMPTY) return remove_tree(fresh), NULL;
    return system_error("cannot make", final);
}

fnvm_error *state_take(State *s, const char *folder, char name[STATE_NAME], char id[STATE_ID])
{
    fnvm_error *error = name_of(folder, name);
    if (error) return error;
    char *parent = join(s, name, ""), *fresh = join(s, name, ".new"), *final = NULL;
    if (!parent || !fresh) error = no_memory();
    if (!error && mkdir(parent, 0700) != 0 && errno != EEXIST)
        error = system_error("cannot make the directory", parent);
    if (!error) {
        remove_tree(fresh); /* of who was killed */
        error = copy_all(folder, fresh, id);
    }
    if (!error) error = check_copy(fresh, folder, name);
    if (!error && !(final = join(s, name, id))) error = no_memory();
    if (!error) error = name_copy(fresh, final);
    if (error && fresh) remove_tree(fresh);
    if (error && parent) rmdir(parent); /* if nothing is in it */
    free(parent);
    free(fresh);
    free(final);
    return error;
}

char *state_manifest(const State *s, const char *name, const char *id)
{
    char *path = NULL;
    return asprintf(&path, "%s/deployed/%s/%s/function.yaml", s->dir, name, id) < 0 ? NULL : path;
}

/* ---- Records ---- */

static bool is_id(const char *text)
{
    return strlen(text) == STATE_ID - 1 && strspn(text, "0123456789abcdef") == STATE_ID - 1;
}

/* A line into one of the record's IDs; an empty one is none. */
static bool take_line(char **at, char id[STATE_ID])
{
    char *end = strchr(*at, '\n');
    if (!end) return false;
    *end = '\0';
    snprintf(id, STATE_ID, "%s", *at);
    *at = end + 1;
    return !*id || is_id(id);
}

fnvm_error *state_find(const State *s, const char *name, StateRecord *out)
{
    char bytes[RECORD_BYTES] = "", *at = bytes;
    *out = (StateRecord){0};
    snprintf(out->name, sizeof out->name, "%s", name);
    char *path = manifest_name_ok(name) ? join(s, name, "record") : NULL;
    if (!path)
        return manifest_name_ok(name)
                   ? no_memory()
                   : fnvm_error_new(FNVM_E_USAGE, "`%s` is no name of a function", name);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes - 1);
    fnvm_error *error = NULL;
    if (fd < 0 && errno == ENOENT)
        error = fnvm_error_new(
            FNVM_E_NOT_FOUND,
            "no function `%s` is deployed; what the configuration has is changed there", name);
    else if (n < 0) error = system_error("cannot read", path);
    else if (!take_line(&at, out->now) || !take_line(&at, out->before) || !*out->now)
        error = fnvm_error_new(FNVM_E_INVALID,
                               "`%s` is damaged: remove it, and deploy the function again", path);
    if (fd >= 0) close(fd);
    free(path);
    return error;
}

static fnvm_error *add_record(const State *s, const char *name, StateRecord *out, size_t *n)
{
    if (!manifest_name_ok(name)) return NULL;
    fnvm_error *error = state_find(s, name, out);
    if (!error) ++*n;
    if (!error || fnvm_error_code(error) != FNVM_E_NOT_FOUND) return error;
    fnvm_error_free(error); /* a copy that nobody kept */
    return NULL;
}

fnvm_error *state_list(const State *s, StateRecord **all, size_t *n)
{
    struct dirent **names = NULL;
    char *path = state_path(s, "deployed");
    if (!path) return no_memory();
    const int found = scandir(path, &names, no_dots, by_letters);
    fnvm_error *error = found < 0 ? system_error("cannot list", path) : NULL;
    *n = 0;
    *all = error ? NULL : calloc(found > 0 ? (size_t)found : 1, sizeof **all);
    if (!error && !*all) error = no_memory();
    for (int i = 0; i < found; i++) {
        if (!error) error = add_record(s, names[i]->d_name, &(*all)[*n], n);
        free(names[i]);
    }
    free(names);
    free(path);
    if (error) {
        free(*all);
        *all = NULL;
    }
    return error;
}

static fnvm_error *write_record(const State *s, const StateRecord *r)
{
    char *fresh = join(s, r->name, "record.new"), *path = join(s, r->name, "record"),
         *parent = join(s, r->name, "");
    char text[RECORD_BYTES];
    const int len = snprintf(text, sizeof text, "%s\n%s\n", r->now, r->before);
    fnvm_error *error = fresh && path && parent ? NULL : no_memory();
    int fd = error ? -1 : open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (!error && (fd < 0 || !write_all(fd, (const void *)text, (size_t)len) || fsync(fd) != 0 ||
                   rename(fresh, path) != 0))
        error = system_error("cannot write", path);
    if (fd >= 0) close(fd);
    int folder = error ? -1 : open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) fsync(folder), close(folder);
    free(fresh);
    free(path);
    free(parent);
    return error;
}

static void remove_others(const State *s, const StateRecord *r)
{
    struct dirent **names = NULL;
    char *parent = join(s, r->name, "");
    const int n = parent ? scandir(parent, &names, no_dots, by_letters) : -1;
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        char *path = is_id(name) && strcmp(name, r->now) != 0 && strcmp(name, r->before) != 0
                         ? join(s, r->name, name)
                         : NULL;
        if (path) remove_tree(path);
        free(path);
        free(names[i]);
    }
    free(names);
    free(parent);
}

fnvm_error *state_keep(State *s, const StateRecord *r)
{
    fnvm_error *error = NULL;
    if (*r->now) {
        error = write_record(s, r);
        if (!error) remove_others(s, r);
        return error;
    }
    char *path = join(s, r->name, "record"), *parent = join(s, r->name, "");
    if (!path || !parent) error = no_memory();
    else if (unlink(path) != 0 && errno != ENOENT) error = system_error("cannot remove", path);
    else remove_tree(parent);
    free(path);
    free(parent);
    return error;
}
