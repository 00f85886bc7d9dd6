/* A policy applied to what a command hands to a guest.  What modules may be, the engine sees to; here
 * are directories, variables and sockets, WASI's call table, and the ceilings on what running takes.
 *
 * What was asked for beyond the policy is refused, not cut: but limits are lowered to its ceilings, and
 * of the host's environment (-S inherit-env) the guest gets the variables that the policy lets through. */
#ifndef FNVM_CLI_CONSTRAIN_H
#define FNVM_CLI_CONSTRAIN_H

#include "cli/session.h"

/* Without a policy these do nothing. */

/* The options against session->policy, whose ceilings they are lowered to.  Before the engine is made;
 * -1 to go on, or the status to end with. */
int constrain_options(Session *);
/* Before the options' calls are allowed: no others are then. */
fnvm_error *constrain_wasi(const Session *);
/* An error in handing things to the guest, with the ceiling that it comes from if that is the policy's. */
fnvm_error *constrain_given(const Session *, fnvm_error *);
/* Whether the guest may have the host's variable. */
bool constrain_passes_env(const Session *, const char *name);

#endif
