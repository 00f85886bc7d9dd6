/* Types: plain data that the host makes, or that is read off a module.  What is read off is the
 * nearest that the standard interface has: it is for looking at, and imports are checked against
 * the modules' own types. */
#include <stdlib.h>

#include "vm/c_api/c_api.h"

/* ---- Value types ---- */

wasm_valkind_t valkind_of(const TypeRegistry *types, ValType type)
{
    switch (type) {
    case TYPE_I32: return WASM_I32;
    case TYPE_I64: return WASM_I64;
    case TYPE_F32: return WASM_F32;
    case TYPE_F64: return WASM_F64;
    case TYPE_V128: return VALKIND_V128;
    default: return types_top(types, type_heap(type)) == HEAP_FUNC ? WASM_FUNCREF : WASM_EXTERNREF;
    }
}

bool valkind_type(wasm_valkind_t kind, ValType *out)
{
    switch (kind) {
    case WASM_I32: *out = TYPE_I32; return true;
    case WASM_I64: *out = TYPE_I64; return true;
    case WASM_F32: *out = TYPE_F32; return true;
    case WASM_F64: *out = TYPE_F64; return true;
    case WASM_EXTERNREF: *out = type_ref(HEAP_EXTERN, true); return true;
    case WASM_FUNCREF: *out = type_ref(HEAP_FUNC, true); return true;
    default: return false;
    }
}

static wasm_valtype_t *valtype_make(wasm_valkind_t kind)
{
    wasm_valtype_t *t = malloc(sizeof *t);
    if (t) t->kind = kind;
    return t;
}

wasm_valtype_t *wasm_valtype_new(wasm_valkind_t kind)
{
    ValType type;
    return valkind_type(kind, &type) ? valtype_make(kind) : NULL;
}

wasm_valkind_t wasm_valtype_kind(const wasm_valtype_t *t) { return t ? t->kind : 0; }
wasm_valtype_t *wasm_valtype_copy(const wasm_valtype_t *t)
{
    return t ? valtype_make(t->kind) : NULL;
}
void wasm_valtype_delete(wasm_valtype_t *t) { free(t); }

/* ---- Functions ---- */

static bool all_there(const wasm_valtype_vec_t *v)
{
    for (size_t i = 0; i < v->size; i++)
        if (!v->data || !v->data[i]) return false;
    return true;
}

wasm_functype_t *wasm_functype_new(wasm_valtype_vec_t *params, wasm_valtype_vec_t *results)
{
    wasm_valtype_vec_t none = WASM_EMPTY_VEC;
    wasm_functype_t *t = calloc(1, sizeof *t);
    if (!params) params = &none;
    if (!results) results = &none;
    if (!t || !all_there(params) || !all_there(results)) {
        free(t);
        wasm_valtype_vec_delete(params);
        wasm_valtype_vec_delete(results);
        return NULL;
    }
    t->head.kind = WASM_EXTERN_FUNC;
    t->params = *params;
    t->results = *results;
    wasm_valtype_vec_new_empty(params);
    wasm_valtype_vec_new_empty(results);
    return t;
}

const wasm_valtype_vec_t *wasm_functype_params(const wasm_functype_t *t)
{
    return t ? &t->params : NULL;
}
const wasm_valtype_vec_t *wasm_functype_results(const wasm_functype_t *t)
{
    return t ? &t->results : NULL;
}

wasm_functype_t *wasm_functype_copy(const wasm_functype_t *t)
{
    if (!t) return NULL;
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_copy(&params, &t->params);
    wasm_valtype_vec_copy(&results, &t->results);
    if (params.size == t->params.size && results.size == t->results.size)
        return wasm_functype_new(&params, &results);
    wasm_valtype_vec_delete(&params);
    wasm_valtype_vec_delete(&results);
    return NULL;
}

void wasm_functype_delete(wasm_functype_t *t)
{
    if (!t) return;
    wasm_valtype_vec_delete(&t->params);
    wasm_valtype_vec_delete(&t->results);
    free(t);
}

/* ---- Globals ---- */

wasm_globaltype_t *wasm_globaltype_new(wasm_valtype_t *content, wasm_mutability_t mutability)
{
    wasm_globaltype_t *t = content && mutability <= WASM_VAR ? calloc(1, sizeof *t) : NULL;
    if (t) *t = (wasm_globaltype_t){{WASM_EXTERN_GLOBAL}, mutability, content};
    else wasm_valtype_delete(content);
    return t;
}

