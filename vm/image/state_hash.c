/* BLAKE2b over a stream of words that says the same for equal states.  Objects are numbered as the
 * walk comes upon them, first from the instances' roots in order, then from one another; a number
 * stands for the object wherever a reference to it is, and its contents follow when it is its turn.
 * So neither addresses nor the order of allocation matter.
 *
 * Pages of zeros are left out and, where the kernel says that nothing was ever there, not read:
 * else hashing a large memory would make page tables for all of it. */
#include "vm/image/state_hash.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm/engine.h"
#include "vm/hash.h"
#include "vm/heap.h"

enum { BUFFER_BYTES = 4096, PAGES_ASKED = 512, PAGE_WORDS = IMAGE_PAGE / sizeof(uint64_t) };
static const uint64_t NO_PAGE = UINT64_MAX / 2; /* no page has this number */

/* An open hash table; key 0 is a free place. */
typedef struct MapEntry { uint64_t key, value; } MapEntry;
typedef struct Map { MapEntry *entries; size_t n, cap; } Map;

/* What the kernel says of PAGES_ASKED pages from `first` on. */
typedef struct Pagemap { int fd; uint64_t first; uint64_t entries[PAGES_ASKED]; } Pagemap;

typedef struct Walk {
    Store *store;
    bool everything;          /* or only what guests can see */
    crypto_generichash_state hash;
    uint8_t buffer[BUFFER_BYTES];
    size_t used;
    Map objects;              /* address to number */
    Map types;                /* type id + 1 to its name, see name_types */
    uint64_t *queue; size_t queued, queue_cap; /* objects by number */
    Pagemap pagemap;
    StackRef *refs; uint32_t nrefs; /* of the suspended call, ascending by slot */
    bool no_memory;
} Walk;

/* ---- The stream ---- */

static void put_bytes(Walk *w, const void *bytes, size_t size)
{
    if (size > BUFFER_BYTES - w->used) {
        crypto_generichash_update(&w->hash, w->buffer, w->used);
        w->used = 0;
    }
    if (size > BUFFER_BYTES) crypto_generichash_update(&w->hash, bytes, size);
    else if (size) {
        memcpy(w->buffer + w->used, bytes, size);
        w->used += size;
    }
}

static void put(Walk *w, uint64_t word) { put_bytes(w, &word, sizeof word); }

/* ---- Maps ---- */

static MapEntry *map_find(const Walk *w, const Map *map, uint64_t key)
{
    Hash h = hash_start(w->store->engine->types.hash_key);
    hash_word(&h, key);
    size_t i = hash_end(&h) & (map->cap - 1);
    while (map->entries[i].key && map->entries[i].key != key) i = (i + 1) & (map->cap - 1);
    return &map->entries[i];
}

static bool map_grow(const Walk *w, Map *map)
{
    Map bigger = {.n = map->n, .cap = map->cap ? 2 * map->cap : 64};
    bigger.entries = calloc(bigger.cap, sizeof *bigger.entries);
    if (!bigger.entries) return false;
    for (size_t i = 0; i < map->cap; i++)
        if (map->entries[i].key) *map_find(w, &bigger, map->entries[i].key) = map->entries[i];
    free(map->entries);
    *map = bigger;
    return true;
}

/* The key's entry, with `value` if it is new; NULL if there is no memory. */
static const MapEntry *map_add(Walk *w, Map *map, uint64_t key, uint64_t value)
{
    if (2 * (map->n + 1) > map->cap && !map_grow(w, map)) {
        w->no_memory = true;
        return NULL;
    }
    MapEntry *e = map_find(w, map, key);
    if (e->key) return e;
    *e = (MapEntry){key, value};
    map->n++;
    return e;
}

/* ---- References ---- */

static bool is_object_type(const Store *s, ValType type)
{
    return type_is_ref(type) && types_top(&s->engine->types, type_heap(type)) != HEAP_FUNC;
}

static void put_ref(Walk *w, uint64_t ref)
{
    if (ref == 0 || ref_is_i31(ref)) {
        put(w, ref);
        return;
    }
    const MapEntry *e = map_add(w, &w->objects, ref, w->queued);
    if (!e) return;
    if (e->value == w->queued) {
        if (w->queued == w->queue_cap) {
            size_t cap = w->queue_cap ? 2 * w->queue_cap : 64;
            uint64_t *more = realloc(w->queue, cap * sizeof *more);
            if (!more) {
                w->no_memory = true;
                return;
            }
            w->queue = more;
            w->queue_cap = cap;
        }
        w->queue[w->queued++] = ref;
    }
    put(w, 2 * (e->value + 1)); /* even, where an i31 is odd */
}

