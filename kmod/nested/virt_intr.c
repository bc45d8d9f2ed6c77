// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtual interrupts of L2 where the processor does not handle them: posted
 * ones, whose notification comes to L1's LAPIC and so to L0; and those that end
 * L2's HLT, which L0 executes. events.c comes here before each entry to L2.
 * Tour, stop 13.
 *
 * What a reader must know: virtual interrupts live on L1's virtual-APIC page
 * and in the guest interrupt status, which vmcs02 holds. While L2 does not run
 * only L0 changes them. SDM: "Posted-Interrupt Processing".
 */
#include "nested/internal.h"
#include "nested/vapic.h"
#include "pc/irqchip.h"

bool posted_notified(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vcpu->nested->v;

	return (v->pin_ctls & PIN_POSTED_INTR) && vcpu->nested->activity <= ACTIVITY_HLT &&
	       lapic_is_next(vcpu, v->posted_intr_vector);
}

/* Adds requests to the virtual IRR. While L2 does not run nobody else changes it. */
static void request_vectors(struct vcpu *vcpu, u8 first, u32 vectors)
{
	u64 at = vcpu->nested->v->virt_apic_addr + vapic_reg(VAPIC_IRR, first);
	u32 irr;

	if (!vectors || mem_read(vcpu->vm, at, &irr, sizeof(irr)))
		return;
	irr |= vectors;
	mem_write(vcpu->vm, at, &irr, sizeof(irr));
}

/*
 * Takes L1's notification and moves what was posted to the virtual IRR. A notification that comes
 * meanwhile is left for the next time: so a sender that never stops keeps the run loop turning,
 * which a signal ends, and not this function.
 */
void posted_process(struct vcpu *vcpu)
{
	u64 desc = vcpu->nested->v->posted_intr_desc, pir[PIR_WORDS] = {};
	int i;

	if (!posted_notified(vcpu))
		return;
	lapic_take_and_end(vcpu);
	mem_clear_bits(vcpu->vm, desc + POSTED_ON_OFFSET, POSTED_ON);
	for (i = 0; i < PIR_WORDS; i++) {
		if (mem_take(vcpu->vm, desc + i * sizeof(u64), &pir[i]))
			pir[i] = 0;
		request_vectors(vcpu, i * 64, pir[i]);
		request_vectors(vcpu, i * 64 + 32, pir[i] >> 32);
	}
	vmwrite(VMCS_GUEST_INTR_STATUS, vapic_request(pir, vmread(VMCS_GUEST_INTR_STATUS)));
}

/* Would L2 take a virtual interrupt if it had interrupts on? May sleep. */
bool virt_intr_pending(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vcpu->nested->v;
	u8 vtpr;

	/* With interrupt-window exiting the processor does not recognize virtual interrupts. */
	if (!(vmcs12_proc2(v) & PROC2_VIRT_INTR) || (v->proc_ctls & PROC_INT_WINDOW))
		return false;
	return !mem_read(vcpu->vm, v->virt_apic_addr + VAPIC_TPR, &vtpr, 1) &&
	       vapic_irq_pending(vtpr, vmread(VMCS_GUEST_INTR_STATUS));
}
