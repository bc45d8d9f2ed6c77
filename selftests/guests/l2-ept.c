// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPT of L1: violations with their qualification, misconfigurations, large
 * pages, accessed and dirty bits, execute-only, invalidation; VPIDs.
 * SDM: "The Extended Page Table Mechanism (EPT)", "Exit Qualification for EPT
 * Violations", "Caching Translation Information".
 */
#include "vmx.h"

#define PLAYGROUND 0x3e000000ULL /* 2 MiB that nothing else uses */

static u64 l2_value;

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

static u64 *playground(struct l1_vmx *vmx, void *page)
{
	u64 *entry = l1_ept_entry(vmx, PLAYGROUND);

	*entry = (u64)page | EPTE_RWX | EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
	return entry;
}

static void l2_read(void)
{
	l2_value = *(volatile u64 *)(PLAYGROUND + 0x18);
	l2_vmcall(0x600d);
}

static void l2_write(void)
{
	*(volatile u64 *)(PLAYGROUND + 0x18) = 0x77;
	l2_vmcall(0x600d);
}

static void l2_jump(void)
{
	((void (*)(void))PLAYGROUND)();
	l2_vmcall(0x600d);
}

static void l2_nothing(void)
{
	l2_vmcall(0x600d);
}

static void expect_violation(u64 access)
{
	u64 q;

	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(q & EPTQ_ACCESS, access);
	GUEST_EXPECT(q & (EPTQ_LINEAR_VALID | EPTQ_FINAL), EPTQ_LINEAR_VALID | EPTQ_FINAL);
}

static void remap(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 *page = page_alloc();

	l1_need_ept(0);
	playground(vmx, page);
	page[3] = 0x1234567;
	expect_end();
	GUEST_EXPECT(l2_value, 0x1234567);
	l1_restart_l2(l2_write);
	expect_end();
	GUEST_EXPECT(page[3], 0x77);
}

static void not_present(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 *page = page_alloc(), *entry;

	l1_need_ept(0);
	entry = playground(vmx, page);
	*entry = 0;
	expect_violation(EPTQ_READ);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PHYS_ADDR), PLAYGROUND + 0x18);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_LINEAR_ADDR), PLAYGROUND + 0x18);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & 0x38, 0);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_read);
	/* From not present to present needs no INVEPT. */
	playground(vmx, page);
	expect_end();
}

static void read_only(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 *page = page_alloc(), *entry;

	l1_need_ept(0);
	entry = playground(vmx, page);
	*entry &= ~EPTE_W;
	expect_end();
	l1_restart_l2(l2_write);
	expect_violation(EPTQ_WRITE);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & 0x38, EPTQ_CAN_READ | EPTQ_CAN_EXEC);
	GUEST_EXPECT(page[3], 0);
	*entry |= EPTE_W;
	l1_invept(vmx);
	expect_end();
	GUEST_EXPECT(page[3], 0x77);
}

static void no_execute(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_jump);
	u64 *page = page_alloc(), *entry;

	l1_need_ept(0);
	entry = playground(vmx, page);
	*(u8 *)page = 0xc3;
	*entry &= ~EPTE_X;
	expect_violation(EPTQ_FETCH);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), PLAYGROUND);
	*entry |= EPTE_X;
	l1_invept(vmx);
	expect_end();
}

static void execute_only(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_jump);
	u64 *page = page_alloc(), *entry;

	l1_need_ept(EPTCAP_EXEC_ONLY);
	entry = playground(vmx, page);
	*(u8 *)page = 0xc3;
	*entry &= ~(EPTE_R | EPTE_W);
	expect_end();
	l1_restart_l2(l2_read);
	expect_violation(EPTQ_READ);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & 0x38, EPTQ_CAN_EXEC);
}

static void misconfigured(struct l1_vmx *vmx, u64 bits)
{
	u64 *entry = l1_ept_entry(vmx, PLAYGROUND);

	*entry = bits;
	l1_invept(vmx);
	l1_restart_l2(l2_read);
	EXPECT_EXIT(EXIT_EPT_MISCONFIG);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PHYS_ADDR), PLAYGROUND + 0x18);
}

static void misconfigurations(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 page = (u64)page_alloc(), wb = EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;

	l1_need_ept(0);
	misconfigured(vmx, page | wb | EPTE_W);
	misconfigured(vmx, page | wb | EPTE_W | EPTE_X);
	misconfigured(vmx, page | 2 << EPTE_MEMTYPE_SHIFT | EPTE_RWX);
	misconfigured(vmx, page | 7 << EPTE_MEMTYPE_SHIFT | EPTE_RWX);
	misconfigured(vmx, page | wb | EPTE_RWX | BIT_ULL(51));
	if (!(vmx->caps.ept_vpid & EPTCAP_EXEC_ONLY))
		misconfigured(vmx, page | wb | EPTE_X);
}

