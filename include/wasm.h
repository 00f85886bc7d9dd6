/* wasm.h - the standard C interface to WebAssembly engines (wasm-c-api), as libfnvm implements it.
 *
 * Names, types and signatures are the standard's, so that a host compiles against its header or
 * this one and links with any engine that has them.  What is said here is what libfnvm does;
 * docs/c-api.md has it in one place.
 *
 * Objects
 *   wasm_engine_t    any thread; stores keep what they need of it
 *   wasm_store_t     one thread at a time, with all that was made in it
 *   references       functions, globals, tables, memories, instances, modules, traps, foreign
 *                    objects: each belongs to the store it was made in
 *   wasm_shared_module_t  a module without a store: any thread
 *   types, frames, vectors, values   plain data
 *
 * Ownership.  `own` marks who has to delete what: an `own` result or `out` parameter is the caller's
 * to delete with wasm_X_delete, an `own` argument is the callee's from then on, also if the call
 * fails.  An owned vector owns its elements.  What is not marked is lent: results for as long as
 * what they are part of, arguments for the duration of the call.  Deleting NULL does nothing.
 *
 * Deleting a store ends everything in it: its functions and memories are gone, finalizers have run.
 * References to them that the host has not deleted yet can then be copied, compared and deleted; any
 * other use is one of the failures below, and does no harm.
 *
 * Failure.  A function with a pointer as its result returns NULL, one with an `out` vector makes
 * that empty ({0, NULL}), one that returns bool returns false, a size is 0: out of memory, arguments
 * of the wrong type, kind or store, NULL where something is needed, a limit of the engine's.
 * wasm_func_call returns a trap instead, and wasm_instance_new gives one, with a message that says
 * what was wrong. */
#ifndef WASM_H
#define WASM_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef WASM_API_EXTERN
#if defined(__GNUC__)
#define WASM_API_EXTERN __attribute__((visibility("default")))
#else
#define WASM_API_EXTERN
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define own /* see above; undefined again at the end of this file */

typedef char byte_t;
typedef float float32_t;
typedef double float64_t;

/* ---- What each kind of thing has ------------------------------------------------------------- */

/* Something that is deleted. */
#define WASM_DECLARE_OWN(name) \
    typedef struct wasm_##name##_t wasm_##name##_t; \
    WASM_API_EXTERN void wasm_##name##_delete(own wasm_##name##_t *);

/* A vector of it.  `ptr_or_none` is * where the elements are pointers.  new_uninitialized:
 * zeroes, NULL pointers.  new: takes over the elements of the array (not the array), also if it
 * fails.  copy: copies elements, too.  delete: the elements, too; the vector is empty
 * afterwards. */
#define WASM_DECLARE_VEC(name, ptr_or_none)                                                \
    typedef struct wasm_##name##_vec_t {                                                   \
        size_t size;                                                                       \
        wasm_##name##_t ptr_or_none *data;                                                 \
    } wasm_##name##_vec_t;                                                                 \
    WASM_API_EXTERN void wasm_##name##_vec_new_empty(own wasm_##name##_vec_t *out);        \
    WASM_API_EXTERN void wasm_##name##_vec_new_uninitialized(own wasm_##name##_vec_t *out, \
                                                             size_t);                      \
    WASM_API_EXTERN void wasm_##name##_vec_new(own wasm_##name##_vec_t *out, size_t,       \
                                               own wasm_##name##_t ptr_or_none const[]);   \
    WASM_API_EXTERN void wasm_##name##_vec_copy(own wasm_##name##_vec_t *out,              \
                                                const wasm_##name##_vec_t *);              \
    WASM_API_EXTERN void wasm_##name##_vec_delete(own wasm_##name##_vec_t *);

/* A type: plain data, of no engine or store. */
#define WASM_DECLARE_TYPE(name) \
    WASM_DECLARE_OWN(name) \
    WASM_DECLARE_VEC(name, *) \
    WASM_API_EXTERN own wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *);

