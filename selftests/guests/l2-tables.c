// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPTs of L1 that map far more than L1 has memory: every entry of a page directory names one
 * table, and every entry of that one page. Each 2 MiB that L2 touches cost whoever runs L1 a table
 * of its own; when it takes some back, neither L1 nor L2 may notice.
 *
 * Writes to port 0x80, where it may be looked at from outside, say how far it is.
 */
#include "vmx.h"

#define PLACES 6000
#define FEW 1500
#define SPAN (2ULL << 20)
#define FIRST (4ULL << 30)	 /* the lowest address that L1's own EPT has no memory for */
#define WINDOW_ENTRY 1		 /* of PML4: L2 sees its physical addresses through it */
#define OWN_MEMORY (28ULL << 20) /* of the 32 MiB that an image has at least */

struct hoard {
	u64 eptp;
	u64 *table; /* that all places have */
	u64 *page;  /* that all of its entries name */
};

static u64 window_pdpt[512] __aligned(4096);
static u64 window_directory[MAX_CPUS][512] __aligned(4096); /* 1 GiB of each CPU's own */

static volatile struct {
	u64 first, places, expected, wrong;
} of_cpu[MAX_CPUS]; /* what its L2 is to look at */

static void mark(u8 how_far)
{
	outb(0x80, how_far);
}

static u64 *table_of(u64 entry)
{
	return (u64 *)(entry & GENMASK_ULL(51, 12));
}

static void name_page(struct hoard *h, u64 *page)
{
	h->page = page;
	for (u64 i = 0; i < 512; i++)
		h->table[i] = (u64)page | EPTE_RWX | EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
}

static u64 *filled_page(u64 value)
{
	u64 *page = page_alloc();

	page[0] = value;
	return page;
}

/* An EPT like vmx's own up to FIRST. */
static void make_hoard(struct l1_vmx *vmx, struct hoard *h, u64 value)
{
	u64 *pml4 = page_alloc(), *pdpt = page_alloc(), *directory = page_alloc();

	memcpy(pdpt, table_of(vmx->ept_pml4[0]), 4 * sizeof(u64));
	h->table = page_alloc();
	name_page(h, filled_page(value));
	for (u64 i = 0; i < 512; i++)
		directory[i] = (u64)h->table | EPTE_RWX;
	for (u64 i = FIRST >> 30; i < 512; i++)
		pdpt[i] = (u64)directory | EPTE_RWX;
	pml4[0] = (u64)pdpt | EPTE_RWX;
	h->eptp = (l1_vmread(VMCS_EPT_POINTER) & 0xfff) | (u64)pml4;
}

static void l2_reads(void)
{
	u32 me = this_cpu()->index;
	u64 window = ((u64)WINDOW_ENTRY << 39) + ((u64)me << 30), i;

	for (i = of_cpu[me].first; i < of_cpu[me].first + of_cpu[me].places; i++) {
		window_directory[me][0] = (FIRST + i * SPAN) | 0x83;
		asm volatile("invlpg (%0)" : : "r"(window) : "memory");
		of_cpu[me].wrong += *(volatile u64 *)window != of_cpu[me].expected;
	}
	l2_vmcall(0x600d);
}

/* L2 looks at @places of @h, and finds one page in all. */
static void expect_one_page(const struct hoard *h, u64 places, u64 first)
{
	u32 me = this_cpu()->index;

	l1_vmwrite(VMCS_EPT_POINTER, h->eptp);
	of_cpu[me].first = first;
	of_cpu[me].places = places;
	of_cpu[me].expected = h->page[0];
	of_cpu[me].wrong = 0;
	l1_restart_l2(l2_reads);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
	GUEST_EXPECT(of_cpu[me].wrong, 0);
}

static struct l1_vmx *prepare(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_reads);

	l1_need_ept(0);
	for (u64 i = 0; i < MAX_CPUS; i++)
		window_pdpt[i] = (u64)window_directory[i] | 3;
	page_pml4[WINDOW_ENTRY] = (u64)window_pdpt | 3;
	return vmx;
}

static void more_than_memory(void)
{
	struct l1_vmx *vmx = prepare();
	struct hoard h;

	for (u64 at = 2ULL << 20; at < OWN_MEMORY; at += 4096)
		(void)*(volatile u64 *)at;
	make_hoard(vmx, &h, 0x1111);
	mark(1);
	expect_one_page(&h, PLACES, 0);
	mark(2);
	name_page(&h, filled_page(0x2222));
	l1_invept(vmx);
	mark(3);
	expect_one_page(&h, FEW, 0);
}

/* Those of the one are taken back for the other's sake. */
static void two_in_turn(void)
{
	struct l1_vmx *vmx = prepare();
	struct hoard h[2];

	make_hoard(vmx, &h[0], 0x3333);
	make_hoard(vmx, &h[1], 0x4444);
	for (int i = 0; i < 4; i++)
		expect_one_page(&h[i % 2], FEW, i / 2 * FEW / 2);
}

static struct hoard hoards[2];

/* The page pool is not locked, so one by one. */
static void prepare_cpu(__attribute__((unused)) void *arg)
{
	u32 me = this_cpu()->index;

	make_hoard(prepare(), &hoards[me], 0x5550 + me);
}

static void look_around(__attribute__((unused)) void *arg)
{
	u32 me = this_cpu()->index;

	for (u64 i = 0; i < 4; i++)
		expect_one_page(&hoards[me], FEW / 2, i * FEW / 4);
	l1_vmxoff();
}

/* Each takes back what the other has filled, perhaps while its L2 runs. */
static void two_at_once(void)
{
	if (!vmx_offered())
		claim_skip("no VMX");
	if (cpus_start(2) < 2)
		claim_skip("one CPU only");
	prepare_cpu(NULL);
	cpu_run(1, prepare_cpu, NULL);
	cpu_wait(1);
	cpu_run(1, look_around, NULL);
	look_around(NULL);
	cpu_wait(1);
}

CLAIMS = { { more_than_memory, "L2 finds one page in 6000 places, and after INVEPT another" },
	   { two_in_turn, "two EPTs of that kind in turn" },
	   { two_at_once, "on two CPUs at once" },
	   END_OF_CLAIMS };
