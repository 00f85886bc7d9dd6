/* http_url.c - a strict reader of URLs, and rules about them.  It accepts less than RFC 3986 on
 * purpose. */
#include "stdlib/http_url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vm/error.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static int hex(char c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* ---- Fields ---- */

bool http_token_valid(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_letter(text[i]) && !is_digit(text[i]) &&
            (!text[i] || !strchr("!#$%&'*+-.^_`|~", text[i])))
            return false;
    return len > 0;
}

bool http_field_valid(const char *name, size_t name_len, const char *value, size_t value_len)
{
    for (size_t i = 0; i < value_len; i++)
        if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7F) return false;
    return http_token_valid(name, name_len);
}

/* ---- Hosts ---- */

/* Labels of letters, digits, '-' and '_'; the last has a letter first, so that no spelling of a
 * number is one: "127.1", "0x7f000001" and "2130706433" are addresses to some. */
static bool is_name(const char *host, size_t len)
{
    size_t label = 0;
    for (size_t i = 0; i < len; i++) {
        if (host[i] == '.') {
            if (i == label || i - label > 63) return false;
            label = i + 1;
        } else if (!is_letter(host[i]) && !is_digit(host[i]) && host[i] != '-' && host[i] != '_') {
            return false;
        }
    }
    return label < len && len - label <= 63 && is_letter(host[label]);
}

static bool is_localhost(const char *host)
{
    const size_t len = strlen(host);
    return strcmp(host, "localhost") == 0 ||
           (len > 10 && strcmp(host + len - 10, ".localhost") == 0);
}

/* Lower case, and for addresses the one spelling that the system prints. */
static bool take_host(const char *text, size_t len, char out[URL_HOST_BYTES + 1], bool *named)
{
    unsigned char address[sizeof(struct in6_addr)];
    char copy[URL_HOST_BYTES + 1];
    if (len == 0 || len > URL_HOST_BYTES) return false;
    for (size_t i = 0; i < len; i++) copy[i] = lower(text[i]);
    copy[len] = '\0';
    if (strlen(copy) != len) return false;
    *named = false;
    if (copy[0] == '[') {
        if (copy[len - 1] != ']') return false;
        copy[len - 1] = '\0';
        out[0] = '[';
        if (inet_pton(AF_INET6, copy + 1, address) != 1 ||
            !inet_ntop(AF_INET6, address, out + 1, URL_HOST_BYTES - 2))
            return false;
        strcat(out, "]");
        return true;
    }
    if (inet_pton(AF_INET, copy, address) != 1) {
        if (!is_name(copy, len)) return false;
        *named = !is_localhost(copy);
    }
    memcpy(out, copy, len + 1);
    return true;
}

static bool take_port(const char *text, size_t len, uint16_t *out)
{
    unsigned port = 0;
    if (len == 0 || len > 5) return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i])) return false;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    *out = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

/* "host", "host:port", "[::1]:port". */
static bool take_authority(const char *text, size_t len, Url *out)
{
    const char *end = text + len, *colon = NULL, *host_end = end;
    if (len && *text == '[') {
        const char *bracket = memchr(text, ']', len);
        if (!bracket) return false;
        host_end = bracket + 1;
        if (host_end < end && *host_end != ':') return false;
        if (host_end < end) colon = host_end;
    } else if ((colon = memchr(text, ':', len))) {
        host_end = colon;
    }
    out->port = out->secure ? 443 : 80;
    if (colon && !take_port(colon + 1, (size_t)(end - colon - 1), &out->port)) return false;
    return take_host(text, (size_t)(host_end - text), out->host, &out->named);
}

/* ---- Paths ---- */

/* Escapes taken once; false: one is malformed, or stands for a control character. */
static bool decode(const char *text, char *out)
{
    for (; *text; text++) {
        int c = (unsigned char)*text;
        if (c == '%') {
            const int high = hex(text[1]), low = high < 0 ? -1 : hex(text[2]);
            if (low < 0) return false;
            c = high * 16 + low;
            text += 2;
        }
        if (c < 0x20 || c == 0x7F) return false;
        *out++ = (char)c;
    }
    *out = '\0';
    return true;
}

/* A segment that is "." or "..", where '/' and '\' separate them, and parameters (";x") are no
 * part. */
static bool has_dot_segments(const char *path)
{
    for (const char *at = path; *at;) {
        const size_t len = strcspn(at, "/\\;");
        if ((len == 1 && at[0] == '.') || (len == 2 && at[0] == '.' && at[1] == '.')) return true;
        at += len;
        at += *at != '\0';
    }
    return false;
}

/* Takes escapes in place as a careless reader does: what is none is left as it is, and NUL,
 * where some would see the end, ends a segment as ';' does.  False: there are none. */
static bool decode_careless(char *text)
{
    bool any = false;
    char *out = text;
    for (const char *at = text; *at; at++) {
        const int high = *at == '%' ? hex(at[1]) : -1, low = high < 0 ? -1 : hex(at[2]);
        if (low < 0) {
            *out++ = *at;
            continue;
        }
        const int c = high * 16 + low;
        *out++ = c ? (char)c : ';';
        at += 2;
        any = true;
    }
    *out = '\0';
    return any;
}

/* However often it is decoded on its way: each time makes it shorter. */
static bool climbs(const char *path)
{
    char text[URL_BYTES + 1];
    strcpy(text, path);
    for (int rounds = 0; rounds < 8; rounds++) {
        if (has_dot_segments(text)) return true;
        if (!decode_careless(text)) return false;
    }
    return true; /* escaped eight times over: nobody means that */
}

