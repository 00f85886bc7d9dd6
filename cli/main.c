/* The fnvm command: picks a command by its name; without one it is `run`. */
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
     "  --profile sample           the functions that took most time, at the end\n"
     "  --profile perf[,DIR]       names of functions for perf; DIR/jit-PID.dump has their code\n"
     "  -W KEY[=VALUE],...         limits and features: fuel, timeout, ...     (-W help)\n"
     "  -S KEY[=VALUE],...         WASI: inherit-env, tcplisten, ...           (-S help)\n"
     "  -D KEY[=VALUE],...         debugging: coredump, compiled, gdb          (-D help)\n"
     "\n"
     "FILE may be an image that `fnvm snapshot` wrote: it goes on from where it was frozen, with\n"
     "the arguments, variables and directories given now.  For images only:\n"
     "\n"
     "  --module FILE              where a module of the image is now, if it was moved\n"
     "  --trust-key FILE           an Ed25519 key whose signatures count as our own\n"
     "  --require-signature        refuse images without a signature by one of those keys\n"
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
     "                             (without --at: init or checkpoint, by what the module has)\n"
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
    {"cache", command_cache, "look after compiled code that is kept",
     "fnvm cache [list|clear|dir] [--cache=DIR]\n"
     "\n"
     "`fnvm run` keeps what it compiles in DIR: --cache=DIR, else $FNVM_CACHE_DIR, else\n"
     "$XDG_CACHE_HOME/fnvm, else ~/.cache/fnvm; `none` for neither.  `list` (the default) shows\n"
     "the modules it has code of, those used last first; `clear` removes all; `dir` says where.\n"
     "\n"
     "Example:\n"
     "  fnvm cache clear\n"},
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
        printf("  %-8s  %s\n", commands[i].name, commands[i].what);
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
    fputc('\n', stderr);
    return STATUS_NOT_FOUND;
}

int main(int argc, char **argv)
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
