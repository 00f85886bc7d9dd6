/* Errors as values: what fnvm_error holds.  The public constructors are in fnvm.h; this adds what
 * only the engine sets.  An error is owned by whoever holds the pointer; errors are not shared. */
#ifndef FNVM_VM_ERROR_H
#define FNVM_VM_ERROR_H

#include "fnvm.h"

struct fnvm_error {
    fnvm_code code;
    fnvm_trap trap;
    int exit_status;
    char *message;
    fnvm_error *cause;
    fnvm_frame *frames; /* the names they point to are in `names` */
    uint32_t *frame_instances; /* ids in the store, one for each frame */
    size_t nframes;
    char *names;
    uint64_t trap_record; /* number of the TrapRecord made of it, 0 if there is none */
    bool is_static; /* one of the constant errors below, which are never freed */
};

/* The error for a failed allocation; needs no memory itself. */
fnvm_error *error_no_memory(void);
/* What fnvm_caller_suspend returns. */
fnvm_error *error_suspended(void);

/* A MALFORMED or INVALID error at a byte of a module: "0x1f: expected ..., found ...". */
fnvm_error *error_at(fnvm_code, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes the frames and the ids of their instances (malloc'd), and the block their names point into (malloc'd or
 * NULL). */
void error_set_frames(fnvm_error *, fnvm_frame *, uint32_t *instances, size_t n, char *names);
/* Those of the frames that fnvm_error_frames gives. */
const uint32_t *error_frame_instances(const fnvm_error *);

#endif
