/* Counting fuel: a charge where a stretch of instructions begins (vm/fuel.h), with its cost filled
 * in where it ends.
 *
 * The charge comes right before the first instruction that costs anything, behind the label or call
 * that the stretch follows.  No operand is in the flags there: a comparison and what takes its
 * result are neighbours, and of the same stretch. */
#include "jit/x86_64/compiler.h"

#include "vm/fuel.h"
#include "vm/store.h"

/* The counter lies near the GuestCpu, which an instance knows. */
enum { COUNTER = (int)offsetof(Store, fuel) - (int)offsetof(Store, cpu) };

static void charge(Compiler *c)
{
    asm_rm(&c->a, X_MOV, true, SCRATCH,
           mem_at(REG_INSTANCE, (int32_t)offsetof(Instance, links.cpu)));
    asm_dm(&c->a, OPC(0, 0, 0x81), true, ALU_SUB, mem_at(SCRATCH, COUNTER));
    asm_32(&c->a, 0);
    c->charge = asm_offset(&c->a);
    trap_if(c, CC_S, FNVM_TRAP_OUT_OF_FUEL);
    asm_room(&c->a, ASM_ROOM);
}

void count_fuel(Compiler *c, Op op)
{
    if (!op_is_free(op)) {
        if (!c->charge) charge(c);
        c->cost++; /* a body has less than 2^31 bytes */
    }
    if (!c->charge || !op_ends_stretch(op)) return;
    if (!c->a.failed) memcpy(c->a.bytes + c->charge - 4, &c->cost, 4);
    c->charge = c->cost = 0;
}
