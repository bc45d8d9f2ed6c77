// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hyper-V's partition reference time as a function of the guest's TSC. Pure
 * logic that compiles in userspace; hyperv.c calls it with kvmclock's values.
 */
#include "cpu/ref_clock.h"

#define NS_IN_UNIT 100

static u64 ticks_to_units(u64 ticks, u64 scale)
{
	return mul_u64_u64_shr(ticks, scale, 64);
}

/*
 * Nanoseconds are ticks * mul * 2^(shift - 32), and time is in units of 100 ns
 * with 64 binary places: so the scale is mul * 2^(32 + shift) / 100. Quotient and
 * remainder of mul / 100 are shifted separately, so that everything fits into 64 bits.
 */
static bool scale_of(s8 shift, u32 mul, u64 *scale)
{
	u32 rest, bits = 32 + shift;
	u64 whole = mul / NS_IN_UNIT;

	rest = mul % NS_IN_UNIT;
	if (!bits || bits > 56 || whole >> (64 - bits))
		return false;
	*scale = (whole << bits) + div_u64((u64)rest << bits, NS_IN_UNIT);
	return true;
}

/*
 * Everything is modulo 2^64, as the guest computes it, so that a TSC which has
 * wrapped since gives the right time as well.
 */
bool ref_clock_init(struct ref_clock *clock, const struct ref_point *at, s8 shift, u32 mul)
{
	u64 units = div_u64(at->ns, NS_IN_UNIT), scale;

	if (!scale_of(shift, mul, &scale))
		return false;
	clock->scale = scale;
	if (at->wrapped)
		clock->offset = units + ticks_to_units(-at->tsc, scale);
	else
		clock->offset = units - ticks_to_units(at->tsc, scale);
	return true;
}

u64 ref_clock_read(const struct ref_clock *clock, u64 tsc)
{
	return ticks_to_units(tsc, clock->scale) + clock->offset;
}

u32 ref_clock_next_sequence(u32 sequence)
{
	sequence++;
	return sequence == 0 || sequence == 0xffffffff ? 1 : sequence;
}
