// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmcs12's fields: the table, made from <vmx/vmcs_fields.def>; the lookup by
 * encoding; which fields exist with which capabilities. Pure logic that
 * compiles in userspace.
 *
 * What a reader must know: a field that no row has does not exist for L1, and
 * VMREAD of it fails with error 12.
 */
#include "nested/vmcs12.h"

_Static_assert(sizeof(struct vmcs12) == VMCS12_SIZE, "vmcs12 is one page");

#define BYTES_u16 2
#define BYTES_u32 4
#define BYTES_u64 8
#define BYTES_nat 8

const struct vmcs12_field vmcs12_fields[NR_FIELDS] = {
#define F(name_, encoding, width, member, offset_, role_, shadow_) \
	[FIELD_##name_] = {                                        \
		.name = #name_,                                    \
		.enc = encoding,                                   \
		.offset = offset_,                                 \
		.bytes = BYTES_##width,                            \
		.role = ROLE_##role_,                              \
		.shadow = SHADOW_##shadow_,                        \
	},
#include <vmx/vmcs_fields.def>
#undef F
};

const u8 vmcs12_index_of_key[VMCS12_KEYS] = {
#define F(name, encoding, width, member, offset, role, shadow) \
	[VMCS12_KEY(encoding)] = FIELD_##name + 1,
#include <vmx/vmcs_fields.def>
#undef F
};

_Static_assert(NR_FIELDS < 255, "field numbers fit a byte");

const struct vmcs12_field *vmcs12_find(u64 enc)
{
	unsigned int number = vmcs12_number(enc);

	return number ? &vmcs12_fields[number - 1] : NULL;
}

const char *vmcs12_field_name(u64 enc)
{
	const struct vmcs12_field *f = vmcs12_find(enc);

	return f ? f->name : "?";
}

u64 vmcs12_get(const struct vmcs12 *v, const struct vmcs12_field *f, bool high)
{
	const u8 *at = v->bytes + f->offset;
	u64 value;

	switch (f->bytes) {
	case 2: value = *(const u16 *)at; break;
	case 4: value = *(const u32 *)at; break;
	default: value = *(const u64 *)at;
	}
	return high ? value >> 32 : value;
}

u64 vmcs12_read(const struct vmcs12 *v, u32 enc)
{
	const struct vmcs12_field *f = vmcs12_find(enc);

	return f ? vmcs12_get(v, f, vmcs_enc_high(enc)) : 0;
}

/*
 * Fields that exist only on processors that allow a certain control to be 1, as the SDM says of
 * each in its appendix "Field Encoding in VMCS". A field with two rows exists if either control
 * may be 1.
 */
struct field_needs {
	u16 first, last; /* enum vmcs12_index, inclusive */
	u16 caps;	 /* offset of a struct vmx_ctl_caps in struct vmx_caps */
	u32 bit;
};

#define NEEDS(first_, last_, caps_, bit_)                                  \
	{                                                                  \
		.first = FIELD_##first_, .last = FIELD_##last_,            \
		.caps = offsetof(struct vmx_caps, caps_), .bit = (u32)bit_ \
	}
#define NEED(name, caps_, bit_) NEEDS(name, name, caps_, bit_)

