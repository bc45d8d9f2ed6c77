// SPDX-License-Identifier: GPL-2.0-only
/* The walk of L1's EPT. */
/* sources: kmod/nested/ept12.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <vmx/caps.h>
#include <vmx/controls.h>
#include <vmx/info.h>

#include "nested/ept12.h"

/* L1's memory: four tables at pages 1 to 4, and nothing else. */
#define TABLE(level) (4096ull * (5 - (level)))
static u64 ram[5 * 512];
static int fail_cmpxchg;

static int mem_read(void *ctx, l1_gpa_t at, u64 *entry)
{
	(void)ctx;
	if (l1_addr(at) >= sizeof(ram))
		return -EFAULT;
	*entry = ram[l1_addr(at) / 8];
	return 0;
}

static int mem_cmpxchg(void *ctx, l1_gpa_t at, u64 old, u64 new)
{
	(void)ctx;
	if (fail_cmpxchg) {
		fail_cmpxchg--;
		return -EAGAIN;
	}
	assert_int_equal(ram[l1_addr(at) / 8], old);
	ram[l1_addr(at) / 8] = new;
	return 0;
}

static const struct ept12_mem mem = { NULL, mem_read, mem_cmpxchg };
static struct ept12 ept;
static struct ept12_result res;

/* The address below takes index 1, 2, 3, 4 from level 4 down. */
#define GPA (1ull << 39 | 2ull << 30 | 3ull << 21 | 4ull << 12 | 0x123)

static u64 *entry(int level)
{
	return &ram[TABLE(level) / 8 + 5 - level];
}

static int setup(void **state)
{
	int level;

	(void)state;
	memset(ram, 0, sizeof(ram));
	fail_cmpxchg = 0;
	ept = (struct ept12){
		.eptp = TABLE(4) | 0x1e,
		.ept_caps = EPTCAP_EXEC_ONLY | EPTCAP_2M | EPTCAP_1G | EPTCAP_AD,
		.maxphyaddr = 40,
	};
	for (level = 4; level > 1; level--)
		*entry(level) = TABLE(level - 1) | EPTE_RWX;
	*entry(1) = 0x7000 | EPTE_RWX | 6 << EPTE_MEMTYPE_SHIFT;
	return 0;
}

static enum ept12_outcome walk(u64 gpa, u32 access)
{
	ept12_walk(&ept, &mem, l2_gpa(gpa), access, &res);
	return res.outcome;
}

static void small_page(void **state)
{
	(void)state;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_OK);
	assert_int_equal(l1_addr(res.gpa), 0x7123);
	assert_int_equal(res.level, 1);
	assert_int_equal(res.rights, EPTE_RWX);
	assert_int_equal(res.memtype, 6 << EPTE_MEMTYPE_SHIFT);
	assert_true(res.dirty);
}

static void large_pages(void **state)
{
	(void)state;
	*entry(2) = 0x600000 | EPTE_RWX | EPTE_LARGE;
	assert_int_equal(walk(GPA, EPTE_W), EPT12_OK);
	assert_int_equal(l1_addr(res.gpa), 0x600000 + (4 << 12) + 0x123);
	assert_int_equal(res.level, 2);
	*entry(3) = 0x40000000 | EPTE_R | EPTE_LARGE;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_OK);
	assert_int_equal(l1_addr(res.gpa), 0x40000000 + (3 << 21) + (4 << 12) + 0x123);
	assert_int_equal(res.level, 3);
	ept.ept_caps &= ~EPTCAP_1G;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_MISCONFIG);
}

static void absent_entry_is_a_violation(void **state)
{
	(void)state;
	*entry(2) = ~(u64)EPTE_RWX;
	assert_int_equal(walk(GPA, EPTE_W), EPT12_VIOLATION);
	assert_int_equal(res.qual, EPTQ_WRITE);
	assert_int_equal(res.level, 2);
}

static void rights_are_those_of_all_levels(void **state)
{
	(void)state;
	*entry(3) &= ~EPTE_W;
	*entry(2) &= ~EPTE_X;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_OK);
	assert_int_equal(res.rights, EPTE_R);
	assert_int_equal(walk(GPA, EPTE_W), EPT12_VIOLATION);
	assert_int_equal(res.qual, EPTQ_WRITE | EPTQ_CAN_READ);
	assert_int_equal(walk(GPA, EPTE_X), EPT12_VIOLATION);
	assert_int_equal(res.qual, EPTQ_FETCH | EPTQ_CAN_READ);
}

static void execute_only(void **state)
{
	(void)state;
	*entry(1) = 0x7000 | EPTE_X;
	assert_int_equal(walk(GPA, EPTE_X), EPT12_OK);
	assert_int_equal(walk(GPA, EPTE_R), EPT12_VIOLATION);
	assert_int_equal(res.qual, EPTQ_READ | EPTQ_CAN_EXEC);
	ept.ept_caps &= ~EPTCAP_EXEC_ONLY;
	assert_int_equal(walk(GPA, EPTE_X), EPT12_MISCONFIG);
}

