// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finding the device at an address: the buses for port I/O, MMIO, and MMIO
 * writes whose data nobody looks at. Exit handlers ask it before userspace;
 * chips and ioeventfds add themselves.
 *
 * What a reader must know: a bus is a sorted array under SRCU that is replaced
 * whole when a device comes or goes. A device's functions run in a vCPU's
 * thread under that SRCU lock, so they must not add or remove devices. On all
 * buses but BUS_PIO interrupts may be off.
 */
#include <linux/slab.h>

#include "cpu/vcpu.h"
#include "mem/bus.h"

#define BUS_MAX_DEVICES 1000 /* as KVM has it; copy_without() needs them to fit two pages */

int buses_init(struct vm *vm)
{
	mutex_init(&vm->buses.lock);
	return init_srcu_struct(&vm->buses.srcu);
}

static struct bus *bus_locked(struct vm_buses *buses, enum bus_kind kind)
{
	return rcu_dereference_protected(buses->bus[kind], lockdep_is_held(&buses->lock));
}

static void release_devices(const struct bus *bus)
{
	int i;

	for (i = 0; bus && i < bus->count; i++)
		if (bus->dev[i]->ops->release)
			bus->dev[i]->ops->release(bus->dev[i]);
}

void buses_destroy(struct vm *vm)
{
	struct vm_buses *buses = &vm->buses;
	int kind;

	/* The fast bus goes first: its devices lie in devices of the others. */
	for (kind = NR_BUSES - 1; kind >= 0; kind--) {
		struct bus *bus = rcu_dereference_protected(buses->bus[kind], true);

		RCU_INIT_POINTER(buses->bus[kind], NULL);
		release_devices(bus);
		kfree(bus);
	}
	cleanup_srcu_struct(&buses->srcu);
}

