/* The keys of a manifest, and its policy's word on what it hands to the function.  A policy in place is
 * read from the same document, so that its rules have the manifest's lines. */
#include "verifier/policy/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "verifier/policy/keys.h"
#include "vm/error.h"
#include "vm/native_signature.h"

#define AT(member) FIELD(Manifest, member)

bool manifest_name_ok(const char *name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t len = strlen(name);
    if (len == 0 || len > 64 || !strchr(plain, name[0])) return false;
    for (size_t i = 1; i < len; i++)
        if (!strchr(plain, name[i]) && !strchr("._-", name[i])) return false;
    return true;
}

/* ---- Values ---- */

#define NAME_PATTERN "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
const Shape manifest_name_shape = {
    .kind = SHAPE_TEXT, .ok = manifest_name_ok, .pattern = NAME_PATTERN,
    .expected = "a name: a letter or digit, then up to 63 of these and `.`, `_`, `-`"};
const Shape manifest_version_shape = {
    .kind = SHAPE_TEXT, .ok = manifest_name_ok, .pattern = NAME_PATTERN, .any_scalar = true,
    .expected = "a version: a letter or digit, then up to 63 of these and `.`, `_`, `-`"};
const Shape manifest_file_shape = {.kind = SHAPE_TEXT, .ok = policy_text_ok, .pattern = ".",
                                 .expected = "a file"};
static const Shape text_shape = {.kind = SHAPE_TEXT, .any_scalar = true, .expected = "a text"};
static const Shape export_shape = {.kind = SHAPE_TEXT, .ok = policy_text_ok, .pattern = ".",
                                   .expected = "the name of an export"};
static const Shape bool_shape = {.kind = SHAPE_BOOL};
const Shape manifest_args_shape = {.kind = SHAPE_LIST, .item = &text_shape, .size = sizeof(char *),
                                 .expected = "a list of arguments"};

/* ---- policy ---- */

static fnvm_error *read_policy(Reading *r, const YamlNode *node, void *field)
{
    Policy **policy = field;
    if (node->kind == YAML_MAP) return policy_read(r->yaml, node, policy);
    if (node->kind != YAML_SCALAR || shape_is_null(node) || !*node->text)
        return shape_error(r, node, "a file, or a map of a policy's keys");
    char *path = shape_join(r, r->folder, node->text);
    if (!path) return error_no_memory();
    fnvm_error *error = fnvm_policy_load(path, policy);
    return error ? fnvm_error_wrap(error, "%s:%u:%u: policy", yamldoc_name(r->yaml), node->line,
                                   node->column)
                 : NULL;
}

/* policy_shape's keys come from its own file, which a constant here cannot copy. */
static const Shape policy_brief = {.kind = SHAPE_MAP, .keys = NULL, .read = read_policy,
                                   .brief_shape = &manifest_file_shape, .item = &policy_shape};

/* ---- init ---- */

static const Word init_words[] = {{"none", INIT_NONE}, {"start", INIT_START}, {"call", INIT_CALL},
                                  {"checkpoint", INIT_CHECKPOINT}, {"stdin", INIT_STDIN},
                                  {NULL, 0}};
static const Shape init_word = {.kind = SHAPE_WORD, .words = init_words, .size = sizeof(uint32_t),
                                .expected = "none, start, call, checkpoint, stdin or {call: NAME}"};
_Static_assert(sizeof(ManifestInit) == 4, "words are written as uint32_t");

static fnvm_error *read_init(Reading *r, const YamlNode *node, void *object)
{
    return shape_read(r, node, &init_word, &((Manifest *)object)->init);
}

static fnvm_error *check_init(Reading *r, const YamlNode *node, void *object)
{
    (void)r, (void)node;
    ((Manifest *)object)->init = INIT_CALL;
    return NULL;
}

static const Key init_keys[] = {
    {"call", &export_shape, "the exported function to call first", .field = AT(init_call),
     .needed = true},
    {.name = NULL}};
static const Shape init_shape = {
    .kind = SHAPE_MAP, .keys = init_keys, .brief = read_init, .brief_shape = &init_word,
    .check = check_init, .expected = "none, start, call, checkpoint, stdin or {call: NAME}"};

/* ---- mounts and environment ---- */

static const Word access_words[] = {{"ro", true}, {"rw", false}, {NULL, 0}};
static const Shape access_shape = {.kind = SHAPE_WORD, .words = access_words, .size = sizeof(bool),
                                   .expected = "ro or rw"};
static const Shape dir_shape = {.kind = SHAPE_TEXT, .ok = policy_text_ok, .pattern = ".",
                                .expected = "a directory"};

