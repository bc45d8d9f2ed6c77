// SPDX-License-Identifier: GPL-2.0-only
/* The two 8259A. */
/* sources: kmod/pc/pic.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "pc/pic.h"

#define TEST(name) static void name(void **state __maybe_unused)

#define SOURCE 1

static struct pic pic;
static struct pic_effect effect;

static void out(u16 port, u8 value)
{
	pic_write(&pic, port, value, &effect);
}

static u8 in(u16 port)
{
	return pic_read(&pic, port, &effect);
}

static void init_chip(u16 port, u8 base, u8 icw4)
{
	out(port, 0x11);
	out(port + 1, base);
	out(port + 1, port == 0x20 ? 4 : 2);
	out(port + 1, icw4);
}

/* As Linux does it: vectors 0x30 and 0x38, nothing masked. */
static int setup(void **state __maybe_unused)
{
	pic_init(&pic);
	init_chip(0x20, 0x30, 1);
	init_chip(0xa0, 0x38, 1);
	out(0x21, 0);
	out(0xa1, 0);
	effect = (struct pic_effect){};
	return 0;
}

static int raise_pin(int pin)
{
	return pic_set_pin(&pic, pin, SOURCE, true);
}

static int lower_pin(int pin)
{
	return pic_set_pin(&pic, pin, SOURCE, false);
}

static void pulse(int pin)
{
	raise_pin(pin);
	lower_pin(pin);
}

static int ack(void)
{
	return pic_ack(&pic, &effect);
}

/* A device's line is high already when the guest makes its pin a level. */
TEST(a_high_line_becomes_a_level)
{
	raise_pin(10);
	assert_int_equal(ack(), 0x3a);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	assert_int_equal(pic.output, false);
	out(0x4d1, 1 << 2);
	assert_int_equal(pic.output, true);
	assert_int_equal(ack(), 0x3a);
}

TEST(special_mask_mode_keeps_masked_in_service)
{
	raise_pin(1);
	assert_int_equal(ack(), 0x31);
	out(0x20, 0x68); /* special mask mode */
	out(0x21, 1 << 1);
	raise_pin(4);
	assert_int_equal(ack(), 0x34);
	out(0x20, 0x20);
	out(0x20, 0x0b); /* ISR is read */
	assert_int_equal(in(0x20), 1 << 1);
}

TEST(each_pin_has_its_vector)
{
	int pin;

	for (pin = 0; pin < PIC_PINS; pin++) {
		if (pin == 2)
			continue;
		assert_false(pic.output);
		assert_int_equal(raise_pin(pin), 1);
		assert_true(pic.output);
		assert_int_equal(pic_peek(&pic), 0x30 + pin);
		assert_int_equal(ack(), 0x30 + pin);
		assert_false(pic.output);
		lower_pin(pin);
		if (pin >= 8)
			out(0xa0, 0x20);
		out(0x20, 0x20);
		assert_int_equal(pic.chip[0].isr | pic.chip[1].isr, 0);
	}
	assert_int_equal(effect.acked, 0xffff);
}

TEST(the_lowest_pin_has_priority)
{
	pulse(7);
	pulse(3);
	pulse(0);
	assert_int_equal(ack(), 0x30);
	assert_false(pic.output);
	out(0x20, 0x20);
	assert_int_equal(ack(), 0x33);
	out(0x20, 0x20);
	assert_int_equal(ack(), 0x37);
}

TEST(the_slave_comes_between_1_and_3)
{
	pulse(3);
	pulse(8);
	pulse(1);
	assert_int_equal(ack(), 0x31);
	out(0x20, 0x20);
	assert_int_equal(ack(), 0x38);
	assert_int_equal(pic.chip[0].isr, 4);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	assert_int_equal(ack(), 0x33);
}

TEST(a_higher_pin_interrupts_a_lower_one)
{
	pulse(4);
	ack();
	pulse(5);
	assert_false(pic.output);
	pulse(1);
	assert_true(pic.output);
	assert_int_equal(ack(), 0x31);
}