/* A reference to an object of a store.  copy: another one to the same object; so is each that
 * comes from the guest or an instance's exports.  same: whether two are.  The host information
 * belongs to the object, whichever reference it was set through.  Its finalizer is called once:
 * when other information takes its place, when the object is gone (nobody refers to it any more,
 * or its instance has gone), or with the store. */
#define WASM_DECLARE_REF_BASE(name) \
    WASM_DECLARE_OWN(name) \
    WASM_API_EXTERN own wasm_##name##_t *wasm_##name##_copy(const wasm_##name##_t *); \
    WASM_API_EXTERN bool wasm_##name##_same(const wasm_##name##_t *, const wasm_##name##_t *); \
    WASM_API_EXTERN void *wasm_##name##_get_host_info(const wasm_##name##_t *); \
    WASM_API_EXTERN void wasm_##name##_set_host_info(wasm_##name##_t *, void *); \
    WASM_API_EXTERN void wasm_##name##_set_host_info_with_finalizer(wasm_##name##_t *, void *, \
                                                                    void (*)(void *));

/* The same with conversions, which lend what they are given under another type; to a kind that it
 * is not of, they give NULL. */
#define WASM_DECLARE_REF(name) \
    WASM_DECLARE_REF_BASE(name) \
    WASM_API_EXTERN wasm_ref_t *wasm_##name##_as_ref(wasm_##name##_t *); \
    WASM_API_EXTERN wasm_##name##_t *wasm_ref_as_##name(wasm_ref_t *); \
    WASM_API_EXTERN const wasm_ref_t *wasm_##name##_as_ref_const(const wasm_##name##_t *); \
    WASM_API_EXTERN const wasm_##name##_t *wasm_ref_as_##name##_const(const wasm_ref_t *);

/* The same with a form that other threads can take into their stores.  obtain: NULL if that store
 * is of another engine. */
