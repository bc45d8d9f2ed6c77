// SPDX-License-Identifier: GPL-2.0-only
/*
 * The consistency checks of VM entry: for each row a change to a valid vmcs12
 * that makes this row fail, and no other before it.
 */
/* sources: kmod/nested/check_ctls.c kmod/nested/check_host.c kmod/nested/check_guest.c kmod/nested/check_segs.c kmod/nested/vmcs12.c kmod/nested/caps.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "nested/caps.h"
#include "nested/check.h"

static struct vmcs12 vm;
static struct vmx_caps caps;
static struct check_ctx ctx;
static struct vmcs12 *const v = &vm;
static struct check_ctx *const c = &ctx;

/* Everything that a check can depend on may be set. */
static void all_caps(void)
{
	caps = (struct vmx_caps){
		.basic = 0x00da040011e57ed0ull,
		.pin = { PIN_DEFAULT1, 0xff },
		.proc = { 0x04006172, ~(u32)BIT(18) },
		.proc2 = { 0, 0x7fffff },
		.exit = { 0x36dfb, 0x1ffffff },
		.entry = { 0x11fb, 0x3ffff },
		.misc = 0x4 << 16 | 0x1e0 | MISC_VMWRITE_ANY,
		.cr0_fixed0 = 0x80000021,
		.cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = 0x2000,
		.cr4_fixed1 = 0x3727ff,
		.ept_vpid = EPTCAP_WB | EPTCAP_WALK_4,
		.vmfunc = 1,
	};
}

static void valid_segments(void)
{
	v->guest_cs_sel = 8;
	v->guest_cs_ar = 0xa09b;
	v->guest_ss_sel = v->guest_ds_sel = v->guest_es_sel = 16;
	v->guest_fs_sel = v->guest_gs_sel = 16;
	v->guest_ss_ar = v->guest_ds_ar = v->guest_es_ar = 0xc093;
	v->guest_fs_ar = v->guest_gs_ar = 0xc093;
	v->guest_cs_limit = v->guest_ss_limit = v->guest_ds_limit = 0xffffffff;
	v->guest_es_limit = v->guest_fs_limit = v->guest_gs_limit = 0xffffffff;
	v->guest_tr_sel = 24;
	v->guest_tr_ar = 0x8b;
	v->guest_tr_limit = 0x67;
	v->guest_ldtr_ar = AR_UNUSABLE;
}

static void valid_host(void)
{
	v->host_cr0 = 0x80000031;
	v->host_cr4 = 0x2020;
	v->host_cs_sel = 8;
	v->host_ss_sel = 16;
	v->host_tr_sel = 24;
	v->host_rip = 0xffffffff81000000;
	v->host_efer = 0x500;
	v->host_pat = 0x0007040600070406;
}

static int valid(void **state)
{
	(void)state;
	memset(v, 0, sizeof(*v));
	all_caps();
	ctx = (struct check_ctx){
		.v = v,
		.caps = &caps,
		.maxphyaddr = 40,
		.l1_long_mode = true,
		.efer_reserved = ~0xd01ull,
		.current_vmcs = 0x5000,
		.link_readable = true,
		.link_revision = 0x11e57ed0,
	};
	v->pin_ctls = caps.pin.must;
	v->proc_ctls = caps.proc.must;
	v->exit_ctls = caps.exit.must | EXITC_HOST_64;
	v->entry_ctls = caps.entry.must | ENTRYC_GUEST_64;
	v->guest_cr0 = 0x80000031;
	v->guest_cr4 = 0x2020;
	v->guest_rflags = 2;
	v->guest_efer = 0x500;
	v->guest_pat = 0x0007040600070406;
	v->link_pointer = ~0ull;
	valid_host();
	valid_segments();
	return 0;
}

/* Shorthands for the changes. */
static void proc2(u32 bits)
{
	v->proc_ctls |= PROC_SECONDARY;
	v->proc2_ctls |= bits;
}

static void inject(u32 info)
{
	v->entry_intr_info = INTR_VALID | info;
}

static void unrestricted(void)
{
	proc2(PROC2_EPT | PROC2_UNRESTRICTED);
	v->ept_pointer = 0x1e;
}

