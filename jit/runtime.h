/* The runtime that compiled code calls: instructions too long for templates.
 *
 * Called through STUB_RUNTIME with all of the frame in its home slots.  `operands` is the first of
 * the instruction's operands; results replace them there.  JIT_CONTINUE goes on behind the call;
 * anything else leaves compiled code, the frames as they are at the instruction. */
#ifndef FNVM_JIT_RUNTIME_H
#define FNVM_JIT_RUNTIME_H

#include "jit/jit.h"

typedef enum JitExit {
    JIT_CONTINUE,
    JIT_DONE,      /* the outermost compiled frame returned */
    JIT_TRAP,      /* cpu->trap says why */
    JIT_ERROR,     /* cpu->error is set */
    JIT_THROW,     /* cpu->exception is set */
    JIT_SWITCH     /* the innermost frame is now the interpreter's */
} JitExit;

typedef uint32_t JitRuntime(Instance *, Slot *operands, uint64_t a, uint64_t b);

/* X(name)  what it takes */
#define JIT_RUNTIME(X)                                                                            \
    X(step)          /* a: offset of the opcode (of the prefix) in the module: any instruction of  \
                      * page 0xFB but the casting branches, bulk and table ones of 0xFC;           \
                      * b: slots of its operands */                                                \
    X(cast)          /* a: offset of a br_on_cast(_fail)'s prefix; operands[0] the reference, which \
                      * stays; cpu->ints[0] becomes 1 if it matches the target type, else 0 */     \
    X(new_object)    /* a: type index, b: length of an array; a zeroed object in cpu->ints[0].  Takes  \
                      * no operands: `operands` may be anything */                                 \
    X(memory_grow)   /* a: memory index; operands[0] delta, becomes the result */                  \
    X(link)          /* a: function import index to resolve */                                     \
    X(ref_func)      /* a: function index (an import); operands[0] becomes the reference */        \
    X(throw_)        /* a: tag index; operands: its payload */                                     \
    X(throw_ref)     /* operands[0]: an exnref, null traps */                                      \
    X(row)           /* a: Op of a row that computes on values only (vm/numeric.h, vm/simd.h),     \
                      * b: its lane immediate; of a shuffle and of constants the offset of the     \
                      * 16 bytes in the module (code holds no addresses: I2);                      \
                      * operands in their slots, the result replaces them; may trap */

enum {
#define X(name) RT_##name,
    JIT_RUNTIME(X)
#undef X
    RT_COUNT
};

extern JitRuntime *const jit_runtime[RT_COUNT];

#endif
