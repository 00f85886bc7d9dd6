/* Depots: what was approved runs, what was revoked does not, whatever happened to the files
 * between; and the log tells of all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "verifier/approval/depot.h"

typedef struct World { char dir[40]; Depot *depot; } World;

static Depot *open_depot(const char *dir)
{
    Depot *d = NULL;
    fnvm_error *error = fnvm_depot_open(dir, true, &d);
    if (error) fail_msg("%s", fnvm_error_message(error));
    return d;
}

static int set_up(void **state)
{
    World *w = calloc(1, sizeof *w);
    strcpy(w->dir, "/tmp/fnvm-depot-XXXXXX");
    if (!mkdtemp(w->dir)) return -1;
    w->depot = open_depot(w->dir);
    *state = w;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    World *w = *state;
    fnvm_depot_close(w->depot);
    nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(w);
    return 0;
}

static void reopen(World *w)
{
    fnvm_depot_close(w->depot);
    w->depot = open_depot(w->dir);
}

/* ---- What the tests say ---- */

static Measurement binary(uint8_t n)
{
    Measurement m = {.bytes = {n, 1}};
    return m;
}

static void ok(fnvm_error *error)
{
    if (!error) return;
    const fnvm_error *cause = fnvm_error_cause(error);
    fail_msg("%s: %s", fnvm_error_message(error), cause ? fnvm_error_message(cause) : "");
}

static void fails(fnvm_error *error, fnvm_code code, const char *message)
{
    assert_non_null(error);
    const fnvm_error *cause = fnvm_error_cause(error);
    if (fnvm_error_code(error) != code || (!strstr(fnvm_error_message(error), message) &&
                                           !(cause && strstr(fnvm_error_message(cause), message))))
        fail_msg("%d: %s: %s", (int)fnvm_error_code(error), fnvm_error_message(error),
                 cause ? fnvm_error_message(cause) : "");
    fnvm_error_free(error);
}

static ApprovalRequest request(const char *name, const char *version, uint8_t n)
{
    return (ApprovalRequest){.name = name, .version = version, .measurement = binary(n)};
}

static void approve(World *w, const char *name, const char *version, uint8_t n)
{
    const ApprovalRequest r = request(name, version, n);
    ok(depot_approve(w->depot, &r));
}

static fnvm_error *measure(void *env, Measurement *out)
{
    *out = binary(*(uint8_t *)env);
    return NULL;
}

static fnvm_error *decide_policy(Depot *d, uint8_t n, const uint8_t *policy)
{
    uint64_t generation;
    const Subject s = {.what = "module", .file = "app.wasm", .measure = measure, .env = &n,
                       .policy = policy};
    return depot_decide(d, &s, &generation);
}

static fnvm_error *decide(Depot *d, uint8_t n) { return decide_policy(d, n, NULL); }

static uint64_t lines(World *w)
{
    uint64_t n;
    ok(depot_audit(w->depot, NULL, NULL, &n));
    return n;
}

static char *path_of(const World *w, const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    return path;
}

