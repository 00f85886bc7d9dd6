/* Files of a depot that are named or known by the hash of their bytes: modules, in objects/HEX.wasm,
 * and whatever else belongs to an installed version.
 *
 * A module that is there and whole is never replaced, since its identity (standing.h) is what starts
 * are allowed by; one that is damaged is, by the next one who has the same bytes.  Any number of
 * processes at a time.  The caller holds the depot's `pending` while what he adds belongs to nothing. */
#ifndef FNVM_VERIFIER_APPROVAL_OBJECTS_H
#define FNVM_VERIFIER_APPROVAL_OBJECTS_H

#include <sys/stat.h>

#include "fnvm.h"

/* All of a module's file; text is translated.  *bytes is freed with free(). */
fnvm_error *object_read(const char *file, uint8_t **bytes, size_t *len);
void object_hash(const void *bytes, size_t len, uint8_t hash[32]);

typedef struct Object {        /* zero: none; freed by object_free */
    char *path;
    uint8_t hash[32];
    struct stat stat;          /* of the file under its name */
} Object;

/* Durable when it returns. */
fnvm_error *object_add(const char *depot, const void *bytes, size_t len, Object *out);
void object_free(Object *);
/* malloc'd; NULL: no memory. */
char *object_path(const char *depot, const uint8_t hash[32]);

/* ---- Any file with a hash ---- */

typedef enum FileState { FILE_WHOLE, FILE_MISSING, FILE_CHANGED } FileState;

/* Reads it all.  What cannot be read, or is no regular file, is FILE_CHANGED.  *stat is what it was
 * when it had this hash. */
fnvm_error *file_compare(const char *path, const uint8_t hash[32], FileState *out,
                         struct stat *stat);
/* Hash and identity of a file that is there; *found: it is. */
fnvm_error *file_identify(const char *path, uint8_t hash[32], struct stat *stat, bool *found);
/* Written whole (vm/image/file.h), durably. */
fnvm_error *file_put(const char *path, const void *bytes, size_t len, struct stat *stat);
/* An existing directory is fine. */
fnvm_error *directory_make(const char *path);
/* Removes a directory with the files in it, and nothing in directories below; none is fine.  False:
 * something is left. */
bool directory_remove(int at, const char *path);

#endif
