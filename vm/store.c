/* The store owns instances, host functions and handles in growing arrays; ids are indices and are
 * never reused.  Only the interrupt flag, its descriptor and the list of instances whose compiled
 * code polls are shared with other threads. */
#include "vm/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "verifier/policy/policy.h"
#include "vm/coredump.h"
#include "vm/heap.h"
#include "vm/region.h"

enum { FIRST_CAPACITY = 16 };

fnvm_error *fnvm_store_new(fnvm_engine *engine, fnvm_store **out)
{
    *out = NULL;
    Store *s = calloc(1, sizeof *s);
    if (!s) return error_no_memory();
    s->instances = calloc(FIRST_CAPACITY, sizeof *s->instances);
    if (!s->instances) {
        free(s);
        return error_no_memory();
    }
    s->instances_cap = FIRST_CAPACITY;
    s->ninstances = 1;
    atomic_init(&s->interrupt, false);
    atomic_init(&s->interrupt_fd, -1);
    atomic_init(&s->polled, NULL);
    s->engine = engine_retain(engine);
    fnvm_store_set_fuel(s, UINT64_MAX);
    *out = s;
    return NULL;
}

void fnvm_store_set_data(fnvm_store *s, void *data) { s->data = data; }
void *fnvm_store_data(const fnvm_store *s) { return s->data; }

void fnvm_store_free(fnvm_store *s)
{
    if (!s) return;
    if (s->natives) s->natives_free(s->natives);
    coredump_forget(s);
    heap_store_free(s); /* first: the collector reads all that follows */
    for (uint32_t i = 1; i < s->ninstances; i++) region_destroy(s->instances[i]);
    fnvm_image_release(s->image);
    free(s->instances);
    for (uint32_t i = 0; i < s->nhost_funcs; i++) {
        types_release(&s->engine->types, s->host_funcs[i].type);
        free(s->host_funcs[i].name);
    }
    free(s->host_funcs);
    free(s->refs);
    int fd = atomic_load(&s->interrupt_fd);
    if (fd >= 0) close(fd);
    fnvm_engine_free(s->engine);
    free(s);
}

static void forget_instance(void *env)
{
    const Instance *inst = env;
    inst->store->instances[inst->id] = NULL;
}

void store_remove_instance(Store *s, Instance *inst)
{
    heap_hold_still(s, forget_instance, inst); /* the collector goes over them, from any thread */
    Instance *polled = atomic_load(&s->polled);
    if (polled == inst) atomic_store(&s->polled, inst->next_polled);
    else {
        while (polled && polled->next_polled != inst) polled = polled->next_polled;
        if (polled) polled->next_polled = inst->next_polled;
    }
    s->nremoved++;
    region_destroy(inst);
}

/* ---- Interrupts and fuel ---- */

_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2 &&
                   ATOMIC_POINTER_LOCK_FREE == 2,
               "fnvm_store_interrupt runs in signal handlers");

static void signal_fd(int fd)
{
    uint64_t one = 1;
    if (fd >= 0) {
        ssize_t n = write(fd, &one, sizeof one); /* fails only where it is readable already */
        (void)n;
    }
}

/* Makes the poll pages say what the flag says.  Several threads may be at this at once, some
 * setting and some clearing: each goes over all pages again until the flag is as it was before, so
 * that whoever is last leaves them right.  New instances are put on the list before they look at
 * the flag, so that they are either found here or see it. */
static void set_polls(Store *s, Instance *first, Instance *last)
{
    bool interrupted;
    do {
        interrupted = atomic_load(&s->interrupt);
        for (Instance *i = first; i != last; i = i->next_polled) region_set_polls(i, !interrupted);
    } while (atomic_load(&s->interrupt) != interrupted);
}

void store_add_polled(Store *s, Instance *inst)
{
    inst->next_polled = atomic_load(&s->polled);
    atomic_store(&s->polled, inst); /* with its page readable, as it was made */
    if (atomic_load(&s->interrupt)) set_polls(s, inst, inst->next_polled);
}

