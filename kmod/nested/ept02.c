// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPT02: what the processor walks while L2 runs, composed of EPT12 (L2 physical
 * to L1 physical) and L1's memory (to the host's). Tour, stop 12. exit.c comes
 * here for EPT violations of L2, the memory notifier when pages go, VMX
 * instructions for INVEPT, and whatever translates addresses for L2.
 *
 * A vCPU keeps a root for each of the last few EPTP12s. To L1 a root is what
 * the processor has cached of EPT12: INVEPT drops it, and an EPT violation that
 * EPT12 does not explain refills it. When memory under it goes, the whole root
 * is dropped; a bitmap of the slot tells which memory lies under any root. A
 * root is dropped as well, the oldest of the VM first, when the VM's tables are
 * too many: EPT12 may name one table, and one page, in any number of places.
 *
 * What a reader must know: roots are changed under vm->mem.lock, by other
 * threads as well, and may be gone whenever it is not held. Only the vCPU
 * itself walks them (its processor does), and only it makes new ones.
 */
#include "cpu/inject.h"
#include "emulate/device.h"
#include "nested/ept12.h"
#include "nested/internal.h"

/* Two EPTP12s that agree in these bits, address and A/D, are the same translation: one root. */
#define ROLE_BITS (GENMASK_ULL(51, 12) | EPTP_AD)
/* The key of the root that stands for no EPT12 at all: no EPTP has this bit alone. */
#define NO_EPT12 BIT(0)
#define PML_ENTRIES 512
/* The aligned group of so many pages around one that faulted is mapped with it: the prefill. */
#define PREFILL 16

/* --- roots -------------------------------------------------------------- */

static bool root_maps(const struct ept02_root *root)
{
	return root->first_gfn < root->end_gfn;
}

/*
 * Takes the root's tables away. Its vCPU makes new ones before it enters with
 * this root again. Context: vm->mem.lock held.
 */
static void root_empty(struct vm *vm, struct ept02_root *root)
{
	if (root_maps(root))
		vm->mem.l2_roots--;
	root->first_gfn = ~0ULL;
	root->end_gfn = 0;
	if (root->ept.root)
		ept_drop(&root->ept);
}

/*
 * Drops a root of this vCPU. @why: ABYME_FLUSH_*. Context: the vCPU's thread,
 * may sleep.
 */
static void drop_root(struct vcpu *vcpu, struct ept02_root *root, u32 why)
{
	if (root->stamp)
		watch_flush(vcpu->nested, why);
	/* No other vCPU ever walks this root, so that only this one must flush. */
	vcpu_request(vcpu, REQ_TLB_FLUSH);
	mem_lock(&vcpu->vm->mem);
	root_empty(vcpu->vm, root);
	mem_unlock(&vcpu->vm->mem);
	vcpu->stats.ept02_zaps++;
}

static struct ept02_root *find_root(struct nested *n, u64 key)
{
	int i;

	for (i = 0; i < EPT02_ROOTS; i++)
		if (n->root[i].stamp && n->root[i].eptp12 == key)
			return &n->root[i];
	return NULL;
}

/* The root that was used least lately; one that holds nothing has a stamp of 0. */
static struct ept02_root *oldest_root(struct nested *n)
{
	struct ept02_root *oldest = &n->root[0];
	int i;

	for (i = 1; i < EPT02_ROOTS; i++)
		if (n->root[i].stamp < oldest->stamp)
			oldest = &n->root[i];
	return oldest;
}

/* Makes tables for a root that has none. 0 or -ENOMEM. May sleep. */
static int begin_root(struct vcpu *vcpu, struct ept02_root *root)
{
	struct ept fresh;
	int r;

	r = ept_init(&fresh, &vcpu->vm->mem.pool);
	if (r)
		return r;
	/* L1 chooses whether walks of L2's page tables count as writes: that is the root's role. */
	if (!(root->eptp12 & EPTP_AD))
		fresh.eptp &= ~EPTP_AD;
	vcpu_request(vcpu, REQ_TLB_FLUSH);
	mem_lock(&vcpu->vm->mem);
	root->ept = fresh;
	mem_unlock(&vcpu->vm->mem);
	return 0;
}

