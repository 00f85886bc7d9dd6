/* Opening an image: the file, then its modules, each from where it can be had soonest, then (unless
 * the file is known) the check of everything in it. */
#include "vm/image/image.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jit/code_file.h"
#include "vm/heap.h"
#include "vm/image/pagemap.h"
#include "vm/image/working_set.h"
#include "vm/limits.h"

/* ---- Measuring ---- */

void module_measure(const Module *m, ImageHash *out)
{
    crypto_generichash(out->bytes, sizeof out->bytes, m->bytes, m->len, NULL, 0);
}

/* The version, and the sizes and places of everything that lies in pages or parts. */
void image_measure_engine(ImageHash *out)
{
    static const uint64_t layout[] = {
        IMAGE_FORMAT, sizeof(Context), sizeof(Stack), sizeof(MemoryState), sizeof(TableState),
        sizeof(Slot), sizeof(Frame), sizeof(ImageHead), IMAGE_PART_COUNT, OBJECT_GRANULE,
        sizeof(Array), sizeof(Exception), JIT_RED_ZONE,
        offsetof(MemoryState, max_size), offsetof(MemoryState, page_log2),
        offsetof(MemoryState, is64), offsetof(TableState, is64)};
    crypto_generichash_state s;
    crypto_generichash_init(&s, NULL, 0, sizeof out->bytes);
    crypto_generichash_update(&s, (const unsigned char *)FNVM_VERSION, sizeof FNVM_VERSION);
    crypto_generichash_update(&s, (const unsigned char *)layout, sizeof layout);
    crypto_generichash_final(&s, out->bytes, sizeof out->bytes);
}

fnvm_error *image_damaged(const char *what)
{
    return fnvm_error_new(FNVM_E_MALFORMED, "%s: it is damaged or was tampered with; take it again",
                          what);
}

