// SPDX-License-Identifier: GPL-2.0-only
/*
 * The checks of VM entries and VMX instructions. check_cases.def has for each
 * row a state in which it only just holds, and one in which it fails and
 * nothing else does; a row without a case fails the test.
 */
/* sources: kmod/nested/vmcs12.c kmod/nested/caps.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "nested/caps.h"

/* The files themselves, for their predicates: each row is asked on its own. */
#include "../../kmod/nested/check/ctls.c"
#include "../../kmod/nested/check/guest.c"
#include "../../kmod/nested/check/segs.c"
#include "../../kmod/nested/check/insn.c"
#include "../../kmod/nested/msr_lists.c"

static struct vmcs12 vm;
static struct vmx_caps caps;
static struct check_ctx ctx;
static struct vmcs12 *const v = &vm;
static struct check_ctx *const c = &ctx;
static struct insn_ctx insn;
static struct msr_ctx entry;

/* Everything that a check can depend on may be set. */
static void all_caps(void)
{
	caps = (struct vmx_caps){
		.basic = 0x00da040011e57ed0ull,
		.pin = { PIN_DEFAULT1, 0xff },
		.proc = { 0x04006172, ~(u32)BIT(18) },
		.proc2 = { 0, 0x7fffff },
		.exit = { 0x36dfb, 0x11ffffff },
		.entry = { 0x11fb, 0x13ffff },
		.misc = 0x4 << 16 | 0x1e0 | MISC_VMWRITE_ANY,
		.cr0_fixed0 = 0x80000021,
		.cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = 0x2000,
		.cr4_fixed1 = 0xb727ff,
		.ept_vpid = EPTCAP_WB | EPTCAP_WALK_4 | EPTCAP_INVEPT_SINGLE | EPTCAP_INVEPT_ALL |
			    EPTCAP_INVVPID_ADDR | EPTCAP_INVVPID_SINGLE | EPTCAP_INVVPID_ALL |
			    EPTCAP_INVVPID_NON_GLOBAL,
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

/* An operand that every instruction takes, of a vCPU in VMX root operation. */
static void valid_insn(void)
{
	insn = (struct insn_ctx){
		.caps = &caps,
		.maxphyaddr = 40,
		.vmxon_ptr = 0x3000,
		.vmcs12_ptr = 0x5000,
		.pa = 0x6000,
		.revision = VMCS12_REVISION,
		.known = true,
		.type = 1,
		.desc_read = true,
		.desc = { 0x1e, 0 },
	};
	entry = (struct msr_ctx){ .number = 1, .readable = true, .e = { .index = 0x174 } };
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
	valid_insn();
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

static void make_unrestricted(void)
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

static void enter_vm86(void)
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

static void host_legacy(void)
{
	legacy();
	c->l1_long_mode = false;
	v->exit_ctls &= ~(u32)EXITC_HOST_64;
	v->host_rip = 0x81000000;
}

static void ring3(void)
{
	v->guest_cs_sel = 11;
	v->guest_cs_ar = 0xa0fb;
	v->guest_ss_sel = 19;
	v->guest_ss_ar = 0xc0f3;
}

#define BAD_PA 0x10000000000ull /* beyond 40 bits */
#define TOP_PAGE (BAD_PA - 0x1000)
#define BAD_CANON 0x800000000000ull
#define TOP_CANON (BAD_CANON - 1)

/* --- rows and their cases ----------------------------------------------- */

/* Rows of other groups are not looked at: they speak of another instruction. */
enum group {
	GROUP_ENTRY,
	GROUP_MSR_LOAD,
	GROUP_MSR_STORE,
	GROUP_INSN, /* + EXIT_* */
};

struct row {
	const char *id;
	int group;
	bool (*holds)(void);
};

struct test_case {
	const char *id;
	void (*holds)(void);
	void (*fails)(void);
};

/* clang-format off */
#undef C
#undef I
#undef M
#define C(id, field, section, message, predicate) \
	static bool holds_##id(void) { return predicate; }
#define I(insn_, id, error, operand, value, section, message, predicate) \
	static bool holds_##id(void) { struct insn_ctx *c = &insn; return predicate; }
#define M(id, section, message, predicate) \
	static bool holds_##id(void) { struct msr_ctx *c = &entry; return predicate; }
#include "check_all.def"
#undef C
#undef I
#undef M

#define C(id, field, section, message, predicate) { #id, GROUP_ENTRY, holds_##id },
#define I(insn_, id, error, operand, value, section, message, predicate) \
	{ #id, GROUP_INSN + EXIT_##insn_, holds_##id },
#define M(id_, section, message, predicate) \
	{ #id_, #id_[4] == 'l' ? GROUP_MSR_LOAD : GROUP_MSR_STORE, holds_##id_ },
static const struct row rows[] = {
#include "check_all.def"
};
#undef C
#undef I
#undef M

#define T(id, holds, fails) \
	static void hold_##id(void) { holds; } static void fail_##id(void) { fails; }
#define TI(id, holds, fails) \
	static void hold_##id(void) { struct insn_ctx *c = &insn; holds; } \
	static void fail_##id(void) { struct insn_ctx *c = &insn; fails; }
#define TM(id, holds, fails) \
	static void hold_##id(void) { struct msr_ctx *c = &entry; holds; } \
	static void fail_##id(void) { struct msr_ctx *c = &entry; fails; }
#include "check_cases.def"
#undef T
#undef TI
#undef TM

#define T(id, holds, fails) { #id, hold_##id, fail_##id },
#define TI T
#define TM T
static const struct test_case cases[] = {
#include "check_cases.def"
};
/* clang-format on */

static const struct test_case *find_case(const struct row *row)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (!strcmp(cases[i].id, row->id))
			return &cases[i];
	fail_msg("%s has no case in check_cases.def", row->id);
	return NULL;
}

/* What the code that the module runs answers for the row's group. */
static const struct check *first_of(const struct row *row)
{
	const struct check *f;

	if (row->group == GROUP_MSR_LOAD)
		return check_msr_load(&entry);
	if (row->group == GROUP_MSR_STORE)
		return check_msr_store(&entry);
	if (row->group >= GROUP_INSN)
		return check_insn(row->group - GROUP_INSN, &insn);
	f = check_controls(c);
	if (!f)
		f = check_host(c);
	return f ? f : check_guest(c);
}

static bool any_fails(const struct row *of, const struct row *but)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].group != of->group || &rows[i] == but || rows[i].holds())
			continue;
		print_error("%s: %s fails\n", of->id, rows[i].id);
		return true;
	}
	return false;
}

