// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's EPTs may map more than L1 has memory, and so make L0 hold tables: not more than a limit,
 * which the counters and the host's own accounts show; and whatever takes tables out, or rights
 * from their entries, does not hold the lock of the VM's memory for longer when there are many.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "machine.h"

#define IMAGE "/lib/abyme/guests/l2-tables.elf"
#define MIB (1ull << 20)
#define PAGE_KIB 4
#define SLACK 1024 /* pages that come and go in the host meanwhile */
/* Entries looked at in one hold: 7000 pages are mapped, and in a large VM 1200 tables. */
#define SHORT_HOLD 4096

static struct vm *vm;
static int stats;

/* In pages. */
static long meminfo(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	long kib = -1;
	size_t n = strlen(name);

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, n) && line[n] == ':')
			kib = atol(line + n + 1);
	if (file)
		fclose(file);
	if (kib < 0)
		tap_bail(name);
	return kib / PAGE_KIB;
}

/* The kernel counts on each processor by itself, and adds up now and then. */
static long table_pages(void)
{
	int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY);

	if (fd >= 0 && write(fd, "1", 1) < 0)
		tap_note("stat_refresh: errno %d", errno);
	close(fd);
	return meminfo("SecPageTables");
}

static void begin(u64 ram)
{
	u32 entry;

	vm = vm_new(ram);
	madvise(vm->ram, ram, MADV_NOHUGEPAGE);
	vm_irqchip(vm);
	entry = image_load(vm, IMAGE);
	if (!entry)
		tap_bail(IMAGE);
	image_start(vm, entry, true);
	stats = ioctl(vm->fd, KVM_GET_STATS_FD, 0);
}

static void next_mark(void)
{
	u8 status;

	if (image_run(vm, "# ", &status) != IMAGE_MARK)
		tap_bail("the image ended too early");
}

static void limited(void)
{
	long free, accounted, held, taken, seen;
	u64 few, many, limit;

	begin(32 * MIB);
	next_mark();
	free = meminfo("MemFree");
	accounted = table_pages();
	few = stat_value(stats, "ept_pages");
	next_mark();
	taken = free - meminfo("MemFree");
	seen = table_pages() - accounted;
	many = stat_value(stats, "ept_pages");
	limit = stat_value(stats, "ept_pages_limit");
	held = many - few;
	tap_note("%llu pages of tables, and then %llu, the limit is %llu; of the host went %ld, "
		 "SecPageTables rose by %ld",
		 (unsigned long long)few, (unsigned long long)many, (unsigned long long)limit,
		 taken, seen);
	tap_ok(many <= limit && limit < 512, "32 MiB of memory have tables for 32 MiB of memory");
	tap_ok(taken < held + SLACK, "6000 places that L2 touches take no more from the host");
	tap_ok(held > 100 && seen > held - 32 && seen < held + 32,
	       "the host accounts for them as page tables");
	next_mark();
	many = stat_value(stats, "ept_pages");
	tap_note("%llu pages after INVEPT", (unsigned long long)many);
	tap_ok(many < few + 16, "INVEPT gives them back");
}

/* Slots come and go, 2 MiB apart, and the guest touches each. */
static void gone_slots(void)
{
	static const u8 code[] = {
		0x8b, 0x03, 0xe6, 0x10, 0xeb, 0xfa
	}; /* mov (%ebx), %eax; out; jmp */
	struct kvm_regs regs;
	u64 tables, limit;

	vm = vm_new(MIB);
	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, false);
	memcpy(vm->ram + 0x8000, code, sizeof(code));
	vm_flat_mode(vm, 0, 0x8000);
	stats = ioctl(vm->fd, KVM_GET_STATS_FD, 0);
	for (u64 at = 0x10000000; at < 0x10000000 + 400 * 2 * MIB; at += 2 * MIB) {
		vm_set_region(vm->fd, 7, 0, at, 4096, vm->ram);
		ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs);
		regs.rbx = at;
		ioctl(vm->cpu[0].fd, KVM_SET_REGS, &regs);
		if (vm_next_out(vm, 0, 0x10) < 0)
			tap_bail("the guest is lost");
		vm_set_region(vm->fd, 7, 0, at, 0, vm->ram);
	}
	tables = stat_value(stats, "ept_pages");
	limit = stat_value(stats, "ept_pages_limit");
	tap_ok(tables <= limit, "400 slots that came and went left %llu tables of at most %llu",
	       (unsigned long long)tables, (unsigned long long)limit);
	close(stats);
	vm_free(vm);
}

static void expect_short_hold(const char *what)
{
	u64 hold = stat_value(stats, "ept_longest_hold");

	tap_note("at most %llu entries in one hold of the lock", (unsigned long long)hold);
	tap_ok(hold < SHORT_HOLD, "%s in short holds of the lock", what);
}

static void held_shortly(void)
{
	u8 *log = calloc(1, 1024 * MIB / 4096 / 8);
	struct kvm_dirty_log get = { .dirty_bitmap = log };

	begin(1024 * MIB);
	next_mark();
	next_mark();
	tap_note("%llu pages of tables", (unsigned long long)stat_value(stats, "ept_pages"));
	next_mark();
	expect_short_hold("a root of EPT02 is dropped");
	EXPECT_OK(vm_set_region(vm->fd, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, vm->ram_size, vm->ram),
		  "the dirty log begins");
	expect_short_hold("the dirty log begins");
	EXPECT_OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &get), "the log is taken");
	expect_short_hold("the log of 1 GiB is taken");
	EXPECT_OK(vm_set_region(vm->fd, 0, 0, 0, 0, vm->ram), "the memory goes");
	expect_short_hold("the memory goes");
	tap_ok(stat_value(stats, "ept_pages") < 8, "and its tables with it");
	free(log);
}

int main(void)
{
	limited();
	vm_free(vm);
	close(stats);
	held_shortly();
	gone_slots();
	return tap_done();
}
