# SPDX-License-Identifier: Apache-2.0
# Compiles the C programs under helpers/ in one variant, and in it:
#   $(OUT)/bin/<program>       for each folder of helpers/ that has a main.c
#   $(OUT)/tests/<name>        for tests/unit/*.c (sanitize: the Check suites; native: the tools)
#   $(OUT)/fuzz/<name>         for tests/fuzz/*.c (variant fuzz only)
# VARIANT: native (Debian's shared libraries), sanitize (the same with ASan and UBSan), fuzz
# (libFuzzer, clang), x86_64 or arm64 (static, zig and musl, our own static libraries).

VARIANT ?= native

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wvla -Werror
CPPFLAGS_COMMON := -D_GNU_SOURCE -Ihelpers -include common/banned.h
CFLAGS_COMMON := -std=gnu17 $(WARNINGS) -pthread -fstack-protector-strong -fno-strict-aliasing \
    -ffunction-sections -fdata-sections -ffile-prefix-map=$(CURDIR)=.
LDFLAGS_COMMON := -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -pthread
PACKAGES := libcurl libcjson libzip libmicrohttpd libdeflate libcrypto zlib

ifeq ($(VARIANT),native)
OUT := build
CC := gcc
CFLAGS_VARIANT := -O2 -g -fPIE -D_FORTIFY_SOURCE=3 -fstack-clash-protection
LDFLAGS_VARIANT := -pie -Wl,--as-needed
else ifeq ($(VARIANT),sanitize)
OUT := build/sanitize
CC := gcc
CFLAGS_VARIANT := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_VARIANT := -fsanitize=address,undefined -Wl,--as-needed
else ifeq ($(VARIANT),fuzz)
OUT := build/fuzz
CC := clang
CFLAGS_VARIANT := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS_VARIANT := -fsanitize=address,undefined -Wl,--as-needed
else
OUT := build/static/$(VARIANT)
CC := RUNLET_ZIG_TARGET=$(if $(filter arm64,$(VARIANT)),aarch64,x86_64)-linux-musl helpers/toolchain/bin/zig-cc
LIBS_DIR := build/libs/$(VARIANT)
CFLAGS_VARIANT := -O2 -g0 -fPIE -fno-sanitize=all -isystem $(LIBS_DIR)/include
LDFLAGS_VARIANT := -static -pie -s -Wl,--build-id=none
LIBS := -L$(LIBS_DIR)/lib -lcurl -lzip -lmicrohttpd -ldeflate -lcjson -lssl -lcrypto -lz
endif

ifndef LIBS
PACKAGE_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)
CHECK_LIBS := $(shell pkg-config --libs check 2>/dev/null)
endif

COMPILE = $(CC) $(CPPFLAGS_COMMON) $(CFLAGS_COMMON) $(CFLAGS_VARIANT) $(PACKAGE_CFLAGS) -MMD -MP
LINK = $(CC) $(CFLAGS_VARIANT) $(LDFLAGS_COMMON) $(LDFLAGS_VARIANT)

OBJ := $(OUT)/obj
# ONLY="layer-packer": leaves the other programs alone, while they do not compile.
PROGRAMS := $(filter $(or $(ONLY),%),$(patsubst helpers/%/main.c,%,$(wildcard helpers/*/main.c)))
COMMON_OBJECTS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard helpers/common/*.c))
COMMON_ARCHIVE := $(OUT)/lib/libcommon.a
PROGRAM_ARCHIVES := $(foreach p,$(PROGRAMS),$(OUT)/lib/lib$(p).a)
PROGRAM_TARGETS := $(addprefix $(OUT)/bin/,$(PROGRAMS))

SUITES := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(wildcard tests/unit/test_*.c))
TOOLS := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(filter-out tests/unit/test_% tests/unit/support_%,$(wildcard tests/unit/*.c)))
SUPPORT_OBJECTS := $(patsubst %.c,$(OBJ)/%.o,$(wildcard tests/unit/support_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,$(OUT)/bin/%,$(wildcard tests/fuzz/*.c))

ifeq ($(VARIANT),native)
TARGETS := $(PROGRAM_TARGETS) $(TOOLS)
else ifeq ($(VARIANT),sanitize)
TARGETS := $(PROGRAM_TARGETS) $(TOOLS) $(SUITES)
else ifeq ($(VARIANT),fuzz)
TARGETS := $(FUZZERS)
else
TARGETS := $(PROGRAM_TARGETS)
endif

.PHONY: programs
programs: $(TARGETS)

# What the compiler is called with: another command line compiles everything anew.
FLAGS_NOW := $(COMPILE) | $(LINK) $(LIBS) | $(if $(LIBS_DIR),$(realpath $(LIBS_DIR)))
ifneq ($(file <$(OUT)/flags),$(FLAGS_NOW))
$(shell mkdir -p $(OUT))
$(file >$(OUT)/flags,$(FLAGS_NOW))
endif

$(OBJ)/%.o: %.c $(OUT)/flags
	@mkdir -p $(@D)
	@echo '  CC      $(OUT): $<'
	@$(COMPILE) -c -o $@ $<

$(COMMON_ARCHIVE): $(COMMON_OBJECTS)
	@mkdir -p $(@D)
	@rm -f $@
	@$(AR) Dcrs $@ $^

# The programs' own modules but main.c, as an archive that their unit tests link with too.
define program_rules
$(OUT)/lib/lib$(1).a: $(patsubst %.c,$(OBJ)/%.o,$(filter-out %/main.c,$(wildcard helpers/$(1)/*.c)))
	@mkdir -p $$(@D)
	@rm -f $$@
	@$$(AR) Dcrs $$@ $$^

$(OUT)/bin/$(1): $(OBJ)/helpers/$(1)/main.o $(OUT)/lib/lib$(1).a $(COMMON_ARCHIVE)
	@mkdir -p $$(@D)
	@echo '  LINK    $$@'
	@$$(LINK) -o $$@.new $$^ $$(LIBS)
	@mv $$@.new $$@
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rules,$(p))))

# Unit tests may reach into modules of a program that has no main.c yet.
TEST_FOLDERS := $(filter $(or $(ONLY),%),$(sort $(patsubst helpers/%/,%,$(dir $(wildcard helpers/*/*.c)))))
TEST_ARCHIVES := $(foreach p,$(filter-out common,$(TEST_FOLDERS)),$(OUT)/lib/lib$(p).a) $(COMMON_ARCHIVE)
$(foreach p,$(filter-out common $(PROGRAMS),$(TEST_FOLDERS)),$(eval $(call program_rules,$(p))))

$(OUT)/tests/%: $(OBJ)/tests/unit/%.o $(SUPPORT_OBJECTS) $(TEST_ARCHIVES)
	@mkdir -p $(@D)
	@echo '  LINK    $@'
	@$(LINK) -o $@.new $^ $(LIBS) $(CHECK_LIBS)
	@mv $@.new $@

ifeq ($(VARIANT),fuzz)
$(OUT)/bin/%: $(OBJ)/tests/fuzz/%.o $(TEST_ARCHIVES)
	@mkdir -p $(@D)
	@echo '  LINK    $@'
	@$(LINK) -fsanitize=fuzzer -o $@.new $^ $(LIBS)
	@mv $@.new $@
endif

.SECONDARY:
-include $(shell find $(OBJ) -name '*.d' 2>/dev/null)
