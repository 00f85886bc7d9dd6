/* tasks.c - what a guest has started and not dropped yet: calls of other functions, and
 * requests.
 *
 * A guest holds a handle, the backend an id; this table maps one to the other.  Awaiting is
 * written so that it can be called any number of times with the same arguments: a guest that is
 * suspended in it begins it anew, so the deadline is noted in the task when an await begins, and
 * kept until it returns. */
#include "stdlib/services.h"

#include <stdlib.h>

Task *tasks_find(Tasks *tasks, uint32_t handle)
{
    if (!tasks->open || handle == 0 || handle > INT32_MAX) return NULL;
    for (size_t i = 0; i < TASKS_OPEN; i++)
        if (tasks->open[i].handle == (int32_t)handle) return &tasks->open[i];
    return NULL;
}

static void drop(Tasks *tasks, Task *task)
{
    tasks->backend.drop(tasks->backend.env, task->id);
    *task = (Task){0};
}

static Task *free_task(Tasks *tasks)
{
    Task *spent = NULL;
    if (!tasks->open) tasks->open = calloc(TASKS_OPEN, sizeof *tasks->open);
    for (size_t i = 0; tasks->open && i < TASKS_OPEN; i++) {
        if (!tasks->open[i].handle) return &tasks->open[i];
        if (tasks->open[i].spent) spent = &tasks->open[i];
    }
    if (spent) drop(tasks, spent);
    return spent;
}

/* A handle that nothing has. */
static bool new_handle(Services *services, Tasks *tasks, int32_t *out)
{
    if (!tasks->last) {
        uint32_t drawn;
        if (!service_draw(services, &drawn, sizeof drawn)) return false;
        tasks->last = (int32_t)(drawn >> 1);
    }
    do tasks->last = tasks->last == INT32_MAX ? 1 : tasks->last + 1;
    while (tasks_find(tasks, (uint32_t)tasks->last));
    *out = tasks->last;
    return true;
}

int32_t tasks_start(ServiceCall *call, Tasks *tasks, const char *name, size_t name_len,
                    const void *input, size_t len)
{
    int32_t handle;
    if (!tasks->backend.start) return FNVM_SERVICE_UNAVAILABLE;
    Task *task = free_task(tasks);
    if (!task) return FNVM_SERVICE_LIMIT;
    if (!new_handle(call->services, tasks, &handle)) return FNVM_SERVICE_UNAVAILABLE;
    const int64_t id =
        tasks->backend.start(tasks->backend.env, call->caller, name, name_len, input, len);
    if (id <= 0) return id < 0 && id >= INT32_MIN ? (int32_t)id : FNVM_SERVICE_UNAVAILABLE;
    *task = (Task){.handle = handle, .id = id};
    return handle;
}

/* Asks the backend once, and lets it wait if `wait`. */
static fnvm_error *poll_task(ServiceCall *call, Tasks *tasks, Task *task, bool wait)
{
    const void *answer = NULL;
    size_t len = 0;
    int status = FNVM_SERVICE_FAILED;
    fnvm_error *error = NULL;
    wait = wait && service_now() < task->deadline_ns;
    const bool ended = tasks->backend.poll(tasks->backend.env, call->caller, task->id, wait,
                                           task->deadline_ns, &status, &answer, &len, &error);
    if (error || !ended) return error;
    task->ended = true;
    task->status = status > 0 ? FNVM_SERVICE_FAILED : status;
    if (status == FNVM_SERVICE_OK) {
        task->answer = len ? answer : "";
        task->len = len;
    }
    return NULL;
}

static void begin_wait(Task *task, int64_t timeout_ms)
{
    if (task->waiting) return;
    task->waiting = true;
    task->deadline_ns = service_deadline(timeout_ms);
}

