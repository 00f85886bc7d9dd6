/* A core dump is a module that is never instantiated: custom sections name the process, its
 * modules, instances and frames; memory, global and data sections hold the state.  All memories
 * and globals of the store are numbered in the order of their owners; instances list theirs. */
#include "vm/coredump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loader/reader.h"
#include "vm/engine.h"
#include "vm/tunables.h"

typedef struct TrapLocal { uint8_t kind; uint64_t bits; } TrapLocal; /* kind: fnvm_kind */

typedef struct TrapFrame {
    uint32_t instance, func;
    uint32_t pc;              /* within its instruction, in the module's bytes */
    size_t first, count;      /* of its locals */
} TrapFrame;

struct TrapRecord {
    uint64_t number;         /* of the store's: the trap's error has it too */
    TrapFrame *frames;       /* innermost first */
    size_t nframes;
    TrapLocal *locals;
    size_t nlocals, locals_cap;
};

/* ---- Recording ---- */

void fnvm_store_keep_trap_state(fnvm_store *store, bool keep)
{
    store->keep_trap_state = keep;
    if (!keep) coredump_forget(store);
}

void coredump_forget(Store *store)
{
    struct TrapRecord *r = store->trap_record;
    store->trap_record = NULL;
    if (!r) return;
    free(r->frames);
    free(r->locals);
    free(r);
}

static bool local_add(struct TrapRecord *r, uint8_t kind, const Slot *at)
{
    if (r->nlocals == r->locals_cap) {
        size_t cap = r->locals_cap ? 2 * r->locals_cap : 64;
        TrapLocal *more = realloc(r->locals, cap * sizeof *more);
        if (!more) return false;
        r->locals = more;
        r->locals_cap = cap;
    }
    r->locals[r->nlocals++] = (TrapLocal){kind, kind == FNVM_REF ? 0 : at->i64};
    return true;
}

/* Reads a value type as far as its kind goes (5.3). */
static uint8_t read_kind(Reader *r)
{
    uint8_t code = read_byte(r, "a value type");
    if (code == 0x63 || code == 0x64) read_s33(r, "a heap type");
    return code == 0x7F ? FNVM_I32 : code == 0x7E ? FNVM_I64 : code == 0x7D ? FNVM_F32
         : code == 0x7C ? FNVM_F64 : code == 0x7B ? FNVM_V128 : FNVM_REF;
}

/* Parameters by the function's type, the rest by the body's declarations (5.4.13). */
static bool record_locals(struct TrapRecord *r, const Instance *inst, uint32_t func,
                          const Slot *slots)
{
    const Module *m = inst->module;
    const Type *type = module_func_type(m, func);
    uint32_t slot = 0;
    for (uint32_t i = 0; i < type->nparams; i++) {
        if (!local_add(r, (uint8_t)fnvm_valtype_kind(type->params[i]), &slots[slot])) return false;
        slot += type_slots(type->params[i]);
    }
    Range body = m->bodies[func - m->n_imported_funcs];
    Reader reader = {.bytes = m->bytes, .pos = body.start, .end = body.end};
    uint32_t groups = read_u32(&reader, "local declarations");
    bool done = true;
    while (done && !reader.error && groups-- > 0) {
        uint32_t n = read_u32(&reader, "how many locals");
        uint8_t kind = read_kind(&reader);
        for (uint32_t i = 0; done && !reader.error && i < n; i++) {
            done = local_add(r, kind, &slots[slot]);
            slot += kind == FNVM_V128 ? 2 : 1;
        }
    }
    fnvm_error_free(reader.error);
    return done;
}

static bool frame_add(struct TrapRecord *r, const FrameView *view, size_t *cap)
{
    if (r->nframes == *cap) {
        size_t bigger = *cap ? 2 * *cap : 16;
        TrapFrame *more = realloc(r->frames, bigger * sizeof *more);
        if (!more) return false;
        r->frames = more;
        *cap = bigger;
    }
    TrapFrame *f = &r->frames[r->nframes++];
    *f = (TrapFrame){.instance = view->instance->id, .func = view->func, .pc = view->pc,
                     .first = r->nlocals};
    bool done = record_locals(r, view->instance, view->func, view->fp);
    f->count = r->nlocals - f->first;
    return done;
}

