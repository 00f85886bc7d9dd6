/* The type registry: canonical recursion groups, the subtype lattice, layouts, spelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "vm/engine.h"
#include "vm/heap.h"
#include "vm/tunables.h"

static fnvm_engine *engine;
static TypeRegistry *types;

static int setup(void **state)
{
    (void)state;
    fnvm_error *error = fnvm_engine_new(NULL, &engine);
    if (error) return -1;
    types = &engine->types;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fnvm_engine_free(engine);
    return 0;
}

static TypeId define(const TypeDef *defs, uint32_t n, uint32_t which)
{
    TypeId ids[8];
    assert_true(n <= 8);
    assert_null(types_define(types, defs, n, ids));
    return ids[which];
}

static TypeDef struct_def(Field *fields, uint32_t n, TypeId super, bool is_final)
{
    return (TypeDef){
        .comp = COMP_STRUCT, .is_final = is_final, .super = super, .fields = fields, .nfields = n};
}

static TypeDef func_def(ValType *params, uint32_t nparams, ValType *results, uint32_t nresults)
{
    return (TypeDef){.comp = COMP_FUNC,
                     .is_final = true,
                     .super = TYPE_ID_NONE,
                     .params = params,
                     .nparams = nparams,
                     .results = results,
                     .nresults = nresults};
}

static ValType member(uint32_t i) { return type_ref(HEAP_REC + i, true); }

/* ---- Canonical groups ---- */

static void equal_functions_are_one_type(void **state)
{
    (void)state;
    ValType a[] = {TYPE_I32, TYPE_I64};
    TypeDef d = func_def(a, 2, a, 1), e = func_def(a, 1, a + 1, 1);
    TypeId id = define(&d, 1, 0);
    assert_int_equal(define(&d, 1, 0), id);
    assert_int_not_equal(define(&e, 1, 0), id);
    e = func_def(a, 2, a, 1);
    e.is_final = false;
    assert_int_not_equal(define(&e, 1, 0), id);
    const Type *t = types_get(types, id);
    assert_int_equal(t->id, id);
    assert_int_equal(t->nparams, 2);
    assert_int_equal(t->params[1], TYPE_I64);
    assert_int_equal(t->results[0], TYPE_I32);
}

/* (type $a (struct (ref null $a))) in two modules is one type; a structure that refers to that
 * type from outside its group is another (standard, 3.1.5). */
static void self_reference_is_not_outside_reference(void **state)
{
    (void)state;
    Field self = {.type = member(0)};
    TypeDef d = struct_def(&self, 1, TYPE_ID_NONE, true);
    TypeId id = define(&d, 1, 0);
    assert_int_equal(define(&d, 1, 0), id);
    assert_int_equal(type_heap(types_get(types, id)->fields[0].type), id);
    Field outside = {.type = type_ref(id, true)};
    TypeDef e = struct_def(&outside, 1, TYPE_ID_NONE, true);
    TypeId other = define(&e, 1, 0);
    assert_int_not_equal(other, id);
    assert_int_equal(define(&e, 1, 0), other);
}

static void groups_compare_whole(void **state)
{
    (void)state;
    Field f[] = {{.type = member(1)}, {.type = member(0)}, {.type = member(0)}};
    TypeDef pair[] = {struct_def(&f[0], 1, TYPE_ID_NONE, true),
                      struct_def(&f[1], 1, TYPE_ID_NONE, true)};
    TypeDef same_first[] = {struct_def(&f[0], 1, TYPE_ID_NONE, true),
                            struct_def(&f[1], 1, TYPE_ID_NONE, false)};
    TypeId first = define(pair, 2, 0), second = define(pair, 2, 1);
    assert_int_equal(second, first + 1);
    assert_int_equal(define(pair, 2, 1), second);
    assert_int_not_equal(define(same_first, 2, 0), first);
    assert_int_equal(type_heap(types_get(types, first)->fields[0].type), second);
    assert_int_not_equal(define(&(TypeDef){.comp = COMP_STRUCT,
                                           .is_final = true,
                                           .super = TYPE_ID_NONE,
                                           .fields = &f[2],
                                           .nfields = 1},
                                1, 0),
                         first);
}