/* Legacy protected mode, 32-bit. */
static void legacy(void)
{
	v->entry_ctls &= ~(u32)ENTRYC_GUEST_64;
	v->guest_cs_ar = 0xc09b;
	v->guest_efer = 0;
	v->guest_cr4 &= ~BIT_ULL(5); /* no PAE paging, no PDPTEs */
}

static void vm86(void)
{
	legacy();
	v->guest_rflags |= BIT_ULL(17);
	v->guest_cs_sel = v->guest_ss_sel = v->guest_ds_sel = 0x10;
	v->guest_es_sel = v->guest_fs_sel = v->guest_gs_sel = 0x10;
	v->guest_cs_base = v->guest_ss_base = v->guest_ds_base = 0x100;
	v->guest_es_base = v->guest_fs_base = v->guest_gs_base = 0x100;
	v->guest_cs_limit = v->guest_ss_limit = v->guest_ds_limit = 0xffff;
	v->guest_es_limit = v->guest_fs_limit = v->guest_gs_limit = 0xffff;
	v->guest_cs_ar = v->guest_ss_ar = v->guest_ds_ar = 0xf3;
	v->guest_es_ar = v->guest_fs_ar = v->guest_gs_ar = 0xf3;
}

static void pae(void)
{
	legacy();
	v->guest_cr4 |= BIT_ULL(5);
	c->pdpte_readable = true;
}

static void posted(void)
{
	v->pin_ctls |= PIN_POSTED_INTR | PIN_EXT_INT_EXITING;
	v->proc_ctls |= PROC_TPR_SHADOW;
	proc2(PROC2_VIRT_INTR);
	v->exit_ctls |= EXITC_ACK_INT;
}

static void usable_ldtr(void)
{
	v->guest_ldtr_ar = 0x82;
}

#define BAD_PA 0x10000000000ull /* beyond 40 bits */
#define BAD_CANON 0x800000000000ull

struct breakage {
	const char *id;
	void (*change)(void);
};

/* One function a row: B(id, statements). */
/* clang-format off */
#define BREAKAGES(B) \
B(pin_allowed, v->pin_ctls |= BIT(8)) \
B(proc_allowed, v->proc_ctls &= ~2u) \
B(proc2_allowed, proc2(BIT(30))) \
B(cr3_target_count, v->cr3_target_count = 5) \
B(io_bitmap_a, v->proc_ctls |= PROC_IO_BITMAPS; v->io_bitmap_a = 1) \
B(io_bitmap_b, v->proc_ctls |= PROC_IO_BITMAPS; v->io_bitmap_b = BAD_PA) \
B(msr_bitmap, v->proc_ctls |= PROC_MSR_BITMAPS; v->msr_bitmap = 0x800) \
B(virt_apic_addr, v->proc_ctls |= PROC_TPR_SHADOW; v->virt_apic_addr = 8) \
B(tpr_threshold_reserved, v->proc_ctls |= PROC_TPR_SHADOW; v->tpr_threshold = 0x10) \
B(tpr_threshold_vtpr, v->proc_ctls |= PROC_TPR_SHADOW; v->tpr_threshold = 5; \
  c->vtpr_known = true; c->vtpr = 0x4f) \
B(tpr_shadow_needed, proc2(PROC2_X2APIC)) \
B(virtual_nmis_need_exiting, v->pin_ctls |= PIN_VIRTUAL_NMIS) \
B(nmi_window_needs_virtual, v->proc_ctls |= PROC_NMI_WINDOW) \
B(apic_access_addr, proc2(PROC2_APIC_ACCESS); v->apic_access_addr = BAD_PA) \
B(x2apic_or_accesses, v->proc_ctls |= PROC_TPR_SHADOW; proc2(PROC2_X2APIC | PROC2_APIC_ACCESS)) \
B(virt_intr_needs_exiting, v->proc_ctls |= PROC_TPR_SHADOW; proc2(PROC2_VIRT_INTR)) \
B(posted_needs_virt_intr, v->pin_ctls |= PIN_POSTED_INTR) \
B(posted_needs_ack, posted(); v->exit_ctls &= ~(u32)EXITC_ACK_INT) \
B(posted_vector, posted(); v->posted_intr_vector = 256) \
B(posted_desc, posted(); v->posted_intr_desc = 32) \
B(vpid_nonzero, proc2(PROC2_VPID)) \
B(eptp_memtype, proc2(PROC2_EPT); v->ept_pointer = 0x18) \
B(eptp_walk, proc2(PROC2_EPT); v->ept_pointer = 0x26) \
B(eptp_ad, proc2(PROC2_EPT); v->ept_pointer = 0x5e) \
B(eptp_reserved, proc2(PROC2_EPT); v->ept_pointer = 0x9e) \
B(pml_needs_ept, proc2(PROC2_PML)) \
B(pml_addr, proc2(PROC2_PML | PROC2_EPT); v->ept_pointer = 0x1e; v->pml_addr = 1) \
B(unrestricted_needs_ept, proc2(PROC2_UNRESTRICTED)) \
B(mode_exec_needs_ept, proc2(PROC2_MODE_EXEC)) \
B(vmfunc_allowed, proc2(PROC2_VMFUNC); v->vmfunc_ctls = 2) \
B(eptp_switching_needs_ept, proc2(PROC2_VMFUNC); v->vmfunc_ctls = 1) \
B(eptp_list_addr, proc2(PROC2_VMFUNC | PROC2_EPT); v->ept_pointer = 0x1e; \
  v->vmfunc_ctls = 1; v->eptp_list_addr = 1) \
