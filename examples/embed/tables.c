/* Tables: functions of the host's and the guest's in one, called by their index; values of the
 * host's in another.
 *
 *     cc tables.c $(pkg-config --cflags --libs --static fnvm) && ./a.out */
#include <fnvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char guest[] =
    "(module (type $op (func (param i32) (result i32)))"
    "  (table (export \"ops\") 2 8 funcref) (table (export \"names\") 0 8 externref)"
    "  (elem (i32.const 0) $double)"
    "  (func $double (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))"
    "  (func (export \"apply\") (param $op i32) (param $n i32) (result i32)"
    "    (call_indirect (type $op) (local.get $n) (local.get $op))))";

static void must(fnvm_error *e)
{
    if (!e) return;
    fprintf(stderr, "%s\n", fnvm_error_message(e));
    exit(1);
}

static fnvm_error *host_negate(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env;
    slots[0].i32 = 0 - slots[0].i32;
    return NULL;
}

static fnvm_extern find(fnvm_instance *instance, const char *name)
{
    fnvm_extern e;
    if (fnvm_instance_export(instance, name, strlen(name), &e)) return e;
    fprintf(stderr, "no export %s\n", name);
    exit(1);
}

/* References of the host's are numbers that mean something to it: here, indices. */
static const char *const names[] = {"double", "negate", "double again"};

static void print_ops(fnvm_store *store, fnvm_instance *instance)
{
    const fnvm_extern labels = find(instance, "names");
    for (uint64_t i = 0; i < fnvm_table_size(store, labels); i++) {
        fnvm_slot slots[2] = {{.i32 = (uint32_t)i}, {.i32 = 21}};
        fnvm_ref ref;
        uint64_t name;
        must(fnvm_table_get(store, labels, i, &ref));
        if (!fnvm_ref_host_value(store, ref, &name)) exit(1);
        must(fnvm_func_call_slots(store, find(instance, "apply"), slots));
        printf("%d: %s of 21 is %d\n", (int)i, names[name], (int)slots[0].i32);
    }
}

int main(void)
{
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_extern negate;
    fnvm_ref ref;
    uint64_t old;

    must(fnvm_engine_new(NULL, &engine));
    must(fnvm_module_new(engine, guest, strlen(guest), &module));
    must(fnvm_store_new(engine, &store));
    must(fnvm_linker_new(store, &linker));
    must(fnvm_linker_instantiate(linker, module, &instance));
    const fnvm_extern ops = find(instance, "ops"), labels = find(instance, "names");

    must(fnvm_func_new(store, "i32 -> i32", host_negate, NULL, &negate));
    must(fnvm_ref_from_func(store, negate, &ref));
    must(fnvm_table_set(store, ops, 1, ref));
    must(fnvm_table_get(store, ops, 0, &ref));
    must(fnvm_table_grow(store, ops, 1, ref, &old));
    printf("the table had %d elements and has %d\n", (int)old, (int)fnvm_table_size(store, ops));
    for (uint64_t i = 0; i < 3; i++) {
        must(fnvm_ref_from_host(store, i, &ref));
        must(fnvm_table_grow(store, labels, 1, ref, NULL));
    }
    print_ops(store, instance);

    fnvm_error *e = fnvm_table_set(store, ops, 0, ref); /* a host value is no function */
    printf("error: %s\n", e ? fnvm_error_message(e) : "none");
    fnvm_error_free(e);
    fnvm_store_drop_refs(store); /* handles keep what they refer to alive */

    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    return 0;
}
