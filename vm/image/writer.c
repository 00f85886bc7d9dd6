/* Writing an image: pages go to the file as they come, and their hashes are made on the way; parts
 * are kept in memory, and follow when all pages are there.  The head is written last, though it
 * would not matter: nobody sees the file before it is whole. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vm/error.h"
#include "vm/image/chunks.h"
#include "vm/image/sealed.h"

typedef struct PartBytes { uint8_t *bytes; uint64_t size, capacity; } PartBytes;

struct ImageWriter {
    Chunks chunks;
    NewFile file;
    uint64_t pages_size;
    PartBytes parts[IMAGE_PART_COUNT];
};

uint64_t image_element_size(ImagePartKind kind)
{
    static const uint8_t sizes[] = {
#define X(name, type) sizeof(type),
        IMAGE_PARTS(X)
#undef X
    };
    return sizes[kind];
}

/* ---- Parts ---- */

static bool part_append(PartBytes *part, const void *bytes, uint64_t size)
{
    if (size > part->capacity - part->size) {
        if (size > SEALED_MOST_DATA || part->size > SEALED_MOST_DATA) return false;
        uint64_t capacity = part->capacity ? part->capacity * 2 : 256;
        if (capacity < part->size + size) capacity = part->size + size;
        uint8_t *grown = realloc(part->bytes, capacity);
        if (!grown) return false;
        part->bytes = grown;
        part->capacity = capacity;
    }
    if (size) memcpy(part->bytes + part->size, bytes, size);
    part->size += size;
    return true;
}

fnvm_error *image_writer_part(ImageWriter *w, ImagePartKind kind, const void *elements,
                              uint64_t count, uint64_t *first)
{
    const uint64_t element = image_element_size(kind);
    PartBytes *part = &w->parts[kind];
    if (first) *first = part->size / element;
    if (count > SEALED_MOST_DATA / element || !part_append(part, elements, count * element))
        return error_no_memory();
    return NULL;
}

fnvm_error *image_writer_text(ImageWriter *w, const char *text, size_t len, ImageText *out)
{
    const uint64_t start = w->parts[IMAGE_STRINGS].size;
    if (len > UINT32_MAX || start > UINT32_MAX - len)
        return fnvm_error_new(FNVM_E_LIMIT, "cannot write `%s`: the names in it exceed 4 GiB",
                              w->file.path);
    *out = (ImageText){.start = (uint32_t)start, .len = (uint32_t)len};
    return image_writer_part(w, IMAGE_STRINGS, text, len, NULL);
}

static bool add_chunk(void *env, const ImageHash *hash)
{
    ImageWriter *w = env;
    return part_append(&w->parts[IMAGE_CHUNKS], hash, sizeof *hash);
}

/* ---- Opening, pages ---- */

static fnvm_error *writer_open(const char *path, ImageWriter *w)
{
    *w = (ImageWriter){.file.fd = -1};
    if (sodium_init() < 0)
        return fnvm_error_new(FNVM_E_IO, "cannot write `%s`: libsodium does not start", path);
    chunks_start(&w->chunks, add_chunk, w);
    return file_begin(path, &w->file);
}

fnvm_error *image_writer_open(const char *path, ImageWriter **out)
{
    /* The state of a hash wants more than malloc's alignment. */
    ImageWriter *w = aligned_alloc(_Alignof(ImageWriter), sizeof *w);
    if (!w) return error_no_memory();
    fnvm_error *error = writer_open(path, w);
    if (error) {
        free(w);
        return error;
    }
    *out = w;
    return NULL;
}

/* Bytes from `at` on in pages that are all zero, or all not. */
static size_t run_length(const uint8_t *at, size_t left, bool zero)
{
    size_t n = IMAGE_PAGE;
    while (n < left && image_is_zero(at + n, IMAGE_PAGE) == zero) n += IMAGE_PAGE;
    return n;
}

/* What is not written is a hole. */
static fnvm_error *append_run(ImageWriter *w, const uint8_t *bytes, size_t size)
{
    if (!chunks_add(&w->chunks, bytes, size)) return error_no_memory();
    const uint64_t offset = IMAGE_PAGE + w->pages_size;
    w->pages_size += size;
    return bytes ? file_write_at(&w->file, bytes, size, offset) : NULL;
}

