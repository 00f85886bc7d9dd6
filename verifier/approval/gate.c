/* What is already known comes first: a file that the depot installed and that has not changed since is
 * recognised by its identity, and only others are measured.  Those lie anywhere, and whoever may write
 * them could change them after they were measured: so it is a copy that is measured, and runs. */
#include "verifier/approval/gate.h"

#include "loader/source.h"
#include "verifier/approval/depot.h"
#include "verifier/policy/policy.h"

static fnvm_error *measure(void *env, Measurement *out)
{
    const Module *m = env;
    return fnvm_measure(m->bytes, m->len, NULL, NULL, out->bytes);
}

static fnvm_error *measure_copy(void *env, Measurement *out)
{
    fnvm_error *error = source_own(env);
    return error ? error : measure(env, out);
}

static fnvm_error *decide(Gate *gate, fnvm_engine *engine, Subject *subject)
{
    const Policy *policy = engine->config.policy;
    subject->stat = gate->file.st_mode ? &gate->file : NULL;
    subject->policy = policy ? policy->digest : NULL;
    uint64_t generation = 0;
    fnvm_error *error = depot_decide(engine->config.approvals, subject, &generation);
    if (!error) atomic_store_explicit(&gate->generation, generation, memory_order_relaxed);
    return error;
}

fnvm_error *gate_module(Gate *gate, Module *m, const char *path)
{
    if (!m->engine->config.approvals) return NULL;
    Subject subject = {.what = "module", .file = path, .measure = measure_copy, .env = m};
    return decide(gate, m->engine, &subject);
}

fnvm_error *gate_image(Gate *gate, fnvm_engine *engine, const char *path)
{
    if (!engine->config.approvals) return NULL;
    Subject subject = {.what = "image", .file = path};
    return decide(gate, engine, &subject);
}

/* Whether what was decided still stands.  A depot that changes has no generation: 0. */
static bool stands(const Gate *gate, fnvm_engine *engine)
{
    const uint64_t now = depot_generation(engine->config.approvals);
    return now && now == atomic_load_explicit(&gate->generation, memory_order_relaxed);
}

/* A module of an image was let through as a part of it.  Whoever took it out of there and makes an
 * instance of it alone has it decided on. */
fnvm_error *gate_module_again(Gate *gate, const Module *m)
{
    if (!m->engine->config.approvals || stands(gate, m->engine)) return NULL;
    Subject subject = {.what = "module", .file = m->path, .measure = measure, .env = (void *)m};
    return decide(gate, m->engine, &subject);
}

fnvm_error *gate_image_again(Gate *gate, fnvm_engine *engine)
{
    if (!engine->config.approvals || stands(gate, engine)) return NULL;
    return gate_image(gate, engine, NULL);
}
