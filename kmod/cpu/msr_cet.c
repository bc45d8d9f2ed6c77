// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control-flow enforcement (CET): its MSRs and SSP. IA32_S_CET, the table of interrupt shadow
 * stacks and SSP are in the VMCS, which swaps them. IA32_U_CET and the stacks' pointers
 * IA32_PLn_SSP are not: a guest that can use them, by CR4.CET or XSAVES, has them in the
 * processor from each entry to its exit. Each access by MSR exits.
 *
 * What a reader must know: a kernel with shadow stacks for its programs has U_CET and PL3_SSP
 * as part of a task's FPU state, and switches them with it. Between fpu_enter() and fpu_exit(),
 * with interrupts off, nobody does: what was in the processor then is what is put back,
 * whosever it was.
 */
#include <asm/msr-index.h>
#include <vmx/cet.h>

#include "compat/msr.h"
#include "cpu/cet.h"
#include "cpu/cpuid_bits.h"
#include "cpu/msr_rows.h"
#include "cpu/regs.h"
#include "cpu/vcpu.h"
#include "hw/caps.h"

static const u32 cet_index[NR_CETM] = {
	[CETM_PL0_SSP] = MSR_IA32_PL0_SSP, [CETM_PL1_SSP] = MSR_IA32_PL1_SSP,
	[CETM_PL2_SSP] = MSR_IA32_PL2_SSP, [CETM_PL3_SSP] = MSR_IA32_PL3_SSP,
	[CETM_U_CET] = MSR_IA32_U_CET,
};

/* The first MSR that there is. Without shadow stacks (L0 may be a guest itself) it is U_CET. */
static int cet_first = CETM_U_CET;
/* The host's values, which all CPUs share: judge_cet() allows no shadow stacks of the kernel's. */
static u64 host_fixed[NR_CETM_HOST_FIXED];

void cet_setup(void)
{
	int i;

	if (!hw_has_cet() || !(cpuid_ecx(7) & FEATURE(7_ECX, SHSTK)))
		return;
	cet_first = 0;
	for (i = 0; i < NR_CETM_HOST_FIXED; i++)
		rdmsrq_safe(cet_index[i], &host_fixed[i]);
}

/* --- around an entry ---------------------------------------------------- */

static void swap_in(u64 *msr, u64 host, int i)
{
	if (msr[i] != host)
		wrmsrq(cet_index[i], msr[i]);
}

/* PL0_SSP to PL2_SSP: WRMSR exits, so only XRSTORS can have changed them since the entry. */
static void cet_fixed_out(struct vcpu *vcpu, int i)
{
	u64 *now = &vcpu->cet.msr[i];

	if (vcpu->msrs.xss & XSS_CET_S)
		rdmsrq(cet_index[i], *now);
	if (*now != host_fixed[i])
		wrmsrq(cet_index[i], host_fixed[i]);
}

void cet_enter(struct vcpu *vcpu)
{
	struct vcpu_cet *c = &vcpu->cet;
	int i;

	if (likely(!(vcpu->cr4 & CR4_CET) && !(vcpu->msrs.xss & XSS_CET)))
		return;
	c->live = true;
	for (i = cet_first; i < NR_CETM_HOST_FIXED; i++)
		swap_in(c->msr, host_fixed[i], i);
	for (; i < NR_CETM; i++) {
		rdmsrq(cet_index[i], c->host[i]);
		swap_in(c->msr, c->host[i], i);
	}
}

void cet_exit(struct vcpu *vcpu)
{
	struct vcpu_cet *c = &vcpu->cet;
	int i;

	if (likely(!c->live))
		return;
	c->live = false;
	for (i = cet_first; i < NR_CETM_HOST_FIXED; i++)
		cet_fixed_out(vcpu, i);
	for (; i < NR_CETM; i++) {
		rdmsrq(cet_index[i], c->msr[i]);
		if (c->msr[i] != c->host[i])
			wrmsrq(cet_index[i], c->host[i]);
	}
}

