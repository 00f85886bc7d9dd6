/* Core dumps: what a trap left behind, in the form of the tool conventions (Coredump.md).
 *
 * Frames are gone once a trap has left the guest's stack, so they are copied at the trap, where
 * the embedder asked for it with fnvm_store_keep_trap_state().  Memories and globals are read when
 * the dump is written, and so show what ran since, if anything did. */
#ifndef FNVM_VM_COREDUMP_H
#define FNVM_VM_COREDUMP_H

#include "vm/run.h"

/* Copies the frames of the trap run->error into the store, unless a call nested in this one
 * already did.  Where memory is short the record is cut, never the trap.  Cheap when not asked. */
void coredump_record(Run *);

/* Frees the store's record. */
void coredump_forget(Store *);

#endif
