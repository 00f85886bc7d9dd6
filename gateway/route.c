/* Routes are few and sorted, the narrowest first: they are gone through until one fits.  Lengths
 * are noted when the table is made, so that most are passed over by comparing two numbers and a
 * byte. */
#include "gateway/route.h"

#include <string.h>

void route_measure(Route *r)
{
    const size_t path = strlen(r->path);
    r->method_len = r->method ? (uint32_t)strlen(r->method) : 0;
    r->any_host = r->host && r->host[0] == '*';
    r->host_len = r->host ? (uint32_t)strlen(r->host) - r->any_host : 0;
    r->any_below = path >= 2 && r->path[path - 1] == '*';
    r->path_len = (uint32_t)(r->any_below ? path - 2 : path); /* "/a" of all below it, "" of all */
}

/* ---- Their order ---- */

static int by_number(uint32_t a, uint32_t b) { return (a > b) - (a < b); }

/* A name before names that end so, the longer ending first; then any. */
static int compare_hosts(const Route *a, const Route *b)
{
    if (!a->host || !b->host) return !a->host - !b->host;
    if (a->any_host != b->any_host) return a->any_host - b->any_host;
    if (a->any_host && a->host_len != b->host_len) return by_number(b->host_len, a->host_len);
    return strcmp(a->host, b->host);
}

static int compare_paths(const Route *a, const Route *b)
{
    if (a->any_below != b->any_below) return a->any_below - b->any_below;
    if (a->any_below && a->path_len != b->path_len) return by_number(b->path_len, a->path_len);
    return strcmp(a->path, b->path);
}

int route_compare(const Route *a, const Route *b)
{
    int order = compare_hosts(a, b);
    if (order == 0) order = compare_paths(a, b);
    if (order != 0) return order;
    if (!a->method || !b->method) return !a->method - !b->method;
    return strcmp(a->method, b->method);
}

/* ---- Finding one ---- */

static bool fits_host(const Route *r, HttpText host)
{
    if (!r->host) return true;
    if (r->any_host ? host.len <= r->host_len : host.len != r->host_len) return false;
    const char *name = r->host + r->any_host; /* with the dot */
    const char *at = host.at + host.len - r->host_len;
    for (uint32_t i = 0; i < r->host_len; i++) { /* names of hosts are the same in either case */
        const char c = at[i] >= 'A' && at[i] <= 'Z' ? (char)(at[i] + 32) : at[i];
        if (c != name[i]) return false;
    }
    return true;
}

static bool fits_path(const Route *r, HttpText path)
{
    if (path.len < r->path_len || (!r->any_below && path.len != r->path_len)) return false;
    if (path.len > r->path_len && path.at[r->path_len] != '/') return false;
    return memcmp(path.at, r->path, r->path_len) == 0;
}

static bool fits_method(const Route *r, HttpText method)
{
    return !r->method ||
           (method.len == r->method_len && memcmp(method.at, r->method, r->method_len) == 0);
}

const Route *config_route(const Config *c, HttpText method, HttpText host, HttpText path,
                          HttpText *rest)
{
    for (const Route *r = c->routes, *end = r + c->nroutes; r < end; r++) {
        if (!fits_path(r, path) || !fits_host(r, host) || !fits_method(r, method)) continue;
        *rest = (HttpText){path.at + r->path_len, path.len - r->path_len};
        return r;
    }
    return NULL;
}

bool config_other_method(const Config *c, HttpText host, HttpText path)
{
    for (size_t i = 0; i < c->nroutes; i++)
        if (fits_path(&c->routes[i], path) && fits_host(&c->routes[i], host)) return true;
    return false;
}
