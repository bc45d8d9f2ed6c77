// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts while L2 runs. With a split irqchip userspace's 8259A has one: L1 is given
 * an exit if it wants external interrupts so, else L2 has it. And L1 ends its own in
 * memory, of which L2 sees nothing.
 */
#include <string.h>
#include <unistd.h>
#include <vmx/caps.h>
#include <vmx/controls.h>
#include <vmx/gpr.h>
#include <vmx/vmcs.h>
#include "vm.h"

#define CODE 0x8000
#define HANDLER 0x8800
#define FIELDS 0xe000 /* pairs of field and value */
#define VMXON_REGION 0x10000
#define VMCS 0x11000
#define L1_STACK 0x13000
#define L2_STACK 0x14000
#define RAM_SIZE 0x200000
#define EOI_BYTE 0x15000
#define VECTOR 0x51

#define EXIT_REASON_EXT_INT 1
#define RFLAGS 2
#define RFLAGS_IF 0x200

/* Ports: what L2 says, what L1 says of the exit, and who gets an interrupt. */
enum { L2_SAYS = 0x20, REASON, INTR_INFO, INTERRUPTED, FAILED, L1_SEES, L2_SEES, ENDED };

static struct vm *vm;
static int cpu_fd;
static struct kvm_run *run;

extern const u8 l1_code[], l1_exit[], l2_code[], eoi_exit[], eoi_l2[], handler[], code_end[];

/* RBX: for MSR_KVM_PV_EOI_EN. 0x4402: exit reason, 0x4404: interruption information */
asm(".pushsection .rodata\n"
    "l1_code: mov $0x4b564d04, %ecx; xor %edx, %edx; mov %ebx, %eax; wrmsr\n"
    "movq $0x10000, (%rsp); vmxon (%rsp)\n"
    "movq $0x11000, (%rsp); vmclear (%rsp); vmptrld (%rsp)\n"
    "mov $0xe000, %esi\n"
    "1: lodsq; mov %rax, %rdx; lodsq; test %rdx, %rdx; js 2f; vmwrite %rax, %rdx; jmp 1b\n"
    "2: vmlaunch; out %al, $0x24\n"
    "l1_exit: mov $0x4402, %edx; vmread %rdx, %rax; out %eax, $0x21\n"
    "mov $0x4404, %edx; vmread %rdx, %rax; out %eax, $0x22; sti; nop; hlt\n"
    "l2_code: out %al, $0x20; sti; nop; out %al, $0x20; hlt\n"
    "eoi_exit: mov $0x4402, %edx; vmread %rdx, %rax; cmp $18, %eax; je 1f\n"
    "mov 0x15000, %al; out %al, $0x25; vmresume; out %al, $0x24\n"
    "1: btrl $0, 0x15000; sbb %eax, %eax; out %al, $0x27; hlt\n"
    "eoi_l2: out %al, $0x20; mov 0x15000, %al; out %al, $0x26; vmcall; hlt\n"
    "handler: out %al, $0x23; iretq\n"
    "code_end:\n"
    ".popsection\n");

/* --- L1's VMCS ------------------------------------------------------------ */

static u64 *next_field;

static void field(u64 encoding, u64 value)
{
	*next_field++ = encoding;
	*next_field++ = value;
}

static u64 get_msr(u32 index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry.index = index };

	if (ioctl(cpu_fd, KVM_GET_MSRS, &m) != 1)
		tap_bail("KVM_GET_MSRS");
	return m.entry.data;
}

static void control(u64 encoding, u32 msr, u32 want)
{
	field(encoding, ctl_adjust(ctl_from_msr(get_msr(msr)), want));
}

