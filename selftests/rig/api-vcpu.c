// SPDX-License-Identifier: GPL-2.0-only
/* A vCPU's ioctls: state in and out, and what they refuse. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vmx/cr.h>
#include "vm.h"

static struct vm *vm;
static int fd;

static void registers(void)
{
	struct kvm_regs in, out;

	memset(&in, 0x5a, sizeof(in));
	in.rip = 0x500;
	in.rflags = 2;
	EXPECT_OK(ioctl(fd, KVM_SET_REGS, &in), "KVM_SET_REGS");
	EXPECT_OK(ioctl(fd, KVM_GET_REGS, &out), "KVM_GET_REGS");
	tap_ok(!memcmp(&in, &out, sizeof(in)), "registers come back");
	EXPECT_ERRNO(ioctl(fd, KVM_SET_REGS, NULL), EFAULT, "KVM_SET_REGS from NULL");
	EXPECT_ERRNO(ioctl(fd, KVM_GET_REGS, NULL), EFAULT, "KVM_GET_REGS to NULL");
}

static void refuse_sregs(struct kvm_sregs s, const char *what)
{
	struct kvm_sregs before, after;

	ioctl(fd, KVM_GET_SREGS, &before);
	EXPECT_ERRNO(ioctl(fd, KVM_SET_SREGS, &s), EINVAL, what);
	ioctl(fd, KVM_GET_SREGS, &after);
	tap_ok(before.cr0 == after.cr0 && before.cr3 == after.cr3 && before.cr4 == after.cr4 &&
		       before.efer == after.efer,
	       "and changes nothing");
}

static void special_registers(void)
{
	struct kvm_sregs s, bad, out;

	EXPECT_OK(ioctl(fd, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
	tap_ok(s.cr0 == 0x60000010 && s.cs.selector == 0xf000 && s.cs.base == 0xffff0000 &&
		       s.efer == 0,
	       "state after reset");
	tap_note("cr0 %llx, cs %x at %llx, efer %llx, APIC base %llx", s.cr0, s.cs.selector,
		 s.cs.base, s.efer, s.apic_base);
	EXPECT_OK(ioctl(fd, KVM_SET_SREGS, &s), "KVM_SET_SREGS of the same");
	bad = s;
	bad.cr4 |= 1ull << 40;
	refuse_sregs(bad, "a reserved CR4 bit");
	bad = s;
	bad.cr0 |= 1ull << 40;
	refuse_sregs(bad, "a reserved CR0 bit");
	bad = s;
	bad.efer |= 1ull << 1;
	if (!dev_is_kvm()) /* which takes it, and refuses the entry */
		refuse_sregs(bad, "a reserved EFER bit");
	bad = s;
	bad.cr0 |= 1u << 31 | 1;
	bad.efer |= 0x500;
	refuse_sregs(bad, "long mode without PAE");
	bad = s;
	bad.cr3 = 1ull << 60;
	bad.cr0 |= 1u << 31 | 1;
	bad.efer |= 0x500;
	bad.cr4 |= 0x20;
	refuse_sregs(bad, "a CR3 beyond the physical width in long mode");
	bad = s;
	bad.cr4 |= 1u << 13;
	refuse_sregs(bad, "CR4.VMXE without VMX in CPUID");
	s.cr2 = 0x1234;
	s.cr8 = 5;
	s.gdt.base = 0x8000;
	s.gdt.limit = 0x77;
	s.fs.base = 0x12340;
	EXPECT_OK(ioctl(fd, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
	ioctl(fd, KVM_GET_SREGS, &out);
	tap_ok(out.cr2 == 0x1234 && out.cr8 == 5 && out.gdt.base == 0x8000 &&
		       out.gdt.limit == 0x77 && out.fs.base == 0x12340,
	       "special registers come back");
	s.cr8 = 0;
	ioctl(fd, KVM_SET_SREGS, &s);
}

static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[300];
} cpuids;

