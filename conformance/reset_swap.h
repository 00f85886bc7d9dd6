/* Swap space in a file, for tests of pages that were swapped out.  Needs root. */
#ifndef FNVM_CONFORMANCE_RESET_SWAP_H
#define FNVM_CONFORMANCE_RESET_SWAP_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/swap.h>
#include <unistd.h>

enum { SWAP_BYTES = 64 << 20, SWAP_PAGE = 4096 };

/* A page of zeros as often as it takes: a swap file must not have holes.  The first page says what
 * it is (mkswap's version 1: version and number of the last page at 1024, the magic at its end). */
static bool swap_write(int fd)
{
    static const uint8_t zeros[SWAP_PAGE];
    uint8_t head[SWAP_PAGE] = {0};
    const uint32_t info[2] = {1, SWAP_BYTES / SWAP_PAGE - 1};
    memcpy(head + 1024, info, sizeof info);
    memcpy(head + SWAP_PAGE - 10, "SWAPSPACE2", 10);
    for (uint32_t i = 0; i <= info[1]; i++)
        if (write(fd, i ? zeros : head, SWAP_PAGE) != SWAP_PAGE) return false;
    return fsync(fd) == 0;
}

/* False, with errno, if it cannot be had; then no file is left either. */
static bool swap_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    bool on = swap_write(fd) && swapon(path, 0) == 0;
    int reason = errno;
    close(fd);
    if (!on) unlink(path);
    errno = reason;
    return on;
}

static void swap_close(const char *path)
{
    if (swapoff(path) == 0) unlink(path);
}

#endif
