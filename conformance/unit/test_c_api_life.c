/* Who lives how long in the standard interface: references and what they keep, finalizers,
 * instances that can go before their store, what is left when a store has gone; references
 * through guests; threads. */
#include "c_api_world.h"

#include <pthread.h>

static const char counter[] =
    "(module (global $n (mut i32) (i32.const 0)) (func (export \"next\") (result i32)"
    " (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))";
/* A table that other instances' functions can be put into, and a way to call them. */
static const char holder[] =
    "(module (table (export \"t\") 2 funcref) (global (export \"g\") (mut funcref) (ref.null func))"
    " (func (export \"call\") (result i32) (call_indirect (result i32) (i32.const 0)))"
    " (func (export \"put\") (param funcref) (table.set (i32.const 0) (local.get 0))))";

/* ---- Instances ---- */

enum { MANY = 12000 }; /* more than a store may have at a time */

static void any_number_of_instances_one_after_the_other(void **state)
{
    (void)state;
    wasm_module_t *m = module_of(counter);
    finalized = 0;
    for (int i = 0; i < MANY; i++) {
        wasm_instance_t *inst = wasm_instance_new(store, m, NULL, NULL);
        assert_non_null(inst);
        wasm_instance_set_host_info_with_finalizer(inst, NULL, note_finalized);
        if (i % 100 == 0) { /* a part of it is as good as itself */
            wasm_func_t *next = func_of(inst, 0);
            wasm_func_set_host_info_with_finalizer(next, NULL, note_finalized);
            wasm_instance_delete(inst);
            const int before = finalized;
            assert_int_equal(i32_of(next), 1);
            wasm_func_delete(next);
            assert_int_equal(finalized, before + 2);
        } else {
            wasm_instance_delete(inst);
        }
    }
    assert_int_equal(finalized, MANY + MANY / 100);
    wasm_module_delete(m);
}

static void any_number_of_memories_and_importers(void **state)
{
    (void)state;
    const wasm_limits_t limits = {1, 1};
    wasm_memorytype_t *type = wasm_memorytype_new(&limits);
    wasm_module_t *m =
        module_of("(module (import \"\" \"m\" (memory 1)) (func (export \"f\") (result i32)"
                  " (i32.load (i32.const 0))))");
    for (int i = 0; i < MANY; i++) {
        wasm_memory_t *memory = wasm_memory_new(store, type);
        assert_non_null(memory);
        wasm_extern_t *imports[] = {wasm_memory_as_extern(memory)};
        const wasm_extern_vec_t v = WASM_ARRAY_VEC(imports);
        wasm_instance_t *inst = wasm_instance_new(store, m, &v, NULL);
        assert_non_null(inst);
        wasm_memory_data(memory)[0] = 9;
        wasm_memory_delete(memory); /* the instance keeps it */
        if (i % 100 == 0) {
            wasm_func_t *f = func_of(inst, 0);
            assert_int_equal(i32_of(f), 9);
            wasm_func_delete(f);
        }
        wasm_instance_delete(inst);
    }
    wasm_memorytype_delete(type);
    wasm_module_delete(m);
}

static void instances_that_never_began(void **state)
{
    (void)state;
    for (int i = 0; i < MANY / 4; i++)
        assert_null(instance_with("(module (func $f unreachable) (start $f))", NULL, 0, NULL));
    wasm_instance_delete(instance_of(counter));
}

/* What another instance or the guest can still reach does not go. */
static void functions_in_other_hands(void **state)
{
    (void)state;
    wasm_instance_t *h = instance_of(holder), *c = instance_of(counter);
    wasm_table_t *t = wasm_extern_as_table(export_of(h, 0));
    wasm_func_t *call = func_of(h, 2), *put = func_of(h, 3), *next = func_of(c, 0);
    assert_true(wasm_table_set(t, 0, wasm_func_as_ref(next)));
    wasm_func_delete(next);
    wasm_instance_delete(c);
    assert_int_equal(i32_of(call), 1);
    c = instance_of(counter);
    next = func_of(c, 0);
    assert_null(
        call_1_1(put, (wasm_val_t)WASM_REF_VAL(wasm_func_as_ref(next)), NULL)); /* by the guest */
    wasm_func_delete(next);
    wasm_instance_delete(c);
    wasm_instance_delete(instance_of(counter)); /* room for another in its place */
    assert_int_equal(i32_of(call), 1);
    assert_int_equal(i32_of(call), 2);
    wasm_table_delete(t);
    wasm_func_delete(call);
    wasm_func_delete(put);
    wasm_instance_delete(h);
}

