// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's TSC: offset, scaling, keeping the vCPUs of a VM in step, and
 * hiding what a suspend of the host does to it. kvmclock is in pvclock.c.
 *
 * Ioctls and handlers of the TSC's MSRs come here, and vcpu.c whenever a vCPU
 * comes to another CPU.
 *
 * What a reader must know: guest TSC = host TSC * ratio + offset. Whatever sets
 * the TSC computes a new offset. clock_write_vmcs() writes it to the VMCS, for L2
 * with what L1 adds to it.
 */
#include <linux/ktime.h>
#include <linux/kvm_para.h>
#include <linux/sched.h>
#include <asm/tsc.h>

#include "compat/compat.h"
#include "cpu/clock.h"
#include "cpu/vcpu.h"
#include "cpu/vmcs01.h"
#include "hw/caps.h"

/*
 * Frequencies closer than this, in parts per million, count as equal:
 * userspace's number comes from another measurement of the same TSC.
 */
#define KHZ_TOLERANCE_PPM 250

u32 clock_host_khz(void)
{
	return tsc_khz;
}

/* --- VMs, and suspends of the host --------------------------------------- */

static LIST_HEAD(clocks);
static DEFINE_RAW_SPINLOCK(clocks_lock);

void clock_init_vm(struct vm *vm)
{
	struct vm_clock *c = &vm->clock;
	unsigned long flags;

	raw_spin_lock_init(&c->lock);
	c->default_khz = tsc_khz;
	clock_rebase(vm, 0);
	raw_spin_lock_irqsave(&clocks_lock, flags);
	list_add(&c->node, &clocks);
	raw_spin_unlock_irqrestore(&clocks_lock, flags);
}

void clock_destroy_vm(struct vm *vm)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&clocks_lock, flags);
	list_del(&vm->clock.node);
	raw_spin_unlock_irqrestore(&clocks_lock, flags);
}

/* @ratio: with TSC_RATIO_SHIFT binary places, as the VMCS has it. */
static u64 clock_scale(u64 tsc, u64 ratio)
{
	if (likely(ratio == TSC_RATIO_ONE))
		return tsc;
	return mul_u64_u64_shr(tsc, ratio, TSC_RATIO_SHIFT);
}

u64 clock_guest_tsc(struct vcpu *vcpu, u64 host_tsc)
{
	return clock_scale(host_tsc, vcpu->clock.tsc_ratio) + vcpu->clock.tsc_offset;
}

u64 clock_guest_ticks(const struct vcpu *vcpu, u64 host_ticks)
{
	return clock_scale(host_ticks, vcpu->clock.tsc_ratio);
}

u64 clock_host_ticks(const struct vcpu *vcpu, u64 guest_ticks)
{
	u64 ratio = vcpu->clock.tsc_ratio;

	if (likely(ratio == TSC_RATIO_ONE))
		return guest_ticks;
	/* The least ratio, of a guest of 1 kHz, is about 2^26: the result fits into 64 bits. */
	return mul_u64_u64_div_u64(min_t(u64, guest_ticks, BIT_ULL(41)), TSC_RATIO_ONE, ratio);
}

/*
 * SDM: "TSC-offsetting" under "Changes to Instruction Behavior in VMX Non-Root Operation".
 */
static noinline void write_offset(struct vcpu *vcpu)
{
	struct vcpu_clock *c = &vcpu->clock;
	u64 multiplier = clock_scale(c->tsc_ratio, c->l2_ratio), offset = c->tsc_offset;
	struct vmcs *vmcs = vcpu->vmcs;

	/* L2's ratio applies to L1's TSC, offset and all, as a signed number. */
	if (c->l2_ratio != TSC_RATIO_ONE)
		offset = mul_s64_u64_shr(offset, c->l2_ratio, TSC_RATIO_SHIFT);
	offset += c->l2_offset;
	if (vmcs->tsc_offset == offset && vmcs->tsc_multiplier == multiplier)
		return;
	vmwrite(VMCS_TSC_OFFSET, offset);
	if (hw_has_tsc_scaling())
		vmwrite(VMCS_TSC_MULTIPLIER, multiplier);
	vmcs->tsc_offset = offset;
	vmcs->tsc_multiplier = multiplier;
}

/* The VMCS nearly always has the values already, and mostly L1 does not scale. */
void clock_write_vmcs(struct vcpu *vcpu)
{
	const struct vcpu_clock *c = &vcpu->clock;
	const struct vmcs *vmcs = vcpu->vmcs;

	if (c->l2_ratio != TSC_RATIO_ONE || vmcs->tsc_multiplier != c->tsc_ratio ||
	    vmcs->tsc_offset != c->tsc_offset + c->l2_offset)
		write_offset(vcpu);
}

