/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_STAT_H
#define ABYME_STAT_H

#include <stdbool.h>
#include <stddef.h>
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

/* How much @now grew since @before, less than 0 for what can shrink; 0 when it wasn't there. */
int64_t counters_delta(const struct counters *before, const struct counter *now);

/* What a statistics fd (KVM_GET_STATS_FD) was read as. Return: 0, or -1: it makes no sense. */
int counters_parse(struct counters *counters, const void *image, size_t size);

/*
 * Read every counter of a directory, one file each. Return: 0; -1: see errno, which is EPERM
 * when the kernel keeps one to itself.
 */
int counters_read(struct counters *counters, const char *dir);

/* "PID-FD", the name of a VM's directory. Return: the pid, or 0. */
unsigned int stat_dir_pid(const char *name);

/* Where the counters of the VMs on a device are. */
struct stat_source {
	const char *device;
	char debugfs[64]; /* KVM's directory; "": the VMs' own fds */
	unsigned int pid; /* only this process' VMs; 0: those of all */
	bool hidden;	  /* there were processes that could not be looked into */
};

/* Called for each VM with "PID-FD". */
typedef void stat_shower(const char *name, const struct counters *counters, const void *context);

/* Return: 0, or -1 after fail(). */
int stat_source_find(struct stat_source *source, const char *device, unsigned int pid);
/* Return: how many VMs were shown, or -1 after fail(). */
int stat_source_each(struct stat_source *source, stat_shower *show, const void *context);

#endif