static void importers_keep_what_they_import(void **state)
{
    (void)state;
    wasm_instance_t *c = instance_of(counter);
    finalized = 0;
    wasm_instance_set_host_info_with_finalizer(c, NULL, note_finalized);
    wasm_extern_t *next = export_of(c, 0);
    wasm_instance_t *user = instance_with("(module (import \"\" \"n\" (func $n (result i32)))"
                                          " (func (export \"f\") (result i32) (call $n)))",
                                          &next, 1, NULL);
    wasm_extern_delete(next);
    wasm_instance_delete(c);
    wasm_func_t *f = func_of(user, 0);
    wasm_instance_delete(user);
    assert_int_equal(i32_of(f), 1);
    assert_int_equal(finalized, 0);
    wasm_func_delete(f); /* now both can go */
    assert_int_equal(finalized, 1);
}

/* An element segment leaves a function of an instance in a table that it imports. */
static void importers_of_tables_stay(void **state)
{
    (void)state;
    wasm_instance_t *h = instance_of(holder);
    wasm_func_t *call = func_of(h, 2);
    wasm_extern_t *table = export_of(h, 0);
    wasm_instance_delete(
        instance_with("(module (import \"\" \"t\" (table 2 funcref)) (elem (i32.const 0) $f)"
                      " (func $f (result i32) (i32.const 33)))",
                      &table, 1, NULL));
    wasm_instance_delete(instance_of(counter));
    assert_int_equal(i32_of(call), 33);
    assert_null(
        instance_with("(module (import \"\" \"t\" (table 2 funcref)) (elem (i32.const 0) $f)"
                      " (func $f (result i32) (i32.const 34)) (func $s unreachable) (start $s))",
                      &table, 1, NULL));
    wasm_instance_delete(instance_of(counter));
    assert_int_equal(i32_of(call), 34); /* what did not start has left it, too */
    wasm_extern_delete(table);
    wasm_func_delete(call);
    wasm_instance_delete(h);
}

/* ---- Host information ---- */

static void finalizers(void **state)
{
    (void)state;
    int a, b;
    finalized = 0;
    wasm_foreign_t *f = wasm_foreign_new(store), *again = wasm_foreign_copy(f);
    wasm_foreign_set_host_info_with_finalizer(f, &a, note_finalized);
    assert_ptr_equal(wasm_ref_get_host_info(wasm_foreign_as_ref(again)), &a);
    wasm_foreign_set_host_info_with_finalizer(again, &b, note_finalized); /* takes its place */
    assert_true(finalized == 1 && finalized_last == &a);
    wasm_foreign_delete(f);
    assert_int_equal(finalized, 1);
    wasm_foreign_delete(again);
    assert_true(finalized == 2 && finalized_last == &b);

    wasm_instance_t *c = instance_of(counter);
    wasm_func_t *next = func_of(c, 0);
    wasm_func_set_host_info(next, &a);
    wasm_func_delete(next);
    next = func_of(c, 0); /* it is the function's, not the reference's */
    assert_ptr_equal(wasm_func_get_host_info(next), &a);
    wasm_func_set_host_info_with_finalizer(next, &b, note_finalized);
    wasm_func_delete(next);
    assert_int_equal(finalized, 2);
    wasm_module_t *m = module_of(counter);
    wasm_module_set_host_info_with_finalizer(m, &a, note_finalized);
    wasm_store_delete(store);
    store = NULL;
    assert_int_equal(finalized, 4);
    wasm_module_delete(m);
    wasm_instance_delete(c);
    assert_int_equal(finalized, 4);
}

static wasm_ref_t *victim;

static void deletes_another(void *info)
{
    note_finalized(info);
    wasm_ref_delete(victim);
}

static void deletes_the_store(void *info)
{
    wasm_store_delete(info);
    store = NULL;
    finalized++;
}

