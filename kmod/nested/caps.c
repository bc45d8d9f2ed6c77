// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX capability MSRs that L1 sees: the intersection of what the
 * processor has and of what abyme does for L1.
 */
#include <vmx/controls.h>

#include "nested/caps.h"
#include "nested/vmcs12.h"

#define OFFER_PIN (PIN_EXT_INT_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS | PIN_PREEMPT_TIMER)

#define OFFER_PROC                                                                              \
	(PROC_INT_WINDOW | PROC_TSC_OFFSET | PROC_HLT | PROC_INVLPG | PROC_MWAIT | PROC_RDPMC | \
	 PROC_RDTSC | PROC_CR3_LOAD | PROC_CR3_STORE | PROC_CR8_LOAD | PROC_CR8_STORE |         \
	 PROC_TPR_SHADOW | PROC_NMI_WINDOW | PROC_MOV_DR | PROC_UNCOND_IO | PROC_IO_BITMAPS |   \
	 PROC_MTF | PROC_MSR_BITMAPS | PROC_MONITOR | PROC_PAUSE | PROC_SECONDARY)

#define OFFER_PROC2                                                                         \
	(PROC2_APIC_ACCESS | PROC2_EPT | PROC2_DESC_TABLE | PROC2_RDTSCP | PROC2_X2APIC |   \
	 PROC2_VPID | PROC2_WBINVD | PROC2_UNRESTRICTED | PROC2_PAUSE_LOOP | PROC2_RDRAND | \
	 PROC2_INVPCID | PROC2_RDSEED | PROC2_XSAVES)

#define OFFER_EXIT                                                                            \
	(EXITC_SAVE_DEBUG | EXITC_HOST_64 | EXITC_ACK_INT | EXITC_SAVE_PAT | EXITC_LOAD_PAT | \
	 EXITC_SAVE_EFER | EXITC_LOAD_EFER | EXITC_SAVE_PREEMPT_TIMER)

#define OFFER_ENTRY (ENTRYC_LOAD_DEBUG | ENTRYC_GUEST_64 | ENTRYC_LOAD_PAT | ENTRYC_LOAD_EFER)

#define OFFER_MISC                                                                             \
	(MISC_PREEMPT_RATE | MISC_SAVE_EFER_LMA | MISC_ACTIVITY_HLT | MISC_ACTIVITY_SHUTDOWN | \
	 MISC_ACTIVITY_SIPI | MISC_CR3_TARGETS | MISC_VMWRITE_ANY | MISC_ZERO_INSN_LEN)

#define OFFER_EPT_VPID                                                                             \
	(EPTCAP_EXEC_ONLY | EPTCAP_WALK_4 | EPTCAP_UC | EPTCAP_WB | EPTCAP_2M | EPTCAP_1G |        \
	 EPTCAP_INVEPT | EPTCAP_AD | EPTCAP_EXIT_INFO | EPTCAP_INVEPT_SINGLE | EPTCAP_INVEPT_ALL | \
	 EPTCAP_INVVPID | EPTCAP_INVVPID_ADDR | EPTCAP_INVVPID_SINGLE | EPTCAP_INVVPID_ALL |       \
	 EPTCAP_INVVPID_NON_GLOBAL)

#define OFFER_BASIC (BASIC_INS_OUTS | BASIC_NO_ERROR_CODE)

/* What the walker of EPT12 and the emulation do whatever the processor has. */
#define OWN_MISC (MISC_VMWRITE_ANY | MISC_ACTIVITY_SHUTDOWN | MISC_ACTIVITY_SIPI)
#define OWN_EPT (EPTCAP_1G | EPTCAP_INVVPID_ADDR | EPTCAP_INVVPID_NON_GLOBAL)

/* The reserved bits that the processor wants 1 stay so; they mean nothing. */
static struct vmx_ctl_caps offer_ctl(struct vmx_ctl_caps cpu, u32 offer)
{
	return (struct vmx_ctl_caps){ .must = cpu.must, .may = (cpu.may & offer) | cpu.must };
}

