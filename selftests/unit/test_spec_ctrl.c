// SPDX-License-Identifier: GPL-2.0-only
/* Which bits of IA32_SPEC_CTRL CPUID promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cpu/spec_ctrl.h"

static void nothing_without_leaf_7(void **state)
{
	(void)state;
	assert_int_equal(spec_ctrl_bits(0, 0), 0);
	assert_int_equal(spec_ctrl_bits(0, ~0u), 0); /* subleaf 2 alone brings no MSR */
	assert_int_equal(
		spec_ctrl_bits(~(CPUID_7_EDX_SPEC_CTRL | CPUID_7_EDX_STIBP | CPUID_7_EDX_SSBD),
			       ~0u),
		0);
}

static void leaf_7(void **state)
{
	(void)state;
	assert_int_equal(spec_ctrl_bits(CPUID_7_EDX_SPEC_CTRL, 0), 3);
	assert_int_equal(spec_ctrl_bits(CPUID_7_EDX_STIBP, 0), 3);
	assert_int_equal(spec_ctrl_bits(CPUID_7_EDX_SSBD, 0), 4);
	assert_int_equal(spec_ctrl_bits(CPUID_7_EDX_SPEC_CTRL | CPUID_7_EDX_SSBD, 0), 7);
}

static void subleaf_2(void **state)
{
	u32 edx = CPUID_7_EDX_SPEC_CTRL;

	(void)state;
	assert_int_equal(spec_ctrl_bits(edx, 1), 3 | 1 << 7);
	assert_int_equal(spec_ctrl_bits(edx, 2), 3 | 3 << 3);
	assert_int_equal(spec_ctrl_bits(edx, 4), 3 | 3 << 5);
	assert_int_equal(spec_ctrl_bits(edx, 8), 3 | 1 << 8);
	assert_int_equal(spec_ctrl_bits(edx, 16), 3 | 1 << 10);
	assert_int_equal(spec_ctrl_bits(edx, ~31u), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_without_leaf_7),
		cmocka_unit_test(leaf_7),
		cmocka_unit_test(subleaf_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
