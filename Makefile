# fnvm: GNU make, gcc or clang, no configure step.
#
#   make            build/fnvm, build/fnvm-full, build/libfnvm.a, build/libfnvm.so.0
#   make demo       install what is missing, build, run real programs and show what happened
#   make check      install what is missing, build, run every test, also under the sanitizers
#   make debug      build with ASan and UBSan, in build/debug/
#   make fuzz       build the fuzz targets with clang and run each for FUZZ_SECONDS
#   make bench      every engine here over bench/programs; starting; compiling
#   make install    PREFIX=/usr/local DESTDIR=
#   make uninstall | format | lint | clean

BUILD ?= build
# One name for one folder: what objects depend on is noted by name.
override BUILD := $(patsubst $(CURDIR)/%,%,$(abspath $(BUILD)))
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
LIBEXECDIR ?= $(PREFIX)/libexec
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
FUZZ_SECONDS ?= 600
WASM_TESTSUITE ?= ../shared/wasm-testsuite

# make's own default is `cc`, which a machine with only gcc or only clang may not have.
ifeq ($(origin CC),default)
CC := $(shell command -v gcc || command -v clang || echo gcc)
endif
OBJCOPY ?= objcopy
IS_GCC := $(findstring Free Software Foundation,$(shell $(CC) --version 2>/dev/null))

VERSION := $(shell sed -n 's/^.define FNVM_VERSION "\(.*\)"/\1/p' include/fnvm.h)
SOVERSION := 0

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wshadow -Wconversion
WERROR ?= -Werror
# No contraction of a*b+c: wasm rounds after every operation.
FLAGS := -std=gnu17 -D_GNU_SOURCE= $(CFLAGS) $(WARNINGS) $(WERROR) -fPIC -fvisibility=hidden \
         -ffp-contract=off -fno-math-errno -MMD -MP -Iinclude -I.
LIBS := -lgc -lsodium -lyaml -lsqlite3 -lffi -lpthread -lm
# Of the program that serves, or loads libraries for guests; it is linked dynamically.
FULL_LIBS := -lmicrohttpd -lcurl -lcares -lhiredis

# The program takes the archives where there are any, and is linked statically where that is
# possible: loading shared libraries is a fifth of the time an empty guest takes.  The linker's
# warnings are of getaddrinfo and dlopen, which may want the C library they were linked with.
archive = $(or $(filter /%,$(shell $(CC) -print-file-name=lib$(1).a)),-l$(1))
ARCHIVES := gc sodium yaml sqlite3 ffi
PROGRAM_LIBS := $(foreach lib,$(ARCHIVES),$(call archive,$(lib))) \
                $(filter-out $(ARCHIVES:%=-l%),$(LIBS))
if_it_links = $(shell echo 'int main(void) { return 0; }' | $(CC) -x c -fPIE $(1) -o $(OBJ)/links - \
              -x none $(PROGRAM_LIBS) 2>/dev/null && echo $(1))
# Packed, a program's relocations are a hundredth of the bytes to read before it starts.
PROGRAM_FLAGS = $(or $(call if_it_links,-static-pie -Wl$(comma)--no-warnings -Wl$(comma)-z$(comma)pack-relative-relocs),\
                $(call if_it_links,-static-pie -Wl$(comma)--no-warnings),\
                $(call if_it_links,-static-pie))
comma := ,

ifdef SANITIZE
FLAGS += -DFNVM_CHECK -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=$(SANITIZE)
PROGRAM_FLAGS :=
endif

# The processors that compiled code is made for have a folder each; others get jit/none.
PROCESSOR := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
JIT_DIRS := $(if $(filter x86_64,$(PROCESSOR)),jit jit/$(PROCESSOR),jit/none)

