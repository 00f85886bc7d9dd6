/* Builds that cannot live with a narrow process: a sanitizer's runtime traces its own process from
 * another, and reads what it likes below /proc. */
#include "cli/narrow.h"

fnvm_error *narrow_process(const NarrowNeeds *needs, NarrowMode mode)
{
    (void)needs;
    if (mode != NARROW_REQUIRE) return NULL;
    return fnvm_error_new(FNVM_E_UNSUPPORTED, "fnvm was built to be debugged and does not narrow "
                          "its process");
}
