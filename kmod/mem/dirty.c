// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log: which pages of a slot were written since the last look.
 * KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG come here, under slots_lock.
 *
 * What a reader must know: a page that is not marked is write-protected in
 * every EPT, and the fault that makes it writable marks it, under vm->mem.lock
 * (mem_fault_stale()). So marks are cleared and pages protected under the same
 * lock.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cpu/vm.h"
#include "mem/mem_internal.h"

#define UNMARKED_WORDS 256 /* of the log, 64 pages each, passed over at a time */

/* The slot that the API calls @id, or NULL if it has no log. Context: slots_lock held. */
static struct mem_slot *logged_slot(struct vm *vm, u32 id)
{
	struct mem_slot *slot = slot_by_id(vm, id);

	return slot && slot->dirty ? slot : NULL;
}

bool slot_protect_word(struct vm *vm, const struct mem_slot *slot, u64 first, unsigned long mask)
{
	u64 gfn = slot->base_gfn + first;

	return ept_write_protect(&vm->ept, gfn + __ffs(mask), gfn + __fls(mask) + 1);
}

/*
 * The index of the next word of @map, from @i on, that has a mark, or of the one before which the
 * lock should be looked at again: nothing is so cheap that it can go on without end.
 */
static unsigned long next_marked(const unsigned long *map, unsigned long i, unsigned long words)
{
	unsigned long end = min(i + UNMARKED_WORDS, words);

	while (i < end && !READ_ONCE(map[i]))
		i++;
	return i;
}

/*
 * Called before each word that has a mark, as the lock may have been held for long.
 * If L2 writes to a page after its word was taken and before EPT02 is dropped,
 * the page need not be marked again: the log that is taken names it, and
 * userspace gets that log only afterwards.
 */
static bool next_word(struct vm *vm, bool flush)
{
	vm->mem.pool.steps++;
	return mem_breathe(vm, flush);
}

/*
 * Drops EPT02, as a part of it cannot be write-protected, and flushes. When this returns every
 * write either is in the log that was taken, or will fault and be marked.
 */
static void protect_rest(struct vm *vm, const struct mem_slot *slot, bool flush)
{
	u64 end = slot->base_gfn + slot->npages;

	if (slot_l2_maps(slot, slot->base_gfn, end))
		flush |= mem_unmap_l2(vm, slot->base_gfn, end);
	mem_sync(vm, flush);
}

/* Moves the log to @bitmap and starts a new one. */
static void take_log(struct vm *vm, struct mem_slot *slot, unsigned long *bitmap)
{
	bool flush = false, any = false;
	unsigned long i = 0, words = BITS_TO_LONGS(slot->npages);

	mem_lock(&vm->mem);
	while ((i = next_marked(slot->dirty, i, words)) < words) {
		flush = next_word(vm, flush);
		if (!READ_ONCE(slot->dirty[i]))
			continue; /* this was but a look at the lock */
		bitmap[i] = xchg(&slot->dirty[i], 0);
		flush |= slot_protect_word(vm, slot, i * BITS_PER_LONG, bitmap[i]);
		any = true;
		i++;
	}
	if (any)
		protect_rest(vm, slot, flush);
	mem_unlock(&vm->mem);
}

/*
 * With KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 the log stays as it is until userspace
 * clears parts of it.
 */
static int get_log_locked(struct vm *vm, const struct kvm_dirty_log *log)
{
	struct mem_slot *slot = logged_slot(vm, log->slot);
	unsigned long *bitmap;
	size_t size;
	int r = 0;

	if (!slot)
		return -ENOENT;
	size = dirty_bytes(slot->npages);
	if (vm->manual_dirty_protect)
		return copy_to_user(log->dirty_bitmap, slot->dirty, size) ? -EFAULT : 0;
	bitmap = kvzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!bitmap)
		return -ENOMEM;
	take_log(vm, slot, bitmap);
	if (copy_to_user(log->dirty_bitmap, bitmap, size))
		r = -EFAULT;
	kvfree(bitmap);
	return r;
}

int mem_get_dirty_log(struct vm *vm, const struct kvm_dirty_log *log)
{
	int r;

	if (vm->dirty_ring_bytes)
		return -ENXIO;
	if (log->slot >= MEM_MAX_SLOTS)
		return -EINVAL;
	mutex_lock(&vm->mem.slots_lock);
	r = get_log_locked(vm, log);
	mutex_unlock(&vm->mem.slots_lock);
	return r;
}

/* Clears the marks, from page @first on, that are set in @bitmap, and protects those pages. */
static void clear_log(struct vm *vm, struct mem_slot *slot, u64 first, u64 npages,
		      const unsigned long *bitmap)
{
	atomic_long_t *word = (atomic_long_t *)&slot->dirty[first / BITS_PER_LONG];
	bool flush = false, any = false;
	unsigned long i = 0, words = BITS_TO_LONGS(npages), mask;

	mem_lock(&vm->mem);
	while ((i = next_marked(bitmap, i, words)) < words) {
		flush = next_word(vm, flush);
		if (!bitmap[i])
			continue;
		mask = bitmap[i] & atomic_long_fetch_andnot(bitmap[i], &word[i]);
		if (mask)
			flush |= slot_protect_word(vm, slot, first + i * BITS_PER_LONG, mask);
		any |= mask;
		i++;
	}
	if (any)
		protect_rest(vm, slot, flush);
	mem_unlock(&vm->mem);
}

static int clear_log_locked(struct vm *vm, const struct kvm_clear_dirty_log *log)
{
	struct mem_slot *slot = logged_slot(vm, log->slot);
	u64 first = log->first_page, count = log->num_pages;
	unsigned long *bitmap;

	if (!slot)
		return -ENOENT;
	if (first > slot->npages || count > slot->npages - first)
		return -EINVAL;
	/* Only the slot's end may lie within a word. */
	if (count < slot->npages - first && count % BITS_PER_LONG)
		return -EINVAL;
	bitmap = kvzalloc(dirty_bytes(count), GFP_KERNEL_ACCOUNT);
	if (!bitmap)
		return -ENOMEM;
	if (copy_from_user(bitmap, log->dirty_bitmap, dirty_bytes(count))) {
		kvfree(bitmap);
		return -EFAULT;
	}
	clear_log(vm, slot, first, count, bitmap);
	kvfree(bitmap);
	return 0;
}

int mem_clear_dirty_log(struct vm *vm, const struct kvm_clear_dirty_log *log)
{
	int r;

	if (vm->dirty_ring_bytes)
		return -ENXIO;
	if (log->slot >= MEM_MAX_SLOTS || log->first_page % 64)
		return -EINVAL;
	mutex_lock(&vm->mem.slots_lock);
	r = clear_log_locked(vm, log);
	mutex_unlock(&vm->mem.slots_lock);
	return r;
}
