// SPDX-License-Identifier: GPL-2.0-only
/*
 * An L1 gone mad: while L2 runs and L1 enters it again and again, a second CPU
 * writes random bytes over vmcs12, bitmaps, EPT and MSR lists. Whatever comes
 * of it, L0 goes on, and a proper L2 enters afterwards.
 * SDM: "Software Access to Related Structures" forbids it; hence no outcome is
 * expected but an end.
 */
#include "vmx.h"

#define ROUNDS 400

static struct {
	u8 *at;
	u32 size;
} targets[8];
static volatile u32 target_count, stop;
static u64 seed = 0x9e3779b97f4a7c15ULL;

static u64 random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void target(void *at, u32 size)
{
	targets[target_count].at = at;
	targets[target_count].size = size;
	__atomic_add_fetch(&target_count, 1, __ATOMIC_SEQ_CST);
}

/* Runs on the second CPU. */
static void scribble(void *arg)
{
	u64 s = 88172645463325252ULL;

	/* With IF clear a loop without exits may keep L0's interrupts away on Bochs. */
	irqs_on();
	while (!stop) {
		s ^= s << 13;
		s ^= s >> 7;
		s ^= s << 17;
		if (!target_count)
			continue;
		u32 i = (s >> 8) % target_count;
		u8 *byte = targets[i].at + (s >> 16) % targets[i].size;

		*(volatile u8 *)byte = s >> 48;
	}
	irqs_off();
}

static void l2_busy(void)
{
	for (;;) {
		cpuid(0);
		rdmsr(MSR_PAT);
		inb(0x80);
		*(volatile u64 *)0x3e000000 = 1;
		l2_vmcall(1);
	}
}

static void l2_end(void)
{
	l2_vmcall(0x600d);
}

/* Entries whatever they answer; a preemption timer gets L1 back. */
static void enter_often(struct l1_vmx *vmx, u32 rounds)
{
	for (u32 i = 0; i < rounds; i++) {
		u64 how = vmx->launched ? vmresume(vmx) : vmlaunch(vmx);

		if (how < VM_OK && !(how & EXIT_ENTRY_FAILED))
			vmx->launched = true;
		if (how >= VM_OK || i % 8 == 7) {
			vmclear((u64)vmx->vmcs);
			*((u32 *)vmx->vmcs + 1) = 0;
			/* The revision may be scribbled over before it is read. */
			do
				*(volatile u32 *)vmx->vmcs = vmx->caps.basic & BASIC_REVISION;
			while (vmptrld((u64)vmx->vmcs) != VM_OK);
			vmx->launched = false;
		}
		/* L1's own way back must stay right, else it is L1 that dies. */
		l1_fill_vmcs(vmx, l2_busy);
		vmwrite(VMCS_EXCEPTION_BITMAP, ~0u);
		vmwrite(VMCS_PIN_CTLS,
			ctl_adjust(vmx->caps.pin,
				   PIN_PREEMPT_TIMER | PIN_EXT_INT_EXITING | PIN_NMI_EXITING));
		vmwrite(VMCS_GUEST_PREEMPT_TIMER, 20000);
		vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	}
}

static struct l1_vmx *start(void)
{
	struct l1_vmx *vmx;

	if (!vmx_offered())
		claim_skip("no VMX");
	if (cpus_start(2) < 2)
		claim_skip("one CPU only");
	vmx = l1_prepare(l2_busy);
	l1_need_pin(PIN_PREEMPT_TIMER);
	target_count = stop = 0;
	cpu_run(1, scribble, NULL);
	return vmx;
}

static void finish(void)
{
	stop = 1;
	cpu_wait(1);
	l1_prepare(l2_end);
	EXPECT_EXIT(EXIT_VMCALL);
}

static void bitmaps(void)
{
	struct l1_vmx *vmx = start();

	target(vmx->msr_bitmap, 4096);
	target(vmx->io_bitmaps, 8192);
	l1_set(VMCS_PROC_CTLS, PROC_IO_BITMAPS);
	enter_often(vmx, ROUNDS);
	finish();
}

/* Leaf tables of memory that only L2's one access uses. */
static void ept_leaves(void)
{
	struct l1_vmx *vmx = start();

	l1_need_ept(0);
	target((u8 *)((u64)l1_ept_entry(vmx, 0x3e000000) & ~4095ULL), 4096);
	enter_often(vmx, ROUNDS);
	finish();
}

static void msr_lists(void)
{
	struct l1_vmx *vmx = start();
	u8 *list = page_alloc();

	target(list, 4096);
	for (u32 i = 0; i < ROUNDS; i++) {
		vmwrite(VMCS_ENTRY_MSR_LOAD_ADDR, (u64)list);
		vmwrite(VMCS_ENTRY_MSR_LOAD_COUNT, random() % 64);
		vmwrite(VMCS_EXIT_MSR_STORE_ADDR, (u64)list);
		enter_often(vmx, 1);
	}
	finish();
}

/* All of EPT: L2 may die of it, L1 not. */
static void ept_tables(void)
{
	struct l1_vmx *vmx = start();

	l1_need_ept(0);
	target(vmx->ept_pml4, 6 * 4096);
	for (u32 i = 0; i < ROUNDS / 8; i++) {
		struct inv_desc d = { 0, 0 };

		enter_often(vmx, 8);
		invept(INVEPT_ALL, &d);
	}
	finish();
}

/* vmcs12 itself, in memory, while it is current. */
static void current_vmcs(void)
{
	struct l1_vmx *vmx = start();

	target(vmx->vmcs, 4096);
	enter_often(vmx, ROUNDS);
	finish();
}

CLAIMS = { { bitmaps, "random MSR and I/O bitmaps" },
	   { ept_leaves, "random EPT entries of pages" },
	   { msr_lists, "random MSR lists" },
	   { ept_tables, "random EPT tables of all levels" },
	   { current_vmcs, "random bytes over the current VMCS" },
	   END_OF_CLAIMS };
