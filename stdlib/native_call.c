/* One call of a native function by a guest: what the guest gave is checked and becomes C's
 * arguments, C is called, and what it gave back becomes the guest's.  Everything that can fail
 * comes before the call.
 *
 * C's arguments are collected as words of 64 bits, extended as their types say, which is how
 * registers and libffi (which reads values in memory, little-endian) have them.  Of a result
 * only as many bytes count as its type has. */
#include <string.h>

#include "stdlib/native.h"
#include "vm/tunables.h"

/* ---- Calling C ---- */

#ifdef __x86_64__
/* By the System V ABI a function with no more than six integers and pointers and eight
 * floating-point numbers finds each in a register, whatever the order of the two sorts among
 * each other, and does not look at the others.  So two prototypes do for all of them.  It saves
 * some 20 of the 50 ns of a call (bench/native.c). */
enum { INT_REGISTERS = 6, FLOAT_REGISTERS = 8 };
#define REGISTERS                                                                               \
    uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, double, double, double, double, \
        double, double, double, double
typedef uint64_t IntCall(REGISTERS);
typedef double FloatCall(REGISTERS);

static bool has_registers(uint32_t nargs, uint64_t floats)
{
    const uint32_t nfloats = (uint32_t)__builtin_popcountll(floats);
    return nfloats <= FLOAT_REGISTERS && nargs - nfloats <= INT_REGISTERS;
}

/* Not of the function's own type, as a sanitizer would say. */
__attribute__((no_sanitize("undefined")))
static NativeWord by_registers(const NativeFunc *f, const NativeWord *args)
{
    uint64_t i[INT_REGISTERS] = {0};
    double d[FLOAT_REGISTERS] = {0};
    for (uint32_t k = 0, ni = 0, nd = 0; k < f->nargs; k++) {
        if (f->floats >> k & 1) d[nd++] = args[k].f64;
        else i[ni++] = args[k].bits;
    }
    const NativeKind kind = f->signature.result.kind;
    if (kind == NATIVE_F32 || kind == NATIVE_F64) {
        FloatCall *call = (FloatCall *)f->code;
        return (NativeWord){.f64 = call(i[0], i[1], i[2], i[3], i[4], i[5], d[0], d[1], d[2],
                                        d[3], d[4], d[5], d[6], d[7])};
    }
    IntCall *call = (IntCall *)f->code;
    return (NativeWord){.bits = call(i[0], i[1], i[2], i[3], i[4], i[5], d[0], d[1], d[2], d[3],
                                     d[4], d[5], d[6], d[7])};
}
#else
static bool has_registers(uint32_t nargs, uint64_t floats)
{
    return (void)nargs, (void)floats, false;
}
static NativeWord by_registers(const NativeFunc *f, const NativeWord *args)
{
    return (void)f, (void)args, (NativeWord){0};
}
#endif

void native_choose_call(NativeFunc *f) { f->by_registers = has_registers(f->nargs, f->floats); }

NativeWord native_invoke(const NativeFunc *f, const NativeWord *args)
{
    if (f->by_registers) return by_registers(f, args);
    void *values[NATIVE_ARGS_MAX + 1]; /* one more: an array has to have something */
    NativeWord result = {.bits = 0};
    for (uint32_t i = 0; i < f->nargs; i++) values[i] = (void *)&args[i];
    ffi_call((ffi_cif *)&f->cif, f->code, &result, values);
    return result;
}

/* ---- What the guest gives ---- */

typedef struct NativeCall {
    const NativeFunc *f;
    Store *store;
    const MemoryRef *memory;              /* the caller's, or NULL */
    NativeWord args[NATIVE_ARGS_MAX + 1]; /* of C */
    NativeWord vars[NATIVE_PARAMS_MAX];   /* what `out` and `inout` point to, by parameter */
    uint64_t at[NATIVE_PARAMS_MAX + 1];   /* where they go, as addresses; last: the result's */
    uint64_t result_size;                 /* a cstring's: bytes there */
} NativeCall;

