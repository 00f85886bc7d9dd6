/* The standard interface's objects at work: modules, functions both ways, traps, globals, tables,
 * memories, instances; and what they return for what is wrong. */
#include "c_api_world.h"

/* ---- Engines, modules ---- */

static void engines(void **state)
{
    (void)state;
    wasm_engine_t *e = wasm_engine_new_with_config(wasm_config_new());
    assert_non_null(e);
    wasm_store_t *s = wasm_store_new(e);
    wasm_engine_delete(e); /* the store keeps what it needs */
    wasm_foreign_delete(wasm_foreign_new(s));
    wasm_store_delete(s);
    e = wasm_engine_new_with_config(NULL);
    assert_non_null(e);
    wasm_engine_delete(e);
    wasm_config_delete(wasm_config_new());
    assert_null(wasm_store_new(NULL));
    wasm_store_delete(NULL);
    wasm_engine_delete(NULL);
}

static void modules(void **state)
{
    (void)state;
    wasm_byte_vec_t good = bytes_of("(module (func (export \"f\") (result i32) (i32.const 7)))");
    wasm_byte_vec_t bad = bytes_of("(module (func (result i32) (i64.const 7)))"); /* ill-typed */
    wasm_byte_vec_t text, none = WASM_EMPTY_VEC;
    wasm_name_new_from_string(&text, "(module)");
    assert_true(wasm_module_validate(store, &good));
    assert_false(wasm_module_validate(store, &bad));
    assert_false(wasm_module_validate(store, &text));
    assert_false(wasm_module_validate(store, &none));
    assert_false(wasm_module_validate(store, NULL));
    assert_null(wasm_module_new(store, &bad));
    assert_null(wasm_module_new(store, &text));
    assert_null(wasm_module_new(NULL, &good));
    for (size_t cut = 0; cut < good.size; cut++) {
        const wasm_byte_vec_t part = {cut, good.data};
        wasm_module_delete(wasm_module_new(store, &part));
    }
    wasm_byte_vec_delete(&good);
    wasm_byte_vec_delete(&bad);
    wasm_byte_vec_delete(&text);
}

static void serializing(void **state)
{
    (void)state;
    wasm_module_t *m = module_of("(module (func (export \"f\") (result i32) (i32.const 7)))");
    wasm_byte_vec_t bytes;
    wasm_module_serialize(m, &bytes);
    wasm_module_delete(m);
    assert_true(bytes.size > 0);
    m = wasm_module_deserialize(store, &bytes);
    assert_non_null(m);
    wasm_instance_t *i = wasm_instance_new(store, m, NULL, NULL);
    wasm_func_t *f = func_of(i, 0);
    assert_int_equal(i32_of(f), 7);
    wasm_func_delete(f);
    wasm_instance_delete(i);
    wasm_module_delete(m);
    for (size_t at = 0; at < bytes.size; at++) { /* damaged anywhere, cut anywhere: refused */
        const wasm_byte_vec_t part = {at, bytes.data};
        assert_null(wasm_module_deserialize(store, &part));
        bytes.data[at] ^= 0x10;
        assert_null(wasm_module_deserialize(store, &bytes));
        bytes.data[at] ^= 0x10;
    }
    wasm_byte_vec_delete(&bytes);
    assert_null(wasm_module_deserialize(store, NULL));
}

static void sharing(void **state)
{
    (void)state;
    wasm_module_t *m = module_of("(module (func (export \"f\") (result i32) (i32.const 7)))");
    wasm_shared_module_t *shared = wasm_module_share(m);
    wasm_module_delete(m);
    wasm_store_t *second = wasm_store_new(engine);
    m = wasm_module_obtain(second, shared);
    wasm_instance_t *i = wasm_instance_new(second, m, NULL, NULL);
    wasm_func_t *f = func_of(i, 0);
    assert_int_equal(i32_of(f), 7);
    assert_null(wasm_instance_new(NULL, m, NULL, NULL));
    wasm_func_delete(f);
    wasm_instance_delete(i);
    wasm_module_delete(m);
    wasm_store_delete(second);
    wasm_engine_t *other = wasm_engine_new();
    second = wasm_store_new(other);
    assert_null(wasm_module_obtain(second, shared));
    wasm_store_delete(second);
    wasm_engine_delete(other);
    wasm_shared_module_delete(shared);
    wasm_shared_module_delete(NULL);
}

