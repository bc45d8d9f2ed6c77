// SPDX-License-Identifier: GPL-2.0-only
/*
 * abyme run in a terminal: raw while a guest runs, as it was on every way out,
 * and the exit status of each. DEVICE=/dev/kvm tries it on KVM.
 */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "vm.h"

#define SECONDS 10

/* A guest that says ".", echoes what comes in at COM1, and ends itself by p, r, t or d. */
asm("	.section .rodata\n"
    "	.code32\n"
    "guest_start:\n"
    "	.long 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)\n"
    "	.long 0x100000, 0x100000, 0, 0, 0x100020\n"
    "	mov $0x3f8, %dx\n"
    "	mov $'., %al\n"
    "	out %al, (%dx)\n"
    "1:	mov $0x3fd, %dx\n"
    "	in (%dx), %al\n"
    "	test $1, %al\n"
    "	jz 1b\n"
    "	mov $0x3f8, %dx\n"
    "	in (%dx), %al\n"
    "	cmp $'p, %al\n"
    "	je 2f\n"
    "	cmp $'r, %al\n"
    "	je 3f\n"
    "	cmp $'t, %al\n"
    "	je 4f\n"
    "	cmp $'d, %al\n"
    "	je 5f\n"
    "	out %al, (%dx)\n"
    "	jmp 1b\n"
    "2:	mov $0x604, %dx\n" /* ACPI's power-off */
    "	mov $0x3400, %ax\n"
    "	out %ax, (%dx)\n"
    "3:	mov $0xcf9, %dx\n" /* reset */
    "	mov $6, %al\n"
    "	out %al, (%dx)\n"
    "4:	ud2\n"	       /* a triple fault: there is no IDT */
    "5:	mov $3, %al\n" /* debug exit */
    "	out %al, $0xf4\n"
    "guest_end:\n"
    "	.code64\n"
    "	.previous\n");
extern const char guest_start[], guest_end[];

static char image[] = "/tmp/terminal-XXXXXX";
static const char *device;
static pid_t child;
static int master;
static struct termios before;

static void write_image(void)
{
	int fd = mkstemp(image);
	ssize_t size = guest_end - guest_start;

	if (fd < 0 || write(fd, guest_start, size) != size)
		exit(1);
	close(fd);
}

/* A terminal whose mode is no default. Return: whether we are the child, who is on it. */
static bool open_terminal(void)
{
	child = forkpty(&master, NULL, NULL, NULL);
	if (child < 0)
		exit(1);
	if (child)
		return false;
	tcgetattr(0, &before);
	before.c_cc[VINTR] = 'i' & 0x1f;
	before.c_lflag &= ~ECHOK;
	tcsetattr(0, TCSANOW, &before);
	return true;
}

static void be_launcher(const char *guest)
{
	execlp("abyme", "abyme", "run", "--device", device, "--memory", "16M", guest, NULL);
	_exit(127);
}

static void start(const char *guest)
{
	if (open_terminal())
		be_launcher(guest);
}

static struct termios mode(void)
{
	struct termios now = { 0 };

	tcgetattr(master, &now);
	return now;
}

static bool is_raw(void)
{
	return !(mode().c_lflag & (ICANON | ECHO | ISIG));
}

static bool is_as_before(void)
{
	struct termios now = mode();

	return now.c_cc[VINTR] == ('i' & 0x1f) && (now.c_lflag & ICANON) && (now.c_lflag & ECHO) &&
	       (now.c_lflag & ISIG) && !(now.c_lflag & ECHOK) && (now.c_iflag & ICRNL);
}

static bool within(bool (*what)(void))
{
	for (int i = 0; i < SECONDS * 50; i++) {
		if (what())
			return true;
		usleep(20000);
	}
	return false;
}

static void type(const char *keys, size_t len)
{
	if (write(master, keys, len) != (ssize_t)len)
		tap_note("the terminal takes no keys");
}

/* Does the terminal show @text within its time? */
static bool shows(const char *text)
{
	char seen[4096];
	size_t len = 0;
	struct pollfd in = { master, POLLIN, 0 };

	while (len < sizeof(seen) && poll(&in, 1, SECONDS * 1000) > 0) {
		ssize_t n = read(master, seen + len, sizeof(seen) - len);

		if (n <= 0)
			return false;
		len += n;
		if (memmem(seen, len, text, strlen(text)))
			return true;
	}
	return false;
}

