// SPDX-License-Identifier: GPL-2.0-only
/* Exits of L2 as records: whose time it was, whose exit, and what a full ring forgets. */
/* sources: kmod/nested/tell/exit_ring.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "nested/tell/exit_ring.h"

static struct exit_ring ring;
static u64 tsc;

static int setup(void **state)
{
	(void)state;
	memset(&ring, 0, sizeof(ring));
	tsc = 1000;
	exit_ring_begin(&ring, ABYME_SPENT_L1, tsc);
	return 0;
}

/* So many ticks pass, then it is the time of @spender. */
static void spend(u64 ticks, u32 spender)
{
	tsc += ticks;
	exit_ring_spend(&ring, spender, tsc);
}

static void enter_l2(u64 after)
{
	spend(after, ABYME_SPENT_L2);
	exit_ring_close(&ring, 0);
}

static void leave_l2(u64 after, u32 reason)
{
	struct abyme_nested_exit x = { .reason = reason, .qualification = 1 };

	spend(after, ABYME_SPENT_L0);
	exit_ring_exit(&ring, &x);
}

static void to_l1(u32 reason)
{
	struct abyme_nested_exit x = { .reason = reason, .qualification = 2 };

	exit_ring_to_l1(&ring, &x, reason == 49 ? 48 : reason);
}

static const struct abyme_nested_exit *first(void)
{
	return exit_ring_next(&ring, 0);
}

static void what_was_before_the_first_entry_is_no_exit(void **state)
{
	(void)state;
	enter_l2(500);
	assert_null(first());
}

static void each_gets_its_time(void **state)
{
	const struct abyme_nested_exit *x;

	(void)state;
	enter_l2(500);
	leave_l2(10, 18);
	to_l1(18);
	spend(3, ABYME_SPENT_L1);
	spend(20, ABYME_SPENT_L0);
	spend(4, ABYME_SPENT_USER);
	spend(100, ABYME_SPENT_IDLE);
	spend(200, ABYME_SPENT_L0);
	enter_l2(5);
	x = first();
	assert_non_null(x);
	assert_int_equal(x->tsc, 1510);
	assert_int_equal(x->reason, 18);
	assert_int_equal(x->flags, ABYME_EXIT_TO_L1);
	assert_int_equal(x->qualification, 2);
	assert_int_equal(x->spent[ABYME_SPENT_L2], 10);
	assert_int_equal(x->spent[ABYME_SPENT_L0], 3 + 4 + 5);
	assert_int_equal(x->spent[ABYME_SPENT_L1], 20);
	assert_int_equal(x->spent[ABYME_SPENT_USER], 100);
	assert_int_equal(x->spent[ABYME_SPENT_IDLE], 200);
	assert_null(exit_ring_next(&ring, 1));
}

static void a_clock_that_goes_back_takes_nothing(void **state)
{
	(void)state;
	enter_l2(500);
	leave_l2(10, 12);
	tsc -= 5000;
	spend(0, ABYME_SPENT_L1);
	enter_l2(7);
	assert_int_equal(first()->spent[ABYME_SPENT_L0], 0);
	assert_int_equal(first()->spent[ABYME_SPENT_L1], 7);
}

static void what_l0_handles_is_l0s(void **state)
{
	(void)state;
	enter_l2(1);
	leave_l2(1, 48);
	enter_l2(30);
	assert_int_equal(first()->flags, 0);
	assert_int_equal(first()->qualification, 1);
}

