// SPDX-License-Identifier: GPL-2.0-only
/* The 8254 and the speaker port. */
/* sources: kmod/irqchip/pit.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "irqchip/pit.h"

#define TEST(name) static void name(void **state __maybe_unused)

#define START 1000000000000LL

static struct pit pit;
static s64 now;

static int setup(void **state __maybe_unused)
{
	now = START;
	pit_init(&pit, now);
	return 0;
}

/* @ticks of the 8254 later, and a bit, so that rounding doesn't matter. */
static void wait_ticks(u64 ticks)
{
	now = START + ticks * 1000000000 / PIT_HZ + 10;
}

static bool out(unsigned int port, u8 value)
{
	return pit_write(&pit, port, value, now);
}

static u8 in(unsigned int port)
{
	return pit_read(&pit, port, now);
}

static void program(unsigned int channel, u8 mode, u16 count)
{
	out(3, channel << 6 | 0x30 | mode << 1);
	out(channel, count);
	out(channel, count >> 8);
}

static u16 in_word(unsigned int channel)
{
	u16 low = in(channel);

	return low | in(channel) << 8;
}

TEST(the_pit_is_silent_after_reset)
{
	struct pit_timer timer;

	pit_timer(&pit, now, &timer);
	assert_int_equal(timer.first_ns, 0);
	assert_int_equal(timer.period_ns, 0);
}

TEST(mode_0_counts_down_and_wraps)
{
	program(0, 0, 1000);
	assert_int_equal(in_word(0), 1000);
	wait_ticks(400);
	assert_int_equal(in_word(0), 600);
	wait_ticks(1000);
	assert_int_equal(in_word(0), 0);
	wait_ticks(1001);
	assert_int_equal(in_word(0), 0xffff);
	wait_ticks(1000 + 0x10000);
	assert_int_equal(in_word(0), 0);
}

TEST(mode_0_output_rises_at_the_end)
{
	struct pit_timer timer;

	program(0, 0, 1000);
	assert_false(pit_out(&pit.channel[0], now));
	pit_timer(&pit, now, &timer);
	assert_int_equal(timer.period_ns, 0);
	assert_in_range(timer.first_ns, 838095, 838097);
	assert_false(pit_out(&pit.channel[0], now + timer.first_ns - 2));
	assert_true(pit_out(&pit.channel[0], now + timer.first_ns));
	wait_ticks(2000);
	assert_true(pit_out(&pit.channel[0], now));
	pit_timer(&pit, now, &timer);
	assert_int_equal(timer.first_ns, 0);
}

TEST(mode_2_is_periodic)
{
	struct pit_timer timer;

	program(0, 2, 11932);
	pit_timer(&pit, now, &timer);
	assert_in_range(timer.period_ns, 10000149, 10000152);
	assert_int_equal(timer.first_ns, timer.period_ns);
	wait_ticks(11932 + 32);
	assert_int_equal(in_word(0), 11900);
	pit_timer(&pit, now, &timer);
	assert_in_range(timer.first_ns, 9973000, 9974000);
}

TEST(mode_2_output_is_low_for_the_last_tick)
{
	program(0, 2, 100);
	assert_true(pit_out(&pit.channel[0], now));
	wait_ticks(98);
	assert_true(pit_out(&pit.channel[0], now));
	wait_ticks(99);
	assert_false(pit_out(&pit.channel[0], now));
	wait_ticks(100);
	assert_true(pit_out(&pit.channel[0], now));
}

TEST(mode_3_is_a_square_wave)
{
	program(0, 3, 101);
	wait_ticks(50);
	assert_true(pit_out(&pit.channel[0], now));
	assert_int_equal(in_word(0), 1);
	wait_ticks(51);
	assert_false(pit_out(&pit.channel[0], now));
	wait_ticks(101);
	assert_true(pit_out(&pit.channel[0], now));
}

TEST(mode_4_strobes_once)
{
	program(2, 4, 100);
	pit_write_speaker(&pit, 1, now);
	assert_true(pit_out(&pit.channel[2], now));
	wait_ticks(100);
	assert_false(pit_out(&pit.channel[2], now));
	wait_ticks(101);
	assert_true(pit_out(&pit.channel[2], now));
}

