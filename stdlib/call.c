/* call.c - the module fnvm:call: a guest calls other functions of its embedder's, several at
 * once if it likes.  Names and inputs are bytes; what they mean, who may call whom, and where
 * the called function runs is the backend's.  A name that begins with '#' is not for guests: see
 * fnvm_services_chained. */
#include "stdlib/services.h"

int32_t service_call_start(ServiceCall *call, const char *name, size_t name_len, const void *input,
                           size_t len)
{
    if (name_len == 0) return FNVM_SERVICE_INVALID;
    if (name_len > CALL_NAME_BYTES || len > CALL_INPUT_BYTES) return FNVM_SERVICE_TOO_LARGE;
    return tasks_start(call, &call->services->calls, name, name_len, input, len);
}

typedef struct CallText {
    uint32_t name, name_len, input, input_len;
} CallText; /* as guests lay it out */

static int32_t start_one(ServiceCall *call, const CallText *t)
{
    const char *name = (const char *)service_bytes(call, t->name, t->name_len);
    const uint8_t *input = service_bytes(call, t->input, t->input_len);
    if (!name || !input) return FNVM_SERVICE_FAULT;
    if (t->name_len && name[0] == '#') return FNVM_SERVICE_INVALID;
    return service_call_start(call, name, t->name_len, input, t->input_len);
}

static fnvm_error *start(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const CallText t = {slots[0].i32, slots[1].i32, slots[2].i32, slots[3].i32};
    return service_answer(slots, start_one(&call, &t));
}

/* Of several, each handle is one, or says why there is none. */
static fnvm_error *start_all(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const uint32_t n = slots[1].i32;
    if (n > TASKS_OPEN) return service_answer(slots, FNVM_SERVICE_INVALID);
    const uint8_t *texts_at = service_bytes(&call, slots[0].i32, n * (uint32_t)sizeof(CallText));
    uint8_t *handles_at = service_bytes(&call, slots[2].i32, n * 4);
    if (!texts_at || !handles_at) return service_answer(slots, FNVM_SERVICE_FAULT);
    CallText texts[TASKS_OPEN];
    int32_t handles[TASKS_OPEN], started = 0;
    if (n) memcpy(texts, texts_at, n * sizeof *texts);
    for (uint32_t i = 0; i < n; i++) {
        handles[i] = start_one(&call, &texts[i]);
        started += handles[i] > 0;
    }
    if (n) memcpy(handles_at, handles, n * sizeof *handles);
    return service_answer(slots, started);
}

static fnvm_error *await(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    return tasks_await_slots(&call, &call.services->calls, slots);
}

static fnvm_error *await_all(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    return tasks_await_all_slots(&call, &call.services->calls, slots);
}

static fnvm_error *output(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    int status;
    const Task *task = tasks_answer(&call.services->calls, slots[0].i32, &status);
    if (task)
        status = service_piece(&call, task->answer, task->len, slots[1].i32, slots[2].i32,
                               slots[3].i32, slots[4].i32);
    return service_answer(slots, status);
}

static fnvm_error *drop(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    return service_answer(slots, tasks_drop(&call.services->calls, slots[0].i32));
}

const ServiceFunc service_call[] = {{"start", "i32 i32 i32 i32 -> i32", start},
                                    {"start_all", "i32 i32 i32 -> i32", start_all},
                                    {"await", "i32 i64 -> i32", await},
                                    {"await_all", "i32 i32 i64 i32 -> i32", await_all},
                                    {"output", "i32 i32 i32 i32 i32 -> i32", output},
                                    {"drop", "i32 -> i32", drop},
                                    {NULL, NULL, NULL}};
