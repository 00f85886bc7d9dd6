/* Keys and values in a Redis server, for fnvm_services_kv: several machines share them.
 *
 * Addresses: redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or redis+unix:PATH.  IPv6 hosts
 * in brackets. Values are strings of Redis, under the keys as they are.  Compare-and-swap and
 * append with its bound are scripts, and so atomic.  Listing keys goes over all that the
 * database has (SCAN): Redis keeps them in no order. */
#ifndef FNVM_GATEWAY_KV_REDIS_H
#define FNVM_GATEWAY_KV_REDIS_H

#include "fnvm.h"

bool kv_redis_is(const char *address); /* one for kv_redis_open, as far as its beginning goes */

/* Connects once, so that what is wrong is said now: FNVM_E_USAGE for the address, FNVM_E_IO with
 * the server's words. A server that goes away later is FNVM_SERVICE_UNAVAILABLE until it is
 * back; calls last at most a few seconds. The store may be used by any thread; after fork() a
 * child opens its own. */
fnvm_error *kv_redis_open(const char *address, fnvm_kv **out);

#endif
