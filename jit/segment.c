/* Segments of compiled code.  The engine's range is reserved without access; a segment takes the
 * first gap that is large enough, makes its entries writable and maps its file over the rest, a
 * step at a time, as code is added.  Code that comes from a file is mapped before it, whole pages.
 * Addresses of blobs only ever ascend, so that their offsets, one after the other, are an index to
 * search; it has room for all functions and never moves. */
#include "jit/segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jit/listen.h"
#include "vm/error.h"
#include "vm/tunables.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3 */
#endif

/* Reserved for all code: enough for thousands of modules; a system that limits addresses gets by
 * with less. */
static const uint64_t SPACE_MOST = UINT64_C(64) << 30, SPACE_LEAST = UINT64_C(1) << 30;

enum {
    CODE_PER_BYTE = 24,        /* of bytecode: several times what compiling makes of any module */
    CODE_LEAST = 1 << 20,      /* for modules of a few instructions */
    CODE_MOST = 1 << 30,       /* with the entries less than a 32-bit displacement reaches */
    HELD_MOST = 256 * 1024,    /* written at once */
    STEP_LEAST = 64 * 1024,    /* what the file grows by: at first, and at most */
    STEP_MOST = 4 << 20
};

typedef struct CodeRange {     /* a segment's part of the space */
    struct CodeRange *next;    /* in the order of addresses */
    size_t start, size;
} CodeRange;

struct CodeSpace {
    uint8_t *base;
    size_t size, page;
    const uint8_t *alive;      /* a page that a fork finds zeroed */
    pthread_mutex_t lock;      /* of the ranges, and of: */
    bool tried;                /* code_space_try succeeded */
    CodeRange *ranges;
};

struct Segment {
    CodeSpace *space;
    CodeRange *range;
    const Module *module;
    const void *lazy_stub;
    void **entries;            /* the start of the range */
    uint8_t *code;             /* behind the entries, at the start of a page */
    uint32_t nentries;

    const uint32_t *file_blobs; /* offsets in the code of the blobs that segment_map brought */
    uint32_t nfile_blobs;
    uint32_t *blobs;           /* and of those behind them: nentries long; a mapping, with `placed` */
    size_t tables_size;        /* of both, in bytes */
    _Atomic uint32_t nblobs;   /* all; published after the blob and its offset */
    _Atomic uint32_t *placed;  /* see segment_code: nentries long; 0 for those of segment_map */

    pthread_mutex_t lock;      /* of what follows, and of adding */
    uint32_t limit;            /* bytes that the code may have */
    _Atomic uint32_t used;     /* bytes, those held included; a multiple of BLOB_ALIGN */
    uint32_t mapped;           /* bytes, a multiple of the page */
    uint32_t first_own;        /* where the memory file begins: behind what segment_map brought */
    int fd;                    /* of the memory file; -1 until something is added */
    uint8_t *held;             /* blobs not written yet: the last ones of `used` */
    uint32_t held_size, held_capacity;
    bool holding, broken;
    uint32_t adopted;          /* bytes that segment_adopt or segment_map brought */
};

static size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

/* ---- The engine's range ---- */

static fnvm_error *refused(const char *what)
{
    return fnvm_error_new(FNVM_E_IO, "%s: %s; run with the interpreter instead", what,
                          strerror(errno));
}

