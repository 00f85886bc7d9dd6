/* Runs a command and writes what it cost: small enough itself not to be what is measured.
 *
 *   timed REPORT SECONDS COMMAND [args...]
 *
 * REPORT gets "wall_ns cpu_ns peak_bytes".  A peak counts from before exec, so a large parent would
 * hide that of a small child.  After SECONDS the command gets SIGALRM.  Ends as the command did. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t ns_of(struct timeval t) { return (int64_t)t.tv_sec * 1000000000 + t.tv_usec * 1000; }

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: timed REPORT SECONDS COMMAND [args...]\n");
        return 2;
    }
    int64_t start = now_ns();
    pid_t child = fork();
    if (child == 0) {
        alarm((unsigned)strtoul(argv[2], NULL, 10));
        execvp(argv[3], argv + 3);
        fprintf(stderr, "%s: %s\n", argv[3], strerror(errno));
        _exit(127);
    }
    int status;
    struct rusage used;
    while (child > 0 && wait4(child, &status, 0, &used) < 0)
        if (errno != EINTR) child = -1;
    int64_t wall = now_ns() - start;
    FILE *report = child > 0 ? fopen(argv[1], "w") : NULL;
    if (report)
        fprintf(report, "%lld %lld %lld\n", (long long)wall,
                (long long)(ns_of(used.ru_utime) + ns_of(used.ru_stime)),
                (long long)used.ru_maxrss * 1024);
    if (!report || fclose(report) != 0) {
        fprintf(stderr, "timed: %s: %s\n", argv[1], strerror(errno));
        return 2;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
