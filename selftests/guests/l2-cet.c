// SPDX-License-Identifier: GPL-2.0-only
/*
 * CET across VM entries and exits: what they load, save and leave, the states that they refuse,
 * and #CP of L2's.
 * SDM: "VM-Entry Controls", "VM-Exit Controls", and the checks and loads that go with them.
 */
#include "cet.h"
#include "vmx.h"

#define L1_TABLE 0x1118ULL
#define L2_TABLE 0x2228ULL
#define NON_CANONICAL BIT_ULL(47)

/* L1 with CR4.CET, and a VMCS whose entries and exits load CET's state. */
static struct l1_vmx *prepare(void (*l2)(void))
{
	struct l1_vmx *vmx;

	cet_begin();
	vmx = l1_prepare(l2);
	l1_need_entry(ENTRYC_LOAD_CET);
	l1_need_exit(EXITC_LOAD_CET);
	l1_set(VMCS_ENTRY_CTLS, ENTRYC_LOAD_CET);
	l1_set(VMCS_EXIT_CTLS, EXITC_LOAD_CET);
	l1_vmwrite(VMCS_GUEST_S_CET, 0);
	l1_vmwrite(VMCS_GUEST_SSP, 0);
	l1_vmwrite(VMCS_GUEST_SSP_TABLE, 0);
	l1_vmwrite(VMCS_HOST_S_CET, 0);
	l1_vmwrite(VMCS_HOST_SSP, 0);
	l1_vmwrite(VMCS_HOST_SSP_TABLE, 0);
	return vmx;
}

static void finish(void)
{
	wrmsr(MSR_SSP_TABLE, 0);
	cet_end();
}

static u64 seen_ssp, seen_cet, seen_table;

/* L2 has a shadow stack, and neither calls nor returns. */
static void l2_looks(void)
{
	seen_ssp = rdssp();
	seen_cet = rdmsr(MSR_S_CET);
	seen_table = rdmsr(MSR_SSP_TABLE);
	wrmsr(MSR_SSP_TABLE, L2_TABLE + 8);
	l2_vmcall(0);
	seen_ssp = rdssp();
	seen_table = rdmsr(MSR_SSP_TABLE);
	l2_vmcall(1);
}

static void loads(void)
{
	u64 stack, ssp;

	prepare(l2_looks);
	stack = cet_stack(false);
	ssp = stack - 64;
	l1_vmwrite(VMCS_GUEST_S_CET, CETC_SH_STK_EN);
	l1_vmwrite(VMCS_GUEST_SSP, ssp);
	l1_vmwrite(VMCS_GUEST_SSP_TABLE, L2_TABLE);
	l1_vmwrite(VMCS_HOST_S_CET, CETC_SUPPRESS);
	l1_vmwrite(VMCS_HOST_SSP_TABLE, L1_TABLE);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(rdmsr(MSR_S_CET), CETC_SUPPRESS);
	wrmsr(MSR_S_CET, 0);
	GUEST_EXPECT(seen_ssp, ssp);
	GUEST_EXPECT(seen_cet, CETC_SH_STK_EN);
	GUEST_EXPECT(seen_table, L2_TABLE);
	GUEST_EXPECT(rdmsr(MSR_SSP_TABLE), L1_TABLE);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_S_CET), CETC_SH_STK_EN);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_SSP), ssp);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_SSP_TABLE), L2_TABLE + 8);
	/* And on, with another SSP. */
	l1_vmwrite(VMCS_HOST_S_CET, 0);
	l1_vmwrite(VMCS_GUEST_SSP, ssp - 8);
	l1_skip_insn();
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(seen_ssp, ssp - 8);
	GUEST_EXPECT(seen_table, L2_TABLE + 8);
	cet_unstack(stack);
	finish();
}

static void l2_changes(void)
{
	seen_table = rdmsr(MSR_SSP_TABLE);
	wrmsr(MSR_SSP_TABLE, L2_TABLE);
	wrmsr(MSR_S_CET, CETC_SUPPRESS);
	l2_vmcall(0);
}

