// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCS shadowing by the processor: L1's VMREAD and VMWRITE of the fields that
 * the table marks go to a shadow VMCS without an exit. It is read at L1's VM
 * entry and written at an exit to L1, where values differ only. Tour, stop 9.
 *
 * Each VMCS of L1's that L0 holds and that was current has a shadow VMCS, and .shadow
 * is a copy of its fields. Without the feature .shadow is NULL, and each VMREAD and
 * VMWRITE exits (vmxinsn.c).
 *
 * Most L1s leave most of L2's state alone, so copying it at each entry and exit
 * would only cost time. But an L1 that runs hypervisors writes all of it again and
 * again, for instance when it gives an exit to its own L1; and some L1s read all of
 * it at each exit. When an L1 shows such a habit its shadow VMCS becomes wide: it
 * gets the fields marked WIDE in the table, too.
 *
 * What a reader must know: a shadow VMCS belongs to vmcs01, is active where
 * vmcs01 is, and is current only between shadow_begin() and shadow_end(), with
 * preemption off. F() below makes one line of code for each field of the table.
 *
 * SDM: "VMCS Link Pointer", "VMREAD and VMWRITE Bitmap Addresses", "VMCS Types:
 * Ordinary and Shadow".
 */
#include <linux/gfp.h>

#include "hw/caps.h"
#include "nested/internal.h"

/* Does the processor, and so a shadow VMCS, have the fields marked RW_VI, RW_PML? */
static bool has_vi, has_pml;

/* 64-bit fields have a second encoding, for their upper half. */
static void shadow_allow(u8 *bitmap, u16 enc)
{
	bitmap[enc / 8] &= ~BIT(enc % 8);
	if (vmcs_enc_width(enc) == VMCS_WIDTH_U64)
		bitmap[(enc + 1) / 8] &= ~BIT((enc + 1) % 8);
}

/* Is a field with @mark shadowed? A wide shadow VMCS also takes writes to fields that L1 reads. */
static bool shadow_shadowed(u8 mark, bool wide, bool write)
{
	switch (mark) {
	case SHADOW_NONE: return false;
	case SHADOW_RO: return wide || !write;
	case SHADOW_WIDE: return wide;
	default: return true;
	}
}

/* A bit that is 1 makes accesses exit: for all but the shadowed fields that L1 was offered. */
static void fill_bitmaps(struct nested *n)
{
	struct vmcs12_fieldset hw;
	unsigned int i;

	memset(n->read_bitmap, 0xff, PAGE_SIZE);
	memset(n->write_bitmap, 0xff, PAGE_SIZE);
	vmcs12_fields_of(&hw_caps, &hw);
	n->bitmaps_wide = n->wide;
	n->bitmap_fields = n->fields;
	for (i = 0; i < NR_FIELDS; i++) {
		const struct vmcs12_field *f = &vmcs12_fields[i];

		if (!vmcs12_has(&hw, i) || !vmcs12_has(&n->fields, i))
			continue;
		if (shadow_shadowed(f->shadow, n->wide, false))
			shadow_allow(n->read_bitmap, f->enc);
		if (shadow_shadowed(f->shadow, n->wide, true))
			shadow_allow(n->write_bitmap, f->enc);
	}
}

/* L0 writes read-only fields into the shadow VMCS, which needs IA32_VMX_MISC[29]. */
static bool shadow_usable(void)
{
	return hw_has_shadow_vmcs() && (hw_caps.misc & MISC_VMWRITE_ANY);
}

void shadow_global_init(void)
{
	has_vi = ctl_may(hw_caps.proc2, PROC2_VIRT_INTR);
	has_pml = ctl_may(hw_caps.proc2, PROC2_PML);
}

/*
 * Context: vmcs01 is current, may sleep. Return: 0, also where there is no
 * shadowing; -ENOMEM.
 */
int shadow_init(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (!shadow_usable())
		return 0;
	n->read_bitmap = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	n->write_bitmap = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!n->read_bitmap || !n->write_bitmap)
		return -ENOMEM;
	fill_bitmaps(n);
	vmwrite(VMCS_VMREAD_BITMAP, __pa(n->read_bitmap));
	vmwrite(VMCS_VMWRITE_BITMAP, __pa(n->write_bitmap));
	return 0;
}

