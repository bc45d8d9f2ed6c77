// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ends HLT, shutdown and the wait for a SIPI, and what does not: an event that comes while
 * the vCPU sleeps there, to L1 and to an L2 whose L1 wants it or does not. What is blocked waits
 * as long as it is.
 * SDM: "Guest Non-Register State" (activity and interruptibility state), "HLT".
 */
#include <stdio.h>
#include <string.h>
#include <vmx/controls.h>
#include <vmx/info.h>
#include <vmx/vmcs.h>
#include "l1.h"

#define VECTOR 0x51
#define VMXON_REGION 0x10000 /* l1_put() makes it so */
#define RFLAGS_IF 0x200
#define LAPIC_TPR 0x80
#define LAPIC_SVR 0xf0

/* Ports: L1 or L2 goes on, L1 has an exit, a handler begins, and goes on after its HLT. */
enum { NOTHING = 0, GOES_ON = 0x20, EXITED, HANDLED = 0x23, AFTER_HLT = 0x25 };
enum event { NMI, IRQ, INIT, SIPI };

static struct vm *vm;
static int cpu_fd;

extern const u8 launches[], exited[], l2_next[], in_root[], plain[], handler[], code_end[];

/* 0x4402: exit reason */
asm(".pushsection .rodata\n"
    "launches:" L1_ENTERS "exited: mov $0x4402, %edx; vmread %rdx, %rax; out %eax, $0x21\n"
    "1: hlt; out %al, $0x20; jmp 1b\n"
    "l2_next: out %al, $0x20; hlt\n"
    "in_root: vmxon (%rsp)\n"
    "plain: 1: hlt; out %al, $0x20; jmp 1b\n"
    "handler: out %al, $0x23; hlt; out %al, $0x25; iretq\n"
    "code_end:\n"
    ".popsection\n");

static void lapic_set(int reg, u32 value)
{
	struct kvm_lapic_state lapic;

	if (ioctl(cpu_fd, KVM_GET_LAPIC, &lapic))
		tap_bail("KVM_GET_LAPIC");
	memcpy(lapic.regs + reg, &value, sizeof(value));
	if (ioctl(cpu_fd, KVM_SET_LAPIC, &lapic))
		tap_bail("KVM_SET_LAPIC");
}

static void begin(const u8 *code, const struct l1_setup *setup)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };

	vm = vm_new(L1_RAM);
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		tap_bail("KVM_CAP_SPLIT_IRQCHIP");
	vm_add_cpu(vm);
	cpu_fd = vm->cpu[0].fd;
	vm_set_cpuid(vm, 0, true);
	l1_put(vm, setup, code, handler - code);
	memcpy(vm->ram + L1_HANDLER, handler, code_end - handler);
	memcpy(vm->ram + L1_STACK, &(u64){ VMXON_REGION }, sizeof(u64));
	lapic_set(LAPIC_SVR, 0x1ff);
}

static void send(enum event event)
{
	static const u32 data[] = { [IRQ] = VECTOR, [INIT] = 5 << 8, [SIPI] = 6 << 8 | 0x9a };
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = data[event] };

	if (event == NMI ? ioctl(cpu_fd, KVM_NMI, 0) : ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) != 1)
		tap_bail("an event cannot be sent");
}

/* The next port, and if @value is not negative what is written there. */
static void expect(int port, int value, const char *what)
{
	const struct kvm_run *run = vm->cpu[0].run;
	int reason = vm_run(vm, 0), got = NOTHING, written = -1;

	if (reason == KVM_EXIT_IO) {
		got = run->io.port;
		written = *((const u8 *)run + run->io.data_offset);
	} else if (reason) {
		got = -reason;
	}
	tap_ok(got == port && (value < 0 || written == value), "%s", what);
	if (got != port)
		tap_note("wanted %#x, got %d (%#x)", port, got, got);
}

/* --- L1 ------------------------------------------------------------------- */

