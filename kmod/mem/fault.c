// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a guest's access to the page behind it: finding the host's page, how
 * large it may be mapped, and mapping it in L1's EPT. The exit handler of EPT
 * violations comes here for L1, nested/ept02.c for L2. Tour, stop 3.
 *
 * What a reader must know: no page is pinned. A reference is held only while we
 * look. That the page is still there when it is mapped follows from the
 * notifier's sequence number, which is read first and compared last, under
 * vm->mem.lock (mem_fault_stale()).
 *
 * Context: the vCPU's thread, under the srcu read lock of the slots.
 */
#include <linux/cpu.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <bounds.h>

#include "cpu/vcpu.h"
#include "cpu/vm.h"
#include "mem/mem_internal.h"

#define LARGE_SIZE (LARGE_PAGES << PAGE_SHIFT)
/* How many pages one 4 KiB fault maps at most. The stack holds two arrays of that size. */
#define PREFILL 16
/* Table pages more for each slot: on 3 levels it may begin and end in the middle of a table. */
#define SLOT_TABLES 6

static bool large_pages = true;
module_param(large_pages, bool, 0444);
MODULE_PARM_DESC(
	large_pages,
	"map guests by 2 MiB pages where the host does; on processors with iTLB multihit only if "
	"mitigations=off (default: 1)");

/*
 * iTLB multihit (CVE-2018-12207): a guest that changes the size of a page while
 * it executes it can stop the processor. With 4 KiB pages alone there is no
 * size to change.
 */
void mem_setup(void)
{
	if (boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !cpu_mitigations_off())
		large_pages = false;
}

bool mem_multihit_open(void)
{
	return boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && large_pages;
}

/*
 * Does the process map @hva by a page of 2 MiB or more? The walk is safe because
 * whoever frees a table waits for this CPU to turn interrupts on again. The
 * answer may be old when we return, which mem_fault_stale() finds out.
 */
static bool host_maps_large(struct mm_struct *mm, unsigned long hva)
{
	unsigned long flags;
	bool large = false;
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	local_irq_save(flags);
	pgd = READ_ONCE(*pgd_offset(mm, hva));
	if (pgd_none(pgd))
		goto out;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (p4d_none(p4d) || !p4d_present(p4d))
		goto out;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (pud_none(pud) || !pud_present(pud))
		goto out;
	large = pud_leaf(pud);
	if (large)
		goto out;
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	large = !pmd_none(pmd) && pmd_present(pmd) && pmd_leaf(pmd);
out:
	local_irq_restore(flags);
	return large;
}

/* May the 2 MiB around @fault be mapped by one entry? The dirty log wants small pages. */
static bool may_map_large(struct vm *vm, const struct mem_fault *fault)
{
	const struct mem_slot *slot = fault->slot;
	u64 first = ALIGN_DOWN(fault->gfn, LARGE_PAGES);

	if (!large_pages || mem_slot_logged(slot))
		return false;
	if (first < slot->base_gfn || first + LARGE_PAGES > slot->base_gfn + slot->npages)
		return false;
	/* The offset within 2 MiB must be the same for the guest and in the process. */
	if (((slot->hva >> PAGE_SHIFT) ^ slot->base_gfn) & (LARGE_PAGES - 1))
		return false;
	return host_maps_large(vm->mm, fault->hva);
}

/*
 * Gives the reference back. A page that the guest may write must count as
 * written from now on, since writes through EPT set no dirty flag of the host's.
 */
static void page_release(struct page *page, bool writable)
{
	if (writable && !PageReserved(page) && !PageDirty(page))
		SetPageDirty(page);
	put_page(page);
}

/* Takes a reference to the page at .hva, and sleeps if it must. Return: 0 or -errno. */
static int get_page_slow(struct mem_fault *fault, struct page **page)
{
	unsigned int flags = FOLL_HWPOISON | (fault->write ? FOLL_WRITE : 0);
	long n = get_user_pages_unlocked(fault->hva, 1, page, flags);

	if (n == 1) {
		fault->writable = fault->write;
		return 0;
	}
	if (n == -EHWPOISON || n == -EAGAIN)
		return n;
	return fatal_signal_pending(current) ? -EINTR : -EFAULT;
}

/*
 * Is @page the kernel's page of zeros, of either size, which stands for memory
 * that was never written? Every other page that a process maps by a plain page
 * table entry is anonymous or belongs to a file, and so has a mapping.
 */
static bool is_page_of_zeros(struct page *page)
{
	return !READ_ONCE(compound_head(page)->mapping);
}

/*
 * Memory that is read before it was ever written gets a page of its own right away. If the page of
 * zeros were mapped, the first write would replace it, and every EPT02 root that maps it
 * would be dropped.
 */