/* L0 took the processor's exit and then made up one for L1. */
static void a_made_up_exit_is_one_more(void **state)
{
	const struct abyme_nested_exit *x;

	(void)state;
	enter_l2(1);
	leave_l2(10, 30);
	spend(5, ABYME_SPENT_L0);
	to_l1(52);
	spend(7, ABYME_SPENT_L1);
	enter_l2(9);
	x = first();
	assert_int_equal(x->reason, 30);
	assert_int_equal(x->flags, 0);
	assert_int_equal(x->spent[ABYME_SPENT_L0], 5);
	x = exit_ring_next(&ring, 1);
	assert_int_equal(x->reason, 52);
	assert_int_equal(x->flags, ABYME_EXIT_TO_L1 | ABYME_EXIT_MADE_UP);
	assert_int_equal(x->tsc, 1016);
	assert_int_equal(x->spent[ABYME_SPENT_L2], 0);
	assert_int_equal(x->spent[ABYME_SPENT_L0], 7);
	assert_int_equal(x->spent[ABYME_SPENT_L1], 9);
}

/* An EPT misconfiguration of L1's, which the processor knows as an EPT violation. */
static void an_exit_is_what_l1_is_told(void **state)
{
	(void)state;
	enter_l2(1);
	leave_l2(1, 48);
	to_l1(49);
	enter_l2(30);
	assert_int_equal(ring.newest, 1);
	assert_int_equal(first()->reason, 49);
	assert_int_equal(first()->flags, ABYME_EXIT_TO_L1);
}

/* Entries that fail in a row are exits of the same reason, with no L2 between them. */
static void an_exit_is_given_to_l1_once(void **state)
{
	(void)state;
	to_l1(0x80000021);
	to_l1(0x80000021);
	enter_l2(1);
	assert_int_equal(ring.newest, 2);
}

static void the_end_of_the_watch_ends_the_last(void **state)
{
	(void)state;
	enter_l2(1);
	leave_l2(1, 10);
	exit_ring_close(&ring, ABYME_EXIT_UNFINISHED);
	assert_int_equal(first()->flags, ABYME_EXIT_UNFINISHED);
	exit_ring_close(&ring, ABYME_EXIT_UNFINISHED);
	assert_int_equal(ring.newest, 1);
}

static void a_full_ring_forgets_the_oldest(void **state)
{
	(void)state;
	enter_l2(1);
	for (u32 i = 1; i <= ABYME_EXITS_KEPT + 3; i++) {
		leave_l2(1, i);
		enter_l2(1);
	}
	assert_int_equal(first()->sequence, 4);
	assert_int_equal(first()->reason, 4);
	assert_int_equal(exit_ring_next(&ring, 4)->sequence, 5);
	assert_int_equal(exit_ring_next(&ring, ring.newest - 1)->reason, ABYME_EXITS_KEPT + 3);
	assert_null(exit_ring_next(&ring, ring.newest));
	assert_null(exit_ring_next(&ring, ~0ULL));
}

/* Made-up exits count too, though nobody asks between the two. */
static void it_is_time_to_read_when_half_is_new(void **state)
{
	int due = 0;

	(void)state;
	enter_l2(1);
	for (u32 i = 0; i < ABYME_EXITS_KEPT / 2 - 1; i++) {
		leave_l2(1, 10);
		enter_l2(1);
		due += exit_ring_due(&ring);
	}
	assert_int_equal(due, 0);
	leave_l2(1, 30);
	to_l1(52);
	enter_l2(1);
	assert_true(exit_ring_due(&ring));
	assert_false(exit_ring_due(&ring));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_before_the_first_entry_is_no_exit, setup),
		cmocka_unit_test_setup(each_gets_its_time, setup),
		cmocka_unit_test_setup(a_clock_that_goes_back_takes_nothing, setup),
		cmocka_unit_test_setup(what_l0_handles_is_l0s, setup),
		cmocka_unit_test_setup(a_made_up_exit_is_one_more, setup),
		cmocka_unit_test_setup(an_exit_is_what_l1_is_told, setup),
		cmocka_unit_test_setup(an_exit_is_given_to_l1_once, setup),
		cmocka_unit_test_setup(the_end_of_the_watch_ends_the_last, setup),
		cmocka_unit_test_setup(a_full_ring_forgets_the_oldest, setup),
		cmocka_unit_test_setup(it_is_time_to_read_when_half_is_new, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
