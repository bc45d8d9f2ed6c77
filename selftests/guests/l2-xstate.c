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

/* L1 and its L2 @l2 have the bits @cr4 in CR4, too. */
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

/*
 * l2_NAME(), an L2 that tells what it found in the register, leaves its own there, and tells what it
 * finds after both exits; and share_NAME(), its L1, which looks at so many of the register's words.
 */
#define SHARED(name, mov, reg)                                   \
	static void l2_##name(void)                              \
	{                                                        \
		asm volatile(mov " %%" reg ", %0" : "=m"(seen)); \
		fill(OF_L2);                                     \
		asm volatile(mov " %0, %%" reg : : "m"(given));  \
		come_and_go();                                   \
		asm volatile(mov " %%" reg ", %0" : "=m"(seen)); \
	}                                                        \
	static void share_##name(int words)                      \
	{                                                        \
		fill(OF_L1);                                     \
		asm volatile(mov " %0, %%" reg : : "m"(given));  \
		EXPECT_EXIT(EXIT_VMCALL);                        \
		expect(OF_L1, words);                            \
		asm volatile(mov " %%" reg ", %0" : "=m"(seen)); \
		expect(OF_L2, words);                            \
		fill(OF_L1);                                     \
		asm volatile(mov " %0, %%" reg : : "m"(given));  \
		l1_skip_insn();                                  \
		EXPECT_EXIT(EXIT_VMCALL);                        \
		expect(OF_L1, words);                            \
	}

SHARED(xmm, "movdqa", "xmm7")
SHARED(zmm, "vmovdqa64", "zmm31")

static void xmm(void)
{
	prepare(l2_xmm, 0);
	share_xmm(2);
}

static void need_avx512(void)
{
	if (!(cpuid(1).ecx & BIT(26)) || !(cpuid(7).ebx & BIT(16)))
		claim_skip("no AVX-512");
}

static void zmm(void)
{
	need_avx512();
	prepare(l2_zmm, CR4_OSXSAVE);
	xsetbv(0, XCR0_ZMM);
	share_zmm(8);
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

	need_avx512();
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
	   { mask, "and an opmask register" },
	   { pkru, "and PKRU" },
	   END_OF_CLAIMS };