static u64 offer_basic(const struct vmx_caps *cpu)
{
	return VMCS12_REVISION | (u64)VMCS12_SIZE << BASIC_SIZE_SHIFT |
	       (u64)EPTP_MEMTYPE_WB << BASIC_MEMTYPE_SHIFT | BASIC_TRUE_CTLS |
	       (cpu->basic & OFFER_BASIC);
}

void caps_offer(const struct vmx_caps *cpu, struct vmx_caps *l1)
{
	struct vmcs12_fieldset set;

	*l1 = *cpu;
	l1->basic = offer_basic(cpu);
	l1->pin = offer_ctl(cpu->pin, OFFER_PIN);
	l1->proc = offer_ctl(cpu->proc, OFFER_PROC);
	l1->proc2 = offer_ctl(cpu->proc2, OFFER_PROC2);
	l1->exit = offer_ctl(cpu->exit, OFFER_EXIT);
	l1->entry = offer_ctl(cpu->entry, OFFER_ENTRY);
	if (!ctl_may(l1->pin, PIN_PREEMPT_TIMER))
		l1->exit.may &= ~(u32)EXITC_SAVE_PREEMPT_TIMER;
	l1->misc = (cpu->misc | OWN_MISC) & OFFER_MISC;
	l1->ept_vpid = (cpu->ept_vpid | OWN_EPT) & OFFER_EPT_VPID;
	l1->vmfunc = 0;
	vmcs12_fields_of(l1, &set);
	l1->vmcs_enum = vmcs12_enum(&set);
}

/* The older MSRs: what the TRUE ones say, and all default-1 bits must be 1. */
static u64 plain_ctl(struct vmx_ctl_caps c, u32 default1)
{
	c.must |= default1;
	c.may |= default1;
	return ctl_to_msr(c);
}

/* How an MSR is kept, and how a value from userspace is judged. */
enum cap_kind {
	CAP_CTL,    /* must and may: no bit may be gained, no must lost */
	CAP_PLAIN,  /* the older form of a TRUE MSR: read-only, derived */
	CAP_BITS,   /* each bit is a feature: no bit may be gained */
	CAP_FIXED0, /* bits that must be 1: all of ours must be there */
	CAP_BASIC,
	CAP_MISC,
	CAP_VALUE, /* taken if not larger */
};

struct cap_msr {
	u32 msr;
	u32 default1; /* of CAP_PLAIN */
	u16 offset;
	u8 kind;
};

#define CAP(msr_, kind_, member, default1_)                                        \
	{                                                                          \
		.msr = VMX_MSR_##msr_, .kind = CAP_##kind_,                        \
		.offset = offsetof(struct vmx_caps, member), .default1 = default1_ \
	}

static const struct cap_msr cap_msrs[] = {
	CAP(BASIC, BASIC, basic, 0),
	CAP(PIN, PLAIN, pin, PIN_DEFAULT1),
	CAP(PROC, PLAIN, proc, PROC_DEFAULT1),
	CAP(EXIT, PLAIN, exit, EXITC_DEFAULT1),
	CAP(ENTRY, PLAIN, entry, ENTRYC_DEFAULT1),
	CAP(MISC, MISC, misc, 0),
	CAP(CR0_FIXED0, FIXED0, cr0_fixed0, 0),
	CAP(CR0_FIXED1, BITS, cr0_fixed1, 0),
	CAP(CR4_FIXED0, FIXED0, cr4_fixed0, 0),
	CAP(CR4_FIXED1, BITS, cr4_fixed1, 0),
	CAP(VMCS_ENUM, VALUE, vmcs_enum, 0),
	CAP(PROC2, CTL, proc2, 0),
	CAP(EPT_VPID, BITS, ept_vpid, 0),
	CAP(TRUE_PIN, CTL, pin, 0),
	CAP(TRUE_PROC, CTL, proc, 0),
	CAP(TRUE_EXIT, CTL, exit, 0),
	CAP(TRUE_ENTRY, CTL, entry, 0),
	CAP(VMFUNC, BITS, vmfunc, 0),
};

