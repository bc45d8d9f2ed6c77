// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmcs02: vmcs12 merged with what L0 insists on. Tour, stop 11. entry.c has the
 * state written, the run loop controls and pages (nested_before_entry()),
 * reflect.c has L2's registers read back.
 *
 * What a reader must know: vmcs02 keeps its fields from one entry to the next. So
 * a register is written if L1 has changed it, controls if L1 or L0 has changed
 * theirs, and pages if they have moved. n->cur->dirty says what L1 wrote; copies
 * in struct l1_vmcs (efer02, dr7_02...) say what vmcs02 holds.
 *
 * Context: the vCPU's thread with the vCPU loaded; vmcs02 current unless it is
 * said otherwise.
 */
#include "cpu/regs.h"
#include "hw/caps.h"
#include "nested/bitmaps.h"
#include "nested/internal.h"
#include "nested/vapic.h"

/*
 * Plain fields: guest state that means in vmcs02 what it means in vmcs12, and
 * which few L1s look at. They are enumerated by ranges of the table.
 */
static const struct {
	u8 first, last;
} plain[] = {
	{ FIELD_GUEST_ES_SEL, FIELD_GUEST_TR_SEL },
	{ FIELD_GUEST_ES_LIMIT, FIELD_GUEST_TR_AR },
	{ FIELD_GUEST_SYSENTER_CS, FIELD_GUEST_SYSENTER_CS },
	{ FIELD_GUEST_ES_BASE, FIELD_GUEST_IDTR_BASE },
	{ FIELD_GUEST_SYSENTER_ESP, FIELD_GUEST_SYSENTER_EIP },
	{ FIELD_GUEST_S_CET, FIELD_GUEST_SSP_TABLE },
};

bool vmcs02_field_is_plain(unsigned int index)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(plain); i++)
		if (index >= plain[i].first && index <= plain[i].last)
			return true;
	return false;
}

/* Copies a field that means the same in vmcs12 and vmcs02. */
static void copy_to_vmcs02(struct nested *n, unsigned int index)
{
	const struct vmcs12_field *f = &vmcs12_fields[index];

	vmwrite(f->enc, vmcs12_get(n->v, f, false));
}

static void write_plain(struct nested *n)
{
	unsigned int i, index;

	for (i = 0; i < ARRAY_SIZE(plain); i++)
		for (index = plain[i].first; index <= plain[i].last; index++)
			if (vmcs12_has(&n->fields, index) && vmcs12_has(&n->cur->dirty, index))
				copy_to_vmcs02(n, index);
	n->cur->dirty_plain = false;
}

static void save_fields(struct l1_vmcs *h, unsigned int first, unsigned int last,
			const struct vmcs12_fieldset *there)
{
	unsigned int index;

	for (index = first; index <= last; index++)
		if (vmcs12_has(there, index) && !vmcs12_has(&h->dirty, index))
			vmcs12_set(h->v, &vmcs12_fields[index], false,
				   vmread(vmcs12_fields[index].enc));
}

/* Reads the plain fields back, but for those that L1 has written since the exit. */
void vmcs02_save_plain(const struct nested *n, struct l1_vmcs *h)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(plain); i++)
		save_fields(h, plain[i].first, plain[i].last, &n->fields);
	if ((vmcs12_proc2(h->v) & PROC2_EPT) && vmcs12_pae(h->v))
		save_fields(h, FIELD_GUEST_PDPTE0, FIELD_GUEST_PDPTE3, &n->fields);
}

/* --- when a vmcs02 is made ---------------------------------------------- */

/*
 * Which words of vmcs02's MSR bitmap can have a bit clear at all: those in
 * which vmcs01's has one. They are few, so that merging is cheap; BITMAP_WORDS
 * is their limit, and what is beyond it exits.
 */
void vmcs02_init_bitmap_words(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	const u64 *l0 = (const u64 *)vcpu->msr_bitmap;
	u16 i;

	memset(n->msr_bitmap02, 0xff, BITMAP_SIZE);
	n->bitmap_words = 0;
	for (i = 0; i < BITMAP_SIZE / sizeof(u64); i++) {
		/* The x2APIC MSRs (4 words for reads, 4 for writes) stay with L0. */
		bool x2apic = i % 256 >= 0x800 / 64 && i % 256 < 0x900 / 64 && i / 128 % 2 == 0;

		if (~l0[i] && !x2apic && n->bitmap_words < BITMAP_WORDS)
			n->bitmap_word[n->bitmap_words++] = i;
	}
}

