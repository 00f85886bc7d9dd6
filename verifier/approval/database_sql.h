/* What the database's files share: statements, made when they are first needed, and how they are
 * run.
 *
 *   sqlite3_stmt *s;
 *   fnvm_error *error = sql_use(d, SQL_SOMETHING, &s);
 *   if (!error) { bind; error = sql_run(d, s); }      or: while (sql_row(d, s, &error)) ...
 *
 * Both ends reset the statement; one that is left in the middle is reset by sql_done. */
#ifndef FNVM_VERIFIER_APPROVAL_DATABASE_SQL_H
#define FNVM_VERIFIER_APPROVAL_DATABASE_SQL_H

#include <sqlite3.h>

#include "verifier/approval/database.h"

typedef enum SqlStatement {
#define SQL(ident, text) SQL_##ident,
#include "verifier/approval/database_sql.def"
    SQL_STATEMENTS
} SqlStatement;

struct Database {
    sqlite3 *handle;
    sqlite3_stmt *statements[SQL_STATEMENTS];
    bool in_transaction;
    int changes;               /* of the connection, when the transaction began */
};

fnvm_error *sql_error(const Database *, const char *doing);
fnvm_error *sql_use(Database *, SqlStatement, sqlite3_stmt **);
fnvm_error *sql_run(Database *, sqlite3_stmt *); /* one that has no rows */
bool sql_row(Database *, sqlite3_stmt *, fnvm_error **);
void sql_done(sqlite3_stmt *);

/* Parameters and columns are numbered as SQLite has them: from 1, and from 0.  Text and bytes
 * live until the statement is reset.  `bytes` NULL: null. */
void sql_bind_text(sqlite3_stmt *, int at, const char *text);
void sql_bind_bytes(sqlite3_stmt *, int at, const void *bytes, size_t size);
/* Cut to size; "" for null. */
void sql_text(sqlite3_stmt *, int at, char *out, size_t size);
/* False, and zeros, unless there are exactly so many. */
bool sql_bytes(sqlite3_stmt *, int at, void *out, size_t size);

/* From the columns beginning with `at` of a row of SQL_APPROVAL_COLUMNS. */
void sql_approval(sqlite3_stmt *, int at, Approval *);
enum { SQL_APPROVAL_COLUMNS = 11 };

#endif
