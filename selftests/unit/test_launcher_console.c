// SPDX-License-Identifier: GPL-2.0-only
/* The console and the trace, whose readers are slow, stopped or gone while the run ends. */
/* sources: userspace/console.c userspace/output.c userspace/term.c userspace/vm.c */
/* sources: userspace/pc.c userspace/serial.c userspace/i8042.c userspace/cmos.c */
/* sources: userspace/power.c userspace/err.c */
/* sources: userspace/trace.c userspace/trace_summary.c userspace/trace_text.c */
/* sources: userspace/trace_json.c userspace/json.c userspace/memory.c userspace/units.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#undef fail /* cmocka's; err.h has its own */

#include "console.h"
#include "ports.h"
#include "term.h"
#include "trace.h"

#define SECONDS 20
#define ROUNDS 20
#define TRACE_LINES 30000 /* more than a pipe holds */

static struct vm vm;
static struct console console;
static int ends[2]; /* of the pipe that is the guest's output */

static void kicked(int number)
{
	(void)number;
}

/* A VM that writes to @out, without a processor. */
static void start(int out)
{
	struct sigaction action = { .sa_handler = kicked };

	vm = (struct vm){ .lock = PTHREAD_MUTEX_INITIALIZER,
			  .fd = -1,
			  .stop_fd = eventfd(0, EFD_NONBLOCK),
			  .give_up = { -1, eventfd(0, EFD_NONBLOCK) } };
	dup2(out, STDOUT_FILENO);
	sigaction(SIGUSR1, &action, NULL);
	if (console_init(&console, &vm))
		_exit(2);
	pc_init(&vm.pc, &console_ops, &console, 0, 0);
}

static void guest_prints(const char *text)
{
	while (*text)
		pc_out(&vm.pc, PORT_COM1, 1, *text++);
}

/* Whose output is without an end, and without a newline. */
static void *flood(void *unused)
{
	(void)unused;
	while (!atomic_load(&vm.stopping))
		pc_out(&vm.pc, PORT_COM1, 1, 'x');
	return NULL;
}

/* What run() does with a guest that doesn't end by itself. */
static void serve_flood(void)
{
	pthread_t vcpu;

	pthread_create(&vcpu, NULL, flood, NULL);
	console_run(&console);
	term_restore();
	pthread_kill(vcpu, SIGUSR1);
	pthread_join(vcpu, NULL);
	console_flush(&console);
}

/* Until nothing more fits in. */
static void wait_until_full(void)
{
	struct pollfd out = { ends[1], POLLOUT, 0 };

	for (int i = 0; i < SECONDS * 100 && poll(&out, 1, 0); i++)
		usleep(10000);
	usleep(20000);
}

/* The exit status of @child, or -1 after killing it. */
static int status_of(pid_t child)
{
	int status;

	for (int i = 0; i < SECONDS * 100; i++) {
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		usleep(10000);
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return -1;
}

static int print_and_power_off(int out)
{
	pid_t child = fork();

	if (child)
		return status_of(child);
	start(out);
	guest_prints("result: 42");
	vm_end(&vm, ENDING_POWER_OFF, 0, NULL);
	console_flush(&console);
	_exit(vm.ending == ENDING_POWER_OFF ? vm.output_error : 255);
}

static void a_last_line_that_is_lost_is_an_error(void **state)
{
	char got[16] = "";
	int full = open("/dev/full", O_WRONLY);

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(print_and_power_off(full), ENOSPC << 8);
	assert_int_equal(print_and_power_off(ends[1]), 0);
	assert_int_equal(read(ends[0], got, sizeof(got)), 10);
	assert_string_equal(got, "result: 42");
	close(ends[0]);
	assert_int_equal(print_and_power_off(ends[1]), EPIPE << 8);
	close(ends[1]);
	close(full);
}

static void a_part_of_a_line_is_written_after_a_while(void **state)
{
	char got[16] = "";
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (!child) {
		start(ends[1]);
		guest_prints("login: ");
		console_run(&console);
		_exit(0);
	}
	assert_int_equal(read(ends[0], got, sizeof(got)), 7);
	assert_string_equal(got, "login: ");
	kill(child, SIGTERM);
	assert_int_equal(status_of(child), 0);
	close(ends[0]);
	close(ends[1]);
}

static void a_key_quits_while_nobody_reads(void **state)
{
	int master;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	child = forkpty(&master, NULL, NULL, NULL);
	if (!child) {
		start(ends[1]);
		serve_flood();
		_exit(vm.ending == ENDING_QUIT ? 0 : 1);
	}
	wait_until_full();
	/* Help has no reader; that it doesn't wait for one is the point. */
	assert_int_equal(write(master, "\001h\001x", 4), 4);
	assert_int_equal(status_of(child), 0);
	close(master);
	close(ends[0]);
	close(ends[1]);
}

static void help_comes_after_what_the_guest_wrote(void **state)
{
	char got[256] = "";
	size_t len = 0;
	ssize_t n;
	int master;
	pid_t child = forkpty(&master, NULL, NULL, NULL);

	(void)state;
	if (!child) {
		start(STDOUT_FILENO);
		guest_prints("login: ");
		console_run(&console);
		_exit(0);
	}
	alarm(SECONDS);
	assert_int_equal(write(master, "\001h", 2), 2);
	while (len < sizeof(got) - 1 && !strstr(got, "quits") &&
	       (n = read(master, got + len, sizeof(got) - 1 - len)) > 0)
		len += n;
	alarm(0);
	assert_non_null(strstr(got, "login: "));
	assert_true(strstr(got, "abyme: Ctrl-a x quits") > strstr(got, "login: "));
	kill(child, SIGTERM);
	assert_int_equal(status_of(child), 0);
	close(master);
}

static bool is_raw(int terminal)
{
	struct termios mode = { 0 };

	tcgetattr(terminal, &mode);
	return !(mode.c_lflag & (ICANON | ECHO | ISIG));
}

/* Is the terminal put back by a launcher that dies of @number? */
static void expect_terminal_back(int number)
{
	int master;
	pid_t child = forkpty(&master, NULL, NULL, NULL);

	if (!child) {
		start(STDOUT_FILENO);
		console_run(&console);
		_exit(0);
	}
	for (int i = 0; i < SECONDS * 100 && !is_raw(master); i++)
		usleep(10000);
	assert_true(is_raw(master));
	kill(child, number);
	assert_int_equal(status_of(child) & 0x7f, number);
	assert_false(is_raw(master));
	close(master);
}

static void the_terminal_is_put_back_whatever_kills_it(void **state)
{
	const int numbers[] = { SIGTRAP, SIGSYS, SIGSTKFLT, SIGRTMIN, SIGRTMAX, SIGFPE };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		expect_terminal_back(numbers[i]);
}

static void a_signal_ends_it_while_nobody_reads(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		pid_t child;

		assert_int_equal(pipe(ends), 0);
		child = fork();
		if (!child) {
			start(ends[1]);
			serve_flood();
			_exit(vm.ending == ENDING_SIGNAL ? vm.ending_value : 255);
		}
		wait_until_full();
		kill(child, SIGTERM);
		assert_int_equal(status_of(child), SIGTERM << 8);
		close(ends[0]);
		close(ends[1]);
	}
}

