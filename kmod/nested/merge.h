/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmcs02's controls: what L1 asks for in vmcs12, merged with what L0 insists
 * on in vmcs01. Pure.
 */
#ifndef NESTED_MERGE_H
#define NESTED_MERGE_H

#include <vmx/controls.h>
#include <vmx/types.h>

#include "nested/vmcs12.h"

struct merged {
	u32 ctl[NR_VMCS_CTLS];
	u32 tpr_threshold;
};

/*
 * Merges the controls; @l0: vmcs01's, by enum vmcs_ctl. Needed when L1 has written one, or vmcs01's
 * have changed.
 */
void merge_controls(const struct vmcs12 *v, const u32 *l0, struct merged *m);

#endif
