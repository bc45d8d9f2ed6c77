// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1 and L2 share the extended registers: an entry hands them to L2, and an exit to L1, whoever
 * handles it. SDM: "Loading Guest State", "Saving Guest State", which name none of them.
 */
#include "irqchip.h"
#include "vmx.h"

#define OF_L1 0x0123456789abcdefULL
#define OF_L2 0xfedcba9876543210ULL
#define MASK_OF_L1 0x5a58 /* none of key 0, as PKRU */
#define MASK_OF_L2 0x1ee0

static u64 seen[8] __aligned(64), given[8] __aligned(64);
static u32 seen_word;

static void fill(u64 value)
{
	for (int i = 0; i < 8; i++)
		given[i] = value + i;
}

static void expect(u64 value, int words)
{
	for (int i = 0; i < words; i++)
		GUEST_EXPECT(seen[i], value + i);
}

/* Enters @l2 once, with L1's CR4 and @cr4. */
static void prepare(void (*l2)(void), u64 cr4)
{
	l1_prepare(l2);
	write_cr4(read_cr4() | cr4);
	l1_vmwrite(VMCS_GUEST_CR4, read_cr4());
	l1_vmwrite(VMCS_HOST_CR4, read_cr4());
}

static void done(u64 cr4)
{
	write_cr4(read_cr4() & ~cr4);
}

/* An exit that L0 handles, one that L1 does, and on. */
static void come_and_go(void)
{
	(void)rdmsr(MSR_APIC_BASE);
	l2_vmcall(1);
}

static void l2_xmm(void)
{
	asm volatile("movdqa %%xmm7, %0" : "=m"(seen));
	fill(OF_L2);
	asm volatile("movdqa %0, %%xmm7" : : "m"(given));
	come_and_go();
	asm volatile("movdqa %%xmm7, %0" : "=m"(seen));
}

static void xmm(void)
{
	prepare(l2_xmm, 0);
	fill(OF_L1);
	asm volatile("movdqa %0, %%xmm7" : : "m"(given));
	EXPECT_EXIT(EXIT_VMCALL);
	expect(OF_L1, 2);
	asm volatile("movdqa %%xmm7, %0" : "=m"(seen));
	expect(OF_L2, 2);
	fill(OF_L1);
	asm volatile("movdqa %0, %%xmm7" : : "m"(given));
	l1_skip_insn();
	EXPECT_EXIT(EXIT_VMCALL);
	expect(OF_L1, 2);
}

static void l2_zmm(void)
{
	asm volatile("vmovdqa64 %%zmm31, %0" : "=m"(seen));
	fill(OF_L2);
	asm volatile("vmovdqa64 %0, %%zmm31" : : "m"(given));
	come_and_go();
	asm volatile("vmovdqa64 %%zmm31, %0" : "=m"(seen));
}

static void zmm(void)
{
	if (!(cpuid(1).ecx & BIT(26)) || !(cpuid(7).ebx & BIT(16)))
		claim_skip("no AVX-512");
	prepare(l2_zmm, CR4_OSXSAVE);
	xsetbv(0, XCR0_ZMM);
	fill(OF_L1);
	asm volatile("vmovdqa64 %0, %%zmm31" : : "m"(given));
	EXPECT_EXIT(EXIT_VMCALL);
	expect(OF_L1, 8);
	asm volatile("vmovdqa64 %%zmm31, %0" : "=m"(seen));
	expect(OF_L2, 8);
	fill(OF_L1);
	asm volatile("vmovdqa64 %0, %%zmm31" : : "m"(given));
	l1_skip_insn();
	EXPECT_EXIT(EXIT_VMCALL);
	expect(OF_L1, 8);
	xsetbv(0, 1);
	done(CR4_OSXSAVE);
}

static void l2_mask(void)
{
	asm volatile("kmovw %%k7, %0" : "=r"(seen_word));
	asm volatile("kmovw %0, %%k7" : : "r"(MASK_OF_L2));
}

static void mask(void)
{
	u32 after;

	if (!(cpuid(1).ecx & BIT(26)) || !(cpuid(7).ebx & BIT(16)))
		claim_skip("no AVX-512");
	prepare(l2_mask, CR4_OSXSAVE);
	xsetbv(0, XCR0_ZMM);
	asm volatile("kmovw %0, %%k7" : : "r"(MASK_OF_L1));
	EXPECT_EXIT(EXIT_VMCALL);
	asm volatile("kmovw %%k7, %0" : "=r"(after));
	GUEST_EXPECT(seen_word, MASK_OF_L1);
	GUEST_EXPECT(after, MASK_OF_L2);
	xsetbv(0, 1);
	done(CR4_OSXSAVE);
}

static void l2_pkru(void)
{
	seen_word = rdpkru();
	wrpkru(MASK_OF_L2);
	come_and_go();
	seen_word = rdpkru();
}

static void pkru(void)
{
	if (!(cpuid(7).ecx & BIT(3)))
		claim_skip("no protection keys");
	prepare(l2_pkru, CR4_PKE);
	wrpkru(MASK_OF_L1);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(seen_word, MASK_OF_L1);
	GUEST_EXPECT(rdpkru(), MASK_OF_L2);
	wrpkru(MASK_OF_L1);
	l1_skip_insn();
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(seen_word, MASK_OF_L1);
	wrpkru(0);
	done(CR4_PKE);
}

CLAIMS = { { xmm, "an XMM register is L2's after the entry, and L1's after the exit" },
	   { zmm, "so is a ZMM register" },
	   { mask, "an opmask register" },
	   { pkru, "and PKRU" },
	   END_OF_CLAIMS };
