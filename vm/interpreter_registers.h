/* Where the interpreter's registers live.
 *
 * interpreter_run is one function of a thousand exits, and gcc, left to itself, keeps half of its
 * registers on the stack.  All that are named here survive calls, so that the out-of-line paths cost
 * nothing on the way.  rbp needs -fomit-frame-pointer, which the
 * Makefile gives.  Compilers and processors not listed choose for themselves (clang chooses well). */
#ifndef FNVM_VM_INTERPRETER_REGISTERS_H
#define FNVM_VM_INTERPRETER_REGISTERS_H

#if defined(__x86_64__) && defined(__OPTIMIZE__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define REGISTER_PC __asm__("rbx")
#define REGISTER_SP __asm__("r12")
#define REGISTER_FP __asm__("r13")
#define REGISTER_UNDER __asm__("r14")
#define REGISTER_TOP __asm__("r15")
#define REGISTER_DISPATCH __asm__("rbp")
#else
#define REGISTER_PC
#define REGISTER_SP
#define REGISTER_FP
#define REGISTER_UNDER
#define REGISTER_TOP
#define REGISTER_DISPATCH
#endif

#endif
