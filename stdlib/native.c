/* Opening libraries, and defining their functions as imports.  What a store has of native
 * functions is made with the first of them, and goes with the store. */
#include "stdlib/native.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "loader/linker.h"
#include "verifier/policy/manifest.h"

struct fnvm_native {
    fnvm_engine *engine;
    void *opened;
    char library[]; /* for messages */
};

/* ---- Libraries ---- */

static int has_interpreter(struct dl_phdr_info *info, size_t size, void *found)
{
    (void)size;
    for (ElfW(Half) i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_INTERP) *(bool *)found = true;
    return 1; /* the program itself comes first, and is enough */
}

/* A program that was linked statically would get a second C library beside its own. */
static fnvm_error *check_program(void)
{
    bool found = false;
    dl_iterate_phdr(has_interpreter, &found);
    return found ? NULL
                 : fnvm_error_new(FNVM_E_UNSUPPORTED,
                                  "this program is linked statically, and cannot load "
                                  "libraries");
}

/* What to open: a path as it really is, so that what the policy allows is what is opened. */
static fnvm_error *choose_path(const char *library, char path[PATH_MAX])
{
    if (!strchr(library, '/')) {
        if (!strstr(library, ".so") || strlen(library) >= PATH_MAX)
            return fnvm_error_new(
                FNVM_E_USAGE,
                "`%.200s` is no library's name: expected one such as libm.so.6, or "
                "a path",
                library);
        strcpy(path, library);
        return NULL;
    }
    if (realpath(library, path)) return NULL;
    return fnvm_error_new(errno == ENOENT || errno == ENOTDIR ? FNVM_E_NOT_FOUND : FNVM_E_IO,
                          "library `%.200s`: %s", library, strerror(errno));
}

static fnvm_error *open_library(const char *library, const char *path, fnvm_native *n)
{
    (void)dlerror();
    n->opened = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (n->opened) return NULL;
    const char *why = dlerror();
    return fnvm_error_new(FNVM_E_IO, "cannot open the library `%.200s`: %s", library,
                          why ? why : "no reason is given");
}

fnvm_error *fnvm_native_open(fnvm_engine *engine, const char *library, fnvm_native **out)
{
    char path[PATH_MAX];
    *out = NULL;
    fnvm_error *error = check_program();
    if (!error && library) error = choose_path(library, path);
    const char *name = library ? path : POLICY_NATIVE_PROGRAM;
    if (!error && engine->config.policy) error = policy_check_native(engine->config.policy, name);
    if (error) return error;
    fnvm_native *n = malloc(sizeof *n + strlen(name) + 1);
    if (!n) return error_no_memory();
    strcpy(n->library, name);
    error = open_library(name, library ? path : NULL, n);
    if (error) {
        free(n);
        return error;
    }
    n->engine = engine_retain(engine);
    *out = n;
    return NULL;
}

void fnvm_native_close(fnvm_native *n)
{
    if (!n) return;
    dlclose(n->opened);
    fnvm_engine_free(n->engine);
    free(n);
}

/* ---- Of a store ---- */

static void natives_free(StoreNatives *n)
{
    native_handles_free(n->handles); /* calls functions */
    for (NativeFunc *f = n->funcs; f;) {
        NativeFunc *next = f->next;
        free(f);
        f = next;
    }
    fnvm_error_free(n->pending);
    free(n);
}

fnvm_error *natives_of(Store *s, StoreNatives **out)
{
    *out = s->natives;
    if (*out) return NULL;
    *out = s->natives = calloc(1, sizeof **out);
    if (!*out) return error_no_memory();
    s->natives_free = natives_free;
    return NULL;
}

void natives_reset(Store *s)
{
    if (s->natives && s->natives->handles) native_handles_close_all(s->natives->handles);
}

fnvm_error *natives_check_freeze(const Store *s)
{
    const size_t open = s->natives ? native_handles_open(s->natives->handles) : 0;
    if (!open) return NULL;
    return fnvm_error_new(FNVM_E_UNSUPPORTED,
                          "the guest holds %zu handle%s of native functions, and what is behind "
                          "them cannot be in an image",
                          open, open == 1 ? "" : "s");
}

/* ---- Functions ---- */

ffi_type *native_ffi_type(NativeKind kind)
{
    static ffi_type *const types[] = {
        [NATIVE_I8] = &ffi_type_sint8,   [NATIVE_U8] = &ffi_type_uint8,
        [NATIVE_I16] = &ffi_type_sint16, [NATIVE_U16] = &ffi_type_uint16,
        [NATIVE_I32] = &ffi_type_sint32, [NATIVE_U32] = &ffi_type_uint32,
        [NATIVE_I64] = &ffi_type_sint64, [NATIVE_U64] = &ffi_type_uint64,
        [NATIVE_F32] = &ffi_type_float,  [NATIVE_F64] = &ffi_type_double,
        [NATIVE_BOOL] = &ffi_type_uint8, [NATIVE_VOID] = &ffi_type_void};
    const size_t n = sizeof types / sizeof *types;
    return (size_t)kind < n && types[kind] ? types[kind] : &ffi_type_pointer;
}