static void keeps(void)
{
	prepare(l2_changes);
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_LOAD_CET);
	l1_clear(VMCS_EXIT_CTLS, EXITC_LOAD_CET);
	l1_vmwrite(VMCS_GUEST_SSP_TABLE, 0x3338);
	l1_vmwrite(VMCS_GUEST_S_CET, CETC_TRACKER);
	l1_vmwrite(VMCS_HOST_SSP_TABLE, 0x4448);
	wrmsr(MSR_SSP_TABLE, L1_TABLE);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(seen_table, L1_TABLE);
	GUEST_EXPECT(rdmsr(MSR_SSP_TABLE), L2_TABLE);
	GUEST_EXPECT(rdmsr(MSR_S_CET), CETC_SUPPRESS);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_SSP_TABLE), L2_TABLE);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_S_CET), CETC_SUPPRESS);
	wrmsr(MSR_S_CET, 0);
	finish();
}

static void never_used(void)
{
	prepare(l2_looks);
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_LOAD_CET);
	l1_clear(VMCS_EXIT_CTLS, EXITC_LOAD_CET);
	l1_vmwrite(VMCS_GUEST_SSP_TABLE, 0x3338);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(seen_table, 0);
	GUEST_EXPECT(seen_ssp, 0);
	finish();
}

/* --- #CP ---------------------------------------------------------------- */

static u64 l2_result;

static void l2_returns_elsewhere(void)
{
	l2_result = cet_call(cet_returns_elsewhere, CETC_SH_STK_EN);
	l2_vmcall(0);
}

static void l2_jumps_unmarked(void)
{
	l2_result = cet_call(cet_unmarked, CETC_ENDBR_EN);
	l2_vmcall(0);
}

static void own_faults(void)
{
	u64 stack;

	prepare(l2_returns_elsewhere);
	stack = cet_stack(false);
	wrmsr(MSR_PL0_SSP, stack);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l2_result, CET_FAULT | CP_NEAR_RET);
	l1_restart_l2(l2_jumps_unmarked);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l2_result, CET_FAULT | CP_ENDBRANCH);
	cet_unstack(stack);
	finish();
}

static void exits(void)
{
	prepare(l2_jumps_unmarked);
	l1_vmwrite(VMCS_EXCEPTION_BITMAP, BIT(VEC_CP));
	EXPECT_EXIT(EXIT_EXCEPTION_NMI);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_INFO),
		     INTR_VALID | INTR_HAS_ERROR | INTR_TYPE_HARD_EXC | VEC_CP);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INTR_ERROR), CP_ENDBRANCH);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), (u64)cet_unmarked);
	/* Given back, it is L2's own. */
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, l1_vmread(VMCS_EXIT_INTR_INFO));
	l1_vmwrite(VMCS_ENTRY_ERROR_CODE, CP_FAR_RET);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(l2_result, CET_FAULT | CP_FAR_RET);
	finish();
}

/* --- an L1 with a shadow stack ------------------------------------------ */

static void l2_simple(void)
{
	seen_cet = rdmsr(MSR_S_CET);
	l2_vmcall(0);
}

/*
 * An exit into the middle of this function, where SSP is what it was before the entry. It
 * returns SSP's difference, and returns by its shadow stack.
 */
static u64 runs_l2(void)
{
	u64 ssp = rdssp();

	l1_vmwrite(VMCS_HOST_S_CET, CETC_SH_STK_EN);
	l1_vmwrite(VMCS_HOST_SSP, ssp);
	asm volatile("push %%rbp\n push %%rbx\n"
		     "vmwrite %%rsp, %0\n lea 1f(%%rip), %%rbx\n vmwrite %%rbx, %1\n"
		     "vmlaunch\n"
		     "1: pop %%rbx\n pop %%rbp\n"
		     :
		     : "r"((u64)VMCS_HOST_RSP), "r"((u64)VMCS_HOST_RIP)
		     : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
		       "r14", "r15", "memory", "cc");
	return l1_vmread(VMCS_HOST_SSP) - rdssp();
}

static void host_stack(void)
{
	u64 stack;

	prepare(l2_simple);
	stack = cet_stack(false);
	wrmsr(MSR_PL0_SSP, stack);
	GUEST_EXPECT(cet_call(runs_l2, CETC_SH_STK_EN), 0);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_REASON), EXIT_VMCALL);
	GUEST_EXPECT(seen_cet, 0);
	cet_unstack(stack);
	finish();
}

/* --- refusals ----------------------------------------------------------- */

static void refused(u64 field, u64 value, u64 outcome)
{
	u64 old = l1_vmread(field);

	l1_vmwrite(field, value);
	EXPECT_OUTCOME(l1_run(), outcome);
	l1_vmwrite(field, old);
}

