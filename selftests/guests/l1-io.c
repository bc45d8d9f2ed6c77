// SPDX-License-Identifier: GPL-2.0-only
/*
 * Port I/O of each width, string forms, and who may do it.
 * SDM: "IN—Input from Port", "INS/INSB/INSW/INSD", "OUTS/OUTSB/OUTSW/OUTSD",
 * "I/O Permission Bit Map".
 */
#include "guest.h"

#define UNUSED_PORT 0x5f0
#define LINE_STATUS 0x3fd /* 0x60 while the console is idle */
#define NO_DEVICE 0x2ff
#define RFLAGS_AC BIT(18)

static void console_idle(void)
{
	while (inb(LINE_STATUS) != 0x60)
		cpu_pause();
}

static void widths(void)
{
	u64 v = ~0ULL;

	console_idle();
	asm volatile("inb %%dx, %%al" : "+a"(v) : "d"(LINE_STATUS));
	GUEST_EXPECT(v, 0xffffffffffffff60);
	v = ~0ULL;
	asm volatile("inw %%dx, %%ax" : "+a"(v) : "d"(UNUSED_PORT));
	GUEST_EXPECT(v, ~0ULL);
	v = ~0ULL;
	asm volatile("inl %%dx, %%eax" : "+a"(v) : "d"(UNUSED_PORT));
	GUEST_EXPECT(v, 0xffffffff);
	outb(UNUSED_PORT, 1);
	outw(UNUSED_PORT, 1);
	outl(UNUSED_PORT, 1);
}

static void immediate(void)
{
	u8 before = inb(0x21), after;

	asm volatile("mov $0xf5, %%al; outb %%al, $0x21; in $0x21, %%al" : "=a"(after));
	GUEST_EXPECT(after, 0xf5);
	outb(0x21, before);
}

static void ins(void *to, u64 count, u64 *rdi, u64 *rcx)
{
	*rdi = (u64)to;
	*rcx = count;
	asm volatile("rep insb" : "+D"(*rdi), "+c"(*rcx) : "d"(LINE_STATUS) : "memory");
}

static void string_in(void)
{
	u8 *page = pages_alloc(3);
	u64 rdi, rcx;

	console_idle();
	ins(page + 4090, 12, &rdi, &rcx);
	GUEST_EXPECT(rdi, page + 4102);
	GUEST_EXPECT(rcx, 0);
	GUEST_EXPECT(page[4089], 0);
	for (int i = 0; i < 12; i++)
		GUEST_EXPECT(page[4090 + i], 0x60);
	GUEST_EXPECT(page[4102], 0);
}

static void string_in_long(void)
{
	u8 *page = pages_alloc(3);
	u64 rdi, rcx;

	console_idle();
	ins(page, 8192 + 100, &rdi, &rcx);
	GUEST_EXPECT(rdi, page + 8292);
	GUEST_EXPECT(rcx, 0);
	for (int i = 0; i < 8292; i += 91)
		GUEST_EXPECT(page[i], 0x60);
	GUEST_EXPECT(page[8292], 0);
}

static void string_in_down(void)
{
	u8 *page = page_alloc();
	u64 rdi = (u64)page + 40, rcx = 3;

	console_idle();
	asm volatile("std; rep insb; cld" : "+D"(rdi), "+c"(rcx) : "d"(LINE_STATUS) : "memory");
	GUEST_EXPECT(rdi, page + 37);
	GUEST_EXPECT(rcx, 0);
	GUEST_EXPECT(page[37], 0);
	GUEST_EXPECT(page[38], 0x60);
	GUEST_EXPECT(page[40], 0x60);
	GUEST_EXPECT(page[41], 0);
}

static void string_in_nothing(void)
{
	u8 *page = page_alloc();
	u64 rdi, rcx;

	ins(page, 0, &rdi, &rcx);
	GUEST_EXPECT(rdi, page);
	GUEST_EXPECT(page[0], 0);
}

static void string_in_32(void)
{
	u8 *page = page_alloc();
	u64 rdi = (u64)page | 0xabcd00000000ULL, rcx = 0xffffffff00000002ULL;

	console_idle();
	asm volatile("addr32 rep insb" : "+D"(rdi), "+c"(rcx) : "d"(LINE_STATUS) : "memory");
	GUEST_EXPECT(rdi, (u64)page + 2);
	GUEST_EXPECT(rcx, 0);
	GUEST_EXPECT(page[1], 0x60);
	GUEST_EXPECT(page[2], 0);
}