static void segments(void)
{
	static const u64 data[] = { SEG_ES, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

	for (size_t i = 0; i < ARRAY_SIZE(data); i++) {
		field(VMCS_SEG_SEL(data[i]), 16);
		field(VMCS_SEG_LIMIT(data[i]), ~0u);
		field(VMCS_SEG_AR(data[i]), 0xc093);
	}
	field(VMCS_SEG_SEL(SEG_CS), 8);
	field(VMCS_SEG_LIMIT(SEG_CS), ~0u);
	field(VMCS_SEG_AR(SEG_CS), 0xa09b);
	field(VMCS_SEG_AR(SEG_LDTR), 0x10000);
	field(VMCS_SEG_LIMIT(SEG_TR), 0x67);
	field(VMCS_SEG_AR(SEG_TR), 0x8b);
	field(VMCS_HOST_CS_SEL, 8);
	field(VMCS_HOST_SS_SEL, 16);
	field(VMCS_HOST_TR_SEL, 16); /* anything but 0 */
}

/* What is not written here is 0. */
static void put_fields(u32 pin, u32 exit, const u8 *exit_code, const u8 *guest_code)
{
	next_field = (u64 *)(vm->ram + FIELDS);
	control(VMCS_PIN_CTLS, VMX_MSR_TRUE_PIN, pin);
	control(VMCS_PROC_CTLS, VMX_MSR_TRUE_PROC, 0);
	control(VMCS_EXIT_CTLS, VMX_MSR_TRUE_EXIT, exit | EXITC_HOST_64);
	control(VMCS_ENTRY_CTLS, VMX_MSR_TRUE_ENTRY, ENTRYC_GUEST_64);
	segments();
	field(VMCS_LINK_POINTER, ~0ull);
	field(VMCS_GUEST_CR0, LONG_CR0);
	field(VMCS_GUEST_CR3, LONG_TABLES);
	field(VMCS_GUEST_CR4, LONG_CR4);
	field(VMCS_GUEST_GDTR_BASE, LONG_GDT);
	field(VMCS_GUEST_GDTR_LIMIT, 23);
	field(VMCS_GUEST_IDTR_BASE, LONG_IDT);
	field(VMCS_GUEST_IDTR_LIMIT, LONG_VECTORS * 16 - 1);
	field(VMCS_GUEST_DR7, 0x400);
	field(VMCS_GUEST_RSP, L2_STACK);
	field(VMCS_GUEST_RIP, CODE + (guest_code - l1_code));
	field(VMCS_GUEST_RFLAGS, RFLAGS);
	field(VMCS_HOST_CR0, LONG_CR0);
	field(VMCS_HOST_CR3, LONG_TABLES);
	field(VMCS_HOST_CR4, LONG_CR4);
	field(VMCS_HOST_GDTR_BASE, LONG_GDT);
	field(VMCS_HOST_IDTR_BASE, LONG_IDT);
	field(VMCS_HOST_RSP, L1_STACK);
	field(VMCS_HOST_RIP, CODE + (exit_code - l1_code));
	field(~0ull, 0);
}

/* --- the machine ---------------------------------------------------------- */

static void put_region(u64 at)
{
	u32 revision = get_msr(VMX_MSR_BASIC);

	memset(vm->ram + at, 0, 0x1000);
	memcpy(vm->ram + at, &revision, sizeof(revision));
}

static void unlock_vmx(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = VMX_MSR_FEATURE_CONTROL, .data = 5 } };

	if (ioctl(cpu_fd, KVM_SET_MSRS, &m) != 1)
		tap_bail("IA32_FEATURE_CONTROL");
}

static void new_machine(u32 pin, u32 exit, const u8 *exit_code, const u8 *guest_code, u64 pv_eoi)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };
	struct kvm_regs regs = { .rip = CODE, .rflags = RFLAGS, .rsp = L1_STACK, .rbx = pv_eoi };

	vm = vm_new(RAM_SIZE);
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		tap_bail("KVM_CAP_SPLIT_IRQCHIP");
	vm_add_cpu(vm);
	cpu_fd = vm->cpu[0].fd;
	run = vm->cpu[0].run;
	vm_set_cpuid(vm, 0, true);
	unlock_vmx();
	put_region(VMXON_REGION);
	put_region(VMCS);
	put_fields(pin, exit, exit_code, guest_code);
	memcpy(vm->ram + CODE, l1_code, code_end - l1_code);
	memcpy(vm->ram + HANDLER, handler, code_end - handler);
	vm_long_mode(vm, 0, HANDLER);
	if (ioctl(cpu_fd, KVM_SET_REGS, &regs))
		tap_bail("KVM_SET_REGS");
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

static void l1_gets_the_vector(void)
{
	new_machine(PIN_EXT_INT_EXITING, EXITC_ACK_INT, l1_exit, l2_code, 0);
	expect_out(L2_SAYS, -1, "L2 runs, with IF clear");
	tap_ok(run->ready_for_interrupt_injection && !run->if_flag,
	       "an interrupt would be taken in spite of IF");
	interrupt();
	expect_out(REASON, EXIT_REASON_EXT_INT, "L1 has an exit for an external interrupt");
	expect_out(INTR_INFO, 0x80000000 | VECTOR, "with the 8259A's vector");
	vm_free(vm);
}

static void l1_takes_it_itself(void)
{
	new_machine(PIN_EXT_INT_EXITING, 0, l1_exit, l2_code, 0);
	expect_out(L2_SAYS, -1, "L2 runs, with IF clear");
	expect_window("the window is open in spite of IF");
	interrupt();
	expect_out(REASON, EXIT_REASON_EXT_INT, "L1 has an exit for an external interrupt");
	expect_out(INTR_INFO, -1, "without the vector");
	tap_ok(!run->ready_for_interrupt_injection, "the interrupt waits for L1's IF");
	expect_out(INTERRUPTED, -1, "and L1 takes it");
	vm_free(vm);
}

static void l2_gets_it(void)
{
	new_machine(0, 0, l1_exit, l2_code, 0);
	expect_out(L2_SAYS, -1, "L2 runs, with IF clear");
	tap_ok(!run->ready_for_interrupt_injection, "it would not take an interrupt");
	expect_window("the window opens with L2's IF");
	interrupt();
	expect_out(INTERRUPTED, -1, "L2 takes the interrupt");
	expect_out(L2_SAYS, -1, "and goes on");
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

	new_machine(PIN_EXT_INT_EXITING, EXITC_ACK_INT, eoi_exit, eoi_l2, EOI_BYTE | 1);
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
	l1_gets_the_vector();
	l1_takes_it_itself();
	l2_gets_it();
	l1_ends_it_in_memory();
	return tap_done();
}
