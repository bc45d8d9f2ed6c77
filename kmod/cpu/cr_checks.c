// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the processor refuses to have in control registers, EFER, XCR0, PAT and
 * MTRRs. Pure logic that compiles in userspace: handlers of guest's accesses
 * and ioctls ask it, with a struct cr_state filled in.
 *
 * SDM: "MOV—Move to/from Control Registers", "Enabling IA-32e Mode" and
 * "Process-Context Identifiers (PCIDs)" have the rules that no comment explains.
 */
#include "cpu/cr_checks.h"

static bool cr0_consistent(u64 cr0)
{
	if (cr0 >> 32)
		return false;
	if ((cr0 & CR0_PG) && !(cr0 & CR0_PE))
		return false;
	return !(cr0 & CR0_NW) || (cr0 & CR0_CD);
}

/*
 * Paging cannot be turned on for IA-32e mode without PAE, nor in a 64-bit code
 * segment; nor turned off from 64-bit code, or with CR4.PCIDE. CR4.CET needs WP.
 */
bool cr0_write_ok(const struct cr_state *s, u64 cr0)
{
	bool was_paging = s->cr0 & CR0_PG;
	bool paging = cr0 & CR0_PG;

	if (!cr0_consistent(cr0))
		return false;
	if ((s->cr4 & CR4_CET) && !(cr0 & CR0_WP))
		return false;
	if (!was_paging && paging && (s->efer & EFER_BIT_LME))
		return (s->cr4 & CR4_PAE) && !s->cs_l;
	if (was_paging && !paging)
		return !(s->cr4 & CR4_PCIDE) && !((s->efer & EFER_BIT_LMA) && s->cs_l);
	return true;
}

bool cr3_write_ok(const struct cr_state *s, u64 cr3)
{
	if (!(s->efer & EFER_BIT_LMA))
		return true; /* the bits above 31 are not there to be written */
	if (s->cr4 & CR4_PCIDE)
		cr3 &= ~CR3_NO_FLUSH;
	return !(cr3 & GENMASK_ULL(63, s->maxphyaddr));
}

/* PCIDE can be set in IA-32e mode only, with a PCID of 0; CET with CR0.WP only. */
bool cr4_write_ok(const struct cr_state *s, u64 cr4)
{
	u64 set = cr4 & ~s->cr4;
	u64 changed = cr4 ^ s->cr4;
	bool lma = s->efer & EFER_BIT_LMA;

	if (cr4 & s->cr4_reserved)
		return false;
	if (lma && (!(cr4 & CR4_PAE) || (changed & CR4_LA57)))
		return false;
	if ((cr4 & CR4_CET) && !(s->cr0 & CR0_WP))
		return false;
	if (set & CR4_PCIDE)
		return lma && !(s->cr3 & CR3_PCID);
	return true;
}

/* LME cannot change while paging is on. */
bool efer_write_ok(const struct cr_state *s, u64 efer)
{
	if (efer & s->efer_reserved)
		return false;
	return !(s->cr0 & CR0_PG) || !((s->efer ^ efer) & EFER_BIT_LME);
}

/* Asked for a state that userspace sets: a VM entry would fail with one that is refused here. */
bool cr_state_ok(const struct cr_state *s)
{
	bool long_mode = (s->efer & EFER_BIT_LME) && (s->cr0 & CR0_PG);

	if (!cr0_consistent(s->cr0) || (s->cr4 & s->cr4_reserved) || (s->efer & s->efer_reserved))
		return false;
	if (s->cr3 & GENMASK_ULL(63, s->maxphyaddr))
		return false; /* VM entry refuses it whatever the mode */
	if ((s->cr4 & CR4_CET) && !(s->cr0 & CR0_WP))
		return false;
	if (!long_mode)
		return !(s->efer & EFER_BIT_LMA) && !s->cs_l;
	return (s->cr4 & CR4_PAE) && (s->efer & EFER_BIT_LMA);
}

/*
 * Components of XCR0 that come together: AVX needs SSE, the three of AVX-512
 * need each other and AVX, the two of MPX each other. SDM: "Extended Control
 * Registers (Including XCR0)".
 */
bool xcr0_ok(u64 xcr0, u64 supported)
{
	u64 avx512 = xcr0 & XCR0_AVX512;

	if (!(xcr0 & XCR0_X87) || (xcr0 & ~supported))
		return false;
	if ((xcr0 & XCR0_YMM) && !(xcr0 & XCR0_SSE))
		return false;
	if (!(xcr0 & XCR0_BNDREGS) != !(xcr0 & XCR0_BNDCSR))
		return false;
	return !avx512 || (avx512 == XCR0_AVX512 && (xcr0 & XCR0_YMM));
}

/* UC, WC, WT, WP, WB. UC- (7) exists in the PAT only. */
static bool memory_type_ok(u8 type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static bool mtrr_fixed_ok(u64 value)
{
	int i;

	for (i = 0; i < 64; i += 8)
		if (!memory_type_ok(value >> i))
			return false;
	return true;
}

/* IA32_MTRR_PHYSBASEn: type in 7:0, address from 12. PHYSMASKn: valid in bit 11. */
static bool mtrr_variable_ok(bool mask, u64 value, u8 maxphyaddr)
{
	u64 address = GENMASK_ULL(maxphyaddr - 1, 12);

	if (mask)
		return !(value & ~(address | BIT_ULL(11)));
	return !(value & ~(address | 0xff)) && memory_type_ok(value);
}

bool mtrr_ok(u32 msr, u64 value, u8 maxphyaddr)
{
	if (msr == 0x2ff) /* IA32_MTRR_DEF_TYPE: type, FE, E */
		return !(value & ~0xcffull) && memory_type_ok(value);
	if (msr >= 0x200 && msr <= 0x20f)
		return mtrr_variable_ok(msr & 1, value, maxphyaddr);
	return mtrr_fixed_ok(value);
}
