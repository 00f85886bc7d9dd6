/* The kernel is asked which pages a range has, since looking at one that was never touched would
 * make it; these are then searched for something but zeros.  Every stretch is a mapping or two of
 * each instance, so close ones are joined, and a range has STRETCHES_MOST of them at most: the zeros
 * between are holes of the file. */
#include "vm/image/pages.h"

#include <stdlib.h>
#include <string.h>

#include "vm/error.h"
#include "vm/image/pagemap.h"

enum {
    PIECE = 256 * 1024,       /* copied, patched and written at a time */
    GAP_MOST = 4 << 20,       /* zeros that are cheaper as a hole than as a mapping of their own */
    STRETCHES_MOST = 2
};

typedef struct Run { uint64_t from, to; } Run; /* from the region's start */
typedef struct Runs { Run *at; uint32_t n, capacity; } Runs;

static bool add_run(Runs *r, uint64_t from, uint64_t to)
{
    if (r->n && r->at[r->n - 1].to == from) {
        r->at[r->n - 1].to = to;
        return true;
    }
    if (r->n == r->capacity) {
        uint32_t capacity = r->capacity ? r->capacity * 2 : 64;
        Run *bigger = capacity > r->capacity ? realloc(r->at, capacity * sizeof *bigger) : NULL;
        if (!bigger) return false;
        r->at = bigger;
        r->capacity = capacity;
    }
    r->at[r->n++] = (Run){from, to};
    return true;
}

static uint64_t page_up(uint64_t n) { return (n + IMAGE_PAGE - 1) & ~(uint64_t)(IMAGE_PAGE - 1); }

typedef struct Search { const PageSource *s; Runs *runs; } Search;

/* Takes the pages of [from, to) that have something in them. */
static bool search_pages(void *env, uintptr_t from, uintptr_t to)
{
    const Search *search = env;
    const PageSource *s = search->s;
    const uint64_t skip_from = page_up(s->skip_from), skip_to = s->skip_to;
    const uint8_t *end = (const uint8_t *)to;
    for (const uint8_t *page = (const uint8_t *)from; page < end; page += IMAGE_PAGE) {
        uint64_t at = (uint64_t)(page - s->region);
        if (at >= skip_from && at < skip_to) {
            page = s->region + (skip_to - IMAGE_PAGE);
            continue;
        }
        if (!image_is_zero(page, IMAGE_PAGE) && !add_run(search->runs, at, at + IMAGE_PAGE))
            return false;
    }
    return true;
}

/* All pages of the stretches, and of what lies between them those that the kernel has. */
static bool search_touched(Search *search, int pagemap, uintptr_t from, uintptr_t to)
{
    const PageSource *s = search->s;
    for (uint32_t i = 0; i < s->nstretches; i++) {
        uintptr_t start = (uintptr_t)s->region + s->stretches[i].at;
        uintptr_t end = start + s->stretches[i].size;
        if (start < from) start = from;
        if (end > to) end = to;
        if (start >= end) continue;
        if (!pagemap_each(pagemap, from, start, PAGEMAP_TOUCHED, search_pages, search) ||
            !search_pages(search, start, end))
            return false;
        from = end;
    }
    return pagemap_each(pagemap, from, to, PAGEMAP_TOUCHED, search_pages, search);
}

/* Runs of pages with data, ascending. */
static fnvm_error *find_runs(const PageSource *s, Runs *runs)
{
    Search search = {s, runs};
    const uintptr_t from = (uintptr_t)s->region + s->range.at, to = from + s->range.size;
    int pagemap = pagemap_open();
    bool ok = pagemap >= 0 && search_touched(&search, pagemap, from, to);
    pagemap_close(pagemap);
    if (ok) return NULL;
    runs->n = 0;
    return search_pages(&search, from, to) ? NULL : error_no_memory();
}

static void join_runs(Runs *r, uint32_t i)
{
    r->at[i].to = r->at[i + 1].to;
    memmove(&r->at[i + 1], &r->at[i + 2], (r->n - i - 2) * sizeof *r->at);
    r->n--;
}

/* The stretches that cover the runs. */
static fnvm_error *make_stretches(const Runs *runs, Runs *stretches)
{
    for (uint32_t i = 0; i < runs->n; i++) {
        Run *last = stretches->n ? &stretches->at[stretches->n - 1] : NULL;
        if (last && runs->at[i].from - last->to <= GAP_MOST) last->to = runs->at[i].to;
        else if (!add_run(stretches, runs->at[i].from, runs->at[i].to)) return error_no_memory();
    }
    while (stretches->n > STRETCHES_MOST) {
        uint32_t best = 0;
        uint64_t gap = UINT64_MAX;
        for (uint32_t i = 0; i + 1 < stretches->n; i++) {
            uint64_t between = stretches->at[i + 1].from - stretches->at[i].to;
            if (between < gap) gap = between, best = i;
        }
        join_runs(stretches, best);
    }
    return NULL;
}

/* To the ends of the range, where the gaps are small. */
static void extend_stretches(Runs *r, RegionRange range)
{
    const uint64_t end = range.at + range.size;
    if (r->at[0].from - range.at <= GAP_MOST) r->at[0].from = range.at;
    if (end - r->at[r->n - 1].to <= GAP_MOST) r->at[r->n - 1].to = end;
}

static fnvm_error *write_stretch(ImageWriter *w, const PageSource *s, const Run *stretch,
                                 const Runs *runs, uint8_t *buffer)
{
    uint64_t offset = 0, first_offset = 0;
    uint32_t run = 0;
    for (uint64_t at = stretch->from; at < stretch->to; at += PIECE) {
        const uint64_t size = stretch->to - at < PIECE ? stretch->to - at : PIECE;
        memset(buffer, 0, (size_t)size);
        while (run < runs->n && runs->at[run].to <= at) run++;
        for (uint32_t i = run; i < runs->n && runs->at[i].from < at + size; i++) {
            uint64_t from = runs->at[i].from > at ? runs->at[i].from : at;
            uint64_t to = runs->at[i].to < at + size ? runs->at[i].to : at + size;
            memcpy(buffer + (from - at), s->region + from, (size_t)(to - from));
        }
        s->patch(s->env, buffer, at, size);
        fnvm_error *error = image_writer_pages(w, buffer, (size_t)size, &offset);
        if (error) return error;
        if (at == stretch->from) first_offset = offset;
    }
    ImageStretch out = {stretch->from, first_offset, stretch->to - stretch->from};
    return image_writer_part(w, IMAGE_STRETCHES, &out, 1, NULL);
}

fnvm_error *pages_write(ImageWriter *w, const PageSource *s, uint64_t *first, uint32_t *n)
{
    Runs runs = {0}, stretches = {0};
    fnvm_error *error = find_runs(s, &runs);
    if (!error) error = make_stretches(&runs, &stretches);
    if (!error && s->extend && stretches.n) extend_stretches(&stretches, s->range);
    uint8_t *buffer = error ? NULL : malloc(PIECE);
    if (!error && !buffer) error = error_no_memory();
    if (!error) error = image_writer_part(w, IMAGE_STRETCHES, NULL, 0, first);
    for (uint32_t i = 0; i < stretches.n && !error; i++)
        error = write_stretch(w, s, &stretches.at[i], &runs, buffer);
    *n = stretches.n;
    free(buffer);
    free(runs.at);
    free(stretches.at);
    return error;
}
