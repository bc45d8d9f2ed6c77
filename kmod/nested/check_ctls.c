// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks on VMX controls: VM-execution, VM-exit and VM-entry control fields.
 * A failure is VMfailValid(7). SDM: "Checks on VMX Controls".
 */
#include "nested/check_common.h"

/* The reserved bits of an EPT pointer, by what L1 was offered. */
static bool eptp_memtype_valid(const struct check_ctx *c)
{
	u64 type = c->v->ept_pointer & EPTP_MEMTYPE;

	return (type == EPTP_MEMTYPE_WB && (c->caps->ept_vpid & EPTCAP_WB)) ||
	       (type == EPTP_MEMTYPE_UC && (c->caps->ept_vpid & EPTCAP_UC));
}

static bool eptp_ad_valid(const struct check_ctx *c)
{
	return !(c->v->ept_pointer & EPTP_AD) || (c->caps->ept_vpid & EPTCAP_AD);
}

/* The TPR threshold stands alone only if nothing else virtualizes the APIC. */
static bool tpr_threshold_valid(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;

	if (!has_proc(v, PROC_TPR_SHADOW) || !c->vtpr_known ||
	    has_proc2(v, PROC2_APIC_ACCESS | PROC2_VIRT_INTR))
		return true;
	return (v->tpr_threshold & 0xf) <= c->vtpr >> 4;
}

static u32 injected_type(const struct vmcs12 *v)
{
	return v->entry_intr_info & INTR_TYPE_MASK;
}

static bool injects(const struct vmcs12 *v)
{
	return v->entry_intr_info & INTR_VALID;
}

static bool injected_type_valid(const struct check_ctx *c)
{
	switch (injected_type(c->v)) {
	case 1u << 8:
		return false;
	case INTR_TYPE_OTHER:
		return ctl_may(c->caps->proc, PROC_MTF);
	default:
		return true;
	}
}

static bool injected_vector_valid(const struct vmcs12 *v)
{
	u8 vector = v->entry_intr_info & INTR_VECTOR;

	switch (injected_type(v)) {
	case INTR_TYPE_NMI:
		return vector == VEC_NMI;
	case INTR_TYPE_HARD_EXC:
		return vector < 32;
	case INTR_TYPE_OTHER:
		return vector == 0;
	default:
		return true;
	}
}

static bool vector_pushes_error(u8 vector)
{
	u32 with_error = BIT(VEC_DF) | BIT(VEC_TS) | BIT(VEC_NP) | BIT(VEC_SS) | BIT(VEC_GP) |
			 BIT(VEC_PF) | BIT(VEC_AC);

	return vector < 32 && (with_error & BIT(vector));
}

