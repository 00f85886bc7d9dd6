/* A process that gives up, for good, what it will not need: new privileges, most system calls
 * (seccomp) and most files (Landlock).  It is the second wall: the first is that guests cannot
 * reach the system but through WASI.  What each mechanism leaves is in docs/security.md.
 *
 * Called once, while the process has one thread: threads that it has already would keep their
 * files.  Descriptors that are open keep working; of a directory's, what is opened by them must be
 * among the paths.  There is no way back, and children inherit it. */
#ifndef FNVM_CLI_NARROW_H
#define FNVM_CLI_NARROW_H

#include "fnvm.h"

typedef enum NarrowMode {
    NARROW_NO,
    NARROW_AUTO,   /* as far as the system can */
    NARROW_REQUIRE /* all of it, or an error that says what is missing */
} NarrowMode;

typedef enum NarrowAccess {
    NARROW_READ,
    NARROW_WRITE, /* and read: all but devices, sockets, pipes and executing */
    NARROW_CREATE /* in this directory: make files and write them, not read them */
} NarrowAccess;

/* A file or a directory with all below it.  One that is not there is passed over. */
typedef struct NarrowPath {
    const char *path;
    NarrowAccess access;
} NarrowPath;

typedef struct NarrowNeeds {
    const NarrowPath *paths;
    size_t npaths;
    const uint16_t *ports; /* of TCP, that it connects to; where there is one, UDP, too */
    size_t nports;
    bool local;    /* connects to Unix sockets: to any, since Landlock does not deny them */
    bool compiles; /* maps machine code: never writable, but from a file that is */
    bool threads;  /* starts threads */
    bool locks;    /* locks parts of files that are open: a database does */
    bool serves;   /* waits for events, accepts, sends and receives: the second column of the table */
} NarrowNeeds;

/* On failure the process may be narrowed in part. */
fnvm_error *narrow_process(const NarrowNeeds *, NarrowMode);

/* The mechanisms, in the order in which narrow_process uses them.  What the system does not have
 * is no failure: it is said in `missing`, as "Landlock is not there: ...". */
enum { NARROW_MISSING_BYTES = 160 };
typedef struct NarrowMissing { char text[NARROW_MISSING_BYTES]; } NarrowMissing; /* "": nothing */
fnvm_error *narrow_landlock(const NarrowNeeds *, NarrowMissing *);
void narrow_seccomp(const NarrowNeeds *, NarrowMissing *);

#endif