/* Innermost first, as far as there is memory. */
static void record_frames(struct TrapRecord *r, const Run *run)
{
    size_t cap = 0;
    FrameWalk w;
    frame_walk_start(&w, run->store, run->stack);
    while (r->nframes < TUNE_COREDUMP_FRAMES && frame_walk_next(&w))
        if (!frame_add(r, &w.frame, &cap)) return;
}

/* A host function passes a nested call's error on as it is, or wrapped: its stack is the one. */
static bool is_recorded(const Store *store, const fnvm_error *error)
{
    for (; error && store->trap_record; error = error->cause)
        if (store->trap_record->number == error->trap_record) return true;
    return false;
}

void coredump_record(Run *run)
{
    Store *store = run->store;
    if (!store->keep_trap_state || is_recorded(store, run->error)) return;
    coredump_forget(store);
    struct TrapRecord *r = calloc(1, sizeof *r);
    if (!r) return;
    r->number = ++store->trap_records;
    if (!run->error->is_static) run->error->trap_record = r->number;
    record_frames(r, run);
    store->trap_record = r;
}

/* ---- Writing the binary format ---- */

static void put_unsigned(FILE *out, uint64_t v)
{
    while (v >= 0x80) {
        putc((int)(v & 0x7F) | 0x80, out);
        v >>= 7;
    }
    putc((int)v, out);
}

static void put_signed(FILE *out, int64_t v)
{
    while (v >= 64 || v < -64) {
        putc((int)(v & 0x7F) | 0x80, out);
        v >>= 7;
    }
    putc((int)(v & 0x7F), out);
}

static void put_name(FILE *out, const char *name, size_t len)
{
    put_unsigned(out, len);
    fwrite(name, 1, len, out);
}

static void put_module_name(FILE *out, const Module *m)
{
    Name n = {0, 0};
    bool named = m && module_name(m, &n);
    put_name(out, named ? (const char *)m->bytes + n.start : "", named ? n.len : 0);
}

/* A section's body is made in memory, since its size comes first. */
typedef struct Section { FILE *body; char *bytes; size_t len; } Section;

static FILE *section_open(Section *s)
{
    *s = (Section){0};
    s->body = open_memstream(&s->bytes, &s->len);
    return s->body;
}

/* Writes a section whose body is done, a custom one if it has a name. */
static fnvm_error *section_close(Section *s, uint8_t id, const char *name, FILE *out)
{
    bool failed = ferror(s->body) != 0;
    failed |= fclose(s->body) != 0;
    size_t name_len = name ? strlen(name) : 0, head = name ? name_len + 1 : 0;
    if (!failed && head + s->len <= UINT32_MAX) {
        putc(id, out);
        put_unsigned(out, head + s->len);
        if (name) put_name(out, name, name_len);
        fwrite(s->bytes, 1, s->len, out);
    }
    fnvm_error *error = failed ? error_no_memory() : NULL;
    if (!failed && head + s->len > UINT32_MAX)
        error = fnvm_error_new(FNVM_E_LIMIT, "a section of the core dump exceeds 4 GiB");
    free(s->bytes);
    return error;
}

/* ---- Numbering ---- */

typedef struct Dump {
    const Store *store;
    FILE *out;
    const TrapFrame *frames;
    size_t nframes;
    uint32_t *first_memory, *first_global; /* by instance id: numbers of its own ones */
    uint32_t nmemories, nglobals;
    Module **modules;
    uint32_t nmodules;
} Dump;

static uint32_t module_number(const Dump *d, const Module *m)
{
    uint32_t i = 0;
    while (i < d->nmodules && d->modules[i] != m) i++;
    return i;
}

static fnvm_error *dump_number(Dump *d)
{
    uint32_t n = d->store->ninstances;
    d->first_memory = calloc(n, sizeof *d->first_memory);
    d->first_global = calloc(n, sizeof *d->first_global);
    d->modules = calloc(n, sizeof(Module *));
    if (!d->first_memory || !d->first_global || !d->modules) return error_no_memory();
    for (uint32_t i = 1; i < n; i++) {
        Module *m = d->store->instances[i]->module;
        d->first_memory[i] = d->nmemories;
        d->nmemories += m->nmemories - m->n_imported_memories;
        d->first_global[i] = d->nglobals;
        d->nglobals += m->nglobals - m->n_imported_globals;
        if (module_number(d, m) == d->nmodules) d->modules[d->nmodules++] = m;
    }
    return NULL;
}

static void dump_forget(Dump *d)
{
    free(d->first_memory);
    free(d->first_global);
    free(d->modules);
}