/* A value in its slots. */
static void put_slots(Walk *w, const Slot *slots, ValType type)
{
    if (is_object_type(w->store, type)) put_ref(w, slots->i64);
    else if (w->everything) put_bytes(w, slots, type_slots(type) * sizeof *slots);
    else put_bytes(w, slots, storage_size(type));
}

/* ---- Objects ---- */

/* Types have ids of their engine; here one is the first instance whose module has it, and its index
 * there. */
static void name_types(Walk *w)
{
    for (uint32_t id = 1; id < w->store->ninstances; id++) {
        const Module *m = w->store->instances[id]->module;
        for (uint32_t i = 0; i < m->ntypes; i++)
            map_add(w, &w->types, (uint64_t)m->types[i] + 1, (uint64_t)id << 32 | i);
    }
}

static void put_type(Walk *w, TypeId type)
{
    if (!w->types.n) name_types(w);
    const MapEntry *e = w->types.cap ? map_find(w, &w->types, (uint64_t)type + 1) : NULL;
    put(w, e && e->key ? e->value : UINT64_MAX);
}

static void put_field(Walk *w, const uint8_t *at, ValType type)
{
    uint64_t ref;
    if (!is_object_type(w->store, type)) {
        put_bytes(w, at, storage_size(type));
        return;
    }
    memcpy(&ref, at, sizeof ref);
    put_ref(w, ref);
}

static void put_array(Walk *w, const Type *t, Object *object)
{
    Array *a = (Array *)(void *)object;
    const ValType type = t->fields[0].type;
    put(w, a->length);
    if (!is_object_type(w->store, type)) {
        put_bytes(w, a + 1, (size_t)a->length * storage_size(type));
        return;
    }
    for (uint32_t i = 0; i < a->length; i++) put_field(w, array_at(a, type, i), type);
}

static void put_exception(Walk *w, const Object *object)
{
    const Exception *e = (const Exception *)(const void *)object;
    const Module *m = e->tag.owner->module;
    const Type *t = types_get(&m->engine->types, m->tags[e->tag.index]);
    put(w, (uint64_t)e->tag.owner->id << 32 | e->tag.index);
    const Slot *slot = e->payload;
    for (uint32_t i = 0; i < t->nparams; slot += type_slots(t->params[i]), i++)
        put_slots(w, slot, t->params[i]);
}

static void put_object(Walk *w, Object *o)
{
    if (o->type == OBJECT_HOST) {
        put(w, OBJECT_HOST);
        put(w, ((const HostObject *)(const void *)o)->value);
        return;
    }
    if (o->type == OBJECT_EXCEPTION) {
        put(w, OBJECT_EXCEPTION);
        put_exception(w, o);
        return;
    }
    const Type *t = types_get(&w->store->engine->types, o->type);
    put_type(w, o->type);
    if (t->comp == COMP_ARRAY) {
        put_array(w, t, o);
        return;
    }
    for (uint32_t i = 0; i < t->nfields; i++)
        put_field(w, (const uint8_t *)o + t->fields[i].offset, t->fields[i].type);
}

static void put_objects(Walk *w)
{
    for (size_t i = 0; i < w->queued && !w->no_memory; i++) put_object(w, ref_object(w->queue[i]));
}

/* ---- Pages ---- */

static bool all_zero(const uint64_t *words, size_t n)
{
    uint64_t any = 0;
    for (size_t i = 0; i < n; i++) any |= words[i];
    return any == 0;
}

/* Whether the image has the page: then it may differ from zero even if it was never touched. */
static bool page_in_image(const Walk *w, const Instance *inst, uint64_t at)
{
    const Image *image = w->store->image;
    if (!image || inst->id > image_count(image, IMAGE_INSTANCES)) return false;
    const ImageInstance *from = (const ImageInstance *)image_part(image, IMAGE_INSTANCES) +
                                (inst->id - 1);
    const ImageStretch *s = (const ImageStretch *)image_part(image, IMAGE_STRETCHES) +
                            from->first_stretch;
    uint32_t low = 0, high = from->nstretches; /* the first that ends behind it */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s[middle].at + s[middle].size <= at) low = middle + 1;
        else high = middle;
    }
    return low < from->nstretches && s[low].at <= at;
}

