/* Listening sockets, and what systemd wants to hear. */
#ifndef FNVM_GATEWAY_LISTEN_H
#define FNVM_GATEWAY_LISTEN_H

#include <sys/types.h>

#include "fnvm.h"

/* A Unix socket's file, as it was made.  While the socket is open no other file has its number. */
typedef struct ListenFile { dev_t dev; ino_t ino; } ListenFile; /* zero: there is none */

/* "127.0.0.1:8080", "[::1]:0", "localhost:80" or "unix:PATH": a listening socket, nonblocking
 * and closed by exec. *url is where it can be reached, with the port that it got:
 * "http://127.0.0.1:8080" or "unix:PATH", malloc'd.  A Unix socket that nobody listens on any
 * more is replaced; `mode` is the new one's.  Files that are no sockets stay. */
fnvm_error *listen_open(const char *address, unsigned mode, int *fd, char **url, ListenFile *);
/* A Unix socket of packets, 0600, for the admin's commands. */
fnvm_error *listen_admin(const char *path, int *fd, ListenFile *);
/* Removes the file of a socket that is still open, unless another is there by now; once. */
void listen_remove(const char *path, ListenFile *);
/* Sockets that were handed in by who started us (LISTEN_FDS): the first, or -1.  *url as above. */
fnvm_error *listen_inherited(int *fd, char **url);

/* "READY=1" and the like, where NOTIFY_SOCKET says whom to tell; else nothing.  Failing to is no
 * failure. */
void notify_system(const char *message);

#endif
