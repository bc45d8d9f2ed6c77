// SPDX-License-Identifier: GPL-2.0-only
/* The emulator against a guest of registers, RAM and devices. */
/* sources: kmod/exits/decode.c kmod/exits/alu.c kmod/exits/emulate.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "emulate_guest.h"

static struct guest g;

static int setup(void **state)
{
	size_t i;

	(void)state;
	memset(&g, 0, sizeof(g));
	for (i = 0; i < sizeof(g.device); i++)
		g.device[i] = i ^ i >> 8;
	for (i = 0; i < NR_GPRS; i++)
		g.gpr[i] = 0x1111111111111111 * i;
	g.rflags = 2;
	return 0;
}

/* Decode and run; hex bytes as text. */
static int run_mode(enum insn_mode mode, const char *text)
{
	u8 bytes[INSN_MAX_LEN];
	size_t n = 0;
	char *end;

	for (; *text; text = end + (*end == ' '))
		bytes[n++] = strtoul(text, &end, 16);
	if (insn_decode(&g.emu.insn, bytes, n, mode))
		fail_msg("%s", g.emu.insn.reason);
	return guest_run(&g);
}

static int run(const char *text)
{
	return run_mode(MODE_64, text);
}

static u64 peek(u64 gpa, int len)
{
	u64 value = 0;

	memcpy(&value, guest_memory(&g, gpa), len);
	return value;
}

static void poke(u64 gpa, u64 value, int len)
{
	memcpy(guest_memory(&g, gpa), &value, len);
}

#define RDI_AT(addr) (g.gpr[GPR_RDI] = (addr))

static void test_load_widths(void **state)
{
	(void)state;
	RDI_AT(DEVICE + 8);
	poke(DEVICE + 8, 0x8877665544332281, 8);
	assert_int_equal(run("8b 07"), EMU_DONE); /* mov (%rdi), %eax */
	assert_true(g.gpr[GPR_RAX] == 0x44332281);
	g.gpr[GPR_RBX] = ~0ULL;
	assert_int_equal(run("66 8b 1f"), EMU_DONE); /* mov (%rdi), %bx */
	assert_true(g.gpr[GPR_RBX] == 0xffffffffffff2281);
	assert_int_equal(run("8a 3f"), EMU_DONE); /* mov (%rdi), %bh */
	assert_true(g.gpr[GPR_RBX] == 0xffffffffffff8181);
	assert_int_equal(run("48 8b 07"), EMU_DONE); /* mov (%rdi), %rax */
	assert_true(g.gpr[GPR_RAX] == 0x8877665544332281);
	assert_int_equal(run("48 0f be 07"), EMU_DONE); /* movsbq (%rdi), %rax */
	assert_true(g.gpr[GPR_RAX] == 0xffffffffffffff81);
	assert_int_equal(run("0f b6 07"), EMU_DONE); /* movzbl (%rdi), %eax */
	assert_true(g.gpr[GPR_RAX] == 0x81);
	assert_int_equal(run("66 0f be 07"), EMU_DONE); /* movsbw (%rdi), %ax */
	assert_true(g.gpr[GPR_RAX] == 0xff81);
	assert_int_equal(run("48 0f 38 f0 07"), EMU_DONE); /* movbe (%rdi), %rax */
	assert_true(g.gpr[GPR_RAX] == 0x8122334455667788);
	assert_string_equal(g.log, "r10008+4 r10008+2 r10008+1 r10008+8 r10008+1 r10008+1 r10008+1 "
				   "r10008+8 ");
	assert_true(g.rflags == 2);
}

/* A store must not read the device. */
static void test_store_widths(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	g.gpr[GPR_RAX] = 0x1122334455667788;
	assert_int_equal(run("88 27"), EMU_DONE); /* mov %ah, (%rdi) */
	assert_true(peek(DEVICE, 1) == 0x77);
	assert_int_equal(run("89 07"), EMU_DONE);
	assert_true(peek(DEVICE, 4) == 0x55667788);
	assert_int_equal(run("48 c7 47 10 fe ff ff ff"), EMU_DONE); /* movq $-2, 16(%rdi) */
	assert_true(peek(DEVICE + 16, 8) == 0xfffffffffffffffe);
	assert_int_equal(run("66 0f 38 f1 07"), EMU_DONE); /* movbe %ax, (%rdi) */
	assert_true(peek(DEVICE, 2) == 0x8877);
	assert_string_equal(g.log, "w10000+1 w10000+4 w10010+8 w10000+2 ");
}

