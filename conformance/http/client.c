/* Sockets that block with a limit of time; an answer's head is looked through line by line. */
#include "conformance/http/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

int client_open(const Target *to)
{
    int fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0) return -1;
    if (to->address.ss_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)&to->address, to->len) == 0) return fd;
    close(fd);
    return -1;
}

bool client_send(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, 5000) <= 0) return false;
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) continue;
        if (n <= 0) return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

size_t client_read(int fd, char *out, size_t size, int wait_ms, bool *ended)
{
    size_t got = 0;
    *ended = false;
    while (got < size) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, wait_ms) <= 0) break;
        ssize_t n = recv(fd, out + got, size - got, 0);
        if (n <= 0) {
            *ended = true;
            break;
        }
        got += (size_t)n;
    }
    return got;
}

/* Joins the chunks; false: the last is not there. */
static bool join_chunks(char *at, size_t len, size_t *used, size_t *joined)
{
    size_t in = 0;
    *joined = 0;
    for (;;) {
        char *end;
        if (!memmem(at + in, len - in, "\r\n", 2)) return false;
        unsigned long n = strtoul(at + in, &end, 16);
        in = (size_t)(end - at) + 2;
        if (in > len || n > len - in || len - in - n < 2) return false;
        memmove(at + *joined, at + in, n);
        *joined += n;
        in += n + 2;
        if (n == 0) break;
    }
    *used = in;
    return true;
}

size_t client_answer(char *at, size_t len, bool head, Answer *a)
{
    char *end = memmem(at, len, "\r\n\r\n", 4);
    size_t length = SIZE_MAX;
    *a = (Answer){0};
    if (!end || len < 12 || memcmp(at, "HTTP/1.1 ", 9) != 0) return 0;
    a->status = (unsigned)strtoul(at + 9, NULL, 10);
    for (char *line = at; line < end; line = (char *)memmem(line, len, "\r\n", 2) + 2) {
        if (strncasecmp(line, "content-length: ", 16) == 0) {
            length = strtoul(line + 16, NULL, 10);
            a->says_length = true;
        }
        a->says_close |= strncasecmp(line, "connection: close\r", 18) == 0;
        a->says_chunked |= strncasecmp(line, "transfer-encoding: chunked\r", 27) == 0;
    }
    size_t used = (size_t)(end - at) + 4, left = len - used;
    a->body = at + used;
    if (head || a->status < 200 || a->status == 204 || a->status == 304) {
        a->complete = true;
        return used;
    }
    if (a->says_chunked) {
        size_t chunks = left;
        a->complete = join_chunks(at + used, left, &chunks, &a->body_len);
        return used + chunks;
    }
    a->complete = length <= left;
    a->body_len = a->complete ? length : left;
    return used + a->body_len;
}
