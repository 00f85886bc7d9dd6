/* What conformance/interfaces/run asks of fnvm:kv, log, random and time: prints what it got. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fnvm/call.h>
#include <fnvm/http.h>
#include <fnvm/kv.h>
#include <fnvm/log.h>
#include <fnvm/random.h>
#include <fnvm/request.h>
#include <fnvm/time.h>

static uint32_t text_len(const char *text) { return (uint32_t)strlen(text); }

static void print_value(const char *key)
{
    char piece[4];
    uint32_t len = 0, at = 0;
    do {
        int32_t status = fnvm_kv_get(key, text_len(key), at, piece, sizeof piece, &len);
        if (status) {
            printf("get: %d\n", status);
            return;
        }
        uint32_t n = len - at < sizeof piece ? len - at : sizeof piece;
        fwrite(piece, 1, n, stdout);
        at += n;
    } while (at < len);
    putchar('\n');
}

static void print_list(const char *prefix, uint32_t most, uint32_t room)
{
    char keys[4096], after[1025] = "";
    for (;;) {
        uint32_t used = 0;
        int32_t n =
            fnvm_kv_list(prefix, text_len(prefix), after, text_len(after), most, keys, room, &used);
        if (n <= 0) {
            printf("list: %d %u\n", n, used);
            return;
        }
        for (uint32_t at = 0; at < used; at += text_len(keys + at) + 1) {
            printf("%s ", keys + at);
            strcpy(after, keys + at);
        }
        putchar('|');
    }
}

/* Adds 1 to a number, `times` over, by compare-and-swap. */
static void count(const char *key, int times)
{
    while (times > 0) {
        char was[32], next[32];
        uint32_t len = 0;
        int32_t status = fnvm_kv_get(key, text_len(key), 0, was, sizeof was - 1, &len);
        if (status && status != FNVM_NOT_FOUND) {
            printf("count: %d\n", status);
            exit(1);
        }
        was[status ? 0 : len] = '\0';
        snprintf(next, sizeof next, "%d", atoi(was) + 1);
        status = fnvm_kv_swap(key, text_len(key), was, status ? FNVM_KV_ABSENT : len, next,
                              text_len(next));
        if (status == FNVM_OK) times--;
        else if (status != FNVM_CHANGED && status != FNVM_UNAVAILABLE) {
            printf("swap: %d\n", status);
            exit(1);
        }
    }
}

static int others(void)
{
    uint64_t a = fnvm_random_u64(), b = fnvm_random_u64();
    unsigned char bytes[1000] = {0};
    int filled = fnvm_random_fill(bytes, sizeof bytes), zeros = 0;
    for (size_t i = 0; i < sizeof bytes; i++) zeros += bytes[i] == 0;
    printf("random %d %d %d %d\n", a != b, filled, zeros < 100, fnvm_random_fill((void *)-16, 100));
    uint64_t begin = fnvm_time_monotonic();
    int slept = fnvm_time_sleep_until(begin + 20000000);
    printf("time %d %d %d\n", slept, fnvm_time_monotonic() >= begin + 20000000,
           fnvm_time_realtime() > 1600000000000000000u);
    printf("log %d %d %d %d %d\n", fnvm_log(FNVM_LOG_WARN, "a line\n\x1b[31m"),
           fnvm_log_fields(FNVM_LOG_INFO, "fields", "{\"n\": [1, 2.5e3, true, null, {}]}"),
           fnvm_log_fields(FNVM_LOG_INFO, "fields", "{\"n\": }"), fnvm_log(7, "x"),
           fnvm_log_write(1, (const char *)-4, 100, "", 0));
    char text[8];
    printf("without %d %d %d\n", fnvm_call_start("x", 1, "", 0),
           fnvm_http_send("GET", 3, "https://x.org/", 14, "", 0, "", 0),
           fnvm_request_method(text, sizeof text));
    return 0;
}

/* Where an image may be frozen. */
__attribute__((export_name("prepare"))) void prepare(void)
{
    uint32_t len;
    fnvm_kv_get("x", 1, 0, NULL, 0, &len);
}

int main(int argc, char **argv)
{
    if (argc < 2) return others();
    for (int i = 1; i < argc; i++) {
        char *key = argv[i] + 1, *value = strchr(key, '=');
        if (value) *value++ = '\0';
        switch (argv[i][0]) {
        case 's':
            printf("set: %d\n", fnvm_kv_set(key, text_len(key), value, text_len(value)));
            break;
        case 'a':
            printf("append: %d\n", fnvm_kv_append(key, text_len(key), value, text_len(value)));
            break;
        case 'd': printf("delete: %d\n", fnvm_kv_delete(key, text_len(key))); break;
        case 'g': print_value(key); break;
        case 'c': count(key, atoi(value)); break;
        case 'l': print_list(key, value ? (uint32_t)atoi(value) : 100, 4096); break;
        case 'r': print_list(key, 100, (uint32_t)atoi(value)); break;
        }
    }
    return 0;
}
