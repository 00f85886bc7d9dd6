/* request.c - the module fnvm:request: what a function is asked, and what it answers, where it
 * is called once per request.  All is the embedder's, by fnvm_request_backend; here are bounds
 * and the guest's addresses. */
#include "stdlib/services.h"

/* slots: which, name, its length, offset, buffer, its size, where the length goes. */
static fnvm_error *part(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const fnvm_request_backend *b = &call.services->request;
    const uint32_t which = slots[0].i32, name_len = slots[2].i32;
    const char *name = (const char *)service_bytes(&call, slots[1].i32, name_len);
    if (!b->part) return service_answer(slots, FNVM_SERVICE_UNAVAILABLE);
    if (!name) return service_answer(slots, FNVM_SERVICE_FAULT);
    if (which > FNVM_REQUEST_SECRET) return service_answer(slots, FNVM_SERVICE_INVALID);
    if (name_len > REQUEST_NAME_BYTES) return service_answer(slots, FNVM_SERVICE_TOO_LARGE);
    const char *at = "";
    size_t len = 0;
    if (!b->part(b->env, (fnvm_request_part)which, name, name_len, &at, &len))
        return service_answer(slots, FNVM_SERVICE_NOT_FOUND);
    return service_answer(slots, service_piece(&call, at, len, slots[3].i32, slots[4].i32,
                                               slots[5].i32, slots[6].i32));
}

/* slots: buffer, its size, where goes how much it was; 0: the end. */
static fnvm_error *read_body(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const fnvm_request_backend *b = &call.services->request;
    uint8_t *to = service_bytes(&call, slots[0].i32, slots[1].i32);
    uint8_t *done_at = service_bytes(&call, slots[2].i32, 4);
    if (!b->read) return service_answer(slots, FNVM_SERVICE_UNAVAILABLE);
    if (!to || !done_at) return service_answer(slots, FNVM_SERVICE_FAULT);
    const uint32_t size = slots[1].i32 < REQUEST_PIECE_BYTES ? slots[1].i32 : REQUEST_PIECE_BYTES;
    size_t done = 0;
    fnvm_error *error = size ? b->read(b->env, caller, to, size, &done) : NULL;
    if (error) return error;
    const uint32_t n = done < size ? (uint32_t)done : size;
    memcpy(done_at, &n, sizeof n);
    return service_answer(slots, FNVM_SERVICE_OK);
}

static fnvm_error *set_status(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const fnvm_request_backend *b = &call.services->request;
    const uint32_t status = slots[0].i32;
    if (!b->status) return service_answer(slots, FNVM_SERVICE_UNAVAILABLE);
    if (status < 200 || status > 599) return service_answer(slots, FNVM_SERVICE_INVALID);
    return service_answer(slots, b->status(b->env, status));
}

static fnvm_error *set_field(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const fnvm_request_backend *b = &call.services->request;
    const uint32_t name_len = slots[1].i32, value_len = slots[3].i32;
    const char *name = (const char *)service_bytes(&call, slots[0].i32, name_len);
    const char *value = (const char *)service_bytes(&call, slots[2].i32, value_len);
    if (!b->field) return service_answer(slots, FNVM_SERVICE_UNAVAILABLE);
    if (!name || !value) return service_answer(slots, FNVM_SERVICE_FAULT);
    if (name_len > REQUEST_NAME_BYTES || value_len > REQUEST_VALUE_BYTES)
        return service_answer(slots, FNVM_SERVICE_TOO_LARGE);
    if (!http_field_valid(name, name_len, value, value_len))
        return service_answer(slots, FNVM_SERVICE_INVALID);
    return service_answer(slots, b->field(b->env, name, name_len, value, value_len));
}

/* slots: bytes, how many, where goes how many were taken. */
static fnvm_error *write_body(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const fnvm_request_backend *b = &call.services->request;
    const uint8_t *from = service_bytes(&call, slots[0].i32, slots[1].i32);
    uint8_t *done_at = service_bytes(&call, slots[2].i32, 4);
    if (!b->write) return service_answer(slots, FNVM_SERVICE_UNAVAILABLE);
    if (!from || !done_at) return service_answer(slots, FNVM_SERVICE_FAULT);
    const uint32_t size = slots[1].i32 < REQUEST_PIECE_BYTES ? slots[1].i32 : REQUEST_PIECE_BYTES;
    size_t done = 0;
    fnvm_error *error = size ? b->write(b->env, caller, from, size, &done) : NULL;
    if (error) return error;
    const uint32_t n = done < size ? (uint32_t)done : size;
    memcpy(done_at, &n, sizeof n);
    return service_answer(slots, FNVM_SERVICE_OK);
}

const ServiceFunc service_request[] = {{"part", "i32 i32 i32 i32 i32 i32 i32 -> i32", part},
                                       {"read", "i32 i32 i32 -> i32", read_body},
                                       {"status", "i32 -> i32", set_status},
                                       {"field", "i32 i32 i32 i32 -> i32", set_field},
                                       {"write", "i32 i32 i32 -> i32", write_body},
                                       {NULL, NULL, NULL}};
