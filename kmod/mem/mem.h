/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest-physical memory of a VM: slots, accesses of L0, what the host's memory
 * manager takes away, and the dirty log.
 *
 * "gpa" here is always L1's physical address: l1_gpa_t without the type, as
 * this layer knows one level only.
 *
 * Order of locks: slots_lock; the host's mmap_lock; lock. Neither mmap_lock nor
 * anything that allocates may be taken under lock, since the host's memory
 * manager calls our notifier, which takes it, while it reclaims memory.
 */
#ifndef MEM_MEM_H
#define MEM_MEM_H

#include <linux/kvm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <vmx/types.h>

#include "mem/ept.h"
#include "mem/trail.h"

struct vm;
struct vcpu;

#define LARGE_PAGES 512ULL /* 4 KiB pages in one of 2 MiB */
#define MEM_MAX_SLOTS 509  /* what KVM_CAP_NR_MEMSLOTS answers */

/*
 * Which pages of a slot an EPT02 may map. Bits of roots that were dropped since may still be set,
 * which costs a look at the roots and does no other harm.
 */
struct mem_l2 {
	u64 first, end; /* where bits may be set; none when first >= end */
	unsigned long bits[];
};

struct mem_slot {
	u64 base_gfn;
	u64 npages;
	unsigned long hva;
	u32 flags; /* KVM_MEM_* */
	u16 id;
	unsigned long *dirty; /* bitmap of npages, when KVM_MEM_LOG_DIRTY_PAGES */
	struct mem_l2 *l2;    /* under vm_mem.lock */
};

/* Immutable once published, and sorted by base_gfn. Read under vm->mem.srcu. */
struct mem_slots {
	u64 generation; /* rises with each change */
	u64 npages;	/* of all slots */
	int count;
	struct mem_slot *slot[];
};

struct vm_mem {
	struct mutex slots_lock; /* for writers of slots, one at a time, and for the dirty log */
	struct srcu_struct srcu;
	struct mem_slots __rcu *slots;
	u64 generation;	 /* a copy of .slots->generation, to be read without srcu */
	spinlock_t lock; /* mem_lock(): for the tables of every EPT root, and all below */
	/* A slot that is being removed from .slots, and may still be mapped; or NULL. */
	const struct mem_slot *leaving;
	int l2_roots;  /* EPT02 roots of all vCPUs that map something */
	u64 l2_fills;  /* how often any of them was given a page */
	bool log_lost; /* a page found no room in a dirty ring; taken under slots_lock */
	struct ept_pool pool;
	u64 table_limit; /* what mem_table_limit() answered last; 0: the slots have changed */
	struct mmu_notifier notifier;
	unsigned long notifier_seq;   /* rises at each invalidation's end */
	long notifier_count;	      /* invalidations under way */
	unsigned long notifier_start; /* hva range that holds those under way */
	unsigned long notifier_end;
	/*
	 * Rises whenever a gfn may have come to mean another page; never 0. What caches
	 * a struct mem_page rechecks it after setting VCPU_IN_GUEST.
	 */
	u64 epoch;
};

/*
 * vm_mem_init() registers the notifier with the host's memory manager, so vm->ept must be there.
 * vm_mem_stop() unregisters it: when it returns nothing is mapped in vm->ept, and vCPUs may be
 * freed. Both sleep, and need vm->mm itself, though not its memory.
 */
int vm_mem_init(struct vm *vm);
void vm_mem_stop(struct vm *vm);
void vm_mem_destroy(struct vm *vm);

/* KVM_SET_USER_MEMORY_REGION; errors as the KVM API documents them. */
int mem_set_region(struct vm *vm, const struct kvm_userspace_memory_region *region);

/*
 * Copy from and to guest memory; may cross pages and slots. Context: may
 * sleep, process of the VM. Return: 0 or -EFAULT (no slot, or not writable),
 * with the pages before the failing one already copied. Writes mark dirty.
 */
int mem_read(struct vm *vm, u64 gpa, void *dst, size_t len);
int mem_write(struct vm *vm, u64 gpa, const void *src, size_t len);

/* Atomic compare-and-exchange of 4 or 8 aligned bytes; 0, -EAGAIN (differed), -EFAULT. */
int mem_cmpxchg(struct vm *vm, u64 gpa, u64 old, u64 new, int bytes);

/*
 * One locked instruction on 8 aligned bytes, which succeeds at once however
 * many others write there. mem_take() puts 0 in their place, and *@old receives
 * what they were; mem_clear_bits() makes @bits of them 0. Return: 0, -EFAULT.
 */
int mem_take(struct vm *vm, u64 gpa, u64 *old);
int mem_clear_bits(struct vm *vm, u64 gpa, u64 bits);

/* Is there a slot, and may the guest write it? */
bool mem_is_ram(struct vm *vm, u64 gpa, bool write);