TEST(modes_6_and_7_are_2_and_3)
{
	program(0, 6, 100);
	assert_int_equal(pit.channel[0].mode, 2);
	program(0, 7, 100);
	assert_int_equal(pit.channel[0].mode, 3);
}

TEST(a_count_of_0_is_65536)
{
	struct pit_timer timer;

	program(0, 2, 0);
	pit_timer(&pit, now, &timer);
	assert_in_range(timer.period_ns / 1000, 54925, 54926);
	assert_int_equal(in_word(0), 0);
	wait_ticks(1);
	assert_int_equal(in_word(0), 0xffff);
}

TEST(bcd_counts_in_decimal)
{
	out(3, 0x30 | 0 << 1 | 1);
	out(0, 0x00);
	out(0, 0x10);
	assert_int_equal(in_word(0), 0x1000);
	wait_ticks(1);
	assert_int_equal(in_word(0), 0x0999);
	wait_ticks(1001);
	assert_int_equal(in_word(0), 0x9999);
	now = START;
	out(0, 0);
	out(0, 0);
	wait_ticks(1);
	assert_int_equal(in_word(0), 0x9999);
}

TEST(single_bytes_can_be_loaded_and_read)
{
	assert_true(out(3, 0x10)); /* channel 0, low byte only */
	assert_true(out(0, 0x80));
	assert_int_equal(pit.channel[0].count, 0x80);
	assert_int_equal(in(0), 0x80);
	assert_int_equal(in(0), 0x80);
	out(3, 0x20); /* high byte only */
	out(0, 0x80);
	assert_int_equal(pit.channel[0].count, 0x8000);
	assert_int_equal(in(0), 0x80);
}

TEST(half_a_count_starts_nothing)
{
	struct pit_timer timer;

	out(3, 0x34);
	assert_false(out(0, 0x34));
	pit_timer(&pit, now, &timer);
	assert_int_equal(timer.first_ns, 0);
	assert_true(out(0, 0x12));
	pit_timer(&pit, now, &timer);
	assert_true(timer.first_ns > 0);
}

TEST(only_channel_0_interrupts)
{
	assert_false(out(3, 0xb4));
	assert_false(out(2, 1));
	assert_false(out(2, 1));
	assert_false(out(3, 0x74));
	assert_false(out(1, 1));
	assert_false(out(1, 1));
}

TEST(a_latched_count_stands_still)
{
	program(0, 2, 10000);
	wait_ticks(100);
	out(3, 0x00);
	wait_ticks(200);
	out(3, 0x00); /* a second latch before the read is ignored */
	assert_int_equal(in_word(0), 9900);
	assert_int_equal(in_word(0), 9800);
}

TEST(read_back_latches_several)
{
	program(0, 2, 10000);
	program(1, 2, 5000);
	wait_ticks(100);
	out(3, 0xc0 | 0x06); /* count and status of 0 and 1 */
	wait_ticks(200);
	assert_int_equal(in(0), 0x80 | 0x30 | 2 << 1);
	assert_int_equal(in_word(0), 9900);
	assert_int_equal(in(1), 0x80 | 0x30 | 2 << 1);
	assert_int_equal(in_word(1), 4900);
	assert_int_equal(in_word(1), 4800);
}

TEST(status_tells_a_count_that_is_not_loaded)
{
	out(3, 0x30);
	out(3, 0xe2); /* status of channel 0 */
	assert_int_equal(in(0), 0x40 | 0x30);
}

TEST(the_control_port_reads_0)
{
	assert_int_equal(in(3), 0);
	assert_int_equal(in(1000), 0);
	assert_false(out(1000, 0));
}

/* The way in which kernels calibrate the TSC. */
TEST(the_speaker_port_shows_channel_2)
{
	pit_write_speaker(&pit, 1, now);
	program(2, 0, 1000);
	assert_int_equal(pit_read_speaker(&pit, now) & 0x23, 0x01);
	wait_ticks(999);
	assert_int_equal(pit_read_speaker(&pit, now) & 0x23, 0x01);
	wait_ticks(1000);
	assert_int_equal(pit_read_speaker(&pit, now) & 0x23, 0x21);
	pit_write_speaker(&pit, 3, now);
	assert_int_equal(pit_read_speaker(&pit, now) & 3, 3);
}

