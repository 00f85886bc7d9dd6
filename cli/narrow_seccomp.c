/* A classic BPF program made from the table of narrow_calls.def.  What it costs is what a start is
 * longer: the kernel checks and compiles it, 0.1 us for each instruction, and runs it by an
 * interpreter of its own for each number that there is, 1 us for each instruction on the way, to
 * remember the calls that remain whatever their arguments are.  So the program is short, and that
 * interpreter soon gives up: it can follow to the calls that are made often; all others are looked
 * up in words of 32 bits, by instructions that it does not know.  Those are not remembered, and
 * run the program each time: 20 ns. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
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
    WORD = 32,                 /* bits */
    WORDS = 16,
    NUMBERS = WORDS * WORD,    /* of system calls; higher ones are as if without a row */
    X32 = 0x40000000,          /* set in numbers of the ABI with 32-bit pointers */
    MOST_INSTRUCTIONS = 256
};
static const uint32_t TERMINAL_GET = 0x802C542A, /* TCGETS2: newer C libraries' TCGETS */
                      PAGES_GET = 0xC0606610;    /* PAGEMAP_SCAN, <linux/fs.h> of Linux 6.7 */

typedef enum Rule {
    ABSENT, /* no row */
    LEFT,
    KILLED,
    FIRST_CHECK,
    MAPPING = FIRST_CHECK, /* not writable and executable; executable only if there is a compiler */
    PROTECTION,            /* nothing becomes executable */
    CODE_FILE,             /* files in memory, for compiled code alone */
    CONNECTION,            /* kills whoever does not connect */
    FAMILY,                /* socket: likewise; of the families that are connected to */
    SOCKET_OPTION,         /* setsockopt: of sockets, TCP and IP */
    DESCRIPTOR,            /* fcntl: flags and copies */
    DEVICE,                /* ioctl: how much can be read, whether it is a terminal, own pages */
    THREAD,                /* clone: no new process */
    OWN_PROCESS,           /* the first argument is this process */
    OWN_LIMITS,            /* prlimit64: of whoever asks */
    PRIORITY,              /* setpriority: of one thread */
    RULES
} Rule;

static const uint8_t run_rules[NUMBERS] = {
#define CALL(name, run, serve) [__NR_##name] = run,
#include "cli/narrow_calls.def"
#undef CALL
};
static const uint8_t serve_rules[NUMBERS] = {
#define CALL(name, run, serve) [__NR_##name] = serve,
#include "cli/narrow_calls.def"
#undef CALL
};

static bool connects(const NarrowNeeds *needs) { return needs->nports > 0 || needs->local; }

/* A row's rule, as far as it is decided by what the process needs. */
static Rule rule_of(const NarrowNeeds *needs, uint32_t number)
{
    const Rule rule = needs->serves ? serve_rules[number] : run_rules[number];
    switch (rule) {
    case CODE_FILE: return needs->compiles ? LEFT : ABSENT;
    case CONNECTION: return connects(needs) ? LEFT : KILLED;
    case FAMILY: return connects(needs) ? FAMILY : KILLED;
    default: return rule;
    }
}

/* Where a jump leads: verdicts, and what decides on them. */
typedef enum Label {
    NEXT,
    AFTER_NEXT,
    TEST_BIT,
    UNKNOWN, /* ENOSYS */
    REFUSE,  /* EPERM */
    PASS,
    KILL,
    CHECK,   /* of rule 0, and so on */
    LABELS = CHECK + RULES
} Label;

/* The lower word of an argument, as the kernel takes each of these: masked, and compared. */
enum { VALUES_MOST = 7, VALUES_OF_LOCKS = 2 };
typedef struct Check {
    unsigned argument;
    uint32_t mask;
    unsigned nvalues; /* 0: no check */
    uint32_t values[VALUES_MOST];
    Label if_one, if_none;
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
    checks[DESCRIPTOR] = (Check){
        1, all, needs->locks ? VALUES_MOST : VALUES_MOST - VALUES_OF_LOCKS,
        {F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC, F_SETLK, F_GETLK}, PASS, REFUSE};
    checks[DEVICE] = (Check){
        1, all, 4, {FIONREAD, TCGETS, TERMINAL_GET, PAGES_GET}, PASS, REFUSE};
    checks[THREAD] = (Check){0, THREAD_BITS, 1, {CLONE_THREAD | CLONE_VM | CLONE_SIGHAND},
                             needs->threads ? PASS : REFUSE, KILL};
    checks[OWN_PROCESS] = (Check){0, all, 1, {pid}, PASS, REFUSE};
    checks[OWN_LIMITS] = (Check){0, all, 1, {0}, PASS, REFUSE};
    checks[PRIORITY] = (Check){0, all, 1, {PRIO_PROCESS}, PASS, REFUSE};
    checks[FAMILY] = needs->nports == 0 ? (Check){0, all, 1, {AF_UNIX}, PASS, REFUSE}
                                        : (Check){0, all, needs->local ? 3 : 2,
                                                  {AF_INET, AF_INET6, AF_UNIX}, PASS, REFUSE};
    checks[SOCKET_OPTION] = (Check){
        1, all, 4, {SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6}, PASS, REFUSE};
}