/*
 * Makes the root for vmcs12's EPT pointer the current one. Without EPT12 there
 * is a root only for an APIC-access page that is no memory of L1's (NO_EPT12).
 */
int ept02_select_root(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u64 key = l1_uses_ept(n) ? n->v->ept_pointer & ROLE_BITS : NO_EPT12;
	struct ept02_root *root = find_root(n, key);
	int r;

	if (!root) {
		root = oldest_root(n);
		drop_root(vcpu, root, ABYME_FLUSH_EVICTED);
		root->eptp12 = key;
	}
	root->stamp = ++n->root_stamp;
	if (!READ_ONCE(root->ept.root)) {
		r = begin_root(vcpu, root);
		if (r)
			return r;
	}
	n->current_root = root;
	return 0;
}

/* The vCPU is being freed, so no processor has translations from the tables any more. */
void ept02_free_roots(struct nested *n)
{
	int i;

	for (i = 0; i < EPT02_ROOTS; i++)
		ept_destroy(&n->root[i].ept);
}

/* INVEPT drops every root at the EPTP's address, whether or not their A/D flags are the EPTP's. */
void ept02_invalidate(struct vcpu *vcpu, bool all, u64 eptp12, u32 why)
{
	struct nested *n = vcpu->nested;
	int i;

	for (i = 0; i < EPT02_ROOTS; i++) {
		struct ept02_root *root = &n->root[i];

		if (root->stamp && (all || !((root->eptp12 ^ eptp12) & GENMASK_ULL(51, 12))))
			drop_root(vcpu, root, why);
	}
}

/* Return: has a root been dropped? Context: vm->mem.lock held. */
static bool unmap_vcpu(struct vcpu *vcpu, u64 start_gfn, u64 end_gfn)
{
	struct nested *n = smp_load_acquire(&vcpu->nested);
	bool any = false;
	int i;

	if (!n)
		return false;
	for (i = 0; i < EPT02_ROOTS; i++) {
		struct ept02_root *root = &n->root[i];

		if (start_gfn >= root->end_gfn || end_gfn <= root->first_gfn)
			continue;
		root_empty(vcpu->vm, root);
		watch_flush(n, ABYME_FLUSH_MEMORY);
		any = true;
	}
	return any;
}

bool ept02_unmap(struct vm *vm, u64 start_gfn, u64 end_gfn)
{
	struct vcpu *vcpu;
	bool any = false;
	int i;

	vm_for_each_vcpu(vm, i, vcpu)
		any |= unmap_vcpu(vcpu, start_gfn, end_gfn);
	return any;
}

/* *@oldest, *@whose: the oldest root so far, and its vCPU. Context: vm->mem.lock held. */
static void older_of_vcpu(struct vcpu *vcpu, struct vcpu **whose, struct ept02_root **oldest)
{
	struct nested *n = smp_load_acquire(&vcpu->nested);
	int i;

	for (i = 0; n && i < EPT02_ROOTS; i++) {
		struct ept02_root *root = &n->root[i];

		if (!root_maps(root) || (*oldest && root->filled > (*oldest)->filled))
			continue;
		*oldest = root;
		*whose = vcpu;
	}
}

bool ept02_drop_oldest(struct vm *vm)
{
	struct ept02_root *oldest = NULL;
	struct vcpu *vcpu, *whose;
	int i;

	vm_for_each_vcpu(vm, i, vcpu)
		older_of_vcpu(vcpu, &whose, &oldest);
	if (!oldest)
		return false;
	root_empty(vm, oldest);
	watch_flush(whose->nested, ABYME_FLUSH_LIMIT);
	return true;
}

/* --- EPT12 -------------------------------------------------------------- */

