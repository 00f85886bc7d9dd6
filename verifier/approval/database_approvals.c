/* The rows of approvals, and what is signed of them. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "verifier/approval/database_sql.h"
#include "vm/error.h"

/* ---- Signatures ---- */

enum { SIGNED_TEXT_MAX = 400 };

/* docs/approvals.md has it as a format.  Names and versions have neither spaces nor ends of
 * lines. */
static size_t signed_text(const Approval *a, char out[SIGNED_TEXT_MAX])
{
    char measurement[65], policy[65] = "none";
    sodium_bin2hex(measurement, sizeof measurement, a->measurement.bytes, 32);
    if (!sodium_is_zero(a->policy, sizeof a->policy))
        sodium_bin2hex(policy, sizeof policy, a->policy, sizeof a->policy);
    return (size_t)snprintf(out, SIGNED_TEXT_MAX,
                            "fnvm approval 1\nname %s\nversion %s\nmeasurement %s\npolicy %s\n",
                            a->name, a->version, measurement, policy);
}

fnvm_error *approval_sign(Approval *a, const uint8_t secret[64])
{
    char text[SIGNED_TEXT_MAX];
    const size_t len = signed_text(a, text);
    if (crypto_sign_detached(a->signature, NULL, (const uint8_t *)text, len, secret) != 0)
        return fnvm_error_new(FNVM_E_USAGE, "the key does not sign");
    crypto_sign_ed25519_sk_to_pk(a->signer, secret);
    a->is_signed = true;
    if (approval_is_genuine(a)) return NULL;
    return fnvm_error_new(FNVM_E_USAGE,
                          "the key is no secret key: its halves do not fit each other");
}

bool approval_is_genuine(const Approval *a)
{
    char text[SIGNED_TEXT_MAX];
    const size_t len = signed_text(a, text);
    return a->is_signed && crypto_sign_verify_detached(a->signature, (const uint8_t *)text, len,
                                                       a->signer) == 0;
}

/* ---- Rows ---- */

void sql_approval(sqlite3_stmt *s, int at, Approval *a)
{
    *a = (Approval){.id = sqlite3_column_int64(s, at)};
    sql_text(s, at + 1, a->name, sizeof a->name);
    sql_text(s, at + 2, a->version, sizeof a->version);
    sql_bytes(s, at + 3, a->measurement.bytes, sizeof a->measurement.bytes);
    const bool has_policy = sql_bytes(s, at + 4, a->policy, sizeof a->policy);
    a->is_signed = sql_bytes(s, at + 5, a->signer, sizeof a->signer) &&
                   sql_bytes(s, at + 6, a->signature, sizeof a->signature);
    const int state = sqlite3_column_int(s, at + 7);
    /* A row that cannot be, as only other programs make, approves nothing.  A digest of another size
     * would read as no policy. */
    const bool can_be = state >= 0 && state <= APPROVAL_REMOVED &&
                        (has_policy || sqlite3_column_type(s, at + 4) == SQLITE_NULL) &&
                        !(has_policy && sodium_is_zero(a->policy, sizeof a->policy));
    a->state = can_be ? (ApprovalState)state : APPROVAL_REVOKED;
    sql_text(s, at + 8, a->time, sizeof a->time);
    sql_text(s, at + 9, a->changed, sizeof a->changed);
    sql_text(s, at + 10, a->reason, sizeof a->reason);
}

fnvm_error *database_add_approval(Database *d, Approval *a)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, SQL_ADD_APPROVAL, &s);
    if (error) return error;
    const bool has_policy = !sodium_is_zero(a->policy, sizeof a->policy);
    audit_time(a->time);
    memcpy(a->changed, a->time, sizeof a->changed);
    sql_bind_text(s, 1, a->name);
    sql_bind_text(s, 2, a->version);
    sql_bind_bytes(s, 3, a->measurement.bytes, sizeof a->measurement.bytes);
    sql_bind_bytes(s, 4, has_policy ? a->policy : NULL, sizeof a->policy);
    sql_bind_bytes(s, 5, a->is_signed ? a->signer : NULL, sizeof a->signer);
    sql_bind_bytes(s, 6, a->is_signed ? a->signature : NULL, sizeof a->signature);
    sqlite3_bind_int(s, 7, (int)a->state);
    sql_bind_text(s, 8, a->time);
    sql_bind_text(s, 9, a->changed);
    sql_bind_text(s, 10, a->reason);
    error = sql_run(d, s);
    if (!error) a->id = sqlite3_last_insert_rowid(d->handle);
    return error;
}

