/* The choices of --profile, each a part of the library. */
#include "cli/profile.h"

#include "cli/errors.h"
#include "jit/gdb.h"
#include "jit/perf.h"
#include "jit/sample.h"

fnvm_error *profile_engine(Profile *p, const Options *o, fnvm_engine *engine)
{
    fnvm_error *error = o->gdb ? gdb_listen(engine) : NULL;
    if (!error && o->profile == PROFILE_PERF)
        error = perf_open(engine, o->profile_dir ? o->profile_dir : ".", &p->perf);
    return error;
}

fnvm_error *profile_store(Profile *p, const Options *o, fnvm_store *store)
{
    return o->profile == PROFILE_SAMPLE ? sampler_start(store, &p->sampler) : NULL;
}

static void warn(fnvm_error *error)
{
    if (!error) return;
    error_warn(fnvm_error_message(error));
    fnvm_error_free(error);
}

void profile_end(Profile *p)
{
    if (p->perf) warn(perf_check(p->perf));
    if (!p->sampler) return;
    warn(sampler_print(p->sampler, stderr));
    sampler_free(p->sampler);
    p->sampler = NULL;
}
