// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arithmetic of extended page tables: map, look up, drop, protect, age.
 *
 * sources: kmod/mem/ept.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "mem/ept.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)
#define LEAF (EPT_MT_WB | EPT_IGNORE_PAT)

static struct ept ept;
static struct ept_cache cache;
static struct ept_pool pool;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(ept_init(&ept, &pool), 0);
	assert_int_equal(ept_cache_fill(&cache), 0);
	return 0;
}

static void empty_trash(void)
{
	ept_trash_free(&pool, ept_trash_take(&pool));
}

/* ASan finds what these leave behind. */
static int teardown(void **state)
{
	(void)state;
	ept_destroy(&ept);
	empty_trash();
	ept_cache_free(&cache);
	assert_int_equal(pool.pages, 0);
	return 0;
}

/* Return: whether a flush is due. */
static bool map(u64 gpa, u64 hpa, int level, u64 prot)
{
	assert_int_equal(ept_cache_fill(&cache), 0);
	return ept_map(&ept, &cache, gpa, hpa, level, prot);
}

static void expect(u64 gpa, u64 entry, int at_level)
{
	int level;

	assert_int_equal(ept_lookup(&ept, gpa, &level), entry);
	if (entry)
		assert_int_equal(level, at_level);
}

static bool unmap(u64 gpa, u64 end)
{
	return ept_unmap(&ept, gpa >> 12, end >> 12);
}

/* Write-back, four levels, accessed and dirty flags. */
static void root_is_described(void **state)
{
	(void)state;
	assert_int_equal(ept.eptp & 0xfff, 6 | 3 << 3 | BIT(6));
	assert_ptr_equal((void *)(uintptr_t)(ept.eptp & EPT_ADDR_MASK), ept.root);
	assert_int_equal(pool.pages, 1);
	expect(0, 0, 0);
}

static void small_page_maps_itself_only(void **state)
{
	(void)state;
	map(5 * GIB + 0x3000, 0x12345000, 1, EPT_RWX);
	expect(5 * GIB + 0x3fff, 0x12345000 | LEAF | EPT_RWX, 1);
	expect(5 * GIB + 0x2fff, 0, 0);
	expect(5 * GIB + 0x4000, 0, 0);
	assert_int_equal(pool.pages, 4);
}

/* Address 0, and the last page of 48 bits. */
static void ends_of_the_space(void **state)
{
	u64 last = (EPT_GFN_END - 1) << 12;

	(void)state;
	map(0, 0, 1, EPT_READ);
	map(last, 0x1000, 1, EPT_READ);
	expect(0, LEAF | EPT_READ, 1);
	expect(last, 0x1000 | LEAF | EPT_READ, 1);
	assert_true(ept_unmap(&ept, EPT_GFN_END - 1, ~0ULL));
	expect(last, 0, 0);
	assert_true(unmap(0, 4096));
	expect(0, 0, 0);
}

/* The host's address is cut to the start of its 2 MiB. */
static void large_page_covers_two_mib(void **state)
{
	(void)state;
	map(6 * MIB + 0x5000, 0x40205000, 2, EPT_RWX | EPT_ACCESSED);
	expect(6 * MIB, 0x40200000 | LEAF | EPT_LARGE | EPT_RWX | EPT_ACCESSED, 2);
	expect(8 * MIB - 1, 0x40200000 | LEAF | EPT_LARGE | EPT_RWX | EPT_ACCESSED, 2);
	expect(8 * MIB, 0, 0);
	assert_int_equal(pool.pages, 3);
}

/* The table may still be cached, so it goes to the trash. */
static void large_page_replaces_a_table(void **state)
{
	(void)state;
	map(2 * MIB, 0x1000, 1, EPT_READ);
	map(2 * MIB, 0x40000000, 2, EPT_RWX);
	expect(2 * MIB + 0x1000, 0x40000000 | LEAF | EPT_LARGE | EPT_RWX, 2);
	assert_int_equal(pool.pages, 4);
	empty_trash();
	assert_int_equal(pool.pages, 3);
}

