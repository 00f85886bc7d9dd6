/* A classic BPF program made from the table of narrow_calls.def.  Calls with the same rule whose
 * numbers follow each other are a range; the program looks for the range by halves, then says its
 * verdict or checks one argument.  The kernel runs it once per number when it takes it, and
 * remembers the calls that remain whatever their arguments are: these cost next to nothing
 * afterwards.  To take it costs time with each instruction, so they share what they can. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/narrow.h"

#if defined(__x86_64__)
enum { ARCHITECTURE = (int)AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
enum { ARCHITECTURE = (int)AUDIT_ARCH_AARCH64 };
#else
enum { ARCHITECTURE = 0 };
#endif

#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000U /* Linux 4.14 */
#endif

enum {
    NUMBERS = 512,             /* of system calls; higher ones are as if without a row */
    X32 = 0x40000000,          /* set in numbers of the ABI with 32-bit pointers */
    MOST_INSTRUCTIONS = 256
};
static const uint32_t TERMINAL_GET = 0x802C542A, /* TCGETS2: newer C libraries' TCGETS */
                      PAGES_GET = 0xC0606610;    /* PAGEMAP_SCAN, <linux/fs.h> of Linux 6.7 */
static const uint32_t PASS = SECCOMP_RET_ALLOW, KILL = SECCOMP_RET_KILL_PROCESS,
                      UNKNOWN = SECCOMP_RET_ERRNO | ENOSYS, REFUSE = SECCOMP_RET_ERRNO | EPERM;

typedef enum Rule {
    ABSENT, /* no row */
    LEFT,
    KILLED,
    FIRST_CHECK,
    MAPPING = FIRST_CHECK, /* not writable and executable; executable only if there is a compiler */
    PROTECTION,            /* nothing becomes executable */
    CODE_FILE,             /* files in memory, for compiled code alone */
    DESCRIPTOR,            /* fcntl: flags and copies */
    DEVICE,                /* ioctl: how much can be read, whether it is a terminal, own pages */
    THREAD,                /* clone: no new process */
    OWN_PROCESS,           /* the first argument is this process */
    OWN_LIMITS,            /* prlimit64: of whoever asks */
    RULES
} Rule;

static const uint8_t rules[NUMBERS] = {
#define CALL(name, rule) [__NR_##name] = rule,
#include "cli/narrow_calls.def"
#undef CALL
};

/* The lower word of an argument, as the kernel takes each of these: masked, and compared. */
enum { VALUES_MOST = 5 };
typedef struct Check {
    unsigned argument;
    uint32_t mask;
    unsigned nvalues;
    uint32_t values[VALUES_MOST];
    uint32_t if_one, if_none; /* verdicts */
} Check;

/* What makes a thread of the process, and what must not be made with it. */
static const uint32_t THREAD_BITS = CLONE_THREAD | CLONE_VM | CLONE_SIGHAND | CLONE_VFORK |
                                    CLONE_PTRACE | CLONE_PARENT | CLONE_NEWNS | CLONE_NEWCGROUP |
                                    CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                    CLONE_NEWNET | CLONE_IO;

static void make_checks(const NarrowNeeds *needs, Check checks[RULES])
{
    const uint32_t pid = (uint32_t)getpid(), all = UINT32_MAX;
    const uint32_t both = PROT_WRITE | PROT_EXEC;
    /* A loader that maps a library finds that it cannot. */
    checks[MAPPING] = needs->compiles
                          ? (Check){2, both, 1, {both}, KILL, PASS}
                          : (Check){2, PROT_EXEC, 1, {PROT_EXEC}, REFUSE, PASS};
    checks[PROTECTION] = (Check){2, PROT_EXEC, 1, {PROT_EXEC}, KILL, PASS};
    checks[CODE_FILE] = (Check){0, 0, 1, {0}, needs->compiles ? PASS : UNKNOWN, UNKNOWN};
    checks[DESCRIPTOR] = (Check){
        1, all, 5, {F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC}, PASS, REFUSE};
    checks[DEVICE] = (Check){
        1, all, 4, {FIONREAD, TCGETS, TERMINAL_GET, PAGES_GET}, PASS, REFUSE};
    checks[THREAD] = (Check){0, THREAD_BITS, 1, {CLONE_THREAD | CLONE_VM | CLONE_SIGHAND},
                             needs->threads ? PASS : REFUSE, KILL};
    checks[OWN_PROCESS] = (Check){0, all, 1, {pid}, PASS, REFUSE};
    checks[OWN_LIMITS] = (Check){0, all, 1, {0}, PASS, REFUSE};
}

/* ---- The program ---- */

typedef struct Range { uint32_t first; Rule rule; } Range; /* up to where the next begins */

typedef struct Program {
    struct sock_filter code[MOST_INSTRUCTIONS];
    uint32_t n;
    bool too_far;           /* a jump, or too many instructions */
    Range ranges[MOST_INSTRUCTIONS];
    uint32_t nranges;
    uint32_t end_of[RULES]; /* where what is done by a rule begins, behind the search */
} Program;

