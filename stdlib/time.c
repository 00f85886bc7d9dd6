/* time.c - the module fnvm:time: clocks, and waiting for one of them. */
#include "stdlib/services.h"

#include <errno.h>
#include <time.h>

#include "stdlib/wasi.h"

static fnvm_error *realtime(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    slots[0].i64 = (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
    return service_note(&call, DRAW_CLOCK);
}

static fnvm_error *monotonic(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    slots[0].i64 = service_now();
    return service_note(&call, DRAW_CLOCK);
}

/* Asks the embedder first, who may suspend the guest; then the thread waits, until an interrupt. */
static fnvm_error *sleep_until(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const Services *s = call.services;
    const uint64_t deadline = slots[0].i64;
    if (service_now() < deadline && s->at_sleep) {
        fnvm_error *error = s->at_sleep(s->at_sleep_env, caller, deadline);
        if (error) return error;
    }
    int status = FNVM_SERVICE_OK;
    for (uint64_t now; (now = service_now()) < deadline;) {
        const uint64_t left = deadline - now;
        struct timespec wait = {(time_t)(left / UINT64_C(1000000000)),
                                (long)(left % UINT64_C(1000000000))};
        if (wait.tv_sec > 3600) wait.tv_sec = 3600;
        struct pollfd fd = {.fd = fnvm_caller_interrupt_fd(caller), .events = POLLIN};
        if (fd.fd < 0 && wait.tv_sec) wait = (struct timespec){1, 0};
        if (ppoll(&fd, fd.fd >= 0, &wait, NULL) < 0 && errno != EINTR) {
            status = FNVM_SERVICE_UNAVAILABLE;
            break;
        }
        if (fnvm_caller_interrupted(caller)) break; /* it traps at its next step */
    }
    return service_answer(slots, status);
}

const ServiceFunc service_time[] = {{"realtime", "-> i64", realtime},
                                    {"monotonic", "-> i64", monotonic},
                                    {"sleep_until", "i64 -> i32", sleep_until},
                                    {NULL, NULL, NULL}};
