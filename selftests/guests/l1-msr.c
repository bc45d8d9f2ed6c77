// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs keep what a guest writes, and refuse what the processor refuses.
 * SDM: "Model-Specific Registers (MSRs)", "WRMSR—Write to Model Specific Register".
 */
#include "guest.h"

#define NON_CANONICAL 0x8000000000000000ULL

static void keeps(u32 msr, u64 v)
{
	u64 old = rdmsr(msr);

	GUEST_EXPECT(try_wrmsr(msr, v), NO_TRAP);
	GUEST_EXPECT(rdmsr(msr), v);
	wrmsr(msr, old);
	GUEST_EXPECT(rdmsr(msr), old);
}

static void syscall_msrs(void)
{
	keeps(MSR_STAR, 0x0023001000000000);
	keeps(MSR_LSTAR, 0xffff800012345678);
	keeps(MSR_CSTAR, 0x00007fff12345678);
	keeps(MSR_FMASK, 0x47700);
	GUEST_EXPECT(try_wrmsr(MSR_LSTAR, NON_CANONICAL), VEC_GP);
	GUEST_EXPECT(try_wrmsr(MSR_CSTAR, NON_CANONICAL), VEC_GP);
}

static void sysenter_msrs(void)
{
	keeps(MSR_SYSENTER_CS, 0x10);
	keeps(MSR_SYSENTER_ESP, 0xffff800000001000);
	keeps(MSR_SYSENTER_EIP, 0xffff800000002000);
	GUEST_EXPECT(try_wrmsr(MSR_SYSENTER_EIP, NON_CANONICAL), VEC_GP);
}

static void bases(void)
{
	u64 v;

	keeps(MSR_FS_BASE, 0xffff800000001000);
	keeps(MSR_GS_BASE, 0x123456789);
	keeps(MSR_KERNEL_GS_BASE, 0x7fff12345678);
	GUEST_EXPECT(try_wrmsr(MSR_FS_BASE, NON_CANONICAL), VEC_GP);
	GUEST_EXPECT(try_wrmsr(MSR_GS_BASE, NON_CANONICAL), VEC_GP);
	GUEST_EXPECT(try_wrmsr(MSR_KERNEL_GS_BASE, NON_CANONICAL), VEC_GP);
	wrmsr(MSR_GS_BASE, 0x1000);
	wrmsr(MSR_KERNEL_GS_BASE, 0x2000);
	asm volatile("swapgs");
	v = rdmsr(MSR_GS_BASE);
	asm volatile("swapgs");
	GUEST_EXPECT(v, 0x2000);
	GUEST_EXPECT(rdmsr(MSR_GS_BASE), 0x1000);
	wrmsr(MSR_GS_BASE, 0);
}

static void efer(void)
{
	u64 v = rdmsr(MSR_EFER);

	GUEST_EXPECT(v & (EFER_LME | EFER_LMA), EFER_LME | EFER_LMA);
	wrmsr(MSR_EFER, v & ~EFER_SCE);
	GUEST_EXPECT(rdmsr(MSR_EFER), v & ~EFER_SCE);
	wrmsr(MSR_EFER, v);
	GUEST_EXPECT(try_wrmsr(MSR_EFER, v & ~EFER_LME), VEC_GP);
	GUEST_EXPECT(try_wrmsr(MSR_EFER, v | BIT_ULL(1)), VEC_GP);
	GUEST_EXPECT(try_wrmsr(MSR_EFER, v | BIT_ULL(63)), VEC_GP);
	GUEST_EXPECT(rdmsr(MSR_EFER), v);
}

static void pat(void)
{
	keeps(MSR_PAT, 0x0007040600070406);
	keeps(MSR_PAT, 0x0606060606060606);
	GUEST_EXPECT(try_wrmsr(MSR_PAT, 0x0007040600070402), VEC_GP);
	GUEST_EXPECT(try_wrmsr(MSR_PAT, 0x0807040600070406), VEC_GP);
}

static void unknown(void)
{
	u64 v;

	GUEST_EXPECT(try_rdmsr(0x12345678, &v), VEC_GP);
	GUEST_EXPECT(this_cpu()->trap_error, 0);
	GUEST_EXPECT(try_wrmsr(0x12345678, 0), VEC_GP);
	GUEST_EXPECT(try_rdmsr(0xc0001234, &v), VEC_GP);
	GUEST_EXPECT(try_wrmsr(0xc0001234, 0), VEC_GP);
}

