// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mode-based execute control for EPT, and what the exit qualification says of a page by
 * the advanced exit information.
 * SDM: "Mode-Based Execution Control", "Exit Qualification for EPT Violations".
 */
#include "vmx.h"

#define PLAYGROUND 0x3e000000ULL /* 2 MiB that nothing else uses */
#define EPTQ_CAN (EPTQ_RIGHTS | EPTQ_CAN_EXEC_USER)
#define EPTQ_PAGE (EPTQ_USER_PAGE | EPTQ_WRITE_PAGE | EPTQ_NX_PAGE)
#define PAGE_W BIT_ULL(1)
#define PAGE_U BIT_ULL(2)
#define PAGE_NX BIT_ULL(63)
#define RET 0xc3
#define LARGE_PAGE 0x200000ULL

static void l2_jump(void)
{
	((void (*)(void))PLAYGROUND)();
	l2_vmcall(0x600d);
}

static void l2_read(void)
{
	(void)*(volatile u64 *)PLAYGROUND;
	l2_vmcall(0x600d);
}

static void l2_write(void)
{
	*(volatile u64 *)(PLAYGROUND + 8) = 1;
	l2_vmcall(0x600d);
}

static void expect_end(void)
{
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l1_vmx()->regs[GPR_RAX], 0x600d);
}

/* An EPT violation with these bits, of the rights and of what is said of the page. */
static void expect_violation(u64 access, u64 can)
{
	u64 q;

	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	q = l1_vmread(VMCS_EXIT_QUAL);
	GUEST_EXPECT(q & EPTQ_ACCESS, access);
	GUEST_EXPECT(q & EPTQ_CAN, can);
	GUEST_EXPECT(q & (EPTQ_LINEAR_VALID | EPTQ_FINAL), EPTQ_LINEAR_VALID | EPTQ_FINAL);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PHYS_ADDR) & ~0xfffULL, PLAYGROUND);
}

/* L2's page of the playground: a page that holds RET, with these rights. */
static u64 *ept_page(u64 rights)
{
	u64 *entry = l1_ept_entry(l1_vmx(), PLAYGROUND);
	u8 *page = page_alloc();

	*page = RET;
	*entry = (u64)page | rights | EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
	return entry;
}

/* Let user-mode addresses be executed wherever the others may be. */
static void allow_users(u64 *table, int level)
{
	for (u32 i = 0; i < 512; i++) {
		if (!(table[i] & EPTE_RWX))
			continue;
		table[i] |= EPTE_XU;
		if (level > 1 && !(table[i] & EPTE_LARGE))
			allow_users((u64 *)(table[i] & GENMASK_ULL(51, 12)), level - 1);
	}
}

/* @flags: of L2's page-table entry of the playground, apart from P. */
static u64 *prepare(void (*l2)(void), u64 rights, u64 flags)
{
	struct l1_vmx *vmx = l1_prepare(l2);
	u64 *entry;

	l1_use_proc2(PROC2_MODE_EXEC);
	entry = ept_page(EPTE_RWX);
	allow_users(vmx->ept_pml4, 4);
	*entry = (*entry & ~(EPTE_RWX | EPTE_XU)) | rights;
	*page_entry(PLAYGROUND) = PLAYGROUND | 1 | flags;
	write_cr3(read_cr3());
	return entry;
}

/* --- fetches ------------------------------------------------------------ */

static void supervisor(void)
{
	prepare(l2_jump, EPTE_RWX, PAGE_W);
	expect_end();
	prepare(l2_jump, EPTE_R | EPTE_W | EPTE_XU, PAGE_W);
	expect_violation(EPTQ_FETCH, EPTQ_CAN_READ | EPTQ_CAN_WRITE | EPTQ_CAN_EXEC_USER);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), PLAYGROUND);
}

static void user(void)
{
	prepare(l2_jump, EPTE_R | EPTE_W | EPTE_XU, PAGE_W | PAGE_U);
	expect_end();
	prepare(l2_jump, EPTE_RWX, PAGE_W | PAGE_U);
	expect_violation(EPTQ_FETCH, EPTQ_CAN_READ | EPTQ_CAN_WRITE | EPTQ_CAN_EXEC);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), PLAYGROUND);
}

static u64 call_playground(u64 arg)
{
	((void (*)(void))PLAYGROUND)();
	return arg + 1;
}

static void l2_user_jump(void)
{
	l2_vmcall(user_call(call_playground, 0x600c));
}