static void *reserve(void *at, size_t size)
{
    int fixed = at ? MAP_FIXED : 0;
    void *p = mmap(at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* A file in memory that may be executed; -1 if there is none to be had. */
static int code_file(void)
{
    int fd = memfd_create("fnvm-code", MFD_CLOEXEC | MFD_EXEC);
    if (fd < 0 && errno == EINVAL) fd = memfd_create("fnvm-code", MFD_CLOEXEC);
    return fd;
}

/* Maps `size` bytes of the file executable at `at`, which lies in the range. */
static bool map_code(uint8_t *at, size_t size, int flags, int fd, uint64_t offset)
{
    void *p = mmap(at, size, PROT_READ | PROT_EXEC, flags | MAP_FIXED, fd, (off_t)offset);
    return p != MAP_FAILED;
}

/* Whether the file may grow to `size`: past this limit the system kills the process instead of
 * refusing. */
static bool file_may_grow(uint64_t size)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && size <= limit.rlim_cur;
}

/* Whether the system lets us execute what we write: it is better known now than at every call. */
static bool may_execute(const CodeSpace *space)
{
    int fd = code_file();
    if (fd < 0) return false;
    errno = EFBIG;
    uint8_t *const last = space->base + space->size - space->page; /* no segment gets there */
    bool ok = file_may_grow(space->page) && ftruncate(fd, (off_t)space->page) == 0 &&
              map_code(last, space->page, MAP_SHARED, fd, 0) && reserve(last, space->page);
    int reason = errno;
    close(fd);
    errno = reason;
    return ok;
}

static bool make_alive(CodeSpace *space)
{
    uint8_t *page = mmap(NULL, space->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                         -1, 0);
    if (page == MAP_FAILED) return false;
    space->alive = page;
    *page = 1;
    return madvise(page, space->page, MADV_WIPEONFORK) == 0;
}

fnvm_error *code_space_new(CodeSpace **out)
{
    CodeSpace *space = calloc(1, sizeof *space);
    if (!space) return error_no_memory();
    if (pthread_mutex_init(&space->lock, NULL) != 0) {
        free(space);
        return error_no_memory();
    }
    space->page = (size_t)sysconf(_SC_PAGESIZE);
    for (uint64_t size = SPACE_MOST; size >= SPACE_LEAST && !space->base; size /= 2) {
        space->size = (size_t)size;
        space->base = reserve(NULL, space->size);
    }
    fnvm_error *error = NULL;
    if (!space->base || !make_alive(space)) {
        error = refused("cannot reserve addresses for compiled code");
        code_space_free(space);
        return error;
    }
    *out = space;
    return NULL;
}

fnvm_error *code_space_try(CodeSpace *space)
{
    fnvm_error *error = NULL;
    pthread_mutex_lock(&space->lock);
    if (!space->tried && !may_execute(space))
        error = refused("the system does not let compiled code be executed");
    space->tried = !error;
    pthread_mutex_unlock(&space->lock);
    return error;
}

void code_space_free(CodeSpace *space)
{
    if (!space) return;
    if (space->base) munmap(space->base, space->size);
    if (space->alive) munmap((void *)(uintptr_t)space->alive, space->page);
    while (space->ranges) { /* those that could not be given back */
        CodeRange *r = space->ranges;
        space->ranges = r->next;
        free(r);
    }
    pthread_mutex_destroy(&space->lock);
    free(space);
}

bool code_space_contains(const CodeSpace *space, const void *address)
{
    return (uintptr_t)address - (uintptr_t)space->base < space->size;
}

/* The first place from `at` on whose code, behind `entries` bytes, is at a multiple of `align`. */
static size_t aligned_start(const CodeSpace *space, size_t at, size_t entries, size_t align)
{
    const uintptr_t code = (uintptr_t)space->base + at + entries;
    return at + (size_t)((align - code % align) % align);
}

/* The first gap with room for the entries and the code. */
static bool range_take(CodeSpace *space, CodeRange *range, size_t entries, size_t code)
{
    const size_t align = code >= SEGMENT_ALIGN ? SEGMENT_ALIGN : space->page;
    pthread_mutex_lock(&space->lock);
    CodeRange **link = &space->ranges;
    size_t at = aligned_start(space, 0, entries, align);
    while (*link && (at > (*link)->start || (*link)->start - at < entries + code)) {
        at = aligned_start(space, (*link)->start + (*link)->size, entries, align);
        link = &(*link)->next;
    }
    const size_t end = space->size - space->page;
    bool found = *link || (at < end && end - at >= entries + code);
    if (found) {
        *range = (CodeRange){*link, at, entries + code};
        *link = range;
    }
    pthread_mutex_unlock(&space->lock);
    return found;
}

/* What cannot be unmapped stays taken. */
static void range_give_back(CodeSpace *space, CodeRange *range)
{
    if (!reserve(space->base + range->start, range->size)) return;
    pthread_mutex_lock(&space->lock);
    CodeRange **link = &space->ranges;
    while (*link != range) link = &(*link)->next;
    *link = range->next;
    pthread_mutex_unlock(&space->lock);
    free(range);
}

/* ---- Segments ---- */

/* Bytes of code that the module may need. */
static size_t code_wanted(const Module *m)
{
    uint32_t n = m->nfuncs - m->n_imported_funcs;
    uint64_t bytes = n ? m->bodies[n - 1].end - m->bodies[0].start : 0;
    bytes = bytes * CODE_PER_BYTE + CODE_LEAST;
    return bytes < CODE_MOST ? (size_t)bytes : CODE_MOST;
}

/* Module limits keep it far below 32 bits. */
uint32_t segment_code_start(const Module *m)
{
    size_t entries = (size_t)(m->nfuncs - m->n_imported_funcs) * sizeof(void *);
    return (uint32_t)round_up(entries, (size_t)sysconf(_SC_PAGESIZE));
}

/* A range of its own, smaller than wanted if there is no other; all that can fail on the way. */
static fnvm_error *place(Segment *s)
{
    CodeSpace *space = s->space;
    size_t entries = segment_code_start(s->module);
    size_t code = round_up(code_wanted(s->module), space->page);
    CodeRange *range = malloc(sizeof *range);
    if (!range) return error_no_memory();
    while (!range_take(space, range, entries, code)) {
        if (code <= CODE_LEAST) {
            free(range);
            return fnvm_error_new(FNVM_E_LIMIT, "no addresses are left for a module's compiled "
                                  "code; free modules that are not in use, or use the interpreter");
        }
        code = round_up(code / 2, space->page);
    }
    s->range = range;
    s->entries = (void **)(void *)(space->base + range->start);
    s->code = space->base + range->start + entries;
    s->limit = (uint32_t)code;
    if (entries && mprotect(s->entries, entries, PROT_READ | PROT_WRITE))
        return fnvm_error_new(FNVM_E_MEMORY, "the host has no memory for the entries of %u "
                              "functions", s->nentries);
    return NULL;
}

/* Zeros that take no memory until they are used: of a large module, most never are. */
static void *new_tables(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

fnvm_error *segment_new(Module *m, const void *lazy_stub, Segment **out)
{
    Segment *s = calloc(1, sizeof *s);
    if (!s) return error_no_memory();
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return error_no_memory();
    }
    s->space = m->engine->code_space;
    s->module = m;
    s->lazy_stub = lazy_stub;
    s->nentries = m->nfuncs - m->n_imported_funcs;
    s->fd = -1;
    s->tables_size = 2 * ((size_t)s->nentries + 1) * sizeof(uint32_t);
    s->blobs = new_tables(s->tables_size);
    s->placed = s->blobs ? (_Atomic uint32_t *)(s->blobs + s->nentries + 1) : NULL;
    fnvm_error *error = s->blobs ? place(s) : error_no_memory();
    if (error) {
        segment_free(s);
        return error;
    }
    /* All of it is written now: one call costs less than a fault for each page. */
    madvise(s->entries, segment_code_start(m), MADV_POPULATE_WRITE);
    void **const entries = s->entries;
    for (uint32_t i = 0, n = s->nentries; i < n; i++) entries[i] = (void *)(uintptr_t)lazy_stub;
    *out = s;
    return NULL;
}

void segment_free(Segment *s)
{
    if (!s) return;
    if (s->range) range_give_back(s->space, s->range);
    if (s->fd >= 0) close(s->fd);
    pthread_mutex_destroy(&s->lock);
    if (s->blobs) munmap(s->blobs, s->tables_size);
    free(s->held);
    free(s);
}

void *const *segment_entries(const Segment *s) { return s->entries; }
void segment_lock(Segment *s) { pthread_mutex_lock(&s->lock); }
void segment_unlock(Segment *s) { pthread_mutex_unlock(&s->lock); }

static uint32_t code_start(const Segment *s)
{
    return (uint32_t)(s->code - (const uint8_t *)s->entries);
}

static uint32_t segment_used(const Segment *s)
{
    return atomic_load_explicit(&s->used, memory_order_relaxed);
}

uint32_t segment_next_code(const Segment *s)
{
    return code_start(s) + segment_used(s) + (uint32_t)sizeof(BlobHead);
}

static uint32_t own_index(const Segment *s, uint32_t func)
{
    return func - s->module->n_imported_funcs;
}

/* The published code of an own function; NULL if it has none. */
static const uint8_t *func_code(const Segment *s, uint32_t func)
{
    const void *entry = __atomic_load_n(&s->entries[own_index(s, func)], __ATOMIC_ACQUIRE);
    return entry == s->lazy_stub ? NULL : entry;
}

static const Range *func_body(const Module *m, uint32_t func)
{
    return &m->bodies[func - m->n_imported_funcs];
}

uint32_t segment_code(const Segment *s, uint32_t func)
{
    uint32_t placed = atomic_load_explicit(&s->placed[own_index(s, func)], memory_order_relaxed);
    if (placed) return placed;
    const uint8_t *code = func_code(s, func);
    return code ? (uint32_t)(code - (const uint8_t *)s->entries) : 0;
}

static void place_code(Segment *s, uint32_t func, uint32_t code)
{
    atomic_store_explicit(&s->placed[own_index(s, func)], code, memory_order_relaxed);
}

/* ---- Adding ---- */

/* Makes the first `size` bytes of the code readable. */
static bool extend(Segment *s, uint32_t size)
{
    if (size <= s->mapped) return true;
    uint32_t step = s->mapped < STEP_MOST ? s->mapped : STEP_MOST;
    if (step < STEP_LEAST) step = STEP_LEAST;
    uint64_t wanted = (uint64_t)s->mapped + step;
    if (wanted < size) wanted = size;
    wanted = round_up((size_t)wanted, s->space->page);
    if (wanted > s->limit) wanted = s->limit;
    if (!file_may_grow(wanted - s->first_own) ||
        ftruncate(s->fd, (off_t)(wanted - s->first_own)) != 0 ||
        !map_code(s->code + s->mapped, (size_t)wanted - s->mapped, MAP_SHARED, s->fd,
                  s->mapped - s->first_own))
        return false;
    s->mapped = (uint32_t)wanted;
    return true;
}

/* A fork shares the file with the process it is from: both would write to the same place. */
static bool open_file(Segment *s)
{
    if (!*s->space->alive) return false;
    if (s->fd < 0) s->fd = code_file();
    return s->fd >= 0;
}

static bool write_all(int fd, const uint8_t *bytes, size_t size, off_t at)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, bytes, size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes += n;
        size -= (size_t)n;
        at += n;
    }
    return true;
}

