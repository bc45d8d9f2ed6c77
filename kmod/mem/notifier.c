// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host's memory manager takes away from a guest: unmapping, swap,
 * migration, copy on write, ballooning. It calls us before it changes its own
 * page tables, and by our return no processor may use the old page any more.
 * Tour, stop 3.
 *
 * What a reader must know: these callbacks run in any thread of the host, hold
 * the host's locks, sometimes may not sleep, and must never wait for memory. So
 * they only take vm->mem.lock, drop entries, and make requests of the vCPUs.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>

#include "compat/compat.h"
#include "cpu/vcpu.h"
#include "cpu/vm.h"
#include "mem/mem_internal.h"

/* After so many entries a holder gives the lock up for a moment, as others spin for it. */
#define LONG_HOLD 2048

bool mem_unmap_l2(struct vm *vm, u64 start_gfn, u64 end_gfn)
{
	lockdep_assert_held(&vm->mem.lock);
	return ept02_unmap(vm, start_gfn, end_gfn);
}

bool mem_unmap(struct vm *vm, u64 start_gfn, u64 end_gfn)
{
	bool flush = mem_unmap_l2(vm, start_gfn, end_gfn);

	return ept_unmap(&vm->ept, start_gfn, end_gfn) || flush;
}

/* Has every vCPU flush before its next entry. One that is in the guest stays there. */
static void request_flush(struct vm *vm)
{
	struct vcpu *vcpu;
	int i;

	vm_for_each_vcpu(vm, i, vcpu)
		vcpu_request(vcpu, REQ_TLB_FLUSH);
}

void mem_sync(struct vm *vm, bool flush)
{
	struct vm_mem *mem = &vm->mem;

	lockdep_assert_held(&mem->lock);
	/* The epoch rises before the requests; vm_request_sync() has the barrier to the modes. */
	WRITE_ONCE(mem->epoch, mem->epoch + 1);
	if (flush)
		request_flush(vm);
	vm_request_sync(vm, REQ_MEM_EPOCH);
}

/* A vCPU in the guest leaves it, since it must not use the old translations any more. */
void ept_flush_vm(struct vm *vm)
{
	vm_request_sync(vm, REQ_TLB_FLUSH);
}

void mem_unlock(struct vm_mem *mem) __releases(&mem->lock)
{
	struct ept_trash trash = ept_trash_take(&mem->pool);

	mem_unlock_atomic(mem);
	ept_trash_free(&mem->pool, trash);
}

bool mem_breathe(struct vm *vm, bool flush) __must_hold(&vm->mem.lock)
{
	struct vm_mem *mem = &vm->mem;

	if (mem->pool.steps < LONG_HOLD)
		return flush;
	if (flush)
		mem_sync(vm, true);
	mem_unlock(mem);
	cond_resched();
	mem_lock(mem);
	return false;
}

/*
 * A page is stale if an invalidation that covers it is under way, or if any has ended since @seq
 * was read: the sequence does not say which range that one had.
 */
bool mem_range_stale(struct vm *vm, unsigned long seq, unsigned long start, unsigned long end)
{
	struct vm_mem *mem = &vm->mem;

	lockdep_assert_held(&mem->lock);
	if (mem->notifier_count && start < mem->notifier_end && mem->notifier_start < end)
		return true;
	return seq != mem->notifier_seq;
}

/* Which frames of @slot are in [start, end) of the process? Return: false: none. */
static bool slot_overlap(const struct mem_slot *slot, unsigned long start, unsigned long end,
			 u64 *start_gfn, u64 *end_gfn)
{
	unsigned long slot_end = slot->hva + (slot->npages << PAGE_SHIFT);

	start = max(start, slot->hva);
	end = min(end, slot_end);
	if (start >= end)
		return false;
	*start_gfn = slot->base_gfn + ((start - slot->hva) >> PAGE_SHIFT);
	*end_gfn = slot->base_gfn + ((PAGE_ALIGN(end) - slot->hva) >> PAGE_SHIFT);
	return true;
}

/* A loop over the parts of slots that lie in [start, end) of the process. */
#define for_each_hit(slots, i, start, end, start_gfn, end_gfn) \
	for (i = 0; i < (slots)->count; i++)                   \
		if (slot_overlap((slots)->slot[i], start, end, &(start_gfn), &(end_gfn)))

/*
 * Drops [start_gfn, end_gfn), which lies in @slot. The slot's own bitmap says
 * whether an EPT02 can have any of it, which spares the roots that have not.
 * Return: whether a flush is due.
 */
static bool unmap_part(struct vm *vm, const struct mem_slot *slot, u64 start_gfn, u64 end_gfn)
{
	bool flush = slot_l2_maps(slot, start_gfn, end_gfn) && mem_unmap_l2(vm, start_gfn, end_gfn);

	return ept_unmap(&vm->ept, start_gfn, end_gfn) || flush;
}

/* If several invalidations are under way, only the one range that holds all of them is kept. */
static void note_start(struct vm_mem *mem, unsigned long start, unsigned long end)
{
	if (!mem->notifier_count++) {
		mem->notifier_start = start;
		mem->notifier_end = end;
		return;
	}
	mem->notifier_start = min(mem->notifier_start, start);
	mem->notifier_end = max(mem->notifier_end, end);
}