/* With a connection of its own, as somebody would who may write the file. */
static void execute(const World *w, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path_of(w, "approvals.db"), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* ---- Approving, revoking ---- */

static void test_approved(void **state)
{
    World *w = *state;
    fails(decide(w->depot, 1), FNVM_E_POLICY, "not approved");
    approve(w, "app", "1", 1);
    ok(decide(w->depot, 1));
    fails(decide(w->depot, 2), FNVM_E_POLICY, "not approved");
    assert_int_equal(lines(w), 4);
}

static void test_revoked(void **state)
{
    World *w = *state;
    approve(w, "app", "1", 1);
    approve(w, "app", "2", 2);
    approve(w, "other", "1", 1); /* the same binary */
    ok(depot_revoke(w->depot, "app", "1", "it leaks"));
    fails(decide(w->depot, 1), FNVM_E_POLICY, "revoked");
    ok(decide(w->depot, 2));
    fails(depot_revoke(w->depot, "app", "3", NULL), FNVM_E_NOT_FOUND,
          "no approval of `app` in version 3");
    fails(depot_revoke(w->depot, "none", NULL, NULL), FNVM_E_NOT_FOUND, "no approval");

    ApprovalRequest r = request("app", "1", 1);
    fails(depot_approve(w->depot, &r), FNVM_E_INVALID, "it leaks");
    r.version = "3";
    fails(depot_approve(w->depot, &r), FNVM_E_INVALID, "revoked");
    r.reinstate = true;
    ok(depot_approve(w->depot, &r));
    ok(decide(w->depot, 1));
    ok(depot_revoke(w->depot, "app", NULL, NULL));
    fails(decide(w->depot, 1), FNVM_E_POLICY, "revoked");
    fails(decide(w->depot, 2), FNVM_E_POLICY, "revoked");
    lines(w);
}

/* By one who cannot write it, as the gateway's workers are. */
static void test_watched(void **state)
{
    World *w = *state;
    const Measurement one = binary(1);
    DepotRevoked revoked = {.is = true};
    approve(w, "app", "1", 1);
    Depot *watcher = open_depot(w->dir);
    depot_watch(watcher);
    ok(depot_revoked(watcher, &one, true, &revoked));
    assert_false(revoked.is);
    assert_int_equal(mprotect(watcher->standing.head, 4096, PROT_READ | PROT_WRITE), -1);
    ok(depot_revoke(w->depot, "app", "1", NULL));
    assert_true(depot_generation(watcher) != revoked.generation);
    ok(depot_revoked(watcher, &one, false, &revoked));
    assert_true(revoked.is);
    assert_string_equal(revoked.name, "app");
    assert_string_equal(revoked.version, "1");

    const uint64_t logged = lines(w);
    ok(standing_invalidate(w->depot->fd)); /* somebody died in the midst */
    revoked.generation = 1;
    ok(depot_revoked(watcher, &one, false, &revoked));
    assert_int_equal(revoked.generation, 0);
    assert_true(revoked.is); /* as it was */
    fails(depot_revoked(watcher, &one, true, &revoked), FNVM_E_IO, "does not end");
    ok(depot_revoked(w->depot, &one, true, &revoked)); /* who may write recovers */
    ok(depot_revoked(watcher, &one, true, &revoked));
    assert_true(revoked.is && revoked.generation);
    assert_int_equal(lines(w), logged);
    fnvm_depot_close(watcher);
}

static void test_versions(void **state)
{
    World *w = *state;
    approve(w, "app", "1", 1);
    ok(decide(w->depot, 1));
    const uint64_t generation = depot_generation(w->depot);
    approve(w, "app", "1", 1); /* does nothing */
    assert_int_equal(depot_generation(w->depot), generation);
    assert_int_equal(lines(w), 2);
    ApprovalRequest r = request("app", "1", 2);
    fails(depot_approve(w->depot, &r), FNVM_E_INVALID, "another binary");
    r = request("app", "1", 1);
    r.yaml = "limits: {}\n", r.yaml_len = 11;
    fails(depot_approve(w->depot, &r), FNVM_E_INVALID, "another policy");
    static const char *const bad[] = {"", ".x", "a b", "a@1", "../x", "a\nb", NULL};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        r = request(bad[i], "1", 3);
        fails(depot_approve(w->depot, &r), FNVM_E_USAGE, "is no name");
        r = request("app", bad[i], 3);
        fails(depot_approve(w->depot, &r), FNVM_E_USAGE, "is no version");
    }
    char longest[65];
    memset(longest, 'x', sizeof longest);
    longest[64] = '\0';
    approve(w, longest, longest, 4);
    ok(decide(w->depot, 4));
}