/* Lets everybody see the blob at `offset`, which is complete and has this head. */
static void publish(Segment *s, uint32_t offset, const BlobHead *head)
{
    uint8_t *code = s->code + offset + sizeof *head;
    uint32_t n = atomic_load_explicit(&s->nblobs, memory_order_relaxed);
    s->blobs[n - s->nfile_blobs] = offset;
    atomic_store_explicit(&s->nblobs, n + 1, memory_order_release);
    __builtin___clear_cache((char *)code, (char *)code + head->code_size);
    if (s->module->engine->listeners) code_published(s->module, head->func, code, head->code_size);
    __atomic_store_n(&s->entries[own_index(s, head->func)], code, __ATOMIC_RELEASE);
}

static const BlobHead *image_blob(const uint8_t *image, uint32_t at)
{
    return (const BlobHead *)(const void *)(image + at);
}

/* Writes what is held and publishes it.  Code may count on what was placed: if it cannot be written
 * nothing can be added any more, and what was placed has no code. */
static bool flush(Segment *s)
{
    const uint32_t from = segment_used(s) - s->held_size;
    s->broken = s->broken || !extend(s, from + s->held_size) ||
                !write_all(s->fd, s->held, s->held_size, from - s->first_own);
    for (uint32_t at = 0; at < s->held_size;) {
        const BlobHead *h = image_blob(s->held, at);
        if (s->broken) place_code(s, h->func, 0);
        else publish(s, from + at, h);
        at += (uint32_t)blob_size(h);
    }
    s->held_size = 0;
    return !s->broken;
}

