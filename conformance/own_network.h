/* A network that only this process and its children see: loopback, and a name server there that is
 * theirs to be.  Wants namespaces of users, which not every system lets everybody have. */
#ifndef FNVM_CONFORMANCE_OWN_NETWORK_H
#define FNVM_CONFORMANCE_OWN_NETWORK_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NO_NETWORK = 77 }; /* the exit status of who could not have one */

static inline bool write_text(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    const bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) close(fd);
    return written;
}

/* Its /etc/resolv.conf has the server, and a system's resolver asks it for minutes.  One thread. */
static inline bool own_network(void)
{
    char map[64], file[] = "/tmp/fnvm-resolv-XXXXXX";
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    snprintf(map, sizeof map, "0 %u 1", (unsigned)getuid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0) return false;
    write_text("/proc/self/setgroups", "deny");
    const int fd = mkstemp(file), s = socket(AF_INET, SOCK_DGRAM, 0);
    const bool made = write_text("/proc/self/uid_map", map) && fd >= 0 && s >= 0 &&
                      write_text(file, "nameserver 127.0.0.1\noptions timeout:30 attempts:5\n") &&
                      ioctl(s, SIOCSIFFLAGS, &lo) == 0 &&
                      mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                      mount(file, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;
    if (fd >= 0) close(fd);
    if (s >= 0) close(s);
    unlink(file);
    return made;
}

/* The socket of the name server, or -1. */
static inline int name_server(void)
{
    const struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return fd >= 0 && bind(fd, (const struct sockaddr *)(const void *)&a, sizeof a) == 0 ? fd : -1;
}

#endif
