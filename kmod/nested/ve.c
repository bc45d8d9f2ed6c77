// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPT violations of L2 that become exceptions for it. ept02.c comes here before
 * it gives L1 an exit. Tour, stop 12.
 * SDM: "Virtualization Exceptions".
 */
#include "cpu/inject.h"
#include "nested/internal.h"

/* The area to which the processor writes. SDM: "Virtualization-Exception Information". */
struct ve_info {
	u32 reason;
	u32 busy; /* all ones until L2 clears it: no other #VE meanwhile */
	u64 qual, gla, gpa;
	u16 eptp_index;
} __packed;

/* Can L2 take a #VE now? ept02.c asks about bit 63. SDM: "Convertible EPT Violations". */
static bool can_raise(struct vcpu *vcpu)
{
	const struct vmcs12 *v = vcpu->nested->v;
	u32 busy;

	if (!(vcpu_cr0(vcpu) & X86_CR0_PE) || (vcpu->idt_vectoring & INTR_VALID))
		return false;
	return !mem_read(vcpu->vm, v->ve_info_addr + offsetof(struct ve_info, busy), &busy,
			 sizeof(busy)) &&
	       !busy;
}

bool ve_raise_wanted(struct vcpu *vcpu, const struct l2_exit *violation)
{
	const struct vmcs12 *v = vcpu->nested->v;
	struct ve_info info = {
		.reason = violation->reason,
		.busy = ~0u,
		.qual = violation->qual,
		.gla = violation->gla,
		.gpa = violation->gpa,
		.eptp_index = v->eptp_index,
	};

	if (!can_raise(vcpu) || mem_write(vcpu->vm, v->ve_info_addr, &info, sizeof(info)))
		return false;
	inject_exception(vcpu, VEC_VE);
	return true;
}