static bool hold(Segment *s, uint32_t size)
{
    if (size <= s->held_capacity - s->held_size) return true;
    uint32_t wanted = s->held_size + size < HELD_MOST ? HELD_MOST : s->held_size + size;
    uint8_t *bigger = realloc(s->held, wanted);
    if (!bigger) return false;
    s->held = bigger;
    s->held_capacity = wanted;
    return true;
}

/* The code was made to lie at c->base; distances to what does not move with it are put right. */
static void relocate(uint8_t *code, const Compiled *c, uint32_t base)
{
    for (uint32_t i = 0; i < c->nfixups && base != c->base; i++) {
        uint32_t distance;
        memcpy(&distance, code + c->fixups[i], sizeof distance);
        distance -= base - c->base;
        memcpy(code + c->fixups[i], &distance, sizeof distance);
    }
}

static void append_blob(Segment *s, const BlobHead *head, const Compiled *c)
{
    const uint32_t first_pc = func_body(s->module, c->func)->start + head->first_pc;
    uint8_t *blob = s->held + s->held_size;
    memset(blob, 0, (size_t)blob_size(head));
    memcpy(blob, head, sizeof *head);
    memcpy(blob + sizeof *head, c->code, c->code_size);
    if (c->points_size)
        memcpy(blob + sizeof *head + c->code_size, c->points, c->points_size);
    if (c->npads) memcpy(blob + blob_pads_at(head), c->pads, c->npads * sizeof *c->pads);
    points_mark(c->points, c->points_size, first_pc,
                (PointMark *)(void *)(blob + blob_marks_at(head)));
    relocate(blob + sizeof *head, c, segment_next_code(s));
    s->held_size += (uint32_t)blob_size(head);
}

