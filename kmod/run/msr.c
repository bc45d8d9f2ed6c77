// SPDX-License-Identifier: GPL-2.0-only
/* RDMSR and WRMSR: the instructions. What the MSRs do is in cpu/msrs.c. */
#include <linux/kvm.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>

#include "cpu/inject.h"
#include "cpu/trace.h"
#include "cpu/vcpu.h"
#include "run/exits.h"

/*
 * Called at the next KVM_RUN: ends the instruction as userspace has answered, by #GP where it says
 * so. If the guest is not at it any more, by userspace or by an INIT, the answer is nobody's.
 */
static int finish_user_msr(struct vcpu *vcpu, bool read)
{
	if (vcpu_rip(vcpu) != vcpu->user_msr.rip)
		return 1;
	if (READ_ONCE(vcpu->run->msr.error))
		return inject_gp(vcpu);
	if (read)
		vcpu_set_edx_eax(vcpu, READ_ONCE(vcpu->run->msr.data));
	return vcpu_skip_bytes(vcpu, vcpu->user_msr.len);
}

static int finish_user_rdmsr(struct vcpu *vcpu)
{
	return finish_user_msr(vcpu, true);
}

static int finish_user_wrmsr(struct vcpu *vcpu)
{
	return finish_user_msr(vcpu, false);
}

/* An access is refused by #GP, unless userspace wants to decide (KVM_CAP_X86_USER_SPACE_MSR). */
static int exit_msr_refused(struct vcpu *vcpu, int result, u32 exit_reason, u64 value)
{
	static const u32 reasons[] = {
		[MSR_FAULT] = KVM_MSR_EXIT_REASON_INVAL,
		[MSR_UNKNOWN] = KVM_MSR_EXIT_REASON_UNKNOWN,
		[MSR_FILTERED] = KVM_MSR_EXIT_REASON_FILTER,
	};
	u32 reason = reasons[result];
	struct kvm_run *run = vcpu->run;

	if (!(vcpu->vm->msr_to_user_mask & reason))
		return inject_gp(vcpu);
	run->exit_reason = exit_reason;
	memset(&run->msr, 0, sizeof(run->msr));
	run->msr.reason = reason;
	run->msr.index = vcpu->gpr[GPR_RCX];
	run->msr.data = value;
	vcpu->user_msr.rip = vcpu_rip(vcpu);
	vcpu->user_msr.len = vmread(VMCS_EXIT_INSN_LEN);
	vcpu->complete = exit_reason == KVM_EXIT_X86_RDMSR ? finish_user_rdmsr : finish_user_wrmsr;
	return 0;
}

int exit_rdmsr(struct vcpu *vcpu)
{
	u32 index = vcpu->gpr[GPR_RCX];
	u64 value;
	int r = msr_read(vcpu, index, false, &value);

	trace_abyme_msr(false, index, value, r);
	if (unlikely(r))
		return exit_msr_refused(vcpu, r, KVM_EXIT_X86_RDMSR, 0);
	vcpu_set_edx_eax(vcpu, value);
	return vcpu_skip_insn(vcpu);
}

/*
 * Writes to the LAPIC's MSRs do not sleep. ICR is left out, as an event is mostly due after it.
 * Writes to other MSRs may flush, allocate, or access the guest's memory.
 */
static bool wrmsr_is_short(u32 index)
{
	return index == MSR_IA32_TSC_DEADLINE ||
	       (index >> 8 == APIC_BASE_MSR >> 8 && index != APIC_BASE_MSR + (APIC_ICR >> 4));
}

int exit_wrmsr(struct vcpu *vcpu)
{
	u32 index = vcpu->gpr[GPR_RCX];
	u64 value = vcpu_edx_eax(vcpu);
	int r;

	if (vcpu->at_once && !wrmsr_is_short(index))
		return EXIT_LATER;
	r = msr_write(vcpu, index, false, value);

	trace_abyme_msr(true, index, value, r);
	if (unlikely(r))
		return exit_msr_refused(vcpu, r, KVM_EXIT_X86_WRMSR, value);
	return vcpu_skip_insn(vcpu);
}
