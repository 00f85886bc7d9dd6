/* services.h - what the files of the `fnvm:*` interfaces share: what one guest was given, access
 * to its memory, the table of functions, and tasks that are open (calls and requests).
 *
 * A host function checks every address before it acts, takes what it needs from guest memory
 * once, and returns a fnvm_service_status.  Addresses and lengths are i32, of 64-bit memories,
 * too: the first 4 GiB. A module without an exported memory has none, so every address but of
 * nothing is FNVM_SERVICE_FAULT.
 *
 * A fnvm_services belongs to one thread at a time, like the store that uses it. */
#ifndef FNVM_STDLIB_SERVICES_H
#define FNVM_STDLIB_SERVICES_H

#include <string.h>

#include "fnvm.h"
#include "stdlib/http_url.h"
#include "stdlib/wasi.h"
#include "vm/store.h"

/* ---- Bounds of one call ---- */

enum {
    LOG_TEXT_BYTES = 8192,   /* of a line's text: the rest is cut */
    LOG_FIELDS_BYTES = 8192, /* of its fields */
    LOG_FIELDS_DEPTH = 16,
    CALL_NAME_BYTES = 256,
    CALL_INPUT_BYTES = 8 << 20,
    TASKS_OPEN = 256, /* calls, and as many requests */
    HTTP_METHOD_BYTES = 16,
    HTTP_FIELDS_BYTES = 64 << 10, /* of what a guest sends */
    HTTP_BODY_BYTES = 8 << 20,
    REQUEST_NAME_BYTES = 256,      /* of a field or secret */
    REQUEST_VALUE_BYTES = 8192,    /* of a field that is set */
    REQUEST_PIECE_BYTES = 1 << 20, /* of a body, in one call */
    RANDOM_BYTES = 1 << 20,        /* of one fill: a millisecond */
    FAASM_OUTPUT_BYTES = 8 << 20,
    FAASM_STATES = 256,           /* keys that one instance has copies of ... */
    FAASM_STATE_BYTES = 16 << 20, /* ... and their bytes */
    FAASM_NAME_BYTES = 1024       /* of a NUL-terminated text */
};

/* ---- Tasks: calls and requests ---- */

typedef struct Task {
    int32_t handle;      /* the guest's; 0: this place is free */
    bool ended, waiting; /* waiting: an await has begun, and ends at deadline_ns */
    bool spent;          /* nobody drops it, in Faasm: its place is taken when there is no other */
    int status;          /* if ended */
    int64_t id;          /* the backend's */
    const char *answer;  /* if ended with FNVM_SERVICE_OK; the backend's until it is dropped */
    size_t len;
    uint64_t deadline_ns; /* of CLOCK_MONOTONIC */
} Task;

typedef struct Tasks {
    fnvm_task_backend backend; /* start NULL: there is none */
    Task *open;                /* [TASKS_OPEN], or NULL before the first */
    int32_t last;              /* handle that was given; 0: none yet.  See tasks_start */
} Tasks;

/* ---- What one guest is given ---- */

typedef struct ServiceFunc {
    const char *name, *type;
    fnvm_host_fn fn;
} ServiceFunc; /* `env`: Services */
typedef struct fnvm_services Services;
typedef struct ServiceModule {
    const ServiceFunc *functions;
    Services *services;
} ServiceModule;
enum { SERVICE_MODULES = 8 };

typedef struct Random Random;         /* random.c */
typedef struct FaasmState FaasmState; /* faasm_state.c */

struct fnvm_services {
    ServiceModule modules[SERVICE_MODULES]; /* what the linker asks */

    void (*log)(void *env, fnvm_log_level, const char *text, size_t len, const char *fields,
                size_t fields_len); /* NULL: standard error */
    void *log_env;

    fnvm_kv *kv; /* retained, or NULL */
    fnvm_kv_tasks far_kv; /* start NULL: there is none */
    int64_t kv_task;      /* what the guest waits for; 0: nothing */
    fnvm_kv_verb kv_verb; /* of it */
    char prefix[FNVM_KV_PREFIX_BYTES + 1];
    size_t prefix_len;
    struct {               /* the value fetched last: the guest reads it in pieces */
        char *key, *value; /* key NULL: none */
        size_t key_len, len;
    } fetched;

    Tasks calls, requests;
    UrlRule *allow;
    size_t nallow;

    fnvm_request_backend request; /* part NULL: there is none */

    fnvm_error *(*at_sleep)(void *env, fnvm_caller *, uint64_t deadline_ns);
    void *at_sleep_env;
    fnvm_wasi *draws; /* where draws are noted, or NULL */
    Random *random;   /* NULL before the first draw */

    const void *input; /* of a function in the manner of Faasm */
    size_t input_len;
    char *output;
    size_t output_len;
    FaasmState *states; /* [FAASM_STATES], or NULL before the first */
    uint32_t nstates;
    size_t states_bytes;
    uint32_t states_pushed; /* of a push of all that waits for the store */
};

extern const ServiceFunc service_log[], service_kv[], service_call[], service_http[],
    service_random[], service_time[], service_request[],
    service_faasm[]; /* each ends with a name of NULL */

/* ---- Calls ---- */

typedef struct ServiceCall {
    fnvm_caller *caller;
    Services *services;
    uint8_t *memory;
    uint64_t memory_size; /* 0 where the calling module exports none */
} ServiceCall;

ServiceCall service_enter(fnvm_caller *, void *env);

