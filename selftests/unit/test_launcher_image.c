// SPDX-License-Identifier: GPL-2.0-only
/* Files that go into a guest: what is no file to read is refused. */
/* sources: userspace/image.c userspace/bzimage.c userspace/multiboot.c userspace/boot.c userspace/memory.c userspace/units.c userspace/err.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#undef fail /* cmocka's; err.h has its own */

#include "err.h"
#include "image.h"

#define PAGE 4096

static char path[] = "/tmp/test-image-XXXXXX";
static int file;
static struct image image;

static int setup(void **state)
{
	(void)state;
	fail_clear();
	strcpy(strrchr(path, '-'), "-XXXXXX");
	file = mkstemp(path);
	return file < 0;
}

static int teardown(void **state)
{
	(void)state;
	image_close(&image);
	unlink(path);
	close(file);
	return 0;
}

static void put(const char *bytes, size_t len)
{
	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(pwrite(file, bytes, len, 0), len);
}

static void a_file_is_mapped(void **state)
{
	(void)state;
	put("content", 7);
	assert_int_equal(image_open(&image, path, "initrd"), 0);
	assert_int_equal(image.size, 7);
	assert_memory_equal(image.data, "content", 7);
}

static void refused(const char *name, const char *text)
{
	fail_clear();
	assert_int_equal(image_open(&image, name, "initrd"), -1);
	assert_non_null(strstr(fail_text(), text));
	assert_null(image.data);
}

static void what_is_no_file_is_refused(void **state)
{
	(void)state;
	refused(path, "is empty");
	refused("/tmp", "is a directory");
	refused("/dev/null", "not a regular file");
	refused("/nothing", "there is no such file");
	refused("/dev/null/x", "there is no such file");
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(path, "not a regular file");
}

static void what_a_file_looks_like_is_said(void **state)
{
	static const struct {
		const char *start, *text;
	} files[] = {
		{ "\177ELF\2\1\1", "an ELF file without a multiboot 1 header" },
		{ "\x1f\x8b\x08", "gunzip" },
		{ "\x28\xb5\x2f\xfd", "unzstd" },
		{ "070701000", "--initrd" },
		{ "#!/bin/sh", "a script" },
		{ "MZ", "an EFI program" },
		{ "anything", "neither a Linux bzImage nor a multiboot 1 image" },
		{ "M", "neither a Linux bzImage nor a multiboot 1 image" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		put(files[i].start, strlen(files[i].start));
		assert_int_equal(image_open(&image, path, "kernel image"), 0);
		assert_int_equal(image_kind(&image), IMAGE_UNKNOWN);
		fail_clear();
		assert_int_equal(image_refuse(&image), -1);
		assert_non_null(strstr(fail_text(), files[i].text));
		image_close(&image);
	}
}

/* Touch what is behind the file's end. Return: the wait status; said: what was said. */
static int touch_what_is_gone(char said[200])
{
	int status, ends[2];
	ssize_t len;

	assert_int_equal(pipe(ends), 0);
	if (!fork()) {
		dup2(ends[1], STDERR_FILENO);
		images_guard(true);
		_exit(((const volatile uint8_t *)image.data)[0]);
	}
	close(ends[1]);
	wait(&status);
	len = read(ends[0], said, 199);
	said[len > 0 ? len : 0] = '\0';
	close(ends[0]);
	return status;
}

static void a_file_that_shrinks_is_told(void **state)
{
	char said[200];
	int status;

	(void)state;
	assert_int_equal(ftruncate(file, PAGE), 0);
	assert_int_equal(image_open(&image, path, "initrd"), 0);
	assert_int_equal(ftruncate(file, 0), 0);
	status = touch_what_is_gone(said);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_SETUP);
	assert_non_null(strstr(said, "can't be read to its end"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_is_mapped, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_file_looks_like_is_said, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_shrinks_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
