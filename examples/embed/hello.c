/* The C API in one page: a guest function that calls a host function.
 *
 *     cc hello.c $(pkg-config --cflags --libs --static fnvm) && ./a.out */
#include <fnvm.h>
#include <stdio.h>
#include <string.h>

static const char guest[] =
    "(module"
    "  (import \"host\" \"print\" (func $print (param i32)))"
    "  (func (export \"square\") (param $n i32) (result i32)"
    "    (call $print (local.get $n))"
    "    (i32.mul (local.get $n) (local.get $n))))";

static fnvm_error *host_print(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller;
    printf("%s %d\n", (const char *)env, (int)slots[0].i32);
    return NULL;
}

static fnvm_error *run(fnvm_module *module, fnvm_store *store, fnvm_linker *linker, int32_t n)
{
    static char greeting[] = "the guest says";
    fnvm_instance *instance;
    fnvm_extern square;
    fnvm_val argument = {.kind = FNVM_I32, .of.i32 = n}, result;

    fnvm_error *e = fnvm_linker_define_func(linker, "host", "print", "i32 ->", host_print, greeting);
    if (!e) e = fnvm_linker_instantiate(linker, module, &instance);
    if (e) return e;
    if (!fnvm_instance_export(instance, "square", strlen("square"), &square))
        return fnvm_error_new(FNVM_E_NOT_FOUND, "no export `square`");
    e = fnvm_func_call(store, square, &argument, 1, &result, 1);
    if (!e) printf("%d squared is %d\n", (int)n, (int)result.of.i32);
    return e;
}

int main(void)
{
    fnvm_engine *engine = NULL;
    fnvm_module *module = NULL;
    fnvm_store *store = NULL;
    fnvm_linker *linker = NULL;

    fnvm_error *e = fnvm_engine_new(NULL, &engine);
    if (!e) e = fnvm_module_new(engine, guest, strlen(guest), &module);
    if (!e) e = fnvm_store_new(engine, &store);
    if (!e) e = fnvm_linker_new(store, &linker);
    if (!e) e = run(module, store, linker, 12);
    if (e) fprintf(stderr, "%s\n", fnvm_error_message(e));

    int status = e ? 1 : 0;
    fnvm_error_free(e);
    if (linker) fnvm_linker_free(linker);
    if (store) fnvm_store_free(store);
    if (module) fnvm_module_release(module);
    if (engine) fnvm_engine_free(engine);
    return status;
}