fnvm_error *image_writer_pages(ImageWriter *w, const void *bytes, size_t size, uint64_t *offset)
{
    *offset = IMAGE_PAGE + w->pages_size;
    if (size % IMAGE_PAGE != 0)
        return fnvm_error_new(FNVM_E_USAGE, "cannot write `%s`: %zu bytes are no whole pages",
                              w->file.path, size);
    if (size > SEALED_MOST_BYTES - w->pages_size)
        return fnvm_error_new(FNVM_E_LIMIT, "cannot write `%s`: an image has at most %" PRIu64
                              " bytes", w->file.path, SEALED_MOST_BYTES);
    if (!bytes) return append_run(w, NULL, size);
    const uint8_t *at = bytes;
    fnvm_error *error = NULL;
    for (size_t left = size, n; left > 0 && !error; at += n, left -= n) {
        bool zero = image_is_zero(at, IMAGE_PAGE);
        n = run_length(at, left, zero);
        error = append_run(w, zero ? NULL : at, n);
    }
    return error;
}

/* ---- Finishing ---- */

static uint64_t align_part(uint64_t size)
{
    return (size + IMAGE_PART_ALIGN - 1) & -(uint64_t)IMAGE_PART_ALIGN;
}

/* Places the parts behind the pages.  Every part ends aligned, so the file does. */
static void place_parts(const ImageWriter *w, ImageHead *head)
{
    memcpy(head->magic, IMAGE_MAGIC, sizeof head->magic);
    head->format = IMAGE_FORMAT;
    head->unused = 0;
    head->pages_size = w->pages_size;
    head->parts_offset = IMAGE_PAGE + w->pages_size;
    uint64_t at = head->parts_offset;
    for (unsigned i = 0; i < IMAGE_PART_COUNT; i++) {
        head->parts[i] = (ImagePart){at, w->parts[i].size / image_element_size(i)};
        at += align_part(w->parts[i].size);
    }
    head->file_size = at;
}

static fnvm_error *write_parts(ImageWriter *w, ImageHead *head)
{
    crypto_generichash_state state;
    hash_begin(&state);
    fnvm_error *error = NULL;
    for (unsigned i = 0; i < IMAGE_PART_COUNT && !error; i++) {
        PartBytes *part = &w->parts[i];
        static const uint8_t padding[IMAGE_PART_ALIGN];
        if (!part_append(part, padding, align_part(part->size) - part->size))
            return error_no_memory();
        if (part->size == 0) continue;
        hash_add(&state, part->bytes, part->size);
        error = file_write_at(&w->file, part->bytes, part->size, head->parts[i].offset);
    }
    hash_finish(&state, &head->parts_hash);
    return error;
}

void image_head_hash(const ImageHead *head, ImageHash *out)
{
    crypto_generichash(out->bytes, sizeof out->bytes, (const uint8_t *)head,
                       offsetof(ImageHead, hash), NULL, 0);
}

static void sign_head(ImageHead *head, const uint8_t *key)
{
    image_head_hash(head, &head->hash);
    memset(head->signer, 0, sizeof head->signer);
    memset(head->signature, 0, sizeof head->signature);
    if (!key) return;
    crypto_sign_ed25519_sk_to_pk(head->signer, key);
    crypto_sign_detached(head->signature, NULL, head->hash.bytes, sizeof head->hash, key);
}

static fnvm_error *write_all(ImageWriter *w, ImageHead *head, const ImageSeal *seal,
                             struct stat *written)
{
    if (!chunks_end(&w->chunks)) return error_no_memory();
    place_parts(w, head);
    fnvm_error *error = image_limits(w->file.path, head->file_size, head->parts_offset);
    if (!error) error = write_parts(w, head);
    if (error) return error;
    sign_head(head, seal->sign_key);
    uint8_t page[IMAGE_PAGE] = {0};
    memcpy(page, head, sizeof *head);
    error = file_write_at(&w->file, page, sizeof page, 0);
    return error ? error : file_finish(&w->file, !seal->no_sync, written);
}

fnvm_error *image_writer_finish(ImageWriter *w, ImageHead *head, const ImageSeal *seal)
{
    struct stat written;
    fnvm_error *error = write_all(w, head, seal, &written);
    if (!error)
        record_add(seal->records, &written,
                   &(FileRecord){.hash = head->hash, .flags = RECORD_OURS});
    image_writer_abandon(w);
    return error;
}

void image_writer_abandon(ImageWriter *w)
{
    if (!w) return;
    file_abandon(&w->file);
    for (unsigned i = 0; i < IMAGE_PART_COUNT; i++) free(w->parts[i].bytes);
    free(w);
}