TEST(the_refresh_bit_toggles)
{
	u8 first = pit_read_speaker(&pit, 0) & 0x10;

	assert_int_equal(pit_read_speaker(&pit, 16384) & 0x10, first ^ 0x10);
	assert_int_equal(pit_read_speaker(&pit, 32768) & 0x10, first);
}

TEST(the_gate_pauses_mode_0)
{
	pit_write_speaker(&pit, 1, now);
	program(2, 0, 1000);
	wait_ticks(400);
	pit_write_speaker(&pit, 0, now);
	wait_ticks(5000);
	assert_int_equal(pit_count(&pit.channel[2], now), 600);
	assert_false(pit_out(&pit.channel[2], now));
	pit_write_speaker(&pit, 1, now);
	wait_ticks(5599);
	assert_false(pit_out(&pit.channel[2], now));
	wait_ticks(5601);
	assert_true(pit_out(&pit.channel[2], now));
}

TEST(a_rising_gate_restarts_modes_1_and_3)
{
	program(2, 1, 1000);
	wait_ticks(500);
	pit_write_speaker(&pit, 1, now);
	assert_int_equal(pit_count(&pit.channel[2], now), 1000);
	wait_ticks(1400);
	assert_false(pit_out(&pit.channel[2], now));
	wait_ticks(1501);
	assert_true(pit_out(&pit.channel[2], now));
	pit_write_speaker(&pit, 0, now);
	now = START;
	program(2, 3, 1000);
	wait_ticks(700);
	assert_true(pit_out(&pit.channel[2], now)); /* high while the gate is low */
	assert_int_equal(pit_count(&pit.channel[2], now), 1000);
	pit_write_speaker(&pit, 1, now);
	wait_ticks(800);
	assert_int_equal(pit_count(&pit.channel[2], now), 800);
}

/* As it goes to userspace and comes back, in which time passes. */
static void save_and_load(s64 meanwhile)
{
	unsigned int c;

	pit_note_status(&pit, now);
	for (c = 0; c < PIT_CHANNELS; c++) {
		pit.channel[c].loaded = c % 2; /* nobody brings it back */
		pit.channel[c].load_ns = pit_began(&pit.channel[c], now);
	}
	now += meanwhile;
	pit_loaded(&pit, now);
}

TEST(a_loaded_count_goes_on_in_each_mode)
{
	struct pit_timer before, after;
	u8 mode;

	for (mode = 0; mode < 6; mode++) {
		now = START;
		program(0, mode, 1000);
		wait_ticks(300);
		pit_timer(&pit, now, &before);
		save_and_load(0);
		pit_timer(&pit, now, &after);
		assert_memory_equal(&before, &after, sizeof(before));
		assert_int_equal(pit_count(&pit.channel[0], now), mode == 3 ? 400 : 700);
	}
}

TEST(a_loaded_count_that_the_gate_holds_stands_where_it_was)
{
	pit_write_speaker(&pit, 1, now);
	program(2, 0, 1000);
	wait_ticks(300);
	pit_write_speaker(&pit, 0, now);
	wait_ticks(5000);
	assert_int_equal(pit_count(&pit.channel[2], now), 700);
	save_and_load(0);
	assert_int_equal(pit_count(&pit.channel[2], now), 700);
	wait_ticks(9000);
	assert_int_equal(pit_count(&pit.channel[2], now), 700);
}

TEST(a_loaded_mode_without_a_count_does_not_tick)
{
	struct pit_timer timer;

	out(3, 0x34);
	save_and_load(0);
	pit_timer(&pit, now, &timer);
	assert_true(!timer.first_ns && !timer.period_ns);
	assert_false(pit.channel[0].loaded);
}

TEST(a_loaded_count_that_has_ended_does_not_end_again)
{
	static const u8 modes[] = { 0, 1, 4 };
	struct pit_timer timer;
	size_t i;

	for (i = 0; i < 3; i++) {
		now = START;
		program(0, modes[i], 1000);
		wait_ticks(1500);
		save_and_load(0);
		pit_timer(&pit, now, &timer);
		assert_true(!timer.first_ns && pit_out(&pit.channel[0], now));
		/* Of another machine, with another clock. */
		pit_note_status(&pit, now);
		pit.channel[0].load_ns = now + 5000000000;
		pit_loaded(&pit, now);
		pit_timer(&pit, now, &timer);
		assert_false(timer.first_ns);
	}
}