/* Makes the shadow VMCS of @h, whose place is @slot. May sleep. 0 or -ENOMEM, as shadow_init(). */
int shadow_init_one(struct vcpu *vcpu, struct l1_vmcs *h, unsigned int slot)
{
	struct vmcs_region **region = &vcpu->vmcs01.shadow[slot];

	if (!shadow_usable())
		return 0;
	if (!h->shadow)
		h->shadow = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	/* vmcs01 owns the region, which is cleared and freed with vmcs01. */
	if (!*region)
		*region = vmcs_region_cleared(true);
	if (!h->shadow || !*region)
		return -ENOMEM;
	h->shadow_vmcs = *region;
	return 0;
}

void shadow_free(struct nested *n)
{
	free_page((unsigned long)n->read_bitmap);
	free_page((unsigned long)n->write_bitmap);
	n->read_bitmap = n->write_bitmap = NULL;
}

/*
 * Between these two functions VMREAD and VMWRITE go to the shadow VMCS. vmcs01
 * must be active on this CPU, so that both are where they belong.
 *
 * CPU hotplug and suspend run in other threads, which cannot come in between as
 * preemption is off. The IPI of a reboot or the NMI of a crash may, and end VMX
 * operation for good: then each VMX instruction faults into its fixup, and the zeros
 * that are read do not matter, as no guest runs any more.
 */
static void shadow_begin(const struct l1_vmcs *h)
{
	preempt_disable();
	vmcs_load_shadow(h->shadow_vmcs);
}

static void shadow_end(struct vcpu *vcpu)
{
	vmcs_switch(vcpu->vmcs);
	preempt_enable();
}

/* Is a field with @mark, a constant, in every shadow VMCS? */
static __always_inline bool shadow_always(u8 mark)
{
	switch (mark) {
	case SHADOW_RO:
	case SHADOW_RW: return true;
	case SHADOW_RW_VI: return has_vi;
	case SHADOW_RW_PML: return has_pml;
	default: return false;
	}
}

