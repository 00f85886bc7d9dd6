/* The keys of a policy.  All is in the tables but what no table says: MODULE.NAME, types, and how low a
 * ceiling may be. */
#include "verifier/policy/keys.h"

#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verifier/policy/manifest.h"
#include "vm/error.h"
#include "vm/wasi_functions.h"

#define AT(member) FIELD(Policy, member)

/* ---- Words ---- */

static const Word feature_words[] = {
    {"all", FNVM_FEATURES_3_0},
    {"none", 0},
    {"sign-extension", FNVM_FEATURE_SIGN_EXTENSION},
    {"saturating-float-to-int", FNVM_FEATURE_SAT_FLOAT},
    {"multi-value", FNVM_FEATURE_MULTI_VALUE},
    {"bulk-memory", FNVM_FEATURE_BULK},
    {"reference-types", FNVM_FEATURE_REFERENCES},
    {"simd", FNVM_FEATURE_SIMD},
    {"relaxed-simd", FNVM_FEATURE_RELAXED_SIMD},
    {"tail-call", FNVM_FEATURE_TAIL_CALL},
    {"extended-const", FNVM_FEATURE_EXTENDED_CONST},
    {"exceptions", FNVM_FEATURE_EXCEPTIONS},
    {"function-references", FNVM_FEATURE_FUNCTION_REFS},
    {"gc", FNVM_FEATURE_GC},
    {"multi-memory", FNVM_FEATURE_MULTI_MEMORY},
    {"memory64", FNVM_FEATURE_MEMORY64},
    {"wide-arithmetic", FNVM_FEATURE_WIDE_ARITHMETIC},
    {"custom-page-sizes", FNVM_FEATURE_CUSTOM_PAGE_SIZES},
    {NULL, 0}};

static const Word call_words[] = {
#define FUNC(name, type, in_unstable) {#name, 0},
    WASI_FUNCTIONS(FUNC)
#undef FUNC
    {NULL, 0}};

static const Word engine_words[] = {{"auto", FNVM_ENGINE_AUTO}, {"jit", FNVM_ENGINE_JIT},
                                    {"interp", FNVM_ENGINE_INTERPRETER}, {NULL, 0}};
static const Word verify_words[] = {{"lazy", FNVM_VERIFY_LAZY}, {"eager", FNVM_VERIFY_EAGER},
                                    {NULL, 0}};
static const Word compile_words[] = {{"lazy", FNVM_COMPILE_LAZY}, {"eager", FNVM_COMPILE_EAGER},
                                     {NULL, 0}};
static const Word access_words[] = {{"ro", true}, {"rw", false}, {NULL, 0}};

/* ---- Texts ---- */

bool policy_text_ok(const char *text) { return *text != '\0'; }

static bool pattern_ok(const char *text) { return *text && strlen(text) <= POLICY_PATTERN_BYTES; }

bool policy_variable_ok(const char *text) { return pattern_ok(text) && !strchr(text, '='); }

/* "(func", "(table", ... and brackets that pair; what is between is compared with the module's. */
static bool type_ok(const char *text)
{
    static const char *const kinds[] = {"func", "table", "memory", "global", "tag"};
    if (*text != '(') return false;
    size_t word = strcspn(text + 1, " ()\t\n"), depth = 0;
    bool known = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        known = known || (strlen(kinds[i]) == word && memcmp(kinds[i], text + 1, word) == 0);
    for (; known && *text; text++) {
        depth += *text == '(';
        if (*text != ')') continue;
        if (--depth == 0) return text[1] == '\0';
    }
    return false;
}

static const Shape pattern_shape = {.kind = SHAPE_TEXT, .ok = pattern_ok, .pattern = "^.{1,255}$",
                                    .expected = "a name of at most 255 bytes; * and ? stand for any"};
static const Shape name_shape = {.kind = SHAPE_TEXT, .ok = policy_text_ok, .pattern = ".",
                                 .expected = "a name"};
static const Shape type_shape = {
    .kind = SHAPE_TEXT, .ok = type_ok, .pattern = "^\\((func|table|memory|global|tag)\\b.*\\)$",
    .expected = "a type as the text format has it, such as \"(func (param i32) (result i32))\""};

