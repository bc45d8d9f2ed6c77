// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks on L2's segment registers: the rows of guest_segs.def. A
 * failure is a VM exit with reason 33. Here are the predicates that are too
 * long for a row. Tour, stop 10. SDM: "Checks on Guest Segment Registers".
 */
#include "nested/check/common.h"

#define AR_VM86 0xf3 /* access rights of every segment in virtual-8086 mode */

static bool vm86(const struct vmcs12 *v)
{
	return v->guest_rflags & RFLAGS_VM;
}

static bool unrestricted(const struct vmcs12 *v)
{
	return has_proc2(v, PROC2_UNRESTRICTED);
}

static bool usable(u32 ar)
{
	return !(ar & AR_UNUSABLE);
}

static u32 ar_type(u32 ar)
{
	return ar & AR_TYPE;
}

static u32 rpl(u16 sel)
{
	return sel & 3;
}

/* G may be 1 only if the limit's low bits are all ones, and must if it has high ones. */
static bool granularity_valid(u32 ar, u32 limit)
{
	if (ar & AR_G)
		return (limit & 0xfff) == 0xfff;
	return !(limit >> 20);
}

static bool cs_type_valid(const struct vmcs12 *v)
{
	u32 type = ar_type(v->guest_cs_ar);

	return (type & 9) == 9 || (type == 3 && unrestricted(v));
}

static bool cs_dpl_valid(const struct vmcs12 *v)
{
	u32 dpl = ar_dpl(v->guest_cs_ar), ss = ar_dpl(v->guest_ss_ar);

	switch (ar_type(v->guest_cs_ar)) {
	case 3: return dpl == 0;
	case 9:
	case 11: /* non-conforming */ return dpl == ss;
	default: /* conforming */ return dpl <= ss;
	}
}

static bool ss_dpl_may_be_set(const struct vmcs12 *v)
{
	return ar_type(v->guest_cs_ar) != 3 && (v->guest_cr0 & CR0_PE);
}

/* A segment of data has its accessed bit set, and is readable if it is code. */
static bool data_type_valid(u32 ar)
{
	return (ar & 1) && (!(ar & 8) || (ar & 2));
}

/* Data and non-conforming code must not be more privileged than the selector's RPL. */
static bool data_dpl_valid(const struct vmcs12 *v, u16 sel, u32 ar)
{
	return unrestricted(v) || ar_type(ar) > 11 || ar_dpl(ar) >= rpl(sel);
}

static bool tr_type_valid(const struct vmcs12 *v)
{
	u32 type = ar_type(v->guest_tr_ar);

	return type == 11 || (type == 3 && !guest_64(v));
}

const struct check *check_guest_segments(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

#include "nested/check/guest_segs.def"
	return NULL;
}
