// SPDX-License-Identifier: GPL-2.0-only
/*
 * User wait: TPAUSE, UMWAIT, UMONITOR and IA32_UMWAIT_CONTROL in L1 and L2. Where a claim is not
 * about waiting the deadline has passed.
 * SDM: "TPAUSE - Timed PAUSE", "Instructions That Cause VM Exits Conditionally".
 */
#include "vmx.h"

#define MSR_UMWAIT_CONTROL 0xe1
#define CPUID_WAITPKG BIT(5) /* (7,0).ECX */

/* By their bytes, as not every assembler knows them: the operand is EBX, or the address in RBX. */
#define TPAUSE ".byte 0x66, 0x0f, 0xae, 0xf3"
#define UMWAIT ".byte 0xf2, 0x0f, 0xae, 0xf3"
#define UMONITOR ".byte 0xf3, 0x0f, 0xae, 0xf3"

#define TRY_WAIT(insn, operand) TRY(insn, : : "a"(0), "d"(0), "b"((u64)(operand)) : "memory", "cc")

static volatile u32 l2_trap[3];
static u64 line;

static bool offered(void)
{
	return cpuid_count(7, 0).ecx & CPUID_WAITPKG;
}

static void need(void)
{
	if (!offered())
		claim_skip("no WAITPKG");
}

static void in_l1(void)
{
	need();
	GUEST_EXPECT(TRY_WAIT(TPAUSE, 0), NO_TRAP);
	GUEST_EXPECT(TRY_WAIT(TPAUSE, 1), NO_TRAP);
	GUEST_EXPECT(TRY_WAIT(UMWAIT, 0), NO_TRAP);
	GUEST_EXPECT(TRY_WAIT(UMONITOR, &line), NO_TRAP);
	GUEST_EXPECT(TRY_WAIT(TPAUSE, 2), VEC_GP);
	GUEST_EXPECT(TRY_WAIT(UMWAIT, BIT(31)), VEC_GP);
}

/* An interrupt of the host's may end it before. */
static u64 tpause_late(void)
{
	u64 end = rdtsc() + 300000;

	GUEST_EXPECT(TRY(TPAUSE,
			 :
			 : "a"((u32)end), "d"((u32)(end >> 32)), "b"(0ul)
			 : "memory", "cc"),
		     NO_TRAP);
	return rdtsc() - end;
}

static void by_deadline(void)
{
	need();
	GUEST_ASSERT((long)tpause_late() < 10000000);
}

static volatile u64 l2_late;

static void l2_waits_long(void)
{
	l2_late = tpause_late();
	l2_vmcall(0x600d);
}

static void by_deadline_in_l2(void)
{
	need();
	l1_prepare(l2_waits_long);
	l1_use_proc2(PROC2_USER_WAIT);
	l1_use_proc(PROC_TSC_OFFSET);
	l1_vmwrite(VMCS_TSC_OFFSET, 1ULL << 50);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_ASSERT((long)l2_late < 10000000);
}

static void control(void)
{
	need();
	GUEST_EXPECT(rdmsr(MSR_UMWAIT_CONTROL), 0);
	GUEST_EXPECT(try_wrmsr(MSR_UMWAIT_CONTROL, 0xfffffffd), NO_TRAP);
	GUEST_EXPECT(rdmsr(MSR_UMWAIT_CONTROL), 0xfffffffd);
	GUEST_EXPECT(try_wrmsr(MSR_UMWAIT_CONTROL, BIT(1)), VEC_GP);
	GUEST_EXPECT(try_wrmsr(MSR_UMWAIT_CONTROL, BIT_ULL(32)), VEC_GP);
	(void)inb(0x64);
	GUEST_EXPECT(rdmsr(MSR_UMWAIT_CONTROL), 0xfffffffd);
	wrmsr(MSR_UMWAIT_CONTROL, 0);
}

static void l2_waits(void)
{
	l2_trap[0] = TRY_WAIT(TPAUSE, 0);
	l2_trap[1] = TRY_WAIT(UMWAIT, 0);
	l2_trap[2] = TRY_WAIT(UMONITOR, &line);
	l2_vmcall(0x600d);
}

