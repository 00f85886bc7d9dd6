/* Files with secrets in them, and writing such files. */
#ifndef FNVM_CLI_SECRET_FILE_H
#define FNVM_CLI_SECRET_FILE_H

#include <sys/types.h>

#include "fnvm.h"

/* Reads all of a file of fewer than `size` bytes; *len is `size` if there is more.  With
 * `is_secret` a file that others than its owner have rights to is refused; pipes are not.  What
 * was read is the caller's to wipe, also after an error. */
fnvm_error *secret_file_read(const char *file, bool is_secret, char *text, size_t size,
                             size_t *len);

/* Writes a file, which must not exist, with this mode, and brings it to disk; at an error there is
 * none. */
fnvm_error *secret_file_new(const char *file, const char *text, size_t len, mode_t mode);

#endif
