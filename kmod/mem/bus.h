/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The buses on which devices in the kernel listen: port I/O and MMIO.
 */
#ifndef MEM_BUS_H
#define MEM_BUS_H

#include <linux/mutex.h>
#include <linux/srcu.h>
#include <vmx/types.h>

struct vm;
struct vcpu;
struct bus_device;

enum bus_kind { BUS_PIO, BUS_MMIO, BUS_FAST_MMIO, NR_BUSES };

struct bus_ops {
	/* Return 0, or -EOPNOTSUPP to let the next device, or userspace, have it. */
	int (*read)(struct vcpu *vcpu, struct bus_device *dev, u64 addr, int len, void *data);
	int (*write)(struct vcpu *vcpu, struct bus_device *dev, u64 addr, int len,
		     const void *data);
	void (*release)(struct bus_device *dev); /* or NULL */
};

/* Several devices may share an address: they are asked one after the other. */
struct bus_device {
	const struct bus_ops *ops;
	u64 addr;
	u64 len; /* 0: an access of any length that starts at .addr */
};

/* Immutable once published; read under .srcu of struct vm_buses. */
struct bus {
	int count;
	u64 max_len;		  /* of all devices, at least 1 */
	struct bus_device *dev[]; /* sorted by addr */
};

struct vm_buses {
	struct mutex lock; /* writers */
	struct srcu_struct srcu;
	struct bus __rcu *bus[NR_BUSES];
	/*
	 * Where each vCPU has a device of its own: the page of its LAPIC. Set by irqchip_create(),
	 * else NULL; tried first on BUS_MMIO.
	 */
	const struct bus_ops *local;
};

int buses_init(struct vm *vm);	   /* 0, -ENOMEM */
void buses_destroy(struct vm *vm); /* releases what is still registered */
/* @dev->addr and .len are set. 0; -ENOMEM; -ENOSPC: too many devices. May sleep. */
int bus_add(struct vm *vm, enum bus_kind kind, struct bus_device *dev);
/*
 * Removes @dev without calling its .release. When it returns nobody uses @dev any more. -ENOENT:
 * it was not there. Cannot fail for want of memory. May sleep.
 */
int bus_remove(struct vm *vm, enum bus_kind kind, struct bus_device *dev);
/* The first device for which @match(device, @arg) is true, or NULL. May sleep. */
struct bus_device *bus_find(struct vm *vm, enum bus_kind kind,
			    bool (*match)(const struct bus_device *dev, const void *arg),
			    const void *arg);

/*
 * Ask the devices at the address; on BUS_MMIO the vCPU's own LAPIC comes first. Context: the vCPU's
 * thread. On BUS_PIO a device may sleep; on the other buses none does, and interrupts may be off.
 * Return: 0; -EOPNOTSUPP: no device answered.
 */
int bus_read(struct vcpu *vcpu, enum bus_kind kind, u64 addr, int len, void *data);
int bus_write(struct vcpu *vcpu, enum bus_kind kind, u64 addr, int len, const void *data);

#endif
