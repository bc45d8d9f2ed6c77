// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a LAPIC and its guest say to each other through guest memory, so that
 * the guest need not exit for it. Only the vCPU itself writes there, and never
 * while L0's code is at it.
 */
#include <linux/kvm_para.h>

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

/*
 * KVM and Hyper-V have the same word for it. Bit 0 says: clear me, and the interrupt in
 * service is ended. Not while another interrupt or an IOAPIC waits for that; one that comes
 * later makes an exit, which takes the bit back. L2 is not told: it would cost its exits
 * more than L1 gains.
 */
static void share_eoi(struct lapic *lapic)
{
	const u8 pending = KVM_PV_EOI_ENABLED;
	struct vcpu *vcpu = lapic->vcpu;
	int vector = lapic_eoi_can_wait(&lapic->regs);

	if (vector < 0 || vcpu->in_l2 || test_bit(vector, lapic->chip->eoi_vectors))
		return;
	lapic->eoi_shared = !mem_write(vcpu->vm, lapic->eoi_addr, &pending, sizeof(pending));
}

static void unshare_eoi(struct lapic *lapic)
{
	struct vcpu *vcpu = lapic->vcpu;
	u8 byte;

	if (!lapic->eoi_shared)
		return;
	lapic->eoi_shared = false;
	/* Where there is no memory any more the guest has not seen the bit either. */
	if (mem_read(vcpu->vm, lapic->eoi_addr, &byte, sizeof(byte)))
		return;
	if (!(byte & KVM_PV_EOI_ENABLED)) {
		lapic_end_of_interrupt(lapic);
		return;
	}
	byte = KVM_PV_EOI_DISABLED;
	mem_write(vcpu->vm, lapic->eoi_addr, &byte, sizeof(byte));
}

/* One of the two is enough, whichever order the MSRs come in. */
static void choose_eoi_addr(struct vcpu *vcpu)
{
	if (!vcpu->lapic)
		return;
	vcpu->lapic_shares |= LAPIC_SHARES_EOI;
	if (vcpu->hyperv.assist & TLFS_PAGE_ENABLE)
		vcpu->lapic->eoi_addr = vcpu->hyperv.assist & TLFS_PAGE_ADDR;
	else if (vcpu->msrs.pv_eoi & KVM_MSR_ENABLED)
		vcpu->lapic->eoi_addr = vcpu->msrs.pv_eoi & ~(u64)KVM_MSR_ENABLED;
	else
		vcpu->lapic_shares &= ~LAPIC_SHARES_EOI;
}

int lapic_set_pv_eoi(struct vcpu *vcpu, u64 value)
{
	u64 addr = value & ~(u64)KVM_MSR_ENABLED;
	bool on = value & KVM_MSR_ENABLED;

	if (!IS_ALIGNED(addr, 4) || (on && !mem_is_ram(vcpu->vm, addr, true)))
		return 1;
	vcpu->msrs.pv_eoi = value;
	choose_eoi_addr(vcpu);
	return 0;
}

/*
 * The page's first word is the one of which bit 0 says that; nothing else in it is used.
 * What userspace restores was off when it was saved: only a guest finds a page that may
 * hold anything.
 */
int lapic_set_vp_assist(struct vcpu *vcpu, bool host, u64 value)
{
	bool on = value & TLFS_PAGE_ENABLE;
	u64 addr = value & TLFS_PAGE_ADDR;
	const u32 clear = 0;

	if (on && (!vcpu->lapic || !mem_is_ram(vcpu->vm, addr, true)))
		return 1;
	if (on && !host && mem_write(vcpu->vm, addr, &clear, sizeof(clear)))
		return 1;
	vcpu->hyperv.assist = value;
	choose_eoi_addr(vcpu);
	return 0;
}

void lapic_share(struct vcpu *vcpu)
{
	if (vcpu->lapic_shares & LAPIC_SHARES_EOI)
		share_eoi(vcpu->lapic);
	if (vcpu->lapic_shares & LAPIC_SHARES_TPR)
		share_tpr(vcpu->lapic);
}

void lapic_unshare(struct vcpu *vcpu)
{
	if (vcpu->lapic_shares & LAPIC_SHARES_EOI)
		unshare_eoi(vcpu->lapic);
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
