/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_TERM_H
#define ABYME_TERM_H

#include <stdbool.h>

/*
 * Hand every key of the terminal on standard input to the guest, as soon as we are in the
 * foreground. The terminal is put back at exit(), at a crash, and while we are stopped.
 * Return: false when standard input is no terminal.
 */
bool term_raw(void);
/* Make it raw if it has become ours. To be asked again and again: no signal tells of that. */
void term_take(void);
/* Are its keys ours to read? In the background reading one would stop us. */
bool term_is_raw(void);
void term_restore(void);

#endif
