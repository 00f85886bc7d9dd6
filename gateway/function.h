/* A version of a function, opened in a worker: its engine under its policy, its image, and
 * instances that are kept ready.  Opening and closing take their time and happen on the control
 * thread; all else with the loop's token. */
#ifndef FNVM_GATEWAY_FUNCTION_H
#define FNVM_GATEWAY_FUNCTION_H

#include <sys/stat.h>

#include "gateway/config.h"
#include "gateway/metrics.h"
#include "gateway/revocation.h"
#include "gateway/secrets.h"

typedef struct Natives Natives; /* cli/natives.h */
typedef struct HttpSender HttpSender; /* http_outbound.h */

typedef struct Worker Worker;
typedef struct Invocation Invocation;
typedef struct Opened Opened;

/* A configuration that several tables and functions use. */
typedef struct SharedConfig { Config *config; uint32_t uses; } SharedConfig;

/* An instance's store, and what its host functions work with.  One invocation at a time. */
typedef struct Place {
    Opened *function;
    Invocation *user;          /* NULL while it is ready */
    fnvm_store *store;
    fnvm_instance *main;
    fnvm_wasi *wasi;           /* the pool frees it */
    fnvm_services *services;
    fnvm_extern start, memory; /* what is called; the memory whose size is told */
    size_t nresults;           /* of `start`: 0 or 1 */
    bool has_memory;
    bool used;                 /* it has served a request */
    bool interrupted;          /* by fnvm_store_interrupt */
    const void *output; size_t output_len; /* PROTOCOL_FAASM's; the services' */
    struct Place *next_dirty;
} Place;

typedef struct FileIdentity { dev_t dev; ino_t ino; struct timespec changed; off_t size; } FileIdentity;

struct Opened {
    Worker *worker;
    uint32_t uses;             /* tables and invocations */
    SharedConfig *config;
    const Function *settings;  /* the config's */
    const Tenant *tenant;      /* likewise, or NULL */
    uint32_t tenant_number;
    Secrets secrets;
    FileIdentity image_file, policy_file;
    Revocation revocation;
    fnvm_engine *engine;
    Natives *natives;          /* NULL: none */
    HttpSender *sender;        /* NULL: it may send no requests */
    fnvm_image *image;
    fnvm_pool *pool;
    bool suspended;            /* the image goes on, rather than that `start` is called */
    uint32_t long_runs;        /* lately: more by each that the loop was taken from, fewer by others */
    Place **places;            /* by store, a hash table with linear probing */
    size_t nplaces, room;
    Place *fresh;              /* made by the pool, its store is not known yet */
    Place *dirty;              /* to be reset when there is time */
    Invocation *first, **last; /* requests that wait for a place, in order */
    uint32_t nqueued;
    Opened *next_waiting;      /* among those that have any */
    Opened *next_dirty;        /* among those with dirty instances */
    bool noted_dirty;          /* it is among them */
    uint64_t call_bytes;       /* of the worker's, for calls that its instances made */
    Opened *next_dead;         /* to be closed by the control thread */
};

/* Makes as many instances as are to be ready.  FNVM_E_* with all causes. */
fnvm_error *function_open(Worker *, SharedConfig *, const Function *, Opened **out);
void function_close(Opened *); /* nobody uses it any more */
/* Whether it is what the other configuration asks for, files included. */
bool function_same(const Opened *, const Config *, const Function *);

/* FNVM_E_POLICY: it was revoked. */
fnvm_error *function_take(Opened *, Place **out, StartKind *kind);
/* The guest has ended, or waits and is given up.  The reset comes later: function_settle. */
void function_give(Place *);
void function_settle(Opened *);

SharedConfig *shared_config_new(Config *); /* takes it; NULL: no memory, and it is freed */
void shared_config_drop(SharedConfig *);   /* the last one frees it */

/* What a new instance is given; place.c. */
fnvm_error *place_define(Place *, fnvm_linker *);
/* What one invocation needs of it, and gives up afterwards. */
fnvm_error *place_prepare(Place *, Invocation *);
/* PROTOCOL_FAASM: the guest has ended well.  Stores what it has left to be stored, so it wants the
 * token lent out.  FNVM_E_SUSPENDED: again when the invocation is woken. */
fnvm_error *place_finish(Place *);
void place_clear(Place *);

#endif
