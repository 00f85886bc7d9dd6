/* Files of images: what was written is what is read; what is damaged, forged or not trusted is
 * refused; what was changed after it was recorded is verified again; and whoever is killed while he
 * writes leaves the old file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm/image/sealed.h"
#include "vm/image/working_set.h"

enum { PAGES = 300, MOST_NAMES = 128 }; /* more than a chunk */

typedef struct World {
    char directory[64], path[96], records[96];
    uint8_t *pages;           /* PAGES of them: zero are 10..19 and every fourth */
    unsigned char public_key[1][32], secret_key[64], other_public[1][32], other_secret[64];
} World;

static bool is_hole(size_t page) { return (page >= 10 && page < 20) || page % 4 == 0; }

static void fill_pages(World *w, uint8_t salt)
{
    for (size_t page = 0; page < PAGES; page++)
        memset(w->pages + page * IMAGE_PAGE, is_hole(page) ? 0 : (int)(page + salt) % 255 + 1,
               IMAGE_PAGE);
}

static int set_up(void **state)
{
    World *w = calloc(1, sizeof *w);
    assert_non_null(w);
    strcpy(w->directory, "/tmp/fnvm-image-XXXXXX");
    assert_non_null(mkdtemp(w->directory));
    snprintf(w->path, sizeof w->path, "%s/a.image", w->directory);
    snprintf(w->records, sizeof w->records, "%s/records", w->directory);
    w->pages = malloc(PAGES * IMAGE_PAGE);
    assert_non_null(w->pages);
    fill_pages(w, 0);
    assert_true(sodium_init() >= 0);
    crypto_sign_keypair(w->public_key[0], w->secret_key);
    crypto_sign_keypair(w->other_public[0], w->other_secret);
    *state = w;
    return 0;
}

static void remove_all(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) return;
    for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
        char inner[512];
        snprintf(inner, sizeof inner, "%s/%s", path, d->d_name);
        if (unlink(inner) != 0) remove_all(inner);
    }
    closedir(dir);
    rmdir(path);
}

static int tear_down(void **state)
{
    World *w = *state;
    remove_all(w->directory);
    free(w->pages);
    free(w);
    return 0;
}

/* ---- What tests do ---- */

static const char text[] = "the name of a module";

static void succeeds(fnvm_error *error)
{
    if (error) fail_msg("%s", fnvm_error_message(error));
}

static void is_refused(fnvm_error *error, fnvm_code code, const char *part)
{
    assert_non_null(error);
    if (fnvm_error_code(error) != code || !strstr(fnvm_error_message(error), part))
        fail_msg("expected \"%s\", not \"%s\"", part, fnvm_error_message(error));
    fnvm_error_free(error);
}

static fnvm_error *write_image(const World *w, size_t npages, const ImageSeal *seal)
{
    ImageWriter *writer;
    fnvm_error *error = image_writer_open(w->path, &writer);
    if (error) return error;
    const size_t half = npages / 2 * IMAGE_PAGE;
    uint64_t offset, first;
    ImageText name;
    succeeds(image_writer_pages(writer, w->pages, half, &offset));
    assert_int_equal(offset, IMAGE_PAGE);
    succeeds(image_writer_pages(writer, w->pages + half, npages * IMAGE_PAGE - half, &offset));
    assert_int_equal(offset, IMAGE_PAGE + half);
    const ImageLink links[3] = {{1, 2}, {3, 4}, {5, 6}};
    succeeds(image_writer_part(writer, IMAGE_LINKS, links, 1, &first));
    assert_int_equal(first, 0);
    succeeds(image_writer_part(writer, IMAGE_LINKS, links + 1, 2, &first));
    assert_int_equal(first, 1);
    succeeds(image_writer_text(writer, "x", 1, &name));
    succeeds(image_writer_text(writer, text, strlen(text), &name));
    assert_int_equal(name.start, 1);
    ImageHead head = {.main = 7, .start = name};
    return image_writer_finish(writer, &head, seal);
}

static ImageSeal seal_of(const World *w)
{
    return (ImageSeal){.records = w->records, .no_sync = true};
}

static void write_ours(const World *w)
{
    const ImageSeal seal = seal_of(w);
    succeeds(write_image(w, PAGES, &seal));
}

static ImageTrust trust_of(const World *w) { return (ImageTrust){.records = w->records}; }

