// SPDX-License-Identifier: GPL-2.0-only
/* vmcs02's controls from vmcs12's and L0's. */
/* sources: kmod/nested/merge.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <vmx/controls.h>
#include <vmx/info.h>

#include "nested/merge.h"

static struct vmcs12 v;
static u32 l0[NR_VMCS_CTLS];
static struct merged m;

static int setup(void **state)
{
	(void)state;
	memset(&v, 0, sizeof(v));
	l0[CTL_PIN] = PIN_DEFAULT1 | PIN_EXT_INT_EXITING | PIN_NMI_EXITING | PIN_VIRTUAL_NMIS;
	l0[CTL_PROC1] = 0x04006172 | PROC_HLT | PROC_UNCOND_IO | PROC_MSR_BITMAPS | PROC_SECONDARY |
			PROC_TSC_OFFSET | PROC_INT_WINDOW;
	l0[CTL_PROC2] = PROC2_EPT | PROC2_VPID | PROC2_UNRESTRICTED | PROC2_RDTSCP |
			PROC2_SHADOW_VMCS;
	l0[CTL_EXIT] = 0x36fff | EXITC_SAVE_EFER;
	l0[CTL_ENTRY] = 0x11ff | ENTRYC_LOAD_EFER | ENTRYC_GUEST_64;
	l0[CTL_EXCEPTIONS] = BIT(VEC_MC);
	return 0;
}

static void nothing_from_l1_is_still_all_that_l0_needs(void **state)
{
	(void)state;
	merge_controls(&v, l0, &m);
	assert_int_equal(m.ctl[CTL_PIN] & l0[CTL_PIN], l0[CTL_PIN]);
	assert_true(m.ctl[CTL_PROC1] & PROC_HLT);
	assert_true(m.ctl[CTL_PROC1] & PROC_UNCOND_IO);
	assert_true(m.ctl[CTL_PROC2] & PROC2_EPT);
	assert_true(m.ctl[CTL_PROC2] & PROC2_VPID);
	assert_int_equal(m.ctl[CTL_EXIT], l0[CTL_EXIT]);
	assert_true(m.ctl[CTL_EXCEPTIONS] & BIT(VEC_MC));
}

static void mode_based_execute_is_l1_s_choice(void **state)
{
	(void)state;
	merge_controls(&v, l0, &m);
	assert_false(m.ctl[CTL_PROC2] & PROC2_MODE_EXEC);
	v.proc_ctls = PROC_SECONDARY;
	v.proc2_ctls = PROC2_EPT | PROC2_MODE_EXEC;
	merge_controls(&v, l0, &m);
	assert_true(m.ctl[CTL_PROC2] & PROC2_MODE_EXEC);
}

static void l0_s_abilities_and_windows_do_not_leak(void **state)
{
	(void)state;
	merge_controls(&v, l0, &m);
	assert_false(m.ctl[CTL_PROC1] & PROC_INT_WINDOW);
	assert_false(m.ctl[CTL_PROC2] & (PROC2_UNRESTRICTED | PROC2_RDTSCP | PROC2_SHADOW_VMCS));
	assert_false(m.ctl[CTL_ENTRY] & ENTRYC_GUEST_64);
}

static void cr8_exits_without_a_tpr_shadow(void **state)
{
	(void)state;
	merge_controls(&v, l0, &m);
	assert_true((m.ctl[CTL_PROC1] & PROC_CR8_LOAD) && (m.ctl[CTL_PROC1] & PROC_CR8_STORE));
	v.proc_ctls = PROC_TPR_SHADOW;
	v.tpr_threshold = 3;
	merge_controls(&v, l0, &m);
	assert_true(m.ctl[CTL_PROC1] & PROC_TPR_SHADOW);
	assert_false(m.ctl[CTL_PROC1] & (PROC_CR8_LOAD | PROC_CR8_STORE));
	assert_int_equal(m.tpr_threshold, 3);
}

static void halting_exits(void **state)
{
	(void)state;
	l0[CTL_PROC1] &= ~(u32)PROC_HLT;
	v.proc_ctls &= ~(u32)PROC_HLT;
	merge_controls(&v, l0, &m);
	assert_true(m.ctl[CTL_PROC1] & PROC_HLT);
}

static void exits_are_joined(void **state)
{
	(void)state;
	v.proc_ctls = PROC_INVLPG | PROC_INT_WINDOW | PROC_SECONDARY;
	v.proc2_ctls = PROC2_WBINVD | PROC2_UNRESTRICTED;
	v.exception_bitmap = BIT(VEC_PF) | BIT(VEC_UD);
	merge_controls(&v, l0, &m);
	assert_true(m.ctl[CTL_PROC1] & PROC_INVLPG);
	assert_true(m.ctl[CTL_PROC1] & PROC_HLT);
	assert_true(m.ctl[CTL_PROC1] & PROC_INT_WINDOW);
	assert_true(m.ctl[CTL_PROC2] & PROC2_WBINVD);
	assert_true(m.ctl[CTL_PROC2] & PROC2_UNRESTRICTED);
	assert_int_equal(m.ctl[CTL_EXCEPTIONS], BIT(VEC_PF) | BIT(VEC_UD) | BIT(VEC_MC));
}

/* The monitor trap flag among them: the emulated processors have none. */
static void what_l1_alone_decides(void **state)
{
	const u32 proc2 = PROC2_XSAVES | PROC2_PAUSE_LOOP | PROC2_RDTSCP | PROC2_INVPCID;

	(void)state;
	l0[CTL_PROC1] |= PROC_MTF;
	l0[CTL_PROC2] |= proc2;
	merge_controls(&v, l0, &m);
	assert_false(m.ctl[CTL_PROC1] & PROC_MTF);
	assert_false(m.ctl[CTL_PROC2] & proc2);
	l0[CTL_PROC1] &= ~(u32)PROC_MTF;
	l0[CTL_PROC2] &= ~proc2;
	v.proc_ctls = PROC_MTF | PROC_SECONDARY;
	v.proc2_ctls = proc2;
	merge_controls(&v, l0, &m);
	assert_true(m.ctl[CTL_PROC1] & PROC_MTF);
	assert_int_equal(m.ctl[CTL_PROC2] & proc2, proc2);
}