/* ---- Functions ---- */

static wasm_trap_t *swap_all(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    static const wasm_valkind_t kinds[] = {WASM_F64, WASM_F32, WASM_I64, WASM_I32};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(results->data[i].kind, kinds[i]); /* as they will be */
        wasm_val_copy(&results->data[i], &args->data[3 - i]);
    }
    return NULL;
}

static void numbers_both_ways(void **state)
{
    (void)state;
    wasm_valtype_t *p[4] = {wasm_valtype_new_i32(), wasm_valtype_new_i64(), wasm_valtype_new_f32(),
                            wasm_valtype_new_f64()};
    wasm_valtype_t *r[4] = {wasm_valtype_new_f64(), wasm_valtype_new_f32(), wasm_valtype_new_i64(),
                            wasm_valtype_new_i32()};
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, 4, p);
    wasm_valtype_vec_new(&results, 4, r);
    wasm_functype_t *type = wasm_functype_new(&params, &results);
    wasm_func_t *host = wasm_func_new(store, type, swap_all);
    wasm_functype_delete(type);
    wasm_extern_t *imports[] = {wasm_func_as_extern(host)};
    wasm_instance_t *i = instance_with(
        "(module (import \"\" \"swap\" (func $s (param i32 i64 f32 f64) (result f64 f32 i64 i32)))"
        " (func (export \"f\") (param i32 i64 f32 f64) (result f64 f32 i64 i32)"
        "  (call $s (local.get 0) (local.get 1) (local.get 2) (local.get 3))))", imports, 1, NULL);
    assert_non_null(i);
    wasm_func_t *both[2] = {func_of(i, 0), host}; /* through a guest, and by the host itself */
    for (int k = 0; k < 2; k++) {
        assert_true(wasm_func_param_arity(both[k]) == 4 && wasm_func_result_arity(both[k]) == 4);
        wasm_val_t in[4] = {WASM_I32_VAL(-1), WASM_I64_VAL(INT64_MIN), WASM_F32_VAL(0.5f),
                            WASM_F64_VAL(-0.25)};
        wasm_val_t out[4];
        const wasm_val_vec_t args = WASM_ARRAY_VEC(in);
        wasm_val_vec_t got = WASM_ARRAY_VEC(out);
        assert_null(wasm_func_call(both[k], &args, &got));
        assert_true(out[0].of.f64 == -0.25 && out[1].of.f32 == 0.5f);
        assert_true(out[2].of.i64 == INT64_MIN && out[3].of.i32 == -1 && out[3].kind == WASM_I32);
    }
    type = wasm_func_type(both[0]);
    assert_int_equal(wasm_functype_params(type)->size, 4);
    wasm_functype_delete(type);
    wasm_func_delete(both[0]);
    wasm_func_delete(host);
    wasm_instance_delete(i);
}

