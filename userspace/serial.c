// SPDX-License-Identifier: GPL-2.0-only
/* A 16550A UART's registers (the chip's data sheet, "PC16550D"). */
#include <string.h>

#include "serial.h"

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCRATCH };

#define IER_RECEIVED 0x01
#define IER_TRANSMIT_EMPTY 0x02
#define IER_BITS 0x0f

#define IIR_NONE 0x01
#define IIR_TRANSMIT_EMPTY 0x02
#define IIR_RECEIVED 0x04
#define IIR_FIFO 0xc0

#define FCR_ENABLE 0x01
#define FCR_CLEAR_RECEIVER 0x02

#define LCR_DIVISOR 0x80

#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_BITS 0x1f

#define LSR_READY 0x01
#define LSR_EMPTY 0x60 /* holding and shift registers */

#define MSR_CTS 0x10
#define MSR_DSR 0x20
#define MSR_RING 0x40
#define MSR_CARRIER 0x80

void serial_init(struct serial *s, const struct serial_ops *ops, void *context)
{
	memset(s, 0, sizeof(*s));
	s->ops = ops;
	s->context = context;
	s->divisor[0] = 1; /* 115200 baud */
	s->lcr = 0x03;	   /* 8 bits */
	s->mcr = MCR_OUT2;
}

/*
 * Is there a byte that the guest may see? Once a driver has touched the
 * interrupt enables it gets input only while it wants interrupts for it. On
 * the way there drivers empty the receiver, and with it input from a pipe
 * that was there from the start.
 */
static bool received(const struct serial *s)
{
	if (s->mcr & MCR_LOOP)
		return s->loop_full;
	return s->count && (!s->ier_written || (s->ier & IER_RECEIVED));
}

static uint8_t interrupt_id(const struct serial *s)
{
	if ((s->ier & IER_RECEIVED) && received(s))
		return IIR_RECEIVED;
	if ((s->ier & IER_TRANSMIT_EMPTY) && s->thre_pending)
		return IIR_TRANSMIT_EMPTY;
	return IIR_NONE;
}

static void update_irq(struct serial *s)
{
	bool level = interrupt_id(s) != IIR_NONE;

	if (level == s->irq)
		return;
	s->irq = level;
	s->ops->set_irq(s->context, level);
}

static uint8_t read_data(struct serial *s)
{
	uint8_t byte;

	if (s->mcr & MCR_LOOP) {
		s->loop_full = false;
		return s->loop;
	}
	if (!received(s))
		return 0;
	byte = s->queue[s->head];
	s->head = (s->head + 1) % SERIAL_QUEUE;
	if (!--s->count)
		s->ops->drained(s->context);
	return byte;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t id = interrupt_id(s);

	/* Reading it answers this interrupt. */
	if (id == IIR_TRANSMIT_EMPTY)
		s->thre_pending = false;
	return id | (s->fifo ? IIR_FIFO : 0);
}

static uint8_t read_msr(const struct serial *s)
{
	if (!(s->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_CARRIER;
	return (s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
	       (s->mcr & MCR_OUT1 ? MSR_RING : 0) | (s->mcr & MCR_OUT2 ? MSR_CARRIER : 0);
}

static uint8_t read_register(struct serial *s, uint16_t reg)
{
	switch (reg) {
	case REG_DATA: return s->lcr & LCR_DIVISOR ? s->divisor[0] : read_data(s);
	case REG_IER: return s->lcr & LCR_DIVISOR ? s->divisor[1] : s->ier;
	case REG_IIR_FCR: return read_iir(s);
	case REG_LCR: return s->lcr;
	case REG_MCR: return s->mcr;
	case REG_LSR: return LSR_EMPTY | (received(s) ? LSR_READY : 0);
	case REG_MSR: return read_msr(s);
	default: return s->scratch;
	}
}

uint8_t serial_in(struct serial *s, uint16_t reg)
{
	uint8_t value = read_register(s, reg);

	update_irq(s);
	return value;
}

static void write_data(struct serial *s, uint8_t value)
{
	if (s->mcr & MCR_LOOP) {
		s->loop = value;
		s->loop_full = true;
	} else {
		s->ops->transmit(s->context, value);
	}
	s->thre_pending = true;
}

static void write_ier(struct serial *s, uint8_t value)
{
	value &= IER_BITS;
	/* Asked for while the transmitter is empty, the interrupt comes at once. */
	if (value & ~s->ier & IER_TRANSMIT_EMPTY)
		s->thre_pending = true;
	if (value)
		s->ier_written = true;
	s->ier = value;
}

static void write_register(struct serial *s, uint16_t reg, uint8_t value)
{
	switch (reg) {
	case REG_DATA:
		if (s->lcr & LCR_DIVISOR)
			s->divisor[0] = value;
		else
			write_data(s, value);
		break;
	case REG_IER:
		if (s->lcr & LCR_DIVISOR)
			s->divisor[1] = value;
		else
			write_ier(s, value);
		break;
	case REG_IIR_FCR:
		s->fifo = value & FCR_ENABLE;
		if (value & FCR_CLEAR_RECEIVER)
			s->loop_full = false;
		break;
	case REG_LCR: s->lcr = value; break;
	case REG_MCR: s->mcr = value & MCR_BITS; break;
	case REG_SCRATCH: s->scratch = value; break;
	}
}

void serial_out(struct serial *s, uint16_t reg, uint8_t value)
{
	write_register(s, reg, value);
	update_irq(s);
}

size_t serial_room(const struct serial *s)
{
	return SERIAL_QUEUE - s->count;
}

void serial_receive(struct serial *s, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len && s->count < SERIAL_QUEUE; i++)
		s->queue[(s->head + s->count++) % SERIAL_QUEUE] = bytes[i];
	update_irq(s);
}
