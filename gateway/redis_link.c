/* libcurl connects, with TLS where it is asked for, and then only moves bytes (CONNECT_ONLY): so
 * there is one way for all three kinds of address, and one library that knows certificates.  hiredis
 * writes commands and reads replies, and has no sockets. */
#include "gateway/redis_link.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "gateway/names.h"

enum { CONNECT_MS = 1000, GREET_MS = 2000, PIECE = 16384 };

struct RedisLink {
    CURL *curl;
    struct curl_slist *addresses;
    redisReader *reader;
    curl_socket_t fd;
    char why[CURL_ERROR_SIZE];
};

/* ---- Errors ---- */

static fnvm_error *server_error(const RedisServer *r, const char *why)
{
    char port[16] = "";
    if (r->port) snprintf(port, sizeof port, ":%u", r->port);
    return fnvm_error_new(FNVM_E_IO, "cannot use the Redis server at %s%s: %s", r->host, port, why);
}

/* ---- Connecting ---- */

static bool is_name(const char *host)
{
    struct in6_addr a;
    return inet_pton(AF_INET, host, &a) != 1 && inet_pton(AF_INET6, host, &a) != 1 &&
           strcasecmp(host, "localhost") != 0;
}

/* Looks its name up, so that curl does not: its resolver could hang. */
static fnvm_error *aim(RedisLink *l, const RedisServer *r)
{
    Lookup *lookup = lookup_start(r->host);
    const bool ended = lookup && lookup_wait(lookup, CONNECT_MS);
    char *text = ended && lookup_count(lookup) ? lookup_print(lookup, r->host, r->port) : NULL;
    if (text) l->addresses = curl_slist_append(NULL, text);
    free(text);
    lookup_free(lookup);
    if (l->addresses && curl_easy_setopt(l->curl, CURLOPT_RESOLVE, l->addresses) == CURLE_OK)
        return NULL;
    return server_error(r, ended ? "its name leads nowhere" : "its name cannot be looked up in time");
}

