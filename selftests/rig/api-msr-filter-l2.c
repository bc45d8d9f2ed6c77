// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_X86_SET_MSR_FILTER while L2 runs, whose L1 asks for no MSR: what L0 has let L2 read without an
 * exit is denied from then on, and no longer than the filter is there.
 */
#include <string.h>
#include <vmx/controls.h>
#include <vmx/vmcs.h>
#include "l1.h"

#define FS_BASE 0xc0000100u
#define DEBUGCTL 0x1d9u
#define BITMAP 0x18000 /* of L1's, all 0: L2's accesses are not L1's business */

enum { READ = 0x20, EXITED };

static struct vm *vm;

extern const u8 launches[], exited[], reads_fs[], reads_debugctl[], code_end[];

asm(".pushsection .rodata\n"
    "launches:" L1_ENTERS "exited: out %al, $0x21\n"
    "reads_fs: mov $0xc0000100, %ecx; 1: rdmsr; out %al, $0x20; jmp 1b\n"
    "reads_debugctl: mov $0x1d9, %ecx; 1: rdmsr; out %al, $0x20; jmp 1b\n"
    "code_end:\n"
    ".popsection\n");

/* Every MSR but @index may be read; 0: every one. */
static void deny(u32 index)
{
	static u8 none[8];
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };

	if (index)
		filter.ranges[0] = (struct kvm_msr_filter_range){ .flags = KVM_MSR_FILTER_READ,
								  .nmsrs = 1,
								  .base = index,
								  .bitmap = none };
	if (ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter))
		tap_bail("KVM_X86_SET_MSR_FILTER");
}

/* Runs to the end of L2's next read. Return: was userspace asked for the value? */
static bool is_asked(u32 index)
{
	struct kvm_run *run = vm->cpu[0].run;
	bool asked = false;
	int reason = vm_run(vm, 0);

	if (reason == KVM_EXIT_X86_RDMSR) {
		asked = run->msr.index == index;
		run->msr.error = 0;
		run->msr.data = 0;
		reason = vm_run(vm, 0);
	}
	if (reason != KVM_EXIT_IO || run->io.port != READ) {
		tap_note("exit %d, port %#x", reason, run->io.port);
		tap_bail("L2 is lost");
	}
	return asked;
}

static void filtered(const u8 *code, u32 index, const char *name)
{
	static const u64 more[][2] = { { VMCS_MSR_BITMAP, BITMAP } };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR,
				      .args[0] = KVM_MSR_EXIT_REASON_FILTER };

	vm = vm_new(L1_RAM);
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		tap_bail("KVM_CAP_X86_USER_SPACE_MSR");
	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, true);
	l1_put(vm,
	       &(struct l1_setup){
		       .proc = PROC_MSR_BITMAPS,
		       .exit_rip = L1_CODE + (exited - launches),
		       .l2_rip = L1_CODE + (code - launches),
		       .more = more,
		       .more_count = ARRAY_SIZE(more),
	       },
	       launches, code_end - launches);
	tap_ok(!is_asked(index) && !is_asked(index), "L2 reads %s", name);
	deny(index);
	tap_ok(is_asked(index) && is_asked(index), "a filter denies it");
	deny(0);
	tap_ok(!is_asked(index) && !is_asked(index), "and gone, it does not");
	vm_free(vm);
}

int main(void)
{
	filtered(reads_fs, FS_BASE, "IA32_FS_BASE");
	filtered(reads_debugctl, DEBUGCTL, "IA32_DEBUGCTL");
	return tap_done();
}
