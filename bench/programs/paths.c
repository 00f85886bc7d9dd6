/* Branches on loaded values that nobody can predict: shortest paths over a grid, with a heap. */
#include <string.h>

#include "kernel.h"

enum { SIDE = 420, CELLS = SIDE * SIDE };

typedef struct Entry { uint32_t cost, cell; } Entry;

static uint8_t price[CELLS];
static uint32_t cost_of[CELLS];
static Entry heap[CELLS * 4];
static uint32_t nheap;

static void push(Entry entry)
{
    uint32_t i = nheap++;
    for (; i > 0 && heap[(i - 1) / 2].cost > entry.cost; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = entry;
}

static Entry pop(void)
{
    Entry least = heap[0], moved = heap[--nheap];
    uint32_t i = 0, child;
    while ((child = 2 * i + 1) < nheap) {
        if (child + 1 < nheap && heap[child + 1].cost < heap[child].cost) child++;
        if (heap[child].cost >= moved.cost) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = moved;
    return least;
}

static void reach(uint32_t cell, uint32_t cost)
{
    if (cost + price[cell] >= cost_of[cell]) return;
    cost_of[cell] = cost + price[cell];
    push((Entry){cost_of[cell], cell});
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 1234 * seed, sum = 0;
    for (int i = 0; i < CELLS; i++) price[i] = (uint8_t)(1 + next_random(&state) % 200);
    memset(cost_of, 255, sizeof cost_of);
    nheap = 0;
    reach(CELLS / 2 + SIDE / 2, 0);
    while (nheap) {
        Entry e = pop();
        if (e.cost > cost_of[e.cell]) continue;
        if (e.cell >= SIDE) reach(e.cell - SIDE, e.cost);
        if (e.cell < CELLS - SIDE) reach(e.cell + SIDE, e.cost);
        if (e.cell % SIDE) reach(e.cell - 1, e.cost);
        if (e.cell % SIDE != SIDE - 1) reach(e.cell + 1, e.cost);
    }
    for (int i = 0; i < CELLS; i += 17) sum = fold(sum, cost_of[i]);
    return sum;
}