/* `index`: a parameter, or nparams for the result. */
static fnvm_error *out_of_bounds(const NativeCall *c, uint32_t index, const char *what)
{
    char which[32] = "its result";
    if (index < c->f->signature.nparams) snprintf(which, sizeof which, "argument %u", index + 1);
    return fnvm_error_trap_new(
        FNVM_TRAP_MEMORY_OUT_OF_BOUNDS, "%s: %s of the native function %s %s",
        fnvm_trap_text(FNVM_TRAP_MEMORY_OUT_OF_BOUNDS), which, c->f->name, what);
}

static uint64_t address(const NativeCall *c, const Slot *slot)
{
    return c->f->signature.memory64 ? slot->i64 : slot->i32;
}

static fnvm_error *check_range(const NativeCall *c, uint32_t index, uint64_t at, uint64_t size)
{
    if (!c->memory)
        return out_of_bounds(c, index, "is in memory, and the caller exports no `memory`");
    const uint64_t has = c->memory->state->size;
    if (at <= has && size <= has - at) return NULL;
    return out_of_bounds(c, index, "is not all in the memory");
}

static fnvm_error *take_cstring(NativeCall *c, uint32_t index, uint64_t at, NativeWord *out)
{
    fnvm_error *error = check_range(c, index, at, 1);
    if (error) return error;
    const uint64_t left = c->memory->state->size - at;
    const bool cut = left > TUNE_NATIVE_STRING_BYTES;
    out->pointer = c->memory->base + at;
    if (memchr(out->pointer, '\0', cut ? TUNE_NATIVE_STRING_BYTES : left)) return NULL;
    return out_of_bounds(c, index,
                         cut ? "is a text that does not end within 1 MiB"
                             : "is a text that does not end before the memory does");
}

static fnvm_error *take_bytes(NativeCall *c, uint32_t index, const Slot *slots, NativeWord *out)
{
    const uint64_t at = address(c, &slots[0]), size = address(c, &slots[1]);
    fnvm_error *error = check_range(c, index, at, size);
    if (error) return error;
    out[0].pointer = c->memory->base + at;
    out[1].bits = size;
    /* Who was given it may write to it on any thread. */
    if (c->f->signature.params[index].kind == NATIVE_BUFFER) c->store->memory_exposed = true;
    return NULL;
}

static fnvm_error *no_handle(const NativeCall *c, uint32_t index, uint64_t handle, const char *why)
{
    const NativeName name = c->f->signature.params[index].name;
    return fnvm_error_trap_new(FNVM_TRAP_HOST,
                               "%s: argument %u of the native function %s: the handle %#llx of the "
                               "kind `%.*s` is %s",
                               fnvm_trap_text(FNVM_TRAP_HOST), index + 1, c->f->name,
                               (unsigned long long)handle, (int)name.len, name.at, why);
}

/* A value of the kind, extended.  Bytes need not be aligned; how many is known in each case. */
static inline NativeWord extend(NativeKind kind, const void *bytes)
{
#define EXTENDED(type)                                \
    {                                                 \
        type value;                                   \
        memcpy(&value, bytes, sizeof value);          \
        return (NativeWord){.bits = (uint64_t)value}; \
    }
    switch (kind) {
    case NATIVE_I8: EXTENDED(int8_t)
    case NATIVE_U8: EXTENDED(uint8_t)
    case NATIVE_I16: EXTENDED(int16_t)
    case NATIVE_U16: EXTENDED(uint16_t)
    case NATIVE_I32: EXTENDED(int32_t)
    case NATIVE_U32:
    case NATIVE_F32: EXTENDED(uint32_t)
    case NATIVE_BOOL: return (NativeWord){.bits = *(const uint8_t *)bytes != 0};
    default: EXTENDED(uint64_t)
    }
#undef EXTENDED
}

