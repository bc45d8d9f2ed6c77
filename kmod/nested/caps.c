// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMX capability MSRs that L1 sees: the intersection of what the processor
 * has and of what abyme does for L1. Pure logic that compiles in userspace.
 * nested.c owns the results; RDMSR, WRMSR and KVM_SET_MSRS come here through
 * it. Tour, stop 8.
 *
 * What a reader must know: a feature is offered by a row of <vmx/offer.def>.
 * HAS needs the processor's; OWN is L0's own work on any processor; NOT is
 * there to say why not.
 *
 * SDM: "VMX Capability Reporting Facility".
 */
#include <vmx/controls.h>

#include "nested/caps.h"
#include "nested/vmcs12.h"

static const struct {
	u8 word; /* enum offer_word */
	u8 how;	 /* enum offer_how */
	u64 bits;
} offers[] = {
#define O(word, bits, title, how, note) { OFFER_##word, OFFER_##how, bits },
#include <vmx/offer.def>
#undef O
};

/* The bits of @word that the rows with @how have. */
static u64 bits_of(enum offer_word word, enum offer_how how)
{
	u64 bits = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(offers); i++)
		if (offers[i].word == word && offers[i].how == how)
			bits |= offers[i].bits;
	return bits;
}

/* What L1 is offered of the word @word of features, of which the processor has those in @cpu. */
static u64 caps_offered(enum offer_word word, u64 cpu)
{
	return (cpu & bits_of(word, OFFER_HAS)) | bits_of(word, OFFER_OWN);
}

/* Reserved bits that the processor wants to be 1 must be 1 for L1, too. They mean nothing to L0. */
static struct vmx_ctl_caps offer_ctl(enum offer_word word, struct vmx_ctl_caps cpu)
{
	return (struct vmx_ctl_caps){ .must = cpu.must,
				      .may = caps_offered(word, cpu.may) | cpu.must };
}

static u64 offer_basic(const struct vmx_caps *cpu)
{
	return VMCS12_REVISION | (u64)VMCS12_SIZE << BASIC_SIZE_SHIFT |
	       (u64)EPTP_MEMTYPE_WB << BASIC_MEMTYPE_SHIFT | BASIC_TRUE_CTLS |
	       caps_offered(OFFER_BASIC, cpu->basic);
}

void caps_offer(const struct vmx_caps *cpu, struct vmx_caps *l1)
{
	struct vmcs12_fieldset set;

	*l1 = *cpu;
	l1->basic = offer_basic(cpu);
	l1->pin = offer_ctl(OFFER_PIN, cpu->pin);
	l1->proc = offer_ctl(OFFER_PROC, cpu->proc);
	l1->proc2 = offer_ctl(OFFER_PROC2, cpu->proc2);
	l1->proc3 = caps_offered(OFFER_PROC3, cpu->proc3);
	l1->exit = offer_ctl(OFFER_EXIT, cpu->exit);
	l1->exit2 = caps_offered(OFFER_EXIT2, cpu->exit2);
	l1->entry = offer_ctl(OFFER_ENTRY, cpu->entry);
	if (!ctl_may(l1->proc2, PROC2_VIRT_INTR))
		l1->pin.may &= ~(u32)PIN_POSTED_INTR;
	if (!ctl_may(l1->pin, PIN_PREEMPT_TIMER))
		l1->exit.may &= ~(u32)EXITC_SAVE_PREEMPT_TIMER;
	/* Only processors with this bit can inject #CP, which has an error code. */
	if (!(l1->basic & BASIC_NO_ERROR_CODE)) {
		l1->exit.may &= ~(u32)EXITC_LOAD_CET;
		l1->entry.may &= ~(u32)ENTRYC_LOAD_CET;
	}
	l1->misc = caps_offered(OFFER_MISC, cpu->misc);
	l1->ept_vpid = caps_offered(OFFER_EPT_VPID, cpu->ept_vpid);
	/* Without this information an EPT violation does not say whether user mode fetched. */
	if (!(l1->ept_vpid & EPTCAP_EXIT_INFO))
		l1->proc2.may &= ~(u32)PROC2_MODE_EXEC;
	l1->vmfunc = caps_offered(OFFER_VMFUNC, cpu->vmfunc);
	if (!ctl_may(l1->proc2, PROC2_VMFUNC))
		l1->vmfunc = 0;
	vmcs12_fields_of(l1, &set);
	l1->vmcs_enum = vmcs12_enum(&set);
}

/* An older MSR says what its TRUE one does, but that all default-1 bits must be 1. */
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
	CAP_VALUE, /* a number, which may not grow */
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

/* An MSR does not exist without the control that needs it. */
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

/*
 * May userspace reduce @max to @c? It must not promise a control, or the
 * freedom to clear one, that @max lacks.
 */
static bool ctl_within(struct vmx_ctl_caps c, struct vmx_ctl_caps max)
{
	return !(c.may & ~max.may) && !(max.must & ~c.must) && !(c.must & ~c.may);
}

/* Numbers may shrink; the timer's rate cannot change, as the processor counts by it. */
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
	u64 features = bits_of(OFFER_BASIC, OFFER_HAS) | BASIC_TRUE_CTLS;

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
