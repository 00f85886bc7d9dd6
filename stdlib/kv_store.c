/* kv_store.c - stores of keys and values: references to one, and the embedded one, in SQLite.
 *
 * The file is in WAL mode, so that readers never wait for a writer and several processes can use
 * it at once; a write is durable when the log is next brought into the file (synchronous =
 * NORMAL): a crash of the machine, but not of the process, may lose the last ones, never damage
 * the file.  One connection per fnvm_kv, behind a mutex: each call is one statement, and so
 * atomic.  A connection must not cross fork(): a child opens its own. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "stdlib/services.h"
#include "vm/error.h"

/* ---- References ---- */

struct fnvm_kv {
    atomic_size_t refs;
    fnvm_kv_backend backend;
};

fnvm_error *fnvm_kv_new(const fnvm_kv_backend *backend, fnvm_kv **out)
{
    fnvm_kv *kv = *out = malloc(sizeof *kv);
    if (!kv) return error_no_memory();
    atomic_init(&kv->refs, 1);
    kv->backend = *backend;
    return NULL;
}

fnvm_kv *fnvm_kv_retain(fnvm_kv *kv)
{
    atomic_fetch_add_explicit(&kv->refs, 1, memory_order_relaxed);
    return kv;
}

void fnvm_kv_release(fnvm_kv *kv)
{
    if (!kv || atomic_fetch_sub_explicit(&kv->refs, 1, memory_order_acq_rel) != 1) return;
    if (kv->backend.close) kv->backend.close(kv->backend.env);
    free(kv);
}

const fnvm_kv_backend *kv_backend(const fnvm_kv *kv) { return &kv->backend; }

/* ---- SQLite ---- */

enum {
    APPLICATION_ID = 0x666e6b76, /* "fnkv" */
    BUSY_MS = 2000,              /* for another process's write */
    MOST_PAGES = 1 << 20,        /* of 4 KiB; then FNVM_SERVICE_LIMIT */
    LAST_KEY_BYTES = FNVM_KV_PREFIX_BYTES + FNVM_KV_KEY_BYTES + 1
};

typedef enum Statement {
    GET,
    SET,
    REMOVE,
    SWAP,
    ADD,
    APPEND,
    LIST_FROM,
    LIST_AFTER,
    STATEMENTS
} Statement;

static const char *const texts[STATEMENTS] = {
    [GET] = "SELECT value FROM kv WHERE key = ?1",
    [SET] = "INSERT INTO kv VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [REMOVE] = "DELETE FROM kv WHERE key = ?1",
    [SWAP] = "UPDATE kv SET value = ?2 WHERE key = ?1 AND value = ?3",
    [ADD] = "INSERT INTO kv VALUES (?1, ?2) ON CONFLICT (key) DO NOTHING",
    [APPEND] = "INSERT INTO kv VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE"
               " SET value = CAST(value || excluded.value AS BLOB)"
               " WHERE length(value) + length(excluded.value) <= ?3",
    [LIST_FROM] = "SELECT key FROM kv WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3",
    [LIST_AFTER] = "SELECT key FROM kv WHERE key > ?1 AND key < ?2 ORDER BY key LIMIT ?3"};

typedef struct KvFile {
    pthread_mutex_t mutex;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
} KvFile;

static int status_of(int code)
{
    switch (code & 0xFF) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return FNVM_SERVICE_OK;
    case SQLITE_FULL: return FNVM_SERVICE_LIMIT;
    case SQLITE_TOOBIG: return FNVM_SERVICE_TOO_LARGE;
    default: return FNVM_SERVICE_UNAVAILABLE;
    }
}

/* Locks the store; done() is due in any case. */
static int use(KvFile *f, Statement which, sqlite3_stmt **out)
{
    pthread_mutex_lock(&f->mutex);
    sqlite3_stmt **s = &f->statements[which];
    if (!*s) {
        const int code =
            sqlite3_prepare_v3(f->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL);
        if (code != SQLITE_OK) return *out = NULL, status_of(code);
    }
    *out = *s;
    return FNVM_SERVICE_OK;
}

static void done(KvFile *f, sqlite3_stmt *s)
{
    if (s) {
        sqlite3_reset(s);
        sqlite3_clear_bindings(s);
    }
    pthread_mutex_unlock(&f->mutex);
}

/* Bytes that outlive the statement's use; never NULL to SQLite, for whom that is another value. */
static int bind(sqlite3_stmt *s, int i, const char *at, size_t len)
{
    return status_of(len ? sqlite3_bind_blob64(s, i, at, len, SQLITE_STATIC)
                         : sqlite3_bind_zeroblob(s, i, 0));
}

