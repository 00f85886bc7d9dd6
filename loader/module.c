/* Questions to a decoded module: exports by name, and its entities' types as text. */
#include "loader/module.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vm/hash.h"
#include "vm/types_print.h"

/* ---- Exports by name ---- */

uint32_t module_export_index_size(uint32_t nexports)
{
    uint32_t size = 4;
    while (size < nexports * 2) size *= 2;
    return size;
}

/* Where the name is in the index, or would be.  There is always room: half of it is empty. */
static uint32_t export_slot(const Module *m, const void *name, size_t len)
{
    uint32_t mask = m->export_index_size - 1;
    uint32_t slot = (uint32_t)hash_bytes(m->engine->types.hash_key, name, len) & mask;
    for (; m->export_index[slot] != 0; slot = (slot + 1) & mask) {
        Name other = m->exports[m->export_index[slot] - 1].name;
        if (other.len == len && memcmp(m->bytes + other.start, name, len) == 0) break;
    }
    return slot;
}

const Export *module_find_export(const Module *m, const char *name, size_t len)
{
    if (m->export_index_size == 0) return NULL;
    uint32_t slot = export_slot(m, name, len);
    return m->export_index[slot] ? &m->exports[m->export_index[slot] - 1] : NULL;
}

const Export *module_index_exports(Module *m)
{
    for (uint32_t e = 0; e < m->nexports; e++) {
        Name name = m->exports[e].name;
        uint32_t slot = export_slot(m, m->bytes + name.start, name.len);
        if (m->export_index[slot]) return &m->exports[e];
        m->export_index[slot] = e + 1;
    }
    return NULL;
}

/* ---- Types as text ---- */

/* Threads that are at this at once each make one; the first to be done has its kept. */
const TypeIndices *module_type_indices(const Module *m)
{
    _Atomic(TypeIndices *) *at = (_Atomic(TypeIndices *) *)&m->type_indices;
    TypeIndices *known = atomic_load_explicit(at, memory_order_acquire);
    if (known) return known;
    TypeIndices *made = type_indices_new(m->types, m->ntypes);
    if (!made || atomic_compare_exchange_strong(at, &known, made)) return made;
    free(made);
    return known;
}

static void print_func(TypePrinter *p, const char *word, TypeId id)
{
    const Type *t = types_get(p->registry, id);
    printer_text(p, t->nparams + t->nresults > 0 ? "(%s " : "(%s", word);
    printer_func(p, id);
    printer_text(p, ")");
}

static void print_limits(TypePrinter *p, const Limits *l)
{
    if (l->is64) printer_text(p, "i64 ");
    printer_text(p, "%" PRIu64, l->min);
    if (l->has_max) printer_text(p, " %" PRIu64, l->max);
}

static void print_table(TypePrinter *p, const TableType *t)
{
    printer_text(p, "(table ");
    print_limits(p, &t->limits);
    printer_text(p, " ");
    printer_valtype(p, t->elem);
    printer_text(p, ")");
}

static void print_memory(TypePrinter *p, const MemoryType *t)
{
    printer_text(p, "(memory ");
    print_limits(p, &t->limits);
    if (t->page_log2 != 16) printer_text(p, " (pagesize %u)", 1u << t->page_log2);
    printer_text(p, ")");
}

static void print_global(TypePrinter *p, const GlobalType *t)
{
    printer_text(p, t->is_mutable ? "(global (mut " : "(global ");
    printer_valtype(p, t->type);
    printer_text(p, t->is_mutable ? "))" : ")");
}

size_t module_print_type(const Module *m, uint8_t kind, uint32_t index, char *text, size_t size)
{
    TypePrinter p = {.registry = &m->engine->types,
                     .indices = module_type_indices(m),
                     .text = text,
                     .size = size};
    if (size > 0) text[0] = '\0';
    switch (kind) {
    case FNVM_EXTERN_FUNC: print_func(&p, "func", m->funcs[index]); break;
    case FNVM_EXTERN_TABLE: print_table(&p, &m->tables[index].type); break;
    case FNVM_EXTERN_MEMORY: print_memory(&p, &m->memories[index]); break;
    case FNVM_EXTERN_GLOBAL: print_global(&p, &m->globals[index].type); break;
    case FNVM_EXTERN_TAG: print_func(&p, "tag", m->tags[index]); break;
    default: break;
    }
    return p.len;
}
