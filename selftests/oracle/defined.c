// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which bits of which field have a value that the SDM defines, by how the entry
 * ended. SDM: "VM Exits", "Recording VM-Exit Information and Updating VM-Entry
 * Control Fields" and "Saving Guest State".
 */
#include "oracle.h"

#define ALL (~0ULL)

static bool entry_failed(const struct outcome *o)
{
	return o->how & EXIT_ENTRY_FAILED;
}

static bool valid(const struct outcome *o, enum field f)
{
	return o->value[f] & INTR_VALID;
}

static bool valid_software(const struct outcome *o, enum field f)
{
	return valid(o, f) && intr_type_software(o->value[f]);
}

static bool is_string_io(const struct outcome *o)
{
	return o->how == EXIT_IO && (o->value[F_EXIT_QUAL] & IOQ_STRING);
}

/* --- exit information ----------------------------------------------------------------- */

static bool has_insn_len(const struct outcome *o)
{
	switch (o->how) {
	case EXIT_EXCEPTION_NMI: return valid_software(o, F_EXIT_INTR_INFO);
	case EXIT_TASK_SWITCH: return TSQ_SOURCE(o->value[F_EXIT_QUAL]) != TSQ_SOURCE_GATE;
	case EXIT_EXT_INT:
	case EXIT_TRIPLE_FAULT:
	case EXIT_INT_WINDOW:
	case EXIT_NMI_WINDOW:
	case EXIT_MTF:
	case EXIT_TPR_BELOW:
	case EXIT_APIC_ACCESS:
	case EXIT_EPT_VIOLATION:
	case EXIT_EPT_MISCONFIG:
	case EXIT_PREEMPT_TIMER:
	case EXIT_APIC_WRITE: return false;
	default: return true;
	}
}

/* Of a VMX instruction's operand: a register, or what its address is made of. */
static u64 operand_bits(u64 info)
{
	u64 bits;

	if (info & INSN_IS_REG)
		return INSN_IS_REG | 0x78;
	bits = 0x383ULL | INSN_IS_REG | 7ULL << 15 | INSN_NO_INDEX | INSN_NO_BASE;
	if (!(info & INSN_NO_INDEX))
		bits |= 0xfULL << 18;
	else
		bits &= ~3ULL;
	if (!(info & INSN_NO_BASE))
		bits |= 0xfULL << 23;
	return bits;
}

/* SDM: "Information for VM Exits Due to Instruction Execution" */
static u64 insn_info_bits(const struct outcome *o)
{
	u64 info = o->value[F_EXIT_INSN_INFO];

	switch (o->how) {
	case EXIT_IO:
		return is_string_io(o) ? 0x380 | (o->value[F_EXIT_QUAL] & IOQ_IN ? 0 : 7 << 15) : 0;
	case EXIT_VMCLEAR:
	case EXIT_VMPTRLD:
	case EXIT_VMPTRST:
	case EXIT_VMXON: return operand_bits(info);
	case EXIT_GDTR_IDTR: return (operand_bits(info) | 1 << 11 | 3 << 28) & ~(u64)INSN_IS_REG;
	case EXIT_LDTR_TR: return operand_bits(info) | 3 << 28;
	case EXIT_VMREAD:
	case EXIT_VMWRITE: return operand_bits(info) | 0xfULL << 28;
	case EXIT_INVEPT:
	case EXIT_INVVPID:
	case EXIT_INVPCID: return (operand_bits(info) | 0xfULL << 28) & ~(u64)INSN_IS_REG;
	default: return 0;
	}
}

static u64 linear_bits(const struct outcome *o)
{
	u64 qual = o->value[F_EXIT_QUAL];

	switch (o->how) {
	case EXIT_EPT_VIOLATION: return qual & EPTQ_LINEAR_VALID ? ALL : 0;
	case EXIT_IO: return is_string_io(o) ? ALL : 0;
	case EXIT_CR_ACCESS:
		return CRQ_TYPE(qual) == CRQ_TYPE_LMSW && (qual & CRQ_LMSW_MEM) ? ALL : 0;
	default: return 0;
	}
}

static u64 exit_bits(const struct outcome *o, enum field f)
{
	switch (f) {
	case F_EXIT_REASON:
	case F_EXIT_QUAL: return ALL;
	case F_EXIT_INTR_INFO:
	case F_IDT_VECTORING_INFO: return valid(o, f) ? ALL : INTR_VALID;
	case F_EXIT_INTR_ERROR:
		return valid(o, F_EXIT_INTR_INFO) && (o->value[F_EXIT_INTR_INFO] & INTR_HAS_ERROR)
			       ? ALL
			       : 0;
	case F_IDT_VECTORING_ERROR:
		return valid(o, F_IDT_VECTORING_INFO) &&
				       (o->value[F_IDT_VECTORING_INFO] & INTR_HAS_ERROR)
			       ? ALL
			       : 0;
	case F_EXIT_INSN_LEN:
		return has_insn_len(o) || valid_software(o, F_IDT_VECTORING_INFO) ? ALL : 0;
	case F_EXIT_INSN_INFO: return insn_info_bits(o);
	case F_GUEST_PHYS_ADDR:
		return o->how == EXIT_EPT_VIOLATION || o->how == EXIT_EPT_MISCONFIG ? ALL : 0;
	case F_GUEST_LINEAR_ADDR: return linear_bits(o);
	default: return 0;
	}
}