static void wrong_calls(void **state)
{
    (void)state;
    wasm_instance_t *i =
        instance_of("(module (func (export \"f\") (param i32) (result i32) (local.get 0))"
                    " (func (export \"v\") (param v128))"
                    " (func (export \"r\") (param (ref extern))))");
    wasm_func_t *f = func_of(i, 0), *v = func_of(i, 1), *r = func_of(i, 2);
    wasm_val_t arg = WASM_I32_VAL(3), wrong = WASM_I64_VAL(3), null = WASM_INIT_VAL,
               result = WASM_INIT_VAL;
    const wasm_val_vec_t one = {1, &arg};
    wasm_val_vec_t room = {1, &result};
    assert_null(call_1_1(f, arg, &result));
    assert_int_equal(result.of.i32, 3);
    assert_trap(call_1_1(f, wrong, &result), "argument 0 is a value of another type");
    assert_trap(call_1_1(f, null, &result), "argument 0");
    assert_trap(call_1_1(r, arg, &result), "number where a reference");
    assert_trap(call_1_1(r, null, &result), "null reference");
    assert_trap(call_1_1(v, arg, &result), "v128");
    assert_trap(wasm_func_call(f, NULL, &room), "1 arguments and gives 1 results; there are 0");
    assert_trap(wasm_func_call(f, &one, NULL), "room for 0");
    assert_trap(wasm_func_call(NULL, &one, &room), "not a function");
    assert_int_equal(result.of.i32, 3); /* as it was */
    wasm_func_delete(f);
    wasm_func_delete(v);
    wasm_func_delete(r);
    wasm_instance_delete(i);
}

static wasm_trap_t *wrong_result(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    (void)args;
    results->data[0] = *(const wasm_val_t *)env;
    return NULL;
}

static void wrong_results(void **state)
{
    (void)state;
    wasm_val_t i64 = WASM_I64_VAL(1);
    wasm_functype_t *type = wasm_functype_new_0_1(wasm_valtype_new_i32());
    finalized = 0;
    wasm_func_t *host = wasm_func_new_with_env(store, type, wrong_result, &i64, note_finalized);
    wasm_extern_t *imports[] = {wasm_func_as_extern(host)};
    wasm_instance_t *i = instance_with("(module (import \"\" \"f\" (func $f (result i32)))"
                                       " (func (export \"g\") (drop (call $f))))",
                                       imports, 1, NULL);
    wasm_func_t *g = func_of(i, 0);
    assert_trap(wasm_func_call(g, NULL, NULL),
                "the host function's result 0 is a value of another type");
    assert_null(wasm_func_new(store, type, NULL));
    assert_null(wasm_func_new_with_env(store, NULL, wrong_result, &i64, note_finalized));
    assert_null(wasm_func_new_with_env(NULL, type, wrong_result, &i64, note_finalized));
    wasm_functype_delete(type);
    wasm_func_delete(g);
    wasm_func_delete(host);
    wasm_instance_delete(i);
    assert_int_equal(finalized, 0); /* it goes with the store */
    wasm_store_delete(store);
    store = NULL;
    assert_int_equal(finalized, 1);
    assert_ptr_equal(finalized_last, &i64);
}

/* ---- Traps ---- */

static wasm_trap_t *fails(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    (void)args, (void)results;
    return wasm_trap_copy(env);
}

static void traps_of_hosts(void **state)
{
    (void)state;
    wasm_message_t message;
    wasm_name_new_from_string(&message, "on purpose"); /* without its NUL */
    wasm_trap_t *made = wasm_trap_new(store, &message);
    wasm_byte_vec_delete(&message);
    wasm_trap_set_host_info(made, &message);
    assert_null(wasm_trap_origin(made));
    wasm_functype_t *type = wasm_functype_new_0_0();
    wasm_func_t *host = wasm_func_new_with_env(store, type, fails, made, NULL);
    wasm_functype_delete(type);
    wasm_extern_t *imports[] = {wasm_func_as_extern(host)};
    wasm_instance_t *i = instance_with("(module (import \"\" \"f\" (func $f))"
                                       " (func (export \"g\") (nop) (call $f)))", imports, 1, NULL);
    wasm_func_t *g = func_of(i, 0);
    wasm_trap_t *trap = wasm_func_call(g, NULL, NULL);
    assert_true(wasm_trap_same(trap, made)); /* not one like it */
    assert_ptr_equal(wasm_trap_get_host_info(trap), &message);
    wasm_frame_t *frame = wasm_trap_origin(trap); /* and it knows where it has been */
    assert_non_null(frame);
    assert_int_equal(wasm_frame_func_index(frame), 1);
    assert_true(wasm_instance_same(wasm_frame_instance(frame), i));
    wasm_frame_delete(frame);
    assert_trap(trap, "on purpose");
    trap = wasm_func_call(host, NULL, NULL);
    assert_true(wasm_trap_same(trap, made));
    wasm_trap_delete(trap);
    wasm_func_delete(g);
    wasm_func_delete(host);
    wasm_instance_delete(i);
    wasm_trap_delete(made);
    trap = wasm_trap_new(store, NULL);
    wasm_trap_message(trap, &message);
    assert_true(message.size == 1 && message.data[0] == '\0');
    wasm_byte_vec_delete(&message);
    wasm_trap_delete(trap);
}