static void replace_zeros(struct mem_fault *fault, struct page **page)
{
	struct page *own;

	if (fault->write || fault->prefill || !mem_slot_writable(fault->slot) ||
	    !is_page_of_zeros(*page))
		return;
	if (get_user_pages_unlocked(fault->hva, 1, &own, FOLL_WRITE) != 1)
		return;
	put_page(*page);
	*page = own;
	fault->writable = !mem_slot_logged(fault->slot);
}

/* Takes a reference to the page at .hva, without sleeping if that is possible. */
static int get_page_any(struct mem_fault *fault, bool try_write, struct page **page)
{
	fault->writable = try_write &&
			  get_user_pages_fast_only(fault->hva, 1, FOLL_WRITE, page) == 1;
	if (fault->writable)
		return 0;
	if (!fault->write && get_user_pages_fast_only(fault->hva, 1, 0, page) == 1)
		return 0;
	if (fault->prefill)
		return -EAGAIN;
	return get_page_slow(fault, page);
}

/* The sequence number is read before the host's page tables are. */
int mem_fault_in(struct vm *vm, struct mem_fault *fault)
{
	struct mem_slot *slot = mem_slot_find(vm, fault->gfn);
	struct page *page;
	bool try_write;
	int r;

	if (!slot)
		return -ENOENT;
	if (fault->write && !mem_slot_writable(slot))
		return -EROFS;
	fault->slot = slot;
	fault->hva = mem_slot_hva(slot, fault->gfn);
	fault->seq = mem_seq_read(&vm->mem);
	/* Asking for a writable page even for a read spares the fault of the first write. */
	try_write = fault->write || (mem_slot_writable(slot) && !mem_slot_logged(slot));
	r = get_page_any(fault, try_write, &page);
	if (r)
		return r;
	if (!fault->writable)
		replace_zeros(fault, &page);
	fault->pfn = page_to_pfn(page);
	fault->max_level = !fault->small && may_map_large(vm, fault) ? 2 : 1;
	page_release(page, fault->writable);
	return 0;
}

/* The signal is what a program's own access gives: its handler can give the guest a machine check. */
int mem_fault_touch(struct vm *vm, struct mem_fault *fault)
{
	int r = mem_fault_in(vm, fault);

	if (likely(r != -EHWPOISON))
		return r;
	send_sig_mceerr(BUS_MCEERR_AR, (void __user *)(fault->hva & PAGE_MASK), PAGE_SHIFT,
			current);
	return -EAGAIN;
}

bool mem_fault_mapped(struct vm *vm, struct mem_fault *fault)
{
	struct mem_slot *slot = mem_slot_find(vm, fault->gfn);
	u64 entry;
	int level;

	lockdep_assert_held(&vm->mem.lock);
	entry = slot ? ept_lookup(&vm->ept, fault->gfn << PAGE_SHIFT, &level) : 0;
	if (!entry || (fault->write && !(entry & EPT_WRITE)))
		return false;
	fault->slot = slot;
	fault->pfn = (entry & EPT_ADDR_MASK) >> PAGE_SHIFT;
	if (level > 1)
		fault->pfn += fault->gfn % LARGE_PAGES;
	fault->max_level = 1;
	fault->writable = (entry & EPT_WRITE) && (fault->write || !mem_slot_logged(slot));
	if (fault->writable)
		slot_mark_dirty(vm, slot, fault->gfn);
	return true;
}

bool mem_fault_stale(struct vm *vm, const struct mem_fault *fault)
{
	u64 size = fault->max_level > 1 ? LARGE_SIZE : PAGE_SIZE;
	unsigned long start = ALIGN_DOWN(fault->hva, size);

	if (mem_range_stale(vm, fault->seq, start, start + size))
		return true;
	if (fault->writable)
		slot_mark_dirty(vm, fault->slot, fault->gfn);
	return false;
}

/* Neighbours of a page that faulted which the host has present: the prefill. */
struct neighbours {
	u64 pfn[PREFILL];
	int count;
};

/*
 * Never sleeps and never faults anything in: a neighbour that nobody needs
 * costs nothing.
 */
static void find_neighbours(const struct mem_fault *fault, struct neighbours *n)
{
	const struct mem_slot *slot = fault->slot;
	u64 first = fault->gfn + 1;
	u64 end = min(ALIGN(first, PREFILL), slot->base_gfn + slot->npages);
	struct page *page[PREFILL];
	int i;

	n->count = 0;
	if (first >= end)
		return;
	n->count = get_user_pages_fast_only(mem_slot_hva(slot, first), end - first,
					    fault->writable ? FOLL_WRITE : 0, page);
	for (i = 0; i < n->count; i++) {
		n->pfn[i] = page_to_pfn(page[i]);
		page_release(page[i], fault->writable);
	}
}