/* Read once, written once, with a stop at each. */
static void test_read_modify_write(void **state)
{
	(void)state;
	RDI_AT(DEVICE + 4);
	poke(DEVICE + 4, 0xffffffff, 4);
	assert_int_equal(run("83 07 01"), EMU_DONE); /* addl $1, (%rdi) */
	assert_true(peek(DEVICE + 4, 4) == 0);
	assert_true(g.rflags == (2 | FLAG_CF | FLAG_ZF | FLAG_PF | FLAG_AF));
	assert_string_equal(g.log, "r10004+4 w10004+4 ");
	g.log[0] = 0;
	RDI_AT(FAST_DEVICE);
	poke(FAST_DEVICE, 0xf0, 1);
	assert_int_equal(run("f0 80 27 3c"), EMU_DONE); /* lock andb $0x3c, (%rdi) */
	assert_true(peek(FAST_DEVICE, 1) == 0x30);
	assert_string_equal(g.log, "fr20000+1 fw20000+1 ");
}

/* CMP, TEST and BT only read, and need no right to write. */
static void test_compare_does_not_write(void **state)
{
	(void)state;
	RDI_AT(READ_ONLY);
	assert_int_equal(run("83 3f 00"), EMU_DONE);
	assert_int_equal(run("f6 07 01"), EMU_DONE);
	assert_int_equal(run("0f ba 27 03"), EMU_DONE);
	assert_int_equal(run("03 07"), EMU_DONE);
	assert_int_equal(run("83 07 00"), EMU_FAULT);
	assert_int_equal(g.emu.fault.vector, VEC_PF);
	assert_int_equal(g.emu.fault.error, PF_WRITE | PF_PRESENT);
	assert_true(g.emu.fault.cr2 == READ_ONLY);
}

static void test_page_crossing(void **state)
{
	(void)state;
	RDI_AT(DEVICE + GUEST_PAGE - 3);
	g.gpr[GPR_RAX] = 0x8877665544332211;
	assert_int_equal(run("48 89 07"), EMU_DONE);
	assert_string_equal(g.log, "w10ffd+3 w11000+5 ");
	assert_true(peek(DEVICE + GUEST_PAGE - 3, 8) == 0x8877665544332211);
	g.log[0] = 0;
	assert_int_equal(run("48 8b 1f"), EMU_DONE);
	assert_true(g.gpr[GPR_RBX] == 0x8877665544332211);
	assert_string_equal(g.log, "r10ffd+3 r11000+5 ");
	g.log[0] = 0;
	RDI_AT(DEVICE + GUEST_PAGE - 9);
	assert_int_equal(run("f3 0f 6f 07"), EMU_DONE); /* movdqu (%rdi), %xmm0 */
	assert_memory_equal(g.xmm[0], guest_memory(&g, g.gpr[GPR_RDI]), 16);
	assert_string_equal(g.log, "r10ff7+8 r10fff+1 r11000+7 ");
}

/* RAM on one side, no memory on the other: nothing is written. */
static void test_fault_on_second_page(void **state)
{
	(void)state;
	RDI_AT(UNMAPPED - 2);
	poke(FAST_DEVICE + GUEST_PAGE - 2, 0x1234, 2);
	assert_int_equal(run("89 07"), EMU_FAULT);
	assert_true(g.emu.fault.cr2 == UNMAPPED);
	assert_int_equal(g.emu.fault.error, PF_WRITE);
	assert_string_equal(g.log, "");
}

static void test_exchanges(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	poke(DEVICE, 5, 4);
	g.gpr[GPR_RCX] = 0xffffffff00000007;
	assert_int_equal(run("87 0f"), EMU_DONE); /* xchg %ecx, (%rdi) */
	assert_true(g.gpr[GPR_RCX] == 5 && peek(DEVICE, 4) == 7);
	assert_int_equal(run("f0 0f c1 0f"), EMU_DONE); /* lock xadd %ecx, (%rdi) */
	assert_true(g.gpr[GPR_RCX] == 7 && peek(DEVICE, 4) == 12);
	g.gpr[GPR_RAX] = 12;
	assert_int_equal(run("f0 0f b1 0f"), EMU_DONE); /* lock cmpxchg %ecx, (%rdi) */
	assert_true(g.rflags & FLAG_ZF && peek(DEVICE, 4) == 7);
	g.log[0] = 0;
	assert_int_equal(run("f0 0f b1 0f"), EMU_DONE);
	assert_true(!(g.rflags & FLAG_ZF) && g.gpr[GPR_RAX] == 7);
	assert_string_equal(g.log, "r10000+4 ");
}

