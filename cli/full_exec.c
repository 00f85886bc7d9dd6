/* The full program lies beside this one, or in libexec where both are installed. */
#include "cli/full.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/errors.h"

static const char *const places[] = {"fnvm-full", "../libexec/fnvm/fnvm-full"};

int full_exec(int argc, char **argv)
{
    char own[4096];
    (void)argc;
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    if (n < 0) n = 0;
    own[n] = 0;
    char *slash = strrchr(own, '/');
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        char *path;
        if (asprintf(&path, "%.*s/%s", (int)(slash - own), own, places[i]) < 0) break;
        execv(path, argv);
        free(path);
    }
    fprintf(stderr, "Error: cannot start fnvm-full, which this command needs: %s; it lies beside fnvm, or in "
            "../libexec/fnvm\n", strerror(errno));
    return STATUS_FAILED;
}

/* Commands that are only in the full program; `argv` is that of main without its first. */
int command_serve(int argc, char **argv) { return full_exec(argc + 1, argv - 1); }
int command_deploy(int argc, char **argv) { return full_exec(argc + 1, argv - 1); }
int command_gateway(int argc, char **argv) { return full_exec(argc + 1, argv - 1); }