/* --- the trace ---------------------------------------------------------- */

static char dir[] = "/tmp/abyme-console-XXXXXX", fifo[64];

static int make_fifo(void **state)
{
	(void)state;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(fifo, sizeof(fifo), "%s/trace", dir);
	return mkfifo(fifo, 0600);
}

static int remove_fifo(void **state)
{
	(void)state;
	unlink(fifo);
	return rmdir(dir);
}

static size_t trace_bytes;

/* Reads all, slowly, and kicks whoever writes. */
static void *slow_reader(void *writer)
{
	int fd = open(fifo, O_RDONLY);
	char some[4096];
	ssize_t n;

	while ((n = read(fd, some, sizeof(some))) > 0) {
		trace_bytes += n;
		usleep(500);
		pthread_kill(*(pthread_t *)writer, SIGUSR1);
		usleep(500);
	}
	close(fd);
	return NULL;
}

static size_t write_trace(struct trace *trace)
{
	size_t written = 0;

	for (int i = 0; i < TRACE_LINES; i++)
		written += fprintf(trace->to, "line %d\n", i);
	return written;
}

static void a_kick_costs_no_line_of_the_trace(void **state)
{
	struct sigaction action = { .sa_handler = kicked };
	static struct trace trace;
	pthread_t reader, self = pthread_self();
	size_t written;

	(void)state;
	vm.give_up[0] = -1;
	vm.give_up[1] = eventfd(0, EFD_NONBLOCK);
	sigaction(SIGUSR1, &action, NULL);
	assert_int_equal(pthread_create(&reader, NULL, slow_reader, &self), 0);
	assert_int_equal(trace_open(&trace, fifo, true, vm.give_up), 0);
	written = write_trace(&trace);
	fflush(trace.to);
	assert_false(ferror(trace.to));
	assert_int_equal(trace_close(&trace), 0);
	pthread_join(reader, NULL);
	assert_true(trace_bytes > written);
	close(vm.give_up[1]);
}

static void who_gives_up_does_not_wait_for_its_reader(void **state)
{
	static struct trace trace;
	uint64_t one = 1;
	int reader;

	(void)state;
	reader = open(fifo, O_RDONLY | O_NONBLOCK);
	vm.give_up[0] = -1;
	vm.give_up[1] = eventfd(1, EFD_NONBLOCK);
	assert_int_equal(write(vm.give_up[1], &one, sizeof(one)), sizeof(one));
	alarm(SECONDS);
	assert_int_equal(trace_open(&trace, fifo, true, vm.give_up), 0);
	write_trace(&trace);
	assert_int_equal(trace_close(&trace), -1);
	alarm(0);
	close(reader);
	close(vm.give_up[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_last_line_that_is_lost_is_an_error),
		cmocka_unit_test(a_part_of_a_line_is_written_after_a_while),
		cmocka_unit_test(a_key_quits_while_nobody_reads),
		cmocka_unit_test(help_comes_after_what_the_guest_wrote),
		cmocka_unit_test(the_terminal_is_put_back_whatever_kills_it),
		cmocka_unit_test(a_signal_ends_it_while_nobody_reads),
		cmocka_unit_test_setup_teardown(a_kick_costs_no_line_of_the_trace, make_fifo,
						remove_fifo),
		cmocka_unit_test_setup_teardown(who_gives_up_does_not_wait_for_its_reader,
						make_fifo, remove_fifo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