B(vmread_bitmap, proc2(PROC2_SHADOW_VMCS); v->vmread_bitmap = 1) \
B(vmwrite_bitmap, proc2(PROC2_SHADOW_VMCS); v->vmwrite_bitmap = BAD_PA) \
B(ve_info_addr, proc2(PROC2_EPT_VE); v->ve_info_addr = 1) \
B(exit_allowed, v->exit_ctls &= ~1u) \
B(save_timer_needs_timer, v->exit_ctls |= EXITC_SAVE_PREEMPT_TIMER) \
B(exit_store_list, v->exit_msr_store_count = 1; v->exit_msr_store_addr = 8) \
B(exit_load_list, v->exit_msr_load_count = 2; v->exit_msr_load_addr = BAD_PA - 16) \
B(entry_allowed, v->entry_ctls &= ~1u) \
B(inject_type, inject(1u << 8)) \
B(inject_vector, inject(INTR_TYPE_NMI | 3)) \
B(inject_error, inject(INTR_TYPE_HARD_EXC | VEC_UD | INTR_HAS_ERROR)) \
B(inject_reserved, inject(INTR_TYPE_EXT | 32 | BIT(12))) \
B(inject_error_code, inject(INTR_TYPE_HARD_EXC | VEC_GP | INTR_HAS_ERROR); \
  v->entry_error_code = 0x10000) \
B(inject_length, inject(INTR_TYPE_SOFT_INT | 0x80); v->entry_insn_len = 16) \
B(entry_load_list, v->entry_msr_load_count = 1; v->entry_msr_load_addr = BAD_PA) \
B(entry_smm, v->entry_ctls |= ENTRYC_SMM) \
B(host_cr0_fixed, v->host_cr0 = 0x31) \
B(host_cr4_fixed, v->host_cr4 = 0x20) \
B(host_cr3_width, v->host_cr3 = BAD_PA) \
B(host_sysenter_esp, v->host_sysenter_esp = BAD_CANON) \
B(host_sysenter_eip, v->host_sysenter_eip = BAD_CANON) \
B(host_pat, v->exit_ctls |= EXITC_LOAD_PAT; v->host_pat = 2) \
B(host_efer_reserved, v->exit_ctls |= EXITC_LOAD_EFER; v->host_efer |= 2) \
B(host_efer_mode, v->exit_ctls |= EXITC_LOAD_EFER; v->host_efer = 0x100) \
B(host_es_sel, v->host_es_sel = 3) B(host_cs_sel, v->host_cs_sel |= 4) \
B(host_ss_sel, v->host_ss_sel |= 1) B(host_ds_sel, v->host_ds_sel = 4) \
B(host_fs_sel, v->host_fs_sel = 3) B(host_gs_sel, v->host_gs_sel = 3) \
B(host_tr_sel, v->host_tr_sel |= 4) \
B(host_cs_null, v->host_cs_sel = 0) B(host_tr_null, v->host_tr_sel = 0) \
B(host_ss_null, v->host_ss_sel = 0; v->exit_ctls &= ~(u32)EXITC_HOST_64) \
B(host_fs_base, v->host_fs_base = BAD_CANON) B(host_gs_base, v->host_gs_base = BAD_CANON) \
B(host_tr_base, v->host_tr_base = BAD_CANON) \
B(host_gdtr_base, v->host_gdtr_base = BAD_CANON) \
B(host_idtr_base, v->host_idtr_base = BAD_CANON) \
B(host_size_long, v->exit_ctls &= ~(u32)EXITC_HOST_64) \
B(host_size_legacy, c->l1_long_mode = false) \
B(host_guest_legacy, c->l1_long_mode = false; v->exit_ctls &= ~(u32)EXITC_HOST_64) \
B(host_pcide, c->l1_long_mode = false; v->exit_ctls &= ~(u32)EXITC_HOST_64; \
  v->entry_ctls &= ~(u32)ENTRYC_GUEST_64; v->host_cr4 |= BIT(17)) \
