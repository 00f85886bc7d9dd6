/* Where a guest was when it trapped or threw, as two engines tell it. */
#ifndef FNVM_GENERATE_FRAMES_H
#define FNVM_GENERATE_FRAMES_H

#include "loader/module.h"

/* Whether both name the same functions at the same instructions.  A frame that has come to a tail
 * call does not count: an engine may have given it up before the callee runs, or after. */
bool same_frames(const Module *, const fnvm_error *, const fnvm_error *);

#endif
