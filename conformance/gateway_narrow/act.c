/* A library that does what a guest would who has broken out of fnvm, for conformance/gateway_narrow:
 * act(N) does number N of it and returns the errno that it ended with, or 0.  The names are given
 * to the compiler: PASSWORDS a file that nothing was said about, GIVEN a mount, READ_ONLY one that
 * may only be read, DEPOT the depot, PORT and OTHER_PORT. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int outcome(long result) { return result < 0 ? errno : 0; }

static int opened(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0) return errno;
    close(fd);
    return 0;
}

static void *elsewhere(void *result)
{
    *(int *)result = opened(PASSWORDS, O_RDONLY);
    return NULL;
}

static int on_a_thread(void)
{
    pthread_t thread;
    int result = -1;
    const int failed = pthread_create(&thread, NULL, elsewhere, &result);
    if (failed) return failed;
    pthread_join(thread, NULL);
    return result;
}

static int joined(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int result = fd < 0 ? errno : outcome(connect(fd, (struct sockaddr *)&at, sizeof at));
    if (fd >= 0) close(fd);
    return result;
}

static int mapped(int protection)
{
    void *at = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? errno : 0;
}

int32_t act(int32_t what)
{
    char *const none[] = {NULL};
    switch (what) {
    case 0: return opened(PASSWORDS, O_RDONLY);
    case 1: return on_a_thread();
    case 2: return opened(GIVEN "/file", O_RDWR);
    case 3: return opened(GIVEN "/new", O_WRONLY | O_CREAT);
    case 4: return opened(READ_ONLY "/file", O_RDONLY);
    case 5: return opened(READ_ONLY "/file", O_RDWR);
    case 6: return opened(DEPOT "/standing", O_RDONLY);
    case 7: return opened(DEPOT "/standing", O_RDWR);
    case 8: return opened(DEPOT "/versions/new", O_WRONLY | O_CREAT);
    case 9: return outcome(kill(getppid(), 0));
    case 10: return outcome(mkdirat(AT_FDCWD, GIVEN "/folder", 0700));
    case 20: return outcome(execve("/bin/true", none, none));
    case 21: return outcome(fork());
    case 22: return joined(PORT);
    case 23: return joined(OTHER_PORT);
    case 24: return outcome(socket(AF_UNIX, SOCK_STREAM, 0));
    case 25: return mapped(PROT_READ | PROT_WRITE | PROT_EXEC);
    default: return -1;
    }
}
