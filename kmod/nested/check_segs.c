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
	case 3:
		return dpl == 0;
	case 9:
	case 11: /* non-conforming */
		return dpl == ss;
	default: /* conforming */
		return dpl <= ss;
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

#define SEGS "Checks on Guest Segment Registers"

#define VM86_ROW(C, S, s) \
C(vm86_##s, GUEST_##S##_SEL, SEGS, \
  "in virtual-8086 mode " #S " must have its base at 16 times the selector, limit 0xffff, access rights 0xf3", \
  !vm86(v) || vm86_valid(v->guest_##s##_sel, v->guest_##s##_base, v->guest_##s##_limit, \
			 v->guest_##s##_ar))

#define DATA_ROWS(C, S, s) \
C(s##_type, GUEST_##S##_AR, SEGS, \
  #S " is usable, and its type is not accessed, or is code that cannot be read", \
  vm86(v) || !usable(v->guest_##s##_ar) || data_type_valid(v->guest_##s##_ar)) \
C(s##_dpl, GUEST_##S##_AR, SEGS, \
  #S " is usable, and its DPL is below the selector's RPL", \
  vm86(v) || !usable(v->guest_##s##_ar) || \
  data_dpl_valid(v, v->guest_##s##_sel, v->guest_##s##_ar)) \
C(s##_rights, GUEST_##S##_AR, SEGS, \
  #S " is usable, and its S or P is 0, reserved bits are set, or G does not fit the limit", \
  vm86(v) || !usable(v->guest_##s##_ar) || \
  seg_common_valid(v->guest_##s##_ar, v->guest_##s##_limit))

#define BASE_ROWS(C) \
C(ss_base, GUEST_SS_BASE, SEGS, "SS is usable, and bits 63:32 of its base are not 0", \
  !usable(v->guest_ss_ar) || !(v->guest_ss_base >> 32)) \
C(ds_base, GUEST_DS_BASE, SEGS, "DS is usable, and bits 63:32 of its base are not 0", \
  !usable(v->guest_ds_ar) || !(v->guest_ds_base >> 32)) \
C(es_base, GUEST_ES_BASE, SEGS, "ES is usable, and bits 63:32 of its base are not 0", \
  !usable(v->guest_es_ar) || !(v->guest_es_base >> 32)) \
C(cs_base, GUEST_CS_BASE, SEGS, "bits 63:32 of the base of CS are not 0", \
  !(v->guest_cs_base >> 32)) \
C(fs_base, GUEST_FS_BASE, SEGS, "the base of FS is not canonical", canonical(v->guest_fs_base)) \
C(gs_base, GUEST_GS_BASE, SEGS, "the base of GS is not canonical", canonical(v->guest_gs_base)) \
C(tr_base, GUEST_TR_BASE, SEGS, "the base of TR is not canonical", canonical(v->guest_tr_base)) \
C(ldtr_base, GUEST_LDTR_BASE, SEGS, "LDTR is usable, and its base is not canonical", \
  !usable(v->guest_ldtr_ar) || canonical(v->guest_ldtr_base))

#define SEGMENT_CHECKS(C) \
C(tr_ti, GUEST_TR_SEL, SEGS, "TI is 1 in the selector of TR", !(v->guest_tr_sel & 4)) \
C(ldtr_ti, GUEST_LDTR_SEL, SEGS, "LDTR is usable, and TI is 1 in its selector", \
  !usable(v->guest_ldtr_ar) || !(v->guest_ldtr_sel & 4)) \
C(ss_rpl, GUEST_SS_SEL, SEGS, "the RPL of SS differs from that of CS", \
  vm86(v) || unrestricted(v) || rpl(v->guest_ss_sel) == rpl(v->guest_cs_sel)) \
BASE_ROWS(C) \
VM86_ROW(C, CS, cs) VM86_ROW(C, SS, ss) VM86_ROW(C, DS, ds) \
VM86_ROW(C, ES, es) VM86_ROW(C, FS, fs) VM86_ROW(C, GS, gs) \
C(cs_type, GUEST_CS_AR, SEGS, \
  "the type of CS is not accessed code (nor 3 for an unrestricted guest)", \
  vm86(v) || cs_type_valid(v)) \
C(cs_dpl, GUEST_CS_AR, SEGS, "the DPL of CS does not fit its type and the DPL of SS", \
  vm86(v) || cs_dpl_valid(v)) \
C(cs_rights, GUEST_CS_AR, SEGS, \
  "CS has S or P 0, reserved bits set, or G does not fit the limit", \
  vm86(v) || seg_common_valid(v->guest_cs_ar, v->guest_cs_limit)) \
C(cs_long, GUEST_CS_AR, SEGS, "in IA-32e mode CS has both L and D/B set", \
  vm86(v) || !guest_64(v) || !(v->guest_cs_ar & AR_L) || !(v->guest_cs_ar & AR_DB)) \
C(ss_type, GUEST_SS_AR, SEGS, "SS is usable, and its type is neither 3 nor 7", \
  vm86(v) || !usable(v->guest_ss_ar) || (ar_type(v->guest_ss_ar) & 0xb) == 3) \
C(ss_dpl, GUEST_SS_AR, SEGS, \
  "the DPL of SS differs from its RPL, or is not 0 in real mode or with CS of type 3", \
  vm86(v) || ss_dpl_valid(v)) \
C(ss_rights, GUEST_SS_AR, SEGS, \
  "SS is usable, and its S or P is 0, reserved bits are set, or G does not fit the limit", \
  vm86(v) || !usable(v->guest_ss_ar) || seg_common_valid(v->guest_ss_ar, v->guest_ss_limit)) \
DATA_ROWS(C, DS, ds) DATA_ROWS(C, ES, es) DATA_ROWS(C, FS, fs) DATA_ROWS(C, GS, gs) \
C(tr_type, GUEST_TR_AR, SEGS, \
  "the type of TR is not a busy TSS of the guest's mode", tr_type_valid(v)) \
C(tr_usable, GUEST_TR_AR, SEGS, "TR is unusable", usable(v->guest_tr_ar)) \
C(tr_rights, GUEST_TR_AR, SEGS, \
  "TR has S 1, P 0, reserved bits set, or G does not fit the limit", \
  system_valid(v->guest_tr_ar & ~(u32)AR_UNUSABLE, v->guest_tr_limit)) \
C(ldtr_type, GUEST_LDTR_AR, SEGS, "LDTR is usable, and its type is not 2", \
  !usable(v->guest_ldtr_ar) || ar_type(v->guest_ldtr_ar) == 2) \
C(ldtr_rights, GUEST_LDTR_AR, SEGS, \
  "LDTR is usable, and has S 1, P 0, reserved bits set, or G does not fit the limit", \
  !usable(v->guest_ldtr_ar) || system_valid(v->guest_ldtr_ar, v->guest_ldtr_limit))

enum { SEGMENT_CHECKS(CHECK_ENUM) };
static const struct check checks[] = { SEGMENT_CHECKS(CHECK_DESC) };

DEFINE_CHECK(check_guest_segments, SEGMENT_CHECKS)
