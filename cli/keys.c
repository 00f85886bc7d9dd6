/* Files are read and written by descriptor and not through stdio, whose buffers nobody wipes. */
#include "cli/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = KEY_SECRET_BYTES * 2 + 2 }; /* digits, and the end of a line */

static fnvm_error *failed(const char *doing, const char *file)
{
    return fnvm_error_new(errno == ENOENT ? FNVM_E_NOT_FOUND : FNVM_E_IO, "cannot %s `%s`: %s",
                          doing, file, strerror(errno));
}

/* Up to TEXT_MAX + 1 bytes, so that a file that is too long shows. */
static fnvm_error *read_text(const char *file, char text[TEXT_MAX + 1], size_t *len)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return failed("open", file);
    ssize_t n = 1;
    for (*len = 0; n > 0 && *len <= TEXT_MAX; *len += n > 0 ? (size_t)n : 0)
        n = read(fd, text + *len, TEXT_MAX + 1 - *len);
    fnvm_error *error = n < 0 ? failed("read", file) : NULL;
    close(fd);
    return error;
}

fnvm_error *key_read(const char *file, unsigned char *key, size_t size)
{
    char text[TEXT_MAX + 1];
    size_t len = 0, bytes = 0;
    fnvm_error *error = read_text(file, text, &len);
    if (!error && len == size) {
        memcpy(key, text, size);
        bytes = size;
    } else if (!error) {
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) len--;
        if (sodium_hex2bin(key, size, text, len, NULL, &bytes, NULL) != 0) bytes = 0;
    }
    sodium_memzero(text, sizeof text);
    if (error || bytes == size) return error;
    return fnvm_error_new(FNVM_E_MALFORMED,
                          "`%s` is no such key: it should be %zu bytes, or %zu hexadecimal digits",
                          file, size, size * 2);
}

/* The key as a line of hexadecimal digits. */
static fnvm_error *write_key(const char *file, const unsigned char *key, size_t size, mode_t mode)
{
    char text[TEXT_MAX + 1];
    size_t len = size * 2;
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return failed("make", file);
    sodium_bin2hex(text, sizeof text, key, size);
    text[len++] = '\n';
    bool is_written = write(fd, text, len) == (ssize_t)len;
    sodium_memzero(text, sizeof text);
    if (close(fd) == 0 && is_written) return NULL;
    fnvm_error *error = failed("write", file);
    unlink(file);
    return error;
}

fnvm_error *key_new(const char *file)
{
    unsigned char public_key[KEY_PUBLIC_BYTES], secret[KEY_SECRET_BYTES];
    char *public_file = NULL;
    if (sodium_init() < 0 || asprintf(&public_file, "%s.pub", file) < 0)
        return fnvm_error_new(FNVM_E_MEMORY, "the host has no memory or no random numbers");
    crypto_sign_keypair(public_key, secret);
    fnvm_error *error = write_key(file, secret, sizeof secret, 0600);
    sodium_memzero(secret, sizeof secret);
    if (!error) {
        error = write_key(public_file, public_key, sizeof public_key, 0644);
        if (error) unlink(file);
    }
    free(public_file);
    return error;
}
