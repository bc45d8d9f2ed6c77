// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty rings: the dirty log as lists, one for each vCPU, of the pages that its
 * thread was the first to write. slot_mark_dirty() pushes; KVM_RESET_DIRTY_RINGS
 * comes here. The API's names are KVM's: a page is pushed with
 * KVM_DIRTY_GFN_F_DIRTY, and userspace sets KVM_DIRTY_GFN_F_RESET when it has seen it.
 *
 * What a reader must know: the bitmap of the slot says which pages were pushed and
 * not reset since, so each is in one ring at most. The entries are mapped by
 * userspace, which may write anything there: an entry is read once and checked, and
 * where a ring begins and ends only the kernel knows.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/vmalloc.h>

#include "cpu/vcpu.h"
#include "cpu/vm.h"
#include "mem/mem_internal.h"

/*
 * KVM_RUN ends when no more than so many entries are free. One exit marks some hundred pages at
 * most, each entry of each table that a walk for L2 marks counted; and a list of 512 MSRs may
 * have one page for each.
 */
#define RESERVE (64 + 512)

/* Context: vm->lock held. */
int dirty_rings_enable(struct vm *vm, u64 bytes)
{
	if (!is_power_of_2(bytes) || bytes <= RESERVE * sizeof(struct kvm_dirty_gfn))
		return -EINVAL;
	if (bytes > DIRTY_RING_MAX_BYTES)
		return -E2BIG;
	if (vm->dirty_ring_bytes || vm->nr_vcpus)
		return -EINVAL;
	mutex_lock(&vm->mem.slots_lock);
	vm->dirty_ring_bytes = bytes;
	slots_forget_marks(vm); /* a marked page would never be pushed */
	mutex_unlock(&vm->mem.slots_lock);
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
 * The request is seen before the next entry. A page for which there is no room, as userspace goes
 * on with ioctls that write and does not empty the ring, is lost to the log: the next reset says
 * so.
 */
void dirty_ring_push(struct vm *vm, const struct mem_slot *slot, u64 offset)
{
	struct vcpu *vcpu = vcpu_loaded();
	struct kvm_dirty_gfn *gfn;
	struct dirty_ring *ring;

	if (WARN_ON_ONCE(!vcpu || vcpu->vm != vm) || !entries_free(&vcpu->dirty_ring)) {
		WRITE_ONCE(vm->mem.log_lost, true);
		return;
	}
	ring = &vcpu->dirty_ring;
	gfn = &ring->gfns[ring->pushed & (ring->entries - 1)];
	gfn->slot = slot->id;
	gfn->offset = offset;
	WRITE_ONCE(ring->pushed, ring->pushed + 1); /* before userspace can ask for the reset */
	smp_store_release(&gfn->flags, KVM_DIRTY_GFN_F_DIRTY);
	if (dirty_ring_full(vcpu))
		vcpu_request(vcpu, REQ_RING_FULL);
}

/* --- reset ---------------------------------------------------------------- */

#define SEARCH_STEPS 32 /* what a search of all slots counts as, in one hold of the lock */

/* Pages of one word of a slot's bitmap that entries have named one after the other. */
struct batch {
	struct mem_slot *slot;
	u64 word;
	unsigned long mask; /* 0: none */
	bool flush;	    /* is a flush due? */
};

/*
 * Clears the marks and has the next write to each page fault, which pushes it again. Context:
 * slots_lock and vm->mem.lock held.
 */
static void batch_end(struct vm *vm, struct batch *b)
{
	atomic_long_t *word = (atomic_long_t *)&b->slot->dirty[b->word];
	u64 first = b->word * BITS_PER_LONG, gfn = b->slot->base_gfn + first;
	unsigned long mask = b->mask & atomic_long_fetch_andnot(b->mask, word);

	b->mask = 0;
	if (!mask)
		return;
	b->flush |= slot_protect_word(vm, b->slot, first, mask);
	if (slot_l2_maps(b->slot, gfn + __ffs(mask), gfn + __fls(mask) + 1))
		b->flush |= mem_unmap_l2(vm, gfn + __ffs(mask), gfn + __fls(mask) + 1);
}

/* Adds what an entry says, which userspace may have made up. Context: as batch_end(). */
static void batch_add(struct vm *vm, struct batch *b, u32 id, u64 offset)
{
	u64 word = offset / BITS_PER_LONG;

	if (b->mask && (id != b->slot->id || word != b->word))
		batch_end(vm, b);
	if (!b->slot || b->slot->id != id) {
		b->slot = id < MEM_MAX_SLOTS ? slot_by_id(vm, id) : NULL;
		vm->mem.pool.steps += SEARCH_STEPS;
	}
	if (!b->slot || !b->slot->dirty || offset >= b->slot->npages)
		return;
	b->word = word;
	b->mask |= BIT(offset % BITS_PER_LONG);
}

/*
 * Resets what userspace has seen, up to the first entry that it has not. Return: how many.
 * Context: as batch_end(), may sleep.
 */
static int reset_ring(struct vm *vm, struct dirty_ring *ring, struct batch *b)
{
	u32 end = ring->reset + ring->entries; /* others may fill it as fast as it is emptied */
	int count = 0;

	for (; ring->reset != end && !fatal_signal_pending(current); count++) {
		struct kvm_dirty_gfn *gfn = &ring->gfns[ring->reset & (ring->entries - 1)];

		if (!(smp_load_acquire(&gfn->flags) & KVM_DIRTY_GFN_F_RESET) ||
		    ring->reset == READ_ONCE(ring->pushed))
			break;
		vm->mem.pool.steps++;
		b->flush = mem_breathe(vm, b->flush);
		batch_add(vm, b, READ_ONCE(gfn->slot), READ_ONCE(gfn->offset));
		WRITE_ONCE(gfn->flags, 0);
		smp_store_release(&ring->reset, ring->reset + 1);
	}
	return count;
}

static int reset_rings_locked(struct vm *vm)
{
	struct batch b = {};
	struct vcpu *vcpu;
	int i, count = 0;

	mem_lock(&vm->mem);
	vm_for_each_vcpu(vm, i, vcpu)
		count += reset_ring(vm, &vcpu->dirty_ring, &b);
	if (b.mask)
		batch_end(vm, &b);
	if (count)
		mem_sync(vm, b.flush);
	mem_unlock(&vm->mem);
	return count;
}

int mem_reset_dirty_rings(struct vm *vm)
{
	int r;

	if (!vm->dirty_ring_bytes)
		return -EINVAL;
	mutex_lock(&vm->mem.slots_lock);
	if (READ_ONCE(vm->mem.log_lost)) {
		WRITE_ONCE(vm->mem.log_lost, false);
		r = -ENOSPC;
	} else {
		r = reset_rings_locked(vm);
	}
	mutex_unlock(&vm->mem.slots_lock);
	return r;
}