TEST(a_masked_pin_waits)
{
	out(0x21, 0x10);
	assert_int_equal(effect.remasked, 0x10);
	assert_int_equal(raise_pin(4), -1);
	assert_false(pic.output);
	assert_int_equal(in(0x21), 0x10);
	out(0x21, 0);
	assert_true(pic.output);
	assert_int_equal(ack(), 0x34);
}

TEST(a_second_edge_is_coalesced)
{
	pulse(4);
	assert_int_equal(raise_pin(4), 0);
	lower_pin(4);
	ack();
	out(0x20, 0x20);
	assert_false(pic.output);
}

TEST(a_high_edge_pin_interrupts_once)
{
	raise_pin(4);
	ack();
	out(0x20, 0x20);
	assert_false(pic.output);
	assert_int_equal(raise_pin(4), 0);
	assert_false(pic.output);
}

TEST(a_level_pin_interrupts_while_high)
{
	out(0x4d0, 0x20);
	raise_pin(5);
	assert_int_equal(ack(), 0x35);
	assert_false(pic.output);
	out(0x20, 0x20);
	assert_true(pic.output);
	assert_int_equal(ack(), 0x35);
	lower_pin(5);
	out(0x20, 0x20);
	assert_false(pic.output);
}

TEST(a_pin_is_high_as_long_as_one_source_is)
{
	out(0x4d0, 0x20);
	pic_set_pin(&pic, 5, 1, true);
	pic_set_pin(&pic, 5, 2, true);
	pic_set_pin(&pic, 5, 1, false);
	assert_true(pic.output);
	pic_set_pin(&pic, 5, 2, false);
	assert_false(pic.output);
}

TEST(some_pins_cannot_be_level)
{
	out(0x4d0, 0xff);
	out(0x4d1, 0xff);
	assert_int_equal(in(0x4d0), 0xf8);
	assert_int_equal(in(0x4d1), 0xde);
}

TEST(a_level_that_goes_away_is_spurious)
{
	out(0x4d0, 0x20);
	raise_pin(5);
	lower_pin(5);
	assert_false(pic.output);
	assert_int_equal(ack(), 0x37);
	assert_int_equal(pic.chip[0].isr, 0);
}

TEST(automatic_eoi_leaves_nothing_in_service)
{
	init_chip(0x20, 0x30, 3);
	effect = (struct pic_effect){};
	pulse(4);
	assert_int_equal(ack(), 0x34);
	assert_int_equal(pic.chip[0].isr, 0);
	assert_int_equal(effect.acked, 0x10);
}

TEST(a_specific_eoi_ends_its_pin)
{
	pulse(4);
	ack();
	pulse(1);
	ack();
	effect = (struct pic_effect){};
	out(0x20, 0x64);
	assert_int_equal(effect.acked, 0x10);
	assert_int_equal(pic.chip[0].isr, 2);
	out(0x20, 0x65); /* not in service: nothing */
	assert_int_equal(effect.acked, 0x10);
}

TEST(rotation_makes_the_served_pin_last)
{
	pulse(0);
	ack();
	out(0x20, 0xa0);
	pulse(0);
	pulse(7);
	assert_int_equal(ack(), 0x37);
	out(0x20, 0x20);
	assert_int_equal(ack(), 0x30);
}

TEST(priorities_can_be_set)
{
	out(0x20, 0xc3); /* pin 3 lowest, 4 highest */
	pulse(3);
	pulse(4);
	assert_int_equal(ack(), 0x34);
}

TEST(special_mask_mode_lets_lower_pins_through)
{
	pulse(1);
	ack();
	pulse(4);
	assert_false(pic.output);
	out(0x20, 0x68);
	out(0x21, 0x02);
	assert_true(pic.output);
	assert_int_equal(ack(), 0x34);
	out(0x20, 0x48);
	assert_int_equal(pic.chip[0].special_mask, 0);
}

