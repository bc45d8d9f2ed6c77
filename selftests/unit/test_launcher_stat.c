// SPDX-License-Identifier: GPL-2.0-only
/* abyme stat: counters out of a VM's directory, and what became of them since. */
/* sources: userspace/stat.c userspace/optparse.c userspace/units.c userspace/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stat.h"

static char dir[] = "/tmp/test-stat-XXXXXX";
static struct counters counters;

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int setup(void **state)
{
	(void)state;
	strcpy(strrchr(dir, '-'), "-XXXXXX");
	return !mkdtemp(dir);
}

static int teardown(void **state)
{
	static const char *const names[] = { "exits", "cpuid", "words", "vcpu0" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		remove(path);
	}
	return rmdir(dir);
}

static void counters_come_in_order_of_their_names(void **state)
{
	char path[256];

	(void)state;
	put("exits", "18446744073709551615\n");
	put("cpuid", "7\n");
	put("words", "none\n");
	snprintf(path, sizeof(path), "%s/vcpu0", dir);
	mkdir(path, 0755);
	assert_int_equal(counters_read(&counters, dir), 0);
	assert_int_equal(counters.count, 2);
	assert_string_equal(counters.counter[0].name, "cpuid");
	assert_int_equal(counters.counter[0].value, 7);
	assert_int_equal(counters.counter[1].value, UINT64_MAX);
}

static void a_vm_that_ended_has_none(void **state)
{
	(void)state;
	assert_int_equal(counters_read(&counters, "/nowhere"), -1);
	assert_int_equal(counters.count, 0);
}

static void what_shrinks_has_a_negative_rate(void **state)
{
	struct counters before = { 1, { { "pages", 10 } } };
	struct counter more = { "pages", 12 }, less = { "pages", 7 }, new = { "other", 5 };

	(void)state;
	assert_int_equal(counters_delta(&before, &more), 2);
	assert_int_equal(counters_delta(&before, &less), -3);
	assert_int_equal(counters_delta(&before, &new), 0);
}

static void directories_of_vms_are_told_by_their_names(void **state)
{
	(void)state;
	assert_int_equal(stat_dir_pid("123-4"), 123);
	assert_int_equal(stat_dir_pid("exits"), 0);
	assert_int_equal(stat_dir_pid("123"), 0);
	assert_int_equal(stat_dir_pid("-4"), 0);
	assert_int_equal(stat_dir_pid("12-"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counters_come_in_order_of_their_names, setup,
						teardown),
		cmocka_unit_test(a_vm_that_ended_has_none),
		cmocka_unit_test(what_shrinks_has_a_negative_rate),
		cmocka_unit_test(directories_of_vms_are_told_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