/* Maps those that are not stale by now. Context: srcu read lock and vm->mem.lock held. */
static void map_neighbours(struct vm *vm, const struct mem_fault *fault, const struct neighbours *n,
			   u64 prot)
{
	unsigned long start = fault->hva + PAGE_SIZE;

	if (n->count <= 0 || mem_range_stale(vm, fault->seq, start, start + n->count * PAGE_SIZE))
		return;
	ept_map_absent(&vm->ept, (fault->gfn + 1) << PAGE_SHIFT, n->pfn, n->count, prot);
}

/*
 * How many table pages a VM's EPTs may have together: all that L1's EPT ever
 * takes, and for each vCPU an EPT02 that maps all of L1's memory once by 4 KiB
 * pages. A table maps 512 entries, so it and what leads to it make 1/512 +
 * 1/512^2... = 1/511 of the pages.
 */
u64 mem_table_limit(struct vm *vm)
{
	int idx = mem_read_lock(&vm->mem);
	struct mem_slots *slots = srcu_dereference(vm->mem.slots, &vm->mem.srcu);
	u64 limit = (1 + vm_nr_vcpus(vm)) * (slots->npages / (EPT_ENTRIES - 1) + SPARE_TABLES) +
		    slots->count * SLOT_TABLES;

	WRITE_ONCE(vm->mem.table_limit, limit); /* under the read lock: see slots_publish() */
	mem_read_unlock(&vm->mem, idx);
	return limit;
}

/* The limit is looked up anew when it seems to be reached: with a new vCPU it has risen. */
static bool too_many_tables(struct vm *vm)
{
	u64 pages = READ_ONCE(vm->mem.pool.pages) + EPT_CACHE_PAGES;

	return unlikely(pages > READ_ONCE(vm->mem.table_limit)) && pages > mem_table_limit(vm);
}

/*
 * Drops the EPT02 root that was filled least lately, of whichever vCPU it is; without one all of
 * L1's own EPT, in which tables of slots that are gone may have stayed. Return: whether there was
 * any, or tables already wait to be freed.
 */
static bool drop_oldest(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	bool any, root;

	mem_lock(&vm->mem);
	any = vm->mem.pool.trash.first;
	root = ept02_drop_oldest(vm);
	if (root)
		vcpu->stats.ept02_zaps++;
	if (root || (!any && ept_unmap(&vm->ept, 0, EPT_GFN_END))) {
		ept_flush_vm(vm);
		any = true;
	}
	mem_unlock(&vm->mem);
	return any;
}

int mem_reserve_tables(struct vcpu *vcpu)
{
	while (unlikely(too_many_tables(vcpu->vm)) && drop_oldest(vcpu))
		cond_resched();
	return ept_cache_fill(&vcpu->ept_cache);
}

bool mem_tables_at_hand(struct vcpu *vcpu)
{
	return vcpu->ept_cache.count == EPT_CACHE_PAGES && !too_many_tables(vcpu->vm);
}

/* Return: 0, also if the fault has to be taken again; or as mem_fault_touch(). */
static int fault_l1(struct vcpu *vcpu, struct mem_fault *fault)
{
	struct neighbours near = { .count = 0 };
	struct vm *vm = vcpu->vm;
	u64 prot = EPT_READ | EPT_EXEC;
	int r;

	r = mem_fault_touch(vm, fault);
	if (r)
		return r;
	/* In a logged slot a neighbour's write must fault on its own. */
	if (fault->max_level == 1 && !(fault->writable && mem_slot_logged(fault->slot)))
		find_neighbours(fault, &near);
	if (fault->writable)
		prot |= EPT_WRITE;

	mem_lock(&vm->mem);
	if (!mem_fault_stale(vm, fault)) {
		if (ept_map(&vm->ept, &vcpu->ept_cache, fault->gfn << PAGE_SHIFT,
			    fault->pfn << PAGE_SHIFT, fault->max_level, prot | EPT_ACCESSED))
			ept_flush_vm(vm);
		map_neighbours(vm, fault, &near, prot);
		vcpu->stats.pf_taken++;
	}
	mem_unlock(&vm->mem);
	return 0;
}

/* Table pages are reserved first, as nothing can be allocated under the lock. Tour, stop 3. */
int ept_violation_l1(struct vcpu *vcpu, u64 gpa, bool write)
{
	struct mem_fault fault = { .gfn = gpa >> PAGE_SHIFT, .write = write };
	struct vm_mem *mem = &vcpu->vm->mem;
	int idx, r;

	r = mem_reserve_tables(vcpu);
	if (r)
		return r;
	idx = mem_read_lock(mem);
	r = fault_l1(vcpu, &fault);
	mem_read_unlock(mem, idx);
	if (r == -ENOENT || r == -EROFS)
		return 0;
	return r && r != -EAGAIN ? r : 1;
}
