/* SPDX-License-Identifier: GPL-2.0-only */
/* What the predicates of several tables use, and how a table's row becomes code. */
#ifndef NESTED_CHECK_COMMON_H
#define NESTED_CHECK_COMMON_H

#include <vmx/cet.h>

#include "cpu/cr_checks.h"
#include "nested/check/check.h"

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
 * A row as code: its table is included in a function that returns the first struct check that
 * fails. The strings lie apart from the code, so that checks that pass touch none of them.
 */
#define CHECK_ROW(predicate, ...)                                \
	if (unlikely(!(predicate))) {                            \
		static const struct check row = { __VA_ARGS__ }; \
		return &row;                                     \
	}

/* A row about a VMCS field, in a function that has c and v (see check.h). QUAL: see there, .qual. */
#define QUAL ENTRYQ_DEFAULT
#define C(id_, field_, section_, message_, predicate)                                   \
	CHECK_ROW(predicate, .id = #id_, .field = VMCS_##field_, .section = (section_), \
		  .message = (message_), .qual = QUAL)

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

static inline bool injects(const struct vmcs12 *v)
{
	return v->entry_intr_info & INTR_VALID;
}

static inline u32 injected_type(const struct vmcs12 *v)
{
	return v->entry_intr_info & INTR_TYPE_MASK;
}

static inline bool injecting(const struct vmcs12 *v, u32 type)
{
	return injects(v) && injected_type(v) == type;
}

/* Is @a a physical address within the width, aligned to @align? */
static inline bool pa_valid(u8 maxphyaddr, u64 a, u64 align)
{
	return !(a >> maxphyaddr) && !(a & (align - 1));
}

static inline bool page_valid(const struct check_ctx *c, u64 a)
{
	return pa_valid(c->maxphyaddr, a, 4096);
}

/* Is @a the address of an MSR list: 16-byte aligned, its last byte within the width? */
static inline bool list_valid(const struct check_ctx *c, u64 a, u32 count)
{
	u64 last = a + (u64)count * 16 - 1;

	return !count || (pa_valid(c->maxphyaddr, a, 16) && last > a && !(last >> c->maxphyaddr));
}

static inline bool cr_fixed_valid(u64 cr, u64 fixed0, u64 fixed1)
{
	return (cr & fixed0) == fixed0 && !(cr & ~fixed1);
}

#endif
