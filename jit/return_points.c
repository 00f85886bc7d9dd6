/* Searching a function's points for its calls.
 *
 * Several points can stand for one call.  In the order of the native code: the poll at the
 * function's start, if the call is its first instruction; the linking of an import; the call; and
 * behind the function, the call by the slow way, which goes on where the other does, and traps. */
#include "jit/return_points.h"

#include "jit/code_file.h"
#include "jit/enter.h"
#include "jit/points.h"
#include "jit/segment.h"
#include "loader/skip.h"

enum { LONGEST_CALL = 11 }; /* bytes: an opcode and two numbers of up to five */

/* The blob of a function's published code; NULL if it has none. */
static const BlobHead *function_blob(const Module *m, uint32_t func)
{
    const void *const *entry = (const void *const *)segment_entries(m->segment) +
                               (func - m->n_imported_funcs);
    const uint8_t *code = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
    uint32_t owner;
    if (!segment_function_at(m->segment, code, &owner) || owner != func) return NULL;
    return (const BlobHead *)(const void *)(code - sizeof(BlobHead));
}

static const BlobHead *compiled_blob(const Instance *inst, uint32_t func, fnvm_error **error)
{
    Module *m = inst->module;
    const FuncCode *code;
    const BlobHead *h = function_blob(m, func);
    if (h) return h;
    *error = run_verified(inst->store, m, func, &code);
    if (*error || !jit_compile(m, code, store_stop(inst->store), error)) return NULL;
    return function_blob(m, func);
}

/* Whether the instruction at `at` is a call that ends at `end`, and is it of an import? */
static bool is_call(const Module *m, uint32_t at, uint32_t end, bool *of_import)
{
    Reader r = {.bytes = m->bytes, .pos = at, .end = end};
    Op op;
    if (!reader_skip_instruction(&r, &op)) {
        fnvm_error_free(r.error);
        return false;
    }
    *of_import = false;
    if (op == op_call) {
        Reader index = {.bytes = m->bytes, .pos = at + 1, .end = end};
        *of_import = read_u32(&index, "a function index") < m->n_imported_funcs;
    }
    return r.pos == end && (op == op_call || op == op_call_indirect || op == op_call_ref);
}

/* The first of the ends behind `at`; n if there is none. */
static uint32_t end_behind(const uint32_t *pcs, uint32_t n, uint32_t at)
{
    uint32_t from = 0, to = n;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (pcs[middle] <= at) from = middle + 1;
        else to = middle;
    }
    return from;
}

static bool search(const Module *m, const BlobHead *h, const uint32_t *pcs, uint32_t n,
                   ReturnPoint *out)
{
    const uint32_t start = m->bodies[h->func - m->n_imported_funcs].start + h->first_pc;
    const uint8_t *code = (const uint8_t *)(h + 1);
    PointReader r = points_read(code + h->code_size, h->points_size, start);
    uint32_t found = 0, before = UINT32_MAX, skipped = 0;
    for (uint32_t i = 0; i < n; i++) out[i] = (ReturnPoint){0};
    while (found < n && points_next(&r)) {
        bool of_import;
        uint32_t i = end_behind(pcs, n, r.p.pc);
        if (i == n || pcs[i] - r.p.pc > LONGEST_CALL || out[i].address ||
            !is_call(m, r.p.pc, pcs[i], &of_import))
            continue;
        skipped = r.p.pc == before ? skipped + 1 : 0;
        before = r.p.pc;
        if (skipped < (uint32_t)(r.p.pc == start) + of_import) continue;
        out[i] = (ReturnPoint){code + r.p.native, r.p.slots, r.p.native};
        found++;
    }
    return found == n;
}

/* As a file with the code knows them. */
static bool look_up(const Module *m, const BlobHead *h, const uint32_t *pcs, uint32_t n,
                    ReturnPoint *out)
{
    for (uint32_t i = 0; i < n; i++) {
        const CodeReturn *r = code_file_return(m, h->func, pcs[i]);
        if (!r) return false;
        out[i] = (ReturnPoint){(const uint8_t *)(h + 1) + r->native, r->slots, r->native};
    }
    return true;
}

bool return_points_find(const Instance *inst, uint32_t func, const uint32_t *pcs, uint32_t n,
                        ReturnPoint *out, fnvm_error **error)
{
    *error = NULL;
    if (!jit_runs(inst, func)) return false;
    const BlobHead *h = compiled_blob(inst, func, error);
    return h && (look_up(inst->module, h, pcs, n, out) || search(inst->module, h, pcs, n, out));
}
