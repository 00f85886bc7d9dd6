/* Manifests as they are installed: complete, and read again as what was meant. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/install.h"
#include "verifier/policy/keys.h"

static fnvm_error *no_memory(void)
{
    return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
}

/* ---- Text ---- */

static bool print_key(FILE *out, const char *key, const char *text)
{
    if (!text) return true;
    fprintf(out, "%s: ", key);
    bool ok = yamldoc_print_text(out, text);
    fputc('\n', out);
    return ok;
}

/* Relative to where we are now. */
static bool print_path(FILE *out, const char *path)
{
    char here[PATH_MAX], *whole = NULL;
    if (path[0] == '/') return yamldoc_print_text(out, path);
    if (!getcwd(here, sizeof here) || asprintf(&whole, "%s/%s", here, path) < 0) return false;
    bool ok = yamldoc_print_text(out, whole);
    free(whole);
    return ok;
}

/* ---- The manifest ---- */

static bool print_init(FILE *out, const Manifest *m)
{
    static const char *const words[] = {[INIT_NONE] = "none", [INIT_START] = "start", [INIT_CALL] = "call",
                                        [INIT_CHECKPOINT] = "checkpoint", [INIT_STDIN] = "stdin"};
    if (m->init != INIT_CALL || !m->init_call) {
        fprintf(out, "init: %s\n", words[m->init]);
        return true;
    }
    fputs("init:\n  ", out);
    return print_key(out, "call", m->init_call);
}

static bool print_mounts(FILE *out, const Manifest *m)
{
    bool ok = true;
    if (m->nmounts) fputs("mounts:\n", out);
    for (size_t i = 0; i < m->nmounts; i++) {
        fputs("  - host: ", out);
        ok &= print_path(out, m->mounts[i].host);
        fputs("\n    guest: ", out);
        ok &= yamldoc_print_text(out, m->mounts[i].guest);
        fprintf(out, "\n    access: %s\n", m->mounts[i].read_only ? "ro" : "rw");
    }
    return ok;
}

/* What is in the manifest's folder now is named by its whole path; other names are the loader's. */
static bool print_library(FILE *out, const char *library)
{
    return strchr(library, '/') ? print_path(out, library) : yamldoc_print_text(out, library);
}

static bool print_native(FILE *out, const Manifest *m)
{
    bool ok = true;
    if (m->nnative) fputs("native:\n", out);
    for (size_t i = 0; i < m->nnative; i++) {
        const ManifestLibrary *l = &m->native[i];
        fputs("  - library: ", out);
        ok &= print_library(out, l->library);
        fputs("\n    module: ", out);
        ok &= yamldoc_print_text(out, l->module);
        fputs(l->nfunctions ? "\n    functions:\n" : "\n    functions: {}\n", out);
        for (size_t k = 0; k < l->nfunctions; k++) {
            fputs("      ", out);
            ok &= yamldoc_print_text(out, l->functions[k].name);
            fputs(": ", out);
            ok &= yamldoc_print_text(out, l->functions[k].signature);
            fputc('\n', out);
        }
    }
    return ok;
}

static bool print_lists(FILE *out, const Manifest *m)
{
    bool ok = true;
    if (m->nargs) fputs("args:\n", out);
    for (size_t i = 0; i < m->nargs; i++) {
        fputs("  - ", out);
        ok &= yamldoc_print_text(out, m->args[i]);
        fputc('\n', out);
    }
    if (m->nenv) fputs("environment:\n", out);
    for (size_t i = 0; i < m->nenv; i++) {
        fputs("  ", out);
        ok &= yamldoc_print_text(out, m->env[i].name);
        fputs(": ", out);
        if (m->env[i].value) ok &= yamldoc_print_text(out, m->env[i].value);
        else fputs("null", out);
        fputc('\n', out);
    }
    return ok;
}

fnvm_error *manifest_print(const Manifest *m, const char *name, const char *version,
                           const char *module, const char *policy, char **text, size_t *len)
{
    *text = NULL;
    FILE *out = open_memstream(text, len);
    if (!out) return no_memory();
    bool ok = print_key(out, "name", name) && print_key(out, "version", version);
    fputs("module: ", out);
    ok &= print_path(out, module);
    fputc('\n', out);
    ok &= print_key(out, "policy", policy) && print_init(out, m) &&
          print_key(out, "entry", m->entry);
    fprintf(out, "image: %s\n", m->image ? "true" : "false");
    ok &= print_lists(out, m) && print_mounts(out, m) && print_native(out, m);
    const bool written = !ferror(out);
    if (fclose(out) == 0 && written && ok) return NULL;
    free(*text);
    *text = NULL;
    return written ? fnvm_error_new(FNVM_E_UNSUPPORTED, "`%s`: a path in it is no UTF-8, which "
                                    "manifests have to be", m->path) : no_memory();
}

/* ---- Its policy ---- */

