/* A handler: called once per request, in an instance that is fresh each time.  What is to stay is in the key-value
 * store, where others may count at the same time: so a value is swapped only for the one that was read. */
#include <fnvm/kv.h>
#include <fnvm/request.h>
#include <stdio.h>
#include <stdlib.h>

enum { TRIES = 1000 };

static int32_t count(const char *key, unsigned long *out)
{
    int32_t status = FNVM_CHANGED;
    const uint32_t key_len = (uint32_t)strlen(key);
    for (int i = 0; i < TRIES && status == FNVM_CHANGED; i++) {
        char was[24] = "", now[24];
        uint32_t len = 0;
        const int32_t found = fnvm_kv_get(key, key_len, 0, was, sizeof was - 1, &len);
        if (found < 0 && found != FNVM_NOT_FOUND) return found;
        *out = strtoul(was, NULL, 10) + 1;
        snprintf(now, sizeof now, "%lu", *out);
        status = fnvm_kv_swap(key, key_len, was, found < 0 ? FNVM_KV_ABSENT : (uint32_t)strlen(was), now,
                              (uint32_t)strlen(now));
    }
    return status;
}

FNVM_HANDLER
{
    char path[200] = "", text[240];
    unsigned long n = 0;
    fnvm_request_path(path, sizeof path);
    const int32_t status = count(path[0] && path[1] ? path : "/", &n);
    fnvm_answer_status(status < 0 ? 503 : 200);
    fnvm_answer_field("Content-Type", "text/plain");
    if (status < 0) snprintf(text, sizeof text, "the counter cannot be reached (%d)\n", (int)status);
    else snprintf(text, sizeof text, "%s: %lu\n", path[0] && path[1] ? path + 1 : "all", n);
    fnvm_answer_print(text);
}
