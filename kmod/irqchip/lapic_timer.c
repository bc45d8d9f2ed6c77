// SPDX-License-Identifier: GPL-2.0-only
/*
 * The timer of a LAPIC on a timer of L0. Its bus clock is 1 GHz, so the
 * undivided counter counts nanoseconds.
 *
 * The host's timer is pinned: it fires where the vCPU armed it, which is mostly
 * where the vCPU is, and then its interrupt is also the exit that delivers it.
 */
#include <asm/tsc.h>

#include "compat/compat.h"
#include "irqchip/chip.h"

/* A guest that asks for more would give L0 nothing to do but timers. */
#define PERIOD_MIN_NS 200000

static u64 deadline_ns(struct lapic *lapic)
{
	struct vcpu *vcpu = lapic->vcpu;

	return lapic_deadline_ns(READ_ONCE(lapic->deadline), clock_guest_tsc(vcpu, rdtsc()),
				 vcpu->clock.tsc_khz);
}

/* Context: hard interrupt. The vCPU's thread waits for its end before it changes anything. */
static enum hrtimer_restart timer_expired(struct hrtimer *timer)
{
	struct lapic *lapic = container_of(timer, struct lapic, timer);
	u64 left;

	if (lapic_timer_mode(&lapic->regs) == TIMER_DEADLINE) {
		left = deadline_ns(lapic); /* clocks drift: not before the TSC says so */
		if (left) {
			hrtimer_forward_now(timer, ns_to_ktime(left));
			return HRTIMER_RESTART;
		}
		WRITE_ONCE(lapic->deadline, 0);
	}
	lapic_deliver_lvt(lapic, LVT_TIMER);
	if (!lapic->period_ns)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, ns_to_ktime(lapic->period_ns));
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
	if (ns) {
		arm(lapic, ns);
		return;
	}
	lapic->deadline = 0;
	lapic_deliver_lvt(lapic, LVT_TIMER);
}

void lapic_timer_start_from(struct lapic *lapic, u32 count)
{
	int shift = lapic_timer_shift(&lapic->regs);
	u64 period = (u64)lapic->regs.tmict << shift;

	hrtimer_cancel(&lapic->timer);
	lapic->period_ns = 0;
	switch (lapic_timer_mode(&lapic->regs)) {
	case TIMER_DEADLINE: start_deadline(lapic); return;
	case TIMER_PERIODIC:
		lapic->period_ns = period ? max_t(u64, period, PERIOD_MIN_NS) : 0;
		count = count ?: lapic->regs.tmict; /* it was saved as it expired */
		break;
	case TIMER_ONESHOT: break;
	default: return;
	}
	if (period && count)
		arm(lapic, (u64)count << shift);
}

void lapic_timer_start(struct lapic *lapic)
{
	lapic_timer_start_from(lapic, lapic->regs.tmict);
}

void lapic_timer_stop(struct lapic *lapic)
{
	hrtimer_cancel(&lapic->timer);
	lapic->period_ns = 0;
	lapic->deadline = 0;
}

static u64 remaining_ns(struct lapic *lapic)
{
	s64 left;

	if (!hrtimer_active(&lapic->timer) || lapic_timer_mode(&lapic->regs) == TIMER_DEADLINE)
		return 0;
	left = ktime_to_ns(hrtimer_get_remaining(&lapic->timer));
	if (left < 0) /* it is just being handled, elsewhere */
		left += lapic->period_ns;
	return max_t(s64, left, 0);
}

u32 lapic_timer_count(struct lapic *lapic)
{
	return remaining_ns(lapic) >> lapic_timer_shift(&lapic->regs);
}

void lapic_timer_scale(struct lapic *lapic, int old_shift)
{
	u32 count = remaining_ns(lapic) >> old_shift;

	if (count && old_shift != lapic_timer_shift(&lapic->regs))
		lapic_timer_start_from(lapic, count);
}

void lapic_timer_sync(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;

	if (lapic && READ_ONCE(lapic->deadline) && lapic->armed_offset != vcpu->clock.tsc_offset)
		lapic_timer_start(lapic);
}

u64 lapic_get_tsc_deadline(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->lapic;

	if (!lapic || lapic_timer_mode(&lapic->regs) != TIMER_DEADLINE)
		return 0;
	return READ_ONCE(lapic->deadline);
}

void lapic_set_tsc_deadline(struct vcpu *vcpu, u64 value)
{
	struct lapic *lapic = vcpu->lapic;

	if (!lapic || lapic_timer_mode(&lapic->regs) != TIMER_DEADLINE)
		return;
	hrtimer_cancel(&lapic->timer);
	lapic->deadline = value;
	start_deadline(lapic);
}