/*
 * A page of guest memory resolved for longer than one access, without a pin:
 * for addresses that go into a VMCS, and for structures that L0 reads at each
 * entry. It is valid as long as .epoch equals vm->mem.epoch (mem_page_valid()).
 *
 * Whoever uses it sets VCPU_IN_GUEST with interrupts off, then asks
 * mem_page_valid(), and may use .kva and .hpa until the mode is VCPU_OUTSIDE
 * again: whoever takes the page away waits for that.
 */
struct mem_page {
	u64 gpa; /* page-aligned; NO_GPA: holds nothing */
	u64 hpa;
	void *kva;
	u64 epoch;
	bool writable;
};

/*
 * Context: may sleep. Return: 0; -EFAULT: there is no such RAM, or it is not
 * writable; -EINTR: it is taken away again and again, and there is a signal.
 */
int mem_page_resolve(struct vm *vm, u64 gpa, bool write, struct mem_page *page);
bool mem_page_valid(struct vm *vm, const struct mem_page *page);

/* A cache line is a page that mem_read_entry() and its kin used lately; all zeros: none. */
#define MEM_CACHE_LINES 32
struct mem_cache {
	struct mem_cache_line {
		u64 gfn;
		u64 epoch; /* vm->mem.epoch when the page was found; 0: never; or USED_ONCE */
		void *kva;
		bool writable; /* .kva may be written */
	} line[MEM_CACHE_LINES];
};

/*
 * Reads @count times 8 aligned bytes, which lie in one page, each in one access: others may write
 * them meanwhile, and a copy of bytes could be half of one and half of the other. May sleep. 0,
 * -EFAULT.
 */
int mem_read_entries(struct vm *vm, u64 gpa, u64 *entry, unsigned int count);

/*
 * Read 8 aligned bytes in one access. mem_read_entry() may sleep, and answers as mem_read().
 * mem_read_at_hand() may be called with interrupts off, and answers false unless the page is at
 * hand: it was read lately, and nothing was taken away since. Context: the vCPU's thread.
 */
int mem_read_entry(struct vcpu *vcpu, u64 gpa, u64 *entry);
bool mem_read_at_hand(struct vcpu *vcpu, u64 gpa, u64 *entry);
/* Would mem_read_at_hand() of each address of @trail give its entry? */
bool mem_reads_at_hand(struct vcpu *vcpu, const struct mem_trail *trail);
/* Would mem_read_at_hand() give the bytes at @with? @bytes: a multiple of 8, within a page. */
bool mem_same_at_hand(struct vcpu *vcpu, u64 gpa, const void *with, size_t bytes);
/*
 * Return: the kernel's address of @gpa, to be written up to the page's end; or NULL. Context:
 * interrupts off, VCPU_IN_GUEST. mem_note_use() notes a use, with interrupts on: a page that is
 * used often becomes at hand by it. May sleep.
 */
void *mem_at_hand(struct vcpu *vcpu, u64 gpa);
void mem_note_use(struct vcpu *vcpu, u64 gpa, bool write);

/*
 * A fault on guest memory, on its way into an EPT, be it L1's or an EPT02. The
 * caller fills in gfn, write, prefill and small; mem_fault_in() the rest.
 */
struct mem_fault {
	u64 gfn;
	bool write;
	bool prefill;  /* do not sleep and do not fault: -EAGAIN if the host lacks the page */
	bool small;    /* map it by 4 KiB, whatever the host has: .max_level becomes 1 */
	u64 pfn;       /* of gfn itself */
	bool writable; /* may be mapped writable; never in a logged slot without .write */
	u8 max_level;  /* 1: 4 KiB, 2: 2 MiB may be mapped around gfn */
	unsigned long seq;
	unsigned long hva;
	const struct mem_slot *slot; /* valid under the srcu read lock */
};

/*
 * Faults the page in. The reference to the page is given back before the
 * return: the caller takes vm->mem.lock, asks mem_fault_stale(), and maps only
 * if it says no.
 * Context: under the srcu read lock; may sleep unless .prefill.
 * Return: 0; -ENOENT: there is no slot (MMIO); -EROFS: write to a read-only
 * slot; -EFAULT: no memory behind the slot, or none that has a struct page;
 * -EHWPOISON; -EAGAIN; -EINTR.
 */
int mem_fault_in(struct vm *vm, struct mem_fault *fault);
/*
 * Does what mem_fault_in() does for an access of the guest's, by the vCPU's thread. For memory that
 * is poisoned the thread gets SIGBUS, and -EAGAIN is returned: the guest touches it again, unless
 * the signal ends KVM_RUN.
 */
int mem_fault_touch(struct vm *vm, struct mem_fault *fault);
/*
 * To be asked under vm->mem.lock, as the last thing before mapping: has the
 * page been taken away since? If not, a writable page of a logged slot is
 * marked dirty.
 */
bool mem_fault_stale(struct vm *vm, const struct mem_fault *fault);

/*
 * Takes the page from L1's own EPT, which holds nothing stale, if that maps it and allows the
 * access. For faults with .small only. Fills in what mem_fault_in() does, .max_level with 1, and
 * marks a writable page of a logged slot dirty. Return: whether L1's EPT had it.
 * Context: srcu read lock and vm->mem.lock held.
 */
