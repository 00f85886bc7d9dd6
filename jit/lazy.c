/* What has compiled code, and when it gets it: an engine a range of addresses for all code, a
 * module a segment with its first instance, a function its code at its first call, or all of them
 * at once (FNVM_COMPILE_EAGER). */
#include <stdlib.h>

#include "jit/cache.h"
#include "jit/code_file.h"
#include "jit/compile.h"
#include "jit/enter.h"
#include "jit/fault.h"
#include "jit/listen.h"
#include "jit/x86_64/verify.h"

/* Labels of stubs.S. */
extern const uint8_t stub_lazy[], stub_runtime[], stub_call_ref[], stub_tail_ref[], stub_trap[],
    stub_exhausted[];

/* ---- Engines ---- */

/* A cache that cannot be used is as good as none. */
static void open_cache(fnvm_engine *e)
{
    if (e->config.code_cache && !e->config.jit_filter && !e->config.jit_verify)
        fnvm_error_free(cache_open(e->config.code_cache, true, &e->code_cache));
    e->config.code_cache = NULL;
}

fnvm_error *jit_engine_open(fnvm_engine *e)
{
    const bool asked = e->config.engine == FNVM_ENGINE_JIT;
    if (e->config.engine == FNVM_ENGINE_INTERPRETER) return NULL;
    fnvm_error *error = compiler_cpu_features() ? fault_handler_install()
                                                : fnvm_error_new(FNVM_E_UNSUPPORTED,
                                                                 "compiled code needs a processor "
                                                                 "with SSE4.1; interpret instead");
    if (!error) error = code_space_new(&e->code_space);
    if (!error && asked) error = code_space_try(e->code_space);
    if (!error) open_cache(e);
    if (!error || asked) return error;
    fnvm_error_free(error); /* then without compiled code */
    return NULL;
}

void jit_engine_close(fnvm_engine *e)
{
    code_unlisten_all(e);
    cache_close(e->code_cache);
    if (e->code_space) code_space_free(e->code_space);
}

/* ---- Modules ---- */

static uint32_t own_funcs(const Module *m) { return m->nfuncs - m->n_imported_funcs; }

bool jit_wants(const Module *m, uint32_t func)
{
    const fnvm_config *config = &m->engine->config;
    return !config->jit_filter || config->jit_filter(config->jit_filter_env, func);
}

/* The code that there is before anything runs. */
static void segment_fill(Module *m)
{
    if (m->code_file) code_file_adopt(m);
    else cache_load(m);
}

/* With code_lock held.  Failing is no error: the module is interpreted.  What comes with its code may
 * never need any other. */
static bool segment_make(Module *m)
{
    atomic_uchar *uncompiled = calloc(own_funcs(m), sizeof *uncompiled);
    fnvm_error *error = uncompiled ? NULL : error_no_memory();
    if (!error && !m->code_file) error = code_space_try(m->engine->code_space);
    if (!error) error = segment_new(m, stub_lazy, &m->segment);
    if (!error) {
        m->uncompiled = uncompiled;
        segment_fill(m);
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
    if (is_new && m->engine->config.compile == FNVM_COMPILE_EAGER) return jit_compile_all(m);
    return NULL;
}

void jit_module_close(Module *m)
{
    if (!m->segment) return;
    if (m->engine->listeners) code_withdrawn(m);
    if (m->compiler) compiler_free(m->compiler);
    cache_save(m);
    segment_free(m->segment);
    free(m->uncompiled);
}

/* ---- Functions ---- */

bool jit_runs(const Instance *inst, uint32_t func)
{
    const Module *m = inst->module;
    if (!inst->links.entries) return false;
    if (atomic_load_explicit(&m->uncompiled[func - m->n_imported_funcs], memory_order_relaxed))
        return false;
    return jit_wants(m, func);
}

/* Compiles the function; false as well, with an error, if the check that the configuration asks for
 * refuses it, or if the compiler was stopped. */
static bool compile(Module *m, Compiler *c, const FuncCode *code, Compiled *out,
                    fnvm_error **refused)
{
    if (!compiler_function(c, m->segment, code, out)) {
        if (compiler_stopped(c)) *refused = stop_error("compiling a function");
        return false;
    }
    if (m->engine->config.jit_verify) *refused = verify_compiled(m, m->segment, out);
    return !*refused;
}

/* With the segment's lock held. */
static bool compile_locked(Module *m, const FuncCode *code, Stop stop, fnvm_error **refused)
{
    Compiled compiled;
    if (segment_code(m->segment, code->func)) return true; /* another thread was first */
    if (!m->compiler) m->compiler = compiler_new(m);
    if (!m->compiler) return false;
    compiler_stop_at(m->compiler, stop);
    bool done = compile(m, m->compiler, code, &compiled, refused) &&
                segment_add(m->segment, &compiled);
    compiler_stop_at(m->compiler, engine_stop(m->engine)); /* the module outlives stores */
    return done;
}

static bool noted(Module *m, const FuncCode *code, bool done)
{
    if (!done)
        atomic_store_explicit(&m->uncompiled[code->func - m->n_imported_funcs], 1,
                              memory_order_relaxed);
    return done;
}

bool jit_compile(Module *m, const FuncCode *code, Stop stop, fnvm_error **refused)
{
    *refused = NULL;
    segment_lock(m->segment);
    bool done = compile_locked(m, code, stop, refused);
    segment_unlock(m->segment);
    return !*refused && noted(m, code, done);
}

bool jit_compile_with(Module *m, Compiler *c, const FuncCode *code, fnvm_error **refused)
{
    Compiled compiled;
    *refused = NULL;
    if (!compile(m, c, code, &compiled, refused)) return !*refused && noted(m, code, false);
    segment_lock(m->segment);
    bool done = segment_add(m->segment, &compiled);
    segment_unlock(m->segment);
    return noted(m, code, done);
}

/* ---- Instances ---- */

void jit_link_instance(Instance *inst)
{
    static const void *const stubs[STUB_COUNT] = {
        [STUB_RUNTIME] = stub_runtime, [STUB_CALL_REF] = stub_call_ref,
        [STUB_TAIL_REF] = stub_tail_ref, [STUB_TRAP] = stub_trap,
        [STUB_EXHAUSTED] = stub_exhausted};
    const Module *m = inst->module;
    if (!m->segment) return; /* interpreted */
    CodeLinks *links = &inst->links;
    links->memory = m->nmemories ? inst->memories[0].base : NULL;
    links->cpu = &inst->store->cpu;
    links->cpu->frames_described = code_frames_described(m->engine);
    links->func_types = m->funcs;
    links->types = m->types;
    links->lists = &inst->store->lists;
    links->defined_types = m->engine->types.chunks;
    links->entries = segment_entries(m->segment);
    memcpy(links->stubs, stubs, sizeof stubs);
    store_add_polled(inst->store, inst);
}
