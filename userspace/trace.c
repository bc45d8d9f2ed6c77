// SPDX-License-Identifier: GPL-2.0-only
/* abyme run --trace-nested: each exit of the guest's own guests, and the sum of them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <x86intrin.h>

#include "err.h"
#include "output.h"
#include "trace.h"
#include "vm.h"

/* Of trace->to. Neither a kick nor a slow reader makes it lose a line. */
static ssize_t write_all(void *cookie, const char *from, size_t len)
{
	struct trace *trace = cookie;

	if (!trace->failed)
		trace->failed = output_write(trace->fd, trace->give_up, from, len);
	return trace->failed ? 0 : (ssize_t)len;
}

static int close_own(void *cookie)
{
	const struct trace *trace = cookie;

	return trace->fd == STDERR_FILENO ? 0 : close(trace->fd);
}

/* For a FIFO only the opening waits. Return: a descriptor that doesn't block, or -1. */
static int open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd >= 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

int trace_open(struct trace *trace, const char *path, bool json, const int give_up[2])
{
	static const cookie_io_functions_t functions = { .write = write_all, .close = close_own };

	trace->path = path;
	trace->fd = path ? open_file(path) : output_open(STDERR_FILENO);
	trace->give_up = give_up;
	/* Standard error itself writes each piece of a line on its own. */
	trace->to = trace->fd < 0 ? NULL : fopencookie(trace, "w", functions);
	if (!trace->to)
		return fail("--trace-nested: %s can't be written: %s.",
			    path ? path : "standard error", strerror(errno));
	trace->format = json ? &trace_as_json : &trace_as_text;
	trace->start = __rdtsc();
	pthread_mutex_init(&trace->lock, NULL);
	trace->format->head(trace->to);
	return 0;
}

static void take(struct trace *trace, const struct vcpu *vcpu, const struct abyme_nested_exit *x)
{
	uint64_t lost = x->sequence - vcpu->traced - 1;

	if (lost) {
		trace->summary.lost += lost;
		trace->format->lost(trace->to, vcpu->id, lost);
	}
	trace->format->exit(trace->to, vcpu->id, trace->start, x);
	trace_summary_exit(&trace->summary, x);
}

void trace_new(struct vcpu *vcpu)
{
	struct trace *trace = vcpu->vm->trace;
	struct abyme_nested_exits exits;

	pthread_mutex_lock(&trace->lock);
	do {
		exits.after = vcpu->traced;
		exits.padding = 0;
		if (ioctl(vcpu->fd, ABYME_GET_NESTED_EXITS, &exits))
			break;
		for (uint32_t i = 0; i < exits.count; i++) {
			take(trace, vcpu, &exits.exit[i]);
			vcpu->traced = exits.exit[i].sequence;
		}
	} while (exits.count);
	fflush(trace->to);
	pthread_mutex_unlock(&trace->lock);
}

void trace_end(struct vcpu *vcpu)
{
	struct trace *trace = vcpu->vm->trace;
	struct abyme_nested_counts counts;
	struct abyme_watch off = { 0 };

	ioctl(vcpu->fd, ABYME_SET_WATCH, &off);
	trace_new(vcpu);
	pthread_mutex_lock(&trace->lock);
	if (!ioctl(vcpu->fd, ABYME_GET_NESTED_COUNTS, &counts))
		trace_summary_counts(&trace->summary, &counts);
	pthread_mutex_unlock(&trace->lock);
}

int trace_close(struct trace *trace)
{
	int error;

	trace->format->summary(trace->to, &trace->summary);
	error = fclose(trace->to);
	if (error || trace->failed)
		return fail("the trace is not complete: %s can't be written.",
			    trace->path ? trace->path : "standard error");
	return 0;
}
