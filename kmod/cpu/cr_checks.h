/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the processor refuses to have in CR0, CR3, CR4, EFER, XCR0, PAT and
 * the MTRRs. Pure: no kernel, no vCPU.
 * SDM: "MOV—Move to/from Control Registers", "Model-Specific Registers".
 */
#ifndef CPU_CR_CHECKS_H
#define CPU_CR_CHECKS_H

#include <vmx/cr.h>
#include <vmx/types.h>

/* Bits of CR0 that are not among these are 0 whatever is written; those above bit 31 fault. */
#define CR0_DEFINED                                                                                \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | \
	 CR0_PG)

/* Bits that every processor with VMX has. */
#define CR4_BASE                                                                                  \
	(CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | \
	 CR4_OSFXSR | CR4_OSXMMEXCPT)
/* A change of one of these makes the processor read the PDPTEs again. */
#define CR4_PDPTE_BITS (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP)

#define CR3_NO_FLUSH BIT_ULL(63) /* in the operand only, with CR4.PCIDE */
#define CR3_PCID 0xfffull

#define XCR0_X87 BIT_ULL(0)
#define XCR0_SSE BIT_ULL(1)
#define XCR0_YMM BIT_ULL(2)
#define XCR0_BNDREGS BIT_ULL(3)
#define XCR0_BNDCSR BIT_ULL(4)
#define XCR0_AVX512 (BIT_ULL(5) | BIT_ULL(6) | BIT_ULL(7))
#define XCR0_PKRU BIT_ULL(9)

/* A processor's control registers, as far as they constrain each other. */
struct cr_state {
	u64 cr0, cr3, cr4, efer;
	bool cs_l;
	u64 cr4_reserved;
	u64 efer_reserved;
	u8 maxphyaddr;
};

/* Whether MOV to the register, by software in state @s, succeeds. */
bool cr0_write_ok(const struct cr_state *s, u64 cr0);
bool cr3_write_ok(const struct cr_state *s, u64 cr3);
bool cr4_write_ok(const struct cr_state *s, u64 cr4);
bool efer_write_ok(const struct cr_state *s, u64 efer);

/* Whether a processor with these features can be in this state. */
bool cr_state_ok(const struct cr_state *s);

bool xcr0_ok(u64 xcr0, u64 supported);
/* @msr is one of the MTRRs; @maxphyaddr bounds the addresses. */
bool mtrr_ok(u32 msr, u64 value, u8 maxphyaddr);

/* Is each of the eight entries a memory type: 0, 1, 4, 5, 6 or 7? */
static inline bool pat_ok(u64 pat)
{
	u64 bit1 = pat & 0x0202020202020202ull;

	/* Bits 7:3 of each are 0, and 2 and 3 (bit 1 without bit 2) are not types. */
	return !(pat & 0xf8f8f8f8f8f8f8f8ull) && (bit1 & (pat >> 1)) == bit1;
}

static inline bool pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_BIT_LMA);
}

/* Are accesses checked for alignment, as RFLAGS.AC asks for? Then an #AC can be the guest's own. */
static inline bool alignment_checked(u64 cr0, u64 rflags, u8 cpl)
{
	return (cr0 & CR0_AM) && (rflags & BIT_ULL(18)) && cpl == 3;
}

/* Whether a PDPTE can be loaded: not present, or no reserved bit set. */
static inline bool pdpte_ok(u64 pdpte, u8 maxphyaddr)
{
	u64 reserved = GENMASK_ULL(63, maxphyaddr) | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1);

	return !(pdpte & 1) || !(pdpte & reserved);
}

/* Whether the bits above 47 (56 with LA57) repeat the one below. */
static inline bool address_canonical(u64 addr, bool la57)
{
	int shift = la57 ? 7 : 16;

	return (u64)((s64)(addr << shift) >> shift) == addr;
}

#endif
