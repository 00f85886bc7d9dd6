/* The standard interface's plain data: vectors of every kind, and types made by the host or read
 * off modules. */
#include "c_api_world.h"

/* ---- Vectors ---- */

#define VEC_TEST(name, make) \
    static void name##_vectors(void **state) \
    { \
        (void)state; \
        wasm_##name##_t *two[2] = {make, make}; \
        wasm_##name##_vec_t v, copy, empty; \
        wasm_##name##_vec_new_empty(&empty); \
        assert_true(empty.size == 0 && empty.data == NULL); \
        wasm_##name##_vec_delete(&empty); \
        wasm_##name##_vec_new(&v, 2, two); \
        assert_int_equal(v.size, 2); \
        assert_ptr_equal(v.data[1], two[1]); \
        wasm_##name##_vec_copy(&copy, &v); \
        assert_int_equal(copy.size, 2); \
        assert_ptr_not_equal(copy.data[0], v.data[0]); \
        wasm_##name##_vec_delete(&v); \
        assert_true(v.size == 0 && v.data == NULL); \
        wasm_##name##_vec_delete(&copy); \
        wasm_##name##_vec_new_uninitialized(&v, 3); \
        assert_int_equal(v.size, 3); \
        v.data[1] = make; \
        wasm_##name##_vec_copy(&copy, &v); /* with holes */ \
        assert_true(copy.size == 3 && !copy.data[0] && copy.data[1]); \
        wasm_##name##_vec_delete(&copy); \
        wasm_##name##_vec_delete(&v); \
        wasm_##name##_vec_new_uninitialized(&v, SIZE_MAX / 2); \
        assert_true(v.size == 0 && v.data == NULL); \
        wasm_##name##_delete(wasm_##name##_copy(NULL)); \
    }

static const wasm_limits_t limits = {3, 17};

static wasm_name_t name_of(const char *text)
{
    wasm_name_t n;
    wasm_name_new_from_string(&n, text);
    return n;
}

static wasm_importtype_t *import_type(void)
{
    wasm_name_t module = name_of("env"), name = name_of("print");
    wasm_importtype_t *t = wasm_importtype_new(
        &module, &name, wasm_functype_as_externtype(wasm_functype_new_1_0(wasm_valtype_new_i32())));
    assert_true(module.size == 0 && name.size == 0);
    return t;
}

static wasm_exporttype_t *export_type(void)
{
    wasm_name_t name = name_of("memory");
    return wasm_exporttype_new(&name, wasm_memorytype_as_externtype(wasm_memorytype_new(&limits)));
}

VEC_TEST(valtype, wasm_valtype_new_f32())
VEC_TEST(functype, wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i64()))
VEC_TEST(globaltype, wasm_globaltype_new(wasm_valtype_new_externref(), WASM_VAR))
VEC_TEST(tabletype, wasm_tabletype_new(wasm_valtype_new_funcref(), &limits))
VEC_TEST(memorytype, wasm_memorytype_new(&limits))
VEC_TEST(tagtype, wasm_tagtype_new(wasm_functype_new_0_0()))
VEC_TEST(externtype, wasm_tagtype_as_externtype(wasm_tagtype_new(wasm_functype_new_0_0())))
VEC_TEST(importtype, import_type())
VEC_TEST(exporttype, export_type())

static void byte_vectors(void **state)
{
    (void)state;
    wasm_byte_vec_t v, copy;
    wasm_byte_vec_new_empty(&v);
    assert_true(v.size == 0 && v.data == NULL);
    wasm_name_new_from_string(&v, "abc");
    assert_int_equal(v.size, 3);
    wasm_name_copy(&copy, &v);
    wasm_name_delete(&v);
    assert_memory_equal(copy.data, "abc", 3);
    wasm_name_delete(&copy);
    wasm_name_new_from_string_nt(&v, "abc");
    assert_true(v.size == 4 && v.data[3] == '\0');
    wasm_byte_vec_delete(&v);
    wasm_byte_vec_new_uninitialized(&v, SIZE_MAX);
    assert_int_equal(v.size, 0);
}