static void finalizers_that_delete(void **state)
{
    (void)state;
    finalized = 0;
    wasm_foreign_t *first = wasm_foreign_new(store), *second = wasm_foreign_new(store);
    victim = wasm_foreign_as_ref(second);
    wasm_foreign_set_host_info_with_finalizer(first, NULL, deletes_another);
    wasm_foreign_set_host_info_with_finalizer(second, NULL, note_finalized);
    wasm_foreign_delete(first);
    assert_int_equal(finalized, 2);
    first = wasm_foreign_new(store);
    victim = wasm_instance_as_ref(instance_of(counter));
    wasm_ref_set_host_info_with_finalizer(victim, NULL, note_finalized);
    wasm_foreign_set_host_info_with_finalizer(first, NULL, deletes_another);
    wasm_foreign_delete(first);
    assert_int_equal(finalized, 4);
    first = wasm_foreign_new(store);
    wasm_foreign_set_host_info_with_finalizer(first, store, deletes_the_store);
    second = wasm_foreign_new(store);
    wasm_foreign_set_host_info_with_finalizer(second, NULL, note_finalized);
    wasm_foreign_delete(first);
    assert_null(store);
    assert_int_equal(finalized, 6);
    wasm_foreign_delete(second);
}

/* ---- Stores that have gone ---- */

static void references_outlive_their_store(void **state)
{
    (void)state;
    wasm_instance_t *h = instance_of(holder), *c = instance_of(counter);
    wasm_table_t *t = wasm_extern_as_table(export_of(h, 0));
    wasm_global_t *g = wasm_extern_as_global(export_of(h, 1));
    wasm_func_t *next = func_of(c, 0);
    wasm_trap_t *trap = NULL;
    assert_null(instance_with("(module (func $f unreachable) (start $f))", NULL, 0, &trap));
    wasm_store_delete(store);
    wasm_store_t *other = store = wasm_store_new(engine);
    wasm_val_t v = WASM_INIT_VAL;
    wasm_extern_vec_t exports;
    assert_trap(wasm_func_call(next, NULL, NULL), "its store was deleted");
    assert_null(wasm_func_type(next));
    assert_null(wasm_table_get(t, 0));
    assert_false(wasm_table_set(t, 0, NULL));
    assert_false(wasm_table_grow(t, 1, NULL));
    assert_int_equal(wasm_table_size(t), 0);
    assert_null(wasm_table_type(t));
    wasm_global_get(g, &v);
    assert_true(v.kind == WASM_I32 && v.of.i32 == 0);
    wasm_global_set(g, &v);
    wasm_instance_exports(h, &exports);
    assert_int_equal(exports.size, 0);
    wasm_extern_t *imports[] = {wasm_func_as_extern(next)};
    assert_null(
        instance_with("(module (import \"\" \"n\" (func (result i32))))", imports, 1, NULL));
    wasm_func_t *copy = wasm_func_copy(next);
    assert_true(wasm_func_same(copy, next));
    wasm_func_delete(copy);
    wasm_frame_t *frame = wasm_trap_origin(trap);
    assert_non_null(wasm_frame_instance(frame));
    wasm_frame_delete(frame);
    assert_trap(trap, "unreachable");
    wasm_func_delete(next);
    wasm_instance_delete(c);
    wasm_table_delete(t);
    wasm_global_delete(g);
    wasm_instance_delete(h);
    assert_ptr_equal(store, other);
}

static wasm_trap_t *delete_the_store(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    (void)args;
    wasm_store_delete(env);
    results->data[0].of.i32 = 5;
    return NULL;
}

static void a_store_deleted_by_its_guest(void **state)
{
    (void)state;
    wasm_functype_t *type = wasm_functype_new_0_1(wasm_valtype_new_i32());
    finalized = 0;
    wasm_func_t *host =
        wasm_func_new_with_env(store, type, delete_the_store, store, note_finalized);
    wasm_functype_delete(type);
    wasm_extern_t *imports[] = {wasm_func_as_extern(host)};
    wasm_instance_t *i =
        instance_with("(module (import \"\" \"f\" (func $f (result i32))) (func (export \"g\")"
                      " (result i32) (i32.add (call $f) (i32.const 1))))",
                      imports, 1, NULL);
    wasm_func_t *g = func_of(i, 0);
    assert_int_equal(i32_of(g), 6); /* it runs to its end first */
    assert_int_equal(finalized, 1);
    store = NULL;
    wasm_func_delete(g);
    wasm_func_delete(host);
    wasm_instance_delete(i);
}

/* ---- References through guests ---- */