/* The launcher's wait status, or -1 after killing it. */
static int ended(void)
{
	int status;

	for (int i = 0; i < SECONDS * 50; i++) {
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		usleep(20000);
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return -1;
}

static bool running(void)
{
	start(image);
	if (!within(is_raw))
		return false;
	type("k", 1);
	return shows("k");
}

static void claim_end(const char *what, int status, int want)
{
	bool as_before = is_as_before();

	tap_ok(status == want && as_before, "%s ends it and puts the terminal back", what);
	if (status != want || !as_before)
		tap_note("wait status %#x, expected %#x; terminal %s", status, want,
			 as_before ? "restored" : "not restored");
	close(master);
}

static void keys(void)
{
	tap_ok(running(), "the terminal is raw, and a key comes to the guest and back");
	type("\x03\x1a\x1c", 3);
	tap_ok(shows("\x03\x1a\x1c"), "Ctrl-c, Ctrl-z and Ctrl-\\ are the guest's");
	type("\x01h", 2);
	tap_ok(shows("Ctrl-a x quits"), "Ctrl-a h helps");
	type("\x01\x01", 2);
	tap_ok(shows("\x01"), "Ctrl-a Ctrl-a sends Ctrl-a");
	type("\x01x", 2);
	claim_end("Ctrl-a x", ended(), W_EXITCODE(14, 0));
}

static void guests_end(void)
{
	static const struct {
		const char *key, *what;
		int status;
	} ways[] = {
		{ "p", "the guest's power-off", 0 },
		{ "r", "the guest's reset", 6 },
		{ "t", "the guest's triple fault", 8 },
		{ "d", "the guest's debug exit", 7 },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (!running())
			tap_note("no guest");
		type(ways[i].key, 1);
		claim_end(ways[i].what, ended(), W_EXITCODE(ways[i].status, 0));
	}
	start("/nothing");
	claim_end("an error", ended(), W_EXITCODE(4, 0));
}

static void signals_end(void)
{
	const int signals[] = { SIGTERM, SIGINT,  SIGHUP,  SIGQUIT, SIGUSR2,   SIGALRM,
				SIGSEGV, SIGABRT, SIGTRAP, SIGSYS,  SIGSTKFLT, SIGRTMIN };

	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		if (!running())
			tap_note("no guest");
		kill(child, signals[i]);
		claim_end(strsignal(signals[i]), ended() & ~WCOREFLAG, W_EXITCODE(0, signals[i]));
	}
}

static void stopped(int signal, bool (*then)(void), const char *what)
{
	int status;

	if (!running())
		tap_note("no guest");
	kill(child, signal);
	waitpid(child, &status, WUNTRACED);
	tap_ok(WIFSTOPPED(status) && within(then), "%s", what);
	/* As a shell does that has had the terminal meanwhile. */
	before = mode();
	before.c_lflag |= ICANON | ECHO | ISIG;
	tcsetattr(master, TCSANOW, &before);
	kill(child, SIGCONT);
	tap_ok(within(is_raw), "and raw again when it goes on");
	type("p", 1);
	ended();
	close(master);
}

/* To the shell, a letter each: who is to have the terminal, the job or the shell. */
static int orders[2];

/*
 * What a shell does for "abyme run ... &", then for fg and bg. As bash's, its fg sends no
 * SIGCONT to a job that runs. While it has the terminal it edits a line, without echo.
 */
static void be_shell(void)
{
	struct termios editing = before;
	pid_t job = fork();
	char order;
	int status;

	if (!job) {
		setpgid(0, 0);
		be_launcher(image);
	}
	setpgid(job, job);
	close(orders[1]);
	signal(SIGTTOU, SIG_IGN);
	editing.c_lflag &= ~(ECHO | ICANON);
	tcsetattr(0, TCSANOW, &editing);
	while (read(orders[0], &order, 1) == 1) {
		tcsetattr(0, TCSANOW, order == 'j' ? &before : &editing);
		tcsetpgrp(0, order == 'j' ? job : getpid());
	}
	waitpid(job, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

/* The launcher as a job in the background. Return: whether its guest runs. */
static bool running_behind(void)
{
	if (pipe2(orders, O_CLOEXEC))
		exit(1);
	if (open_terminal())
		be_shell();
	close(orders[0]);
	return shows(".");
}

static bool shell_has_it(void)
{
	return tcgetpgrp(master) == child;
}

static bool job_has_it(void)
{
	return !shell_has_it();
}

static void give_terminal(char to)
{
	if (write(orders[1], &to, 1) != 1 || !within(to == 'j' ? job_has_it : shell_has_it))
		tap_note("the shell does not give the terminal");
}

static bool is_shells(void)
{
	return (mode().c_lflag & (ICANON | ECHO | ISIG)) == ISIG;
}

/* A line for the shell: whoever else would read it is stopped. */
static bool is_left_alone(void)
{
	type("q\n", 2);
	sleep(1);
	return is_shells();
}

static bool takes_keys(void)
{
	if (!within(is_raw))
		return false;
	type("k", 1);
	return shows("k");
}

static void comes_to_the_foreground(void)
{
	bool runs = running_behind();

	tap_ok(runs && is_left_alone(), "in the background it leaves the terminal alone");
	give_terminal('j');
	tap_ok(takes_keys(), "brought to the foreground it takes keys, without a signal");
	type("\x01x", 2);
	close(orders[1]);
	claim_end("Ctrl-a x there", ended(), W_EXITCODE(14, 0));
}

static void goes_to_the_background(void)
{
	pid_t job;

	if (!running_behind())
		tap_note("no guest");
	give_terminal('j');
	job = tcgetpgrp(master);
	if (!takes_keys())
		tap_note("no keys");
	kill(job, SIGTSTP);
	give_terminal('s');
	kill(job, SIGCONT);
	tap_ok(is_left_alone(), "stopped and continued in the background, too");
	give_terminal('j');
	tap_ok(takes_keys(), "and is there again when it is brought back");
	kill(job, SIGSTOP);
	give_terminal('s');
	kill(job, SIGTERM);
	kill(job, SIGCONT);
	close(orders[1]);
	tap_ok(ended() == W_EXITCODE(SIGTERM, 0) && is_shells(),
	       "a signal in the background ends it, and the terminal stays the shell's");
	close(master);
}

int main(void)
{
	device = getenv("DEVICE") ? getenv("DEVICE") : "/dev/abyme";
	write_image();
	keys();
	guests_end();
	signals_end();
	stopped(SIGTSTP, is_as_before, "while it is stopped the terminal is as it was");
	stopped(SIGSTOP, is_raw, "SIGSTOP can't be caught: the terminal stays raw");
	comes_to_the_foreground();
	goes_to_the_background();
	unlink(image);
	return tap_done();
}
