/* Names of other servers, looked up without a thread: whatever a name server does, or does not, a
 * lookup can be given up at once.  /etc/hosts, /etc/resolv.conf and the order that
 * /etc/nsswitch.conf gives to these two, through c-ares.  One thread at a time. */
#ifndef FNVM_GATEWAY_NAMES_H
#define FNVM_GATEWAY_NAMES_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

typedef struct Lookup Lookup;

enum { LOOKUP_SOCKETS = 16, LOOKUP_ADDRESSES = 16 /* more than these are not used */ };

bool names_begin(void); /* before the first, while there is one thread; false: no memory */
void names_end(void);   /* once for each that was good */

Lookup *lookup_start(const char *host); /* NULL: no memory */
void lookup_free(Lookup *);             /* also one that has not ended; NULL is fine */
/* What to wait for, at most LOOKUP_SOCKETS; and how long at most, in milliseconds. */
size_t lookup_sockets(Lookup *, struct curl_waitfd *out);
int lookup_timeout_ms(Lookup *, int most);
/* Takes what has come, and sends again what was not answered in time. */
void lookup_run(Lookup *, const struct curl_waitfd *, size_t n);

/* All of that on this thread, until it has ended or for so long.  Whether it has ended. */
bool lookup_wait(Lookup *, int most_ms);

bool lookup_ended(const Lookup *);
size_t lookup_count(const Lookup *); /* of addresses; 0: the name leads nowhere */
const struct sockaddr *lookup_address(const Lookup *, size_t i);
/* "HOST:PORT:ADDRESS,ADDRESS", for CURLOPT_RESOLVE; malloc'd, NULL: no memory. */
char *lookup_print(const Lookup *, const char *host, unsigned port);

#endif