static int ept02_read_entry(void *ctx, l1_gpa_t at, u64 *entry)
{
	struct vcpu *vcpu = ctx;

	if (vcpu->at_once)
		return mem_read_at_hand(vcpu, l1_addr(at), entry) ? 0 : -EFAULT;
	return mem_read_entry(vcpu, l1_addr(at), entry);
}

static int ept02_update_entry(void *ctx, l1_gpa_t at, u64 old, u64 new)
{
	struct vcpu *vcpu = ctx;

	return mem_cmpxchg(vcpu->vm, l1_addr(at), old, new, sizeof(old));
}

/* SDM: "Page-Modification Logging": the index counts down, and wraps. */
static bool pml_full(const struct vmcs12 *v)
{
	return (vmcs12_proc2(v) & PROC2_PML) && v->pml_index >= PML_ENTRIES;
}

/* Logs a page that L2 has made dirty. The caller has seen that there is room. */
static void pml_log(struct vcpu *vcpu, u64 l2_gpa)
{
	struct vmcs12 *v = vcpu->nested->v;
	u64 entry = l2_gpa & PAGE_MASK;

	if (!(vmcs12_proc2(v) & PROC2_PML))
		return;
	mem_write(vcpu->vm, v->pml_addr + v->pml_index * sizeof(entry), &entry, sizeof(entry));
	v->pml_index--;
}

static struct ept12 ept02_describe(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	return (struct ept12){
		.eptp = n->v->ept_pointer,
		.ept_caps = n->caps.ept_vpid,
		.maxphyaddr = vcpu->cpuid.maxphyaddr,
		.mode_exec = vmcs12_proc2(n->v) & PROC2_MODE_EXEC,
		.log_full = pml_full(n->v),
	};
}

/* Walks EPT12 for @access. @no_trace: as in struct ept12. May sleep. */
static void walk_ept12(struct vcpu *vcpu, u64 gpa, u32 access, bool no_trace,
		       struct ept12_result *res)
{
	const struct ept12_mem mem = { vcpu, ept02_read_entry, ept02_update_entry };
	struct ept12 ept = ept02_describe(vcpu);

	ept.no_trace = no_trace;
	ept12_walk(&ept, &mem, l2_gpa(gpa), access, res);
}

/* Walks for @access, which sets EPT12's flags, and logs a page that became dirty. May sleep. */
static void ept02_walk(struct vcpu *vcpu, u64 gpa, u32 access, struct ept12_result *res)
{
	if (!l1_uses_ept(vcpu->nested)) {
		/* Without EPT12 L2's addresses are L1's: as if large pages mapped all memory so. */
		*res = (struct ept12_result){
			.gpa = l1_gpa(gpa),
			.level = 2,
			.rights = EPTE_RWX,
			.dirty = true,
		};
		return;
	}
	walk_ept12(vcpu, gpa, access, false, res);
	if (res->dirtied)
		pml_log(vcpu, gpa);
}

/* The area to which the processor writes. SDM: "Virtualization-Exception Information". */
struct ve_info {
	u32 reason;
	u32 busy; /* all ones until L2 clears it: no other #VE meanwhile */
	u64 qual, gla, gpa;
	u16 eptp_index;
} __packed;

/* Can L2 take a #VE now? find_exit() asks about bit 63. SDM: "Convertible EPT Violations". */
static bool can_raise_ve(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vcpu->nested->v;
	u32 busy;

	if (!(vcpu_cr0(vcpu) & X86_CR0_PE) || (vcpu->idt_vectoring & INTR_VALID))
		return false;
	return !mem_read(vcpu->vm, v->ve_info_addr + offsetof(struct ve_info, busy), &busy,
			 sizeof(busy)) &&
	       !busy;
}

/*
 * Turns an EPT violation into an exception of L2's, if L2 can take one now. False: it is an exit.
 * SDM: "Virtualization Exceptions".
 */