static void cpuid(void)
{
	u32 n;

	cpuids.head.nent = 256;
	ioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, &cpuids);
	n = cpuids.head.nent;
	for (u32 i = 0; i < n; i++)
		if (cpuids.entries[i].function == 1)
			cpuids.entries[i].ecx &= ~(1u << 5); /* VMX */
	cpuids.head.nent = 257;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_CPUID2, &cpuids), E2BIG, "257 CPUID entries");
	cpuids.head.nent = ~0u;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_CPUID2, &cpuids), E2BIG, "2^32 - 1 CPUID entries");
	cpuids.head.nent = n;
	EXPECT_OK(ioctl(fd, KVM_SET_CPUID2, &cpuids), "the supported CPUID");
	cpuids.head.nent = 1;
	EXPECT_ERRNO(ioctl(fd, KVM_GET_CPUID2, &cpuids), E2BIG, "CPUID into 1 entry");
	cpuids.head.nent = 300;
	EXPECT_OK(ioctl(fd, KVM_GET_CPUID2, &cpuids), "CPUID into 300 entries");
	if (!dev_is_kvm()) /* which leaves the number alone, in 6.1 */
		tap_ok(cpuids.head.nent == n, "as many as were set");
	cpuids.head.nent = n;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_CPUID2, NULL), EFAULT, "CPUID from NULL");
}

static int msr(unsigned long which, u32 count, u32 index, u64 value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[1];
	} m = { .head.nmsrs = count, .entry[0] = { .index = index, .data = value } };

	return ioctl(fd, which, &m);
}

static void msrs(void)
{
	tap_ok(msr(KVM_SET_MSRS, 1, 0xc0000082, 0xffff800000000000) == 1, "LSTAR");
	tap_ok(msr(KVM_SET_MSRS, 1, 0xc0000082, 1ull << 63) == 0,
	       "a non-canonical LSTAR is not set");
	tap_ok(msr(KVM_SET_MSRS, 1, 0x12345678, 0) == 0, "an unknown MSR is not set");
	tap_ok(msr(KVM_GET_MSRS, 1, 0x12345678, 0) == 0, "an unknown MSR is not read");
	tap_ok(msr(KVM_SET_MSRS, 1, 0x277, 2) == 0, "a bad PAT is not set");
	EXPECT_ERRNO(msr(KVM_SET_MSRS, 100000, 0x277, 0), E2BIG, "100000 MSRs");
	EXPECT_ERRNO(msr(KVM_GET_MSRS, ~0u, 0x277, 0), E2BIG, "2^32 - 1 MSRs");
	EXPECT_ERRNO(ioctl(fd, KVM_SET_MSRS, NULL), EFAULT, "MSRs from NULL");
	tap_ok(msr(KVM_SET_MSRS, 0, 0, 0) == 0, "no MSR at all");
}

static void debug_registers(void)
{
	struct kvm_debugregs d, out;

	EXPECT_OK(ioctl(fd, KVM_GET_DEBUGREGS, &d), "KVM_GET_DEBUGREGS");
	tap_ok(d.dr6 == 0xffff0ff0 && d.dr7 == 0x400, "debug registers after reset");
	d.db[0] = 0x1234;
	EXPECT_OK(ioctl(fd, KVM_SET_DEBUGREGS, &d), "KVM_SET_DEBUGREGS");
	ioctl(fd, KVM_GET_DEBUGREGS, &out);
	tap_ok(out.db[0] == 0x1234, "DR0 comes back");
	d.flags = 1;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_DEBUGREGS, &d), EINVAL, "debug registers with flags");
	d.flags = 0;
	d.dr7 = 1ull << 40;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_DEBUGREGS, &d), EINVAL, "a DR7 that no processor accepts");
	d.dr7 = 0x400;
	d.dr6 = 1ull << 40;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_DEBUGREGS, &d), EINVAL, "a DR6 that no processor accepts");
}

/* IA32_VMX_BASIC[56]: an exception may be injected with an error code or without. */
static bool any_error_code(int dev)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry.index = 0x480 };

	return ioctl(dev, KVM_GET_MSRS, &m) == 1 && m.entry.data >> 56 & 1;
}

