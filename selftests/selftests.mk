# SPDX-License-Identifier: GPL-2.0-only
# How tests are built; selftests/README.md says how to add one.

S := $(B)/selftests

selftests: guests rig-tests unit-tests

# Guest images: their own Makefile knows how.
guests: | need-cc
	@mkdir -p $(S)/guests
	@flock $(S)/guests/.lock $(MAKE) --no-print-directory -C selftests/guests O=$(S)/guests

# Rig tests: static programs and shell scripts that run in L0.
rig_cflags := -std=gnu11 -O2 -g -Wall -Wextra -D_GNU_SOURCE \
	-Iinclude -Iinclude/uapi -Iselftests/rig -MMD -MP
rig_lib := $(patsubst %.c,$(S)/obj/%.o,$(wildcard selftests/rig/lib/*.c))
rig_programs := $(patsubst selftests/rig/%.c,$(S)/rig/%,$(wildcard selftests/rig/*.c))
rig_scripts := $(patsubst selftests/rig/%,$(S)/rig/%,$(wildcard selftests/rig/*.sh))
rig_data := $(patsubst selftests/rig/%,$(S)/rig/%,$(wildcard selftests/rig/*.limit selftests/rig/*.inc))

rig_outputs := $(rig_programs) $(rig_scripts) $(rig_data) $(S)/rig/run-tests
rig-tests: $(rig_outputs)
	@rm -f $(filter-out $(rig_outputs),$(wildcard $(S)/rig/*))

$(S)/rig/%: $(S)/obj/selftests/rig/%.o $(rig_lib)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) -static -o $@.o $^ -lpthread && mv $@.o $@

$(S)/rig/%.sh: selftests/rig/%.sh
	@mkdir -p $(@D)
	@install -m 755 $< $@

$(rig_data): $(S)/rig/%: selftests/rig/%
	@mkdir -p $(@D)
	@install -m 644 $< $@

$(S)/rig/run-tests: selftests/run-tests
	@mkdir -p $(@D)
	@install -m 755 $< $@

$(S)/obj/selftests/rig/%.o: selftests/rig/%.c | need-cc
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(rig_cflags) -c -o $@ $<

# A client as kvmtool is, of the launcher's parts and the rig tests'.
client_objects := $(patsubst %.c,$(S)/obj/%.o,$(wildcard selftests/clients/kvmtool/*.c))
client_parts := $(patsubst %,$(B)/userspace/%.o,boot bzimage cmos err i8042 image memory mptable multiboot \
	pc power serial units)

kvmtool-like: $(S)/kvmtool-like
$(S)/kvmtool-like: $(client_objects) $(client_parts) $(rig_lib)
	$(call quiet,LD)$(CC) -static -o $@.o $^ -lpthread && mv $@.o $@

$(S)/obj/selftests/clients/%.o: selftests/clients/%.c | need-cc
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(rig_cflags) -Iuserspace -c -o $@ $<

# Unit tests: the comment "sources: ..." near the top of selftests/unit/test_*.c
# names the pure sources that the test links with.
unit_cflags := -std=gnu11 -g -O1 -Wall -Wextra -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined -Iinclude -Iinclude/uapi -Ikmod -Iuserspace -D_GNU_SOURCE -MMD -MP
unit_tests := $(wildcard selftests/unit/test_*.c)
unit_programs := $(patsubst selftests/unit/%.c,$(S)/unit/%,$(unit_tests))
unit_sources = $(shell sed -n '1,20{s/\*\///;s/.*sources://p}' $(1))
unit_objects = $(patsubst %.c,$(S)/unit/obj/%.o,$(1) $(call unit_sources,$(1)))

need_cmocka = $(if $(shell $(CC) -E -x c -include cmocka.h /dev/null >/dev/null 2>&1 && echo yes),,\
	$(error no cmocka.h; run scripts/setup or install libcmocka-dev))
need-cmocka: | need-cc
	$(need_cmocka)@:

unit-tests: $(unit_programs)

define unit_rule
$(S)/unit/$(basename $(notdir $(1))): $(call unit_objects,$(1))
endef
$(foreach test,$(unit_tests),$(eval $(call unit_rule,$(test))))

$(unit_programs):
	$(call quiet,LD)$(CC) -fsanitize=address,undefined -o $@ $^ -lcmocka

$(S)/unit/obj/%.o: %.c | need-cc need-cmocka
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(unit_cflags) -c -o $@ $<

# The pages that are made from the tables are made from the same pure sources.
unit:
	@$(or $(CC),cc) -E -x c -include cmocka.h /dev/null >/dev/null 2>&1 || scripts/setup unit
	@$(MAKE) --no-print-directory unit-tests
	@CC="$(CC)" scripts/gen-docs --check
	@scripts/run-unit $(S)/unit $(notdir $(unit_programs))

.PHONY: selftests guests rig-tests need-cmocka unit-tests unit
-include $(wildcard $(S)/obj/selftests/rig/*.d $(S)/obj/selftests/rig/lib/*.d)
-include $(shell find $(S)/unit/obj -name '*.d' 2>/dev/null)