/* Jumps on a condition reach no further than their operand of eight bits. */
static void emit(Program *p, uint16_t code, uint32_t k, uint32_t if_true, uint32_t if_false)
{
    if (p->n == MOST_INSTRUCTIONS || if_true > UINT8_MAX || if_false > UINT8_MAX) p->too_far = true;
    else p->code[p->n++] = (struct sock_filter){code, (uint8_t)if_true, (uint8_t)if_false, k};
}

static void emit_load(Program *p, size_t offset)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void emit_end(Program *p, uint32_t verdict) { emit(p, BPF_RET | BPF_K, verdict, 0, 0); }

/* As many instructions as emit_check writes. */
static uint32_t check_size(const Check *c) { return c->nvalues + (c->mask == UINT32_MAX ? 3 : 4); }

static void emit_check(Program *p, const Check *c)
{
    emit_load(p, offsetof(struct seccomp_data, args) + 8 * (size_t)c->argument);
    if (c->mask != UINT32_MAX) emit(p, BPF_ALU | BPF_AND | BPF_K, c->mask, 0, 0);
    for (unsigned i = 0; i < c->nvalues; i++)
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, c->values[i], c->nvalues - i, 0);
    emit_end(p, c->if_none);
    emit_end(p, c->if_one);
}

/* How far from the instruction behind the next to where ranges `from` to `to` are told apart; that
 * begins at `at` if there are several. */
static uint32_t leap(const Program *p, uint32_t from, uint32_t to, uint32_t at)
{
    return (to - from == 1 ? p->end_of[p->ranges[from].rule] : at) - (p->n + 1);
}

/* Tells ranges `from` to `to` apart: one instruction less than there are ranges. */
static void emit_search(Program *p, uint32_t from, uint32_t to)
{
    const uint32_t half = from + (to - from) / 2;
    if (to - from < 2) return;
    const uint32_t lower = p->n + 1, upper = lower + (half - from - 1);
    emit(p, BPF_JMP | BPF_JGE | BPF_K, p->ranges[half].first, leap(p, half, to, upper),
         leap(p, from, half, lower));
    emit_search(p, from, half);
    emit_search(p, half, to);
}

static void add_range(Program *p, uint32_t first, Rule rule)
{
    if (p->nranges == MOST_INSTRUCTIONS) p->too_far = true;
    else if (p->nranges == 0 || p->ranges[p->nranges - 1].rule != rule)
        p->ranges[p->nranges++] = (Range){first, rule};
}

/* Behind the search lie the verdicts and the checks. */
static void place_ends(Program *p, uint32_t at, const Check checks[RULES])
{
    for (uint32_t rule = 0; rule < RULES; rule++) {
        p->end_of[rule] = at;
        at += rule < FIRST_CHECK ? 1 : check_size(&checks[rule]);
    }
}

static void emit_ends(Program *p, const Check checks[RULES])
{
    emit_end(p, UNKNOWN);
    emit_end(p, PASS);
    emit_end(p, KILL);
    for (uint32_t rule = FIRST_CHECK; rule < RULES; rule++) emit_check(p, &checks[rule]);
}

/* False: the table has become too long for this form of program. */
static bool write_program(Program *p, const Check checks[RULES])
{
    p->n = p->nranges = 0;
    p->too_far = false;
    for (uint32_t i = 0; i < NUMBERS; i++) add_range(p, i, (Rule)rules[i]);
    add_range(p, NUMBERS, ABSENT);
    add_range(p, X32, KILLED);
    emit_load(p, offsetof(struct seccomp_data, arch));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ARCHITECTURE, 1, 0);
    emit_end(p, KILL); /* the calls of another architecture have other numbers */
    emit_load(p, offsetof(struct seccomp_data, nr));
    place_ends(p, p->n + p->nranges - 1, checks);
    emit_search(p, 0, p->nranges);
    emit_ends(p, checks);
    return !p->too_far;
}

/* ---- Installing ---- */

/* All threads get it.  Kernels before 5.16 would turn speculative stores off for a process with a
 * filter, which makes it slow and is no part of what we promise. */
static bool install(Program *p)
{
    const unsigned flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    struct sock_fprog program = {.len = (unsigned short)p->n, .filter = p->code};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0;
}

void narrow_seccomp(const NarrowNeeds *needs, NarrowMissing *missing)
{
    Program p;
    Check checks[RULES] = {0};
    make_checks(needs, checks);
    if (ARCHITECTURE == 0 || !write_program(&p, checks))
        snprintf(missing->text, sizeof missing->text,
                 "there is no list of system calls for this processor");
    else if (!install(&p))
        snprintf(missing->text, sizeof missing->text,
                 "the system takes no filter of system calls (seccomp): %s", strerror(errno));
}
