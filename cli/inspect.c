/* fnvm inspect: what a module contains.  It reads the loader's own structures, because sections and
 * limits are of no use to an embedder; both output forms are written from the same facts. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/json.h"
#include "loader/section.h"
#include "verifier/verifier.h"

enum { TYPE_TEXT = 512 };

static const char *const kind_names[] = {"func", "table", "memory", "global", "tag"};

/* What the verifier says of all functions. */
typedef struct Verified {
    bool is_valid;
    uint64_t side_bytes, code_bytes;
} Verified;

static const char *bytes_at(const Module *m, Name name)
{
    return (const char *)m->bytes + name.start;
}

/* The name of the custom section whose payload this is. */
static Name custom_name(const Module *m, const SectionRange *section)
{
    for (uint32_t i = 0; i < m->ncustoms; i++)
        if (m->customs[i].payload.end == section->payload.end) return m->customs[i].name;
    return (Name){0, 0};
}

/* How many things a section holds, or 0 for those that hold none. */
static uint32_t section_count(const Module *m, uint8_t id)
{
    switch (id) {
    case 1: return m->ntypes;
    case 2: return m->nimports;
    case 3:
    case 10: return m->nfuncs - m->n_imported_funcs;
    case 4: return m->ntables - m->n_imported_tables;
    case 5: return m->nmemories - m->n_imported_memories;
    case 6: return m->nglobals - m->n_imported_globals;
    case 7: return m->nexports;
    case 9: return m->nelems;
    case 11:
    case 12: return m->ndatas;
    case 13: return m->ntags - m->n_imported_tags;
    default: return 0;
    }
}

/* ---- Text ---- */

static void text_name(const char *text, size_t len)
{
    putchar('"');
    print_escaped(stdout, text, len);
    putchar('"');
}

static void text_sections(const Module *m)
{
    printf("\nsections    contents           bytes  items\n");
    for (uint32_t i = 0; i < m->nsections; i++) {
        const SectionRange *s = &m->sections[i];
        printf("  %-10s 0x%-8" PRIx32 " %12" PRIu32, section_name(s->id), s->payload.start,
               s->payload.end - s->payload.start);
        Name name = s->id == 0 ? custom_name(m, s) : (Name){0, 0};
        uint32_t count = section_count(m, s->id);
        if (name.len) printf("  "), text_name(bytes_at(m, name), name.len);
        else if (count) printf("  %" PRIu32, count);
        putchar('\n');
    }
}

static void text_imports(const Module *m)
{
    if (m->nimports) printf("\nimports\n");
    for (uint32_t i = 0; i < m->nimports; i++) {
        const Import *import = &m->imports[i];
        char type[TYPE_TEXT];
        fnvm_module_import_type(m, i, type, sizeof type);
        printf("  ");
        text_name(bytes_at(m, import->module), import->module.len);
        putchar(' ');
        text_name(bytes_at(m, import->name), import->name.len);
        printf(" %s\n", type);
    }
}

static void text_exports(const Module *m)
{
    if (m->nexports) printf("\nexports\n");
    for (uint32_t i = 0; i < m->nexports; i++) {
        const Export *export = &m->exports[i];
        char type[TYPE_TEXT];
        fnvm_module_export_type(m, i, type, sizeof type);
        printf("  ");
        text_name(bytes_at(m, export->name), export->name.len);
        printf(" %s\n", type);
    }
}

static void text_limits(const char *what, uint32_t i, bool imported, const Limits *limits,
                        const char *unit, const char *of)
{
    printf("  %s %" PRIu32 ": %" PRIu64 " %s%s%s", what, i, limits->min, unit,
           limits->min == 1 ? "" : "s", of);
    if (limits->has_max) printf(", at most %" PRIu64, limits->max);
    printf("%s%s\n", limits->is64 ? ", 64-bit" : "", imported ? " (imported)" : "");
}

static void text_all_limits(const Module *m)
{
    if (m->nmemories + m->ntables > 0) printf("\nlimits\n");
    for (uint32_t i = 0; i < m->nmemories; i++) {
        const MemoryType *type = &m->memories[i];
        text_limits("memory", i, i < m->n_imported_memories, &type->limits, "page",
                    type->page_log2 == 16 ? " of 64 KiB" : " of one byte");
    }
    for (uint32_t i = 0; i < m->ntables; i++)
        text_limits("table", i, i < m->n_imported_tables, &m->tables[i].type.limits, "element", "");
}

static void text_report(const Module *m, const char *file, const Verified *verified)
{
    print_escaped(stdout, file, strlen(file));
    printf(": a WebAssembly module of %" PRIu32 " bytes", m->len);
    Name name;
    if (module_name(m, &name)) printf(", named "), text_name(bytes_at(m, name), name.len);
    putchar('\n');
    text_sections(m);
    text_imports(m);
    text_exports(m);
    text_all_limits(m);
    if (m->has_start) printf("\nstart function: %" PRIu32 "\n", m->start);
    if (!verified->is_valid) {
        printf("\nverifier: not valid (see `fnvm verify`)\n");
        return;
    }
    double percent = verified->code_bytes
                         ? 100.0 * (double)verified->side_bytes / (double)verified->code_bytes
                         : 0;
    printf("\nverifier: valid; %" PRIu64 " bytes of code, %" PRIu64
           " bytes of side tables (%.1f%%)\n",
           verified->code_bytes, verified->side_bytes, percent);
}

/* ---- JSON ---- */

static void json_name(Json *j, const char *key, const Module *m, Name name)
{
    json_key(j, key);
    json_text(j, bytes_at(m, name), name.len);
}

