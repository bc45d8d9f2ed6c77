// SPDX-License-Identifier: GPL-2.0-only
/* The user's terminal: raw while a guest runs, as it was on every way out. */
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "term.h"

static struct termios saved;
static volatile sig_atomic_t raw;

/* Safe in a signal handler. */
void term_restore(void)
{
	if (!raw)
		return;
	raw = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void set_raw(void)
{
	struct termios mode = saved;

	cfmakeraw(&mode);
	mode.c_oflag |= OPOST; /* our own messages start at the left */
	tcsetattr(STDIN_FILENO, TCSANOW, &mode);
	raw = 1;
}

static void on_crash(int signal)
{
	term_restore();
	raise(signal); /* the handler is gone: SA_RESETHAND */
}

static void on_stop(int signal)
{
	(void)signal;
	term_restore();
	kill(getpid(), SIGSTOP);
}

/* Whoever stopped us, the terminal is another's while we are in the background. */
static void on_continue(int signal)
{
	(void)signal;
	raw = 0;
	if (tcgetpgrp(STDIN_FILENO) == getpgrp())
		set_raw();
}

static void catch_signals(void)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction crash = { .sa_handler = on_crash, .sa_flags = SA_RESETHAND | SA_NODEFER };
	struct sigaction stop = { .sa_handler = on_stop, .sa_flags = SA_RESTART };
	struct sigaction go_on = { .sa_handler = on_continue, .sa_flags = SA_RESTART };

	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &crash, NULL);
	sigaction(SIGTSTP, &stop, NULL);
	sigaction(SIGCONT, &go_on, NULL);
}

bool term_raw(void)
{
	if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
	    tcgetattr(STDIN_FILENO, &saved))
		return false;
	atexit(term_restore);
	catch_signals();
	set_raw();
	return true;
}