TEST(a_loaded_count_that_ended_meanwhile_ends_once_more)
{
	struct pit_timer timer;

	program(0, 4, 1000);
	wait_ticks(500);
	save_and_load(10000000);
	pit_timer(&pit, now, &timer);
	assert_true(timer.first_ns && !timer.period_ns);
}

TEST(a_count_of_another_clock_begins_anew)
{
	static const s64 others[] = { 0, -5, INT64_MIN, INT64_MAX };
	struct pit_timer timer;
	size_t i;

	for (i = 0; i < 4; i++) {
		now = START;
		program(0, 2, 1000);
		wait_ticks(300);
		pit_note_status(&pit, now);
		pit.channel[0].load_ns = others[i];
		pit_loaded(&pit, now);
		pit_timer(&pit, now, &timer);
		assert_true(timer.period_ns && timer.first_ns == timer.period_ns);
	}
}

/* KVM leaves in it what was latched last, or 0. */
TEST(a_status_of_another_mode_says_nothing)
{
	struct pit_timer timer;

	program(0, 0, 1000);
	pit.channel[0].status = 0xc0;
	pit_loaded(&pit, now);
	pit_timer(&pit, now, &timer);
	assert_true(timer.first_ns);
}

TEST(hostile_state_and_input_do_no_harm)
{
	struct pit_timer timer;
	unsigned int i, j, c;

	srand(4);
	for (i = 0; i < 200000; i++) {
		now += (u64)rand() * (rand() % 1000);
		if (i % 50 == 0) {
			for (c = 0; c < PIT_CHANNELS; c++) {
				u8 *bytes = (u8 *)&pit.channel[c];

				for (j = 0; j < sizeof(pit.channel[c]); j++)
					if (j != offsetof(struct pit_channel, loaded))
						bytes[j] = rand();
			}
			pit_loaded(&pit, now);
		}
		out(rand() % 5, rand());
		in(rand() % 5);
		pit_write_speaker(&pit, rand(), now);
		pit_read_speaker(&pit, now);
		pit_timer(&pit, now, &timer);
		assert_true(timer.first_ns < 1000000000);
		assert_true(timer.period_ns < 1000000000);
		assert_true(!timer.period_ns || timer.first_ns);
	}
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_pit_is_silent_after_reset),
		CASE(mode_0_counts_down_and_wraps),
		CASE(mode_0_output_rises_at_the_end),
		CASE(mode_2_is_periodic),
		CASE(mode_2_output_is_low_for_the_last_tick),
		CASE(mode_3_is_a_square_wave),
		CASE(mode_4_strobes_once),
		CASE(modes_6_and_7_are_2_and_3),
		CASE(a_count_of_0_is_65536),
		CASE(bcd_counts_in_decimal),
		CASE(single_bytes_can_be_loaded_and_read),
		CASE(half_a_count_starts_nothing),
		CASE(only_channel_0_interrupts),
		CASE(a_latched_count_stands_still),
		CASE(read_back_latches_several),
		CASE(status_tells_a_count_that_is_not_loaded),
		CASE(the_control_port_reads_0),
		CASE(the_speaker_port_shows_channel_2),
		CASE(the_refresh_bit_toggles),
		CASE(the_gate_pauses_mode_0),
		CASE(a_rising_gate_restarts_modes_1_and_3),
		CASE(a_loaded_count_goes_on_in_each_mode),
		CASE(a_loaded_count_that_the_gate_holds_stands_where_it_was),
		CASE(a_loaded_mode_without_a_count_does_not_tick),
		CASE(a_loaded_count_that_has_ended_does_not_end_again),
		CASE(a_loaded_count_that_ended_meanwhile_ends_once_more),
		CASE(a_count_of_another_clock_begins_anew),
		CASE(a_status_of_another_mode_says_nothing),
		CASE(hostile_state_and_input_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
