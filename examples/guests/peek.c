/* Tries to see more of the host than it was given, and says what came of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int try_open(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    printf("  %-5s %-24s %s\n", flags == O_RDONLY ? "read" : "write", path,
           fd < 0 ? strerror(errno) : "opened");
    if (fd >= 0) close(fd);
    return fd >= 0;
}

int main(int argc, char **argv)
{
    int opened = 0;
    for (int i = 1; i < argc; i++) opened += try_open(argv[i], O_RDONLY);
    opened += try_open("/data/new-file", O_WRONLY | O_CREAT);
    printf("  HOME is %s\n", getenv("HOME") ? getenv("HOME") : "not set");
    return opened;
}