static bool take_path(const char *text, size_t len, Url *out)
{
    const char *query = memchr(text, '?', len);
    const size_t path_len = query ? (size_t)(query - text) : len;
    if (query) {
        out->query = query + 1;
        out->query_len = len - path_len - 1;
    }
    if (path_len == 0) strcpy(out->path, "/");
    else {
        memcpy(out->path, text, path_len);
        out->path[path_len] = '\0';
    }
    return out->path[0] == '/' && !strchr(out->path, '\\') && decode(out->path, out->decoded) &&
           !strchr(out->decoded, '\\') && !climbs(out->path);
}

bool url_parse(const char *text, size_t len, Url *out)
{
    memset(out, 0, offsetof(Url, path));
    out->query = NULL;
    out->query_len = 0;
    if (len > URL_BYTES) return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= 0x20 || text[i] >= 0x7F || strchr("#\"<>^`{|}", text[i])) return false;
    size_t skip;
    if (len > 8 && strncasecmp(text, "https://", 8) == 0) out->secure = (skip = 8);
    else if (len > 7 && strncasecmp(text, "http://", 7) == 0) skip = 7;
    else return false;
    const char *authority = text + skip;
    size_t n = 0;
    while (skip + n < len && authority[n] != '/' && authority[n] != '?') n++;
    return !memchr(authority, '@', n) && take_authority(authority, n, out) &&
           take_path(authority + n, len - skip - n, out);
}

size_t url_print(const Url *url, char *out, size_t size)
{
    const int n = snprintf(out, size, "http%s://%s:%u%s%s%.*s", url->secure ? "s" : "", url->host,
                           (unsigned)url->port, url->path, url->query ? "?" : "",
                           (int)url->query_len, url->query ? url->query : "");
    return n < 0 ? 0 : (size_t)n;
}

/* ---- Rules ---- */

static fnvm_error *rule_error(const char *text, const char *why)
{
    return fnvm_error_new(FNVM_E_USAGE,
                          "\"%s\" cannot be allowed: %s; expected http[s]://HOST[:PORT][/PATH], "
                          "where HOST may be `*` or `*.NAME` and PATH may end in `*`",
                          text, why);
}

/* The rest of a rule, as a URL whose host is a name; the wildcards were taken off. */
static fnvm_error *take_rule(const char *text, const char *plain, UrlRule *out)
{
    Url *url = malloc(sizeof *url);
    if (!url) return error_no_memory();
    fnvm_error *error = NULL;
    if (!url_parse(plain, strlen(plain), url)) error = rule_error(text, "it is no such address");
    else if (url->query) error = rule_error(text, "queries are not compared");
    else if (strchr(url->path, '%'))
        error = rule_error(text, "paths are compared decoded, write it so");
    else if (strchr(url->path, '*'))
        error = rule_error(text, "`*` may be at the end of the path only");
    if (!error) {
        out->secure = url->secure;
        out->port = url->port;
        out->named = url->named;
        out->host = strdup(url->host);
        out->path = strdup(url->path);
        if (!out->host || !out->path) error = error_no_memory();
    }
    free(url);
    if (error) url_rule_free(out);
    return error;
}

fnvm_error *url_rule_parse(const char *text, UrlRule *out)
{
    *out = (UrlRule){0};
    const char *colon = strstr(text, "://");
    const size_t len = strlen(text);
    if (!colon || len > URL_BYTES) return rule_error(text, "it has no scheme, or is too long");
    const size_t scheme = (size_t)(colon - text) + 3;
    const char *host = text + scheme;
    char plain[URL_BYTES + 2]; /* without wildcards */
    size_t skip = 0;
    if (strncmp(host, "*.", 2) == 0) {
        out->below = true;
        skip = 2;
    } else if (*host == '*') {
        out->any_host = true;
        skip = 1;
        if (host[1] && host[1] != ':' && host[1] != '/')
            return rule_error(text, "`*` is a whole host");
    }
    snprintf(plain, sizeof plain, "%.*s%s%s", (int)scheme, text, out->any_host ? "x" : "",
             host + skip);
    const char *slash = strchr(host, '/');
    const size_t plain_len = strlen(plain);
    out->prefix = !slash || text[len - 1] == '*';
    if (slash && out->prefix) plain[plain_len - 1] = '\0';
    fnvm_error *error = take_rule(text, plain, out);
    if (!error && out->below && !out->named) {
        url_rule_free(out);
        return rule_error(text, "nothing is below an address");
    }
    return error;
}

void url_rule_free(UrlRule *rule)
{
    free(rule->host);
    free(rule->path);
    rule->host = rule->path = NULL;
}

static bool host_fits(const UrlRule *rule, const Url *url)
{
    if (rule->any_host) return url->named;
    if (!rule->below) return strcmp(rule->host, url->host) == 0;
    const size_t host = strlen(url->host), end = strlen(rule->host);
    return url->named && host > end + 1 && url->host[host - end - 1] == '.' &&
           strcmp(url->host + host - end, rule->host) == 0;
}

/* Both as it is written and decoded: a server may take either. */
static bool path_fits(const UrlRule *rule, const char *path)
{
    return rule->prefix ? strncmp(path, rule->path, strlen(rule->path)) == 0
                        : strcmp(path, rule->path) == 0;
}

bool url_rule_allows(const UrlRule *rule, const Url *url)
{
    return rule->secure == url->secure && rule->port == url->port && host_fits(rule, url) &&
           path_fits(rule, url->path) && path_fits(rule, url->decoded);
}
