/* What `fnvm serve` serves: the gateway's YAML file, and the functions' manifests with it, as one
 * structure.  Immutable once it is made; strings are its own.  The format is in docs/gateway.md. */
#ifndef FNVM_GATEWAY_CONFIG_H
#define FNVM_GATEWAY_CONFIG_H

#include "cli/narrow.h"
#include "gateway/http.h"
#include "verifier/policy/serve.h"

/* How a function is given a request, and how it answers.
 *
 * CGI: metadata in the environment, the body on standard input; the answer on standard output:
 * fields, an empty line, a body (RFC 3875 section 6). HTTP: the whole request on standard input,
 * head included, as sent on the wire but never chunked; the answer as in CGI, or beginning with
 * a status line.  For programs that were frozen after they had read their environment. HANDLER:
 * the export `fnvm_handle` is called, and uses the imports of fnvm:request. FAASM: the body is
 * the input that `__faasm_read_input` has, whole before the guest begins; the answer's body is
 * what `__faasm_write_output` was given. */
typedef enum Protocol { PROTOCOL_CGI, PROTOCOL_HTTP, PROTOCOL_HANDLER, PROTOCOL_FAASM } Protocol;

enum { CONFIG_WORKERS = 64 }; /* the most */

typedef struct ConfigPair { char *name, *value; } ConfigPair;
typedef struct ConfigMount { char *host, *guest; bool read_only; } ConfigMount;

typedef struct Route {
    char *method;        /* NULL: any */
    char *host;          /* NULL: any; "*.example.org": any name that ends so */
    char *path;          /* "/a/b": exactly that; with an asterisk as its last segment, as behind "/a/":
                          * "/a" itself and everything below it */
    uint32_t function;   /* index in Config.functions */
    uint32_t method_len, host_len, path_len; /* the latter two without the asterisk and what joins it */
    bool any_below, any_host; /* there is an asterisk */
} Route;

typedef struct Function {
    char *name, *version;
    uint32_t slot;       /* its place in the metrics while the gateway runs: set by the master */
    Protocol protocol;
    char *image;         /* absolute; every function is served from one.  NULL: not installed */
    char *policy;        /* absolute path of its policy's file, or NULL */
    char *measurement;   /* of its module, in hexadecimal digits: whether it was revoked is looked up in
                          * the depot.  NULL: it is not */
    char *tenant;        /* never NULL: "default" */
    uint32_t tenant_slot; /* its place in the metrics: set by the master */
    char **args; size_t nargs;
    ConfigMount *mounts; size_t nmounts;
    ConfigPair *env; size_t nenv;
    ConfigPair *secrets; size_t nsecrets; /* the value is a file's path: workers read it when they
                          * open the function */
    const ManifestLibrary *native; size_t nnative; /* functions of libraries; only under a policy */
    uint64_t timeout_ms;     /* from arrival to the end of the answer: 504 */
    uint64_t body_bytes;     /* 413 */
    uint64_t answer_bytes;   /* cut off there */
    uint64_t log_bytes;      /* of one request's standard error and fnvm:log; the rest is dropped,
                              * and said so */
    uint64_t memory_bytes;   /* what one instance's memory may grow to: the image was taken under it, and
                              * fnvm_config.max_memory_bytes of who opens it is the same */
    uint32_t concurrency;    /* instances at work, over all workers */
    uint32_t queue;          /* requests that wait for one, over all workers; more: 429 */
    uint32_t ready;          /* instances kept ready in each worker */
    char **calls; size_t ncalls;   /* functions that it may call; "*": all */
    char **http_allow; size_t nhttp_allow; /* where it may send requests: addresses, with an
                              * asterisk for any ending */
    char *kv_prefix;         /* the name its keys are kept under, or NULL: it has no store */
} Function;

typedef struct Tenant {
    char *name;
    uint32_t concurrency;    /* over all its functions and workers; UINT32_MAX: none but theirs */
    uint64_t memory_bytes;   /* sum of memory_bytes of what is at work; UINT64_MAX: none */
} Tenant;

typedef struct ConfigRedis { char *user, *password_file, *ca, *certificate, *key; } ConfigRedis;

typedef struct Config {
    char *listen;            /* "127.0.0.1:8080", "[::1]:8080", "unix:/path" */
    char *status;            /* the same for the status page and /metrics, or NULL */
    char *admin;             /* path of the admin socket */
    char *state;             /* directory: deployed folders, key-value store, calls' results */
    char *depot;             /* has the images; whoever opens them has DEPOT/cache for a code cache */
    char *access_log;        /* a file, "-" for standard output, or NULL */
    char *kv;                /* NULL: the store in `state`; "redis://host:port/db" */
    ConfigRedis redis;       /* how to get in there */
    uint32_t workers;        /* processes; 0 was replaced by the number of processors */
    uint32_t grace_ms;       /* how long draining may take */
    NarrowMode narrow;
    HttpLimits http;
    Tenant *tenants; size_t ntenants;
    Function *functions; size_t nfunctions;
    Route *routes; size_t nroutes; /* most specific first; config_route takes the first that fits */
    uint64_t generation;     /* counts up with every change */
    ServeGateway *source;    /* has all strings */
} Config;

/* FNVM_E_MALFORMED with file, line, column and what was expected, as policies say it;
 * FNVM_E_INVALID where two functions have one name, or two routes are the same, with both lines.
 * Paths come out joined to the file's folder, and may still be relative; `admin`, `state` and
 * `depot` are NULL where nothing says them. */
fnvm_error *config_load(const char *path, Config **out);
/* `name` is for messages; relative paths are relative to its folder. */
fnvm_error *config_parse(const char *name, const char *yaml, size_t len, Config **out);
/* Everything resolved, as YAML that config_parse reads back to an equal Config: what workers are
 * given. */
fnvm_error *config_print(const Config *, char **text, size_t *len);
/* What was read becomes a Config, which owns it; on failure, too, it is gone. */
fnvm_error *config_make(ServeGateway *, Config **out);
void config_free(Config *); /* NULL is fine */

/* The route of a request, or NULL: the first that fits of those that are sorted by host, path
 * and method, the narrower first.  `path` is decoded.  *rest is what is below the path that the
 * route names: "/x" of "/a/x" where that is all below "/a", and "" where the route is all. */
const Route *config_route(const Config *, HttpText method, HttpText host, HttpText path, HttpText *rest);
/* Whether some route fits but for the method: then it is 405, and not 404. */
bool config_other_method(const Config *, HttpText host, HttpText path);
const Function *config_function(const Config *, const char *name, size_t len); /* or NULL */
/* What is put before each key of a function with kv_prefix, malloc'd: that name and a mark that
 * no name has, so that what is kept under "a" is not among what is kept under "ab".  NULL: no
 * memory. */
char *config_keys(const Function *);

#endif
