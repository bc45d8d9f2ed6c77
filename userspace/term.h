/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_TERM_H
#define ABYME_TERM_H

#include <stdbool.h>

/*
 * Hand every key of the terminal on standard input to the guest. The
 * terminal is put back at exit(), at a crash, and while we are stopped.
 * Return: false when standard input is no terminal, or not ours to read.
 */
bool term_raw(void);
void term_restore(void);

#endif
