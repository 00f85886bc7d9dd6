/* What Linux perf needs to know compiled functions by name: /tmp/perf-PID.map, which `perf report`
 * reads by itself, and DIR/jit-PID.dump, which also has their code: after `perf record -k mono`,
 * `perf inject --jit` makes of it what `perf annotate` shows. */
#ifndef FNVM_JIT_PERF_H
#define FNVM_JIT_PERF_H

#include "vm/engine.h"

typedef struct PerfLog PerfLog; /* the engine's, as a CodeListener */

/* Opens both files for the engine's code, before it has modules. */
fnvm_error *perf_open(fnvm_engine *, const char *dir, PerfLog **out);
/* What could not be written so far, if anything. */
fnvm_error *perf_check(PerfLog *);

#endif
