/* Two processes that change and use one depot at random, while one of them is killed at a random
 * moment, again and again.  What one has said to be done, the other must see. */
#ifndef FNVM_CONFORMANCE_DEPOT_TWO_H
#define FNVM_CONFORMANCE_DEPOT_TWO_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "conformance/depot_world.h"

enum { ALONE_MAX = 1024 };
typedef enum Known { UNKNOWN, APPROVING, APPROVED, REVOKING, REVOKED } Known;

typedef struct Shared {        /* between the processes */
    atomic_uint alone, versions; /* taken so far */
    atomic_int known[ALONE_MAX];
    atomic_uint problems, starts, changes;
} Shared;

typedef struct Both {
    World *w;
    Shared *shared;
    Version *alone[ALONE_MAX]; /* approved and revoked by themselves */
    size_t nalone;
    Version **updates;         /* of "left" and "right", in turn */
    size_t nupdates;
} Both;

static void problem(Both *b, const char *what, fnvm_error *error)
{
    atomic_fetch_add(&b->shared->problems, 1);
    printf("FAILED: %s%s%s\n", what, error ? ": " : "", error ? fnvm_error_message(error) : "");
    fflush(stdout);
    fnvm_error_free(error);
}

/* What another did meanwhile may refuse a change; nothing else may. */
static void expect_change(Both *b, const char *what, fnvm_error *error)
{
    atomic_fetch_add(&b->shared->changes, 1);
    if (error) problem(b, what, error);
}

static void worker_update(Both *b, Depot *d)
{
    const unsigned i = atomic_fetch_add(&b->shared->versions, 1);
    if (i >= b->nupdates) return;
    const Version *v = b->updates[i];
    expect_change(b, "update",
                  depot_install(d, &(InstallRequest){.approval = {.name = v->name,
                                                                  .version = v->version},
                                                     .module = v->file, .update = true}));
}

static void worker_approve(Both *b, Depot *d)
{
    const unsigned i = atomic_fetch_add(&b->shared->alone, 1);
    if (i >= b->nalone) return;
    atomic_store(&b->shared->known[i], APPROVING);
    expect_change(b, "approve", approve(d, b->alone[i]));
    atomic_store(&b->shared->known[i], APPROVED);
}

static void worker_revoke(Both *b, Depot *d, size_t i)
{
    int known = APPROVED;
    if (!atomic_compare_exchange_strong(&b->shared->known[i], &known, REVOKING)) return;
    expect_change(b, "revoke", depot_revoke(d, b->alone[i]->name, b->alone[i]->version, "a test"));
    atomic_store(&b->shared->known[i], REVOKED);
}

static void worker_decide(Both *b, Depot *d, size_t i)
{
    const int before = atomic_load(&b->shared->known[i]);
    const Decision decision = world_decide(b->w, d, b->alone[i]);
    const int after = atomic_load(&b->shared->known[i]);
    if (decision == NEITHER) problem(b, "a decision fails", NULL);
    if (before == APPROVED && after == APPROVED && decision == REFUSED)
        problem(b, "what is approved is refused", NULL);
    if (before == REVOKED && decision == ALLOWED) problem(b, "what is revoked is allowed", NULL);
}

/* A version that was replaced between finding it and deciding is refused: then the next is found. */
static void worker_start(Both *b, Depot *d, const char *name)
{
    fnvm_error *error = NULL;
    for (int i = 0; i < 50; i++) {
        bool allowed = false;
        fnvm_error_free(error);
        error = start(d, name, &allowed);
        if (!error) break;
        if (fnvm_error_code(error) != FNVM_E_POLICY) break;
    }
    atomic_fetch_add(&b->shared->starts, 1);
    if (error) problem(b, "a start of what is installed", error);
}

static void worker(Both *b, uint64_t seed)
{
    World *w = b->w;
    w->random = seed;
    Depot *d = world_open(w);
    if (!d) problem(b, "the depot does not open", NULL);
    for (const uint64_t failed = w->failed; d && w->failed == failed;) {
        const unsigned taken = atomic_load(&b->shared->alone);
        const size_t any = taken ? world_random(w, taken < b->nalone ? taken : b->nalone) : 0;
        switch (world_random(w, 8)) {
        case 0: worker_update(b, d); break;
        case 1: worker_approve(b, d); break;
        case 2: worker_revoke(b, d, any); break;
        case 3: case 4: worker_decide(b, d, any); break;
        default: worker_start(b, d, world_random(w, 2) ? "left" : "right");
        }
    }
    problem(b, "a worker stops", NULL);
    _exit(1);
}

