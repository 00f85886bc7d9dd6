/* Fuzz target for files of images and of code segments: whatever is in them, with hashes and a
 * signature that are right, is refused or can do no more than the guest could by itself.
 *
 * Inputs are no files but changes to good ones, which the target makes when it starts: else nearly
 * all would fail at the first hash.  The first byte says which file and which engine; then come
 * changes of eight bytes each, see Change.  What opens is restored, run with little fuel, reset,
 * and compared with what it was.  Machine code from a file is checked but never run: it cannot be
 * made safe. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conformance/reset_subjects.h"
#include "fnvm.h"
#include "jit/code_file.h"
#include "jit/code_file_format.h"
#include "vm/image/state_hash.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum {
    SUBJECTS = sizeof reset_subjects / sizeof *reset_subjects,
    KINDS = SUBJECTS + 1, /* the last one is a code segment, of the last subject */
    RAW = 128,            /* in the first byte: hashes stay as they were */
    FUEL = 20000,
    MAX_VALUES = 16,
    MAX_CHANGES = 64
};

/* A change of a file: at `offset` of the place (its size is the modulus), by what `how` says. */
typedef struct Change {
    uint8_t place;  /* a part of the image, or one of the places behind; modulo their number */
    uint8_t how;    /* ChangeHow, modulo their number */
    uint16_t offset;
    uint32_t value; /* as bytes of a negative or positive number */
} Change;
typedef enum ChangeHow {
    SET_BYTE, SET_HALF, SET_WORD, SET_LONG, ADD_WORD, ADD_LONG, COPY_LONG, COPY_ELEMENT, CUT, HOWS
} ChangeHow;
enum { PLACE_HEAD = IMAGE_PART_COUNT, PLACE_PAGES, PLACE_ALL, PLACES };

typedef struct File { uint8_t *bytes; size_t size; } File;

/* Made once and then only read, except that the files are written to `fd` by turns. */
static struct {
    File files[KINDS];
    uint8_t *module; size_t module_size; /* of the last subject, as binary */
    unsigned char key[32], secret[64];
    char path[64]; /* of the file under test: a memory file */
    int fd, module_fd;
    char dir[64], image[96], wasm[96], code[96]; /* where good files are made */
} fuzz;

/* A world to make an image in, or to restore one to. */
typedef struct World {
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *main;
    bool frozen, with_code;
} World;

/* ---- Worlds ---- */

static fnvm_error *freeze(World *w, fnvm_caller *caller)
{
    fnvm_freeze how = {.path = fuzz.image, .main = w->main, .linker = w->linker, .no_sync = true,
                       .wake = FNVM_WAKE_RETURN, .value = 1, .code = w->with_code,
                       .sign_key = w->with_code ? fuzz.secret : NULL};
    w->frozen = true;
    return caller ? fnvm_caller_freeze(caller, &how) : fnvm_store_freeze(w->store, &how);
}

static fnvm_error *host_freeze(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    World *w = env;
    slots[0].i32 = 0;
    return w->frozen ? NULL : freeze(w, caller);
}

static fnvm_error *host_back(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)env, (void)slots;
    fnvm_extern func;
    fnvm_instance *instance = fnvm_caller_instance(caller);
    if (!instance || !fnvm_instance_export(instance, "back", 4, &func) ||
        fnvm_func_params(fnvm_caller_store(caller), func, NULL, 0) ||
        fnvm_func_results(fnvm_caller_store(caller), func, NULL, 0))
        return NULL;
    return fnvm_func_call(fnvm_caller_store(caller), func, NULL, 0, NULL, 0);
}

static fnvm_error *world_open(World *w, fnvm_engine_kind kind)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.engine = kind;
    config.fuel = true;
    config.max_memory_bytes = 1 << 20;
    config.max_stack_bytes = 64 << 10;
    config.max_table_elements = 100000;
    config.max_heap_bytes = 1 << 20;
    fnvm_error *error = fnvm_engine_new(&config, &w->engine);
    if (!error) error = fnvm_store_new(w->engine, &w->store);
    if (!error) fnvm_store_set_fuel(w->store, FUEL);
    if (!error) error = fnvm_linker_new(w->store, &w->linker);
    if (!error) fnvm_linker_unknown_imports_trap(w->linker, true);
    if (!error)
        error = fnvm_linker_define_func(w->linker, "host", "freeze", "-> i32", host_freeze, w);
    if (!error) error = fnvm_linker_define_func(w->linker, "host", "back", "->", host_back, w);
    return error;
}