static void json_string(Json *j, const char *key, const char *text)
{
    json_key(j, key);
    json_text(j, text, strlen(text));
}

static void json_count(Json *j, const char *key, uint64_t number)
{
    json_key(j, key);
    json_number(j, number);
}

static void json_sections(Json *j, const Module *m)
{
    json_key(j, "sections");
    json_open(j, '[');
    for (uint32_t i = 0; i < m->nsections; i++) {
        const SectionRange *s = &m->sections[i];
        json_open(j, '{');
        json_string(j, "section", section_name(s->id));
        if (s->id == 0) json_name(j, "name", m, custom_name(m, s));
        json_count(j, "offset", s->payload.start);
        json_count(j, "bytes", s->payload.end - s->payload.start);
        json_count(j, "count", section_count(m, s->id));
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void json_imports(Json *j, const Module *m)
{
    json_key(j, "imports");
    json_open(j, '[');
    for (uint32_t i = 0; i < m->nimports; i++) {
        char type[TYPE_TEXT];
        fnvm_module_import_type(m, i, type, sizeof type);
        json_open(j, '{');
        json_name(j, "module", m, m->imports[i].module);
        json_name(j, "name", m, m->imports[i].name);
        json_string(j, "kind", kind_names[m->imports[i].kind]);
        json_string(j, "type", type);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void json_exports(Json *j, const Module *m)
{
    json_key(j, "exports");
    json_open(j, '[');
    for (uint32_t i = 0; i < m->nexports; i++) {
        char type[TYPE_TEXT];
        fnvm_module_export_type(m, i, type, sizeof type);
        json_open(j, '{');
        json_name(j, "name", m, m->exports[i].name);
        json_string(j, "kind", kind_names[m->exports[i].kind]);
        json_count(j, "index", m->exports[i].index);
        json_string(j, "type", type);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void json_limits(Json *j, const Limits *limits, bool imported)
{
    json_count(j, "min", limits->min);
    if (limits->has_max) json_count(j, "max", limits->max);
    json_key(j, "is64");
    json_bool(j, limits->is64);
    json_key(j, "imported");
    json_bool(j, imported);
}

static void json_all_limits(Json *j, const Module *m)
{
    json_key(j, "memories");
    json_open(j, '[');
    for (uint32_t i = 0; i < m->nmemories; i++) {
        json_open(j, '{');
        json_limits(j, &m->memories[i].limits, i < m->n_imported_memories);
        json_count(j, "page_bytes", (uint64_t)1 << m->memories[i].page_log2);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_key(j, "tables");
    json_open(j, '[');
    for (uint32_t i = 0; i < m->ntables; i++) {
        json_open(j, '{');
        json_limits(j, &m->tables[i].type.limits, i < m->n_imported_tables);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void json_report(const Module *m, const char *file, const Verified *verified)
{
    Json json = {.out = stdout}, *j = &json;
    json_open(j, '{');
    json_string(j, "file", file);
    json_count(j, "bytes", m->len);
    Name name;
    if (module_name(m, &name)) json_name(j, "name", m, name);
    json_sections(j, m);
    json_imports(j, m);
    json_exports(j, m);
    json_all_limits(j, m);
    if (m->has_start) json_count(j, "start", m->start);
    json_key(j, "valid");
    json_bool(j, verified->is_valid);
    if (verified->is_valid) {
        json_count(j, "code_bytes", verified->code_bytes);
        json_count(j, "side_table_bytes", verified->side_bytes);
    }
    json_close(j, '}');
}

/* ---- The command ---- */

static int inspect_file(const Options *options, const char *file, bool as_json)
{
    fnvm_engine *engine;
    fnvm_error *error = fnvm_engine_new(&options->config, &engine);
    if (error) return error_report(error, "failed to set up the engine");
    Module *module = NULL;
    int status = module_open(engine, file, "inspect", &module);
    if (status < 0) {
        Verified verified = {0};
        size_t bad = 0;
        error = fnvm_module_verify(module, NULL, NULL, &bad);
        verified.is_valid = !error && bad == 0;
        fnvm_error_free(error);
        verifier_sizes(module, &verified.side_bytes, &verified.code_bytes);
        if (as_json) json_report(module, file, &verified);
        else text_report(module, file, &verified);
        fnvm_module_release(module);
        status = STATUS_OK;
    }
    fnvm_engine_free(engine);
    return status;
}

int command_inspect(int argc, char **argv)
{
    static const struct option long_options[] = {{"json", no_argument, NULL, 'j'},
                                                 {"wasm", required_argument, NULL, 'W'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    Options options;
    options_init(&options, "inspect");
    options.config.verify = FNVM_VERIFY_LAZY;
    bool as_json = false;
    const char *file = NULL;
    int status = -1, option;
    opterr = 0;
    optind = 1;
    while (status < 0 && (option = getopt_long(argc, argv, "-:W:h", long_options, NULL)) != -1) {
        switch (option) {
        case 'W': status = options_group(&options, 'W', optarg); break;
        case 'j': as_json = true; break;
        case 'h': status = help_print("inspect"); break;
        case 1:
            if (file) status = error_usage("inspect", "one file at a time");
            file = optarg;
            break;
        default: status = error_option("inspect", option, argv[optind - 1]);
        }
    }
    if (!file && optind < argc) file = argv[optind];
    if (status < 0)
        status = !file                 ? error_usage("inspect", "which file?")
                 : file_is_image(file) ? inspect_image(file, as_json)
                                       : inspect_file(&options, file, as_json);
    options_free(&options);
    return status;
}
