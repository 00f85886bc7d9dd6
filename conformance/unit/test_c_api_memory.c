/* The standard interface without memory: the same work again and again, each time with another
 * allocation of the library's failing, alone or with all that follow.  Nothing is checked but
 * what the sanitizers see: no crash, nothing leaked.  (The Makefile links this test with malloc
 * and its like wrapped.) */
#include "c_api_world.h"

static long left = -1; /* allocations until one fails; below zero: none does */
static bool all_fail;  /* from then on */

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);

static bool fails(void)
{
    if (left < 0) return false;
    if (left > 0) {
        left--;
        return false;
    }
    if (!all_fail) left = -1;
    return true;
}

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return fails() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }

static const char guest[] =
    "(module (import \"\" \"f\" (func $f (param externref) (result externref)))"
    " (import \"\" \"m\" (memory 1)) (type $s (struct (field i32)))"
    " (table (export \"t\") 2 funcref) (global (export \"g\") (mut externref) (ref.null extern))"
    " (tag (export \"e\"))"
    " (func (export \"a\") (param externref) (result externref) (call $f (local.get 0)))"
    " (func (export \"b\") (result externref) (extern.convert_any (struct.new $s (i32.const 1))))"
    " (elem (i32.const 0) $z) (func $z) (func (export \"u\") unreachable))";
enum { TABLE, GLOBAL, TAG, PASS, MAKE, TRAP };

static wasm_trap_t *back_or_trap(void *env, const wasm_val_vec_t *args, wasm_val_vec_t *results)
{
    wasm_message_t message;
    if (args->data[0].of.ref) {
        wasm_val_copy(&results->data[0], &args->data[0]);
        return NULL;
    }
    wasm_name_new_from_string(&message, "no reference");
    wasm_trap_t *trap = wasm_trap_new(env, &message); /* NULL leaves it at null */
    wasm_name_delete(&message);
    return trap;
}

static void read_types(const wasm_module_t *m)
{
    wasm_importtype_vec_t imports;
    wasm_exporttype_vec_t exports, copy;
    wasm_module_imports(m, &imports);
    wasm_module_exports(m, &exports);
    wasm_exporttype_vec_copy(&copy, &exports);
    wasm_importtype_vec_delete(&imports);
    wasm_exporttype_vec_delete(&exports);
    wasm_exporttype_vec_delete(&copy);
}

static void read_trap(wasm_trap_t *trap)
{
    wasm_frame_vec_t trace;
    wasm_message_t message;
    if (!trap) return;
    wasm_trap_trace(trap, &trace);
    wasm_trap_message(trap, &message);
    wasm_frame_delete(wasm_trap_origin(trap));
    wasm_frame_vec_delete(&trace);
    wasm_byte_vec_delete(&message);
    wasm_trap_delete(trap);
}

static void use_exports(wasm_store_t *s, const wasm_extern_vec_t *exports)
{
    if (!exports->size) return;
    wasm_foreign_t *foreign = wasm_foreign_new(s);
    wasm_val_t given = WASM_REF_VAL(wasm_foreign_as_ref(foreign)), null = WASM_INIT_VAL;
    for (size_t i = 0; i < exports->size; i++)
        wasm_externtype_delete(wasm_extern_type(exports->data[i]));
    for (int i = 0; i < 2; i++) {
        wasm_val_t result = WASM_INIT_VAL;
        wasm_val_vec_t results = {1, &result};
        read_trap(call_1_1(wasm_extern_as_func(exports->data[PASS]), i ? null : given, &result));
        wasm_val_delete(&result);
        read_trap(wasm_func_call(wasm_extern_as_func(exports->data[MAKE]), NULL, &results));
        wasm_val_delete(&result);
        read_trap(wasm_func_call(wasm_extern_as_func(exports->data[TRAP]), NULL, NULL));
    }
    wasm_table_t *table = wasm_extern_as_table(exports->data[TABLE]);
    wasm_global_t *global = wasm_extern_as_global(exports->data[GLOBAL]);
    wasm_ref_t *first = wasm_table_get(table, 0);
    wasm_table_grow(table, 3, first);
    wasm_ref_delete(first);
    wasm_global_set(global, &given);
    wasm_global_get(global, &null);
    wasm_val_delete(&null);
    wasm_foreign_delete(foreign);
}

static void instantiate(wasm_store_t *s, const wasm_module_t *m)
{
    const wasm_limits_t limits = {1, 2};
    wasm_functype_t *type =
        wasm_functype_new_1_1(wasm_valtype_new_externref(), wasm_valtype_new_externref());
    wasm_func_t *host = wasm_func_new_with_env(s, type, back_or_trap, s, NULL);
    wasm_memorytype_t *memory_type = wasm_memorytype_new(&limits);
    wasm_memory_t *memory = wasm_memory_new(s, memory_type);
    wasm_extern_t *externs[] = {wasm_func_as_extern(host), wasm_memory_as_extern(memory)};
    const wasm_extern_vec_t imports = WASM_ARRAY_VEC(externs);
    wasm_trap_t *trap = NULL;
    wasm_instance_t *i = wasm_instance_new(s, m, &imports, &trap);
    wasm_extern_vec_t exports;
    read_trap(trap);
    wasm_instance_exports(i, &exports);
    use_exports(s, &exports);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(i);
    wasm_memory_delete(memory);
    wasm_func_delete(host);
    wasm_functype_delete(type);
    wasm_memorytype_delete(memory_type);
}

static void work(const wasm_byte_vec_t *bytes)
{
    wasm_engine_t *e = wasm_engine_new();
    wasm_store_t *s = wasm_store_new(e);
    wasm_module_t *m = wasm_module_new(s, bytes);
    wasm_shared_module_t *shared = wasm_module_share(m);
    wasm_byte_vec_t serialized;
    wasm_module_serialize(m, &serialized);
    wasm_module_delete(wasm_module_deserialize(s, &serialized));
    wasm_byte_vec_delete(&serialized);
    wasm_module_delete(wasm_module_obtain(s, shared));
    wasm_shared_module_delete(shared);
    read_types(m);
    instantiate(s, m);
    wasm_module_delete(m);
    wasm_store_delete(s);
    wasm_engine_delete(e);
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    wasm_byte_vec_t bytes = bytes_of(guest);
    work(&bytes); /* what the process has only one of is made now */
    for (int mode = 0; mode < 2; mode++) {
        long n = 0, rest = 0;
        all_fail = mode == 1;
        for (; rest == 0; n++) {
            left = n;
            work(&bytes);
            rest = left > 0 ? left : 0;
            left = -1;
        }
        assert_true(n > 100); /* or nothing was wrapped */
    }
    wasm_byte_vec_delete(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {in_world(every_allocation_fails_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
