// SPDX-License-Identifier: GPL-2.0-only
/* abyme plan: the arithmetic of tables, and what L1 needs. */
/* sources: userspace/plan_model.c userspace/units.c userspace/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#undef fail /* cmocka's; err.h has its own */

#include <bounds.h>
#include "plan.h"
#include "units.h"

#define PAGE (4 * KIB)

static struct plan_wish wish;
static struct plan plan;

static int setup(void **state)
{
	(void)state;
	wish = (struct plan_wish){ .l1 = 2 * GIB, .vcpus = 1 };
	return 0;
}

static uint64_t pages(enum plan_part part, enum plan_case c)
{
	plan_compute(&plan, &wish);
	return plan.part[part][c] / PAGE;
}

static void the_ept_has_a_table_for_each_2_mib_and_each_gib(void **state)
{
	(void)state;
	assert_int_equal(pages(PLAN_EPT, PLAN_SMALL), 1024 + 2 + 1 + 1);
	assert_int_equal(pages(PLAN_EPT, PLAN_LARGE), 2 + 1 + 1);
	assert_int_equal(pages(PLAN_EPT, PLAN_WORST), 1024 + 2 + 1 + 1);
	wish.l1 = 64 * MIB + PAGE;
	assert_int_equal(pages(PLAN_EPT, PLAN_SMALL), 33 + 1 + 1 + 1);
	wish.l1 = 1024 * GIB;
	assert_int_equal(pages(PLAN_EPT, PLAN_LARGE), 1024 + 2 + 1);
}

/* Each vCPU has a root for each guest, so many at most; in the worst case so many in any case. */
static void ept02_is_each_vcpus_own(void **state)
{
	const uint64_t one = 64 + 1 + 1 + 1, large = 3;

	(void)state;
	assert_int_equal(pages(PLAN_EPT02, PLAN_WORST), 0);
	wish.l2[wish.l2s++] = 128 * MIB;
	assert_int_equal(pages(PLAN_EPT02, PLAN_SMALL), one);
	assert_int_equal(pages(PLAN_EPT02, PLAN_LARGE), large);
	assert_int_equal(pages(PLAN_EPT02, PLAN_WORST), EPT02_ROOTS * one);
	wish.vcpus = 3;
	assert_int_equal(pages(PLAN_EPT02, PLAN_SMALL), 3 * one);
	assert_int_equal(pages(PLAN_EPT02, PLAN_WORST), 3 * EPT02_ROOTS * one);
	wish.vcpus = 1;
	for (int i = 0; i < EPT02_ROOTS + 1; i++)
		wish.l2[wish.l2s++] = 2 * MIB; /* 1 + 3 pages */
	assert_int_equal(pages(PLAN_EPT02, PLAN_SMALL), one + (EPT02_ROOTS - 1) * 4);
	assert_int_equal(pages(PLAN_EPT02, PLAN_WORST), one + (EPT02_ROOTS - 1) * 4);
	wish.l2[EPT02_ROOTS] = 256 * MIB; /* the largest come first */
	assert_int_equal(pages(PLAN_EPT02, PLAN_SMALL), 128 + 3 + one + (EPT02_ROOTS - 2) * 4);
}

/* Of L1's 2 GiB once, and 128 pages. */
static void ept02_has_a_limit(void **state)
{
	(void)state;
	wish.l2[wish.l2s++] = 1 * GIB;
	wish.vcpus = 2;
	assert_int_equal(pages(PLAN_EPT02, PLAN_SMALL), 2 * (512 + 3));
	assert_int_equal(pages(PLAN_EPT02, PLAN_WORST), 2 * (2 * 512 + 2 + 128));
}

static void a_vcpu_costs_the_sum_of_its_rows(void **state)
{
	uint64_t sum = 0;

	(void)state;
	for (const struct plan_cost *c = plan_vcpu_costs; c->what; c++) {
		assert_true(c->pages && strlen(c->source));
		sum += c->pages;
	}
	assert_int_equal(pages(PLAN_VCPUS, PLAN_LARGE), sum);
	wish.vcpus = 7;
	assert_int_equal(pages(PLAN_VCPUS, PLAN_WORST), 7 * (sum + PLAN_HELD_PAGES));
}

static void the_total_is_the_sum(void **state)
{
	(void)state;
	wish.l2[wish.l2s++] = 512 * MIB;
	plan_compute(&plan, &wish);
	for (int c = 0; c < PLAN_CASES; c++) {
		uint64_t sum = 0;

		for (int p = 0; p < PLAN_PARTS; p++)
			sum += plan.part[p][c];
		assert_int_equal(plan.total[c], sum);
	}
	assert_true(plan.total[PLAN_LARGE] < plan.total[PLAN_SMALL]);
	assert_true(plan.total[PLAN_SMALL] < plan.total[PLAN_WORST]);
}

static void l1_needs_its_guests_and_itself(void **state)
{
	uint64_t alone;

	(void)state;
	plan_compute(&plan, &wish);
	alone = plan.l1_needs;
	assert_int_equal(alone, 64 * MIB + wish.l1 / 64);
	wish.l2[wish.l2s++] = 512 * MIB;
	plan_compute(&plan, &wish);
	assert_true(plan.l1_needs > alone + 512 * MIB);
	assert_true(plan.l1_needs < alone + 540 * MIB);
}

/* The largest that the command takes, in each place. */
static void nothing_overflows(void **state)
{
	(void)state;
	wish.l1 = 1ull << 48;
	wish.vcpus = 254;
	for (wish.l2s = 0; wish.l2s < PLAN_L2_MAX; wish.l2s++)
		wish.l2[wish.l2s] = 1ull << 48;
	plan_compute(&plan, &wish);
	assert_true(plan.total[PLAN_WORST] > 1ull << 48);
	assert_true(plan.l1_needs > 64ull << 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_ept_has_a_table_for_each_2_mib_and_each_gib, setup),
		cmocka_unit_test_setup(ept02_is_each_vcpus_own, setup),
		cmocka_unit_test_setup(ept02_has_a_limit, setup),
		cmocka_unit_test_setup(a_vcpu_costs_the_sum_of_its_rows, setup),
		cmocka_unit_test_setup(the_total_is_the_sum, setup),
		cmocka_unit_test_setup(l1_needs_its_guests_and_itself, setup),
		cmocka_unit_test_setup(nothing_overflows, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
