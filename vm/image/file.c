/* Opening an image.  A file that is recorded is mapped after a look at its head.  The lease comes
 * first, then fstat, then the record: so nobody changes the file between being compared and being
 * held.  Any other file is copied and sealed, and the copy is checked from the head to the last
 * page: whoever wrote it, and whatever he does to the file meanwhile, the bytes that were checked
 * are those that are mapped. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm/error.h"
#include "vm/image/chunks.h"
#include "vm/image/sealed.h"

static fnvm_error *damaged(const char *name, const char *what)
{
    return fnvm_error_new(FNVM_E_MALFORMED, "image `%s`: %s; the file is damaged, take the image "
                          "again", name, what);
}

/* ---- The head ---- */

fnvm_error *image_limits(const char *name, uint64_t file_size, uint64_t parts_offset)
{
    if (file_size > SEALED_MOST_BYTES)
        return fnvm_error_new(FNVM_E_LIMIT, "image `%s`: it has more than 64 GiB", name);
    if (file_size - parts_offset > SEALED_MOST_DATA)
        return fnvm_error_new(FNVM_E_LIMIT, "image `%s`: it has more than 4 GiB besides pages",
                              name);
    return NULL;
}

static fnvm_error *check_sizes(const char *name, const ImageHead *head, uint64_t size)
{
    if (head->file_size != size)
        return fnvm_error_new(FNVM_E_MALFORMED, "image `%s`: it has %" PRIu64 " bytes of %" PRIu64
                              "; the file is damaged, take the image again", name, size,
                              head->file_size);
    if (head->pages_size % IMAGE_PAGE != 0 || head->pages_size > size - IMAGE_PAGE ||
        head->parts_offset != IMAGE_PAGE + head->pages_size)
        return damaged(name, "its pages do not end where its parts begin");
    return image_limits(name, size, head->parts_offset);
}

static fnvm_error *check_parts(const char *name, const ImageHead *head)
{
    uint64_t end = head->parts_offset;
    for (unsigned i = 0; i < IMAGE_PART_COUNT; i++) {
        const ImagePart part = head->parts[i];
        const uint64_t element = image_element_size(i);
        if (part.offset < end || part.offset > head->file_size ||
            part.offset % IMAGE_PART_ALIGN != 0 ||
            part.count > (head->file_size - part.offset) / element)
            return damaged(name, "its parts overlap, or reach beyond its end");
        end = part.offset + part.count * element;
    }
    if (head->parts[IMAGE_CHUNKS].count !=
        head->pages_size / IMAGE_CHUNK + (head->pages_size % IMAGE_CHUNK != 0))
        return damaged(name, "it has not one hash for each chunk of its pages");
    return NULL;
}

/* All that can be said from a file's first page and its size. */
static fnvm_error *check_head(const char *name, const uint8_t *page, uint64_t size)
{
    const ImageHead *head = (const ImageHead *)page;
    if (memcmp(head->magic, IMAGE_MAGIC, sizeof head->magic) != 0)
        return fnvm_error_new(FNVM_E_MALFORMED, "`%s` is no image", name);
    if (head->format != IMAGE_FORMAT)
        return fnvm_error_new(FNVM_E_INVALID, "image `%s`: made by another version of fnvm (format "
                              "%" PRIu32 ", this one reads %d); take the image again", name,
                              head->format, IMAGE_FORMAT);
    if (!image_is_zero(page + sizeof *head, IMAGE_PAGE - sizeof *head))
        return damaged(name, "there is something behind its head");
    fnvm_error *error = check_sizes(name, head, size);
    return error ? error : check_parts(name, head);
}

/* ---- Contents ---- */

typedef struct ChunkCheck { const ImageHash *expected; uint64_t n; } ChunkCheck;

static bool check_chunk(void *env, const ImageHash *hash)
{
    ChunkCheck *check = env;
    if (memcmp(hash, &check->expected[check->n], sizeof *hash) != 0) return false;
    check->n++;
    return true;
}

static bool chunk_piece(void *env, const uint8_t *bytes, uint64_t size)
{
    return chunks_add(env, bytes, size);
}

static bool hash_piece(void *env, const uint8_t *bytes, uint64_t size)
{
    hash_add(env, bytes, size);
    return true;
}

static fnvm_error *verify_parts(const char *name, const ImageFile *file)
{
    crypto_generichash_state state;
    ImageHash hash;
    hash_begin(&state);
    sealed_walk(file->fd, file->map, file->head->parts_offset, file->size, hash_piece, &state);
    hash_finish(&state, &hash);
    if (memcmp(&hash, &file->head->parts_hash, sizeof hash) == 0) return NULL;
    return damaged(name, "what follows its pages does not have the hash that its head says");
}

