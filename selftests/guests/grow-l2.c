// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a turn of one L2 costs an L1 that has many of them: VMPTRLD, VM entry, some pages of
 * memory, exit. Each has a VMCS, an EPT and a VPID of its own. For scripts/bench --growth.
 */
#include "bench.h"
#include "vmx.h"

#define MOST 16
#define ROUNDS 40
#define PAGES 8
#define TOUCHED 0x2000000ULL

static void l2_turns(void)
{
	for (;;) {
		for (u64 i = 0; i < PAGES; i++)
			*(volatile u8 *)(TOUCHED + i * 4096) = 1;
		asm volatile("vmcall" : : "a"(0) : "memory");
	}
}

static void *vmcs[MOST];

/* The next one, and its first entry. */
static void make(u32 i)
{
	struct l1_vmx *vmx = i ? l1_vmx() : l1_prepare(l2_turns);

	if (i) {
		l1_need_ept(0);
		l1_ept_build(vmx);
		l1_new_vmcs(vmx);
		l1_fill_vmcs(vmx, l2_turns);
		l1_vmwrite(VMCS_VPID, i + 1);
	}
	vmcs[i] = vmx->vmcs;
	EXPECT_EXIT(EXIT_VMCALL);
	l1_skip_insn();
}

static void turn(u32 i)
{
	vmptrld((u64)vmcs[i]);
	vmresume(l1_vmx());
	vmwrite_fast(VMCS_GUEST_RIP, vmread_fast(VMCS_GUEST_RIP) + 3);
}

static void turns(const char *name, u32 l2s)
{
	static u32 made;
	u64 start;

	for (; made < l2s; made++)
		make(made);
	for (u32 i = 0; i < 2 * l2s; i++) /* the first turns are others */
		turn(i % l2s);
	start = bench_begin();
	for (u32 i = 0; i < ROUNDS * l2s; i++)
		turn(i % l2s);
	bench_end(name, start, ROUNDS * l2s);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_REASON), EXIT_VMCALL);
}

static void one(void)
{
	turns("turns by L2s: 1", 1);
}

static void two(void)
{
	turns("turns by L2s: 2", 2);
}

static void four(void)
{
	turns("turns by L2s: 4", 4);
}

static void eight(void)
{
	turns("turns by L2s: 8", 8);
}

static void sixteen(void)
{
	turns("turns by L2s: 16", 16);
}

CLAIMS = { { one, "one L2" },	       { two, "two in turn" },	       { four, "four in turn" },
	   { eight, "eight in turn" }, { sixteen, "sixteen in turn" }, END_OF_CLAIMS };