static fnvm_error *check_mount(Reading *r, const YamlNode *node, void *object)
{
    ManifestMount *mount = object;
    if (!shape_find(node, "access")) mount->read_only = true;
    mount->host = shape_join(r, r->folder, mount->host);
    return mount->host ? NULL : error_no_memory();
}

static const Key mount_keys[] = {
    {"host", &dir_shape, "the directory; a relative one is below the manifest's own",
     .field = FIELD(ManifestMount, host), .needed = true},
    {"guest", &dir_shape, "what the function calls it", .field = FIELD(ManifestMount, guest),
     .needed = true},
    {"access", &access_shape, "ro: only to be read", .field = FIELD(ManifestMount, read_only),
     .fallback = "ro"},
    {.name = NULL}};
static const Shape mount_shape = {.kind = SHAPE_MAP, .keys = mount_keys, .check = check_mount,
                                  .expected = "a map of host, guest and access"};
const Shape manifest_mounts_shape = {.kind = SHAPE_LIST, .item = &mount_shape,
                                   .size = sizeof(ManifestMount),
                                   .line = FIELD(ManifestMount, line),
                                   .expected = "a list of mounts"};

static const Shape variable_shape = {.kind = SHAPE_TEXT, .any_scalar = true,
                                     .expected = "a variable's name"};
const Shape manifest_environment_shape = {
    .kind = SHAPE_NAMES, .ok = policy_variable_ok, .pattern = "^[^=]{1,255}$",
    .item = &variable_shape, .size = sizeof(ManifestVariable),
    .line = FIELD(ManifestVariable, line), .expected = "a map of variables to values"};
_Static_assert(offsetof(ManifestVariable, name) == 0 &&
                   offsetof(ManifestVariable, value) == sizeof(char *), "as SHAPE_NAMES has them");

/* ---- native ---- */

static const Shape library_shape = {.kind = SHAPE_TEXT, .ok = policy_library_ok, .pattern = "/|\\.so",
                                    .expected = "a library, such as libm.so.6 or ./libimage.so"};
static const Shape module_shape = {.kind = SHAPE_TEXT, .ok = policy_text_ok, .pattern = ".",
                                   .expected = "the name of a module to import from"};
static const Shape function_shape = {.kind = SHAPE_TEXT, .expected = "a function's name"};
static const Shape functions_shape = {
    .kind = SHAPE_NAMES, .ok = policy_text_ok, .pattern = ".", .item = &function_shape,
    .size = sizeof(ManifestFunction), .line = FIELD(ManifestFunction, line),
    .expected = "a map of functions to signatures, such as {cos: \"f64(f64)\"}"};
_Static_assert(offsetof(ManifestFunction, name) == 0 &&
                   offsetof(ManifestFunction, signature) == sizeof(char *), "as SHAPE_NAMES has them");

/* Names in signatures are the signature's business, and so are its messages. */
static fnvm_error *check_library(Reading *r, const YamlNode *node, void *object)
{
    ManifestLibrary *library = object;
    const YamlNode *functions = shape_find(node, "functions");
    NativeSignature signature;
    for (size_t i = 0; i < library->nfunctions; i++) {
        const ManifestFunction *f = &library->functions[i];
        if (!f->signature)
            return shape_error(r, functions->items[2 * i + 1], "a signature, such as \"f64(f64)\"");
        fnvm_error *wrong = native_signature_parse(f->signature, &signature);
        if (!wrong) continue;
        fnvm_error *error = yamldoc_error(r->yaml, functions->items[2 * i + 1], "native: functions: %s",
                                          fnvm_error_message(wrong));
        fnvm_error_free(wrong);
        return error;
    }
    if (!library->module) library->module = shape_copy(r, "env", strlen("env"));
    if (strchr(library->library, '/')) library->library = shape_join(r, r->folder, library->library);
    return r->arena->failed ? error_no_memory() : NULL;
}

static const Key library_keys[] = {
    {"library", &library_shape,
     "a name that the system's loader knows, or a path; a relative one is below the manifest's folder",
     .field = FIELD(ManifestLibrary, library), .needed = true},
    {"module", &module_shape, "the module that the function imports them from",
     .field = FIELD(ManifestLibrary, module), .fallback = "env"},
    {"functions", &functions_shape, "their names and signatures (docs/native.md)",
     .field = FIELD(ManifestLibrary, functions), .count = FIELD(ManifestLibrary, nfunctions),
     .needed = true},
    {.name = NULL}};
static const Shape library_map = {.kind = SHAPE_MAP, .keys = library_keys, .check = check_library,
                                  .expected = "a map of library, module and functions"};
