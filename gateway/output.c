/* What a guest writes gathers in one buffer: the header to begin with, and as much of the body
 * as fits.  A guest that ends before it is full is answered with one call, and its length is
 * known.  Else, or when the guest waits or has run on without the loop, the answer begins, and
 * the buffer is what the connection has not taken. */
#include <string.h>

#include "gateway/answer.h"
#include "gateway/worker_state.h"

static Protocol protocol(const Invocation *i) { return i->function->settings->protocol; }

static bool head_known(const Invocation *i)
{
    return i->head_end != 0 || protocol(i) == PROTOCOL_HANDLER || protocol(i) == PROTOCOL_FAASM;
}

/* An answer to a request that has not arrived as a whole cannot be sent yet.  Its guest might
 * read the rest only when it has written, so its answer waits here, however long (up to
 * `answer`). */
static bool may_send(const Invocation *i)
{
    return i->asker == ASKED_BY_HTTP && i->request && http_body_arrived(i->request);
}

static bool has_no_body(const Invocation *i, unsigned status)
{
    return status == 204 || status == 304 || text_is(i->head.method, "head");
}

void output_reset(Invocation *i)
{
    enum { KEPT = TUNE_ANSWER_BYTES };
    if (i->out.room > KEPT) text_free(&i->out);
    if (i->answer_fields.room > KEPT) text_free(&i->answer_fields);
    text_clear(&i->out);
    text_clear(&i->answer_fields);
    i->out_at = i->out_seen = i->head_end = i->nanswer_fields = 0;
    i->begun = i->finished = false;
    i->body_bytes = 0;
    i->length = UINT64_MAX;
    i->status = 0;
}

/* ---- Its header ---- */

/* Those that fnvm:request was given; they are well-formed. */
static void handler_head(const Invocation *i, AnswerHead *head)
{
    const char *at = i->answer_fields.at;
    head->status = i->status ? i->status : 200;
    head->length = UINT64_MAX;
    head->nfields = 0;
    for (size_t n = 0; n < i->nanswer_fields; n++) {
        const HttpText name = text_of(at), value = text_of(name.at + name.len + 1);
        at = value.at + value.len + 1;
        head->fields[head->nfields++] = (HttpField){name, value};
    }
}

static void faasm_head(AnswerHead *head)
{
    head->status = 200;
    head->length = UINT64_MAX;
    head->fields[0] = (HttpField){text_of("Content-Type"), text_of("application/octet-stream")};
    head->nfields = 1;
}

static const char *read_head(const Invocation *i, AnswerHead *head)
{
    if (protocol(i) == PROTOCOL_FAASM) {
        faasm_head(head);
        return NULL;
    }
    if (protocol(i) == PROTOCOL_HANDLER) {
        handler_head(i, head);
        return NULL;
    }
    if (!i->head_end) return "it ended without a header and an empty line";
    return answer_head_parse(i->out.at, i->head_end, protocol(i) == PROTOCOL_HTTP, head);
}

/* Takes the connection's part of what is pending. */
static void push(Invocation *i)
{
    while (i->out_at < i->out.len) {
        const size_t n = http_write(i->request, i->out.at + i->out_at, i->out.len - i->out_at);
        i->out_at += n;
        i->bytes_out += n;
        if (i->out_at < i->out.len) return;
    }
    text_clear(&i->out);
    i->out_at = 0;
}

/* False: the header is no header, which is said when the guest has ended.  `whole`: it has, so
 * that the length of an answer to HEAD is known. */
static bool begin(Invocation *i, bool whole)
{
    AnswerHead head;
    if (read_head(i, &head)) return false;
    HttpField fields[TUNE_ANSWER_FIELDS + 1];
    memcpy(fields, head.fields, head.nfields * sizeof *fields);
    fields[head.nfields] = (HttpField){text_of("X-Call-Id"), text_of(i->call_id)};
    const bool of_head = head.status != 204 && head.status != 304;
    i->length = head.length;
    if (has_no_body(i, head.status) && head.length == UINT64_MAX)
        i->length = whole && of_head ? i->out.len - i->head_end : 0;
    if (!http_begin(i->request, head.status, fields, head.nfields + 1, i->length)) return false;
    i->status = head.status;
    i->begun = true;
    i->out_at = i->head_end;
    if (has_no_body(i, head.status)) i->out.len = i->out_at;
    else if (i->out.len - i->out_at > i->length) i->out.len = i->out_at + (size_t)i->length;
    push(i);
    return true;
}

void output_flush(Invocation *i)
{
    if (!may_send(i)) return;
    if (i->begun) {
        push(i);
        return;
    }
    if (head_known(i) && i->out.len > i->head_end && !http_answered(i->request)) begin(i, false);
}

/* ---- The guest writes ---- */

static fnvm_error *too_much(Invocation *i)
{
    i->stop = STOP_ANSWER_BYTES;
    return fnvm_error_new(FNVM_E_LIMIT, "its answer is larger than the %llu bytes of `answer`",
                          (unsigned long long)i->function->settings->answer_bytes);
}

