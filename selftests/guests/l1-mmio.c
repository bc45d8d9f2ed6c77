// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions of many forms on memory that is not memory: the IOAPIC, whose
 * select register reads back what was written, and the local APIC.
 * SDM: "Memory Operands"; volume 2 for each instruction.
 */
#include "irqchip.h"

static volatile u32 *const select = (volatile u32 *)(u64)IOAPIC_PAGE;
static volatile u32 *const tpr = (volatile u32 *)(u64)(APIC_PAGE + APIC_TPR);

static void start(void)
{
	apic_enable();
	*select = 0;
}

static void mov_register(void)
{
	u64 v = ~0ULL;

	start();
	asm volatile("movl %1, (%0)" : : "r"(select), "r"(0x11) : "memory");
	asm volatile("movl (%1), %k0" : "+r"(v) : "r"(select) : "memory");
	GUEST_EXPECT(v, 0x11);
}

static void mov_high_registers(void)
{
	u32 v;

	start();
	asm volatile("mov %1, %%r13; mov $0x12, %%r15d; movl %%r15d, (%%r13);"
		     "xor %%r9d, %%r9d; movl (%%r13), %%r9d; mov %%r9d, %0"
		     : "=r"(v)
		     : "r"(select)
		     : "r9", "r13", "r15", "memory");
	GUEST_EXPECT(v, 0x12);
}

static void mov_accumulator(void)
{
	u64 v = ~0ULL;

	start();
	asm volatile("mov $0x13, %%eax; movabs %%eax, 0xfec00000; xor %%eax, %%eax;"
		     "movabs 0xfec00000, %%eax"
		     : "+a"(v)
		     :
		     : "memory");
	GUEST_EXPECT(v, 0x13);
}

static void mov_immediate(void)
{
	start();
	asm volatile("movl $0x14, (%0)" : : "r"(select) : "memory");
	GUEST_EXPECT(*select, 0x14);
}

/* base + index * scale + displacement, RIP-relative and 32-bit addresses */
static void addressing(void)
{
	u32 v;

	start();
	asm volatile("movl $0x15, 0x10(%0, %1, 4)"
		     :
		     : "r"((u64)IOAPIC_PAGE - 0x90), "r"(0x20ULL)
		     : "memory");
	GUEST_EXPECT(*select, 0x15);
	asm volatile("movl $0x16, (%k0)" : : "r"((u64)select | 0x1234ULL << 32) : "memory");
	GUEST_EXPECT(*select, 0x16);
	asm volatile("movl -0x7ffffff0(%1), %0"
		     : "=r"(v)
		     : "r"((u64)select + 0x7ffffff0)
		     : "memory");
	GUEST_EXPECT(v, 0x16);
	asm volatile("push %%rbp; mov %1, %%rbp; movl 0(%%rbp), %0; pop %%rbp"
		     : "=a"(v)
		     : "c"(select)
		     : "memory");
	GUEST_EXPECT(v, 0x16);
}

static void segment_base(void)
{
	u32 v;

	start();
	*select = 0x17;
	wrmsr(MSR_FS_BASE, IOAPIC_PAGE - 0x100);
	asm volatile("movl %%fs:0x100, %0" : "=r"(v) : : "memory");
	wrmsr(MSR_FS_BASE, 0);
	GUEST_EXPECT(v, 0x17);
}

static void extend(void)
{
	u64 v = ~0ULL;

	start();
	*select = 0x9a;
	asm volatile("movzbl (%1), %k0" : "=r"(v) : "r"(select) : "memory");
	GUEST_EXPECT(v, 0x9a);
	asm volatile("movsbl (%1), %k0" : "=r"(v) : "r"(select) : "memory");
	GUEST_EXPECT(v, 0xffffff9a);
	asm volatile("movsbq (%1), %0" : "=r"(v) : "r"(select) : "memory");
	GUEST_EXPECT(v, 0xffffffffffffff9aULL);
	asm volatile("movslq (%1), %0" : "=r"(v) : "r"(select) : "memory");
	GUEST_EXPECT(v, 0x9a);
	v = ~0ULL;
	asm volatile("movb (%1), %b0" : "+r"(v) : "r"(select) : "memory");
	GUEST_EXPECT(v, 0xffffffffffffff9aULL);
	v = 0;
	asm volatile("movb (%1), %%ah" : "+a"(v) : "r"(select) : "memory");
	GUEST_EXPECT(v, 0x9a00);
}

