/* Sockets are made once, by the master: workers and the status process get them by fork. */
#include "gateway/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, INHERITED = 3 /* the first of LISTEN_FDS */ };

static fnvm_error *no_memory(void)
{
    return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
}

static fnvm_error *listen_error(const char *address)
{
    const int number = errno;
    struct stat st;
    if (number == EADDRINUSE && lstat(address, &st) == 0 && !S_ISSOCK(st.st_mode))
        return fnvm_error_new(FNVM_E_IO, "cannot listen on %s: a file is there that is no socket",
                              address);
    if (number == EADDRINUSE)
        return fnvm_error_new(FNVM_E_IO, "cannot listen on %s: somebody else does already",
                              address);
    if (number == EACCES && address[0] != '/')
        return fnvm_error_new(FNVM_E_IO,
                              "cannot listen on %s: %s; ports below 1024 are for root, or whom a "
                              "service manager gives the socket or CAP_NET_BIND_SERVICE",
                              address, strerrordesc_np(number));
    return fnvm_error_new(FNVM_E_IO, "cannot listen on %s: %s", address, strerrordesc_np(number));
}

/* ---- Unix sockets ---- */

static fnvm_error *unix_address(const char *path, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof out->sun_path)
        return fnvm_error_new(FNVM_E_USAGE, "the socket's path `%s` is longer than %zu bytes", path,
                              sizeof out->sun_path - 1);
    memcpy(out->sun_path, path, strlen(path));
    return NULL;
}

/* Left by one who was killed: nobody accepts. */
static void remove_stale(const struct sockaddr_un *address, int type)
{
    struct stat st;
    if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode)) return;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    if (connect(fd, (const void *)address, sizeof *address) != 0 && errno == ECONNREFUSED)
        unlink(address->sun_path);
    close(fd);
}

static bool bind_and_listen(int fd, const struct sockaddr_un *address)
{
    if (fd < 0 || bind(fd, (const void *)address, sizeof *address) != 0) return false;
    if (listen(fd, BACKLOG) == 0) return true;
    const int number = errno;
    unlink(address->sun_path);
    errno = number;
    return false;
}

static fnvm_error *listen_unix(const char *path, int type, unsigned mode, int *out,
                               ListenFile *file)
{
    struct stat st;
    struct sockaddr_un address;
    fnvm_error *error = unix_address(path, &address);
    if (error) return error;
    remove_stale(&address, type);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const mode_t mask = umask(0777 & ~mode); /* one thread: nobody else makes files now */
    const bool ok = bind_and_listen(fd, &address);
    if (ok && lstat(address.sun_path, &st) == 0) *file = (ListenFile){st.st_dev, st.st_ino};
    if (!ok) error = listen_error(path);
    umask(mask);
    if (ok) *out = fd;
    else if (fd >= 0) close(fd);
    return error;
}

fnvm_error *listen_admin(const char *path, int *fd, ListenFile *file)
{
    return listen_unix(path, SOCK_SEQPACKET, 0600, fd, file);
}

void listen_remove(const char *path, ListenFile *file)
{
    struct stat st;
    if (file->ino && lstat(path, &st) == 0 && st.st_dev == file->dev && st.st_ino == file->ino)
        unlink(path);
    *file = (ListenFile){0};
}

/* ---- Addresses ---- */

static bool split(const char *address, char host[256], char port[6])
{
    const char *colon = strrchr(address, ':');
    if (!colon || strlen(colon + 1) > 5) return false;
    size_t len = (size_t)(colon - address);
    const bool brackets = len > 2 && address[0] == '[' && address[len - 1] == ']';
    if (brackets) address++, len -= 2;
    if (len == 0 || len > 255) return false;
    memcpy(host, address, len);
    host[len] = '\0';
    strcpy(port, colon + 1);
    return true;
}

static int listen_at(const struct addrinfo *at)
{
    const int yes = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    const int number = errno;
    if (fd >= 0) close(fd);
    errno = number;
    return -1;
}

static fnvm_error *listen_inet(const char *address, int *out)
{
    const struct addrinfo wanted = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                    .ai_socktype = SOCK_STREAM};
    struct addrinfo *all = NULL;
    char host[256], port[6];
    if (!split(address, host, port))
        return fnvm_error_new(
            FNVM_E_USAGE, "`%s` is no address: 127.0.0.1:8080, [::1]:8080 or unix:PATH", address);
    const int failed = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &wanted, &all);
    if (failed)
        return fnvm_error_new(FNVM_E_IO, "cannot listen on %s: %s", address, gai_strerror(failed));
    int fd = -1;
    for (const struct addrinfo *at = all; at && fd < 0; at = at->ai_next) fd = listen_at(at);
    fnvm_error *error = fd < 0 ? listen_error(address) : NULL;
    freeaddrinfo(all);
    *out = fd;
    return error;
}

/* Where a socket can be reached. */
static char *url_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char host[NI_MAXHOST], port[NI_MAXSERV], *url = NULL;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0) return NULL;
    if (address.ss_family == AF_UNIX) {
        if (asprintf(&url, "unix:%s", ((const struct sockaddr_un *)&address)->sun_path) < 0)
            url = NULL;
        return url;
    }
    if (getnameinfo((const struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return NULL;
    const bool six = address.ss_family == AF_INET6;
    return asprintf(&url, "http://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "", port) < 0 ? NULL
                                                                                              : url;
}

static fnvm_error *take(int fd, int *out, char **url)
{
    *url = url_of(fd);
    if (*url) {
        *out = fd;
        return NULL;
    }
    close(fd);
    return no_memory();
}

fnvm_error *listen_open(const char *address, unsigned mode, int *out, char **url,
                        ListenFile *file)
{
    int fd = -1;
    fnvm_error *error = strncmp(address, "unix:", 5) == 0
                            ? listen_unix(address + 5, SOCK_STREAM, mode, &fd, file)
                            : listen_inet(address, &fd);
    return error ? error : take(fd, out, url);
}

/* ---- Systemd ---- */

fnvm_error *listen_inherited(int *out, char **url)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    int listening = 0;
    socklen_t len = sizeof listening;
    *out = -1;
    if (!pid || !count || atoi(pid) != getpid() || atoi(count) < 1) return NULL;
    if (getsockopt(INHERITED, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening)
        return fnvm_error_new(FNVM_E_USAGE, "LISTEN_FDS: descriptor %d is no listening socket",
                              INHERITED);
    const int flags = fcntl(INHERITED, F_GETFL);
    if (flags < 0 || fcntl(INHERITED, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(INHERITED, F_SETFD, FD_CLOEXEC) != 0)
        return fnvm_error_new(FNVM_E_IO, "LISTEN_FDS: %s", strerrordesc_np(errno));
    unsetenv("LISTEN_PID"); /* not those of what we start */
    unsetenv("LISTEN_FDS");
    return take(INHERITED, out, url);
}

void notify_system(const char *message)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path)
        return;
    const size_t len = strlen(path);
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    sendto(fd, message, strlen(message), MSG_NOSIGNAL, (const void *)&address,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}
