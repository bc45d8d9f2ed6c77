// SPDX-License-Identifier: GPL-2.0-only
/*
 * A LAPIC's timer in the hands of userspace: what is saved is enough to go on, whenever
 * it is saved, and an expiry is in one of the states that userspace reads, not in none and
 * not in two. No guest runs: KVM_RUN with .immediate_exit lets a vCPU see to what is due.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "vm.h"

#define VECTOR 0x51
#define RAM_SIZE (64u << 10)

#define REG_SVR 0xf0
#define REG_ISR 0x100
#define REG_IRR 0x200
#define REG_ESR 0x280
#define REG_LVT_TIMER 0x320
#define REG_LVT_LINT0 0x350
#define REG_INITIAL 0x380
#define REG_CURRENT 0x390
#define REG_DIVIDE 0x3e0

#define ONE_SHOT 0
#define PERIODIC (1u << 17)
#define DEADLINE (2u << 17)
#define MS 1000000u /* the timer's clock is 1 GHz */

#define MSR_TSC 0x10
#define MSR_TSC_DEADLINE 0x6e0

static struct vm *vm;
static int cpu_fd;
static struct kvm_lapic_state lapic;

static void set_reg(int reg, u32 value)
{
	memcpy(lapic.regs + reg, &value, sizeof(value));
}

static u32 get_reg(int reg)
{
	u32 value;

	memcpy(&value, lapic.regs + reg, sizeof(value));
	return value;
}

static void get_lapic(void)
{
	if (ioctl(cpu_fd, KVM_GET_LAPIC, &lapic) < 0)
		tap_bail("KVM_GET_LAPIC");
}

static void set_lapic(void)
{
	if (ioctl(cpu_fd, KVM_SET_LAPIC, &lapic) < 0)
		tap_bail("KVM_SET_LAPIC");
}

static u64 msr(unsigned long request, u32 index, u64 value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };

	if (ioctl(cpu_fd, request, &m) != 1)
		tap_bail("an MSR");
	return m.entry.data;
}

static void new_vm(void)
{
	vm = vm_new(RAM_SIZE);
	vm_irqchip(vm);
	vm_add_cpu(vm);
	cpu_fd = vm->cpu[0].fd;
	vm_set_cpuid(vm, 0, false);
}

/* @count of @initial are left. */
static void set_timer(u32 mode, u32 initial, u32 count)
{
	get_lapic();
	set_reg(REG_SVR, 0x1ff);
	set_reg(REG_LVT_LINT0, 0x10000);
	set_reg(REG_LVT_TIMER, mode | VECTOR);
	set_reg(REG_DIVIDE, 0xb); /* by 1 */
	set_reg(REG_INITIAL, initial);
	set_reg(REG_CURRENT, count);
	set_lapic();
}

static void attend(void)
{
	vm->cpu[0].run->immediate_exit = 1;
	if (ioctl(cpu_fd, KVM_RUN, 0) != -1 || errno != EINTR)
		tap_bail("KVM_RUN");
	vm->cpu[0].run->immediate_exit = 0;
}

static bool requested(void)
{
	return get_reg(REG_IRR + VECTOR / 32 * 16) >> VECTOR % 32 & 1;
}

/* Has it ticked? If so that is taken. */
static bool ticked(void)
{
	bool yes;

	attend();
	get_lapic();
	yes = requested();
	set_reg(REG_IRR + VECTOR / 32 * 16, 0);
	set_lapic();
	return yes;
}

static void counts(void)
{
	new_vm();
	set_timer(PERIODIC, 5 * MS, 0);
	usleep(8000);
	tap_ok(ticked(), "a periodic timer that was saved with a count of 0 ticks");
	usleep(8000);
	tap_ok(ticked(), "and again");
	set_timer(ONE_SHOT, 5 * MS, 0);
	usleep(8000);
	tap_ok(!ticked(), "a one-shot timer with a count of 0 has done so");
	set_timer(ONE_SHOT, 5 * MS, 5000 * MS);
	usleep(8000);
	tap_ok(ticked(), "a count is never above the initial count");
	set_timer(ONE_SHOT, 5 * MS, 5 * MS);
	usleep(8000);
	attend();
	get_lapic();
	set_reg(REG_LVT_TIMER, PERIODIC | VECTOR);
	tap_ok(requested() && !get_reg(REG_CURRENT), "what has expired is at 0");
	vm_free(vm);
}

