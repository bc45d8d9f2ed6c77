// SPDX-License-Identifier: GPL-2.0-only
/* PCI by ports 0xcf8 and 0xcfc: a host bridge, without which Linux looks no further, and devices. */
#include <linux/pci_regs.h>
#include "client.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define ENABLED (1u << 31)
#define VENDOR 0x1af4
#define BRIDGE 0x12378086
#define CLASS_BRIDGE 0x0600

#define PORTS 64
#define TABLE_SIZE 4096
#define FIRST_PORT 0x6200
#define FIRST_TABLE 0xd0000000u
#define CAPABILITY 0x40

static void put16(struct device *device, unsigned int where, u16 value)
{
	memcpy(&device->space[where], &value, sizeof(value));
}

static void put32(struct device *device, unsigned int where, u32 value)
{
	memcpy(&device->space[where], &value, sizeof(value));
}

static u32 get32(const struct device *device, unsigned int where)
{
	u32 value;

	memcpy(&value, &device->space[where], sizeof(value));
	return value;
}

void pci_add(struct client *client, unsigned int slot, const struct device_kind *kind,
	     const char *name)
{
	struct device *device = &client->device[slot];

	device->client = client;
	device->kind = kind;
	device->config_vector = NO_VECTOR;
	for (int i = 0; i < QUEUES; i++)
		device->queue[i] = (struct queue){ .vector = NO_VECTOR, .gsi = -1, .kick = -1 };
	put16(device, PCI_VENDOR_ID, VENDOR);
	put16(device, PCI_DEVICE_ID, kind->id);
	put16(device, PCI_STATUS, PCI_STATUS_CAP_LIST);
	put16(device, PCI_CLASS_DEVICE, kind->class);
	put16(device, PCI_SUBSYSTEM_VENDOR_ID, VENDOR);
	put16(device, PCI_SUBSYSTEM_ID, kind->subsystem);
	put32(device, PCI_BASE_ADDRESS_0, (FIRST_PORT + PORTS * slot) | PCI_BASE_ADDRESS_SPACE_IO);
	put32(device, PCI_BASE_ADDRESS_1, FIRST_TABLE + TABLE_SIZE * slot);
	device->space[PCI_CAPABILITY_LIST] = CAPABILITY;
	device->space[CAPABILITY] = PCI_CAP_ID_MSIX;
	put16(device, CAPABILITY + PCI_MSIX_FLAGS, QUEUES);
	put32(device, CAPABILITY + PCI_MSIX_TABLE, 1); /* in the second region, at its start */
	put32(device, CAPABILITY + PCI_MSIX_PBA, 1 | TABLE_SIZE / 2);
	kind->open(device, name);
}

bool pci_msix(const struct device *device)
{
	return get32(device, CAPABILITY) >> 16 & PCI_MSIX_FLAGS_ENABLE;
}

/* What may be written: command, regions, the line, MSI-X's control. */
static void config_write(struct device *device, unsigned int where, unsigned int size, u32 value)
{
	switch (where) {
	case PCI_BASE_ADDRESS_0:
		put32(device, where, (value & -PORTS) | PCI_BASE_ADDRESS_SPACE_IO);
		return;
	case PCI_BASE_ADDRESS_1: put32(device, where, value & -TABLE_SIZE); return;
	case PCI_COMMAND: put16(device, where, value); return;
	case PCI_INTERRUPT_LINE: device->space[where] = value; return;
	case CAPABILITY + PCI_MSIX_FLAGS:
		if (size == 2)
			put16(device, where, (value & 0xc000) | QUEUES);
		return;
	default: return;
	}
}

static u32 bridge_read(unsigned int where)
{
	switch (where) {
	case PCI_VENDOR_ID: return BRIDGE;
	case PCI_CLASS_REVISION: return CLASS_BRIDGE << 16;
	default: return 0;
	}
}

static u32 config_read(const struct client *client, unsigned int slot, unsigned int where)
{
	if (slot > DEVICES)
		return ~0u;
	return slot ? get32(&client->device[slot - 1], where) : bridge_read(where);
}

static void config_data(struct client *client, u16 port, unsigned int size, bool write, u32 *value)
{
	unsigned int slot = client->address >> 11 & 31;
	unsigned int where = (client->address & 0xfc) + port - CONFIG_DATA;
	bool one = client->address & ENABLED &&
		   !(client->address & 0xff0700); /* bus 0, function 0 */

	if (!write)
		*value = one ? config_read(client, slot, where & ~3) >> where % 4 * 8 : ~0u;
	else if (one && slot && slot <= DEVICES)
		config_write(&client->device[slot - 1], where, size, *value);
}

bool pci_port(struct client *client, u16 port, unsigned int size, bool write, u32 *value)
{
	if (port == CONFIG_ADDRESS && size == 4) {
		if (write)
			client->address = *value;
		else
			*value = client->address;
		return true;
	}
	if (port >= CONFIG_DATA && port < CONFIG_DATA + 4) {
		config_data(client, port, size, write, value);
		return true;
	}
	for (int i = 0; i < DEVICES; i++) {
		u16 base = get32(&client->device[i], PCI_BASE_ADDRESS_0) & PCI_BASE_ADDRESS_IO_MASK;

		if (port < base || port >= base + PORTS)
			continue;
		virtio_port(&client->device[i], port - base, size, write, value);
		return true;
	}
	return false;
}

/* The guest's kernel gives a queue its vector before it has the vector's message. */
static void table_written(struct device *device, unsigned int vector)
{
	for (int i = 0; i < QUEUES; i++)
		if (device->queue[i].gsi >= 0 && device->queue[i].vector == vector)
			route_change(device->client, device->queue[i].gsi, device->table[vector]);
}

bool pci_memory(struct client *client, u64 gpa, unsigned int size, bool write, void *data)
{
	for (int i = 0; i < DEVICES; i++) {
		struct device *device = &client->device[i];
		u64 offset = gpa - get32(device, PCI_BASE_ADDRESS_1);

		if (offset >= TABLE_SIZE)
			continue;
		if (!write)
			memset(data, 0, size);
		if (offset + size > sizeof(device->table))
			return true;
		if (!write) {
			memcpy(data, (u8 *)device->table + offset, size);
			return true;
		}
		memcpy((u8 *)device->table + offset, data, size);
		table_written(device, offset / sizeof(device->table[0]));
		return true;
	}
	return false;
}