static void add_arg(NativeFunc *f, ffi_type *type)
{
    if (type == &ffi_type_float || type == &ffi_type_double) f->floats |= UINT64_C(1) << f->nargs;
    f->types[f->nargs++] = type;
}

static fnvm_error *prepare(NativeFunc *f)
{
    const NativeSignature *s = &f->signature;
    for (uint32_t i = 0; i < s->nparams; i++) {
        const NativeItem *p = &s->params[i];
        const bool by_value = p->way == NATIVE_IN && p->kind < NATIVE_VALUE_KINDS;
        add_arg(f, by_value ? native_ffi_type(p->kind) : &ffi_type_pointer);
        if (p->kind != NATIVE_BYTES && p->kind != NATIVE_BUFFER) continue;
        add_arg(f, sizeof(size_t) == 8 ? &ffi_type_uint64 : &ffi_type_uint32);
    }
    native_choose_call(f);
    if (ffi_prep_cif(&f->cif, FFI_DEFAULT_ABI, f->nargs, native_ffi_type(s->result.kind),
                     f->types) == FFI_OK)
        return NULL;
    return fnvm_error_new(FNVM_E_UNSUPPORTED, "libffi cannot call functions of the type `%s`",
                          f->text);
}

/* The kinds of its handles; where it does nothing but take one, it is what closes those that are
 * left. */
static fnvm_error *prepare_handles(NativeFunc *f, StoreNatives *n)
{
    const NativeSignature *s = &f->signature;
    for (uint32_t i = 0; i < s->nparams; i++) f->has_handles |= s->params[i].kind == NATIVE_HANDLE;
    f->has_handles |= s->result.kind == NATIVE_HANDLE;
    fnvm_error *error = f->has_handles && !n->handles ? native_handles_new(&n->handles) : NULL;
    for (uint32_t i = 0; i < s->nparams && !error; i++)
        if (s->params[i].kind == NATIVE_HANDLE)
            error = native_handle_kind(n->handles, s->params[i].name, &f->kinds[i]);
    if (!error && s->result.kind == NATIVE_HANDLE)
        error = native_handle_kind(n->handles, s->result.name, &f->result_kind);
    if (!error && s->nparams == 1 && s->params[0].way == NATIVE_TAKE)
        native_handle_closer(n->handles, f->kinds[0], f);
    return error;
}

static fnvm_error *find_symbol(fnvm_native *n, const char *symbol, NativeFunc *f)
{
    (void)dlerror();
    void *code = dlsym(n->opened, symbol);
    if (!code)
        return fnvm_error_new(FNVM_E_NOT_FOUND, "the library `%s` has no function `%.200s`",
                              n->library, symbol);
    memcpy(&f->code, &code, sizeof code); /* POSIX has them of one size */
    return NULL;
}

/* The symbol is the caller's, the signature's, or the name. */
static fnvm_error *choose_symbol(fnvm_native *n, const char *symbol, const char *name,
                                 NativeFunc *f)
{
    const NativeName own = f->signature.symbol;
    if (symbol || !own.len) return find_symbol(n, symbol ? symbol : name, f);
    char *text = strndup(own.at, own.len);
    fnvm_error *error = text ? find_symbol(n, text, f) : error_no_memory();
    free(text);
    return error;
}

static fnvm_error *new_func(StoreNatives *n, const char *module, const char *name,
                            const char *signature, NativeFunc **out)
{
    const size_t text = strlen(signature) + 1, full = strlen(module) + strlen(name) + sizeof ".";
    NativeFunc *f = calloc(1, sizeof *f + text + full);
    if (!f) return error_no_memory();
    memcpy(f->text, signature, text);
    char *at = f->text + text;
    snprintf(at, full, "%s.%s", module, name);
    f->name = at;
    f->next = n->funcs;
    n->funcs = *out = f;
    return native_signature_parse(f->text, &f->signature);
}

fnvm_error *fnvm_linker_define_native(fnvm_linker *linker, const char *module, const char *name,
                                      fnvm_native *native, const char *symbol,
                                      const char *signature)
{
    Store *store = linker_store(linker);
    StoreNatives *n;
    NativeFunc *f = NULL;
    if (store->engine != native->engine)
        return fnvm_error_new(FNVM_E_USAGE, "the library `%s` was opened for another engine",
                              native->library);
    fnvm_error *error = natives_of(store, &n);
    if (!error) error = new_func(n, module, name, signature, &f);
    if (!error) error = choose_symbol(native, symbol, name, f);
    if (!error) error = prepare(f);
    if (!error) error = prepare_handles(f, n);
    if (!error)
        error = fnvm_linker_define_func(linker, module, name, f->signature.type, native_call, f);
    return error;
}
