/* A host that loads the library, has compiled code trap, and unloads it, twice; faults of its own
 * are its own before, between and after.
 *
 *     unload LIBRARY */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fnvm.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char guest[] = "(module (memory 1) (func (export \"f\") (i32.store (i32.const -4)"
                            " (i32.const 1))))";
static sigjmp_buf back;

static void on_fault(int signal)
{
    (void)signal;
    siglongjmp(back, 1);
}

static int own_fault(void)
{
    static volatile int *volatile nowhere;
    if (sigsetjmp(back, 1)) return 0;
    *nowhere = 1;
    return 1;
}

/* A function of the library, typed. */
#define FIND(name) __extension__ __typeof__(&(name)) p_##name = \
    (__typeof__(&(name)))dlsym(library, #name)

static int use(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return fprintf(stderr, "%s\n", dlerror());
    FIND(fnvm_engine_new);
    FIND(fnvm_engine_free);
    FIND(fnvm_module_new);
    FIND(fnvm_module_release);
    FIND(fnvm_store_new);
    FIND(fnvm_store_free);
    FIND(fnvm_linker_new);
    FIND(fnvm_linker_free);
    FIND(fnvm_linker_instantiate);
    FIND(fnvm_instance_export);
    FIND(fnvm_func_call_slots);
    FIND(fnvm_error_trap);
    FIND(fnvm_error_free);
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_extern f;
    if (p_fnvm_engine_new(NULL, &engine) ||
        p_fnvm_module_new(engine, guest, strlen(guest), &module) ||
        p_fnvm_store_new(engine, &store) || p_fnvm_linker_new(store, &linker) ||
        p_fnvm_linker_instantiate(linker, module, &instance) ||
        !p_fnvm_instance_export(instance, "f", 1, &f))
        return 2;
    fnvm_error *error = p_fnvm_func_call_slots(store, f, NULL);
    const int trapped = error && p_fnvm_error_trap(error) == FNVM_TRAP_MEMORY_OUT_OF_BOUNDS;
    p_fnvm_error_free(error);
    p_fnvm_linker_free(linker), p_fnvm_store_free(store);
    p_fnvm_module_release(module), p_fnvm_engine_free(engine);
    return dlclose(library) || !trapped;
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_fault};
    if (argc < 2 || sigaction(SIGSEGV, &action, NULL) || own_fault()) return 1;
    for (int i = 0; i < 2; i++)
        if (use(argv[1]) || own_fault()) return 1;
    return 0;
}
