/* What one engine has made, another finds in files: compiled code in a cache, and a guest that has
 * started up in an image.
 *
 *     cc serialization.c $(pkg-config --cflags --libs --static fnvm) && ./a.out */
#define _XOPEN_SOURCE 700
#include <fnvm.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Its start-up is a loop; what it has computed lies in its memory. */
static const char guest[] =
    "(module (memory (export \"memory\") 1)"
    "  (func (export \"start\") (local $i i32)"
    "    (loop $next (i32.store (i32.shl (local.get $i) (i32.const 2))"
    "        (i32.mul (local.get $i) (local.get $i)))"
    "      (local.set $i (i32.add (local.get $i) (i32.const 1)))"
    "      (br_if $next (i32.lt_u (local.get $i) (i32.const 1000)))))"
    "  (func (export \"square\") (param i32) (result i32)"
    "    (i32.load (i32.shl (local.get 0) (i32.const 2)))))";

static void must(fnvm_error *e)
{
    if (!e) return;
    fprintf(stderr, "%s\n", fnvm_error_message(e));
    exit(1);
}

static uint32_t call(fnvm_store *store, fnvm_instance *instance, const char *name, uint32_t arg)
{
    fnvm_extern func;
    fnvm_slot slots[1] = {{.i32 = arg}};
    if (!fnvm_instance_export(instance, name, strlen(name), &func)) exit(1);
    must(fnvm_func_call_slots(store, func, slots));
    return slots[0].i32;
}

static fnvm_engine *engine_with_cache(const char *dir)
{
    fnvm_config config;
    fnvm_engine *engine;
    fnvm_config_default(&config);
    config.code_cache = dir;
    must(fnvm_engine_new(&config, &engine));
    return engine;
}

/* Starts the guest and freezes it.  Code is written when the module is freed. */
static void make_files(const char *dir, const char *image)
{
    fnvm_engine *engine = engine_with_cache(dir);
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    must(fnvm_module_new(engine, guest, strlen(guest), &module));
    must(fnvm_store_new(engine, &store));
    must(fnvm_linker_new(store, &linker));
    must(fnvm_linker_instantiate(linker, module, &instance));
    call(store, instance, "start", 0);
    must(fnvm_store_freeze(store, &(fnvm_freeze){.path = image, .main = instance,
                                                 .linker = linker}));
    printf("frozen: the square of 12 is %u\n", (unsigned)call(store, instance, "square", 12));
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
}

/* As another process would: nothing is compiled or started up again. */
static void use_files(const char *dir, const char *path)
{
    fnvm_engine *engine = engine_with_cache(dir);
    fnvm_image *image;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    must(fnvm_image_open(engine, path, NULL, &image)); /* it has the module with it */
    must(fnvm_store_new(engine, &store));
    must(fnvm_linker_new(store, &linker));
    must(fnvm_image_restore(image, linker, NULL, &instance));
    printf("restored: the square of 999 is %u\n", (unsigned)call(store, instance, "square", 999));
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_image_release(image);
    fnvm_engine_free(engine);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

int main(void)
{
    char dir[] = "/tmp/fnvm-example-XXXXXX", image[64];
    if (!mkdtemp(dir)) return 1;
    snprintf(image, sizeof image, "%s/guest.fnvmi", dir);
    make_files(dir, image);
    use_files(dir, image);
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
