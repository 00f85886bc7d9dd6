/* fnvm measure: what the library says of a module's bytes, as text or as JSON.  Files are mapped;
 * text is translated first, as it would be to run. */
#include <getopt.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/json.h"
#include "loader/source.h"
#include "verifier/measurement.h"

enum { HEX_BYTES = 2 * FNVM_MEASUREMENT_BYTES + 1 };

typedef struct Measuring {
    bool explain, as_json;
    Json json;
} Measuring;

/* Why it counts, or does not. */
static const char *reason(const fnvm_section *s)
{
    return s->id == 0 ? measurement_rule(s->name, s->name_len)->what : "behaviour";
}

static void text_section(void *env, const fnvm_section *s)
{
    (void)env;
    printf("  0x%-8" PRIx64 " %12" PRIu64 "  %-8s  %s", s->offset, s->size,
           s->counted ? "counted" : "left out", s->id == 0 ? "\"" : "");
    print_escaped(stdout, s->name, s->name_len);
    printf("%s (%s)\n", s->id == 0 ? "\"" : "", reason(s));
}

static void json_member(Json *j, const char *key, const char *text, size_t len)
{
    json_key(j, key);
    json_text(j, text, len);
}

static void json_section(void *env, const fnvm_section *s)
{
    Json *j = env;
    json_open(j, '{');
    if (s->id == 0) json_member(j, "section", "custom", strlen("custom"));
    json_member(j, s->id == 0 ? "name" : "section", s->name, s->name_len);
    json_key(j, "offset");
    json_number(j, s->offset);
    json_key(j, "bytes");
    json_number(j, s->size);
    json_key(j, "counted");
    json_bool(j, s->counted);
    json_member(j, "why", reason(s), strlen(reason(s)));
    json_close(j, '}');
}

/* Sections are listed by measuring again, however many there are; of what has no measurement
 * nothing is printed. */
static fnvm_error *text_report(const Measuring *measuring, const char *file, const char *hex,
                               const Module *m)
{
    unsigned char again[FNVM_MEASUREMENT_BYTES];
    printf("%s  ", hex);
    print_escaped(stdout, file, strlen(file));
    putchar('\n');
    if (!measuring->explain) return NULL;
    printf("  contents          bytes            section\n");
    return fnvm_measure(m->bytes, m->len, text_section, NULL, again);
}

static fnvm_error *json_report(Measuring *measuring, const char *file, const char *hex,
                               const Module *m)
{
    unsigned char again[FNVM_MEASUREMENT_BYTES];
    fnvm_error *error = NULL;
    Json *j = &measuring->json;
    json_open(j, '{');
    json_member(j, "file", file, strlen(file));
    json_member(j, "measurement", hex, strlen(hex));
    if (measuring->explain) {
        json_key(j, "sections");
        json_open(j, '[');
        error = fnvm_measure(m->bytes, m->len, json_section, j, again);
        json_close(j, ']');
    }
    json_close(j, '}');
    return error;
}

static fnvm_error *open_bytes(Module *m, const char *file)
{
    if (strcmp(file, "-") != 0) return source_open_file(m, file);
    char *bytes = NULL;
    size_t len = 0;
    fnvm_error *error = file_read(file, &bytes, &len);
    if (!error) error = source_copy_bytes(m, bytes, len);
    free(bytes);
    return error;
}

static int measure_file(Measuring *measuring, const char *file)
{
    unsigned char measurement[FNVM_MEASUREMENT_BYTES];
    char hex[HEX_BYTES];
    Module m = {0}; /* bytes, and nothing else of a module */
    fnvm_error *error = open_bytes(&m, file);
    if (!error) error = fnvm_measure(m.bytes, m.len, NULL, NULL, measurement);
    if (!error) {
        sodium_bin2hex(hex, sizeof hex, measurement, sizeof measurement);
        error = measuring->as_json ? json_report(measuring, file, hex, &m)
                                   : text_report(measuring, file, hex, &m);
    }
    source_close(&m);
    return error ? error_report(error, "failed to measure `%s`", file) : STATUS_OK;
}

int command_measure(int argc, char **argv)
{
    static const struct option long_options[] = {{"explain", no_argument, NULL, 'e'},
                                                 {"json", no_argument, NULL, 'j'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    Measuring measuring = {.json.out = stdout};
    int option, worst = STATUS_OK;
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
        switch (option) {
        case 'e': measuring.explain = true; break;
        case 'j': measuring.as_json = true; break;
        case 'h': return help_print("measure");
        default: return error_option("measure", option, argv[optind - 1]);
        }
    }
    if (optind >= argc) return error_usage("measure", "which file?");
    if (measuring.as_json) json_open(&measuring.json, '[');
    for (int i = optind; i < argc; i++) {
        int status = measure_file(&measuring, argv[i]);
        if (worst == STATUS_OK) worst = status;
    }
    if (measuring.as_json) json_close(&measuring.json, ']');
    return worst;
}
