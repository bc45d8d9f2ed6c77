// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks on L2's state, but the segments (segs.c): the rows of
 * guest_*.def. A failure is a VM exit with reason 33. Here are the
 * predicates that are too long for a row. Tour, stop 10.
 * SDM: "Checks on the Guest State Area".
 */
#include "nested/check/common.h"

/* The bits of CR0 that must be 1: not PE and PG if L2 is an unrestricted guest. */
static u64 guest_cr0_fixed0(const struct check_ctx *c)
{
	return c->caps->cr0_fixed0 & ~(has_proc2(c->v, PROC2_UNRESTRICTED) ? CR0_PE | CR0_PG : 0);
}

static bool guest_efer_lma_valid(const struct vmcs12 *v)
{
	return !!(v->guest_efer & EFER_BIT_LMA) == guest_64(v);
}

static bool guest_efer_lme_valid(const struct vmcs12 *v)
{
	return !(v->guest_cr0 & CR0_PG) ||
	       !(v->guest_efer & EFER_BIT_LMA) == !(v->guest_efer & EFER_BIT_LME);
}

static bool guest_code_64(const struct vmcs12 *v)
{
	return guest_64(v) && (v->guest_cs_ar & AR_L);
}

/* The bits above the linear-address width must be equal, which is less than canonical. */
static bool guest_linear(u64 address)
{
	u64 high = address >> 48;

	return !high || high == 0xffff;
}

/* --- predicates of what L1 may change for every entry --- */

static bool activity_known(const struct check_ctx *c)
{
	switch (c->v->guest_activity) {
	case ACTIVITY_ACTIVE: return true;
	case ACTIVITY_HLT: return c->caps->misc & MISC_ACTIVITY_HLT;
	case ACTIVITY_SHUTDOWN: return c->caps->misc & MISC_ACTIVITY_SHUTDOWN;
	case ACTIVITY_SIPI: return c->caps->misc & MISC_ACTIVITY_SIPI;
	default: return false;
	}
}

/* What may be injected depends on the activity state. */
static bool activity_injection_valid(const struct vmcs12 *v)
{
	u8 vector = v->entry_intr_info & INTR_VECTOR;

	if (!injects(v) || v->guest_activity == ACTIVITY_ACTIVE)
		return true;
	if (injecting(v, INTR_TYPE_HARD_EXC))
		return (v->guest_activity == ACTIVITY_HLT && vector == VEC_DB) ||
		       (v->guest_activity <= ACTIVITY_SHUTDOWN && vector == VEC_MC);
	if (injecting(v, INTR_TYPE_NMI))
		return v->guest_activity <= ACTIVITY_SHUTDOWN;
	return v->guest_activity == ACTIVITY_HLT &&
	       (injecting(v, INTR_TYPE_EXT) || injecting(v, INTR_TYPE_OTHER));
}

static bool blocked(const struct vmcs12 *v, u32 bits)
{
	return v->guest_interruptibility & bits;
}

/*
 * In a shadow or in HLT, BS must be pending exactly if L2 single-steps: TF set, and BTF clear.
 * SDM: "Checks on Guest Non-Register State".
 */
static bool pending_bs_valid(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;
	u64 debugctl = has_entry(v, ENTRYC_LOAD_DEBUG) ? v->guest_debugctl : c->l1_debugctl;
	bool step = (v->guest_rflags & RFLAGS_TF) && !(debugctl & DEBUGCTL_BTF);

	if (!blocked(v, IRQBLK_STI | IRQBLK_MOV_SS) && v->guest_activity != ACTIVITY_HLT)
		return true;
	return !(v->guest_pending_dbg & DBG_BS) == !step;
}

static bool link_used(const struct vmcs12 *v)
{
	return v->link_pointer != NO_GPA;
}

static u32 link_revision_wanted(const struct check_ctx *c)
{
	u32 shadow = has_proc2(c->v, PROC2_SHADOW_VMCS) ? VMCS12_SHADOW : 0;

	return (c->caps->basic & BASIC_REVISION) | shadow;
}

/* A PDPTE that is present has no reserved bits. Without memory it was read as ones, and fails. */
static bool pdpte_valid(const struct check_ctx *c, int i)
{
	return !vmcs12_pae(c->v) || (c->pdpte_readable && pdpte_ok(c->pdpte[i], c->maxphyaddr));
}

static const struct check *check_guest_regs(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

#include "nested/check/guest_regs.def"
	return NULL;
}

const struct check *check_guest_flow(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

#include "nested/check/guest_flow.def"
	return NULL;
}

const struct check *check_guest_nonreg(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

#include "nested/check/guest_nonreg.def"
#undef QUAL
#define QUAL ENTRYQ_NMI
#include "nested/check/guest_nmi.def"
	return NULL;
}

const struct check *check_guest_memory(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

#undef QUAL
#define QUAL ENTRYQ_LINK
#include "nested/check/guest_link.def"
#undef QUAL
#define QUAL ENTRYQ_PDPTE
#include "nested/check/guest_pdptes.def"
	return NULL;
}

const struct check *check_guest(const struct check_ctx *c)
{
	const struct check *failed = check_guest_regs(c);

	if (!failed)
		failed = check_guest_flow(c);
	if (!failed)
		failed = check_guest_segments(c);
	if (!failed)
		failed = check_guest_nonreg(c);
	return failed ? failed : check_guest_memory(c);
}
