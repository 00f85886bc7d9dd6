/* Waits for something that never comes: the driver's time limit must end it. */
#include "check.h"

#include <unistd.h>

int main(int argc, char **argv)
{
    static char bytes[1 << 20];
    CHECK(argc == 2);
    if (strcmp(argv[1], "read") == 0)
        read(0, bytes, 1);
    else if (strcmp(argv[1], "sleep") == 0)
        sleep(1000);
    else if (strcmp(argv[1], "write") == 0)
        write(1, bytes, sizeof bytes);
    else if (strcmp(argv[1], "random") == 0)
        for (;;)
            raw_random_get(ADDRESS(bytes), sizeof bytes);
    return 0;
}
