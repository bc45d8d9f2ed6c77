// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hyper-V's interface: what is offered of it, who has it, and what each MSR and hypercall
 * does. The guest is 64-bit code that userspace sends from one instruction to the next.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vmx/hyperv.h>
#include "machine.h"

#define RAM_SIZE 0x200000
#define CODE 0x8000
#define STACK 0x14000
#define CALL_PAGE 0x20000
#define TSC_PAGE 0x21000
#define ASSIST_PAGE 0x22000
#define NOWHERE 0x40000000
#define VECTOR 0x51

enum { DONE = 0x90, FAULTED, INTERRUPTED }; /* ports that no chip has */
#define NOT_RUN (-1)

#define MSR_APIC_BASE 0x1b
#define MSR_TSC 0x10
#define APIC_ISR 0x120 /* of VECTOR */
#define KVM_ENOSYS_64 (~0ull - 999)

static struct vm *vm;
static int cpu_fd;
static struct kvm_run *run;
static struct kvm_regs regs;

extern const u8 code_begin[], do_rdmsr[], do_wrmsr[], do_vmcall[], do_call[], do_time[], do_sleep[],
	on_fault[], on_irq[], code_end[];

/*
 * do_time: the time by the page at RSI in RBX, then by the MSR RCX in EDX:EAX.
 * on_irq: AL tells whether the word at RSI had bit 0, which ends the interrupt; else
 * the MSR in ECX does.
 */
asm(".pushsection .rodata\n"
    "code_begin:\n"
    "do_rdmsr: rdmsr; out %al, $0x90\n"
    "do_wrmsr: wrmsr; out %al, $0x90\n"
    "do_vmcall: vmcall; out %al, $0x90\n"
    "do_call: call *%rbx; out %al, $0x90\n"
    "do_time: rdtsc; shl $32, %rdx; or %rdx, %rax; mulq 8(%rsi); add 16(%rsi), %rdx\n"
    "mov %rdx, %rbx; rdmsr; out %al, $0x90\n"
    "do_sleep: sti; hlt; jmp do_sleep\n"
    "on_fault: out %al, $0x91; hlt\n"
    "on_irq: btrl $0, (%rsi); setc %al; jc 1f; xor %eax, %eax; xor %edx, %edx; wrmsr\n"
    "1: out %al, $0x92; iretq\n"
    "code_end:\n"
    ".popsection\n");

/* --- the guest ------------------------------------------------------------ */

static u64 address(const u8 *code)
{
	return CODE + (code - code_begin);
}

struct cpuid {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[256];
};

/* vCPU @cpu as Hyper-V shows itself, all of it; the leaf of features may be emptied. */
static void show_hyperv(int cpu, bool features)
{
	struct cpuid c = { .head.nent = 256 }, hv = { .head.nent = 256 };
	u32 n = 0;

	if (ioctl(vm->cpu[cpu].fd, KVM_GET_CPUID2, &c) ||
	    ioctl(vm->cpu[cpu].fd, KVM_GET_SUPPORTED_HV_CPUID, &hv))
		tap_bail("CPUID");
	for (u32 i = 0; i < c.head.nent; i++)
		if (c.entries[i].function >> 28 != 4)
			c.entries[n++] = c.entries[i];
	for (u32 i = 0; i < hv.head.nent; i++)
		if (features || hv.entries[i].function <= TLFS_LEAF_INTERFACE)
			c.entries[n++] = hv.entries[i];
	c.head.nent = n;
	if (ioctl(vm->cpu[cpu].fd, KVM_SET_CPUID2, &c))
		tap_bail("KVM_SET_CPUID2");
}

static void interrupt_gate(u8 vector, u64 handler)
{
	u64 *idt = (u64 *)(vm->ram + LONG_IDT);

	idt[2 * vector] = 0x8e0000080000 | (handler & 0xffff) | handler >> 16 << 48;
}

static void use_cpu(int cpu)
{
	cpu_fd = vm->cpu[cpu].fd;
	run = vm->cpu[cpu].run;
}

static void add_cpu(void)
{
	struct kvm_mp_state runnable = { KVM_MP_STATE_RUNNABLE };
	int cpu = vm_add_cpu(vm);

	if (ioctl(vm->cpu[cpu].fd, KVM_SET_MP_STATE, &runnable))
		tap_bail("KVM_SET_MP_STATE");
	vm_set_cpuid(vm, cpu, true);
	vm_long_mode(vm, cpu, address(on_fault));
	interrupt_gate(VECTOR, address(on_irq));
}

static void new_guest(bool irqchip)
{
	vm = vm_new(RAM_SIZE);
	if (irqchip)
		vm_irqchip(vm);
	memcpy(vm->ram + CODE, code_begin, code_end - code_begin);
	add_cpu();
	use_cpu(0);
}

static void new_hyperv_guest(void)
{
	new_guest(true);
	show_hyperv(0, true);
}