static void traps_of_guests(void **state)
{
    (void)state;
    static const char guest[] = "(module (func $f unreachable) (func $g (nop) (call $f))"
                                " (func (export \"h\") (call $g)))";
    wasm_byte_vec_t bytes = bytes_of(guest);
    wasm_instance_t *i = instance_of(guest);
    wasm_func_t *h = func_of(i, 0);
    wasm_trap_t *trap = wasm_func_call(h, NULL, NULL);
    wasm_frame_vec_t trace, copy;
    wasm_trap_trace(trap, &trace);
    assert_int_equal(trace.size, 3);
    static const char opcodes[] = {0x00, 0x10, 0x10}; /* unreachable, call, call */
    for (uint32_t k = 0; k < 3; k++) {
        const size_t at = wasm_frame_module_offset(trace.data[k]);
        assert_int_equal(wasm_frame_func_index(trace.data[k]), k);
        assert_true(at < bytes.size && bytes.data[at] == opcodes[k]);
        assert_int_equal(wasm_frame_func_offset(trace.data[k]), k == 1 ? 2 : 1);
        assert_true(wasm_instance_same(wasm_frame_instance(trace.data[k]), i));
    }
    wasm_frame_vec_copy(&copy, &trace);
    wasm_frame_vec_delete(&trace);
    wasm_frame_vec_delete(&copy);
    wasm_frame_vec_new_empty(&copy);
    assert_trap(trap, "unreachable");
    wasm_func_delete(h);
    wasm_instance_delete(i);
    wasm_byte_vec_delete(&bytes);
    i = instance_of("(module (tag $t) (func (export \"f\") (throw $t)))");
    h = func_of(i, 0);
    assert_trap(wasm_func_call(h, NULL, NULL), "uncaught exception");
    wasm_func_delete(h);
    wasm_instance_delete(i);
}

static wasm_func_t *deeper;
static int depth;

static wasm_trap_t *call_deeper(const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    (void)args, (void)results;
    depth++;
    return wasm_func_call(deeper, NULL, NULL);
}

static void endless_calls_between_host_and_guest(void **state)
{
    (void)state;
    wasm_functype_t *type = wasm_functype_new_0_0();
    wasm_func_t *host = wasm_func_new(store, type, call_deeper);
    wasm_functype_delete(type);
    wasm_extern_t *imports[] = {wasm_func_as_extern(host)};
    wasm_instance_t *i = instance_with(
        "(module (import \"\" \"f\" (func $f)) (func (export \"g\") (call $f)))", imports, 1, NULL);
    deeper = func_of(i, 0);
    depth = 0;
    assert_trap(wasm_func_call(deeper, NULL, NULL), "exhausted");
    assert_true(depth > 1);
    wasm_func_delete(deeper);
    wasm_func_delete(host);
    wasm_instance_delete(i);
}

/* ---- Globals, tables, memories ---- */

static wasm_global_t *global_new(wasm_valtype_t *type, wasm_mutability_t mutability,
                                 wasm_val_t value)
{
    wasm_globaltype_t *t = wasm_globaltype_new(type, mutability);
    wasm_global_t *g = wasm_global_new(store, t, &value);
    wasm_globaltype_delete(t);
    return g;
}

static int32_t i32_in(const wasm_global_t *g)
{
    wasm_val_t v = WASM_INIT_VAL;
    wasm_global_get(g, &v);
    assert_int_equal(v.kind, WASM_I32);
    return v.of.i32;
}