static void test_policy(void **state)
{
    World *w = *state;
    uint8_t digest[32], other[32] = {1};
    struct stat st;
    ApprovalRequest r = request("app", "1", 1);
    r.yaml = "limits:\n  memories: 1\n", r.yaml_len = strlen(r.yaml);
    crypto_generichash(digest, sizeof digest, (const uint8_t *)r.yaml, r.yaml_len, NULL, 0);
    ok(depot_approve(w->depot, &r));
    ok(decide_policy(w->depot, 1, digest));
    fails(decide_policy(w->depot, 1, other), FNVM_E_POLICY, "under one policy only");
    fails(decide(w->depot, 1), FNVM_E_POLICY, "policies/");
    char name[100] = "policies/";
    sodium_bin2hex(name + 9, 65, digest, 32);
    strcat(name, ".yaml");
    assert_int_equal(stat(path_of(w, name), &st), 0);
    assert_int_equal(st.st_size, r.yaml_len);
    approve(w, "free", "1", 1); /* under any */
    ok(decide(w->depot, 1));
    ok(decide_policy(w->depot, 1, other));
}

/* ---- Signatures ---- */

static void test_signatures(void **state)
{
    World *w = *state;
    uint8_t keys[2][32], secrets[2][64];
    for (int i = 0; i < 2; i++) crypto_sign_keypair(keys[i], secrets[i]);
    ApprovalRequest r = request("app", "1", 1);
    r.sign_key = secrets[0];
    ok(depot_approve(w->depot, &r));
    approve(w, "app", "2", 2);
    ok(decide(w->depot, 1));
    ok(decide(w->depot, 2));
    ok(fnvm_depot_require_signature(w->depot, (const unsigned char (*)[32])&keys[1], 1));
    fails(decide(w->depot, 1), FNVM_E_POLICY, "not signed by a key that is trusted");
    ok(fnvm_depot_require_signature(w->depot, (const unsigned char (*)[32])keys, 2));
    ok(decide(w->depot, 1));
    fails(decide(w->depot, 2), FNVM_E_POLICY, "not signed");
    fails(fnvm_depot_require_signature(w->depot, NULL, 0), FNVM_E_USAGE, "no key");
    r = request("app", "2", 2); /* signed afterwards */
    r.sign_key = secrets[1];
    ok(depot_approve(w->depot, &r));
    ok(decide(w->depot, 2));
}

/* The standing file written by somebody without the key: good sums, and whatever he likes in it. */
static void test_forged_standing(void **state)
{
    World *w = *state;
    uint8_t key[32], secret[64];
    Standing s;
    crypto_sign_keypair(key, secret);
    ApprovalRequest r = request("app", "1", 1);
    r.sign_key = secret;
    ok(depot_approve(w->depot, &r));
    ok(standing_map(w->depot->fd, true, &s));
    assert_int_equal(s.head->count, 1);
    StandingEntry e[3] = {s.entries[0], s.entries[0], s.entries[0]};
    const AuditHead head = standing_audit(&s);
    const uint64_t generation = s.head->generation;
    standing_unmap(&s);
    /* Another binary with it: by its measurement, with and without changing what is signed, and by a
     * file that counts as one that was installed. */
    const Measurement evil = binary(2), worse = binary(3);
    struct stat st;
    assert_int_equal(stat(path_of(w, "approvals.db"), &st), 0);
    memcpy(e[0].key.bytes, evil.bytes, 32), memcpy(e[0].measurement, evil.bytes, 32);
    memcpy(e[1].key.bytes, worse.bytes, 32);
    e[2].kind = STANDING_FILE, e[2].key = standing_identity(&st);
    ok(standing_write(w->depot->fd, e, 3, generation, &head));
    reopen(w);
    ok(decide(w->depot, 2)); /* nobody asks for signatures */
    ok(fnvm_depot_require_signature(w->depot, (const unsigned char (*)[32])&key, 1));
    fails(decide(w->depot, 2), FNVM_E_POLICY, "not signed");
    fails(decide(w->depot, 3), FNVM_E_POLICY, "not signed");
    uint64_t now;
    uint8_t n = 4;
    const Subject file = {.what = "module", .stat = &st, .measure = measure, .env = &n};
    fails(depot_decide(w->depot, &file, &now), FNVM_E_POLICY, "not approved");
}