static void string_out(void)
{
	static const char text[] = "# rep outsb speaks\n";
	u64 rsi = (u64)text, rcx = sizeof(text) - 1;

	for (const char *s = text; *s; s++) {
		while (!(inb(LINE_STATUS) & 0x20))
			cpu_pause();
		asm volatile("outsb" : "+S"(rsi) : "d"(0x3f8));
	}
	GUEST_EXPECT(rsi, text + rcx);
	rsi = (u64)text;
	asm volatile("rep outsb" : "+S"(rsi), "+c"(rcx) : "d"(UNUSED_PORT));
	GUEST_EXPECT(rsi, text + sizeof(text) - 1);
	GUEST_EXPECT(rcx, 0);
	rsi = (u64)text;
	rcx = 2;
	asm volatile("rep outsl" : "+S"(rsi), "+c"(rcx) : "d"(UNUSED_PORT));
	GUEST_EXPECT(rsi, text + 8);
	rsi = (u64)text;
	asm volatile("outsw" : "+S"(rsi) : "d"(UNUSED_PORT));
	GUEST_EXPECT(rsi, text + 2);
}

static void string_fault(void)
{
	u64 va = 0x3fd00000, *hole = page_entry(va + 4096);
	u64 rdi = va + 4092, rcx = 10;
	u32 trap;

	console_idle();
	*page_entry(va) = (u64)page_alloc() | 3;
	*hole = 0;
	invlpg(va);
	invlpg(va + 4096);
	trap = TRY("rep insb", : "+D"(rdi), "+c"(rcx) : "d"(LINE_STATUS) : "memory");
	GUEST_EXPECT(trap, VEC_PF);
	GUEST_EXPECT(this_cpu()->trap_error, 2);
	GUEST_EXPECT(read_cr2(), va + 4096);
	GUEST_EXPECT(rdi, va + 4096);
	GUEST_EXPECT(rcx, 6);
	GUEST_EXPECT(*(u32 *)(va + 4092), 0x60606060);
}

static u64 user_in(u64 port)
{
	u32 v;

	return TRY("inb %%dx, %%al", : "=a"(v) : "d"((u16)port));
}

static void at_cpl3(void)
{
	u64 flags = read_flags();

	GUEST_EXPECT(user_call(user_in, LINE_STATUS), VEC_GP);
	write_flags(flags | 3 << 12);
	GUEST_EXPECT(user_call(user_in, LINE_STATUS), NO_TRAP);
	write_flags(flags);
}

static u64 user_input_16(u64 va)
{
	return TRY("insw", : "+D"(va) : "d"((u16)LINE_STATUS) : "memory");
}

static u64 user_output_16(u64 va)
{
	return TRY("outsw", : "+S"(va) : "d"((u16)NO_DEVICE) : "memory");
}

static u64 user_output_8(u64 va)
{
	return TRY("outsb", : "+S"(va) : "d"((u16)NO_DEVICE) : "memory");
}

/* Alignment is checked after the I/O permission, and so by whoever executes the instruction. */
static void alignment(void)
{
	static u8 buffer[16] __aligned(8);
	u64 flags = read_flags(), va = (u64)buffer;

	write_cr0(read_cr0() | CR0_AM);
	write_flags(flags | 3 << 12 | RFLAGS_AC);
	GUEST_EXPECT(user_call(user_output_16, va + 1), VEC_AC);
	GUEST_EXPECT(user_call(user_input_16, va + 3), VEC_AC);
	GUEST_EXPECT(user_call(user_output_16, va + 2), NO_TRAP);
	GUEST_EXPECT(user_call(user_input_16, va + 4), NO_TRAP);
	GUEST_EXPECT(user_call(user_output_8, va + 1), NO_TRAP);
	write_flags(flags | 3 << 12);
	GUEST_EXPECT(user_call(user_output_16, va + 1), NO_TRAP);
	write_flags(flags);
	write_cr0(read_cr0() & ~CR0_AM);
}

CLAIMS = { { widths, "IN changes 1, 2 or 4 bytes; 4 clear the upper half" },
	   { immediate, "IN and OUT with the port in the instruction" },
	   { string_in, "REP INSB across a page boundary stores all and nothing else" },
	   { string_in_long, "REP INSB of more than two pages" },
	   { string_in_down, "REP INSB with DF set goes downward" },
	   { string_in_nothing, "REP INSB with RCX 0 does nothing" },
	   { string_in_32, "REP INSB with 32-bit addresses uses ECX and EDI" },
	   { string_out, "OUTS of each width moves RSI" },
	   { string_fault, "REP INSB onto a missing page stops there with #PF" },
	   { at_cpl3, "IN at CPL 3 needs IOPL 3 when the TSS has no bitmap" },
	   { alignment, "INS and OUTS at CPL 3 are checked for alignment, if RFLAGS.AC says so" },
	   END_OF_CLAIMS };
