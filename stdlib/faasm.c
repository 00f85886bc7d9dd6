/* faasm.c - the host interface of Faasm (`env`.`__faasm_*`), on top of fnvm:kv and fnvm:call:
 * input and output, and chained calls.  State is in faasm_state.c.
 *
 * These functions have no statuses, so what fails is a trap that says why.  Function pointers
 * are chained as tasks named "#N", N being the pointer, which is an index in the module's table:
 * the embedder makes another instance of the same function and calls what fnvm_services_chained
 * finds there. */
#include "stdlib/services.h"

#include <stdio.h>
#include <stdlib.h>

#include "vm/error.h"

/* ---- Shared with faasm_state.c ---- */

const char *faasm_text(const ServiceCall *call, uint32_t address, size_t *len)
{
    if (address >= call->memory_size) return NULL;
    const uint64_t room = call->memory_size - address;
    const size_t most = room < FAASM_NAME_BYTES ? (size_t)room : FAASM_NAME_BYTES;
    const char *text = (const char *)call->memory + address;
    *len = strnlen(text, most);
    return *len < most ? text : NULL;
}

fnvm_error *faasm_failed(const char *function, int status)
{
    static const char *const reasons[] = {[-FNVM_SERVICE_NOT_FOUND] = "there is none of that name",
                                          [-FNVM_SERVICE_TOO_LARGE] = "it is too large",
                                          [-FNVM_SERVICE_CHANGED] = "it was changed",
                                          [-FNVM_SERVICE_DENIED] = "it is not allowed",
                                          [-FNVM_SERVICE_TIMEOUT] = "it took too long",
                                          [-FNVM_SERVICE_UNAVAILABLE] = "the host has none",
                                          [-FNVM_SERVICE_FAILED] = "it failed",
                                          [-FNVM_SERVICE_FAULT] =
                                              "an address is outside of the memory",
                                          [-FNVM_SERVICE_INVALID] = "the arguments make no sense",
                                          [-FNVM_SERVICE_LIMIT] = "there are too many"};
    const int n = (int)(sizeof reasons / sizeof *reasons);
    return fnvm_error_trap_new(FNVM_TRAP_HOST, "__faasm_%s: %s", function,
                               status < 0 && -status < n ? reasons[-status] : "it failed");
}

enum { PAGE_LOG2 = 16 };

uint32_t faasm_pages(ServiceCall *call, uint32_t len)
{
    Instance *inst = call->caller->instance;
    MemoryRef *memory = inst ? inst->memory_export : NULL;
    if (!memory || memory->state->page_log2 != PAGE_LOG2) return 0;
    uint64_t pages = ((uint64_t)len + (1 << PAGE_LOG2) - 1) >> PAGE_LOG2, old;
    if (pages == 0) pages = 1;
    if (memory->state->size + (pages << PAGE_LOG2) > UINT32_MAX)
        return 0; /* pointers are 32 bits */
    if (!memory_grow(memory, pages, &old)) return 0;
    *call = service_enter(call->caller, call->services);
    return (uint32_t)(old << PAGE_LOG2);
}

/* ---- Input and output ---- */

/* slots: buffer, its size; 0: how long it is. */
static fnvm_error *read_input(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    const Services *s = call.services;
    const uint32_t size = slots[1].i32;
    uint8_t *to = service_bytes(&call, slots[0].i32, size);
    if (!to) return faasm_failed("read_input", FNVM_SERVICE_FAULT);
    if (s->input_len > INT32_MAX) return faasm_failed("read_input", FNVM_SERVICE_TOO_LARGE);
    if (size == 0) return service_answer(slots, (int)s->input_len);
    const size_t n = s->input_len < size ? s->input_len : size;
    if (n) memcpy(to, s->input, n);
    return service_answer(slots, (int)n);
}