static void misconfigurations(void **state)
{
	(void)state;
	*entry(1) = 0x7000 | EPTE_W;
	assert_int_equal(walk(GPA, EPTE_W), EPT12_MISCONFIG);
	*entry(1) = 0x7000 | EPTE_W | EPTE_X;
	assert_int_equal(walk(GPA, EPTE_W), EPT12_MISCONFIG);
	*entry(1) = 0x7000 | EPTE_R | 2 << EPTE_MEMTYPE_SHIFT;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_MISCONFIG);
	*entry(1) = 1ull << 40 | EPTE_R;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_MISCONFIG);
	*entry(2) |= 1 << 3;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_MISCONFIG);
	*entry(2) = 0x601000 | EPTE_R | EPTE_LARGE;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_MISCONFIG);
	*entry(4) |= EPTE_LARGE;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_MISCONFIG);
	assert_int_equal(res.level, 4);
}

static void table_outside_memory(void **state)
{
	(void)state;
	*entry(3) = 0x8000000 | EPTE_RWX;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_NO_MEMORY);
}

static void beyond_four_levels(void **state)
{
	(void)state;
	assert_int_equal(walk(GPA | 1ull << 48, EPTE_R), EPT12_VIOLATION);
	assert_int_equal(res.qual, EPTQ_READ);
}

static void flags_are_set_once(void **state)
{
	int level;

	(void)state;
	ept.eptp |= EPTP_AD;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_OK);
	assert_false(res.dirty);
	for (level = 4; level >= 1; level--)
		assert_true(*entry(level) & EPTE_A);
	assert_false(*entry(1) & EPTE_D);
	assert_int_equal(walk(GPA, EPTE_W), EPT12_OK);
	assert_true(res.dirty);
	assert_true(*entry(1) & EPTE_D);
	assert_false(*entry(2) & EPTE_D);
	fail_cmpxchg = 100; /* not needed any more */
	assert_int_equal(walk(GPA, EPTE_W), EPT12_OK);
	assert_int_equal(fail_cmpxchg, 100);
}

static void flags_stay_clear_on_a_violation(void **state)
{
	(void)state;
	ept.eptp |= EPTP_AD;
	*entry(1) &= ~EPTE_W;
	assert_int_equal(walk(GPA, EPTE_W), EPT12_VIOLATION);
	assert_false(*entry(1) & (EPTE_A | EPTE_D));
}

static void a_race_is_walked_again(void **state)
{
	(void)state;
	ept.eptp |= EPTP_AD;
	fail_cmpxchg = 3;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_OK);
	setup(state);
	ept.eptp |= EPTP_AD;
	fail_cmpxchg = 1000;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_AGAIN);
}

static void dirty_flag_is_told_once(void **state)
{
	(void)state;
	ept.eptp |= EPTP_AD;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_OK);
	assert_false(res.dirtied);
	assert_int_equal(walk(GPA, EPTE_W), EPT12_OK);
	assert_true(res.dirtied);
	assert_int_equal(walk(GPA, EPTE_W), EPT12_OK);
	assert_false(res.dirtied);
	ept.eptp &= ~EPTP_AD;
	*entry(1) &= ~EPTE_D;
	assert_int_equal(walk(GPA, EPTE_W), EPT12_OK);
	assert_false(res.dirtied);
}

static void full_log_leaves_flags_alone(void **state)
{
	(void)state;
	ept.eptp |= EPTP_AD;
	ept.log_full = true;
	assert_int_equal(walk(GPA, EPTE_W), EPT12_LOG_FULL);
	assert_false(*entry(1) & (EPTE_A | EPTE_D));
	assert_false(*entry(4) & EPTE_A);
	assert_int_equal(walk(GPA, EPTE_R), EPT12_OK);
	*entry(1) |= EPTE_D;
	assert_int_equal(walk(GPA, EPTE_W), EPT12_OK);
	/* A violation goes before the log. */
	*entry(1) &= ~(EPTE_D | EPTE_W);
	assert_int_equal(walk(GPA, EPTE_W), EPT12_VIOLATION);
}

static void entry_that_decides_may_suppress_ve(void **state)
{
	(void)state;
	*entry(1) = EPTE_SUPPRESS_VE;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_VIOLATION);
	assert_true(res.suppress_ve);
	*entry(1) = 0;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_VIOLATION);
	assert_false(res.suppress_ve);
	/* Of a present table the bit means nothing. */
	*entry(2) |= EPTE_SUPPRESS_VE;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_VIOLATION);
	assert_false(res.suppress_ve);
	*entry(1) = 0x7000 | EPTE_R | EPTE_SUPPRESS_VE;
	assert_int_equal(walk(GPA, EPTE_W), EPT12_VIOLATION);
	assert_true(res.suppress_ve);
}

