/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmcs12: the VMCS that L1 writes for L2, in KVM's memory format, and access to
 * its fields by encoding. Pure. Tour, stop 9.
 *
 * Linux keeps that format stable for migration. So a saved state means the same to KVM and to
 * abyme, and either can use the VMCSs that L1 has left in its memory.
 */
#ifndef NESTED_VMCS12_H
#define NESTED_VMCS12_H

#include <vmx/caps.h>
#include <vmx/controls.h>
#include <vmx/info.h>
#include <vmx/types.h>
#include <vmx/vmcs.h>

/* The revision identifier of KVM's format. */
#define VMCS12_REVISION 0x11e57ed0u
#define VMCS12_SIZE 4096
#define VMCS12_SHADOW BIT(31) /* of the revision word: a shadow VMCS */

enum vmcs12_launch_state {
	VMCS12_CLEAR,
	VMCS12_LAUNCHED,
};

typedef u64 vmcs12_nat;
typedef u16 vmcs12_u16;
typedef u32 vmcs12_u32;
typedef u64 vmcs12_u64;

/* Each field at its own offset, whatever the table's order. */
#define F(name, encoding, width, member, offset, role, shadow) \
	struct {                                               \
		u8 before_##member[offset];                    \
		vmcs12_##width member;                         \
	};
struct vmcs12 {
	union {
		u8 bytes[VMCS12_SIZE];
		struct {
			u32 revision;
			u32 abort;
			u32 launch_state; /* enum vmcs12_launch_state */
		};
#include <vmx/vmcs_fields.def>
	};
};

/* As large as a vmcs12 up to the end of its last field. */
union vmcs12_fields_end {
#include <vmx/vmcs_fields.def>
#undef F
};
#define VMCS12_USED sizeof(union vmcs12_fields_end)

enum vmcs12_role {
	ROLE_MERGE,
	ROLE_GUEST,
	ROLE_HOST,
	ROLE_EXIT,
};

enum vmcs12_shadow {
	SHADOW_NONE,
	SHADOW_RO,
	SHADOW_RW,
	SHADOW_RW_VI,
	SHADOW_RW_PML,
	SHADOW_WIDE,
};

/* The fields' numbers, that is, their places in the table. */
enum vmcs12_index {
#define F(name, encoding, width, member, offset, role, shadow) FIELD_##name,
#include <vmx/vmcs_fields.def>
#undef F
	NR_FIELDS,
};

struct vmcs12_field {
	const char *name;
	u16 enc;
	u16 offset;
	u8 bytes;
	u8 role;   /* enum vmcs12_role */
	u8 shadow; /* enum vmcs12_shadow */
};

extern const struct vmcs12_field vmcs12_fields[NR_FIELDS];

/* The fields that a processor with certain capabilities has. */
struct vmcs12_fieldset {
	u64 bits[(NR_FIELDS + 63) / 64];
};

void vmcs12_fields_of(const struct vmx_caps *caps, struct vmcs12_fieldset *set);

static inline bool vmcs12_has(const struct vmcs12_fieldset *set, unsigned int index)
{
	return set->bits[index / 64] & BIT_ULL(index % 64);
}

static inline void fieldset_add(struct vmcs12_fieldset *set, unsigned int index)
{
	set->bits[index / 64] |= BIT_ULL(index % 64);
}

/*
 * The key of an encoding that has no bit outside of VMCS12_ENC_KNOWN: its width and type, and the
 * low bits of its index.
 */
#define VMCS12_KEY(enc) (((enc) >> 1 & 0x3f) | ((enc) >> 4 & 0x6c0))
#define VMCS12_ENC_KNOWN 0x6c7full
#define VMCS12_KEYS 0x700

/* The field's number plus 1, so that 0 means that there is none. */
extern const u8 vmcs12_index_of_key[VMCS12_KEYS];

/* The field's number plus 1; 0 for an encoding that no row has. Only 64-bit fields have a half. */
static inline unsigned int vmcs12_number(u64 enc)
{
	if (enc & ~VMCS12_ENC_KNOWN ||
	    (vmcs_enc_high(enc) && vmcs_enc_width(enc) != VMCS_WIDTH_U64))
		return 0;
	return vmcs12_index_of_key[VMCS12_KEY((u32)enc)];
}

/*
 * The row of an encoding as VMREAD and VMWRITE take it (all 64 bits count), or
 * NULL for one that no row has.
 */
const struct vmcs12_field *vmcs12_find(u64 enc);

static inline unsigned int vmcs12_field_index(const struct vmcs12_field *f)
{
	return f - vmcs12_fields;
}

/* "VPID", for messages; "?" for an unknown encoding. */
const char *vmcs12_field_name(u64 enc);

/* @high: the upper half of a 64-bit field, for encodings with bit 0 set. */
u64 vmcs12_get(const struct vmcs12 *v, const struct vmcs12_field *f, bool high);
static inline void vmcs12_set(struct vmcs12 *v, const struct vmcs12_field *f, bool high, u64 value)
{
	u8 *at = v->bytes + f->offset;

	if (high)
		*(u32 *)(at + 4) = value;
	else if (f->bytes == 8)
		*(u64 *)at = value;
	else if (f->bytes == 4)
		*(u32 *)at = value;
	else
		*(u16 *)at = value;
}

/* By encoding; 0 for unknown ones. */
u64 vmcs12_read(const struct vmcs12 *v, u32 enc);

/* IA32_VMX_VMCS_ENUM for the fields in @set. */
u64 vmcs12_enum(const struct vmcs12_fieldset *set);

/* Secondary controls; all 0 unless the primary ones activate them. */
static inline u32 vmcs12_proc2(const struct vmcs12 *v)
{
	return v->proc_ctls & PROC_SECONDARY ? v->proc2_ctls : 0;
}

/*
 * Do NMIs exit from L2 without being virtual? Then L2's IRET does not unblock them,
 * and the blocking stays as the entry found it.
 * SDM: "Changes to Instruction Behavior in VMX Non-Root Operation".
 */
static inline bool vmcs12_nmi_blocking_stays(const struct vmcs12 *v)
{
	return (v->pin_ctls & (PIN_NMI_EXITING | PIN_VIRTUAL_NMIS)) == PIN_NMI_EXITING;
}

/* Are NMIs blocked in L1 after L2's exit? Virtual NMIs are blocked for L2 only. */
static inline bool vmcs12_nmis_blocked(const struct vmcs12 *v)
{
	return !(v->pin_ctls & PIN_VIRTUAL_NMIS) && (v->guest_interruptibility & IRQBLK_NMI);
}

#endif
