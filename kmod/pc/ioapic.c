// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOAPIC as a device: its page of registers, its pins, and EOIs.
 *
 * The registers themselves are in ioapic_regs.c, which knows no locks. This
 * file owns the lock around them, sends the messages that they ask for, and
 * tells others when a pin was acknowledged. irqchip.c calls it for pins, the
 * bus for accesses, lapic.c for EOIs.
 *
 * What a reader must know: a message is sent after .ioapic_lock was given back,
 * as whoever takes the message may kick a vCPU. The pin may change in between,
 * which the next ioapic_service() sees.
 */
#include <asm/apicdef.h>

#include "pc/chip.h"

/*
 * Collects the vectors whose EOI matters: those of level-triggered pins, and of
 * pins whose acknowledgement somebody waits for. For all others lapic.c skips
 * the broadcast, and nearly all EOIs are such.
 * Context: .ioapic_lock and the RCU read lock held.
 */
static void collect_eoi_vectors(struct irqchip *chip)
{
	DECLARE_BITMAP(vectors, 256);
	int i;

	bitmap_zero(vectors, 256);
	for (i = 0; i < IOAPIC_PINS; i++) {
		u64 entry = chip->ioapic.redir[i];

		if (entry & REDIR_LEVEL || irqchip_pin_watched(chip, ROUTE_IOAPIC, i))
			__set_bit((u8)entry, vectors);
	}
	for (i = 0; i < BITS_TO_LONGS(256); i++)
		WRITE_ONCE(chip->eoi_vectors[i], vectors[i]);
}

void ioapic_update_eoi_vectors(struct irqchip *chip)
{
	unsigned long flags;

	rcu_read_lock();
	raw_spin_lock_irqsave(&chip->ioapic_lock, flags);
	collect_eoi_vectors(chip);
	raw_spin_unlock_irqrestore(&chip->ioapic_lock, flags);
	rcu_read_unlock();
}

/*
 * Context: any but NMI.
 * Return: as KVM_IRQ_LINE_STATUS has it; a pin that goes low counts as taken.
 */
int ioapic_set_irq(struct irqchip *chip, unsigned int pin, enum irq_source source, bool level)
{
	enum ioapic_result result;
	struct lapic_msg msg;
	unsigned long flags;

	raw_spin_lock_irqsave(&chip->ioapic_lock, flags);
	result = ioapic_set_pin(&chip->ioapic, pin, source, level, &msg);
	raw_spin_unlock_irqrestore(&chip->ioapic_lock, flags);
	switch (result) {
	case IOAPIC_DELIVER: return lapic_send_msg(chip, NULL, &msg);
	case IOAPIC_NOTHING: return 1;
	default: return result;
	}
}

/*
 * Looks at @pin again after an EOI or a write to its entry: a level-triggered
 * pin may have been asserted all the time, while its message could not be sent.
 * Context: no lock held.
 */
static void ioapic_service(struct irqchip *chip, unsigned int pin, bool eoi)
{
	struct lapic_msg msg;
	unsigned long flags;
	bool send;

	raw_spin_lock_irqsave(&chip->ioapic_lock, flags);
	if (eoi)
		ioapic_pin_eoi(&chip->ioapic, pin);
	send = ioapic_service_level(&chip->ioapic, pin, &msg);
	raw_spin_unlock_irqrestore(&chip->ioapic_lock, flags);
	if (send)
		lapic_send_msg(chip, NULL, &msg);
}

/*
 * A LAPIC ended an interrupt of @vector. First come those who wait for the
 * acknowledgement: they may lower the pin, so that it is not sent again.
 * @level: how the LAPIC took the interrupt, by its TMR.
 * Context: the vCPU's thread, no raw lock held.
 */
void ioapic_eoi_broadcast(struct irqchip *chip, u8 vector, bool level)
{
	unsigned long flags, pins;
	unsigned int pin;

	raw_spin_lock_irqsave(&chip->ioapic_lock, flags);
	pins = ioapic_pins_of(&chip->ioapic, vector, level);
	raw_spin_unlock_irqrestore(&chip->ioapic_lock, flags);
	for_each_set_bit(pin, &pins, IOAPIC_PINS) {
		irqchip_pin_acked(chip, ROUTE_IOAPIC, pin);
		ioapic_service(chip, pin, true);
	}
}

/*
 * Registers are 32 bits wide and 16 bytes apart. A longer access reads zeros in
 * what is beyond, and one that is not aligned reads zeros altogether.
 */