static uint32_t memory_number(const Dump *d, const MemoryRef *r)
{
    return d->first_memory[r->owner->id] + r->index - r->owner->module->n_imported_memories;
}

static uint32_t global_number(const Dump *d, const Instance *inst, uint32_t i)
{
    const Module *m = inst->module;
    if (i >= m->n_imported_globals) return d->first_global[inst->id] + i - m->n_imported_globals;
    const GlobalRef *r = &inst->imported_globals[i];
    return d->first_global[r->owner->id] + r->index - r->owner->module->n_imported_globals;
}

/* An instance whose instantiation failed may not have all of its imports. */
static uint32_t linked_memories(const Instance *inst)
{
    uint32_t n = 0;
    while (n < inst->module->nmemories && inst->memories[n].owner) n++;
    return n;
}

static uint32_t linked_globals(const Instance *inst)
{
    const Module *m = inst->module;
    uint32_t n = 0;
    while (n < m->n_imported_globals && inst->imported_globals[n].owner) n++;
    return n < m->n_imported_globals ? n : m->nglobals;
}

/* ---- Sections ---- */

static fnvm_error *dump_process(Dump *d)
{
    Section s;
    FILE *body = section_open(&s);
    if (!body) return error_no_memory();
    putc(0, body);
    const Store *store = d->store; /* the program is what the host called */
    const TrapFrame *entry = d->nframes ? &d->frames[d->nframes - 1] : NULL;
    put_module_name(body, entry ? store->instances[entry->instance]->module : NULL);
    return section_close(&s, 0, "core", d->out);
}

static fnvm_error *dump_modules(Dump *d)
{
    Section s;
    FILE *body = section_open(&s);
    if (!body) return error_no_memory();
    put_unsigned(body, d->nmodules);
    for (uint32_t i = 0; i < d->nmodules; i++) {
        putc(0, body);
        put_module_name(body, d->modules[i]);
    }
    return section_close(&s, 0, "coremodules", d->out);
}

static fnvm_error *dump_instances(Dump *d)
{
    Section s;
    FILE *body = section_open(&s);
    if (!body) return error_no_memory();
    put_unsigned(body, d->store->ninstances - 1);
    for (uint32_t id = 1; id < d->store->ninstances; id++) {
        const Instance *inst = d->store->instances[id];
        uint32_t memories = linked_memories(inst), globals = linked_globals(inst);
        putc(0, body);
        put_unsigned(body, module_number(d, inst->module));
        put_unsigned(body, memories);
        for (uint32_t i = 0; i < memories; i++)
            put_unsigned(body, memory_number(d, &inst->memories[i]));
        put_unsigned(body, globals);
        for (uint32_t i = 0; i < globals; i++) put_unsigned(body, global_number(d, inst, i));
    }
    return section_close(&s, 0, "coreinstances", d->out);
}

/* The backtrace made at the trap itself: of errors that wrap others, the innermost's. */
static size_t trap_frames(const fnvm_error *trap, const fnvm_frame **out)
{
    size_t n = 0;
    for (const fnvm_error *e = trap; e; e = fnvm_error_cause(e)) {
        const fnvm_frame *frames;
        size_t found = fnvm_error_frames(e, &frames);
        if (found) n = found, *out = frames;
    }
    return n;
}

/* The instruction's offset in its function.  The error's backtrace knows where the instruction
 * starts; the frame alone only a byte within. */
static uint32_t code_offset(const Dump *d, size_t i, const fnvm_error *trap)
{
    const TrapFrame *f = &d->frames[i];
    const Module *m = d->store->instances[f->instance]->module;
    uint32_t start = m->bodies[f->func - m->n_imported_funcs].start;
    const fnvm_frame *frames = NULL;
    size_t n = trap_frames(trap, &frames);
    uint64_t at = i < n && frames[i].func_index == f->func ? frames[i].offset : f->pc;
    return at >= start ? (uint32_t)at - start : 0;
}

static void put_value(FILE *out, uint8_t kind, uint64_t bits)
{
    static const uint8_t codes[] = {[FNVM_I32] = 0x7F, [FNVM_I64] = 0x7E, [FNVM_F32] = 0x7D,
                                    [FNVM_F64] = 0x7C, [FNVM_V128] = 1, [FNVM_REF] = 1};
    putc(codes[kind], out); /* 1: missing, for what the format has no code for */
    if (kind == FNVM_I32) put_signed(out, (int32_t)bits);
    else if (kind == FNVM_I64) put_signed(out, (int64_t)bits);
    else if (kind == FNVM_F32) fwrite(&bits, 1, 4, out);
    else if (kind == FNVM_F64) fwrite(&bits, 1, 8, out);
}