bool segment_add(Segment *s, const Compiled *c)
{
    if (segment_code(s, c->func)) return true;
    const FuncCode *verified = atomic_load_explicit(&s->module->code[own_index(s, c->func)],
                                                    memory_order_acquire);
    const uint32_t first_pc = verified->start - func_body(s->module, c->func)->start;
    const BlobHead head = {c->func, c->code_size, c->points_size, c->npads, first_pc, {0}};
    const uint64_t size = blob_size(&head);
    if (s->broken || size > s->limit - segment_used(s) || !open_file(s) ||
        !hold(s, (uint32_t)size))
        return false;
    const uint32_t code = segment_next_code(s);
    append_blob(s, &head, c);
    atomic_store_explicit(&s->used, segment_used(s) + (uint32_t)size, memory_order_relaxed);
    if (s->holding && s->held_size < HELD_MOST) return place_code(s, c->func, code), true;
    place_code(s, c->func, code);
    return flush(s);
}

bool segment_hold(Segment *s, bool on)
{
    s->holding = on;
    return on || flush(s);
}

/* ---- Finding ---- */

static uint32_t blob_offset(const Segment *s, uint32_t i)
{
    return i < s->nfile_blobs ? s->file_blobs[i] : s->blobs[i - s->nfile_blobs];
}

static const BlobHead *blob_at(const Segment *s, uint32_t i)
{
    return (const BlobHead *)(const void *)(s->code + blob_offset(s, i));
}

/* The last blob that begins at or before `offset`; NULL if there is none. */
static const BlobHead *blob_before(const Segment *s, uintptr_t offset)
{
    uint32_t from = 0, to = atomic_load_explicit(&s->nblobs, memory_order_acquire);
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (blob_offset(s, middle) <= offset)
            from = middle + 1;
        else
            to = middle;
    }
    return from ? blob_at(s, from - 1) : NULL;
}

static const uint8_t *blob_points(const BlobHead *h)
{
    return (const uint8_t *)(h + 1) + h->code_size;
}

static const PointMark *blob_marks(const BlobHead *h)
{
    return (const PointMark *)(const void *)((const uint8_t *)h + blob_marks_at(h));
}

/* Where the points' offsets in the bytecode count from. */
static uint32_t blob_first_pc(const Module *m, const BlobHead *h)
{
    return func_body(m, h->func)->start + h->first_pc;
}

