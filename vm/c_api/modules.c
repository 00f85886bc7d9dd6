/* Modules.  A record holds one reference to the engine's module, which several threads may share;
 * the shared form is another.  What is serialized is the module itself, behind a head that binds
 * it to this version. */
#include <sodium.h>
#include <stdlib.h>

#include "vm/c_api/c_api.h"

/* The binary format's magic number: text would be accepted otherwise. */
static bool is_binary(const wasm_byte_vec_t *bytes)
{
    static const char magic[4] = {0, 'a', 's', 'm'};
    return bytes && bytes->data && bytes->size >= sizeof magic &&
           memcmp(bytes->data, magic, sizeof magic) == 0;
}

static Module *load(const wasm_store_t *s, const void *bytes, size_t size)
{
    Module *m = NULL;
    fnvm_error *error = fnvm_module_new(s->store->engine, bytes, size, &m);
    fnvm_error_free(error);
    return error ? NULL : m;
}

/* Takes the reference to the module. */
static wasm_module_t *module_record(wasm_store_t *s, Module *m)
{
    wasm_module_t *r = m ? ref_new(s, REF_MODULE, sizeof *r) : NULL;
    if (r) r->module = m;
    else fnvm_module_release(m);
    return r;
}

wasm_module_t *wasm_module_new(wasm_store_t *s, const wasm_byte_vec_t *binary)
{
    return s && is_binary(binary) ? module_record(s, load(s, binary->data, binary->size)) : NULL;
}

bool wasm_module_validate(wasm_store_t *s, const wasm_byte_vec_t *binary)
{
    Module *m = s && is_binary(binary) ? load(s, binary->data, binary->size) : NULL;
    fnvm_module_release(m);
    return m != NULL;
}

/* ---- Imports and exports ---- */

static wasm_name_t name_of(const Module *m, Name name)
{
    wasm_name_t n;
    wasm_byte_vec_new(&n, name.len, (const char *)m->bytes + name.start);
    return n;
}

static wasm_importtype_t *importtype_of(const Module *m, const Import *i)
{
    wasm_name_t module = name_of(m, i->module), name = name_of(m, i->name);
    const bool whole = module.size == i->module.len && name.size == i->name.len;
    return wasm_importtype_new(&module, &name,
                               whole ? externtype_of(m, (fnvm_externkind)i->kind, i->index) : NULL);
}

static wasm_exporttype_t *exporttype_of(const Module *m, const Export *e)
{
    wasm_name_t name = name_of(m, e->name);
    const bool whole = name.size == e->name.len;
    return wasm_exporttype_new(&name,
                               whole ? externtype_of(m, (fnvm_externkind)e->kind, e->index) : NULL);
}

void wasm_module_imports(const wasm_module_t *r, wasm_importtype_vec_t *out)
{
    wasm_importtype_vec_new_uninitialized(out, r ? r->module->nimports : 0);
    if (!out) return;
    for (size_t i = 0; i < out->size; i++) {
        if ((out->data[i] = importtype_of(r->module, &r->module->imports[i]))) continue;
        wasm_importtype_vec_delete(out);
        break;
    }
}

void wasm_module_exports(const wasm_module_t *r, wasm_exporttype_vec_t *out)
{
    wasm_exporttype_vec_new_uninitialized(out, r ? r->module->nexports : 0);
    if (!out) return;
    for (size_t i = 0; i < out->size; i++) {
        if ((out->data[i] = exporttype_of(r->module, &r->module->exports[i]))) continue;
        wasm_exporttype_vec_delete(out);
        break;
    }
}

/* ---- Sharing ---- */

wasm_shared_module_t *wasm_module_share(const wasm_module_t *r)
{
    wasm_shared_module_t *shared = r ? malloc(sizeof *shared) : NULL;
    if (shared) shared->module = fnvm_module_retain(r->module);
    return shared;
}

wasm_module_t *wasm_module_obtain(wasm_store_t *s, const wasm_shared_module_t *shared)
{
    if (!s || !shared || shared->module->engine != s->store->engine) return NULL;
    return module_record(s, fnvm_module_retain(shared->module));
}

void wasm_shared_module_delete(wasm_shared_module_t *shared)
{
    if (!shared) return;
    fnvm_module_release(shared->module);
    free(shared);
}

/* ---- Serializing ---- */

typedef struct Head {
    char magic[8];
    char version[24];              /* FNVM_VERSION, padded with zeroes */
    unsigned char hash[32];        /* of what follows: it says what was damaged, not who made it */
} Head;
static const char head_magic[8] = "fnvm-mod";

static Head head_of(const void *bytes, size_t size)
{
    Head h = {.version = FNVM_VERSION};
    memcpy(h.magic, head_magic, sizeof h.magic);
    crypto_generichash(h.hash, sizeof h.hash, bytes, size, NULL, 0);
    return h;
}

void wasm_module_serialize(const wasm_module_t *r, wasm_byte_vec_t *out)
{
    const Module *m = r ? r->module : NULL;
    wasm_byte_vec_new_uninitialized(out, m ? sizeof(Head) + m->len : 0);
    if (!out || !out->size) return;
    const Head h = head_of(m->bytes, m->len);
    memcpy(out->data, &h, sizeof h);
    memcpy(out->data + sizeof h, m->bytes, m->len);
}

wasm_module_t *wasm_module_deserialize(wasm_store_t *s, const wasm_byte_vec_t *from)
{
    if (!s || !from || !from->data || from->size < sizeof(Head)) return NULL;
    const char *bytes = from->data + sizeof(Head);
    const size_t size = from->size - sizeof(Head);
    const Head h = head_of(bytes, size);
    return memcmp(from->data, &h, sizeof h) == 0 ? module_record(s, load(s, bytes, size)) : NULL;
}