static fnvm_error *dump_stack(Dump *d, const fnvm_error *trap)
{
    const struct TrapRecord *r = d->store->trap_record;
    Section s;
    FILE *body = section_open(&s);
    if (!body) return error_no_memory();
    putc(0, body);
    put_name(body, "main", 4);
    put_unsigned(body, d->nframes);
    for (size_t i = 0; i < d->nframes; i++) {
        const TrapFrame *f = &d->frames[i];
        putc(0, body);
        put_unsigned(body, f->instance - 1);
        put_unsigned(body, f->func);
        put_unsigned(body, code_offset(d, i, trap));
        put_unsigned(body, f->count);
        for (size_t k = f->first; k < f->first + f->count; k++)
            put_value(body, r->locals[k].kind, r->locals[k].bits);
        put_unsigned(body, 0); /* operands: their types are known only to the verifier */
    }
    return section_close(&s, 0, "corestack", d->out);
}

static fnvm_error *dump_memories(Dump *d)
{
    Section s;
    FILE *body = section_open(&s);
    if (!body) return error_no_memory();
    put_unsigned(body, d->nmemories);
    for (uint32_t id = 1; id < d->store->ninstances; id++) {
        const Instance *inst = d->store->instances[id];
        for (uint32_t i = inst->module->n_imported_memories; i < inst->module->nmemories; i++) {
            const MemoryState *m = inst->memories[i].state;
            bool odd_pages = m->page_log2 != 16; /* the custom-page-sizes proposal's flag */
            putc((m->is64 ? 4 : 0) | (odd_pages ? 8 : 0), body);
            put_unsigned(body, m->size >> m->page_log2);
            if (odd_pages) put_unsigned(body, m->page_log2);
        }
    }
    return section_close(&s, 5, NULL, d->out);
}

static void put_global(FILE *out, const Module *m, ValType type, const Slot *value)
{
    static const uint8_t types[] = {[FNVM_I32] = 0x7F, [FNVM_I64] = 0x7E, [FNVM_F32] = 0x7D,
                                    [FNVM_F64] = 0x7C, [FNVM_V128] = 0x7B};
    static const uint8_t consts[] = {[FNVM_I32] = 0x41, [FNVM_I64] = 0x42, [FNVM_F32] = 0x43,
                                     [FNVM_F64] = 0x44};
    fnvm_kind kind = fnvm_valtype_kind(type);
    if (kind == FNVM_REF) { /* references mean nothing outside of the process: null ones */
        HeapType top = types_top(&m->engine->types, type_heap(type));
        int code = top == HEAP_FUNC ? 0x70 : top == HEAP_EXTERN ? 0x6F : top == HEAP_ANY ? 0x6E
                 : 0x69;
        putc(code, out);
        putc(0, out);
        putc(0xD0, out);
        putc(code, out);
    } else {
        putc(types[kind], out);
        putc(0, out);
        if (kind == FNVM_V128) {
            putc(0xFD, out);
            putc(0x0C, out);
        } else putc(consts[kind], out);
        if (kind == FNVM_I32) put_signed(out, (int32_t)value->i32);
        else if (kind == FNVM_I64) put_signed(out, (int64_t)value->i64);
        else fwrite(value, 1, kind == FNVM_F32 ? 4 : kind == FNVM_F64 ? 8 : 16, out);
    }
    putc(0x0B, out);
}

static fnvm_error *dump_globals(Dump *d)
{
    Section s;
    FILE *body = section_open(&s);
    if (!body) return error_no_memory();
    put_unsigned(body, d->nglobals);
    for (uint32_t id = 1; id < d->store->ninstances; id++) {
        const Instance *inst = d->store->instances[id];
        const Module *m = inst->module;
        for (uint32_t i = m->n_imported_globals; i < m->nglobals; i++)
            put_global(body, m, m->globals[i].type.type,
                       &inst->globals[2 * (size_t)(i - m->n_imported_globals)]);
    }
    return section_close(&s, 6, NULL, d->out);
}

/* ---- Contents of memories: only what is not zero ---- */

enum { CHUNK_BYTES = 4096 };

typedef struct Extent { const MemoryRef *memory; uint64_t offset, len; } Extent;
typedef struct Extents { Extent *list; size_t n, cap; } Extents;