static int ioapic_page_read(struct vcpu *vcpu, struct bus_device *dev, u64 addr, int len,
			    void *data)
{
	struct irqchip *chip = container_of(dev, struct irqchip, ioapic_dev);
	unsigned long flags;
	u64 value = 0; /* as wide as an access may be */

	if (!(addr & 0xf)) {
		raw_spin_lock_irqsave(&chip->ioapic_lock, flags);
		value = ioapic_regs_read(&chip->ioapic, addr - dev->addr);
		raw_spin_unlock_irqrestore(&chip->ioapic_lock, flags);
	}
	memcpy(data, &value, min_t(size_t, len, sizeof(value)));
	return 0;
}

/*
 * Context: .ioapic_lock and the RCU read lock held, as the vectors may change.
 * Return: the pin whose entry was written, or -1. *@remasked: its mask changed.
 */
static int ioapic_write_locked(struct irqchip *chip, u32 offset, u32 value, bool *remasked)
{
	u64 before[IOAPIC_PINS];
	int pin;

	memcpy(before, chip->ioapic.redir, sizeof(before));
	pin = ioapic_regs_write(&chip->ioapic, offset, value);
	*remasked = pin >= 0 && (before[pin] ^ chip->ioapic.redir[pin]) & REDIR_MASKED;
	if (pin >= 0)
		collect_eoi_vectors(chip);
	return pin;
}

static int ioapic_page_write(struct vcpu *vcpu, struct bus_device *dev, u64 addr, int len,
			     const void *data)
{
	struct irqchip *chip = container_of(dev, struct irqchip, ioapic_dev);
	unsigned long flags;
	u32 value = 0;
	bool remasked;
	int pin;

	if (addr & 0xf)
		return 0;
	memcpy(&value, data, min_t(size_t, len, sizeof(value)));
	rcu_read_lock();
	raw_spin_lock_irqsave(&chip->ioapic_lock, flags);
	pin = ioapic_write_locked(chip, addr - dev->addr, value, &remasked);
	raw_spin_unlock_irqrestore(&chip->ioapic_lock, flags);
	rcu_read_unlock();
	if (pin < 0)
		return 0;
	if (remasked)
		irqchip_pin_remasked(chip, ROUTE_IOAPIC, pin);
	ioapic_service(chip, pin, false);
	return 0;
}

static const struct bus_ops ioapic_ops = { .read = ioapic_page_read, .write = ioapic_page_write };

int ioapic_create(struct irqchip *chip)
{
	ioapic_regs_reset(&chip->ioapic);
	chip->ioapic_dev = (struct bus_device){
		.ops = &ioapic_ops,
		.addr = IO_APIC_DEFAULT_PHYS_BASE,
		.len = IOAPIC_LEN,
	};
	return bus_add(chip->vm, BUS_MMIO, &chip->ioapic_dev);
}

void ioapic_destroy(struct irqchip *chip)
{
	bus_remove(chip->vm, BUS_MMIO, &chip->ioapic_dev);
}

void ioapic_get_state(struct irqchip *chip, struct kvm_ioapic_state *state)
{
	unsigned long flags;
	int i;

	memset(state, 0, sizeof(*state));
	state->base_address = IO_APIC_DEFAULT_PHYS_BASE;
	raw_spin_lock_irqsave(&chip->ioapic_lock, flags);
	state->ioregsel = chip->ioapic.select;
	state->id = chip->ioapic.id;
	for (i = 0; i < IOAPIC_PINS; i++) {
		u64 entry = chip->ioapic.redir[i];

		state->redirtbl[i].bits = entry;
		/* An edge was sent, or lost while masked, and leaves nothing to be saved. */
		if (entry & REDIR_LEVEL)
			state->irr |= chip->ioapic.irr & BIT(i);
	}
	raw_spin_unlock_irqrestore(&chip->ioapic_lock, flags);
}

/*
 * After the registers are loaded each pin is looked at again: a level-triggered
 * one that was asserted and not yet sent when the state was saved goes out now.
 */
void ioapic_set_state(struct irqchip *chip, const struct kvm_ioapic_state *state)
{
	unsigned long flags;
	int i;

	rcu_read_lock();
	raw_spin_lock_irqsave(&chip->ioapic_lock, flags);
	chip->ioapic.select = state->ioregsel;
	chip->ioapic.id = state->id & 0xf;
	chip->ioapic.irr = state->irr & GENMASK(IOAPIC_PINS - 1, 0);
	for (i = 0; i < IOAPIC_PINS; i++)
		ioapic_load_redir(&chip->ioapic, i, state->redirtbl[i].bits);
	collect_eoi_vectors(chip);
	raw_spin_unlock_irqrestore(&chip->ioapic_lock, flags);
	rcu_read_unlock();
	for (i = 0; i < IOAPIC_PINS; i++)
		ioapic_service(chip, i, false);
}
