/* Addresses of Redis servers, and what is needed to talk to them. */
#include <stdlib.h>
#include <string.h>

#include "gateway/redis_link.h"

static const char tcp[] = "redis://", tls[] = "rediss://", unix_socket[] = "redis+unix:";

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

bool kv_redis_is(const char *address)
{
    return begins(address, tcp) || begins(address, tls) || begins(address, unix_socket);
}

static bool take_number(const char *t, size_t len, int most, int *out)
{
    int n = 0;
    if (len == 0 || len > 5) return false;
    for (size_t i = 0; i < len; i++) {
        if (t[i] < '0' || t[i] > '9') return false;
        n = n * 10 + (t[i] - '0');
    }
    *out = n;
    return n <= most;
}

static void forget(char *password)
{
    if (password) explicit_bzero(password, strlen(password));
    free(password);
}

/* "user:password@". */
static bool take_login(RedisServer *r, const char *t, size_t len)
{
    const char *colon = memchr(t, ':', len);
    if (!colon) return false;
    if (colon > t) r->user = strndup(t, (size_t)(colon - t));
    r->password = strndup(colon + 1, len - (size_t)(colon - t) - 1);
    return r->password && (colon == t || r->user);
}

static bool host_is_ok(const char *t, size_t len, bool bracketed)
{
    for (size_t i = 0; i < len; i++)
        if (!((t[i] >= 'a' && t[i] <= 'z') || (t[i] >= 'A' && t[i] <= 'Z') || t[i] == '.' ||
              (t[i] >= '0' && t[i] <= '9') || t[i] == '-' || t[i] == '_' ||
              (bracketed && t[i] == ':')))
            return false;
    return len > 0;
}

static bool take_host(RedisServer *r, const char *t, const char *end)
{
    const char *bracket = *t == '[' ? memchr(t, ']', (size_t)(end - t)) : NULL;
    const char *host_end = bracket ? bracket + 1 : memchr(t, ':', (size_t)(end - t));
    int port = 6379;
    if (!host_end) host_end = end;
    if (host_end < end &&
        (*host_end != ':' ||
         !take_number(host_end + 1, (size_t)(end - host_end - 1), UINT16_MAX, &port) || port == 0))
        return false;
    r->port = (unsigned)port;
    const char *host = bracket ? t + 1 : t;
    const size_t len = (size_t)((bracket ? bracket : host_end) - host);
    if (!host_is_ok(host, len, bracket != NULL)) return false;
    r->host = strndup(host, len);
    return r->host != NULL;
}

static bool take_address(RedisServer *r, const char *address)
{
    if (begins(address, unix_socket)) {
        r->host = strdup(address + sizeof unix_socket - 1);
        return r->host && *r->host;
    }
    r->tls = begins(address, tls);
    const char *t = address + (r->tls ? sizeof tls : sizeof tcp) - 1, *end = t + strcspn(t, "/");
    if (*end && end[1] && !take_number(end + 1, strlen(end + 1), INT16_MAX, &r->database))
        return false;
    const char *at = memrchr(t, '@', (size_t)(end - t));
    if (at && !take_login(r, t, (size_t)(at - t))) return false;
    return take_host(r, at ? at + 1 : t, end);
}

uint16_t kv_redis_port(const char *address)
{
    RedisServer r = {.port = 0};
    const bool good = kv_redis_is(address) && take_address(&r, address);
    free(r.host);
    free(r.user);
    forget(r.password);
    return good ? (uint16_t)r.port : 0;
}

static bool copy(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

static fnvm_error *take_access(RedisServer *r, const KvRedisOptions *o)
{
    if (!copy(&r->file_user, o->user) || !copy(&r->ca, o->ca) ||
        !copy(&r->certificate, o->certificate) || !copy(&r->key, o->key))
        return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    if ((r->ca || r->certificate || r->key) && !r->tls)
        return fnvm_error_new(FNVM_E_USAGE, "certificates are for a Redis server at rediss://");
    if (!r->certificate != !r->key)
        return fnvm_error_new(FNVM_E_USAGE, "a certificate for Redis has a key, and a key a "
                                            "certificate");
    if (r->file_user && !o->password_file)
        return fnvm_error_new(FNVM_E_USAGE, "a user of Redis has a password");
    if (o->password_file && r->password)
        return fnvm_error_new(FNVM_E_USAGE, "there are two passwords for Redis, one of them in the "
                                            "address");
    if (!o->password_file) return NULL;
    static char name[] = "password";
    char *path = strdup(o->password_file);
    if (!path) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    const ConfigPair from = {name, path};
    fnvm_error *error = secrets_read(&from, 1, &r->file_password);
    free(path);
    return error;
}

fnvm_error *redis_server_new(const KvRedisOptions *o, RedisServer **out)
{
    *out = NULL;
    RedisServer *r = calloc(1, sizeof *r);
    if (!r) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    fnvm_error *error = NULL;
    if (!kv_redis_is(o->address) || !take_address(r, o->address))
        error = fnvm_error_new(
            FNVM_E_USAGE, "this is no address of a Redis server; expected "
                          "redis[s]://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE] or redis+unix:PATH");
    if (!error) error = take_access(r, o);
    if (error) redis_server_free(r);
    else *out = r;
    return error;
}

void redis_server_free(RedisServer *r)
{
    if (!r) return;
    secrets_forget(&r->file_password);
    free(r->host);
    free(r->user);
    forget(r->password);
    free(r->file_user);
    free(r->ca);
    free(r->certificate);
    free(r->key);
    free(r);
}