static void world_close(World *w)
{
    if (w->linker) fnvm_linker_free(w->linker);
    fnvm_store_free(w->store);
    fnvm_module_release(w->module);
    if (w->engine) fnvm_engine_free(w->engine);
}

static fnvm_error *load_subject(World *w, const char *text)
{
    return fnvm_module_new(w->engine, text, strlen(text), &w->module);
}

/* ---- Good files ---- */

static bool read_file(const char *path, File *out)
{
    FILE *in = fopen(path, "rb");
    long size = -1;
    if (in && fseek(in, 0, SEEK_END) == 0) size = ftell(in);
    out->size = size > 0 ? (size_t)size : 0;
    out->bytes = malloc(out->size + 1);
    bool whole = in && size > 0 && out->bytes;
    if (whole) {
        rewind(in);
        whole = fread(out->bytes, 1, out->size, in) == out->size;
    }
    if (in) fclose(in);
    return whole;
}

static fnvm_error *cannot_read(const char *path)
{
    return fnvm_error_new(FNVM_E_IO, "cannot read %s", path);
}

/* Freezes the world's module, loaded already, to fuzz.image. */
static fnvm_error *make_image(World *w)
{
    fnvm_extern setup;
    fnvm_error *error = fnvm_linker_instantiate(w->linker, w->module, &w->main);
    if (!error && fnvm_instance_export(w->main, "setup", 5, &setup))
        fnvm_error_free(fnvm_func_call(w->store, setup, NULL, 0, NULL, 0)); /* it may trap */
    return error || w->frozen ? error : freeze(w, NULL);
}

static fnvm_error *make_subject_image(const ResetSubject *subject, File *out)
{
    World w = {.frozen = false};
    fnvm_error *error = world_open(&w, FNVM_ENGINE_INTERPRETER);
    if (!error) error = load_subject(&w, subject->text);
    if (!error) error = make_image(&w);
    if (!error && !read_file(fuzz.image, out)) error = cannot_read(fuzz.image);
    world_close(&w);
    return error;
}

/* Code is written for modules that are files. */
static fnvm_error *make_code(const char *text, File *out)
{
    World w = {.with_code = true};
    fnvm_error *error = fnvm_wat_to_wasm(text, strlen(text), &fuzz.module, &fuzz.module_size);
    FILE *file = error ? NULL : fopen(fuzz.wasm, "wb");
    bool written = file && fwrite(fuzz.module, 1, fuzz.module_size, file) == fuzz.module_size;
    if (file && fclose(file) != 0) written = false;
    if (!error && !written) error = fnvm_error_new(FNVM_E_IO, "cannot write %s", fuzz.wasm);
    if (!error) error = world_open(&w, FNVM_ENGINE_JIT);
    if (!error) error = fnvm_module_load(w.engine, fuzz.wasm, &w.module);
    if (!error) error = make_image(&w);
    if (!error && !read_file(fuzz.code, out)) error = cannot_read(fuzz.code);
    world_close(&w);
    return error;
}

