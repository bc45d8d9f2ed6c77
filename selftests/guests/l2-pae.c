// SPDX-License-Identifier: GPL-2.0-only
/*
 * When an L2 with PAE paging gets its page-directory pointers, from where, and
 * what happens when they are not valid. SDM: "PDPTE Registers", "Checks on Guest
 * Page-Directory-Pointer-Table Entries", "Page-Directory-Pointer-Table Entries".
 */
#include "vmx.h"

/*
 * 32-bit L2s: change a pointer in memory (EDX to EDI), load ECX into a control
 * register, then ESI is what stands at 1 GiB.
 */
extern const u8 load_cr0[], load_cr3[], load_cr4[], cr0_insn[], cr3_insn[], cr4_insn[];
extern const u8 set_anew[], looks[];

asm(".pushsection .text\n"
    ".code32\n"
    "load_cr0: mov %edx, (%edi)\n"
    "cr0_insn: mov %ecx, %cr0; jmp look\n"
    "load_cr3: mov %edx, (%edi)\n"
    "cr3_insn: mov %ecx, %cr3; jmp look\n"
    "load_cr4: mov %edx, (%edi)\n"
    "cr4_insn: mov %ecx, %cr4\n"
    "looks: jmp look\n"
    "set_anew: out %al, $0x80\n"
    "look: mov 0x40000000, %esi\n"
    "mov $0x600d, %eax; vmcall\n"
    ".code64\n"
    ".popsection\n");

static u64 *first, *second;

#define PAE_CR0 (CR0_PG | CR0_NE | CR0_ET | CR0_PE)
#define PAE_CR4 (CR4_PAE | CR4_VMXE)

static void put_pdptes(const u64 *pdpt)
{
	l1_vmwrite(VMCS_GUEST_CR3, (u64)pdpt);
	if (!l1_vmx()->ept_pml4)
		return;
	for (u32 i = 0; i < 4; i++)
		l1_vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, pdpt[i]);
}

/*
 * An L2 with the first table's pointers loaded. In memory it makes the first table
 * say what the second does, then loads @value.
 */
static struct l1_vmx *prepare(const u8 *code, u64 value, u32 flags)
{
	struct l1_vmx *vmx = l1_prepare_with((void (*)(void))(u64)code, flags);

	if (!(flags & L1_NO_EPT))
		l1_need_ept(0);
	write_cr0(read_cr0() & ~(CR0_CD | CR0_NW)); /* exits leave them as L2 had them */
	first = pae_tables_marked(0x111);
	second = pae_tables_marked(0x222);
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_GUEST_64);
	l1_vmwrite(VMCS_GUEST_EFER, 0);
	l1_vmwrite(VMCS_GUEST_CR0, PAE_CR0);
	l1_vmwrite(VMCS_GUEST_CR4, PAE_CR4);
	l1_vmwrite(VMCS_GUEST_CS_SEL, SEL_CODE32);
	l1_vmwrite(VMCS_GUEST_CS_AR, 0xc09b);
	put_pdptes(first);
	vmx->regs[GPR_RCX] = value;
	vmx->regs[GPR_RDX] = second[1];
	vmx->regs[GPR_RDI] = (u64)&first[1];
	return vmx;
}

static void expect_sees(u64 mark)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RSI], mark);
}

/* The VMCS has what the processor loaded. */
static void expect_saved(const u64 *pdpt)
{
	for (u32 i = 0; i < 4; i++)
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_PDPTE0 + 2 * i), pdpt[i]);
}

/* --- which changes load them -------------------------------------------------- */

struct change {
	u64 bits;
	bool loads;
};

/* Of changes that do not load them the emulated processor knows none. */
static const struct change cr0_changes[] = { { CR0_CD, true }, { CR0_CD | CR0_NW, true } };

static const struct change cr4_changes[] = {
	{ 0, false },	       { CR4_DE, false }, { CR4_TSD, false },
	{ CR4_OSFXSR, false }, { CR4_PSE, true }, { CR4_PGE, true },
};

