// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks on VMX controls: VM-execution, VM-exit and VM-entry control fields,
 * the rows of controls.def, whose failure is VMfailValid(7); and on the host-state
 * area, that is, on what L1 wants to be after an exit: the rows of host.def, whose
 * failure is VMfailValid(8). Here are the predicates that are too long for a row.
 * Tour, stop 10.
 * SDM: "Checks on VMX Controls", "Checks on Host-State Area".
 */
#include "nested/check/common.h"

static bool eptp_memtype_valid(const struct vmx_caps *caps, u64 eptp)
{
	u64 type = eptp & EPTP_MEMTYPE;

	return (type == EPTP_MEMTYPE_WB && (caps->ept_vpid & EPTCAP_WB)) ||
	       (type == EPTP_MEMTYPE_UC && (caps->ept_vpid & EPTCAP_UC));
}

static bool eptp_walk_valid(u64 eptp)
{
	return (eptp & EPTP_WALK) == EPTP_WALK_4;
}

static bool eptp_ad_valid(const struct vmx_caps *caps, u64 eptp)
{
	return !(eptp & EPTP_AD) || (caps->ept_vpid & EPTCAP_AD);
}

/* Bits 11:7 are reserved, and those beyond the width. */
static bool eptp_reserved_valid(u8 maxphyaddr, u64 eptp)
{
	return !(eptp & GENMASK_ULL(11, 7)) && !(eptp >> maxphyaddr);
}

bool check_eptp(const struct vmx_caps *caps, u8 maxphyaddr, u64 eptp)
{
	return eptp_memtype_valid(caps, eptp) && eptp_walk_valid(eptp) &&
	       eptp_ad_valid(caps, eptp) && eptp_reserved_valid(maxphyaddr, eptp);
}

/* The threshold is compared with VTPR only if nothing else virtualizes the APIC. */
static bool tpr_threshold_valid(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

	if (!has_proc(v, PROC_TPR_SHADOW) || !c->vtpr_known ||
	    has_proc2(v, PROC2_APIC_ACCESS | PROC2_VIRT_INTR))
		return true;
	return (v->tpr_threshold & 0xf) <= c->vtpr >> 4;
}

/* Type 1 is reserved; 7 stands for a pending MTF exit, and needs that control. */
static bool injected_type_valid(const struct check_ctx *c)
{
	switch (injected_type(c->v)) {
	case 1u << 8: return false;
	case INTR_TYPE_OTHER: return ctl_may(c->caps->proc, PROC_MTF);
	default: return true;
	}
}

static bool injected_vector_valid(const struct vmcs12 *v)
{
	u8 vector = v->entry_intr_info & INTR_VECTOR;

	switch (injected_type(v)) {
	case INTR_TYPE_NMI: return vector == VEC_NMI;
	case INTR_TYPE_HARD_EXC: return vector < 32;
	case INTR_TYPE_OTHER: return vector == 0;
	default: return true;
	}
}

/* An error code goes with a hardware exception that has one, in protected mode only. */
static bool injected_error_valid(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;
	bool has = v->entry_intr_info & INTR_HAS_ERROR;
	bool protected_mode = (v->guest_cr0 & CR0_PE) || !has_proc2(v, PROC2_UNRESTRICTED);

	if (injected_type(v) != INTR_TYPE_HARD_EXC || !protected_mode)
		return !has;
	if (c->caps->basic & BASIC_NO_ERROR_CODE)
		return true;
	return has == vector_has_error(v->entry_intr_info & INTR_VECTOR);
}

static bool injected_length_valid(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

	if (!intr_type_software(v->entry_intr_info))
		return true;
	if (!v->entry_insn_len)
		return c->caps->misc & MISC_ZERO_INSN_LEN;
	return v->entry_insn_len <= 15;
}

static u32 max_cr3_targets(const struct check_ctx *c)
{
	return (c->caps->misc & MISC_CR3_TARGETS) >> MISC_CR3_TARGETS_SHIFT;
}

const struct check *check_controls(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

#include "nested/check/controls.def"
	return NULL;
}

static bool host_64(const struct check_ctx *c)
{
	return has_exit(c->v, EXITC_HOST_64);
}

static bool host_efer_valid(const struct check_ctx *c)
{
	u64 long_mode = EFER_BIT_LME | EFER_BIT_LMA;

	return (c->v->host_efer & long_mode) == (host_64(c) ? long_mode : 0);
}

const struct check *check_host(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

#include "nested/check/host.def"
	return NULL;
}