static void value_vectors(void **state)
{
    (void)state;
    wasm_foreign_t *foreign = wasm_foreign_new(store);
    finalized = 0;
    wasm_foreign_set_host_info_with_finalizer(foreign, NULL, note_finalized);
    const wasm_val_t three[3] = {WASM_I64_VAL(-5), WASM_REF_VAL(wasm_foreign_as_ref(foreign)),
                                 WASM_INIT_VAL};
    wasm_val_vec_t v, copy;
    wasm_val_vec_new(&v, 3, three);
    wasm_val_vec_copy(&copy, &v);
    wasm_val_vec_delete(&v);
    assert_int_equal(finalized, 0);
    assert_true(copy.data[0].of.i64 == -5 && copy.data[2].of.ref == NULL);
    assert_true(wasm_ref_same(copy.data[1].of.ref, three[1].of.ref));
    wasm_val_vec_delete(&copy);
    assert_int_equal(finalized, 1);
    wasm_val_vec_new_empty(&v);
    wasm_val_vec_delete(&v);
    wasm_val_vec_new_uninitialized(&v, 2);
    wasm_val_vec_delete(&v);

    wasm_val_t pointer;
    wasm_val_init_ptr(&pointer, &v);
    assert_int_equal(pointer.kind, WASM_I64);
    assert_ptr_equal(wasm_val_ptr(&pointer), &v);
}

/* ---- Types ---- */

static void value_types(void **state)
{
    (void)state;
    static const wasm_valkind_t kinds[] = {WASM_I32, WASM_I64,       WASM_F32,
                                           WASM_F64, WASM_EXTERNREF, WASM_FUNCREF};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        wasm_valtype_t *t = wasm_valtype_new(kinds[i]);
        assert_int_equal(wasm_valtype_kind(t), kinds[i]);
        assert_int_equal(wasm_valtype_is_num(t), i < 4);
        assert_int_equal(wasm_valtype_is_ref(t), i >= 4);
        wasm_valtype_delete(t);
    }
    assert_null(wasm_valtype_new(4));
    assert_null(wasm_valtype_new(255));
}

static void function_types(void **state)
{
    (void)state;
    wasm_functype_t *t = wasm_functype_new_3_2(wasm_valtype_new_i32(), wasm_valtype_new_i64(),
                                               wasm_valtype_new_f32(), wasm_valtype_new_f64(),
                                               wasm_valtype_new_funcref());
    wasm_functype_t *copy = wasm_functype_copy(t);
    wasm_functype_delete(t);
    const wasm_valtype_vec_t *params = wasm_functype_params(copy),
                             *results = wasm_functype_results(copy);
    assert_true(params->size == 3 && results->size == 2);
    assert_int_equal(wasm_valtype_kind(params->data[2]), WASM_F32);
    assert_int_equal(wasm_valtype_kind(results->data[0]), WASM_F64);
    wasm_externtype_t *e = wasm_functype_as_externtype(copy);
    assert_int_equal(wasm_externtype_kind(e), WASM_EXTERN_FUNC);
    assert_ptr_equal(wasm_externtype_as_functype(e), copy);
    assert_ptr_equal(wasm_externtype_as_functype_const(e), copy);
    assert_null(wasm_externtype_as_memorytype(e));
    assert_null(wasm_externtype_as_tagtype_const(e));
    wasm_externtype_delete(e);
    wasm_valtype_vec_t holes, none = WASM_EMPTY_VEC;
    wasm_valtype_vec_new_uninitialized(&holes, 2);
    holes.data[0] = wasm_valtype_new_i32();
    assert_null(wasm_functype_new(&holes, &none));
    assert_int_equal(holes.size, 0);
}

static void other_types(void **state)
{
    (void)state;
    wasm_globaltype_t *g = wasm_globaltype_new(wasm_valtype_new_i64(), WASM_VAR);
    assert_int_equal(wasm_globaltype_mutability(g), WASM_VAR);
    assert_int_equal(wasm_valtype_kind(wasm_globaltype_content(g)), WASM_I64);
    wasm_tabletype_t *t = wasm_tabletype_new(wasm_valtype_new_funcref(), &limits);
    assert_int_equal(wasm_tabletype_limits(t)->max, 17);
    assert_int_equal(wasm_valtype_kind(wasm_tabletype_element(t)), WASM_FUNCREF);
    wasm_memorytype_t *m = wasm_memorytype_new(&limits);
    assert_int_equal(wasm_memorytype_limits(m)->min, 3);
    wasm_tagtype_t *tag = wasm_tagtype_new(wasm_functype_new_1_0(wasm_valtype_new_i32()));
    assert_int_equal(wasm_functype_params(wasm_tagtype_functype(tag))->size, 1);
    wasm_importtype_t *i = import_type();
    assert_memory_equal(wasm_importtype_module(i)->data, "env", 3);
    assert_memory_equal(wasm_importtype_name(i)->data, "print", 5);
    assert_int_equal(wasm_externtype_kind(wasm_importtype_type(i)), WASM_EXTERN_FUNC);
    wasm_globaltype_delete(g);
    wasm_tabletype_delete(t);
    wasm_memorytype_delete(m);
    wasm_tagtype_delete(tag);
    wasm_importtype_delete(i);
    /* What was given is deleted where the rest is missing: the sanitizers see to it. */
    wasm_name_t lost = name_of("lost");
    assert_null(wasm_globaltype_new(NULL, WASM_VAR));
    assert_null(wasm_globaltype_new(wasm_valtype_new_i32(), 7));
    assert_null(wasm_tabletype_new(wasm_valtype_new_funcref(), NULL));
    assert_null(wasm_memorytype_new(NULL));
    assert_null(wasm_tagtype_new(NULL));
    assert_null(wasm_exporttype_new(&lost, NULL));
}

