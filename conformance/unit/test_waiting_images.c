/* Guests that wait in host functions, and images: frozen while they wait, woken in either engine, left
 * waiting there, frozen again from there, reset. */
#include <stdio.h>

#include "conformance/unit/image_suspended.h"

/* What host.freeze does here: wait, as the world's `wake` says, once; then return `value`. */
typedef struct Waiter {
    World *world;
    bool waits;               /* the next call leaves the guest waiting */
    bool always;              /* so does every call */
    bool freezes;             /* it writes an image instead, and goes on */
    unsigned calls;
} Waiter;

static fnvm_error *wait_here(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    Waiter *h = env;
    World *w = h->world;
    h->calls++;
    if (h->always) h->waits = h->calls % 2;
    if (h->waits) {
        if (w->wake == FNVM_WAKE_REPEAT) h->waits = false;
        return fnvm_caller_suspend(caller, w->wake);
    }
    if (h->freezes) {
        fnvm_freeze how = {.path = w->path, .main = fnvm_caller_instance(caller),
                           .linker = w->linker, .no_sync = true, .wake = FNVM_WAKE_REPEAT};
        must(fnvm_caller_freeze(caller, &how));
    }
    assert_int_equal(slots[0].i32, 21);
    slots[0].i32 = (uint32_t)w->value;
    return NULL;
}

/* The world's own store, whose guest waits in a recursion. */
static void wait_deep(World *w, Waiter *h, const fnvm_config *config, fnvm_wake wake)
{
    world_open(w, config);
    *h = (Waiter){.world = w, .waits = true};
    w->wake = wake;
    w->value = 70;
    must(fnvm_linker_define_func(w->linker, "host", "freeze", "i32 -> i32", wait_here, h));
    instantiate(w, suspended_program());
    fnvm_error *error = call(w->store, w->instance, "run", DEEP, NULL);
    assert_int_equal(fnvm_error_code(error), FNVM_E_SUSPENDED);
}

static void copy_waiter(World *w, fnvm_image *image, Waiter *h, Copy *c)
{
    must(fnvm_store_new(w->engine, &c->store));
    must(fnvm_linker_new(c->store, &c->linker));
    must(define_hosts(w, c->linker));
    must(fnvm_linker_define_func(c->linker, "host", "freeze", "i32 -> i32", wait_here, h));
    must(fnvm_image_restore(image, c->linker, NULL, &c->main));
}

static void goes_on(fnvm_store *store, fnvm_wake wake, int32_t value)
{
    fnvm_val result;
    const fnvm_slot answer = {.i32 = (uint32_t)value};
    must(wake == FNVM_WAKE_REPEAT ? fnvm_store_resume(store, &result, 1)
                                  : fnvm_store_resume_with(store, &answer, &result, 1));
    assert_int_equal(result.of.i32, suspended_result(DEEP, value));
}

static void waits_again(fnvm_store *store)
{
    fnvm_val result;
    fnvm_error *error = fnvm_store_resume(store, &result, 1);
    assert_int_equal(fnvm_error_code(error), FNVM_E_SUSPENDED);
    assert_true(fnvm_store_suspended(store));
}

static fnvm_image *freeze_waiting(World *w)
{
    fnvm_image *image;
    fnvm_freeze how = {.path = w->path, .main = w->instance, .linker = w->linker, .no_sync = true,
                       .value = 5};
    must(fnvm_store_freeze(w->store, &how));
    assert_true(fnvm_store_suspended(w->store));
    must(open_image(w, &image));
    assert_true(fnvm_image_suspended(image));
    return image;
}

/* The image's guest waits as this one does; both go on, in any order. */
static void waiting_guests_are_frozen(void **state, fnvm_wake wake)
{
    World w;
    Waiter here, there;
    Copy c;
    fnvm_val result;
    const fnvm_config config = config_of(state);
    wait_deep(&w, &here, &config, wake);
    fnvm_image *image = freeze_waiting(&w);
    goes_on(w.store, wake, 70);
    there = (Waiter){.world = &w};
    copy_waiter(&w, image, &there, &c);
    must(fnvm_store_resume(c.store, &result, 1));
    assert_int_equal(result.of.i32, suspended_result(DEEP, wake == FNVM_WAKE_REPEAT ? 70 : 5));
    assert_int_equal(there.calls, wake == FNVM_WAKE_REPEAT);
    copy_close(&c);
    fnvm_image_release(image);
    world_close(&w);
}

static void test_repeating_frozen(void **state) { waiting_guests_are_frozen(state, FNVM_WAKE_REPEAT); }
static void test_answered_frozen(void **state) { waiting_guests_are_frozen(state, FNVM_WAKE_RETURN); }