static void test_cmpxchg_pair(void **state)
{
	(void)state;
	RDI_AT(DEVICE + 16);
	poke(DEVICE + 16, 1, 8);
	poke(DEVICE + 24, 2, 8);
	g.gpr[GPR_RAX] = 1;
	g.gpr[GPR_RDX] = 2;
	assert_int_equal(run("48 0f c7 0f"), EMU_DONE);
	assert_true(g.rflags & FLAG_ZF);
	assert_true(peek(DEVICE + 16, 8) == g.gpr[GPR_RBX]);
	assert_true(peek(DEVICE + 24, 8) == g.gpr[GPR_RCX]);
	assert_int_equal(run("0f c7 0f"), EMU_DONE); /* cmpxchg8b fails now */
	assert_false(g.rflags & FLAG_ZF);
	assert_true(g.gpr[GPR_RAX] == 0x33333333 && g.gpr[GPR_RDX] == 0x33333333);
	RDI_AT(DEVICE + 8);
	assert_int_equal(run("48 0f c7 0f"), EMU_FAULT); /* unaligned */
	assert_int_equal(g.emu.fault.vector, VEC_GP);
}

/* The bit offset in a register reaches before and behind the operand. */
static void test_bit_offset_in_register(void **state)
{
	(void)state;
	RDI_AT(DEVICE + 0x100);
	g.gpr[GPR_RAX] = 70;
	assert_int_equal(run("0f ab 07"), EMU_DONE); /* bts %eax, (%rdi) */
	g.gpr[GPR_RAX] = (u32)-1;
	assert_int_equal(run("0f b3 07"), EMU_DONE); /* btr */
	assert_string_equal(g.log, "r10108+4 w10108+4 r100fc+4 w100fc+4 ");
	g.log[0] = 0;
	assert_int_equal(run("0f ba 3f 21"), EMU_DONE); /* btcl $33: bit 1 of the operand */
	assert_string_equal(g.log, "r10100+4 w10100+4 ");
}

static void test_addresses(void **state)
{
	(void)state;
	g.rip = DEVICE - 0x100;
	assert_int_equal(run("8b 05 fa 00 00 00"), EMU_DONE); /* mov 0xfa(%rip), %eax */
	g.gpr[GPR_RAX] = 0xffffffff00010000;
	g.gpr[GPR_RBX] = 0xf00000004;
	assert_int_equal(run("67 8b 4c 58 08"), EMU_DONE); /* mov 8(%eax,%ebx,2), %ecx */
	g.seg_base[SEG_GS] = DEVICE;
	g.gpr[GPR_RAX] = 0x20;
	assert_int_equal(run("65 8b 08"), EMU_DONE); /* mov %gs:(%rax), %ecx */
	g.seg_base[SEG_SS] = DEVICE;
	g.gpr[GPR_RBP] = 0x12340030;
	g.gpr[GPR_RSI] = 0xffff;
	assert_int_equal(run_mode(MODE_16, "8a 42 02"), EMU_DONE); /* mov 2(%bp,%si), %al */
	assert_string_equal(g.log, "r10000+4 r10010+4 r10020+4 r10031+1 ");
}

static void test_rep_stos(void **state)
{
	(void)state;
	RDI_AT(DEVICE + 0x10);
	g.gpr[GPR_RAX] = 0xabcd;
	g.gpr[GPR_RCX] = 3;
	assert_int_equal(run("66 f3 ab"), EMU_DONE);
	assert_string_equal(g.log, "w10010+2 w10012+2 w10014+2 ");
	assert_true(g.gpr[GPR_RDI] == DEVICE + 0x16 && g.gpr[GPR_RCX] == 0);
	g.log[0] = 0;
	assert_int_equal(run("f3 ab"), EMU_DONE); /* count 0 */
	assert_string_equal(g.log, "");
	g.rflags |= FLAG_DF;
	assert_int_equal(run("aa"), EMU_DONE);
	assert_true(g.gpr[GPR_RDI] == DEVICE + 0x15);
}

/* With address size 32 the counts and pointers are 32 bits wide. */
static void test_rep_address_size(void **state)
{
	(void)state;
	g.gpr[GPR_RCX] = 0x100000002;
	g.gpr[GPR_RSI] = 0x5500000000 + RAM_SIZE - 4;
	g.gpr[GPR_RDI] = 0x6600000000 + FAST_DEVICE;
	assert_int_equal(run("67 f3 a4"), EMU_DONE);
	assert_true(g.gpr[GPR_RCX] == 0);
	assert_true(g.gpr[GPR_RSI] == RAM_SIZE - 2);
	assert_true(g.gpr[GPR_RDI] == FAST_DEVICE + 2);
}

