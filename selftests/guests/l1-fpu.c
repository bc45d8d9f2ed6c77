// SPDX-License-Identifier: GPL-2.0-only
/*
 * x87, SSE, AVX, AVX-512 and PKRU state survives whatever the hypervisor does at an exit;
 * XSETBV refuses what the processor refuses.
 * SDM: "Managing State Using the XSAVE Feature Set", "XSETBV—Set Extended Control Register".
 */
#include "irqchip.h"

static void exits(void)
{
	for (int i = 0; i < 20; i++) {
		cpuid(0);
		inb(0x3fd);
		(void)ioapic_read(0);
	}
	printf("# L0's userspace runs\n");
}

static void x87(void)
{
	u64 v = 0x123456789abcdULL, got = 0;

	asm volatile("fninit; fildll %0" : : "m"(v));
	exits();
	asm volatile("fistpll %0" : "=m"(got));
	GUEST_EXPECT(got, v);
}

static void control_words(void)
{
	u16 cw = 0x027f, got_cw;
	u32 mxcsr = 0x9fc0, got;

	asm volatile("fldcw %0; ldmxcsr %1" : : "m"(cw), "m"(mxcsr));
	exits();
	asm volatile("fnstcw %0; stmxcsr %1" : "=m"(got_cw), "=m"(got));
	GUEST_EXPECT(got_cw, cw);
	GUEST_EXPECT(got, mxcsr);
	mxcsr = 0x1f80;
	asm volatile("ldmxcsr %0; fninit" : : "m"(mxcsr));
}

#define FOR_REGS(X) \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

static u64 in[16][4] __aligned(32), out[16][4] __aligned(32);

static void pattern(u64 seed)
{
	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 4; j++)
			in[i][j] = (seed + i * 4 + j) * 0x9e3779b97f4a7c15ULL;
}

static void sse(void)
{
	pattern(1);
#define LOAD(n) asm volatile("movdqa %0, %%xmm" #n : : "m"(in[n]));
#define STORE(n) asm volatile("movdqa %%xmm" #n ", %0" : "=m"(out[n]));
	FOR_REGS(LOAD)
	exits();
	FOR_REGS(STORE)
	for (int i = 0; i < 16; i++) {
		GUEST_EXPECT(out[i][0], in[i][0]);
		GUEST_EXPECT(out[i][1], in[i][1]);
	}
}

static void xcr0_on(u64 xcr0)
{
	write_cr4(read_cr4() | CR4_OSXSAVE);
	xsetbv(0, xcr0);
}

static void avx_off(void)
{
	xsetbv(0, 1);
	write_cr4(read_cr4() & ~CR4_OSXSAVE);
}

static void avx(void)
{
	if (!(cpuid(1).ecx & BIT(26)) || !(cpuid(1).ecx & BIT(28)))
		claim_skip("no AVX");
	xcr0_on(XCR0_AVX);
	pattern(2);
#define LOAD_Y(n) asm volatile("vmovdqa %0, %%ymm" #n : : "m"(in[n]));
#define STORE_Y(n) asm volatile("vmovdqa %%ymm" #n ", %0" : "=m"(out[n]));
	FOR_REGS(LOAD_Y)
	exits();
	FOR_REGS(STORE_Y)
	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 4; j++)
			GUEST_EXPECT(out[i][j], in[i][j]);
	avx_off();
}

static u64 zmm_in[32][8] __aligned(64), zmm_out[32][8] __aligned(64);

#define FOR_UPPER_REGS(X) \
	X(16)             \
	X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
#define FOR_MASKS(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

static void avx512(void)
{
	u16 masks[8] = { 0 };

	if (!(cpuid(1).ecx & BIT(26)) || !(cpuid(7).ebx & BIT(16)))
		claim_skip("no AVX-512");
	xcr0_on(XCR0_ZMM);
	for (int i = 0; i < 32; i++)
		for (int j = 0; j < 8; j++)
			zmm_in[i][j] = (i * 8 + j + 3) * 0x9e3779b97f4a7c15ULL;
#define LOAD_Z(n) asm volatile("vmovdqa64 %0, %%zmm" #n : : "m"(zmm_in[n]));
#define STORE_Z(n) asm volatile("vmovdqa64 %%zmm" #n ", %0" : "=m"(zmm_out[n]));
#define LOAD_K(n) asm volatile("kmovw %0, %%k" #n : : "r"(0x1234 * n));
#define STORE_K(n) asm volatile("kmovw %%k" #n ", %0" : "=m"(masks[n]));
	FOR_REGS(LOAD_Z)
	FOR_UPPER_REGS(LOAD_Z)
	FOR_MASKS(LOAD_K)
	exits();
	FOR_REGS(STORE_Z)
	FOR_UPPER_REGS(STORE_Z)
	FOR_MASKS(STORE_K)
	for (int i = 0; i < 32; i++)
		for (int j = 0; j < 8; j++)
			GUEST_EXPECT(zmm_out[i][j], zmm_in[i][j]);
	for (int i = 1; i < 8; i++)
		GUEST_EXPECT(masks[i], (u16)(0x1234 * i));
	avx_off();
}

#define PTE_USER BIT_ULL(2) /* keys are for pages of CPL 3 */
#define PTE_KEY_1 BIT_ULL(59)
#define PKRU_KEY_1_NO_ACCESS BIT(2)
#define PKRU_KEY_1_NO_WRITE BIT(3)
#define PF_OF_KEY 0x25 /* present, user, protection key */

/* At CPL 3, as the emulated processor lets CPL 0 read whatever PKRU says. */
static u64 user_read(u64 va)
{
	u32 vector = TRY("movb (%0), %%al", : : "r"(va) : "rax");

	return vector == NO_TRAP ? NO_TRAP : vector | (u64)this_cpu()->trap_error << 8;
}