/* Sets the flag, then looks for the descriptor; store_interrupt_fd publishes the descriptor, then
 * looks at the flag.  Whichever comes last makes it readable. */
void fnvm_store_interrupt(fnvm_store *s)
{
    int saved = errno;
    atomic_store(&s->interrupt, true);
    set_polls(s, atomic_load(&s->polled), NULL);
    signal_fd(atomic_load(&s->interrupt_fd));
    errno = saved;
}

void fnvm_store_clear_interrupt(fnvm_store *s)
{
    atomic_store(&s->interrupt, false);
    set_polls(s, atomic_load(&s->polled), NULL);
    int fd = atomic_load(&s->interrupt_fd);
    uint64_t count;
    if (fd >= 0) {
        ssize_t n = read(fd, &count, sizeof count); /* it does not block */
        (void)n;
    }
}

int store_interrupt_fd(Store *s)
{
    int fd = atomic_load(&s->interrupt_fd);
    if (fd >= 0) return fd;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return -1;
    atomic_store(&s->interrupt_fd, fd);
    if (atomic_load(&s->interrupt)) signal_fd(fd);
    return fd;
}

/* The policy's ceiling holds wherever fuel comes from: the caller, an image, or nobody at all. */
void fnvm_store_set_fuel(fnvm_store *s, uint64_t instructions)
{
    const fnvm_policy *policy = s->engine->config.policy;
    const uint64_t most = policy ? policy->ceilings[CEILING_FUEL].most : UINT64_MAX;
    if (instructions > most) instructions = most;
    s->fuel = instructions > INT64_MAX ? INT64_MAX : (int64_t)instructions;
    s->fuel_given = instructions;
}

uint64_t fnvm_store_fuel(const fnvm_store *s) { return s->fuel > 0 ? (uint64_t)s->fuel : 0; }

/* ---- Host functions ---- */

fnvm_error *store_add_host_func(Store *s, TypeId type, fnvm_host_fn fn, void *env,
                                const char *name, FuncRef *out)
{
    if (!fn) return fnvm_error_new(FNVM_E_USAGE, "a host function was given as NULL");
    if (s->nhost_funcs == s->host_funcs_cap) {
        if (s->host_funcs_cap > UINT32_MAX / 4) {
            return fnvm_error_new(FNVM_E_LIMIT, "too many host functions in one store");
        }
        uint32_t cap = s->host_funcs_cap ? s->host_funcs_cap * 2 : 4 * FIRST_CAPACITY;
        HostFunc *more = realloc(s->host_funcs, cap * sizeof *more);
        if (!more) return error_no_memory();
        s->host_funcs = more;
        s->host_funcs_cap = cap;
    }
    char *copy = name ? strdup(name) : NULL;
    if (name && !copy) return error_no_memory();
    types_hold(&s->engine->types, type);
    s->host_funcs[s->nhost_funcs] = (HostFunc){type, fn, env, copy};
    *out = funcref_make(0, s->nhost_funcs++);
    return NULL;
}

const Type *store_func_type(Store *s, FuncRef ref)
{
    if (!ref) return NULL;
    uint32_t id = funcref_instance(ref), func = funcref_func(ref);
    if (id == 0) {
        return func < s->nhost_funcs ? types_get(&s->engine->types, s->host_funcs[func].type)
                                     : NULL;
    }
    if (id >= s->ninstances || !s->instances[id]) return NULL;
    const Module *m = s->instances[id]->module;
    return func < m->nfuncs ? module_func_type(m, func) : NULL;
}

/* ---- Handles ---- */

fnvm_error *store_ref_handle(Store *s, HeapType top, uint64_t bits, fnvm_ref *out)
{
    *out = 0;
    if (!bits) return NULL;
    if (s->nrefs == s->refs_cap) {
        if (s->refs_cap > UINT32_MAX / 4) {
            return fnvm_error_new(FNVM_E_LIMIT, "too many references held by the host; "
                                  "fnvm_store_drop_refs() gives them up");
        }
        uint32_t cap = s->refs_cap ? s->refs_cap * 2 : FIRST_CAPACITY;
        if (!heap_resize_roots((void **)&s->refs, s->refs_cap * sizeof *s->refs,
                               cap * sizeof *s->refs)) {
            return error_no_memory();
        }
        s->refs_cap = cap;
    }
    s->refs[s->nrefs] = (RefHandle){(uint8_t)(top - HEAP_ABSTRACT), bits};
    *out = ++s->nrefs;
    return NULL;
}

