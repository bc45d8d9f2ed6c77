// SPDX-License-Identifier: GPL-2.0-only
/* Which MSRs a filter lets through. */
/* sources: kmod/cpu/msr_filter.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cpu/msr_filter.h"

#define R MSR_FILTER_READ
#define W MSR_FILTER_WRITE

static const u8 bits[] = { 0x01, 0x82 }; /* 0, 9, 15 */

static void the_bit_decides(void **state __maybe_unused)
{
	const struct msr_filter f = {
		.count = 1,
		.range = { { .access = R | W, .first = 0x100, .count = 16, .allowed = bits } },
	};

	assert_true(msr_filter_allows(&f, 0x100, R));
	assert_true(msr_filter_allows(&f, 0x109, W));
	assert_true(msr_filter_allows(&f, 0x10f, R));
	assert_false(msr_filter_allows(&f, 0x101, R));
	assert_false(msr_filter_allows(&f, 0x10e, W));
}

static void outside_the_default_decides(void **state __maybe_unused)
{
	struct msr_filter f = {
		.count = 1,
		.range = { { .access = R, .first = 0x100, .count = 16, .allowed = bits } },
	};

	assert_false(msr_filter_allows(&f, 0xff, R));
	assert_false(msr_filter_allows(&f, 0x110, R));
	assert_false(msr_filter_allows(&f, 0x100, W));
	f.default_allow = true;
	assert_true(msr_filter_allows(&f, 0xff, R));
	assert_true(msr_filter_allows(&f, 0x110, R));
	assert_true(msr_filter_allows(&f, 0x101, W));
	assert_false(msr_filter_allows(&f, 0x101, R));
}

static void the_first_range_decides(void **state __maybe_unused)
{
	static const u8 none[] = { 0 }, all[] = { 0xff };
	const struct msr_filter f = {
		.count = 3,
		.range = { { .access = W, .first = 0x100, .count = 8, .allowed = none },
			   { .access = R | W, .first = 0x100, .count = 8, .allowed = all },
			   { .access = R, .first = 0x100, .count = 8, .allowed = none } },
	};

	assert_true(msr_filter_allows(&f, 0x100, R));
	assert_false(msr_filter_allows(&f, 0x100, W));
}

static void a_range_past_the_end_has_no_msr(void **state __maybe_unused)
{
	struct msr_filter f = {
		.count = 1,
		.range = { { .access = R, .first = 0xfffffff8, .count = 16, .allowed = bits } },
	};

	assert_false(msr_filter_allows(&f, 0xfffffff8, R));
	assert_false(msr_filter_allows(&f, 1, R));
	f.default_allow = true;
	assert_true(msr_filter_allows(&f, 0xffffffff, R));
	f.range[0].count = 7;
	assert_false(msr_filter_allows(&f, 0xfffffff9, R));
}

static void x2apic_is_never_filtered(void **state __maybe_unused)
{
	const struct msr_filter f = { 0 };

	assert_true(msr_filter_allows(&f, 0x800, R));
	assert_true(msr_filter_allows(&f, 0x8ff, W));
	assert_false(msr_filter_allows(&f, 0x7ff, R));
	assert_false(msr_filter_allows(&f, 0x900, W));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bit_decides),
		cmocka_unit_test(outside_the_default_decides),
		cmocka_unit_test(the_first_range_decides),
		cmocka_unit_test(a_range_past_the_end_has_no_msr),
		cmocka_unit_test(x2apic_is_never_filtered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