static bool injected_error_valid(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;
	bool has = v->entry_intr_info & INTR_HAS_ERROR;
	bool protected_mode = (v->guest_cr0 & CR0_PE) || !has_proc2(v, PROC2_UNRESTRICTED);

	if (injected_type(v) != INTR_TYPE_HARD_EXC || !protected_mode)
		return !has;
	if (c->caps->basic & BASIC_NO_ERROR_CODE)
		return true;
	return has == vector_pushes_error(v->entry_intr_info & INTR_VECTOR);
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

#define EXEC "VM-Execution Control Fields"
#define EXECUTION_ROWS(C) \
C(pin_allowed, PIN_CTLS, EXEC, \
  "a pin-based control has a value that IA32_VMX_TRUE_PINBASED_CTLS does not allow", \
  ctl_valid(c->caps->pin, v->pin_ctls)) \
C(proc_allowed, PROC_CTLS, EXEC, \
  "a primary processor-based control has a value that IA32_VMX_TRUE_PROCBASED_CTLS does not allow", \
  ctl_valid(c->caps->proc, v->proc_ctls)) \
C(proc2_allowed, PROC2_CTLS, EXEC, \
  "a secondary processor-based control has a value that IA32_VMX_PROCBASED_CTLS2 does not allow", \
  !has_proc(v, PROC_SECONDARY) || ctl_valid(c->caps->proc2, v->proc2_ctls)) \
C(cr3_target_count, CR3_TARGET_COUNT, EXEC, \
  "the CR3-target count is more than IA32_VMX_MISC[24:16]", \
  v->cr3_target_count <= max_cr3_targets(c)) \
C(io_bitmap_a, IO_BITMAP_A, EXEC, \
  "I/O bitmaps are used, and the address of bitmap A is not page-aligned or too wide", \
  !has_proc(v, PROC_IO_BITMAPS) || page_valid(c, v->io_bitmap_a)) \
C(io_bitmap_b, IO_BITMAP_B, EXEC, \
  "I/O bitmaps are used, and the address of bitmap B is not page-aligned or too wide", \
  !has_proc(v, PROC_IO_BITMAPS) || page_valid(c, v->io_bitmap_b)) \
C(msr_bitmap, MSR_BITMAP, EXEC, \
  "MSR bitmaps are used, and their address is not page-aligned or too wide", \
  !has_proc(v, PROC_MSR_BITMAPS) || page_valid(c, v->msr_bitmap)) \
C(virt_apic_addr, VIRT_APIC_ADDR, EXEC, \
  "the TPR shadow is used, and the virtual-APIC address is not page-aligned or too wide", \
  !has_proc(v, PROC_TPR_SHADOW) || page_valid(c, v->virt_apic_addr)) \
C(tpr_threshold_reserved, TPR_THRESHOLD, EXEC, \
  "the TPR shadow is used without virtual-interrupt delivery, and bits 31:4 of the TPR threshold are not 0", \
  !has_proc(v, PROC_TPR_SHADOW) || has_proc2(v, PROC2_VIRT_INTR) || !(v->tpr_threshold >> 4)) \
C(tpr_threshold_vtpr, TPR_THRESHOLD, EXEC, \
  "the TPR threshold is above bits 7:4 of VTPR on the virtual-APIC page", \
  tpr_threshold_valid(c)) \
C(tpr_shadow_needed, PROC2_CTLS, EXEC, \
  "x2APIC mode, APIC registers or interrupt delivery are virtualized without the TPR shadow", \
  has_proc(v, PROC_TPR_SHADOW) || \
  !has_proc2(v, PROC2_X2APIC | PROC2_APIC_REG_VIRT | PROC2_VIRT_INTR)) \
C(virtual_nmis_need_exiting, PIN_CTLS, EXEC, \
  "virtual NMIs are used without NMI exiting", \
  has_pin(v, PIN_NMI_EXITING) || !has_pin(v, PIN_VIRTUAL_NMIS)) \
C(nmi_window_needs_virtual, PROC_CTLS, EXEC, \
  "NMI-window exiting is used without virtual NMIs", \
  has_pin(v, PIN_VIRTUAL_NMIS) || !has_proc(v, PROC_NMI_WINDOW)) \
C(apic_access_addr, APIC_ACCESS_ADDR, EXEC, \
  "APIC accesses are virtualized, and the APIC-access address is not page-aligned or too wide", \
  !has_proc2(v, PROC2_APIC_ACCESS) || page_valid(c, v->apic_access_addr)) \
C(x2apic_or_accesses, PROC2_CTLS, EXEC, \
  "both x2APIC mode and APIC accesses are virtualized", \
  !has_proc2(v, PROC2_X2APIC) || !has_proc2(v, PROC2_APIC_ACCESS)) \
C(virt_intr_needs_exiting, PIN_CTLS, EXEC, \
  "virtual-interrupt delivery is used without external-interrupt exiting", \
  !has_proc2(v, PROC2_VIRT_INTR) || has_pin(v, PIN_EXT_INT_EXITING)) \
C(posted_needs_virt_intr, PIN_CTLS, EXEC, \
  "posted interrupts are processed without virtual-interrupt delivery", \
  !has_pin(v, PIN_POSTED_INTR) || has_proc2(v, PROC2_VIRT_INTR)) \
C(posted_needs_ack, EXIT_CTLS, EXEC, \
  "posted interrupts are processed without acknowledge-interrupt-on-exit", \
  !has_pin(v, PIN_POSTED_INTR) || has_exit(v, EXITC_ACK_INT)) \
C(posted_vector, POSTED_INTR_VECTOR, EXEC, \
  "posted interrupts are processed, and the notification vector is more than 255", \
  !has_pin(v, PIN_POSTED_INTR) || v->posted_intr_vector < 256) \
C(posted_desc, POSTED_INTR_DESC, EXEC, \
  "posted interrupts are processed, and the descriptor's address is not 64-byte aligned or too wide", \
  !has_pin(v, PIN_POSTED_INTR) || pa_valid(c, v->posted_intr_desc, 64)) \
C(vpid_nonzero, VPID, EXEC, \
  "VPID is enabled but the VPID field is 0", \
  !has_proc2(v, PROC2_VPID) || v->vpid) \
C(eptp_memtype, EPT_POINTER, EXEC, \
  "EPT is enabled, and bits 2:0 of the EPT pointer are a memory type that is not supported", \
  !has_proc2(v, PROC2_EPT) || eptp_memtype_valid(c)) \
C(eptp_walk, EPT_POINTER, EXEC, \
  "EPT is enabled, and bits 5:3 of the EPT pointer are not 3, a page walk of 4 levels", \
  !has_proc2(v, PROC2_EPT) || (v->ept_pointer & EPTP_WALK) == EPTP_WALK_4) \
C(eptp_ad, EPT_POINTER, EXEC, \
  "bit 6 of the EPT pointer enables accessed and dirty flags, which are not supported", \
  !has_proc2(v, PROC2_EPT) || eptp_ad_valid(c)) \
C(eptp_reserved, EPT_POINTER, EXEC, \
  "EPT is enabled, and the EPT pointer has reserved bits set or is too wide", \
  !has_proc2(v, PROC2_EPT) || page_valid(c, v->ept_pointer & ~0x7full)) \
C(pml_needs_ept, PROC2_CTLS, EXEC, \
  "page-modification logging is enabled without EPT", \
  !has_proc2(v, PROC2_PML) || has_proc2(v, PROC2_EPT)) \
C(pml_addr, PML_ADDR, EXEC, \
  "page-modification logging is enabled, and the log's address is not page-aligned or too wide", \
  !has_proc2(v, PROC2_PML) || page_valid(c, v->pml_addr)) \
C(unrestricted_needs_ept, PROC2_CTLS, EXEC, \
  "unrestricted guest is enabled without EPT", \
  !has_proc2(v, PROC2_UNRESTRICTED) || has_proc2(v, PROC2_EPT)) \
C(mode_exec_needs_ept, PROC2_CTLS, EXEC, \
  "mode-based execute control for EPT is enabled without EPT", \
  !has_proc2(v, PROC2_MODE_EXEC) || has_proc2(v, PROC2_EPT)) \
C(vmfunc_allowed, VMFUNC_CTLS, EXEC, \
  "a VM-function control is set that IA32_VMX_VMFUNC does not allow", \
  !has_proc2(v, PROC2_VMFUNC) || !(v->vmfunc_ctls & ~c->caps->vmfunc)) \
C(eptp_switching_needs_ept, PROC2_CTLS, EXEC, \
  "EPTP switching is enabled without EPT", \
  !has_proc2(v, PROC2_VMFUNC) || !(v->vmfunc_ctls & VMFUNC_EPTP_SWITCHING) || \
  has_proc2(v, PROC2_EPT)) \
C(eptp_list_addr, EPTP_LIST_ADDR, EXEC, \
  "EPTP switching is enabled, and the list's address is not page-aligned or too wide", \
  !has_proc2(v, PROC2_VMFUNC) || !(v->vmfunc_ctls & VMFUNC_EPTP_SWITCHING) || \
  page_valid(c, v->eptp_list_addr)) \
C(vmread_bitmap, VMREAD_BITMAP, EXEC, \
  "VMCS shadowing is enabled, and the VMREAD bitmap's address is not page-aligned or too wide", \
  !has_proc2(v, PROC2_SHADOW_VMCS) || page_valid(c, v->vmread_bitmap)) \
C(vmwrite_bitmap, VMWRITE_BITMAP, EXEC, \
  "VMCS shadowing is enabled, and the VMWRITE bitmap's address is not page-aligned or too wide", \
  !has_proc2(v, PROC2_SHADOW_VMCS) || page_valid(c, v->vmwrite_bitmap)) \
C(ve_info_addr, VE_INFO_ADDR, EXEC, \
  "EPT violations cause #VE, and the information area's address is not page-aligned or too wide", \
  !has_proc2(v, PROC2_EPT_VE) || page_valid(c, v->ve_info_addr))

#define EXIT "VM-Exit Control Fields"
#define EXIT_ROWS(C) \
C(exit_allowed, EXIT_CTLS, EXIT, \
  "a VM-exit control has a value that IA32_VMX_TRUE_EXIT_CTLS does not allow", \
  ctl_valid(c->caps->exit, v->exit_ctls)) \
C(save_timer_needs_timer, EXIT_CTLS, EXIT, \
  "the VMX-preemption timer is to be saved, but it is not activated", \
  has_pin(v, PIN_PREEMPT_TIMER) || !has_exit(v, EXITC_SAVE_PREEMPT_TIMER)) \
C(exit_store_list, EXIT_MSR_STORE_ADDR, EXIT, \
  "the VM-exit MSR-store area is not 16-byte aligned or reaches beyond the physical-address width", \
  list_valid(c, v->exit_msr_store_addr, v->exit_msr_store_count)) \
C(exit_load_list, EXIT_MSR_LOAD_ADDR, EXIT, \
  "the VM-exit MSR-load area is not 16-byte aligned or reaches beyond the physical-address width", \
  list_valid(c, v->exit_msr_load_addr, v->exit_msr_load_count))

#define ENTRY "VM-Entry Control Fields"
#define ENTRY_ROWS(C) \
C(entry_allowed, ENTRY_CTLS, ENTRY, \
  "a VM-entry control has a value that IA32_VMX_TRUE_ENTRY_CTLS does not allow", \
  ctl_valid(c->caps->entry, v->entry_ctls)) \
C(inject_type, ENTRY_INTR_INFO, ENTRY, \
  "an event is injected whose type is reserved", \
  !injects(v) || injected_type_valid(c)) \
C(inject_vector, ENTRY_INTR_INFO, ENTRY, \
  "an event is injected whose vector does not fit its type", \
  !injects(v) || injected_vector_valid(v)) \
C(inject_error, ENTRY_INTR_INFO, ENTRY, \
  "an event is injected whose deliver-error-code bit does not fit its type and vector", \
  !injects(v) || injected_error_valid(c)) \
C(inject_reserved, ENTRY_INTR_INFO, ENTRY, \
  "an event is injected with reserved bits 30:12 set", \
  !injects(v) || !(v->entry_intr_info & INTR_ENTRY_RESERVED)) \
C(inject_error_code, ENTRY_ERROR_CODE, ENTRY, \
  "an event is injected with an error code whose bits 31:16 are not 0", \
  !injects(v) || !(v->entry_intr_info & INTR_HAS_ERROR) || !(v->entry_error_code >> 16)) \
C(inject_length, ENTRY_INSN_LEN, ENTRY, \
  "a software event is injected with an instruction length that no instruction has", \
  !injects(v) || injected_length_valid(c)) \
C(entry_load_list, ENTRY_MSR_LOAD_ADDR, ENTRY, \
  "the VM-entry MSR-load area is not 16-byte aligned or reaches beyond the physical-address width", \
  list_valid(c, v->entry_msr_load_addr, v->entry_msr_load_count)) \
C(entry_smm, ENTRY_CTLS, ENTRY, \
  "an entry to SMM, or with the dual-monitor treatment off, is asked for outside SMM", \
  !has_entry(v, ENTRYC_SMM | ENTRYC_DUAL_MONITOR))

#define CONTROL_CHECKS(C) EXECUTION_ROWS(C) EXIT_ROWS(C) ENTRY_ROWS(C)

enum { CONTROL_CHECKS(CHECK_ENUM) };
static const struct check checks[] = { CONTROL_CHECKS(CHECK_DESC) };

DEFINE_CHECK(check_controls, CONTROL_CHECKS)
