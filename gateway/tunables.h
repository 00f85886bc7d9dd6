/* Every number that somebody chose for the worker, with the reason. */
#ifndef FNVM_GATEWAY_TUNABLES_H
#define FNVM_GATEWAY_TUNABLES_H

enum {
    /* A guest that the follower sees at two looks in a row has its loop taken away: others wait
     * 1 to 4 ms for it.  Handing over costs some 20 us, so what is shorter stays inline.  A look
     * costs up to 40 us on a virtual machine, so those at nothing are fewer. */
    TUNE_TICK_NS = 1000000,
    TUNE_FIRST_TICK_NS = 3000000,
    /* Runs of a function that took so long, after which it is expected to: then the loop goes on
     * at once. */
    TUNE_LONG_RUNS = 2,
    TUNE_LONG_RUNS_MOST = 4,
    /* What is added to `nice` for a guest that takes long: beside it the loop gets three
     * quarters of a processor, so that others are answered within milliseconds however many
     * compute. */
    TUNE_SLOW_NICE = 5,
    /* Ticks without anything to watch after which the follower sleeps until it is woken: waking
     * it is a system call that a busy loop never makes. */
    TUNE_IDLE_TICKS = 20,
    /* Guests run so long between two looks at the connections, if many are ready. */
    TUNE_TURN_NS = 1000000,
    /* Threads of a worker, the loop's and the follower included: guests that take long at the
     * same time.  Others wait until one has ended.  Far more than processors, since a guest may
     * sit in a system call. */
    TUNE_THREADS = 256,
    TUNE_THREAD_STACK = 1 << 20, /* what is not touched is only addresses */
    /* An answer that fits is sent at once and with its length; what is longer goes out as it is
     * written. */
    TUNE_ANSWER_FIRST = 4096,     /* a new invocation's buffer */
    TUNE_ANSWER_BYTES = 32768,    /* what it grows to; an answer's header has to fit in it */
    TUNE_ANSWER_FIELDS = 100,
    TUNE_FIELDS = 256,            /* of a request that a function is to be given: more is 431 */
    /* Invocations that are kept for the next requests: their buffers stay allocated. */
    TUNE_INVOCATIONS_KEPT = 256,
    /* Places are shared by all workers, and nobody is told when another gives one back. */
    TUNE_RETRY_NS = 5000000,
    TUNE_LOG_LINE = 1024,         /* bytes of a line of standard error before it is cut in two */
    TUNE_LOG_BATCH = 1 << 16,     /* of access log lines that wait for the end of the turn */
    TUNE_CALL_DEPTH = 16,         /* functions that call functions: bounds cycles, too */
    TUNE_CALLS_OPEN = 256,        /* calls of one invocation that have not been dropped */
    TUNE_OUTBOUND_OPEN = 256,     /* requests of one function to others, likewise, in one worker */
    /* Inputs of calls that have not ended, and answers that were not dropped, in one worker: a function
     * may have half of what others leave. */
    TUNE_CALL_BYTES = 512 << 20,
    /* Results of asynchronous calls, over all workers. */
    TUNE_CALLS_KEEP_MS = 3600000, /* an hour to fetch them */
    TUNE_CALLS_BYTES = 1 << 30,
    TUNE_CALLS_PENDING = 10000,
    TUNE_HELD_BYTES = 256 << 20,  /* of bodies of asynchronous calls in one worker, which nothing else bounds */
    TUNE_CALLS_RESULTS = 100000,
    TUNE_LAST_GRACE_NS = 1000000000 /* from the stop of what runs to the end of the process */
};

#endif
