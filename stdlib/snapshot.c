/* snapshot.c - the module fnvm:snapshot: a guest asks to be frozen, and learns that it was woken.
 *
 * The embedder takes the image, in its callback; the guest's call returns once in the instance that
 * was frozen and once in each that is woken from it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "loader/linker.h"
#include "vm/error.h"
#include "vm/store.h"

/* What the host function `checkpoint` needs.  The store frees a host function's name, so what
 * lives as long as the function lies behind the name. */
typedef struct Checkpoint {
    char name[sizeof "fnvm:snapshot.checkpoint"];
    fnvm_error *(*fn)(void *env, fnvm_caller *, int32_t *result);
    void *env;
} Checkpoint;

static fnvm_error *checkpoint(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    const Checkpoint *c = env;
    int32_t result = -1;
    fnvm_error *error = c->fn ? c->fn(c->env, caller, &result) : NULL;
    if (!error) slots[0].i32 = (uint32_t)result;
    return error;
}

static fnvm_error *generation(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)env;
    Store *store = fnvm_caller_store(caller);
    while (store->generation == 1) { /* restored, and not asked yet */
        uint64_t drawn;
        ssize_t got = getrandom(&drawn, sizeof drawn, 0);
        if (got < 0 && errno != EINTR)
            return fnvm_error_new(FNVM_E_IO, "cannot draw a number for this instance: %s",
                                  strerror(errno));
        if (got == sizeof drawn && drawn >> 1 > 1) store->generation = drawn >> 1;
    }
    slots[0].i64 = store->generation;
    return NULL;
}

static fnvm_error *define_checkpoint(fnvm_linker *linker, const Checkpoint *with)
{
    Store *store = linker_store(linker);
    Checkpoint *c = malloc(sizeof *c);
    if (!c) return error_no_memory();
    *c = *with;
    fnvm_extern func;
    fnvm_error *error = fnvm_func_new(store, "-> i32", checkpoint, c, &func);
    if (error) {
        free(c);
        return error;
    }
    store->host_funcs[funcref_func(func.of[0])].name = c->name;
    return fnvm_linker_define(linker, "fnvm:snapshot", strlen("fnvm:snapshot"), "checkpoint",
                              strlen("checkpoint"), func);
}

fnvm_error *
fnvm_linker_define_snapshot(fnvm_linker *linker,
                            fnvm_error *(*fn)(void *env, fnvm_caller *, int32_t *result), void *env)
{
    Checkpoint c = {"fnvm:snapshot.checkpoint", fn, env};
    fnvm_error *error = define_checkpoint(linker, &c);
    if (error) return error;
    return fnvm_linker_define_func(linker, "fnvm:snapshot", "generation", "-> i64", generation,
                                   NULL);
}