static void small_page_replaces_a_large_one(void **state)
{
	(void)state;
	map(2 * MIB, 0x40000000, 2, EPT_RWX);
	map(2 * MIB + 0x1000, 0x7000, 1, EPT_RWX);
	expect(2 * MIB + 0x1000, 0x7000 | LEAF | EPT_RWX, 1);
	expect(2 * MIB, 0, 0);
}

static void rights_can_be_raised(void **state)
{
	(void)state;
	map(0x1000, 0x7000, 1, EPT_READ);
	map(0x1000, 0x7000, 1, EPT_RWX);
	expect(0x1000, 0x7000 | LEAF | EPT_RWX, 1);
	assert_int_equal(pool.pages, 4);
}

/* A vCPU that came later and only reads: the first one's processor may have cached more. */
static void rights_are_not_lowered(void **state)
{
	(void)state;
	assert_false(map(0x1000, 0x7000, 1, EPT_RWX));
	assert_false(map(0x1000, 0x7000, 1, EPT_READ | EPT_ACCESSED));
	expect(0x1000, 0x7000 | LEAF | EPT_RWX, 1);
	assert_false(map(2 * MIB, 0x40000000, 2, EPT_RWX));
	assert_false(map(2 * MIB + 0x3000, 0x40003000, 2, EPT_READ));
	expect(2 * MIB, 0x40000000 | LEAF | EPT_LARGE | EPT_RWX, 2);
}

/* What may be cached and is mapped no more, no unmapping finds. */
static void what_goes_is_flushed(void **state)
{
	(void)state;
	assert_false(map(0x1000, 0x7000, 1, EPT_READ));
	assert_false(map(0x1000, 0x7000, 1, EPT_RWX));
	assert_true(map(0x1000, 0x8000, 1, EPT_RWX));
	assert_true(map(0x1000, 0x8000, 1, EPT_READ | EPT_EXEC_USER));
	assert_true(map(0, 0x40000000, 2, EPT_RWX));
	assert_true(map(0x5000, 0x40005000, 1, EPT_READ));
	assert_false(map(0x6000, 0x40006000, 1, EPT_READ));
}

static void unmap_takes_the_range_only(void **state)
{
	u64 gpa;

	(void)state;
	for (gpa = 0; gpa < 0x5000; gpa += 0x1000)
		map(gpa, gpa, 1, EPT_RWX);
	assert_true(unmap(0x1000, 0x3000));
	assert_false(unmap(0x1000, 0x3000));
	expect(0, LEAF | EPT_RWX, 1);
	expect(0x1000, 0, 0);
	expect(0x2000, 0, 0);
	expect(0x3000, 0x3000 | LEAF | EPT_RWX, 1);
}

/* Memory around it is faulted in again. */
static void unmap_within_a_large_page_drops_it(void **state)
{
	(void)state;
	map(2 * MIB, 0x40000000, 2, EPT_RWX);
	map(4 * MIB, 0x40200000, 2, EPT_RWX);
	assert_true(unmap(2 * MIB + 0x5000, 2 * MIB + 0x6000));
	expect(2 * MIB, 0, 0);
	expect(4 * MIB, 0x40200000 | LEAF | EPT_LARGE | EPT_RWX, 2);
}

static void unmap_drops_whole_tables(void **state)
{
	(void)state;
	map(1 * GIB, 0x1000, 1, EPT_RWX);
	map(1 * GIB + 2 * MIB, 0x2000, 1, EPT_RWX);
	map(2 * GIB, 0x3000, 1, EPT_RWX);
	assert_true(unmap(1 * GIB, 2 * GIB));
	assert_int_equal(pool.pages, 7);
	/* One of level 2, two of level 1. */
	empty_trash();
	assert_int_equal(pool.pages, 4);
	expect(1 * GIB, 0, 0);
	expect(2 * GIB, 0x3000 | LEAF | EPT_RWX, 1);
	assert_true(ept_unmap(&ept, 0, EPT_GFN_END));
	empty_trash();
	assert_int_equal(pool.pages, 1);
	assert_false(ept_unmap(&ept, 0, EPT_GFN_END));
}

