/* A table's needs are gathered the same way before narrowing and for each later table, which is
 * covered if its needs are among those before.  Landlock's rules are for files and not for names:
 * so a name that leads to another file by now is a need that is not covered, and a file of /proc,
 * which the system may forget and make anew, is held open. */
#include "gateway/worker_narrow.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/kv_redis.h"
#include "gateway/worker_state.h"
#include "stdlib/http_url.h"
#include "verifier/policy/manifest.h"

typedef struct Need {
    char *path;
    NarrowAccess access;
    dev_t dev;                /* with `ino`: what the path led to; 0: to nothing */
    ino_t ino;
} Need;

typedef struct Needs {
    Need *paths; size_t npaths;
    uint16_t *ports; size_t nports;
    bool local;
    bool failed;              /* no memory */
} Needs;

struct Narrowed { Needs needs; int self; /* /proc/self, which has a rule */ };

/* ---- Gathering ---- */

static void needs_free(Needs *n)
{
    for (size_t i = 0; i < n->npaths; i++) free(n->paths[i].path);
    free(n->paths);
    free(n->ports);
    *n = (Needs){.failed = true};
}

static void add_path(Needs *n, const char *path, NarrowAccess access)
{
    struct stat st;
    for (size_t i = 0; i < n->npaths; i++)
        if (n->paths[i].access == access && strcmp(n->paths[i].path, path) == 0) return;
    Need *more = reallocarray(n->paths, n->npaths + 1, sizeof *more);
    char *copy = more ? strdup(path) : NULL;
    if (more) n->paths = more;
    if (!copy) {
        n->failed = true;
        return;
    }
    more[n->npaths] = (Need){.path = copy, .access = access};
    if (stat(path, &st) == 0) {
        more[n->npaths].dev = st.st_dev;
        more[n->npaths].ino = st.st_ino;
    }
    n->npaths++;
}

static void add_below(Needs *n, const char *dir, const char *name, NarrowAccess access)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path)
        add_path(n, path, access);
}

static void add_port(Needs *n, uint16_t port)
{
    for (size_t i = 0; i < n->nports; i++)
        if (n->ports[i] == port) return;
    uint16_t *more = reallocarray(n->ports, n->nports + 1, sizeof *more);
    n->failed |= !more;
    if (!more) return;
    n->ports = more;
    n->ports[n->nports++] = port;
}

static void add_kv(Needs *n, const Config *c)
{
    static const char *const files[] = {"kv", "kv-wal", "kv-shm"};
    const uint16_t port = c->kv ? kv_redis_port(c->kv) : 0;
    const char *const read[] = {c->redis.ca, c->redis.certificate, c->redis.key};
    if (port) add_port(n, port);
    else if (c->kv) n->local = true;
    for (size_t i = 0; i < sizeof read / sizeof *read && c->kv; i++)
        if (read[i]) add_path(n, read[i], NARROW_READ);
    for (size_t i = 0; i < sizeof files / sizeof *files && !c->kv && c->state; i++)
        add_below(n, c->state, files[i], NARROW_WRITE);
}

static void add_function(Needs *n, const Function *f)
{
    for (size_t i = 0; i < f->nmounts; i++)
        add_path(n, f->mounts[i].host, f->mounts[i].read_only ? NARROW_READ : NARROW_WRITE);
    for (size_t i = 0; i < f->nsecrets; i++) add_path(n, f->secrets[i].value, NARROW_READ);
    for (size_t i = 0; i < f->nhttp_allow; i++) {
        UrlRule rule;
        fnvm_error *error = url_rule_parse(f->http_allow[i], &rule);
        if (!error) {
            add_port(n, rule.port);
            url_rule_free(&rule);
        }
        fnvm_error_free(error);
    }
}

/* What c-ares looks names up with, a random number for each question among it, and libcurl
 * certificates. */
static void add_names(Needs *n)
{
    static const char *const files[] = {
        "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/dev/urandom",
        "/etc/services", "/etc/protocols", "/etc/ssl", "/etc/pki", "/etc/ca-certificates",
        "/usr/lib/ssl", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
        "/etc/ld.so.cache", "/lib", "/lib64", "/usr/lib"}; /* openssl.cnf may name libraries */
    enum { DNS = 53 };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        add_path(n, files[i], NARROW_READ);
    add_port(n, DNS);
}

