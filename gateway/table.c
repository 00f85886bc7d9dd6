/* Functions that stay are taken over under the token, for their uses are counted with it. */
#include "gateway/table.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/worker_state.h"
#include "verifier/approval/depot.h"

Opened *table_still_open(const Table *before, const Config *config, const Function *f)
{
    for (size_t i = 0; before && i < before->nfunctions; i++) {
        Opened *o = before->functions[i];
        if (o && strcmp(o->settings->name, f->name) == 0)
            return function_same(o, config, f) ? o : NULL;
    }
    return NULL;
}

/* ---- What several functions use, once one of them may ---- */

/* Opened after the fork, since its locks are a process's own. */
static fnvm_error *open_depot(Worker *w, const Config *config)
{
    if (!config->depot) return NULL;
    if (!w->depot) {
        fnvm_error *error = fnvm_depot_open(config->depot, false, &w->depot);
        if (!error) depot_watch(w->depot);
        return error;
    }
    if (strcmp(w->depot->dir, config->depot) == 0) return NULL;
    return fnvm_error_new(FNVM_E_USAGE, "another `depot` needs a restart");
}

static fnvm_error *open_shared(Worker *w, const Config *config)
{
    fnvm_error *error = NULL;
    for (size_t i = 0; i < config->nfunctions && !error; i++) {
        const Function *f = &config->functions[i];
        if (f->kv_prefix && !w->store) error = store_open(w, config, &w->store);
        if (!error && f->measurement) error = open_depot(w, config);
        if (!error && f->nhttp_allow && !w->outbound) error = outbound_new(w, &w->outbound);
    }
    return error;
}

/* ---- Tables ---- */

fnvm_error *table_open(Worker *w, Config *config, const Table *before, Table **out)
{
    *out = NULL;
    SharedConfig *shared = shared_config_new(config);
    Table *t = shared ? calloc(1, sizeof *t) : NULL;
    if (t) t->functions = calloc(config->nfunctions + 1, sizeof(Opened *));
    if (!t || !t->functions) {
        free(t);
        if (shared) shared_config_drop(shared);
        return fnvm_error_new(FNVM_E_MEMORY, "no memory for a table of functions");
    }
    t->config = shared;
    t->uses = 1;
    t->nfunctions = config->nfunctions;
    fnvm_error *error = open_shared(w, config);
    for (size_t i = 0; i < t->nfunctions && !error; i++) {
        const Function *f = &config->functions[i];
        if (!f->image) continue;
        Opened *o = table_still_open(before, config, f);
        if (!o) error = function_open(w, shared, f, &o);
        if (error) break;
        worker_lock(w);
        o->uses++;
        worker_unlock(w);
        t->functions[i] = o;
    }
    if (!error) {
        *out = t;
        return NULL;
    }
    table_close(t);
    return error;
}

void table_close(Table *t)
{
    if (!t) return;
    for (size_t i = 0; i < t->nfunctions; i++) {
        Opened *o = t->functions[i];
        if (!o) continue;
        Worker *w = o->worker;
        worker_lock(w);
        const bool last = --o->uses == 0;
        worker_unlock(w);
        if (last) function_close(o);
    }
    shared_config_drop(t->config);
    free(t->functions);
    free(t);
}
