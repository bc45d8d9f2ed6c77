// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which of several events is due first while L2 is to run, in each activity state
 * and behind each thing that may hold one back.
 */
/* sources: kmod/nested/due.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "nested/due.h"

/* A letter for each activity state: active, HLT, shutdown, wait-for-SIPI. */
static const char letters[] = "AHSW";

#define STI IRQBLK_STI
#define MOV_SS IRQBLK_MOV_SS
#define NMI IRQBLK_NMI
#define IF_CLEAR DUE_IF_CLEAR

/* The order by hand, from the SDM: the first of two rows wins. */
static const struct {
	const char *name;
	enum l2_due due;
	const char *states;
	u32 held_by;
} order[] = {
	{ "a delivery that an exit cut short", DUE_DELIVERY, "AHS", 0 },
	{ "TPR below the threshold", DUE_TPR, "AH", 0 },
	{ "SIPI", DUE_SIPI, "W", 0 },
	{ "INIT", DUE_INIT, "AHS", 0 },
	{ "an exception of L0's emulation", DUE_EXCEPTION, "AH", 0 },
	{ "monitor trap", DUE_MTF, "AHS", 0 },
	{ "debug trap", DUE_DEBUG_TRAP, "AH", MOV_SS },
	{ "preemption timer", DUE_TIMER, "AHS", 0 },
	{ "NMI window", DUE_NMI_WINDOW, "AHS", STI | MOV_SS | NMI },
	{ "NMI for L1", DUE_NMI_L1, "AHS", STI | MOV_SS },
	{ "NMI for L2", DUE_NMI_L2, "AHS", STI | MOV_SS | NMI },
	{ "interrupt window", DUE_INT_WINDOW, "AH", STI | MOV_SS | IF_CLEAR },
	{ "interrupt for L1", DUE_IRQ_L1, "AH", STI | MOV_SS },
	{ "interrupt for L2", DUE_IRQ_L2, "AH", STI | MOV_SS | IF_CLEAR },
};

static enum l2_due first(u32 waits, u8 activity, u32 blocked)
{
	const struct l2_facts f = { .waits = waits, .activity = activity, .blocked = blocked };

	return due_first(&f);
}

static bool comes(unsigned int row, u8 activity, u32 blocked)
{
	return strchr(order[row].states, letters[activity]) && !(order[row].held_by & blocked);
}

static void each_cause_has_its_row(void **state)
{
	(void)state;
	assert_int_equal(ARRAY_SIZE(order), DUE_NOTHING);
}

static void nothing_waits(void **state)
{
	u8 activity;

	(void)state;
	for (activity = ACTIVITY_ACTIVE; activity <= ACTIVITY_SIPI; activity++)
		assert_int_equal(first(0, activity, 0), DUE_NOTHING);
}

/* Rows @a and @b, of which @a goes first where both may come. */
static void try_pair(unsigned int a, unsigned int b, u8 activity, u32 blocked)
{
	u32 waits = BIT(order[a].due) | BIT(order[b].due);
	enum l2_due want = DUE_NOTHING, got = first(waits, activity, blocked);

	if (comes(a, activity, blocked))
		want = order[a].due;
	else if (comes(b, activity, blocked))
		want = order[b].due;
	if (got != want)
		fail_msg("%s and %s, in %c, with %#x blocked: %u, not %u", order[a].name,
			 order[b].name, letters[activity], blocked, got, want);
}

static void of_each_pair_the_first_wins(void **state)
{
	static const u32 blocked[] = { 0, STI, MOV_SS, NMI, IF_CLEAR, NMI | IF_CLEAR, STI | NMI };
	unsigned int a, b, i;
	u8 activity;

	(void)state;
	for (a = 0; a < ARRAY_SIZE(order); a++)
		for (b = a; b < ARRAY_SIZE(order); b++)
			for (activity = ACTIVITY_ACTIVE; activity <= ACTIVITY_SIPI; activity++)
				for (i = 0; i < ARRAY_SIZE(blocked); i++)
					try_pair(a, b, activity, blocked[i]);
}

/* All that waits for L1, and all that L2 takes. */
#define EVERYTHING (BIT(DUE_NOTHING) - 1)

static void only_a_sipi_ends_wait_for_sipi(void **state)
{
	(void)state;
	assert_int_equal(first(EVERYTHING & ~BIT(DUE_SIPI), ACTIVITY_SIPI, 0), DUE_NOTHING);
	assert_int_equal(first(EVERYTHING, ACTIVITY_SIPI, 0), DUE_SIPI);
}

static void no_interrupt_ends_shutdown(void **state)
{
	u32 irqs = BIT(DUE_INT_WINDOW) | BIT(DUE_IRQ_L1) | BIT(DUE_IRQ_L2);

	(void)state;
	assert_int_equal(first(irqs, ACTIVITY_SHUTDOWN, 0), DUE_NOTHING);
	assert_int_equal(first(irqs | BIT(DUE_NMI_L2), ACTIVITY_SHUTDOWN, 0), DUE_NMI_L2);
}

static void a_shadow_holds_exits_back_but_not_timer_and_monitor_trap(void **state)
{
	u32 events = BIT(DUE_NMI_L1) | BIT(DUE_IRQ_L1);

	(void)state;
	assert_int_equal(first(events, ACTIVITY_ACTIVE, STI), DUE_NOTHING);
	assert_int_equal(first(events, ACTIVITY_ACTIVE, MOV_SS), DUE_NOTHING);
	assert_int_equal(first(events | BIT(DUE_TIMER), ACTIVITY_ACTIVE, STI), DUE_TIMER);
	assert_int_equal(first(events | BIT(DUE_MTF), ACTIVITY_ACTIVE, MOV_SS), DUE_MTF);
}

static void what_l2_blocks_it_blocks_for_itself_only(void **state)
{
	u32 blocked = NMI | IF_CLEAR;

	(void)state;
	assert_int_equal(first(BIT(DUE_NMI_L1), ACTIVITY_ACTIVE, blocked), DUE_NMI_L1);
	assert_int_equal(first(BIT(DUE_IRQ_L1), ACTIVITY_ACTIVE, blocked), DUE_IRQ_L1);
	assert_int_equal(first(BIT(DUE_NMI_L2), ACTIVITY_ACTIVE, blocked), DUE_NOTHING);
	assert_int_equal(first(BIT(DUE_IRQ_L2), ACTIVITY_ACTIVE, blocked), DUE_NOTHING);
}

static void a_half_delivered_event_goes_before_all(void **state)
{
	(void)state;
	assert_int_equal(first(EVERYTHING, ACTIVITY_ACTIVE, 0), DUE_DELIVERY);
	assert_int_equal(first(EVERYTHING & ~BIT(DUE_DELIVERY), ACTIVITY_ACTIVE, 0), DUE_TPR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cause_has_its_row),
		cmocka_unit_test(nothing_waits),
		cmocka_unit_test(of_each_pair_the_first_wins),
		cmocka_unit_test(only_a_sipi_ends_wait_for_sipi),
		cmocka_unit_test(no_interrupt_ends_shutdown),
		cmocka_unit_test(a_shadow_holds_exits_back_but_not_timer_and_monitor_trap),
		cmocka_unit_test(what_l2_blocks_it_blocks_for_itself_only),
		cmocka_unit_test(a_half_delivered_event_goes_before_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