bool segment_blob_point(const Module *m, const BlobHead *h, uint32_t native, Point *out)
{
    return points_find(blob_points(h), h->points_size, blob_first_pc(m, h), blob_marks(h), native,
                       out);
}

bool segment_function_at(const Segment *s, const void *address, uint32_t *func)
{
    uintptr_t offset = (uintptr_t)address - (uintptr_t)s->code;
    const BlobHead *h = offset < s->limit ? blob_before(s, offset) : NULL;
    if (!h || (uintptr_t)address - (uintptr_t)(h + 1) > h->code_size) return false;
    *func = h->func;
    return true;
}

bool segment_find(const Segment *s, const void *address, CodePoint *out)
{
    uintptr_t offset = (uintptr_t)address - (uintptr_t)s->code;
    if (offset >= s->limit) return false;
    const BlobHead *h = blob_before(s, offset);
    if (!h) return false;
    uintptr_t native = (uintptr_t)address - (uintptr_t)(h + 1);
    if (native > h->code_size) return false; /* equal: a call ends the function */
    Point p;
    if (!segment_blob_point(s->module, h, (uint32_t)native, &p)) return false;
    *out = (CodePoint){h->func, p.pc, p.slots};
    return true;
}

const void *segment_pad(const Segment *s, uint32_t func, uint32_t clause)
{
    const uint8_t *code = func_code(s, func);
    if (!code) return NULL;
    const BlobHead *h = (const BlobHead *)(const void *)(code - sizeof *h);
    const uint32_t *pads = (const uint32_t *)(const void *)((const uint8_t *)h + blob_pads_at(h));
    return clause < h->npads ? code + pads[clause] : NULL;
}

bool segment_each(const Segment *s, bool (*fn)(void *env, uint32_t func, const uint8_t *code,
                                               uint32_t size), void *env)
{
    uint32_t n = atomic_load_explicit(&s->nblobs, memory_order_acquire);
    for (uint32_t i = 0; i < n; i++) {
        const BlobHead *h = blob_at(s, i);
        if (!fn(env, h->func, (const uint8_t *)(h + 1), h->code_size)) return false;
    }
    return true;
}

/* ---- Taking over code ---- */

/* What is wrong with the blob's points and marks; NULL if nothing is. */
static const char *check_points(const Module *m, const BlobHead *h)
{
    const Range *body = func_body(m, h->func);
    const uint8_t *bytes = blob_points(h);
    PointReader r = points_read(bytes, h->points_size, blob_first_pc(m, h));
    PointMark mark;
    uint32_t last = 0, n = 0;
    for (bool first = true; points_next(&r); first = false, last = r.p.native) {
        if (!first && r.p.native <= last) return "two points at one place";
        if (r.p.native > h->code_size) return "a point behind the code";
        if (r.p.pc < body->start || r.p.pc >= body->end) return "a point outside of the function";
        if (r.p.slots > LIMIT_FRAME_SLOTS) return "a frame that is too large";
        if (points_at_mark(&r, bytes, n, &mark) &&
            memcmp(&mark, &blob_marks(h)[n++], sizeof mark) != 0)
            return "a mark at another place";
    }
    return r.at == r.end ? NULL : "bytes that are no points";
}

const char *segment_check_blob(const Module *m, const BlobHead *h, uint32_t room, uint64_t *seen)
{
    if (room < sizeof *h || blob_size(h) > room) return "it is longer than the image";
    if (h->code_size == 0) return "it has no code";
    if (h->func < m->n_imported_funcs || h->func >= m->nfuncs)
        return "the module has no such function";
    uint32_t own = h->func - m->n_imported_funcs;
    if (seen[own / 64] >> own % 64 & 1) return "the function came before";
    seen[own / 64] |= UINT64_C(1) << own % 64;
    for (size_t i = 0; i < sizeof h->unused / sizeof *h->unused; i++)
        if (h->unused[i]) return "unknown fields are set";
    const Range *body = func_body(m, h->func);
    if (h->first_pc >= body->end - body->start) return "it begins outside of the function";
    const uint32_t *pads = (const uint32_t *)(const void *)((const uint8_t *)h + blob_pads_at(h));
    for (uint32_t i = 0; i < h->npads; i++)
        if (pads[i] >= h->code_size) return "a landing pad behind the code";
    return check_points(m, h);
}