static fnvm_error *write_output(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    Services *s = call.services;
    const uint32_t len = slots[1].i32;
    const uint8_t *from = service_bytes(&call, slots[0].i32, len);
    if (!from) return faasm_failed("write_output", FNVM_SERVICE_FAULT);
    if (len > FAASM_OUTPUT_BYTES) return faasm_failed("write_output", FNVM_SERVICE_TOO_LARGE);
    char *copy = malloc(len + (size_t)1);
    if (!copy) return error_no_memory();
    memcpy(copy, from, len);
    free(s->output);
    s->output = copy;
    s->output_len = len;
    return NULL;
}

/* ---- Chaining ---- */

/* What was written is there for the called function to read. */
static fnvm_error *chain(ServiceCall *call, const char *function, const char *name, size_t name_len,
                         fnvm_slot *slots)
{
    const uint32_t len = slots[2].i32;
    const uint8_t *input = service_bytes(call, slots[1].i32, len);
    if (!input) return faasm_failed(function, FNVM_SERVICE_FAULT);
    int status;
    fnvm_error *error = faasm_state_push_all(call, &status);
    if (error) return error;
    if (!status) status = service_call_start(call, name, name_len, input, len);
    return status > 0 ? service_answer(slots, status) : faasm_failed(function, status);
}

static fnvm_error *chain_name(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    size_t len;
    const char *name = faasm_text(&call, slots[0].i32, &len);
    if (!name) return faasm_failed("chain_name", FNVM_SERVICE_FAULT);
    if (name[0] == '#') return faasm_failed("chain_name", FNVM_SERVICE_INVALID);
    return chain(&call, "chain_name", name, len, slots);
}

static fnvm_error *chain_ptr(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    char name[16];
    const int len = snprintf(name, sizeof name, "#%u", (unsigned)slots[0].i32);
    return chain(&call, "chain_ptr", name, (size_t)len, slots);
}

static fnvm_error *await(ServiceCall *call, const char *function, uint32_t handle, Task **task,
                         int *status)
{
    Tasks *tasks = &call->services->calls;
    *task = tasks_find(tasks, handle);
    if (!*task) return faasm_failed(function, FNVM_SERVICE_INVALID);
    fnvm_error *error = tasks_await(call, tasks, *task, -1, status);
    if (error) return error;
    (*task)->spent = (*task)->ended;
    faasm_state_forget_clean(call->services); /* it may have written some */
    return NULL;
}

static fnvm_error *await_call(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    Task *task;
    int status;
    fnvm_error *error = await(&call, "await_call", slots[0].i32, &task, &status);
    return error ? error : service_answer(slots, status);
}

/* Memory that the guest can free, if it exports what that takes; else pages, which stay. */
static fnvm_error *allocate(ServiceCall *call, uint32_t len, uint32_t *at)
{
    fnvm_store *store = fnvm_caller_store(call->caller);
    fnvm_extern func;
    fnvm_valtype type;
    *at = 0;
    if (!fnvm_instance_export(fnvm_caller_instance(call->caller), "malloc", 6, &func) ||
        func.kind != FNVM_EXTERN_FUNC || fnvm_func_params(store, func, &type, 1) != 1 ||
        fnvm_valtype_kind(type) != FNVM_I32 || fnvm_func_results(store, func, &type, 1) != 1 ||
        fnvm_valtype_kind(type) != FNVM_I32) {
        *at = faasm_pages(call, len);
        return NULL;
    }
    const fnvm_val size = {FNVM_I32, {.i32 = (int32_t)len}};
    fnvm_val result = {FNVM_I32, {.i32 = 0}};
    fnvm_error *error = fnvm_func_call(store, func, &size, 1, &result, 1);
    if (error) return error;
    *at = (uint32_t)result.of.i32;
    *call = service_enter(call->caller, call->services); /* it may have grown */
    return NULL;
}

