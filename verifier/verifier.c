/* Verified code and its publication.  A function is verified without any lock and published under
 * the module's: of two threads that come first at once, one has worked in vain, and nobody ever
 * waits for another's verification. */
#include "verifier/verifier.h"

#include <stdlib.h>

#include "verifier/policy/check.h"
#include "verifier/state.h"

/* So many bad functions are reported with their names: each costs a walk over the names. */
enum { MAX_NAMED = 100, MAX_NAME_BYTES = 200 };

static fnvm_error *name_function(const Module *m, uint32_t func, bool with_name, fnvm_error *cause)
{
    Name name;
    if (!with_name || !module_func_name(m, func, &name) || name.len == 0)
        return fnvm_error_wrap(cause, "function %u did not pass the verifier", func);
    return fnvm_error_wrap(cause, "function %u (%.*s) did not pass the verifier", func,
                           name.len > MAX_NAME_BYTES ? MAX_NAME_BYTES : (int)name.len,
                           (const char *)m->bytes + name.start);
}

static const FuncCode *code_published(const Module *m, uint32_t func)
{
    return atomic_load_explicit(&m->code[func - m->n_imported_funcs], memory_order_acquire);
}

/* Makes `made` the function's code unless another thread was faster; frees it then. */
static const FuncCode *code_publish(Module *m, uint32_t func, FuncCode *made)
{
    pthread_mutex_lock(&m->code_lock);
    const FuncCode *code = code_published(m, func);
    if (!code) {
        code = made;
        atomic_store_explicit(&m->code[func - m->n_imported_funcs], code, memory_order_release);
    }
    pthread_mutex_unlock(&m->code_lock);
    if (code != made) func_code_free(made);
    return code;
}

/* `check` is the pass's own if the engine has a policy; verify leaves nothing in it. */
static void start(Verifier *v, Module *m, PolicyCheck *check)
{
    verifier_start(v, m);
    if (!m->engine->config.policy) return;
    check_open(check, m->engine->config.policy);
    verifier_set_check(v, check);
}

/* Unless it is to stop: v->stopped. */
static fnvm_error *body(Verifier *v, uint32_t func, FuncCode **made)
{
    v->stopped = stop_wanted(v->stop);
    return v->stopped ? stop_error("verifying functions") : verifier_body(v, func, made);
}

/* A function and, if there is a policy, whether it may be what it is. */
static fnvm_error *verify(Verifier *v, uint32_t func, FuncCode **made)
{
    fnvm_error *error = body(v, func, made);
    if (!v->check) return error;
    if (!error && (error = check_error(v->check, "it")) != NULL) func_code_free(*made);
    check_close(v->check);
    return error;
}

fnvm_error *verifier_function_unless(Module *m, uint32_t func, Stop stop, const FuncCode **code)
{
    *code = code_published(m, func);
    if (*code) return NULL;
    if (stop_wanted(stop)) return stop_error("verifying functions");
    Verifier v;
    PolicyCheck check;
    FuncCode *made;
    start(&v, m, &check);
    v.stop = stop;
    fnvm_error *error = verify(&v, func, &made);
    const bool stopped = v.stopped;
    verifier_finish(&v);
    if (stopped) return error;
    if (error) return name_function(m, func, true, error);
    *code = code_publish(m, func, made);
    return NULL;
}

fnvm_error *verifier_function(Module *m, uint32_t func, const FuncCode **code)
{
    return verifier_function_unless(m, func, (Stop){NULL, NULL}, code);
}

void verifier_some(Module *m, uint32_t n, const uint32_t *funcs, const FuncCode **codes)
{
    Verifier v;
    PolicyCheck check;
    start(&v, m, &check);
    for (uint32_t i = 0; i < n; i++) {
        FuncCode *made;
        codes[i] = code_published(m, funcs[i]);
        if (codes[i]) continue;
        fnvm_error *error = verify(&v, funcs[i], &made);
        if (!error) codes[i] = code_publish(m, funcs[i], made);
        fnvm_error_free(error);
    }
    verifier_finish(&v);
}

fnvm_error *verifier_all(Module *m, void (*report)(void *, const fnvm_error *), void *env,
                         size_t *bad)
{
    Verifier v;
    PolicyCheck check;
    start(&v, m, &check);
    fnvm_error *error = NULL;
    *bad = 0;
    for (uint32_t func = m->n_imported_funcs; func < m->nfuncs && !error; func++) {
        if (code_published(m, func)) continue;
        FuncCode *made;
        fnvm_error *reason = verify(&v, func, &made);
        if (!reason) {
            code_publish(m, func, made);
        } else if (fnvm_error_code(reason) == FNVM_E_MEMORY || v.stopped) {
            error = reason; /* says nothing about the function */
        } else {
            reason = name_function(m, func, report && *bad < MAX_NAMED, reason);
            if (report) report(env, reason);
            fnvm_error_free(reason);
            ++*bad;
        }
    }
    verifier_finish(&v);
    return error;
}

fnvm_error *verifier_until_bad(Module *m, PolicyCheck *check)
{
    Verifier v;
    verifier_start(&v, m);
    if (check) verifier_set_check(&v, check);
    fnvm_error *error = NULL;
    for (uint32_t func = m->n_imported_funcs; func < m->nfuncs && !error; func++) {
        if (!check && code_published(m, func)) continue;
        const size_t before = check ? check->violations.total : 0;
        FuncCode *made;
        error = body(&v, func, &made);
        if (error && !v.stopped) error = name_function(m, func, true, error);
        else if (!error && check && check->violations.total > before) func_code_free(made);
        else if (!error) code_publish(m, func, made);
    }
    verifier_finish(&v);
    return error;
}

void verifier_sizes(const Module *m, uint64_t *side_bytes, uint64_t *code_bytes)
{
    *side_bytes = *code_bytes = 0;
    for (uint32_t func = m->n_imported_funcs; func < m->nfuncs; func++) {
        const FuncCode *c = code_published(m, func);
        if (!c) continue;
        /* The tables lie in one block, in this order (function.c). */
        size_t tables = (size_t)((const char *)c->clauses - (const char *)c->side);
        for (uint32_t i = 0; i < c->nhandlers; i++)
            tables += c->handlers[i].count * sizeof(CatchClause);
        if (c->local_map) tables += c->nlocals * sizeof(uint32_t);
        *side_bytes += tables;
        *code_bytes += c->end - c->start;
    }
}

void func_code_free(const FuncCode *code)
{
    free((void *)(uintptr_t)code); /* const only for its readers */
}