TEST(the_special_fully_nested_mode_nests_in_the_slave)
{
	pulse(12);
	ack();
	pulse(9);
	assert_false(pic.output);
	out(0x20, 0x20);
	out(0xa0, 0x20);
	setup(NULL);
	init_chip(0x20, 0x30, 0x11);
	pulse(12);
	ack();
	pulse(9);
	assert_true(pic.output);
	assert_int_equal(ack(), 0x39);
}

TEST(polling_acknowledges)
{
	pulse(4);
	out(0x20, 0x0c);
	assert_int_equal(in(0x20), 0x84);
	assert_int_equal(pic.chip[0].isr, 0x10);
	assert_false(pic.output);
	out(0x20, 0x0c);
	assert_int_equal(in(0x20), 0);
}

TEST(irr_and_isr_can_be_read)
{
	pulse(4);
	assert_int_equal(in(0x20), 0x10);
	ack();
	assert_int_equal(in(0x20), 0);
	out(0x20, 0x0b);
	assert_int_equal(in(0x20), 0x10);
	out(0x20, 0x0a);
	assert_int_equal(in(0x20), 0);
}

TEST(initialising_forgets_edges_and_tells_who_waited)
{
	pulse(4);
	pulse(6);
	ack();
	effect = (struct pic_effect){};
	init_chip(0x20, 0x50, 1);
	assert_int_equal(effect.acked, 0x50);
	assert_false(pic.output);
	pulse(1);
	assert_int_equal(ack(), 0x51);
}

TEST(without_icw4_the_sequence_ends_early)
{
	out(0x20, 0x10);
	out(0x21, 0x60);
	out(0x21, 4);
	out(0x21, 0xfe);
	assert_int_equal(in(0x21), 0xfe);
	pulse(0);
	assert_int_equal(ack(), 0x60);
}

TEST(hostile_input_does_no_harm)
{
	static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
	u8 *bytes = (u8 *)&pic.chip;
	unsigned int i, j;

	srand(2);
	for (i = 0; i < 300000; i++) {
		if (i % 100 == 0) {
			for (j = 0; j < sizeof(pic.chip); j++)
				bytes[j] = rand();
			pic_loaded(&pic);
		}
		out(ports[rand() % 6], rand());
		in(ports[rand() % 6]);
		pic_set_pin(&pic, rand() % 16, 1 << rand() % 3, rand() & 1);
		if (pic.output) {
			u8 vector = pic_peek(&pic);

			assert_int_equal(ack(), vector);
		}
	}
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_high_line_becomes_a_level),
		CASE(special_mask_mode_keeps_masked_in_service),
		CASE(each_pin_has_its_vector),
		CASE(the_lowest_pin_has_priority),
		CASE(the_slave_comes_between_1_and_3),
		CASE(a_higher_pin_interrupts_a_lower_one),
		CASE(a_masked_pin_waits),
		CASE(a_second_edge_is_coalesced),
		CASE(a_high_edge_pin_interrupts_once),
		CASE(a_level_pin_interrupts_while_high),
		CASE(a_pin_is_high_as_long_as_one_source_is),
		CASE(some_pins_cannot_be_level),
		CASE(a_level_that_goes_away_is_spurious),
		CASE(automatic_eoi_leaves_nothing_in_service),
		CASE(a_specific_eoi_ends_its_pin),
		CASE(rotation_makes_the_served_pin_last),
		CASE(priorities_can_be_set),
		CASE(special_mask_mode_lets_lower_pins_through),
		CASE(the_special_fully_nested_mode_nests_in_the_slave),
		CASE(polling_acknowledges),
		CASE(irr_and_isr_can_be_read),
		CASE(initialising_forgets_edges_and_tells_who_waited),
		CASE(without_icw4_the_sequence_ends_early),
		CASE(hostile_input_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
