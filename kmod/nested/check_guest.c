// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks on L2's state, but the segments (check_segs.c). A failure is a VM
 * exit with reason 33. SDM: "Checks on the Guest State Area".
 */
#include "nested/check_common.h"

static bool guest_64(const struct vmcs12 *v)
{
	return has_entry(v, ENTRYC_GUEST_64);
}

static bool injecting(const struct vmcs12 *v, u32 type)
{
	return (v->entry_intr_info & INTR_VALID) && (v->entry_intr_info & INTR_TYPE_MASK) == type;
}

/* PE and PG are free for an unrestricted guest. */
static u64 guest_cr0_fixed0(const struct check_ctx *c)
{
	return c->caps->cr0_fixed0 & ~(has_proc2(c->v, PROC2_UNRESTRICTED) ? CR0_PE | CR0_PG : 0);
}

static bool guest_efer_lma_valid(const struct vmcs12 *v)
{
	return !!(v->guest_efer & EFER_LMA_BIT) == guest_64(v);
}

static bool guest_efer_lme_valid(const struct vmcs12 *v)
{
	return !(v->guest_cr0 & CR0_PG) ||
	       !(v->guest_efer & EFER_LMA_BIT) == !(v->guest_efer & EFER_LME_BIT);
}

/* Outside 64-bit mode 32 bits; in it the bits above the linear address are equal. */
static bool guest_rip_valid(const struct vmcs12 *v)
{
	u64 high;

	if (!guest_64(v) || !(v->guest_cs_ar & AR_L))
		return !(v->guest_rip >> 32);
	high = v->guest_rip >> 48;
	return !high || high == 0xffff;
}

#define REGS "Checks on Guest Control Registers, Debug Registers, and MSRs"
#define TABLES "Checks on Guest Descriptor-Table Registers"
#define FLAGS "Checks on Guest RIP, RFLAGS, and SSP"
#define REG_CHECKS(C) \
C(guest_cr0_fixed, GUEST_CR0, REGS, \
  "guest CR0 has a bit that VMX operation fixes otherwise", \
  cr_fixed_valid(v->guest_cr0, guest_cr0_fixed0(c), c->caps->cr0_fixed1)) \
C(guest_cr0_paging, GUEST_CR0, REGS, \
  "guest CR0.PG is 1 with CR0.PE 0", !(v->guest_cr0 & CR0_PG) || (v->guest_cr0 & CR0_PE)) \
C(guest_cr4_fixed, GUEST_CR4, REGS, \
  "guest CR4 has a bit that VMX operation fixes otherwise", \
  cr_fixed_valid(v->guest_cr4, c->caps->cr4_fixed0, c->caps->cr4_fixed1)) \
C(guest_debugctl, GUEST_DEBUGCTL, REGS, \
  "guest IA32_DEBUGCTL is to be loaded and has reserved bits set", \
  !has_entry(v, ENTRYC_LOAD_DEBUG) || !(v->guest_debugctl & ~DEBUGCTL_KNOWN)) \
C(guest_long_paging, GUEST_CR0, REGS, \
  "the guest is to be in IA-32e mode, but guest CR0.PG is 0", \
  !guest_64(v) || (v->guest_cr0 & CR0_PG)) \
C(guest_long_pae, GUEST_CR4, REGS, \
  "the guest is to be in IA-32e mode, but guest CR4.PAE is 0", \
  !guest_64(v) || (v->guest_cr4 & CR4_PAE)) \
C(guest_pcide, GUEST_CR4, REGS, \
  "the guest is not to be in IA-32e mode, but guest CR4.PCIDE is 1", \
  guest_64(v) || !(v->guest_cr4 & CR4_PCIDE)) \
C(guest_dr7, GUEST_DR7, REGS, \
  "guest DR7 is to be loaded and has bits 63:32 set", \
  !has_entry(v, ENTRYC_LOAD_DEBUG) || !(v->guest_dr7 >> 32)) \
C(guest_sysenter_esp, GUEST_SYSENTER_ESP, REGS, \
  "guest IA32_SYSENTER_ESP is not canonical", canonical(v->guest_sysenter_esp)) \
C(guest_sysenter_eip, GUEST_SYSENTER_EIP, REGS, \
  "guest IA32_SYSENTER_EIP is not canonical", canonical(v->guest_sysenter_eip)) \
