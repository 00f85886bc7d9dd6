/* How functions are served: the keys below `serve:` of a manifest, and those of the gateway's
 * own YAML, as they are written.  What a gateway makes of them is in gateway/config.h.
 *
 * A function's settings are read on top of each other: the defaults, then its manifest's, then
 * the gateway's. Times are in nanoseconds, sizes in bytes. */
#ifndef FNVM_VERIFIER_POLICY_SERVE_H
#define FNVM_VERIFIER_POLICY_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fnvm.h"
#include "loader/text/arena.h"

typedef struct ServeRoute {  /* "GET *.example.org/a": without method or host, any */
    char *method, *host;     /* or NULL */
    char *path;
    uint32_t line;
} ServeRoute;

typedef struct ServeSecret { char *name, *file; uint32_t line; } ServeSecret;

typedef enum ServeProtocol { SERVE_CGI, SERVE_HTTP, SERVE_HANDLER, SERVE_FAASM } ServeProtocol;

typedef struct ServeSettings {
    ServeRoute *routes; size_t nroutes; bool default_routes; /* true: not said */
    uint32_t protocol;       /* ServeProtocol */
    char *tenant;
    uint64_t timeout, body, answer, log, memory, start_time;
    uint64_t concurrency, queue, ready;
    ServeSecret *secrets; size_t nsecrets;
    char **calls; size_t ncalls;
    char **http; size_t nhttp;
    char *kv;                /* NULL: no store; "": under its own name */
} ServeSettings;

void serve_settings_init(ServeSettings *); /* the defaults */

typedef struct Manifest Manifest; /* manifest.h */
typedef struct ManifestMount ManifestMount;
typedef struct ManifestVariable ManifestVariable;
typedef struct ManifestLibrary ManifestLibrary;

typedef struct ServeFunction { /* an entry of `functions` */
    ServeSettings settings;
    const char *file; uint32_t line; /* where it is described, for messages */
    Manifest *manifest; /* its own, or NULL */
    char *name, *version;    /* the name is never NULL; `version` may be */
    char *measurement;       /* of its module, in hexadecimal digits, or NULL */
    bool revoked;            /* it is installed, and may not run */
    char *folder, *manifest_file, *module, *image, *policy; /* as given, paths joined; or NULL */
    char **args; size_t nargs;
    ManifestMount *mounts; size_t nmounts;
    ManifestVariable *env; size_t nenv; /* the manifest's, then the gateway's */
    ManifestLibrary *native; size_t nnative;
    bool any_args, any_mounts, any_native; /* the gateway does not say */
    uint64_t slot, tenant_slot;
} ServeFunction;

typedef struct ServeTenant { char *name; uint64_t concurrency, memory; uint32_t line; } ServeTenant;

typedef struct ServeLimits {
    uint64_t connections, connections_per_address, head, body, buffer;
    uint64_t head_time, body_time, idle_time;
} ServeLimits;

typedef struct ServeFile { char *file; } ServeFile;
typedef struct ServeRedis { char *user, *ca, *certificate, *key; ServeFile password; } ServeRedis;
typedef enum ServeNarrow { SERVE_NARROW_NO, SERVE_NARROW_AUTO, SERVE_NARROW_REQUIRE } ServeNarrow;

typedef struct ServeGateway {
    Arena arena;             /* has all strings and lists */
    char *path;              /* of the file, for messages */
    char *listen, *status, *admin, *state, *depot, *access_log, *kv;
    uint64_t workers, grace, generation;
    uint32_t narrow;         /* ServeNarrow */
    ServeLimits limits;
    ServeRedis redis;
    ServeTenant *tenants; size_t ntenants;
    ServeFunction *functions; size_t nfunctions, cap;
} ServeGateway;

/* The gateway's YAML, with the manifests that it names.  `name` is for messages, and relative
 * paths are relative to its folder.  FNVM_E_MALFORMED: "NAME:LINE:COLUMN: ..." and what was
 * expected.  serve_parse is for what was printed (yamldoc_parse_printed). */
fnvm_error *serve_parse(const char *name, const char *yaml, size_t len, ServeGateway **out);
fnvm_error *serve_load(const char *path, ServeGateway **out);
/* HOST:PORT, as far as one can see that without asking the system, or unix:PATH. */
bool serve_address_ok(const char *text);
/* Every default, and no function. */
void serve_gateway_init(ServeGateway *);
fnvm_error *serve_new(ServeGateway **out);
/* A function more: a manifest's; a module's, with a name or its file's; all that have a
 * function.yaml in a folder below this one. */
fnvm_error *serve_add_manifest(ServeGateway *, const char *manifest);
fnvm_error *serve_add_module(ServeGateway *, const char *module, const char *name);
fnvm_error *serve_add_folder(ServeGateway *, const char *folder);
void serve_free(ServeGateway *); /* NULL is fine */
/* A copy that lives as long as the gateway; NULL without memory. */
char *serve_text(ServeGateway *, const char *);

#endif
