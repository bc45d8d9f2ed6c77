// SPDX-License-Identifier: GPL-2.0-only
/* A keyboard controller with nothing attached, known for how it resets the machine. */
#include "i8042.h"
#include "ports.h"

#define STATUS_REPLY 0x01
#define STATUS_SYSTEM 0x04 /* the self-test has passed */

#define CMD_READ_CONTROL 0x20
#define CMD_WRITE_CONTROL 0x60
#define CMD_TEST_AUX 0xa9
#define CMD_SELF_TEST 0xaa
#define CMD_TEST_KEYBOARD 0xab
#define CMD_READ_OUTPUT 0xd0
#define CMD_WRITE_OUTPUT 0xd1
#define CMD_WRITE_AUX_LOOP 0xd3
#define CMD_PULSE_RESET 0xfe

#define OUTPUT_NO_RESET 0x01
#define OUTPUT_A20 0x02
#define SELF_TEST_PASSED 0x55
#define TEST_PASSED 0x00
#define DATA_STUCK_HIGH 0x02 /* the test of a port with nothing behind it */

static void reply(struct i8042 *kbd, uint8_t value)
{
	kbd->reply = value;
	kbd->reply_full = true;
}

uint8_t i8042_in(struct i8042 *kbd, uint16_t port)
{
	if (port == PORT_I8042_COMMAND)
		return STATUS_SYSTEM | (kbd->reply_full ? STATUS_REPLY : 0);
	kbd->reply_full = false;
	return kbd->reply;
}

static bool command(struct i8042 *kbd, uint8_t value)
{
	kbd->wants = 0;
	switch (value) {
	case CMD_READ_CONTROL: reply(kbd, kbd->control); break;
	case CMD_TEST_AUX: reply(kbd, DATA_STUCK_HIGH); break;
	case CMD_SELF_TEST: reply(kbd, SELF_TEST_PASSED); break;
	case CMD_TEST_KEYBOARD: reply(kbd, TEST_PASSED); break;
	case CMD_READ_OUTPUT: reply(kbd, kbd->output_port | OUTPUT_NO_RESET | OUTPUT_A20); break;
	case CMD_WRITE_CONTROL:
	case CMD_WRITE_OUTPUT:
	case CMD_WRITE_AUX_LOOP: kbd->wants = value; break;
	case CMD_PULSE_RESET: return true;
	}
	return false;
}

static bool data(struct i8042 *kbd, uint8_t value)
{
	uint8_t wants = kbd->wants;

	kbd->wants = 0;
	if (wants == CMD_WRITE_CONTROL)
		kbd->control = value;
	if (wants == CMD_WRITE_OUTPUT) {
		kbd->output_port = value;
		return !(value & OUTPUT_NO_RESET);
	}
	/* Bytes for a keyboard or a mouse get no answer: there is none. */
	return false;
}

bool i8042_out(struct i8042 *kbd, uint16_t port, uint8_t value)
{
	return port == PORT_I8042_COMMAND ? command(kbd, value) : data(kbd, value);
}