static void globals(void **state)
{
    (void)state;
    const wasm_val_t five = WASM_I32_VAL(5), six = WASM_I32_VAL(6), wide = WASM_I64_VAL(1);
    wasm_global_t *var = global_new(wasm_valtype_new_i32(), WASM_VAR, five);
    wasm_global_t *constant = global_new(wasm_valtype_new_i32(), WASM_CONST, six);
    assert_null(global_new(wasm_valtype_new_i32(), WASM_VAR, wide));
    wasm_extern_t *imports[] = {wasm_global_as_extern(var), wasm_global_as_extern(constant)};
    wasm_instance_t *i = instance_with(
        "(module (import \"\" \"v\" (global $v (mut i32))) (import \"\" \"c\" (global $c i32))"
        " (func (export \"sum\") (result i32) (i32.add (global.get $v) (global.get $c)))"
        " (func (export \"bump\") (global.set $v (i32.const 100))) (export \"again\" (global $v))"
        " (global (export \"v128\") v128 (v128.const i32x4 1 2 3 4)))", imports, 2, NULL);
    wasm_func_t *sum = func_of(i, 0), *bump = func_of(i, 1);
    assert_int_equal(i32_of(sum), 11);
    wasm_global_set(var, &six);
    wasm_global_set(var, &wide);      /* ignored */
    wasm_global_set(constant, &five); /* likewise */
    assert_int_equal(i32_of(sum), 12);
    assert_null(wasm_func_call(bump, NULL, NULL));
    assert_int_equal(i32_in(var), 100);
    wasm_extern_t *again = export_of(i, 2), *v128 = export_of(i, 3);
    assert_true(
        wasm_global_same(wasm_extern_as_global(again), var)); /* the same through another door */
    assert_int_equal(i32_in(wasm_extern_as_global(v128)), 0);
    wasm_globaltype_t *type = wasm_global_type(var);
    assert_int_equal(wasm_globaltype_mutability(type), WASM_VAR);
    wasm_globaltype_delete(type);
    wasm_extern_delete(again);
    wasm_extern_delete(v128);
    wasm_func_delete(sum);
    wasm_func_delete(bump);
    wasm_instance_delete(i);
    wasm_global_delete(var);
    wasm_global_delete(constant);
}

static void tables(void **state)
{
    (void)state;
    wasm_instance_t *i = instance_of("(module (table (export \"t\") 2 10 funcref) (func $f (export "
                                     "\"f\") (result i32) (i32.const 7))"
                                     " (func (export \"at\") (param i32) (result i32) "
                                     "(call_indirect (result i32) (local.get 0)))"
                                     " (elem (i32.const 1) $f))");
    wasm_table_t *t = wasm_extern_as_table(export_of(i, 0));
    wasm_func_t *f = func_of(i, 1), *at = func_of(i, 2);
    wasm_val_t result, one = WASM_I32_VAL(1), nine = WASM_I32_VAL(9);
    assert_int_equal(wasm_table_size(t), 2);
    assert_null(wasm_table_get(t, 0));
    assert_null(wasm_table_get(t, 2));
    wasm_ref_t *r = wasm_table_get(t, 1);
    assert_true(wasm_ref_same(r, wasm_func_as_ref(f)));
    assert_null(call_1_1(at, one, &result));
    assert_true(wasm_table_set(t, 1, NULL));
    assert_trap(call_1_1(at, one, &result), "uninitialized element");
    assert_false(wasm_table_set(t, 2, r));
    assert_false(wasm_table_set(t, 0, wasm_table_as_ref(t))); /* no function */
    assert_true(wasm_table_grow(t, 8, r));
    assert_null(call_1_1(at, nine, &result));
    assert_int_equal(result.of.i32, 7);
    assert_false(wasm_table_grow(t, 1, NULL));
    assert_false(wasm_table_grow(t, UINT32_MAX, NULL));
    wasm_tabletype_t *type = wasm_table_type(t);
    assert_int_equal(wasm_tabletype_limits(type)->max, 10);
    wasm_tabletype_delete(type);
    wasm_ref_delete(r);

    const wasm_limits_t three = {3, wasm_limits_max_default}, wrong = {3, 2};
    type = wasm_tabletype_new(wasm_valtype_new_externref(), &three);
    wasm_table_t *own =
        wasm_table_new(store, type, wasm_func_as_ref(f)); /* any reference is an externref */
    wasm_tabletype_delete(type);
    r = wasm_table_get(own, 2);
    assert_true(wasm_ref_same(r, wasm_func_as_ref(f)));
    wasm_ref_delete(r);
    type = wasm_tabletype_new(wasm_valtype_new_funcref(), &three);
    assert_null(wasm_table_new(store, type, wasm_table_as_ref(own)));
    wasm_tabletype_delete(type);
    type = wasm_tabletype_new(wasm_valtype_new_funcref(), &wrong);
    assert_null(wasm_table_new(store, type, NULL));
    wasm_tabletype_delete(type);
    type = wasm_tabletype_new(wasm_valtype_new_i32(), &three);
    assert_null(wasm_table_new(store, type, NULL));
    wasm_tabletype_delete(type);
    wasm_table_delete(own);
    wasm_func_delete(f);
    wasm_func_delete(at);
    wasm_table_delete(t);
    wasm_instance_delete(i);
}