const wasm_valtype_t *wasm_globaltype_content(const wasm_globaltype_t *t)
{
    return t ? t->content : NULL;
}
wasm_mutability_t wasm_globaltype_mutability(const wasm_globaltype_t *t)
{
    return t ? t->mutability : 0;
}

wasm_globaltype_t *wasm_globaltype_copy(const wasm_globaltype_t *t)
{
    return t ? wasm_globaltype_new(wasm_valtype_copy(t->content), t->mutability) : NULL;
}

void wasm_globaltype_delete(wasm_globaltype_t *t)
{
    if (!t) return;
    wasm_valtype_delete(t->content);
    free(t);
}

/* ---- Tables ---- */

wasm_tabletype_t *wasm_tabletype_new(wasm_valtype_t *element, const wasm_limits_t *limits)
{
    wasm_tabletype_t *t = element && limits ? calloc(1, sizeof *t) : NULL;
    if (t) *t = (wasm_tabletype_t){{WASM_EXTERN_TABLE}, *limits, element};
    else wasm_valtype_delete(element);
    return t;
}

const wasm_valtype_t *wasm_tabletype_element(const wasm_tabletype_t *t)
{
    return t ? t->element : NULL;
}
const wasm_limits_t *wasm_tabletype_limits(const wasm_tabletype_t *t)
{
    return t ? &t->limits : NULL;
}

wasm_tabletype_t *wasm_tabletype_copy(const wasm_tabletype_t *t)
{
    return t ? wasm_tabletype_new(wasm_valtype_copy(t->element), &t->limits) : NULL;
}

void wasm_tabletype_delete(wasm_tabletype_t *t)
{
    if (!t) return;
    wasm_valtype_delete(t->element);
    free(t);
}

/* ---- Memories ---- */

wasm_memorytype_t *wasm_memorytype_new(const wasm_limits_t *limits)
{
    wasm_memorytype_t *t = limits ? calloc(1, sizeof *t) : NULL;
    if (t) *t = (wasm_memorytype_t){{WASM_EXTERN_MEMORY}, *limits};
    return t;
}

const wasm_limits_t *wasm_memorytype_limits(const wasm_memorytype_t *t)
{
    return t ? &t->limits : NULL;
}

wasm_memorytype_t *wasm_memorytype_copy(const wasm_memorytype_t *t)
{
    return t ? wasm_memorytype_new(&t->limits) : NULL;
}

void wasm_memorytype_delete(wasm_memorytype_t *t) { free(t); }

/* ---- Tags ---- */

wasm_tagtype_t *wasm_tagtype_new(wasm_functype_t *functype)
{
    wasm_tagtype_t *t = functype ? calloc(1, sizeof *t) : NULL;
    if (t) *t = (wasm_tagtype_t){{WASM_EXTERN_TAG}, functype};
    else wasm_functype_delete(functype);
    return t;
}

const wasm_functype_t *wasm_tagtype_functype(const wasm_tagtype_t *t)
{
    return t ? t->functype : NULL;
}

wasm_tagtype_t *wasm_tagtype_copy(const wasm_tagtype_t *t)
{
    return t ? wasm_tagtype_new(wasm_functype_copy(t->functype)) : NULL;
}

void wasm_tagtype_delete(wasm_tagtype_t *t)
{
    if (!t) return;
    wasm_functype_delete(t->functype);
    free(t);
}

/* ---- Any of them ---- */

wasm_externkind_t wasm_externtype_kind(const wasm_externtype_t *t) { return t ? t->kind : 0; }

