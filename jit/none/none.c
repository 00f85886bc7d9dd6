/* Machines without a compiler: engines have no code space, so the rest is never asked for. */
#include "jit/cache.h"
#include "jit/code_file.h"
#include "jit/enter.h"
#include "jit/fault.h"
#include "jit/gdb.h"
#include "jit/perf.h"
#include "jit/return_points.h"
#include "jit/sample.h"
#include "jit/segment.h"
#include "jit/trace.h"

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

void jit_prepare_waking(Run *run) { (void)run; }

ReturnKind jit_return_kind(const void *address)
{
    (void)address;
    return RETURN_TO_FRAME;
}

uint8_t *jit_push_frame(uint8_t *sp, uint32_t caller, const Instance *inst, const Type *type,
                        uint32_t fp, const void *address)
{
    (void)caller, (void)inst, (void)type, (void)fp, (void)address;
    return sp;
}

bool return_points_find(const Instance *inst, uint32_t func, const uint32_t *pcs, uint32_t n,
                        ReturnPoint *out, fnvm_error **error)
{
    (void)inst, (void)func, (void)pcs, (void)n, (void)out;
    *error = NULL;
    return false;
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

fnvm_error *cache_open(const char *directory, bool create, CodeCache **out)
{
    (void)directory, (void)create, (void)out;
    return fnvm_error_new(FNVM_E_UNSUPPORTED, "this machine has no compiler, so no code to keep");
}

void cache_close(CodeCache *cache) { (void)cache; }
void cache_save(const Module *m) { (void)m; }

fnvm_error *cache_each(const CodeCache *cache, void (*fn)(void *env, const CacheEntry *), void *env)
{
    (void)cache, (void)fn, (void)env;
    return NULL;
}

fnvm_error *cache_clear(const CodeCache *cache, size_t *files, uint64_t *bytes)
{
    (void)cache;
    *files = 0;
    *bytes = 0;
    return NULL;
}

fnvm_error *code_file_write(const Module *m, const ImageHash *module, const char *path,
                            const CodeReturn *returns, uint32_t nreturns, const ImageSeal *seal,
                            bool *written)
{
    (void)m, (void)module, (void)path, (void)returns, (void)nreturns, (void)seal;
    *written = false;
    return NULL;
}

fnvm_error *code_file_load(fnvm_engine *engine, const char *path, const ImageTrust *trust,
                           const ImageHash *module, uint64_t module_size, int module_fd,
                           const char *module_path, Module **out)
{
    (void)engine, (void)trust, (void)module, (void)module_size;
    (void)module_fd, (void)module_path, (void)out;
    return fnvm_error_new(FNVM_E_INVALID, "code segment `%s`: it was made for another processor",
                          path);
}

void code_file_close(CodeFile *f) { (void)f; }

/* ---- Looking inside ---- */

static fnvm_error *nothing_to_see(void)
{
    return fnvm_error_new(FNVM_E_USAGE, "this machine has no compiler, and so no compiled code to "
                          "look into");
}

fnvm_error *gdb_listen(fnvm_engine *e)
{
    (void)e;
    return nothing_to_see();
}

fnvm_error *perf_open(fnvm_engine *e, const char *dir, PerfLog **out)
{
    (void)e, (void)dir, (void)out;
    return nothing_to_see();
}

fnvm_error *perf_check(PerfLog *log)
{
    (void)log;
    return NULL;
}

fnvm_error *sampler_start(Store *store, Sampler **out)
{
    (void)store, (void)out;
    return nothing_to_see();
}

void sampler_stop(Sampler *s) { (void)s; }
void sampler_free(Sampler *s) { (void)s; }

fnvm_error *sampler_print(Sampler *s, FILE *out)
{
    (void)s, (void)out;
    return nothing_to_see();
}

bool jit_trace_start(Module *m)
{
    (void)m;
    return false;
}

bool jit_trace(Module *m, const FuncCode *code, CodeTrace *trace, TracedCode *out)
{
    (void)m, (void)code, (void)trace, (void)out;
    return false;
}

bool jit_trace_function(const Module *m, const void *address, uint32_t *func)
{
    (void)m, (void)address, (void)func;
    return false;
}

fnvm_error *jit_compile_all(Module *m)
{
    (void)m;
    return NULL;
}
