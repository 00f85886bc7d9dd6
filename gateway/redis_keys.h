/* A list of keys, in order: Redis keeps them in none, and gives them a few at a time (SCAN). */
#ifndef FNVM_GATEWAY_REDIS_KEYS_H
#define FNVM_GATEWAY_REDIS_KEYS_H

#include <hiredis/hiredis.h>

#include "fnvm.h"

typedef struct KeyScan KeyScan;

KeyScan *key_scan_new(const fnvm_kv_command *); /* NULL: no memory */
void key_scan_free(KeyScan *);                  /* NULL is fine */
/* The next command; as redisFormatCommandArgv's result. */
int key_scan_command(const KeyScan *, char **bytes);
/* Takes its reply: a status, and whether that was the last. */
int key_scan_take(KeyScan *, const redisReply *, bool *last);
/* What a fnvm_kv_backend's list gives; malloc'd. */
int key_scan_answer(KeyScan *, char **keys, size_t *len);

#endif
