/* The managed heap without a guest: layout, ranges, membership, limits, roots and threads.  The
 * stores here are bare: the heap asks no more of them than their engine and their roots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vm/engine.h"
#include "vm/heap.h"

enum { LIMIT_BYTES = 1 << 20 };

static fnvm_engine *engine_open(void)
{
    fnvm_config config;
    fnvm_config_default(&config);
    config.max_heap_bytes = LIMIT_BYTES;
    fnvm_engine *engine;
    assert_null(fnvm_engine_new(&config, &engine));
    return engine;
}

static Store *store_open(fnvm_engine *engine)
{
    Store *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->engine = engine;
    return s;
}

static void store_close(Store *s)
{
    heap_store_free(s);
    free(s->refs);
    free(s);
}

static void store_keep(Store *s, uint64_t bits)
{
    if (s->nrefs == s->refs_cap) {
        uint32_t cap = s->refs_cap ? 2 * s->refs_cap : 4;
        assert_true(heap_resize_roots((void **)&s->refs, s->nrefs * sizeof *s->refs,
                                      cap * sizeof *s->refs));
        s->refs_cap = cap;
    }
    s->refs[s->nrefs++].bits = bits;
}

static const Type *type_define(fnvm_engine *e, CompKind comp, TypeId super, uint32_t nfields, ...)
{
    Field fields[8] = {{0}};
    va_list args;
    va_start(args, nfields);
    for (uint32_t i = 0; i < nfields; i++)
        fields[i] = (Field){.type = va_arg(args, ValType), .is_mutable = true};
    va_end(args);
    TypeDef def = {.comp = (uint8_t)comp, .super = super, .nfields = nfields, .fields = fields};
    TypeId id;
    assert_null(types_define(&e->types, &def, 1, &id));
    return types_get(&e->types, id);
}

static void fields_keep_their_values(void **state)
{
    (void)state;
    fnvm_engine *e = engine_open();
    Store *s = store_open(e);
    const Type *t = type_define(e, COMP_STRUCT, TYPE_ID_NONE, 6, TYPE_I8, TYPE_V128, TYPE_I16,
                                TYPE_F32, TYPE_I64, type_ref(HEAP_ANY, true));
    static const uint64_t written[6][2] = {
        {0xFFFFFF80}, {0x1122334455667788, 0x99AABBCCDDEEFF00}, {0x18000}, {0x7FC00001},
        {0x8000000000000001}, {3}};
    uint64_t ref;
    assert_int_equal(heap_new_struct(s, t, &ref), FNVM_TRAP_NONE);
    uint8_t *at = (uint8_t *)ref_object(ref);
    assert_int_equal(ref_object(ref)->type, t->id);
    for (size_t i = sizeof(Object); i < t->size; i++) assert_int_equal(at[i], 0);
    for (uint32_t i = 0; i < 6; i++)
        object_set(at + t->fields[i].offset, t->fields[i].type, (const Slot *)written[i]);
    static const uint64_t zero_extended[6][2] = {
        {0x80}, {0x1122334455667788, 0x99AABBCCDDEEFF00}, {0x8000}, {0x7FC00001},
        {0x8000000000000001}, {3}};
    for (uint32_t i = 0; i < 6; i++) {
        Slot out[2] = {{0}};
        object_get(at + t->fields[i].offset, t->fields[i].type, false, out);
        assert_int_equal(out[0].i64, zero_extended[i][0]);
        assert_int_equal(out[1].i64, zero_extended[i][1]);
    }
    Slot out = {0};
    object_get(at + t->fields[0].offset, TYPE_I8, true, &out);
    assert_int_equal(out.i64, 0xFFFFFF80);
    object_get(at + t->fields[2].offset, TYPE_I16, true, &out);
    assert_int_equal(out.i64, 0xFFFF8000);
    store_close(s);
    fnvm_engine_free(e);
}

static void array_ranges_are_checked_before_a_change(void **state)
{
    (void)state;
    fnvm_engine *e = engine_open();
    Store *s = store_open(e);
    const Type *t = type_define(e, COMP_ARRAY, TYPE_ID_NONE, 1, TYPE_I16);
    uint64_t ref;
    assert_int_equal(heap_new_array(s, t, 10, &ref), FNVM_TRAP_NONE);
    Array *a = (Array *)(void *)ref_object(ref);
    assert_int_equal(a->length, 10);
    Slot value = {.i64 = 0xABCD1234};
    assert_int_equal(array_fill(s, t, ref, 3, &value, 7), FNVM_TRAP_NONE);
    assert_int_equal(array_fill(s, t, ref, 4, &value, 7), FNVM_TRAP_ARRAY_OUT_OF_BOUNDS);
    assert_int_equal(array_fill(s, t, ref, 10, &value, 0), FNVM_TRAP_NONE);
    assert_int_equal(array_fill(s, t, ref, 11, &value, 0), FNVM_TRAP_ARRAY_OUT_OF_BOUNDS);
    assert_int_equal(array_fill(s, t, ref, UINT32_MAX, &value, UINT32_MAX),
                     FNVM_TRAP_ARRAY_OUT_OF_BOUNDS);
    assert_int_equal(array_fill(s, t, 0, 0, &value, 0), FNVM_TRAP_NULL_ARRAY);
    static const uint16_t filled[10] = {0, 0, 0, 0x1234, 0x1234, 0x1234, 0x1234, 0x1234, 0x1234,
                                        0x1234};
    assert_memory_equal(a + 1, filled, sizeof filled);

    for (uint16_t i = 0; i < 10; i++) memcpy(array_at(a, TYPE_I16, i), &i, sizeof i);
    assert_int_equal(array_copy(s, t, ref, 1, ref, 0, 9), FNVM_TRAP_NONE); /* overlapping, upwards */
    assert_int_equal(array_copy(s, t, ref, 0, ref, 5, 5), FNVM_TRAP_NONE);
    static const uint16_t copied[10] = {4, 5, 6, 7, 8, 4, 5, 6, 7, 8};
    assert_memory_equal(a + 1, copied, sizeof copied);
    assert_int_equal(array_copy(s, t, ref, 0, ref, 6, 5), FNVM_TRAP_ARRAY_OUT_OF_BOUNDS);
    assert_int_equal(array_copy(s, t, ref, 6, ref, 0, 5), FNVM_TRAP_ARRAY_OUT_OF_BOUNDS);
    assert_int_equal(array_copy(s, t, ref, 0, 0, 0, 0), FNVM_TRAP_NULL_ARRAY);
    assert_int_equal(array_copy(s, t, 0, 0, ref, 0, 0), FNVM_TRAP_NULL_ARRAY);
    assert_memory_equal(a + 1, copied, sizeof copied);
    store_close(s);
    fnvm_engine_free(e);
}