C(guest_pat, GUEST_PAT, REGS, \
  "guest IA32_PAT is to be loaded and holds a value that is no memory type", \
  !has_entry(v, ENTRYC_LOAD_PAT) || pat_valid(v->guest_pat)) \
C(guest_efer_reserved, GUEST_EFER, REGS, \
  "guest IA32_EFER is to be loaded and has reserved bits set", \
  !has_entry(v, ENTRYC_LOAD_EFER) || !(v->guest_efer & c->efer_reserved)) \
C(guest_efer_lma, GUEST_EFER, REGS, \
  "guest IA32_EFER is to be loaded, and its LMA differs from the IA-32e-mode-guest control", \
  !has_entry(v, ENTRYC_LOAD_EFER) || guest_efer_lma_valid(v)) \
C(guest_efer_lme, GUEST_EFER, REGS, \
  "guest IA32_EFER is to be loaded with paging on, and its LMA and LME differ", \
  !has_entry(v, ENTRYC_LOAD_EFER) || guest_efer_lme_valid(v)) \
C(guest_gdtr_base, GUEST_GDTR_BASE, TABLES, \
  "guest GDTR base is not canonical", canonical(v->guest_gdtr_base)) \
C(guest_idtr_base, GUEST_IDTR_BASE, TABLES, \
  "guest IDTR base is not canonical", canonical(v->guest_idtr_base)) \
C(guest_gdtr_limit, GUEST_GDTR_LIMIT, TABLES, \
  "guest GDTR limit is more than 0xffff", v->guest_gdtr_limit <= 0xffff) \
C(guest_idtr_limit, GUEST_IDTR_LIMIT, TABLES, \
  "guest IDTR limit is more than 0xffff", v->guest_idtr_limit <= 0xffff)

/* What every entry may change. */
#define FLOW_CHECKS(C) \
C(guest_cr3_width, GUEST_CR3, REGS, \
  "guest CR3 is beyond the physical-address width", !(v->guest_cr3 >> c->maxphyaddr)) \
C(guest_rip, GUEST_RIP, FLAGS, \
  "guest RIP has bits set above its mode's linear addresses", guest_rip_valid(v)) \
C(guest_rflags_reserved, GUEST_RFLAGS, FLAGS, \
  "guest RFLAGS has reserved bits set, or bit 1 clear", \
  !(v->guest_rflags & ~0x3f7fd7ull) && (v->guest_rflags & BIT_ULL(1))) \
C(guest_rflags_vm, GUEST_RFLAGS, FLAGS, \
  "guest RFLAGS.VM is 1 in IA-32e mode or with CR0.PE 0", \
  !(v->guest_rflags & RFLAGS_VM) || (!guest_64(v) && (v->guest_cr0 & CR0_PE))) \
C(guest_rflags_if, GUEST_RFLAGS, FLAGS, \
  "an external interrupt is injected with guest RFLAGS.IF 0", \
  !injecting(v, INTR_TYPE_EXT) || (v->guest_rflags & RFLAGS_IF))

static bool activity_known(const struct check_ctx *c)
{
	switch (c->v->guest_activity) {
	case ACTIVITY_ACTIVE:
		return true;
	case ACTIVITY_HLT:
		return c->caps->misc & MISC_ACTIVITY_HLT;
	case ACTIVITY_SHUTDOWN:
		return c->caps->misc & MISC_ACTIVITY_SHUTDOWN;
	case ACTIVITY_SIPI:
		return c->caps->misc & MISC_ACTIVITY_SIPI;
	default:
		return false;
	}
}

/* What may be injected depends on the activity state. */
static bool activity_injection_valid(const struct vmcs12 *v)
{
	u8 vector = v->entry_intr_info & INTR_VECTOR;

	if (!(v->entry_intr_info & INTR_VALID) || v->guest_activity == ACTIVITY_ACTIVE)
		return true;
	if (injecting(v, INTR_TYPE_HARD_EXC))
		return (v->guest_activity == ACTIVITY_HLT && vector == VEC_DB) ||
		       (v->guest_activity <= ACTIVITY_SHUTDOWN && vector == VEC_MC);
	if (injecting(v, INTR_TYPE_NMI))
		return v->guest_activity <= ACTIVITY_SHUTDOWN;
	return v->guest_activity == ACTIVITY_HLT &&
	       (injecting(v, INTR_TYPE_EXT) || injecting(v, INTR_TYPE_OTHER));
}