static void check_contents(const World *w, const ImageFile *file)
{
    const ImageHead *head = file->head;
    assert_int_equal(head->main, 7);
    assert_int_equal(head->pages_size, PAGES * IMAGE_PAGE);
    assert_memory_equal(file->map + IMAGE_PAGE, w->pages, PAGES * IMAGE_PAGE);
    const ImagePart links = head->parts[IMAGE_LINKS], strings = head->parts[IMAGE_STRINGS];
    assert_int_equal(links.count, 3);
    assert_int_equal(((const ImageLink *)(file->map + links.offset))[2].index, 6);
    assert_memory_equal(file->map + strings.offset + head->start.start, text, head->start.len);
}

/* Opens, compares and closes; whether the file counted as installed. */
static bool opens_installed(const World *w, const ImageTrust *trust, uint32_t *flags)
{
    ImageFile file;
    succeeds(image_file_open(w->path, trust, &file));
    check_contents(w, &file);
    const bool installed = file.installed;
    if (flags) *flags = file.flags;
    image_file_close(&file);
    return installed;
}

static void is_refused_without_records(const World *w, const char *why)
{
    const ImageTrust trust = {0};
    ImageFile file;
    fnvm_error *error = image_file_open(w->path, &trust, &file);
    if (!error) fail_msg("opened: %s", why);
    assert_non_null(strstr(fnvm_error_message(error), w->path));
    fnvm_error_free(error);
    assert_true(file.fd < 0 && !file.map);
}