/* MOVS from device to RAM and back; an interrupt may come between iterations. */
static void test_rep_movs(void **state)
{
	(void)state;
	g.gpr[GPR_RSI] = DEVICE;
	g.gpr[GPR_RDI] = 0x100;
	g.gpr[GPR_RCX] = 4;
	g.pause_after = 3;
	assert_int_equal(run("f3 48 a5"), EMU_REPEAT);
	assert_true(g.gpr[GPR_RCX] == 1 && g.gpr[GPR_RSI] == DEVICE + 24);
	assert_int_equal(run("f3 48 a5"), EMU_DONE);
	assert_memory_equal(g.ram + 0x100, g.device, 32);
	assert_string_equal(g.log, "r10000+8 r10008+8 r10010+8 r10018+8 ");
	g.log[0] = 0;
	g.gpr[GPR_RSI] = DEVICE;
	g.gpr[GPR_RDI] = DEVICE + GUEST_PAGE - 2;
	assert_int_equal(run("a5"), EMU_DONE);
	assert_string_equal(g.log, "r10000+4 w10ffe+2 w11000+2 ");
}

static void test_rep_limit(void **state)
{
	(void)state;
	RDI_AT(0);
	g.gpr[GPR_RCX] = EMU_MAX_ITERATIONS + 5;
	assert_int_equal(run("f3 aa"), EMU_REPEAT);
	assert_true(g.gpr[GPR_RCX] == 5);
	assert_int_equal(run("f3 aa"), EMU_DONE);
}

/* A fault in the middle leaves what was done, and points at where it goes on. */
static void test_rep_fault(void **state)
{
	(void)state;
	RDI_AT(UNMAPPED - 8);
	g.gpr[GPR_RCX] = 10;
	assert_int_equal(run("f3 ab"), EMU_FAULT);
	assert_true(g.gpr[GPR_RCX] == 8 && g.gpr[GPR_RDI] == UNMAPPED);
	assert_true(g.emu.fault.cr2 == UNMAPPED);
}

static void test_rep_compare(void **state)
{
	(void)state;
	memset(g.ram, 'a', 16);
	memcpy(g.ram + 0x100, "aaab", 4);
	g.gpr[GPR_RSI] = 0;
	RDI_AT(0x100);
	g.gpr[GPR_RCX] = 10;
	assert_int_equal(run("f3 a6"), EMU_DONE); /* repe cmpsb */
	assert_true(g.gpr[GPR_RCX] == 6 && g.gpr[GPR_RDI] == 0x104);
	assert_true(g.rflags & FLAG_CF && !(g.rflags & FLAG_ZF)); /* 'a' below 'b' */
	g.gpr[GPR_RAX] = 'b';
	RDI_AT(0x100);
	g.gpr[GPR_RCX] = 10;
	assert_int_equal(run("f2 ae"), EMU_DONE); /* repne scasb */
	assert_true(g.gpr[GPR_RCX] == 6 && g.rflags & FLAG_ZF);
	g.gpr[GPR_RCX] = 2;
	RDI_AT(0x100);
	assert_int_equal(run("f2 ae"), EMU_DONE);
	assert_true(g.gpr[GPR_RCX] == 0 && !(g.rflags & FLAG_ZF));
}

static void test_xmm(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	memset(g.xmm, 0xee, sizeof(g.xmm));
	assert_int_equal(run("f3 0f 10 07"), EMU_DONE); /* movss: the rest becomes 0 */
	assert_memory_equal(g.xmm[0], g.device, 4);
	assert_true(!g.xmm[0][4] && !g.xmm[0][15]);
	g.log[0] = 0;
	assert_int_equal(run("66 44 0f 7f 0f"), EMU_DONE); /* movdqa %xmm9, (%rdi) */
	assert_memory_equal(g.device, g.xmm[9], 16);
	assert_string_equal(g.log, "w10000+8 w10008+8 ");
	RDI_AT(DEVICE + 8);
	assert_int_equal(run("0f 28 07"), EMU_FAULT); /* movaps, unaligned */
	assert_int_equal(g.emu.fault.vector, VEC_GP);
}

static void test_cache_line_flush(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	assert_int_equal(run("0f ae 3f"), EMU_DONE);
	assert_string_equal(g.log, "");
}

/* Whoever has breakpoints on it hears of each operand, by its linear address. */
static void test_accesses_are_told(void **state)
{
	(void)state;
	RDI_AT(0x20);
	g.seg_base[SEG_FS] = DEVICE;
	assert_int_equal(run("64 66 8b 07"), EMU_DONE); /* mov %fs:(%rdi), %ax */
	assert_string_equal(g.told, "r10020+2");
	assert_int_equal(run("64 c6 07 01"), EMU_DONE); /* movb $1, %fs:(%rdi) */
	assert_string_equal(g.told, "w10020+1");
	g.told[0] = 0;
	RDI_AT(READ_ONLY);
	assert_int_equal(run("83 07 00"), EMU_FAULT);
	assert_string_equal(g.told, "");
	RDI_AT(DEVICE);
	assert_int_equal(run("0f ae 3f"), EMU_DONE); /* clflush */
	assert_string_equal(g.told, "");
}

