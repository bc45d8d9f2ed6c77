// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hyper-V's hypercalls. Only one has an effect, by which a guest says that it waits for a lock.
 * The rest of Hyper-V's interface is in cpu/hyperv.c, and what needs the LAPIC in
 * pc/lapic_msrs.c.
 */
#include <asm/processor-flags.h>

#include "cpu/hyperv.h"
#include "cpu/inject.h"
#include "cpu/vcpu.h"
#include "run/exits.h"

static bool may_call(struct vcpu *vcpu, u16 code)
{
	u32 spins;

	if (!vcpu->hyperv.enforce || code != TLFS_CALL_LONG_SPIN_WAIT)
		return true;
	spins = cpuid_word(vcpu, TLFS_LEAF_ADVICE, 0, CPUID_REG_EBX);
	return spins && spins != TLFS_NEVER_NOTIFY;
}

static u64 exit_hyperv_do_call(struct vcpu *vcpu, u64 input)
{
	if (!may_call(vcpu, input & TLFS_CALL_CODE))
		return TLFS_STATUS_ACCESS_DENIED;
	if (input & TLFS_CALL_RESERVED)
		return TLFS_STATUS_INVALID_INPUT;
	if ((input & TLFS_CALL_CODE) != TLFS_CALL_LONG_SPIN_WAIT)
		return TLFS_STATUS_INVALID_CODE;
	if (input & (TLFS_CALL_VAR_HEADER | TLFS_CALL_REPS | TLFS_CALL_REP_START))
		return TLFS_STATUS_INVALID_INPUT;
	exits_let_others_run();
	return TLFS_STATUS_SUCCESS;
}

int exit_hyperv_call(struct vcpu *vcpu)
{
	bool wide = vcpu_64bit(vcpu);
	u64 status;

	if (vcpu_cpl(vcpu) > 0 || !(vcpu_cr0(vcpu) & X86_CR0_PE))
		return inject_ud(vcpu);
	status = exit_hyperv_do_call(vcpu, wide ? vcpu->gpr[GPR_RCX] : vcpu_edx_eax(vcpu));
	vcpu->stats.hypercalls++;
	if (wide)
		vcpu->gpr[GPR_RAX] = status;
	else
		vcpu_set_edx_eax(vcpu, status);
	return vcpu_skip_insn(vcpu);
}
