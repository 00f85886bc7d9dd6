/* The registry of defined types.  Types live in chunks that never move, so that readers need no
 * lock; a chunk is published with release order before any id in it is handed out.  A recursion
 * group is found by a hash of its definitions in which references inside the group are relative
 * (standard, 3.1.5: two groups are equal when they are equal after rolling up), and compared with
 * the stored, absolute form directly.  One allocation per group holds its types' variable parts.
 *
 * Groups are counted by their holders.  A group refers to itself and to older ones only, so that
 * counting finds all that can go.  The ids of a group that goes become a free run, which its
 * allocation describes from then on; the slots at both its ends point to it, and so neighbours find
 * each other and become one. */
#include "vm/types.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "vm/hash.h"
#include "vm/heap.h"
#include "vm/tunables.h"

typedef struct TypeGroup {
    struct TypeGroup *next; /* in its bucket, or among the free runs of its size */
    uint64_t hash;
    union {
        size_t holders;
        struct TypeGroup *prev;  /* of a free run: before it there */
        struct TypeGroup *gone;  /* of one without holders: the next to be freed */
    };
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

static void groups_free(TypeGroup **lists, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        for (TypeGroup *g = lists[i], *next; g; g = next) {
            next = g->next;
            free(g);
        }
    }
}

void types_free(TypeRegistry *r)
{
    groups_free(r->buckets, r->nbuckets);
    groups_free(r->free_runs, TYPE_RUN_SIZES);
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

static TypeGroup *group_find(TypeRegistry *r, uint64_t hash, const TypeDef *defs, uint32_t n)
{
    for (TypeGroup *g = r->buckets[hash & (r->nbuckets - 1)]; g; g = g->next) {
        if (g->hash != hash || g->n != n) continue;
        uint32_t i = 0;
        while (i < n && type_equal(g, &defs[i], type_slot(r, g->first + i))) i++;
        if (i == n) return g;
    }
    return NULL;
}

/* ---- Free ids ---- */

static unsigned run_size(uint32_t n) { return 31 - (unsigned)__builtin_clz(n); }

static void run_link(TypeRegistry *r, TypeGroup *run)
{
    TypeGroup **list = &r->free_runs[run_size(run->n)];
    run->prev = NULL;
    run->next = *list;
    if (run->next) run->next->prev = run;
    *list = run;
    type_slot(r, run->first)->group = type_slot(r, run->first + run->n - 1)->group = run;
}

static void run_unlink(TypeRegistry *r, const TypeGroup *run)
{
    if (run->prev) run->prev->next = run->next;
    else r->free_runs[run_size(run->n)] = run->next;
    if (run->next) run->next->prev = run->prev;
}

/* A run that has n ids, or NULL: then they come from behind all others.  Where some runs of a size
 * would do and some not, none is taken: looking for one might take long. */
static TypeGroup *run_find(const TypeRegistry *r, uint32_t n)
{
    for (unsigned k = n == 1 ? 0 : run_size(n - 1) + 1; k < TYPE_RUN_SIZES; k++)
        if (r->free_runs[k]) return r->free_runs[k];
    return NULL;
}

static void ids_take(TypeRegistry *r, TypeGroup *run, uint32_t n)
{
    if (!run) {
        r->count += n;
        return;
    }
    run_unlink(r, run);
    run->first += n;
    run->n -= n;
    if (run->n) run_link(r, run);
    else free(run);
}

/* Merges `run` with the free run that begins or ends at an id next to it. */
static void run_merge(TypeRegistry *r, TypeGroup *run, TypeId id)
{
    const Type *t = type_slot(r, id);
    TypeGroup *other = t->group;
    if (!t->is_free) return;
    run_unlink(r, other);
    if (other->first < run->first) run->first = other->first;
    run->n += other->n;
    free(other);
}

/* The ids of a group that is no more, whose allocation is the run's. */
static void ids_give(TypeRegistry *r, TypeGroup *group)
{
    TypeGroup *run = realloc(group, sizeof *group);
    if (!run) run = group; /* as large as it was */
    for (uint32_t i = 0; i < run->n; i++) type_slot(r, run->first + i)->is_free = true;
    if (run->first > 0) run_merge(r, run, run->first - 1);
    if (run->first + run->n < r->count) run_merge(r, run, run->first + run->n);
    if (run->first + run->n == r->count) {
        r->count = run->first;
        free(run);
    } else {
        run_link(r, run);
    }
}

/* ---- Holders ---- */

/* Adds `change` to the holders of a group that `g` refers to; one that has none left is put on the
 * list `gone`. */
static void count_heap(TypeRegistry *r, const TypeGroup *g, HeapType h, int change,
                       TypeGroup **gone)
{
    if (!heap_is_defined(h) || h == TYPE_ID_NONE || (h >= g->first && h - g->first < g->n)) return;
    TypeGroup *other = type_slot(r, h)->group;
    other->holders += (size_t)change;
    if (other->holders) return;
    other->gone = *gone;
    *gone = other;
}

static void count_valtype(TypeRegistry *r, const TypeGroup *g, ValType t, int change,
                          TypeGroup **gone)
{
    if (type_is_ref(t)) count_heap(r, g, type_heap(t), change, gone);
}

/* The same for all groups that `g` refers to. */
static void count_referred(TypeRegistry *r, const TypeGroup *g, int change, TypeGroup **gone)
{
    for (uint32_t i = 0; i < g->n; i++) {
        const Type *t = type_slot(r, g->first + i);
        count_heap(r, g, t->super, change, gone);
        for (uint32_t k = 0; k < t->nparams; k++) count_valtype(r, g, t->params[k], change, gone);
        for (uint32_t k = 0; k < t->nresults; k++) count_valtype(r, g, t->results[k], change, gone);
        for (uint32_t k = 0; k < t->nfields; k++)
            count_valtype(r, g, t->fields[k].type, change, gone);
    }
}

static void bucket_unlink(TypeRegistry *r, const TypeGroup *g)
{
    TypeGroup **link = &r->buckets[g->hash & (r->nbuckets - 1)];
    while (*link != g) link = &(*link)->next;
    *link = g->next;
    r->ngroups--;
}

/* One holder less.  Chains of groups may be as long as there are types, hence the list. */
static void group_release(TypeRegistry *r, TypeGroup *g)
{
    if (--g->holders) return;
    g->gone = NULL;
    for (TypeGroup *gone = g; gone;) {
        g = gone;
        gone = g->gone;
        bucket_unlink(r, g);
        count_referred(r, g, -1, &gone);
        ids_give(r, g);
    }
}

bool types_hold(TypeRegistry *r, TypeId id)
{
    pthread_mutex_lock(&r->lock);
    const bool is = id < r->count && !type_slot(r, id)->is_free;
    if (is) type_slot(r, id)->group->holders++;
    pthread_mutex_unlock(&r->lock);
    return is;
}

/* Returns how many ids from this one on are the group's. */
static uint32_t release(TypeRegistry *r, TypeId id)
{
    pthread_mutex_lock(&r->lock);
    TypeGroup *g = type_slot(r, id)->group;
    const uint32_t n = g->first + g->n - id;
    group_release(r, g);
    pthread_mutex_unlock(&r->lock);
    return n;
}

void types_release(TypeRegistry *r, TypeId id) { release(r, id); }

void types_release_all(TypeRegistry *r, const TypeId *ids, uint32_t n)
{
    for (uint32_t i = 0; i < n;) i += release(r, ids[i]);
}

static bool is_defined_ref(ValType t) { return type_is_ref(t) && heap_is_defined(type_heap(t)); }

bool types_hold_valtype(TypeRegistry *r, ValType t)
{
    return !is_defined_ref(t) || types_hold(r, type_heap(t));
}

void types_release_valtype(TypeRegistry *r, ValType t)
{
    if (is_defined_ref(t)) types_release(r, type_heap(t));
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
static fnvm_error *group_measure(TypeRegistry *r, const TypeDef *defs, uint32_t n, TypeId first,
                                 size_t *words)
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
            if (d->super >= HEAP_REC + i)
                return fnvm_error_new(FNVM_E_INVALID, "unknown type: a supertype comes later");
            TypeId super = d->super < HEAP_REC ? d->super : first + (d->super - HEAP_REC);
            depth = type_slot(r, super)->depth + 1;
        }
        if (depth > LIMIT_SUBTYPE_DEPTH)
            return fnvm_error_new(FNVM_E_LIMIT, "a type has more than %d supertypes above it",
                                  LIMIT_SUBTYPE_DEPTH);
        type_slot(r, first + i)->depth = depth;
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

static void type_place(TypeRegistry *r, TypeGroup *g, const TypeDef *d, TypeId id, uint32_t **words)
{
    Type *t = type_slot(r, id);
    const TypeId first = g->first;
    uint32_t depth = t->depth;
    *t = (Type){.group = g, .id = id, .comp = d->comp, .is_final = d->is_final, .depth = depth};
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
                             TypeGroup **out)
{
    TypeGroup *run = run_find(r, n);
    const TypeId first = run ? run->first : r->count;
    if (!run && n > TYPES_MAX - r->count)
        return fnvm_error_new(FNVM_E_LIMIT,
                              "the engine has its full number of %d types: release modules, or use "
                              "another engine", TYPES_MAX);
    fnvm_error *error = run ? NULL : chunks_reserve(r, r->count + n);
    size_t nwords;
    if (!error) error = group_measure(r, defs, n, first, &nwords);
    if (error) return error;
    TypeGroup *g = malloc(sizeof *g + nwords * sizeof(uint32_t));
    if (!g) return error_no_memory();
    *g = (TypeGroup){.hash = hash, .first = first, .n = n};
    ids_take(r, run, n);
    uint32_t *words = g->words;
    for (uint32_t i = 0; i < n; i++) type_place(r, g, &defs[i], first + i, &words);
    count_referred(r, g, 1, NULL);
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
    TypeGroup *g = group_find(r, hash, defs, n);
    if (!g) error = group_add(r, hash, defs, n, &g);
    if (!error) g->holders++;
    pthread_mutex_unlock(&r->lock);
    if (error) return error;
    for (uint32_t i = 0; i < n; i++) ids[i] = g->first + i;
    return NULL;
}
