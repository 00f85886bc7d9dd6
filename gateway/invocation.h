/* One request in one function, from its arrival to the last byte of its answer.  Everything here
 * wants the loop's token.
 *
 * Two lives that end separately: the guest's (PHASE_ENDED), and that of whoever asked (`request`
 * for HTTP).  When both have ended the invocation is counted, logged and kept for another. */
#ifndef FNVM_GATEWAY_INVOCATION_H
#define FNVM_GATEWAY_INVOCATION_H

#include "gateway/calls.h"
#include "gateway/head.h"
#include "gateway/loop.h"
#include "gateway/table.h"
#include "gateway/timers.h"
#include "gateway/trace.h"
#include "gateway/tunables.h"

typedef enum Phase {
    PHASE_COLLECTING, /* the body, before an asynchronous call is accepted, or a guest of PROTOCOL_FAASM begins */
    PHASE_QUEUED,     /* no place is left in its function */
    PHASE_READY,      /* among the loop's jobs: to be started, or to go on */
    PHASE_RUNNING,
    PHASE_WAITING,    /* suspended; invocation_wake makes it ready */
    PHASE_ENDING,     /* no guest yet or any more, and it is about to be answered */
    PHASE_ENDED       /* it was; the answer may still be on its way */
} Phase;

typedef enum Asker {
    ASKED_BY_HTTP,
    ASKED_BY_CALL,    /* another function: `task` */
    ASKED_BY_NOBODY   /* asynchronous: the answer goes to the calls' results */
} Asker;

typedef enum Stop {   /* why the guest is not to go on */
    STOP_NOT, STOP_TIMEOUT, STOP_CUT, STOP_DRAIN, STOP_DROPPED, STOP_ANSWER_BYTES, STOP_ANSWER_HEAD
} Stop;

typedef struct Task Task; /* a call that a guest made: calls_local.c */

struct Invocation {
    LoopJob job;               /* first: the loop has pointers to it */
    Worker *worker;
    Invocation *prev, *next;   /* all that have not ended, or all that are kept */
    Invocation *next_queued;
    Table *table;
    Opened *function;          /* NULL: answered without one */
    uint32_t index;            /* the function's, in the table */
    Place *place;
    Runner *runner;            /* while it runs */
    Phase phase;
    Asker asker;
    Stop stop;
    bool started;              /* the guest was called; it is gone on with from now */
    bool storing;              /* it has ended well, and what it left is stored */
    bool woken;                /* while it ran */
    bool admitted;             /* it has places in the metrics */
    bool owned;                /* head's texts are in `copies`, not the request's */
    bool counted, log_full, unlogged;
    bool collects;             /* once it has its function's place, its body, and then it begins */

    HttpRequest *request;      /* NULL: gone, or there was none */
    Task *task;                /* ASKED_BY_CALL; NULL: dropped */
    Task *tasks;               /* the calls that it made */
    uint32_t ntasks, depth;    /* depth: callers above it */
    char chained[12];          /* "#N": of its function's table, instead of its export; or "" */
    int64_t last_task;

    Head head;
    Text fields;               /* HttpField[], what head.fields points to */
    Text copies;               /* the head's texts where there is no request */
    Text scratch;              /* the head in the protocol's form */
    Text told;                 /* its fields for fnvm:request */
    char call_id[CALL_ID_BYTES], traceparent[TRACE_PARENT_LEN + 1];

    const char *input;         /* before the body, in `scratch` */
    size_t input_left;
    Text body;                 /* of those without a request, and what was collected */
    size_t body_at;
    uint64_t held;             /* of Worker.held */

    Text out;                  /* what the guest wrote, head included, as far as it is not sent */
    size_t out_at, out_seen;
    size_t head_end;           /* where the body begins in `out`, 0: not known yet */
    bool begun;                /* http_begin was called: `out` has only body, from out_at */
    bool finished;             /* http_end or http_abort was */
    uint64_t body_bytes;       /* of the answer, written so far */
    uint64_t length;           /* of it as announced; UINT64_MAX: not */
    unsigned status;
    Text answer_fields;        /* "name NUL value NUL" of PROTOCOL_HANDLER */
    size_t nanswer_fields;

