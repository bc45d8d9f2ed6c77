// SPDX-License-Identifier: GPL-2.0-only
/*
 * The smallest nest: L1 enters L2, L2 comes back by VMCALL, and goes on.
 * SDM: "VMLAUNCH/VMRESUME", "VMCALL".
 */
#include "vmx.h"

static void l2_one_vmcall(void)
{
	l2_vmcall(0x1234);
}

static void one(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_one_vmcall);

	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(vmx->regs[GPR_RAX], 0x1234);
	GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), 3);
}

static void l2_counts(void)
{
	for (u64 i = 0; i < 100; i++)
		l2_vmcall(i);
}

static void hundred(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_counts);

	for (u64 i = 0; i < 100; i++) {
		EXPECT_EXIT(EXIT_VMCALL);
		GUEST_EXPECT(vmx->regs[GPR_RAX], i);
		l1_skip_insn();
	}
}

static void l2_registers(void)
{
	u64 sum;

	asm volatile("mov $1, %%rbx; mov $2, %%rbp; mov $3, %%rsi; mov $4, %%rdi;"
		     "mov $5, %%r8; mov $6, %%r9; mov $7, %%r10; mov $8, %%r11;"
		     "mov $9, %%r12; mov $10, %%r13; mov $11, %%r14; mov $12, %%r15;"
		     "mov $13, %%rcx; mov $14, %%rdx; mov $15, %%rax; vmcall;"
		     "add %%rbx, %%rax; add %%rbp, %%rax; add %%rsi, %%rax; add %%rdi, %%rax;"
		     "add %%r8, %%rax; add %%r9, %%rax; add %%r10, %%rax; add %%r11, %%rax;"
		     "add %%r12, %%rax; add %%r13, %%rax; add %%r14, %%rax; add %%r15, %%rax;"
		     "add %%rcx, %%rax; add %%rdx, %%rax"
		     : "=a"(sum)
		     :
		     : "rbx", "rcx", "rdx", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
		       "r13", "r14", "r15", "cc", "memory");
	l2_vmcall(sum);
}

static void registers(void)
{
	static const u8 want[NR_GPRS] = { 15, 13, 14, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
	struct l1_vmx *vmx = l1_prepare(l2_registers);

	EXPECT_EXIT(EXIT_VMCALL);
	for (int i = 0; i < NR_GPRS; i++) {
		if (i == GPR_RSP)
			continue;
		GUEST_EXPECT(vmx->regs[i], want[i]);
		vmx->regs[i] = 100 * i;
	}
	l1_skip_insn();
	EXPECT_EXIT(EXIT_VMCALL);
	GUEST_EXPECT(vmx->regs[GPR_RAX], 100 * (120 - GPR_RSP));
}

static void l2_prints(void)
{
	printf("# L2 speaks\n");
	GUEST_EXPECT(this_cpu()->is_l2, 1);
}

static void prints(void)
{
	l1_prepare(l2_prints);
	EXPECT_EXIT(EXIT_VMCALL);
}

static u64 state_before[6], state_after[6];

static void read_state(u64 *s)
{
	s[0] = read_cr0();
	s[1] = read_cr3();
	s[2] = read_cr4();
	s[3] = rdmsr(MSR_EFER);
	s[4] = rdmsr(MSR_PAT);
	s[5] = rdmsr(MSR_GS_BASE);
}

static void l2_changes_state(void)
{
	wrmsr(MSR_PAT, 0x0606060606060606);
	wrmsr(MSR_GS_BASE, 0x5555);
	write_cr4(read_cr4() ^ CR4_DE);
	write_cr0(read_cr0() | CR0_MP);
}

static void host_state(void)
{
	l1_prepare(l2_changes_state);
	read_state(state_before);
	EXPECT_EXIT(EXIT_VMCALL);
	read_state(state_after);
	for (unsigned int i = 0; i < ARRAY_SIZE(state_before); i++)
		GUEST_EXPECT(state_after[i], state_before[i]);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_GS_BASE), 0x5555);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_CR4), read_cr4() ^ CR4_DE);
	GUEST_EXPECT(l1_vmread(VMCS_GUEST_PAT), 0x0606060606060606);
}

CLAIMS = { { one, "L2's VMCALL exits to L1 with its register and length" },
	   { hundred, "L2 resumes after each of a hundred VMCALLs" },
	   { registers, "all general registers pass from L2 to L1 and back" },
	   { prints, "L2 reaches the console through L0" },
	   { host_state, "an exit loads L1's control registers and MSRs, and saves L2's" },
	   END_OF_CLAIMS };
