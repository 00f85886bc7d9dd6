/* The uses of locals, by region: what the compiler assigns registers from.
 *
 * Liveness comes from offsets alone.  A local's state is the latest write on every path to here,
 * by the structured rule of 3.4.9, and the latest read which that write reaches; a trail brings
 * both back when a block ends.  So at a loop's end they are those of its start again, but for a
 * later read: then the local is live into the loop.  It is written there if its latest write of all
 * lies inside.  Nothing is counted for this: it holds for every local, in any nesting.
 *
 * How hot locals are is counted.  The counts of open regions lie on a stack; between two places
 * where a loop begins or ends (a segment) a local has one.  A loop's are added up by local at its
 * end, and the hottest are left to the region around it, weighted.  The work a loop can cause is
 * bounded by their number, and that by the function's code: time and space stay linear. */
#include <stdlib.h>
#include <string.h>

#include "verifier/state.h"

_Static_assert(LIMIT_LOCALS <= UINT16_MAX, "a local's index fits LocalUse");
_Static_assert(REGION_CARRIED >= REGION_INTS && REGION_CARRIED >= REGION_FLOATS, "one selection");
_Static_assert(sizeof(Region) == 12 && sizeof(LocalUse) == 4, "as documented");

/* ---- Reads and writes ---- */

static LocalState *local_state(Verifier *v, uint32_t local)
{
    LocalState *s = &v->states[local];
    if (s->pass != v->pass)
        *s = (LocalState){.pass = v->pass, .write = local < v->nparams ? v->params_written : 0};
    return s;
}

static void use_count(Verifier *v, uint32_t local, LocalState *s)
{
    /* What an index was left from before does no harm: it is used if it fits. */
    if (s->count - v->segment < v->ncounts - v->segment && v->counts[s->count].local == local) {
        v->counts[s->count].weight++;
        return;
    }
    if (!verifier_grow(v, &v->counts, &v->counts_size, v->ncounts, 1, sizeof *v->counts)) return;
    s->count = v->ncounts++;
    v->counts[s->count] = (UseCount){.local = local, .weight = 1};
}

void local_read(Verifier *v, uint32_t local)
{
    LocalState *s = local_state(v, local);
    s->read = s->last_read = v->at;
    if (s->first_read == 0) s->first_read = v->at;
    if (s->write == 0 && v->zeroed_words) v->zeroed[local / 64] |= UINT64_C(1) << local % 64;
    use_count(v, local, s);
}

void local_write(Verifier *v, uint32_t local)
{
    LocalState *s = local_state(v, local);
    /* Only what the innermost block has not written yet has to be brought back at its end. */
    if (s->write <= v->controls[v->ncontrols - 1].at) {
        if (!verifier_grow(v, &v->writes, &v->writes_size, v->nwrites, 1, sizeof *v->writes))
            return;
        v->writes[v->nwrites++] = (WriteBefore){local, s->write, s->read};
    }
    s->write = s->last_write = v->at;
    s->read = 0;
    use_count(v, local, s);
}

void local_writes_forget(Verifier *v, uint32_t writes)
{
    while (v->nwrites > writes) {
        WriteBefore before = v->writes[--v->nwrites];
        v->states[before.local].write = before.write;
        v->states[before.local].read = before.read;
    }
}

/* ---- The hottest ---- */

typedef struct Hottest { uint32_t n, max; UseCount at[REGION_CARRIED]; } Hottest;

static void hottest_add(Hottest *h, UseCount c)
{
    if (h->n == h->max && h->at[h->n - 1].weight >= c.weight) return;
    uint32_t i = h->n < h->max ? h->n++ : h->n - 1;
    for (; i > 0 && h->at[i - 1].weight < c.weight; i--) h->at[i] = h->at[i - 1];
    h->at[i] = c;
}