static void set_user_rights(u64 bits)
{
	int level;

	ept.mode_exec = true;
	for (level = 4; level > 1; level--)
		*entry(level) |= EPTE_XU;
	*entry(1) = 0x7000 | bits;
}

static void modes_have_their_own_right_to_fetch(void **state)
{
	(void)state;
	set_user_rights(EPTE_R | EPTE_X);
	assert_int_equal(walk(GPA, EPTE_X), EPT12_OK);
	assert_int_equal(res.rights, EPTE_R | EPTE_X);
	assert_int_equal(walk(GPA, EPTE_XU), EPT12_VIOLATION);
	assert_int_equal(res.qual, EPTQ_FETCH | EPTQ_CAN_READ | EPTQ_CAN_EXEC);
	set_user_rights(EPTE_R | EPTE_XU);
	assert_int_equal(walk(GPA, EPTE_XU), EPT12_OK);
	assert_int_equal(res.rights, EPTE_R | EPTE_XU);
	assert_int_equal(walk(GPA, EPTE_X), EPT12_VIOLATION);
	assert_int_equal(res.qual, EPTQ_FETCH | EPTQ_CAN_READ | EPTQ_CAN_EXEC_USER);
}

static void user_s_right_is_that_of_all_levels(void **state)
{
	(void)state;
	set_user_rights(EPTE_RWX | EPTE_XU);
	assert_int_equal(walk(GPA, EPTE_XU), EPT12_OK);
	*entry(3) &= ~EPTE_XU;
	assert_int_equal(walk(GPA, EPTE_XU), EPT12_VIOLATION);
	assert_int_equal(res.qual, EPTQ_FETCH | EPTQ_RIGHTS);
	assert_int_equal(walk(GPA, EPTE_X), EPT12_OK);
	assert_int_equal(res.rights, EPTE_RWX);
}

static void users_may_have_execute_only(void **state)
{
	(void)state;
	set_user_rights(EPTE_XU);
	assert_int_equal(walk(GPA, EPTE_XU), EPT12_OK);
	assert_int_equal(walk(GPA, EPTE_R), EPT12_VIOLATION);
	assert_int_equal(res.qual, EPTQ_READ | EPTQ_CAN_EXEC_USER);
	ept.ept_caps &= ~EPTCAP_EXEC_ONLY;
	assert_int_equal(walk(GPA, EPTE_XU), EPT12_MISCONFIG);
	/* Without the control the bit is ignored, and nothing is present. */
	ept.mode_exec = false;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_VIOLATION);
	assert_int_equal(res.qual, EPTQ_READ);
}

static void neighbours_have_the_user_s_right(void **state)
{
	u64 near = 0x8000 | EPTE_R | EPTE_XU | 6 << EPTE_MEMTYPE_SHIFT;
	l1_gpa_t gpa;

	(void)state;
	set_user_rights(EPTE_RWX | EPTE_XU);
	assert_int_equal(walk(GPA, EPTE_R), EPT12_OK);
	assert_int_equal(ept12_neighbour(&ept, &res, near, &gpa), EPTE_R | EPTE_XU);
	ept.mode_exec = false;
	assert_int_equal(walk(GPA, EPTE_R), EPT12_OK);
	assert_int_equal(ept12_neighbour(&ept, &res, near, &gpa), EPTE_R);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(small_page, setup),
		cmocka_unit_test_setup(large_pages, setup),
		cmocka_unit_test_setup(absent_entry_is_a_violation, setup),
		cmocka_unit_test_setup(rights_are_those_of_all_levels, setup),
		cmocka_unit_test_setup(execute_only, setup),
		cmocka_unit_test_setup(misconfigurations, setup),
		cmocka_unit_test_setup(table_outside_memory, setup),
		cmocka_unit_test_setup(beyond_four_levels, setup),
		cmocka_unit_test_setup(flags_are_set_once, setup),
		cmocka_unit_test_setup(flags_stay_clear_on_a_violation, setup),
		cmocka_unit_test_setup(a_race_is_walked_again, setup),
		cmocka_unit_test_setup(dirty_flag_is_told_once, setup),
		cmocka_unit_test_setup(full_log_leaves_flags_alone, setup),
		cmocka_unit_test_setup(entry_that_decides_may_suppress_ve, setup),
		cmocka_unit_test_setup(modes_have_their_own_right_to_fetch, setup),
		cmocka_unit_test_setup(user_s_right_is_that_of_all_levels, setup),
		cmocka_unit_test_setup(users_may_have_execute_only, setup),
		cmocka_unit_test_setup(neighbours_have_the_user_s_right, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
