/* A host with a code cache: loads a module and calls its export `run`.
 *
 *     cached CACHE MODULE */
#include <fnvm.h>
#include <stdio.h>
#include <stdlib.h>

static void must(fnvm_error *e)
{
    if (!e) return;
    fprintf(stderr, "%s\n", fnvm_error_message(e));
    exit(1);
}

int main(int argc, char **argv)
{
    fnvm_config config;
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_extern func;
    fnvm_slot slots[1] = {{.i32 = 0}};
    if (argc != 3) return 2;
    fnvm_config_default(&config);
    config.code_cache = argv[1];
    must(fnvm_engine_new(&config, &engine));
    must(fnvm_module_load(engine, argv[2], &module));
    must(fnvm_store_new(engine, &store));
    must(fnvm_linker_new(store, &linker));
    must(fnvm_linker_instantiate(linker, module, &instance));
    if (!fnvm_instance_export(instance, "run", 3, &func)) return 1;
    must(fnvm_func_call_slots(store, func, slots));
    printf("%u\n", (unsigned)slots[0].i32);
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    return 0;
}