/* Until the guest says something; its registers are in @regs. Return: the port. */
static int go(void)
{
	int r;

	alarm(2);
	r = ioctl(cpu_fd, KVM_RUN, 0);
	alarm(0);
	if (r < 0 || run->exit_reason != KVM_EXIT_IO) {
		ioctl(cpu_fd, KVM_GET_REGS, &regs);
		tap_note("KVM_RUN: %d, exit %d, RIP %#llx", r, run->exit_reason, regs.rip);
		return NOT_RUN;
	}
	if (ioctl(cpu_fd, KVM_GET_REGS, &regs))
		tap_bail("KVM_GET_REGS");
	return run->io.port;
}

static int start(const u8 *code)
{
	regs.rip = address(code);
	regs.rsp = STACK;
	regs.rflags = 2;
	if (ioctl(cpu_fd, KVM_SET_REGS, &regs))
		tap_bail("KVM_SET_REGS");
	return go();
}

static int guest_read(u32 msr, u64 *value)
{
	int port;

	memset(&regs, 0, sizeof(regs));
	regs.rcx = msr;
	port = start(do_rdmsr);
	*value = (u32)regs.rax | regs.rdx << 32;
	return port;
}

static u64 guest_value(u32 msr)
{
	u64 value;

	return guest_read(msr, &value) == DONE ? value : ~0ull;
}

static int guest_write(u32 msr, u64 value)
{
	memset(&regs, 0, sizeof(regs));
	regs.rcx = msr;
	regs.rax = (u32)value;
	regs.rdx = value >> 32;
	return start(do_wrmsr);
}

static int move_msr(unsigned long request, u32 index, u64 *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = index, .data = *value } };
	int done = ioctl(cpu_fd, request, &msrs);

	*value = msrs.entry.data;
	return done;
}

static bool host_write(u32 index, u64 value)
{
	return move_msr(KVM_SET_MSRS, index, &value) == 1;
}

static u64 host_value(u32 index)
{
	u64 value = 0;

	return move_msr(KVM_GET_MSRS, index, &value) == 1 ? value : ~0ull;
}

static void expect(u64 got, u64 want, const char *what)
{
	tap_ok(got == want, "%s", what);
	if (got != want)
		tap_note("%#llx, not %#llx", (unsigned long long)got, (unsigned long long)want);
}

/* --- what is offered -------------------------------------------------------- */

static const struct kvm_cpuid_entry2 *leaf(const struct cpuid *c, u32 function)
{
	static const struct kvm_cpuid_entry2 none;

	for (u32 i = 0; i < c->head.nent; i++)
		if (c->entries[i].function == function)
			return &c->entries[i];
	return &none;
}

static void offered(void)
{
	static const int caps[] = { KVM_CAP_HYPERV,	      KVM_CAP_HYPERV_VAPIC,
				    KVM_CAP_HYPERV_SPIN,      KVM_CAP_HYPERV_TIME,
				    KVM_CAP_HYPERV_CPUID,     KVM_CAP_HYPERV_VP_INDEX,
				    KVM_CAP_SYS_HYPERV_CPUID, KVM_CAP_HYPERV_ENFORCE_CPUID };
	static const int others[] = {
		KVM_CAP_HYPERV_SYNIC,	       KVM_CAP_HYPERV_SYNIC2,
		KVM_CAP_HYPERV_EVENTFD,	       KVM_CAP_HYPERV_TLBFLUSH,
		KVM_CAP_HYPERV_SEND_IPI,       KVM_CAP_HYPERV_ENLIGHTENED_VMCS,
		KVM_CAP_HYPERV_DIRECT_TLBFLUSH
	};
	struct cpuid c = { .head.nent = 256 };
	int have = 0, more = 0;

	for (size_t i = 0; i < ARRAY_SIZE(caps); i++)
		have += vm_cap(vm->dev, caps[i]) == 1;
	expect(have, ARRAY_SIZE(caps), "KVM_CHECK_EXTENSION says what there is");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		more += vm_cap(vm->dev, others[i]) != 0;
	expect(more, dev_is_kvm() ? (u64)more : 0, "and nothing else");
	EXPECT_OK(ioctl(vm->dev, KVM_GET_SUPPORTED_HV_CPUID, &c), "CPUID by the device");
	expect(leaf(&c, TLFS_LEAF_INTERFACE)->eax, TLFS_INTERFACE, "the interface is Hv#1");
	if (dev_is_kvm())
		return;
	expect(c.head.nent, 6, "six leaves");
	expect(leaf(&c, TLFS_LEAF_VENDOR)->eax, TLFS_LEAF_LIMITS, "the first names the last");
	expect(leaf(&c, TLFS_LEAF_FEATURES)->eax, 0xaf3, "privileges");
	expect(leaf(&c, TLFS_LEAF_FEATURES)->ebx, 0, "none of SynIC's hypercalls");
	expect(leaf(&c, TLFS_LEAF_FEATURES)->edx, 0x500, "frequencies and crashes");
	expect(leaf(&c, TLFS_LEAF_ADVICE)->eax, 0x28, "advice: APIC by MSRs, relaxed timing");
	expect(leaf(&c, TLFS_LEAF_ADVICE)->ebx, 0xfff, "and when to tell of a long spin");
	expect(leaf(&c, TLFS_LEAF_LIMITS)->eax, vm_cap(vm->dev, KVM_CAP_MAX_VCPUS), "limits");
}

