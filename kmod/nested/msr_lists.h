/* SPDX-License-Identifier: GPL-2.0-only */
/* MSR-load and MSR-store areas of vmcs12: which entries are allowed. Pure. */
#ifndef NESTED_MSR_LISTS_H
#define NESTED_MSR_LISTS_H

#include <vmx/types.h>

#include "nested/check/check.h"

/* SDM: "VM-Exit Controls for MSRs". */
struct msr_list_entry {
	u32 index;
	u32 reserved;
	u64 value;
};

/*
 * How many entries are processed at most: IA32_VMX_MISC recommends 512 and
 * says that more has undefined results, so more is a failure at entry 513.
 */
#define MSR_LIST_MAX 512u

/* An entry that is being processed. */
struct msr_ctx {
	u32 number;    /* from 1 */
	bool x2apic;   /* L1's local APIC is in x2APIC mode */
	bool readable; /* .e was read from L1's memory, or written there */
	bool refused;  /* reading or writing the MSR raised #GP */
	struct msr_list_entry e;
};

/*
 * Return: the first rule that an entry of a load area (of VM entry and VM exit alike) or of a
 * store area breaks, or NULL. To be called before the access to the MSR, and again after it with
 * .refused set if it raised #GP.
 */
const struct check *check_msr_load(const struct msr_ctx *c);
const struct check *check_msr_store(const struct msr_ctx *c);

#endif
