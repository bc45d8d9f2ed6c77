/* SPDX-License-Identifier: GPL-2.0-only */
/* What VMX L1 is offered. Pure. */
#ifndef NESTED_CAPS_H
#define NESTED_CAPS_H

#include <vmx/caps.h>
#include <vmx/types.h>

/* Columns of <vmx/offer.def>. */
enum offer_word {
	OFFER_BASIC,
	OFFER_PIN,
	OFFER_PROC,
	OFFER_PROC2,
	OFFER_PROC3,
	OFFER_EXIT,
	OFFER_EXIT2,
	OFFER_ENTRY,
	OFFER_MISC,
	OFFER_EPT_VPID,
	OFFER_VMFUNC,
	NR_OFFER_WORDS,
};

enum offer_how {
	OFFER_NOT,
	OFFER_HAS,
	OFFER_OWN,
};

/* Fills @l1 with what a processor with the capabilities @cpu has and abyme implements for L1. */
void caps_offer(const struct vmx_caps *cpu, struct vmx_caps *l1);

/* The value of a capability MSR. False: it does not exist. */
bool caps_get(const struct vmx_caps *caps, u32 msr, u64 *value);

/*
 * Set a capability MSR from userspace (a restored or reduced machine).
 * @max: what caps_offer() gave; @value must not promise more.
 * Return: 0, -EINVAL.
 */
int caps_set(struct vmx_caps *caps, const struct vmx_caps *max, u32 msr, u64 value);

#endif
