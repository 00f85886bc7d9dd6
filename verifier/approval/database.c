/* SQLite, told to trust nothing that is in the file: the schema is no code, values have the
 * types and sizes that the tables say, and what does not is an error of reading.  Everything is
 * in one transaction from database_begin to database_commit; the generation goes up in the same. */
#include "verifier/approval/database.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verifier/approval/database_sql.h"
#include "vm/error.h"

enum {
    APPLICATION_ID = 0x666e766d, /* "fnvm" */
    SCHEMA_VERSION = 1,
    BUSY_MS = 10000              /* somebody looks at it with another program */
};
static const char file_name[] = "approvals.db";

#define NAME_CHECK(column) \
    " TEXT NOT NULL CHECK (length(" column ") BETWEEN 1 AND 64 AND " column \
    " GLOB '[A-Za-z0-9]*' AND " column " NOT GLOB '*[^A-Za-z0-9._-]*')"
#define BYTES_CHECK(column, n) " BLOB CHECK (length(" column ") = " n ")"

static const char schema[] =
    "CREATE TABLE meta ("
    "  one INTEGER PRIMARY KEY CHECK (one = 1),"
    "  generation INTEGER NOT NULL CHECK (generation > 0),"
    "  logged INTEGER NOT NULL,"          /* the last event that is in the log */
    "  audit_count INTEGER NOT NULL, audit_bytes INTEGER NOT NULL,"
    "  audit_hash" BYTES_CHECK("audit_hash", "32") " NOT NULL,"
    "  first_event INTEGER NOT NULL) STRICT;" /* earlier ones are in a log that was put aside */
    "INSERT INTO meta VALUES (1, 1, 0, 0, 0, zeroblob(32), 1);"

    "CREATE TABLE policies ("
    "  digest" BYTES_CHECK("digest", "32") " PRIMARY KEY NOT NULL, yaml BLOB NOT NULL) STRICT;"

    "CREATE TABLE approvals ("
    "  id INTEGER PRIMARY KEY,"
    "  name" NAME_CHECK("name") ","
    "  version" NAME_CHECK("version") ","
    "  measurement" BYTES_CHECK("measurement", "32") " NOT NULL,"
    "  policy BLOB REFERENCES policies (digest),"
    "  signer" BYTES_CHECK("signer", "32") ","
    "  signature" BYTES_CHECK("signature", "64") ","
    "  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3)," /* ApprovalState */
    "  time TEXT NOT NULL, changed TEXT NOT NULL, reason TEXT NOT NULL,"
    "  UNIQUE (name, version), CHECK ((signer IS NULL) = (signature IS NULL))) STRICT;"

    "CREATE TABLE installs ("
    "  id TEXT NOT NULL UNIQUE CHECK (length(id) BETWEEN 1 AND 31),"
    "  approval INTEGER NOT NULL REFERENCES approvals (id),"
    "  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 1)," /* InstallState */
    "  object" BYTES_CHECK("object", "32") " NOT NULL,"
    "  module_identity" BYTES_CHECK("module_identity", "32") " NOT NULL,"
    "  image_hash" BYTES_CHECK("image_hash", "32") ","
    "  image_identity" BYTES_CHECK("image_identity", "32") ","
    "  code_hash" BYTES_CHECK("code_hash", "32") ","
    "  code_identity" BYTES_CHECK("code_identity", "32") ","
    "  manifest_hash" BYTES_CHECK("manifest_hash", "32") ","
    "  manifest_identity" BYTES_CHECK("manifest_identity", "32") ","
    "  origin TEXT NOT NULL, time TEXT NOT NULL) STRICT;"

    "CREATE TABLE events ("
    "  id INTEGER PRIMARY KEY, time TEXT NOT NULL, what TEXT NOT NULL,"
    "  name TEXT NOT NULL, version TEXT NOT NULL,"
    "  measurement" BYTES_CHECK("measurement", "32") ", reason TEXT NOT NULL) STRICT;";

const char *const approval_states[] = {"approved", "superseded", "revoked", "removed"};

static const char *const statements[] = {
#define SQL(ident, text) text,
#include "verifier/approval/database_sql.def"
};

/* ---- Statements ---- */