/* Every part that is signed, changed in the database by somebody without the key. */
static void test_forged(void **state)
{
    static const char *const changes[] = {
        "UPDATE approvals SET measurement = (SELECT measurement FROM approvals WHERE name = 'evil')"
        " WHERE name = 'app'",
        "UPDATE approvals SET signer = (SELECT signer FROM approvals WHERE name = 'app'),"
        " signature = (SELECT signature FROM approvals WHERE name = 'app') WHERE name = 'evil'",
        "DELETE FROM approvals WHERE name = 'evil'; UPDATE approvals SET name = 'evil'",
        "UPDATE approvals SET version = '9' WHERE name = 'app'",
        "UPDATE approvals SET signature = zeroblob(64) WHERE name = 'app'",
        "UPDATE approvals SET policy = (SELECT digest FROM policies) WHERE name = 'app'"};
    static const uint8_t forged[] = {2, 2, 1, 1, 1, 1}; /* the binary that would gain */
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        World *w = *state;
        uint8_t key[32], secret[64], policy[32];
        char yaml[40];
        crypto_sign_keypair(key, secret);
        ApprovalRequest r = request("app", "1", 1);
        r.sign_key = secret;
        ok(depot_approve(w->depot, &r));
        ok(fnvm_depot_require_signature(w->depot, (const unsigned char (*)[32])&key, 1));
        ok(decide(w->depot, 1));
        r = request("evil", "1", 2);
        r.yaml = yaml, r.yaml_len = (size_t)snprintf(yaml, sizeof yaml, "limits: {}\n");
        crypto_generichash(policy, sizeof policy, (const uint8_t *)yaml, r.yaml_len, NULL, 0);
        ok(depot_approve(w->depot, &r));
        fails(decide_policy(w->depot, 2, policy), FNVM_E_POLICY, "not signed");
        execute(w, changes[i]);
        unlink(path_of(w, "standing"));
        reopen(w);
        ok(fnvm_depot_require_signature(w->depot, (const unsigned char (*)[32])&key, 1));
        fails(decide_policy(w->depot, forged[i], policy), FNVM_E_POLICY,
              "not signed");
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

/* What only another program writes into the database approves nothing. */
static void test_row_that_cannot_be(void **state)
{
    static const char *const changes[] = {
        "UPDATE approvals SET policy = x'00'", "UPDATE approvals SET policy = zeroblob(32)",
        "PRAGMA ignore_check_constraints = ON; UPDATE approvals SET state = 17"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        World *w = *state;
        ApprovalRequest r = request("app", "1", 1);
        r.yaml = "limits: {}\n", r.yaml_len = strlen(r.yaml);
        ok(depot_approve(w->depot, &r));
        fails(decide(w->depot, 1), FNVM_E_POLICY, "under one policy only");
        execute(w, changes[i]); /* with no check of foreign keys */
        unlink(path_of(w, "standing"));
        reopen(w);
        fails(decide(w->depot, 1), FNVM_E_POLICY, "revoked");
        tear_down(state);
        assert_int_equal(set_up(state), 0);
    }
}

/* ---- Files that are not as they were ---- */

static void expect_as_before(World *w)
{
    ok(decide(w->depot, 1));
    fails(decide(w->depot, 2), FNVM_E_POLICY, "revoked");
    fails(decide(w->depot, 3), FNVM_E_POLICY, "not approved");
    lines(w);
}

static void flip(const char *path, off_t at)
{
    char byte;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte = (char)~byte;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void test_standing_damaged(void **state)
{
    World *w = *state;
    char *path = path_of(w, "standing");
    struct stat st;
    approve(w, "app", "1", 1), approve(w, "app", "2", 2);
    ok(depot_revoke(w->depot, "app", "2", NULL));
    expect_as_before(w);
    static const off_t sizes[] = {0, 1, 100, 4095, 4096, 4097, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fnvm_depot_close(w->depot);
        assert_int_equal(truncate(path, sizes[i]), 0);
        w->depot = open_depot(w->dir);
        expect_as_before(w);
    }
    assert_int_equal(stat(path, &st), 0);
    for (off_t at = 4096; at < st.st_size; at += 7) {
        fnvm_depot_close(w->depot);
        flip(path, at);
        w->depot = open_depot(w->dir);
        ok(decide(w->depot, 1));
        fails(decide(w->depot, 2), FNVM_E_POLICY, "revoked");
    }
    /* Of the head: magic, format, valid, count, generation, sum, inode. */
    for (off_t at = 0; at < 48; at++) {
        fnvm_depot_close(w->depot);
        flip(path, at);
        w->depot = open_depot(w->dir);
        ok(decide(w->depot, 1));
        fails(decide(w->depot, 2), FNVM_E_POLICY, "revoked");
    }
    lines(w);
}

/* A file that is removed while it is mapped cannot be marked by who changes the depot next. */
static void test_standing_removed(void **state)
{
    World *w = *state;
    approve(w, "app", "1", 1), approve(w, "app", "2", 2);
    ok(decide(w->depot, 2));
    unlink(path_of(w, "standing"));
    ok(decide(w->depot, 2));
    Depot *other = open_depot(w->dir);
    ok(depot_revoke(other, "app", "2", NULL));
    fnvm_depot_close(other);
    fails(decide(w->depot, 2), FNVM_E_POLICY, "revoked");
    expect_as_before(w);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const ssize_t n = read(in, bytes, sizeof bytes);
    assert_true(n > 0 && n < (ssize_t)sizeof bytes && write(out, bytes, (size_t)n) == n);
    close(in), close(out);
}

/* From a time when it was not revoked: a copy, and a second name of the same file. */
static void test_standing_stale(void **state)
{
    World *w = *state;
    char path[100], old[100], linked[100];
    strcpy(path, path_of(w, "standing"));
    strcpy(old, path_of(w, "old")), strcpy(linked, path_of(w, "linked"));
    approve(w, "app", "1", 1), approve(w, "app", "2", 2);
    ok(decide(w->depot, 2));
    copy_file(path, old);
    assert_int_equal(link(path, linked), 0);
    ok(depot_revoke(w->depot, "app", "2", NULL));
    fnvm_depot_close(w->depot);
    assert_int_equal(rename(old, path), 0);
    w->depot = open_depot(w->dir);
    expect_as_before(w);
    fnvm_depot_close(w->depot);
    assert_int_equal(rename(linked, path), 0);
    w->depot = open_depot(w->dir);
    expect_as_before(w);
}

static void test_log_not_whole(void **state)
{
    World *w = *state;
    const char *log = path_of(w, "audit.log");
    char *kept = NULL;
    struct stat st;
    uint64_t n;
    approve(w, "app", "1", 1);
    ok(decide(w->depot, 1));
    ok(decide(w->depot, 1));
    assert_int_equal(stat(log, &st), 0);
    assert_int_equal(truncate(log, st.st_size - 300), 0);
    fails(decide(w->depot, 1), FNVM_E_POLICY, "missing");
    fails(depot_audit(w->depot, NULL, NULL, &n), FNVM_E_INVALID, "standing file");
    reopen(w);
    fails(decide(w->depot, 1), FNVM_E_POLICY, "missing");
    ok(depot_new_log(w->depot, &kept));
    free(kept);
    ok(decide(w->depot, 1));
    assert_int_equal(lines(w), 2);
    approve(w, "app", "2", 2);
    flip(path_of(w, "audit.log"), 20);
    ok(decide(w->depot, 2)); /* the lines before the head are not read */
    fails(depot_audit(w->depot, NULL, NULL, &n), FNVM_E_INVALID, "line 1,");
    ok(depot_new_log(w->depot, &kept));
    free(kept);
    unlink(path_of(w, "audit.log")); /* while it is open */
    fails(decide(w->depot, 1), FNVM_E_POLICY, "missing");
    fails(depot_audit(w->depot, NULL, NULL, &n), FNVM_E_INVALID, "database");
}

/* A crash of the machine may lose decisions that `standing` has noted, but nothing the database
 * has. */
static void test_machine_crashed(void **state)
{
    World *w = *state;
    struct stat st;
    approve(w, "app", "1", 1);
    assert_int_equal(stat(path_of(w, "audit.log"), &st), 0);
    for (int i = 0; i < 2; i++) {
        ok(decide(w->depot, 1));
        fnvm_depot_close(w->depot);
        flip(path_of(w, "standing"), offsetof(StandingHead, boot) + 3);
        assert_int_equal(truncate(path_of(w, "audit.log"), st.st_size), 0);
        w->depot = open_depot(w->dir);
        if (i == 0) ok(decide(w->depot, 1));
        else approve(w, "app", "2", 2);
        assert_int_equal(lines(w), 2);
    }
    /* What the database notes is never lost that way. */
    fnvm_depot_close(w->depot);
    flip(path_of(w, "standing"), offsetof(StandingHead, boot) + 3);
    assert_int_equal(truncate(path_of(w, "audit.log"), st.st_size), 0);
    w->depot = open_depot(w->dir);
    fails(decide(w->depot, 1), FNVM_E_POLICY, "missing");
}

/* A log that was made anew with good hashes does not go through the points that were noted. */
static void test_log_made_anew(void **state)
{
    World *w = *state;
    AuditHead head = {0};
    uint64_t n;
    approve(w, "app", "1", 1);
    for (int i = 0; i < 3; i++) ok(decide(w->depot, 1));
    fnvm_depot_close(w->depot);
    int fd = open(path_of(w, "audit.log"), O_RDWR | O_APPEND | O_TRUNC);
    for (int i = 0; i < 9; i++)
        ok(audit_append(fd, &head,
                        &(AuditEvent){.what = "module", .name = "app", .event = i == 0}));
    close(fd);
    w->depot = open_depot(w->dir);
    fails(depot_audit(w->depot, NULL, NULL, &n), FNVM_E_INVALID, "database");
    fails(decide(w->depot, 1), FNVM_E_POLICY, "cannot be noted");
}

static void test_no_depot(void **state)
{
    World *w = *state;
    Depot *d;
    char other[100];
    fails(fnvm_depot_open(path_of(w, "none"), false, &d), FNVM_E_NOT_FOUND, "there is no depot");
    fails(fnvm_depot_open(path_of(w, "objects"), false, &d), FNVM_E_NOT_FOUND, "is no depot");
    fails(fnvm_depot_open("", true, &d), FNVM_E_USAGE, "a directory");
    strcpy(other, path_of(w, "objects/x"));
    close(open(other, O_WRONLY | O_CREAT, 0600));
    fails(fnvm_depot_open(path_of(w, "objects"), true, &d), FNVM_E_USAGE, "not empty");
    chmod(w->dir, 0770);
    fails(fnvm_depot_open(w->dir, false, &d), FNVM_E_POLICY, "may be changed by others");
    chmod(w->dir, 0700);
    ok(fnvm_depot_open(path_of(w, "a/b/c"), true, &d));
    fnvm_depot_close(d);
}

static void test_database_not_ours(void **state)
{
    World *w = *state;
    char *path = path_of(w, "approvals.db");
    approve(w, "app", "1", 1);
    fnvm_depot_close(w->depot);
    execute(w, "PRAGMA user_version = 7");
    w->depot = open_depot(w->dir);
    ok(decide(w->depot, 1)); /* it is not needed */
    const ApprovalRequest r = request("app", "2", 2);
    fails(depot_approve(w->depot, &r), FNVM_E_UNSUPPORTED, "another version of fnvm");
    execute(w, "PRAGMA application_id = 7");
    fails(depot_approve(w->depot, &r), FNVM_E_INVALID, "not one of approvals");
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "this is no database, but it is long enough for one's head", 57),
                     57);
    close(fd);
    fails(depot_approve(w->depot, &r), FNVM_E_INVALID, "no database");
    unlink(path_of(w, "standing"));
    reopen(w);
    fails(decide(w->depot, 1), FNVM_E_POLICY, "no database");
}