/* slots: handle, where the pointer to the output goes, where its length goes. */
static fnvm_error *await_call_output(fnvm_caller *caller, void *env, fnvm_slot *slots)
{
    ServiceCall call = service_enter(caller, env);
    static const char me[] = "await_call_output";
    const uint32_t pointer_at = slots[1].i32, len_at = slots[2].i32, handle = slots[0].i32;
    if (!service_bytes(&call, pointer_at, 4) || !service_bytes(&call, len_at, 4))
        return faasm_failed(me, FNVM_SERVICE_FAULT);
    Task *task;
    int status;
    fnvm_error *error = await(&call, me, handle, &task, &status);
    if (error) return error;
    uint32_t at = 0, len = 0;
    if (status == FNVM_SERVICE_OK && task->len) {
        if (task->len > FAASM_OUTPUT_BYTES) return faasm_failed(me, FNVM_SERVICE_TOO_LARGE);
        task->spent = false; /* whatever malloc does */
        error = allocate(&call, (uint32_t)task->len, &at);
        if (error) return error;
        task = tasks_find(&call.services->calls, handle);
        if (!task) return faasm_failed(me, FNVM_SERVICE_INVALID);
        task->spent = true;
        len = (uint32_t)task->len;
        uint8_t *to = at ? service_bytes(&call, at, len) : NULL;
        if (!to)
            return fnvm_error_trap_new(FNVM_TRAP_HOST,
                                       "__faasm_%s: there is no memory for an output of "
                                       "%u bytes",
                                       me, (unsigned)len);
        memcpy(to, task->answer, len);
    }
    memcpy(service_bytes(&call, pointer_at, 4), &at, sizeof at);
    memcpy(service_bytes(&call, len_at, 4), &len, sizeof len);
    return service_answer(slots, status);
}

fnvm_error *fnvm_services_chained(fnvm_instance *inst, const char *name, size_t name_len,
                                  fnvm_extern *func)
{
    uint32_t index = 0;
    bool valid = name_len > 1 && name[0] == '#';
    for (size_t i = 1; valid && i < name_len; i++)
        valid = name[i] >= '0' && name[i] <= '9' && !__builtin_mul_overflow(index, 10, &index) &&
                !__builtin_add_overflow(index, (uint32_t)(name[i] - '0'), &index);
    if (!valid)
        return fnvm_error_new(FNVM_E_NOT_FOUND, "\"%.*s\" is no function of a table (\"#12\")",
                              (int)(name_len < 64 ? name_len : 64), name);
    const Module *m = inst->module;
    const TableRef *t = m->ntables ? &inst->tables[0] : NULL;
    if (!t ||
        types_top(&inst->store->engine->types, type_heap(m->tables[0].type.elem)) != HEAP_FUNC ||
        index >= t->state->size || !t->elems[index])
        return fnvm_error_new(FNVM_E_NOT_FOUND, "the function's table has nothing at %u",
                              (unsigned)index);
    const fnvm_extern found = {FNVM_EXTERN_FUNC, {t->elems[index], 0}};
    fnvm_valtype type;
    if (fnvm_func_params(inst->store, found, NULL, 0) != 0 ||
        fnvm_func_results(inst->store, found, &type, 1) != 1 || fnvm_valtype_kind(type) != FNVM_I32)
        return fnvm_error_new(FNVM_E_LINK,
                              "the function at %u of the table cannot be chained: it must take "
                              "nothing and return an i32",
                              (unsigned)index);
    *func = found;
    return NULL;
}

#define STATE(name, type) {"__faasm_" #name, type, faasm_##name},
const ServiceFunc service_faasm[] = {
    {"__faasm_read_input", "i32 i32 -> i32", read_input},
    {"__faasm_write_output", "i32 i32 ->", write_output},
    {"__faasm_chain_name", "i32 i32 i32 -> i32", chain_name},
    {"__faasm_chain_ptr", "i32 i32 i32 -> i32", chain_ptr},
    {"__faasm_await_call", "i32 -> i32", await_call},
    {"__faasm_await_call_output", "i32 i32 i32 -> i32", await_call_output},
    FAASM_STATE_FUNCTIONS(STATE){NULL, NULL, NULL}};
