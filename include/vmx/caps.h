/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What VMX a processor offers: a copy of the VMX capability MSRs, of the
 * processor under abyme or of the virtual one that L1 sees.
 * SDM: "VMX Capability Reporting Facility".
 */
#ifndef VMX_CAPS_H
#define VMX_CAPS_H

#include <vmx/types.h>

/* One control field: a bit may be 1 only if in @may, must be 1 if in @must. */
struct vmx_ctl_caps {
	u32 must; /* low half of the capability MSR */
	u32 may;  /* high half */
};

struct vmx_caps {
	u64 basic;
	struct vmx_ctl_caps pin; /* these from the TRUE MSRs */
	struct vmx_ctl_caps proc;
	struct vmx_ctl_caps proc2; /* all 0 without secondary controls */
	u64 proc3;		   /* may be 1; 0 without tertiary controls */
	struct vmx_ctl_caps exit;
	u64 exit2; /* may be 1; 0 without secondary VM-exit controls */
	struct vmx_ctl_caps entry;
	u64 misc;
	u64 cr0_fixed0;
	u64 cr0_fixed1;
	u64 cr4_fixed0;
	u64 cr4_fixed1;
	u64 vmcs_enum;
	u64 ept_vpid;
	u64 vmfunc;
};

/* Whether each bit of @bits may be set. */
static inline bool ctl_may(struct vmx_ctl_caps c, u32 bits)
{
	return (c.may & bits) == bits;
}

/* Whether @v is a value that the field can have. */
static inline bool ctl_valid(struct vmx_ctl_caps c, u32 v)
{
	return !(v & ~c.may) && !(c.must & ~v);
}

/* The nearest allowed value to @want: must-be-1 bits added, others dropped. */
static inline u32 ctl_adjust(struct vmx_ctl_caps c, u32 want)
{
	return (want & c.may) | c.must;
}

static inline struct vmx_ctl_caps ctl_from_msr(u64 msr)
{
	return (struct vmx_ctl_caps){ .must = (u32)msr, .may = msr >> 32 };
}

static inline u64 ctl_to_msr(struct vmx_ctl_caps c)
{
	return (u64)c.may << 32 | c.must;
}

/* MSR numbers */
#define VMX_MSR_FEATURE_CONTROL 0x3a
#define VMX_MSR_BASIC 0x480
#define VMX_MSR_PIN 0x481
#define VMX_MSR_PROC 0x482
#define VMX_MSR_EXIT 0x483
#define VMX_MSR_ENTRY 0x484
#define VMX_MSR_MISC 0x485
#define VMX_MSR_CR0_FIXED0 0x486
#define VMX_MSR_CR0_FIXED1 0x487
#define VMX_MSR_CR4_FIXED0 0x488
#define VMX_MSR_CR4_FIXED1 0x489
#define VMX_MSR_VMCS_ENUM 0x48a
#define VMX_MSR_PROC2 0x48b
#define VMX_MSR_EPT_VPID 0x48c
#define VMX_MSR_TRUE_PIN 0x48d
#define VMX_MSR_TRUE_PROC 0x48e
#define VMX_MSR_TRUE_EXIT 0x48f
#define VMX_MSR_TRUE_ENTRY 0x490
#define VMX_MSR_VMFUNC 0x491
#define VMX_MSR_PROC3 0x492
#define VMX_MSR_EXIT2 0x493

/* IA32_FEATURE_CONTROL */
#define FEATCTL_LOCKED BIT_ULL(0)
#define FEATCTL_VMX_IN_SMX BIT_ULL(1)
#define FEATCTL_VMX BIT_ULL(2)

/* IA32_VMX_BASIC */
#define BASIC_REVISION GENMASK_ULL(30, 0)
#define BASIC_SIZE_SHIFT 32
#define BASIC_SIZE GENMASK_ULL(44, 32)
#define BASIC_32BIT_ADDR BIT_ULL(48)
#define BASIC_DUAL_MONITOR BIT_ULL(49)
#define BASIC_MEMTYPE_SHIFT 50
#define BASIC_MEMTYPE GENMASK_ULL(53, 50)
#define BASIC_INS_OUTS BIT_ULL(54)
#define BASIC_TRUE_CTLS BIT_ULL(55)
#define BASIC_NO_ERROR_CODE BIT_ULL(56) /* hardware exceptions need no code */

/* IA32_VMX_MISC */
#define MISC_PREEMPT_RATE GENMASK_ULL(4, 0) /* timer ticks at TSC >> this */
#define MISC_SAVE_EFER_LMA BIT_ULL(5)
#define MISC_ACTIVITY_HLT BIT_ULL(6)
#define MISC_ACTIVITY_SHUTDOWN BIT_ULL(7)
#define MISC_ACTIVITY_SIPI BIT_ULL(8)
#define MISC_PT_IN_VMX BIT_ULL(14)
#define MISC_CR3_TARGETS_SHIFT 16
#define MISC_CR3_TARGETS GENMASK_ULL(24, 16)
#define MISC_MSR_LIST_SHIFT 25
#define MISC_MSR_LIST GENMASK_ULL(27, 25) /* 512 * (n + 1) entries */
#define MISC_VMWRITE_ANY BIT_ULL(29)
#define MISC_ZERO_INSN_LEN BIT_ULL(30)

/* IA32_VMX_EPT_VPID_CAP */
#define EPTCAP_EXEC_ONLY BIT_ULL(0)
#define EPTCAP_WALK_4 BIT_ULL(6)
#define EPTCAP_WALK_5 BIT_ULL(7)
#define EPTCAP_UC BIT_ULL(8)
#define EPTCAP_WB BIT_ULL(14)
#define EPTCAP_2M BIT_ULL(16)
#define EPTCAP_1G BIT_ULL(17)
#define EPTCAP_INVEPT BIT_ULL(20)
#define EPTCAP_AD BIT_ULL(21)
#define EPTCAP_EXIT_INFO BIT_ULL(22) /* advanced exit information */
#define EPTCAP_SHADOW_STACKS BIT_ULL(23)
#define EPTCAP_INVEPT_SINGLE BIT_ULL(25)
#define EPTCAP_INVEPT_ALL BIT_ULL(26)
#define EPTCAP_INVVPID BIT_ULL(32)
#define EPTCAP_INVVPID_ADDR BIT_ULL(40)
#define EPTCAP_INVVPID_SINGLE BIT_ULL(41)
#define EPTCAP_INVVPID_ALL BIT_ULL(42)
#define EPTCAP_INVVPID_NON_GLOBAL BIT_ULL(43)

#endif
