/* Without a disassembler. */
#include "cli/machine.h"

Machine *machine_open(void) { return NULL; }
void machine_close(Machine *m) { (void)m; }

bool machine_read(Machine *m, const uint8_t *bytes, uint32_t size, uint64_t address,
                  MachineInstruction *out)
{
    (void)m, (void)bytes, (void)size, (void)address, (void)out;
    return false;
}
