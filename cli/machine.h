/* Machine code as text.  machine_capstone.c where Capstone was installed when fnvm was built,
 * machine_bytes.c, which knows nothing, elsewhere. */
#ifndef FNVM_CLI_MACHINE_H
#define FNVM_CLI_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Machine Machine;

typedef struct MachineInstruction {
    char text[200];
    uint32_t size;      /* bytes */
    bool has_target;    /* a direct call or jump, */
    uint64_t target;    /* and where to */
    bool through_table; /* a jump to an address in a register */
} MachineInstruction;

/* NULL where nothing can read machine code here: then it is shown as bytes. */
Machine *machine_open(void);
void machine_close(Machine *);
/* Reads one instruction; false if the bytes are none. */
bool machine_read(Machine *, const uint8_t *bytes, uint32_t size, uint64_t address,
                  MachineInstruction *out);

#endif
