/* The engine: configuration and type registry, shared by everything made from it.  Modules and
 * stores hold a reference each; any thread may use it. */
#ifndef FNVM_VM_ENGINE_H
#define FNVM_VM_ENGINE_H

#include "vm/stop.h"
#include "vm/types.h"

struct fnvm_engine {
    atomic_size_t refs;
    fnvm_config config; /* constant after fnvm_engine_new */
    atomic_bool interrupt; /* fnvm_engine_interrupt */
    TypeRegistry types;
    struct CodeSpace *code_space; /* NULL: this engine compiles nothing */
    char *records;                /* directory of records of verified files, or NULL */
    struct CodeCache *code_cache; /* NULL: it keeps nothing of what it compiles */
    struct CodeListener *listeners; /* who is told of compiled code, see jit/listen.h */
};

fnvm_engine *engine_retain(fnvm_engine *);

/* NULL: for what no engine is needed for. */
static inline Stop engine_stop(const fnvm_engine *e) { return (Stop){e ? &e->interrupt : NULL, NULL}; }
static inline bool engine_interrupted(const fnvm_engine *e)
{
    return atomic_load_explicit(&e->interrupt, memory_order_relaxed);
}

#endif
