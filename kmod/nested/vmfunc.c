// SPDX-License-Identifier: GPL-2.0-only
/*
 * VM functions of L2. vmcs02 enables VMFUNC and no function, so that each comes
 * here as an exit. Tour, stop 12.
 * SDM: "VM Functions".
 */
#include "cpu/regs.h"
#include "nested/internal.h"

#define EPTP_LIST_ENTRIES 512

/* Puts an EPT pointer of L1's list into vmcs12. False: L1 gets an exit. SDM: "EPTP Switching". */
static bool switch_eptp(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	u32 index = vcpu->gpr[GPR_RCX];
	u64 eptp;

	if (index >= EPTP_LIST_ENTRIES ||
	    mem_read(vcpu->vm, n->v->eptp_list_addr + index * sizeof(eptp), &eptp, sizeof(eptp)) ||
	    !check_eptp(&n->caps, vcpu->cpuid.maxphyaddr, eptp))
		return false;
	n->v->ept_pointer = eptp;
	n->cur->merge_due = true;
	if (vmcs12_proc2(n->v) & PROC2_EPT_VE)
		n->v->eptp_index = index;
	return true;
}

int vmfunc_l2(struct vcpu *vcpu)
{
	u32 function = vcpu->gpr[GPR_RAX];

	/*
	 * EPTP switching is function 0, and the only one that L1 can enable. Functions
	 * above 63 raise #UD without an exit.
	 */
	if (!function && (vcpu->nested->v->vmfunc_ctls & VMFUNC_EPTP_SWITCHING) &&
	    switch_eptp(vcpu))
		return vcpu_skip_insn(vcpu);
	return nested_reflect(vcpu, EXIT_VMFUNC);
}
