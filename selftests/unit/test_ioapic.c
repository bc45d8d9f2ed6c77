// SPDX-License-Identifier: GPL-2.0-only
/* The registers of an I/O APIC. */
/* sources: kmod/pc/ioapic_regs.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "pc/ioapic_regs.h"

#define TEST(name) static void name(void **state __maybe_unused)

static struct ioapic_regs regs;
static struct lapic_msg msg;

static int setup(void **state __maybe_unused)
{
	ioapic_regs_reset(&regs);
	msg = (struct lapic_msg){};
	return 0;
}

static u32 in(u8 index)
{
	ioapic_regs_write(&regs, 0, index);
	return ioapic_regs_read(&regs, 0x10);
}

static int out(u8 index, u32 value)
{
	ioapic_regs_write(&regs, 0, index);
	return ioapic_regs_write(&regs, 0x10, value);
}

static void set_entry(unsigned int pin, u64 entry)
{
	assert_int_equal(out(0x11 + pin * 2, entry >> 32), pin);
	assert_int_equal(out(0x10 + pin * 2, entry), pin);
}

static int set_pin(unsigned int pin, bool level)
{
	return ioapic_set_pin(&regs, pin, 1, level, &msg);
}

TEST(registers_after_reset)
{
	int pin;

	assert_int_equal(in(0), 0);
	assert_int_equal(in(1), 0x00170011);
	assert_int_equal(in(2), 0);
	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		assert_int_equal(in(0x10 + pin * 2), 0x10000);
		assert_int_equal(in(0x11 + pin * 2), 0);
	}
}

TEST(the_id_has_4_bits)
{
	assert_int_equal(out(0, 0xffffffff), -1);
	assert_int_equal(in(0), 0x0f000000);
	assert_int_equal(in(2), 0x0f000000);
}

TEST(an_entry_keeps_what_is_writable)
{
	set_entry(3, ~0ULL);
	assert_int_equal(in(0x16), 0x1afff);
	assert_int_equal(in(0x17), 0xff000000);
}

TEST(registers_that_are_not_there)
{
	assert_int_equal(out(0x40, ~0), -1);
	assert_int_equal(in(0x40), 0);
	assert_int_equal(out(0xff, ~0), -1);
	assert_int_equal(in(0xff), 0);
	assert_int_equal(out(3, ~0), -1);
	assert_int_equal(in(3), 0);
	assert_int_equal(out(1, ~0), -1);
	assert_int_equal(in(1), 0x00170011);
	assert_int_equal(ioapic_regs_read(&regs, 0x20), 0);
	assert_int_equal(ioapic_regs_write(&regs, 0x40, 0), -1);
}

TEST(an_edge_is_sent_once)
{
	set_entry(4, 0x0300000000000000ULL | REDIR_LOGICAL | 0x55);
	assert_int_equal(set_pin(4, true), IOAPIC_DELIVER);
	assert_int_equal(msg.vector, 0x55);
	assert_int_equal(msg.dest, 3);
	assert_true(msg.logical);
	assert_false(msg.level);
	assert_int_equal(set_pin(4, true), IOAPIC_PENDING);
	assert_int_equal(set_pin(4, false), IOAPIC_NOTHING);
	assert_int_equal(set_pin(4, true), IOAPIC_DELIVER);
}

TEST(a_masked_edge_is_lost)
{
	assert_int_equal(set_pin(4, true), IOAPIC_MASKED);
	set_entry(4, 0x55);
	assert_false(ioapic_service_level(&regs, 4, &msg));
}

TEST(a_level_waits_for_its_eoi)
{
	set_entry(4, REDIR_LEVEL | 0x55);
	assert_int_equal(set_pin(4, true), IOAPIC_DELIVER);
	assert_true(msg.level);
	assert_int_equal(in(0x18), REDIR_LEVEL | REDIR_REMOTE_IRR | 0x55);
	assert_int_equal(set_pin(4, true), IOAPIC_PENDING);
	assert_false(ioapic_service_level(&regs, 4, &msg));
	assert_int_equal(ioapic_pins_of(&regs, 0x55, true), 1 << 4);
	ioapic_pin_eoi(&regs, 4);
	assert_true(ioapic_service_level(&regs, 4, &msg));
	set_pin(4, false);
	ioapic_pin_eoi(&regs, 4);
	assert_false(ioapic_service_level(&regs, 4, &msg));
}

TEST(a_masked_level_is_sent_when_unmasked)
{
	set_entry(4, REDIR_LEVEL | REDIR_MASKED | 0x55);
	assert_int_equal(set_pin(4, true), IOAPIC_MASKED);
	assert_false(ioapic_service_level(&regs, 4, &msg));
	set_entry(4, REDIR_LEVEL | 0x55);
	assert_true(ioapic_service_level(&regs, 4, &msg));
}

TEST(switching_to_edge_clears_remote_irr)
{
	set_entry(4, REDIR_LEVEL | 0x55);
	set_pin(4, true);
	set_entry(4, REDIR_MASKED | 0x55);
	assert_int_equal(in(0x18), REDIR_MASKED | 0x55);
	set_entry(4, REDIR_LEVEL | 0x55);
	assert_true(ioapic_service_level(&regs, 4, &msg));
}

TEST(a_masked_pin_in_service_still_hears_its_eoi)
{
	set_entry(4, REDIR_LEVEL | 0x55);
	set_pin(4, true);
	set_entry(4, REDIR_LEVEL | REDIR_MASKED | 0x55);
	assert_int_equal(ioapic_pins_of(&regs, 0x55, true), 1 << 4);
	ioapic_pin_eoi(&regs, 4);
	assert_int_equal(ioapic_pins_of(&regs, 0x55, true), 0);
}

TEST(a_pin_is_high_as_long_as_one_source_is)
{
	set_entry(4, REDIR_LEVEL | 0x55);
	ioapic_set_pin(&regs, 4, 1, true, &msg);
	ioapic_set_pin(&regs, 4, 2, true, &msg);
	assert_int_equal(ioapic_set_pin(&regs, 4, 1, false, &msg), IOAPIC_PENDING);
	assert_true(regs.irr & 1 << 4);
	ioapic_set_pin(&regs, 4, 2, false, &msg);
	assert_false(regs.irr & 1 << 4);
}

TEST(pins_may_share_a_vector)
{
	set_entry(4, REDIR_LEVEL | 0x55);
	set_entry(23, 0x55);
	set_entry(7, REDIR_MASKED | 0x55);
	assert_int_equal(ioapic_pins_of(&regs, 0x55, true), 1 << 4 | 1 << 23);
	assert_int_equal(ioapic_pins_of(&regs, 0x56, true), 0);
}

TEST(the_eoi_of_an_edge_ends_no_level)
{
	set_entry(4, REDIR_LEVEL | 0x55);
	set_entry(23, 0x55);
	set_pin(4, true);
	assert_int_equal(ioapic_pins_of(&regs, 0x55, false), 1 << 23);
	assert_int_equal(ioapic_pins_of(&regs, 0x55, true), 1 << 4 | 1 << 23);
}

TEST(lowest_priority_is_told)
{
	set_entry(4, DELIVER_LOWEST << 8 | 0x55);
	set_pin(4, true);
	assert_true(msg.lowest);
	assert_int_equal(msg.mode, DELIVER_LOWEST);
}

TEST(loading_keeps_remote_irr_of_levels_only)
{
	ioapic_load_redir(&regs, 4, ~0ULL & ~REDIR_LEVEL);
	assert_false(regs.redir[4] & REDIR_REMOTE_IRR);
	ioapic_load_redir(&regs, 4, ~0ULL);
	assert_true(regs.redir[4] & REDIR_REMOTE_IRR);
	assert_int_equal(regs.redir[4] >> 17 & 0x7fffffffff, 0);
}

TEST(hostile_values_do_no_harm)
{
	unsigned int i, pin;
	int written;

	srand(3);
	for (i = 0; i < 500000; i++) {
		written = ioapic_regs_write(&regs, rand() % 0x100, rand() * 2u);
		assert_in_range(written + 1, 0, IOAPIC_PINS);
		ioapic_regs_read(&regs, rand() % 0x1000);
		pin = rand() % IOAPIC_PINS;
		ioapic_set_pin(&regs, pin, 1 << rand() % 8, rand() & 1, &msg);
		ioapic_service_level(&regs, pin, &msg);
		assert_true(ioapic_pins_of(&regs, rand(), true) >> IOAPIC_PINS == 0);
		if (rand() % 8 == 0)
			ioapic_load_redir(&regs, pin, (u64)rand() << 33 ^ rand());
		ioapic_pin_eoi(&regs, pin);
	}
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(registers_after_reset),
		CASE(the_id_has_4_bits),
		CASE(an_entry_keeps_what_is_writable),
		CASE(registers_that_are_not_there),
		CASE(an_edge_is_sent_once),
		CASE(a_masked_edge_is_lost),
		CASE(a_level_waits_for_its_eoi),
		CASE(a_masked_level_is_sent_when_unmasked),
		CASE(switching_to_edge_clears_remote_irr),
		CASE(a_masked_pin_in_service_still_hears_its_eoi),
		CASE(a_pin_is_high_as_long_as_one_source_is),
		CASE(pins_may_share_a_vector),
		CASE(the_eoi_of_an_edge_ends_no_level),
		CASE(lowest_priority_is_told),
		CASE(loading_keeps_remote_irr_of_levels_only),
		CASE(hostile_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
