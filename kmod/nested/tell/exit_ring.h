/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exits of L2 as records: a stopwatch that knows who spends the time, and a ring
 * of the last records. Pure: the clock is the caller's.
 */
#ifndef NESTED_TELL_EXIT_RING_H
#define NESTED_TELL_EXIT_RING_H

#include <abyme.h>
#include <vmx/types.h>

struct exit_ring {
	struct abyme_nested_exit record[ABYME_EXITS_KEPT]; /* by sequence */
	u64 newest;					   /* sequence */
	u64 told; /* .newest when exit_ring_due() answered true last */
	/* What is being recorded: from one entry to L2 until the next. */
	struct abyme_nested_exit now;
	bool exited; /* .now has its exit */
	u64 since;   /* when the stopwatch was looked at last */
	u32 spender; /* whose time it is since then: ABYME_SPENT_* */
};

/* Adds the time until @tsc to the one who spent it so far; from then on it is @spender's. */
static inline void exit_ring_spend(struct exit_ring *r, u32 spender, u64 tsc)
{
	/* The clocks of two processors may disagree. */
	if ((s64)(tsc - r->since) > 0)
		r->now.spent[r->spender] += tsc - r->since;
	r->since = tsc;
	r->spender = spender;
}

/* Drops the record in progress, whose begin was not seen, and starts the stopwatch. */
void exit_ring_begin(struct exit_ring *r, u32 spender, u64 tsc);

/*
 * Notes an exit of L2, right after exit_ring_spend(). @x has the reason, the flags and the fields
 * that describe the exit.
 */
void exit_ring_exit(struct exit_ring *r, const struct abyme_nested_exit *x);

/*
 * L1 is given the exit @x. If the processor reported the exit in progress as @reported, @x is that
 * one. Else L0 has handled that one as its own, and @x is another, which L0 makes up.
 */
void exit_ring_to_l1(struct exit_ring *r, const struct abyme_nested_exit *x, u32 reported);

/* Completes the record, if there is one: L2 is entered, or the watch ends. */
void exit_ring_close(struct exit_ring *r, u32 flags);

/* Is half of the ring new since this was true last? Then it is time to read it. */
bool exit_ring_due(struct exit_ring *r);

/* The record after @sequence, or NULL; overwritten ones are passed over. */
const struct abyme_nested_exit *exit_ring_next(const struct exit_ring *r, u64 sequence);

#endif
