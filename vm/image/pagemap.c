/* One system call reports as many runs as the array takes, and how far it got.  A private page of a
 * file that was written is an anonymous page: neither the file's nor the page of zeros.  Pages that
 * are swapped out are not present, and count as well. */
#include "vm/image/pagemap.h"

#include <fcntl.h>
#include <linux/ioctl.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* <linux/fs.h>, Linux 6.7; the headers of older systems do not have it. */
enum { PAGE_FILE = 1 << 2, PAGE_PRESENT = 1 << 3, PAGE_SWAPPED = 1 << 4, PAGE_ZERO = 1 << 5 };
typedef struct PageRun { uint64_t from, to, categories; } PageRun;
typedef struct ScanArguments {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
} ScanArguments;
#define PAGEMAP_SCAN_CALL _IOWR('f', 16, ScanArguments)

enum { RUNS_AT_ONCE = 128 };

static ScanArguments arguments(uintptr_t from, uintptr_t to, PagemapWhich which, PageRun *runs)
{
    const uint64_t not_these = which == PAGEMAP_WRITTEN ? PAGE_FILE | PAGE_ZERO : PAGE_ZERO;
    return (ScanArguments){.size = sizeof(ScanArguments), .start = from, .end = to,
                           .vec = (uintptr_t)runs, .vec_len = RUNS_AT_ONCE,
                           .category_inverted = not_these, .category_mask = not_these,
                           .category_anyof_mask = PAGE_PRESENT | PAGE_SWAPPED,
                           .return_mask = PAGE_PRESENT};
}

int pagemap_open(void)
{
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    PageRun none[RUNS_AT_ONCE];
    ScanArguments a = arguments(0, 0, PAGEMAP_WRITTEN, none);
    if (ioctl(fd, PAGEMAP_SCAN_CALL, &a) >= 0) return fd;
    close(fd);
    return -1;
}

void pagemap_close(int pagemap)
{
    if (pagemap >= 0) close(pagemap);
}

bool pagemap_each(int pagemap, uintptr_t from, uintptr_t to, PagemapWhich which,
                  bool (*fn)(void *env, uintptr_t from, uintptr_t to), void *env)
{
    PageRun runs[RUNS_AT_ONCE];
    while (from < to) {
        ScanArguments a = arguments(from, to, which, runs);
        int n = ioctl(pagemap, PAGEMAP_SCAN_CALL, &a);
        if (n < 0) return false;
        for (int i = 0; i < n; i++)
            if (!fn(env, (uintptr_t)runs[i].from, (uintptr_t)runs[i].to)) return false;
        if (a.walk_end <= from) return false;
        from = (uintptr_t)a.walk_end;
    }
    return true;
}
