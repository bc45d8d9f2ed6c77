// SPDX-License-Identifier: GPL-2.0-only
/* virtio's legacy registers (virtio 1.2, 4.1.4.8). */
#include <linux/virtio_pci.h>
#include <sys/eventfd.h>
#include "client.h"

static struct queue *selected(struct device *device)
{
	return &device->queue[device->selected];
}

/* The notification of this queue, and of no other, becomes an event. */
static void start(struct device *device, u32 page)
{
	struct queue *queue = selected(device);
	u32 region;
	struct kvm_ioeventfd event = {
		.len = 2,
		.datamatch = device->selected,
		.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	queue->page = page;
	if (!page || queue->kick >= 0)
		return;
	memcpy(&region, &device->space[0x10], sizeof(region));
	event.addr = (region & ~3u) + VIRTIO_PCI_QUEUE_NOTIFY;
	event.fd = queue->kick = eventfd(0, 0);
	if (ioctl(device->client->vm->fd, KVM_IOEVENTFD, &event))
		die("KVM_IOEVENTFD");
	device->kind->start(device, device->selected);
}

static void set_vector(struct device *device, u16 vector)
{
	struct queue *queue = selected(device);

	queue->vector = vector;
	if (vector > QUEUES || queue->gsi >= 0)
		return;
	queue->gsi = route_add(device->client, device->table[vector]);
	device->kind->routed(device, device->selected);
}

static void config(struct device *device, u16 offset, unsigned int size, bool write, u32 *value)
{
	if (!write && offset + size <= sizeof(device->config))
		memcpy(value, &device->config[offset], size);
}

static u32 read_register(struct device *device, u16 offset)
{
	switch (offset) {
	case VIRTIO_PCI_HOST_FEATURES: return device->kind->features;
	case VIRTIO_PCI_QUEUE_PFN: return selected(device)->page;
	case VIRTIO_PCI_QUEUE_NUM: return device->selected < QUEUES ? QUEUE_SIZE : 0;
	case VIRTIO_PCI_STATUS: return device->status;
	case VIRTIO_MSI_CONFIG_VECTOR: return device->config_vector;
	case VIRTIO_MSI_QUEUE_VECTOR: return selected(device)->vector;
	default: return 0;
	}
}

static void write_register(struct device *device, u16 offset, u32 value)
{
	switch (offset) {
	case VIRTIO_PCI_QUEUE_PFN: start(device, value); break;
	case VIRTIO_PCI_QUEUE_SEL: device->selected = value % QUEUES; break;
	case VIRTIO_PCI_STATUS: device->status = value; break;
	case VIRTIO_MSI_CONFIG_VECTOR: device->config_vector = value; break;
	case VIRTIO_MSI_QUEUE_VECTOR: set_vector(device, value); break;
	}
}

void virtio_port(struct device *device, u16 offset, unsigned int size, bool write, u32 *value)
{
	unsigned int registers = VIRTIO_PCI_CONFIG_OFF(pci_msix(device));

	if (offset >= registers)
		config(device, offset - registers, size, write, value);
	else if (write)
		write_register(device, offset, *value);
	else
		*value = read_register(device, offset);
}