static void memories(void **state)
{
    (void)state;
    wasm_engine_delete(
        wasm_engine_new()); /* cmocka has taken the handler of faults since the setup */
    const wasm_limits_t limits = {1, 3}, wrong = {2, 1}, huge = {65537, wasm_limits_max_default};
    wasm_memorytype_t *type = wasm_memorytype_new(&limits);
    wasm_memory_t *m = wasm_memory_new(store, type);
    wasm_memorytype_delete(type);
    wasm_extern_t *imports[] = {wasm_memory_as_extern(m)};
    wasm_instance_t *i =
        instance_with("(module (import \"\" \"m\" (memory 1 3)) (func (export \"f\") (result i32)"
                      " (i32.load8_u (i32.const 0x10003))))",
                      imports, 1, NULL);
    wasm_func_t *f = func_of(i, 0);
    assert_trap(wasm_func_call(f, NULL, &(wasm_val_vec_t){1, &(wasm_val_t)WASM_INIT_VAL}),
                "out of bounds");
    byte_t *data = wasm_memory_data(m);
    assert_true(wasm_memory_size(m) == 1 && wasm_memory_data_size(m) == MEMORY_PAGE_SIZE);
    assert_true(wasm_memory_grow(m, 2));
    assert_ptr_equal(wasm_memory_data(m), data);
    data[0x10003] = 77;
    assert_int_equal(i32_of(f), 77);
    assert_false(wasm_memory_grow(m, 1));
    assert_int_equal(wasm_memory_size(m), 3);
    type = wasm_memory_type(m);
    assert_int_equal(wasm_memorytype_limits(type)->max, 3);
    wasm_memorytype_delete(type);
    type = wasm_memorytype_new(&wrong);
    assert_null(wasm_memory_new(store, type));
    wasm_memorytype_delete(type);
    type = wasm_memorytype_new(&huge);
    assert_null(wasm_memory_new(store, type));
    wasm_memorytype_delete(type);
    assert_null(wasm_memory_new(store, NULL));
    wasm_func_delete(f);
    wasm_instance_delete(i);
    wasm_memory_delete(m);
}

/* ---- Instances ---- */

