/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The buses on which devices in the kernel listen: port I/O and MMIO.
 */
#ifndef GUEST_BUS_H
#define GUEST_BUS_H

#include <linux/list.h>
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

struct bus_device {
	const struct bus_ops *ops;
	u64 addr;
	u64 len;
};

/* Immutable once published; read under .srcu of struct vm_buses. */
struct bus {
	int count;
	struct bus_device *dev[]; /* sorted by addr */
};

struct vm_buses {
	struct mutex lock;
	struct srcu_struct srcu;
	struct bus __rcu *bus[NR_BUSES];
};

int buses_init(struct vm *vm);
void buses_destroy(struct vm *vm); /* releases what is still registered */
int bus_add(struct vm *vm, enum bus_kind kind, struct bus_device *dev);
int bus_remove(struct vm *vm, enum bus_kind kind, struct bus_device *dev);

/*
 * Context: vCPU thread, may sleep. Return: 0 handled; -EOPNOTSUPP: nobody.
 * The vCPU's own LAPIC page is tried first on BUS_MMIO.
 */
int bus_read(struct vcpu *vcpu, enum bus_kind kind, u64 addr, int len, void *data);
int bus_write(struct vcpu *vcpu, enum bus_kind kind, u64 addr, int len, const void *data);

#endif