static fnvm_error *verify_pages(const char *name, const ImageFile *file)
{
    const ImagePart part = file->head->parts[IMAGE_CHUNKS];
    ChunkCheck check = {.expected = (const ImageHash *)(file->map + part.offset)};
    Chunks chunks;
    chunks_start(&chunks, check_chunk, &check);
    if (sealed_walk(file->fd, file->map, IMAGE_PAGE, file->head->parts_offset, chunk_piece,
                    &chunks) &&
        chunks_end(&chunks))
        return NULL;
    return fnvm_error_new(FNVM_E_MALFORMED, "image `%s`: its page contents do not have the hash "
                          "that it says (chunk %" PRIu64 "); the file is damaged, take the image "
                          "again", name, check.n);
}

static fnvm_error *verify_head_hash(const char *name, const ImageHead *head)
{
    ImageHash hash;
    image_head_hash(head, &hash);
    if (memcmp(&hash, &head->hash, sizeof hash) == 0) return NULL;
    return damaged(name, "its head does not have the hash that it says");
}

/* ---- The signature ---- */

static bool is_trusted(const ImageTrust *trust, const uint8_t key[32])
{
    for (size_t i = 0; i < trust->nkeys; i++)
        if (memcmp(trust->keys[i], key, 32) == 0) return true;
    return false;
}

static fnvm_error *verify_signature(const char *name, const ImageHead *head)
{
    if (crypto_sign_verify_detached(head->signature, head->hash.bytes, sizeof head->hash,
                                    head->signer) == 0)
        return NULL;
    return damaged(name, "its signature is not that of its contents");
}

static fnvm_error *untrusted(const char *name, const uint8_t key[32])
{
    char hex[65];
    sodium_bin2hex(hex, sizeof hex, key, 32);
    return fnvm_error_new(FNVM_E_INVALID, "image `%s`: it is signed by a key that is not trusted, "
                          "%s", name, hex);
}

/* What was recorded was verified except by whose key, which may be another question today: it is
 * verified again where something depends on it. */
static fnvm_error *check_signature(const char *name, const ImageTrust *trust, ImageFile *file)
{
    const ImageHead *head = file->head;
    const bool is_signed = !sodium_is_zero(head->signer, sizeof head->signer);
    if (!is_signed && !sodium_is_zero(head->signature, sizeof head->signature))
        return damaged(name, "it has a signature, but of nobody");
    if (!is_signed && trust->require_signature)
        return fnvm_error_new(FNVM_E_INVALID, "image `%s`: it is not signed, and must be by a "
                              "trusted key", name);
    if (!is_signed) return NULL;
    const bool trusted = is_trusted(trust, head->signer);
    if (!trusted && trust->require_signature) return untrusted(name, head->signer);
    const bool earns = trusted && (trust->require_signature || !(file->flags & RECORD_OURS));
    if (!earns && file->installed) return NULL;
    fnvm_error *error = file->installed ? verify_head_hash(name, head) : NULL;
    if (!error) error = verify_signature(name, head);
    if (!error && trusted) file->flags |= RECORD_OURS;
    return error;
}

/* ---- Opening ---- */

static bool map_file(int fd, ImageFile *file)
{
    uint8_t *map = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) return false;
    file->map = map;
    file->head = (const ImageHead *)map;
    file->fd = fd;
    return true;
}

static fnvm_error *look_at(int fd, const char *name, ImageFile *out)
{
    if (fstat(fd, &out->stat) != 0) return read_error(name);
    if (!S_ISREG(out->stat.st_mode))
        return fnvm_error_new(FNVM_E_USAGE, "cannot read `%s`: it is no regular file", name);
    out->size = (uint64_t)out->stat.st_size;
    if (out->size < IMAGE_PAGE)
        return fnvm_error_new(FNVM_E_MALFORMED, "`%s` is no image: it is too short", name);
    return image_limits(name, out->size, out->size);
}

static void will_need(const ImageFile *file, uint64_t start, uint64_t end)
{
    posix_fadvise(file->fd, (off_t)start, (off_t)(end - start), POSIX_FADV_WILLNEED);
}

/* Where nothing of the file is in memory yet: the parts are read at once, but for modules in it,
 * which may not be needed.  Of pages only those that are touched: by default each touch reads ahead
 * on both sides, up to megabytes, which takes longer, and nobody could tell what an instance needs
 * (vm/image/working_set.h). */
