// SPDX-License-Identifier: GPL-2.0-only
/* vmcs12: its memory format, look-up and access of fields. */
/* sources: kmod/nested/vmcs12.c kmod/nested/caps.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "nested/caps.h"
#include "nested/vmcs12.h"

static struct vmcs12 v;

/* The ends of each area of the format that must not move. */
static void layout_is_linux_s(void **state)
{
	(void)state;
	assert_int_equal(offsetof(struct vmcs12, abort), 4);
	assert_int_equal(offsetof(struct vmcs12, launch_state), 8);
	assert_int_equal(offsetof(struct vmcs12, io_bitmap_a), 40);
	assert_int_equal(offsetof(struct vmcs12, ept_pointer), 120);
	assert_int_equal(offsetof(struct vmcs12, link_pointer), 176);
	assert_int_equal(offsetof(struct vmcs12, guest_pdpte3), 240);
	assert_int_equal(offsetof(struct vmcs12, tsc_multiplier), 328);
	assert_int_equal(offsetof(struct vmcs12, cr0_mask), 344);
	assert_int_equal(offsetof(struct vmcs12, exit_qual), 408);
	assert_int_equal(offsetof(struct vmcs12, guest_rip), 544);
	assert_int_equal(offsetof(struct vmcs12, host_rip), 672);
	assert_int_equal(offsetof(struct vmcs12, host_s_cet), 680);
	assert_int_equal(offsetof(struct vmcs12, guest_ssp_table), 720);
	assert_int_equal(offsetof(struct vmcs12, pin_ctls), 744);
	assert_int_equal(offsetof(struct vmcs12, insn_error), 808);
	assert_int_equal(offsetof(struct vmcs12, guest_preempt_timer), 928);
	assert_int_equal(offsetof(struct vmcs12, vpid), 960);
	assert_int_equal(offsetof(struct vmcs12, pml_index), 996);
	assert_int_equal(sizeof(struct vmcs12), 4096);
}

static void fields_do_not_overlap(void **state)
{
	u8 used[VMCS12_SIZE] = { 0 };
	unsigned int i, b;

	(void)state;
	memset(used, 1, 12); /* the header */
	for (i = 0; i < NR_FIELDS; i++) {
		for (b = 0; b < vmcs12_fields[i].bytes; b++) {
			assert_int_equal(used[vmcs12_fields[i].offset + b], 0);
			used[vmcs12_fields[i].offset + b] = 1;
		}
	}
}

static void width_and_type_follow_the_encoding(void **state)
{
	static const u8 bytes[] = { 2, 8, 4, 8 };
	static const enum vmcs12_role role[] = { ROLE_MERGE, ROLE_EXIT, ROLE_GUEST, ROLE_HOST };
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_FIELDS; i++) {
		const struct vmcs12_field *f = &vmcs12_fields[i];

		assert_int_equal(f->bytes, bytes[vmcs_enc_width(f->enc)]);
		assert_int_equal(f->role, role[vmcs_enc_type(f->enc)]);
		if (i)
			assert_true(f->enc > f[-1].enc); /* SDM order */
	}
}

static void every_field_is_found_and_nothing_else(void **state)
{
	unsigned int found = 0;
	u64 enc;

	(void)state;
	for (enc = 0; enc < 0x20000; enc++) {
		const struct vmcs12_field *f = vmcs12_find(enc);

		if (!f)
			continue;
		assert_int_equal(f->enc, enc & ~1ull);
		found += !(enc & 1);
	}
	assert_int_equal(found, NR_FIELDS);
	assert_null(vmcs12_find(1ull << 32 | VMCS_GUEST_RIP));
	assert_null(vmcs12_find(VMCS_GUEST_RIP | 1)); /* no upper half */
	assert_null(vmcs12_find(VMCS_GUEST_RIP | 1 << 12));
	assert_string_equal(vmcs12_field_name(VMCS_VPID), "VPID");
	assert_string_equal(vmcs12_field_name(0x7fff), "?");
}

static void each_field_keeps_its_own_width(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_FIELDS; i++) {
		const struct vmcs12_field *f = &vmcs12_fields[i];
		u64 mask = f->bytes == 8 ? ~0ull : BIT_ULL(f->bytes * 8) - 1;

		memset(&v, 0, sizeof(v));
		vmcs12_set(&v, f, false, ~0ull);
		assert_int_equal(vmcs12_get(&v, f, false), mask);
		vmcs12_set(&v, f, false, 0);
		assert_int_equal(v.bytes[f->offset + f->bytes], 0);
	}
}

static void upper_half_is_accessed_alone(void **state)
{
	const struct vmcs12_field *f = vmcs12_find(VMCS_TSC_OFFSET + 1);

	(void)state;
	v.tsc_offset = 0x1111111122222222;
	assert_int_equal(vmcs12_get(&v, f, true), 0x11111111);
	vmcs12_set(&v, f, true, 0xdeadbeef33333333);
	assert_int_equal(v.tsc_offset, 0x3333333322222222);
	assert_int_equal(vmcs12_read(&v, VMCS_TSC_OFFSET + 1), 0x33333333);
}

static void fields_come_with_their_controls(void **state)
{
	struct vmx_caps caps = { 0 };
	struct vmcs12_fieldset set;

	(void)state;
	vmcs12_fields_of(&caps, &set);
	assert_false(vmcs12_has(&set, FIELD_VPID));
	assert_false(vmcs12_has(&set, FIELD_EOI_BITMAP2));
	assert_true(vmcs12_has(&set, FIELD_GUEST_RIP));
	assert_true(vmcs12_has(&set, FIELD_PIN_CTLS));
	caps.proc2.may = PROC2_VPID | PROC2_VIRT_INTR;
	caps.exit.may = EXITC_SAVE_PAT;
	vmcs12_fields_of(&caps, &set);
	assert_true(vmcs12_has(&set, FIELD_VPID));
	assert_true(vmcs12_has(&set, FIELD_EOI_BITMAP2));
	assert_true(vmcs12_has(&set, FIELD_GUEST_PAT)); /* one of two controls is enough */
	assert_false(vmcs12_has(&set, FIELD_HOST_PAT));
}

static void enum_tells_the_highest_index(void **state)
{
	struct vmx_caps caps = { 0 };
	struct vmcs12_fieldset set;

	(void)state;
	vmcs12_fields_of(&caps, &set);
	assert_int_equal(vmcs12_enum(&set), 0x15 << 1); /* GUEST_SYSENTER_CS */
	caps.pin.may = PIN_PREEMPT_TIMER;
	vmcs12_fields_of(&caps, &set);
	assert_int_equal(vmcs12_enum(&set), 0x17 << 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_is_linux_s),
		cmocka_unit_test(fields_do_not_overlap),
		cmocka_unit_test(width_and_type_follow_the_encoding),
		cmocka_unit_test(every_field_is_found_and_nothing_else),
		cmocka_unit_test(each_field_keeps_its_own_width),
		cmocka_unit_test(upper_half_is_accessed_alone),
		cmocka_unit_test(fields_come_with_their_controls),
		cmocka_unit_test(enum_tells_the_highest_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
