/* A sampling profiler of one thread: about a thousand times per second of its processor time a
 * signal notes where it is.  Compiled code is counted by function; time that the host spends on
 * behalf of compiled code (the runtime, host functions, compiling callees) is counted for the
 * function that waits for it.  Nothing of it is in compiled code, so that it costs the same with
 * and without.
 *
 * The signal is SIGPROF.  One sampler per thread; it starts, stops and reports on that thread. */
#ifndef FNVM_JIT_SAMPLE_H
#define FNVM_JIT_SAMPLE_H

#include <stdio.h>

#include "vm/store.h"

typedef struct Sampler Sampler;

/* Samples the calling thread while it runs guests of the store. */
fnvm_error *sampler_start(Store *, Sampler **out);
void sampler_stop(Sampler *);
/* The functions with most samples, by name; before the store is freed. */
fnvm_error *sampler_print(Sampler *, FILE *);
void sampler_free(Sampler *); /* stops first if need be; NULL is fine */

#endif