void vmcs02_setup(struct nested *n, struct l1_vmcs *h)
{
	struct vmcs *vmcs = &h->vmcs02;
	int i;

	/* The fields of a cleared VMCS hold anything: each that may be used is written once. */
	for (i = 0; i < NR_VMCS_CTLS; i++)
		vmwrite(vmcs_ctl_field[i], vmcs->ctl[i]);
	vmwrite(VMCS_CR3_TARGET_COUNT, 0);
	vmwrite(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmwrite(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	vmwrite(VMCS_LINK_POINTER, NO_GPA);
	vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	vmwrite(VMCS_MSR_BITMAP, __pa(n->msr_bitmap02));
	vmwrite(VMCS_TPR_THRESHOLD, 0);
	if (n->vpid02)
		vmwrite(VMCS_VPID, n->vpid02);
	if (ctl_may(hw_caps.proc2, PROC2_ENCLS))
		vmwrite(VMCS_ENCLS_BITMAP, ~0ULL);
	if (hw_has_xsaves())
		vmwrite(VMCS_XSS_BITMAP, 0);
	/* Each VMFUNC exits: L0 does what L1 allows. */
	if (ctl_may(hw_caps.proc2, PROC2_VMFUNC))
		vmwrite(VMCS_VMFUNC_CTLS, 0);
	cet_reset_vmcs();
	host_write_constant(vmcs);
	h->efer02 = h->pat02 = h->eptp02 = ~0ULL;
	h->dr7_02 = DR7_UNKNOWN;
	h->cr0_kept02 = ~0UL;
	h->debugctl02 = ~0ULL;
}

/* --- registers ---------------------------------------------------------- */

static __always_inline bool is_dirty(const struct l1_vmcs *h, unsigned int index)
{
	return vmcs12_has(&h->dirty, index);
}

static u64 l2_efer(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vcpu->nested->v;
	bool lma = v->entry_ctls & ENTRYC_GUEST_64;
	u64 efer = vcpu->efer;

	if (v->entry_ctls & ENTRYC_LOAD_EFER)
		return v->guest_efer;
	/*
	 * If the entry does not load EFER, LMA follows the control "IA-32e mode guest", and so does
	 * LME if paging is on. SDM: "Loading Guest Control Registers, Debug Registers, and MSRs".
	 */
	efer = lma ? efer | EFER_BIT_LMA : efer & ~EFER_BIT_LMA;
	if (v->guest_cr0 & CR0_PG)
		efer = lma ? efer | EFER_BIT_LME : efer & ~EFER_BIT_LME;
	return efer;
}

static void write_efer_pat(struct vcpu *vcpu)
{
	struct l1_vmcs *h = vcpu->nested->cur;
	const struct vmcs12 *v = h->v;

	vcpu->efer = l2_efer(vcpu);
	if (h->efer02 != vcpu->efer)
		vmwrite(VMCS_GUEST_EFER, vcpu->efer);
	h->efer02 = vcpu->efer;
	if (v->entry_ctls & ENTRYC_LOAD_PAT)
		vcpu->msrs.pat = v->guest_pat;
	if (h->pat02 != vcpu->msrs.pat)
		vmwrite(VMCS_GUEST_PAT, vcpu->msrs.pat);
	h->pat02 = vcpu->msrs.pat;
}

/*
 * Masks and shadows join L0's owned bits with L1's (regs_update_masks()). CD
 * and NW are kept, as a VM entry does not change them.
 */
static void write_crs(struct vcpu *vcpu)
{
	struct l1_vmcs *h = vcpu->nested->cur;
	const struct vmcs12 *v = h->v;
	unsigned long kept = vcpu->cr0 & CR0_KEPT;

	vcpu->cr0 = (v->guest_cr0 & ~CR0_KEPT) | kept;
	vcpu->cr4 = v->guest_cr4;
	vcpu->cr0_l1 = (struct cr_intercept){ .mask = v->cr0_mask, .shadow = v->cr0_shadow };
	vcpu->cr4_l1 = (struct cr_intercept){ .mask = v->cr4_mask, .shadow = v->cr4_shadow };
	if (is_dirty(h, FIELD_GUEST_CR0) || is_dirty(h, FIELD_GUEST_CR4) ||
	    is_dirty(h, FIELD_CR0_MASK) || is_dirty(h, FIELD_CR4_MASK) ||
	    is_dirty(h, FIELD_CR0_SHADOW) || is_dirty(h, FIELD_CR4_SHADOW) ||
	    h->cr0_kept02 != kept) {
		regs_update_masks(vcpu);
		h->cr0_kept02 = kept;
		h->cr0_owned02 = vcpu->cr0_owned;
		h->cr4_owned02 = vcpu->cr4_owned;
	}
	vcpu->cr0_owned = h->cr0_owned02;
	vcpu->cr4_owned = h->cr4_owned02;
}

/* Bit 10 is 1, bits 12 and 15:14 are 0 after an entry, whatever the field says. */
static unsigned long dr7_entered(unsigned long dr7)
{
	return (dr7 & ~0xd000ul) | DEBUG_DR7_INIT;
}

/* Notes DR7 and DEBUGCTL of vmcs02: as unknown if a debugger has its own values there. */
static void note_debug(struct nested *n)
{
	const struct vcpu_debug *d = &n->vcpu->debug;

	n->cur->dr7_02 = d->control ? DR7_UNKNOWN : d->dr7;
	n->cur->debugctl02 = d->control ? ~0ULL : d->ctl;
}

static void write_debug(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct vcpu_debug *d = &vcpu->debug;
	unsigned long old = d->dr7;

	if (n->v->entry_ctls & ENTRYC_LOAD_DEBUG) {
		d->dr7 = dr7_entered(n->v->guest_dr7);
		d->ctl = n->v->guest_debugctl;
	}
	if (n->cur->dr7_02 == d->dr7 && old == d->dr7 && n->cur->debugctl02 == d->ctl)
		return;
	note_debug(n);
	debug_update(vcpu);
}

/*
 * An entry or exit that does not load CET's state leaves it as it is, so @cet carries it from one
 * VMCS to the other. If CET was never used all of the VMCSs hold 0.
 */
static const u16 cet_fields[] = { VMCS_GUEST_S_CET, VMCS_GUEST_SSP, VMCS_GUEST_SSP_TABLE };

void cet_read_fields(struct cet_carry *cet)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cet_fields); i++)
		cet->value[i] = vmread(cet_fields[i]);
}