/* Any instruction that the decoder takes, with its operand in the device. */
static void random_start(struct guest *start, enum insn_mode mode)
{
	u8 bytes[INSN_MAX_LEN];
	size_t i;

	do {
		for (i = 0; i < sizeof(bytes); i++)
			bytes[i] = rand();
		if (rand() % 2)
			bytes[0] = 0x0f;
		else if (rand() % 3 == 0)
			bytes[0] = 0xf2 + rand() % 2;
	} while (insn_decode(&start->emu.insn, bytes, sizeof(bytes), mode));
	for (i = 0; i < NR_GPRS; i++)
		start->gpr[i] = DEVICE + 64 + rand() % (2 * GUEST_PAGE - 128);
	start->gpr[GPR_RCX] = rand() % 16;
	start->rflags = 2 | (rand() & (ALU_FLAGS | FLAG_DF));
	start->emu.insn.mem.disp = 0;
	start->emu.insn.mem.index = NO_GPR;
	start->emu.insn.mem.base = GPR_RBX;
	start->emu.insn.mem.rip_relative = false;
	start->emu.insn.addr_size = 8;
}

/* A bit offset in a register leads far away from the device. */
static bool goes_far(const struct insn *insn)
{
	return insn->op >= OP_BT && insn->op <= OP_BTC && insn->form == FORM_MEM_REG;
}

/* Stops for userspace change nothing: same end as without them. */
static void test_shifts(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	poke(DEVICE, 0x80000001, 4);
	assert_int_equal(run("d1 27"), EMU_DONE); /* shll (%rdi) */
	assert_true(peek(DEVICE, 4) == 2);
	assert_true(g.rflags == (2 | FLAG_CF | FLAG_OF));
	assert_int_equal(run("d1 17"), EMU_DONE); /* rcll (%rdi) */
	assert_true(peek(DEVICE, 4) == 5);
	g.gpr[GPR_RCX] = 0x104; /* CL is 4 */
	g.gpr[GPR_RBX] = 0xf0000000;
	assert_int_equal(run("0f a5 1f"), EMU_DONE); /* shldl %cl, %ebx, (%rdi) */
	assert_true(peek(DEVICE, 4) == 0x5f);
	poke(DEVICE, 0x80, 1);
	assert_int_equal(run("c0 3f 03"), EMU_DONE); /* sarb $3, (%rdi) */
	assert_true(peek(DEVICE, 1) == 0xf0);
	g.rflags = 2 | FLAG_CF | FLAG_ZF;
	assert_int_equal(run("c1 27 20"), EMU_DONE); /* shll $32: by nothing */
	assert_true(g.rflags == (2 | FLAG_CF | FLAG_ZF));
}

static void test_multiply_and_divide(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	poke(DEVICE, ~0ULL, 8);
	g.gpr[GPR_RAX] = 3;
	assert_int_equal(run("48 f7 27"), EMU_DONE); /* mulq (%rdi) */
	assert_true(g.gpr[GPR_RAX] == ~0ULL - 2 && g.gpr[GPR_RDX] == 2);
	assert_true(g.rflags == (2 | FLAG_CF | FLAG_OF));
	g.gpr[GPR_RAX] = 3;
	assert_int_equal(run("48 f7 2f"), EMU_DONE); /* imulq (%rdi) */
	assert_true(g.gpr[GPR_RAX] == (u64)-3 && g.gpr[GPR_RDX] == ~0ULL && g.rflags == 2);
	assert_int_equal(run("6b 1f 7f"), EMU_DONE); /* imull $127, (%rdi), %ebx */
	assert_true(g.gpr[GPR_RBX] == (u32)-127 && g.rflags == 2);
	poke(DEVICE, (u8)-2, 1);
	g.gpr[GPR_RAX] = 0xabcd0007;
	assert_int_equal(run("f6 3f"), EMU_DONE); /* idivb (%rdi): 7 by -2 */
	assert_true(g.gpr[GPR_RAX] == 0xabcd01fd);
	poke(DEVICE, ~0ULL, 8);
	g.gpr[GPR_RAX] = 0x8000000000000000;
	g.gpr[GPR_RDX] = ~0ULL;
	assert_int_equal(run("48 f7 3f"), EMU_FAULT); /* the quotient is 2^63 */
	assert_true(g.emu.fault.vector == VEC_DE && !g.emu.fault.has_error);
	poke(DEVICE, 0, 8);
	assert_int_equal(run("f7 37"), EMU_FAULT); /* divl (%rdi) */
	poke(DEVICE, 0x10, 8);
	g.gpr[GPR_RAX] = 0x1234;
	g.gpr[GPR_RDX] = 5;
	assert_int_equal(run("48 f7 37"), EMU_DONE); /* divq (%rdi) */
	assert_true(g.gpr[GPR_RAX] == 0x5000000000000123 && g.gpr[GPR_RDX] == 4);
}

