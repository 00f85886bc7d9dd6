/* Asynchronous invocations: a caller is given an id at once (202) and asks for the result with it.
 * Results are files in a directory of the gateway, so every worker can answer for every other, and
 * they survive restarts; they are removed after a time, and there is a ceiling on their number and
 * bytes.
 *
 * Every process opens the directory for itself, once, or has it from before a fork; any thread may
 * call. */
#ifndef FNVM_GATEWAY_CALLS_H
#define FNVM_GATEWAY_CALLS_H

#include "gateway/http.h"

typedef struct Calls Calls;

enum { CALL_ID_BYTES = 37 }; /* an UUID's text and a NUL: random, it is what protects the result */
void call_id_new(char out[CALL_ID_BYTES]);   /* X-Call-Id, of any request; no system call each */
bool call_id_ok(HttpText);

typedef enum CallState { CALL_UNKNOWN, CALL_PENDING, CALL_DONE, CALL_LOST /* its worker is gone, or its
    result could not be kept */ } CallState;

typedef struct CallResult {
    CallState state;
    unsigned status;
    HttpField *fields; size_t nfields; /* all in one malloc'd piece, `memory` */
    HttpText body;
    void *memory;
} CallResult;

/* `results` counts those at work too: there is room for every result that was promised. */
typedef struct CallsLimits { uint64_t keep_ms, bytes; uint32_t pending, results; } CallsLimits;

fnvm_error *calls_open(const char *dir, const CallsLimits *, Calls **out);
void calls_close(Calls *);
/* FNVM_E_LIMIT where there are too many: 429. */
fnvm_error *calls_begin(Calls *, const char *id);
/* Written under another name, then renamed: whoever asks sees all of it or that it is pending.
 * After an error the call is lost. */
fnvm_error *calls_finish(Calls *, const char *id, unsigned status, const HttpField *, size_t nfields,
                         const void *body, size_t len);
/* An error where `id` is none (see call_id_ok), or a file cannot be read.  After success *out is
 * to be freed. */
fnvm_error *calls_find(Calls *, const char *id, CallResult *out);
void call_result_free(CallResult *);
void calls_sweep(Calls *); /* now and then, by the master only: what is too old, calls of the dead */

#endif