static inline fnvm_error *take_value(NativeCall *c, uint32_t index, const Slot *slot,
                                     NativeWord *out)
{
    const NativeKind kind = c->f->signature.params[index].kind;
    if (kind != NATIVE_HANDLE) {
        *out = extend(kind == NATIVE_BOOL ? NATIVE_U32 : kind, slot);
        if (kind == NATIVE_BOOL) out->bits = out->bits != 0; /* of all 32 bits */
        return NULL;
    }
    if (native_handle_get(c->store->natives->handles, c->f->kinds[index], slot->i64, &out->pointer))
        return NULL;
    return no_handle(c, index, slot->i64, "none that there is");
}

static fnvm_error *take_variable(NativeCall *c, uint32_t index, const Slot *slot, NativeWord *out)
{
    const NativeItem *item = &c->f->signature.params[index];
    const uint64_t at = address(c, slot);
    fnvm_error *error = check_range(c, index, at, native_kind_bytes(item->kind));
    if (error) return error;
    c->at[index] = at;
    c->vars[index].bits = 0;
    if (item->way == NATIVE_INOUT) c->vars[index] = extend(item->kind, c->memory->base + at);
    out->pointer = &c->vars[index];
    return NULL;
}

/* Fills in C's arguments for a parameter; *n counts them. */
static fnvm_error *take(NativeCall *c, uint32_t index, const Slot *slots, uint32_t *n)
{
    const NativeItem *item = &c->f->signature.params[index];
    const Slot *slot = slots + item->slot;
    NativeWord *out = &c->args[(*n)++];
    if (item->way == NATIVE_IN && item->kind < NATIVE_VALUE_KINDS)
        return take_value(c, index, slot, out);
    switch (item->kind) {
    case NATIVE_CSTRING: return take_cstring(c, index, address(c, slot), out);
    case NATIVE_BYTES:
    case NATIVE_BUFFER: ++*n; return take_bytes(c, index, slot, out);
    case NATIVE_NULL: out->pointer = NULL; return NULL;
    default: break;
    }
    return item->way == NATIVE_TAKE ? take_value(c, index, slot, out)
                                    : take_variable(c, index, slot, out);
}

/* Where a text that is the result goes. */
static fnvm_error *take_result_range(NativeCall *c, const Slot *slots)
{
    const NativeSignature *s = &c->f->signature;
    if (s->result.kind != NATIVE_CSTRING) return NULL;
    const uint64_t at = address(c, &slots[s->result.slot]);
    c->result_size = address(c, &slots[s->result.slot + 1]);
    c->at[s->nparams] = at;
    return check_range(c, s->nparams, at, c->result_size);
}

/* ---- Handles, around the call ---- */

static bool is_handle(const NativeItem *item)
{
    return item->kind == NATIVE_HANDLE && item->way != NATIVE_OUT;
}

/* Where one is taken no other argument is the same, and nobody has it in an outer call: C would
 * find its pointer gone. */
static fnvm_error *take_handles(NativeCall *c, const Slot *slots)
{
    const NativeSignature *s = &c->f->signature;
    for (uint32_t i = 0; i < s->nparams; i++) {
        const uint64_t handle = slots[s->params[i].slot].i64;
        if (s->params[i].way != NATIVE_TAKE || !handle) continue;
        for (uint32_t k = 0; k < s->nparams; k++)
            if (k != i && is_handle(&s->params[k]) && slots[s->params[k].slot].i64 == handle)
                return no_handle(c, i, handle, "twice among the arguments");
        if (native_handle_held(c->store->natives->handles, handle))
            return no_handle(c, i, handle, "in use by a call that has not returned");
    }
    for (uint32_t i = 0; i < s->nparams; i++)
        if (s->params[i].way == NATIVE_TAKE)
            native_handle_drop(c->store->natives->handles, slots[s->params[i].slot].i64);
    return NULL;
}

static void hold_handles(NativeCall *c, bool held)
{
    const NativeSignature *s = &c->f->signature;
    for (uint32_t i = 0; i < s->nparams; i++)
        if (s->params[i].kind == NATIVE_HANDLE && s->params[i].way == NATIVE_IN)
            native_handle_hold(c->store->natives->handles, c->at[i], held);
}

