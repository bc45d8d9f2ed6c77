// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of GSI routes: how it is built from what userspace sets, and how it
 * is searched. Pure logic that compiles in userspace; irqchip.c owns the
 * tables, and RCU keeps the one in use.
 *
 * What a reader must know: routes are sorted by GSI and a table never changes,
 * so that a search takes no lock and runs in interrupts.
 */
#include "pc/routing.h"

static bool route_valid(const struct route *route)
{
	if (route->gsi >= ROUTING_MAX_GSI)
		return false;
	switch (route->chip) {
	case ROUTE_PIC: return route->pin < PIC_PINS;
	case ROUTE_IOAPIC: return route->pin < IOAPIC_PINS;
	default: return route->chip == ROUTE_MSI;
	}
}

/* The first route whose GSI is @gsi or higher. */
static u32 lower_bound(const struct routing *table, u32 gsi)
{
	u32 low = 0, high = table->count;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (table->route[middle].gsi < gsi)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct route *routing_find(const struct routing *table, u32 gsi, u32 *count)
{
	u32 first = lower_bound(table, gsi), end = first;

	while (end < table->count && table->route[end].gsi == gsi)
		end++;
	*count = end - first;
	return &table->route[first];
}

/*
 * Would @route not go together with those that its GSI has already? A GSI leads
 * to at most one pin of each chip, or to one message.
 */
static bool route_conflicts(const struct routing *table, const struct route *route)
{
	const struct route *other;
	u32 count, i;

	other = routing_find(table, route->gsi, &count);
	for (i = 0; i < count; i++)
		if (other[i].chip == route->chip || other[i].chip == ROUTE_MSI ||
		    route->chip == ROUTE_MSI)
			return true;
	return false;
}

static void routing_insert(struct routing *table, const struct route *route)
{
	u32 at = lower_bound(table, route->gsi + 1);

	memmove(&table->route[at + 1], &table->route[at],
		(table->count - at) * sizeof(table->route[0]));
	table->route[at] = *route;
	table->count++;
	if (route->chip < NR_ROUTE_CHIPS)
		table->gsi_of[route->chip][route->pin] = route->gsi;
}

/* Userspace's table comes in any order, up to ROUTING_MAX_ENTRIES. */
int routing_build(struct routing *table, const struct route *routes, u32 count)
{
	u32 i;

	if (count > ROUTING_MAX_ENTRIES)
		return -EINVAL;
	table->count = 0;
	memset(table->gsi_of, 0xff, sizeof(table->gsi_of)); /* NO_GSI */
	for (i = 0; i < count; i++) {
		if (!route_valid(&routes[i]) || route_conflicts(table, &routes[i]))
			return -EINVAL;
		routing_insert(table, &routes[i]);
	}
	return 0;
}

void routing_build_default(struct routing *table)
{
	u32 i;

	table->count = 0;
	memset(table->gsi_of, 0xff, sizeof(table->gsi_of)); /* NO_GSI */
	for (i = 0; i < IOAPIC_PINS; i++) {
		if (i < PIC_PINS)
			routing_insert(table,
				       &(struct route){ .gsi = i, .chip = ROUTE_PIC, .pin = i });
		routing_insert(table, &(struct route){ .gsi = i, .chip = ROUTE_IOAPIC, .pin = i });
	}
}
