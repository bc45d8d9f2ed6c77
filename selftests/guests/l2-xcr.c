// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1's XCR0 and AVX registers across entries that fail once L2's state is looked at: they load
 * L1's host state, and with it another CR4.OSXSAVE. A hypervisor under L1 that has L1's XCR0 in
 * the processor only while L1's CR4 has that bit must not miss it.
 * SDM: "VM-Entry Failures During or After Loading Guest State", "Loading Host Control
 * Registers, Debug Registers, MSRs".
 */
#include "vmx.h"

#define BAD_GUEST (EXIT_ENTRY_FAILED | EXIT_BAD_GUEST_STATE)
#define XCR0_SSE 3

static u64 ymm[4] __aligned(32), after[4] __aligned(32);

static void l2_end(void)
{
	l2_vmcall(0x600d);
}

static bool has_avx(void)
{
	return (cpuid(1).ecx & BIT(26)) && (cpuid(1).ecx & BIT(28));
}

/* An L2 that was entered before, which is quicker than the first time. */
static void prepare(void)
{
	if (!has_avx())
		claim_skip("no AVX");
	l1_prepare(l2_end);
	EXPECT_EXIT(EXIT_VMCALL);
	l1_restart_l2(l2_end);
	l1_vmwrite(VMCS_GUEST_RFLAGS, 0); /* bit 1 is 1 in each processor */
}

/* From an L1 with CR4.OSXSAVE as @before into one with it as @behind. */
static void change_osxsave(bool before, bool behind)
{
	u64 cr4 = read_cr4() & ~CR4_OSXSAVE;

	l1_vmwrite(VMCS_HOST_CR4, cr4 | (behind ? CR4_OSXSAVE : 0));
	write_cr4(cr4 | (before ? CR4_OSXSAVE : 0));
}

static void set_xcr0(u64 xcr0)
{
	write_cr4(read_cr4() | CR4_OSXSAVE);
	xsetbv(0, xcr0);
}

static void done(void)
{
	set_xcr0(1);
	write_cr4(read_cr4() & ~CR4_OSXSAVE);
}

static void appears(void)
{
	u64 how, xcr0, avx;

	prepare();
	set_xcr0(XCR0_SSE);
	change_osxsave(false, true);
	how = l1_run();
	xcr0 = xgetbv(0);
	avx = TRY("vmovdqa %ymm0, %ymm0");
	EXPECT_OUTCOME(how, BAD_GUEST);
	GUEST_EXPECT(xcr0, XCR0_SSE);
	GUEST_EXPECT(avx, VEC_UD);
	xsetbv(0, XCR0_AVX);
	GUEST_EXPECT(xgetbv(0), XCR0_AVX);
	done();
}

static void disappears(void)
{
	u64 how, gone;

	prepare();
	set_xcr0(XCR0_SSE);
	change_osxsave(true, false);
	how = l1_run();
	gone = TRY("xgetbv", : : "c"(0) : "eax", "edx");
	EXPECT_OUTCOME(how, BAD_GUEST);
	GUEST_EXPECT(gone, VEC_UD);
	write_cr4(read_cr4() | CR4_OSXSAVE);
	GUEST_EXPECT(xgetbv(0), XCR0_SSE);
	done();
}

static void registers_stay(void)
{
	prepare();
	set_xcr0(XCR0_AVX);
	for (int i = 0; i < 4; i++)
		ymm[i] = (i + 1) * 0x9e3779b97f4a7c15ULL;
	asm volatile("vmovdqa %0, %%ymm5" : : "m"(ymm));
	change_osxsave(false, true);
	EXPECT_OUTCOME(l1_run(), BAD_GUEST);
	asm volatile("vmovdqa %%ymm5, %0" : "=m"(after));
	for (int i = 0; i < 4; i++)
		GUEST_EXPECT(after[i], ymm[i]);
	change_osxsave(true, false);
	EXPECT_OUTCOME(l1_run(), BAD_GUEST);
	write_cr4(read_cr4() | CR4_OSXSAVE);
	asm volatile("vmovdqa %%ymm5, %0" : "=m"(after));
	for (int i = 0; i < 4; i++)
		GUEST_EXPECT(after[i], ymm[i]);
	done();
}

CLAIMS = { { appears, "a late failure that sets CR4.OSXSAVE leaves L1 its XCR0" },
	   { disappears, "and one that clears it" },
	   { registers_stay, "AVX registers stay across both" },
	   END_OF_CLAIMS };
