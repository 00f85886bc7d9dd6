/* fnvm disasm: the bytecode of functions, and beside each instruction the machine code that the
 * compiler makes of it.  It compiles them as `fnvm run` would, one after the other, so that calls
 * of functions further up are direct. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bytecode.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/machine.h"
#include "jit/trace.h"

enum { TEXT = 2048, INDENT_MOST = 24, BYTES_PER_LINE = 12, JUMP_TABLE_ENTRY = 4 };

/* Where an instruction's machine code begins, and what the compiler knew there. */
typedef struct Mark {
    uint32_t pc, native;
    char *state;
} Mark;

typedef struct Marks { /* of one function */
    CodeTrace trace;   /* first: the compiler's view */
    Mark *items;
    size_t n, cap;
    bool failed;
} Marks;

typedef struct Listing {
    const Module *module;
    Name *names;               /* of functions: see module_all_func_names */
    Machine *machine;
    bool compiles, with_state;
    uint64_t bytecode, native; /* bytes of all functions shown */
    uint32_t shown, bad;
} Listing;

typedef struct Function {
    const FuncCode *code;
    Marks marks;
    TracedCode native; /* bytes NULL: not compiled */
} Function;

/* ---- Collecting ---- */

static void collect(CodeTrace *trace, uint32_t pc, uint32_t native, const char *state)
{
    Marks *marks = (Marks *)(void *)trace;
    if (marks->n == marks->cap) {
        size_t cap = marks->cap ? marks->cap * 2 : 256;
        Mark *items = realloc(marks->items, cap * sizeof *items);
        if (!items) marks->failed = true;
        if (marks->failed) return;
        marks->items = items;
        marks->cap = cap;
    }
    marks->items[marks->n++] = (Mark){pc, native, state ? strdup(state) : NULL};
}

static void marks_free(Marks *marks)
{
    for (size_t i = 0; i < marks->n; i++) free(marks->items[i].state);
    free(marks->items);
}

/* ---- Machine code ---- */

static void print_bytes(const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) printf("%s%02x", i ? " " : "", bytes[i]);
    putchar('\n');
}

static void print_function_name(const Listing *l, uint32_t func)
{
    const Name name = l->names[func];
    printf("func %" PRIu32, func);
    if (!name.start) return;
    putchar(' ');
    print_escaped(stdout, (const char *)l->module->bytes + name.start, name.len);
}

static void print_place(uint32_t native) { printf("%24s%04" PRIx32 "  ", "", native); }

/* As bytes, when nothing can read them, or they are no code. */
static void print_raw(const Function *f, uint32_t from, uint32_t to, uint32_t per_line)
{
    for (; from < to; from += per_line) {
        print_place(from);
        if (to - from < per_line) per_line = to - from;
        print_bytes(f->native.bytes + from, per_line);
    }
}

static void print_instruction(const Listing *l, const Function *f, const MachineInstruction *i)
{
    uint32_t callee;
    int64_t target = (int64_t)i->target;
    bool calls = i->has_target && (target <= 0 || target >= (int64_t)f->native.size);
    if (calls && jit_trace_function(l->module, f->native.bytes + target, &callee)) {
        printf("%.*s ", (int)strcspn(i->text, " "), i->text);
        print_function_name(l, callee);
        putchar('\n');
    } else {
        puts(i->text);
    }
}

/* The machine code from one mark to the next.  Behind a jump through a table the table follows. */
static void print_code(const Listing *l, const Function *f, uint32_t from, uint32_t to,
                       uint32_t table_entries)
{
    MachineInstruction i = {.size = 0};
    for (; l->machine && from < to; from += i.size) {
        if (!machine_read(l->machine, f->native.bytes + from, to - from, from, &i)) break;
        print_place(from);
        print_instruction(l, f, &i);
        if (!i.through_table || !table_entries) continue;
        uint32_t end = from + i.size + table_entries * JUMP_TABLE_ENTRY;
        print_raw(f, from + i.size, end < to ? end : to, JUMP_TABLE_ENTRY);
        from = end - i.size;
        table_entries = 0;
    }
    print_raw(f, from, to, BYTES_PER_LINE);
}

/* ---- Both ---- */

/* How many labels a br_table has but for the default one; 0 for other instructions. */
static uint32_t labels_of(const Module *m, uint32_t at, Op op)
{
    Reader r = {.bytes = m->bytes, .pos = at + 1, .end = m->len};
    uint32_t n = op == op_br_table ? read_u32(&r, "a count of labels") : 0;
    fnvm_error_free(r.error);
    return n;
}

static int indent_of(Op op, int *depth)
{
    bool closes = op == op_end || op == op_else_;
    bool opens = op == op_block || op == op_loop || op == op_if_ || op == op_try_table ||
                 op == op_else_;
    if (closes && *depth) --*depth;
    int indent = 2 * *depth;
    if (opens) ++*depth;
    return indent < INDENT_MOST ? indent : INDENT_MOST;
}

static void print_state(const Listing *l, const Mark *mark)
{
    if (l->with_state && mark->state) printf("%12s; %s\n", "", mark->state);
}