bool mem_fault_mapped(struct vm *vm, struct mem_fault *fault);

/*
 * Notes that an EPT02 maps @count pages of @slot from @gfn on: when they go,
 * roots are to be dropped. Context: vm->mem.lock held.
 */
void mem_note_l2(const struct mem_slot *slot, u64 gfn, u64 count);

/* Called once, when the module is loaded. */
void mem_setup(void);
/* Can guests stop this processor by its iTLB multihit bug? */
bool mem_multihit_open(void);

/*
 * Fills the vCPU's cache with table pages, enough for two mappings. Where the
 * VM's EPTs have as many as they may, the oldest root of EPT02 is dropped
 * first. 0 or -ENOMEM.
 * Context: the vCPU's thread, may sleep.
 */
int mem_reserve_tables(struct vcpu *vcpu);
/* Has mem_reserve_tables() nothing to do? Context: the vCPU's thread, interrupts may be off. */
bool mem_tables_at_hand(struct vcpu *vcpu);
u64 mem_table_limit(struct vm *vm);

/* Takes .lock and begins to count what is done under it. */
static inline void mem_lock(struct vm_mem *mem) __acquires(&mem->lock)
{
	spin_lock(&mem->lock);
	mem->pool.steps = 0;
}

/*
 * mem_lock() without waiting, for callers with interrupts off: the holder may be waiting for all
 * CPUs to take an IPI. The counterpart is mem_unlock_atomic().
 */
#define mem_trylock(mem) (spin_trylock(&(mem)->lock) && ((mem)->pool.steps = 0, true))

/* Gives .lock back where sleeping is forbidden: the trash waits for the next mem_unlock(). */
static inline void mem_unlock_atomic(struct vm_mem *mem) __releases(&mem->lock)
{
	if (mem->pool.steps > mem->pool.most_steps)
		WRITE_ONCE(mem->pool.most_steps, mem->pool.steps);
	spin_unlock(&mem->lock);
}

/*
 * Gives .lock back and frees the tables that were taken out under it. Whoever took them out has
 * made all processors flush before this call, so none has anything of them cached. Context: may
 * sleep.
 */
void mem_unlock(struct vm_mem *mem) __releases(&mem->lock);

static inline int mem_read_lock(struct vm_mem *mem)
{
	return srcu_read_lock(&mem->srcu);
}

static inline void mem_read_unlock(struct vm_mem *mem, int idx)
{
	srcu_read_unlock(&mem->srcu, idx);
}

/* The slot that holds @gfn, or NULL. Context: under srcu read lock. */
struct mem_slot *mem_slot_find(struct vm *vm, u64 gfn);

static inline unsigned long mem_slot_hva(const struct mem_slot *slot, u64 gfn)
{
	return slot->hva + ((gfn - slot->base_gfn) << 12);
}

static inline bool mem_slot_logged(const struct mem_slot *slot)
{
	return slot->flags & KVM_MEM_LOG_DIRTY_PAGES;
}

static inline bool mem_slot_writable(const struct mem_slot *slot)
{
	return !(slot->flags & KVM_MEM_READONLY);
}

/* KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG; errors as the KVM API documents them. */
int mem_get_dirty_log(struct vm *vm, const struct kvm_dirty_log *log);
int mem_clear_dirty_log(struct vm *vm, const struct kvm_clear_dirty_log *log);

/* A vCPU's dirty ring: see mem/dirty_ring.c. */
struct dirty_ring {
	struct kvm_dirty_gfn *gfns; /* vmalloc; NULL: the VM has no dirty rings */
	u32 entries;		    /* a power of two */
	u32 pushed;		    /* how many ever; written by the vCPU's thread */
	u32 reset;		    /* how many of these; under slots_lock */
};

#define DIRTY_RING_MAX_BYTES (65536 * sizeof(struct kvm_dirty_gfn)) /* KVM's limit */

/*
 * KVM_CAP_DIRTY_LOG_RING: each vCPU made from now on has a ring of @bytes. -EINVAL: not a power of
 * two, less than 16 KiB, enabled already, or there are vCPUs; -E2BIG: more than
 * DIRTY_RING_MAX_BYTES.
 */
int dirty_rings_enable(struct vm *vm, u64 bytes);
int dirty_ring_init(struct vcpu *vcpu);
void dirty_ring_free(struct vcpu *vcpu);
/* The page with this number of the ring, for userspace's mapping; or NULL. */
struct page *dirty_ring_page(struct vcpu *vcpu, unsigned long index);
/* Must KVM_RUN end, for userspace to empty the ring? Context: the vCPU's thread. */
bool dirty_ring_full(struct vcpu *vcpu);
/*
 * KVM_RESET_DIRTY_RINGS. Return: how many entries are free again; -EINVAL: there are no rings;
 * -ENOSPC, once: a page was written for which a ring had no room. Context: may sleep.
 */
int mem_reset_dirty_rings(struct vm *vm);

#endif
