/* While the terminal has no echo, signals that end or stop a process are blocked and waited for
 * through a descriptor: the terminal is as it was before they do what they do. */
#include "cli/passphrase.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "cli/errors.h"
#include "cli/secret_file.h"

/* ---- From a file ---- */

static fnvm_error *check(Passphrase *p, size_t len, const char *where)
{
    const char *end = memchr(p->text, '\n', len);
    if (!end && len == sizeof p->text)
        return fnvm_error_new(FNVM_E_USAGE, "the passphrase from %s is longer than %d bytes", where,
                              PASSPHRASE_MAX - 1);
    p->len = end ? (size_t)(end - p->text) : len;
    if (p->len > 0 && p->text[p->len - 1] == '\r') p->len--;
    if (p->len > 0) return NULL;
    return fnvm_error_new(FNVM_E_USAGE, "the passphrase from %s is empty", where);
}

static fnvm_error *from_file(const char *file, Passphrase *out)
{
    size_t len;
    fnvm_error *error = secret_file_read(file, true, out->text, sizeof out->text, &len);
    if (error) return fnvm_error_wrap(error, "failed to read the passphrase");
    return check(out, len, file);
}

/* ---- From the terminal ---- */

typedef enum Line { LINE_READ, LINE_STOPPED, LINE_INTERRUPTED, LINE_FAILED } Line;

/* One line; what `signals` has is blocked. */
static Line wait_for_line(int tty, const sigset_t *signals, Passphrase *out, size_t *len)
{
    int arrived = signalfd(-1, signals, SFD_CLOEXEC);
    if (arrived < 0) return LINE_FAILED;
    struct pollfd on[] = {{.fd = tty, .events = POLLIN}, {.fd = arrived, .events = POLLIN}};
    int n;
    do n = poll(on, 2, -1);
    while (n < 0 && errno == EINTR);
    Line line = LINE_FAILED;
    sigset_t pending;
    if (n > 0 && on[1].revents != 0) {
        sigpending(&pending);
        line = sigismember(&pending, SIGTSTP) == 1 ? LINE_STOPPED : LINE_INTERRUPTED;
    } else if (n > 0) {
        ssize_t got = read(tty, out->text, sizeof out->text);
        *len = got > 0 ? (size_t)got : 0;
        if (got >= 0) line = LINE_READ;
    }
    close(arrived);
    return line;
}

static Line read_line(int tty, Passphrase *out, size_t *len)
{
    struct termios before, quiet;
    sigset_t signals, old;
    sigemptyset(&signals);
    static const int wait_for[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
    for (size_t i = 0; i < sizeof wait_for / sizeof *wait_for; i++)
        sigaddset(&signals, wait_for[i]);
    if (tcgetattr(tty, &before) != 0) return LINE_FAILED;
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    quiet.c_lflag |= ICANON;
    sigprocmask(SIG_BLOCK, &signals, &old);
    Line line = LINE_FAILED;
    if (tcsetattr(tty, TCSAFLUSH, &quiet) == 0) {
        line = wait_for_line(tty, &signals, out, len);
        tcsetattr(tty, TCSANOW, &before);
    }
    sigprocmask(SIG_SETMASK, &old, NULL); /* here the process ends or stops, if it is to */
    return line;
}

static fnvm_error *ask(FILE *tty, const char *prompt, const char *key, Passphrase *out)
{
    Line line;
    size_t len = 0;
    do {
        fputs(prompt, tty);
        if (key) fputs(" `", tty), print_escaped(tty, key, strlen(key)), fputc('`', tty);
        fputs(": ", tty);
        fflush(tty);
        line = read_line(fileno(tty), out, &len);
        fputc('\n', tty);
        fflush(tty);
    } while (line == LINE_STOPPED);
    if (line == LINE_READ) return check(out, len, "the terminal");
    return line == LINE_INTERRUPTED
               ? fnvm_error_new(FNVM_E_IO, "interrupted")
               : fnvm_error_new(FNVM_E_IO, "cannot read from the terminal: %s", strerror(errno));
}

static fnvm_error *ask_twice(FILE *tty, const char *key, Passphrase *out)
{
    Passphrase again;
    fnvm_error *error = ask(tty, "New passphrase for", key, out);
    if (!error) error = ask(tty, "The same again", NULL, &again);
    if (!error && (again.len != out->len || memcmp(again.text, out->text, out->len) != 0))
        error = fnvm_error_new(FNVM_E_USAGE, "the two passphrases are not the same");
    sodium_memzero(&again, sizeof again);
    return error;
}

static fnvm_error *from_terminal(const char *key, bool is_new, Passphrase *out)
{
    FILE *tty = fopen("/dev/tty", "r+e");
    if (!tty)
        return fnvm_error_new(FNVM_E_USAGE, "`%s` needs a passphrase, and there is no terminal to "
                              "ask on: FNVM_PASSPHRASE_FILE can name a file that has it", key);
    fnvm_error *error = is_new ? ask_twice(tty, key, out) : ask(tty, "Passphrase for", key, out);
    fclose(tty);
    return error;
}

fnvm_error *passphrase_get(const char *from, const char *key, bool is_new, Passphrase *out)
{
    const char *file = from ? from : getenv("FNVM_PASSPHRASE_FILE");
    return file && *file ? from_file(file, out) : from_terminal(key, is_new, out);
}
