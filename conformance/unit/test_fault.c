/* Faults in compiled code, and in everything else: what becomes a trap and what goes to the handler
 * that was there before.  Code here is a few bytes in a segment of a bare store; the memory's only
 * accessible page is its first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "jit/fault.h"
#include "jit/points.h"
#include "jit/runtime.h"
#include "jit/segment.h"

uint32_t jit_enter(GuestCpu *); /* stubs.S */
extern const uint8_t stub_fault[];

enum { SMALL_MEMORY = 1 << 20, ELSEWHERE = 0xE15E };
static const uint64_t FIRST = UINT64_C(8) << 30, GUARD = 64 * 1024;

/* Two memories: of 32 bits, and behind it one of 64 bits that may grow to SMALL_MEMORY. */
typedef struct World {
    fnvm_engine engine;
    Module module;
    Range body;
    FuncCode verified;
    _Atomic(const FuncCode *) code;
    Store store;
    Instance *instances[2];
    MemoryRef memories[2];
    MemoryState states[2];
    uint8_t *region, *stack;
    size_t page, region_size;
} World;

enum { STACK_BYTES = 64 * 1024 };

/* Memory 0 is read at rdi, in the first instruction; then nothing but a poll in a loop. */
static const uint8_t code[] = {
    0x49, 0x8B, 0x04, 0x3E,       /*  0: mov rax, [r14 + rdi] */
    0x41, 0x84, 0x47, 0x80,       /*  4: test [r15 - 128], al */
    0xEB, 0xFA,                   /*  8: jmp 4 */
    0x49, 0x8B, 0x04, 0x3E,       /* 10: mov rax, [r14 + rdi], which is no point */
};

static void open_segment(World *w)
{
    static const uint8_t lazy_stub;
    PointWriter p = {0};
    points_start(&p, w->verified.start);
    points_add(&p, 0, w->body.start + 1, 0);
    points_add(&p, 4, w->body.start + 2, 0);
    assert_null(segment_new(&w->module, &lazy_stub, &w->module.segment));
    segment_lock(w->module.segment);
    assert_true(segment_add(w->module.segment,
                            &(Compiled){.code = code, .code_size = sizeof code,
                                        .points = p.bytes, .points_size = p.size}));
    segment_unlock(w->module.segment);
    points_free(&p);
}

static World *world_open(void)
{
    World *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->page = (size_t)sysconf(_SC_PAGESIZE);
    w->region_size = 2 * w->page + FIRST + GUARD + SMALL_MEMORY + GUARD;
    w->region = mmap(NULL, w->region_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                     -1, 0);
    w->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(w->region != MAP_FAILED && w->stack != MAP_FAILED);
    assert_int_equal(mprotect(w->region, 3 * w->page, PROT_READ | PROT_WRITE), 0);
    Instance *inst = w->instances[1] = (Instance *)(void *)(w->region + w->page);
    w->memories[0] = (MemoryRef){w->region + 2 * w->page, &w->states[0], inst, 0};
    w->memories[1] = (MemoryRef){w->region + 2 * w->page + FIRST + GUARD, &w->states[1], inst, 1};
    w->states[0] = (MemoryState){w->page, UINT64_C(1) << 32, 16, false};
    w->states[1] = (MemoryState){0, SMALL_MEMORY, 16, true};

    assert_null(code_space_new(&w->engine.code_space));
    w->body = (Range){100, 200};
    w->verified.start = w->body.start;
    atomic_init(&w->code, &w->verified);
    w->module = (Module){.engine = &w->engine, .nfuncs = 1, .bodies = &w->body, .code = &w->code,
                         .nmemories = 2};
    open_segment(w);
    w->store.engine = &w->engine;
    w->store.instances = w->instances;
    w->store.ninstances = 2;
    inst->links.memory = w->memories[0].base;
    inst->links.cpu = &w->store.cpu;
    inst->id = 1;
    inst->module = &w->module;
    inst->memories = w->memories;
    inst->store = &w->store;
    return w;
}

static void world_close(World *w)
{
    segment_free(w->module.segment);
    code_space_free(w->engine.code_space);
    munmap(w->region, w->region_size);
    munmap(w->stack, STACK_BYTES);
    free(w);
}

/* Enters the code at `offset` with `address` to read, and returns the trap.  It never returns by
 * itself. */
static uint32_t run(World *w, uint32_t offset, uint64_t address)
{
    GuestCpu *cpu = &w->store.cpu;
    uint8_t *sp = w->stack + STACK_BYTES / 2;
    const uint8_t *start = segment_entries(w->module.segment)[0];
    cpu->sp = sp;
    cpu->fp = w->stack + JIT_FP_BIAS;
    cpu->instance = w->instances[1];
    cpu->resume = start + offset;
    cpu->ints[0] = address;
    cpu->trap = FNVM_TRAP_NONE;
    Store *before = fault_run_begin(&w->store);
    assert_int_equal(jit_enter(cpu), JIT_TRAP);
    fault_run_end(before);
    if (cpu->trap == ELSEWHERE) return ELSEWHERE;
    CodePoint point;
    const void *at;
    memcpy(&at, cpu->sp, sizeof at);
    assert_ptr_equal(cpu->sp, sp - 8);
    assert_ptr_equal(cpu->fp, w->stack + JIT_FP_BIAS);
    assert_ptr_equal(cpu->instance, w->instances[1]);
    assert_true(segment_find(w->module.segment, at, &point));
    assert_int_equal(point.pc, w->body.start + (cpu->trap == FNVM_TRAP_INTERRUPTED ? 2 : 1));
    return cpu->trap;
}