static const struct field_needs field_needs[] = {
	NEED(VPID, proc2, PROC2_VPID),
	NEED(POSTED_INTR_VECTOR, pin, PIN_POSTED_INTR),
	NEED(POSTED_INTR_DESC, pin, PIN_POSTED_INTR),
	NEED(EPTP_INDEX, proc2, PROC2_EPT_VE),
	NEED(VE_INFO_ADDR, proc2, PROC2_EPT_VE),
	NEED(GUEST_INTR_STATUS, proc2, PROC2_VIRT_INTR),
	NEEDS(EOI_BITMAP0, EOI_BITMAP3, proc2, PROC2_VIRT_INTR),
	NEED(PML_INDEX, proc2, PROC2_PML),
	NEED(PML_ADDR, proc2, PROC2_PML),
	NEED(MSR_BITMAP, proc, PROC_MSR_BITMAPS),
	NEED(VIRT_APIC_ADDR, proc, PROC_TPR_SHADOW),
	NEED(TPR_THRESHOLD, proc, PROC_TPR_SHADOW),
	NEED(APIC_ACCESS_ADDR, proc2, PROC2_APIC_ACCESS),
	NEED(VMFUNC_CTLS, proc2, PROC2_VMFUNC),
	NEED(EPTP_LIST_ADDR, proc2, PROC2_VMFUNC),
	NEED(EPT_POINTER, proc2, PROC2_EPT),
	NEED(GUEST_PHYS_ADDR, proc2, PROC2_EPT),
	NEEDS(GUEST_PDPTE0, GUEST_PDPTE3, proc2, PROC2_EPT),
	NEEDS(VMREAD_BITMAP, VMWRITE_BITMAP, proc2, PROC2_SHADOW_VMCS),
	NEED(XSS_BITMAP, proc2, PROC2_XSAVES),
	NEED(ENCLS_BITMAP, proc2, PROC2_ENCLS),
	NEED(TSC_MULTIPLIER, proc2, PROC2_TSC_SCALING),
	NEED(GUEST_PAT, entry, ENTRYC_LOAD_PAT),
	NEED(GUEST_PAT, exit, EXITC_SAVE_PAT),
	NEED(GUEST_EFER, entry, ENTRYC_LOAD_EFER),
	NEED(GUEST_EFER, exit, EXITC_SAVE_EFER),
	NEED(GUEST_PERF_GLOBAL_CTRL, entry, ENTRYC_LOAD_PERF_GLOBAL),
	NEED(GUEST_BNDCFGS, entry, ENTRYC_LOAD_BNDCFGS),
	NEED(GUEST_BNDCFGS, exit, EXITC_CLEAR_BNDCFGS),
	NEEDS(GUEST_S_CET, GUEST_SSP_TABLE, entry, ENTRYC_LOAD_CET),
	NEEDS(HOST_S_CET, HOST_SSP_TABLE, exit, EXITC_LOAD_CET),
	NEED(HOST_PAT, exit, EXITC_LOAD_PAT),
	NEED(HOST_EFER, exit, EXITC_LOAD_EFER),
	NEED(HOST_PERF_GLOBAL_CTRL, exit, EXITC_LOAD_PERF_GLOBAL),
	NEED(PROC2_CTLS, proc, PROC_SECONDARY),
	NEEDS(PLE_GAP, PLE_WINDOW, proc2, PROC2_PAUSE_LOOP),
	NEED(GUEST_PREEMPT_TIMER, pin, PIN_PREEMPT_TIMER),
};

static bool needs_met(const struct vmx_caps *caps, const struct field_needs *n)
{
	const struct vmx_ctl_caps *ctl = (const void *)((const u8 *)caps + n->caps);

	return ctl_may(*ctl, n->bit);
}

void vmcs12_fields_of(const struct vmx_caps *caps, struct vmcs12_fieldset *set)
{
	const struct field_needs *n, *end = field_needs + ARRAY_SIZE(field_needs);
	unsigned int i;

	memset(set, 0xff, sizeof(*set));
	for (n = field_needs; n < end; n++)
		for (i = n->first; i <= n->last; i++)
			set->bits[i / 64] &= ~BIT_ULL(i % 64);
	for (n = field_needs; n < end; n++)
		for (i = n->first; i <= n->last && needs_met(caps, n); i++)
			fieldset_add(set, i);
}

u64 vmcs12_enum(const struct vmcs12_fieldset *set)
{
	u32 highest = 0;
	unsigned int i;

	for (i = 0; i < NR_FIELDS; i++)
		if (vmcs12_has(set, i))
			highest = max_t(u32, highest, vmcs_enc_index(vmcs12_fields[i].enc));
	return (u64)highest << 1;
}
