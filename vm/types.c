/* The registry of defined types.  Types live in chunks that never move, so that readers need no
 * lock; a chunk is published with release order before any id in it is handed out.  A recursion
 * group is found by a hash of its definitions in which references inside the group are relative
 * (standard, 3.1.5: two groups are equal when they are equal after rolling up), and compared with
 * the stored, absolute form directly.  One allocation per group holds its types' variable parts. */
#include "vm/types.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "vm/hash.h"
#include "vm/heap.h"
#include "vm/tunables.h"

typedef struct TypeGroup {
    struct TypeGroup *next; /* in its bucket */
    uint64_t hash;
    TypeId first;
    uint32_t n;
    uint32_t words[]; /* displays, parameters, results, fields of its types */
} TypeGroup;

_Static_assert(_Alignof(Field) == _Alignof(uint32_t) && sizeof(Field) % sizeof(uint32_t) == 0,
               "fields are carved out of an array of words");

enum { TYPES_MAX = TYPES_PER_CHUNK * TYPE_CHUNKS };

/* ---- Making and freeing ---- */

fnvm_error *types_init(TypeRegistry *r)
{
    memset(r, 0, sizeof *r);
    if (getrandom(r->hash_key, sizeof r->hash_key, GRND_NONBLOCK) != sizeof r->hash_key) {
        r->hash_key[0] = (uint64_t)(uintptr_t)r; /* early at boot: addresses are random too */
        r->hash_key[1] = (uint64_t)(uintptr_t)&types_init;
    }
    r->nbuckets = TYPE_BUCKETS_FIRST;
    r->buckets = calloc(r->nbuckets, sizeof(TypeGroup *));
    if (!r->buckets) return error_no_memory();
    pthread_mutex_init(&r->lock, NULL);
    return NULL;
}

void types_free(TypeRegistry *r)
{
    for (uint32_t b = 0; b < r->nbuckets; b++) {
        for (TypeGroup *g = r->buckets[b], *next; g; g = next) {
            next = g->next;
            free(g);
        }
    }
    free(r->buckets);
    for (uint32_t c = 0; c < TYPE_CHUNKS; c++) free(r->chunks[c]);
    pthread_mutex_destroy(&r->lock);
    memset(r, 0, sizeof *r);
}

/* The slot of an id, published or not. */
static Type *type_slot(TypeRegistry *r, TypeId id)
{
    Type *chunk = atomic_load_explicit(&r->chunks[id / TYPES_PER_CHUNK], memory_order_relaxed);
    return chunk + id % TYPES_PER_CHUNK;
}

/* ---- Finding a group ---- */

static void hash_pair(Hash *h, uint32_t a, uint32_t b) { hash_word(h, (uint64_t)a << 32 | b); }

static uint64_t group_hash(const TypeRegistry *r, const TypeDef *defs, uint32_t n)
{
    Hash h = hash_start(r->hash_key);
    for (uint32_t i = 0; i < n; i++) {
        const TypeDef *d = &defs[i];
        hash_pair(&h, (uint32_t)d->comp << 1 | d->is_final, d->super);
        hash_pair(&h, d->nparams, d->nresults);
        for (uint32_t k = 0; k < d->nparams; k++) hash_pair(&h, 0, d->params[k]);
        for (uint32_t k = 0; k < d->nresults; k++) hash_pair(&h, 1, d->results[k]);
        for (uint32_t k = 0; k < d->nfields; k++)
            hash_pair(&h, 2 + d->fields[k].is_mutable, d->fields[k].type);
    }
    return hash_end(&h);
}

/* Whether a heap type of a definition means the one of a stored type of group `g`.  An id of the
 * group itself that is written absolutely is another type: it refers to the group from outside. */
static bool heap_equal(const TypeGroup *g, HeapType def, HeapType stored)
{
    if (def >= HEAP_REC && def < HEAP_ABSTRACT) return stored == g->first + (def - HEAP_REC);
    return def == stored && (stored < g->first || stored - g->first >= g->n);
}

