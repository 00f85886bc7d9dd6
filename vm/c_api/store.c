/* Engines and stores.  A store's end comes once no call into it and no finalizer is open, since
 * both come back to it; what the host still counts of its records is left without a store. */
#include <stdlib.h>

#include "vm/c_api/c_api.h"

struct wasm_config_t { fnvm_config config; };

enum { FIRST_BUCKETS = 64 };

/* ---- Engines ---- */

/* A module is checked whole when it is made, since the interface has no other place to say that
 * it is bad. */
wasm_config_t *wasm_config_new(void)
{
    wasm_config_t *c = malloc(sizeof *c);
    if (!c) return NULL;
    fnvm_config_default(&c->config);
    c->config.verify = FNVM_VERIFY_EAGER;
    return c;
}

void wasm_config_delete(wasm_config_t *c) { free(c); }

wasm_engine_t *wasm_engine_new_with_config(wasm_config_t *config)
{
    wasm_config_t *c = config ? config : wasm_config_new();
    wasm_engine_t *e = malloc(sizeof *e);
    fnvm_error *error = c && e ? fnvm_engine_new(&c->config, &e->engine) : NULL;
    const bool made = c && e && !error;
    fnvm_error_free(error);
    wasm_config_delete(c);
    if (made) return e;
    free(e);
    return NULL;
}

wasm_engine_t *wasm_engine_new(void) { return wasm_engine_new_with_config(NULL); }

void wasm_engine_delete(wasm_engine_t *e)
{
    if (!e) return;
    fnvm_engine_free(e->engine);
    free(e);
}

/* ---- Stores ---- */

wasm_store_t *wasm_store_new(wasm_engine_t *e)
{
    wasm_store_t *s = e ? calloc(1, sizeof *s) : NULL;
    if (!s) return NULL;
    s->buckets = calloc(FIRST_BUCKETS, sizeof(wasm_ref_t *));
    s->nbuckets = FIRST_BUCKETS;
    fnvm_error *error = s->buckets ? fnvm_store_new(e->engine, &s->store) : NULL;
    if (s->store) return s;
    fnvm_error_free(error);
    free(s->buckets);
    free(s);
    return NULL;
}

static void end_closures(Closure *c)
{
    for (Closure *next; c; c = next) {
        next = c->next;
        if (c->finalizer) c->finalizer(c->env);
        free(c);
    }
}

static void store_end(wasm_store_t *s)
{
    s->dying = true; /* from here on records end only here */
    s->depth++;      /* finalizers do not delete it again */
    while (s->refs) {
        wasm_ref_t *r = s->refs;
        if (r->kind == REF_INSTANCE) ((wasm_instance_t *)(void *)r)->instance = NULL;
        ref_end(r);
    }
    if (s->passing) wasm_trap_delete(s->passing);
    end_closures(s->closures);
    fnvm_store_free(s->store);
    free(s->buckets);
    free(s);
}

void wasm_store_delete(wasm_store_t *s)
{
    if (!s) return;
    if (s->depth) s->delete_later = true;
    else store_end(s);
}

void store_enter(wasm_store_t *s) { s->depth++; }

void store_leave(wasm_store_t *s)
{
    if (s->depth == 1 && !s->dying) store_sweep(s); /* it calls finalizers */
    if (--s->depth == 0 && s->delete_later) store_end(s);
}
