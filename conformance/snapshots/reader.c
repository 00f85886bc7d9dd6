/* Says that it has started, then reads a line, unless an argument tells it not to. */
#include <stdio.h>

int main(int argc, char **argv)
{
    (void)argv;
    char line[100];
    printf("started\n");
    fflush(stdout); /* what is in the buffer when it is frozen, every instance would print */
    if (argc > 1) return 0;
    if (fgets(line, sizeof line, stdin)) printf("read %s", line);
    else printf("nothing\n");
    return 0;
}