/* ---- At the same time ---- */

enum { THREADS = 8, DECISIONS = 500 };

static void *decide_often(void *env)
{
    World *w = env;
    for (int i = 0; i < DECISIONS; i++) {
        fnvm_error *error = decide(w->depot, 1);
        if (error) return error;
        (void)depot_generation(w->depot);
    }
    return NULL;
}

/* Meanwhile the depot changes, by another handle. */
static void test_threads(void **state)
{
    World *w = *state, other = *w;
    pthread_t threads[THREADS];
    approve(w, "app", "1", 1);
    other.depot = open_depot(w->dir);
    for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, decide_often, w);
    for (uint8_t i = 2; i < 12; i++) {
        char version[8];
        snprintf(version, sizeof version, "%u", i);
        approve(i % 2 ? w : &other, "app", version, i);
    }
    for (int i = 0; i < THREADS; i++) {
        void *error;
        pthread_join(threads[i], &error);
        ok(error);
    }
    assert_int_equal(lines(w), 11 + THREADS * DECISIONS);
    fnvm_depot_close(other.depot);
}

typedef struct Waiting { World *w; _Atomic int done; fnvm_error *error; } Waiting;

static void *decide_once(void *env)
{
    Waiting *waiting = env;
    waiting->error = decide(waiting->w->depot, 1);
    waiting->done = 1;
    return NULL;
}

