/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_SERIAL_H
#define ABYME_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIAL_QUEUE 1024

/* What a serial port does to the world. Called with whatever lock its caller holds. */
struct serial_ops {
	void (*transmit)(void *context, uint8_t byte);
	void (*set_irq)(void *context, bool level);
	void (*drained)(void *context); /* there is room for input again */
};

/*
 * A 16550A whose line is infinitely fast: the transmitter is always empty,
 * and input waits in a queue as long as it takes.
 */
struct serial {
	const struct serial_ops *ops;
	void *context;
	uint8_t ier, lcr, mcr, scratch, divisor[2];
	bool fifo;	   /* FCR's enable bit */
	bool thre_pending; /* the transmitter emptied since IIR was read */
	bool irq;
	bool ier_written; /* the driver works with interrupts */
	uint8_t loop;	  /* the byte that came back in loopback mode */
	bool loop_full;
	uint8_t queue[SERIAL_QUEUE];
	size_t head, count;
};

void serial_init(struct serial *serial, const struct serial_ops *ops, void *context);
uint8_t serial_in(struct serial *serial, uint16_t reg);
void serial_out(struct serial *serial, uint16_t reg, uint8_t value);

/* How many bytes serial_receive() takes now. */
size_t serial_room(const struct serial *serial);
void serial_receive(struct serial *serial, const uint8_t *bytes, size_t len);

#endif
