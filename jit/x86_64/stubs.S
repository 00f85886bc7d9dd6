/* Between the host's code and compiled code, for x86-64 and the System V calling convention.
 *
 * jit_enter saves the host's registers and moves to the guest's stack; every stub that needs code
 * of the host moves back to where jit_enter left the host's stack pointer.  MXCSR is always the
 * host's: both want the default rounding and no traps.
 *
 * In compiled code: r15 instance, r14 base of its memory 0, rbp frame register, rsp the guest's
 * control stack.  Arguments: rdi rsi r8 r9 r10 rbx, xmm4..xmm9; result: rax or xmm0.  r11 is
 * scratch. */
#include "jit/x86_64/offsets.h"

    .intel_syntax noprefix
    .text

/* Seven words below the return address of jit_enter: six registers, the outer run's stack. */
#define HOST_FRAME 64

/* For debuggers.  On the host's stack the caller is jit_enter's.  On the guest's it is compiled
 * code, whose frames are known only if they were described (jit/gdb.c); their return addresses
 * lead on to the labels jit_return_*, where the host's frames continue.  The nop before each of
 * those is for unwinders, which look for the instruction before a return address. */
.macro CFI_HOST
    .cfi_def_cfa rsp, HOST_FRAME
    .cfi_offset rip, -8
    .cfi_offset rbp, -16
    .cfi_offset rbx, -24
    .cfi_offset r12, -32
    .cfi_offset r13, -40
    .cfi_offset r14, -48
    .cfi_offset r15, -56
.endm
.macro CFI_GUEST
    .cfi_def_cfa rsp, 8
    .cfi_undefined rip
.endm
/* On the guest's stack, its innermost word being a return address. */
.macro CFI_CALLED
    .cfi_def_cfa rsp, 8
    .cfi_offset rip, -8
    .cfi_same_value r15
.endm

/* DWARF expressions (DWARF 5, 2.5), in bytes. */
#define OP_DEREF 0x06
#define OP_CONST1U 0x08
#define OP_DUP 0x12
#define OP_OVER 0x14
#define OP_AND 0x1A
#define OP_MINUS 0x1C
#define OP_PLUS_UCONST 0x23
#define OP_BRA 0x28
#define OP_EQ 0x29
#define OP_SKIP 0x2F
#define OP_BREG7 0x77 /* rsp */
#define OP_BREG15 0x7F
#define OP_DEREF_SIZE 0x94
#define LEB128(n) ((n) & 0x7F) | 0x80, (n) >> 7 /* of two bytes */
#define DEF_CFA_EXPRESSION 0x0F
#define EXPRESSION 0x10

/* cpu, and whether its guest's frames are described and this is its innermost run: 15 bytes. */
#define OPS_CPU_AND_CHOICE                                                                        \
    OP_BREG15, LINKS_CPU, OP_DEREF, OP_DUP, OP_DEREF, OP_BREG7, 0, OP_EQ, OP_OVER,                \
    OP_PLUS_UCONST, LEB128(CPU_FRAMES_DESCRIBED), OP_DEREF_SIZE, 4, OP_AND

/* On the host's stack on behalf of compiled code.  If that is described it is the caller, the
 * innermost word of its stack being the return address, and its r15 is in the GuestCpu; else as
 * CFI_HOST.  Its other registers are not known. */
.macro CFI_LEFT
    CFI_HOST
    .cfi_escape DEF_CFA_EXPRESSION, 29, OPS_CPU_AND_CHOICE, OP_BRA, 6, 0,                         \
        OP_BREG7, LEB128(HOST_FRAME), OP_SKIP, 5, 0,                                              \
        OP_PLUS_UCONST, CPU_SP, OP_DEREF, OP_PLUS_UCONST, 8
    .cfi_escape EXPRESSION, 15, 27, OPS_CPU_AND_CHOICE, OP_BRA, 7, 0,                             \
        OP_OVER, OP_CONST1U, 56, OP_MINUS, OP_SKIP, 2, 0, OP_PLUS_UCONST, CPU_INSTANCE
.endm

/* Where compiled code returns to leave jit_enter: the caller is jit_enter's. */
.macro CFI_BOTTOM
    CFI_HOST
    .cfi_escape DEF_CFA_EXPRESSION, 6, OP_BREG15, LINKS_CPU, OP_DEREF, OP_DEREF,                  \
        OP_PLUS_UCONST, HOST_FRAME
.endm

.macro FUNCTION name
    .globl \name
    .hidden \name
    .type \name, @function
    .p2align 4
\name:
    .cfi_startproc
.endm
.macro END_FUNCTION name
    .cfi_endproc
    .size \name, . - \name
.endm

/* A stub begins on the guest's stack.  Debuggers expect a stack to grow in one direction except
 * from signal frames, and the guest's may lie anywhere. */
.macro STUB name
    FUNCTION \name
    .cfi_signal_frame
    CFI_CALLED
.endm

