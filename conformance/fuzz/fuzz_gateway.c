/* Fuzz target for the small texts that come from guests, from other servers and from who configures
 * a gateway: the input's first byte says what the rest is.  What is printed has to be read back as
 * the same, and what was checked must not change by being printed. */
#include <stdlib.h>
#include <string.h>

#include "fnvm.h"
#include "gateway/answer.h"
#include "gateway/config.h"
#include "stdlib/http_url.h"
#include "stdlib/log_fields.h"
#include "vm/native_signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void must(bool holds)
{
    if (!holds) abort();
}

static void fuzz_url(const char *text, size_t len)
{
    static Url one, two;
    static char printed[URL_BYTES * 2];
    if (!url_parse(text, len, &one)) return;
    const size_t n = url_print(&one, printed, sizeof printed);
    must(n < sizeof printed);
    if (!url_parse(printed, n, &two)) {
        must(n > URL_BYTES); /* the port may be one too many */
        return;
    }
    must(one.secure == two.secure && one.named == two.named && one.port == two.port);
    must(strcmp(one.host, two.host) == 0 && strcmp(one.path, two.path) == 0);
    must(!strstr(one.decoded, "/../") && !strchr(one.host, '@') && !strchr(one.host, '/'));
}

static void fuzz_rule(const char *text)
{
    static const char *const urls[] = {"http://localhost/", "https://127.0.0.1/a", "http://[::1]/"};
    static Url url;
    UrlRule rule;
    fnvm_error *error = url_rule_parse(text, &rule);
    if (error) {
        fnvm_error_free(error);
        return;
    }
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        must(url_parse(urls[i], strlen(urls[i]), &url));
        must(!url_rule_allows(&rule, &url) || !(rule.any_host || rule.below));
    }
    url_rule_free(&rule);
}

static void fuzz_signature(const char *text)
{
    NativeSignature s;
    fnvm_error_free(native_signature_parse(text, &s));
}

/* As it arrives: first all but the last byte. */
static void fuzz_answer(const char *text, size_t len, bool status_line)
{
    static AnswerHead head;
    size_t seen = 0, whole = 0;
    size_t end = len ? answer_head_end(text, len - 1, &seen) : 0;
    if (!end) end = answer_head_end(text, len, &seen);
    must(end <= len && end == answer_head_end(text, len, &whole));
    if (!end || answer_head_parse(text, end, status_line, &head)) return;
    must(head.status >= 200 && head.status <= 599);
    for (size_t i = 0; i < head.nfields; i++) {
        const HttpText name = head.fields[i].name, value = head.fields[i].value;
        must(name.at >= text && name.at + name.len <= text + end);
        must(value.at >= text && value.at + value.len <= text + end);
        must(!memchr(value.at, '\n', value.len) && !memchr(value.at, '\r', value.len));
    }
}

/* Files that it names are not for us to open. */
static void fuzz_config(const char *text, size_t len)
{
    Config *one = NULL, *two = NULL;
    char *printed = NULL;
    size_t n = 0;
    if (strstr(text, "manifest") || strstr(text, "folder") || strchr(text, '\\')) return;
    fnvm_error *error = config_parse("fuzz", text, len, &one);
    for (size_t i = 0; !error && i < one->nfunctions; i++) {
        if (one->functions[i].image) continue; /* a table has images */
        config_free(one);
        return;
    }
    if (!error && !(error = config_print(one, &printed, &n))) {
        must(config_parse("printed", printed, n, &two) == NULL);
        must(one->nfunctions == two->nfunctions && one->nroutes == two->nroutes);
    }
    fnvm_error_free(error);
    free(printed);
    config_free(one);
    config_free(two);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0) return 0;
    const size_t n = len - 1;
    char *text = malloc(n + 1), *exact = malloc(n ? n : 1); /* reading behind it is seen */
    if (text && exact) {
        memcpy(text, bytes + 1, n);
        memcpy(exact, bytes + 1, n);
        text[n] = '\0';
        switch (bytes[0] % 8) {
        case 0: fuzz_url(exact, n); break;
        case 1: fuzz_rule(text); break;
        case 2: fuzz_signature(text); break;
        case 3: fuzz_answer(exact, n, false); break;
        case 4: fuzz_answer(exact, n, true); break;
        case 5: log_fields_valid(exact, n, 16); break;
        default: fuzz_config(text, n); break;
        }
    }
    free(text);
    free(exact);
    return 0;
}