/* Takes what L1 has written to a field. */
#define TAKE(name, member)                                     \
	do {                                                   \
		typeof(s->member) value = vmread(VMCS_##name); \
                                                               \
		if (s->member != value) {                      \
			s->member = value;                     \
			v->member = value;                     \
			vmcs12_note_write(h, FIELD_##name);    \
		}                                              \
	} while (0)

/* Gives L1 a field, unless it has it. */
#define GIVE(name, member)                               \
	do {                                             \
		if (s->member != v->member) {            \
			s->member = v->member;           \
			vmwrite(VMCS_##name, s->member); \
		}                                        \
	} while (0)

/* This is not inlined, as only L1s with the habit come here. Context: the shadow VMCS is loaded. */
static noinline void read_more(struct l1_vmcs *h)
{
	struct vmcs12 *v = h->v, *s = h->shadow;

#define F(name, encoding, width, member, offset, role, shadow)              \
	if (SHADOW_##shadow == SHADOW_RO || SHADOW_##shadow == SHADOW_WIDE) \
		TAKE(name, member);
#include <vmx/vmcs_fields.def>
#undef F
}

/* Takes what L1 has written into the snapshot. Context: the shadow VMCS is loaded. */
static void read_changed(struct l1_vmcs *h)
{
	struct vmcs12 *v = h->v, *s = h->shadow;

#define F(name, encoding, width, member, offset, role, shadow)              \
	if (shadow_always(SHADOW_##shadow) && SHADOW_##shadow != SHADOW_RO) \
		TAKE(name, member);
#include <vmx/vmcs_fields.def>
#undef F
	if (h->shadow_wide)
		read_more(h);
}

/* Is it the shadow VMCS of @h that vmcs01 links, so that L1 writes to it without exits? */
static bool is_linked(const struct nested *n, const struct l1_vmcs *h)
{
	return n->shadow_on && h == n->cur;
}

/*
 * Takes what L1 has written to the shadow VMCS into the snapshot, and notes it
 * as a write of L1's.
 */
void shadow_read(struct vcpu *vcpu, struct l1_vmcs *h)
{
	if (!h->shadow_unread && !is_linked(vcpu->nested, h))
		return;
	shadow_begin(h);
	read_changed(h);
	shadow_end(vcpu);
	h->shadow_unread = false;
}

static noinline void write_more(struct l1_vmcs *h)
{
	const struct vmcs12 *v = h->v;
	struct vmcs12 *s = h->shadow;

#define F(name, encoding, width, member, offset, role, shadow) \
	if (SHADOW_##shadow == SHADOW_WIDE)                    \
		GIVE(name, member);
#include <vmx/vmcs_fields.def>
#undef F
}

/* Writes what differs from the copy. The shadow VMCS is loaded; if it is wide h->v is complete. */
static void write_changed(struct l1_vmcs *h)
{
	const struct vmcs12 *v = h->v;
	struct vmcs12 *s = h->shadow;

#define F(name, encoding, width, member, offset, role, shadow) \
	if (shadow_always(SHADOW_##shadow))                    \
		GIVE(name, member);
#include <vmx/vmcs_fields.def>
#undef F
	if (h->shadow_wide)
		write_more(h);
	h->shadow_due = false;
}

/* Makes the copy differ everywhere, so that everything is written: the contents are not known. */
static void forget_copy(struct l1_vmcs *h)
{
	const struct vmcs12 *v = h->v;
	struct vmcs12 *s = h->shadow;

#define F(name, encoding, width, member, offset, role, shadow) \
	if (SHADOW_##shadow != SHADOW_NONE)                    \
		s->member = ~v->member;
#include <vmx/vmcs_fields.def>
#undef F
}

/* Context: vmcs01 is active on this CPU. */
void shadow_write(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	n->cur->shadow_due = true;
	if (!n->shadow_on)
		return;
	shadow_begin(n->cur);
	write_changed(n->cur);
	shadow_end(vcpu);
}

/*
 * Spares a VMPTRLD by going from vmcs02 to the shadow VMCS to vmcs01, which works while vmcs01 is
 * active on this CPU.
 */
void shadow_write_on_the_way(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct vmcs *vmcs = &vcpu->vmcs01;

	n->cur->shadow_due = true;
	preempt_disable();
	if (n->shadow_on && vmcs->cpu == smp_processor_id()) {
		vcpu_lazy_flush(vcpu);
		vmcs_load_shadow(n->cur->shadow_vmcs);
		write_changed(n->cur);
	}
	vcpu_switch_vmcs(vcpu, vmcs);
	preempt_enable();
}

/* Makes the bitmaps anew if L1's offer, or whether its shadow VMCS is wide, has changed. */
static void follow_bitmaps(struct nested *n)
{
	if (n->bitmaps_wide != n->wide || memcmp(&n->bitmap_fields, &n->fields, sizeof(n->fields)))
		fill_bitmaps(n);
}

bool shadow_is_ready(const struct nested *n, const struct l1_vmcs *h)
{
	return !h->shadow_vmcs || (!h->shadow_lost && h->shadow_wide == n->wide);
}

/*
 * Links the shadow VMCS of L1's current VMCS, with all that L1 may read in it. Context: vmcs01
 * is current; may sleep unless shadow_is_ready().
 */
void shadow_link(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct vmcs *vmcs = &vcpu->vmcs01;
	struct l1_vmcs *h = n->cur;

	if (!h->shadow_vmcs)
		return;
	/* A watch turns shadowing off, and still asks what would be shadowed: shadow_serves(). */
	follow_bitmaps(n);
	if (n->watch & ABYME_WATCH_EXITS)
		return;
	if (h->shadow_lost || h->shadow_wide != n->wide) {
		if (h->shadow_unread)
			shadow_read(vcpu, h);
		vmcs12_pull_plain(vcpu, h);
		h->shadow_wide = n->wide;
		h->shadow_lost = false;
		forget_copy(h);
		h->shadow_due = true;
	}
	vmcs_ctl_set(vmcs, CTL_PROC2, vmcs->ctl[CTL_PROC2] | PROC2_SHADOW_VMCS);
	vmwrite(VMCS_LINK_POINTER, __pa(h->shadow_vmcs));
	n->shadow_on = true;
	if (h->shadow_due)
		shadow_write(vcpu);
}

void shadow_on(struct vcpu *vcpu)
{
	vcpu->nested->cur->shadow_lost = true;
	shadow_link(vcpu);
}

void shadow_off(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct vmcs *vmcs = &vcpu->vmcs01;

	if (!n->shadow_on)
		return;
	vmwrite(VMCS_LINK_POINTER, NO_GPA);
	vmcs_ctl_set(vmcs, CTL_PROC2, vmcs->ctl[CTL_PROC2] & ~PROC2_SHADOW_VMCS);
	n->shadow_on = false;
}

/*
 * If VMREAD or VMWRITE has a memory operand in device memory, and the processor executes it, L0
 * gets an EPT violation that says nothing of the instruction. Decoding it is harder than having it
 * exit as VMREAD or VMWRITE. Return: false: there was no shadowing.
 */
bool nested_unshadow(struct vcpu *vcpu)
{
	if (vcpu->in_l2 || !vcpu->nested->shadow_on)
		return false;
	shadow_read(vcpu, vcpu->nested->cur);
	shadow_off(vcpu);
	return true;
}

void shadow_resume(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (n->shadow_on || vcpu->in_l2 || n->vmcs12_ptr == NO_GPA)
		return;
	/* With interrupts off vmcs02, which may have fields of it, must be here; else another time. */
	if (!vcpu->at_once || nested_is_here(vcpu))
		shadow_on(vcpu);
}

/* What does not exit cannot be counted: shadowing is off while exits are watched. */
void shadow_follow_watch(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	struct vmcs *now = vcpu->vmcs;

	if (!n->ready || n->vmcs12_ptr == NO_GPA)
		return;
	/* While L2 runs, what L1 wrote has been read at its entry. */
	if (!vcpu->in_l2)
		shadow_read(vcpu, n->cur);
	else
		vcpu_switch_vmcs(vcpu, &vcpu->vmcs01);
	if (n->watch & ABYME_WATCH_EXITS)
		shadow_off(vcpu);
	else if (!n->shadow_on)
		shadow_on(vcpu);
	if (vcpu->in_l2)
		vcpu_switch_vmcs(vcpu, now);
}

/* Is L1 offered to write read-only fields? A wide shadow VMCS lets it. */
static bool may_be_wide(const struct nested *n)
{
	return n->cur->shadow && (n->caps.misc & MISC_VMWRITE_ANY);
}

/*
 * Leaky buckets. For each exit of L2 that L1 is given so many accesses to fields marked WIDE are
 * usual: an L1 that decodes an instruction of L2's reads some segments. Accesses beyond that add
 * up. Setting up a VMCS once makes some; only the habit makes ENOUGH.
 */
#define USUAL_WRITES 1
#define ENOUGH_WRITES 1024
#define USUAL_READS 8
#define ENOUGH_READS 256

static bool shadow_overflows(u32 *bucket, u32 usual, u32 enough)
{
	*bucket -= min(*bucket, usual);
	if (likely(*bucket < enough))
		return false;
	*bucket = 0;
	return true;
}

/* Context: after an exit of L2, vmcs01 is current. Once wide it stays so until the next VMXON. */
void shadow_follow_habit(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	bool writes = shadow_overflows(&n->wide_writes, USUAL_WRITES, ENOUGH_WRITES);
	bool reads = shadow_overflows(&n->wide_reads, USUAL_READS, ENOUGH_READS);

	if (likely(!writes && !reads) || n->wide || !may_be_wide(n))
		return;
	n->wide = true;
	if (n->shadow_on)
		shadow_link(vcpu);
}

bool shadow_serves(const struct nested *n, const struct vmcs12_field *f, bool write)
{
	const u8 *bitmap = write ? n->write_bitmap : n->read_bitmap;

	return bitmap && !(bitmap[f->enc / 8] & BIT(f->enc % 8));
}
