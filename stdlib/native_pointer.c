/* Functions of guests as C function pointers: libffi makes the code, which calls run_pointer with
 * C's arguments.  Where that code goes is not left to libffi, which on many systems takes memory
 * that can be written and executed: it is written through one mapping of a file in memory, which is
 * gone before another one, that can only be read and executed, is called.
 *
 * C that is called so knows no errors.  If it was itself called by the guest, as a native
 * function, the error ends that call once C returns; until then all pointers of the store return
 * zero at once.  Else it is kept for the embedder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "stdlib/native.h"
#include "vm/run.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

struct fnvm_pointer {
    void *code; /* a mapping of code_bytes(), or NULL; begins with the ffi_closure */
    ffi_cif cif;
    ffi_type *types[NATIVE_PARAMS_MAX];
    Store *store;
    FuncRef func;
    NativeSignature signature; /* no names in it: the text may go */
    fnvm_error *failed;
};

/* ---- Being called ---- */

/* As libffi has arguments: in memory, of their own size. */
static void put_argument(NativeKind kind, const void *from, Slot *slot)
{
    slot->i64 = 0;
    switch (kind) {
    case NATIVE_I8: slot->i32 = (uint32_t) * (const int8_t *)from; break;
    case NATIVE_I16: slot->i32 = (uint32_t) * (const int16_t *)from; break;
    default: memcpy(slot, from, native_kind_bytes(kind)); break;
    }
}

/* And results: integers as wide as a register, extended. */
static void put_result(NativeKind kind, const Slot *slot, void *to)
{
    switch (kind) {
    case NATIVE_VOID: return;
    case NATIVE_F32: memcpy(to, &slot->f32, sizeof slot->f32); return;
    case NATIVE_F64: memcpy(to, &slot->f64, sizeof slot->f64); return;
    case NATIVE_I8: *(ffi_arg *)to = (ffi_arg)(int8_t)slot->i32; return;
    case NATIVE_I16: *(ffi_arg *)to = (ffi_arg)(int16_t)slot->i32; return;
    case NATIVE_I32: *(ffi_arg *)to = (ffi_arg)(int32_t)slot->i32; return;
    case NATIVE_U8: *(ffi_arg *)to = (uint8_t)slot->i32; return;
    case NATIVE_U16: *(ffi_arg *)to = (uint16_t)slot->i32; return;
    case NATIVE_U32: *(ffi_arg *)to = slot->i32; return;
    case NATIVE_BOOL: *(ffi_arg *)to = slot->i32 != 0; return;
    default: *(ffi_arg *)to = slot->i64; return;
    }
}

static void keep(fnvm_error **where, fnvm_error *error)
{
    if (!*where) *where = error;
    else fnvm_error_free(error);
}

static void run_pointer(ffi_cif *cif, void *to, void **args, void *env)
{
    fnvm_pointer *p = env;
    StoreNatives *natives = p->store->natives;
    Slot slots[NATIVE_PARAMS_MAX + 1] = {{0}};
    (void)cif;
    if (!natives->pending) {
        for (uint32_t i = 0; i < p->signature.nparams; i++)
            put_argument(p->signature.params[i].kind, args[i], &slots[i]);
        const bool in_native = natives->in_native;
        natives->in_native = false;
        fnvm_error *error = run_call(p->store, p->func, slots);
        natives->in_native = in_native;
        if (error) {
            slots[0].i64 = 0;
            keep(in_native ? &natives->pending : &p->failed, error);
        }
    }
    put_result(p->signature.result.kind, slots, to);
}

/* ---- Making one ---- */

static bool same_types(const Type *a, const Type *b)
{
    return a->nparams == b->nparams && a->nresults == b->nresults &&
           memcmp(a->params, b->params, a->nparams * sizeof *a->params) == 0 &&
           memcmp(a->results, b->results, a->nresults * sizeof *a->results) == 0;
}

