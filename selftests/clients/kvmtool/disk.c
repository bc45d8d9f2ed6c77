// SPDX-License-Identifier: GPL-2.0-only
/* virtio-blk: a thread that waits for the queue's event, and answers by KVM_IRQ_LINE. */
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <sys/stat.h>
#include "client.h"

#define SECTOR 512

static void open_disk(struct device *device, const char *name)
{
	struct stat stat;
	u64 sectors;

	device->file = open(name, O_RDWR | O_CLOEXEC);
	if (device->file < 0 || fstat(device->file, &stat))
		die(name);
	sectors = stat.st_size / SECTOR;
	memcpy(device->config, &sectors, sizeof(sectors));
}

/* A request: a header, data, and a byte for how it went. Return: bytes written to the guest. */
static u32 serve(struct device *device, const struct vring *ring, u16 head)
{
	const struct vring_desc *desc = &ring->desc[head];
	const struct virtio_blk_outhdr *header = at(device->client, desc->addr);
	u64 where = header->sector * SECTOR;
	u8 *status, result = VIRTIO_BLK_S_OK;
	u32 written = 1;

	for (desc = &ring->desc[desc->next]; desc->flags & VRING_DESC_F_NEXT;
	     desc = &ring->desc[desc->next], where += desc->len) {
		void *data = at(device->client, desc->addr);
		ssize_t done = desc->len;

		if (header->type == VIRTIO_BLK_T_IN)
			done = pread(device->file, data, desc->len, where);
		else if (header->type == VIRTIO_BLK_T_OUT)
			done = pwrite(device->file, data, desc->len, where);
		else if (header->type != VIRTIO_BLK_T_FLUSH)
			result = VIRTIO_BLK_S_UNSUPP;
		if (done != (ssize_t)desc->len)
			result = VIRTIO_BLK_S_IOERR;
		written += desc->len;
	}
	status = at(device->client, desc->addr);
	*status = result;
	return written;
}

static void interrupt(const struct device *device, int gsi)
{
	struct kvm_irq_level line = { .irq = gsi, .level = 1 };

	ioctl(device->client->vm->fd, KVM_IRQ_LINE, &line);
	line.level = 0;
	ioctl(device->client->vm->fd, KVM_IRQ_LINE, &line);
}

static void *thread(void *arg)
{
	struct device *device = arg;
	struct queue *queue = &device->queue[0];
	struct vring ring;
	u16 next = 0;
	u64 events;

	vring_init(&ring, QUEUE_SIZE, at(device->client, (u64)queue->page * QUEUE_ALIGN),
		   QUEUE_ALIGN);
	while (read(queue->kick, &events, sizeof(events)) == sizeof(events)) {
		while (next != __atomic_load_n(&ring.avail->idx, __ATOMIC_ACQUIRE)) {
			u16 head = ring.avail->ring[next++ % QUEUE_SIZE];
			u16 used = ring.used->idx;

			ring.used->ring[used % QUEUE_SIZE] =
				(struct vring_used_elem){ head, serve(device, &ring, head) };
			__atomic_store_n(&ring.used->idx, used + 1, __ATOMIC_SEQ_CST);
		}
		if (!(ring.avail->flags & VRING_AVAIL_F_NO_INTERRUPT))
			interrupt(device, queue->gsi);
	}
	return NULL;
}

static void start(struct device *device, unsigned int queue)
{
	pthread_t id;

	if (!queue && pthread_create(&id, NULL, thread, device))
		die("pthread_create");
}

static void routed(struct device *device, unsigned int queue)
{
	(void)device;
	(void)queue;
}

const struct device_kind disk_kind = {
	.id = 0x1001,
	.subsystem = 2,
	.class = 0x0180,
	.open = open_disk,
	.start = start,
	.routed = routed,
};
