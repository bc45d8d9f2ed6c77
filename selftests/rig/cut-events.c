// SPDX-License-Identifier: GPL-2.0-only
/*
 * A software event whose delivery is cut short by memory that is not there, KVM_RUN ends with
 * EFAULT, and all of the machine goes to another VM, in QEMU's order: the event comes once all the
 * same, after its instruction. The image l2-cut says which page to take away, and whether it did.
 */
#include <errno.h>
#include <sys/mman.h>
#include "machine.h"

#define RAM (32u << 20)
#define PAGE 4096u

static struct vm *move(struct vm *vm)
{
	static struct machine m;

	if (machine_get(vm, &m, PART_CPUID))
		tap_bail("CPUID");
	machine_get_all(vm, &m, qemu_gets);
	vm = vm_inherit(vm);
	machine_set_all(vm, &m, qemu_sets);
	return vm;
}

/* Return: whether KVM_RUN missed the page at @gpa, which is not there meanwhile. */
static bool run_without(struct vm *vm, u64 gpa)
{
	bool missed;

	if (gpa >= RAM || mprotect(vm->ram + gpa, PAGE, PROT_NONE))
		tap_bail("mprotect");
	missed = ioctl(vm->cpu[0].fd, KVM_RUN, 0) == -1 && errno == EFAULT;
	if (mprotect(vm->ram + gpa, PAGE, PROT_READ | PROT_WRITE))
		tap_bail("mprotect");
	return missed;
}

int main(void)
{
	struct vm *vm = image_vm("l2-cut", RAM);
	unsigned int marks = 0, missed = 0;
	struct kvm_regs regs;
	enum image_end end;
	u8 status = 0;

	while ((end = image_run(vm, "    ", &status)) == IMAGE_MARK) {
		if (ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs))
			tap_bail("KVM_GET_REGS");
		marks++;
		missed += run_without(vm, regs.rbx);
		vm = move(vm);
	}
	tap_ok(marks == 10 && missed == marks, "each event is cut short: %u of %u", missed, marks);
	tap_ok(end == IMAGE_DONE && !status, "and comes once, after its instruction");
	vm_free(vm);
	return tap_done();
}
