/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registers of an 82093AA I/O APIC: pure logic. Nothing here takes a lock;
 * pc/ioapic.c has it.
 */
#ifndef PC_IOAPIC_REGS_H
#define PC_IOAPIC_REGS_H

#include <vmx/types.h>

#include "pc/lapic_regs.h"

#define IOAPIC_PINS 24
#define IOAPIC_LEN 0x100

/* Bits of a redirection entry. */
#define REDIR_LOGICAL BIT_ULL(11)
#define REDIR_STATUS BIT_ULL(12)
#define REDIR_REMOTE_IRR BIT_ULL(14)
#define REDIR_LEVEL BIT_ULL(15)
#define REDIR_MASKED BIT_ULL(16)

struct ioapic_regs {
	u64 redir[IOAPIC_PINS];
	u8 source[IOAPIC_PINS]; /* who asserts the pin, as bits */
	u32 irr;		/* levels of the pins */
	u32 id;			/* 4 bits */
	u8 select;
};

void ioapic_regs_reset(struct ioapic_regs *regs);

enum ioapic_result {
	IOAPIC_MASKED = -1, /* the pin is masked, or nobody takes its message */
	IOAPIC_PENDING = 0, /* coalesced with an earlier one */
	IOAPIC_DELIVER = 1, /* the message is to be sent */
	IOAPIC_NOTHING = 2, /* a pin went low */
};

enum ioapic_result ioapic_set_pin(struct ioapic_regs *regs, unsigned int pin, u8 source, bool level,
				  struct lapic_msg *msg);
/*
 * Is @pin level-triggered, asserted, not masked, and not in service? Then it is in
 * service now, and *@msg is to be sent.
 */
bool ioapic_service_level(struct ioapic_regs *regs, unsigned int pin, struct lapic_msg *msg);

/* @offset: in bytes, into the page of registers. */
u32 ioapic_regs_read(const struct ioapic_regs *regs, u32 offset);
/* Return: the pin whose redirection entry was written, or -1. */
int ioapic_regs_write(struct ioapic_regs *regs, u32 offset, u32 value);

/*
 * The pins, as bits, that an EOI of @vector is about. An EOI after an edge
 * (@level is false, by the LAPIC's TMR) leaves level-triggered pins alone, as
 * their interrupt may be in service on another vCPU.
 */
u32 ioapic_pins_of(const struct ioapic_regs *regs, u8 vector, bool level);
/* An EOI came: the pin is not in service any more. */
void ioapic_pin_eoi(struct ioapic_regs *regs, unsigned int pin);

void ioapic_load_redir(struct ioapic_regs *regs, unsigned int pin, u64 entry);

#endif
