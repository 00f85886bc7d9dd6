/* Writing files of code segments: what the segment has is copied as it is.  Other threads may add
 * to it meanwhile; what is written are the functions that were there at first, and they call
 * nothing that came later. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jit/code_file.h"
#include "jit/code_file_format.h"
#include "jit/compile.h"
#include "jit/library_id.h"
#include "jit/segment.h"
#include "loader/module_index.h"

/* A part of the file: zeros up to `offset`, then bytes. */
typedef struct Part { const void *bytes; uint64_t size, offset; } Part;
enum { PARTS = 5 }; /* index, places, funcs, returns, code */

/* The functions of a segment, in the order of their places. */
typedef struct Functions {
    const uint8_t *code;      /* the segment's, from its start */
    uint32_t *places, *funcs;
    uint32_t n, capacity;
    uint64_t end;             /* of the last one, as a place */
} Functions;

static uint64_t round_up(uint64_t n, uint64_t unit) { return (n + unit - 1) / unit * unit; }

/* Every function has code once at most, so there is room for all. */
static bool add_function(void *env, uint32_t func, const uint8_t *code, uint32_t size)
{
    (void)size;
    Functions *f = env;
    const BlobHead *blob = (const BlobHead *)(const void *)code - 1;
    if (f->n == f->capacity) return false;
    f->places[f->n] = (uint32_t)((const uint8_t *)blob - f->code);
    f->funcs[f->n] = func;
    f->end = f->places[f->n++] + blob_size(blob);
    return true;
}

static bool collect(const Module *m, Functions *f)
{
    *f = (Functions){.code = segment_image(m->segment).bytes,
                     .capacity = m->nfuncs - m->n_imported_funcs};
    f->places = calloc((size_t)f->capacity + 1, sizeof *f->places);
    f->funcs = calloc((size_t)f->capacity + 1, sizeof *f->funcs);
    return f->places && f->funcs && segment_each(m->segment, add_function, f);
}

static void functions_free(Functions *f)
{
    free(f->places);
    free(f->funcs);
}

/* ---- The head ---- */

static void set_places(CodeHead *h, Part parts[PARTS])
{
    uint64_t at = CODE_HEAD_BYTES;
    for (int i = 0; i < PARTS; i++) {
        const uint64_t page = parts[i].size < SEGMENT_ALIGN ? h->page : SEGMENT_ALIGN;
        parts[i].offset = round_up(at, i == PARTS - 1 ? page : CODE_PART_ALIGN);
        at = parts[i].offset + parts[i].size;
    }
    h->index_size = parts[0].size;
    h->places = parts[1].offset;
    h->funcs = parts[2].offset;
    h->returns = parts[3].offset;
    h->nreturns = parts[3].size / sizeof(CodeReturn);
    h->code_offset = parts[4].offset;
    h->code_size = parts[4].size;
    h->file_size = at;
}

static void hash_contents(const Part parts[PARTS], ImageHash *out)
{
    static const uint8_t zeros[4096];
    crypto_generichash_state s;
    crypto_generichash_init(&s, NULL, 0, sizeof out->bytes);
    uint64_t at = CODE_HEAD_BYTES;
    for (int i = 0; i < PARTS; i++) {
        while (at < parts[i].offset) {
            uint64_t gap = parts[i].offset - at, n = gap < sizeof zeros ? gap : sizeof zeros;
            crypto_generichash_update(&s, zeros, n);
            at += n;
        }
        crypto_generichash_update(&s, parts[i].bytes, parts[i].size);
        at += parts[i].size;
    }
    crypto_generichash_final(&s, out->bytes, sizeof out->bytes);
}

/* All of the head but what set_places sets. */
static void describe(const Module *m, const ImageHash *module, uint32_t nblobs, CodeHead *h)
{
    *h = (CodeHead){.format = CODE_FORMAT,
                    .page = (uint32_t)sysconf(_SC_PAGESIZE),
                    .processor = compiler_cpu_features(),
                    .features = m->engine->config.features,
                    .fuel = m->engine->config.fuel,
                    .module = *module,
                    .module_size = m->len,
                    .nblobs = nblobs,
                    .code_start = segment_code_start(m)};
    memcpy(h->magic, CODE_MAGIC, sizeof h->magic);
    policy_digest(m->engine->config.policy, h->policy);
    memcpy(h->library, library_id, sizeof h->library);
    strncpy(h->version, FNVM_VERSION, sizeof h->version - 1);
}

static fnvm_error *seal_head(CodeHead *h, const ImageSeal *seal)
{
    crypto_generichash(h->hash.bytes, sizeof h->hash.bytes, (const uint8_t *)h,
                       offsetof(CodeHead, hash), NULL, 0);
    if (!seal->sign_key) return NULL;
    if (crypto_sign_ed25519_sk_to_pk(h->signer, seal->sign_key) == 0 &&
        crypto_sign_detached(h->signature, NULL, h->hash.bytes, sizeof h->hash.bytes,
                             seal->sign_key) == 0)
        return NULL;
    return fnvm_error_new(FNVM_E_USAGE, "the key to sign code segments with is not a key");
}

/* ---- The file ---- */

static fnvm_error *write_parts(NewFile *file, const CodeHead *h, const Part parts[PARTS])
{
    fnvm_error *error = file_write_at(file, h, sizeof *h, 0);
    for (int i = 0; i < PARTS && !error; i++)
        error = file_write_at(file, parts[i].bytes, (size_t)parts[i].size, parts[i].offset);
    return error;
}

static fnvm_error *write_file(const char *path, const CodeHead *h, const Part parts[PARTS],
                              const ImageSeal *seal)
{
    NewFile file;
    struct stat st;
    fnvm_error *error = file_begin(path, &file);
    if (error) return error;
    error = write_parts(&file, h, parts);
    if (!error) error = file_finish(&file, !seal->no_sync, &st);
    file_abandon(&file);
    if (!error && seal->records)
        record_add(seal->records, &st, &(FileRecord){h->hash, RECORD_OURS});
    return error;
}

typedef struct Returns { const CodeReturn *at; uint32_t n; } Returns;

static fnvm_error *write_functions(const Module *m, const ImageHash *module, const char *path,
                                   const ImageSeal *seal, const Functions *f, Returns returns,
                                   bool *written)
{
    CodeHead head;
    if (f->n == 0 || sodium_init() < 0) return NULL;
    describe(m, module, f->n, &head);
    uint8_t *index;
    size_t index_size;
    fnvm_error *error = module_index_write(m, &index, &index_size);
    if (error) return error;
    Part parts[PARTS] = {{index, index_size, 0},
                         {f->places, f->n * sizeof *f->places, 0},
                         {f->funcs, f->n * sizeof *f->funcs, 0},
                         {returns.at, returns.n * sizeof *returns.at, 0},
                         {f->code, f->end, 0}};
    set_places(&head, parts);
    hash_contents(parts, &head.contents);
    error = seal_head(&head, seal);
    if (!error) error = write_file(path, &head, parts, seal);
    *written = !error;
    free(index);
    return error;
}

fnvm_error *code_file_write(const Module *m, const ImageHash *module, const char *path,
                            const CodeReturn *returns, uint32_t nreturns, const ImageSeal *seal,
                            bool *written)
{
    *written = false;
    if (!m->segment) return NULL;
    Functions f;
    fnvm_error *error = collect(m, &f) ? write_functions(m, module, path, seal, &f,
                                                         (Returns){returns, nreturns}, written)
                                       : error_no_memory();
    functions_free(&f);
    return error;
}
