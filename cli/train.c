/* The pages that are in the system's page cache afterwards are the ones that were touched: the file
 * is dropped from it before, and who runs the image has the system read nothing ahead (FNVM_TRAIN
 * in the environment tells him to).  FNVM_TRAIN is the name of a file, to which each process appends
 * the pages that it has written when its guest ends. */
#include "cli/train.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/errors.h"
#include "vm/image/working_set.h"
#include "vm/region.h"

enum { NOTES_MOST = 64 << 20 }; /* bytes */

/* Only in the child. */
static void run_shell(const char *image, const char *notes, const char *command)
{
    if (setenv("FNVM_IMAGE", image, 1) == 0 && setenv("FNVM_TRAIN", notes, 1) == 0)
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(STATUS_NOT_FOUND);
}

static fnvm_error *run_command(const char *path, const char *notes, const char *command)
{
    char image[PATH_MAX];
    int status = 0;
    if (!realpath(path, image))
        return fnvm_error_new(FNVM_E_IO, "cannot find `%s`: %s", path, strerror(errno));
    fflush(NULL); /* what is in buffers is ours to write */
    pid_t child = fork();
    if (child == 0) run_shell(image, notes, command);
    while (child > 0 && waitpid(child, &status, 0) < 0)
        if (errno != EINTR) child = -1;
    if (child < 0) return fnvm_error_new(FNVM_E_IO, "cannot run it: %s", strerror(errno));
    if (WIFSIGNALED(status))
        return fnvm_error_new(FNVM_E_USAGE, "it was ended by signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return fnvm_error_new(FNVM_E_USAGE, "it ended with status %d", WEXITSTATUS(status));
    return NULL;
}

static int by_place(const void *a, const void *b)
{
    const ImageRun *x = a, *y = b;
    if (x->instance != y->instance) return x->instance < y->instance ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* What several processes noted becomes one list. */
static uint64_t join_runs(ImageRun *runs, uint64_t n)
{
    uint64_t kept = 0;
    qsort(runs, n, sizeof *runs, by_place);
    for (uint64_t i = 0; i < n; i++) {
        ImageRun *last = kept ? &runs[kept - 1] : NULL;
        const uint64_t end = last ? last->at + (uint64_t)last->count * IMAGE_PAGE : 0;
        if (!last || last->instance != runs[i].instance || runs[i].at > end) {
            runs[kept++] = runs[i];
            continue;
        }
        const uint64_t to = runs[i].at + (uint64_t)runs[i].count * IMAGE_PAGE;
        if (to > end) last->count = (uint32_t)((to - last->at) / IMAGE_PAGE);
    }
    return kept;
}

static fnvm_error *read_notes(int fd, ImageRun **runs, uint64_t *n)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size > NOTES_MOST)
        return fnvm_error_new(FNVM_E_IO, "what its processes have noted cannot be read");
    *runs = malloc((size_t)st.st_size + 1);
    if (!*runs) return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    ssize_t got = pread(fd, *runs, (size_t)st.st_size, 0);
    *n = got > 0 ? join_runs(*runs, (uint64_t)got / sizeof **runs) : 0;
    return NULL;
}

static fnvm_error *train(const char *path, const char *command, const ImageSeal *seal)
{
    char *notes = NULL;
    const char *directory = getenv("TMPDIR");
    if (asprintf(&notes, "%s/fnvm-train-XXXXXX", directory ? directory : "/tmp") < 0)
        return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
    ImageRun *runs = NULL;
    uint64_t n = 0;
    int fd = mkostemp(notes, O_CLOEXEC);
    fnvm_error *error = fd < 0 ? fnvm_error_new(FNVM_E_IO, "cannot make a file `%s`: %s", notes,
                                                strerror(errno))
                               : working_set_start(path);
    if (!error) error = run_command(path, notes, command);
    if (!error) error = read_notes(fd, &runs, &n);
    if (!error) error = working_set_write(path, seal, runs, n);
    if (fd >= 0) {
        unlink(notes);
        close(fd);
    }
    free(notes);
    free(runs);
    return error;
}

int train_image(const char *path, const char *command, const ImageSeal *seal)
{
    fnvm_error *error = train(path, command, seal);
    if (!error) return -1;
    error_report(error, "failed to train the image `%s` by `%s`", path, command);
    return STATUS_FAILED;
}

const char *train_notes(void) { return getenv("FNVM_TRAIN"); }

fnvm_error *train_note(fnvm_store *store)
{
    const char *notes = train_notes();
    if (!notes) return NULL;
    ImageRun *runs = NULL;
    uint64_t n = 0;
    fnvm_error *error = working_set_written(store, &runs, &n);
    if (error) return error;
    int fd = open(notes, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || write(fd, runs, n * sizeof *runs) != (ssize_t)(n * sizeof *runs))
        error = fnvm_error_new(FNVM_E_IO, "cannot note in `%s` what was written: %s", notes,
                               strerror(errno));
    if (fd >= 0) close(fd);
    free(runs);
    return error;
}

void train_watch(fnvm_store *store)
{
    if (!train_notes()) return;
    for (size_t i = 0; i < fnvm_store_instances(store); i++) {
        Instance *inst = fnvm_store_instance(store, i);
        /* Best effort: with reading ahead the list is longer, not wrong. */
        (void)madvise(region_base(inst), inst->region_size, MADV_RANDOM);
    }
}
