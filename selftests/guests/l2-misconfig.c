// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each bit of an EPT entry, at each level: what is a misconfiguration, a violation,
 * and what is ignored. SDM: "EPT Misconfigurations", tables of EPT entries' formats.
 */
#include "vmx.h"

/* Guest-physical, with a PML4 entry of its own, and where L2 finds it. */
#define FAR (1ULL << 39)
#define WINDOW 0x3fe00000ULL

#define WB (EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT)

enum level {
	PML4E,
	PDPTE,
	PDE,
	PTE,
	PAGE_1G,
	PAGE_2M,
};

static const char *const level_names[] = { "PML4E", "PDPTE",	    "PDE",
					   "PTE",   "PDPTE (page)", "PDE (page)" };

static u64 *entry; /* the one that is changed */
static u64 valid;  /* its value when all is well */
static unsigned int width;

static void l2_read_window(void)
{
	(void)*(volatile u64 *)WINDOW;
	l2_vmcall(0x600d);
}

static u64 *table_of(u64 *from, unsigned int index)
{
	u64 *table = page_alloc();

	from[index] = (u64)table | EPTE_RWX;
	return table;
}

/* Tables for FAR that end at this level. */
static void build(struct l1_vmx *vmx, enum level level)
{
	u64 *pdpt = table_of(vmx->ept_pml4, FAR >> 39), *pd, *pt;

	if (level == PAGE_1G) {
		entry = pdpt;
		*entry = EPTE_RWX | WB | EPTE_LARGE;
		return;
	}
	pd = table_of(pdpt, 0);
	if (level == PAGE_2M) {
		entry = pd;
		*entry = EPTE_RWX | WB | EPTE_LARGE;
		return;
	}
	pt = table_of(pd, 0);
	*pt = (u64)page_alloc() | EPTE_RWX | WB;
	entry = level == PML4E	 ? vmx->ept_pml4 + (FAR >> 39)
		: level == PDPTE ? pdpt
		: level == PDE	 ? pd
				 : pt;
}

static void prepare(enum level level)
{
	struct l1_vmx *vmx = l1_prepare(l2_read_window);

	l1_need_ept(level == PAGE_1G ? EPTCAP_1G : 0);
	width = cpuid(0x80000008).eax & 0xff;
	if (width < 40)
		claim_skip("physical addresses are too narrow");
	*page_entry(WINDOW) = FAR | 7;
	invlpg(WINDOW);
	build(vmx, level);
	valid = *entry;
}

/* --- what the SDM says ------------------------------------------------------------- */

static bool is_page(enum level level, u64 e)
{
	return level == PTE || ((e & EPTE_LARGE) && level != PML4E);
}

static bool reserved_set(enum level level, u64 e)
{
	if (e >> width & ((1ULL << (52 - width)) - 1))
		return true;
	if (level == PML4E)
		return e & 0xf8;
	if (!is_page(level, e))
		return e & 0x78;
	if (level == PAGE_1G || level == PDPTE)
		return e & 0x3ffff000;
	return (level == PAGE_2M || level == PDE) && (e & 0x1ff000);
}

static bool type_reserved(enum level level, u64 e)
{
	unsigned int type = e >> EPTE_MEMTYPE_SHIFT & 7;

	return is_page(level, e) && (type == 2 || type == 3 || type == 7);
}

/* The exit of L2's read through an entry of this value; VMCALL: it was read. */
static u64 outcome_of(enum level level, u64 e)
{
	unsigned int rights = e & EPTE_RWX;
	bool exec_only = l1_vmx()->caps.ept_vpid & EPTCAP_EXEC_ONLY;

	if (!rights)
		return EXIT_EPT_VIOLATION;
	if (rights == EPTE_W || rights == (EPTE_W | EPTE_X) || (rights == EPTE_X && !exec_only) ||
	    reserved_set(level, e) || type_reserved(level, e))
		return EXIT_EPT_MISCONFIG;
	return rights & EPTE_R ? EXIT_VMCALL : EXIT_EPT_VIOLATION;
}

