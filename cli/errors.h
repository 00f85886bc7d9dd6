/* What the command prints when something fails, and the status it ends with.
 *
 * Everything goes to standard error.  Text that comes from a module (names, messages) is escaped,
 * so that a module cannot drive the terminal. */
#ifndef FNVM_CLI_ERRORS_H
#define FNVM_CLI_ERRORS_H

#include "fnvm.h"
#include "vm/nearest.h"

/* Exit statuses; 0 to 255 from the guest itself are passed on as they are. */
enum {
    STATUS_OK = 0,
    STATUS_FAILED = 1,      /* a module that cannot be loaded, verified or linked */
    STATUS_USAGE = 2,       /* the command line is wrong */
    STATUS_REFUSED = 126,   /* a limit, a policy or a missing approval refuses the module */
    STATUS_NOT_FOUND = 127, /* the file does not exist */
    STATUS_SIGNAL = 128,    /* plus the signal's number: 130 for SIGINT, 143 for SIGTERM */
    STATUS_TRAP = 134       /* the guest trapped, ran out of fuel or time, or threw */
};

/* Prints "Error: what", the chain of causes, the guest's backtrace and the trap, if any; returns
 * the status that belongs to the error.  Frees the error. */
int error_report(fnvm_error *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "Error: ..." for mistakes on the command line, and where to read more; returns STATUS_USAGE. */
int error_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What getopt found wrong: ':' (no value) or '?' (no such option), about argv[at]. */
int error_option(const char *command, int found, const char *text);

/* "Warning: ...", on a line of its own. */
void error_warn(const char *message);

/* Writes text that a module may have made up, with control characters as \xNN. */
void print_escaped(FILE *, const char *text, size_t len);

#endif