static const char keeper[] =
    "(module (global $e (mut externref) (ref.null extern)) (type $s (struct (field i32)))"
    " (func (export \"set\") (param externref) (global.set $e (local.get 0)))"
    " (func (export \"get\") (result externref) (global.get $e))"
    " (func (export \"i31\") (param i32) (result externref)"
    "  (extern.convert_any (ref.i31 (local.get 0))))"
    " (func (export \"struct\") (param i32) (result externref)"
    "  (extern.convert_any (struct.new $s (local.get 0))))"
    " (func (export \"field\") (param externref) (result i32)"
    "  (struct.get $s 0 (ref.cast (ref $s) (any.convert_extern (local.get 0)))))"
    " (func (export \"churn\") (param i32) (result i32) (local $i i32) (loop (drop (struct.new $s "
    "(i32.const 1)))"
    "  (local.set $i (i32.add (local.get $i) (i32.const 1)))"
    "  (br_if 0 (i32.lt_u (local.get $i) (local.get 0)))) (local.get $i)))";

static void externrefs(void **state)
{
    (void)state;
    wasm_instance_t *k = instance_of(keeper);
    wasm_func_t *set = func_of(k, 0), *get = func_of(k, 1);
    const wasm_limits_t limits = {1, 1};
    wasm_memorytype_t *type = wasm_memorytype_new(&limits);
    wasm_module_t *m = module_of(counter);
    wasm_ref_t *all[] = {wasm_foreign_as_ref(wasm_foreign_new(store)),
                         wasm_module_as_ref(m),
                         wasm_memory_as_ref(wasm_memory_new(store, type)),
                         wasm_func_as_ref(wasm_func_copy(get)),
                         wasm_instance_as_ref(instance_of(counter)),
                         wasm_trap_as_ref(wasm_trap_new(store, NULL))};
    finalized = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        wasm_ref_set_host_info_with_finalizer(all[i], &all[i], note_finalized);
        assert_null(call_1_1(set, (wasm_val_t)WASM_REF_VAL(all[i]), NULL));
        wasm_ref_delete(all[i]); /* the guest has it */
        wasm_val_t v = WASM_INIT_VAL;
        wasm_val_vec_t results = {1, &v};
        assert_null(wasm_func_call(get, NULL, &results));
        assert_int_equal(v.kind, WASM_EXTERNREF);
        assert_ptr_equal(wasm_ref_get_host_info(v.of.ref), &all[i]);
        assert_true(wasm_ref_same(v.of.ref, all[i]));
        wasm_val_delete(&v);
    }
    assert_int_equal(finalized, 0);
    wasm_store_t *other = wasm_store_new(engine);
    wasm_foreign_t *foreign = wasm_foreign_new(other);
    assert_trap(call_1_1(set, (wasm_val_t)WASM_REF_VAL(wasm_foreign_as_ref(foreign)), NULL),
                "of another store");
    wasm_foreign_delete(foreign);
    wasm_store_delete(other);
    wasm_memorytype_delete(type);
    wasm_func_delete(set);
    wasm_func_delete(get);
    wasm_instance_delete(k);
    wasm_store_delete(store);
    store = NULL;
    assert_int_equal(finalized, sizeof all / sizeof *all);
}

static wasm_ref_t *ref_from(const wasm_func_t *f, int32_t arg)
{
    wasm_val_t v = WASM_INIT_VAL;
    assert_null(call_1_1(f, (wasm_val_t)WASM_I32_VAL(arg), &v));
    assert_true(v.kind == WASM_EXTERNREF && v.of.ref);
    return v.of.ref;
}

static void objects_of_guests(void **state)
{
    (void)state;
    wasm_instance_t *k = instance_of(keeper);
    wasm_func_t *i31 = func_of(k, 2), *make = func_of(k, 3), *field = func_of(k, 4),
                *churn = func_of(k, 5);
    wasm_ref_t *seven = ref_from(i31, 7), *seven_again = ref_from(i31, 7), *kept[100];
    assert_true(wasm_ref_same(seven, seven_again));
    assert_null(wasm_ref_as_foreign(seven));
    assert_null(wasm_ref_as_extern(seven));
    for (int32_t round = 0; round < 3; round++) { /* places among the roots are used again */
        for (int32_t i = 0; i < 100; i++) kept[i] = ref_from(make, 1000 * round + i);
        wasm_val_t v = WASM_INIT_VAL;
        assert_null(call_1_1(churn, (wasm_val_t)WASM_I32_VAL(300000), &v));
        for (int32_t i = 0; i < 100; i++) {
            assert_null(call_1_1(field, (wasm_val_t)WASM_REF_VAL(kept[i]), &v));
            assert_int_equal(v.of.i32, 1000 * round + i);
            if (i > 0) assert_false(wasm_ref_same(kept[i], kept[i - 1]));
            wasm_ref_delete(kept[i]);
        }
    }
    wasm_ref_delete(seven);
    wasm_ref_delete(seven_again);
    wasm_func_delete(i31);
    wasm_func_delete(make);
    wasm_func_delete(field);
    wasm_func_delete(churn);
    wasm_instance_delete(k);
}

