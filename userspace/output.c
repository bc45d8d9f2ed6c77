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

ssize_t output_now(int fd, const void *from, size_t len)
{
	struct pollfd out = { fd, POLLOUT, 0 };
	ssize_t n;

	/* One that isn't our own may block, so ask first. Of an error write() tells which. */
	if (!len || poll(&out, 1, 0) <= 0)
		return 0;
	n = write(fd, from, len);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

int output_wait(int fd, const int wake[2])
{
	struct pollfd fds[3] = { { fd, POLLOUT, 0 },
				 { wake[0], POLLIN, 0 },
				 { wake[1], POLLIN, 0 } };

	while (poll(fds, 3, -1) < 0)
		; /* a kick, nothing else */
	return fds[0].revents ? 0 : EINTR;
}

int output_write(int fd, const int wake[2], const void *from, size_t len)
{
	const char *next = from;

	while (len) {
		ssize_t n = output_now(fd, next, len);

		if (n < 0)
			return -n;
		if (!n && output_wait(fd, wake))
			return EINTR;
		next += n;
		len -= n;
	}
	return 0;
}