/* The same at CPL 3. */
static void user_cpl3(void)
{
	prepare(l2_user_jump, EPTE_R | EPTE_XU, PAGE_W | PAGE_U);
	expect_end();
	prepare(l2_user_jump, EPTE_R | EPTE_X, PAGE_W | PAGE_U);
	expect_violation(EPTQ_FETCH, EPTQ_CAN_READ | EPTQ_CAN_EXEC);
	GUEST_EXPECT(ar_dpl(l1_vmread(VMCS_GUEST_SS_AR)), 3);
}

static void fixed_by_l1(void)
{
	u64 *entry = prepare(l2_jump, EPTE_RWX, PAGE_W | PAGE_U);

	expect_violation(EPTQ_FETCH, EPTQ_CAN_READ | EPTQ_CAN_WRITE | EPTQ_CAN_EXEC);
	*entry |= EPTE_XU;
	l1_invept(l1_vmx());
	expect_end();
	*entry &= ~EPTE_XU;
	l1_invept(l1_vmx());
	l1_restart_l2(l2_jump);
	expect_violation(EPTQ_FETCH, EPTQ_CAN_READ | EPTQ_CAN_WRITE | EPTQ_CAN_EXEC);
}

/* Each level must allow it. */
static void levels(void)
{
	u64 *large;

	prepare(l2_jump, EPTE_RWX | EPTE_XU, PAGE_W | PAGE_U);
	large = l1_ept_large_entry(l1_vmx(), PLAYGROUND);
	*large &= ~EPTE_XU;
	expect_violation(EPTQ_FETCH, EPTQ_CAN_READ | EPTQ_CAN_WRITE | EPTQ_CAN_EXEC);
	prepare(l2_jump, EPTE_RWX | EPTE_XU, PAGE_W);
	*l1_ept_large_entry(l1_vmx(), PLAYGROUND) &= ~EPTE_X;
	expect_violation(EPTQ_FETCH, EPTQ_CAN_READ | EPTQ_CAN_WRITE | EPTQ_CAN_EXEC_USER);
}

/* A large page of L1's. */
static void large_page(void)
{
	u64 *entry, page;

	prepare(l2_jump, EPTE_RWX, PAGE_W | PAGE_U);
	entry = l1_ept_large_entry(l1_vmx(), PLAYGROUND);
	page = ((u64)pages_alloc(1023) + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
	*(u8 *)page = RET;
	*entry = page | EPTE_RWX | EPTE_LARGE | EPTP_MEMTYPE_WB << EPTE_MEMTYPE_SHIFT;
	expect_violation(EPTQ_FETCH, EPTQ_CAN_READ | EPTQ_CAN_WRITE | EPTQ_CAN_EXEC);
	*entry = (*entry & ~EPTE_X) | EPTE_XU;
	l1_invept(l1_vmx());
	expect_end();
}

/* L1's L0, if any, fetches this itself: it reads a register of a device, of the APIC. */
static void emulated(void)
{
	static const u8 code[] = { 0xa1, 0x30, 0, 0xe0, 0xfe, 0, 0, 0, 0, RET };
	const u64 case_of[][2] = { { EPTE_R | EPTE_XU, PAGE_W | PAGE_U },
				   { EPTE_R | EPTE_X, PAGE_W } };

	for (u32 i = 0; i < ARRAY_SIZE(case_of); i++) {
		u64 *entry = prepare(l2_jump, case_of[i][0], case_of[i][1]);

		memcpy((void *)(*entry & GENMASK_ULL(51, 12)), code, sizeof(code));
		expect_end();
	}
}

static void without(void)
{
	prepare(l2_jump, EPTE_RWX, PAGE_W | PAGE_U);
	l1_clear(VMCS_PROC2_CTLS, PROC2_MODE_EXEC);
	expect_end();
	prepare(l2_jump, EPTE_R | EPTE_XU, PAGE_W | PAGE_U);
	l1_clear(VMCS_PROC2_CTLS, PROC2_MODE_EXEC);
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & EPTQ_RIGHTS, EPTQ_CAN_READ);
}

/* An entry with no right but this one is present: execute-only. */
static void user_only(void)
{
	prepare(l2_jump, EPTE_XU, PAGE_W | PAGE_U);
	l1_need_ept(EPTCAP_EXEC_ONLY);
	expect_end();
	l1_restart_l2(l2_read);
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & (EPTQ_ACCESS | EPTQ_RIGHTS), EPTQ_READ);
}

