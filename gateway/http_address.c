/* The registries of special addresses (RFC 6890 and what followed), as ranges. */
#include "gateway/http_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

typedef struct Range {
    uint32_t first;
    unsigned bits;
} Range;

static const Range special[] = {
    {0x00000000, 8},  /* this network */
    {0x0A000000, 8},  /* private */
    {0x64400000, 10}, /* carriers' */
    {0x7F000000, 8},  /* loopback */
    {0xA9FE0000, 16}, /* link-local; where clouds give out credentials */
    {0xAC100000, 12}, /* private */
    {0xC0000000, 24}, /* protocols */
    {0xC0000200, 24}, {0xC6336400, 24}, {0xCB007100, 24}, /* documentation */
    {0xC0586300, 24},                                     /* 6to4 relays */
    {0xC0A80000, 16},                                     /* private */
    {0xC6120000, 15},                                     /* benchmarks */
    {0xE0000000, 4},                                      /* multicast */
    {0xF0000000, 4}                                       /* reserved, broadcast */
};

static bool v4_is_public(uint32_t address)
{
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if ((address ^ special[i].first) >> (32 - special[i].bits) == 0) return false;
    return true;
}

static uint32_t v4_at(const uint8_t *bytes)
{
    uint32_t address;
    memcpy(&address, bytes, sizeof address);
    return ntohl(address);
}

/* Only 2000::/3 is given out.  In it and outside, some ranges carry IPv4 addresses. */
static bool v6_is_public(const uint8_t b[16])
{
    static const uint8_t zeros[12] = {0}, mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xFF, 0x9B};
    if (memcmp(b, mapped, 12) == 0 || memcmp(b, nat64, 12) == 0) return v4_is_public(v4_at(b + 12));
    if (memcmp(b, zeros, 12) == 0 || (b[0] & 0xE0) != 0x20) return false;
    if (b[0] == 0x20 && b[1] == 0x02) return v4_is_public(v4_at(b + 2));  /* 6to4 */
    if (b[0] == 0x20 && b[1] == 0x01 && (b[2] & 0xFE) == 0) return false; /* protocols, Teredo */
    if (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0D && b[3] == 0xB8)
        return false;                                             /* documentation */
    return !(b[0] == 0x3F && b[1] == 0xFF && (b[2] & 0xF0) == 0); /* documentation */
}

bool address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return v4_is_public(
            ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return v6_is_public(
            ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    return false;
}

bool address_is_loopback(const struct sockaddr *address)
{
    static const uint8_t one[16] = {[15] = 1};
    if (address->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 ==
               127;
    return address->sa_family == AF_INET6 &&
           memcmp(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr, one,
                  16) == 0;
}