static bool valtype_equal(const TypeGroup *g, ValType def, ValType stored)
{
    if (!type_is_ref(def) || !type_is_ref(stored)) return def == stored;
    return type_is_nullable(def) == type_is_nullable(stored) &&
           heap_equal(g, type_heap(def), type_heap(stored));
}

static bool valtypes_equal(const TypeGroup *g, const ValType *def, const ValType *stored,
                           uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!valtype_equal(g, def[i], stored[i])) return false;
    return true;
}

static bool type_equal(const TypeGroup *g, const TypeDef *d, const Type *t)
{
    if (d->comp != t->comp || d->is_final != t->is_final || d->nparams != t->nparams ||
        d->nresults != t->nresults || d->nfields != t->nfields)
        return false;
    if (d->super == TYPE_ID_NONE ? t->super != TYPE_ID_NONE : !heap_equal(g, d->super, t->super))
        return false;
    if (!valtypes_equal(g, d->params, t->params, d->nparams) ||
        !valtypes_equal(g, d->results, t->results, d->nresults))
        return false;
    for (uint32_t i = 0; i < d->nfields; i++)
        if (d->fields[i].is_mutable != t->fields[i].is_mutable ||
            !valtype_equal(g, d->fields[i].type, t->fields[i].type))
            return false;
    return true;
}

static const TypeGroup *group_find(TypeRegistry *r, uint64_t hash, const TypeDef *defs, uint32_t n)
{
    for (const TypeGroup *g = r->buckets[hash & (r->nbuckets - 1)]; g; g = g->next) {
        if (g->hash != hash || g->n != n) continue;
        uint32_t i = 0;
        while (i < n && type_equal(g, &defs[i], type_slot(r, g->first + i))) i++;
        if (i == n) return g;
    }
    return NULL;
}

/* ---- Adding a group ---- */

/* Memory for ids up to `end`. */
static fnvm_error *chunks_reserve(TypeRegistry *r, uint32_t end)
{
    for (uint32_t c = r->count / TYPES_PER_CHUNK; c <= (end - 1) / TYPES_PER_CHUNK; c++) {
        if (atomic_load_explicit(&r->chunks[c], memory_order_relaxed)) continue;
        Type *chunk = malloc(TYPES_PER_CHUNK * sizeof *chunk); /* set where there is an id */
        if (!chunk) return error_no_memory();
        atomic_store_explicit(&r->chunks[c], chunk, memory_order_release);
    }
    return NULL;
}

/* Checks limits, sets each new type's depth, and adds up the words that the group needs. */
static fnvm_error *group_measure(TypeRegistry *r, const TypeDef *defs, uint32_t n, size_t *words)
{
    *words = 0;
    for (uint32_t i = 0; i < n; i++) {
        const TypeDef *d = &defs[i];
        if (d->nparams > LIMIT_PARAMS || d->nresults > LIMIT_RESULTS || d->nfields > LIMIT_FIELDS)
            return fnvm_error_new(FNVM_E_LIMIT,
                                  "a type has more than %d parameters, %d results or %d fields",
                                  LIMIT_PARAMS, LIMIT_RESULTS, LIMIT_FIELDS);
        uint32_t depth = 0;
        if (d->super != TYPE_ID_NONE) {
            /* A supertype stands before its subtypes (3.4.2); others would make circles. */
            TypeId super = d->super < HEAP_REC ? d->super : r->count + (d->super - HEAP_REC);
            if (super >= r->count + i)
                return fnvm_error_new(FNVM_E_INVALID, "unknown type: a supertype comes later");
            depth = type_slot(r, super)->depth + 1;
        }
        if (depth > LIMIT_SUBTYPE_DEPTH)
            return fnvm_error_new(FNVM_E_LIMIT, "a type has more than %d supertypes above it",
                                  LIMIT_SUBTYPE_DEPTH);
        type_slot(r, r->count + i)->depth = depth;
        *words += depth + 1 + d->nparams + d->nresults +
                  (size_t)d->nfields * (sizeof(Field) / sizeof(uint32_t));
    }
    return NULL;
}

static ValType valtype_close(ValType t, TypeId first)
{
    HeapType h = type_heap(t);
    if (!type_is_ref(t) || h < HEAP_REC || h >= HEAP_ABSTRACT) return t;
    return type_ref(first + (h - HEAP_REC), type_is_nullable(t));
}