/* Adds up by local what inner loops have left and what the segments between them have. */
static void counts_merge(Verifier *v, uint32_t first)
{
    uint32_t n = first;
    for (uint32_t i = first; i < v->ncounts; i++) {
        UseCount c = v->counts[i];
        uint32_t *count = &v->states[c.local].count;
        if (*count - first < n - first && v->counts[*count].local == c.local) {
            uint32_t *weight = &v->counts[*count].weight;
            *weight = c.weight > UINT32_MAX - *weight ? UINT32_MAX : *weight + c.weight;
        } else {
            v->counts[n] = c;
            *count = n++;
        }
    }
    v->ncounts = n;
}

static void counts_select(const Verifier *v, uint32_t first, Hottest *ints, Hottest *floats)
{
    for (uint32_t i = first; i < v->ncounts; i++) {
        ValType t = local_type(v, v->counts[i].local);
        bool is_float = t == TYPE_F32 || t == TYPE_F64 || t == TYPE_V128;
        hottest_add(is_float ? floats : ints, v->counts[i]);
    }
}

/* Leaves the selected ones of a loop to the region around it. */
static void counts_carry(Verifier *v, const Hottest *h)
{
    for (uint32_t i = 0; i < h->n; i++) {
        UseCount c = h->at[i];
        c.weight = c.weight > UINT32_MAX / REGION_LOOP_WEIGHT ? UINT32_MAX
                                                              : c.weight * REGION_LOOP_WEIGHT;
        v->counts[v->ncounts++] = c; /* there is room: these were on the stack */
    }
}

/* ---- Regions ---- */

/* At the region's end.  Whether a read follows is left to regions_finish. */
static uint8_t use_flags(const LocalState *s, const RegionState *r)
{
    uint8_t flags = s->last_write > r->from ? LOCAL_WRITTEN : 0;
    if (s->read > r->from) return flags | LOCAL_LIVE_IN;
    return s->first_read == 0 || s->first_read > r->from ? flags | LOCAL_PRIVATE : flags;
}

static uint8_t uses_add(Verifier *v, const RegionState *r, const Hottest *h, uint32_t max)
{
    uint32_t n = h->n < max ? h->n : max;
    if (!verifier_grow(v, &v->uses, &v->uses_size, v->nuses, n, sizeof *v->uses)) return 0;
    for (uint32_t i = 0; i < n; i++)
        v->uses[v->nuses++] = (LocalUse){
            .local = (uint16_t)h->at[i].local,
            .weight_log2 = (uint8_t)(31 - __builtin_clz(h->at[i].weight)),
            .flags = use_flags(&v->states[h->at[i].local], r)};
    return (uint8_t)n;
}

static void region_push(Verifier *v, uint32_t at, uint32_t from)
{
    if (!verifier_grow(v, &v->regions, &v->regions_size, v->nregions, 1, sizeof *v->regions))
        return;
    v->regions[v->nregions] = (RegionState){
        .made = {.at = at, .flags = REGION_INNERMOST}, .from = from, .outer = v->region,
        .counts = v->ncounts};
    v->region = v->nregions++;
    v->segment = v->ncounts;
}

void region_open(Verifier *v)
{
    v->regions[v->region].made.flags &= (uint8_t)~REGION_INNERMOST;
    region_push(v, v->at, v->at);
}

void region_call(Verifier *v)
{
    v->regions[v->region].made.flags |= REGION_CALLS;
}

/* The region ends: selects as many of its locals as there is room for in `ints` and `floats`, and
 * makes the hottest its uses. */
static void region_uses(Verifier *v, RegionState *r, Hottest *ints, Hottest *floats)
{
    r->end = v->at;
    r->made.first = v->nuses;
    if (!(r->made.flags & REGION_INNERMOST)) counts_merge(v, r->counts);
    counts_select(v, r->counts, ints, floats);
    if (v->region > 0) {
        if (ints->n + floats->n > v->loop_uses) ints->n = floats->n = 0;
        v->loop_uses -= ints->n + floats->n;
    }
    r->made.nints = uses_add(v, r, ints, REGION_INTS);
    r->made.nfloats = uses_add(v, r, floats, REGION_FLOATS);
}

