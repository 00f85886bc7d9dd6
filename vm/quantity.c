/* Units are tables, from the largest down for writing. */
#include "vm/quantity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool parse_decimal(const char *text, uint64_t *number, const char **rest)
{
    if (*text < '0' || *text > '9') return false;
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    *rest = end;
    return errno == 0;
}

static bool scale(uint64_t number, uint64_t factor, uint64_t *out)
{
    return !__builtin_mul_overflow(number, factor, out);
}

bool parse_size(const char *text, uint64_t *bytes)
{
    uint64_t number;
    const char *unit;
    if (!parse_decimal(text, &number, &unit)) return false;
    unsigned shift = 0;
    switch (*unit) {
    case '\0': break;
    case 'k':
    case 'K': shift = 10; break;
    case 'm':
    case 'M': shift = 20; break;
    case 'g':
    case 'G': shift = 30; break;
    case 't':
    case 'T': shift = 40; break;
    default: return false;
    }
    if (*unit && strcmp(unit + 1, "") != 0 && strcmp(unit + 1, "B") != 0 &&
        strcmp(unit + 1, "iB") != 0)
        return false;
    return scale(number, (uint64_t)1 << shift, bytes);
}

bool parse_duration(const char *text, uint64_t *ns)
{
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = {{"", 1000000000}, {"s", 1000000000},  {"ms", 1000000},     {"us", 1000},
                 {"ns", 1},        {"m", 60000000000}, {"h", 3600000000000}};
    uint64_t number;
    const char *unit;
    if (!parse_decimal(text, &number, &unit)) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(unit, units[i].unit) == 0) return scale(number, units[i].ns, ns);
    return false;
}

typedef struct Unit {
    const char *name;
    uint64_t of;
} Unit;

/* The largest unit that leaves no rest; the table ends with the unit 1. */
static void print(const Unit *unit, uint64_t number, char text[QUANTITY_TEXT])
{
    while (unit->of > 1 && (number == 0 || number % unit->of != 0)) unit++;
    snprintf(text, QUANTITY_TEXT, "%" PRIu64 "%s", number / unit->of, unit->name);
}

void spell_size(uint64_t bytes, char text[QUANTITY_TEXT])
{
    static const Unit units[] = {{"TiB", UINT64_C(1) << 40},
                                 {"GiB", UINT64_C(1) << 30},
                                 {"MiB", UINT64_C(1) << 20},
                                 {"KiB", UINT64_C(1) << 10},
                                 {"", 1}};
    print(units, bytes, text);
}

void spell_duration(uint64_t ns, char text[QUANTITY_TEXT])
{
    /* No hours and minutes: who writes 90s reads 90s. */
    static const Unit units[] = {{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};
    print(units, ns, text);
}
