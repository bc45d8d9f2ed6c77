// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMCALL in VMX root operation with a current VMCS: an image of its own,
 * because Bochs ends there. SDM: "VMCALL—Call to VM Monitor".
 */
#include "vmx.h"

static void in_root(void)
{
	struct l1_vmx *vmx = l1_vmxon();

	l1_new_vmcs(vmx);
	EXPECT_OUTCOME(vmcall_root(), VM_FAIL_VALID(VMERR_VMCALL_IN_ROOT));
	GUEST_EXPECT(l1_vmread(VMCS_INSN_ERROR), VMERR_VMCALL_IN_ROOT);
}

CLAIMS = { { in_root, "VMCALL in root operation: 1" }, END_OF_CLAIMS };