static void test_conditions(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	poke(DEVICE, 0x1122334455667788, 8);
	g.gpr[GPR_RBX] = ~0ULL;
	assert_int_equal(run("0f 44 1f"), EMU_DONE); /* cmovz (%rdi), %ebx: not, but it is cut */
	assert_true(g.gpr[GPR_RBX] == 0xffffffff);
	g.rflags = 2 | FLAG_SF;
	assert_int_equal(run("48 0f 4c 1f"), EMU_DONE); /* cmovl */
	assert_true(g.gpr[GPR_RBX] == 0x1122334455667788);
	assert_int_equal(run("0f 9f 07"), EMU_DONE);	/* setg */
	assert_int_equal(run("0f 98 47 01"), EMU_DONE); /* sets */
	assert_true(peek(DEVICE, 2) == 0x100);
	assert_string_equal(g.log, "r10000+4 r10000+8 w10000+1 w10001+1 ");
}

static void test_bits(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	poke(DEVICE, 0x00f00000, 4);
	assert_int_equal(run("0f bc 1f"), EMU_DONE); /* bsf */
	assert_true(g.gpr[GPR_RBX] == 20 && g.rflags == 2);
	assert_int_equal(run("0f bd 1f"), EMU_DONE); /* bsr */
	assert_true(g.gpr[GPR_RBX] == 23);
	assert_int_equal(run("f3 0f b8 1f"), EMU_DONE); /* popcnt */
	assert_true(g.gpr[GPR_RBX] == 4);
	poke(DEVICE, 0, 4);
	g.gpr[GPR_RBX] = ~0ULL;
	assert_int_equal(run("0f bc 1f"), EMU_DONE);
	assert_true(g.gpr[GPR_RBX] == ~0ULL && g.rflags == (2 | FLAG_ZF));
}

/* Half of an XMM register, in and out. */
static void test_xmm_halves(void **state)
{
	u64 half[2] = { 1, 2 };

	(void)state;
	RDI_AT(DEVICE);
	poke(DEVICE, 0x1122334455667788, 8);
	memcpy(g.xmm[1], half, 16);
	assert_int_equal(run("0f 16 0f"), EMU_DONE); /* movhps (%rdi), %xmm1 */
	memcpy(half, g.xmm[1], 16);
	assert_true(half[0] == 1 && half[1] == 0x1122334455667788);
	assert_int_equal(run("0f 12 0f"), EMU_DONE); /* movlps */
	memcpy(half, g.xmm[1], 16);
	assert_true(half[0] == half[1]);
	assert_int_equal(run("66 0f 6e 0f"), EMU_DONE); /* movd */
	memcpy(half, g.xmm[1], 16);
	assert_true(half[0] == 0x55667788 && !half[1]);
	half[1] = 7;
	memcpy(g.xmm[1], half, 16);
	assert_int_equal(run("0f 17 4f 08"), EMU_DONE); /* movhps %xmm1, 8(%rdi) */
	assert_true(peek(DEVICE + 8, 8) == 7);
	assert_int_equal(run("66 0f d6 0f"), EMU_DONE); /* movq */
	assert_true(peek(DEVICE, 8) == 0x55667788);
}

static void test_stops_do_not_show(void **state)
{
	static struct guest direct, stopped;
	int i, ret;

	(void)state;
	srand(2);
	for (i = 0; i < 20000; i++) {
		random_start(&g, rand() % 2 ? MODE_64 : MODE_32);
		if (goes_far(&g.emu.insn))
			continue;
		direct = g;
		direct.direct = true;
		stopped = g;
		ret = guest_run(&direct);
		assert_int_equal(guest_run(&stopped), ret);
		assert_memory_equal(direct.gpr, stopped.gpr, sizeof(direct.gpr));
		assert_memory_equal(direct.device, stopped.device, sizeof(direct.device));
		assert_memory_equal(direct.xmm, stopped.xmm, sizeof(direct.xmm));
		assert_true(direct.rflags == stopped.rflags);
	}
}

/* --- the stack, and near jumps -------------------------------------------- */

#define STACK 0x2000

