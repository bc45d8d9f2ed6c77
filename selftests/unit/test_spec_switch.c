// SPDX-License-Identifier: GPL-2.0-only
/* When IA32_SPEC_CTRL is written around an entry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "hw/spec_switch.h"

#define IBRS 1
#define STIBP 2

/* Switched or not, the guest runs with @runs_with and the host goes on with @host. */
static void expect(bool want, const u64 *guest, u64 host, bool legacy_ibrs, u64 runs_with)
{
	struct spec_ctrl_pair pair;

	assert_int_equal(spec_switch(&pair, guest, host, legacy_ibrs), want);
	assert_int_equal(pair.guest, runs_with);
	assert_int_equal(pair.host, host);
}

static void a_guest_without_the_msr_has_the_hosts(void **state)
{
	(void)state;
	expect(false, NULL, 0, false, 0);
	expect(false, NULL, STIBP, false, STIBP);
}

static void the_same_is_not_written(void **state)
{
	const u64 none = 0, stibp = STIBP;

	(void)state;
	expect(false, &none, 0, false, 0);
	expect(false, &stibp, STIBP, false, STIBP);
}

static void neither_sees_the_others(void **state)
{
	const u64 none = 0, ibrs = IBRS, high = 1ull << 40;

	(void)state;
	expect(true, &ibrs, 0, false, IBRS);
	expect(true, &none, IBRS, false, 0);
	expect(true, &ibrs, STIBP, false, IBRS);
	expect(true, &high, 0, false, high);
}

static void legacy_ibrs_is_always_written(void **state)
{
	const u64 ibrs = IBRS;

	(void)state;
	expect(true, NULL, IBRS, true, IBRS);
	expect(true, &ibrs, IBRS, true, IBRS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_without_the_msr_has_the_hosts),
		cmocka_unit_test(the_same_is_not_written),
		cmocka_unit_test(neither_sees_the_others),
		cmocka_unit_test(legacy_ibrs_is_always_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