static bool blocked(const struct vmcs12 *v, u32 bits)
{
	return v->guest_interruptibility & bits;
}

/* Single-stepping over a shadow or out of HLT has its trap pending, and only then. */
static bool pending_bs_valid(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;
	u64 debugctl = has_entry(v, ENTRYC_LOAD_DEBUG) ? v->guest_debugctl : c->l1_debugctl;
	bool step = (v->guest_rflags & RFLAGS_TF) && !(debugctl & DEBUGCTL_BTF);

	if (!blocked(v, IRQBLK_STI | IRQBLK_MOV_SS) && v->guest_activity != ACTIVITY_HLT)
		return true;
	return !(v->guest_pending_dbg & DBG_BS) == !step;
}

#define NONREG "Checks on Guest Non-Register State"
#define NONREG_CHECKS(C) \
C(activity_known, GUEST_ACTIVITY, NONREG, \
  "the activity state is not one that IA32_VMX_MISC[8:6] offers", activity_known(c)) \
C(activity_hlt_dpl, GUEST_ACTIVITY, NONREG, \
  "the activity state is HLT, but the DPL of SS is not 0", \
  v->guest_activity != ACTIVITY_HLT || !ar_dpl(v->guest_ss_ar)) \
C(activity_blocked, GUEST_ACTIVITY, NONREG, \
  "the activity state is not active, with blocking by STI or MOV SS", \
  v->guest_activity == ACTIVITY_ACTIVE || !blocked(v, IRQBLK_STI | IRQBLK_MOV_SS)) \
C(activity_injection, GUEST_ACTIVITY, NONREG, \
  "an event is injected that does not end this activity state", activity_injection_valid(v)) \
C(blocking_reserved, GUEST_INTERRUPTIBILITY, NONREG, \
  "the interruptibility state has bits 31:4 set", \
  !(v->guest_interruptibility & ~0xfu)) \
C(blocking_both, GUEST_INTERRUPTIBILITY, NONREG, \
  "blocking by STI and by MOV SS are both 1", \
  !blocked(v, IRQBLK_STI) || !blocked(v, IRQBLK_MOV_SS)) \
C(blocking_sti_if, GUEST_INTERRUPTIBILITY, NONREG, \
  "blocking by STI is 1 with RFLAGS.IF 0", \
  !blocked(v, IRQBLK_STI) || (v->guest_rflags & RFLAGS_IF)) \
C(blocking_ext_int, GUEST_INTERRUPTIBILITY, NONREG, \
  "an external interrupt is injected with blocking by STI or MOV SS", \
  !injecting(v, INTR_TYPE_EXT) || !blocked(v, IRQBLK_STI | IRQBLK_MOV_SS)) \
C(blocking_nmi_mov_ss, GUEST_INTERRUPTIBILITY, NONREG, \
  "an NMI is injected with blocking by MOV SS", \
  !injecting(v, INTR_TYPE_NMI) || !blocked(v, IRQBLK_MOV_SS)) \
C(blocking_smi, GUEST_INTERRUPTIBILITY, NONREG, \
  "blocking by SMI is 1 outside SMM", !blocked(v, IRQBLK_SMI)) \
C(blocking_virtual_nmi, GUEST_INTERRUPTIBILITY, NONREG, \
  "an NMI is injected with virtual NMIs on, and blocking by NMI is 1", \
  !injecting(v, INTR_TYPE_NMI) || !has_pin(v, PIN_VIRTUAL_NMIS) || !blocked(v, IRQBLK_NMI)) \
C(pending_reserved, GUEST_PENDING_DBG, NONREG, \
  "the pending debug exceptions have reserved bits set", \
  !(v->guest_pending_dbg & ~(DBG_BPT_MASK | DBG_ENABLED_BPT | DBG_BS))) \
C(pending_bs, GUEST_PENDING_DBG, NONREG, \
  "with blocking by STI or MOV SS, or in HLT, pending BS differs from RFLAGS.TF without DEBUGCTL.BTF", \
  pending_bs_valid(c))

