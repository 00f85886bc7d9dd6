/* The rows of installed versions.  Each comes with its approval, by one join. */
#include <stdlib.h>
#include <string.h>

#include "verifier/approval/database_sql.h"
#include "vm/error.h"

/* Behind those that adding and setting share. */
enum { ID_PARAMETER = 12, APPROVAL_PARAMETER = 13 };

static void bind_install(sqlite3_stmt *s, const Install *i)
{
    sqlite3_bind_int(s, 1, (int)i->state);
    sql_bind_bytes(s, 2, i->object, sizeof i->object);
    sql_bind_bytes(s, 3, i->image.is_there ? i->image.hash : NULL, 32);
    sql_bind_bytes(s, 4, i->image.is_there ? i->image.identity.bytes : NULL, 32);
    sql_bind_bytes(s, 5, i->code.is_there ? i->code.hash : NULL, 32);
    sql_bind_bytes(s, 6, i->code.is_there ? i->code.identity.bytes : NULL, 32);
    sql_bind_bytes(s, 7, i->manifest.is_there ? i->manifest.hash : NULL, 32);
    sql_bind_bytes(s, 8, i->manifest.is_there ? i->manifest.identity.bytes : NULL, 32);
    sql_bind_bytes(s, 9, i->module_identity.bytes, 32);
    sql_bind_text(s, 10, i->origin ? i->origin : "");
    sql_bind_text(s, 11, i->time);
    sql_bind_text(s, ID_PARAMETER, i->id);
}

fnvm_error *database_add_install(Database *d, const Install *i)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, SQL_ADD_INSTALL, &s);
    if (error) return error;
    bind_install(s, i);
    sqlite3_bind_int64(s, APPROVAL_PARAMETER, i->approval);
    return sql_run(d, s);
}

fnvm_error *database_set_install(Database *d, const Install *i)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, SQL_SET_INSTALL, &s);
    if (error) return error;
    bind_install(s, i);
    return sql_run(d, s);
}

fnvm_error *database_remove_install(Database *d, const char *id)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, SQL_REMOVE_INSTALL, &s);
    if (error) return error;
    sql_bind_text(s, 1, id);
    return sql_run(d, s);
}

/* `origin` is SQLite's, until the next row. */
static void read_install(sqlite3_stmt *s, int at, const Approval *a, Install *i)
{
    *i = (Install){.approval = a->id,
                   .state = sqlite3_column_int(s, at) == INSTALL_CURRENT ? INSTALL_CURRENT
                                                                         : INSTALL_DRAINING};
    sql_bytes(s, at + 1, i->object, sizeof i->object);
    i->image.is_there = sql_bytes(s, at + 2, i->image.hash, 32) &&
                        sql_bytes(s, at + 3, i->image.identity.bytes, 32);
    i->code.is_there = sql_bytes(s, at + 4, i->code.hash, 32) &&
                       sql_bytes(s, at + 5, i->code.identity.bytes, 32);
    i->manifest.is_there = sql_bytes(s, at + 6, i->manifest.hash, 32) &&
                           sql_bytes(s, at + 7, i->manifest.identity.bytes, 32);
    sql_bytes(s, at + 8, i->module_identity.bytes, 32);
    i->origin = (char *)(uintptr_t)sqlite3_column_text(s, at + 9);
    sql_text(s, at + 10, i->time, sizeof i->time);
    sql_text(s, at + 11, i->id, sizeof i->id);
}

fnvm_error *database_each_install(Database *d,
                                  fnvm_error *(*fn)(void *env, const Install *, const Approval *),
                                  void *env)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, SQL_EACH_INSTALL, &s);
    while (!error && sql_row(d, s, &error)) {
        Approval a;
        Install i;
        sql_approval(s, 0, &a);
        read_install(s, SQL_APPROVAL_COLUMNS, &a, &i);
        error = i.origin ? fn(env, &i, &a) : error_no_memory();
        if (error) sql_done(s);
    }
    return error;
}