/* Before the old decisions are retired they hold; after that one waits for the new ones. */
static void test_while_it_changes(void **state)
{
    World *w = *state;
    Depot *other = open_depot(w->dir);
    Waiting waiting = {.w = w};
    pthread_t thread;
    AuditHead head;
    approve(w, "app", "1", 1);
    ok(decide(w->depot, 1));
    assert_int_not_equal(depot_generation(w->depot), 0);

    ok(depot_begin(other));
    ok(database_set_approval(other->database, 1, APPROVAL_REVOKED, ""));
    ok(decide(w->depot, 1));
    ok(depot_retire(other, &head));
    assert_int_equal(depot_generation(w->depot), 0);
    pthread_create(&thread, NULL, decide_once, &waiting);
    usleep(20000);
    assert_int_equal(waiting.done, 0);
    ok(database_commit(other->database));
    ok(depot_publish(other, &head));
    depot_abandon(other);
    pthread_join(thread, NULL);
    fails(waiting.error, FNVM_E_POLICY, "revoked");
    assert_int_not_equal(depot_generation(w->depot), 0);
    assert_int_equal(lines(w), 4);
    fnvm_depot_close(other);
}

/* That locks of fcntl end with any descriptor of the file is a trap: another handle of this process must
 * not take them away, or a foreign program may write in the midst of a change. */