static noinline bool raise_ve(struct vcpu *vcpu, const struct l2_exit *violation)
{
	const struct vmcs12 *v = vcpu->nested->v;
	struct ve_info info = {
		.reason = violation->reason,
		.busy = ~0u,
		.qual = violation->qual,
		.gla = violation->gla,
		.gpa = violation->gpa,
		.eptp_index = v->eptp_index,
	};

	if (!can_raise_ve(vcpu) || mem_write(vcpu->vm, v->ve_info_addr, &info, sizeof(info)))
		return false;
	inject_exception(vcpu, VEC_VE);
	return true;
}

/*
 * Fills *@x with the exit that L1 is due for @res: an EPT violation, a misconfiguration or a full
 * log. @access: what was walked for. @info: the bits of the exit qualification that EPT12 does
 * not decide. Return: false: L2 gets a virtualization exception instead.
 */
static bool find_exit(struct vcpu *vcpu, const struct ept12_result *res, u64 gpa, u32 access,
		      u64 gla, u64 info, struct l2_exit *x)
{
	struct nested *n = vcpu->nested;
	u32 cause = ABYME_FAULT_VIOLATION;

	*x = (struct l2_exit){ .gpa = gpa, .gla = gla };
	switch (res->outcome) {
	case EPT12_VIOLATION:
		x->reason = EXIT_EPT_VIOLATION;
		x->qual = res->qual | info;
		if (!res->suppress_ve && unlikely(vmcs12_proc2(n->v) & PROC2_EPT_VE) &&
		    raise_ve(vcpu, x)) {
			watch_fault(n, ABYME_FAULT_VE);
			return false;
		}
		n->answered.gpa = gpa;
		n->answered.access = access;
		n->answered.root = n->v->ept_pointer & ROLE_BITS;
		break;
	case EPT12_LOG_FULL:
		*x = (struct l2_exit){ .reason = EXIT_PML_FULL, .qual = info & EPTQ_NMI_UNBLOCK };
		cause = ABYME_FAULT_LOG_FULL;
		break;
	default: x->reason = EXIT_EPT_MISCONFIG; cause = ABYME_FAULT_MISCONFIG;
	}
	watch_fault(n, cause);
	return true;
}

/* Which rights an access needs. @qual: EPTQ_*. SDM: "Mode-Based Execute Control for EPT". */
static u32 rights_needed(const struct nested *n, u64 qual)
{
	bool user = (qual & EPTQ_FINAL) && (qual & EPTQ_USER_PAGE);

	if ((qual & EPTQ_FETCH) && user && (vmcs12_proc2(n->v) & PROC2_MODE_EXEC))
		return EPTE_XU;
	return qual & EPTQ_ACCESS;
}

/* The rights that L2's access needs, whether it is to a page or to a page table in a walk. */
static u32 access_of(const struct nested *n, u64 qual)
{
	u32 access = rights_needed(n, qual);

	/* With accessed and dirty flags a walk of L2's page tables is a write. */
	if ((n->v->ept_pointer & EPTP_AD) && (qual & EPTQ_LINEAR_VALID) && !(qual & EPTQ_FINAL))
		access |= EPTE_W;
	return access;
}

/* Translates for userspace: without accessed and dirty flags a walk leaves no trace. */
static int ept02_peek(struct vcpu *vcpu, u64 gpa, u32 access, u64 *l1_gpa)
{
	const struct ept12_mem mem = { vcpu, ept02_read_entry, ept02_update_entry };
	struct ept12 ept = ept02_describe(vcpu);
	struct ept12_result res;

	ept.eptp &= ~(u64)EPTP_AD;
	ept12_walk(&ept, &mem, l2_gpa(gpa), rights_needed(vcpu->nested, access), &res);
	*l1_gpa = l1_addr(res.gpa);
	return res.outcome == EPT12_OK ? 0 : -EFAULT;
}

/*
 * Translates for L0, which emulates for L2. Return: 0; -EAGAIN: L2 is to repeat the access, or
 * L1 is owed an exit; -EFAULT, with GPA_PEEK in @access only: EPT12 does not translate it.
 */