static bool set_options(RedisLink *l, const RedisServer *r, const char *url)
{
    CURL *c = l->curl;
    bool ok = true;
#define SET(option, value) ok = ok && curl_easy_setopt(c, CURLOPT_##option, value) == CURLE_OK
    SET(URL, url);
    SET(CONNECT_ONLY, 1L);
    SET(PROXY, "");
    SET(NOPROXY, "*");
    SET(NOSIGNAL, 1L);
    SET(CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    SET(TCP_NODELAY, 1L);
    SET(SSL_ENABLE_ALPN, 0L);
    SET(ERRORBUFFER, l->why);
    if (!r->port) SET(UNIX_SOCKET_PATH, r->host);
    if (r->ca) {
        SET(CAINFO, r->ca);
        SET(CAPATH, NULL);
    }
    if (r->certificate) SET(SSLCERT, r->certificate);
    if (r->key) SET(SSLKEY, r->key);
#undef SET
    return ok;
}

static fnvm_error *connect_to(RedisLink *l, const RedisServer *r)
{
    char url[512];
    const bool six = r->port && strchr(r->host, ':');
    const int n = r->port ? snprintf(url, sizeof url, six ? "%s://[%s]:%u/" : "%s://%s:%u/",
                                     r->tls ? "https" : "http", r->host, r->port)
                          : snprintf(url, sizeof url, "http://localhost/");
    if (n < 0 || n >= (int)sizeof url) return server_error(r, "its name is too long");
    if (!set_options(l, r, url)) return server_error(r, "no memory, or its path is too long");
    fnvm_error *error = r->port && is_name(r->host) ? aim(l, r) : NULL;
    if (error) return error;
    const CURLcode code = curl_easy_perform(l->curl);
    if (code != CURLE_OK) return server_error(r, l->why[0] ? l->why : curl_easy_strerror(code));
    if (curl_easy_getinfo(l->curl, CURLINFO_ACTIVESOCKET, &l->fd) != CURLE_OK ||
        l->fd == CURL_SOCKET_BAD)
        return server_error(r, "it has closed the connection");
    return NULL;
}

/* ---- Bytes and replies ---- */

bool redis_link_send(RedisLink *l, const char *bytes, size_t len, size_t *sent)
{
    *sent = 0;
    while (*sent < len) {
        size_t n = 0;
        const CURLcode code = curl_easy_send(l->curl, bytes + *sent, len - *sent, &n);
        if (code == CURLE_AGAIN) return true;
        if (code != CURLE_OK) return false;
        *sent += n;
    }
    return true;
}

/* Until nothing is left: TLS may have decrypted more than was asked for, which no poll would tell. */
bool redis_link_receive(RedisLink *l)
{
    char piece[PIECE];
    for (;;) {
        size_t n = 0;
        const CURLcode code = curl_easy_recv(l->curl, piece, sizeof piece, &n);
        if (code == CURLE_AGAIN) return true;
        if (code != CURLE_OK || n == 0) return false;
        if (redisReaderFeed(l->reader, piece, n) != REDIS_OK) return false;
    }
}

bool redis_link_reply(RedisLink *l, redisReply **reply)
{
    void *got = NULL;
    *reply = NULL;
    if (redisReaderGetReply(l->reader, &got) != REDIS_OK) return false;
    *reply = got;
    return true;
}

int redis_link_fd(const RedisLink *l) { return l->fd; }

/* ---- Greeting ---- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits, on this thread. */
static fnvm_error *exchange(const RedisServer *r, RedisLink *l, const char *bytes, size_t len,
                            int64_t until, redisReply **reply)
{
    size_t at = 0;
    for (;;) {
        size_t sent;
        const bool open = redis_link_send(l, bytes + at, len - at, &sent) && redis_link_receive(l);
        at += sent;
        if (!redis_link_reply(l, reply)) return server_error(r, "it speaks another protocol");
        if (*reply) return NULL;
        if (!open) return server_error(r, "it has closed the connection");
        const int64_t left = until - now_ms();
        if (left <= 0) return server_error(r, "it does not answer");
        struct pollfd fd = {.fd = l->fd, .events = (short)(at < len ? POLLIN | POLLOUT : POLLIN)};
        poll(&fd, 1, (int)left);
    }
}

/* A command whose reply is only good or bad. */
static fnvm_error *say(const RedisServer *r, RedisLink *l, int64_t until, int argc,
                       const char **argv)
{
    char *bytes = NULL;
    redisReply *reply = NULL;
    const int len = redisFormatCommandArgv(&bytes, argc, argv, NULL);
    if (len < 0) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    fnvm_error *error = exchange(r, l, bytes, (size_t)len, until, &reply);
    sodium_memzero(bytes, (size_t)len); /* it may have a password */
    redisFreeCommand(bytes);
    if (reply && reply->type == REDIS_REPLY_ERROR) error = server_error(r, reply->str);
    if (reply) freeReplyObject(reply);
    return error;
}

static fnvm_error *greet(const RedisServer *r, RedisLink *l)
{
    char database[16];
    const int64_t until = now_ms() + GREET_MS;
    const char *user = r->file_password.n ? r->file_user : r->user;
    const char *password = r->file_password.n ? r->file_password.at[0].value : r->password;
    fnvm_error *error = NULL;
    if (password && user) error = say(r, l, until, 3, (const char *[]){"AUTH", user, password});
    else if (password) error = say(r, l, until, 2, (const char *[]){"AUTH", password});
    if (!error && r->database) {
        snprintf(database, sizeof database, "%d", r->database);
        error = say(r, l, until, 2, (const char *[]){"SELECT", database});
    }
    return error ? error : say(r, l, until, 1, (const char *[]){"PING"});
}

/* ---- Life ---- */

fnvm_error *redis_link_open(const RedisServer *r, RedisLink **out)
{
    *out = NULL;
    RedisLink *l = calloc(1, sizeof *l);
    if (!l) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    l->curl = curl_easy_init();
    l->reader = redisReaderCreate();
    fnvm_error *error = NULL;
    if (!l->curl || !l->reader) error = fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    if (!error) error = connect_to(l, r);
    if (!error) error = greet(r, l);
    if (error) redis_link_close(l);
    else *out = l;
    return error;
}

void redis_link_close(RedisLink *l)
{
    if (!l) return;
    if (l->curl) curl_easy_cleanup(l->curl);
    curl_slist_free_all(l->addresses);
    if (l->reader) redisReaderFree(l->reader);
    free(l);
}
