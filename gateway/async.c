/* Asynchronous calls.  The request is one invocation, which only reads the body and answers 202;
 * the work is another, which has a copy of what was asked and leaves its answer with the calls'
 * results.  Its id is always a new one: who knows it can read the result. */
#include <string.h>

#include "gateway/arrivals.h"
#include "gateway/worker_state.h"

/* An answer may be its request's end at once, which is not to end it a second time: hence the
 * phase. */
static void refuse(Invocation *i, Outcome outcome, unsigned status, const char *why)
{
    i->phase = PHASE_ENDING;
    invocation_refuse(i, outcome, status, why);
    invocation_end(i);
}

/* What an accepted call's request is told. */
static void accept_call(Invocation *i)
{
    static const char calls[] = "/_/calls/";
    char location[sizeof calls + CALL_ID_BYTES];
    memcpy(location, calls, sizeof calls);
    memcpy(location + sizeof calls - 1, i->call_id, CALL_ID_BYTES);
    const HttpField fields[] = {{text_of("Location"), text_of(location)},
                                {text_of("Preference-Applied"), text_of("respond-async")},
                                {text_of("Content-Type"), text_of("text/plain; charset=utf-8")}};
    char text[CALL_ID_BYTES + 1];
    memcpy(text, i->call_id, CALL_ID_BYTES - 1);
    memcpy(text + CALL_ID_BYTES - 1, "\n", 2);
    function_drop(i->worker, i->function); /* the work is counted, and not this */
    i->function = NULL;
    i->phase = PHASE_ENDING;
    invocation_answer(i, 202, fields, 3, text, CALL_ID_BYTES);
    invocation_end(i);
}

static void begin_work(Invocation *i)
{
    Worker *w = i->worker;
    if (!w->calls) {
        refuse(i, OUTCOME_SHED, 503, "there is nowhere to keep results");
        return;
    }
    call_id_new(i->call_id);
    fnvm_error *error = calls_begin(w->calls, i->call_id);
    if (error) {
        const bool many = fnvm_error_code(error) == FNVM_E_LIMIT;
        fnvm_error_free(error);
        refuse(i, OUTCOME_SHED, many ? 429 : 503,
               many ? "too many calls are at work" : "results cannot be kept");
        return;
    }
    i->head.has_length = true;
    i->head.length = i->body.len;
    Invocation *work = invocation_detached(w, i->table, i->index, &i->head, i->body.at, i->body.len,
                                           ASKED_BY_NOBODY, UINT64_MAX);
    if (!work) {
        fnvm_error_free(calls_finish(w->calls, i->call_id, 503, NULL, 0, NULL, 0));
        refuse(i, OUTCOME_FAILED, 503, "there is no memory for the call");
        return;
    }
    memcpy(work->call_id, i->call_id, CALL_ID_BYTES);
    work->held = i->held;
    i->held = 0;
    accept_call(i);
    invocation_submit(work);
}

static const char too_much[] = "too much is kept for asynchronous calls";

void async_start(Invocation *i)
{
    i->phase = PHASE_COLLECTING;
    /* All of it at once where that is known: many that come together would else stop one another
     * half way. */
    if (i->head.has_length && !invocation_hold(i, i->head.length))
        refuse(i, OUTCOME_SHED, 503, too_much);
    else async_collect(i);
}

void async_collect(Invocation *i)
{
    enum { PIECE = 16384 };
    for (;;) {
        if (!text_reserve(&i->body, PIECE)) {
            refuse(i, OUTCOME_FAILED, 503, "there is no memory for the body");
            return;
        }
        size_t n = 0;
        switch (http_read(i->request, i->body.at + i->body.len, i->body.room - i->body.len, &n)) {
        case HTTP_READ_SOME:
            i->body.len += n;
            i->bytes_in += n;
            if (i->collects || i->body.len <= i->held || invocation_hold(i, i->body.len - i->held)) break;
            refuse(i, OUTCOME_SHED, 503, too_much);
            return;
        case HTTP_READ_END:
            if (i->collects) invocation_collected(i);
            else begin_work(i);
            return;
        case HTTP_READ_LATER:
        case HTTP_READ_FAILED: return; /* invocation_gone follows */
        }
    }
}

void async_result(Invocation *i, HttpText id)
{
    Worker *w = i->worker;
    CallResult result;
    char text[CALL_ID_BYTES];
    if (!w->calls || !call_id_ok(id)) {
        refuse(i, OUTCOME_OK, 404, "there is no such call");
        return;
    }
    memcpy(text, id.at, CALL_ID_BYTES - 1);
    text[CALL_ID_BYTES - 1] = 0;
    fnvm_error *error = calls_find(w->calls, text, &result);
    if (error) {
        fnvm_error_free(error);
        refuse(i, OUTCOME_OK, 500, "the result cannot be read");
        return;
    }
    const HttpField retry = {text_of("Retry-After"), text_of("1")};
    switch (result.state) {
    case CALL_UNKNOWN: invocation_refuse(i, OUTCOME_OK, 404, "there is no such call"); break;
    case CALL_LOST: invocation_refuse(i, OUTCOME_OK, 500, "the call was lost"); break;
    case CALL_PENDING: invocation_answer(i, 202, &retry, 1, NULL, 0); break;
    case CALL_DONE:
        if (result.nfields > TUNE_ANSWER_FIELDS) result.nfields = TUNE_ANSWER_FIELDS;
        invocation_answer(i, result.status, result.fields, result.nfields, result.body.at,
                          result.body.len);
        break;
    }
    call_result_free(&result);
    invocation_end(i);
}