fnvm_error *tasks_await(ServiceCall *call, Tasks *tasks, Task *task, int64_t timeout_ms,
                        int *status)
{
    begin_wait(task, timeout_ms);
    fnvm_error *error = task->ended ? NULL : poll_task(call, tasks, task, timeout_ms != 0);
    if (error && fnvm_error_code(error) == FNVM_E_SUSPENDED) return error;
    task->waiting = false;
    *status = task->ended ? task->status : FNVM_SERVICE_TIMEOUT;
    return error;
}

/* slots: address of handles, how many, timeout in milliseconds (i64), address of as many
 * statuses. */
static fnvm_error *await_all(ServiceCall *call, Tasks *tasks, const fnvm_slot *slots, int *status)
{
    const uint32_t n = slots[1].i32;
    const int64_t timeout_ms = (int64_t)slots[2].i64;
    *status = FNVM_SERVICE_INVALID;
    if (n > TASKS_OPEN) return NULL;
    const uint8_t *handles_at = service_bytes(call, slots[0].i32, n * 4);
    uint8_t *statuses_at = service_bytes(call, slots[3].i32, n * 4);
    *status = FNVM_SERVICE_FAULT;
    if (!handles_at || !statuses_at) return NULL;

    uint32_t handles[TASKS_OPEN];
    int32_t statuses[TASKS_OPEN];
    if (n) memcpy(handles, handles_at, n * sizeof *handles);
    for (uint32_t i = 0; i < n; i++) { /* the time of all begins now */
        Task *task = tasks_find(tasks, handles[i]);
        if (task) begin_wait(task, timeout_ms);
    }
    *status = FNVM_SERVICE_OK;
    fnvm_error *error = NULL;
    for (uint32_t i = 0; i < n && !error; i++) {
        Task *task = tasks_find(tasks, handles[i]);
        if (task && !task->ended) error = poll_task(call, tasks, task, timeout_ms != 0);
        statuses[i] = !task         ? FNVM_SERVICE_INVALID
                      : task->ended ? task->status
                                    : FNVM_SERVICE_TIMEOUT;
        if (task && !task->ended) *status = FNVM_SERVICE_TIMEOUT;
    }
    if (error && fnvm_error_code(error) == FNVM_E_SUSPENDED) return error;
    for (uint32_t i = 0; i < n; i++) {
        Task *task = tasks_find(tasks, handles[i]);
        if (task) task->waiting = false;
    }
    if (!error && n) memcpy(statuses_at, statuses, n * sizeof *statuses);
    return error;
}

fnvm_error *tasks_await_all_slots(ServiceCall *call, Tasks *tasks, fnvm_slot *slots)
{
    int status;
    fnvm_error *error = await_all(call, tasks, slots, &status);
    return error ? error : service_answer(slots, status);
}

fnvm_error *tasks_await_slots(ServiceCall *call, Tasks *tasks, fnvm_slot *slots)
{
    Task *task = tasks_find(tasks, slots[0].i32);
    if (!task) return service_answer(slots, FNVM_SERVICE_INVALID);
    int status;
    fnvm_error *error = tasks_await(call, tasks, task, (int64_t)slots[1].i64, &status);
    return error ? error : service_answer(slots, status);
}

Task *tasks_answer(Tasks *tasks, uint32_t handle, int *status)
{
    Task *task = tasks_find(tasks, handle);
    *status = !task                             ? FNVM_SERVICE_INVALID
              : !task->ended                    ? FNVM_SERVICE_TIMEOUT
              : task->status != FNVM_SERVICE_OK ? task->status
                                                : FNVM_SERVICE_OK;
    return *status == FNVM_SERVICE_OK ? task : NULL;
}

int tasks_drop(Tasks *tasks, uint32_t handle)
{
    Task *task = tasks_find(tasks, handle);
    if (!task) return FNVM_SERVICE_INVALID;
    drop(tasks, task);
    return FNVM_SERVICE_OK;
}

void tasks_drop_all(Tasks *tasks)
{
    for (size_t i = 0; tasks->open && i < TASKS_OPEN; i++)
        if (tasks->open[i].handle) drop(tasks, &tasks->open[i]);
}
