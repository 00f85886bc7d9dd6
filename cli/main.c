/* The fnvm command: picks a command by its name; without one it is `run`. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "conformance/wast.h"

static int command_version(int argc, char **argv);
static int command_help(int argc, char **argv);

typedef struct Command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
    const char *help;
} Command;

static const Command commands[] = {
    {"run", command_run, "run a program or call a function of a module",
     "fnvm run [options] FILE [args...]      (or just: fnvm [options] FILE [args...])\n"
     "\n"
     "Runs a WebAssembly module: .wasm, .wat, or - for standard input.  Everything after FILE\n"
     "belongs to the guest.  It sees no file, variable or socket that is not given here.\n"
     "\n"
     "  --dir HOST[::GUEST][::ro]  open a directory to the guest, as GUEST; ro: read only\n"
     "  --env NAME=VALUE           set a variable; --env NAME passes ours on\n"
     "  -f, --invoke NAME          call an exported function; args are its arguments, results\n"
     "                             are printed one per line\n"
     "  --argv0 NAME               what the guest sees as its own name\n"
     "  --preload NAME=FILE        the module that imports from NAME get\n"
     "  --module-path DIR          imports from NAME get DIR/NAME.wasm (or .wat)\n"
     "  --verify lazy|eager        verify a function at its first call (default), or all now\n"
     "  --engine jit|interp        compile (default where the machine allows it), or interpret\n"
     "  --compile lazy|eager       compile a function at its first call (default), or all now\n"
     "  --compile-threads N        of --compile=eager (default: one per processor)\n"
     "  --jit-verify               check compiled code before it is used (to test the compiler)\n"
     "  --cache DIR|none           keep compiled code there; default ~/.cache/fnvm (fnvm help cache)\n"
     "  --policy FILE              what the module may be and use (fnvm help policy)\n"
     "  --natives MANIFEST         the functions of libraries that this manifest names, if the policy\n"
     "                             has the libraries; for images, which have no manifest\n"
     "  --approved                 only what the depot approves; FILE may be an installed function's\n"
     "                             name (fnvm help approve, fnvm help install)\n"
     "  --depot DIR                the depot; default ~/.local/share/fnvm/depot\n"
     "  --profile sample           the functions that took most time, at the end\n"
     "  --profile perf[,DIR]       names of functions for perf; DIR/jit-PID.dump has their code\n"
     "  --narrow auto|require|no   give up files and system calls that the guest does not need, as\n"
     "                             far as the system can (default), or all of it or do not run\n"
     "  -W KEY[=VALUE],...         limits and features: fuel, timeout, ...     (-W help)\n"
     "  -S KEY[=VALUE],...         WASI: inherit-env, tcplisten, ...           (-S help)\n"
     "  -D KEY[=VALUE],...         debugging: coredump, compiled, gdb          (-D help)\n"
     "\n"
     "FILE may be a manifest, function.yaml, which says the module, its policy and what it is given,\n"
     "or a folder that has one.\n"
     "FILE may be an image that `fnvm snapshot` wrote: it goes on from where it was frozen, with\n"
     "the arguments, variables and directories given now.  For images only:\n"
     "\n"
     "  --module FILE              where a module of the image is now, if it was moved\n"
     "  --trust-key FILE           an Ed25519 key whose signatures count as our own\n"
     "  --require-signature        refuse images without a signature by one of those keys; with\n"
     "                             --approved: approvals without one\n"
     "\n"
     "Exit status: the guest's own; 134 trap, fuel and timeout included; 1 cannot be loaded,\n"
     "verified or linked; 2 usage; 126 refused by a limit; 127 FILE not found; 130, 143 stopped\n"
     "by SIGINT, SIGTERM.\n"
     "\n"
     "Example:\n"
     "  fnvm run --dir ./site::/data::ro -W timeout=2s,max-memory-size=64M app.wasm /data\n"},
    {"snapshot", command_snapshot, "freeze a started program into an image",
     "fnvm snapshot [options] FILE [args...]\n"
     "\n"
     "Starts a program and freezes it into an image, FILE with .fnvmi for its ending, which\n"
     "`fnvm run` starts at once.  Takes the options of `fnvm run`, and:\n"
     "\n"
     "  -o, --output FILE          where the image goes; its code goes beside it, as .fnvmc\n"
     "  --at init                  after an initializer has returned: -f, or the first export of\n"
     "                             wizer-initialize, wizer.initialize, _faasm_zygote, _initialize\n"
     "  --at checkpoint            where `_start` calls checkpoint() of fnvm:snapshot\n"
     "  --at stdin                 where `_start` is about to read its standard input\n"
     "  --at start                 before anything of it was called: `_start` runs in every instance\n"
     "  --at auto                  init, checkpoint or start, by what the module has\n"
     "                             (without --at: likewise, but not start)\n"
     "  -f, --init-func NAME       the initializer\n"
     "  -r, --rename-func _start=NAME   running the image calls NAME\n"
     "  --strict                   refuse if the guest read a clock or drew random bytes before\n"
     "  --train COMMAND            run a shell command that uses the image, $FNVM_IMAGE, and note\n"
     "                             which pages it needs first\n"
     "  --sign KEY                 sign with the secret key in this file (fnvm help keygen)\n"
     "  --no-code                  no compiled code beside the image; otherwise all functions are\n"
     "                             compiled, or with --compile=lazy those that were called\n"
     "  -q, --quiet                do not say what was written\n"
     "\n"
     "Example:\n"
     "  fnvm snapshot --at=stdin --dir lib python.wasm && fnvm run --dir lib python.fnvmi < job.py\n"},
    {"measure", command_measure, "print the measurement by which a module is approved",
     "fnvm measure [--explain] [--json] FILE...\n"
     "\n"
     "Prints a hash of what can change each module's behaviour, and its name.  Names, debug\n"
     "information and other metadata do not count, nor how sizes are encoded: stripped or not, a\n"
     "module has the same.  FILE may be .wasm, .wat, or - for standard input.\n"
     "\n"
     "  --explain        each section: where, how many bytes, whether it counts, and why\n"
     "  --json           as an array with an object for each FILE\n"
     "\n"
     "Exit status: 0 when all could be measured, 1 when not, 127 when there is no FILE.\n"
     "\n"
     "Example:\n"
     "  fnvm measure --explain app.wasm\n"},
    {"keygen", command_keygen, "make a pair of keys to sign with",
     "fnvm keygen [--passphrase | --passphrase-file PFILE] [-q] FILE\n"
     "\n"
     "Makes an Ed25519 secret key in FILE, which nobody else can read, and the public one in\n"
     "FILE.pub.  Neither may exist.\n"
     "\n"
     "  --passphrase             seal the secret key; asks for the passphrase, twice\n"
     "  --passphrase-file PFILE  the same, with the first line of PFILE\n"
     "  -q, --quiet              do not say what was made\n"
     "\n"
     "Who uses a sealed key is asked for its passphrase on the terminal, unless the variable\n"
     "FNVM_PASSPHRASE_FILE names a file that has it.\n"
     "\n"
     "Example:\n"
     "  fnvm keygen --passphrase release && fnvm snapshot --sign release app.wasm\n"},
    {"verify", command_verify, "check every function of a module",
     "fnvm verify [-q] [-W FEATURE[=y|n],...] FILE...\n"
     "\n"
     "Loads each FILE and verifies all of it; reports every bad function with its byte offset.\n"
     "Exit status: 0 when all are good, 1 when not.\n"
     "\n"
     "Example:\n"
     "  fnvm verify -W gc=n app.wasm\n"},
    {"wat", command_wat, "convert the text format to binary",
     "fnvm wat FILE.wat [-o FILE.wasm]\n"
     "\n"
     "Converts a module's text to its binary form.  Without -o (or with -o -) it goes to\n"
     "standard output.\n"
     "\n"
     "Example:\n"
     "  fnvm wat add.wat -o add.wasm\n"},
    {"wast", wast_main, "run WebAssembly test scripts",
     "fnvm wast [--engine=jit|interp] [--verify=lazy|eager] [--compile=lazy|eager] [--roundtrip] [-W FEATURE=y,...] FILE|DIR...\n"
     "\n"
     "Runs the scripts of the WebAssembly test suite's format; the last line says how many\n"
     "assertions passed, failed and were skipped.\n"
     "\n"
     "Example:\n"
     "  fnvm wast --verify=eager conformance/wast\n"},
    {"inspect", command_inspect, "show what a module or an image contains",
     "fnvm inspect [--json] [-W FEATURE[=y|n],...] FILE\n"
     "\n"
     "Of a module: sections, imports, exports, limits, and the size of what the verifier makes of\n"
     "it.  Of an image: its modules, instances, sizes, signature, and what it needs of the host.\n"
     "\n"
     "Example:\n"
     "  fnvm inspect --json app.wasm\n"},
    {"approve", command_approve, "let a binary run, under a name and a version",
     "fnvm approve FILE --name NAME --version VERSION [options]\n"
     "\n"
     "Verifies a module, all of it, and notes its measurement in the depot as approved.\n"
     "`fnvm run --approved` runs nothing else.\n"
     "\n"
     "  --policy FILE    verify it under this policy, and let it run under no other\n"
     "  --sign KEY       sign the approval with the secret key in this file (fnvm help keygen)\n"
     "  --reinstate      though this binary was revoked\n"
     "  --depot DIR      default: $FNVM_DEPOT, else $XDG_DATA_HOME/fnvm/depot, else\n"
     "                   ~/.local/share/fnvm/depot\n"
     "\n"
     "Exit status: 0; 1 it is not valid, or the version is there already; 126 the policy refuses it.\n"
     "\n"
     "Example:\n"
     "  fnvm approve app.wasm --name app --version 1.2 && fnvm run --approved app.wasm\n"},
    {"approvals", command_approvals, "show what is approved, and check the audit log",
     "fnvm approvals [list|show NAME[@VERSION]|history [NAME]|audit] [--json] [--depot DIR]\n"
     "\n"
     "  list               every version there is or was, and its state (the default)\n"
     "  show NAME          all about the versions of a name\n"
     "  history [NAME]     approvals, installations and revocations, in order\n"
     "  audit              check the log of decisions: that no line is missing or was changed\n"
     "  audit --new-log    put aside a log that is not whole, and begin another\n"
     "\n"
     "Example:\n"
     "  fnvm approvals show app\n"},
    {"revoke", command_revoke, "let a binary run no more",
     "fnvm revoke NAME[@VERSION] [--reason TEXT] [--depot DIR]\n"
     "\n"
     "Revokes all versions of a name, or one.  What is revoked is refused under every name, until it\n"
     "is approved with --reinstate.\n"
     "\n"
     "Example:\n"
     "  fnvm revoke app@1.2 --reason \"reads past its input\"\n"},
    {"cache", command_cache, "look after compiled code that is kept",
     "fnvm cache [list|clear|dir] [--cache=DIR]\n"
     "\n"
     "`fnvm run` keeps what it compiles in DIR: --cache=DIR, else $FNVM_CACHE_DIR, else\n"
     "$XDG_CACHE_HOME/fnvm, else ~/.cache/fnvm; `none` for neither.  `list` (the default) shows\n"
     "the modules it has code of, those used last first; `clear` removes all; `dir` says where.\n"
     "\n"
     "Example:\n"
     "  fnvm cache clear\n"},
    {"policy", command_policy, "look at policies, and hold modules against them",
     "fnvm policy check POLICY [FILE...]\n"
     "fnvm policy explain FILE\n"
     "fnvm policy schema [policy|function|gateway]\n"
     "fnvm policy defaults\n"
     "\n"
     "A policy is a YAML file that says what modules may be and use (docs/policies.md).\n"
     "\n"
     "  check      whether the policy is good and the modules are within it; every violation with\n"
     "             its offset and the policy's line.  Of a function.yaml, its policy and module\n"
     "  explain    the narrowest policy that a module is within, to be edited\n"
     "  schema     JSON Schema for editors: of policies, function.yaml, or a gateway's YAML\n"
     "  defaults   every key of a policy, at its default\n"
     "\n"
     "Exit status of check: 0 all within it; 1 a bad policy or module; 126 violations.\n"
     "\n"
     "Example:\n"
     "  fnvm policy explain app.wasm > policy.yaml && fnvm policy check policy.yaml app.wasm\n"},
    {"install", command_install, "install a function, so that it is approved and ready to start",
     "fnvm install [options] FILE\n"
     "\n"
     "FILE is a manifest, function.yaml, its folder, or a module.  It is verified under its policy, copied\n"
     "into the depot and compiled; where the manifest asks for it, an image is taken.  Then it is\n"
     "approved and installed, at once or not at all.\n"
     "\n"
     "  --name NAME       the function's name, where the manifest does not say it\n"
     "  --version V       likewise: letters, digits and `.`, `_`, `-`\n"
     "  --policy FILE     the policy to run it under, in place of the manifest's\n"
     "  --sign KEY        sign the approval with the secret key in this file\n"
     "  --depot DIR       default: $FNVM_DEPOT, else $XDG_DATA_HOME/fnvm/depot, else\n"
     "                    ~/.local/share/fnvm/depot\n"
     "\n"
     "Example:\n"
     "  fnvm install thumbnail/function.yaml && fnvm run --approved thumbnail\n"},
    {"update", command_update, "replace an installed function by a new version",
     "fnvm update [options] NAME FILE\n"
     "\n"
     "As `fnvm install`, with its options.  New starts get the new version, and the old one's\n"
     "approval is superseded; its files go once no instance runs it.  A crash at any point\n"
     "leaves one of the two.\n"
     "\n"
     "Example:\n"
     "  fnvm update thumbnail thumbnail/function.yaml\n"},
    {"uninstall", command_uninstall, "remove an installed function",
     "fnvm uninstall [--depot DIR] NAME\n"
     "\n"
     "Its approval ends now; its files go once no instance runs it.\n"
     "\n"
     "Example:\n"
     "  fnvm uninstall thumbnail\n"},
    {"installed", command_installed, "list the installed functions",
     "fnvm installed [--depot DIR]\n"
     "\n"
     "Every version whose files are in the depot: `current`, or `draining` while instances of a\n"
     "version that was replaced go on running.\n"
     "\n"
     "Example:\n"
     "  fnvm installed\n"},
    {"repair", command_repair, "check and repair the files of installed functions",
     "fnvm repair [--depot DIR]\n"
     "\n"
     "Hashes every file of every installed function.  Modules are fetched again from where they\n"
     "were installed from, if that is still the same file; images and code are made again.  What\n"
     "cannot be repaired is named, and the exit status is 1.\n"
     "\n"
     "Example:\n"
     "  fnvm repair\n"},
    {"serve", command_serve, "answer HTTP requests with functions",
     "fnvm serve [options] FILE.yaml | DIR | app.wasm | app.wat\n"
     "\n"
     "A gateway: each request is answered by a fresh instance of a function.  FILE.yaml is the\n"
     "gateway's configuration (docs/gateway.md) or one function.yaml; DIR has a function.yaml, or\n"
     "a folder with one for each function.  A module alone is asked for every path.\n"
     "\n"
     "  --listen ADDRESS   127.0.0.1:8080 if nothing says otherwise; [::1]:80, unix:PATH; port 0 is\n"
     "                     any that is free\n"
     "  --status ADDRESS   serve the status page and /metrics there\n"
     "  --admin PATH       the socket of `fnvm deploy` and `fnvm gateway` (default: STATE/admin)\n"
     "  --state DIR        what it keeps; without it a temporary directory, removed at the end\n"
     "  --depot DIR        where functions are installed (default: STATE/depot)\n"
     "  --workers N        processes (default: one per processor)\n"
     "  --narrow auto|require|no   give up files and system calls that serving does not need, as\n"
     "                     far as the system can (default), all of it or nothing\n"
     "  --check            only say whether the configuration, its files and modules are good\n"
     "\n"
     "SIGTERM, SIGINT: end when the requests at work have ended, at once if sent twice.  SIGHUP:\n"
     "read the configuration again.\n"
     "\n"
     "Example:\n"
     "  fnvm serve --listen 127.0.0.1:0 app.wasm\n"},
    {"deploy", command_deploy, "bring a function to a running gateway",
     "fnvm deploy [--admin SOCKET] DIR\n"
     "\n"
     "DIR has a function.yaml.  The gateway copies it, installs it and then serves it in place of the\n"
     "version before, without losing a request; if it cannot be installed or served, nothing\n"
     "changes.\n"
     "\n"
     "  --admin SOCKET     the gateway's (default: $FNVM_ADMIN)\n"
     "\n"
     "Example:\n"
     "  fnvm deploy --admin /var/lib/fnvm/admin ./thumbnail\n"},
    {"gateway", command_gateway, "look after a running gateway",
     "fnvm gateway [--admin SOCKET] COMMAND\n"
     "\n"
     "  list               the functions that are served\n"
     "  status             processes, addresses, what is going on\n"
     "  logs [--follow] NAME   the last lines that a function wrote, and its errors\n"
     "  rollback NAME      serve the version that was deployed before this one\n"
     "  remove NAME        serve it no more, and forget what was deployed\n"
     "  drain NAME         no more requests for it, until the next reload\n"
     "  drain              end the gateway when the requests at work have ended\n"
     "  reload             read the configuration again\n"
     "\n"
     "  --admin SOCKET     the gateway's (default: $FNVM_ADMIN)\n"
     "\n"
     "Exit status: 0; 1 it failed, and nothing has changed; 2 usage; 127 there is no gateway.\n"
     "\n"
     "Example:\n"
     "  fnvm gateway --admin /var/lib/fnvm/admin rollback thumbnail\n"},
    {"disasm", command_disasm, "show bytecode beside the machine code it becomes",
     "fnvm disasm [--state] [--engine=interp] [-W FEATURE[=y|n],...] FILE [FUNC]\n"
     "\n"
     "Shows every function, or FUNC (an index or a name): each instruction with its offset in\n"
     "the module, below it the machine code that the compiler makes of it, and their sizes.\n"
     "\n"
     "  --state          before each instruction, where the compiler has operands and locals\n"
     "  --engine interp  the bytecode alone\n"
     "\n"
     "Example:\n"
     "  fnvm disasm app.wasm main\n"},
    {"version", command_version, "print the version", "fnvm version\n"},
    {"help", command_help, "explain a command", "fnvm help [command]\n"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static const Command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

static const char *command_name(const void *table, size_t i)
{
    (void)table;
    return i < COMMANDS ? commands[i].name : NULL;
}

int help_print(const char *command)
{
    const Command *found = command ? find_command(command) : NULL;
    if (found) {
        fputs(found->help, stdout);
        return STATUS_OK;
    }
    puts("fnvm runs WebAssembly programs in a sandbox.\n\n"
         "  fnvm FILE [args...]      run a program: .wasm, .wat, or - for standard input\n"
         "  fnvm COMMAND ...\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-9s  %s\n", commands[i].name, commands[i].what);
    puts("\n`fnvm help COMMAND` says more, with an example.");
    return STATUS_OK;
}

static int command_help(int argc, char **argv)
{
    if (argc < 2) return help_print(NULL);
    if (find_command(argv[1])) return help_print(argv[1]);
    const char *close = closest_word(argv[1], command_name, NULL);
    if (close)
        return error_usage(NULL, "there is no command `%s`; did you mean `%s`?", argv[1], close);
    return error_usage(NULL, "there is no command `%s`", argv[1]);
}

static int command_version(int argc, char **argv)
{
    (void)argc, (void)argv;
    puts("fnvm " FNVM_VERSION);
    return STATUS_OK;
}

/* `fnvm verfy x.wasm`: neither a command nor a file. */
static int unknown_command(const char *word)
{
    const char *close = closest_word(word, command_name, NULL);
    fprintf(stderr, "Error: there is no command and no file `%s`", word);
    if (close) fprintf(stderr, "; did you mean `fnvm %s`?", close);
    fputs("\nTry `fnvm help`.\n", stderr);
    return STATUS_NOT_FOUND;
}

static int run(int argc, char **argv)
{
    setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* one system call per line, not per character */
    /* Tables that begin as zeros come as pages that do not exist yet, not as cleared memory: a large
     * module's have some hundred pages, of which a short run touches few. */
    mallopt(M_MMAP_THRESHOLD, 32 * 1024);
    if (argc < 2) {
        help_print(NULL);
        return STATUS_USAGE;
    }
    const char *word = argv[1];
    const Command *command = find_command(word);
    if (command && argc == 3 && strcmp(argv[2], "--help") == 0) return help_print(word);
    if (command) return command->run(argc - 1, argv + 1);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return command_help(argc - 1, argv + 1);
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return command_version(argc - 1, argv + 1);
    if (word[0] != '-' && !strpbrk(word, "./") && access(word, F_OK) != 0)
        return unknown_command(word);
    return command_run(argc, argv);
}

/* Output that was cut off is no success, whoever wrote it. */
int main(int argc, char **argv)
{
    const int status = run(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    const int number = errno;
    if (status != STATUS_OK) return status; /* it has been told */
    return error_report(NULL, "cannot write to standard output%s%s", number ? ": " : "",
                        number ? strerrordesc_np(number) : "");
}
