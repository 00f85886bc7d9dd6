/* A map from byte strings (identifiers, encoded types) to numbers.  Keys are not copied. */
#ifndef FNVM_LOADER_TEXT_NAMES_H
#define FNVM_LOADER_TEXT_NAMES_H

#include "loader/text/lexer.h"

enum { NAME_UNKNOWN = UINT32_MAX };

typedef struct NameSlot {
    Str key;
    uint32_t value;
    uint32_t age; /* the slot is free unless this is the map's */
} NameSlot;

typedef struct NameMap { /* zeroed: empty */
    NameSlot *slots;
    uint32_t size; /* of slots, a power of two */
    uint32_t n;
    uint32_t age;
    uint64_t hash_key[2]; /* random: a text cannot make its identifiers collide */
} NameMap;

uint32_t names_find(const NameMap *, Str key); /* NAME_UNKNOWN if it is not there */
/* False if the key is there already (its value stays) or, with arena->failed set, for want of
 * memory. */
bool names_add(NameMap *, Arena *, Str key, uint32_t value);
/* Gives the key a value, NAME_UNKNOWN as if it were not there; returns the one it had. */
uint32_t names_put(NameMap *, Arena *, Str key, uint32_t value);
void names_clear(NameMap *);

#endif
