/* A function as it is written for Faasm: the declarations are those of its host_interface.h, and
 * nothing here knows of fnvm.  Its input says what it does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

long __faasm_read_input(unsigned char *buffer, long size);
void __faasm_write_output(const char *output, long len);
unsigned int __faasm_chain_name(const char *name, const unsigned char *input, long len);
unsigned int __faasm_chain_ptr(int (*func)(void), const unsigned char *input, long len);
int __faasm_await_call(unsigned int call);
int __faasm_await_call_output(unsigned int call, char **output, int *len);
long __faasm_read_state(const char *key, unsigned char *buffer, long len);
unsigned char *__faasm_read_state_ptr(const char *key, long len);
void __faasm_read_state_offset(const char *key, long total, long offset, unsigned char *buffer,
                               long len);
void __faasm_write_state(const char *key, const unsigned char *data, long len);
void __faasm_write_state_offset(const char *key, long total, long offset, const unsigned char *data,
                                long len);
void __faasm_push_state(const char *key);
void __faasm_pull_state(const char *key, long len);
void __faasm_append_state(const char *key, const unsigned char *data, long len);
void __faasm_read_appended_state(const char *key, unsigned char *data, long len, long n);
void __faasm_clear_appended_state(const char *key);

static char out[8192];
static void say(const char *text) { strncat(out, text, sizeof out - strlen(out) - 1); }

/* ---- What is chained ---- */

static int upper(void)
{
    unsigned char text[64];
    long len = __faasm_read_input(text, sizeof text);
    for (long i = 0; i < len; i++)
        if (text[i] >= 'a' && text[i] <= 'z') text[i] = (unsigned char)(text[i] - 32);
    __faasm_write_output((char *)text, len);
    return 0;
}

static int fails(void) { return 3; }

static int increments(void)
{
    int n = 0;
    __faasm_read_state("counter", (unsigned char *)&n, sizeof n);
    n++;
    __faasm_write_state("counter", (unsigned char *)&n, sizeof n);
    return 0; /* not pushed: it is when the function ends */
}

static int traps(void) { __builtin_trap(); }

/* ---- What is asked for ---- */

static void chain(void)
{
    char text[128], *a, *b;
    int na, nb;
    unsigned int one = __faasm_chain_ptr(upper, (const unsigned char *)"first", 5);
    unsigned int two = __faasm_chain_name("other", (const unsigned char *)"echo second", 11);
    int ra = __faasm_await_call_output(one, &a, &na), rb = __faasm_await_call_output(two, &b, &nb);
    snprintf(text, sizeof text, "%d %.*s %d %.*s", ra, na, a, rb, nb, b);
    say(text);
    snprintf(text, sizeof text, " %d", __faasm_await_call(__faasm_chain_ptr(fails, NULL, 0)) != 0);
    say(text);
    snprintf(text, sizeof text, " %d", __faasm_await_call(__faasm_chain_ptr(traps, NULL, 0)) != 0);
    say(text);
}

static void many(void) /* more than can be open at once */
{
    int n = 0, failed = 0;
    __faasm_write_state("counter", (unsigned char *)&n, sizeof n);
    for (int i = 0; i < 20; i++)
        failed += __faasm_await_call(__faasm_chain_ptr(increments, NULL, 0));
    __faasm_read_state("counter", (unsigned char *)&n, sizeof n);
    char text[64];
    snprintf(text, sizeof text, "%d %d", n, failed);
    say(text);
}

static void state(void)
{
    char text[128], part[8] = {0}, both[16] = {0};
    __faasm_write_state("s", (const unsigned char *)"abcdef", 6);
    __faasm_write_state_offset("s", 6, 2, (const unsigned char *)"XY", 2);
    __faasm_push_state("s");
    __faasm_write_state("s", (const unsigned char *)"other!", 6);
    __faasm_pull_state("s", 6); /* what was pushed is back */
    __faasm_read_state_offset("s", 6, 1, (unsigned char *)part, 4);
    snprintf(text, sizeof text, "%ld %s %ld ", __faasm_read_state("s", NULL, 0), part,
             __faasm_read_state("none", NULL, 0));
    say(text);
    unsigned char *p = __faasm_read_state_ptr("s", 6);
    void *unrelated = malloc(100000); /* pages of libc's come behind those of the state */
    memset(unrelated, 1, 100000);
    p[0] = 'Z';
    __faasm_push_state("s");
    snprintf(text, sizeof text, "%.6s ", (char *)p);
    say(text);
    __faasm_clear_appended_state("list");
    __faasm_append_state("list", (const unsigned char *)"one", 3);
    __faasm_append_state("list", (const unsigned char *)"three", 5);
    __faasm_append_state("list", (const unsigned char *)"x", 1);
    __faasm_read_appended_state("list", (unsigned char *)both, sizeof both - 1, 2);
    say(both);
    free(unrelated);
}

/* Stored when it has ended. */
static void write_keys(void)
{
    __faasm_write_state("a", (const unsigned char *)"first", 5);
    __faasm_write_state("b", (const unsigned char *)"second", 6);
    say("written");
}

static void read_keys(void)
{
    char text[32] = {0};
    __faasm_read_state("a", (unsigned char *)text, 5);
    __faasm_read_state("b", (unsigned char *)text + 5, 6);
    say(text);
}

/* Several pointers, and a call that stores what is behind them all. */
static void pointers(void)
{
    char key[2] = "p", text[64];
    unsigned char *at[5];
    for (int i = 0; i < 5; i++) {
        key[0] = (char)('p' + i);
        at[i] = __faasm_read_state_ptr(key, 3);
        memcpy(at[i], "pqr", 3);
        at[i][1] = (unsigned char)('0' + i);
    }
    __faasm_await_call(__faasm_chain_ptr(upper, NULL, 0));
    for (int i = 0; i < 5; i++) memset(at[i], 0, 3);
    for (int i = 0; i < 5; i++) {
        key[0] = (char)('p' + i);
        __faasm_pull_state(key, 3);
        snprintf(text, sizeof text, "%.3s ", (char *)at[i]);
        say(text);
    }
}

/* As many as there may be, and one more. */
static void too_many_pointers(int n)
{
    char key[8];
    for (int i = 0; i < n; i++) {
        snprintf(key, sizeof key, "p%d", i);
        __faasm_read_state_ptr(key, 1 << 20)[0] = 1;
    }
    say("so many");
}

int main(void)
{
    unsigned char input[256] = {0};
    long size = __faasm_read_input(input, 0);
    if (size >= (long)sizeof input) return 1;
    __faasm_read_input(input, sizeof input - 1);
    if (strncmp((char *)input, "echo ", 5) == 0) say((char *)input + 5);
    else if (strcmp((char *)input, "chain") == 0) chain();
    else if (strcmp((char *)input, "many") == 0) many();
    else if (strcmp((char *)input, "state") == 0) state();
    else if (strcmp((char *)input, "write") == 0) write_keys();
    else if (strcmp((char *)input, "read") == 0) read_keys();
    else if (strcmp((char *)input, "pointers") == 0) pointers();
    else if (strncmp((char *)input, "pointers ", 9) == 0) too_many_pointers(atoi((char *)input + 9));
    else if (strcmp((char *)input, "fault") == 0) __faasm_write_output((char *)-16, 100);
    else if (strcmp((char *)input, "nobody") == 0) __faasm_chain_name("nobody", NULL, 0);
    else return 2;
    __faasm_write_output(out, (long)strlen(out));
    return 0;
}
