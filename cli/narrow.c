/* No new privileges first: both mechanisms ask for it of those who have none.  Landlock next, since
 * its own system calls are not among those that seccomp leaves. */
#include "cli/narrow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static void no_new_privileges(NarrowMissing *missing)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) return;
    snprintf(missing->text, sizeof missing->text, "new privileges cannot be given up: %s",
             strerror(errno));
}

fnvm_error *narrow_process(const NarrowNeeds *needs, NarrowMode mode)
{
    if (mode == NARROW_NO) return NULL;
    NarrowMissing missing[3] = {0};
    no_new_privileges(&missing[0]);
    fnvm_error *error = narrow_landlock(needs, &missing[1]);
    if (error) return error;
    /* Before the last step nothing is lost yet that an error message needs. */
    for (size_t i = 0; i < 2 && mode == NARROW_REQUIRE; i++)
        if (*missing[i].text) return fnvm_error_new(FNVM_E_UNSUPPORTED, "%s", missing[i].text);
    narrow_seccomp(needs, &missing[2]);
    if (mode == NARROW_REQUIRE && *missing[2].text)
        return fnvm_error_new(FNVM_E_UNSUPPORTED, "%s", missing[2].text);
    return NULL;
}
