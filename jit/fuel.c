/* What was paid ahead is found in the bytecode: the instructions between the one that failed and
 * the end of its stretch. */
#include "jit/fuel.h"

#include "loader/skip.h"
#include "vm/frames.h"
#include "vm/fuel.h"

/* What the instructions behind the one at `pc` cost, to the end of its stretch. */
static uint32_t paid_ahead(const Module *m, uint32_t func, uint32_t pc)
{
    Reader r = {.bytes = m->bytes, .pos = pc, .end = m->bodies[func - m->n_imported_funcs].end};
    Op op;
    bool read = reader_skip_instruction(&r, &op);
    uint32_t cost = 0;
    while (read && !op_ends_stretch(op)) {
        read = reader_skip_instruction(&r, &op);
        cost += read && !op_is_free(op);
    }
    fnvm_error_free(r.error);
    return cost;
}

/* Nothing was paid ahead by a frame that is not compiled, that is at a call, that was interrupted,
 * which happens between stretches, or that could not pay. */
void fuel_give_back(const Run *run, fnvm_trap trap)
{
    FrameWalk w;
    if (!run->store->engine->config.fuel) return;
    if (trap == FNVM_TRAP_INTERRUPTED || trap == FNVM_TRAP_OUT_OF_FUEL) return;
    frame_walk_start(&w, run->store, run->stack);
    if (!frame_walk_next(&w) || !w.frame.compiled) return;
    run->store->fuel += paid_ahead(w.frame.instance->module, w.frame.func, w.frame.pc);
}
