/* The program comes twice.  `fnvm` is linked statically where that is possible, since it starts
 * in half the time; `fnvm-full` has the libraries for serving, and can load others.  A command
 * that needs the full one begins with full_exec(). */
#ifndef FNVM_CLI_FULL_H
#define FNVM_CLI_FULL_H

/* Returns -1 where this is the full program already; else goes on in it, with the same
 * arguments.  The exit status, having printed why, if it cannot be started. */
int full_exec(int argc, char **argv);

#endif
