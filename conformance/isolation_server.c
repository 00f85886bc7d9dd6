/* A small gateway to try isolation with: functions from pools in one process, one request at a
 * time.  With --dirty an instance is used again as the request before left it, and the test must
 * find that.
 *
 *   isolation_server [--dirty] FILE.wat...      the first is at /0, the next at /1
 *
 * Prints its port; ends with its input. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/http.h"

enum { FUNCTIONS_MOST = 8, BYTES_MOST = 4096 };

typedef struct Exchange { /* the request that runs; there is one at a time */
    char in[BYTES_MOST], out[BYTES_MOST];
    size_t in_len, in_read, out_len;
} Exchange;

typedef struct Served {
    fnvm_pool *pool;
    fnvm_store *dirty;
    fnvm_instance *main;
    const char *start;
} Served;
typedef struct World {
    fnvm_engine *engine;
    Served served[FUNCTIONS_MOST];
    size_t n;
    bool dirty;
    Exchange now;
} World;

/* ---- What guests import ---- */

static fnvm_error *read_input(void *env, fnvm_caller *caller, void *to, size_t size, size_t *done)
{
    Exchange *e = env;
    (void)caller;
    *done = size < e->in_len - e->in_read ? size : e->in_len - e->in_read;
    memcpy(to, e->in + e->in_read, *done);
    e->in_read += *done;
    return NULL;
}

static fnvm_error *write_output(void *env, fnvm_caller *caller, const void *from, size_t size,
                                size_t *done)
{
    Exchange *e = env;
    (void)caller;
    *done = size < sizeof e->out - e->out_len ? size : sizeof e->out - e->out_len;
    memcpy(e->out + e->out_len, from, *done);
    e->out_len += *done;
    return NULL;
}

/* fnvm:request's `read` and `write`, for this guest, which gives good addresses. */
static fnvm_error *move(fnvm_caller *caller, void *env, fnvm_slot *slots, bool reads)
{
    uint64_t len = 0;
    size_t done = 0;
    uint8_t *memory = NULL;
    const bool has = fnvm_caller_memory(caller, &memory, &len);
    const uint32_t at = slots[0].i32, size = slots[1].i32, done_at = slots[2].i32;
    if (!has || at > len || size > len - at || done_at > len - 4)
        return fnvm_error_trap_new(FNVM_TRAP_HOST, "bad address");
    fnvm_error *error = reads ? read_input(env, caller, memory + at, size, &done)
                              : write_output(env, caller, memory + at, size, &done);
    const uint32_t n = (uint32_t)done;
    memcpy(memory + done_at, &n, sizeof n);
    slots[0].i32 = 0;
    return error;
}
static fnvm_error *request_read(fnvm_caller *c, void *env, fnvm_slot *slots)
{
    return move(c, env, slots, true);
}
static fnvm_error *request_write(fnvm_caller *c, void *env, fnvm_slot *slots)
{
    return move(c, env, slots, false);
}

static fnvm_error *define(void *env, fnvm_linker *linker, fnvm_wasi **wasi)
{
    World *w = env;
    const fnvm_stream stream = {&w->now, read_input, write_output};
    fnvm_error *error = fnvm_wasi_new(wasi);
    if (!error) error = fnvm_wasi_stream(*wasi, 0, &stream);
    if (!error) error = fnvm_wasi_stream(*wasi, 1, &stream);
    if (!error) error = fnvm_linker_define_wasi(linker, *wasi);
    const char *type = "i32 i32 i32 -> i32", *module = "fnvm:request";
    if (!error)
        error = fnvm_linker_define_func(linker, module, "read", type, request_read, &w->now);
    if (!error)
        error = fnvm_linker_define_func(linker, module, "write", type, request_write, &w->now);
    return error;
}

/* ---- Functions ---- */

static fnvm_error *make_image(World *w, const char *file, const char *image)
{
    fnvm_store *store = NULL;
    fnvm_linker *linker = NULL;
    fnvm_module *module = NULL;
    fnvm_wasi *wasi = NULL;
    fnvm_instance *main = NULL;
    fnvm_error *error = fnvm_module_load(w->engine, file, &module);
    if (!error) error = fnvm_store_new(w->engine, &store);
    if (!error) error = fnvm_linker_new(store, &linker);
    if (!error) error = define(w, linker, &wasi);
    if (!error) error = fnvm_linker_instantiate(linker, module, &main);
    if (!error)
        error = fnvm_store_freeze(
            store,
            &(fnvm_freeze){
                .path = image, .main = main, .linker = linker, .wasi = wasi, .no_sync = true});
    fnvm_linker_free(linker);
    fnvm_store_free(store);
    fnvm_wasi_free(wasi);
    fnvm_module_release(module);
    return error;
}

