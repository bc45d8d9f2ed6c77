/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two cascaded 8259As of a PC with their edge/level registers: pure logic.
 * Nothing here takes a lock; pc/pic_dev.c has it.
 */
#ifndef PC_PIC_H
#define PC_PIC_H

#include <vmx/types.h>

#define PIC_PINS 16

/* Has the layout of struct kvm_pic_state, so that a state is copied as it is. */
struct pic_chip {
	u8 last_irr; /* levels of the pins, for edges */
	u8 irr;
	u8 imr;
	u8 isr;
	u8 priority_add; /* the pin with the highest priority */
	u8 irq_base;
	u8 read_reg_select; /* reads give ISR, not IRR */
	u8 poll;
	u8 special_mask;
	u8 init_state; /* which ICW comes next: 0 none, 1 to 3: ICW2 to ICW4 */
	u8 auto_eoi;
	u8 rotate_on_auto_eoi;
	u8 special_fully_nested_mode;
	u8 init4; /* ICW4 will come */
	u8 elcr;  /* level-triggered pins */
	u8 elcr_mask;
};

struct pic {
	struct pic_chip chip[2]; /* master, slave */
	u8 source[PIC_PINS];	 /* who asserts the pin, as bits */
	bool output;		 /* INTR */
};

/*
 * What an access did that others must know: pins, as bits, that were in service
 * or requested and are not any more, and pins whose mask changed.
 */
struct pic_effect {
	u16 acked;
	u16 remasked;
};

void pic_init(struct pic *pic);
/* Return: 1: requested; 0: it was already; -1: masked. */
int pic_set_pin(struct pic *pic, unsigned int pin, u8 source, bool level);
/* @port: 0x20, 0x21, 0xa0, 0xa1, 0x4d0 or 0x4d1. */
u8 pic_read(struct pic *pic, u16 port, struct pic_effect *effect);
void pic_write(struct pic *pic, u16 port, u8 value, struct pic_effect *effect);
/* The vector that pic_ack() would give. */
u8 pic_peek(const struct pic *pic);
/* The processor acknowledges INTR. The vector of IRQ 7 or 15 if nothing asks any more. */
u8 pic_ack(struct pic *pic, struct pic_effect *effect);
/* After the state of a chip was replaced. */
void pic_loaded(struct pic *pic);

#endif