static void test_and_compare(void)
{
	bool zero, below;

	start();
	*tpr = 0x30;
	asm volatile("testl $0x10, (%1)" : "=@ccz"(zero) : "r"(tpr) : "memory");
	GUEST_EXPECT(zero, 0);
	asm volatile("testl $0x40, (%1)" : "=@ccz"(zero) : "r"(tpr) : "memory");
	GUEST_EXPECT(zero, 1);
	asm volatile("cmpl $0x30, (%1)" : "=@ccz"(zero) : "r"(tpr) : "memory");
	GUEST_EXPECT(zero, 1);
	asm volatile("cmpl %2, (%1)" : "=@ccb"(below) : "r"(tpr), "r"(0x31) : "memory");
	GUEST_EXPECT(below, 1);
	asm volatile("cmp (%1), %2" : "=@ccb"(below) : "r"(tpr), "r"(0x31) : "memory");
	GUEST_EXPECT(below, 0);
	asm volatile("btl $4, (%1)" : "=@ccc"(below) : "r"(tpr) : "memory");
	GUEST_EXPECT(below, 1);
	*tpr = 0;
}

static void modify(void)
{
	bool flag;

	start();
	*tpr = 0x30;
	asm volatile("orl $0x40, (%0)" : : "r"(tpr) : "memory", "cc");
	GUEST_EXPECT(*tpr, 0x70);
	asm volatile("andl $0x60, (%0)" : : "r"(tpr) : "memory", "cc");
	GUEST_EXPECT(*tpr, 0x60);
	asm volatile("xorl %1, (%0)" : : "r"(tpr), "r"(0x50) : "memory", "cc");
	GUEST_EXPECT(*tpr, 0x30);
	asm volatile("addl $0x10, (%0)" : : "r"(tpr) : "memory", "cc");
	GUEST_EXPECT(*tpr, 0x40);
	asm volatile("subl $0x40, (%1)" : "=@ccz"(flag) : "r"(tpr) : "memory");
	GUEST_EXPECT(*tpr, 0);
	GUEST_EXPECT(flag, 1);
	asm volatile("incl (%0)" : : "r"(tpr) : "memory", "cc");
	GUEST_EXPECT(*tpr, 1);
	asm volatile("decl (%0)" : : "r"(tpr) : "memory", "cc");
	GUEST_EXPECT(*tpr, 0);
}

static void load_and_operate(void)
{
	u32 v = 0x0f;

	start();
	*tpr = 0x30;
	asm volatile("orl (%1), %0" : "+r"(v) : "r"(tpr) : "memory", "cc");
	GUEST_EXPECT(v, 0x3f);
	asm volatile("andl (%1), %0" : "+r"(v) : "r"(tpr) : "memory", "cc");
	GUEST_EXPECT(v, 0x30);
	asm volatile("subl (%1), %0" : "+r"(v) : "r"(tpr) : "memory", "cc");
	GUEST_EXPECT(v, 0);
	*tpr = 0;
}

static void shift(void)
{
	bool carry;

	start();
	*tpr = 0x30;
	asm volatile("shll $1, (%0)" : : "r"(tpr) : "memory", "cc");
	GUEST_EXPECT(*tpr, 0x60);
	asm volatile("shrl %%cl, (%0)" : : "r"(tpr), "c"(5) : "memory", "cc");
	GUEST_EXPECT(*tpr, 3);
	asm volatile("sarl $1, (%1)" : "=@ccc"(carry) : "r"(tpr) : "memory");
	GUEST_EXPECT(*tpr, 1);
	GUEST_ASSERT(carry);
	asm volatile("roll $4, (%0)" : : "r"(tpr) : "memory", "cc");
	GUEST_EXPECT(*tpr, 0x10);
	asm volatile("shldl $4, %1, (%0)" : : "r"(tpr), "r"(0) : "memory", "cc");
	GUEST_EXPECT(*tpr, 0);
}