/* Whether nothing can be in the page, so that it need not be read. */
static bool page_untouched(Walk *w, const Instance *inst, const uint8_t *page)
{
    const uint64_t present = UINT64_C(1) << 63, swapped = UINT64_C(1) << 62;
    Pagemap *p = &w->pagemap;
    const uint64_t number = (uintptr_t)page / IMAGE_PAGE;
    if (p->fd < 0) return false;
    if (number - p->first >= PAGES_ASKED) {
        const off_t at = (off_t)(number * sizeof *p->entries);
        if (pread(p->fd, p->entries, sizeof p->entries, at) != (ssize_t)sizeof p->entries) {
            p->first = NO_PAGE;
            return false;
        }
        p->first = number;
    }
    return !(p->entries[number - p->first] & (present | swapped)) &&
           !page_in_image(w, inst, (uint64_t)(page - region_base(inst)));
}

/* `size` bytes from a page's start on, by pages that are not zero, each with its number. */
static void put_pages(Walk *w, const Instance *inst, const uint8_t *base, uint64_t size)
{
    for (uint64_t at = 0; at < size; at += IMAGE_PAGE) {
        uint64_t page[PAGE_WORDS] = {0};
        const size_t n = size - at < IMAGE_PAGE ? (size_t)(size - at) : IMAGE_PAGE;
        if (page_untouched(w, inst, base + at)) continue;
        memcpy(page, base + at, n);
        if (all_zero(page, PAGE_WORDS)) continue;
        put(w, at / IMAGE_PAGE);
        put_bytes(w, page, sizeof page);
    }
    put(w, NO_PAGE);
}

/* ---- Instances ---- */

static void put_globals(Walk *w, const Instance *inst)
{
    const Module *m = inst->module;
    for (uint32_t i = m->n_imported_globals; i < m->nglobals; i++)
        put_slots(w, inst->globals + 2 * (size_t)(i - m->n_imported_globals),
                  m->globals[i].type.type);
}

/* Elements that are not null, each with its index. */
static void put_table(Walk *w, const Instance *inst, uint32_t index)
{
    const TableRef *t = &inst->tables[index];
    const bool objects = is_object_type(w->store, inst->module->tables[index].type.elem);
    put(w, t->state->size);
    for (uint64_t i = 0; i < t->state->size; i++) {
        if (i % PAGE_WORDS == 0 && page_untouched(w, inst, (const uint8_t *)&t->elems[i])) {
            i += PAGE_WORDS - 1;
            continue;
        }
        if (!t->elems[i]) continue;
        put(w, i);
        if (objects) put_ref(w, t->elems[i]);
        else put(w, t->elems[i]);
    }
    put(w, UINT64_MAX);
}

/* What a segment had before it was dropped nobody can see. */
static void put_segments(Walk *w, const Instance *inst)
{
    const Module *m = inst->module;
    put_bytes(w, inst->dropped_elems, m->nelems);
    put_bytes(w, inst->dropped_datas, m->ndatas);
    put(w, inst->elem_refs_ready);
    for (uint32_t i = 0; i < m->nelems && inst->elem_values; i++) {
        if (!inst->elem_values[i] || (inst->dropped_elems[i] && !w->everything)) continue;
        for (uint32_t k = 0; k < m->elems[i].count; k++) put_ref(w, inst->elem_values[i][k]);
    }
}

static void put_instance(Walk *w, const Instance *inst)
{
    const Module *m = inst->module;
    put(w, m->len);
    put_globals(w, inst);
    for (uint32_t i = m->n_imported_tables; i < m->ntables; i++) put_table(w, inst, i);
    for (uint32_t i = m->n_imported_memories; i < m->nmemories; i++) {
        put(w, inst->memories[i].state->size);
        put_pages(w, inst, inst->memories[i].base, inst->memories[i].state->size);
    }
    put_segments(w, inst);
    put_bytes(w, inst->imported_funcs, m->n_imported_funcs * sizeof *inst->imported_funcs);
}

/* ---- Stacks ---- */

