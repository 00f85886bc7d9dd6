/* Clocks and poll_oneoff: sleeping, several subscriptions at once, and answers for bad ones. */
#include "check.h"

#include <sched.h>
#include <unistd.h>

enum { MS = 1000000 };

static __wasi_subscription_t in[8];
static __wasi_event_t out[8];
static __wasi_size_t events;

static uint64_t now(__wasi_clockid_t id)
{
    __wasi_timestamp_t time;
    OK(__wasi_clock_time_get(id, 1, &time));
    return time;
}

static void clock_sub(int i, __wasi_clockid_t id, uint64_t timeout, int flags)
{
    memset(&in[i], 0, sizeof in[i]);
    in[i].userdata = 100u + (unsigned)i;
    in[i].u.tag = __WASI_EVENTTYPE_CLOCK;
    in[i].u.u.clock.id = id;
    in[i].u.u.clock.timeout = timeout;
    in[i].u.u.clock.flags = (__wasi_subclockflags_t)flags;
}

static void fd_sub(int i, int tag, __wasi_fd_t fd)
{
    memset(&in[i], 0, sizeof in[i]);
    in[i].userdata = 100u + (unsigned)i;
    in[i].u.tag = (uint8_t)tag;
    in[i].u.u.fd_read.file_descriptor = fd;
}

static void clocks(void)
{
    __wasi_timestamp_t time;
    for (__wasi_clockid_t id = 0; id < 4; id++) {
        OK(__wasi_clock_res_get(id, &time));
        CHECK(time > 0 && time <= 1000 * MS);
        CHECK(now(id) > 0);
    }
    CHECK(now(__WASI_CLOCKID_REALTIME) > 1700000000ull * 1000 * MS);
    uint64_t before = now(__WASI_CLOCKID_MONOTONIC);
    CHECK(now(__WASI_CLOCKID_MONOTONIC) >= before);
    EXPECT(__wasi_clock_time_get(4, 1, &time), __WASI_ERRNO_INVAL);
    EXPECT(__wasi_clock_res_get(99, &time), __WASI_ERRNO_INVAL);
    EXPECT(raw_clock_time_get(0, 0, -7), __WASI_ERRNO_FAULT);
    CHECK(sched_yield() == 0);
}

static void sleeping(void)
{
    const struct { __wasi_clockid_t id; int absolute; } kinds[] = {
        {__WASI_CLOCKID_MONOTONIC, 0}, {__WASI_CLOCKID_MONOTONIC, 1},
        {__WASI_CLOCKID_REALTIME, 0}, {__WASI_CLOCKID_REALTIME, 1}};
    for (int i = 0; i < 4; i++) {
        uint64_t start = now(__WASI_CLOCKID_MONOTONIC), timeout = 30 * MS;
        clock_sub(0, kinds[i].id, timeout + (kinds[i].absolute ? now(kinds[i].id) : 0),
                  kinds[i].absolute ? __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME : 0);
        OK(__wasi_poll_oneoff(in, out, 1, &events));
        uint64_t slept = now(__WASI_CLOCKID_MONOTONIC) - start;
        CHECK(events == 1 && out[0].userdata == 100 && out[0].error == 0);
        CHECK(out[0].type == __WASI_EVENTTYPE_CLOCK);
        CHECK(slept >= timeout - MS && slept < 20000ull * MS);
    }
    /* In the past, and zero: at once.  Two clocks: the first that is due, alone. */
    clock_sub(0, __WASI_CLOCKID_MONOTONIC, 1, __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME);
    clock_sub(1, __WASI_CLOCKID_REALTIME, 0, 0);
    OK(__wasi_poll_oneoff(in, out, 2, &events));
    CHECK(events == 2 && out[0].userdata == 100 && out[1].userdata == 101);
    clock_sub(0, __WASI_CLOCKID_MONOTONIC, ~0ull, 0);
    clock_sub(1, __WASI_CLOCKID_MONOTONIC, 20 * MS, 0);
    clock_sub(2, __WASI_CLOCKID_REALTIME, 3600ull * 1000 * MS, 0);
    OK(__wasi_poll_oneoff(in, out, 3, &events));
    CHECK(events == 1 && out[0].userdata == 101);
    CHECK(usleep(1000) == 0);
}

static void files(void)
{
    __wasi_fd_t box = preopened("/box"), fd;
    __wasi_filesize_t at;
    put(box, "file", "1234567");
    OK(open_at(box, "file", 0, 0, WRITE_RIGHTS, 0, &fd));
    OK(__wasi_fd_seek(fd, 3, __WASI_WHENCE_SET, &at));
    fd_sub(0, __WASI_EVENTTYPE_FD_READ, fd);
    fd_sub(1, __WASI_EVENTTYPE_FD_WRITE, fd);
    fd_sub(2, __WASI_EVENTTYPE_FD_READ, 99);
    fd_sub(3, __WASI_EVENTTYPE_FD_READ, box);
    fd_sub(4, 7, fd);
    clock_sub(5, 42, 0, 0);
    clock_sub(6, __WASI_CLOCKID_PROCESS_CPUTIME_ID, 0, 0);
    clock_sub(7, __WASI_CLOCKID_MONOTONIC, 60000ull * MS, 0);
    memset(out, 0xee, sizeof out);
    OK(__wasi_poll_oneoff(in, out, 8, &events));
    CHECK(events == 7);
    CHECK(out[0].error == 0 && out[0].fd_readwrite.nbytes == 4);
    CHECK(out[1].error == 0 && out[1].type == __WASI_EVENTTYPE_FD_WRITE);
    CHECK(out[2].error == __WASI_ERRNO_BADF);
    CHECK(out[3].error == __WASI_ERRNO_NOTCAPABLE);
    CHECK(out[4].error == __WASI_ERRNO_INVAL);
    CHECK(out[5].error == __WASI_ERRNO_INVAL);
    CHECK(out[6].error == __WASI_ERRNO_NOTSUP);
    for (int i = 0; i < 7; i++) {
        CHECK(out[i].userdata == 100u + (unsigned)i);
        for (int pad = 11; pad < 16; pad++)
            CHECK(((uint8_t *)&out[i])[pad] == 0);
        for (int pad = 26; pad < 32; pad++)
            CHECK(((uint8_t *)&out[i])[pad] == 0);
    }
    CHECK(((uint8_t *)&out[7])[0] == 0xee); /* not beyond the events there are */
    OK(__wasi_fd_fdstat_set_rights(fd, READ_RIGHTS & ~__WASI_RIGHTS_POLL_FD_READWRITE, 0));
    OK(__wasi_poll_oneoff(in, out, 1, &events));
    CHECK(events == 1 && out[0].error == __WASI_ERRNO_NOTCAPABLE);

    /* Subscriptions and events in the same place. */
    for (int i = 0; i < 8; i++)
        clock_sub(i, __WASI_CLOCKID_MONOTONIC, 0, 0);
    OK(raw_poll_oneoff(ADDRESS(in), ADDRESS(in), 8, ADDRESS(&events)));
    CHECK(events == 8);
    for (int i = 0; i < 8; i++)
        CHECK(((__wasi_event_t *)in)[i].userdata == 100u + (unsigned)i);
}

int main(void)
{
    clocks();
    sleeping();
    files();
    return 0;
}
