/* What the parts of the master share: the table that is served, the processes, the change that
 * goes on, and those who ask for changes.  One thread has all of it.
 *
 * A change has two phases.  First a process makes the next table, which may take long.  Then
 * every worker is given it and says that it can serve it; only then it is kept.  One that cannot
 * makes all go back. */
#ifndef FNVM_GATEWAY_MASTER_STATE_H
#define FNVM_GATEWAY_MASTER_STATE_H

#include <poll.h>
#include <sys/types.h>

#include "gateway/calls.h"
#include "gateway/listen.h"
#include "gateway/master.h"

enum {
    MASTER_CLIENTS = 32,
    MASTER_NOTES = 64,
    MASTER_QUEUE = 16,          /* changes that wait for the one that goes on */
    MASTER_POLLS = 4 + METRICS_WORKERS + MASTER_CLIENTS
};

typedef struct Table {
    Config *config;
    int fd;                     /* of its text, sealed */
    uint64_t generation;        /* of the last time it was sent */
    int *holds; size_t nholds;  /* locks on the folders of its images: the depot leaves them */
    struct Table *older;        /* in use by requests that began before */
} Table;

/* Of a place for a worker: there are more than workers, so that one may be at work while another
 * takes its place. */
typedef enum Duty {
    DUTY_NONE,                  /* free; there is no process */
    DUTY_SERVES,                /* replaced when it dies */
    DUTY_SUCCEEDS,              /* serves the next table in place of another, if that comes to be used */
    DUTY_LEAVES                 /* ends when its requests have ended */
} Duty;

typedef struct WorkerProcess {
    Duty duty;
    unsigned successor;         /* the number, and 1, of who takes its place with this change; or 0 */
    pid_t pid;                  /* 0: none now */
    int control;                /* -1: likewise, or it closed its end */
    uint64_t born_ns;
    uint64_t again_ns;          /* when the next one is forked; of one that leaves, when it is killed */
    unsigned quick;             /* how many died at once, one after the other */
    uint64_t serving, drained;  /* generations it has answered */
} WorkerProcess;

typedef enum Phase { PHASE_IDLE, PHASE_MAKING, PHASE_SWITCHING } Phase;

typedef struct Waiting { Change change; uint64_t client; /* 0: nobody waits for its end */ } Waiting;

typedef struct Client {
    uint64_t id;                /* 0: a free place */
    int fd;
    uint64_t since_ns;          /* when it came, while it has asked for nothing; else 0 */
    char *out; size_t len;      /* to be sent */
    bool ended; int status;     /* nothing comes after it but the status */
    bool follows; uint32_t slot; MetricsPlace from; /* a function's lines of log */
} Client;

typedef struct Master {
    MasterStart start;
    Metrics *metrics;
    Calls *calls; uint64_t sweep_ns; /* results of calls, and when those too old are removed next */
    int signals, listener, status_listener, admin, access_log;
    bool inherited;             /* the listener is not ours to remove */
    ListenFile file, status_file, admin_file; /* of those of them that are Unix sockets of our own */
    char *url, *status_url, *admin_path;
    Table *table;               /* NULL before the first is in use */
    uint64_t generation;        /* the last that was given out */
    WorkerProcess workers[METRICS_WORKERS]; /* the status process has a `duty` of no meaning */
    WorkerProcess status;       /* `control` is our end */

    Phase phase;
    Waiting now, queue[MASTER_QUEUE]; size_t queued;
    pid_t maker; int made, said; /* PHASE_MAKING: the process and what it writes */
    uint64_t deadline_ns;       /* of the phase */
    Kept kept; Table *next;     /* PHASE_SWITCHING */
    Drained drained;

    pid_t noter;                /* who decides in the depot now; 0: nobody */
    uint32_t notes[MASTER_NOTES]; size_t nnotes; /* slots for the next ones */

    Client clients[MASTER_CLIENTS];
    uint64_t client_ids;
    bool announced;             /* that the first table is served */
    bool ending; uint64_t end_ns; /* draining; when those that are left are killed */
    bool killed;                /* they are, since it took too long or somebody could not wait */
    int exit_status;
} Master;

uint64_t master_now(void);      /* CLOCK_MONOTONIC, ns */
/* "fnvm serve: ...", a line on standard error. */
void master_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- Tables (master_table.c) ---- */

/* Takes the Config over, on failure, too: gives its functions their places in the metrics and
 * holds their images. */
fnvm_error *table_new(Master *, Config *, Table **out);
void table_free(Table *);       /* and those that are older; NULL is fine */
/* In use from now on: the metrics are told. */
void table_use(Master *, Table *);
/* Frees those that no worker has requests of any more. */
void table_sweep(Master *);

/* ---- Processes (master_workers.c) ---- */

/* As fork, but the child has default signals and no descriptor of the master's beyond 2 but
 * `keep`. */
pid_t master_fork(const int *keep, size_t n);
/* Forks those that are missing and whose time has come; kills those that leave and whose time is
 * up. */
void workers_spawn(Master *);
/* Gives every worker a table under a new generation. */
void workers_serve(Master *, Table *);
/* Whether all serve the generation. */
bool workers_all_serve(const Master *, uint64_t generation);
void workers_readable(Master *, unsigned worker);
/* A process has ended; false: it is none of these. */
bool workers_gone(Master *, pid_t, int status);
/* The next table is used from now on, and so are those who were begun for it; or it is not. */
void workers_succeed(Master *);
void workers_stay(Master *);
void workers_drain(Master *);
/* When those that are told now to drain have to have ended. */
uint64_t workers_end_ns(const Master *);
void workers_kill(Master *, const char *why); /* says so, once */
bool workers_any(const Master *);
/* When workers_spawn has something to do; UINT64_MAX: nothing that it knows of. */
uint64_t workers_next_ns(const Master *);

/* ---- Changes (master_change.c) ---- */

/* Begins it, or has it wait; FNVM_E_LIMIT: too many do. */
fnvm_error *changes_add(Master *, const Change *, uint64_t client);
bool changes_gone(Master *, pid_t, int status); /* as workers_gone */
void changes_served(Master *);   /* a worker serves another generation than before */
void changes_refused(Master *, const char *why); /* a worker cannot serve the new table */
void changes_tick(Master *);     /* deadlines */
void changes_abandon(Master *);  /* the gateway ends */

/* ---- The depot (master_depot.c): what workers may only read ---- */

/* Has a process decide about the function of this slot there, which writes the log and recovers what
 * is to be.  Forgotten where many wait already. */
void notes_add(Master *, uint32_t slot);
bool notes_gone(Master *, pid_t); /* as workers_gone */

/* ---- The admin socket (master_admin.c) ---- */

void admin_accept(Master *);
void admin_poll(Master *, Client *, struct pollfd *out);
void admin_ready(Master *, Client *, short events);
void admin_tick(Master *);       /* those who follow logs */
bool admin_follows(const Master *);
/* The end of what a client waits for; one that is gone is passed over. */
void admin_answer(Master *, uint64_t client, int status, const char *text);
void admin_close(Master *, Client *);

#endif
