/* Rules of the table and bulk memory instructions (standard, 3.4.11 to 3.4.13).  Offsets and
 * lengths have the address type of the table or memory they belong to; a length that belongs to two
 * has the smaller. */
#include "verifier/state.h"

static ValType table_elem(const Verifier *v, uint32_t table)
{
    return v->m->tables[table].type.elem;
}

static ValType smaller(ValType a, ValType b) { return a == TYPE_I64 ? b : a; }

static void pop3(Verifier *v, ValType to, ValType from, ValType n)
{
    operand_pop(v, n);
    operand_pop(v, from);
    operand_pop(v, to);
}

static void require_elem_type(Verifier *v, ValType from, ValType to)
{
    char a[TYPE_TEXT], b[TYPE_TEXT];
    if (!type_matches(v, from, to))
        verifier_invalid(v, "type mismatch: %s puts %s into a table of %s", v->row->text,
                         verifier_type_text(v, from, a), verifier_type_text(v, to, b));
}

static void table_access(Verifier *v)
{
    ValType address;
    uint32_t table = code_table(v, &address);
    if (table == UINT32_MAX) return;
    ValType elem = table_elem(v, table);
    switch (v->op) {
    case op_table_get:
        operand_pop(v, address);
        operand_push(v, elem);
        break;
    case op_table_set:
        operand_pop(v, elem);
        operand_pop(v, address);
        break;
    case op_table_size: operand_push(v, address); break;
    case op_table_grow:
        operand_pop(v, address);
        operand_pop(v, elem);
        operand_push(v, address);
        break;
    default: pop3(v, address, elem, address); break; /* table.fill */
    }
}

static void table_copy(Verifier *v)
{
    ValType to_address, from_address;
    uint32_t to = code_table(v, &to_address), from = code_table(v, &from_address);
    if (verifier_failed(v)) return;
    require_elem_type(v, table_elem(v, from), table_elem(v, to));
    pop3(v, to_address, from_address, smaller(to_address, from_address));
}

static void table_init(Verifier *v)
{
    uint32_t elem = code_elem(v);
    ValType address;
    uint32_t table = code_table(v, &address);
    if (verifier_failed(v)) return;
    require_elem_type(v, v->m->elems[elem].type, table_elem(v, table));
    pop3(v, address, TYPE_I32, TYPE_I32);
}

static void memory_bulk(Verifier *v)
{
    ValType to, from;
    switch (v->op) {
    case op_memory_init:
        code_data(v);
        code_memory(v, &to);
        pop3(v, to, TYPE_I32, TYPE_I32);
        break;
    case op_memory_copy:
        code_memory(v, &to);
        code_memory(v, &from);
        pop3(v, to, from, smaller(to, from));
        break;
    default: /* memory.fill */
        code_memory(v, &to);
        pop3(v, to, TYPE_I32, to);
        break;
    }
}

void table_instruction(Verifier *v)
{
    switch (v->op) {
    case op_table_copy: table_copy(v); break;
    case op_table_init: table_init(v); break;
    case op_elem_drop: code_elem(v); break;
    case op_data_drop: code_data(v); break;
    case op_memory_init: case op_memory_copy: case op_memory_fill: memory_bulk(v); break;
    default: table_access(v);
    }
}