static void conditions(void)
{
	u64 v = ~0ULL;

	start();
	*select = 0x15;
	asm volatile("xor %%eax, %%eax; cmovnzl (%1), %k0" : "+r"(v) : "r"(select) : "rax", "cc");
	GUEST_EXPECT(v, 0xffffffff);
	asm volatile("xor %%eax, %%eax; cmovzl (%1), %k0" : "+r"(v) : "r"(select) : "rax", "cc");
	GUEST_EXPECT(v, 0x15);
}

static void multiply_and_divide(void)
{
	u32 v = 3, high = 0;

	start();
	*select = 5;
	asm volatile("imull (%1), %0" : "+r"(v) : "r"(select) : "cc");
	GUEST_EXPECT(v, 15);
	asm volatile("imull $7, (%1), %0" : "=r"(v) : "r"(select) : "cc");
	GUEST_EXPECT(v, 35);
	v = 17;
	asm volatile("divl (%2)" : "+a"(v), "+d"(high) : "r"(select) : "cc");
	GUEST_EXPECT(v, 3);
	GUEST_EXPECT(high, 2);
	v = 4;
	asm volatile("mull (%2)" : "+a"(v), "=d"(high) : "r"(select) : "cc");
	GUEST_EXPECT(v, 20);
	*select = 0;
	GUEST_EXPECT(TRY("divl (%0)", : : "r"(select), "a"(1), "d"(0) : "cc"), VEC_DE);
}

static void bits(void)
{
	u32 v = 0;

	start();
	*select = 0x14;
	asm volatile("bsfl (%1), %0" : "+r"(v) : "r"(select) : "cc");
	GUEST_EXPECT(v, 2);
	asm volatile("bsrl (%1), %0" : "+r"(v) : "r"(select) : "cc");
	GUEST_EXPECT(v, 4);
}

static void zeros_and_sums(void)
{
	u32 v = ~0u;
	bool none;

	if (!(cpuid_count(7, 0).ebx & BIT(3)) || !(cpuid(0x80000001).ecx & BIT(5)))
		claim_skip("no TZCNT or LZCNT");
	start();
	*select = 0x14;
	asm volatile("tzcntl (%2), %0" : "+r"(v), "=@ccc"(none) : "r"(select));
	GUEST_EXPECT(v, 2);
	GUEST_ASSERT(!none);
	asm volatile("lzcntl (%2), %0" : "+r"(v), "=@ccc"(none) : "r"(select));
	GUEST_EXPECT(v, 27);
	*select = 0;
	asm volatile("tzcntl (%2), %0" : "+r"(v), "=@ccc"(none) : "r"(select));
	GUEST_EXPECT(v, 32);
	GUEST_ASSERT(none);
	v = ~0u;
	asm volatile("crc32l (%1), %0" : "+r"(v) : "r"(select));
	GUEST_EXPECT(v, 0xb798b438);
}

/* 16 bits: the IOAPIC has none of 64. */
static void push(void)
{
	u16 v = 0;

	start();
	*select = 0x15;
	asm volatile("pushw (%1); popw %0" : "=r"(v) : "r"(select) : "memory");
	GUEST_EXPECT(v, 0x15);
}

/* Four bytes: the IOAPIC has no wider registers. */
static void xmm(void)
{
	u64 v = 0;

	start();
	*select = 0x16;
	asm volatile("movd (%1), %%xmm3; movq %%xmm3, %0" : "=r"(v) : "r"(select));
	GUEST_EXPECT(v, 0x16);
	asm volatile("movd %1, %%xmm3; movd %%xmm3, (%0)" : : "r"(select), "r"(0x17) : "memory");
	GUEST_EXPECT(*select, 0x17);
}

static void exchange(void)
{
	u32 v = 0x50;

	start();
	*tpr = 0x30;
	asm volatile("xchgl %0, (%1)" : "+r"(v) : "r"(tpr) : "memory");
	GUEST_EXPECT(v, 0x30);
	GUEST_EXPECT(*tpr, 0x50);
	*tpr = 0;
}

