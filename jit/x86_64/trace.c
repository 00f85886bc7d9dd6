/* The abstract state in words, for `fnvm disasm --state` and for those who debug the compiler:
 *
 *   [i32 home] [i64 rcx] [i32 =0x7] [i32 flags e] | rdi local 0* rsi local 1? | region 1
 *
 * Operands from the lowest that may be away from home; then the pinned locals: `*` their home slot
 * is out of date, `?` the register has no value yet. */
#include <stdio.h>
#include <stdlib.h>

#include "jit/trace.h"
#include "jit/x86_64/compiler.h"

void compiler_trace(Compiler *c, CodeTrace *trace) { c->trace = trace; }

const char *register_name(Reg r)
{
    static const char *const names[] = {
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
        "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
        "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"};
    return r < sizeof names / sizeof *names ? names[r] : "none";
}

static void print_operand(const Operand *o, FILE *out)
{
    static const char *const kinds[] = {"i32", "i64", "f32", "f64", "v128"};
    static const char *const conditions[] = {"o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns",
                                             "p", "np", "l", "ge", "le", "g", "e and np",
                                             "ne or p"};
    fprintf(out, "[%s ", kinds[o->kind]);
    switch ((Where)o->where) {
    case AT_HOME: fputs("home", out); break;
    case IN_REG: fputs(register_name(o->reg), out); break;
    case IS_CONST: fprintf(out, "=0x%llx", (unsigned long long)o->bits); break;
    case IS_LOCAL: fprintf(out, "local %u", o->local); break;
    case IN_FLAGS: fprintf(out, "flags %s", conditions[o->reg]); break;
    }
    fputs("] ", out);
}

void state_print(const Compiler *c, FILE *out)
{
    if (c->flushed) fprintf(out, "%u at home ", c->flushed);
    for (uint32_t i = c->flushed; i < c->nops; i++) print_operand(&c->ops[i], out);
    fputs("|", out);
    const Pins *p = &c->regions[c->region];
    for (uint32_t rest = p->mask; rest; rest &= rest - 1) {
        Reg r = (Reg)__builtin_ctz(rest);
        bool is_valid = c->pin.valid >> r & 1, is_dirty = c->pin.dirty >> r & 1;
        fprintf(out, " %s local %u%s", register_name(r), p->local[r],
                !is_valid ? "?" : is_dirty ? "*" : "");
    }
    fprintf(out, " | region %u", c->region);
}

void trace_instruction(Compiler *c, uint32_t pc)
{
    CodeTrace *t = c->trace;
    char *text = NULL;
    size_t len;
    FILE *out = t->wants_state && c->reachable && pc < TRACE_BEHIND ? open_memstream(&text, &len)
                                                                    : NULL;
    if (out) {
        state_print(c, out);
        if (fclose(out) != 0) { /* then without */
            free(text);
            text = NULL;
        }
    }
    t->at(t, pc, asm_offset(&c->a), text);
    free(text);
}
