// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty rings: the dirty log as lists, one for each vCPU, of the pages that its
 * thread was the first to write. slot_mark_dirty() pushes; KVM_RESET_DIRTY_RINGS
 * comes here, under slots_lock. The API's names are KVM's: a page is pushed with
 * KVM_DIRTY_GFN_F_DIRTY, and userspace sets KVM_DIRTY_GFN_F_RESET when it has seen it.
 *
 * What a reader must know: the bitmap of the slot says which pages were pushed and
 * not reset since, so each is in one ring at most once. The entries are mapped by
 * userspace, which may write anything there: an entry is read once and checked, and
 * where a ring begins and ends only the kernel knows.
 */
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "cpu/vcpu.h"
#include "cpu/vm.h"
#include "mem/mem_internal.h"

/*
 * KVM_RUN ends when no more than so many entries are free: more than any exit that it may handle
 * until then can need, each entry of each table that a walk for L2 marks counted.
 */
#define RESERVE 192
#define PAGES_OF_WRITE 2 /* no write of L0's is longer than a page */

/* Context: vm->lock held. */
int dirty_rings_enable(struct vm *vm, u64 bytes)
{
	if (!is_power_of_2(bytes) || bytes < PAGE_SIZE)
		return -EINVAL;
	if (bytes > DIRTY_RING_MAX_BYTES)
		return -E2BIG;
	if (vm->dirty_ring_bytes || vm->nr_vcpus || vm->dirty_initially_set)
		return -EINVAL;
	vm->dirty_ring_bytes = bytes;
	return 0;
}

/* Context: vm->lock held. 0 or -ENOMEM. */
int dirty_ring_init(struct vcpu *vcpu)
{
	struct dirty_ring *ring = &vcpu->dirty_ring;
	u32 bytes = vcpu->vm->dirty_ring_bytes;

	if (!bytes)
		return 0;
	ring->entries = bytes / sizeof(*ring->gfns);
	ring->gfns = __vmalloc(bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return ring->gfns ? 0 : -ENOMEM;
}

void dirty_ring_free(struct vcpu *vcpu)
{
	vfree(vcpu->dirty_ring.gfns);
}

struct page *dirty_ring_page(struct vcpu *vcpu, unsigned long index)
{
	if (index >= vcpu->vm->dirty_ring_bytes >> PAGE_SHIFT)
		return NULL;
	return vmalloc_to_page((void *)vcpu->dirty_ring.gfns + (index << PAGE_SHIFT));
}

/* Context: the vCPU's thread. An entry that this counts as free may be written. */
static u32 entries_free(const struct dirty_ring *ring)
{
	return ring->entries - (ring->pushed - smp_load_acquire(&ring->reset));
}

bool dirty_ring_full(struct vcpu *vcpu)
{
	return entries_free(&vcpu->dirty_ring) <= RESERVE;
}

/*
 * Whoever writes without a vCPU, or goes on with a ring that userspace does not empty, finds no
 * room, and must not write: the page would be lost to the log.
 */
bool dirty_rings_have_room(struct vm *vm)
{
	struct vcpu *vcpu = vcpu_loaded();

	return !vm->dirty_ring_bytes || (vcpu && entries_free(&vcpu->dirty_ring) >= PAGES_OF_WRITE);
}

/* The request is seen before the next entry. Context: as slot_mark_dirty(). */
void dirty_ring_push(const struct mem_slot *slot, u64 offset)
{
	struct vcpu *vcpu = vcpu_loaded();
	struct dirty_ring *ring = &vcpu->dirty_ring;
	struct kvm_dirty_gfn *gfn = &ring->gfns[ring->pushed & (ring->entries - 1)];

	gfn->slot = slot->id;
	gfn->offset = offset;
	WRITE_ONCE(ring->pushed, ring->pushed + 1); /* before userspace can ask for the reset */
	smp_store_release(&gfn->flags, KVM_DIRTY_GFN_F_DIRTY);
	if (dirty_ring_full(vcpu))
		vcpu_request(vcpu, REQ_RING_FULL);
}

/*
 * Makes the next write to the page fault, which pushes it again. Return: whether a flush is due.
 * Context: slots_lock and vm->mem.lock held.
 */
static bool protect_page(struct vm *vm, const struct mem_slot *slot, u64 gfn)
{
	bool flush = slot_l2_maps(slot, gfn, gfn + 1) && mem_unmap_l2(vm, gfn, gfn + 1);

	return ept_write_protect(&vm->ept, gfn, gfn + 1) || flush;
}

/* Does what the entry says, which userspace may have made up. As protect_page(). */
static bool reset_page(struct vm *vm, u32 id, u64 offset)
{
	struct mem_slot *slot = id < MEM_MAX_SLOTS ? slot_by_id(vm, id) : NULL;

	if (!slot || !slot->dirty || offset >= slot->npages ||
	    !test_and_clear_bit(offset, slot->dirty))
		return false;
	return protect_page(vm, slot, slot->base_gfn + offset);
}

/*
 * Resets what userspace has seen, up to the first entry that it has not. Return: how many.
 * *@flush: whether a flush is due. Context: as protect_page(), may sleep.
 */
static int reset_ring(struct vm *vm, struct dirty_ring *ring, bool *flush)
{
	u32 end = ring->reset + ring->entries; /* others may fill it as fast as it is emptied */
	int count = 0;

	for (; ring->reset != end; count++) {
		struct kvm_dirty_gfn *gfn = &ring->gfns[ring->reset & (ring->entries - 1)];

		if (!(smp_load_acquire(&gfn->flags) & KVM_DIRTY_GFN_F_RESET) ||
		    ring->reset == READ_ONCE(ring->pushed))
			break;
		vm->mem.pool.steps++;
		*flush = mem_breathe(vm, *flush);
		*flush |= reset_page(vm, READ_ONCE(gfn->slot), READ_ONCE(gfn->offset));
		WRITE_ONCE(gfn->flags, 0);
		smp_store_release(&ring->reset, ring->reset + 1);
	}
	return count;
}

int mem_reset_dirty_rings(struct vm *vm)
{
	bool flush = false;
	struct vcpu *vcpu;
	int i, count = 0;

	if (!vm->dirty_ring_bytes)
		return -EINVAL;
	mutex_lock(&vm->mem.slots_lock);
	mem_lock(&vm->mem);
	vm_for_each_vcpu(vm, i, vcpu)
		count += reset_ring(vm, &vcpu->dirty_ring, &flush);
	if (count)
		mem_sync(vm, flush);
	mem_unlock(&vm->mem);
	mutex_unlock(&vm->mem.slots_lock);
	return count;
}