static void try(enum level level, u64 value)
{
	unsigned int before = claim_failures();

	*entry = value;
	l1_invept(l1_vmx());
	l1_restart_l2(l2_read_window);
	EXPECT_EXIT(outcome_of(level, value));
	if (outcome_of(level, value) != EXIT_VMCALL)
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_PHYS_ADDR), FAR);
	*entry = valid;
	if (claim_failures() != before)
		printf("# %s 0x%lx\n", level_names[level], (unsigned long)value);
}

/* --- claims ------------------------------------------------------------------------- */

/* Another address of a table would be one with unknown entries. */
static bool leads_elsewhere(enum level level, unsigned int bit)
{
	return level >= PAGE_1G ? bit == 7 : level <= PDE && bit >= 12 && bit < width;
}

/* In other paging structures bit 12 of a large page is a PAT bit; see below. */
static bool pat_elsewhere(enum level level, unsigned int bit)
{
	return level >= PAGE_1G && bit == 12;
}

static void each_bit(enum level level)
{
	prepare(level);
	for (unsigned int bit = 0; bit < 64; bit++)
		if (!leads_elsewhere(level, bit) && !pat_elsewhere(level, bit))
			try(level, valid ^ 1ULL << bit);
}

static void bits_pml4e(void)
{
	each_bit(PML4E);
}
static void bits_pdpte(void)
{
	each_bit(PDPTE);
}
static void bits_pde(void)
{
	each_bit(PDE);
}
static void bits_pte(void)
{
	each_bit(PTE);
}
static void bits_1g(void)
{
	each_bit(PAGE_1G);
}
static void bits_2m(void)
{
	each_bit(PAGE_2M);
}

static void rights(void)
{
	for (enum level level = PML4E; level <= PAGE_2M; level++) {
		if (level == PAGE_1G)
			continue; /* may not be offered */
		prepare(level);
		for (u64 r = 0; r < 8; r++)
			try(level, (valid & ~(u64)EPTE_RWX) | r);
	}
}

static void memory_types(void)
{
	static const enum level pages[] = { PTE, PAGE_2M };

	for (u32 i = 0; i < ARRAY_SIZE(pages); i++) {
		prepare(pages[i]);
		for (u64 type = 0; type < 8; type++)
			try(pages[i],
			    (valid & ~(7ULL << EPTE_MEMTYPE_SHIFT)) | type << EPTE_MEMTYPE_SHIFT);
	}
}

static void large_pages_bit_12(void)
{
	prepare(PAGE_2M);
	try(PAGE_2M, valid | BIT_ULL(12));
	prepare(PAGE_1G);
	try(PAGE_1G, valid | BIT_ULL(12));
}

/* An entry that is not present may hold anything. */
static void not_present(void)
{
	for (enum level level = PML4E; level <= PTE; level++) {
		prepare(level);
		try(level, ~(u64)EPTE_RWX);
	}
}

/* The upper level's misconfiguration comes before the lower's absence. */
static void upper_first(void)
{
	prepare(PDE);
	((u64 *)(valid & ~0xfffULL))[0] = 0;
	try(PDE, valid | BIT_ULL(3));
	prepare(PTE);
	try(PTE, (valid & ~(u64)EPTE_RWX) | EPTE_W | BIT_ULL(51));
}

CLAIMS = { { bits_pml4e, "each bit of a PML4 entry" },
	   { bits_pdpte, "each bit of a page-directory-pointer entry" },
	   { bits_pde, "each bit of a page-directory entry" },
	   { bits_pte, "each bit of a page-table entry" },
	   { bits_1g, "each bit of an entry for a page of 1 GiB" },
	   { bits_2m, "each bit of an entry for a page of 2 MiB" },
	   { large_pages_bit_12, "bit 12 of large pages is reserved" },
	   { rights, "each combination of rights at each level" },
	   { memory_types, "each memory type of a page" },
	   { not_present, "an entry that is not present may hold anything" },
	   { upper_first, "a misconfiguration comes before what is behind it" },
	   END_OF_CLAIMS };
