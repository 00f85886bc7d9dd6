/* A host of the standard interface alone, as C11 and as C++: it adds two numbers. */
#include <stdio.h>

#include "wasm.h"

int main(int argc, char **argv)
{
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    wasm_byte_vec_t bytes;
    wasm_byte_vec_new_uninitialized(&bytes, 4096);
    if (!file || !bytes.data) return 2;
    bytes.size = fread(bytes.data, 1, bytes.size, file);
    fclose(file);

    wasm_engine_t *engine = wasm_engine_new();
    wasm_store_t *store = wasm_store_new(engine);
    wasm_module_t *module = wasm_module_new(store, &bytes);
    wasm_byte_vec_delete(&bytes);
    wasm_instance_t *instance = module ? wasm_instance_new(store, module, NULL, NULL) : NULL;
    if (!instance) return 3;
    wasm_extern_vec_t exports;
    wasm_instance_exports(instance, &exports);
    wasm_val_t in[2] = {WASM_I32_VAL(20), WASM_I32_VAL(22)}, out[1] = {WASM_INIT_VAL};
    wasm_val_vec_t args = WASM_ARRAY_VEC(in), results = WASM_ARRAY_VEC(out);
    wasm_trap_t *trap = wasm_func_call(wasm_extern_as_func(exports.data[0]), &args, &results);
    if (trap) return 4;
    printf("%d\n", (int)out[0].of.i32);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_module_delete(module);
    wasm_store_delete(store);
    wasm_engine_delete(engine);
    return 0;
}
