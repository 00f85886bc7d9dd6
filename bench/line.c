/* Prints the line that bench/images.py asks of CPython: what any process costs at least. */
#include <stdio.h>

int main(void)
{
    puts("{\"answer\": 42} 2d711642");
    return 0;
}
