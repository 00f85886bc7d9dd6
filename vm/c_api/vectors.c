/* Vectors.  One set of functions, five per kind, over bytes: what an element's copy and deletion
 * are is all in which they differ.  An empty vector has no array. */
#include <stdlib.h>

#include "vm/c_api/c_api.h"

static void *array_new(size_t n, size_t size)
{
    return n && n <= PTRDIFF_MAX / size ? calloc(n, size) : NULL;
}

/* ---- Elements that are pointers ---- */

/* Every kind of them is laid out like this one. */
typedef struct PointerVec { size_t size; void **data; } PointerVec;
_Static_assert(sizeof(PointerVec) == sizeof(wasm_extern_vec_t), "vectors are a size and a pointer");

typedef void Delete(void *);
typedef void *Copy(const void *);

static void pointers_delete(PointerVec *v, Delete *end)
{
    if (!v) return;
    const PointerVec old = *v;
    *v = (PointerVec){0, NULL};
    for (size_t i = 0; old.data && i < old.size; i++) end(old.data[i]);
    free(old.data);
}

static PointerVec pointers_uninitialized(size_t n)
{
    void **data = array_new(n, sizeof *data);
    return (PointerVec){data ? n : 0, data};
}

static PointerVec pointers_new(size_t n, void *const from[], Delete *end)
{
    PointerVec v = pointers_uninitialized(from ? n : 0);
    for (size_t i = 0; i < v.size; i++) v.data[i] = from[i];
    for (size_t i = v.size; from && i < n; i++)
        end(from[i]); /* no memory: they are ours all the same */
    return v;
}

static PointerVec pointers_copy(const PointerVec *from, Copy *copy, Delete *end)
{
    PointerVec v = pointers_uninitialized(from && from->data ? from->size : 0);
    for (size_t i = 0; i < v.size; i++) {
        v.data[i] = from->data[i] ? copy(from->data[i]) : NULL;
        if (from->data[i] && !v.data[i]) {
            pointers_delete(&v, end);
            break;
        }
    }
    return v;
}

#define POINTER_VEC(name)                                                                         \
    static void name##_end(void *p) { wasm_##name##_delete(p); }                                  \
    static void *name##_again(const void *p) { return wasm_##name##_copy(p); }                    \
    static wasm_##name##_vec_t name##_vec(PointerVec v)                                           \
    {                                                                                             \
        return (wasm_##name##_vec_t){v.size, (wasm_##name##_t **)v.data};                         \
    }                                                                                             \
    void wasm_##name##_vec_new_empty(wasm_##name##_vec_t *out)                                    \
    {                                                                                             \
        if (out) *out = (wasm_##name##_vec_t){0, NULL};                                           \
    }                                                                                             \
    void wasm_##name##_vec_new_uninitialized(wasm_##name##_vec_t *out, size_t n)                  \
    {                                                                                             \
        if (out) *out = name##_vec(pointers_uninitialized(n));                                    \
    }                                                                                             \
    void wasm_##name##_vec_new(wasm_##name##_vec_t *out, size_t n, wasm_##name##_t *const from[]) \
    {                                                                                             \
        if (out) *out = name##_vec(pointers_new(n, (void *const *)from, name##_end));             \
    }                                                                                             \
    void wasm_##name##_vec_copy(wasm_##name##_vec_t *out, const wasm_##name##_vec_t *from)        \
    {                                                                                             \
        const PointerVec v =                                                                      \
            from ? (PointerVec){from->size, (void **)from->data} : (PointerVec){0, NULL};         \
        if (out) *out = name##_vec(pointers_copy(&v, name##_again, name##_end));                  \
    }                                                                                             \
    void wasm_##name##_vec_delete(wasm_##name##_vec_t *v)                                         \
    {                                                                                             \
        PointerVec p = v ? (PointerVec){v->size, (void **)v->data} : (PointerVec){0, NULL};       \
        wasm_##name##_vec_new_empty(v);                                                           \
        pointers_delete(&p, name##_end);                                                          \
    }

POINTER_VEC(valtype)
POINTER_VEC(functype)
POINTER_VEC(globaltype)
POINTER_VEC(tabletype)
POINTER_VEC(memorytype)
POINTER_VEC(tagtype)
POINTER_VEC(externtype)
POINTER_VEC(importtype)
POINTER_VEC(exporttype)
POINTER_VEC(frame)
POINTER_VEC(extern)

/* ---- Bytes ---- */

void wasm_byte_vec_new_empty(wasm_byte_vec_t *out)
{
    if (out) *out = (wasm_byte_vec_t){0, NULL};
}

void wasm_byte_vec_new_uninitialized(wasm_byte_vec_t *out, size_t n)
{
    if (!out) return;
    out->data = array_new(n, 1);
    out->size = out->data ? n : 0;
}

void wasm_byte_vec_new(wasm_byte_vec_t *out, size_t n, const wasm_byte_t from[])
{
    wasm_byte_vec_new_uninitialized(out, from ? n : 0);
    if (out && out->size) memcpy(out->data, from, n);
}

void wasm_byte_vec_copy(wasm_byte_vec_t *out, const wasm_byte_vec_t *from)
{
    wasm_byte_vec_new(out, from ? from->size : 0, from ? from->data : NULL);
}

void wasm_byte_vec_delete(wasm_byte_vec_t *v)
{
    if (!v) return;
    free(v->data);
    wasm_byte_vec_new_empty(v);
}

/* ---- Values ---- */

void wasm_val_vec_new_empty(wasm_val_vec_t *out)
{
    if (out) *out = (wasm_val_vec_t){0, NULL};
}

void wasm_val_vec_new_uninitialized(wasm_val_vec_t *out, size_t n)
{
    if (!out) return;
    out->data = array_new(n, sizeof *out->data);
    out->size = out->data ? n : 0;
}

void wasm_val_vec_new(wasm_val_vec_t *out, size_t n, const wasm_val_t from[])
{
    if (!out) return;
    wasm_val_vec_new_uninitialized(out, from ? n : 0);
    if (out->size) memcpy(out->data, from, n * sizeof *from);
    for (size_t i = out->size; from && i < n; i++) {
        wasm_val_t lost = from[i];
        wasm_val_delete(&lost);
    }
}

void wasm_val_vec_copy(wasm_val_vec_t *out, const wasm_val_vec_t *from)
{
    if (!out) return;
    wasm_val_vec_new_uninitialized(out, from && from->data ? from->size : 0);
    for (size_t i = 0; i < out->size; i++) wasm_val_copy(&out->data[i], &from->data[i]);
}

void wasm_val_vec_delete(wasm_val_vec_t *v)
{
    if (!v) return;
    const wasm_val_vec_t old = *v;
    wasm_val_vec_new_empty(v);
    for (size_t i = 0; old.data && i < old.size; i++) wasm_val_delete(&old.data[i]);
    free(old.data);
}
