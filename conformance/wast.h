/* `fnvm wast`: runs scripts of the official suite's format. */
#ifndef FNVM_CONFORMANCE_WAST_H
#define FNVM_CONFORMANCE_WAST_H

/* Arguments from the command's own name on.  Prints each command that failed or could not be
 * tried, then `N passed, N failed, N skipped`; returns 0 if none failed, 1, or 2 for usage. */
int wast_main(int argc, char **argv);

#endif
