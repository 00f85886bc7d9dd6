/* Guests that want too much: memory, stack, instructions and time, each with its limit.
 *
 *     cc limits.c $(pkg-config --cflags --libs --static fnvm) && ./a.out */
#define _POSIX_C_SOURCE 200809L
#include <fnvm.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char guest[] =
    "(module (memory 1)"
    "  (func (export \"grows\") (result i32) (local $pages i32)"
    "    (loop $more (if (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0))"
    "      (then (br $more)))) (memory.size))"
    "  (func $deep (export \"recurses\") (result i32) (i32.add (call $deep) (i32.const 1)))"
    "  (func (export \"spins\") (result i32) (loop $l (br $l)) (i32.const 0))"
    "  (func (export \"counts\") (result i32) (local $i i32)"
    "    (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))"
    "      (i32.const 1000)))) (local.get $i)))";

static void must(fnvm_error *e)
{
    if (!e) return;
    fprintf(stderr, "%s\n", fnvm_error_message(e));
    exit(1);
}

/* The only function that may be called while the guest runs on another thread, or from a signal
 * handler. */
static void *stop_soon(void *store)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    fnvm_store_interrupt(store);
    return NULL;
}

static void run(fnvm_store *store, fnvm_instance *instance, const char *name)
{
    fnvm_extern func;
    fnvm_val result;
    if (!fnvm_instance_export(instance, name, strlen(name), &func)) exit(1);
    fnvm_error *e = fnvm_func_call(store, func, NULL, 0, &result, 1);
    if (!e) printf("%s: %d\n", name, (int)result.of.i32);
    else printf("%s: %s\n", name, fnvm_trap_text(fnvm_error_trap(e)));
    fnvm_error_free(e);
}

int main(void)
{
    fnvm_config config;
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    pthread_t timer;

    fnvm_config_default(&config); /* every limit is finite already */
    config.max_memory_bytes = 10 << 20;
    config.max_stack_bytes = 256 << 10;
    config.fuel = true; /* counting costs compiled code some of its speed */
    must(fnvm_engine_new(&config, &engine));
    must(fnvm_module_new(engine, guest, strlen(guest), &module));
    must(fnvm_store_new(engine, &store));
    must(fnvm_linker_new(store, &linker));
    must(fnvm_linker_instantiate(linker, module, &instance));

    run(store, instance, "grows"); /* pages: of 64 KiB */
    run(store, instance, "recurses");

    fnvm_store_set_fuel(store, 20000);
    run(store, instance, "counts");
    printf("  used %d instructions\n", 20000 - (int)fnvm_store_fuel(store));
    run(store, instance, "spins");
    printf("  and left %d\n", (int)fnvm_store_fuel(store));

    fnvm_store_set_fuel(store, UINT64_MAX);
    if (pthread_create(&timer, NULL, stop_soon, store) != 0) return 1;
    run(store, instance, "spins");
    pthread_join(timer, NULL);
    run(store, instance, "counts"); /* an interrupt stays until it is cleared */
    fnvm_store_clear_interrupt(store);
    run(store, instance, "counts");

    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    return 0;
}
