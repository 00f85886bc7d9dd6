/* One look at a module outside of any run: what violates a policy, and which policy it would
 * need.  The module is loaded in an engine of its own, which has every feature: what the policy
 * leaves out is to be a violation, with its line, and not the end of reading. */
#include "verifier/policy/look.h"

#include <stdlib.h>
#include <string.h>

#include "loader/source.h"
#include "verifier/verifier.h"

enum { ALL_FEATURES = FNVM_FEATURE_CUSTOM_PAGE_SIZES * 2 - 1 };

static fnvm_error *look_engine(Policy *policy, fnvm_engine **out)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.features = ALL_FEATURES;
    config.engine = FNVM_ENGINE_INTERPRETER;
    config.policy = policy;
    return fnvm_engine_new(&config, out);
}

fnvm_error *policy_look(Policy *policy, const void *bytes, size_t len, Module **out)
{
    fnvm_engine *engine;
    fnvm_error *error = look_engine(policy, &engine);
    if (error) return error;
    Module *m = module_new(engine);
    fnvm_engine_free(engine); /* the module keeps it */
    if (!m) return error_no_memory();
    error = source_copy_bytes(m, bytes, len);
    if (!error) error = module_decode(m);
    if (!error) error = verifier_module(m);
    if (!error) error = verifier_until_bad(m, m->check);
    if (!error && m->check->violations.no_memory) error = error_no_memory();
    if (error) fnvm_module_release(m);
    else *out = m;
    return error;
}

fnvm_error *fnvm_policy_check(fnvm_policy *policy, const void *bytes, size_t len,
                              void (*report)(void *env, const fnvm_violation *), void *env,
                              size_t *violations)
{
    Module *m;
    fnvm_error *error = policy_look(policy, bytes, len, &m);
    if (error) return error;
    const Violations *v = &m->check->violations;
    for (size_t i = 0; report && i < v->n; i++) report(env, &v->items[i]);
    *violations = v->total;
    fnvm_module_release(m);
    return NULL;
}
