/* Opening files of code segments.  A file that is recorded as ours is mapped and used as it is: we
 * wrote it, or verified it, and it has not changed since.  Any other must be signed by a key that
 * is trusted; then it is copied to where nobody can change it, and all in it that the engine reads
 * is compared with what decoding the module gives, before it is recorded. */
#include "jit/code_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jit/code_file_format.h"
#include "jit/compile.h"
#include "jit/library_id.h"
#include "jit/points.h"
#include "jit/segment.h"
#include "loader/module_index.h"
#include "loader/source.h"
#include "verifier/verifier.h"

struct CodeFile {
    int fd;                   /* of the file, or of its copy */
    const uint8_t *map;       /* all of it, read-only; NULL: not yet */
    size_t size;
    bool held;                /* nobody had it open for writing, so that a record of it counts */
    bool in_use;              /* code_file_adopt has mapped its code */
};

/* What a file is held against. */
typedef struct Wanted {
    fnvm_engine *engine;
    const ImageTrust *trust;
    const ImageHash *module;
    uint64_t module_size;
} Wanted;

static const CodeHead *file_head(const CodeFile *f)
{
    return (const CodeHead *)(const void *)f->map;
}

static const uint32_t *file_words(const CodeFile *f, uint64_t offset)
{
    return (const uint32_t *)(const void *)(f->map + offset);
}

/* ---- The file ---- */

static const CodeReturn *file_returns(const CodeFile *f)
{
    return (const CodeReturn *)(const void *)(f->map + file_head(f)->returns);
}

static fnvm_error *system_error(const char *what)
{
    const int number = errno;
    const char *reason = strerrordesc_np(number);
    return fnvm_error_new(number == ENOENT || number == ENOTDIR ? FNVM_E_NOT_FOUND : FNVM_E_IO,
                          "cannot %s it: %s", what, reason ? reason : "unknown error");
}

static fnvm_error *malformed(const char *what)
{
    return fnvm_error_new(FNVM_E_MALFORMED, "it is damaged: %s; write it again", what);
}

static fnvm_error *file_map(CodeFile *f, uint64_t size)
{
    if (size < CODE_HEAD_BYTES || size > SIZE_MAX) return malformed("it is cut off");
    void *map = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, f->fd, 0);
    if (map == MAP_FAILED) return system_error("map");
    f->map = map;
    f->size = (size_t)size;
    return NULL;
}

static void file_unmap(CodeFile *f)
{
    if (f->map) munmap((void *)(uintptr_t)f->map, f->size);
    if (f->fd >= 0) close(f->fd);
    f->map = NULL;
    f->fd = -1;
}

/* From here on nobody should write to the file; whoever did before shows in what `st` says. */
static fnvm_error *file_open(CodeFile *f, const char *path, struct stat *st)
{
    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (f->fd < 0) return system_error("open");
    f->held = file_hold(f->fd);
    if (fstat(f->fd, st) != 0) return system_error("look at");
    if (!S_ISREG(st->st_mode)) return malformed("it is no regular file");
    return file_map(f, (uint64_t)st->st_size);
}

/* Goes on with a copy. */
static fnvm_error *file_seal(CodeFile *f, const char *path)
{
    ImageHash hash;
    struct stat st;
    int copy = -1;
    fnvm_error *error = file_measure(f->fd, path, &hash, &copy);
    if (error) return error;
    file_unmap(f);
    f->fd = copy;
    if (fstat(copy, &st) != 0) return system_error("look at");
    return file_map(f, (uint64_t)st.st_size);
}

void code_file_close(CodeFile *f)
{
    if (!f) return;
    file_unmap(f);
    free(f);
}

/* ---- Whether it is whole, and fits ---- */

