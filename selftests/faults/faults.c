// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that runs out, where and when a test wants it: only in a module that is built with
 * FAULTS=1.
 *
 *	fault=N		as a parameter of the module, or written to the parameter's file: of what
 *			this process asks for from now on the Nth fails; 0: nothing does
 *	the file	"LEFT PLACE HELD": how many are still to come, 0 when it has failed; where
 *			that was; how many pieces of memory the module holds
 */
#include <linux/module.h>

#include "faults.h"

static atomic_t left;
static atomic_t held;
static pid_t victim;
static const char *failed_file = "-";
static int failed_line;

bool fault_here(const char *file, int line)
{
	if (!in_task() || current->tgid != READ_ONCE(victim))
		return false;
	if (atomic_read(&left) <= 0 || atomic_dec_return(&left))
		return false;
	WRITE_ONCE(failed_file, file);
	WRITE_ONCE(failed_line, line);
	return true;
}

void *fault_got(const void *p)
{
	if (!IS_ERR_OR_NULL(p))
		atomic_inc(&held);
	return (void *)p;
}

void fault_gave(const void *p)
{
	if (!IS_ERR_OR_NULL(p))
		atomic_dec(&held);
}

static int set(const char *value, const struct kernel_param *param)
{
	unsigned int nth;
	int r = kstrtouint(value, 0, &nth);

	if (r)
		return r;
	atomic_set(&left, nth);
	WRITE_ONCE(victim, current->tgid);
	return 0;
}

static int get(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%d %s:%d %d\n", atomic_read(&left),
			  kbasename(READ_ONCE(failed_file)), READ_ONCE(failed_line),
			  atomic_read(&held));
}

static const struct kernel_param_ops ops = { .set = set, .get = get };

module_param_cb(fault, &ops, NULL, 0600);