/* --- the guest's accesses, and userspace's ------------------------------ */

static bool cet_control_ok(struct vcpu *vcpu, u64 value)
{
	u64 allowed = 0;

	if (vcpu->cpuid.shadow_stacks)
		allowed |= CETC_SHADOW_STACK;
	if (vcpu->cpuid.branch_tracking)
		allowed |= ~CETC_SHADOW_STACK;
	return !(value & ~allowed) && cet_control_defined(value) && msr_canonical(value);
}

static bool cet_is_control(u32 index)
{
	return index == MSR_IA32_U_CET || index == MSR_IA32_S_CET;
}

static bool cet_exists(struct vcpu *vcpu, u32 index)
{
	return vcpu->cpuid.shadow_stacks || (cet_is_control(index) && vcpu->cpuid.branch_tracking);
}

static bool cet_value_ok(struct vcpu *vcpu, u32 index, u64 value)
{
	if (cet_is_control(index))
		return cet_control_ok(vcpu, value);
	return msr_canonical(value) && (index == MSR_IA32_INT_SSP_TAB || !(value & 3));
}

/* The VMCS field that holds the MSR, or 0 if vcpu->cet.msr holds it. */
static u32 cet_field(u32 index)
{
	switch (index) {
	case MSR_IA32_S_CET: return VMCS_GUEST_S_CET;
	case MSR_IA32_INT_SSP_TAB: return VMCS_GUEST_SSP_TABLE;
	default: return 0;
	}
}

static u64 *cet_kept(struct vcpu *vcpu, u32 index)
{
	int i;

	for (i = 0; cet_index[i] != index; i++)
		;
	return &vcpu->cet.msr[i];
}

/* KVM_GET_MSR_INDEX_LIST names these MSRs for all, so without CET userspace reads them as 0. */
int cet_read(struct vcpu *vcpu, u32 index, bool host, u64 *value)
{
	u32 field = cet_field(index);

	if (!cet_exists(vcpu, index))
		return host && hw_has_cet() ? MSR_OK : MSR_FAULT;
	if (field)
		*value = vmread(field);
	else if (vcpu->cet.live)
		rdmsrq(index, *value); /* the exit is handled at once: it is in the processor */
	else
		*value = *cet_kept(vcpu, index);
	return MSR_OK;
}

int cet_write(struct vcpu *vcpu, u32 index, bool host, u64 value)
{
	u32 field = cet_field(index);

	if (!cet_exists(vcpu, index))
		return host && hw_has_cet() && !value ? MSR_OK : MSR_FAULT;
	if (!cet_value_ok(vcpu, index, value))
		return MSR_FAULT;
	if (!field) {
		*cet_kept(vcpu, index) = value;
		return MSR_OK;
	}
	vcpu->cet.used |= value;
	vmwrite(field, value);
	return MSR_OK;
}

u64 cet_get_ssp(void)
{
	return vmread(VMCS_GUEST_SSP);
}

int cet_set_ssp(struct vcpu *vcpu, u64 ssp)
{
	if (!msr_canonical(ssp) || (ssp & 3))
		return -EINVAL;
	vcpu->cet.used |= ssp;
	vmwrite(VMCS_GUEST_SSP, ssp);
	return 0;
}

void cet_reset_vmcs(void)
{
	if (!hw_has_cet())
		return;
	vmwrite(VMCS_GUEST_S_CET, 0);
	vmwrite(VMCS_GUEST_SSP, 0);
	vmwrite(VMCS_GUEST_SSP_TABLE, 0);
}

bool cet_active(struct vcpu *vcpu)
{
	u64 control;

	if (!(vcpu->cr4 & CR4_CET))
		return false;
	control = vcpu_cpl(vcpu) == 3 ? vcpu->cet.msr[CETM_U_CET] : vmread(VMCS_GUEST_S_CET);
	return control & (CETC_SH_STK_EN | CETC_ENDBR_EN);
}
