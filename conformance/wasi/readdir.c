/* fd_readdir: every entry once, in whatever pieces it is asked for; cookies that stay good. */
#include "check.h"

#include <dirent.h>

enum { FILES = 500, HEADER = sizeof(__wasi_dirent_t) };

static __wasi_fd_t dir;
static char seen[FILES];
static uint8_t buffer[1 << 16];

static void see(const uint8_t *name, uint32_t len)
{
    char text[32];
    int number;
    CHECK(len < sizeof text);
    memcpy(text, name, len);
    text[len] = 0;
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return;
    CHECK(sscanf(text, "file%d", &number) == 1 && number >= 0 && number < FILES);
    CHECK(!seen[number]);
    seen[number] = 1;
}

/* Reads all of it with a buffer of `size`; returns the number of entries. */
static int read_all(uint32_t size)
{
    uint64_t cookie = 0;
    int entries = 0;
    memset(seen, 0, sizeof seen);
    for (;;) {
        uint32_t used = 0, at = 0;
        memset(buffer, 0xaa, size + 1);
        OK(raw_fd_readdir(dir, ADDRESS(buffer), (int32_t)size, (int64_t)cookie, ADDRESS(&used)));
        CHECK(used <= size && buffer[size] == 0xaa);
        while (used - at >= HEADER) {
            __wasi_dirent_t entry;
            memcpy(&entry, buffer + at, HEADER);
            /* d_type ends at byte 21; nothing of the host may be in the rest. */
            CHECK(buffer[at + 21] == 0 && buffer[at + 22] == 0 && buffer[at + 23] == 0);
            if (used - at - HEADER < entry.d_namlen)
                break;
            CHECK(entry.d_ino != 0);
            see(buffer + at + HEADER, entry.d_namlen);
            cookie = entry.d_next;
            at += HEADER + entry.d_namlen;
            entries++;
        }
        if (used < size)
            return entries;
        CHECK(at > 0); /* else no progress: the buffer is too small for one entry */
    }
}

static void empty_directory(void)
{
    uint32_t used;
    __wasi_fd_t fd;
    __wasi_filestat_t st;
    OK(__wasi_path_create_directory(dir, "empty"));
    OK(open_at(dir, "empty", 0, __WASI_OFLAGS_DIRECTORY,
               __WASI_RIGHTS_FD_READDIR | __WASI_RIGHTS_FD_FILESTAT_GET, 0, &fd));
    OK(__wasi_fd_filestat_get(fd, &st));
    OK(raw_fd_readdir(fd, ADDRESS(buffer), 256, 0, ADDRESS(&used)));
    CHECK(used == 2 * HEADER + 3);
    for (int i = 0, at = 0; i < 2; i++) {
        __wasi_dirent_t entry;
        memcpy(&entry, buffer + at, HEADER);
        CHECK(entry.d_type == __WASI_FILETYPE_DIRECTORY);
        CHECK(entry.d_namlen != 1 || entry.d_ino == st.ino);
        at += HEADER + (int)entry.d_namlen;
    }
    OK(raw_fd_readdir(fd, ADDRESS(buffer), 0, 0, ADDRESS(&used)));
    CHECK(used == 0);
    EXPECT(raw_fd_readdir(fd, ADDRESS(buffer), 256, -1, ADDRESS(&used)), __WASI_ERRNO_INVAL);
    EXPECT(raw_fd_readdir(fd, -100, 256, 0, ADDRESS(&used)), __WASI_ERRNO_FAULT);
    EXPECT(raw_fd_readdir(fd, ADDRESS(buffer), 256, 0, -2), __WASI_ERRNO_FAULT);
    OK(__wasi_fd_close(fd));
    OK(__wasi_path_remove_directory(dir, "empty"));
}

int main(void)
{
    dir = preopened("/box");
    empty_directory();
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "file%d", i);
        put(dir, name, "");
    }
    const uint32_t sizes[] = {32, 33, 47, 64, 100, 256, 1000, 4096, 65535};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        CHECK(read_all(sizes[i]) == FILES + 2);

    /* A buffer that cannot hold one entry is filled with the beginning of it. */
    uint32_t used;
    for (int32_t size = 1; size < 25; size++) {
        OK(raw_fd_readdir(dir, ADDRESS(buffer), size, 0, ADDRESS(&used)));
        CHECK((int32_t)used == size);
    }
    /* A cookie survives other reads and removals of what comes before it. */
    DIR *stream = opendir("/box");
    CHECK(stream);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(stream));) {
        count++;
        if (entry->d_name[0] == '.')
            continue;
        CHECK(entry->d_type == DT_REG);
        OK(__wasi_path_unlink_file(dir, entry->d_name));
    }
    CHECK(count == FILES + 2);
    CHECK(closedir(stream) == 0);
    CHECK(read_all(4096) == 2);

    put(dir, "plain", "");
    __wasi_fd_t fd;
    OK(open_at(dir, "plain", 0, 0, READ_RIGHTS, 0, &fd));
    EXPECT(raw_fd_readdir(fd, ADDRESS(buffer), 256, 0, ADDRESS(&used)), __WASI_ERRNO_NOTDIR);
    return 0;
}
