// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts while L2 runs. Userspace has one, of its 8259A or of all its irqchip: L1 is
 * given an exit if it wants external interrupts so, else L2 has it, in another machine as
 * well if the state is saved before. And L1 ends its own in memory, of which L2 sees
 * nothing.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vmx/caps.h>
#include <vmx/controls.h>
#include <vmx/info.h>
#include <vmx/vmcs.h>
#include "l1.h"

#define EOI_BYTE 0x15000
#define L2_LOOPS 0x15008
#define VECTOR 0x51
#define MSR_KVM_PV_EOI_EN 0x4b564d04

#define EXIT_REASON_EXT_INT 1
#define EXIT_REASON_SIPI 4
#define ACTIVITY_WAIT_FOR_SIPI 3
#define RFLAGS_WITH_IF 0x202
#define STACK_PAGE 0x600000

/* Ports: what L2 says, what L1 says of the exit, and who gets an interrupt. */
enum { L2_SAYS = 0x20, REASON, INTR_INFO, INTERRUPTED, FAILED, L1_SEES, L2_SEES, ENDED };
_Static_assert(FAILED == L1_FAILED, "ports");

static struct vm *vm;
static int cpu_fd;
static struct kvm_run *run;

extern const u8 l1_code[], l1_exit[], l2_open[], l2_code[], l2_loops[], eoi_exit[], eoi_l2[],
	handler[], code_end[];

/* 0x4402: exit reason, 0x4404: interruption information */
asm(".pushsection .rodata\n"
    "l1_code:" L1_ENTERS "l1_exit: mov $0x4402, %edx; vmread %rdx, %rax; out %eax, $0x21\n"
    "mov $0x4404, %edx; vmread %rdx, %rax; out %eax, $0x22; sti; nop; hlt\n"
    "l2_open: sti; nop; out %al, $0x20; hlt\n"
    "l2_code: out %al, $0x20; sti; nop; out %al, $0x20; hlt\n"
    "l2_loops: incl 0x15008; out %al, $0x20; 1: incl 0x15008; jmp 1b\n"
    "eoi_exit: mov $0x4402, %edx; vmread %rdx, %rax; cmp $18, %eax; je 1f\n"
    "mov 0x15000, %al; out %al, $0x25; vmresume; out %al, $0x24\n"
    "1: btrl $0, 0x15000; sbb %eax, %eax; out %al, $0x27; hlt\n"
    "eoi_l2: out %al, $0x20; mov 0x15000, %al; out %al, $0x26; vmcall; hlt\n"
    "handler: out %al, $0x23; iretq\n"
    "code_end:\n"
    ".popsection\n");

/* --- the machine ---------------------------------------------------------- */

static u64 code_at(const u8 *label)
{
	return L1_CODE + (label - l1_code);
}

static void take(struct vm *v)
{
	vm = v;
	cpu_fd = vm->cpu[0].fd;
	run = vm->cpu[0].run;
}

/* @split: LAPICs in the kernel; else all of the irqchip is userspace's. */
static struct vm *empty_machine(bool split)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };
	struct vm *v = vm_new(L1_RAM);

	if (split && ioctl(v->fd, KVM_ENABLE_CAP, &cap))
		tap_bail("KVM_CAP_SPLIT_IRQCHIP");
	vm_add_cpu(v);
	vm_set_cpuid(v, 0, true);
	return v;
}

static void new_l1(bool split, struct l1_setup setup)
{
	alarm(10); /* nothing in here waits for long, but for what does not come */
	take(empty_machine(split));
	l1_put(vm, &setup, l1_code, handler - l1_code);
	memcpy(vm->ram + L1_HANDLER, handler, code_end - handler);
}

static void new_machine(bool split, u32 pin, u32 exit, const u8 *exit_code, const u8 *guest_code)
{
	new_l1(split, (struct l1_setup){ .pin = pin,
					 .exit = exit,
					 .exit_rip = code_at(exit_code),
					 .l2_rip = code_at(guest_code) });
}

static void copy(struct vm *to, unsigned long get, unsigned long set, void *state)
{
	if (ioctl(vm->cpu[0].fd, get, state) || ioctl(to->cpu[0].fd, set, state))
		tap_bail("state");
}

/* To another machine, as a client does it that is migrated. */
static void move(bool split)
{
	static union {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		struct kvm_vcpu_events events;
		struct kvm_mp_state mp;
		struct kvm_nested_state nested;
		u8 room[sizeof(struct kvm_nested_state) + 2 * KVM_STATE_NESTED_VMX_VMCS_SIZE];
	} state;
	struct vm *to = empty_machine(split);

	run->immediate_exit = 1; /* the last exit is finished */
	ioctl(cpu_fd, KVM_RUN, 0);
	memcpy(to->ram, vm->ram, L1_RAM);
	l1_set_msr(to, VMX_MSR_FEATURE_CONTROL, 5);
	copy(to, KVM_GET_SREGS, KVM_SET_SREGS, &state);
	state.nested.size = sizeof(state);
	copy(to, KVM_GET_NESTED_STATE, KVM_SET_NESTED_STATE, &state);
	copy(to, KVM_GET_REGS, KVM_SET_REGS, &state);
	copy(to, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, &state);
	copy(to, KVM_GET_MP_STATE, KVM_SET_MP_STATE, &state);
	vm_free(vm);
	take(to);
}

