// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control registers and EFER: what the guest has, what the processor gets, and
 * what the guest reads. Exit handlers of MOV CR and WRMSR come here,
 * KVM_SET_SREGS, reset, and nested/ when it switches between L1 and L2.
 *
 * What a reader must know: each register has three values. .cr0 is what the
 * guest has; the VMCS' guest field is what runs (cr0_real()); the shadow is
 * what the guest reads of the bits that it does not own (cr_shadow()). While L2
 * runs L1's masks come on top of L0's.
 */
#include <asm/special_insns.h>
#include <vmx/controls.h>
#include <vmx/info.h>

#include "cpu/cet.h"
#include "cpu/regs.h"
#include "cpu/segments.h"
#include "cpu/vcpu.h"
#include "hw/caps.h"

unsigned long vcpu_cr0(struct vcpu *vcpu)
{
	return (vcpu->cr0 & ~vcpu->cr0_owned) | (vmread(VMCS_GUEST_CR0) & vcpu->cr0_owned);
}

unsigned long vcpu_cr4(struct vcpu *vcpu)
{
	return (vcpu->cr4 & ~vcpu->cr4_owned) | (vmread(VMCS_GUEST_CR4) & vcpu->cr4_owned);
}

/* The DPL of SS is the CPL in every mode. SDM: "Guest Register State". */
int vcpu_cpl(struct vcpu *vcpu)
{
	return ar_dpl(vmread(VMCS_GUEST_SS_AR));
}

bool vcpu_64bit(struct vcpu *vcpu)
{
	return vcpu_long_mode(vcpu) && (vmread(VMCS_GUEST_CS_AR) & AR_L);
}

void regs_sync_owned(struct vcpu *vcpu)
{
	vcpu->cr0 = vcpu_cr0(vcpu);
	vcpu->cr4 = vcpu_cr4(vcpu);
}

/* The guest's CR0 as it runs. CD and NW are not changed by a VM entry, so they are left out. */
static unsigned long cr0_real(unsigned long cr0)
{
	return (cr0 & ~(CR0_CD | CR0_NW)) | CR0_NE | CR0_ET;
}

/* A machine check of the host must reach it, whatever the guest's CR4.MCE says. */
static unsigned long cr4_real(unsigned long cr4)
{
	return (cr4 & ~CR4_MCE) | (native_read_cr4() & CR4_MCE) | CR4_VMXE;
}

/* What the guest reads: its own value; L2 reads the bits that L1 owns from L1's read shadow. */
static unsigned long cr_shadow(unsigned long cr, const struct cr_intercept *l1)
{
	return (cr & ~l1->mask) | (l1->shadow & l1->mask);
}

static __always_inline void cr0_write_vmcs(struct vcpu *vcpu)
{
	vmwrite(VMCS_GUEST_CR0, cr0_real(vcpu->cr0));
	vmwrite(VMCS_CR0_SHADOW, cr_shadow(vcpu->cr0, &vcpu->cr0_l1));
}

static __always_inline void cr4_write_vmcs(struct vcpu *vcpu)
{
	vmwrite(VMCS_GUEST_CR4, cr4_real(vcpu->cr4));
	vmwrite(VMCS_CR4_SHADOW, cr_shadow(vcpu->cr4, &vcpu->cr4_l1));
}

void regs_update_masks(struct vcpu *vcpu)
{
	vcpu->cr0_owned = CR0_OWNABLE & ~vcpu->cr0_l1.mask;
	vcpu->cr4_owned = CR4_OWNABLE & ~vcpu->cr4_l1.mask & ~vcpu->cpuid.cr4_reserved;
	vmwrite(VMCS_CR0_MASK, ~vcpu->cr0_owned);
	vmwrite(VMCS_CR4_MASK, ~vcpu->cr4_owned);
	cr0_write_vmcs(vcpu);
	cr4_write_vmcs(vcpu);
}

/* A VM entry demands that EFER.LMA and the control "IA-32e mode guest" agree. */
void regs_set_efer(struct vcpu *vcpu, u64 efer)
{
	u32 entry = vcpu->vmcs->ctl[CTL_ENTRY] & ~ENTRYC_GUEST_64;

	vcpu->efer = efer;
	vmwrite(VMCS_GUEST_EFER, efer);
	if (efer & EFER_BIT_LMA) {
		entry |= ENTRYC_GUEST_64;
		segments_enter_long_mode();
	}
	vmcs_ctl_set(vcpu->vmcs, CTL_ENTRY, entry);
}

