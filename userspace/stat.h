/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_STAT_H
#define ABYME_STAT_H

#include <stdint.h>

#define COUNTERS_MAX 320

struct counter {
	char name[48];
	uint64_t value;
};

/* A VM's counters, by name. */
struct counters {
	unsigned int count;
	struct counter counter[COUNTERS_MAX];
};

/* Read every counter of a directory, one file each. Return: 0, or -1 when it isn't there. */
int counters_read(struct counters *counters, const char *dir);

/* How much @now grew since @before, less than 0 for what can shrink; 0 when it wasn't there. */
int64_t counters_delta(const struct counters *before, const struct counter *now);

unsigned int stat_dir_pid(const char *name);

#endif