static fnvm_error *check_type(fnvm_pointer *p, const char *signature)
{
    TypeRegistry *types = &p->store->engine->types;
    const Type *type = store_func_type(p->store, p->func);
    TypeId id;
    char is[256];
    if (!type) return fnvm_error_new(FNVM_E_USAGE, "not a function of this store");
    if (!native_signature_is_plain(&p->signature))
        return fnvm_error_new(
            FNVM_E_USAGE,
            "the signature `%.200s`: a guest's function as a pointer takes numbers "
            "and bool alone, and returns one or nothing",
            signature);
    fnvm_error *error = types_parse_func(types, p->signature.type, &id);
    if (error) return error;
    const bool same = same_types(type, types_get(types, id));
    types_release(types, id);
    if (same) return NULL;
    types_print_func(types, type->id, is, sizeof is);
    return fnvm_error_new(
        FNVM_E_USAGE,
        "the signature `%.200s` is that of a guest's function `%s`, and this one is "
        "%s",
        signature, p->signature.type, *is ? is : "without parameters and results");
}

/* ---- Its code ---- */

static size_t code_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* A page of a file in memory that may be executed; -1, with errno, if there is none to be had. */
static int code_file(void)
{
    struct rlimit limit;
    int fd = memfd_create("fnvm-pointer", MFD_CLOEXEC | MFD_EXEC);
    if (fd < 0 && errno == EINVAL) fd = memfd_create("fnvm-pointer", MFD_CLOEXEC);
    if (fd < 0) return -1;
    errno = EFBIG; /* past this limit the system kills the process instead of refusing */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && code_bytes() <= limit.rlim_cur &&
        ftruncate(fd, (off_t)code_bytes()) == 0)
        return fd;
    const int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* Has libffi write the code at `writable`, to be executed at p->code. */
static fnvm_error *write_code(fnvm_pointer *p, ffi_closure *writable)
{
    const NativeSignature *s = &p->signature;
    for (uint32_t i = 0; i < s->nparams; i++) p->types[i] = native_ffi_type(s->params[i].kind);
    if (ffi_prep_cif(&p->cif, FFI_DEFAULT_ABI, s->nparams, native_ffi_type(s->result.kind),
                     p->types) == FFI_OK &&
        ffi_prep_closure_loc(writable, &p->cif, run_pointer, p, p->code) == FFI_OK)
        return NULL;
    return fnvm_error_new(FNVM_E_UNSUPPORTED, "libffi cannot make functions of the type `%s`",
                          s->type);
}

static fnvm_error *make_code(fnvm_pointer *p)
{
    void *writable = MAP_FAILED, *code = MAP_FAILED;
    const int fd = code_file();
    if (fd >= 0) writable = mmap(NULL, code_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (writable != MAP_FAILED)
        code = mmap(NULL, code_bytes(), PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (code != MAP_FAILED) p->code = code;
    fnvm_error *error =
        p->code ? write_code(p, writable)
                : fnvm_error_new(FNVM_E_IO, "no memory for a function pointer's code: %s",
                                 strerror(errno));
    if (writable != MAP_FAILED) munmap(writable, code_bytes());
    if (fd >= 0) close(fd);
    return error;
}

fnvm_error *fnvm_func_as_pointer(fnvm_store *store, fnvm_extern func, const char *signature,
                                 fnvm_pointer **out, void (**code)(void))
{
    *out = NULL;
    *code = NULL;
    StoreNatives *natives;
    fnvm_error *error = natives_of(store, &natives);
    if (error) return error;
    fnvm_pointer *p = calloc(1, sizeof *p);
    if (!p) return error_no_memory();
    p->store = store;
    if (func.kind == FNVM_EXTERN_FUNC && store_has_extern(store, func)) p->func = func.of[0];
    error = native_signature_parse(signature, &p->signature);
    if (!error) error = check_type(p, signature);
    if (!error) error = make_code(p);
    if (error) {
        fnvm_pointer_free(p);
        return error;
    }
    memcpy(code, &p->code, sizeof p->code); /* POSIX has them of one size */
    *out = p;
    return NULL;
}

fnvm_error *fnvm_pointer_failed(fnvm_pointer *p)
{
    fnvm_error *error = p->failed;
    p->failed = NULL;
    return error;
}

void fnvm_pointer_free(fnvm_pointer *p)
{
    if (!p) return;
    if (p->code) munmap(p->code, code_bytes());
    fnvm_error_free(p->failed);
    free(p);
}
