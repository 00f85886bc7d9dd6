/* What is in an image: read from its parts as they lie in the file, without its modules.  The hashes
 * were checked by then; what the parts say is still anybody's, so places are checked here. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/json.h"
#include "vm/image/image.h"
#include "vm/image/working_set.h"

static const void *part(const ImageFile *f, ImagePartKind kind)
{
    return f->map + f->head->parts[kind].offset;
}

static uint64_t count(const ImageFile *f, ImagePartKind kind) { return f->head->parts[kind].count; }

typedef struct Text { const char *at; size_t len; } Text;

static Text text_of(const ImageFile *f, ImageText text)
{
    const uint64_t size = count(f, IMAGE_STRINGS);
    if (text.start > size || text.len > size - text.start) return (Text){"(damaged)", 9};
    return (Text){(const char *)part(f, IMAGE_STRINGS) + text.start, text.len};
}

static Text start_of(const ImageFile *f)
{
    return f->head->start.len ? text_of(f, f->head->start) : (Text){"_start", 6};
}

/* Bytes of the file that are not holes. */
static uint64_t on_disk(const struct stat *stat) { return (uint64_t)stat->st_blocks * 512; }

static bool is_signed(const ImageFile *f)
{
    static const uint8_t none[sizeof f->head->signer];
    return memcmp(f->head->signer, none, sizeof none) != 0;
}

static bool is_for_this_engine(const ImageFile *f)
{
    ImageHash engine;
    image_measure_engine(&engine);
    return memcmp(&engine, &f->head->engine, sizeof engine) == 0;
}

/* How much of an instance comes from the file. */
static uint64_t mapped_bytes(const ImageFile *f, const ImageInstance *inst)
{
    const ImageStretch *stretches = part(f, IMAGE_STRETCHES);
    const uint64_t n = count(f, IMAGE_STRETCHES);
    uint64_t sum = 0;
    for (uint64_t i = inst->first_stretch; i < n && i - inst->first_stretch < inst->nstretches; i++)
        sum += stretches[i].size;
    return sum;
}

/* Pages that are read together when the image is opened. */
static uint64_t working_set_pages(const ImageFile *f)
{
    const uint64_t *runs = part(f, IMAGE_WORKING_SET);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count(f, IMAGE_WORKING_SET); i++)
        sum += runs[i] & (((uint64_t)1 << WORKING_SET_COUNT_BITS) - 1);
    return sum;
}

/* ---- A line about a new image ---- */

/* "12.3 MiB" */
static void print_size(FILE *out, uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= 1024 && unit < 4; unit++) size /= 1024;
    fprintf(out, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

static void print_path(FILE *out, const char *path, size_t directory_len, Text name)
{
    print_escaped(out, path, directory_len);
    print_escaped(out, name.at, name.len);
}

/* The file of a module's code lies beside the image. */
static void print_code(const ImageFile *f, const char *path, const ImageModule *m)
{
    const char *slash = strrchr(path, '/');
    const size_t directory_len = slash ? (size_t)(slash - path) + 1 : 0;
    Text name = text_of(f, m->code);
    char *file = NULL;
    struct stat stat_of_it;
    if (name.len == 0) return;
    if (asprintf(&file, "%.*s%.*s", (int)directory_len, path, (int)name.len, name.at) < 0) return;
    if (stat(file, &stat_of_it) == 0) {
        fputs("; ", stderr);
        print_path(stderr, path, directory_len, name);
        fputs(": ", stderr);
        print_size(stderr, on_disk(&stat_of_it));
        fputs(" of code", stderr);
    }
    free(file);
}

void image_summary(const char *path, const char *records)
{
    ImageFile f;
    ImageTrust trust = {.records = records};
    fnvm_error *error = image_file_open(path, &trust, &f);
    if (error) {
        error_report(error, "failed to read the new image");
        return;
    }
    print_escaped(stderr, path, strlen(path));
    fputs(": ", stderr);
    print_size(stderr, f.head->pages_size);
    fputs(" in memory, ", stderr);
    print_size(stderr, on_disk(&f.stat));
    fputs(" on disk", stderr);
    if (working_set_pages(&f))
        fprintf(stderr, ", %" PRIu64 " pages read at once", working_set_pages(&f));
    const ImageModule *modules = part(&f, IMAGE_MODULES);
    for (uint64_t i = 0; i < count(&f, IMAGE_MODULES); i++) print_code(&f, path, &modules[i]);
    fputc('\n', stderr);
    image_file_close(&f);
}

/* ---- Text ---- */

static void print_text(Text text) { print_escaped(stdout, text.at, text.len); }

static void print_hex(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) printf("%02x", bytes[i]);
}

