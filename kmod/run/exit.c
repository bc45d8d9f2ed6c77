// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which handler has which exit. An exit of L2 goes to L1 first if L1 asked for
 * it; what is left is L0's, whoever ran. Tour, stops 7 and 13. The run loop
 * comes here after each exit, interrupts on unless it is handled at once.
 *
 * What a reader must know: an exit is a row of exit_handlers[], and a handler never
 * knows who dispatched it.
 */

#include <linux/kvm.h>
#include <linux/nospec.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>
#include <vmx/exits.h>

#include "cpu/vcpu.h"
#include "emulate/device.h"
#include "nested/nested.h"
#include "run/exit.h"
#include "run/exits.h"

/* If L1 gives L2 no EPT, L2 runs on L1's own, and violates that. */
static int ept_violation(struct vcpu *vcpu)
{
	return vcpu->in_l2 && nested_on_ept02(vcpu) ? ept02_violation(vcpu)
						    : exit_ept_violation(vcpu);
}

/* In VMX root operation VMCALL calls an SMM monitor, which there is not. Else it is a hypercall. */
static int exit_any_vmcall(struct vcpu *vcpu)
{
	return nested_in_root(vcpu) ? vmx_vmcall(vcpu) : exit_vmcall(vcpu);
}

/* NULL: no guest of abyme can cause this exit, and exit_unexpected() has it. */
const exit_handler exit_handlers[NR_EXITS] = {
	[EXIT_EXCEPTION_NMI] = exit_exception_nmi,
	[EXIT_EXT_INT] = exit_ext_int,
	[EXIT_TRIPLE_FAULT] = exit_triple_fault,
	[EXIT_INT_WINDOW] = exit_int_window,
	[EXIT_NMI_WINDOW] = exit_nmi_window,
	[EXIT_TASK_SWITCH] = exit_task_switch,
	[EXIT_CPUID] = exit_cpuid,
	[EXIT_GETSEC] = exit_ud,
	[EXIT_HLT] = exit_hlt,
	[EXIT_INVD] = exit_skip,
	[EXIT_RDPMC] = exit_gp,
	[EXIT_VMCALL] = exit_any_vmcall,
	[EXIT_VMCLEAR] = vmx_vmclear,
	[EXIT_VMLAUNCH] = vmx_vmlaunch,
	[EXIT_VMPTRLD] = vmx_vmptrld,
	[EXIT_VMPTRST] = vmx_vmptrst,
	[EXIT_VMREAD] = vmx_vmread,
	[EXIT_VMRESUME] = vmx_vmresume,
	[EXIT_VMWRITE] = vmx_vmwrite,
	[EXIT_VMXOFF] = vmx_vmxoff,
	[EXIT_VMXON] = vmx_vmxon,
	[EXIT_CR_ACCESS] = exit_cr_access,
	[EXIT_DR_ACCESS] = exit_dr_access,
	[EXIT_IO] = exit_io,
	[EXIT_RDMSR] = exit_rdmsr,
	[EXIT_WRMSR] = exit_wrmsr,
	[EXIT_MWAIT] = exit_mwait,
	[EXIT_MONITOR] = exit_mwait,
	[EXIT_PAUSE] = exit_pause,
	[EXIT_EPT_VIOLATION] = ept_violation,
	[EXIT_INVEPT] = vmx_invept,
	[EXIT_PREEMPT_TIMER] = exit_nothing,
	[EXIT_INVVPID] = vmx_invvpid,
	[EXIT_TPR_BELOW] = exit_tpr_below,
	[EXIT_WBINVD] = exit_skip,
	[EXIT_XSETBV] = exit_xsetbv,
	[EXIT_VMFUNC] = vmx_vmfunc,
	[EXIT_ENCLS] = exit_ud,
	/* TDX' instructions exit in any guest of a processor that has them. */
	[EXIT_SEAMCALL] = exit_ud,
	[EXIT_TDCALL] = exit_ud,
};

int exit_handle(struct vcpu *vcpu)
{
	u32 reason = vcpu->exit_reason;
	exit_handler handler = NULL;

	if (vcpu->in_l2) {
		if (unlikely(vcpu->watched))
			nested_note_exit(vcpu, reason);
		if (nested_wants_exit(vcpu, reason))
			return nested_reflect(vcpu, reason);
		if (vcpu->at_once && reason != EXIT_EPT_VIOLATION)
			return EXIT_LATER; /* what L0 does for L2 may sleep */
	}
	if (likely(reason < NR_EXITS))
		handler = exit_handlers[array_index_nospec(reason, NR_EXITS)];
	return likely(handler) ? handler(vcpu) : exit_unexpected(vcpu);
}
