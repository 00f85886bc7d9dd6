/* What a function says of how it is served.  Routes are texts that are cut here; all else is in
 * the table. */
#include "verifier/policy/serve.h"

#include <ctype.h>
#include <string.h>

#include "verifier/policy/keys.h"
#include "verifier/policy/manifest.h"
#include "vm/error.h"

#define IN(member) FIELD(ServeFunction, member)
#define SECOND UINT64_C(1000000000)
#define MIB (UINT64_C(1) << 20)

/* ---- Routes ---- */

static bool is_method(const char *text)
{
    size_t n = 0;
    while (isupper((unsigned char)text[n]) || text[n] == '-') n++;
    return n > 0 && n <= 32 && !text[n];
}

/* Names and addresses; an asterisk stands for any beginning of a name, and only at its
 * beginning. */
static bool is_host(const char *text)
{
    if (strncmp(text, "*.", 2) == 0) text += 2;
    for (const char *at = text; *at; at++)
        if (!islower((unsigned char)*at) && !isdigit((unsigned char)*at) && !strchr(".-_:[]", *at))
            return false;
    return *text && *text != '.' && strlen(text) < 256;
}

/* As requests have it when it is decoded, without `.` and `..`; an asterisk is the last segment
 * or none. */
static bool is_path(const char *text)
{
    if (text[0] != '/' || strlen(text) > 2000) return false;
    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F || *at == '?' || *at == '#') return false;
        if (*at == '*' && (at[-1] != '/' || at[1])) return false;
        if (*at == '/' && at[1] == '.' && (!at[2] || at[2] == '/')) return false;
        if (*at == '/' && at[1] == '.' && at[2] == '.' && (!at[3] || at[3] == '/')) return false;
    }
    return true;
}

/* "METHOD HOST/PATH", the first two of which may be missing. */
static fnvm_error *read_route(Reading *r, const YamlNode *node, void *object)
{
    static const char expected[] = "a route, such as /users, /users/*, \"GET /users\" or \"POST "
                                   "*.example.org/users\"";
    ServeRoute *route = object;
    if (node->kind != YAML_SCALAR || !strchr(node->text, '/'))
        return shape_error(r, node, expected);
    const char *space = strchr(node->text, ' '), *slash = strchr(node->text, '/');
    const char *host = space && space < slash ? space + 1 : node->text;
    if (host > node->text) route->method = shape_copy(r, node->text, (size_t)(space - node->text));
    if (slash > host) route->host = shape_copy(r, host, (size_t)(slash - host));
    route->path = shape_copy(r, slash, strlen(slash));
    if (r->arena->failed) return error_no_memory();
    const bool good = (!route->method || is_method(route->method)) &&
                      (!route->host || is_host(route->host)) && is_path(route->path);
    return good ? NULL : shape_error(r, node, expected);
}

static const Shape route_shape = {
    .kind = SHAPE_TEXT, .read = read_route, .expected = "a route",
    .pattern = "^([A-Z-]+ )?([a-z0-9*:._\\[\\]-]*)/[^?#]*$"};
static const Shape routes_shape = {.kind = SHAPE_LIST,
                                   .item = &route_shape,
                                   .size = sizeof(ServeRoute),
                                   .line = FIELD(ServeRoute, line),
                                   .expected = "a list of routes"};

/* ---- Other values ---- */

static const Word protocol_words[] = {
    {"cgi", SERVE_CGI}, {"http", SERVE_HTTP}, {"handler", SERVE_HANDLER},
    {"faasm", SERVE_FAASM}, {NULL, 0}};
static const Shape protocol_shape = {.kind = SHAPE_WORD, .words = protocol_words,
                                     .size = sizeof(uint32_t), .expected = "cgi, http, handler or faasm"};

static const Shape time_shape = {.kind = SHAPE_TIME, .least = 1000000, .most = 86400 * SECOND,
                                 .expected = "a time from 1ms to 24h"};
static const Shape bytes_shape = {.kind = SHAPE_BYTES};
static const Shape memory_shape = {.kind = SHAPE_BYTES, .least = 65536, .most = UINT64_C(1) << 40,
                                   .expected = "bytes from 64KiB to 1TiB"};
/* What metrics.h can count. */
static const Shape places_shape = {.kind = SHAPE_COUNT, .least = 1, .most = 1000000,
                                   .expected = "a number from 1 to 1000000"};
static const Shape queue_shape = {.kind = SHAPE_COUNT, .most = 1000000,
                                  .expected = "a number up to 1000000"};
static const Shape ready_shape = {.kind = SHAPE_COUNT, .most = 10000,
                                  .expected = "a number up to 10000"};

static bool is_callee(const char *text) { return strcmp(text, "*") == 0 || manifest_name_ok(text); }
static const Shape callee_shape = {.kind = SHAPE_TEXT, .ok = is_callee, .any_scalar = true,
                                   .pattern = "^([*]|[A-Za-z0-9][A-Za-z0-9._-]{0,63})$",
                                   .expected = "a function's name, or \"*\""};
static const Shape calls_shape = {.kind = SHAPE_LIST, .item = &callee_shape, .size = sizeof(char *),
                                  .expected = "a list of functions"};

static bool is_target(const char *text)
{
    return (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0) &&
           !strpbrk(text, " \t\r\n");
}
static const Shape target_shape = {.kind = SHAPE_TEXT,
                                   .ok = is_target,
                                   .pattern = "^https?://[^ ]+$",
                                   .expected = "an address such as https://api.example.org/v1/*"};
static const Shape targets_shape = {.kind = SHAPE_LIST,
                                    .item = &target_shape,
                                    .size = sizeof(char *),
                                    .expected = "a list of addresses"};

