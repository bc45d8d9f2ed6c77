/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_ERR_H
#define ABYME_ERR_H

/*
 * How abyme's commands end. Even numbers are ours: a guest that ends itself
 * through the debug-exit port answers with an odd one, (value << 1) | 1.
 */
enum exit_status {
	EXIT_POWER_OFF = 0,
	EXIT_USAGE = 2, /* the command line is wrong */
	EXIT_SETUP = 4, /* the guest could not be started */
	EXIT_RESET = 6, /* the guest reset itself */
	EXIT_TRIPLE_FAULT = 8,
	EXIT_FAILED_ENTRY = 10, /* the processor refused the vCPU's state */
	EXIT_INTERNAL = 12,	/* the hypervisor gave up on an instruction */
	EXIT_QUIT = 14,		/* Ctrl-a x */
	EXIT_OUTPUT = 16,	/* standard output or the trace can't be written */
};

/*
 * Keep one sentence that says what, where and what now.
 * The first cause stays: later failures on the way out don't replace it.
 * Return: -1, so that "return fail(...)" reads well.
 */
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The sentence that fail() kept on this thread; "" when there is none. */
const char *fail_text(void);
void fail_clear(void);

/* "abyme: SENTENCE" on standard error. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