static int run_on_stack(enum insn_mode mode, u64 rsp, const char *text)
{
	g.log[0] = 0;
	g.rip = 0x1000;
	g.gpr[GPR_RSP] = rsp;
	return run_mode(mode, text);
}

static void test_push(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	poke(DEVICE, 0x8877665544332211, 8);
	poke(STACK - 16, 0, 8);
	assert_int_equal(run_on_stack(MODE_64, STACK, "ff 37"), EMU_DONE);
	assert_true(g.gpr[GPR_RSP] == STACK - 8 && peek(STACK - 8, 8) == 0x8877665544332211);
	assert_string_equal(g.log, "r10000+8 ");
	assert_int_equal(run_on_stack(MODE_64, STACK, "66 ff 37"), EMU_DONE);
	assert_true(g.gpr[GPR_RSP] == STACK - 2 && peek(STACK - 2, 2) == 0x2211);
	/* The address is that before the push. */
	assert_int_equal(run_on_stack(MODE_64, DEVICE + 8, "ff 34 24"), EMU_DONE);
	assert_string_equal(g.log, "r10008+8 w10000+8 ");
	/* A stack of 16 bits wraps, and keeps the rest of ESP. */
	poke(DEVICE, 0x44332211, 4);
	g.stack_size = 2;
	g.seg_base[SEG_SS] = STACK - 0x10000;
	assert_int_equal(run_on_stack(MODE_32, 0x55550000, "ff 37"), EMU_DONE);
	assert_true(g.gpr[GPR_RSP] == 0x5555fffc && peek(STACK - 4, 4) == 0x44332211);
}

static void test_pop(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	poke(STACK, 0x8877665544332211, 8);
	assert_int_equal(run_on_stack(MODE_64, STACK, "8f 07"), EMU_DONE);
	assert_true(g.gpr[GPR_RSP] == STACK + 8 && peek(DEVICE, 8) == 0x8877665544332211);
	assert_string_equal(g.log, "w10000+8 ");
	/* The address is that after the pop. */
	g.seg_base[SEG_SS] = DEVICE;
	poke(DEVICE + 0x100, 0x1234, 2);
	assert_int_equal(run_on_stack(MODE_64, 0x100, "66 8f 04 24"), EMU_DONE);
	assert_string_equal(g.log, "r10100+2 w10102+2 ");
	g.seg_base[SEG_SS] = 0;
	g.stack_size = 4;
	assert_int_equal(run_on_stack(MODE_32, STACK, "8f 07"), EMU_DONE);
	assert_true(g.gpr[GPR_RSP] == STACK + 4);
}

static void test_call_and_jump(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	poke(DEVICE, 0x1234, 8);
	assert_int_equal(run_on_stack(MODE_64, STACK, "ff 57 00"), EMU_JUMPED);
	assert_true(g.emu.target == 0x1234 && g.gpr[GPR_RSP] == STACK - 8);
	assert_true(peek(STACK - 8, 8) == 0x1003 && g.rip == 0x1000);
	assert_int_equal(run_on_stack(MODE_64, STACK, "66 ff 27"), EMU_JUMPED);
	assert_true(g.emu.target == 0x1234 && g.gpr[GPR_RSP] == STACK);
	assert_string_equal(g.log, "r10000+8 ");
	/* Only 16 bits of it. */
	poke(DEVICE, 0x12345678, 4);
	g.stack_size = 4;
	assert_int_equal(run_on_stack(MODE_32, STACK, "66 ff 17"), EMU_JUMPED);
	assert_true(g.emu.target == 0x5678 && g.gpr[GPR_RSP] == STACK - 2);
	assert_true(peek(STACK - 2, 2) == 0x1003);
}

/* A fault on either side changes nothing, and a stack without memory is found out first. */
static void test_stack_faults(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	poke(DEVICE, RAM_SIZE, 8);
	assert_int_equal(run_on_stack(MODE_64, STACK, "ff 17"), EMU_FAULT);
	assert_int_equal(g.emu.fault.vector, VEC_GP);
	assert_true(g.gpr[GPR_RSP] == STACK);
	assert_int_equal(run_on_stack(MODE_64, STACK, "ff 27"), EMU_FAULT);
	assert_int_equal(g.emu.fault.vector, VEC_GP);
	assert_int_equal(run_on_stack(MODE_64, READ_ONLY + 8, "ff 37"), EMU_FAULT);
	assert_int_equal(g.emu.fault.vector, VEC_PF);
	assert_true(g.emu.fault.cr2 == READ_ONLY && g.gpr[GPR_RSP] == READ_ONLY + 8);
	assert_string_equal(g.log, "");
	assert_int_equal(run_on_stack(MODE_64, READ_ONLY + 8, "ff 17"), EMU_FAULT);
	assert_string_equal(g.log, "");
	assert_int_equal(run_on_stack(MODE_64, UNMAPPED, "8f 07"), EMU_FAULT);
	assert_true(g.emu.fault.cr2 == UNMAPPED && g.gpr[GPR_RSP] == UNMAPPED);
	RDI_AT(READ_ONLY);
	assert_int_equal(run_on_stack(MODE_64, DEVICE, "8f 07"), EMU_FAULT);
	assert_true(g.emu.fault.cr2 == READ_ONLY && g.gpr[GPR_RSP] == DEVICE);
	assert_string_equal(g.log, "");
}