static void set_if(void)
{
	struct kvm_regs regs;

	if (ioctl(cpu_fd, KVM_GET_REGS, &regs))
		tap_bail("KVM_GET_REGS");
	regs.rflags |= RFLAGS_IF;
	if (ioctl(cpu_fd, KVM_SET_REGS, &regs))
		tap_bail("KVM_SET_REGS");
}

static void wake(void)
{
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };

	if (ioctl(cpu_fd, KVM_SET_MP_STATE, &mp))
		tap_bail("KVM_SET_MP_STATE");
}

/*
 * With NMIs unblocked: the emulated processor keeps virtual-NMI blocking to itself, and gives it
 * to the next VM (virtual_nmi in selftests/oracle/quirks.def).
 */
static void leave_handler(void)
{
	expect(NOTHING, -1, "its handler halts");
	wake();
	expect(AFTER_HLT, -1, "something else ends the handler's HLT");
	expect(GOES_ON, -1, "and IRET leads to L1");
	vm_free(vm);
}

static void nmi_in_l1(void)
{
	begin(plain, &(struct l1_setup){});
	expect(NOTHING, -1, "L1 halts");
	send(NMI);
	expect(HANDLED, -1, "an NMI ends it");
	expect(NOTHING, -1, "its handler halts");
	send(NMI);
	if (dev_is_kvm()) {
		tap_skip("KVM", "an NMI while NMIs are blocked does not end HLT");
		return vm_free(vm);
	}
	expect(NOTHING, -1, "an NMI while NMIs are blocked does not end HLT");
	wake();
	expect(AFTER_HLT, -1, "something else does");
	expect(HANDLED, -1, "and after IRET the NMI comes, before anything else");
	leave_handler();
}

static void interrupt_in_l1(void)
{
	begin(plain, &(struct l1_setup){});
	expect(NOTHING, -1, "L1 halts");
	send(IRQ);
	expect(NOTHING, -1, "an interrupt with IF clear does not end it");
	lapic_set(LAPIC_TPR, VECTOR & 0xf0);
	set_if();
	expect(NOTHING, -1, "nor with IF set one that TPR holds back");
	lapic_set(LAPIC_TPR, 0);
	expect(HANDLED, -1, "it does with neither");
	vm_free(vm);
}

static void nmi_in_root(void)
{
	begin(in_root, &(struct l1_setup){});
	expect(NOTHING, -1, "L1 halts in VMX operation");
	send(NMI);
	expect(HANDLED, -1, "an NMI ends it");
	leave_handler();
}

static void init_in_root(void)
{
	begin(in_root, &(struct l1_setup){});
	expect(NOTHING, -1, "L1 halts in VMX operation");
	send(INIT);
	expect(NOTHING, -1, "an INIT, which is blocked there, does not end it");
	send(SIPI);
	expect(NOTHING, -1, "nor does a SIPI");
	send(NMI);
	expect(HANDLED, -1, "an NMI does");
	leave_handler();
}

/* --- L2 ------------------------------------------------------------------- */

