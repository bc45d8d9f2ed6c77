// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots: which guest-physical addresses are which memory of the process.
 * Tour, stop 3.
 *
 * KVM_SET_USER_MEMORY_REGION comes here, under slots_lock. Readers, in any
 * thread, see an immutable sorted array under SRCU; a change builds a new
 * array, publishes it, and waits until nobody uses the old one.
 *
 * What a reader must know: a slot that goes is unpublished first and unmapped
 * afterwards. Between the two a vCPU may still map a page of it, so the
 * notifier must still find it: that is what .leaving is for.
 */
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/processor.h>

#include "cpu/vm.h"
#include "mem/mem_internal.h"

#define SLOT_FLAGS (KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)
#define PROTECT_PAGES 1024ULL		 /* looked at in one piece when the dirty log begins */
#define SLOT_MAX_PAGES ((1UL << 31) - 1) /* KVM's limit */

static struct mem_slots *slots_locked(struct vm_mem *mem)
{
	return rcu_dereference_protected(mem->slots, lockdep_is_held(&mem->slots_lock));
}

struct mem_slot *slot_by_id(struct vm *vm, u16 id)
{
	struct mem_slots *slots = slots_locked(&vm->mem);
	int i;

	for (i = 0; i < slots->count; i++)
		if (slots->slot[i]->id == id)
			return slots->slot[i];
	return NULL;
}

/* Context: slots_lock held; no vCPU has run yet. */
void slots_forget_marks(struct vm *vm)
{
	struct mem_slots *slots = slots_locked(&vm->mem);
	int i;

	for (i = 0; i < slots->count; i++)
		if (slots->slot[i]->dirty)
			bitmap_zero(slots->slot[i]->dirty, slots->slot[i]->npages);
}

/* KVM_DIRTY_LOG_INITIALLY_SET. It means nothing to dirty rings. Context: slots_lock held. */
static bool logs_begin_full(const struct vm *vm)
{
	return vm->dirty_initially_set && !vm->dirty_ring_bytes;
}

/* A binary search: slots do not overlap, and are sorted. */
struct mem_slot *mem_slot_find(struct vm *vm, u64 gfn)
{
	struct mem_slots *slots = srcu_dereference(vm->mem.slots, &vm->mem.srcu);
	int low = 0, high = slots->count;

	while (low < high) {
		int mid = (low + high) / 2;
		struct mem_slot *slot = slots->slot[mid];

		if (gfn < slot->base_gfn)
			high = mid;
		else if (gfn >= slot->base_gfn + slot->npages)
			low = mid + 1;
		else
			return slot;
	}
	return NULL;
}

static void slots_append(struct mem_slots *slots, struct mem_slot *slot)
{
	slots->slot[slots->count++] = slot;
	slots->npages += slot->npages;
}

/* Builds the array without @remove and with @add, either of which may be NULL. */
static struct mem_slots *slots_build(const struct mem_slots *old, const struct mem_slot *remove,
				     struct mem_slot *add)
{
	struct mem_slots *new;
	int i;

