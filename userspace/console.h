/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_CONSOLE_H
#define ABYME_CONSOLE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "vm.h"

#define CONSOLE_BUFFER 4096

/*
 * The guest's serial port on our standard input and output. vCPUs put bytes
 * in under the PC's lock, and wait for the reader without it. One thread,
 * console_run()'s, does the rest, and waits for nobody: it has to read keys.
 */
struct console {
	struct vm *vm;
	uint8_t out[CONSOLE_BUFFER];
	size_t out_len;
	bool timer_armed;
	int out_fd;
	bool out_due; /* what is held is to be written as soon as there is room */
	int timer_fd; /* fires when a part of a line waited long enough */
	int room_fd;  /* the guest read all input and can have more */
	int signal_fd;
	atomic_bool input_full;
	bool input_open;
	bool terminal, escape; /* Ctrl-a was the last key */
};

extern const struct serial_ops console_ops; /* their context is the console */

/* Block the signals that end us: to be called before any thread is started. */
int console_init(struct console *console, struct vm *vm);

/* Serve until the VM ends. */
void console_run(struct console *console);

/* What the guest wrote and we still hold; after the last vCPU's thread. */
void console_flush(struct console *console);

/* After the last output: a signal that still waits ends us now. */
void console_close(void);

#endif