/* ---- Imports and exports ---- */

static fnvm_error *read_import(Reading *r, const YamlNode *node, void *object)
{
    PolicyImport *import = object;
    const char *dot = strchr(node->text, '.');
    if (!dot || dot == node->text || !dot[1])
        return shape_error(r, node, "MODULE.NAME, such as env.log or \"env.*\"");
    if (strchr(dot + 1, '.'))
        return shape_error(r, node, "one dot: which belongs to the names, {module: ..., name: ...}"
                                    " says");
    import->module = shape_copy(r, node->text, (size_t)(dot - node->text));
    import->name = shape_copy(r, dot + 1, strlen(dot + 1));
    if (!import->module || !import->name) return error_no_memory();
    if (!pattern_ok(import->module) || !pattern_ok(import->name))
        return shape_error(r, node, pattern_shape.expected);
    return NULL;
}

static fnvm_error *check_import(Reading *r, const YamlNode *node, void *object)
{
    PolicyImport *import = object;
    (void)node;
    if (!import->name) import->name = shape_copy(r, "*", 1);
    return import->name ? NULL : error_no_memory();
}

static fnvm_error *read_export(Reading *r, const YamlNode *node, void *object)
{
    PolicyExport *export = object;
    if (!policy_text_ok(node->text)) return shape_error(r, node, "a name");
    export->name = shape_copy(r, node->text, node->len);
    return export->name ? NULL : error_no_memory();
}

static const Key import_keys[] = {
    {"module", &pattern_shape, "the module it comes from; * and ? stand for any",
     .field = FIELD(PolicyImport, module), .needed = true},
    {"name", &pattern_shape, "its name; * and ? stand for any",
     .field = FIELD(PolicyImport, name), .fallback = "\"*\""},
    {"type", &type_shape, "its type as the text format has it",
     .field = FIELD(PolicyImport, type), .fallback = "any"},
    {.name = NULL}};

static const Key export_keys[] = {
    {"name", &name_shape, "its name", .field = FIELD(PolicyExport, name), .needed = true},
    {"type", &type_shape, "its type as the text format has it",
     .field = FIELD(PolicyExport, type), .fallback = "any"},
    {.name = NULL}};

static const Shape import_brief = {.kind = SHAPE_TEXT, .pattern = "^[^.]+\\.[^.]+$"};
static const Shape import_shape = {.kind = SHAPE_MAP, .keys = import_keys, .brief = read_import,
                                   .brief_shape = &import_brief, .check = check_import,
                                   .expected = "MODULE.NAME, or a map of module, name and type"};
static const Shape export_shape = {.kind = SHAPE_MAP, .keys = export_keys, .brief = read_export,
                                   .brief_shape = &name_shape,
                                   .expected = "a name, or a map of name and type"};
static const Shape imports_shape = {.kind = SHAPE_LIST, .item = &import_shape,
                                    .size = sizeof(PolicyImport),
                                    .line = FIELD(PolicyImport, line),
                                    .expected = "a list of imports ([] for none)"};
static const Shape exports_shape = {.kind = SHAPE_LIST, .item = &export_shape,
                                    .size = sizeof(PolicyExport),
                                    .line = FIELD(PolicyExport, line),
                                    .expected = "a list of exports"};

/* ---- Limits ---- */

static const Shape count_shape = {.kind = SHAPE_COUNT};
static const Shape bytes_shape = {.kind = SHAPE_BYTES};
static const Shape time_shape = {.kind = SHAPE_TIME};
#define SHAPE_OF_COUNT &count_shape
#define SHAPE_OF_BYTES &bytes_shape
#define SHAPE_OF_TIME &time_shape

