/* What has compiled code, and when it gets it: an engine a range of addresses for all code, a module
 * a segment with its first instance, a function its code at its first call, or all of them at once
 * (FNVM_COMPILE_EAGER). */
#include <stdlib.h>

#include "jit/compile.h"
#include "jit/enter.h"
#include "jit/fault.h"

/* Labels of stubs.S. */
extern const uint8_t stub_lazy[], stub_runtime[], stub_call_ref[], stub_tail_ref[], stub_trap[],
    stub_exhausted[];

/* ---- Engines ---- */

fnvm_error *jit_engine_open(fnvm_engine *e)
{
    const bool asked = e->config.engine == FNVM_ENGINE_JIT;
    if (e->config.engine == FNVM_ENGINE_INTERPRETER) return NULL;
    if (e->config.fuel) {
        return asked ? fnvm_error_new(FNVM_E_USAGE, "compiled code does not count fuel; choose the "
                                      "interpreter, or no fuel")
                     : NULL;
    }
    fnvm_error *error = fault_handler_install();
    if (!error) error = code_space_new(&e->code_space);
    if (!error || asked) return error;
    fnvm_error_free(error); /* then without compiled code */
    return NULL;
}

void jit_engine_close(fnvm_engine *e)
{
    if (e->code_space) code_space_free(e->code_space);
}

/* ---- Modules ---- */

static uint32_t own_funcs(const Module *m) { return m->nfuncs - m->n_imported_funcs; }

static bool is_wanted(const Module *m, uint32_t func)
{
    const fnvm_config *config = &m->engine->config;
    return !config->jit_filter || config->jit_filter(config->jit_filter_env, func);
}

static void compile_all(Module *m)
{
    for (uint32_t f = m->n_imported_funcs; f < m->nfuncs; f++) {
        const FuncCode *code = NULL;
        fnvm_error *error = is_wanted(m, f) ? verifier_function(m, f, &code) : NULL;
        fnvm_error_free(error); /* a bad function traps when it is called */
        if (!error && code) jit_compile(m, code);
    }
}

/* With code_lock held.  Failing for want of room is no error: the module is interpreted. */
static bool segment_make(Module *m)
{
    atomic_uchar *uncompiled = calloc(own_funcs(m), sizeof *uncompiled);
    fnvm_error *error = uncompiled ? segment_new(m, stub_lazy, &m->segment)
                                   : error_no_memory();
    if (!error) {
        m->uncompiled = uncompiled;
        return true;
    }
    fnvm_error_free(error);
    free(uncompiled);
    return false;
}

fnvm_error *jit_module_open(Module *m)
{
    if (!m->engine->code_space || own_funcs(m) == 0) return NULL;
    pthread_mutex_lock(&m->code_lock);
    bool is_new = !m->segment && segment_make(m);
    pthread_mutex_unlock(&m->code_lock);
    if (is_new && m->engine->config.compile == FNVM_COMPILE_EAGER) compile_all(m);
    return NULL;
}

void jit_module_close(Module *m)
{
    if (!m->segment) return;
    if (m->compiler) compiler_free(m->compiler);
    segment_free(m->segment);
    free(m->uncompiled);
}

/* ---- Functions ---- */

bool jit_runs(const Instance *inst, uint32_t func)
{
    const Module *m = inst->module;
    if (!inst->links.entries || inst->store->keep_trap_state) return false;
    if (atomic_load_explicit(&m->uncompiled[func - m->n_imported_funcs], memory_order_relaxed))
        return false;
    return is_wanted(m, func);
}

/* With the segment's lock held. */
static bool compile_locked(Module *m, const FuncCode *code)
{
    Compiled compiled;
    if (segment_code(m->segment, code->func)) return true; /* another thread was first */
    if (!m->compiler) m->compiler = compiler_new(m);
    return m->compiler && compiler_function(m->compiler, m->segment, code, &compiled) &&
           segment_add(m->segment, &compiled);
}

bool jit_compile(Module *m, const FuncCode *code)
{
    segment_lock(m->segment);
    bool done = compile_locked(m, code);
    segment_unlock(m->segment);
    if (!done)
        atomic_store_explicit(&m->uncompiled[code->func - m->n_imported_funcs], 1,
                              memory_order_relaxed);
    return done;
}

/* ---- Instances ---- */

void jit_link_instance(Instance *inst)
{
    static const void *const stubs[STUB_COUNT] = {
        [STUB_RUNTIME] = stub_runtime, [STUB_CALL_REF] = stub_call_ref,
        [STUB_TAIL_REF] = stub_tail_ref, [STUB_TRAP] = stub_trap,
        [STUB_EXHAUSTED] = stub_exhausted};
    const Module *m = inst->module;
    if (!m->segment) return;
    CodeLinks *links = &inst->links;
    links->memory = m->nmemories ? inst->memories[0].base : NULL;
    links->cpu = &inst->store->cpu;
    links->func_types = m->funcs;
    links->types = m->types;
    links->entries = segment_entries(m->segment);
    memcpy(links->stubs, stubs, sizeof stubs);
    store_add_polled(inst->store, inst);
}
