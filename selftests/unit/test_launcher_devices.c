// SPDX-License-Identifier: GPL-2.0-only
/* The PC's small devices: what their ports do, and how they end a run. */
/* sources: userspace/pc.c userspace/serial.c userspace/i8042.c userspace/cmos.c userspace/power.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pc.h"
#include "ports.h"
#include "units.h"

static struct pc pc;
static unsigned int transmitted;

static void transmit(void *context, uint8_t byte)
{
	(void)context;
	transmitted += byte;
}

static void set_irq(void *context, bool level)
{
	(void)context;
	(void)level;
}

static void drained(void *context)
{
	(void)context;
}

static const struct serial_ops ops = { transmit, set_irq, drained };

static int setup(void **state)
{
	(void)state;
	transmitted = 0;
	pc_init(&pc, &ops, NULL, 512 * MIB, 3 * GIB);
	return 0;
}

static void nobody_answers_with_all_ones(void **state)
{
	(void)state;
	assert_int_equal(pc_in(&pc, 0xcfc, 4), 0xffffffff);
	assert_int_equal(pc_in(&pc, 0xcf8, 4), 0xffffffff);
	assert_int_equal(pc_in(&pc, 0x2f8, 1), 0xffffffff);
	assert_int_equal(pc_out(&pc, 0x8900, 1, 'S'), PC_NOTHING);
	assert_int_equal(pc_out(&pc, 0x80, 1, 0), PC_NOTHING);
}

static void the_console_is_at_com1(void **state)
{
	(void)state;
	assert_int_equal(pc_out(&pc, 0x3f8, 1, 7), PC_NOTHING);
	assert_int_equal(transmitted, 7);
	assert_int_equal(pc_in(&pc, 0x3fd, 1), 0x60);
}

static void debug_exit_carries_its_value(void **state)
{
	(void)state;
	assert_int_equal(pc_out(&pc, 0xf4, 1, 0x21), PC_DEBUG_EXIT);
	assert_int_equal(pc.debug_value, 0x21);
	assert_int_equal(pc_out(&pc, 0xf4, 4, 0), PC_DEBUG_EXIT);
	assert_int_equal(pc.debug_value, 0);
}

static void s5_powers_off(void **state)
{
	(void)state;
	assert_int_equal(pc_in(&pc, PORT_PM1_CONTROL, 2), PM1_SCI_ENABLE);
	assert_int_equal(pc_out(&pc, PORT_PM1_CONTROL, 2, 5 << 10), PC_NOTHING);
	assert_int_equal(pc_in(&pc, PORT_PM1_CONTROL, 2), 5 << 10 | PM1_SCI_ENABLE);
	assert_int_equal(pc_out(&pc, PORT_PM1_CONTROL, 2, 3 << 10 | PM1_SLEEP_ENABLE), PC_NOTHING);
	assert_int_equal(pc_out(&pc, PORT_PM1_CONTROL, 2, 5 << 10 | PM1_SLEEP_ENABLE),
			 PC_POWER_OFF);
	assert_int_equal(pc_out(&pc, PORT_PM1_CONTROL + 1, 1, 5 << 2 | PM1_SLEEP_ENABLE >> 8),
			 PC_POWER_OFF);
}

static void pm1_events_are_kept(void **state)
{
	(void)state;
	pc_out(&pc, PORT_PM1_EVENT + 2, 2, 0x0120);
	assert_int_equal(pc_in(&pc, PORT_PM1_EVENT + 2, 2), 0x0120);
	assert_int_equal(pc_in(&pc, PORT_PM1_EVENT, 4), 0x01200000);
	assert_int_equal(pc_in(&pc, PORT_PM1_EVENT + 3, 1), 0x01);
}

static void resets_reset(void **state)
{
	(void)state;
	assert_int_equal(pc_out(&pc, 0x64, 1, 0xfe), PC_RESET);
	assert_int_equal(pc_out(&pc, PORT_RESET, 1, RESET_VALUE), PC_RESET);
	assert_int_equal(pc_out(&pc, PORT_RESET, 1, 0x02), PC_NOTHING);
	/* Output port without the reset line's bit. */
	assert_int_equal(pc_out(&pc, 0x64, 1, 0xd1), PC_NOTHING);
	assert_int_equal(pc_out(&pc, 0x60, 1, 0xfe), PC_RESET);
	assert_int_equal(pc_out(&pc, 0x64, 1, 0xd1), PC_NOTHING);
	assert_int_equal(pc_out(&pc, 0x60, 1, 0xdf), PC_NOTHING);
}

