// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks on L2's segment registers. A failure is a VM exit with reason 33.
 * SDM: "Checks on Guest Segment Registers".
 */
#include "nested/check_common.h"

static bool guest_64(const struct vmcs12 *v)
{
	return has_entry(v, ENTRYC_GUEST_64);
}

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

static bool vm86_valid(u16 sel, u64 base, u32 limit, u32 ar)
{
	return base == (u64)sel << 4 && limit == 0xffff && ar == 0xf3;
}

/* G may be 1 only if the limit's low bits are all ones, and must if it has high ones. */
static bool granularity_valid(u32 ar, u32 limit)
{
	if (ar & AR_G)
		return (limit & 0xfff) == 0xfff;
	return !(limit >> 20);
}

/* What holds for each of CS to GS that is usable, outside virtual-8086 mode. */
static bool seg_common_valid(u32 ar, u32 limit)
{
	return (ar & AR_S) && (ar & AR_P) && !(ar & AR_RESERVED) && granularity_valid(ar, limit);
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

static bool ss_dpl_valid(const struct vmcs12 *v)
{
	u32 dpl = ar_dpl(v->guest_ss_ar);

	if (!unrestricted(v) && dpl != rpl(v->guest_ss_sel))
		return false;
	return !dpl || (ar_type(v->guest_cs_ar) != 3 && (v->guest_cr0 & CR0_PE));
}

/* Accessed, and readable if it is code. */
static bool data_type_valid(u32 ar)
{
	return (ar & 1) && (!(ar & 8) || (ar & 2));
}

/* Data and non-conforming code are not more privileged than the selector asks. */
static bool data_dpl_valid(const struct vmcs12 *v, u16 sel, u32 ar)
{
	return unrestricted(v) || ar_type(ar) > 11 || ar_dpl(ar) >= rpl(sel);
}

static bool tr_type_valid(const struct vmcs12 *v)
{
	u32 type = ar_type(v->guest_tr_ar);

	return type == 11 || (type == 3 && !guest_64(v));
}

/* A system segment: S 0, present, no reserved bits, granularity. */
static bool system_valid(u32 ar, u32 limit)
{
	return !(ar & AR_S) && (ar & AR_P) && !(ar & AR_RESERVED) && granularity_valid(ar, limit);
}

#define C CHECK_ENUM
enum {
#include "nested/checks/guest_segs.def"
};
#undef C

#define C CHECK_DESC
static const struct check checks[] = {
#include "nested/checks/guest_segs.def"
};
#undef C

#define C CHECK_EVAL
const struct check *check_guest_segments(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

#include "nested/checks/guest_segs.def"
	return NULL;
}
#undef C