	new = kzalloc(struct_size(new, slot, old->count + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	new->generation = old->generation + 1;
	for (i = 0; i < old->count; i++) {
		struct mem_slot *slot = old->slot[i];

		if (slot == remove)
			continue;
		if (add && add->base_gfn < slot->base_gfn) {
			slots_append(new, add);
			add = NULL;
		}
		slots_append(new, slot);
	}
	if (add)
		slots_append(new, add);
	return new;
}

/* Publishes @new. When it returns nobody maps or copies by the old array any more. */
static void slots_publish(struct vm_mem *mem, struct mem_slots *new)
{
	struct mem_slots *old = slots_locked(mem);

	rcu_assign_pointer(mem->slots, new);
	WRITE_ONCE(mem->generation, new->generation);
	synchronize_srcu_expedited(&mem->srcu);
	WRITE_ONCE(mem->table_limit, 0);
	kfree(old);
}

/*
 * Publishes @new, the array without @slot, and unmaps the slot from all EPTs. A vCPU that has found
 * the slot before may map a page of it until the readers of the old array are done, so the
 * notifier must find the slot until then.
 */
static void slot_leave(struct vm *vm, struct mem_slots *new, const struct mem_slot *slot)
{
	struct vm_mem *mem = &vm->mem;

	mem_lock(mem);
	mem->leaving = slot;
	mem_unlock(mem);
	slots_publish(mem, new);
	mem_lock(mem);
	mem_sync(vm, mem_unmap(vm, slot->base_gfn, slot->base_gfn + slot->npages));
	mem->leaving = NULL;
	mem_unlock(mem);
}

/* Raises the epoch, as some gfn became memory: who has found none there must look again. */
static void slots_changed(struct vm *vm)
{
	mem_lock(&vm->mem);
	mem_sync(vm, false);
	mem_unlock(&vm->mem);
}

/* Frees @slot, but not the bitmaps that @other, if not NULL, shares with it. */
static void slot_drop(struct mem_slot *slot, const struct mem_slot *other)
{
	if (!other || slot->dirty != other->dirty)
		kvfree(slot->dirty);
	if (!other || slot->l2 != other->l2)
		kvfree(slot->l2);
	kfree(slot);
}

static struct mem_l2 *l2_new(u64 npages)
{
	struct mem_l2 *l2 =
		kvzalloc(struct_size(l2, bits, BITS_TO_LONGS(npages)), GFP_KERNEL_ACCOUNT);

	if (l2)
		l2->first = npages;
	return l2;
}

/*
 * A slot as @region wants it. It takes over the bitmaps of @old, which is NULL
 * or the slot with the same id and as many pages.
 * Return: NULL: no memory, and nothing was taken over.
 */
static struct mem_slot *slot_new(struct vm *vm, const struct kvm_userspace_memory_region *region,
				 const struct mem_slot *old)
{
	struct mem_slot *slot;

	slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);
	if (!slot)
		return NULL;
	slot->id = region->slot;
	slot->flags = region->flags;
	slot->base_gfn = region->guest_phys_addr >> PAGE_SHIFT;
	slot->npages = region->memory_size >> PAGE_SHIFT;
	slot->hva = region->userspace_addr;
	slot->l2 = old ? old->l2 : l2_new(slot->npages);
	if (!slot->l2)
		goto drop;
	if (!mem_slot_logged(slot))
		return slot;
	if (old && old->dirty) {
		slot->dirty = old->dirty;
		return slot;
	}
	slot->dirty = kvzalloc(dirty_bytes(slot->npages), GFP_KERNEL_ACCOUNT);
	if (!slot->dirty)
		goto drop;
	if (logs_begin_full(vm))
		bitmap_set(slot->dirty, 0, slot->npages);
	return slot;

drop:
	slot_drop(slot, old);
	return NULL;
}

static int region_create(struct vm *vm, const struct kvm_userspace_memory_region *region)
{
	struct mem_slots *slots;
	struct mem_slot *slot;

	slot = slot_new(vm, region, NULL);
	if (!slot)
		return -ENOMEM;
	slots = slots_build(slots_locked(&vm->mem), NULL, slot);
	if (!slots) {
		slot_drop(slot, NULL);
		return -ENOMEM;
	}
	slots_publish(&vm->mem, slots);
	slots_changed(vm);
	return 0;
}

static int region_delete(struct vm *vm, struct mem_slot *old)
{
	struct mem_slots *slots;

	slots = slots_build(slots_locked(&vm->mem), old, NULL);
	if (!slots)
		return -ENOMEM;
	slot_leave(vm, slots, old);
	slot_drop(old, NULL);
	return 0;
}

/* Between the two publications a guest that touches either place finds no memory. */
static int region_move(struct vm *vm, const struct kvm_userspace_memory_region *region,
		       struct mem_slot *old)
{
	struct mem_slots *without, *with;
	struct mem_slot *slot;

	slot = slot_new(vm, region, old);
	if (!slot)
		return -ENOMEM;
	without = slots_build(slots_locked(&vm->mem), old, NULL);
	if (!without)
		goto drop_slot;
	with = slots_build(without, NULL, slot);
	if (!with)
		goto free_without;
	slot_leave(vm, without, old);
	slots_publish(&vm->mem, with);
	slots_changed(vm);
	slot_drop(old, slot);
	return 0;

free_without:
	kfree(without);
drop_slot:
	slot_drop(slot, old);
	return -ENOMEM;
}

/*
 * Takes the write right from L1's EPT, piece by piece. Return: whether a flush
 * is due.
 * Context: lock held, may sleep.
 */
static bool protect_slot(struct vm *vm, const struct mem_slot *slot)
{
	u64 gfn = slot->base_gfn, end = gfn + slot->npages, next;
	bool flush = false;

	for (; gfn < end; gfn = next) {
		next = min(gfn + PROTECT_PAGES, end);
		flush |= ept_write_protect(&vm->ept, gfn, next);
		flush = mem_breathe(vm, flush);
	}
	return flush;
}

/*
 * The dirty log began or ended: makes writes fault, or lets large pages come
 * back. If everything counts as dirty from the start, the first fault can wait
 * for KVM_CLEAR_DIRTY_LOG.
 */
static void slot_logging_changed(struct vm *vm, const struct mem_slot *slot)
{
	u64 end = slot->base_gfn + slot->npages;
	bool flush = false;

	mem_lock(&vm->mem);
	if (!mem_slot_logged(slot)) {
		flush = mem_unmap(vm, slot->base_gfn, end);
	} else if (!logs_begin_full(vm)) {
		flush = protect_slot(vm, slot);
		flush |= mem_unmap_l2(vm, slot->base_gfn, end);
	}
	mem_sync(vm, flush);
	mem_unlock(&vm->mem);
}

static int region_set_flags(struct vm *vm, const struct kvm_userspace_memory_region *region,
			    struct mem_slot *old)
{
	struct mem_slots *slots;
	struct mem_slot *slot;

