/* fnvm.h - the public interface of libfnvm, a virtual machine for serverless functions.
 *
 * Objects
 *   fnvm_engine    configuration, the registry of types.  Shared: any thread, any time.
 *   fnvm_module    a loaded module; immutable.  Reference-counted, shared between threads.
 *   fnvm_store     everything one guest can reach.  One thread at a time.
 *   fnvm_linker    names that imports resolve to, for one store.
 *   fnvm_instance  an instantiated module; lives as long as its store.
 *
 * Errors.  A function that can fail returns `fnvm_error *`: NULL is success, anything else is
 * owned by the caller and freed with fnvm_error_free().  Nothing here prints, exits or aborts.  Any
 * of them may return FNVM_E_MEMORY; what is said of a function are its other codes.  What it gives
 * through pointers is valid only if it succeeded.
 *
 * Threads.  What takes a store, or what belongs to one (linker, instance, caller, fnvm_extern,
 * fnvm_ref), is called by one thread at a time, and none of it from a signal handler, where it is
 * not said otherwise.
 *
 * Sizes are in bytes unless the name says otherwise.  Strings are UTF-8; where a length is given
 * they need no terminating NUL.
 */
#ifndef FNVM_H
#define FNVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FNVM_API __attribute__((visibility("default")))
#define FNVM_VERSION "0.1.0"

/* The version of the library that was loaded, which may be newer than this header; static. */
FNVM_API const char *fnvm_version(void);

typedef struct fnvm_engine fnvm_engine;
typedef struct fnvm_module fnvm_module;
typedef struct fnvm_store fnvm_store;
typedef struct fnvm_linker fnvm_linker;
typedef struct fnvm_instance fnvm_instance;
typedef struct fnvm_error fnvm_error;
typedef struct fnvm_caller fnvm_caller;
typedef struct fnvm_policy fnvm_policy;
typedef struct fnvm_depot fnvm_depot;

/* ---- Errors ------------------------------------------------------------------------------- */

typedef enum fnvm_code {
    FNVM_OK,
    FNVM_E_MALFORMED,   /* not a module: the bytes or the text do not follow the grammar */
    FNVM_E_INVALID,     /* well-formed, but refused by the verifier */
    FNVM_E_LINK,        /* an import is missing or has another type */
    FNVM_E_TRAP,        /* the guest trapped: fnvm_error_trap() says how */
    FNVM_E_EXCEPTION,   /* the guest threw an exception that nothing caught */
    FNVM_E_EXIT,        /* the guest ended itself: fnvm_error_exit_status() */
    FNVM_E_UNSUPPORTED, /* a component, or a feature that is switched off */
    FNVM_E_LIMIT,       /* a limit of the configuration was reached before anything ran */
    FNVM_E_POLICY,      /* refused by a policy, or not approved; nothing ran */
    FNVM_E_NOT_FOUND,   /* no such file, export or name */
    FNVM_E_IO,          /* the operating system refused; the message carries its reason */
    FNVM_E_MEMORY,      /* the host is out of memory */
    FNVM_E_USAGE,       /* the embedder's call was wrong: a value of another type, say */
    FNVM_E_SUSPENDED    /* no failure: the guest waits, see fnvm_caller_suspend */
} fnvm_code;

/* Why a guest trapped.  The texts are the standard's own (vm/traps.def). */
typedef enum fnvm_trap {
    FNVM_TRAP_NONE,
#define TRAP(ident, text) FNVM_TRAP_##ident,
#include "fnvm_traps.def"
} fnvm_trap;

typedef struct fnvm_frame {
    uint32_t func_index;      /* in its module */
    uint64_t offset;          /* of the instruction, from the start of the module's bytes */
    const char *module_name;  /* from the name section, or NULL; lives as long as the error */
    const char *func_name;    /* likewise */
} fnvm_frame;

/* What an error has belongs to it and lives as long.  Only the first takes NULL: FNVM_OK. */
FNVM_API fnvm_code fnvm_error_code(const fnvm_error *);
FNVM_API fnvm_trap fnvm_error_trap(const fnvm_error *);        /* FNVM_TRAP_NONE if no trap */
FNVM_API int fnvm_error_exit_status(const fnvm_error *);       /* of FNVM_E_EXIT, else 0 */
FNVM_API const char *fnvm_error_message(const fnvm_error *);   /* one line, no final dot */
FNVM_API const fnvm_error *fnvm_error_cause(const fnvm_error *); /* the next, or NULL */
/* The guest's backtrace, innermost first: how many frames there are, perhaps none. */
FNVM_API size_t fnvm_error_frames(const fnvm_error *, const fnvm_frame **);
FNVM_API const char *fnvm_trap_text(fnvm_trap);                /* static */
FNVM_API void fnvm_error_free(fnvm_error *);                   /* the whole chain; NULL is fine */

/* For host functions, and embedders that wrap an error in a wider one, which then owns the cause.
 * Without memory they return the out-of-memory error, or the cause alone: never NULL. */