static void expect_traps(u32 vector)
{
	EXPECT_EXIT(EXIT_VMCALL);
	for (unsigned int i = 0; i < ARRAY_SIZE(l2_trap); i++)
		GUEST_EXPECT(l2_trap[i], vector);
}

static void in_l2(void)
{
	need();
	l1_prepare(l2_waits);
	l1_use_proc2(PROC2_USER_WAIT);
	expect_traps(NO_TRAP);
}

static void off_in_l2(void)
{
	need();
	l1_prepare(l2_waits);
	l1_need_proc2(PROC2_USER_WAIT);
	l1_clear(VMCS_PROC2_CTLS, PROC2_USER_WAIT);
	expect_traps(VEC_UD);
}

/* Without the control there is no exit either. */
static void off_and_rdtsc(void)
{
	need();
	l1_prepare(l2_waits);
	l1_need_proc2(PROC2_USER_WAIT);
	l1_clear(VMCS_PROC2_CTLS, PROC2_USER_WAIT);
	l1_use_proc(PROC_RDTSC);
	expect_traps(VEC_UD);
}

static void expect_wait(u64 reason)
{
	EXPECT_EXIT(reason);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), 4);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_QUAL), 0);
	/* Bochs 3.0 does not say it. */
	if (l1_vmread(VMCS_EXIT_INSN_INFO))
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_INFO) >> 3 & 15, GPR_RBX);
	l1_skip_insn();
}

static void exits(void)
{
	need();
	l1_prepare(l2_waits);
	l1_use_proc2(PROC2_USER_WAIT);
	l1_use_proc(PROC_RDTSC);
	expect_wait(EXIT_TPAUSE);
	expect_wait(EXIT_UMWAIT);
	expect_traps(NO_TRAP);
}

static void l2_control(void)
{
	wrmsr(MSR_UMWAIT_CONTROL, 0x1234 << 2);
	l2_vmcall(0x600d);
}

static void control_of_both(void)
{
	need();
	l1_prepare(l2_control);
	l1_clear(VMCS_PROC_CTLS, PROC_MSR_BITMAPS);
	wrmsr(MSR_UMWAIT_CONTROL, 1);
	EXPECT_EXIT(EXIT_WRMSR);
	GUEST_EXPECT(rdmsr(MSR_UMWAIT_CONTROL), 1);
	l1_restart_l2(l2_control);
	l1_use_proc(PROC_MSR_BITMAPS);
	l1_vmwrite(VMCS_MSR_BITMAP, (u64)page_alloc());
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(rdmsr(MSR_UMWAIT_CONTROL), 0x1234 << 2);
	wrmsr(MSR_UMWAIT_CONTROL, 0);
}

static void not_offered(void)
{
	struct l1_vmx *vmx;

	if (offered())
		claim_skip("it is");
	GUEST_EXPECT(TRY_WAIT(TPAUSE, 0), VEC_UD);
	vmx = l1_prepare(l2_unreachable);
	GUEST_ASSERT(!ctl_may(vmx->caps.proc2, PROC2_USER_WAIT));
	l1_set(VMCS_PROC2_CTLS, PROC2_USER_WAIT);
	EXPECT_OUTCOME(l1_vmlaunch(), VM_FAIL_VALID(VMERR_BAD_CONTROLS));
}

CLAIMS = { { in_l1, "TPAUSE, UMWAIT and UMONITOR at CPL 0" },
	   { control, "IA32_UMWAIT_CONTROL has bits 31:2 and 0" },
	   { in_l2, "with the control they are L2's as well" },
	   { off_in_l2, "without it they raise #UD" },
	   { off_and_rdtsc, "without it they raise #UD with RDTSC exiting, too" },
	   { exits, "with RDTSC exiting TPAUSE and UMWAIT exit" },
	   { control_of_both, "IA32_UMWAIT_CONTROL is one register for L1 and L2" },
	   { by_deadline, "TPAUSE ends by its deadline" },
	   { by_deadline_in_l2, "in L2 by L2's TSC" },
	   { not_offered, "without WAITPKG in CPUID there is nothing of it" },
	   END_OF_CLAIMS };
