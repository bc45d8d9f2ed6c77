// SPDX-License-Identifier: GPL-2.0-only
/*
 * With a split irqchip the IOAPIC is userspace's. Its pins are the first GSIs, each
 * routed to the message that the IOAPIC's redirection entry makes; an EOI of what such
 * a level-triggered message asked for goes to userspace, as an exit.
 */
#include "irqchip/chip.h"

/* The routes of userspace's IOAPIC come first. Under RCU read lock. */
static u32 ioapic_routes(struct irqchip *chip, const struct route **routes)
{
	const struct routing *table = rcu_dereference(chip->routing);
	u32 count;

	*routes = table->route;
	return routing_find(table, chip->user_pins, &count) - table->route;
}

void split_collect_eoi_vectors(struct irqchip *chip, unsigned long *vectors)
{
	const struct route *routes;
	u32 i, count = ioapic_routes(chip, &routes);
	struct lapic_msg msg;

	for (i = 0; i < count; i++) {
		route_msg(chip, &routes[i], &msg);
		if (msg.level)
			__set_bit(msg.vector, vectors);
	}
}

/* Is one of the IOAPIC's level-triggered messages @vector for this LAPIC? */
static bool routed_here(struct lapic *lapic, u8 vector)
{
	const struct route *routes;
	struct lapic_msg msg;
	bool found = false;
	u32 i, count;

	rcu_read_lock();
	count = ioapic_routes(lapic->chip, &routes);
	for (i = 0; i < count && !found; i++) {
		route_msg(lapic->chip, &routes[i], &msg);
		found = msg.level && msg.vector == vector && lapic_match(&lapic->regs, &msg);
	}
	rcu_read_unlock();
	return found;
}

/*
 * The trigger mode may have been overwritten by an edge of the same vector, and the
 * route may lead elsewhere by now: an EOI too many does less harm than one too few.
 */
void split_eoi(struct lapic *lapic, u8 vector, bool level)
{
	if (!level && !routed_here(lapic, vector))
		return;
	set_bit(vector, lapic->user_eois);
	vcpu_request(lapic->vcpu, REQ_IOAPIC_EOI);
}
