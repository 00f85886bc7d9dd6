/* wasi_image.c - the guest's descriptors as bytes, and from bytes.
 *
 * The bytes, in the host's order, one after the other and nothing between or behind:
 *
 *   StateHead
 *   StateDir[ndirs]      directories that the guest was given, also those that it has closed
 *   StateEntry[nentries] open descriptors, ascending by number
 *   text                 the names of the directories, then the paths of the files, without NULs
 *
 * A field that means nothing for a kind of entry is zero.  So a state has one form only.
 *
 * Thawing builds a second table of descriptors beside the one that the embedder has filled, and
 * takes it into use when nothing can fail any more.  A copy of it is the *baseline*, which owns the
 * host's descriptors in it: the guest can close or move them, but they stay open, so that
 * wasi_reset has no more to do than to close what is not in the baseline, and to copy it back.
 */
#include "stdlib/wasi_image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm/error.h"

enum {
    STATE_FORMAT = 1,
    STREAMS_ALL = (1 << WASI_FIRST_DESCRIPTOR) - 1,
    SHOWN_BYTES = 200 /* of a name or path in a message */
};

typedef struct StateHead {
    uint32_t format;
    uint32_t ndirs, nentries;
    uint32_t closed_streams; /* bit k: the guest was given the standard stream k, and closed it */
} StateHead;

typedef struct StateDir {
    uint32_t name_len;
} StateDir;

typedef enum StateKind { STATE_STREAM, STATE_DIR, STATE_FILE, STATE_KINDS } StateKind;

typedef struct StateEntry {
    uint64_t base; /* rights; of a stream, those that the guest gave up */
    uint64_t inheriting;
    uint64_t offset;
    uint32_t number;
    uint32_t of;       /* the stream; or the directory, by its index */
    uint32_t path_len; /* of a file */
    uint16_t flags;    /* WASI_FDFLAG_*; of a stream, NONBLOCK only */
    uint8_t kind;      /* StateKind */
    uint8_t read_only; /* a directory's */
    uint8_t filetype;  /* the rest is a file's */
    uint8_t access;    /* O_ACCMODE */
    uint8_t lookup;    /* WASI_LOOKUP_* */
    uint8_t unused[5];
} StateEntry;
_Static_assert(sizeof(StateEntry) == 48, "no padding, which would be undefined bytes in an image");

static bool is_seekable(uint8_t filetype)
{
    return filetype == WASI_FILETYPE_REGULAR_FILE || filetype == WASI_FILETYPE_BLOCK_DEVICE;
}

/* What can be opened again by its path. */
static bool is_file(uint8_t filetype)
{
    return is_seekable(filetype) || filetype == WASI_FILETYPE_DIRECTORY ||
           filetype == WASI_FILETYPE_CHARACTER_DEVICE;
}

/* ---- Lists of what is wrong ------------------------------------------------------------------ */

typedef struct Report {
    FILE *out;
    char *text;
    size_t len;
    uint32_t count;
    fnvm_code code; /* of the first line */
    bool failed;    /* no memory for it */
} Report;

