// SPDX-License-Identifier: GPL-2.0-only
/*
 * A nest that takes a second, for tests in which something happens to the host
 * meanwhile: L2 comes and goes, and time goes forward for both.
 */
#include "vmx.h"

#define ROUNDS 8000

static u64 l2_tsc[2];

static void l2_counts(void)
{
	for (u64 i = 0;; i++) {
		l2_tsc[1] = rdtsc();
		l2_vmcall(i);
	}
}

static void forward(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_counts);
	u64 last = rdtsc(), now;

	for (u64 i = 0; i < ROUNDS; i++) {
		EXPECT_EXIT(EXIT_VMCALL);
		GUEST_EXPECT(vmx->regs[GPR_RAX], i);
		now = rdtsc();
		GUEST_ASSERT(now > last);
		GUEST_ASSERT(l2_tsc[1] > l2_tsc[0]);
		last = now;
		l2_tsc[0] = l2_tsc[1];
		l1_skip_insn();
	}
}

#define LONG_TIMER 100000000 /* ticks: it is under way when the host goes to sleep */

static void l2_waits(void)
{
	irqs_on(); /* for the host's interrupts, which the emulated processor else holds back */
	for (;;)
		asm volatile("pause");
}

static void timer(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_waits);
	u64 start;

	l1_use_pin(PIN_PREEMPT_TIMER | PIN_EXT_INT_EXITING);
	l1_vmwrite(VMCS_GUEST_PREEMPT_TIMER, LONG_TIMER >> (vmx->caps.misc & MISC_PREEMPT_RATE));
	start = rdtsc();
	EXPECT_EXIT(EXIT_PREEMPT_TIMER);
	GUEST_ASSERT(rdtsc() - start >= LONG_TIMER);
	/* The host may have slept, and have been long about it. */
	GUEST_ASSERT(rdtsc() - start < LONG_TIMER * 4ull);
}

CLAIMS = { { timer, "a long preemption timer ends when it should" },
	   { forward, "8000 times in L2 and out, and the TSC of both goes forward" },
	   END_OF_CLAIMS };
