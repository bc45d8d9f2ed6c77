/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files behind mem/mem.h (mem.c, slots.c, fault.c, notifier.c, dirty*.c) share. */
#ifndef MEM_MEM_INTERNAL_H
#define MEM_MEM_INTERNAL_H

#include "cpu/vm.h"
#include "mem/mem.h"

/* Context: slots_lock held. NULL: no such slot. */
struct mem_slot *slot_by_id(struct vm *vm, u16 id);

/* How many bytes the bitmap of @npages has in the API. */
static inline size_t dirty_bytes(u64 npages)
{
	return ALIGN(npages, BITS_PER_LONG) / 8;
}

/* Forgets what is marked in the logs of all slots. */
void slots_forget_marks(struct vm *vm);
/*
 * Makes writes fault again to the pages that @mask names: bit 0 is page @first of the slot. EPT02 is
 * left to the caller. Return: whether a flush is due. Context: vm->mem.lock held.
 */
bool slot_protect_word(struct vm *vm, const struct mem_slot *slot, u64 first, unsigned long mask);
/* Pushes a page that was just marked. Context: as slot_mark_dirty(). */
void dirty_ring_push(struct vm *vm, const struct mem_slot *slot, u64 offset);

/*
 * Marks a page that was written, or that the guest can write from now on. Context: under the srcu
 * read lock; a vCPU is loaded, which with dirty rings is the one that counts as the writer;
 * interrupts may be off.
 */
static inline void slot_mark_dirty(struct vm *vm, const struct mem_slot *slot, u64 gfn)
{
	u64 i = gfn - slot->base_gfn;

	if (!slot->dirty)
		return;
	/* What was written comes before the look: who clears a mark reads the page afterwards. */
	smp_mb();
	/* Reading first leaves the cache line shared when the bit is set already. */
	if (!test_bit(i, slot->dirty) && !test_and_set_bit(i, slot->dirty) && vm->dirty_ring_bytes)
		dirty_ring_push(vm, slot, i);
}

/*
 * Drops [start_gfn, end_gfn) from every EPT of the VM. Return: whether a flush
 * is due.
 * Context: lock held.
 */
bool mem_unmap(struct vm *vm, u64 start_gfn, u64 end_gfn);
/* May an EPT02 map a page of [start_gfn, end_gfn), which lies in @slot? Context: lock held. */
bool slot_l2_maps(const struct mem_slot *slot, u64 start_gfn, u64 end_gfn);
/* No EPT02 maps anything of @slot any more. Context: lock held. */
void slot_forget_l2(const struct mem_slot *slot);
/* Does what mem_unmap() does, for EPT02 only. */
bool mem_unmap_l2(struct vm *vm, u64 start_gfn, u64 end_gfn);

/*
 * To be called when pages are taken away: raises the epoch, and makes each vCPU leave the guest, so
 * that none runs on with what it has resolved or, if @flush, translated. Context: lock held.
 */
void mem_sync(struct vm *vm, bool flush);

/*
 * Called in the middle of long work: lets others have the lock if it was held
 * for long.
 * @flush: whether a flush is due; it is done before the lock is given up.
 * Return: whether it is still due. Context: lock held, may sleep.
 */
bool mem_breathe(struct vm *vm, bool flush) __must_hold(&vm->mem.lock);

/*
 * Has [start, end) of the process lost a page since @seq was read? Context:
 * lock held.
 */
bool mem_range_stale(struct vm *vm, unsigned long seq, unsigned long start, unsigned long end);

static inline unsigned long mem_seq_read(struct vm_mem *mem)
{
	unsigned long seq = READ_ONCE(mem->notifier_seq);

	smp_rmb(); /* before the host's page tables are read; pairs with mem_range_stale() */
	return seq;
}

#endif
