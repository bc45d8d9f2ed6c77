// SPDX-License-Identifier: GPL-2.0-only
/*
 * The timer of a LAPIC on a timer of L0. Its bus clock is 1 GHz, so the
 * undivided counter counts nanoseconds.
 *
 * The host's timer is pinned: it fires where the vCPU armed it, which is mostly
 * where the vCPU is, and then its interrupt is also the exit that delivers it.
 *
 * What a processor looks up when the count is 0 is looked up then: mode, vector and
 * mask of the LVT entry, and what a period is. Outside of KVM_RUN an expiry is only noted
 * (.timer_due): userspace, which reads the LAPIC by one call and the deadline by
 * another, finds it in one of them, and not in both, whichever comes first.
 */
#include <asm/tsc.h>

#include "compat/compat.h"
#include "irqchip/chip.h"

/* A guest that asks for more would give L0 nothing to do but timers. */
#define PERIOD_MIN_NS 200000
#define TIMER_MODE_ABS HRTIMER_MODE_ABS_PINNED_HARD

static bool has_deadline(const struct lapic *lapic)
{
	return lapic_timer_mode(&lapic->regs) == TIMER_DEADLINE;
}

static u64 deadline_ns(struct lapic *lapic)
{
	struct vcpu *vcpu = lapic->vcpu;

	return lapic_deadline_ns(READ_ONCE(lapic->deadline), clock_guest_tsc(vcpu, rdtsc()),
				 vcpu->clock.tsc_khz);
}

/* 0: it does not begin anew. */
static u64 period_ns(const struct lapic *lapic)
{
	u64 period = (u64)READ_ONCE(lapic->regs.tmict) << lapic_timer_shift(&lapic->regs);

	if (!period || lapic_timer_mode(&lapic->regs) != TIMER_PERIODIC)
		return 0;
	return max_t(u64, period, PERIOD_MIN_NS);
}

static void deliver_due(struct lapic *lapic)
{
	if (!xchg(&lapic->timer_due, false))
		return;
	if (has_deadline(lapic))
		WRITE_ONCE(lapic->deadline, 0);
	lapic_deliver_lvt(lapic, LVT_TIMER);
}

/* Context: any. */
static void expire(struct lapic *lapic)
{
	WRITE_ONCE(lapic->timer_due, true);
	smp_mb(); /* pairs with lapic_timer_attend(): one of the two sees what the other wrote */
	if (READ_ONCE(lapic->attended))
		deliver_due(lapic);
}

/* Context: hard interrupt. The vCPU's thread waits for its end before it changes anything. */
static enum hrtimer_restart timer_expired(struct hrtimer *timer)
{
	struct lapic *lapic = container_of(timer, struct lapic, timer);
	u64 next = has_deadline(lapic) ? deadline_ns(lapic) : period_ns(lapic);

	/* Clocks drift: a deadline is not before the TSC says so. */
	if (!has_deadline(lapic) || !next)
		expire(lapic);
	if (!next)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, ns_to_ktime(next));
	return HRTIMER_RESTART;
}

void lapic_timer_init(struct lapic *lapic)
{
	hrtimer_setup(&lapic->timer, timer_expired, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
}

static void arm(struct lapic *lapic, u64 ns)
{
	hrtimer_start(&lapic->timer, ns_to_ktime(ns), HRTIMER_MODE_REL_PINNED_HARD);
}

static void start_deadline(struct lapic *lapic)
{
	u64 ns;

	if (!lapic->deadline)
		return;
	lapic->armed_offset = lapic->vcpu->clock.tsc_offset;
	ns = deadline_ns(lapic);
	if (ns)
		arm(lapic, ns);
	else
		expire(lapic);
}

static void disarm(struct lapic *lapic)
{
	hrtimer_cancel(&lapic->timer);
	WRITE_ONCE(lapic->timer_due, false);
}

/*
 * A count of 0 of a periodic timer is that of the moment before it begins anew: KVM saves
 * it so, which rounds down.
 */
void lapic_timer_start_from(struct lapic *lapic, u32 count)
{
	u32 whole = lapic->regs.tmict;

	disarm(lapic);
	if (has_deadline(lapic)) {
		start_deadline(lapic);
		return;
	}
	if (!count && lapic_timer_mode(&lapic->regs) == TIMER_PERIODIC)
		count = whole;
	count = min(count, whole);
	if (count && lapic_timer_mode(&lapic->regs) != TIMER_RESERVED)
		arm(lapic, (u64)count << lapic_timer_shift(&lapic->regs));
}

void lapic_timer_start(struct lapic *lapic)
{
	lapic_timer_start_from(lapic, lapic->regs.tmict);
}

void lapic_timer_stop(struct lapic *lapic)
{
	disarm(lapic);
	lapic->deadline = 0;
}

/* Of one that is armed. Rounded up, and never 0: only a timer that has stopped is there. */
static u32 count_left(const struct lapic *lapic, int shift)
{
	s64 ns = ktime_to_ns(ktime_sub(hrtimer_get_expires(&lapic->timer), ktime_get()));

	return max_t(s64, (ns + BIT_ULL(shift) - 1) >> shift, 1);
}

u32 lapic_timer_count(struct lapic *lapic)
{
	if (has_deadline(lapic) || !hrtimer_active(&lapic->timer))
		return 0;
	return count_left(lapic, lapic_timer_shift(&lapic->regs));
}

void lapic_timer_scale(struct lapic *lapic, int old_shift)
{
	if (has_deadline(lapic) || old_shift == lapic_timer_shift(&lapic->regs) ||
	    !hrtimer_active(&lapic->timer))
		return;
	lapic_timer_start_from(lapic, count_left(lapic, old_shift));
}

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
	smp_mb(); /* pairs with expire() */
	deliver_due(lapic);
}

void lapic_timer_leave(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;

	if (!lapic)
		return;
	WRITE_ONCE(lapic->attended, false);
	smp_mb(); /* who has seen it true is waited for */
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
	disarm(lapic);
	lapic->deadline = value;
	start_deadline(lapic);
}
