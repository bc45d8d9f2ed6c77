// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's VMX-preemption timer. It counts from L1's VM entry on, also while L0
 * handles an exit of L2. So L0 keeps the host TSC at which it expires. While L2
 * runs the processor's own timer makes the exit, while L2 is halted an hrtimer
 * wakes the vCPU's thread.
 *
 * L1's VM entry is over when the processor is first in L2 and finds its instruction
 * and what that accesses in EPT02, or when L2 halts. What L0 needs until then does
 * not count, however long it takes: else an L2 that L1 asks back soon would never
 * get to its first instruction.
 *
 * What a reader must know: there are three units. Timer units are 2^MISC[4:0]
 * ticks of L1's TSC; .timer_deadline and .timer_ticks are in ticks of the host's;
 * clock_host_ticks() and clock_guest_ticks() convert, where the TSC is scaled.
 *
 * Context: the vCPU's thread, but for timer_wake(), which is the hrtimer's. SDM:
 * "VMX-Preemption Timer".
 */
#include <linux/hrtimer.h>
#include <asm/tsc.h>

#include "compat/compat.h"
#include "nested/internal.h"

/* The rate: a timer unit is 2 to this power ticks of L1's TSC. */
static int timer_rate(const struct nested *n)
{
	return n->caps.misc & MISC_PREEMPT_RATE;
}

static u64 ticks_left(const struct nested *n)
{
	u64 now = rdtsc();

	if (n->timer_ticks)
		return n->timer_ticks;
	return n->timer_deadline > now ? n->timer_deadline - now : 0;
}

/*
 * The time until the deadline, but a second at most: the deadline may be years away, and the TSC
 * may be set meanwhile.
 */
static ktime_t time_left(const struct nested *n)
{
	/* Ticks at tsc_khz to ns. */
	u64 ns = mul_u64_u32_div(ticks_left(n), NSEC_PER_MSEC, tsc_khz);

	return ns_to_ktime(min_t(u64, ns, NSEC_PER_SEC));
}

/*
 * Context: hard interrupt. L2 is halted: the vCPU's thread is woken to give L1
 * the exit.
 */
static enum hrtimer_restart timer_wake(struct hrtimer *timer)
{
	struct nested *n = container_of(timer, struct nested, timer);

	/* The hrtimer's clock is not the TSC, and may be early by a little: then sleep on. */
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
	hrtimer_setup(&n->timer, timer_wake, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
}

/* @ticks: of the host's TSC. */
static void count_from_here(struct nested *n, u64 ticks)
{
	n->timer_deadline = rdtsc() + ticks;
	n->timer_ticks = 0;
}

void timer_start(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	n->timer_on = n->v->pin_ctls & PIN_PREEMPT_TIMER;
	n->timer_restored = false;
	if (!n->timer_on)
		return;
	n->timer_deadline = 0; /* for a timer of 0, which expires with the entry */
	n->timer_ticks = clock_host_ticks(vcpu, (u64)n->v->guest_preempt_timer << timer_rate(n));
}

/*
 * L1's VM entry is over. The timer goes down whenever a certain bit of the TSC changes, so the first
 * of its units is shorter by what of that had passed.
 */
static void begin_to_count(struct nested *n)
{
	u64 phase;

	if (!n->timer_ticks)
		return;
	phase = clock_guest_tsc(n->vcpu, rdtsc()) & (BIT_ULL(timer_rate(n)) - 1);
	phase = min(n->timer_ticks, clock_host_ticks(n->vcpu, phase));
	count_from_here(n, n->timer_ticks - phase);
}

u64 timer_get_deadline(struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;

	if (n->timer_restored)
		return n->timer_l1_deadline;
	return clock_guest_tsc(vcpu, n->timer_ticks ? rdtsc() + n->timer_ticks : n->timer_deadline);
}

/*
 * A restored deadline is in L1's TSC, which userspace may set after the nested state. So until L2
 * runs the deadline is computed anew whenever that TSC is set.
 */
static void follow_tsc(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	s64 left = n->timer_l1_deadline - clock_guest_tsc(vcpu, rdtsc());

	if (!n->timer_on || !n->timer_restored)
		return;
	left = clamp_t(s64, left, 0, (s64)U32_MAX << timer_rate(n));
	count_from_here(n, clock_host_ticks(vcpu, left));
	if (n->activity != ACTIVITY_ACTIVE)
		timer_for_halt(vcpu);
}

void timer_set_deadline(struct vcpu *vcpu, u64 l1_tsc)
{
	struct nested *n = vcpu->nested;

	n->timer_l1_deadline = l1_tsc;
	n->timer_restored = n->timer_on;
	follow_tsc(vcpu);
}

void nested_tsc_set(struct vcpu *vcpu)
{
	if (vcpu->in_l2)
		follow_tsc(vcpu);
}

void nested_tsc_fell(struct vcpu *vcpu, u64 delta)
{
	struct nested *n = vcpu->nested;

	if (n)
		n->timer_deadline -= min(n->timer_deadline, delta);
}

void timer_stop(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (!n->timer_on)
		return;
	n->timer_on = false;
	if (!n->timer_armed)
		return;
	n->timer_armed = false;
	hrtimer_cancel(&n->timer);
}

u32 timer_remaining(const struct nested *n)
{
	return min_t(u64, clock_guest_ticks(n->vcpu, ticks_left(n)) >> timer_rate(n), U32_MAX);
}

bool timer_expired(const struct nested *n)
{
	return n->timer_on && !n->timer_ticks && rdtsc() >= n->timer_deadline;
}

/*
 * One entry takes longer than another, and the timer stands still until L2 is there. It must not end
 * later than L2 can tell from its own first and last instruction: a later entry gets so many ticks
 * less.
 */
#define ENTRIES_DIFFER 32

/* Sets the processor's timer, which counts ticks of the host's TSC. Interrupts off. */
void timer_program(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u64 less = n->timer_ticks ? 0 : ENTRIES_DIFFER, left;

	n->timer_entered = ticks_left(n);
	n->timer_restored = false; /* the timer counts from here on, even if the TSC is set */
	begin_to_count(n);
	left = ticks_left(n);
	left -= min(left, less);
	vmwrite(VMCS_GUEST_PREEMPT_TIMER, min_t(u64, left >> timer_rate(n), U32_MAX));
}

/*
 * L0 has to do something before L2 can execute its first instruction: the entry is to be made again
 * with the time that it had.
 */
void timer_unmoved(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (n->timer_on && vcpu_rip(vcpu) == n->v->guest_rip)
		n->timer_ticks = n->timer_entered;
}

void timer_for_halt(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (!n->timer_on)
		return;
	begin_to_count(n);
	n->timer_armed = true;
	/* It may be running on the CPU that the vCPU was on, and moves its own expiry. */
	hrtimer_cancel(&n->timer);
	hrtimer_start(&n->timer, ktime_add(ktime_get(), time_left(n)), HRTIMER_MODE_ABS);
}