static ValType *valtypes_place(const ValType *from, uint32_t n, TypeId first, uint32_t **words,
                               uint32_t *slots)
{
    ValType *to = *words;
    *words += n;
    *slots = 0;
    for (uint32_t i = 0; i < n; i++) {
        to[i] = valtype_close(from[i], first);
        *slots += type_slots(to[i]);
    }
    return to;
}

/* Natural alignment, but v128 at 8 as in slots; a subtype's fields lie where its supertype's do. */
static void fields_place(Type *t, const TypeDef *d, TypeId first, uint32_t **words)
{
    t->nfields = d->nfields;
    t->fields = (Field *)*words;
    *words += d->nfields * (sizeof(Field) / sizeof(uint32_t));
    uint32_t at = t->comp == COMP_ARRAY ? (uint32_t)sizeof(Array) : (uint32_t)sizeof(Object);
    t->size = at;
    for (uint32_t i = 0; i < d->nfields; i++) {
        ValType type = valtype_close(d->fields[i].type, first);
        uint32_t size = storage_size(type), align = size > 8 ? 8 : size;
        at = (at + align - 1) & ~(align - 1);
        t->fields[i] = (Field){type, d->fields[i].is_mutable, at};
        t->has_refs |= type_is_ref(type);
        at += size;
    }
    if (t->comp == COMP_STRUCT) t->size = (at + 7) & ~7u;
}

static void type_place(TypeRegistry *r, const TypeDef *d, TypeId id, TypeId first, uint32_t **words)
{
    Type *t = type_slot(r, id);
    uint32_t depth = t->depth;
    *t = (Type){.id = id, .comp = d->comp, .is_final = d->is_final, .depth = depth};
    t->super = d->super < HEAP_REC ? d->super : first + (d->super - HEAP_REC);
    TypeId *display = *words;
    *words += depth + 1;
    if (depth > 0) memcpy(display, type_slot(r, t->super)->display, depth * sizeof *display);
    display[depth] = id;
    t->display = display;
    t->nparams = d->nparams;
    t->nresults = d->nresults;
    t->params = valtypes_place(d->params, d->nparams, first, words, &t->param_slots);
    t->results = valtypes_place(d->results, d->nresults, first, words, &t->result_slots);
    fields_place(t, d, first, words);
}

/* Keeps chains short; without memory for it they only grow longer. */
static void buckets_grow(TypeRegistry *r)
{
    uint32_t n = r->nbuckets * 2;
    TypeGroup **buckets = calloc(n, sizeof *buckets);
    if (!buckets) return;
    for (uint32_t b = 0; b < r->nbuckets; b++) {
        for (TypeGroup *g = r->buckets[b], *next; g; g = next) {
            next = g->next;
            g->next = buckets[g->hash & (n - 1)];
            buckets[g->hash & (n - 1)] = g;
        }
    }
    free(r->buckets);
    r->buckets = buckets;
    r->nbuckets = n;
}

static fnvm_error *group_add(TypeRegistry *r, uint64_t hash, const TypeDef *defs, uint32_t n,
                             const TypeGroup **out)
{
    if (n > TYPES_MAX - r->count)
        return fnvm_error_new(FNVM_E_LIMIT, "the engine has its full number of %d types",
                              TYPES_MAX);
    fnvm_error *error = chunks_reserve(r, r->count + n);
    size_t nwords;
    if (!error) error = group_measure(r, defs, n, &nwords);
    if (error) return error;
    TypeGroup *g = malloc(sizeof *g + nwords * sizeof(uint32_t));
    if (!g) return error_no_memory();
    g->hash = hash;
    g->first = r->count;
    g->n = n;
    uint32_t *words = g->words;
    for (uint32_t i = 0; i < n; i++) type_place(r, &defs[i], g->first + i, g->first, &words);
    r->count += n;
    if (++r->ngroups > r->nbuckets) buckets_grow(r);
    g->next = r->buckets[hash & (r->nbuckets - 1)];
    r->buckets[hash & (r->nbuckets - 1)] = g;
    *out = g;
    return NULL;
}