int ept02_translate(struct vcpu *vcpu, u64 l2_gpa, u64 linear, u32 access, u64 *gpa)
{
	u32 info = EPTQ_LINEAR_VALID | EPTQ_FINAL, needed;
	struct ept12_result res;
	struct l2_exit x;

	if (access & GPA_PEEK)
		return ept02_peek(vcpu, l2_gpa, access, gpa);
	if (vcpu->nested->caps.ept_vpid & EPTCAP_EXIT_INFO)
		info |= EPTQ_USER_PAGE | EPTQ_WRITE_PAGE | EPTQ_NX_PAGE;
	needed = access_of(vcpu->nested, access);
	ept02_walk(vcpu, l2_gpa, needed, &res);
	if (res.outcome == EPT12_OK) {
		*gpa = l1_addr(res.gpa);
		return 0;
	}
	if (res.outcome != EPT12_AGAIN &&
	    find_exit(vcpu, &res, l2_gpa, needed, linear, access & info, &x))
		l2_owe_exit(vcpu, &x);
	return -EAGAIN;
}

/* --- faults ------------------------------------------------------------- */

/* A fault of L2's on its way into a root. */
struct ept02_fault {
	struct ept02_root *root;
	u64 gpa;    /* what L2 calls physical */
	u32 access; /* EPTE_RWX, EPTE_XU */
	struct ept12_result res;
};

/* EPT02's rights for the page: those of EPT12, or fewer. @writable: L1's memory may be written. */
static u32 rights_for(const struct ept02_fault *f, bool writable)
{
	u32 rights = f->res.rights;

	/* A page that is clean in EPT12 must fault on the first write. */
	if (!writable || !f->res.dirty)
		rights &= ~(u32)EPTE_W;
	return rights;
}

/*
 * Is L1's APIC-access page in the same 2 MiB? The processor virtualizes accesses to it only if a
 * 4 KiB page maps it. SDM: "Virtualizing APIC Accesses".
 */
static bool holds_apic_page(const struct nested *n, u64 l1_gpa)
{
	return n->cur->apic_access.gpa != NO_GPA && !((l1_gpa ^ n->cur->apic_access.gpa) >> 21);
}

static bool may_be_large(struct vcpu *vcpu, const struct ept02_fault *f)
{
	return f->res.level > 1 && !holds_apic_page(vcpu->nested, l1_addr(f->res.gpa));
}

/*
 * Notes that the root maps @count frames of L1's from @gfn on. Context:
 * vm->mem.lock held.
 */
static void ept02_widen(struct vm *vm, struct ept02_root *root, u64 gfn, u64 count)
{
	if (!root_maps(root))
		vm->mem.l2_roots++;
	root->filled = ++vm->mem.l2_fills;
	root->first_gfn = min(root->first_gfn, gfn);
	root->end_gfn = max(root->end_gfn, gfn + count);
}

/* Does what ept02_widen() does, in the slot as well. Context: vm->mem.lock and srcu held. */
static void note_range(struct vm *vm, struct ept02_root *root, const struct mem_slot *slot, u64 gfn,
		       u64 count)
{
	mem_note_l2(slot, gfn, count);
	ept02_widen(vm, root, gfn, count);
}

/* Maps a page near the one that faulted, if the host has it present: nothing sleeps or faults. */
static void map_neighbour(struct vcpu *vcpu, struct ept02_root *root, u64 gpa, u64 l1_gpa,
			  u32 rights)
{
	struct mem_fault mem = { .gfn = l1_gpa >> PAGE_SHIFT, .prefill = true, .small = true };
	u64 pfn;

	if (mem_fault_in(vcpu->vm, &mem))
		return;
	if (!mem.writable)
		rights &= ~(u32)EPTE_W;
	/* In a logged slot the first write to a page must fault, as that is how it is logged. */
	mem.writable = false;
	pfn = mem.pfn;
	mem_lock(&vcpu->vm->mem);
	if (root->ept.root && !mem_fault_stale(vcpu->vm, &mem)) {
		note_range(vcpu->vm, root, mem.slot, mem.gfn, 1);
		ept_map_absent(&root->ept, gpa, &pfn, 1, rights | EPT_ACCESSED);
	}
	mem_unlock(&vcpu->vm->mem);
}

