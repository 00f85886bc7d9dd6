/* The guest's memory in the host's hands: texts in and out, a view that stays good while the memory
 * grows, and addresses that are wrong.
 *
 *     cc memory.c $(pkg-config --cflags --libs --static fnvm) && ./a.out */
#include <fnvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* allocate(n) gives n bytes; upper(at, len) changes letters in place; report tells the host. */
static const char guest[] =
    "(module (import \"host\" \"log\" (func $log (param i32 i32)))"
    "  (memory (export \"memory\") 1 16) (global $free (mut i32) (i32.const 64))"
    "  (data (i32.const 16) \"greetings from the guest\")"
    "  (func (export \"allocate\") (param $n i32) (result i32) (global.get $free)"
    "    (global.set $free (i32.add (global.get $free) (local.get $n))))"
    "  (func (export \"upper\") (param $at i32) (param $len i32) (local $c i32)"
    "    (loop $next (local.set $c (i32.load8_u (local.get $at)))"
    "      (if (i32.lt_u (i32.sub (local.get $c) (i32.const 97)) (i32.const 26))"
    "        (then (i32.store8 (local.get $at) (i32.sub (local.get $c) (i32.const 32)))))"
    "      (local.set $at (i32.add (local.get $at) (i32.const 1)))"
    "      (br_if $next (local.tee $len (i32.sub (local.get $len) (i32.const 1))))))"
    "  (func (export \"report\") (call $log (i32.const 16) (i32.const 24)))"
    "  (func (export \"lie\") (call $log (i32.const -8) (i32.const 100))))";

static void must(fnvm_error *e)
{
    if (!e) return;
    fprintf(stderr, "%s\n", fnvm_error_message(e));
    exit(1);
}

/* Every address that comes from a guest is checked against its memory. */
static fnvm_error *host_log(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    const uint64_t at = slots[0].i32, len = slots[1].i32;
    uint8_t *base;
    uint64_t size;
    (void)env;
    if (!fnvm_caller_memory(caller, &base, &size) || at > size || len > size - at)
        return fnvm_error_trap_new(FNVM_TRAP_HOST, "log was given bytes outside of the memory");
    printf("log: %.*s\n", (int)len, (const char *)base + at);
    return NULL;
}

static fnvm_extern find(fnvm_instance *instance, const char *name)
{
    fnvm_extern e;
    if (fnvm_instance_export(instance, name, strlen(name), &e)) return e;
    fprintf(stderr, "no export %s\n", name);
    exit(1);
}

int main(void)
{
    static const char text[] = "a text of the host's";
    const uint32_t len = sizeof text - 1;
    char back[sizeof text] = "";
    fnvm_engine *engine;
    fnvm_module *module;
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_instance *instance;
    fnvm_slot slots[2] = {{.i32 = len}};

    must(fnvm_engine_new(NULL, &engine));
    must(fnvm_module_new(engine, guest, strlen(guest), &module));
    must(fnvm_store_new(engine, &store));
    must(fnvm_linker_new(store, &linker));
    must(fnvm_linker_define_func(linker, "host", "log", "i32 i32 ->", host_log, NULL));
    must(fnvm_linker_instantiate(linker, module, &instance));
    const fnvm_extern memory = find(instance, "memory");

    must(fnvm_func_call_slots(store, find(instance, "allocate"), slots));
    const uint32_t at = slots[0].i32;
    if (!fnvm_memory_write(store, memory, at, text, len)) return 1;
    slots[1].i32 = len;
    must(fnvm_func_call_slots(store, find(instance, "upper"), slots));
    if (!fnvm_memory_read(store, memory, at, back, len)) return 1;
    printf("%s\n", back);

    /* A view: no copies, and the base stays where it is. */
    const uint8_t *view = fnvm_memory_base(store, memory);
    uint64_t pages;
    if (!fnvm_memory_grow(store, memory, 3, &pages)) return 1;
    printf("grown from %d page to %d; the view still says %.6s\n", (int)pages,
           (int)(fnvm_memory_size(store, memory) / fnvm_memory_page_size(store, memory)),
           (const char *)view + at);
    printf("100 pages more: %s\n", fnvm_memory_grow(store, memory, 100, NULL) ? "yes" : "no");

    must(fnvm_func_call(store, find(instance, "report"), NULL, 0, NULL, 0));
    fnvm_error *e = fnvm_func_call(store, find(instance, "lie"), NULL, 0, NULL, 0);
    printf("error: %s\n", e ? fnvm_error_message(e) : "none");
    fnvm_error_free(e);

    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    return 0;
}