static void offered_by_vcpu(void)
{
	struct cpuid c = { .head.nent = 256 }, small = { .head.nent = 5 };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HYPERV_SYNIC2 };

	EXPECT_ERRNO(ioctl(vm->dev, KVM_GET_SUPPORTED_HV_CPUID, &small), E2BIG,
		     "room for five leaves");
	EXPECT_ERRNO(ioctl(cpu_fd, KVM_GET_SUPPORTED_HV_CPUID, &small), E2BIG, "by the vCPU");
	EXPECT_OK(ioctl(cpu_fd, KVM_GET_SUPPORTED_HV_CPUID, &c), "CPUID by the vCPU");
	if (dev_is_kvm())
		return;
	expect(leaf(&c, TLFS_LEAF_FEATURES)->eax, 0xae3, "without a LAPIC, no MSRs of it");
	expect(leaf(&c, TLFS_LEAF_ADVICE)->eax, 0x20, "nor the advice to use them");
	EXPECT_ERRNO(ioctl(cpu_fd, KVM_ENABLE_CAP, &cap), EINVAL, "SynIC cannot be enabled");
	cap = (struct kvm_enable_cap){ .cap = KVM_CAP_HYPERV_ENFORCE_CPUID, .flags = 1 };
	EXPECT_ERRNO(ioctl(cpu_fd, KVM_ENABLE_CAP, &cap), EINVAL, "nor anything with flags");
}

static const u32 all_msrs[] = {
	TLFS_MSR_GUEST_OS_ID,	 TLFS_MSR_HYPERCALL, TLFS_MSR_VP_INDEX, TLFS_MSR_RESET,
	TLFS_MSR_VP_RUNTIME,	 TLFS_MSR_REF_COUNT, TLFS_MSR_REF_TSC,	TLFS_MSR_TSC_FREQUENCY,
	TLFS_MSR_APIC_FREQUENCY, TLFS_MSR_VP_ASSIST, TLFS_MSR_CRASH_P0, TLFS_MSR_CRASH_P0 + 4,
	TLFS_MSR_CRASH_CTL,
};

static void listed(void)
{
	struct {
		struct kvm_msr_list head;
		u32 index[512];
	} list = { .head.nmsrs = 512 };
	u32 found = 0;

	if (ioctl(vm->dev, KVM_GET_MSR_INDEX_LIST, &list))
		tap_bail("KVM_GET_MSR_INDEX_LIST");
	for (size_t k = 0; k < ARRAY_SIZE(all_msrs); k++)
		for (u32 i = 0; i < list.head.nmsrs; i++)
			found += list.index[i] == all_msrs[k];
	expect(found, ARRAY_SIZE(all_msrs), "each MSR is in the list of what is to be saved");
}

/* --- who has it --------------------------------------------------------------- */

static void not_without_signature(void)
{
	u32 reads = 0, writes = 0, host = 0;
	u64 value;

	for (size_t i = 0; i < ARRAY_SIZE(all_msrs); i++) {
		reads += guest_read(all_msrs[i], &value) == FAULTED;
		writes += guest_write(all_msrs[i], 0) == FAULTED;
		host += host_value(all_msrs[i]) != ~0ull && host_write(all_msrs[i], 0);
	}
	expect(reads, ARRAY_SIZE(all_msrs), "without Hv#1 in CPUID a guest's reads fault");
	expect(writes, ARRAY_SIZE(all_msrs), "and its writes");
	expect(host, ARRAY_SIZE(all_msrs), "userspace reads them and writes 0");
	expect(guest_write(TLFS_MSR_TPR, 0), FAULTED, "no TPR by MSR");
	host_write(TLFS_MSR_GUEST_OS_ID, 1);
	memset(&regs, 0, sizeof(regs));
	regs.rax = 99;
	expect(start(do_vmcall), DONE, "VMCALL");
	expect(regs.rax, KVM_ENOSYS_64, "is KVM's");
}

static void enforced(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HYPERV_ENFORCE_CPUID, .args[0] = 1 };
	u32 lax = 0, strict = 0;
	u64 value;

	for (size_t i = 0; i < ARRAY_SIZE(all_msrs); i++)
		lax += guest_read(all_msrs[i], &value) == DONE;
	expect(lax, ARRAY_SIZE(all_msrs),
	       "a guest with Hv#1 has all, whatever the other leaves say");
	EXPECT_OK(ioctl(cpu_fd, KVM_ENABLE_CAP, &cap), "KVM_CAP_HYPERV_ENFORCE_CPUID");
	for (size_t i = 0; i < ARRAY_SIZE(all_msrs); i++)
		strict += guest_read(all_msrs[i], &value) == FAULTED;
	expect(strict, ARRAY_SIZE(all_msrs), "then none that they do not name");
	expect(guest_write(TLFS_MSR_EOI, 0), FAULTED, "EOI neither");
	host_write(TLFS_MSR_GUEST_OS_ID, 1);
	memset(&regs, 0, sizeof(regs));
	regs.rcx = TLFS_CALL_LONG_SPIN_WAIT;
	start(do_vmcall);
	expect(regs.rax, TLFS_STATUS_ACCESS_DENIED, "nor the hypercall");
	cap.args[0] = 0;
	EXPECT_OK(ioctl(cpu_fd, KVM_ENABLE_CAP, &cap), "and off again");
	expect(guest_read(TLFS_MSR_VP_INDEX, &value), DONE, "it has them all");
}