static u64 first_of_group(const struct ept02_fault *f)
{
	return ALIGN_DOWN(f->gpa, PREFILL * PAGE_SIZE);
}

/*
 * Maps neighbours where EPT12 has a large page, which says where all of them are. @absent: a bit
 * for each that EPT02 lacks.
 */
static void prefill_large(struct vcpu *vcpu, const struct ept02_fault *f, unsigned long absent)
{
	u64 delta = l1_addr(f->res.gpa) - f->gpa;
	unsigned int i;

	for_each_set_bit(i, &absent, PREFILL) {
		u64 gpa = first_of_group(f) + i * PAGE_SIZE;

		map_neighbour(vcpu, f->root, gpa, gpa + delta, rights_for(f, true));
	}
}

/*
 * Maps neighbours where EPT12 has small pages. Their entries lie beside the one that was walked
 * to, and one read gets all of them.
 */
static void prefill_small(struct vcpu *vcpu, const struct ept02_fault *f, unsigned long absent)
{
	u64 at = ALIGN_DOWN(l1_addr(f->res.leaf_at), PREFILL * sizeof(u64));
	struct ept12 ept = ept02_describe(vcpu);
	u64 entry[PREFILL];
	l1_gpa_t l1;
	unsigned int i;
	u32 rights;

	if (mem_read_entries(vcpu->vm, at, entry, PREFILL))
		return;
	for_each_set_bit(i, &absent, PREFILL) {
		rights = ept12_neighbour(&ept, &f->res, entry[i], &l1);
		if (rights)
			map_neighbour(vcpu, f->root, first_of_group(f) + i * PAGE_SIZE, l1_addr(l1),
				      rights);
	}
}

/*
 * Maps a page. If that replaces an entry only this vCPU has to flush, as no other walks the root.
 * Context: vm->mem.lock held.
 */
static void map_in_root(struct vcpu *vcpu, const struct ept02_fault *f, u64 hpa, int level,
			u64 prot)
{
	if (ept_map(&f->root->ept, &vcpu->ept_cache, f->gpa & PAGE_MASK, hpa, level, prot))
		vcpu_request(vcpu, REQ_TLB_FLUSH);
}

static struct mem_fault fault_of(struct vcpu *vcpu, const struct ept02_fault *f)
{
	return (struct mem_fault){
		.gfn = l1_addr(f->res.gpa) >> PAGE_SHIFT,
		.write = f->access & EPTE_W,
		.small = !may_be_large(vcpu, f),
	};
}

/* Maps what @mem found. Context: vm->mem.lock held; @mem is not stale, and the root is there. */
static void map_found(struct vcpu *vcpu, const struct ept02_fault *f, const struct mem_fault *mem)
{
	u64 count = mem->max_level > 1 ? LARGE_PAGES : 1;
	u64 prot = rights_for(f, mem->writable) | EPT_ACCESSED;

	if (f->access & EPTE_W)
		prot |= EPT_DIRTY;
	note_range(vcpu->vm, f->root, mem->slot, ALIGN_DOWN(mem->gfn, count), count);
	map_in_root(vcpu, f, mem->pfn << PAGE_SHIFT, mem->max_level, prot);
}

/*
 * Maps the page if L1's own EPT maps it, which spares the host's page tables. Return: whether it
 * does. Context: srcu read lock held.
 */
static bool map_as_in_l1(struct vcpu *vcpu, const struct ept02_fault *f, struct mem_fault *mem)
{
	struct vm *vm = vcpu->vm;
	bool found = false;

	if (!vcpu->at_once)
		mem_lock(&vm->mem);
	else if (!mem_trylock(&vm->mem))
		return false;
	/* If the root was dropped meanwhile L2 faults once more, and gets a new one. */
	if (f->root->ept.root && mem_fault_mapped(vm, mem)) {
		map_found(vcpu, f, mem);
		found = true;
	}
	mem_unlock_atomic(&vm->mem);
	return found;
}