static void misconfigured_levels(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 *large = l1_ept_large_entry(vmx, PLAYGROUND), saved = *large;

	l1_need_ept(0);
	*large |= BIT_ULL(13); /* a large page's low address bits */
	l1_invept(vmx);
	EXPECT_EXIT(EXIT_EPT_MISCONFIG);
	*large = (u64)page_alloc() | EPTE_RWX | BIT_ULL(4); /* reserved in a table's entry */
	l1_invept(vmx);
	EXPECT_EXIT(EXIT_EPT_MISCONFIG);
	*large = saved;
	l1_invept(vmx);
	expect_end();
}

static void large_to_small(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 *page = page_alloc(), *large = l1_ept_large_entry(vmx, PLAYGROUND), saved = *large;

	l1_need_ept(EPTCAP_2M);
	*large = EPTE_RWX | EPTE_LARGE | EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
	asm volatile("movq $0xabcdef, 0x18" : : : "memory");
	expect_end();
	GUEST_EXPECT(l2_value, 0xabcdef);
	playground(vmx, page);
	page[3] = 0x99;
	l1_invept(vmx);
	l1_restart_l2(l2_read);
	expect_end();
	GUEST_EXPECT(l2_value, 0x99);
	*large = EPTE_RWX | EPTE_LARGE | EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
	l1_invept(vmx);
	l1_restart_l2(l2_read);
	expect_end();
	GUEST_EXPECT(l2_value, 0xabcdef);
	*large = saved;
}

static void retarget(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 *a = page_alloc(), *b = page_alloc();
	struct inv_desc none = { 0, 0 };

	l1_need_ept(EPTCAP_INVEPT);
	a[3] = 1;
	b[3] = 2;
	for (int i = 0; i < 10; i++) {
		playground(vmx, i & 1 ? b : a);
		if (i & 2)
			l1_invept(vmx);
		else
			EXPECT_OUTCOME(invept(INVEPT_ALL, &none), VM_OK);
		l1_restart_l2(l2_read);
		expect_end();
		GUEST_EXPECT(l2_value, i & 1 ? 2 : 1);
	}
}

static void accessed_dirty(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 *entry, *large;

	l1_need_ept(EPTCAP_AD);
	entry = playground(vmx, page_alloc());
	large = l1_ept_large_entry(vmx, PLAYGROUND);
	l1_set(VMCS_EPT_POINTER, EPTP_AD);
	expect_end();
	GUEST_EXPECT(*entry & (EPTE_A | EPTE_D), EPTE_A);
	GUEST_EXPECT(*large & EPTE_A, EPTE_A);
	l1_restart_l2(l2_write);
	expect_end();
	GUEST_EXPECT(*entry & (EPTE_A | EPTE_D), EPTE_A | EPTE_D);
	*entry &= ~(EPTE_A | EPTE_D);
	l1_invept(vmx);
	l1_restart_l2(l2_read);
	expect_end();
	GUEST_EXPECT(*entry & (EPTE_A | EPTE_D), EPTE_A);
	*entry &= ~(EPTE_A | EPTE_D);
	l1_invept(vmx);
	l1_restart_l2(l2_write);
	expect_end();
	GUEST_EXPECT(*entry & (EPTE_A | EPTE_D), EPTE_A | EPTE_D);
}

/* L1 answers a violation, and L2 does not come back to where it was. */
static void no_trace_before_use(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 *entry;

	l1_need_ept(EPTCAP_AD);
	l1_set(VMCS_EPT_POINTER, EPTP_AD);
	entry = playground(vmx, page_alloc());
	expect_end(); /* the upper levels are marked accessed */
	*entry &= ~(EPTE_RWX | EPTE_A);
	l1_invept(vmx);
	l1_restart_l2(l2_read);
	expect_violation(EPTQ_READ);
	*entry |= EPTE_RWX;
	l1_restart_l2(l2_nothing);
	expect_end();
	GUEST_EXPECT(*entry & (EPTE_A | EPTE_D), 0);

	*entry &= ~EPTE_W;
	*entry |= EPTE_A;
	l1_invept(vmx);
	l1_restart_l2(l2_write);
	expect_violation(EPTQ_WRITE);
	*entry |= EPTE_W;
	l1_restart_l2(l2_nothing);
	expect_end();
	GUEST_EXPECT(*entry & EPTE_D, 0);
	l1_restart_l2(l2_read);
	expect_end();
	GUEST_EXPECT(*entry & EPTE_D, 0);
	l1_restart_l2(l2_write);
	expect_end();
	GUEST_EXPECT(*entry & EPTE_D, EPTE_D);
}

