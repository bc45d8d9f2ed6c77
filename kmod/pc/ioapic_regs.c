// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registers of an I/O APIC, after Intel's data sheet of the 82093AA: what a
 * pin, a read, a write and an EOI do to them. Pure logic: it knows no locks,
 * sends nothing, and compiles in userspace. ioapic.c calls it with the lock
 * held and sends the messages that it asks for.
 *
 * What a reader must know: for a level-triggered pin .irr is the pin's level,
 * and remote IRR in its entry says that a LAPIC has the interrupt. As long as
 * remote IRR is set nothing more is sent; the EOI clears it.
 */
#include "pc/ioapic_regs.h"

#define REG_SELECT 0x00
#define REG_WINDOW 0x10

#define INDEX_ID 0
#define INDEX_VERSION 1
#define INDEX_ARBITRATION 2
#define INDEX_REDIR 0x10

/* No EOI register (that came with 0x20): the LAPICs broadcast EOIs. */
#define VERSION (0x11 | (IOAPIC_PINS - 1) << 16)

/*
 * Of the lower half bits 16:0 exist, and bits 63:56 (destination) of the upper.
 * The rest is reserved and reads as 0.
 */
#define REDIR_READ_ONLY (REDIR_STATUS | REDIR_REMOTE_IRR)
#define REDIR_WRITABLE (GENMASK_ULL(63, 56) | (GENMASK_ULL(16, 0) & ~REDIR_READ_ONLY))

void ioapic_regs_reset(struct ioapic_regs *regs)
{
	int i;

	memset(regs, 0, sizeof(*regs));
	for (i = 0; i < IOAPIC_PINS; i++)
		regs->redir[i] = REDIR_MASKED;
}

/*
 * Bits 7:0 of an entry are the vector, 10:8 the delivery mode, 63:56 the
 * destination. The chip knows no 32-bit destinations, so .wide stays false.
 */
static void ioapic_message(u64 entry, struct lapic_msg *msg)
{
	*msg = (struct lapic_msg){
		.dest = entry >> 56,
		.vector = entry,
		.mode = entry >> 8 & 7,
		.logical = entry & REDIR_LOGICAL,
		.level = entry & REDIR_LEVEL,
		.assert = true,
	};
	msg->lowest = msg->mode == DELIVER_LOWEST;
}

bool ioapic_service_level(struct ioapic_regs *regs, unsigned int pin, struct lapic_msg *msg)
{
	u64 *entry = &regs->redir[pin];

	if (!(*entry & REDIR_LEVEL) || *entry & (REDIR_MASKED | REDIR_REMOTE_IRR))
		return false;
	if (!(regs->irr & BIT(pin)))
		return false;
	*entry |= REDIR_REMOTE_IRR;
	ioapic_message(*entry, msg);
	return true;
}

/*
 * An edge is sent when it comes or is lost: a masked pin does not remember it.
 * A level that is masked, or in service, is sent later, by
 * ioapic_service_level().
 * @was: the pin was high before, because of another source.
 */
static enum ioapic_result pin_rose(struct ioapic_regs *regs, unsigned int pin, bool was,
				   struct lapic_msg *msg)
{
	u64 entry = regs->redir[pin];

	if (entry & REDIR_LEVEL) {
		if (ioapic_service_level(regs, pin, msg))
			return IOAPIC_DELIVER;
		return entry & REDIR_MASKED ? IOAPIC_MASKED : IOAPIC_PENDING;
	}
	if (was)
		return IOAPIC_PENDING;
	if (entry & REDIR_MASKED)
		return IOAPIC_MASKED;
	ioapic_message(entry, msg);
	return IOAPIC_DELIVER;
}

enum ioapic_result ioapic_set_pin(struct ioapic_regs *regs, unsigned int pin, u8 source, bool level,
				  struct lapic_msg *msg)
{
	bool was = regs->irr & BIT(pin);

	if (level)
		regs->source[pin] |= source;
	else
		regs->source[pin] &= ~source;
	if (!regs->source[pin]) {
		regs->irr &= ~BIT(pin);
		return IOAPIC_NOTHING;
	}
	regs->irr |= BIT(pin);
	return pin_rose(regs, pin, was, msg);
}

static u32 read_window(const struct ioapic_regs *regs)
{
	unsigned int pin = (regs->select - INDEX_REDIR) / 2;

	switch (regs->select) {
	case INDEX_ID:
	case INDEX_ARBITRATION: return regs->id << 24;
	case INDEX_VERSION: return VERSION;
	}
	if (regs->select < INDEX_REDIR || pin >= IOAPIC_PINS)
		return 0;
	return regs->redir[pin] >> (regs->select & 1 ? 32 : 0);
}

u32 ioapic_regs_read(const struct ioapic_regs *regs, u32 offset)
{
	switch (offset) {
	case REG_SELECT: return regs->select;
	case REG_WINDOW: return read_window(regs);
	default: return 0;
	}
}

/*
 * Remote IRR belongs to the chip, but an entry that becomes edge-triggered
 * loses it: that's how software ends an interrupt without an EOI register.
 */
static void set_redir(struct ioapic_regs *regs, unsigned int pin, u64 entry)
{
	entry = (entry & REDIR_WRITABLE) | (regs->redir[pin] & REDIR_READ_ONLY);
	if (!(entry & REDIR_LEVEL))
		entry &= ~REDIR_REMOTE_IRR;
	regs->redir[pin] = entry;
}

static int write_window(struct ioapic_regs *regs, u32 value)
{
	unsigned int pin = (regs->select - INDEX_REDIR) / 2;
	u64 entry;

	if (regs->select == INDEX_ID)
		regs->id = value >> 24 & 0xf;
	if (regs->select < INDEX_REDIR || pin >= IOAPIC_PINS)
		return -1;
	entry = regs->redir[pin];
	if (regs->select & 1)
		entry = (u32)entry | (u64)value << 32;
	else
		entry = (entry & GENMASK_ULL(63, 32)) | value;
	set_redir(regs, pin, entry);
	return pin;
}

int ioapic_regs_write(struct ioapic_regs *regs, u32 offset, u32 value)
{
	switch (offset) {
	case REG_SELECT: regs->select = value; return -1;
	case REG_WINDOW: return write_window(regs, value);
	default: return -1;
	}
}

/*
 * A masked pin whose message is still in service (remote IRR) hears its EOI
 * too, or it would stay in service for ever.
 */
static bool hears_eoi(u64 entry, u8 vector, bool level)
{
	if ((u8)entry != vector || (entry & REDIR_LEVEL && !level))
		return false;
	return !(entry & REDIR_MASKED) || entry & REDIR_REMOTE_IRR;
}

u32 ioapic_pins_of(const struct ioapic_regs *regs, u8 vector, bool level)
{
	u32 pins = 0;
	int i;

	for (i = 0; i < IOAPIC_PINS; i++)
		if (hears_eoi(regs->redir[i], vector, level))
			pins |= BIT(i);
	return pins;
}

void ioapic_pin_eoi(struct ioapic_regs *regs, unsigned int pin)
{
	regs->redir[pin] &= ~REDIR_REMOTE_IRR;
}

/*
 * From a saved state remote IRR is taken over: a LAPIC's state, saved beside
 * it, has the same interrupt in service.
 */
void ioapic_load_redir(struct ioapic_regs *regs, unsigned int pin, u64 entry)
{
	entry &= REDIR_WRITABLE | REDIR_REMOTE_IRR;
	if (!(entry & REDIR_LEVEL))
		entry &= ~REDIR_REMOTE_IRR;
	regs->redir[pin] = entry;
}
