/* The code cache: compiled code of modules on disk, for the next process to start with.
 *
 * A directory of the user's own, one file per module and engine.  A file is found by what all of
 * the module's code depends on, and counts only if it was made of the very bytes of the functions
 * in it; see jit/cache_file.h.  Whatever is wrong with the directory or a file, the answer is to
 * compile as if they were not there. */
#ifndef FNVM_JIT_CACHE_H
#define FNVM_JIT_CACHE_H

#include "loader/module.h"

typedef struct CodeCache CodeCache; /* an open directory; owned by the engine; any thread */

/* Opens the directory, made with its parents if there is none and `create` says so.  Refused if
 * it is not the user's own or others may write to it. */
fnvm_error *cache_open(const char *directory, bool create, CodeCache **out);
void cache_close(CodeCache *); /* NULL is fine */

/* Gives a new segment the code that the engine's cache has for its module; nothing if there is no
 * cache or no code. */
void cache_load(Module *);
/* Writes the segment's code to the engine's cache if functions were added to what cache_load
 * found; nothing for a module without a segment, or whose code came from a file of its own: that
 * has what starting takes, and the cache would have all of it again.  Before the module's bytes and
 * segment go. */
void cache_save(const Module *);

/* ---- Looking into a cache ---- */

typedef enum CacheState {
    CACHE_CURRENT,
    CACHE_OTHER_ENGINE, /* of another version of the engine, or for another machine */
    CACHE_DAMAGED
} CacheState;

typedef struct CacheEntry {
    const char *key;    /* 64 hexadecimal digits: the file's name */
    const char *path;   /* of the module when the file was written; made up by anybody; may be "" */
    uint64_t size;      /* bytes of the file */
    uint32_t nfuncs;
    int64_t used;       /* last use, to the hour; seconds since 1970 */
    CacheState state;   /* CACHE_DAMAGED: path and nfuncs say nothing */
} CacheEntry;

/* Calls `fn` for every file, those used last first. */
fnvm_error *cache_each(const CodeCache *, void (*fn)(void *env, const CacheEntry *), void *env);
/* Removes every file; says how many they were, and their bytes. */
fnvm_error *cache_clear(const CodeCache *, size_t *files, uint64_t *bytes);

#endif