/* ---- The program ---- */

enum { JEQ = BPF_JMP | BPF_JEQ | BPF_K, JGE = BPF_JMP | BPF_JGE | BPF_K,
       JSET = BPF_JMP | BPF_JSET | BPF_K };

typedef struct Program {
    struct sock_filter code[MOST_INSTRUCTIONS]; /* jumps have labels, until they are resolved */
    uint32_t n;
    uint32_t place[LABELS];     /* forward of all jumps there */
    uint32_t words[WORDS];      /* a bit for each number, set if the call remains */
    uint16_t others[NUMBERS];   /* which have another rule, ascending */
    uint8_t rules[NUMBERS];     /* of `others` */
    uint32_t nothers;
} Program;

static void emit_jump(Program *p, uint16_t code, uint32_t k, Label if_true, Label if_false)
{
    if (p->n < MOST_INSTRUCTIONS)
        p->code[p->n] = (struct sock_filter){code, (uint8_t)if_true, (uint8_t)if_false, k};
    p->n++;
}

static void emit(Program *p, uint16_t code, uint32_t k) { emit_jump(p, code, k, NEXT, NEXT); }

static void emit_load(Program *p, size_t offset)
{
    emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

static void emit_end(Program *p, Label label, uint32_t verdict)
{
    p->place[label] = p->n;
    emit(p, BPF_RET | BPF_K, verdict);
}

static bool remains(const Program *p, uint32_t number)
{
    return p->words[number / WORD] >> number % WORD & 1;
}

/* A call that remains, with its neighbours: the kernel can follow these two. */
static void emit_range(Program *p, uint32_t number)
{
    uint32_t first = number, end = number + 1;
    while (first > 0 && remains(p, first - 1)) first--;
    while (end < NUMBERS && remains(p, end)) end++;
    emit_jump(p, JGE, end, AFTER_NEXT, NEXT);
    emit_jump(p, JGE, first, PASS, NEXT);
}

/* What transfers bytes; and of who serves, what every request is. */
static void emit_often(Program *p, const NarrowNeeds *needs)
{
    emit_range(p, __NR_writev);
    if (!needs->serves) return;
    emit_range(p, __NR_recvfrom);
    emit_range(p, __NR_getrusage);
}

/* Finds the number's word and in it its bit.  Words that are alike are one. */
static void emit_words(Program *p)
{
    for (uint32_t i = 0; i < WORDS; i++) {
        const uint32_t next = i + 1 < WORDS ? p->words[i + 1] : 0;
        if (p->words[i] == next) continue;
        emit(p, BPF_LDX | BPF_W | BPF_IMM, p->words[i]);
        emit_jump(p, JGE, (i + 1) * WORD, NEXT, TEST_BIT);
    }
    emit(p, BPF_LDX | BPF_W | BPF_IMM, 0);
    p->place[TEST_BIT] = p->n; /* the number in A, the word in X */
    emit(p, BPF_STX, 0);
    emit(p, BPF_ALU | BPF_AND | BPF_K, WORD - 1);
    emit(p, BPF_MISC | BPF_TAX, 0);
    emit(p, BPF_LD | BPF_W | BPF_MEM, 0);
    emit(p, BPF_ALU | BPF_RSH | BPF_X, 0);
    emit_jump(p, JSET, 1, PASS, NEXT);
    emit_load(p, offsetof(struct seccomp_data, nr));
}

static void emit_checked(Program *p)
{
    for (uint32_t i = 0; i < p->nothers; i++) {
        const uint32_t number = p->others[i];
        const Label check = CHECK + p->rules[number];
        if (p->rules[number] != KILLED) emit_jump(p, JEQ, number, check, NEXT);
    }
}

static void emit_killed(Program *p)
{
    for (uint32_t i = 0; i < p->nothers;) {
        const uint32_t first = p->others[i++];
        uint32_t end = first + 1;
        if (p->rules[first] != KILLED) continue;
        for (; i < p->nothers && p->others[i] == end && p->rules[end] == KILLED; i++) end++;
        if (end - first > 1) emit_jump(p, JGE, end, AFTER_NEXT, NEXT);
        emit_jump(p, end - first > 1 ? JGE : JEQ, first, KILL, NEXT);
    }
    emit_jump(p, JGE, X32, KILL, NEXT);
}

static void emit_check(Program *p, const Check *c)
{
    const bool one_bit = c->nvalues == 1 && c->values[0] == c->mask && !(c->mask & (c->mask - 1));
    emit_load(p, offsetof(struct seccomp_data, args) + 8 * (size_t)c->argument);
    if (c->mask != UINT32_MAX && !one_bit) emit(p, BPF_ALU | BPF_AND | BPF_K, c->mask);
    for (unsigned i = 0; i < c->nvalues; i++)
        emit_jump(p, one_bit ? JSET : JEQ, c->values[i], c->if_one,
                  i + 1 < c->nvalues ? NEXT : c->if_none);
}

static void sort_calls(Program *p, const NarrowNeeds *needs)
{
    for (uint32_t i = 0; i < NUMBERS; i++) {
        const Rule rule = rule_of(needs, i);
        if (rule == ABSENT) continue;
        p->rules[i] = (uint8_t)rule;
        if (rule == LEFT) p->words[i / WORD] |= UINT32_C(1) << i % WORD;
        else p->others[p->nothers++] = (uint16_t)i;
    }
}

static void write_program(Program *p, const NarrowNeeds *needs, const Check checks[RULES])
{
    emit_load(p, offsetof(struct seccomp_data, arch));
    /* The calls of another architecture have other numbers. */
    emit_jump(p, JEQ, (uint32_t)ARCHITECTURE, NEXT, KILL);
    emit_load(p, offsetof(struct seccomp_data, nr));
    emit_often(p, needs);
    emit_words(p);
    emit_checked(p);
    emit_killed(p);
    emit_end(p, UNKNOWN, SECCOMP_RET_ERRNO | ENOSYS);
    for (uint32_t rule = FIRST_CHECK; rule < RULES; rule++) {
        p->place[CHECK + rule] = p->n;
        if (checks[rule].nvalues > 0) emit_check(p, &checks[rule]);
    }
    emit_end(p, REFUSE, SECCOMP_RET_ERRNO | EPERM);
    emit_end(p, PASS, SECCOMP_RET_ALLOW);
    emit_end(p, KILL, SECCOMP_RET_KILL_PROCESS);
}

static uint32_t distance(const Program *p, uint32_t from, uint32_t to)
{
    return to == NEXT ? 0 : to == AFTER_NEXT ? 1 : p->place[to] - (from + 1);
}

/* False: the table has become too long for jumps, whose operands have eight bits. */
static bool resolve(Program *p)
{
    for (uint32_t i = 0; i < p->n && p->n <= MOST_INSTRUCTIONS; i++) {
        struct sock_filter *in = &p->code[i];
        const uint32_t t = distance(p, i, in->jt), f = distance(p, i, in->jf);
        if (t > UINT8_MAX || f > UINT8_MAX) return false;
        in->jt = (uint8_t)t;
        in->jf = (uint8_t)f;
    }
    return p->n <= MOST_INSTRUCTIONS;
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
    p.n = p.nothers = 0; /* the rest is written before it is read */
    memset(p.words, 0, sizeof p.words);
    Check checks[RULES] = {0};
    make_checks(needs, checks);
    sort_calls(&p, needs);
    write_program(&p, needs, checks);
    if (ARCHITECTURE == 0 || !resolve(&p))
        snprintf(missing->text, sizeof missing->text,
                 "there is no list of system calls for this processor");
    else if (!install(&p))
        snprintf(missing->text, sizeof missing->text,
                 "the system takes no filter of system calls (seccomp): %s", strerror(errno));
}