static wasm_func_t *told;

static wasm_trap_t *take_function(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    assert_int_equal(args->data[0].kind, WASM_FUNCREF);
    told = wasm_func_copy(wasm_ref_as_func(args->data[0].of.ref));
    wasm_val_copy(&results->data[0], &args->data[0]);
    return NULL;
}

static void functions_as_values(void **state)
{
    (void)state;
    wasm_functype_t *type =
        wasm_functype_new_1_1(wasm_valtype_new_funcref(), wasm_valtype_new_funcref());
    wasm_func_t *host = wasm_func_new(store, type, take_function);
    wasm_functype_delete(type);
    wasm_extern_t *imports[] = {wasm_func_as_extern(host)};
    wasm_instance_t *i = instance_with("(module (import \"\" \"f\" (func $f (param funcref) "
                                       "(result funcref))) (elem declare func $g)"
                                       " (func $g (result i32) (i32.const 55)) (func (export "
                                       "\"tell\") (result funcref) (call $f (ref.func $g))))",
                                       imports, 1, NULL);
    wasm_func_t *tell = func_of(i, 0);
    wasm_instance_delete(i);
    wasm_val_t v = WASM_INIT_VAL;
    wasm_val_vec_t results = {1, &v};
    assert_null(wasm_func_call(tell, NULL, &results));
    assert_true(v.kind == WASM_FUNCREF && wasm_ref_as_func(v.of.ref) == told);
    wasm_val_delete(&v);
    wasm_func_delete(tell);
    assert_int_equal(i32_of(told), 55); /* it was never exported */
    wasm_func_delete(told);
    wasm_func_delete(host);
}

/* ---- Threads ---- */

static void *serve(void *shared)
{
    wasm_store_t *own = wasm_store_new(engine);
    wasm_module_t *m = wasm_module_obtain(own, shared);
    wasm_func_t *churn = NULL;
    int64_t sum = 0;
    for (int i = 0; i < 20; i++) {
        wasm_instance_t *k = wasm_instance_new(own, m, NULL, NULL);
        wasm_extern_vec_t exports;
        wasm_instance_exports(k, &exports);
        wasm_instance_delete(k);
        churn = wasm_extern_as_func(exports.data[5]);
        wasm_val_t arg = WASM_I32_VAL(20000), result = WASM_INIT_VAL;
        wasm_trap_delete(call_1_1(churn, arg, &result));
        sum += result.of.i32;
        wasm_extern_vec_delete(&exports);
    }
    wasm_module_delete(m);
    wasm_store_delete(own);
    return (void *)(intptr_t)(sum == 400000);
}

/* Instances come and go while the collector looks at all stores. */
static void stores_on_several_threads(void **state)
{
    (void)state;
    wasm_module_t *m = module_of(keeper);
    wasm_shared_module_t *shared = wasm_module_share(m);
    wasm_module_delete(m);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, serve, shared), 0);
    for (int i = 0; i < 4; i++) {
        void *good = NULL;
        assert_int_equal(pthread_join(threads[i], &good), 0);
        assert_non_null(good);
    }
    wasm_shared_module_delete(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_world(any_number_of_instances_one_after_the_other),
        in_world(any_number_of_memories_and_importers),
        in_world(instances_that_never_began),
        in_world(functions_in_other_hands),
        in_world(importers_keep_what_they_import),
        in_world(importers_of_tables_stay),
        in_world(finalizers),
        in_world(finalizers_that_delete),
        in_world(references_outlive_their_store),
        in_world(a_store_deleted_by_its_guest),
        in_world(externrefs),
        in_world(objects_of_guests),
        in_world(functions_as_values),
        in_world(stores_on_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
