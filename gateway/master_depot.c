/* Workers are hostile as soon as a guest has broken out, so they cannot write the depot, and are
 * believed nothing but a number: which function it is, and what its image is called, the master's
 * own table says.  Deciding takes locks and may recover, so a process does it, one at a time. */
#include <sys/stat.h>
#include <unistd.h>

#include "cli/errors.h"
#include "gateway/master_state.h"
#include "gateway/revocation.h"

static const Function *find(const Table *t, uint32_t slot)
{
    for (; t; t = t->older)
        for (size_t i = 0; i < t->config->nfunctions; i++) {
            const Function *f = &t->config->functions[i];
            if (f->slot == slot && f->image && f->measurement) return f;
        }
    return NULL;
}

/* Asking recovers; the decision is the line in the log. */
static int decide(const char *dir, const Function *f)
{
    Depot *depot = NULL;
    Revocation r;
    struct stat st;
    uint64_t generation;
    const Subject subject = {
        .what = "image", .file = f->image, .stat = stat(f->image, &st) == 0 ? &st : NULL};
    fnvm_error *error = fnvm_depot_open(dir, false, &depot);
    revocation_begin(&r, depot, f->measurement);
    if (!error && r.depot) error = depot_revoked(depot, &r.measurement, true, &r.revoked);
    if (error) return STATUS_FAILED;
    if (r.revoked.is) fnvm_error_free(depot_decide(depot, &subject, &generation));
    return STATUS_OK;
}

static void note_next(Master *m)
{
    while (!m->noter && m->nnotes && !m->ending) {
        const Function *f = find(m->table, m->notes[0]);
        m->nnotes--;
        for (size_t i = 0; i < m->nnotes; i++) m->notes[i] = m->notes[i + 1];
        if (!f) continue;
        const pid_t pid = master_fork(NULL, 0);
        if (pid == 0) _exit(decide(m->table->config->depot, f));
        if (pid > 0) m->noter = pid;
    }
}

void notes_add(Master *m, uint32_t slot)
{
    if (m->nnotes < MASTER_NOTES) m->notes[m->nnotes++] = slot;
    note_next(m);
}

bool notes_gone(Master *m, pid_t pid)
{
    if (!pid || pid != m->noter) return false;
    m->noter = 0;
    note_next(m);
    return true;
}
