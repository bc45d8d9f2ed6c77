// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control registers refuse what the processor refuses and keep the rest.
 * SDM: "Control Registers", "MOV—Move to/from Control Registers".
 */
#include "guest.h"

#define TRY_CR(n, v) TRY("mov %0, %%cr" #n, : : "r"((u64)(v)) : "memory")

static void cr0_refuses(void)
{
	u64 v = read_cr0();

	GUEST_EXPECT(TRY_CR(0, v & ~CR0_PE), VEC_GP);
	GUEST_EXPECT(TRY_CR(0, (v & ~CR0_CD) | CR0_NW), VEC_GP);
	GUEST_EXPECT(TRY_CR(0, v | BIT_ULL(32)), VEC_GP);
	GUEST_EXPECT(TRY_CR(0, v & ~CR0_PG), VEC_GP); /* in 64-bit code */
	GUEST_EXPECT(read_cr0(), v);
}

static void cr0_keeps(void)
{
	u64 v = read_cr0();
	static const u64 bits[] = { CR0_MP, CR0_TS, CR0_EM, CR0_WP, CR0_AM, CR0_CD, CR0_NE };

	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
		write_cr0(v ^ bits[i]);
		GUEST_EXPECT(read_cr0(), v ^ bits[i]);
		write_cr0(v);
	}
	write_cr0(v & ~CR0_ET);
	GUEST_EXPECT(read_cr0(), v | CR0_ET);
	write_cr0(v);
}

static void write_protect(void)
{
	u64 va = 0x3fe00000, v = read_cr0();
	u64 *entry = page_entry(va), page = (u64)page_alloc();

	*entry = page | 1; /* present, supervisor, read-only */
	invlpg(va);
	GUEST_EXPECT(TRY("movb $1, (%0)", : : "r"(va) : "memory"), VEC_PF);
	write_cr0(v & ~CR0_WP);
	GUEST_EXPECT(TRY("movb $1, (%0)", : : "r"(va) : "memory"), NO_TRAP);
	write_cr0(v);
	GUEST_EXPECT(*(u8 *)page, 1);
	*entry = va | 7;
	invlpg(va);
}

static void lmsw_smsw(void)
{
	u64 v = read_cr0(), got;

	asm volatile("lmsw %w0" : : "r"(v | CR0_TS));
	GUEST_EXPECT(read_cr0(), v | CR0_TS);
	asm volatile("clts");
	GUEST_EXPECT(read_cr0(), v & ~CR0_TS);
	asm volatile("lmsw %w0" : : "r"(v & ~CR0_PE)); /* cannot clear PE */
	GUEST_EXPECT(read_cr0(), v);
	asm volatile("smsw %0" : "=r"(got));
	GUEST_EXPECT(got & 0xffff, v & 0xffff);
}

static void cr4_refuses(void)
{
	u64 v = read_cr4();

	GUEST_EXPECT(TRY_CR(4, v & ~CR4_PAE), VEC_GP);
	GUEST_EXPECT(TRY_CR(4, v | BIT_ULL(15)), VEC_GP);
	GUEST_EXPECT(TRY_CR(4, v | BIT_ULL(40)), VEC_GP);
	GUEST_EXPECT(TRY_CR(4, v | BIT_ULL(63)), VEC_GP);
	GUEST_EXPECT(read_cr4(), v);
}

static void cr4_keeps(void)
{
	u64 v = read_cr4();
	static const u64 bits[] = { CR4_VME, CR4_TSD, CR4_DE, CR4_PSE, CR4_PGE, CR4_OSFXSR };

	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
		write_cr4(v ^ bits[i]);
		GUEST_EXPECT(read_cr4(), v ^ bits[i]);
		write_cr4(v);
	}
}

/* A CR4 bit that CPUID does not offer is reserved. */
static void cr4_follows_cpuid(void)
{
	u64 v = read_cr4();
	struct cpuid_regs seven = cpuid(7), one = cpuid(1);
	const struct {
		u64 bit;
		bool there;
	} bits[] = {
		{ CR4_VMXE, one.ecx & BIT(5) },	      { CR4_SMXE, one.ecx & BIT(6) },
		{ CR4_PCIDE, one.ecx & BIT(17) },     { CR4_OSXSAVE, one.ecx & BIT(26) },
		{ CR4_FSGSBASE, seven.ebx & BIT(0) }, { CR4_SMAP, seven.ebx & BIT(20) },
		{ CR4_UMIP, seven.ecx & BIT(2) },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
		u32 trap = TRY_CR(4, v | bits[i].bit);

		if (trap != (bits[i].there ? NO_TRAP : VEC_GP))
			printf("# CR4 0x%lx\n", (unsigned long)bits[i].bit);
		GUEST_EXPECT(trap, bits[i].there ? NO_TRAP : VEC_GP);
		write_cr4(v);
	}
}

