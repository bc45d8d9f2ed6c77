/* SPDX-License-Identifier: GPL-2.0-only */
/* VMCS field encodings, from the table of fields. SDM: "Field Encoding in VMCS". */
#ifndef VMX_VMCS_H
#define VMX_VMCS_H

#include <vmx/types.h>

enum vmcs_enc {
#define F(name, encoding, width, member, offset, role, shadow) VMCS_##name = encoding,
#include <vmx/vmcs_fields.def>
#undef F
};

/* Bits 14:13 of an encoding. */
enum vmcs_width {
	VMCS_WIDTH_U16,
	VMCS_WIDTH_U64,
	VMCS_WIDTH_U32,
	VMCS_WIDTH_NAT,
};

/* Bits 11:10 of an encoding. */
enum vmcs_type {
	VMCS_TYPE_CONTROL,
	VMCS_TYPE_EXIT, /* read-only data */
	VMCS_TYPE_GUEST,
	VMCS_TYPE_HOST,
};

/* Bit 0 selects the upper half of a 64-bit field. */
static inline bool vmcs_enc_high(u32 enc)
{
	return enc & 1;
}

/* Bits 9:1: the index that VMX_VMCS_ENUM speaks of. */
static inline u32 vmcs_enc_index(u32 enc)
{
	return (enc >> 1) & 0x1ff;
}

static inline enum vmcs_type vmcs_enc_type(u32 enc)
{
	return (enum vmcs_type)((enc >> 10) & 3);
}

static inline enum vmcs_width vmcs_enc_width(u32 enc)
{
	return (enum vmcs_width)((enc >> 13) & 3);
}

/*
 * The segments' fields follow one another by segment number (SEG_ES...), so
 * that a segment's field is found by adding 2 for each.
 */
#define VMCS_SEG_SEL(seg) (VMCS_GUEST_ES_SEL + 2 * (seg))
#define VMCS_SEG_LIMIT(seg) (VMCS_GUEST_ES_LIMIT + 2 * (seg))
#define VMCS_SEG_AR(seg) (VMCS_GUEST_ES_AR + 2 * (seg))
#define VMCS_SEG_BASE(seg) (VMCS_GUEST_ES_BASE + 2 * (seg))

#endif