static void test_lock_of_the_database(void **state)
{
    World *w = *state;
    approve(w, "app", "1", 1);
    ok(depot_begin(w->depot));
    ok(database_set_approval(w->depot->database, 1, APPROVAL_REVOKED, ""));
    fnvm_depot_close(open_depot(w->dir));
    const pid_t child = fork();
    if (child == 0) { /* SQLite would remember its parent's locks; so without it */
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(path_of(w, "approvals.db"), O_RDWR);
        _exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    depot_abandon(w->depot);
}

/* An abandoned change is none, and one that failed after retiring leaves what there was. */
static void test_abandoned(void **state)
{
    World *w = *state;
    AuditHead head;
    approve(w, "app", "1", 1);
    ok(depot_begin(w->depot));
    ok(database_set_approval(w->depot->database, 1, APPROVAL_REVOKED, ""));
    depot_abandon(w->depot);
    depot_abandon(w->depot);
    ok(decide(w->depot, 1));
    ok(depot_begin(w->depot));
    ok(database_set_approval(w->depot->database, 1, APPROVAL_REVOKED, ""));
    ok(depot_retire(w->depot, &head));
    depot_abandon(w->depot);
    ok(decide(w->depot, 1));
    assert_int_equal(lines(w), 3);
}

/* A fork has locks of its own. */
static void test_fork(void **state)
{
    World *w = *state;
    pid_t children[2];
    approve(w, "app", "1", 1);
    ok(decide(w->depot, 1));
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        if (children[i] != 0) continue;
        if (decide_often(w)) _exit(1);
        const ApprovalRequest r = request("child", i ? "1" : "2", 2);
        _exit(depot_approve(w->depot, &r) ? 2 : 0);
    }
    assert_null(decide_often(w));
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    ok(decide(w->depot, 2));
    assert_int_equal(lines(w), 5 + 3 * DECISIONS);
}

