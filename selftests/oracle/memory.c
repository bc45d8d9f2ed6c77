// SPDX-License-Identifier: GPL-2.0-only
/*
 * L2's memory and L1's pages that a VMCS points to. Between two cases they are
 * as a template has them: what a case made of them is found by comparison.
 */
#include "oracle.h"

#define GATE_INT64 0x8e00ULL
#define GATE_DPL3 0x6000ULL
#define VMCALL_BYTES 0xc1010fu
#define NOP_VMCALL_BYTES (VMCALL_BYTES << 8 | 0x90)
#define PTE_PWU 7ULL
#define PTE_LARGE BIT_ULL(7)

struct l1_pages l1_pages;

/* Parts of memory that are compared and restored; the rest nobody writes. */
static struct part {
	u64 *at;
	u64 *template;
	u32 words;
	const char *name;
} parts[40];
static u32 nr_parts;

static void watch(const char *name, void *at, u32 bytes)
{
	static u64 *free;
	static u64 *end;

	if (!free || free + bytes / 8 > end) {
		free = pages_alloc(8);
		end = free + 8 * 512;
	}
	if (nr_parts == ARRAY_SIZE(parts))
		claim_fail("too many parts of memory");
	parts[nr_parts++] = (struct part){ at, free, bytes / 8, name };
	memcpy(free, at, bytes);
	free += bytes / 8;
}

/* --- descriptor tables -------------------------------------------------------- */

static u64 segment(u64 base, u32 limit, u64 ar)
{
	return (limit & 0xffff) | (base & 0xffffff) << 16 | (ar & 0xff) << 40 |
	       (u64)(limit >> 16 & 0xf) << 48 | (ar >> 12 & 0xf) << 52 | (base >> 24 & 0xff) << 56;
}

static void put_gdt(void)
{
	u64 *g = (u64 *)L2_GDT;

	g[L2_CODE32 / 8] = segment(0, 0xfffff, 0xc09b);
	g[L2_FLAT / 8] = segment(0, 0xfffff, 0xc093);
	g[L2_CODE64 / 8] = segment(0, 0xfffff, 0xa09b);
	g[L2_CODE16 / 8] = segment(L2_CODE, 0xffff, 0x9b);
	g[L2_DATA16 / 8] = segment(L2_CODE, 0xffff, 0x93);
	g[L2_UCODE32 / 8] = segment(0, 0xfffff, 0xc0fb);
	g[L2_UFLAT / 8] = segment(0, 0xfffff, 0xc0f3);
	g[L2_UCODE64 / 8] = segment(0, 0xfffff, 0xa0fb);
	g[L2_LDT / 8] = segment(L2_GDT, L2_GDT_SIZE - 1, 0x82);
	g[L2_TSS / 8] = segment(L2_TSS64, 0x67, 0x8b);
	g[L2_TSS_FREE / 8] = segment(L2_TSS32, 0x67, 0x89);
	g[L2_GATE / 8] = (L2_STUBS & 0xffff) | (u64)L2_CODE64 << 16 | 0xec00ULL << 32 |
			 (L2_STUBS >> 16) << 48;
	g[L2_CONFORMING / 8] = segment(0, 0xfffff, 0xa09f);
	g[L2_ABSENT / 8] = segment(0, 0xfffff, 0xc013);
	g[L2_EXPAND_DOWN / 8] = segment(0, 0xfff, 0x4097);
	g[L2_READ_ONLY / 8] = segment(0, 0xfffff, 0xc0f1);
}

/*
 * Each vector leads to a VMCALL of its own: RIP tells which it was. An NMI's stands after a NOP:
 * the emulated processor has the interrupted RIP still when the first instruction exits.
 */
static void put_idts(void)
{
	for (u32 i = 0; i < NR_VECTORS; i++) {
		u64 stub = L2_STUBS + 4 * i;
		u64 type = GATE_INT64 | (i == VEC_BP || i == VEC_OF || i >= 32 ? GATE_DPL3 : 0);
		u64 gate = (stub & 0xffff) | type << 32 | (stub >> 16) << 48;

		*(u32 *)stub = i == VEC_NMI ? NOP_VMCALL_BYTES : VMCALL_BYTES;
		((u64 *)L2_IDT64)[2 * i] = gate | (u64)L2_CODE64 << 16;
		((u64 *)L2_IDT32)[i] = gate | (u64)L2_CODE32 << 16;
		((u32 *)L2_IVT)[i] = (L2_CODE >> 4) << 16 | (stub - L2_CODE);
	}
}

