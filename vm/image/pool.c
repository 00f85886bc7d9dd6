/* An array of stores: those that are ready come first, the others are out.  The store that was
 * given back last is taken next, since what it needs is in the processor's caches still. */
#include <stdlib.h>

#include "vm/image/image.h"

typedef struct PooledStore {
    fnvm_store *store;
    fnvm_linker *linker;
    fnvm_wasi *wasi;
    fnvm_instance *main;
} PooledStore;

struct fnvm_pool {
    fnvm_image *image;
    fnvm_pool_options options;
    PooledStore *stores;      /* options.most */
    size_t nready, nmade;     /* [0, nready) are ready, [nready, nmade) are out */
};

static void free_pooled(const PooledStore *p)
{
    fnvm_linker_free(p->linker);
    fnvm_store_free(p->store);
    fnvm_wasi_free(p->wasi);
}

static fnvm_error *make_store(const fnvm_pool *pool, PooledStore *p)
{
    const fnvm_pool_options *o = &pool->options;
    *p = (PooledStore){0};
    fnvm_error *error = fnvm_store_new(pool->image->engine, &p->store);
    if (!error) error = fnvm_linker_new(p->store, &p->linker);
    if (!error && o->define) error = o->define(o->env, p->linker, &p->wasi);
    if (!error) error = fnvm_image_restore(pool->image, p->linker, p->wasi, &p->main);
    if (error) free_pooled(p);
    return error;
}

fnvm_error *fnvm_pool_new(fnvm_image *image, const fnvm_pool_options *options, fnvm_pool **out)
{
    *out = NULL;
    if (options->most == 0 || options->ready > options->most) {
        return fnvm_error_new(FNVM_E_USAGE, "a pool of at most %zu stores cannot have %zu ready",
                              options->most, options->ready);
    }
    fnvm_pool *pool = calloc(1, sizeof *pool);
    PooledStore *stores = calloc(options->most, sizeof *stores);
    if (!pool || !stores) {
        free(pool);
        free(stores);
        return error_no_memory();
    }
    *pool = (fnvm_pool){.image = fnvm_image_retain(image), .options = *options, .stores = stores};
    fnvm_error *error = NULL;
    while (pool->nmade < options->ready && !error) {
        error = make_store(pool, &pool->stores[pool->nmade]);
        if (!error) pool->nready = ++pool->nmade;
    }
    if (error) fnvm_pool_free(pool);
    else *out = pool;
    return error;
}

void fnvm_pool_free(fnvm_pool *pool)
{
    if (!pool) return;
    for (size_t i = 0; i < pool->nmade; i++) free_pooled(&pool->stores[i]);
    free(pool->stores);
    fnvm_image_release(pool->image);
    free(pool);
}

fnvm_error *fnvm_pool_take(fnvm_pool *pool, fnvm_store **store, fnvm_instance **main)
{
    const PooledStore *p = &pool->stores[pool->nready ? pool->nready - 1 : pool->nmade];
    fnvm_error *refused = gate_image_again(&pool->image->gate, pool->image->engine);
    if (refused) return refused;
    if (pool->nready) {
        pool->nready--;
    } else if (pool->nmade < pool->options.most) {
        fnvm_error *error = make_store(pool, &pool->stores[pool->nmade]);
        if (error) return error;
        pool->nmade++;
    } else {
        return fnvm_error_new(FNVM_E_LIMIT, "all %zu stores that the pool may have are in use; "
                              "give one back, or raise fnvm_pool_options.most", pool->options.most);
    }
    *store = p->store;
    *main = p->main;
    return NULL;
}

bool fnvm_pool_give(fnvm_pool *pool, fnvm_store *store)
{
    size_t i = pool->nready; /* where the one that was taken last is */
    while (i < pool->nmade && pool->stores[i].store != store) i++;
    if (i == pool->nmade) return true; /* not ours, or given back before */
    const PooledStore p = pool->stores[i];
    fnvm_error *error = fnvm_store_reset(store);
    if (!error) {
        pool->stores[i] = pool->stores[pool->nready];
        pool->stores[pool->nready++] = p;
        return true;
    }
    fnvm_error_free(error);
    pool->stores[i] = pool->stores[--pool->nmade];
    free_pooled(&p);
    return false;
}
