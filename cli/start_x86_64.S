/* Where the program begins, before the C library's _start.
 *
 * A program that may lie anywhere has its own addresses written into its data first: 9,000 words on
 * 32 pages, each of which would be a fault of its own and together a tenth of the time that an
 * empty guest takes.  Here the kernel is asked for all of them at once.  One that cannot
 * (MADV_POPULATE_WRITE is of Linux 5.14) says so and nobody listens.
 *
 * The registers are as the kernel, or the dynamic loader, left them: rdx is for _start. */
    .intel_syntax noprefix
    .text

#define SYS_MADVISE 28
#define MADV_POPULATE_WRITE 23

    .globl fnvm_start
    .hidden fnvm_start
    .type fnvm_start, @function
fnvm_start:
    .cfi_startproc
    .cfi_undefined rip
    mov r8, rdx
    lea rdi, [rip + __init_array_start] /* the first of the data that is not the thread's */
    and rdi, -4096
    lea rsi, [rip + _edata]
    sub rsi, rdi
    mov edx, MADV_POPULATE_WRITE
    mov eax, SYS_MADVISE
    syscall
    mov rdx, r8
    jmp _start
    .cfi_endproc
    .size fnvm_start, . - fnvm_start

    .section .note.GNU-stack, "", @progbits