static void enforced_and_named(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HYPERV_ENFORCE_CPUID, .args[0] = 1 };
	u32 strict = 0;
	u64 value;

	EXPECT_OK(ioctl(cpu_fd, KVM_ENABLE_CAP, &cap), "enforced, with all leaves");
	for (size_t i = 0; i < ARRAY_SIZE(all_msrs); i++)
		strict += guest_read(all_msrs[i], &value) == DONE;
	expect(strict, ARRAY_SIZE(all_msrs), "all MSRs are there");
}

/* --- hypercalls ----------------------------------------------------------------- */

static u64 call(u64 input)
{
	memset(&regs, 0, sizeof(regs));
	regs.rcx = input;
	regs.rbx = CALL_PAGE;
	return start(do_call) == DONE ? regs.rax : ~0ull;
}

static void call_page(void)
{
	static const u8 code[] = { 0x0f, 0x01, 0xc1, 0xc3 };

	guest_write(TLFS_MSR_HYPERCALL, CALL_PAGE | 1);
	expect(guest_value(TLFS_MSR_HYPERCALL), 0, "no hypercall page before the guest has a name");
	tap_ok(vm->ram[CALL_PAGE] == 0, "and nothing is written");
	expect(guest_write(TLFS_MSR_GUEST_OS_ID, 0x8100ull << 48), DONE, "the guest's name");
	expect(guest_value(TLFS_MSR_GUEST_OS_ID), 0x8100ull << 48, "reads back");
	expect(guest_write(TLFS_MSR_HYPERCALL, NOWHERE | 1), FAULTED, "a page without memory");
	expect(guest_value(TLFS_MSR_HYPERCALL), 0, "changes nothing");
	expect(guest_write(TLFS_MSR_HYPERCALL, CALL_PAGE | 1), DONE, "a page");
	expect(guest_value(TLFS_MSR_HYPERCALL), CALL_PAGE | 1, "reads back");
	if (!dev_is_kvm())
		tap_ok(!memcmp(vm->ram + CALL_PAGE, code, sizeof(code)),
		       "VMCALL and RET are in it");
}

static void calls(void)
{
	expect(call(TLFS_CALL_LONG_SPIN_WAIT), TLFS_STATUS_SUCCESS, "a long spin");
	expect(call(TLFS_CALL_LONG_SPIN_WAIT | TLFS_CALL_FAST), TLFS_STATUS_SUCCESS, "a fast one");
	expect(call(TLFS_CALL_LONG_SPIN_WAIT | 1ull << 32), TLFS_STATUS_INVALID_INPUT,
	       "with a count");
	expect(call(TLFS_CALL_LONG_SPIN_WAIT | 1ull << 48), TLFS_STATUS_INVALID_INPUT,
	       "with a first one");
	expect(call(TLFS_CALL_LONG_SPIN_WAIT | 1 << 17), TLFS_STATUS_INVALID_INPUT,
	       "with a header of variable size");
	expect(call(TLFS_CALL_LONG_SPIN_WAIT | 1ull << 63), TLFS_STATUS_INVALID_INPUT,
	       "with reserved bits");
	expect(call(0xbeef), TLFS_STATUS_INVALID_CODE, "an unknown hypercall");
	if (dev_is_kvm())
		return;
	expect(call(2), TLFS_STATUS_INVALID_CODE, "no flush of TLBs");
	expect(call(0xb), TLFS_STATUS_INVALID_CODE, "no IPIs");
	expect(call(0x5d), TLFS_STATUS_INVALID_CODE, "no events");
	guest_write(TLFS_MSR_HYPERCALL, CALL_PAGE | 3);
	guest_write(TLFS_MSR_HYPERCALL, 0);
	expect(guest_value(TLFS_MSR_HYPERCALL), CALL_PAGE | 3, "a locked page stays");
	host_write(TLFS_MSR_HYPERCALL, CALL_PAGE | 1);
	expect(guest_value(TLFS_MSR_HYPERCALL), CALL_PAGE | 1, "but for userspace's reset");
}

static void real_mode(u16 ip, u16 ud_handler)
{
	struct kvm_sregs s;

	*(u32 *)(vm->ram + 6 * 4) = ud_handler;
	if (ioctl(cpu_fd, KVM_GET_SREGS, &s))
		tap_bail("KVM_GET_SREGS");
	s.cr0 = 0x10;
	s.cr4 = s.efer = 0;
	s.idt = (struct kvm_dtable){ .limit = 0x3ff };
	s.cs = (struct kvm_segment){ .limit = 0xffff, .type = 11, .present = 1, .s = 1 };
	s.ss = (struct kvm_segment){ .limit = 0xffff, .type = 3, .present = 1, .s = 1 };
	s.ds = s.es = s.fs = s.gs = s.ss;
	if (ioctl(cpu_fd, KVM_SET_SREGS, &s))
		tap_bail("KVM_SET_SREGS");
	regs = (struct kvm_regs){ .rip = ip, .rsp = 0x4000, .rflags = 2 };
	ioctl(cpu_fd, KVM_SET_REGS, &regs);
}

