// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control-flow enforcement: shadow stacks and indirect-branch tracking at CPL 0 and 3, and
 * their registers.
 * SDM: "Control-flow Enforcement Technology (CET)".
 */
#include "cet.h"
#include "guest.h"

#define NON_CANONICAL BIT_ULL(47)

static void registers(void)
{
	cet_begin();
	for (u32 msr = MSR_PL0_SSP; msr <= MSR_PL3_SSP; msr++) {
		GUEST_EXPECT(try_wrmsr(msr, 0xffffffff80001000 + 8 * msr), NO_TRAP);
		GUEST_EXPECT(try_wrmsr(msr, NON_CANONICAL), VEC_GP);
		GUEST_EXPECT(try_wrmsr(msr, 2), VEC_GP);
		GUEST_EXPECT(rdmsr(msr), 0xffffffff80001000 + 8 * msr);
		wrmsr(msr, 0);
	}
	GUEST_EXPECT(try_wrmsr(MSR_SSP_TABLE, 0x7ffffffff003), NO_TRAP);
	GUEST_EXPECT(try_wrmsr(MSR_SSP_TABLE, NON_CANONICAL), VEC_GP);
	GUEST_EXPECT(rdmsr(MSR_SSP_TABLE), 0x7ffffffff003);
	wrmsr(MSR_SSP_TABLE, 0);
	cet_end();
}

static void controls(void)
{
	static const u32 msrs[] = { MSR_U_CET, MSR_S_CET };

	cet_begin();
	write_cr4(read_cr4() & ~CR4_CET); /* the values are without effect */
	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++) {
		GUEST_EXPECT(try_wrmsr(msrs[i], 0x7fffffff003f | CETC_TRACKER), NO_TRAP);
		GUEST_EXPECT(rdmsr(msrs[i]), 0x7fffffff003f | CETC_TRACKER);
		for (unsigned int bit = 6; bit < 10; bit++)
			GUEST_EXPECT(try_wrmsr(msrs[i], BIT_ULL(bit)), VEC_GP);
		GUEST_EXPECT(try_wrmsr(msrs[i], CETC_SUPPRESS | CETC_TRACKER), VEC_GP);
		GUEST_EXPECT(try_wrmsr(msrs[i], NON_CANONICAL), VEC_GP);
		GUEST_EXPECT(try_wrmsr(msrs[i], CETC_SUPPRESS), NO_TRAP);
		wrmsr(msrs[i], 0);
	}
	cet_end();
}

static u32 try_write_cr0(u64 v)
{
	return TRY("mov %0, %%cr0", : : "r"(v) : "memory");
}

static u32 try_write_cr4(u64 v)
{
	return TRY("mov %0, %%cr4", : : "r"(v) : "memory");
}

static void write_protect(void)
{
	cet_begin();
	GUEST_EXPECT(try_write_cr0(read_cr0() & ~CR0_WP), VEC_GP);
	GUEST_ASSERT(read_cr0() & CR0_WP);
	write_cr4(read_cr4() & ~CR4_CET);
	GUEST_EXPECT(try_write_cr0(read_cr0() & ~CR0_WP), NO_TRAP);
	GUEST_EXPECT(try_write_cr4(read_cr4() | CR4_CET), VEC_GP);
	GUEST_ASSERT(!(read_cr4() & CR4_CET));
	write_cr0(read_cr0() | CR0_WP);
}

/* --- shadow stacks ------------------------------------------------------ */

static u64 ssp_inside, called_from;

static __attribute__((noinline)) u64 deeper(void)
{
	called_from = (u64)__builtin_return_address(0);
	return rdssp();
}

static u64 two_calls(void)
{
	u64 deep;

	ssp_inside = rdssp();
	deep = deeper();
	barrier(); /* a call, not a jump */
	return deep;
}