static void cr3_keeps(void)
{
	u64 v = read_cr3();

	GUEST_EXPECT(TRY_CR(3, v | BIT_ULL(62)), VEC_GP);
	GUEST_EXPECT(TRY_CR(3, v | BIT_ULL(51)), VEC_GP);
	write_cr3(v | 0x18);
	GUEST_EXPECT(read_cr3(), v | 0x18);
	write_cr3(v);
}

static void pcid(void)
{
	u64 v = read_cr4(), cr3 = read_cr3();

	if (!(cpuid(1).ecx & BIT(17)))
		claim_skip("no PCID");
	write_cr3(cr3 | 1 << 4);
	GUEST_EXPECT(TRY_CR(4, v | CR4_PCIDE), VEC_GP); /* CR3[11:0] is not 0 */
	write_cr3(cr3);
	write_cr4(v | CR4_PCIDE);
	write_cr3(cr3 | 5);
	GUEST_EXPECT(read_cr3(), cr3 | 5);
	GUEST_EXPECT(TRY_CR(3, cr3 | 6 | BIT_ULL(63)), NO_TRAP);
	GUEST_EXPECT(read_cr3(), cr3 | 6);
	write_cr3(cr3);
	write_cr4(v);
}

static void cr8(void)
{
	GUEST_EXPECT(TRY_CR(8, 16), VEC_GP);
	write_cr8(5);
	GUEST_EXPECT(read_cr8(), 5);
	write_cr8(0);
	GUEST_EXPECT(read_cr8(), 0);
}

static void cr2(void)
{
	write_cr2(0x8123456789abcdefULL);
	GUEST_EXPECT(read_cr2(), 0x8123456789abcdefULL);
}

static u64 user_crs(u64 arg)
{
	u64 v;

	return TRY("mov %%cr0, %0",
		   : "=r"(v)
		   :) |
	       TRY("mov %%cr8, %0",
		   : "=r"(v)
		   :) << 8 |
	       TRY("clts",
		   :
		   :) << 16 |
	       TRY("invlpg (%0)",
		   :
		   : "r"(arg))
		       << 24;
}

static void at_cpl3(void)
{
	GUEST_EXPECT(user_call(user_crs, 0x1000), 0x0d0d0d0d);
}

static void no_such_register(void)
{
	GUEST_EXPECT(TRY(".byte 0x0f, 0x20, 0xc8", : : : "rax"), VEC_UD); /* CR1 */
	GUEST_EXPECT(TRY(".byte 0x0f, 0x20, 0xf8", : : : "rax"), VEC_UD); /* CR7 */
}

CLAIMS = { { cr0_refuses, "CR0 refuses PG without PE, NW without CD, upper bits" },
	   { cr0_keeps, "CR0 keeps each other bit; ET is always 1" },
	   { write_protect, "CR0.WP decides whether a supervisor may write a read-only page" },
	   { lmsw_smsw, "LMSW sets and cannot clear PE, SMSW reads, CLTS clears TS" },
	   { cr4_refuses, "CR4 refuses reserved bits, and clearing PAE in long mode" },
	   { cr4_keeps, "CR4 keeps each allowed bit" },
	   { cr4_follows_cpuid, "a CR4 bit is reserved exactly when CPUID lacks its feature" },
	   { cr3_keeps, "CR3 refuses bits above the physical width, keeps PWT and PCD" },
	   { pcid, "CR4.PCIDE wants PCID 0, then CR3 takes PCIDs" },
	   { cr8, "CR8 holds four bits" },
	   { cr2, "CR2 holds any value" },
	   { at_cpl3, "control registers are not for CPL 3" },
	   { no_such_register, "CR1 and CR7 raise #UD" },
	   END_OF_CLAIMS };
