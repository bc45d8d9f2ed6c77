/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest-physical memory of a VM: slots, access from L0, what the host's
 * memory manager takes away, and the dirty log.
 *
 * "gpa" here is L1's physical address always: l1_gpa_t without the type, as
 * this layer knows one level only.
 */
#ifndef GUEST_MEM_H
#define GUEST_MEM_H

#include <linux/kvm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <vmx/types.h>

struct vm;
struct vcpu;

#define MEM_MAX_SLOTS 509 /* what KVM_CAP_NR_MEMSLOTS answers */

struct mem_slot {
	u64 base_gfn;
	u64 npages;
	unsigned long hva;
	u32 flags; /* KVM_MEM_* */
	u16 id;
	unsigned long *dirty; /* bitmap of npages, when KVM_MEM_LOG_DIRTY_PAGES */
};

/* Immutable once published; sorted by base_gfn. Read under vm->mem.srcu. */
struct mem_slots {
	u64 generation; /* rises with each change */
	int count;
	struct mem_slot *slot[];
};

struct vm_mem {
	struct mutex slots_lock; /* one writer of slots at a time */
	struct srcu_struct srcu;
	struct mem_slots __rcu *slots;
	spinlock_t lock; /* page tables of every EPT root; notifier state below */
	struct mmu_notifier notifier;
	unsigned long notifier_seq;   /* rises at each invalidation's end */
	long notifier_count;	      /* invalidations under way */
	unsigned long notifier_start; /* hva range under way, when count is 1 */
	unsigned long notifier_end;
	/*
	 * Rises whenever a gfn may have come to mean another page. What caches
	 * a struct mem_page rechecks it after setting VCPU_IN_GUEST.
	 */
	u64 epoch;
};

int mem_init(struct vm *vm);
void mem_destroy(struct vm *vm);

/* KVM_SET_USER_MEMORY_REGION; errors as the KVM API documents them. */
int mem_set_region(struct vm *vm, const struct kvm_userspace_memory_region *region);

/*
 * Copy from and to guest memory; may cross pages and slots. Context: may
 * sleep, process of the VM. Return: 0 or -EFAULT (no slot, or not writable),
 * with the pages before the failing one already copied. Writes mark dirty.
 */
int mem_read(struct vm *vm, u64 gpa, void *dst, size_t len);
int mem_write(struct vm *vm, u64 gpa, const void *src, size_t len);
/* The same for the dirty mark alone, of a page written through a mapping. */
void mem_mark_dirty(struct vm *vm, u64 gfn);

/* Atomic compare-and-exchange of 4 or 8 aligned bytes; 0, -EAGAIN (differed), -EFAULT. */
int mem_cmpxchg(struct vm *vm, u64 gpa, u64 old, u64 new, int bytes);

/* Is there a slot, and may the guest write it? */
bool mem_is_ram(struct vm *vm, u64 gpa, bool write);

/*
 * A page of guest memory resolved for longer than one access, without a pin:
 * for addresses that go into a VMCS and structures that L0 reads at each
 * entry. Valid as long as .epoch equals vm->mem.epoch (mem_page_valid()).
 */
struct mem_page {
	u64 gpa; /* page-aligned; NO_GPA: holds nothing */
	u64 hpa;
	void *kva;
	u64 epoch;
	bool writable;
};

/* Context: may sleep. Return: 0, -EFAULT (no such RAM, or not writable). */
int mem_page_resolve(struct vm *vm, u64 gpa, bool write, struct mem_page *page);
bool mem_page_valid(struct vm *vm, const struct mem_page *page);

/*
 * A fault on guest memory, on its way into an EPT (of L1, or EPT02).
 * In: gfn, write. Out: the rest.
 */
struct mem_fault {
	u64 gfn;
	bool write;
	bool prefill; /* do not sleep, do not fault in: -EAGAIN when it's not there */
	u64 pfn;      /* of gfn itself */
	bool writable;
	u8 max_level; /* 1: 4 KiB, 2: 2 MiB may be mapped around gfn */
	unsigned long seq;
	unsigned long hva;
	const struct mem_slot *slot; /* valid under the srcu read lock */
};

/*
 * Faults the page in. The reference to the page is given back before the
 * return: the caller takes vm->mem.lock, asks mem_fault_stale(), and maps only
 * if not. Context: under srcu read lock, may sleep.
 * Return: 0; -ENOENT: no slot (MMIO); -EROFS: write to a read-only slot;
 * -EFAULT: no memory behind the slot; -EHWPOISON; -EAGAIN; -EINTR.
 */
int mem_fault_in(struct vm *vm, struct mem_fault *fault);
/* Under vm->mem.lock. */
bool mem_fault_stale(struct vm *vm, const struct mem_fault *fault);

static inline int mem_read_lock(struct vm_mem *mem)
{
	return srcu_read_lock(&mem->srcu);
}

static inline void mem_read_unlock(struct vm_mem *mem, int idx)
{
	srcu_read_unlock(&mem->srcu, idx);
}

/* KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG */
int mem_get_dirty_log(struct vm *vm, const struct kvm_dirty_log *log);
int mem_clear_dirty_log(struct vm *vm, const struct kvm_clear_dirty_log *log);

#endif
