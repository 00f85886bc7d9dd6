/* Runs a command and writes what it cost: small enough itself not to be what is measured.
 *
 *   timed REPORT SECONDS COMMAND [args...]
 *   timed --answer REPORT SECONDS COMMAND [args...]
 *
 * REPORT gets "wall_ns cpu_ns peak_bytes": from before exec to the end, or with --answer to the first
 * line that it prints.  A peak counts from before exec, so a large parent would hide that of a small
 * child.  After SECONDS the command gets SIGALRM.  Ends as the command did. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
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

/* Passes on what the command prints; says when the first line was complete, or the end was. */
static int64_t copy_output(int from)
{
    char bytes[65536];
    int64_t answered = 0;
    for (;;) {
        ssize_t n = read(from, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (!answered && (n <= 0 || memchr(bytes, '\n', (size_t)n))) answered = now_ns();
        if (n <= 0) return answered;
        for (ssize_t done = 0, m; done < n; done += m) {
            m = write(STDOUT_FILENO, bytes + done, (size_t)(n - done));
            if (m < 0) return answered;
        }
    }
}

static pid_t start(char **command, const char *seconds, const int *output)
{
    pid_t child = fork();
    if (child != 0) return child;
    if (output) dup2(output[1], STDOUT_FILENO);
    alarm((unsigned)strtoul(seconds, NULL, 10));
    execvp(command[0], command);
    fprintf(stderr, "%s: %s\n", command[0], strerror(errno));
    _exit(127);
}

static bool write_report(const char *path, int64_t wall, const struct rusage *used)
{
    FILE *report = fopen(path, "w");
    if (!report) return false;
    fprintf(report, "%lld %lld %lld\n", (long long)wall,
            (long long)(ns_of(used->ru_utime) + ns_of(used->ru_stime)),
            (long long)used->ru_maxrss * 1024);
    return fclose(report) == 0;
}

int main(int argc, char **argv)
{
    const bool to_answer = argc > 1 && strcmp(argv[1], "--answer") == 0;
    char **args = argv + to_answer;
    int output[2];
    if (argc - to_answer < 4) {
        fprintf(stderr, "usage: timed [--answer] REPORT SECONDS COMMAND [args...]\n");
        return 2;
    }
    if (to_answer && pipe2(output, O_CLOEXEC) != 0) {
        fprintf(stderr, "timed: %s\n", strerror(errno));
        return 2;
    }
    const int64_t begun = now_ns();
    pid_t child = start(args + 3, args[2], to_answer ? output : NULL);
    if (to_answer) close(output[1]);
    int64_t ended = to_answer ? copy_output(output[0]) : 0;
    int status;
    struct rusage used;
    while (child > 0 && wait4(child, &status, 0, &used) < 0)
        if (errno != EINTR) child = -1;
    if (!to_answer) ended = now_ns();
    if (child < 0 || !write_report(args[1], ended - begun, &used)) {
        fprintf(stderr, "timed: %s: %s\n", args[1], strerror(errno));
        return 2;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
