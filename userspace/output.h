/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_OUTPUT_H
#define ABYME_OUTPUT_H

#include <stddef.h>

/*
 * A descriptor of our own for what is on @fd that doesn't block; @fd itself
 * where there is none. Whoever shares @fd with us sees no change.
 */
int output_open(int fd);

/*
 * Write all of it, however long the reader takes, but no longer than until
 * @wake_fd becomes readable.
 * Return: 0, EINTR when that happened, or another errno.
 */
int output_write(int fd, int wake_fd, const void *from, size_t len);

#endif