static void each_change(const u8 *code, u64 from, const struct change *changes, u32 count,
			u32 flags)
{
	for (u32 i = 0; i < count; i++) {
		unsigned int before = claim_failures();
		u64 old;

		prepare(code, from ^ changes[i].bits, flags);
		old = first[1];
		expect_sees(changes[i].loads ? 0x222 : 0x111);
		if (!(flags & L1_NO_EPT))
			GUEST_EXPECT(l1_vmread(VMCS_GUEST_PDPTE0 + 2),
				     changes[i].loads ? second[1] : old);
		if (claim_failures() != before)
			printf("# change of 0x%lx\n", (unsigned long)changes[i].bits);
	}
}

static void by_cr0(void)
{
	each_change(load_cr0, PAE_CR0, cr0_changes, ARRAY_SIZE(cr0_changes), 0);
}

static void by_cr0_without_ept(void)
{
	each_change(load_cr0, PAE_CR0, cr0_changes, ARRAY_SIZE(cr0_changes), L1_NO_EPT);
}

static void by_cr4(void)
{
	each_change(load_cr4, PAE_CR4, cr4_changes, ARRAY_SIZE(cr4_changes), 0);
}

static void by_cr4_without_ept(void)
{
	each_change(load_cr4, PAE_CR4, cr4_changes, ARRAY_SIZE(cr4_changes), L1_NO_EPT);
}

static void by_cr4_smep(void)
{
	if (!(cpuid_count(7, 0).ebx & BIT(7)))
		claim_skip("no SMEP");
	prepare(load_cr4, PAE_CR4 | CR4_SMEP, 0);
	/* The fetch is supervisor's, from pages that user code may use as well. */
	for (u32 i = 0; i < 16; i++)
		((u64 *)(first[0] & ~0xfffULL))[i] &= ~4ULL;
	expect_sees(0x222);
}

static void by_cr3_without_ept(void)
{
	prepare(load_cr3, 0, L1_NO_EPT);
	l1_vmx()->regs[GPR_RCX] = (u64)first;
	expect_sees(0x222);
	prepare(load_cr3, 0, L1_NO_EPT);
	l1_vmx()->regs[GPR_RCX] = (u64)second;
	expect_sees(0x222);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR3), (u64)second);
}

static void by_paging(void)
{
	prepare(load_cr0, PAE_CR0, 0);
	l1_use_proc2(PROC2_UNRESTRICTED);
	l1_vmwrite(VMCS_GUEST_CR0, PAE_CR0 & ~CR0_PG);
	for (u32 i = 0; i < 4; i++) /* not looked at */
		l1_vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, ~0ULL);
	expect_sees(0x222);
	expect_saved(first);
}

/* --- at the entry ---------------------------------------------------------------- */

static void from_fields(void)
{
	prepare(load_cr4, PAE_CR4, 0);
	l1_vmx()->regs[GPR_RDX] = first[1];
	for (u32 i = 0; i < 4; i++)
		l1_vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, second[i]);
	expect_sees(0x222);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR3), (u64)first);
	expect_saved(second);
}

static void from_memory(void)
{
	prepare(load_cr4, PAE_CR4, L1_NO_EPT);
	l1_vmx()->regs[GPR_RDX] = first[1];
	for (u32 i = 0; i < 4; i++) /* not looked at */
		l1_vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, ~0ULL);
	expect_sees(0x111);
}

/* L1 changes them while L2 is stopped, and nothing else that matters. */
static void between_entries(void)
{
	prepare(looks, 0, L1_NO_VPID);
	expect_sees(0x111);
	for (u32 i = 0; i < 4; i++)
		l1_vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, second[i]);
	l1_vmwrite(VMCS_GUEST_RIP, (u64)looks);
	expect_sees(0x222);
	expect_saved(second);
}

static const u64 reserved[] = { BIT_ULL(1), BIT_ULL(2),	 BIT_ULL(5),
				BIT_ULL(8), BIT_ULL(62), BIT_ULL(63) };

static void entry_fails(void)
{
	prepare(load_cr4, PAE_CR4, L1_NO_EPT);
	for (u32 i = 0; i < ARRAY_SIZE(reserved); i++) {
		first[1] ^= reserved[i];
		EXPECT_EXIT(EXIT_ENTRY_FAILED | EXIT_BAD_GUEST_STATE);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), ENTRYQ_PDPTE);
		first[1] ^= reserved[i];
	}
	first[2] = BIT_ULL(1) | BIT_ULL(63); /* not present */
	expect_sees(0x111);
}

