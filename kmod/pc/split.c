// SPDX-License-Identifier: GPL-2.0-only
/*
 * With a split irqchip (KVM_CAP_SPLIT_IRQCHIP) the IOAPIC is userspace's. Its
 * pins are the first GSIs, each routed to the message that the IOAPIC's
 * redirection entry makes. The end of an interrupt that such a level-triggered
 * message asked for goes to userspace as an exit, KVM_EXIT_IOAPIC_EOI.
 *
 * irqchip.c calls it when routes change, lapic.c at an EOI.
 */
#include "pc/chip.h"

/* How many of the routes, which are sorted by GSI, are those of userspace's IOAPIC. */
static u32 ioapic_routes(const struct irqchip *chip, const struct routing *table)
{
	u32 count;

	return routing_find(table, chip->user_pins, &count) - table->route;
}

void split_update_eoi_vectors(struct irqchip *chip, const struct routing *table)
{
	DECLARE_BITMAP(vectors, 256);
	u32 i, count = ioapic_routes(chip, table);
	struct lapic_msg msg;

	bitmap_zero(vectors, 256);
	for (i = 0; i < count; i++) {
		route_msg(chip, &table->route[i], &msg);
		if (msg.level)
			__set_bit(msg.vector, vectors);
	}
	for (i = 0; i < BITS_TO_LONGS(256); i++)
		WRITE_ONCE(chip->eoi_vectors[i], vectors[i]);
}

/* Is one of the IOAPIC's level-triggered messages @vector for this LAPIC? */
static bool routed_here(struct lapic *lapic, u8 vector)
{
	const struct routing *table;
	struct lapic_msg msg;
	bool found = false;
	u32 i, count;

	rcu_read_lock();
	table = rcu_dereference(lapic->chip->routing);
	count = ioapic_routes(lapic->chip, table);
	for (i = 0; i < count && !found; i++) {
		route_msg(lapic->chip, &table->route[i], &msg);
		found = msg.level && msg.vector == vector && lapic_match(&lapic->regs, &msg);
	}
	rcu_read_unlock();
	return found;
}

/*
 * The trigger mode may have been overwritten by an edge with the same vector,
 * and the route may lead elsewhere by now. So userspace hears of the EOI if
 * either says that its IOAPIC may wait: one EOI too many does less harm than
 * one too few.
 */
void split_eoi(struct lapic *lapic, u8 vector, bool level)
{
	if (!level && !routed_here(lapic, vector))
		return;
	set_bit(vector, lapic->user_eois);
	vcpu_request(lapic->vcpu, REQ_IOAPIC_EOI);
}
