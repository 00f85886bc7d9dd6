/* The order of routes, in which the first that fits is the one. */
#ifndef FNVM_GATEWAY_ROUTE_H
#define FNVM_GATEWAY_ROUTE_H

#include "gateway/config.h"

/* Notes the lengths of a route's parts. */
void route_measure(Route *);
/* Below 0: `a` is narrower than `b`, or comes first by its letters; 0: the same requests fit. */
int route_compare(const Route *a, const Route *b);

#endif