/* Into the buffer: how much, 0 if it is full. */
static size_t gather(Invocation *i, const char *from, size_t size)
{
    const uint64_t body_room = may_send(i) ? 0 : i->function->settings->answer_bytes;
    const uint64_t most = TUNE_ANSWER_BYTES + (head_known(i) ? body_room : 0);
    if (i->out.len >= most) return 0;
    if (size > most - i->out.len) size = (size_t)(most - i->out.len);
    const size_t before = i->out.len;
    text_add(&i->out, from, size);
    if (i->out.len == before) return 0;
    if (!head_known(i)) i->head_end = answer_head_end(i->out.at, i->out.len, &i->out_seen);
    if (head_known(i)) i->body_bytes = i->out.len - i->head_end;
    return size;
}

static fnvm_error *stream(Invocation *i, fnvm_caller *caller, const void *from, size_t size,
                          size_t *done)
{
    if (i->out_at < i->out.len) push(i);
    if (i->out_at < i->out.len) return fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
    const bool ignored = has_no_body(i, i->status);
    const uint64_t left = ignored || i->body_bytes > i->length ? 0 : i->length - i->body_bytes;
    const size_t wanted = size < left ? size : (size_t)left;
    size_t n = wanted ? http_write(i->request, from, wanted)
                      : size; /* beyond its announced length: nowhere */
    if (n == 0) return fnvm_caller_suspend(caller, FNVM_WAKE_REPEAT);
    if (wanted) {
        i->body_bytes += n;
        i->bytes_out += n;
    }
    *done = n;
    return NULL;
}

fnvm_error *invocation_write(Invocation *i, fnvm_caller *caller, const void *from, size_t size,
                             size_t *done)
{
    *done = 0;
    if (i->stop || (i->asker == ASKED_BY_HTTP && !i->request))
        return fnvm_error_new(FNVM_E_IO, "nobody waits for the answer");
    if (size == 0) return NULL;
    if (!i->begun) *done = gather(i, from, size);
    if (i->body_bytes > i->function->settings->answer_bytes) return too_much(i);
    if (*done) return NULL;
    if (!i->begun && i->out.failed)
        return fnvm_error_new(FNVM_E_MEMORY, "no memory for the answer");
    if (!i->begun && head_known(i) && !may_send(i)) return too_much(i);
    if (!i->begun && !begin(i, false)) {
        i->stop = STOP_ANSWER_HEAD;
        return fnvm_error_new(FNVM_E_LIMIT, "its answer has no valid header within %d bytes",
                              TUNE_ANSWER_BYTES);
    }
    fnvm_error *error = stream(i, caller, from, size, done);
    if (!error && i->body_bytes > i->function->settings->answer_bytes) return too_much(i);
    return error;
}

/* ---- The guest has ended ---- */

fnvm_error *output_take(Invocation *i)
{
    const Place *p = i->place;
    if (p->output_len > i->function->settings->answer_bytes) return too_much(i);
    text_add(&i->out, p->output, p->output_len);
    return i->out.failed ? fnvm_error_new(FNVM_E_MEMORY, "no memory for the answer") : NULL;
}

static void finish_stream(Invocation *i)
{
    push(i);
    if (i->out_at < i->out.len) return; /* `ready` comes */
    if (i->length != UINT64_MAX && i->body_bytes < i->length && !has_no_body(i, i->status)) {
        i->outcome = OUTCOME_BAD_ANSWER;
        http_abort(i->request);
    } else {
        http_end(i->request);
    }
    i->finished = true;
}

static void bad_answer(Invocation *i, const char *wrong)
{
    fnvm_error *error =
        fnvm_error_new(FNVM_E_MALFORMED, "the function's answer is not valid: %s", wrong);
    metrics_error(i->worker->start.metrics, i->worker->start.number, i->function->settings->slot,
                  i->call_id, error);
    fnvm_error_free(error);
    invocation_refuse(i, OUTCOME_BAD_ANSWER, 502, "the function's answer is not valid");
}

void output_finish(Invocation *i)
{
    if (i->begun) {
        if (i->request && !i->finished) finish_stream(i);
        return;
    }
    AnswerHead head;
    const char *wrong = read_head(i, &head);
    const size_t len = wrong ? 0 : i->out.len - i->head_end;
    const bool no_body = !wrong && has_no_body(i, head.status);
    if (!wrong && !no_body && head.length != UINT64_MAX && head.length > len)
        wrong = "it is shorter than its Content-Length says";
    if (wrong) {
        bad_answer(i, wrong);
        return;
    }
    if (no_body && i->request && begin(i, true)) {
        finish_stream(i);
        return;
    }
    const size_t most = head.length < len ? (size_t)head.length : len;
    invocation_answer(i, head.status, head.fields, head.nfields,
                      i->out.at ? i->out.at + i->head_end : "", no_body ? 0 : most);
}
