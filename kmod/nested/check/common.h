/* SPDX-License-Identifier: GPL-2.0-only */
/* What predicates of the checks have in common, and the machinery of tables. */
#ifndef NESTED_CHECK_COMMON_H
#define NESTED_CHECK_COMMON_H

#include <vmx/cet.h>

#include "nested/check/check.h"

#define CR0_PE BIT_ULL(0)
#define CR0_WP BIT_ULL(16)
#define CR0_PG BIT_ULL(31)
#define CR4_PAE BIT_ULL(5)
#define CR4_PCIDE BIT_ULL(17)
#define CR4_CET BIT_ULL(23)
#define EFER_LME_BIT BIT_ULL(8)
#define EFER_LMA_BIT BIT_ULL(10)
#define RFLAGS_TF BIT_ULL(8)
#define RFLAGS_IF BIT_ULL(9)
#define RFLAGS_VM BIT_ULL(17)

/* Titles of the SDM's sections. */
#define SDM_EXECUTION "VM-Execution Control Fields"
#define SDM_EXIT "VM-Exit Control Fields"
#define SDM_ENTRY "VM-Entry Control Fields"
#define SDM_HOST_REGS "Checks on Host Control Registers, MSRs, and SSP"
#define SDM_HOST_SEGS "Checks on Host Segment and Descriptor-Table Registers"
#define SDM_HOST_SIZE "Checks Related to Address-Space Size"
#define SDM_GUEST_REGS "Checks on Guest Control Registers, Debug Registers, and MSRs"
#define SDM_GUEST_SEGS "Checks on Guest Segment Registers"
#define SDM_GUEST_TABLES "Checks on Guest Descriptor-Table Registers"
#define SDM_GUEST_FLAGS "Checks on Guest RIP, RFLAGS, and SSP"
#define SDM_GUEST_NONREG "Checks on Guest Non-Register State"
#define SDM_GUEST_PDPTES "Checks on Guest Page-Directory-Pointer-Table Entries"
#define SDM_LOADING_MSRS "Loading MSRs"
#define SDM_SAVING_MSRS "Saving MSRs"
#define SDM_VMXON "VMXON - Enter VMX Operation"
#define SDM_VMCLEAR "VMCLEAR - Clear Virtual-Machine Control Structure"
#define SDM_VMPTRLD "VMPTRLD - Load Pointer to Virtual-Machine Control Structure"
#define SDM_VMREAD "VMREAD - Read Field from Virtual-Machine Control Structure"
#define SDM_VMWRITE "VMWRITE - Write Field to Virtual-Machine Control Structure"
#define SDM_VMLAUNCH "VMLAUNCH/VMRESUME - Launch/Resume Virtual Machine"
#define SDM_INVEPT "INVEPT - Invalidate Translations Derived from EPT"
#define SDM_INVVPID "INVVPID - Invalidate Translations Based on VPID"
#define SDM_VMCALL "VMCALL - Call to VM Monitor"

/*
 * What C() is while a table of checks is included. Three times: for an
 * enumeration of its rows; for an array with each row's id, section, message
 * and field, indexed by that; and for the evaluation, in a function that has c
 * and v and returns a struct check. The strings are apart from the code, so
 * that checks that pass touch none of them.
 */
#define CHECK_ENUM(id, field, section, message, predicate) CHECK_##id,
#define CHECK_DESC(id_, field_, section_, message_, predicate_) \
	[CHECK_##id_] = {                                       \
		.id = #id_,                                     \
		.section = (section_),                          \
		.message = (message_),                          \
		.field = VMCS_##field_,                         \
	},
#define CHECK_EVAL(id, field, section, message, predicate) \
	if (unlikely(!(predicate)))                        \
		return &checks[CHECK_##id];

static inline bool has_pin(const struct vmcs12 *v, u32 bits)
{
	return v->pin_ctls & bits;
}

static inline bool has_proc(const struct vmcs12 *v, u32 bits)
{
	return v->proc_ctls & bits;
}

static inline bool has_proc2(const struct vmcs12 *v, u32 bits)
{
	return vmcs12_proc2(v) & bits;
}

static inline bool has_entry(const struct vmcs12 *v, u32 bits)
{
	return v->entry_ctls & bits;
}

static inline bool has_exit(const struct vmcs12 *v, u32 bits)
{
	return v->exit_ctls & bits;
}

static inline bool guest_64(const struct vmcs12 *v)
{
	return has_entry(v, ENTRYC_GUEST_64);
}

/* Is @a a physical address within the width, aligned to @align? */
static inline bool pa_valid(const struct check_ctx *c, u64 a, u64 align)
{
	return !(a >> c->maxphyaddr) && !(a & (align - 1));
}

static inline bool page_valid(const struct check_ctx *c, u64 a)
{
	return pa_valid(c, a, 4096);
}

/* Is @a the address of an MSR list: 16-byte aligned, its last byte within the width? */
static inline bool list_valid(const struct check_ctx *c, u64 a, u32 count)
{
	u64 last = a + (u64)count * 16 - 1;

	return !count || (pa_valid(c, a, 16) && last > a && !(last >> c->maxphyaddr));
}

static inline bool canonical(u64 a)
{
	return (u64)((s64)(a << 16) >> 16) == a;
}

static inline bool cr_fixed_valid(u64 cr, u64 fixed0, u64 fixed1)
{
	return (cr & fixed0) == fixed0 && !(cr & ~fixed1);
}

/* Is each of the eight entries a memory type: 0, 1, 4, 5, 6 or 7? */
static inline bool pat_valid(u64 pat)
{
	u64 bit1 = pat & 0x0202020202020202ull;

	/* Bits 7:3 of each are 0, and 2 and 3 (bit 1 without bit 2) are not types. */
	return !(pat & 0xf8f8f8f8f8f8f8f8ull) && (bit1 & (pat >> 1)) == bit1;
}

#endif
