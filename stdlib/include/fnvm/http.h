/* fnvm/http.h - for guests in C: requests to other servers.
 *
 *     int32_t r = fnvm_http_send("GET", 3, url, strlen(url), "Accept: text/plain\r\n", 20, "", 0);
 *     if (r > 0 && fnvm_http_await(r, 5000) == FNVM_OK && fnvm_http_status(r) == 200)
 *         fnvm_http_body(r, 0, buffer, sizeof buffer, &len);
 *     fnvm_http_drop(r);
 *
 * Only to addresses that the host lists for the function: FNVM_DENIED else.  FNVM_INVALID: the
 * URL has a user name, a fragment, dot segments or unusual bytes, or a field is not for guests
 * to set (Host, Content-Length, ...). Redirects are not followed; there are no cookies.  Answers
 * are as the server sent them, whatever the status. */
#ifndef FNVM_HTTP_H
#define FNVM_HTTP_H

#include <stdint.h>
#include <string.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FNVM_IMPORT(name) __attribute__((import_module("fnvm:http"), import_name(name)))

/* A handle, or why there is none.  `fields` is lines of "Name: value\r\n", or nothing. */
FNVM_IMPORT("send")
int32_t
    fnvm_http_send(const char *method, uint32_t method_len, const char *url, uint32_t url_len,
                   const char *fields, uint32_t fields_len, const void *body, uint32_t body_len);
/* As fnvm_call_await and fnvm_call_await_all. */
FNVM_IMPORT("await") int32_t fnvm_http_await(int32_t handle, int64_t timeout_ms);
FNVM_IMPORT("await_all")
int32_t
    fnvm_http_await_all(const int32_t *handles, uint32_t n, int64_t timeout_ms, int32_t *statuses);
/* Of a request that has ended well: 100 to 599. */
FNVM_IMPORT("status") int32_t fnvm_http_status(int32_t handle);
FNVM_IMPORT("fields")
int32_t fnvm_http_fields(int32_t handle, uint32_t offset, void *to, uint32_t size, uint32_t *len);
/* The value of the nth (from 0) field of that name, in any case of letters; or FNVM_NOT_FOUND. */
FNVM_IMPORT("field")
int32_t fnvm_http_field(int32_t handle, const char *name, uint32_t name_len, uint32_t nth, void *to,
                        uint32_t size, uint32_t *len);
FNVM_IMPORT("body")
int32_t fnvm_http_body(int32_t handle, uint32_t offset, void *to, uint32_t size, uint32_t *len);
FNVM_IMPORT("drop") int32_t fnvm_http_drop(int32_t handle);

#undef FNVM_IMPORT

#ifdef __cplusplus
}
#endif
#endif
