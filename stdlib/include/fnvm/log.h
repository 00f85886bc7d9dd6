/* fnvm/log.h - for guests in C: lines of log.
 *
 *     fnvm_log(FNVM_LOG_WARN, "the cache is cold");
 *     fnvm_log_fields(FNVM_LOG_INFO, "stored", "{\"bytes\": 120}");
 *
 * A text is cut after 8,192 bytes.  Fields are one JSON object of at most 8,192 bytes, 16 levels
 * deep; else FNVM_INVALID or FNVM_TOO_LARGE, and nothing is logged.  Lines may hold any bytes. */
#ifndef FNVM_LOG_H
#define FNVM_LOG_H

#include <stdint.h>
#include <string.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FNVM_IMPORT(name) __attribute__((import_module("fnvm:log"), import_name(name)))

enum { FNVM_LOG_DEBUG, FNVM_LOG_INFO, FNVM_LOG_WARN, FNVM_LOG_ERROR };

FNVM_IMPORT("write")
int32_t fnvm_log_write(int32_t level, const char *text, uint32_t len, const char *fields,
                       uint32_t fields_len);

static inline int32_t fnvm_log(int32_t level, const char *text)
{
    return fnvm_log_write(level, text, (uint32_t)strlen(text), "", 0);
}

static inline int32_t fnvm_log_fields(int32_t level, const char *text, const char *fields)
{
    return fnvm_log_write(level, text, (uint32_t)strlen(text), fields, (uint32_t)strlen(fields));
}

#undef FNVM_IMPORT

#ifdef __cplusplus
}
#endif
#endif
