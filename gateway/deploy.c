/* fnvm deploy and fnvm gateway: one packet to the gateway's admin socket, and what comes back is
 * printed. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "gateway/admin.h"

typedef struct Ask {
    const char *command; /* "deploy" or "gateway", for messages */
    const char *admin;
    bool follow;
    char packet[ADMIN_PACKET];
    size_t len;
} Ask;

/* ---- The packet ---- */

static bool add_word(Ask *a, const char *word)
{
    const size_t n = strlen(word) + 1;
    if (n > sizeof a->packet - a->len) return false;
    memcpy(a->packet + a->len, word, n);
    a->len += n;
    return true;
}

static int connect_admin(Ask *a, int *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = a->admin ? a->admin : getenv("FNVM_ADMIN");
    if (!path || !*path)
        return error_usage(a->command, "which gateway? Give its --admin SOCKET, or set FNVM_ADMIN");
    if (strlen(path) >= sizeof address.sun_path)
        return error_usage(a->command, "the socket's path `%s` is too long", path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const void *)&address, sizeof address) == 0) {
        *out = fd;
        return -1;
    }
    const int number = errno;
    struct stat st;
    if (fd >= 0) close(fd);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return error_usage(a->command, "`%s` is a directory: the socket of a gateway with this "
                           "--state is `%s/admin`", path, path);
    const bool nobody = number == ENOENT || number == ECONNREFUSED;
    error_report(NULL, "cannot reach the gateway at `%s`: %s", path,
                 nobody ? "nobody listens there; is it running, and is this its admin socket?"
                        : strerrordesc_np(number));
    return nobody ? STATUS_NOT_FOUND : STATUS_FAILED;
}

/* ---- The answer ---- */

/* Text is kept until it is known where it belongs, but for what has no end. */
static int print_answer(const Ask *a, int fd)
{
    char packet[ADMIN_PACKET], *text = NULL;
    size_t len = 0;
    ssize_t n;
    int status = -1;
    FILE *out = a->follow ? stdout : open_memstream(&text, &len);
    if (!out) return error_report(NULL, "the host is out of memory");
    while (status < 0 && (n = recv(fd, packet, sizeof packet, 0)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        if (packet[0] == ADMIN_END && n == 2) status = (unsigned char)packet[1];
        else if (packet[0] == ADMIN_TEXT) fwrite(packet + 1, 1, (size_t)n - 1, out);
        if (a->follow) fflush(out);
    }
    if (out != stdout) {
        fclose(out);
        if (text) fwrite(text, 1, len, status == STATUS_OK ? stdout : stderr);
        free(text);
    }
    if (status >= 0) return status;
    return error_report(NULL, a->follow ? "the gateway has ended"
                                        : "the gateway ended before it had answered");
}

static int ask(Ask *a)
{
    int fd = -1, status = connect_admin(a, &fd);
    if (status >= 0) return status;
    status = send(fd, a->packet, a->len, MSG_NOSIGNAL) == (ssize_t)a->len
                 ? print_answer(a, fd)
                 : error_report(NULL, "cannot ask the gateway: %s", strerrordesc_np(errno));
    close(fd);
    return status;
}

/* ---- The commands ---- */

static int parse(Ask *a, const char *command, int argc, char **argv)
{
    static const struct option names[] = {{"admin", required_argument, NULL, 'a'},
                                          {"follow", no_argument, NULL, 'f'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int option;
    *a = (Ask){.command = command};
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":hf", names, NULL)) != -1) {
        if (option == 'a') a->admin = optarg;
        else if (option == 'f' && strcmp(command, "gateway") == 0) a->follow = true;
        else if (option == 'h') return help_print(command);
        else return error_option(command, option, argv[optind - 1]);
    }
    return -1;
}

/* A function.yaml stands for its folder, which is what is copied. */
static int take_folder(char *path)
{
    static const char manifest[] = "/function.yaml";
    struct stat st;
    const size_t len = strlen(path), n = strlen(manifest);
    if (stat(path, &st) != 0) return -1;
    if (S_ISDIR(st.st_mode)) {
        char file[PATH_MAX + sizeof manifest];
        snprintf(file, sizeof file, "%s%s", path, manifest);
        if (access(file, F_OK) == 0) return -1;
        return error_usage("deploy", "`%s` has no function.yaml, which says the function's name, "
                           "version and module", path);
    }
    if (len > n && strcmp(path + len - n, manifest) == 0) {
        path[len - n] = '\0';
        return -1;
    }
    return error_usage("deploy", "`%s` is a file: give the folder that has it, and a function.yaml",
                       path);
}

int command_deploy(int argc, char **argv)
{
    Ask a;
    int status = parse(&a, "deploy", argc, argv);
    if (status >= 0) return status;
    if (optind >= argc)
        return error_usage("deploy", "which function? A directory with a function.yaml");
    if (optind + 1 < argc)
        return error_usage("deploy", "`%s` is one word too many", argv[optind + 1]);
    char *path = realpath(argv[optind], NULL);
    if (!path) {
        const int number = errno;
        error_report(NULL, "there is no directory `%s`: %s", argv[optind], strerrordesc_np(number));
        return STATUS_NOT_FOUND;
    }
    status = take_folder(path);
    if (status >= 0) {
        free(path);
        return status;
    }
    const bool fits = add_word(&a, "deploy") && add_word(&a, path);
    free(path);
    return fits ? ask(&a) : error_usage("deploy", "the path of `%s` is too long", argv[optind]);
}

typedef struct Word {
    const char *name;
    int least, most;
} Word; /* names of functions after it */
static const Word words[] = {{"list", 0, 0},     {"status", 0, 0}, {"logs", 1, 1},
                             {"rollback", 1, 1}, {"remove", 1, 1}, {"drain", 0, 1},
                             {"reload", 0, 0},   {NULL, 0, 0}};

static const char *word_name(const void *table, size_t i) { return ((const Word *)table)[i].name; }

static int no_such_word(const char *text)
{
    const char *close = closest_word(text, word_name, words);
    if (close)
        return error_usage("gateway", "there is no `gateway %s`; did you mean `%s`?", text, close);
    return error_usage("gateway", "there is no `gateway %s`", text);
}

int command_gateway(int argc, char **argv)
{
    Ask a;
    int status = parse(&a, "gateway", argc, argv);
    if (status >= 0) return status;
    if (optind >= argc)
        return error_usage("gateway", "list, status, logs, rollback, remove, drain or reload?");
    const Word *word = words;
    while (word->name && strcmp(word->name, argv[optind]) != 0) word++;
    const int given = argc - optind - 1;
    if (!word->name) return no_such_word(argv[optind]);
    if (given < word->least) return error_usage("gateway", "%s: which function?", word->name);
    if (given > word->most)
        return error_usage("gateway", "`%s` is one word too many", argv[optind + 1 + word->most]);
    if (a.follow && strcmp(word->name, "logs") != 0)
        return error_usage("gateway", "--follow is for logs");
    bool fits = add_word(&a, word->name) && (given == 0 || add_word(&a, argv[optind + 1]));
    if (a.follow) fits = fits && add_word(&a, "follow");
    return fits ? ask(&a) : error_usage("gateway", "`%s` is too long", argv[optind + 1]);
}