static void text_head(const ImageFile *f, const char *file)
{
    print_escaped(stdout, file, strlen(file));
    printf(": an image; %" PRIu64 " bytes of pages, %" PRIu64 " bytes on disk\n",
           f->head->pages_size, on_disk(&f->stat));
    if (f->head->call.owner)
        printf("  frozen in the midst of a call, %" PRIu64 " functions deep\n",
               count(f, IMAGE_FRAMES));
    else printf("  frozen at rest; running it calls "), print_text(start_of(f)), putchar('\n');
    printf("  measurement "), print_hex(f->head->hash.bytes, sizeof f->head->hash.bytes);
    printf("\n  ");
    if (is_signed(f)) printf("signed by   "), print_hex(f->head->signer, sizeof f->head->signer);
    else printf("not signed");
    printf("\n  made by %s engine\n", is_for_this_engine(f) ? "this" : "another");
    if (f->head->counts_fuel) printf("  fuel left: %" PRIu64 "\n", f->head->fuel);
}

static void text_modules(const ImageFile *f)
{
    const ImageModule *modules = part(f, IMAGE_MODULES);
    printf("\nmodules           bytes  BLAKE2b           path\n");
    for (uint64_t i = 0; i < count(f, IMAGE_MODULES); i++) {
        const ImageModule *m = &modules[i];
        printf("  %-8" PRIu64 " %12" PRIu64 "  ", i, m->size);
        print_hex(m->hash.bytes, 8);
        printf("  ");
        if (m->value_type) printf("(made by the host)");
        else if (m->embedded) printf("(in the image)");
        else print_text(text_of(f, m->path));
        if (m->code.len) printf(", code in "), print_text(text_of(f, m->code));
        putchar('\n');
    }
}

static void text_instances(const ImageFile *f)
{
    const ImageInstance *instances = part(f, IMAGE_INSTANCES);
    printf("\ninstances  module  bytes from the file  stretches\n");
    for (uint64_t i = 0; i < count(f, IMAGE_INSTANCES); i++)
        printf("  %-8" PRIu64 " %6" PRIu32 " %20" PRIu64 " %10" PRIu32 "%s\n", i + 1,
               instances[i].module, mapped_bytes(f, &instances[i]), instances[i].nstretches,
               i + 1 == f->head->main ? "  main" : "");
}

static void text_sizes(const ImageFile *f)
{
    const ImageMemory *memories = part(f, IMAGE_MEMORIES);
    const ImageTable *tables = part(f, IMAGE_TABLES);
    printf("\nsizes\n");
    for (uint64_t i = 0; i < count(f, IMAGE_MEMORIES); i++)
        printf("  memory %" PRIu64 ": %" PRIu64 " bytes\n", i, memories[i].size);
    for (uint64_t i = 0; i < count(f, IMAGE_TABLES); i++)
        printf("  table %" PRIu64 ": %" PRIu64 " elements\n", i, tables[i].size);
    printf("  objects: %" PRIu64 " bytes\n", count(f, IMAGE_OBJECTS));
    printf("  working set: %" PRIu64 " pages\n", working_set_pages(f));
}

static void text_hosts(const ImageFile *f)
{
    const ImageHost *hosts = part(f, IMAGE_HOSTS);
    printf("\nneeds from the host\n");
    for (uint64_t i = 0; i < count(f, IMAGE_HOSTS); i++) {
        if (!(hosts[i].flags & IMAGE_HOST_USED)) continue;
        printf("  \""), print_text(text_of(f, hosts[i].module));
        printf("\" \""), print_text(text_of(f, hosts[i].name));
        printf("\"%s\n", hosts[i].flags & IMAGE_HOST_TRAPS ? " (was missing: traps)" : "");
    }
}

