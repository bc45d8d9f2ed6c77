// SPDX-License-Identifier: GPL-2.0-only
/* What nesting costs a small L1, for each round trip. */
#include "bench.h"
#include "vmx.h"

#define ROUNDS 200
#define PAGES 256
#define TOUCHED 0x2000000ULL

static void l2_vmcalls(void)
{
	for (;;)
		asm volatile("vmcall" : : "a"(0) : "memory");
}

static void shadowed_read(void)
{
	u64 start;

	l1_prepare(l2_vmcalls);
	EXPECT_EXIT(EXIT_VMCALL);
	start = bench_begin();
	for (int i = 0; i < ROUNDS * 10; i++)
		vmread_fast(VMCS_GUEST_RIP);
	bench_end("L1: VMREAD of a shadowed field", start, ROUNDS * 10);
}

static void unshadowed_write(void)
{
	u64 start;

	l1_prepare(l2_vmcalls);
	EXPECT_EXIT(EXIT_VMCALL);
	start = bench_begin();
	for (int i = 0; i < ROUNDS; i++)
		vmwrite_fast(VMCS_HOST_RSP, i);
	bench_end("L1: VMWRITE of an unshadowed field", start, ROUNDS);
}

static void store_and_load(void)
{
	u64 start, v = 0;

	l1_prepare(l2_vmcalls);
	EXPECT_EXIT(EXIT_VMCALL);
	start = bench_begin();
	for (int i = 0; i < ROUNDS; i++)
		asm volatile("vmptrst %0; vmptrld %0" : "+m"(v) : : "cc");
	bench_end("L1: VMPTRST and VMPTRLD", start, ROUNDS);
}

static void two_in_turn(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_vmcalls);
	u64 start, v = 0, other, first = (u64)vmx->vmcs;

	EXPECT_EXIT(EXIT_VMCALL);
	other = (u64)l1_new_vmcs(vmx);
	l1_fill_vmcs(vmx, l2_vmcalls);
	EXPECT_EXIT(EXIT_VMCALL);
	start = bench_begin();
	for (int i = 0; i < ROUNDS; i++) {
		asm volatile("vmptrst %0" : "+m"(v) : : "cc");
		v = v == first ? other : first;
		asm volatile("vmptrld %0" : "+m"(v) : : "cc");
	}
	bench_end("L1: VMPTRST and VMPTRLD, two VMCSs in turn", start, ROUNDS);
}

/* @rsp: see vmresume_again(). */
static void reflect(const char *name, u64 *rsp)
{
	u64 start = 0;

	l1_prepare(l2_vmcalls);
	for (int i = 0; i < 3; i++) {
		EXPECT_EXIT(EXIT_VMCALL);
		l1_skip_insn();
	}
	for (int i = -1; i < ROUNDS; i++) { /* the first one writes HOST_RSP */
		if (!i)
			start = bench_begin();
		vmresume_again(l1_vmx(), rsp);
		vmwrite_fast(VMCS_GUEST_RIP, vmread_fast(VMCS_GUEST_RIP) + 3);
	}
	bench_end(name, start, ROUNDS);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_REASON), EXIT_VMCALL);
}

/* As KVM writes the field: when it changes. */
static void reflected(void)
{
	u64 rsp = 0;

	reflect("L2: VMCALL, reflected and resumed", &rsp);
}

static void reflected_rsp(void)
{
	reflect("L2: the same, and L1 writes HOST_RSP each time", NULL);
}

static void l2_touches(void)
{
	for (u64 i = 0; i < PAGES; i++)
		*(volatile u8 *)(TOUCHED + i * 4096) = 1;
	l2_vmcall(0);
}

static void touch(const char *name, bool small)
{
	struct l1_vmx *vmx;
	u64 start;

	for (u64 i = 0; i < PAGES; i++) /* L1's own first touch does not count */
		*(volatile u8 *)(TOUCHED + i * 4096) = 1;
	vmx = l1_prepare(l2_touches);
	l1_need_ept(0);
	for (u64 i = 0; small && i < PAGES; i++)
		(void)l1_ept_entry(vmx, TOUCHED + i * 4096);
	start = bench_begin();
	EXPECT_EXIT(EXIT_VMCALL);
	bench_end(name, start, PAGES);
}

static void touch_small(void)
{
	touch("L2: first touch, per 4 KiB page of EPT12", true);
}

static void touch_large(void)
{
	touch("L2: first touch, per 4 KiB of a 2 MiB page of EPT12", false);
}

static void launch_and_clear(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_vmcalls);
	u64 start;

	EXPECT_EXIT(EXIT_VMCALL);
	start = bench_begin();
	for (int i = 0; i < 50; i++) {
		vmclear((u64)vmx->vmcs);
		vmptrld((u64)vmx->vmcs);
		vmlaunch(vmx);
	}
	bench_end("L1: VMCLEAR, VMPTRLD, VMLAUNCH to an exit", start, 50);
}

/* What one write costs an L1 that does this for each entry. */
static void state_anew(void)
{
	u64 start = 0;

	l1_prepare(l2_vmcalls);
	for (int round = 0; round < ROUNDS; round++) {
		if (round == ROUNDS - 1)
			start = bench_begin();
		for (enum segreg seg = SEG_ES; seg <= SEG_GS; seg++) {
			vmwrite_fast(VMCS_SEG_LIMIT(seg), ~0u);
			vmwrite_fast(VMCS_SEG_BASE(seg), 0);
		}
		if (round == ROUNDS - 1)
			bench_end("L1: VMWRITE of state that it writes for each entry", start, 12);
		EXPECT_EXIT(EXIT_VMCALL);
		l1_skip_insn();
	}
}

CLAIMS = { { bench_nothing, "two marks with nothing in between" },
	   { shadowed_read, "VMREAD of a shadowed field" },
	   { unshadowed_write, "VMWRITE of an unshadowed field" },
	   { store_and_load, "VMPTRST and VMPTRLD" },
	   { two_in_turn, "VMPTRST and VMPTRLD, two VMCSs in turn" },
	   { reflected, "L2's VMCALL, reflected and resumed" },
	   { reflected_rsp, "the same, with a write of HOST_RSP" },
	   { touch_small, "L2's first touch of a page that L1 maps by 4 KiB" },
	   { touch_large, "L2's first touch, each 4 KiB of pages that L1 maps by 2 MiB" },
	   { state_anew, "VMWRITE of L2's state before each entry" },
	   { launch_and_clear, "VMCLEAR, VMPTRLD, VMLAUNCH, exit" },
	   END_OF_CLAIMS };
