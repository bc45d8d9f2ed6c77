// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two 8259As, after Intel's data sheet "8259A Programmable Interrupt
 * Controller": what pins, ports and acknowledgements do to their registers.
 * Pure logic that compiles in userspace; pic_dev.c calls it with the lock held.
 *
 * What a reader must know: priorities are counted from .priority_add, the pin
 * that comes first, and wrap around. "Priority" below is the distance from that
 * pin, and "pin" the pin's own number within its chip.
 */
#include "pc/pic.h"

#define CASCADE 2  /* the master's pin to which the slave is wired */
#define SPURIOUS 7 /* what a chip answers when nothing asks */
#define NONE 8

#define ELCR_MASTER 0xf8
#define ELCR_SLAVE 0xde

/* The priority of the first of @pins: 0 is the highest. NONE: there is no pin. */
static int top_priority(const struct pic_chip *chip, u8 pins)
{
	int i;

	for (i = 0; i < 8; i++)
		if (pins & BIT((chip->priority_add + i) & 7))
			return i;
	return NONE;
}

static int pin_at(const struct pic_chip *chip, int priority)
{
	return (chip->priority_add + priority) & 7;
}

/* The pin that @chip asks to be served, or -1. */
static int pic_requested(const struct pic_chip *chip, bool master)
{
	int ask = top_priority(chip, chip->irr & ~chip->imr);
	u8 busy = chip->isr;

	if (ask == NONE)
		return -1;
	if (chip->special_mask)
		busy &= ~chip->imr;
	/* In this mode the slave may interrupt its own handlers: it knows its priorities. */
	if (chip->special_fully_nested_mode && master)
		busy &= ~BIT(CASCADE);
	return ask < top_priority(chip, busy) ? pin_at(chip, ask) : -1;
}

/*
 * A level-triggered pin requests as long as it is high; another when it rises,
 * and the request stays until it is acknowledged.
 */
static void set_chip_pin(struct pic_chip *chip, unsigned int pin, bool level)
{
	u8 bit = BIT(pin);

	if (chip->elcr & bit)
		chip->irr = level ? chip->irr | bit : chip->irr & ~bit;
	else if (level && !(chip->last_irr & bit))
		chip->irr |= bit;
	chip->last_irr = level ? chip->last_irr | bit : chip->last_irr & ~bit;
}

/*
 * Carries the slave's output to the master's pin 2, and the master's to INTR.
 * To be called after each change.
 */
static void update_output(struct pic *pic)
{
	bool slave = pic_requested(&pic->chip[1], false) >= 0;

	/* A new request of the slave is an edge, even if an older one was not served. */
	if (slave)
		set_chip_pin(&pic->chip[0], CASCADE, false);
	set_chip_pin(&pic->chip[0], CASCADE, slave);
	if (!slave)
		pic->chip[0].irr &= ~BIT(CASCADE);
	WRITE_ONCE(pic->output, pic_requested(&pic->chip[0], true) >= 0);
}

void pic_init(struct pic *pic)
{
	memset(pic, 0, sizeof(*pic));
	pic->chip[0].elcr_mask = ELCR_MASTER;
	pic->chip[1].elcr_mask = ELCR_SLAVE;
}

/* Several sources share a pin; it is low when none asserts it. */
int pic_set_pin(struct pic *pic, unsigned int pin, u8 source, bool level)
{
	struct pic_chip *chip = &pic->chip[pin >> 3 & 1];
	u8 bit = BIT(pin & 7), old = chip->irr;

	pin &= PIC_PINS - 1;
	pic->source[pin] = level ? pic->source[pin] | source : pic->source[pin] & ~source;
	level = pic->source[pin];
	set_chip_pin(chip, pin & 7, level);
	update_output(pic);
	if (chip->imr & bit)
		return -1;
	return !level || (chip->irr & ~old & bit) || chip->elcr & bit;
}

static void note_acked(struct pic_effect *effect, bool slave, u8 pins)
{
	effect->acked |= slave ? pins << 8 : pins;
}

static void end_of_interrupt(struct pic *pic, bool slave, int pin, struct pic_effect *effect)
{
	struct pic_chip *chip = &pic->chip[slave];

	if (!(chip->isr & BIT(pin)))
		return;
	chip->isr &= ~BIT(pin);
	note_acked(effect, slave, BIT(pin));
}

/* A request is taken. It is in service now, or already over with automatic EOI. */
static void pic_take(struct pic *pic, bool slave, int pin, struct pic_effect *effect)
{
	struct pic_chip *chip = &pic->chip[slave];

	chip->isr |= BIT(pin);
	if (!(chip->elcr & BIT(pin)))
		chip->irr &= ~BIT(pin);
	if (!chip->auto_eoi)
		return;
	if (chip->rotate_on_auto_eoi)
		chip->priority_add = (pin + 1) & 7;
	end_of_interrupt(pic, slave, pin, effect);
}

u8 pic_peek(const struct pic *pic)
{
	int pin = pic_requested(&pic->chip[0], true);

	if (pin < 0)
		return pic->chip[0].irq_base + SPURIOUS;
	if (pin != CASCADE)
		return pic->chip[0].irq_base + pin;
	pin = pic_requested(&pic->chip[1], false);
	return pic->chip[1].irq_base + (pin < 0 ? SPURIOUS : pin);
}

/*
 * If the request has gone meanwhile, the chip answers with its pin 7, and
 * nothing is in service: a spurious interrupt.
 */
u8 pic_ack(struct pic *pic, struct pic_effect *effect)
{
	u8 vector = pic_peek(pic);
	int pin = pic_requested(&pic->chip[0], true), slave_pin;

	if (pin >= 0) {
		slave_pin = pin == CASCADE ? pic_requested(&pic->chip[1], false) : -1;
		if (slave_pin >= 0)
			pic_take(pic, true, slave_pin, effect);
		pic_take(pic, false, pin, effect);
	}
	update_output(pic);
	return vector;
}

