/* The worker's side of the socket to its master: orders, and what takes its time: opening
 * functions, closing them. After the first table all of it happens on a thread of its own. */
#ifndef FNVM_GATEWAY_CONTROL_H
#define FNVM_GATEWAY_CONTROL_H

#include "gateway/table.h"

typedef enum ControlEvent { CONTROL_TABLE, CONTROL_DRAIN, CONTROL_CLOSED } ControlEvent;

/* Waits for the first table that can be opened, having answered those that cannot. */
ControlEvent control_first(Worker *, Table **);
/* Says that a table is in use, or why it is not. */
void control_answer(const Worker *, uint64_t generation, const fnvm_error *);
/* Has the master decide about the function of this slot in the depot.  Any thread; does not wait,
 * and is forgotten where the master does not listen. */
void control_tell_depot(const Worker *, uint32_t slot);
/* Until the master is gone, or `control_wake` says that the loop has ended. */
void control_run(Worker *);
/* Closes tables and functions that are not used any more, and tells the master when none is
 * left. */
void control_close_dead(Worker *);

#endif
