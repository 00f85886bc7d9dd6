#include "cli/constrain.h"

#include <string.h>

#include "cli/errors.h"
#include "verifier/policy/manifest.h"

static fnvm_error *check_sockets(const Session *s)
{
    const Options *o = &s->options;
    if (s->policy->network || (!o->listen.n && !o->listenfd && !o->inherit_network)) return NULL;
    if (!s->policy->network_line)
        return fnvm_error_new(FNVM_E_POLICY, "%s: sockets are handed in only if `wasi.network` is "
                              "true there", s->policy->name);
    return fnvm_error_new(FNVM_E_POLICY, "%s:%u: wasi.network allows no sockets", s->policy->name,
                          s->policy->network_line);
}

static bool allows_call(const Policy *p, const char *name)
{
    for (size_t i = 0; i < p->ncalls; i++)
        if (strcmp(p->calls[i].text, name) == 0) return true;
    return p->any_call;
}

static fnvm_error *check_calls(const Session *s)
{
    const Pairs *calls = &s->options.calls;
    for (size_t i = 0; i < calls->n; i++)
        if (!allows_call(s->policy, calls->items[i].name))
            return fnvm_error_new(FNVM_E_POLICY, "%s:%u: wasi.calls does not have %s",
                                  s->policy->name, s->policy->calls_line, calls->items[i].name);
    return NULL;
}

/* Where the command line says none, the policy's are the table. */
static int take_calls(Session *s)
{
    Pairs *calls = &s->options.calls;
    int status = -1;
    if (s->policy->any_call || calls->n) return -1;
    for (size_t i = 0; i < s->policy->ncalls && status < 0; i++)
        status = pairs_add(calls, s->policy->calls[i].text, NULL);
    return status;
}

static fnvm_error *check_options(const Session *s)
{
    const Options *o = &s->options;
    fnvm_error *error = check_sockets(s);
    if (!error) error = check_calls(s);
    for (size_t i = 0; i < o->ndirs && !error; i++)
        error = policy_check_dir(s->policy, o->dirs[i].host,
                                 o->dirs[i].access == FNVM_DIR_READ_ONLY);
    for (size_t i = 0; i < o->env.n && !error; i++)
        error = policy_check_env(s->policy, o->env.items[i].name);
    return error;
}

static void lower(uint64_t *value, uint64_t most)
{
    if (*value > most) *value = most;
}

/* The shorter time counts, and whose it is will be said. */
static int take_time(Session *s)
{
    Options *o = &s->options;
    const uint64_t most = s->policy->ceilings[CEILING_TIME].most;
    if (o->timeout_ns && o->timeout_ns <= most) return -1;
    char source[POLICY_SOURCE];
    policy_print_source(s->policy, CEILING_TIME, source, sizeof source);
    if (!(s->timeout_of = strdup(source))) return error_report(NULL, "the host is out of memory");
    o->timeout_ns = most;
    return -1;
}

/* What the engine will do in any case: the process is narrowed to that. */
static int take_choices(Session *s)
{
    const Policy *p = s->policy;
    fnvm_config *config = &s->options.config;
    if (p->engine_line) config->engine = p->engine;
    if (p->verify_line) config->verify = p->verify;
    if (p->compile_line) config->compile = p->compile;
    if (!s->options.coredump || !p->engine_line || p->engine == FNVM_ENGINE_INTERPRETER) return -1;
    return error_report(fnvm_error_new(FNVM_E_POLICY, "%s:%u: run.engine has it compiled, and a "
                                       "core dump is of a guest that is interpreted", p->name,
                                       p->engine_line),
                        "the policy does not let the guest have this");
}

int constrain_options(Session *s)
{
    if (!s->policy) return -1;
    Options *o = &s->options;
    fnvm_error *error = check_options(s);
    if (error) return error_report(error, "the policy does not let the guest have this");
    const Ceiling *ceilings = s->policy->ceilings;
    lower(&o->max_output, ceilings[CEILING_OUTPUT].most);
    if (o->max_descriptors > ceilings[CEILING_DESCRIPTORS].most)
        o->max_descriptors = (uint32_t)ceilings[CEILING_DESCRIPTORS].most;
    o->config.policy = s->policy;
    int status = take_choices(s);
    if (status < 0) status = take_time(s);
    return status < 0 ? take_calls(s) : status;
}

fnvm_error *constrain_wasi(const Session *s)
{
    return s->policy && !s->policy->any_call ? fnvm_wasi_allow_calls(s->wasi, NULL, 0) : NULL;
}

fnvm_error *constrain_given(const Session *s, fnvm_error *error)
{
    if (fnvm_error_code(error) != FNVM_E_LIMIT || !s->policy ||
        s->options.max_descriptors != s->policy->ceilings[CEILING_DESCRIPTORS].most)
        return error;
    char allowed[POLICY_CEILING];
    policy_print_ceiling(s->policy, CEILING_DESCRIPTORS, allowed, sizeof allowed);
    return fnvm_error_wrap(error, "%s", allowed);
}

bool constrain_passes_env(const Session *s, const char *name)
{
    if (!s->policy) return true;
    fnvm_error *error = policy_check_env(s->policy, name);
    fnvm_error_free(error);
    return !error;
}
