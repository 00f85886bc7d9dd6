/* Listening sockets by getaddrinfo; inherited ones by the LISTEN_FDS convention of systemd. */
#include "cli/sockets.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 128, INHERITED_MAX = 1024 };

static int listen_on(const struct addrinfo *at)
{
    int one = 1;
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
    if (fd < 0) return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

fnvm_error *socket_listen(const char *address, int *fd)
{
    const char *colon = strrchr(address, ':');
    size_t host_len = colon ? (size_t)(colon - address) : 0;
    char host[256];
    if (!colon || !colon[1] || host_len == 0 || host_len >= sizeof host)
        return fnvm_error_new(FNVM_E_USAGE, "expected HOST:PORT, found `%s`", address);
    /* getaddrinfo would take it modulo 65,536. */
    if (strspn(colon + 1, "0123456789") == strlen(colon + 1) && strtoul(colon + 1, NULL, 10) > 65535)
        return fnvm_error_new(FNVM_E_USAGE, "`%s`: ports go up to 65535", address);
    bool bracketed = address[0] == '[' && address[host_len - 1] == ']';
    host_len -= bracketed ? 2 : 0;
    memcpy(host, address + bracketed, host_len);
    host[host_len] = '\0';

    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int failed = getaddrinfo(host, colon + 1, &hints, &found);
    if (failed) return fnvm_error_new(FNVM_E_IO, "`%s`: %s", address, gai_strerror(failed));
    *fd = listen_on(found);
    int reason = errno;
    freeaddrinfo(found);
    if (*fd < 0) return fnvm_error_new(FNVM_E_IO, "`%s`: %s", address, strerror(reason));
    return NULL;
}

fnvm_error *sockets_inherited(int *count)
{
    const char *said = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    *count = 0;
    if (!said || (pid && strtol(pid, NULL, 10) != (long)getpid())) return NULL;
    long n = strtol(said, NULL, 10);
    if (n < 0 || n > INHERITED_MAX) return fnvm_error_new(FNVM_E_IO, "LISTEN_FDS is `%s`", said);
    for (int fd = SOCKETS_FIRST; fd < SOCKETS_FIRST + (int)n; fd++) {
        int type;
        socklen_t size = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
            return fnvm_error_new(FNVM_E_IO,
                                  "LISTEN_FDS is %ld, but descriptor %d is no socket: %s", n, fd,
                                  strerror(errno));
    }
    *count = (int)n;
    return NULL;
}
