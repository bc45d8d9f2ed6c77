// SPDX-License-Identifier: GPL-2.0-only
/*
 * The timer of a LAPIC, on a timer of L0. The LAPIC's bus clock is 1 GHz, so
 * that the undivided counter counts nanoseconds.
 *
 * lapic.c starts and stops it in the vCPU's thread; lapic_timer_expired() runs in a
 * hard interrupt. The thread cancels the timer, and so waits for that function,
 * before it changes what both use.
 *
 * The host's timer is pinned: it fires on the CPU where the vCPU armed it. That
 * is mostly where the vCPU still is, and then the host's interrupt is also the
 * exit that delivers the guest's.
 *
 * Mode, vector and mask of the LVT entry, and the period, are looked up when the count
 * reaches 0, as a processor does. Outside of KVM_RUN an expiry is only noted
 * (.timer_due). So userspace, which reads the LAPIC by one call and the deadline
 * by another, in either order, finds an expiry in exactly one of them.
 */
#include <asm/tsc.h>

#include "compat/compat.h"
#include "pc/chip.h"

/*
 * A shorter period is made this long, or a guest could give L0 nothing to do
 * but timers.
 */
#define PERIOD_MIN_NS 200000
#define TIMER_MODE_ABS HRTIMER_MODE_ABS_PINNED_HARD

static bool has_deadline(const struct lapic *lapic)
{
	return lapic_timer_mode(&lapic->regs) == TIMER_DEADLINE;
}

/* Nanoseconds until the guest's TSC reaches the deadline; 0: it has. */
static u64 deadline_ns(struct lapic *lapic)
{
	struct vcpu *vcpu = lapic->vcpu;

	return lapic_deadline_ns(READ_ONCE(lapic->deadline), clock_guest_tsc(vcpu, rdtsc()),
				 vcpu->clock.tsc_khz);
}

/* The period in nanoseconds; 0: the timer is not periodic, or stopped. */
static u64 period_ns(const struct lapic *lapic)
{
	u64 period = (u64)READ_ONCE(lapic->regs.tmict) << lapic_timer_shift(&lapic->regs);

	if (!period || lapic_timer_mode(&lapic->regs) != TIMER_PERIODIC)
		return 0;
	return max_t(u64, period, PERIOD_MIN_NS);
}

/* Delivers an expiry, once: the timer's interrupt and the vCPU's thread may both try. */
static void deliver_due(struct lapic *lapic)
{
	if (!xchg(&lapic->timer_due, false))
		return;
	if (has_deadline(lapic))
		WRITE_ONCE(lapic->deadline, 0);
	lapic_deliver_lvt(lapic, LVT_TIMER);
}

/* The count has reached 0. Context: a hard interrupt, or the vCPU's thread. */
static void lapic_timer_expire(struct lapic *lapic)
{
	WRITE_ONCE(lapic->timer_due, true);
	smp_mb(); /* pairs with lapic_timer_attend(): one of the two sees what the other wrote */
	if (READ_ONCE(lapic->attended))
		deliver_due(lapic);
}

/*
 * Context: a hard interrupt. The vCPU's thread waits for its end, by cancelling
 * the timer, before it changes anything.
 */
static enum hrtimer_restart lapic_timer_expired(struct hrtimer *timer)
{
	struct lapic *lapic = container_of(timer, struct lapic, timer);
	u64 next = has_deadline(lapic) ? deadline_ns(lapic) : period_ns(lapic);

	/* The host's clock and the TSC differ a little: a deadline is reached when the TSC says so. */
	if (!has_deadline(lapic) || !next)
		lapic_timer_expire(lapic);
	if (!next)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, ns_to_ktime(next));
	return HRTIMER_RESTART;
}

void lapic_timer_init(struct lapic *lapic)
{
	hrtimer_setup(&lapic->timer, lapic_timer_expired, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_PINNED_HARD);
}

static void lapic_timer_arm(struct lapic *lapic, u64 ns)
{
	hrtimer_start(&lapic->timer, ns_to_ktime(ns), HRTIMER_MODE_REL_PINNED_HARD);
}

/* The offset is remembered, as the guest may write its TSC: see lapic_timer_sync(). */
static void start_deadline(struct lapic *lapic)
{
	u64 ns;

	if (!lapic->deadline)
		return;
	lapic->armed_offset = lapic->vcpu->clock.tsc_offset;
	ns = deadline_ns(lapic);
	if (ns)
		lapic_timer_arm(lapic, ns);
	else
		lapic_timer_expire(lapic);
}