static fnvm_error *check_image(const Segment *s, const uint8_t *image, uint32_t size)
{
    uint64_t *seen = calloc(s->nentries / 64 + 1, sizeof *seen);
    if (!seen) return error_no_memory();
    const char *wrong = size && size <= s->limit && size % BLOB_ALIGN == 0 ? NULL
                                                                           : "its size is wrong";
    uint32_t at = 0;
    while (!wrong && at < size) {
        const BlobHead *h = image_blob(image, at);
        wrong = segment_check_blob(s->module, h, size - at, seen);
        if (!wrong) at += (uint32_t)blob_size(h);
    }
    free(seen);
    return wrong ? fnvm_error_new(FNVM_E_MALFORMED, "compiled code: the blob at 0x%x: %s; delete "
                                  "the file and have the module compiled again", at, wrong)
                 : NULL;
}

const uint8_t *segment_fetch(Segment *s, int fd, uint32_t size)
{
    if (segment_used(s) || size > s->limit || !open_file(s) || !extend(s, size) ||
        lseek(s->fd, 0, SEEK_SET) != 0)
        return NULL;
    for (uint32_t left = size; left > 0;) {
        ssize_t n = sendfile(s->fd, fd, NULL, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return NULL;
        left -= (uint32_t)n;
    }
    return s->code;
}

fnvm_error *segment_adopt(Segment *s, uint32_t size)
{
    if (segment_used(s) || size > s->mapped)
        return fnvm_error_new(FNVM_E_USAGE, "compiled code is taken over before any other is added");
    fnvm_error *error = check_image(s, s->code, size);
    if (error) return error;
    for (uint32_t at = 0; at < size;) {
        const BlobHead *h = image_blob(s->code, at);
        place_code(s, h->func, code_start(s) + at + (uint32_t)sizeof *h);
        publish(s, at, h);
        at += (uint32_t)blob_size(h);
    }
    s->adopted = size;
    atomic_store_explicit(&s->used, size, memory_order_relaxed);
    return NULL;
}

/* The entries of functions in the file, all at once: nobody is in the segment yet. */
static void publish_file(Segment *s, const SegmentFile *file)
{
    /* Entries are pointers, so for all the compiler knows each is a field of `s`. */
    void **const entries = s->entries;
    uint8_t *const code = s->code + sizeof(BlobHead);
    const uint32_t *const places = file->places, *const funcs = file->funcs;
    const uint32_t first = s->module->n_imported_funcs, n = file->nblobs;
    for (uint32_t i = 0; i < n; i++) entries[funcs[i] - first] = code + places[i];
    atomic_store_explicit(&s->nblobs, file->nblobs, memory_order_release);
    for (uint32_t i = 0; s->module->engine->listeners && i < file->nblobs; i++) {
        const BlobHead *h = blob_at(s, i);
        code_published(s->module, h->func, (const uint8_t *)(h + 1), h->code_size);
    }
}

bool segment_map(Segment *s, const SegmentFile *file)
{
    const size_t size = round_up(file->size, s->space->page);
    if (segment_used(s) || size > s->limit || file->start != code_start(s) ||
        !map_code(s->code, size, MAP_PRIVATE, file->fd, file->offset))
        return false;
    __builtin___clear_cache((char *)s->code, (char *)s->code + size);
    s->mapped = s->first_own = s->adopted = (uint32_t)size;
    atomic_store_explicit(&s->used, (uint32_t)size, memory_order_relaxed);
    s->file_blobs = file->places;
    s->nfile_blobs = file->nblobs;
    publish_file(s, file);
    return true;
}

SegmentImage segment_image(const Segment *s)
{
    const uint32_t n = atomic_load_explicit(&s->nblobs, memory_order_acquire);
    const uint32_t size = n ? blob_offset(s, n - 1) + (uint32_t)blob_size(blob_at(s, n - 1)) : 0;
    return (SegmentImage){s->code, size, s->adopted};
}
