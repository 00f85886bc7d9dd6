/* wasi_poll.c - waiting: the interruptible poll under every blocking call, and poll_oneoff.
 *
 * The store's interrupt descriptor stands in slot 0 of every poll.  poll_oneoff copies its
 * subscriptions out of the guest first (the guest may let its events overwrite them), merges those
 * on one descriptor into one entry, and turns each clock into an absolute deadline on its own
 * clock, so that an early or interrupted wait is simply repeated.
 */
#include "stdlib/wasi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vm/error.h"

/* How often to look for an interrupt where the store has no descriptor for it. */
#define POLL_SLICE_NS UINT64_C(50000000)

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static WasiErrno monotonic_now(uint64_t *now) { return wasi_clock_now(WASI_CLOCK_MONOTONIC, now); }

static struct timespec timespec_of(uint64_t nanoseconds)
{
    return (struct timespec){(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
}

WasiErrno wasi_poll(WasiCall *call, struct pollfd *fds, size_t count, uint64_t timeout_ns)
{
    uint64_t now = 0, deadline = WASI_FOREVER;
    if (timeout_ns != WASI_FOREVER && timeout_ns != 0) {
        WasiErrno error = monotonic_now(&now);
        if (error) return error;
        deadline = add_saturated(now, timeout_ns);
    }
    uint64_t left = timeout_ns;
    for (;;) {
        if (fnvm_caller_interrupted(call->caller)) return WASI_EINTR;
        int interrupt = fnvm_caller_interrupt_fd(call->caller);
        fds[0] = (struct pollfd){.fd = interrupt, .events = POLLIN};
        uint64_t slice = interrupt < 0 && left > POLL_SLICE_NS ? POLL_SLICE_NS : left;
        struct timespec wait = timespec_of(slice);
        int ready = ppoll(fds, count, slice == WASI_FOREVER ? NULL : &wait, NULL);
        if (ready < 0 && errno != EINTR) return wasi_errno(errno);
        if (ready > 0) return fds[0].revents ? WASI_EINTR : WASI_SUCCESS;
        if (timeout_ns == 0) return WASI_EAGAIN;
        if (deadline != WASI_FOREVER) {
            WasiErrno error = monotonic_now(&now);
            if (error) return error;
            if (now >= deadline) return WASI_EAGAIN;
            left = deadline - now;
        }
    }
}

WasiErrno wasi_wait(WasiCall *call, const Descriptor *d, short events)
{
    struct pollfd fds[2] = {[1] = {.fd = d->host, .events = events}};
    return wasi_poll(call, fds, 2, d->flags & WASI_FDFLAG_NONBLOCK ? 0 : WASI_FOREVER);
}

/* ---- poll_oneoff ----------------------------------------------------------------------------- */

typedef struct Subscription {
    uint64_t userdata;
    uint64_t deadline_ns; /* of a clock, on that clock */
    uint64_t nbytes;      /* of a file that is ready now */
    uint32_t clock_id;
    uint32_t entry;  /* in Poll.fds; 0: none */
    WasiErrno error; /* becomes an event with this errno at once */
    uint8_t type;
    bool ready; /* becomes an event at once */
} Subscription;

typedef struct Poll {
    Subscription *subscriptions;
    uint32_t count;
    struct pollfd *fds; /* [0] is the interrupt */
    uint32_t fds_count;
    uint32_t *entry_of; /* [wasi->count]: a descriptor's place in fds, or 0 */
    uint64_t since;     /* what relative times count from, on the monotonic clock */
    fnvm_error *waits;  /* a stream of the embedder's would leave the guest waiting; or NULL */
} Poll;

static void poll_free(Poll *poll)
{
    free(poll->subscriptions);
    free(poll->fds);
    free(poll->entry_of);
    fnvm_error_free(poll->waits);
}

static WasiErrno poll_allocate(Poll *poll, const Wasi *wasi, uint32_t count)
{
    size_t descriptors = wasi->count ? wasi->count : 1;
    poll->count = count;
    poll->fds_count = 1;
    poll->subscriptions = calloc(count, sizeof *poll->subscriptions);
    poll->fds = calloc(descriptors + 1, sizeof *poll->fds);
    poll->entry_of = calloc(descriptors, sizeof *poll->entry_of);
    return poll->subscriptions && poll->fds && poll->entry_of ? WASI_SUCCESS : WASI_ENOMEM;
}

static WasiErrno subscribe_clock(const Poll *poll, Subscription *sub, const AbiSubscription *abi)
{
    uint64_t now;
    if (abi->of.clock.flags & ~WASI_SUBCLOCK_ABSTIME) return WASI_EINVAL;
    sub->clock_id = abi->of.clock.id;
    WasiErrno error = wasi_clock_now(sub->clock_id, &now);
    if (error) return error;
    /* CPU time stands still while we wait: such a sleep would never end. */
    if (sub->clock_id != WASI_CLOCK_REALTIME && sub->clock_id != WASI_CLOCK_MONOTONIC)
        return WASI_ENOTSUP;
    if (abi->of.clock.flags & WASI_SUBCLOCK_ABSTIME) {
        sub->deadline_ns = abi->of.clock.timeout;
    } else { /* a distance: setting the clock meanwhile must not change it */
        sub->clock_id = WASI_CLOCK_MONOTONIC;
        sub->deadline_ns = add_saturated(poll->since, abi->of.clock.timeout);
    }
    return WASI_SUCCESS;
}

/* Ready unless it would wait.  Any other error ends the guest. */
static WasiErrno subscribe_embedded(WasiCall *call, Poll *poll, Subscription *sub,
                                    const Descriptor *d)
{
    fnvm_error *error = wasi_embedded_ready(call, d, sub->type == WASI_EVENT_FD_READ);
    sub->ready = !error;
    if (error && error->code != FNVM_E_SUSPENDED) {
        fnvm_error_free(call->error);
        call->error = error;
    } else if (error) {
        fnvm_error_free(poll->waits);
        poll->waits = error;
    }
    return WASI_SUCCESS;
}

static WasiErrno subscribe_file(WasiCall *call, Poll *poll, Subscription *sub, uint32_t fd)
{
    bool reads = sub->type == WASI_EVENT_FD_READ;
    Descriptor *d;
    WasiErrno error = descriptor_get(call->wasi, fd, 0, &d);
    if (error) return error;
    uint64_t rights =
        WASI_RIGHT_POLL_FD_READWRITE | (reads ? WASI_RIGHT_FD_READ : WASI_RIGHT_FD_WRITE);
    if (rights & ~d->base) return WASI_ENOTCAPABLE;
    if (descriptor_is_embedded(d)) return subscribe_embedded(call, poll, sub, d);
    if (!descriptor_is_stream(d)) {
        struct stat st;
        off_t at = lseek(d->host, 0, SEEK_CUR);
        if (reads && at >= 0 && fstat(d->host, &st) == 0 && st.st_size > at)
            sub->nbytes = (uint64_t)(st.st_size - at);
        sub->ready = true;
        return WASI_SUCCESS;
    }
    uint32_t entry = poll->entry_of[fd];
    if (!entry) {
        entry = poll->entry_of[fd] = poll->fds_count++;
        poll->fds[entry].fd = d->host;
    }
    poll->fds[entry].events = (short)(poll->fds[entry].events | (reads ? POLLIN : POLLOUT));
    sub->entry = entry;
    return WASI_SUCCESS;
}

static void subscribe(WasiCall *call, Poll *poll, Subscription *sub, const AbiSubscription *abi)
{
    sub->userdata = abi->userdata;
    sub->type = abi->tag;
    if (abi->tag == WASI_EVENT_CLOCK)
        sub->error = subscribe_clock(poll, sub, abi);
    else if (abi->tag == WASI_EVENT_FD_READ || abi->tag == WASI_EVENT_FD_WRITE)
        sub->error = subscribe_file(call, poll, sub, abi->of.readwrite.fd);
    else
        sub->error = WASI_EINVAL;
    if (sub->error) sub->ready = true;
}

/* True if subscription `sub` has an event now. */
static bool collect(const Poll *poll, const Subscription *sub, AbiEvent *event)
{
    *event = (AbiEvent){
        .userdata = sub->userdata, .error = sub->error, .type = sub->type, .nbytes = sub->nbytes};
    if (sub->ready) return true;
    if (sub->type == WASI_EVENT_CLOCK) {
        uint64_t now;
        event->error = wasi_clock_now(sub->clock_id, &now);
        return event->error || now >= sub->deadline_ns;
    }
    if (!sub->entry) return false; /* the embedder's stream, which would wait */
    const struct pollfd *fd = &poll->fds[sub->entry];
    bool reads = sub->type == WASI_EVENT_FD_READ;
    if (!(fd->revents & ((reads ? POLLIN : POLLOUT) | POLLHUP | POLLERR | POLLNVAL))) return false;
    if (fd->revents & POLLNVAL) event->error = WASI_EBADF;
    if (fd->revents & (POLLHUP | POLLERR)) /* an error itself comes with the read or write */
        event->flags = WASI_EVENTRW_HANGUP;
    int available;
    if (reads && ioctl(fd->fd, FIONREAD, &available) == 0 && available > 0)
        event->nbytes = (uint64_t)available;
    return true;
}

/* Nanoseconds until the first clock is due; 0 if anything is due already. */
static uint64_t time_left(const Poll *poll)
{
    uint64_t left = WASI_FOREVER;
    for (uint32_t i = 0; i < poll->count; i++) {
        const Subscription *sub = &poll->subscriptions[i];
        if (sub->ready) return 0;
        if (sub->type != WASI_EVENT_CLOCK || sub->deadline_ns == WASI_FOREVER) continue;
        uint64_t now;
        if (wasi_clock_now(sub->clock_id, &now) || now >= sub->deadline_ns) return 0;
        if (sub->deadline_ns - now < left) left = sub->deadline_ns - now;
    }
    return left;
}

/* Whether the embedder does the waiting, which call->error then says: where there are streams of his,
 * or nothing but time to wait for.  The host's descriptors beside his streams were looked at, and are
 * again when the guest goes on. */
static bool is_left_waiting(WasiCall *call, Poll *poll, uint64_t left)
{
    Wasi *wasi = call->wasi;
    uint64_t now;
    if (poll->fds_count > 1 && !poll->waits) return false;
    if (wasi->at_sleep && monotonic_now(&now) == WASI_SUCCESS)
        call->error = wasi->at_sleep(wasi->at_sleep_env, call->caller, add_saturated(now, left));
    if (!call->error) {
        call->error = poll->waits;
        poll->waits = NULL;
    }
    wasi->waits_since = poll->since;
    return call->error != NULL;
}

static WasiErrno poll_run(WasiCall *call, Poll *poll, uint8_t *events, uint32_t *count)
{
    bool looked = false; /* at the host's descriptors */
    *count = 0;
    while (*count == 0) {
        uint64_t left = time_left(poll);
        const bool look = poll->waits && poll->fds_count > 1 && !looked;
        if (left && !look && is_left_waiting(call, poll, left)) return WASI_SUCCESS;
        WasiErrno error = wasi_poll(call, poll->fds, poll->fds_count, look ? 0 : left);
        looked = true;
        if (error && error != WASI_EAGAIN) return error;
        for (uint32_t i = 0; i < poll->count; i++) {
            AbiEvent event;
            if (!collect(poll, &poll->subscriptions[i], &event)) continue;
            memcpy(events + (size_t)*count * sizeof event, &event, sizeof event);
            *count += 1;
        }
    }
    return WASI_SUCCESS;
}

static bool polls_stdin(Wasi *wasi, const uint8_t *in, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        AbiSubscription abi;
        Descriptor *d;
        memcpy(&abi, in + (size_t)i * sizeof abi, sizeof abi);
        if (abi.tag == WASI_EVENT_FD_READ &&
            descriptor_get(wasi, abi.of.readwrite.fd,
                           WASI_RIGHT_POLL_FD_READWRITE | WASI_RIGHT_FD_READ, &d) == 0 &&
            wasi_awaits_stdin(wasi, d))
            return true;
    }
    return false;
}

WasiErrno wasi_poll_oneoff(WasiCall *call, const fnvm_slot *args)
{
    uint32_t count = args[2].i32, events_count = 0;
    if (count == 0 || count > WASI_MAX_SUBSCRIPTIONS) return WASI_EINVAL;
    const uint8_t *in = guest_bytes(call, args[0].i32, (uint64_t)count * sizeof(AbiSubscription));
    uint8_t *events = guest_bytes(call, args[1].i32, (uint64_t)count * sizeof(AbiEvent));
    uint8_t *count_at = guest_bytes(call, args[3].i32, sizeof events_count);
    if (!in || !events || !count_at) return WASI_EFAULT;
    if (call->wasi->at_stdin && polls_stdin(call->wasi, in, count) && !wasi_announce_stdin(call))
        return WASI_SUCCESS;
    Poll poll = {0};
    WasiErrno error = poll_allocate(&poll, call->wasi, count);
    if (wasi_call_repeats(call)) poll.since = call->wasi->waits_since;
    else if (!error) error = monotonic_now(&poll.since);
    for (uint32_t i = 0; !error && i < count; i++) {
        AbiSubscription abi;
        memcpy(&abi, in + (size_t)i * sizeof abi, sizeof abi);
        subscribe(call, &poll, &poll.subscriptions[i], &abi);
    }
    if (!error && !call->error) error = poll_run(call, &poll, events, &events_count);
    if (!error && !call->error) memcpy(count_at, &events_count, sizeof events_count);
    poll_free(&poll);
    return error;
}
