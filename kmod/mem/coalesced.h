/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Coalesced I/O: writes to zones that userspace named are put into a ring
 * that it reads at its next exit, instead of each being an exit.
 */
#ifndef MEM_COALESCED_H
#define MEM_COALESCED_H

#include <linux/kvm.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <vmx/types.h>

struct vm;

struct vm_coalesced {
	struct kvm_coalesced_mmio_ring *ring; /* a page, mapped as page 2 of each vCPU */
	spinlock_t lock;		      /* the kernel's end of the ring; zones */
	struct list_head zones;
	int nr_zones; /* also read without the lock, as a hint */
};

int coalesced_init(struct vm *vm); /* 0, -ENOMEM */
void coalesced_destroy(struct vm *vm);

/* KVM_REGISTER_COALESCED_MMIO: 0, -EINVAL, -ENOSPC, -ENOMEM. */
int coalesced_register(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone);
/* KVM_UNREGISTER_COALESCED_MMIO: all zones that hold the given range. 0, -EINVAL. */
int coalesced_unregister(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone);

/* Return: whether the write is in the ring now. Context: any that may take a spinlock. */
bool coalesced_write(struct vm *vm, bool pio, u64 addr, const void *data, u32 len);

#endif