static void put_tss(void)
{
	*(u32 *)(L2_TSS64 + 4) = L2_RSP0;
	*(u32 *)(L2_TSS64 + 0x24) = L2_RSP0 - 0x100; /* IST1 */
	*(u16 *)(L2_TSS64 + 0x66) = 0x68;
	*(u32 *)(L2_TSS32 + 4) = L2_RSP0;
	*(u32 *)(L2_TSS32 + 8) = L2_FLAT;
	*(u16 *)(L2_TSS32 + 0x66) = 0x68;
}

/* --- paging ------------------------------------------------------------------- */

static bool in_linear_memory(u32 page)
{
	return page <= A_TABLES || page >= A_APIC;
}

static void put_paging(void)
{
	u64 *pt = (u64 *)ARENA_PAGE(A_PT);
	u32 *pt32 = (u32 *)ARENA_PAGE(A_PT32);

	*(u64 *)ARENA_PAGE(A_PML4) = ARENA_PAGE(A_PDPT) | PTE_PWU;
	*(u64 *)ARENA_PAGE(A_PDPT) = ARENA_PAGE(A_PD) | PTE_PWU;
	*(u64 *)ARENA_PAGE(A_PDPT_PAE) = ARENA_PAGE(A_PD) | 1;
	*(u64 *)ARENA_PAGE(A_PD) = ARENA_PAGE(A_PT) | PTE_PWU;
	*(u32 *)ARENA_PAGE(A_PD32) = ARENA_PAGE(A_PT32) | PTE_PWU;
	for (u32 i = 0; i < NR_ARENA; i++) {
		if (!in_linear_memory(i))
			continue;
		pt[ARENA / 4096 + i] = ARENA_PAGE(i) | PTE_PWU;
		pt32[ARENA / 4096 + i] = ARENA_PAGE(i) | PTE_PWU;
	}
	pt[L2_LARGE / 4096] = ((u64)l1_pages.large + LARGE_OFFSET) | PTE_PWU;
	pt32[L2_LARGE / 4096] = ((u64)l1_pages.large + LARGE_OFFSET) | PTE_PWU;
}

u64 *large_entry(void)
{
	return l1_pages.ept + 1024 + ((u64)l1_pages.large >> 21);
}

static void put_ept(void)
{
	u64 *ept = l1_pages.ept;

	ept[0] = (u64)(ept + 512) | EPTE_RWX;
	ept[512] = (u64)(ept + 1024) | EPTE_RWX;
	ept[1024] = (u64)(ept + 1536) | EPTE_RWX;
	for (u32 i = 0; i < NR_ARENA; i++)
		ept[1536 + ARENA / 4096 + i] = ARENA_PAGE(i) | EPTE_RWX |
					       EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
	*large_entry() = (u64)l1_pages.large | EPTE_RWX | EPTE_LARGE |
			 EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
}

/* One that is right, also with accessed and dirty flags, and wrong ones. */
static void put_eptps(void)
{
	u64 good = (u64)l1_pages.ept | EPTP_WALK_4 | EPTP_MEMTYPE_WB;
	const u64 list[] = { good,
			     good | EPTP_AD,
			     good ^ EPTP_MEMTYPE_WB,
			     0,
			     good | 1ULL << MAXPHYADDR,
			     good ^ 0x38,
			     good | 1 << 7,
			     good ^ 7 };

	memcpy(l1_pages.eptps, list, sizeof(list));
}

#define LOCAL_APIC 0xfee00000UL