void cet_write_fields(const struct cet_carry *cet)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cet_fields); i++)
		vmwrite(cet_fields[i], cet->value[i]);
}

/* L1's offset for L2 is added to what L0 adds for L1; clock_write_vmcs() joins them. */
static void write_tsc(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vcpu->nested->v;
	struct vcpu_clock *c = &vcpu->clock;

	/* Without TSC offsetting there is no scaling either. */
	if (v->proc_ctls & PROC_TSC_OFFSET) {
		c->l2_offset = v->tsc_offset;
		if (vmcs12_proc2(v) & PROC2_TSC_SCALING)
			c->l2_ratio = v->tsc_multiplier;
	}
	clock_write_vmcs(vcpu);
}

static __always_inline void write_dirty(struct nested *n, unsigned int index)
{
	if (is_dirty(n->cur, index))
		copy_to_vmcs02(n, index);
}

/*
 * Hot fields are saved at each exit, so here only those are written that L1 has
 * changed.
 */
static void write_hot(struct nested *n)
{
	write_dirty(n, FIELD_GUEST_RIP);
	write_dirty(n, FIELD_GUEST_RSP);
	write_dirty(n, FIELD_GUEST_RFLAGS);
	write_dirty(n, FIELD_GUEST_CR3);
	write_dirty(n, FIELD_GUEST_INTERRUPTIBILITY);
	write_dirty(n, FIELD_GUEST_PENDING_DBG);
	if (vmcs12_has(&n->fields, FIELD_GUEST_INTR_STATUS))
		write_dirty(n, FIELD_GUEST_INTR_STATUS);
}

/*
 * L1's own DR7 and DEBUGCTL are noted first: at the exit load_debug() compares
 * with them.
 */