/* ICW1 begins an initialisation: masks, requests by edges, and modes are forgotten. */
static void begin_init(struct pic_chip *chip, bool slave, u8 icw1, struct pic_effect *effect)
{
	u8 edges = chip->irr & ~chip->elcr;

	note_acked(effect, slave, edges | chip->isr);
	effect->remasked |= slave ? chip->imr << 8 : chip->imr;
	chip->last_irr = 0;
	chip->irr &= chip->elcr;
	chip->imr = 0;
	chip->isr = 0;
	chip->priority_add = 0;
	chip->special_mask = 0;
	chip->read_reg_select = 0;
	chip->poll = 0;
	chip->init4 = icw1 & 1;
	if (!chip->init4) {
		chip->special_fully_nested_mode = 0;
		chip->auto_eoi = 0;
	}
	chip->init_state = 1;
}

static void write_ocw3(struct pic_chip *chip, u8 value)
{
	if (value & 0x04)
		chip->poll = 1;
	if (value & 0x02)
		chip->read_reg_select = value & 1;
	if (value & 0x40)
		chip->special_mask = value >> 5 & 1;
}

/* OCW2 is a command in bits 7 to 5 (rotate, specific, EOI) and a pin in bits 2 to 0. */
static void write_ocw2(struct pic *pic, bool slave, u8 value, struct pic_effect *effect)
{
	struct pic_chip *chip = &pic->chip[slave];
	int pin = value & 7, top;

	switch (value >> 5) {
	case 0: /* rotate on automatic EOI: off, on */
	case 4: chip->rotate_on_auto_eoi = value >> 7; break;
	case 1: /* EOI of the highest in service; and rotate */
	case 5:
		/* SMM lets those in service that are masked wait for an EOI of their own. */
		top = top_priority(chip, chip->special_mask ? chip->isr & ~chip->imr : chip->isr);
		if (top == NONE)
			break;
		pin = pin_at(chip, top);
		if (value & 0x80)
			chip->priority_add = (pin + 1) & 7;
		end_of_interrupt(pic, slave, pin, effect);
		break;
	case 7: /* EOI of a pin and rotate */ chip->priority_add = (pin + 1) & 7; fallthrough;
	case 3: /* EOI of a pin */ end_of_interrupt(pic, slave, pin, effect); break;
	case 6: /* set the priorities */ chip->priority_add = (pin + 1) & 7; break;
	}
}

/* The odd port takes ICW2 to ICW4, in this order after ICW1, and then the mask. */
static void write_data(struct pic_chip *chip, bool slave, u8 value, struct pic_effect *effect)
{
	switch (chip->init_state) {
	case 0:
		effect->remasked |= slave ? (chip->imr ^ value) << 8 : chip->imr ^ value;
		chip->imr = value;
		break;
	case 1:
		chip->irq_base = value & 0xf8;
		chip->init_state = 2;
		break;
	case 2: /* the cascade is wired, whatever ICW3 says */
		chip->init_state = chip->init4 ? 3 : 0;
		break;
	default:
		chip->special_fully_nested_mode = value >> 4 & 1;
		chip->auto_eoi = value >> 1 & 1;
		chip->init_state = 0;
	}
}

static bool is_elcr(u16 port)
{
	return port >= 0x4d0;
}

static bool is_slave(u16 port)
{
	return is_elcr(port) ? port & 1 : port & 0x80;
}

/* What is high asks for an interrupt from now on where it is a level. */
static void write_elcr(struct pic_chip *chip, u8 value)
{
	chip->irr |= chip->last_irr & value & ~chip->elcr;
	chip->elcr = value;
}

void pic_write(struct pic *pic, u16 port, u8 value, struct pic_effect *effect)
{
	bool slave = is_slave(port);
	struct pic_chip *chip = &pic->chip[slave];

	if (is_elcr(port))
		write_elcr(chip, value & chip->elcr_mask);
	else if (port & 1)
		write_data(chip, slave, value, effect);
	else if (value & 0x10)
		begin_init(chip, slave, value, effect);
	else if (value & 0x08)
		write_ocw3(chip, value);
	else
		write_ocw2(pic, slave, value, effect);
	update_output(pic);
}

/* The read after a poll command acknowledges as the processor would. */
static u8 read_poll(struct pic *pic, bool slave, struct pic_effect *effect)
{
	struct pic_chip *chip = &pic->chip[slave];
	int pin = pic_requested(chip, !slave);

	chip->poll = 0;
	if (pin < 0)
		return 0;
	pic_take(pic, slave, pin, effect);
	update_output(pic);
	return 0x80 | pin;
}

u8 pic_read(struct pic *pic, u16 port, struct pic_effect *effect)
{
	bool slave = is_slave(port);
	const struct pic_chip *chip = &pic->chip[slave];

	if (is_elcr(port))
		return chip->elcr;
	if (chip->poll)
		return read_poll(pic, slave, effect);
	if (port & 1)
		return chip->imr;
	return chip->read_reg_select ? chip->isr : chip->irr;
}

/* A saved state comes from userspace: values that no chip has are brought into range. */
void pic_loaded(struct pic *pic)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct pic_chip *chip = &pic->chip[i];

		chip->elcr_mask = i ? ELCR_SLAVE : ELCR_MASTER;
		chip->elcr &= chip->elcr_mask;
		chip->priority_add &= 7;
		chip->irq_base &= 0xf8;
		chip->init_state &= 3;
	}
	update_output(pic);
}
