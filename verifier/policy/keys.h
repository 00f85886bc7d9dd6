/* The keys of policies and manifests, as shapes: what reads them, and what the schema is made of. */
#ifndef FNVM_VERIFIER_POLICY_KEYS_H
#define FNVM_VERIFIER_POLICY_KEYS_H

#include "verifier/policy/policy.h"
#include "verifier/policy/shape.h"

extern const Shape policy_shape;   /* of Policy */
extern const Shape manifest_shape; /* of Manifest */
extern const Shape serve_settings_shape; /* of ServeSettings */
extern const Shape serve_function_shape; /* of ServeFunction */
extern const Shape serve_gateway_shape;   /* of ServeGateway */
/* Those of a manifest that others take over: of Manifest.args, .mounts, .env and .native. */
extern const Shape manifest_name_shape, manifest_version_shape, manifest_file_shape;
extern const Shape manifest_args_shape, manifest_mounts_shape, manifest_environment_shape,
    manifest_native_shape;

/* A policy that says nothing: every default. */
void policy_init(Policy *);

/* A policy from a map within a document (or all of it); its digest is over the document's bytes. */
fnvm_error *policy_read(const YamlDocument *, const YamlNode *, Policy **out);

/* The folder of a file's path: "" if it is the current one.  malloc'd; NULL without memory. */
char *policy_folder(const char *path);

/* Not empty, printable, without `=`: names of environment variables, and patterns of them. */
bool policy_variable_ok(const char *);
bool policy_text_ok(const char *); /* not empty */

#endif