static void expect_out(u16 port, long value, const char *what)
{
	u32 got = 0;

	if (ioctl(cpu_fd, KVM_RUN, 0) < 0)
		tap_bail("KVM_RUN");
	if (run->exit_reason == KVM_EXIT_IO)
		memcpy(&got, (u8 *)run + run->io.data_offset, sizeof(got));
	tap_ok(run->exit_reason == KVM_EXIT_IO && run->io.port == port &&
		       (value < 0 || !memcmp(&got, &value, run->io.size)),
	       "%s", what);
	if (run->exit_reason != KVM_EXIT_IO || run->io.port != port)
		tap_note("exit reason %u, port %#x, value %#x", run->exit_reason, run->io.port,
			 got);
}

static void interrupt(void)
{
	struct kvm_interrupt irq = { .irq = VECTOR };

	EXPECT_OK(ioctl(cpu_fd, KVM_INTERRUPT, &irq), "KVM_INTERRUPT");
}

static void expect_window(const char *what)
{
	run->request_interrupt_window = 1;
	if (ioctl(cpu_fd, KVM_RUN, 0) < 0)
		tap_bail("KVM_RUN");
	tap_ok(run->exit_reason == KVM_EXIT_IRQ_WINDOW_OPEN, "%s", what);
	run->request_interrupt_window = 0;
}

static void l1_gets_the_vector(bool split)
{
	new_machine(split, PIN_EXT_INT_EXITING, EXITC_ACK_INT, l1_exit, l2_code);
	expect_out(L2_SAYS, -1, "L2 runs, with IF clear");
	tap_ok(run->ready_for_interrupt_injection && !run->if_flag,
	       "an interrupt would be taken in spite of IF");
	interrupt();
	expect_out(REASON, EXIT_REASON_EXT_INT, "L1 has an exit for an external interrupt");
	expect_out(INTR_INFO, 0x80000000 | VECTOR, "with the 8259A's vector");
	vm_free(vm);
}

static void l1_takes_it_itself(bool split)
{
	new_machine(split, PIN_EXT_INT_EXITING, 0, l1_exit, l2_code);
	expect_out(L2_SAYS, -1, "L2 runs, with IF clear");
	expect_window("the window is open in spite of IF");
	interrupt();
	expect_out(REASON, EXIT_REASON_EXT_INT, "L1 has an exit for an external interrupt");
	expect_out(INTR_INFO, -1, "without the vector");
	tap_ok(!run->ready_for_interrupt_injection, "the interrupt waits for L1's IF");
	expect_out(INTERRUPTED, -1, "and L1 takes it");
	vm_free(vm);
}

/* L2 has no exit of its own, at which L0 could look again. */
static void at_once(bool split)
{
	u32 loops;

	new_machine(split, PIN_EXT_INT_EXITING, EXITC_ACK_INT, l1_exit, l2_loops);
	expect_out(L2_SAYS, -1, "L2 runs, with IF clear, and will loop");
	expect_window("the window is open");
	memcpy(&loops, vm->ram + L2_LOOPS, sizeof(loops));
	tap_ok(loops == 1, "before L2 goes on");
	if (loops != 1)
		tap_note("L2 has looped %u times", loops);
	interrupt();
	expect_out(REASON, EXIT_REASON_EXT_INT, "L1 has its exit");
	vm_free(vm);
}

static void l2_gets_it(bool split)
{
	new_machine(split, 0, 0, l1_exit, l2_code);
	expect_out(L2_SAYS, -1, "L2 runs, with IF clear");
	tap_ok(!run->ready_for_interrupt_injection, "it would not take an interrupt");
	expect_window("the window opens with L2's IF");
	interrupt();
	expect_out(INTERRUPTED, -1, "L2 takes the interrupt");
	expect_out(L2_SAYS, -1, "and goes on");
	vm_free(vm);
}

static void queued_for_l1(bool split, const u8 *l2)
{
	new_machine(split, PIN_EXT_INT_EXITING, EXITC_ACK_INT, l1_exit, l2);
	expect_out(L2_SAYS, -1, l2 == l2_open ? "L2 runs, with IF set" : "L2 runs, with IF clear");
	interrupt();
	move(split);
	expect_out(REASON, EXIT_REASON_EXT_INT, "what was queued before a move is L1's exit");
	expect_out(INTR_INFO, 0x80000000 | VECTOR, "with its vector");
	vm_free(vm);
}

static void queued_for_l2(bool split)
{
	new_machine(split, 0, 0, l1_exit, l2_code);
	expect_out(L2_SAYS, -1, "L2 runs, with IF clear");
	interrupt();
	move(split);
	expect_out(INTERRUPTED, -1, "L2 takes what was queued before a move as its IF allows it");
	expect_out(L2_SAYS, -1, "and goes on");
	vm_free(vm);
}

