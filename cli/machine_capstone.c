/* With Capstone.  Its library is opened when it is needed: linked, it would take longer to load
 * than most guests take to start. */
#include <capstone/capstone.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/machine.h"

#define STRING(x) #x
#define LIBRARY(major) "libcapstone.so." STRING(major)

struct Machine {
    void *library;
    csh handle;
    cs_insn *instruction;
    cs_err (*close)(csh *);
    void (*free)(cs_insn *, size_t);
    bool (*read)(csh, const uint8_t **, size_t *, uint64_t *, cs_insn *);
};

#if defined(__aarch64__)
static const cs_arch processor = CS_ARCH_ARM64;
static const cs_mode mode = CS_MODE_LITTLE_ENDIAN;
#else
static const cs_arch processor = CS_ARCH_X86;
static const cs_mode mode = CS_MODE_64;
#endif

/* A function of the library; false if it has none. */
static bool find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    *(void **)function = found;
    return found != NULL;
}

static bool start(Machine *m)
{
    cs_err (*open)(cs_arch, cs_mode, csh *);
    cs_err (*option)(csh, cs_opt_type, size_t);
    cs_insn *(*allocate)(csh);
    if (!find(m->library, "cs_open", &open) || !find(m->library, "cs_option", &option) ||
        !find(m->library, "cs_malloc", &allocate) || !find(m->library, "cs_close", &m->close) ||
        !find(m->library, "cs_free", &m->free) || !find(m->library, "cs_disasm_iter", &m->read) ||
        open(processor, mode, &m->handle) != CS_ERR_OK)
        return false;
    if (option(m->handle, CS_OPT_DETAIL, CS_OPT_ON) == CS_ERR_OK)
        m->instruction = allocate(m->handle);
    if (m->instruction) return true;
    m->close(&m->handle);
    return false;
}

Machine *machine_open(void)
{
    Machine *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    m->library = dlopen(LIBRARY(CS_API_MAJOR), RTLD_NOW | RTLD_LOCAL);
    if (m->library && start(m)) return m;
    if (m->library) dlclose(m->library);
    free(m);
    return NULL;
}

void machine_close(Machine *m)
{
    if (!m) return;
    m->free(m->instruction, 1);
    m->close(&m->handle);
    dlclose(m->library);
    free(m);
}

static bool in_group(const cs_insn *i, uint8_t group)
{
    for (uint8_t g = 0; g < i->detail->groups_count; g++)
        if (i->detail->groups[g] == group) return true;
    return false;
}

/* Where it goes to, if it calls or jumps. */
static void find_target(const cs_insn *i, MachineInstruction *out)
{
    out->has_target = false;
    out->through_table = false;
#if !defined(__aarch64__)
    const cs_x86 *x = &i->detail->x86;
    if (!in_group(i, CS_GRP_CALL) && !in_group(i, CS_GRP_JUMP)) return;
    if (x->op_count != 1) return;
    out->has_target = x->operands[0].type == X86_OP_IMM;
    if (out->has_target) out->target = (uint64_t)x->operands[0].imm;
    out->through_table = x->operands[0].type == X86_OP_REG && !in_group(i, CS_GRP_CALL);
#endif
}

bool machine_read(Machine *m, const uint8_t *bytes, uint32_t size, uint64_t address,
                  MachineInstruction *out)
{
    size_t left = size;
    if (!m->read(m->handle, &bytes, &left, &address, m->instruction)) return false;
    const cs_insn *i = m->instruction;
    out->size = i->size;
    snprintf(out->text, sizeof out->text, "%s%s%s", i->mnemonic, i->op_str[0] ? " " : "",
             i->op_str);
    find_target(i, out);
    return true;
}
