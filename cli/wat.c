/* fnvm wat: text format to binary.  The result is checked only for its grammar, as the format's
 * own rules ask; `fnvm verify` does the rest. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/errors.h"

static int write_bytes(const char *path, const uint8_t *bytes, size_t len)
{
    bool to_stdout = strcmp(path, "-") == 0;
    FILE *out = to_stdout ? stdout : fopen(path, "wb");
    if (!out) return error_report(NULL, "cannot write `%s`: %s", path, strerror(errno));
    bool written = fwrite(bytes, 1, len, out) == len && fflush(out) == 0;
    int reason = errno;
    if (!to_stdout && fclose(out) != 0) written = false;
    if (written) return STATUS_OK;
    if (to_stdout) return error_report(NULL, "cannot write to standard output: %s", strerror(reason));
    struct stat st;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) unlink(path); /* half a module is none */
    return error_report(NULL, "cannot write `%s`: %s", path, strerror(reason));
}

static int convert(const char *input, const char *output)
{
    char *text = NULL;
    size_t len = 0, wasm_len = 0;
    uint8_t *wasm = NULL;
    fnvm_error *error = file_read(input, &text, &len);
    if (!error && len >= 4 && memcmp(text, "\0asm", 4) == 0)
        error = fnvm_error_new(FNVM_E_MALFORMED, "it is a binary module already");
    if (!error) error = fnvm_wat_to_wasm(text, len, &wasm, &wasm_len);
    free(text);
    if (error) return error_report(error, "failed to convert `%s`", input);
    int status = write_bytes(output, wasm, wasm_len);
    free(wasm);
    return status;
}

int command_wat(int argc, char **argv)
{
    static const struct option long_options[] = {{"output", required_argument, NULL, 'o'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    const char *input = NULL, *output = NULL;
    int option;
    opterr = 0;
    optind = 1;
    /* "-" before the optstring's names: files may come before options, as in `x.wat -o x.wasm`. */
    while ((option = getopt_long(argc, argv, "-:o:h", long_options, NULL)) != -1) {
        switch (option) {
        case 'o': output = optarg; break;
        case 'h': return help_print("wat");
        case 1:
            if (input) return error_usage("wat", "one file at a time");
            input = optarg;
            break;
        default: return error_option("wat", option, argv[optind - 1]);
        }
    }
    if (!input && optind < argc) input = argv[optind];
    if (!input) return error_usage("wat", "which file?");
    if (!output && isatty(STDOUT_FILENO))
        return error_usage("wat", "where to? -o FILE; binary is not written to a terminal");
    return convert(input, output ? output : "-");
}
