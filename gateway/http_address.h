/* Which addresses belong to the public network. */
#ifndef FNVM_GATEWAY_HTTP_ADDRESS_H
#define FNVM_GATEWAY_HTTP_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* False: private, loopback, link-local, shared, documentation, benchmarking, multicast,
 * reserved, or no address of the internet at all; also where such an IPv4 address is embedded in
 * one of IPv6. */
bool address_is_public(const struct sockaddr *);
bool address_is_loopback(const struct sockaddr *);

#endif
