/* A program that is frozen where it reads its standard input, and so is given the whole request there: it
 * answers with a status line and the request as it came. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    static char request[1 << 16];
    size_t len = 0;
    ssize_t n;
    while (len < sizeof request && (n = read(0, request + len, sizeof request - len)) > 0) len += (size_t)n;
    printf("HTTP/1.1 203 Seen\r\nContent-Type: text/plain\r\n\r\n");
    fwrite(request, 1, len, stdout);
    return 0;
}
