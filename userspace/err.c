// SPDX-License-Identifier: GPL-2.0-only
/* Errors: one sentence each, kept where it happens and said once at the end. */
#include <stdarg.h>
#include <stdio.h>

#include "err.h"

static _Thread_local char kept[1024];

int fail(const char *format, ...)
{
	va_list args;

	if (kept[0])
		return -1;
	va_start(args, format);
	vsnprintf(kept, sizeof(kept), format, args);
	va_end(args);
	return -1;
}

const char *fail_text(void)
{
	return kept;
}

void fail_clear(void)
{
	kept[0] = '\0';
}

void say(const char *format, ...)
{
	char line[1200];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	/* One write, so that lines of several processes don't mix. */
	fprintf(stderr, "abyme: %s\n", line);
}
