/* Tells the Nth prime for every N on standard input, one per line.  Before that it finds all primes
 * below 20 million, which takes a while: so it asks to be frozen when that is done. */
#include <fnvm/snapshot.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 20000000 };

static uint32_t *primes;
static size_t found;

static int find_primes(void)
{
    uint8_t *composite = calloc(LIMIT, 1);
    primes = malloc(1300000 * sizeof *primes); /* there are 1,270,607 */
    if (!composite || !primes) return 1;
    for (uint32_t n = 2; n < LIMIT; n++) {
        if (composite[n]) continue;
        primes[found++] = n;
        for (uint64_t k = (uint64_t)n * n; k < LIMIT; k += n) composite[k] = 1;
    }
    explicit_bzero(composite, LIMIT); /* pages of zeros take no room in an image */
    free(composite);
    return 0;
}

int main(void)
{
    if (find_primes() != 0) return 1;

    if (fnvm_checkpoint() == 0) {
        printf("ready\n"); /* to whoever takes the snapshot */
        return 0;
    }
    /* From here on runs once per instance, or in a program that is simply run. */
    char line[32];
    while (fgets(line, sizeof line, stdin)) {
        unsigned long n = strtoul(line, NULL, 10);
        if (n >= 1 && n <= found) printf("%u\n", primes[n - 1]);
        else printf("there are %zu\n", found);
    }
    return 0;
}
