// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of Hyper-V's interface needs the LAPIC (MSRs), and hypercalls, of which
 * there is one that means anything: a guest says that it spins. The rest is in
 * guest/hyperv.c.
 */
#include <asm/processor-flags.h>

#include "exits/exits.h"
#include "exits/msr.h"
#include "guest/hyperv.h"
#include "guest/vcpu.h"
#include "irqchip/inject.h"
#include "irqchip/irqchip.h"

/* --- MSRs --------------------------------------------------------------- */

int hyperv_apic_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	int r = hyperv_may(vcpu, index, host);

	if (r)
		return r;
	if (index == TLFS_MSR_VP_ASSIST) {
		*value = vcpu->hyperv.assist;
		return MSR_OK;
	}
	return lapic_synthetic_read(vcpu, index, value) ? MSR_FAULT : MSR_OK;
}

/* The bits of MSR @index that must be 0. */
static u64 reserved(u32 index)
{
	switch (index) {
	case TLFS_MSR_EOI: return GENMASK_ULL(63, 32);
	case TLFS_MSR_TPR: return GENMASK_ULL(63, 8);
	}
	return 0;
}

int hyperv_apic_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	int r = hyperv_may(vcpu, index, host);

	if (r)
		return r;
	if (index == TLFS_MSR_VP_ASSIST)
		return lapic_set_vp_assist(vcpu, host, value) ? MSR_FAULT : MSR_OK;
	if (value & reserved(index))
		return MSR_FAULT;
	return lapic_synthetic_write(vcpu, index, value) ? MSR_FAULT : MSR_OK;
}

/* --- hypercalls --------------------------------------------------------- */

static bool may_call(struct vcpu *vcpu, u16 code)
{
	u32 spins;

	if (!vcpu->hyperv.enforce || code != TLFS_CALL_LONG_SPIN_WAIT)
		return true;
	spins = cpuid_word(vcpu, TLFS_LEAF_ADVICE, 0, CPUID_REG_EBX);
	return spins && spins != TLFS_NEVER_NOTIFY;
}

static u64 call(struct vcpu *vcpu, u64 input)
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

	if (vcpu_cpl(vcpu) > 0 || !(vcpu_cr0(vcpu) & X86_CR0_PE)) {
		inject_ud(vcpu);
		return 1;
	}
	status = call(vcpu, wide ? vcpu->gpr[GPR_RCX] : vcpu_edx_eax(vcpu));
	vcpu->stats.hypercalls++;
	if (wide)
		vcpu->gpr[GPR_RAX] = status;
	else
		vcpu_set_edx_eax(vcpu, status);
	return vcpu_skip_insn(vcpu);
}
