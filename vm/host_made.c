/* Globals, memories and tables made by the host.  Each belongs to an instance of a module of one
 * definition, written here as binary, so that there is one way for such things to exist. */
#include <string.h>

#include "vm/store.h"

typedef struct Bytes { uint8_t at[96]; size_t len; } Bytes; /* enough for any of these modules */

static void put(Bytes *b, uint8_t byte)
{
    if (b->len < sizeof b->at) b->at[b->len++] = byte;
}

static void put_leb(Bytes *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) put(b, (uint8_t)(v | 0x80));
    put(b, (uint8_t)v);
}

/* Limits (5.3.13): flag 1 for a maximum, 4 for 64-bit addresses. */
static void put_limits(Bytes *b, uint64_t min, uint64_t max, bool is64)
{
    put(b, (uint8_t)((max != UINT64_MAX ? 1 : 0) | (is64 ? 4 : 0)));
    put_leb(b, min);
    if (max != UINT64_MAX) put_leb(b, max);
}

enum { SECTION_TABLE = 4, SECTION_MEMORY = 5, SECTION_GLOBAL = 6 };

/* A module with one section that holds a vector of one item. */
static Bytes module_around(uint8_t section, const Bytes *item)
{
    Bytes b = {{0, 'a', 's', 'm', 1, 0, 0, 0}, 8};
    put(&b, section);
    put_leb(&b, item->len + 1);
    put(&b, 1);
    for (size_t i = 0; i < item->len; i++) put(&b, item->at[i]);
    return b;
}

static fnvm_error *make_module(Store *s, uint8_t section, const Bytes *item, Module **out)
{
    Bytes b = module_around(section, item);
    return module_new_of(s->engine, MODULE_OF_HOST, b.at, b.len, out);
}

/* Instantiates and lets go of the module. */
static fnvm_error *make_instance(Store *s, Module *m, fnvm_externkind kind, fnvm_extern *out)
{
    Instance *inst;
    fnvm_error *error = instance_new(s, m, NULL, NULL, &inst);
    if (!error) *out = instance_extern(inst, kind, 0);
    fnvm_module_release(m);
    return error;
}

fnvm_error *fnvm_memory_new(fnvm_store *s, uint64_t min_pages, uint64_t max_pages, bool is64,
                            fnvm_extern *out)
{
    Bytes item = {.len = 0};
    put_limits(&item, min_pages, max_pages, is64);
    Module *m;
    fnvm_error *error = make_module(s, SECTION_MEMORY, &item, &m);
    return error ? error : make_instance(s, m, FNVM_EXTERN_MEMORY, out);
}

/* The binary form cannot name the engine's type ids, so reference types are spelled funcref there
 * and set in the module before anyone else knows of it.  `type` is where it stands there. */
static fnvm_error *set_host_value(Module *m, ValType value, ValType *type)
{
    if (!types_hold_valtype(&m->engine->types, value))
        return fnvm_error_new(FNVM_E_USAGE, "the type is of a module that was released");
    *type = m->host_value = value;
    return NULL;
}

enum { BINARY_FUNCREF = 0x70, BINARY_FUNC = 0x70, BINARY_REF_NULL = 0xD0, BINARY_END = 0x0B };

fnvm_error *fnvm_table_new(fnvm_store *s, fnvm_valtype elem, uint64_t min, uint64_t max,
                           bool is64, fnvm_extern *out)
{
    if (!type_is_ref(elem) || !type_is_nullable(elem)) {
        return fnvm_error_new(FNVM_E_USAGE, "the elements of a table are of a reference type that "
                              "admits null");
    }
    Bytes item = {{BINARY_FUNCREF}, 1};
    put_limits(&item, min, max, is64);
    Module *m;
    fnvm_error *error = make_module(s, SECTION_TABLE, &item, &m);
    if (error) return error;
    error = set_host_value(m, elem, &m->tables[0].type.elem);
    if (!error) return make_instance(s, m, FNVM_EXTERN_TABLE, out);
    fnvm_module_release(m);
    return error;
}

/* A constant zero of the type. */
static void put_zero(Bytes *b, ValType type)
{
    switch (fnvm_valtype_kind(type)) {
    case FNVM_I32: put(b, 0x41); put(b, 0); break;
    case FNVM_I64: put(b, 0x42); put(b, 0); break;
    case FNVM_F32: put(b, 0x43); for (int i = 0; i < 4; i++) put(b, 0); break;
    case FNVM_F64: put(b, 0x44); for (int i = 0; i < 8; i++) put(b, 0); break;
    case FNVM_V128: put(b, 0xFD); put(b, 12); for (int i = 0; i < 16; i++) put(b, 0); break;
    case FNVM_REF: put(b, BINARY_REF_NULL); put(b, BINARY_FUNC); break;
    }
    put(b, BINARY_END);
}

fnvm_error *fnvm_global_new(fnvm_store *s, fnvm_valtype type, bool is_mutable,
                            const fnvm_val *value, fnvm_extern *out)
{
    static const uint8_t number_types[] = {0x7F, 0x7E, 0x7D, 0x7C, 0x7B}; /* i32 ... v128 */
    if (!type_is_ref(type) && type > TYPE_V128) {
        return fnvm_error_new(FNVM_E_USAGE, "not a value type");
    }
    Slot slots[2] = {{0}, {0}};
    Bytes item = {.len = 0};
    put(&item, type_is_ref(type) ? BINARY_FUNCREF : number_types[type]);
    put(&item, is_mutable);
    put_zero(&item, type);
    Module *m;
    fnvm_error *error = make_module(s, SECTION_GLOBAL, &item, &m);
    if (error) return error;
    if (type_is_ref(type)) error = set_host_value(m, type, &m->globals[0].type.type);
    if (!error) error = store_value_to_slots(s, value, type, slots);
    if (error) {
        fnvm_module_release(m);
        return error;
    }
    error = make_instance(s, m, FNVM_EXTERN_GLOBAL, out);
    if (error) return error;
    memcpy(((Instance *)(uintptr_t)out->of[0])->globals, slots, sizeof slots);
    return NULL;
}