bool store_ref_bits(Store *s, fnvm_ref ref, HeapType *top, uint64_t *bits)
{
    *top = HEAP_ANY;
    *bits = 0;
    if (ref == 0) return true;
    if (ref > s->nrefs) return false;
    *top = HEAP_ABSTRACT + s->refs[ref - 1].top;
    *bits = s->refs[ref - 1].bits;
    return true;
}

void fnvm_store_drop_refs(fnvm_store *s)
{
    if (s->nrefs) memset(s->refs, 0, s->nrefs * sizeof *s->refs);
    s->nrefs = 0;
}

bool store_ref_fits(Store *s, HeapType top, uint64_t bits, ValType type)
{
    const TypeRegistry *types = &s->engine->types;
    const HeapType want = type_heap(type), want_top = types_top(types, want);
    if (!bits) return type_is_nullable(type);
    if (want_top == HEAP_FUNC) {
        const Type *t = top == HEAP_FUNC ? store_func_type(s, bits) : NULL;
        return t && types_heap_is_sub(types, t->id, want);
    }
    if (top == HEAP_FUNC || (top == HEAP_EXN) != (want_top == HEAP_EXN)) return false;
    return ref_matches(s, want_top, bits, want, type_is_nullable(type));
}

fnvm_refkind fnvm_ref_kind(fnvm_store *s, fnvm_ref ref)
{
    HeapType top;
    uint64_t bits;
    if (!store_ref_bits(s, ref, &top, &bits) || !bits) return FNVM_REF_NULL;
    if (top == HEAP_FUNC) return FNVM_REF_FUNC;
    if (ref_is_i31(bits)) return FNVM_REF_I31;
    TypeId type = ref_object(bits)->type;
    if (type == OBJECT_HOST) return FNVM_REF_EXTERN;
    if (type == OBJECT_EXCEPTION) return FNVM_REF_EXCEPTION;
    return types_get(&s->engine->types, type)->comp == COMP_STRUCT ? FNVM_REF_STRUCT
                                                                   : FNVM_REF_ARRAY;
}

fnvm_error *fnvm_ref_from_host(fnvm_store *s, uint64_t host_value, fnvm_ref *out)
{
    *out = 0;
    heap_enter(s);
    uint64_t bits = 0;
    fnvm_trap trap = heap_new_host(s, host_value, &bits);
    fnvm_error *error = NULL;
    if (!trap) error = store_ref_handle(s, HEAP_EXTERN, bits, out);
    else if (!s->heap) error = error_no_memory(); /* not even for its account */
    else
        error = fnvm_error_new(FNVM_E_LIMIT, "a reference to a host value: %s",
                               fnvm_trap_text(trap));
    heap_leave(s);
    return error;
}

bool fnvm_ref_host_value(fnvm_store *s, fnvm_ref ref, uint64_t *out)
{
    if (fnvm_ref_kind(s, ref) != FNVM_REF_EXTERN) return false;
    *out = ((const HostObject *)(const void *)ref_object(s->refs[ref - 1].bits))->value;
    return true;
}

bool fnvm_ref_i31_value(fnvm_store *s, fnvm_ref ref, int32_t *out)
{
    if (fnvm_ref_kind(s, ref) != FNVM_REF_I31) return false;
    *out = i31_get_s(s->refs[ref - 1].bits);
    return true;
}

bool fnvm_ref_is_extern(fnvm_store *s, fnvm_ref ref)
{
    HeapType top;
    uint64_t bits;
    if (!store_ref_bits(s, ref, &top, &bits) || !bits) return false;
    return top == HEAP_EXTERN || fnvm_ref_kind(s, ref) == FNVM_REF_EXTERN;
}