/* A statement without rows: *changed says whether it changed one. */
static int change(KvFile *f, Statement which, const char *key, size_t key_len, const char *value,
                  size_t len, const char *was, size_t was_len, bool *changed)
{
    sqlite3_stmt *s;
    int status = use(f, which, &s);
    if (!status) status = bind(s, 1, key, key_len);
    if (!status && value) status = bind(s, 2, value, len);
    if (!status && which == SWAP) status = bind(s, 3, was, was_len);
    if (!status && which == APPEND) status = status_of(sqlite3_bind_int(s, 3, FNVM_KV_VALUE_BYTES));
    if (!status) status = status_of(sqlite3_step(s));
    *changed = !status && sqlite3_changes(f->db) > 0;
    done(f, s);
    return status;
}

static int copy_bytes(sqlite3_stmt *s, char **value, size_t *len)
{
    const void *at = sqlite3_column_blob(s, 0);
    const size_t bytes = (size_t)sqlite3_column_bytes(s, 0);
    *value = malloc(bytes + 1);
    if (!*value) return FNVM_SERVICE_UNAVAILABLE;
    if (bytes) memcpy(*value, at, bytes);
    *len = bytes;
    return FNVM_SERVICE_OK;
}

static int file_get(void *env, const char *key, size_t key_len, char **value, size_t *len)
{
    sqlite3_stmt *s;
    int status = use(env, GET, &s);
    if (!status) status = bind(s, 1, key, key_len);
    const int code = status ? SQLITE_ERROR : sqlite3_step(s);
    if (!status)
        status = code == SQLITE_ROW    ? copy_bytes(s, value, len)
                 : code == SQLITE_DONE ? FNVM_SERVICE_NOT_FOUND
                                       : status_of(code);
    done(env, s);
    return status;
}

static int file_set(void *env, const char *key, size_t key_len, const char *value, size_t len)
{
    bool changed;
    return change(env, SET, key, key_len, value, len, NULL, 0, &changed);
}

static int file_remove(void *env, const char *key, size_t key_len)
{
    bool changed;
    const int status = change(env, REMOVE, key, key_len, NULL, 0, NULL, 0, &changed);
    return status || changed ? status : FNVM_SERVICE_NOT_FOUND;
}

static int file_swap(void *env, const char *key, size_t key_len, const char *was, size_t was_len,
                     const char *value, size_t len)
{
    bool changed;
    const int status =
        change(env, was ? SWAP : ADD, key, key_len, value, len, was, was_len, &changed);
    return status || changed ? status : FNVM_SERVICE_CHANGED;
}

static int file_append(void *env, const char *key, size_t key_len, const char *value, size_t len)
{
    bool changed;
    const int status = change(env, APPEND, key, key_len, value, len, NULL, 0, &changed);
    return status || changed ? status : FNVM_SERVICE_TOO_LARGE;
}

/* ---- Lists ---- */

/* The least key that is above all that begin with the prefix. */
static size_t key_above(const char *prefix, size_t len, char out[LAST_KEY_BYTES])
{
    while (len && (unsigned char)prefix[len - 1] == 0xFF) len--;
    if (len == 0) { /* above all: longer than any key is */
        memset(out, 0xFF, LAST_KEY_BYTES);
        return LAST_KEY_BYTES;
    }
    memcpy(out, prefix, len);
    out[len - 1]++;
    return len;
}

static bool is_before(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const size_t n = a_len < b_len ? a_len : b_len;
    const int order = n ? memcmp(a, b, n) : 0;
    return order ? order < 0 : a_len < b_len;
}

static int collect(sqlite3_stmt *s, char **keys, size_t *len)
{
    int code, status = FNVM_SERVICE_OK;
    size_t cap = 0;
    while (!status && (code = sqlite3_step(s)) != SQLITE_DONE) {
        if (code != SQLITE_ROW) return status_of(code);
        const void *at = sqlite3_column_blob(s, 0);
        const size_t bytes = (size_t)sqlite3_column_bytes(s, 0);
        if (*len + bytes + 1 > cap) {
            cap = cap * 2 + bytes + 1;
            char *more = realloc(*keys, cap);
            if (!more) return FNVM_SERVICE_UNAVAILABLE;
            *keys = more;
        }
        if (bytes) memcpy(*keys + *len, at, bytes);
        (*keys)[*len + bytes] = '\0';
        *len += bytes + 1;
    }
    return status;
}

static int file_list(void *env, const char *prefix, size_t prefix_len, const char *after,
                     size_t after_len, size_t most, char **keys, size_t *len)
{
    char above[LAST_KEY_BYTES];
    sqlite3_stmt *s;
    *keys = NULL;
    *len = 0;
    if (prefix_len >= LAST_KEY_BYTES) return FNVM_SERVICE_TOO_LARGE;
    const size_t above_len = key_above(prefix, prefix_len, above);
    const bool from = after_len == 0 || is_before(after, after_len, prefix, prefix_len);
    int status = use(env, from ? LIST_FROM : LIST_AFTER, &s);
    if (!status) status = from ? bind(s, 1, prefix, prefix_len) : bind(s, 1, after, after_len);
    if (!status) status = bind(s, 2, above, above_len);
    if (!status) status = status_of(sqlite3_bind_int64(s, 3, (sqlite3_int64)most));
    if (!status) status = collect(s, keys, len);
    done(env, s);
    if (!status) return FNVM_SERVICE_OK;
    free(*keys);
    *keys = NULL;
    return status;
}

