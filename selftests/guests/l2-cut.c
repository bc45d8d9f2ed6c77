// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software interrupts and exceptions whose delivery finds no stack at first: before each, the image
 * writes the stack's page to port 0x80 by RBX, and whoever listens may take the page away, save the
 * machine in the middle of the delivery, and give the page back. Each event comes once, after its
 * instruction, whether L1 injects it or L2 or L1 executes it.
 */
#include "vmx.h"

#define VECTOR 0x98
#define PAGE 4096

static u8 stack[2 * PAGE] __aligned(PAGE);
static volatile u32 seen;
static volatile u64 seen_rip;

static void on_event(struct trap_frame *frame)
{
	seen++;
	seen_rip = frame->rip;
}

static void mark(void *page)
{
	asm volatile("out %%al, $0x80" : : "a"(0), "b"(page));
}

static void l2_nops(void)
{
	asm volatile("nop; nop; nop; nop");
	l2_vmcall(0x600d);
}

/* The page that L2 pushes to. */
static void *l2_stack_page(void)
{
	return (void *)((l1_vmread(VMCS_GUEST_RSP) - 1) & -(u64)PAGE);
}

static void expect(u8 vector, u64 rip)
{
	seen = 0;
	on_trap(vector, on_event);
	mark(l2_stack_page());
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(seen, 1);
	GUEST_EXPECT(seen_rip, rip);
	on_trap(vector, NULL);
}

static void inject(u32 type, u8 vector, u32 length)
{
	l1_prepare(l2_nops);
	l1_vmwrite(VMCS_GUEST_RSP, (u64)stack + sizeof(stack));
	l1_vmwrite(VMCS_ENTRY_INTR_INFO, INTR_VALID | type | vector);
	l1_vmwrite(VMCS_ENTRY_INSN_LEN, length);
	expect(vector, (u64)l2_nops + length);
}

static void injected_interrupt(void)
{
	inject(INTR_TYPE_SOFT_INT, VECTOR, 2);
}

static void injected_exception(void)
{
	inject(INTR_TYPE_SOFT_EXC, VEC_BP, 2);
	inject(INTR_TYPE_SOFT_EXC, VEC_OF, 3);
}

static void injected_int1(void)
{
	inject(INTR_TYPE_PRIV_SW_EXC, VEC_DB, 2);
}

#define EXECUTES(name, insn)        \
	static void name(void)      \
	{                           \
		asm volatile(insn); \
		l2_vmcall(0x600d);  \
	}

EXECUTES(l2_int3, "int3")
EXECUTES(l2_int1, ".byte 0xf1")
EXECUTES(l2_int, "int $0x98")

static void executed(void (*l2)(void), u8 vector, u32 length)
{
	l1_prepare(l2);
	l1_vmwrite(VMCS_GUEST_RSP, (u64)stack + sizeof(stack));
	expect(vector, (u64)l2 + length);
}

static void executed_by_l2(void)
{
	executed(l2_int3, VEC_BP, 1);
	executed(l2_int1, VEC_DB, 1);
	executed(l2_int, VECTOR, 2);
}

/* On a stack that is used for nothing else. */
#define ON_STACK(insn)                                                                     \
	asm volatile("mov %%rsp, %%r12; mov %1, %%rsp; out %%al, $0x80; 1: " insn "; 2:\n" \
		     "mov %%r12, %%rsp; lea 2b(%%rip), %0"                                 \
		     : "=&r"(after)                                                        \
		     : "r"(stack + sizeof(stack)), "a"(0), "b"(stack + PAGE)               \
		     : "r12", "memory", "cc")

#define EXPECT_IN_L1(vector, insn)             \
	do {                                   \
		u64 after;                     \
                                               \
		seen = 0;                      \
		on_trap(vector, on_event);     \
		ON_STACK(insn);                \
		GUEST_EXPECT(seen, 1);         \
		GUEST_EXPECT(seen_rip, after); \
		on_trap(vector, NULL);         \
	} while (0)

static void executed_by_l1(void)
{
	EXPECT_IN_L1(VEC_BP, "int3");
	EXPECT_IN_L1(VEC_DB, ".byte 0xf1");
	EXPECT_IN_L1(VECTOR, "int $0x98");
}

CLAIMS = { { executed_by_l1, "INT3, INT1 and INTn of L1" },
	   { injected_interrupt, "a software interrupt that L1 injects" },
	   { injected_exception, "software exceptions that L1 injects" },
	   { injected_int1, "a privileged software exception that L1 injects" },
	   { executed_by_l2, "INT3, INT1 and INTn of L2" },
	   END_OF_CLAIMS };