static void mutability_and_packing_distinguish(void **state)
{
    (void)state;
    Field f[] = {{.type = TYPE_I8},
                 {.type = TYPE_I16},
                 {.type = TYPE_I32},
                 {.type = TYPE_I8, .is_mutable = true}};
    TypeId seen[4];
    for (uint32_t i = 0; i < 4; i++) {
        TypeDef d = struct_def(&f[i], 1, TYPE_ID_NONE, true);
        seen[i] = define(&d, 1, 0);
        for (uint32_t k = 0; k < i; k++) assert_int_not_equal(seen[i], seen[k]);
    }
}

static void ids_survive_growth(void **state)
{
    (void)state;
    enum { MANY = 3 * TYPES_PER_CHUNK };
    ValType params[12];
    TypeId *ids = malloc(MANY * sizeof *ids);
    assert_non_null(ids);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < MANY; i++) {
            for (uint32_t k = 0; k < 12; k++) params[k] = i >> k & 1 ? TYPE_I64 : TYPE_I32;
            TypeDef d = func_def(params, 12, NULL, 0);
            TypeId id = define(&d, 1, 0);
            if (round == 0)
                ids[i] = id;
            else
                assert_int_equal(ids[i], id);
        }
    }
    assert_int_equal(types_get(types, ids[MANY - 1])->params[0], TYPE_I64);
    free(ids);
}

/* ---- Limits ---- */

static void deep_supertypes_are_refused(void **state)
{
    (void)state;
    TypeId super = TYPE_ID_NONE;
    for (uint32_t depth = 0; depth <= LIMIT_SUBTYPE_DEPTH; depth++) {
        TypeDef d = struct_def(NULL, 0, super, false);
        TypeId id = define(&d, 1, 0);
        assert_int_equal(types_get(types, id)->depth, depth);
        assert_int_equal(types_get(types, id)->display[depth], id);
        super = id;
    }
    TypeDef d = struct_def(NULL, 0, super, false);
    TypeId id;
    uint32_t count = types->count;
    fnvm_error *error = types_define(types, &d, 1, &id);
    assert_int_equal(fnvm_error_code(error), FNVM_E_LIMIT);
    fnvm_error_free(error);
    assert_int_equal(types->count, count);
}

static void a_supertype_cannot_come_later(void **state)
{
    (void)state;
    TypeDef d[] = {struct_def(NULL, 0, HEAP_REC + 1, false),
                   struct_def(NULL, 0, TYPE_ID_NONE, false)};
    TypeId ids[2];
    fnvm_error *error = types_define(types, d, 2, ids);
    assert_int_equal(fnvm_error_code(error), FNVM_E_INVALID);
    fnvm_error_free(error);
}

/* ---- Layout ---- */

static void fields_are_aligned(void **state)
{
    (void)state;
    Field f[] = {{.type = TYPE_I8},   {.type = TYPE_I32}, {.type = TYPE_I16},
                 {.type = TYPE_V128}, {.type = TYPE_I8},  {.type = type_ref(HEAP_ANY, true)},
                 {.type = TYPE_I8}};
    const uint32_t offsets[] = {8, 12, 16, 24, 40, 48, 56};
    TypeDef d = struct_def(f, 7, TYPE_ID_NONE, true);
    const Type *t = types_get(types, define(&d, 1, 0));
    for (uint32_t i = 0; i < 7; i++) assert_int_equal(t->fields[i].offset, offsets[i]);
    assert_int_equal(t->size, 64);
    assert_true(t->has_refs);
    Field element = {.type = TYPE_I16, .is_mutable = true};
    TypeDef a = {.comp = COMP_ARRAY,
                 .is_final = true,
                 .super = TYPE_ID_NONE,
                 .nfields = 1,
                 .fields = &element};
    t = types_get(types, define(&a, 1, 0));
    assert_int_equal(t->size, sizeof(Array));
    assert_int_equal(t->fields[0].offset, sizeof(Array));
    assert_false(t->has_refs);
}

static void v128_takes_two_slots(void **state)
{
    (void)state;
    ValType v[] = {TYPE_V128, TYPE_I32};
    TypeDef d = func_def(v, 2, v, 1);
    const Type *t = types_get(types, define(&d, 1, 0));
    assert_int_equal(t->param_slots, 3);
    assert_int_equal(t->result_slots, 2);
}