/* From an image into waiting, by the other engine; from there into an image, and so on. */
static void test_from_image_to_image(void **state)
{
    World w, other;
    Waiter here, there;
    Copy c;
    const fnvm_config config = config_of(state);
    fnvm_config swapped = config;
    swapped.engine = config.engine == FNVM_ENGINE_JIT ? FNVM_ENGINE_INTERPRETER : FNVM_ENGINE_JIT;
    wait_deep(&w, &here, &config, FNVM_WAKE_REPEAT);
    fnvm_image_release(freeze_waiting(&w));
    world_open(&other, &swapped);
    load(&other, suspended_program());
    strcpy(other.path, w.path);
    for (int i = 0; i < 3; i++) {
        World *to = i % 2 ? &w : &other;
        fnvm_image *image;
        must(open_image(to, &image));
        there = (Waiter){.world = to, .waits = true};
        to->wake = FNVM_WAKE_REPEAT;
        to->value = 70;
        copy_waiter(to, image, &there, &c);
        waits_again(c.store);
        fnvm_freeze how = {.path = w.path, .main = c.main, .linker = c.linker, .no_sync = true};
        must(fnvm_store_freeze(c.store, &how));
        /* It goes on, and is frozen once more in the host function that it had waited in. */
        there.freezes = true;
        fnvm_linker *own = to->linker;
        to->linker = c.linker;
        goes_on(c.store, FNVM_WAKE_REPEAT, 70);
        to->linker = own;
        copy_close(&c);
        fnvm_image_release(image);
    }
    goes_on(w.store, FNVM_WAKE_REPEAT, 70);
    snprintf(other.path, sizeof other.path, "%s/none", other.dir);
    world_close(&other);
    world_close(&w);
}

/* Whatever it waits in, a reset makes it the image again. */
static void test_reset_while_waiting(void **state)
{
    World w;
    Waiter here, there;
    Copy c;
    const fnvm_config config = config_of(state);
    wait_deep(&w, &here, &config, FNVM_WAKE_REPEAT);
    fnvm_image *image = freeze_waiting(&w);
    there = (Waiter){.world = &w};
    copy_waiter(&w, image, &there, &c);
    const ImageHash before = whole(c.store);
    for (int i = 0; i < 4; i++) {
        there.waits = true;
        waits_again(c.store);
        if (i % 2) fnvm_store_abandon(c.store);
        must(fnvm_store_reset(c.store));
        assert_false(fnvm_store_suspended(c.store));
        assert_true(same(whole(c.store), before));
    }
    there.waits = false;
    goes_on(c.store, FNVM_WAKE_REPEAT, 70);
    copy_close(&c);
    fnvm_image_release(image);
    world_close(&w);
}

/* ---- Several instances ---- */

static bool is_wanted(void *env, uint32_t func) { return func % 2 == *(const uint32_t *)env; }

/* Frames of two modules, some compiled and some not, with tail calls from one into the other. */
static void test_across_instances(void **state)
{
    static const char inner[] =
        "(module (import \"host\" \"freeze\" (func $f (param i32) (result i32)))"
        " (memory 1) (func $leaf (param i32) (result i32) (return_call $f (i32.const 21)))"
        " (func (export \"in\") (param i32) (result i32)"
        "  (i32.store (i32.const 0) (local.get 0))"
        "  (i32.add (call $leaf (local.get 0)) (i32.load (i32.const 0))))"
        " (func (export \"tail\") (param i32) (result i32) (return_call $f (i32.const 21))))";
    static const char outer[] =
        "(module (import \"o\" \"in\" (func $in (param i32) (result i32)))"
        " (import \"o\" \"tail\" (func $t (param i32) (result i32))) (memory 1)"
        " (func $over (param i32) (result i32) (return_call $t (local.get 0)))"
        " (func (export \"run\") (param $n i32) (result i32) (local $sum i32)"
        "  (loop $l (local.set $sum (i32.add (local.get $sum) (i32.add (call $in (local.get $n))"
        "     (call $over (local.get $n)))))"
        "   (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))"
        "  (local.get $sum)))";
    for (uint32_t parity = 0; parity < 3; parity++) {
        World w;
        fnvm_config config = config_of(state);
        fnvm_val result;
        unsigned waited = 0;
        if (parity < 2) config.jit_filter = is_wanted;
        config.jit_filter_env = &parity;
        world_open(&w, &config);
        Waiter h = {.world = &w, .always = true};
        w.wake = FNVM_WAKE_REPEAT;
        w.value = 70;
        must(fnvm_linker_define_func(w.linker, "host", "freeze", "i32 -> i32", wait_here, &h));
        must(fnvm_linker_define_module(w.linker, "o", load(&w, inner)));
        instantiate(&w, outer);
        fnvm_error *error = call(w.store, w.instance, "run", 3, NULL);
        for (; fnvm_error_code(error) == FNVM_E_SUSPENDED; waited++) {
            fnvm_image *image = freeze_waiting(&w);
            Waiter there = {.world = &w};
            Copy c;
            copy_waiter(&w, image, &there, &c);
            must(fnvm_store_resume(c.store, &result, 1));
            assert_int_equal(result.of.i32, 6 * 70 + 3 + 2 + 1);
            copy_close(&c);
            fnvm_image_release(image);
            error = fnvm_store_resume(w.store, &result, 1);
        }
        must(error);
        assert_int_equal(waited, 6);
        assert_int_equal(result.of.i32, 6 * 70 + 3 + 2 + 1);
        world_close(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_ENGINES(test_repeating_frozen),
        BOTH_ENGINES(test_answered_frozen),
        BOTH_ENGINES(test_from_image_to_image),
        BOTH_ENGINES(test_reset_while_waiting),
        BOTH_ENGINES(test_across_instances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
