/* text_equal SUITE CONVERTED: holds the text parser against another tool's output.
 *
 * For every .wast file of the folder SUITE the modules are translated.  Those that the converted
 * copy (NAME.json with .wasm files, anywhere below CONVERTED) also has, found by file name and
 * line, must have the same bytes, custom sections aside.  Apart from that, a quoted module under
 * assert_malformed must be refused, here or by the decoder, and every other module accepted; this
 * part needs no converted copy.  Differences that are right are listed with their reasons in
 * text_equal.def and count as skipped.  Ends with "N passed, N failed, N skipped". */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/text/script.h"

static unsigned passed, failed, skipped;

typedef struct Bytes {
    uint8_t *data;
    size_t len;
} Bytes;

static bool read_file(const char *path, Bytes *out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    *out = (Bytes){NULL, 0};
    size_t cap = 0, n;
    do {
        if (out->len == cap) {
            cap = cap == 0 ? 1 << 16 : cap * 2;
            uint8_t *moved = realloc(out->data, cap + 1);
            if (moved == NULL) break;
            out->data = moved;
        }
        n = fread(out->data + out->len, 1, cap - out->len, file);
        out->len += n;
    } while (n != 0);
    fclose(file);
    if (out->data != NULL) out->data[out->len] = 0;
    return out->data != NULL;
}

enum { COPIES_MAX = 4 };

typedef struct Copy { /* a NAME.json and its folder */
    char *json;
    char *folder;
    size_t at;
} Copy;

typedef struct Suite {
    const char *name;        /* of the script */
    Copy copies[COPIES_MAX]; /* folders of the converted suite may have the same name */
    size_t ncopies;
} Suite;

/* Adds every NAME.json below a folder. */
static void find_copies(const char *folder, const char *name, Suite *suite)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        struct stat info;
        Bytes json;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        bool is_name = strcmp(entry->d_name, name) == 0;
        bool may_be_folder = strchr(entry->d_name, '.') == NULL;
        if (may_be_folder && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
            find_copies(path, name, suite);
        else if (is_name && suite->ncopies < COPIES_MAX && read_file(path, &json))
            suite->copies[suite->ncopies++] = (Copy){(char *)json.data, strdup(folder), 0};
    }
    closedir(dir);
}

/* The .wasm file that the JSON text names for a module at `line`; *at moves behind it, so that
 * several modules of one line come in their order. */
static bool json_module(const char *json, unsigned line, size_t *at, char *name, size_t size)
{
    unsigned here = 0;
    for (const char *s = json + *at; (s = strchr(s, '"')) != NULL; s++) {
        if (strncmp(s, "\"line\"", 6) == 0)
            here = (unsigned)strtoul(s + 6 + strspn(s + 6, ": "), NULL, 10);
        if (strncmp(s, "\"filename\"", 10) != 0 || here != line) continue;
        s += 10 + strspn(s + 10, ": \"");
        size_t len = strcspn(s, "\"");
        if (len >= size || len < 5 || strncmp(s + len - 5, ".wasm", 5) != 0) continue;
        memcpy(name, s, len);
        name[len] = '\0';
        *at = (size_t)(s + len - json);
        return true;
    }
    return false;
}

/* Drops custom sections in place. */
static void strip_customs(Bytes *module)
{
    size_t out = 8;
    for (size_t i = 8; i < module->len;) {
        size_t start = i, size = 0;
        uint8_t id = module->data[i++];
        for (unsigned shift = 0; i < module->len && shift < 35; shift += 7) {
            size |= (size_t)(module->data[i] & 0x7F) << shift;
            if (module->data[i++] < 0x80) break;
        }
        size = size > module->len - i ? module->len - i : size;
        i += size;
        if (id == 0) continue;
        memmove(module->data + out, module->data + start, i - start);
        out += i - start;
    }
    module->len = module->len < 8 ? module->len : out;
}