static void pci_configuration_is_no_reset(void **state)
{
	(void)state;
	assert_int_equal(pc_out(&pc, 0xcf8, 4, 0x80000600), PC_NOTHING);
	assert_int_equal(pc_out(&pc, 0xcf9, 2, 0x0606), PC_NOTHING);
}

static void the_keyboard_controller_answers(void **state)
{
	(void)state;
	assert_int_equal(pc_in(&pc, 0x64, 1) & 0x03, 0);
	pc_out(&pc, 0x64, 1, 0xaa);
	assert_int_equal(pc_in(&pc, 0x64, 1) & 0x01, 1);
	assert_int_equal(pc_in(&pc, 0x60, 1), 0x55);
	assert_int_equal(pc_in(&pc, 0x64, 1) & 0x01, 0);
	pc_out(&pc, 0x64, 1, 0x60);
	pc_out(&pc, 0x60, 1, 0x47);
	pc_out(&pc, 0x64, 1, 0x20);
	assert_int_equal(pc_in(&pc, 0x60, 1), 0x47);
}

static uint8_t cmos(uint8_t index, time_t now)
{
	cmos_out(&pc.cmos, 0, index);
	return cmos_in(&pc.cmos, 1, now);
}

static void the_clock_shows_utc_in_bcd(void **state)
{
	const time_t when = 1709210096; /* Thursday, 2024-02-29 12:34:56 */

	(void)state;
	assert_int_equal(cmos(0x00, when), 0x56);
	assert_int_equal(cmos(0x02, when), 0x34);
	assert_int_equal(cmos(0x04, when), 0x12);
	assert_int_equal(cmos(0x06, when), 5);
	assert_int_equal(cmos(0x07, when), 0x29);
	assert_int_equal(cmos(0x08, when), 0x02);
	assert_int_equal(cmos(0x09, when), 0x24);
	assert_int_equal(cmos(0x32, when), 0x20);
	assert_int_equal(cmos(0x0a, when) & 0x80, 0);
	assert_int_equal(cmos(0x0b, when) & 0x06, 0x02);
	assert_int_equal(cmos(0x0d, when), 0x80);
}

/* In units of 64 KiB. */
static int high_memory(void)
{
	return cmos(0x5b, 0) | cmos(0x5c, 0) << 8 | cmos(0x5d, 0) << 16;
}

static void cmos_knows_how_much_memory_there_is(void **state)
{
	(void)state;
	assert_int_equal(cmos(0x15, 0) | cmos(0x16, 0) << 8, 640);
	assert_int_equal(cmos(0x17, 0) | cmos(0x18, 0) << 8, 0xffff);
	assert_int_equal(cmos(0x34, 0) | cmos(0x35, 0) << 8, 496 * 16);
	assert_int_equal(high_memory(), 3 * 1024 * 16);
	cmos_init(&pc.cmos, 512 * MIB, 5 * GIB);
	assert_int_equal(high_memory(), 5 * 1024 * 16);
	cmos_init(&pc.cmos, 512 * MIB, 2048 * GIB);
	assert_int_equal(high_memory(), 0xffffff);
}

static void cmos_keeps_what_is_written(void **state)
{
	(void)state;
	pc_out(&pc, 0x70, 1, 0x8f);
	pc_out(&pc, 0x71, 1, 0x0a);
	assert_int_equal(pc_in(&pc, 0x71, 1), 0x0a);
	/* but not the time */
	cmos_out(&pc.cmos, 0, 0x00);
	cmos_out(&pc.cmos, 1, 0x33);
	assert_int_equal(cmos(0x00, 0), 0x00);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nobody_answers_with_all_ones, setup),
		cmocka_unit_test_setup(the_console_is_at_com1, setup),
		cmocka_unit_test_setup(debug_exit_carries_its_value, setup),
		cmocka_unit_test_setup(s5_powers_off, setup),
		cmocka_unit_test_setup(pm1_events_are_kept, setup),
		cmocka_unit_test_setup(resets_reset, setup),
		cmocka_unit_test_setup(pci_configuration_is_no_reset, setup),
		cmocka_unit_test_setup(the_keyboard_controller_answers, setup),
		cmocka_unit_test_setup(the_clock_shows_utc_in_bcd, setup),
		cmocka_unit_test_setup(cmos_knows_how_much_memory_there_is, setup),
		cmocka_unit_test_setup(cmos_keeps_what_is_written, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