/* The parts lie one behind the other in the file. */
static bool parts_fit(const CodeHead *h, uint64_t size)
{
    uint64_t table = (uint64_t)h->nblobs * sizeof(uint32_t);
    return h->file_size == size && h->index_size <= size && h->places <= size &&
           h->funcs <= size && h->returns <= size && h->nreturns <= size &&
           h->code_offset <= size && h->code_size <= INT32_MAX &&
           CODE_HEAD_BYTES + h->index_size <= h->places && h->places + table <= h->funcs &&
           h->funcs + table <= h->returns &&
           h->returns + h->nreturns * sizeof(CodeReturn) <= h->code_offset &&
           h->code_offset + h->code_size == size &&
           (h->places | h->funcs | h->returns) % CODE_PART_ALIGN == 0 && h->nblobs > 0;
}

static fnvm_error *check_engine(const CodeHead *h)
{
    if (h->format == CODE_FORMAT && memcmp(h->library, library_id, sizeof h->library) == 0 &&
        h->page == (uint32_t)sysconf(_SC_PAGESIZE))
        return NULL;
    return fnvm_error_new(FNVM_E_INVALID, "it was made by another engine (%.*s, this is another "
                          "build or version %s)", CODE_VERSION_BYTES, h->version, FNVM_VERSION);
}

static fnvm_error *check_fits(const CodeHead *h, const Wanted *w)
{
    const fnvm_config *config = &w->engine->config;
    fnvm_error *error = check_engine(h);
    if (error) return error;
    if (h->processor & ~compiler_cpu_features())
        return fnvm_error_new(FNVM_E_INVALID, "it was made for another processor, with features "
                              "that this one has not");
    uint8_t policy[POLICY_DIGEST_BYTES];
    policy_digest(config->policy, policy);
    if (memcmp(h->policy, policy, sizeof policy) != 0)
        return fnvm_error_new(FNVM_E_INVALID, "it was made under another policy");
    if (h->features != config->features || h->fuel != config->fuel)
        return fnvm_error_new(FNVM_E_INVALID, "it was made for another configuration (%s)",
                              h->fuel != config->fuel ? "fuel" : "features");
    if (memcmp(&h->module, w->module, sizeof h->module) != 0 || h->module_size != w->module_size)
        return fnvm_error_new(FNVM_E_INVALID, "it was made for another module");
    return NULL;
}

static fnvm_error *check_head(const CodeFile *f, const Wanted *w)
{
    const CodeHead *h = file_head(f);
    if (memcmp(h->magic, CODE_MAGIC, sizeof h->magic) != 0)
        return malformed("it does not begin as a code segment does");
    fnvm_error *error = check_fits(h, w);
    if (error) return error;
    return parts_fit(h, f->size) && h->code_offset % h->page == 0 ? NULL
                                                                  : malformed("it is cut off");
}

/* ---- Whether it is trusted ---- */

static bool signed_by(const CodeHead *h, const ImageTrust *trust)
{
    for (size_t i = 0; i < trust->nkeys; i++)
        if (memcmp(h->signer, trust->keys[i], sizeof h->signer) == 0)
            return crypto_sign_verify_detached(h->signature, h->hash.bytes, sizeof h->hash,
                                               h->signer) == 0;
    return false;
}

static fnvm_error *check_signature(const CodeFile *f, const ImageTrust *trust)
{
    if (sodium_init() >= 0 && signed_by(file_head(f), trust)) return NULL;
    return fnvm_error_new(FNVM_E_USAGE, "it is signed by nobody that is trusted; the module is "
                          "compiled as it runs");
}

static bool hash_is(const ImageHash *hash, const void *bytes, size_t size)
{
    ImageHash found;
    crypto_generichash(found.bytes, sizeof found.bytes, bytes, size, NULL, 0);
    return memcmp(&found, hash, sizeof found) == 0;
}

static fnvm_error *check_hashes(const CodeFile *f)
{
    const CodeHead *h = file_head(f);
    if (!hash_is(&h->hash, h, offsetof(CodeHead, hash)))
        return malformed("its head is not what it was when it was written");
    if (!hash_is(&h->contents, f->map + CODE_HEAD_BYTES, f->size - CODE_HEAD_BYTES))
        return malformed("it is not what it was when it was written");
    return NULL;
}

/* The record says that this file's hashes, and all that is checked below, were right; and whether it
 * is ours.  One that is trusted for its signature has to have that again each time. */
