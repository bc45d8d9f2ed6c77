// SPDX-License-Identifier: GPL-2.0-only
/* The 16550A: registers, interrupts, and input that waits for its reader. */
/* sources: userspace/serial.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "serial.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH };

struct line {
	struct serial serial;
	char sent[64];
	size_t sent_len;
	bool irq;
	unsigned int edges, drained;
};

static struct line line;

static void transmit(void *context, uint8_t byte)
{
	struct line *l = context;

	l->sent[l->sent_len++] = byte;
}

static void set_irq(void *context, bool level)
{
	struct line *l = context;

	assert_int_not_equal(l->irq, level);
	l->irq = level;
	l->edges += level;
}

static void drained(void *context)
{
	((struct line *)context)->drained++;
}

static const struct serial_ops ops = { transmit, set_irq, drained };

static int setup(void **state)
{
	(void)state;
	memset(&line, 0, sizeof(line));
	serial_init(&line.serial, &ops, &line);
	return 0;
}

static uint8_t in(uint16_t reg)
{
	return serial_in(&line.serial, reg);
}

static void out(uint16_t reg, uint8_t value)
{
	serial_out(&line.serial, reg, value);
}

static void type(const char *text)
{
	serial_receive(&line.serial, (const uint8_t *)text, strlen(text));
}

static void bytes_go_out_at_once(void **state)
{
	(void)state;
	out(DATA, 'h');
	out(DATA, 'i');
	assert_memory_equal(line.sent, "hi", 2);
	assert_int_equal(in(LSR), 0x60);
}

static void the_divisor_is_no_data(void **state)
{
	(void)state;
	out(LCR, 0x83);
	out(DATA, 0x0c);
	out(IER, 0x01);
	assert_int_equal(in(DATA), 0x0c);
	assert_int_equal(in(IER), 0x01);
	out(LCR, 0x03);
	assert_int_equal(in(IER), 0);
	assert_int_equal(line.sent_len, 0);
}

static void a_fifo_shows_in_iir(void **state)
{
	(void)state;
	assert_int_equal(in(IIR), 0x01);
	out(IIR, 0x01);
	assert_int_equal(in(IIR), 0xc1);
}

static void transmit_interrupt_comes_when_asked_for(void **state)
{
	(void)state;
	out(IER, 0x02);
	assert_true(line.irq);
	assert_int_equal(in(IIR)&0xf, 0x02);
	assert_false(line.irq);
	assert_int_equal(in(IIR)&0xf, 0x01);
	out(DATA, 'x');
	assert_true(line.irq);
	out(IER, 0);
	assert_false(line.irq);
	/* Linux tests for a bug of some chips: asked for again, it comes again. */
	out(IER, 0x02);
	assert_true(line.irq);
	assert_int_equal(line.edges, 3);
}

static void a_polling_guest_gets_input(void **state)
{
	(void)state;
	type("ab");
	assert_false(line.irq);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'a');
	assert_int_equal(in(DATA), 'b');
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(line.drained, 1);
}

static void input_interrupts_until_it_is_read(void **state)
{
	(void)state;
	out(IER, 0x01);
	type("ab");
	assert_true(line.irq);
	assert_int_equal(in(IIR)&0xf, 0x04);
	assert_int_equal(in(DATA), 'a');
	assert_true(line.irq);
	assert_int_equal(in(DATA), 'b');
	assert_false(line.irq);
}

/* What a driver throws away while it sets the chip up isn't lost. */
static void early_input_waits_for_the_driver(void **state)
{
	(void)state;
	type("early");
	out(IER, 0x0f); /* a test whether the register is there */
	out(IER, 0);
	out(IIR, 0x07); /* clear both FIFOs */
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(in(DATA), 0);
	out(IER, 0x05);
	assert_true(line.irq);
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'e');
}

static void received_comes_before_transmitted(void **state)
{
	(void)state;
	out(IER, 0x03);
	type("x");
	assert_int_equal(in(IIR)&0xf, 0x04);
	in(DATA);
	assert_int_equal(in(IIR)&0xf, 0x02);
	assert_int_equal(in(IIR)&0xf, 0x01);
}

static void loopback_returns_bytes_and_modem_lines(void **state)
{
	(void)state;
	type("outside");
	out(MCR, 0x10 | 0x0a);
	assert_int_equal(in(MSR), 0x90); /* RTS, OUT2 come back as CTS, DCD */
	out(MCR, 0x10 | 0x05);
	assert_int_equal(in(MSR), 0x60);
	assert_int_equal(in(LSR), 0x60);
	out(DATA, 'l');
	assert_int_equal(in(LSR), 0x61);
	assert_int_equal(in(DATA), 'l');
	assert_int_equal(line.sent_len, 0);
	out(MCR, 0x0b);
	assert_int_equal(in(MSR), 0xb0);
	assert_int_equal(in(DATA), 'o');
}

static void the_scratch_register_keeps_its_value(void **state)
{
	(void)state;
	out(SCRATCH, 0x5a);
	assert_int_equal(in(SCRATCH), 0x5a);
	out(IER, 0xff);
	assert_int_equal(in(IER), 0x0f);
}

static void the_queue_has_an_end(void **state)
{
	static uint8_t much[SERIAL_QUEUE + 10];

	(void)state;
	out(IER, 0x01);
	assert_int_equal(serial_room(&line.serial), SERIAL_QUEUE);
	for (size_t i = 0; i < sizeof(much); i++)
		much[i] = i;
	serial_receive(&line.serial, much, 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(in(DATA), i);
	serial_receive(&line.serial, much, sizeof(much));
	assert_int_equal(serial_room(&line.serial), 0);
	for (size_t i = 0; i < SERIAL_QUEUE; i++)
		assert_int_equal(in(DATA), i & 0xff);
	assert_int_equal(in(LSR), 0x60);
	assert_int_equal(line.drained, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(bytes_go_out_at_once, setup),
		cmocka_unit_test_setup(the_divisor_is_no_data, setup),
		cmocka_unit_test_setup(a_fifo_shows_in_iir, setup),
		cmocka_unit_test_setup(transmit_interrupt_comes_when_asked_for, setup),
		cmocka_unit_test_setup(a_polling_guest_gets_input, setup),
		cmocka_unit_test_setup(input_interrupts_until_it_is_read, setup),
		cmocka_unit_test_setup(early_input_waits_for_the_driver, setup),
		cmocka_unit_test_setup(received_comes_before_transmitted, setup),
		cmocka_unit_test_setup(loopback_returns_bytes_and_modem_lines, setup),
		cmocka_unit_test_setup(the_scratch_register_keeps_its_value, setup),
		cmocka_unit_test_setup(the_queue_has_an_end, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
