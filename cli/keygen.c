/* fnvm keygen: a pair of keys to sign images and approvals with. */
#include <getopt.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/keys.h"
#include "cli/passphrase.h"

typedef struct Keygen {
    const char *file, *passphrase_file;
    bool sealed, quiet;
} Keygen;

static int make_keys(const Keygen *k)
{
    Passphrase passphrase = {0};
    fnvm_error *error = NULL;
    /* Only writing decides; but nobody likes to think of a passphrase for nothing. */
    if (access(k->file, F_OK) == 0)
        error = fnvm_error_new(FNVM_E_IO, "cannot make `%s`: it exists", k->file);
    if (!error && k->sealed) error = passphrase_get(k->passphrase_file, k->file, true, &passphrase);
    if (!error) error = key_new(k->file, k->sealed ? &passphrase : NULL);
    sodium_memzero(&passphrase, sizeof passphrase);
    if (error) {
        error_report(error, "failed to make a key");
        return STATUS_FAILED;
    }
    if (k->quiet) return STATUS_OK;
    print_escaped(stderr, k->file, strlen(k->file));
    fprintf(stderr, ": the secret key, %sfor --sign; ", k->sealed ? "sealed, " : "");
    print_escaped(stderr, k->file, strlen(k->file));
    fprintf(stderr, ".pub: the public one, for --trust-key\n");
    return STATUS_OK;
}

int command_keygen(int argc, char **argv)
{
    static const struct option long_options[] = {{"passphrase", no_argument, NULL, 'p'},
                                                 {"passphrase-file", required_argument, NULL, 'f'},
                                                 {"quiet", no_argument, NULL, 'q'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    Keygen k = {0};
    int option;
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":qh", long_options, NULL)) != -1) {
        switch (option) {
        case 'p': k.sealed = true; break;
        case 'f': k.sealed = true, k.passphrase_file = optarg; break;
        case 'q': k.quiet = true; break;
        case 'h': return help_print("keygen");
        default: return error_option("keygen", option, argv[optind - 1]);
        }
    }
    if (optind >= argc) return error_usage("keygen", "which file is to have the key?");
    if (argc - optind > 1) return error_usage("keygen", "one file: the other is FILE.pub");
    k.file = argv[optind];
    return make_keys(&k);
}