static void set_offset(struct vcpu *vcpu, u64 offset)
{
	vcpu->clock.tsc_offset = offset;
	vm_request(vcpu->vm, REQ_CLOCK_UPDATE); /* each page says whether all TSCs agree */
}

/* Ticks of @khz in @ns, modulo 2^64, as a TSC wraps: one division of the product would trap. */
static u64 ticks_in(u64 ns, u32 khz)
{
	u32 rest;
	u64 ms = div_u64_rem(ns, NSEC_PER_MSEC, &rest);

	return ms * khz + div_u64((u64)rest * khz, NSEC_PER_MSEC);
}

/* Is @value about what the VM's TSCs are now, that is, within a second of it? */
static bool tsc_in_step(const struct vm_clock *c, u64 value, u32 khz, u64 now_ns)
{
	u64 second = (u64)khz * 1000;
	u64 expected = c->last_write_tsc + ticks_in(now_ns - c->last_write_ns, khz);

	if (!c->written || c->last_khz != khz || check_tsc_unstable())
		return false;
	/* Each vCPU begins with 0, and userspace may write 0 to one after the other. */
	if (!value)
		return true;
	/* The first other value that userspace sets is a saved VM's, even if it is close to 0. */
	return c->set_by_user && value < expected + second && value + second > expected;
}

/* Notes what userspace last set a TSC to, for tsc_in_step(). Context: vm->clock.lock held. */
static void clock_note_write(const struct vcpu *vcpu, u64 offset, u64 value, u64 now_ns)
{
	struct vm_clock *c = &vcpu->vm->clock;

	c->last_offset = offset;
	c->last_write_ns = now_ns;
	c->last_write_tsc = value;
	c->last_khz = vcpu->clock.tsc_khz;
	c->written = true;
	c->set_by_user = value;
}

/*
 * The offset with which a vCPU's TSC is @value now. Userspace sets the TSCs of
 * vCPUs one by one, and cannot do so at the same time: values that would be
 * equal but for the time in between count as equal, and get the same offset.
 */
static u64 offset_for(struct vcpu *vcpu, u64 value)
{
	struct vm_clock *c = &vcpu->vm->clock;
	u32 khz = vcpu->clock.tsc_khz;
	u64 now_ns = ktime_get_boottime_ns();
	unsigned long flags;
	u64 offset;

	raw_spin_lock_irqsave(&c->lock, flags);
	if (tsc_in_step(c, value, khz, now_ns)) {
		offset = c->last_offset;
	} else {
		offset = value - clock_scale(rdtsc(), vcpu->clock.tsc_ratio);
		clock_note_write(vcpu, offset, value, now_ns);
	}
	raw_spin_unlock_irqrestore(&c->lock, flags);
	return offset;
}

static void clock_set_by_user(struct vcpu *vcpu)
{
	clock_write_vmcs(vcpu);
	nested_tsc_set(vcpu);
}

void clock_set_offset(struct vcpu *vcpu, u64 offset)
{
	struct vm_clock *c = &vcpu->vm->clock;
	unsigned long flags;

	set_offset(vcpu, offset);
	raw_spin_lock_irqsave(&c->lock, flags);
	clock_note_write(vcpu, offset, clock_guest_tsc(vcpu, rdtsc()), ktime_get_boottime_ns());
	raw_spin_unlock_irqrestore(&c->lock, flags);
	clock_set_by_user(vcpu);
}

/*
 * A guest's own write moves this vCPU's TSC alone, and IA32_TSC_ADJUST with it.
 * SDM: "IA32_TSC_ADJUST MSR".
 */
void clock_write_tsc(struct vcpu *vcpu, u64 value, bool host)
{
	if (!host) {
		s64 delta = value - clock_guest_tsc(vcpu, rdtsc());

		vcpu->msrs.tsc_adjust += delta;
		clock_adjust_tsc(vcpu, delta);
		return;
	}
	set_offset(vcpu, offset_for(vcpu, value));
	clock_set_by_user(vcpu);
}

void clock_adjust_tsc(struct vcpu *vcpu, s64 delta)
{
	set_offset(vcpu, vcpu->clock.tsc_offset + delta);
	clock_write_vmcs(vcpu);
}

u32 clock_guest_khz(const struct vcpu *vcpu)
{
	return vcpu->clock.tsc_ratio == TSC_RATIO_ONE ? tsc_khz : vcpu->clock.tsc_khz;
}

bool clock_tscs_agree(struct vm *vm)
{
	const struct vcpu_clock *c, *first = NULL;
	struct vcpu *vcpu;
	int i;

	vm_for_each_vcpu(vm, i, vcpu) {
		c = &vcpu->clock;
		first = first ?: c;
		if (READ_ONCE(c->tsc_offset) != READ_ONCE(first->tsc_offset) ||
		    READ_ONCE(c->tsc_ratio) != READ_ONCE(first->tsc_ratio))
			return false;
	}
	return true;
}