#define NMI_CHECKS(C) \
C(blocking_nmi_sti, GUEST_INTERRUPTIBILITY, NONREG, \
  "an NMI is injected with blocking by STI", \
  !injecting(v, INTR_TYPE_NMI) || !blocked(v, IRQBLK_STI))

static bool link_used(const struct vmcs12 *v)
{
	return v->link_pointer != NO_GPA;
}

static u32 link_revision_wanted(const struct check_ctx *c)
{
	u32 shadow = has_proc2(c->v, PROC2_SHADOW_VMCS) ? VMCS12_SHADOW : 0;

	return (c->caps->basic & BASIC_REVISION) | shadow;
}

#define LINK_CHECKS(C) \
C(link_address, LINK_POINTER, NONREG, \
  "the VMCS link pointer is not all ones, and is not page-aligned or too wide", \
  !link_used(v) || page_valid(c, v->link_pointer)) \
C(link_revision, LINK_POINTER, NONREG, \
  "the VMCS link pointer names a region whose first word is not the revision with the shadow bit due", \
  !link_used(v) || (c->link_readable && c->link_revision == link_revision_wanted(c))) \
C(link_current, LINK_POINTER, NONREG, \
  "the VMCS link pointer names the current VMCS", \
  !link_used(v) || v->link_pointer != c->current_vmcs)

/* A present PDPTE has bits 2:1, 8:5 and those above the width 0. */
static bool pdpte_valid(const struct check_ctx *c, int i)
{
	u64 reserved = GENMASK_ULL(2, 1) | GENMASK_ULL(8, 5) | ~0ull << c->maxphyaddr;

	if (!vmcs12_pae(c->v))
		return true;
	if (!c->pdpte_readable)
		return false;
	return !(c->pdpte[i] & 1) || !(c->pdpte[i] & reserved);
}

#define PDPTES "Checks on Guest Page-Directory-Pointer-Table Entries"
#define PDPTE_CHECKS(C) \
C(pdpte0, GUEST_PDPTE0, PDPTES, "PDPTE0 is present with reserved bits set", pdpte_valid(c, 0)) \
C(pdpte1, GUEST_PDPTE1, PDPTES, "PDPTE1 is present with reserved bits set", pdpte_valid(c, 1)) \
C(pdpte2, GUEST_PDPTE2, PDPTES, "PDPTE2 is present with reserved bits set", pdpte_valid(c, 2)) \
C(pdpte3, GUEST_PDPTE3, PDPTES, "PDPTE3 is present with reserved bits set", pdpte_valid(c, 3))

#define GUEST_CHECKS(C) \
	REG_CHECKS(C) FLOW_CHECKS(C) NONREG_CHECKS(C) NMI_CHECKS(C) LINK_CHECKS(C) PDPTE_CHECKS(C)

enum { GUEST_CHECKS(CHECK_ENUM) };
static const struct check checks[] = { GUEST_CHECKS(CHECK_DESC) };

DEFINE_CHECK(check_guest_regs, REG_CHECKS)
DEFINE_CHECK(check_guest_flow, FLOW_CHECKS)
DEFINE_CHECK(check_guest_nonreg, NONREG_CHECKS)
DEFINE_CHECK(check_guest_nmi, NMI_CHECKS)
DEFINE_CHECK(check_guest_link, LINK_CHECKS)
DEFINE_CHECK(check_guest_pdptes, PDPTE_CHECKS)

const struct check *check_guest(const struct check_ctx *c, u64 *qual)
{
	static const struct {
		const struct check *(*check)(const struct check_ctx *c);
		u64 qual;
	} part[] = {
		{ check_guest_regs, ENTRYQ_DEFAULT },
		{ check_guest_flow, ENTRYQ_DEFAULT },
		{ check_guest_segments, ENTRYQ_DEFAULT },
		{ check_guest_nonreg, ENTRYQ_DEFAULT },
		{ check_guest_nmi, ENTRYQ_NMI },
		{ check_guest_link, ENTRYQ_LINK },
		{ check_guest_pdptes, ENTRYQ_PDPTE },
	};
	const struct check *failed = NULL;
	size_t i;

	for (i = 0; !failed && i < ARRAY_SIZE(part); i++) {
		failed = part[i].check(c);
		*qual = part[i].qual;
	}
	return failed;
}
