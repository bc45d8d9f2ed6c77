// SPDX-License-Identifier: GPL-2.0-only
/*
 * L0's snapshots of L1's VMCSs: taken from L1's memory by VMPTRLD, written back
 * by VMCLEAR, and before userspace may look. Tour, stop 9. The VMX instructions
 * and the saved state come here; held.c has the places.
 *
 * What a reader must know: while a VMCS is active, current or not, L0's snapshot
 * is the truth, and L0 reads nothing of it in L1's memory but the revision and the
 * abort indicator, which are not in the snapshot. Once it is cleared L1's memory is
 * the truth, and the snapshot is what was last written there.
 *
 * A saved state has the current VMCS only. So the others are written to memory
 * whenever KVM_RUN returns, when somebody may save the memory.
 *
 * vmcs12_note_write() notes which fields L1 writes: these have to be copied to
 * vmcs02, merged, or checked again.
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

/* What the next entry must do again if L1 has written a field. */
enum {
	NEEDS_MERGE = BIT(0),
	NEEDS_HOST_CHECKS = BIT(1),
	NEEDS_GUEST_CHECKS = BIT(2),
	NEEDS_CTL_CHECKS = BIT(3),
	IS_PLAIN = BIT(4),
};

u8 vmcs12_needs[NR_FIELDS];

void current_global_init(void)
{
	unsigned int i;

	for (i = 0; i < NR_FIELDS; i++) {
		const struct vmcs12_field *f = &vmcs12_fields[i];

		vmcs12_needs[i] = (f->role == ROLE_MERGE ? NEEDS_MERGE : 0) |
				  (for_ctl_checks(f) ? NEEDS_CTL_CHECKS : 0) |
				  (for_host_checks(f) ? NEEDS_HOST_CHECKS : 0) |
				  (for_guest_checks(f) ? NEEDS_GUEST_CHECKS : 0) |
				  (vmcs02_field_is_plain(i) ? IS_PLAIN : 0);
	}
}

void vmcs12_note_needs(struct l1_vmcs *h, u8 need)
{
	if (need & NEEDS_MERGE)
		h->merge_due = true;
	if (need & NEEDS_CTL_CHECKS)
		h->check_ctls = true;
	if (need & NEEDS_HOST_CHECKS)
		h->check_host = true;
	if (need & NEEDS_GUEST_CHECKS)
		h->check_guest = true;
	if (need & IS_PLAIN)
		h->dirty_plain = true;
}

static void all_dirty(struct l1_vmcs *h)
{
	memset(&h->dirty, 0xff, sizeof(h->dirty));
	h->dirty_plain = true;
	h->check_ctls = h->check_host = h->check_guest = true;
	h->merge_due = true;
}

/*
 * Copies plain fields from vmcs02, where they stayed at the last exit. Any VMCS
 * may be current.
 */
void vmcs12_pull_plain(struct vcpu *vcpu, struct l1_vmcs *h)
{
	struct vmcs *now = vcpu->vmcs;

	if (!h->plain_stale)
		return;
	if (now != &h->vmcs02)
		vcpu_switch_vmcs(vcpu, &h->vmcs02);
	vmcs02_save_plain(vcpu->nested, h);
	if (now != &h->vmcs02)
		vcpu_switch_vmcs(vcpu, now);
	h->plain_stale = false;
	if (h->shadow_wide)
		h->shadow_due = true;
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
		shadow_read(vcpu, n->cur);
	}
	vmcs12_pull_plain(vcpu, n->cur);
}

/* The shadow VMCS of @h is active where vmcs01 is, which may be another CPU while L2 runs. */
void vmcs12_settle(struct vcpu *vcpu, struct l1_vmcs *h)
{
	struct vmcs *now = vcpu->vmcs;
	bool fetch = h->shadow_unread && now != &vcpu->vmcs01;

	if (fetch)
		vcpu_switch_vmcs(vcpu, &vcpu->vmcs01);
	shadow_read(vcpu, h);
	if (fetch)
		vcpu_switch_vmcs(vcpu, now);
	vmcs12_pull_plain(vcpu, h);
}