static bool may_differ(const char *script, unsigned line)
{
    static const struct {
        const char *script;
        unsigned line;
    } list[] = {
#define DIFFERS(script, line, why) {script, line},
#include "conformance/text_equal.def"
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        if (list[i].line == line && strcmp(list[i].script, script) == 0) return true;
    }
    return false;
}

static bool same_bytes(Bytes ours, const char *path)
{
    Bytes theirs;
    if (!read_file(path, &theirs)) return false;
    strip_customs(&theirs);
    bool same = ours.len == theirs.len && memcmp(ours.data, theirs.data, ours.len) == 0;
    free(theirs.data);
    return same;
}

static void compare(Suite *suite, unsigned line, Bytes ours)
{
    char name[256], path[4400], last[4400] = "";
    bool same = false;
    strip_customs(&ours);
    for (size_t i = 0; i < suite->ncopies; i++) {
        Copy *copy = &suite->copies[i];
        if (!json_module(copy->json, line, &copy->at, name, sizeof name)) continue;
        snprintf(path, sizeof path, "%s/%s", copy->folder, name);
        snprintf(last, sizeof last, "%s", name);
        same |= same_bytes(ours, path);
    }
    if (last[0] == '\0' || (!same && may_differ(suite->name, line))) {
        skipped++;
    } else if (same) {
        passed++;
    } else {
        failed++;
        printf("%s:%u: differs from %s\n", suite->name, line, last);
    }
}

static void check_command(Suite *suite, const WastCommand *command)
{
    Bytes ours = {NULL, 0};
    const WastModule *module = &command->module;
    if (!command->has_module || module->kind == WAST_MODULE_BINARY) return;
    bool malformed =
        command->kind == WAST_ASSERT_MALFORMED || command->kind == WAST_ASSERT_MALFORMED_CUSTOM;
    bool custom = command->kind == WAST_ASSERT_INVALID_CUSTOM;
    fnvm_error *error = wast_module_bytes(module, &ours.data, &ours.len);
    if (error != NULL && !malformed && !(custom && fnvm_error_code(error) == FNVM_E_INVALID)) {
        failed++;
        printf("%s:%u: %s\n", suite->name, command->line, fnvm_error_message(error));
    } else if (error == NULL && malformed) {
        failed++;
        printf("%s:%u: accepted, expected: %.*s\n", suite->name, command->line,
               (int)command->message.len, command->message.bytes);
    } else if (error == NULL && module->kind == WAST_MODULE_TEXT) {
        compare(suite, module->line, ours);
    } else {
        passed++;
    }
    fnvm_error_free(error);
    free(ours.data);
}

static void check_script(const char *path, const char *name, const char *converted)
{
    Bytes text;
    char json_name[300];
    Suite suite = {.name = name};
    snprintf(json_name, sizeof json_name, "%.*s.json", (int)(strlen(name) - 5), name);
    WastScript *script = NULL;
    if (!read_file(path, &text)) {
        failed++;
        printf("%s: cannot be read\n", path);
        return;
    }
    find_copies(converted, json_name, &suite);
    fnvm_error *error = wast_parse((const char *)text.data, text.len, &script);
    if (error != NULL) {
        failed++;
        printf("%s:%s\n", name, fnvm_error_message(error));
        fnvm_error_free(error);
    } else {
        size_t n;
        const WastCommand *commands = wast_commands(script, &n);
        for (size_t i = 0; i < n; i++) check_command(&suite, &commands[i]);
    }
    wast_free(script);
    free(text.data);
    for (size_t i = 0; i < suite.ncopies; i++) {
        free(suite.copies[i].json);
        free(suite.copies[i].folder);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s SUITE CONVERTED\n", argv[0]);
        return 2;
    }
    struct dirent **entries;
    int n = scandir(argv[1], &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        size_t len = strlen(name);
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], name);
        if (len > 5 && strcmp(name + len - 5, ".wast") == 0) check_script(path, name, argv[2]);
        free(entries[i]);
    }
    if (n >= 0) free(entries);
    printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return n < 0 || failed != 0;
}
