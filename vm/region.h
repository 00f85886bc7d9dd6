/* Where the parts of an instance's region lie: the same for all instances of a module. */
#ifndef FNVM_VM_REGION_H
#define FNVM_VM_REGION_H

#include "vm/instance.h"

/* Displacements from the Instance, in bytes, so that compiled code needs no pointers. */
typedef struct RegionOffsets {
    uint32_t memories;         /* MemoryRef[module->nmemories] */
    uint32_t tables;           /* TableRef[module->ntables] */
    uint32_t imported_globals; /* GlobalRef[] */
    uint32_t imported_funcs;   /* FuncRef[] */
    uint32_t tags;             /* TagRef[] */
    uint32_t globals;          /* own ones: two slots each */
    uint32_t memory_states;    /* MemoryState of own memories */
    uint32_t table_states;     /* TableState of own tables */
} RegionOffsets;

void region_offsets(const Module *, RegionOffsets *out);

/* Makes the instance's poll page readable, or not: then compiled code stops at its next poll.
 * False if the system has no room for one mapping more. */
bool region_set_polls(const Instance *, bool readable);

#endif
