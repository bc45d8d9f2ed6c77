// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions reach a guest with the vector, error code and state that the
 * processor gives. SDM: "Exception and Interrupt Reference".
 */
#include "guest.h"

#define UNMAPPED 0x3ff00000ULL

static void divide_error(void)
{
	u32 a = 1, d = 0;

	GUEST_EXPECT(TRY("div %2", : "+a"(a), "+d"(d) : "r"(0) : "cc"), VEC_DE);
}

static void undefined_opcode(void)
{
	GUEST_EXPECT(TRY("ud2", : :), VEC_UD);
	GUEST_EXPECT(TRY(".byte 0xf0, 0x90", : :), VEC_UD);
}

static void general_protection(void)
{
	GUEST_EXPECT(TRY("mov %0, %%ds", : : "r"(0x1003)), VEC_GP);
	GUEST_EXPECT(this_cpu()->trap_error, 0x1000);
	GUEST_EXPECT(TRY("movb $0, (%0)", : : "r"(0x8000000000000000ULL)), VEC_GP);
	GUEST_EXPECT(this_cpu()->trap_error, 0);
}

static void not_present_segment(void)
{
	gdt[SEL_SPARE / 8] = 0x00cf13000000ffff;
	GUEST_EXPECT(TRY("mov %0, %%es", : : "r"(SEL_SPARE)), VEC_NP);
	GUEST_EXPECT(this_cpu()->trap_error, SEL_SPARE);
	GUEST_EXPECT(TRY("mov %0, %%ss", : : "r"(SEL_SPARE)), VEC_SS);
	GUEST_EXPECT(this_cpu()->trap_error, SEL_SPARE);
	gdt[SEL_SPARE / 8] = 0;
}

static void page_fault(void)
{
	u64 *entry = page_entry(UNMAPPED);
	u8 v;

	*entry = 0;
	invlpg(UNMAPPED);
	GUEST_EXPECT(TRY("movb (%1), %0", : "=q"(v) : "r"(UNMAPPED + 5)), VEC_PF);
	GUEST_EXPECT(this_cpu()->trap_error, 0);
	GUEST_EXPECT(read_cr2(), UNMAPPED + 5);
	GUEST_EXPECT(TRY("movb $1, (%0)", : : "r"(UNMAPPED + 6)), VEC_PF);
	GUEST_EXPECT(this_cpu()->trap_error, 2);
	*entry = UNMAPPED | 1;
	invlpg(UNMAPPED);
	GUEST_EXPECT(TRY("movb $1, (%0)", : : "r"(UNMAPPED + 7)), VEC_PF);
	GUEST_EXPECT(this_cpu()->trap_error, 3);
	*entry = UNMAPPED | 7 | BIT_ULL(51);
	invlpg(UNMAPPED);
	GUEST_EXPECT(TRY("movb (%1), %0", : "=q"(v) : "r"(UNMAPPED)), VEC_PF);
	GUEST_EXPECT(this_cpu()->trap_error, 9);
	*entry = UNMAPPED | 7;
	invlpg(UNMAPPED);
}

static void jump_to(void *at)
{
	((void (*)(void))at)();
}

static void no_execute(void)
{
	u64 *entry = page_entry(UNMAPPED);

	*entry = UNMAPPED | 7 | BIT_ULL(63);
	invlpg(UNMAPPED);
	GUEST_EXPECT(try_call(jump_to, (void *)UNMAPPED), VEC_PF);
	GUEST_EXPECT(this_cpu()->trap_error, 0x11);
	GUEST_EXPECT(this_cpu()->trap_rip, UNMAPPED);
	*entry = UNMAPPED | 7;
	invlpg(UNMAPPED);
}

static u64 user_privileged(u64 arg)
{
	return TRY("cli", : :);
}

static u64 user_page_fault(u64 arg)
{
	u8 v;

	return TRY("movb (%1), %0", : "=q"(v) : "r"(arg)) | this_cpu()->trap_error << 8;
}

