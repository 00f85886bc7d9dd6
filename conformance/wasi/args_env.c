/* Arguments and environment: what was given, in order, and no more. */
#include "check.h"

extern char **environ;

int main(int argc, char **argv)
{
    CHECK(argc == 4);
    CHECK(strcmp(argv[1], "one") == 0);
    CHECK(strcmp(argv[2], "two words") == 0);
    CHECK(strcmp(argv[3], "") == 0);
    CHECK(strcmp(getenv("FNVM_A"), "1") == 0);
    CHECK(strcmp(getenv("FNVM_B"), "x=y") == 0);
    CHECK(getenv("HOME") == NULL);
    CHECK(environ[0] && environ[1] && !environ[2]);

    uint32_t count, size;
    OK(raw_args_sizes_get(ADDRESS(&count), ADDRESS(&size)));
    CHECK(count == 4 && size == strlen(argv[0]) + 1 + 4 + 10 + 1);
    EXPECT(raw_args_sizes_get(-1, ADDRESS(&size)), __WASI_ERRNO_FAULT);
    EXPECT(raw_args_get(ADDRESS(argv), -2), __WASI_ERRNO_FAULT);
    return 0;
}