/* Words and numbers need no quotes; anything else gets them. */
static bool is_plain(const YamlNode *node)
{
    bool plain = node->plain && node->len > 0;
    for (size_t i = 0; i < node->len && plain; i++)
        plain = isalnum((unsigned char)node->text[i]) || strchr("._-+", node->text[i]);
    return plain && node->text[0] != '-';
}

/* A library by its path, below the policy's folder. */
static bool is_relative(const YamlNode *library)
{
    return library->kind == YAML_SCALAR && library->text[0] != '/' && strchr(library->text, '/');
}

static bool print_joined(FILE *out, const char *folder, const char *path)
{
    char *whole = NULL;
    while (strncmp(path, "./", 2) == 0) path += 2;
    if (asprintf(&whole, "%s/%s", folder, path) < 0) return false;
    const bool ok = yamldoc_print_text(out, whole);
    free(whole);
    return ok;
}

typedef struct Where {   /* in a policy */
    unsigned depth;
    const char *folder;  /* the policy's, within `native` if that is to be settled; or NULL */
} Where;

/* In YAML's flow style, which needs no indentation; a key of the outermost map has a line of its own,
 * for the messages that name lines. */
static bool print_node(FILE *out, const YamlNode *node, const char *folder, Where at)
{
    const unsigned depth = at.depth;
    bool ok = true;
    if (at.folder && is_relative(node)) return print_joined(out, at.folder, node->text);
    if (node->kind == YAML_SCALAR) {
        if (!is_plain(node) && !(node->plain && node->len == 0)) return yamldoc_print_text(out, node->text);
        fputs(node->len ? node->text : "null", out);
        return true;
    }
    if (depth) fputc(node->kind == YAML_MAP ? '{' : '[', out);
    for (size_t i = 0; i < node->n; i++) { /* of a map: keys and values */
        const bool is_value = node->kind == YAML_MAP && i % 2;
        if (i) fputs(is_value ? ": " : depth ? ", " : "\n", out);
        const bool native = depth == 0 && is_value && strcmp(node->items[i - 1]->text, "native") == 0;
        ok &= print_node(out, node->items[i], folder, (Where){depth + 1, native ? folder : at.folder});
    }
    if (depth) fputc(node->kind == YAML_MAP ? '}' : ']', out);
    else fputc('\n', out);
    return ok;
}

/* With `folder`, absolute, libraries' paths that are relative to it become whole. */
static fnvm_error *print_policy(const YamlNode *node, const char *folder, char **text, size_t *len)
{
    FILE *out = open_memstream(text, len);
    if (!out) return no_memory();
    bool ok = node->n == 0 ? fputs("{}\n", out) >= 0 : print_node(out, node, folder, (Where){0});
    ok &= !ferror(out);
    if (fclose(out) == 0 && ok) return NULL;
    free(*text);
    *text = NULL;
    return no_memory();
}

static fnvm_error *print_settled(const char *file, const YamlNode *node, char **text, size_t *len)
{
    char *folder = policy_folder(file);
    char *whole = folder ? realpath(*folder ? folder : ".", NULL) : NULL;
    fnvm_error *error = whole ? print_policy(node, whole, text, len) : no_memory();
    free(folder);
    free(whole);
    return error;
}

fnvm_error *policy_settled_text(const char *file, char **text, size_t *len)
{
    YamlDocument *document;
    fnvm_error *error = yamldoc_load(file, &document);
    if (error) return error;
    const YamlNode *root = yamldoc_root(document);
    const YamlNode *native = root->kind == YAML_MAP ? shape_find(root, "native") : NULL;
    bool any = false;
    for (size_t i = 0; native && native->kind == YAML_LIST && i < native->n; i++)
        any = any || is_relative(native->items[i]);
    error = any ? print_settled(file, root, text, len) : file_read(file, text, len);
    yamldoc_free(document);
    return error;
}

static fnvm_error *read_named(const char *manifest, const char *file, bool settle, char **text, size_t *len)
{
    const char *slash = strrchr(manifest, '/');
    const int folder = slash && file[0] != '/' ? (int)(slash + 1 - manifest) : 0;
    char *path = NULL;
    if (asprintf(&path, "%.*s%s", folder, manifest, file) < 0) return no_memory();
    fnvm_error *error = settle ? policy_settled_text(path, text, len) : file_read(path, text, len);
    if (error) error = fnvm_error_wrap(error, "the policy `%s`", path);
    free(path);
    return error;
}

fnvm_error *manifest_policy_text(const char *manifest, bool settle, char **text, size_t *len)
{
    YamlDocument *document = NULL;
    const YamlNode *policy = NULL;
    *text = NULL;
    *len = 0;
    fnvm_error *error = yamldoc_load(manifest, &document);
    if (error) return error;
    policy = shape_find(yamldoc_root(document), "policy");
    if (policy && policy->kind == YAML_MAP && settle) error = print_settled(manifest, policy, text, len);
    else if (policy && policy->kind == YAML_MAP) error = print_policy(policy, NULL, text, len);
    else if (policy) error = read_named(manifest, policy->text, settle, text, len);
    yamldoc_free(document);
    return error;
}
