/* fnvm/status.h - for guests in C: what the functions of fnvm:log, kv, call, http, random, time
 * and request return.  0 is success, below 0 a reason; some return a count or a handle, which is
 * above 0.
 *
 * Functions that give bytes have the same way to do it: they copy what there is from `offset` on
 * to a buffer, as much as fits, and say in *len how long the whole is.  So a caller whose buffer
 * was too small knows what it takes, and can also read in pieces. */
#ifndef FNVM_STATUS_H
#define FNVM_STATUS_H

enum {
    FNVM_OK = 0,
    FNVM_NOT_FOUND = -1,
    FNVM_TOO_LARGE = -2,   /* a name, value, answer or list beyond its bound */
    FNVM_CHANGED = -3,     /* compare-and-swap: it was another value */
    FNVM_DENIED = -4,      /* not allowed */
    FNVM_TIMEOUT = -5,     /* also: not ended yet */
    FNVM_UNAVAILABLE = -6, /* the host gives none, or what is behind it does not answer */
    FNVM_FAILED = -7,      /* the called function failed, or the request */
    FNVM_FAULT = -8,       /* an address outside of the memory */
    FNVM_INVALID = -9,     /* arguments that make no sense: a bad handle, an empty key */
    FNVM_LIMIT = -10       /* too many open at once, or the store is full */
};

#endif