static bool is_zero(const uint8_t *at, uint64_t n)
{
    return n == 0 || (at[0] == 0 && memcmp(at, at + 1, (size_t)n - 1) == 0);
}

static bool extent_add(Extents *x, const MemoryRef *memory, uint64_t offset, uint64_t len)
{
    Extent *last = x->n ? &x->list[x->n - 1] : NULL;
    if (last && last->memory == memory && last->offset + last->len == offset) {
        last->len += len;
        return true;
    }
    if (x->n == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 64;
        Extent *more = realloc(x->list, cap * sizeof *more);
        if (!more) return false;
        x->list = more;
        x->cap = cap;
    }
    x->list[x->n++] = (Extent){memory, offset, len};
    return true;
}

static bool extents_find(Extents *x, const Store *store)
{
    for (uint32_t id = 1; id < store->ninstances; id++) {
        const Instance *inst = store->instances[id];
        for (uint32_t i = inst->module->n_imported_memories; i < inst->module->nmemories; i++) {
            const MemoryRef *m = &inst->memories[i];
            uint64_t len;
            for (uint64_t at = 0; at < m->state->size; at += len) {
                len = m->state->size - at < CHUNK_BYTES ? m->state->size - at : CHUNK_BYTES;
                if (!is_zero(m->base + at, len) && !extent_add(x, m, at, len)) return false;
            }
        }
    }
    return true;
}

/* An active segment's head: memory index, offset expression, length (5.5.14). */
static void put_extent_head(FILE *out, const Dump *d, const Extent *e)
{
    putc(2, out);
    put_unsigned(out, memory_number(d, e->memory));
    bool is64 = e->memory->state->is64;
    putc(is64 ? 0x42 : 0x41, out);
    put_signed(out, is64 ? (int64_t)e->offset : (int32_t)(uint32_t)e->offset);
    putc(0x0B, out);
    put_unsigned(out, e->len);
}

/* The heads are made twice, so that memories need no second copy to learn the section's size. */
static fnvm_error *write_extents(Dump *d, const Extents *x)
{
    Section heads;
    FILE *body = section_open(&heads);
    if (!body) return error_no_memory();
    uint64_t len = 0;
    put_unsigned(body, x->n);
    for (size_t i = 0; i < x->n; i++) {
        put_extent_head(body, d, &x->list[i]);
        len += x->list[i].len;
    }
    bool failed = fclose(body) != 0;
    len += heads.len;
    free(heads.bytes);
    if (failed) return error_no_memory();
    if (len > UINT32_MAX)
        return fnvm_error_new(FNVM_E_LIMIT, "the memories hold more than the 4 GiB that a core "
                                            "dump has room for");
    putc(11, d->out);
    put_unsigned(d->out, len);
    put_unsigned(d->out, x->n);
    for (size_t i = 0; i < x->n; i++) {
        const Extent *e = &x->list[i];
        put_extent_head(d->out, d, e);
        fwrite(e->memory->base + e->offset, 1, (size_t)e->len, d->out);
    }
    return NULL;
}

static fnvm_error *dump_data(Dump *d)
{
    Extents x = {0};
    fnvm_error *error = extents_find(&x, d->store) ? write_extents(d, &x) : error_no_memory();
    free(x.list);
    return error;
}

fnvm_error *fnvm_store_coredump(fnvm_store *store, const fnvm_error *trap, FILE *out)
{
    if (!store->trap_record)
        return fnvm_error_new(FNVM_E_USAGE, "no trap was recorded: fnvm_store_keep_trap_state() "
                                            "comes before the call that traps");
    Dump d = {.store = store, .out = out, .frames = store->trap_record->frames,
              .nframes = store->trap_record->nframes};
    static const uint8_t head[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    errno = 0;
    fwrite(head, 1, sizeof head, out);
    fnvm_error *error = dump_number(&d);
    if (!error) error = dump_process(&d);
    if (!error) error = dump_modules(&d);
    if (!error) error = dump_instances(&d);
    if (!error) error = dump_stack(&d, trap);
    if (!error) error = dump_memories(&d);
    if (!error) error = dump_globals(&d);
    if (!error) error = dump_data(&d);
    dump_forget(&d);
    if (!error && (fflush(out) != 0 || ferror(out)))
        error = fnvm_error_new(FNVM_E_IO, "cannot write the core dump: %s", strerror(errno));
    return error;
}