static void protection_keys(void)
{
	u64 *page = page_alloc();

	if (!(cpuid(7).ecx & BIT(3)))
		claim_skip("no protection keys");
	*page_entry((u64)page) |= PTE_USER | PTE_KEY_1;
	invlpg((u64)page);
	write_cr4(read_cr4() | CR4_PKE);
	wrpkru(PKRU_KEY_1_NO_ACCESS);
	exits();
	GUEST_EXPECT(rdpkru(), PKRU_KEY_1_NO_ACCESS);
	GUEST_EXPECT(user_call(user_read, (u64)page), VEC_PF | PF_OF_KEY << 8);
	wrpkru(0);
	exits();
	GUEST_EXPECT(user_call(user_read, (u64)page), NO_TRAP);
	write_cr4(read_cr4() & ~CR4_PKE);
}

static u64 user_input(u64 va)
{
	u32 vector = TRY("insb", : "+D"(va) : "d"((u16)0x3fd) : "memory");

	return vector == NO_TRAP ? NO_TRAP : vector | (u64)this_cpu()->trap_error << 8;
}

static u64 user_output(u64 va)
{
	u32 vector = TRY("outsb", : "+S"(va) : "d"((u16)0x3ff) : "memory");

	return vector == NO_TRAP ? NO_TRAP : vector | (u64)this_cpu()->trap_error << 8;
}

/* Accesses that a hypervisor makes in the guest's place: INS and OUTS. */
static void keys_of_strings(void)
{
	u64 *page = page_alloc(), flags = read_flags();

	if (!(cpuid(7).ecx & BIT(3)))
		claim_skip("no protection keys");
	*page_entry((u64)page) |= PTE_USER | PTE_KEY_1;
	invlpg((u64)page);
	write_cr4(read_cr4() | CR4_PKE);
	write_flags(flags | 3 << 12); /* IOPL */
	wrpkru(PKRU_KEY_1_NO_ACCESS);
	GUEST_EXPECT(user_call(user_input, (u64)page), VEC_PF | (PF_OF_KEY | 2) << 8);
	GUEST_EXPECT(user_call(user_output, (u64)page), VEC_PF | PF_OF_KEY << 8);
	GUEST_EXPECT(read_cr2(), (u64)page);
	wrpkru(PKRU_KEY_1_NO_WRITE);
	GUEST_EXPECT(user_call(user_input, (u64)page), VEC_PF | (PF_OF_KEY | 2) << 8);
	GUEST_EXPECT(user_call(user_output, (u64)page), NO_TRAP);
	wrpkru(0);
	GUEST_EXPECT(user_call(user_input, (u64)page), NO_TRAP);
	write_flags(flags);
	write_cr4(read_cr4() & ~CR4_PKE);
}

static u32 try_xsetbv(u32 index, u64 v)
{
	return TRY("xsetbv", : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)));
}

static u64 user_xsetbv(u64 v)
{
	return try_xsetbv(0, v);
}

static void xsetbv_refuses(void)
{
	if (!(cpuid(1).ecx & BIT(26)))
		claim_skip("no XSAVE");
	GUEST_EXPECT(try_xsetbv(0, 1), VEC_UD);
	write_cr4(read_cr4() | CR4_OSXSAVE);
	GUEST_EXPECT(try_xsetbv(0, 0), VEC_GP);
	GUEST_EXPECT(try_xsetbv(0, 2), VEC_GP);
	GUEST_EXPECT(try_xsetbv(0, 5), VEC_GP); /* AVX without SSE */
	GUEST_EXPECT(try_xsetbv(0, 1ULL << 63 | 1), VEC_GP);
	GUEST_EXPECT(try_xsetbv(1, 1), VEC_GP);
	GUEST_EXPECT(user_call(user_xsetbv, 1), VEC_GP);
	xsetbv(0, 3);
	GUEST_EXPECT(xgetbv(0), 3);
	avx_off();
}

static void simd_exception(void)
{
	u32 mxcsr = 0x1f80 & ~0x200, zero[4] __aligned(16) = { 0 };
	u32 one[4] __aligned(16) = { 0x3f800000 };

	write_cr4(read_cr4() | 1 << 10);
	asm volatile("ldmxcsr %0; movaps %1, %%xmm0; movaps %2, %%xmm1"
		     :
		     : "m"(mxcsr), "m"(one), "m"(zero));
	GUEST_EXPECT(TRY("divss %%xmm1, %%xmm0", : :), VEC_XM);
	mxcsr = 0x1f80;
	asm volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static void x87_exception(void)
{
	u16 cw = 0x037b; /* zero divide unmasked */

	write_cr0(read_cr0() | CR0_NE);
	asm volatile("fninit; fldcw %0; fld1; fldz; fdivrp" : : "m"(cw));
	GUEST_EXPECT(TRY("fwait", : :), VEC_MF);
	asm volatile("fninit");
}

CLAIMS = { { x87, "an x87 register survives exits" },
	   { control_words, "FCW and MXCSR survive exits" },
	   { sse, "sixteen XMM registers survive exits" },
	   { avx, "sixteen YMM registers survive exits" },
	   { avx512, "32 ZMM and seven opmask registers survive exits" },
	   { protection_keys, "PKRU survives exits, and holds" },
	   { xsetbv_refuses, "XSETBV refuses bad values, CPL 3 and CR4.OSXSAVE=0" },
	   { simd_exception, "an unmasked SSE exception raises #XM" },
	   { x87_exception, "an unmasked x87 exception raises #MF" },
	   { keys_of_strings, "INS and OUTS at CPL 3 obey PKRU" },
	   END_OF_CLAIMS };