static bool khz_close(u32 a, u32 b)
{
	u32 diff = a > b ? a - b : b - a;

	return (u64)diff * 1000000 <= (u64)b * KHZ_TOLERANCE_PPM;
}

/*
 * The host's TSC from which on a vCPU's has the new @ratio, and goes on from where it was. For all
 * vCPUs of the VM it is that of the first, so that they stay in step.
 */
static u64 khz_moment(struct vm *vm, u64 ratio)
{
	struct vm_clock *c = &vm->clock;
	unsigned long flags;
	u64 at;

	raw_spin_lock_irqsave(&c->lock, flags);
	if (c->khz_ratio != ratio)
		c->khz_at = rdtsc();
	c->khz_ratio = ratio;
	at = c->khz_at;
	raw_spin_unlock_irqrestore(&c->lock, flags);
	return at;
}

/* Without TSC scaling @khz must be the host's frequency, within KHZ_TOLERANCE_PPM. */
int clock_set_khz(struct vcpu *vcpu, u32 khz)
{
	struct vcpu_clock *c = &vcpu->clock;
	u64 ratio = TSC_RATIO_ONE, at;

	if (!khz)
		return -EINVAL;
	if (!khz_close(khz, tsc_khz)) {
		if (!hw_has_tsc_scaling() || khz / tsc_khz >= 1 << 15)
			return -EINVAL;
		ratio = mul_u64_u64_div_u64(TSC_RATIO_ONE, khz, tsc_khz);
	}
	c->tsc_khz = khz;
	if (ratio == c->tsc_ratio)
		return 0;
	at = khz_moment(vcpu->vm, ratio);
	c->tsc_offset = clock_guest_tsc(vcpu, at) - clock_scale(at, ratio);
	c->tsc_ratio = ratio;
	clock_set_by_user(vcpu);
	vmcs01_update_ctls(vcpu);
	vm_request(vcpu->vm, REQ_CLOCK_UPDATE);
	return 0;
}

void clock_init_vcpu(struct vcpu *vcpu)
{
	struct vcpu_clock *c = &vcpu->clock;

	c->tsc_khz = vcpu->vm->clock.default_khz;
	c->tsc_ratio = c->l2_ratio = TSC_RATIO_ONE;
	if (!khz_close(c->tsc_khz, tsc_khz))
		c->tsc_ratio = mul_u64_u64_div_u64(TSC_RATIO_ONE, c->tsc_khz, tsc_khz);
	c->tsc_offset = offset_for(vcpu, 0);
}

/* After the suspend the host's TSC is @delta less than before, which guests must not see. */
static void hide_step(struct vm *vm, u64 delta)
{
	struct vcpu *vcpu;
	int i;

	vm->clock.written = false;
	clock_rebase(vm, ktime_get_boottime_ns() + vm->clock.offset_ns);
	vm_for_each_vcpu(vm, i, vcpu) {
		vcpu->clock.tsc_offset += clock_scale(delta, vcpu->clock.tsc_ratio);
		vcpu_request(vcpu, REQ_CLOCK_UPDATE);
		nested_tsc_fell(vcpu, delta);
	}
}

static u64 tsc_before;

/* Called at a suspend. Context: one CPU, interrupts off, no vCPU's thread runs. */
static void host_suspends(void)
{
	tsc_before = rdtsc();
}

/* Called in the same context, so that the list needs no lock. */
static void host_resumes(void)
{
	struct vm_clock *c;
	u64 now = rdtsc();

	if (now >= tsc_before)
		return;
	list_for_each_entry(c, &clocks, node)
		hide_step(container_of(c, struct vm, clock), tsc_before - now);
}

DEFINE_SYSCORE(clock_power, host_suspends, host_resumes);

void clock_setup(void)
{
	register_syscore(&clock_power);
}

void clock_teardown(void)
{
	unregister_syscore(&clock_power);
}

/* --- a vCPU comes to a CPU ------------------------------------------------ */

/*
 * Only here, with the VMCS loaded, can its offset be written. If the host's TSCs differ from CPU
 * to CPU kvmclock's page must be written anew, too.
 */
void clock_moved(struct vcpu *vcpu)
{
	clock_write_vmcs(vcpu);
	if (unlikely(!pvclock_stable()) && (vcpu->clock.system_time_msr & KVM_MSR_ENABLED))
		vcpu_request(vcpu, REQ_CLOCK_UPDATE);
}

/* The scheduler counts how long the thread waited for a CPU: that is the steal time. */
void clock_resumed(struct vcpu *vcpu)
{
	if (unlikely(vcpu->clock.steal_time_msr & KVM_MSR_ENABLED) &&
	    current->sched_info.run_delay != vcpu->clock.steal_last)
		vcpu_request(vcpu, REQ_STEAL_UPDATE);
}
