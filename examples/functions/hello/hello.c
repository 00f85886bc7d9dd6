/* A CGI program: one run per request, each in a fresh instance. */
#include <stdio.h>
#include <stdlib.h>

static const char *variable(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

int main(void)
{
    const char *path = variable("PATH_INFO", "/world");
    printf("Content-Type: text/plain\r\n\r\n%s, %s!\n", variable("GREETING", "Hello"),
           *path == '/' && path[1] ? path + 1 : "world");
    return 0;
}