static void gone_before_use(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 *page = page_alloc(), *other = page_alloc(), *entry;

	l1_need_ept(0);
	page[3] = 1;
	other[3] = 2;
	entry = playground(vmx, page);
	*entry = 0;
	expect_violation(EPTQ_READ);
	playground(vmx, page);
	l1_restart_l2(l2_nothing);
	expect_end();
	*entry = 0;
	l1_invept(vmx);
	l1_restart_l2(l2_read);
	expect_violation(EPTQ_READ);
	playground(vmx, other);
	expect_end();
	GUEST_EXPECT(l2_value, 2);
}

static u8 *out_from;

static void l2_outs(void)
{
	asm volatile("outsb" : : "S"(out_from), "d"((u16)0x2ff) : "memory");
	l2_vmcall(0x600d);
}

/*
 * With accessed and dirty flags each look into L2's page tables counts as a write, whoever looks:
 * the table of @out_from is only used for OUTS, which a hypervisor may execute in L2's place.
 */
static void tables_are_written(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_outs);
	u64 *entry;

	l1_need_ept(EPTCAP_AD);
	l1_set(VMCS_EPT_POINTER, EPTP_AD);
	out_from = page_alloc();
	entry = l1_ept_entry(vmx, (u64)page_entry((u64)out_from) & ~0xfffULL);
	expect_end();
	*entry &= ~(EPTE_A | EPTE_D);
	l1_invept(vmx);
	l1_restart_l2(l2_outs);
	expect_end();
	GUEST_EXPECT(*entry & (EPTE_A | EPTE_D), EPTE_A | EPTE_D);
	*entry &= ~EPTE_W;
	l1_invept(vmx);
	l1_restart_l2(l2_outs);
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & (EPTQ_WRITE | EPTQ_LINEAR_VALID | EPTQ_FINAL),
		     EPTQ_WRITE | EPTQ_LINEAR_VALID);
}

static void no_accessed_dirty(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_write);
	u64 *entry;

	l1_need_ept(0);
	entry = playground(vmx, page_alloc());
	expect_end();
	GUEST_EXPECT(*entry & (EPTE_A | EPTE_D), 0);
}

/* L2's own page table lies on a page that L1 has not mapped. */
static void table_walk(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 *own = page_entry(PLAYGROUND), *entry, q;

	l1_need_ept(0);
	playground(vmx, page_alloc());
	entry = l1_ept_entry(vmx, (u64)own);
	*entry &= ~EPTE_RWX;
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(q & EPTQ_LINEAR_VALID, EPTQ_LINEAR_VALID);
	GUEST_EXPECT(q & EPTQ_FINAL, 0);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PHYS_ADDR), (u64)own);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_LINEAR_ADDR), PLAYGROUND + 0x18);
	*entry |= EPTE_RWX;
	expect_end();
}

/* A violation in delivering an event tells the event. */
static void vectoring(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 *entry, handler = (u64)page_alloc();

	l1_need_ept(0);
	l1_vmwrite(VMCS_GUEST_RSP, handler + 0x800);
	entry = l1_ept_entry(vmx, handler);
	*entry &= ~EPTE_W;
	l1_vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | INTR_TYPE_EXT | 0x51);
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & EPTQ_ACCESS & ~EPTQ_READ, EPTQ_WRITE);
	GUEST_EXPECT(l1_vmread(VMCS_IDT_VECTORING_INFO), INTR_VALID | INTR_TYPE_EXT | 0x51);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)l2_read);
}

/* L2 reaches L1's devices through an identity map. */
static void l2_mmio(void)
{
	*(volatile u32 *)0xfec00000 = 0x12;
	l2_value = *(volatile u32 *)0xfec00000;
	l2_vmcall(0x600d);
}

static void device(void)
{
	l1_prepare(l2_mmio);
	expect_end();
	GUEST_EXPECT(l2_value, 0x12);
}

#define NOTHING_AT 0xe0 /* a port that reads as ones */

static void l2_string_in(void)
{
	u64 to = PLAYGROUND;

	asm volatile("insb" : "+D"(to) : "d"(NOTHING_AT) : "memory");
	l2_vmcall(0x600d);
}

/* Whoever executes INS for L2 goes by EPT, also at an entry to which L1 changed nothing. */
static void string_input(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_string_in);
	u8 *page = page_alloc();
	u64 *entry;

	l1_need_ept(0);
	entry = playground(vmx, page);
	for (int i = 0; i < 3; i++) {
		page[0] = 0x55;
		expect_end();
		GUEST_EXPECT(page[0], 0xff);
		l1_restart_l2(l2_string_in);
	}
	*entry &= ~EPTE_W;
	l1_invept(vmx);
	expect_violation(EPTQ_WRITE);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PHYS_ADDR), PLAYGROUND);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_LINEAR_ADDR), PLAYGROUND);
}

