/* What a program answers on its standard output: a header, an empty line, a body (RFC 3875
 * section 6), or the same after a status line (RFC 9112 section 4).  Lines end in LF or CR LF.
 * The bytes are hostile. */
#ifndef FNVM_GATEWAY_ANSWER_H
#define FNVM_GATEWAY_ANSWER_H

#include "gateway/http.h"
#include "gateway/tunables.h"

typedef struct AnswerHead {
    unsigned status;
    uint64_t length;      /* Content-Length; UINT64_MAX: none */
    size_t nfields;       /* those to be sent; what concerns the connection is left out (RFC 9110 section 7.6.1) */
    HttpField fields[TUNE_ANSWER_FIELDS];
} AnswerHead;

/* Where the body begins: behind the empty line.  0: there is none yet.  *seen is how much of the
 * bytes was looked at before, 0 at first. */
size_t answer_head_end(const char *bytes, size_t len, size_t *seen);

/* Reads the `len` bytes that answer_head_end found.  `status_line`: it may begin with "HTTP/1.1
 * 200 OK"; without one there must be a Content-Type, Location or Status.  NULL, or what is wrong
 * with it, a text that lives for ever.  The fields point into `bytes`. */
const char *answer_head_parse(const char *bytes, size_t len, bool status_line, AnswerHead *out);

bool field_name_ok(HttpText);  /* a token, RFC 9110 section 5.6.2 */
bool field_value_ok(HttpText); /* no control characters but tabs */
bool text_is(HttpText, const char *lower); /* whatever the case of ASCII letters */
bool field_is_hop_by_hop(HttpText name);

#endif