static void events(void)
{
	struct kvm_vcpu_events e, bad;

	EXPECT_OK(ioctl(fd, KVM_GET_VCPU_EVENTS, &e), "KVM_GET_VCPU_EVENTS");
	EXPECT_OK(ioctl(fd, KVM_SET_VCPU_EVENTS, &e), "KVM_SET_VCPU_EVENTS of the same");
	bad = e;
	bad.flags = 1u << 31;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_VCPU_EVENTS, &bad), EINVAL, "events with unknown flags");
	bad = e;
	bad.exception.injected = 1;
	bad.exception.nr = 12;
	bad.exception.has_error_code = 1;
	bad.exception.error_code = 0xdeadbeef;
	EXPECT_OK(ioctl(fd, KVM_SET_VCPU_EVENTS, &bad), "an error code of 32 bits");
	ioctl(fd, KVM_GET_VCPU_EVENTS, &bad);
	tap_ok(bad.exception.error_code == 0xdeadbeef, "is kept as it is");
	ioctl(fd, KVM_SET_VCPU_EVENTS, &e);
	bad = e;
	bad.exception.injected = 1;
	bad.exception.nr = 32;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_VCPU_EVENTS, &bad), EINVAL, "exception 32");
	bad.exception.nr = 2;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_VCPU_EVENTS, &bad), EINVAL, "exception 2, which is NMI");
	bad.exception.nr = 6;
	bad.exception.has_error_code = 1;
	ioctl(fd, KVM_SET_VCPU_EVENTS, &bad);
	ioctl(fd, KVM_GET_VCPU_EVENTS, &bad);
	tap_ok(bad.exception.nr == 6 && bad.exception.has_error_code == any_error_code(vm->dev),
	       "#UD has an error code only where the processor takes one with any exception");
	bad.exception.nr = 13;
	bad.exception.has_error_code = 0;
	ioctl(fd, KVM_SET_VCPU_EVENTS, &bad);
	ioctl(fd, KVM_GET_VCPU_EVENTS, &bad);
	tap_ok(bad.exception.nr == 13 && bad.exception.has_error_code != any_error_code(vm->dev),
	       "and #GP has none only there");
	bad = e;
	bad.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING;
	bad.nmi.pending = 200;
	ioctl(fd, KVM_SET_VCPU_EVENTS, &bad);
	ioctl(fd, KVM_GET_VCPU_EVENTS, &bad);
	tap_ok(bad.nmi.pending == 2, "at most two NMIs wait");
	bad.nmi.masked = 1;
	ioctl(fd, KVM_SET_VCPU_EVENTS, &bad);
	ioctl(fd, KVM_GET_VCPU_EVENTS, &bad);
	tap_ok(bad.nmi.pending == 1, "one where NMIs are blocked");
	e.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING;
	ioctl(fd, KVM_SET_VCPU_EVENTS, &e);
}

static void xsave(void)
{
	struct kvm_xcrs x;
	struct kvm_xsave area, again;
	struct kvm_fpu fpu;

	EXPECT_OK(ioctl(fd, KVM_GET_FPU, &fpu), "KVM_GET_FPU");
	tap_ok(fpu.fcw == 0x37f, "FPU state after reset");
	EXPECT_OK(ioctl(fd, KVM_SET_FPU, &fpu), "KVM_SET_FPU");
	EXPECT_OK(ioctl(fd, KVM_GET_XSAVE, &area), "KVM_GET_XSAVE");
	EXPECT_OK(ioctl(fd, KVM_SET_XSAVE, &area), "KVM_SET_XSAVE");
	EXPECT_ERRNO(ioctl(fd, KVM_SET_XSAVE, NULL), EFAULT, "KVM_SET_XSAVE from NULL");
	tap_ok(vm_cap(vm->fd, KVM_CAP_XSAVE2) == sizeof(area), "KVM_GET_XSAVE2 needs 4096 bytes");
	memset(&again, 0x5a, sizeof(again));
	EXPECT_OK(ioctl(fd, KVM_GET_XSAVE2, &again), "KVM_GET_XSAVE2");
	tap_ok(!memcmp(&area, &again, sizeof(area)), "gives what KVM_GET_XSAVE does");
	EXPECT_ERRNO(ioctl(fd, KVM_GET_XSAVE2, NULL), EFAULT, "KVM_GET_XSAVE2 to NULL");
	area.region[128] = ~0u; /* XSTATE_BV */
	area.region[129] = ~0u;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_XSAVE, &area), EINVAL,
		     "an XSAVE area with unknown components");
	EXPECT_OK(ioctl(fd, KVM_GET_XCRS, &x), "KVM_GET_XCRS");
	tap_ok(x.nr_xcrs == 1 && x.xcrs[0].value == 1, "XCR0 is 1");
	EXPECT_OK(ioctl(fd, KVM_SET_XCRS, &x), "KVM_SET_XCRS");
	x.flags = 1;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_XCRS, &x), EINVAL, "XCRs with flags");
	x.flags = 0;
	x.nr_xcrs = 1000;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_XCRS, &x), EINVAL, "1000 XCRs");
	x.nr_xcrs = 1;
	x.xcrs[0].value = 2;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_XCRS, &x), EINVAL, "XCR0 without x87");
}