/* So does what compiled code returns to. */
.macro BOTTOM name
    .p2align 4
    .cfi_startproc
    CFI_BOTTOM
    .type \name\()_frame, @function
\name\()_frame:
    nop
    .size \name\()_frame, . - \name\()_frame
    .globl \name
    .hidden \name
    .type \name, @function
\name:
.endm

/* Notes where the guest is and takes the host's stack, aligned to 16 bytes.  r11: the GuestCpu. */
.macro LEAVE_GUEST cfi=CFI_LEFT
    mov r11, [r15 + LINKS_CPU]
    mov [r11 + CPU_SP], rsp
    mov [r11 + CPU_FP], rbp
    mov [r11 + CPU_INSTANCE], r15
    mov rsp, [r11 + CPU_HOST_SP]
    \cfi
.endm

.macro SAVE_ARGUMENTS
    mov [r11 + CPU_INTS], rdi
    mov [r11 + CPU_INTS + 8], rsi
    mov [r11 + CPU_INTS + 16], r8
    mov [r11 + CPU_INTS + 24], r9
    mov [r11 + CPU_INTS + 32], r10
    mov [r11 + CPU_INTS + 40], rbx
    movups [r11 + CPU_FLOATS], xmm4
    movups [r11 + CPU_FLOATS + 16], xmm5
    movups [r11 + CPU_FLOATS + 32], xmm6
    movups [r11 + CPU_FLOATS + 48], xmm7
    movups [r11 + CPU_FLOATS + 64], xmm8
    movups [r11 + CPU_FLOATS + 80], xmm9
.endm

.macro LOAD_ARGUMENTS
    mov rdi, [r11 + CPU_INTS]
    mov rsi, [r11 + CPU_INTS + 8]
    mov r8, [r11 + CPU_INTS + 16]
    mov r9, [r11 + CPU_INTS + 24]
    mov r10, [r11 + CPU_INTS + 32]
    mov rbx, [r11 + CPU_INTS + 40]
    movups xmm4, [r11 + CPU_FLOATS]
    movups xmm5, [r11 + CPU_FLOATS + 16]
    movups xmm6, [r11 + CPU_FLOATS + 32]
    movups xmm7, [r11 + CPU_FLOATS + 48]
    movups xmm8, [r11 + CPU_FLOATS + 64]
    movups xmm9, [r11 + CPU_FLOATS + 80]
    mov eax, [r11 + CPU_CALLEE]
.endm

    .globl stubs_start /* to stubs_end: for profilers */
    .hidden stubs_start
stubs_start:

/* uint32_t jit_enter(GuestCpu *): goes to cpu->resume with the registers that cpu has, and returns
 * a JitExit.  Runs nest: the outer one's stack is kept below the saved registers. */
FUNCTION jit_enter
    push rbp
    .cfi_adjust_cfa_offset 8
    push rbx
    .cfi_adjust_cfa_offset 8
    push r12
    .cfi_adjust_cfa_offset 8
    push r13
    .cfi_adjust_cfa_offset 8
    push r14
    .cfi_adjust_cfa_offset 8
    push r15
    .cfi_adjust_cfa_offset 8
    push qword ptr [rdi + CPU_HOST_SP]
    CFI_HOST
    mov [rdi + CPU_HOST_SP], rsp
    mov r11, rdi

/* Goes on in the guest as the GuestCpu in r11 says. */
enter_guest:
    mov rsp, [r11 + CPU_SP]
    CFI_GUEST
    mov rbp, [r11 + CPU_FP]
    mov r15, [r11 + CPU_INSTANCE]
    mov r14, [r15 + LINKS_MEMORY]
    LOAD_ARGUMENTS
    jmp qword ptr [r11 + CPU_RESUME]

/* Returns eax from jit_enter; r11 is the GuestCpu, the stack the host's. */
leave_guest:
    CFI_HOST
    pop qword ptr [r11 + CPU_HOST_SP]
    .cfi_adjust_cfa_offset -8
    pop r15
    .cfi_adjust_cfa_offset -8
    pop r14
    .cfi_adjust_cfa_offset -8
    pop r13
    .cfi_adjust_cfa_offset -8
    pop r12
    .cfi_adjust_cfa_offset -8
    pop rbx
    .cfi_adjust_cfa_offset -8
    pop rbp
    .cfi_adjust_cfa_offset -8
    ret
END_FUNCTION jit_enter

/* ---- Return addresses that are not in compiled code ---- */

/* The bottom of a stretch of compiled frames, by the type of the first result, which goes home.
 * The next word is left for jit_enter's caller. */
BOTTOM jit_return_v128
    movups [rbp - FP_BIAS], xmm0
    jmp returned
END_FUNCTION jit_return_v128
BOTTOM jit_return_f64
    movsd [rbp - FP_BIAS], xmm0
    jmp returned
END_FUNCTION jit_return_f64
BOTTOM jit_return_f32
    movd eax, xmm0 /* the slot's upper half becomes zero */
    mov [rbp - FP_BIAS], rax
    jmp returned
