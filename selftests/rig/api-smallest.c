// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest guest: 16 bytes of real-mode code that write to a port and
 * halt. The path from KVM_CREATE_VM to KVM_RUN and back, without an interrupt
 * controller.
 */
#include <stdio.h>
#include <string.h>
#include "vm.h"

static const u8 code[16] = {
	0xb8, 0x34, 0x12, /* mov $0x1234, %ax */
	0xba, 0x80, 0x00, /* mov $0x80, %dx */
	0xef,		  /* out %ax, %dx */
	0xa3, 0x00, 0x06, /* mov %ax, 0x600 */
	0xed,		  /* in %dx, %ax */
	0xa3, 0x02, 0x06, /* mov %ax, 0x602 */
	0xf4,		  /* hlt */
	0x90,
};

int main(void)
{
	struct vm *vm = vm_new(1 << 20);
	int cpu = vm_add_cpu(vm);
	struct kvm_run *run = vm->cpu[cpu].run;
	struct kvm_regs regs;
	int fd = vm->cpu[cpu].fd;

	vm_set_cpuid(vm, cpu, false);
	vm_real_mode(vm, cpu, 0x500);
	memcpy(vm->ram + 0x500, code, sizeof(code));

	tap_ok(ioctl(fd, KVM_RUN, 0) == 0, "KVM_RUN comes back");
	tap_ok(run->exit_reason == KVM_EXIT_IO, "the exit is I/O");
	if (run->exit_reason != KVM_EXIT_IO)
		tap_note("exit %u, hardware %llx", run->exit_reason, run->hw.hardware_exit_reason);
	tap_ok(run->io.port == 0x80 && run->io.size == 2 && run->io.count == 1 &&
		       run->io.direction == KVM_EXIT_IO_OUT,
	       "OUT of a word to port 0x80");
	tap_ok(*(u16 *)((u8 *)run + run->io.data_offset) == 0x1234, "it wrote 0x1234");
	tap_ok(*(u16 *)(vm->ram + 0x600) == 0, "the guest has not gone on");

	tap_ok(ioctl(fd, KVM_RUN, 0) == 0 && run->exit_reason == KVM_EXIT_IO, "the next is I/O");
	tap_ok(*(u16 *)(vm->ram + 0x600) == 0x1234, "the guest wrote to memory");
	tap_ok(run->io.direction == KVM_EXIT_IO_IN && run->io.size == 2, "IN of a word");
	*(u16 *)((u8 *)run + run->io.data_offset) = 0xbeef;

	tap_ok(ioctl(fd, KVM_RUN, 0) == 0 && run->exit_reason == KVM_EXIT_HLT, "then HLT");
	tap_ok(*(u16 *)(vm->ram + 0x602) == 0xbeef, "the guest got what IN was answered");
	tap_ok(ioctl(fd, KVM_GET_REGS, &regs) == 0 && regs.rip == 0x50f, "RIP is behind HLT");
	tap_ok((regs.rax & 0xffff) == 0xbeef && (regs.rdx & 0xffff) == 0x80, "registers");
	if (regs.rip != 0x50f)
		tap_note("rip %llx", regs.rip);
	vm_free(vm);
	return tap_done();
}