static void failing_instances(void **state)
{
    (void)state;
    wasm_trap_t *trap;
    assert_null(instance_with("(module (func $f unreachable) (start $f))", NULL, 0, &trap));
    wasm_frame_t *frame = wasm_trap_origin(trap);
    assert_non_null(wasm_frame_instance(frame)); /* the one that nobody else ever had */
    wasm_frame_delete(frame);
    assert_trap(trap, "unreachable");
    assert_null(instance_with("(module (func $f unreachable) (start $f))", NULL, 0, NULL));
    assert_null(
        instance_with("(module (memory 1) (data (i32.const 65536) \"x\"))", NULL, 0, &trap));
    assert_trap(trap, "out of bounds memory access");
    static const char wants[] = "(module (import \"m\" \"f\" (func (param i32))))";
    assert_null(instance_with(wants, NULL, 0, &trap));
    assert_trap(trap, "has 1 imports, not 0");
    wasm_extern_t *imports[1] = {NULL};
    assert_null(instance_with(wants, imports, 1, &trap));
    assert_trap(trap, "import 0 is missing");
    wasm_functype_t *type = wasm_functype_new_0_0();
    wasm_func_t *f = wasm_func_new(store, type, swap_all);
    imports[0] = wasm_func_as_extern(f);
    assert_null(instance_with(wants, imports, 1, &trap));
    assert_trap(trap, "m.f: expected (func (param i32)), found (func)");
    wasm_store_t *other = wasm_store_new(engine);
    wasm_func_t *foreign = wasm_func_new(other, type, swap_all);
    imports[0] = wasm_func_as_extern(foreign);
    assert_null(instance_with(wants, imports, 1, &trap));
    assert_trap(trap, "of another store");
    assert_null(wasm_instance_new(store, NULL, NULL, &trap));
    assert_trap(trap, "no module");
    wasm_functype_delete(type);
    wasm_func_delete(f);
    wasm_func_delete(foreign);
    wasm_store_delete(other);
}

static void kinds_of_exports(void **state)
{
    (void)state;
    wasm_instance_t *i =
        instance_of("(module (func (export \"f\")) (global (export \"g\") i32 (i32.const 0)) "
                    "(table (export \"t\") 1 funcref)"
                    " (memory (export \"m\") 1) (tag (export \"e\") (param i64)))");
    wasm_extern_vec_t exports, copy;
    wasm_instance_exports(i, &exports);
    assert_int_equal(exports.size, 5);
    for (size_t k = 0; k < 5; k++) {
        wasm_extern_t *e = exports.data[k];
        assert_int_equal(wasm_extern_kind(e), k);
        wasm_externtype_t *type = wasm_extern_type(e);
        assert_int_equal(wasm_externtype_kind(type), k);
        wasm_externtype_delete(type);
        assert_int_equal(wasm_extern_as_func(e) != NULL, k == WASM_EXTERN_FUNC);
        assert_int_equal(wasm_extern_as_global_const(e) != NULL, k == WASM_EXTERN_GLOBAL);
        assert_int_equal(wasm_extern_as_table(e) != NULL, k == WASM_EXTERN_TABLE);
        assert_int_equal(wasm_extern_as_memory_const(e) != NULL, k == WASM_EXTERN_MEMORY);
        wasm_ref_t *r = wasm_extern_as_ref(e);
        assert_ptr_equal(wasm_ref_as_extern(r), e);
        assert_null(wasm_ref_as_instance(r));
        assert_int_equal(wasm_ref_as_memory(r) != NULL, k == WASM_EXTERN_MEMORY);
    }
    assert_null(wasm_ref_as_extern(wasm_instance_as_ref(i)));
    assert_ptr_equal(wasm_ref_as_instance_const(wasm_instance_as_ref_const(i)), i);
    wasm_extern_vec_copy(&copy, &exports);
    wasm_extern_vec_delete(&exports);
    wasm_instance_exports(i, &exports);
    assert_true(wasm_extern_same(copy.data[4], exports.data[4]));
    wasm_extern_vec_delete(&copy);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines), in_world(modules), in_world(serializing), in_world(sharing),
        in_world(numbers_both_ways), in_world(wrong_calls), in_world(wrong_results),
        in_world(traps_of_hosts), in_world(traps_of_guests),
        in_world(endless_calls_between_host_and_guest), in_world(globals), in_world(tables),
        in_world(memories), in_world(failing_instances), in_world(kinds_of_exports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
