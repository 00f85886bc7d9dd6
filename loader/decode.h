/* Inside of module_decode: what its files share.  A decoder reads one section at a time with its
 * reader bounded to that section, and writes into the module. */
#ifndef FNVM_LOADER_DECODE_H
#define FNVM_LOADER_DECODE_H

#include "loader/section.h"
#include "verifier/policy/check.h"

typedef struct Decoder {
    Reader r;
    Module *m;
    uint32_t group;   /* types being defined right now: see read_types.h */
    uint32_t nbodies; /* in the code section */
    uint32_t data_count;
    uint32_t steps;   /* items read, for decode_goes_on */
} Decoder;

/* ---- Sections, each with the reader at its payload ---- */

void decode_type_section(Decoder *);   /* decode_types.c */
void decode_import_section(Decoder *); /* decode_imports.c */
void decode_export_section(Decoder *);
void decode_function_section(Decoder *); /* decode_sections.c */
void decode_table_section(Decoder *);
void decode_memory_section(Decoder *);
void decode_tag_section(Decoder *);
void decode_global_section(Decoder *);
void decode_start_section(Decoder *);
void decode_data_count_section(Decoder *);
void decode_code_section(Decoder *);
void decode_element_section(Decoder *); /* decode_segments.c */
void decode_data_section(Decoder *);

/* ---- Parts ---- */

/* For the loop over the items of a section: false after a failure, or when the engine has been
 * interrupted, which is one. */
static inline bool decode_goes_on(Decoder *d)
{
    if (++d->steps % STOP_STEPS == 0 && engine_interrupted(d->m->engine) && !d->r.error)
        d->r.error = stop_error("decoding a module");
    return !d->r.error;
}

/* A value or reference type; notes in the module whether it needs the managed heap. */
ValType decode_valtype(Decoder *);
ValType decode_reftype(Decoder *);
TypeId decode_func_type(Decoder *); /* a type index that must name a function type */
TypeId decode_tag_type(Decoder *);
TableType decode_table_type(Decoder *);
MemoryType decode_memory_type(Decoder *);
GlobalType decode_global_type(Decoder *);
Name decode_name(Decoder *, const char *what);
Range decode_expression(Decoder *); /* to its `end`; functions that it names are declared */
void decode_declare(Decoder *, uint32_t func); /* func may be named by ref.func from now on */

/* Whether an index is below `count`; fails with "unknown <what> <index>". */
bool decode_check_index(Decoder *, uint32_t at, const char *what, uint32_t index, uint32_t count);
bool decode_need(Decoder *, uint32_t feature, uint32_t at, const char *what);

/* For the engine's policy, if it has one: `n` more of something, by what is at `at`; and `n` of
 * it in one construct (verifier/policy/check.h). */
static inline void decode_add(Decoder *d, PolicyCeiling which, uint64_t n, uint32_t at)
{
    if (d->r.check) check_add(d->r.check, which, n, at);
}
static inline void decode_one(Decoder *d, PolicyCeiling which, uint64_t n, uint32_t at)
{
    if (d->r.check) check_one(d->r.check, which, n, at);
}

/* ---- Vectors ---- */

/* A count of `what` (plural), each of at least `min_bytes`: no more than what is left can hold,
 * and with the `have` there are no more than `limit`. */
uint32_t decode_count(Decoder *, const char *what, uint32_t min_bytes, uint32_t have,
                      uint32_t limit);
/* The array with room for exactly `more` more elements, zeroed; as it was at a failure. */
void *decode_extend(Decoder *, void *array, uint32_t have, uint32_t more, size_t size);
/* The array with room for at least one more element; as it was at a failure. */
void *decode_grow(Decoder *, void *array, uint32_t have, size_t size);

#endif
