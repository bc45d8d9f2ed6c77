// SPDX-License-Identifier: GPL-2.0-only
/* ABYME_GET_ENTRY_REPORT and ABYME_SET_WATCH: what they refuse. */
#include <abyme.h>
#include "vm.h"

static struct abyme_entry_reports reports;

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

static void other_files(struct vm *vm)
{
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
	other_files(vm);
	vm_free(vm);
	return tap_done();
}