#define SSE_CODE 0x1000
#define SSE_DATA 0x2000

/* Loads MXCSR and fills XMM0, OUT; and as they are after a reset, OUT. */
static const u8 sse_code[] = {
	0x0f, 0xae, 0x15, 0x00, 0x20, 0x00, 0x00, /* ldmxcsr SSE_DATA */
	0x66, 0x0f, 0x76, 0xc0, 0xe6, 0x80,	  /* pcmpeqd %xmm0, %xmm0; out %al, $0x80 */
	0x0f, 0xae, 0x15, 0x04, 0x20, 0x00, 0x00, /* ldmxcsr SSE_DATA + 4 */
	0x66, 0x0f, 0xef, 0xc0, 0xe6, 0x80,	  /* pxor %xmm0, %xmm0; out %al, $0x80 */
};

static bool sse_is(struct vm *of, u32 mxcsr, u8 fill)
{
	struct kvm_fpu fpu;

	if (vm_run(of, 0) != KVM_EXIT_IO || ioctl(of->cpu[0].fd, KVM_GET_FPU, &fpu))
		return false;
	for (int i = 0; i < 16; i++)
		if (fpu.xmm[0][i] != fill)
			return false;
	return fpu.mxcsr == mxcsr;
}

/* The processor saves nothing of a component that is in its initial state. */
static void fpu_initial_again(void)
{
	static const u32 values[] = { 0x9fc0, 0x1f80 };
	struct vm *other = vm_new(64u << 10);
	struct kvm_sregs sregs;

	vm_add_cpu(other);
	vm_set_cpuid(other, 0, false);
	memcpy(other->ram + SSE_CODE, sse_code, sizeof(sse_code));
	memcpy(other->ram + SSE_DATA, values, sizeof(values));
	vm_flat_mode(other, 0, SSE_CODE);
	ioctl(other->cpu[0].fd, KVM_GET_SREGS, &sregs);
	sregs.cr4 |= CR4_OSFXSR;
	ioctl(other->cpu[0].fd, KVM_SET_SREGS, &sregs);
	tap_ok(sse_is(other, values[0], 0xff), "KVM_GET_FPU has what the guest loaded");
	tap_ok(sse_is(other, values[1], 0), "and that it is as after a reset again");
	vm_free(other);
}

/* A guest without XSAVE has XCR0 = 1 all the same, which clients set with the rest. */
static void no_xsave(void)
{
	struct kvm_cpuid2 none = { .nent = 0 };
	struct kvm_xcrs x = { .nr_xcrs = 1, .xcrs[0].value = 1 };
	struct vm *other = vm_new(64u << 10);
	int cpu;

	vm_add_cpu(other);
	cpu = other->cpu[0].fd;
	EXPECT_OK(ioctl(cpu, KVM_SET_CPUID2, &none), "CPUID without leaves");
	EXPECT_OK(ioctl(cpu, KVM_SET_XCRS, &x), "XCR0 = 1 without XSAVE");
	x.xcrs[0].value = 3;
	EXPECT_ERRNO(ioctl(cpu, KVM_SET_XCRS, &x), EINVAL, "XCR0 = 3 without XSAVE");
	vm_free(other);
}

static void mp_state(void)
{
	struct kvm_mp_state state;
	struct kvm_lapic_state lapic;

	EXPECT_OK(ioctl(fd, KVM_GET_MP_STATE, &state), "KVM_GET_MP_STATE");
	tap_ok(state.mp_state == KVM_MP_STATE_RUNNABLE, "the first vCPU is runnable");
	state.mp_state = 99;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_MP_STATE, &state), EINVAL, "an unknown MP state");
	state.mp_state = KVM_MP_STATE_HALTED;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_MP_STATE, &state), EINVAL, "HALTED without an irqchip");
	EXPECT_ERRNO(ioctl(fd, KVM_GET_LAPIC, &lapic), EINVAL, "KVM_GET_LAPIC without an irqchip");
	EXPECT_ERRNO(ioctl(fd, KVM_SET_LAPIC, &lapic), EINVAL, "KVM_SET_LAPIC without an irqchip");
}