/* true: under the function's own name. */
static fnvm_error *read_kv(Reading *r, const YamlNode *node, void *field)
{
    static const char expected[] = "true, false, or a name that keys are kept under";
    char **kv = field;
    if (node->kind != YAML_SCALAR) return shape_error(r, node, expected);
    const bool off = node->plain && strcmp(node->text, "false") == 0;
    const bool own = node->plain && strcmp(node->text, "true") == 0;
    if (!off && !own && !manifest_name_ok(node->text)) return shape_error(r, node, expected);
    *kv = off ? NULL : shape_copy(r, own ? "" : node->text, own ? 0 : node->len);
    return off || *kv ? NULL : error_no_memory();
}
static const Shape kv_shape = {.kind = SHAPE_TEXT, .read = read_kv, .any_scalar = true,
                               .expected = "true, false or a name"};

/* ---- Secrets ---- */

static fnvm_error *check_secret(Reading *r, const YamlNode *node, void *object)
{
    ServeSecret *secret = object;
    (void)node;
    secret->file = shape_join(r, r->folder, secret->file);
    return secret->file ? NULL : error_no_memory();
}

static const Key secret_keys[] = {
    {"file", &manifest_file_shape, "the file that has it", .field = FIELD(ServeSecret, file),
     .needed = true},
    {.name = NULL}};
static const Shape secret_shape = {.kind = SHAPE_MAP, .keys = secret_keys, .check = check_secret,
                                   .expected = "a map: {file: FILE}"};
static const Shape secrets_shape = {.kind = SHAPE_TABLE,
                                    .ok = policy_variable_ok,
                                    .pattern = "^[^=]{1,255}$",
                                    .item = &secret_shape,
                                    .size = sizeof(ServeSecret),
                                    .line = FIELD(ServeSecret, line),
                                    .expected = "a map of variables to {file: FILE}"};
_Static_assert(offsetof(ServeSecret, name) == 0, "as SHAPE_TABLE has them");

/* ---- A manifest's `serve`, and the gateway's entries, which have the same keys and more ---- */

static const Key settings_keys[] = {
#define FIELD_OF(member) FIELD(ServeSettings, member)
#include "verifier/policy/serve_keys.def"
#undef FIELD_OF
    {.name = NULL}};

const Shape serve_settings_shape = {.kind = SHAPE_MAP, .keys = settings_keys,
                                    .expected = "a map of routes, protocol and more"};

static const Shape slot_shape = {.kind = SHAPE_COUNT, .most = UINT32_MAX,
                                 .expected = "a number that fits 32 bits"};
static bool is_measurement(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}
static const Shape measurement_shape = {.kind = SHAPE_TEXT, .ok = is_measurement, .any_scalar = true,
                                        .pattern = "^[0-9a-f]{64}$",
                                        .expected = "64 hexadecimal digits"};
static const Shape folder_shape = {.kind = SHAPE_TEXT, .ok = policy_text_ok, .pattern = ".",
                                   .expected = "a directory"};

static const Key function_keys[] = {
    {"folder", &folder_shape, "its folder, with a function.yaml", .field = IN(folder),
     .fallback = "none"},
    {"manifest", &manifest_file_shape, "its manifest, if that has another name",
     .field = IN(manifest_file), .fallback = "none"},
    {"module", &manifest_file_shape, "its module, where it has no manifest", .field = IN(module),
     .fallback = "none"},
    {"image", &manifest_file_shape, "an image of it that was made already", .field = IN(image),
     .fallback = "none"},
    {"name", &manifest_name_shape, "its name", .field = IN(name),
     .fallback = "the manifest's, or module's"},
    {"version", &manifest_version_shape, "its version", .field = IN(version),
     .fallback = "the manifest's, or one made of its contents"},
    {"policy", &manifest_file_shape, "the policy it runs under, where it has no manifest",
     .field = IN(policy), .fallback = "none"},
    {"args", &manifest_args_shape, "its arguments", .field = IN(args), .count = IN(nargs),
     .any = IN(any_args), .fallback = "[]"},
    {"mounts", &manifest_mounts_shape, "directories it is given", .field = IN(mounts),
     .count = IN(nmounts), .any = IN(any_mounts), .fallback = "[]"},
    {"environment", &manifest_environment_shape, "variables it is given besides the manifest's",
     .field = IN(env), .count = IN(nenv), .fallback = "{}"},
    {"native", &manifest_native_shape, "functions of libraries that it is given", .field = IN(native),
     .count = IN(nnative), .any = IN(any_native), .fallback = "[]"},
    {"slot", &slot_shape, "its place in the metrics; workers are told, nobody else needs it",
     .field = IN(slot), .internal = true},
    {"tenant_slot", &slot_shape, "likewise, its tenant's", .field = IN(tenant_slot), .internal = true},
#define FIELD_OF(member) FIELD(ServeFunction, settings.member)
#include "verifier/policy/serve_keys.def"
#undef FIELD_OF
    {"measurement", &measurement_shape, "what the depot knows its module by; workers are told, nobody "
     "else needs it", .field = IN(measurement), .internal = true},
    {.name = NULL}};
const Shape serve_function_shape = {.kind = SHAPE_MAP, .keys = function_keys,
                                    .expected = "a map of folder or module, name and more"};

void serve_settings_init(ServeSettings *s)
{
    static char usual[] = "default";
    *s = (ServeSettings){.default_routes = true, .tenant = usual, .timeout = 30 * SECOND,
                         .body = 10 * MIB, .answer = 64 * MIB, .log = 65536, .memory = 256 * MIB,
                         .start_time = 30 * SECOND,
                         .concurrency = 64, .queue = 256, .ready = 1};
}
