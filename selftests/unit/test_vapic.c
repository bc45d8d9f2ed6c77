// SPDX-License-Identifier: GPL-2.0-only
/* Virtual interrupts: which one is next, and what posted ones do to RVI. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "nested/vapic.h"

static void only_a_higher_class_is_pending(void **state)
{
	(void)state;
	assert_true(vapic_irq_pending(0, 0x0031));
	assert_false(vapic_irq_pending(0, 0x000f)); /* class 0 is never delivered */
	assert_true(vapic_irq_pending(0x20, 0x0031));
	assert_false(vapic_irq_pending(0x30, 0x0031));
	assert_false(vapic_irq_pending(0x3f, 0x003f));
	assert_true(vapic_irq_pending(0x2f, 0x0030));
	assert_false(vapic_irq_pending(0, 0x3031));
	assert_false(vapic_irq_pending(0, 0x5031));
	assert_true(vapic_irq_pending(0, 0x5061));
	assert_false(vapic_irq_pending(0x60, 0x5061));
}

static void the_highest_request_becomes_rvi(void **state)
{
	u64 pir[PIR_WORDS] = { 0 };

	(void)state;
	assert_int_equal(vapic_request(pir, 0x5031), 0x5031);
	pir[0] = BIT_ULL(0x20) | BIT_ULL(0x31);
	assert_int_equal(vapic_request(pir, 0x5000), 0x5031);
	assert_int_equal(vapic_request(pir, 0x5040), 0x5040);
	pir[1] = BIT_ULL(0);
	assert_int_equal(vapic_request(pir, 0x0031), 0x0040);
	pir[3] = BIT_ULL(63);
	assert_int_equal(vapic_request(pir, 0x1131), 0x11ff);
}

static void registers_hold_32_vectors(void **state)
{
	(void)state;
	assert_int_equal(vapic_reg(VAPIC_IRR, 0), 0x200);
	assert_int_equal(vapic_reg(VAPIC_IRR, 31), 0x200);
	assert_int_equal(vapic_reg(VAPIC_IRR, 32), 0x210);
	assert_int_equal(vapic_reg(VAPIC_IRR, 255), 0x270);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_a_higher_class_is_pending),
		cmocka_unit_test(the_highest_request_becomes_rvi),
		cmocka_unit_test(registers_hold_32_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