/*
 * *@absent becomes the neighbours that EPT02 lacks; none when the page itself was not mapped.
 * Return: 0, or as mem_fault_touch(). Context: srcu read lock held.
 */
static int map_page(struct vcpu *vcpu, const struct ept02_fault *f, struct mem_fault *mem,
		    unsigned long *absent)
{
	struct vm *vm = vcpu->vm;
	int r;

	*absent = 0;
	r = mem_fault_touch(vm, mem);
	if (r)
		return r;
	mem_lock(&vm->mem);
	if (f->root->ept.root && !mem_fault_stale(vm, mem)) {
		map_found(vcpu, f, mem);
		*absent = ept_absent(&f->root->ept, first_of_group(f), PREFILL);
	}
	mem_unlock(&vm->mem);
	return 0;
}

/* Maps the page and, if that is small, its neighbours. Return: as map_page(). */
static int map_group(struct vcpu *vcpu, struct ept02_fault *f)
{
	struct mem_fault mem = fault_of(vcpu, f);
	unsigned long absent;
	int r = map_page(vcpu, f, &mem, &absent);

	if (!absent)
		return r;
	if (f->res.level > 1)
		prefill_large(vcpu, f, absent);
	else
		prefill_small(vcpu, f, absent);
	return r;
}

/* Is the fault at L1's APIC-access page, for which L1 has no memory and a stand-in serves? */
static bool is_stand_in(const struct nested *n, const struct ept02_fault *f)
{
	return !((l1_addr(f->res.gpa) ^ n->apic_stands_in) >> PAGE_SHIFT);
}

/* Maps the stand-in for L1's APIC-access page. L2 sees nothing of it: accesses are virtualized. */
static void map_stand_in(struct vcpu *vcpu, struct ept02_fault *f)
{
	struct nested *n = vcpu->nested;
	struct vm *vm = vcpu->vm;

	mem_lock(&vm->mem);
	if (f->root->ept.root) {
		ept02_widen(vm, f->root, n->apic_stands_in >> PAGE_SHIFT, 1);
		map_in_root(vcpu, f, n->cur->apic_access.hpa, 1,
			    rights_for(f, true) | EPT_ACCESSED | EPT_DIRTY);
	}
	mem_unlock(&vm->mem);
}

/* Counts why EPT02 was filled. @r: what map_group() answered. */
static void note_refill(struct vcpu *vcpu, int r)
{
	bool had_entry = vcpu_exit_qual(vcpu) & EPTQ_RIGHTS;

	if (r == -ENOENT || r == -EROFS)
		watch_fault(vcpu->nested, ABYME_FAULT_DEVICE);
	else if (r)
		watch_fault(vcpu->nested, ABYME_FAULT_AGAIN);
	else
		watch_fault(vcpu->nested, had_entry ? ABYME_FAULT_UPGRADED : ABYME_FAULT_FILLED);
}

/* EPT12 allows the access and EPT02 lacked it: maps it, or emulates a device of L1's. */
static int ept02_refill(struct vcpu *vcpu, struct ept02_fault *f)
{
	struct vm_mem *mem = &vcpu->vm->mem;
	int idx, r;

	vcpu->stats.ept02_faults++;
	r = mem_reserve_tables(vcpu);
	if (r)
		return r;
	if (unlikely(is_stand_in(vcpu->nested, f))) {
		map_stand_in(vcpu, f);
		return 1;
	}
	idx = mem_read_lock(mem);
	r = map_group(vcpu, f);
	mem_read_unlock(mem, idx);
	if (unlikely(vcpu->watched))
		note_refill(vcpu, r);
	if (r == -ENOENT || r == -EROFS)
		return mmio_emulate(vcpu, l1_addr(f->res.gpa));
	return r && r != -EAGAIN ? r : 1;
}

