// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced I/O: the zones that userspace named, and the ring that takes writes
 * to them. Handlers of port I/O and MMIO ask it before they exit to userspace.
 *
 * What a reader must know: the ring lies in a page that userspace has mapped
 * and may write. All the kernel relies on is its own lock; indices are read
 * once and checked.
 */
#include <linux/gfp.h>
#include <linux/slab.h>

#include "cpu/vm.h"
#include "mem/coalesced.h"

#define MAX_ZONES 1000 /* as KVM's limit of devices on a bus */

struct coalesced_zone {
	struct list_head node;
	u64 addr;
	u64 size;
	bool pio;
};

int coalesced_init(struct vm *vm)
{
	struct vm_coalesced *c = &vm->coalesced;

	spin_lock_init(&c->lock);
	INIT_LIST_HEAD(&c->zones);
	c->ring = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return c->ring ? 0 : -ENOMEM;
}

void coalesced_destroy(struct vm *vm)
{
	struct coalesced_zone *zone, *next;

	list_for_each_entry_safe(zone, next, &vm->coalesced.zones, node)
		kfree(zone);
	free_page((unsigned long)vm->coalesced.ring);
}

static bool coalesced_contains(const struct coalesced_zone *zone, bool pio, u64 addr, u32 len)
{
	return zone->pio == pio && addr >= zone->addr && len <= zone->size &&
	       addr - zone->addr <= zone->size - len;
}

int coalesced_register(struct vm *vm, const struct kvm_coalesced_mmio_zone *zone)
{
	struct vm_coalesced *c = &vm->coalesced;
	struct coalesced_zone *new;
	int ret = 0;

	if (zone->pio > 1 || zone->addr + zone->size < zone->addr)
		return -EINVAL;
	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	new->addr = zone->addr;
	new->size = zone->size;
	new->pio = zone->pio;
	spin_lock(&c->lock);
	if (c->nr_zones < MAX_ZONES) {
		list_add_tail(&new->node, &c->zones);
		WRITE_ONCE(c->nr_zones, c->nr_zones + 1);
	} else {
		ret = -ENOSPC;
	}
	spin_unlock(&c->lock);
	if (ret)
		kfree(new);
	return ret;
}

int coalesced_unregister(struct vm *vm, const struct kvm_coalesced_mmio_zone *gone)
{
	struct vm_coalesced *c = &vm->coalesced;
	struct coalesced_zone *zone, *next;
	LIST_HEAD(dead);

	if (gone->pio > 1)
		return -EINVAL;
	spin_lock(&c->lock);
	list_for_each_entry_safe(zone, next, &c->zones, node) {
		if (coalesced_contains(zone, gone->pio, gone->addr, gone->size)) {
			list_move(&zone->node, &dead);
			WRITE_ONCE(c->nr_zones, c->nr_zones - 1);
		}
	}
	spin_unlock(&c->lock);
	list_for_each_entry_safe(zone, next, &dead, node)
		kfree(zone);
	return 0;
}

static bool in_zone(struct vm_coalesced *c, bool pio, u64 addr, u32 len)
{
	struct coalesced_zone *zone;

	list_for_each_entry(zone, &c->zones, node)
		if (coalesced_contains(zone, pio, addr, len))
			return true;
	return false;
}

/* Userspace may write anything into the ring's header: nothing of it is trusted. */
static bool put_in_ring(struct kvm_coalesced_mmio_ring *ring, bool pio, u64 addr, const void *data,
			u32 len)
{
	u32 first = READ_ONCE(ring->first), last = READ_ONCE(ring->last);
	struct kvm_coalesced_mmio *entry;

	if (last >= KVM_COALESCED_MMIO_MAX)
		return false;
	if ((last + 1) % KVM_COALESCED_MMIO_MAX == first)
		return false; /* full: userspace empties it at the exit */
	entry = &ring->coalesced_mmio[last];
	entry->phys_addr = addr;
	entry->len = len;
	entry->pio = pio;
	memcpy(entry->data, data, len);
	smp_wmb(); /* the entry before the index that says it is there */
	WRITE_ONCE(ring->last, (last + 1) % KVM_COALESCED_MMIO_MAX);
	return true;
}

/*
 * An access that is longer than an entry's data, or that finds the ring full,
 * exits to userspace as if there were no zone.
 */
bool coalesced_write(struct vm *vm, bool pio, u64 addr, const void *data, u32 len)
{
	struct vm_coalesced *c = &vm->coalesced;
	bool done;

	if (!READ_ONCE(c->nr_zones) || len > 8)
		return false;
	spin_lock(&c->lock);
	done = in_zone(c, pio, addr, len) && put_in_ring(c->ring, pio, addr, data, len);
	spin_unlock(&c->lock);
	return done;
}
