/* A CGI program for conformance/gateway_worker: the path says what it does, the query how much. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static char counter[64]; /* an instance that has served before would have something in it */
static char block[65536];

static void head(const char *more) { printf("Content-Type: text/plain\n%s\n", more); }

static void echo(void)
{
    ssize_t n;
    head("");
    fflush(stdout);
    while ((n = read(0, block, sizeof block)) > 0)
        for (ssize_t at = 0, done; at < n; at += done)
            if ((done = write(1, block + at, (size_t)(n - at))) <= 0) exit(3);
}

static void variables(void)
{
    head("");
    for (char **e = environ; *e; e++) puts(*e);
}

static void many(unsigned long n) /* bytes */
{
    memset(block, 'x', sizeof block);
    head("");
    for (; n > sizeof block; n -= sizeof block) fwrite(block, 1, sizeof block, stdout);
    fwrite(block, 1, n, stdout);
}

static void rest(unsigned long ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

static void spin(void)
{
    static volatile unsigned long n;
    for (;;) n++;
}

static void busy(unsigned long ms)
{
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    do clock_gettime(CLOCK_MONOTONIC, &now);
    while ((unsigned long)((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000) < ms);
}

static void steps(unsigned long n) /* a line, then a while of work, without an end of the first piece */
{
    head("");
    for (unsigned long i = 0; i < n; i++) {
        printf("step %lu\n", i);
        fflush(stdout);
        busy(300);
    }
}

int main(int argc, char **argv)
{
    const char *path = getenv("PATH_INFO"), *query = getenv("QUERY_STRING");
    const unsigned long n = query ? strtoul(query, NULL, 10) : 0;
    if (!path) return 9;
    const char *what = *path ? path + 1 : "";
#define IS(name) (strcmp(what, name) == 0)
    if (IS("hello")) head(""), puts("hello");
    else if (IS("echo") || IS("")) echo();
    else if (IS("env") || strncmp(what, "env/", 4) == 0) variables();
    else if (IS("args")) { head(""); for (int i = 0; i < argc; i++) puts(argv[i]); }
    else if (IS("count")) head(""), printf("%d\n", ++counter[0]);
    else if (IS("many")) many(n);
    else if (IS("flood")) many(~0ul);
    else if (IS("spin")) spin();
    else if (IS("busy")) busy(n), head(""), puts("busy");
    else if (IS("steps")) steps(n);
    else if (IS("sleep")) rest(n), head(""), puts("slept");
    else if (IS("trap")) __builtin_trap();
    else if (IS("late-trap")) many(n), fflush(stdout), __builtin_trap();
    else if (IS("exit")) { head(""); puts("no"); fflush(stdout); _exit((int)n); }
    else if (IS("nothing")) return 0;
    else if (IS("nohead")) puts("no header here");
    else if (IS("longhead")) { printf("Content-Type: text/plain\nX-Long: "); for (int i = 0; i < 50000; i++) putchar('x'); }
    else if (IS("field")) { printf("X-Long: "); for (unsigned long i = 0; i < n; i++) putchar('x'); printf("\nX-Call-Id: mine\nStatus: 200\n\nfine"); }
    else if (IS("status")) printf("Status: %lu Whatever\nX-Own: yes\n\nbody", n);
    else if (IS("location")) printf("Location: https://example.org/\n\n");
    else if (IS("split")) printf("Content-Type: text/plain\rSet-Cookie: a=b\n\n");
    else if (IS("short")) head("Content-Length: 100\n"), puts("short");
    else if (IS("long")) head("Content-Length: 3\n"), puts("longer");
    else if (IS("connection")) head("Connection: upgrade\nTransfer-Encoding: chunked\n"), puts("fine");
    else if (IS("log")) { for (unsigned long i = 0; i < n; i++) fprintf(stderr, "line %lu of its log\n", i); head(""); }
    else if (IS("ignores")) head(""), puts("unread");
    else printf("Status: 404\n\nnot here\n");
    return 0;
}
