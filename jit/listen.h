/* Who is told of compiled code: profilers and debuggers, which give it names.  With nobody
 * listening it costs a test per compiled function. */
#ifndef FNVM_JIT_LISTEN_H
#define FNVM_JIT_LISTEN_H

#include "jit/segment.h"

/* Calls come from any thread that compiles, for different modules at the same time. */
typedef struct CodeListener {
    struct CodeListener *next;
    /* A function is about to be called; its code stays what and where it is.  The segment's lock is
     * held. */
    void (*published)(struct CodeListener *, const Module *, uint32_t func, const uint8_t *code,
                      uint32_t size);
    /* All code of the module goes; its addresses will be others'.  May be NULL. */
    void (*withdrawn)(struct CodeListener *, const Module *);
    void (*close)(struct CodeListener *); /* the engine goes: frees the listener */
    bool describes_frames; /* a debugger learns from it how compiled frames are unwound */
} CodeListener;

/* Gives the listener to the engine, which has no modules yet. */
void code_listen(fnvm_engine *, CodeListener *);
void code_unlisten_all(fnvm_engine *);

/* Told by those who publish code and who free it, if engine->listeners is not NULL. */
void code_published(const Module *, uint32_t func, const uint8_t *code, uint32_t size);
void code_withdrawn(const Module *);

/* Whether debuggers can walk from the host's frames into those of this engine's code. */
bool code_frames_described(const fnvm_engine *);

/* "module!function" as backtraces have it, on one line whatever the module's names are; like
 * snprintf. */
size_t code_symbol(const Module *, uint32_t func, char *text, size_t size);

#endif
