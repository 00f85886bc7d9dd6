/* An object file per function: one block of memory that is the list's entry, the ELF file and the
 * function's name.  The file's .text has an address and a size but no contents; its only symbol is
 * the function; .eh_frame says that everywhere in the function the return address is the innermost
 * word of the stack, because compiled code moves its stack pointer for calls alone.
 *
 * GDB puts a breakpoint into __jit_debug_register_code and reads the list from
 * __jit_debug_descriptor, both by name, so that here is the one variable that belongs to the
 * process. */
#include "jit/gdb.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "jit/listen.h"

/* ---- What GDB reads ---- */

enum { JIT_NOACTION, JIT_REGISTER_FN, JIT_UNREGISTER_FN };

struct jit_code_entry {
    struct jit_code_entry *next_entry, *prev_entry;
    const char *symfile_addr;
    uint64_t symfile_size;
};

struct jit_descriptor {
    uint32_t version, action_flag;
    struct jit_code_entry *relevant_entry, *first_entry;
};

void __jit_debug_register_code(void);
extern struct jit_descriptor __jit_debug_descriptor;

__attribute__((noinline, used)) void __jit_debug_register_code(void)
{
    __asm__ volatile("" ::: "memory"); /* GDB stops here */
}

__attribute__((used)) struct jit_descriptor __jit_debug_descriptor = {1, JIT_NOACTION, NULL, NULL};

static pthread_mutex_t descriptor_lock = PTHREAD_MUTEX_INITIALIZER;

static void tell_gdb(struct jit_code_entry *entry, uint32_t action)
{
    struct jit_descriptor *d = &__jit_debug_descriptor;
    pthread_mutex_lock(&descriptor_lock);
    if (action == JIT_REGISTER_FN) {
        entry->next_entry = d->first_entry;
        if (d->first_entry) d->first_entry->prev_entry = entry;
        d->first_entry = entry;
    } else {
        if (entry->prev_entry) entry->prev_entry->next_entry = entry->next_entry;
        else d->first_entry = entry->next_entry;
        if (entry->next_entry) entry->next_entry->prev_entry = entry->prev_entry;
    }
    d->relevant_entry = entry;
    d->action_flag = action;
    __jit_debug_register_code();
    d->relevant_entry = NULL;
    d->action_flag = JIT_NOACTION;
    pthread_mutex_unlock(&descriptor_lock);
}

/* ---- The file ---- */

/* Call frame information (DWARF 5, 6.4; Linux Standard Base, .eh_frame). */
enum { CFA_NOP = 0, CFA_OFFSET = 0x80, CFA_DEF_CFA = 0x0C };
#if defined(__x86_64__)
enum { MACHINE = EM_X86_64, REG_SP = 7, REG_RETURN = 16, WORD = 8 };
#else
#error "compiled code needs its frames described for this processor"
#endif

typedef struct __attribute__((packed)) FrameInfo {
    struct __attribute__((packed)) { /* CIE */
        uint32_t length, id;
        uint8_t version, augmentation, code_align, data_align, return_reg;
        uint8_t rules[7];            /* the CFA is sp + 8, the return address at the CFA - 8 */
    } common;
    struct __attribute__((packed)) { /* FDE */
        uint32_t length, distance;
        uint64_t start, size;
        uint8_t rules[4];
    } function;
    uint32_t end;
} FrameInfo;

enum { SECTION_NONE, SECTION_TEXT, SECTION_FRAMES, SECTION_SYMBOLS, SECTION_STRINGS, SECTIONS };
static const char section_names[] = "\0.text\0.eh_frame\0.symtab\0.strtab";
enum { NAME_TEXT = 1, NAME_FRAMES = 7, NAME_SYMBOLS = 17, NAME_STRINGS = 25, NAME_FUNCTION = 33 };
_Static_assert(sizeof section_names == NAME_FUNCTION, "offsets of names in the string table");

typedef struct ObjectFile {
    Elf64_Ehdr head;
    Elf64_Shdr sections[SECTIONS];
    Elf64_Sym symbols[2];
    FrameInfo frames;
    char strings[];              /* section_names, the function's name */
} ObjectFile;

typedef struct Announced {
    struct jit_code_entry entry;
    struct Announced *next;
    const Module *module;
    ObjectFile file;             /* last: its strings follow */
} Announced;

enum { SYMBOL_BYTES = 512 };

static FrameInfo describe_frame(const uint8_t *code, uint32_t size)
{
    enum { MINUS_WORD = 0x80 - WORD }; /* a one-byte SLEB128 */
    FrameInfo f = {
        .common = {.length = sizeof f.common - 4, .version = 1, .code_align = 1,
                   .data_align = MINUS_WORD, .return_reg = REG_RETURN,
                   .rules = {CFA_DEF_CFA, REG_SP, WORD, CFA_OFFSET | REG_RETURN, 1, CFA_NOP,
                             CFA_NOP}},
        .function = {.length = sizeof f.function - 4, .distance = sizeof f.common + 4,
                     .start = (uintptr_t)code, .size = size}};
    return f;
}