/* L1's own, whose delivery finds L2's stack gone: it is L2's, in the other machine as well. */
static void in_delivery_to_l2(bool split)
{
	const u64 more[][2] = {
		{ VMCS_GUEST_RFLAGS, RFLAGS_WITH_IF },
		{ VMCS_GUEST_RSP, STACK_PAGE + 0x800 },
		{ VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXT | VECTOR },
	};
	void *stack = mmap(NULL, 0x1000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	new_l1(split, (struct l1_setup){ .pin = PIN_EXT_INT_EXITING,
					 .exit = EXITC_ACK_INT,
					 .exit_rip = code_at(l1_exit),
					 .l2_rip = code_at(l2_code),
					 .more = more,
					 .more_count = ARRAY_SIZE(more) });
	if (vm_set_region(vm->fd, 1, 0, STACK_PAGE, 0x1000, stack))
		tap_bail("memory for the stack");
	EXPECT_ERRNO(ioctl(cpu_fd, KVM_RUN, 0), EFAULT, "an interrupt finds no stack in L2");
	move(split);
	mprotect(stack, 0x1000, PROT_READ | PROT_WRITE);
	if (vm_set_region(vm->fd, 1, 0, STACK_PAGE, 0x1000, stack))
		tap_bail("memory for the stack");
	expect_out(INTERRUPTED, -1, "after a move, with a stack, L2 takes it");
	expect_out(L2_SAYS, -1, "and goes on");
	vm_free(vm);
	munmap(stack, 0x1000);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* L2 waits for a SIPI, which comes just before the state is saved. */
static void latched_sipi(void)
{
	const u64 more[][2] = { { VMCS_GUEST_ACTIVITY, ACTIVITY_WAIT_FOR_SIPI } };
	struct kvm_msi sipi = { .address_lo = 0xfee00000, .data = 6 << 8 | 0x9a };
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp;

	new_l1(true, (struct l1_setup){ .exit_rip = code_at(l1_exit),
					.l2_rip = code_at(l2_code),
					.more = more,
					.more_count = ARRAY_SIZE(more) });
	alarm(1);
	EXPECT_ERRNO(ioctl(cpu_fd, KVM_RUN, 0), EINTR, "L2 waits for a SIPI");
	if (ioctl(vm->fd, KVM_SIGNAL_MSI, &sipi) != 1)
		tap_bail("KVM_SIGNAL_MSI");
	if (ioctl(cpu_fd, KVM_GET_MP_STATE, &mp) || ioctl(cpu_fd, KVM_GET_VCPU_EVENTS, &events))
		tap_bail("state");
	tap_ok(mp.mp_state == KVM_MP_STATE_SIPI_RECEIVED && events.sipi_vector == 0x9a &&
		       (events.flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR),
	       "one that came is in the state, with its vector");
	move(true);
	expect_out(REASON, EXIT_REASON_SIPI, "after a move it is L1's exit");
	vm_free(vm);
}

static u32 lapic_reg(int reg, const u32 *set)
{
	struct kvm_lapic_state lapic;
	u32 value;

	if (ioctl(cpu_fd, KVM_GET_LAPIC, &lapic))
		tap_bail("KVM_GET_LAPIC");
	memcpy(&value, lapic.regs + reg, sizeof(value));
	if (!set)
		return value;
	memcpy(lapic.regs + reg, set, sizeof(*set));
	if (ioctl(cpu_fd, KVM_SET_LAPIC, &lapic))
		tap_bail("KVM_SET_LAPIC");
	return value;
}

/* What L1 could end in memory stays so until it is in L1 again, and L2 sees none of it. */
static void l1_ends_it_in_memory(void)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VECTOR };

	new_machine(true, PIN_EXT_INT_EXITING, EXITC_ACK_INT, eoi_exit, eoi_l2);
	l1_set_msr(vm, MSR_KVM_PV_EOI_EN, EOI_BYTE | 1);
	lapic_reg(0xf0, &(u32){ 0x1ff });
	expect_out(L2_SAYS, -1, "L2 runs, and L1 ends interrupts in memory");
	if (ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) != 1)
		tap_bail("KVM_SIGNAL_MSI");
	expect_out(L1_SEES, 1, "L1 has an exit for its interrupt, and may end it in memory");
	expect_out(L2_SEES, 0, "it resumes L2, which sees nothing of that");
	tap_ok(lapic_reg(0x120, NULL) == 1u << (VECTOR & 31), "the interrupt is in service");
	expect_out(ENDED, 0xff, "L2 calls L1, which ends it");
	tap_ok(!lapic_reg(0x120, NULL), "it is in service no more");
	vm_free(vm);
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	for (int split = dev_is_kvm(); split < 2; split++) {
		tap_note(split ? "a split irqchip" : "no irqchip");
		l1_gets_the_vector(split);
		l1_takes_it_itself(split);
		l2_gets_it(split);
		if (dev_is_kvm())
			continue;
		at_once(split);
		queued_for_l1(split, l2_code);
		queued_for_l2(split);
		in_delivery_to_l2(split);
	}
	if (!dev_is_kvm()) {
		queued_for_l1(false, l2_open);
		latched_sipi();
	}
	l1_ends_it_in_memory();
	return tap_done();
}
