/* Sockets that the guest gets from the command line or from whoever started us. */
#ifndef FNVM_CLI_SOCKETS_H
#define FNVM_CLI_SOCKETS_H

#include "fnvm.h"

/* Listens on "127.0.0.1:8080", "[::1]:8080" or "localhost:8080". */
fnvm_error *socket_listen(const char *address, int *fd);

/* How many sockets the service manager left us, as descriptors from SOCKETS_FIRST on.  Fails if
 * one of them is not a socket. */
enum { SOCKETS_FIRST = 3 };
fnvm_error *sockets_inherited(int *count);

#endif
