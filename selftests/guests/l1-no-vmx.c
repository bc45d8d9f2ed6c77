// SPDX-License-Identifier: GPL-2.0-only
/*
 * Without the VMX bit in CPUID there is no trace of VMX.
 * SDM: "Discovering Support for VMX", "Enabling and Entering VMX Operation".
 */
#include "vmx.h"

static void need_no_vmx(void)
{
	if (vmx_offered())
		claim_skip("VMX is offered");
}

static void cr4_vmxe(void)
{
	need_no_vmx();
	GUEST_EXPECT(TRY("mov %0, %%cr4", : : "r"(read_cr4() | CR4_VMXE)), VEC_GP);
}

static void msrs(void)
{
	u64 v;

	need_no_vmx();
	for (u32 i = VMX_MSR_BASIC; i <= VMX_MSR_VMFUNC; i++)
		GUEST_EXPECT(try_rdmsr(i, &v), VEC_GP);
}

static void feature_control(void)
{
	u64 v = 0;

	need_no_vmx();
	if (try_rdmsr(MSR_FEATURE_CONTROL, &v) == NO_TRAP)
		GUEST_EXPECT(v & (FEATCTL_VMX | FEATCTL_VMX_IN_SMX), 0);
}

static void instructions(void)
{
	u64 v = 0, *page = page_alloc();
	struct inv_desc d = { 0, 0 };

	need_no_vmx();
	EXPECT_OUTCOME(vmxon((u64)page), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmxoff(), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmclear((u64)page), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmptrld((u64)page), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmptrst(&v), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmread(0, &v), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmwrite(0, 0), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmlaunch(l1_vmx()), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(vmresume(l1_vmx()), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(invept(1, &d), VM_TRAP(VEC_UD));
	EXPECT_OUTCOME(invvpid(1, &d), VM_TRAP(VEC_UD));
	GUEST_EXPECT(TRY(".byte 0x0f, 0x01, 0xd4", : : "a"(0), "c"(0)), VEC_UD); /* VMFUNC */
	GUEST_EXPECT(TRY(".byte 0x0f, 0x37", : : "a"(0)), VEC_UD);		 /* GETSEC */
}

CLAIMS = { { cr4_vmxe, "CR4.VMXE is reserved" },
	   { msrs, "the VMX capability MSRs raise #GP" },
	   { feature_control, "IA32_FEATURE_CONTROL does not allow VMX" },
	   { instructions, "every VMX instruction but VMCALL raises #UD" },
	   END_OF_CLAIMS };
