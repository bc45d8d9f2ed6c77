// SPDX-License-Identifier: GPL-2.0-only
/* abyme stat: counters out of a VM's statistics or directory, and what became of them since. */
/* sources: userspace/stat.c userspace/stat_source.c userspace/devname.c userspace/optparse.c userspace/units.c userspace/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/kvm.h>
#include <sys/stat.h>
#include <unistd.h>

#undef fail /* cmocka's; err.h has its own */

#include "err.h"
#include "stat.h"

static char dir[] = "/tmp/test-stat-XXXXXX";
static struct counters counters;
static bool locked_down;

/*
 * In place of the C library's. A kernel that is locked down refuses whoever opens KVM's
 * counters, root as well, which no mode of a file does.
 */
FILE *fopen(const char *path, const char *mode)
{
	int fd;

	if (locked_down) {
		errno = EPERM;
		return NULL;
	}
	fd = open(path, *mode == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC, 0644);
	return fd < 0 ? NULL : fdopen(fd, mode);
}

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
	static const char *const names[] = { "exits", "cpuid",	     "words",
					     "vcpu0", "123-4/exits", "123-4" };
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

static void count_shown(const char *name, const struct counters *of, const void *context)
{
	(void)name;
	(void)of;
	++*(int *)context;
}

static void a_locked_down_kernel_is_named(void **state)
{
	struct stat_source source = { .device = "/dev/kvm" };
	char path[256];
	int shown = 0;

	(void)state;
	strcpy(source.debugfs, dir);
	snprintf(path, sizeof(path), "%s/123-4", dir);
	mkdir(path, 0755);
	put("123-4/exits", "7\n");
	assert_int_equal(stat_source_each(&source, count_shown, &shown), 1);
	locked_down = true;
	assert_int_equal(stat_source_each(&source, count_shown, &shown), -1);
	locked_down = false;
	assert_int_equal(shown, 1);
	assert_non_null(strstr(fail_text(), "locked down"));
}

/* As a statistics fd is read: header, two descriptors, two values. Name 2 is the lesser. */
#define NAME 16
static struct image {
	struct kvm_stats_header head;
	struct {
		struct kvm_stats_desc desc;
		char name[NAME];
	} of[2];
	uint64_t value[2];
} image;

static int parse(size_t size)
{
	return counters_parse(&counters, &image, size);
}

static int make_image(void **state)
{
	(void)state;
	image = (struct image){
		.head = { .name_size = NAME,
			  .num_desc = 2,
			  .desc_offset = offsetof(struct image, of),
			  .data_offset = offsetof(struct image, value) },
		.of = { { { .size = 1 }, "pages" }, { { .size = 1, .offset = 8 }, "exits" } },
		.value = { 7, UINT64_MAX },
	};
	return 0;
}

static void statistics_describe_themselves(void **state)
{
	(void)state;
	assert_int_equal(parse(sizeof(image)), 0);
	assert_int_equal(counters.count, 2);
	assert_string_equal(counters.counter[0].name, "exits");
	assert_int_equal(counters.counter[0].value, UINT64_MAX);
	assert_int_equal(counters.counter[1].value, 7);
}

static void histograms_are_left_out(void **state)
{
	(void)state;
	image.of[0].desc.size = 2;
	assert_int_equal(parse(sizeof(image)), 0);
	assert_int_equal(counters.count, 1);
	assert_string_equal(counters.counter[0].name, "exits");
}

static void what_reaches_past_the_end_is_refused(void **state)
{
	(void)state;
	for (size_t size = 0; size < sizeof(image); size++)
		assert_int_equal(parse(size), -1);
	image.head.num_desc = UINT32_MAX;
	assert_int_equal(parse(sizeof(image)), -1);
	image.head.num_desc = 2;
	image.of[1].desc.offset = UINT32_MAX;
	assert_int_equal(parse(sizeof(image)), -1);
	image.of[1].desc.offset = 8;
	memset(image.of[1].name, 'x', NAME);
	assert_int_equal(parse(sizeof(image)), -1);
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
		cmocka_unit_test_setup_teardown(a_locked_down_kernel_is_named, setup, teardown),
		cmocka_unit_test_setup(statistics_describe_themselves, make_image),
		cmocka_unit_test_setup(histograms_are_left_out, make_image),
		cmocka_unit_test_setup(what_reaches_past_the_end_is_refused, make_image),
		cmocka_unit_test(what_shrinks_has_a_negative_rate),
		cmocka_unit_test(directories_of_vms_are_told_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