void region_close(Verifier *v)
{
    RegionState *r = &v->regions[v->region];
    Hottest ints, floats;
    ints.n = floats.n = 0;
    ints.max = floats.max = REGION_CARRIED;
    region_uses(v, r, &ints, &floats);
    v->ncounts = r->counts;
    counts_carry(v, &ints);
    counts_carry(v, &floats);
    v->segment = v->ncounts;
    v->regions[r->outer].made.flags |= r->made.flags & REGION_CALLS;
    v->region = r->outer;
}

/* ---- A pass ---- */

/* States of other passes are told by their number, so that a function costs what it uses. */
static bool states_make(Verifier *v)
{
    if (v->nlocals > v->states_size) {
        free(v->states);
        v->states_size = v->nlocals < 64 ? 64 : v->nlocals;
        v->states = calloc(v->states_size, sizeof *v->states);
        if (!v->states) {
            v->states_size = 0;
            verifier_no_memory(v);
            return false;
        }
    }
    v->pass++;
    return true;
}

static void zeroed_make(Verifier *v, uint32_t code_bytes)
{
    v->zeroed_words = 0;
    if (v->nlocals > LIMIT_WIDE_LOCALS + code_bytes) return;
    uint32_t words = (v->nlocals + 63) / 64;
    if (!verifier_grow(v, &v->zeroed, &v->zeroed_size, 0, words, sizeof *v->zeroed)) return;
    if (words) memset(v->zeroed, 0, words * sizeof *v->zeroed);
    v->zeroed_words = words;
}

void regions_start(Verifier *v, uint32_t start, uint32_t nparams)
{
    v->nwrites = v->ncounts = v->nregions = v->nuses = v->region = 0;
    v->loop_uses = v->code.end - start + REGION_SPARE;
    if (!states_make(v)) return;
    zeroed_make(v, v->code.end - start);
    /* Before the first instruction, which there is something before: the module's header. */
    v->params_written = start - 1;
    v->nparams = nparams;
    region_push(v, start, start - 1);
}

/* Drops LOCAL_PRIVATE of what turned out to be read after the region. */
static void uses_settle(Verifier *v, const RegionState *r)
{
    uint32_t end = r->made.first + r->made.nints + r->made.nfloats;
    for (uint32_t i = r->made.first; i < end; i++)
        if (v->states[v->uses[i].local].last_read > r->end)
            v->uses[i].flags &= (uint8_t)~LOCAL_PRIVATE;
}

void regions_finish(Verifier *v)
{
    Hottest ints, floats;
    ints.n = floats.n = 0;
    ints.max = REGION_INTS;
    floats.max = REGION_FLOATS;
    region_uses(v, &v->regions[0], &ints, &floats);
    if (verifier_failed(v)) return;
    for (uint32_t i = 1; i < v->nregions; i++) uses_settle(v, &v->regions[i]);
}

/* ---- The result ---- */

size_t regions_bytes(const Verifier *v)
{
    if (!v->has_regions) return 0;
    return v->zeroed_words * sizeof(uint64_t) + v->nregions * sizeof(Region) +
           v->nuses * sizeof(LocalUse);
}

void regions_pack(const Verifier *v, FuncCode *code, void *at)
{
    uint64_t *zeroed = at;
    Region *regions = (Region *)(zeroed + v->zeroed_words);
    LocalUse *uses = (LocalUse *)(regions + v->nregions);
    if (v->zeroed_words) memcpy(zeroed, v->zeroed, v->zeroed_words * sizeof *zeroed);
    for (uint32_t i = 0; i < v->nregions; i++) regions[i] = v->regions[i].made;
    if (v->nuses) memcpy(uses, v->uses, v->nuses * sizeof *uses);
    code->nregions = v->nregions;
    code->nuses = v->nuses;
    code->regions = regions;
    code->uses = uses;
    code->zeroed = v->zeroed_words ? zeroed : NULL;
}

void regions_free(Verifier *v)
{
    free(v->states);
    free(v->writes);
    free(v->counts);
    free(v->regions);
    free(v->uses);
    free(v->zeroed);
}
