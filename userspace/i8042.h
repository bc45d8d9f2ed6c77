/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_I8042_H
#define ABYME_I8042_H

#include <stdbool.h>
#include <stdint.h>

/* As much of a keyboard controller as answers drivers quickly: no keyboard, no mouse. */
struct i8042 {
	uint8_t control, output_port;
	uint8_t reply;
	bool reply_full;
	uint8_t wants; /* the command that waits for a data byte */
};

uint8_t i8042_in(struct i8042 *kbd, uint16_t port);
/* Return: true when the guest asked for a reset. */
bool i8042_out(struct i8042 *kbd, uint16_t port, uint8_t value);

#endif