fnvm_error *sql_error(const Database *d, const char *doing)
{
    const int code = sqlite3_errcode(d->handle) & 0xFF;
    const char *why = sqlite3_errmsg(d->handle);
    switch (code) {
    case SQLITE_NOMEM: return error_no_memory();
    case SQLITE_NOTADB:
        return fnvm_error_new(FNVM_E_INVALID, "`%s` is no database of approvals: %s", file_name,
                              why);
    case SQLITE_CORRUPT:
        return fnvm_error_new(FNVM_E_INVALID, "`%s` is damaged: %s; put a copy of it back",
                              file_name, why);
    default: return fnvm_error_new(FNVM_E_IO, "cannot %s `%s`: %s", doing, file_name, why);
    }
}

fnvm_error *sql_use(Database *d, SqlStatement which, sqlite3_stmt **out)
{
    sqlite3_stmt **s = &d->statements[which];
    const bool ok = *s || sqlite3_prepare_v3(d->handle, statements[which], -1,
                                             SQLITE_PREPARE_PERSISTENT, s, NULL) == SQLITE_OK;
    *out = *s;
    return ok ? NULL : sql_error(d, "read");
}

void sql_done(sqlite3_stmt *s)
{
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
}

fnvm_error *sql_run(Database *d, sqlite3_stmt *s)
{
    const bool ok = sqlite3_step(s) == SQLITE_DONE;
    fnvm_error *error = ok ? NULL : sql_error(d, "write");
    sql_done(s);
    return error;
}

bool sql_row(Database *d, sqlite3_stmt *s, fnvm_error **error)
{
    const int code = sqlite3_step(s);
    if (code == SQLITE_ROW) return true;
    *error = code == SQLITE_DONE ? NULL : sql_error(d, "read");
    sql_done(s);
    return false;
}

/* Parameters are within bounds; what is left to fail is memory, and then the step fails, too. */
void sql_bind_text(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

void sql_bind_bytes(sqlite3_stmt *s, int at, const void *bytes, size_t size)
{
    if (bytes) sqlite3_bind_blob64(s, at, bytes, size, SQLITE_STATIC);
    else sqlite3_bind_null(s, at);
}

void sql_text(sqlite3_stmt *s, int at, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(s, at);
    snprintf(out, size, "%s", text ? text : "");
}

bool sql_bytes(sqlite3_stmt *s, int at, void *out, size_t size)
{
    const void *bytes = sqlite3_column_blob(s, at);
    const bool ok = bytes && (size_t)sqlite3_column_bytes(s, at) == size;
    if (ok) memcpy(out, bytes, size);
    else memset(out, 0, size);
    return ok;
}

static fnvm_error *run(Database *d, SqlStatement which)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, which, &s);
    return error ? error : sql_run(d, s);
}

/* ---- Opening ---- */

static fnvm_error *execute(Database *d, const char *text)
{
    return sqlite3_exec(d->handle, text, NULL, NULL, NULL) == SQLITE_OK ? NULL
                                                                        : sql_error(d, "set up");
}

static fnvm_error *ask_number(Database *d, const char *question, int64_t *out)
{
    sqlite3_stmt *s = NULL;
    const bool ok = sqlite3_prepare_v2(d->handle, question, -1, &s, NULL) == SQLITE_OK &&
                    sqlite3_step(s) == SQLITE_ROW;
    fnvm_error *error = ok ? NULL : sql_error(d, "read");
    if (ok) *out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return error;
}

static fnvm_error *make_tables(Database *d)
{
    char marks[100];
    snprintf(marks, sizeof marks, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             APPLICATION_ID, SCHEMA_VERSION);
    fnvm_error *error = execute(d, "BEGIN IMMEDIATE");
    if (!error) error = execute(d, schema);
    if (!error) error = execute(d, marks);
    if (!error) error = execute(d, "COMMIT");
    return error;
}

/* Makes the tables in a file that is empty; any other has to be ours. */
static fnvm_error *check_tables(Database *d)
{
    int64_t pages = 0, id = 0, version = 0;
    fnvm_error *error = ask_number(d, "PRAGMA page_count", &pages);
    if (!error && pages == 0) return make_tables(d);
    if (!error) error = ask_number(d, "PRAGMA application_id", &id);
    if (!error) error = ask_number(d, "PRAGMA user_version", &version);
    if (error) return error;
    if (id != APPLICATION_ID)
        return fnvm_error_new(FNVM_E_INVALID, "`%s` is a database, but not one of approvals",
                              file_name);
    if (version != SCHEMA_VERSION)
        return fnvm_error_new(FNVM_E_UNSUPPORTED,
                              "`%s` was made by another version of fnvm: its format "
                              "is %" PRId64 ", this one's %d",
                              file_name, version, SCHEMA_VERSION);
    return NULL;
}

