// SPDX-License-Identifier: GPL-2.0-only
/* Hyper-V's reference time out of kvmclock's factors. */
/* sources: kmod/cpu/ref_clock.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cpu/ref_clock.h"

#define TEST(name) static void name(void **state __maybe_unused)

#define DAY_NS 86400000000000ull

/* As pvclock_factors() has them: the multiplier's highest bit is set. */
static void factors(u32 khz, s8 *shift, u32 *mul)
{
	unsigned __int128 n = (unsigned __int128)1000000 << 32;

	*shift = 0;
	while (n / khz >> 32) {
		n >>= 1;
		(*shift)++;
	}
	while (!(n / khz >> 31)) {
		n <<= 1;
		(*shift)--;
	}
	*mul = n / khz;
}

static u64 kvmclock(u64 ticks, s8 shift, u32 mul)
{
	unsigned __int128 t = ticks;

	return (shift >= 0 ? t << shift : t >> -shift) * mul >> 32;
}

static bool init(struct ref_clock *clock, u32 khz, struct ref_point at)
{
	s8 shift;
	u32 mul;

	factors(khz, &shift, &mul);
	return ref_clock_init(clock, &at, shift, mul);
}

static void assert_close(u64 a, u64 b, u64 most)
{
	u64 diff = a > b ? a - b : b - a;

	if (diff > most)
		fail_msg("%llu and %llu", (unsigned long long)a, (unsigned long long)b);
}

TEST(it_begins_where_kvmclock_is)
{
	struct ref_clock c;

	assert_true(init(&c, 2400000, (struct ref_point){ .ns = 123456789012, .tsc = 777777777 }));
	assert_close(ref_clock_read(&c, 777777777), 1234567890, 1);
}

TEST(a_second_has_ten_million_units)
{
	static const u32 khz[] = { 20000, 50000, 1000000, 2399998, 3500000, 5000000 };
	struct ref_clock c;

	for (size_t i = 0; i < ARRAY_SIZE(khz); i++) {
		assert_true(init(&c, khz[i], (struct ref_point){ 0 }));
		assert_close(ref_clock_read(&c, khz[i] * 1000ull), 10000000, 1);
	}
}

TEST(a_year_later_it_still_agrees_with_kvmclock)
{
	static const u32 khz[] = { 20000, 50000, 2399998, 3500000 };
	struct ref_clock c;

	for (size_t i = 0; i < ARRAY_SIZE(khz); i++) {
		u64 later = khz[i] * 1000ull * 86400 * 365, start = 5ull << 40;
		s8 shift;
		u32 mul;

		factors(khz[i], &shift, &mul);
		assert_true(init(&c, khz[i], (struct ref_point){ .ns = DAY_NS, .tsc = start }));
		assert_close(ref_clock_read(&c, start + later),
			     (DAY_NS + kvmclock(later, shift, mul)) / 100, 2);
	}
}

TEST(a_tsc_that_was_set_back_since_counts_from_before_zero)
{
	struct ref_clock c;
	u64 second = 1000000000;

	/* A second after the point the TSC is 0. */
	assert_true(init(&c, 1000000,
			 (struct ref_point){ .ns = 7 * second, .tsc = -second, .wrapped = true }));
	assert_close(ref_clock_read(&c, 0), 80000000, 2);
	assert_close(ref_clock_read(&c, second), 90000000, 2);
}

TEST(a_tsc_above_the_sign_bit_is_just_large)
{
	struct ref_clock c;
	u64 tsc = 3ull << 62;

	assert_true(init(&c, 1000000, (struct ref_point){ .ns = DAY_NS, .tsc = tsc }));
	assert_close(ref_clock_read(&c, tsc + 1000000000), DAY_NS / 100 + 10000000, 1);
}

TEST(a_slow_tsc_has_no_scale)
{
	struct ref_clock c;

	assert_false(init(&c, 1, (struct ref_point){ 0 }));
	assert_false(init(&c, 1000, (struct ref_point){ 0 }));
	assert_false(init(&c, 9999, (struct ref_point){ 0 }));
	assert_true(init(&c, 10001, (struct ref_point){ 0 }));
	assert_true(init(&c, 0xffffffff, (struct ref_point){ 0 }));
}

TEST(sequences_are_never_those_that_mean_invalid)
{
	assert_int_equal(ref_clock_next_sequence(0), 1);
	assert_int_equal(ref_clock_next_sequence(1), 2);
	assert_int_equal(ref_clock_next_sequence(0xfffffffd), 0xfffffffe);
	assert_int_equal(ref_clock_next_sequence(0xfffffffe), 1);
	assert_int_equal(ref_clock_next_sequence(0xffffffff), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_begins_where_kvmclock_is),
		cmocka_unit_test(a_second_has_ten_million_units),
		cmocka_unit_test(a_year_later_it_still_agrees_with_kvmclock),
		cmocka_unit_test(a_tsc_that_was_set_back_since_counts_from_before_zero),
		cmocka_unit_test(a_tsc_above_the_sign_bit_is_just_large),
		cmocka_unit_test(a_slow_tsc_has_no_scale),
		cmocka_unit_test(sequences_are_never_those_that_mean_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
