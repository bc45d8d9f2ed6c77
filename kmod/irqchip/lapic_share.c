// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a LAPIC and its guest say to each other through guest memory, so that
 * the guest need not exit for it. Only the vCPU itself writes there, and never
 * while L0's code is at it.
 */
#include "irqchip/chip.h"

static void share_tpr(struct lapic *lapic)
{
	u32 word = lapic_vapic_word(&lapic->regs);

	/* Memory that has gone away since is the guest's loss. */
	mem_write(lapic->vcpu->vm, lapic->vapic_addr, &word, sizeof(word));
}

static void unshare_tpr(struct lapic *lapic)
{
	u32 word;

	if (mem_read(lapic->vcpu->vm, lapic->vapic_addr, &word, sizeof(word)))
		return;
	if ((word & 0xff) != lapic->regs.tpr)
		lapic_new_tpr(lapic, word & 0xff);
}

void lapic_share(struct vcpu *vcpu)
{
	if (vcpu->lapic_shares & LAPIC_SHARES_TPR)
		share_tpr(vcpu->lapic);
}

void lapic_unshare(struct vcpu *vcpu)
{
	if (vcpu->lapic_shares & LAPIC_SHARES_TPR)
		unshare_tpr(vcpu->lapic);
}

int lapic_set_vapic_addr(struct vcpu *vcpu, u64 gpa)
{
	if (!gpa) {
		vcpu->lapic_shares &= ~LAPIC_SHARES_TPR;
		return 0;
	}
	if (!mem_is_ram(vcpu->vm, gpa, true) || !mem_is_ram(vcpu->vm, gpa + sizeof(u32) - 1, true))
		return -EINVAL;
	vcpu->lapic->vapic_addr = gpa;
	vcpu->lapic_shares |= LAPIC_SHARES_TPR;
	return 0;
}

static int tell_tpr_access(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_TPR_ACCESS;
	memset(&run->tpr_access, 0, sizeof(run->tpr_access));
	run->tpr_access.rip = vcpu->lapic->tpr_access.rip;
	run->tpr_access.is_write = vcpu->lapic->tpr_access.write;
	return 0;
}

static int tell_eoi(struct vcpu *vcpu)
{
	unsigned long *eois = vcpu->lapic->user_eois;
	unsigned long vector = find_first_bit(eois, 256);

	if (vector >= 256)
		return 1;
	clear_bit(vector, eois);
	if (!bitmap_empty(eois, 256))
		vcpu_request(vcpu, REQ_IOAPIC_EOI);
	vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	vcpu->run->eoi.vector = vector;
	return 0;
}

int lapic_tell_user(struct vcpu *vcpu)
{
	if (vcpu_take_request(vcpu, REQ_IOAPIC_EOI))
		return tell_eoi(vcpu);
	if (vcpu_take_request(vcpu, REQ_TPR_ACCESS))
		return tell_tpr_access(vcpu);
	return 1;
}