/* In the registers of 32-bit code, and in real mode. */
static void calls_of_old_modes(void)
{
	static const u8 vmcall[] = { 0x0f, 0x01, 0xc1, 0xe6, DONE };
	static const u8 fault[] = { 0xe6, FAULTED };

	memcpy(vm->ram + 0x700, vmcall, sizeof(vmcall));
	memcpy(vm->ram + 0x720, fault, sizeof(fault));
	vm_flat_mode(vm, 0, 0x700);
	ioctl(cpu_fd, KVM_GET_REGS, &regs);
	regs.rax = 0xbeef;
	regs.rdx = 0;
	ioctl(cpu_fd, KVM_SET_REGS, &regs);
	expect(go(), DONE, "a hypercall of 32-bit code");
	expect(regs.rax | regs.rdx << 32, TLFS_STATUS_INVALID_CODE, "has EDX:EAX");
	real_mode(0x700, 0x720);
	expect(go(), FAULTED, "in real mode it is #UD");
	vm_long_mode(vm, 0, address(on_fault));
	guest_write(TLFS_MSR_GUEST_OS_ID, 0);
	expect(guest_value(TLFS_MSR_HYPERCALL), CALL_PAGE, "no name, no hypercalls");
}

/* --- time ------------------------------------------------------------------------- */

static volatile struct tlfs_tsc_page *tsc_page(void)
{
	return (void *)(vm->ram + TSC_PAGE);
}

/* By MSR; *page: by the page just before. */
static u64 both_times(u64 *page)
{
	memset(&regs, 0, sizeof(regs));
	regs.rcx = TLFS_MSR_REF_COUNT;
	regs.rsi = TSC_PAGE;
	if (start(do_time) != DONE)
		tap_bail("the guest asks what time it is");
	*page = regs.rbx;
	return (u32)regs.rax | regs.rdx << 32;
}

/* Within a millisecond, and never less than what was read before it. */
static void expect_agreement(const char *what)
{
	u64 page, msr = both_times(&page);

	tap_ok(msr >= page && msr - page < 10000, "%s", what);
	if (msr < page || msr - page >= 10000)
		tap_note("%lld by the MSR, %lld by the page", (long long)msr, (long long)page);
}

static void expect_kvmclock(const char *what)
{
	struct kvm_clock_data clock;
	u64 units = guest_value(TLFS_MSR_REF_COUNT);

	if (ioctl(vm->fd, KVM_GET_CLOCK, &clock))
		tap_bail("KVM_GET_CLOCK");
	tap_ok(clock.clock / 100 >= units && clock.clock / 100 - units < 1000000, "%s", what);
}

static void set_kvmclock(u64 ns)
{
	struct kvm_clock_data clock = { .clock = ns };

	EXPECT_OK(ioctl(vm->fd, KVM_SET_CLOCK, &clock), "KVM_SET_CLOCK");
}

static void counter(void)
{
	u64 first = guest_value(TLFS_MSR_REF_COUNT);

	tap_ok(guest_value(TLFS_MSR_REF_COUNT) > first, "the reference counter counts");
	expect(guest_write(TLFS_MSR_REF_COUNT, 1), FAULTED, "and cannot be written");
	tap_ok(host_write(TLFS_MSR_REF_COUNT, 1), "userspace may, as it restores all");
	tap_ok(guest_value(TLFS_MSR_REF_COUNT) > first, "without an effect");
	expect_kvmclock("it is kvmclock");
}

static void page_shows_the_time(void)
{
	u32 sequence;

	guest_write(TLFS_MSR_REF_TSC, TSC_PAGE);
	tap_ok(tsc_page()->sequence == 0 && tsc_page()->scale == 0, "a TSC page that is off");
	guest_write(TLFS_MSR_REF_TSC, TSC_PAGE | 1);
	expect(guest_value(TLFS_MSR_REF_TSC), TSC_PAGE | 1, "one that is on");
	sequence = tsc_page()->sequence;
	tap_ok(sequence != 0 && tsc_page()->scale != 0, "is valid");
	expect_agreement("both clocks agree");
	set_kvmclock(1ull << 50);
	expect_agreement("and when kvmclock is set");
	tap_ok(guest_value(TLFS_MSR_REF_COUNT) >= (1ull << 50) / 100, "both have its value");
	tap_ok(tsc_page()->sequence != sequence && tsc_page()->sequence, "which the page tells");
	sequence = tsc_page()->sequence;
	expect_agreement("nothing happens");
	expect(tsc_page()->sequence, sequence, "so it is not written again");
}

