// SPDX-License-Identifier: GPL-2.0-only
/* virtio-net by vhost-net on a tap: its events go to the host's kernel and come from there. */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <net/if.h>
#include <sys/eventfd.h>
#include "client.h"

static int vhost;

static void must(int result, const char *what)
{
	if (result)
		die(what);
}

static void open_tap(struct device *device, const char *name)
{
	static const u8 address[] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x57 };
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int header = sizeof(struct virtio_net_hdr);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	memcpy(device->config, address, sizeof(address));
	device->file = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (device->file < 0 || ioctl(device->file, TUNSETIFF, &request))
		die(name);
	must(ioctl(device->file, TUNSETVNETHDRSZ, &header), "TUNSETVNETHDRSZ");
	vhost = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	if (vhost < 0 || ioctl(vhost, VHOST_SET_OWNER))
		die("/dev/vhost-net");
}

static void set_memory(const struct client *client)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} memory = {
		.head.nregions = 1,
		.region = { 0, client->vm->ram_size, (u64)client->vm->ram, 0 },
	};
	u64 features = 0;

	must(ioctl(vhost, VHOST_SET_FEATURES, &features), "VHOST_SET_FEATURES");
	must(ioctl(vhost, VHOST_SET_MEM_TABLE, &memory), "VHOST_SET_MEM_TABLE");
}

static void start(struct device *device, unsigned int index)
{
	struct queue *queue = &device->queue[index];
	struct vhost_vring_state size = { index, QUEUE_SIZE }, base = { index, 0 };
	struct vhost_vring_file kick = { index, queue->kick }, backend = { index, device->file };
	struct vhost_vring_addr where = { .index = index };
	struct vring ring;

	if (!index)
		set_memory(device->client);
	vring_init(&ring, QUEUE_SIZE, at(device->client, (u64)queue->page * QUEUE_ALIGN),
		   QUEUE_ALIGN);
	where.desc_user_addr = (u64)ring.desc;
	where.avail_user_addr = (u64)ring.avail;
	where.used_user_addr = (u64)ring.used;
	must(ioctl(vhost, VHOST_SET_VRING_NUM, &size), "VHOST_SET_VRING_NUM");
	must(ioctl(vhost, VHOST_SET_VRING_BASE, &base), "VHOST_SET_VRING_BASE");
	must(ioctl(vhost, VHOST_SET_VRING_ADDR, &where), "VHOST_SET_VRING_ADDR");
	must(ioctl(vhost, VHOST_SET_VRING_KICK, &kick), "VHOST_SET_VRING_KICK");
	must(ioctl(vhost, VHOST_NET_SET_BACKEND, &backend), "VHOST_NET_SET_BACKEND");
}

static void routed(struct device *device, unsigned int index)
{
	struct vhost_vring_file call = { index, eventfd(0, 0) };
	struct kvm_irqfd irqfd = { .fd = call.fd, .gsi = device->queue[index].gsi };

	must(ioctl(device->client->vm->fd, KVM_IRQFD, &irqfd), "KVM_IRQFD");
	must(ioctl(vhost, VHOST_SET_VRING_CALL, &call), "VHOST_SET_VRING_CALL");
}

const struct device_kind network_kind = {
	.id = 0x1000,
	.subsystem = 1,
	.class = 0x0200,
	.features = 1u << VIRTIO_NET_F_MAC,
	.open = open_tap,
	.start = start,
	.routed = routed,
};