static const Key limit_keys[] = {
#define CEILING(ident, key, unit, otherwise, what)                                        \
    {key, SHAPE_OF_##unit, what, .field = AT(ceilings[CEILING_##ident].most),              \
     .line = AT(ceilings[CEILING_##ident].line)},
#include "verifier/policy/ceilings.def"
    {.name = NULL}};

/* Zero is a limit like any other, but of what nothing runs without. */
static fnvm_error *check_limits(Reading *r, const YamlNode *node, void *object)
{
    static const struct { PolicyCeiling ceiling; uint64_t least; const char *text; } rows[] = {
        {CEILING_MODULE, 8, "8 bytes at least, which the smallest module has"},
        {CEILING_STACK, 4096, "4KiB at least"},
        {CEILING_INSTANCES, 1, "1 at least"},
        {CEILING_TIME, 1, "more than nothing"}};
    const Policy *policy = object;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (policy->ceilings[rows[i].ceiling].most >= rows[i].least) continue;
        const char *key = policy_ceilings[rows[i].ceiling].key;
        r->keys[r->depth++] = key;
        fnvm_error *error = shape_error(r, shape_find(node, key), rows[i].text);
        r->depth--;
        return error;
    }
    return NULL;
}

static const Shape limits_shape = {.kind = SHAPE_MAP, .keys = limit_keys, .check = check_limits,
                                   .expected = "a map of limits"};

/* ---- WASI ---- */

static fnvm_error *set_host(Reading *r, const char *text, PolicyDir *dir)
{
    if (text[0] != '/' && !(dir->relative = shape_copy(r, text, strlen(text))))
        return error_no_memory();
    dir->host = shape_join(r, r->folder, text);
    return dir->host ? NULL : error_no_memory();
}

static fnvm_error *read_dir(Reading *r, const YamlNode *node, void *object)
{
    PolicyDir *dir = object;
    if (!policy_text_ok(node->text)) return shape_error(r, node, "a directory");
    dir->read_only = true;
    return set_host(r, node->text, dir);
}

static fnvm_error *check_dir(Reading *r, const YamlNode *node, void *object)
{
    PolicyDir *dir = object;
    if (!shape_find(node, "access")) dir->read_only = true;
    return set_host(r, dir->host, dir);
}

static const Shape path_shape = {.kind = SHAPE_TEXT, .ok = policy_text_ok, .pattern = ".",
                                 .expected = "a directory"};
static const Shape access_shape = {.kind = SHAPE_WORD, .words = access_words, .size = sizeof(bool),
                                   .expected = "ro or rw"};
static const Key dir_keys[] = {
    {"host", &path_shape, "the directory; a relative one is below the policy's own",
     .field = FIELD(PolicyDir, host), .needed = true},
    {"access", &access_shape, "ro: only to be read", .field = FIELD(PolicyDir, read_only),
     .fallback = "ro"},
    {.name = NULL}};
static const Shape dir_shape = {.kind = SHAPE_MAP, .keys = dir_keys, .brief = read_dir,
                                .brief_shape = &path_shape, .check = check_dir,
                                .expected = "a directory, or a map of host and access"};
static const Shape dirs_shape = {.kind = SHAPE_LIST, .item = &dir_shape, .size = sizeof(PolicyDir),
                                 .line = FIELD(PolicyDir, line),
                                 .expected = "a list of directories ([] for none)"};

static const Shape call_shape = {.kind = SHAPE_TEXT, .words = call_words,
                                 .expected = "a function of WASI, such as fd_read"};
static const Shape calls_shape = {.kind = SHAPE_LIST, .item = &call_shape,
                                  .size = sizeof(PolicyName), .line = FIELD(PolicyName, line),
                                  .expected = "a list of functions of WASI ([] for none)"};
static const Shape variable_shape = {.kind = SHAPE_TEXT, .ok = policy_variable_ok,
                                     .pattern = "^[^=]{1,255}$",
                                     .expected = "a variable's name; * and ? stand for any"};
static const Shape variables_shape = {.kind = SHAPE_LIST, .item = &variable_shape,
                                      .size = sizeof(PolicyName),
                                      .line = FIELD(PolicyName, line),
                                      .expected = "a list of variables' names ([] for none)"};
static const Shape bool_shape = {.kind = SHAPE_BOOL};

static const Key wasi_keys[] = {
    {"calls", &calls_shape, "functions of WASI that it may import", .field = AT(calls),
     .count = AT(ncalls), .line = AT(calls_line), .any = AT(any_call), .fallback = "all",
     .example = "[fd_read, fd_write, proc_exit]"},
    {"directories", &dirs_shape, "directories that may be handed to it, and what is below them",
     .field = AT(dirs), .count = AT(ndirs), .line = AT(dirs_line), .any = AT(any_dir),
     .fallback = "any", .example = "[{host: /srv/site, access: ro}]"},
    {"environment", &variables_shape, "environment variables that may be handed to it",
     .field = AT(env), .count = AT(nenv), .line = AT(env_line), .any = AT(any_env),
     .fallback = "any", .example = "[LANG, \"APP_*\"]"},
    {"network", &bool_shape, "whether sockets may be handed to it", .field = AT(network),
     .line = AT(network_line)},
    {.name = NULL}};
static const Shape wasi_shape = {.kind = SHAPE_MAP, .keys = wasi_keys,
                                 .expected = "a map of calls, directories, environment, network"};

/* ---- Native functions ---- */

bool policy_library_ok(const char *text)
{
    return strlen(text) <= POLICY_PATTERN_BYTES && (strchr(text, '/') || strstr(text, ".so"));
}

static bool library_ok(const char *text)
{
    return policy_library_ok(text) || strcmp(text, POLICY_NATIVE_PROGRAM) == 0;
}

static fnvm_error *read_library(Reading *r, const YamlNode *node, void *object)
{
    PolicyLibrary *library = object;
    const Shape text = {.kind = SHAPE_TEXT, .ok = library_ok,
                        .expected = "a library, such as libm.so.6 or /opt/lib/libimage.so"};
    fnvm_error *error = shape_read(r, node, &text, &library->name);
    if (error || !strchr(library->name, '/')) return error;
    if (library->name[0] != '/') library->relative = library->name;
    library->name = shape_join(r, r->folder, library->name);
    return library->name ? NULL : error_no_memory();
}

static const Shape library_item = {.kind = SHAPE_TEXT, .pattern = "/|\\.so|^program$",
                                   .read = read_library};
static const Shape native_shape = {.kind = SHAPE_LIST, .item = &library_item,
                                   .size = sizeof(PolicyLibrary),
                                   .line = FIELD(PolicyLibrary, line),
                                   .expected = "a list of libraries ([] for none)"};

/* ---- How it runs ---- */

static const Shape engine_shape = {.kind = SHAPE_WORD, .words = engine_words,
                                   .size = sizeof(uint32_t), .expected = "auto, jit or interp"};
static const Shape verify_shape = {.kind = SHAPE_WORD, .words = verify_words,
                                   .size = sizeof(uint32_t), .expected = "lazy or eager"};
static const Shape compile_shape = {.kind = SHAPE_WORD, .words = compile_words,
                                    .size = sizeof(uint32_t), .expected = "lazy or eager"};
_Static_assert(sizeof(fnvm_engine_kind) == 4 && sizeof(fnvm_verify) == 4 &&
                   sizeof(fnvm_compile) == 4, "words are written as uint32_t");

static const char callers[] = "as the caller has it";
static const Key run_keys[] = {
    {"engine", &engine_shape, "compile, interpret, or what the machine allows",
     .field = AT(engine), .line = AT(engine_line), .fallback = callers, .example = "jit"},
    {"verify", &verify_shape, "verify functions at their first calls, or all when loading",
     .field = AT(verify), .line = AT(verify_line), .fallback = callers, .example = "eager"},
    {"compile", &compile_shape, "compile functions at their first calls, or all at once",
     .field = AT(compile), .line = AT(compile_line), .fallback = callers, .example = "eager"},
    {.name = NULL}};
static const Shape run_shape = {.kind = SHAPE_MAP, .keys = run_keys,
                                .expected = "a map of engine, verify and compile"};

/* ---- The whole ---- */

static const Shape features_shape = {.kind = SHAPE_WORDS, .words = feature_words,
                                     .expected = "a list of features, `all` or `none`"};

static const Key policy_keys[] = {
    {"features", &features_shape, "proposals it may use; all: WebAssembly 3.0",
     .field = AT(features), .line = AT(features_line), .fallback = "all"},
    {"imports", &imports_shape, "what it may import: MODULE.NAME, where * and ? stand for any",
     .field = AT(imports), .count = AT(nimports), .line = AT(imports_line),
     .any = AT(any_import), .fallback = "any", .example = "[\"wasi_snapshot_preview1.*\"]"},
    {"exports", &exports_shape, "what it must export", .field = AT(exports),
     .count = AT(nexports), .fallback = "none", .example = "[_start]"},
    {"native", &native_shape,
     "libraries whose functions it may be given; they can do all that fnvm can",
     .field = AT(native), .count = AT(nnative), .line = AT(native_line), .fallback = "[]"},
    {"limits", &limits_shape, "ceilings: of what it has, and of what running it takes", .field = 0},
    {"wasi", &wasi_shape, "what it may use of WASI", .field = 0},
    {"run", &run_shape, "how it is run", .field = 0},
    {.name = NULL}};
const Shape policy_shape = {.kind = SHAPE_MAP, .keys = policy_keys,
                            .expected = "a policy: a map of features, imports, exports, native, "
                                        "limits, wasi and run"};

void policy_init(Policy *policy)
{
    *policy = (Policy){.features = FNVM_FEATURES_3_0, .any_import = true, .any_call = true,
                       .any_dir = true, .any_env = true};
    atomic_init(&policy->refs, 1);
    arena_init(&policy->arena);
    for (size_t i = 0; i < CEILINGS; i++) policy->ceilings[i].most = policy_ceilings[i].most;
}

/* ---- Reading ---- */

char *policy_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == path) return strdup("/");
    return slash ? strndup(path, (size_t)(slash - path)) : strdup("");
}