static void supervisor(void)
{
	u64 ssp, deep;

	cet_begin();
	ssp = cet_stack(false);
	wrmsr(MSR_PL0_SSP, ssp);
	deep = cet_call(two_calls, CETC_SH_STK_EN);
	GUEST_EXPECT(ssp_inside, ssp - 8);
	GUEST_EXPECT(*(u64 *)(ssp - 16), called_from);
	GUEST_EXPECT(deep, ssp - 16);
	GUEST_EXPECT(*(u64 *)ssp, ssp | 1); /* the token is busy */
	GUEST_EXPECT(rdssp(), 0);
	cet_unstack(ssp);
	cet_end();
}

static u64 many_exits(void)
{
	u64 before = rdssp();

	for (int i = 0; i < 20; i++) {
		(void)cpuid(0);
		(void)inb(0x64);
		GUEST_EXPECT(try_wrmsr(MSR_SSP_TABLE, 8 * i), NO_TRAP);
		outb(0x80, 0); /* the machine may be moved here, shadow stack and all */
		GUEST_EXPECT(rdmsr(MSR_S_CET), CETC_SH_STK_EN);
		GUEST_EXPECT(rdmsr(MSR_SSP_TABLE), 8 * i);
	}
	return before == rdssp() ? before : 0;
}

static void exits(void)
{
	u64 ssp;

	cet_begin();
	ssp = cet_stack(false);
	wrmsr(MSR_PL0_SSP, ssp);
	GUEST_EXPECT(cet_call(many_exits, CETC_SH_STK_EN), ssp - 8);
	wrmsr(MSR_SSP_TABLE, 0);
	cet_unstack(ssp);
	cet_end();
}

/* An exception pushes CS, the linear address and SSP, and IRET takes them back. */
static u64 breakpoint(void)
{
	u64 before = rdssp();

	asm volatile("int3");
	return before == rdssp() ? before : 0;
}

static u64 ssp_in_handler, pushed[3];

static void note_ssp(struct trap_frame *frame)
{
	ssp_in_handler = rdssp();
}

static void exception(void)
{
	u64 ssp;

	cet_begin();
	ssp = cet_stack(false);
	wrmsr(MSR_PL0_SSP, ssp);
	on_trap(VEC_BP, note_ssp);
	GUEST_EXPECT(cet_call(breakpoint, CETC_SH_STK_EN), ssp - 8);
	on_trap(VEC_BP, NULL);
	memcpy(pushed, (void *)(ssp - 32), sizeof(pushed));
	GUEST_EXPECT(pushed[0], ssp - 8);
	GUEST_EXPECT(pushed[2], SEL_CODE64);
	GUEST_ASSERT(ssp_in_handler < ssp - 32);
	cet_unstack(ssp);
	cet_end();
}

static void mismatch(void)
{
	u64 ssp;

	cet_begin();
	ssp = cet_stack(false);
	wrmsr(MSR_PL0_SSP, ssp);
	GUEST_EXPECT(cet_call(cet_returns_elsewhere, CETC_SH_STK_EN), CET_FAULT | CP_NEAR_RET);
	GUEST_EXPECT(cet_call(cet_returns_elsewhere, 0), 0x600d);
	cet_unstack(ssp);
	cet_end();
}

static void user(void)
{
	u64 ssp;

	cet_begin();
	ssp = cet_stack(true);
	wrmsr(MSR_PL3_SSP, ssp);
	GUEST_EXPECT(cet_user_call(two_calls, CETC_SH_STK_EN), ssp - 16);
	GUEST_EXPECT(ssp_inside, ssp - 8);
	GUEST_EXPECT(rdmsr(MSR_PL3_SSP), ssp);
	GUEST_EXPECT(*(u64 *)(ssp - 16), called_from);
	GUEST_EXPECT(cet_user_call(cet_returns_elsewhere, CETC_SH_STK_EN), CET_FAULT | CP_NEAR_RET);
	GUEST_EXPECT(rdmsr(MSR_PL3_SSP), ssp - 8);
	wrmsr(MSR_PL3_SSP, ssp);
	GUEST_EXPECT(cet_user_call(cet_jumps_back, CETC_SH_STK_EN), 0x600d);
	GUEST_EXPECT(cet_pl3_after, ssp - 8);
	wrmsr(MSR_PL3_SSP, 0);
	cet_unstack(ssp);
	cet_end();
}

