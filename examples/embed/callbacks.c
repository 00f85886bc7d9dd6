/* Calls in both directions: the guest calls the host, gives it a function, the host calls that; and
 * what becomes of an error on its way.
 *
 *     cc callbacks.c $(pkg-config --cflags --libs --static fnvm) && ./a.out */
#include <fnvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char guest[] =
    "(module (import \"host\" \"each\" (func $each (param i32 funcref) (result i32)))"
    "  (import \"host\" \"check\" (func $check (param i32)))"
    "  (elem declare func $square)"
    "  (func $square (param i32) (result i32)"
    "    (call $check (local.get 0)) (i32.mul (local.get 0) (local.get 0)))"
    "  (func (export \"squares\") (param i32) (result i32)"
    "    (call $each (local.get 0) (ref.func $square))))";

/* What the host functions share. */
typedef struct Host { int32_t calls, most; } Host;

static void must(fnvm_error *e)
{
    if (!e) return;
    fprintf(stderr, "%s\n", fnvm_error_message(e));
    exit(1);
}

/* The function that the guest gave, as something that can be called. */
static fnvm_error *given_function(fnvm_caller *caller, const fnvm_slot *slot, fnvm_extern *out)
{
    fnvm_valtype funcref;
    fnvm_ref ref;
    fnvm_valtype_parse("funcref", &funcref);
    fnvm_error *e = fnvm_slot_to_ref(caller, slot, funcref, &ref);
    if (!e && !fnvm_ref_func(fnvm_caller_store(caller), ref, out))
        e = fnvm_error_trap_new(FNVM_TRAP_HOST, "each was given no function");
    return e;
}

/* each(n, f): f(1) + ... + f(n).  Slots are not valid over a call into the guest, so what is needed
 * of them is read before. */
static fnvm_error *host_each(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    Host *host = env;
    fnvm_extern f;
    const uint32_t n = slots[0].i32;
    uint32_t sum = 0;
    fnvm_error *e = given_function(caller, &slots[1], &f);
    for (uint32_t i = 1; i <= n && !e; i++) {
        fnvm_slot call[1] = {{.i32 = i}};
        e = fnvm_func_call_slots(fnvm_caller_store(caller), f, call);
        sum += call[0].i32;
        host->calls++;
    }
    slots[0].i32 = sum;
    return e; /* an error of the guest's function goes on through the guest that called this */
}

static fnvm_error *host_check(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    const Host *host = env;
    (void)caller;
    if ((int32_t)slots[0].i32 <= host->most) return NULL;
    return fnvm_error_trap_new(FNVM_TRAP_HOST, "%d is more than %d", (int)slots[0].i32,
                               (int)host->most);
}

static void print_error(const fnvm_error *e)
{
    const fnvm_frame *frames;
    const size_t n = fnvm_error_frames(e, &frames);
    printf("error: %s\n", fnvm_error_message(e));
    for (size_t i = 0; i < n; i++)
        printf("  in function %u (%s)\n", (unsigned)frames[i].func_index,
               frames[i].func_name ? frames[i].func_name : "unnamed");
}

int main(void)
{
    Host host = {.most = 10};
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_extern squares;

    must(fnvm_engine_new(NULL, &engine));
    must(fnvm_module_new(engine, guest, strlen(guest), &module));
    must(fnvm_store_new(engine, &store));
    must(fnvm_linker_new(store, &linker));
    must(fnvm_linker_define_func(linker, "host", "each", "i32 funcref -> i32", host_each, &host));
    must(fnvm_linker_define_func(linker, "host", "check", "i32 ->", host_check, &host));
    must(fnvm_linker_instantiate(linker, module, &instance));
    if (!fnvm_instance_export(instance, "squares", 7, &squares)) return 1;

    for (int32_t n = 3; n <= 13; n += 5) {
        fnvm_val in = {.kind = FNVM_I32, .of.i32 = n}, out;
        fnvm_error *e = fnvm_func_call(store, squares, &in, 1, &out, 1);
        if (e) print_error(e);
        else printf("the squares up to %d: %d\n", (int)n, (int)out.of.i32);
        fnvm_error_free(e);
    }
    printf("the host called the guest %d times\n", (int)host.calls);

    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    return 0;
}
