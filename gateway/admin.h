/* What `fnvm deploy` and `fnvm gateway` say to a gateway: packets on a Unix socket
 * (SOCK_SEQPACKET).  One to it, words with a NUL behind each; then its answer, packets that
 * begin with one of the letters below. */
#ifndef FNVM_GATEWAY_ADMIN_H
#define FNVM_GATEWAY_ADMIN_H

enum {
    ADMIN_PACKET = 8192, /* bytes at most, in both directions */
    ADMIN_TEXT = 'o',    /* text, for standard output or, where the status is not 0, standard error */
    ADMIN_END = 'x'      /* one byte: the exit status */
};

#endif