static void test_counts_and_sums(void **state)
{
	(void)state;
	RDI_AT(DEVICE);
	poke(DEVICE, 0x00400000, 4);
	assert_int_equal(run("f3 0f bc 07"), EMU_DONE); /* tzcnt (%rdi), %eax */
	assert_true(g.gpr[GPR_RAX] == 22 && !(g.rflags & (FLAG_CF | FLAG_ZF)));
	assert_int_equal(run("f3 0f bd 07"), EMU_DONE); /* lzcnt */
	assert_true(g.gpr[GPR_RAX] == 9 && !(g.rflags & (FLAG_CF | FLAG_ZF)));
	assert_int_equal(run("66 f3 0f bd 07"), EMU_DONE); /* of no bit: 16, and CF */
	assert_true((u16)g.gpr[GPR_RAX] == 16 && (g.rflags & (FLAG_CF | FLAG_ZF)) == FLAG_CF);
	poke(DEVICE, 1, 4);
	assert_int_equal(run("f3 0f bc 07"), EMU_DONE);
	assert_true(!g.gpr[GPR_RAX] && (g.rflags & (FLAG_CF | FLAG_ZF)) == FLAG_ZF);
	/* RFC 3720: 32 bytes of zero have 0x8a9136aa, from ~0 and complemented. */
	poke(DEVICE, 0, 8);
	g.gpr[GPR_RAX] = 0xffffffff;
	for (int i = 0; i < 4; i++)
		assert_int_equal(run("f2 48 0f 38 f1 07"), EMU_DONE);
	assert_true(g.gpr[GPR_RAX] == (u32)~0x8a9136aa);
	g.gpr[GPR_RAX] = 0xabcdef01ffffffff;
	for (int i = 0; i < 32; i++)
		assert_int_equal(run("f2 0f 38 f0 07"), EMU_DONE);
	assert_true(g.gpr[GPR_RAX] == (u32)~0x8a9136aa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_load_widths, setup),
		cmocka_unit_test_setup(test_store_widths, setup),
		cmocka_unit_test_setup(test_read_modify_write, setup),
		cmocka_unit_test_setup(test_compare_does_not_write, setup),
		cmocka_unit_test_setup(test_page_crossing, setup),
		cmocka_unit_test_setup(test_fault_on_second_page, setup),
		cmocka_unit_test_setup(test_exchanges, setup),
		cmocka_unit_test_setup(test_cmpxchg_pair, setup),
		cmocka_unit_test_setup(test_bit_offset_in_register, setup),
		cmocka_unit_test_setup(test_addresses, setup),
		cmocka_unit_test_setup(test_rep_stos, setup),
		cmocka_unit_test_setup(test_rep_address_size, setup),
		cmocka_unit_test_setup(test_rep_movs, setup),
		cmocka_unit_test_setup(test_rep_limit, setup),
		cmocka_unit_test_setup(test_rep_fault, setup),
		cmocka_unit_test_setup(test_rep_compare, setup),
		cmocka_unit_test_setup(test_xmm, setup),
		cmocka_unit_test_setup(test_cache_line_flush, setup),
		cmocka_unit_test_setup(test_accesses_are_told, setup),
		cmocka_unit_test_setup(test_shifts, setup),
		cmocka_unit_test_setup(test_multiply_and_divide, setup),
		cmocka_unit_test_setup(test_conditions, setup),
		cmocka_unit_test_setup(test_bits, setup),
		cmocka_unit_test_setup(test_xmm_halves, setup),
		cmocka_unit_test_setup(test_stops_do_not_show, setup),
		cmocka_unit_test_setup(test_push, setup),
		cmocka_unit_test_setup(test_pop, setup),
		cmocka_unit_test_setup(test_call_and_jump, setup),
		cmocka_unit_test_setup(test_stack_faults, setup),
		cmocka_unit_test_setup(test_counts_and_sums, setup),
	};

	return cmocka_run_group_tests_name("emulate", tests, NULL, NULL);
}
