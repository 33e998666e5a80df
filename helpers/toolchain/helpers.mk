# SPDX-License-Identifier: Apache-2.0
# How the helpers are compiled, from the top of the repository: for this machine (dynamic, or with
# SANITIZE=1), for the fuzzers (FUZZ=1), or for Lambda (STATIC=<arch>, with the environment of
# static-env.sh and PREFIX).
#
# Every helpers/common/*.c is in libcommon.a, every helpers/<program>/*.c but main.c in
# lib<program>.a; a program is its main.c with both; a unit test is linked with all archives.

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

# ONLY=layer-packer leaves the other programs alone, for a while in which they do not compile.
PROGRAMS := $(filter $(or $(ONLY),%),$(notdir $(patsubst %/main.c,%,$(wildcard helpers/*/main.c))))
PARTS := $(filter $(or $(ONLY:%=% common),%),$(filter-out toolchain, \
    $(notdir $(patsubst %/,%,$(wildcard helpers/*/)))))

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wvla -Werror
CPPFLAGS := -Ihelpers -D_GNU_SOURCE -include common/banned.h
CFLAGS := -std=gnu17 $(WARNINGS) -fstack-protector-strong -ffunction-sections -fdata-sections
LDFLAGS := -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now
LIBS := -lmicrohttpd -lcurl -lzip -ldeflate -lcjson -lssl -lcrypto -lz -lpthread

ifneq ($(STATIC),)
  OUT := build/static/$(STATIC)
  CPPFLAGS += -isystem $(PREFIX)/include -DNDEBUG
  CFLAGS += -O2 -g0 -fPIE '-ffile-prefix-map=$(CURDIR)=/b'
  LDFLAGS += -static -pie -s -L$(PREFIX)/lib
else
  ifneq ($(SANITIZE),)
    OUT := build/sanitize
    CFLAGS += -O1 -g -fPIE -fsanitize=address,undefined -fno-sanitize-recover=all \
              -fno-omit-frame-pointer
    LDFLAGS += -fsanitize=address,undefined -pie
  else ifneq ($(FUZZ),)
    OUT := build/fuzz
    CFLAGS += -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
    LDFLAGS += -fsanitize=fuzzer,address,undefined
  else
    OUT := build
    CPPFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
    CFLAGS += -O2 -g -fPIE
    LDFLAGS += -pie
  endif
  CC := $(if $(FUZZ),clang,gcc)
  AR := ar
endif

ARCHIVES := $(foreach part,$(PARTS),$(OUT)/lib$(part).a)
BINARIES := $(PROGRAMS:%=$(OUT)/bin/%)
# A file of tests/unit is a suite (test_*.c) or a small program that tests run.
UNIT_TESTS := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(wildcard tests/unit/test_*.c))
TEST_PROGRAMS := $(patsubst %.c,$(OUT)/tests/%,$(notdir $(filter-out \
    tests/unit/test_%,$(wildcard tests/unit/*.c tests/integration/*.c))))
FUZZERS := $(patsubst tests/fuzz/%.c,$(OUT)/%,$(wildcard tests/fuzz/*.c))

.PHONY: build binaries fuzz
build: $(BINARIES) $(if $(SANITIZE),$(UNIT_TESTS)) $(TEST_PROGRAMS)
binaries: $(BINARIES)

$(OUT)/obj/%.o: %.c helpers/toolchain/helpers.mk
	@mkdir -p $(@D)
	@echo "  CC $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

define archive
$(OUT)/lib$(1).a: $(patsubst %.c,$(OUT)/obj/%.o,$(filter-out %/main.c,$(wildcard helpers/$(1)/*.c helpers/$(1)/*/*.c helpers/$(1)/*/*/*.c)))
	@mkdir -p $$(@D)
	@rm -f $$@
	@$(AR) rcsD $$@ $$^
endef
$(foreach part,$(PARTS),$(eval $(call archive,$(part))))

$(OUT)/bin/%: $(OUT)/obj/helpers/%/main.o $(OUT)/lib%.a $(OUT)/libcommon.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

# The first instructions of this one are its own: see bootstrap/confine/entry.c.
$(OUT)/bin/bootstrap: private LDFLAGS += -Wl,-e,bootstrap_entry

# The suites need more than one archive, in no order.
$(OUT)/tests/test_%: $(OUT)/obj/tests/unit/test_%.o $(ARCHIVES)
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $< -Wl,--start-group $(ARCHIVES) -Wl,--end-group -lcheck_pic \
	    -lsubunit -lrt -lm $(LIBS) -o $@

# Those that try a program's parts; the others have the library alone, and show that it suffices.
OF_PROGRAMS := broker-host filtered no-copy
archives_of = $(if $(filter $(1),$(OF_PROGRAMS)),$(ARCHIVES),$(OUT)/libcommon.a)
define test_program
$(OUT)/tests/$(1): $(OUT)/obj/$(patsubst %.c,%.o,$(wildcard tests/unit/$(1).c tests/integration/$(1).c)) $(call archives_of,$(1))
	@mkdir -p $$(@D)
	@echo "  LD $$@"
	@$(CC) $(CFLAGS) $(LDFLAGS) $$< -Wl,--start-group $(call archives_of,$(1)) -Wl,--end-group $(LIBS) -o $$@
endef
$(foreach program,$(notdir $(TEST_PROGRAMS)),$(eval $(call test_program,$(program))))

FUZZ_SECONDS ?= 60
fuzz:
	@$(MAKE) -f helpers/toolchain/helpers.mk FUZZ=1 fuzzers
	@for target in $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c)); do \
	    mkdir -p build/fuzz/corpus/$$target; \
	    build/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
	        -artifact_prefix=build/fuzz/$$target- build/fuzz/corpus/$$target || exit 1; \
	done

.PHONY: fuzzers
fuzzers: $(FUZZERS)
$(FUZZERS): $(OUT)/%: $(OUT)/obj/tests/fuzz/%.o $(ARCHIVES)
	@$(CC) $(CFLAGS) $(LDFLAGS) $< -Wl,--start-group $(ARCHIVES) -Wl,--end-group $(LIBS) -o $@

-include $(shell find $(OUT)/obj -name '*.d' 2>/dev/null)