static int set_mce(u8 bank, u64 status)
{
	struct kvm_x86_mce mce = { .bank = bank, .status = status, .addr = 0x1234, .misc = 0x8c };

	mce.mcg_status = 5; /* RIPV, MCIP */
	return ioctl(fd, KVM_X86_SET_MCE, &mce);
}

static u64 get_msr(u32 index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[1];
	} m = { .head.nmsrs = 1, .entry[0].index = index };

	return ioctl(fd, KVM_GET_MSRS, &m) == 1 ? m.entry[0].data : ~0ull;
}

#define MCI_VAL (1ull << 63)
#define MCI_OVER (1ull << 62)
#define MCI_UC (1ull << 61)
#define MC1_STATUS 0x405u

static void machine_checks(void)
{
	struct kvm_vcpu_events e;
	struct kvm_sregs s, with_mce;
	u64 cap = 2 | 1 << 8, bad = 33; /* banks, MCG_CTL_P */

	tap_ok(vm_cap(vm->dev, KVM_CAP_MCE) == 32, "KVM_CAP_MCE: 32 banks");
	EXPECT_ERRNO(ioctl(fd, KVM_X86_SETUP_MCE, &bad), EINVAL, "33 banks");
	bad = 2 | 1ull << 40;
	EXPECT_ERRNO(ioctl(fd, KVM_X86_SETUP_MCE, &bad), EINVAL, "an unknown bit of MCG_CAP");
	EXPECT_OK(ioctl(fd, KVM_X86_SETUP_MCE, &cap), "KVM_X86_SETUP_MCE");
	EXPECT_ERRNO(ioctl(fd, KVM_X86_SET_MCE, NULL), EFAULT, "KVM_X86_SET_MCE from NULL");
	EXPECT_ERRNO(set_mce(2, MCI_VAL), EINVAL, "a third bank of two");
	EXPECT_ERRNO(set_mce(255, MCI_VAL), EINVAL, "bank 255");
	EXPECT_ERRNO(set_mce(1, MCI_UC), EINVAL, "an error that is not valid");
	EXPECT_OK(set_mce(1, MCI_VAL | 0x11), "a corrected error");
	tap_ok(get_msr(MC1_STATUS) == (MCI_VAL | 0x11) && get_msr(MC1_STATUS + 1) == 0x1234 &&
		       get_msr(MC1_STATUS + 2) == 0x8c,
	       "is in its bank");
	ioctl(fd, KVM_GET_VCPU_EVENTS, &e);
	tap_ok(!e.exception.injected, "and raises nothing");

	ioctl(fd, KVM_GET_SREGS, &s);
	with_mce = s;
	with_mce.cr4 |= 1 << 6;
	EXPECT_OK(ioctl(fd, KVM_SET_SREGS, &with_mce), "CR4.MCE");
	EXPECT_OK(set_mce(1, MCI_VAL | MCI_UC | 0x22), "an uncorrected one");
	tap_ok(get_msr(MC1_STATUS) == (MCI_VAL | MCI_OVER | MCI_UC | 0x22) && get_msr(0x17a) == 5,
	       "replaces it, and says that it did");
	ioctl(fd, KVM_GET_VCPU_EVENTS, &e);
	tap_ok(e.exception.injected && e.exception.nr == 18, "and raises #MC");
	e.exception.injected = 0;
	ioctl(fd, KVM_SET_VCPU_EVENTS, &e);
	set_mce(1, MCI_VAL | 0x33);
	tap_ok(get_msr(MC1_STATUS) == (MCI_VAL | MCI_OVER | MCI_UC | 0x22),
	       "a corrected one does not replace it");
	set_mce(0, MCI_VAL | MCI_UC);
	EXPECT_OK(ioctl(fd, KVM_RUN, 0), "an uncorrected one while the last is in work");
	tap_ok(vm->cpu[0].run->exit_reason == KVM_EXIT_SHUTDOWN, "shuts the guest down");
	msr(KVM_SET_MSRS, 1, 0x17a, 0);
	ioctl(fd, KVM_SET_SREGS, &s);
	set_mce(0, MCI_VAL | MCI_UC);
	EXPECT_OK(ioctl(fd, KVM_RUN, 0), "one without CR4.MCE");
	tap_ok(vm->cpu[0].run->exit_reason == KVM_EXIT_SHUTDOWN, "shuts it down as well");
}

