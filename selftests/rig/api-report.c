// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABYME_GET_ENTRY_REPORT, ABYME_SET_WATCH, ABYME_GET_NESTED_EXITS and
 * ABYME_GET_NESTED_COUNTS: what they refuse, and what they say of a vCPU that ran
 * no L2.
 */
#include <abyme.h>
#include <string.h>
#include "vm.h"

static struct abyme_entry_reports reports;
static struct abyme_nested_exits exits;
static struct abyme_nested_counts counts, zero;

static void reports_of(int fd)
{
	EXPECT_OK(ioctl(fd, ABYME_GET_ENTRY_REPORT, &reports), "ABYME_GET_ENTRY_REPORT");
	tap_ok(!reports.count && !reports.newest, "a new vCPU has no reports");
	reports.padding = 1;
	EXPECT_ERRNO(ioctl(fd, ABYME_GET_ENTRY_REPORT, &reports), EINVAL, "padding not 0");
	EXPECT_ERRNO(ioctl(fd, ABYME_GET_ENTRY_REPORT, NULL), EFAULT, "reports to NULL");
}

static void watch(int fd)
{
	struct abyme_watch w = { .flags = ABYME_WATCH_REPORTS };

	EXPECT_ERRNO(ioctl(fd, ABYME_SET_WATCH, &w), ENXIO, "ABYME_SET_WATCH without VMX in CPUID");
	w.flags = 1u << 31;
	EXPECT_ERRNO(ioctl(fd, ABYME_SET_WATCH, &w), EINVAL, "an unknown flag");
	w = (struct abyme_watch){ .padding = 1 };
	EXPECT_ERRNO(ioctl(fd, ABYME_SET_WATCH, &w), EINVAL, "padding not 0");
	EXPECT_ERRNO(ioctl(fd, ABYME_SET_WATCH, NULL), EFAULT, "a watch at NULL");
}

static void exits_of(int fd)
{
	EXPECT_OK(ioctl(fd, ABYME_GET_NESTED_EXITS, &exits), "ABYME_GET_NESTED_EXITS");
	tap_ok(!exits.count && !exits.newest, "a new vCPU has no exits of L2");
	exits.padding = 1;
	EXPECT_ERRNO(ioctl(fd, ABYME_GET_NESTED_EXITS, &exits), EINVAL, "padding not 0");
	exits.padding = 0;
	EXPECT_ERRNO(ioctl(fd, ABYME_GET_NESTED_EXITS, NULL), EFAULT, "exits to NULL");
}

static void counts_of(int fd)
{
	memset(&counts, 0xff, sizeof(counts));
	EXPECT_OK(ioctl(fd, ABYME_GET_NESTED_COUNTS, &counts), "ABYME_GET_NESTED_COUNTS");
	tap_ok(!memcmp(&counts, &zero, sizeof(zero)), "all of a new vCPU's are 0");
	EXPECT_ERRNO(ioctl(fd, ABYME_GET_NESTED_COUNTS, NULL), EFAULT, "counts to NULL");
}

/* With VMX there is something to watch; before VMXON nothing comes of it. */
static void watch_nested(int fd)
{
	struct abyme_watch w = { .flags = ABYME_WATCH_EXITS | ABYME_WATCH_REPORTS };

	EXPECT_OK(ioctl(fd, ABYME_SET_WATCH, &w), "ABYME_SET_WATCH");
	EXPECT_OK(ioctl(fd, ABYME_SET_WATCH, &w), "and again");
	exits_of(fd);
	counts_of(fd);
	w.flags = 0;
	EXPECT_OK(ioctl(fd, ABYME_SET_WATCH, &w), "and no more");
	exits_of(fd);
}

static void other_files(struct vm *vm)
{
	EXPECT_ERRNO(ioctl(vm->fd, ABYME_GET_NESTED_EXITS, &exits), ENOTTY, "on the VM's file");
	EXPECT_ERRNO(ioctl(vm->fd, ABYME_GET_NESTED_COUNTS, &counts), ENOTTY, "on the VM's file");
	EXPECT_ERRNO(ioctl(vm->fd, ABYME_GET_ENTRY_REPORT, &reports), ENOTTY, "on the VM's file");
}

int main(void)
{
	struct vm *vm = vm_new(1 << 20);

	if (dev_is_kvm())
		return EXIT_TAP_SKIP;
	vm_add_cpu(vm);
	reports_of(vm->cpu[0].fd);
	watch(vm->cpu[0].fd);
	exits_of(vm->cpu[0].fd);
	counts_of(vm->cpu[0].fd);
	vm_add_cpu(vm);
	vm_set_cpuid(vm, 1, true);
	watch_nested(vm->cpu[1].fd);
	other_files(vm);
	vm_free(vm);
	return tap_done();
}
