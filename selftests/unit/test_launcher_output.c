// SPDX-License-Identifier: GPL-2.0-only
/* Standard output whose reader is slow, stopped or gone. */
/* sources: userspace/output.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "output.h"

#define MUCH 300000 /* more than a pipe holds */

static int ends[2], wake[2] = { -1, -1 };
static char bytes[MUCH];

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	wake[1] = eventfd(0, 0);
	return pipe(ends) || wake[1] < 0;
}

static int teardown(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	close(wake[1]);
	return 0;
}

static void *slow_reader(void *got)
{
	size_t len = 0;
	ssize_t n;

	while (len < MUCH && (n = read(ends[0], (char *)got + len, 1000)) > 0) {
		len += n;
		usleep(100);
	}
	return NULL;
}

static void a_slow_reader_gets_every_byte(void **state)
{
	static char got[MUCH];
	pthread_t thread;
	int fd = output_open(ends[1]);

	(void)state;
	for (size_t i = 0; i < MUCH; i++)
		bytes[i] = i * 31 >> 4;
	assert_int_equal(pthread_create(&thread, NULL, slow_reader, got), 0);
	assert_int_equal(output_write(fd, wake, bytes, MUCH), 0);
	pthread_join(thread, NULL);
	assert_memory_equal(got, bytes, MUCH);
	close(fd);
}

static void a_stopped_reader_does_not_hold_us(void **state)
{
	uint64_t one = 1;
	int fd = output_open(ends[1]);

	(void)state;
	assert_int_equal(write(wake[1], &one, sizeof(one)), sizeof(one));
	/* As long as there is room, what is written goes out first. */
	assert_int_equal(output_write(fd, wake, bytes, 1000), 0);
	alarm(20);
	assert_int_equal(output_write(fd, wake, bytes, MUCH), EINTR);
	alarm(0);
	close(fd);
}

static void a_reader_that_is_gone_is_an_error(void **state)
{
	int fd = output_open(ends[1]);

	(void)state;
	close(ends[0]);
	ends[0] = -1;
	assert_int_equal(output_write(fd, wake, bytes, 10), EPIPE);
	close(fd);
}

static void a_full_disk_is_an_error(void **state)
{
	int full = open("/dev/full", O_WRONLY);

	(void)state;
	assert_true(full >= 0);
	assert_int_equal(output_write(output_open(full), wake, bytes, 10), ENOSPC);
	close(full);
	assert_int_equal(output_write(full, wake, bytes, 10), EBADF);
}

static void who_shares_it_sees_no_change(void **state)
{
	int fd = output_open(ends[1]);

	(void)state;
	assert_int_not_equal(fd, ends[1]);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_false(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
	close(fd);
}

static void a_file_is_continued(void **state)
{
	char name[] = "/tmp/test-output-XXXXXX";
	int file = mkstemp(name);

	(void)state;
	assert_true(file >= 0);
	unlink(name);
	assert_int_equal(write(file, "head ", 5), 5);
	assert_int_equal(output_write(output_open(file), wake, "tail", 4), 0);
	assert_int_equal(pread(file, bytes, sizeof(bytes), 0), 9);
	assert_memory_equal(bytes, "head tail", 9);
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_slow_reader_gets_every_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stopped_reader_does_not_hold_us, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reader_that_is_gone_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_disk_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(who_shares_it_sees_no_change, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_is_continued, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