/* --- indirect-branch tracking ------------------------------------------- */

static void tracking(void)
{
	cet_begin();
	GUEST_EXPECT(cet_call(cet_marked, CETC_ENDBR_EN), 0x600d);
	GUEST_EXPECT(cet_call(cet_unmarked, CETC_ENDBR_EN), CET_FAULT | CP_ENDBRANCH);
	GUEST_EXPECT(cet_call(cet_unmarked, 0), 0x600d);
	GUEST_EXPECT(cet_user_call(cet_marked, CETC_ENDBR_EN), 0x600d);
	GUEST_EXPECT(cet_user_call(cet_unmarked, CETC_ENDBR_EN), CET_FAULT | CP_ENDBRANCH);
	cet_end();
}

/* --- XSAVES ------------------------------------------------------------- */

static void xsaves(void)
{
	u8 *area;
	u64 *state;

	cet_begin();
	if (!(cpuid_count(0xd, 1).eax & BIT(3)) || !(cpuid_count(0xd, 1).ecx & BIT(11)))
		claim_skip("no XSAVES of CET's state");
	write_cr4(read_cr4() | BIT_ULL(18));
	area = page_alloc();
	state = (u64 *)(area + 576);
	wrmsr(MSR_XSS, BIT_ULL(11));
	wrmsr(MSR_PL3_SSP, 0x1230);
	wrmsr(MSR_U_CET, CETC_SH_STK_EN);
	asm volatile("xsaves64 %0" : "+m"(*area) : "a"(BIT(11)), "d"(0) : "memory");
	GUEST_EXPECT(state[0], CETC_SH_STK_EN);
	GUEST_EXPECT(state[1], 0x1230);
	state[0] = CETC_ENDBR_EN;
	state[1] = 0x4568;
	asm volatile("xrstors64 %0" : : "m"(*area), "a"(BIT(11)), "d"(0) : "memory");
	(void)cpuid(0);
	GUEST_EXPECT(rdmsr(MSR_U_CET), CETC_ENDBR_EN);
	GUEST_EXPECT(rdmsr(MSR_PL3_SSP), 0x4568);
	wrmsr(MSR_XSS, 0);
	wrmsr(MSR_PL3_SSP, 0);
	cet_end();
}

/* --- where it is not offered ------------------------------------------- */

static void not_offered(void)
{
	if (cet_offered())
		claim_skip("it is");
	write_cr0(read_cr0() | CR0_WP);
	GUEST_EXPECT(try_write_cr4(read_cr4() | CR4_CET), VEC_GP);
	GUEST_ASSERT(!(read_cr4() & CR4_CET));
	for (u32 msr = MSR_PL0_SSP; msr <= MSR_SSP_TABLE; msr++)
		GUEST_EXPECT(try_wrmsr(msr, 0), VEC_GP);
	GUEST_EXPECT(try_wrmsr(MSR_U_CET, 0), VEC_GP);
	GUEST_EXPECT(try_wrmsr(MSR_S_CET, 0), VEC_GP);
}

CLAIMS = { { registers, "shadow-stack pointers are canonical and aligned, or #GP" },
	   { controls, "U_CET and S_CET take what is defined, and canonical addresses" },
	   { write_protect, "CR4.CET and CR0.WP cannot part" },
	   { supervisor, "calls at CPL 0 are on the shadow stack as well" },
	   { exits, "SSP, S_CET and the table's address outlive VM exits" },
	   { exception, "exceptions at CPL 0 are on the shadow stack, and IRET takes them off" },
	   { mismatch, "a return to elsewhere raises #CP" },
	   { user, "CPL 3 has its own shadow stack, kept in PL3_SSP" },
	   { tracking, "an indirect call to what has no ENDBR raises #CP" },
	   { xsaves, "XSAVES and XRSTORS move U_CET and PL3_SSP" },
	   { not_offered, "without CET in CPUID there are neither CR4.CET nor its MSRs" },
	   END_OF_CLAIMS };
