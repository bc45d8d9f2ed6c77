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

/* The time from @tsc on is @spender's; until then it was that of the one before. */
static inline void exit_ring_spend(struct exit_ring *r, u32 spender, u64 tsc)
{
	/* The clocks of two processors may disagree. */
	if ((s64)(tsc - r->since) > 0)
		r->now.spent[r->spender] += tsc - r->since;
	r->since = tsc;
	r->spender = spender;
}

/* Forgets what is being recorded, as nothing is known of how it began. */
void exit_ring_begin(struct exit_ring *r, u32 spender, u64 tsc);

/*
 * L2 exits, as exit_ring_spend() has just noted. Of @x: reason, flags and what
 * describes the exit.
 */
void exit_ring_exit(struct exit_ring *r, const struct abyme_nested_exit *x);

/*
 * L1 is given the exit @x. That is the one at hand, if the processor has
 * reported it as @reported. If L0 has handled that as its own, it is one more,
 * which L0 makes up.
 */
void exit_ring_to_l1(struct exit_ring *r, const struct abyme_nested_exit *x, u32 reported);

/* Completes the record, if there is one: L2 is entered, or the watch ends. */
void exit_ring_close(struct exit_ring *r, u32 flags);

/* Is half of the ring new since this was true last? Then it is time to read it. */
bool exit_ring_due(struct exit_ring *r);

/* The record after @sequence, or NULL; overwritten ones are passed over. */
const struct abyme_nested_exit *exit_ring_next(const struct exit_ring *r, u64 sequence);

#endif