#define WASM_DECLARE_SHARABLE_REF(name) \
    WASM_DECLARE_REF(name) \
    WASM_DECLARE_OWN(shared_##name) \
    WASM_API_EXTERN own wasm_shared_##name##_t *wasm_##name##_share(const wasm_##name##_t *); \
    WASM_API_EXTERN own wasm_##name##_t *wasm_##name##_obtain(wasm_store_t *, \
                                                              const wasm_shared_##name##_t *);

/* ---- Bytes and names ------------------------------------------------------------------------- */

typedef byte_t wasm_byte_t;
WASM_DECLARE_VEC(byte, )

/* Names are UTF-8 without a terminating NUL, where nothing else is said. */
typedef wasm_byte_vec_t wasm_name_t;
#define wasm_name wasm_byte_vec
#define wasm_name_new wasm_byte_vec_new
#define wasm_name_new_empty wasm_byte_vec_new_empty
#define wasm_name_new_uninitialized wasm_byte_vec_new_uninitialized
#define wasm_name_copy wasm_byte_vec_copy
#define wasm_name_delete wasm_byte_vec_delete

static inline void wasm_name_new_from_string(own wasm_name_t *out, const char *s)
{
    wasm_byte_vec_new(out, strlen(s), s);
}
static inline void wasm_name_new_from_string_nt(own wasm_name_t *out, const char *s)
{
    wasm_byte_vec_new(out, strlen(s) + 1, s); /* with its NUL */
}

/* ---- Types ----------------------------------------------------------------------------------- */

typedef uint8_t wasm_valkind_t;
enum wasm_valkind_enum {
    WASM_I32 = 0, WASM_I64 = 1, WASM_F32 = 2, WASM_F64 = 3,
    WASM_EXTERNREF = 128, WASM_FUNCREF = 129
};

static inline bool wasm_valkind_is_num(wasm_valkind_t k) { return k < WASM_EXTERNREF; }
static inline bool wasm_valkind_is_ref(wasm_valkind_t k) { return k >= WASM_EXTERNREF; }

/* Types that the standard's six do not include appear as the nearest in types of modules:
 * references into the hierarchy of func as WASM_FUNCREF, all others as WASM_EXTERNREF, v128 as
 * the number 4.  Types with the last can be looked at only. */
WASM_DECLARE_TYPE(valtype)
WASM_API_EXTERN own wasm_valtype_t *wasm_valtype_new(wasm_valkind_t); /* NULL: not one of the six */
WASM_API_EXTERN wasm_valkind_t wasm_valtype_kind(const wasm_valtype_t *);

static inline bool wasm_valtype_is_num(const wasm_valtype_t *t)
{
    return wasm_valkind_is_num(wasm_valtype_kind(t));
}
static inline bool wasm_valtype_is_ref(const wasm_valtype_t *t)
{
    return wasm_valkind_is_ref(wasm_valtype_kind(t));
}

WASM_DECLARE_TYPE(functype) /* new: the vectors are empty afterwards */
WASM_API_EXTERN own wasm_functype_t *wasm_functype_new(own wasm_valtype_vec_t *params,
                                                       own wasm_valtype_vec_t *results);
WASM_API_EXTERN const wasm_valtype_vec_t *wasm_functype_params(const wasm_functype_t *);
WASM_API_EXTERN const wasm_valtype_vec_t *wasm_functype_results(const wasm_functype_t *);

typedef uint8_t wasm_mutability_t;
enum wasm_mutability_enum { WASM_CONST = 0, WASM_VAR = 1 };

WASM_DECLARE_TYPE(globaltype)
WASM_API_EXTERN own wasm_globaltype_t *wasm_globaltype_new(own wasm_valtype_t *, wasm_mutability_t);
WASM_API_EXTERN const wasm_valtype_t *wasm_globaltype_content(const wasm_globaltype_t *);
WASM_API_EXTERN wasm_mutability_t wasm_globaltype_mutability(const wasm_globaltype_t *);

/* Elements of a table, pages of a memory.  What has no maximum has wasm_limits_max_default; sizes
 * of 64-bit tables and memories beyond that appear as it, too. */
typedef struct wasm_limits_t {
    uint32_t min;
    uint32_t max;
} wasm_limits_t;
static const uint32_t wasm_limits_max_default = 0xffffffff;

WASM_DECLARE_TYPE(tabletype)
WASM_API_EXTERN own wasm_tabletype_t *wasm_tabletype_new(own wasm_valtype_t *,
                                                         const wasm_limits_t *);
WASM_API_EXTERN const wasm_valtype_t *wasm_tabletype_element(const wasm_tabletype_t *);
WASM_API_EXTERN const wasm_limits_t *wasm_tabletype_limits(const wasm_tabletype_t *);

WASM_DECLARE_TYPE(memorytype)
WASM_API_EXTERN own wasm_memorytype_t *wasm_memorytype_new(const wasm_limits_t *);
WASM_API_EXTERN const wasm_limits_t *wasm_memorytype_limits(const wasm_memorytype_t *);

WASM_DECLARE_TYPE(tagtype) /* of exceptions */
WASM_API_EXTERN own wasm_tagtype_t *wasm_tagtype_new(own wasm_functype_t *);
WASM_API_EXTERN const wasm_functype_t *wasm_tagtype_functype(const wasm_tagtype_t *);

typedef uint8_t wasm_externkind_t;
enum wasm_externkind_enum {
    WASM_EXTERN_FUNC = 0, WASM_EXTERN_GLOBAL = 1, WASM_EXTERN_TABLE = 2, WASM_EXTERN_MEMORY = 3,
    WASM_EXTERN_TAG = 4
};

/* Any of the five above.  Conversions lend, like those of references. */
WASM_DECLARE_TYPE(externtype)
WASM_API_EXTERN wasm_externkind_t wasm_externtype_kind(const wasm_externtype_t *);

WASM_API_EXTERN wasm_externtype_t *wasm_functype_as_externtype(wasm_functype_t *);
WASM_API_EXTERN wasm_functype_t *wasm_externtype_as_functype(wasm_externtype_t *);
WASM_API_EXTERN const wasm_externtype_t *wasm_functype_as_externtype_const(const wasm_functype_t *);
WASM_API_EXTERN const wasm_functype_t *wasm_externtype_as_functype_const(const wasm_externtype_t *);

WASM_API_EXTERN wasm_externtype_t *wasm_globaltype_as_externtype(wasm_globaltype_t *);
WASM_API_EXTERN wasm_globaltype_t *wasm_externtype_as_globaltype(wasm_externtype_t *);
WASM_API_EXTERN const wasm_externtype_t *
wasm_globaltype_as_externtype_const(const wasm_globaltype_t *);
WASM_API_EXTERN const wasm_globaltype_t *
wasm_externtype_as_globaltype_const(const wasm_externtype_t *);

WASM_API_EXTERN wasm_externtype_t *wasm_tabletype_as_externtype(wasm_tabletype_t *);
WASM_API_EXTERN wasm_tabletype_t *wasm_externtype_as_tabletype(wasm_externtype_t *);
WASM_API_EXTERN const wasm_externtype_t *
wasm_tabletype_as_externtype_const(const wasm_tabletype_t *);
WASM_API_EXTERN const wasm_tabletype_t *
wasm_externtype_as_tabletype_const(const wasm_externtype_t *);

WASM_API_EXTERN wasm_externtype_t *wasm_memorytype_as_externtype(wasm_memorytype_t *);
WASM_API_EXTERN wasm_memorytype_t *wasm_externtype_as_memorytype(wasm_externtype_t *);
WASM_API_EXTERN const wasm_externtype_t *
wasm_memorytype_as_externtype_const(const wasm_memorytype_t *);
WASM_API_EXTERN const wasm_memorytype_t *
wasm_externtype_as_memorytype_const(const wasm_externtype_t *);

WASM_API_EXTERN wasm_externtype_t *wasm_tagtype_as_externtype(wasm_tagtype_t *);
WASM_API_EXTERN wasm_tagtype_t *wasm_externtype_as_tagtype(wasm_externtype_t *);
WASM_API_EXTERN const wasm_externtype_t *wasm_tagtype_as_externtype_const(const wasm_tagtype_t *);
WASM_API_EXTERN const wasm_tagtype_t *wasm_externtype_as_tagtype_const(const wasm_externtype_t *);

/* new: the names are empty afterwards. */
WASM_DECLARE_TYPE(importtype)
WASM_API_EXTERN own wasm_importtype_t *
wasm_importtype_new(own wasm_name_t *module, own wasm_name_t *name, own wasm_externtype_t *);
WASM_API_EXTERN const wasm_name_t *wasm_importtype_module(const wasm_importtype_t *);
WASM_API_EXTERN const wasm_name_t *wasm_importtype_name(const wasm_importtype_t *);
WASM_API_EXTERN const wasm_externtype_t *wasm_importtype_type(const wasm_importtype_t *);

WASM_DECLARE_TYPE(exporttype)
WASM_API_EXTERN own wasm_exporttype_t *wasm_exporttype_new(own wasm_name_t *,
                                                           own wasm_externtype_t *);
WASM_API_EXTERN const wasm_name_t *wasm_exporttype_name(const wasm_exporttype_t *);
WASM_API_EXTERN const wasm_externtype_t *wasm_exporttype_type(const wasm_exporttype_t *);

/* ---- Engines and stores ---------------------------------------------------------------------- */

WASM_DECLARE_OWN(config) /* there is nothing to set in it: see docs/c-api.md for what engines are */
WASM_API_EXTERN own wasm_config_t *wasm_config_new(void);

WASM_DECLARE_OWN(engine) /* may be deleted before its stores */
WASM_API_EXTERN own wasm_engine_t *wasm_engine_new(void);
WASM_API_EXTERN own wasm_engine_t *
wasm_engine_new_with_config(own wasm_config_t *); /* NULL: defaults */

WASM_DECLARE_OWN(store) /* deleted from within a call of its guest's: when that has ended */
WASM_API_EXTERN own wasm_store_t *wasm_store_new(wasm_engine_t *);

/* ---- References and values ------------------------------------------------------------------- */

WASM_DECLARE_REF_BASE(ref)

typedef struct wasm_val_t {
    wasm_valkind_t kind;
    union {
        int32_t i32;
        int64_t i64;
        float32_t f32;
        float64_t f64;
        struct wasm_ref_t *ref; /* NULL is the null reference */
    } of;
} wasm_val_t;

WASM_API_EXTERN void wasm_val_delete(own wasm_val_t *); /* what it refers to, not the structure */
WASM_API_EXTERN void wasm_val_copy(own wasm_val_t *out, const wasm_val_t *);
WASM_DECLARE_VEC(val, )

/* An object that is the host's own: an externref that the guest can hold and give back.  Once a
 * guest was given a reference, as an externref, to this or anything else, its object is kept
 * until the store is deleted. */
WASM_DECLARE_REF(foreign)
WASM_API_EXTERN own wasm_foreign_t *wasm_foreign_new(wasm_store_t *);

/* ---- Traps ----------------------------------------------------------------------------------- */

WASM_DECLARE_OWN(frame) /* of a backtrace; plain data but for its instance, which it keeps */
WASM_DECLARE_VEC(frame, *)
WASM_API_EXTERN own wasm_frame_t *wasm_frame_copy(const wasm_frame_t *);
WASM_API_EXTERN struct wasm_instance_t *wasm_frame_instance(const wasm_frame_t *); /* lent */
WASM_API_EXTERN uint32_t wasm_frame_func_index(const wasm_frame_t *);
/* Bytes to the instruction, from the start of the function's body and of the module. */
WASM_API_EXTERN size_t wasm_frame_func_offset(const wasm_frame_t *);
WASM_API_EXTERN size_t wasm_frame_module_offset(const wasm_frame_t *);

typedef wasm_name_t wasm_message_t; /* with a NUL as its last byte; it is added where it lacks */

WASM_DECLARE_REF(trap)
WASM_API_EXTERN own wasm_trap_t *wasm_trap_new(wasm_store_t *, const wasm_message_t *);
WASM_API_EXTERN void wasm_trap_message(const wasm_trap_t *, own wasm_message_t *out);
/* Innermost first.  A trap that the host made has frames once it has passed through a guest. */
WASM_API_EXTERN own wasm_frame_t *
wasm_trap_origin(const wasm_trap_t *); /* NULL: it has no frames */
WASM_API_EXTERN void wasm_trap_trace(const wasm_trap_t *, own wasm_frame_vec_t *out);

/* ---- Modules --------------------------------------------------------------------------------- */

/* Binary modules only; all functions are verified.  The bytes are copied. */
WASM_DECLARE_SHARABLE_REF(module)
WASM_API_EXTERN own wasm_module_t *wasm_module_new(wasm_store_t *, const wasm_byte_vec_t *binary);
WASM_API_EXTERN bool wasm_module_validate(wasm_store_t *, const wasm_byte_vec_t *binary);
WASM_API_EXTERN void wasm_module_imports(const wasm_module_t *, own wasm_importtype_vec_t *out);
WASM_API_EXTERN void wasm_module_exports(const wasm_module_t *, own wasm_exporttype_vec_t *out);
/* The module's bytes with a head that says which version wrote them.  deserialize takes nothing
 * else, and verifies it like a new one: NULL for what is damaged or of another version. */
WASM_API_EXTERN void wasm_module_serialize(const wasm_module_t *, own wasm_byte_vec_t *out);
WASM_API_EXTERN own wasm_module_t *wasm_module_deserialize(wasm_store_t *, const wasm_byte_vec_t *);

/* ---- Functions ------------------------------------------------------------------------------- */

/* What a guest's call of a host function does.  `args` are lent; `results` has as many values as
 * the type, zeros and null references of the right kinds, to be filled with owned ones.  A trap
 * that is returned ends the guest's call; results do not matter then. */
WASM_DECLARE_REF(func)
typedef own wasm_trap_t *(*wasm_func_callback_t)(const wasm_val_vec_t *args,
                                                 own wasm_val_vec_t *results);
typedef own wasm_trap_t *(*wasm_func_callback_with_env_t)(void *env, const wasm_val_vec_t *args,
                                                          wasm_val_vec_t *results);
/* A host function exists as long as its store, and so does `env`: then the finalizer (may be
 * NULL) is called.  After a failure it is not. */
WASM_API_EXTERN own wasm_func_t *wasm_func_new(wasm_store_t *, const wasm_functype_t *,
                                               wasm_func_callback_t);
WASM_API_EXTERN own wasm_func_t *wasm_func_new_with_env(wasm_store_t *, const wasm_functype_t *,
                                                        wasm_func_callback_with_env_t, void *env,
                                                        void (*finalizer)(void *));
WASM_API_EXTERN own wasm_functype_t *wasm_func_type(const wasm_func_t *);
WASM_API_EXTERN size_t wasm_func_param_arity(const wasm_func_t *);
WASM_API_EXTERN size_t wasm_func_result_arity(const wasm_func_t *);
/* `args` are lent.  `results` has room for the function's; what was in them is overwritten, and
 * only if there is no trap.  Vectors of no values may be NULL.  NULL: it returned. */
WASM_API_EXTERN own wasm_trap_t *wasm_func_call(const wasm_func_t *, const wasm_val_vec_t *args,
                                                wasm_val_vec_t *results);

/* ---- Globals, tables, memories --------------------------------------------------------------- */

WASM_DECLARE_REF(global)
WASM_API_EXTERN own wasm_global_t *wasm_global_new(wasm_store_t *, const wasm_globaltype_t *,
                                                   const wasm_val_t *);
WASM_API_EXTERN own wasm_globaltype_t *wasm_global_type(const wasm_global_t *);
/* Of a global that cannot be had as a value (a v128): an i32 of 0. */
WASM_API_EXTERN void wasm_global_get(const wasm_global_t *, own wasm_val_t *out);
/* Does nothing to one that is immutable, or with a value of another type. */
WASM_API_EXTERN void wasm_global_set(wasm_global_t *, const wasm_val_t *);

typedef uint32_t wasm_table_size_t;

/* References that a table is given are lent: `init` is for new elements, NULL is null. */
WASM_DECLARE_REF(table)
WASM_API_EXTERN own wasm_table_t *wasm_table_new(wasm_store_t *, const wasm_tabletype_t *,
                                                 wasm_ref_t *init);
WASM_API_EXTERN own wasm_tabletype_t *wasm_table_type(const wasm_table_t *);
/* NULL: null, or no such element. */
WASM_API_EXTERN own wasm_ref_t *wasm_table_get(const wasm_table_t *, wasm_table_size_t index);
WASM_API_EXTERN bool wasm_table_set(wasm_table_t *, wasm_table_size_t index, wasm_ref_t *);
WASM_API_EXTERN wasm_table_size_t wasm_table_size(const wasm_table_t *);
WASM_API_EXTERN bool wasm_table_grow(wasm_table_t *, wasm_table_size_t delta, wasm_ref_t *init);

typedef uint32_t wasm_memory_pages_t;
static const size_t MEMORY_PAGE_SIZE = 0x10000;

WASM_DECLARE_REF(memory)
WASM_API_EXTERN own wasm_memory_t *wasm_memory_new(wasm_store_t *, const wasm_memorytype_t *);
WASM_API_EXTERN own wasm_memorytype_t *wasm_memory_type(const wasm_memory_t *);
WASM_API_EXTERN byte_t *
wasm_memory_data(wasm_memory_t *); /* stays where it is when the memory grows */
WASM_API_EXTERN size_t wasm_memory_data_size(const wasm_memory_t *);
WASM_API_EXTERN wasm_memory_pages_t wasm_memory_size(const wasm_memory_t *);
WASM_API_EXTERN bool wasm_memory_grow(wasm_memory_t *, wasm_memory_pages_t delta);

/* ---- What is imported and exported ----------------------------------------------------------- */

/* Any of the above four, or a tag, of which nothing can be asked but its type. */
WASM_DECLARE_REF(extern)
WASM_DECLARE_VEC(extern, *)
WASM_API_EXTERN wasm_externkind_t wasm_extern_kind(const wasm_extern_t *);
WASM_API_EXTERN own wasm_externtype_t *wasm_extern_type(const wasm_extern_t *);

WASM_API_EXTERN wasm_extern_t *wasm_func_as_extern(wasm_func_t *);
WASM_API_EXTERN wasm_func_t *wasm_extern_as_func(wasm_extern_t *);
WASM_API_EXTERN const wasm_extern_t *wasm_func_as_extern_const(const wasm_func_t *);
WASM_API_EXTERN const wasm_func_t *wasm_extern_as_func_const(const wasm_extern_t *);

WASM_API_EXTERN wasm_extern_t *wasm_global_as_extern(wasm_global_t *);
WASM_API_EXTERN wasm_global_t *wasm_extern_as_global(wasm_extern_t *);
WASM_API_EXTERN const wasm_extern_t *wasm_global_as_extern_const(const wasm_global_t *);
WASM_API_EXTERN const wasm_global_t *wasm_extern_as_global_const(const wasm_extern_t *);

WASM_API_EXTERN wasm_extern_t *wasm_table_as_extern(wasm_table_t *);
WASM_API_EXTERN wasm_table_t *wasm_extern_as_table(wasm_extern_t *);
WASM_API_EXTERN const wasm_extern_t *wasm_table_as_extern_const(const wasm_table_t *);
WASM_API_EXTERN const wasm_table_t *wasm_extern_as_table_const(const wasm_extern_t *);

WASM_API_EXTERN wasm_extern_t *wasm_memory_as_extern(wasm_memory_t *);
WASM_API_EXTERN wasm_memory_t *wasm_extern_as_memory(wasm_extern_t *);
WASM_API_EXTERN const wasm_extern_t *wasm_memory_as_extern_const(const wasm_memory_t *);
WASM_API_EXTERN const wasm_memory_t *wasm_extern_as_memory_const(const wasm_extern_t *);

/* ---- Instances ------------------------------------------------------------------------------- */

/* `imports` are lent, in the order of the module's, and may be NULL if there are none.  If it
 * fails and `trap` is not NULL, *trap says why: the start function trapped, a segment did not
 * fit, an import is missing or of another type, a limit. */
WASM_DECLARE_REF(instance)
WASM_API_EXTERN own wasm_instance_t *wasm_instance_new(wasm_store_t *, const wasm_module_t *,
                                                       const wasm_extern_vec_t *imports,
                                                       own wasm_trap_t **trap);
WASM_API_EXTERN void wasm_instance_exports(const wasm_instance_t *, own wasm_extern_vec_t *out);

/* ---- Short forms ----------------------------------------------------------------------------- */

#define WASM_EMPTY_VEC {0, NULL}
#define WASM_ARRAY_VEC(array) {sizeof(array) / sizeof(*(array)), array}

#define WASM_I32_VAL(i) {.kind = WASM_I32, .of = {.i32 = i}}
#define WASM_I64_VAL(i) {.kind = WASM_I64, .of = {.i64 = i}}
#define WASM_F32_VAL(z) {.kind = WASM_F32, .of = {.f32 = z}}
#define WASM_F64_VAL(z) {.kind = WASM_F64, .of = {.f64 = z}}
#define WASM_REF_VAL(r) {.kind = WASM_EXTERNREF, .of = {.ref = r}}
#define WASM_INIT_VAL {.kind = WASM_EXTERNREF, .of = {.ref = NULL}}

/* A pointer as a value of the integer type of its size (here 64 bits). */
#if UINTPTR_MAX != UINT64_MAX
#error "libfnvm runs on 64-bit machines"
#endif
static inline void wasm_val_init_ptr(own wasm_val_t *out, void *p)
{
    out->kind = WASM_I64;
    out->of.i64 = (int64_t)(intptr_t)p;
}
static inline void *wasm_val_ptr(const wasm_val_t *v) { return (void *)(intptr_t)v->of.i64; }

static inline own wasm_valtype_t *wasm_valtype_new_i32(void) { return wasm_valtype_new(WASM_I32); }
static inline own wasm_valtype_t *wasm_valtype_new_i64(void) { return wasm_valtype_new(WASM_I64); }
static inline own wasm_valtype_t *wasm_valtype_new_f32(void) { return wasm_valtype_new(WASM_F32); }
static inline own wasm_valtype_t *wasm_valtype_new_f64(void) { return wasm_valtype_new(WASM_F64); }
static inline own wasm_valtype_t *wasm_valtype_new_funcref(void)
{
    return wasm_valtype_new(WASM_FUNCREF);
}
static inline own wasm_valtype_t *wasm_valtype_new_externref(void)
{
    return wasm_valtype_new(WASM_EXTERNREF);
}

/* What older versions of the standard's header call them. */
#define WASM_ANYREF WASM_EXTERNREF
#define wasm_valtype_new_anyref wasm_valtype_new_externref
#define wasm_name_new_new_uninitialized wasm_byte_vec_new_uninitialized

/* wasm_functype_new_P_R: of P parameters and R results, in this order. */
static inline own wasm_functype_t *wasm_functype_new_of_(size_t np, size_t nr,
                                                         own wasm_valtype_t *const types[])
{
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new_empty(&params);
    wasm_valtype_vec_new_empty(&results);
    if (np) wasm_valtype_vec_new(&params, np, types);
    if (nr) wasm_valtype_vec_new(&results, nr, types + np);
    if (params.size != np || results.size != nr) { /* out of memory */
        wasm_valtype_vec_delete(&params);
        wasm_valtype_vec_delete(&results);
        return NULL;
    }
    return wasm_functype_new(&params, &results);
}
static inline own wasm_functype_t *wasm_functype_new_0_0(void)
{
    wasm_valtype_t *types[1] = {NULL};
    return wasm_functype_new_of_(0, 0, types);
}
#define WASM_FUNCTYPE_NEW_(np, nr, declared, named) \
    static inline own wasm_functype_t *wasm_functype_new_##np##_##nr declared \
    { \
        wasm_valtype_t *types[np + nr] = named; \
        return wasm_functype_new_of_(np, nr, types); \
    }
#define WASM_NAMES_(...) {__VA_ARGS__}
WASM_FUNCTYPE_NEW_(1, 0, (own wasm_valtype_t *p), WASM_NAMES_(p))
WASM_FUNCTYPE_NEW_(2, 0, (own wasm_valtype_t *p1, own wasm_valtype_t *p2), WASM_NAMES_(p1, p2))
WASM_FUNCTYPE_NEW_(3, 0, (own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *p3),
                   WASM_NAMES_(p1, p2, p3))
WASM_FUNCTYPE_NEW_(0, 1, (own wasm_valtype_t *r), WASM_NAMES_(r))
WASM_FUNCTYPE_NEW_(1, 1, (own wasm_valtype_t *p, own wasm_valtype_t *r), WASM_NAMES_(p, r))
WASM_FUNCTYPE_NEW_(2, 1, (own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *r),
                   WASM_NAMES_(p1, p2, r))
WASM_FUNCTYPE_NEW_(3, 1, (own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *p3,
                          own wasm_valtype_t *r), WASM_NAMES_(p1, p2, p3, r))
WASM_FUNCTYPE_NEW_(0, 2, (own wasm_valtype_t *r1, own wasm_valtype_t *r2), WASM_NAMES_(r1, r2))
WASM_FUNCTYPE_NEW_(1, 2, (own wasm_valtype_t *p, own wasm_valtype_t *r1, own wasm_valtype_t *r2),
                   WASM_NAMES_(p, r1, r2))
WASM_FUNCTYPE_NEW_(2, 2, (own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *r1,
                          own wasm_valtype_t *r2), WASM_NAMES_(p1, p2, r1, r2))
WASM_FUNCTYPE_NEW_(3, 2, (own wasm_valtype_t *p1, own wasm_valtype_t *p2, own wasm_valtype_t *p3,
                          own wasm_valtype_t *r1, own wasm_valtype_t *r2),
                   WASM_NAMES_(p1, p2, p3, r1, r2))
#undef WASM_FUNCTYPE_NEW_
#undef WASM_NAMES_

#undef own

#ifdef __cplusplus
}
#endif
#endif
