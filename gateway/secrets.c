/* libsodium's guarded allocations, one per secret. */
#include "gateway/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECRET_BYTES = 1 << 16 };

/* Reads into the guarded memory itself, so that no buffer has a copy. */
static fnvm_error *read_secret(const ConfigPair *from, Secret *out)
{
    const int fd = open(from->value, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fnvm_error_new(FNVM_E_IO, "the secret `%s` cannot be read from `%s`: %s", from->name,
                              from->value, strerror(errno));
    fnvm_error *error = NULL;
    *out = (Secret){.name = from->name, .value = sodium_malloc(SECRET_BYTES + 1)};
    if (!out->value)
        error = fnvm_error_new(FNVM_E_MEMORY, "no memory for the secret `%s`", from->name);
    ssize_t got = 1;
    while (!error && got && out->len <= SECRET_BYTES) {
        got = read(fd, out->value + out->len, SECRET_BYTES + 1 - out->len);
        if (got > 0) out->len += (size_t)got;
        else if (got < 0 && errno == EINTR) got = 1;
        else if (got < 0)
            error = fnvm_error_new(FNVM_E_IO, "the secret `%s` cannot be read from `%s`: %s",
                                   from->name, from->value, strerror(errno));
    }
    close(fd);
    if (!error && out->len > SECRET_BYTES)
        error = fnvm_error_new(FNVM_E_LIMIT, "the secret `%s` in `%s` is larger than %d bytes",
                               from->name, from->value, SECRET_BYTES);
    if (error) {
        sodium_free(out->value);
        return error;
    }
    if (out->len && out->value[out->len - 1] == '\n') out->len--;
    if (out->len && out->value[out->len - 1] == '\r') out->len--;
    out->value[out->len] = 0;
    sodium_mprotect_readonly(out->value);
    return NULL;
}

fnvm_error *secrets_read(const ConfigPair *from, size_t n, Secrets *out)
{
    *out = (Secrets){0};
    if (n == 0) return NULL;
    if (sodium_init() < 0) return fnvm_error_new(FNVM_E_IO, "libsodium cannot be started");
    out->at = calloc(n, sizeof *out->at);
    if (!out->at) return fnvm_error_new(FNVM_E_MEMORY, "no memory for %zu secrets", n);
    for (; out->n < n; out->n++) {
        fnvm_error *error = read_secret(&from[out->n], &out->at[out->n]);
        if (!error) continue;
        secrets_forget(out);
        return error;
    }
    return NULL;
}

void secrets_forget(Secrets *s)
{
    for (size_t i = 0; i < s->n; i++) sodium_free(s->at[i].value); /* which zeroes it */
    free(s->at);
    *s = (Secrets){0};
}

const Secret *secrets_find(const Secrets *s, const char *name, size_t len)
{
    for (size_t i = 0; i < s->n; i++)
        if (strlen(s->at[i].name) == len && memcmp(s->at[i].name, name, len) == 0) return &s->at[i];
    return NULL;
}
