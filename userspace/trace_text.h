/* SPDX-License-Identifier: GPL-2.0-only */
/* The trace of nested exits on paper: as tables for people, as JSON for programs. */
#ifndef ABYME_TRACE_TEXT_H
#define ABYME_TRACE_TEXT_H

#include <stdio.h>

#include "trace_summary.h"

struct trace_format {
	void (*head)(FILE *to);
	/* @start: the TSC at which the trace began */
	void (*exit)(FILE *to, unsigned int vcpu, uint64_t start,
		     const struct abyme_nested_exit *x);
	void (*lost)(FILE *to, unsigned int vcpu, uint64_t count);
	void (*summary)(FILE *to, const struct trace_summary *s);
};

extern const struct trace_format trace_as_text;
extern const struct trace_format trace_as_json; /* an object a line, the summary's last */

#endif
