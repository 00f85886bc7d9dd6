/* Having functions installed in the gateway's depot, each as an image. */
#ifndef FNVM_GATEWAY_INSTALL_H
#define FNVM_GATEWAY_INSTALL_H

#include "verifier/policy/serve.h"

/* Verifies, approves, compiles and freezes what is not installed yet; afterwards every function
 * has a version, an image and, if it has one, the file of its policy, and all paths are
 * absolute.  One that is revoked since it was installed is marked so.  What verifying and
 * freezing have to say goes to standard error.  Stops at the first that fails. */
fnvm_error *install_functions(ServeGateway *);

#endif
