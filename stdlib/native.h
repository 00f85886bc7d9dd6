/* Native functions: what a store has of them, and how one is called.  docs/native.md is what they
 * promise.
 *
 * A NativeFunc is its store's.  It relies on its library being open, which the embedder sees to. */
#ifndef FNVM_STDLIB_NATIVE_H
#define FNVM_STDLIB_NATIVE_H

#include <ffi.h>

#include "vm/native_signature.h"
#include "vm/store.h"

enum { NATIVE_ARGS_MAX = 2 * NATIVE_PARAMS_MAX }; /* of C: bytes are a pointer and a size */

typedef struct NativeFunc {
    struct NativeFunc *next;   /* of its store */
    void (*code)(void);
    NativeSignature signature; /* points into `text` */
    uint32_t kinds[NATIVE_PARAMS_MAX]; /* of handles: what native_handle_kind says */
    uint32_t result_kind;
    uint32_t nargs;            /* of C */
    uint64_t floats;           /* bit i: its argument i is f32 or f64 */
    bool by_registers;         /* it needs no more than has_registers() says */
    bool has_handles;
    ffi_cif cif;               /* points to `types` */
    ffi_type *types[NATIVE_ARGS_MAX];
    const char *name;          /* "module.name", behind the text */
    char text[];
} NativeFunc;

/* An argument or a result of C, as its register or 8 bytes of its stack have it. */
typedef union NativeWord { uint64_t bits; void *pointer; double f64; float f32; } NativeWord;

/* Calls C.  The result is extended to 64 bits as its type says. */
NativeWord native_invoke(const NativeFunc *, const NativeWord *args);
/* The fnvm_host_fn of all; env is the NativeFunc. */
fnvm_error *native_call(fnvm_caller *, void *env, Slot *slots);
/* Whether libffi is needed for it; once all but the cif is known. */
void native_choose_call(NativeFunc *);
ffi_type *native_ffi_type(NativeKind);

/* ---- Of a store ---- */

typedef struct StoreNatives StoreNatives;
struct StoreNatives {
    NativeFunc *funcs;
    bool in_native;      /* the innermost call of the store's guest is of a native function */
    fnvm_error *pending; /* of a fnvm_pointer that it called: to be the end of it */
    struct NativeHandles *handles; /* NULL: no function has any */
};

/* Makes them at the first time; freed with the store. */
fnvm_error *natives_of(Store *, StoreNatives **out);
/* After a reset: the handles that are left are closed and forgotten. */
void natives_reset(Store *);
/* FNVM_E_UNSUPPORTED while there are handles: what is behind them would not be in an image. */
fnvm_error *natives_check_freeze(const Store *);

/* ---- Handles ---- */

typedef struct NativeHandles NativeHandles;

fnvm_error *native_handles_new(NativeHandles **out);
void native_handles_free(NativeHandles *); /* closes those that are left; NULL is fine */
void native_handles_close_all(NativeHandles *);
size_t native_handles_open(const NativeHandles *);
/* The number of a kind by name. */
fnvm_error *native_handle_kind(NativeHandles *, NativeName, uint32_t *out);
/* `closer` is called with what is left of a kind: newest first, whatever the kind. */
void native_handle_closer(NativeHandles *, uint32_t kind, const NativeFunc *closer);
/* Promises room for `n` more, so that native_handle_add cannot fail, also where calls are nested
 * in one another; FNVM_E_LIMIT.  The promise is kept until it is given back. */
fnvm_error *native_handles_reserve(NativeHandles *, uint32_t n);
void native_handles_release(NativeHandles *, uint32_t n);
/* 0 for NULL; the same number again for a pointer that is there already. */
uint64_t native_handle_add(NativeHandles *, uint32_t kind, void *pointer);
/* False if there is none of this number and kind; 0 is NULL. */
bool native_handle_get(const NativeHandles *, uint32_t kind, uint64_t handle, void **out);
/* These do nothing if there is none, as of 0.  What a call holds is not to be dropped. */
void native_handle_drop(NativeHandles *, uint64_t handle);
void native_handle_hold(NativeHandles *, uint64_t handle, bool held);
bool native_handle_held(const NativeHandles *, uint64_t handle);

#endif
