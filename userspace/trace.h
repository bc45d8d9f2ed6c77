/* SPDX-License-Identifier: GPL-2.0-only */
/* abyme run --trace-nested: where the trace goes, and reading it from the vCPUs. */
#ifndef ABYME_TRACE_H
#define ABYME_TRACE_H

#include <pthread.h>

#include "trace_text.h"

struct vcpu;

struct trace {
	const char *path; /* NULL: standard error */
	FILE *to;	  /* on .fd */
	int fd;
	const int *give_up; /* the VM's: until then its reader is waited for */
	bool failed;	    /* nothing more is written: it would look as if nothing were missing */
	const struct trace_format *format;
	uint64_t start;	      /* TSC */
	pthread_mutex_t lock; /* of all that follows, and of .to */
	struct trace_summary summary;
};

/* Return: 0, or -1 after fail(). */
int trace_open(struct trace *trace, const char *path, bool json, const int give_up[2]);

/*
 * From the vCPU's thread. trace_new() after KVM_RUN: a line for each exit since the
 * last call; trace_end() when it has run last: those that are left, and the counts.
 */
void trace_new(struct vcpu *vcpu);
void trace_end(struct vcpu *vcpu);

/* The summary. Return: 0, or -1 after fail() when not all could be written. */
int trace_close(struct trace *trace);

#endif
