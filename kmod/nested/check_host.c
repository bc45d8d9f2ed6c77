// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks on the host-state area: what L1 wants to be after an exit. A failure
 * is VMfailValid(8). SDM: "Checks on Host-State Area".
 */
#include "nested/check_common.h"

/* RPL and TI are 0. */
static bool host_sel_valid(u16 sel)
{
	return !(sel & 7);
}

static bool host_efer_valid(const struct check_ctx *c)
{
	const struct vmcs12 *v = c->v;
	u64 want = has_exit(v, EXITC_HOST_64) ? EFER_LME_BIT | EFER_LMA_BIT : 0;

	return (v->host_efer & (EFER_LME_BIT | EFER_LMA_BIT)) == want;
}

static bool host_64(const struct check_ctx *c)
{
	return has_exit(c->v, EXITC_HOST_64);
}

#define REGS "Checks on Host Control Registers, MSRs, and SSP"
#define REG_ROWS(C) \
C(host_cr0_fixed, HOST_CR0, REGS, \
  "host CR0 has a bit that VMX operation fixes otherwise", \
  cr_fixed_valid(v->host_cr0, c->caps->cr0_fixed0, c->caps->cr0_fixed1)) \
C(host_cr4_fixed, HOST_CR4, REGS, \
  "host CR4 has a bit that VMX operation fixes otherwise", \
  cr_fixed_valid(v->host_cr4, c->caps->cr4_fixed0, c->caps->cr4_fixed1)) \
C(host_cr3_width, HOST_CR3, REGS, \
  "host CR3 is beyond the physical-address width", \
  !(v->host_cr3 >> c->maxphyaddr)) \
C(host_sysenter_esp, HOST_SYSENTER_ESP, REGS, \
  "host IA32_SYSENTER_ESP is not canonical", canonical(v->host_sysenter_esp)) \
C(host_sysenter_eip, HOST_SYSENTER_EIP, REGS, \
  "host IA32_SYSENTER_EIP is not canonical", canonical(v->host_sysenter_eip)) \
C(host_pat, HOST_PAT, REGS, \
  "host IA32_PAT is to be loaded and holds a value that is no memory type", \
  !has_exit(v, EXITC_LOAD_PAT) || pat_valid(v->host_pat)) \
C(host_efer_reserved, HOST_EFER, REGS, \
  "host IA32_EFER is to be loaded and has reserved bits set", \
  !has_exit(v, EXITC_LOAD_EFER) || !(v->host_efer & c->efer_reserved)) \
C(host_efer_mode, HOST_EFER, REGS, \
  "host IA32_EFER is to be loaded, and its LMA or LME differs from host address-space size", \
  !has_exit(v, EXITC_LOAD_EFER) || host_efer_valid(c))

#define SEGS "Checks on Host Segment and Descriptor-Table Registers"
#define SEG_ROWS(C) \
C(host_es_sel, HOST_ES_SEL, SEGS, "host ES has RPL or TI set", host_sel_valid(v->host_es_sel)) \
C(host_cs_sel, HOST_CS_SEL, SEGS, "host CS has RPL or TI set", host_sel_valid(v->host_cs_sel)) \
C(host_ss_sel, HOST_SS_SEL, SEGS, "host SS has RPL or TI set", host_sel_valid(v->host_ss_sel)) \
C(host_ds_sel, HOST_DS_SEL, SEGS, "host DS has RPL or TI set", host_sel_valid(v->host_ds_sel)) \
C(host_fs_sel, HOST_FS_SEL, SEGS, "host FS has RPL or TI set", host_sel_valid(v->host_fs_sel)) \
C(host_gs_sel, HOST_GS_SEL, SEGS, "host GS has RPL or TI set", host_sel_valid(v->host_gs_sel)) \
C(host_tr_sel, HOST_TR_SEL, SEGS, "host TR has RPL or TI set", host_sel_valid(v->host_tr_sel)) \
C(host_cs_null, HOST_CS_SEL, SEGS, "host CS is a null selector", v->host_cs_sel) \
C(host_tr_null, HOST_TR_SEL, SEGS, "host TR is a null selector", v->host_tr_sel) \
C(host_ss_null, HOST_SS_SEL, SEGS, \
  "host SS is a null selector, and the host is not to be in 64-bit mode", \
  host_64(c) || v->host_ss_sel) \
C(host_fs_base, HOST_FS_BASE, SEGS, "host FS base is not canonical", canonical(v->host_fs_base)) \
C(host_gs_base, HOST_GS_BASE, SEGS, "host GS base is not canonical", canonical(v->host_gs_base)) \
C(host_tr_base, HOST_TR_BASE, SEGS, "host TR base is not canonical", canonical(v->host_tr_base)) \
C(host_gdtr_base, HOST_GDTR_BASE, SEGS, \
  "host GDTR base is not canonical", canonical(v->host_gdtr_base)) \
C(host_idtr_base, HOST_IDTR_BASE, SEGS, \
  "host IDTR base is not canonical", canonical(v->host_idtr_base))

#define SIZE "Checks Related to Address-Space Size"
#define SIZE_ROWS(C) \
C(host_size_long, EXIT_CTLS, SIZE, \
  "VM entry in IA-32e mode, but host address-space size is 0", !c->l1_long_mode || host_64(c)) \
C(host_size_legacy, EXIT_CTLS, SIZE, \
  "VM entry outside IA-32e mode, but host address-space size is 1", \
  c->l1_long_mode || !host_64(c)) \
C(host_guest_legacy, ENTRY_CTLS, SIZE, \
  "VM entry outside IA-32e mode, but the guest is to be in IA-32e mode", \
  c->l1_long_mode || !has_entry(v, ENTRYC_GUEST_64)) \
C(host_pcide, HOST_CR4, SIZE, \
  "host address-space size is 0, but host CR4.PCIDE is 1", \
  host_64(c) || !(v->host_cr4 & CR4_PCIDE)) \
C(host_rip_32, HOST_RIP, SIZE, \
  "host address-space size is 0, but bits 63:32 of host RIP are not", \
  host_64(c) || !(v->host_rip >> 32)) \
C(host_pae, HOST_CR4, SIZE, \
  "host address-space size is 1, but host CR4.PAE is 0", \
  !host_64(c) || (v->host_cr4 & CR4_PAE)) \
C(host_rip_canonical, HOST_RIP, SIZE, \
  "host address-space size is 1, and host RIP is not canonical", \
  !host_64(c) || canonical(v->host_rip))

#define HOST_CHECKS(C) REG_ROWS(C) SEG_ROWS(C) SIZE_ROWS(C)

enum { HOST_CHECKS(CHECK_ENUM) };
static const struct check checks[] = { HOST_CHECKS(CHECK_DESC) };

DEFINE_CHECK(check_host, HOST_CHECKS)
