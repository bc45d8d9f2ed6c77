/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmcs02's controls: what L1 asks for in vmcs12, merged with what L0 insists
 * on in vmcs01. Pure.
 */
#ifndef NESTED_MERGE_H
#define NESTED_MERGE_H

#include <vmx/types.h>

#include "nested/vmcs12.h"

/* What vmcs01 has and must hold for L2 as well. */
struct merge_l0 {
	u32 pin, proc, proc2, exit, entry; /* vmcs01's controls */
	u32 exceptions;			   /* vectors that L0 intercepts */
};

struct merged {
	u32 pin, proc, proc2, exit, entry;
	u32 exceptions;
	u32 tpr_threshold;
};

/* Merges the controls. Needed when L1 has written one, or vmcs01's have changed. */
void merge_controls(const struct vmcs12 *v, const struct merge_l0 *l0, struct merged *m);

#endif