/* --- L1's memory -------------------------------------------------------- */

/* Copies 8 bytes at a time, so that another vCPU that reads meanwhile never finds half a field. */
static void copy_words(void *to, const void *from, size_t bytes)
{
	size_t count = bytes / 8;

	asm volatile("rep movsq" : "+c"(count), "+S"(from), "+D"(to) : : "memory");
}

/*
 * Writes the snapshot to L1's memory, but for the revision, which L1 may write at any time, and
 * the abort indicator. @page: the kernel's address of L1's page if it is at hand, or NULL.
 */
static void write_back(struct vcpu *vcpu, struct l1_vmcs *h, u8 *page)
{
	size_t from = offsetof(struct vmcs12, launch_state);

	if (page) {
		copy_words(page + from, h->v->bytes + from, VMCS12_USED - from);
		h->unsaved = false;
		return;
	}
	/* L1's memory may be gone. While it is, L0 has what was to be written: see held.c. */
	h->unsaved = mem_write(vcpu->vm, h->ptr + from, h->v->bytes + from, VMCS12_USED - from);
	mem_note_use(vcpu, h->ptr, true);
}

static bool is_current(const struct nested *n, const struct l1_vmcs *h)
{
	return n->vmcs12_ptr == h->ptr && n->cur == h;
}

/* @clear: for VMCLEAR, which makes the launch state clear. @page: see write_back(). */
static void release_to(struct vcpu *vcpu, struct l1_vmcs *h, bool clear, u8 *page)
{
	struct nested *n = vcpu->nested;

	if (is_current(n, h)) {
		vmcs12_sync(vcpu);
		shadow_off(vcpu);
		n->vmcs12_ptr = NO_GPA;
		h->unsaved = true;
	} else {
		vmcs12_settle(vcpu, h);
	}
	if (clear)
		h->v->launch_state = VMCS12_CLEAR;
	if (clear || h->unsaved)
		write_back(vcpu, h, page);
	h->active = false;
	if (n->linked == h)
		n->linked = NULL;
}

void vmcs12_release(struct vcpu *vcpu, struct l1_vmcs *h)
{
	release_to(vcpu, h, false, NULL);
}

void vmcs12_release_all(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct l1_vmcs *h;
	int i;

	for_each_held(n, h, i)
		if (h->active)
			vmcs12_release(vcpu, h);
	held_forget(n);
}

void vmcs12_save_others(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct l1_vmcs *h;
	int i;

	for_each_held(n, h, i) {
		if (!h->unsaved || is_current(n, h))
			continue;
		if (h->active)
			vmcs12_settle(vcpu, h);
		write_back(vcpu, h, NULL);
	}
}

/* @h has become the VMCS at @ptr. Everything that was made of the one before is made anew. */
static void made_active(struct l1_vmcs *h, u64 ptr)
{
	h->ptr = ptr;
	h->active = true;
	h->unsaved = false;
	h->was_current = false;
	h->plain_stale = false;
	h->shadow_unread = false;
	h->shadow_lost = true;
	all_dirty(h);
}

bool vmcs12_load(struct vcpu *vcpu, struct l1_vmcs *h, u64 ptr)
{
	bool there = !mem_read(vcpu->vm, ptr, h->v, VMCS12_USED);

	if (!there)
		memset(h->v, 0xff, VMCS12_USED);
	made_active(h, ptr);
	return there;
}

void vmcs12_fill(struct l1_vmcs *h, u64 ptr, const struct vmcs12 *v)
{
	memcpy(h->v, v, VMCS12_SIZE);
	made_active(h, ptr);
}

/* L1 has written the memory of a VMCS that was cleared: takes over what is different. */
static noinline void take_changes(struct l1_vmcs *h, const struct vmcs12 *now)
{
	unsigned int i;

	for (i = 0; i < NR_FIELDS; i++) {
		const struct vmcs12_field *f = &vmcs12_fields[i];

		if (memcmp(now->bytes + f->offset, h->v->bytes + f->offset, f->bytes))
			vmcs12_note_write(h, i);
	}
	memcpy(h->v, now, VMCS12_USED);
	h->shadow_due = true;
}