/* The handler that was there before: lets the code end, and counts. */
static volatile sig_atomic_t called;
static World *elsewhere;

static void handler_before(int signal, siginfo_t *info, void *context)
{
    sigset_t mask;
    called++;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    assert_true(sigismember(&mask, signal)); /* as it would have been without ours */
    if (info->si_code <= 0) return;
    ucontext_t *u = context;
    elsewhere->store.cpu.trap = ELSEWHERE;
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)stub_fault;
}

/* Installs both.  For each test: around each, the framework puts its own in their place. */
static World *begin(void)
{
    struct sigaction action = {.sa_sigaction = handler_before, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
    assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
    assert_null(fault_handler_install());
    assert_null(fault_handler_install());
    called = 0;
    return elsewhere = world_open();
}

static void accesses_beyond_a_memory_trap(void **state)
{
    (void)state;
    World *w = begin();
    const uint64_t offsets[] = {w->page, UINT32_MAX, FIRST - 1, FIRST + GUARD - 8};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        assert_int_equal(run(w, 0, offsets[i]), FNVM_TRAP_MEMORY_OUT_OF_BOUNDS);
    uint64_t second = (uint64_t)(w->memories[1].base - w->memories[0].base);
    assert_int_equal(run(w, 0, second), FNVM_TRAP_MEMORY_OUT_OF_BOUNDS);
    assert_int_equal(run(w, 0, second + SMALL_MEMORY), FNVM_TRAP_MEMORY_OUT_OF_BOUNDS);
    assert_int_equal(called, 0);
    world_close(w);
}

static void a_truncated_file_under_a_memory_traps(void **state)
{
    (void)state;
    World *w = begin();
    FILE *f = tmpfile();
    assert_non_null(f);
    uint8_t *at = w->memories[0].base + 16 * w->page;
    void *p = mmap(at, w->page, PROT_READ, MAP_SHARED | MAP_FIXED, fileno(f), 0);
    assert_ptr_equal(p, at);
    assert_int_equal(run(w, 0, 16 * w->page), FNVM_TRAP_MEMORY_OUT_OF_BOUNDS); /* SIGBUS */
    p = mmap(at, w->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    assert_ptr_equal(p, at);
    fclose(f);
    world_close(w);
}

static void an_unreadable_poll_page_interrupts(void **state)
{
    (void)state;
    World *w = begin();
    assert_int_equal(mprotect(w->region, w->page, PROT_NONE), 0);
    assert_int_equal(run(w, 4, 0), FNVM_TRAP_INTERRUPTED);
    assert_int_equal(run(w, 0, 8), FNVM_TRAP_INTERRUPTED); /* after a read that is fine */
    assert_int_equal(mprotect(w->region, w->page, PROT_READ), 0);
    world_close(w);
}

/* What would be a fault of ours must not look like one of the guest's. */
static void other_faults_go_to_the_handler_before(void **state)
{
    (void)state;
    World *w = begin();
    const uint8_t *base = w->memories[0].base;
    assert_int_equal(run(w, 10, w->page), ELSEWHERE);               /* not a point */
    assert_int_equal(run(w, 0, -(uint64_t)(uintptr_t)base), ELSEWHERE); /* address 0 */
    assert_int_equal(run(w, 0, UINT64_C(1) << 62), ELSEWHERE);      /* no address at all */
    const uint8_t *reserved = (const uint8_t *)segment_entries(w->module.segment) + (1 << 30);
    assert_int_equal(run(w, 0, (uint64_t)(reserved - base)), ELSEWHERE); /* somebody else's */
    w->store.ninstances = 1;                                        /* not of this store */
    assert_int_equal(run(w, 0, w->page), ELSEWHERE);
    w->store.ninstances = 2;
    assert_int_equal(called, 5);
    raise(SIGSEGV);
    raise(SIGBUS);
    assert_int_equal(called, 7);
    world_close(w);
}

static void runs_nest(void **state)
{
    (void)state;
    World *w = begin();
    Store other = {0};
    Store *before = fault_run_begin(&other);
    assert_null(before);
    assert_int_equal(run(w, 0, w->page), FNVM_TRAP_MEMORY_OUT_OF_BOUNDS);
    assert_ptr_equal(fault_run_begin(NULL), &other);
    fault_run_end(NULL);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accesses_beyond_a_memory_trap),
        cmocka_unit_test(a_truncated_file_under_a_memory_traps),
        cmocka_unit_test(an_unreadable_poll_page_interrupts),
        cmocka_unit_test(other_faults_go_to_the_handler_before),
        cmocka_unit_test(runs_nest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
