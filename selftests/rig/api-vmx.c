// SPDX-License-Identifier: GPL-2.0-only
/*
 * What L1's VMX instructions meet that userspace decides: IA32_FEATURE_CONTROL as
 * firmware left it, operands in a read-only slot or in a device of userspace's, and fields of
 * a feature that userspace withdraws.
 */
#include <string.h>
#include "vm.h"

/* Guest-physical addresses */
#define CODE 0x8000
#define HANDLER 0x8800
#define VMXON_REGION 0x10000
#define VMCS 0x11000
#define DATA 0x12000
#define ROM 0x200000
#define DEVICE 0x600000
#define RAM (ROM + 0x1000)

#define MSR_FEATURE_CONTROL 0x3a
#define MSR_VMX_BASIC 0x480
#define MSR_VMX_PROC2 0x48b
#define MSR_VMX_TRUE_PIN 0x48d
#define MSR_VMX_VMFUNC 0x491
#define MAY_VMFUNC (1ull << (32 + 13))
#define PREEMPT_TIMER (1ull << (32 + 6)) /* may be 1 */
#define FIELD_PREEMPT_TIMER 0x482e	 /* which the processor may serve from a shadow VMCS */
#define LOCKED 1
#define VMX 4

#define FLAG_CF 0x01
#define FLAG_ZF 0x40
#define FAULT 0xee /* the handler says it, whatever the vector */
static struct vm *vm;
static int cpu_fd;
static struct kvm_run *run;

/* AL goes to port 0x10: CF and ZF after a VMX instruction. RBX: the operand's address. */
extern const u8 code_vmxon[], code_lock[], code_pointers[], code_data[], code_field[], code_clear[],
	handler[], handler_end[];

#define SAY_FLAGS "pushfq; pop %rax; and $0x41, %al; out %al, $0x10\n"
#define VMXON "movq $0x10000, (%rsp); vmxon (%rsp)\n"
#define USE_VMCS "movq $0x11000, (%rsp); vmclear (%rsp); vmptrld (%rsp)\n"

asm(".pushsection .rodata\n"
    "code_vmxon:" VMXON SAY_FLAGS "vmxoff; hlt\n"
    "code_lock: mov $0x3a, %ecx; xor %edx, %edx; mov $5, %eax; wrmsr\n" VMXON SAY_FLAGS
    "vmxoff; mov $5, %eax; wrmsr; hlt\n"
    "code_pointers:" VMXON USE_VMCS "vmptrst (%rbx)\n" SAY_FLAGS "vmptrld (%rbx)\n" SAY_FLAGS
    "vmclear (%rbx)\n" SAY_FLAGS "vmxoff; hlt\n"
    /* Host RIP exits; guest RIP the processor may serve from a shadow VMCS of L0's. */
    "code_data:" VMXON USE_VMCS "mov $0x6c16, %edx\n"
    "1: mov $0x12, %ecx; vmwrite %rcx, %rdx; vmread %rdx, (%rbx)\n" SAY_FLAGS
    "vmwrite (%rbx), %rdx\n" SAY_FLAGS "vmread %rdx, %rax; out %al, $0x10\n"
    "xor $0x6c16 ^ 0x681e, %edx; cmp $0x681e, %edx; je 1b\n"
    "vmxoff; hlt\n"
    "code_clear:" VMXON USE_VMCS "vmclear (%rbx)\n" SAY_FLAGS "vmxoff; hlt\n"
    "code_field:" VMXON USE_VMCS "vmwrite %rbx, %rbx\n" SAY_FLAGS "vmread %rbx, %rcx\n" SAY_FLAGS
    "vmxoff; hlt\n"
    "handler: mov $0xee, %al; out %al, $0x10; hlt\n"
    "handler_end:\n"
    ".popsection\n");

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

static void set_msr(u32 index, u64 value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };

	if (ioctl(cpu_fd, KVM_SET_MSRS, &m) != 1)
		tap_bail("KVM_SET_MSRS");
}

static void put_region(u64 at)
{
	u32 revision = get_msr(MSR_VMX_BASIC);

	memset(vm->ram + at, 0, 0x1000);
	memcpy(vm->ram + at, &revision, 4);
}

static void set_feature_control(u64 value)
{
	set_msr(MSR_FEATURE_CONTROL, value);
}

static bool said(u8 want)
{
	u8 got = 0xbd;

	if (!ioctl(cpu_fd, KVM_RUN, 0) && run->exit_reason == KVM_EXIT_IO && run->io.port == 0x10)
		got = *((u8 *)run + run->io.data_offset);
	if (got != want)
		tap_note("exit %u, said 0x%x, not 0x%x", run->exit_reason, got, want);
	return got == want;
}

/* From @code to its HLT it says these values. */
static bool says(const u8 *code, u64 rbx, const u8 *values, int count)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rsp = 0x7000, .rbx = rbx };
	bool good = true;

	memcpy(vm->ram + CODE, code, handler - code);
	vm_long_mode(vm, 0, HANDLER);
	if (ioctl(cpu_fd, KVM_SET_REGS, &regs))
		tap_bail("KVM_SET_REGS");
	for (int i = 0; i < count; i++)
		good = good && said(values[i]);
	return good && !ioctl(cpu_fd, KVM_RUN, 0) && run->exit_reason == KVM_EXIT_HLT;
}

