// SPDX-License-Identifier: GPL-2.0-only
/* Output to a reader who may be slow, or have stopped, or be gone. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"

int output_open(int fd)
{
	char path[32];
	struct stat st;
	int own;

	/* A file that is opened anew is written from its beginning: it stays as it is. */
	if (fstat(fd, &st) || !(S_ISFIFO(st.st_mode) || isatty(fd)))
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return own < 0 ? fd : own;
}

/* Waits until @fd takes bytes. Return: 0, or EINTR when there is a reason not to wait. */
static int wait_for_room(int fd, int wake_fd)
{
	struct pollfd fds[2] = { { fd, POLLOUT, 0 }, { wake_fd, POLLIN, 0 } };

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue; /* a kick, nothing else */
		if (fds[0].revents)
			return 0; /* an error too: write() tells which */
		if (fds[1].revents)
			return EINTR;
	}
}

int output_write(int fd, int wake_fd, const void *from, size_t len)
{
	const char *next = from;

	while (len) {
		int error = wait_for_room(fd, wake_fd);
		ssize_t n;

		if (error)
			return error;
		n = write(fd, next, len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return errno;
		if (n > 0) {
			next += n;
			len -= n;
		}
	}
	return 0;
}