B(host_rip_32, c->l1_long_mode = false; v->exit_ctls &= ~(u32)EXITC_HOST_64; \
  v->entry_ctls &= ~(u32)ENTRYC_GUEST_64) \
B(host_pae, v->host_cr4 = 0x2000) \
B(host_rip_canonical, v->host_rip = BAD_CANON) \
B(guest_cr0_fixed, v->guest_cr0 = 0x80000011) \
B(guest_cr0_paging, unrestricted(); v->guest_cr0 = 0x80000030) \
B(guest_cr4_fixed, v->guest_cr4 = 0x20) \
B(guest_debugctl, v->entry_ctls |= ENTRYC_LOAD_DEBUG; v->guest_debugctl = 4) \
B(guest_long_paging, unrestricted(); v->guest_cr0 = 0x31) \
B(guest_long_pae, v->guest_cr4 = 0x2000) \
B(guest_pcide, legacy(); v->guest_cr4 |= BIT(17)) \
B(guest_cr3_width, v->guest_cr3 = BAD_PA) \
B(guest_dr7, v->entry_ctls |= ENTRYC_LOAD_DEBUG; v->guest_dr7 = BIT_ULL(32)) \
B(guest_sysenter_esp, v->guest_sysenter_esp = BAD_CANON) \
B(guest_sysenter_eip, v->guest_sysenter_eip = BAD_CANON) \
B(guest_pat, v->entry_ctls |= ENTRYC_LOAD_PAT; v->guest_pat = 3) \
B(guest_efer_reserved, v->entry_ctls |= ENTRYC_LOAD_EFER; v->guest_efer |= 2) \
B(guest_efer_lma, v->entry_ctls |= ENTRYC_LOAD_EFER; v->guest_efer = 0x100) \
B(guest_efer_lme, v->entry_ctls |= ENTRYC_LOAD_EFER; v->guest_efer = 0x400) \
B(guest_gdtr_base, v->guest_gdtr_base = BAD_CANON) \
B(guest_idtr_base, v->guest_idtr_base = BAD_CANON) \
B(guest_gdtr_limit, v->guest_gdtr_limit = 0x10000) \
B(guest_idtr_limit, v->guest_idtr_limit = 0x10000) \
B(guest_rip, legacy(); v->guest_rip = BIT_ULL(32)) \
B(guest_rflags_reserved, v->guest_rflags = 0) \
B(guest_rflags_vm, v->guest_rflags |= BIT_ULL(17)) \
B(guest_rflags_if, inject(INTR_TYPE_EXT | 32)) \
B(activity_known, v->guest_activity = 4) \
B(activity_hlt_dpl, v->guest_activity = ACTIVITY_HLT; v->guest_cs_sel = 11; \
  v->guest_ss_sel = 19; v->guest_ss_ar = 0xc0f3; v->guest_cs_ar = 0xa0fb; \
  v->guest_ds_ar = v->guest_es_ar = v->guest_fs_ar = v->guest_gs_ar = 0xc0f3) \
B(activity_blocked, v->guest_activity = ACTIVITY_SHUTDOWN; v->guest_interruptibility = 2) \
B(activity_injection, v->guest_activity = ACTIVITY_SIPI; inject(INTR_TYPE_NMI | 2)) \
B(blocking_reserved, v->guest_interruptibility = 0x20) \
B(blocking_both, v->guest_interruptibility = 3; v->guest_rflags |= BIT_ULL(9)) \
B(blocking_sti_if, v->guest_interruptibility = 1) \
B(blocking_ext_int, v->guest_rflags |= BIT_ULL(9); v->guest_interruptibility = 1; \
  inject(INTR_TYPE_EXT | 32)) \
