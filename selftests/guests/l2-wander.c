// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1 accesses its VMCS in all its ways between L2's exits, and tells each moment by port 0x80,
 * at which the test `wander` takes the vCPU to another processor: what L2 left, what L1
 * wrote and what either reads must not depend on where that happens.
 */
#include "vmx.h"

#define ROUNDS 150

struct table {
	u16 limit;
	u64 base;
} __attribute__((packed));

static volatile u64 l2_limit; /* of IDTR, as L2 found it */

static void moment(void)
{
	outb(0x80, 0);
}

/* A GDTR's limit that is large enough and another in each round. */
static u64 gdt_limit(u64 round)
{
	return 0x100 + round;
}

static u64 idt_limit(u64 round)
{
	return 0xfff - round % 0x100;
}

static void l2_wander(void)
{
	struct table gdt, idt;

	for (u64 round = 0;; round++) {
		asm volatile("sgdt %0" : "=m"(gdt));
		gdt.limit = gdt_limit(round);
		asm volatile("lgdt %0" : : "m"(gdt));
		asm volatile("sidt %0" : "=m"(idt));
		l2_limit = idt.limit;
		l2_vmcall(round);
	}
}

/* Which of the moments a round has differs from round to round. */
static void moment_if(u64 round, u32 bit)
{
	if (round & BIT(bit))
		moment();
}

static void one_round(struct l1_vmx *vmx, u64 round)
{
	l1_vmwrite(VMCS_GUEST_IDTR_LIMIT, idt_limit(round));
	moment_if(round, 0);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(vmx->regs[GPR_RAX], round);
	moment_if(round, 1);
	GUEST_EXPECT(cpuid(0).eax >= 1, 1);
	/* No shadow VMCS has that field: it is fetched from where L2 ran. */
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_GDTR_LIMIT), gdt_limit(round));
	GUEST_EXPECT(l2_limit, idt_limit(round));
	moment_if(round, 2);
	l1_vmwrite(VMCS_TSC_OFFSET, 0x1000 * round);
	moment_if(round, 3);
	GUEST_EXPECT(l1_vmread(VMCS_TSC_OFFSET), 0x1000 * round);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_REASON), EXIT_VMCALL);
	l1_skip_insn();
}

static void wanders(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_wander);

	for (u64 round = 0; round < ROUNDS; round++)
		one_round(vmx, round);
}

CLAIMS = { { wanders, "a VMCS has what L1 and L2 left in it, wherever the vCPU went" },
	   END_OF_CLAIMS };
