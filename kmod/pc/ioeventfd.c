// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioeventfd: an eventfd that the guest signals by a write to a port or a
 * physical address, without an exit to userspace. vhost and virtio devices get
 * their "kicks" by it.
 *
 * KVM_IOEVENTFD comes here. Each ioeventfd is a device on a bus of the VM,
 * which calls io_write() and owns the device once it is added.
 *
 * What a reader must know: an ioeventfd of any length, for MMIO, is on two
 * buses. The fast one is asked before the instruction is decoded, since neither
 * its length nor its data matter.
 *
 * Locks: vm->lock for assigning and deassigning; writes come under the bus's
 * SRCU.
 */
#include <linux/slab.h>

#include "compat/eventfd.h"
#include "pc/chip.h"

struct ioeventfd {
	struct bus_device dev;	/* with a .len of 0 for writes of any length */
	struct bus_device fast; /* its twin for MMIO writes whose data nobody looks at */
	enum bus_kind kind;
	bool has_fast;
	bool any_data;
	u64 datamatch;
	struct eventfd_ctx *event;
};

static struct ioeventfd *of_dev(const struct bus_device *dev)
{
	return container_of(dev, struct ioeventfd, dev);
}

static bool data_matches(const struct ioeventfd *io, int len, const void *data)
{
	u64 value = 0;

	if (io->any_data)
		return true;
	memcpy(&value, data, min_t(size_t, len, sizeof(value)));
	return value == io->datamatch;
}

/*
 * Context: a vCPU's thread. -EOPNOTSUPP lets the bus ask the next device:
 * several ioeventfds may share an address and differ by their data.
 */
static int io_write(struct vcpu *vcpu, struct bus_device *dev, u64 addr, int len, const void *data)
{
	struct ioeventfd *io = of_dev(dev);

	if (addr != dev->addr || (dev->len && len != dev->len) || !data_matches(io, len, data))
		return -EOPNOTSUPP;
	eventfd_signal(io->event);
	return 0;
}

static int fast_write(struct vcpu *vcpu, struct bus_device *dev, u64 addr, int len,
		      const void *data)
{
	eventfd_signal(container_of(dev, struct ioeventfd, fast)->event);
	return 0;
}

static void io_free(struct ioeventfd *io)
{
	eventfd_ctx_put(io->event);
	kfree(io);
}

/* Called when the VM's buses are destroyed. .fast, in the same allocation, has no release. */
static void io_release(struct bus_device *dev)
{
	io_free(of_dev(dev));
}

static const struct bus_ops io_ops = { .write = io_write, .release = io_release };
static const struct bus_ops fast_ops = { .write = fast_write };

/*
 * Would one write signal both @dev and the new ioeventfd @arg? Then the new one
 * is refused, as in KVM's API.
 */
static bool ioeventfd_collides(const struct bus_device *dev, const void *arg)
{
	const struct ioeventfd *new = arg, *old;

	if (dev->ops != &io_ops || dev->addr != new->dev.addr)
		return false;
	old = of_dev(dev);
	if (!dev->len || !new->dev.len)
		return true;
	return dev->len == new->dev.len &&
	       (old->any_data || new->any_data || old->datamatch == new->datamatch);
}

/* Does @dev have all that KVM_IOEVENTFD_FLAG_DEASSIGN names in @arg? */
static bool ioeventfd_same(const struct bus_device *dev, const void *arg)
{
	const struct ioeventfd *want = arg, *old;

	if (dev->ops != &io_ops || dev->addr != want->dev.addr || dev->len != want->dev.len)
		return false;
	old = of_dev(dev);
	return old->event == want->event && old->any_data == want->any_data &&
	       (want->any_data || old->datamatch == want->datamatch);
}

/* Fills in what @args say, except for the eventfd, which may fail. */
static void ioeventfd_describe(struct ioeventfd *io, const struct kvm_ioeventfd *args)
{
	bool pio = args->flags & KVM_IOEVENTFD_FLAG_PIO;

	*io = (struct ioeventfd){
		.dev = { .ops = &io_ops, .addr = args->addr, .len = args->len },
		.fast = { .ops = &fast_ops, .addr = args->addr },
		.kind = pio ? BUS_PIO : BUS_MMIO,
		.has_fast = !pio && !args->len,
		.any_data = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH),
		.datamatch = args->datamatch,
	};
}

static int add_to_buses(struct vm *vm, struct ioeventfd *io)
{
	int ret;

	if (bus_find(vm, io->kind, ioeventfd_collides, io))
		return -EEXIST;
	ret = bus_add(vm, io->kind, &io->dev);
	if (ret || !io->has_fast)
		return ret;
	ret = bus_add(vm, BUS_FAST_MMIO, &io->fast);
	if (ret)
		bus_remove(vm, io->kind, &io->dev);
	return ret;
}

int ioeventfd_assign(struct vm *vm, const struct kvm_ioeventfd *args)
{
	struct ioeventfd *io = kzalloc(sizeof(*io), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!io)
		return -ENOMEM;
	ioeventfd_describe(io, args);
	io->event = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(io->event)) {
		ret = PTR_ERR(io->event);
		kfree(io);
		return ret;
	}
	ret = add_to_buses(vm, io);
	if (ret)
		io_free(io);
	return ret;
}

/* bus_remove() waits for whoever is in io_write(), so that the eventfd can go. */
int ioeventfd_deassign(struct vm *vm, const struct kvm_ioeventfd *args)
{
	struct bus_device *dev;
	struct ioeventfd want;

	ioeventfd_describe(&want, args);
	want.event = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(want.event))
		return PTR_ERR(want.event);
	dev = bus_find(vm, want.kind, ioeventfd_same, &want);
	eventfd_ctx_put(want.event);
	if (!dev)
		return -ENOENT;
	bus_remove(vm, want.kind, dev);
	if (want.has_fast)
		bus_remove(vm, BUS_FAST_MMIO, &of_dev(dev)->fast);
	io_release(dev);
	return 0;
}
