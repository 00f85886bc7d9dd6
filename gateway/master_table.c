/* The text of a table goes to workers as a file in memory, which nobody can write to any more.
 * Images are held by a shared lock on their version's folder, as an instance would. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/master_state.h"

static fnvm_error *no_memory(void)
{
    return fnvm_error_new(FNVM_E_MEMORY, "the host is out of memory");
}

/* ---- The metrics ---- */

/* Strings and places of a Config are constant to all but who makes it: that is us, still. */
static fnvm_error *place(Master *m, Config *c)
{
    for (size_t i = 0; i < c->nfunctions; i++) {
        Function *f = &c->functions[i];
        if (!metrics_slot(m->metrics, f->name, &f->slot))
            return fnvm_error_new(
                FNVM_E_LIMIT,
                "there is no place for `%s` in the metrics: %d functions had one since "
                "the gateway was started",
                f->name, METRICS_FUNCTIONS);
        if (!metrics_tenant(m->metrics, f->tenant, &f->tenant_slot))
            return fnvm_error_new(
                FNVM_E_LIMIT,
                "there is no place for the tenant `%s` in the metrics: %d had one since "
                "the gateway was started",
                f->tenant, METRICS_TENANTS);
    }
    return NULL;
}

static void describe(Master *m, const Function *f, bool served)
{
    static const char *const protocols[] = {
        [PROTOCOL_CGI] = "cgi", [PROTOCOL_HTTP] = "http", [PROTOCOL_HANDLER] = "handler",
        [PROTOCOL_FAASM] = "faasm"};
    const MetricsFunction said = {.version = served ? f->version : NULL,
                                  .protocol = protocols[f->protocol],
                                  .tenant = f->tenant,
                                  .concurrency = f->concurrency,
                                  .queue = f->queue};
    metrics_function(m->metrics, f->slot, &said);
}

/* ---- The text ---- */

static fnvm_error *keep_text(const char *text, size_t len, int *out)
{
    int fd = memfd_create("fnvm table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return fnvm_error_new(FNVM_E_IO, "cannot keep the table: %s", strerrordesc_np(errno));
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, text + at, len - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            close(fd);
            return no_memory();
        }
        at += (size_t)n;
    }
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    *out = fd;
    return NULL;
}

/* ---- Holding images ---- */

static fnvm_error *hold(Table *t, const char *image)
{
    char *folder = strdup(image);
    if (!folder) return no_memory();
    char *slash = strrchr(folder, '/');
    if (slash && slash > folder) *slash = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fnvm_error *error = NULL;
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) != 0) {
        error = fnvm_error_new(FNVM_E_IO, "cannot hold the image `%s`: %s", image,
                               strerrordesc_np(errno));
        if (fd >= 0) close(fd);
    } else {
        t->holds[t->nholds++] = fd;
    }
    free(folder);
    return error;
}

static fnvm_error *hold_all(Table *t)
{
    const Config *c = t->config;
    t->holds = calloc(c->nfunctions ? c->nfunctions : 1, sizeof *t->holds);
    fnvm_error *error = t->holds ? NULL : no_memory();
    for (size_t i = 0; i < c->nfunctions && !error; i++)
        if (c->functions[i].image) error = hold(t, c->functions[i].image);
    return error;
}

/* ---- Tables ---- */

void table_free(Table *t)
{
    while (t) {
        Table *older = t->older;
        for (size_t i = 0; i < t->nholds; i++) close(t->holds[i]);
        free(t->holds);
        if (t->fd >= 0) close(t->fd);
        config_free(t->config);
        free(t);
        t = older;
    }
}

fnvm_error *table_new(Master *m, Config *config, Table **out)
{
    char *text = NULL;
    size_t len = 0;
    Table *t = calloc(1, sizeof *t);
    if (!t) {
        config_free(config);
        return no_memory();
    }
    t->config = config;
    t->fd = -1;
    fnvm_error *error = place(m, config);
    if (!error) error = config_print(config, &text, &len);
    if (!error) error = keep_text(text, len, &t->fd);
    if (!error) error = hold_all(t);
    free(text);
    if (error) table_free(t);
    else *out = t;
    return error;
}

void table_use(Master *m, Table *t)
{
    for (size_t i = 0; m->table && i < m->table->config->nfunctions; i++)
        describe(m, &m->table->config->functions[i], false);
    for (size_t i = 0; i < t->config->nfunctions; i++) describe(m, &t->config->functions[i], true);
    t->older = m->table;
    m->table = t;
    table_sweep(m);
}

void table_sweep(Master *m)
{
    uint64_t drained = UINT64_MAX;
    if (!m->table || m->phase == PHASE_SWITCHING) return;
    for (unsigned i = 0; i < METRICS_WORKERS; i++)
        if (m->workers[i].pid && m->workers[i].drained < drained) drained = m->workers[i].drained;
    for (Table *t = m->table; t->older; t = t->older) {
        if (drained < t->generation)
            continue; /* somebody has requests of what is older than this */
        table_free(t->older);
        t->older = NULL;
        return;
    }
}