static int by_slot(const void *a, const void *b)
{
    const StackRef *x = a, *y = b;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* The words of a page, zero where there are references to objects. */
static void put_stack_page(Walk *w, const Instance *inst, uint32_t first, uint32_t n,
                           uint32_t *next_ref)
{
    uint64_t words[PAGE_WORDS] = {0};
    memcpy(words, stack_slot(inst, first), n * sizeof *words);
    for (; *next_ref < w->nrefs && w->refs[*next_ref].slot < first + n; ++*next_ref)
        if (w->refs[*next_ref].slot >= first) words[w->refs[*next_ref].slot - first] = 0;
    if (all_zero(words, PAGE_WORDS)) return;
    put(w, first);
    put_bytes(w, words, sizeof words);
}

static void put_stack(Walk *w, const Instance *inst, uint32_t nslots, bool is_owner)
{
    uint32_t next_ref = is_owner ? 0 : w->nrefs;
    for (uint32_t at = 0; at < nslots; at += PAGE_WORDS) {
        if (page_untouched(w, inst, (const uint8_t *)stack_slot(inst, at))) continue;
        put_stack_page(w, inst, at, nslots - at < PAGE_WORDS ? nslots - at : PAGE_WORDS, &next_ref);
    }
    put(w, UINT64_MAX);
    for (uint32_t i = 0; is_owner && i < w->nrefs; i++)
        put_ref(w, stack_slot(inst, w->refs[i].slot)->i64);
}

/* What the suspended call is, and its slots up to the host function's arguments. */
static fnvm_error *put_call(Walk *w, const Instance **owner)
{
    Store *s = w->store;
    const ImageCall *call = &s->image->file.head->call;
    const ImageFrame *frames = image_part(s->image, IMAGE_FRAMES);
    const uint32_t n = (uint32_t)image_count(s->image, IMAGE_FRAMES);
    *owner = s->instances[call->owner];
    put_bytes(w, call, sizeof *call);
    put_bytes(w, frames, n * sizeof *frames);
    fnvm_error *error = stack_refs(s, call, frames, n, &w->refs, &w->nrefs);
    if (error) return error;
    if (w->nrefs) qsort(w->refs, w->nrefs, sizeof *w->refs, by_slot);
    const Type *type = store_func_type(s, call->host);
    if (!w->everything) put_stack(w, *owner, call->args + type->param_slots, true);
    return NULL;
}

static fnvm_error *put_stacks(Walk *w)
{
    const Store *s = w->store;
    const Instance *owner = NULL;
    put(w, s->resumable);
    fnvm_error *error = s->resumable ? put_call(w, &owner) : NULL;
    for (uint32_t id = 1; !error && w->everything && id < s->ninstances; id++) {
        const Instance *inst = s->instances[id];
        put_bytes(w, inst->context, sizeof *inst->context);
        put_stack(w, inst, inst->context->stack.size / (uint32_t)sizeof(Slot), inst == owner);
    }
    return error;
}

/* ---- The whole ---- */

static fnvm_error *put_store(Walk *w)
{
    const Store *s = w->store;
    put(w, s->ninstances);
    for (uint32_t id = 1; id < s->ninstances; id++) put_instance(w, s->instances[id]);
    fnvm_error *error = put_stacks(w);
    if (error) return error;
    if (w->everything) put_ref(w, s->exception);
    put_objects(w);
    if (s->engine->config.fuel) put(w, fnvm_store_fuel(s));
    return w->no_memory ? error_no_memory() : NULL;
}

static fnvm_error *hash_store(Store *s, bool everything, ImageHash *out)
{
    if (s->stack_owner || s->host_depth || s->waiting.owner)
        return fnvm_error_new(FNVM_E_USAGE, "the state of a store has a hash while nothing runs in "
                              "it; wait for the call to return");
    Walk w = {.store = s, .everything = everything};
    w.pagemap.fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    w.pagemap.first = NO_PAGE;
    crypto_generichash_init(&w.hash, NULL, 0, sizeof out->bytes);
    fnvm_error *error = put_store(&w);
    crypto_generichash_update(&w.hash, w.buffer, w.used);
    crypto_generichash_final(&w.hash, out->bytes, sizeof out->bytes);
    if (w.pagemap.fd >= 0) close(w.pagemap.fd);
    free(w.objects.entries);
    free(w.types.entries);
    free(w.queue);
    free(w.refs);
    return error;
}

fnvm_error *store_state_hash(Store *s, ImageHash *out) { return hash_store(s, true, out); }
fnvm_error *store_visible_hash(Store *s, ImageHash *out) { return hash_store(s, false, out); }