/* ---- Opening ---- */

static void file_close(void *env)
{
    KvFile *f = env;
    for (int i = 0; i < STATEMENTS; i++) sqlite3_finalize(f->statements[i]);
    sqlite3_close(f->db);
    pthread_mutex_destroy(&f->mutex);
    free(f);
}

static fnvm_error *open_error(sqlite3 *db, const char *path, int code)
{
    switch (code & 0xFF) {
    case SQLITE_NOMEM: return error_no_memory();
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return fnvm_error_new(FNVM_E_INVALID, "`%s` is no store of keys and values: %s", path,
                              sqlite3_errmsg(db));
    default:
        return fnvm_error_new(FNVM_E_IO, "cannot open the keys and values in `%s`: %s", path,
                              db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
    }
}

/* Changing to WAL mode does not wait for others who open the file at the same time. */
static int run_patiently(sqlite3 *db, const char *sql)
{
    const uint64_t until = service_deadline(BUSY_MS);
    for (;;) {
        const int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
        if ((code & 0xFF) != SQLITE_BUSY || service_now() > until) return code;
        usleep(5000);
    }
}

static int ask_number(sqlite3 *db, const char *sql, int *out)
{
    const uint64_t until = service_deadline(BUSY_MS);
    for (;;) {
        sqlite3_stmt *s = NULL;
        int code = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
        if (code == SQLITE_OK) code = sqlite3_step(s);
        *out = code == SQLITE_ROW ? sqlite3_column_int(s, 0) : 0;
        sqlite3_finalize(s);
        if (code == SQLITE_ROW) return SQLITE_OK;
        if ((code & 0xFF) != SQLITE_BUSY || service_now() > until) return code;
        usleep(5000);
    }
}

static int prepare_file(sqlite3 *db, bool *foreign)
{
    int code, id = 0, tables = 0;
    char sql[512];
    sqlite3_busy_timeout(db, BUSY_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    int keep = 1; /* the log's files stay: a narrowed process could not remove them */
    sqlite3_file_control(db, NULL, SQLITE_FCNTL_PERSIST_WAL, &keep);
    /* In this order: whoever makes the file at the same time writes both at once. */
    code = ask_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (code == SQLITE_OK) code = ask_number(db, "PRAGMA application_id", &id);
    if (code != SQLITE_OK) return code;
    *foreign = tables && id != APPLICATION_ID;
    if (*foreign) return SQLITE_OK;
    snprintf(sql, sizeof sql,
             "PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;"
             "PRAGMA cell_size_check = ON; PRAGMA max_page_count = %d",
             MOST_PAGES);
    code = run_patiently(db, "PRAGMA journal_mode = WAL");
    if (code == SQLITE_OK) code = run_patiently(db, sql);
    if (code != SQLITE_OK || tables) return code;
    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE; PRAGMA application_id = %d; CREATE TABLE IF NOT EXISTS kv"
             " (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT; COMMIT",
             APPLICATION_ID);
    code = run_patiently(db, sql);
    return code;
}

/* Others cannot read it unless its owner lets them; one that is there stays as it is. */
static fnvm_error *make_file(const char *path)
{
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    else if (errno != EEXIST)
        return fnvm_error_new(errno == ENOENT ? FNVM_E_NOT_FOUND : FNVM_E_IO,
                              "cannot make `%s` for keys and values: %s", path, strerror(errno));
    return NULL;
}

fnvm_error *fnvm_kv_open(const char *path, fnvm_kv **out)
{
    *out = NULL;
    fnvm_error *error = make_file(path);
    if (error) return error;
    KvFile *f = calloc(1, sizeof *f);
    if (!f) return error_no_memory();
    if (pthread_mutex_init(&f->mutex, NULL) != 0) {
        free(f);
        return error_no_memory();
    }
    bool foreign = false;
    int code = sqlite3_open_v2(path, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) code = prepare_file(f->db, &foreign);
    if (code != SQLITE_OK) error = open_error(f->db, path, code);
    else if (foreign)
        error = fnvm_error_new(FNVM_E_INVALID,
                               "`%s` is a database of something else; name another file for "
                               "keys and values",
                               path);
    const fnvm_kv_backend backend = {f,         file_get,    file_set,  file_remove,
                                     file_swap, file_append, file_list, file_close};
    if (!error) error = fnvm_kv_new(&backend, out);
    if (error) file_close(f);
    return error;
}