static pid_t spawn(Both *b, uint64_t seed)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) worker(b, seed);
    return pid;
}

static void reap(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
}

/* What was begun and not ended has happened or not; what was said to be done has. */
static void settle(Both *b, Depot *d)
{
    for (size_t i = 0; i < b->nalone; i++) {
        Trial t = {.w = b->w, .name = "alone", .fresh = b->alone[i]};
        switch (atomic_load(&b->shared->known[i])) {
        case UNKNOWN: b->alone[i]->allowed = false; continue;
        case APPROVING: atomic_store(&b->shared->known[i], is_approved(&t, d) ? APPROVED : UNKNOWN);
            continue;
        case APPROVED: b->alone[i]->allowed = true; continue;
        case REVOKING: atomic_store(&b->shared->known[i], is_revoked(&t, d) ? REVOKED : APPROVED);
            continue;
        default: b->alone[i]->allowed = false;
        }
    }
}

static void set_allowed(World *w, Depot *d, const char *name)
{
    char current[DEPOT_NAME_SIZE];
    Trial t = {.w = w, .name = name};
    current_version(&t, d, current);
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->versions[i].name, name) == 0)
            w->versions[i].allowed = strcmp(w->versions[i].version, current) == 0;
    if (!*current) world_fail(w, "no version of %s is current", name);
}

static void check_both(Both *b)
{
    World *w = b->w;
    Depot *d = world_open(w);
    if (!d) return;
    settle(b, d);
    set_allowed(w, d, "left");
    set_allowed(w, d, "right");
    for (size_t i = 0; i < w->n; i++)
        if (i < b->nalone || world_random(w, 8) == 0) check_decision(w, d, &w->versions[i]);
    check_versions(w, d);
    check_no_orphans(w, d);
    check_audit(w, d);
    fnvm_depot_close(d);
}

static bool prepare_both(Both *b, size_t kills)
{
    World *w = b->w;
    b->nalone = kills * 2 < 200 ? kills * 2 + 4 : 200;
    for (size_t i = 0; i < b->nalone; i++)
        if (!(b->alone[i] = world_new_version(w, "alone"))) return false;
    b->nupdates = kills * 8 < VERSIONS_MAX - 500 ? kills * 8 : VERSIONS_MAX - 500;
    b->updates = calloc(b->nupdates + 1, sizeof *b->updates);
    Depot *d = b->updates ? world_open(w) : NULL;
    bool ok = d != NULL;
    for (size_t i = 0; i < 2 && ok; i++) {
        Version *first = world_new_version(w, i ? "right" : "left");
        ok = first && world_good(w, install_here(d, first), "install");
    }
    for (size_t i = 0; i < b->nupdates && ok; i++)
        ok = (b->updates[i] = world_new_version(w, i % 2 ? "right" : "left")) != NULL;
    fnvm_depot_close(d);
    return ok;
}

static void try_both(World *w, size_t kills, uint64_t *passed)
{
    Both b = {.w = w};
    b.shared = mmap(NULL, sizeof *b.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    snprintf(w->doing, sizeof w->doing, "two at once");
    if (b.shared == MAP_FAILED || !prepare_both(&b, kills)) {
        world_fail(w, "cannot be arranged");
        return;
    }
    pid_t pids[2] = {spawn(&b, world_random(w, UINT64_MAX)), spawn(&b, world_random(w, UINT64_MAX))};
    for (size_t i = 0; i < kills; i++) {
        usleep(1000 + (useconds_t)world_random(w, 40000));
        const size_t which = world_random(w, 2);
        reap(pids[which]);
        if (i % 8 == 7 || i + 1 == kills) { /* all stop, and it is looked at */
            reap(pids[!which]);
            check_both(&b);
            pids[!which] = spawn(&b, world_random(w, UINT64_MAX));
        }
        pids[which] = spawn(&b, world_random(w, UINT64_MAX));
    }
    reap(pids[0]);
    reap(pids[1]);
    check_both(&b);
    w->failed += atomic_load(&b.shared->problems);
    if (w->failed == 0) *passed += kills;
    printf("two at once: %zu kills, %u changes, %u starts\n", kills,
           atomic_load(&b.shared->changes), atomic_load(&b.shared->starts));
    free(b.updates);
    munmap(b.shared, sizeof *b.shared);
}

#endif