/* ---- Crashes ---- */

/* Odd ones are approved, even ones approved and revoked, over and over; each is noted once it is
 * done. */
static void change_for_ever(const World *w, uint8_t *done)
{
    Depot *d = open_depot(w->dir);
    for (unsigned i = 2;; i++) {
        char version[16];
        snprintf(version, sizeof version, "%u", i);
        const ApprovalRequest r = request("app", version, (uint8_t)(i % 200 + 10));
        fnvm_error *error = depot_approve(d, &r);
        if (!error && i % 2 == 0) error = depot_revoke(d, "app", version, "even");
        if (error && fnvm_error_code(error) != FNVM_E_INVALID) _exit(1);
        if (error && !strstr(fnvm_error_message(error), "revoked")) _exit(2);
        if (!error && i < 200) done[i] = 1;
        fnvm_error_free(error);
        error = decide(d, 1);
        if (error) _exit(3);
    }
}

static void test_killed(void **state)
{
    World *w = *state;
    uint8_t *done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    approve(w, "base", "1", 1);
    for (unsigned i = 0; i < 40; i++) {
        const pid_t child = fork();
        if (child == 0) change_for_ever(w, done);
        usleep(2000 + i * 7919 % 40000);
        int status;
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        if (i % 3 == 0) reopen(w);
        ok(decide(w->depot, 1));
        for (uint8_t k = 2; k < 190; k++) {
            if (!done[k]) continue;
            if (k % 2) ok(decide(w->depot, (uint8_t)(k + 10)));
            else fails(decide(w->depot, (uint8_t)(k + 10)), FNVM_E_POLICY, "revoked");
        }
        lines(w);
    }
    munmap(done, 4096);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_approved),         TEST(test_revoked),           TEST(test_versions),
        TEST(test_watched),
        TEST(test_policy),           TEST(test_signatures),        TEST(test_forged),
        TEST(test_forged_standing),
        TEST(test_row_that_cannot_be), TEST(test_lock_of_the_database),
        TEST(test_standing_damaged), TEST(test_standing_removed),  TEST(test_standing_stale),
        TEST(test_log_not_whole),    TEST(test_log_made_anew),     TEST(test_machine_crashed),
        TEST(test_no_depot),         TEST(test_database_not_ours), TEST(test_threads),
        TEST(test_while_it_changes), TEST(test_abandoned),         TEST(test_fork),
        TEST(test_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