/*
 * Drops what may be mapped of [start, end). The slots are looked up under the
 * lock: a vCPU that maps a page of a newer array does so before, and then we
 * see that array, or after, and then it is told that its page is stale.
 * Context: under the srcu read lock, lock held.
 */
static void unmap_range(struct vm *vm, unsigned long start, unsigned long end)
{
	struct vm_mem *mem = &vm->mem;
	struct mem_slots *slots = srcu_dereference(mem->slots, &mem->srcu);
	bool hit = false, flush = false;
	u64 start_gfn, end_gfn;
	int i;

	for_each_hit(slots, i, start, end, start_gfn, end_gfn) {
		hit = true;
		flush |= unmap_part(vm, slots->slot[i], start_gfn, end_gfn);
	}
	if (mem->leaving && slot_overlap(mem->leaving, start, end, &start_gfn, &end_gfn)) {
		hit = true;
		flush |= unmap_part(vm, mem->leaving, start_gfn, end_gfn);
	}
	for (i = 0; flush && !mem->l2_roots && i < slots->count; i++)
		slot_forget_l2(slots->slot[i]);
	if (hit)
		mem_sync(vm, flush);
}

/* Context: may be called where sleeping is forbidden, and with the host's locks held. */
static int mem_invalidate_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vm *vm = container_of(mn, struct vm, mem.notifier);
	struct vm_mem *mem = &vm->mem;
	int idx;

	idx = mem_read_lock(mem);
	mem_lock(mem);
	note_start(mem, range->start, range->end);
	unmap_range(vm, range->start, range->end);
	if (mmu_notifier_range_blockable(range))
		mem_unlock(mem);
	else
		mem_unlock_atomic(mem);
	mem_read_unlock(mem, idx);
	return 0;
}

static void mem_invalidate_end(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct vm *vm = container_of(mn, struct vm, mem.notifier);
	struct vm_mem *mem = &vm->mem;

	mem_lock(mem);
	/* Faults that began before this see that the sequence has moved on. */
	WRITE_ONCE(mem->notifier_seq, mem->notifier_seq + 1);
	WARN_ON_ONCE(--mem->notifier_count < 0);
	mem_unlock_atomic(mem);
}

/*
 * Was [start, end) used since this was last asked? EPT02 is not looked at. So pages that only L2
 * uses look unused, and at worst are swapped out and faulted in again.
 */
static bool age_range(struct vm *vm, unsigned long start, unsigned long end, bool clear)
{
	struct vm_mem *mem = &vm->mem;
	struct mem_slots *slots;
	u64 start_gfn, end_gfn;
	bool young = false;
	int idx, i;

	idx = mem_read_lock(mem);
	slots = srcu_dereference(mem->slots, &mem->srcu);
	mem_lock(mem);
	for_each_hit(slots, i, start, end, start_gfn, end_gfn)
		young |= ept_young(&vm->ept, start_gfn, end_gfn, clear);
	mem_unlock_atomic(mem);
	mem_read_unlock(mem, idx);
	return young;
}

static compat_young mem_clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
					  unsigned long start, unsigned long end)
{
	struct vm *vm = container_of(mn, struct vm, mem.notifier);
	bool young = age_range(vm, start, end, true);

	/* The processor sets the flag again once it has flushed, for which nobody has to wait. */
	if (young)
		request_flush(vm);
	return young;
}

static compat_young mem_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
				    unsigned long start, unsigned long end)
{
	return age_range(container_of(mn, struct vm, mem.notifier), start, end, true);
}

static compat_young mem_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
				   unsigned long address)
{
	struct vm *vm = container_of(mn, struct vm, mem.notifier);

	return age_range(vm, address, address + PAGE_SIZE, false);
}

/* The process has ended, or vm_mem_stop() was called: no EPT may map its memory any more. */
static void mem_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct vm *vm = container_of(mn, struct vm, mem.notifier);

	mem_lock(&vm->mem);
	mem_unmap(vm, 0, EPT_GFN_END);
	mem_sync(vm, true);
	mem_unlock(&vm->mem);
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = mem_invalidate_start,
	.invalidate_range_end = mem_invalidate_end,
	.clear_flush_young = mem_clear_flush_young,
	.clear_young = mem_clear_young,
	.test_young = mem_test_young,
	.release = mem_release,
};

int vm_mem_init(struct vm *vm)
{
	struct vm_mem *mem = &vm->mem;
	struct mem_slots *empty;
	int r;

	mutex_init(&mem->slots_lock);
	spin_lock_init(&mem->lock);
	mem->epoch = 1;
	empty = kzalloc(sizeof(*empty), GFP_KERNEL_ACCOUNT);
	if (!empty)
		return -ENOMEM;
	RCU_INIT_POINTER(mem->slots, empty);
	r = init_srcu_struct(&mem->srcu);
	if (r)
		goto free_slots;
	mem->notifier.ops = &notifier_ops;
	r = mmu_notifier_register(&mem->notifier, vm->mm);
	if (r)
		goto cleanup_srcu;
	return 0;

cleanup_srcu:
	cleanup_srcu_struct(&mem->srcu);
free_slots:
	kfree(empty);
	return r;
}

void vm_mem_stop(struct vm *vm)
{
	/* Calls mem_release(), unless the process went first, and waits for callbacks. */
	mmu_notifier_unregister(&vm->mem.notifier, vm->mm);
}
