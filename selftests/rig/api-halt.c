// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CAP_X86_DISABLE_EXITS with HLT and MWAIT: the guest halts the processor itself, and what
 * ends that does so there; and MONITOR and MWAIT that exit. Real-mode code, without an irqchip.
 * Bochs leaves HLT at any exit: that an event ends HLT shows on a bare processor only.
 */
#include <string.h>
#include "vm.h"

#define PORT 0x10
#define IDLE 0x500
#define OTHER 0x520
#define HANDLER 0x540
#define VECTOR 0x41
#define VEC_UD 6
#define VEC_GP 13
#define MWAIT 0x560
#define FAULT 0x580
#define CPUID_MONITOR (1u << 3) /* CPUID.1:ECX */

static const u8 idle_code[] = { 0xfb, 0xf4, 0xeb, 0xfd };	    /* sti; hlt; jmp */
static const u8 other_code[] = { 0xb0, 1, 0xe6, PORT, 0xfb, 0xf4 }; /* out 1; sti; hlt */
static const u8 handler_code[] = { 0xb0, 2, 0xe6, PORT, 0xcf };	    /* out 2; iret */

/* %ecx is for MONITOR: xor eax, edx; monitor; xor ecx; sti; mwait; out 3; hlt */
static const u8 mwait_code[] = { 0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2, 0x0f, 0x01, 0xc8, 0x66, 0x31,
				 0xc9, 0xfb, 0x0f, 0x01, 0xc9, 0xb0, 3,	   0xe6, PORT, 0xf4 };
static const u8 fault_code[] = { 0xb0, 4, 0xe6, PORT, 0xf4 }; /* out 4; hlt */

static struct vm *vm;
static struct kvm_run *run;

static void expect(int want, const char *what)
{
	int got = vm_next_out(vm, 0, PORT);

	tap_ok(got == want, "%s", what);
	if (got != want)
		tap_note("wanted %d, got %d", want, got);
}

static void load_guest(void)
{
	memcpy(vm->ram + IDLE, idle_code, sizeof(idle_code));
	memcpy(vm->ram + OTHER, other_code, sizeof(other_code));
	memcpy(vm->ram + HANDLER, handler_code, sizeof(handler_code));
	*(u32 *)(vm->ram + VECTOR * 4) = HANDLER;
	*(u32 *)(vm->ram + VEC_GP * 4) = HANDLER;
	*(u32 *)(vm->ram + 2 * 4) = HANDLER;
	memcpy(vm->ram + MWAIT, mwait_code, sizeof(mwait_code));
	memcpy(vm->ram + FAULT, fault_code, sizeof(fault_code));
	*(u32 *)(vm->ram + VEC_UD * 4) = FAULT;
}

static void new_vm(u64 disabled)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_DISABLE_EXITS, .args = { disabled } };

	vm = vm_new(64u << 10);
	if (disabled)
		EXPECT_OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), "the instruction is not to exit");
	vm_add_cpu(vm);
	run = vm->cpu[0].run;
	vm_set_cpuid(vm, 0, false);
	load_guest();
	vm_real_mode(vm, 0, IDLE);
}

/* Userspace says that the guest has MONITOR and MWAIT. */
static void give_monitor(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[100];
	} cpuid = { .head.nent = 100 };

	if (ioctl(vm->cpu[0].fd, KVM_GET_CPUID2, &cpuid) < 0)
		tap_bail("KVM_GET_CPUID2");
	for (u32 i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entry[i].function == 1)
			cpuid.entry[i].ecx |= CPUID_MONITOR;
	if (ioctl(vm->cpu[0].fd, KVM_SET_CPUID2, &cpuid) < 0)
		tap_bail("KVM_SET_CPUID2");
}

static void go_to_mwait(u32 ecx)
{
	struct kvm_regs regs;

	if (ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs) < 0)
		tap_bail("KVM_GET_REGS");
	regs.rip = MWAIT;
	regs.rcx = ecx;
	if (ioctl(vm->cpu[0].fd, KVM_SET_REGS, &regs) < 0)
		tap_bail("KVM_SET_REGS");
}

static void test_mwait_exits(void)
{
	new_vm(0);
	go_to_mwait(0);
	if (dev_is_kvm()) /* which takes MONITOR for NOP there */
		tap_skip("KVM", "MONITOR raises #UD in a guest without it");
	else
		expect(4, "MONITOR raises #UD in a guest without it");
	vm_free(vm);
	new_vm(0);
	give_monitor();
	go_to_mwait(0);
	expect(3, "MWAIT that exits waits for nothing");
	go_to_mwait(1);
	if (dev_is_kvm())
		tap_skip("KVM", "an extension of MONITOR raises #GP");
	else
		expect(2, "an extension of MONITOR raises #GP");
	vm_free(vm);
}

static void test_mwait_waits(void)
{
	int dev = dev_open(), got;

	if (!(vm_cap(dev, KVM_CAP_X86_DISABLE_EXITS) & KVM_X86_DISABLE_EXITS_MWAIT)) {
		tap_skip("the processor has no MONITOR", "MWAIT of the guest's own");
		return;
	}
	new_vm(KVM_X86_DISABLE_EXITS_MWAIT);
	give_monitor();
	go_to_mwait(0);
	got = vm_next_out(vm, 0, PORT);
	if (got == -1) /* it may wait, and need not */
		got = vm_next_out(vm, 0, PORT);
	tap_ok(got == 3, "MWAIT of the guest's own comes to its end");
	vm_free(vm);
}

static void test_interrupt(void)
{
	struct kvm_interrupt irq = { VECTOR };

	EXPECT_OK(ioctl(vm->cpu[0].fd, KVM_INTERRUPT, &irq), "an interrupt is queued in HLT");
	expect(2, "it ends HLT");
	expect(-1, "the guest halts again");
}

static void test_nmi(void)
{
	EXPECT_OK(ioctl(vm->cpu[0].fd, KVM_NMI, 0), "an NMI is queued in HLT");
	expect(2, "it ends HLT");
	expect(-1, "the guest halts again");
}

static void test_exception(void)
{
	struct kvm_vcpu_events events;

	if (ioctl(vm->cpu[0].fd, KVM_GET_VCPU_EVENTS, &events) < 0)
		tap_bail("KVM_GET_VCPU_EVENTS");
	events.exception.injected = 1;
	events.exception.nr = VEC_GP;
	EXPECT_OK(ioctl(vm->cpu[0].fd, KVM_SET_VCPU_EVENTS, &events), "an exception is set in HLT");
	expect(2, "it is delivered");
	expect(-1, "the guest halts again");
}

static void test_registers(void)
{
	struct kvm_regs regs;

	if (ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs) < 0)
		tap_bail("KVM_GET_REGS");
	regs.rip = OTHER;
	EXPECT_OK(ioctl(vm->cpu[0].fd, KVM_SET_REGS, &regs), "RIP is set in HLT");
	expect(1, "the guest goes on there");
}

int main(void)
{
	new_vm(KVM_X86_DISABLE_EXITS_HLT);
	expect(-1, "HLT does not end KVM_RUN, a signal does");
	test_interrupt();
	test_nmi();
	test_exception();
	test_registers();
	vm_free(vm);
	test_mwait_exits();
	test_mwait_waits();
	return tap_done();
}
