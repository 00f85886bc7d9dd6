/* Three small files of /proc per process.  Resident memory counts pages of images once per process
 * that maps them, though they are there once: docs/monitoring.md says so. */
#include "gateway/status_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Process {
    const char *role;
    int worker, pid; /* worker: -1 of others */
    uint64_t rss_bytes, fds, cpu_ms;
} Process;

enum { PROCESSES_MOST = METRICS_WORKERS + 2 };

static bool read_text(int pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const ssize_t n = read(fd, text, size - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static uint64_t count_fds(int pid)
{
    char path[64];
    uint64_t n = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *dir = opendir(path);
    if (!dir) return 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static bool look(Process *p)
{
    char text[1024];
    uint64_t resident, user, system;
    if (!read_text(p->pid, "statm", text, sizeof text) ||
        sscanf(text, "%*u %" SCNu64, &resident) != 1)
        return false;
    if (!read_text(p->pid, "stat", text, sizeof text)) return false;
    const char *behind_name = strrchr(text, ')'); /* a name may have anything in it */
    if (!behind_name ||
        sscanf(behind_name, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
               &user, &system) != 2)
        return false;
    p->rss_bytes = resident * (uint64_t)sysconf(_SC_PAGESIZE);
    p->cpu_ms = (user + system) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
    p->fds = count_fds(p->pid);
    return true;
}

static size_t all(const Metrics *m, Process out[PROCESSES_MOST])
{
    size_t n = 0;
    out[n] = (Process){.role = "master", .worker = -1, .pid = getppid()};
    n += look(&out[n]);
    out[n] = (Process){.role = "status", .worker = -1, .pid = getpid()};
    n += look(&out[n]);
    for (unsigned i = 0; i < METRICS_WORKERS; i++) {
        const int pid = metrics_worker_pid(m, i);
        if (pid <= 0) continue;
        out[n] = (Process){.role = "worker", .worker = (int)i, .pid = pid};
        n += look(&out[n]);
    }
    return n;
}

void processes_json(const Metrics *m, FILE *out)
{
    Process list[PROCESSES_MOST];
    const size_t n = all(m, list);
    fputc('[', out);
    for (size_t i = 0; i < n; i++) {
        const Process *p = &list[i];
        fprintf(out,
                "%s\n{\"role\": \"%s\", \"worker\": %d, \"pid\": %d, \"rss_bytes\": %" PRIu64
                ", \"fds\": %" PRIu64 ", \"cpu_ms\": %" PRIu64 "}",
                i ? "," : "", p->role, p->worker, p->pid, p->rss_bytes, p->fds, p->cpu_ms);
    }
    fputc(']', out);
}

static void sample(FILE *out, const char *name, const Process *p)
{
    fprintf(out, "%s{process=\"%s\"", name, p->role);
    if (p->worker >= 0) fprintf(out, ",worker=\"%d\"", p->worker);
    fputs("} ", out);
}

void processes_prometheus(const Metrics *m, FILE *out)
{
    Process list[PROCESSES_MOST];
    const size_t n = all(m, list);
    fputs("# HELP fnvm_process_resident_memory_bytes Of the gateway's processes; pages of images "
          "count in each.\n"
          "# TYPE fnvm_process_resident_memory_bytes gauge\n",
          out);
    for (size_t i = 0; i < n; i++) {
        sample(out, "fnvm_process_resident_memory_bytes", &list[i]);
        fprintf(out, "%" PRIu64 "\n", list[i].rss_bytes);
    }
    fputs("# HELP fnvm_process_open_fds File descriptors.\n# TYPE fnvm_process_open_fds gauge\n",
          out);
    for (size_t i = 0; i < n; i++) {
        sample(out, "fnvm_process_open_fds", &list[i]);
        fprintf(out, "%" PRIu64 "\n", list[i].fds);
    }
    fputs("# HELP fnvm_process_cpu_seconds_total Of processors, in user and system mode.\n"
          "# TYPE fnvm_process_cpu_seconds_total counter\n",
          out);
    for (size_t i = 0; i < n; i++) {
        sample(out, "fnvm_process_cpu_seconds_total", &list[i]);
        fprintf(out, "%" PRIu64 ".%03" PRIu64 "\n", list[i].cpu_ms / 1000, list[i].cpu_ms % 1000);
    }
}