static void text_draws(const ImageFile *f)
{
    const char *draws = part(f, IMAGE_DRAWS);
    size_t len = strnlen(draws, count(f, IMAGE_DRAWS));
    if (len == 0) return;
    printf("\nall instances share what these got\n");
    while (len > 0) {
        const char *end = memchr(draws, '\n', len);
        size_t line = end ? (size_t)(end - draws) : len, whole = end ? line + 1 : line;
        printf("  "), print_escaped(stdout, draws, line), putchar('\n');
        draws += whole;
        len -= whole;
    }
}

static void text_report(const ImageFile *f, const char *file)
{
    text_head(f, file);
    text_modules(f);
    text_instances(f);
    text_sizes(f);
    text_hosts(f);
    text_draws(f);
}

/* ---- JSON ---- */

static void json_string(Json *j, const char *key, Text text)
{
    json_key(j, key);
    json_text(j, text.at, text.len);
}

static void json_count(Json *j, const char *key, uint64_t number)
{
    json_key(j, key);
    json_number(j, number);
}

static void json_hex(Json *j, const char *key, const uint8_t *bytes, size_t n)
{
    char digits[2 * IMAGE_HASH_BYTES + 1];
    for (size_t i = 0; i < n && i < IMAGE_HASH_BYTES; i++)
        snprintf(digits + 2 * i, 3, "%02x", bytes[i]);
    json_string(j, key, (Text){digits, 2 * n});
}

static void json_modules(Json *j, const ImageFile *f)
{
    const ImageModule *modules = part(f, IMAGE_MODULES);
    json_key(j, "modules");
    json_open(j, '[');
    for (uint64_t i = 0; i < count(f, IMAGE_MODULES); i++) {
        const ImageModule *m = &modules[i];
        json_open(j, '{');
        json_count(j, "bytes", m->size);
        json_hex(j, "hash", m->hash.bytes, sizeof m->hash.bytes);
        if (!m->embedded) json_string(j, "path", text_of(f, m->path));
        if (m->code.len) json_string(j, "code", text_of(f, m->code));
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void json_instances(Json *j, const ImageFile *f)
{
    const ImageInstance *instances = part(f, IMAGE_INSTANCES);
    json_key(j, "instances");
    json_open(j, '[');
    for (uint64_t i = 0; i < count(f, IMAGE_INSTANCES); i++) {
        json_open(j, '{');
        json_count(j, "module", instances[i].module);
        json_count(j, "bytes", mapped_bytes(f, &instances[i]));
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void json_report(const ImageFile *f, const char *file)
{
    Json json = {.out = stdout}, *j = &json;
    json_open(j, '{');
    json_string(j, "file", (Text){file, strlen(file)});
    json_count(j, "pages_bytes", f->head->pages_size);
    json_count(j, "disk_bytes", on_disk(&f->stat));
    json_hex(j, "measurement", f->head->hash.bytes, sizeof f->head->hash.bytes);
    if (is_signed(f)) json_hex(j, "signer", f->head->signer, sizeof f->head->signer);
    json_key(j, "fits");
    json_bool(j, is_for_this_engine(f));
    json_key(j, "suspended");
    json_bool(j, f->head->call.owner != 0);
    json_count(j, "frames", count(f, IMAGE_FRAMES));
    if (!f->head->call.owner) json_string(j, "start", start_of(f));
    json_modules(j, f);
    json_instances(j, f);
    const char *draws = part(f, IMAGE_DRAWS);
    json_string(j, "draws", (Text){draws, strnlen(draws, count(f, IMAGE_DRAWS))});
    json_close(j, '}');
}

int inspect_image(const char *file, bool as_json)
{
    ImageFile f;
    ImageTrust trust = {.records = NULL}; /* nothing is taken on trust: all of it is hashed */
    fnvm_error *error = image_file_open(file, &trust, &f);
    if (error) return error_report(error, "failed to inspect `%s`", file);
    if (as_json) json_report(&f, file);
    else text_report(&f, file);
    image_file_close(&f);
    return STATUS_OK;
}
