/* Loading and saving the code of a module.  A file's image is copied to where it will run before
 * anything of it is believed: whoever changes or cuts the file later changes nothing here. */
#include "jit/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "jit/cache_file.h"
#include "jit/segment.h"
#include "vm/error.h"
#include "vm/tunables.h"

static uint64_t sum(const void *bytes, size_t size) { return XXH3_64bits(bytes, size); }
static uint64_t head_sum(const CacheHead *h) { return sum(h, offsetof(CacheHead, head_sum)); }

/* ---- Loading ---- */

static bool read_all(int fd, void *bytes, size_t size)
{
    for (uint8_t *at = bytes; size > 0;) {
        ssize_t n = read(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

bool cache_read_head(int fd, uint64_t size, CacheHead *h)
{
    return size > sizeof *h && size <= CACHE_FILE_BYTES && read_all(fd, h, sizeof *h) &&
           memcmp(h->magic, CACHE_MAGIC, sizeof h->magic) == 0 && h->format == CACHE_FORMAT &&
           h->head_sum == head_sum(h) && h->image_size == size - sizeof *h && !h->unused &&
           h->path[CACHE_PATH_BYTES - 1] == '\0';
}

/* Whether the image is whole and its functions are the module's. */
static bool image_fits(const Module *m, const CacheHead *head, const uint8_t *image)
{
    uint8_t bodies[CACHE_KEY_BYTES];
    return sum(image, head->image_size) == head->image_sum &&
           cache_measure_bodies(m, image, head->image_size, bodies) == head->nfuncs &&
           memcmp(bodies, head->bodies, sizeof bodies) == 0;
}

static void load_file(Module *m, int fd, const struct stat *st, const uint8_t key[CACHE_KEY_BYTES])
{
    CacheHead head;
    if (!cache_read_head(fd, (uint64_t)st->st_size, &head) ||
        memcmp(head.key, key, sizeof head.key) != 0)
        return;
    segment_lock(m->segment);
    const uint8_t *image = segment_fetch(m->segment, fd, head.image_size);
    if (image && image_fits(m, &head, image))
        fnvm_error_free(segment_adopt(m->segment, head.image_size));
    bool used = segment_image(m->segment).adopted > 0;
    segment_unlock(m->segment);
    if (used) cache_note_use(fd, st);
}

void cache_load(Module *m)
{
    const CodeCache *cache = m->engine->code_cache;
    if (!cache) return;
    uint8_t engine[CACHE_KEY_BYTES], key[CACHE_KEY_BYTES];
    char name[CACHE_NAME_BYTES];
    cache_measure_engine(engine);
    cache_measure_module(m, engine, key);
    cache_name(key, name);
    struct stat st;
    int fd = cache_open_file(cache, name, &st);
    if (fd < 0) return;
    load_file(m, fd, &st, key);
    close(fd);
}

/* ---- Saving ---- */

/* The blobs that one file may have: code only calls what came before it. */
static uint32_t image_size(const SegmentImage *image)
{
    const uint32_t most = CACHE_FILE_BYTES - (uint32_t)sizeof(CacheHead);
    if (image->size <= most) return image->size;
    uint32_t at = 0;
    for (;;) {
        const BlobHead *blob = (const BlobHead *)(const void *)(image->bytes + at);
        if (blob_size(blob) > most - at) return at;
        at += (uint32_t)blob_size(blob);
    }
}

static void set_path(const Module *m, CacheHead *head)
{
    char *path = m->path ? realpath(m->path, NULL) : NULL;
    if (!path) return;
    size_t len = strlen(path), cut = len < CACHE_PATH_BYTES ? 0 : len - CACHE_PATH_BYTES + 1;
    memcpy(head->path, path + cut, len - cut);
    free(path);
}

void cache_save(const Module *m)
{
    const CodeCache *cache = m->engine->code_cache;
    if (!cache || !m->segment || m->code_file) return;
    const SegmentImage image = segment_image(m->segment);
    const uint32_t size = image_size(&image);
    if (size <= image.adopted) return;
    CacheHead head = {.format = CACHE_FORMAT, .image_size = size};
    memcpy(head.magic, CACHE_MAGIC, sizeof head.magic);
    cache_measure_engine(head.engine);
    cache_measure_module(m, head.engine, head.key);
    head.nfuncs = cache_measure_bodies(m, image.bytes, size, head.bodies);
    head.image_sum = sum(image.bytes, size);
    set_path(m, &head);
    head.head_sum = head_sum(&head);
    char name[CACHE_NAME_BYTES];
    cache_name(head.key, name);
    struct iovec parts[] = {{&head, sizeof head}, {(void *)(uintptr_t)image.bytes, size}};
    cache_replace_file(cache, name, parts, 2);
}
