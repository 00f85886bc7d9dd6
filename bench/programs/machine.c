/* An interpreter's loop: a switch over the instructions of a small stack machine. */
#include "kernel.h"

enum { PUSH, LOAD, STORE, ADD, MUL, AND, HALVE, LESS, JUMP, JUMP_IF, HALT };
enum { LIMIT, N, VALUE, STEPS, TOTAL, MOST, VARIABLES };

typedef struct Instruction { uint8_t op, operand; } Instruction;

/* For every N below LIMIT, the steps of Collatz's sequence down to 1: their sum and the most. */
static const Instruction program[] = {
    /*  0 */ {PUSH, 1}, {STORE, N},
    /*  2 */ {LOAD, N}, {STORE, VALUE}, {PUSH, 0}, {STORE, STEPS},
    /*  6 */ {LOAD, VALUE}, {PUSH, 2}, {LESS, 0}, {JUMP_IF, 29},
    /* 10 */ {LOAD, STEPS}, {PUSH, 1}, {ADD, 0}, {STORE, STEPS},
    /* 14 */ {LOAD, VALUE}, {PUSH, 1}, {AND, 0}, {JUMP_IF, 22},
    /* 18 */ {LOAD, VALUE}, {HALVE, 0}, {STORE, VALUE}, {JUMP, 6},
    /* 22 */ {LOAD, VALUE}, {PUSH, 3}, {MUL, 0}, {PUSH, 1}, {ADD, 0}, {STORE, VALUE}, {JUMP, 6},
    /* 29 */ {LOAD, TOTAL}, {LOAD, STEPS}, {ADD, 0}, {STORE, TOTAL},
    /* 33 */ {LOAD, MOST}, {LOAD, STEPS}, {LESS, 0}, {JUMP_IF, 38}, {JUMP, 40},
    /* 38 */ {LOAD, STEPS}, {STORE, MOST},
    /* 40 */ {LOAD, N}, {PUSH, 1}, {ADD, 0}, {STORE, N},
    /* 44 */ {LOAD, N}, {LOAD, LIMIT}, {LESS, 0}, {JUMP_IF, 2},
    /* 48 */ {HALT, 0},
};

static void execute(uint32_t *variables)
{
    uint32_t stack[8], *top = stack;
    const Instruction *at = program;
    for (;;) {
        Instruction i = *at++;
        switch (i.op) {
        case PUSH: *++top = i.operand; break;
        case LOAD: *++top = variables[i.operand]; break;
        case STORE: variables[i.operand] = *top--; break;
        case ADD: top--, top[0] += top[1]; break;
        case MUL: top--, top[0] *= top[1]; break;
        case AND: top--, top[0] &= top[1]; break;
        case HALVE: *top >>= 1; break;
        case LESS: top--, top[0] = top[0] < top[1]; break;
        case JUMP: at = program + i.operand; break;
        case JUMP_IF: if (*top--) at = program + i.operand; break;
        default: return;
        }
    }
}

static uint64_t kernel(uint32_t seed)
{
    uint32_t variables[VARIABLES] = {0};
    variables[LIMIT] = 6000 * seed;
    execute(variables);
    return fold(variables[TOTAL], variables[MOST]);
}