static const struct {
	const char *state;
	u32 activity, rflags, blocked;
	u32 pin;
	enum event event;
	int port, value; /* the exit's reason */
	const char *what;
} in_l2[] = {
	{ "HLT", ACTIVITY_HLT, 0, 0, 0, NMI, HANDLED, -1, "an NMI of its own ends it" },
	{ "HLT", ACTIVITY_HLT, 0, IRQBLK_NMI, 0, NMI, NOTHING, -1,
	  "an NMI of its own that is blocked does not end it" },
	{ "HLT", ACTIVITY_HLT, 0, 0, PIN_NMI_EXITING, NMI, EXITED, 0, "L1's NMI is an exit" },
	{ "HLT", ACTIVITY_HLT, 0, IRQBLK_NMI, PIN_NMI_EXITING, NMI, NOTHING, -1,
	  "L1's NMI is none while NMIs are blocked" },
	{ "HLT", ACTIVITY_HLT, 0, IRQBLK_NMI, PIN_NMI_EXITING | PIN_VIRTUAL_NMIS, NMI, EXITED, 0,
	  "L1's NMI is one while virtual NMIs are blocked" },
	{ "HLT", ACTIVITY_HLT, 0, 0, 0, IRQ, NOTHING, -1,
	  "an interrupt of its own with IF clear does not end it" },
	{ "HLT", ACTIVITY_HLT, RFLAGS_IF, 0, 0, IRQ, HANDLED, -1,
	  "an interrupt of its own with IF set ends it" },
	{ "HLT", ACTIVITY_HLT, 0, 0, PIN_EXT_INT_EXITING, IRQ, EXITED, 1,
	  "L1's interrupt is an exit, with IF clear" },
	{ "HLT", ACTIVITY_HLT, 0, 0, 0, INIT, EXITED, 3, "an INIT is an exit" },
	{ "HLT", ACTIVITY_HLT, 0, 0, 0, SIPI, NOTHING, -1, "a SIPI does nothing" },
	{ "shutdown", ACTIVITY_SHUTDOWN, RFLAGS_IF, 0, 0, IRQ, NOTHING, -1,
	  "an interrupt of its own does not end it" },
	{ "shutdown", ACTIVITY_SHUTDOWN, 0, 0, PIN_EXT_INT_EXITING, IRQ, NOTHING, -1,
	  "L1's interrupt is no exit" },
	{ "shutdown", ACTIVITY_SHUTDOWN, 0, IRQBLK_NMI, 0, NMI, NOTHING, -1,
	  "an NMI of its own that is blocked does not end it" },
	{ "shutdown", ACTIVITY_SHUTDOWN, 0, 0, PIN_NMI_EXITING, NMI, EXITED, 0,
	  "L1's NMI is an exit" },
	{ "shutdown", ACTIVITY_SHUTDOWN, 0, 0, 0, INIT, EXITED, 3, "an INIT is an exit" },
	{ "wait-for-SIPI", ACTIVITY_SIPI, RFLAGS_IF, 0, PIN_EXT_INT_EXITING, IRQ, NOTHING, -1,
	  "L1's interrupt is no exit" },
	{ "wait-for-SIPI", ACTIVITY_SIPI, 0, 0, PIN_NMI_EXITING, NMI, NOTHING, -1,
	  "L1's NMI is no exit" },
	{ "wait-for-SIPI", ACTIVITY_SIPI, 0, 0, 0, INIT, NOTHING, -1, "an INIT is no exit" },
	{ "wait-for-SIPI", ACTIVITY_SIPI, 0, 0, 0, SIPI, EXITED, 4, "a SIPI is an exit" },
};

static void test_l2(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(in_l2); i++) {
		const u64 more[][2] = { { VMCS_GUEST_ACTIVITY, in_l2[i].activity },
					{ VMCS_GUEST_RFLAGS, in_l2[i].rflags | 2 },
					{ VMCS_GUEST_INTERRUPTIBILITY, in_l2[i].blocked } };
		char what[128];

		begin(launches, &(struct l1_setup){ .pin = in_l2[i].pin,
						    .exit_rip = L1_CODE + (exited - launches),
						    .l2_rip = L1_CODE + (l2_next - launches),
						    .more = more,
						    .more_count = ARRAY_SIZE(more) });
		snprintf(what, sizeof(what), "L2 in %s: nothing ends it", in_l2[i].state);
		expect(NOTHING, -1, what);
		send(in_l2[i].event);
		snprintf(what, sizeof(what), "L2 in %s: %s", in_l2[i].state, in_l2[i].what);
		expect(in_l2[i].port, in_l2[i].value, what);
		vm_free(vm);
	}
}

int main(void)
{
	nmi_in_l1();
	interrupt_in_l1();
	nmi_in_root();
	init_in_root();
	if (!dev_is_kvm())
		test_l2();
	return tap_done();
}