static fnvm_error *configure(Database *d)
{
    static const struct { int option, value; } options[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},    {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
        {SQLITE_DBCONFIG_ENABLE_VIEW, 0},    {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (sqlite3_db_config(d->handle, options[i].option, options[i].value, NULL) != SQLITE_OK)
            return sql_error(d, "set up");
    sqlite3_extended_result_codes(d->handle, 1);
    sqlite3_busy_timeout(d->handle, BUSY_MS);
    /* The journal is cut and synced when a transaction ends: with that it is on the disk. */
    return execute(d, "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL;"
                      "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY");
}

/* SQLite takes a path: it must lead to the directory that was checked. */
static fnvm_error *check_directory(int dir, const char *dir_name)
{
    struct stat open_one, named;
    if (fstat(dir, &open_one) == 0 && stat(dir_name, &named) == 0 &&
        open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino)
        return NULL;
    return fnvm_error_new(FNVM_E_IO, "the depot `%s` was moved or replaced while it was in use",
                          dir_name);
}

/* SQLite would make it for all to read who the umask lets.  One that is there is not opened: closing it
 * would end the locks that this process's other connections have on it (fcntl). */
fnvm_error *database_make_file(int dir)
{
    int fd = openat(dir, file_name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    if (fd >= 0 || errno == EEXIST) return NULL;
    return fnvm_error_new(FNVM_E_IO, "cannot make `%s`: %s", file_name, strerrordesc_np(errno));
}

fnvm_error *database_open(int dir, const char *dir_name, Database **out)
{
    *out = NULL;
    fnvm_error *error = check_directory(dir, dir_name);
    if (!error) error = database_make_file(dir);
    if (error) return error;
    Database *d = calloc(1, sizeof *d);
    char *path = NULL;
    if (!d || asprintf(&path, "%s/%s", dir_name, file_name) < 0) {
        free(d);
        return error_no_memory();
    }
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_FULLMUTEX;
    if (sqlite3_open_v2(path, &d->handle, flags, NULL) != SQLITE_OK)
        error = d->handle ? sql_error(d, "open") : error_no_memory();
    free(path);
    if (!error) error = configure(d);
    if (!error) error = check_tables(d);
    if (error) {
        database_close(d);
        d = NULL;
    }
    *out = d;
    return error;
}

void database_close(Database *d)
{
    if (!d) return;
    for (size_t i = 0; i < SQL_STATEMENTS; i++) sqlite3_finalize(d->statements[i]);
    sqlite3_close(d->handle);
    free(d);
}

/* ---- Transactions ---- */

fnvm_error *database_begin(Database *d)
{
    fnvm_error *error = run(d, SQL_BEGIN);
    d->in_transaction = !error;
    d->changes = sqlite3_total_changes(d->handle);
    return error;
}

bool database_is_changed(const Database *d)
{
    return d->in_transaction && sqlite3_total_changes(d->handle) != d->changes;
}

fnvm_error *database_commit(Database *d)
{
    fnvm_error *error = database_is_changed(d) ? run(d, SQL_COUNT_CHANGE) : NULL;
    if (!error) error = run(d, SQL_COMMIT);
    if (error) database_rollback(d);
    d->in_transaction = false;
    return error;
}

void database_rollback(Database *d)
{
    /* Some errors end a transaction by themselves. */
    if (d->in_transaction && !sqlite3_get_autocommit(d->handle))
        fnvm_error_free(run(d, SQL_ROLLBACK));
    d->in_transaction = false;
}

typedef struct Meta { uint64_t generation; int64_t logged, first_event; AuditHead audit; } Meta;

static fnvm_error *read_meta(Database *d, Meta *out)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, SQL_META, &s);
    if (error) return error;
    if (!sql_row(d, s, &error))
        return error ? error
                     : fnvm_error_new(FNVM_E_INVALID, "`%s` is damaged: it has lost its head",
                                      file_name);
    out->generation = (uint64_t)sqlite3_column_int64(s, 0);
    out->logged = sqlite3_column_int64(s, 1);
    out->audit.count = (uint64_t)sqlite3_column_int64(s, 2);
    out->audit.bytes = (uint64_t)sqlite3_column_int64(s, 3);
    sql_bytes(s, 4, out->audit.hash, sizeof out->audit.hash);
    out->first_event = sqlite3_column_int64(s, 5);
    sql_done(s);
    return NULL;
}

uint64_t database_generation(Database *d)
{
    Meta meta;
    fnvm_error *error = read_meta(d, &meta);
    if (!error) return meta.generation;
    fnvm_error_free(error);
    return 0;
}

/* ---- Events ---- */

fnvm_error *database_add_event(Database *d, const Event *e)
{
    sqlite3_stmt *s;
    char time[32];
    fnvm_error *error = sql_use(d, SQL_ADD_EVENT, &s);
    if (error) return error;
    audit_time(time);
    sql_bind_text(s, 1, e->what);
    sql_bind_text(s, 2, e->name);
    sql_bind_text(s, 3, e->version);
    sql_bind_bytes(s, 4, e->has_measurement ? e->measurement.bytes : NULL,
                   sizeof e->measurement.bytes);
    sql_bind_text(s, 5, e->reason);
    sql_bind_text(s, 6, time);
    return sql_run(d, s);
}

static void read_event(sqlite3_stmt *s, Event *e, char time[32])
{
    *e = (Event){.id = sqlite3_column_int64(s, 0)};
    sql_text(s, 1, e->what, sizeof e->what);
    sql_text(s, 2, e->name, sizeof e->name);
    sql_text(s, 3, e->version, sizeof e->version);
    e->has_measurement = sql_bytes(s, 4, e->measurement.bytes, sizeof e->measurement.bytes);
    sql_text(s, 5, e->reason, sizeof e->reason);
    sql_text(s, 6, time, 32);
}

fnvm_error *database_each_pending(Database *d, fnvm_error *(*fn)(void *env, const Event *),
                                  void *env)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, SQL_EACH_PENDING, &s);
    while (!error && sql_row(d, s, &error)) {
        Event e;
        char time[32];
        read_event(s, &e, time);
        error = fn(env, &e);
        if (error) sql_done(s);
    }
    return error;
}

