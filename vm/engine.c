/* The engine: a configuration that never changes, the registry of types and the addresses for
 * compiled code, held by count. */
#include "vm/engine.h"

#include <stdlib.h>
#include <string.h>

#include "jit/enter.h"
#include "verifier/policy/policy.h"
#include "vm/tunables.h"

const char *fnvm_version(void) { return FNVM_VERSION; }

void fnvm_config_default(fnvm_config *c)
{
    *c = (fnvm_config){
        .features = FNVM_FEATURES_3_0,
        .verify = FNVM_VERIFY_LAZY,
        .max_memory_bytes = DEFAULT_MAX_MEMORY_BYTES,
        .max_table_elements = DEFAULT_MAX_TABLE_ELEMENTS,
        .max_stack_bytes = DEFAULT_MAX_STACK_BYTES,
        .max_heap_bytes = DEFAULT_MAX_HEAP_BYTES,
        .max_instances = DEFAULT_MAX_INSTANCES,
    };
}

static fnvm_error *engine_open(fnvm_engine *e)
{
    if (e->config.code_cache && !(e->records = strdup(e->config.code_cache)))
        return error_no_memory();
    fnvm_error *error = types_init(&e->types);
    if (error) return error;
    error = jit_engine_open(e);
    if (error) types_free(&e->types);
    return error;
}

fnvm_error *fnvm_engine_new(const fnvm_config *config, fnvm_engine **out)
{
    fnvm_engine *e = calloc(1, sizeof *e);
    if (!e) return error_no_memory();
    if (config)
        e->config = *config;
    else
        fnvm_config_default(&e->config);
    if (e->config.policy) policy_narrow(fnvm_policy_retain(e->config.policy), &e->config);
    fnvm_error *error = engine_open(e);
    if (error) {
        fnvm_policy_release(e->config.policy);
        free(e->records);
        free(e);
        return error;
    }
    atomic_init(&e->refs, 1);
    atomic_init(&e->interrupt, false);
    *out = e;
    return NULL;
}

fnvm_engine *engine_retain(fnvm_engine *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void fnvm_engine_interrupt(fnvm_engine *e) { atomic_store(&e->interrupt, true); }

void fnvm_engine_clear_interrupt(fnvm_engine *e) { atomic_store(&e->interrupt, false); }

void fnvm_engine_free(fnvm_engine *e)
{
    if (!e || atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) != 1) return;
    jit_engine_close(e);
    types_free(&e->types);
    fnvm_policy_release(e->config.policy);
    free(e->records);
    free(e);
}