END_FUNCTION jit_return_f32
BOTTOM jit_return_int /* or none: the slot is free then */
    mov [rbp - FP_BIAS], rax
returned:
    LEAVE_GUEST CFI_HOST
    mov eax, EXIT_DONE
    jmp leave_guest
END_FUNCTION jit_return_int

/* Entered by jit_enter to return to compiled code from a function that the interpreter or the host
 * ran: the first result is at home, whatever its type. */
STUB jit_resume
    mov rax, [rbp - FP_BIAS]
    movups xmm0, [rbp - FP_BIAS]
    ret
END_FUNCTION jit_resume

/* ---- Calls of the runtime, and traps ---- */

/* eax: index in jit_runtime; rsi, rdx, rcx: what the function takes.  Returns with the GuestCpu in
 * r11. */
STUB stub_runtime
    LEAVE_GUEST
    lea r11, [rip + jit_runtime]
    mov rdi, r15
    mov eax, eax
    call qword ptr [r11 + 8 * rax]
    mov r11, [r15 + LINKS_CPU]
    test eax, eax
    jnz leave_guest
    mov rsp, [r11 + CPU_SP]
    CFI_CALLED
    ret
END_FUNCTION stub_runtime

/* Jumped to: there is no room for a frame; the trap is the caller's. */
STUB stub_exhausted
    mov eax, TRAP_EXHAUSTED
/* eax: the trap. */
    .globl stub_trap
    .hidden stub_trap
    .type stub_trap, @function
stub_trap:
    LEAVE_GUEST
    mov [r11 + CPU_TRAP], eax
    mov eax, EXIT_TRAP
    jmp leave_guest
END_FUNCTION stub_exhausted

/* Where the fault handler sends a thread.  It has filled in the GuestCpu, from r15. */
STUB stub_fault
    mov r11, [r15 + LINKS_CPU]
    mov rsp, [r11 + CPU_HOST_SP]
    CFI_HOST
    mov eax, EXIT_TRAP
    jmp leave_guest
END_FUNCTION stub_fault

/* ---- Calls ---- */

/* Every entry before its function is compiled.  eax: function index + 1. */
STUB stub_lazy
    LEAVE_GUEST
    SAVE_ARGUMENTS
    mov [r11 + CPU_CALLEE], eax
    mov rdi, r15
    lea esi, [rax - 1]
    call jit_compile_entry
    mov r11, [r15 + LINKS_CPU]
    test eax, eax
    jz enter_guest
    jmp leave_guest
END_FUNCTION stub_lazy

/* rax: a FuncRef, edx: the trap if it is null, ecx: the type it must have, or ~0. */
STUB stub_call_ref
    LEAVE_GUEST
    SAVE_ARGUMENTS
    mov rdi, r15
    mov rsi, rax
    call jit_call_ref
    mov r11, [r15 + LINKS_CPU]
    test eax, eax
    jz enter_guest
    cmp eax, CALL_DONE
    je host_returned
    cmp eax, CALL_ACROSS
    jne leave_guest
/* Another instance's: its return leads to jit_switch_return, by a call so that the processor
 * predicts it. */
    mov ecx, [r15 + INSTANCE_ID]
    mov rsp, [r11 + CPU_SP]
    CFI_CALLED
    mov r15, [r11 + CPU_INSTANCE]
    mov r14, [r15 + LINKS_MEMORY]
    push rcx
    .cfi_adjust_cfa_offset 8
    LOAD_ARGUMENTS
    call qword ptr [r11 + CPU_RESUME]
    .globl jit_switch_return
    .hidden jit_switch_return
jit_switch_return: /* next are the calling instance's id and the return address in its code */
    mov r11, [r15 + INSTANCE_STORE]
    mov r11, [r11 + STORE_INSTANCES]
    pop rcx
    .cfi_adjust_cfa_offset -8
    mov r15, [r11 + 8 * rcx]
    mov r14, [r15 + LINKS_MEMORY]
    ret
END_FUNCTION stub_call_ref

/* The same; rbp is the caller's own frame, which the callee takes over: there is no way back to the
 * call. */
STUB stub_tail_ref
    LEAVE_GUEST
    SAVE_ARGUMENTS
    mov rdi, r15
    mov rsi, rax
    call jit_tail_ref
    mov r11, [r15 + LINKS_CPU]
    test eax, eax
    jz enter_guest
    cmp eax, CALL_DONE
    jne leave_guest
host_returned:
    mov rsp, [r11 + CPU_SP]
    CFI_CALLED
    jmp jit_resume
END_FUNCTION stub_tail_ref

    .globl stubs_end
    .hidden stubs_end
stubs_end:

    .hidden jit_runtime
    .hidden jit_compile_entry
    .hidden jit_call_ref
    .hidden jit_tail_ref
    .section .note.GNU-stack, "", @progbits