static Elf64_Shdr section(uint32_t name, uint32_t type, size_t at, size_t size)
{
    return (Elf64_Shdr){.sh_name = name, .sh_type = type, .sh_offset = at, .sh_size = size,
                        .sh_addralign = 8};
}

static void fill_file(ObjectFile *f, const uint8_t *code, uint32_t size, const char *name)
{
    size_t name_bytes = strlen(name) + 1;
    *f = (ObjectFile){0};
    memcpy(f->head.e_ident, ELFMAG, SELFMAG);
    f->head.e_ident[EI_CLASS] = ELFCLASS64;
    f->head.e_ident[EI_DATA] = ELFDATA2LSB;
    f->head.e_ident[EI_VERSION] = EV_CURRENT;
    f->head.e_type = ET_REL;
    f->head.e_machine = MACHINE;
    f->head.e_version = EV_CURRENT;
    f->head.e_ehsize = sizeof f->head;
    f->head.e_shoff = offsetof(ObjectFile, sections);
    f->head.e_shentsize = sizeof *f->sections;
    f->head.e_shnum = SECTIONS;
    f->head.e_shstrndx = SECTION_STRINGS;

    Elf64_Shdr *s = f->sections;
    s[SECTION_TEXT] = section(NAME_TEXT, SHT_NOBITS, 0, size);
    s[SECTION_TEXT].sh_flags = SHF_ALLOC | SHF_EXECINSTR;
    s[SECTION_TEXT].sh_addr = (uintptr_t)code;
    s[SECTION_FRAMES] = section(NAME_FRAMES, SHT_PROGBITS, offsetof(ObjectFile, frames),
                                sizeof f->frames);
    s[SECTION_FRAMES].sh_flags = SHF_ALLOC;
    s[SECTION_SYMBOLS] = section(NAME_SYMBOLS, SHT_SYMTAB, offsetof(ObjectFile, symbols),
                                 sizeof f->symbols);
    s[SECTION_SYMBOLS].sh_link = SECTION_STRINGS;
    s[SECTION_SYMBOLS].sh_info = 1; /* symbols that are local: the empty one */
    s[SECTION_SYMBOLS].sh_entsize = sizeof *f->symbols;
    s[SECTION_STRINGS] = section(NAME_STRINGS, SHT_STRTAB, offsetof(ObjectFile, strings),
                                 sizeof section_names + name_bytes);

    f->symbols[1] = (Elf64_Sym){.st_name = NAME_FUNCTION, .st_shndx = SECTION_TEXT,
                                .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_size = size};
    f->frames = describe_frame(code, size);
    memcpy(f->strings, section_names, sizeof section_names);
    memcpy(f->strings + NAME_FUNCTION, name, name_bytes);
}

/* ---- As a listener ---- */

typedef struct GdbListener {
    CodeListener listener;
    pthread_mutex_t lock;
    Announced *announced;
} GdbListener;

/* Without memory the function has no name in GDB.  A byte is added, because a call may be the last
 * instruction, and its return address is to belong to the function. */
static void published(CodeListener *listener, const Module *m, uint32_t func, const uint8_t *code,
                      uint32_t size)
{
    GdbListener *g = (GdbListener *)(void *)listener;
    char symbol[SYMBOL_BYTES];
    code_symbol(m, func, symbol, sizeof symbol);
    size_t strings = sizeof section_names + strlen(symbol) + 1;
    Announced *a = malloc(sizeof *a + strings);
    if (!a) return;
    fill_file(&a->file, code, size + 1, symbol);
    a->entry = (struct jit_code_entry){.symfile_addr = (const char *)&a->file,
                                       .symfile_size = offsetof(ObjectFile, strings) + strings};
    a->module = m;
    pthread_mutex_lock(&g->lock);
    a->next = g->announced;
    g->announced = a;
    pthread_mutex_unlock(&g->lock);
    tell_gdb(&a->entry, JIT_REGISTER_FN);
}

/* Of one module, or of all (NULL). */
static void forget(GdbListener *g, const Module *m)
{
    pthread_mutex_lock(&g->lock);
    for (Announced **link = &g->announced; *link;) {
        Announced *a = *link;
        if (m && a->module != m) {
            link = &a->next;
            continue;
        }
        *link = a->next;
        tell_gdb(&a->entry, JIT_UNREGISTER_FN);
        free(a);
    }
    pthread_mutex_unlock(&g->lock);
}

static void withdrawn(CodeListener *listener, const Module *m)
{
    forget((GdbListener *)(void *)listener, m);
}

static void close_listener(CodeListener *listener)
{
    GdbListener *g = (GdbListener *)(void *)listener;
    forget(g, NULL);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

fnvm_error *gdb_listen(fnvm_engine *e)
{
    GdbListener *g = calloc(1, sizeof *g);
    if (!g) return error_no_memory();
    if (pthread_mutex_init(&g->lock, NULL) != 0) {
        free(g);
        return error_no_memory();
    }
    g->listener = (CodeListener){.published = published, .withdrawn = withdrawn,
                                 .close = close_listener, .describes_frames = true};
    code_listen(e, &g->listener);
    return NULL;
}
