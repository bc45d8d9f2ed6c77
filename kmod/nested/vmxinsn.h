/* SPDX-License-Identifier: GPL-2.0-only */
/* How a VMX instruction of L1 ends. SDM: "Conventions" of the VMX instructions. */
#ifndef NESTED_VMXINSN_H
#define NESTED_VMXINSN_H

#include "nested/check/check.h"

enum vmx_outcome_kind {
	VMX_SUCCEED,
	VMX_FAIL, /* VMfailValid with .value, or VMfailInvalid without a current VMCS */
	VMX_FAIL_INVALID,
	VMX_LEFT, /* RIP and RFLAGS stay; .value is the exit handler's answer */
};

struct vmx_outcome {
	enum vmx_outcome_kind kind;
	int value;
	const struct check *check; /* the rule that was broken, or NULL */
	u64 shown;		   /* the value that the report shows with .check */
};

#endif