/* --- pointers that are not valid --------------------------------------------------- */

/* #GP, which L1 intercepts; the register stays, and so do the pointers. */
static void expect_gp(const u8 *insn, u64 field, u64 value)
{
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO),
		     INTR_VALID | INTR_HAS_ERROR | INTR_TYPE_HARD_EXC | VEC_GP);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)insn);
	GUEST_EXPECT(l1_vmread(field), value);
}

static void each_invalid(const u8 *code, const u8 *insn, u64 field, u64 value)
{
	for (u32 i = 0; i < ARRAY_SIZE(reserved); i++) {
		struct l1_vmx *vmx = prepare(code, value, 0);
		u64 old = l1_vmread(field), loaded = first[1];

		if (code == load_cr3)
			vmx->regs[GPR_RCX] = (u64)first;
		/* Only the lower half is written by L2. */
		if (reserved[i] >> 32)
			first[1] |= reserved[i];
		vmx->regs[GPR_RDX] |= (u32)reserved[i];
		l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_GP));
		expect_gp(insn, field, old);
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_PDPTE0 + 2), loaded);
	}
}

static void invalid_by_cr0(void)
{
	each_invalid(load_cr0, cr0_insn, VMCS_GUEST_CR0, PAE_CR0 | CR0_CD);
}

static void invalid_by_cr3(void)
{
	each_invalid(load_cr3, cr3_insn, VMCS_GUEST_CR3, 0);
}

static void invalid_by_cr4(void)
{
	each_invalid(load_cr4, cr4_insn, VMCS_GUEST_CR4, PAE_CR4 | CR4_PGE);
}

/* --- a table that EPT does not map --------------------------------------------------- */

static void violation(const u8 *code, const u8 *insn, u64 value)
{
	struct l1_vmx *vmx = prepare(code, value, 0);
	u64 *entry;

	if (code == load_cr3)
		vmx->regs[GPR_RCX] = value = (u64)second;
	entry = l1_ept_entry(vmx, (u64)second);
	vmx->regs[GPR_RDI] = (u64)page_alloc();
	l1_vmwrite(VMCS_GUEST_CR3, (u64)second); /* for CR0 and CR4; CR3 keeps it */
	*entry &= ~7ULL;
	l1_invept(vmx);
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PHYS_ADDR) & ~0xfffULL, (u64)second);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & (EPTQ_ACCESS | EPTQ_LINEAR_VALID), EPTQ_READ);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)insn);
	*entry |= 7;
	expect_sees(0x222);
}

static void violations(void)
{
	violation(load_cr0, cr0_insn, PAE_CR0 | CR0_CD);
	violation(load_cr3, cr3_insn, 0);
	violation(load_cr4, cr4_insn, PAE_CR4 | CR4_PGE);
}

/* mini -t sets the registers that L2 has; without it nothing happens. */
static void set_by_userspace(void)
{
	struct l1_vmx *vmx = prepare(set_anew, 0, 0);

	*l1_ept_entry(vmx, (u64)first) &= ~7ULL;
	expect_sees(0x111);
}

CLAIMS = { { by_cr0, "MOV CR0 loads the pointers if it changes CD or NW" },
	   { by_cr4, "MOV CR4 loads them if it changes PSE or PGE" },
	   { by_cr4_smep, "or SMEP" },
	   { by_paging, "MOV CR0 that enables paging loads them" },
	   { by_cr0_without_ept, "without EPT, by MOV CR0" },
	   { by_cr4_without_ept, "without EPT, by MOV CR4" },
	   { by_cr3_without_ept, "without EPT, by MOV CR3" },
	   { from_fields, "an entry with EPT loads them from the VMCS" },
	   { between_entries, "also those that L1 writes between two entries" },
	   { from_memory, "an entry without EPT loads them from memory" },
	   { entry_fails, "if one is not valid there: exit 33, qualification 2" },
	   { invalid_by_cr0, "MOV CR0 with one that is not valid raises #GP" },
	   { invalid_by_cr3, "so does MOV CR3" },
	   { invalid_by_cr4, "so does MOV CR4" },
	   { violations, "an EPT violation of their table has no linear address" },
	   { set_by_userspace, "none comes of userspace that sets L2's registers" },
	   END_OF_CLAIMS };