static void advise(const ImageFile *file)
{
    const ImagePart *parts = file->head->parts;
    const uint64_t modules = parts[IMAGE_EMBEDDED].offset;
    const uint64_t page = modules & -(uint64_t)IMAGE_PAGE;
    const bool has_modules = parts[IMAGE_EMBEDDED].count > 0;
    if (has_modules) /* read from end to end, if at all */
        madvise((uint8_t *)(uintptr_t)file->map + page, file->size - page, MADV_NORMAL);
    will_need(file, file->head->parts_offset, has_modules ? modules : parts[IMAGE_CHUNKS].offset);
    if (has_modules) will_need(file, parts[IMAGE_STRINGS].offset, parts[IMAGE_CHUNKS].offset);
}

/* The file itself, if it is recorded; false if it is to be verified. */
static bool open_installed(int fd, const char *name, const ImageTrust *trust, ImageFile *out)
{
    FileRecord record;
    if (!record_find(trust->records, &out->stat, &record) || !map_file(fd, out)) return false;
    madvise((void *)(uintptr_t)out->map, out->size, MADV_RANDOM);
    fnvm_error *error = check_head(name, out->map, out->size);
    if (!error && memcmp(&record.hash, &out->head->hash, sizeof record.hash) == 0) {
        out->installed = true;
        out->flags = record.flags;
        advise(out);
        return true;
    }
    fnvm_error_free(error);
    munmap((void *)(uintptr_t)out->map, out->size);
    out->map = NULL;
    out->fd = -1;
    return false;
}

/* What cannot be an image is not worth a copy. */
static fnvm_error *check_first_page(int fd, const char *name, uint64_t size)
{
    _Alignas(ImageHead) uint8_t page[IMAGE_PAGE];
    for (size_t have = 0; have < sizeof page;) {
        ssize_t n = pread(fd, page + have, sizeof page - have, (off_t)have);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return read_error(name);
        if (n == 0) return damaged(name, "it was truncated while it was read");
        have += (size_t)n;
    }
    return check_head(name, page, size);
}

static fnvm_error *open_copy(int fd, const char *name, const ImageTrust *trust, ImageFile *out)
{
    fnvm_error *error = check_first_page(fd, name, out->size);
    if (error) return error;
    if (sodium_init() < 0)
        return fnvm_error_new(FNVM_E_IO, "cannot read `%s`: libsodium does not start", name);
    int copy;
    error = sealed_copy(fd, name, out->size, &copy);
    if (error) return error;
    if (!map_file(copy, out)) {
        error = read_error(name);
        close(copy);
        return error;
    }
    error = check_head(name, out->map, out->size);
    if (!error) error = verify_head_hash(name, out->head);
    if (!error) error = verify_parts(name, out);
    if (!error) error = verify_pages(name, out);
    return error ? error : check_signature(name, trust, out);
}

static fnvm_error *open_named(int fd, const char *path, const ImageTrust *trust, ImageFile *out)
{
    /* What somebody is writing has no time of its last change yet. */
    const bool at_rest = file_hold(fd);
    fnvm_error *error = look_at(fd, path, out);
    if (error) return error;
    if (at_rest && open_installed(fd, path, trust, out)) return check_signature(path, trust, out);
    out->recordable = at_rest;
    return open_copy(fd, path, trust, out);
}

fnvm_error *image_file_open(const char *path, const ImageTrust *trust, ImageFile *out)
{
    *out = (ImageFile){.fd = -1};
    /* Nothing waits for the other end of a pipe. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return read_error(path);
    fnvm_error *error = open_named(fd, path, trust, out);
    if (out->fd != fd) close(fd);
    if (error) image_file_close(out);
    return error;
}

fnvm_error *image_file_open_fd(int fd, const char *name, const ImageTrust *trust, ImageFile *out)
{
    *out = (ImageFile){.fd = -1};
    fnvm_error *error = look_at(fd, name, out);
    if (!error) error = open_copy(fd, name, trust, out);
    if (error) image_file_close(out);
    return error;
}

void image_file_close(ImageFile *file)
{
    if (file->map) munmap((void *)(uintptr_t)file->map, file->size);
    if (file->fd >= 0) close(file->fd);
    *file = (ImageFile){.fd = -1};
}

/* Nothing is recorded of whose it is: what a signature earned it, it earns by it the next time, if
 * the key is trusted then. */
void image_file_record(const ImageFile *file, const ImageTrust *trust)
{
    if (!file->installed && file->recordable)
        record_add(trust->records, &file->stat, &(FileRecord){.hash = file->head->hash});
}
