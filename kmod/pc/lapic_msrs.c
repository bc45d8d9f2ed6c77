// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSRs that belong to the LAPIC, as rows of the one table of MSRs: the lower room that has
 * the table declares them.
 */
#include <linux/kvm_para.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>
#include <vmx/hyperv.h>

#include "cpu/hyperv.h"
#include "cpu/msr_rows.h"
#include "cpu/vcpu.h"
#include "pc/irqchip.h"

/* --- the processor's and KVM's ------------------------------------------ */

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

static int pv_eoi_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	return lapic_set_pv_eoi(vcpu, value) ? MSR_FAULT : MSR_OK;
}

/* --- Hyper-V's --------------------------------------------------------- */

static int hyperv_apic_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
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
static u64 hyperv_reserved(u32 index)
{
	switch (index) {
	case TLFS_MSR_EOI: return GENMASK_ULL(63, 32);
	case TLFS_MSR_TPR: return GENMASK_ULL(63, 8);
	}
	return 0;
}

static int hyperv_apic_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	int r = hyperv_may(vcpu, index, host);

	if (r)
		return r;
	if (index == TLFS_MSR_VP_ASSIST)
		return lapic_set_vp_assist(vcpu, host, value) ? MSR_FAULT : MSR_OK;
	if (value & hyperv_reserved(index))
		return MSR_FAULT;
	return lapic_synthetic_write(vcpu, index, value) ? MSR_FAULT : MSR_OK;
}

/* --- the rows ----------------------------------------------------------- */

/* Rows are searched from the first on: the two that guests write often come first. */
const struct msr_row lapic_msr_rows[] = {
	{ MSR_IA32_TSC_DEADLINE, MSR_IA32_TSC_DEADLINE, MSR_SAVED, deadline_read, deadline_write },
	{ APIC_BASE_MSR, APIC_BASE_MSR + 0xff, 0, x2apic_read, x2apic_write },
	{ MSR_KVM_PV_EOI_EN, MSR_KVM_PV_EOI_EN, MSR_SAVED, NULL, pv_eoi_write,
	  MSR_KEPT(msrs.pv_eoi) },
	{ TLFS_MSR_EOI, TLFS_MSR_TPR, 0, hyperv_apic_read, hyperv_apic_write },
	{ TLFS_MSR_VP_ASSIST, TLFS_MSR_VP_ASSIST, MSR_SAVED, hyperv_apic_read, hyperv_apic_write },
	{ MSR_IA32_APICBASE, MSR_IA32_APICBASE, 0, NULL, apic_base_write,
	  MSR_KEPT(msrs.apic_base) },
};
const int nr_lapic_msr_rows = ARRAY_SIZE(lapic_msr_rows);