# In the order the data flows.  A folder or file that appears is picked up.
LIB_DIRS := vm vm/image vm/c_api loader loader/text verifier verifier/policy verifier/approval $(JIT_DIRS) stdlib
TOOL_DIRS := cli gateway conformance
LIB_SRC := $(foreach dir,$(LIB_DIRS),$(wildcard $(dir)/*.c))
ifndef SANITIZE
LIB_SRC := $(filter-out %/check_state.c,$(LIB_SRC)) # the compiler checks itself in debug builds
endif
LIB_ASM := $(foreach dir,$(LIB_DIRS),$(wildcard $(dir)/*.S))
# `fnvm wast` is part of the program; what else lies beside it is a program of its own.
TOOL_SRC := $(wildcard cli/*.c conformance/wast*.c conformance/spectest.c)
# `fnvm disasm` writes machine code as assembly where Capstone is installed, else as bytes.
CAPSTONE := $(wildcard /usr/include/capstone/capstone.h /usr/local/include/capstone/capstone.h)
TOOL_SRC := $(filter-out cli/machine_$(if $(CAPSTONE),bytes,capstone).c,$(TOOL_SRC))
# A sanitizer's runtime needs what `fnvm run` gives up.
TOOL_SRC := $(filter-out $(if $(SANITIZE),cli/narrow.c cli/narrow_landlock.c cli/narrow_seccomp.c,\
              cli/narrow_none.c),$(TOOL_SRC))
# What only the full program has; the other one starts that in its place.
GATEWAY_SRC := $(wildcard gateway/*.c)
GATEWAY_ASM := $(wildcard gateway/*.S)
FULL_SRC := $(filter-out cli/full_exec.c,$(TOOL_SRC)) $(GATEWAY_SRC)
# Where it begins: data that is written before it starts comes in one piece.
START_SRC := $(if $(SANITIZE),,$(wildcard cli/start_$(PROCESSOR).S))
ALONE_SRC := $(filter-out $(TOOL_SRC),$(wildcard conformance/*.c))
GENERATE_SRC := $(wildcard conformance/generate/*.c)
BOMBS_SRC := $(wildcard conformance/bombs/*.c)
HOSTILE_SRC := $(wildcard conformance/http/*.c)
UNIT_SRC := $(wildcard conformance/unit/*.c)
ifneq ($(filter jit/none,$(JIT_DIRS)),)
UNIT_SRC := $(filter-out $(addprefix conformance/unit/test_,segment.c fault.c runtime_rows.c cache.c \
              jit_verify.c code_file.c), $(UNIT_SRC))
endif
FUZZ_SRC := $(wildcard conformance/fuzz/*.c)
EXAMPLE_SRC := $(wildcard examples/embed/*.c)
HEADERS := $(wildcard include/*.h include/*.hh include/*.def)
GUEST_HEADERS := $(wildcard stdlib/include/fnvm/*.h stdlib/include/fnvm/*.rs)

OBJ := $(BUILD)/obj
LIB_OBJ := $(LIB_SRC:%.c=$(OBJ)/%.o) $(LIB_ASM:%.S=$(OBJ)/%.o)
# The programs have no use for the library's second interface.
ENGINE_OBJ := $(sort $(filter-out $(OBJ)/vm/c_api/%,$(LIB_OBJ)))
ID_OBJ := $(OBJ)/library_id.o
LIB_OBJ += $(ID_OBJ)
PROGRAM_OBJ := $(ENGINE_OBJ) $(ID_OBJ)
TOOL_OBJ := $(TOOL_SRC:%.c=$(OBJ)/%.o)
FULL_OBJ := $(FULL_SRC:%.c=$(OBJ)/%.o) $(GATEWAY_ASM:%.S=$(OBJ)/%.o)
GENERATE_OBJ := $(GENERATE_SRC:%.c=$(OBJ)/%.o)
BOMBS_OBJ := $(BOMBS_SRC:%.c=$(OBJ)/%.o)
HOSTILE_OBJ := $(HOSTILE_SRC:%.c=$(OBJ)/%.o)
HTTP_OBJ := $(patsubst %,$(OBJ)/gateway/%.o,http http_answer http_bytes http_head http_raw http_request)
ALONE := $(ALONE_SRC:conformance/%.c=$(BUILD)/%)
UNIT := $(UNIT_SRC:conformance/unit/%.c=$(BUILD)/unit/%)
EXAMPLES := $(EXAMPLE_SRC:examples/embed/%.c=$(BUILD)/examples/%)
FUZZ := $(FUZZ_SRC:conformance/fuzz/%.c=$(BUILD)/%)

# One line per step; V=1 shows the commands.
ifdef V
SAY := @:
Q :=
else
SAY := @printf '  %-8s %s\n'
Q := @
endif
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: all debug demo check tests unit examples bench fuzz fuzz-targets install \
        uninstall format lint clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/fnvm $(BUILD)/fnvm-full $(BUILD)/libfnvm.a $(BUILD)/libfnvm.so

# ---- Objects, the program, the libraries ----

$(OBJ)/%.o: %.c
	$(SAY) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(EXTRA) -c -o $@ $<

$(OBJ)/%.o: %.S
	$(SAY) AS $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) -c -o $@ $<

$(OBJ)/gateway/page.o: gateway/page.html

# Machine code on disk is used by those who have the very objects of who wrote it: jit/library_id.h.
$(OBJ)/library_id.c: $(ENGINE_OBJ)
	$(Q)set -e; id=$$(cd $(OBJ) && sha256sum $(ENGINE_OBJ:$(OBJ)/%=%) | sha256sum); id=$${id%% *}; \
	    test $${#id} = 64; { echo '#include "jit/library_id.h"'; \
	    echo "const uint8_t library_id[] = {$$(echo $$id | sed 's/../0x&,/g')};"; } > $@

$(ID_OBJ): $(OBJ)/library_id.c
	$(SAY) CC $<
	$(Q)$(CC) $(FLAGS) -c -o $@ $<

# The first two merge the interpreter's many dispatch jumps back into a few; the third packs its
# registers pc and sp into a vector and out again; its registers are named, see
# vm/interpreter_registers.h.  That loops over all lanes fill a vector is lost on gcc here.
ifneq ($(IS_GCC),)
$(filter $(OBJ)/vm/interpreter%,$(LIB_OBJ)): \
    EXTRA := -fno-gcse -fno-crossjumping -fno-tree-slp-vectorize \
    -fomit-frame-pointer -falign-labels=16 -Wno-maybe-uninitialized
endif

$(BUILD)/fnvm: $(TOOL_OBJ) $(START_SRC:%.S=$(OBJ)/%.o) $(PROGRAM_OBJ)
	$(SAY) LINK $@
	$(Q)$(CC) $(LDFLAGS) $(PROGRAM_FLAGS) $(START_SRC:%=-Wl,-e,fnvm_start) -o $@ $^ $(PROGRAM_LIBS)

$(BUILD)/fnvm-full: $(FULL_OBJ) $(PROGRAM_OBJ)
	$(SAY) LINK $@
	$(Q)$(CC) $(LDFLAGS) -pie -rdynamic -o $@ $^ $(FULL_LIBS) $(LIBS)

# One object with everything but fnvm_* made local: users of the library cannot collide with it.
$(OBJ)/fnvm.o: $(LIB_OBJ)
	$(Q)$(LD) -r -o $@ $^
	$(Q)$(OBJCOPY) --localize-hidden $@

$(BUILD)/libfnvm.a: $(OBJ)/fnvm.o
	$(SAY) AR $@
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

# The handler of faults, and the collector, outlive every engine: it stays where it was loaded.
$(BUILD)/libfnvm.so.$(SOVERSION): $(LIB_OBJ)
	$(SAY) LINK $@
	$(Q)$(CC) $(LDFLAGS) -shared -Wl,-z,nodelete -Wl,-soname,libfnvm.so.$(SOVERSION) -o $@ $^ $(LIBS)

$(BUILD)/libfnvm.so: $(BUILD)/libfnvm.so.$(SOVERSION)
	$(Q)ln -sf $(<F) $@

debug:
	$(MAKE) --no-print-directory BUILD=$(BUILD)/debug SANITIZE=address,undefined all

# ---- Demo and tests.  A second make, because the first may run before there is a compiler. ----

demo:
	scripts/install-deps build
	-scripts/install-deps test
	$(MAKE) --no-print-directory -j$(JOBS) all
	BUILD=$(BUILD) scripts/demo

check:
	scripts/install-deps build
	scripts/install-deps test
	$(MAKE) --no-print-directory -j$(JOBS) tests
	$(MAKE) --no-print-directory -j$(JOBS) BUILD=$(BUILD)/debug SANITIZE=address,undefined tests
	WASM_TESTSUITE=$(WASM_TESTSUITE) conformance/check $(BUILD) $(BUILD)/debug

# All that the tests run.
tests: all unit examples $(ALONE)

unit: $(UNIT)
$(BUILD)/unit/%: conformance/unit/%.c $(LIB_OBJ)
	$(SAY) TEST $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(filter %.o,$^) -lcmocka $(LIBS)
$(BUILD)/unit/test_gateway_cgi: $(patsubst %,$(OBJ)/gateway/%.o,answer head text timers trace)
$(BUILD)/unit/test_gateway_config: $(patsubst %,$(OBJ)/gateway/%.o,config config_print route)
$(BUILD)/unit/test_narrow: $(filter $(OBJ)/cli/narrow%,$(TOOL_OBJ))
# They make allocations fail.
$(BUILD)/unit/test_c_api_memory: LDFLAGS += $(foreach f,malloc calloc realloc,-Wl,--wrap=$(f))
$(BUILD)/unit/test_scarcity: LDFLAGS += $(foreach f,malloc calloc realloc mmap mprotect ftruncate \
                                        memfd_create pwrite,-Wl,--wrap=$(f))
$(BUILD)/unit/test_http_outbound: \
    $(patsubst %,$(OBJ)/gateway/%.o,http_outbound http_exchange http_address names)
$(BUILD)/unit/test_http_outbound: LIBS += -lcurl -lcares
$(BUILD)/unit/test_kv_redis: \
    $(patsubst %,$(OBJ)/gateway/%.o,kv_redis redis_address redis_keys redis_link names secrets text)
$(BUILD)/unit/test_kv_redis: LIBS += -lhiredis -lcurl -lcares
$(BUILD)/unit/test_metrics: $(filter $(OBJ)/gateway/metrics%,$(FULL_OBJ)) $(OBJ)/cli/json.o
$(BUILD)/unit/test_calls: $(OBJ)/gateway/calls.o
$(BUILD)/unit/test_loop: $(OBJ)/gateway/loop.o

# Test programs of their own, which are no unit tests.
$(ALONE): $(BUILD)/%: conformance/%.c $(LIB_OBJ)
	$(SAY) TEST $@
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(filter %.o,$^) $(LIBS)
$(BUILD)/differ $(BUILD)/reset: $(GENERATE_OBJ)
$(BUILD)/bombs: $(BOMBS_OBJ)
$(BUILD)/http_hostile: $(HOSTILE_OBJ)
$(BUILD)/http_echo: $(HTTP_OBJ)
$(BUILD)/http_echo: LIBS += -lmicrohttpd
WORKER_OBJ := $(filter $(patsubst %,$(OBJ)/gateway/%.o,access_log admission answer arrivals async builtin \
                calls% config% control function head http% invocation kv_redis loop metrics% names outbound output place route \
                redis% revocation secrets store table text timers trace waiters worker%),$(FULL_OBJ)) $(OBJ)/cli/json.o \
                $(OBJ)/cli/natives.o $(filter $(OBJ)/cli/narrow%,$(TOOL_OBJ))
$(BUILD)/worker_drive: $(WORKER_OBJ)
$(BUILD)/worker_drive: LIBS += $(FULL_LIBS)
STATUS_OBJ := $(filter $(addprefix $(OBJ)/gateway/,status% page% metrics%),$(FULL_OBJ)) $(OBJ)/cli/json.o \
              $(filter $(OBJ)/cli/narrow%,$(TOOL_OBJ))
$(BUILD)/status_server: $(STATUS_OBJ) $(HTTP_OBJ) $(OBJ)/gateway/calls.o
$(BUILD)/isolation_server: $(HTTP_OBJ)
$(BUILD)/status_server $(BUILD)/isolation_server: LIBS += -lmicrohttpd

# Examples see only the public header and the static library, as any user would.
examples: $(EXAMPLES)
$(BUILD)/examples/%: examples/embed/%.c $(BUILD)/libfnvm.a $(HEADERS)
	$(SAY) EXAMPLE $@
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 $(CFLAGS) $(WARNINGS) $(WERROR) -Iinclude $(LDFLAGS) -o $@ $< \
	    $(BUILD)/libfnvm.a $(LIBS)

# ---- Measuring ----

bench: all $(addprefix $(BUILD)/bench/,start restore measure approval suspend native)
	BUILD=$(BUILD) bench/run --all
	$(BUILD)/bench/start "$$(BUILD=$(BUILD) conformance/programs/fetch-python)"
	$(BUILD)/fnvm snapshot --at=stdin --quiet -o $(BUILD)/bench/python.fnvmi \
	    "$$(BUILD=$(BUILD) conformance/programs/fetch-python)"
	$(BUILD)/bench/restore --instances 10000 $(BUILD)/bench/python.fnvmi
	BUILD=$(BUILD) bench/approved
	$(BUILD)/bench/measure "$$(BUILD=$(BUILD) conformance/programs/fetch-python)"
	$(BUILD)/bench/measure
	$(BUILD)/bench/suspend
	$(BUILD)/bench/native

$(BUILD)/bench/start $(BUILD)/bench/measure $(BUILD)/bench/suspend $(BUILD)/bench/native: $(BUILD)/bench/%: \
    bench/%.c $(BUILD)/libfnvm.a
	$(SAY) BENCH $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -rdynamic -MF $@.d -o $@ $< $(BUILD)/libfnvm.a $(LIBS)

# They use functions that no user of the library sees: the engine's way of asking the kernel about
# pages, and looking up what a depot has installed.
$(BUILD)/bench/restore $(BUILD)/bench/approval: $(BUILD)/bench/%: bench/%.c $(LIB_OBJ)
	$(SAY) BENCH $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -MF $@.d -o $@ $< $(LIB_OBJ) $(LIBS)

# What the gateway's figures are held against: the HTTP library alone.
$(BUILD)/bench/http_constant: bench/http_constant.c $(HTTP_OBJ) $(LIB_OBJ)
	$(SAY) BENCH $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS) $(LDFLAGS) -MF $@.d -o $@ $(filter %.c %.o,$^) $(FULL_LIBS) $(LIBS)

fuzz: all
	scripts/install-deps fuzz
	$(MAKE) --no-print-directory CC=clang BUILD=$(BUILD)/fuzz \
	    SANITIZE=fuzzer-no-link,address,undefined fuzz-targets
	FNVM=$(BUILD)/fnvm BUILD=$(BUILD)/fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz \
	    $(notdir $(FUZZ))

fuzz-targets: $(FUZZ)

$(FUZZ): $(BUILD)/%: conformance/fuzz/%.c $(LIB_OBJ)
	$(SAY) FUZZ $@
	$(Q)$(CC) $(FLAGS) -MF $@.d -fsanitize=fuzzer,address,undefined -o $@ $(filter %.c %.o,$^) $(LIBS)
$(BUILD)/fuzz_gateway: $(patsubst %,$(OBJ)/gateway/%.o,answer config config_print route)

# ---- Installing ----

INSTALLED := $(BINDIR)/fnvm $(LIBEXECDIR)/fnvm/fnvm-full $(LIBDIR)/libfnvm.a $(LIBDIR)/libfnvm.so.$(SOVERSION) \
             $(LIBDIR)/libfnvm.so $(LIBDIR)/pkgconfig/fnvm.pc $(DATADIR)/man/man1/fnvm.1 \
             $(DATADIR)/man/man3/libfnvm.3 \
             $(DATADIR)/bash-completion/completions/fnvm $(HEADERS:include/%=$(INCLUDEDIR)/%) \
             $(GUEST_HEADERS:stdlib/include/%=$(INCLUDEDIR)/%)

install: all
	install -d $(addprefix $(DESTDIR),$(sort $(dir $(INSTALLED))))
	install -m 755 $(BUILD)/fnvm $(DESTDIR)$(BINDIR)/fnvm
	install -m 755 $(BUILD)/fnvm-full $(DESTDIR)$(LIBEXECDIR)/fnvm/fnvm-full
	install -m 644 $(BUILD)/libfnvm.a $(DESTDIR)$(LIBDIR)/libfnvm.a
	install -m 755 $(BUILD)/libfnvm.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/
	ln -sf libfnvm.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libfnvm.so
	install -m 644 $(HEADERS) $(DESTDIR)$(INCLUDEDIR)/
	install -m 644 $(GUEST_HEADERS) $(DESTDIR)$(INCLUDEDIR)/fnvm/
	sed -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|' scripts/fnvm.pc.in > $(BUILD)/fnvm.pc
	install -m 644 $(BUILD)/fnvm.pc $(DESTDIR)$(LIBDIR)/pkgconfig/fnvm.pc
	install -m 644 docs/fnvm.1 $(DESTDIR)$(DATADIR)/man/man1/fnvm.1
	install -m 644 docs/libfnvm.3 $(DESTDIR)$(DATADIR)/man/man3/libfnvm.3
	install -m 644 scripts/fnvm.bash-completion \
	    $(DESTDIR)$(DATADIR)/bash-completion/completions/fnvm

uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))

# ---- Housekeeping ----

OWN_C := $(LIB_SRC) $(TOOL_SRC) $(GATEWAY_SRC) $(ALONE_SRC) $(GENERATE_SRC) $(BOMBS_SRC) $(HOSTILE_SRC) $(UNIT_SRC) $(FUZZ_SRC) \
         $(EXAMPLE_SRC) $(wildcard bench/*.c)

OWN_RUST := $(wildcard stdlib/include/fnvm/*.rs conformance/rust/*.rs examples/functions/*/*.rs)

format:
	if command -v rustfmt > /dev/null; then rustfmt --edition 2021 $(OWN_RUST); fi
	clang-format -i $(OWN_C) $(wildcard include/*.h $(addsuffix /*.h,$(LIB_DIRS) $(TOOL_DIRS)))

lint:
	clang-tidy --quiet $(OWN_C) -- -std=gnu17 -D_GNU_SOURCE= -Iinclude -I.

clean:
	rm -rf $(BUILD)

-include $(LIB_OBJ:.o=.d) $(TOOL_OBJ:.o=.d) $(FULL_OBJ:.o=.d) $(GENERATE_OBJ:.o=.d) $(BOMBS_OBJ:.o=.d) $(HOSTILE_OBJ:.o=.d) $(addsuffix .d,$(UNIT) $(ALONE))