/* Whatever it has, and the trash holds it until it is freed. */
static void drop_takes_the_root_too(void **state)
{
	u64 gpa;

	(void)state;
	for (gpa = 0; gpa < 8 * GIB; gpa += 2 * MIB)
		map(gpa, 0x1000, 1, EPT_RWX);
	assert_int_equal(pool.pages, 1 + 1 + 8 + 4096);
	pool.steps = 0;
	ept_drop(&ept);
	assert_null(ept.root);
	assert_int_equal(pool.steps, 1);
	assert_int_equal(pool.pages, 1 + 1 + 8 + 4096);
	empty_trash();
	assert_int_equal(pool.pages, 0);
	assert_int_equal(ept_init(&ept, &pool), 0);
	expect(0, 0, 0);
}

/* A range looks at the entries of three tables at each end, not at all that it has. */
static void unmap_of_much_takes_few_steps(void **state)
{
	u64 gpa;

	(void)state;
	for (gpa = 0; gpa < 8 * GIB; gpa += 2 * MIB)
		map(gpa, 0x1000, 1, EPT_RWX);
	pool.steps = 0;
	assert_true(unmap(0x1000, 8 * GIB - 0x1000));
	assert_true(pool.steps < 6 * EPT_ENTRIES);
	expect(0, 0x1000 | LEAF | EPT_RWX, 1);
	expect(2 * MIB, 0, 0);
}

/* Across tables, from the middle of one to the middle of another. */
static void unmap_crosses_tables(void **state)
{
	u64 gpa;

	(void)state;
	for (gpa = GIB - 0x2000; gpa < GIB + 0x2000; gpa += 0x1000)
		map(gpa, gpa, 1, EPT_RWX);
	assert_true(unmap(GIB - 0x1000, GIB + 0x1000));
	expect(GIB - 0x2000, (GIB - 0x2000) | LEAF | EPT_RWX, 1);
	expect(GIB - 0x1000, 0, 0);
	expect(GIB, 0, 0);
	expect(GIB + 0x1000, (GIB + 0x1000) | LEAF | EPT_RWX, 1);
}

static void empty_range_changes_nothing(void **state)
{
	(void)state;
	map(0x1000, 0x7000, 1, EPT_RWX);
	assert_false(unmap(0x1000, 0x1000));
	assert_false(unmap(0x2000, 0x1000));
	assert_false(ept_unmap(&ept, EPT_GFN_END, EPT_GFN_END + 1));
	expect(0x1000, 0x7000 | LEAF | EPT_RWX, 1);
}

static void protection_takes_the_write_right(void **state)
{
	(void)state;
	map(0x1000, 0x7000, 1, EPT_RWX | EPT_DIRTY);
	map(0x2000, 0x8000, 1, EPT_RWX);
	assert_true(ept_write_protect(&ept, 1, 2));
	assert_false(ept_write_protect(&ept, 1, 2));
	expect(0x1000, 0x7000 | LEAF | EPT_READ | EPT_EXEC | EPT_DIRTY, 1);
	expect(0x2000, 0x8000 | LEAF | EPT_RWX, 1);
}

static void protection_drops_large_pages(void **state)
{
	(void)state;
	map(2 * MIB, 0x40000000, 2, EPT_RWX);
	map(4 * MIB, 0x40200000, 2, EPT_READ);
	assert_true(ept_write_protect(&ept, 513, 514));
	expect(2 * MIB, 0, 0);
	assert_false(ept_write_protect(&ept, 1024, 1025));
	expect(4 * MIB, 0x40200000 | LEAF | EPT_LARGE | EPT_READ, 2);
}

static void age_is_read_and_cleared(void **state)
{
	(void)state;
	map(0x1000, 0x7000, 1, EPT_RWX | EPT_ACCESSED);
	map(2 * MIB, 0x40000000, 2, EPT_RWX | EPT_ACCESSED);
	assert_true(ept_young(&ept, 1, 2, false));
	assert_true(ept_young(&ept, 1, 2, true));
	assert_false(ept_young(&ept, 1, 2, true));
	assert_true(ept_young(&ept, 0, 1024, true));
	assert_false(ept_young(&ept, 0, 1024, false));
	expect(0x1000, 0x7000 | LEAF | EPT_RWX, 1);
}