static void gather(Needs *n, const Config *c)
{
    bool kv = false;
    *n = (Needs){0};
    add_path(n, "/proc/self", NARROW_READ); /* resets ask which pages were written */
    if (c->depot) add_path(n, c->depot, NARROW_READ);
    if (c->state) add_below(n, c->state, "calls", NARROW_WRITE);
    for (size_t i = 0; i < c->nfunctions; i++) {
        const Function *f = &c->functions[i];
        if (!f->image) continue;
        add_function(n, f);
        kv |= f->kv_prefix != NULL;
    }
    if (kv) add_kv(n, c);
    if (n->nports) add_names(n);
}

/* ---- Narrowing ---- */

static fnvm_error *no_memory(void)
{
    return fnvm_error_new(FNVM_E_MEMORY, "no memory to narrow a worker");
}

static fnvm_error *narrow_to(const Needs *n, NarrowMode mode)
{
    NarrowPath *paths = calloc(n->npaths + 1, sizeof *paths);
    if (!paths) return no_memory();
    for (size_t i = 0; i < n->npaths; i++)
        paths[i] = (NarrowPath){n->paths[i].path, n->paths[i].access};
    const NarrowNeeds needs = {.paths = paths,
                               .npaths = n->npaths,
                               .ports = n->ports,
                               .nports = n->nports,
                               .local = n->local,
                               .compiles = true,
                               .threads = true,
                               .locks = true,
                               .serves = true};
    fnvm_error *error = narrow_process(&needs, mode);
    free(paths);
    return error ? fnvm_error_wrap(error, "the worker cannot be narrowed (`narrow`)") : NULL;
}

fnvm_error *worker_narrow(Worker *w)
{
    if (w->start.narrow == NARROW_NO) return NULL;
    Narrowed *narrowed = w->narrowed = calloc(1, sizeof *narrowed);
    if (!narrowed) return no_memory();
    narrowed->self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    gather(&narrowed->needs, w->table->config->config);
    return narrowed->needs.failed ? no_memory() : narrow_to(&narrowed->needs, w->start.narrow);
}

void worker_narrow_forget(Worker *w)
{
    if (!w->narrowed) return;
    if (w->narrowed->self >= 0) close(w->narrowed->self);
    needs_free(&w->narrowed->needs);
    free(w->narrowed);
    w->narrowed = NULL;
}

/* ---- Another table ---- */

static bool has_path(const Needs *has, const Need *wanted)
{
    for (size_t i = 0; i < has->npaths; i++) {
        const Need *one = &has->paths[i];
        if (one->access == wanted->access && strcmp(one->path, wanted->path) == 0)
            return one->dev == wanted->dev && one->ino == wanted->ino;
    }
    return false;
}

static bool has_port(const Needs *has, uint16_t port)
{
    for (size_t i = 0; i < has->nports; i++)
        if (has->ports[i] == port) return true;
    return false;
}

static bool has_all(const Needs *has, const Needs *wanted, char *why, size_t size)
{
    for (size_t i = 0; i < wanted->npaths; i++) {
        if (has_path(has, &wanted->paths[i])) continue;
        snprintf(why, size, "`%s`", wanted->paths[i].path);
        return false;
    }
    for (size_t i = 0; i < wanted->nports; i++) {
        if (has_port(has, wanted->ports[i])) continue;
        snprintf(why, size, "connections to port %u", wanted->ports[i]);
        return false;
    }
    if (wanted->local && !has->local) snprintf(why, size, "connections to Unix sockets");
    return has->local || !wanted->local;
}

/* By where both really are. */
static bool is_below(const char *path, const char *dir)
{
    char *real = realpath(path, NULL), *folder = dir ? realpath(dir, NULL) : NULL;
    const size_t len = folder ? strlen(folder) : 0;
    const bool is = real && folder && strncmp(real, folder, len) == 0 && real[len] == '/';
    free(real);
    free(folder);
    return is;
}

/* What is opened once, and is not kept. */
static bool can_open(const Config *c, const Function *f, char *why, size_t size)
{
    if (f->nnative) snprintf(why, size, "the library `%s`", f->native[0].library);
    else if (!is_below(f->image, c->depot)) snprintf(why, size, "`%s`", f->image);
    else if (f->policy && !is_below(f->policy, c->depot)) snprintf(why, size, "`%s`", f->policy);
    else return true;
    return false;
}

bool worker_narrow_covers(const Worker *w, const Config *c, char *why, size_t size)
{
    Needs wanted;
    if (!w->narrowed) return true;
    gather(&wanted, c);
    bool covered = wanted.failed || has_all(&w->narrowed->needs, &wanted, why, size);
    needs_free(&wanted);
    for (size_t i = 0; i < c->nfunctions && covered; i++) {
        const Function *f = &c->functions[i];
        if (f->image && !table_still_open(w->table, c, f)) covered = can_open(c, f, why, size);
    }
    return covered;
}
