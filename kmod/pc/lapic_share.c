// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a LAPIC and its guest tell each other through guest memory, so that the
 * guest need not exit for it: the TPR of old Windows (KVM_SET_VAPIC_ADDR), and
 * the end of an interrupt (KVM's and Hyper-V's paravirtual EOI).
 *
 * The run loop calls lapic_share() before an entry and lapic_unshare() after
 * the exit. Only the vCPU's own guest code writes there, so nothing changes
 * between the two calls on L0's side; after an exit that is handled at once the
 * guest goes on between them, and L0 does not look at the LAPIC.
 *
 * What a reader must know: userspace may remove the memory at any time. A read or
 * write that fails then only deprives the guest of what was exchanged.
 */
#include <linux/kvm_para.h>

#include "pc/chip.h"

static void share_tpr(struct lapic *lapic)
{
	u32 word = lapic_vapic_word(&lapic->regs);

	lapic->vapic_tpr = word;
	/* If the memory is gone the guest does without the word. */
	mem_write(lapic->vcpu->vm, lapic->vapic_addr, &word, sizeof(word));
}

static void unshare_tpr(struct lapic *lapic)
{
	u32 word;

	if (mem_read(lapic->vcpu->vm, lapic->vapic_addr, &word, sizeof(word)))
		return;
	/* TPR itself the guest may have changed as well, by MOV CR8. */
	if ((u8)word != lapic->vapic_tpr)
		lapic_new_tpr(lapic, word & 0xff);
}

/*
 * Bit 0 of the word, for KVM and Hyper-V alike, says to the guest: clear me
 * instead of writing EOI, and the interrupt in service is ended. It is not
 * offered while another interrupt or an IOAPIC waits for that end. One that
 * arrives later makes an exit, and the bit is taken back. L2 is not offered it:
 * looking at the bit would cost its exits more than L1 gains.
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
	/* If the memory is gone the guest cannot have cleared the bit, and will write EOI. */
	if (mem_read(vcpu->vm, lapic->eoi_addr, &byte, sizeof(byte)))
		return;
	if (!(byte & KVM_PV_EOI_ENABLED)) {
		lapic_end_of_interrupt(lapic);
		return;
	}
	byte = KVM_PV_EOI_DISABLED;
	mem_write(vcpu->vm, lapic->eoi_addr, &byte, sizeof(byte));
}

/* If both MSRs name an address Hyper-V's is used, in whichever order they were set. */
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

/* The address must be writable RAM now; that it may go away later is provided for. */
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
 * Of Hyper-V's VP assist page only the first word is used, whose bit 0 is the
 * EOI's. It is cleared when a guest turns the page on, as the page may hold
 * anything. When userspace restores it (@host) the bit was taken back before
 * the state was saved.
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

bool lapic_shares_eoi(const struct vcpu *vcpu)
{
	return vcpu->lapic && vcpu->lapic->eoi_shared;
}

bool lapic_share_due(const struct vcpu *vcpu)
{
	return (vcpu->lapic_shares & LAPIC_SHARES_EOI) && !vcpu->lapic->eoi_shared &&
	       lapic_eoi_can_wait(&vcpu->lapic->regs) >= 0;
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

/* The word may cross a page boundary, so that both ends of it must be memory. */
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

/* One exit tells of one vector; if there are more the request is made again. */
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
