// SPDX-License-Identifier: GPL-2.0-only
/* A single step over HLT, with interrupts off: nothing but the trap ends it. */
#include "guest.h"

static volatile u64 hit;

static void on_db(struct trap_frame *frame)
{
	hit = frame->rip;
	frame->rflags &= ~(u64)RFLAGS_TF;
}

static void step(void)
{
	u64 after;

	on_trap(VEC_DB, on_db);
	asm volatile("lea 1f(%%rip), %0; pushfq; orl %1, (%%rsp); popfq; hlt; 1:"
		     : "=&r"(after)
		     : "i"(RFLAGS_TF)
		     : "memory", "cc");
	GUEST_EXPECT(hit, after);
	on_trap(VEC_DB, NULL);
}

CLAIMS = { { step, "a single-step trap ends HLT" }, END_OF_CLAIMS };
