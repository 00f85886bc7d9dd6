/* Instances: imports by position, exports in the module's order. */
#include <stdlib.h>

#include "vm/c_api/c_api.h"

/* NULL, or what is wrong before anything is checked by type. */
static wasm_trap_t *take_imports(wasm_store_t *s, const Module *m, const wasm_extern_vec_t *imports,
                                 fnvm_extern *out)
{
    const size_t n = imports && imports->data ? imports->size : 0;
    if (n < m->nimports) return trap_new(s, "the module has %u imports, not %zu", m->nimports, n);
    for (uint32_t i = 0; i < m->nimports; i++) {
        const wasm_ref_t *r = imports->data[i] ? &imports->data[i]->ref : NULL;
        if (!r || r->store != s)
            return trap_new(s, "import %u is %s", i,
                            r ? "of another store, or of one that was deleted" : "missing");
        out[i] = ref_extern(r);
    }
    return NULL;
}

/* The instance if there is one: also where its start function trapped or a segment did not fit,
 * since by then it is in the store and others may refer to it. */
static wasm_instance_t *instantiate(wasm_store_t *s, Module *m, const fnvm_extern *externs,
                                    const wasm_extern_vec_t *imports, fnvm_error **error)
{
    const uint32_t id = s->store->ninstances;
    Instance *inst = NULL;
    *error = instance_new(s->store, m, externs, NULL, &inst);
    if (*error && s->store->ninstances > id) inst = s->store->instances[id];
    wasm_instance_t *record = inst ? instance_record(s, inst) : NULL;
    if (record) instance_note_imports(record, m->nimports ? imports->data : NULL, m->nimports);
    return record;
}

static wasm_instance_t *try_instance(wasm_store_t *s, Module *m, const wasm_extern_vec_t *imports,
                                     wasm_trap_t **trap)
{
    fnvm_error *error = NULL;
    fnvm_extern *externs = calloc(m->nimports + (size_t)1, sizeof *externs);
    *trap =
        externs ? take_imports(s, m, imports, externs) : trap_new(s, "the host is out of memory");
    wasm_instance_t *record = *trap ? NULL : instantiate(s, m, externs, imports, &error);
    free(externs);
    if (error) *trap = trap_from_error(s, error);
    else if (!record && !*trap) *trap = trap_new(s, "the host is out of memory");
    if (!*trap) ref_retain(&record->ref);
    else if (record) instance_look(record);
    return *trap ? NULL : record;
}

wasm_instance_t *wasm_instance_new(wasm_store_t *s, const wasm_module_t *module,
                                   const wasm_extern_vec_t *imports, wasm_trap_t **trap)
{
    wasm_trap_t *why = NULL;
    wasm_instance_t *record = NULL;
    if (trap) *trap = NULL;
    if (s && module) {
        store_enter(s);
        record = try_instance(s, module->module, imports, &why);
        store_leave(s);
    } else {
        why = trap_new(s, "no %s to instantiate", s ? "module" : "store");
    }
    if (trap) *trap = why;
    else wasm_trap_delete(why);
    return record;
}

void wasm_instance_exports(const wasm_instance_t *record, wasm_extern_vec_t *out)
{
    Instance *inst = record ? record->instance : NULL;
    const Module *m = inst ? inst->module : NULL;
    wasm_extern_vec_new_uninitialized(out, m ? m->nexports : 0);
    if (!out) return;
    for (size_t i = 0; i < out->size; i++) {
        const Export *e = &m->exports[i];
        const fnvm_extern x = instance_extern(inst, (fnvm_externkind)e->kind, e->index);
        out->data[i] = (wasm_extern_t *)(void *)extern_ref(record->ref.store, x);
        if (out->data[i]) continue;
        wasm_extern_vec_delete(out);
        break;
    }
}
