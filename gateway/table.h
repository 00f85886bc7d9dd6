/* What a worker serves at a time: a configuration with its functions open.  Made by the control
 * thread, swapped in with the token; the one before stays until its last request has ended. */
#ifndef FNVM_GATEWAY_TABLE_H
#define FNVM_GATEWAY_TABLE_H

#include "gateway/function.h"

typedef struct Table Table;
struct Table {
    SharedConfig *config;
    uint32_t uses;             /* invocations, and one while it is the worker's */
    size_t nfunctions;
    Opened **functions;        /* as the configuration's; NULL: not installed yet */
    Table *next_dead;
};

/* Takes `config`.  What `before` (may be NULL) has open already is used again. */
fnvm_error *table_open(Worker *, Config *config, const Table *before, Table **out);
/* The function as `before` (may be NULL) has it open, if that is as it should be; or NULL. */
Opened *table_still_open(const Table *before, const Config *, const Function *);
void table_close(Table *);     /* its functions that nobody else uses as well */

#endif
