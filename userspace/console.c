// SPDX-License-Identifier: GPL-2.0-only
/*
 * The console: standard input and output of the launcher's main thread.
 *
 * Output is written when a line ends, when the buffer is full, or when a
 * part of a line has waited 10 ms. Guests write byte by byte; a write() of
 * our own for each would cost a nested guest dozens of VM exits a byte.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "console.h"
#include "err.h"
#include "output.h"
#include "ports.h"
#include "term.h"

#define PART_OF_LINE_NS 10000000
#define BACKGROUND_NS 250000000 /* how often we look whether the terminal has become ours */
#define KEY_ESCAPE 0x01		/* Ctrl-a */

static const char help_text[] = "\r\nabyme: Ctrl-a x quits, Ctrl-a h shows this, "
				"Ctrl-a Ctrl-a sends Ctrl-a to the guest.\r\n";

/* Signals that end a program unless it says otherwise, and that one may wait for. */
static const int ending_signals[] = {
	SIGINT,	   SIGTERM, SIGHUP,  SIGQUIT, SIGUSR2, SIGALRM,
	SIGVTALRM, SIGPROF, SIGXCPU, SIGPWR,  SIGIO,
};

static void set_timer(struct console *c, bool on)
{
	struct itimerspec when = { .it_value.tv_nsec = on ? PART_OF_LINE_NS : 0 };

	if (on == c->timer_armed)
		return;
	c->timer_armed = on;
	timerfd_settime(c->timer_fd, 0, &when, NULL);
}

/*
 * Writes what the reader takes now. A write that fails ends the run, as the user would
 * otherwise see nothing and not know why. The caller holds the PC's lock.
 */
static void write_some(struct console *c)
{
	ssize_t n = c->vm->output_error ? 0 : output_now(c->out_fd, c->out, c->out_len);

	if (n < 0) {
		c->vm->output_error = -n;
		vm_end(c->vm, ENDING_OUTPUT_FAILED, 0, NULL);
	}
	if (c->vm->output_error)
		n = c->out_len; /* nobody gets the rest */
	c->out_len -= n;
	memmove(c->out, c->out + n, c->out_len);
	if (!c->out_len)
		set_timer(c, false);
}

/*
 * Writes all that is held, or as much as there is room for once one of @wake is readable. The
 * caller holds the PC's lock, which is free while this waits: meanwhile keys are read, and other
 * vCPUs' bytes join the end of what is held.
 */
static void flush(struct console *c, const int wake[2])
{
	int error = 0;

	for (write_some(c); c->out_len && !error; write_some(c)) {
		pthread_mutex_unlock(&c->vm->pc.lock);
		error = output_wait(c->out_fd, wake);
		pthread_mutex_lock(&c->vm->pc.lock);
	}
}

static void transmit(void *context, uint8_t byte)
{
	struct console *c = context;
	const int end[2] = { c->vm->stop_fd, -1 };

	/* Only if another vCPU waits for its reader. */
	if (c->out_len == CONSOLE_BUFFER)
		flush(c, end);
	if (c->out_len == CONSOLE_BUFFER)
		return; /* the run ended meanwhile */
	c->out[c->out_len++] = byte;
	if (byte == '\n' || c->out_len == CONSOLE_BUFFER)
		flush(c, end);
	else
		set_timer(c, true);
}

static void set_irq(void *context, bool level)
{
	struct console *c = context;

	vm_set_irq(c->vm, COM1_IRQ, level);
}

static void wake(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) < 0)
		return; /* its counter is full, so it is readable */
}

static void drained(void *context)
{
	struct console *c = context;

	if (atomic_exchange(&c->input_full, false))
		wake(c->room_fd);
}

const struct serial_ops console_ops = { transmit, set_irq, drained };

void console_flush(struct console *c)
{
	pthread_mutex_lock(&c->vm->pc.lock);
	flush(c, c->vm->give_up);
	pthread_mutex_unlock(&c->vm->pc.lock);
}

static bool is_ignored(int number)
{
	struct sigaction action;

	return !sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN;
}

/* What nohup or a shell had us ignore stays ignored. */
static sigset_t signals_to_wait_for(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ending_signals) / sizeof(ending_signals[0]); i++)
		if (!is_ignored(ending_signals[i]))
			sigaddset(&set, ending_signals[i]);
	return set;
}

