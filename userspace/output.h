/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_OUTPUT_H
#define ABYME_OUTPUT_H

#include <stddef.h>
#include <sys/types.h>

/*
 * A descriptor of our own for what is on @fd that doesn't block; @fd itself
 * where there is none. Whoever shares @fd with us sees no change.
 */
int output_open(int fd);

/* Write what @fd takes without waiting. Return: how much that was, or a negative errno. */
ssize_t output_now(int fd, const void *from, size_t len);

/*
 * Wait until @fd takes bytes, or one of @wake (-1: none) is readable. That must stay so: a
 * signal that comes between lets us look again, no more.
 * Return: 0, or EINTR when there is no room.
 */
int output_wait(int fd, const int wake[2]);

/*
 * Write all of it, however long the reader takes, but no longer than output_wait() waits.
 * Return: 0, EINTR when it waits no longer, or another errno.
 */
int output_write(int fd, const int wake[2], const void *from, size_t len);

#endif
