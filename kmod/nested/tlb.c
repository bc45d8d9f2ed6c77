// SPDX-License-Identifier: GPL-2.0-only
/*
 * Translations of L2, which the processor tags VPID02: what L1's VPID field and
 * its INVVPID do to them. INVEPT is in ept02.c.
 *
 * What a reader must know: where a vCPU ran before, old translations are
 * flushed when it comes back (vcpu_switch_vmcs(), vcpu_load()), so that acting
 * on this CPU is enough. There is one VPID02, which stands for one of L1's
 * VPIDs at a time.
 *
 * SDM: "Operations that Invalidate Cached Mappings".
 */
#include "hw/insn.h"
#include "nested/internal.h"

/* A @vpid of 0 means that there are no VPIDs: then the processor flushes at each entry and exit. */
static void flush_vpid(u16 vpid)
{
	if (!vpid)
		return;
	preempt_disable();
	hw_invvpid(INVVPID_SINGLE, vpid, 0);
	preempt_enable();
}

void tlb_before_l2(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;
	bool uses_vpid = vmcs12_proc2(n->v) & PROC2_VPID;

	/* If L1 uses no VPIDs its entries flush; if L2's VPID is another, VPID02 has to be emptied. */
	if (!uses_vpid || !n->last_vpid12_valid || n->last_vpid12 != n->v->vpid) {
		flush_vpid(n->vpid02);
		watch_flush(n, uses_vpid ? ABYME_FLUSH_OTHER_VPID12 : ABYME_FLUSH_NO_VPID12);
	}
	n->last_vpid12_valid = uses_vpid;
	n->last_vpid12 = n->v->vpid;
}

/* If L1 uses no VPIDs, an exit flushes the translations of L1 itself as well. */
void tlb_after_l2(struct vcpu *vcpu)
{
	struct nested *n = vcpu->nested;

	if (vmcs12_proc2(n->v) & PROC2_VPID)
		return;
	flush_vpid(vcpu->vpid);
	watch_flush(n, ABYME_FLUSH_L1_VPID);
}

void tlb_invvpid(struct vcpu *vcpu, u32 type, u16 vpid, u64 gla)
{
	struct nested *n = vcpu->nested;

	/* VPID02 has translations of the last VPID only, since tlb_before_l2() flushes the others. */
	if (!n->vpid02 || !n->last_vpid12_valid || (type != INVVPID_ALL && vpid != n->last_vpid12))
		return;
	watch_flush(n, ABYME_FLUSH_INVVPID);
	preempt_disable();
	/* If the processor lacks the type, all translations of the VPID are flushed. */
	if (hw_invvpid(type == INVVPID_ALL ? INVVPID_SINGLE : type, n->vpid02, gla))
		hw_invvpid(INVVPID_SINGLE, n->vpid02, 0);
	preempt_enable();
}