#define BAD_GUEST (EXIT_BAD_GUEST_STATE | EXIT_ENTRY_FAILED)
#define BAD_HOST VM_FAIL_VALID(VMERR_BAD_HOST_STATE)

static void bad_guest(void)
{
	prepare(l2_unreachable);
	refused(VMCS_GUEST_S_CET, NON_CANONICAL, BAD_GUEST);
	refused(VMCS_GUEST_SSP, 2, BAD_GUEST);
	refused(VMCS_GUEST_SSP, BIT_ULL(60), BAD_GUEST);
	refused(VMCS_GUEST_SSP_TABLE, NON_CANONICAL, BAD_GUEST);
	refused(VMCS_GUEST_CR0, read_cr0() & ~CR0_WP, BAD_GUEST);
	finish();
}

static void bad_guest_bits(void)
{
	prepare(l2_unreachable);
	refused(VMCS_GUEST_S_CET, BIT_ULL(6), BAD_GUEST);
	refused(VMCS_GUEST_S_CET, CETC_SUPPRESS | CETC_TRACKER, BAD_GUEST);
	finish();
}

static void bad_host(void)
{
	prepare(l2_unreachable);
	refused(VMCS_HOST_S_CET, BIT_ULL(9), BAD_HOST);
	refused(VMCS_HOST_S_CET, CETC_SUPPRESS | CETC_TRACKER, BAD_HOST);
	refused(VMCS_HOST_S_CET, NON_CANONICAL, BAD_HOST);
	refused(VMCS_HOST_SSP, 1, BAD_HOST);
	refused(VMCS_HOST_SSP, NON_CANONICAL, BAD_HOST);
	refused(VMCS_HOST_SSP_TABLE, NON_CANONICAL, BAD_HOST);
	refused(VMCS_HOST_CR0, read_cr0() & ~CR0_WP, BAD_HOST);
	finish();
}

/* What is not loaded is not looked at. */
static void not_loaded(void)
{
	prepare(l2_simple);
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_LOAD_CET);
	l1_clear(VMCS_EXIT_CTLS, EXITC_LOAD_CET);
	l1_vmwrite(VMCS_GUEST_S_CET, BIT_ULL(6));
	l1_vmwrite(VMCS_GUEST_SSP, 3);
	l1_vmwrite(VMCS_GUEST_SSP_TABLE, NON_CANONICAL);
	l1_vmwrite(VMCS_HOST_S_CET, BIT_ULL(6));
	l1_vmwrite(VMCS_HOST_SSP, 3);
	l1_vmwrite(VMCS_HOST_SSP_TABLE, NON_CANONICAL);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(seen_cet, 0);
	finish();
}

static void not_offered(void)
{
	struct l1_vmx *vmx;

	if (cet_offered())
		claim_skip("it is");
	vmx = l1_prepare(l2_unreachable);
	GUEST_ASSERT(!ctl_may(vmx->caps.entry, ENTRYC_LOAD_CET));
	GUEST_ASSERT(!ctl_may(vmx->caps.exit, EXITC_LOAD_CET));
	l1_set(VMCS_ENTRY_CTLS, ENTRYC_LOAD_CET);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	l1_clear(VMCS_ENTRY_CTLS, ENTRYC_LOAD_CET);
	l1_set(VMCS_EXIT_CTLS, EXITC_LOAD_CET);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
	EXPECT_OUTCOME(vmwrite(VMCS_GUEST_S_CET, 0), VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
	EXPECT_OUTCOME(vmwrite(VMCS_HOST_SSP, 0), VM_FAIL_VALID(VMERR_UNSUPPORTED_FIELD));
}

CLAIMS = { { never_used, "an entry that does not load CET's state leaves it at 0" },
	   { loads, "entries and exits load S_CET, SSP and the table's address, exits save them" },
	   { keeps, "without the controls all three go over as they are" },
	   { own_faults, "#CP of L2's is L2's" },
	   { exits, "#CP exits with its error code, and can be injected" },
	   { host_stack, "L1 goes on with the shadow stack of its host-state area" },
	   { bad_guest, "a guest state that CET forbids is refused" },
	   { bad_guest_bits, "reserved bits of the guest's S_CET are refused" },
	   { bad_host, "a host state that CET forbids is refused" },
	   { not_loaded, "state that is not loaded is not checked" },
	   { not_offered, "without CET there are neither the controls nor the fields" },
	   END_OF_CLAIMS };
