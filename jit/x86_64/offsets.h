/* Numbers that stubs.S and the C side agree on; jit/enter.c checks each against the structures. */
#ifndef FNVM_JIT_X86_64_OFFSETS_H
#define FNVM_JIT_X86_64_OFFSETS_H

#define CPU_HOST_SP 0 /* GuestCpu */
#define CPU_SP 8
#define CPU_FP 16
#define CPU_INSTANCE 24
#define CPU_RESUME 32
#define CPU_INTS 40
#define CPU_FLOATS 88
#define CPU_CALLEE 184
#define CPU_TRAP 208
#define CPU_FRAMES_DESCRIBED 216

#define LINKS_MEMORY 0 /* Instance */
#define LINKS_CPU 8
#define INSTANCE_STORE 152
#define INSTANCE_ID 176

#define STORE_INSTANCES 24 /* Store */

#define FP_BIAS 128       /* JIT_FP_BIAS */
#define EXIT_DONE 1       /* JitExit */
#define EXIT_TRAP 2
#define TRAP_EXHAUSTED 11 /* fnvm_trap */

#define CALL_DONE 16      /* what jit_call_ref may return beside a JitExit: see there */
#define CALL_ACROSS 17

#endif
