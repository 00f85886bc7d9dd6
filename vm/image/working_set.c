/* What was touched is what mincore(2) finds in the page cache.  The list is the only thing that is
 * new in the rewritten image: pages keep their places. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vm/error.h"
#include "vm/image/pagemap.h"
#include "vm/image/sealed.h"
#include "vm/image/working_set.h"

enum {
    /* Runs this close are listed as one: reading 4 pages more takes a disk less than an operation
     * more (of 400 pages scattered over 20 MB, loading took the same time with 258 runs as with
     * 362; on disks that count operations it takes less). */
    GAP_PAGES = 4,
    SAMPLES = 8 /* runs that are looked at before loading: about 1 us each */
};

typedef struct FileRun { uint64_t page, count; } FileRun; /* in the file */

static uint64_t pack(FileRun run) { return run.page << WORKING_SET_COUNT_BITS | run.count; }
static FileRun unpack(uint64_t word)
{
    return (FileRun){word >> WORKING_SET_COUNT_BITS,
                 word & ((UINT64_C(1) << WORKING_SET_COUNT_BITS) - 1)};
}

/* ---- Loading ---- */

static const uint64_t *list(const ImageFile *file, uint64_t *n)
{
    const ImagePart part = file->head->parts[IMAGE_WORKING_SET];
    *n = part.count;
    return (const uint64_t *)(file->map + part.offset);
}

fnvm_error *working_set_check(const ImageFile *file)
{
    uint64_t n, next = 1; /* page 0 is the head */
    const uint64_t end = file->head->parts_offset / IMAGE_PAGE;
    const uint64_t *words = list(file, &n);
    for (uint64_t i = 0; i < n; i++) {
        const FileRun run = unpack(words[i]);
        if (run.page < next || run.page >= end || run.count == 0 || run.count > end - run.page)
            return fnvm_error_new(FNVM_E_MALFORMED, "run %" PRIu64 " of the image's working set is "
                                  "not among its pages, or out of order", i);
        next = run.page + run.count;
    }
    return NULL;
}

/* Whether reading the page would not wait; false where the system cannot say. */
static bool is_cached(int fd, uint64_t page)
{
    uint8_t byte;
    struct iovec to = {&byte, 1};
    return preadv2(fd, &to, 1, (off_t)(page * IMAGE_PAGE), RWF_NOWAIT) == 1;
}

void working_set_load(const ImageFile *file)
{
    uint64_t n;
    const uint64_t *words = list(file, &n);
    if (!file->installed || n == 0) return;
    const uint64_t step = n / SAMPLES + 1;
    bool cached = true;
    for (uint64_t i = 0; i < n && cached; i += step)
        cached = is_cached(file->fd, unpack(words[i]).page);
    if (cached) return;
    for (uint64_t i = 0; i < n; i++) {
        const FileRun run = unpack(words[i]);
        posix_fadvise(file->fd, (off_t)(run.page * IMAGE_PAGE), (off_t)(run.count * IMAGE_PAGE),
                      POSIX_FADV_WILLNEED);
    }
}

/* ---- Training ---- */

fnvm_error *working_set_start(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return read_error(path);
    /* Only what is on the disk can be dropped. */
    fnvm_error *error = fsync(fd) != 0 ? read_error(path) : NULL;
    int number = error ? 0 : posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (number) {
        errno = number;
        error = read_error(path);
    }
    close(fd);
    return error;
}

typedef struct Touched {
    struct stat stat;
    uint8_t *pages; uint64_t n; /* mincore's bytes */
} Touched;

static fnvm_error *map_and_look(int fd, const char *path, Touched *out)
{
    if (fstat(fd, &out->stat) != 0) return read_error(path);
    if (!S_ISREG(out->stat.st_mode) || out->stat.st_size < IMAGE_PAGE)
        return fnvm_error_new(FNVM_E_MALFORMED, "`%s` is no image", path);
    const uint64_t size = (uint64_t)out->stat.st_size;
    fnvm_error *error = image_limits(path, size, size);
    if (error) return error;
    out->n = size / IMAGE_PAGE; /* pages are whole; what is behind the last whole one is parts */
    out->pages = malloc(out->n);
    if (!out->pages) return error_no_memory();
    void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) return read_error(path);
    if (mincore(map, out->n * IMAGE_PAGE, out->pages) != 0) error = read_error(path);
    munmap(map, size);
    return error;
}

