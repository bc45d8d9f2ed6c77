// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment and descriptor-table registers, between struct kvm_segment and the
 * VMCS. Ioctls, reset and SIPI come here. SDM: "Guest Register State", "Checks
 * on Guest Segment Registers".
 *
 * What a reader must know: the VMCS keeps access rights in a format of its own,
 * with a bit "unusable", which stands for a segment that was loaded with a null
 * selector.
 */
#include <vmx/info.h>

#include "cpu/segments.h"
#include "cpu/vcpu.h"

#define TSS64_BUSY 11u

void vcpu_get_segment(struct vcpu *vcpu, enum segreg seg, struct kvm_segment *out)
{
	u32 ar = vmread(VMCS_SEG_AR(seg));

	memset(out, 0, sizeof(*out));
	out->base = vmread(VMCS_SEG_BASE(seg));
	out->limit = vmread(VMCS_SEG_LIMIT(seg));
	out->selector = vmread(VMCS_SEG_SEL(seg));
	out->unusable = !!(ar & AR_UNUSABLE);
	out->type = ar & AR_TYPE;
	out->s = !!(ar & AR_S);
	out->dpl = ar_dpl(ar);
	/*
	 * A client that loses .unusable on the way still gives the segment back
	 * as not present, which vcpu_set_segment() takes for the same.
	 */
	out->present = !out->unusable;
	out->avl = !!(ar & AR_AVL);
	out->l = !!(ar & AR_L);
	out->db = !!(ar & AR_DB);
	out->g = !!(ar & AR_G);
}

static u32 segment_ar(enum segreg seg, const struct kvm_segment *in)
{
	u32 ar = in->type & AR_TYPE;

	if (in->unusable || !in->present)
		return AR_UNUSABLE;
	ar |= in->s ? AR_S : 0;
	ar |= (in->dpl & 3) << AR_DPL_SHIFT;
	ar |= AR_P;
	ar |= in->avl ? AR_AVL : 0;
	ar |= in->l ? AR_L : 0;
	ar |= in->db ? AR_DB : 0;
	ar |= in->g ? AR_G : 0;
	/* Clients describe the segments after reset as not accessed, which VM entry refuses. */
	if (in->s && seg < SEG_LDTR)
		ar |= 1;
	return ar;
}

void vcpu_set_segment(struct vcpu *vcpu, enum segreg seg, const struct kvm_segment *in)
{
	vmwrite(VMCS_SEG_BASE(seg), in->base);
	vmwrite(VMCS_SEG_LIMIT(seg), in->limit);
	vmwrite(VMCS_SEG_SEL(seg), in->selector);
	vmwrite(VMCS_SEG_AR(seg), segment_ar(seg, in));
}

static void segment_write(enum segreg seg, u16 selector, u64 base, u32 ar)
{
	vmwrite(VMCS_SEG_SEL(seg), selector);
	vmwrite(VMCS_SEG_BASE(seg), base);
	vmwrite(VMCS_SEG_LIMIT(seg), 0xffff);
	vmwrite(VMCS_SEG_AR(seg), ar);
}

/* SDM: "Processor State After Reset". */
void segments_reset(void)
{
	static const enum segreg data[] = { SEG_ES, SEG_SS, SEG_DS, SEG_FS, SEG_GS };
	static const struct kvm_dtable table = { .limit = 0xffff };
	int i;

	segment_write(SEG_CS, 0xf000, 0xffff0000, AR_P | AR_S | 0xb);
	for (i = 0; i < ARRAY_SIZE(data); i++)
		segment_write(data[i], 0, 0, AR_P | AR_S | 0x3);
	segment_write(SEG_LDTR, 0, 0, AR_P | 0x2);
	segment_write(SEG_TR, 0, 0, AR_P | TSS64_BUSY);
	segments_set_gdtr(&table);
	segments_set_idtr(&table);
}

void segments_enter_long_mode(void)
{
	u32 ar = vmread(VMCS_GUEST_TR_AR);

	if ((ar & AR_TYPE) != TSS64_BUSY)
		vmwrite(VMCS_GUEST_TR_AR, (ar & ~AR_TYPE) | TSS64_BUSY);
}

void segments_get_gdtr(struct kvm_dtable *out)
{
	*out = (struct kvm_dtable){
		.base = vmread(VMCS_GUEST_GDTR_BASE),
		.limit = vmread(VMCS_GUEST_GDTR_LIMIT),
	};
}

void segments_set_gdtr(const struct kvm_dtable *in)
{
	vmwrite(VMCS_GUEST_GDTR_BASE, in->base);
	vmwrite(VMCS_GUEST_GDTR_LIMIT, in->limit);
}

void segments_get_idtr(struct kvm_dtable *out)
{
	*out = (struct kvm_dtable){
		.base = vmread(VMCS_GUEST_IDTR_BASE),
		.limit = vmread(VMCS_GUEST_IDTR_LIMIT),
	};
}

void segments_set_idtr(const struct kvm_dtable *in)
{
	vmwrite(VMCS_GUEST_IDTR_BASE, in->base);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, in->limit);
}
