// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's VMX-preemption timer. It runs in L2 from L1's VM entry on, also while
 * L0 handles an exit of L2, so what is kept is the host TSC at which it ends.
 * While L2 runs the processor's own timer watches; while L2 is halted an
 * hrtimer does.
 */
#include <linux/hrtimer.h>
#include <asm/tsc.h>

#include "nested/internal.h"

/* Timer units are 2^this ticks of the TSC. */
static int rate(const struct nested *n)
{
	return n->caps.misc & MISC_PREEMPT_RATE;
}

/* Until the deadline, but looked at again before long: it may be years. */
static ktime_t time_left(const struct nested *n)
{
	u64 now = rdtsc();
	u64 left = n->timer_deadline > now ? n->timer_deadline - now : 0;

	/* Ticks at tsc_khz to ns. */
	return ns_to_ktime(min_t(u64, mul_u64_u32_div(left, NSEC_PER_MSEC, tsc_khz), NSEC_PER_SEC));
}

static enum hrtimer_restart wake(struct hrtimer *timer)
{
	struct nested *n = container_of(timer, struct nested, timer);

	/* The two clocks need not agree to the tick. */
	if (n->timer_on && !timer_expired(n)) {
		hrtimer_forward_now(timer, ktime_add_ns(time_left(n), NSEC_PER_USEC));
		return HRTIMER_RESTART;
	}
	vcpu_request(n->vcpu, REQ_NESTED);
	vcpu_request(n->vcpu, REQ_EVENT);
	vcpu_kick(n->vcpu);
	return HRTIMER_NORESTART;
}

void timer_init(struct nested *n, struct vcpu *vcpu)
{
	n->vcpu = vcpu;
	hrtimer_init(&n->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	n->timer.function = wake;
}

void timer_start(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	n->timer_on = n->v->pin_ctls & PIN_PREEMPT_TIMER;
	if (n->timer_on)
		n->timer_deadline = rdtsc() + ((u64)n->v->guest_preempt_timer << rate(n));
}

void timer_stop(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (!n->timer_on)
		return;
	n->timer_on = false;
	hrtimer_cancel(&n->timer);
}

u32 timer_remaining(const struct nested *n)
{
	u64 now = rdtsc();

	if (now >= n->timer_deadline)
		return 0;
	return min_t(u64, (n->timer_deadline - now) >> rate(n), U32_MAX);
}

bool timer_expired(const struct nested *n)
{
	return n->timer_on && rdtsc() >= n->timer_deadline;
}

void timer_program(struct vcpu *vcpu)
{
	vmwrite(VMCS_GUEST_PREEMPT_TIMER, timer_remaining(vcpu->nested));
}

void timer_for_halt(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (n->timer_on)
		hrtimer_start(&n->timer, ktime_add(ktime_get(), time_left(n)), HRTIMER_MODE_ABS);
}