static void from_user(void)
{
	u64 *entry = page_entry(UNMAPPED);

	GUEST_EXPECT(user_call(user_privileged, 0), VEC_GP);
	*entry = UNMAPPED | 3;
	invlpg(UNMAPPED);
	GUEST_EXPECT(user_call(user_page_fault, UNMAPPED), VEC_PF | 5 << 8);
	*entry = UNMAPPED | 7;
	invlpg(UNMAPPED);
}

static u64 user_unaligned(u64 arg)
{
	u32 v;

	asm volatile("pushfq; orq $0x40000, (%%rsp); popfq" : : : "cc", "memory");
	return TRY("mov (%1), %0", : "=r"(v) : "r"(arg)) | (u64)this_cpu()->trap_error << 8;
}

static void alignment_check(void)
{
	u64 cr0 = read_cr0();

	write_cr0(cr0 | CR0_AM);
	GUEST_EXPECT(user_call(user_unaligned, (u64)image_end + 1), VEC_AC);
	write_cr0(cr0);
}

static struct trap_frame seen;

static void remember(struct trap_frame *frame)
{
	seen = *frame;
}

static void software_traps(void)
{
	u64 after;

	on_trap(VEC_BP, remember);
	asm volatile("lea 1f(%%rip), %0; int3; 1:" : "=r"(after));
	GUEST_EXPECT(seen.vector, VEC_BP);
	GUEST_EXPECT(seen.rip, after);
	on_trap(VEC_BP, NULL);
	on_trap(0x99, remember);
	asm volatile("lea 1f(%%rip), %0; int $0x99; 1:" : "=r"(after));
	GUEST_EXPECT(seen.vector, 0x99);
	GUEST_EXPECT(seen.rip, after);
	GUEST_EXPECT(seen.error, 0);
	on_trap(0x99, NULL);
}

static void device_not_available(void)
{
	u64 cr0 = read_cr0();

	write_cr0(cr0 | CR0_TS);
	GUEST_EXPECT(TRY("fnop", : :), VEC_NM);
	asm volatile("clts");
	GUEST_EXPECT(read_cr0() & CR0_TS, 0);
	GUEST_EXPECT(TRY("fnop", : :), NO_TRAP);
	write_cr0(cr0 | CR0_EM);
	GUEST_EXPECT(TRY("fnop", : :), VEC_NM);
	write_cr0(cr0);
}

static void resume_flag(void)
{
	struct cpu *cpu = this_cpu();

	GUEST_EXPECT(TRY("ud2", : :), VEC_UD);
	GUEST_EXPECT(cpu->trap_rflags & RFLAGS_RF, RFLAGS_RF);
	GUEST_EXPECT(TRY("mov %0, %%ds", : : "r"(0x1003)), VEC_GP);
	GUEST_EXPECT(cpu->trap_rflags & RFLAGS_RF, RFLAGS_RF);
	GUEST_EXPECT(try_wrmsr(MSR_EFER, ~0ULL), VEC_GP);
	GUEST_EXPECT(cpu->trap_rflags & RFLAGS_RF, RFLAGS_RF);
}

CLAIMS = { { divide_error, "division by zero raises #DE" },
	   { undefined_opcode, "UD2 and a wrong LOCK raise #UD" },
	   { general_protection,
	     "a bad selector raises #GP with the selector, a non-canonical address with 0" },
	   { not_present_segment,
	     "a segment that is not present raises #NP, #SS when it is for SS" },
	   { page_fault, "#PF tells present, write and reserved bits, and CR2 the address" },
	   { no_execute, "a fetch from an NX page raises #PF with the fetch bit" },
	   { from_user, "at CPL 3 CLI raises #GP, and a supervisor page #PF with the user bit" },
	   { alignment_check, "an unaligned access at CPL 3 with AC and CR0.AM raises #AC" },
	   { software_traps, "INT3 and INT n push the address after themselves" },
	   { device_not_available,
	     "x87 instructions raise #NM under CR0.TS and CR0.EM; CLTS ends it" },
	   { resume_flag, "a fault pushes RFLAGS with RF, whoever raised it" },
	   END_OF_CLAIMS };
