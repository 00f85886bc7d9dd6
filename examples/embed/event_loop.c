/* Thousands of guests that wait, on one thread: each sleeps again and again in a host function, that
 * leaves it waiting and puts it on a wheel of timers; the loop lets those go on that are due.
 *
 *     cc event_loop.c $(pkg-config --cflags --libs --static fnvm) && ./a.out */
#include <fnvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sleeps n, n + 1, n + 2 ticks, and says for how long it slept in all. */
static const char guest[] =
    "(module (import \"host\" \"sleep\" (func $sleep (param i32) (result i32)))"
    "  (func (export \"run\") (param $n i32) (result i32)"
    "    (i32.add (i32.add (call $sleep (local.get $n))"
    "        (call $sleep (i32.add (local.get $n) (i32.const 1))))"
    "      (call $sleep (i32.add (local.get $n) (i32.const 2))))))";

enum { GUESTS = 3000, SLOTS = 64 }; /* of the wheel; a guest sleeps for fewer ticks */

typedef struct Guest {
    struct Loop *loop;
    fnvm_store *store;
    fnvm_linker *linker;
    uint32_t ticks;           /* that it asked to sleep */
    struct Guest *next;       /* on the wheel */
} Guest;

typedef struct Loop {
    Guest *wheel[SLOTS];
    uint32_t now;             /* a tick; a real loop would wait in epoll_wait between two */
    uint32_t running, resumed;
    uint64_t slept;
} Loop;

static void must(fnvm_error *e)
{
    if (!e) return;
    fprintf(stderr, "%s\n", fnvm_error_message(e));
    exit(1);
}

/* Returns at once: its own frame is gone while the guest waits. */
static fnvm_error *host_sleep(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    Guest *g = env;
    Guest **slot = &g->loop->wheel[(g->loop->now + slots[0].i32) % SLOTS];
    g->ticks = slots[0].i32;
    g->next = *slot;
    *slot = g;
    return fnvm_caller_suspend(caller, FNVM_WAKE_RETURN);
}

/* What a call of the guest's has come to: it waits again, or it has ended. */
static void after(Guest *g, fnvm_error *e, int32_t result)
{
    if (fnvm_error_code(e) == FNVM_E_SUSPENDED) return; /* nothing to be freed */
    must(e);
    g->loop->slept += (uint32_t)result;
    g->loop->running--;
    fnvm_linker_free(g->linker);
    fnvm_store_free(g->store);
}

static void start(Guest *g, Loop *loop, fnvm_engine *engine, fnvm_module *module, uint32_t n)
{
    fnvm_instance *instance;
    fnvm_extern run;
    fnvm_slot slots[1] = {{.i32 = n}};
    *g = (Guest){.loop = loop};
    must(fnvm_store_new(engine, &g->store));
    must(fnvm_linker_new(g->store, &g->linker));
    must(fnvm_linker_define_func(g->linker, "host", "sleep", "i32 -> i32", host_sleep, g));
    must(fnvm_linker_instantiate(g->linker, module, &instance));
    if (!fnvm_instance_export(instance, "run", 3, &run)) exit(1);
    loop->running++;
    fnvm_error *e = fnvm_func_call_slots(g->store, run, slots);
    after(g, e, (int32_t)slots[0].i32);
}

static void tick(Loop *loop)
{
    Guest **slot = &loop->wheel[++loop->now % SLOTS], *due = *slot;
    *slot = NULL;
    for (Guest *g = due, *next; g; g = next) {
        const fnvm_slot answer = {.i32 = g->ticks};
        fnvm_val result;
        next = g->next; /* the guest may be put on the wheel again */
        loop->resumed++;
        fnvm_error *e = fnvm_store_resume_with(g->store, &answer, &result, 1);
        after(g, e, e ? 0 : result.of.i32);
    }
}

int main(void)
{
    static Guest guests[GUESTS];
    static Loop loop;
    fnvm_engine *engine;
    fnvm_module *module;

    must(fnvm_engine_new(NULL, &engine));
    must(fnvm_module_new(engine, guest, strlen(guest), &module));
    for (uint32_t i = 0; i < GUESTS; i++) start(&guests[i], &loop, engine, module, 1 + i % 50);
    printf("%u guests wait on one thread\n", (unsigned)loop.running);
    while (loop.running) tick(&loop);
    printf("after %u ticks and %u times going on all have ended\n", (unsigned)loop.now,
           (unsigned)loop.resumed);
    printf("they slept for %u ticks\n", (unsigned)loop.slept);
    fnvm_module_release(module);
    fnvm_engine_free(engine);
    return 0;
}
