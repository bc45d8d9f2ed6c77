/* SPDX-License-Identifier: GPL-2.0-only */
/* An exception that L0 found while it acted for a guest, to be injected. */
#ifndef EMULATE_FAULT_H
#define EMULATE_FAULT_H

#include <vmx/info.h>
#include <vmx/types.h>

/* Bits of the page-fault error code. SDM: "Page-Fault Exceptions". */
#define PF_PRESENT BIT(0)
#define PF_WRITE BIT(1)
#define PF_USER BIT(2)
#define PF_RSVD BIT(3)
#define PF_FETCH BIT(4)
#define PF_PK BIT(5)

/* fault_inject() of gva.h gives it to the guest that runs. */
struct x86_fault {
	u8 vector;
	bool has_error;
	u32 error;
	u64 cr2; /* #PF only */
};

static inline void fault_set(struct x86_fault *fault, u8 vector, u32 error)
{
	*fault = (struct x86_fault){ .vector = vector, .has_error = true, .error = error };
}

static inline void fault_set_pf(struct x86_fault *fault, u64 linear, u32 error)
{
	fault_set(fault, VEC_PF, error);
	fault->cr2 = linear;
}

#endif
