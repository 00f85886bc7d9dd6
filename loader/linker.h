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

#endif
