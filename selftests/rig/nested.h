/* SPDX-License-Identifier: GPL-2.0-only */
/* Nested VMX seen from userspace, for mini; one vCPU at a time. */
#ifndef RIG_NESTED_H
#define RIG_NESTED_H

#include "vm.h"

/* The nested state out, and in again. Return: its size, or 0; as ioctl(). */
u32 nested_take_state(int fd);
int nested_give_state(int fd);
/* What was taken becomes one that no processor takes: L2's RFLAGS is 0. */
void nested_break_state(void);

int nested_watch(int fd, bool on); /* ABYME_WATCH_EXITS */
/* To standard error: how many there are and were, and each with its number. */
void nested_print_reports(int fd);

#endif
