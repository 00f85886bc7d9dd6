/* Where module bytes come from: a file mapped read-only, or a copy in memory; text is translated
 * to the binary form first. */
#ifndef FNVM_LOADER_SOURCE_H
#define FNVM_LOADER_SOURCE_H

#include "loader/module.h"

enum { SOURCE_MAPPED, SOURCE_MALLOC };

/* Sets m->bytes, len, source and, for a file, m->gate.file.  Binary files are mapped, never copied.  A component, an empty
 * file or anything that is neither a module nor text is refused with a message that says so. */
fnvm_error *source_open_file(Module *m, const char *path);
fnvm_error *source_copy_bytes(Module *m, const void *bytes, size_t len);
/* The binary module that is all of the open file, of `len` bytes. */
fnvm_error *source_map_binary(Module *m, int fd, uint64_t len);
/* Makes bytes that are mapped a copy of the module's own: what somebody writes to the file from now on
 * does not show in it.  Only before anything points into them. */
fnvm_error *source_own(Module *m);
void source_close(Module *m);

#endif