static void lapic_timer_disarm(struct lapic *lapic)
{
	hrtimer_cancel(&lapic->timer);
	WRITE_ONCE(lapic->timer_due, false);
}

/*
 * For a periodic timer a @count of 0 is that of the moment before it begins
 * anew: KVM rounds down when it saves the count.
 */
void lapic_timer_start_from(struct lapic *lapic, u32 count)
{
	u32 whole = lapic->regs.tmict;

	lapic_timer_disarm(lapic);
	if (has_deadline(lapic)) {
		start_deadline(lapic);
		return;
	}
	if (!count && lapic_timer_mode(&lapic->regs) == TIMER_PERIODIC)
		count = whole;
	count = min(count, whole);
	if (count && lapic_timer_mode(&lapic->regs) != TIMER_RESERVED)
		lapic_timer_arm(lapic, (u64)count << lapic_timer_shift(&lapic->regs));
}

void lapic_timer_start(struct lapic *lapic)
{
	lapic_timer_start_from(lapic, lapic->regs.tmict);
}

void lapic_timer_stop(struct lapic *lapic)
{
	lapic_timer_disarm(lapic);
	lapic->deadline = 0;
}

/*
 * What is left of the count of an armed timer. Rounded up, and never 0, since
 * only a timer that has stopped shows 0. A period may be longer than the guest asked for, the count
 * is not.
 */
static u32 count_left(const struct lapic *lapic, int shift)
{
	s64 ns = ktime_to_ns(ktime_sub(hrtimer_get_expires(&lapic->timer), ktime_get()));

	ns = (ns + BIT_ULL(shift) - 1) >> shift;
	return clamp_t(s64, ns, 1, max(lapic->regs.tmict, 1u));
}

u32 lapic_timer_count(struct lapic *lapic)
{
	if (has_deadline(lapic) || !hrtimer_active(&lapic->timer))
		return 0;
	return count_left(lapic, lapic_timer_shift(&lapic->regs));
}

/* The divisor changed: the count goes on from where it is, at the new pace. */
void lapic_timer_scale(struct lapic *lapic, int old_shift)
{
	if (has_deadline(lapic) || old_shift == lapic_timer_shift(&lapic->regs) ||
	    !hrtimer_active(&lapic->timer))
		return;
	lapic_timer_start_from(lapic, count_left(lapic, old_shift));
}

/*
 * A deadline stays in its MSR, which userspace saves, even if it has expired and is not delivered
 * yet. All other expiries go into IRR now.
 */
bool lapic_timer_pause(struct lapic *lapic, u32 *count)
{
	bool armed = hrtimer_cancel(&lapic->timer);

	*count = 0;
	if (has_deadline(lapic))
		return armed;
	deliver_due(lapic);
	if (armed)
		*count = count_left(lapic, lapic_timer_shift(&lapic->regs));
	return armed;
}

void lapic_timer_resume(struct lapic *lapic)
{
	hrtimer_start_expires(&lapic->timer, TIMER_MODE_ABS);
}

void lapic_timer_sync(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;

	if (lapic && READ_ONCE(lapic->deadline) && lapic->armed_offset != vcpu->clock.tsc_offset)
		lapic_timer_start(lapic);
}

void lapic_timer_attend(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;

	if (!lapic)
		return;
	lapic_timer_sync(vcpu);
	WRITE_ONCE(lapic->attended, true);
	smp_mb(); /* pairs with lapic_timer_expire() */
	deliver_due(lapic);
}

/*
 * A callback that has seen .attended may still be delivering. Whoever reads the
 * registers afterwards must find its interrupt there.
 */
void lapic_timer_leave(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;

	if (!lapic)
		return;
	WRITE_ONCE(lapic->attended, false);
	smp_mb(); /* a callback that has seen it true is waited for */
	while (hrtimer_callback_running(&lapic->timer))
		cpu_relax();
}

u64 lapic_get_tsc_deadline(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;

	return lapic && has_deadline(lapic) ? READ_ONCE(lapic->deadline) : 0;
}

void lapic_set_tsc_deadline(struct vcpu *vcpu, u64 value)
{
	struct lapic *lapic = vcpu->lapic;

	if (!lapic || !has_deadline(lapic))
		return;
	lapic_timer_disarm(lapic);
	lapic->deadline = value;
	start_deadline(lapic);
}
