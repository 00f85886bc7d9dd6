/* Follows a wild pointer, three calls down. */
#include <stdio.h>

__attribute__((noinline)) static int read_price(const int *prices, unsigned at)
{
    return prices[at];
}

__attribute__((noinline)) static int total(const int *prices, unsigned n)
{
    int sum = 0;
    for (unsigned i = 0; i < n; i++) sum += read_price(prices, i * 100000000);
    return sum;
}

int main(int argc, char **argv)
{
    (void)argv;
    int prices[4] = {1, 2, 3, argc};
    printf("adding up prices\n");
    fflush(stdout);
    printf("total: %d\n", total(prices, 4));
    return 0;
}