static void page_follows_the_tsc(void)
{
	u64 before = guest_value(TLFS_MSR_REF_COUNT), after;

	guest_write(MSR_TSC, 5);
	after = both_times(&(u64){ 0 });
	tap_ok(after > before && after - before < 10000000,
	       "the guest sets its TSC back: time goes on");
	expect_agreement("by both clocks");
	guest_write(MSR_TSC, 3ull << 62);
	expect_agreement("and set far ahead");
	host_write(MSR_TSC, 1ull << 45);
	expect_agreement("and set by userspace");
	after = guest_value(TLFS_MSR_REF_COUNT);
	tap_ok(after > before && after - before < 20000000, "time has just gone on");
}

static void page_elsewhere(void)
{
	expect(guest_write(TLFS_MSR_REF_TSC, NOWHERE | 1), DONE, "a page without memory");
	tap_ok(guest_value(TLFS_MSR_REF_COUNT) != ~0ull, "harms nobody");
	guest_write(TLFS_MSR_REF_TSC, TSC_PAGE | 1);
	guest_write(TLFS_MSR_REF_TSC, 0);
	memset(vm->ram + TSC_PAGE, 0, 4096);
	set_kvmclock(1ull << 51);
	guest_value(TLFS_MSR_REF_COUNT);
	tap_ok(tsc_page()->sequence == 0 && tsc_page()->scale == 0,
	       "switched off nothing is written");
}

/* One page cannot tell the time by two TSCs. */
static void two_tscs(void)
{
	u64 first, second;

	add_cpu();
	show_hyperv(1, true);
	guest_write(TLFS_MSR_REF_TSC, TSC_PAGE | 1);
	tap_ok(tsc_page()->sequence != 0, "two vCPUs have one TSC: the page is valid");
	expect_agreement("for the first");
	use_cpu(1);
	set_kvmclock(1ull << 52);
	expect_agreement("for the second");
	if (dev_is_kvm())
		return;
	guest_write(MSR_TSC, 7);
	expect(tsc_page()->sequence, 0, "the second sets its TSC: the page is not");
	second = guest_value(TLFS_MSR_REF_COUNT);
	use_cpu(0);
	first = guest_value(TLFS_MSR_REF_COUNT);
	tap_ok(first >= second && first - second < 10000000, "they have one time by the MSR");
	host_write(MSR_TSC, 1ull << 50);
	use_cpu(1);
	host_write(MSR_TSC, 1ull << 50);
	expect_agreement("userspace makes them one: both clocks agree");
	tap_ok(tsc_page()->sequence != 0, "by a valid page");
	use_cpu(0);
	expect_agreement("for the other as well");
}

static void dirty_log(void)
{
	u64 bitmap[RAM_SIZE / 4096 / 64] = { 0 };
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = bitmap };

	guest_write(TLFS_MSR_GUEST_OS_ID, 1);
	vm_set_region(vm->fd, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, RAM_SIZE, vm->ram);
	guest_write(TLFS_MSR_HYPERCALL, CALL_PAGE | 1);
	guest_write(TLFS_MSR_REF_TSC, TSC_PAGE | 1);
	guest_write(TLFS_MSR_VP_ASSIST, ASSIST_PAGE | 1);
	EXPECT_OK(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), "the dirty log");
	expect(bitmap[0] >> 32 & 7, 7, "has the three pages");
	vm_set_region(vm->fd, 0, 0, 0, RAM_SIZE, vm->ram);
}

/* --- the LAPIC ---------------------------------------------------------------------- */

static u32 lapic_reg(u32 offset)
{
	struct kvm_lapic_state lapic;
	u32 value;

	if (ioctl(cpu_fd, KVM_GET_LAPIC, &lapic))
		tap_bail("KVM_GET_LAPIC");
	memcpy(&value, lapic.regs + offset, 4);
	return value;
}

static void enable_lapic(u64 base)
{
	struct kvm_lapic_state lapic;

	host_write(MSR_APIC_BASE, base);
	if (ioctl(cpu_fd, KVM_GET_LAPIC, &lapic))
		tap_bail("KVM_GET_LAPIC");
	memcpy(lapic.regs + 0xf0, &(u32){ 0x1ff }, 4);
	memcpy(lapic.regs + 0x350, &(u32){ 0x10000 }, 4);
	if (ioctl(cpu_fd, KVM_SET_LAPIC, &lapic))
		tap_bail("KVM_SET_LAPIC");
}

/* To itself, by its ID, 0, and then through the handler. Return: how it ended; -1. */
static int interrupt_itself(u32 high)
{
	u64 assist = guest_value(TLFS_MSR_VP_ASSIST);

	if (guest_write(TLFS_MSR_ICR, (u64)high << 32 | VECTOR) != DONE)
		return NOT_RUN;
	memset(&regs, 0, sizeof(regs));
	regs.rsi = assist & 1 ? ASSIST_PAGE : TSC_PAGE + 2048;
	regs.rcx = TLFS_MSR_EOI;
	if (start(do_sleep) != INTERRUPTED)
		return NOT_RUN;
	return regs.rax & 1;
}

