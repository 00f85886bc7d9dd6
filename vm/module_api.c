/* Modules from the outside: loading runs source, decoder and verifier in that order.  The one
 * place of the loader that knows the verifier, because a loaded module is a verified one (I5). */
#include <stdlib.h>
#include <string.h>

#include "jit/code_file.h"
#include "jit/enter.h"
#include "loader/module_index.h"
#include "loader/source.h"
#include "verifier/policy/check.h"
#include "verifier/verifier.h"

static void module_free(Module *m)
{
    jit_module_close(m);
    uint32_t own = m->code ? m->nfuncs - m->n_imported_funcs : 0;
    for (uint32_t i = 0; i < own; i++) {
        const FuncCode *code = atomic_load_explicit(&m->code[i], memory_order_relaxed);
        if (code) func_code_free(code);
    }
    free((void *)m->code);
    types_release_all(&m->engine->types, m->types, m->ntypes);
    types_release_valtype(&m->engine->types, m->host_value);
    free(atomic_load_explicit(&m->type_indices, memory_order_relaxed));
    module_index_free(m);
    code_file_close(m->code_file);
    source_close(m);
    free(m->path);
    if (m->check) check_close(m->check);
    free(m->check);
    pthread_mutex_destroy(&m->code_lock);
    fnvm_engine_free(m->engine);
    free(m);
}

Module *module_new(fnvm_engine *engine)
{
    Module *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    atomic_init(&m->refs, 1);
    m->engine = engine_retain(engine);
    pthread_mutex_init(&m->code_lock, NULL);
    return m;
}

static fnvm_error *verify_eager(Module *m)
{
    return m->engine->config.verify == FNVM_VERIFY_EAGER ? verifier_until_bad(m, m->check) : NULL;
}

fnvm_error *module_admit(Module *m)
{
    fnvm_error *error = verify_eager(m);
    return error || !m->check ? error : check_error(m->check, "the module");
}

/* Takes a module whose bytes are there, or the error in getting them.  What is not approved is not even
 * decoded. */
static fnvm_error *module_finish(Module *m, fnvm_error *error, Module **out)
{
    if (!error && m->origin == MODULE_GIVEN) error = gate_module(&m->gate, m, m->path);
    if (!error) error = module_decode(m);
    if (!error) error = verifier_module(m);
    if (!error) error = module_admit(m);
    if (error)
        module_free(m);
    else
        *out = m;
    return error;
}

fnvm_error *module_load_of(fnvm_engine *engine, ModuleOrigin origin, const char *path, Module **out)
{
    Module *m = module_new(engine);
    if (!m) return error_no_memory();
    m->origin = (uint8_t)origin;
    m->path = strdup(path); /* for the code cache and for images; they get by without */
    fnvm_error *error = module_finish(m, source_open_file(m, path), out);
    return error ? fnvm_error_wrap(error, "failed to load `%s`", path) : NULL;
}

fnvm_error *module_new_of(fnvm_engine *engine, ModuleOrigin origin, const void *bytes, size_t len,
                          Module **out)
{
    Module *m = module_new(engine);
    if (!m) return error_no_memory();
    m->origin = (uint8_t)origin;
    return module_finish(m, source_copy_bytes(m, bytes, len), out);
}

fnvm_error *fnvm_module_load(fnvm_engine *engine, const char *path, fnvm_module **out)
{
    return module_load_of(engine, MODULE_GIVEN, path, out);
}

fnvm_error *fnvm_module_new(fnvm_engine *engine, const void *bytes, size_t len, fnvm_module **out)
{
    return module_new_of(engine, MODULE_GIVEN, bytes, len, out);
}

fnvm_module *fnvm_module_retain(fnvm_module *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void fnvm_module_release(fnvm_module *m)
{
    if (m && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1) module_free(m);
}

fnvm_error *fnvm_module_verify(fnvm_module *m, void (*report)(void *env, const fnvm_error *),
                               void *env, size_t *bad)
{
    return verifier_all(m, report, env, bad);
}

fnvm_error *fnvm_module_compile(fnvm_module *m)
{
    fnvm_error *error = jit_module_open(m);
    return error || !m->segment ? error : jit_compile_all(m);
}

/* ---- Imports and exports ---- */

static const char *name_text(const Module *m, Name name)
{
    return (const char *)m->bytes + name.start;
}

size_t fnvm_module_imports(const fnvm_module *m) { return m->nimports; }

void fnvm_module_import(const fnvm_module *m, size_t i, fnvm_import *out)
{
    const Import *import = &m->imports[i];
    *out = (fnvm_import){
        .module = name_text(m, import->module),
        .module_len = import->module.len,
        .name = name_text(m, import->name),
        .name_len = import->name.len,
        .kind = (fnvm_externkind)import->kind,
    };
}

size_t fnvm_module_exports(const fnvm_module *m) { return m->nexports; }

void fnvm_module_export(const fnvm_module *m, size_t i, fnvm_export *out)
{
    const Export *export = &m->exports[i];
    *out = (fnvm_export){
        .name = name_text(m, export->name),
        .name_len = export->name.len,
        .kind = (fnvm_externkind) export->kind,
        .index = export->index,
    };
}

size_t fnvm_module_import_type(const fnvm_module *m, size_t i, char *text, size_t size)
{
    return module_print_type(m, m->imports[i].kind, m->imports[i].index, text, size);
}

size_t fnvm_module_export_type(const fnvm_module *m, size_t i, char *text, size_t size)
{
    return module_print_type(m, m->exports[i].kind, m->exports[i].index, text, size);
}
