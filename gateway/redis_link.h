/* A connection to a Redis server: over TCP, TLS or a Unix socket, by libcurl, and Redis' protocol on
 * it, by hiredis.  One thread at a time. */
#ifndef FNVM_GATEWAY_REDIS_LINK_H
#define FNVM_GATEWAY_REDIS_LINK_H

#include <hiredis/hiredis.h>

#include "gateway/kv_redis.h"
#include "gateway/secrets.h"

typedef struct RedisServer {
    char *host;             /* without brackets; a path if port is 0 */
    unsigned port;
    int database;
    bool tls;
    char *user, *password;  /* the address's; NULL: none */
    char *file_user;        /* in place of these */
    Secrets file_password;
    char *ca, *certificate, *key; /* paths; NULL: the system's list, none */
} RedisServer;

typedef struct RedisLink RedisLink;

/* FNVM_E_USAGE: it is none, or what goes with it does not go together. */
fnvm_error *redis_server_new(const KvRedisOptions *, RedisServer **out);
void redis_server_free(RedisServer *); /* NULL is fine */

/* Connects, logs in, and asks whether somebody is there, for a few seconds at most.  FNVM_E_IO with
 * the server's words. */
fnvm_error *redis_link_open(const RedisServer *, RedisLink **out);
void redis_link_close(RedisLink *); /* NULL is fine */
int redis_link_fd(const RedisLink *);
/* What can be sent or received now.  False: the connection is broken. */
bool redis_link_send(RedisLink *, const char *bytes, size_t len, size_t *sent);
bool redis_link_receive(RedisLink *);
/* The next reply, to be freed; NULL: it is not there yet.  False: that is no Redis. */
bool redis_link_reply(RedisLink *, redisReply **);

#endif
