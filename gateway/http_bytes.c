/* A queue of bytes with a ceiling.  What was taken leaves room at the front, which is made use of
 * by moving the rest when the back is reached: that is at most once for every `size` bytes that
 * went through. */
#include "gateway/http_state.h"

#include <stdlib.h>
#include <string.h>

size_t bytes_len(const Bytes *b) { return b->end - b->start; }

/* Room for `len` more behind the end, as far as memory goes. */
static size_t make_room(Bytes *b, size_t len, size_t most)
{
    size_t held = bytes_len(b);
    if (b->size - b->end >= len) return len;
    if (b->start > 0) {
        memmove(b->at, b->at + b->start, held);
        b->start = 0;
        b->end = held;
    }
    if (b->size - held < len) {
        size_t size = b->size > 0 ? b->size : 1024;
        while (size - held < len && size < most) size = size > most / 2 ? most : size * 2;
        if (size - held < len) size = held + len; /* `most` is below the first size */
        uint8_t *at = realloc(b->at, size);
        if (at) {
            b->at = at;
            b->size = size;
        }
    }
    return b->size - held < len ? b->size - held : len;
}

size_t bytes_put(Bytes *b, const void *from, size_t len, size_t most)
{
    size_t held = bytes_len(b);
    size_t room = most > held ? most - held : 0;
    if (len > room) len = room;
    if (len == 0) return 0;
    len = make_room(b, len, most);
    memcpy(b->at + b->end, from, len);
    b->end += len;
    return len;
}

size_t bytes_take(Bytes *b, void *out, size_t size)
{
    size_t n = bytes_len(b);
    if (n > size) n = size;
    if (n == 0) return 0;
    memcpy(out, b->at + b->start, n);
    b->start += n;
    if (b->start == b->end) b->start = b->end = 0;
    return n;
}

void bytes_clear(Bytes *b)
{
    b->start = b->end = 0;
    if (b->size > HTTP_KEPT_BYTES) bytes_free(b);
}

void bytes_free(Bytes *b)
{
    free(b->at);
    *b = (Bytes){0};
}
