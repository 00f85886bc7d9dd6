/* Floating point with square roots and divisions: bodies that attract each other. */
#include <math.h>

#include "kernel.h"

enum { BODIES = 6, STEPS = 60000 };

typedef struct Body { double x, y, z, vx, vy, vz, mass; } Body;

static Body bodies[BODIES];

static void attract(Body *a, Body *b, double step)
{
    double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
    double distance2 = dx * dx + dy * dy + dz * dz + 0.01;
    double pull = step / (distance2 * sqrt(distance2));
    a->vx -= dx * b->mass * pull;
    a->vy -= dy * b->mass * pull;
    a->vz -= dz * b->mass * pull;
    b->vx += dx * a->mass * pull;
    b->vy += dy * a->mass * pull;
    b->vz += dz * a->mass * pull;
}

static uint64_t kernel(uint32_t seed)
{
    uint64_t state = 4711 * seed;
    for (int i = 0; i < BODIES; i++) {
        double *field = &bodies[i].x;
        for (int f = 0; f < 6; f++) field[f] = (double)(next_random(&state) % 2000) / 1000.0 - 1.0;
        bodies[i].mass = 1.0 / (i + 1);
    }
    for (int n = 0; n < STEPS; n++) {
        for (int i = 0; i < BODIES; i++)
            for (int j = i + 1; j < BODIES; j++) attract(&bodies[i], &bodies[j], 0.001);
        for (int i = 0; i < BODIES; i++) {
            bodies[i].x += 0.001 * bodies[i].vx;
            bodies[i].y += 0.001 * bodies[i].vy;
            bodies[i].z += 0.001 * bodies[i].vz;
        }
    }
    uint64_t sum = 0;
    for (int i = 0; i < BODIES; i++) sum = fold(sum, (uint64_t)(int64_t)(bodies[i].x * 1e9));
    return sum;
}