/* L1's, as L2 sees it. These tables need not be compared: they only lead there. */
static void put_apic(void)
{
	u64 *pdpt = (u64 *)ARENA_PAGE(A_PDPT), *pd = (u64 *)ARENA_PAGE(A_APIC_PD);
	u64 *pt = (u64 *)ARENA_PAGE(A_APIC_PT);
	u32 *pd32 = (u32 *)ARENA_PAGE(A_PD32), *pt32 = (u32 *)ARENA_PAGE(A_APIC_PT32);
	u64 *ept = l1_pages.ept, *ept_pd = ept + 2048, *ept_pt = ept + 2560;

	ept[512 + (LOCAL_APIC >> 30)] = (u64)ept_pd | EPTE_RWX;
	ept_pd[LOCAL_APIC >> 21 & 511] = (u64)ept_pt | EPTE_RWX;
	ept_pt[LOCAL_APIC >> 12 & 511] = LOCAL_APIC | EPTE_RWX;
	pdpt[LOCAL_APIC >> 30] = (u64)pd | PTE_PWU;
	((u64 *)ARENA_PAGE(A_PDPT_PAE))[LOCAL_APIC >> 30] = (u64)pd | 1;
	pd[LOCAL_APIC >> 21 & 511] = (u64)pt | PTE_PWU;
	pt[LOCAL_APIC >> 12 & 511] = LOCAL_APIC | PTE_PWU;
	pd32[LOCAL_APIC >> 22] = (u32)(u64)pt32 | PTE_PWU;
	pt32[LOCAL_APIC >> 12 & 1023] = LOCAL_APIC | PTE_PWU;
}

static void watch_all(void)
{
	u64 *ept = l1_pages.ept;

	watch("code", (void *)L2_CODE, 0xa00);
	watch("stack", (void *)ARENA_PAGE(A_STACK), 0x1000);
	watch("data", (void *)L2_DATA, 0x1000);
	watch("tables", (void *)L2_GDT, 0x1000);
	watch("PML4", (void *)ARENA_PAGE(A_PML4), 16);
	watch("PDPT", (void *)ARENA_PAGE(A_PDPT), 32);
	watch("PD", (void *)ARENA_PAGE(A_PD), 16);
	watch("PT", (void *)ARENA_PAGE(A_PT), 8 * (ARENA / 4096 + NR_ARENA + 1));
	watch("32-bit PD", (void *)ARENA_PAGE(A_PD32), 16);
	watch("32-bit PT", (void *)ARENA_PAGE(A_PT32), 4 * (ARENA / 4096 + NR_ARENA + 3));
	watch("PAE PDPT", (void *)ARENA_PAGE(A_PDPT_PAE), 32);
	watch("APIC page", (void *)ARENA_PAGE(A_APIC), 0x400);
	watch("data 2", (void *)ARENA_PAGE(A_DATA2), 0x100);
	watch("data 2's end", (void *)(ARENA_PAGE(A_DATA2) + 0xff0), 0x10);
	watch("EPT PML4", ept, 16);
	watch("EPT PDPT", ept + 512, 32);
	watch("EPT PD", ept + 1024, 16);
	watch("EPT large page", large_entry(), 8);
	watch("large page", l1_pages.large + LARGE_OFFSET, 0x100);
	watch("large page's end", l1_pages.large + LARGE_OFFSET + 0xff0, 0x10);
	watch("EPT PT", ept + 1536 + ARENA / 4096, 8 * NR_ARENA);
	watch("I/O bitmap", l1_pages.io, 0x100);
	watch("I/O bitmap B's end", l1_pages.io + 0x1ff0, 0x10);
	watch("MSR bitmap", l1_pages.msr, 0x100);
	watch("MSR bitmap, high", l1_pages.msr + 0x400, 0x40);
	watch("MSR bitmap, writes", l1_pages.msr + 0x800, 0x100);
	watch("MSR bitmap, high writes", l1_pages.msr + 0xc00, 0x40);
	watch("virtual APIC", l1_pages.vapic, 0x400);
	watch("link", l1_pages.link, 8);
	watch("entry-load list", l1_pages.entry_load, 0x80);
	watch("exit-store list", l1_pages.exit_store, 0x80);
	watch("exit-load list", l1_pages.exit_load, 0x80);
}