static bool is_recorded(const CodeFile *f, const ImageTrust *trust, const struct stat *st,
                        bool *ours)
{
    FileRecord record;
    if (!trust->records || !f->held || !record_find(trust->records, st, &record) ||
        memcmp(&record.hash, &file_head(f)->hash, sizeof record.hash) != 0)
        return false;
    *ours = (record.flags & RECORD_OURS) != 0;
    return true;
}

/* Opens the file for use: it fits, and is trusted.  `*known`: it was verified before. */
static fnvm_error *open_trusted(CodeFile *f, const char *path, const Wanted *w, struct stat *st,
                                bool *known)
{
    fnvm_error *error = file_open(f, path, st);
    if (!error) error = check_head(f, w);
    if (error) return error;
    bool ours = false;
    *known = is_recorded(f, w->trust, st, &ours);
    if (!ours || w->trust->require_signature) error = check_signature(f, w->trust);
    if (error || *known) return error;
    error = file_seal(f, path);
    if (!error) error = check_head(f, w);
    if (!error) error = check_signature(f, w->trust);
    return error ? error : check_hashes(f);
}

/* ---- What is in it ---- */

/* The index against that of the module, which is decoded. */
static fnvm_error *check_index(const CodeFile *f, const Module *m)
{
    uint8_t *bytes;
    size_t size;
    fnvm_error *error = module_index_write(m, &bytes, &size);
    if (error) return error;
    if (size != file_head(f)->index_size || memcmp(bytes, f->map + CODE_HEAD_BYTES, size) != 0)
        error = malformed("its index is not of the module");
    free(bytes);
    return error;
}

/* What is wrong with a blob at `place`, behind all before `end`; NULL if nothing is. */
static const char *check_place(const CodeFile *f, const Module *m, uint32_t i, uint64_t *end,
                               uint64_t *seen)
{
    const CodeHead *head = file_head(f);
    const uint32_t place = file_words(f, head->places)[i];
    if (place < *end || place % BLOB_ALIGN || place > head->code_size - sizeof(BlobHead))
        return "its place is wrong";
    const BlobHead *blob = (const BlobHead *)(const void *)(f->map + head->code_offset + place);
    if (blob->func != file_words(f, head->funcs)[i]) return "it is of another function";
    const uint32_t room = (uint32_t)head->code_size - place;
    const char *wrong = segment_check_blob(m, blob, room, seen);
    if (!wrong) *end = place + blob_size(blob);
    return wrong;
}

static fnvm_error *check_blobs(const CodeFile *f, const Module *m)
{
    const CodeHead *head = file_head(f);
    if (head->code_start != segment_code_start(m) || head->code_size < sizeof(BlobHead))
        return malformed("its code is not of the module");
    uint64_t *seen = calloc((m->nfuncs - m->n_imported_funcs) / 64 + 1, sizeof *seen);
    if (!seen) return error_no_memory();
    fnvm_error *error = NULL;
    uint64_t end = 0;
    for (uint32_t i = 0; i < head->nblobs && !error; i++) {
        const char *wrong = check_place(f, m, i, &end, seen);
        if (wrong)
            error = fnvm_error_new(FNVM_E_MALFORMED, "blob %u: %s; write it again", i, wrong);
    }
    free(seen);
    return error;
}

/* The blob of a function; NULL if the file has none. */
static const BlobHead *find_blob(const CodeFile *f, uint32_t func)
{
    const CodeHead *head = file_head(f);
    const uint32_t *funcs = file_words(f, head->funcs);
    uint32_t i = 0;
    while (i < head->nblobs && funcs[i] != func) i++;
    if (i == head->nblobs) return NULL;
    return (const BlobHead *)(const void *)(f->map + head->code_offset +
                                            file_words(f, head->places)[i]);
}

/* Whether a point of the function is at this place, for a call before this offset. */
static bool is_return(const Module *m, const BlobHead *blob, const CodeReturn *r)
{
    Point p;
    return segment_blob_point(m, blob, r->native, &p) && p.pc < r->pc && p.slots == r->slots;
}