static int open_for_writing(const World *w)
{
    int fd = open(w->path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void flip(int fd, off_t at)
{
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= (uint8_t)(1 << at % 8);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* ---- Writing and reading ---- */

static void test_round_trip(void **state)
{
    const World *w = *state;
    write_ours(w);
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    const ImageTrust ours = trust_of(w), nobodys = {0};
    uint32_t flags;
    assert_true(opens_installed(w, &ours, &flags));
    assert_int_equal(flags, RECORD_OURS);
    assert_false(opens_installed(w, &nobodys, &flags));
    assert_int_equal(flags, 0);
}

static void test_an_image_without_pages(void **state)
{
    const World *w = *state;
    const ImageSeal seal = {.no_sync = true};
    succeeds(write_image(w, 0, &seal));
    ImageFile file;
    succeeds(image_file_open(w->path, &(ImageTrust){0}, &file));
    assert_int_equal(file.head->parts[IMAGE_CHUNKS].count, 0);
    image_file_close(&file);
}

static void test_zero_pages_are_holes(void **state)
{
    const World *w = *state;
    write_ours(w);
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    size_t data = 0;
    for (size_t page = 0; page < PAGES; page++) data += !is_hole(page);
    assert_true((uint64_t)st.st_blocks * 512 < (data + 16) * IMAGE_PAGE);
}

static void test_a_hole_of_many_gigabytes_costs_nothing(void **state)
{
    const World *w = *state;
    const size_t size = (size_t)40 << 30;
    ImageWriter *writer;
    uint64_t offset;
    ImageHead head = {0};
    const ImageSeal seal = {.no_sync = true};
    succeeds(image_writer_open(w->path, &writer));
    succeeds(image_writer_pages(writer, w->pages + IMAGE_PAGE, IMAGE_PAGE, &offset));
    succeeds(image_writer_pages(writer, NULL, size, &offset));
    fnvm_error *error = image_writer_finish(writer, &head, &seal);
    if (error) { /* not all file systems have files so large */
        fnvm_error_free(error);
        skip();
    }
    ImageFile file;
    struct stat copy;
    succeeds(image_file_open(w->path, &(ImageTrust){0}, &file));
    assert_int_equal(fstat(file.fd, &copy), 0);
    assert_true(copy.st_blocks * 512 < 16 << 20);
    ImageHash hash;
    uint8_t *zeros = calloc(1, IMAGE_CHUNK);
    assert_non_null(zeros);
    crypto_generichash(hash.bytes, sizeof hash, zeros, IMAGE_CHUNK, NULL, 0);
    const ImagePart chunks = file.head->parts[IMAGE_CHUNKS];
    assert_memory_equal(file.map + chunks.offset + sizeof hash, &hash, sizeof hash);
    free(zeros);
    image_file_close(&file);
}

static void test_what_is_written_elsewhere_is_refused(void **state)
{
    World *w = *state;
    ImageWriter *writer;
    is_refused(image_writer_open("/dev/null", &writer), FNVM_E_USAGE, "no regular file");
    is_refused(image_writer_open(w->directory, &writer), FNVM_E_USAGE, "no regular file");
    is_refused(image_writer_open("/nowhere/at/all", &writer), FNVM_E_NOT_FOUND, "/nowhere/at/all");
    write_ours(w);
    fill_pages(w, 5);
    pid_t child = fork();
    if (child == 0) { /* the limit's signal would kill it */
        const struct rlimit limit = {100 * IMAGE_PAGE, 100 * IMAGE_PAGE};
        setrlimit(RLIMIT_FSIZE, &limit);
        uint64_t offset;
        if (image_writer_open(w->path, &writer)) _exit(1);
        fnvm_error *error = image_writer_pages(writer, w->pages, PAGES * IMAGE_PAGE, &offset);
        image_writer_abandon(writer);
        _exit(error && fnvm_error_code(error) == FNVM_E_LIMIT ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fill_pages(w, 0);
    const ImageTrust trust = trust_of(w);
    assert_true(opens_installed(w, &trust, NULL));
}

/* ---- Damage ---- */

static void test_every_byte_of_the_head_counts(void **state)
{
    const World *w = *state;
    const ImageSeal plain = {.no_sync = true},
                    with_signature = {.sign_key = w->secret_key, .no_sync = true};
    const ImageSeal *const seals[] = {&plain, &with_signature};
    for (size_t s = 0; s < 2; s++) {
        succeeds(write_image(w, 3, seals[s]));
        int fd = open_for_writing(w);
        for (off_t at = 0; at < IMAGE_PAGE; at++) {
            flip(fd, at);
            is_refused_without_records(w, "a changed head");
            flip(fd, at);
        }
        close(fd);
        ImageFile file;
        succeeds(image_file_open(w->path, &(ImageTrust){0}, &file));
        image_file_close(&file);
    }
}

static void test_every_byte_of_pages_and_parts_counts(void **state)
{
    const World *w = *state;
    const ImageSeal seal = {.no_sync = true};
    succeeds(write_image(w, 3, &seal));
    int fd = open_for_writing(w);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    const off_t parts = 4 * IMAGE_PAGE;
    for (off_t at = IMAGE_PAGE; at < st.st_size; at += at < parts ? 37 : 1) {
        flip(fd, at);
        is_refused_without_records(w, "a changed byte");
        flip(fd, at);
    }
    close(fd);
}

static void test_a_damaged_chunk_is_named(void **state)
{
    const World *w = *state;
    write_ours(w);
    int fd = open_for_writing(w);
    flip(fd, IMAGE_PAGE + IMAGE_CHUNK + 5);
    close(fd);
    ImageFile file;
    const ImageTrust trust = trust_of(w);
    is_refused(image_file_open(w->path, &trust, &file), FNVM_E_MALFORMED, "(chunk 1)");
}

static void test_other_lengths_are_refused(void **state)
{
    const World *w = *state;
    const ImageSeal seal = {.no_sync = true};
    succeeds(write_image(w, 3, &seal));
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(truncate(w->path, st.st_size + 16), 0);
    is_refused_without_records(w, "a longer file");
    for (off_t size = st.st_size - 1; size >= 0; size -= 101) {
        assert_int_equal(truncate(w->path, size), 0);
        is_refused_without_records(w, "a shorter file");
    }
}

/* A head that lies, with the hash that belongs to it. */
static void forge(const World *w, size_t field, uint64_t value)
{
    int fd = open_for_writing(w);
    ImageHead head, forged;
    assert_int_equal(pread(fd, &head, sizeof head, 0), sizeof head);
    forged = head;
    memcpy((uint8_t *)&forged + field, &value, sizeof value);
    image_head_hash(&forged, &forged.hash);
    assert_int_equal(pwrite(fd, &forged, sizeof forged, 0), sizeof forged);
    is_refused_without_records(w, "a head that lies");
    assert_int_equal(pwrite(fd, &head, sizeof head, 0), sizeof head);
    close(fd);
}

static void test_heads_that_lie_are_refused(void **state)
{
    const World *w = *state;
    const ImageSeal seal = {.no_sync = true};
    succeeds(write_image(w, PAGES, &seal));
    const uint64_t values[] = {0, 1, 8, IMAGE_PAGE, 2 * IMAGE_PAGE, UINT64_C(1) << 32,
                               UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 15, UINT64_MAX / 8 + 1};
    const size_t links = offsetof(ImageHead, parts) + IMAGE_LINKS * sizeof(ImagePart);
    const size_t fields[] = {offsetof(ImageHead, file_size), offsetof(ImageHead, pages_size),
                             offsetof(ImageHead, parts_offset), links};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) forge(w, fields[f], values[v]);
    const size_t link_count = links + offsetof(ImagePart, count);
    for (size_t v = 3; v < sizeof values / sizeof *values; v++) forge(w, link_count, values[v]);
    const size_t chunk_count = links + (IMAGE_CHUNKS - IMAGE_LINKS) * sizeof(ImagePart) +
                               offsetof(ImagePart, count);
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) forge(w, chunk_count, values[v]);
}

static void test_what_is_no_image_is_refused(void **state)
{
    const World *w = *state;
    const ImageTrust trust = trust_of(w);
    ImageFile file;
    is_refused(image_file_open(w->path, &trust, &file), FNVM_E_NOT_FOUND, w->path);
    is_refused(image_file_open(w->directory, &trust, &file), FNVM_E_USAGE, "no regular file");
    assert_int_equal(mkfifo(w->path, 0600), 0);
    is_refused(image_file_open(w->path, &trust, &file), FNVM_E_USAGE, "no regular file");
    assert_int_equal(unlink(w->path), 0);
    int fd = open(w->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    is_refused(image_file_open(w->path, &trust, &file), FNVM_E_MALFORMED, "no image");
    assert_int_equal(ftruncate(fd, 10 * IMAGE_PAGE), 0);
    is_refused(image_file_open(w->path, &trust, &file), FNVM_E_MALFORMED, "no image");
    const char newer[12] = "fnvmimg\0\x77";
    assert_int_equal(pwrite(fd, newer, sizeof newer, 0), sizeof newer);
    is_refused(image_file_open(w->path, &trust, &file), FNVM_E_INVALID, "another version");
    close(fd);
}

static void test_a_file_without_a_name(void **state)
{
    const World *w = *state;
    write_ours(w);
    int fd = open(w->path, O_RDONLY | O_CLOEXEC);
    const ImageTrust trust = trust_of(w);
    ImageFile file;
    succeeds(image_file_open_fd(fd, "given", &trust, &file));
    check_contents(w, &file);
    assert_false(file.installed);
    image_file_close(&file);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    close(fd);
}

/* ---- Records ---- */

/* Verified now, recorded again, and then found. */
static void is_verified_again(const World *w, const ImageTrust *trust)
{
    ImageFile file;
    succeeds(image_file_open(w->path, trust, &file));
    assert_false(file.installed);
    assert_int_equal(file.flags, 0);
    image_file_record(&file, trust);
    image_file_close(&file);
    uint32_t flags;
    assert_true(opens_installed(w, trust, &flags));
    assert_int_equal(flags, 0); /* only what we write is ours */
}

static void test_a_touched_file_is_verified_again(void **state)
{
    const World *w = *state;
    const ImageTrust trust = trust_of(w);
    write_ours(w);
    assert_true(opens_installed(w, &trust, NULL));
    assert_int_equal(utimensat(AT_FDCWD, w->path, NULL, 0), 0);
    is_verified_again(w, &trust);
}

static void test_a_changed_file_is_refused(void **state)
{
    const World *w = *state;
    const ImageTrust trust = trust_of(w);
    write_ours(w);
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    int fd = open_for_writing(w);
    flip(fd, IMAGE_PAGE + 1);
    close(fd);
    const struct timespec times[2] = {st.st_atim, st.st_mtim}; /* as who hides it would */
    assert_int_equal(utimensat(AT_FDCWD, w->path, times, 0), 0);
    ImageFile file;
    is_refused(image_file_open(w->path, &trust, &file), FNVM_E_MALFORMED, "damaged");
}

static void test_a_replaced_file_is_verified(void **state)
{
    World *w = *state;
    const ImageTrust trust = trust_of(w);
    write_ours(w);
    fill_pages(w, 9);
    const ImageSeal seal = {.no_sync = true};
    succeeds(write_image(w, PAGES, &seal));
    is_verified_again(w, &trust);
}

static void test_a_file_that_others_may_write_is_never_recorded(void **state)
{
    const World *w = *state;
    const ImageTrust trust = trust_of(w);
    write_ours(w);
    assert_int_equal(chmod(w->path, 0620), 0);
    for (int i = 0; i < 2; i++) {
        ImageFile file;
        succeeds(image_file_open(w->path, &trust, &file));
        assert_false(file.installed);
        image_file_record(&file, &trust);
        image_file_close(&file);
    }
    assert_int_equal(chmod(w->path, 0640), 0);
    is_verified_again(w, &trust);
}

static size_t names_in(const char *path, char names[MOST_NAMES][NAME_MAX + 1])
{
    size_t n = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
        if (names && n < MOST_NAMES) snprintf(names[n], NAME_MAX + 1, "%s", d->d_name);
        n++;
    }
    closedir(dir);
    return n;
}

static void test_records_that_others_could_write_do_not_count(void **state)
{
    const World *w = *state;
    const ImageTrust trust = trust_of(w);
    write_ours(w);
    char images[128], names[MOST_NAMES][NAME_MAX + 1], record[512];
    snprintf(images, sizeof images, "%s/images", w->records);
    struct stat st;
    assert_int_equal(stat(images, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(names_in(images, names), 1);
    snprintf(record, sizeof record, "%s/%s", images, names[0]);
    const char *const paths[] = {w->records, images, record};
    const mode_t modes[] = {0700, 0700, 0600};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(chmod(paths[i], modes[i] | 0020), 0);
        assert_false(opens_installed(w, &trust, NULL));
        assert_int_equal(chmod(paths[i], modes[i]), 0);
        assert_true(opens_installed(w, &trust, NULL));
    }
    assert_int_equal(stat(record, &st), 0);
    for (off_t at = 0; at < st.st_size; at++) {
        int fd = open(record, O_RDWR | O_CLOEXEC);
        flip(fd, at);
        assert_false(opens_installed(w, &trust, NULL));
        flip(fd, at);
        close(fd);
    }
    assert_true(opens_installed(w, &trust, NULL));
    assert_int_equal(truncate(record, st.st_size - 1), 0);
    assert_false(opens_installed(w, &trust, NULL));
}

static void test_records_do_not_accumulate(void **state)
{
    const World *w = *state;
    write_ours(w);
    char images[128];
    snprintf(images, sizeof images, "%s/images", w->records);
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    const FileRecord what = {.flags = 0};
    FileRecord found;
    for (int i = 0; i < 1100; i++) {
        st.st_ino = (ino_t)i + 1;
        record_add(w->records, &st, &what);
        assert_true(record_find(w->records, &st, &found));
        assert_true(names_in(images, NULL) <= 1024);
    }
    st.st_ino = 1;
    assert_false(record_find(w->records, &st, &found));
}

/* ---- Signatures ---- */

static void test_signatures(void **state)
{
    const World *w = *state;
    const ImageSeal seal = {.sign_key = w->secret_key, .no_sync = true};
    succeeds(write_image(w, PAGES, &seal));
    ImageTrust trust = {.records = w->records, .keys = w->public_key, .nkeys = 1,
                        .require_signature = true};
    uint32_t flags;
    assert_false(opens_installed(w, &trust, &flags));
    assert_int_equal(flags, RECORD_OURS);
    /* Recorded: its signature still decides, and counts for as long as the key is trusted. */
    ImageFile file;
    succeeds(image_file_open(w->path, &trust, &file));
    image_file_record(&file, &trust);
    image_file_close(&file);
    for (int required = 0; required < 2; required++) {
        trust.require_signature = required;
        assert_true(opens_installed(w, &trust, &flags));
        assert_int_equal(flags, RECORD_OURS);
    }
    trust.keys = w->other_public;
    is_refused(image_file_open(w->path, &trust, &file), FNVM_E_INVALID, "not trusted");
    trust.require_signature = false;
    assert_true(opens_installed(w, &trust, &flags));
    assert_int_equal(flags, 0);
}

static void test_unsigned_images_where_a_signature_is_required(void **state)
{
    const World *w = *state;
    write_ours(w);
    ImageTrust trust = {.records = w->records, .keys = w->public_key, .nkeys = 1,
                        .require_signature = true};
    ImageFile file;
    is_refused(image_file_open(w->path, &trust, &file), FNVM_E_INVALID, "not signed");
    trust.records = NULL;
    is_refused(image_file_open(w->path, &trust, &file), FNVM_E_INVALID, "not signed");
}

/* Another's contents under the trusted signer's name. */
static void test_a_signature_of_something_else(void **state)
{
    const World *w = *state;
    const ImageSeal seal = {.sign_key = w->other_secret, .records = w->records, .no_sync = true};
    succeeds(write_image(w, PAGES, &seal));
    int fd = open_for_writing(w);
    assert_int_equal(pwrite(fd, w->public_key, 32, offsetof(ImageHead, signer)), 32);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    ImageHead head;
    assert_int_equal(pread(fd, &head, sizeof head, 0), sizeof head);
    close(fd);
    const ImageTrust trust = {.records = w->records, .keys = w->public_key, .nkeys = 1};
    ImageFile file;
    is_refused(image_file_open(w->path, &trust, &file), FNVM_E_MALFORMED, "signature");
    assert_int_equal(stat(w->path, &st), 0);
    record_add(w->records, &st, &(FileRecord){.hash = head.hash}); /* not even if it is recorded */
    is_refused(image_file_open(w->path, &trust, &file), FNVM_E_MALFORMED, "signature");
}

/* ---- Being killed ---- */

static void write_until_killed(World *w)
{
    const ImageSeal seal = seal_of(w);
    for (uint8_t salt = 0;; salt++) {
        fill_pages(w, salt);
        if (write_image(w, PAGES, &seal)) _exit(1);
    }
}

static void test_who_is_killed_leaves_a_whole_file(void **state)
{
    World *w = *state;
    const ImageTrust trust = {0};
    for (int i = 0; i < 40; i++) {
        if (i % 4 == 0) unlink(w->path);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) write_until_killed(w);
        usleep(randombytes_uniform(8000));
        assert_int_equal(kill(child, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        if (access(w->path, F_OK) != 0) continue;
        ImageFile file;
        succeeds(image_file_open(w->path, &trust, &file));
        fill_pages(w, (uint8_t)(file.map[2 * IMAGE_PAGE] - 2)); /* page 1 has 1 + salt + 1 */
        if (file.map[2 * IMAGE_PAGE] > 2) check_contents(w, &file);
        image_file_close(&file);
    }
    char names[MOST_NAMES][NAME_MAX + 1];
    const size_t n = names_in(w->directory, names);
    for (size_t i = 0; i < n; i++)
        assert_true(strcmp(names[i], "a.image") == 0 || strcmp(names[i], "records") == 0 ||
                    strncmp(names[i], ".a.image.", 9) == 0);
}

static void test_abandoning_leaves_nothing(void **state)
{
    const World *w = *state;
    ImageWriter *writer;
    uint64_t offset;
    succeeds(image_writer_open(w->path, &writer));
    succeeds(image_writer_pages(writer, w->pages, IMAGE_PAGE, &offset));
    image_writer_abandon(writer);
    image_writer_abandon(NULL);
    assert_int_equal(names_in(w->directory, NULL), 0);
}

/* ---- Leases ---- */

static volatile sig_atomic_t signals;
static void count_signal(int number)
{
    (void)number;
    signals++;
}

/* Whether another process can open the file for writing without waiting. */
static bool can_be_written(const World *w)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(open(w->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) >= 0 ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 0;
}

static bool has_leases(const World *w)
{
    int fd = open(w->path, O_RDONLY | O_CLOEXEC);
    bool has = fd >= 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
    if (fd >= 0) close(fd);
    return has;
}

static void test_an_installed_file_is_held(void **state)
{
    const World *w = *state;
    const ImageTrust trust = trust_of(w);
    write_ours(w);
    if (!has_leases(w)) skip();
    struct sigaction count = {.sa_handler = count_signal}, io, urgent;
    sigaction(SIGIO, &count, &io);
    sigaction(SIGURG, &count, &urgent);
    ImageFile file;
    succeeds(image_file_open(w->path, &trust, &file));
    assert_true(file.installed);
    assert_false(can_be_written(w));
    opens_installed(w, &trust, NULL); /* or not, while somebody waits to write; but it opens */
    image_file_close(&file);
    assert_true(can_be_written(w));
    assert_int_equal(signals, 0);
    sigaction(SIGIO, &io, NULL);
    sigaction(SIGURG, &urgent, NULL);
}

static void test_a_file_that_is_being_written_does_not_count(void **state)
{
    const World *w = *state;
    const ImageTrust trust = trust_of(w);
    write_ours(w);
    if (!has_leases(w)) skip();
    int fd = open_for_writing(w);
    ImageFile file;
    succeeds(image_file_open(w->path, &trust, &file));
    assert_false(file.installed);
    struct stat before = file.stat;
    before.st_ctim.tv_nsec++; /* what it would be recorded as must not be found */
    image_file_record(&file, &trust);
    image_file_close(&file);
    FileRecord record;
    assert_false(record_find(w->records, &before, &record));
    close(fd);
    uint32_t flags;
    assert_true(opens_installed(w, &trust, &flags));
    assert_int_equal(flags, RECORD_OURS); /* the record is still the writer's */
}

/* ---- Other files ---- */

static void test_measuring(void **state)
{
    const World *w = *state;
    const size_t size = PAGES * IMAGE_PAGE + 123;
    int fd = open(w->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, w->pages, PAGES * IMAGE_PAGE, 0),
                     PAGES * IMAGE_PAGE);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    uint8_t *bytes = calloc(1, size), *read_back = malloc(size);
    assert_true(bytes && read_back);
    memcpy(bytes, w->pages, PAGES * IMAGE_PAGE);
    ImageHash expected, hash, sealed_hash;
    crypto_generichash(expected.bytes, sizeof expected, bytes, size, NULL, 0);
    int sealed;
    succeeds(file_measure(fd, w->path, &hash, NULL));
    succeeds(file_measure(fd, w->path, &sealed_hash, &sealed));
    assert_memory_equal(&hash, &expected, sizeof hash);
    assert_memory_equal(&sealed_hash, &expected, sizeof hash);
    assert_int_equal(pread(sealed, read_back, size, 0), size);
    assert_memory_equal(read_back, bytes, size);
    assert_int_equal(pwrite(sealed, "x", 1, 0), -1);
    assert_int_equal(ftruncate(sealed, 0), -1);
    close(sealed);
    assert_int_equal(ftruncate(fd, 0), 0);
    succeeds(file_measure(fd, w->path, &hash, &sealed));
    crypto_generichash(expected.bytes, sizeof expected, bytes, 0, NULL, 0);
    assert_memory_equal(&hash, &expected, sizeof hash);
    close(sealed);
    close(fd);
    free(bytes);
    free(read_back);
}

/* ---- The working set ---- */

static uint64_t run(uint64_t page, uint64_t count)
{
    return page << WORKING_SET_COUNT_BITS | count;
}

static bool in_cache(int fd, uint64_t page)
{
    uint8_t resident;
    void *map = mmap(NULL, IMAGE_PAGE, PROT_READ, MAP_PRIVATE, fd, (off_t)(page * IMAGE_PAGE));
    assert_true(map != MAP_FAILED);
    assert_int_equal(mincore(map, IMAGE_PAGE, &resident), 0);
    munmap(map, IMAGE_PAGE);
    return resident & 1;
}

/* As instances would; false if the file cannot be dropped from the cache here. */
static bool train(const World *w, const uint64_t *touched, size_t n)
{
    int fd = open(w->path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0);
    succeeds(working_set_start(w->path));
    const bool dropped = !in_cache(fd, touched[0]);
    const size_t size = (PAGES + 1) * IMAGE_PAGE;
    void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    assert_true(map != MAP_FAILED);
    madvise(map, size, MADV_RANDOM);
    for (size_t i = 0; i < n; i++) (void)((volatile const uint8_t *)map)[touched[i] * IMAGE_PAGE];
    munmap(map, size);
    close(fd);
    return dropped;
}

static void test_the_working_set(void **state)
{
    const World *w = *state;
    const ImageTrust trust = trust_of(w);
    const ImageSeal seal = seal_of(w);
    const uint64_t touched[] = {3, 6, 7, 50, 120, 124, 299};
    write_ours(w);
    if (!train(w, touched, 7)) skip();
    succeeds(working_set_write(w->path, &seal, NULL, 0));
    ImageFile file;
    succeeds(image_file_open(w->path, &trust, &file));
    assert_true(file.installed);
    check_contents(w, &file);
    succeeds(working_set_check(&file));
    const ImagePart part = file.head->parts[IMAGE_WORKING_SET];
    const uint64_t *words = (const uint64_t *)(file.map + part.offset);
    const uint64_t expected[] = {run(3, 5), run(50, 1), run(120, 5), run(299, 1)};
    assert_int_equal(part.count, 4);
    assert_memory_equal(words, expected, sizeof expected);
    image_file_close(&file);

    assert_true(train(w, touched, 1)); /* cold but for one page */
    succeeds(image_file_open(w->path, &trust, &file));
    working_set_load(&file);
    for (size_t i = 0; i < 7; i++) {
        (void)*(volatile const uint8_t *)(file.map + touched[i] * IMAGE_PAGE); /* waits for it */
        assert_true(in_cache(file.fd, touched[i]));
    }
    working_set_load(&file); /* warm */
    check_contents(w, &file);
    image_file_close(&file);
}

/* Rewriting gives an image no trust that it had not. */
static void test_the_working_set_of_a_stranger(void **state)
{
    const World *w = *state;
    const ImageTrust trust = trust_of(w);
    const ImageSeal nobodys = {.no_sync = true}, seal = seal_of(w);
    succeeds(write_image(w, PAGES, &nobodys));
    succeeds(working_set_write(w->path, &seal, NULL, 0));
    is_verified_again(w, &trust);
}

static void test_working_sets_that_lie_are_refused(void **state)
{
    const World *w = *state;
    const uint64_t lies[][2] = {{run(0, 1), 0}, {run(1, 0), 0}, {run(1, 4), 0}, {run(4, 1), 0},
                                {UINT64_MAX, 0}, {UINT64_MAX << WORKING_SET_COUNT_BITS | 1, 0},
                                {run(2, 1), run(1, 1)}, {run(1, 2), run(2, 1)}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        ImageWriter *writer;
        uint64_t offset;
        ImageHead head = {0};
        const ImageSeal seal = {.no_sync = true};
        succeeds(image_writer_open(w->path, &writer));
        succeeds(image_writer_pages(writer, w->pages, 3 * IMAGE_PAGE, &offset));
        succeeds(image_writer_part(writer, IMAGE_WORKING_SET, lies[i], lies[i][1] ? 2 : 1, NULL));
        succeeds(image_writer_finish(writer, &head, &seal));
        ImageFile file;
        succeeds(image_file_open(w->path, &(ImageTrust){0}, &file));
        is_refused(working_set_check(&file), FNVM_E_MALFORMED, "working set");
        image_file_close(&file);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_an_image_without_pages),
        TEST(test_zero_pages_are_holes),
        TEST(test_a_hole_of_many_gigabytes_costs_nothing),
        TEST(test_what_is_written_elsewhere_is_refused),
        TEST(test_every_byte_of_the_head_counts),
        TEST(test_every_byte_of_pages_and_parts_counts),
        TEST(test_a_damaged_chunk_is_named),
        TEST(test_other_lengths_are_refused),
        TEST(test_heads_that_lie_are_refused),
        TEST(test_what_is_no_image_is_refused),
        TEST(test_a_file_without_a_name),
        TEST(test_a_touched_file_is_verified_again),
        TEST(test_a_changed_file_is_refused),
        TEST(test_a_replaced_file_is_verified),
        TEST(test_a_file_that_others_may_write_is_never_recorded),
        TEST(test_records_that_others_could_write_do_not_count),
        TEST(test_records_do_not_accumulate),
        TEST(test_signatures),
        TEST(test_unsigned_images_where_a_signature_is_required),
        TEST(test_a_signature_of_something_else),
        TEST(test_who_is_killed_leaves_a_whole_file),
        TEST(test_abandoning_leaves_nothing),
        TEST(test_an_installed_file_is_held),
        TEST(test_a_file_that_is_being_written_does_not_count),
        TEST(test_measuring),
        TEST(test_the_working_set),
        TEST(test_the_working_set_of_a_stranger),
        TEST(test_working_sets_that_lie_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