static bool hash_equal(const ImageHash *a, const ImageHash *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* ---- Modules ---- */

typedef struct Opening {
    Image *image;
    const char *path;
    const ImageTrust *trust;
    const ImageSources *from;
} Opening;

static const ImageModule *module_entry(const Image *image, uint32_t i)
{
    return (const ImageModule *)image_part(image, IMAGE_MODULES) + i;
}

static Module *module_given(const Opening *o, const ImageModule *want)
{
    for (size_t i = 0; i < o->from->nmodules; i++) {
        Module *m = o->from->modules[i];
        ImageHash hash;
        if (m->len != want->size || m->engine != o->image->engine) continue;
        module_measure(m, &hash);
        if (hash_equal(&hash, &want->hash)) return fnvm_module_retain(m);
    }
    return NULL;
}

/* What the host made names its type apart from its bytes: see vm/host_made.c. */
static fnvm_error *set_host_value(Module *m, uint32_t type)
{
    if (!type) return NULL;
    if (!type_is_ref(type) || type_heap(type) < HEAP_ABSTRACT || type_heap(type) > HEAP_NOEXN ||
        m->ntables + m->nglobals != 1 || m->nimports || m->nfuncs || m->nelems || m->nexports)
        return fnvm_error_new(FNVM_E_MALFORMED, "a module made by the host is not one");
    m->host_value = type;
    if (m->ntables) m->tables[0].type.elem = type;
    else m->globals[0].type.type = type;
    return NULL;
}

/* Whether the module is one definition and nothing else, as those that the host makes: there is no
 * code in it, and no policy holds for it. */
static bool is_of_host(const uint8_t *bytes, uint64_t size)
{
    enum { HEADER = 8, TABLE = 4, MEMORY = 5, GLOBAL = 6 };
    return size > HEADER + 2 && bytes[HEADER + 1] == size - HEADER - 2 &&
           (bytes[HEADER] == TABLE || bytes[HEADER] == MEMORY || bytes[HEADER] == GLOBAL);
}

static fnvm_error *module_embedded(const Opening *o, const ImageModule *want, Module **out)
{
    const uint64_t size = image_count(o->image, IMAGE_EMBEDDED), at = want->embedded - 1;
    const uint8_t *bytes = image_part(o->image, IMAGE_EMBEDDED);
    ImageHash hash;
    if (at > size || want->size > size - at)
        return fnvm_error_new(FNVM_E_MALFORMED, "a module lies outside of the file");
    crypto_generichash(hash.bytes, sizeof hash.bytes, bytes + at, want->size, NULL, 0);
    if (!hash_equal(&hash, &want->hash))
        return fnvm_error_new(FNVM_E_MALFORMED, "a module in it does not have its hash");
    const ModuleOrigin origin =
        is_of_host(bytes + at, want->size) ? MODULE_OF_HOST : MODULE_OF_IMAGE;
    fnvm_error *error =
        module_new_of(o->image->engine, origin, bytes + at, (size_t)want->size, out);
    if (!error) error = set_host_value(*out, want->value_type);
    if (error && *out) {
        fnvm_module_release(*out);
        *out = NULL;
    }
    return error;
}

/* Whether the open file is the module, by its record or by reading it. */
static fnvm_error *is_module(const Opening *o, const ImageModule *want, int fd, const char *path,
                             bool *is)
{
    struct stat st;
    FileRecord record = {0};
    *is = false;
    const bool held = file_hold(fd);
    if (fstat(fd, &st) != 0 || (uint64_t)st.st_size != want->size) return NULL;
    if (held && record_find(o->trust->records, &st, &record)) {
        *is = hash_equal(&record.hash, &want->hash);
        return NULL;
    }
    fnvm_error *error = file_measure(fd, path, &record.hash, NULL);
    if (error) return error;
    *is = hash_equal(&record.hash, &want->hash);
    if (*is && held) record_add(o->trust->records, &st, &record);
    return NULL;
}

/* Says what an error and its causes say; it is done with then. */
static void warn(const Opening *o, fnvm_error *error)
{
    char text[600];
    size_t len = 0;
    for (const fnvm_error *e = error; e && len < sizeof text; e = fnvm_error_cause(e)) {
        int n = snprintf(text + len, sizeof text - len, "%s%s", len ? ": " : "",
                         fnvm_error_message(e));
        len += n > 0 ? (size_t)n : 0;
    }
    if (error && o->from->warn) o->from->warn(o->from->warn_env, text);
    fnvm_error_free(error);
}

/* By its code segment, if there is one that fits; with a warning if there is one that does not. */
static Module *module_with_code(const Opening *o, const ImageModule *want, int fd, const char *path)
{
    if (!want->code.len || !o->image->engine->code_space) return NULL;
    const char *strings = image_part(o->image, IMAGE_STRINGS), *slash = strrchr(o->path, '/');
    char *file = NULL;
    Module *m = NULL;
    if (asprintf(&file, "%.*s%.*s", slash ? (int)(slash - o->path) + 1 : 0, o->path,
                 (int)want->code.len, strings + want->code.start) < 0)
        return NULL;
    fnvm_error *error = code_file_load(o->image->engine, file, o->trust, &want->hash, want->size, fd,
                                       path, &m);
    if (error && fnvm_error_code(error) == FNVM_E_NOT_FOUND) fnvm_error_free(error);
    else warn(o, error);
    free(file);
    return m;
}

/* Loads the very file that `fd` is, whatever has become of its name. */
static fnvm_error *load_open_file(fnvm_engine *engine, int fd, const char *path, Module **out)
{
    char name[40];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    fnvm_error *error = module_load_of(engine, MODULE_OF_IMAGE, name, out);
    if (error) return error;
    char *copy = strdup(path);
    if (copy) {
        free((*out)->path);
        (*out)->path = copy;
    }
    return NULL;
}

/* The module if it is in this file; NULL, and no error, if that is another or not there. */
static fnvm_error *module_from_file(const Opening *o, const ImageModule *want, const char *path,
                                    Module **out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return NULL;
    bool is;
    fnvm_error *error = is_module(o, want, fd, path, &is);
    if (!error && is && !(*out = module_with_code(o, want, fd, path)))
        error = load_open_file(o->image->engine, fd, path, out);
    close(fd);
    return error;
}

static fnvm_error *module_missing(const Opening *o, uint32_t i, const char *path)
{
    const ImageModule *want = module_entry(o->image, i);
    char hex[2 * IMAGE_HASH_BYTES + 1];
    sodium_bin2hex(hex, sizeof hex, want->hash.bytes, sizeof want->hash.bytes);
    return fnvm_error_new(FNVM_E_INVALID, "its module `%s` is not there or is another: wanted are "
                          "the %" PRIu64 " bytes with the BLAKE2b hash %s; say where they are now "
                          "(--module, fnvm_image_options), or take the image again", path, want->size, hex);
}

static fnvm_error *open_module(const Opening *o, uint32_t i)
{
    const ImageModule *want = module_entry(o->image, i);
    Module **out = &o->image->modules[i];
    fnvm_error *error = NULL;
    *out = module_given(o, want);
    if (*out) return NULL;
    if (want->embedded) return module_embedded(o, want, out);
    for (size_t k = 0; k < o->from->nfiles && !error && !*out; k++)
        error = module_from_file(o, want, o->from->files[k], out);
    if (error || *out) return error;
    const char *strings = image_part(o->image, IMAGE_STRINGS);
    char *path = strndup(strings + want->path.start, want->path.len);
    if (!path) return error_no_memory();
    error = module_from_file(o, want, path, out);
    if (!error && !*out) error = module_missing(o, i, path);
    free(path);
    return error;
}

static fnvm_error *open_modules(const Opening *o)
{
    Image *image = o->image;
    const uint64_t n = image_count(image, IMAGE_MODULES);
    if (n == 0 || n > image_count(image, IMAGE_INSTANCES))
        return fnvm_error_new(FNVM_E_MALFORMED, "it has no modules, or more than instances");
    for (uint32_t i = 0; i < n; i++) {
        const ImageModule *m = module_entry(image, i);
        if (!image_has_text(image, m->path) || !image_has_text(image, m->code) ||
            memchr((const char *)image_part(image, IMAGE_STRINGS) + m->code.start, '/', m->code.len))
            return fnvm_error_new(FNVM_E_MALFORMED, "the name of a module's file is none");
    }
    image->modules = calloc(n, sizeof(Module *));
    if (!image->modules) return error_no_memory();
    fnvm_error *error = NULL;
    for (uint32_t i = 0; i < n && !error; i++) error = open_module(o, i);
    return error;
}

/* ---- Opening ---- */

static fnvm_error *check_limits(const Image *image)
{
    const ImageHead *h = image->file.head;
    const fnvm_config *c = &image->engine->config;
    const struct { const char *what; ConfigLimit limit; uint64_t image, engine; } limits[] = {
        {"bytes of memory", CONFIG_MEMORY, h->max_memory_bytes, c->max_memory_bytes},
        {"elements of a table", CONFIG_TABLE, h->max_table_elements, c->max_table_elements},
        {"bytes of stack", CONFIG_STACK, h->max_stack_bytes, c->max_stack_bytes}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (limits[i].image <= limits[i].engine) continue;
        char here[LIMIT_TEXT];
        limit_print(image->engine, limits[i].limit, limits[i].engine, here, sizeof here);
        return fnvm_error_new(FNVM_E_LIMIT, "it was taken with a limit of %" PRIu64 " %s, and here "
                              "the limit is %s: take it with that limit, or raise this",
                              limits[i].image, limits[i].what, here);
    }
    return NULL;
}

static fnvm_error *check_engine(const Image *image)
{
    ImageHash engine;
    image_measure_engine(&engine);
    if (hash_equal(&engine, &image->file.head->engine)) return NULL;
    return fnvm_error_new(FNVM_E_INVALID, "it was taken by another version of the engine, whose "
                          "instances are laid out differently: take it again");
}

static fnvm_error *copy_start(Image *image)
{
    const ImageText start = image->file.head->start;
    if (!image_has_text(image, start))
        return fnvm_error_new(FNVM_E_MALFORMED, "its head says what cannot be");
    const char *strings = image_part(image, IMAGE_STRINGS);
    image->start = start.len ? strndup(strings + start.start, start.len) : strdup("_start");
    return image->start ? NULL : error_no_memory();
}

static fnvm_error *open_image(const Opening *o)
{
    Image *image = o->image;
    fnvm_error *error = image_file_open(o->path, o->trust, &image->file);
    if (error) return error; /* it names the file */
    image->gate.file = image->file.stat;
    error = gate_image(&image->gate, image->engine, o->path);
    if (error) return fnvm_error_wrap(error, "cannot use image `%s`", o->path);
    const ImageHead *h = image->file.head;
    image->limits = (RegionLimits){h->max_memory_bytes, h->max_table_elements, h->max_stack_bytes};
    working_set_load(&image->file);
    error = check_engine(image);
    if (!error) error = check_limits(image);
    if (!error) error = copy_start(image);
    if (!error) error = open_modules(o);
    if (!error && !image->file.installed) {
        error = image_check(image);
        if (!error) image_file_record(&image->file, o->trust);
    }
    return error ? fnvm_error_wrap(error, "cannot use image `%s`", o->path) : NULL;
}

static const uint8_t *map_alive(void)
{
    uint8_t *page = mmap(NULL, IMAGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                         0);
    if (page == MAP_FAILED) return NULL;
    *page = 1;
    if (madvise(page, IMAGE_PAGE, MADV_WIPEONFORK) == 0) return page;
    munmap(page, IMAGE_PAGE);
    return NULL;
}

fnvm_error *image_open(fnvm_engine *engine, const char *path, const ImageTrust *trust,
                       const ImageSources *from, Image **out)
{
    *out = NULL;
    Image *image = calloc(1, sizeof *image);
    if (!image) return error_no_memory();
    atomic_init(&image->refs, 1);
    image->engine = engine_retain(engine);
    image->file.fd = -1;
    atomic_init(&image->pagemap, -1);
    pthread_mutex_init(&image->lock, NULL);
    const Opening opening = {image, path, trust, from};
    fnvm_error *error = open_image(&opening);
    if (error) {
        fnvm_image_release(image);
        return error;
    }
    *out = image;
    return NULL;
}

fnvm_image *fnvm_image_retain(fnvm_image *image)
{
    atomic_fetch_add_explicit(&image->refs, 1, memory_order_relaxed);
    return image;
}

void fnvm_image_release(fnvm_image *image)
{
    if (!image || atomic_fetch_sub_explicit(&image->refs, 1, memory_order_acq_rel) > 1) return;
    const uint64_t n = image->modules ? image_count(image, IMAGE_MODULES) : 0;
    for (uint64_t i = 0; i < n; i++) fnvm_module_release(image->modules[i]);
    free(image->modules);
    free(image->start);
    if (image->file.map) image_file_close(&image->file);
    pagemap_close(atomic_load(&image->pagemap));
    if (image->alive) munmap((void *)(uintptr_t)image->alive, IMAGE_PAGE);
    fnvm_engine_free(image->engine);
    pthread_mutex_destroy(&image->lock);
    free(image);
}

enum { PAGEMAP_NOT_OPEN = -1, PAGEMAP_NONE = -2 };

/* With the image's lock held. */
static int open_pagemap(Image *image)
{
    int fd = atomic_load(&image->pagemap);
    if (fd != PAGEMAP_NOT_OPEN) return fd;
    image->alive = map_alive();
    fd = image->alive ? pagemap_open() : PAGEMAP_NONE;
    if (fd < 0) fd = PAGEMAP_NONE;
    atomic_store_explicit(&image->pagemap, fd, memory_order_release);
    return fd;
}

/* Opened by the first reset: a process that only restores does not need it.  In a fork of the process
 * it still speaks of the parent's pages, so there it is not used. */
int image_pagemap(Image *image)
{
    int fd = atomic_load_explicit(&image->pagemap, memory_order_acquire);
    if (fd == PAGEMAP_NOT_OPEN) {
        pthread_mutex_lock(&image->lock);
        fd = open_pagemap(image);
        pthread_mutex_unlock(&image->lock);
    }
    return fd >= 0 && *image->alive ? fd : -1;
}
