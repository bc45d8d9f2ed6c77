// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several VMCSs: two in turn, one parked and taken up again, one moved to
 * another CPU, and an L2 on each CPU at once.
 * SDM: "Software Use of Virtual-Machine Control Structures".
 */
#include "vmx.h"

static void l2_a(void)
{
	for (u64 i = 0;; i++)
		l2_vmcall(0xa000 + i);
}

static void l2_b(void)
{
	for (u64 i = 0;; i++)
		l2_vmcall(0xb000 + i);
}

static void in_turn(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_a);
	void *a = vmx->vmcs, *b;
	u64 regs[2][NR_GPRS] = { { 0 } };

	b = l1_new_vmcs(vmx);
	l1_fill_vmcs(vmx, l2_b);
	for (u64 i = 0; i < 20; i++) {
		for (int which = 0; which < 2; which++) {
			EXPECT_OUTCOME(vmptrld((u64)(which ? b : a)), VM_OK);
			memcpy(vmx->regs, regs[which], sizeof(vmx->regs));
			vmx->launched = i > 0;
			EXPECT_EXIT(EXIT_VMCALL);
			GUEST_EXPECT(vmx->regs[GPR_RAX], (which ? 0xb000 : 0xa000) + i);
			l1_skip_insn();
			memcpy(regs[which], vmx->regs, sizeof(vmx->regs));
		}
	}
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP) >= (u64)l2_b, 1);
}

/* VMCLEAR writes everything to memory; a copy of the page is another VMCS. */
static void cleared_and_again(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_a);
	u64 rsp;

	EXPECT_EXIT(EXIT_VMCALL);
	l1_skip_insn();
	rsp = l1_vmread(VMCS_GUEST_RSP);
	EXPECT_OUTCOME(vmclear((u64)vmx->vmcs), VM_OK);
	EXPECT_OUTCOME(vmptrld((u64)vmx->vmcs), VM_OK);
	vmx->launched = false;
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_RSP), rsp);
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(vmx->regs[GPR_RAX], 0xa001);
}

static void reload_same(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_a);

	for (u64 i = 0; i < 10; i++) {
		EXPECT_OUTCOME(vmptrld((u64)vmx->vmcs), VM_OK);
		EXPECT_EXIT(EXIT_VMCALL);
		GUEST_EXPECT(vmx->regs[GPR_RAX], 0xa000 + i);
		l1_skip_insn();
	}
}

/* --- more CPUs ---------------------------------------------------------------- */

static volatile u64 done[MAX_CPUS];

static void l2_counts(void)
{
	for (u64 i = 1; i <= 300; i++)
		l2_vmcall(i);
	for (;;)
		l2_vmcall(0);
}

/* Each CPU builds its own L2; the page pool is not locked, so one by one. */
static void prepare_only(void *arg)
{
	l1_prepare(l2_counts);
}

static void run_only(void *arg)
{
	struct l1_vmx *vmx = l1_vmx();

	for (u64 i = 1; i <= 300; i++) {
		EXPECT_EXIT(EXIT_VMCALL);
		GUEST_EXPECT(vmx->regs[GPR_RAX], i);
		l1_skip_insn();
		done[this_cpu()->index] = i;
	}
	l1_vmxoff();
}

static void on_each_cpu(void)
{
	unsigned int cpus = cpus_start(2);

	if (!vmx_offered())
		claim_skip("no VMX");
	if (cpus < 2)
		claim_skip("one CPU only");
	prepare_only(NULL);
	cpu_run(1, prepare_only, NULL);
	cpu_wait(1);
	cpu_run(1, run_only, NULL);
	run_only(NULL);
	cpu_wait(1);
	GUEST_EXPECT(done[0], 300);
	GUEST_EXPECT(done[1], 300);
}

static void take_over(void *arg)
{
	struct l1_vmx *vmx = l1_vmxon();

	EXPECT_OUTCOME(vmptrld((u64)arg), VM_OK);
	l1_vmwrite(VMCS_HOST_TR_SEL, SEL_TSS(this_cpu()->index));
	l1_vmwrite(VMCS_HOST_TR_BASE, (u64)this_cpu()->tss);
	vmx->launched = false;
	vmx->regs[GPR_RAX] = 0;
	vmx->regs[GPR_RBX] = 0;
	EXPECT_EXIT(EXIT_VMCALL);
	EXPECT_OUTCOME(vmclear((u64)arg), VM_OK);
	l1_vmxoff();
}

static void l2_same(void)
{
	for (;;)
		asm volatile("mov $0x77, %%eax; vmcall" : : : "rax");
}

/* A VMCS that one CPU cleared runs on another. */
static void migrates(void)
{
	struct l1_vmx *vmx;
	void *vmcs;

	if (!vmx_offered())
		claim_skip("no VMX");
	if (cpus_start(2) < 2)
		claim_skip("one CPU only");
	vmx = l1_prepare(l2_same);
	vmcs = vmx->vmcs;
	for (int i = 0; i < 5; i++) {
		EXPECT_EXIT(EXIT_VMCALL);
		EXPECT_OUTCOME(vmclear((u64)vmcs), VM_OK);
		cpu_run(1, take_over, vmcs);
		cpu_wait(1);
		EXPECT_OUTCOME(vmptrld((u64)vmcs), VM_OK);
		l1_vmwrite(VMCS_HOST_TR_SEL, SEL_TSS(0));
		l1_vmwrite(VMCS_HOST_TR_BASE, (u64)this_cpu()->tss);
		vmx->launched = false;
	}
}

CLAIMS = { { in_turn, "two VMCSs in turn, twenty times" },
	   { cleared_and_again, "VMCLEAR, VMPTRLD, VMLAUNCH go on where L2 was" },
	   { reload_same, "VMPTRLD of the current VMCS before each entry" },
	   { on_each_cpu, "an L2 on each of two CPUs at once" },
	   { migrates, "a VMCS goes to the other CPU and back" },
	   END_OF_CLAIMS };