/* SIGCONT comes while console_run() waits, which then looks whose the terminal is. */
static void hold_continue(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int open_signals(void)
{
	sigset_t set = signals_to_wait_for();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
	hold_continue();
	/* Of these we learn from write(), which fails with EPIPE or EFBIG. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void console_close(void)
{
	sigset_t set = signals_to_wait_for();

	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int console_init(struct console *c, struct vm *vm)
{
	*c = (struct console){ .vm = vm, .input_open = true };
	c->out_fd = output_open(STDOUT_FILENO);
	c->signal_fd = open_signals();
	vm->give_up[0] = c->signal_fd;
	c->room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->signal_fd < 0 || c->room_fd < 0 || c->timer_fd < 0)
		return fail("no file descriptors for the console: %s.", strerror(errno));
	return 0;
}

static void show_help(struct console *c)
{
	size_t len = sizeof(help_text) - 1;

	pthread_mutex_lock(&c->vm->pc.lock);
	/* Without room there is nobody who would read it. */
	if (c->out_len + len <= CONSOLE_BUFFER) {
		memcpy(c->out + c->out_len, help_text, len);
		c->out_len += len;
		c->out_due = true;
	}
	pthread_mutex_unlock(&c->vm->pc.lock);
}

/* Ctrl-a and the key after it are ours. Return: how many bytes of keys[] go to the guest. */
static size_t take_escapes(struct console *c, uint8_t *keys, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		if (!c->escape) {
			c->escape = keys[i] == KEY_ESCAPE;
			if (!c->escape)
				keys[kept++] = keys[i];
			continue;
		}
		c->escape = false;
		if (keys[i] == 'x')
			vm_end(c->vm, ENDING_QUIT, 0, NULL);
		else if (keys[i] == 'h' || keys[i] == '?')
			show_help(c);
		else if (keys[i] == KEY_ESCAPE || keys[i] == 'a')
			keys[kept++] = KEY_ESCAPE;
	}
	return kept;
}

/* How much may be read from standard input; when none, the guest's next reading wakes us. */
static size_t input_room(struct console *c)
{
	struct pc *pc = &c->vm->pc;
	size_t room;

	pthread_mutex_lock(&pc->lock);
	room = serial_room(&pc->serial);
	atomic_store(&c->input_full, !room);
	pthread_mutex_unlock(&pc->lock);
	return room;
}

static void read_input(struct console *c)
{
	struct pc *pc = &c->vm->pc;
	uint8_t keys[256];
	size_t room = input_room(c), len;
	ssize_t n;

	n = read(STDIN_FILENO, keys, room < sizeof(keys) ? room : sizeof(keys));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		c->input_open = false;
		return;
	}
	len = c->terminal ? take_escapes(c, keys, n) : (size_t)n;
	pthread_mutex_lock(&pc->lock);
	serial_receive(&pc->serial, keys, len);
	pthread_mutex_unlock(&pc->lock);
}

static void drain(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0)
		return; /* nothing there */
}

static void timer_fired(struct console *c)
{
	drain(c->timer_fd);
	pthread_mutex_lock(&c->vm->pc.lock);
	c->timer_armed = false;
	c->out_due = true;
	pthread_mutex_unlock(&c->vm->pc.lock);
}

static void write_due(struct console *c)
{
	pthread_mutex_lock(&c->vm->pc.lock);
	write_some(c);
	c->out_due = c->out_len;
	pthread_mutex_unlock(&c->vm->pc.lock);
}

static void signal_came(struct console *c)
{
	struct signalfd_siginfo info;

	if (read(c->signal_fd, &info, sizeof(info)) == sizeof(info))
		vm_end(c->vm, ENDING_SIGNAL, info.ssi_signo, NULL);
}

/* A terminal that isn't ours to read would stop us. */
static bool may_read(const struct console *c)
{
	return c->input_open && (!c->terminal || term_is_raw());
}

/*
 * Waits as poll() does, and lets SIGCONT in meanwhile. In the background not for long: a
 * shell's fg sends a signal to a job that is stopped, but need not to one that runs.
 */
static int wait_for(const struct console *c, struct pollfd *fds, unsigned int count)
{
	static const struct timespec look = { .tv_nsec = BACKGROUND_NS };
	bool background = c->terminal && !term_is_raw();
	sigset_t mask;

	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	sigdelset(&mask, SIGCONT);
	return ppoll(fds, count, background ? &look : NULL, &mask);
}

void console_run(struct console *c)
{
	enum { IN, OUT, STOP, SIGNALS, TIMER, ROOM, NR };
	struct pollfd fds[NR] = {
		[IN] = { -1, POLLIN, 0 },
		[OUT] = { -1, POLLOUT, 0 },
		[STOP] = { c->vm->stop_fd, POLLIN, 0 },
		[SIGNALS] = { c->signal_fd, POLLIN, 0 },
		[TIMER] = { c->timer_fd, POLLIN, 0 },
		[ROOM] = { c->room_fd, POLLIN, 0 },
	};

	c->terminal = term_raw();
	while (!atomic_load(&c->vm->stopping)) {
		if (c->terminal)
			term_take();
		/* ppoll() skips negative descriptors. */
		fds[IN].fd = may_read(c) && input_room(c) ? STDIN_FILENO : -1;
		fds[OUT].fd = c->out_due ? c->out_fd : -1;
		if (wait_for(c, fds, NR) < 0)
			continue; /* a signal, nothing else */
		if (fds[SIGNALS].revents)
			signal_came(c);
		if (fds[TIMER].revents)
			timer_fired(c);
		if (fds[OUT].revents)
			write_due(c);
		if (fds[ROOM].revents)
			drain(c->room_fd);
		if (fds[IN].revents && may_read(c))
			read_input(c);
	}
}