static void apic_msrs(const char *mode)
{
	u64 value;

	tap_note("%s", mode);
	expect(guest_write(TLFS_MSR_TPR, 0x30), DONE, "TPR");
	expect(lapic_reg(0x80), 0x30, "is the LAPIC's");
	expect(guest_value(TLFS_MSR_TPR), 0x30, "and reads back");
	if (!dev_is_kvm())
		expect(guest_write(TLFS_MSR_TPR, 0x100), FAULTED, "reserved bits of it fault");
	guest_write(TLFS_MSR_TPR, 0);
	expect(guest_read(TLFS_MSR_EOI, &value), FAULTED, "EOI cannot be read");
	if (!dev_is_kvm())
		expect(guest_write(TLFS_MSR_EOI, 1ull << 32), FAULTED,
		       "its upper half is reserved");
	expect(interrupt_itself(0), 0, "an IPI by ICR; EOI by the MSR");
	expect(lapic_reg(APIC_ISR), 0, "ended it");
	expect((u32)guest_value(TLFS_MSR_ICR), VECTOR, "ICR reads back");
}

static void assist_page(void)
{
	vm->ram[ASSIST_PAGE] = 0xff;
	expect(guest_write(TLFS_MSR_VP_ASSIST, NOWHERE | 1), FAULTED,
	       "an assist page without memory");
	expect(guest_write(TLFS_MSR_VP_ASSIST, NOWHERE), DONE, "which is none while it is off");
	expect(guest_write(TLFS_MSR_VP_ASSIST, ASSIST_PAGE | 1), DONE, "the VP assist page");
	expect(guest_value(TLFS_MSR_VP_ASSIST), ASSIST_PAGE | 1, "reads back");
	expect(vm->ram[ASSIST_PAGE], 0, "and begins with 0");
	expect(interrupt_itself(0), 1, "an interrupt ends in it");
	guest_value(TLFS_MSR_VP_INDEX);
	expect(lapic_reg(APIC_ISR), 0, "as the LAPIC sees");
	expect(vm->ram[ASSIST_PAGE], 0, "nothing is left in memory");
	host_write(0x4b564d04, 0);
	expect(interrupt_itself(0), 1, "KVM's own way off, it still does");
	guest_write(TLFS_MSR_VP_ASSIST, 0);
	expect(interrupt_itself(0), 0, "off: by the MSR again");
}

static void apic(void)
{
	new_hyperv_guest();
	enable_lapic(0xfee00900);
	apic_msrs("xAPIC mode");
	assist_page();
	enable_lapic(0xfee00d00);
	apic_msrs("x2APIC mode");
	assist_page();
	host_write(MSR_APIC_BASE, 0xfee00100);
	expect(guest_write(TLFS_MSR_TPR, 0), FAULTED, "a LAPIC that is off has no TPR");
	vm_free(vm);
	new_guest(false);
	show_hyperv(0, true);
	expect(guest_write(TLFS_MSR_TPR, 0), FAULTED, "nor one that is not there");
	expect(guest_write(TLFS_MSR_VP_ASSIST, ASSIST_PAGE | 1), FAULTED, "nor an assist page");
	tap_ok(host_write(TLFS_MSR_VP_ASSIST, 0), "but userspace may write 0");
	vm_free(vm);
}

/* --- the others --------------------------------------------------------------------- */

static void facts(void)
{
	static const u32 read_only[] = { TLFS_MSR_VP_INDEX, TLFS_MSR_VP_RUNTIME,
					 TLFS_MSR_TSC_FREQUENCY, TLFS_MSR_APIC_FREQUENCY };
	u32 faults = 0;
	u64 spent;

	for (size_t i = 0; i < ARRAY_SIZE(read_only); i++)
		faults += guest_write(read_only[i], 1) == FAULTED;
	expect(faults, ARRAY_SIZE(read_only), "index, run time and frequencies cannot be written");
	expect(guest_value(TLFS_MSR_TSC_FREQUENCY), ioctl(cpu_fd, KVM_GET_TSC_KHZ, 0) * 1000ull,
	       "the TSC's frequency");
	expect(guest_value(TLFS_MSR_APIC_FREQUENCY), 1000000000, "the LAPIC timer's");
	expect(guest_value(TLFS_MSR_VP_INDEX), 0, "the first vCPU has index 0");
	tap_ok(!host_write(TLFS_MSR_VP_INDEX, 1 << 16), "userspace cannot give it a large one");
	tap_ok(host_write(TLFS_MSR_VP_INDEX, 5), "but another");
	expect(guest_value(TLFS_MSR_VP_INDEX), 5, "which the guest sees");
	spent = guest_value(TLFS_MSR_VP_RUNTIME);
	for (int i = 0; i < 2000; i++)
		guest_value(TLFS_MSR_VP_INDEX);
	tap_ok(guest_value(TLFS_MSR_VP_RUNTIME) > spent, "its run time grows");
	tap_ok(host_write(TLFS_MSR_VP_RUNTIME, 1ull << 40), "userspace sets it");
	spent = guest_value(TLFS_MSR_VP_RUNTIME) - (1ull << 40);
	tap_ok(spent < 100000000, "and it goes on from there");
}

static void expect_event(u32 type, const char *what)
{
	tap_ok(ioctl(cpu_fd, KVM_RUN, 0) == 0 && run->exit_reason == KVM_EXIT_SYSTEM_EVENT &&
		       run->system_event.type == type,
	       "%s", what);
}