static void mtrrs(void)
{
	u64 v;

	if (!(cpuid(1).edx & BIT(12)))
		claim_skip("no MTRR");
	GUEST_EXPECT(try_rdmsr(MSR_MTRRCAP, &v), NO_TRAP);
	GUEST_EXPECT(try_wrmsr(MSR_MTRRCAP, v), VEC_GP);
	keeps(MSR_MTRR_DEF_TYPE, 0xc06);
	GUEST_EXPECT(try_wrmsr(MSR_MTRR_DEF_TYPE, 0xc02), VEC_GP);
}

static void apic_base(void)
{
	u64 v = rdmsr(MSR_APIC_BASE);

	GUEST_EXPECT(v & GENMASK_ULL(35, 12), 0xfee00000);
	GUEST_EXPECT(v & BIT_ULL(8), BIT_ULL(8));
	GUEST_EXPECT(try_wrmsr(MSR_APIC_BASE, v | 1), VEC_GP);
	GUEST_EXPECT(try_wrmsr(MSR_APIC_BASE, v | BIT_ULL(60)), VEC_GP);
	GUEST_EXPECT(rdmsr(MSR_APIC_BASE), v);
}

static void tsc(void)
{
	u64 a;

	wrmsr(MSR_TSC, 0x123456789abcULL << 8);
	a = rdtsc();
	GUEST_ASSERT(a >= 0x123456789abcULL << 8);
	GUEST_ASSERT(a - (0x123456789abcULL << 8) < 1ULL << 36);
	GUEST_ASSERT(rdmsr(MSR_TSC) > a);
}

static void tsc_aux(void)
{
	u32 aux;

	if (!(cpuid(0x80000001).edx & BIT(27)))
		claim_skip("no RDTSCP");
	keeps(MSR_TSC_AUX, 0x8765);
	wrmsr(MSR_TSC_AUX, 0x4321);
	asm volatile("rdtscp" : "=c"(aux) : : "eax", "edx");
	GUEST_EXPECT(aux, 0x4321);
	GUEST_EXPECT(try_wrmsr(MSR_TSC_AUX, 1ULL << 32), VEC_GP);
}

static u64 user_rdmsr(u64 msr)
{
	u64 v;

	return try_rdmsr(msr, &v);
}

static void at_cpl3(void)
{
	GUEST_EXPECT(user_call(user_rdmsr, MSR_EFER), VEC_GP);
	GUEST_EXPECT(user_call(user_rdmsr, MSR_TSC), VEC_GP);
	GUEST_EXPECT(user_call(user_rdmsr, MSR_FS_BASE), VEC_GP);
}

static void tsc_adjust(void)
{
	u64 before, after;

	if (!(cpuid(7).ebx & BIT(1)))
		claim_skip("no TSC_ADJUST");
	wrmsr(MSR_TSC_ADJUST, 0);
	before = rdtsc();
	wrmsr(MSR_TSC_ADJUST, 1ULL << 40);
	after = rdtsc();
	GUEST_ASSERT(after - before >= 1ULL << 40);
	GUEST_ASSERT(after - before < (1ULL << 40) + (1ULL << 36));
	GUEST_EXPECT(rdmsr(MSR_TSC_ADJUST), 1ULL << 40);
	wrmsr(MSR_TSC_ADJUST, 0);
}

CLAIMS = { { syscall_msrs, "SYSCALL's MSRs keep their values and refuse non-canonical ones" },
	   { sysenter_msrs, "SYSENTER's MSRs keep their values and refuse non-canonical ones" },
	   { bases, "FS, GS and kernel GS base keep their values; SWAPGS swaps" },
	   { efer, "EFER refuses reserved bits and LME's change under paging" },
	   { pat, "PAT keeps valid types and refuses reserved ones" },
	   { unknown, "unknown MSRs raise #GP(0)" },
	   { mtrrs, "MTRRCAP is read-only; the default type refuses reserved types" },
	   { apic_base, "IA32_APIC_BASE names the first CPU and refuses reserved bits" },
	   { tsc, "the TSC goes on from what was written" },
	   { tsc_aux, "RDTSCP returns TSC_AUX, whose upper half is reserved" },
	   { at_cpl3, "RDMSR at CPL 3 raises #GP" },
	   { tsc_adjust, "TSC_ADJUST moves the TSC by its change" },
	   END_OF_CLAIMS };