fnvm_error *database_each_event(Database *d, const char *name,
                                fnvm_error *(*fn)(void *env, const Event *, const char *time),
                                void *env)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, name ? SQL_EACH_EVENT_OF : SQL_EACH_EVENT, &s);
    if (!error && name) sql_bind_text(s, 1, name);
    while (!error && sql_row(d, s, &error)) {
        Event e;
        char time[32];
        read_event(s, &e, time);
        error = fn(env, &e, time);
        if (error) sql_done(s);
    }
    return error;
}

fnvm_error *database_set_logged(Database *d, int64_t event, const AuditHead *head)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, SQL_SET_LOGGED, &s);
    if (error) return error;
    sqlite3_bind_int64(s, 1, event);
    sqlite3_bind_int64(s, 2, (int64_t)head->count);
    sqlite3_bind_int64(s, 3, (int64_t)head->bytes);
    sql_bind_bytes(s, 4, head->hash, sizeof head->hash);
    return sql_run(d, s);
}

fnvm_error *database_audit_head(Database *d, AuditHead *out)
{
    Meta meta;
    fnvm_error *error = read_meta(d, &meta);
    if (!error) *out = meta.audit;
    return error;
}

fnvm_error *database_logged(Database *d, int64_t *first, int64_t *last)
{
    Meta meta;
    fnvm_error *error = read_meta(d, &meta);
    if (error) return error;
    *first = meta.first_event;
    *last = meta.logged;
    return NULL;
}

fnvm_error *database_set_first_event(Database *d, int64_t event)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, SQL_SET_FIRST_EVENT, &s);
    if (error) return error;
    sqlite3_bind_int64(s, 1, event);
    return sql_run(d, s);
}

fnvm_error *database_check(Database *d)
{
    sqlite3_stmt *s = NULL;
    char answer[100] = "";
    fnvm_error *error = NULL;
    if (sqlite3_prepare_v2(d->handle, "PRAGMA integrity_check(1)", -1, &s, NULL) != SQLITE_OK ||
        sqlite3_step(s) != SQLITE_ROW)
        error = sql_error(d, "check");
    else
        sql_text(s, 0, answer, sizeof answer);
    sqlite3_finalize(s);
    if (error || strcmp(answer, "ok") == 0) return error;
    return fnvm_error_new(FNVM_E_INVALID, "`%s` is damaged: %s", file_name, answer);
}