static void write_and_exit(u32 msr, u64 value)
{
	memset(&regs, 0, sizeof(regs));
	regs.rip = address(do_wrmsr);
	regs.rsp = STACK;
	regs.rflags = 2;
	regs.rcx = msr;
	regs.rax = (u32)value;
	regs.rdx = value >> 32;
	ioctl(cpu_fd, KVM_SET_REGS, &regs);
}

static void reset_and_crash(void)
{
	expect(guest_value(TLFS_MSR_RESET), 0, "the reset MSR reads 0");
	expect(guest_write(TLFS_MSR_RESET, 0), DONE, "0 resets nothing");
	if (!dev_is_kvm())
		expect(guest_write(TLFS_MSR_RESET, 2), FAULTED, "reserved bits of it fault");
	tap_ok(host_write(TLFS_MSR_RESET, 0), "userspace restores it");
	write_and_exit(TLFS_MSR_RESET, 1);
	expect_event(KVM_SYSTEM_EVENT_RESET, "1 is an exit: reset");
	expect(go(), DONE, "after the instruction");
	guest_write(TLFS_MSR_CRASH_P0, 0xdead);
	guest_write(TLFS_MSR_CRASH_P0 + 4, 0xbeef);
	expect(host_value(TLFS_MSR_CRASH_P0), 0xdead, "what the guest tells of its crash");
	expect(host_value(TLFS_MSR_CRASH_P0 + 4), 0xbeef, "userspace can read");
	expect(guest_write(TLFS_MSR_CRASH_CTL, 1), DONE, "it has not crashed yet");
	tap_ok(host_write(TLFS_MSR_CRASH_CTL, TLFS_CRASH_NOTIFY),
	       "userspace says that it will hear of it");
	expect(guest_value(TLFS_MSR_CRASH_CTL), TLFS_CRASH_NOTIFY, "as the guest sees");
	write_and_exit(TLFS_MSR_CRASH_CTL, TLFS_CRASH_NOTIFY);
	expect_event(KVM_SYSTEM_EVENT_CRASH, "now it has: an exit");
	expect(go(), DONE, "after the instruction");
}

/* --- a machine that moves ------------------------------------------------------------ */

static struct machine saved;

static void moves(void)
{
	struct vm *old;
	u64 before;

	new_hyperv_guest();
	set_kvmclock(1ull << 52);
	enable_lapic(0xfee00900);
	guest_write(TLFS_MSR_GUEST_OS_ID, 0x1234);
	guest_write(TLFS_MSR_HYPERCALL, CALL_PAGE | 1);
	guest_write(TLFS_MSR_REF_TSC, TSC_PAGE | 1);
	guest_write(TLFS_MSR_VP_ASSIST, ASSIST_PAGE | 1);
	guest_write(TLFS_MSR_CRASH_P0 + 2, 77);
	host_write(TLFS_MSR_VP_INDEX, 3);
	before = guest_value(TLFS_MSR_REF_COUNT);
	machine_get_all(vm, &saved, qemu_gets);
	old = vm;
	new_hyperv_guest();
	memcpy(vm->ram, old->ram, RAM_SIZE);
	vm_free(old);
	saved.cpuid.head.nent = 256;
	ioctl(cpu_fd, KVM_GET_CPUID2, &saved.cpuid);
	machine_set_all(vm, &saved, qemu_sets);
	expect(guest_value(TLFS_MSR_GUEST_OS_ID), 0x1234, "saved and restored: the name");
	expect(guest_value(TLFS_MSR_VP_INDEX), 3, "the index");
	expect(guest_value(TLFS_MSR_CRASH_P0 + 2), 77, "the crash");
	tap_ok(guest_value(TLFS_MSR_REF_COUNT) > before &&
		       guest_value(TLFS_MSR_REF_COUNT) - before < 50000000,
	       "time goes on");
	expect_agreement("by both clocks");
	expect(call(TLFS_CALL_LONG_SPIN_WAIT), TLFS_STATUS_SUCCESS, "hypercalls work");
	expect(interrupt_itself(0), 1, "and interrupts end in memory");
	vm_free(vm);
}

static void on_alarm(int number)
{
	(void)number;
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &action, NULL);
	new_guest(false);
	if (vm_cap(vm->dev, KVM_CAP_HYPERV_CPUID) != 1)
		return EXIT_TAP_SKIP;
	offered();
	offered_by_vcpu();
	listed();
	vm_free(vm);
	new_guest(true);
	not_without_signature();
	vm_free(vm);
	new_guest(true);
	show_hyperv(0, false);
	enforced();
	vm_free(vm);
	new_hyperv_guest();
	enforced_and_named();
	call_page();
	calls();
	calls_of_old_modes();
	counter();
	page_shows_the_time();
	page_follows_the_tsc();
	page_elsewhere();
	dirty_log();
	vm_free(vm);
	new_hyperv_guest();
	two_tscs();
	vm_free(vm);
	apic();
	new_hyperv_guest();
	facts();
	reset_and_crash();
	vm_free(vm);
	moves();
	return tap_done();
}
