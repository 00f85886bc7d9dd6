/* Open addressing with linear probing, at most half full.  Clearing is done by aging: slots of an
 * older age count as free, so a map can be emptied once per function at no cost. */
#include "loader/text/names.h"

#include <string.h>
#include <sys/random.h>

#include "vm/hash.h"

/* The slot that holds the key, or the free one where it belongs.  The map has slots. */
static NameSlot *slot_of(const NameMap *map, Str key)
{
    uint32_t mask = map->size - 1;
    uint32_t i = (uint32_t)hash_bytes(map->hash_key, key.bytes, key.len) & mask;
    while (map->slots[i].age == map->age && !str_equal(map->slots[i].key, key)) i = (i + 1) & mask;
    return &map->slots[i];
}

uint32_t names_find(const NameMap *map, Str key)
{
    if (map->n == 0) return NAME_UNKNOWN;
    const NameSlot *slot = slot_of(map, key);
    return slot->age == map->age ? slot->value : NAME_UNKNOWN;
}

static bool names_enlarge(NameMap *map, Arena *arena)
{
    NameMap bigger = {.size = map->size == 0 ? 16 : map->size * 2, .age = 1};
    if (!arena->has_key) {
        /* Early at boot there is no randomness, but addresses are random too. */
        arena->hash_key[0] = (uint64_t)(uintptr_t)arena->chunks;
        arena->has_key = getrandom(arena->hash_key, sizeof arena->hash_key, GRND_NONBLOCK) != 0;
    }
    memcpy(bigger.hash_key, arena->hash_key, sizeof bigger.hash_key);
    bigger.slots = arena_alloc(arena, bigger.size * sizeof(NameSlot));
    if (bigger.slots == NULL) return false;
    for (uint32_t i = 0; i < map->size; i++) {
        NameSlot *old = &map->slots[i];
        if (old->age == map->age)
            *slot_of(&bigger, old->key) = (NameSlot){old->key, old->value, bigger.age};
    }
    bigger.n = map->n;
    *map = bigger;
    return true;
}

bool names_add(NameMap *map, Arena *arena, Str key, uint32_t value)
{
    if (map->n >= map->size / 2 && !names_enlarge(map, arena)) return false;
    NameSlot *slot = slot_of(map, key);
    if (slot->age == map->age) return false;
    *slot = (NameSlot){key, value, map->age};
    map->n++;
    return true;
}

uint32_t names_put(NameMap *map, Arena *arena, Str key, uint32_t value)
{
    if (map->n >= map->size / 2 && !names_enlarge(map, arena)) return NAME_UNKNOWN;
    NameSlot *slot = slot_of(map, key);
    bool is_new = slot->age != map->age;
    uint32_t before = is_new ? NAME_UNKNOWN : slot->value;
    *slot = (NameSlot){key, value, map->age};
    map->n += is_new;
    return before;
}

void names_clear(NameMap *map)
{
    if (map->n == 0) return;
    map->n = 0;
    if (++map->age == 0) { /* wrapped: the slots' ages would come back to life */
        memset(map->slots, 0, map->size * sizeof(NameSlot));
        map->age = 1;
    }
}
