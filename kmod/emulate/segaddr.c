// SPDX-License-Identifier: GPL-2.0-only
/*
 * From segment and offset to a linear address, with the processor's checks.
 * Pure logic: gva.c fills in the segment register from the VMCS.
 */
#include "cpu/cr_checks.h"
#include "emulate/segaddr.h"

#define TYPE_CODE BIT(3)
#define TYPE_EXPAND_DOWN BIT(2) /* of data segments */
#define TYPE_WRITABLE BIT(1)	/* of data segments; readable, of code */

static int segaddr_refuse(const struct segaddr *s, struct x86_fault *fault)
{
	fault_set(fault, s->seg == SEG_SS ? VEC_SS : VEC_GP, 0);
	return -EFAULT;
}

/* Code is never written, and read only if its type says so. */
static bool type_allows(const struct segaddr *s, bool write, bool fetch)
{
	if (fetch)
		return true; /* loading CS has made sure that it is a code segment */
	if (s->type & TYPE_CODE)
		return !write && s->type & TYPE_WRITABLE;
	return !write || s->type & TYPE_WRITABLE;
}

/* An expand-down segment holds what is above its limit. */
static bool within_limit(const struct segaddr *s, u64 first, u64 last)
{
	if ((s->type & (TYPE_CODE | TYPE_EXPAND_DOWN)) == TYPE_EXPAND_DOWN)
		return first > s->limit && last <= (s->big ? 0xffffffff : 0xffff);
	return last <= s->limit;
}

/* In 64-bit mode first and last byte must be canonical, and nothing else is checked. */
static int linear_64(const struct segaddr *s, u64 offset, u32 size, u64 *linear,
		     struct x86_fault *fault)
{
	u64 base = s->seg == SEG_FS || s->seg == SEG_GS ? s->base : 0;

	*linear = base + offset;
	if (!address_canonical(*linear, false) || !address_canonical(*linear + size - 1, false))
		return segaddr_refuse(s, fault);
	return 0;
}

int segaddr_linear(const struct segaddr *s, u64 offset, u32 size, bool write, bool fetch,
		   u64 *linear, struct x86_fault *fault)
{
	if (s->mode_64)
		return linear_64(s, offset, size, linear, fault);
	offset = (u32)offset;
	if (s->unusable || (s->protected_mode && !type_allows(s, write, fetch)))
		return segaddr_refuse(s, fault);
	if (!within_limit(s, offset, offset + size - 1))
		return segaddr_refuse(s, fault);
	*linear = (u32)(s->base + offset);
	return 0;
}
