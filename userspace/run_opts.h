/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ABYME_RUN_OPTS_H
#define ABYME_RUN_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "optparse.h"

#define MODULES_MAX 16
#define LINUX_DEFAULT_CMDLINE "console=ttyS0 panic=-1"

struct module_opt {
	const char *path, *args;
};

struct run_opts {
	const char *image, *initrd, *append, *device;
	struct module_opt module[MODULES_MAX];
	unsigned int modules;
	unsigned int cpus;
	uint64_t memory;
	bool nested, explain, trace_nested, json;
	const char *trace_file; /* NULL: standard error */
};

extern const struct command run_command;

/* Fill in defaults, then what argv[1...] says. Return: as options_parse(). */
int run_opts_parse(struct run_opts *opts, int argc, char **argv);

#endif
