// SPDX-License-Identifier: GPL-2.0-only
#include "guest/msr_filter.h"

#define X2APIC_FIRST 0x800
#define X2APIC_LAST 0x8ff

bool msr_filter_allows(const struct msr_filter *filter, u32 index, u32 access)
{
	const struct msr_filter_range *range = filter->range;
	int i;

	if (index >= X2APIC_FIRST && index <= X2APIC_LAST)
		return true;
	for (i = 0; i < filter->count; i++, range++) {
		u32 n = index - range->first;

		if ((range->access & access) && n < range->count)
			return range->allowed[n / 8] & 1u << n % 8;
	}
	return filter->default_allow;
}
