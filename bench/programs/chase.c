/* Every load waits for the one before: a list whose nodes lie in random order over 512 KiB. */
#include "kernel.h"

enum { N = 1 << 13, LAPS = 300 };

/* 64 bytes, whatever a pointer's size is. */
typedef struct Node {
    struct Node *next;
    uint32_t value;
    uint8_t rest[60 - sizeof(struct Node *)];
} Node;

static Node nodes[N];
static uint32_t order[N];

static void link_nodes(uint32_t seed)
{
    uint64_t state = 161803 * seed;
    for (uint32_t i = 0; i < N; i++) order[i] = i;
    for (uint32_t i = N - 1; i > 0; i--) {
        uint32_t j = (uint32_t)(next_random(&state) % (i + 1)), t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    for (uint32_t i = 0; i < N; i++) {
        nodes[order[i]].next = &nodes[order[(i + 1) % N]];
        nodes[order[i]].value = i;
    }
}

static uint64_t kernel(uint32_t seed)
{
    link_nodes(seed);
    uint64_t sum = 0;
    const Node *node = &nodes[0];
    for (int n = 0; n < N * LAPS; n++) {
        sum = fold(sum, node->value);
        node = node->next;
    }
    return sum;
}
