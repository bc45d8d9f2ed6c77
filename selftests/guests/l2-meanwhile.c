// SPDX-License-Identifier: GPL-2.0-only
/*
 * To port 0x80 whoever is under L1 may take its state and set it again, or begin and
 * end to watch it (mini): what L1 wrote into its VMCS, with an exit or without,
 * must be there afterwards, and what L2 left too.
 */
#include "vmx.h"

#define ROUNDS 4 /* a watch begins and ends */

static void meanwhile(void)
{
	outb(0x80, 0);
}

static void l2_end(void)
{
	l2_vmcall(0x600d);
}

static void l2_other_end(void)
{
	l2_vmcall(0x600e);
}

static void l2_meanwhile(void)
{
	for (u64 i = 0;; i++) {
		meanwhile();
		l2_vmcall(i);
	}
}

/* GUEST_RIP takes no exit where there is VMCS shadowing, TSC_OFFSET does. */
static void fields_stay(void)
{
	l1_prepare(l2_end);
	for (u64 i = 1; i <= ROUNDS; i++) {
		l1_vmwrite(VMCS_GUEST_RIP, 0x1000 * i);
		l1_vmwrite(VMCS_TSC_OFFSET, 0x2000 * i);
		meanwhile();
		GUEST_EXPECT(l1_vmread(VMCS_GUEST_RIP), 0x1000 * i);
		GUEST_EXPECT(l1_vmread(VMCS_TSC_OFFSET), 0x2000 * i);
	}
}

static void entry_uses_them(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_end);

	for (u64 i = 0; i < ROUNDS; i++) {
		l1_restart_l2(i % 2 ? l2_end : l2_other_end);
		meanwhile();
		EXPECT_EXIT(EXIT_VMCALL);
		GUEST_EXPECT(vmx->regs[GPR_RAX], i % 2 ? 0x600d : 0x600e);
	}
}

static void exit_is_told(void)
{
	struct l1_vmx *vmx = l1_prepare(l2_meanwhile);

	for (u64 i = 0; i < ROUNDS; i++) {
		EXPECT_EXIT(EXIT_VMCALL);
		meanwhile();
		GUEST_EXPECT(vmx->regs[GPR_RAX], i);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_REASON), EXIT_VMCALL);
		GUEST_EXPECT(l1_vmread(VMCS_EXIT_INSN_LEN), 3);
		l1_skip_insn();
	}
}

CLAIMS = { { fields_stay, "what L1 wrote into its VMCS stays" },
	   { entry_uses_them, "the entry takes it" },
	   { exit_is_told, "an exit's information stays, and what L2 was doing" },
	   END_OF_CLAIMS };
