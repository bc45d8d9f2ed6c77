// SPDX-License-Identifier: GPL-2.0-only
/* The user's terminal: raw while a guest runs, as it was on every way out. */
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "term.h"

static struct termios saved;
static bool is_saved;
static volatile sig_atomic_t raw;

/* Also false for a terminal that is not our session's, or that was hung up. */
static bool in_foreground(void)
{
	return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/*
 * Safe in a signal handler. In the background the terminal is another's, who has put it as
 * he wants it, and changing it would stop us.
 */
void term_restore(void)
{
	if (!raw)
		return;
	raw = 0;
	if (in_foreground())
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void set_raw(void)
{
	struct termios mode;

	/* Only now: while we were in the background it was as a shell edits lines in it. */
	if (!is_saved && tcgetattr(STDIN_FILENO, &saved))
		return;
	is_saved = true;
	mode = saved;
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

/* Whoever stopped us, the terminal may be another's now, or as he left it: term_take() looks. */
static void on_continue(int signal)
{
	(void)signal;
	raw = 0;
}

static void catch_signals(void)
{
	/* And what else ends a program, unless the console waits for it. */
	static const int crashes[] = { SIGSEGV, SIGBUS,	 SIGILL, SIGFPE,
				       SIGABRT, SIGTRAP, SIGSYS, SIGSTKFLT };
	struct sigaction crash = { .sa_handler = on_crash, .sa_flags = SA_RESETHAND | SA_NODEFER };
	struct sigaction stop = { .sa_handler = on_stop, .sa_flags = SA_RESTART };
	struct sigaction go_on = { .sa_handler = on_continue, .sa_flags = SA_RESTART };

	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		sigaction(crashes[i], &crash, NULL);
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		sigaction(number, &crash, NULL);
	sigaction(SIGTSTP, &stop, NULL);
	sigaction(SIGCONT, &go_on, NULL);
}

bool term_raw(void)
{
	if (!isatty(STDIN_FILENO))
		return false;
	atexit(term_restore);
	catch_signals();
	term_take();
	return true;
}

void term_take(void)
{
	if (!in_foreground())
		raw = 0; /* another has it, and has put it as he wants it */
	else if (!raw)
		set_raw();
}

bool term_is_raw(void)
{
	return raw && in_foreground();
}