/* ---- Modules' types ---- */

static const char rich[] =
    "(module (import \"m\" \"f\" (func (param i32 externref) (result f64)))"
    " (import \"m\" \"t\" (table 2 funcref)) (import \"\" \"g\" (global (mut i64)))"
    " (memory (export \"mem\") 1 5) (tag (export \"tag\") (param f32))"
    " (type $s (struct)) (global (export \"any\") anyref (ref.null any))"
    " (func (export \"wide\") (param v128 (ref null $s) nullfuncref))"
    " (export \"f\" (func 0)) (export \"t\" (table 0)) (export \"g\" (global 0)))";

static void types_of_modules(void **state)
{
    (void)state;
    wasm_module_t *m = module_of(rich);
    wasm_importtype_vec_t imports;
    wasm_exporttype_vec_t exports;
    wasm_module_imports(m, &imports);
    wasm_module_exports(m, &exports);
    assert_true(imports.size == 3 && exports.size == 7);
    static const wasm_externkind_t kinds[] = {
        WASM_EXTERN_MEMORY, WASM_EXTERN_TAG,   WASM_EXTERN_GLOBAL, WASM_EXTERN_FUNC,
        WASM_EXTERN_FUNC,   WASM_EXTERN_TABLE, WASM_EXTERN_GLOBAL};
    const wasm_externtype_t *types[7];
    for (size_t i = 0; i < 7; i++) {
        types[i] = wasm_exporttype_type(exports.data[i]);
        assert_int_equal(wasm_externtype_kind(types[i]), kinds[i]);
    }
    assert_memory_equal(wasm_exporttype_name(exports.data[0])->data, "mem", 3);
    assert_int_equal(wasm_importtype_module(imports.data[2])->size, 0);
    const wasm_memorytype_t *memory = wasm_externtype_as_memorytype_const(types[0]);
    assert_true(wasm_memorytype_limits(memory)->min == 1 &&
                wasm_memorytype_limits(memory)->max == 5);
    const wasm_tabletype_t *table = wasm_externtype_as_tabletype_const(types[5]);
    assert_int_equal(wasm_tabletype_limits(table)->max, wasm_limits_max_default);
    const wasm_globaltype_t *any = wasm_externtype_as_globaltype_const(types[2]);
    assert_int_equal(wasm_valtype_kind(wasm_globaltype_content(any)), WASM_EXTERNREF);
    const wasm_valtype_vec_t *wide =
        wasm_functype_params(wasm_externtype_as_functype_const(types[3]));
    assert_int_equal(wasm_valtype_kind(wide->data[0]), 4);
    assert_int_equal(wasm_valtype_kind(wide->data[1]), WASM_EXTERNREF);
    assert_int_equal(wasm_valtype_kind(wide->data[2]), WASM_FUNCREF);
    wasm_exporttype_vec_t copy;
    wasm_exporttype_vec_copy(&copy, &exports); /* of all kinds */
    assert_int_equal(copy.size, 7);
    wasm_exporttype_vec_delete(&copy);
    wasm_exporttype_vec_delete(&exports);
    wasm_importtype_vec_delete(&imports);
    /* A function type with a v128 can be looked at, but no function made of it. */
    wasm_module_exports(m, &exports);
    const wasm_functype_t *f =
        wasm_externtype_as_functype_const(wasm_exporttype_type(exports.data[3]));
    assert_null(wasm_func_new(store, f, (wasm_func_callback_t)(uintptr_t)abort));
    wasm_exporttype_vec_delete(&exports);
    wasm_module_delete(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valtype_vectors),
        cmocka_unit_test(functype_vectors),
        cmocka_unit_test(globaltype_vectors),
        cmocka_unit_test(tabletype_vectors),
        cmocka_unit_test(memorytype_vectors),
        cmocka_unit_test(tagtype_vectors),
        cmocka_unit_test(externtype_vectors),
        cmocka_unit_test(importtype_vectors),
        cmocka_unit_test(exporttype_vectors),
        cmocka_unit_test(byte_vectors),
        in_world(value_vectors),
        cmocka_unit_test(value_types),
        cmocka_unit_test(function_types),
        cmocka_unit_test(other_types),
        in_world(types_of_modules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
