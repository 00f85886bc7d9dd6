/* The commands: each takes the arguments from its own name on and returns an exit status. */
#ifndef FNVM_CLI_COMMANDS_H
#define FNVM_CLI_COMMANDS_H

#include "cli/options.h"

int command_run(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_wat(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_disasm(int argc, char **argv);
int command_cache(int argc, char **argv);
int command_snapshot(int argc, char **argv);
int command_policy(int argc, char **argv);
int command_approve(int argc, char **argv);
int command_approvals(int argc, char **argv);
int command_revoke(int argc, char **argv);
int command_measure(int argc, char **argv);
int command_keygen(int argc, char **argv);
int command_install(int argc, char **argv);
int command_update(int argc, char **argv);
int command_uninstall(int argc, char **argv);
int command_repair(int argc, char **argv);
int command_installed(int argc, char **argv);
/* In the full program; the other one starts that in its place. */
int command_serve(int argc, char **argv);
int command_deploy(int argc, char **argv);
int command_gateway(int argc, char **argv);

/* `fnvm inspect` of an image; returns the status to end with. */
int inspect_image(const char *file, bool as_json);
/* A line about an image that was just written and its code, on standard error; `records` is the
 * directory where it was noted as ours, or NULL. */
void image_summary(const char *file, const char *records);

/* The help of one command, or of the whole for NULL, on standard output; returns 0. */
int help_print(const char *command);

/* Loads FILE, or standard input for "-".  On failure prints the error as `what` FILE and returns
 * the status to end with, else -1. */
int module_open(fnvm_engine *, const char *file, const char *what, fnvm_module **out);

/* The code cache's directory: what --cache says (NULL: nothing), else FNVM_CACHE_DIR, else the
 * usual place below HOME; malloc'd, NULL: none.  `by_name`: one of the first two named it. */
char *cache_directory(const char *option, bool *by_name);

/* A folder's function.yaml, malloc'd; NULL: it is no folder, or has none. */
char *folder_manifest(const char *path);

/* Whether a file begins as images do; false for "-", and for what cannot be read. */
bool file_is_image(const char *file);

/* All of a file or of standard input ("-"), malloc'd. */
fnvm_error *file_read(const char *file, char **bytes, size_t *len);

#endif
