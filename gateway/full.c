/* This is the full program. */
#include "cli/full.h"

int full_exec(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return -1;
}