static const struct cap_msr *cap_find(u32 msr)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cap_msrs); i++)
		if (cap_msrs[i].msr == msr)
			return &cap_msrs[i];
	return NULL;
}

/* Without the control that needs it, the MSR does not exist. */
static bool cap_exists(const struct vmx_caps *caps, u32 msr)
{
	switch (msr) {
	case VMX_MSR_PROC2: return ctl_may(caps->proc, PROC_SECONDARY);
	case VMX_MSR_EPT_VPID: return caps->proc2.may & (PROC2_EPT | PROC2_VPID);
	case VMX_MSR_VMFUNC: return ctl_may(caps->proc2, PROC2_VMFUNC);
	default: return true;
	}
}

bool caps_get(const struct vmx_caps *caps, u32 msr, u64 *value)
{
	const struct cap_msr *cap = cap_find(msr);
	const u8 *at;

	if (!cap || !cap_exists(caps, msr))
		return false;
	at = (const u8 *)caps + cap->offset;
	if (cap->kind == CAP_CTL)
		*value = ctl_to_msr(*(const struct vmx_ctl_caps *)at);
	else if (cap->kind == CAP_PLAIN)
		*value = plain_ctl(*(const struct vmx_ctl_caps *)at, cap->default1);
	else
		*value = *(const u64 *)at;
	return true;
}

static bool ctl_within(struct vmx_ctl_caps c, struct vmx_ctl_caps max)
{
	return !(c.may & ~max.may) && !(max.must & ~c.must) && !(c.must & ~c.may);
}

static bool misc_within(u64 value, u64 max)
{
	u64 numbers = MISC_PREEMPT_RATE | MISC_CR3_TARGETS | MISC_MSR_LIST;

	if (value & ~max & ~numbers)
		return false;
	return (value & MISC_PREEMPT_RATE) == (max & MISC_PREEMPT_RATE) &&
	       (value & MISC_CR3_TARGETS) <= (max & MISC_CR3_TARGETS) &&
	       (value & MISC_MSR_LIST) <= (max & MISC_MSR_LIST);
}

static bool basic_within(u64 value, u64 max)
{
	u64 features = OFFER_BASIC | BASIC_TRUE_CTLS;

	return (value & ~features) == (max & ~features) && !(value & ~max & features);
}

static bool value_within(u8 kind, u64 value, u64 max)
{
	switch (kind) {
	case CAP_BITS: return !(value & ~max);
	case CAP_FIXED0: return !(max & ~value);
	case CAP_BASIC: return basic_within(value, max);
	case CAP_MISC: return misc_within(value, max);
	default: return value <= max;
	}
}

/*
 * An older MSR is derived from its TRUE twin, so it is not stored: the same
 * value, or one that promises less through the "may" half, which is stored.
 */
static int plain_set(struct vmx_ctl_caps *c, const struct vmx_ctl_caps *max, u32 default1, u64 msr)
{
	struct vmx_ctl_caps value = ctl_from_msr(msr);
	struct vmx_ctl_caps full = ctl_from_msr(plain_ctl(*max, default1));

	if (!ctl_within(value, full))
		return -EINVAL;
	c->may = (c->may & value.may) | c->must;
	return 0;
}

int caps_set(struct vmx_caps *caps, const struct vmx_caps *max, u32 msr, u64 value)
{
	const struct cap_msr *cap = cap_find(msr);
	const u8 *limit;
	u8 *at;

	if (!cap)
		return -EINVAL;
	at = (u8 *)caps + cap->offset;
	limit = (const u8 *)max + cap->offset;
	if (cap->kind == CAP_PLAIN)
		return plain_set((void *)at, (const void *)limit, cap->default1, value);
	if (cap->kind == CAP_CTL) {
		struct vmx_ctl_caps ctl = ctl_from_msr(value);

		if (!ctl_within(ctl, *(const struct vmx_ctl_caps *)limit))
			return -EINVAL;
		*(struct vmx_ctl_caps *)at = ctl;
		return 0;
	}
	if (!value_within(cap->kind, value, *(const u64 *)limit))
		return -EINVAL;
	*(u64 *)at = value;
	return 0;
}