static void print_body(const Listing *l, const Function *f)
{
    const FuncCode *code = f->code;
    const Mark *mark = f->marks.items, *end = f->native.bytes ? mark + f->marks.n : mark;
    Reader r = {.bytes = l->module->bytes, .pos = code->start, .end = code->end};
    int depth = 0;
    if (mark < end) print_code(l, f, 0, mark->native, 0);
    while (r.pos < code->end) {
        char text[TEXT];
        Op op;
        uint32_t at = r.pos;
        if (!bytecode_print(l->module, &r, text, sizeof text, &op)) break;
        if (mark < end && mark->pc == at) print_state(l, mark);
        printf("  0x%-8" PRIx32 "%*s%s\n", at, indent_of(op, &depth), "", text);
        if (mark + 1 >= end || mark->pc != at) continue;
        print_code(l, f, mark->native, mark[1].native, labels_of(l->module, at, op));
        mark++;
    }
    fnvm_error_free(r.error);
    for (; mark < end; mark++) {
        uint32_t to = mark + 1 < end ? mark[1].native : f->native.size;
        if (mark->native == to) continue;
        puts(mark->pc == TRACE_DATA ? "  constants" : "  slow paths and traps");
        if (mark->pc == TRACE_DATA) print_raw(f, mark->native, to, 16);
        else print_code(l, f, mark->native, to, 0);
    }
}

static void print_head(Listing *l, const Function *f)
{
    uint32_t bytes = f->code->end - f->code->start;
    if (l->shown++) putchar('\n');
    print_function_name(l, f->code->func);
    printf(": %" PRIu32 " bytes", bytes);
    if (f->native.bytes)
        printf(", %" PRIu32 " of machine code (%.1f times)", f->native.size,
               (double)f->native.size / bytes);
    else if (l->compiles)
        printf(", not compiled: the interpreter runs it");
    putchar('\n');
    l->bytecode += bytes;
    l->native += f->native.size;
}

/* ---- Functions ---- */

static void show_function(Listing *l, Module *m, uint32_t func)
{
    Function f = {.marks.trace = {collect, l->with_state}};
    fnvm_error *error = verifier_function(m, func, &f.code);
    if (error) {
        l->bad++;
        error_report(error, "function %" PRIu32, func);
        return;
    }
    if (l->compiles && (!jit_trace(m, f.code, &f.marks.trace, &f.native) || f.marks.failed))
        f.native = (TracedCode){0};
    print_head(l, &f);
    print_body(l, &f);
    marks_free(&f.marks);
}

static bool is_named(const Listing *l, uint32_t func, const char *text)
{
    const Name name = l->names[func];
    return name.start && strlen(text) == name.len &&
           memcmp(l->module->bytes + name.start, text, name.len) == 0;
}

/* By index, by name, or as it is exported. */
static bool find_function(const Listing *l, const char *text, uint32_t *func)
{
    const Module *m = l->module;
    char *end;
    unsigned long index = strtoul(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end) {
        *func = (uint32_t)index;
        return index < m->nfuncs;
    }
    for (*func = 0; *func < m->nfuncs; ++*func)
        if (is_named(l, *func, text)) return true;
    const Export *export = module_find_export(m, text, strlen(text));
    if (!export || export->kind != FNVM_EXTERN_FUNC) return false;
    *func = export->index;
    return true;
}

static int show_module(Listing *l, Module *m, const char *wanted)
{
    uint32_t func = 0;
    if (wanted && !find_function(l, wanted, &func))
        return error_report(NULL, "the module has no function `%s`", wanted);
    if (wanted && func < m->n_imported_funcs)
        return error_report(NULL, "function `%s` is imported: its code is elsewhere", wanted);
    if (wanted) {
        show_function(l, m, func);
    } else {
        for (func = m->n_imported_funcs; func < m->nfuncs; func++) show_function(l, m, func);
        printf("\n%" PRIu32 " function%s: %" PRIu64 " bytes", l->shown, l->shown == 1 ? "" : "s",
               l->bytecode);
        if (l->compiles && l->bytecode)
            printf(", %" PRIu64 " of machine code (%.1f times)", l->native,
                   (double)l->native / (double)l->bytecode);
        putchar('\n');
    }
    return l->bad ? STATUS_FAILED : STATUS_OK;
}

static int disasm_file(const Options *options, const char *file, const char *func, bool with_state)
{
    fnvm_engine *engine;
    fnvm_error *error = fnvm_engine_new(&options->config, &engine);
    if (error) return error_report(error, "failed to set up the engine");
    Module *module = NULL;
    int status = module_open(engine, file, "disassemble", &module);
    if (status < 0) {
        Listing l = {.module = module, .with_state = with_state};
        l.names = module_all_func_names(module);
        l.compiles = jit_trace_start(module);
        l.machine = l.compiles ? machine_open() : NULL;
        status = l.names ? show_module(&l, module, func)
                         : error_report(NULL, "out of memory for the names of functions");
        machine_close(l.machine);
        free(l.names);
        fnvm_module_release(module);
    }
    fnvm_engine_free(engine);
    return status;
}

int command_disasm(int argc, char **argv)
{
    static const struct option long_options[] = {{"state", no_argument, NULL, 's'},
                                                 {"engine", required_argument, NULL, 'e'},
                                                 {"wasm", required_argument, NULL, 'W'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    Options options;
    options_init(&options, "disasm");
    bool with_state = false;
    const char *words[2] = {NULL, NULL};
    size_t nwords = 0;
    int status = -1, option;
    opterr = 0;
    optind = 1;
    while (status < 0 && (option = getopt_long(argc, argv, "-:W:h", long_options, NULL)) != -1) {
        switch (option) {
        case 'W': status = options_group(&options, 'W', optarg); break;
        case 'e': status = options_engine(&options, optarg); break;
        case 's': with_state = true; break;
        case 'h': status = help_print("disasm"); break;
        case 1:
            if (nwords < 2) words[nwords] = optarg;
            else status = error_usage("disasm", "one file and one function at a time");
            nwords++;
            break;
        default: status = error_option("disasm", option, argv[optind - 1]);
        }
    }
    for (; nwords < 2 && optind < argc; optind++) words[nwords++] = argv[optind];
    if (status < 0 && !words[0]) status = error_usage("disasm", "which file?");
    if (status < 0) status = disasm_file(&options, words[0], words[1], with_state);
    options_free(&options);
    return status;
}