/* The first index whose device lies above @addr. */
static int upper_bound(const struct bus *bus, u64 addr)
{
	int low = 0, high = bus->count;

	while (low < high) {
		int middle = (low + high) / 2;

		if (bus->dev[middle]->addr <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Replaces @old. When it returns nobody runs a function of a device that only @old has. */
static void bus_publish(struct vm_buses *buses, enum bus_kind kind, struct bus *old,
			struct bus *new)
{
	rcu_assign_pointer(buses->bus[kind], new);
	synchronize_srcu(&buses->srcu);
	kfree(old);
}

int bus_add(struct vm *vm, enum bus_kind kind, struct bus_device *dev)
{
	struct vm_buses *buses = &vm->buses;
	struct bus *old, *new;
	int count, at, ret = -ENOMEM;

	mutex_lock(&buses->lock);
	old = bus_locked(buses, kind);
	count = old ? old->count : 0;
	if (count >= BUS_MAX_DEVICES) {
		ret = -ENOSPC;
		goto unlock;
	}
	new = kzalloc(struct_size(new, dev, count + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		goto unlock;
	at = old ? upper_bound(old, dev->addr) : 0;
	if (old) {
		memcpy(new->dev, old->dev, at * sizeof(dev));
		memcpy(new->dev + at + 1, old->dev + at, (count - at) * sizeof(dev));
	}
	new->dev[at] = dev;
	new->count = count + 1;
	new->max_len = max3(dev->len, old ? old->max_len : 1, 1ULL);
	bus_publish(buses, kind, old, new);
	ret = 0;
unlock:
	mutex_unlock(&buses->lock);
	return ret;
}

static int index_of(const struct bus *bus, const struct bus_device *dev)
{
	int i;

	for (i = 0; bus && i < bus->count; i++)
		if (bus->dev[i] == dev)
			return i;
	return -ENOENT;
}

static struct bus *copy_without(const struct bus *old, int at)
{
	int count = old->count - 1;
	/* A removal must not fail. It takes two pages at most, which the kernel always has. */
	struct bus *new = kzalloc(struct_size(new, dev, count), GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);

	memcpy(new->dev, old->dev, at * sizeof(new->dev[0]));
	memcpy(new->dev + at, old->dev + at + 1, (count - at) * sizeof(new->dev[0]));
	new->count = count;
	new->max_len = old->max_len;
	return new;
}

int bus_remove(struct vm *vm, enum bus_kind kind, struct bus_device *dev)
{
	struct vm_buses *buses = &vm->buses;
	struct bus *old, *new;
	int at;

	mutex_lock(&buses->lock);
	old = bus_locked(buses, kind);
	at = index_of(old, dev);
	if (at >= 0) {
		new = copy_without(old, at);
		bus_publish(buses, kind, old, new);
	}
	mutex_unlock(&buses->lock);
	return min(at, 0);
}

struct bus_device *bus_find(struct vm *vm, enum bus_kind kind,
			    bool (*match)(const struct bus_device *dev, const void *arg),
			    const void *arg)
{
	struct bus_device *found = NULL;
	struct bus *bus;
	int i;

	mutex_lock(&vm->buses.lock);
	bus = bus_locked(&vm->buses, kind);
	for (i = 0; bus && !found && i < bus->count; i++)
		if (match(bus->dev[i], arg))
			found = bus->dev[i];
	mutex_unlock(&vm->buses.lock);
	return found;
}

/* A device of length 0 takes accesses of any length that begin where it does. */
static bool dev_covers(const struct bus_device *dev, u64 addr, int len)
{
	if (!dev->len)
		return addr == dev->addr;
	return addr - dev->addr < dev->len && len <= dev->len - (addr - dev->addr);
}

static int access_dev(struct vcpu *vcpu, struct bus_device *dev, u64 addr, int len, void *data,
		      bool write)
{
	if (write)
		return dev->ops->write ? dev->ops->write(vcpu, dev, addr, len, data) : -EOPNOTSUPP;
	return dev->ops->read ? dev->ops->read(vcpu, dev, addr, len, data) : -EOPNOTSUPP;
}

/* Ask the devices that cover the access, from the nearest start downwards. */
static int access_bus(struct vcpu *vcpu, const struct bus *bus, u64 addr, int len, void *data,
		      bool write)
{
	int i, ret;

	for (i = upper_bound(bus, addr) - 1; i >= 0; i--) {
		struct bus_device *dev = bus->dev[i];

		if (addr - dev->addr >= bus->max_len)
			break;
		if (!dev_covers(dev, addr, len))
			continue;
		ret = access_dev(vcpu, dev, addr, len, data, write);
		if (ret != -EOPNOTSUPP)
			return ret;
	}
	return -EOPNOTSUPP;
}

static int bus_access(struct vcpu *vcpu, enum bus_kind kind, u64 addr, int len, void *data,
		      bool write)
{
	struct vm_buses *buses = &vcpu->vm->buses;
	const struct bus *bus;
	int idx, ret = -EOPNOTSUPP;

	idx = srcu_read_lock(&buses->srcu);
	bus = srcu_dereference(buses->bus[kind], &buses->srcu);
	if (bus)
		ret = access_bus(vcpu, bus, addr, len, data, write);
	srcu_read_unlock(&buses->srcu, idx);
	return ret;
}

int bus_read(struct vcpu *vcpu, enum bus_kind kind, u64 addr, int len, void *data)
{
	const struct bus_ops *local = READ_ONCE(vcpu->vm->buses.local);

	if (kind == BUS_MMIO && local && !local->read(vcpu, NULL, addr, len, data))
		return 0;
	return bus_access(vcpu, kind, addr, len, data, false);
}

int bus_write(struct vcpu *vcpu, enum bus_kind kind, u64 addr, int len, const void *data)
{
	const struct bus_ops *local = READ_ONCE(vcpu->vm->buses.local);

	if (kind == BUS_MMIO && local && !local->write(vcpu, NULL, addr, len, data))
		return 0;
	/* The cast is safe, as the .write of bus_ops takes const data. */
	return bus_access(vcpu, kind, addr, len, (void *)data, true);
}