B(blocking_nmi_mov_ss, v->guest_interruptibility = 2; inject(INTR_TYPE_NMI | 2)) \
B(blocking_smi, v->guest_interruptibility = 4) \
B(blocking_virtual_nmi, v->pin_ctls |= PIN_NMI_EXITING | PIN_VIRTUAL_NMIS; \
  v->guest_interruptibility = 8; inject(INTR_TYPE_NMI | 2)) \
B(pending_reserved, v->guest_pending_dbg = 0x10) \
B(pending_bs, v->guest_interruptibility = 2; v->guest_rflags |= BIT_ULL(8)) \
B(blocking_nmi_sti, v->guest_rflags |= BIT_ULL(9); v->guest_interruptibility = 1; \
  inject(INTR_TYPE_NMI | 2)) \
B(link_address, v->link_pointer = 0x6001) \
B(link_revision, v->link_pointer = 0x6000; c->link_revision = 1) \
B(link_current, v->link_pointer = 0x5000) \
B(pdpte0, pae(); c->pdpte[0] = 3) B(pdpte1, pae(); c->pdpte[1] = 0x21) \
B(pdpte2, pae(); c->pdpte[2] = BAD_PA | 1) B(pdpte3, pae(); c->pdpte[3] = 5) \
B(tr_ti, v->guest_tr_sel |= 4) \
B(ldtr_ti, usable_ldtr(); v->guest_ldtr_sel = 4) \
B(ss_rpl, v->guest_ss_sel |= 1) \
B(ss_base, v->guest_ss_base = BIT_ULL(32)) B(ds_base, v->guest_ds_base = BIT_ULL(32)) \
B(es_base, v->guest_es_base = BIT_ULL(32)) B(cs_base, v->guest_cs_base = BIT_ULL(32)) \
B(fs_base, v->guest_fs_base = BAD_CANON) B(gs_base, v->guest_gs_base = BAD_CANON) \
B(tr_base, v->guest_tr_base = BAD_CANON) \
B(ldtr_base, usable_ldtr(); v->guest_ldtr_base = BAD_CANON) \
B(vm86_cs, vm86(); v->guest_cs_base++) B(vm86_ss, vm86(); v->guest_ss_ar = 0x93) \
B(vm86_ds, vm86(); v->guest_ds_limit--) B(vm86_es, vm86(); v->guest_es_base++) \
B(vm86_fs, vm86(); v->guest_fs_ar++) B(vm86_gs, vm86(); v->guest_gs_limit++) \
B(cs_type, v->guest_cs_ar = 0xa093) \
B(cs_dpl, v->guest_cs_ar |= 3 << AR_DPL_SHIFT) \
B(cs_rights, v->guest_cs_ar &= ~(u32)AR_P) \
B(cs_long, v->guest_cs_ar |= AR_DB) \
B(ss_type, v->guest_ss_ar = 0xc091) \
B(ss_dpl, v->guest_ss_ar |= 3 << AR_DPL_SHIFT; v->guest_cs_ar = 0xa0fb) \
B(ss_rights, v->guest_ss_ar &= ~(u32)AR_G) \
B(ds_type, v->guest_ds_ar = 0xc092) B(ds_dpl, v->guest_ds_sel |= 3) \
B(ds_rights, v->guest_ds_ar |= BIT(8)) \
B(es_type, v->guest_es_ar = 0xc099) B(es_dpl, v->guest_es_sel |= 3) \
B(es_rights, v->guest_es_ar &= ~(u32)AR_S) \
B(fs_type, v->guest_fs_ar = 0xc092) B(fs_dpl, v->guest_fs_sel |= 3) \
B(fs_rights, v->guest_fs_ar |= BIT(18)) \
B(gs_type, v->guest_gs_ar = 0xc092) B(gs_dpl, v->guest_gs_sel |= 3) \
B(gs_rights, v->guest_gs_limit = 0xfffff000) \
B(tr_type, v->guest_tr_ar = 0x83) \
B(tr_usable, v->guest_tr_ar |= AR_UNUSABLE) \
B(tr_rights, v->guest_tr_limit = 0x100000) \
B(ldtr_type, v->guest_ldtr_ar = 0x83) \
B(ldtr_rights, v->guest_ldtr_ar = 0x2)

