/* Values between the host and the slots of guests.  An externref that the host makes is a host
 * object of the managed heap whose value is the address of a record, which is pinned by that;
 * what comes back is the very record.  Objects that only guests make get a record with a handle,
 * which keeps them alive. */
#include "vm/c_api/c_api.h"
#include "vm/heap.h"

void wasm_val_delete(wasm_val_t *v)
{
    if (!v || !wasm_valkind_is_ref(v->kind)) return;
    wasm_ref_t *r = v->of.ref;
    v->of.ref = NULL;
    ref_release(r);
}

void wasm_val_copy(wasm_val_t *out, const wasm_val_t *v)
{
    if (!out || !v) return;
    *out = *v;
    if (wasm_valkind_is_ref(v->kind)) out->of.ref = wasm_ref_copy(v->of.ref);
}

/* ---- To slots ---- */

static const char *host_object(wasm_store_t *s, wasm_ref_t *r, uint64_t *bits)
{
    heap_enter(s->store);
    const fnvm_trap trap = heap_new_host(s->store, (uintptr_t)r, bits);
    heap_leave(s->store);
    if (!trap) ref_pin(r);
    return trap ? fnvm_trap_text(trap) : NULL;
}

const char *ref_to_bits(wasm_store_t *s, wasm_ref_t *r, ValType type, const Instance *into,
                        uint64_t *bits)
{
    const HeapType want = types_top(&s->store->engine->types, type_heap(type));
    HeapType top = HEAP_EXTERN;
    *bits = 0;
    if (!r) return type_is_nullable(type) ? NULL : "a null reference";
    if (r->store != s) return "a reference of another store, or of one that was deleted";
    if (want == HEAP_FUNC || r->kind == REF_OBJECT) {
        if (want == HEAP_FUNC && r->kind != REF_FUNC) return "a reference that is no function";
        top = r->kind == REF_FUNC ? HEAP_FUNC : (HeapType)r->key[1];
        *bits = r->key[0];
    } else {
        const char *wrong = host_object(s, r, bits);
        if (wrong) return wrong;
    }
    if (!store_ref_fits(s->store, top, *bits, type)) return "a reference of another type";
    if (want == HEAP_FUNC && r->owner && r->owner->instance != into) ref_pin(r);
    return NULL;
}

const char *value_to_slot(wasm_store_t *s, const wasm_val_t *v, ValType type, const Instance *into,
                          Slot *out)
{
    const fnvm_kind kind = fnvm_valtype_kind(type);
    if (kind == FNVM_V128) return "a v128, which this interface cannot give";
    if (kind == FNVM_REF) {
        if (!wasm_valkind_is_ref(v->kind)) return "a number where a reference is expected";
        return ref_to_bits(s, v->of.ref, type, into, &out->i64);
    }
    if (v->kind != valkind_of(&s->store->engine->types, type)) return "a value of another type";
    switch (kind) {
    case FNVM_I32: out->i64 = (uint32_t)v->of.i32; break;
    case FNVM_I64: out->i64 = (uint64_t)v->of.i64; break;
    case FNVM_F32: out->i64 = 0; memcpy(&out->f32, &v->of.f32, sizeof out->f32); break;
    default: memcpy(out, &v->of.f64, sizeof *out); break;
    }
    return NULL;
}

/* ---- From slots ---- */

/* Takes a place among the store's roots. */
static bool object_root(wasm_store_t *s, HeapType top, uint64_t bits, fnvm_ref *handle)
{
    if (s->free_handle) {
        *handle = s->free_handle;
        RefHandle *root = &s->store->refs[*handle - 1];
        s->free_handle = root->bits;
        *root = (RefHandle){(uint8_t)(top - HEAP_ABSTRACT), bits};
        return true;
    }
    fnvm_error *error = store_ref_handle(s->store, top, bits, handle);
    fnvm_error_free(error);
    return !error;
}

static bool object_ref(wasm_store_t *s, HeapType top, uint64_t bits, wasm_ref_t **out)
{
    *out = ref_find(s, REF_OBJECT, bits, top);
    if (*out) {
        ref_retain(*out);
        return true;
    }
    fnvm_ref handle;
    ObjectRef *o = object_root(s, top, bits, &handle) ? ref_new(s, REF_OBJECT, sizeof *o) : NULL;
    if (!o) return false;
    o->handle = handle;
    ref_add_key(&o->ref, bits, top);
    if (!ref_is_i31(bits)) s->keep_all = true; /* who knows what is in it */
    *out = &o->ref;
    return true;
}

bool ref_from_bits(wasm_store_t *s, uint64_t bits, ValType type, wasm_ref_t **out)
{
    const HeapType top = types_top(&s->store->engine->types, type_heap(type));
    *out = NULL;
    if (!bits) return true;
    if (top == HEAP_FUNC) {
        *out = extern_ref(s, store_func_extern(s->store, bits));
        return *out != NULL;
    }
    if (ref_is_i31(bits) || ref_object(bits)->type != OBJECT_HOST)
        return object_ref(s, top, bits, out);
    *out = (wasm_ref_t *)(uintptr_t)((const HostObject *)(const void *)ref_object(bits))->value;
    ref_retain(*out);
    return true;
}

bool value_from_slot(wasm_store_t *s, const Slot *slot, ValType type, wasm_val_t *out)
{
    *out = (wasm_val_t){.kind = valkind_of(&s->store->engine->types, type)};
    switch (fnvm_valtype_kind(type)) {
    case FNVM_I32: out->of.i32 = (int32_t)slot->i32; return true;
    case FNVM_I64: out->of.i64 = (int64_t)slot->i64; return true;
    case FNVM_F32: memcpy(&out->of.f32, &slot->f32, sizeof out->of.f32); return true;
    case FNVM_F64: memcpy(&out->of.f64, &slot->f64, sizeof out->of.f64); return true;
    case FNVM_V128: out->kind = WASM_I32; return true;
    case FNVM_REF: break;
    }
    return ref_from_bits(s, slot->i64, type, &out->of.ref);
}
