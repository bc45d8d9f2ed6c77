// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions that L0 intercepts: #DB, #AC, and #BP for a debugger. NMIs and
 * machine checks were handled right after the exit, by run.c.
 */

#include <linux/kvm.h>
#include <vmx/info.h>

#include "compat/compat.h"
#include "cpu/cr_checks.h"
#include "cpu/host_event.h"
#include "cpu/inject.h"
#include "cpu/regs.h"
#include "cpu/vcpu.h"
#include "run/exits.h"

/* debug_handle_db() says whether a #DB is the debugger's or the guest's own. */
static int exception_db(struct vcpu *vcpu)
{
	unsigned long dr6;
	int r = debug_handle_db(vcpu, &dr6);

	if (r <= 0)
		return r;
	inject_db(vcpu, dr6);
	/* The handler returns behind INT1, but that of a fault in the delivery to INT1 itself. */
	if ((vcpu->intr_info & INTR_TYPE_MASK) == INTR_TYPE_PRIV_SW_EXC)
		inject_as_int1(vcpu, vmread(VMCS_EXIT_INSN_LEN));
	return 1;
}

/* A debugger gives a #BP back that is none of its own: by then the length has to be noted. */
static int exception_bp(struct vcpu *vcpu)
{
	int r = debug_handle_bp(vcpu);

	vcpu->inject.insn_len = vmread(VMCS_EXIT_INSN_LEN);
	if (r > 0)
		inject_exception(vcpu, VEC_BP);
	return r;
}

/* An #AC is the guest's own, or the host's detection of split locks, unknown to the guest. */
static int exception_ac(struct vcpu *vcpu)
{
	u32 error = vmread(VMCS_EXIT_INTR_ERROR);

	if (!regs_split_lock(vcpu))
		return inject_exception_err(vcpu, VEC_AC, error);
	if (compat_split_lock(vcpu_rip(vcpu)))
		return 1;
	vcpu->run->exit_reason = KVM_EXIT_EXCEPTION;
	vcpu->run->ex.exception = VEC_AC;
	vcpu->run->ex.error_code = error;
	return 0;
}

int exit_exception_nmi(struct vcpu *vcpu)
{
	if (host_event_of(vcpu->exit_reason, vcpu->intr_info))
		return 1;
	vcpu->stats.exceptions++;
	switch (vcpu->intr_info & INTR_VECTOR) {
	case VEC_DB: return exception_db(vcpu);
	case VEC_BP: return exception_bp(vcpu);
	case VEC_AC: return exception_ac(vcpu);
	}
	return exit_unexpected(vcpu);
}
