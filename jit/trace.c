/* Compiling under observation is compiling as ever, with the trace given to the compiler for as
 * long as the segment's lock is held. */
#include "jit/trace.h"

#include "jit/compile.h"
#include "jit/enter.h"

bool jit_trace_start(Module *m)
{
    fnvm_error_free(jit_module_open(m));
    return m->segment != NULL;
}

static bool compile_traced(Module *m, const FuncCode *code, CodeTrace *trace)
{
    Compiled compiled;
    if (!m->compiler) m->compiler = compiler_new(m);
    if (!m->compiler) return false;
    compiler_trace(m->compiler, trace);
    bool done = compiler_function(m->compiler, m->segment, code, &compiled);
    compiler_trace(m->compiler, NULL);
    return done && segment_add(m->segment, &compiled);
}

bool jit_trace(Module *m, const FuncCode *code, CodeTrace *trace, TracedCode *out)
{
    segment_lock(m->segment);
    bool done = !segment_code(m->segment, code->func) && compile_traced(m, code, trace);
    segment_unlock(m->segment);
    if (!done) return false;
    const uint8_t *bytes = (const uint8_t *)segment_entries(m->segment) +
                           segment_code(m->segment, code->func);
    *out = (TracedCode){bytes, ((const BlobHead *)(const void *)bytes - 1)->code_size};
    return true;
}

bool jit_trace_function(const Module *m, const void *address, uint32_t *func)
{
    return segment_function_at(m->segment, address, func) &&
           (const uint8_t *)segment_entries(m->segment) + segment_code(m->segment, *func) ==
               (const uint8_t *)address;
}
