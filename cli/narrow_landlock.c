/* Landlock: a process denies itself all of a set of rights but where rules grant them.  Kernels
 * know more of them with each version of it; those that a kernel does not know are neither denied
 * nor granted.  The system's header may be older than the kernel, so the numbers are here
 * (include/uapi/linux/landlock.h of Linux 6.12). */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/narrow.h"

enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2 };

enum { /* rights over files */
    EXECUTE = 1 << 0, WRITE_FILE = 1 << 1, READ_FILE = 1 << 2, READ_DIR = 1 << 3,
    REMOVE_DIR = 1 << 4, REMOVE_FILE = 1 << 5, MAKE_CHAR = 1 << 6, MAKE_DIR = 1 << 7,
    MAKE_REG = 1 << 8, MAKE_SOCK = 1 << 9, MAKE_FIFO = 1 << 10, MAKE_BLOCK = 1 << 11,
    MAKE_SYM = 1 << 12, REFER = 1 << 13, TRUNCATE = 1 << 14, IOCTL_DEV = 1 << 15
};
enum { OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV }; /* no directories */
enum { BIND_TCP = 1 << 0, CONNECT_TCP = 1 << 1 };
enum { ABSTRACT_SOCKETS = 1 << 0, SIGNALS = 1 << 1 };

typedef struct Ruleset { uint64_t files, net, scoped; } Ruleset;

/* What each version brought. */
enum { VERSION_REFER = 2, VERSIONS_OF_RIGHTS = 6 };
static const Ruleset brought[VERSIONS_OF_RIGHTS + 1] = {
    [1] = {.files = (MAKE_SYM << 1) - 1},
    [VERSION_REFER] = {.files = REFER},
    [3] = {.files = TRUNCATE},
    [4] = {.net = BIND_TCP | CONNECT_TCP},
    [5] = {.files = IOCTL_DEV},
    [6] = {.scoped = ABSTRACT_SOCKETS | SIGNALS}};

static const uint64_t granted[] = {
    [NARROW_READ] = READ_FILE | READ_DIR,
    [NARROW_WRITE] = READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | MAKE_REG | MAKE_DIR | MAKE_SYM |
                     REMOVE_FILE | REMOVE_DIR | REFER,
    [NARROW_CREATE] = MAKE_REG | WRITE_FILE | TRUNCATE};

typedef struct __attribute__((packed)) PathRule { uint64_t rights; int32_t fd; } PathRule;
typedef struct PortRule { uint64_t rights, port; } PortRule;

static Ruleset rights_of_version(long version)
{
    Ruleset all = {0};
    for (long i = 1; i <= version && i <= VERSIONS_OF_RIGHTS; i++) {
        all.files |= brought[i].files;
        all.net |= brought[i].net;
        all.scoped |= brought[i].scoped;
    }
    return all;
}

/* Kernels take a structure as long as they know, and of a longer one only zeros. */
static size_t ruleset_size(long version)
{
    return version >= 6 ? sizeof(Ruleset) : version >= 4 ? offsetof(Ruleset, scoped)
                                                         : offsetof(Ruleset, net);
}

/* What is not there, or is not ours to reach, cannot be opened later either. */
static bool is_out_of_reach(int number)
{
    return number == ENOENT || number == ENOTDIR || number == EACCES || number == ELOOP ||
           number == ENAMETOOLONG;
}

static fnvm_error *refused(const char *what, const char *path)
{
    return fnvm_error_new(FNVM_E_IO, "Landlock: cannot %s%s%s%s: %s; --narrow=no does without it",
                          what, path ? " `" : "", path ? path : "", path ? "`" : "",
                          strerror(errno));
}

static fnvm_error *add_path(int ruleset, const Ruleset *handled, const NarrowPath *p)
{
    int fd = open(p->path, O_PATH | O_CLOEXEC);
    if (fd < 0) return is_out_of_reach(errno) ? NULL : refused("open", p->path);
    PathRule rule = {granted[p->access] & handled->files, fd};
    long failed = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
    if (failed && errno == EINVAL) { /* it may be no directory */
        rule.rights &= OF_FILES;
        failed = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
    }
    fnvm_error *error = failed ? refused("grant", p->path) : NULL;
    close(fd);
    return error;
}

static fnvm_error *add_port(int ruleset, const Ruleset *handled, uint16_t port)
{
    const PortRule rule = {handled->net & CONNECT_TCP, port};
    if (!rule.rights) return NULL; /* the system denies none */
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) == 0) return NULL;
    return refused("grant a port", NULL);
}

static bool writes(const NarrowNeeds *needs)
{
    for (size_t i = 0; i < needs->npaths; i++)
        if (needs->paths[i].access == NARROW_WRITE) return true;
    return false;
}

/* The version to use; 0 if there is none.  `missing` says so, and what an old one lacks. */
static long usable_version(const NarrowNeeds *needs, NarrowMissing *missing)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    if (version < 1) {
        snprintf(missing->text, sizeof missing->text,
                 "the system has no Landlock, which denies files: %s", strerror(errno));
        return 0;
    }
    if (version < VERSIONS_OF_RIGHTS)
        snprintf(missing->text, sizeof missing->text, "the system's Landlock is version %ld; "
                 "version %d (Linux 6.12) denies all that it should", version, VERSIONS_OF_RIGHTS);
    /* The first version denies renaming from one directory to another, and nothing grants it. */
    return version < VERSION_REFER && writes(needs) ? 0 : version;
}

fnvm_error *narrow_landlock(const NarrowNeeds *needs, NarrowMissing *missing)
{
    const long version = usable_version(needs, missing);
    if (version == 0) return NULL;
    const Ruleset handled = rights_of_version(version);
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, ruleset_size(version), 0);
    if (ruleset < 0) return refused("begin", NULL);
    fnvm_error *error = NULL;
    for (size_t i = 0; i < needs->npaths && !error; i++)
        error = add_path(ruleset, &handled, &needs->paths[i]);
    for (size_t i = 0; i < needs->nports && !error; i++)
        error = add_port(ruleset, &handled, needs->ports[i]);
    if (!error && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        error = refused("restrict the process", NULL);
    close(ruleset);
    return error;
}
