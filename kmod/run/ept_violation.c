// SPDX-License-Identifier: GPL-2.0-only
/*
 * EPT violations of L1: it touched a guest-physical address that its EPT does not
 * map, or maps without the right to do so. Those of L2 are handled in nested/.
 */

#include <vmx/info.h>

#include "cpu/inject.h"
#include "cpu/vcpu.h"
#include "emulate/device.h"
#include "mem/ept.h"
#include "run/exits.h"

/* The address is memory that is not mapped yet, else a device's. Tour, stop 3. */
int exit_ept_violation(struct vcpu *vcpu)
{
	u64 qual = vcpu_exit_qual(vcpu);
	u64 gpa = vmread(VMCS_GUEST_PHYS_ADDR);
	int r;

	if (vcpu->at_once)
		return mmio_at_once(vcpu, gpa);
	/* IRET had unblocked NMIs before it faulted. It runs again, so they are blocked again. */
	if ((qual & EPTQ_NMI_UNBLOCK) && !(vcpu->idt_vectoring & INTR_VALID))
		inject_set_nmi_masked(vcpu, true);
	r = ept_violation_l1(vcpu, gpa, qual & EPTQ_WRITE);
	if (r)
		return r;
	return mmio_emulate(vcpu, gpa);
}