static void stop(const char *what, fnvm_error *error)
{
    fprintf(stderr, "fuzz_image: %s: %s\n", what,
            error ? fnvm_error_message(error) : strerror(errno));
    exit(1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    static const unsigned char seed[crypto_sign_SEEDBYTES] = {1}; /* inputs are to be repeatable */
    if (sodium_init() < 0) stop("libsodium", NULL);
    crypto_sign_seed_keypair(fuzz.key, fuzz.secret, seed);
    fuzz.fd = memfd_create("fuzz_image", MFD_CLOEXEC);
    fuzz.module_fd = memfd_create("fuzz_module", MFD_CLOEXEC);
    snprintf(fuzz.path, sizeof fuzz.path, "/proc/self/fd/%d", fuzz.fd);
    strcpy(fuzz.dir, "/tmp/fnvm-fuzz-XXXXXX");
    if (fuzz.fd < 0 || fuzz.module_fd < 0 || !mkdtemp(fuzz.dir)) stop("a place for files", NULL);
    snprintf(fuzz.image, sizeof fuzz.image, "%s/a.fnvmi", fuzz.dir);
    snprintf(fuzz.code, sizeof fuzz.code, "%s/a.fnvmc", fuzz.dir);
    snprintf(fuzz.wasm, sizeof fuzz.wasm, "%s/a.wasm", fuzz.dir);
    fnvm_error *error = NULL;
    for (size_t i = 0; i < SUBJECTS && !error; i++)
        error = make_subject_image(&reset_subjects[i], &fuzz.files[i]);
    if (!error) error = make_code(reset_subjects[SUBJECTS - 1].text, &fuzz.files[SUBJECTS]);
    if (error) stop("a good file", error);
    if (write(fuzz.module_fd, fuzz.module, fuzz.module_size) != (ssize_t)fuzz.module_size)
        stop("the module", NULL);
    unlink(fuzz.image);
    unlink(fuzz.code);
    unlink(fuzz.wasm);
    rmdir(fuzz.dir);
    return 0;
}

/* ---- Changes ---- */

/* Where a place is in the (unchanged) file, and its elements' size. */
static void find_place(unsigned kind, unsigned place, size_t *at, size_t *size, size_t *element)
{
    const File *f = &fuzz.files[kind];
    *at = 0;
    *size = f->size;
    *element = sizeof(uint64_t);
    if (kind == SUBJECTS) {
        if (place % 2) *size = sizeof(CodeHead);
        return;
    }
    const ImageHead *head = (const ImageHead *)(const void *)f->bytes;
    if (place < IMAGE_PART_COUNT) {
        *element = image_element_size(place);
        *at = head->parts[place].offset;
        *size = head->parts[place].count * *element;
    } else if (place == PLACE_HEAD) {
        *size = offsetof(ImageHead, hash);
    } else if (place == PLACE_PAGES) {
        *at = IMAGE_PAGE;
        *size = head->pages_size;
    }
}

static void add(uint8_t *at, size_t size, int64_t delta)
{
    uint64_t number = 0;
    memcpy(&number, at, size);
    number += (uint64_t)delta;
    memcpy(at, &number, size);
}

static void change(File *f, unsigned kind, const Change *c)
{
    static const size_t widths[HOWS] = {1, 2, 4, 8, 4, 8, 8, 0, 0};
    const ChangeHow how = c->how % HOWS;
    const int64_t value = (int32_t)c->value;
    size_t at, size, element;
    find_place(kind, c->place % PLACES, &at, &size, &element);
    const size_t width = how == COPY_ELEMENT ? element : widths[how];
    if (how == CUT) {
        f->size = c->value % (f->size + 1);
        return;
    }
    if (size < width || width == 0) return;
    size_t to = at + c->offset % (size - width + 1) / width * width;
    size_t from = at + c->value % (size - width + 1) / width * width;
    if (to + width > f->size || from + width > f->size) return;
    if (how == COPY_LONG || how == COPY_ELEMENT) memmove(f->bytes + to, f->bytes + from, width);
    else if (how == ADD_WORD || how == ADD_LONG) add(f->bytes + to, width, value);
    else memcpy(f->bytes + to, &value, width);
}

static void hash_of(const void *bytes, size_t size, ImageHash *out)
{
    crypto_generichash(out->bytes, sizeof out->bytes, bytes, size, NULL, 0);
}

/* All hashes of an image, as far as its head lets them be found. */
static void fix_image(File *f)
{
    ImageHead *head = (ImageHead *)(void *)f->bytes;
    if (f->size < IMAGE_PAGE) return;
    head->file_size = f->size;
    const ImagePart chunks = head->parts[IMAGE_CHUNKS];
    const uint64_t pages_end = IMAGE_PAGE + head->pages_size;
    if (pages_end <= f->size && pages_end >= IMAGE_PAGE && chunks.offset <= f->size &&
        chunks.count <= (f->size - chunks.offset) / sizeof(ImageHash))
        for (uint64_t i = 0, at = IMAGE_PAGE; i < chunks.count && at < pages_end;
             i++, at += IMAGE_CHUNK)
            hash_of(f->bytes + at, pages_end - at < IMAGE_CHUNK ? pages_end - at : IMAGE_CHUNK,
                    (ImageHash *)(void *)(f->bytes + chunks.offset) + i);
    if (head->parts_offset <= f->size)
        hash_of(f->bytes + head->parts_offset, f->size - head->parts_offset, &head->parts_hash);
    image_head_hash(head, &head->hash);
}

static void fix_code(File *f)
{
    CodeHead *head = (CodeHead *)(void *)f->bytes;
    if (f->size < CODE_HEAD_BYTES) return;
    head->file_size = f->size;
    hash_of(f->bytes + CODE_HEAD_BYTES, f->size - CODE_HEAD_BYTES, &head->contents);
    hash_of(head, offsetof(CodeHead, hash), &head->hash);
    memcpy(head->signer, fuzz.key, sizeof head->signer);
    crypto_sign_detached(head->signature, NULL, head->hash.bytes, sizeof head->hash, fuzz.secret);
}

static bool put_file(const File *f)
{
    return ftruncate(fuzz.fd, 0) == 0 &&
           pwrite(fuzz.fd, f->bytes, f->size, 0) == (ssize_t)f->size;
}

/* ---- What is done with it ---- */

static void call_all(World *w)
{
    const size_t n = fnvm_module_exports(w->module);
    for (size_t i = 0; i < n; i++) {
        fnvm_export e;
        fnvm_extern func;
        fnvm_valtype types[MAX_VALUES];
        fnvm_val args[MAX_VALUES] = {0}, results[MAX_VALUES];
        fnvm_module_export(w->module, i, &e);
        if (e.kind != FNVM_EXTERN_FUNC || !fnvm_instance_export(w->main, e.name, e.name_len, &func))
            continue;
        size_t nargs = fnvm_func_params(w->store, func, types, MAX_VALUES);
        for (size_t k = 0; k < nargs; k++) {
            args[k].kind = fnvm_valtype_kind(types[k]);
            if (args[k].kind == FNVM_I32) args[k].of.i32 = (int32_t)(i + k);
        }
        fnvm_error_free(fnvm_func_call(w->store, func, args, nargs, results,
                                       fnvm_func_results(w->store, func, NULL, 0)));
    }
}

static fnvm_error *use(World *w)
{
    ImageHash fresh, reset;
    fnvm_val results[MAX_VALUES];
    fnvm_error *error = store_state_hash(w->store, &fresh);
    if (error) return error;
    const Type *type = w->store->resumable
                           ? store_func_type(w->store, w->store->image->file.head->call.entry)
                           : NULL;
    fnvm_store_set_fuel(w->store, FUEL);
    if (type && type->nresults <= MAX_VALUES)
        fnvm_error_free(fnvm_store_resume(w->store, results, type->nresults));
    call_all(w);
    error = fnvm_store_reset(w->store);
    if (!error) error = store_state_hash(w->store, &reset);
    if (!error && memcmp(&fresh, &reset, sizeof fresh) != 0) abort(); /* that is a finding */
    return error;
}

static void try_image(unsigned kind, fnvm_engine_kind engine)
{
    World w = {.frozen = true};
    fnvm_image *image = NULL;
    fnvm_error *error = world_open(&w, engine);
    if (!error) error = load_subject(&w, reset_subjects[kind].text);
    fnvm_image_options options = {.modules = &w.module, .nmodules = 1};
    if (!error) error = fnvm_image_open(w.engine, fuzz.path, &options, &image);
    if (!error) error = fnvm_image_restore(image, w.linker, NULL, &w.main);
    if (!error) error = use(&w);
    fnvm_error_free(error);
    if (image) fnvm_image_release(image);
    world_close(&w);
}

static void try_code(void)
{
    World w = {.frozen = true};
    ImageHash hash;
    const ImageTrust trust = {.keys = (const uint8_t (*)[32])&fuzz.key, .nkeys = 1};
    hash_of(fuzz.module, fuzz.module_size, &hash);
    fnvm_error *error = world_open(&w, FNVM_ENGINE_JIT);
    if (!error)
        error = code_file_load(w.engine, fuzz.path, &trust, &hash, fuzz.module_size, fuzz.module_fd,
                               NULL, &w.module);
    if (error) w.module = NULL;
    fnvm_error_free(error);
    world_close(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0) return 0;
    const unsigned kind = bytes[0] % RAW % KINDS;
    const bool raw = bytes[0] & RAW;
    const fnvm_engine_kind engine = bytes[0] % RAW / KINDS % 2 ? FNVM_ENGINE_JIT
                                                               : FNVM_ENGINE_INTERPRETER;
    File f = fuzz.files[kind];
    f.bytes = malloc(f.size + 1);
    if (!f.bytes) return 0;
    memcpy(f.bytes, fuzz.files[kind].bytes, f.size);
    Change c;
    for (size_t at = 1, n = 0; at + sizeof c <= len && n < MAX_CHANGES; at += sizeof c, n++) {
        memcpy(&c, bytes + at, sizeof c);
        change(&f, kind, &c);
    }
    if (!raw && kind < SUBJECTS) fix_image(&f);
    else if (!raw) fix_code(&f);
    bool put = put_file(&f);
    if (put && kind < SUBJECTS) try_image(kind, engine);
    else if (put) try_code();
    free(f.bytes);
    return 0;
}