#define SAYS(code, rbx, ...) \
	says(code, rbx, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static void firmware(void)
{
	set_feature_control(0);
	tap_ok(SAYS(code_vmxon, 0, FAULT), "VMXON raises #GP while the MSR is unlocked");
	set_feature_control(VMX);
	tap_ok(SAYS(code_vmxon, 0, FAULT), "also when VMX is allowed in it");
	set_feature_control(LOCKED);
	tap_ok(SAYS(code_vmxon, 0, FAULT), "and when it is locked without VMX");
	set_feature_control(0);
	tap_ok(SAYS(code_lock, 0, 0, FAULT), "the guest unlocks VMX and locks the MSR, once");
	tap_ok(SAYS(code_vmxon, 0, 0), "then VMXON succeeds");
}

static void read_only_slot(void)
{
	u64 *rom = (u64 *)(vm->ram + ROM);

	*rom = VMCS;
	tap_ok(SAYS(code_pointers, ROM, 0, 0, 0), "pointers in a read-only slot");
	*rom = VMXON_REGION;
	tap_ok(SAYS(code_pointers, ROM, 0, FLAG_ZF, FLAG_ZF) && *rom == VMXON_REGION,
	       "VMPTRST does not change it");
	*rom = 0x34;
	tap_ok(SAYS(code_data, ROM, 0, 0, 0x34, 0, 0, 0x34) && *rom == 0x34,
	       "VMREAD does not either; VMWRITE reads it");
	/* Half in memory. */
	rom[-1] = 0;
	tap_ok(SAYS(code_data, ROM - 4, 0, 0, 0x12, 0, 0, 0x12) && *rom == 0x34 &&
		       rom[-1] == 0x12ull << 32,
	       "an operand that ends in the slot");
}

static void device(void)
{
	tap_ok(SAYS(code_pointers, DEVICE, 0, FLAG_ZF, FLAG_ZF),
	       "pointers in a device of userspace's read as ones");
	tap_ok(SAYS(code_data, DEVICE, 0, 0, 0xff, 0, 0, 0xff), "so does VMWRITE's operand");
}

static void withdrawn(void)
{
	u64 pin = get_msr(MSR_VMX_TRUE_PIN);

	tap_ok(SAYS(code_field, FIELD_PREEMPT_TIMER, 0, 0), "a field of a feature that L1 has");
	set_msr(MSR_VMX_TRUE_PIN, pin & ~PREEMPT_TIMER);
	tap_ok(SAYS(code_field, FIELD_PREEMPT_TIMER, FLAG_ZF, FLAG_ZF),
	       "without it there is no such field");
	set_msr(MSR_VMX_TRUE_PIN, pin);
}

/* All MSRs of the list can be read and written for that. */
static void list_stays_whole(void)
{
	u64 proc2 = get_msr(MSR_VMX_PROC2), functions;

	if (!(proc2 & MAY_VMFUNC)) {
		tap_skip("the processor has none", "VM functions taken away");
		return;
	}
	functions = get_msr(MSR_VMX_VMFUNC);
	set_msr(MSR_VMX_PROC2, proc2 & ~MAY_VMFUNC);
	tap_ok(!get_msr(MSR_VMX_VMFUNC), "the MSR of VM functions that are taken away is 0");
	set_msr(MSR_VMX_VMFUNC, 0);
	set_msr(MSR_VMX_PROC2, proc2);
	tap_ok(get_msr(MSR_VMX_VMFUNC) == functions, "0 in it, as in a list, takes nothing away");
}

/* CPUID may say what it likes: what L1 hands the processor is as wide as that takes it. */
static void wide_addresses(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[128];
	} c = { .head.nent = 128 };

	if (ioctl(cpu_fd, KVM_GET_CPUID2, &c))
		tap_bail("KVM_GET_CPUID2");
	for (u32 i = 0; i < c.head.nent; i++)
		if (c.entries[i].function == 0x80000008)
			c.entries[i].eax = (c.entries[i].eax & ~0xffu) | 52;
	if (ioctl(cpu_fd, KVM_SET_CPUID2, &c))
		tap_bail("KVM_SET_CPUID2");
	set_feature_control(LOCKED | VMX);
	*(u64 *)(vm->ram + DATA) = 1ull << 51;
	tap_ok(SAYS(code_clear, DATA, FLAG_ZF), "an address that is wider than the processor's");
	*(u64 *)(vm->ram + DATA) = VMCS;
	tap_ok(SAYS(code_clear, DATA, 0), "and one that is not");
}

int main(void)
{
	int cpu;

	vm = vm_new(RAM);
	cpu = vm_add_cpu(vm);
	cpu_fd = vm->cpu[cpu].fd;
	run = vm->cpu[cpu].run;
	vm_set_cpuid(vm, cpu, true);
	vm_set_region(vm->fd, 0, 0, 0, 0, NULL);
	if (vm_set_region(vm->fd, 0, 0, 0, ROM, vm->ram) ||
	    vm_set_region(vm->fd, 1, KVM_MEM_READONLY, ROM, 0x1000, vm->ram + ROM))
		tap_bail("slots");
	memcpy(vm->ram + HANDLER, handler, handler_end - handler);
	put_region(VMXON_REGION);
	put_region(VMCS);
	if (!dev_is_kvm())
		wide_addresses(); /* there its own */
	firmware();
	if (!dev_is_kvm()) { /* it gives up */
		read_only_slot();
		device();
		withdrawn(); /* it has every field, always */
		list_stays_whole();
	}
	vm_free(vm);
	return tap_done();
}