/* Promises room for what C may give: each parameter, and the result. */
static fnvm_error *begin_handles(NativeCall *c, const Slot *slots)
{
    const NativeSignature *s = &c->f->signature;
    NativeHandles *h = c->store->natives->handles;
    fnvm_error *error = native_handles_reserve(h, s->nparams + 1);
    if (error) return error;
    if ((error = take_handles(c, slots))) {
        native_handles_release(h, s->nparams + 1);
        return error;
    }
    for (uint32_t i = 0; i < s->nparams; i++) /* the slots will be gone */
        if (is_handle(&s->params[i])) c->at[i] = slots[s->params[i].slot].i64;
    hold_handles(c, true);
    return NULL;
}

static void end_handles(NativeCall *c)
{
    hold_handles(c, false);
    native_handles_release(c->store->natives->handles, c->f->signature.nparams + 1);
}

static fnvm_error *take_all(NativeCall *c, const Slot *slots)
{
    const NativeSignature *s = &c->f->signature;
    uint32_t n = 0;
    fnvm_error *error = NULL;
    for (uint32_t i = 0; i < s->nparams && !error; i++) error = take(c, i, slots, &n);
    if (!error) error = take_result_range(c, slots);
    return !error && c->f->has_handles ? begin_handles(c, slots) : error;
}

/* ---- What C gives back ---- */

static void give_variable(NativeCall *c, uint32_t index)
{
    const NativeItem *item = &c->f->signature.params[index];
    NativeWord value = c->vars[index];
    if (item->kind == NATIVE_HANDLE)
        value.bits =
            native_handle_add(c->store->natives->handles, c->f->kinds[index], value.pointer);
    else value = extend(item->kind, &value);
    memcpy(c->memory->base + c->at[index], &value, native_kind_bytes(item->kind));
}

/* As snprintf does it: cut to size, and the length it has; -1 for NULL. */
static uint64_t give_text(const NativeCall *c, const char *text)
{
    if (!text) return UINT64_MAX;
    const uint64_t len = strlen(text), size = c->result_size;
    uint8_t *to = c->memory->base + c->at[c->f->signature.nparams];
    const uint64_t copied = len < size ? len : size ? size - 1 : 0;
    memcpy(to, text, copied);
    if (size) to[copied] = '\0';
    return len;
}

static void give_result(NativeCall *c, NativeWord result, Slot *slot)
{
    const NativeFunc *f = c->f;
    switch (f->signature.result.kind) {
    case NATIVE_VOID: return;
    case NATIVE_F32: slot->f32 = result.f32; return;
    case NATIVE_F64: slot->f64 = result.f64; return;
    case NATIVE_CSTRING: slot->i64 = give_text(c, result.pointer); return;
    case NATIVE_HANDLE:
        slot->i64 = native_handle_add(c->store->natives->handles, f->result_kind, result.pointer);
        return;
    default: slot->i64 = extend(f->signature.result.kind, &result).bits; return;
    }
}

static void give_all(NativeCall *c, NativeWord result, Slot *slots)
{
    const NativeSignature *s = &c->f->signature;
    for (uint32_t i = 0; i < s->nparams; i++)
        if (s->params[i].way == NATIVE_OUT || s->params[i].way == NATIVE_INOUT) give_variable(c, i);
    give_result(c, result, slots);
}

/* ---- The call ---- */

fnvm_error *native_call(fnvm_caller *caller, void *env, Slot *slots)
{
    NativeCall c;
    c.f = env;
    c.store = caller->store;
    c.memory = caller_memory(caller);
    fnvm_error *error = take_all(&c, slots);
    if (error) return error;
    StoreNatives *natives = c.store->natives;
    const bool outer = natives->in_native;
    natives->in_native = true;
    const NativeWord result = native_invoke(c.f, c.args);
    natives->in_native = outer;
    give_all(&c, result, slots);
    if (c.f->has_handles) end_handles(&c);
    error = natives->pending;
    natives->pending = NULL;
    return error;
}