/* ---- Subtyping ---- */

/* Row is a subtype of column, in the order of HEAP_*: the whole abstract lattice (3.3.3). */
static void abstract_lattice(void **state)
{
    (void)state;
    static const char *const rows[] = {
        /*            F E A Q I S R X f e n x */
        /* func     */ "100000000000",
        /* extern   */ "010000000000",
        /* any      */ "001000000000",
        /* eq       */ "001100000000",
        /* i31      */ "001110000000",
        /* struct   */ "001101000000",
        /* array    */ "001100100000",
        /* exn      */ "000000010000",
        /* nofunc   */ "100000001000",
        /* noextern */ "010000000100",
        /* none     */ "001111100010",
        /* noexn    */ "000000010001",
    };
    for (uint32_t sub = 0; sub < 12; sub++)
        for (uint32_t super = 0; super < 12; super++)
            assert_int_equal(types_heap_is_sub(types, HEAP_ABSTRACT + sub, HEAP_ABSTRACT + super),
                             rows[sub][super] == '1');
}

static void concrete_types_lie_between(void **state)
{
    (void)state;
    TypeDef base = struct_def(NULL, 0, TYPE_ID_NONE, false);
    TypeId b = define(&base, 1, 0);
    TypeDef derived = struct_def(NULL, 0, b, false);
    TypeId d = define(&derived, 1, 0);
    TypeDef func = func_def(NULL, 0, NULL, 0);
    TypeId f = define(&func, 1, 0);
    const struct {
        HeapType sub, super;
        bool is_sub;
    } rows[] = {
        {d, b, true},           {b, d, false},           {d, d, true},
        {d, HEAP_STRUCT, true}, {d, HEAP_EQ, true},      {d, HEAP_ANY, true},
        {d, HEAP_ARRAY, false}, {d, HEAP_I31, false},    {d, HEAP_FUNC, false},
        {HEAP_NONE, d, true},   {HEAP_NOFUNC, d, false}, {HEAP_STRUCT, d, false},
        {f, HEAP_FUNC, true},   {f, HEAP_ANY, false},    {HEAP_NOFUNC, f, true},
        {HEAP_NONE, f, false},  {d, f, false},           {HEAP_NOEXTERN, d, false},
        {d, HEAP_NONE, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(types_heap_is_sub(types, rows[i].sub, rows[i].super), rows[i].is_sub);
    assert_int_equal(types_top(types, d), HEAP_ANY);
    assert_int_equal(types_top(types, f), HEAP_FUNC);
    assert_true(types_is_sub(types, type_ref(d, false), type_ref(b, true)));
    assert_false(types_is_sub(types, type_ref(d, true), type_ref(b, false)));
    assert_true(types_is_sub(types, TYPE_BOTTOM, type_ref(b, false)));
    assert_false(types_is_sub(types, TYPE_I32, TYPE_I64));
    assert_false(types_is_sub(types, TYPE_I32, type_ref(HEAP_ANY, true)));
}

static void definitions_below_their_supertype(void **state)
{
    (void)state;
    ValType any = type_ref(HEAP_ANY, true), eq = type_ref(HEAP_EQ, true);
    Field fields[] = {{.type = any}, {.type = eq}, {.type = TYPE_I32}};
    Field vars[] = {{.type = any, .is_mutable = true}, {.type = eq, .is_mutable = true}};
    TypeDef defs[] = {
        struct_def(&fields[0], 1, TYPE_ID_NONE, false), /* 0: const any */
        struct_def(&fields[1], 2, TYPE_ID_NONE, true),  /* 1: const eq, more; final */
        struct_def(&vars[0], 1, TYPE_ID_NONE, false),   /* 2: var any */
        struct_def(&vars[1], 1, TYPE_ID_NONE, false),   /* 3: var eq */
        func_def(&any, 1, &eq, 1),                      /* 4: any -> eq */
        func_def(&eq, 1, &any, 1),                      /* 5: eq -> any */
    };
    defs[5].is_final = false;
    const Type *t[6];
    for (uint32_t i = 0; i < 6; i++) t[i] = types_get(types, define(&defs[i], 1, 0));
    assert_true(types_def_is_sub(types, t[1], t[0]));  /* depth and width */
    assert_false(types_def_is_sub(types, t[0], t[1])); /* a final type has nothing below it */
    assert_true(types_def_is_sub(types, t[2], t[2]));
    assert_false(types_def_is_sub(types, t[3], t[2])); /* mutable fields are invariant */
    assert_false(types_def_is_sub(types, t[2], t[0])); /* and not const ones */
    assert_true(types_def_is_sub(types, t[4], t[5]));  /* contravariant, covariant */
    assert_false(types_def_is_sub(types, t[5], t[0])); /* of another kind */
}

/* ---- Spelling ---- */

static void spelling_round_trips(void **state)
{
    (void)state;
    static const char *const spellings[] = {
        "i32",       "i64",        "f32",        "f64",         "v128",
        "funcref",   "externref",  "anyref",     "eqref",       "i31ref",
        "structref", "arrayref",   "exnref",     "nullfuncref", "nullexternref",
        "nullref",   "nullexnref", "(ref func)", "(ref i31)",   "(ref noexn)",
    };
    char text[32];
    ValType t;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        assert_true(fnvm_valtype_parse(spellings[i], &t));
        assert_int_equal(fnvm_valtype_print(engine, t, text, sizeof text), strlen(spellings[i]));
        assert_string_equal(text, spellings[i]);
        assert_int_equal(fnvm_valtype_kind(t), i < 5 ? (fnvm_kind)i : FNVM_REF);
    }
    assert_true(fnvm_valtype_parse(" ( ref  null any )", &t));
    assert_int_equal(t, type_ref(HEAP_ANY, true));
    static const char *const wrong[] = {"",        "i33",     "i32 i32", "(ref",       "(ref null)",
                                        "ref any", "(ref 0)", "i8",      "(ref anyx)", "(refany)"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(fnvm_valtype_parse(wrong[i], &t));
}

static void printing_is_cut_to_size(void **state)
{
    (void)state;
    char text[4] = "xxx";
    assert_int_equal(types_print(types, type_ref(HEAP_FUNC, true), text, sizeof text), 7);
    assert_string_equal(text, "fun");
    assert_int_equal(types_print(types, TYPE_I32, NULL, 0), 3);
}

static void function_types_by_spelling(void **state)
{
    (void)state;
    char text[64];
    TypeId id, again;
    assert_null(types_parse_func(types, "i32 (ref null extern) -> i64 f32", &id));
    types_print_func(types, id, text, sizeof text);
    assert_string_equal(text, "(param i32 externref) (result i64 f32)");
    assert_null(types_parse_func(types, "  i32\texternref->i64 f32 ", &again));
    assert_int_equal(id, again);
    assert_null(types_parse_func(types, "->", &id));
    assert_int_equal(types_print_func(types, id, text, sizeof text), 0);
    static const char *const wrong[] = {"", "i32", "i32 -> i32 ->", "i32 => i32", "i32 - > i32"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fnvm_error *error = types_parse_func(types, wrong[i], &id);
        assert_int_equal(fnvm_error_code(error), FNVM_E_USAGE);
        fnvm_error_free(error);
    }
}

/* ---- Life ---- */

static TypeId define_array(ValType element)
{
    Field f = {.type = element};
    TypeDef d = {.comp = COMP_ARRAY, .super = TYPE_ID_NONE, .fields = &f, .nfields = 1};
    return define(&d, 1, 0);
}

static void types_go_with_their_last_holder(void **state)
{
    (void)state;
    const TypeId a = define_array(TYPE_I32), again = define_array(TYPE_I32);
    assert_int_equal(a, again);
    assert_int_equal(types->ngroups, 1);
    types_release(types, a);
    assert_int_equal(types->ngroups, 1);
    assert_true(types_hold(types, a));
    types_release(types, a);
    types_release(types, a);
    assert_int_equal(types->ngroups, 0);
    assert_int_equal(types->count, 0);
    assert_false(types_hold(types, a));
    assert_false(types_hold_valtype(types, type_ref(a, true)));
    assert_true(types_hold_valtype(types, type_ref(HEAP_ANY, true)));
}

static void what_a_type_refers_to_stays(void **state)
{
    (void)state;
    const TypeId element = define_array(TYPE_I32), array = define_array(type_ref(element, false));
    TypeDef d[] = {struct_def(NULL, 0, TYPE_ID_NONE, false), struct_def(NULL, 0, HEAP_REC, false)};
    ValType params[] = {type_ref(array, true), member(0)};
    TypeDef group[] = {d[0], d[1], func_def(params, 2, params, 1)};
    TypeId ids[3];
    assert_null(types_define(types, group, 3, ids));
    types_release(types, element);
    types_release(types, array);
    assert_int_equal(types->ngroups, 3);
    assert_int_equal(types_get(types, element)->fields[0].type, TYPE_I32);
    types_release_all(types, ids, 3);
    assert_int_equal(types->ngroups, 0);
    assert_int_equal(types->count, 0);
}

enum { CHAIN = 200000 };

static void a_long_chain_of_types_goes(void **state)
{
    (void)state;
    TypeId id = define_array(TYPE_I32);
    for (int i = 0; i < CHAIN; i++) {
        const TypeId next = define_array(type_ref(id, true));
        types_release(types, id);
        id = next;
    }
    assert_int_equal(types->ngroups, CHAIN + 1);
    types_release(types, id);
    assert_int_equal(types->ngroups, 0);
    assert_int_equal(types->count, 0);
}

/* Types told apart by their parameters: the bits of a number. */
static TypeId define_number(uint32_t number)
{
    ValType params[20];
    for (uint32_t i = 0; i < 20; i++) params[i] = number >> i & 1 ? TYPE_I64 : TYPE_I32;
    TypeDef d = func_def(params, 20, NULL, 0);
    return define(&d, 1, 0);
}

static void numbers_are_given_out_again(void **state)
{
    (void)state;
    enum { N = 1000, STEP = 7 }; /* without a common divisor */
    TypeId ids[N];
    for (uint32_t i = 0; i < N; i++) ids[i] = define_number(i);
    const TypeId last = define_number(N);
    assert_int_equal(types->count, N + 1);
    for (uint32_t i = 0; i < N; i += 2) types_release(types, ids[i]);
    for (uint32_t i = 0; i < N; i += 2) ids[i] = define_number(2 * N + i);
    assert_int_equal(types->count, N + 1);
    for (uint32_t i = 0; i < N; i++) assert_int_equal(types_get(types, ids[i])->id, ids[i]);
    for (uint32_t i = 0; i < N; i++) types_release(types, ids[i * STEP % N]);
    TypeDef group[8];
    for (uint32_t i = 0; i < 8; i++)
        group[i] = struct_def(NULL, 0, i ? HEAP_REC + i - 1 : TYPE_ID_NONE, false);
    TypeId members[8];
    for (uint32_t i = 0; i < N / 8; i++) { /* in one run */
        Field f = {.type = i ? type_ref(members[7], true) : TYPE_I32};
        group[7] = struct_def(&f, 1, HEAP_REC + 6, false);
        assert_null(types_define(types, group, 8, members));
        assert_true(members[7] < N);
        assert_int_equal(types_get(types, members[7])->depth, 7);
    }
    assert_int_equal(types->count, N + 1);
    assert_int_equal(types_get(types, last)->params[3], TYPE_I64);
    types_release(types, last);
}

static void a_failed_definition_leaves_free_numbers(void **state)
{
    (void)state;
    const TypeId a = define_number(0), b = define_number(1);
    types_release(types, a);
    TypeDef wrong = struct_def(NULL, 0, HEAP_REC, false); /* above itself */
    TypeId id;
    fnvm_error *error = types_define(types, &wrong, 1, &id);
    assert_int_equal(fnvm_error_code(error), FNVM_E_INVALID);
    fnvm_error_free(error);
    assert_int_equal(define_number(2), a);
    assert_int_equal(types_get(types, b)->id, b);
    assert_int_equal(types->count, 2);
}

/* A module's type section: i -> the bits of `first` and on. */
static size_t module_of_types(uint8_t *bytes, uint32_t n, uint32_t first)
{
    static const uint8_t head[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1};
    const uint32_t size = 2 + n * 23; /* less than 2^14 */
    size_t at = 0;
    for (size_t i = 0; i < sizeof head; i++) bytes[at++] = head[i];
    bytes[at++] = (uint8_t)(0x80 | (size & 0x7F));
    bytes[at++] = (uint8_t)(size >> 7);
    bytes[at++] = (uint8_t)(0x80 | (n & 0x7F));
    bytes[at++] = (uint8_t)(n >> 7);
    for (uint32_t i = 0; i < n; i++) {
        bytes[at++] = 0x60;
        bytes[at++] = 20;
        for (uint32_t bit = 0; bit < 20; bit++) bytes[at++] = (first + i) >> bit & 1 ? 0x7E : 0x7F;
        bytes[at++] = 0;
    }
    return at;
}

static void modules_take_their_types_along(void **state)
{
    (void)state;
    enum { N = 700, TIMES = 50 };
    uint8_t *bytes = malloc(16 + N * 23);
    assert_non_null(bytes);
    uint32_t most = 0;
    fnvm_module *before = NULL;
    for (uint32_t i = 0; i < TIMES; i++) {
        fnvm_module *m;
        size_t len = module_of_types(bytes, N, i * N);
        assert_null(fnvm_module_new(engine, bytes, len, &m));
        if (types->count > most) most = types->count;
        fnvm_module_release(before);
        before = m;
        bytes[len - 1] = 0x55; /* the last type is none, and the others are given back */
        fnvm_error *error = fnvm_module_new(engine, bytes, len, &m);
        assert_int_equal(fnvm_error_code(error), FNVM_E_MALFORMED);
        fnvm_error_free(error);
    }
    fnvm_module_release(before);
    free(bytes);
    assert_true(most <= 3 * N);
    assert_int_equal(types->count, 0);
}

static fnvm_error *nothing(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    (void)caller, (void)env, (void)slots;
    return NULL;
}

static void stores_hold_types_of_host_functions(void **state)
{
    (void)state;
    fnvm_store *s;
    fnvm_linker *l;
    fnvm_extern e;
    assert_null(fnvm_store_new(engine, &s));
    assert_null(fnvm_linker_new(s, &l));
    assert_null(fnvm_func_new(s, "i32 -> i64", nothing, NULL, &e));
    assert_null(fnvm_linker_define_func(l, "m", "f", "-> f32", nothing, NULL));
    const TypeId structure = define(&(TypeDef){.comp = COMP_STRUCT, .super = TYPE_ID_NONE}, 1, 0);
    const fnvm_valtype type = type_ref(structure, true);
    assert_null(fnvm_table_new(s, type, 1, 1, false, &e));
    types_release(types, structure);
    assert_int_equal(types->ngroups, 3);
    fnvm_linker_free(l);
    fnvm_store_free(s);
    assert_int_equal(types->ngroups, 0);

    assert_null(fnvm_store_new(engine, &s));
    fnvm_error *error = fnvm_table_new(s, type, 1, 1, false, &e);
    assert_int_equal(fnvm_error_code(error), FNVM_E_USAGE);
    fnvm_error_free(error);
    error = fnvm_global_new(s, type, true, &(fnvm_val){.kind = FNVM_REF}, &e);
    assert_int_equal(fnvm_error_code(error), FNVM_E_USAGE);
    fnvm_error_free(error);
    fnvm_store_free(s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(equal_functions_are_one_type),
        TEST(self_reference_is_not_outside_reference),
        TEST(groups_compare_whole),
        TEST(mutability_and_packing_distinguish),
        TEST(ids_survive_growth),
        TEST(deep_supertypes_are_refused),
        TEST(a_supertype_cannot_come_later),
        TEST(fields_are_aligned),
        TEST(v128_takes_two_slots),
        TEST(abstract_lattice),
        TEST(concrete_types_lie_between),
        TEST(definitions_below_their_supertype),
        TEST(spelling_round_trips),
        TEST(printing_is_cut_to_size),
        TEST(function_types_by_spelling),
        TEST(types_go_with_their_last_holder),
        TEST(what_a_type_refers_to_stays),
        TEST(a_long_chain_of_types_goes),
        TEST(numbers_are_given_out_again),
        TEST(a_failed_definition_leaves_free_numbers),
        TEST(modules_take_their_types_along),
        TEST(stores_hold_types_of_host_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