fnvm_error *database_set_approval(Database *d, int64_t id, ApprovalState state, const char *reason)
{
    sqlite3_stmt *s;
    char time[32];
    fnvm_error *error = sql_use(d, SQL_SET_APPROVAL, &s);
    if (error) return error;
    audit_time(time);
    sqlite3_bind_int(s, 1, (int)state);
    sql_bind_text(s, 2, reason ? reason : "");
    sql_bind_text(s, 3, time);
    sqlite3_bind_int64(s, 4, id);
    return sql_run(d, s);
}

fnvm_error *database_set_signature(Database *d, const Approval *a)
{
    sqlite3_stmt *s;
    char time[32];
    fnvm_error *error = sql_use(d, SQL_SET_SIGNATURE, &s);
    if (error) return error;
    audit_time(time);
    sql_bind_bytes(s, 1, a->is_signed ? a->signer : NULL, sizeof a->signer);
    sql_bind_bytes(s, 2, a->is_signed ? a->signature : NULL, sizeof a->signature);
    sql_bind_text(s, 3, time);
    sqlite3_bind_int64(s, 4, a->id);
    return sql_run(d, s);
}

fnvm_error *database_find_approval(Database *d, const char *name, const char *version,
                                   Approval *out, bool *found)
{
    sqlite3_stmt *s;
    *found = false;
    fnvm_error *error = sql_use(d, SQL_FIND_APPROVAL, &s);
    if (error) return error;
    sql_bind_text(s, 1, name);
    sql_bind_text(s, 2, version);
    if (!sql_row(d, s, &error)) return error;
    sql_approval(s, 0, out);
    sql_done(s);
    *found = true;
    return NULL;
}

fnvm_error *database_each_approval(Database *d, const char *name,
                                   fnvm_error *(*fn)(void *env, const Approval *), void *env)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, name ? SQL_EACH_APPROVAL_OF : SQL_EACH_APPROVAL, &s);
    if (!error && name) sql_bind_text(s, 1, name);
    while (!error && sql_row(d, s, &error)) {
        Approval a;
        sql_approval(s, 0, &a);
        error = fn(env, &a);
        if (error) sql_done(s);
    }
    return error;
}

/* ---- Policies ---- */

fnvm_error *database_add_policy(Database *d, const uint8_t digest[32], const char *yaml, size_t len)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, SQL_ADD_POLICY, &s);
    if (error) return error;
    sql_bind_bytes(s, 1, digest, 32);
    sql_bind_bytes(s, 2, yaml, len);
    return sql_run(d, s);
}

fnvm_error *database_policy(Database *d, const uint8_t digest[32], char **yaml, size_t *len)
{
    sqlite3_stmt *s;
    fnvm_error *error = sql_use(d, SQL_POLICY, &s);
    if (error) return error;
    sql_bind_bytes(s, 1, digest, 32);
    if (!sql_row(d, s, &error))
        return error ? error : fnvm_error_new(FNVM_E_NOT_FOUND, "the depot has no such policy");
    const void *text = sqlite3_column_blob(s, 0);
    *len = (size_t)sqlite3_column_bytes(s, 0);
    *yaml = malloc(*len + 1);
    if (*yaml) {
        if (*len) memcpy(*yaml, text, *len);
        (*yaml)[*len] = '\0';
    }
    sql_done(s);
    return *yaml ? NULL : error_no_memory();
}
