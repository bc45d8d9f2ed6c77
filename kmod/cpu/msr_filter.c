// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_X86_SET_MSR_FILTER: is an MSR allowed? Pure logic that compiles in
 * userspace; msrs.c asks it.
 */
#include "cpu/msr_filter.h"

#define X2APIC_FIRST 0x800
#define X2APIC_LAST 0x8ff

bool msr_filter_allows(const struct msr_filter *filter, u32 index, u32 access)
{
	const struct msr_filter_range *range = filter->range;
	int i;

	if (index >= X2APIC_FIRST && index <= X2APIC_LAST)
		return true;
	for (i = 0; i < filter->count; i++, range++) {
		/* A range that ends at 2^32 or beyond wraps, and then has no MSR, as in KVM. */
		u32 n = index - range->first, end = range->first + range->count;

		if ((range->access & access) && index >= range->first && index < end)
			return range->allowed[n / 8] & 1u << n % 8;
	}
	return filter->default_allow;
}
