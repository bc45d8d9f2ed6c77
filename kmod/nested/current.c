// SPDX-License-Identifier: GPL-2.0-only
/*
 * The current VMCS: L0's snapshot of it, taken from L1's memory by VMPTRLD and
 * written back when it ceases to be current.
 * Tour, stop 9. The VMX instructions and the saved state come here.
 *
 * What a reader must know: L1's memory is read once, into n->spare, judged
 * there, and becomes n->v. While it is current nothing in L1's memory is looked
 * at, but the revision and the abort indicator, which L0 never holds.
 *
 * It also keeps book of what L1 writes (vmcs12_note_write()): what is to be
 * copied to vmcs02, merged, or checked again.
 */
#include "nested/internal.h"

/* Checks of controls look at all controls, and at CR0 for events that are injected. */
static bool for_ctl_checks(const struct vmcs12_field *f)
{
	return f->role == ROLE_MERGE || f->enc == VMCS_GUEST_CR0;
}

/* Fields that the checks of the host state look at. RSP may be anything, and changes often. */
static bool for_host_checks(const struct vmcs12_field *f)
{
	if (f->enc == VMCS_HOST_RSP)
		return false;
	return f->role == ROLE_HOST || f->enc == VMCS_EXIT_CTLS || f->enc == VMCS_ENTRY_CTLS;
}

/* Guest-state checks depend on some controls as well. */
static bool for_guest_checks(const struct vmcs12_field *f)
{
	switch (f->enc) {
	case VMCS_ENTRY_CTLS:
	case VMCS_PROC_CTLS:
	case VMCS_PROC2_CTLS:
	case VMCS_PIN_CTLS: return true;
	/* These change with every entry, and their checks are made at every entry. */
	case VMCS_GUEST_RIP:
	case VMCS_GUEST_RSP:
	case VMCS_GUEST_RFLAGS:
	case VMCS_GUEST_CR3:
	case VMCS_GUEST_INTERRUPTIBILITY:
	case VMCS_GUEST_ACTIVITY:
	case VMCS_GUEST_INTR_STATUS: /* any value is valid */
	case VMCS_GUEST_PREEMPT_TIMER: return false;
	default: return f->role == ROLE_GUEST;
	}
}

/* What the next entry must do again when a field was written; all of it is made at once. */
enum {
	NEEDS_MERGE = BIT(0),
	NEEDS_HOST_CHECKS = BIT(1),
	NEEDS_GUEST_CHECKS = BIT(2),
	NEEDS_CTL_CHECKS = BIT(3),
	IS_PLAIN = BIT(4),
};

static u8 needs[NR_FIELDS];

void current_global_init(void)
{
	unsigned int i;

	for (i = 0; i < NR_FIELDS; i++) {
		const struct vmcs12_field *f = &vmcs12_fields[i];

		needs[i] = (f->role == ROLE_MERGE ? NEEDS_MERGE : 0) |
			   (for_ctl_checks(f) ? NEEDS_CTL_CHECKS : 0) |
			   (for_host_checks(f) ? NEEDS_HOST_CHECKS : 0) |
			   (for_guest_checks(f) ? NEEDS_GUEST_CHECKS : 0) |
			   (vmcs02_field_is_plain(i) ? IS_PLAIN : 0);
	}
}

void vmcs12_note_write(struct nested *n, unsigned int index)
{
	u8 need = needs[index];

	fieldset_add(&n->dirty, index);
	if (need & NEEDS_MERGE)
		n->merge_due = true;
	if (need & NEEDS_CTL_CHECKS)
		n->check_ctls = true;
	if (need & NEEDS_HOST_CHECKS)
		n->check_host = true;
	if (need & NEEDS_GUEST_CHECKS)
		n->check_guest = true;
	if (need & IS_PLAIN)
		n->dirty_plain = true;
}

/* Another VMCS is current: nothing that was done for the one before is of any use. */
static void all_dirty(struct nested *n)
{
	memset(&n->dirty, 0xff, sizeof(n->dirty));
	n->dirty_plain = true;
	n->check_ctls = n->check_host = n->check_guest = true;
	n->merge_due = true;
	n->plain_stale = false;
}

/*
 * Copies plain fields from vmcs02, where they stayed at the last exit. Any VMCS
 * may be current.
 */
void vmcs12_pull_plain(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct vmcs *now = vcpu->vmcs;

	if (!n->plain_stale)
		return;
	if (now != &n->vmcs02)
		vcpu_switch_vmcs(vcpu, &n->vmcs02);
	vmcs02_save_plain(n);
	if (now != &n->vmcs02)
		vcpu_switch_vmcs(vcpu, now);
	n->plain_stale = false;
}

/*
 * Makes the snapshot complete, from vmcs02 while L2 runs, from the shadow VMCS
 * while L1 does.
 */
void vmcs12_sync(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (n->vmcs12_ptr == NO_GPA)
		return;
	if (vcpu->in_l2) {
		vmcs02_save_hot(vcpu);
		if (!n->entering)
			n->v->entry_intr_info &= ~(u32)INTR_VALID; /* it has entered L2 */
	} else {
		shadow_read(vcpu);
	}
	vmcs12_pull_plain(vcpu);
}

/*
 * The revision is L1's to write, also while L0 holds the rest, and the abort
 * indicator an abort's: both stay.
 */
void vmcs12_write_back(struct vcpu *vcpu, u64 ptr, const struct vmcs12 *v)
{
	size_t from = offsetof(struct vmcs12, launch_state);

	/* If L1's memory is gone by now there is nobody to miss it. */
	mem_write(vcpu->vm, ptr + from, v->bytes + from, sizeof(*v) - from);
}

/* @clear: for VMCLEAR, which makes the launch state clear. */
void vmcs12_release(struct vcpu *vcpu, bool clear)
{
	struct nested *n = vcpu->nested;

	if (n->vmcs12_ptr == NO_GPA)
		return;
	vmcs12_sync(vcpu);
	shadow_off(vcpu);
	if (clear)
		n->v->launch_state = VMCS12_CLEAR;
	vmcs12_write_back(vcpu, n->vmcs12_ptr, n->v);
	n->vmcs12_ptr = NO_GPA;
}

void vmcs12_begin(struct vcpu *vcpu, u64 ptr)
{
	struct nested *n = vcpu->nested;

	n->vmcs12_ptr = ptr;
	all_dirty(n);
	shadow_on(vcpu);
}

/*
 * Where there is no memory any more it reads as ones. The revision was judged before, and counts
 * as it was then.
 */
void vmcs12_make_current(struct vcpu *vcpu, u64 ptr, u32 revision)
{
	struct nested *n = vcpu->nested;

	if (ptr != n->vmcs12_ptr) {
		if (ptr == n->shadow12_ptr)
			shadow12_drop(vcpu);
		vmcs12_release(vcpu, false);
		if (mem_read(vcpu->vm, ptr, n->v, sizeof(*n->v)))
			memset(n->v, 0xff, sizeof(*n->v));
		vmcs12_begin(vcpu, ptr);
	}
	n->v->revision = revision;
}