    char line[TUNE_LOG_LINE];  /* of standard error, until its end is there */
    size_t line_len;
    uint64_t log_used;

    int32_t result;            /* of what was called: other than 0 is a failure */
    Timer deadline, sleep;
    Outcome outcome;
    StartKind start;
    uint64_t arrived_ns, start_ns, guest_ns, entered_ns, bytes_in, bytes_out, memory_bytes;
};

/* A fresh one, PHASE_ENDING.  NULL: no memory. */
Invocation *invocation_new(Worker *);
void invocation_free(Invocation *); /* one that is kept */
/* It is of this function from now on; the table and the function are held. */
void invocation_bind(Invocation *, Table *, uint32_t function);
/* One without a request: of a call, or asynchronous.  Head and body are copied; its deadline is
 * that of its function, and never after `most_ns`. */
Invocation *invocation_detached(Worker *, Table *, uint32_t function, const Head *, const void *body,
                                size_t len, Asker, uint64_t most_ns);
/* Admits it, queues it, or answers 429 or 503. */
void invocation_submit(Invocation *);
void invocation_set_deadline(Invocation *, uint64_t at_ns);

void invocation_run(Invocation *, Runner *); /* the loop's job */
void invocation_collected(Invocation *); /* its body is whole now */
void invocation_away(Invocation *);  /* it runs on without the loop: what it has written goes out */
void invocation_wake(Invocation *);  /* what it waited for may be there */
void invocation_gone(Invocation *, bool cut); /* its HTTP request is */
void invocation_stop(Invocation *, Stop);     /* it ends now, or as soon as its thread notices */
/* Has so many bytes more of an asynchronous call count until it ends.  False: too much is kept. */
bool invocation_hold(Invocation *, size_t bytes);
void invocation_own_head(Invocation *);       /* its texts stay when the request goes */

/* Answers it without a guest, or instead of one: a short text with the call's id.  An answer
 * that has begun is broken off.  invocation_end is to follow. */
void invocation_refuse(Invocation *, Outcome, unsigned status, const char *why);
/* With fields of its own; the call's id is added. */
void invocation_answer(Invocation *, unsigned status, const HttpField *, size_t nfields, const void *body,
                       size_t len);
/* It was answered: PHASE_ENDED.  Nothing of it may be touched afterwards. */
void invocation_end(Invocation *);

/* ---- What its guest does, from within host functions and with the token ---- */

fnvm_error *invocation_read(Invocation *, fnvm_caller *, void *to, size_t size, size_t *done);
fnvm_error *invocation_write(Invocation *, fnvm_caller *, const void *from, size_t size, size_t *done);
/* Standard error, or lines of fnvm:log, which are whole. */
void invocation_log(Invocation *, const char *bytes, size_t len);
void invocation_log_line(Invocation *, const char *line, size_t len);

/* ---- Between its files ---- */

/* output.c */
void output_flush(Invocation *);        /* begins the answer, sends what there is */
void output_finish(Invocation *);       /* the guest has ended well; again when there is room for more */
fnvm_error *output_take(Invocation *); /* PROTOCOL_FAASM's, when the guest has ended well */
void output_reset(Invocation *);
/* admission.c */
bool admission_enter(Invocation *);     /* the function's and the tenant's place */
void admission_leave(Invocation *);
bool admission_queue(Invocation *);     /* false: it is full */
void admission_unqueue(Invocation *);
void admission_next(Worker *);          /* those that wait and can be admitted are */
/* calls_local.c */
void calls_drop_all(Invocation *);
void call_finish(Task *, unsigned status, const void *body, size_t len);

#endif