static void interrupts(void)
{
	struct kvm_interrupt irq = { .irq = 256 };
	struct {
		struct kvm_signal_mask head;
		u8 set[64];
	} mask = { .head.len = 5 };

	EXPECT_ERRNO(ioctl(fd, KVM_INTERRUPT, &irq), EINVAL, "interrupt 256");
	EXPECT_ERRNO(ioctl(fd, KVM_SET_SIGNAL_MASK, &mask), EINVAL, "a signal mask of 5 bytes");
	EXPECT_OK(ioctl(fd, KVM_SET_SIGNAL_MASK, NULL), "no signal mask");
}

/*
 * The mask of KVM_RUN lets a signal in that the thread blocks, and that would
 * end the process: KVM_RUN ends, the signal waits, the process lives.
 */
static void signal_mask(void)
{
	struct {
		struct kvm_signal_mask head;
		u8 set[8];
	} mask = { .head.len = 8 };
	int status, pid = fork(); /* which has a VM of its own */

	if (!pid) {
		struct vm *v = vm_new(1 << 20);
		struct timespec none = { 0 };
		sigset_t set;

		vm_irqchip(v);
		vm_add_cpu(v);
		vm_real_mode(v, 0, 0x500);
		v->ram[0x500] = 0xf4; /* HLT, which waits: there is an irqchip */
		sigemptyset(&set);
		sigaddset(&set, SIGALRM);
		sigprocmask(SIG_BLOCK, &set, NULL);
		ioctl(v->cpu[0].fd, KVM_SET_SIGNAL_MASK, &mask);
		alarm(1);
		if (ioctl(v->cpu[0].fd, KVM_RUN, 0) != -1 || errno != EINTR)
			_exit(1);
		_exit(sigtimedwait(&set, NULL, &none) == SIGALRM ? 0 : 2);
	}
	waitpid(pid, &status, 0);
	tap_ok(WIFEXITED(status) && !WEXITSTATUS(status),
	       "a signal that only KVM_RUN does not block ends it, not the process");
	tap_note("status %#x", status);
}

static void wrong_kind(void)
{
	struct kvm_userspace_memory_region region = { 0 };

	EXPECT_REFUSED(ioctl(fd, KVM_SET_USER_MEMORY_REGION, &region), "a VM's ioctl on a vCPU");
	EXPECT_REFUSED(ioctl(fd, KVM_CREATE_VM, 0), "the device's ioctl on a vCPU");
	EXPECT_REFUSED(ioctl(fd, _IO(KVMIO, 0xee), 0), "an unknown ioctl");
	EXPECT_ERRNO(ioctl(fd, KVM_RUN, 1), EINVAL, "KVM_RUN with an argument");
}