/* --- L2's state ------------------------------------------------------------------------- */

/* SDM: "Saving Segment Registers and Descriptor-Table Registers" */
static u64 unusable_ar_bits(enum segreg s)
{
	switch (s) {
	case SEG_CS: return AR_UNUSABLE | AR_L | AR_DB | AR_G;
	case SEG_SS: return AR_UNUSABLE | AR_DPL;
	default: return AR_UNUSABLE;
	}
}

static u64 unusable_base_bits(enum segreg s)
{
	switch (s) {
	case SEG_CS:
	case SEG_FS:
	case SEG_GS:
	case SEG_LDTR: return ALL;
	default: return 0;
	}
}

static bool unusable(const struct outcome *o, enum segreg s)
{
	return o->value[F_SEG_AR(s)] & AR_UNUSABLE;
}

static u64 ar_bits(const struct outcome *o, enum segreg s)
{
	if (unusable(o, s))
		return unusable_ar_bits(s);
	return s == SEG_TR ? ALL & ~AR_L : ALL; /* there bit 13 is reserved */
}

static u64 segment_bits(const struct outcome *o, enum field f)
{
	if (f >= F_SEG_AR(0) && f < F_SEG_AR(NR_SEGS))
		return ar_bits(o, f - F_SEG_AR(0));
	if (f >= F_SEG_LIMIT(0) && f < F_SEG_LIMIT(NR_SEGS))
		return unusable(o, f - F_SEG_LIMIT(0)) ? 0 : ALL;
	if (f >= F_SEG_BASE(0) && f < F_SEG_BASE(NR_SEGS))
		return unusable(o, f - F_SEG_BASE(0)) ? unusable_base_bits(f - F_SEG_BASE(0)) : ALL;
	return ALL;
}

/* Outside 64-bit mode registers have no defined upper half. */
static bool code_64(const struct outcome *o)
{
	return (o->value[F_GUEST_EFER] & EFER_LMA) && (o->value[F_GUEST_CS_AR] & AR_L);
}

bool saves_pdptes(const struct trial *t, const struct outcome *o)
{
	return (t->want[F_PROC_CTLS] & PROC_SECONDARY) && (t->want[F_PROC2_CTLS] & PROC2_EPT) &&
	       (o->value[F_GUEST_CR0] & CR0_PG) && (o->value[F_GUEST_CR4] & CR4_PAE) &&
	       !(o->value[F_GUEST_EFER] & EFER_LMA);
}

static u64 guest_bits(const struct trial *t, const struct outcome *o, enum field f)
{
	if (f == F_GUEST_RSP && !code_64(o))
		return 0xffffffff;
	if (f >= F_GUEST_PDPTE0 && f <= F_GUEST_PDPTE3)
		return saves_pdptes(t, o) ? ALL : 0;
	return segment_bits(o, f);
}

/* A loop that only the timer ended is somewhere, on each side elsewhere. */
bool time_decided(const struct trial *t, const struct outcome *o)
{
	return o->how == EXIT_PREEMPT_TIMER && t->timer &&
	       o->value[F_GUEST_ACTIVITY] == ACTIVITY_ACTIVE;
}

/*
 * Checks may be made in any order: which of a bad link pointer, other bad
 * non-register state and an event that cannot be injected the qualification tells is not defined.
 */
static bool one_reason(const struct trial *t)
{
	return t->want[F_LINK_POINTER] == base[F_LINK_POINTER] ||
	       !((t->want[F_ENTRY_INTR_INFO] & INTR_VALID) | t->want[F_GUEST_ACTIVITY] |
		 t->want[F_GUEST_INTERRUPTIBILITY] | t->want[F_GUEST_PENDING_DBG]);
}

u64 defined_bits(const struct trial *t, const struct outcome *o, enum field f)
{
	if (f == F_ENTRY_INTR_INFO)
		return entry_failed(o) ? ALL : INTR_VALID;
	if (fields[f].role == ROLE_GUEST)
		return entry_failed(o) ? ALL : guest_bits(t, o, f);
	if (fields[f].role != ROLE_EXIT)
		return 0;
	if (entry_failed(o))
		return f == F_EXIT_REASON || (f == F_EXIT_QUAL && one_reason(t)) ? ALL : 0;
	return exit_bits(o, f);
}
