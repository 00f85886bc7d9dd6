/* Resolution of imports by name: definitions, instances, modules yet to be instantiated, and
 * directories.  Function imports from modules of the module path are linked at their first call,
 * like a class at its first use; everything else when the importer is instantiated. */
#ifndef FNVM_LOADER_LINKER_H
#define FNVM_LOADER_LINKER_H

#include "vm/store.h"

/* Links function import `func` of `inst` now; sets inst->imported_funcs[func].  An error of code
 * FNVM_E_TRAP (trap LINK) whose cause says what was wrong. */
fnvm_error *linker_resolve_func(Instance *inst, uint32_t func);

/* The linker_state of an instance is freed with it. */
void linker_state_free(void *linker_state);

/* ---- Modules of host functions ---- */

/* Functions that are made when they are first asked for: a guest imports few of many.  Single
 * definitions of the same names come first.  `module` and `env` outlive the linker.
 *
 * What exists may be REFUSED: then whoever imports it fails to link with FNVM_E_POLICY and a list
 * of all such imports; it never becomes a function that traps.  The question is asked for every
 * import that is linked, also where the function has been made for another one. */
typedef struct LinkerFunc { const char *type; fnvm_host_fn fn; void *env; } LinkerFunc;
typedef enum LinkerAnswer { LINKER_UNKNOWN, LINKER_FOUND, LINKER_REFUSED } LinkerAnswer;
typedef LinkerAnswer LinkerFind(void *env, const char *name, size_t len, LinkerFunc *out);
fnvm_error *linker_define_funcs(fnvm_linker *, const char *module, LinkerFind *, void *env);

/* ---- For images ---- */

typedef struct LinkerName { const char *module, *name; size_t module_len, name_len; } LinkerName;

/* Host functions that are defined now, with their names (not NUL-terminated). */
void linker_each_func(const fnvm_linker *, void (*fn)(void *env, FuncRef, LinkerName), void *env);
/* Whether the function was made for an import that nobody provides. */
bool linker_host_traps(const HostFunc *);

typedef struct LinkerHost {   /* a host function that an image's references count on */
    LinkerName name;
    TypeId type;
    bool must_exist, traps;   /* what need not and does not exist traps, too */
} LinkerHost;
/* Brings the store's host functions into this order; all others come behind them.  FNVM_E_LINK lists
 * what is missing or of another type, FNVM_E_POLICY also what is refused. */
fnvm_error *linker_arrange_hosts(fnvm_linker *, const LinkerHost *, uint32_t n);

/* Modules that were instantiated for a name, and saying that one was. */
void linker_each_provider(const fnvm_linker *, void (*fn)(void *env, const char *name, size_t len,
                                                          const Instance *), void *env);
fnvm_error *linker_set_provider(fnvm_linker *, const char *name, size_t len, Instance *);

/* What an instance with functions to link later holds: freed by linker_state_free. */
void *linker_state(fnvm_linker *);
fnvm_store *linker_store(const fnvm_linker *);

#endif