	slot = slot_new(vm, region, old);
	if (!slot)
		return -ENOMEM;
	slots = slots_build(slots_locked(&vm->mem), old, slot);
	if (!slots) {
		slot_drop(slot, old);
		return -ENOMEM;
	}
	slots_publish(&vm->mem, slots);
	slot_logging_changed(vm, slot);
	slot_drop(old, slot);
	return 0;
}

/* Does @region overlap a slot other than @self? */
static bool region_overlaps(struct vm *vm, const struct kvm_userspace_memory_region *region,
			    const struct mem_slot *self)
{
	struct mem_slots *slots = slots_locked(&vm->mem);
	u64 start = region->guest_phys_addr >> PAGE_SHIFT;
	u64 end = start + (region->memory_size >> PAGE_SHIFT);
	int i;

	for (i = 0; i < slots->count; i++) {
		const struct mem_slot *s = slots->slot[i];

		if (s != self && start < s->base_gfn + s->npages && s->base_gfn < end)
			return true;
	}
	return false;
}

/* A slot must lie where the processor and an EPT of 4 levels can address it. */
static u64 max_gpa(void)
{
	return BIT_ULL(min_t(int, boot_cpu_data.x86_phys_bits, EPT_GFN_BITS + PAGE_SHIFT));
}

/* Checks of @region that need no look at the slots. */
static bool slot_region_valid(const struct kvm_userspace_memory_region *r)
{
	if (r->flags & ~SLOT_FLAGS)
		return false;
	if (r->slot >= MEM_MAX_SLOTS) /* bits 31:16 would name an address space, for SMM */
		return false;
	if (!PAGE_ALIGNED(r->memory_size) || !PAGE_ALIGNED(r->guest_phys_addr) ||
	    !PAGE_ALIGNED(r->userspace_addr))
		return false;
	if (!access_ok((void __user *)(unsigned long)r->userspace_addr, r->memory_size))
		return false;
	/* With LAM an address may have a tag, which the notifier's have not. */
	if (r->userspace_addr >= TASK_SIZE_MAX)
		return false;
	if (r->guest_phys_addr + r->memory_size < r->guest_phys_addr)
		return false;
	return r->memory_size >> PAGE_SHIFT <= SLOT_MAX_PAGES;
}

static int set_region_locked(struct vm *vm, const struct kvm_userspace_memory_region *r)
{
	struct mem_slot *old = slot_by_id(vm, r->slot);
	bool move;

	if (!r->memory_size)
		return old ? region_delete(vm, old) : -EINVAL;
	/* A slot's memory, its size and KVM_MEM_READONLY never change. */
	if (old && (old->hva != r->userspace_addr || old->npages != r->memory_size >> PAGE_SHIFT ||
		    (old->flags ^ r->flags) & KVM_MEM_READONLY))
		return -EINVAL;
	move = old && old->base_gfn != r->guest_phys_addr >> PAGE_SHIFT;
	if (old && !move)
		return old->flags == r->flags ? 0 : region_set_flags(vm, r, old);
	if (region_overlaps(vm, r, old))
		return -EEXIST;
	if (r->guest_phys_addr + r->memory_size > max_gpa())
		return -EINVAL;
	return move ? region_move(vm, r, old) : region_create(vm, r);
}

int mem_set_region(struct vm *vm, const struct kvm_userspace_memory_region *region)
{
	int r;

	if (!slot_region_valid(region))
		return -EINVAL;
	mutex_lock(&vm->mem.slots_lock);
	r = set_region_locked(vm, region);
	mutex_unlock(&vm->mem.slots_lock);
	return r;
}

void mem_note_l2(const struct mem_slot *slot, u64 gfn, u64 count)
{
	struct mem_l2 *l2 = slot->l2;
	u64 first = gfn - slot->base_gfn;

	bitmap_set(l2->bits, first, count);
	l2->first = min(l2->first, first);
	l2->end = max(l2->end, first + count);
}

/* [first, end) spares the search where nothing was ever mapped. */
bool slot_l2_maps(const struct mem_slot *slot, u64 start_gfn, u64 end_gfn)
{
	const struct mem_l2 *l2 = slot->l2;
	u64 end = min(end_gfn - slot->base_gfn, l2->end);

	return find_next_bit(l2->bits, end, max(start_gfn - slot->base_gfn, l2->first)) < end;
}

void slot_forget_l2(const struct mem_slot *slot)
{
	struct mem_l2 *l2 = slot->l2;

	if (l2->first < l2->end)
		bitmap_clear(l2->bits, l2->first, l2->end - l2->first);
	l2->first = slot->npages;
	l2->end = 0;
}

/* Frees the slots of a VM that is gone: there are no readers any more. */
void vm_mem_destroy(struct vm *vm)
{
	struct vm_mem *mem = &vm->mem;
	struct mem_slots *slots = rcu_dereference_protected(mem->slots, true);
	int i;

	for (i = 0; i < slots->count; i++)
		slot_drop(slots->slot[i], NULL);
	kfree(slots);
	cleanup_srcu_struct(&mem->srcu);
	ept_trash_free(&mem->pool, ept_trash_take(&mem->pool));
	mutex_destroy(&mem->slots_lock);
}
