// SPDX-License-Identifier: GPL-2.0-only
/* MSR areas of vmcs12; MSR bitmaps. */
/* sources: kmod/nested/msr_lists.c kmod/nested/bitmaps.c kmod/nested/vmcs12.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <vmx/controls.h>

#include "nested/bitmaps.h"
#include "nested/msr_lists.h"

static bool loads(u32 index, u32 reserved, bool x2apic)
{
	const struct msr_ctx c = {
		.number = 1,
		.readable = true,
		.x2apic = x2apic,
		.e = { .index = index, .reserved = reserved },
	};

	return !check_msr_load(&c);
}

static void load_area(void **state)
{
	(void)state;
	assert_true(loads(0x174, 0, false));
	assert_false(loads(0x174, 1, false));
	assert_false(loads(0xc0000100, 0, false));
	assert_false(loads(0xc0000101, 0, false));
	assert_true(loads(0xc0000102, 0, false));
	assert_false(loads(0x9b, 0, false));
	assert_true(loads(0x808, 0, false));
	assert_false(loads(0x808, 0, true));
	assert_false(loads(0x8ff, 0, true));
	assert_true(loads(0x900, 0, true));
}

static void store_area(void **state)
{
	struct msr_ctx c = { .number = 1, .readable = true, .x2apic = true };

	(void)state;
	c.e.index = 0xc0000100;
	assert_null(check_msr_store(&c)); /* FS base may be stored */
	c.e.index = 0x9e;
	assert_non_null(check_msr_store(&c));
	c.e = (struct msr_list_entry){ .index = 0x10, .reserved = 1 };
	assert_non_null(check_msr_store(&c));
}

static u8 a[BITMAP_SIZE] __aligned(8), to[BITMAP_SIZE] __aligned(8);

static void msr_bitmaps(void **state)
{
	(void)state;
	memset(a, 0, sizeof(a));
	msr_bitmap_set(a, 0x10, false, true);
	assert_true(msr_bitmap_exits(a, 0x10, false));
	assert_false(msr_bitmap_exits(a, 0x10, true));
	msr_bitmap_set(a, 0xc0001fff, true, true);
	assert_int_equal(a[4095], 0x80);
	assert_true(msr_bitmap_exits(a, 0x2000, false)); /* in neither range */
	assert_true(msr_bitmap_exits(a, 0xbfffffff, false));
	assert_true(msr_bitmap_exits(a, 0x40000000, true));
}

/* Does the merged bitmap pass what L1's own passes? */
static bool passes(u32 msr, bool write, u32 proc2)
{
	memset(to, 0xff, sizeof(to));
	msr_bitmap_merge_x2apic(to, a, proc2);
	return !msr_bitmap_exits(to, msr, write);
}

static void x2apic_passes_only_what_is_virtualized(void **state)
{
	const u32 all = PROC2_X2APIC | PROC2_APIC_REG_VIRT | PROC2_VIRT_INTR;
	u32 msr;

	(void)state;
	memset(a, 0, sizeof(a));
	for (msr = 0x7ff; msr <= 0x900; msr++) {
		bool apic = msr >= 0x800 && msr < 0x900;

		assert_false(passes(msr, false, all & ~(u32)PROC2_X2APIC));
		assert_false(passes(msr, true, all & ~(u32)PROC2_X2APIC));
		assert_int_equal(passes(msr, false, PROC2_X2APIC), msr == 0x808);
		assert_int_equal(passes(msr, true, PROC2_X2APIC | PROC2_APIC_REG_VIRT),
				 msr == 0x808);
		assert_int_equal(passes(msr, false, all), apic);
		assert_int_equal(passes(msr, true, all),
				 msr == 0x808 || msr == 0x80b || msr == 0x83f);
	}
}

static void x2apic_exits_where_l1_wants(void **state)
{
	const u32 all = PROC2_X2APIC | PROC2_APIC_REG_VIRT | PROC2_VIRT_INTR;

	(void)state;
	memset(a, 0, sizeof(a));
	msr_bitmap_set(a, 0x802, false, true);
	msr_bitmap_set(a, 0x808, true, true);
	msr_bitmap_set(a, 0x80b, true, true);
	assert_false(passes(0x802, false, all));
	assert_true(passes(0x803, false, all));
	assert_true(passes(0x808, false, all));
	assert_false(passes(0x808, true, all));
	assert_false(passes(0x80b, true, all));
	assert_true(passes(0x83f, true, all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_area),
		cmocka_unit_test(store_area),
		cmocka_unit_test(msr_bitmaps),
		cmocka_unit_test(x2apic_passes_only_what_is_virtualized),
		cmocka_unit_test(x2apic_exits_where_l1_wants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
