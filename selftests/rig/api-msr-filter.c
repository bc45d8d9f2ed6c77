// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_X86_SET_MSR_FILTER: what it refuses, and that a filter holds for MSRs
 * that exit, for those that do not, and not for the x2APIC's. The guest reads or
 * writes one MSR and then a port; a denied access goes to userspace before.
 */
#include <string.h>
#include "vm.h"

#define LSTAR 0xc0000082u
#define FS_BASE 0xc0000100u
#define TSC 0x10u
#define X2APIC_ID 0x802u
#define CODE_READ 0x500	 /* rdmsr; out %al,$DONE */
#define CODE_WRITE 0x510 /* wrmsr; out %al,$DONE */
#define GP_HANDLER 0x520 /* out %al,$GP */
#define DONE 0x10
#define GP 0x11
#define RW (KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)

static struct vm *vm;
static struct kvm_run *run;
static u8 none[512], big[KVM_MSR_FILTER_MAX_BITMAP_SIZE + 8];

static int set_filter(u32 flags, struct kvm_msr_filter_range range)
{
	struct kvm_msr_filter filter = { .flags = flags, .ranges[15] = range };

	return ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter);
}

/* Every MSR but @index is allowed, or every one is (@access 0). */
static void deny(u32 index, u32 access)
{
	struct kvm_msr_filter_range range = {
		.flags = access,
		.base = index,
		.nmsrs = access ? 1 : 0,
		.bitmap = none,
	};

	if (set_filter(KVM_MSR_FILTER_DEFAULT_ALLOW, range))
		tap_bail("KVM_X86_SET_MSR_FILTER");
}

static int user_space_msrs(u64 reasons)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args[0] = reasons };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static u32 access_msr(u16 code, u32 index, u64 value)
{
	struct kvm_regs regs = { .rip = code,
				 .rflags = 2,
				 .rcx = index,
				 .rax = (u32)value,
				 .rdx = value >> 32 };

	vm_real_mode(vm, 0, code);
	ioctl(vm->cpu[0].fd, KVM_SET_REGS, &regs);
	if (ioctl(vm->cpu[0].fd, KVM_RUN, 0))
		tap_bail("KVM_RUN");
	return run->exit_reason;
}

/* The access that waits for userspace's answer ends, and nothing runs after it. */
static void finish(void)
{
	run->immediate_exit = 1;
	ioctl(vm->cpu[0].fd, KVM_RUN, 0);
	run->immediate_exit = 0;
}

static bool is_denied(u16 code, u32 index)
{
	u32 want = code == CODE_READ ? KVM_EXIT_X86_RDMSR : KVM_EXIT_X86_WRMSR;
	u32 got = access_msr(code, index, 0);
	bool denied = got == want && run->msr.index == index &&
		      run->msr.reason == KVM_MSR_EXIT_REASON_FILTER;

	finish();
	return denied;
}

static bool is_allowed(u16 code, u32 index)
{
	return access_msr(code, index, 0) == KVM_EXIT_IO && run->io.port == DONE;
}

static void refusals(void)
{
	struct kvm_msr_filter_range good = { .flags = RW, .nmsrs = 8, .bitmap = none }, bad;

	EXPECT_ERRNO(ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, NULL), EFAULT, "a filter from NULL");
	EXPECT_ERRNO(set_filter(2, good), EINVAL, "unknown flags");
	bad = good;
	bad.flags = 4;
	EXPECT_ERRNO(set_filter(0, bad), EINVAL, "a range with unknown flags");
	bad.nmsrs = 0;
	EXPECT_OK(set_filter(0, bad), "which it has not, if it is empty");
	bad = good;
	bad.flags = 0;
	EXPECT_ERRNO(set_filter(0, bad), EINVAL, "a range for neither reads nor writes");
	bad = good;
	bad.bitmap = (void *)8;
	EXPECT_ERRNO(set_filter(0, bad), EFAULT, "a bitmap that is not there");
	bad = good;
	bad.nmsrs = KVM_MSR_FILTER_MAX_BITMAP_SIZE * 8;
	bad.bitmap = big;
	EXPECT_OK(set_filter(0, bad), "the largest range");
	bad.nmsrs++;
	EXPECT_ERRNO(set_filter(0, bad), EINVAL, "a larger one");
	bad.nmsrs = ~0u;
	EXPECT_ERRNO(set_filter(0, bad), EINVAL, "2^32 - 1 MSRs");
	bad.nmsrs = 0;
	EXPECT_ERRNO(set_filter(KVM_MSR_FILTER_DEFAULT_DENY, bad), EINVAL,
		     "denial by default without a range");
	EXPECT_ERRNO(user_space_msrs(8), EINVAL, "an unknown reason to exit");
}

static void a_refused_filter_changes_nothing(void)
{
	struct kvm_msr_filter_range bad = { .flags = 4, .nmsrs = 8, .bitmap = none };

	deny(LSTAR, RW);
	set_filter(KVM_MSR_FILTER_DEFAULT_ALLOW, bad);
	tap_ok(is_denied(CODE_READ, LSTAR), "a refused filter leaves the one before in force");
}

