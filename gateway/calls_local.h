/* fnvm:call: functions that call functions, all within one worker.  A call is an invocation of
 * its own with its input and answer in memory; it is admitted like a request, and never outlives
 * its caller's deadline. */
#ifndef FNVM_GATEWAY_CALLS_LOCAL_H
#define FNVM_GATEWAY_CALLS_LOCAL_H

#include "gateway/function.h"

fnvm_task_backend calls_backend(Place *);

#endif