static void store_string(void)
{
	volatile u32 *to = select;
	u64 rdi = (u64)to;

	start();
	asm volatile("stosl" : "+D"(rdi) : "a"(0x18) : "memory");
	GUEST_EXPECT(*select, 0x18);
	GUEST_EXPECT(rdi, (u64)select + 4);
}

static void move_string(void)
{
	u32 from = 0x19, to = 0;
	u64 rsi = (u64)&from, rdi = (u64)select;

	start();
	asm volatile("movsl" : "+S"(rsi), "+D"(rdi) : : "memory");
	GUEST_EXPECT(*select, 0x19);
	GUEST_EXPECT(rsi, (u64)&from + 4);
	rsi = (u64)select;
	rdi = (u64)&to;
	asm volatile("movsl" : "+S"(rsi), "+D"(rdi) : : "memory");
	GUEST_EXPECT(to, 0x19);
	GUEST_EXPECT(rdi, (u64)&to + 4);
}

static u64 user_mmio(u64 address)
{
	return *(volatile u32 *)address;
}

static void at_cpl3(void)
{
	start();
	*select = 0x1b;
	GUEST_EXPECT(user_call(user_mmio, IOAPIC_PAGE), 0x1b);
}

static void remapped(void)
{
	u64 va = 0x3fc00000, *entry = page_entry(va);

	start();
	*entry = IOAPIC_PAGE | 0x1b;
	invlpg(va);
	*(volatile u32 *)va = 0x1c;
	GUEST_EXPECT(*(volatile u32 *)va, 0x1c);
	GUEST_EXPECT(*select, 0x1c);
	*entry = va | 7;
	invlpg(va);
}

/* An instruction whose bytes lie on two pages that are not neighbours. */
static void split_instruction(void)
{
	/* mov %eax, (%rdi); ret */
	static const u8 code[] = { 0x89, 0x07, 0xc3 };
	u64 va = 0x3fb00000, *first = page_entry(va), *second = page_entry(va + 4096);
	u8 *a = page_alloc(), *b = page_alloc();

	start();
	*first = (u64)a | 3;
	*second = (u64)b | 3;
	invlpg(va);
	invlpg(va + 4096);
	a[4095] = code[0];
	b[0] = code[1];
	b[1] = code[2];
	asm volatile("call *%2" : : "a"(0x1d), "D"(select), "r"(va + 4095) : "memory");
	GUEST_EXPECT(*select, 0x1d);
	*first = va | 7;
	*second = (va + 4096) | 7;
	invlpg(va);
	invlpg(va + 4096);
}

CLAIMS = { { mov_register, "MOV between a register and a device" },
	   { mov_high_registers, "MOV with R8 to R15" },
	   { mov_accumulator, "MOV with a 64-bit absolute address" },
	   { mov_immediate, "MOV of an immediate" },
	   { addressing, "base, index, scale, displacement and 32-bit addresses" },
	   { segment_base, "FS's base counts" },
	   { extend, "MOVZX, MOVSX, MOVSXD and single bytes, AH too" },
	   { test_and_compare, "TEST, CMP and BT set the flags" },
	   { modify, "OR, AND, XOR, ADD, SUB, INC, DEC on a device" },
	   { load_and_operate, "OR, AND, SUB from a device" },
	   { shift, "shifts and rotations of a device" },
	   { conditions, "CMOVcc" },
	   { multiply_and_divide, "IMUL, MUL and DIV by a device, #DE too" },
	   { bits, "BSF and BSR" },
	   { zeros_and_sums, "TZCNT, LZCNT, CRC32" },
	   { push, "PUSH" },
	   { xmm, "MOVD between an XMM register and a device" },
	   { exchange, "XCHG" },
	   { store_string, "STOS moves RDI" },
	   { move_string, "MOVS to and from a device" },
	   { at_cpl3, "a device that is mapped for CPL 3" },
	   { remapped, "a device at another linear address" },
	   { split_instruction, "an instruction across two unrelated pages" },
	   END_OF_CLAIMS };