void vmcs02_write_state(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	n->dr7_01 = vcpu->debug.dr7;
	n->debugctl01 = vcpu->debug.ctl;
	write_hot(n);
	if (n->cur->dirty_plain)
		write_plain(n);
	write_efer_pat(vcpu);
	write_crs(vcpu);
	write_debug(vcpu);
	write_tsc(vcpu);
	memset(&n->cur->dirty, 0, sizeof(n->cur->dirty));
}

/*
 * L0 may have written registers of L2, by emulation or for userspace. Notes their values as those
 * that vmcs02 holds.
 */
void vmcs02_note_written(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct l1_vmcs *h = n->cur;

	h->efer02 = vcpu->efer;
	h->pat02 = vcpu->msrs.pat;
	note_debug(n);
	h->cr0_kept02 = vcpu->cr0 & CR0_KEPT;
}

/*
 * vmcs02 always has virtual NMIs, and L2's IRET unblocks those. If to L1 the blocking must stay as
 * the entry found it, L1 sees the bit that vmcs12 had.
 */
static u32 interruptibility_of_l2(const struct vmcs12 *v)
{
	u32 block = vmread(VMCS_GUEST_INTERRUPTIBILITY);

	if (vmcs12_nmi_blocking_stays(v))
		block = (block & ~IRQBLK_NMI) | (v->guest_interruptibility & IRQBLK_NMI);
	return block;
}

/*
 * Saves IA-32e mode as L2 has left it. If that changed, the checks are due again: they have passed
 * for the mode in which L2 was entered.
 */
static void save_mode(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u32 mode = vcpu->efer & EFER_BIT_LMA ? ENTRYC_GUEST_64 : 0;

	if (!((n->v->entry_ctls ^ mode) & ENTRYC_GUEST_64))
		return;
	n->v->entry_ctls ^= ENTRYC_GUEST_64;
	n->cur->check_host = n->cur->check_guest = true;
}

void vmcs02_save_hot(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct vmcs12 *v = n->v;

	if (unlikely(vcpu->debug.control))
		debug_end_step(vcpu);
	v->guest_rip = vcpu_rip(vcpu);
	v->guest_rsp = vcpu_gpr(vcpu, GPR_RSP);
	v->guest_rflags = vcpu_rflags(vcpu);
	v->guest_cr0 = vcpu_cr0(vcpu);
	v->guest_cr3 = vcpu_cr3(vcpu);
	v->guest_cr4 = vcpu_cr4(vcpu);
	v->guest_cs_ar = vmread(VMCS_GUEST_CS_AR);
	v->guest_ss_ar = vmread(VMCS_GUEST_SS_AR);
	v->guest_interruptibility = interruptibility_of_l2(v);
	v->guest_pending_dbg = vmread(VMCS_GUEST_PENDING_DBG);
	v->guest_activity = n->activity;
	save_mode(vcpu);
	if (v->exit_ctls & EXITC_SAVE_EFER)
		v->guest_efer = vcpu->efer;
	if (v->exit_ctls & EXITC_SAVE_PAT)
		v->guest_pat = vmread(VMCS_GUEST_PAT);
	if (v->exit_ctls & EXITC_SAVE_DEBUG) {
		v->guest_dr7 = vcpu->debug.dr7;
		v->guest_debugctl = vcpu->debug.ctl;
	}
	if (v->exit_ctls & EXITC_SAVE_PREEMPT_TIMER)
		v->guest_preempt_timer = timer_remaining(n);
	if (vmcs12_proc2(v) & PROC2_VIRT_INTR)
		v->guest_intr_status = vmread(VMCS_GUEST_INTR_STATUS);
	n->cur->plain_stale = true;
}

/* --- controls and pages ------------------------------------------------- */

/*
 * Resolves L1's page at @gpa for vmcs02. If L1 has no memory there the stand-in @instead is used,
 * as the processor needs some page. It begins as ones, and L2 may write to it. Return: 0, -EINTR.
 * May sleep.
 */
static int vmcs02_resolve(struct vcpu *vcpu, bool used, u64 gpa, bool write, struct mem_page *page,
			  u8 *instead)
{
	u64 epoch = READ_ONCE(vcpu->vm->mem.epoch);
	int r;

	if (!used)
		page->gpa = NO_GPA;
	if (!used || (page->gpa == gpa && mem_page_valid(vcpu->vm, page)))
		return 0;
	r = mem_page_resolve(vcpu->vm, gpa, write, page);
	if (r != -EFAULT)
		return r;
	memset(instead, 0xff, PAGE_SIZE);
	*page = (struct mem_page){
		.gpa = gpa,
		.hpa = __pa(instead),
		.kva = instead,
		.epoch = epoch,
		.writable = true,
	};
	return 0;
}