static void an_msr_that_exits(void)
{
	deny(LSTAR, KVM_MSR_FILTER_READ);
	tap_ok(is_denied(CODE_READ, LSTAR), "a denied read goes to userspace");
	tap_ok(is_allowed(CODE_WRITE, LSTAR), "and the write beside it does not");
	deny(LSTAR, KVM_MSR_FILTER_WRITE);
	tap_ok(is_allowed(CODE_READ, LSTAR), "an allowed read does not");
	tap_ok(is_denied(CODE_WRITE, LSTAR), "and the denied write beside it does");
	deny(0x12345, RW);
	tap_ok(is_denied(CODE_READ, 0x12345), "one that does not exist can be denied as well");
}

static void an_msr_that_does_not(void)
{
	deny(FS_BASE, RW);
	tap_ok(is_denied(CODE_READ, FS_BASE), "a denied read of FS.base exits");
	tap_ok(is_denied(CODE_WRITE, FS_BASE), "a denied write of FS.base exits");
	deny(TSC, KVM_MSR_FILTER_READ);
	tap_ok(is_allowed(CODE_READ, FS_BASE), "FS.base is free under the next filter");
	tap_ok(is_denied(CODE_READ, TSC), "and the TSC is not");
	deny(0, 0);
	tap_ok(is_allowed(CODE_READ, TSC), "an empty filter denies nothing");
}

/* It wraps, and so has no MSR, neither those before nor those after the wrap. */
static void a_range_past_the_end(void)
{
	struct kvm_msr_filter_range range = {
		.flags = RW,
		.base = 0xfffffff8,
		.nmsrs = 32,
		.bitmap = none,
	};

	EXPECT_OK(set_filter(0, range), "a range past 2^32 is taken");
	tap_ok(is_allowed(CODE_READ, TSC), "and does not hold for low MSRs");
	*(u32 *)(vm->ram + 13 * 4) = GP_HANDLER;
	tap_ok(access_msr(CODE_READ, 0xfffffff8, 0) == KVM_EXIT_IO && run->io.port == GP,
	       "nor for high ones");
}

static void what_userspace_answers(void)
{
	struct kvm_regs regs;

	deny(LSTAR, RW);
	access_msr(CODE_READ, LSTAR, 0);
	run->msr.error = 0;
	run->msr.data = 0x1122334455667788;
	ioctl(vm->cpu[0].fd, KVM_RUN, 0);
	ioctl(vm->cpu[0].fd, KVM_GET_REGS, &regs);
	tap_ok(run->exit_reason == KVM_EXIT_IO && (u32)regs.rax == 0x55667788 &&
		       (u32)regs.rdx == 0x11223344,
	       "the guest reads what userspace answers");
}

/* Without KVM_CAP_X86_USER_SPACE_MSR the guest gets #GP, here without a handler. */
static void without_exits(void)
{
	user_space_msrs(0);
	deny(LSTAR, RW);
	tap_ok(access_msr(CODE_READ, LSTAR, 0) == KVM_EXIT_IO && run->io.port == GP,
	       "a denied access is a #GP when userspace does not want it");
}

static void x2apic(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} base = { .head.nmsrs = 1, .entry = { .index = 0x1b, .data = 0xfee00d00 } };

	ioctl(vm->cpu[0].fd, KVM_SET_MSRS, &base);
	deny(X2APIC_ID, RW);
	tap_ok(is_allowed(CODE_READ, X2APIC_ID), "MSRs of the x2APIC are never denied");
}

int main(void)
{
	static const u8 read_code[] = { 0x0f, 0x32, 0xe6, DONE };
	static const u8 write_code[] = { 0x0f, 0x30, 0xe6, DONE };
	static const u8 handler[] = { 0xe6, GP };
	struct vm *plain;

	vm = vm_new(1 << 20);
	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, false);
	run = vm->cpu[0].run;
	memcpy(vm->ram + CODE_READ, read_code, sizeof(read_code));
	memcpy(vm->ram + CODE_WRITE, write_code, sizeof(write_code));
	memcpy(vm->ram + GP_HANDLER, handler, sizeof(handler));
	tap_ok(vm_cap(vm->dev, KVM_CAP_X86_MSR_FILTER) > 0, "KVM_CAP_X86_MSR_FILTER");
	EXPECT_OK(user_space_msrs(KVM_MSR_EXIT_REASON_FILTER), "exits for filtered MSRs");
	refusals();
	a_refused_filter_changes_nothing();
	an_msr_that_exits();
	an_msr_that_does_not();
	a_range_past_the_end();
	what_userspace_answers();
	without_exits();
	plain = vm;
	vm = vm_new(1 << 20);
	ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0);
	deny(FS_BASE, RW); /* before there is a vCPU */
	vm_add_cpu(vm);
	vm_set_cpuid(vm, 0, false);
	run = vm->cpu[0].run;
	memcpy(vm->ram, plain->ram, 0x600);
	user_space_msrs(KVM_MSR_EXIT_REASON_FILTER);
	tap_ok(is_denied(CODE_READ, FS_BASE), "a vCPU made later finds the filter");
	vm_free(plain);
	x2apic();
	vm_free(vm);
	return tap_done();
}