#define EXTERNTYPE(name, of_kind)                                                           \
    wasm_externtype_t *wasm_##name##_as_externtype(wasm_##name##_t *t)                      \
    {                                                                                       \
        return t ? &t->head : NULL;                                                         \
    }                                                                                       \
    const wasm_externtype_t *wasm_##name##_as_externtype_const(const wasm_##name##_t *t)    \
    {                                                                                       \
        return t ? &t->head : NULL;                                                         \
    }                                                                                       \
    wasm_##name##_t *wasm_externtype_as_##name(wasm_externtype_t *t)                        \
    {                                                                                       \
        return t && t->kind == (of_kind) ? (wasm_##name##_t *)(void *)t : NULL;             \
    }                                                                                       \
    const wasm_##name##_t *wasm_externtype_as_##name##_const(const wasm_externtype_t *t)    \
    {                                                                                       \
        return t && t->kind == (of_kind) ? (const wasm_##name##_t *)(const void *)t : NULL; \
    }
EXTERNTYPE(functype, WASM_EXTERN_FUNC)
EXTERNTYPE(globaltype, WASM_EXTERN_GLOBAL)
EXTERNTYPE(tabletype, WASM_EXTERN_TABLE)
EXTERNTYPE(memorytype, WASM_EXTERN_MEMORY)
EXTERNTYPE(tagtype, WASM_EXTERN_TAG)

wasm_externtype_t *wasm_externtype_copy(const wasm_externtype_t *t)
{
    if (!t) return NULL;
    switch (t->kind) {
    case WASM_EXTERN_FUNC:
        return wasm_functype_as_externtype(
            wasm_functype_copy(wasm_externtype_as_functype_const(t)));
    case WASM_EXTERN_GLOBAL:
        return wasm_globaltype_as_externtype(
            wasm_globaltype_copy(wasm_externtype_as_globaltype_const(t)));
    case WASM_EXTERN_TABLE:
        return wasm_tabletype_as_externtype(
            wasm_tabletype_copy(wasm_externtype_as_tabletype_const(t)));
    case WASM_EXTERN_MEMORY:
        return wasm_memorytype_as_externtype(
            wasm_memorytype_copy(wasm_externtype_as_memorytype_const(t)));
    default:
        return wasm_tagtype_as_externtype(wasm_tagtype_copy(wasm_externtype_as_tagtype_const(t)));
    }
}

void wasm_externtype_delete(wasm_externtype_t *t)
{
    if (!t) return;
    switch (t->kind) {
    case WASM_EXTERN_FUNC: wasm_functype_delete(wasm_externtype_as_functype(t)); break;
    case WASM_EXTERN_GLOBAL: wasm_globaltype_delete(wasm_externtype_as_globaltype(t)); break;
    case WASM_EXTERN_TABLE: wasm_tabletype_delete(wasm_externtype_as_tabletype(t)); break;
    case WASM_EXTERN_MEMORY: wasm_memorytype_delete(wasm_externtype_as_memorytype(t)); break;
    default: wasm_tagtype_delete(wasm_externtype_as_tagtype(t)); break;
    }
}

/* ---- Imports and exports ---- */

/* Takes the name's bytes; a name that is NULL is empty. */
static wasm_name_t name_take(wasm_name_t *name)
{
    const wasm_name_t taken = name ? *name : (wasm_name_t){0, NULL};
    if (name) wasm_byte_vec_new_empty(name);
    return taken;
}

wasm_importtype_t *wasm_importtype_new(wasm_name_t *module, wasm_name_t *name,
                                       wasm_externtype_t *type)
{
    wasm_name_t m = name_take(module), n = name_take(name);
    wasm_importtype_t *t = type ? calloc(1, sizeof *t) : NULL;
    if (t) {
        *t = (wasm_importtype_t){m, n, type};
        return t;
    }
    wasm_byte_vec_delete(&m);
    wasm_byte_vec_delete(&n);
    wasm_externtype_delete(type);
    return NULL;
}

const wasm_name_t *wasm_importtype_module(const wasm_importtype_t *t)
{
    return t ? &t->module : NULL;
}
const wasm_name_t *wasm_importtype_name(const wasm_importtype_t *t) { return t ? &t->name : NULL; }
const wasm_externtype_t *wasm_importtype_type(const wasm_importtype_t *t)
{
    return t ? t->type : NULL;
}

wasm_importtype_t *wasm_importtype_copy(const wasm_importtype_t *t)
{
    if (!t) return NULL;
    wasm_name_t module, name;
    wasm_byte_vec_copy(&module, &t->module);
    wasm_byte_vec_copy(&name, &t->name);
    if (module.size == t->module.size && name.size == t->name.size)
        return wasm_importtype_new(&module, &name, wasm_externtype_copy(t->type));
    wasm_byte_vec_delete(&module);
    wasm_byte_vec_delete(&name);
    return NULL;
}

void wasm_importtype_delete(wasm_importtype_t *t)
{
    if (!t) return;
    wasm_byte_vec_delete(&t->module);
    wasm_byte_vec_delete(&t->name);
    wasm_externtype_delete(t->type);
    free(t);
}

wasm_exporttype_t *wasm_exporttype_new(wasm_name_t *name, wasm_externtype_t *type)
{
    wasm_name_t n = name_take(name);
    wasm_exporttype_t *t = type ? calloc(1, sizeof *t) : NULL;
    if (t) {
        *t = (wasm_exporttype_t){n, type};
        return t;
    }
    wasm_byte_vec_delete(&n);
    wasm_externtype_delete(type);
    return NULL;
}

const wasm_name_t *wasm_exporttype_name(const wasm_exporttype_t *t) { return t ? &t->name : NULL; }
const wasm_externtype_t *wasm_exporttype_type(const wasm_exporttype_t *t)
{
    return t ? t->type : NULL;
}

wasm_exporttype_t *wasm_exporttype_copy(const wasm_exporttype_t *t)
{
    if (!t) return NULL;
    wasm_name_t name;
    wasm_byte_vec_copy(&name, &t->name);
    if (name.size != t->name.size) return NULL;
    return wasm_exporttype_new(&name, wasm_externtype_copy(t->type));
}

void wasm_exporttype_delete(wasm_exporttype_t *t)
{
    if (!t) return;
    wasm_byte_vec_delete(&t->name);
    wasm_externtype_delete(t->type);
    free(t);
}

/* ---- Read off modules ---- */

wasm_externkind_t externkind_of(fnvm_externkind kind)
{
    switch (kind) {
    case FNVM_EXTERN_FUNC: return WASM_EXTERN_FUNC;
    case FNVM_EXTERN_TABLE: return WASM_EXTERN_TABLE;
    case FNVM_EXTERN_MEMORY: return WASM_EXTERN_MEMORY;
    case FNVM_EXTERN_GLOBAL: return WASM_EXTERN_GLOBAL;
    default: return WASM_EXTERN_TAG;
    }
}

fnvm_externkind fnvm_externkind_of(wasm_externkind_t kind)
{
    switch (kind) {
    case WASM_EXTERN_FUNC: return FNVM_EXTERN_FUNC;
    case WASM_EXTERN_TABLE: return FNVM_EXTERN_TABLE;
    case WASM_EXTERN_MEMORY: return FNVM_EXTERN_MEMORY;
    case WASM_EXTERN_GLOBAL: return FNVM_EXTERN_GLOBAL;
    default: return FNVM_EXTERN_TAG;
    }
}

static wasm_valtype_t *valtype_of(const TypeRegistry *types, ValType type)
{
    return valtype_make(valkind_of(types, type));
}

static wasm_valtype_vec_t valtypes_of(const TypeRegistry *types, const ValType *from, uint32_t n)
{
    wasm_valtype_vec_t v;
    wasm_valtype_vec_new_uninitialized(&v, n);
    for (size_t i = 0; i < v.size; i++) {
        if ((v.data[i] = valtype_of(types, from[i]))) continue;
        wasm_valtype_vec_delete(&v);
        break;
    }
    return v;
}

wasm_functype_t *functype_of(const TypeRegistry *types, const Type *type)
{
    wasm_valtype_vec_t params = valtypes_of(types, type->params, type->nparams);
    wasm_valtype_vec_t results = valtypes_of(types, type->results, type->nresults);
    if (params.size == type->nparams && results.size == type->nresults)
        return wasm_functype_new(&params, &results);
    wasm_valtype_vec_delete(&params);
    wasm_valtype_vec_delete(&results);
    return NULL;
}

static uint32_t limit_of(uint64_t n)
{
    return n < wasm_limits_max_default ? (uint32_t)n : wasm_limits_max_default;
}

static wasm_limits_t limits_of(const Limits *l)
{
    return (wasm_limits_t){limit_of(l->min),
                           l->has_max ? limit_of(l->max) : wasm_limits_max_default};
}

wasm_externtype_t *externtype_of(const Module *m, fnvm_externkind kind, uint32_t index)
{
    const TypeRegistry *types = &m->engine->types;
    switch (kind) {
    case FNVM_EXTERN_FUNC:
        return wasm_functype_as_externtype(functype_of(types, module_func_type(m, index)));
    case FNVM_EXTERN_GLOBAL: {
        const GlobalType *t = &m->globals[index].type;
        return wasm_globaltype_as_externtype(
            wasm_globaltype_new(valtype_of(types, t->type), t->is_mutable ? WASM_VAR : WASM_CONST));
    }
    case FNVM_EXTERN_TABLE: {
        const wasm_limits_t limits = limits_of(&m->tables[index].type.limits);
        return wasm_tabletype_as_externtype(
            wasm_tabletype_new(valtype_of(types, m->tables[index].type.elem), &limits));
    }
    case FNVM_EXTERN_MEMORY: {
        const wasm_limits_t limits = limits_of(&m->memories[index].limits);
        return wasm_memorytype_as_externtype(wasm_memorytype_new(&limits));
    }
    default:
        return wasm_tagtype_as_externtype(
            wasm_tagtype_new(functype_of(types, types_get(types, m->tags[index]))));
    }
}