/* Has to come before anything reads the file. */
static fnvm_error *find_touched(const char *path, Touched *out)
{
    *out = (Touched){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return read_error(path);
    fnvm_error *error = map_and_look(fd, path, out);
    close(fd);
    if (error) {
        free(out->pages);
        out->pages = NULL;
    }
    return error;
}

/* The run that begins at the first touched page from `page` on; none: it ends where pages end. */
static FileRun next_run(const Touched *touched, uint64_t page, uint64_t end)
{
    while (page < end && !(touched->pages[page] & 1)) page++;
    uint64_t stop = page;
    for (uint64_t at = page; at < end && at <= stop + GAP_PAGES; at++)
        if (touched->pages[at] & 1) stop = at + 1;
    return (FileRun){page, stop - page};
}

static fnvm_error *write_list(ImageWriter *w, const ImageFile *old, const Touched *touched)
{
    const uint64_t end = old->head->parts_offset / IMAGE_PAGE;
    fnvm_error *error = NULL;
    for (uint64_t page = 1; page < end && !error;) {
        const FileRun run = next_run(touched, page, end);
        if (run.count == 0) break;
        const uint64_t word = pack(run);
        error = image_writer_part(w, IMAGE_WORKING_SET, &word, 1, NULL);
        page = run.page + run.count;
    }
    return error;
}

static fnvm_error *copy_parts(ImageWriter *w, const ImageFile *old)
{
    fnvm_error *error = NULL;
    for (unsigned i = 0; i < IMAGE_PART_COUNT && !error; i++) {
        const ImagePart part = old->head->parts[i];
        if (i != IMAGE_WORKING_SET && i != IMAGE_WRITTEN && i != IMAGE_CHUNKS) /* the writer makes its own */
            error = image_writer_part(w, i, old->map + part.offset, part.count, NULL);
    }
    return error;
}

typedef struct PageCopy { ImageWriter *writer; fnvm_error *error; } PageCopy;

static bool copy_pages(void *env, const uint8_t *bytes, uint64_t size)
{
    PageCopy *copy = env;
    uint64_t offset;
    copy->error = image_writer_pages(copy->writer, bytes, size, &offset);
    return !copy->error;
}

/* What an image is rewritten with. */
typedef struct Lists { const Touched *touched; const ImageRun *written; uint64_t nwritten; } Lists;

static fnvm_error *rewrite(const char *path, const ImageFile *old, const Lists *lists,
                           const ImageSeal *seal)
{
    PageCopy copy = {0};
    fnvm_error *error = image_writer_open(path, &copy.writer);
    if (error) return error;
    sealed_walk(old->fd, old->map, IMAGE_PAGE, old->head->parts_offset, copy_pages, &copy);
    error = copy.error;
    if (!error) error = copy_parts(copy.writer, old);
    if (!error) error = write_list(copy.writer, old, lists->touched);
    if (!error)
        error = image_writer_part(copy.writer, IMAGE_WRITTEN, lists->written, lists->nwritten, NULL);
    if (error) {
        image_writer_abandon(copy.writer);
        return error;
    }
    ImageHead head = *old->head;
    return image_writer_finish(copy.writer, &head, seal);
}

static fnvm_error *rewrite_opened(const char *path, const ImageFile *old, const Lists *lists,
                                  const ImageSeal *seal)
{
    const struct stat *looked_at = &lists->touched->stat;
    if (old->stat.st_dev != looked_at->st_dev || old->stat.st_ino != looked_at->st_ino ||
        old->size != (uint64_t)looked_at->st_size)
        return fnvm_error_new(FNVM_E_USAGE, "image `%s` was replaced while its working set was "
                              "looked for; start again", path);
    ImageSeal sealing = *seal;
    /* Writing makes nobody's image ours. */
    if (!old->installed || !(old->flags & RECORD_OURS)) sealing.records = NULL;
    return rewrite(path, old, lists, &sealing);
}

fnvm_error *working_set_write(const char *path, const ImageSeal *seal, const ImageRun *written,
                              uint64_t nwritten)
{
    Touched touched;
    fnvm_error *error = find_touched(path, &touched);
    if (error) return error;
    ImageFile old;
    error = image_file_open(path, &(ImageTrust){.records = seal->records}, &old);
    if (!error) {
        error = rewrite_opened(path, &old, &(Lists){&touched, written, nwritten}, seal);
        image_file_close(&old);
    }
    free(touched.pages);
    return error;
}

/* ---- Pages that are written ---- */

typedef struct WrittenRuns {
    const Instance *inst;
    ImageRun *runs;
    uint64_t n, capacity;
} WrittenRuns;

static bool add_written(void *env, uintptr_t from, uintptr_t to)
{
    WrittenRuns *w = env;
    if (w->n == w->capacity) {
        uint64_t capacity = w->capacity ? w->capacity * 2 : 64;
        ImageRun *bigger = reallocarray(w->runs, capacity, sizeof *bigger);
        if (!bigger) return false;
        w->runs = bigger;
        w->capacity = capacity;
    }
    w->runs[w->n++] = (ImageRun){w->inst->id, (uint32_t)((to - from) / IMAGE_PAGE),
                                 from - (uintptr_t)region_base(w->inst)};
    return true;
}

static bool find_written(WrittenRuns *w, int pagemap)
{
    const uint32_t n = region_nranges(w->inst);
    RegionRange *ranges = calloc(n, sizeof *ranges);
    if (!ranges) return false;
    region_ranges(w->inst, ranges);
    bool ok = true;
    for (uint32_t i = 0; i < n && ok; i++) {
        const uintptr_t from = (uintptr_t)region_base(w->inst) + ranges[i].at;
        ok = pagemap_each(pagemap, from, from + ranges[i].size, PAGEMAP_WRITTEN, add_written, w);
    }
    free(ranges);
    return ok;
}

/* Where the kernel cannot be asked, none are known. */
fnvm_error *working_set_written(const Store *s, ImageRun **runs, uint64_t *n)
{
    WrittenRuns w = {0};
    int pagemap = pagemap_open();
    bool ok = true;
    for (uint32_t i = 1; i < s->ninstances && ok && pagemap >= 0; i++) {
        w.inst = s->instances[i];
        ok = find_written(&w, pagemap);
    }
    pagemap_close(pagemap);
    if (!ok) {
        free(w.runs);
        return error_no_memory();
    }
    *runs = w.runs;
    *n = w.n;
    return NULL;
}

void working_set_populate(const Store *s)
{
    if (!s->image) return;
    const ImageRun *runs = image_part(s->image, IMAGE_WRITTEN);
    for (uint64_t i = 0; i < image_count(s->image, IMAGE_WRITTEN); i++)
        (void)madvise(region_base(s->instances[runs[i].instance]) + runs[i].at,
                      (size_t)runs[i].count * IMAGE_PAGE, MADV_POPULATE_WRITE);
}
