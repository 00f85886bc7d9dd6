/* proc_exit and proc_raise: the argument says how to end; the driver knows the exit code. */
#include "check.h"

#include <unistd.h>

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    int number = atoi(argv[2]);
    if (strcmp(argv[1], "exit") == 0)
        _Exit(number);
    if (strcmp(argv[1], "raise") == 0) {
        OK(raw_proc_raise(0));  /* none */
        OK(raw_proc_raise(16)); /* a child ended: ignored by default */
        OK(raw_proc_raise(27)); /* the window changed */
        EXPECT(raw_proc_raise(18), __WASI_ERRNO_NOSYS);
        EXPECT(raw_proc_raise(31), __WASI_ERRNO_INVAL);
        EXPECT(raw_proc_raise(-1), __WASI_ERRNO_INVAL);
        raw_proc_raise(number);
    }
    return 99;
}