/* If a stand-in serves as L1's APIC-access page, or did, EPT02 has to follow. */
static void follow_apic_access(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	bool stands_in = n->cur->apic_access.gpa != NO_GPA &&
			 n->cur->apic_access.kva == n->no_memory;
	u64 where = stands_in ? n->cur->apic_access.gpa : NO_GPA;

	if (where != n->apic_stands_in)
		ept02_invalidate(vcpu, true, 0, ABYME_FLUSH_EVICTED);
	n->apic_stands_in = where;
}

/* The epoch of the page that was resolved first: once it has passed all are resolved again. */
static u64 oldest_epoch(const struct vcpu *vcpu)
{
	const struct nested *n = vcpu->nested;
	const struct mem_page *const page[] = { &n->cur->virt_apic, &n->cur->apic_access,
						&n->cur->msr_bitmap12 };
	u64 oldest = READ_ONCE(vcpu->vm->mem.epoch);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(page); i++)
		if (page[i]->gpa != NO_GPA)
			oldest = min(oldest, page[i]->epoch);
	return oldest;
}

/* Resolves all pages that vmcs02 names. May sleep. 0, -EINTR. */
static int resolve_pages(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	const struct vmcs12 *v = n->v;
	u8 *never_written = n->no_memory, *of_virt_apic = n->no_memory + PAGE_SIZE;
	int r;

	r = vmcs02_resolve(vcpu, v->proc_ctls & PROC_TPR_SHADOW, v->virt_apic_addr, true,
			   &n->cur->virt_apic, of_virt_apic);
	if (!r)
		r = vmcs02_resolve(vcpu, vmcs12_proc2(v) & PROC2_APIC_ACCESS, v->apic_access_addr,
				   true, &n->cur->apic_access, never_written);
	if (!r)
		r = vmcs02_resolve(vcpu, v->proc_ctls & PROC_MSR_BITMAPS, v->msr_bitmap, false,
				   &n->cur->msr_bitmap12, never_written);
	if (r)
		return r;
	n->cur->pages_epoch = oldest_epoch(vcpu);
	if (n->cur->virt_apic.gpa != NO_GPA)
		vmwrite(VMCS_VIRT_APIC_ADDR, n->cur->virt_apic.hpa);
	if (n->cur->apic_access.gpa != NO_GPA)
		vmwrite(VMCS_APIC_ACCESS_ADDR, n->cur->apic_access.hpa);
	n->bitmap_due = n->cur->msr_bitmap12.gpa != NO_GPA;
	follow_apic_access(vcpu);
	return 0;
}

static void write_ple(const struct vmcs12 *v)
{
	vmwrite(VMCS_PLE_GAP, v->ple_gap);
	vmwrite(VMCS_PLE_WINDOW, v->ple_window);
}

static void write_eoi_bitmaps(struct nested *n)
{
	unsigned int index;

	for (index = FIELD_EOI_BITMAP0; index <= FIELD_EOI_BITMAP3; index++)
		copy_to_vmcs02(n, index);
}

/* Writes the controls that differ (vmcs_ctl_set()), and what those that are on make use of. */
static void write_merged(struct nested *n)
{
	struct vmcs *vmcs = &n->cur->vmcs02;
	const struct merged *m = &n->cur->merged;
	int i;

	for (i = 0; i < NR_VMCS_CTLS; i++)
		vmcs_ctl_set(vmcs, i, m->ctl[i]);
	/* L0 intercepts no page faults, so which of them exit is L1's choice alone. */
	vmwrite(VMCS_PF_ERROR_MASK, n->v->pf_error_mask);
	vmwrite(VMCS_PF_ERROR_MATCH, n->v->pf_error_match);
	if (m->ctl[CTL_PROC1] & PROC_TPR_SHADOW)
		vmwrite(VMCS_TPR_THRESHOLD, m->tpr_threshold);
	if (m->ctl[CTL_PROC2] & PROC2_VIRT_INTR)
		write_eoi_bitmaps(n);
	if (m->ctl[CTL_PROC2] & PROC2_PAUSE_LOOP)
		write_ple(n->v);
	if (m->ctl[CTL_PROC2] & PROC2_XSAVES)
		vmwrite(VMCS_XSS_BITMAP, n->v->xss_bitmap);
}

