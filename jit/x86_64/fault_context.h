/* The interrupted thread's registers as the signal frame holds them. */
#ifndef FNVM_JIT_X86_64_FAULT_CONTEXT_H
#define FNVM_JIT_X86_64_FAULT_CONTEXT_H

#include <string.h>
#include <ucontext.h>

#include "jit/links.h"

static inline const void *context_pc(const ucontext_t *u)
{
    return (const void *)(uintptr_t)u->uc_mcontext.gregs[REG_RIP];
}

/* The instance register. */
static inline struct fnvm_instance *context_instance(const ucontext_t *u)
{
    return (struct fnvm_instance *)(uintptr_t)u->uc_mcontext.gregs[REG_R15];
}

/* Lets the thread go on at `stub` as if the instruction had called it: its address becomes the
 * innermost word of the control stack. */
static inline void context_call(ucontext_t *u, GuestCpu *cpu, const void *stub)
{
    greg_t *regs = u->uc_mcontext.gregs;
    const uint64_t at = (uint64_t)regs[REG_RIP];
    regs[REG_RSP] -= (greg_t)sizeof at;
    memcpy((void *)(uintptr_t)regs[REG_RSP], &at, sizeof at);
    regs[REG_RIP] = (greg_t)(uintptr_t)stub;
    cpu->sp = (uint8_t *)(uintptr_t)regs[REG_RSP];
    cpu->fp = (uint8_t *)(uintptr_t)regs[REG_RBP];
    cpu->instance = context_instance(u);
}

#endif