static void each_row_only_just_holds(void **state)
{
	const struct check *f;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		valid(state);
		find_case(&rows[i])->holds();
		assert_false(any_fails(&rows[i], NULL));
		f = first_of(&rows[i]);
		if (f)
			fail_msg("%s: held, and fails as %s", rows[i].id, f->id);
	}
}

static void each_row_fails_alone(void **state)
{
	const struct check *f;
	bool others = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		valid(state);
		find_case(&rows[i])->fails();
		others |= any_fails(&rows[i], &rows[i]);
		f = first_of(&rows[i]);
		if (!f)
			fail_msg("%s does not fail", rows[i].id);
		else if (strcmp(f->id, rows[i].id))
			fail_msg("%s fails as %s", rows[i].id, f->id);
	}
	assert_false(others);
}

/* A case for no row is a row that was renamed; an id that is there twice hides one. */
static void cases_and_rows_are_one_to_one(void **state)
{
	size_t i, j;

	(void)state;
	assert_int_equal(ARRAY_SIZE(rows), ARRAY_SIZE(cases));
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (j = i + 1; j < ARRAY_SIZE(rows); j++)
			assert_string_not_equal(rows[i].id, rows[j].id);
}

static const struct check *entry_failed(void)
{
	const struct check *f = check_controls(c);

	if (!f)
		f = check_host(c);
	return f ? f : check_guest(c);
}

static void valid_vmcs12_passes(void **state)
{
	const struct check *f = entry_failed();

	(void)state;
	if (f)
		fail_msg("%s: %s", f->id, f->message);
	enter_vm86();
	assert_null(entry_failed());
}

static void qualification_follows_the_part(void **state)
{
	(void)state;
	v->link_pointer = 1;
	assert_int_equal(check_guest(c)->qual, ENTRYQ_LINK);
	fail_pdpte0();
	v->link_pointer = ~0ull;
	assert_int_equal(check_guest(c)->qual, ENTRYQ_PDPTE);
	valid(state);
	fail_blocking_nmi_sti();
	assert_int_equal(check_guest(c)->qual, ENTRYQ_NMI);
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
	assert_null(entry_failed());
}

static void unrestricted_real_mode_passes(void **state)
{
	(void)state;
	make_unrestricted();
	legacy();
	v->guest_cr0 = 0x30;
	v->guest_cs_ar = 0x93;
	v->guest_cs_limit = 0xffff;
	v->guest_ds_sel = 3;
	inject(INTR_TYPE_HARD_EXC | VEC_GP); /* no error code without CR0.PE */
	assert_null(entry_failed());
}

/* EPTP switching and INVEPT take what an entry takes. */
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
	assert_null(check_insn(EXIT_INVEPT, &insn));
	insn.desc[0] = 0x1d; /* no such memory type */
	assert_string_equal(check_insn(EXIT_INVEPT, &insn)->id, "invept_eptp");
}

