/* Most frames are equal, and then nothing is looked up.  Else the code is walked to see which
 * frames stand at a tail call, or at the function's end, where the interpreter goes on after a tail
 * call of a host function and where nothing else can fail. */
#include "conformance/generate/frames.h"

#include "loader/skip.h"
#include "vm/tunables.h"

static bool is_tail_call(Op op)
{
    return op == op_return_call || op == op_return_call_indirect || op == op_return_call_ref;
}

static void skip_locals(Reader *r)
{
    for (uint32_t groups = read_u32(r, "a count"); groups > 0 && !r->error; groups--) {
        read_u32(r, "a count");
        uint8_t code = read_byte(r, "a type");
        if (code == 0x63 || code == 0x64) read_s33(r, "a heap type");
    }
}

static bool at_tail_call(const Module *m, const fnvm_frame *f)
{
    if (f->func_index < m->n_imported_funcs || f->func_index >= m->nfuncs) return false;
    Range body = m->bodies[f->func_index - m->n_imported_funcs];
    Reader r = {.bytes = m->bytes, .pos = body.start, .end = body.end};
    Op op = op_nop;
    if (f->offset + 1 == body.end) return true;
    skip_locals(&r);
    while (!r.error && r.pos <= f->offset && r.pos < r.end)
        if (!reader_skip_instruction(&r, &op)) break;
    fnvm_error_free(r.error);
    return is_tail_call(op);
}

static size_t next_frame(const Module *m, const fnvm_frame *frames, size_t n, size_t i)
{
    while (i < n && at_tail_call(m, &frames[i])) i++;
    return i;
}

bool same_frames(const Module *m, const fnvm_error *a, const fnvm_error *b)
{
    const fnvm_frame *x, *y;
    size_t nx = fnvm_error_frames(a, &x), ny = fnvm_error_frames(b, &y), i = 0, k = 0;
    for (;;) {
        bool same =
            i < nx && k < ny && x[i].func_index == y[k].func_index && x[i].offset == y[k].offset;
        if (!same) {
            i = next_frame(m, x, nx, i);
            k = next_frame(m, y, ny, k);
            /* Of a deep stack each shows as many as there is room for. */
            if (i == nx || k == ny)
                return (i == nx || nx + ny >= 2 * TUNE_BACKTRACE_FRAMES) &&
                       (k == ny || nx + ny >= 2 * TUNE_BACKTRACE_FRAMES);
            if (x[i].func_index != y[k].func_index || x[i].offset != y[k].offset) return false;
        }
        i++;
        k++;
    }
}
