// SPDX-License-Identifier: GPL-2.0-only
/* Interrupt routes: those of a PC, and one for each MSI-X vector of a queue. */
#include "client.h"

#define PINS 24
#define ROUTES 64

static struct {
	struct kvm_irq_routing head;
	struct kvm_irq_routing_entry entry[ROUTES];
} routes;
static int next_gsi = PINS;

static void add(u32 gsi, u32 chip, u32 pin)
{
	routes.entry[routes.head.nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { chip, pin },
	};
}

static void set(struct client *client)
{
	if (ioctl(client->vm->fd, KVM_SET_GSI_ROUTING, &routes))
		die("KVM_SET_GSI_ROUTING");
}

static void write_message(struct kvm_irq_routing_entry *entry, const u32 message[3])
{
	entry->type = KVM_IRQ_ROUTING_MSI;
	entry->u.msi.address_lo = message[0];
	entry->u.msi.address_hi = message[1];
	entry->u.msi.data = message[2];
}

void routes_init(struct client *client)
{
	for (u32 pin = 0; pin < 16; pin++)
		if (pin != 2)
			add(pin, pin < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, pin % 8);
	for (u32 pin = 0; pin < PINS; pin++) /* as the MP tables have it */
		add(pin, KVM_IRQCHIP_IOAPIC, pin);
	set(client);
}

int route_add(struct client *client, const u32 message[3])
{
	struct kvm_irq_routing_entry *entry = &routes.entry[routes.head.nr];

	if (routes.head.nr == ROUTES)
		die("no more routes");
	routes.head.nr++;
	entry->gsi = next_gsi;
	write_message(entry, message);
	set(client);
	return next_gsi++;
}

void route_change(struct client *client, int gsi, const u32 message[3])
{
	for (u32 i = 0; i < routes.head.nr; i++)
		if (routes.entry[i].gsi == (u32)gsi)
			write_message(&routes.entry[i], message);
	set(client);
}