/* Where the processor has 57-bit addresses WRFSBASE and the like leave such, but RIP is L2's. */
static void wide_bases(void **state)
{
	u64 *const wide[] = { &v->guest_fs_base,      &v->guest_gs_base,   &v->guest_tr_base,
			      &v->guest_gdtr_base,    &v->guest_idtr_base, &v->guest_sysenter_esp,
			      &v->guest_sysenter_eip, &v->host_fs_base,	   &v->host_gdtr_base,
			      &v->host_sysenter_esp };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wide); i++) {
		valid(state);
		*wide[i] = BAD_CANON;
		assert_non_null(entry_failed());
		c->la57 = true;
		assert_null(entry_failed());
		*wide[i] = 1ull << 56;
		assert_non_null(entry_failed());
	}
	valid(state);
	c->la57 = true;
	v->host_rip = BAD_CANON;
	assert_string_equal(entry_failed()->id, "host_rip_canonical");
}

/* IA32_DEBUGCTL.BTF has TF trap at branches only, so that none is pending in a shadow. */
static void branch_steps_are_not_pending(void **state)
{
	(void)state;
	v->guest_interruptibility = IRQBLK_STI;
	v->guest_rflags |= RFLAGS_TF;
	v->entry_ctls |= ENTRYC_LOAD_DEBUG;
	assert_false(pending_bs_valid(c));
	v->guest_debugctl = DEBUGCTL_BTF;
	assert_true(pending_bs_valid(c));
	v->guest_pending_dbg = DBG_BS;
	assert_false(pending_bs_valid(c));
	/* An entry that does not load it leaves L1's. */
	v->entry_ctls &= ~ENTRYC_LOAD_DEBUG;
	assert_true(pending_bs_valid(c));
	c->l1_debugctl = DEBUGCTL_BTF;
	assert_false(pending_bs_valid(c));
	v->guest_pending_dbg = 0;
	assert_true(pending_bs_valid(c));
}

/*
 * Of an L2 at rest the non-register state is not checked at an entry: whatever L1 writes for it,
 * no row fails.
 */
static void at_rest_nothing_fails(void **state)
{
	static const u64 rflags[] = { RFLAGS_TF, RFLAGS_IF, RFLAGS_TF | RFLAGS_IF, 0 };

	(void)state;
	assert_true(guest_at_rest(v));
	v->pin_ctls = ~0u;
	v->entry_ctls = ~0u;
	caps.misc = 0;
	for (u32 info = 0; info <= INTR_TYPE_MASK + INTR_VECTOR; info++) {
		for (u32 i = 0; i < ARRAY_SIZE(rflags) * 2; i++) {
			v->guest_rflags = rflags[i / 2];
			v->guest_debugctl = i & 1 ? DEBUGCTL_BTF : 0;
			v->guest_ss_ar = i & 1 ? 0xc0f3 : 0xc093;
			v->entry_intr_info = INTR_VALID | info;
			assert_null(check_guest_nonreg(c));
		}
	}
}

/* Each of what it asks is needed. */
static void not_at_rest(void **state)
{
	(void)state;
	v->guest_activity = ACTIVITY_HLT;
	assert_false(guest_at_rest(v));
	v->guest_activity = ACTIVITY_ACTIVE;
	v->guest_interruptibility = IRQBLK_NMI;
	assert_false(guest_at_rest(v));
	v->guest_interruptibility = 0;
	v->guest_pending_dbg = DBG_BS;
	assert_false(guest_at_rest(v));
}

/* The type alone is known at first. */
static void types_before_descriptors(void **state)
{
	(void)state;
	insn.desc_read = false;
	memset(insn.desc, 0xff, sizeof(insn.desc));
	assert_null(check_insn(EXIT_INVEPT, &insn));
	assert_null(check_insn(EXIT_INVVPID, &insn));
	insn.type = 9;
	assert_string_equal(check_insn(EXIT_INVEPT, &insn)->id, "invept_type");
	assert_string_equal(check_insn(EXIT_INVVPID, &insn)->id, "invvpid_type");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(valid_vmcs12_passes, valid),
		cmocka_unit_test_setup(each_row_only_just_holds, valid),
		cmocka_unit_test_setup(each_row_fails_alone, valid),
		cmocka_unit_test(cases_and_rows_are_one_to_one),
		cmocka_unit_test_setup(qualification_follows_the_part, valid),
		cmocka_unit_test_setup(borders_pass, valid),
		cmocka_unit_test_setup(unrestricted_real_mode_passes, valid),
		cmocka_unit_test_setup(ept_pointers_alone, valid),
		cmocka_unit_test_setup(wide_bases, valid),
		cmocka_unit_test_setup(branch_steps_are_not_pending, valid),
		cmocka_unit_test_setup(at_rest_nothing_fails, valid),
		cmocka_unit_test_setup(not_at_rest, valid),
		cmocka_unit_test_setup(types_before_descriptors, valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
