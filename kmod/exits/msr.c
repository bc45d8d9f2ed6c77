// SPDX-License-Identifier: GPL-2.0-only
/*
 * RDMSR and WRMSR, and those MSRs that belong to the LAPIC, which guest/msrs.c
 * must not know of.
 */
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>
#include <vmx/hyperv.h>

#include "exits/exits.h"
#include "exits/msr.h"
#include "guest/trace.h"
#include "guest/vcpu.h"
#include "irqchip/inject.h"
#include "irqchip/irqchip.h"

/* --- the LAPIC's -------------------------------------------------------- */

static int apic_base_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	*value = vcpu->msrs.apic_base;
	return MSR_OK;
}

/* @host: userspace, which may restore states that a guest could not go to. */
static int apic_base_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if (vcpu->lapic)
		return lapic_set_base(vcpu, value, host) ? MSR_FAULT : MSR_OK;
	vcpu->msrs.apic_base = value; /* userspace has the interrupt controllers */
	return MSR_OK;
}

static int deadline_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	if (!vcpu->lapic || (!host && !vcpu->cpuid.tsc_deadline))
		return host ? MSR_OK : MSR_FAULT;
	*value = lapic_get_tsc_deadline(vcpu);
	return MSR_OK;
}

static int deadline_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if (!vcpu->lapic || (!host && !vcpu->cpuid.tsc_deadline))
		return host && !value ? MSR_OK : MSR_FAULT;
	lapic_set_tsc_deadline(vcpu, value);
	return MSR_OK;
}

static int x2apic_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	if (!vcpu->lapic)
		return MSR_FAULT;
	return lapic_x2apic_read(vcpu, index, value) ? MSR_FAULT : MSR_OK;
}

static int x2apic_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	if (!vcpu->lapic)
		return MSR_FAULT;
	return lapic_x2apic_write(vcpu, index, value) ? MSR_FAULT : MSR_OK;
}

static int pv_eoi_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	*value = vcpu->msrs.pv_eoi;
	return MSR_OK;
}

static int pv_eoi_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	return lapic_set_pv_eoi(vcpu, value) ? MSR_FAULT : MSR_OK;
}

/* Rows are searched from the first on: the two that guests write often come first. */
static const struct msr_row lapic_rows[] = {
	{ MSR_IA32_TSC_DEADLINE, MSR_IA32_TSC_DEADLINE, MSR_SAVED, deadline_read, deadline_write },
	{ APIC_BASE_MSR, APIC_BASE_MSR + 0xff, 0, x2apic_read, x2apic_write },
	{ MSR_KVM_PV_EOI_EN, MSR_KVM_PV_EOI_EN, MSR_SAVED, pv_eoi_read, pv_eoi_write },
	{ TLFS_MSR_EOI, TLFS_MSR_TPR, 0, hyperv_apic_read, hyperv_apic_write },
	{ TLFS_MSR_VP_ASSIST, TLFS_MSR_VP_ASSIST, MSR_SAVED, hyperv_apic_read, hyperv_apic_write },
	{ MSR_IA32_APICBASE, MSR_IA32_APICBASE, 0, apic_base_read, apic_base_write },
};

void exits_msr_setup(void)
{
	msrs_extend(lapic_rows, ARRAY_SIZE(lapic_rows));
}

/* --- the instructions --------------------------------------------------- */

/*
 * Userspace has answered: at the next KVM_RUN the instruction ends with its
 * value, or in #GP.
 */
static int finish_user_rdmsr(struct vcpu *vcpu)
{
	if (vcpu->run->msr.error) {
		inject_gp(vcpu);
		return 1;
	}
	vcpu_set_edx_eax(vcpu, vcpu->run->msr.data);
	return vcpu_skip_insn(vcpu);
}

static int finish_user_wrmsr(struct vcpu *vcpu)
{
	if (vcpu->run->msr.error) {
		inject_gp(vcpu);
		return 1;
	}
	return vcpu_skip_insn(vcpu);
}

/* An access is refused by #GP, unless userspace wants to decide (KVM_CAP_X86_USER_SPACE_MSR). */
static int refused(struct vcpu *vcpu, int result, u32 exit_reason, u64 value)
{
	static const u32 reasons[] = {
		[MSR_FAULT] = KVM_MSR_EXIT_REASON_INVAL,
		[MSR_UNKNOWN] = KVM_MSR_EXIT_REASON_UNKNOWN,
		[MSR_FILTERED] = KVM_MSR_EXIT_REASON_FILTER,
	};
	u32 reason = reasons[result];
	struct kvm_run *run = vcpu->run;

	if (!(vcpu->vm->msr_to_user_mask & reason)) {
		inject_gp(vcpu);
		return 1;
	}
	run->exit_reason = exit_reason;
	memset(&run->msr, 0, sizeof(run->msr));
	run->msr.reason = reason;
	run->msr.index = vcpu->gpr[GPR_RCX];
	run->msr.data = value;
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
		return refused(vcpu, r, KVM_EXIT_X86_RDMSR, 0);
	vcpu_set_edx_eax(vcpu, value);
	return vcpu_skip_insn(vcpu);
}

int exit_wrmsr(struct vcpu *vcpu)
{
	u32 index = vcpu->gpr[GPR_RCX];
	u64 value = vcpu_edx_eax(vcpu);
	int r = msr_write(vcpu, index, false, value);

	trace_abyme_msr(true, index, value, r);
	if (unlikely(r))
		return refused(vcpu, r, KVM_EXIT_X86_WRMSR, value);
	return vcpu_skip_insn(vcpu);
}
