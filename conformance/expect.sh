# For the test scripts in conformance/*/run: source it, then state what is expected.
#
#   expect NAME STATUS STDOUT STDERR COMMAND...
#       runs COMMAND; STATUS is its exit status, STDOUT and STDERR are extended regular expressions
#       that must match somewhere in the output; '' means that there must be none, '*' anything.
#       Standard input is $stdin (default /dev/null).  TIME_LIMIT seconds are a failure.
#   guest NAME            compiles examples/guests or conformance/programs NAME.c or .cc; its path
#   skip NAME REASON
#   summary               prints the last line; its status is 1 if anything failed
#
# $FNVM is the program under test, $work a folder of our own that is removed at the end.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$root/$BUILD ;; esac
FNVM=${FNVM:-$BUILD/fnvm}
TIME_LIMIT=${TIME_LIMIT:-400}
stdin=/dev/null
export LC_ALL=C # of what the tests look for; and bash complains of one that is not installed
passed=0 failed=0 skipped=0
work=$(mktemp -d)
export FNVM_CACHE_DIR=$work/cache # not the user's
trap 'rm -rf "$work"' EXIT

skip() { skipped=$((skipped + 1)); echo "skipped: $1 ($2)"; }
pass() { passed=$((passed + 1)); }
fail() { # NAME WHAT
    failed=$((failed + 1))
    echo "FAILED: $1"
    echo "$2" | head -40 | sed 's/^/    /'
}

matches() { # PATTERN FILE
    case $1 in
    '*') return 0 ;;
    '') [ ! -s "$2" ] ;;
    *) grep -Eqe "$1" "$2" ;;
    esac
}

expect() {
    local name=$1 status=$2 out=$3 err=$4 got=0 wrong=
    shift 4
    timeout -k 5 "$TIME_LIMIT" "$@" < "$stdin" > "$work/out" 2> "$work/err" || got=$?
    [ "$got" = "$status" ] || wrong="exit status $got, expected $status"
    matches "$out" "$work/out" || wrong="$wrong; standard output does not match /$out/"
    matches "$err" "$work/err" || wrong="$wrong; standard error does not match /$err/"
    if [ -z "$wrong" ]; then pass; return 0; fi
    fail "$name" "$*
${wrong#; }
--- standard output:
$(head -c 2000 "$work/out" | tr -d '\0')
--- standard error:
$(head -c 2000 "$work/err" | tr -d '\0')"
}

# The first of these folders that has NAME's source; compiled once, into $BUILD/guests.
guest() {
    local dir source flags=
    for dir in examples/guests conformance/programs; do
        for source in "$dir/$1.c" "$dir/$1.cc"; do
            [ -f "$source" ] || continue
            mkdir -p "$BUILD/guests"
            local wasm=$BUILD/guests/$1.wasm compiler=clang
            case $source in *.cc) compiler=clang++ flags=-fno-exceptions ;; esac
            if [ ! "$wasm" -nt "$source" ]; then
                $compiler --target=wasm32-wasi -O2 $flags -o "$wasm.$$" "$source" >&2 &&
                    mv "$wasm.$$" "$wasm" || return 1 # another suite may read it meanwhile
            fi
            echo "$wasm"
            return 0
        done
    done
    return 1
}

have_guest_compiler() { command -v clang > /dev/null && [ -f /usr/lib/wasm32-wasi/libc.a ]; }

summary() {
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}