fnvm_error *types_define(TypeRegistry *r, const TypeDef *defs, uint32_t n, TypeId *ids)
{
    if (n == 0) return NULL;
    uint64_t hash = group_hash(r, defs, n);
    fnvm_error *error = NULL;
    pthread_mutex_lock(&r->lock);
    const TypeGroup *g = group_find(r, hash, defs, n);
    if (!g) error = group_add(r, hash, defs, n, &g);
    pthread_mutex_unlock(&r->lock);
    if (error) return error;
    for (uint32_t i = 0; i < n; i++) ids[i] = g->first + i;
    return NULL;
}

/* ---- Subtyping (3.3) ---- */

bool types_id_is_sub(const TypeRegistry *r, TypeId sub, TypeId super)
{
    if (sub == super) return true;
    const Type *a = types_get(r, sub), *b = types_get(r, super);
    return a->depth > b->depth && a->display[b->depth] == super;
}

HeapType types_top(const TypeRegistry *r, HeapType h)
{
    switch (h) {
    case HEAP_FUNC:
    case HEAP_NOFUNC: return HEAP_FUNC;
    case HEAP_EXTERN:
    case HEAP_NOEXTERN: return HEAP_EXTERN;
    case HEAP_EXN:
    case HEAP_NOEXN: return HEAP_EXN;
    default: break;
    }
    if (heap_is_defined(h) && types_get(r, h)->comp == COMP_FUNC) return HEAP_FUNC;
    return HEAP_ANY;
}

/* The abstract type right above a concrete one. */
static HeapType comp_heap(CompKind comp)
{
    return comp == COMP_FUNC ? HEAP_FUNC : comp == COMP_STRUCT ? HEAP_STRUCT : HEAP_ARRAY;
}

bool types_heap_is_sub(const TypeRegistry *r, HeapType sub, HeapType super)
{
    if (sub == super) return true;
    if (heap_is_defined(sub)) {
        if (heap_is_defined(super)) return types_id_is_sub(r, sub, super);
        return types_heap_is_sub(r, comp_heap(types_get(r, sub)->comp), super);
    }
    switch (sub) {
    case HEAP_NOFUNC:
    case HEAP_NOEXTERN:
    case HEAP_NOEXN:
    case HEAP_NONE: return types_top(r, sub) == types_top(r, super);
    case HEAP_I31:
    case HEAP_STRUCT:
    case HEAP_ARRAY: return super == HEAP_EQ || super == HEAP_ANY;
    case HEAP_EQ: return super == HEAP_ANY;
    default: return false;
    }
}

bool types_is_sub(const TypeRegistry *r, ValType sub, ValType super)
{
    if (sub == super || sub == TYPE_BOTTOM) return true;
    if (!type_is_ref(sub) || !type_is_ref(super)) return false;
    if (type_is_nullable(sub) && !type_is_nullable(super)) return false;
    return types_heap_is_sub(r, type_heap(sub), type_heap(super));
}

static bool field_is_sub(const TypeRegistry *r, const Field *sub, const Field *super)
{
    if (sub->is_mutable != super->is_mutable) return false;
    if (sub->is_mutable) return sub->type == super->type;
    return types_is_sub(r, sub->type, super->type);
}

bool types_def_is_sub(const TypeRegistry *r, const Type *sub, const Type *super)
{
    if (super->is_final || sub->comp != super->comp) return false;
    if (sub->comp != COMP_FUNC) {
        if (sub->nfields < super->nfields) return false;
        for (uint32_t i = 0; i < super->nfields; i++)
            if (!field_is_sub(r, &sub->fields[i], &super->fields[i])) return false;
        return true;
    }
    if (sub->nparams != super->nparams || sub->nresults != super->nresults) return false;
    for (uint32_t i = 0; i < sub->nparams; i++)
        if (!types_is_sub(r, super->params[i], sub->params[i])) return false;
    for (uint32_t i = 0; i < sub->nresults; i++)
        if (!types_is_sub(r, sub->results[i], super->results[i])) return false;
    return true;
}
