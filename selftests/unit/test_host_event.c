// SPDX-License-Identifier: GPL-2.0-only
/* Whose an exit is: NMIs and machine checks are the host's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cpu/host_event.h"

#define OF_EVENT(type, vector) host_event_of(EXIT_EXCEPTION_NMI, INTR_VALID | (type) | (vector))

static void nmis(void **state)
{
	(void)state;
	assert_int_equal(OF_EVENT(INTR_TYPE_NMI, 2), HOST_NMI);
	/* The vector alone makes none. */
	assert_int_equal(OF_EVENT(INTR_TYPE_HARD_EXC, 2), HOST_NOTHING);
}

static void machine_checks(void **state)
{
	(void)state;
	assert_int_equal(OF_EVENT(INTR_TYPE_HARD_EXC, VEC_MC), HOST_MACHINE_CHECK);
	assert_int_equal(host_event_of(EXIT_MCE_ENTRY, 0), HOST_MACHINE_CHECK);
	assert_int_equal(host_event_of(EXIT_MCE_ENTRY | 1u << 31, 0), HOST_MACHINE_CHECK);
}

static void the_guests_own(void **state)
{
	(void)state;
	assert_int_equal(OF_EVENT(INTR_TYPE_HARD_EXC, VEC_PF), HOST_NOTHING);
	assert_int_equal(OF_EVENT(INTR_TYPE_HARD_EXC, VEC_DB), HOST_NOTHING);
	assert_int_equal(OF_EVENT(INTR_TYPE_PRIV_SW_EXC, VEC_DB), HOST_NOTHING);
	assert_int_equal(OF_EVENT(INTR_TYPE_SOFT_EXC, VEC_BP), HOST_NOTHING);
}

/* What the exit before left in the field is of no other exit. */
static void other_exits(void **state)
{
	u32 stale = INTR_VALID | INTR_TYPE_HARD_EXC | VEC_MC;

	(void)state;
	assert_int_equal(host_event_of(EXIT_EXT_INT, stale), HOST_NOTHING);
	assert_int_equal(host_event_of(EXIT_CPUID, stale), HOST_NOTHING);
	/* An entry that failed for another reason. */
	assert_int_equal(host_event_of(33 | 1u << 31, stale), HOST_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nmis),
		cmocka_unit_test(machine_checks),
		cmocka_unit_test(the_guests_own),
		cmocka_unit_test(other_exits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
