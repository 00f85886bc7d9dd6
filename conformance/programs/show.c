/* Prints its arguments on one line, its environment, and the names of its open directories. */
#include <stdio.h>
#include <wasi/api.h>

extern char **environ;

int main(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) printf("%s|", argv[i]);
    printf("\n");
    int n = 0;
    for (; environ[n]; n++) printf("%s\n", environ[n]);
    printf("%d variables\n", n);
    for (__wasi_fd_t fd = 3; fd < 16; fd++) {
        __wasi_prestat_t stat;
        uint8_t name[256];
        if (__wasi_fd_prestat_get(fd, &stat) != 0) continue;
        if (__wasi_fd_prestat_dir_name(fd, name, sizeof name) != 0) continue;
        printf("%u %.*s\n", (unsigned)fd, (int)stat.u.dir.pr_name_len, name);
    }
    return 0;
}
