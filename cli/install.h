/* What installing writes and runs besides what the library does. */
#ifndef FNVM_CLI_INSTALL_H
#define FNVM_CLI_INSTALL_H

#include "verifier/approval/depot.h"
#include "verifier/policy/manifest.h"

/* The manifest as it is installed: complete, and with absolute paths, since it is read in another
 * folder.  `module` and `policy` are paths; `policy` may be NULL.  *text is malloc'd. */
fnvm_error *manifest_print(const Manifest *, const char *name, const char *version,
                           const char *module, const char *policy, char **text, size_t *len);

/* The YAML of a manifest's policy, of the file it names or what is in place, so that it can be kept as
 * a file of its own; *text is NULL if there is none.  `settle`: as policy_settled_text. */
fnvm_error *manifest_policy_text(const char *manifest, bool settle, char **text, size_t *len);
/* A policy's file, its libraries' relative paths made whole: for who keeps the folder, too. */
fnvm_error *policy_settled_text(const char *file, char **text, size_t *len);

/* Of the guest while it starts up; an image keeps the limit on its memory. */
typedef struct PrepareLimits { uint64_t time_ns, memory_bytes; } PrepareLimits;

/* Makes a version ready in its folder, by the manifest that lies beside `image` if there is one:
 * verifies the module and compiles it, or freezes the image.  `policy` is for where there is no
 * manifest; `limits` may be NULL. */
fnvm_error *install_prepare(const Depot *, const fnvm_policy *policy, const PrepareLimits *limits,
                            const char *module, const char *image);

/* Why a version's image, or the code beside it, is nothing for this engine; NULL: it is. */
fnvm_error *install_misfit(const Depot *, const char *image);

#endif
