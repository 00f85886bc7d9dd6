/* Past libmicrohttpd, straight to the socket.
 *
 * libmicrohttpd takes an answer only when it has read the whole request, and then sends all of it.
 * Three things do not fit: to refuse a body that is too long or too slow; to answer while the body
 * still comes, as a program does that reads and writes in turn, and would wait for ever once its
 * answer's buffer is full; and to end without a reset where the client still sends.  Until a
 * request is complete libmicrohttpd itself sends nothing but `100 Continue`, so the socket's other
 * direction is ours; the connection ends with it. */
#include "gateway/http_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RAW_HEAD = 256, CHUNK_FRAME = 16 };

/* Status line, Date, Connection. */
static int begin_head(char out[RAW_HEAD], unsigned status)
{
    char date[64];
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return snprintf(out, RAW_HEAD, "HTTP/1.1 %u %s\r\nDate: %s\r\nConnection: close\r\n", status,
                    MHD_get_reason_phrase_for(status), date);
}

/* In one piece, as nothing is in the way of so few bytes. */
void http_send_now(HttpConn *c, unsigned status)
{
    char text[RAW_HEAD + 32];
    int len = begin_head(text, status);
    len += sprintf(text + len, "Content-Length: 0\r\n\r\n");
    ssize_t sent = send(c->fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent;
}

/* ---- An answer while the request still comes ---- */

bool http_keep_head(HttpRequest *req, const HttpField *fields, size_t n)
{
    char text[HTTP_ANSWER_HEAD + 4];
    for (size_t i = 0; i < n; i++) {
        if (http_field_is_ours(fields[i].name)) continue;
        char *end = mempcpy(text, fields[i].name.at, fields[i].name.len);
        end = mempcpy(end, ": ", 2);
        end = mempcpy(end, fields[i].value.at, fields[i].value.len);
        end = mempcpy(end, "\r\n", 2);
        size_t len = (size_t)(end - text);
        if (bytes_put(&req->wire, text, len, SIZE_MAX / 4) < len) return false;
    }
    return true;
}

/* req->wire has the fields, and gets what goes before them. */
bool http_raw_begin(HttpRequest *req)
{
    char text[RAW_HEAD + 64];
    Bytes fields = req->wire;
    req->wire = (Bytes){0};
    size_t len = (size_t)begin_head(text, req->status), more = bytes_len(&fields);
    if (req->sized)
        len += (size_t)sprintf(text + len, "Content-Length: %llu\r\n",
                               (unsigned long long)req->sized_as);
    else if (!req->http_1_0) len += (size_t)sprintf(text + len, "Transfer-Encoding: chunked\r\n");
    bool ok = bytes_put(&req->wire, text, len, SIZE_MAX / 4) == len &&
              bytes_put(&req->wire, fields.at + fields.start, more, SIZE_MAX / 4) == more &&
              bytes_put(&req->wire, "\r\n", 2, SIZE_MAX / 4) == 2;
    bytes_free(&fields);
    MHD_destroy_response(req->response);
    req->response = NULL;
    req->raw = true;
    req->conn->http->raw++;
    HttpConn *c = req->conn;
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLOUT | EPOLLET, .data.ptr = c};
    ok = ok &&
         epoll_ctl(c->http->watch, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event) == 0;
    c->watched |= ok;
    if (!ok) http_cut(c);
    return ok;
}

/* The next bytes of the answer, framed; false: there are none. */
static bool frame(HttpRequest *req)
{
    char piece[CHUNK_FRAME + HTTP_PIECE + 2];
    bool chunks = !req->sized && !req->http_1_0;
    size_t n = bytes_take(&req->out, piece + CHUNK_FRAME, HTTP_PIECE), head = 0;
    if (n == 0 && (!req->ended || req->raw_last || !chunks)) return false;
    if (n == 0) req->raw_last = true;
    if (chunks) {
        char size[CHUNK_FRAME + 1];
        head = (size_t)snprintf(size, sizeof size, "%zx\r\n", n);
        memcpy(piece + CHUNK_FRAME - head, size, head);
        memcpy(piece + CHUNK_FRAME + n, "\r\n", 2);
    }
    size_t len = head + n + (chunks ? 2 : 0);
    if (bytes_put(&req->wire, piece + CHUNK_FRAME - head, len, SIZE_MAX / 4) < len)
        req->aborted = true;
    return !req->aborted;
}

void http_raw_flush(HttpRequest *req)
{
    HttpConn *c = req->conn;
    if (c->broken) return;
    while (!req->aborted && (bytes_len(&req->wire) > 0 || frame(req))) {
        size_t len = bytes_len(&req->wire);
        ssize_t sent =
            send(c->fd, req->wire.at + req->wire.start, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (c->waiting == WAITING_NONE) http_wait(c, WAITING_BODY);
            return;
        }
        if (sent < 0) {
            http_cut(c);
            return;
        }
        req->wire.start += (size_t)sent;
        http_wait(c, WAITING_BODY);
    }
    if (req->suspended || req->complete) http_wait(c, WAITING_NONE);
    if (!req->ended && !req->aborted) return;
    req->raw_done = !req->aborted && req->out_left == 0;
    http_cut(c);
}

/* ---- Ending ---- */

/* The client still sends what nobody reads: closing now would be a reset, which can overtake the
 * answer.  A second descriptor keeps the connection, half closed, for a moment. */
void http_linger(Http *http, int fd)
{
    if (http->freeing || http->nlingering == HTTP_LINGERING) return;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own >= 0) http->lingering[http->nlingering++] = (Lingering){own, http->now_ms};
}

void http_end_lingering(Http *http, uint64_t longer_than_ms)
{
    size_t n = 0;
    while (n < http->nlingering && http->now_ms - http->lingering[n].since_ms >= longer_than_ms)
        close(http->lingering[n++].fd);
    if (n == 0) return;
    http->nlingering -= n;
    memmove(http->lingering, http->lingering + n, http->nlingering * sizeof *http->lingering);
}