/* A deadline passes while userspace saves the vCPU. @lapic_first: its registers are read first. */
static void deadline_between(bool lapic_first)
{
	u64 before = 0, after = 0;
	bool waits;

	new_vm();
	set_timer(DEADLINE, 0, 0);
	msr(KVM_SET_MSRS, MSR_TSC_DEADLINE, msr(KVM_GET_MSRS, MSR_TSC, 0) + 100000);
	if (lapic_first)
		get_lapic();
	else
		before = msr(KVM_GET_MSRS, MSR_TSC_DEADLINE, 0);
	usleep(20000);
	if (lapic_first)
		after = msr(KVM_GET_MSRS, MSR_TSC_DEADLINE, 0);
	else
		get_lapic();
	waits = before || after;
	tap_ok(waits + requested() == 1, "a deadline that passes after the %s is read is in one",
	       lapic_first ? "LAPIC" : "MSR");
	if (waits + requested() != 1)
		tap_note("MSR 0x%llx, IRR %d", (unsigned long long)(before | after), requested());
	attend();
	get_lapic();
	tap_ok(requested() && !msr(KVM_GET_MSRS, MSR_TSC_DEADLINE, 0),
	       "once the vCPU runs it is an interrupt, and no deadline");
	vm_free(vm);
}

/* One that has passed is set in a new vCPU: its registers first, as they all do. */
static void deadline_moves(void)
{
	u64 deadline;

	new_vm();
	set_timer(DEADLINE, 0, 0);
	msr(KVM_SET_MSRS, MSR_TSC_DEADLINE, 1);
	get_lapic();
	deadline = msr(KVM_GET_MSRS, MSR_TSC_DEADLINE, 0);
	vm_free(vm);
	new_vm();
	set_lapic();
	msr(KVM_SET_MSRS, MSR_TSC_DEADLINE, deadline);
	attend();
	get_lapic();
	tap_ok(requested(), "a deadline that has passed moves with the vCPU");
	vm_free(vm);
}

/* What no interrupt could have brought about is kept, as on KVM; it is not delivered, as test_lapic shows. */
static void registers(void)
{
	new_vm();
	set_timer(ONE_SHOT, 0, 0);
	set_reg(REG_IRR, 0x1ffff);
	set_reg(REG_ISR, 0x1ffff);
	set_lapic();
	get_lapic();
	tap_ok(get_reg(REG_IRR) == 0x1ffff && get_reg(REG_ISR) == 0x1ffff,
	       "vectors below 16 wait and are in service as they were set");
	vm_free(vm);
}

/* An error that the guest has not asked for yet: an MSI with an illegal vector. */
static void errors(void)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 5 };
	struct kvm_lapic_state saved;

	new_vm();
	set_timer(ONE_SHOT, 0, 0);
	ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
	get_lapic();
	saved = lapic;
	tap_ok(!get_reg(REG_ESR), "ESR shows an error when the guest has written it, not before");
	vm_free(vm);
	new_vm();
	lapic = saved;
	set_lapic();
	memset(&lapic, 0, sizeof(lapic));
	get_lapic();
	tap_ok(!memcmp(&lapic, &saved, sizeof(lapic)) && memchr(lapic.regs + REG_ESR, 0x40, 16),
	       "one that waits for that moves with the vCPU");
	vm_free(vm);
}

#define CODE 0x500
#define CLOCK_PAGE 0x2000
#define CLOCK_FLAGS 29 /* of struct pvclock_vcpu_time_info */
#define GUEST_STOPPED 2
#define MSR_SYSTEM_TIME 0x4b564d01

/* out %al,$0x10; jmp */
static const u8 code[] = { 0xe6, 0x10, 0xeb, 0xfc };

static void run_guest(void)
{
	memcpy(vm->ram + CODE, code, sizeof(code));
	vm_real_mode(vm, 0, CODE);
	if (ioctl(cpu_fd, KVM_RUN, 0) || vm->cpu[0].run->exit_reason != KVM_EXIT_IO)
		tap_bail("KVM_RUN");
}

/* The guest is told once that it was stopped, wherever it is then. */
static void stopped(void)
{
	u8 page[64];

	new_vm();
	msr(KVM_SET_MSRS, MSR_SYSTEM_TIME, CLOCK_PAGE | 1);
	run_guest();
	EXPECT_OK(ioctl(cpu_fd, KVM_KVMCLOCK_CTRL, 0), "KVM_KVMCLOCK_CTRL");
	memcpy(page, vm->ram + CLOCK_PAGE, sizeof(page));
	tap_ok(page[CLOCK_FLAGS] & GUEST_STOPPED, "is in the clock's page at once");
	vm_free(vm);
	new_vm();
	memcpy(vm->ram + CLOCK_PAGE, page, sizeof(page));
	msr(KVM_SET_MSRS, MSR_SYSTEM_TIME, CLOCK_PAGE | 1);
	run_guest();
	tap_ok(vm->ram[CLOCK_PAGE + CLOCK_FLAGS] & GUEST_STOPPED, "and still after a move");
	tap_ok(*(u32 *)(vm->ram + CLOCK_PAGE) == *(u32 *)page + 2,
	       "in a page whose version goes on");
	vm_free(vm);
}

int main(void)
{
	stopped();
	counts();
	deadline_between(true);
	deadline_between(false);
	deadline_moves();
	registers();
	errors();
	return tap_done();
}