FNVM_API fnvm_error *fnvm_error_new(fnvm_code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
FNVM_API fnvm_error *fnvm_error_wrap(fnvm_error *cause, const char *format, ...)
    __attribute__((format(printf, 2, 3)));                     /* keeps the cause's code */
FNVM_API fnvm_error *fnvm_error_trap_new(fnvm_trap, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
FNVM_API fnvm_error *fnvm_error_exit(int status);

/* ---- Configuration and engine --------------------------------------------------------------- */

/* Proposals, as bits.  FNVM_FEATURES_3_0 is the whole of WebAssembly 3.0. */
enum {
    FNVM_FEATURE_MVP = 0,
    FNVM_FEATURE_SIGN_EXTENSION = 1 << 0,
    FNVM_FEATURE_SAT_FLOAT = 1 << 1,
    FNVM_FEATURE_MULTI_VALUE = 1 << 2,
    FNVM_FEATURE_BULK = 1 << 3,
    FNVM_FEATURE_REFERENCES = 1 << 4,
    FNVM_FEATURE_SIMD = 1 << 5,
    FNVM_FEATURE_RELAXED_SIMD = 1 << 6,
    FNVM_FEATURE_TAIL_CALL = 1 << 7,
    FNVM_FEATURE_EXTENDED_CONST = 1 << 8,
    FNVM_FEATURE_EXCEPTIONS = 1 << 9,
    FNVM_FEATURE_FUNCTION_REFS = 1 << 10,
    FNVM_FEATURE_GC = 1 << 11,
    FNVM_FEATURE_MULTI_MEMORY = 1 << 12,
    FNVM_FEATURE_MEMORY64 = 1 << 13,
    FNVM_FEATURES_3_0 = (1 << 14) - 1,
    FNVM_FEATURE_WIDE_ARITHMETIC = 1 << 14,
    FNVM_FEATURE_CUSTOM_PAGE_SIZES = 1 << 15,
};

typedef enum fnvm_verify {
    FNVM_VERIFY_LAZY,  /* a function is verified at its first call (standard, 7.2.2) */
    FNVM_VERIFY_EAGER  /* all functions when the module is loaded */
} fnvm_verify;

typedef enum fnvm_engine_kind {
    FNVM_ENGINE_AUTO,        /* the compiler where the machine has one, else the interpreter */
    FNVM_ENGINE_INTERPRETER,
    FNVM_ENGINE_JIT          /* fnvm_engine_new fails where there is none */
} fnvm_engine_kind;

typedef enum fnvm_compile {
    FNVM_COMPILE_LAZY,  /* a function is compiled at its first call */
    FNVM_COMPILE_EAGER  /* all functions when the first instance of their module is made */
} fnvm_compile;

/* Every limit is finite by default; fnvm_config_default() fills them in. */
typedef struct fnvm_config {
    uint32_t features;
    fnvm_verify verify;
    fnvm_engine_kind engine;
    fnvm_compile compile;
    uint32_t compile_threads;     /* of eager compilation, the caller's included; 0: one */
    uint64_t max_memory_bytes;    /* of one linear memory */
    uint64_t max_table_elements;  /* of one table; also what all of a module start with together */
    uint64_t max_stack_bytes;     /* guest stack of one instance */
    uint64_t max_heap_bytes;      /* managed heap, live objects of one store */
    uint32_t max_instances;       /* of one store; what exceeds it is refused with FNVM_E_LIMIT */
    bool trap_on_grow_failure;    /* memory.grow and table.grow trap instead of returning -1 */
    bool fuel;                    /* count instructions: fnvm_store_set_fuel() */
    /* Which functions may be compiled, the others being interpreted; NULL: all.  Called from any
     * thread that runs guests. */
    bool (*jit_filter)(void *env, uint32_t func);
    void *jit_filter_env;
    /* Compiled code passes an independent check before it is used, and a function whose code does
     * not is an error where it is called.  For those who test the compiler; no code_cache then. */
    bool jit_verify;
    /* A directory where compiled code is kept from one process to the next, or NULL.  It is made
     * if need be; one that others may write to is not used, nor is any with a jit_filter.  Code is
     * written when its module is freed.  Read by fnvm_engine_new only. */
    const char *code_cache;
    /* What modules may be and use: all that the engine loads is checked against it, and the limits
     * above are lowered to its ceilings.  NULL: these limits alone.  The engine retains it. */
    fnvm_policy *policy;
    /* Only what this depot approves is loaded; every decision is in its audit log.  NULL: all is.
     * It outlives the engine. */
    fnvm_depot *approvals;
} fnvm_config;

FNVM_API void fnvm_config_default(fnvm_config *);
/* NULL: defaults.  The configuration is copied.  FNVM_E_USAGE for a compiler where there is
 * none, FNVM_E_IO or _UNSUPPORTED where the system refuses what compiled code needs. */
FNVM_API fnvm_error *fnvm_engine_new(const fnvm_config *, fnvm_engine **out);
FNVM_API void fnvm_engine_free(fnvm_engine *); /* modules and stores keep it alive; NULL is fine */
/* From any thread and from signal handlers: what the engine loads, verifies and compiles now, or
 * begins to before the flag is cleared, fails with FNVM_E_LIMIT "interrupted".  What a running
 * guest has verified and compiled at its first calls is stopped by fnvm_store_interrupt. */
FNVM_API void fnvm_engine_interrupt(fnvm_engine *);
FNVM_API void fnvm_engine_clear_interrupt(fnvm_engine *);

/* ---- Measurement ----------------------------------------------------------------------------- */

/* The measurement of a module is a hash over what can change its behaviour: names, debug
 * information and how sizes are encoded are left out.  The definition is in docs/measurement.md. */
enum { FNVM_MEASUREMENT_BYTES = 32 };

typedef struct fnvm_section {  /* of a module, in the order of the file */
    uint8_t id;                /* 0: a custom section */
    const char *name; size_t name_len; /* a custom section's own, else the standard's word */
    uint64_t offset, size;     /* of the contents, behind a custom section's name; in bytes */
    bool counted;
} fnvm_section;

/* Of a binary module's bytes.  Of sections only the headers are read, as the loader does:
 * FNVM_E_MALFORMED where it would refuse them.  If all is well `section` is called for each; it
 * may be NULL. */
FNVM_API fnvm_error *fnvm_measure(const void *bytes, size_t len,
                                  void (*section)(void *env, const fnvm_section *), void *env,
                                  unsigned char out[FNVM_MEASUREMENT_BYTES]);
/* The same of a module's bytes; of text, those it was translated to.  Takes as long as hashing. */
FNVM_API fnvm_error *fnvm_module_measurement(const fnvm_module *,
                                             unsigned char out[FNVM_MEASUREMENT_BYTES]);

/* ---- Policies -------------------------------------------------------------------------------- */

/* What an operator lets modules be and use, from a YAML file: docs/policies.md.  Immutable and
 * reference-counted; any thread. */

/* FNVM_E_MALFORMED with file, line, column and what was expected. */
FNVM_API fnvm_error *fnvm_policy_load(const char *path, fnvm_policy **out);
FNVM_API fnvm_error *fnvm_policy_parse(const char *name, const char *yaml, size_t len,
                                       fnvm_policy **out); /* `name` is for messages; directories
                                                            * are relative to its folder */
FNVM_API fnvm_policy *fnvm_policy_retain(fnvm_policy *);
FNVM_API void fnvm_policy_release(fnvm_policy *); /* NULL is fine */

typedef struct fnvm_violation {
    uint64_t offset;      /* in the module's bytes; UINT64_MAX: of none (a missing export) */
    const char *rule;     /* the key in the YAML: "limits.locals" */
    uint32_t line;        /* where it stands; 0: a default */
    const char *message;  /* "0x2a: 3 memories, ..." */
} fnvm_violation;

/* Decodes and verifies a module, binary or text, under the policy, and calls `report` for every
 * violation, functions' in order of their bodies.  An error says that it is no valid module at
 * all. */
FNVM_API fnvm_error *fnvm_policy_check(fnvm_policy *, const void *bytes, size_t len,
                                       void (*report)(void *env, const fnvm_violation *), void *env,
                                       size_t *violations);
/* The narrowest policy that the module fits, as YAML to edit; *yaml is freed with free(). */
FNVM_API fnvm_error *fnvm_policy_explain(const void *bytes, size_t len, char **yaml);

/* ---- Approvals ------------------------------------------------------------------------------- */

/* A depot is a directory with a database of approved binaries, an audit log of every decision, and
 * the files of installed functions: docs/approvals.md.  Several processes may use one.  One thread
 * at a time, but for the decisions of engines with fnvm_config.approvals, which take any. */

/* Makes the directory if `create`.  FNVM_E_NOT_FOUND if there is none. */
FNVM_API fnvm_error *fnvm_depot_open(const char *dir, bool create, fnvm_depot **out);
FNVM_API void fnvm_depot_close(fnvm_depot *); /* NULL is fine */
/* From now on only approvals signed by one of these keys count (Ed25519, as libsodium has them). */
FNVM_API fnvm_error *fnvm_depot_require_signature(fnvm_depot *, const unsigned char (*keys)[32],
                                                  size_t nkeys);

/* ---- Types ----------------------------------------------------------------------------------- */

/* A value type: numbers, v128 and abstract references are constants.  References to types that
 * modules define come from functions, and are valid as long as the function's store or module is. */
typedef uint32_t fnvm_valtype;

typedef enum fnvm_kind {
    FNVM_I32, FNVM_I64, FNVM_F32, FNVM_F64, FNVM_V128, FNVM_REF
} fnvm_kind;

FNVM_API fnvm_kind fnvm_valtype_kind(fnvm_valtype);
/* Writes the text format's spelling, cut to size; returns the length it needs. */
FNVM_API size_t fnvm_valtype_print(fnvm_engine *, fnvm_valtype, char *text, size_t size);
/* The type spelled "i32", "externref", "(ref null any)", ...: abstract types only. */
FNVM_API bool fnvm_valtype_parse(const char *text, fnvm_valtype *out);

typedef enum fnvm_externkind {
    FNVM_EXTERN_FUNC, FNVM_EXTERN_TABLE, FNVM_EXTERN_MEMORY, FNVM_EXTERN_GLOBAL, FNVM_EXTERN_TAG
} fnvm_externkind;

/* The type of an import or export, as the text format spells it: "(func (param i32))". */
typedef struct fnvm_import {
    const char *module; size_t module_len;
    const char *name; size_t name_len;
    fnvm_externkind kind;
} fnvm_import;
typedef struct fnvm_export {
    const char *name; size_t name_len;
    fnvm_externkind kind;
    uint32_t index;
} fnvm_export;

/* ---- Modules --------------------------------------------------------------------------------- */

/* Binary or text; decided by the first bytes.  A file is mapped read-only and never copied, and so
 * must not change while the module lives; the bytes given to fnvm_module_new are copied unless
 * they are text.  In lazy mode function bodies are neither decoded nor verified yet.  Any thread.
 * FNVM_E_NOT_FOUND and _IO for the file; FNVM_E_MALFORMED, _INVALID and _UNSUPPORTED with the
 * place; FNVM_E_LIMIT and _POLICY where the configuration refuses it. */
FNVM_API fnvm_error *fnvm_module_load(fnvm_engine *, const char *path, fnvm_module **out);
FNVM_API fnvm_error *fnvm_module_new(fnvm_engine *, const void *bytes, size_t len,
                                     fnvm_module **out);
FNVM_API fnvm_module *fnvm_module_retain(fnvm_module *);
FNVM_API void fnvm_module_release(fnvm_module *); /* instances keep it alive; NULL is fine */
/* Verifies every function; calls `report` (may be NULL) for each bad one, in order.  The error it
 * is given is freed after the call.  Returns how many are bad through `bad`. */
FNVM_API fnvm_error *fnvm_module_verify(fnvm_module *,
                                        void (*report)(void *env, const fnvm_error *),
                                        void *env, size_t *bad);
/* Compiles every function now, on config.compile_threads threads, rather than at its first call or
 * with the first instance.  Bad functions are left to trap when they are called.  Does nothing
 * where the engine interprets.  Any thread, any number of times. */
FNVM_API fnvm_error *fnvm_module_compile(fnvm_module *);
/* What it imports and exports, by numbers below the count.  Names belong to the module, need not
 * end with a NUL, and may hold one. */
FNVM_API size_t fnvm_module_imports(const fnvm_module *);
FNVM_API void fnvm_module_import(const fnvm_module *, size_t i, fnvm_import *out);
FNVM_API size_t fnvm_module_exports(const fnvm_module *);
FNVM_API void fnvm_module_export(const fnvm_module *, size_t i, fnvm_export *out);
/* The text-format spelling of import or export i's type; like fnvm_valtype_print. */
FNVM_API size_t fnvm_module_import_type(const fnvm_module *, size_t i, char *text, size_t size);
FNVM_API size_t fnvm_module_export_type(const fnvm_module *, size_t i, char *text, size_t size);

/* Text format to binary.  *bytes is freed with free().  FNVM_E_MALFORMED with line and column;
 * nothing is verified.  Any thread. */
FNVM_API fnvm_error *fnvm_wat_to_wasm(const char *text, size_t len, uint8_t **bytes,
                                      size_t *bytes_len);

/* ---- Stores ---------------------------------------------------------------------------------- */

FNVM_API fnvm_error *fnvm_store_new(fnvm_engine *, fnvm_store **out); /* any thread */
/* With all its instances; not while its guest runs, and after its linkers.  NULL is fine. */
FNVM_API void fnvm_store_free(fnvm_store *);
/* What the embedder keeps with a store, NULL at first: host functions that several stores share
 * find what is their store's by fnvm_caller_store.  Never looked at, nor freed; a reset leaves
 * it. */
FNVM_API void fnvm_store_set_data(fnvm_store *, void *);
FNVM_API void *fnvm_store_data(const fnvm_store *);
/* From any thread and from signal handlers: the guest traps with INTERRUPTED at its next loop or
 * call, or in the midst of a bulk operation, a collection, or what WASI does for it; blocking host
 * functions return early.  That takes milliseconds, but for a system call on a device that keeps
 * one waiting.  A bulk operation over more than a megabyte may be done in part then, which the
 * embedder can see.  Stays set until cleared. */
FNVM_API void fnvm_store_interrupt(fnvm_store *);
FNVM_API void fnvm_store_clear_interrupt(fnvm_store *);
/* Only if the engine counts fuel: the guest traps with OUT_OF_FUEL when it is used up.  Compiled
 * code stops at the beginning of a stretch of instructions that it cannot pay for.  A new store has
 * all that its engine's policy allows, and never gets more. */
FNVM_API void fnvm_store_set_fuel(fnvm_store *, uint64_t instructions);
FNVM_API uint64_t fnvm_store_fuel(const fnvm_store *); /* what is left */

/* ---- Values ---------------------------------------------------------------------------------- */

/* A reference: an opaque handle, 0 is null.  It stays valid (and its object alive) until the
 * store is freed or fnvm_store_drop_refs() drops all handles of the store. */
typedef uint64_t fnvm_ref;

typedef struct fnvm_val {
    fnvm_kind kind;
    union {
        int32_t i32; int64_t i64; float f32; double f64; uint8_t v128[16]; fnvm_ref ref;
    } of;
} fnvm_val;

typedef enum fnvm_refkind { /* what a reference refers to */
    FNVM_REF_NULL, FNVM_REF_FUNC, FNVM_REF_EXTERN, FNVM_REF_I31, FNVM_REF_STRUCT, FNVM_REF_ARRAY,
    FNVM_REF_EXCEPTION
} fnvm_refkind;

FNVM_API fnvm_refkind fnvm_ref_kind(fnvm_store *, fnvm_ref); /* of what is no handle: NULL */
/* A reference to a host value, which the guest can hold and give back.  FNVM_E_LIMIT: the managed
 * heap is full. */
FNVM_API fnvm_error *fnvm_ref_from_host(fnvm_store *, uint64_t host_value, fnvm_ref *out);
FNVM_API bool fnvm_ref_host_value(fnvm_store *, fnvm_ref, uint64_t *out); /* false: no host value */
FNVM_API bool fnvm_ref_i31_value(fnvm_store *, fnvm_ref, int32_t *out);
FNVM_API bool fnvm_ref_is_extern(fnvm_store *, fnvm_ref); /* a host value or externalised any */
FNVM_API void fnvm_store_drop_refs(fnvm_store *); /* globals and tables keep what they hold */

/* ---- Host functions -------------------------------------------------------------------------- */

/* The home slots of a call: arguments come in slots[0..], results go to slots[0..]; 8 bytes each,
 * a v128 takes two.  Read and write each through the member of its type; what is in the upper half
 * of an i32 or f32 result does not matter. */
typedef union fnvm_slot {
    uint32_t i32; uint64_t i64; float f32; double f64; fnvm_ref ref;
} fnvm_slot;

/* `.ref` holds the engine's own bits, which a host function may pass back unchanged during the
 * same call; fnvm_slot_to_ref makes a handle of them that may be kept.
 *
 * Returns NULL, or an error: fnvm_error_trap_new() traps the guest, fnvm_error_exit() ends it.
 * `slots` is valid only during the call, and not over a call back into the guest. */
typedef fnvm_error *(*fnvm_host_fn)(fnvm_caller *, void *env, fnvm_slot *slots);

/* Between a slot of the given reference type and a handle; the type is checked: FNVM_E_USAGE. */
FNVM_API fnvm_error *fnvm_slot_to_ref(fnvm_caller *, const fnvm_slot *, fnvm_valtype,
                                      fnvm_ref *out);
FNVM_API fnvm_error *fnvm_slot_from_ref(fnvm_caller *, fnvm_ref, fnvm_valtype, fnvm_slot *out);

/* A caller is good until the host function returns. */
FNVM_API fnvm_store *fnvm_caller_store(fnvm_caller *);
FNVM_API fnvm_instance *fnvm_caller_instance(fnvm_caller *); /* NULL: the embedder called it */
/* The memory that the calling instance exports as "memory": false if there is none.  `base` stays
 * as long as the store; `size`, in bytes, may have grown once the guest has run again. */
FNVM_API bool fnvm_caller_memory(fnvm_caller *, uint8_t **base, uint64_t *size);
/* True after fnvm_store_interrupt; the descriptor is readable then (wait on it beside your own). */
FNVM_API bool fnvm_caller_interrupted(fnvm_caller *);
FNVM_API int fnvm_caller_interrupt_fd(fnvm_caller *); /* -1 where none could be made */

/* ---- Suspension ------------------------------------------------------------------------------ */

/* A guest can be left waiting in a host function while its thread does other things: its frames
 * lie on its own stack.  One thread can hold any number of such guests, and another may go on with
 * them (one thread at a time, as ever).  To leave one and go on costs about what a call into the
 * guest costs.
 * Images are taken of waiting guests in the same way: fnvm_caller_freeze. */

typedef enum fnvm_wake {
    FNVM_WAKE_RETURN, /* the host function returns what the embedder gives */
    FNVM_WAKE_REPEAT  /* it is called again, with the same arguments */
} fnvm_wake;

/* What a host function returns to leave its guest waiting; nothing happens if it returns something
 * else.  The embedder's call into the store then returns FNVM_E_SUSPENDED, an error that needs no
 * freeing (fnvm_error_free does nothing) and allocated nothing.  FNVM_E_USAGE instead, to be
 * returned as well or acted upon, where there are frames on the host's stack that cannot be left: a
 * host function has called back into the guest; a module's start function runs; no guest has called
 * the host function. */
FNVM_API fnvm_error *fnvm_caller_suspend(fnvm_caller *, fnvm_wake);
/* Whether a guest of the store waits like this; one that an image brought does so once it has gone
 * on and was left again. */
FNVM_API bool fnvm_store_suspended(const fnvm_store *);
/* fnvm_store_resume (below, with images) lets it go on after FNVM_WAKE_REPEAT.  This one gives the
 * results of the host function after FNVM_WAKE_RETURN: in as many slots as its type has,
 * references as handles, whose types are checked; NULL for none.  Both return like the call that
 * was suspended, with its `results`, and may return FNVM_E_SUSPENDED again.  FNVM_E_USAGE if the
 * guest does not wait like that: it still waits then.  An interrupt ends it when it is resumed,
 * with INTERRUPTED, and the host function is not called again.  Meanwhile calls of the store's
 * functions, instantiating and fnvm_store_hash are FNVM_E_USAGE; memories, globals, fuel and
 * handles can be used.  fnvm_store_freeze takes an image in which the guest waits likewise; after
 * FNVM_WAKE_RETURN its `value` is returned there. */
FNVM_API fnvm_error *fnvm_store_resume_with(fnvm_store *, const fnvm_slot *answer,
                                            fnvm_val *results, size_t nresults);
/* Gives the waiting guest's call up, as if it had trapped; does nothing where none waits.
 * fnvm_store_reset, fnvm_pool_give and fnvm_store_free do so, too. */
FNVM_API void fnvm_store_abandon(fnvm_store *);

/* ---- Linking and instances ------------------------------------------------------------------- */

typedef struct fnvm_extern { /* a function, table, memory, global or tag of a store */
    fnvm_externkind kind;
    uint64_t of[2];
} fnvm_extern;

FNVM_API fnvm_error *fnvm_linker_new(fnvm_store *, fnvm_linker **out);
FNVM_API void fnvm_linker_free(fnvm_linker *); /* before its store; NULL is fine */
FNVM_API fnvm_store *fnvm_linker_store(const fnvm_linker *);
/* Names are copied; the last definition of one counts, for what is instantiated from then on.
 * FNVM_E_USAGE for what is of another store. */
FNVM_API fnvm_error *fnvm_linker_define(fnvm_linker *, const char *module, size_t module_len,
                                        const char *name, size_t name_len, fnvm_extern);
/* `type` in the form "i32 i64 -> i32", FNVM_E_USAGE if it is not; `env` is passed through and
 * outlives the store. */
FNVM_API fnvm_error *fnvm_linker_define_func(fnvm_linker *, const char *module, const char *name,
                                             const char *type, fnvm_host_fn, void *env);
/* All exports of an instance, under the module name `name`. */
FNVM_API fnvm_error *fnvm_linker_define_instance(fnvm_linker *, const char *name, size_t name_len,
                                                 fnvm_instance *);
/* The module `name` is this one, retained; it is instantiated when first needed.  FNVM_E_USAGE,
 * also above, for what is of another engine or store. */
FNVM_API fnvm_error *fnvm_linker_define_module(fnvm_linker *, const char *name, fnvm_module *);
/* Names that nothing else defines are looked for as DIR/NAME.wasm, then DIR/NAME.wat. */
FNVM_API fnvm_error *fnvm_linker_add_path(fnvm_linker *, const char *dir);
/* Functions that nothing defines are no error when linked, but trap when called. */
FNVM_API void fnvm_linker_unknown_imports_trap(fnvm_linker *, bool);
/* Links, instantiates and runs the start function.  FNVM_E_LINK lists all imports that are missing
 * or of another type; FNVM_E_LIMIT; and what a call may return, of the start function.  An
 * instance that failed stays in the store for what it wrote into others before (4.7.2). */
FNVM_API fnvm_error *fnvm_linker_instantiate(fnvm_linker *, fnvm_module *, fnvm_instance **out);

FNVM_API fnvm_module *fnvm_instance_module(const fnvm_instance *); /* not retained */
/* False: it has no such export.  What it gives is good as long as the store. */
FNVM_API bool fnvm_instance_export(fnvm_instance *, const char *name, size_t name_len,
                                   fnvm_extern *out);

/* The text format's spelling of its type, "(global (mut i32))"; like fnvm_valtype_print.  0 and an
 * empty text if it is not of the store. */
FNVM_API size_t fnvm_extern_type(fnvm_store *, fnvm_extern, char *text, size_t size);

/* Host-made definitions, for fnvm_linker_define.  Sizes are in pages of 64 KiB and in elements; a
 * maximum of UINT64_MAX is none; table elements start as null.  FNVM_E_USAGE for a type that is
 * none, FNVM_E_INVALID and _LIMIT for sizes. */
FNVM_API fnvm_error *fnvm_func_new(fnvm_store *, const char *type, fnvm_host_fn, void *env,
                                   fnvm_extern *out);
FNVM_API fnvm_error *fnvm_global_new(fnvm_store *, fnvm_valtype, bool is_mutable,
                                     const fnvm_val *, fnvm_extern *out);
FNVM_API fnvm_error *fnvm_memory_new(fnvm_store *, uint64_t min_pages, uint64_t max_pages,
                                     bool is64, fnvm_extern *out);
FNVM_API fnvm_error *fnvm_table_new(fnvm_store *, fnvm_valtype, uint64_t min, uint64_t max,
                                    bool is64, fnvm_extern *out);

/* A function as a reference, and back (false: null or no function). */
FNVM_API fnvm_error *fnvm_ref_from_func(fnvm_store *, fnvm_extern func, fnvm_ref *out);
FNVM_API bool fnvm_ref_func(fnvm_store *, fnvm_ref, fnvm_extern *out);

/* How many there are; the first `max` of them in `types`, which may be NULL if that is 0. */
FNVM_API size_t fnvm_func_params(fnvm_store *, fnvm_extern, fnvm_valtype *types, size_t max);
FNVM_API size_t fnvm_func_results(fnvm_store *, fnvm_extern, fnvm_valtype *types, size_t max);
/* `args` and `results` have as many values as the type says; the kinds and types of arguments are
 * checked: FNVM_E_USAGE.  FNVM_E_TRAP, _EXCEPTION, _EXIT and _SUSPENDED say how else it ended, and
 * a host function's error comes back as it was. */
FNVM_API fnvm_error *fnvm_func_call(fnvm_store *, fnvm_extern func, const fnvm_val *args,
                                    size_t nargs, fnvm_val *results, size_t nresults);

/* The same without values: arguments and results in slots as host functions have them, slots[]
 * with room for the more of the two.  Only for types of numbers and vectors, FNVM_E_USAGE else.
 * Nothing is allocated unless it fails. */
FNVM_API fnvm_error *fnvm_func_call_slots(fnvm_store *, fnvm_extern func, fnvm_slot *slots);

/* FNVM_E_USAGE for a value of another type, a global that is immutable, or what is none. */
FNVM_API fnvm_error *fnvm_global_get(fnvm_store *, fnvm_extern, fnvm_val *out);
FNVM_API fnvm_error *fnvm_global_set(fnvm_store *, fnvm_extern, const fnvm_val *);
/* Copies between guest and host; false, and nothing done, if it is not all within the memory. */
FNVM_API bool fnvm_memory_read(fnvm_store *, fnvm_extern, uint64_t at, void *out, size_t size);
FNVM_API bool fnvm_memory_write(fnvm_store *, fnvm_extern, uint64_t at, const void *bytes,
                                size_t size);
/* The base never moves while the store lives, however the memory grows: a view of [base, base +
 * size) stays good, also while the guest runs, but for a reset that makes the memory smaller.
 * NULL if it is no memory of the store.  A store whose base was asked for, here or by
 * fnvm_caller_memory, takes a few microseconds more for each reset from then on. */
FNVM_API uint8_t *fnvm_memory_base(fnvm_store *, fnvm_extern);
FNVM_API uint64_t fnvm_memory_size(fnvm_store *, fnvm_extern);      /* bytes; 0 if it is none */
FNVM_API uint32_t fnvm_memory_page_size(fnvm_store *, fnvm_extern); /* bytes: 65,536 or 1 */
/* As memory.grow: false, and nothing done, beyond the memory's maximum or the configuration's.
 * *old_pages (may be NULL) is the size before. */
FNVM_API bool fnvm_memory_grow(fnvm_store *, fnvm_extern, uint64_t pages, uint64_t *old_pages);

/* Tables.  Elements are handles, whose types are checked: FNVM_E_USAGE for another type, an index
 * that the table has not, or what is no table of the store. */
FNVM_API uint64_t fnvm_table_size(fnvm_store *, fnvm_extern); /* elements; 0 if it is none */
FNVM_API fnvm_error *fnvm_table_get(fnvm_store *, fnvm_extern, uint64_t at, fnvm_ref *out);
FNVM_API fnvm_error *fnvm_table_set(fnvm_store *, fnvm_extern, uint64_t at, fnvm_ref);
/* New elements are `ref`; *old_size may be NULL.  FNVM_E_LIMIT, and nothing done, beyond its
 * maximum. */
FNVM_API fnvm_error *fnvm_table_grow(fnvm_store *, fnvm_extern, uint64_t by, fnvm_ref ref,
                                     uint64_t *old_size);

/* From now on traps leave a copy of the guest's frames in the store: fnvm_store_coredump.  Of
 * compiled code it has the locals as they last were in memory; interpret where they are to be
 * exact. */
FNVM_API void fnvm_store_keep_trap_state(fnvm_store *, bool);
/* Writes a wasm core dump (tool conventions) of what the error's trap left behind: frames as they
 * were at the trap, memories and globals as they are now.  fnvm_store_keep_trap_state comes before
 * the call that traps. */
FNVM_API fnvm_error *fnvm_store_coredump(fnvm_store *, const fnvm_error *trap, FILE *out);

/* ---- WASI preview 1 -------------------------------------------------------------------------- */

typedef struct fnvm_wasi fnvm_wasi;

typedef enum fnvm_dir_access { FNVM_DIR_READ_WRITE, FNVM_DIR_READ_ONLY } fnvm_dir_access;

FNVM_API fnvm_error *fnvm_wasi_new(fnvm_wasi **out); /* no arguments, no environment, no files */
FNVM_API void fnvm_wasi_free(fnvm_wasi *);    /* after the stores that use it; NULL is fine */
/* Appended, and copied.  FNVM_E_USAGE for a name that is empty or has a `=`. */
FNVM_API fnvm_error *fnvm_wasi_arg(fnvm_wasi *, const char *arg);
FNVM_API fnvm_error *fnvm_wasi_env(fnvm_wasi *, const char *name, const char *value);
/* Many at once: NAME=value NUL NAME=value NUL ...  FNVM_E_USAGE, and none is given, where a name is
 * missing or the last NUL is. */
FNVM_API fnvm_error *fnvm_wasi_env_block(fnvm_wasi *, const char *block, size_t len_bytes);
FNVM_API fnvm_error *fnvm_wasi_inherit_stdio(fnvm_wasi *); /* descriptors 0, 1 and 2 */
FNVM_API fnvm_error *fnvm_wasi_stdio(fnvm_wasi *, int guest_fd, int host_fd); /* dup'd */
/* The host's directory under the guest's name; what leads out of it is refused by the kernel.
 * FNVM_E_NOT_FOUND, _IO, and _UNSUPPORTED where the kernel cannot. */
FNVM_API fnvm_error *fnvm_wasi_preopen_dir(fnvm_wasi *, const char *host, const char *guest,
                                           fnvm_dir_access);
/* A stream that is the embedder's own, for one of the descriptors 0 to 2; no descriptor of the
 * host's is involved.  To the guest it is a pipe.  `read` and `write` move what they can and set
 * *done (0 before the call); *done 0 is the end: of the input, or errno pipe for who writes.
 * Where nothing can be moved yet they return fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT) and are
 * called again, with the same bytes, when the guest is resumed.  What they return is not always
 * followed: a write of which a part was taken before is a short one, and a guest that does not
 * wait (fdflags nonblock) gets errno again; only FNVM_E_SUSPENDED from the embedder's call says
 * that a guest waits.  With `size` 0 (and no bytes) they are asked whether they would have to
 * wait: poll_oneoff does so.  Another error ends the guest.  A function that is NULL: reading is at
 * its end, writing goes nowhere.  `stream` NULL: both are.  Fields are copied; `env` outlives its
 * use.
 *
 * Given again, for a guest that runs anew (fnvm_pool_take), a stream changes what it does and
 * nothing else: a guest that had closed its descriptor does not get it back.  fnvm_store_reset
 * leaves that as it is.  Images hold no streams, only that there were some; any of the ways to
 * give descriptors will do where one is restored. */
typedef struct fnvm_stream {
    void *env;
    fnvm_error *(*read)(void *env, fnvm_caller *, void *to, size_t size, size_t *done);
    fnvm_error *(*write)(void *env, fnvm_caller *, const void *from, size_t size, size_t *done);
} fnvm_stream;
FNVM_API fnvm_error *fnvm_wasi_stream(fnvm_wasi *, int guest_fd, const fnvm_stream *stream);
/* Called where the guest is about to do nothing but wait until `deadline_ns` of CLOCK_MONOTONIC
 * (UINT64_MAX: for ever): in poll_oneoff without descriptors of the host's that could make it wait,
 * and in sched_yield with 0.  It may suspend the guest with FNVM_WAKE_REPEAT; if that is resumed
 * before its time it asks again, with the same deadline.  NULL, as `fn` or from it, lets it wait on
 * its thread.  A guest that waits for streams of the embedder's, too, has asked these before; where
 * they would wait it is suspended in any case. */
FNVM_API void fnvm_wasi_at_sleep(fnvm_wasi *,
                                 fnvm_error *(*fn)(void *env, fnvm_caller *, uint64_t deadline_ns),
                                 void *env);
/* Between requests: what fnvm_wasi_arg and fnvm_wasi_env have given is gone, and its space is kept
 * for what is given next.  A reset leaves arguments and environment alone. */
FNVM_API void fnvm_wasi_clear_args(fnvm_wasi *);
FNVM_API void fnvm_wasi_clear_env(fnvm_wasi *);
/* A listening or connected socket, handed to the guest as its next descriptor; ownership moves. */
FNVM_API fnvm_error *fnvm_wasi_preopen_socket(fnvm_wasi *, int host_fd);
/* Defines wasi_snapshot_preview1 (and its older name wasi_unstable, where they agree).  A function
 * of these that is defined by itself, too, comes first.  `wasi` outlives the linker. */
FNVM_API fnvm_error *fnvm_linker_define_wasi(fnvm_linker *, fnvm_wasi *);

/* The call table: only these functions of WASI may be imported, all others are refused with
 * FNVM_E_POLICY when they are linked, the message listing all of the module that are not in the
 * table; those of an image when it is restored.  Names are those of the interface ("fd_read");
 * FNVM_E_USAGE for one that it has not.  Before it, all may be; called again, it adds to the table.
 * What is linked stays linked, and what was refused is not linked by it. */
FNVM_API fnvm_error *fnvm_wasi_allow_calls(fnvm_wasi *, const char *const *names, size_t n);
/* Bytes that the guest may write in all, to streams, files and sockets: the last write is cut, then
 * errno dquot.  What it reserves or has files grow by without writing counts as well, and the text
 * of links; names of files do not.  Default: UINT64_MAX.  A restore or reset starts anew. */
FNVM_API void fnvm_wasi_limit_output(fnvm_wasi *, uint64_t bytes);
/* Descriptors that the guest may have open, at most 1024, the default: then errno mfile.  0 to 2
 * count in any case.  What has been given before stays. */
FNVM_API void fnvm_wasi_limit_descriptors(fnvm_wasi *, uint32_t most);

/* For taking images.  From now on the first functions of the guest that read a clock or draw random
 * bytes are noted: instances of an image would share what they got. */
FNVM_API void fnvm_wasi_note_draws(fnvm_wasi *);
FNVM_API const char *fnvm_wasi_draws(const fnvm_wasi *); /* lines; "" if there were none */
/* Called when the guest is about to wait for its first standard input (fd_read, fd_pread or
 * poll_oneoff of descriptor 0), in the host function that will; fnvm_caller_freeze with
 * FNVM_WAKE_REPEAT is meant for it.  An error ends the guest; NULL lets it go on and read. */
FNVM_API void fnvm_wasi_at_stdin(fnvm_wasi *, fnvm_error *(*fn)(void *env, fnvm_caller *),
                                 void *env);

/* ---- Images ---------------------------------------------------------------------------------- */

/* An image is a store in a file: a function that has started up, to go on from there any number of
 * times.  What is in it and what is not: docs/snapshots.md.  Opened images are immutable and
 * reference-counted; any thread. */
typedef struct fnvm_image fnvm_image;

typedef struct fnvm_freeze {   /* zero is a good default but for the first two and `linker` */
    const char *path;          /* written under another name beside it, then renamed */
    fnvm_instance *main;       /* whose exports are the image's */
    const char *start;         /* the export that `fnvm run` calls; NULL: "_start" */
    fnvm_linker *linker;       /* the one `main` came from: it has the names of host functions */
    fnvm_wasi *wasi;           /* whose descriptors go along, or NULL */
    bool code;                 /* write code segments too: PATH with ".fnvmc" for its ending */
    bool strict;               /* refuse if fnvm_wasi_note_draws has anything to report */
    bool no_sync;              /* do not wait for the disk: for tests */
    const unsigned char *sign_key; /* 64 bytes, Ed25519 as libsodium has it; NULL: not signed */
    fnvm_wake wake;            /* fnvm_caller_freeze only: the host function returns `value` ... */
    uint64_t value;            /* ... (of an i32 or f32 the lower half), or is called again */
} fnvm_freeze;

/* Freezes a store in which nothing runs, or whose guest was left waiting (`wake` is then as it
 * waits), or from within a host function all that its guest is in the midst of.  The store goes on
 * afterwards.  FNVM_E_USAGE if calls are nested (a host function called back into the guest),
 * FNVM_E_UNSUPPORTED with a list for what cannot be frozen. */
FNVM_API fnvm_error *fnvm_store_freeze(fnvm_store *, const fnvm_freeze *);
FNVM_API fnvm_error *fnvm_caller_freeze(fnvm_caller *, const fnvm_freeze *);

typedef struct fnvm_image_options { /* zero: modules where they were, trust in our own files only */
    fnvm_module *const *modules; size_t nmodules;  /* loaded already; found by their contents */
    const char *const *files; size_t nfiles;       /* module files to try before its paths */
    const unsigned char (*keys)[32]; size_t nkeys; /* Ed25519 keys whose signatures are trusted */
    bool require_signature;
    void (*warn)(void *env, const char *message); void *warn_env; /* a code segment was refused */
} fnvm_image_options;

/* Opens and, unless the file is known (engine's code_cache), verifies it: FNVM_E_MALFORMED if it is
 * damaged, FNVM_E_INVALID if it or a module is not what belongs together, the message saying which
 * part differs. */
FNVM_API fnvm_error *fnvm_image_open(fnvm_engine *, const char *path, const fnvm_image_options *,
                                     fnvm_image **out); /* NULL: defaults */
FNVM_API fnvm_image *fnvm_image_retain(fnvm_image *);
FNVM_API void fnvm_image_release(fnvm_image *); /* stores keep it alive; NULL is fine */
FNVM_API bool fnvm_image_suspended(const fnvm_image *); /* fnvm_caller_freeze made it */
FNVM_API const char *fnvm_image_start(const fnvm_image *); /* fnvm_freeze.start, or "_start" */
/* Lines about clocks read and random bytes drawn before it was frozen; "" if there were none. */
FNVM_API const char *fnvm_image_draws(const fnvm_image *);

/* Makes the image's instances in the linker's store, in which nothing but host functions has been
 * made.  The linker must define, under the same names and types, those of the image: FNVM_E_LINK
 * lists what is missing.  `wasi` is the one that the linker's WASI functions use, with what the
 * guest is to have now. */
FNVM_API fnvm_error *fnvm_image_restore(fnvm_image *, fnvm_linker *, fnvm_wasi *,
                                        fnvm_instance **main);
/* The `wasi` of a restored store, or NULL: of one from a pool, what `define` had made for it. */
FNVM_API fnvm_wasi *fnvm_store_wasi(const fnvm_store *);
/* For a restored store whose guest is about to run, once: brings in at once what the image was
 * trained to know that its first requests write (fnvm snapshot --train); else does nothing. */
FNVM_API void fnvm_store_prefault(fnvm_store *);
/* Lets the suspended call go on; like fnvm_func_call of what the embedder had called then.  Of an
 * image: once after fnvm_image_restore or fnvm_store_reset.  Of fnvm_caller_suspend: once for
 * each. */
FNVM_API fnvm_error *fnvm_store_resume(fnvm_store *, fnvm_val *results, size_t nresults);
/* Makes a restored store what it was after fnvm_image_restore: memory, tables, globals, stack,
 * objects, descriptors, fuel.  Handles (fnvm_ref) are given up.  Nothing is left of what was done
 * to it.  FNVM_E_UNSUPPORTED if modules were instantiated in it since.  After an error it can only
 * be freed. */
FNVM_API fnvm_error *fnvm_store_reset(fnvm_store *);
/* A hash over all of the guest's state as it is after fnvm_image_restore or fnvm_store_reset: equal
 * for equal states, whatever the addresses.  FNVM_E_UNSUPPORTED while the guest has sockets. */
FNVM_API fnvm_error *fnvm_store_hash(fnvm_store *, unsigned char out[32]);

FNVM_API size_t fnvm_store_instances(const fnvm_store *);
FNVM_API fnvm_instance *fnvm_store_instance(const fnvm_store *, size_t i); /* in order of making */

/* The module fnvm:snapshot, see stdlib/include/fnvm/snapshot.h.  `checkpoint` is called where the
 * guest asks to be frozen, in the host function: its fnvm_caller_freeze wants FNVM_WAKE_RETURN with
 * value 1.  What it puts in *result is returned to the guest now: 0 where an image was written, -1
 * (also if `checkpoint` is NULL) where nobody takes images. */
FNVM_API fnvm_error *fnvm_linker_define_snapshot(
    fnvm_linker *, fnvm_error *(*checkpoint)(void *env, fnvm_caller *, int32_t *result), void *env);

/* ---- Pools ----------------------------------------------------------------------------------- */

/* Restored stores of one image, ready to be taken: for one thread, without locks.  Taking and
 * giving back a store make no mappings. */
typedef struct fnvm_pool fnvm_pool;

typedef struct fnvm_pool_options {
    size_t ready;              /* stores to make at once */
    size_t most;               /* stores that may exist; taking more is FNVM_E_LIMIT */
    /* Defines in a new store's linker what the image's host functions are; called once per store.
     * The fnvm_wasi it returns through *wasi (may stay NULL) is freed with the store. */
    fnvm_error *(*define)(void *env, fnvm_linker *, fnvm_wasi **wasi);
    void *env;
} fnvm_pool_options;

FNVM_API fnvm_error *fnvm_pool_new(fnvm_image *, const fnvm_pool_options *, fnvm_pool **out);
FNVM_API void fnvm_pool_free(fnvm_pool *); /* all its stores with it; NULL is fine */
/* A store as fnvm_image_restore leaves it, the pool's until it is given back.  FNVM_E_LIMIT if all
 * are in use; FNVM_E_POLICY if the image is approved no more; what restoring one may return. */
FNVM_API fnvm_error *fnvm_pool_take(fnvm_pool *, fnvm_store **, fnvm_instance **main);
/* Resets it, so that the next one to take it finds it ready; one that waits is given up.  False: it
 * could not be reset and was freed, with what belongs to it.  Not while its guest runs. */
FNVM_API bool fnvm_pool_give(fnvm_pool *, fnvm_store *);

/* ---- Native functions ------------------------------------------------------------------------ */

/* Functions of shared libraries as guests' imports, and guests' exports as C function pointers,
 * through libffi.  A native function can do all that the host process can, so a policy refuses it
 * unless it says `native: [LIBRARY...]`.  Signatures, pointers into memory and their bounds:
 * docs/native.md. */
typedef struct fnvm_native fnvm_native;

/* Opens a library by dlopen's rules, where a path is taken as what it really is; NULL: the program
 * itself, which policies call `program`.  FNVM_E_POLICY unless the engine's policy has it,
 * FNVM_E_UNSUPPORTED in a program that is linked statically.  Immutable; any thread. */
FNVM_API fnvm_error *fnvm_native_open(fnvm_engine *, const char *library, fnvm_native **out);
FNVM_API void fnvm_native_close(fnvm_native *); /* after the stores that use it; NULL is fine */
/* Defines `symbol` as the import module.name, in a linker of a store of the same engine.
 * `signature` is C's, "f64(f64)", "i32(cstring, bytes, out i64)": the guest's type follows from it.
 * `symbol` NULL: the one in the signature ("f64 cos(f64)"), else `name`.  FNVM_E_USAGE says where
 * the signature is wrong, FNVM_E_NOT_FOUND that the library has no such symbol.  A guest's argument
 * that is not what the signature says (bounds, a handle) traps before anything is called. */
FNVM_API fnvm_error *fnvm_linker_define_native(fnvm_linker *, const char *module, const char *name,
                                               fnvm_native *, const char *symbol,
                                               const char *signature);

/* A guest's function as a C function pointer of the type that `signature` says: numbers and bool
 * only, and FNVM_E_USAGE unless the guest's function has that type.  Calls come on the store's
 * thread: from the embedder, or from a native function that the store's guest called.  A trap
 * cannot come back as a value: the pointer then returns zero.  Called by the embedder, the first
 * error since is fnvm_pointer_failed's, also FNVM_E_SUSPENDED, after which the guest goes on like
 * any other.  Called by a native function of fnvm_linker_define_native, the error ends the guest's
 * call of that, once it returns; until then every pointer of the store returns zero at once.  The
 * pointer is the caller's to free, before the store, and not while it is called. */
typedef struct fnvm_pointer fnvm_pointer;
FNVM_API fnvm_error *fnvm_func_as_pointer(fnvm_store *, fnvm_extern func, const char *signature,
                                          fnvm_pointer **out, void (**code)(void));
FNVM_API fnvm_error *fnvm_pointer_failed(fnvm_pointer *); /* takes the first error since, or NULL */
FNVM_API void fnvm_pointer_free(fnvm_pointer *); /* NULL is fine */

/* ---- Host interfaces: fnvm:log, kv, call, http, random, time --------------------------------- */

/* What guests may import besides WASI, docs/interfaces.md.  A fnvm_services says what one guest is
 * given; it is for one store at a time, like fnvm_wasi, and what it has open outlives it.  Every
 * call of the guest's is bounded in bytes, items and time. */
typedef struct fnvm_services fnvm_services;

typedef enum fnvm_service_status {  /* what guests see; also the results of the functions below */
    FNVM_SERVICE_OK = 0,
    FNVM_SERVICE_NOT_FOUND = -1,
    FNVM_SERVICE_TOO_LARGE = -2,    /* a name, value, answer or list beyond its bound */
    FNVM_SERVICE_CHANGED = -3,      /* compare-and-swap: it was another value */
    FNVM_SERVICE_DENIED = -4,       /* not allowed: a function, an address not on the list */
    FNVM_SERVICE_TIMEOUT = -5,
    FNVM_SERVICE_UNAVAILABLE = -6,  /* there is none, or what is behind it does not answer */
    FNVM_SERVICE_FAILED = -7,       /* the called function failed: trap, timeout, status */
    FNVM_SERVICE_FAULT = -8,        /* an address outside of the guest's memory */
    FNVM_SERVICE_INVALID = -9,      /* arguments that make no sense: a bad handle, an empty key */
    FNVM_SERVICE_LIMIT = -10        /* too many calls or requests open at once */
} fnvm_service_status;

FNVM_API fnvm_error *fnvm_services_new(fnvm_services **out);
FNVM_API void fnvm_services_free(fnvm_services *); /* after the stores that use it; NULL is fine */
/* Between requests: handles are closed, calls not awaited are dropped, input, output and copies of
 * state are gone, and random numbers have a new key.  What the embedder gave (log, store, backends)
 * stays. */
FNVM_API void fnvm_services_reset(fnvm_services *);
/* Defines fnvm:log, kv, call, http, random, time, request, and the host interface of Faasm
 * (`env`.`__faasm_*`) on top of them.  `services` outlives the linker. */
FNVM_API fnvm_error *fnvm_linker_define_services(fnvm_linker *, fnvm_services *);

/* fnvm:log: called for each line; `fields` is a JSON object or empty.  NULL: standard error, as
 * text. */
typedef enum fnvm_log_level {
    FNVM_LOG_DEBUG, FNVM_LOG_INFO, FNVM_LOG_WARN, FNVM_LOG_ERROR
} fnvm_log_level;
FNVM_API void fnvm_services_log(fnvm_services *,
                                void (*fn)(void *env, fnvm_log_level, const char *text, size_t len,
                                           const char *fields, size_t fields_len),
                                void *env);

/* Called where the guest is about to wait until `deadline_ns` of CLOCK_MONOTONIC (fnvm:time): like
 * fnvm_wasi_at_sleep, and may be the same function. */
FNVM_API void fnvm_services_at_sleep(fnvm_services *,
                                     fnvm_error *(*fn)(void *env, fnvm_caller *,
                                                       uint64_t deadline_ns),
                                     void *env);
/* While an image is made: clocks read and numbers drawn by fnvm:time and fnvm:random are noted with
 * those of `wasi`, once that does (fnvm_wasi_note_draws).  NULL: no more. */
FNVM_API void fnvm_services_note_draws(fnvm_services *, fnvm_wasi *);

/* fnvm:kv.  A store of keys and values; reference-counted, any thread, several processes. */
enum {
    FNVM_KV_PREFIX_BYTES = 255,      /* of fnvm_services_kv */
    FNVM_KV_KEY_BYTES = 1024,        /* of the guest's part of a key; any bytes but NUL */
    FNVM_KV_VALUE_BYTES = 1 << 20,   /* also of what is appended to */
    FNVM_KV_LIST_KEYS = 1000         /* in one call */
};
typedef struct fnvm_kv fnvm_kv;
/* From any thread; results are of fnvm_service_status; *value is malloc'd. */
typedef struct fnvm_kv_backend {
    void *env;
    int (*get)(void *env, const char *key, size_t key_len, char **value, size_t *len);
    int (*set)(void *env, const char *key, size_t key_len, const char *value, size_t len);
    int (*remove)(void *env, const char *key, size_t key_len);
    /* `was` NULL: it must not exist.  FNVM_SERVICE_CHANGED if it is another. */
    int (*swap)(void *env, const char *key, size_t key_len, const char *was, size_t was_len,
                const char *value, size_t len);
    /* Makes it if need be.  FNVM_SERVICE_TOO_LARGE if it would be longer than
     * FNVM_KV_VALUE_BYTES. */
    int (*append)(void *env, const char *key, size_t key_len, const char *value, size_t len);
    /* Keys that begin with `prefix` and come after `after` (len 0: from the first), in order,
     * NUL-terminated back to back, at most `most`; *keys is malloc'd. */
    int (*list)(void *env, const char *prefix, size_t prefix_len, const char *after,
                size_t after_len, size_t most, char **keys, size_t *len);
    void (*close)(void *env); /* with the last reference; may be NULL */
} fnvm_kv_backend;
/* A file, made if need be (SQLite; PATH-wal and PATH-shm beside it).  After fork() a child opens
 * its own. */
FNVM_API fnvm_error *fnvm_kv_open(const char *path, fnvm_kv **out);
/* On failure `close` is not called. */
FNVM_API fnvm_error *fnvm_kv_new(const fnvm_kv_backend *, fnvm_kv **out);
FNVM_API fnvm_kv *fnvm_kv_retain(fnvm_kv *);
FNVM_API void fnvm_kv_release(fnvm_kv *); /* NULL is fine */
/* The guest's keys are those of `kv` that begin with `prefix`, which it does not see: one guest's
 * must not begin with another's, unless it is to see its keys.  NULL: it has no store. */
FNVM_API fnvm_error *fnvm_services_kv(fnvm_services *, fnvm_kv *, const char *prefix);

/* A store that is far away, in place of a fnvm_kv: what it is asked are tasks, so that the guest can
 * be left waiting.  `key` of a list is the prefix, `was` what comes before; `was` NULL of a swap: it
 * must not exist. */
typedef enum fnvm_kv_verb {
    FNVM_KV_GET, FNVM_KV_SET, FNVM_KV_REMOVE, FNVM_KV_SWAP, FNVM_KV_APPEND, FNVM_KV_LIST
} fnvm_kv_verb;
typedef struct fnvm_kv_command {
    fnvm_kv_verb verb;
    const char *key, *was, *value;
    size_t key_len, was_len, len, most;
} fnvm_kv_command;
/* `start` and `drop` as in fnvm_task_backend.  `poll`: true if it has ended, with its status; of a
 * get and a list *answer and *len as a fnvm_kv_backend gives them, valid until `drop`.  If it has
 * not, the embedder returns fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT) through *error or waits
 * itself until it has.  `caller` NULL: fnvm_services_output asks, and there is nobody to suspend. */
typedef struct fnvm_kv_tasks {
    void *env;
    int64_t (*start)(void *env, fnvm_caller *, const fnvm_kv_command *);
    bool (*poll)(void *env, fnvm_caller *, int64_t id, int *status, const void **answer,
                 size_t *len, fnvm_error **error);
    void (*drop)(void *env, int64_t id);
} fnvm_kv_tasks;
FNVM_API fnvm_error *fnvm_services_kv_tasks(fnvm_services *, const fnvm_kv_tasks *,
                                            const char *prefix);

/* fnvm:call and fnvm:http: what the embedder does for the guest.  `start` begins something and
 * returns an id above 0, or a status; the bytes are the embedder's to copy.  `poll` says whether it
 * has ended: true, with its status (FNVM_SERVICE_OK: *answer and *len, valid until `drop`).  If it
 * has not and `wait` is set, the embedder may return fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT)
 * through *error, or wait itself until `deadline_ns` of CLOCK_MONOTONIC (UINT64_MAX: without end)
 * or an interrupt.  A suspended guest asks again when it is resumed, which is due when the task has
 * ended or the deadline has passed.  Every id that was given is dropped once, ended or not. */
typedef struct fnvm_task_backend {
    void *env;
    int64_t (*start)(void *env, fnvm_caller *, const char *name, size_t name_len,
                     const void *input, size_t len);
    bool (*poll)(void *env, fnvm_caller *, int64_t id, bool wait, uint64_t deadline_ns, int *status,
                 const void **answer, size_t *len, fnvm_error **error);
    void (*drop)(void *env, int64_t id);
} fnvm_task_backend;
/* `name` is the function's; the input and answer are bytes.  A name "#N" is a guest's own (Faasm's
 * __faasm_chain_ptr): a fresh instance of the same function, in which fnvm_services_chained() is
 * called instead of the usual export; the input and output are fnvm_services_input's and _output's.
 * FNVM_SERVICE_DENIED if the embedder cannot.  NULL: none. */
FNVM_API void fnvm_services_calls(fnvm_services *, const fnvm_task_backend *);
/* `name` is "METHOD URL", the URL always with a port; the input is a header and a body as on the
 * wire ("Name: value\r\n...\r\n\r\nbody"), and so is the answer, after a line "HTTP STATUS\r\n".
 * Whatever is not on the list ("https://host[:port]/path*", docs/interfaces.md) is denied before
 * `start`.  The backend must not follow redirects: the guest does, and is checked again. */
FNVM_API fnvm_error *fnvm_services_http(fnvm_services *, const fnvm_task_backend *,
                                        const char *const *allow, size_t n);

/* fnvm:request, for functions that are called once per request (their export `fnvm_handle`): what
 * they ask and answer with.  Texts are valid until the call ends.  `read` and `write` are as for
 * fnvm_stream.  Without it the guest's calls are FNVM_SERVICE_UNAVAILABLE. */
typedef enum fnvm_request_part {
    FNVM_REQUEST_METHOD, FNVM_REQUEST_TARGET, FNVM_REQUEST_PATH, /* behind what the route names */
    FNVM_REQUEST_QUERY, FNVM_REQUEST_HOST, FNVM_REQUEST_PEER, FNVM_REQUEST_ID,
    FNVM_REQUEST_FIELDS,  /* all: "name: value\r\n" */
    FNVM_REQUEST_FIELD,   /* the header's field `name` */
    FNVM_REQUEST_SECRET   /* the secret `name` */
} fnvm_request_part;
typedef struct fnvm_request_backend {
    void *env;
    bool (*part)(void *env, fnvm_request_part, const char *name, size_t name_len, const char **at,
                 size_t *len);
    fnvm_error *(*read)(void *env, fnvm_caller *, void *to, size_t size, size_t *done);
    int (*status)(void *env, unsigned status);
    int (*field)(void *env, const char *name, size_t name_len, const char *value,
                 size_t value_len);
    fnvm_error *(*write)(void *env, fnvm_caller *, const void *from, size_t size, size_t *done);
} fnvm_request_backend;
FNVM_API void fnvm_services_request(fnvm_services *, const fnvm_request_backend *);

/* The input and output of a function in the manner of Faasm.  fnvm_services_output is called once
 * the function has ended well: what it wrote to its state and did not push is stored then.  Valid
 * until fnvm_services_reset.  FNVM_E_IO or FNVM_E_LIMIT if the store did not take it: the function
 * has not ended well.  FNVM_E_SUSPENDED with fnvm_services_kv_tasks: it is to be called again when
 * the task that it has started has ended. */
FNVM_API void fnvm_services_input(fnvm_services *, const void *bytes, size_t len); /* not copied */
FNVM_API fnvm_error *fnvm_services_output(fnvm_services *, const void **bytes, size_t *len);
/* The function that a task's name "#N" stands for: element N of the instance's first table.  It
 * takes nothing and returns an i32, 0 for success.  FNVM_E_NOT_FOUND or FNVM_E_LINK if there is
 * none such. */
FNVM_API fnvm_error *fnvm_services_chained(fnvm_instance *, const char *name, size_t name_len,
                                           fnvm_extern *func);

#ifdef __cplusplus
}
#endif
#endif