/*
 * vcpu->gpa_translate while L2 runs. If L0 accesses an operand of L2's on L1's APIC-access page,
 * L1 gets an APIC-access exit. The processor would virtualize some such accesses, but only of 32
 * bits at most, and in 64-bit mode these operands are wider (SDM: "Virtualizing Memory-Mapped APIC
 * Accesses"). In other modes L1 gets an exit all the same.
 */
int l2_translate(struct vcpu *vcpu, u64 l2_gpa, u64 linear, u32 access, u64 *gpa)
{
	struct nested *n = vcpu->nested;
	u32 type = access & EPTQ_WRITE ? APICQ_TYPE_WRITE : APICQ_TYPE_READ;
	struct l2_exit x;
	int r = 0;

	*gpa = l2_gpa;
	if (l1_uses_ept(n))
		r = ept02_translate(vcpu, l2_gpa, linear, access, gpa);
	if (r || !(access & EPTQ_FINAL) || (access & (EPTQ_FETCH | GPA_PEEK)) ||
	    (*gpa ^ n->cur->apic_access.gpa) >> PAGE_SHIFT)
		return r;
	x = (struct l2_exit){ .reason = EXIT_APIC_ACCESS,
			      .qual = (l2_gpa & ~PAGE_MASK) | type << 12 };
	l2_owe_exit(vcpu, &x);
	return -EAGAIN;
}

/* Without EPT12 L2's physical addresses are L1's, so vmcs02 can use L1's own EPT. */
static int select_ept(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u64 eptp;
	int r;

	if (l1_uses_ept(n) || n->apic_stands_in != NO_GPA) {
		r = ept02_select_root(vcpu);
		if (r)
			return r;
		eptp = n->current_root->ept.eptp;
	} else {
		n->current_root = NULL;
		eptp = vcpu->vm->ept.eptp;
	}
	if (n->cur->eptp02 != eptp)
		vmwrite(VMCS_EPT_POINTER, eptp);
	n->cur->eptp02 = eptp;
	return 0;
}

bool vmcs02_lower_threshold(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u32 *threshold = &n->cur->merged.tpr_threshold;
	u8 vtpr;

	if (!*threshold || (n->cur->merged.ctl[CTL_PROC2] & (PROC2_APIC_ACCESS | PROC2_VIRT_INTR)))
		return false;
	if (mem_read(vcpu->vm, n->cur->virt_apic.gpa + VAPIC_TPR, &vtpr, 1))
		vtpr = 0;
	*threshold = min_t(u32, *threshold - 1, vtpr >> 4);
	vmwrite(VMCS_TPR_THRESHOLD, *threshold);
	return true;
}

/*
 * Merges vmcs12's controls with vmcs01's, which are noted for l0_changed(). "IA-32e mode guest"
 * follows the mode that L2 is in, not the one in which L1 entered it.
 */
static void vmcs02_merge(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u32 *ctl = n->cur->merged.ctl;

	memcpy(n->cur->l0_ctl, vcpu->vmcs01.ctl, sizeof(n->cur->l0_ctl));
	merge_controls(n->v, n->cur->l0_ctl, &n->cur->merged);
	ctl[CTL_PROC2] &= ~(u32)PROC2_VPID;
	if (n->vpid02)
		ctl[CTL_PROC2] |= PROC2_VPID;
	if (vcpu->efer & EFER_BIT_LMA)
		ctl[CTL_ENTRY] |= ENTRYC_GUEST_64;
}

/* Makes vmcs02 complete for an entry. May sleep. 0, -ENOMEM, -EINTR. */
int vmcs02_write_controls(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	int r;

	r = resolve_pages(vcpu);
	if (!r)
		r = select_ept(vcpu);
	if (r)
		return r;
	vmcs02_merge(vcpu);
	write_merged(n);
	n->cur->merge_due = false;
	/* The merge has closed the windows that L0 had opened: look for events again. */
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}
