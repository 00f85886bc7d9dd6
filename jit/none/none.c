/* Machines without a compiler: engines have no code space, so the rest is never asked for. */
#include "jit/enter.h"
#include "jit/fault.h"
#include "jit/segment.h"

fnvm_error *jit_engine_open(fnvm_engine *e)
{
    if (e->config.engine != FNVM_ENGINE_JIT) return NULL;
    return fnvm_error_new(FNVM_E_USAGE, "this machine has no compiler; choose the interpreter");
}

void jit_engine_close(fnvm_engine *e) { (void)e; }

fnvm_error *jit_module_open(Module *m)
{
    (void)m;
    return NULL;
}

void jit_module_close(Module *m) { (void)m; }
void jit_link_instance(Instance *inst) { (void)inst; }

bool jit_runs(const Instance *inst, uint32_t func)
{
    (void)inst, (void)func;
    return false;
}

static RunExit no_code(Run *run)
{
    run->error = fnvm_error_new(FNVM_E_USAGE, "this machine has no compiler");
    return RUN_FAILED;
}
RunExit jit_call(Run *run) { return no_code(run); }
RunExit jit_return(Run *run) { return no_code(run); }
RunExit jit_land(Run *run) { return no_code(run); }

void jit_prepare_landing(Run *run, const FrameView *f, uint32_t clause)
{
    (void)run, (void)f, (void)clause;
}

ReturnKind jit_return_kind(const void *address)
{
    (void)address;
    return RETURN_TO_FRAME;
}

bool segment_find(const Segment *s, const void *address, CodePoint *out)
{
    (void)s, (void)address, (void)out;
    return false;
}

Store *fault_run_begin(Store *store)
{
    (void)store;
    return NULL;
}

void fault_run_end(Store *before) { (void)before; }
