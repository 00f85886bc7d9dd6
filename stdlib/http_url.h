/* http_url.h - addresses that guests may send requests to: parsing, and lists of what is
 * allowed.
 *
 * A URL is refused where two readers could disagree about it: what is checked here is what the
 * backend connects to.  So: no user names, no fragments, no dot segments however they are
 * escaped, no backslashes, no bytes outside of ASCII, hosts in one spelling, IPv4 addresses as
 * four decimal numbers. */
#ifndef FNVM_STDLIB_HTTP_URL_H
#define FNVM_STDLIB_HTTP_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "fnvm.h"

enum { URL_BYTES = 8192, URL_HOST_BYTES = 255 };

typedef struct Url {
    bool secure;                   /* https */
    bool named;                    /* the host is a name; else an address, or localhost */
    char host[URL_HOST_BYTES + 1]; /* lower case; IPv6 in brackets */
    uint16_t port;                 /* also where it is not written */
    char path[URL_BYTES + 1];      /* as written; begins with '/' */
    char decoded[URL_BYTES + 1];   /* the same, escapes taken once */
    const char *query;
    size_t query_len; /* points into the text, behind the '?'; len 0: none */
} Url;

bool url_parse(const char *text, size_t len, Url *out);
/* As the backend is to have it: "https://host:port/path?query", NUL-terminated; its length. */
size_t url_print(const Url *, char *out, size_t size);

/* SCHEME://HOST[:PORT][/PATH]: HOST may be `*` (any name) or `*.NAME` (any name below it); PATH
 * may end in `*` (what begins so), and is exact without; none is all paths.  Wildcards never
 * stand for addresses or localhost: those are allowed by writing them. */
typedef struct UrlRule {
    bool secure, any_host, below, named, prefix;
    char *host, *path; /* owned */
    uint16_t port;
} UrlRule;

fnvm_error *url_rule_parse(const char *text, UrlRule *out); /* on failure nothing is to be freed */
void url_rule_free(UrlRule *);
bool url_rule_allows(const UrlRule *, const Url *);

/* A field of a header: a token, and text without control characters but tabs. */
bool http_field_valid(const char *name, size_t name_len, const char *value, size_t value_len);
bool http_token_valid(const char *text, size_t len);

#endif