/* What is there stays; where no table is, nothing is made; frame 0 is left out. */
static void neighbours_fill_gaps_only(void **state)
{
	const u64 pfn[] = { 0x10, 0x11, 0, 0x13, 0x14 };

	(void)state;
	map(2 * MIB - 0x2000, 0x7000, 1, EPT_READ);
	ept_map_absent(&ept, 2 * MIB - 0x4000, pfn, 5, EPT_RWX);
	expect(2 * MIB - 0x4000, 0x10000 | LEAF | EPT_RWX, 1);
	expect(2 * MIB - 0x3000, 0x11000 | LEAF | EPT_RWX, 1);
	expect(2 * MIB - 0x2000, 0x7000 | LEAF | EPT_READ, 1);
	expect(2 * MIB - 0x1000, 0x13000 | LEAF | EPT_RWX, 1);
	expect(2 * MIB, 0, 0);
	assert_int_equal(pool.pages, 4);
}

/* A model in an array: random operations must leave tables and array alike. */
#define MODEL_PAGES (4 * 512)

static u64 model[MODEL_PAGES];

static void model_op(unsigned int r, u64 start, u64 end)
{
	u64 gfn;

	switch (r % 4) {
	case 0:
		map(start << 12, (start + 0x1000) << 12, 1, EPT_RWX);
		model[start] = 1;
		/* In place of a large page: the rest of it goes. */
		for (gfn = start & ~511ULL; gfn < (start | 511) + 1; gfn++)
			model[gfn] = model[gfn] == 2 ? 0 : model[gfn];
		break;
	case 1:
		map(start << 12, (start + 0x1000) << 12, 2, EPT_RWX);
		for (gfn = start & ~511ULL; gfn < (start | 511) + 1; gfn++)
			model[gfn] = 2;
		break;
	default:
		ept_unmap(&ept, start, end);
		for (gfn = 0; gfn < MODEL_PAGES; gfn++) {
			u64 first = model[gfn] == 2 ? gfn & ~511ULL : gfn;
			u64 last = model[gfn] == 2 ? gfn | 511 : gfn;

			if (first < end && last >= start)
				model[gfn] = 0;
		}
	}
}

static void agrees_with_a_model(void **state)
{
	u64 start, end, gfn;
	int i, level;

	(void)state;
	srand(1);
	for (i = 0; i < 2000; i++) {
		start = rand() % MODEL_PAGES;
		end = min(start + 1 + rand() % 700, (u64)MODEL_PAGES);
		model_op(rand(), start, end);
		for (gfn = 0; gfn < MODEL_PAGES; gfn += 7) {
			u64 entry = ept_lookup(&ept, gfn << 12, &level);

			assert_int_equal(entry ? level : 0, (int)model[gfn]);
			if (entry)
				assert_int_equal((entry & EPT_ADDR_MASK) >> 12,
						 (model[gfn] == 2 ? gfn & ~511ULL : gfn) + 0x1000);
		}
		empty_trash();
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(root_is_described),
		T(small_page_maps_itself_only),
		T(ends_of_the_space),
		T(large_page_covers_two_mib),
		T(large_page_replaces_a_table),
		T(small_page_replaces_a_large_one),
		T(rights_can_be_raised),
		T(rights_are_not_lowered),
		T(what_goes_is_flushed),
		T(unmap_takes_the_range_only),
		T(unmap_within_a_large_page_drops_it),
		T(unmap_drops_whole_tables),
		T(drop_takes_the_root_too),
		T(unmap_of_much_takes_few_steps),
		T(unmap_crosses_tables),
		T(empty_range_changes_nothing),
		T(protection_takes_the_write_right),
		T(protection_drops_large_pages),
		T(age_is_read_and_cleared),
		T(neighbours_fill_gaps_only),
		T(agrees_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