/* EFER.LMA follows LME and PG, here as in the processor. */
void regs_set_cr0(struct vcpu *vcpu, unsigned long cr0)
{
	u64 efer = vcpu->efer & ~EFER_BIT_LMA;

	vcpu->cr0 = (cr0 & CR0_DEFINED) | CR0_ET;
	cr0_write_vmcs(vcpu);
	if ((efer & EFER_BIT_LME) && (cr0 & CR0_PG))
		efer |= EFER_BIT_LMA;
	if (efer != vcpu->efer)
		regs_set_efer(vcpu, efer);
}

void regs_set_cr4(struct vcpu *vcpu, unsigned long cr4)
{
	vcpu->cr4 = cr4;
	cr4_write_vmcs(vcpu);
}

void regs_cr_state(struct vcpu *vcpu, struct cr_state *s)
{
	*s = (struct cr_state){
		.cr0 = vcpu_cr0(vcpu),
		.cr3 = vcpu_cr3(vcpu),
		.cr4 = vcpu_cr4(vcpu),
		.efer = vcpu->efer,
		.cs_l = !!(vmread(VMCS_GUEST_CS_AR) & AR_L),
		.cr4_reserved = vcpu->cpuid.cr4_reserved,
		.efer_reserved = vcpu->cpuid.efer_reserved,
		.maxphyaddr = vcpu->cpuid.maxphyaddr,
	};
}

/*
 * The four entries are copied once, then checked, then written: another vCPU
 * may change them at any time. With EPT the processor takes them from the VMCS.
 * SDM: "PDPTE Registers".
 */
int regs_load_pdptes(struct vcpu *vcpu, unsigned long cr3, u32 access)
{
	u64 gpa = cr3 & 0xffffffe0, pdpte[4];
	int i, r;

	r = vcpu->gpa_translate ? vcpu->gpa_translate(vcpu, gpa, 0, EPTQ_READ | access, &gpa) : 0;
	if (r)
		return r;
	if (mem_read(vcpu->vm, gpa, pdpte, sizeof(pdpte)))
		return 1;
	for (i = 0; i < 4; i++)
		if (!pdpte_ok(pdpte[i], vcpu->cpuid.maxphyaddr))
			return 1;
	for (i = 0; i < 4; i++)
		vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, pdpte[i]);
	return 0;
}

/* A write by L2 that does not exit to L1 leaves the bits that L1 owns as they are. */
static unsigned long cr_merge_l1(unsigned long old, unsigned long new,
				 const struct cr_intercept *l1)
{
	return (new & ~l1->mask) | (old & l1->mask);
}

/* Everything that can fail comes before anything is changed. */
int regs_write_cr0(struct vcpu *vcpu, unsigned long cr0)
{
	struct cr_state s;
	u64 efer = vcpu->efer;
	int r;

	regs_cr_state(vcpu, &s);
	cr0 = cr_merge_l1(s.cr0, cr0, &vcpu->cr0_l1);
	if (!cr0_write_ok(&s, cr0))
		return 1;
	cr0 = (cr0 & CR0_DEFINED) | CR0_ET;
	if (!nested_cr0_valid(vcpu, cr0))
		return 1;
	if (efer & EFER_BIT_LME)
		efer |= EFER_BIT_LMA;
	if (((s.cr0 ^ cr0) & (CR0_PG | CR0_CD | CR0_NW)) && pae_paging(cr0, s.cr4, efer)) {
		r = regs_load_pdptes(vcpu, s.cr3, 0);
		if (r)
			return r;
	}
	if ((s.cr0 ^ cr0) & (CR0_PG | CR0_PE))
		vcpu_request(vcpu, REQ_TLB_FLUSH);
	regs_set_cr0(vcpu, cr0);
	return 0;
}

/* Without VPID a write of CR3 flushes anyway, and with CR4.PCIDE bit 63 asks not to. */
int regs_write_cr3(struct vcpu *vcpu, unsigned long cr3)
{
	struct cr_state s;
	int r;

	regs_cr_state(vcpu, &s);
	if (!cr3_write_ok(&s, cr3))
		return 1;
	r = pae_paging(s.cr0, s.cr4, s.efer) ? regs_load_pdptes(vcpu, cr3, 0) : 0;
	if (r)
		return r;
	if (!(s.cr4 & CR4_PCIDE) || !(cr3 & CR3_NO_FLUSH))
		vcpu_request(vcpu, REQ_TLB_FLUSH);
	vcpu_set_cr3(vcpu, cr3 & ~CR3_NO_FLUSH);
	return 0;
}

