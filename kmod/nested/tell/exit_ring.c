// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records exits of L2, and measures who spends how long on each. Pure logic that
 * compiles in userspace; watch.c calls it with the time. Tour, stop 14.
 */
#include "nested/tell/exit_ring.h"

void exit_ring_begin(struct exit_ring *r, u32 spender, u64 tsc)
{
	r->now = (struct abyme_nested_exit){ 0 };
	r->exited = false;
	r->spender = spender;
	r->since = tsc;
}

void exit_ring_exit(struct exit_ring *r, const struct abyme_nested_exit *x)
{
	struct abyme_nested_exit *now = &r->now;

	now->tsc = r->since;
	now->vmcs12 = x->vmcs12;
	now->l2_rip = x->l2_rip;
	now->qualification = x->qualification;
	now->detail = x->detail;
	now->reason = x->reason;
	now->flags = x->flags;
	r->exited = true;
}

/*
 * An exit that the processor reported as something else (an EPT violation that
 * is a misconfiguration for L1) is renamed.
 */
void exit_ring_to_l1(struct exit_ring *r, const struct abyme_nested_exit *x, u32 reported)
{
	struct abyme_nested_exit *now = &r->now;

	/* L1 is given an exit once: if it was given this one already, @x is another. */
	if (r->exited && now->reason == reported && !(now->flags & ABYME_EXIT_TO_L1)) {
		now->reason = x->reason;
		now->qualification = x->qualification;
		now->detail = x->detail;
		now->flags |= ABYME_EXIT_TO_L1;
		return;
	}
	exit_ring_close(r, 0);
	exit_ring_exit(r, x);
	now->flags |= ABYME_EXIT_TO_L1 | ABYME_EXIT_MADE_UP;
}

void exit_ring_close(struct exit_ring *r, u32 flags)
{
	if (r->exited) {
		r->now.sequence = ++r->newest;
		r->now.flags |= flags;
		r->record[r->newest % ABYME_EXITS_KEPT] = r->now;
	}
	exit_ring_begin(r, r->spender, r->since);
}

bool exit_ring_due(struct exit_ring *r)
{
	if (r->newest - r->told < ABYME_EXITS_KEPT / 2)
		return false;
	r->told = r->newest;
	return true;
}

const struct abyme_nested_exit *exit_ring_next(const struct exit_ring *r, u64 sequence)
{
	u64 oldest = r->newest > ABYME_EXITS_KEPT ? r->newest - ABYME_EXITS_KEPT + 1 : 1;

	if (sequence >= r->newest)
		return NULL;
	if (++sequence < oldest)
		sequence = oldest;
	return &r->record[sequence % ABYME_EXITS_KEPT];
}