static void told_of_others(void)
{
	prepare(l2_write, EPTE_R | EPTE_XU, PAGE_W | PAGE_U);
	expect_violation(EPTQ_WRITE, EPTQ_CAN_READ | EPTQ_CAN_EXEC_USER);
}

static void needs_ept(void)
{
	l1_prepare_with(l2_unreachable, L1_NO_EPT);
	l1_use_proc2(PROC2_MODE_EXEC);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
}

/* The same tables with and without the control, one VMCS after the other. */
static void two_vmcs(void)
{
	struct l1_vmx *vmx;
	u64 first;

	prepare(l2_jump, EPTE_RWX, PAGE_W | PAGE_U);
	vmx = l1_vmx();
	first = (u64)vmx->vmcs;
	l1_new_vmcs(vmx);
	l1_fill_vmcs(vmx, l2_jump);
	for (u32 i = 0; i < 2; i++) {
		u64 mine = (u64)vmx->vmcs;

		expect_end(); /* the second VMCS, without it */
		EXPECT_OUTCOME(vmclear(mine), VM_OK);
		EXPECT_OUTCOME(vmptrld(first), VM_OK);
		vmx->launched = i;
		expect_violation(EPTQ_FETCH, EPTQ_CAN_READ | EPTQ_CAN_WRITE | EPTQ_CAN_EXEC);
		EXPECT_OUTCOME(vmptrld(mine), VM_OK);
		vmx->launched = false;
		l1_restart_l2(l2_jump);
	}
}

/* Where it is not offered, which is all that can be said there. */
static void not_offered(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_unreachable);

	l1_need_ept(0);
	if (ctl_may(vmx->caps.proc2, PROC2_MODE_EXEC))
		claim_skip("it is");
	l1_set(VMCS_PROC2_CTLS, PROC2_MODE_EXEC);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
}

/* --- advanced exit information ------------------------------------------ */

static void expect_page(void (*l2)(void), u64 rights, u64 flags, u64 said)
{
	prepare(l2, rights, flags);
	l1_need_ept(EPTCAP_EXIT_INFO);
	EXPECT_EXIT(EXIT_EPT_VIOLATION);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL) & EPTQ_PAGE, said);
}

static void page_rights(void)
{
	expect_page(l2_read, 0, 0, 0);
	expect_page(l2_read, 0, PAGE_U, EPTQ_USER_PAGE);
	expect_page(l2_read, 0, PAGE_W, EPTQ_WRITE_PAGE);
	expect_page(l2_write, EPTE_R, PAGE_W | PAGE_U, EPTQ_WRITE_PAGE | EPTQ_USER_PAGE);
	expect_page(l2_jump, EPTE_R, PAGE_W, EPTQ_WRITE_PAGE);
	expect_page(l2_jump, EPTE_R, PAGE_U, EPTQ_USER_PAGE);
}

static void page_nx(void)
{
	u64 efer = rdmsr(MSR_EFER);

	wrmsr(MSR_EFER, efer | EFER_NXE);
	expect_page(l2_read, 0, PAGE_NX, EPTQ_NX_PAGE);
	expect_page(l2_write, EPTE_R, PAGE_NX | PAGE_W, EPTQ_NX_PAGE | EPTQ_WRITE_PAGE);
	*page_entry(PLAYGROUND) = PLAYGROUND | 7;
	wrmsr(MSR_EFER, efer);
}

CLAIMS = { { supervisor, "a supervisor page is executed by bit 2 alone" },
	   { user, "a user page is executed by bit 10 alone, at CPL 0 as well" },
	   { user_cpl3, "the same at CPL 3" },
	   { fixed_by_l1, "L1 gives the right and takes it away" },
	   { levels, "every level must allow it" },
	   { large_page, "a large page has both rights, too" },
	   { emulated, "and what touches a device is executed by the same right" },
	   { without, "without the control bit 10 is ignored" },
	   { user_only, "a page with bit 10 alone is execute-only" },
	   { told_of_others, "of an access that is no fetch the qualification tells it, too" },
	   { needs_ept, "without EPT the entry fails" },
	   { two_vmcs, "VMCSs with and without it share their tables" },
	   { page_rights, "the qualification tells user pages and writable ones" },
	   { page_nx, "and those that are not to be executed" },
	   { not_offered, "where the control is not offered the entry fails" },
	   END_OF_CLAIMS };
