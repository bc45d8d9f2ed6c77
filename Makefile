# SPDX-License-Identifier: GPL-2.0-only
# abyme: a minimal hypervisor for Intel VT-x whose guests can be hypervisors.

# make takes a space or a colon for the end of a name, and so does the kernel's build.
ifneq ($(words $(CURDIR))$(findstring :,$(CURDIR)),1)
$(error the path '$(CURDIR)' has a space or a colon; move the tree to one that has neither)
endif

TOP := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
B := $(TOP)/build
CACHE := $(or $(XDG_CACHE_HOME),$(or $(HOME),$(shell bash -c 'echo ~'))/.cache)/abyme
PREFIX ?= /usr/local

# Of two words uninstall would remove the first, which is another's.
ifneq ($(words x$(DESTDIR)$(PREFIX)x),1)
$(error DESTDIR '$(DESTDIR)' or PREFIX '$(PREFIX)' has a space; give one that has none)
endif

# Kernel to build the module for: KDIR, else the running kernel's headers, else
# the newest installed, else this machine's Debian's, which scripts/kernel unpacked.
newest = $(lastword $(shell ls -d $(1) 2>/dev/null | sort -V))
usable = $(if $(wildcard $(1)/Makefile),$(1))
kdir_given := $(filter-out undefined,$(origin KDIR))
KDIR ?= $(or $(call usable,/lib/modules/$(shell uname -r)/build),\
	$(call newest,/lib/modules/*/build/Makefile /usr/src/linux-headers-*-amd64/Makefile),\
	$(call newest,$(CACHE)/kernel/cloud/build/Makefile))
override KDIR := $(patsubst %/Makefile,%,$(strip $(KDIR)))
RELEASE := $(if $(KDIR),$(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' \
	$(KDIR)/include/generated/utsrelease.h 2>/dev/null))
# VARIANT=NAME: another directory under build/, for the checks.
module_dir := $(B)/$(or $(VARIANT),$(RELEASE))
MODULE := $(module_dir)/abyme.ko

# Of several words, as "ccache gcc", the first is the program.
compiler := $(shell command -v $(firstword $(CC)) 2>/dev/null)
override CC := $(if $(compiler),$(strip $(compiler) $(wordlist 2,$(words $(CC)),$(CC))))
need_cc = $(if $(CC),,$(error no C compiler; run scripts/setup or install gcc))
need_headers = $(if $(RELEASE),,$(error no kernel headers in '$(KDIR)'; \
	install linux-headers-$(shell uname -r), run scripts/kernel cloud, or give KDIR=DIRECTORY))

# V=1 shows whole commands, as in the kernel's build.
quiet = $(if $(V),,@echo "  $(1)      $(patsubst $(B)/%,%,$@)"; )

all: module launcher selftests

help:
	@sed -n 's/^#: //p' Makefile

#: make                 build the module, the launcher and the tests
#: make run             three Linux kernels, one in the other: L0, L1, L2
#: make run DEPTH=3     Linux on abyme on abyme on abyme, or as deep as DEPTH says
#: make unit            unit tests in userspace, seconds
#: make check           everything that must hold, some 35 minutes on two cores
#: make check-long      Linux as L2 in every variant of kvm_intel; KVM's selftests
#: make check-debug     the same tests on a kernel with KASAN and lockdep
#: make oracle SEEDS=N   numbered cases of nested VMX, on the processor and on abyme
#: make bench           counts of instructions and exits
#: make docs            docs/ pages that are made from the module's tables
#: make install         module, launcher, header, manual pages (PREFIX=, DESTDIR=)
#: make uninstall       and away again
#: make clean           remove build/
#: KDIR=DIRECTORY       kernel to build the module for
#: NEEDS=none           compile for it as far as it goes, whatever it lacks

# The module. Objects go to build/RELEASE/, so that several kernels fit: there each source is
# a link to where it stays. Without pahole the module has no BTF of its own, which nothing needs.
module: | need-headers need-cc
	@$(if $(filter none,$(NEEDS)),,sh kmod/compat/needs $(KDIR) || exit 1;) \
	mkdir -p $(module_dir) $(addprefix $(module_dir)/,$(shell find $(linked_dirs) -type d))
	@for file in Kbuild include $$(find $(linked_dirs) -type f); do \
		[ -L $(module_dir)/$$file ] || ln -sfnr $$file $(module_dir)/$$file; done
	@find $(module_dir) -xtype l -delete
	@flock $(module_dir)/.lock $(MAKE) --no-print-directory -C $(KDIR) M=$(module_dir) \
		$(if $(shell command -v pahole),,CONFIG_DEBUG_INFO_BTF_MODULES=) modules
	@$(if $(kdir_given),,$(note_release))

note_release = [ $(RELEASE) = "$$(uname -r)" ] || \
	echo "note: the module is for $(RELEASE), the running kernel is $$(uname -r)"

linked_dirs := kmod selftests/oracle/cover selftests/faults selftests/counts

need-headers:
	$(need_headers)@:
need-cc:
	$(need_cc)@:

# The launcher: every userspace/*.c, static so that an initramfs can carry it.
user_cflags := -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Wmissing-prototypes \
	-D_GNU_SOURCE -Iinclude -Iinclude/uapi -Iuserspace -MMD -MP
user_objects := $(patsubst %.c,$(B)/%.o,$(wildcard userspace/*.c))

launcher: $(if $(wildcard userspace/main.c),$(B)/abyme)

$(B)/abyme: $(user_objects)
	$(call quiet,LD)$(CC) -static -o $@.$$$$ $^ -lpthread && mv $@.$$$$ $@

$(B)/userspace/%.o: userspace/%.c | need-cc
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(user_cflags) -c -o $@ $<

# It carries the udev rule, for doctor --fix.
$(B)/userspace/doctor_change.o: scripts/60-abyme.rules

include selftests/selftests.mk

# What scripts/rig carries into the machine, for the kernel KDIR.
rig-parts: $(if $(KDIR),module) launcher guests rig-tests

run:
	@scripts/setup run
	@scripts/run-nest $(if $(DEPTH),--depth $(DEPTH)) $(RUN_OPTIONS)

check:
	@scripts/check $(CHECK_OPTIONS)

check-long:
	@scripts/check --long $(CHECK_OPTIONS)

check-debug:
	@scripts/check --debug $(CHECK_OPTIONS)

docs: | need-cc
	@CC="$(CC)" scripts/gen-docs

SEEDS ?= 0+600
oracle:
	@scripts/setup check
	@scripts/oracle $(ORACLE_OPTIONS) $(SEEDS)

bench:
	@scripts/setup run
	@scripts/bench $(BENCH_OPTIONS)

# Installing
tools := abyme-mac abyme-oci abyme-vms
bindir := $(DESTDIR)$(PREFIX)/bin
includedir := $(DESTDIR)$(PREFIX)/include
docdir := $(DESTDIR)$(PREFIX)/share/doc/abyme
man1dir := $(DESTDIR)$(PREFIX)/share/man/man1
man4dir := $(DESTDIR)$(PREFIX)/share/man/man4
completiondir := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
udevdir := $(DESTDIR)/etc/udev/rules.d
moduledir := $(DESTDIR)/lib/modules/$(RELEASE)/updates

install: module launcher
	install -D -m 755 $(B)/abyme $(bindir)/abyme
	install -m 755 $(addprefix scripts/lab/,$(tools)) $(bindir)
	install -D -m 644 docs/abyme.1 $(man1dir)/abyme.1
	install -m 644 $(tools:%=docs/%.1) $(man1dir)
	install -D -m 644 docs/abyme.4 $(man4dir)/abyme.4
	install -D -m 644 include/uapi/abyme.h $(includedir)/abyme.h
	install -D -m 644 docs/checks.md $(docdir)/checks.md
	install -D -m 644 docs/completions/abyme $(completiondir)/abyme
	install -D -m 644 scripts/60-abyme.rules $(udevdir)/60-abyme.rules
	install -D -m 644 $(MODULE) $(moduledir)/abyme.ko
	$(if $(DESTDIR),,depmod $(RELEASE))
	@$(if $(DESTDIR),,$(if $(kdir_given),$(note_release)))

# For whatever kernels it was installed: the running one may be newer, and without headers. Of one
# that is gone nothing is left but what is ours, and depmod would put its files there.
installed := $(wildcard $(DESTDIR)/lib/modules/*/updates/abyme.ko)
installed_for := $(installed:$(DESTDIR)/lib/modules/%/updates/abyme.ko=%)

uninstall:
	rm -f $(addprefix $(bindir)/,$(tools)) $(tools:%=$(man1dir)/%.1)
	rm -f $(bindir)/abyme $(man1dir)/abyme.1 $(man4dir)/abyme.4 $(includedir)/abyme.h \
		$(docdir)/checks.md $(completiondir)/abyme $(udevdir)/60-abyme.rules \
		$(installed)
	[ ! -d $(docdir) ] || rmdir --ignore-fail-on-non-empty $(docdir)
	$(if $(DESTDIR),,for release in $(installed_for); do \
		[ ! -e /lib/modules/$$release/modules.order ] || depmod $$release || exit; done)

clean:
	rm -rf $(B)

.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all help module need-headers need-cc launcher selftests rig-parts run check \
	check-long check-debug oracle bench docs install uninstall clean
-include $(user_objects:.o=.d)