#define BREAK_FN(id, ...) static void break_##id(void) { __VA_ARGS__; }
BREAKAGES(BREAK_FN)

#define BREAK_ROW(id, ...) { #id, break_##id },
static const struct breakage breakages[] = { BREAKAGES(BREAK_ROW) };
/* clang-format on */

static const struct check *first_failed(void)
{
	const struct check *f = check_controls(c);
	u64 qual;

	if (!f)
		f = check_host(c);
	return f ? f : check_guest(c, &qual);
}

static void valid_vmcs12_passes(void **state)
{
	const struct check *f = first_failed();

	(void)state;
	if (f)
		fail_msg("%s: %s", f->id, f->message);
	vm86();
	assert_null(first_failed());
}

static void each_row_fails_by_its_own_change(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(breakages); i++) {
		const struct check *f;

		valid(state);
		breakages[i].change();
		f = first_failed();
		if (!f)
			fail_msg("%s does not fail", breakages[i].id);
		else if (strcmp(f->id, breakages[i].id))
			fail_msg("%s fails as %s", breakages[i].id, f->id);
	}
}

static void qualification_follows_the_part(void **state)
{
	u64 qual;

	(void)state;
	v->link_pointer = 1;
	assert_non_null(check_guest(c, &qual));
	assert_int_equal(qual, ENTRYQ_LINK);
	break_pdpte0();
	v->link_pointer = ~0ull;
	assert_non_null(check_guest(c, &qual));
	assert_int_equal(qual, ENTRYQ_PDPTE);
	valid(state);
	break_blocking_nmi_sti();
	assert_non_null(check_guest(c, &qual));
	assert_int_equal(qual, ENTRYQ_NMI);
}

/* What just passes, where it is not obvious. */
static void borders_pass(void **state)
{
	(void)state;
	v->cr3_target_count = 4;
	v->exit_msr_load_count = 1;
	v->exit_msr_load_addr = BAD_PA - 16;
	v->entry_msr_load_addr = 1; /* no entries: not looked at */
	v->guest_gdtr_limit = 0xffff;
	v->guest_rip = 0xffff800000000000;
	v->tpr_threshold = 0xff; /* no TPR shadow */
	v->guest_ds_ar = AR_UNUSABLE;
	inject(INTR_TYPE_HARD_EXC | VEC_GP | INTR_HAS_ERROR);
	v->entry_error_code = 0xffff;
	assert_null(first_failed());
}

static void unrestricted_real_mode_passes(void **state)
{
	(void)state;
	unrestricted();
	legacy();
	v->guest_cr0 = 0x30;
	v->guest_cs_ar = 0x93;
	v->guest_cs_limit = 0xffff;
	v->guest_ds_sel = 3;
	inject(INTR_TYPE_HARD_EXC | VEC_GP); /* no error code without CR0.PE */
	assert_null(first_failed());
}

/* EPTP switching takes what an entry takes. */
static void ept_pointers_alone(void **state)
{
	(void)state;
	assert_true(check_eptp(&caps, ctx.maxphyaddr, 0x1e));
	assert_true(check_eptp(&caps, ctx.maxphyaddr, BAD_PA - 0x1000 + 0x1e));
	assert_false(check_eptp(&caps, ctx.maxphyaddr, 0x18));
	assert_false(check_eptp(&caps, ctx.maxphyaddr, 0x26));
	assert_false(check_eptp(&caps, ctx.maxphyaddr, 0x5e));
	assert_false(check_eptp(&caps, ctx.maxphyaddr, 0x9e));
	assert_false(check_eptp(&caps, ctx.maxphyaddr, BAD_PA | 0x1e));
	caps.ept_vpid |= EPTCAP_AD;
	assert_true(check_eptp(&caps, ctx.maxphyaddr, 0x5e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(valid_vmcs12_passes, valid),
		cmocka_unit_test_setup(each_row_fails_by_its_own_change, valid),
		cmocka_unit_test_setup(qualification_follows_the_part, valid),
		cmocka_unit_test_setup(borders_pass, valid),
		cmocka_unit_test_setup(unrestricted_real_mode_passes, valid),
		cmocka_unit_test_setup(ept_pointers_alone, valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
