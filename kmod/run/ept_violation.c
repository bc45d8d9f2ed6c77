// SPDX-License-Identifier: GPL-2.0-only
/*
 * L1 touched a guest-physical address that its EPT does not map, or not with
 * that right. While L2 runs nested/ has these exits.
 */

#include <vmx/info.h>

#include "cpu/inject.h"
#include "cpu/vcpu.h"
#include "emulate/device.h"
#include "mem/ept.h"
#include "run/exits.h"

/* Tour, stop 3. First memory is tried, then a device. */
int exit_ept_violation(struct vcpu *vcpu)
{
	u64 qual = vcpu_exit_qual(vcpu);
	u64 gpa = vmread(VMCS_GUEST_PHYS_ADDR);
	int r;

	if (vcpu->at_once)
		return mmio_at_once(vcpu, gpa);
	/* IRET had unblocked NMIs already when its instruction fetch or stack access faulted. */
	if ((qual & EPTQ_NMI_UNBLOCK) && !(vcpu->idt_vectoring & INTR_VALID))
		inject_set_nmi_masked(vcpu, true);
	r = ept_violation_l1(vcpu, gpa, qual & EPTQ_WRITE);
	if (r)
		return r;
	return mmio_emulate(vcpu, gpa);
}
