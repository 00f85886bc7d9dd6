/* fnvm/request.h - for guests in C: functions that are called once per request.
 *
 *     FNVM_HANDLER
 *     {
 *         char name[64] = "world";
 *         fnvm_request_query(name, sizeof name);
 *         fnvm_answer_field("Content-Type", "text/plain");
 *         fnvm_answer_print("hello, ");
 *         fnvm_answer_print(name);
 *     }
 *
 * The module exports `fnvm_handle`, by FNVM_HANDLER, and is started before the first request
 * (constructors, or an `_initialize`).  The answer is what it wrote when it returns: 200 unless
 * it said otherwise.  Fields and the status come before the first byte of the body; later they
 * are FNVM_INVALID.  Outside of a request all of it is FNVM_UNAVAILABLE. */
#ifndef FNVM_REQUEST_H
#define FNVM_REQUEST_H

#include <stdint.h>
#include <string.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FNVM_IMPORT(name) __attribute__((import_module("fnvm:request"), import_name(name)))

#define FNVM_HANDLER                                                    \
    __attribute__((export_name("fnvm_handle"))) void fnvm_handle(void); \
    void fnvm_handle(void)

enum {
    FNVM_PART_METHOD,
    FNVM_PART_TARGET,
    FNVM_PART_PATH,
    FNVM_PART_QUERY,
    FNVM_PART_HOST,
    FNVM_PART_PEER,
    FNVM_PART_ID,
    FNVM_PART_FIELDS,
    FNVM_PART_FIELD,
    FNVM_PART_SECRET
};

/* `name` is that of a field or secret, else nothing. */
FNVM_IMPORT("part")
int32_t fnvm_request_part(int32_t part, const char *name, uint32_t name_len, uint32_t offset,
                          void *to, uint32_t size, uint32_t *len);
/* At most `size` bytes of the body; *done 0: that was all. */
FNVM_IMPORT("read") int32_t fnvm_request_read(void *to, uint32_t size, uint32_t *done);
FNVM_IMPORT("status") int32_t fnvm_answer_status(uint32_t status); /* 200 to 599 */
FNVM_IMPORT("field")
int32_t fnvm_answer_field_bytes(const char *name, uint32_t name_len, const char *value,
                                uint32_t value_len);
/* *done may be less than `len`: go on with the rest. */
FNVM_IMPORT("write") int32_t fnvm_answer_write_some(const void *from, uint32_t len, uint32_t *done);

/* A part as a string: cut to size - 1 bytes, with a NUL behind it.  Returns its whole length, or
 * a status; then `to` stays as it is. */
static inline int32_t fnvm_request_text(int32_t part, const char *name, char *to, uint32_t size)
{
    uint32_t len = 0;
    int32_t status =
        fnvm_request_part(part, name, (uint32_t)strlen(name), 0, to, size ? size - 1 : 0, &len);
    if (status < 0) return status;
    if (size) to[len < size ? len : size - 1] = '\0';
    return (int32_t)len;
}

static inline int32_t fnvm_request_method(char *to, uint32_t size)
{
    return fnvm_request_text(FNVM_PART_METHOD, "", to, size);
}

static inline int32_t fnvm_request_path(char *to, uint32_t size) /* behind what the route names */
{
    return fnvm_request_text(FNVM_PART_PATH, "", to, size);
}

static inline int32_t fnvm_request_query(char *to, uint32_t size)
{
    return fnvm_request_text(FNVM_PART_QUERY, "", to, size);
}

static inline int32_t fnvm_request_field(const char *name, char *to, uint32_t size)
{
    return fnvm_request_text(FNVM_PART_FIELD, name, to, size);
}

static inline int32_t fnvm_request_secret(const char *name, char *to, uint32_t size)
{
    return fnvm_request_text(FNVM_PART_SECRET, name, to, size);
}

static inline int32_t fnvm_request_id(char *to, uint32_t size)
{
    return fnvm_request_text(FNVM_PART_ID, "", to, size);
}

static inline int32_t fnvm_answer_field(const char *name, const char *value)
{
    return fnvm_answer_field_bytes(name, (uint32_t)strlen(name), value, (uint32_t)strlen(value));
}

/* All of it. */
static inline int32_t fnvm_answer_write(const void *from, uint32_t len)
{
    const char *at = (const char *)from;
    while (len) {
        uint32_t done = 0;
        int32_t status = fnvm_answer_write_some(at, len, &done);
        if (status < 0) return status;
        if (done == 0) return FNVM_FAILED;
        at += done;
        len -= done;
    }
    return FNVM_OK;
}

static inline int32_t fnvm_answer_print(const char *text)
{
    return fnvm_answer_write(text, (uint32_t)strlen(text));
}

#undef FNVM_IMPORT

#ifdef __cplusplus
}
#endif
#endif
