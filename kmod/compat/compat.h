/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between Linux versions, or was made for KVM's eyes only. */
#ifndef COMPAT_COMPAT_H
#define COMPAT_COMPAT_H

/*
 * What a thread owes the kernel before it enters a guest: rescheduling, task
 * work, tracing. Return: 0; -EINTR: a signal is pending. Context: may sleep.
 */
int compat_guest_work(void);

#endif