static void report_text(Report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void report_text(Report *r, const char *format, ...)
{
    if (!r->out) return;
    va_list args;
    va_start(args, format);
    vfprintf(r->out, format, args);
    va_end(args);
}

/* Begins a line. */
static void report_line(Report *r, fnvm_code code)
{
    if (r->count++ == 0) {
        r->code = code;
        r->out = open_memstream(&r->text, &r->len);
    }
    r->failed |= !r->out;
    report_text(r, "\n  ");
}

static void report_name(Report *r, const char *name, size_t len)
{
    if (!r->out) return;
    putc('"', r->out);
    wasi_print(r->out, name, len, SHOWN_BYTES);
    putc('"', r->out);
}

static void report_file(Report *r, fnvm_code code, uint32_t number, const char *path, size_t len,
                        const char *why)
{
    report_line(r, code);
    report_text(r, "descriptor %u: ", (unsigned)number);
    report_name(r, path, len);
    report_text(r, " %s", why);
}

/* The error of all lines, and the end of the report; NULL if there are none. */
static fnvm_error *report_end(Report *r, const char *what)
{
    if (r->out) {
        r->failed |= ferror(r->out) != 0;
        r->failed |= fclose(r->out) != 0;
    }
    fnvm_error *error = NULL;
    if (r->count)
        error = r->failed ? error_no_memory() : fnvm_error_new(r->code, "%s:%s", what, r->text);
    free(r->text);
    return error;
}

/* ---- Freezing -------------------------------------------------------------------------------- */

typedef struct Freezing {
    Wasi *wasi;
    Report report;
    StateEntry *entries;
    uint32_t n;
    uint8_t streams; /* bit k: there is an entry for stream k */
} Freezing;

/* Whether the path still leads to the open file. */
static bool still_leads_to(const GivenDir *dir, const Descriptor *d)
{
    struct stat there, here;
    uint64_t flags = O_PATH | (d->lookup & WASI_LOOKUP_SYMLINK_FOLLOW ? 0 : O_NOFOLLOW);
    int found = wasi_open_beneath(dir->host, d->path, flags, 0);
    if (found < 0) return false;
    bool same = fstat(found, &there) == 0 && fstat(d->host, &here) == 0 &&
                there.st_dev == here.st_dev && there.st_ino == here.st_ino;
    close(found);
    return same;
}

/* Why an open file cannot be found again, or NULL. */
static const char *file_fault(const Freezing *f, const Descriptor *d)
{
    if (!is_file(d->filetype)) return "is neither a file nor a directory";
    if (!d->path) return "has a path that is too long";
    if (!still_leads_to(&f->wasi->dirs[d->of], d))
        return "was removed or renamed since it was opened";
    return NULL;
}

static void freeze_file(Freezing *f, const Descriptor *d, StateEntry *e)
{
    const char *path = d->path ? d->path : "...", *fault = file_fault(f, d);
    int status = fcntl(d->host, F_GETFL);
    off_t offset = is_seekable(d->filetype) ? lseek(d->host, 0, SEEK_CUR) : 0;
    if (fault) report_file(&f->report, FNVM_E_UNSUPPORTED, e->number, path, strlen(path), fault);
    else if (status < 0 || offset < 0)
        report_file(&f->report, FNVM_E_IO, e->number, path, strlen(path), strerror(errno));
    e->kind = STATE_FILE;
    e->path_len = (uint32_t)strlen(path);
    e->offset = (uint64_t)offset;
    e->filetype = d->filetype;
    e->access = (uint8_t)(status & O_ACCMODE);
    e->lookup = d->lookup;
}

static void freeze_stream(Freezing *f, const Descriptor *d, StateEntry *e)
{
    uint8_t filetype;
    uint64_t rights = 0;
    if (descriptor_is_embedded(d)) rights = wasi_embedded_rights(f->wasi, d->of);
    else if (descriptor_classify_stream(d->host, &filetype, &rights)) {
        report_line(&f->report, FNVM_E_IO);
        report_text(&f->report, "descriptor %u: %s", (unsigned)e->number, strerror(errno));
    }
    if (f->streams & 1 << d->of) { /* the embedder gave it anew when the guest had moved it */
        report_line(&f->report, FNVM_E_UNSUPPORTED);
        report_text(&f->report, "descriptor %u: there are two of standard stream %u",
                    (unsigned)e->number, (unsigned)d->of);
    }
    f->streams |= (uint8_t)(1 << d->of);
    e->kind = STATE_STREAM;
    e->base = rights & ~d->base;
    e->flags &= WASI_FDFLAG_NONBLOCK;
}

static void freeze_descriptor(Freezing *f, uint32_t number)
{
    const Descriptor *d = &f->wasi->descriptors[number];
    StateEntry *e = &f->entries[f->n++];
    *e = (StateEntry){.base = d->base,
                      .inheriting = d->inheriting,
                      .number = number,
                      .of = d->of,
                      .flags = d->flags,
                      .read_only = d->read_only};
    switch ((Origin)d->origin) {
    case ORIGIN_STREAM: freeze_stream(f, d, e); break;
    case ORIGIN_DIR: e->kind = STATE_DIR; break;
    case ORIGIN_OPENED: freeze_file(f, d, e); break;
    case ORIGIN_SOCKET:
    case ORIGIN_ACCEPTED:
        report_line(&f->report, FNVM_E_UNSUPPORTED);
        report_text(&f->report, "descriptor %u: a socket", (unsigned)number);
    }
}

static void put(uint8_t **at, const void *bytes, size_t size)
{
    if (size) memcpy(*at, bytes, size);
    *at += size;
}

static fnvm_error *write_state(const Freezing *f, uint8_t **bytes, size_t *size)
{
    const Wasi *wasi = f->wasi;
    StateHead head = {STATE_FORMAT, wasi->ndirs, f->n, wasi->streams & ~(uint32_t)f->streams};
    *size = sizeof head + f->n * sizeof *f->entries;
    for (uint32_t i = 0; i < wasi->ndirs; i++)
        *size += sizeof(StateDir) + strlen(wasi->dirs[i].name);
    for (uint32_t i = 0; i < f->n; i++) *size += f->entries[i].path_len;
    uint8_t *at = *bytes = malloc(*size);
    if (!at) return error_no_memory();
    put(&at, &head, sizeof head);
    for (uint32_t i = 0; i < wasi->ndirs; i++) {
        StateDir dir = {(uint32_t)strlen(wasi->dirs[i].name)};
        put(&at, &dir, sizeof dir);
    }
    put(&at, f->entries, f->n * sizeof *f->entries);
    for (uint32_t i = 0; i < wasi->ndirs; i++)
        put(&at, wasi->dirs[i].name, strlen(wasi->dirs[i].name));
    for (uint32_t i = 0; i < f->n; i++)
        put(&at, wasi->descriptors[f->entries[i].number].path, f->entries[i].path_len);
    return NULL;
}

fnvm_error *wasi_freeze(Wasi *wasi, uint8_t **bytes, size_t *size)
{
    *bytes = NULL;
    *size = 0;
    Freezing f = {.wasi = wasi};
    f.entries = calloc(wasi->count + (size_t)1, sizeof *f.entries);
    if (!f.entries) return error_no_memory();
    for (uint32_t i = 0; i < wasi->count; i++)
        if (wasi->descriptors[i].host >= 0) freeze_descriptor(&f, i);
    fnvm_error *error =
        report_end(&f.report, "an image cannot hold these, which the guest must close first");
    if (!error) error = write_state(&f, bytes, size);
    free(f.entries);
    return error;
}

/* ---- Reading bytes --------------------------------------------------------------------------- */

typedef struct State { /* where the parts are */
    StateHead head;
    const uint8_t *dirs, *entries;
    const char *text;
} State;

static StateDir state_dir(const State *s, uint32_t i)
{
    StateDir dir;
    memcpy(&dir, s->dirs + i * sizeof dir, sizeof dir);
    return dir;
}

static StateEntry state_entry(const State *s, uint32_t i)
{
    StateEntry entry;
    memcpy(&entry, s->entries + i * sizeof entry, sizeof entry);
    return entry;
}

static fnvm_error *damaged(const char *what)
{
    return fnvm_error_new(FNVM_E_MALFORMED, "the image's list of descriptors is damaged: %s", what);
}

/* What is wrong with an entry by itself, or NULL. */
static const char *entry_fault(const State *s, const StateEntry *e)
{
    static const uint8_t zeros[sizeof e->unused] = {0};
    bool file = e->kind == STATE_FILE;
    if (e->number >= WASI_MAX_DESCRIPTORS) return "a number is too large";
    if (e->kind >= STATE_KINDS) return "an unknown kind of descriptor";
    if (e->flags & ~(uint32_t)WASI_FDFLAGS_ALL) return "unknown flags";
    if (e->of >= (e->kind == STATE_STREAM ? (uint32_t)WASI_FIRST_DESCRIPTOR : s->head.ndirs))
        return "a descriptor of nothing";
    if (e->read_only > 1 || memcmp(e->unused, zeros, sizeof zeros) != 0) return "unknown bits";
    if (!file && (e->path_len || e->offset || e->filetype || e->access || e->lookup))
        return "a stream or directory with a file's fields";
    if (e->kind == STATE_STREAM &&
        (e->inheriting || e->read_only || (e->flags & ~(uint32_t)WASI_FDFLAG_NONBLOCK)))
        return "a stream with a directory's fields";
    if (!file) return NULL;
    if (e->path_len == 0 || e->path_len >= WASI_MAX_PATH) return "a path of no such length";
    if (!is_file(e->filetype)) return "a file of no such type";
    if (e->access != O_RDONLY && e->access != O_WRONLY && e->access != O_RDWR)
        return "an unknown access mode";
    if (e->lookup & ~(uint32_t)WASI_LOOKUPS_ALL) return "unknown lookup flags";
    if (e->offset > (is_seekable(e->filetype) ? INT64_MAX : 0)) return "an offset is too large";
    if (e->read_only && e->filetype != WASI_FILETYPE_DIRECTORY)
        return "a file with a directory's fields";
    return NULL;
}

/* The entries in their order, and against each other: what of there may be one only. */
static const char *entries_fault(const State *s, uint64_t *path_bytes)
{
    uint32_t streams = s->head.closed_streams;
    if (streams & ~(uint32_t)STREAMS_ALL) return "unknown streams";
    *path_bytes = 0;
    for (uint32_t i = 0; i < s->head.nentries; i++) {
        StateEntry e = state_entry(s, i);
        const char *fault = entry_fault(s, &e);
        if (fault) return fault;
        if (i > 0 && e.number <= state_entry(s, i - 1).number) return "numbers are not ascending";
        if (e.kind == STATE_STREAM) {
            if (streams & 1u << e.of) return "a stream is there twice";
            streams |= 1u << e.of;
        }
        for (uint32_t k = 0; e.kind == STATE_DIR && k < i; k++) {
            StateEntry before = state_entry(s, k);
            if (before.kind == STATE_DIR && before.of == e.of) return "a directory is there twice";
        }
        *path_bytes += e.path_len;
    }
    return NULL;
}

static fnvm_error *state_read(const uint8_t *bytes, size_t size, State *s)
{
    if (size < sizeof s->head) return damaged("it is cut");
    memcpy(&s->head, bytes, sizeof s->head);
    if (s->head.format != STATE_FORMAT)
        return fnvm_error_new(FNVM_E_UNSUPPORTED,
                              "the image's list of descriptors has format %u, "
                              "and this fnvm knows only %d: make the image anew",
                              (unsigned)s->head.format, STATE_FORMAT);
    if (s->head.nentries > WASI_MAX_DESCRIPTORS) return damaged("it has too many entries");
    uint64_t fixed = sizeof s->head + s->head.ndirs * (uint64_t)sizeof(StateDir) +
                     s->head.nentries * (uint64_t)sizeof(StateEntry);
    if (fixed > size) return damaged("it is cut");
    s->dirs = bytes + sizeof s->head;
    s->entries = s->dirs + s->head.ndirs * sizeof(StateDir);
    s->text = (const char *)bytes + fixed;
    uint64_t text_bytes;
    const char *fault = entries_fault(s, &text_bytes);
    if (fault) return damaged(fault);
    for (uint32_t i = 0; i < s->head.ndirs; i++) text_bytes += state_dir(s, i).name_len;
    if (text_bytes != size - fixed) return damaged("its texts have another length");
    if (memchr(s->text, 0, size - fixed)) return damaged("a name or path with a NUL in it");
    return NULL;
}

/* ---- Thawing --------------------------------------------------------------------------------- */

typedef struct FileOffset {
    uint32_t number;
    off_t offset;
} FileOffset;

struct WasiBaseline {
    Descriptor *descriptors; /* [count]; owns what they own */
    uint32_t count;
    uint32_t ndirs;
    uint8_t is_embedded;
    FileOffset *offsets; /* [noffsets], of the regular files among them */
    uint32_t noffsets;
};

void wasi_baseline_free(WasiBaseline *b)
{
    if (!b) return;
    for (uint32_t i = 0; b->descriptors && i < b->count; i++) {
        b->descriptors[i].kept = false;
        descriptor_release(&b->descriptors[i]);
    }
    free(b->descriptors);
    free(b->offsets);
    free(b);
}

typedef struct Thawing {
    Wasi *wasi;
    State state; /* of zeros where an image has none */
    Report report;
    uint32_t *given;   /* [ndirs of the state]: its index in wasi->dirs, or NOT_GIVEN, ... */
    bool *matched;     /* [wasi->ndirs]: it is in the state */
    bool *taken;       /* [wasi->count]: it has a place in the new table */
    Descriptor *table; /* [count]: the new one */
    uint32_t count;
    WasiBaseline *baseline;
} Thawing;
#define NOT_GIVEN UINT32_MAX
#define MISSED (UINT32_MAX - 1) /* ... or this, when it was reported */

static uint32_t numbers_needed(const Thawing *t)
{
    uint32_t n = WASI_FIRST_DESCRIPTOR, entries = t->state.head.nentries;
    if (entries) n = state_entry(&t->state, entries - 1).number + 1;
    if (n < WASI_FIRST_DESCRIPTOR) n = WASI_FIRST_DESCRIPTOR;
    for (uint32_t i = 0; i < t->wasi->count; i++) n += t->wasi->descriptors[i].host >= 0;
    return n < t->wasi->descriptors_limit ? n : t->wasi->descriptors_limit;
}

static bool thawing_allocate(Thawing *t)
{
    const StateHead *head = &t->state.head;
    t->count = numbers_needed(t);
    t->given = malloc((head->ndirs + (size_t)1) * sizeof *t->given);
    t->matched = calloc(t->wasi->ndirs + (size_t)1, sizeof *t->matched);
    t->taken = calloc(t->wasi->count + (size_t)1, sizeof *t->taken);
    t->table = malloc(t->count * sizeof *t->table);
    t->baseline = calloc(1, sizeof *t->baseline);
    for (uint32_t i = 0; t->table && i < t->count; i++) t->table[i] = (Descriptor){.host = -1};
    if (t->baseline) {
        t->baseline->offsets = malloc((head->nentries + (size_t)1) * sizeof(FileOffset));
        t->baseline->descriptors = malloc(t->count * sizeof(Descriptor));
    }
    return t->given && t->matched && t->taken && t->table && t->baseline && t->baseline->offsets &&
           t->baseline->descriptors;
}

/* `table` and `baseline` are the Wasi's by now, or NULL, unless thawing has failed. */
static void thawing_free(Thawing *t)
{
    for (uint32_t i = 0; t->table && i < t->count; i++)
        if (t->table[i].origin == ORIGIN_OPENED) descriptor_release(&t->table[i]);
    free(t->table);
    wasi_baseline_free(t->baseline);
    free(t->given);
    free(t->matched);
    free(t->taken);
}

/* The n-th directory of a name is the n-th of that name again. */
static void match_dirs(Thawing *t)
{
    const Wasi *wasi = t->wasi;
    const char *name = t->state.text;
    for (uint32_t i = 0; i < t->state.head.ndirs; i++) {
        size_t len = state_dir(&t->state, i).name_len;
        t->given[i] = NOT_GIVEN;
        for (uint32_t k = 0; k < wasi->ndirs && t->given[i] == NOT_GIVEN; k++) {
            const char *other = wasi->dirs[k].name;
            if (t->matched[k] || strlen(other) != len || memcmp(other, name, len) != 0) continue;
            t->matched[k] = true;
            t->given[i] = k;
        }
        name += len;
    }
}

/* The directory that stands for the one of the state; NULL if it was not given. */
static const GivenDir *dir_of(Thawing *t, const StateEntry *e)
{
    uint32_t k = t->given[e->of];
    if (k < t->wasi->ndirs) return &t->wasi->dirs[k];
    if (k == MISSED) return NULL;
    t->given[e->of] = MISSED;
    const char *name = t->state.text;
    for (uint32_t i = 0; i < e->of; i++) name += state_dir(&t->state, i).name_len;
    size_t len = state_dir(&t->state, e->of).name_len;
    report_line(&t->report, FNVM_E_NOT_FOUND);
    report_text(&t->report, "directory ");
    report_name(&t->report, name, len);
    report_text(&t->report, ": give one with --dir HOST::GUEST");
    return NULL;
}

/* What the embedder has given; NULL if it has not. */
static Descriptor *take_given(Thawing *t, Origin origin, uint32_t of)
{
    for (uint32_t i = 0; i < t->wasi->count; i++) {
        Descriptor *d = &t->wasi->descriptors[i];
        if (d->host < 0 || d->origin != origin || d->of != of || t->taken[i]) continue;
        t->taken[i] = true;
        return d;
    }
    return NULL;
}

static void thaw_stream(Thawing *t, const StateEntry *e)
{
    const Descriptor *given = take_given(t, ORIGIN_STREAM, e->of);
    if (!given) return; /* closed there, closed here */
    Descriptor d = *given;
    d.base &= ~e->base;
    d.flags |= e->flags;
    t->table[e->number] = d;
}

static void thaw_dir(Thawing *t, const StateEntry *e)
{
    if (!dir_of(t, e)) return;
    const Descriptor *given = take_given(t, ORIGIN_DIR, t->given[e->of]);
    if (!given) return;
    Descriptor d = *given;
    d.base &= e->base;
    d.inheriting &= e->inheriting;
    d.read_only |= e->read_only != 0;
    d.flags = e->flags;
    t->table[e->number] = d;
}

/* Opens a file again: NULL, or why that cannot be and with which code. */
static const char *reopen(const GivenDir *dir, const StateEntry *e, Descriptor *d, fnvm_code *code)
{
    uint64_t base, inheriting, possible;
    uint32_t oflags = e->filetype == WASI_FILETYPE_DIRECTORY ? WASI_OFLAG_DIRECTORY : 0;
    *code = FNVM_E_USAGE;
    if (dir->read_only && e->access != O_RDONLY)
        return "was open for writing, and its directory was given read-only";
    d->host = wasi_open_beneath(dir->host, d->path,
                                e->access | wasi_open_flags(e->lookup, oflags, e->flags), 0);
    *code = errno == ENOENT || errno == ENOTDIR ? FNVM_E_NOT_FOUND : FNVM_E_IO;
    if (d->host < 0)
        return errno == EXDEV ? "leads out of the directory that it was in" : strerror(errno);
    *code = FNVM_E_INVALID;
    if (descriptor_classify(d->host, &d->filetype, &possible) || d->filetype != e->filetype)
        return "is a file of another type than it was";
    *code = FNVM_E_IO;
    if (is_seekable(d->filetype) && lseek(d->host, (off_t)e->offset, SEEK_SET) < 0)
        return strerror(errno);
    wasi_dir_rights(dir->read_only, &base, &inheriting);
    d->base = e->base & inheriting & possible;
    if (dir->read_only) d->base &= ~WASI_RIGHTS_MUTATING;
    if (d->filetype != WASI_FILETYPE_DIRECTORY) return NULL;
    d->inheriting = e->inheriting & inheriting;
    d->read_only = dir->read_only || e->read_only;
    return NULL;
}

/* False: no memory. */
static bool thaw_file(Thawing *t, const StateEntry *e, const char *path)
{
    fnvm_code code;
    const GivenDir *dir = dir_of(t, e);
    if (!dir) return true;
    Descriptor d = {.host = -1,
                    .origin = ORIGIN_OPENED,
                    .of = t->given[e->of],
                    .lookup = e->lookup,
                    .flags = e->flags,
                    .path = strndup(path, e->path_len)};
    if (!d.path) return false;
    const char *fault = reopen(dir, e, &d, &code);
    if (fault) {
        report_file(&t->report, code, e->number, path, e->path_len, fault);
        descriptor_release(&d);
        return true;
    }
    if (is_seekable(d.filetype))
        t->baseline->offsets[t->baseline->noffsets++] = (FileOffset){e->number, (off_t)e->offset};
    t->table[e->number] = d;
    return true;
}

/* A number for what the embedder has given and the state says nothing of: streams keep theirs, all
 * else gets the first one that is free.  False: it has none. */
static bool number_of_rest(const Thawing *t, const Descriptor *d, uint32_t *number)
{
    bool stream = d->origin == ORIGIN_STREAM;
    *number = stream ? d->of : WASI_FIRST_DESCRIPTOR;
    while (!stream && *number < t->count && t->table[*number].host >= 0) ++*number;
    return *number < t->count && t->table[*number].host < 0;
}

static void place_rest(Thawing *t)
{
    uint32_t number;
    for (uint32_t i = 0; i < t->wasi->count; i++) {
        const Descriptor *d = &t->wasi->descriptors[i];
        if (d->host < 0 || t->taken[i]) continue;
        /* What the guest has closed stays closed. */
        if (d->origin == ORIGIN_STREAM && t->state.head.closed_streams & 1u << d->of) continue;
        if (d->origin == ORIGIN_DIR && t->matched[d->of]) continue;
        if (number_of_rest(t, d, &number)) {
            t->table[number] = *d;
            t->taken[i] = true;
        } else if (d->origin != ORIGIN_STREAM) {
            report_line(&t->report, FNVM_E_LIMIT);
            report_text(&t->report, "descriptor %u, which was given: the limit is %u "
                        "(fnvm_wasi_limit_descriptors, -S max-descriptors)",
                        (unsigned)i, (unsigned)t->wasi->descriptors_limit);
        }
    }
}

/* Those that the guest had closed and that were not given now: the next image of it knows, too. */
static bool remember_closed_dirs(Thawing *t)
{
    Wasi *wasi = t->wasi;
    const char *name = t->state.text;
    for (uint32_t i = 0; i < t->state.head.ndirs; i++) {
        size_t len = state_dir(&t->state, i).name_len;
        if (t->given[i] == NOT_GIVEN) {
            GivenDir *dirs = realloc(wasi->dirs, (wasi->ndirs + (size_t)1) * sizeof *dirs);
            if (!dirs) return false;
            wasi->dirs = dirs;
            GivenDir dir = {.host = -1, .name = strndup(name, len)};
            if (!dir.name) return false;
            dirs[wasi->ndirs++] = dir;
        }
        name += len;
    }
    return true;
}

/* Takes the new table into use. */
static void commit(Thawing *t)
{
    Wasi *wasi = t->wasi;
    WasiBaseline *b = t->baseline;
    for (uint32_t i = 0; i < wasi->count; i++)
        if (!t->taken[i]) descriptor_release(&wasi->descriptors[i]);
    free(wasi->descriptors);
    for (uint32_t i = 0; i < t->count; i++) t->table[i].kept = t->table[i].host >= 0;
    memcpy(b->descriptors, t->table, t->count * sizeof *t->table);
    b->count = t->count;
    b->ndirs = wasi->ndirs;
    b->is_embedded = wasi->is_embedded;
    wasi->descriptors = t->table;
    wasi->count = t->count;
    wasi->streams |= (uint8_t)t->state.head.closed_streams;
    wasi->baseline = b;
    wasi->changed = false;
    wasi->output = 0;
    t->table = NULL;
    t->baseline = NULL;
}

static fnvm_error *thaw_all(Thawing *t)
{
    const State *s = &t->state;
    bool enough = true;
    const char *path = s->text;
    match_dirs(t);
    for (uint32_t i = 0; i < s->head.ndirs; i++) path += state_dir(s, i).name_len;
    for (uint32_t i = 0; enough && i < s->head.nentries; i++) {
        StateEntry e = state_entry(s, i);
        if (e.number >= t->count) {
            report_line(&t->report, FNVM_E_LIMIT);
            report_text(&t->report, "descriptor %u: the limit is %u (fnvm_wasi_limit_descriptors, "
                        "-S max-descriptors)", (unsigned)e.number, (unsigned)t->count);
        } else if (e.kind == STATE_STREAM) thaw_stream(t, &e);
        else if (e.kind == STATE_DIR) thaw_dir(t, &e);
        else enough = thaw_file(t, &e, path);
        path += e.path_len;
    }
    if (enough) place_rest(t);
    fnvm_error *error = report_end(&t->report, "the image's guest cannot have what it had open");
    if (!error && !(enough && remember_closed_dirs(t))) error = error_no_memory();
    if (!error) commit(t);
    return error;
}

fnvm_error *wasi_thaw(Wasi *wasi, const uint8_t *bytes, size_t size)
{
    Thawing t = {.wasi = wasi};
    bool used = wasi->baseline;
    for (uint32_t i = 0; i < wasi->count; i++) {
        const Descriptor *d = &wasi->descriptors[i];
        used |= d->host >= 0 && (d->origin == ORIGIN_OPENED || d->origin == ORIGIN_ACCEPTED);
    }
    if (used)
        return fnvm_error_new(FNVM_E_USAGE, "an image's guest needs an fnvm_wasi of its own, and "
                                            "this one has been used: make one with fnvm_wasi_new");
    fnvm_error *error = size ? state_read(bytes, size, &t.state) : NULL;
    if (!error) error = thawing_allocate(&t) ? thaw_all(&t) : error_no_memory();
    thawing_free(&t);
    return error;
}

/* ---- Resetting ------------------------------------------------------------------------------- */

/* The host's append mode as the flags have it: the guest can switch it, and then close the file. */
static bool restore_append(const Descriptor *d)
{
    if (d->host < 0 || d->origin != ORIGIN_OPENED) return true;
    int status = fcntl(d->host, F_GETFL);
    if (status < 0) return false;
    int wanted = d->flags & WASI_FDFLAG_APPEND ? status | O_APPEND : status & ~O_APPEND;
    return wanted == status || fcntl(d->host, F_SETFL, wanted) == 0;
}

static bool restore_table(Wasi *wasi)
{
    const WasiBaseline *b = wasi->baseline;
    bool ok = true;
    for (uint32_t i = 0; i < wasi->count; i++) descriptor_release(&wasi->descriptors[i]);
    memcpy(wasi->descriptors, b->descriptors, b->count * sizeof *b->descriptors);
    for (uint32_t i = 0; ok && i < b->count; i++) ok = restore_append(&b->descriptors[i]);
    while (wasi->ndirs > b->ndirs) { /* given since */
        GivenDir *dir = &wasi->dirs[--wasi->ndirs];
        close(dir->host);
        free(dir->name);
    }
    wasi->is_embedded = b->is_embedded;
    wasi->changed = false;
    return ok;
}

fnvm_error *wasi_reset(Wasi *wasi)
{
    const WasiBaseline *b = wasi->baseline;
    if (!b) return fnvm_error_new(FNVM_E_USAGE, "the fnvm_wasi was not restored from an image");
    wasi->output = 0;
    bool ok = !wasi->changed || restore_table(wasi);
    for (uint32_t i = 0; ok && i < b->noffsets; i++)
        ok = lseek(b->descriptors[b->offsets[i].number].host, b->offsets[i].offset, SEEK_SET) >= 0;
    return ok ? NULL
              : fnvm_error_new(FNVM_E_IO,
                               "cannot bring the guest's files back to where they were: "
                               "%s",
                               strerror(errno));
}
