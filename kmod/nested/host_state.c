// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads L1's registers after an exit of L2: from vmcs12's host-state area into
 * vmcs01. Tour, stop 14. reflect.c comes here at each exit that L1 is given,
 * and nested_leave() when VMX operation ends while L2 runs.
 *
 * Context: vmcs01 is current. SDM: "Loading Host State".
 */
#include "cpu/regs.h"
#include "nested/internal.h"

#define AR_CODE_64 0xa09b
#define AR_CODE_32 0xc09b
#define AR_DATA 0xc093
#define AR_BUSY_TSS 0x8b
#define LIMIT_4G 0xffffffff
#define LIMIT_TSS 0x67
#define RFLAGS_FIXED 2
#define DR7_RESET 0x400

/*
 * A null selector makes the segment unusable. Its other fields are undefined then, but may have an
 * effect later: SYSRET makes SS usable, on some processors with the limit and granularity it had.
 */
static __always_inline void load_data_segment(enum segreg seg, u16 sel, u64 base)
{
	vmwrite(VMCS_SEG_SEL(seg), sel);
	vmwrite(VMCS_SEG_BASE(seg), base);
	vmwrite(VMCS_SEG_LIMIT(seg), LIMIT_4G);
	vmwrite(VMCS_SEG_AR(seg), sel ? AR_DATA : AR_DATA | AR_UNUSABLE);
}

static void load_segments(const struct vmcs12 *v)
{
	bool host64 = v->exit_ctls & EXITC_HOST_64;

	vmwrite(VMCS_GUEST_CS_SEL, v->host_cs_sel);
	vmwrite(VMCS_GUEST_CS_BASE, 0);
	vmwrite(VMCS_GUEST_CS_LIMIT, LIMIT_4G);
	vmwrite(VMCS_GUEST_CS_AR, host64 ? AR_CODE_64 : AR_CODE_32);
	load_data_segment(SEG_SS, v->host_ss_sel, 0);
	load_data_segment(SEG_DS, v->host_ds_sel, 0);
	load_data_segment(SEG_ES, v->host_es_sel, 0);
	load_data_segment(SEG_FS, v->host_fs_sel, v->host_fs_base);
	load_data_segment(SEG_GS, v->host_gs_sel, v->host_gs_base);
	vmwrite(VMCS_GUEST_TR_SEL, v->host_tr_sel);
	vmwrite(VMCS_GUEST_TR_BASE, v->host_tr_base);
	vmwrite(VMCS_GUEST_TR_LIMIT, LIMIT_TSS);
	vmwrite(VMCS_GUEST_TR_AR, AR_BUSY_TSS);
	vmwrite(VMCS_GUEST_LDTR_SEL, 0);
	vmwrite(VMCS_GUEST_LDTR_AR, AR_UNUSABLE);
	vmwrite(VMCS_GUEST_GDTR_BASE, v->host_gdtr_base);
	vmwrite(VMCS_GUEST_GDTR_LIMIT, 0xffff);
	vmwrite(VMCS_GUEST_IDTR_BASE, v->host_idtr_base);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, 0xffff);
}

/* L1's EFER. If the exit does not load it, LMA and LME follow "host address-space size". */
static u64 l1_efer(struct vcpu *vcpu, const struct vmcs12 *v)
{
	u64 mode = EFER_BIT_LMA | EFER_BIT_LME;

	if (v->exit_ctls & EXITC_LOAD_EFER)
		return v->host_efer;
	return v->exit_ctls & EXITC_HOST_64 ? vcpu->efer | mode : vcpu->efer & ~mode;
}

static void load_efer(struct vcpu *vcpu, const struct vmcs12 *v)
{
	struct vmcs *vmcs = &vcpu->vmcs01;
	u32 entry = vmcs->ctl[CTL_ENTRY] & ~(u32)ENTRYC_GUEST_64;

	vcpu->efer = l1_efer(vcpu, v);
	vmwrite(VMCS_GUEST_EFER, vcpu->efer);
	if (vcpu->efer & EFER_BIT_LMA)
		entry |= ENTRYC_GUEST_64;
	vmcs_ctl_set(vmcs, CTL_ENTRY, entry);
}

static void load_crs(struct vcpu *vcpu, const struct vmcs12 *v)
{
	/* An exit does not change CD and NW: what L2 left there is L1's now. */
	vcpu->cr0 = (v->host_cr0 & ~CR0_KEPT) | (vcpu->cr0 & CR0_KEPT);
	vcpu->cr4 = v->host_cr4;
	if (v->exit_ctls & EXITC_HOST_64)
		vcpu->cr4 |= CR4_PAE;
	else
		vcpu->cr4 &= ~CR4_PCIDE;
	regs_update_masks(vcpu);
	vcpu_set_cr3(vcpu, v->host_cr3);
}

/* An exit sets DR7 to 400H and clears DEBUGCTL. vmcs01 is written only if it differs. */
static void load_debug(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	vcpu->debug.dr7 = DR7_RESET;
	vcpu->debug.ctl = 0;
	if (n->dr7_01 != DR7_RESET || n->debugctl01 || vcpu->debug.control || vcpu->debug.active)
		debug_update(vcpu);
}

static void load_pat(struct vcpu *vcpu, const struct vmcs12 *v)
{
	if (v->exit_ctls & EXITC_LOAD_PAT)
		vcpu->msrs.pat = v->host_pat;
	vmwrite(VMCS_GUEST_PAT, vcpu->msrs.pat);
}

/* If the exit does not load CET's state, L1 has what L2 left, which l2_switch_to_l1() carries. */
static void load_cet(struct vcpu *vcpu, const struct vmcs12 *v)
{
	if (!(v->exit_ctls & EXITC_LOAD_CET))
		return;
	if (v->host_s_cet || v->host_ssp || v->host_ssp_table)
		vcpu->cet.used = true;
	vmwrite(VMCS_GUEST_S_CET, v->host_s_cet);
	vmwrite(VMCS_GUEST_SSP, v->host_ssp);
	vmwrite(VMCS_GUEST_SSP_TABLE, v->host_ssp_table);
}

static void load_interruptibility(bool nmis_blocked)
{
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, nmis_blocked ? IRQBLK_NMI : 0);
	vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
}

/*
 * The host area has passed its checks at the entry. Only the PDPTEs, which are
 * in L1's memory, may be bad now.
 * Return: 0, or the indicator of a VMX abort.
 */
int host_state_load(struct vcpu *vcpu, bool nmis_blocked)
{
	const struct vmcs12 *v = vcpu->nested->v;

	load_efer(vcpu, v);
	load_crs(vcpu, v);
	load_segments(v);
	load_debug(vcpu);
	load_pat(vcpu, v);
	load_cet(vcpu, v);
	load_interruptibility(nmis_blocked);
	vmwrite(VMCS_GUEST_SYSENTER_CS, v->host_sysenter_cs);
	vmwrite(VMCS_GUEST_SYSENTER_ESP, v->host_sysenter_esp);
	vmwrite(VMCS_GUEST_SYSENTER_EIP, v->host_sysenter_eip);
	vcpu_set_rip(vcpu, v->host_rip);
	vcpu_set_gpr(vcpu, GPR_RSP, v->host_rsp);
	vcpu_set_rflags(vcpu, RFLAGS_FIXED);
	if (pae_paging(vcpu->cr0, vcpu->cr4, vcpu->efer) && regs_load_pdptes(vcpu, v->host_cr3, 0))
		return VMABORT_HOST_PDPTE;
	return 0;
}