const Shape manifest_native_shape = {.kind = SHAPE_LIST, .item = &library_map, .lone = true,
                                     .size = sizeof(ManifestLibrary), .line = FIELD(ManifestLibrary, line),
                                     .expected = "a list of libraries"};

/* ---- The whole ---- */

static const Key manifest_keys[] = {
    {"name", &manifest_name_shape, "the function's name", .field = AT(name), .needed = true},
    {"version", &manifest_version_shape, "its version", .field = AT(version), .fallback = "none"},
    {"module", &manifest_file_shape, "the module's file; a relative one is below the manifest's folder",
     .field = AT(module), .line = AT(module_line), .needed = true},
    {"policy", &policy_brief, "the policy it runs under: a file, or its keys in place",
     .field = AT(policy), .fallback = "none"},
    {"init", &init_shape, "when it counts as started, and may be frozen to an image",
     .fallback = "none"},
    {"image", &bool_shape, "whether installing it takes an image",
     .field = AT(image)},
    {"entry", &export_shape, "the export that running it calls", .field = AT(entry),
     .fallback = "_start"},
    {"args", &manifest_args_shape, "its first arguments", .field = AT(args), .count = AT(nargs),
     .fallback = "[]"},
    {"mounts", &manifest_mounts_shape, "directories it is given", .field = AT(mounts),
     .count = AT(nmounts), .fallback = "[]"},
    {"environment", &manifest_environment_shape,
     "variables it is given; null: the value that fnvm has, if any", .field = AT(env),
     .count = AT(nenv), .fallback = "{}"},
    {"native", &manifest_native_shape, "functions of libraries that it is given, if its policy has the library",
     .field = AT(native), .count = AT(nnative), .fallback = "[]"},
    {"serve", &serve_settings_shape, "how a gateway serves it", .field = AT(serve)},
    {.name = NULL}};

const Shape manifest_shape = {.kind = SHAPE_MAP, .keys = manifest_keys,
                              .expected = "a manifest: a map of name, module and more"};

/* ---- Reading ---- */

/* Where the policy refuses, the message names both lines. */
static fnvm_error *check_handed(const Manifest *m)
{
    for (size_t i = 0; m->policy && i < m->nmounts; i++) {
        const ManifestMount *mount = &m->mounts[i];
        fnvm_error *error = policy_check_dir(m->policy, mount->host, mount->read_only);
        if (error) return fnvm_error_wrap(error, "%s:%u: mounts", m->path, mount->line);
    }
    for (size_t i = 0; m->policy && i < m->nenv; i++) {
        fnvm_error *error = policy_check_env(m->policy, m->env[i].name);
        if (error) return fnvm_error_wrap(error, "%s:%u: environment", m->path, m->env[i].line);
    }
    return m->policy ? manifest_check_native(m, m->policy) : NULL;
}

fnvm_error *manifest_check_native(const Manifest *m, const Policy *policy)
{
    for (size_t i = 0; i < m->nnative; i++) {
        const ManifestLibrary *l = &m->native[i];
        fnvm_error *error =
            policy ? policy_check_native(policy, l->library)
                   : fnvm_error_new(FNVM_E_POLICY, "functions of libraries are called only under a "
                                    "policy that has `native: [%s]`, and there is none", l->library);
        if (error) return fnvm_error_wrap(error, "%s:%u: native", m->path, l->line);
    }
    return NULL;
}

static fnvm_error *read_manifest(const YamlDocument *doc, const char *folder, Manifest *m)
{
    Reading r = {.yaml = doc, .arena = &m->arena, .folder = folder};
    serve_settings_init(&m->serve);
    m->path = shape_copy(&r, yamldoc_name(doc), strlen(yamldoc_name(doc)));
    if (!m->path) return error_no_memory();
    fnvm_error *error = shape_read_map(&r, yamldoc_root(doc), &manifest_shape, m);
    if (error) return error;
    m->module = shape_join(&r, folder, m->module);
    return m->module ? check_handed(m) : error_no_memory();
}

fnvm_error *manifest_load(const char *path, Manifest **out)
{
    YamlDocument *doc;
    fnvm_error *error = yamldoc_load(path, &doc);
    if (error) return error;
    Manifest *m = calloc(1, sizeof *m);
    char *folder = policy_folder(path);
    error = m && folder ? read_manifest(doc, folder, m) : error_no_memory();
    free(folder);
    yamldoc_free(doc);
    if (error) manifest_free(m);
    else *out = m;
    return error;
}

void manifest_free(Manifest *m)
{
    if (!m) return;
    fnvm_policy_release(m->policy);
    arena_free(&m->arena);
    free(m);
}