static void l2_touch_many(void)
{
	for (u64 i = 0; i < 512; i++)
		*(volatile u64 *)(PLAYGROUND + i * 4096) = i;
	l2_vmcall(0x600d);
}

static void many_pages(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_touch_many);
	u64 *page = page_alloc();

	l1_need_ept(0);
	playground(vmx, page);
	for (u64 i = 0; i < 512; i++)
		*l1_ept_entry(vmx, PLAYGROUND + i * 4096) = (0x800000 + i * 4096) | EPTE_RWX |
							    EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
	expect_end();
	for (u64 i = 0; i < 512; i++)
		GUEST_EXPECT(*(volatile u64 *)(0x800000 + i * 4096), i);
}

/* Two EPTs in turn on one VMCS. */
static void two_roots(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 *a = page_alloc(), *b = page_alloc(), first, second;

	l1_need_ept(0);
	playground(vmx, a);
	a[3] = 10;
	b[3] = 20;
	first = l1_vmread(VMCS_EPT_POINTER);
	l1_ept_build(vmx);
	playground(vmx, b);
	second = (u64)vmx->ept_pml4 | (first & 0xfff);
	for (int i = 0; i < 10; i++) {
		l1_vmwrite(VMCS_EPT_POINTER, i & 1 ? second : first);
		l1_restart_l2(l2_read);
		expect_end();
		GUEST_EXPECT(l2_value, i & 1 ? 20 : 10);
	}
}

static void l2_beyond(void)
{
	l2_value = *(volatile u64 *)PLAYGROUND;
	l2_vmcall(0x600d);
}

/* EPT that points outside L1's memory: L1's own bus answers all ones. */
static void nowhere(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_beyond);
	u64 *entry;

	l1_need_ept(0);
	entry = playground(vmx, page_alloc());
	*entry = 0xd0000000ULL | EPTE_RWX;
	expect_end();
	GUEST_EXPECT(l2_value, ~0ULL);
}

/* Ones are no instruction, and L2 must not end its L1 by executing them. */
static void nowhere_code(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_jump);
	u64 *entry;

	l1_need_ept(0);
	entry = playground(vmx, page_alloc());
	*entry = 0xd0000000ULL | EPTE_RWX;
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_UD));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO) & INTR_VECTOR, VEC_UD);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), PLAYGROUND);
}

#define MANY 40 /* more than a hypervisor keeps translations of, which has the last ones yet */

static void many_roots(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_read);
	u64 eptp[MANY], *page;

	l1_need_ept(0);
	for (u64 i = 0; i < MANY; i++) {
		page = page_alloc();
		page[3] = i + 1;
		l1_ept_build(vmx);
		playground(vmx, page);
		eptp[i] = (l1_vmread(VMCS_EPT_POINTER) & 0xfff) | (u64)vmx->ept_pml4;
	}
	for (u64 turn = 0; turn < 2 * MANY; turn++) {
		u64 i = turn < MANY ? turn : 2 * MANY - 1 - turn;

		l1_vmwrite(VMCS_EPT_POINTER, eptp[i]);
		l1_restart_l2(l2_read);
		expect_end();
		GUEST_EXPECT(l2_value, i + 1);
	}
}

CLAIMS = { { remap, "L2's memory is where L1's EPT says" },
	   { not_present, "a missing page exits with address and access" },
	   { read_only, "a write to a read-only page exits with the page's rights" },
	   { no_execute, "a fetch from a page without execute exits" },
	   { execute_only, "an execute-only page executes and cannot be read" },
	   { misconfigurations, "wrong rights, memory types and reserved bits of a page" },
	   { misconfigured_levels, "wrong bits in upper levels" },
	   { large_to_small, "a 2 MiB page, then 4 KiB pages, then again" },
	   { retarget, "after INVEPT of either type L2 sees the new page" },
	   { accessed_dirty, "accessed and dirty bits are set, and again after they were cleared" },
	   { no_trace_before_use, "a page mapped for a violation is marked when L2 uses it" },
	   { gone_before_use, "and may be taken away before" },
	   { no_accessed_dirty, "without the EPTP bit there are none" },
	   { table_walk, "a violation on L2's page table says so" },
	   { vectoring, "a violation in delivering an event has it as vectoring information" },
	   { device, "L2 reaches a device of L1's machine" },
	   { string_input, "INS of L2 writes where L1's EPT says, at each entry" },
	   { many_pages, "512 pages of 4 KiB" },
	   { two_roots, "two EPT pointers in turn" },
	   { nowhere, "a page where L1 has no memory reads as all ones" },
	   { nowhere_code, "code there is an invalid opcode" },
	   { many_roots, "forty EPT pointers in turn, there and back" },
	   { tables_are_written, "L2's page tables are written, also by OUTS" },
	   END_OF_CLAIMS };