/*
 * VMPTRLD after VMCLEAR: keeps what was made of the VMCS, but for the fields that L1 has changed
 * in memory. Return: false: that must be done with interrupts on.
 */
static bool load_again(struct vcpu *vcpu, struct l1_vmcs *h)
{
	struct vmcs12 *now = vcpu->nested->spare;

	if (!mem_same_at_hand(vcpu, h->ptr, h->v, VMCS12_USED)) {
		if (vcpu->at_once)
			return false;
		if (mem_read(vcpu->vm, h->ptr, now, VMCS12_USED))
			memset(now, 0xff, VMCS12_USED);
		if (memcmp(now, h->v, VMCS12_USED))
			take_changes(h, now);
	}
	h->active = true;
	return true;
}

/* --- VMPTRLD, VMCLEAR --------------------------------------------------- */

/* No VMCS is current now; the last one stays active, and its shadow VMCS is read when needed. */
static void leave_current(struct nested *n)
{
	if (n->vmcs12_ptr == NO_GPA)
		return;
	n->cur->shadow_unread = n->shadow_on;
	n->cur->unsaved = true;
}

static void switch_current(struct nested *n, struct l1_vmcs *h)
{
	leave_current(n);
	n->cur = h;
	n->v = h->v;
	n->vmcs12_ptr = h->ptr;
	h->was_current = true;
	h->stamp = ++n->held_stamp;
}

void vmcs12_begin(struct vcpu *vcpu, struct l1_vmcs *h)
{
	switch_current(vcpu->nested, h);
	shadow_link(vcpu);
}

/* VMPTRLD with interrupts off, which works for a VMCS that L0 holds and that is complete. */
static bool change_at_once(struct vcpu *vcpu, u64 ptr)
{
	struct nested *n = vcpu->nested;
	struct l1_vmcs *h = held_find(n, ptr);

	if (!h || !h->complete || !shadow_is_ready(n, h) || (!h->active && !load_again(vcpu, h)))
		return false;
	vmcs12_begin(vcpu, h);
	return true;
}

/* VMPTRLD. If the memory has gone since its revision was read it reads as ones. */
static void change_current(struct vcpu *vcpu, u64 ptr)
{
	struct l1_vmcs *h;

	held_follow_slots(vcpu);
	h = held_place(vcpu, ptr, true);
	if (h->ptr != ptr)
		vmcs12_load(vcpu, h, ptr);
	else if (!h->active)
		load_again(vcpu, h);
	vmcs12_begin(vcpu, h);
}

bool vmcs12_make_current(struct vcpu *vcpu, u64 ptr, u32 revision)
{
	struct nested *n = vcpu->nested;

	if (ptr == n->vmcs12_ptr)
		; /* it is current already, and its revision has been checked */
	else if (!vcpu->at_once)
		change_current(vcpu, ptr);
	else if (!change_at_once(vcpu, ptr))
		return false;
	n->v->revision = revision;
	return true;
}

/* VMCLEAR with interrupts off. Return: false: L1's memory is not at hand, or a VMCS elsewhere. */
static bool clear_at_once(struct vcpu *vcpu, struct l1_vmcs *h)
{
	u8 *page;

	if (!h || !h->active || (h->plain_stale && !vmcs_is_here(&h->vmcs02)))
		return false;
	page = mem_at_hand(vcpu, h->ptr);
	if (page)
		release_to(vcpu, h, true, page);
	return page;
}

/* VMCLEAR of a VMCS that is not active only changes the launch state in L1's memory. */
bool vmcs12_clear(struct vcpu *vcpu, u64 ptr)
{
	struct l1_vmcs *h = held_find(vcpu->nested, ptr);
	u32 clear = VMCS12_CLEAR;

	if (vcpu->at_once)
		return clear_at_once(vcpu, h);
	if (h && h->active)
		release_to(vcpu, h, true, NULL);
	else
		mem_write(vcpu->vm, ptr + offsetof(struct vmcs12, launch_state), &clear,
			  sizeof(clear));
	return true;
}