/*
 * Maps the page of an answered EPT violation in EPT02. With interrupts off that works for a small
 * page that L1's EPT has, as it does once L1 has written to it. Return: false: it has to be done
 * with interrupts on.
 */
static bool map_answered(struct vcpu *vcpu, struct ept02_fault *f)
{
	struct nested *n = vcpu->nested;
	struct mem_fault mem;
	unsigned long absent;
	bool mapped;
	int idx;

	if (!f->root || f->root->eptp12 != n->answered.root || !l1_uses_ept(n))
		return true;
	walk_ept12(vcpu, f->gpa, f->access, true, &f->res);
	if (f->res.outcome == EPT12_NO_MEMORY)
		return false;
	if (f->res.outcome != EPT12_OK || is_stand_in(n, f))
		return true;
	mem = fault_of(vcpu, f);
	mem.prefill = true;
	if (vcpu->at_once ? !mem.small || !mem_tables_at_hand(vcpu) : mem_reserve_tables(vcpu))
		return false;
	idx = mem_read_lock(&vcpu->vm->mem);
	mapped = mem.small ? map_as_in_l1(vcpu, f, &mem) : !map_page(vcpu, f, &mem, &absent);
	mem_read_unlock(&vcpu->vm->mem, idx);
	if (mapped)
		watch_fault(n, ABYME_FAULT_ANSWERED);
	return true;
}

bool ept02_map_answered(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct ept02_fault f = {
		.root = n->current_root,
		.gpa = n->answered.gpa,
		.access = n->answered.access,
	};

	if (!map_answered(vcpu, &f) && vcpu->at_once)
		return false;
	n->answered.gpa = NO_GPA;
	return true;
}

#define QUAL_FROM_CPU                                                                       \
	(EPTQ_LINEAR_VALID | EPTQ_FINAL | EPTQ_USER_PAGE | EPTQ_WRITE_PAGE | EPTQ_NX_PAGE | \
	 EPTQ_NMI_UNBLOCK)

/*
 * Handles an EPT violation of L2. The walk of EPT12 says whether L1 gets it. Return: as an exit
 * handler. May sleep, unless vcpu->at_once: then what is L1's goes to L1, if EPT12 can be read
 * without sleep, and anything else is EXIT_LATER. Tour, stop 12.
 */
int ept02_violation(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u64 qual = vcpu_exit_qual(vcpu);
	struct ept02_fault f;
	struct l2_exit x;

	f.root = n->current_root;
	f.gpa = vmread(VMCS_GUEST_PHYS_ADDR);
	f.access = access_of(n, qual);
	if (vcpu->at_once) {
		walk_ept12(vcpu, f.gpa, f.access, true, &f.res);
		if (f.res.outcome != EPT12_VIOLATION && f.res.outcome != EPT12_MISCONFIG)
			return EXIT_LATER;
	} else {
		ept02_walk(vcpu, f.gpa, f.access, &f.res);
	}
	if (f.res.outcome == EPT12_AGAIN) {
		watch_fault(n, ABYME_FAULT_AGAIN);
		return 1;
	}
	if (f.res.outcome != EPT12_OK)
		return find_exit(vcpu, &f.res, f.gpa, f.access, vmread(VMCS_GUEST_LINEAR_ADDR),
				 qual & QUAL_FROM_CPU, &x)
			       ? l2_leave(vcpu, &x)
			       : 1;
	/* L2's IRET had unblocked NMIs before it faulted. It runs again, so they are blocked again. */
	if ((qual & EPTQ_NMI_UNBLOCK) && !(vcpu->idt_vectoring & INTR_VALID))
		inject_set_nmi_masked(vcpu, true);
	timer_unmoved(vcpu);
	return ept02_refill(vcpu, &f);
}

bool nested_on_ept02(struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;

	if (!n->current_root)
		watch_fault(n, ABYME_FAULT_L1_MEMORY);
	return n->current_root;
}