static void secondary_controls_need_their_switch(void **state)
{
	(void)state;
	v.proc2_ctls = PROC2_WBINVD;
	merge_controls(&v, l0, &m);
	assert_false(m.ctl[CTL_PROC2] & PROC2_WBINVD);
}

static void the_apic_is_virtualized_as_l1_says(void **state)
{
	const u32 bits = PROC2_X2APIC | PROC2_APIC_REG_VIRT | PROC2_VIRT_INTR | PROC2_APIC_ACCESS;

	(void)state;
	v.proc_ctls = PROC_SECONDARY | PROC_TPR_SHADOW;
	merge_controls(&v, l0, &m);
	assert_false(m.ctl[CTL_PROC2] & bits);
	v.proc2_ctls = bits;
	merge_controls(&v, l0, &m);
	assert_int_equal(m.ctl[CTL_PROC2] & bits, bits);
	assert_true(m.ctl[CTL_PIN] & PIN_EXT_INT_EXITING);
}

static void what_l0_emulates_stays_out(void **state)
{
	(void)state;
	v.pin_ctls = PIN_POSTED_INTR;
	v.proc_ctls = PROC_SECONDARY;
	v.proc2_ctls = PROC2_PML | PROC2_EPT_VE | PROC2_SHADOW_VMCS | PROC2_VMFUNC |
		       PROC2_TSC_SCALING;
	merge_controls(&v, l0, &m);
	assert_false(m.ctl[CTL_PIN] & PIN_POSTED_INTR);
	assert_false(m.ctl[CTL_PROC2] & (PROC2_PML | PROC2_EPT_VE | PROC2_SHADOW_VMCS));
	assert_true(m.ctl[CTL_PROC2] & PROC2_VMFUNC);
	assert_true(m.ctl[CTL_PROC2] & PROC2_TSC_SCALING);
	/* L0's own scaling of L1's TSC goes on for L2. */
	v.proc2_ctls = 0;
	l0[CTL_PROC2] |= PROC2_TSC_SCALING;
	merge_controls(&v, l0, &m);
	assert_true(m.ctl[CTL_PROC2] & PROC2_TSC_SCALING);
}

static void io_bitmaps_are_l0_s(void **state)
{
	(void)state;
	v.proc_ctls = PROC_IO_BITMAPS;
	merge_controls(&v, l0, &m);
	assert_false(m.ctl[CTL_PROC1] & (PROC_IO_BITMAPS | PROC_MSR_BITMAPS));
	v.proc_ctls = PROC_MSR_BITMAPS;
	merge_controls(&v, l0, &m);
	assert_true(m.ctl[CTL_PROC1] & PROC_MSR_BITMAPS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_from_l1_is_still_all_that_l0_needs, setup),
		cmocka_unit_test_setup(mode_based_execute_is_l1_s_choice, setup),
		cmocka_unit_test_setup(l0_s_abilities_and_windows_do_not_leak, setup),
		cmocka_unit_test_setup(cr8_exits_without_a_tpr_shadow, setup),
		cmocka_unit_test_setup(halting_exits, setup),
		cmocka_unit_test_setup(exits_are_joined, setup),
		cmocka_unit_test_setup(what_l1_alone_decides, setup),
		cmocka_unit_test_setup(secondary_controls_need_their_switch, setup),
		cmocka_unit_test_setup(the_apic_is_virtualized_as_l1_says, setup),
		cmocka_unit_test_setup(what_l0_emulates_stays_out, setup),
		cmocka_unit_test_setup(io_bitmaps_are_l0_s, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