int regs_write_cr4(struct vcpu *vcpu, unsigned long cr4)
{
	struct cr_state s;
	u64 changed;
	int r;

	regs_cr_state(vcpu, &s);
	cr4 = cr_merge_l1(s.cr4, cr4, &vcpu->cr4_l1);
	if (!cr4_write_ok(&s, cr4) || !nested_cr4_valid(vcpu, cr4))
		return 1;
	changed = s.cr4 ^ cr4;
	if ((changed & CR4_PDPTE_BITS) && pae_paging(s.cr0, cr4, s.efer)) {
		r = regs_load_pdptes(vcpu, s.cr3, 0);
		if (r)
			return r;
	}
	if (changed & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP | CR4_PCIDE))
		vcpu_request(vcpu, REQ_TLB_FLUSH);
	regs_set_cr4(vcpu, cr4);
	return 0;
}

int regs_write_efer(struct vcpu *vcpu, u64 efer, bool host)
{
	struct cr_state s;

	if (host) {
		if (efer & ~(EFER_BIT_SCE | EFER_BIT_LME | EFER_BIT_LMA | EFER_BIT_NX))
			return 1;
	} else {
		regs_cr_state(vcpu, &s);
		if (!efer_write_ok(&s, efer))
			return 1;
	}
	/* LMA follows LME and PG; a write does not change it. */
	efer = (efer & ~EFER_BIT_LMA) | (vcpu->efer & EFER_BIT_LMA);
	if ((efer ^ vcpu->efer) & EFER_BIT_NX)
		vcpu_request(vcpu, REQ_TLB_FLUSH);
	regs_set_efer(vcpu, efer);
	return 0;
}

/* EDX holds the processor's signature after a reset, as CPUID gives it. */
static void reset_gprs(struct vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *leaf1 = cpuid_find(vcpu, 1, 0);

	memset(vcpu->gpr, 0, sizeof(vcpu->gpr));
	vcpu_lazy_forget(vcpu);
	vcpu_set_gpr(vcpu, GPR_RSP, 0);
	vcpu->gpr[GPR_RDX] = leaf1 ? leaf1->eax : 0x600;
	vcpu_set_rip(vcpu, 0xfff0);
	vcpu_set_rflags(vcpu, X86_EFLAGS_FIXED);
	vcpu_set_cr3(vcpu, 0);
	vcpu->cr2 = 0;
}

void vcpu_end_hlt(struct vcpu *vcpu)
{
	if (likely(vcpu->vmcs->ctl[CTL_PROC1] & PROC_HLT))
		return;
	if (vmread(VMCS_GUEST_ACTIVITY) == ACTIVITY_HLT)
		vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
}

/* The MSRs of SYSENTER survive an INIT. */
static void reset_vmcs(bool init)
{
	int i;

	segments_reset();
	vmwrite(VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE);
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	for (i = 0; i < 4; i++)
		vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, 0);
	cet_reset_vmcs();
	if (init)
		return;
	vmwrite(VMCS_GUEST_SYSENTER_CS, 0);
	vmwrite(VMCS_GUEST_SYSENTER_ESP, 0);
	vmwrite(VMCS_GUEST_SYSENTER_EIP, 0);
}

/* An INIT keeps CD and NW. SDM: "Processor State After Reset". */
void regs_reset(struct vcpu *vcpu, bool init)
{
	unsigned long caches = init ? vcpu->cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW;

	vcpu->cr0_l1 = vcpu->cr4_l1 = (struct cr_intercept){};
	reset_gprs(vcpu);
	reset_vmcs(init);
	regs_set_efer(vcpu, 0);
	vcpu->cr0 = caches | CR0_ET;
	vcpu->cr4 = 0;
	regs_update_masks(vcpu);
	vcpu_request(vcpu, REQ_TLB_FLUSH);
}

bool regs_split_lock(struct vcpu *vcpu)
{
	return cpu_feature_enabled(X86_FEATURE_SPLIT_LOCK_DETECT) &&
	       !alignment_checked(vcpu_cr0(vcpu), vcpu_rflags(vcpu), vcpu_cpl(vcpu));
}
