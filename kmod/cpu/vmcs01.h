/* SPDX-License-Identifier: GPL-2.0-only */
/* What L0 insists on while L1 runs. */
#ifndef CPU_VMCS01_H
#define CPU_VMCS01_H

#include <vmx/types.h>

struct vcpu;

/*
 * Fills vmcs01 of a loaded vCPU: host state, controls, tables. Guest state
 * comes with vcpu_reset().
 */
void vmcs01_setup(struct vcpu *vcpu);

/*
 * Writes the controls that follow from the vCPU's CPUID, debugging and
 * features. What changes from one entry to the next (windows) is kept. vCPU
 * loaded, whichever VMCS is current.
 */
void vmcs01_update_ctls(struct vcpu *vcpu);

/* The controls that vmcs01_update_ctls() writes, as values, for the merge into vmcs02. */
struct vmcs01_ctls {
	u32 ctl[6]; /* by enum vmcs_ctl */
};
void vmcs01_ctls(struct vcpu *vcpu, struct vmcs01_ctls *out);

#endif