static void references_belong_to_their_types(void **state)
{
    (void)state;
    fnvm_engine *e = engine_open();
    Store *s = store_open(e);
    const Type *base = type_define(e, COMP_STRUCT, TYPE_ID_NONE, 1, TYPE_I32);
    const Type *sub = type_define(e, COMP_STRUCT, base->id, 2, TYPE_I32, TYPE_I64);
    const Type *array = type_define(e, COMP_ARRAY, TYPE_ID_NONE, 1, TYPE_I8);
    uint64_t b, d, a, h, i31 = i31_make(0x7FFFFFFF);
    assert_int_equal(heap_new_struct(s, base, &b), FNVM_TRAP_NONE);
    assert_int_equal(heap_new_struct(s, sub, &d), FNVM_TRAP_NONE);
    assert_int_equal(heap_new_array(s, array, 0, &a), FNVM_TRAP_NONE);
    assert_int_equal(heap_new_host(s, 42, &h), FNVM_TRAP_NONE);
    assert_int_equal(((HostObject *)(void *)ref_object(h))->value, 42);
    assert_int_equal(i31_get_s(i31), -1);

    const struct { uint64_t ref; HeapType target; bool matches; } cases[] = {
        {b, HEAP_ANY, true}, {b, HEAP_EQ, true}, {b, HEAP_STRUCT, true}, {b, HEAP_ARRAY, false},
        {b, HEAP_I31, false}, {b, HEAP_NONE, false}, {b, base->id, true}, {b, sub->id, false},
        {d, base->id, true}, {d, sub->id, true}, {d, array->id, false}, {a, HEAP_ARRAY, true},
        {a, HEAP_EQ, true}, {a, HEAP_STRUCT, false}, {a, array->id, true}, {a, base->id, false},
        {i31, HEAP_ANY, true}, {i31, HEAP_EQ, true}, {i31, HEAP_I31, true}, {i31, base->id, false},
        {i31, HEAP_STRUCT, false}, {i31, HEAP_NONE, false}, {h, HEAP_ANY, true},
        {h, HEAP_EQ, false}, {h, HEAP_STRUCT, false}, {h, base->id, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(ref_matches(s, HEAP_ANY, cases[i].ref, cases[i].target, i & 1),
                         cases[i].matches);
    static const HeapType tops[] = {HEAP_ANY, HEAP_FUNC, HEAP_EXTERN, HEAP_EXN};
    static const HeapType bottoms[] = {HEAP_NONE, HEAP_NOFUNC, HEAP_NOEXTERN, HEAP_NOEXN};
    for (size_t i = 0; i < 4; i++) {
        assert_true(ref_matches(s, tops[i], 0, bottoms[i], true));
        assert_false(ref_matches(s, tops[i], 0, tops[i], false));
        assert_true(ref_matches(s, tops[i], h, tops[i], false));
        assert_false(ref_matches(s, tops[i], h, bottoms[i], true));
    }
    store_close(s);
    fnvm_engine_free(e);
}

/* A list cell: { i64 number, ref next }. */
static const Type *cell_type(fnvm_engine *e)
{
    return type_define(e, COMP_STRUCT, TYPE_ID_NONE, 2, TYPE_I64, type_ref(HEAP_ANY, true));
}

static fnvm_trap cell_push(Store *s, const Type *t, uint64_t number, uint64_t *list)
{
    uint64_t cell;
    fnvm_trap trap = heap_new_struct(s, t, &cell);
    if (trap) return trap;
    uint8_t *at = (uint8_t *)ref_object(cell);
    object_set(at + t->fields[0].offset, TYPE_I64, &(Slot){.i64 = number});
    object_set(at + t->fields[1].offset, t->fields[1].type, &(Slot){.i64 = *list});
    *list = cell;
    return FNVM_TRAP_NONE;
}

static void expect_list(const Type *t, uint64_t list, uint64_t newest)
{
    for (uint64_t n = newest;; n--) {
        assert_int_not_equal(list, 0);
        Slot number, next;
        object_get((uint8_t *)ref_object(list) + t->fields[0].offset, TYPE_I64, false, &number);
        object_get((uint8_t *)ref_object(list) + t->fields[1].offset, TYPE_I64, false, &next);
        assert_int_equal(number.i64, n);
        list = next.i64;
        if (n == 0) break;
    }
    assert_int_equal(list, 0);
}

static void garbage_does_not_count_against_the_limit(void **state)
{
    (void)state;
    fnvm_engine *e = engine_open();
    Store *s = store_open(e);
    const Type *t = cell_type(e), *bytes = type_define(e, COMP_ARRAY, TYPE_ID_NONE, 1, TYPE_I8);
    heap_enter(s);
    uint64_t kept = 0;
    store_keep(s, 0);
    for (uint64_t i = 0; i < 2000; i++) {
        assert_int_equal(cell_push(s, t, i, &kept), FNVM_TRAP_NONE);
        s->refs[0].bits = kept;
    }
    uint64_t total = 0, ref;
    for (uint32_t i = 0; total < UINT64_C(32) * LIMIT_BYTES; i++) {
        uint32_t n = i % 64 == 0 ? LIMIT_BYTES / 4 : i % 7 * 100;
        assert_int_equal(heap_new_array(s, bytes, n, &ref), FNVM_TRAP_NONE);
        const uint8_t *at = (const uint8_t *)ref_object(ref) + sizeof(Array);
        if (n) assert_true(at[0] == 0 && at[n - 1] == 0); /* blocks used again are cleared */
        if (n) memset(array_at((Array *)(void *)ref_object(ref), TYPE_I8, 0), 0xFF, n);
        total += n;
    }
    expect_list(t, s->refs[0].bits, 1999);
    heap_leave(s);
    store_close(s);
    fnvm_engine_free(e);
}

static void live_objects_beyond_the_limit_trap(void **state)
{
    (void)state;
    fnvm_engine *e = engine_open();
    Store *s = store_open(e);
    const Type *t = cell_type(e), *bytes = type_define(e, COMP_ARRAY, TYPE_ID_NONE, 1, TYPE_I8);
    uint64_t ref;
    assert_int_equal(heap_new_array(s, bytes, LIMIT_BYTES, &ref), FNVM_TRAP_ALLOCATION_SIZE);
    assert_int_equal(heap_new_array(s, bytes, UINT32_MAX, &ref), FNVM_TRAP_ALLOCATION_SIZE);
    heap_enter(s);
    uint32_t cells = 0; /* not linked: one address left in a dead register must not keep them all */
    fnvm_trap trap;
    while ((trap = heap_new_struct(s, t, &ref)) == FNVM_TRAP_NONE) {
        store_keep(s, ref);
        assert_in_range(++cells * 32, 0, LIMIT_BYTES);
    }
    assert_int_equal(trap, FNVM_TRAP_HEAP_EXHAUSTED);
    assert_true(cells * 32 > LIMIT_BYTES / 8 * 7);
    for (uint32_t i = 0; i < cells; i++)
        assert_int_equal(ref_object(s->refs[i].bits)->type, t->id);
    Store *other = store_open(e); /* the limit is a store's own */
    assert_int_equal(heap_new_struct(other, t, &ref), FNVM_TRAP_NONE);
    store_close(other);
    s->nrefs = 0; /* what is dropped comes back */
    for (int i = 0; i < 100; i++) assert_int_equal(heap_new_struct(s, t, &ref), FNVM_TRAP_NONE);
    heap_leave(s);
    store_close(s);
    fnvm_engine_free(e);
}

/* Small objects come off lists, one per size and kind; what is left on them counts for nothing, and
 * what was used before comes back zero. */
static void lists_cost_nothing_and_give_zeros(void **state)
{
    (void)state;
    fnvm_engine *e = engine_open();
    Store *s = store_open(e);
    const Type *cell = cell_type(e);
    const Type *bytes = type_define(e, COMP_ARRAY, TYPE_ID_NONE, 1, TYPE_I8);
    const Type *refs = type_define(e, COMP_ARRAY, TYPE_ID_NONE, 1, type_ref(HEAP_ANY, true));
    uint64_t ref;
    heap_enter(s);
    for (uint32_t i = 0; i < 60000; i++) {
        const uint32_t size = i % (OBJECT_LISTED + 16);
        const Type *t = i & 1 ? refs : bytes;
        assert_int_equal(heap_new_array(s, t, i & 1 ? size / 8 : size, &ref), FNVM_TRAP_NONE);
        assert_int_equal(ref_object(ref)->type, t->id);
        uint8_t *at = (uint8_t *)ref_object(ref) + sizeof(Array);
        const uint32_t n = i & 1 ? size / 8 * 8 : size;
        for (uint32_t k = 0; k < n; k++) assert_int_equal(at[k], 0);
        memset(at, 0xF1, n);
    }
    uint32_t cells = 0;
    for (; heap_new_struct(s, cell, &ref) == FNVM_TRAP_NONE; cells++) store_keep(s, ref);
    assert_in_range(cells * 32, LIMIT_BYTES / 8 * 7, LIMIT_BYTES);
    for (uint32_t i = 0; i < cells; i++)
        assert_int_equal(ref_object(s->refs[i].bits)->type, cell->id);
    heap_leave(s);
    store_close(s);
    fnvm_engine_free(e);
}

/* One thread's turn with a store, or with its own. */
typedef struct Turn { Store *store; const Type *type; uint64_t first, count; } Turn;

static void *take_turn(void *arg)
{
    Turn *turn = arg;
    Store *s = turn->store;
    heap_enter(s);
    heap_enter(s); /* calls nest */
    for (uint64_t i = 0; i < turn->count; i++) {
        uint64_t list = s->refs[0].bits, garbage = 0;
        if (cell_push(s, turn->type, turn->first + i, &list) != FNVM_TRAP_NONE) break;
        s->refs[0].bits = list;
        for (int j = 0; j < 40; j++) cell_push(s, turn->type, 0, &garbage);
    }
    heap_leave(s);
    heap_leave(s);
    return NULL;
}

static void a_store_moves_between_threads(void **state)
{
    (void)state;
    fnvm_engine *e = engine_open();
    Store *s = store_open(e);
    const Type *t = cell_type(e);
    store_keep(s, 0);
    for (uint64_t i = 0; i < 4; i++) {
        Turn turn = {s, t, i * 1000, 1000};
        pthread_t thread;
        if (i == 2) take_turn(&turn);
        else {
            assert_int_equal(pthread_create(&thread, NULL, take_turn, &turn), 0);
            assert_int_equal(pthread_join(thread, NULL), 0);
        }
    }
    expect_list(t, s->refs[0].bits, 3999);
    store_close(s);
    fnvm_engine_free(e);
}

static void stores_collect_side_by_side(void **state)
{
    (void)state;
    enum { THREADS = 3, CELLS = 5000 };
    fnvm_engine *e = engine_open();
    const Type *t = cell_type(e);
    pthread_t threads[THREADS];
    Turn turns[THREADS];
    for (int i = 0; i < THREADS; i++) {
        turns[i] = (Turn){store_open(e), t, 0, CELLS};
        store_keep(turns[i].store, 0);
        assert_int_equal(pthread_create(&threads[i], NULL, take_turn, &turns[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        expect_list(t, turns[i].store->refs[0].bits, CELLS - 1);
        store_close(turns[i].store);
    }
    fnvm_engine_free(e);
}

/* A collection by another thread leaves a store's lists as they are, with references or without. */
static void lists_survive_collections(void **state)
{
    (void)state;
    fnvm_engine *e = engine_open();
    Store *s = store_open(e), *other = store_open(e);
    const Type *cell = cell_type(e);
    const Type *bytes = type_define(e, COMP_ARRAY, TYPE_ID_NONE, 1, TYPE_I8);
    uint64_t ref, kept[40], of_bytes[40];
    assert_int_equal(heap_new_struct(s, cell, &ref), FNVM_TRAP_NONE); /* fills a list each */
    assert_int_equal(heap_new_array(s, bytes, 16, &ref), FNVM_TRAP_NONE);
    Turn turn = {other, cell, 0, 5000};
    store_keep(other, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, take_turn, &turn), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (uint32_t i = 0; i < 40; i++) {
        kept[i] = of_bytes[i] = 0;
        assert_int_equal(heap_new_struct(s, cell, &kept[i]), FNVM_TRAP_NONE);
        assert_int_equal(heap_new_array(s, bytes, 16, &of_bytes[i]), FNVM_TRAP_NONE);
        memset(array_at((Array *)(void *)ref_object(of_bytes[i]), TYPE_I8, 0), (int)i, 16);
        for (uint32_t k = 0; k < i; k++) {
            assert_true(kept[k] != kept[i] && of_bytes[k] != of_bytes[i]);
            assert_int_equal(*array_at((Array *)(void *)ref_object(of_bytes[k]), TYPE_I8, 15), k);
        }
    }
    expect_list(cell, other->refs[0].bits, 4999);
    store_close(other);
    store_close(s);
    fnvm_engine_free(e);
}

int main(void)
{
    /* The first allocation, and so the collector's start, is on a thread that ends. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_moves_between_threads),
        cmocka_unit_test(fields_keep_their_values),
        cmocka_unit_test(array_ranges_are_checked_before_a_change),
        cmocka_unit_test(references_belong_to_their_types),
        cmocka_unit_test(garbage_does_not_count_against_the_limit),
        cmocka_unit_test(live_objects_beyond_the_limit_trap),
        cmocka_unit_test(stores_collect_side_by_side),
        cmocka_unit_test(lists_cost_nothing_and_give_zeros),
        cmocka_unit_test(lists_survive_collections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
