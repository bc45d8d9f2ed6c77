/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hyper-V's partition reference time as a function of the guest's TSC: pure logic.
 * It is kvmclock in units of 100 ns.
 */
#ifndef CPU_REF_CLOCK_H
#define CPU_REF_CLOCK_H

#include <vmx/types.h>

/* Time is (TSC * scale >> 64) + offset. */
struct ref_clock {
	u64 scale, offset;
};

/* When kvmclock was @ns, the guest's TSC was @tsc; or, with @wrapped, @tsc - 2^64. */
struct ref_point {
	u64 ns, tsc;
	bool wrapped;
};

/*
 * @shift, @mul: of pvclock_factors(), for the guest's TSC, so that both clocks
 * run alike but for what is rounded off once. Return: false: a TSC below 10
 * MHz, whose scale has more than 64 bits.
 */
bool ref_clock_init(struct ref_clock *clock, const struct ref_point *at, s8 shift, u32 mul);
u64 ref_clock_read(const struct ref_clock *clock, u64 tsc);

/* The sequence number after @sequence in a TSC page; 0 and all ones mean "not valid". */
u32 ref_clock_next_sequence(u32 sequence);

#endif