/* All that L2 can write, where parts[] leaves out what hardly a case writes. */
static struct {
	void *at;
	u64 *template;
	u32 bytes;
} whole[] = {
	{ (void *)ARENA, NULL, NR_ARENA * 0x1000 },
	{ NULL, NULL, 0x1000 },
};

static void copy_words(u64 *to, const u64 *from, u64 words)
{
	asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

static void keep_whole(void)
{
	whole[1].at = l1_pages.large + LARGE_OFFSET;
	for (u32 i = 0; i < ARRAY_SIZE(whole); i++) {
		whole[i].template = pages_alloc(whole[i].bytes / 0x1000);
		copy_words(whole[i].template, whole[i].at, whole[i].bytes / 8);
	}
}

void memory_forget(void)
{
	memory_observe(0, false);
	for (u32 i = 0; i < ARRAY_SIZE(whole); i++)
		copy_words(whole[i].at, whole[i].template, whole[i].bytes / 8);
}

static void make_writable(u64 *entry)
{
	if (*entry & EPTE_R)
		*entry |= EPTE_W;
}

void memory_writable_tables(void)
{
	for (u32 level = 0; level < 3; level++)
		make_writable(l1_pages.ept + 512 * level);
	for (u32 page = A_PML4; page <= A_APIC_PT32; page++)
		make_writable(l1_pages.ept + 512 * 3 + ARENA / 4096 + page);
}

/* L2 walks there when its CR3 is 0 and there is no EPT; each side's firmware has left other things. */
static void clear_page_0(void)
{
	u8 *page = NULL;

	/* So that the compiler takes it for an address as any other. */
	asm volatile("" : "+r"(page));
	memset(page, 0, 0x1000);
}

void memory_init(struct l1_vmx *vmx)
{
	struct l1_pages *p = &l1_pages;

	clear_page_0();
	p->ept = pages_alloc(6);
	p->io = pages_alloc(2);
	p->msr = page_alloc();
	p->vapic = page_alloc();
	p->link = page_alloc();
	p->other = page_alloc();
	p->shadow = page_alloc();
	p->access = pages_alloc(2);
	p->eptps = page_alloc();
	/* As many again, to find 2 MiB that are aligned. */
	p->large = (u8 *)(((u64)pages_alloc(1024) + 0x1fffff) & ~0x1fffffULL);
	p->entry_load = page_alloc();
	p->exit_store = page_alloc();
	p->exit_load = page_alloc();
	memset((void *)ARENA, 0, NR_ARENA * 0x1000);
	for (u32 i = 0; i < 0x1000; i += 4)
		*(u32 *)(L2_DATA + i) = 0x01010101 * (i & 0xff);
	memset((void *)L2_CODE, 0x90, 0x800);
	memset(p->io, 0xff, 0x2000);
	memset(p->msr, 0xff, 0x1000);
	memset(p->access, 0xff, 0x2000);
	*(u32 *)p->link = *(u32 *)p->other = vmx->caps.basic & BASIC_REVISION;
	put_gdt();
	put_idts();
	put_tss();
	put_paging();
	put_ept();
	put_apic();
	put_eptps();
	watch_all();
	keep_whole();
}

/* The first of @n words that differ, or @n. One instruction for each pair. */
static u32 first_difference(const u64 *a, const u64 *b, u32 n)
{
	u64 left = n;
	bool equal = true;

	if (!n)
		return 0;
	asm volatile("repe cmpsq" : "+S"(a), "+D"(b), "+c"(left), "=@ccz"(equal) : : "memory");
	return equal ? n : n - left - 1;
}

/* Changes are hashed, not contents: the link's VMCS revision is each side's own. */
u64 memory_observe(u64 hash, bool print)
{
	for (struct part *p = parts; p < parts + nr_parts; p++) {
		u32 i = 0;

		for (;;) {
			i += first_difference(p->at + i, p->template + i, p->words - i);
			if (i >= p->words)
				break;
			hash = fold(fold(hash, (p - parts) << 16 | i), p->at[i] ^ p->template[i]);
			if (print && p != parts)
				printf("= %s+0x%x 0x%lx\n", p->name, 8 * i,
				       (unsigned long)p->at[i]);
			p->at[i] = p->template[i];
			i++;
		}
	}
	return hash;
}
