/* What the gateway answers itself, whatever is configured: paths below "/_/". */
#include <string.h>

#include "gateway/answer.h"
#include "gateway/arrivals.h"
#include "gateway/worker_state.h"

static void answer_text(Invocation *i, unsigned status, const char *text)
{
    const HttpField fields[] = {{text_of("Content-Type"), text_of("text/plain; charset=utf-8")},
                                {text_of("Cache-Control"), text_of("no-store")}};
    invocation_answer(i, status, fields, 2, text, strlen(text));
    invocation_end(i);
}

static bool is_read(const Invocation *i)
{
    return text_is(i->head.method, "get") || text_is(i->head.method, "head");
}

static bool begins(HttpText text, const char *with, size_t len)
{
    return text.len > len && memcmp(text.at, with, len) == 0;
}

/* The function's path is what is behind the prefix. */
static void route_behind(Invocation *i, size_t prefix)
{
    Head *h = &i->head;
    h->path.at += prefix;
    h->path.len -= prefix;
    h->target = target_behind(h->target, prefix);
    arrivals_route(i, true);
}

void builtin_answer(Invocation *i)
{
    static const char async[] = "/_/async", calls[] = "/_/calls/";
    const HttpText path = i->head.path;
    if (text_is(path, "/_/health") && is_read(i)) {
        i->unlogged = true;
        answer_text(i, 200, "alive\n");
    } else if (text_is(path, "/_/ready") && is_read(i)) {
        i->unlogged = true;
        if (i->worker->draining) answer_text(i, 503, "draining\n");
        else answer_text(i, 200, "ready\n");
    } else if (begins(path, async, sizeof async - 1) && path.at[sizeof async - 1] == '/' &&
               !begins((HttpText){path.at + sizeof async - 1, path.len - (sizeof async - 1)}, "/_/",
                       2)) {
        route_behind(i, sizeof async - 1);
    } else if (begins(path, calls, sizeof calls - 1) && is_read(i)) {
        async_result(i, (HttpText){path.at + sizeof calls - 1, path.len - (sizeof calls - 1)});
    } else {
        answer_text(i, 404, "404: there is nothing at this path\n");
    }
}