static fnvm_error *add_function(World *w, const char *file)
{
    Served *s = &w->served[w->n];
    fnvm_image *image = NULL;
    fnvm_extern func;
    char path[] = "/tmp/fnvm-isolation-XXXXXX.fnvmi";
    const int fd = mkstemps(path, 6);
    if (fd < 0) return fnvm_error_new(FNVM_E_IO, "no place for an image");
    close(fd);
    fnvm_error *error = make_image(w, file, path);
    if (!error) error = fnvm_image_open(w->engine, path, NULL, &image);
    const fnvm_pool_options options = {.ready = 1, .most = 2, .define = define, .env = w};
    if (!error) error = fnvm_pool_new(image, &options, &s->pool);
    fnvm_image_release(image);
    unlink(path);
    if (!error) error = fnvm_pool_take(s->pool, &s->dirty, &s->main);
    if (error) return error;
    s->start = fnvm_instance_export(s->main, "_start", 6, &func) ? "_start" : "fnvm_handle";
    if (!w->dirty) fnvm_pool_give(s->pool, s->dirty);
    w->n++;
    return NULL;
}

static fnvm_error *call(World *w, Served *s)
{
    fnvm_store *store = s->dirty;
    fnvm_instance *main = s->main;
    fnvm_extern func;
    fnvm_error *error = w->dirty ? NULL : fnvm_pool_take(s->pool, &store, &main);
    if (error) return error;
    if (!fnvm_instance_export(main, s->start, strlen(s->start), &func))
        error = fnvm_error_new(FNVM_E_NOT_FOUND, "nothing to call");
    else error = fnvm_func_call(store, func, NULL, 0, NULL, 0);
    if (!w->dirty) fnvm_pool_give(s->pool, store);
    return error;
}

/* ---- Requests ---- */

static void answer(World *w, HttpRequest *r, Served *s)
{
    fnvm_error *error = call(w, s);
    char *body = w->now.out;
    size_t len = w->now.out_len;
    for (size_t i = 0; i + 1 < w->now.out_len;
         i++) /* behind the fields of the first two protocols */
        if (memcmp(body + i, "\n\n", 2) == 0 ||
            memcmp(body + i, "\n\r\n", i + 2 < w->now.out_len ? 3 : 2) == 0) {
            const size_t skipped = i + (body[i + 1] == '\n' ? 2 : 3);
            body += skipped;
            len -= skipped;
            break;
        }
    http_answer(r, len > 0 ? 200 : 500, NULL, 0, body,
                len); /* a trap at the end is for the test to miss */
    fnvm_error_free(error);
}

static void go_on(void *env, HttpRequest *r)
{
    World *w = env;
    const HttpText path = http_path(r);
    const size_t index = path.len == 2 ? (size_t)(path.at[1] - '0') : FUNCTIONS_MOST;
    size_t n;
    char *body = http_env(r);
    for (HttpRead got;
         (got = http_read(r, body + strlen(body), 64 - strlen(body), &n)) != HTTP_READ_END;)
        if (got != HTTP_READ_SOME) return;
    if (index >= w->n) {
        http_answer(r, 404, NULL, 0, "", 0);
        return;
    }
    w->now = (Exchange){0};
    w->now.in_len =
        (size_t)snprintf(w->now.in, sizeof w->now.in, "POST / HTTP/1.1\r\n\r\n%.64s", body);
    answer(w, r, &w->served[index]);
}

static void arrived(void *env, HttpRequest *r)
{
    http_set_env(r, calloc(1, 65));
    http_limit_body(r, 64);
    if (http_env(r)) go_on(env, r);
}

static void gone(void *env, HttpRequest *r, bool cut)
{
    (void)env, (void)cut;
    free(http_env(r));
}

static int listen_on(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, 512) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        return -1;
    *port = ntohs(at.sin_port);
    return fd;
}

int main(int argc, char **argv)
{
    static World w;
    const HttpLimits limits = {.connections = 500,
                               .head_bytes = 8192,
                               .body_bytes = 64,
                               .buffer_bytes = 4096,
                               .head_ms = 5000,
                               .body_ms = 5000,
                               .idle_ms = 60000};
    const HttpHandlers handlers = {&w, arrived, go_on, gone};
    Http *http = NULL;
    int port = 0;
    w.dirty = argc > 1 && strcmp(argv[1], "--dirty") == 0;
    fnvm_error *error = fnvm_engine_new(NULL, &w.engine);
    for (int i = 1 + w.dirty; !error && i < argc && w.n < FUNCTIONS_MOST; i++)
        error = add_function(&w, argv[i]);
    const int listener = listen_on(&port);
    if (!error) error = http_new(listener, &limits, &handlers, &http);
    if (error) {
        fprintf(stderr, "%s\n", fnvm_error_message(error));
        return 1;
    }
    printf("%d\n", port);
    fflush(stdout);
    struct pollfd wait[] = {{http_fd(http), POLLIN, 0}, {0, POLLIN, 0}};
    char byte;
    do {
        poll(wait, 2, http_timeout_ms(http));
        http_run(http);
    } while (wait[1].revents == 0 || read(0, &byte, 1) > 0);
    http_free(http);
    for (size_t i = 0; i < w.n; i++) {
        if (w.dirty) fnvm_pool_give(w.served[i].pool, w.served[i].dirty);
        fnvm_pool_free(w.served[i].pool);
    }
    fnvm_engine_free(w.engine);
    return 0;
}
