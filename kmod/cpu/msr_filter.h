/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM_X86_SET_MSR_FILTER: which MSRs userspace lets a guest access. A filter is
 * never changed, only replaced (vm->msr_filter, under RCU).
 */
#ifndef CPU_MSR_FILTER_H
#define CPU_MSR_FILTER_H

#include <vmx/types.h>

#define MSR_FILTER_RANGES 16
#define MSR_FILTER_READ 1u /* KVM_MSR_FILTER_READ and _WRITE */
#define MSR_FILTER_WRITE 2u

struct msr_filter_range {
	u32 access; /* which accesses the range is about: MSR_FILTER_READ, MSR_FILTER_WRITE */
	u32 first, count;
	const u8 *allowed; /* a bit for each MSR */
};

struct msr_filter {
	bool default_allow;
	int count;
	struct msr_filter_range range[MSR_FILTER_RANGES];
};

/* The first range that has @index for @access decides. The x2APIC's MSRs are never filtered. */
bool msr_filter_allows(const struct msr_filter *filter, u32 index, u32 access);

void msr_filter_free(struct msr_filter *filter); /* msrs.c; NULL is none */

#endif