static void other_process(void)
{
	int status, pid = fork();

	if (!pid) {
		struct kvm_regs regs;

		_exit(ioctl(fd, KVM_GET_REGS, &regs) == -1 && errno == EIO ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	tap_ok(WIFEXITED(status) && !WEXITSTATUS(status), "another process gets EIO");
}

static void immediate_exit(void)
{
	struct kvm_run *run = vm->cpu[0].run;

	run->immediate_exit = 1;
	EXPECT_ERRNO(ioctl(fd, KVM_RUN, 0), EINTR, "KVM_RUN with immediate_exit");
	run->immediate_exit = 0;
}

/* State that no processor accepts ends in an exit with a reason, or an errno. */
static void bad_state(void)
{
	struct kvm_run *run = vm->cpu[0].run;
	struct kvm_sregs s, bad;
	int ret;

	vm_real_mode(vm, 0, 0x500);
	memset(vm->ram + 0x500, 0xf4, 16);
	ioctl(fd, KVM_GET_SREGS, &s);
	bad = s;
	bad.tr.type = 1;
	bad.tr.present = 0;
	ret = ioctl(fd, KVM_SET_SREGS, &bad);
	if (!ret)
		ret = ioctl(fd, KVM_RUN, 0);
	tap_ok(ret == -1 || run->exit_reason == KVM_EXIT_FAIL_ENTRY ||
		       run->exit_reason == KVM_EXIT_INTERNAL_ERROR ||
		       run->exit_reason == KVM_EXIT_HLT,
	       "a TR that is not present is refused with a reason");
	tap_note("answered %d, exit %u, reason %llx", ret, run->exit_reason,
		 run->fail_entry.hardware_entry_failure_reason);
	ioctl(fd, KVM_SET_SREGS, &s);
	vm_real_mode(vm, 0, 0x500);
	ret = ioctl(fd, KVM_RUN, 0);
	tap_ok(!ret && run->exit_reason == KVM_EXIT_HLT, "with the state from before it runs");
	tap_note("answered %d, exit %u, reason %llx", ret, run->exit_reason,
		 run->fail_entry.hardware_entry_failure_reason);
}

/* Registers in kvm_run: what one part of them makes invalid changes no other. */
static void dirty_registers(void)
{
	struct kvm_run *run = vm->cpu[0].run;
	struct kvm_sync_regs *sync = &run->s.regs;
	struct kvm_regs before, after;
	struct kvm_sregs sregs;

	if (vm_cap(vm->dev, KVM_CAP_SYNC_REGS) != 7) {
		tap_skip("no KVM_CAP_SYNC_REGS", "registers in kvm_run");
		return;
	}
	vm_real_mode(vm, 0, 0x500);
	ioctl(fd, KVM_GET_REGS, &before);
	ioctl(fd, KVM_GET_SREGS, &sregs);
	sync->regs = before;
	sync->regs.rbx = 0x1234;
	sync->sregs = sregs;
	sync->sregs.cr2 = 0x5678;
	memset(&sync->events, 0, sizeof(sync->events));
	sync->events.flags = 1u << 31;
	run->kvm_dirty_regs = 7;
	EXPECT_ERRNO(ioctl(fd, KVM_RUN, 0), EINVAL, "KVM_RUN with events of unknown flags");
	run->kvm_dirty_regs = 0;
	ioctl(fd, KVM_GET_REGS, &after);
	tap_ok(after.rbx == before.rbx, "changes no register");
	ioctl(fd, KVM_GET_SREGS, &sregs);
	tap_ok(sregs.cr2 != 0x5678, "nor CR2");
	sync->events.flags = 0;
	sync->sregs.apic_base |= 1ull << 60;
	run->kvm_dirty_regs = 7;
	EXPECT_ERRNO(ioctl(fd, KVM_RUN, 0), EINVAL, "KVM_RUN with an APIC base too high");
	run->kvm_dirty_regs = 0;
	ioctl(fd, KVM_GET_REGS, &after);
	tap_ok(after.rbx == before.rbx, "changes no register");
}

/* CPUID may not change once the vCPU has run; the same again is no change. */
static void cpuid_after_run(void)
{
	EXPECT_OK(ioctl(fd, KVM_SET_CPUID2, &cpuids), "the same CPUID after a run");
	cpuids.entries[0].ebx ^= 1;
	EXPECT_ERRNO(ioctl(fd, KVM_SET_CPUID2, &cpuids), EINVAL, "another CPUID after a run");
	cpuids.entries[0].ebx ^= 1;
}

static void outlives(void)
{
	struct vm *v = vm_new(1 << 20);
	struct kvm_regs regs;
	int cpu = vm_add_cpu(v);

	close(v->fd);
	EXPECT_OK(ioctl(v->cpu[cpu].fd, KVM_GET_REGS, &regs), "a vCPU keeps its VM alive");
	v->fd = -1;
	vm_free(v);
}

int main(void)
{
	vm = vm_new(1 << 20);
	vm_add_cpu(vm);
	fd = vm->cpu[0].fd;
	cpuid();
	registers();
	special_registers();
	msrs();
	debug_registers();
	events();
	xsave();
	if (!dev_is_kvm()) /* whose KVM_GET_FPU leaves out MXCSR, in 6.1 */
		fpu_initial_again();
	no_xsave();
	mp_state();
	interrupts();
	signal_mask();
	wrong_kind();
	other_process();
	immediate_exit();
	bad_state();
	if (!dev_is_kvm())
		dirty_registers();
	cpuid_after_run();
	machine_checks();
	outlives();
	vm_free(vm);
	return tap_done();
}