/* The folder that relative directories are below, absolute: that of the file, or the current one if there
 * is no such folder. */
static fnvm_error *absolute_folder(const char *name, char **out)
{
    char *folder = policy_folder(name);
    if (!folder) return error_no_memory();
    *out = realpath(*folder ? folder : ".", NULL);
    if (!*out) *out = realpath(".", NULL);
    free(folder);
    return *out ? NULL : fnvm_error_new(FNVM_E_IO, "%s: the current directory is gone", name);
}

/* The end of a long name says more than its beginning. */
static char *short_name(Reading *r, const char *name)
{
    size_t len = strlen(name), from = 0;
    if (len < POLICY_NAME) return shape_copy(r, name, len);
    from = len - POLICY_NAME + sizeof "...";
    while (((unsigned char)name[from] & 0xC0) == 0x80) from++; /* whole characters */
    char *text = shape_copy(r, name + from - 3, len - from + 3);
    if (text) memcpy(text, "...", 3);
    return text;
}

fnvm_error *policy_read(const YamlDocument *doc, const YamlNode *node, Policy **out)
{
    char *folder = NULL;
    fnvm_error *error = absolute_folder(yamldoc_name(doc), &folder);
    if (error) return error;
    Policy *policy = malloc(sizeof *policy);
    if (!policy) {
        free(folder);
        return error_no_memory();
    }
    policy_init(policy);
    Reading r = {.yaml = doc, .arena = &policy->arena, .folder = folder};
    size_t len;
    const char *text = yamldoc_text(doc, &len);
    crypto_generichash(policy->digest, sizeof policy->digest, (const unsigned char *)text, len,
                       NULL, 0);
    policy->name = short_name(&r, yamldoc_name(doc));
    error = policy->name ? shape_read_map(&r, node, &policy_shape, policy) : error_no_memory();
    free(folder);
    if (error) fnvm_policy_release(policy);
    else *out = policy;
    return error;
}

static fnvm_error *read_document(YamlDocument *doc, fnvm_policy **out)
{
    fnvm_error *error = policy_read(doc, yamldoc_root(doc), out);
    yamldoc_free(doc);
    return error;
}

fnvm_error *fnvm_policy_parse(const char *name, const char *yaml, size_t len, fnvm_policy **out)
{
    YamlDocument *doc;
    fnvm_error *error = yamldoc_parse(name, yaml, len, &doc);
    return error ? error : read_document(doc, out);
}

fnvm_error *fnvm_policy_load(const char *path, fnvm_policy **out)
{
    YamlDocument *doc;
    fnvm_error *error = yamldoc_load(path, &doc);
    return error ? error : read_document(doc, out);
}