/* The bytes [address, address + len), or NULL if they are not all inside the memory. */
static inline uint8_t *service_bytes(const ServiceCall *call, uint32_t address, uint32_t len)
{
    if (address > call->memory_size || len > call->memory_size - address) return NULL;
    return call->memory + address;
}

static inline fnvm_error *service_answer(fnvm_slot *slots, int status)
{
    slots[0].i32 = (uint32_t)status;
    return NULL;
}

/* Gives the guest a piece of something: its whole length to `len_at`, and to [to, to + size)
 * what is there from `offset` on, as far as it goes. */
int service_piece(const ServiceCall *, const void *bytes, size_t len, uint32_t offset, uint32_t to,
                  uint32_t size, uint32_t len_at);

uint64_t service_now(void); /* CLOCK_MONOTONIC, in nanoseconds */
/* That of `timeout_ms` from now; negative: never. */
uint64_t service_deadline(int64_t timeout_ms);
/* Notes that the guest draws what instances of an image would share; an error is to be returned. */
fnvm_error *service_note(const ServiceCall *, DrawKind);
/* Up to 480 random bytes: false if the host has none. */
bool service_draw(Services *, void *out, size_t len);
void random_forget(Services *); /* the next draw takes a new key */
void random_free(Services *);

/* ---- Keys and values of this guest (kv.c) ---- */

/* A store is asked with the prefix put before the key, and bounds checked.  *value is malloc'd, of a
 * get or a list that went well, else NULL; `value` NULL of the others.  An error is to be returned as
 * it is: where it is FNVM_E_SUSPENDED the host function is called again later, and has to come here
 * with the same command, having done nothing before that it must not do twice.  `caller` NULL: none,
 * and FNVM_E_SUSPENDED says the same to whoever asks. */
fnvm_error *service_kv_ask(Services *, fnvm_caller *caller, const fnvm_kv_command *, char **value,
                       size_t *len, int *status);
bool service_kv_there(const Services *);
void service_kv_forget(Services *); /* what was fetched, and what is waited for */

/* The store itself, by its reference (kv_store.c). */
const fnvm_kv_backend *kv_backend(const fnvm_kv *);

/* ---- Tasks (tasks.c) ---- */

/* A handle, or a status.  Handles begin at a random number: one that is left from before an
 * image was frozen, or a request before, belongs to nothing. */
int32_t tasks_start(ServiceCall *, Tasks *, const char *name, size_t name_len, const void *input,
                    size_t len);
Task *tasks_find(Tasks *, uint32_t handle); /* NULL: no such task */
/* Waits until it has ended, or for timeout_ms (negative: without end): its status, or
 * FNVM_SERVICE_TIMEOUT. An error is to be returned as it is; the call is made again later where
 * it is FNVM_E_SUSPENDED. */
fnvm_error *tasks_await(ServiceCall *, Tasks *, Task *, int64_t timeout_ms, int *status);
/* The functions `await` and `await_all` of both modules. */
fnvm_error *tasks_await_slots(ServiceCall *, Tasks *, fnvm_slot *slots);
fnvm_error *tasks_await_all_slots(ServiceCall *, Tasks *, fnvm_slot *slots);
/* The task if it has ended well; else *status says why not. */
Task *tasks_answer(Tasks *, uint32_t handle, int *status);
int tasks_drop(Tasks *, uint32_t handle);
void tasks_drop_all(Tasks *);

/* fnvm:call's start, for Faasm, too. */
int32_t service_call_start(ServiceCall *, const char *name, size_t name_len, const void *input,
                           size_t len);

/* ---- Faasm ---- */

/* Functions of faasm_state.c, which faasm.c has in its table. */
#define FAASM_STATE_FUNCTIONS(F)                       \
    F(read_state, "i32 i32 i32 -> i32")                \
    F(read_state_ptr, "i32 i32 -> i32")                \
    F(read_state_offset, "i32 i32 i32 i32 i32 ->")     \
    F(read_state_offset_ptr, "i32 i32 i32 i32 -> i32") \
    F(write_state, "i32 i32 i32 ->")                   \
    F(write_state_offset, "i32 i32 i32 i32 i32 ->")    \
    F(flag_state_dirty, "i32 i32 ->")                  \
    F(flag_state_offset_dirty, "i32 i32 i32 i32 ->")   \
    F(push_state, "i32 ->")                            \
    F(push_state_partial, "i32 ->")                    \
    F(pull_state, "i32 i32 ->")                        \
    F(append_state, "i32 i32 i32 ->")                  \
    F(read_appended_state, "i32 i32 i32 i32 ->")       \
    F(clear_appended_state, "i32 ->")
#define FAASM_STATE_FUNCTION(name, type) \
    fnvm_error *faasm_##name(fnvm_caller *, void *env, fnvm_slot *slots);
FAASM_STATE_FUNCTIONS(FAASM_STATE_FUNCTION)
#undef FAASM_STATE_FUNCTION
/* Texts of guests: NUL-terminated, at most FAASM_NAME_BYTES with it.  NULL: it is not. */
const char *faasm_text(const ServiceCall *, uint32_t address, size_t *len);
/* The trap for what these functions have no value for. */
fnvm_error *faasm_failed(const char *function, int status);
/* Addresses of the guest's that nobody else has: new pages.  0: it may not have more. */
uint32_t faasm_pages(ServiceCall *, uint32_t len);
/* What the guest wrote to its state is stored; errors as service_kv_ask's. */
fnvm_error *faasm_state_push_all(ServiceCall *, int *status);
void faasm_state_forget_clean(Services *); /* so that it is read anew */
void faasm_reset(Services *);

#endif