static fnvm_error *check_returns(const CodeFile *f, const Module *m)
{
    const CodeReturn *r = file_returns(f);
    for (uint64_t i = 0; i < file_head(f)->nreturns; i++) {
        const BlobHead *blob = find_blob(f, r[i].func);
        if (!blob || !is_return(m, blob, &r[i]) ||
            (i && (r[i].func < r[i - 1].func ||
                   (r[i].func == r[i - 1].func && r[i].pc <= r[i - 1].pc))))
            return malformed("a call in it returns where it cannot");
    }
    return NULL;
}

/* ---- Loading ---- */

/* Decodes the module, and checks all of the file against it. */
static fnvm_error *make_and_check(const CodeFile *f, Module *m)
{
    fnvm_error *error = module_decode(m);
    if (!error) error = verifier_module(m);
    if (!error) error = check_index(f, m);
    if (!error) error = check_blobs(f, m);
    return error ? error : check_returns(f, m);
}

static fnvm_error *make_module(CodeFile *f, Module *m, bool known)
{
    fnvm_error *error = known ? module_index_read(m, f->map + CODE_HEAD_BYTES,
                                                  (size_t)file_head(f)->index_size)
                              : make_and_check(f, m);
    return error ? error : module_admit(m);
}

static fnvm_error *load(const char *path, const Wanted *w, int module_fd, Module *m)
{
    struct stat st;
    bool known = false;
    CodeFile *f = m->code_file;
    fnvm_error *error = open_trusted(f, path, w, &st, &known);
    if (!error) error = source_map_binary(m, module_fd, w->module_size);
    if (!error) error = make_module(f, m, known);
    if (!error && !known && f->held && w->trust->records)
        record_add(w->trust->records, &st, &(FileRecord){file_head(f)->hash, 0});
    return error;
}

static CodeFile *code_file_new(void)
{
    CodeFile *f = calloc(1, sizeof *f);
    if (f) f->fd = -1;
    return f;
}

fnvm_error *code_file_load(fnvm_engine *engine, const char *path, const ImageTrust *trust,
                           const ImageHash *module, uint64_t module_size, int module_fd,
                           const char *module_path, Module **out)
{
    const Wanted wanted = {engine, trust, module, module_size};
    Module *m = module_new(engine);
    if (!m) return error_no_memory();
    m->code_file = code_file_new();
    if (module_path) m->path = strdup(module_path); /* gets by without */
    fnvm_error *error = m->code_file ? load(path, &wanted, module_fd, m) : error_no_memory();
    if (error) {
        fnvm_module_release(m);
        return fnvm_error_wrap(error, "code segment `%s`", path);
    }
    *out = m;
    return NULL;
}

void code_file_adopt(Module *m)
{
    CodeFile *f = m->code_file;
    const fnvm_config *config = &m->engine->config;
    if (!f || config->jit_filter || config->jit_verify) return; /* those want to see it compiled */
    const CodeHead *h = file_head(f);
    const SegmentFile file = {.fd = f->fd, .offset = h->code_offset, .size = (uint32_t)h->code_size,
                              .start = h->code_start, .places = file_words(f, h->places),
                              .funcs = file_words(f, h->funcs), .nblobs = h->nblobs};
    segment_lock(m->segment);
    f->in_use = segment_map(m->segment, &file); /* if it cannot be, functions are compiled */
    segment_unlock(m->segment);
}

const CodeReturn *code_file_return(const Module *m, uint32_t func, uint32_t pc)
{
    const CodeFile *f = m->code_file;
    if (!f || !f->in_use) return NULL;
    const CodeReturn *returns = file_returns(f);
    uint64_t from = 0, to = file_head(f)->nreturns;
    while (from < to) {
        uint64_t middle = from + (to - from) / 2;
        const CodeReturn *r = &returns[middle];
        if (r->func == func && r->pc == pc) return r;
        if (r->func < func || (r->func == func && r->pc < pc)) from = middle + 1;
        else to = middle;
    }
    return NULL;
}
